//! The header of a VCF file: meta lines and sample names.

use std::collections::HashMap;
use std::fmt;

use crate::error::{Error, ErrorKind, Result};
use crate::guard::Mode;

use super::meta::{self, Fields};
use super::problem::{Parsed, Problem, Report};

/// More samples than any cohort has; what stands between a hostile header line and the memory.
const MAX_SAMPLES: usize = 1 << 20;

/// Bytes that a typed line costs besides its text.
const TABLE_ROW: usize = 96;

/// The version that `##fileformat` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[non_exhaustive]
pub enum VcfVersion {
    /// VCFv4.0 (2009). Read; its own rules are not checked.
    V4_0,
    /// VCFv4.1.
    V4_1,
    /// VCFv4.2.
    V4_2,
    /// VCFv4.3.
    #[default]
    V4_3,
    /// VCFv4.4.
    V4_4,
    /// VCFv4.5.
    V4_5,
}

impl VcfVersion {
    const ALL: [(&'static str, Self); 6] = [
        ("VCFv4.0", Self::V4_0),
        ("VCFv4.1", Self::V4_1),
        ("VCFv4.2", Self::V4_2),
        ("VCFv4.3", Self::V4_3),
        ("VCFv4.4", Self::V4_4),
        ("VCFv4.5", Self::V4_5),
    ];

    /// As `##fileformat` has it: `VCFv4.3`.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].0
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(n, _)| *n == name).map(|(_, v)| *v)
    }
}

impl fmt::Display for VcfVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How many values a field has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Number {
    /// As many as the number says.
    Count(u32),
    /// `A`: one for each alternate allele.
    Alternates,
    /// `R`: one for each allele, the reference first (since 4.2).
    Alleles,
    /// `G`: one for each possible genotype.
    Genotypes,
    /// `LA`, `LR`, `LG`: as above for the alleles that `LAA` names (since 4.5).
    Local,
    /// `P`: one for each allele of the genotype (since 4.4).
    Ploidy,
    /// `M`: one for each possible base modification (since 4.5).
    Modifications,
    /// `.`: it varies or is unknown.
    Unknown,
}

impl Number {
    pub(super) fn parse(text: &str, version: VcfVersion) -> Option<Self> {
        Some(match text {
            "." => Self::Unknown,
            "A" => Self::Alternates,
            "G" => Self::Genotypes,
            "R" if version >= VcfVersion::V4_2 => Self::Alleles,
            "P" if version >= VcfVersion::V4_4 => Self::Ploidy,
            "LA" | "LR" | "LG" if version >= VcfVersion::V4_5 => Self::Local,
            "M" if version >= VcfVersion::V4_5 => Self::Modifications,
            digits if digits.bytes().all(|b| b.is_ascii_digit()) => Self::Count(digits.parse().ok()?),
            _ => return None,
        })
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(n) => write!(f, "{n}"),
            Self::Alternates => f.write_str("A"),
            Self::Alleles => f.write_str("R"),
            Self::Genotypes => f.write_str("G"),
            Self::Local => f.write_str("LA"),
            Self::Ploidy => f.write_str("P"),
            Self::Modifications => f.write_str("M"),
            Self::Unknown => f.write_str("."),
        }
    }
}

/// The type of a field's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FieldType {
    /// A whole number of 32 bits.
    Integer,
    /// A number of 32 bits with a fraction.
    Float,
    /// There or not there.
    Flag,
    /// One character.
    Character,
    /// Text.
    String,
}

impl FieldType {
    pub(super) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "Integer" => Self::Integer,
            "Float" => Self::Float,
            "Flag" => Self::Flag,
            "Character" => Self::Character,
            "String" => Self::String,
            _ => return None,
        })
    }

    /// As the header has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Integer => "Integer",
            Self::Float => "Float",
            Self::Flag => "Flag",
            Self::Character => "Character",
            Self::String => "String",
        }
    }
}

/// What an `##INFO` or `##FORMAT` line says of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldDefinition {
    /// The key.
    pub id: String,
    /// How many values it has.
    pub number: Number,
    /// Their type.
    pub kind: FieldType,
    /// The description, quotes and escapes resolved.
    pub description: String,
}

/// What a `##contig` line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contig {
    /// The name.
    pub id: String,
    /// The length in bases.
    pub length: Option<u64>,
}

/// What a `##FILTER` or `##ALT` line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// The name.
    pub id: String,
    /// The description, quotes and escapes resolved.
    pub description: String,
}

