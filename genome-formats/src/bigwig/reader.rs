//! Reads the values of a bigWig file.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::iter::FusedIterator;
use std::path::Path;

use super::index::{Blocks, Header, Query, Source};
use super::summary::{Precision, SignalSummary, Summaries};
use crate::coord::Span;
use crate::error::{Error, ErrorKind, Result};
use crate::input::Limits;
use crate::wig::{Signal, SignalView};

/// A sequence of a bigWig file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chromosome {
    /// Its name.
    pub name: String,
    /// Its bases.
    pub length: u64,
}

/// Reads regions of a bigWig file. The header and the names of the sequences are in memory, all else is read when it is asked
/// for, a block at a time; no size that the file declares is trusted.
#[derive(Debug)]
pub struct BigWigReader<R> {
    pub(super) source: Source<R>,
    pub(super) header: Header,
    chromosomes: Vec<Chromosome>,
    ids: HashMap<String, (u32, u32)>,
    limits: Limits,
}

impl BigWigReader<BufReader<File>> {
    /// Opens a file. A bigWig file has to be searched, so that standard input will not do.
    ///
    /// # Errors
    ///
    /// The file cannot be opened or is not bigWig.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let name = path.as_ref().display().to_string();
        match File::open(path) {
            Ok(file) => Self::new(name, BufReader::new(file)),
            Err(error) => Err(Error::from_io(name, error)),
        }
    }
}

impl<R: Read + Seek> BigWigReader<R> {
    /// Reads the header; `name` stands in errors.
    ///
    /// # Errors
    ///
    /// Reading fails, or this is not bigWig.
    pub fn new(name: impl Into<String>, reader: R) -> Result<Self> {
        Self::with_limits(name, reader, Limits::default())
    }

    /// As [`BigWigReader::new`] with other limits: of the names of sequences (`max_header`), and of the values that are given at
    /// once (`max_table`).
    ///
    /// # Errors
    ///
    /// As [`BigWigReader::new`].
    pub fn with_limits(name: impl Into<String>, reader: R, limits: Limits) -> Result<Self> {
        let (mut source, header) = Source::new(name.into(), reader)?;
        let mut found = source.chromosomes(&header, limits.max_header)?;
        found.sort_by_key(|(_, id, _)| *id);
        let mut ids = HashMap::new();
        if let Some(pair) = found.windows(2).find(|pair| pair[0].1 == pair[1].1) {
            let error = Error::new(ErrorKind::Duplicate, source.path(), "two sequences have one number");
            return Err(error.in_record(&pair[1].0));
        }
        for (name, id, length) in &found {
            if ids.insert(name.clone(), (*id, *length)).is_some() {
                return Err(Error::new(ErrorKind::Duplicate, source.path(), "a sequence stands twice").in_record(name));
            }
        }
        let chromosomes =
            found.into_iter().map(|(name, _, length)| Chromosome { name, length: length.into() }).collect();
        Ok(Self { source, header, chromosomes, ids, limits })
    }

    /// The sequences that have values, in the order of the file.
    pub fn chromosomes(&self) -> &[Chromosome] {
        &self.chromosomes
    }

