//! Reads BAM: blocks, header, records, and records of a region through an index.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::{Path, PathBuf};

use super::bgzf::BgzfReader;
use super::index::{BamIndex, Chunk};
use super::record::{BamView, FIXED, Layout};
use crate::coord::Span;
use crate::error::{Error, ErrorKind, Result, count, quote};
use crate::guard::{Forgiven, Guard, Mode};
use crate::index::MakeIndex;
use crate::input::Limits;
use crate::sam::header::{HeaderKind, LINE_COST, Problem, SamHeader};
use crate::sam::reader::{Order, new_guard};
use crate::sam::record::Alignment;
use crate::sam::tags::{BrokenRule, Seen};

/// Decompressed bytes that are always allowed, whatever their ratio to the compressed ones. Less than for text, since all of
/// them may be one record, which is kept.
const FREE_INFLATION: u64 = 16 << 20;

/// Reads BAM, header first, then alignments one by one. After an error it gives nothing more.
///
/// ```
/// use genome_formats::{Alignment, BamReader, BamWriter, Flags, SamHeader};
///
/// let header = SamHeader::with_references([("chr1", 1000)])?;
/// let mut writer = BamWriter::new("reads.bam", Vec::new(), &header)?;
/// let unmapped = Alignment { name: Some("r1".into()), flags: Flags::from_bits(4), sequence: b"ACGT".to_vec(), ..Alignment::default() };
/// writer.write(&unmapped)?;
/// let file = writer.finish()?;
///
/// let mut reader = BamReader::new("reads.bam", &file[..])?;
/// while let Some(view) = reader.next_view()? { // in place, nothing is allocated
///     assert_eq!(view.sequence().collect::<Vec<u8>>(), b"ACGT");
///     assert_eq!(view.to_alignment(), unmapped);
/// }
/// # Ok::<(), genome_formats::Error>(())
/// ```
pub struct BamReader<R> {
    name: String,
    source: BgzfReader<R>,
    guard: Guard,
    header: SamHeader,
    /// The record at hand.
    data: Vec<u8>,
    layout: Layout,
    seen: Seen,
    order: Order,
    /// Decompressed bytes that were read; unknown after a jump.
    position: Option<u64>,
    inflated: u64,
    path: Option<PathBuf>,
}

impl BamReader<BufReader<File>> {
    /// Opens a file. Every rule holds.
    ///
    /// # Errors
    ///
    /// The file cannot be opened, is no BAM, or its header breaks a rule.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(path, Mode::Strict, Limits::default())
    }

    /// Opens a file.
    ///
    /// # Errors
    ///
    /// As [`BamReader::open`].
    pub fn open_with(path: impl AsRef<Path>, mode: Mode, limits: Limits) -> Result<Self> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let file = File::open(path).map_err(|error| Error::from_io(&name, error))?;
        let mut this = Self::new_with(name, BufReader::with_capacity(128 * 1024, file), mode, limits)?;
        this.path = Some(path.to_owned());
        Ok(this)
    }

    /// The index beside the file: `reads.bam.csi`, `reads.bam.bai` or `reads.bai`. With [`MakeIndex::IfMissing`] it is made
    /// and written beside the file where there is none.
    ///
    /// # Errors
    ///
    /// There is no index and none is to be made; it is older than the file (forgiven in lenient mode), is broken, or has more
    /// references than the file; or the file is not sorted by coordinate.
    pub fn index(&mut self, make: MakeIndex) -> Result<BamIndex> {
        let path = self.path.clone().unwrap_or_default();
        let index = match super::index::find(&path) {
            Some(place) => {
                let age = |path: &Path| std::fs::metadata(path).and_then(|m| m.modified()).ok();
                if let (Some(index), Some(file)) = (age(&place), age(&path))
                    && index < file
                {
                    let error =
                        Error::new(ErrorKind::Index, place.display().to_string(), "the index is older than its file");
                    let error = error.expecting("an index made after the file").finding(format!("{}", path.display()));
                    self.guard.forgive("stale index", error)?;
                }
                BamIndex::open(&place, self.guard.limits)?
            }
            None if make != MakeIndex::Never => {
                let index = BamReader::open_with(&path, self.guard.mode, self.guard.limits)?.make_index()?;
                index.save_beside(&path)?;
                index
            }
            None => {
                let problem = "the file has no index";
                return Err(Error::new(ErrorKind::Index, &self.name, problem)
                    .expecting("reads.bam.bai, reads.bam.csi or reads.bai"));
            }
        };
        self.check_index(&index)?;
        Ok(index)
    }
}

