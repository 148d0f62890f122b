//! From a line to an owned record, with every rule of a single record.

use std::borrow::Cow;

use crate::error::ErrorKind;

use super::allele::{Allele, is_bases, parse_allele};
use super::header::{FieldType, Number, VcfHeader, VcfVersion};
use super::meta::{contig_rule, is_contig};
use super::problem::{Parsed, Problem, Report};
use super::record::{Variant, genotype_count};
use super::reserved::{Place, Range, reserved};
use super::value::{Call, Column, Lists, Value, implied_phase};
use super::view::VariantView;

/// BCF counts alleles and INFO fields in 16 bits; no record has more of anything.
const MAX_PARTS: usize = 0xffff;

/// Turns lines into records; remembers what the last FORMAT column meant.
#[derive(Debug, Default)]
pub(super) struct RecordParser {
    format_text: Vec<u8>,
    format: Vec<Field>,
}

/// How the values of a key are read.
#[derive(Debug, Clone)]
struct Field {
    key: String,
    kind: FieldType,
    number: Number,
    range: Range,
    place: Place,
    version: VcfVersion,
}

impl Field {
    fn new(place: Place, key: &str, header: &VcfHeader) -> Self {
        let version = header.version();
        let definition = match place {
            Place::Info => header.info(key),
            Place::Format => header.format(key),
        };
        let rule = reserved(place, key, version);
        let (kind, number) = match (definition, rule) {
            (Some(definition), _) => (definition.kind, definition.number),
            (None, Some(rule)) => (rule.kind, rule.number),
            (None, None) => (FieldType::String, Number::Unknown),
        };
        let range = rule.map_or(Range::Any, |r| r.range);
        Self { key: key.to_owned(), kind, number, range, place, version }
    }

    fn problem(&self, rule: &'static str, text: impl std::fmt::Display) -> Box<Problem> {
        let column = if self.place == Place::Info { 8 } else { 10 };
        Problem::new(rule, format!("{} {} {text}", self.place.name(), self.key)).at(column)
    }

    /// A whole number; `None` where it is missing, or broken and forgiven.
    fn integer(&self, text: &[u8], report: &mut Report) -> Parsed<Option<i32>> {
        if text == b"." {
            return Ok(None);
        }
        let Some(n) = parse_integer(text) else {
            let problem = self.problem("type of a value", "is not a whole number, which its Type says");
            report.broken(problem.expecting("Integer").finding(text))?;
            return Ok(None);
        };
        // "Integer (32-bit, signed) ... values from -2^31 to -2^31 + 7 cannot be stored in BCF and are disallowed" (1.3)
        let lowest = if self.version >= VcfVersion::V4_3 { i64::from(i32::MIN) + 8 } else { i64::from(i32::MIN) };
        if n < lowest || n > i64::from(i32::MAX) {
            let what = if n < i64::from(i32::MIN) || n > i64::from(i32::MAX) {
                "is an integer overflow: it does not fit into 32 bits"
            } else {
                "is a reserved value of Integer"
            };
            let problem = self.problem("32-bit integers", what);
            report.broken(problem.expecting(format!("{lowest} to {}", i32::MAX)).finding(text))?;
            return Ok(None);
        }
        if self.range == Range::Natural && n < 0 {
            let problem = self.problem("range of a reserved key", "is a negative number");
            report.broken(problem.expecting("0 or more").finding(text))?;
        }
        Ok(i32::try_from(n).ok())
    }

    fn float(&self, text: &[u8], report: &mut Report) -> Parsed<Option<f32>> {
        if text == b"." {
            return Ok(None);
        }
        let Some(n) = parse_float(text) else {
            let problem = self.problem("type of a value", "is not a number, which its Type says");
            report.broken(problem.expecting("Float").finding(text))?;
            return Ok(None);
        };
        if self.range == Range::Fraction && !(0.0..=1.0).contains(&n) && !n.is_nan() {
            let what = if n < 0.0 { "is a negative number" } else { "is larger than 1" };
            let problem = self.problem("range of a reserved key", what);
            report.broken(problem.expecting("a frequency from 0 to 1").finding(text))?;
        }
        Ok(Some(n))
    }

