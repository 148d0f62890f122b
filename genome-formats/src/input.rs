//! Where bytes come from: a file, standard input or memory, plain or gzip.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;

use crate::error::{Error, ErrorKind, Result, quote};

/// Bytes looked at to recognise compression and format.
const HEAD: usize = 4096;
const BUFFER: usize = 128 * 1024;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const BOM: &[u8] = b"\xef\xbb\xbf";

/// What an [`Input`] holds, recognised by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// `>name` lines and sequence lines.
    Fasta,
    /// Records of an `@name` line, sequence, `+` and quality.
    Fastq,
    /// GenBank flat file, records from `LOCUS` to `//`.
    Genbank,
    /// Comma-separated table whose header has a column `sequence`.
    Csv,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fasta => "FASTA",
            Self::Fastq => "FASTQ",
            Self::Genbank => "GenBank",
            Self::Csv => "CSV",
        })
    }
}

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
        }
    }
}

/// How far a compressed file was read, in bytes as they lie on the disk.
#[derive(Debug, Clone, Default)]
pub(crate) struct FilePosition(Arc<AtomicU64>);

impl FilePosition {
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn add(&self, n: usize) {
        self.0.fetch_add(n as u64, Ordering::Relaxed);
    }
}

/// Counts the bytes that a decompressor takes.
struct Counted<R>(R, FilePosition);

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.0.read(buf)?;
        self.1.add(n);
        Ok(n)
    }
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.0.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.1.add(amount);
        self.0.consume(amount);
    }
}

/// A named source of bytes: decompressed, without the byte order mark, and with its format recognised.
///
/// gzip is recognised by its first bytes, whatever the name says; files of several members (BGZF among them) are read
/// to their end. Other compressions are refused by name.
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
    file: Option<FilePosition>,
    reader: Box<dyn BufRead + Send>,
}

impl Input {
    /// Opens a file; `-` is standard input.
    ///
    /// # Errors
    ///
    /// The file cannot be opened, is no text, or is a broken gzip file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        if path.as_os_str() == "-" {
            return Self::from_reader("<stdin>", BufReader::with_capacity(BUFFER, io::stdin()));
        }
        let name = path.display().to_string();
        match File::open(path) {
            Ok(file) => Self::from_reader(name, BufReader::with_capacity(BUFFER, file)),
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
    pub fn from_reader(name: impl Into<String>, mut reader: impl BufRead + Send + 'static) -> Result<Self> {
        let name = name.into();
        let head = read_head(&mut reader).map_err(|e| Error::from_io(&name, e))?;
        let gzip = head.starts_with(&GZIP_MAGIC);
        let raw = Cursor::new(head.clone()).chain(reader);
        let file = gzip.then(FilePosition::default);
        let (mut head, reader): (_, Box<dyn BufRead + Send>) = if let Some(file) = &file {
            let decoder = GzipReader(MultiGzDecoder::new(Counted(raw, file.clone())));
            let mut text = BufReader::with_capacity(BUFFER, decoder);
            let head = read_head(&mut text).map_err(|e| Error::from_io(&name, e))?;
            (head.clone(), Box::new(Cursor::new(head).chain(text)))
        } else {
            (head, Box::new(raw))
        };
        refuse_binary(&name, &head)?;

        let mut input = Self { name, start_byte: 0, file, reader, head: Vec::new() };
        if head.starts_with(BOM) {
            head.drain(..BOM.len());
            let mut bom = [0; BOM.len()];
            input.reader.read_exact(&mut bom).map_err(|e| Error::from_io(&input.name, e))?;
            input.start_byte = BOM.len() as u64;
        }
        input.head = head;
        Ok(input)
    }

    /// The name that errors give: the path, or `<stdin>`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The format: by content first, by the ending of the name where the content does not say.
    ///
    /// # Errors
    ///
    /// The input is empty, or neither its content nor its name is known.
    pub fn format(&self) -> Result<Format> {
        let text = self.head.trim_ascii_start();
        if text.is_empty() && self.head.len() < HEAD {
            return Err(Error::new(ErrorKind::Empty, &self.name, "the file is empty"));
        }
        if let Some(format) = format_by_content(text) {
            return Ok(format);
        }
        if let Some(format) = format_by_name(&self.name) {
            return Ok(format);
        }
        let line = text.split(|&b| b == b'\n').next().unwrap_or_default().trim_ascii_end();
        Err(Error::new(ErrorKind::Syntax, &self.name, "unknown format")
            .expecting("FASTA (>), FASTQ (@ and +), GenBank (LOCUS) or a CSV header with the column sequence")
            .finding(quote(line))
            .with_snippet(line))
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
        (&mut self.reader)
            .take(most)
            .read_to_end(&mut bytes)
            .map_err(|e| Error::from_io(&self.name, e).at_byte(self.start_byte + bytes.len() as u64))?;
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

/// A gzip decoder whose errors say that the compression is at fault.
struct GzipReader<R>(MultiGzDecoder<R>);

impl<R: BufRead> Read for GzipReader<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                io::Error::new(io::ErrorKind::UnexpectedEof, "truncated gzip file: it ends inside a compressed stream")
            }
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
                io::Error::new(io::ErrorKind::InvalidData, format!("corrupt gzip data ({error})"))
            }
            _ => error,
        })
    }
}

