//! Where bytes come from: a file, standard input or memory, plain or compressed.

mod decompress;
mod detect;

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::error::{Error, ErrorKind, Result, quote};
use crate::guard::Mode;

use decompress::Decompressed;
pub use detect::{Compression, Format};

/// Bytes looked at to recognise compression and format.
const HEAD: usize = 4096;
const BUFFER: usize = 128 * 1024;
const BOM: &[u8] = b"\xef\xbb\xbf";

/// How much a reader keeps in memory before it refuses. Memory grows with the bytes that were read,
/// never with a length that a file declares.
///
/// ```
/// use genome_formats::{FastaReader, Limits};
///
/// let small = Limits { max_record: 10, ..Limits::default() };
/// let mut reader = FastaReader::new("x.fa", &b">a\nACGTACGTACGT\n"[..]).with_limits(small);
/// assert!(reader.next().unwrap().unwrap_err().to_string().contains("larger than 10 bytes"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one line, its line end included. Default 16 MiB. Sequence lines of FASTA may be longer (whole chromosomes
    /// come on one line); they count as records.
    pub max_line: u64,
    /// Bytes of one record. Default 4 GiB; a few giant genomes (lungfish) have larger chromosomes and need more.
    pub max_record: u64,
    /// Bytes of a header (SAM, VCF, BAM, ...). Default 32 MiB.
    pub max_header: u64,
    /// Bytes of a table that is read as a whole. Default 4 GiB.
    pub max_table: u64,
    /// Records of one file. Without a limit by default.
    pub max_records: u64,
    /// Decompressed bytes for each compressed byte, once more than 64 MiB came out. Default 500.
    pub max_inflate_ratio: u64,
    /// Bytes that Zstandard or xz may keep to copy from. Default 32 MiB, which every ordinary level stays below; files made
    /// with `xz -9` need 64 MiB, with `zstd --ultra -22` or `--long` 128 MiB.
    pub max_window: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_line: 16 << 20,
            max_record: 4 << 30,
            max_header: 32 << 20,
            max_table: 4 << 30,
            max_records: u64::MAX,
            max_inflate_ratio: 500,
            max_window: 32 << 20,
        }
    }
}

/// How far a compressed file was read, in bytes as they lie on the disk; and, through the same handle, how a reader tells the
/// decompressor below it to be lenient.
#[derive(Debug, Clone, Default)]
pub(crate) struct FilePosition(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    taken: AtomicU64,
    lenient: AtomicBool,
    end_forgiven: AtomicBool,
}

impl FilePosition {
    pub(crate) fn get(&self) -> u64 {
        self.0.taken.load(Ordering::Relaxed)
    }

    fn add(&self, n: usize) {
        self.0.taken.fetch_add(n as u64, Ordering::Relaxed);
    }

    /// Lenient: a BGZF file may lack its end marker.
    pub(crate) fn set_mode(&self, mode: Mode) {
        self.0.lenient.store(mode == Mode::Lenient, Ordering::Relaxed);
    }

    fn is_lenient(&self) -> bool {
        self.0.lenient.load(Ordering::Relaxed)
    }

    fn forgive_end(&self) {
        self.0.end_forgiven.store(true, Ordering::Relaxed);
    }

    /// Whether a BGZF file without its end marker was read to its end.
    pub(crate) fn end_was_forgiven(&self) -> bool {
        self.0.end_forgiven.load(Ordering::Relaxed)
    }
}

/// How an [`Input`] is opened.
///
/// ```
/// use genome_formats::{Input, InputOptions, Limits, Mode};
///
/// let limits = Limits { max_window: 128 << 20, ..Limits::default() };
/// let options = InputOptions { limits, mode: Mode::Lenient };
/// assert!(Input::open_with("no/such/file.fa.xz", options).is_err());
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InputOptions {
    /// What a compressed file may become: [`Limits::max_inflate_ratio`] and [`Limits::max_window`].
    pub limits: Limits,
    /// Whether a BGZF file must have its end marker.
    pub mode: Mode,
}

