//! Indexes of BAM files: `.bai` (SAMv1, section 5.2) and `.csi` (CSIv1), read, made, written and asked.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use super::bgzf::{BgzfReader, BgzfWriter};
use crate::coord::Span;
use crate::error::{Error, ErrorKind, Result, count, quote};
use crate::input::Limits;
use crate::sam::header::SamHeader;

/// Whether a missing index is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum MakeIndex {
    /// A missing index is an error.
    #[default]
    Never,
    /// It is made in one pass over the file, and written beside it.
    IfMissing,
}

/// A part of a BAM file, by virtual positions: from the first record to the end of the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Chunk {
    pub(super) start: u64,
    pub(super) end: u64,
}

/// Where in a BAM file the alignments of each region lie.
///
/// `.bai` reaches to base 2^29 of a reference; longer ones get a `.csi`.
#[derive(Debug, Clone, PartialEq)]
pub struct BamIndex {
    min_shift: u32,
    depth: u32,
    references: Vec<Reference>,
    unplaced: Option<u64>,
}

/// The bins of one reference.
#[derive(Debug, Clone, PartialEq, Default)]
struct Reference {
    bins: BTreeMap<u32, Bin>,
    /// For each 16 kb, the first record that reaches into it; `.csi` has `Bin::first` instead.
    linear: Vec<u64>,
    counts: Option<Counts>,
}

#[derive(Debug, Clone, PartialEq, Default)]
struct Bin {
    /// The first record that reaches into the bin.
    first: u64,
    chunks: Vec<Chunk>,
}

/// What the pseudo-bin tells: where the reference lies, and how many reads are mapped to it and not.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Counts {
    chunk: Chunk,
    mapped: u64,
    unmapped: u64,
}

const BAI_SHIFT: u32 = 14;
const BAI_DEPTH: u32 = 5;

/// Windows of 16 kb that an index may have: more than any genome needs, and a bound for files that lie.
const MAX_WINDOWS: usize = 1 << 24;

/// Bins of all levels down to `depth`.
fn bin_count(depth: u32) -> u64 {
    ((1 << (3 * (u64::from(depth) + 1))) - 1) / 7
}

/// The first bin of a level; level 0 is the whole reference.
fn first_of_level(level: u32) -> u64 {
    ((1 << (3 * u64::from(level))) - 1) / 7
}

/// The number of the pseudo-bin with counts.
fn pseudo_bin(depth: u32) -> u64 {
    bin_count(depth) + 1
}