    /// The values that overlap a region, cut to it, in order.
    ///
    /// # Errors
    ///
    /// The file has no such sequence, the region passes its end, or reading fails.
    pub fn signals(&mut self, seq_name: &str, region: Span) -> Result<BigWigSignals<'_, R>> {
        let scan = Scan::new(self, seq_name, region)?;
        Ok(BigWigSignals { reader: self, scan })
    }

    /// All values of the file, sequence by sequence.
    pub fn into_signals(self) -> BigWigRecords<R> {
        BigWigRecords { reader: self, next: 0, scan: None }
    }

    /// A value for each base of a region; `NaN` where there is none.
    ///
    /// # Errors
    ///
    /// As [`BigWigReader::signals`], or the values take more than [`Limits::max_table`] bytes.
    pub fn values(&mut self, seq_name: &str, region: Span) -> Result<Vec<f32>> {
        self.query(seq_name, region)?;
        let most = self.limits.max_table / size_of::<f32>() as u64;
        let length = usize::try_from(region.len()).ok().filter(|_| region.len() <= most);
        let Some(length) = length else {
            let problem = format!("the values of the region take more than {} bytes", self.limits.max_table);
            return Err(Error::new(ErrorKind::Limit, self.source.path(), problem).in_record(seq_name));
        };
        let mut values = vec![f32::NAN; length];
        let mut signals = self.signals(seq_name, region)?;
        while let Some((span, value)) = signals.advance()? {
            let at = |position: u64| (position - region.start()) as usize;
            values[at(span.start())..at(span.end())].fill(value);
        }
        Ok(values)
    }

    /// The region cut into `windows` of equal size (the last base of one may vary by one), each summed up.
    ///
    /// # Errors
    ///
    /// As [`BigWigReader::signals`].
    pub fn summaries(
        &mut self,
        seq_name: &str,
        region: Span,
        windows: usize,
        precision: Precision,
    ) -> Result<Vec<SignalSummary>> {
        let (query, _) = self.query(seq_name, region)?;
        let mut summaries = Summaries::new(region, windows);
        // UCSC: the coarsest level of which at least two records fall in a window.
        let wanted = region.len() / (windows.max(1) as u64) / 2;
        let zoom = self.header.zooms.iter().filter(|zoom| u64::from(zoom.reduction) <= wanted && wanted > 1);
        let zoom = zoom.max_by_key(|zoom| zoom.reduction).copied().filter(|_| precision == Precision::Zoomed);
        if let Some(zoom) = zoom {
            let mut blocks = self.source.blocks(zoom.index, query)?;
            let (mut data, mut last_end) = (Vec::new(), 0);
            while let Some(offset) = self.source.next_block(&mut blocks, self.header.deflated, &mut data)? {
                if data.len() % 32 != 0 {
                    return Err(self.source.error(ErrorKind::Syntax, "a block of summaries is broken", offset));
                }
                for record in data.chunks_exact(32) {
                    let [chrom, start, end, covered] = [0, 4, 8, 12].map(|at| self.source.u32(&record[at..]));
                    let [min, max, sum, squares] = [16, 20, 24, 28].map(|at| f64::from(self.source.f32(&record[at..])));
                    if chrom != query.chrom {
                        continue;
                    }
                    let span = Span::new(start.into(), end.into()).filter(|_| last_end <= start && start < end);
                    let Some(span) = span else {
                        let problem = "summaries overlap or are out of order";
                        let error = self.source.error(ErrorKind::Coordinate, problem, offset).in_record(seq_name);
                        return Err(error.finding(format!("{start} to {end}")));
                    };
                    last_end = end;
                    summaries.add_summary(span, covered.into(), [min, max, sum, squares]);
                }
            }
        } else {
            let mut signals = self.signals(seq_name, region)?;
            while let Some((span, value)) = signals.advance()? {
                summaries.add_value(span, value.into());
            }
        }
        Ok(summaries.finish())
    }

    fn query(&self, seq_name: &str, region: Span) -> Result<(Query, u32)> {
        let Some(&(chrom, length)) = self.ids.get(seq_name) else {
            let error = Error::new(ErrorKind::Coordinate, self.source.path(), "the file has no such sequence");
            return Err(error.in_record(seq_name));
        };
        let (Ok(start), Ok(end)) = (u32::try_from(region.start()), u32::try_from(region.end())) else {
            return Err(self.behind_end(seq_name, region, length));
        };
        if end > length {
            return Err(self.behind_end(seq_name, region, length));
        }
        Ok((Query { chrom, start, end }, length))
    }

    fn behind_end(&self, seq_name: &str, region: Span, length: u32) -> Error {
        let error = Error::new(ErrorKind::Coordinate, self.source.path(), "the region passes the end of the sequence");
        let error = error.expecting(format!("an end up to {length}")).finding(region.end().to_string());
        error.in_record(seq_name)
    }
}

/// The section that a block holds (Table 12).
#[derive(Debug, Clone, Copy, Default)]
struct Section {
    chrom: u32,
    next: u32,
    step: u32,
    span: u32,
    kind: u8,
    offset: u64,
    /// Where in the block the next item stands.
    at: usize,
    left: u16,
}

/// The values of a region of a bigWig file, see [`BigWigReader::signals`].
#[derive(Debug)]
pub struct BigWigSignals<'a, R> {
    reader: &'a mut BigWigReader<R>,
    scan: Scan,
}

