//! The page of a place: a gene with all that the file tells of it, what stands around it, and its letters.

use std::collections::HashSet;

use maud::{Markup, html};
use serde::Deserialize;

use super::format::{address, label, measured, place, thousands};
use super::scene::{Sequence, Window};
use super::{WebConfig, picture, table, turn};
use crate::answer::{Answer, Row, Value};
use crate::error::Result;
use crate::index::Index;
use crate::query::{Extract, Field, Filter, Query, Region, Select};

/// Bases around a place.
const FLANKS: [u64; 5] = [1_000, 5_000, 10_000, 25_000, 50_000];

/// Which place.
#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    genome: String,
    seq: String,
    start: u64,
    end: u64,
    /// The identifier of what stands there.
    id: Option<String>,
    /// Bases around it.
    flank: Option<u64>,
}

/// All that is shown of a place.
pub(super) struct Found {
    wanted: Wanted,
    /// What stands there, if it is a feature.
    row: Option<(Query, Row)>,
    window: Window,
    features: Vec<Row>,
    too_many: bool,
}

/// Fields of a gene beside those that every row has.
fn fields() -> Vec<Field> {
    vec![
        Field::Synonym,
        Field::OldLocusTag,
        Field::ProteinId,
        Field::Function,
        Field::Ec,
        Field::Go,
        Field::Note,
        Field::DbXref,
        Field::StartCodon,
        Field::TranslTable,
        Field::MolecularWeight,
        Field::IsoelectricPoint,
    ]
}

/// Looks a place up; none if the sequence is not there or ends before it.
pub(super) fn find(index: &Index, config: &WebConfig, wanted: Wanted) -> Result<Option<Found>> {
    let limits = config.limits;
    let Some(sequence) = Sequence::of(index, &wanted.genome, &wanted.seq, limits)? else { return Ok(None) };
    let last = sequence.length.unwrap_or(u64::MAX - 1);
    let turned = wanted.end < wanted.start && !sequence.circular;
    if wanted.start == 0 || wanted.end == 0 || wanted.start > last || wanted.end > last || turned {
        return Ok(None);
    }
    let mut row = None;
    if let Some(id) = &wanted.id {
        // The coding sequence tells most; a locus without one is told by its gene, all else by itself.
        for select in [Select::Protein, Select::Gene, Select::Feature] {
            let mut query = Query::new(select).filter(Filter::Among(vec![id.clone()]));
            query.genome = Some(wanted.genome.clone());
            let shown = Query { show: fields(), ..query.clone() };
            let found = index.run_with(&shown, limits)?.rows;
            let here = found.iter().position(|row| row.seqid == wanted.seq && row.start == wanted.start);
            row = found.into_iter().nth(here.unwrap_or(0)).map(|row| (query, row));
            if row.is_some() {
                break;
            }
        }
    }
    let flank = wanted.flank.unwrap_or(5_000).min(FLANKS[FLANKS.len() - 1]);
    let window = Window::around(sequence, wanted.start, wanted.end, flank);
    let (features, too_many) = window.features(index, limits)?;
    Ok(Some(Found { wanted, row, window, features, too_many }))
}

impl Found {
    /// What it is called.
    pub(super) fn title(&self) -> String {
        match &self.row {
            Some((_, row)) => label(row).to_owned(),
            None => place(&self.wanted.seq, self.wanted.start, self.wanted.end),
        }
    }

    pub(super) fn page(&self) -> Markup {
        let wanted = &self.wanted;
        let mut marked: HashSet<&str> = wanted.id.iter().map(String::as_str).collect();
        marked.extend(self.row.iter().map(|(_, row)| &*row.id));
        let stands_out = self.features.iter().any(|row| marked.contains(&*row.id));
        let places = if stands_out { Vec::new() } else { vec![self.bare_row()] };
        html! {
            section class="turn locus" {
                p class="note" { a href="/" { "← Questions and answers" } }
                h1 class=[self.row.as_ref().and_then(|(_, row)| row.gene.as_ref()).map(|_| "gene")] { (self.title()) }
                @if let Some((_, row)) = &self.row {
                    @if let Some(product) = &row.product { p class="answer" { (product) } }
                }
                (picture::neighbourhood(&self.window, &self.features, &places, &marked))
                (self.zoom())
                @if self.too_many { p class="note" { "There are more features here than are drawn." } }
                @match &self.row {
                    Some((query, row)) => { (facts(row)) (self.questions(row)) (letters(query, row)) }
                    None => (self.region()),
                }
                details class="around" {
                    summary { "What stands here, " (thousands(self.features.len() as u64)) " features" }
                    (table::rows(&Answer { count: self.features.len() as u64, rows: self.features.clone(), ..Answer::default() }, "Features"))
                }
            }
        }
    }

    /// The place as a row without a feature.
    fn bare_row(&self) -> Row {
        let wanted = &self.wanted;
        let bare = Window::around(self.window.sequence.clone(), wanted.start, wanted.end, 0);
        Row {
            id: wanted.id.clone().unwrap_or_default(),
            kind: "region".to_owned(),
            genome: wanted.genome.clone(),
            seqid: wanted.seq.clone(),
            start: wanted.start,
            end: wanted.end,
            strand: ".".to_owned(),
            length: bare.span,
            ..Row::default()
        }
    }