impl<R: Read> BamReader<R> {
    /// Reads BAM from anywhere; `name` stands in errors. Every rule holds.
    ///
    /// # Errors
    ///
    /// This is no BAM, or its header breaks a rule.
    pub fn new(name: impl Into<String>, reader: R) -> Result<Self> {
        Self::new_with(name, reader, Mode::Strict, Limits::default())
    }

    /// Reads BAM from anywhere.
    ///
    /// # Errors
    ///
    /// As [`BamReader::new`].
    pub fn new_with(name: impl Into<String>, reader: R, mode: Mode, limits: Limits) -> Result<Self> {
        let mut this = Self {
            name: name.into(),
            source: BgzfReader::new(reader),
            guard: new_guard(mode, limits),
            header: SamHeader::default(),
            data: Vec::new(),
            layout: Layout::default(),
            seen: Seen::default(),
            order: Order::default(),
            position: Some(0),
            inflated: 0,
            path: None,
        };
        this.header = this.read_header()?;
        this.order = Order::new(&this.header);
        Ok(this)
    }

    /// The header. Where the text of the file has no `@SQ` lines, they are made from the binary list of references.
    pub fn header(&self) -> &SamHeader {
        &self.header
    }

    /// What was let pass so far.
    pub fn forgiven(&self) -> &Forgiven {
        &self.guard.forgiven
    }

