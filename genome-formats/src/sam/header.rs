//! The header of SAM, BAM and CRAM files: text that is kept as it is, and tables above it.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use super::tags::Seen;
use crate::error::{Error, ErrorKind, Result, quote};

/// What a header line costs besides its text, when it is held against [`Limits::max_header`](crate::Limits::max_header).
pub(crate) const LINE_COST: u64 = 64;

/// The longest reference sequence that SAM and BAM allow.
const MAX_LENGTH: u64 = (1 << 31) - 1;

/// The header of an alignment file: its lines in their order, as the file has them, and the reference sequences.
///
/// ```
/// use genome_formats::SamHeader;
///
/// let text = "@HD\tVN:1.6\tSO:coordinate\n@SQ\tSN:chr1\tLN:1000\n@RG\tID:a\tSM:leaf\n";
/// let header = SamHeader::parse(text)?;
/// assert_eq!(header.references()[0].length, 1000);
/// assert_eq!(header.reference_id("chr1"), Some(0));
/// assert_eq!(header.read_groups().next().unwrap().get("SM"), Some("leaf"));
/// assert_eq!(header.text(), text); // written back exactly
/// # Ok::<(), genome_formats::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct SamHeader {
    text: String,
    lines: Vec<(u32, HeaderKind)>,
    references: Vec<SamReference>,
    /// Ids of `references`, sorted by name.
    by_name: Vec<u32>,
    read_groups: HashSet<Box<str>>,
    programs: HashSet<Box<str>>,
}

/// A reference sequence of a [`SamHeader`], from an `@SQ` line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SamReference {
    /// SN, shared with the records that lie on it.
    pub name: Arc<str>,
    /// LN, in bases.
    pub length: u64,
}

/// What a header line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HeaderKind {
    /// `@HD`: version and order.
    Head,
    /// `@SQ`: a reference sequence.
    Reference,
    /// `@RG`: a read group.
    ReadGroup,
    /// `@PG`: a program.
    Program,
    /// `@CO`: a comment.
    Comment,
    /// Anything else; only a lenient reader lets it pass.
    Other,
}

/// How the records of a file are sorted, by its `@HD` line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SortOrder {
    /// `unknown`, or nothing is said.
    #[default]
    Unknown,
    /// `unsorted`
    Unsorted,
    /// `queryname`
    Name,
    /// `coordinate`: by reference in the order of the header, then by position; reads without a place last.
    Coordinate,
}

/// A line of a [`SamHeader`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderLine<'a> {
    kind: HeaderKind,
    text: &'a str,
}

impl<'a> HeaderLine<'a> {
    /// What the line is about.
    pub fn kind(&self) -> HeaderKind {
        self.kind
    }

    /// The line without its line end.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// The fields in their order: tag and value. None in a comment.
    pub fn fields(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let body = if self.kind == HeaderKind::Comment { "" } else { self.text };
        body.split('\t').skip(1).filter_map(|field| field.split_once(':'))
    }

    /// The value of a tag such as `SM`.
    pub fn get(&self, tag: &str) -> Option<&'a str> {
        self.fields().find(|(t, _)| *t == tag).map(|(_, value)| value)
    }
}

impl SamHeader {
    /// Reads the text of a header; every rule holds. Lines end with `\n`.
    ///
    /// # Errors
    ///
    /// A line breaks a rule of the specification, or two lines contradict each other.
    pub fn parse(text: &str) -> Result<Self> {
        let mut text = text.to_owned();
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        Self::build(text, &mut |problem| Err(problem.in_text("<header>")))
    }

