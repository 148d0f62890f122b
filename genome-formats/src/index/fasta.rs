//! Regions of a FASTA file through its index.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::fai::{Fai, FaiEntry};
use super::gzi::Gzi;
use super::{IndexOptions, MakeIndex, Plan, beside, open_file, plan, stale};
use crate::bgzf::BgzfReader;
use crate::coord::Span;
use crate::error::{Error, ErrorKind, Result, quote};
use crate::input::{Compression, Limits};
use crate::output::Output;
use crate::record::SeqRecord;
use crate::region::Region;

/// A FASTA file, plain or BGZF, with its index: any region at the price of the bytes that it covers.
///
/// The index is `NAME.fai`, and `NAME.gzi` besides for a BGZF file, both as samtools writes them. An index that does not fit
/// the file is an error of kind [`ErrorKind::Index`] that names both.
///
/// ```
/// use genome_formats::{IndexedFasta, MakeIndex};
///
/// let dir = tempfile::tempdir()?;
/// let path = dir.path().join("x.fa");
/// std::fs::write(&path, ">chr1\nACGTac\ngtNNAC\n>chr2\nTTTT\n")?;
/// let mut genome = IndexedFasta::open(&path, MakeIndex::IfMissing)?;
/// assert_eq!(genome.names_and_lengths().collect::<Vec<_>>(), [("chr1", 12), ("chr2", 4)]);
/// assert_eq!(genome.fetch(&"chr1:5-9".parse()?)?, b"acgtN");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct IndexedFasta {
    path: PathBuf,
    index_path: PathBuf,
    index: Fai,
    bytes: Bytes,
    limits: Limits,
    /// Which entries were compared with the file.
    checked: Vec<bool>,
    /// The entry that stands last in the file.
    last: usize,
}

/// A file whose decompressed bytes can be read from any place.
#[derive(Debug)]
enum Bytes {
    /// With its length.
    Plain(BufReader<File>, u64),
    Bgzf(Box<BgzfReader<BufReader<File>>>, Gzi),
}

impl Bytes {
    /// A reader that stands at `byte` of the decompressed file.
    fn at(&mut self, byte: u64) -> io::Result<&mut dyn BufRead> {
        match self {
            Self::Plain(_, length) if byte > *length => Err(io::Error::new(io::ErrorKind::InvalidData, Outside)),
            Self::Plain(reader, _) => {
                // Keeps the buffer where the place is near. Neither is behind the end of a file, so both fit.
                let here = reader.stream_position()?;
                reader.seek_relative(byte as i64 - here as i64)?;
                Ok(reader)
            }
            Self::Bgzf(reader, index) => {
                let Some(offset) = index.locate(byte) else {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, Outside));
                };
                reader.seek_virtual(offset).map_err(|error| match error.kind() {
                    io::ErrorKind::InvalidData => io::Error::new(io::ErrorKind::InvalidData, Outside),
                    _ => error,
                })?;
                Ok(reader)
            }
        }
    }
}

/// The index points to where the file has nothing.
#[derive(Debug, thiserror::Error)]
#[error("the index points outside the file")]
struct Outside;

impl IndexedFasta {
    /// Opens a FASTA file and its index.
    ///
    /// # Errors
    ///
    /// The file or the index cannot be read; the index is missing, older than the file, or describes another one; the file
    /// is neither plain nor BGZF.
    pub fn open(path: impl AsRef<Path>, make: MakeIndex) -> Result<Self> {
        Self::open_with(path, make.into())
    }

