//! Regions of a VCF, GFF or BED file through its index.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::binning::{Binning, Chunk};
use super::tabix::{Builder, Columns, Tabix};
use super::{IndexOptions, MakeIndex, Plan, beside, open_file, plan, stale};
use crate::bgzf::{BgzfReader, VirtualOffset};
use crate::coord::Span;
use crate::error::{Error, ErrorKind, Result, quote};
use crate::input::{Compression, Input, InputOptions, Limits};
use crate::output::Output;
use crate::region::Region;

/// What the lines of an indexed file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Preset {
    /// VCF: CHROM and POS; a variant covers its REF, or reaches to `END=` in INFO.
    Vcf,
    /// GFF3, GTF, GFF2: columns 1, 4 and 5.
    Gff,
    /// BED, bedGraph: columns 1, 2 and 3, counted from 0.
    Bed,
}

impl Preset {
    fn columns(self) -> Columns {
        match self {
            Self::Vcf => Columns::VCF,
            Self::Gff => Columns::GFF,
            Self::Bed => Columns::BED,
        }
    }
}

/// A BGZF file of lines sorted by name and start, with its index: the lines that overlap a region at the price of a few
/// blocks.
///
/// The index is `NAME.csi` or `NAME.tbi`, as tabix writes them; one that is made here is a `.tbi` unless a position lies
/// behind 512 Mb. A feature without length, which BED has, counts as the base behind it.
///
/// ```
/// use std::io::Write;
/// use genome_formats::{IndexedText, MakeIndex, Output, Preset};
///
/// let dir = tempfile::tempdir()?;
/// let path = dir.path().join("genes.bed.gz");
/// let mut out = Output::create(&path)?;
/// out.write_all(b"chr1\t10\t20\ta\nchr1\t15\t30\tb\nchr2\t0\t5\tc\n")?;
/// out.finish()?;
///
/// let mut genes = IndexedText::open(&path, Preset::Bed, MakeIndex::IfMissing)?;
/// let mut lines = genes.query(&"chr1:21-25".parse()?)?;
/// assert_eq!(lines.next_line()?, Some(&b"chr1\t15\t30\tb"[..]));
/// assert_eq!(lines.next_line()?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct IndexedText {
    path: PathBuf,
    index_path: PathBuf,
    index: Tabix,
    reader: BgzfReader<BufReader<File>>,
    limits: Limits,
}

impl IndexedText {
    /// Opens a file and its index.
    ///
    /// # Errors
    ///
    /// The file or the index cannot be read; the index is missing, older than the file, made for other columns, or describes
    /// another file; the file is no BGZF; an index is to be made and the lines are not sorted.
    pub fn open(path: impl AsRef<Path>, preset: Preset, make: MakeIndex) -> Result<Self> {
        Self::open_with(path, preset, make.into())
    }

    /// Opens a file and its index.
    ///
    /// # Errors
    ///
    /// As [`IndexedText::open`].
    pub fn open_with(path: impl AsRef<Path>, preset: Preset, options: IndexOptions) -> Result<Self> {
        let path = path.as_ref().to_owned();
        let (mut file, compression) = open_file(&path, options.mode)?;
        if compression != Compression::Bgzf {
            return Err(Error::new(
                ErrorKind::Unsupported,
                path.display().to_string(),
                "lines are found in BGZF files only",
            )
            .expecting("a file packed with bgzip")
            .finding("a plain file"));
        }
        let (csi, tbi) = (beside(&path, ".csi"), beside(&path, ".tbi"));
        let index_path = if csi.exists() { csi.clone() } else { tbi.clone() };
        let (index, index_path) = match plan(&index_path, &path, &options)? {
            Plan::Read => (read_index(&index_path, options.limits)?, index_path),
            Plan::Make => {
                let name = path.display().to_string();
                let index = build(&name, &mut file, preset.columns(), &options)?;
                let (index_path, other) = if index.is_tbi() { (tbi, csi) } else { (csi, tbi) };
                let mut out = Output::create_as(&index_path, Compression::Bgzf)?;
                index.write(&mut out).and_then(|()| out.flush()).map_err(|e| Error::from_io(name, e))?;
                out.finish()?;
                if other.exists() {
                    std::fs::remove_file(&other).map_err(|e| Error::from_io(other.display().to_string(), e))?;
                }
                (index, index_path)
            }
        };
        let wanted = preset.columns();
        let same = (wanted.is_vcf(), wanted.is_zero_based(), wanted.name, wanted.start);
        let columns = index.columns;
        if same != (columns.is_vcf(), columns.is_zero_based(), columns.name, columns.start) {
            return Err(Error::new(ErrorKind::Index, index_path.display().to_string(), "an index for other columns")
                .expecting(format!("an index for {preset:?} lines of {}", path.display()).replace("Vcf", "VCF")));
        }
        let reader = BgzfReader::new(file).with_mode(options.mode);
        let mut this = Self { path, index_path, index, reader, limits: options.limits };
        this.check_end()?;
        Ok(this)
    }

