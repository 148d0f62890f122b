//! Where rows stand on their sequences, as SVG: a bar for each sequence, a mark for each row.

use maud::{Markup, html};

use super::format::thousands;
use super::picture::{multiples, round_step};
use super::scene::Sequence;
use crate::answer::Row;

const WIDTH: f64 = 1000.0;
const MARGIN: f64 = 14.0;
const BAR: f64 = 10.0;
const MARK: f64 = 11.0;
const HEIGHT: f64 = 74.0;

/// Draws rows on their sequences; the bars are as long as the sequences are.
pub(super) fn overview(sequences: &[Sequence], rows: &[Row], caption: &str) -> Markup {
    let longest = sequences.iter().filter_map(|sequence| sequence.length).max().unwrap_or(1).max(1) as f64;
    let height = sequences.len() as f64 * HEIGHT;
    html! {
        figure class="picture" {
            div class="scroll" tabindex="0" role="region" aria-label="Map" {
                svg class="map" viewBox={ "0 0 " (WIDTH) " " (height) } role="img" aria-label=(caption) {
                    @for (i, sequence) in sequences.iter().enumerate() {
                        (bar(sequence, rows, longest, i as f64 * HEIGHT))
                    }
                }
            }
            figcaption { (caption) }
        }
    }
}

fn n(number: f64) -> String {
    format!("{number:.1}")
}

fn bar(sequence: &Sequence, rows: &[Row], longest: f64, top: f64) -> Markup {
    let Some(length) = sequence.length else { return html! {} };
    let width = ((WIDTH - 2.0 * MARGIN) * length as f64 / longest).max(3.0);
    let y = top + 30.0;
    let x = |base: u64| MARGIN + (base.min(length) as f64 / length as f64) * width;
    let here = rows.iter().filter(|row| row.seqid == sequence.name && row.genome == sequence.genome);
    let shape = if sequence.circular { "circular" } else { "linear" };
    html! {
        text class="name" x=(n(MARGIN)) y=(n(top + 12.0)) { (sequence.name) ", " (thousands(length)) " bp, " (shape) }
        rect class="bar" x=(n(MARGIN)) y=(n(y)) width=(n(width)) height=(n(BAR)) rx=(n(if sequence.circular { BAR / 2.0 } else { 1.5 })) {}
        @for row in here {
            @let (from, tall) = match row.strand.as_str() { "+" => (y - MARK, MARK), "-" => (y + BAR, MARK), _ => (y, BAR) };
            g class="mark" {
                title { (super::scene::told(row)) }
                @for (start, end) in stretches(row, length) {
                    rect x=(n(x(start - 1))) y=(n(from)) width=(n((x(end) - x(start - 1)).max(1.4))) height=(n(tall)) {}
                }
            }
        }
        g class="ruler" {
            @for base in multiples(1, length, round_step(length, 6)) {
                // A label that would stand outside is left out.
                @if width > 200.0 && x(base) < WIDTH - 2.0 * MARGIN {
                    text text-anchor="middle" x=(n(x(base))) y=(n(y + BAR + MARK + 12.0)) { (thousands(base)) }
                }
            }
        }
    }
}

/// What a row covers: its parts, which may be far from each other, or both ends of a ring.
fn stretches(row: &Row, length: u64) -> Vec<(u64, u64)> {
    if row.wraps {
        return vec![(row.start.max(1), length), (1, row.end)];
    }
    let all = if row.parts.len() > 1 { &row.parts[..] } else { &[(row.start, row.end)] };
    all.iter().map(|(start, end)| ((*start).max(1), *end)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_stand_on_their_sequence_and_strand() {
        let sequence = |name: &str, length| Sequence {
            genome: "g".into(),
            name: name.into(),
            length: Some(length),
            circular: false,
        };
        let row = |seqid: &str, strand: &str| Row {
            genome: "g".into(),
            seqid: seqid.into(),
            start: 501,
            end: 510,
            strand: strand.into(),
            id: "<b>".into(),
            ..Row::default()
        };
        let rows = [row("a", "+"), row("a", "-"), row("b", "."), row("elsewhere", "+")];
        let svg = overview(&[sequence("a", 1000), sequence("b", 500)], &rows, "three <rows>").into_string();
        assert_eq!(svg.matches("class=\"mark\"").count(), 3);
        assert_eq!(svg.matches("<rect x=\"500.0\"").count(), 3, "all bars have one scale: {svg}");
        assert!(!svg.contains("<b>") && !svg.contains("<rows>"));
    }
}
