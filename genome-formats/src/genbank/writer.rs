//! Writes GenBank in the layout of NCBI.

use std::fmt::Write as _;
use std::io::Write;

use crate::error::{Error, ErrorKind, Result, letter};
use crate::fasta::Letters;
use crate::input::Limits;

use super::reader::GenbankReader;
use super::record::{Feature, GenbankRecord, LengthUnit, Reference};

/// Columns of a line, as NCBI fills them.
const WIDTH: usize = 79;
/// Column at which the text of a field starts.
const FIELD: usize = 12;

/// Qualifiers whose values stand without quotes (feature table definition, section 7.3.1).
const BARE: [&str; 14] = [
    "anticodon",
    "citation",
    "codon_start",
    "compare",
    "direction",
    "estimated_length",
    "evidence",
    "mod_base",
    "number",
    "rpt_type",
    "rpt_unit_range",
    "tag_peptide",
    "transl_except",
    "transl_table",
];

/// Writes GenBank records.
///
/// ```
/// use genome_formats::{Feature, GenbankReader, GenbankRecord, GenbankWriter};
///
/// let record = GenbankRecord {
///     name: "DEMO".into(),
///     definition: Some("A demonstration".into()),
///     molecule_type: Some("DNA".into()),
///     declared_len: Some(9),
///     seq: b"atgaaataa".to_vec(),
///     features: vec![Feature {
///         kind: "CDS".into(),
///         location: "1..9".parse()?,
///         qualifiers: vec![("gene".into(), Some("demo".into())), ("codon_start".into(), Some("1".into()))],
///     }],
///     ..GenbankRecord::default()
/// };
/// let mut writer = GenbankWriter::new("demo.gb", Vec::new());
/// writer.write(&record)?;
/// let text = writer.finish()?;
/// assert!(String::from_utf8_lossy(&text).contains("     CDS             1..9\n                     /gene=\"demo\"\n"));
/// assert_eq!(GenbankReader::new("demo.gb", &text[..]).next().unwrap()?, record);
/// # Ok::<(), genome_formats::Error>(())
/// ```
#[derive(Debug)]
pub struct GenbankWriter<W> {
    name: String,
    out: W,
    head: String,
    read: GenbankRecord,
}

impl<W: Write> GenbankWriter<W> {
    /// Writes to `out`; `name` stands in errors.
    pub fn new(name: impl Into<String>, out: W) -> Self {
        Self { name: name.into(), out, head: String::new(), read: GenbankRecord::default() }
    }

    /// Writes a record. Before anything goes out, all but the letters is read back and compared.
    ///
    /// # Errors
    ///
    /// Writing fails, or the record could not be read back as it is: it has a name or text with control characters, text
    /// with blanks at its ends or several in a row, a feature key with blanks, a length that differs from the letters,
    /// letters that are not IUPAC nucleotides (in a protein: not visible ASCII), ...
    pub fn write(&mut self, record: &GenbankRecord) -> Result<()> {
        self.head.clear();
        render(record, &mut self.head);
        self.check(record)?;
        let io = |error| Error::from_io(&self.name, error);
        self.out.write_all(self.head.as_bytes()).map_err(io)?;
        write_letters(&record.seq, &mut self.out).map_err(io)?;
        self.out.write_all(b"//\n").map_err(io)
    }

    /// Hands back what was written to.
    ///
    /// # Errors
    ///
    /// Flushing fails.
    pub fn finish(mut self) -> Result<W> {
        self.out.flush().map_err(|error| Error::from_io(&self.name, error))?;
        Ok(self.out)
    }

    fn check(&mut self, record: &GenbankRecord) -> Result<()> {
        let problem = "a record that could not be read back";
        let error = Error::new(ErrorKind::Syntax, &self.name, problem).in_record(&record.name);
        let letters = if record.unit == LengthUnit::Residues { Letters::Any } else { Letters::Iupac };
        if let Some(at) = letters.first_unknown(&record.seq) {
            return Err(error.expecting(letters.expected()).finding(letter(record.seq[at])));
        }
        let end = self.head.len();
        self.head.push_str("//\n");
        let limits = Limits { max_line: u64::MAX, max_record: u64::MAX, ..Limits::default() };
        let mut reader = GenbankReader::new(&*self.name, self.head.as_bytes()).with_limits(limits);
        let outcome = match reader.read_into(&mut self.read) {
            Err(problem) => Err(error.finding(problem.to_string())),
            Ok(_) => match first_difference(record, &self.read) {
                Some(field) => Err(error.finding(format!("{field} that is different when it is read"))),
                None if reader.read_into(&mut self.read).is_ok_and(|more| !more) => Ok(()),
                None => Err(error.finding("text that ends the record")),
            },
        };
        self.head.truncate(end);
        outcome
    }
}

