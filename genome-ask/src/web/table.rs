//! Rows, numbers and groups as tables.

use maud::{Markup, html};

use super::format::{label, measured, place_of, thousands};
use crate::answer::{Answer, Group, Row, Value};

/// A column that is there if a row has something for it.
struct Column {
    title: String,
    kind: &'static str,
    cell: Box<Cell>,
}

/// What a row has in a column.
type Cell = dyn Fn(&Row) -> Option<String>;

fn column(title: &str, kind: &'static str, cell: impl Fn(&Row) -> Option<String> + 'static) -> Column {
    Column { title: title.to_owned(), kind, cell: Box::new(cell) }
}

fn differ(rows: &[Row], get: impl Fn(&Row) -> &str) -> bool {
    rows.windows(2).any(|pair| get(&pair[0]) != get(&pair[1]))
}

fn columns(rows: &[Row]) -> Vec<Column> {
    let mut out = Vec::new();
    out.push(column("Locus tag", "text", |row| row.locus_tag.clone().filter(|tag| tag != label(row))));
    if differ(rows, |row| &row.kind) {
        out.push(column("Kind", "text", |row| Some(row.kind.clone())));
    }
    if differ(rows, |row| &row.genome) {
        out.push(column("Genome", "text", |row| Some(row.genome.clone())));
    }
    if differ(rows, |row| &row.seqid) {
        out.push(column("Sequence", "text", |row| Some(row.seqid.clone())));
    }
    out.push(column("Start", "number", |row| Some(thousands(row.start))));
    out.push(column("End", "number", |row| Some(thousands(row.end))));
    out.push(column("Strand", "text", |row| match row.strand.as_str() {
        "-" => Some("−".to_owned()),
        "+" => Some("+".to_owned()),
        _ => None,
    }));
    out.push(column("Length (bp)", "number", |row| Some(thousands(row.length))));
    out.push(column("aa", "number", |row| row.aa.map(thousands)));
    out.push(column("GC (%)", "number", |row| {
        let tells = matches!(row.kind.as_str(), "sequence" | "window" | "region");
        row.gc.filter(|_| tells).map(|gc| format!("{gc:.2}"))
    }));
    out.push(column("Pattern", "text", |row| row.pattern.clone()));
    out.push(column("Members", "text long", |row| (!row.members.is_empty()).then(|| row.members.join(", "))));
    out.push(column("Density", "number", |row| row.density.map(|density| format!("{density:.2}"))));
    out.push(column("Product", "text long", |row| row.product.clone()));
    let shown: Vec<String> = rows.first().map(|row| row.fields.keys().cloned().collect()).unwrap_or_default();
    // What a column of its own tells already is not told again.
    let told = ["product", "gene", "locus_tag", "start", "end", "strand", "length", "aa", "kind", "seqid", "id"];
    for field in shown.into_iter().filter(|field| !told.contains(&&**field)) {
        let title = field.replace('_', " ");
        out.push(column(&title, "text long", move |row| row.fields.get(&field).map(|values| values.join("; "))));
    }
    out.push(column("Line", "number", |row| row.line.map(thousands)));
    out.retain(|column| rows.iter().any(|row| (column.cell)(row).is_some_and(|text| !text.is_empty())));
    out
}

/// What a row is called where its place is told beside it.
fn short(row: &Row) -> &str {
    let by_place = row.gene.is_none() && row.id.starts_with(&format!("{}:", row.kind));
    if by_place { &row.kind } else { label(row) }
}