/// A named source of bytes: decompressed, without the byte order mark, and with its format recognised.
///
/// gzip, BGZF, Zstandard, bzip2 and xz are recognised by their first bytes, whatever the name says; files of several
/// members, frames or streams are read to their end. A BGZF file must have its end marker unless the mode is
/// [`Mode::Lenient`]: without it, it may have been cut where one block ends and the next begins. BAM and BCF lie in BGZF, so
/// their decompressed bytes come out. A zip archive, UTF-16 text, gzip inside gzip and the like are refused by name.
///
/// ```
/// use genome_formats::{Format, Input};
///
/// let input = Input::from_bytes("promoters.fa", b">p1\nTATAAT\n")?;
/// assert_eq!(input.format()?, Format::Fasta);
/// # Ok::<(), genome_formats::Error>(())
/// ```
pub struct Input {
    name: String,
    head: Vec<u8>,
    start_byte: u64,
    compression: Compression,
    file: Option<FilePosition>,
    reader: Box<dyn BufRead + Send>,
}

impl Input {
    /// Opens a file; `-` is standard input.
    ///
    /// # Errors
    ///
    /// The file cannot be opened, holds something that is refused by name, or is a broken compressed file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(path, InputOptions::default())
    }

    /// Opens a file; `-` is standard input.
    ///
    /// # Errors
    ///
    /// As [`Input::open`].
    pub fn open_with(path: impl AsRef<Path>, options: InputOptions) -> Result<Self> {
        let path = path.as_ref();
        if path.as_os_str() == "-" {
            return Self::from_reader_with("<stdin>", BufReader::with_capacity(BUFFER, io::stdin()), options);
        }
        let name = path.display().to_string();
        match File::open(path) {
            Ok(file) => Self::from_reader_with(name, BufReader::with_capacity(BUFFER, file), options),
            Err(error) => Err(Error::from_io(name, error)),
        }
    }

    /// Bytes in memory, for example from `include_bytes!`. `name` stands in errors, and its ending may tell the format.
    ///
    /// # Errors
    ///
    /// As [`Input::open`].
    pub fn from_bytes(name: impl Into<String>, bytes: impl AsRef<[u8]> + Send + 'static) -> Result<Self> {
        Self::from_reader(name, Cursor::new(bytes))
    }

    /// Any reader. `name` stands in errors, and its ending may tell the format.
    ///
    /// # Errors
    ///
    /// As [`Input::open`].
    pub fn from_reader(name: impl Into<String>, reader: impl BufRead + Send + 'static) -> Result<Self> {
        Self::from_reader_with(name, reader, InputOptions::default())
    }

    /// Any reader. `name` stands in errors, and its ending may tell the format.
    ///
    /// # Errors
    ///
    /// As [`Input::open`].
    pub fn from_reader_with(
        name: impl Into<String>,
        mut reader: impl BufRead + Send + 'static,
        options: InputOptions,
    ) -> Result<Self> {
        let name = name.into();
        let (head, error) = read_head(&mut reader);
        if let Some(error) = error {
            return Err(Error::from_io(name, error));
        }
        let compression = Compression::detect(&head);
        let raw = Cursor::new(head.clone()).chain(reader);
        let file = (compression != Compression::Plain).then(FilePosition::default);
        let (mut head, reader): (_, Box<dyn BufRead + Send>) = if let Some(file) = &file {
            file.set_mode(options.mode);
            let mut bytes = Decompressed::new(compression, raw, file.clone(), options.limits);
            let (head, error) = read_head(&mut bytes);
            // A decompressor that failed gives its error again: it comes behind the bytes that are sound.
            if let Some(error) = error.filter(|_| head.is_empty()) {
                return Err(Error::from_io(name, error).at_byte(0).at_file_byte(file.get()));
            }
            (head.clone(), Box::new(Cursor::new(head).chain(BufReader::with_capacity(BUFFER, bytes))))
        } else {
            (head, Box::new(raw))
        };
        refuse_foreign(&name, &head, compression)?;

        let mut input = Self { name, start_byte: 0, compression, file, reader, head: Vec::new() };
        if head.starts_with(BOM) {
            head.drain(..BOM.len());
            let mut bom = [0; BOM.len()];
            input.reader.read_exact(&mut bom).map_err(|e| Error::from_io(&input.name, e))?;
            input.start_byte = BOM.len() as u64;
        }
        input.head = head;
        Ok(input)
    }

    /// Chooses whether a BGZF file must have its end marker.
    pub fn with_mode(self, mode: Mode) -> Self {
        if let Some(file) = &self.file {
            file.set_mode(mode);
        }
        self
    }

    /// The name that errors give: the path, or `<stdin>`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The compression that was recognised, and taken off.
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// The format: by content first, by the ending of the name where the content does not say. Only the first 4096
    /// decompressed bytes are looked at.
    ///
    /// # Errors
    ///
    /// The input is empty, or neither its content nor its name is known.
    pub fn format(&self) -> Result<Format> {
        let whole = self.head.len() + BOM.len() < HEAD;
        if whole && self.head.trim_ascii_start().is_empty() {
            return Err(Error::new(ErrorKind::Empty, &self.name, "the file is empty"));
        }
        let format = detect::format_by_content(&self.head, whole, &self.name).or_else(|| Format::from_name(&self.name));
        format.ok_or_else(|| {
            let line = self.head.trim_ascii_start().split(|&b| b == b'\n').next().unwrap_or_default().trim_ascii_end();
            Error::new(ErrorKind::Syntax, &self.name, "unknown format")
                .expecting("a genome format (FASTA, FASTQ, GenBank, EMBL, SAM, BAM, CRAM, VCF, BCF, GFF, GTF, BED, WIG, bedGraph, bigWig) or a CSV header with the column sequence")
                .finding(quote(line))
                .with_snippet(line)
        })
    }

    /// Whether a BGZF file without its end marker was read to its end, as [`Mode::Lenient`] allows.
    pub fn forgave_missing_end(&self) -> bool {
        self.file.as_ref().is_some_and(FilePosition::end_was_forgiven)
    }

    /// Bytes of the file in front of the first byte that reading gives: 3 behind a byte order mark, else 0.
    pub fn start_byte(&self) -> u64 {
        self.start_byte
    }

    /// How far the file was read, where it is compressed.
    pub(crate) fn file_position(&self) -> Option<FilePosition> {
        self.file.clone()
    }

    /// Reads everything, up to `limits.max_table` bytes.
    pub(crate) fn read_all(mut self, limits: Limits) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let most = limits.max_table.saturating_add(1);
        (&mut self.reader).take(most).read_to_end(&mut bytes).map_err(|e| {
            let error = Error::from_io(&self.name, e).at_byte(self.start_byte + bytes.len() as u64);
            match &self.file {
                Some(file) => error.at_file_byte(file.get()),
                None => error,
            }
        })?;
        if bytes.len() as u64 > limits.max_table {
            let problem = format!("the table is larger than {} bytes", limits.max_table);
            return Err(Error::new(ErrorKind::Limit, &self.name, problem));
        }
        Ok(bytes)
    }
}

