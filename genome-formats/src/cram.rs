//! CRAM, read only: alignments as differences to a reference, in compressed columns.
//!
//! After "CRAM format specification" (version 3.0 and 3.1). The columns are decoded by noodles.
//!
//! - Coordinates count from 1 in the file; here from 0, as everywhere.
//! - A reference is needed unless the file embeds it: see [`CramReference`].
//! - Records come slice by slice (10,000 reads in most files): there is no view in place.
//!
//! What is bounded: containers and blocks are read by the bytes that arrive; the sizes that blocks declare are held against
//! [`Limits::max_record`] and [`Limits::max_inflate_ratio`], and against what their codec declares; slices have 200,000 records
//! at most. What is not: lengths inside of columns (nested streams of a codec, lengths of single values) are the decoder's
//! business; a crafted file may make it use some hundred bytes for each declared record, and some kilobytes for each name in
//! a block of tokenised names. Where the decoder panics on a damaged file, the panic is caught and told as an error.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use md5::{Digest, Md5};
use noodles_cram::io::reader::{Builder as NoodlesBuilder, Container};
use noodles_fasta::repository::Adapter;
use noodles_fasta::{self as noodles_fa};
use noodles_sam::alignment::Record as _;
use noodles_sam::alignment::record::cigar::op::Kind;
use noodles_sam::alignment::record::data::field::Value;
use noodles_sam::alignment::record::data::field::value::Array;

use crate::error::{Error, ErrorKind, Result, count, quote};
use crate::fasta::{FastaReader, Letters};
use crate::guard::{Forgiven, Guard, Mode};
use crate::input::{Input, Limits};
use crate::record::SeqRecord;
use crate::sam::cigar::{CigarKind, CigarOp};
use crate::sam::flags::Flags;
use crate::sam::header::{HeaderKind, Problem, SamHeader};
use crate::sam::reader::new_guard;
use crate::sam::record::Alignment;
use crate::sam::tags::{Seen, TagArray, TagValue, decode_hex};
use crate::sam::writer::check_alignment;

/// Records of one slice: twice what the largest common setting of writers makes.
const MAX_SLICE_RECORDS: u64 = 200_000;
/// Decompressed bytes of a container that are always allowed.
const FREE_INFLATION: u64 = 64 << 20;
/// Bytes of a container's header or of a slice's header.
const MAX_CONTAINER_HEADER: usize = 1 << 20;

/// The sequences that a CRAM file was compressed against. Case does not matter.
///
/// A wrong reference gives wrong reads without any other sign. So each sequence is held against length and MD5 sum (`M5`) of
/// its `@SQ` line when it is first needed; without an `M5` only the length can tell.
#[derive(Clone)]
pub struct CramReference(Arc<Source>);

enum Source {
    Memory(HashMap<Vec<u8>, Vec<u8>>),
    /// Sequences are read when they are needed.
    Indexed(Mutex<Box<dyn Adapter>>),
}

impl CramReference {
    /// No sequences: for files of unmapped reads, and files that embed their reference.
    pub fn none() -> Self {
        Self::from_records([])
    }

    /// Sequences in memory, found by their names.
    pub fn from_records(records: impl IntoIterator<Item = SeqRecord>) -> Self {
        let records = records.into_iter().map(|record| (record.name.into_bytes(), record.seq)).collect();
        Self(Arc::new(Source::Memory(records)))
    }

    /// A FASTA file. With an index beside it (`genome.fa.fai`, of plain FASTA), sequences are read when they are needed;
    /// without one, the whole file is read into memory now.
    ///
    /// # Errors
    ///
    /// The file or its index cannot be read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let index = Path::new(&format!("{name}.fai")).is_file();
        if index && !name.ends_with(".gz") {
            let reader = noodles_fa::io::indexed_reader::Builder::default().build_from_path(path);
            let reader = reader.map_err(|error| Error::from_io(&name, error))?;
            let adapter = noodles_fa::repository::adapters::IndexedReader::new(reader);
            return Ok(Self(Arc::new(Source::Indexed(Mutex::new(Box::new(adapter))))));
        }
        let records =
            FastaReader::from_input(Input::open(path)?).with_letters(Letters::Any).collect::<Result<Vec<_>>>()?;
        Ok(Self::from_records(records))
    }

    fn get(&self, name: &[u8]) -> io::Result<Option<Vec<u8>>> {
        match &*self.0 {
            Source::Memory(records) => Ok(records.get(name).cloned()),
            Source::Indexed(adapter) => {
                let record = adapter.lock().unwrap_or_else(PoisonError::into_inner).get(name).transpose();
                match record {
                    Ok(record) => Ok(record.map(|record| record.sequence().as_ref().to_vec())),
                    Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(None), // not in the index
                    Err(error) => Err(error),
                }
            }
        }
    }
}