    /// A header with reference sequences and nothing else.
    ///
    /// # Errors
    ///
    /// A name stands twice or is none, or a length is not 1 to 2^31-1.
    pub fn with_references<'a>(references: impl IntoIterator<Item = (&'a str, u64)>) -> Result<Self> {
        let mut text = String::from("@HD\tVN:1.6\n");
        for (name, length) in references {
            text.push_str(&format!("@SQ\tSN:{name}\tLN:{length}\n"));
        }
        Self::parse(&text)
    }

    /// The whole text, as it is written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The lines in their order.
    pub fn lines(&self) -> impl Iterator<Item = HeaderLine<'_>> {
        let mut start = 0;
        self.lines.iter().map(move |&(end, kind)| {
            let text = &self.text[start..end as usize - 1];
            start = end as usize;
            HeaderLine { kind, text }
        })
    }

    fn lines_of(&self, kind: HeaderKind) -> impl Iterator<Item = HeaderLine<'_>> {
        self.lines().filter(move |line| line.kind == kind)
    }

    /// The version of the specification, such as `1.6`.
    pub fn version(&self) -> Option<&str> {
        self.lines_of(HeaderKind::Head).next()?.get("VN")
    }

    /// How the file says that it is sorted.
    pub fn sort_order(&self) -> SortOrder {
        match self.lines_of(HeaderKind::Head).next().and_then(|line| line.get("SO")) {
            Some("unsorted") => SortOrder::Unsorted,
            Some("queryname") => SortOrder::Name,
            Some("coordinate") => SortOrder::Coordinate,
            _ => SortOrder::Unknown,
        }
    }

    /// The reference sequences; their index is the id that BAM uses.
    pub fn references(&self) -> &[SamReference] {
        &self.references
    }

    /// The index of a reference sequence.
    pub fn reference_id(&self, name: &str) -> Option<usize> {
        let found = self.by_name.binary_search_by(|&id| (*self.references[id as usize].name).cmp(name));
        found.ok().map(|at| self.by_name[at] as usize)
    }

    /// The `@RG` lines.
    pub fn read_groups(&self) -> impl Iterator<Item = HeaderLine<'_>> {
        self.lines_of(HeaderKind::ReadGroup)
    }

    /// The `@PG` lines.
    pub fn programs(&self) -> impl Iterator<Item = HeaderLine<'_>> {
        self.lines_of(HeaderKind::Program)
    }

    /// The texts of the `@CO` lines.
    pub fn comments(&self) -> impl Iterator<Item = &str> {
        self.lines_of(HeaderKind::Comment).map(|line| line.text.get(4..).unwrap_or_default())
    }

    /// Whether a record may name this read group: it has a line, or no group has.
    pub(crate) fn allows_read_group(&self, id: &str) -> bool {
        self.read_groups.is_empty() || self.read_groups.contains(id)
    }

    /// Whether a record may name this program: it has a line, or no program has.
    pub(crate) fn allows_program(&self, id: &str) -> bool {
        self.programs.is_empty() || self.programs.contains(id)
    }

    /// Reads lines that all end with `\n`. `report` hears of each broken rule; where it returns, the rule is forgiven.
    pub(crate) fn build(text: String, report: &mut dyn FnMut(Problem<'_>) -> Result<()>) -> Result<Self> {
        if u32::try_from(text.len()).is_err() {
            let problem = Problem::new(None, "a header of more than 4 GiB", "").at(0, "");
            return report(problem.clone()).and_then(|()| Err(problem.in_text("<header>")));
        }
        let mut this = Self::default();
        let mut builder = Builder { header: &mut this, number: 0, line: "", seen: Seen::default(), report };
        let mut end = 0;
        for (number, line) in text.split_terminator('\n').enumerate() {
            end += line.len() + 1;
            (builder.number, builder.line) = (number, line);
            let kind = builder.line()?;
            builder.header.lines.push((end as u32, kind));
        }
        builder.cross_check(&text)?;
        this.text = text;
        Ok(this)
    }
}

impl PartialEq for SamHeader {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && self.references == other.references
    }
}

impl fmt::Debug for SamHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SamHeader")
            .field("lines", &self.lines.len())
            .field("references", &self.references.len())
            .finish_non_exhaustive()
    }
}