impl Read for Input {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buf)
    }
}

impl BufRead for Input {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.reader.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.reader.consume(amount);
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Reads up to [`HEAD`] bytes, fewer only at the end of the input or in front of an error.
fn read_head(reader: &mut impl Read) -> (Vec<u8>, Option<io::Error>) {
    let mut head = Vec::new();
    let outcome = reader.take(HEAD as u64).read_to_end(&mut head);
    (head, outcome.err())
}

/// Refuses, by name, what is surely nothing that this crate reads.
fn refuse_foreign(name: &str, head: &[u8], compression: Compression) -> Result<()> {
    let nested = || match (compression, Compression::detect(head)) {
        (Compression::Plain, _) | (_, Compression::Plain) => None,
        (_, inner) => Some(match inner {
            Compression::Gzip | Compression::Bgzf => "gzip data",
            Compression::Zstd => "Zstandard data",
            Compression::Bzip2 => "bzip2 data",
            Compression::Xz | Compression::Plain => "xz data",
        }),
    };
    let found = match (detect::foreign(head), nested()) {
        (Some(kind), _) => kind.to_owned(),
        (None, Some(inner)) => format!("{inner} inside {compression} data"),
        (None, None) => return Ok(()),
    };
    Err(Error::new(ErrorKind::Unsupported, name, "unsupported encoding")
        .expecting("a genome format, plain or in gzip, BGZF, Zstandard, bzip2 or xz")
        .finding(found))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn text(bytes: Vec<u8>) -> Result<Vec<u8>> {
        Input::from_bytes("x", bytes)?.read_all(Limits::default())
    }

    #[test]
    fn plain_gzip_and_several_members_give_the_same() {
        assert_eq!(text(b">a\nAC\n".to_vec()).unwrap(), b">a\nAC\n");
        assert_eq!(text(gzip(b">a\nAC\n")).unwrap(), b">a\nAC\n");
        let two = [gzip(b">a\n"), gzip(b""), gzip(b"AC\n")].concat();
        assert_eq!(text(two).unwrap(), b">a\nAC\n");
    }

    #[test]
    fn every_cut_of_a_gzip_file_is_truncated() {
        let whole = gzip(&b"ACGT".repeat(50));
        for cut in 2..whole.len() {
            let error = text(whole[..cut].to_vec()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Truncated, "cut at {cut}: {error}");
            assert!(error.to_string().starts_with("x: "), "{error}");
        }
    }

    #[test]
    fn corrupt_gzip_is_told() {
        let mut bytes = gzip(&b"ACGT".repeat(50));
        let last = bytes.len() - 6; // in the checksum
        bytes[last] ^= 0xff;
        let error = text(bytes).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Syntax);
        assert!(error.to_string().contains("corrupt gzip data"), "{error}");
    }