/// A meta line: `##key=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetaLine<'a> {
    /// The word in front of the first `=`.
    pub key: &'a str,
    /// All behind it.
    pub value: &'a str,
}

impl<'a> MetaLine<'a> {
    /// The fields of a structured value `<a=1,b="2">`, in their order, quotes and escapes resolved. `None` for plain text.
    pub fn fields(&self) -> Option<Vec<(&'a str, String)>> {
        let fields = Fields::parse(self.value).ok()?;
        Some(fields.list.into_iter().map(|f| (f.key, f.text())).collect())
    }
}

/// Things with a name, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Named<T> {
    list: Vec<T>,
    by_id: HashMap<String, usize>,
}

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self { list: Vec::new(), by_id: HashMap::new() }
    }
}

impl<T> Named<T> {
    fn get(&self, id: &str) -> Option<&T> {
        self.by_id.get(id).map(|&i| &self.list[i])
    }

    /// `false` where the name is taken; the first one stays.
    fn insert(&mut self, id: &str, item: T) -> bool {
        let next = self.list.len();
        if self.by_id.contains_key(id) {
            return false;
        }
        self.by_id.insert(id.to_owned(), next);
        self.list.push(item);
        true
    }
}

/// The header of a VCF or BCF file: every line as it stood in the file, and what the typed ones say.
///
/// ```
/// use genome_formats::vcf::{FieldType, Number, VcfHeader};
///
/// let mut header = VcfHeader::default(); // ##fileformat=VCFv4.3 and no samples
/// header.push("##INFO=<ID=DP,Number=1,Type=Integer,Description=\"Depth\">")?;
/// header.push("##contig=<ID=chr1,length=248956422>")?;
/// header.set_samples(["mother", "child"])?;
///
/// let depth = header.info("DP").unwrap();
/// assert_eq!((depth.number, depth.kind), (Number::Count(1), FieldType::Integer));
/// assert_eq!(header.contigs()[0].length, Some(248_956_422));
/// assert!(header.to_string().ends_with("INFO\tFORMAT\tmother\tchild\n"));
/// # Ok::<(), genome_formats::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VcfHeader {
    version: VcfVersion,
    /// The meta lines, each with a line feed.
    text: String,
    infos: Named<FieldDefinition>,
    formats: Named<FieldDefinition>,
    filters: Named<Described>,
    alts: Named<Described>,
    contigs: Named<Contig>,
    samples: Vec<String>,
    /// Whether the column line has FORMAT.
    has_format: bool,
}

impl Default for VcfHeader {
    fn default() -> Self {
        Self::new(VcfVersion::default())
    }
}

impl VcfHeader {
    /// The name that errors of [`VcfHeader::push`] give.
    const PATH: &str = "<VCF header>";

    /// A header with nothing but its version.
    pub fn new(version: VcfVersion) -> Self {
        let mut header = Self::empty(version);
        header.text = format!("##fileformat={version}\n");
        header
    }

    fn empty(version: VcfVersion) -> Self {
        Self {
            version,
            text: String::new(),
            infos: Named::default(),
            formats: Named::default(),
            filters: Named::default(),
            alts: Named::default(),
            contigs: Named::default(),
            samples: Vec::new(),
            has_format: false,
        }
    }

    /// Begins with the first line of a file; `true` when that was the column line already.
    pub(crate) fn begin(line: &[u8], report: &mut Report) -> Parsed<(Self, bool)> {
        const RULE: &str = "file format line";
        let problem = |text: &'static str| Problem::new(RULE, text).expecting("##fileformat=VCFv4.x").finding(line);
        let Some(name) = line.strip_prefix(b"##fileformat=") else {
            if line.is_empty() {
                return Err(problem("the file does not start with ##fileformat: its first line is empty"));
            }
            if line.starts_with(b"##") || line.starts_with(b"#CHROM\t") {
                report.broken(problem("the first line is not ##fileformat"))?;
                let mut header = Self::new(VcfVersion::V4_2);
                let done = header.add_line(line, report)?;
                return Ok((header, done));
            }
            return Err(problem("this is no VCF file, or one without its header").of_kind(ErrorKind::Header));
        };
        let name = String::from_utf8_lossy(name);
        let version = match VcfVersion::from_name(&name) {
            Some(version) => version,
            None if name.is_empty() => return Err(problem("##fileformat is empty")),
            None => {
                let text = if name.contains(char::is_whitespace) {
                    "##fileformat has a white space"
                } else {
                    "##fileformat names an unknown version"
                };
                report.broken(problem(text))?;
                // As htslib does: an unknown version is read by the newest rules.
                VcfVersion::V4_5
            }
        };
        let mut header = Self::empty(version);
        header.text = format!("##fileformat={name}\n");
        Ok((header, false))
    }

