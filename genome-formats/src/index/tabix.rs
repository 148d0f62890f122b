//! The files `.tbi` and `.csi`, as tabix.pdf and CSIv1.pdf (hts-specs) describe them. Both lie in BGZF.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use super::binning::{Bin, Binning, Bins, Chunk};
use super::{read_u32, read_u64};
use crate::bgzf::VirtualOffset;
use crate::error::{Cause, ErrorKind};

/// Which columns of a line hold the name and the position; counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Columns {
    /// 0 for any table, 1 for SAM, 2 for VCF; plus 0x10000 where the start counts from 0 and the end is excluded.
    pub(crate) format: u32,
    pub(crate) name: u32,
    pub(crate) start: u32,
    /// 0 where there is none.
    pub(crate) end: u32,
    /// Lines that start with this byte are no data.
    pub(crate) meta: u32,
    /// So many lines at the start are no data.
    pub(crate) skip: u32,
}

impl Columns {
    pub(crate) const ZERO_BASED: u32 = 0x1_0000;
    pub(crate) const VCF: Self = Self { format: 2, name: 1, start: 2, end: 0, meta: b'#' as u32, skip: 0 };
    pub(crate) const GFF: Self = Self { format: 0, name: 1, start: 4, end: 5, meta: b'#' as u32, skip: 0 };
    pub(crate) const BED: Self =
        Self { format: Self::ZERO_BASED, name: 1, start: 2, end: 3, meta: b'#' as u32, skip: 0 };

    pub(crate) fn is_vcf(&self) -> bool {
        self.format & 0xffff == 2
    }

    pub(crate) fn is_zero_based(&self) -> bool {
        self.format & Self::ZERO_BASED != 0
    }

    fn read(reader: &mut impl Read) -> io::Result<Self> {
        let mut next = || read_u32(reader);
        let columns =
            Self { format: next()?, name: next()?, start: next()?, end: next()?, meta: next()?, skip: next()? };
        let sound = |column: u32| (1..=10_000).contains(&column);
        if !sound(columns.name) || !sound(columns.start) || !(columns.end == 0 || sound(columns.end)) {
            return Err(broken("its columns make no sense"));
        }
        if ![0, 2].contains(&(columns.format & 0xffff)) {
            return Err(broken("it is not for VCF, GFF, BED or another table"));
        }
        Ok(columns)
    }

    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let Self { format, name, start, end, meta, skip } = *self;
        [format, name, start, end, meta, skip].iter().try_for_each(|n| out.write_all(&n.to_le_bytes()))
    }
}

/// Names in one piece of memory, found by bisection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Names {
    bytes: Vec<u8>,
    ends: Vec<u32>,
    sorted: Vec<u32>,
}

impl Names {
    /// `bytes` are the names, each with a NUL behind it. `None` when the last has none, or one stands twice.
    fn new(bytes: Vec<u8>) -> Option<Self> {
        if bytes.last().is_some_and(|&last| last != 0) {
            return None;
        }
        let ends: Vec<u32> = memchr::memchr_iter(0, &bytes).map(|at| at as u32).collect();
        let mut names = Self { bytes, sorted: (0..ends.len() as u32).collect(), ends };
        let mut sorted = std::mem::take(&mut names.sorted);
        sorted.sort_unstable_by_key(|&i| names.get(i as usize));
        if sorted.windows(2).any(|pair| names.get(pair[0] as usize) == names.get(pair[1] as usize)) {
            return None;
        }
        names.sorted = sorted;
        Some(names)
    }

    pub(crate) fn get(&self, i: usize) -> &[u8] {
        let start = i.checked_sub(1).map_or(0, |before| self.ends[before] as usize + 1);
        &self.bytes[start..self.ends[i] as usize]
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn find(&self, name: &[u8]) -> Option<usize> {
        let at = self.sorted.binary_search_by(|&i| self.get(i as usize).cmp(name)).ok()?;
        Some(self.sorted[at] as usize)
    }
}

/// A whole index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tabix {
    pub(crate) columns: Columns,
    pub(crate) names: Names,
    pub(crate) bins: Bins,
}