impl std::fmt::Debug for CramReference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &*self.0 {
            Source::Memory(records) => write!(f, "CramReference({} sequences in memory)", records.len()),
            Source::Indexed(_) => f.write_str("CramReference(an indexed file)"),
        }
    }
}

/// Gives the decoder sequences that fit the header, in upper case.
struct Checked {
    reference: CramReference,
    /// Length and MD5 sum of each `@SQ` line.
    expected: HashMap<Vec<u8>, (u64, Option<String>)>,
}

impl Checked {
    fn new(reference: &CramReference, header: &SamHeader) -> Self {
        let lines = header.lines().filter(|line| line.kind() == HeaderKind::Reference);
        let expected = header.references().iter().zip(lines).map(|(reference, line)| {
            (reference.name.as_bytes().to_vec(), (reference.length, line.get("M5").map(str::to_owned)))
        });
        Self { reference: reference.clone(), expected: expected.collect() }
    }

    fn sequence(&self, name: &[u8]) -> io::Result<Vec<u8>> {
        let invalid = |problem: String| io::Error::new(io::ErrorKind::InvalidData, problem);
        let shown = String::from_utf8_lossy(name);
        let Some(mut sequence) = self.reference.get(name)? else {
            // The decoder would panic where a sequence is merely absent.
            return Err(invalid(format!("the reference has no sequence with the name {shown:?}")));
        };
        sequence.make_ascii_uppercase();
        if let Some((length, sum)) = self.expected.get(name) {
            let found = sequence.len() as u64;
            if found != *length {
                return Err(invalid(format!(
                    "the reference sequence {shown:?} has {found} bases, its @SQ line says {length}"
                )));
            }
            let own: String = Md5::digest(&sequence).iter().map(|byte| format!("{byte:02x}")).collect();
            if sum.as_ref().is_some_and(|sum| !sum.eq_ignore_ascii_case(&own)) {
                return Err(invalid(format!(
                    "the reference sequence {shown:?} is another one than M5 of its @SQ line says"
                )));
            }
        }
        Ok(sequence)
    }
}

impl Adapter for Checked {
    fn get(&mut self, name: &[u8]) -> Option<io::Result<noodles_fa::Record>> {
        let definition = noodles_fa::record::Definition::new(name, None);
        Some(self.sequence(name).map(|sequence| noodles_fa::Record::new(definition, sequence.into())))
    }
}

/// Reads CRAM, header first, then alignments one by one. After an error it gives nothing more.
///
/// ```no_run
/// use genome_formats::{CramReader, CramReference};
///
/// let reference = CramReference::open("genome.fa")?;
/// for read in CramReader::open("reads.cram", &reference)? {
///     let read = read?;
///     println!("{:?} {:?}", read.name, read.span());
/// }
/// # Ok::<(), genome_formats::Error>(())
/// ```
pub struct CramReader<R> {
    name: String,
    inner: R,
    position: u64,
    guard: Guard,
    header: SamHeader,
    decoder_header: noodles_sam::Header,
    reference: CramReference,
    repository: noodles_fa::Repository,
    records: VecDeque<Alignment>,
    /// Records of all slices so far, given or not.
    decoded: u64,
    seen: Seen,
    ended: bool,
}

impl CramReader<BufReader<File>> {
    /// Opens a file. Every rule holds.
    ///
    /// # Errors
    ///
    /// The file cannot be opened, is no CRAM of version 3, or its header breaks a rule.
    pub fn open(path: impl AsRef<Path>, reference: &CramReference) -> Result<Self> {
        Self::open_with(path, reference, Mode::Strict, Limits::default())
    }