    /// Adds a line of a file, without its line end. `true` when it was the column line, the last one.
    pub(crate) fn add_line(&mut self, line: &[u8], report: &mut Report) -> Parsed<bool> {
        let text = match std::str::from_utf8(line) {
            Ok(text) => text.into(),
            Err(_) => {
                let problem = Problem::new("header is UTF-8", "a header line is not UTF-8 text");
                report.broken(problem.expecting("UTF-8 (ASCII before VCFv4.3)").finding(line))?;
                String::from_utf8_lossy(line)
            }
        };
        if text.starts_with("##") {
            self.add_meta(&text, report)?;
            return Ok(false);
        }
        if text.starts_with('#') {
            self.add_columns(&text, report)?;
            return Ok(true);
        }
        Err(Problem::new("header line", "a header line that starts neither with ## nor with #CHROM")
            .expecting("##key=value, or the column line #CHROM POS ID ...")
            .finding(line))
    }

    /// Adds a meta line, `##` included.
    ///
    /// # Errors
    ///
    /// The line breaks a rule of this version, or its ID stands already in a line of the same key.
    pub fn push(&mut self, line: &str) -> Result<()> {
        let mut report = Report::new(Mode::Strict);
        let outcome = if !line.starts_with("##") || line.starts_with("##fileformat=") || line.contains(['\n', '\r']) {
            Err(Problem::new("header line", "this is no meta line that can be added")
                .expecting("one line that starts with ##")
                .finding(line.as_bytes()))
        } else {
            self.add_meta(line, &mut report)
        };
        outcome.map_err(|problem| problem.into_error(|kind, text| Error::new(kind, Self::PATH, text)))
    }

    /// Sets the samples; with at least one there is a FORMAT column.
    ///
    /// # Errors
    ///
    /// A name is empty, holds a tab or a line end, or stands twice.
    pub fn set_samples<S: Into<String>>(&mut self, names: impl IntoIterator<Item = S>) -> Result<()> {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        let mut report = Report::new(Mode::Strict);
        check_samples(&names, &mut report)
            .map_err(|problem| problem.into_error(|kind, text| Error::new(kind, Self::PATH, text)))?;
        self.has_format = !names.is_empty();
        self.samples = names;
        Ok(())
    }

    /// The version.
    pub fn version(&self) -> VcfVersion {
        self.version
    }

    /// The names of the samples.
    pub fn samples(&self) -> &[String] {
        &self.samples
    }

    /// Whether records have a FORMAT column.
    pub fn has_format(&self) -> bool {
        self.has_format
    }