    /// The next alignment, in place, in a buffer that is used again. `None` at the end of the file.
    ///
    /// # Errors
    ///
    /// The record is broken or breaks a rule, the file is cut, or reading fails; then every later call fails too.
    pub fn next_view(&mut self) -> Result<Option<BamView<'_>>> {
        let outcome = self.guard.check_failed(&self.name).and_then(|()| self.read_record());
        match self.guard.note(&self.name, outcome)? {
            Some(()) => Ok(Some(self.view())),
            None => Ok(None),
        }
    }

    fn view(&self) -> BamView<'_> {
        BamView { header: &self.header, data: &self.data, layout: self.layout }
    }

    /// Reads the whole rest of the file and makes its index.
    ///
    /// # Errors
    ///
    /// The file is not sorted by coordinate, or as [`BamReader::next_view`].
    pub fn make_index(mut self) -> Result<BamIndex> {
        let mut builder = super::index::Builder::new(&self.header);
        loop {
            let start = self.source.virtual_position();
            if self.next_view()?.is_none() {
                return Ok(builder.finish());
            }
            let end = self.source.virtual_position();
            let view = self.view();
            let unmapped = view.flags().is_unmapped();
            builder.add(view.reference_id(), view.span(), unmapped, Chunk { start, end }).map_err(|problem| {
                let name = String::from_utf8_lossy(view.name().unwrap_or(b"*")).into_owned();
                self.error(ErrorKind::Unsupported, problem).in_record(&name)
            })?;
        }
    }

    #[cold]
    fn error(&self, kind: ErrorKind, problem: impl Into<Cow<'static, str>>) -> Error {
        let error = Error::new(kind, &self.name, problem);
        match self.position {
            Some(position) => error.at_byte(position).at_file_byte(self.source.file_position()),
            None => error.at_file_byte(self.source.file_position()),
        }
    }

    /// Appends up to `length` bytes to `data`; fewer only at the end of the file. Memory follows the bytes that arrive.
    fn read(&mut self, mut length: u64) -> Result<()> {
        while length > 0 {
            let bytes = match self.source.bytes() {
                Ok(bytes) => bytes,
                Err(error) => {
                    let (position, file) = (self.position, self.source.file_position());
                    let error = Error::from_io(&self.name, error).at_file_byte(file);
                    return Err(if let Some(position) = position { error.at_byte(position) } else { error });
                }
            };
            if bytes.is_empty() {
                return Ok(());
            }
            let n = bytes.len().min(usize::try_from(length).unwrap_or(usize::MAX));
            self.data.extend_from_slice(&bytes[..n]);
            self.source.consume(n);
            length -= n as u64;
            self.inflated += n as u64;
            self.position = self.position.map(|position| position + n as u64);
            if self.inflated > FREE_INFLATION {
                let ratio = self.inflated / self.source.loaded().max(1);
                if ratio > self.guard.limits.max_inflate_ratio {
                    let problem = format!(
                        "the file grows more than {} times when decompressed",
                        self.guard.limits.max_inflate_ratio
                    );
                    return Err(self.error(ErrorKind::Limit, problem));
                }
            }
        }
        Ok(())
    }

    /// Reads `length` bytes into `data`, in place of what it holds; `what` names them where the file ends too early.
    fn read_exact(&mut self, length: u64, what: impl FnOnce() -> String) -> Result<()> {
        self.data.clear();
        self.read(length)?;
        let got = self.data.len() as u64;
        if got < length {
            let problem = format!("the file ends inside of {}", what());
            let error = self.error(ErrorKind::Truncated, problem).expecting(count(length, "byte"));
            return Err(error.finding(count(got, "byte")));
        }
        Ok(())
    }

    fn read_u32(&mut self, what: impl FnOnce() -> String) -> Result<u32> {
        self.read_exact(4, what)?;
        Ok(u32::from_le_bytes([self.data[0], self.data[1], self.data[2], self.data[3]]))
    }

    fn header_limit(&self) -> Error {
        let limit = self.guard.limits.max_header;
        let problem = format!("the header is larger than {limit} bytes (each reference counts {LINE_COST} more)");
        self.error(ErrorKind::Limit, problem)
    }

    fn read_header(&mut self) -> Result<SamHeader> {
        self.data.clear();
        self.read(4)?;
        if self.data.is_empty() {
            return Err(Error::new(ErrorKind::Empty, &self.name, "the file is empty").expecting("a BAM file"));
        }
        if self.data != b"BAM\x01" {
            let error = self.error(ErrorKind::Syntax, "this is not BAM").finding(quote(&self.data));
            return Err(error.expecting("the bytes BAM\\1 in front").at_byte(0));
        }
        let length = u64::from(self.read_u32(|| "the header".into())?);
        if length > self.guard.limits.max_header {
            return Err(self.header_limit().finding(count(length, "byte")));
        }
        self.read_exact(length, || "the header's text".into())?;
        let text = std::mem::take(&mut self.data);
        let references = self.read_u32(|| "the header".into())?;
        let mut cost = length;
        let mut lines = String::new();
        for i in 0..references {
            let what = || format!("reference {} of {references}", u64::from(i) + 1);
            let length = u64::from(self.read_u32(what)?);
            cost = cost.saturating_add(length + LINE_COST);
            if cost > self.guard.limits.max_header {
                return Err(self.header_limit());
            }
            self.read_exact(length, what)?;
            let name = self.data.strip_suffix(b"\0").map(<[u8]>::to_vec);
            let Some(name) = name.filter(|name| !name.contains(&0)) else {
                let error = self.error(ErrorKind::Syntax, "a reference name without a zero byte at its end");
                return Err(error.expecting("a name and a zero byte").finding(quote(&self.data)));
            };
            let bases = self.read_u32(what)?;
            // Tabs and line ends would make other lines of it.
            if name.iter().any(|b| matches!(b, b'\t' | b'\n' | b'\r')) || std::str::from_utf8(&name).is_err() {
                let error = self.error(ErrorKind::Syntax, "a bad reference name").finding(quote(&name));
                return Err(error.expecting(crate::sam::header::REFERENCE_NAME));
            }
            lines.push_str(&format!("@SQ\tSN:{}\tLN:{bases}\n", String::from_utf8_lossy(&name)));
        }
        self.join_header(text, &lines)
    }

    /// The header from its text and the binary list of references, which has the last word.
    fn join_header(&mut self, mut text: Vec<u8>, references: &str) -> Result<SamHeader> {
        while text.last() == Some(&0) {
            text.pop(); // "header text, not necessarily NUL-terminated"
        }
        if !text.is_empty() && text.last() != Some(&b'\n') {
            text.push(b'\n');
        }
        let text = String::from_utf8(text).or_else(|error| {
            let problem = self.error(ErrorKind::Syntax, "the header's text is not UTF-8");
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            self.guard.forgive("header text", problem).map(|()| text)
        })?;
        let text = text.replace("\r\n", "\n");
        let binary = self.build_header(references.to_owned())?;
        let has_lines = text.split('\n').any(|line| line.starts_with("@SQ"));
        if !has_lines {
            // "@HD [...] must be the first line": references go behind it.
            let at = if text.starts_with("@HD") { text.find('\n').map_or(text.len(), |at| at + 1) } else { 0 };
            return self.build_header([&text[..at], references, &text[at..]].concat());
        }
        let header = self.build_header(text)?;
        if header.references() != binary.references() {
            // "the reference sequences [...] must be the same as in the text, in the same order"
            let (in_text, in_list) = (header.references().len() as u64, binary.references().len() as u64);
            let error = self.error(ErrorKind::Mismatch, "the @SQ lines and the list of references differ");
            let error = error.expecting("the same names and lengths in both");
            let found = format!("{} and {}", count(in_text, "line"), count(in_list, "reference"));
            self.guard.forgive("two lists of references", error.finding(found))?;
            let mut text: String = header
                .lines()
                .filter(|line| line.kind() == HeaderKind::Head)
                .map(|line| format!("{}\n", line.text()))
                .collect();
            text.push_str(references);
            let others = header.lines().filter(|line| !matches!(line.kind(), HeaderKind::Head | HeaderKind::Reference));
            for line in others {
                text.push_str(line.text());
                text.push('\n');
            }
            return self.build_header(text);
        }
        Ok(header)
    }

    fn build_header(&mut self, text: String) -> Result<SamHeader> {
        let (name, guard) = (&self.name, &mut self.guard);
        SamHeader::build(text, &mut |problem: Problem<'_>| {
            let rule = problem.rule;
            let problem = Problem {
                problem: format!("header line {}: {}", problem.number + 1, problem.problem).into(),
                ..problem
            };
            match rule {
                Some(rule) => guard.forgive(rule, problem.error(name)),
                None => Err(problem.error(name)),
            }
        })
    }

    fn read_record(&mut self) -> Result<Option<()>> {
        let number = self.guard.records + 1;
        self.data.clear();
        self.read(4)?;
        match self.data[..] {
            [] => return self.end().map(|()| None),
            [a, b, c, d] => {
                let length = u64::from(u32::from_le_bytes([a, b, c, d]));
                if length > self.guard.limits.max_record {
                    let problem = format!("record {number} is larger than {} bytes", self.guard.limits.max_record);
                    return Err(self.error(ErrorKind::Limit, problem).finding(count(length, "byte")));
                }
                self.read_exact(length, || format!("record {number}"))?;
            }
            _ => {
                let problem = format!("the file ends inside of record {number}");
                let found = count(self.data.len() as u64, "byte");
                return Err(self
                    .error(ErrorKind::Truncated, problem)
                    .expecting("4 bytes of its length")
                    .finding(found));
            }
        }
        self.layout = match Layout::find(&self.data, &self.header) {
            Ok(layout) => layout,
            Err(broken) => return Err(self.broken(*broken, number)),
        };
        let mut seen = std::mem::take(&mut self.seen);
        let mut problems = Vec::new();
        let outcome = self.layout.check(&self.data, &self.header, &mut seen, |broken| {
            let rule = broken.rule;
            let error = self.broken(*broken, number);
            match rule {
                Some(rule) if self.guard.is_lenient() => problems.push((rule, error)),
                _ => return Err(error),
            }
            Ok(())
        });
        self.seen = seen;
        outcome?;
        for (rule, error) in problems {
            self.guard.forgive(rule, error)?;
        }
        let view = self.view();
        let (reference, one_based) = (view.reference_id().map(|id| id as u32), view.position().map_or(0, |p| p + 1));
        if !self.order.is_kept(reference, one_based) {
            let error = self.error(ErrorKind::Syntax, format!("record {number}: an alignment out of order"));
            let error = error.expecting("alignments sorted by reference and position, as the @HD line says");
            self.guard.forgive("sort order", error)?;
        }
        Ok(Some(()))
    }

    #[cold]
    fn broken(&self, broken: BrokenRule, number: u64) -> Error {
        let error = self.error(ErrorKind::Syntax, format!("record {number}: {}", broken.problem)).finding(broken.found);
        let error = if broken.expected.is_empty() { error } else { error.expecting(broken.expected) };
        let length = usize::from(*self.data.get(8).unwrap_or(&0));
        let name = self.data.get(FIXED..FIXED + length.saturating_sub(1)).unwrap_or_default();
        error.in_record(&String::from_utf8_lossy(name))
    }

    /// At the end of the file: whether it ends as it should.
    fn end(&mut self) -> Result<()> {
        if self.position.is_some() && !self.source.is_complete() {
            // "an end-of-file marker [...] allows unintended truncation to be detected"
            let error = self.error(ErrorKind::Truncated, "the file has no BGZF end marker, so it may be cut");
            self.guard.forgive("end marker", error.expecting("an empty block of 28 bytes at the end"))?;
        }
        Ok(())
    }
}