    /// The names that lines of the file have, in its order.
    pub fn names(&self) -> impl Iterator<Item = String> {
        (0..self.index.names.len()).map(|i| String::from_utf8_lossy(self.index.names.get(i)).into_owned())
    }

    /// The lines in front of the first line of data, with their ends: a VCF header, comments of GFF.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or the header is larger than [`Limits::max_header`].
    pub fn header(&mut self) -> Result<Vec<u8>> {
        let io = |error| Error::from_io(self.path.display().to_string(), error);
        self.reader.seek_virtual(VirtualOffset::default()).map_err(io)?;
        let (mut header, mut line, mut number) = (Vec::new(), Vec::new(), 0);
        loop {
            line.clear();
            read_line(&mut self.reader, &mut line, self.limits.max_line).map_err(io)?;
            number += 1;
            if line.is_empty() || !is_meta(&line, &self.index.columns, number) {
                return Ok(header);
            }
            header.extend_from_slice(&line);
            if header.len() as u64 > self.limits.max_header {
                let problem = format!("the header is larger than {} bytes", self.limits.max_header);
                return Err(Error::new(ErrorKind::Limit, self.path.display().to_string(), problem));
            }
        }
    }

    /// The lines that overlap a region, in the order of the file. A name that no line has gives none.
    ///
    /// # Errors
    ///
    /// None yet; the lines give them.
    pub fn query(&mut self, region: &Region) -> Result<RegionLines<'_>> {
        let span = region.span.unwrap_or(Span::new(0, u64::MAX).expect("0 is not behind anything"));
        let reference = self.index.names.find(region.name.as_bytes());
        let chunks = reference.map_or_else(Vec::new, |i| self.index.bins.query(i, span.start(), span.end()));
        Ok(RegionLines {
            file: self,
            name: region.name.clone().into_bytes(),
            span,
            chunks: chunks.into_iter(),
            chunk_end: VirtualOffset::default(),
            chunk_is_new: false,
            line: Vec::new(),
            given: 0,
            state: State::Between,
        })
    }

    /// The header and the lines that overlap a region, as a reader of the format takes them.
    ///
    /// # Errors
    ///
    /// As [`IndexedText::header`].
    pub fn reader(&mut self, region: &Region) -> Result<impl Read + '_> {
        let header = self.header()?;
        Ok(io::Cursor::new(header).chain(self.query(region)?))
    }

    /// Compares the index with the end of the file: no data may stand behind the last chunk.
    fn check_end(&mut self) -> Result<()> {
        let Some(end) = self.index.bins.chunks.iter().map(|chunk| chunk.end).max() else { return Ok(()) };
        let mut line = Vec::new();
        let outcome = self.reader.seek_virtual(end).and_then(|()| {
            loop {
                line.clear();
                if read_line(&mut self.reader, &mut line, self.limits.max_line)? == 0 {
                    return Ok(true);
                }
                if !line.trim_ascii().is_empty() && u32::from(line[0]) != self.index.columns.meta {
                    return Ok(false);
                }
            }
        });
        match outcome {
            Ok(true) => Ok(()),
            Ok(false) => Err(stale(&self.index_path, &self.path, "it ends before the end of")),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                Err(stale(&self.index_path, &self.path, "it points outside"))
            }
            Err(error) => Err(Error::from_io(self.path.display().to_string(), error)),
        }
    }
}