    /// Opens a file.
    ///
    /// # Errors
    ///
    /// As [`CramReader::open`].
    pub fn open_with(path: impl AsRef<Path>, reference: &CramReference, mode: Mode, limits: Limits) -> Result<Self> {
        let name = path.as_ref().display().to_string();
        let file = File::open(path).map_err(|error| Error::from_io(&name, error))?;
        Self::new_with(name, BufReader::with_capacity(128 * 1024, file), reference, mode, limits)
    }
}

impl<R: Read> CramReader<R> {
    /// Reads CRAM from anywhere; `name` stands in errors. Every rule holds.
    ///
    /// # Errors
    ///
    /// This is no CRAM of version 3, or its header breaks a rule.
    pub fn new(name: impl Into<String>, reader: R, reference: &CramReference) -> Result<Self> {
        Self::new_with(name, reader, reference, Mode::Strict, Limits::default())
    }

    /// Reads CRAM from anywhere.
    ///
    /// # Errors
    ///
    /// As [`CramReader::new`].
    pub fn new_with(
        name: impl Into<String>,
        reader: R,
        reference: &CramReference,
        mode: Mode,
        limits: Limits,
    ) -> Result<Self> {
        let mut this = Self {
            name: name.into(),
            inner: reader,
            position: 0,
            guard: new_guard(mode, limits),
            header: SamHeader::default(),
            decoder_header: noodles_sam::Header::default(),
            reference: reference.clone(),
            repository: noodles_fa::Repository::default(),
            records: VecDeque::new(),
            decoded: 0,
            seen: Seen::default(),
            ended: false,
        };
        this.read_header()?;
        Ok(this)
    }

    /// The header.
    pub fn header(&self) -> &SamHeader {
        &self.header
    }

    /// What was let pass so far.
    pub fn forgiven(&self) -> &Forgiven {
        &self.guard.forgiven
    }

    #[cold]
    fn error(&self, kind: ErrorKind, problem: impl Into<Cow<'static, str>>) -> Error {
        Error::new(kind, &self.name, problem).at_byte(self.position)
    }