/// The rows, each with a link to where it stands.
pub(super) fn rows(answer: &Answer, what: &str) -> Markup {
    let rows = &answer.rows;
    if rows.is_empty() {
        return html! {};
    }
    let columns = columns(rows);
    let one_place = !differ(rows, |row| &row.seqid) && !differ(rows, |row| &row.genome);
    html! {
        div class="scroll table" tabindex="0" role="region" aria-label=(what) {
            table {
                thead { tr {
                    th scope="col" { "Name" }
                    @for column in &columns { th scope="col" class=(column.kind) { (column.title) } }
                } }
                tbody {
                    @for row in rows {
                        tr {
                            th scope="row" {
                                a href=(place_of(row)) class=[row.gene.is_some().then_some("gene")] aria-label=(label(row)) { (short(row)) }
                            }
                            @for column in &columns {
                                td class=(column.kind) { @if let Some(text) = (column.cell)(row) { (text) } }
                            }
                        }
                    }
                }
            }
        }
        p class="note" {
            @if answer.truncated { (thousands(rows.len() as u64)) " of " (thousands(answer.count)) " rows; a download has all. " }
            @if one_place { "On " (rows[0].seqid) ". " }
            "Positions count from 1, the last base included."
            @if rows.iter().any(|row| row.line.is_some()) { " Lines are those of " (rows[0].source_file_name()) "." }
        }
        (sequences(rows))
    }
}

impl Row {
    fn source_file_name(&self) -> &str {
        self.source_file.rsplit(['/', '\\']).next().unwrap_or(&self.source_file)
    }
}

/// Letters that are shown of one row; a download has all.
const SHOWN_LETTERS: usize = 6_000;
/// Rows whose letters are shown.
const SHOWN_SEQUENCES: usize = 20;

fn sequences(rows: &[Row]) -> Markup {
    let with: Vec<(&Row, &str)> =
        rows.iter().filter_map(|row| Some((row, row.sequence.as_deref()?))).take(SHOWN_SEQUENCES).collect();
    html! {
        @for (i, (row, letters)) in with.iter().enumerate() {
            details class="letters" open[i == 0] {
                summary { "Sequence of " (label(row)) ", " (thousands(letters.len() as u64)) " letters" }
                (block(letters))
            }
        }
    }
}

/// Letters in lines of sixty, in groups of ten, numbered.
pub(super) fn block(letters: &str) -> Markup {
    let mut text = String::new();
    let shown = letters.get(..SHOWN_LETTERS).unwrap_or(letters);
    for (i, line) in shown.as_bytes().chunks(60).enumerate() {
        text += &format!("{:>9} ", i * 60 + 1);
        for group in line.chunks(10) {
            text.push(' ');
            text += &String::from_utf8_lossy(group);
        }
        text.push('\n');
    }
    html! {
        div class="scroll" tabindex="0" role="region" aria-label="Letters" { pre { (text) } }
        @if shown.len() < letters.len() {
            p class="note" { "The first " (thousands(shown.len() as u64)) " letters; a download has all." }
        }
    }
}

/// The numbers, the one meant first.
pub(super) fn values(values: &[Value]) -> Markup {
    html! {
        @if !values.is_empty() {
            dl class="values" {
                @for value in values { div { dt { (value.name) } dd { (measured(value)) } } }
            }
        }
    }
}

/// Counts with bars; codons with their share.
pub(super) fn groups(groups: &[Group]) -> Markup {
    let most = groups.iter().map(|group| group.count).max().unwrap_or(0).max(1) as f64;
    let codons = groups.iter().any(|group| group.per_thousand.is_some());
    html! {
        @if !groups.is_empty() {
            div class="scroll table" tabindex="0" role="region" aria-label="Counts" {
                table class="groups" {
                    thead { tr {
                        th scope="col" { (if codons { "Codon" } else { "Value" }) }
                        @if codons { th scope="col" { "Amino acid" } }
                        th scope="col" class="number" { "Count" }
                        @if codons {
                            th scope="col" class="number" { "Per thousand" }
                            th scope="col" class="number" { "Share" }
                        }
                        th scope="col" { span class="unseen" { "Bar" } }
                    } }
                    tbody { @for group in groups { tr {
                        th scope="row" { (group.key) }
                        @if codons { td { (group.label.as_deref().unwrap_or_default()) } }
                        td class="number" { (thousands(group.count)) }
                        @if codons {
                            td class="number" { (decimal(group.per_thousand)) }
                            td class="number" { (decimal(group.share)) }
                        }
                        td { svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" {
                            rect height="8" rx="1" width=(format!("{:.1}", 100.0 * group.count as f64 / most)) {}
                        } }
                    } } }
                }
            }
        }
    }
}

fn decimal(number: Option<f64>) -> String {
    number.map(|number| format!("{number:.2}")).unwrap_or_default()
}