/// The field that differs between a record and what was read back without the letters.
fn first_difference(record: &GenbankRecord, read: &GenbankRecord) -> Option<&'static str> {
    let declared_len = match record.unit {
        LengthUnit::Records(_) => record.declared_len.is_none(),
        _ => record.declared_len.is_none_or(|length| Some(length) == read.declared_len),
    };
    if !declared_len || (!record.seq.is_empty() && record.declared_len.is_some_and(|n| n != record.seq.len() as u64)) {
        return Some("declared_len");
    }
    macro_rules! compare {
        ($($field:ident)*) => {
            $(if record.$field != read.$field { return Some(stringify!($field)); })*
        };
    }
    compare!(name unit circular molecule_type division date accession secondary_accessions region version gi definition
        dblinks keywords source organism taxonomy references comments features contig other);
    None
}

/// Everything up to the letters.
fn render(record: &GenbankRecord, out: &mut String) {
    locus(record, out);
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| ".".to_owned());
    words(out, "DEFINITION", &text(&record.definition));
    let mut accessions = text(&record.accession);
    for accession in &record.secondary_accessions {
        accessions.push(' ');
        accessions.push_str(accession);
    }
    if let Some(region) = &record.region {
        accessions.push_str(" REGION: ");
        accessions.push_str(region);
    }
    words(out, "ACCESSION", &accessions);
    match (&record.version, &record.gi) {
        (None, None) => {}
        (Some(version), None) => lines(out, "VERSION", version),
        (version, Some(gi)) => lines(out, "VERSION", &format!("{}  GI:{gi}", text(version))),
    }
    if !record.dblinks.is_empty() {
        lines(out, "DBLINK", &record.dblinks.join("\n"));
    }
    let (origin, other): (Vec<_>, Vec<_>) = record.other.iter().partition(|(keyword, _)| keyword == "ORIGIN");
    for (keyword, text) in other {
        lines(out, keyword, text);
    }
    words(out, "KEYWORDS", &format!("{}.", record.keywords.join("; ")));
    if record.source.is_some() || record.organism.is_some() || !record.taxonomy.is_empty() {
        words(out, "SOURCE", &text(&record.source));
        lines(out, "  ORGANISM", &text(&record.organism));
        if !record.taxonomy.is_empty() {
            // Broken behind semicolons, since a line without one would belong to the name.
            out.push_str(&" ".repeat(FIELD));
            let lineage = record.taxonomy.join("; ") + ".";
            wrap(out, &lineage, FIELD, |before| before == b';');
        }
    }
    for entry in &record.references {
        reference(entry, out);
    }
    for comment in &record.comments {
        lines(out, "COMMENT", comment);
    }
    out.push_str("FEATURES             Location/Qualifiers\n");
    for entry in &record.features {
        feature(entry, record, out);
    }
    if let Some(contig) = &record.contig {
        keyword(out, "CONTIG");
        broken_behind_commas(out, contig, FIELD);
    }
    if !record.seq.is_empty() || !origin.is_empty() {
        let text = origin.iter().map(|(_, text)| &**text).collect::<Vec<_>>().join(" ");
        out.push_str(format!("ORIGIN      {text}").trim_end());
        out.push('\n');
    }
}

/// Columns of the release notes, section 3.4.4, as long as name and length fit.
fn locus(record: &GenbankRecord, out: &mut String) {
    let letters = record.seq.len() as u64;
    let length = if letters > 0 { letters } else { record.declared_len.unwrap_or(0) };
    let (length, unit) = match record.unit {
        LengthUnit::Bases => (length, "bp"),
        LengthUnit::Residues => (length, "aa"),
        LengthUnit::Records(records) => (records, "rc"),
    };
    let room = 27usize.saturating_sub(record.name.len().max(16));
    let molecule = record.molecule_type.as_deref().unwrap_or("");
    let stranded = ["ss-", "ds-", "ms-"].iter().any(|prefix| molecule.starts_with(prefix));
    let molecule = format!("{}{molecule}", if stranded { "" } else { "   " });
    let topology = if record.circular { "circular" } else { "linear" };
    let (division, date) = (record.division.as_deref().unwrap_or(""), record.date.as_deref().unwrap_or(""));
    let line = format!(
        "LOCUS       {:<16} {length:>room$} {unit} {molecule:<9}  {topology:<8} {division:<3} {date}",
        record.name
    );
    out.push_str(line.trim_end());
    out.push('\n');
}