    fn check_text(&self, text: &[u8], report: &mut Report) -> Parsed<()> {
        if self.kind == FieldType::Character && text != b"." {
            let single = |piece: &[u8]| {
                let percent = piece.len() == 3 && piece[0] == b'%' && self.version >= VcfVersion::V4_3;
                percent || String::from_utf8_lossy(piece).chars().count() == 1
            };
            if let Some(piece) = text.split(|&b| b == b',').find(|p| !single(p)) {
                let problem = self.problem("type of a value", "is not a single character, which its Type says");
                report.broken(problem.expecting("Character").finding(piece))?;
            }
        }
        if self.range == Range::Cigar && text != b"." {
            let broken = text.split(|&b| b == b',').find(|p| *p != b"." && !is_cigar(p));
            if let Some(piece) = broken {
                let problem = self.problem("range of a reserved key", "is not a CIGAR string");
                report.broken(problem.expecting("lengths with the letters MIDNSHPX=").finding(piece))?;
            }
        }
        Ok(())
    }

    /// Checks how many values there are.
    fn check_count(
        &self,
        count: usize,
        site: &Site,
        ploidy: Option<usize>,
        text: &[u8],
        report: &mut Report,
    ) -> Parsed<()> {
        if text == b"." {
            return Ok(());
        }
        let one_of = |allowed: &[usize]| allowed.contains(&count);
        let (fits, expected) = match self.number {
            Number::Count(n) => (count == n as usize, n as usize),
            Number::Alternates => (one_of(&[site.alternates, site.listed]), site.alternates),
            Number::Alleles => (one_of(&[site.alternates + 1, site.listed + 1]), site.alternates + 1),
            // "GL ... for ploidy P and N alternate alleles"; in INFO, G has no meaning.
            Number::Genotypes if self.place == Place::Format && self.kind != FieldType::String => {
                let genotypes = |p: usize| genotype_count(site.alternates + 1, p).unwrap_or(usize::MAX);
                match ploidy {
                    Some(p) => (count == genotypes(p), genotypes(p)),
                    None => (one_of(&[genotypes(1), genotypes(2)]), genotypes(2)),
                }
            }
            _ => return Ok(()),
        };
        if fits {
            return Ok(());
        }
        let what = match self.number {
            Number::Genotypes => {
                "does not match its Number G: the cardinality from alleles and ploidy is another".into()
            }
            number => format!("does not match its Number {number}"),
        };
        let problem = self.problem("number of values", what);
        let expected = crate::error::count(expected as u64, "value");
        report.broken(problem.expecting(expected).finding(text))
    }
}

/// What the other columns of a record say.
#[derive(Debug, Clone, Copy)]
struct Site {
    position: u64,
    /// Alternate alleles; an ALT of `.` counts as one, as in the test files of the specification.
    alternates: usize,
    /// Alternate alleles without that.
    listed: usize,
}

impl RecordParser {
    pub(super) fn parse(&mut self, view: &VariantView<'_>, report: &mut Report) -> Parsed<Variant> {
        let header = view.header();
        check_letters(view.line(), header.version(), report)?;
        let columns = Rest::of(view, report)?;
        let (reference, alternates) = alleles(view, report)?;
        let site = Site { position: view.position(), alternates: alternates.len().max(1), listed: alternates.len() };
        Ok(Variant {
            chrom: chrom(view.chrom(), header.version(), report)?,
            start: start(view, report)?,
            ids: ids(view.ids(), header.version(), report)?,
            reference,
            alternates,
            qual: qual(columns.qual, report)?,
            filters: filters(columns.filter, header.version(), report)?,
            info: info(columns.info, header, &site, report)?,
            formats: self.formats(view, columns.samples, header, &site, report)?,
        })
    }

