//! One meta line of a header, `##key=value`: its structure and the rules of its key.

use super::header::{Contig, Described, FieldDefinition, FieldType, Number, VcfVersion};
use super::problem::{Parsed, Problem, Report};
use super::reserved::{Place, reserved};

/// What a line defines.
#[derive(Debug)]
pub(super) enum Definition {
    Info(FieldDefinition),
    Format(FieldDefinition),
    Filter(Described),
    Alt(Described),
    Contig(Contig),
}

/// The fields of `<a=1,b="2">`.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    pub(super) list: Vec<Field<'a>>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Field<'a> {
    pub(super) key: &'a str,
    /// With its quotes or brackets.
    pub(super) raw: &'a str,
}

impl Field<'_> {
    fn is_quoted(&self) -> bool {
        self.raw.starts_with('"')
    }

    /// The value without quotes and escapes.
    pub(super) fn text(&self) -> String {
        let Some(inner) = self.raw.strip_prefix('"').and_then(|r| r.strip_suffix('"')) else {
            return self.raw.to_owned();
        };
        let mut out = String::with_capacity(inner.len());
        let mut chars = inner.chars();
        while let Some(c) = chars.next() {
            match c {
                '\\' => out.extend(chars.next()),
                c => out.push(c),
            }
        }
        out
    }
}

impl<'a> Fields<'a> {
    /// Splits a structured value. The error is a short text.
    pub(super) fn parse(value: &'a str) -> Result<Self, String> {
        let Some(body) = value.strip_prefix('<') else {
            return Err("the value does not start with <".to_owned());
        };
        let Some(body) = body.strip_suffix('>') else {
            return Err("the value is not closed with >".to_owned());
        };
        let mut list = Vec::new();
        let mut rest = body;
        loop {
            let piece_end = rest.find([',', '=']).unwrap_or(rest.len());
            let key = &rest[..piece_end];
            if !rest[piece_end..].starts_with('=') {
                return Err(format!("the part {} is not key=value (a comma must be in quotes)", quoted(key)));
            }
            if key.is_empty() || key.contains(char::is_whitespace) {
                return Err(format!("the field name {} is empty or has a white space", quoted(key)));
            }
            let value = &rest[piece_end + 1..];
            let length = if value.starts_with('"') {
                let Some(end) = closing_quote(value) else {
                    return Err(format!("{key} has no quotation mark at its end"));
                };
                end + 1
            } else if value.starts_with('[') {
                match value.find(']') {
                    Some(end) => end + 1,
                    None => return Err(format!("{key} has no ] at its end")),
                }
            } else {
                value.find(',').unwrap_or(value.len())
            };
            let (raw, behind) = value.split_at(length);
            list.push(Field { key, raw });
            if behind.is_empty() {
                return Ok(Self { list });
            }
            let Some(next) = behind.strip_prefix(',') else {
                return Err(format!("text follows the closing quotation mark of {key} (quotes inside must be \\\")"));
            };
            rest = next;
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<Field<'a>> {
        self.list.iter().find(|f| f.key == key).copied()
    }
}

fn quoted(text: &str) -> String {
    crate::error::quote(text.as_bytes())
}

/// Index of the quotation mark that ends a value which starts with one; `\"` does not.
fn closing_quote(value: &str) -> Option<usize> {
    let mut escaped = false;
    value.bytes().enumerate().skip(1).find_map(|(i, b)| {
        let ends = b == b'"' && !escaped;
        escaped = b == b'\\' && !escaped;
        ends.then_some(i)
    })
}

/// Checks a line, and gives what it defines. In lenient mode a broken line may define nothing.
pub(super) fn check(key: &str, value: &str, version: VcfVersion, report: &mut Report) -> Parsed<Option<Definition>> {
    let rules = Rules { key, value, version };
    if key.is_empty() || key.contains(char::is_whitespace) {
        report
            .broken(rules.problem("meta line is key=value", "the key of a meta line is empty or has a white space"))?;
    }
    if value.is_empty() {
        report.broken(
            rules.problem("meta line is key=value", "a meta line has an empty value").expecting("##key=value"),
        )?;
        return Ok(None);
    }
    match key {
        "INFO" | "FORMAT" | "FILTER" | "ALT" | "contig" | "SAMPLE" | "PEDIGREE" | "META" => {}
        "assembly" => return rules.url(value, report).map(|()| None),
        "pedigreeDB" => {
            // The examples of VCFv4.1 and 4.2 have the URL in angle brackets.
            let bare = value.strip_prefix('<').and_then(|v| v.strip_suffix('>')).unwrap_or(value);
            return rules.url(bare, report).map(|()| None);
        }
        _ => return rules.other(report).map(|()| None),
    }
    let fields = match Fields::parse(value) {
        Ok(fields) => fields,
        Err(text) => {
            report.broken(rules.problem("structured meta line", format!("broken ##{key} line: {text}")))?;
            return Ok(None);
        }
    };
    match key {
        "INFO" => Ok(rules.field(Place::Info, &fields, report)?.map(Definition::Info)),
        "FORMAT" => Ok(rules.field(Place::Format, &fields, report)?.map(Definition::Format)),
        "FILTER" => Ok(rules.filter(&fields, report)?.map(Definition::Filter)),
        "ALT" => Ok(rules.alt(&fields, report)?.map(Definition::Alt)),
        "contig" => Ok(rules.contig(&fields, report)?.map(Definition::Contig)),
        "SAMPLE" => rules.sample(&fields, report).map(|()| None),
        "PEDIGREE" => rules.pedigree(&fields, report).map(|()| None),
        _ => rules.meta(&fields, report).map(|()| None),
    }
}

/// The rules of one line.
#[derive(Clone, Copy)]
struct Rules<'a> {
    key: &'a str,
    value: &'a str,
    version: VcfVersion,
}