impl BamIndex {
    /// Reads an index file, `.bai` or `.csi`, as its first bytes tell.
    ///
    /// # Errors
    ///
    /// The file cannot be read, is cut, or is no index.
    pub fn open(path: impl AsRef<Path>, limits: Limits) -> Result<Self> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let file = File::open(path).map_err(|error| Error::from_io(&name, error))?;
        Self::read(name, file, limits)
    }

    /// Reads an index from anywhere; `name` stands in errors.
    ///
    /// # Errors
    ///
    /// As [`BamIndex::open`].
    pub fn read(name: impl Into<String>, reader: impl Read, limits: Limits) -> Result<Self> {
        let name = name.into();
        let mut bytes = Vec::new();
        let most = limits.max_table.saturating_add(1);
        reader.take(most).read_to_end(&mut bytes).map_err(|error| Error::from_io(&name, error))?;
        let compressed = bytes.len() as u64;
        if bytes.starts_with(&[0x1f, 0x8b]) {
            bytes = inflate(&name, &bytes, limits)?;
        }
        if bytes.len() as u64 > limits.max_table || compressed > limits.max_table {
            let problem = format!("the index is larger than {} bytes", limits.max_table);
            return Err(Error::new(ErrorKind::Limit, name, problem));
        }
        let mut parser = Parser { name: &name, rest: &bytes, at: 0 };
        match parser.take(4)? {
            b"BAI\x01" => parser.index(BAI_SHIFT, BAI_DEPTH, false),
            b"CSI\x01" => {
                let (min_shift, depth) = (parser.u32()?, parser.u32()?);
                if !(1..=32).contains(&min_shift) || depth > 9 || min_shift + 3 * depth > 62 {
                    return Err(parser
                        .error("bins of an impossible size")
                        .finding(format!("min_shift {min_shift}, depth {depth}")));
                }
                let aux = parser.u32()?;
                parser.take(aux as usize)?;
                parser.index(min_shift, depth, true)
            }
            magic => {
                Err(parser.error("this is no index of a BAM file").expecting("BAI\\1 or CSI\\1").finding(quote(magic)))
            }
        }
    }

    /// How many references the index has; the header of the file may have more.
    pub fn references(&self) -> usize {
        self.references.len()
    }

    /// Reads without a place, at the end of the file, where the index tells.
    pub fn unplaced(&self) -> Option<u64> {
        self.unplaced
    }

    /// How many reads of a reference are mapped, and how many only placed there; where the index tells.
    pub fn counts(&self, reference: usize) -> Option<(u64, u64)> {
        let counts = self.references.get(reference)?.counts?;
        Some((counts.mapped, counts.unmapped))
    }

    /// Whether the index has to be written as `.csi`.
    fn needs_csi(&self) -> bool {
        (self.min_shift, self.depth) != (BAI_SHIFT, BAI_DEPTH)
            || self.references.iter().any(|r| r.linear.is_empty() && !r.bins.is_empty())
    }

    /// The bytes of an index file: `.bai` where it is enough, else `.csi`.
    ///
    /// # Errors
    ///
    /// Compression fails.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        if !self.needs_csi() {
            return Ok(self.body(false));
        }
        self.to_csi_bytes()
    }

    /// The bytes of a `.csi` file.
    ///
    /// # Errors
    ///
    /// Compression fails.
    pub fn to_csi_bytes(&self) -> Result<Vec<u8>> {
        let mut writer = BgzfWriter::new(Vec::new());
        let written = writer.write(&self.body(true)).and_then(|()| writer.finish());
        written.map_err(|error| Error::from_io("<index>", error))
    }

    fn body(&self, csi: bool) -> Vec<u8> {
        let mut out = Vec::new();
        let put = |out: &mut Vec<u8>, n: u64| out.extend_from_slice(&n.to_le_bytes());
        let put32 = |out: &mut Vec<u8>, n: usize| out.extend_from_slice(&(n as u32).to_le_bytes());
        out.extend_from_slice(if csi { b"CSI\x01" } else { b"BAI\x01" });
        if csi {
            put32(&mut out, self.min_shift as usize);
            put32(&mut out, self.depth as usize);
            put32(&mut out, 0);
        }
        put32(&mut out, self.references.len());
        for reference in &self.references {
            put32(&mut out, reference.bins.len() + usize::from(reference.counts.is_some()));
            for (bin, Bin { first, chunks }) in &reference.bins {
                put32(&mut out, *bin as usize);
                if csi {
                    put(&mut out, *first);
                }
                put32(&mut out, chunks.len());
                for chunk in chunks {
                    put(&mut out, chunk.start);
                    put(&mut out, chunk.end);
                }
            }
            if let Some(counts) = reference.counts {
                put32(&mut out, pseudo_bin(self.depth) as usize);
                if csi {
                    put(&mut out, 0);
                }
                put32(&mut out, 2);
                for n in [counts.chunk.start, counts.chunk.end, counts.mapped, counts.unmapped] {
                    put(&mut out, n);
                }
            }
            if !csi {
                put32(&mut out, reference.linear.len());
                for &offset in &reference.linear {
                    put(&mut out, offset);
                }
            }
        }
        if let Some(unplaced) = self.unplaced {
            put(&mut out, unplaced);
        }
        out
    }

    /// Writes the index beside its BAM file, and gives its path. The file appears as a whole or not at all.
    ///
    /// # Errors
    ///
    /// Writing fails.
    pub fn save_beside(&self, bam: impl AsRef<Path>) -> Result<PathBuf> {
        let end = if self.needs_csi() { "csi" } else { "bai" };
        let path = with_ending(bam.as_ref(), end);
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let io = |error| Error::from_io(path.display().to_string(), error);
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(io)?;
        file.write_all(&self.to_bytes()?).map_err(io)?;
        file.persist(&path).map_err(|error| io(error.error))?;
        Ok(path)
    }

    /// The parts of the file that may have records of a region, sorted and apart from each other.
    pub(super) fn query(&self, reference: usize, span: Span) -> Vec<Chunk> {
        let Some(reference) = self.references.get(reference) else { return Vec::new() };
        let (start, end) = (span.start(), span.end().max(span.start().saturating_add(1)));
        let reach = 1u64 << (self.min_shift + 3 * self.depth);
        if start >= reach {
            return Vec::new();
        }
        let least = self.least_offset(reference, start);
        let mut chunks: Vec<Chunk> = Vec::new();
        for (bin, Bin { chunks: all, .. }) in &reference.bins {
            let (bin_start, bin_end) = self.span_of_bin(u64::from(*bin));
            if bin_start < end && start < bin_end {
                chunks.extend(all.iter().filter(|chunk| chunk.end > least));
            }
        }
        chunks.sort_unstable();
        let mut joined: Vec<Chunk> = Vec::new();
        for mut chunk in chunks {
            chunk.start = chunk.start.max(least);
            match joined.last_mut() {
                Some(last) if chunk.start <= last.end => last.end = last.end.max(chunk.end),
                _ => joined.push(chunk),
            }
        }
        joined
    }

    /// No record in front of this place reaches to base `start`.
    fn least_offset(&self, reference: &Reference, start: u64) -> u64 {
        if !reference.linear.is_empty() {
            let window = (start >> self.min_shift) as usize;
            return reference
                .linear
                .get(window)
                .copied()
                .unwrap_or_else(|| reference.linear.last().copied().unwrap_or(0));
        }
        // The bin at the bottom, else one in front of it below the same parent, else the parent: what it starts with.
        let mut bin = first_of_level(self.depth) + (start >> self.min_shift);
        while bin > 0 {
            if let Some(found) = u32::try_from(bin).ok().and_then(|bin| reference.bins.get(&bin)) {
                return found.first;
            }
            let parent = (bin - 1) >> 3;
            bin = if bin > (parent << 3) + 1 { bin - 1 } else { parent };
        }
        reference.bins.get(&0).map_or(0, |bin| bin.first)
    }

    fn span_of_bin(&self, bin: u64) -> (u64, u64) {
        let level = (0..=self.depth).rev().find(|&level| first_of_level(level) <= bin).unwrap_or(0);
        let shift = self.min_shift + 3 * (self.depth - level);
        let start = (bin - first_of_level(level)) << shift;
        (start, start + (1 << shift))
    }
}