/// A broken rule of a header.
#[derive(Debug, Clone)]
pub(crate) struct Problem<'a> {
    /// Index of the line, from 0.
    pub(crate) number: usize,
    pub(crate) line: &'a str,
    /// The short name of the rule, where a lenient reader can go on.
    pub(crate) rule: Option<&'static str>,
    pub(crate) kind: ErrorKind,
    pub(crate) problem: Cow<'static, str>,
    pub(crate) expected: &'static str,
    pub(crate) found: Option<String>,
}

impl<'a> Problem<'a> {
    fn new(rule: Option<&'static str>, problem: impl Into<Cow<'static, str>>, expected: &'static str) -> Self {
        let (problem, kind) = (problem.into(), ErrorKind::Syntax);
        Self { number: 0, line: "", rule, kind, problem, expected, found: None }
    }

    fn at(mut self, number: usize, line: &'a str) -> Self {
        (self.number, self.line) = (number, line);
        self
    }

    fn finding(mut self, found: &str) -> Self {
        self.found = Some(quote(found.as_bytes()));
        self
    }

    fn duplicate(mut self) -> Self {
        self.kind = ErrorKind::Duplicate;
        self
    }

    /// The error in a header that is a text of its own: lines are counted in it.
    pub(crate) fn in_text(self, path: &str) -> Error {
        let number = self.number as u64 + 1;
        self.error(path).at_line(number)
    }

    /// The error without a place.
    pub(crate) fn error(self, path: &str) -> Error {
        let mut error = Error::new(self.kind, path, self.problem).with_snippet(self.line.as_bytes());
        if !self.expected.is_empty() {
            error = error.expecting(self.expected);
        }
        match self.found {
            Some(found) => error.finding(found),
            None => error,
        }
    }
}

struct Builder<'a> {
    header: &'a mut SamHeader,
    number: usize,
    line: &'a str,
    seen: Seen,
    report: &'a mut dyn FnMut(Problem<'_>) -> Result<()>,
}

impl<'a> Builder<'a> {
    fn report(&mut self, problem: Problem<'_>) -> Result<()> {
        (self.report)(problem.at(self.number, self.line))
    }

    /// A value that breaks a rule and can be let pass.
    fn bad(&mut self, rule: &'static str, problem: &'static str, expected: &'static str, found: &str) -> Result<()> {
        self.report(Problem::new(Some(rule), problem, expected).finding(found))
    }

    /// The rules of one line (SAMv1, section 1.3).
    fn line(&mut self) -> Result<HeaderKind> {
        let line = self.line;
        let code = line.split('\t').next().unwrap_or_default();
        let kind = match code {
            "@HD" => HeaderKind::Head,
            "@SQ" => HeaderKind::Reference,
            "@RG" => HeaderKind::ReadGroup,
            "@PG" => HeaderKind::Program,
            "@CO" => HeaderKind::Comment,
            _ => HeaderKind::Other,
        };
        match kind {
            HeaderKind::Other => {
                self.bad("header line type", "an unknown type of header line", "@HD, @SQ, @RG, @PG or @CO", code)?;
                return Ok(kind);
            }
            HeaderKind::Comment => {
                // "/^@CO\t.*/"
                if line.len() == 3 {
                    self.bad("header fields", "a comment line without a tab", "@CO, a tab and text", line)?;
                }
                return Ok(kind);
            }
            _ => {}
        }
        self.fields(kind)?;
        let line = HeaderLine { kind, text: self.line };
        match kind {
            HeaderKind::Head => self.head(line)?,
            HeaderKind::Reference => self.reference(line)?,
            HeaderKind::ReadGroup => self.read_group(line)?,
            _ => self.program(line)?,
        }
        Ok(kind)
    }