fn reference(reference: &Reference, out: &mut String) {
    let number = reference.number.as_deref().unwrap_or(".");
    match &reference.about {
        Some(about) => words(out, "REFERENCE", &format!("{number:<2} ({about})")),
        None => words(out, "REFERENCE", number),
    }
    let fields = [
        ("  AUTHORS", &reference.authors),
        ("  CONSRTM", &reference.consortium),
        ("  TITLE", &reference.title),
        ("  JOURNAL", &reference.journal),
        ("  MEDLINE", &reference.medline),
        ("   PUBMED", &reference.pubmed),
        ("  REMARK", &reference.remark),
    ];
    for (keyword, text) in fields {
        if let Some(text) = text {
            words(out, keyword, text);
        }
    }
    for (keyword, text) in &reference.other {
        words(out, &format!("  {keyword}"), text);
    }
}

fn feature(feature: &Feature, record: &GenbankRecord, out: &mut String) {
    const INDENT: usize = super::features::INDENT;
    let length = Some(record.seq.len() as u64).filter(|&n| n > 0).or(record.declared_len);
    let _ = write!(out, "     {:<15} ", feature.kind);
    broken_behind_commas(out, &feature.location.text(length).to_string(), INDENT);
    for (name, value) in &feature.qualifiers {
        out.push_str(&" ".repeat(INDENT));
        let Some(value) = value else {
            let _ = writeln!(out, "/{name}");
            continue;
        };
        let graphic = |extra: u8| value.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != extra);
        if BARE.contains(&&**name) && !value.is_empty() && graphic(b'/') {
            let _ = writeln!(out, "/{name}={value}");
            continue;
        }
        let text = format!("/{name}=\"{}\"", value.replace('"', "\"\""));
        if name == "translation" {
            if graphic(b'"') {
                let rows = text.as_bytes().chunks(WIDTH - INDENT).map(|row| std::str::from_utf8(row).expect("ASCII"));
                let between = format!("\n{}", " ".repeat(INDENT));
                out.push_str(&rows.collect::<Vec<_>>().join(&between));
            } else {
                out.push_str(&text);
            }
            out.push('\n');
        } else {
            wrap(out, &text, INDENT, |_| true);
        }
    }
}

/// A keyword and blanks up to the column of the text.
fn keyword(out: &mut String, keyword: &str) {
    let _ = write!(out, "{keyword:<width$} ", width = FIELD - 1);
}

/// A field whose lines are broken between words.
fn words(out: &mut String, name: &str, text: &str) {
    keyword(out, name);
    wrap(out, text, FIELD, |_| true);
}

/// A field whose lines are kept.
fn lines(out: &mut String, name: &str, text: &str) {
    keyword(out, name);
    out.push_str(&text.replace('\n', &format!("\n{}", " ".repeat(FIELD))));
    out.push('\n');
}

/// Writes `text`, broken at single blanks, each of which a reader puts back; with `indent` blanks in front of all but the
/// first line. `may` says whether a blank behind this byte may be one. A word that is too long stays whole.
fn wrap(out: &mut String, text: &str, indent: usize, may: impl Fn(u8) -> bool) {
    let bytes = text.as_bytes();
    let room = WIDTH - indent;
    let breaks = |at: usize| {
        let neighbours = at > 0 && at + 1 < bytes.len() && bytes[at - 1] != b' ' && bytes[at + 1] != b' ';
        bytes[at] == b' ' && neighbours && may(bytes[at - 1])
    };
    let mut start = 0;
    while bytes.len() - start > room {
        let last = (start + 1..=start + room).rev().find(|&at| breaks(at));
        let Some(at) = last.or_else(|| (start + room + 1..bytes.len()).find(|&at| breaks(at))) else { break };
        out.push_str(&text[start..at]);
        out.push('\n');
        out.extend(std::iter::repeat_n(' ', indent));
        start = at + 1;
    }
    out.push_str(&text[start..]);
    out.push('\n');
}

fn broken_behind_commas(out: &mut String, text: &str, indent: usize) {
    let room = WIDTH - indent;
    let mut rest = text;
    while rest.len() > room {
        let comma = rest.as_bytes()[..room].iter().rposition(|&b| b == b',');
        let Some(at) = comma.or_else(|| rest.bytes().position(|b| b == b',')) else { break };
        let (row, behind) = rest.split_at(at + 1);
        if behind.is_empty() {
            break;
        }
        out.push_str(row);
        out.push('\n');
        out.extend(std::iter::repeat_n(' ', indent));
        rest = behind;
    }
    out.push_str(rest);
    out.push('\n');
}

/// Sixty letters a line, in blocks of ten, with the number of the first.
fn write_letters(seq: &[u8], out: &mut impl Write) -> std::io::Result<()> {
    let mut text = Vec::with_capacity(64 * 1024);
    for (i, line) in seq.chunks(60).enumerate() {
        write!(text, "{:>9}", 60 * i + 1)?;
        for block in line.chunks(10) {
            text.push(b' ');
            text.extend_from_slice(block);
        }
        text.push(b'\n');
        if text.len() > 63 * 1024 {
            out.write_all(&text)?;
            text.clear();
        }
    }
    out.write_all(&text)
}
