//! Writes BAM.

use std::io::Write;

use super::bgzf::BgzfWriter;
use super::index::{BamIndex, Builder, Chunk};
use super::record::{check_fits, encode, unwritable_letter};
use crate::error::{Error, ErrorKind, Result, letter};
use crate::guard::{Forgiven, Guard, Mode};
use crate::input::Limits;
use crate::sam::header::SamHeader;
use crate::sam::reader::new_guard;
use crate::sam::record::Alignment;
use crate::sam::tags::Seen;
use crate::sam::writer::check_alignment;

/// Writes a header and alignments as BAM. It refuses what could not be read back; so call [`BamWriter::finish`]: without it the
/// file has no end marker, and readers tell that it is cut.
///
/// BAM has no lower case and no letters besides `=ACMGRSVTWYHKDBN`. A strict writer refuses others; a lenient one writes
/// upper case and `N`, as the specification says, and counts it.
///
/// An example stands at [`BamReader`](crate::BamReader).
pub struct BamWriter<W> {
    name: String,
    inner: BgzfWriter<W>,
    header: SamHeader,
    guard: Guard,
    seen: Seen,
    record: Vec<u8>,
    index: Option<Builder>,
}

impl<W: Write> BamWriter<W> {
    /// Writes the header; `name` stands in errors.
    ///
    /// # Errors
    ///
    /// Writing fails.
    pub fn new(name: impl Into<String>, inner: W, header: &SamHeader) -> Result<Self> {
        let name = name.into();
        let mut bytes = b"BAM\x01".to_vec();
        bytes.extend_from_slice(&(header.text().len() as u32).to_le_bytes());
        bytes.extend_from_slice(header.text().as_bytes());
        bytes.extend_from_slice(&(header.references().len() as u32).to_le_bytes());
        for reference in header.references() {
            bytes.extend_from_slice(&(reference.name.len() as u32 + 1).to_le_bytes());
            bytes.extend_from_slice(reference.name.as_bytes());
            bytes.push(0);
            bytes.extend_from_slice(&(reference.length as u32).to_le_bytes());
        }
        let mut writer = BgzfWriter::new(inner);
        // Records start a block of their own, so that a header can be changed without touching them.
        writer.write(&bytes).and_then(|()| writer.end_block()).map_err(|error| Error::from_io(&name, error))?;
        Ok(Self {
            name,
            inner: writer,
            header: header.clone(),
            guard: new_guard(Mode::Strict, Limits::default()),
            seen: Seen::default(),
            record: Vec::new(),
            index: None,
        })
    }

    /// What happens to letters that BAM does not have; [`Mode::Strict`] without this.
    pub fn with_mode(mut self, mode: Mode) -> Self {
        self.guard.mode = mode;
        self
    }

    /// Makes the index on the way; records must come sorted by coordinate. [`BamWriter::finish_with_index`] gives it.
    pub fn with_index(mut self) -> Self {
        self.index = Some(Builder::new(&self.header));
        self
    }

    /// Letters that were changed.
    pub fn forgiven(&self) -> &Forgiven {
        &self.guard.forgiven
    }

    /// Writes an alignment.
    ///
    /// # Errors
    ///
    /// As [`SamWriter::write`](crate::SamWriter::write); also for references that have no `@SQ` line and letters that BAM does
    /// not have, and for records out of order when an index is made.
    pub fn write(&mut self, record: &Alignment) -> Result<()> {
        self.guard.records += 1;
        let number = self.guard.records;
        let name = record.name.as_deref().unwrap_or("*");
        check_alignment(record, &self.header, &mut self.seen)
            .and_then(|()| check_fits(record, &self.header))
            .map_err(|broken| broken.error(&self.name, number).in_record(name))?;
        if let Some(bad) = unwritable_letter(&record.sequence) {
            let problem = format!("record {number} cannot be written: a letter that BAM does not have");
            let error = Error::new(ErrorKind::Unsupported, &self.name, problem).in_record(name);
            let error = error.expecting("one of =ACMGRSVTWYHKDBN").finding(letter(bad));
            self.guard.forgive("letters of BAM", error)?;
        }
        self.record.clear();
        encode(&mut self.record, record, &self.header);
        let start = self.inner.virtual_position();
        self.inner.write(&self.record).map_err(|error| Error::from_io(&self.name, error))?;
        if let Some(index) = &mut self.index {
            let id = record.reference.as_deref().and_then(|name| self.header.reference_id(name));
            let chunk = Chunk { start, end: self.inner.virtual_position() };
            index
                .add(id, record.span(), record.flags.is_unmapped(), chunk)
                .map_err(|problem| Error::new(ErrorKind::Unsupported, &self.name, problem).in_record(name))?;
        }
        Ok(())
    }

    /// Writes the end marker, and gives back where it wrote to.
    ///
    /// # Errors
    ///
    /// Writing fails.
    pub fn finish(self) -> Result<W> {
        let Self { name, inner, .. } = self;
        inner.finish().map_err(|error| Error::from_io(name, error))
    }

    /// As [`BamWriter::finish`], with the index.
    ///
    /// # Errors
    ///
    /// Writing fails, or [`BamWriter::with_index`] was not called.
    pub fn finish_with_index(mut self) -> Result<(W, BamIndex)> {
        let Some(index) = self.index.take() else {
            return Err(Error::new(ErrorKind::Index, &self.name, "no index was asked for")
                .expecting("BamWriter::with_index first"));
        };
        Ok((self.finish()?, index.finish()))
    }
}

impl<W> std::fmt::Debug for BamWriter<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BamWriter").field("header", &self.header).field("guard", &self.guard).finish_non_exhaustive()
    }
}