/// `reads.bam` and `bai` give `reads.bam.bai`.
fn with_ending(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(end);
    name.into()
}

/// The index file beside a BAM file.
pub(super) fn find(bam: &Path) -> Option<PathBuf> {
    let places =
        [with_ending(bam, "csi"), with_ending(bam, "bai"), bam.with_extension("csi"), bam.with_extension("bai")];
    places.into_iter().find(|place| place != bam && place.is_file())
}

fn inflate(name: &str, bytes: &[u8], limits: Limits) -> Result<Vec<u8>> {
    let mut reader = BgzfReader::new(bytes);
    let mut out = Vec::new();
    loop {
        let block = reader.bytes().map_err(|error| Error::from_io(name, error))?;
        if block.is_empty() || out.len() as u64 > limits.max_table {
            return Ok(out);
        }
        out.extend_from_slice(block);
        let n = block.len();
        reader.consume(n);
    }
}

/// Reads the fields of an index. Each declared number is met with bytes before anything is kept for it.
struct Parser<'a> {
    name: &'a str,
    rest: &'a [u8],
    at: u64,
}

impl<'a> Parser<'a> {
    #[cold]
    fn error(&self, problem: &'static str) -> Error {
        Error::new(ErrorKind::Index, self.name, problem).at_byte(self.at)
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let Some((head, rest)) = self.rest.split_at_checked(n) else {
            let error = self.error("the index is cut").expecting(count(n as u64, "byte"));
            return Err(error.finding(count(self.rest.len() as u64, "byte")));
        };
        self.rest = rest;
        self.at += n as u64;
        Ok(head)
    }