impl<R: Read + Seek> BigWigSignals<'_, R> {
    /// The next value, without an allocation; `None` at the end.
    ///
    /// # Errors
    ///
    /// The file is broken, or reading fails; every later call fails too.
    pub fn next_view(&mut self) -> Result<Option<SignalView<'_>>> {
        let next = self.advance()?;
        Ok(next.map(|(span, value)| SignalView { seq_name: self.scan.name.as_bytes(), span, value: value.into() }))
    }

    pub(super) fn advance(&mut self) -> Result<Option<(Span, f32)>> {
        self.scan.advance(self.reader)
    }
}

/// All values of a bigWig file, see [`BigWigReader::into_signals`]. After an error it gives nothing more.
#[derive(Debug)]
pub struct BigWigRecords<R> {
    reader: BigWigReader<R>,
    /// The sequence behind the one that is read.
    next: usize,
    scan: Option<Scan>,
}

impl<R> BigWigRecords<R> {
    /// The sequences that have values, in the order of the file.
    pub fn chromosomes(&self) -> &[Chromosome] {
        &self.reader.chromosomes
    }
}

impl<R: Read + Seek> Iterator for BigWigRecords<R> {
    type Item = Result<Signal>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(scan) = &mut self.scan {
                match scan.advance(&mut self.reader) {
                    Ok(Some((span, value))) => {
                        return Some(Ok(Signal { seq_name: scan.name.clone(), span, value: value.into() }));
                    }
                    Ok(None) => self.scan = None,
                    Err(error) if error.kind() == ErrorKind::Failed => return None,
                    Err(error) => return Some(Err(error)),
                }
            }
            let Chromosome { name, length } = self.reader.chromosomes.get(self.next)?.clone();
            self.next += 1;
            let whole = Span::new(0, length).expect("0 is not behind anything");
            match Scan::new(&mut self.reader, &name, whole) {
                Ok(scan) => self.scan = Some(scan),
                Err(error) => {
                    self.next = self.reader.chromosomes.len();
                    return Some(Err(error));
                }
            }
        }
    }
}

impl<R: Read + Seek> FusedIterator for BigWigRecords<R> {}

/// Where reading stands in a region.
#[derive(Debug)]
struct Scan {
    name: String,
    query: Query,
    /// Of the sequence.
    length: u32,
    blocks: Blocks,
    data: Vec<u8>,
    section: Section,
    last_end: u32,
    failed: bool,
}

impl Scan {
    fn new<R: Read + Seek>(reader: &mut BigWigReader<R>, seq_name: &str, region: Span) -> Result<Self> {
        let (query, length) = reader.query(seq_name, region)?;
        let blocks = reader.source.blocks(reader.header.index, query)?;
        let section = Section { at: 24, ..Section::default() };
        let name = seq_name.to_owned();
        Ok(Self { name, query, length, blocks, data: Vec::new(), section, last_end: 0, failed: false })
    }

    fn advance<R: Read + Seek>(&mut self, reader: &mut BigWigReader<R>) -> Result<Option<(Span, f32)>> {
        if self.failed {
            let path = reader.source.path();
            return Err(Error::new(ErrorKind::Failed, path, "the reader failed before and gives nothing more"));
        }
        let outcome = self.find(reader);
        self.failed = outcome.is_err();
        outcome
    }

    fn find<R: Read + Seek>(&mut self, reader: &mut BigWigReader<R>) -> Result<Option<(Span, f32)>> {
        let Query { chrom, start, end } = self.query;
        loop {
            if self.section.left == 0 {
                if !self.open_section(reader)? {
                    return Ok(None);
                }
                continue;
            }
            let (from, to, value) = self.item(reader)?;
            if self.section.chrom != chrom {
                continue;
            }
            if from < self.last_end || to <= from || to > self.length {
                let source = &reader.source;
                let problem = "values overlap, are out of order or pass the end of their sequence";
                let error = source.error(ErrorKind::Coordinate, problem, self.section.offset).in_record(&self.name);
                return Err(error.finding(format!("{from} to {to}")));
            }
            self.last_end = to;
            let span = Span::new(from.max(start).into(), to.min(end).into()).filter(|span| !span.is_empty());
            if let Some(span) = span
                && !value.is_nan()
            {
                return Ok(Some((span, value)));
            }
        }
    }