/// The lines of an [`IndexedText`] that overlap a region. After an error it gives nothing more.
///
/// It is a [`Read`] too, which gives each line with its line end: for the readers of the formats.
pub struct RegionLines<'a> {
    file: &'a mut IndexedText,
    name: Vec<u8>,
    span: Span,
    chunks: std::vec::IntoIter<Chunk>,
    chunk_end: VirtualOffset,
    /// No line of the current chunk was read yet.
    chunk_is_new: bool,
    line: Vec<u8>,
    /// Bytes of the line that [`Read`] gave.
    given: usize,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Between,
    InChunk,
    Done,
    Failed,
}

impl RegionLines<'_> {
    /// The next line, without its line end.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or the index does not fit it.
    pub fn next_line(&mut self) -> Result<Option<&[u8]>> {
        if self.advance()? { Ok(Some(crate::lines::trim_line_end(&self.line))) } else { Ok(None) }
    }

    fn advance(&mut self) -> Result<bool> {
        if self.state == State::Failed {
            let problem = "the reader failed before and gives nothing more";
            return Err(Error::new(ErrorKind::Failed, self.file.path.display().to_string(), problem));
        }
        self.given = 0;
        self.find().inspect_err(|_| self.state = State::Failed)
    }

    fn find(&mut self) -> Result<bool> {
        while self.state != State::Done {
            if self.state == State::Between {
                let Some(chunk) = self.chunks.next() else { break };
                self.chunk_end = chunk.end;
                self.file.reader.seek_virtual(chunk.start).map_err(|e| self.sort(e))?;
                self.state = State::InChunk;
                self.chunk_is_new = true;
            }
            if self.file.reader.virtual_offset() >= self.chunk_end {
                if self.chunk_is_new {
                    return Err(self.stale("it points to lines that are not in"));
                }
                self.state = State::Between;
                continue;
            }
            self.chunk_is_new = false;
            self.line.clear();
            let n = read_line(&mut self.file.reader, &mut self.line, self.file.limits.max_line)
                .map_err(|e| self.sort(e))?;
            if n == 0 {
                return Err(self.stale("it points outside"));
            }
            let columns = &self.file.index.columns;
            if self.line.trim_ascii().is_empty() || u32::from(self.line[0]) == columns.meta {
                continue;
            }
            let place = place(&self.line, columns).ok().filter(|(name, _)| *name == self.name);
            let Some((_, span)) = place else { return Err(self.stale("it points to other lines than there are in")) };
            if span.start() >= self.span.end() {
                break;
            }
            if span.end() > self.span.start() {
                return Ok(true);
            }
        }
        self.state = State::Done;
        self.line.clear();
        Ok(false)
    }

    fn stale(&self, why: &str) -> Error {
        let error = stale(&self.file.index_path, &self.file.path, why);
        error.with_snippet(&self.line[..self.line.len().min(1024)])
    }

    fn sort(&self, error: io::Error) -> Error {
        match error.kind() {
            io::ErrorKind::InvalidData if !error.get_ref().is_some_and(|e| e.is::<Error>()) => {
                self.stale("it points outside blocks of")
            }
            _ => Error::from_io(self.file.path.display().to_string(), error),
        }
    }
}

impl Read for RegionLines<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.given == self.line.len() {
            if self.state == State::Done || !self.advance()? {
                return Ok(0);
            }
            if !self.line.ends_with(b"\n") {
                self.line.push(b'\n');
            }
        }
        let n = (self.line.len() - self.given).min(buf.len());
        buf[..n].copy_from_slice(&self.line[self.given..self.given + n]);
        self.given += n;
        Ok(n)
    }
}

impl fmt::Debug for RegionLines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegionLines").field("span", &self.span).field("state", &self.state).finish_non_exhaustive()
    }
}

fn read_index(path: &Path, limits: Limits) -> Result<Tabix> {
    let input = Input::open_with(path, InputOptions { limits, ..InputOptions::default() })?;
    let name = input.name().to_owned();
    // In memory, bins may take twice what they take in the file.
    Tabix::read(input, limits.max_header / 2).map_err(|error| Error::from_io(name, error))
}

/// Appends a line with its end; the number of bytes, 0 at the end of the file.
fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>, max: u64) -> io::Result<usize> {
    let n = reader.take(max.saturating_add(1)).read_until(b'\n', line)?;
    if n as u64 > max {
        let problem = format!("a line is longer than {max} bytes");
        return Err(crate::error::Cause::io(ErrorKind::Limit, problem));
    }
    Ok(n)
}