    fn formats(
        &mut self,
        view: &VariantView<'_>,
        samples: bool,
        header: &VcfHeader,
        site: &Site,
        report: &mut Report,
    ) -> Parsed<Vec<(String, Column)>> {
        if !samples {
            return Ok(Vec::new());
        }
        let text = view.format();
        if text == b"." {
            return Ok(Vec::new());
        }
        if text != self.format_text || self.format.is_empty() {
            self.format_text.clear(); // a FORMAT that is broken is never taken from memory
            self.format = format_keys(text, header, report)?;
            if report.forgiven.is_empty() {
                self.format_text.extend_from_slice(text);
            }
        }
        let n = header.samples().len();
        // Values that are left out take no room in the line, but in memory: bound them by what was read.
        if n.saturating_mul(self.format.len()) > 2 * view.line().len() + (1 << 20) {
            let problem = Problem::new("number of values", "a record leaves out more values than is sane");
            return Err(problem.at(9).of_kind(ErrorKind::Limit));
        }
        let mut columns: Vec<Column> = self.format.iter().map(|f| new_column(f, n)).collect();
        for (i, sample) in view.samples().enumerate() {
            let problem = |rule, text| Problem::new(rule, text).at(10 + i as u64);
            if sample.is_empty() && header.version() < VcfVersion::V4_5 {
                report
                    .broken(problem("empty field", "the column of a sample is empty").expecting("a dot for nothing"))?;
            }
            let mut pieces = sample.split(|&b| b == b':');
            let mut ploidy = None;
            for (field, column) in self.format.iter().zip(&mut columns) {
                let piece = pieces.next();
                if piece == Some(b"") && header.version() < VcfVersion::V4_5 && !sample.is_empty() {
                    let problem = problem("empty field", "a sample has an empty value");
                    report.broken(problem.expecting("a dot for nothing").finding(sample))?;
                }
                let found = push_value(field, column, piece, site, ploidy, report).map_err(|p| p.at(10 + i as u64))?;
                ploidy = ploidy.or(found);
            }
            if pieces.next().is_some() {
                let problem = problem("fields of a sample", "a sample has more fields than the FORMAT column");
                report.broken(problem.expecting(crate::error::quote(text)).finding(sample))?;
            }
        }
        Ok(self.format.iter().map(|f| f.key.clone()).zip(columns).collect())
    }
}

/// "The VCF specification: characters below 0x20 are disallowed" (1.2); text is UTF-8.
fn check_letters(line: &[u8], version: VcfVersion, report: &mut Report) -> Parsed<()> {
    if let Some(at) = line.iter().position(|&b| b < 0x20 && b != b'\t') {
        let problem = Problem::new("control character", "a record has a control character");
        report.broken(problem.expecting("visible text").found(crate::error::letter(line[at])))?;
    }
    if !line.is_ascii() && std::str::from_utf8(line).is_err() {
        let problem = Problem::new("text is UTF-8", format!("a record of {version} is not UTF-8 text"));
        report.broken(problem.finding(line))?;
    }
    Ok(())
}

/// The columns from QUAL to INFO, and whether those of the samples are there.
struct Rest<'a> {
    qual: &'a [u8],
    filter: &'a [u8],
    info: &'a [u8],
    samples: bool,
}

impl<'a> Rest<'a> {
    fn of(view: &VariantView<'a>, report: &mut Report) -> Parsed<Self> {
        let header = view.header();
        let n = memchr::memchr_iter(b'\t', view.line()).count() + 1;
        let expected = if header.has_format() { 9 + header.samples().len() } else { 8 };
        if n != expected {
            let problem = Problem::new("number of columns", "a record has another number of columns than the header")
                .expecting(crate::error::count(expected as u64, "column"))
                .found(crate::error::count(n as u64, "column"));
            // What is behind the columns that the header knows can be left out.
            if n < 8 || header.has_format() && n != 8 {
                return Err(problem);
            }
            report.broken(problem)?;
        }
        let samples = header.has_format() && n == expected;
        Ok(Self { qual: view.qual(), filter: view.filter(), info: view.info(), samples })
    }
}

fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

