//! Writes SAM.

use std::borrow::Cow;
use std::io::Write;

use super::header::{REFERENCE_NAME, SamHeader, is_reference_name};
use super::record::Alignment;
use super::tags::{BrokenRule, Checked, Seen, TagArray, TagValue, check_writable, write_text};
use crate::error::{Error, ErrorKind, Result, count, quote};

const MAX_POSITION: u64 = (1 << 31) - 1;

/// Writes a header and alignments as SAM. It refuses what could not be read back.
///
/// ```
/// use genome_formats::{Alignment, Flags, SamHeader, SamWriter};
///
/// let header = SamHeader::with_references([("chr1", 1000)])?;
/// let mut writer = SamWriter::new("reads.sam", Vec::new(), &header)?;
/// writer.write(&Alignment {
///     name: Some("r1".into()),
///     flags: Flags::from_bits(4),
///     sequence: b"ACGT".to_vec(),
///     ..Alignment::default()
/// })?;
/// let text = writer.finish()?;
/// assert_eq!(text, b"@HD\tVN:1.6\n@SQ\tSN:chr1\tLN:1000\nr1\t4\t*\t0\t255\t*\t*\t0\t0\tACGT\t*\n");
/// # Ok::<(), genome_formats::Error>(())
/// ```
#[derive(Debug)]
pub struct SamWriter<W> {
    name: String,
    inner: W,
    header: SamHeader,
    seen: Seen,
    line: Vec<u8>,
    records: u64,
}

impl<W: Write> SamWriter<W> {
    /// Writes the header; `name` stands in errors.
    ///
    /// # Errors
    ///
    /// Writing fails.
    pub fn new(name: impl Into<String>, mut inner: W, header: &SamHeader) -> Result<Self> {
        let name = name.into();
        inner.write_all(header.text().as_bytes()).map_err(|error| Error::from_io(&name, error))?;
        Ok(Self { name, inner, header: header.clone(), seen: Seen::default(), line: Vec::new(), records: 0 })
    }

    /// Writes an alignment.
    ///
    /// # Errors
    ///
    /// Writing fails, or the alignment breaks a rule of the format: a name with blanks, a reference that has no `@SQ` line,
    /// a CIGAR or qualities that do not fit the sequence, a tag that stands twice.
    pub fn write(&mut self, record: &Alignment) -> Result<()> {
        self.records += 1;
        check_alignment(record, &self.header, &mut self.seen).and_then(|()| check_text(record)).map_err(|b| {
            let error = b.error(&self.name, self.records);
            error.in_record(record.name.as_deref().unwrap_or("*"))
        })?;
        self.line.clear();
        write_line(&mut self.line, record);
        self.inner.write_all(&self.line).map_err(|error| Error::from_io(&self.name, error))
    }

    /// Flushes, and gives back where it wrote to.
    ///
    /// # Errors
    ///
    /// Flushing fails.
    pub fn finish(mut self) -> Result<W> {
        self.inner.flush().map_err(|error| Error::from_io(&self.name, error))?;
        Ok(self.inner)
    }
}

impl BrokenRule {
    /// The error of a writer: the record is told by its number.
    pub(crate) fn error(self, path: &str, number: u64) -> Error {
        let problem = format!("record {number} cannot be written: {}", self.problem);
        let error = Error::new(ErrorKind::Syntax, path, problem).finding(self.found);
        if self.expected.is_empty() { error } else { error.expecting(self.expected) }
    }
}

fn refuse(problem: impl Into<Cow<'static, str>>, expected: &'static str, found: impl AsRef<[u8]>) -> Checked {
    Err(Box::new(BrokenRule { rule: None, problem: problem.into(), expected, found: quote(found.as_ref()) }))
}