    /// Reads up to `length` bytes; memory follows what arrives.
    fn read_up_to(&mut self, length: usize) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let outcome = (&mut self.inner).take(length as u64).read_to_end(&mut bytes);
        self.position += bytes.len() as u64;
        outcome.map_err(|error| Error::from_io(&self.name, error).at_byte(self.position))?;
        Ok(bytes)
    }

    fn read_exact(&mut self, length: usize, what: &str) -> Result<Vec<u8>> {
        let bytes = self.read_up_to(length)?;
        if bytes.len() < length {
            let error = self.error(ErrorKind::Truncated, format!("the file ends inside of {what}"));
            return Err(error.expecting(count(length as u64, "byte")).finding(count(bytes.len() as u64, "byte")));
        }
        Ok(bytes)
    }

    fn read_header(&mut self) -> Result<()> {
        let definition = self.read_up_to(26)?;
        if definition.is_empty() {
            return Err(Error::new(ErrorKind::Empty, &self.name, "the file is empty").expecting("a CRAM file"));
        }
        if !definition.starts_with(b"CRAM") {
            let error =
                self.error(ErrorKind::Syntax, "this is not CRAM").at_byte(0).expecting("the letters CRAM in front");
            return Err(error.finding(quote(&definition[..definition.len().min(4)])));
        }
        if definition.len() < 26 {
            return Err(self
                .error(ErrorKind::Truncated, "the file ends inside of its definition")
                .expecting("26 bytes"));
        }
        if definition[4] != 3 {
            let error =
                self.error(ErrorKind::Unsupported, "a version of CRAM that is not read").expecting("3.0 or 3.1");
            return Err(error.finding(format!("{}.{}", definition[4], definition[5])));
        }
        let Some((_, container)) = self.read_container()? else {
            return Err(self.error(ErrorKind::Truncated, "the file has no header"));
        };
        let mut parser = Bytes(&container.body);
        let block = parser.block().map_err(|problem| self.error(ErrorKind::Syntax, problem))?;
        let most = usize::try_from(self.guard.limits.max_header).unwrap_or(usize::MAX);
        let text = block.small(most).map_err(|problem| self.error(ErrorKind::Syntax, problem))?;
        let text = match text.split_at_checked(4) {
            Some((length, text)) => {
                let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]) as usize;
                text.get(..length)
            }
            None => None,
        };
        let Some(text) = text else {
            return Err(self.error(ErrorKind::Truncated, "the header's text is longer than its block"));
        };
        let mut text = String::from_utf8(text.to_vec()).or_else(|error| {
            let problem = self.error(ErrorKind::Syntax, "the header's text is not UTF-8");
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            self.guard.forgive("header text", problem).map(|()| text)
        })?;
        text.truncate(text.trim_end_matches('\0').len());
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        let (name, guard) = (&self.name, &mut self.guard);
        self.header = SamHeader::build(text, &mut |problem: Problem<'_>| {
            let rule = problem.rule;
            let told = format!("header line {}: {}", problem.number + 1, problem.problem).into();
            let error = Problem { problem: told, ..problem }.error(name);
            match rule {
                Some(rule) => guard.forgive(rule, error),
                None => Err(error),
            }
        })?;
        self.repository = noodles_fa::Repository::new(Checked::new(&self.reference, &self.header));
        self.decoder_header = self.header.text().parse().map_err(|error| {
            self.error(ErrorKind::Unsupported, format!("the decoder does not take the header ({error})"))
        })?;
        Ok(())
    }

    /// The next container, its bytes and its parts, checked; `None` at the end of the file.
    fn read_container(&mut self) -> Result<Option<(Vec<u8>, Parts)>> {
        let mut head = self.read_up_to(4)?;
        if head.is_empty() {
            return Ok(None);
        }
        if head.len() < 4 {
            return Err(self.error(ErrorKind::Truncated, "the file ends inside of a container"));
        }
        let length = i32::from_le_bytes([head[0], head[1], head[2], head[3]]);
        let most = self.guard.limits.max_record.min(i32::MAX as u64);
        let Some(length) = usize::try_from(length).ok().filter(|n| *n as u64 <= most) else {
            let error =
                self.error(ErrorKind::Limit, "a container of an impossible size").expecting(count(most, "byte"));
            return Err(error.finding(length.to_string()));
        };
        // Seven numbers, the landmarks and a checksum; each tells its own length.
        let mut number = |this: &mut Self, long: bool| -> Result<i64> {
            let first = this.read_exact(1, "a container")?[0];
            let more = if long { first.leading_ones() } else { first.leading_ones().min(4) } as usize;
            head.push(first);
            head.extend(this.read_exact(more, "a container")?);
            Ok(if long { 0 } else { itf8(&head[head.len() - more - 1..]) })
        };
        let reference = number(self, false)?;
        let start = number(self, false)?;
        for long in [false, false, true, true, false] {
            number(self, long)?;
        }
        let landmark_count = number(self, false)?;
        let mut landmarks = Vec::new();
        for _ in 0..landmark_count {
            landmarks.push(number(self, false)?);
            if landmarks.len() > MAX_CONTAINER_HEADER / 8 {
                return Err(self.error(ErrorKind::Limit, "a container with too many slices"));
            }
        }
        head.extend(self.read_exact(4, "a container")?);
        let body = self.read_exact(length, "a container")?;
        // "the end of file marker is a special container"
        let is_end = length == 15 && reference == -1 && start == 4_542_278;
        let parts = Parts { body, landmarks, is_end };
        if !is_end {
            self.check_blocks(&parts)?;
        }
        Ok(Some((head, parts)))
    }

    /// What the decoder would believe: sizes of blocks, and the places and record counts of slices.
    fn check_blocks(&self, parts: &Parts) -> Result<()> {
        let limits = &self.guard.limits;
        let mut last = 0;
        for &landmark in &parts.landmarks {
            if landmark < last || landmark > parts.body.len() as i64 {
                return Err(self
                    .error(ErrorKind::Syntax, "a slice that lies outside of its container")
                    .finding(landmark.to_string()));
            }
            last = landmark;
        }
        let mut total: u64 = 0;
        let mut bytes = Bytes(&parts.body);
        while !bytes.0.is_empty() {
            let block = bytes.block().map_err(|problem| self.error(ErrorKind::Syntax, problem))?;
            block.check().map_err(|problem| self.error(ErrorKind::Syntax, problem))?;
            total += block.raw_size;
            if block.raw_size > limits.max_record
                || (total > FREE_INFLATION && total / (parts.body.len() as u64).max(1) > limits.max_inflate_ratio)
            {
                return Err(self
                    .error(ErrorKind::Limit, "a block that declares too many bytes")
                    .finding(block.raw_size.to_string()));
            }
            if block.content == 2 {
                let header =
                    block.small(MAX_CONTAINER_HEADER).map_err(|problem| self.error(ErrorKind::Syntax, problem))?;
                let mut fields = Bytes(&header);
                let numbers: Option<Vec<i64>> = (0..4).map(|_| fields.itf8()).collect();
                let records = numbers.map_or(-1, |n| n[3]);
                if !(0..=MAX_SLICE_RECORDS as i64).contains(&records) {
                    let error = self.error(ErrorKind::Limit, "a slice of an impossible size");
                    return Err(error.expecting("at most 200000 records").finding(records.to_string()));
                }
            }
        }
        Ok(())
    }

    fn read_record(&mut self) -> Result<Option<Alignment>> {
        loop {
            if let Some(record) = self.records.pop_front() {
                return Ok(Some(record));
            }
            if self.ended {
                return Ok(None);
            }
            let Some((head, parts)) = self.read_container()? else {
                self.ended = true;
                let error = self.error(ErrorKind::Truncated, "the file has no end marker, so it may be cut");
                self.guard.forgive("end marker", error.expecting("the container that ends a file"))?;
                continue;
            };
            if parts.is_end {
                self.ended = true;
                continue;
            }
            self.decode(&[head, parts.body].concat())?;
        }
    }

    fn decode(&mut self, container: &[u8]) -> Result<()> {
        if self.repository.len() > 1 {
            self.repository.clear(); // a sorted file does not come back to a reference
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            decode_container(container, &self.decoder_header, &self.header, &self.repository)
        }));
        let first = self.decoded + 1;
        let place = |error: Error| error.at_byte(self.position);
        let records = match outcome {
            Ok(Ok(records)) => records,
            Ok(Err(error)) => {
                let told = Error::from_io(&self.name, error);
                let kind = match told.kind() {
                    ErrorKind::Truncated => ErrorKind::Syntax, // the container is whole: something in it is too short
                    kind => kind,
                };
                let text = told.to_string();
                let problem = text.strip_prefix(&format!("{}: ", self.name)).unwrap_or(&text);
                let problem = format!("the container of record {first} cannot be decoded: {problem}");
                return Err(place(Error::new(kind, &self.name, problem)));
            }
            Err(_) => {
                let problem = format!("the container of record {first} cannot be decoded: the decoder gave up");
                return Err(place(Error::new(ErrorKind::Syntax, &self.name, problem)));
            }
        };
        for record in &records {
            self.decoded += 1;
            if let Err(broken) = check_alignment(record, &self.header, &mut self.seen) {
                let problem = format!("record {}: {}", self.decoded, broken.problem);
                let error = self.error(ErrorKind::Syntax, problem).finding(broken.found).expecting(broken.expected);
                let error = error.in_record(record.name.as_deref().unwrap_or("*"));
                self.guard.forgive("record", error)?;
            }
        }
        self.records.extend(records);
        Ok(())
    }
}

