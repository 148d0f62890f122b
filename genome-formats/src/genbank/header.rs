//! What stands in front of the features of a GenBank record (NCBI GenBank release notes, section 3.4).

use std::io::Read;

use crate::error::Result;

use super::record::{GenbankRecord, LengthUnit, Reference};
use super::text::{Place, block, indent, list, on_one_line, push_text, without_blanks};

/// Column at which the text of a field starts.
const INDENT: usize = 12;

/// Reads `LOCUS name length bp molecule topology division date` by words: the columns moved over the decades, and many
/// programs write their own. What was expected, if it is broken.
pub(crate) fn read_locus(line: &[u8], record: &mut GenbankRecord) -> std::result::Result<(), &'static str> {
    const EXPECTED: &str = "LOCUS, a name, a length and bp or aa";
    let text = String::from_utf8_lossy(line);
    let words: Vec<&str> = text.split_whitespace().skip(1).collect();
    let number = |word: &str| word.parse::<u64>().ok().filter(|_| !word.starts_with('+'));
    let unit = (2..words.len()).find(|&i| {
        let is_unit = ["bp", "aa", "rc"].iter().any(|unit| words[i].eq_ignore_ascii_case(unit));
        is_unit && number(words[i - 1]).is_some()
    });
    let unit = unit.ok_or(EXPECTED)?;
    let length = number(words[unit - 1]).ok_or(EXPECTED)?;
    record.name = words[..unit - 1].join(" ");
    match words[unit].as_bytes()[0].to_ascii_lowercase() {
        b'r' => record.unit = LengthUnit::Records(length),
        first => {
            record.unit = if first == b'a' { LengthUnit::Residues } else { LengthUnit::Bases };
            record.declared_len = Some(length);
        }
    }

    let mut rest = &words[unit + 1..];
    let is_date = |word: &str| word.len() > 7 && word.bytes().filter(|b| matches!(b, b'-' | b'/')).count() == 2;
    if let Some((last, front)) = rest.split_last()
        && is_date(last)
    {
        record.date = Some((*last).to_owned());
        rest = front;
    }
    let is_topology = |word: &&str| word.eq_ignore_ascii_case("linear") || word.eq_ignore_ascii_case("circular");
    let some = |words: &[&str]| (!words.is_empty()).then(|| words.join(" "));
    if let Some(at) = rest.iter().position(is_topology) {
        record.circular = rest[at].eq_ignore_ascii_case("circular");
        record.molecule_type = some(&rest[..at]);
        record.division = some(&rest[at + 1..]);
    } else if record.unit == LengthUnit::Residues {
        record.division = some(rest);
    } else if let Some((molecule, rest)) = rest.split_first() {
        record.molecule_type = Some((*molecule).to_owned());
        record.division = some(rest);
    }
    Ok(())
}

/// The field that is being read: lines are gathered until the next keyword.
#[derive(Debug, Default)]
pub(crate) struct Header {
    keyword: String,
    text: String,
    section: Section,
}

/// Where a subkeyword belongs.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Section {
    #[default]
    Other,
    Source,
    Reference,
}

impl Header {
    /// Begins a record.
    pub(crate) fn start(&mut self) {
        self.keyword.clear();
        self.text.clear();
        self.section = Section::Other;
    }

    /// Reads a clean line.
    pub(crate) fn line<R: Read>(
        &mut self,
        line: &[u8],
        record: &mut GenbankRecord,
        place: &mut Place<'_, R>,
    ) -> Result<()> {
        let indent = indent(line);
        let body = &line[indent..];
        let end = body.iter().position(|&b| b == b' ').unwrap_or(body.len());
        let (word, rest) = body.split_at(end);
        let is_keyword = !word.is_empty() && word.iter().all(|b| b.is_ascii_uppercase() || *b == b'_');
        let is_sub = is_keyword
            && indent < INDENT
            && match self.section {
                Section::Other => false,
                Section::Source => word == b"ORGANISM",
                Section::Reference => indent < 4 && word.len() > 1,
            };
        if (indent == 0 && !body.is_empty()) || is_sub {
            self.finish(record);
            if !is_keyword {
                let error = place.error("a broken header line").expecting("a keyword in capitals");
                place.forgive("keyword", error.finding(crate::error::quote(line)))?;
            }
            push_text(&mut self.keyword, word);
            if !is_keyword {
                self.keyword.make_ascii_uppercase();
            }
            push_text(&mut self.text, rest.trim_ascii_start());
            if indent == 0 {
                self.section = match &*self.keyword {
                    "SOURCE" => Section::Source,
                    "REFERENCE" => Section::Reference,
                    _ => Section::Other,
                };
                if self.section == Section::Reference {
                    record.references.push(Reference::default());
                }
            }
            return Ok(());
        }
        self.text.push('\n');
        push_text(&mut self.text, &line[indent.min(INDENT)..]);
        Ok(())
    }