fn is_meta(line: &[u8], columns: &Columns, number: u64) -> bool {
    line.trim_ascii().is_empty() || u32::from(line[0]) == columns.meta || number <= u64::from(columns.skip)
}

/// The name of a line and the bases that it covers, at least one; what is wrong with it otherwise.
fn place<'a>(line: &'a [u8], columns: &Columns) -> std::result::Result<(&'a [u8], Span), &'static str> {
    let line = crate::lines::trim_line_end(line);
    let last = columns.name.max(columns.start).max(columns.end).max(if columns.is_vcf() { 8 } else { 0 });
    let (mut name, mut start, mut end, mut reference, mut info) = (None, None, None, None, None);
    for (number, text) in (1..=last).zip(line.split(|&b| b == b'\t')) {
        if number == columns.name {
            name = Some(text);
        }
        if number == columns.start {
            start = Some(text);
        }
        match number {
            _ if number == columns.end => end = Some(text),
            4 if columns.is_vcf() => reference = Some(text),
            8 if columns.is_vcf() => info = Some(text),
            _ => {}
        }
    }
    let position = |text: &[u8]| -> std::result::Result<u64, &'static str> {
        let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
        number.filter(|&n| n < 1 << 60).ok_or("a position is no whole number")
    };
    let name = name.filter(|name| !name.is_empty() && !name.contains(&0)).ok_or("no name")?;
    let first = position(start.ok_or("no start")?)?;
    let start = if columns.is_zero_based() { first } else { first.saturating_sub(1) }; // VCF: 0 is the telomere
    let end = match end {
        Some(text) => position(text)?,
        None if columns.is_vcf() => {
            let length = reference.ok_or("no REF")?.len() as u64;
            let declared = info.and_then(info_end).filter(|&end| end > start);
            declared.unwrap_or(start + length)
        }
        None if columns.end > 0 => return Err("no end"),
        None => start + 1,
    };
    if end < start {
        return Err("the end lies before the start");
    }
    Ok((name, Span::new(start, end.max(start + 1)).expect("the end was compared with the start")))
}

fn info_end(info: &[u8]) -> Option<u64> {
    let value = info.split(|&b| b == b';').find_map(|field| field.strip_prefix(b"END="))?;
    std::str::from_utf8(value).ok()?.parse().ok().filter(|&end| end < 1 << 60)
}

/// Reads the whole file and indexes it. Where positions lie behind `.tbi`'s, it is read again with a deeper tree.
fn build(name: &str, file: &mut BufReader<File>, columns: Columns, options: &IndexOptions) -> Result<Tabix> {
    let mut binning = Binning::TABIX;
    loop {
        file.seek(SeekFrom::Start(0)).map_err(|e| Error::from_io(name, e))?;
        let reader = BgzfReader::new(&mut *file).with_mode(options.mode);
        match build_with(name, reader, columns, binning, options.limits)? {
            Ok(index) => return Ok(index),
            Err(end) => {
                while binning.end() < end {
                    binning.depth += 1;
                }
            }
        }
    }
}

/// `Err` with the end of a line that lies behind the bins.
fn build_with(
    name: &str,
    mut reader: BgzfReader<impl BufRead>,
    columns: Columns,
    binning: Binning,
    limits: Limits,
) -> Result<std::result::Result<Tabix, u64>> {
    let mut builder = Builder::new(columns, binning);
    let mut seen = std::collections::HashSet::new();
    let (mut current, mut last) = (Vec::new(), 0);
    let (mut line, mut number) = (Vec::new(), 0);
    loop {
        let start = reader.virtual_offset();
        line.clear();
        number += 1;
        let n =
            read_line(&mut reader, &mut line, limits.max_line).map_err(|e| Error::from_io(name, e).at_line(number))?;
        if n == 0 {
            return Ok(Ok(builder.finish()));
        }
        if is_meta(&line, &columns, number) || is_track(&line, &columns) {
            continue;
        }
        let error = |problem: &'static str| {
            let shown = crate::lines::trim_line_end(&line);
            Error::new(ErrorKind::Index, name, problem).at_line(number).finding(quote(shown)).with_snippet(shown)
        };
        let (sequence, span) =
            place(&line, &columns).map_err(|why| error(why).expecting("a line that can be indexed"))?;
        if sequence != current {
            if !seen.insert(sequence.to_vec()) {
                return Err(error("lines of a sequence in two places: sort the file before it is indexed"));
            }
            current = sequence.to_vec();
            last = 0;
            builder.start_reference(sequence);
        }
        if span.start() < last {
            return Err(error("a line that starts before the one in front of it: sort the file before it is indexed"));
        }
        last = span.start();
        if span.end() > binning.end() {
            let deepest = Binning { depth: Binning::MAX_DEPTH, ..binning };
            if span.end() > deepest.end() {
                return Err(error("a position that no index can hold"));
            }
            return Ok(Err(span.end()));
        }
        builder.push(span.start(), span.end(), Chunk { start, end: reader.virtual_offset() });
    }
}