impl<R: Read> Iterator for CramReader<R> {
    type Item = Result<Alignment>;

    fn next(&mut self) -> Option<Self::Item> {
        let outcome = self.guard.check_failed(&self.name).and_then(|()| self.read_record());
        let outcome = self.guard.note(&self.name, outcome);
        self.guard.item(outcome)
    }
}

impl<R: Read> std::iter::FusedIterator for CramReader<R> {}

impl<R> std::fmt::Debug for CramReader<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CramReader").field("header", &self.header).field("guard", &self.guard).finish_non_exhaustive()
    }
}

/// A container behind its header.
struct Parts {
    body: Vec<u8>,
    landmarks: Vec<i64>,
    is_end: bool,
}

/// A number of one to five bytes, all at hand.
fn itf8(bytes: &[u8]) -> i64 {
    let b = |i: usize| u32::from(bytes[i]);
    let n = match bytes.len() {
        1 => b(0),
        2 => (b(0) & 0x7f) << 8 | b(1),
        3 => (b(0) & 0x3f) << 16 | b(1) << 8 | b(2),
        4 => (b(0) & 0x1f) << 24 | b(1) << 16 | b(2) << 8 | b(3),
        _ => (b(0) & 0x0f) << 28 | b(1) << 20 | b(2) << 12 | b(3) << 4 | b(4) & 0x0f,
    };
    i64::from(n as i32)
}