    fn zoom(&self) -> Markup {
        let wanted = &self.wanted;
        let now = wanted.flank.unwrap_or(5_000);
        let (start, end) = (wanted.start.to_string(), wanted.end.to_string());
        let link = |flank: u64| {
            let flank = flank.to_string();
            let mut pairs: Vec<(&str, &str)> = vec![
                ("genome", &wanted.genome),
                ("seq", &wanted.seq),
                ("start", &start),
                ("end", &end),
                ("flank", &flank),
            ];
            pairs.extend(wanted.id.iter().map(|id| ("id", &**id)));
            address("/at", &pairs)
        };
        html! {
            nav class="zoom" aria-label="How much is shown around it" {
                span class="tag" { "Around it" }
                @for flank in FLANKS {
                    a href=(link(flank)) aria-current=[(flank == now).then_some("true")] { (flank / 1_000) " kb" }
                }
            }
        }
    }

    fn questions(&self, row: &Row) -> Markup {
        let name = label(row);
        let all = [
            format!("What is next to {name}?"),
            format!("Which genes lie within 10 kb of {name}?"),
            format!("Give me 500 bp upstream of {name} as FASTA"),
        ];
        html! {
            form class="chips" method="post" action="/ask" {
                @for question in &all { button name="q" value=(question) { (question) } }
            }
        }
    }

    /// A stretch that is no feature: its letters as a file.
    fn region(&self) -> Markup {
        let wanted = &self.wanted;
        let region = Region { seqid: Some(wanted.seq.clone()), start: wanted.start, end: wanted.end };
        let mut query = Query::new(Select::Region(region));
        query.genome = Some(wanted.genome.clone());
        let bare = Answer { rows: vec![self.bare_row()], ..Answer::default() };
        html! {
            dl class="details" {
                div { dt { "Position" } dd { (place(&wanted.seq, wanted.start, wanted.end)) } }
                div { dt { "Length" } dd { (thousands(bare.rows[0].length)) " bp" } }
            }
            (turn::downloads(&query, &bare))
        }
    }
}

fn facts(row: &Row) -> Markup {
    let strand = match row.strand.as_str() {
        "+" => "plus",
        "-" => "minus",
        _ => "none or both",
    };
    let field = |field: Field| row.fields.get(&field.to_string()).map(|values| values.join("; ")).unwrap_or_default();
    let number = |name: Field, unit: &str| {
        let values = row.fields.get(&name.to_string());
        let value = values.and_then(|values| values.first()?.parse::<f64>().ok());
        let shown = |value| measured(&Value { name: String::new(), value, unit: unit.to_owned() });
        value.map(shown).unwrap_or_default()
    };
    let parts: Vec<String> =
        row.parts.iter().map(|(start, end)| format!("{}-{}", thousands(*start), thousands(*end))).collect();
    let known = [
        ("Identifier", row.id.clone()),
        ("Kind", row.kind.clone()),
        ("Position", place(&row.seqid, row.start, row.end)),
        ("Strand", strand.to_owned()),
        ("Parts", if parts.len() > 1 { parts.join(", ") } else { String::new() }),
        ("Length", format!("{} bp", thousands(row.length))),
        ("Protein", row.aa.map(|aa| format!("{} aa", thousands(aa))).unwrap_or_default()),
        ("Molecular weight", number(Field::MolecularWeight, "Da")),
        ("Isoelectric point", number(Field::IsoelectricPoint, "")),
        ("GC content", row.gc.map(|gc| format!("{gc:.2} %")).unwrap_or_default()),
        ("Start codon", field(Field::StartCodon)),
        ("Genetic code", field(Field::TranslTable)),
        ("Other names", field(Field::Synonym)),
        ("Old locus tags", field(Field::OldLocusTag)),
        ("Protein identifier", field(Field::ProteinId)),
        ("Function", field(Field::Function)),
        ("EC", field(Field::Ec)),
        ("Gene Ontology", field(Field::Go)),
        ("Note", field(Field::Note)),
        ("Cross references", field(Field::DbXref)),
        (
            "Source",
            match row.line {
                Some(line) => format!("{}, line {}", row.source_file, thousands(line)),
                None => row.source_file.clone(),
            },
        ),
    ];
    html! {
        dl class="details" {
            @for (name, text) in known { @if !text.is_empty() { div { dt { (name) } dd { (text) } } } }
        }
    }
}

/// Files of a gene's letters.
fn letters(query: &Query, row: &Row) -> Markup {
    let file = |name: &str, extract: Extract| {
        let text = Query { extract: Some(extract), ..query.clone() }.to_string();
        html! { a class="button" href=(address("/download", &[("q", &text), ("format", "fasta")])) { (name) } }
    };
    html! {
        div class="downloads" {
            span class="tag" { "Download" }
            @if row.aa.is_some() { (file("Protein", Extract::Protein)) }
            (file("Bases", Extract::Dna))
            @if row.parts.len() > 1 { (file("Spliced bases", Extract::Spliced)) }
            (file("500 bp upstream", Extract::Upstream(500)))
            a class="button" href=(address("/download", &[("q", &query.to_string()), ("format", "gff3")])) { "GFF3" }
        }
    }
}