fn chrom(name: &[u8], version: VcfVersion, report: &mut Report) -> Parsed<String> {
    let inner = match (name.strip_prefix(b"<"), name.strip_suffix(b">")) {
        (Some(_), Some(_)) if name.len() > 2 => &name[1..name.len() - 1],
        _ => name,
    };
    if !is_contig(inner, version) {
        let what = match inner.iter().find(|b| b" <>:,*".contains(b)) {
            _ if inner.is_empty() => "is empty",
            Some(b' ') => "has a white space",
            Some(b'<' | b'>') => "has an angle bracket",
            Some(b':') => "has a colon",
            Some(b',') => "has a comma",
            _ => "has an illegal character",
        };
        let problem = Problem::new("name of a sequence", format!("the contig ID in CHROM {what}")).at(1);
        report.broken(problem.expecting(contig_rule(version)).finding(name))?;
    }
    Ok(text(name).into_owned())
}

fn start(view: &VariantView<'_>, report: &mut Report) -> Parsed<Option<u64>> {
    if view.position() > i32::MAX as u64 {
        let problem = Problem::new("32-bit integers", "POS does not fit into 32 bits").at(2);
        report.broken(problem.expecting(format!("0 to {}", i32::MAX)).found(view.position().to_string()))?;
    }
    Ok(view.start())
}

/// "ID: semicolon-separated list of unique identifiers; no white space or semicolons permitted" (1.6.1).
fn ids(column: &[u8], version: VcfVersion, report: &mut Report) -> Parsed<Vec<String>> {
    if column == b"." {
        return Ok(Vec::new());
    }
    let parts = parts(column, b';', "ID", 3)?;
    if column.iter().any(u8::is_ascii_whitespace) {
        let problem = Problem::new("ID", "ID has a white space").at(3);
        report.broken(problem.finding(column))?;
    }
    if parts.contains(&&b""[..]) {
        let what = match (column.first(), column.last()) {
            (None, _) => "ID is empty",
            (Some(b';'), _) => "ID begins with a semicolon",
            (_, Some(b';')) => "ID ends with a semicolon",
            _ => "ID has an empty part",
        };
        report.broken(Problem::new("ID", what).at(3).finding(column))?;
    }
    if parts.contains(&&b"."[..]) {
        report.broken(Problem::new("ID", "ID has a missing value besides a name").at(3).finding(column))?;
    }
    if version >= VcfVersion::V4_3
        && let Some(twice) = duplicate(&parts)
    {
        let problem = Problem::new("unique ID", "ID has duplicate values").of_kind(ErrorKind::Duplicate);
        report.broken(problem.at(3).expecting("each once").finding(twice))?;
    }
    Ok(parts.into_iter().filter(|p| !p.is_empty()).map(|p| text(p).into_owned()).collect())
}

fn alleles(view: &VariantView<'_>, report: &mut Report) -> Parsed<(Vec<u8>, Vec<Allele>)> {
    let reference = view.reference();
    if !is_bases(reference) {
        let what = match reference {
            b"" | b"." => "the REF allele is missing",
            r if r.contains(&b',') => "REF has more than one allele",
            _ => "REF has a letter that is no base",
        };
        report.broken(Problem::new("REF", what).at(4).expecting("bases among ACGTN").finding(reference))?;
    }
    let alt = view.alt();
    if alt == b"." {
        return Ok((reference.to_vec(), Vec::new()));
    }
    let mut alternates = Vec::new();
    for allele in parts(alt, b',', "ALT", 5)? {
        alternates.push(match parse_allele(allele) {
            Ok(allele) => allele,
            Err(what) => {
                let expected = "bases among ACGTN, <symbol>, a breakend or *";
                report.broken(Problem::new("ALT", what).at(5).expecting(expected).finding(alt))?;
                if allele == b"." { Allele::Missing } else { Allele::Bases(allele.to_vec()) }
            }
        });
    }
    Ok((reference.to_vec(), alternates))
}