impl Rules<'_> {
    fn problem(&self, rule: &'static str, text: impl Into<std::borrow::Cow<'static, str>>) -> Box<Problem> {
        Problem::new(rule, text).finding(format!("##{}={}", self.key, self.value).as_bytes())
    }

    fn is_old(&self) -> bool {
        self.version <= VcfVersion::V4_2
    }

    /// Checks that the first fields have these names in this order; `optional` ones may be absent.
    fn order(&self, fields: &Fields<'_>, names: &[&str], optional: &[&str], report: &mut Report) -> Parsed<()> {
        let mut list = fields.list.iter().peekable();
        for name in names {
            if list.peek().is_some_and(|f| f.key == *name) {
                list.next();
            } else if !optional.contains(name) {
                let problem = if fields.get(name).is_some() {
                    self.problem("order of fields", format!("wrong order of the fields of ##{}", self.key))
                } else {
                    self.problem("missing field", format!("##{} has no {name}", self.key))
                };
                report.broken(problem.expecting(names.join(", ")))?;
                return Ok(());
            }
        }
        for name in names {
            if fields.list.iter().filter(|f| f.key == *name).count() > 1 {
                report.broken(self.problem("missing field", format!("##{} has {name} twice", self.key)))?;
            }
        }
        if let Some(name) = optional.iter().find(|o| list.clone().any(|f| f.key == **o)) {
            let problem =
                self.problem("order of fields", format!("wrong order of the fields of ##{}: {name}", self.key));
            report.broken(problem.expecting(names.join(", ")))?;
        }
        Ok(())
    }

    fn number(&self, fields: &Fields<'_>, report: &mut Report) -> Parsed<Number> {
        let Some(field) = fields.get("Number") else {
            return Ok(Number::Unknown);
        };
        if let Some(number) = Number::parse(field.raw, self.version) {
            return Ok(number);
        }
        let allowed = match self.version {
            VcfVersion::V4_0 | VcfVersion::V4_1 => "a whole number, A, G or .",
            VcfVersion::V4_2 | VcfVersion::V4_3 => "a whole number, A, R, G or .",
            _ => "a whole number, A, R, G, P, LA, LR, LG, M or .",
        };
        let problem = Problem::new("Number", format!("incorrect Number in ##{} of {}", self.key, self.version));
        report.broken(problem.expecting(allowed).finding(field.raw.as_bytes()))?;
        Ok(Number::Unknown)
    }

    fn kind(&self, fields: &Fields<'_>, flag: bool, report: &mut Report) -> Parsed<FieldType> {
        let Some(field) = fields.get("Type") else {
            return Ok(FieldType::String);
        };
        match FieldType::parse(field.raw) {
            Some(FieldType::Flag) if !flag => {}
            Some(kind) => return Ok(kind),
            None => {}
        }
        let allowed =
            if flag { "Integer, Float, Flag, Character or String" } else { "Integer, Float, Character or String" };
        let problem = Problem::new("Type", format!("incorrect Type in ##{}", self.key));
        report.broken(problem.expecting(allowed).finding(field.raw.as_bytes()))?;
        Ok(FieldType::String)
    }

    fn quoted(&self, fields: &Fields<'_>, name: &str, report: &mut Report) -> Parsed<String> {
        let Some(field) = fields.get(name) else {
            return Ok(String::new());
        };
        if !field.is_quoted() {
            let problem = format!("{name} of ##{} must be in double quotes", self.key);
            report.broken(Problem::new("quotes", problem).expecting("\"...\"").finding(field.raw.as_bytes()))?;
        }
        Ok(field.text())
    }

    /// The ID, checked by `allowed`.
    fn id(
        &self,
        fields: &Fields<'_>,
        expected: &'static str,
        allowed: impl Fn(&str) -> bool,
        report: &mut Report,
    ) -> Parsed<Option<String>> {
        let Some(field) = fields.get("ID") else {
            report.broken(self.problem("missing field", format!("##{} has no ID", self.key)).expecting("ID=..."))?;
            return Ok(None);
        };
        if field.raw.is_empty() || !allowed(field.raw) {
            let what = match field.raw.chars().find(|c| c.is_whitespace() || "<>,".contains(*c)) {
                Some(c) if c.is_whitespace() => "has a white space",
                Some('<') => "has an opening angle bracket",
                Some('>') => "has a closing angle bracket",
                _ if self.key == "ALT" => "has a type that is none of the known ones",
                _ => "has an illegal character, or is reserved",
            };
            let problem = Problem::new("ID", format!("the ID of ##{} {what}", self.key));
            report.broken(problem.expecting(expected).finding(field.raw.as_bytes()))?;
        }
        Ok((!field.raw.is_empty()).then(|| field.raw.to_owned()))
    }

    /// "INFO and FORMAT lines: first four keys are ID, Number, Type, Description, in this order" (1.2.2, 1.4.2).
    fn field(&self, place: Place, fields: &Fields<'_>, report: &mut Report) -> Parsed<Option<FieldDefinition>> {
        self.order(fields, &["ID", "Number", "Type", "Description"], &[], report)?;
        let no_blank = |id: &str| !id.contains(|c: char| c.is_whitespace() || ";,=<>:".contains(c));
        let Some(id) = self.id(fields, "a key without white space and ; , = < > :", no_blank, report)? else {
            return Ok(None);
        };
        let number = self.number(fields, report)?;
        let kind = self.kind(fields, place == Place::Info, report)?;
        let description = self.quoted(fields, "Description", report)?;
        if let Some(rule) = reserved(place, &id, self.version) {
            let name = place.name();
            let kind_fits =
                rule.kind == kind || rule.any_number_type && matches!(kind, FieldType::Integer | FieldType::Float);
            if !kind_fits {
                let problem = format!("{name} {id} is a reserved key: its Type is not {}", rule.kind.name());
                let problem = Problem::new("reserved keys", problem).expecting(rule.kind.name());
                report.broken(problem.finding(kind.name().as_bytes()))?;
            }
            if rule.number != Number::Unknown && rule.number != number {
                let problem = format!("{name} {id} is a reserved key: its Number is not {}", rule.number);
                let problem = Problem::new("reserved keys", problem).expecting(rule.number.to_string());
                report.broken(problem.finding(number.to_string().as_bytes()))?;
            }
        }
        Ok(Some(FieldDefinition { id, number, kind, description }))
    }

    fn filter(&self, fields: &Fields<'_>, report: &mut Report) -> Parsed<Option<Described>> {
        self.order(fields, &["ID", "Description"], &[], report)?;
        let allowed = |id: &str| id != "0" && !id.contains(|c: char| c.is_whitespace() || ";,".contains(c));
        let expected = "a name other than 0, without white space, comma and semicolon";
        let Some(id) = self.id(fields, expected, allowed, report)? else {
            return Ok(None);
        };
        let description = self.quoted(fields, "Description", report)?;
        Ok(Some(Described { id, description }))
    }

    /// "The first level type must be one of DEL, INS, DUP, INV, CNV" (VCFv4.1 and 4.2, 1.2.5); since 4.3 only where
    /// sub-types follow.
    fn alt(&self, fields: &Fields<'_>, report: &mut Report) -> Parsed<Option<Described>> {
        self.order(fields, &["ID", "Number", "Type", "Description"], &["Number", "Type"], report)?;
        let allowed = |id: &str| {
            let known = |first: &str| matches!(first, "DEL" | "INS" | "DUP" | "INV" | "CNV");
            let legal = !id.contains(|c: char| c.is_whitespace() || "<>,".contains(c));
            let typed = match id.split_once(':') {
                Some((first, _)) => known(first),
                None => known(id) || !self.is_old(),
            };
            legal && (typed || id == "*")
        };
        let expected =
            "a type among DEL, INS, DUP, INV and CNV, sub-types behind colons, no white space, comma, < or >";
        let Some(id) = self.id(fields, expected, allowed, report)? else {
            return Ok(None);
        };
        self.number(fields, report)?;
        self.kind(fields, true, report)?;
        let description = self.quoted(fields, "Description", report)?;
        Ok(Some(Described { id, description }))
    }

    fn contig(&self, fields: &Fields<'_>, report: &mut Report) -> Parsed<Option<Contig>> {
        let version = self.version;
        let Some(id) = self.id(fields, contig_rule(version), |id| is_contig(id.as_bytes(), version), report)? else {
            return Ok(None);
        };
        let length = match fields.get("length") {
            None => None,
            Some(field) => {
                let length = field.raw.parse().ok();
                if length.is_none() {
                    let problem = Problem::new("contig length", "the length of ##contig is not a whole number");
                    report.broken(problem.finding(field.raw.as_bytes()))?;
                }
                length
            }
        };
        Ok(Some(Contig { id, length }))
    }

    /// `##SAMPLE=<ID=S,Genomes=G1;G2,Mixture=N1;N2,Description="S1;S2">` up to 4.2 (1.2.8); free fields since 4.3 (1.4.8).
    fn sample(&self, fields: &Fields<'_>, report: &mut Report) -> Parsed<()> {
        if self.is_old() {
            self.order(fields, &["ID", "Genomes", "Mixture", "Description"], &[], report)?;
            if let Some(field) = fields.list.iter().find(|f| f.is_quoted() && f.key != "Description") {
                let problem = format!("a field of ##SAMPLE other than Description is in quotes: {}", field.key);
                report.broken(Problem::new("quotes", problem).finding(field.raw.as_bytes()))?;
            }
            self.quoted(fields, "Description", report)?;
        }
        self.id(fields, "a name of letters, digits and _.-+/@#", |id| self.is_plain_name(id), report)?;
        Ok(())
    }

    /// Names in SAMPLE and PEDIGREE lines.
    fn is_plain_name(&self, text: &str) -> bool {
        !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "_.-+/@#".contains(c))
    }

    /// `##PEDIGREE=<Name_0=G0-ID,Name_1=G1-ID>` up to 4.2 (1.2.9); with an ID since 4.3 (1.4.9).
    fn pedigree(&self, fields: &Fields<'_>, report: &mut Report) -> Parsed<()> {
        if !self.is_old() {
            self.order(fields, &["ID"], &[], report)?;
        }
        if let Some(field) = fields.list.iter().find(|f| !f.is_quoted() && !self.is_plain_name(f.raw)) {
            let what = if field.raw.contains(char::is_whitespace) {
                "has a white space"
            } else {
                "has a character that is not accepted"
            };
            let problem = Problem::new("pedigree", format!("the value of {} in ##PEDIGREE {what}", field.key));
            report.broken(problem.expecting("letters, digits and _.-+/@#").finding(field.raw.as_bytes()))?;
        }
        Ok(())
    }

    /// `##META=<ID=Assay,Type=String,Number=.,Values=[WholeGenome, Exome]>` (VCFv4.3, 1.4.8). The text of the
    /// specification and its test files disagree on the order of Type and Number; both are read.
    fn meta(&self, fields: &Fields<'_>, report: &mut Report) -> Parsed<()> {
        if self.is_old() {
            return Ok(());
        }
        let type_first = fields.list.get(1).is_some_and(|f| f.key == "Type");
        let order = if type_first { ["ID", "Type", "Number", "Values"] } else { ["ID", "Number", "Type", "Values"] };
        self.order(fields, &order, &[], report)?;
        self.number(fields, report)?;
        self.kind(fields, false, report)?;
        if let Some(values) = fields.get("Values")
            && !(values.raw.starts_with('[') && values.raw.ends_with(']'))
        {
            let problem = Problem::new("META values", "Values of ##META must be in square brackets");
            report.broken(problem.expecting("[a, b, c]").finding(values.raw.as_bytes()))?;
        }
        Ok(())
    }

    /// A key that the specification does not know. "All structured lines require an ID" (VCFv4.3, 1.4).
    fn other(&self, report: &mut Report) -> Parsed<()> {
        if self.is_old() || !self.value.starts_with('<') {
            return Ok(());
        }
        match Fields::parse(self.value) {
            Err(text) => {
                let text = format!("broken structured meta line: {text}");
                report.broken(self.problem("structured meta line", text))
            }
            Ok(fields) if fields.get("ID").is_none() => {
                report.broken(self.problem("missing field", "a structured meta line without ID").expecting("ID=..."))
            }
            Ok(_) => Ok(()),
        }
    }

    fn url(&self, text: &str, report: &mut Report) -> Parsed<()> {
        if is_url(text) {
            return Ok(());
        }
        let problem = Problem::new("URL", format!("the value of ##{} is not a valid URL", self.key));
        report.broken(problem.expecting("scheme://host/path").finding(text.as_bytes()))
    }
}