/// A block as its header declares it, all its bytes at hand.
struct Block<'a> {
    method: u8,
    content: u8,
    raw_size: u64,
    data: &'a [u8],
}

impl Block<'_> {
    /// Whether the codec declares the size that the block does.
    fn check(&self) -> std::result::Result<(), &'static str> {
        let data = self.data;
        let u32_at = |at: usize| data.get(at..at + 4).map(|b| u64::from(u32::from_le_bytes([b[0], b[1], b[2], b[3]])));
        let own_size = match self.method {
            0 => Some(data.len() as u64),
            4 if !data.is_empty() => u32_at(5),
            5 | 6 if data.first().is_some_and(|flags| flags & 0x10 == 0) => uint7(&data[1..]),
            7 => uint7(data),
            8 => {
                if u32_at(4).is_none_or(|names| names > MAX_SLICE_RECORDS) {
                    return Err("a block with too many names");
                }
                u32_at(0)
            }
            _ => return Ok(()),
        };
        if own_size.is_some_and(|size| size == self.raw_size) || (data.is_empty() && self.raw_size == 0) {
            return Ok(());
        }
        Err("a block and its codec declare different sizes")
    }

    /// The bytes of a header's block, which is not compressed or by gzip.
    fn small(&self, most: usize) -> std::result::Result<Cow<'_, [u8]>, &'static str> {
        match self.method {
            0 if self.data.len() <= most => Ok(Cow::Borrowed(self.data)),
            1 => {
                let mut out = Vec::new();
                let decoder = flate2::read::MultiGzDecoder::new(self.data);
                decoder
                    .take(most as u64 + 1)
                    .read_to_end(&mut out)
                    .map_err(|_| "a header block with corrupt gzip data")?;
                if out.len() > most { Err("a header block that is too large") } else { Ok(Cow::Owned(out)) }
            }
            0 => Err("a header block that is too large"),
            _ => Err("a header block that is compressed by something else than gzip"),
        }
    }
}

/// A number of seven bits to the byte.
fn uint7(bytes: &[u8]) -> Option<u64> {
    let mut n: u64 = 0;
    for byte in bytes.iter().take(5) {
        n = n << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some(n);
        }
    }
    None
}

/// Bytes that are read from the front.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(head)
    }

    fn itf8(&mut self) -> Option<i64> {
        let length = self.0.first()?.leading_ones().min(4) as usize + 1;
        self.take(length).map(itf8)
    }

    fn block(&mut self) -> std::result::Result<Block<'a>, &'static str> {
        const CUT: &str = "a block that is longer than its container";
        let [method, content] = *self.take(2).ok_or(CUT)? else { return Err(CUT) };
        self.itf8().ok_or(CUT)?;
        let size = self.itf8().and_then(|n| usize::try_from(n).ok()).ok_or(CUT)?;
        let raw_size = self.itf8().and_then(|n| u64::try_from(n).ok()).ok_or(CUT)?;
        let data = self.take(size).ok_or(CUT)?;
        self.take(4).ok_or(CUT)?; // checksum
        Ok(Block { method, content, raw_size, data })
    }
}

fn decode_container(
    bytes: &[u8],
    decoder_header: &noodles_sam::Header,
    header: &SamHeader,
    repository: &noodles_fa::Repository,
) -> io::Result<Vec<Alignment>> {
    let builder = NoodlesBuilder::default().set_reference_sequence_repository(repository.clone());
    let mut reader = builder.build_from_reader(bytes);
    let mut container = Container::default();
    let mut out = Vec::new();
    reader.read_container(&mut container)?;
    if container.slices().next().is_none() {
        return Ok(out);
    }
    let compression = container.compression_header()?;
    for slice in container.slices() {
        let slice = slice?;
        let (core, external) = slice.decode_blocks()?;
        for record in slice.records(repository.clone(), decoder_header, &compression, &core, &external)? {
            out.push(convert(&record, decoder_header, header)?);
        }
    }
    Ok(out)
}