    /// Puts the gathered field into the record.
    pub(crate) fn finish(&mut self, record: &mut GenbankRecord) {
        let text = &*self.text;
        match &*self.keyword {
            "" | "BASE" => {} // nothing yet; BASE COUNT, which the letters tell
            "DEFINITION" => record.definition = on_one_line(text),
            "ACCESSION" => read_accessions(text, record),
            "VERSION" => {
                for word in text.split_ascii_whitespace().filter(|word| *word != ".") {
                    match word.strip_prefix("GI:") {
                        Some(gi) => record.gi = Some(gi.to_owned()),
                        None => record.version = record.version.take().or_else(|| Some(word.to_owned())),
                    }
                }
            }
            "DBLINK" => record.dblinks.extend(text.lines().filter_map(on_one_line)),
            "KEYWORDS" => record.keywords = list(text),
            "SOURCE" => record.source = on_one_line(text),
            "ORGANISM" => read_organism(text, record),
            "COMMENT" => record.comments.extend(block(text)),
            "CONTIG" => record.contig = without_blanks(text),
            keyword => {
                if let (Section::Reference, Some(reference)) = (self.section, record.references.last_mut()) {
                    read_reference(keyword, text, reference);
                } else {
                    let text = block(text).unwrap_or_default();
                    record.other.push((keyword.to_owned(), text));
                }
            }
        }
        self.keyword.clear();
        self.text.clear();
    }
}

fn read_accessions(text: &str, record: &mut GenbankRecord) {
    let mut words = text.split_ascii_whitespace().filter(|word| *word != ".");
    while let Some(word) = words.next() {
        if word == "REGION:" {
            record.region = words.next().map(str::to_owned);
        } else if record.accession.is_none() {
            record.accession = Some(word.to_owned());
        } else {
            record.secondary_accessions.push(word.to_owned());
        }
    }
}

/// The name may take several lines. The lineage starts at the first line with a `;`; where no line has one, it is the last
/// line, if that ends with a full stop.
fn read_organism(text: &str, record: &mut GenbankRecord) {
    let lines: Vec<&str> = text.lines().collect();
    let lineage = lines.iter().skip(1).position(|line| line.contains(';')).map(|at| at + 1);
    let last = || (lines.len() > 1 && lines[lines.len() - 1].ends_with('.')).then(|| lines.len() - 1);
    let lineage = lineage.or_else(last).unwrap_or(lines.len());
    record.organism = on_one_line(&lines[..lineage].join("\n"));
    record.taxonomy = list(&lines[lineage..].join("\n"));
}

fn read_reference(keyword: &str, text: &str, reference: &mut Reference) {
    let field = match keyword {
        "REFERENCE" => {
            let text = on_one_line(text).unwrap_or_default();
            let (number, about) = text.split_once(' ').unwrap_or((&text, ""));
            reference.number = on_one_line(number);
            let inner = about.strip_prefix('(').and_then(|about| about.strip_suffix(')'));
            reference.about = on_one_line(inner.unwrap_or(about));
            return;
        }
        "AUTHORS" => &mut reference.authors,
        "CONSRTM" => &mut reference.consortium,
        "TITLE" => &mut reference.title,
        "JOURNAL" => &mut reference.journal,
        "PUBMED" => &mut reference.pubmed,
        "MEDLINE" => &mut reference.medline,
        "REMARK" => &mut reference.remark,
        _ => {
            reference.other.push((keyword.to_owned(), on_one_line(text).unwrap_or_default()));
            return;
        }
    };
    *field = on_one_line(text);
}