    #[test]
    fn one_byte_order_mark_is_stripped() {
        let input = Input::from_bytes("x", b"\xef\xbb\xbf\xef\xbb\xbf>a").unwrap();
        assert_eq!(input.start_byte(), 3);
        assert_eq!(input.read_all(Limits::default()).unwrap(), b"\xef\xbb\xbf>a");
        assert_eq!(text(gzip(b"\xef\xbb\xbf>a")).unwrap(), b">a");
    }

    #[test]
    fn format_by_content_beats_the_name() {
        let check = |name: &str, bytes: &'static [u8], expected: Option<Format>| {
            let format = Input::from_bytes(name, bytes).and_then(|i| i.format());
            assert_eq!(format.as_ref().ok(), expected.as_ref(), "{name}: {format:?}");
        };
        check("x.csv", b">a\nAC\n", Some(Format::Fasta));
        check("x.csv", b"\n\n >a\nAC\n", Some(Format::Fasta));
        check("x.fa", b"LOCUS       X 4 bp", Some(Format::Genbank));
        check("x.fa", b"prose\nmore\nLOCUS       X 4 bp", Some(Format::Genbank));
        check("x.fa", b"id,\"sequence\"\r\na,ACGT", Some(Format::Csv));
        check("x.fa", b"hello", Some(Format::Fasta));
        check("dir.fa/x.GBK.gz", b"hello", Some(Format::Genbank));
        check("x.csv", b"seq,label\n", Some(Format::Csv));
        check("x.bam", b">a\nAC\n", Some(Format::Fasta));
        check("x.txt", b"hello", None);
        check("x", b"LOCUSTS are insects", None);
        check("x.fa", b"", None);
        check("x.fa", b" \r\n\r\n", None);
    }

    #[test]
    fn unknown_formats_and_encodings_are_told() {
        let error = Input::from_bytes("x.txt", b"hello\nworld").unwrap().format().unwrap_err();
        assert!(error.to_string().ends_with("found \"hello\""), "{error}");
        let error = Input::from_bytes("x.fa.zip", b"PK\x03\x04").unwrap_err();
        assert!(error.to_string().ends_with("found a zip archive"), "{error}");
        let error = Input::from_bytes("x.fa.gz", gzip(&gzip(b">a\n"))).unwrap_err();
        assert!(error.to_string().ends_with("found gzip data inside gzip data"), "{error}");
        let error = Input::from_bytes("x.fa", b"\xff\xfe>\0a\0").unwrap_err();
        assert!(error.to_string().ends_with("found UTF-16 text"), "{error}");
    }

    #[test]
    fn a_missing_file_names_its_path() {
        let error = Input::open("no/such/file.fa").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(error.to_string().starts_with("no/such/file.fa: "), "{error}");
        assert!(std::error::Error::source(&error).is_some());
    }

    #[test]
    fn a_table_over_the_limit_is_refused() {
        let limits = Limits { max_table: 3, ..Limits::default() };
        let input = |bytes: &'static [u8]| Input::from_bytes("x.csv", bytes).unwrap();
        assert!(input(b"abc").read_all(limits).is_ok());
        assert_eq!(input(b"abcd").read_all(limits).unwrap_err().kind(), ErrorKind::Limit);
    }
}