    /// Opens a FASTA file and its index.
    ///
    /// # Errors
    ///
    /// As [`IndexedFasta::open`].
    pub fn open_with(path: impl AsRef<Path>, options: IndexOptions) -> Result<Self> {
        let path = path.as_ref().to_owned();
        let (mut file, compression) = open_file(&path, options.mode)?;
        let index_path = beside(&path, ".fai");
        let index = match plan(&index_path, &path, &options)? {
            Plan::Read => {
                let length = file.seek(SeekFrom::End(0)).map_err(|e| Error::from_io(path.display().to_string(), e))?;
                // A sequence has three bytes at least, and deflate cannot make more than 1032 bytes out of one.
                let most =
                    if compression == Compression::Bgzf { length.saturating_mul(1032 / 3) } else { length / 3 + 1 };
                Fai::read_some(index_path.display().to_string(), open(&index_path)?, most)?
            }
            Plan::Make => {
                let name = path.display().to_string();
                let index = if compression == Compression::Bgzf {
                    Fai::build(name, BgzfReader::new(&mut file).with_mode(options.mode))?
                } else {
                    Fai::build(name, &mut file)?
                };
                write(&index_path, |out| index.write(out))?;
                index
            }
        };
        let bytes = if compression == Compression::Bgzf {
            let path_gzi = beside(&path, ".gzi");
            let io = |path: &Path, error| Error::from_io(path.display().to_string(), error);
            let blocks = match plan(&path_gzi, &path, &options)? {
                Plan::Read => Gzi::read(open(&path_gzi)?).map_err(|e| io(&path_gzi, e))?,
                Plan::Make => {
                    file.seek(SeekFrom::Start(0)).map_err(|e| io(&path, e))?;
                    let blocks = Gzi::build_with(&mut file, options.mode).map_err(|e| io(&path, e))?;
                    write(&path_gzi, |out| blocks.write(out))?;
                    blocks
                }
            };
            Bytes::Bgzf(Box::new(BgzfReader::new(file).with_mode(options.mode)), blocks)
        } else {
            let length = file.seek(SeekFrom::End(0)).map_err(|e| Error::from_io(path.display().to_string(), e))?;
            Bytes::Plain(file, length)
        };
        let entries = index.entries();
        let checked = vec![false; entries.len()];
        let last = (0..entries.len()).max_by_key(|&i| (entries[i].offset, entries[i].length)).unwrap_or(0);
        let mut this = Self { path, index_path, index, bytes, limits: options.limits, checked, last };
        if !this.checked.is_empty() {
            this.check(this.last)?;
        }
        Ok(this)
    }

    /// The index.
    pub fn index(&self) -> &Fai {
        &self.index
    }

    /// Each sequence with its length, in the order of the file.
    pub fn names_and_lengths(&self) -> impl Iterator<Item = (&str, u64)> {
        self.index.entries().iter().map(|entry| (&*entry.name, entry.length))
    }

    /// How long a sequence is.
    pub fn length(&self, name: &str) -> Option<u64> {
        self.index.get(name).map(|entry| entry.length)
    }

    /// Reads a region as samtools writes it; names of the file may hold colons.
    ///
    /// # Errors
    ///
    /// As [`Region::parse`].
    pub fn region(&self, text: &str) -> Result<Region> {
        Region::parse(text, |name| self.index.get(name).is_some())
    }

    /// The bases of a region, in the case that the file has.
    ///
    /// # Errors
    ///
    /// No sequence has this name, the region reaches behind its end or is larger than [`Limits::max_record`], the file cannot
    /// be read, or the index does not fit it.
    pub fn fetch(&mut self, region: &Region) -> Result<Vec<u8>> {
        let mut seq = Vec::new();
        self.fetch_into(region, &mut seq)?;
        Ok(seq)
    }

    /// The bases of a region as a record, named by the region.
    ///
    /// # Errors
    ///
    /// As [`IndexedFasta::fetch`].
    pub fn fetch_record(&mut self, region: &Region) -> Result<SeqRecord> {
        Ok(SeqRecord::new(region.to_string(), self.fetch(region)?))
    }

    /// As [`IndexedFasta::fetch`], into a buffer that is cleared first.
    ///
    /// # Errors
    ///
    /// As [`IndexedFasta::fetch`].
    pub fn fetch_into(&mut self, region: &Region, seq: &mut Vec<u8>) -> Result<()> {
        seq.clear();
        let Some(i) = self.index.position(&region.name) else {
            return Err(self
                .error(ErrorKind::Coordinate, "no sequence has this name")
                .finding(quote(region.name.as_bytes())));
        };
        let entry = &self.index.entries()[i];
        let span = match region.span_within(entry.length) {
            Ok(span) => span,
            Err(_) => {
                return Err(self
                    .error(ErrorKind::Coordinate, "the region reaches behind the end of the sequence")
                    .expecting(format!("at most {}", entry.length))
                    .finding(quote(region.to_string().as_bytes())));
            }
        };
        if span.len() > self.limits.max_record {
            let problem = format!("the region is larger than {} bytes", self.limits.max_record);
            return Err(self.error(ErrorKind::Limit, problem).finding(quote(region.to_string().as_bytes())));
        }
        if span.is_empty() {
            return Ok(());
        }
        self.check(i)?;
        let entry = &self.index.entries()[i];
        match copy_bases(&mut self.bytes, entry, span, seq) {
            Ok(true) => Ok(()),
            Ok(false) => Err(stale(&self.index_path, &self.path, "its lines are not those of").in_record(&region.name)),
            Err(error) => Err(self.sort(error)),
        }
    }