fn qual(column: &[u8], report: &mut Report) -> Parsed<Option<f32>> {
    if column == b"." {
        return Ok(None);
    }
    let Some(qual) = parse_float(column) else {
        report.broken(Problem::new("QUAL", "QUAL is not a number").at(6).expecting("a number or .").finding(column))?;
        return Ok(None);
    };
    if qual < 0.0 {
        let problem = Problem::new("QUAL", "QUAL is a negative number").at(6);
        report.broken(problem.expecting("0 or more").finding(column))?;
    }
    Ok(Some(qual))
}

/// "FILTER: PASS if this position has passed all filters. Otherwise a semicolon-separated list of codes for filters that
/// fail. 0 is reserved and must not be used as a filter String" (1.6.1).
fn filters(column: &[u8], version: VcfVersion, report: &mut Report) -> Parsed<Vec<String>> {
    if column == b"." {
        return Ok(Vec::new());
    }
    let parts = parts(column, b';', "FILTER", 7)?;
    let what = if column.is_empty() {
        Some("FILTER is empty")
    } else if column.starts_with(b";") {
        Some("FILTER begins with a semicolon")
    } else if column.ends_with(b";") {
        Some("FILTER ends with a semicolon")
    } else if column.iter().any(u8::is_ascii_whitespace) {
        Some("FILTER has a white space")
    } else if parts.contains(&&b""[..]) {
        Some("FILTER has an empty part")
    } else if parts.contains(&&b"."[..]) {
        Some("FILTER has a missing value in addition to a name")
    } else if parts.contains(&&b"0"[..]) {
        Some("FILTER has the reserved value 0")
    } else if version >= VcfVersion::V4_3 && duplicate(&parts).is_some() {
        Some("FILTER has duplicate values")
    } else {
        None
    };
    if let Some(what) = what {
        report.broken(Problem::new("FILTER", what).at(7).expecting("PASS, . or names of filters").finding(column))?;
    }
    Ok(parts.into_iter().filter(|p| !p.is_empty() && *p != b".").map(|p| text(p).into_owned()).collect())
}

fn info(column: &[u8], header: &VcfHeader, site: &Site, report: &mut Report) -> Parsed<Vec<(String, Value)>> {
    if column == b"." {
        return Ok(Vec::new());
    }
    let version = header.version();
    let problem = |what: &'static str| Problem::new("INFO", what).at(8);
    let mut parts = parts(column, b';', "INFO", 8)?;
    if parts.contains(&&b""[..]) {
        let what = if column.is_empty() { "INFO is empty" } else { "INFO has an empty field (a semicolon too many)" };
        // A semicolon at the end is so common that VCFv4.4 mentions it; it is no part of the format all the same.
        report.broken(problem(what).expecting("key=value;key=value, or .").finding(column))?;
        parts.retain(|p| !p.is_empty());
    }
    // "no white space permitted" up to 4.2 (1.4.1); "space characters are allowed" in values since 4.3 (1.6.1).
    if version <= VcfVersion::V4_2 && column.iter().any(u8::is_ascii_whitespace) {
        report.broken(problem("INFO has a white space").finding(column))?;
    }
    let mut keys: Vec<&[u8]> = Vec::with_capacity(parts.len());
    let mut out = Vec::with_capacity(parts.len());
    for part in &parts {
        let (key, value) = match memchr::memchr(b'=', part) {
            Some(at) => (&part[..at], Some(&part[at + 1..])),
            None => (*part, None),
        };
        keys.push(key);
        if !is_info_key(key, version) {
            let expected = "a key that starts with a letter or _, and has letters, digits, _ and . only";
            let found = if key.iter().any(u8::is_ascii_whitespace) {
                "an INFO key has a white space"
            } else {
                "an INFO key has an illegal character"
            };
            report.broken(problem(found).expecting(expected).finding(key))?;
        }
        let key = text(key);
        let field = Field::new(Place::Info, &key, header);
        let value = info_value(&field, value, site, report)?;
        out.push((key.into_owned(), value));
    }
    if version >= VcfVersion::V4_3
        && let Some(twice) = duplicate(&keys)
    {
        let problem = problem("INFO has duplicate keys").of_kind(ErrorKind::Duplicate);
        report.broken(problem.expecting("each key once").finding(twice))?;
    }
    Ok(out)
}

