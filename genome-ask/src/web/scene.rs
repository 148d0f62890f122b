//! Which stretch of which sequence a picture shows, and what stands there.

use std::collections::HashMap;

use super::format::label;
use crate::answer::Row;
use crate::error::Result;
use crate::execute::RunLimits;
use crate::index::Index;
use crate::query::{Field, Filter, Is, Place, Query, Region, Select};

/// Rows further apart than this are shown on a map of their sequences.
const WIDEST_BP: u64 = 60_000;
/// A picture of genes shows at least this much, where the sequence has it.
const LEAST_BP: u64 = 10_000;
/// Features that are read for a picture.
const MOST_FEATURES: u64 = 1_000;

/// A sequence, as pictures need it.
#[derive(Debug, Clone)]
pub(super) struct Sequence {
    pub(super) genome: String,
    pub(super) name: String,
    /// None where the file does not tell.
    pub(super) length: Option<u64>,
    pub(super) circular: bool,
}

impl Sequence {
    /// The sequence of a name.
    pub(super) fn of(index: &Index, genome: &str, name: &str, limits: RunLimits) -> Result<Option<Self>> {
        let mut query = Query::new(Select::Sequence).filter(Filter::On(name.to_owned()));
        query.genome = Some(genome.to_owned());
        let rows = index.run_with(&query, limits)?.rows;
        let Some(row) = rows.into_iter().find(|row| row.seqid == name) else { return Ok(None) };
        let circular = index.run_with(&query.filter(Filter::Is(Is::Circular)), limits)?.count > 0;
        let length = Some(row.length).filter(|length| *length > 0);
        Ok(Some(Self { genome: row.genome, name: row.seqid, length, circular }))
    }
}

/// A stretch of a sequence: from `start`, 1-based, for `span` bases, over the origin where it is circular.
#[derive(Debug, Clone)]
pub(super) struct Window {
    pub(super) sequence: Sequence,
    pub(super) start: u64,
    pub(super) span: u64,
}

impl Window {
    /// The stretch from `start` to `end` with `flank` bases on both sides; the last base may be before the first one over an origin.
    pub(super) fn around(sequence: Sequence, start: u64, end: u64, flank: u64) -> Self {
        let ring = sequence.length.filter(|_| sequence.circular);
        let span = match ring {
            Some(length) if end < start => (length + end + 1).saturating_sub(start),
            _ => (end + 1).saturating_sub(start),
        };
        Self::of(sequence, start.max(1), span.max(1), flank)
    }

    /// `span` bases from `start` with `flank` on both sides.
    fn of(sequence: Sequence, start: u64, span: u64, flank: u64) -> Self {
        match (sequence.length, sequence.circular) {
            (Some(length), _) if span.saturating_add(flank.saturating_mul(2)) >= length => {
                Self { sequence, start: 1, span: length }
            }
            (Some(length), true) => {
                let start = (start - 1 + length - flank % length) % length + 1;
                Self { sequence, start, span: span + 2 * flank }
            }
            (length, _) => {
                let first = start.saturating_sub(flank).max(1);
                let last = (start + span - 1).saturating_add(flank).min(length.unwrap_or(u64::MAX - 1));
                Self { sequence, start: first, span: (last + 1).saturating_sub(first).max(1) }
            }
        }
    }