/// Reads up to [`HEAD`] bytes, fewer only at the end of the input.
fn read_head(reader: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    reader.take(HEAD as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// Refuses, by name, what is surely not text.
fn refuse_binary(name: &str, head: &[u8]) -> Result<()> {
    const KINDS: [(&[u8], &str); 8] = [
        (b"BZh", "bzip2 data"),
        (b"\x28\xb5\x2f\xfd", "Zstandard data"),
        (b"\xfd7zXZ\0", "xz data"),
        (b"PK\x03\x04", "a zip archive"),
        (b"\x1f\x8b", "gzip data inside gzip data"),
        (b"BAM\x01", "a BAM file"),
        (b"\xff\xfe", "UTF-16 text"),
        (b"\xfe\xff", "UTF-16 text"),
    ];
    match KINDS.iter().find(|(magic, _)| head.starts_with(magic)) {
        Some((_, kind)) => Err(Error::new(ErrorKind::Syntax, name, "unsupported encoding")
            .expecting("plain or gzip text")
            .finding(*kind)),
        None => Ok(()),
    }
}

fn format_by_content(text: &[u8]) -> Option<Format> {
    if text.starts_with(b">") {
        return Some(Format::Fasta);
    }
    let mut lines = text.split(|&b| b == b'\n');
    if text.starts_with(b"@") && lines.clone().skip(2).any(|line| line.starts_with(b"+")) {
        return Some(Format::Fastq);
    }
    let header = lines.next().unwrap_or_default();
    if starts_locus(header) {
        return Some(Format::Genbank);
    }
    let mut columns = header.split(|&b| b == b',');
    if columns.any(|c| c.trim_ascii().trim_quotes() == b"sequence") {
        return Some(Format::Csv);
    }
    // NCBI's release files have some lines of prose in front of the first record.
    lines.any(starts_locus).then_some(Format::Genbank)
}

fn starts_locus(line: &[u8]) -> bool {
    line.strip_prefix(b"LOCUS").is_some_and(|rest| rest.first().is_none_or(u8::is_ascii_whitespace))
}

fn format_by_name(name: &str) -> Option<Format> {
    let name = name.to_ascii_lowercase();
    let name = [".gz", ".bgz"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
    match Path::new(name).extension()?.to_str()? {
        "fa" | "fasta" | "fna" | "ffn" | "faa" | "frn" | "fas" => Some(Format::Fasta),
        "fq" | "fastq" => Some(Format::Fastq),
        "gb" | "gbk" | "gbff" | "genbank" => Some(Format::Genbank),
        "csv" => Some(Format::Csv),
        _ => None,
    }
}

trait TrimQuotes {
    fn trim_quotes(&self) -> &[u8];
}

impl TrimQuotes for [u8] {
    fn trim_quotes(&self) -> &[u8] {
        self.strip_prefix(b"\"").and_then(|s| s.strip_suffix(b"\"")).unwrap_or(self)
    }
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
        check("x.txt", b"hello", None);
        check("x", b"LOCUSTS are insects", None);
        check("x.fa", b"", None);
        check("x.fa", b" \r\n\r\n", None);
    }

    #[test]
    fn unknown_formats_and_encodings_are_told() {
        let error = Input::from_bytes("x.txt", b"hello\nworld").unwrap().format().unwrap_err();
        assert!(error.to_string().ends_with("found \"hello\""), "{error}");
        let error = Input::from_bytes("x.fa.bz2", b"BZh9").unwrap_err();
        assert!(error.to_string().ends_with("found bzip2 data"), "{error}");
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
