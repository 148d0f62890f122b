//! Writes VCF.

use std::io::Write;

use crate::error::{Error, ErrorKind, Result};
use crate::guard::Mode;

use super::header::VcfHeader;
use super::order::Order;
use super::problem::{Problem, Report};
use super::record::Variant;
use super::validate::RecordParser;
use super::value::{Column, Genotype, Value, float_text, write_floats, write_integers};
use super::view::{Columns, VariantView};

/// The path in errors of a writer.
const PATH: &str = "<output>";

/// Writes VCF records, each on its line, behind a header.
///
/// Every line is read again by the rules of the reader before it is written, so what was written can be read, and is
/// equal. Values left out at the end of a sample are those that are missing.
///
/// ```
/// use genome_formats::vcf::{VcfReader, VcfWriter};
///
/// let text = "##fileformat=VCFv4.3\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\nchr1\t100\t.\tC\tT\t.\t.\tDP=7\n";
/// let mut reader = VcfReader::new("in.vcf", text.as_bytes())?;
/// let mut writer = VcfWriter::new(Vec::new(), reader.header().clone())?;
/// for variant in &mut reader {
///     writer.write(&variant?)?;
/// }
/// assert_eq!(writer.finish()?, text.as_bytes());
/// # Ok::<(), genome_formats::Error>(())
/// ```
#[derive(Debug)]
pub struct VcfWriter<W> {
    out: W,
    header: VcfHeader,
    mode: Mode,
    line: Vec<u8>,
    parser: RecordParser,
    order: Order,
}

impl<W: Write> VcfWriter<W> {
    /// Writes the header.
    ///
    /// # Errors
    ///
    /// Writing fails, or the header came from a lenient reader and breaks a rule.
    pub fn new(out: W, header: VcfHeader) -> Result<Self> {
        Self::new_with(out, header, Mode::Strict)
    }

    /// Writes the header. In lenient mode all is written that a lenient reader reads.
    ///
    /// # Errors
    ///
    /// As [`VcfWriter::new`].
    pub fn new_with(mut out: W, header: VcfHeader, mode: Mode) -> Result<Self> {
        let text = header.to_string();
        let mut report = Report::new(mode);
        read_back(&text, &mut report).map_err(|problem| error(*problem))?;
        out.write_all(text.as_bytes()).map_err(io)?;
        let (parser, order) = (RecordParser::default(), Order::default());
        Ok(Self { out, header, mode, line: Vec::new(), parser, order })
    }

    /// The header.
    pub fn header(&self) -> &VcfHeader {
        &self.header
    }

    /// Writes a record.
    ///
    /// # Errors
    ///
    /// Writing fails, or the record could not be read back: it breaks a rule, belongs to another header, or is not in
    /// order behind the last one.
    pub fn write(&mut self, record: &Variant) -> Result<()> {
        self.line.clear();
        write_line(&mut self.line, record, &self.header);
        let mut report = Report::new(self.mode);
        let parsed = Columns::find(&self.line)
            .and_then(|columns| {
                let view = VariantView::new(&self.line, columns, &self.header);
                self.parser.parse(&view, &mut report)
            })
            .and_then(|parsed| {
                self.order.check(record, self.header.version(), &mut report)?;
                Ok(parsed)
            })
            .map_err(|problem| error(*problem).with_snippet(&self.line))?;
        if parsed != *record || self.line.contains(&b'\n') {
            let what = differing(&parsed, record);
            let problem = format!("{what} of a record cannot be written: another value would be read");
            return Err(Error::new(ErrorKind::Unsupported, PATH, problem).with_snippet(&self.line));
        }
        self.line.push(b'\n');
        self.out.write_all(&self.line).map_err(io)
    }

    /// Flushes, and gives the output back.
    ///
    /// # Errors
    ///
    /// Writing fails.
    pub fn finish(mut self) -> Result<W> {
        self.out.flush().map_err(io)?;
        Ok(self.out)
    }
}

fn io(error: std::io::Error) -> Error {
    Error::from_io(PATH, error)
}

fn error(problem: Problem) -> Error {
    problem.into_error(|kind, text| Error::new(kind, PATH, text))
}