fn broken(why: &str) -> io::Error {
    Cause::io(ErrorKind::Index, format!("broken index: {why}"))
}

impl Tabix {
    /// Reads a `.tbi` or `.csi` file, decompressed. Counts are not trusted: memory grows with the bytes that are there, up to
    /// `limit` of them.
    pub(crate) fn read(reader: impl Read, limit: u64) -> io::Result<Self> {
        let mut reader = reader.take(limit);
        let outcome = Self::read_all(&mut reader);
        match outcome {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && reader.limit() == 0 => {
                let problem = format!("the index is larger than {limit} bytes (half of Limits::max_header)");
                Err(Cause::io(ErrorKind::Limit, problem))
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && error.get_ref().is_none() => {
                Err(broken("it ends too early"))
            }
            outcome => outcome,
        }
    }

    fn read_all(reader: &mut io::Take<impl Read>) -> io::Result<Self> {
        let mut magic = [0; 4];
        reader.read_exact(&mut magic)?;
        match &magic {
            b"TBI\x01" => {
                let references = read_u32(reader)?;
                let columns = Columns::read(reader)?;
                let length = read_u32(reader)?;
                let names = read_names(reader, length)?;
                let bins = read_bins(reader, Binning::TABIX, references, true)?;
                Self::checked(columns, names, bins)
            }
            b"CSI\x01" => {
                let binning = Binning { min_shift: read_u32(reader)?, depth: read_u32(reader)? };
                if !(1..=30).contains(&binning.min_shift) || !(1..=Binning::MAX_DEPTH).contains(&binning.depth) {
                    return Err(broken("its bins are too small or too many"));
                }
                let length = read_u32(reader)?;
                if length < 28 {
                    return Err(broken("it is not for VCF, GFF, BED or another table"));
                }
                let columns = Columns::read(reader)?;
                let names_length = read_u32(reader)?;
                if names_length > length - 28 {
                    return Err(broken("its names are longer than their place"));
                }
                let names = read_names(reader, names_length)?;
                let rest = u64::from(length - 28 - names_length);
                io::copy(&mut reader.by_ref().take(rest), &mut io::sink())?;
                let references = read_u32(reader)?;
                let bins = read_bins(reader, binning, references, false)?;
                Self::checked(columns, names, bins)
            }
            _ => Err(broken("it starts neither as .tbi nor as .csi")),
        }
    }

    fn checked(columns: Columns, names: Names, bins: Bins) -> io::Result<Self> {
        if names.len() != bins.references.len() {
            return Err(broken(&format!("{} names for {} sequences", names.len(), bins.references.len())));
        }
        Ok(Self { columns, names, bins })
    }

    /// Writes `.tbi` where the bins are `.tbi`'s, else `.csi`.
    pub(crate) fn write(&self, mut out: impl Write) -> io::Result<()> {
        let tbi = self.is_tbi();
        let number = |n: usize| (n as u32).to_le_bytes();
        let references = number(self.bins.references.len());
        if tbi {
            out.write_all(b"TBI\x01")?;
            out.write_all(&references)?;
            self.columns.write(&mut out)?;
        } else {
            out.write_all(b"CSI\x01")?;
            out.write_all(&self.bins.binning.min_shift.to_le_bytes())?;
            out.write_all(&self.bins.binning.depth.to_le_bytes())?;
            out.write_all(&number(28 + self.names.bytes.len()))?;
            self.columns.write(&mut out)?;
        }
        out.write_all(&number(self.names.bytes.len()))?;
        out.write_all(&self.names.bytes)?;
        if !tbi {
            out.write_all(&references)?;
        }
        for reference in 0..self.bins.references.len() {
            let (bins, windows) = self.bins.of(reference);
            out.write_all(&number(bins.len()))?;
            for i in bins {
                let (bin, chunks) = (&self.bins.bins[i], self.bins.chunks_of(i));
                out.write_all(&bin.id.to_le_bytes())?;
                if !tbi {
                    out.write_all(&u64::from(bin.first).to_le_bytes())?;
                }
                out.write_all(&number(chunks.len()))?;
                for chunk in chunks {
                    out.write_all(&u64::from(chunk.start).to_le_bytes())?;
                    out.write_all(&u64::from(chunk.end).to_le_bytes())?;
                }
            }
            if tbi {
                out.write_all(&number(windows.len()))?;
                windows.iter().try_for_each(|w| out.write_all(&u64::from(*w).to_le_bytes()))?;
            }
        }
        Ok(())
    }

    pub(crate) fn is_tbi(&self) -> bool {
        self.bins.binning == Binning::TABIX
    }
}

fn read_names(reader: &mut io::Take<impl Read>, length: u32) -> io::Result<Names> {
    let mut bytes = Vec::new();
    reader.by_ref().take(u64::from(length)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 != u64::from(length) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    // Each name has a sequence behind it, of eight bytes at least: so many names there cannot be.
    if memchr::memchr_iter(0, &bytes).count() as u64 > reader.limit() / 8 {
        return Err(broken("it has more names than sequences"));
    }
    Names::new(bytes).ok_or_else(|| broken("its names do not end, or one stands twice"))
}

fn read_bins(reader: &mut impl Read, binning: Binning, references: u32, tbi: bool) -> io::Result<Bins> {
    let mut all = Bins::new(binning);
    for _ in 0..references {
        for _ in 0..read_u32(reader)? {
            let id = read_u32(reader)?;
            let first = if tbi { VirtualOffset::default() } else { read_u64(reader)?.into() };
            // One number behind the bins, with counts in place of chunks.
            let is_count = id == binning.bins() + 1;
            if id >= binning.bins() && !is_count {
                return Err(broken("a bin that cannot be"));
            }
            let start = all.chunks.len() as u32;
            for _ in 0..read_u32(reader)? {
                let chunk = Chunk { start: read_u64(reader)?.into(), end: read_u64(reader)?.into() };
                if is_count {
                    continue;
                }
                if chunk.end < chunk.start {
                    return Err(broken("a chunk ends before it starts"));
                }
                all.chunks.push(chunk);
            }
            let end = all.chunks.len() as u32;
            if start < end {
                all.bins.push(Bin { id, first, chunks: (start, end) });
            }
        }
        if tbi {
            for _ in 0..read_u32(reader)? {
                let window = read_u64(reader)?;
                all.windows.push(window.into());
            }
        }
        if !all.close_reference() {
            return Err(broken("a bin stands twice"));
        }
    }
    Ok(all)
}

/// Makes an index from lines in the order of the file.
#[derive(Debug)]
pub(crate) struct Builder {
    columns: Columns,
    names: Vec<u8>,
    bins: Bins,
    /// Of the current sequence.
    chunks: BTreeMap<u32, Vec<Chunk>>,
    /// Windows, end excluded, whose first line stands at an offset; in order, apart from each other.
    runs: Vec<(u64, VirtualOffset)>,
    open: bool,
}

impl Builder {
    pub(crate) fn new(columns: Columns, binning: Binning) -> Self {
        Self {
            columns,
            names: Vec::new(),
            bins: Bins::new(binning),
            chunks: BTreeMap::new(),
            runs: Vec::new(),
            open: false,
        }
    }

    /// The lines that follow belong to this sequence. A name with a NUL cannot be indexed.
    pub(crate) fn start_reference(&mut self, name: &[u8]) {
        self.close_reference();
        self.names.extend_from_slice(name);
        self.names.push(0);
        self.open = true;
    }

    /// A line at `start..end`, which is not empty and lies below the end of the bins.
    pub(crate) fn push(&mut self, start: u64, end: u64, chunk: Chunk) {
        let chunks = self.chunks.entry(self.bins.binning.bin(start, end)).or_default();
        match chunks.last_mut() {
            // Chunks in one block, or in two that follow each other, are joined: it costs nothing to read between them.
            Some(last) if last.end == chunk.start || last.end.block() == chunk.start.block() => last.end = chunk.end,
            _ => chunks.push(chunk),
        }
        let behind = ((end - 1) >> self.bins.binning.min_shift) + 1;
        if self.runs.last().is_none_or(|&(last, _)| last < behind) {
            self.runs.push((behind, chunk.start));
        }
    }

    fn close_reference(&mut self) {
        if !self.open {
            return;
        }
        let binning = self.bins.binning;
        // The first line that overlaps a window or anything behind it.
        let first =
            |runs: &[(u64, VirtualOffset)], window: u64| runs[runs.partition_point(|&(behind, _)| behind <= window)].1;
        for (id, chunks) in std::mem::take(&mut self.chunks) {
            let start = self.bins.chunks.len() as u32;
            self.bins.chunks.extend(chunks);
            let first = if binning == Binning::TABIX {
                VirtualOffset::default()
            } else {
                first(&self.runs, binning.first_window(id))
            };
            self.bins.bins.push(Bin { id, first, chunks: (start, self.bins.chunks.len() as u32) });
        }
        if binning == Binning::TABIX {
            let windows = self.runs.last().map_or(0, |&(behind, _)| behind);
            let runs = &self.runs;
            self.bins.windows.extend((0..windows).map(|window| first(runs, window)));
        }
        self.runs.clear();
        self.bins.close_reference();
    }

    pub(crate) fn finish(mut self) -> Tabix {
        self.close_reference();
        let names = Names::new(self.names).expect("each name was new and got its NUL");
        Tabix { columns: self.columns, names, bins: self.bins }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn read_gives_what_was_written(
            sequences in proptest::collection::vec(proptest::collection::vec((0u64..40_000_000, 1u64..200_000), 1..20), 0..4),
            depth in 5u32..8,
        ) {
            let mut builder = Builder::new(Columns::BED, Binning { min_shift: 14, depth });
            let mut at = 0u64;
            for (i, mut lines) in sequences.into_iter().enumerate() {
                builder.start_reference(format!("s{i}").as_bytes());
                lines.sort_unstable();
                for (start, length) in lines {
                    let next = at + length;
                    builder.push(start, start + length, Chunk { start: at.into(), end: next.into() });
                    at = next;
                }
            }
            let index = builder.finish();
            let mut file = Vec::new();
            index.write(&mut file).unwrap();
            prop_assert_eq!(&Tabix::read(&file[..], 1 << 20).unwrap(), &index);
            for cut in (0..file.len()).rev().step_by(1 + file.len() / 50) {
                prop_assert!(Tabix::read(&file[..cut], 1 << 20).is_err());
            }
        }

        #[test]
        fn any_bytes_never_panic(kind in 0usize..2, bytes in proptest::collection::vec(prop_oneof![Just(0u8), Just(1), Just(28), Just(255), any::<u8>()], 0..200)) {
            let file = [[&b"TBI\x01"[..], b"CSI\x01"][kind], &bytes].concat();
            if let Ok(index) = Tabix::read(&file[..], 1 << 20) {
                for reference in 0..index.bins.references.len() {
                    index.bins.query(reference, 0, u64::MAX);
                }
            }
        }
    }

    #[test]
    fn broken_files_are_told() {
        let check = |bytes: &[u8], expected: &str| {
            assert_eq!(Tabix::read(bytes, 100).unwrap_err().to_string(), format!("broken index: {expected}"));
        };
        check(b"", "it ends too early");
        check(b"BAI\x01", "it starts neither as .tbi nor as .csi");
        check(b"TBI\x01\xff\xff\xff\xff", "it ends too early");
        check(b"CSI\x01\x0e\0\0\0\x3f\0\0\0", "its bins are too small or too many");
        check(b"CSI\x01\x0e\0\0\0\x05\0\0\0\0\0\0\0", "it is not for VCF, GFF, BED or another table");
        let long = [b"TBI\x01\xff\xff\xff\xff".to_vec(), [1u8, 0, 0, 0].repeat(50)].concat();
        assert!(Tabix::read(&long[..], 100).unwrap_err().to_string().contains("not for VCF"));
        let mut header = b"TBI\x01\xff\xff\xff\xff".to_vec();
        for n in [0u32, 1, 4, 5, 35, 0, 0xffff_ffff] {
            header.extend(n.to_le_bytes());
        }
        header.extend(b"name\0".repeat(50));
        assert!(Tabix::read(&header[..], 100).unwrap_err().to_string().contains("larger than 100 bytes"));
    }
}