    /// "/^@(HD|SQ|RG|PG)(\t[A-Za-z][A-Za-z0-9]:[ -~]+)+$/", each tag once.
    fn fields(&mut self, kind: HeaderKind) -> Result<()> {
        const EXPECTED: &str = "TAG:VALUE with a tag of a letter and a letter or digit";
        let line = self.line;
        self.seen.clear();
        let mut any = false;
        for field in line.split('\t').skip(1) {
            any = true;
            let [a, b, b':', value @ ..] = field.as_bytes() else {
                self.bad("header fields", "a malformed header field", EXPECTED, field)?;
                continue;
            };
            if !a.is_ascii_alphabetic() || !b.is_ascii_alphanumeric() {
                self.bad("header fields", "a bad tag of a header field", EXPECTED, field)?;
            } else if value.is_empty() {
                self.bad("header fields", "a header field without a value", EXPECTED, field)?;
            } else if !(value.iter().all(|b| matches!(b, b' '..=b'~'))
                || (kind != HeaderKind::Head && matches!(&[*a, *b], b"DS" | b"CL")))
            {
                // "DS Description. UTF-8 encoding may be used.", "CL Command line. UTF-8 encoding may be used."
                self.bad(
                    "header text",
                    "a header value that is not printable ASCII",
                    "ASCII outside of DS and CL",
                    field,
                )?;
            }
            if self.seen.check([*a, *b]).is_err() {
                // "Within each (non-@CO) header line, no field tag may appear more than once"
                let problem =
                    Problem::new(Some("duplicate header tag"), "a header line has a tag twice", "each tag once");
                self.report(problem.finding(field).duplicate())?;
            }
        }
        if !any {
            self.bad("header fields", "a header line without fields", EXPECTED, line)?;
        }
        Ok(())
    }

    fn head(&mut self, line: HeaderLine<'_>) -> Result<()> {
        // "The header line. If present, there must be only one @HD line and it must be the first line of the file."
        if self.number > 0 {
            self.report(Problem::new(
                Some("@HD first"),
                "an @HD line that is not the first line",
                "one @HD line, the first of the file",
            ))?;
        }
        match line.get("VN") {
            None => {
                self.report(Problem::new(Some("@HD VN"), "an @HD line without VN", "VN, the version of the format"))?
            }
            // "Accepted format: /^[0-9]+\.[0-9]+$/"
            Some(vn) if !vn.split_once('.').is_some_and(|(a, b)| is_digits(a) && is_digits(b)) => {
                self.bad("@HD VN", "a bad format version in VN", "two numbers and a dot, such as 1.6", vn)?;
            }
            Some(_) => {}
        }
        if let Some(so) = line.get("SO")
            && !matches!(so, "unknown" | "unsorted" | "queryname" | "coordinate")
        {
            self.bad("@HD SO", "an unknown sorting order in SO", "unknown, unsorted, queryname or coordinate", so)?;
        }
        if let Some(go) = line.get("GO")
            && !matches!(go, "none" | "query" | "reference")
        {
            self.bad("@HD GO", "an unknown grouping in GO", "none, query or reference", go)?;
        }
        if let Some(ss) = line.get("SS") {
            // "Regular expression: (coordinate|queryname|unsorted)(:[A-Za-z0-9_-]+)+"
            let mut parts = ss.split(':');
            let order = parts.next().unwrap_or_default();
            let word =
                |w: &str| !w.is_empty() && w.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
            let good = matches!(order, "coordinate" | "queryname" | "unsorted") && ss.contains(':') && parts.all(word);
            if !good {
                self.bad(
                    "@HD SS",
                    "a bad sub-sorting order in SS",
                    "coordinate, queryname or unsorted, and names behind colons",
                    ss,
                )?;
            }
        }
        Ok(())
    }