    fn u32(&mut self) -> Result<u32> {
        self.take(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
    }

    fn u64(&mut self) -> Result<u64> {
        self.take(8).map(|b| u64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]))
    }

    fn chunk(&mut self) -> Result<Chunk> {
        Ok(Chunk { start: self.u64()?, end: self.u64()? })
    }

    fn index(&mut self, min_shift: u32, depth: u32, csi: bool) -> Result<BamIndex> {
        let mut references = Vec::new();
        for _ in 0..self.u32()? {
            let mut reference = Reference::default();
            for _ in 0..self.u32()? {
                let bin = self.u32()?;
                let first = if csi { self.u64()? } else { 0 };
                let chunks = self.u32()?;
                if u64::from(bin) == pseudo_bin(depth) && chunks == 2 {
                    let chunk = self.chunk()?;
                    reference.counts = Some(Counts { chunk, mapped: self.u64()?, unmapped: self.u64()? });
                    continue;
                }
                if u64::from(bin) >= bin_count(depth) {
                    return Err(self.error("a bin that does not exist").finding(bin.to_string()));
                }
                let entry = reference.bins.entry(bin).or_default();
                entry.first = first;
                for _ in 0..chunks {
                    let chunk = self.chunk()?;
                    if chunk.start > chunk.end {
                        return Err(self.error("a part of the file that ends in front of its start"));
                    }
                    entry.chunks.push(chunk);
                }
            }
            if !csi {
                for _ in 0..self.u32()? {
                    reference.linear.push(self.u64()?);
                }
            }
            references.push(reference);
        }
        let unplaced = if self.rest.is_empty() { None } else { Some(self.u64()?) };
        Ok(BamIndex { min_shift, depth, references, unplaced })
    }
}

/// Makes an index from records in the order of their file.
#[derive(Debug)]
pub(super) struct Builder {
    index: BamIndex,
    unplaced: u64,
    last: Option<(usize, u64)>,
    /// Entries of all linear indexes.
    windows: usize,
}

impl Builder {
    pub(super) fn new(header: &SamHeader) -> Self {
        let longest = header.references().iter().map(|r| r.length).max().unwrap_or(0);
        let mut depth = BAI_DEPTH;
        while longest > 1 << (BAI_SHIFT + 3 * depth) {
            depth += 1;
        }
        let references = vec![Reference::default(); header.references().len()];
        let index = BamIndex { min_shift: BAI_SHIFT, depth, references, unplaced: None };
        Self { index, unplaced: 0, last: None, windows: 0 }
    }

    /// Adds a record; the error says why it cannot be in an index.
    pub(super) fn add(
        &mut self,
        reference: Option<usize>,
        span: Option<Span>,
        unmapped: bool,
        chunk: Chunk,
    ) -> std::result::Result<(), &'static str> {
        let (Some(id), Some(span)) = (reference, span) else {
            self.unplaced += 1;
            return Ok(());
        };
        if self.unplaced > 0 || self.last.is_some_and(|last| last > (id, span.start())) {
            return Err("no index can be made: the file is not sorted by coordinate");
        }
        self.last = Some((id, span.start()));
        let (shift, depth) = (self.index.min_shift, self.index.depth);
        if span.end() > 1 << (shift + 3 * depth) {
            return Err("no index can be made: an alignment lies far behind the end of its reference");
        }
        let Reference { bins, linear, counts } = &mut self.index.references[id];
        let chunks = &mut bins.entry(bin_of(span, shift, depth)).or_default().chunks;
        match chunks.last_mut() {
            Some(last) if last.end >> 16 >= chunk.start >> 16 => last.end = chunk.end,
            _ => chunks.push(chunk),
        }
        let windows = (span.start() >> shift) as usize..=((span.end() - 1) >> shift) as usize;
        if linear.len() <= *windows.end() {
            self.windows += windows.end() + 1 - linear.len();
            if self.windows > MAX_WINDOWS {
                return Err("no index can be made: the alignments reach over more than 250 Gb");
            }
            linear.resize(windows.end() + 1, u64::MAX);
        }
        for window in windows {
            linear[window] = linear[window].min(chunk.start);
        }
        let counts = counts.get_or_insert(Counts { chunk, mapped: 0, unmapped: 0 });
        counts.chunk.end = chunk.end;
        *(if unmapped { &mut counts.unmapped } else { &mut counts.mapped }) += 1;
        Ok(())
    }

    pub(super) fn finish(mut self) -> BamIndex {
        for reference in &mut self.index.references {
            // A window without records takes what the window in front of it has.
            let mut last = 0;
            for offset in &mut reference.linear {
                if *offset == u64::MAX {
                    *offset = last;
                }
                last = *offset;
            }
        }
        let spans: Vec<Vec<u64>> = self
            .index
            .references
            .iter()
            .map(|reference| reference.bins.keys().map(|&bin| self.index.span_of_bin(u64::from(bin)).0).collect())
            .collect();
        let is_csi = self.index.depth != BAI_DEPTH;
        for (reference, starts) in self.index.references.iter_mut().zip(spans) {
            for (bin, start) in reference.bins.values_mut().zip(starts) {
                bin.first = reference.linear.get((start >> self.index.min_shift) as usize).copied().unwrap_or(0);
            }
            if is_csi {
                reference.linear.clear();
            }
        }
        self.index.unplaced = Some(self.unplaced);
        self.index
    }
}