    /// A window that shows all rows, if they are on one sequence and close enough.
    pub(super) fn of_rows(sequence: Sequence, rows: &[Row]) -> Option<Self> {
        let mut stretches: Vec<(u64, u64)> = rows.iter().map(|row| (row.start, row.length.max(1))).collect();
        stretches.sort_unstable();
        let (first, _) = *stretches.first()?;
        let last = stretches.iter().map(|(start, length)| start + length).max()?;
        let (start, span) = match sequence.length.filter(|_| sequence.circular) {
            None => (first, last - first),
            // On a ring the window begins behind the widest gap.
            Some(length) => {
                let mut reached = last.saturating_sub(length);
                let mut widest = ((first + length).saturating_sub(last), first);
                for (start, extent) in &stretches {
                    if *start != first {
                        widest = widest.max((start.saturating_sub(reached), *start));
                    }
                    reached = reached.max(start + extent);
                }
                (widest.1, length.saturating_sub(widest.0))
            }
        };
        if span > WIDEST_BP {
            return None;
        }
        let flank = (span / 8).max(LEAST_BP.saturating_sub(span) / 2).max(1_000);
        Some(Self::of(sequence, start, span, flank))
    }

    /// The last base; less than `start` over the origin.
    pub(super) fn end(&self) -> u64 {
        let end = self.start + self.span - 1;
        match self.sequence.length {
            Some(length) if end > length && self.sequence.circular => end - length,
            _ => end,
        }
    }

    /// How far a base is from the first one of the window; negative in front of it.
    pub(super) fn offset(&self, base: u64) -> i64 {
        let plain = i64::try_from(base).unwrap_or(i64::MAX) - i64::try_from(self.start).unwrap_or(0);
        match self.sequence.length.and_then(|length| i64::try_from(length).ok()) {
            Some(length) if self.sequence.circular => {
                let offset = plain.rem_euclid(length);
                // What begins behind the window may reach into it from the other side.
                if offset >= i64::try_from(self.span).unwrap_or(i64::MAX) { offset - length } else { offset }
            }
            _ => plain,
        }
    }

    /// The features here, one for each locus; `true` if there were too many to read.
    pub(super) fn features(&self, index: &Index, limits: RunLimits) -> Result<(Vec<Row>, bool)> {
        let name = Some(self.sequence.name.clone());
        let region = Region { seqid: name, start: self.start, end: self.end() };
        let mut query = Query::new(Select::Feature).filter(Filter::Overlaps(Place::Region(region)));
        query.genome = Some(self.sequence.genome.clone());
        query.show = vec![Field::Qualifier("pseudo".to_owned()), Field::Qualifier("pseudogene".to_owned())];
        let answer = index.run_with(&query, RunLimits { rows: MOST_FEATURES, ..limits })?;
        Ok((one_for_each_locus(answer.rows), answer.truncated))
    }
}

/// How well a feature stands for its locus; none for what no picture shows.
fn rank(kind: &str) -> Option<u8> {
    Some(match kind {
        "CDS" => 0,
        kind if kind.ends_with("RNA") && kind != "mRNA" => 1,
        "gene" | "pseudogene" => 2,
        "mRNA" | "transcript" => 3,
        "source" | "region" | "exon" | "intron" | "5'UTR" | "3'UTR" | "five_prime_UTR" | "three_prime_UTR" | "gap" => {
            return None;
        }
        "assembly_gap" | "STS" | "variation" | "misc_difference" | "sig_peptide" | "mat_peptide" | "start_codon" => {
            return None;
        }
        "stop_codon" | "chromosome" | "sequence_feature" | "conflict" | "primer_bind" | "old_sequence" => return None,
        _ => 4,
    })
}

fn one_for_each_locus(rows: Vec<Row>) -> Vec<Row> {
    let mut best: HashMap<String, usize> = HashMap::new();
    let mut out: Vec<Row> = Vec::new();
    for row in rows {
        let Some(new) = rank(&row.kind) else { continue };
        match best.get(&row.id) {
            Some(&at) => {
                let old = rank(&out[at].kind).unwrap_or(u8::MAX);
                if (new, u64::MAX - row.length) < (old, u64::MAX - out[at].length) {
                    out[at] = row;
                }
            }
            None => {
                best.insert(row.id.clone(), out.len());
                out.push(row);
            }
        }
    }
    out
}