/// "INFO keys must match `^([A-Za-z_][0-9A-Za-z_.]*|1000G)$`" (VCFv4.3, 1.6.1); up to 4.2 nothing is said of letters.
fn is_info_key(key: &[u8], version: VcfVersion) -> bool {
    if version <= VcfVersion::V4_2 {
        return !key.is_empty() && !key.contains(&b',');
    }
    key == b"1000G" || is_key(key)
}

fn is_key(key: &[u8]) -> bool {
    key.first().is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_')
        && key.iter().all(|b| b.is_ascii_alphanumeric() || b"_.".contains(b))
}

fn info_value(field: &Field, value: Option<&[u8]>, site: &Site, report: &mut Report) -> Parsed<Value> {
    if field.kind == FieldType::Flag {
        return flag(field, value, report);
    }
    let Some(value) = value else {
        if field.number != Number::Unknown && field.number != Number::Count(0) {
            let problem =
                field.problem("number of values", format!("has no value, but its Type is {}", field.kind.name()));
            report.broken(problem.expecting("key=value"))?;
        }
        return Ok(Value::Flag);
    };
    if value.is_empty() {
        report.broken(field.problem("empty field", "has an empty value").expecting("a dot for nothing"))?;
        return Ok(Value::Text(String::new()));
    }
    let parsed = match field.kind {
        FieldType::Integer => Value::Integers(list(value, |piece| field.integer(piece, report))?),
        FieldType::Float => Value::Floats(list(value, |piece| field.float(piece, report))?),
        _ => {
            field.check_text(value, report)?;
            Value::Text(text(value).into_owned())
        }
    };
    field.check_count(parsed.count(), site, None, value, report)?;
    if let Value::Integers(numbers) = &parsed {
        check_range(field, numbers, site, value, report)?;
    }
    // What is not of its type is kept as it stands.
    let broken = match &parsed {
        Value::Integers(numbers) => numbers.iter().filter(|n| n.is_none()).count(),
        Value::Floats(numbers) => numbers.iter().filter(|n| n.is_none()).count(),
        _ => 0,
    };
    let dots = value.split(|&b| b == b',').filter(|p| *p == b".").count();
    if broken > dots {
        return Ok(Value::Text(text(value).into_owned()));
    }
    Ok(parsed)
}

fn check_range(field: &Field, numbers: &[Option<i32>], site: &Site, text: &[u8], report: &mut Report) -> Parsed<()> {
    match (field.range, numbers) {
        (Range::End, [Some(end)]) if *end < 0 => {
            let problem = field.problem("range of a reserved key", "is a negative number");
            report.broken(problem.expecting("a position, counted from 1").finding(text))
        }
        (Range::End, [Some(end)]) if (*end as u64) < site.position => {
            let problem = field.problem("range of a reserved key", "is in front of POS");
            report.broken(problem.expecting(format!("{} or more", site.position)).finding(text))
        }
        (Range::Interval, [Some(low), Some(high)]) if *low > 0 || *high < 0 => {
            let problem = field.problem("range of a reserved key", "is no confidence interval around its position");
            report.broken(problem.expecting("a number up to 0 and one from 0").finding(text))
        }
        _ => Ok(()),
    }
}

/// A flag has no value; 0 and 1 are common, and stand in the valid test files.
fn flag(field: &Field, value: Option<&[u8]>, report: &mut Report) -> Parsed<Value> {
    match value {
        None | Some(b"1") => Ok(Value::Flag),
        Some(b"0") => Ok(Value::Integers(vec![Some(0)])),
        Some(other) => {
            let problem = field.problem("type of a value", "is a Flag and has a value (its Number is 0)");
            report.broken(problem.expecting("the key alone").finding(other))?;
            Ok(Value::Text(text(other).into_owned()))
        }
    }
}