/// `scheme://[user@]host[:port][/path]`. A host whose last part is a number is an IPv4 address, as in the URL standard.
fn is_url(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else {
        return false;
    };
    let scheme_ok = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    let visible = !rest.is_empty() && !rest.contains(|c: char| c.is_whitespace() || "<>\"".contains(c));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let (host, port) = host.rsplit_once(':').unwrap_or((host, "0"));
    let numeric = host.rsplit('.').next().is_some_and(|l| !l.is_empty() && l.bytes().all(|b| b.is_ascii_digit()));
    let host_ok =
        if numeric { host.parse::<std::net::Ipv4Addr>().is_ok() } else { !host.is_empty() || scheme == "file" };
    scheme_ok && visible && host_ok && port.parse::<u16>().is_ok()
}

/// Whether a sequence name is legal, in a `##contig` line or (angle brackets taken off) in the column CHROM.
///
/// Up to 4.2: no white space and colon (1.4.1), and nothing that would break a `##contig` line. 4.3 took the letters of
/// SAM, without `*` and the colon that breakends need; 4.4 has those of SAM (1.4.7).
pub(super) fn is_contig(name: &[u8], version: VcfVersion) -> bool {
    let legal = |b: &u8| match version {
        VcfVersion::V4_0 | VcfVersion::V4_1 | VcfVersion::V4_2 => b.is_ascii_graphic() && !b",:<>\"".contains(b),
        VcfVersion::V4_3 => b.is_ascii_alphanumeric() || b"!#$%&+./;?@^_|~-=".contains(b),
        _ => b.is_ascii_alphanumeric() || b"!#$%&*+./:;=?@^_|~-".contains(b),
    };
    !name.is_empty() && name.iter().all(legal) && !(version >= VcfVersion::V4_3 && b"*=".contains(&name[0]))
}

pub(super) fn contig_rule(version: VcfVersion) -> &'static str {
    match version {
        VcfVersion::V4_0 | VcfVersion::V4_1 | VcfVersion::V4_2 => "a name without white space, colon, comma and < >",
        VcfVersion::V4_3 => "letters, digits and !#$%&+./;?@^_|~-",
        _ => "letters, digits and !#$%&*+./:;=?@^_|~-, not * or = first",
    }
}