/// What SAM and BAM both refuse.
pub(crate) fn check_alignment(record: &Alignment, header: &SamHeader, seen: &mut Seen) -> Checked {
    if let Some(name) = &record.name
        && (name == "*" || !(1..=254).contains(&name.len()) || !name.bytes().all(|b| b.is_ascii_graphic() && b != b'@'))
    {
        return refuse("a bad read name", "up to 254 visible letters without @, and not * alone", name);
    }
    if record.flags.reserved() != 0 {
        return refuse("FLAG has reserved bits", "0 to 4095", record.flags.to_string());
    }
    for reference in [&record.reference, &record.mate_reference].into_iter().flatten() {
        if !is_reference_name(reference.as_bytes()) {
            return refuse("a bad reference name", REFERENCE_NAME, reference.as_bytes());
        }
        if !header.references().is_empty() && header.reference_id(reference).is_none() {
            return refuse("a reference that has no @SQ line", "a name from the header", reference.as_bytes());
        }
    }
    for position in [record.position, record.mate_position].into_iter().flatten() {
        if position >= MAX_POSITION {
            return refuse(
                "a position that is too large",
                "positions below 2147483647, counted from 0",
                position.to_string(),
            );
        }
    }
    if record.mapping_quality == Some(255) {
        return refuse("a mapping quality of 255, which means that there is none", "None, or 0 to 254", "255");
    }
    if record.template_length == i32::MIN {
        return refuse(
            "a template length that is too large",
            "-2147483647 to 2147483647",
            record.template_length.to_string(),
        );
    }
    let lengths = super::cigar::measure(record.cigar.iter().copied());
    if lengths.misplaced {
        let text: String = record.cigar.iter().take(100).map(ToString::to_string).collect();
        return refuse("a clip inside a CIGAR", "H at the ends only, S inside of H at the ends only", text);
    }
    let letters = record.sequence.len() as u64;
    if letters > 0 && !record.cigar.is_empty() && lengths.read != letters {
        let found = format!("{} and {}", count(lengths.read, "base"), count(letters, "letter"));
        return refuse("CIGAR and SEQ differ in length", "as many letters as bases in M, I, S, = and X", found);
    }
    if let Some(bad) = record.sequence.iter().find(|b| !(b.is_ascii_alphabetic() || matches!(b, b'=' | b'.'))) {
        return refuse("a bad letter in SEQ", "letters, = and .", [*bad]);
    }
    if let Some(qualities) = &record.qualities {
        if qualities.len() as u64 != letters || letters == 0 {
            let found = format!("{} for {}", count(qualities.len() as u64, "quality"), count(letters, "letter"));
            return refuse("SEQ and QUAL differ in length", "a quality for each letter, or None", found);
        }
        if let Some(bad) = qualities.iter().find(|q| **q > 93) {
            return refuse("a quality that is too large", "0 to 93", bad.to_string());
        }
    }
    seen.clear();
    for (tag, value) in record.tags.iter() {
        check_writable(*tag, value)?;
        seen.check(*tag)?;
        if let TagValue::Text(text) = value
            && !super::reader::is_linked(header, tag, text.as_bytes())
        {
            return refuse("RG or PG that has no line in the header", "an ID of the header's lines", text);
        }
    }
    Ok(())
}

/// What only the text cannot hold.
fn check_text(record: &Alignment) -> Checked {
    if record.qualities.as_deref() == Some(&[9]) {
        return refuse(
            "a single quality of 9, which SAM shows as *, as if there were none",
            "another quality, or None",
            "9",
        );
    }
    for (_, value) in record.tags.iter() {
        let bad = match value {
            TagValue::Float(x) => Some(*x).filter(|x| !x.is_finite()),
            TagValue::Array(TagArray::F32(items)) => items.iter().copied().find(|x| !x.is_finite()),
            _ => None,
        };
        if let Some(bad) = bad {
            return refuse("a number that SAM cannot show", "finite numbers", bad.to_string());
        }
    }
    Ok(())
}

/// Appends the line of a record.
fn write_line(out: &mut Vec<u8>, record: &Alignment) {
    fn number(out: &mut Vec<u8>, n: impl std::fmt::Display) {
        write!(out, "\t{n}").expect("a vector takes all bytes");
    }
    fn text(out: &mut Vec<u8>, text: &[u8]) {
        out.push(b'\t');
        out.extend_from_slice(if text.is_empty() { b"*" } else { text });
    }
    out.extend_from_slice(record.name.as_deref().unwrap_or("*").as_bytes());
    number(out, record.flags);
    text(out, record.reference.as_deref().unwrap_or("*").as_bytes());
    number(out, record.position.map_or(0, |p| p + 1));
    number(out, record.mapping_quality.unwrap_or(255));
    out.push(b'\t');
    for op in &record.cigar {
        write!(out, "{op}").expect("a vector takes all bytes");
    }
    if record.cigar.is_empty() {
        out.push(b'*');
    }
    match &record.mate_reference {
        Some(mate) if Some(mate) == record.reference.as_ref() => text(out, b"="),
        mate => text(out, mate.as_deref().unwrap_or("*").as_bytes()),
    }
    number(out, record.mate_position.map_or(0, |p| p + 1));
    number(out, record.template_length);
    text(out, &record.sequence);
    out.push(b'\t');
    match &record.qualities {
        Some(qualities) => out.extend(qualities.iter().map(|q| q + 33)),
        None => out.push(b'*'),
    }
    for (tag, value) in record.tags.iter() {
        out.push(b'\t');
        write_text(out, *tag, value);
    }
    out.push(b'\n');
}