/// "FORMAT: colon-separated alphanumeric String" up to 4.2 (1.4.2); `^[A-Za-z_][0-9A-Za-z_.]*$` since 4.3 (1.6.2). "The
/// first sub-field must always be the genotype (GT) if it is present."
fn format_keys(column: &[u8], header: &VcfHeader, report: &mut Report) -> Parsed<Vec<Field>> {
    let version = header.version();
    let parts = parts(column, b':', "FORMAT", 9)?;
    let problem = |what: &'static str| Problem::new("FORMAT", what).at(9).finding(column);
    for key in &parts {
        let legal = if version <= VcfVersion::V4_2 { key.iter().all(u8::is_ascii_alphanumeric) } else { is_key(key) };
        if key.is_empty() {
            report.broken(problem("FORMAT has an empty sub-field").expecting("keys with a colon between them"))?;
        } else if key.iter().any(u8::is_ascii_whitespace) {
            report.broken(problem("FORMAT has a white space"))?;
        } else if !legal && version <= VcfVersion::V4_2 {
            let problem = problem("FORMAT has a non-alphanumeric (illegal) character");
            report.broken(problem.expecting("keys of letters and digits"))?;
        } else if key.first().is_some_and(|b| !b.is_ascii_alphabetic() && *b != b'_') && !legal {
            report.broken(problem("a FORMAT key starts with a character other than a letter and _"))?;
        } else if !legal {
            let problem = problem("FORMAT has an illegal character");
            report.broken(problem.expecting("keys of letters, digits, _ and ."))?;
        }
    }
    if parts.iter().skip(1).any(|k| *k == b"GT") {
        report.broken(problem("the first field of FORMAT is not GT").expecting("GT first where it is present"))?;
    }
    if let Some(twice) = duplicate(&parts) {
        let problem = problem("FORMAT has duplicate fields").of_kind(ErrorKind::Duplicate);
        report.broken(problem.expecting("each key once").finding(twice))?;
    }
    Ok(parts.iter().map(|key| Field::new(Place::Format, &text(key), header)).collect())
}

fn new_column(field: &Field, samples: usize) -> Column {
    match field.kind {
        _ if field.key == "GT" => Column::Genotypes(Lists::with_capacity(samples)),
        FieldType::Integer => Column::Integers(Lists::with_capacity(samples)),
        FieldType::Float => Column::Floats(Lists::with_capacity(samples)),
        _ => Column::Text(Vec::with_capacity(samples)),
    }
}

/// Appends the value of a sample; for a genotype, gives its ploidy where that is known.
fn push_value(
    field: &Field,
    column: &mut Column,
    piece: Option<&[u8]>,
    site: &Site,
    ploidy: Option<usize>,
    report: &mut Report,
) -> Parsed<Option<usize>> {
    let piece = piece.unwrap_or(b".");
    let count = match column {
        Column::Genotypes(lists) => return genotype(field, lists, piece, site, report),
        Column::Integers(lists) => {
            for value in values(piece) {
                let value = field.integer(value, report)?;
                lists.add(value);
            }
            lists.close();
            lists.get(lists.len() - 1).map_or(0, <[_]>::len)
        }
        Column::Floats(lists) => {
            for value in values(piece) {
                let value = field.float(value, report)?;
                lists.add(value);
            }
            lists.close();
            lists.get(lists.len() - 1).map_or(0, <[_]>::len)
        }
        Column::Text(texts) => {
            if !piece.is_empty() {
                field.check_text(piece, report)?;
            }
            texts.push(text(piece).into_owned());
            values(piece).count()
        }
    };
    if !piece.is_empty() {
        field.check_count(count, site, ploidy, piece, report)?;
    }
    Ok(None)
}

/// Values between commas; none in an empty text.
fn values(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&b| b == b',').take(if text.is_empty() { 0 } else { usize::MAX })
}