    /// Reads the next block; `false` behind the last.
    fn open_section<R: Read + Seek>(&mut self, reader: &mut BigWigReader<R>) -> Result<bool> {
        let BigWigReader { source, header, .. } = reader;
        let Some(offset) = source.next_block(&mut self.blocks, header.deflated, &mut self.data)? else {
            return Ok(false);
        };
        let broken = |problem| Err(source.error(ErrorKind::Syntax, problem, offset));
        let data = &self.data;
        if data.len() < 24 {
            return broken("a block of values is too short");
        }
        let kind = data[20];
        let size = match kind {
            1 => 12,
            2 => 8,
            3 => 4,
            _ => return broken("a block of values is of an unknown type"),
        };
        let left = source.u16(&data[22..]);
        if data.len() < 24 + usize::from(left) * size {
            return broken("a block of values is too short");
        }
        let [chrom, next, step, span] = [0, 4, 12, 16].map(|at| source.u32(&data[at..]));
        self.section = Section { chrom, next, step, span, kind, offset, at: 24, left };
        Ok(true)
    }

    /// The next item of the open section.
    fn item<R: Read + Seek>(&mut self, reader: &BigWigReader<R>) -> Result<(u32, u32, f32)> {
        let (source, section) = (&reader.source, &mut self.section);
        let item = &self.data[section.at..];
        let (size, from, to) = match section.kind {
            1 => (12, source.u32(item), Some(source.u32(&item[4..]))),
            2 => (8, source.u32(item), source.u32(item).checked_add(section.span)),
            _ => (4, section.next, section.next.checked_add(section.span)),
        };
        section.at += size;
        section.left -= 1;
        section.next = section.next.saturating_add(section.step);
        let Some(to) = to else {
            return Err(source.error(ErrorKind::Coordinate, "a position that is too large", section.offset));
        };
        Ok((from, to, source.f32(&item[size - 4..])))
    }
}

impl<R: Read + Seek> Iterator for BigWigSignals<'_, R> {
    type Item = Result<Signal>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.next_view() {
            Err(error) if error.kind() == ErrorKind::Failed => None,
            outcome => outcome.map(|view| view.map(|view| view.to_signal())).transpose(),
        }
    }
}

impl<R: Read + Seek> FusedIterator for BigWigSignals<'_, R> {}

#[cfg(test)]
mod tests {
    use super::super::writer::write_bigwig;
    use super::*;
    use proptest::prelude::*;
    use std::io::Cursor;

    fn signal(name: &str, start: u64, end: u64, value: f64) -> Signal {
        Signal { seq_name: name.into(), span: Span::new(start, end).unwrap(), value }
    }