/// Display lines of BED, which tabix would take for data.
fn is_track(line: &[u8], columns: &Columns) -> bool {
    columns.is_zero_based() && (line.starts_with(b"track ") || line.starts_with(b"browser "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bgzf::BgzfWriter;
    use proptest::prelude::*;
    use std::fs;

    fn bgzf(text: &[u8], block: usize) -> Vec<u8> {
        let mut writer = BgzfWriter::new(Vec::new());
        for piece in text.chunks(block) {
            writer.write_all(piece).unwrap();
            writer.flush().unwrap();
        }
        writer.finish().unwrap()
    }

    fn lines(file: &mut IndexedText, region: &str) -> Vec<String> {
        let mut lines = file.query(&region.parse().unwrap()).unwrap();
        let mut found = Vec::new();
        while let Some(line) = lines.next_line().unwrap() {
            found.push(String::from_utf8(line.to_vec()).unwrap());
        }
        found
    }

    #[test]
    fn places() {
        let check = |preset: Preset, line: &str, expected: std::result::Result<(u64, u64), &str>| {
            let got = place(line.as_bytes(), &preset.columns());
            assert_eq!(
                got.map(|(name, span)| (name, span.start(), span.end())),
                expected.map(|(s, e)| (&b"1"[..], s, e)),
                "{line:?}"
            );
        };
        check(Preset::Bed, "1\t5\t9\n", Ok((5, 9)));
        check(Preset::Bed, "1\t5\t5\tx", Ok((5, 6)));
        check(Preset::Bed, "1\t5\t4", Err("the end lies before the start"));
        check(Preset::Bed, "1\t5", Err("no end"));
        check(Preset::Bed, "1", Err("no start"));
        check(Preset::Bed, "", Err("no name"));
        check(Preset::Bed, "1\t-5\t9", Err("a position is no whole number"));
        check(Preset::Gff, "1\ts\tt\t5\t9\t.\t+\t.\tID=x\r\n", Ok((4, 9)));
        check(Preset::Gff, "1\ts\tt\t0\t0", Ok((0, 1)));
        check(Preset::Vcf, "1\t5\t.\tACG\tA\t.\t.\t.", Ok((4, 7)));
        check(Preset::Vcf, "1\t0\t.\tN\t<X>", Ok((0, 1)));
        check(Preset::Vcf, "1\t5\t.\tA\t<DEL>\t.\t.\tDP=3;END=100\tGT", Ok((4, 100)));
        check(Preset::Vcf, "1\t5\t.\tA\t<DEL>\t.\t.\tEND=3", Ok((4, 5)));
        check(Preset::Vcf, "1\t5", Err("no REF"));
    }

    #[test]
    fn a_vcf_with_its_header() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.vcf.gz");
        let header = "##fileformat=VCFv4.3\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n";
        let row = |chrom: &str, pos: u64, info: &str| format!("{chrom}\t{pos}\t.\tAC\tA\t.\t.\t{info}\n");
        let rows = [row("1", 10, "END=5000000"), row("1", 100_000, "."), row("1", 4_000_000, "."), row("X:Y", 7, ".")];
        let text = header.to_owned() + &rows.concat();
        for block in [10, 1000] {
            fs::write(&path, bgzf(text.as_bytes(), block)).unwrap();
            IndexedText::open(&path, Preset::Vcf, MakeIndex::IfMissingOrOlder).unwrap();
            let mut file = IndexedText::open(&path, Preset::Vcf, MakeIndex::Never).unwrap();
            assert_eq!(file.names().collect::<Vec<_>>(), ["1", "X:Y"]);
            assert_eq!(file.header().unwrap(), header.as_bytes());
            let mut check = |region: &str, expected: &[usize]| {
                let expected: Vec<&str> = expected.iter().map(|&i| rows[i].trim_end()).collect();
                assert_eq!(lines(&mut file, region), expected, "{region}");
            };
            check("1", &[0, 1, 2]);
            check("1:99,000-100,000", &[0, 1]);
            check("1:100002", &[0, 2]);
            check("1:6000000", &[]);
            check("1:900000000", &[]);
            check("{X:Y}:8-8", &[3]);
            check("{X:Y}:9-9", &[]);
            check("2", &[]);
            let mut all = String::new();
            file.reader(&"1:100001-100001".parse().unwrap()).unwrap().read_to_string(&mut all).unwrap();
            assert_eq!(all, header.to_owned() + &rows[0] + &rows[1]);
            fs::remove_file(dir.path().join("x.vcf.gz.tbi")).unwrap();
        }
    }

    #[test]
    fn far_positions_get_a_csi() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.bed.gz");
        fs::write(&path, bgzf(b"a\t5\t9\na\t600000000\t600000005\nb\t9000000000\t9000000001\n", 20)).unwrap();
        IndexedText::open(&path, Preset::Bed, MakeIndex::IfMissing).unwrap();
        assert!(dir.path().join("x.bed.gz.csi").exists() && !dir.path().join("x.bed.gz.tbi").exists());
        let mut file = IndexedText::open(&path, Preset::Bed, MakeIndex::Never).unwrap();
        assert_eq!(lines(&mut file, "a:600000001-600000001"), ["a\t600000000\t600000005"]);
        assert_eq!(lines(&mut file, "b"), ["b\t9000000000\t9000000001"]);
        fs::write(&path, bgzf(b"a\t5\t900000000000000\n", 20)).unwrap();
        fs::remove_file(dir.path().join("x.bed.gz.csi")).unwrap();
        let error = IndexedText::open(&path, Preset::Bed, MakeIndex::IfMissing).unwrap_err();
        assert!(error.to_string().contains("no index can hold"), "{error}");
    }

    #[test]
    fn what_cannot_be_indexed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.bed.gz");
        let check = |text: &[u8], expected: &str| {
            fs::write(&path, bgzf(text, 1000)).unwrap();
            let error = IndexedText::open(&path, Preset::Bed, MakeIndex::IfMissing).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Index);
            let text = error.to_string();
            assert_eq!(text, format!("{}:{expected}", path.display()));
        };
        check(
            b"a\t5\t9\na\t4\t9\n",
            "2: a line that starts before the one in front of it: sort the file before it is indexed: found \"a\\t4\\t9\"",
        );
        check(
            b"a\t5\t9\nb\t4\t9\na\t6\t7\n",
            "3: lines of a sequence in two places: sort the file before it is indexed: found \"a\\t6\\t7\"",
        );
        check(b"#x\ntrack name=x\nb\t4\n", "3: no end: expected a line that can be indexed, found \"b\\t4\"");
        fs::write(&path, "a\t5\t9\n").unwrap();
        let error = IndexedText::open(&path, Preset::Bed, MakeIndex::IfMissing).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        fs::write(&path, bgzf(b"a\t5\t9\n", 9)).unwrap();
        assert_eq!(IndexedText::open(&path, Preset::Bed, MakeIndex::Never).unwrap_err().kind(), ErrorKind::Index);
    }

    #[test]
    fn stale_indexes_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.bed.gz");
        let index = dir.path().join("x.bed.gz.tbi");
        let text = b"a\t5\t9\na\t7\t9\nb\t1\t2\n";
        fs::write(&path, bgzf(text, 1000)).unwrap();
        IndexedText::open(&path, Preset::Bed, MakeIndex::IfMissing).unwrap();
        let old = fs::read(&index).unwrap();
        let check = |other: &[u8], block: usize| {
            fs::write(&path, bgzf(other, block)).unwrap();
            fs::write(&index, &old).unwrap();
            let outcome = IndexedText::open(&path, Preset::Bed, MakeIndex::Never).and_then(|mut file| {
                let mut lines = file.query(&"b".parse().unwrap())?;
                let error = lines.next_line().map(|_| ()).unwrap_err();
                assert_eq!(lines.next_line().unwrap_err().kind(), ErrorKind::Failed);
                Err::<(), _>(error)
            });
            let error = outcome.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Index, "{error}");
            let text = error.to_string();
            assert!(text.contains("x.bed.gz.tbi: stale index: it "), "{text}");
        };
        check(b"a\t5\t9\na\t7\t9\nb\t1\t2\nb\t3\t4\n", 1000);
        check(b"a\t5\t9\na\t7\t9\n", 1000);
        check(b"a\t5\t9\na\t7\t9\nc\t1\t2\n", 1000);
        check(b"a\t5\t9\na\t7\t9\nb\t1\tx\n", 1000);
        check(text, 5);
        fs::write(&index, &old).unwrap();
        fs::write(&path, bgzf(text, 1000)).unwrap();
        let later = std::time::SystemTime::now() + std::time::Duration::from_secs(100);
        File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
        let error = IndexedText::open(&path, Preset::Bed, MakeIndex::IfMissing).unwrap_err();
        assert!(error.to_string().contains("it is older than"), "{error}");
        let error = IndexedText::open(&path, Preset::Gff, MakeIndex::IfMissingOrOlder).unwrap_err();
        assert!(
            error.to_string().contains("a position is no whole number") || error.to_string().contains("no "),
            "{error}"
        );
    }

    #[test]
    fn an_index_for_other_columns_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.bed.gz");
        fs::write(&path, bgzf(b"a\t5\t9\n", 9)).unwrap();
        IndexedText::open(&path, Preset::Bed, MakeIndex::IfMissing).unwrap();
        let error = IndexedText::open(&path, Preset::Gff, MakeIndex::IfMissing).unwrap_err();
        assert!(error.to_string().contains("an index for other columns"), "{error}");
    }

    /// The lines of `chunks`, as another tool's index gives them, that overlap `start..end` of a sequence.
    fn lines_of_chunks(path: &Path, chunks: &[(u64, u64)], name: &str, start: u64, end: u64) -> Vec<String> {
        let mut reader = BgzfReader::new(BufReader::new(File::open(path).unwrap()));
        let mut found = Vec::new();
        for &(from, to) in chunks {
            reader.seek_virtual(from.into()).unwrap();
            while u64::from(reader.virtual_offset()) < to {
                let mut line = Vec::new();
                read_line(&mut reader, &mut line, 1000).unwrap();
                let (sequence, span) = place(&line, &Columns::BED).unwrap();
                if sequence == name.as_bytes() && span.start() < end && span.end() > start {
                    found.push(String::from_utf8(line).unwrap().trim_end().to_owned());
                }
            }
        }
        found
    }

    #[test]
    fn noodles_reads_these_indexes_and_the_other_way_round() {
        use noodles_csi::BinningIndex;
        use noodles_csi::binning_index::index::{Header, reference_sequence::bin};

        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.bed.gz");
        let mut state = 1u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % below
        };
        let mut features = Vec::new();
        for s in 0..3 {
            let mut starts: Vec<u64> = (0..400).map(|_| random(3_000_000)).collect();
            starts.sort_unstable();
            features.extend(starts.into_iter().map(|start| (s, start, 1 + random(40) * random(3000))));
        }
        for far in [0, 1 << 30] {
            let rows: Vec<String> = features
                .iter()
                .map(|(s, start, length)| format!("s{s}\t{}\t{}", start + far, start + far + length))
                .collect();
            let text = rows.iter().map(|row| row.clone() + "\n").collect::<String>();
            fs::write(&path, bgzf(text.as_bytes(), 500)).unwrap();
            let mut file = IndexedText::open(&path, Preset::Bed, MakeIndex::IfMissing).unwrap();
            let (tbi, csi) = (dir.path().join("x.bed.gz.tbi"), dir.path().join("x.bed.gz.csi"));
            let index: Box<dyn BinningIndex> = if far == 0 {
                Box::new(noodles_tabix::fs::read(&tbi).unwrap())
            } else {
                Box::new(noodles_csi::fs::read(&csi).unwrap())
            };
            // Theirs, from the places that our reader gives.
            let mut indexer = noodles_tabix::index::Indexer::default();
            indexer.set_header(noodles_csi::binning_index::index::header::Builder::bed().build());
            assert_eq!(index.header().map(Header::start_position_index), Some(1));
            if far == 0 {
                let mut reader = BgzfReader::new(BufReader::new(File::open(&path).unwrap()));
                for (s, start, length) in &features {
                    let at = reader.virtual_offset();
                    read_line(&mut reader, &mut Vec::new(), 1000).unwrap();
                    let position = |n: u64| noodles_core::Position::try_from(n as usize).unwrap();
                    let offset = |at: VirtualOffset| noodles_bgzf::VirtualPosition::from(u64::from(at));
                    let chunk = bin::Chunk::new(offset(at), offset(reader.virtual_offset()));
                    indexer.add_record(&format!("s{s}"), position(start + 1), position(start + length), chunk).unwrap();
                }
            }
            let queries: Vec<(u64, u64, u64)> =
                (0..200).map(|i| (i % 3, random(3_100_000), 1 + random(2) * random(200_000))).collect();
            let region = |(s, start, length): (u64, u64, u64)| {
                Region::new(format!("s{s}"), Span::new(start + far, start + far + length)).to_string()
            };
            let mut expected = Vec::new();
            for &(s, start, length) in &queries {
                let (from, to) = (start + far, start + far + length);
                let interval = format!("{}-{to}", from + 1).parse::<noodles_core::region::Interval>().unwrap();
                let chunks: Vec<(u64, u64)> = index
                    .query(s as usize, interval)
                    .unwrap()
                    .iter()
                    .map(|chunk| (u64::from(chunk.start()), u64::from(chunk.end())))
                    .collect();
                let theirs = lines_of_chunks(&path, &chunks, &format!("s{s}"), from, to);
                let ours = lines(&mut file, &region((s, start, length)));
                assert_eq!(ours, theirs, "s{s} {from} {to}");
                expected.push(ours);
            }
            assert!(expected.iter().any(|lines| !lines.is_empty()));
            if far == 0 {
                noodles_tabix::fs::write(&tbi, &indexer.build()).unwrap();
                let mut file = IndexedText::open(&path, Preset::Bed, MakeIndex::Never).unwrap();
                for (query, expected) in queries.iter().zip(&expected) {
                    assert_eq!(&lines(&mut file, &region(*query)), expected);
                }
                fs::remove_file(&tbi).unwrap();
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn a_query_is_a_filter(
            features in proptest::collection::vec((0usize..3, prop_oneof![0u64..100, 0u64..300_000, 0u64..40_000_000], prop_oneof![0u64..50, 0u64..100_000, 0u64..20_000_000]), 0..120),
            queries in proptest::collection::vec((0usize..4, prop_oneof![0u64..200, 0u64..300_000, 0u64..50_000_000], prop_oneof![1u64..100, 1u64..10_000_000, Just(u64::MAX / 2)]), 1..20),
            block in 8usize..400,
            far in any::<bool>(),
        ) {
            let shift = if far { 1 << 31 } else { 0 }; // behind what .tbi holds
            let mut features = features;
            features.sort_unstable();
            let rows: Vec<String> = features.iter().map(|(s, start, length)| {
                format!("s{s}\t{}\t{}\tx", start + shift, start + shift + length)
            }).collect();
            let text = rows.iter().map(|row| row.clone() + "\n").collect::<String>();
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("x.bed.gz");
            fs::write(&path, bgzf(text.as_bytes(), block)).unwrap();
            IndexedText::open(&path, Preset::Bed, MakeIndex::IfMissing).unwrap();
            let mut file = IndexedText::open(&path, Preset::Bed, MakeIndex::Never).unwrap();
            for (s, start, length) in queries {
                let (start, end) = (start + shift, start + shift + length);
                let region = Region::new(format!("s{s}"), Span::new(start, end));
                let expected: Vec<&String> = features.iter().zip(&rows)
                    .filter(|((name, from, long), _)| {
                        let (from, to) = (from + shift, from + shift + long);
                        *name == s && from < end && to.max(from + 1) > start
                    })
                    .map(|(_, row)| row)
                    .collect();
                prop_assert_eq!(lines(&mut file, &region.to_string()), expected.into_iter().cloned().collect::<Vec<_>>());
            }
        }
    }
}