    fn error(&self, kind: ErrorKind, problem: impl Into<std::borrow::Cow<'static, str>>) -> Error {
        Error::new(kind, self.path.display().to_string(), problem)
    }

    fn sort(&self, error: io::Error) -> Error {
        if error.get_ref().is_some_and(|e| e.is::<Outside>()) {
            let index = match &self.bytes {
                Bytes::Plain(..) => self.index_path.clone(),
                Bytes::Bgzf(..) => beside(&self.path, ".gzi"),
            };
            return stale(&index, &self.path, "it points outside");
        }
        Error::from_io(self.path.display().to_string(), error)
    }

    /// Compares an entry with the file, once: the definition line in front of it, and what stands behind its last base.
    fn check(&mut self, i: usize) -> Result<()> {
        if std::mem::replace(&mut self.checked[i], true) {
            return Ok(());
        }
        let entry = &self.index.entries()[i];
        match fits(&mut self.bytes, entry, i == self.last) {
            Ok(true) => Ok(()),
            Ok(false) => {
                self.checked[i] = false;
                Err(stale(&self.index_path, &self.path, "it does not fit").in_record(&entry.name))
            }
            Err(error) => {
                self.checked[i] = false;
                Err(self.sort(error))
            }
        }
    }
}

/// Copies the bases of `span`; `false` where lines do not end where they should.
fn copy_bases(bytes: &mut Bytes, entry: &FaiEntry, span: Span, seq: &mut Vec<u8>) -> io::Result<bool> {
    let Some(first) = entry.byte_of(span.start()) else { return Ok(false) };
    let reader = bytes.at(first)?;
    // The length was compared with the file, so this is not what an index declares but what is there.
    seq.reserve(usize::try_from(span.len()).unwrap_or(0).min(1 << 20));
    let mut left = span.len();
    let mut column = span.start() % entry.line_bases;
    while left > 0 {
        let wanted = left.min(entry.line_bases - column);
        let available = reader.fill_buf()?;
        let n = usize::try_from(wanted).unwrap_or(usize::MAX).min(available.len());
        if n == 0 {
            return Ok(false);
        }
        let piece = &available[..n];
        if memchr::memchr3(b'\n', b'\r', b'>', piece).is_some() {
            return Ok(false);
        }
        seq.extend_from_slice(piece);
        reader.consume(n);
        left -= n as u64;
        column += n as u64;
        if left > 0 && column == entry.line_bases {
            column = 0;
            let end = entry.line_width - entry.line_bases;
            let expected: &[u8] = if end == 2 { b"\r\n" } else { b"\n" };
            for &byte in expected {
                if reader.fill_buf()?.first() != Some(&byte) {
                    return Ok(false);
                }
                reader.consume(1);
            }
        }
    }
    Ok(true)
}

/// Whether a definition line with the entry's name ends in front of its first base, and whether it ends where the index says.
fn fits(bytes: &mut Bytes, entry: &FaiEntry, last: bool) -> io::Result<bool> {
    const BACK: u64 = 4096;
    let start = entry.offset.saturating_sub(BACK);
    let mut front = Vec::new();
    bytes.at(start)?.take(entry.offset - start).read_to_end(&mut front)?;
    if front.len() as u64 != entry.offset - start {
        return Ok(false);
    }
    let Some(line) = front.strip_suffix(b"\n") else {
        // A definition line without a line end, at the end of a file.
        return Ok(entry.length == 0);
    };
    let begin = memchr::memrchr(b'\n', line).map_or(0, |at| at + 1);
    if begin > 0 || start == 0 {
        let Some(definition) = line[begin..].strip_prefix(b">") else { return Ok(false) };
        let name = definition.split(u8::is_ascii_whitespace).next().unwrap_or_default();
        if String::from_utf8_lossy(name) != entry.name {
            return Ok(false);
        }
    }
    if entry.length == 0 {
        return Ok(true);
    }
    let Some(end) = entry.byte_of(entry.length) else { return Ok(false) };
    // The last base, and some bytes behind it.
    let mut tail = Vec::new();
    bytes.at(end - 1)?.take(1 << 10).read_to_end(&mut tail)?;
    let Some((base, behind)) = tail.split_first() else { return Ok(false) };
    if base.is_ascii_whitespace() || *base == b'>' {
        return Ok(false);
    }
    let next = behind.iter().position(|b| !b.is_ascii_whitespace());
    let line_end = behind.first().is_none_or(|b| matches!(b, b'\n' | b'\r'));
    let follower = next.map(|at| behind[at]);
    Ok(line_end && (follower.is_none() || (follower == Some(b'>') && !last)))
}