/// How a feature is drawn.
pub(super) fn class(row: &Row) -> &'static str {
    let says_pseudo = ["pseudo", "pseudogene"].iter().any(|key| row.fields.get(*key).is_some_and(|v| !v.is_empty()));
    if says_pseudo || row.kind == "pseudogene" {
        return "pseudo";
    }
    match row.kind.as_str() {
        "CDS" | "gene" | "mRNA" | "transcript" => {
            let product = row.product.as_deref().unwrap_or_default().to_ascii_lowercase();
            let vague = ["hypothetical", "uncharacteri", "unknown", "duf", "upf"].iter().any(|w| product.contains(w));
            if vague || (product.is_empty() && row.kind == "CDS") { "unknown" } else { "cds" }
        }
        kind if kind.ends_with("RNA") => "rna",
        _ => "other",
    }
}

/// What a pointer over a feature tells.
pub(super) fn told(row: &Row) -> String {
    let mut out = label(row).to_owned();
    if row.id != out {
        out += &format!(" ({})", row.id);
    }
    out += &format!(", {}, {} {}", row.kind, super::format::place(&row.seqid, row.start, row.end), row.strand);
    if let Some(aa) = row.aa {
        out += &format!(", {} aa", super::format::thousands(aa));
    }
    if let Some(product) = &row.product {
        out += &format!(", {product}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequence(length: u64, circular: bool) -> Sequence {
        Sequence { genome: "g".into(), name: "s".into(), length: Some(length).filter(|l| *l > 0), circular }
    }

    fn row(start: u64, length: u64) -> Row {
        Row { start, end: start + length - 1, length, ..Row::default() }
    }

    #[test]
    fn windows() {
        let window = |s, start, end, flank| {
            let window = Window::around(s, start, end, flank);
            (window.start, window.end(), window.span)
        };
        assert_eq!(window(sequence(100_000, false), 5_000, 5_999, 2_000), (3_000, 7_999, 5_000));
        assert_eq!(window(sequence(100_000, false), 500, 999, 2_000), (1, 2_999, 2_999));
        assert_eq!(window(sequence(100_000, true), 500, 999, 2_000), (98_500, 2_999, 4_500));
        assert_eq!(window(sequence(100_000, true), 99_901, 100, 50), (99_851, 150, 300));
        assert_eq!(window(sequence(1_000, true), 500, 999, 2_000), (1, 1_000, 1_000));
        assert_eq!(window(sequence(0, false), 500, 999, 100), (400, 1_099, 700));
        assert_eq!(window(sequence(100, false), 500, 100, 0), (500, 500, 1)); // nonsense stays harmless
        assert_eq!(window(sequence(0, false), 1, u64::MAX - 1, u64::MAX), (1, u64::MAX - 1, u64::MAX - 1));
    }

    #[test]
    fn rows_close_to_each_other_share_a_window() {
        let window = |length, circular, rows: &[Row]| {
            Window::of_rows(sequence(length, circular), rows).map(|window| (window.start, window.end()))
        };
        assert_eq!(window(1_000_000, false, &[row(50_000, 1_000), row(52_000, 1_000)]), Some((46_500, 56_499)));
        assert_eq!(window(1_000_000, false, &[row(50_000, 1_000), row(520_000, 1_000)]), None);
        // On both sides of the origin of a ring.
        let around = [row(999_000, 500), row(1_000, 500)];
        assert_eq!(window(1_000_000, false, &around), None);
        assert_eq!(window(1_000_000, true, &around), Some((995_250, 5_249)));
        let over = [row(999_500, 1_000)];
        assert_eq!(window(1_000_000, true, &over), Some((995_000, 4_999)));
    }

    #[test]
    fn offsets_on_a_ring() {
        let window = Window::around(sequence(1_000, true), 951, 50, 0);
        assert_eq!((window.offset(951), window.offset(1_000), window.offset(1), window.offset(50)), (0, 49, 50, 99));
        assert_eq!(window.offset(941), -10);
    }
}