/// The smallest bin that holds a span.
fn bin_of(span: Span, min_shift: u32, depth: u32) -> u32 {
    let last = span.end().max(span.start() + 1) - 1;
    for level in (0..=depth).rev() {
        let shift = min_shift + 3 * (depth - level);
        if span.start() >> shift == last >> shift {
            return (first_of_level(level) + (span.start() >> shift)) as u32;
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(start: u64, end: u64) -> Span {
        Span::new(start, end).unwrap()
    }

    fn read(bytes: &[u8]) -> Result<BamIndex> {
        BamIndex::read("x.bai", bytes, Limits::default())
    }

    #[test]
    fn bins_and_their_spans() {
        assert_eq!((bin_count(5), pseudo_bin(5), first_of_level(5)), (37449, 37450, 4681));
        let index = Builder::new(&SamHeader::default()).finish();
        for (start, end, bin) in [(0, 1, 4681), (16_383, 16_385, 585), (0, 1 << 29, 0), ((1 << 29) - 1, 1 << 29, 37448)]
        {
            assert_eq!(bin_of(span(start, end), 14, 5), bin);
            let (a, b) = index.span_of_bin(u64::from(bin));
            assert!(a <= start && end <= b);
        }
    }

    #[test]
    fn long_references_get_a_csi() {
        let header = SamHeader::with_references([("a", 1 << 30)]).unwrap();
        let mut builder = Builder::new(&header);
        let chunk = Chunk { start: 100 << 16, end: 200 << 16 };
        builder.add(Some(0), Some(span(1_000_000_000, 1_000_000_100)), false, chunk).unwrap();
        builder.add(None, None, true, chunk).unwrap();
        let index = builder.finish();
        let bytes = index.to_bytes().unwrap();
        assert!(bytes.starts_with(&[0x1f, 0x8b]));
        let again = read(&bytes).unwrap();
        assert_eq!(again, index);
        assert_eq!(again.query(0, span(1_000_000_050, 1_000_000_051)), [chunk]);
        assert_eq!(again.query(0, span(0, 1000)), []);
        assert_eq!(again.query(1, span(0, 1000)), []);
        assert_eq!((again.counts(0), again.unplaced()), (Some((1, 0)), Some(1)));
    }

    #[test]
    fn unsorted_records_are_refused() {
        let mut builder = Builder::new(&SamHeader::with_references([("a", 1000), ("b", 1000)]).unwrap());
        let chunk = Chunk { start: 0, end: 1 };
        let mut add = |id, start| builder.add(Some(id), Some(span(start, start + 5)), false, chunk).is_ok();
        assert!(add(0, 10) && add(0, 10) && add(1, 5));
        assert!(!add(1, 4));
        assert!(!add(0, 20));
    }

    #[test]
    fn every_cut_is_told() {
        let header = SamHeader::with_references([("a", 1000), ("b", 1000)]).unwrap();
        let mut builder = Builder::new(&header);
        builder.add(Some(0), Some(span(5, 10)), false, Chunk { start: 1 << 16, end: 2 << 16 }).unwrap();
        let bytes = builder.finish().to_bytes().unwrap();
        assert!(bytes.starts_with(b"BAI\x01"));
        for cut in 0..bytes.len() - 8 {
            let error = read(&bytes[..cut]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Index, "{error}");
        }
        assert_eq!(read(&bytes[..bytes.len() - 8]).unwrap().unplaced(), None);
        let error = read(b"BAI\x01\xff\xff\xff\xff").unwrap_err().to_string();
        assert_eq!(error, "x.bai: byte 8: the index is cut: expected 4 bytes, found 0 bytes");
        assert!(read(b"TBI\x01").unwrap_err().to_string().contains("no index of a BAM file"));
    }
}