/// "GT: allele values separated by / or |; 0 for the reference allele, 1 for the first alternate allele" (1.6.2).
fn genotype(
    field: &Field,
    lists: &mut Lists<Call>,
    text: &[u8],
    site: &Site,
    report: &mut Report,
) -> Parsed<Option<usize>> {
    let (prefix, rest) = match text.split_first() {
        Some((b'/', rest)) if field.version >= VcfVersion::V4_4 => (Some(false), rest),
        Some((b'|', rest)) if field.version >= VcfVersion::V4_4 => (Some(true), rest),
        _ => (None, text),
    };
    let mut phased = true;
    let mut rest = rest;
    let mut problem = None;
    loop {
        let end = rest.iter().position(|b| b"/|".contains(b)).unwrap_or(rest.len());
        let allele = match &rest[..end] {
            b"." => None,
            b"" => {
                problem = Some("has missing alleles: a genotype without a number on a side of / or |");
                break;
            }
            digits => match parse_integer(digits).and_then(|n| u32::try_from(n).ok()) {
                Some(allele) if digits[0].is_ascii_digit() => {
                    if allele as usize > site.alternates {
                        let problem = field.problem("range of an allele", "has an allele that is out of range");
                        let expected = format!("0 to {}", site.alternates);
                        report.broken(problem.expecting(expected).finding(text))?;
                    }
                    Some(allele)
                }
                _ => {
                    problem = Some("is not a valid genotype");
                    break;
                }
            },
        };
        lists.add(Call { allele, phased });
        if end == rest.len() {
            break;
        }
        phased = rest[end] == b'|';
        rest = &rest[end + 1..];
    }
    if let Some(what) = problem {
        let problem = field.problem("genotype", what);
        report.broken(problem.expecting("numbers of alleles with / or | between them").finding(text))?;
        lists.cut_open();
        lists.add(Call { allele: None, phased: true });
    }
    let calls = lists.open();
    let implied = implied_phase(&calls[1..]);
    calls[0].phased = prefix.unwrap_or(implied);
    // A lone dot says nothing, not even the ploidy.
    let ploidy = (calls.len() > 1 || calls[0].allele.is_some()).then_some(calls.len());
    lists.close();
    Ok(ploidy)
}

fn list<T>(text: &[u8], mut parse: impl FnMut(&[u8]) -> Parsed<Option<T>>) -> Parsed<Vec<Option<T>>> {
    text.split(|&b| b == b',').map(&mut parse).collect()
}

/// Splits a column; refuses numbers of parts that no record has.
fn parts<'a>(column: &'a [u8], separator: u8, name: &'static str, number: u64) -> Parsed<Vec<&'a [u8]>> {
    let parts: Vec<&[u8]> = column.split(|&b| b == separator).take(MAX_PARTS + 1).collect();
    if parts.len() > MAX_PARTS {
        let problem = Problem::new("number of parts", format!("{name} has more than {MAX_PARTS} parts"));
        return Err(problem.at(number).of_kind(ErrorKind::Limit));
    }
    Ok(parts)
}

fn duplicate<'a>(parts: &[&'a [u8]]) -> Option<&'a [u8]> {
    if parts.len() < 2 {
        return None;
    }
    let mut sorted = parts.to_vec();
    sorted.sort_unstable();
    sorted.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
}

/// A whole number; what does not fit into 64 bits is cut to the ends of their range.
fn parse_integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text.split_first()? {
        (b'-', digits) => (true, digits),
        (b'+', digits) => (false, digits),
        _ => (false, text),
    };
    if digits.is_empty() {
        return None;
    }
    let mut n = 0i64;
    for &byte in digits {
        if !byte.is_ascii_digit() {
            return None;
        }
        n = n.saturating_mul(10).saturating_add(i64::from(byte - b'0'));
    }
    Some(if negative { -n } else { n })
}

/// `^[-+]?[0-9]*\.?[0-9]+([eE][-+]?[0-9]+)?$`, `Inf`, `Infinity` and `NaN` in any case (VCFv4.3, 1.3).
pub(super) fn parse_float(text: &[u8]) -> Option<f32> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn is_cigar(text: &[u8]) -> bool {
    let mut digits = 0;
    for byte in text {
        match byte {
            b'0'..=b'9' => digits += 1,
            b'M' | b'I' | b'D' | b'N' | b'S' | b'H' | b'P' | b'X' | b'=' if digits > 0 => digits = 0,
            _ => return false,
        }
    }
    !text.is_empty() && digits == 0
}