    fn reference(&mut self, line: HeaderLine<'_>) -> Result<()> {
        const LENGTH: &str = "LN, the length of the sequence, 1 to 2147483647";
        let Some(name) = line.get("SN") else {
            let problem = Problem::new(None, "an @SQ line without SN", "SN, the name of the sequence");
            return self.report(problem.clone()).and_then(|()| Err(problem.in_text("<header>")));
        };
        if !is_reference_name(name.as_bytes()) {
            self.bad("reference name", "a bad reference name in SN", REFERENCE_NAME, name)?;
        }
        let length = match line.get("LN").map(|ln| (ln, ln.parse::<u64>())) {
            Some((ln, Ok(length))) if is_digits(ln) => {
                if !(1..=MAX_LENGTH).contains(&length) {
                    self.bad("@SQ LN", "a bad length in LN", LENGTH, ln)?;
                }
                length
            }
            other => {
                let found = other.map_or("", |(ln, _)| ln);
                let problem = Problem::new(None, "an @SQ line without a length in LN", LENGTH).finding(found);
                return self.report(problem.clone()).and_then(|()| Err(problem.in_text("<header>")));
            }
        };
        if let Some(ah) = line.get("AH") {
            // "in the format ‘chr:start-end’, ‘chr’ (if known), or ‘*’ (if unknown)"
            let place = |text: &str| text.split_once('-').is_some_and(|(a, b)| is_digits(a) && is_digits(b));
            let name = match ah.rsplit_once(':') {
                Some((name, range)) if place(range) => name,
                _ => ah,
            };
            if ah != "*" && !is_reference_name(name.as_bytes()) {
                self.bad("@SQ AH", "a bad alternate locus in AH", "*, a reference name, or chr:start-end", ah)?;
            }
        }
        if let Some(an) = line.get("AN")
            && !an.split(',').all(|name| is_reference_name(name.as_bytes()))
        {
            self.bad("@SQ AN", "a bad alternative name in AN", REFERENCE_NAME, an)?;
        }
        if let Some(m5) = line.get("M5")
            && !(m5.len() == 32 && m5.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
        {
            self.bad("@SQ M5", "a bad MD5 sum in M5", "32 digits 0-9 and a-f", m5)?;
        }
        if let Some(tp) = line.get("TP")
            && !matches!(tp, "linear" | "circular")
        {
            self.bad("@SQ TP", "an unknown topology in TP", "linear or circular", tp)?;
        }
        self.header.references.push(SamReference { name: name.into(), length });
        Ok(())
    }

    fn read_group(&mut self, line: HeaderLine<'_>) -> Result<()> {
        let Some(id) = line.get("ID") else {
            return self.report(Problem::new(
                Some("@RG ID"),
                "an @RG line without ID",
                "ID, the name of the read group",
            ));
        };
        if !self.header.read_groups.insert(id.into()) {
            let problem =
                Problem::new(Some("@RG ID"), "two @RG lines have the same ID", "an ID of its own for each read group");
            self.report(problem.finding(id).duplicate())?;
        }
        if let Some(dt) = line.get("DT")
            && !is_date(dt.trim_end())
        {
            self.bad(
                "@RG DT",
                "a bad date in DT",
                "an ISO 8601 date such as 2020-06-23 or 2020-06-23T12:13:47+01:00",
                dt,
            )?;
        }
        if let Some(fo) = line.get("FO")
            && fo != "*"
            && !fo.bytes().all(|b| b"ACMGRSVTWYHKDBN".contains(&b))
        {
            self.bad("@RG FO", "a bad flow order in FO", "* or nucleotide codes", fo)?;
        }
        if let Some(pi) = line.get("PI")
            && !is_digits(pi)
        {
            // "Predicted median insert size, rounded to the nearest integer."
            self.bad("@RG PI", "a bad insert size in PI", "an integer", pi)?;
        }
        if let Some(pl) = line.get("PL") {
            // Lower case is all over the world's files.
            const KNOWN: [&str; 12] = [
                "CAPILLARY",
                "DNBSEQ",
                "ELEMENT",
                "HELICOS",
                "ILLUMINA",
                "IONTORRENT",
                "LS454",
                "ONT",
                "PACBIO",
                "SINGULAR",
                "SOLID",
                "ULTIMA",
            ];
            if !KNOWN.iter().any(|known| known.eq_ignore_ascii_case(pl)) {
                let expected = "CAPILLARY, DNBSEQ, ELEMENT, HELICOS, ILLUMINA, IONTORRENT, LS454, ONT, PACBIO, SINGULAR, SOLID or ULTIMA";
                self.bad("@RG PL", "an unknown platform in PL", expected, pl)?;
            }
        }
        Ok(())
    }

    fn program(&mut self, line: HeaderLine<'_>) -> Result<()> {
        let Some(id) = line.get("ID") else {
            return self.report(Problem::new(
                Some("@PG ID"),
                "a @PG line without ID",
                "ID, the name of the program record",
            ));
        };
        if !self.header.programs.insert(id.into()) {
            let problem =
                Problem::new(Some("@PG ID"), "two @PG lines have the same ID", "an ID of its own for each program");
            self.report(problem.finding(id).duplicate())?;
        }
        Ok(())
    }

    /// Rules between lines, once all are read.
    fn cross_check(&mut self, text: &'a str) -> Result<()> {
        // "The SN tags and all individual AN names in all @SQ lines must be distinct."
        let header = &mut *self.header;
        let mut order: Vec<u32> = (0..header.references.len() as u32).collect();
        order.sort_by(|&a, &b| {
            let name = |id: u32| &header.references[id as usize].name;
            name(a).cmp(name(b)).then(a.cmp(&b))
        });
        let twice = order
            .windows(2)
            .find(|pair| header.references[pair[0] as usize].name == header.references[pair[1] as usize].name);
        let twice = twice.map(|pair| pair[1] as usize);
        header.by_name = order;
        if let Some(id) = twice {
            let kinds = self.header.lines.iter().map(|&(_, kind)| kind);
            let numbers =
                kinds.enumerate().filter(|(_, kind)| *kind == HeaderKind::Reference).map(|(number, _)| number);
            self.number = numbers.clone().nth(id).unwrap_or_default();
            self.line = text.split_terminator('\n').nth(self.number).unwrap_or_default();
            let name = self.header.references[id].name.clone();
            let problem = Problem::new(None, "two @SQ lines have the same name", "a name of its own for each sequence");
            let problem = problem.finding(&name).duplicate();
            return self.report(problem.clone()).and_then(|()| Err(problem.in_text("<header>")));
        }
        let mut alternative = HashSet::new();
        for (number, line) in text.split_terminator('\n').enumerate() {
            (self.number, self.line) = (number, line);
            match self.header.lines[number].1 {
                HeaderKind::Reference => {
                    let names = HeaderLine { kind: HeaderKind::Reference, text: line }.get("AN");
                    for name in names.into_iter().flat_map(|an| an.split(',')) {
                        if self.header.reference_id(name).is_some() || !alternative.insert(name) {
                            let problem = Problem::new(
                                Some("@SQ AN"),
                                "an alternative name in AN is in use",
                                "names that stand once among SN and AN",
                            );
                            self.report(problem.finding(name).duplicate())?;
                        }
                    }
                }
                HeaderKind::Program => {
                    // "PP Previous @PG-ID. Must match another @PG header’s ID tag."
                    let previous = HeaderLine { kind: HeaderKind::Program, text: line }.get("PP");
                    if let Some(pp) = previous
                        && !self.header.programs.contains(pp)
                    {
                        self.bad(
                            "@PG PP",
                            "PP names a program that has no @PG line",
                            "the ID of another @PG line",
                            pp,
                        )?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// What a reference name looks like, in words.
pub(crate) const REFERENCE_NAME: &str = "visible ASCII without \\ , \" ' ` ( ) [ ] { } < >, not starting with * or =";

/// "[:rname:∧*=][:rname:]*" of section 1.2.1.
pub(crate) fn is_reference_name(name: &[u8]) -> bool {
    !name.is_empty() && !matches!(name[0], b'*' | b'=') && name.iter().all(|&b| NAME_BYTES[usize::from(b)])
}

/// Bytes that a reference name may have.
static NAME_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut b = b'!';
    while b <= b'~' {
        table[b as usize] =
            !matches!(b, b'\\' | b',' | b'"' | b'\'' | b'`' | b'(' | b')' | b'[' | b']' | b'{' | b'}' | b'<' | b'>');
        b += 1;
    }
    table
};

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// ISO 8601, to the day or with a time: `2020-06-23`, `20200623`, `2020-06-23T12:13:47.5+01:00`.
fn is_date(text: &str) -> bool {
    let (date, time) = text.split_once('T').map_or((text, None), |(date, time)| (date, Some(time)));
    let number = |text: &str, length: usize, min: u32, max: u32| {
        text.len() == length && is_digits(text) && text.parse().is_ok_and(|n: u32| (min..=max).contains(&n))
    };
    let fields: Vec<&str> = match date.len() {
        8 if date.is_ascii() => vec![&date[..4], &date[4..6], &date[6..]],
        _ => date.split('-').collect(),
    };
    let [year, month, day] = fields[..] else { return false };
    if !(number(year, 4, 0, 9999) && number(month, 2, 1, 12) && number(day, 2, 1, 31)) {
        return false;
    }
    let Some(time) = time else { return true };
    let (clock, zone) = match time.find(['Z', '+', '-']) {
        Some(at) => time.split_at(at),
        None => (time, ""),
    };
    let parts = |text: &str, max: &[u32]| {
        let digits = text.replace(':', "");
        let fields = digits.as_bytes().chunks(2);
        digits.is_ascii()
            && !digits.is_empty()
            && fields.len() <= max.len()
            && fields
                .zip(max)
                .all(|(field, &max)| std::str::from_utf8(field).is_ok_and(|field| number(field, 2, 0, max)))
    };
    let (clock, fraction) = clock.split_once(['.', ',']).map_or((clock, "0"), |(clock, fraction)| (clock, fraction));
    let zone_good = match zone.as_bytes() {
        [] | [b'Z'] => true,
        [b'+' | b'-', ..] => parts(&zone[1..], &[23, 59]),
        _ => false,
    };
    parts(clock, &[24, 59, 60]) && is_digits(fraction) && zone_good
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        SamHeader::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn tables_above_the_text() {
        let text = "@HD\tVN:1.6\tSO:queryname\n@SQ\tSN:b\tLN:7\tAN:B,bb\n@SQ\tLN:9\tSN:a\n@RG\tID:x y\tSM:s\n@PG\tID:p\tPP:q\n@PG\tID:q\tCL:a:b ☕\n@CO\tfree\ttext: ☕\n@CO\t\n";
        let header = SamHeader::parse(text).unwrap();
        assert_eq!(header.text(), text);
        assert_eq!(
            SamHeader::parse(text.trim_end_matches('\n')).unwrap().text(),
            text.strip_suffix('\n').unwrap().to_owned() + "\n"
        );
        assert_eq!((header.version(), header.sort_order()), (Some("1.6"), SortOrder::Name));
        let names: Vec<_> = header.references().iter().map(|r| (&*r.name, r.length)).collect();
        assert_eq!(names, [("b", 7), ("a", 9)]);
        assert_eq!(
            (header.reference_id("a"), header.reference_id("b"), header.reference_id("c")),
            (Some(1), Some(0), None)
        );
        assert_eq!(header.programs().nth(1).unwrap().get("CL"), Some("a:b ☕"));
        assert_eq!(header.comments().collect::<Vec<_>>(), ["free\ttext: ☕", ""]);
        assert!(header.allows_read_group("x y") && !header.allows_read_group("x"));
        assert!(SamHeader::default().allows_read_group("x"));
        assert_eq!(header.lines().map(|l| l.text()).collect::<Vec<_>>().join("\n") + "\n", text);
        let made = SamHeader::with_references([("b", 7), ("a", 9)]).unwrap();
        assert_eq!(made.references(), header.references());
    }

    #[test]
    fn rules_of_lines() {
        assert_eq!(
            error("@HD\tVN:1.6\n@SQ\tSN:a\tLN:0\n"),
            "<header>:2: a bad length in LN: expected LN, the length of the sequence, 1 to 2147483647, found \"0\""
        );
        let check = |text: &str, expected: &str| {
            let got = error(text);
            assert!(got.contains(expected), "{text:?}: {got}");
        };
        check("@XX\tAB:c", "unknown type of header line");
        check("x", "unknown type of header line");
        check("@CO", "a comment line without a tab");
        check("@HD", "without fields");
        check("@HD\tVN", "malformed header field");
        check("@HD\tVN:", "without a value");
        check("@HD\tVN:1.6\tV_:x", "bad tag");
        check("@HD\tVN:1.6\tXX:é", "not printable ASCII");
        check("@HD\tVN:1.6\tVN:1.6", "a tag twice");
        check("@HD\tSO:unsorted", "without VN");
        check("@HD\tVN:1", "bad format version");
        check("@HD\tVN:1.6\tSO:query", "sorting order");
        check("@HD\tVN:1.6\tGO:no", "grouping");
        check("@HD\tVN:1.6\tSS:unknown:MI", "sub-sorting");
        check("@HD\tVN:1.6\tSS:unsorted", "sub-sorting");
        check("@HD\tVN:1.6\tSS:unsorted:bar code", "sub-sorting");
        check("@CO\tx\n@HD\tVN:1.6", "not the first line");
        check("@SQ\tLN:5", "without SN");
        check("@SQ\tSN:a", "without a length");
        check("@SQ\tSN:a\tLN:5x", "without a length");
        check("@SQ\tSN:a\tLN:2147483648", "bad length");
        check("@SQ\tSN:*\tLN:1", "bad reference name");
        check("@SQ\tSN:a,b\tLN:1", "bad reference name");
        check("@SQ\tSN:a\tLN:1\n@CO\tx\n@SQ\tSN:a\tLN:1", "<header>:3: two @SQ lines have the same name");
        check("@SQ\tSN:a\tLN:1\tAH:=", "alternate locus");
        check("@SQ\tSN:a\tLN:1\tAN:b,*", "alternative name");
        check("@SQ\tSN:a\tLN:1\tAN:b,b", "is in use");
        check("@SQ\tSN:a\tLN:1\tAN:b\n@SQ\tSN:b\tLN:1", "<header>:1: an alternative name in AN is in use");
        check("@SQ\tSN:a\tLN:1\tM5:abc", "MD5");
        check("@SQ\tSN:a\tLN:1\tTP:round", "topology");
        check("@RG\tSM:a", "without ID");
        check("@RG\tID:a\n@RG\tID:a", "same ID");
        check("@RG\tID:a\tDT:2020-23-06", "bad date");
        check("@RG\tID:a\tPI:1.5", "insert size");
        check("@RG\tID:a\tPL:454", "platform");
        check("@RG\tID:a\tFO:AXQ", "flow order");
        check("@PG\tPN:a", "without ID");
        check("@PG\tID:a\tPP:b", "no @PG line");
    }

    #[test]
    fn dates() {
        for good in [
            "2020-06-23",
            "20200623",
            "2020-06-23T12:13:47+01:00",
            "2020-06-23T12:13Z",
            "20200623T121347.25-0500",
            "2020-06-23T12:13:47",
        ] {
            assert!(is_date(good), "{good}");
        }
        for bad in [
            "",
            "2020",
            "Tuesday",
            "2020-23-06",
            "2020-06-23T",
            "2020-06-23T25:00",
            "2020-06-23 12:00",
            "2020-06-23T12:00+1",
            "é20-06-23",
            "2020é6-2",
        ] {
            assert!(!is_date(bad), "{bad}");
        }
    }
}