fn open(path: &Path) -> Result<BufReader<File>> {
    let file = File::open(path).map_err(|error| Error::from_io(path.display().to_string(), error))?;
    Ok(BufReader::new(file))
}

fn write(path: &Path, write: impl FnOnce(&mut Output) -> io::Result<()>) -> Result<()> {
    let mut out = Output::create_as(path, Compression::Plain)?;
    write(&mut out).map_err(|error| Error::from_io(path.display().to_string(), error))?;
    out.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bgzf::BgzfWriter;
    use crate::guard::Mode;
    use proptest::prelude::*;
    use std::fs;
    use std::io::Write;
    use std::time::{Duration, SystemTime};

    fn bgzf(text: &[u8], block: usize) -> Vec<u8> {
        let mut writer = BgzfWriter::new(Vec::new());
        for piece in text.chunks(block) {
            writer.write_all(piece).unwrap();
            writer.flush().unwrap();
        }
        writer.finish().unwrap()
    }

    fn fetch(genome: &mut IndexedFasta, region: &str) -> String {
        match genome.fetch(&region.parse().unwrap()) {
            Ok(seq) => String::from_utf8(seq).unwrap(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn regions_of_plain_and_bgzf_files() {
        let dir = tempfile::tempdir().unwrap();
        let text = b">chr1 x\nACGTac\ngtNNAC\nTT\n>empty\n>chr2\r\nACG\r\nTTT\r\nG\r\n";
        for (name, file) in [("x.fa", text.to_vec()), ("x.fa.gz", bgzf(text, 7))] {
            let path = dir.path().join(name);
            fs::write(&path, file).unwrap();
            assert_eq!(IndexedFasta::open(&path, MakeIndex::Never).unwrap_err().kind(), ErrorKind::Index);
            IndexedFasta::open(&path, MakeIndex::IfMissing).unwrap();
            let mut genome = IndexedFasta::open(&path, MakeIndex::Never).unwrap();
            let mut check =
                |region: &str, expected: &str| assert_eq!(fetch(&mut genome, region), expected, "{name} {region}");
            check("chr1", "ACGTacgtNNACTT");
            check("chr2", "ACGTTTG");
            check("chr2:3-4", "GT");
            check("chr2:7", "G");
            check("empty", "");
            check("chr1:6-6", "c");
            check("chr1:13-14", "TT");
            check("chr1:15-", "");
            let display = path.display();
            check(
                "chr1:13-15",
                &format!(
                    "{display}: the region reaches behind the end of the sequence: expected at most 14, found \"chr1:13-15\""
                ),
            );
            check("chr3", &format!("{display}: no sequence has this name: found \"chr3\""));
            let record = genome.fetch_record(&genome.region("chr1:2-3").unwrap()).unwrap();
            assert_eq!(record, SeqRecord::new("chr1:2-3", b"CG"));
        }
    }

    #[test]
    fn noodles_makes_the_same_index() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.fa");
        fs::write(&path, ">a x\nACGTAC\nGTNNAC\nTT\n>b\r\nACG\r\nTTT\r\nG\r\n>c\nACGT\n").unwrap();
        let theirs = noodles_fasta::fs::index(&path).unwrap();
        noodles_fasta::fai::fs::write(beside(&path, ".fai"), &theirs).unwrap();
        let read = IndexedFasta::open(&path, MakeIndex::Never).unwrap();
        let built = Fai::build("x", BufReader::new(File::open(&path).unwrap())).unwrap();
        assert_eq!(*read.index(), built);
    }

    #[test]
    fn what_cannot_be_read_from_the_middle_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.fa.gz");
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gzip.write_all(b">a\nACGT\n").unwrap();
        fs::write(&path, gzip.finish().unwrap()).unwrap();
        let error = IndexedFasta::open(&path, MakeIndex::IfMissing).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().ends_with("pack it again with bgzip, found gzip"), "{error}");
        assert_eq!(IndexedFasta::open("-", MakeIndex::Never).unwrap_err().kind(), ErrorKind::Unsupported);

        let whole = bgzf(b">a\nACGT\n", 100);
        fs::write(&path, &whole[..whole.len() - 28]).unwrap();
        assert!(IndexedFasta::open(&path, MakeIndex::IfMissing).unwrap_err().is_truncated());
        let lenient = IndexOptions { make: MakeIndex::IfMissing, mode: Mode::Lenient, ..IndexOptions::default() };
        let mut genome = IndexedFasta::open_with(&path, lenient).unwrap();
        assert_eq!(fetch(&mut genome, "a:2-3"), "CG");
    }

    #[test]
    fn an_older_index_is_stale() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.fa");
        fs::write(&path, ">a\nACGT\n").unwrap();
        IndexedFasta::open(&path, MakeIndex::IfMissing).unwrap();
        let later = SystemTime::now() + Duration::from_secs(100);
        File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
        let error = IndexedFasta::open(&path, MakeIndex::IfMissing).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Index);
        let text = error.to_string();
        assert!(text.contains("x.fa.fai: stale index: it is older than") && text.contains("x.fa:"), "{text}");
        let open = |make, mode| IndexedFasta::open_with(&path, IndexOptions { make, mode, ..IndexOptions::default() });
        assert!(open(MakeIndex::Never, Mode::Lenient).is_ok());
        assert!(open(MakeIndex::IfMissingOrOlder, Mode::Strict).is_ok());
    }

    #[test]
    fn an_index_of_another_file_is_stale() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.fa");
        let text = ">a\nACGT\nACGT\nAC\n>b\nACGT\n";
        fs::write(&path, text).unwrap();
        IndexedFasta::open(&path, MakeIndex::IfMissing).unwrap();
        let index = fs::read(dir.path().join("x.fa.fai")).unwrap();
        let check = |other: &str, region: &str| {
            fs::write(&path, other).unwrap();
            fs::write(dir.path().join("x.fa.fai"), &index).unwrap();
            let outcome =
                IndexedFasta::open(&path, MakeIndex::Never).and_then(|mut g| g.fetch(&region.parse().unwrap()));
            let error = outcome.expect_err(other);
            assert_eq!(error.kind(), ErrorKind::Index, "{other}");
            assert!(error.to_string().contains("stale index"), "{error}");
        };
        check(">a\nACGT\nACGT\nAC\n>b\nACG\n", "b");
        check(">a\nACGT\nACGT\nAC\n>b\nACGTA\n", "b");
        check(">a\nACGT\nACGT\nAC\n>b\nACGT\n>c\nA\n", "b");
        check(">a\nACGT\nACGT\nAC\n>c\nACGT\n", "b");
        check(">a\nACGT\nACGT\nA\n>b\nACGTA\n", "a");
        check(">a\nACGTACG\nT\nAC\n>b\nACGT\n", "a");
        check(">a\nACG\nACGTA\nC\n>b\nACGT\n", "a:1-4");
        check(">a\nAC\n", "a");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_region_is_a_slice_of_the_record(
            records in proptest::collection::vec(("[ACGTNacgtn]{0,200}", 1usize..70, any::<bool>()), 1..5),
            blank in any::<bool>(),
            block in 1usize..300,
            places in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..30),
        ) {
            let mut text = Vec::new();
            for (i, (seq, width, crlf)) in records.iter().enumerate() {
                let end = if *crlf { "\r\n" } else { "\n" };
                text.extend(format!(">s{i} some words{end}").bytes());
                for line in seq.as_bytes().chunks(*width) {
                    text.extend(line);
                    text.extend(end.bytes());
                }
                if blank {
                    text.push(b'\n');
                }
            }
            let dir = tempfile::tempdir().unwrap();
            for (name, file) in [("x.fa", text.clone()), ("x.fa.bgz", bgzf(&text, block))] {
                let path = dir.path().join(name);
                fs::write(&path, file).unwrap();
                let mut genome = IndexedFasta::open(&path, MakeIndex::IfMissing).unwrap();
                for (record, a, b) in &places {
                    let i = record.index(records.len());
                    let seq = records[i].0.as_bytes();
                    let (a, b) = (a.index(seq.len() + 1), b.index(seq.len() + 1));
                    let (start, end) = (a.min(b), a.max(b));
                    let region = Region::new(format!("s{i}"), Span::new(start as u64, end as u64));
                    prop_assert_eq!(genome.fetch(&region).unwrap(), &seq[start..end]);
                }
            }
        }
    }
}