    /// All meta lines, the first of them `##fileformat`.
    pub fn lines(&self) -> impl Iterator<Item = MetaLine<'_>> {
        self.text.lines().map(|line| {
            let line = line.strip_prefix("##").unwrap_or(line);
            let (key, value) = line.split_once('=').unwrap_or((line, ""));
            MetaLine { key, value }
        })
    }

    /// The `##INFO` lines.
    pub fn infos(&self) -> &[FieldDefinition] {
        &self.infos.list
    }

    /// The `##INFO` line of a key.
    pub fn info(&self, id: &str) -> Option<&FieldDefinition> {
        self.infos.get(id)
    }

    /// The `##FORMAT` lines.
    pub fn formats(&self) -> &[FieldDefinition] {
        &self.formats.list
    }

    /// The `##FORMAT` line of a key.
    pub fn format(&self, id: &str) -> Option<&FieldDefinition> {
        self.formats.get(id)
    }

    /// The `##FILTER` lines.
    pub fn filters(&self) -> &[Described] {
        &self.filters.list
    }

    /// The `##ALT` lines: symbolic alleles.
    pub fn alts(&self) -> &[Described] {
        &self.alts.list
    }

    /// The `##contig` lines.
    pub fn contigs(&self) -> &[Contig] {
        &self.contigs.list
    }

    /// The `##contig` line of a sequence.
    pub fn contig(&self, id: &str) -> Option<&Contig> {
        self.contigs.get(id)
    }

    pub(crate) fn has_filter(&self, id: &str) -> bool {
        self.filters.get(id).is_some()
    }

    /// What counts against [`Limits::max_header`](crate::Limits::max_header): the bytes of the text, and of the tables that
    /// typed lines are kept in. A line like `##contig=<ID=7>` takes more room there than in the text.
    pub(crate) fn size(&self) -> usize {
        let fields = self.infos.list.len() + self.formats.list.len();
        let others = self.filters.list.len() + self.alts.list.len() + self.contigs.list.len();
        self.text.len() + TABLE_ROW * (fields + others)
    }

    fn add_meta(&mut self, line: &str, report: &mut Report) -> Parsed<()> {
        let Some((key, value)) = line[2..].split_once('=') else {
            let problem = Problem::new("meta line is key=value", "a meta line is not key=value");
            report.broken(problem.expecting("##key=value").finding(line.as_bytes()))?;
            self.keep(line);
            return Ok(());
        };
        let definition = meta::check(key, value, self.version, report)?;
        self.keep(line);
        let Some(definition) = definition else {
            return Ok(());
        };
        // "All structured lines require an ID which must be unique within their type" (VCFv4.3, 1.4); earlier versions
        // do not ask for it, and their valid files have contig lines twice.
        let unique = match definition {
            meta::Definition::Info(d) => self.infos.insert(&d.id.clone(), d),
            meta::Definition::Format(d) => self.formats.insert(&d.id.clone(), d),
            meta::Definition::Filter(d) => self.filters.insert(&d.id.clone(), d),
            meta::Definition::Alt(d) => self.alts.insert(&d.id.clone(), d),
            meta::Definition::Contig(d) => self.contigs.insert(&d.id.clone(), d),
        };
        if !unique && self.version >= VcfVersion::V4_3 {
            let problem = Problem::new("unique ID", format!("two {key} lines have the same ID"));
            report.broken(problem.of_kind(ErrorKind::Duplicate).expecting("each ID once").finding(value.as_bytes()))?;
        }
        Ok(())
    }

    fn keep(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn add_columns(&mut self, line: &str, report: &mut Report) -> Parsed<()> {
        const RULE: &str = "column line";
        const FIXED: [&str; 8] = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO"];
        let mut columns = line.split('\t');
        for (i, name) in FIXED.iter().enumerate() {
            let column = columns.next();
            if column != Some(*name) {
                return Err(Problem::new(RULE, "a wrong name in the column line")
                    .at(i as u64 + 1)
                    .expecting(*name)
                    .finding(column.unwrap_or("").as_bytes()));
            }
        }
        match columns.next() {
            None => return Ok(()),
            Some("FORMAT") => {}
            Some(other) => {
                return Err(Problem::new(RULE, "a wrong name in the column line")
                    .at(9)
                    .expecting("FORMAT, or the end of the line")
                    .finding(other.as_bytes()));
            }
        }
        let mut samples = Vec::new();
        for name in columns {
            if samples.len() == MAX_SAMPLES {
                let problem = format!("the header has more than {MAX_SAMPLES} samples");
                return Err(Problem::new("number of samples", problem).of_kind(ErrorKind::Limit));
            }
            samples.push(name.to_owned());
        }
        if samples.is_empty() {
            let problem = Problem::new(RULE, "the column line has FORMAT, but no sample");
            report.broken(problem.at(9).expecting("sample names behind FORMAT"))?;
        }
        check_samples(&samples, report)?;
        self.has_format = true;
        self.samples = samples;
        Ok(())
    }
}

impl fmt::Display for VcfHeader {
    /// The whole header as a file has it, the column line included.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        f.write_str("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO")?;
        if self.has_format {
            f.write_str("\tFORMAT")?;
        }
        for name in &self.samples {
            write!(f, "\t{name}")?;
        }
        f.write_str("\n")
    }
}

fn check_samples(names: &[String], report: &mut Report) -> Parsed<()> {
    if let Some(bad) = names.iter().find(|n| n.is_empty() || n.contains(['\t', '\n', '\r'])) {
        let problem = Problem::new("sample name", "a sample has an empty or unreadable name");
        report.broken(problem.expecting("a name without tabs and line ends").finding(bad.as_bytes()))?;
    }
    let mut sorted: Vec<&String> = names.iter().collect();
    sorted.sort_unstable();
    if let Some(twice) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        let problem = Problem::new("unique samples", "sample names are not unique").of_kind(ErrorKind::Duplicate);
        report.broken(problem.expecting("each sample name once").finding(twice[0].as_bytes()))?;
    }
    Ok(())
}