fn convert(
    record: &noodles_cram::Record<'_>,
    decoder_header: &noodles_sam::Header,
    header: &SamHeader,
) -> io::Result<Alignment> {
    let reference = |id: Option<io::Result<usize>>| -> io::Result<Option<Arc<str>>> {
        let Some(id) = id.transpose()? else { return Ok(None) };
        let found = header.references().get(id);
        let missing = || io::Error::new(io::ErrorKind::InvalidData, format!("the header has no reference {id}"));
        found.map(|found| Some(found.name.clone())).ok_or_else(missing)
    };
    let position = |position: Option<io::Result<noodles_core::Position>>| -> io::Result<Option<u64>> {
        Ok(position.transpose()?.map(|position| usize::from(position) as u64 - 1))
    };
    let flags = Flags::from_bits(record.flags()?.bits());
    let mut cigar = Vec::new();
    for op in record.cigar().iter() {
        let op = op?;
        let length = u32::try_from(op.len()).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        cigar.push(CigarOp { kind: kind(op.kind()), length });
    }
    let sequence: Vec<u8> = record.sequence().iter().collect();
    let qualities = record.quality_scores().iter().collect::<io::Result<Vec<u8>>>()?;
    let has_qualities = !sequence.is_empty() && qualities.iter().any(|&q| q != 255);
    let mut tags = Vec::new();
    for field in record.data().iter() {
        let (tag, value) = field?;
        let field = ([tag.as_ref()[0], tag.as_ref()[1]], convert_value(value)?);
        // The read group has a column of its own; some writers keep it among the tags besides.
        if field.0 == *b"RG" && tags.contains(&field) {
            continue;
        }
        tags.push(field);
    }
    Ok(Alignment {
        name: record.name().filter(|name| &name[..] != b"*").map(|name| String::from_utf8_lossy(name).into_owned()),
        flags,
        reference: reference(record.reference_sequence_id(decoder_header))?,
        position: position(record.alignment_start())?,
        // CRAM keeps none for unmapped reads; htslib gives 0 back.
        mapping_quality: if flags.is_unmapped() {
            Some(0)
        } else {
            record.mapping_quality().transpose()?.map(u8::from)
        },
        cigar,
        mate_reference: reference(record.mate_reference_sequence_id(decoder_header))?,
        mate_position: position(record.mate_alignment_start())?,
        template_length: record.template_length()?,
        sequence,
        qualities: has_qualities.then_some(qualities),
        tags: tags.into_iter().collect(),
    })
}

fn kind(kind: Kind) -> CigarKind {
    match kind {
        Kind::Match => CigarKind::Match,
        Kind::Insertion => CigarKind::Insertion,
        Kind::Deletion => CigarKind::Deletion,
        Kind::Skip => CigarKind::Skip,
        Kind::SoftClip => CigarKind::SoftClip,
        Kind::HardClip => CigarKind::HardClip,
        Kind::Pad => CigarKind::Padding,
        Kind::SequenceMatch => CigarKind::Equal,
        Kind::SequenceMismatch => CigarKind::Differ,
    }
}

fn convert_value(value: Value<'_>) -> io::Result<TagValue> {
    Ok(match value {
        Value::Character(c) => TagValue::Char(c),
        Value::Int8(n) => TagValue::Int(n.into()),
        Value::UInt8(n) => TagValue::Int(n.into()),
        Value::Int16(n) => TagValue::Int(n.into()),
        Value::UInt16(n) => TagValue::Int(n.into()),
        Value::Int32(n) => TagValue::Int(n.into()),
        Value::UInt32(n) => TagValue::Int(n.into()),
        Value::Float(x) => TagValue::Float(x),
        Value::String(text) => TagValue::Text(String::from_utf8_lossy(text).into_owned()),
        Value::Hex(text) => TagValue::Hex(decode_hex(text)),
        Value::Array(array) => TagValue::Array(match array {
            Array::Int8(items) => TagArray::I8(items.iter().collect::<io::Result<_>>()?),
            Array::UInt8(items) => TagArray::U8(items.iter().collect::<io::Result<_>>()?),
            Array::Int16(items) => TagArray::I16(items.iter().collect::<io::Result<_>>()?),
            Array::UInt16(items) => TagArray::U16(items.iter().collect::<io::Result<_>>()?),
            Array::Int32(items) => TagArray::I32(items.iter().collect::<io::Result<_>>()?),
            Array::UInt32(items) => TagArray::U32(items.iter().collect::<io::Result<_>>()?),
            Array::Float(items) => TagArray::F32(items.iter().collect::<io::Result<_>>()?),
        }),
    })
}

#[cfg(test)]
mod tests;