    fn write(lengths: &[(&str, u64)], signals: &[Signal]) -> Result<Vec<u8>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.bw");
        let outcome = write_bigwig(&path, lengths.iter().copied(), signals.iter().cloned().map(Ok));
        assert_eq!(outcome.is_ok(), path.exists(), "a failed file is removed");
        outcome.map(|()| std::fs::read(&path).unwrap())
    }

    /// Everything there is.
    fn read(bytes: &[u8]) -> Result<Vec<Signal>> {
        let mut reader = BigWigReader::new("x.bw", Cursor::new(bytes))?;
        let mut out = Vec::new();
        for Chromosome { name, length } in reader.chromosomes().to_vec() {
            let all = Span::new(0, length).unwrap();
            for item in reader.signals(&name, all)? {
                out.push(item?);
            }
            for precision in [Precision::Exact, Precision::Zoomed] {
                reader.summaries(&name, all, 3, precision)?;
            }
        }
        Ok(out)
    }

    fn many() -> Vec<Signal> {
        let signals =
            |name: &'static str| (0..3000).map(move |i| signal(name, 7 * i, 7 * i + 1 + i % 7, (i % 50) as f64 / 4.0));
        signals("a").chain(signals("b")).collect()
    }

    #[test]
    fn regions_and_summaries() {
        let bytes = write(&[("b", 30_000), ("a", 25_000), ("c", 5)], &many()).unwrap();
        let mut reader = BigWigReader::new("x.bw", Cursor::new(&bytes)).unwrap();
        let names: Vec<_> = reader.chromosomes().iter().map(|c| (&*c.name, c.length)).collect();
        assert_eq!(names, [("a", 25_000), ("b", 30_000)]);
        let region = Span::new(10_003, 10_020).unwrap();
        let found = reader.signals("b", region).unwrap().collect::<Result<Vec<_>>>().unwrap();
        let expected: Vec<_> = many()
            .into_iter()
            .filter(|s| s.seq_name == "b")
            .filter_map(|s| {
                let (start, end) = (s.span.start().max(10_003), s.span.end().min(10_020));
                (start < end).then(|| signal("b", start, end, s.value))
            })
            .collect();
        assert_eq!(found, expected);
        let values = reader.values("b", region).unwrap();
        for (i, value) in values.iter().enumerate() {
            let at = 10_003 + i as u64;
            let expected = expected.iter().find(|s| s.span.contains(at)).map(|s| s.value as f32);
            assert_eq!((!value.is_nan()).then_some(*value), expected);
        }
        let windows = reader.summaries("b", Span::new(0, 21_000).unwrap(), 2, Precision::Exact).unwrap();
        let sum: f64 = many()[..1500].iter().map(|s| s.value * s.span.len() as f64).sum();
        assert_eq!((windows[0].sum, windows[0].span), (sum, Span::new(0, 10_500).unwrap()));
        let zoomed = reader.summaries("b", Span::new(0, 21_000).unwrap(), 2, Precision::Zoomed).unwrap();
        assert!((zoomed[0].mean().unwrap() - windows[0].mean().unwrap()).abs() < 0.1);
    }

    #[test]
    fn what_cannot_be_asked_for_is_told() {
        let bytes = write(&[("a", 100)], &[signal("a", 1, 2, 1.0)]).unwrap();
        let limits = Limits { max_table: 16, ..Limits::default() };
        let mut reader = BigWigReader::with_limits("x.bw", Cursor::new(&bytes), limits).unwrap();
        let region = |start, end| Span::new(start, end).unwrap();
        let mut check = |name: &str, region: Span, expected: &str| {
            assert_eq!(reader.values(name, region).unwrap_err().to_string(), expected);
        };
        check("b", region(0, 1), "x.bw: the file has no such sequence in record \"b\"");
        check(
            "a",
            region(0, 101),
            "x.bw: the region passes the end of the sequence in record \"a\": expected an end up to 100, found 101",
        );
        check("a", region(0, 5), "x.bw: the values of the region take more than 16 bytes in record \"a\"");
        check(
            "a",
            region(1 << 40, 1 << 41),
            "x.bw: the region passes the end of the sequence in record \"a\": expected an end up to 100, found 2199023255552",
        );
        assert_eq!(reader.values("a", region(0, 3)).unwrap()[1], 1.0);
        assert!(reader.values("a", region(5, 5)).unwrap().is_empty());
    }

    #[test]
    fn what_cannot_be_written_is_told() {
        let check = |signals: &[Signal], expected: &str| {
            let error = write(&[("a", 100), ("b", 100)], signals).unwrap_err().to_string();
            assert!(error.ends_with(expected), "{error}");
        };
        check(&[], "x.bw: a bigWig file needs a value");
        let good = signal("b", 5, 9, 1.0);
        check(
            &[good.clone(), signal("b", 8, 10, 1.0)],
            "signals overlap or are not sorted by name and position in record \"b\"",
        );
        check(
            &[good.clone(), signal("a", 8, 10, 1.0)],
            "signals overlap or are not sorted by name and position in record \"a\"",
        );
        check(&[signal("a", 8, 101, 1.0)], "a signal behind the end of its sequence in record \"a\"");
        check(&[signal("c", 8, 10, 1.0)], "a signal of a sequence without a length in record \"c\"");
        check(&[good.clone(), signal("b", 9, 9, 1.0)], "a signal without a base in record \"b\"");
        check(&[good, signal("b", 9, 10, 1e300)], "a value that is not finite in single precision in record \"b\"");
    }

    #[test]
    fn broken_files_are_told() {
        let bytes = write(&[("a", 25_000), ("b", 30_000)], &many()).unwrap();
        let error = |bytes: &[u8]| read(bytes).unwrap_err().to_string();
        assert_eq!(error(b""), "x.bw: the file is empty: expected a bigWig file");
        assert_eq!(
            error(b"abc"),
            "x.bw: byte 0: a part lies behind the end of the file: expected 64 bytes of the header"
        );
        assert_eq!(
            error(&[b'x'; 64]),
            "x.bw: byte 0: this is not a bigWig file: expected its first four bytes, found \"xxxx\""
        );
        for cut in (0..bytes.len()).step_by(97) {
            assert!(read(&bytes[..cut]).is_err(), "cut at {cut}");
        }
    }

    /// A tree whose inner node is its own child, and an index of that kind.
    #[test]
    fn trees_that_refer_to_themselves_end() {
        let bytes = write(&[("a", 25_000), ("b", 30_000)], &many()).unwrap();
        let at = |offset: usize| u64::from_le_bytes(bytes[offset..offset + 8].try_into().unwrap());
        let (tree, index) = (at(8), at(24));
        let mut broken = bytes.clone();
        let node = (tree + 32) as usize;
        broken[node..node + 4].copy_from_slice(&[0, 0, 1, 0]);
        broken[node + 5..node + 13].copy_from_slice(&(node as u64).to_le_bytes());
        let found = read(&broken).unwrap_err().to_string();
        assert!(found.ends_with("the sequence tree refers to itself"), "{found}");
        let mut broken = bytes.clone();
        let node = (index + 48) as usize;
        broken[node..node + 4].copy_from_slice(&[0, 0, 1, 0]);
        broken[node + 20..node + 28].copy_from_slice(&(node as u64).to_le_bytes());
        let found = read(&broken).unwrap_err().to_string();
        assert!(found.ends_with("an index refers to itself"), "{found}");
    }

    /// Small files in memory, so that a change hits something.
    fn signals() -> impl Strategy<Value = Vec<Signal>> {
        proptest::collection::vec((0u64..5, 1u64..5, any::<f32>(), any::<bool>()), 1..40).prop_map(|steps| {
            let (mut end, mut name) = (0, "a");
            let mut out = Vec::new();
            for (gap, length, value, next) in steps {
                if next && name == "a" && !out.is_empty() {
                    (end, name) = (0, "b");
                }
                let value = if value.is_finite() { value } else { 0.5 };
                out.push(signal(name, end + gap, end + gap + length, value.into()));
                end += gap + length;
            }
            out
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_written_is_read_back_also_by_bigtools(signals in signals()) {
            let bytes = write(&[("a", 1000), ("b", 1000)], &signals).unwrap();
            prop_assert_eq!(&read(&bytes).unwrap(), &signals);
            let mut theirs = bigtools::BigWigRead::open(Cursor::new(bytes)).unwrap();
            let mut found = Vec::new();
            for name in ["a", "b"] {
                if let Ok(values) = theirs.get_interval(name, 0, 1000) {
                    found.extend(values.map(|v| v.unwrap()).map(|v| signal(name, v.start.into(), v.end.into(), v.value.into())));
                }
            }
            prop_assert_eq!(found, signals);
        }
    }

    proptest! {
        #[test]
        fn changed_files_give_an_outcome(changes in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..6), compact in any::<bool>()) {
            use std::sync::OnceLock;
            static FILES: OnceLock<[Vec<u8>; 2]> = OnceLock::new();
            let files = FILES.get_or_init(|| {
                [write(&[("a", 25_000), ("b", 30_000)], &many()).unwrap(), write(&[("a", 100)], &[signal("a", 1, 2, 1.0)]).unwrap()]
            });
            let mut bytes = files[usize::from(compact)].clone();
            let index = u64::from_le_bytes(bytes[24..32].try_into().unwrap()) as usize;
            for (at, byte) in changes {
                // Mostly where structure is: the header, the trees, the index.
                let at = match at % 4 {
                    0 => at / 4 % bytes.len(),
                    1 => at / 4 % 520.min(bytes.len()),
                    _ => (index + at / 4 % 400) % bytes.len(),
                };
                bytes[at] = byte;
            }
            let _ = read(&bytes);
        }
    }
}