impl<R: Read + Seek> BamReader<R> {
    /// The alignments that share bases with a span of a reference, in the order of the file. An unmapped read counts where
    /// it is placed.
    ///
    /// # Errors
    ///
    /// The header has no such reference, or the index is for another file.
    pub fn query<'r>(&'r mut self, index: &BamIndex, reference: &str, span: Span) -> Result<BamQuery<'r, R>> {
        self.guard.check_failed(&self.name)?;
        let Some(id) = self.header.reference_id(reference) else {
            let error = Error::new(ErrorKind::Coordinate, &self.name, "the header has no such reference");
            return Err(error.finding(quote(reference.as_bytes())));
        };
        self.check_index(index)?;
        let mut chunks = index.query(id, span);
        let size = self.source.file_size().map_err(|error| Error::from_io(&self.name, error))?;
        if chunks.iter().any(|chunk| chunk.start >> 16 >= size || chunk.end >> 16 > size) {
            return Err(self.foreign_index("it points behind the end of the file"));
        }
        chunks.reverse();
        self.position = None;
        self.order = Order::default();
        Ok(BamQuery { reader: self, reference: id, span, chunks, end: None, done: false })
    }

    fn foreign_index(&self, why: &str) -> Error {
        Error::new(ErrorKind::Index, &self.name, format!("the index is not of this file: {why}"))
    }
}

