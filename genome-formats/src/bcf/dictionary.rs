//! The numbers by which BCF names keys, filters and sequences.

use std::collections::HashMap;

use crate::error::Result;
use crate::vcf::{FieldType, Number, Value, Variant, VcfHeader};
use crate::vcf::{Place, reserved};

/// Names and their numbers.
#[derive(Debug, Default)]
struct Numbers {
    by_name: HashMap<String, i32>,
    by_number: HashMap<i32, String>,
    next: i32,
}

impl Numbers {
    /// Takes the next number, or the one that `IDX` gives. A name keeps its first number.
    fn add(&mut self, name: &str, index: Option<i32>) {
        if self.by_name.contains_key(name) {
            return;
        }
        let number = index.unwrap_or(self.next);
        self.next = self.next.max(number.saturating_add(1));
        self.by_name.insert(name.to_owned(), number);
        self.by_number.insert(number, name.to_owned());
    }
}

/// "The dictionary of strings: PASS is 0; then FILTER, INFO and FORMAT IDs in the order of the header, each once. The
/// dictionary of contigs: contig lines in their order. IDX gives a number explicitly" (6.2.1).
#[derive(Debug, Default)]
pub(super) struct Dictionary {
    strings: Numbers,
    contigs: Numbers,
}

impl Dictionary {
    pub(super) fn new(header: &VcfHeader) -> Self {
        let mut this = Self::default();
        this.strings.add("PASS", None);
        for line in header.lines() {
            let numbers = match line.key {
                "FILTER" | "INFO" | "FORMAT" => &mut this.strings,
                "contig" => &mut this.contigs,
                _ => continue,
            };
            let Some(fields) = line.fields() else {
                continue;
            };
            let field = |key: &str| fields.iter().find(|(k, _)| *k == key).map(|(_, v)| v);
            if let Some(id) = field("ID") {
                numbers.add(id, field("IDX").and_then(|i| i.parse().ok()).filter(|i| *i >= 0));
            }
        }
        this
    }

    pub(super) fn string(&self, number: i32) -> Option<&str> {
        self.strings.by_number.get(&number).map(String::as_str)
    }

    pub(super) fn string_number(&self, name: &str) -> Option<i32> {
        self.strings.by_name.get(name).copied()
    }

    pub(super) fn contig(&self, number: i32) -> Option<&str> {
        self.contigs.by_number.get(&number).map(String::as_str)
    }

    pub(super) fn contig_number(&self, name: &str) -> Option<i32> {
        self.contigs.by_name.get(name).copied()
    }
}

/// Adds header lines for the sequence, filters and keys of a record that the header does not declare: reserved keys by the
/// specification's tables, others as text of unknown number, as readers of VCF take them.
///
/// # Errors
///
/// A name cannot stand in a header line, as that of a sequence in angle brackets.
pub fn declare(header: &mut VcfHeader, record: &Variant) -> Result<()> {
    if header.contig(&record.chrom).is_none() {
        header.push(&format!("##contig=<ID={}>", record.chrom))?;
    }
    for filter in record.filters.iter().filter(|f| *f != "PASS") {
        if !header.has_filter(filter) {
            header.push(&format!("##FILTER=<ID={filter},Description=\"not described\">"))?;
        }
    }
    for (key, value) in &record.info {
        if header.info(key).is_none() {
            let text = (Number::Unknown, FieldType::String);
            let (number, kind) = reserved(Place::Info, key, header.version()).map_or(text, |r| (r.number, r.kind));
            // A number where text was expected came from a header that declares it, or from BCF.
            let kind = match value {
                Value::Integers(_) if kind == FieldType::String => FieldType::Integer,
                Value::Floats(_) if kind == FieldType::String => FieldType::Float,
                _ => kind,
            };
            header.push(&line("INFO", key, number, kind))?;
        }
    }
    for (key, _) in &record.formats {
        if header.format(key).is_none() {
            let text = (Number::Unknown, FieldType::String);
            let (number, kind) = reserved(Place::Format, key, header.version()).map_or(text, |r| (r.number, r.kind));
            header.push(&line("FORMAT", key, number, kind))?;
        }
    }
    Ok(())
}

fn line(place: &str, key: &str, number: Number, kind: FieldType) -> String {
    format!("##{place}=<ID={key},Number={number},Type={},Description=\"not described\">", kind.name())
}
