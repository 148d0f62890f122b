//! An answer in words.

use super::{field, noun, number, thousands};
use crate::answer::{Answer, Row, Status};
use crate::query::{Field, Query, Tell};

/// Rows that are told in words; a table has the others.
const TOLD: usize = 5;

/// The answer in a few sentences. All numbers and names are the answer's.
pub(crate) fn answer(query: &Query, answer: &Answer) -> String {
    match &answer.status {
        Status::Empty { text, .. } => return sentence(text),
        Status::Refused { text } => return sentence(text),
        Status::Ambiguous { name, candidates } => {
            let of: Vec<String> = candidates.iter().map(name_of).collect();
            return format!("{name} is another name of {} genes: {}. Which one?", candidates.len(), of.join("; "));
        }
        Status::Ok => {}
    }
    if !answer.groups.is_empty() {
        return groups(query, answer);
    }
    let what = |n: u64| noun(&query.select, n != 1);
    match &query.tell {
        Tell::Count => format!("{} {}.", thousands(answer.count), what(answer.count)),
        Tell::Exists => {
            format!("Yes: {} {}{}.", thousands(answer.count), what(answer.count), listed(&answer.rows))
        }
        Tell::Adjacent => {
            let verdict = if answer.verdict == Some(true) { "Yes" } else { "No" };
            format!("{verdict}{}.", listed(&answer.rows))
        }
        Tell::Rows => rows(query, answer),
        _ => {
            let values: Vec<String> = answer
                .values
                .iter()
                .map(|value| format!("{}: {}{}", value.name, number(value.value), unit(&value.unit)))
                .collect();
            format!(
                "{}{}.",
                capital(&values.join("; ")),
                if answer.rows.len() == 1 { listed(&answer.rows) } else { String::new() }
            )
        }
    }
}

fn unit(unit: &str) -> String {
    if unit.is_empty() { String::new() } else { format!(" {unit}") }
}

fn rows(query: &Query, answer: &Answer) -> String {
    if let [row] = &answer.rows[..]
        && answer.count == 1
    {
        return one(query, answer, row);
    }
    let mut out = headline(query, answer);
    if answer.rows.len() <= TOLD {
        out += &listed(&answer.rows);
    }
    out.push('.');
    if answer.rows.len() <= TOLD {
        for row in &answer.rows {
            for (name, values) in &row.fields {
                if !values.is_empty() {
                    out += &format!(" {}: {name} {}.", row.id, values.join(", "));
                }
            }
        }
    }
    out
}

/// How many rows there are, and by what they are first.
pub(crate) fn headline(query: &Query, answer: &Answer) -> String {
    let mut out = format!("{} {}", thousands(answer.count), noun(&query.select, answer.count != 1));
    if let (Some(value), Some(_)) = (answer.values.first(), &query.limit) {
        out += &format!(", {} {}{}", value.name, number(value.value), unit(&value.unit));
    }
    out
}

/// One row, told in full.
fn one(query: &Query, answer: &Answer, row: &Row) -> String {
    let mut out = format!("{}: {}", name_of(row), whereabouts(row));
    let mut more = Vec::new();
    if let Some(product) = row.product.as_deref().filter(|_| !row.fields.contains_key("product")) {
        more.push(product.to_owned());
    }
    if !row.members.is_empty() {
        more.push(format!("{} genes: {}", row.members.len(), row.members.join(", ")));
    }
    for shown in &query.show {
        let Some(values) = row.fields.get(&shown.to_string()) else { continue };
        let name = field(shown);
        more.push(if values.is_empty() {
            format!("{name}: not annotated")
        } else {
            format!("{name}: {}", values.join(", "))
        });
    }
    more.push(format!("{} bp", thousands(row.length)));
    if let Some(aa) = row.aa {
        more.push(format!("{} aa", thousands(aa)));
    }
    if let (Some(value), Some(order)) = (answer.values.first(), query.order.first())
        && !matches!(order.by, Field::Length | Field::Aa | Field::Members)
    {
        more.push(format!("{} {}{}", field(&order.by), number(value.value), unit(&value.unit)));
    }
    out += &format!("; {}.", more.join("; "));
    out
}

/// `lacZ (b0344)`.
pub(super) fn name_of(row: &Row) -> String {
    match &row.gene {
        Some(gene) if *gene != row.id => format!("{gene} ({})", row.id),
        _ => row.id.clone(),
    }
}

fn whereabouts(row: &Row) -> String {
    let strand = if row.strand == "." { String::new() } else { format!(" ({})", row.strand) };
    let wraps = if row.wraps { " over the origin" } else { "" };
    format!("{}:{}\u{2013}{}{strand}{wraps}", row.seqid, thousands(row.start), thousands(row.end))
}

fn listed(rows: &[Row]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let told: Vec<String> =
        rows.iter().take(TOLD).map(|row| format!("{} {}", name_of(row), whereabouts(row))).collect();
    let more = if rows.len() > TOLD { "; \u{2026}" } else { "" };
    format!(": {}{more}", told.join("; "))
}

fn groups(query: &Query, answer: &Answer) -> String {
    match &query.tell {
        Tell::CodonUsage => {
            let total = answer.values.first().map_or(0.0, |value| value.value);
            format!(
                "{} codons in {} coding sequences; the table has each codon.",
                number(total),
                thousands(answer.count)
            )
        }
        Tell::Distinct(of) => {
            let told: Vec<String> =
                answer.groups.iter().take(20).map(|g| format!("{} ({} rows)", g.key, thousands(g.count))).collect();
            let more = if answer.groups.len() > 20 { "; \u{2026}" } else { "" };
            format!("{}: {}{more}.", capital(&field(of)), told.join("; "))
        }
        _ => {
            let told: Vec<String> =
                answer.groups.iter().take(20).map(|g| format!("{}: {}", g.key, thousands(g.count))).collect();
            let more = if answer.groups.len() > 20 { "; \u{2026}" } else { "" };
            let of = noun(&query.select, answer.count != 1);
            format!("{} {of}; {}{more}.", thousands(answer.count), told.join("; "))
        }
    }
}

/// With a capital in front and a point behind.
fn sentence(text: &str) -> String {
    let text = capital(text);
    if text.ends_with(['.', '?', '!']) { text } else { format!("{text}.") }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