/// Parses the text of a header.
fn read_back(text: &str, report: &mut Report) -> super::problem::Parsed<()> {
    let mut lines = text.lines();
    let (mut header, mut done) = VcfHeader::begin(lines.next().unwrap_or_default().as_bytes(), report)?;
    for line in lines {
        done = header.add_line(line.as_bytes(), report)?;
    }
    if !done {
        return Err(Problem::new("column line", "the header has no column line"));
    }
    Ok(())
}

/// The column in which two records differ.
fn differing(a: &Variant, b: &Variant) -> &'static str {
    if a.chrom != b.chrom {
        "CHROM"
    } else if a.start != b.start {
        "POS"
    } else if a.ids != b.ids {
        "ID"
    } else if a.reference != b.reference {
        "REF"
    } else if a.alternates != b.alternates {
        "ALT"
    } else if !super::value::same_float(a.qual, b.qual) {
        "QUAL"
    } else if a.filters != b.filters {
        "FILTER"
    } else if a.info != b.info {
        "INFO"
    } else {
        "FORMAT or a sample"
    }
}

fn write_line(out: &mut Vec<u8>, record: &Variant, header: &VcfHeader) {
    out.extend_from_slice(record.chrom.as_bytes());
    out.push(b'\t');
    let position = record.start.map_or(0, |s| s.saturating_add(1));
    out.extend_from_slice(position.to_string().as_bytes());
    out.push(b'\t');
    join(out, &record.ids, b';', |out, id| out.extend_from_slice(id.as_bytes()));
    out.push(b'\t');
    out.extend_from_slice(&record.reference);
    out.push(b'\t');
    join(out, &record.alternates, b',', |out, allele| match allele.bases() {
        Some(bases) => out.extend_from_slice(bases),
        None => out.extend_from_slice(allele.to_string().as_bytes()),
    });
    out.push(b'\t');
    match record.qual {
        Some(qual) => out.extend_from_slice(float_text(qual).as_bytes()),
        None => out.push(b'.'),
    }
    out.push(b'\t');
    join(out, &record.filters, b';', |out, name| out.extend_from_slice(name.as_bytes()));
    out.push(b'\t');
    join(out, &record.info, b';', |out, (key, value)| {
        out.extend_from_slice(key.as_bytes());
        match value {
            Value::Flag => return,
            _ => out.push(b'='),
        }
        match value {
            Value::Flag => {}
            Value::Integers(values) => write_integers(out, values),
            Value::Floats(values) => write_floats(out, values),
            Value::Text(text) => out.extend_from_slice(text.as_bytes()),
        }
    });
    if !header.has_format() {
        return;
    }
    out.push(b'\t');
    join(out, &record.formats, b':', |out, (key, _)| out.extend_from_slice(key.as_bytes()));
    for sample in 0..header.samples().len() {
        out.push(b'\t');
        write_sample(out, record, sample);
    }
}

/// The values of a sample up to the last that is not missing.
fn write_sample(out: &mut Vec<u8>, record: &Variant, sample: usize) {
    let kept = record.formats.iter().rposition(|(_, column)| !column.is_missing(sample)).map_or(1, |last| last + 1);
    if record.formats.is_empty() {
        out.push(b'.');
    }
    for (i, (_, column)) in record.formats.iter().take(kept).enumerate() {
        if i > 0 {
            out.push(b':');
        }
        match column {
            Column::Integers(lists) => write_integers(out, lists.get(sample).unwrap_or_default()),
            Column::Floats(lists) => write_floats(out, lists.get(sample).unwrap_or_default()),
            Column::Text(texts) => out.extend_from_slice(texts.get(sample).map_or(&b""[..], |t| t.as_bytes())),
            Column::Genotypes(lists) => {
                let genotype = Genotype { calls: lists.get(sample).unwrap_or_default() };
                out.extend_from_slice(genotype.to_string().as_bytes());
            }
        }
    }
}

/// Items with a separator between them; a dot for none.
fn join<T>(out: &mut Vec<u8>, items: &[T], separator: u8, mut write: impl FnMut(&mut Vec<u8>, &T)) {
    if items.is_empty() {
        out.push(b'.');
    }
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push(separator);
        }
        write(out, item);
    }
}