impl<R: Read> BamReader<R> {
    fn check_index(&self, index: &BamIndex) -> Result<()> {
        let (own, other) = (self.header.references().len(), index.references());
        if other > own {
            let error = Error::new(ErrorKind::Index, &self.name, "the index has more references than the file");
            return Err(error.expecting(count(own as u64, "reference")).finding(count(other as u64, "reference")));
        }
        Ok(())
    }
}

/// The alignments of a region; see [`BamReader::query`].
pub struct BamQuery<'r, R> {
    reader: &'r mut BamReader<R>,
    reference: usize,
    span: Span,
    /// Parts of the file to look at, the next one last.
    chunks: Vec<Chunk>,
    /// Where the chunk at hand ends.
    end: Option<u64>,
    done: bool,
}

impl<R: Read + Seek> BamQuery<'_, R> {
    /// The next alignment of the region, in place.
    ///
    /// # Errors
    ///
    /// As [`BamReader::next_view`]; also when there is no record where the index says that there is one.
    pub fn next_view(&mut self) -> Result<Option<BamView<'_>>> {
        while !self.done {
            let here = self.reader.source.virtual_position();
            if self.end.is_none_or(|end| here >= end) {
                let Some(chunk) = self.chunks.pop() else {
                    self.done = true;
                    break;
                };
                self.end = Some(chunk.end);
                if let Err(error) = self.reader.source.seek(chunk.start) {
                    let error = Error::from_io(&self.reader.name, error);
                    let outcome = Err(self.reader.foreign_index(&error.to_string()));
                    return self.reader.guard.note::<()>(&self.reader.name, outcome).map(|_| None);
                }
            }
            let Some(view) = self.reader.next_view()? else {
                self.end = None;
                continue;
            };
            if view.reference_id() != Some(self.reference) || view.position().is_some_and(|p| p >= self.span.end()) {
                // Records of a file that is sorted: nothing behind this one can lie in the region.
                let behind = view.reference_id().is_none_or(|id| id > self.reference)
                    || (view.reference_id() == Some(self.reference) && view.position() >= Some(self.span.end()));
                self.done = behind;
                continue;
            }
            if view.span().is_some_and(|own| own.start() < self.span.end() && self.span.start() < own.end()) {
                return Ok(Some(self.reader.view()));
            }
        }
        Ok(None)
    }
}

impl<R: Read + Seek> Iterator for BamQuery<'_, R> {
    type Item = Result<Alignment>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.next_view() {
            Ok(view) => view.map(|view| Ok(view.to_alignment())),
            Err(error) if error.kind() == ErrorKind::Failed => None,
            Err(error) => Some(Err(error)),
        }
    }
}

impl<R> std::fmt::Debug for BamQuery<'_, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BamQuery").field("reference", &self.reference).field("span", &self.span).finish_non_exhaustive()
    }
}

impl<R: Read> Iterator for BamReader<R> {
    type Item = Result<Alignment>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.next_view() {
            Ok(view) => view.map(|view| Ok(view.to_alignment())),
            Err(error) if error.kind() == ErrorKind::Failed => None,
            Err(error) => Some(Err(error)),
        }
    }
}

impl<R: Read> std::iter::FusedIterator for BamReader<R> {}

impl<R> std::fmt::Debug for BamReader<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BamReader").field("header", &self.header).field("guard", &self.guard).finish_non_exhaustive()
    }
}
