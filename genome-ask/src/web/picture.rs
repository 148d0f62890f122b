//! A neighbourhood of genes as SVG: arrows on two strands above a ruler.

use std::collections::HashSet;

use maud::{Markup, html};

use super::format::{label, place, place_of, thousands};
use super::scene::{Window, class, told};
use crate::answer::Row;

const WIDTH: f64 = 1000.0;
const MARGIN: f64 = 14.0;
const ARROW: f64 = 20.0;
const LANE: f64 = 26.0;
const LINE: f64 = 15.0;
const HEAD: f64 = 9.0;
/// Of a letter of a label.
const LETTER: f64 = 6.9;
/// Lines of labels on a strand, and lanes of arrows; what has no place is told by the pointer alone.
const LINES: usize = 3;
const LANES: usize = 4;
/// Places that are no features have labels up to this many: they are all of one kind.
const NAMED_PLACES: usize = 6;

/// A row as it is drawn.
struct Arrow<'r> {
    row: &'r Row,
    class: &'static str,
    marked: bool,
    x: (f64, f64),
    /// It goes on outside the window: at the left, at the right.
    cut: (bool, bool),
    /// What lies between the ends: exons.
    parts: Vec<(f64, f64)>,
    lane: usize,
    label: Label,
}

/// Where a label stands.
#[derive(Clone, Copy, PartialEq)]
enum Label {
    None,
    Inside,
    /// In a line beside the strand, from the arrows away.
    Beside(usize),
}

/// Draws what stands in a window: `features`, and `more`, which are places and no features. Those of `marked` stand out.
pub(super) fn neighbourhood(window: &Window, features: &[Row], more: &[Row], marked: &HashSet<&str>) -> Markup {
    let scale = Scale { span: window.span as f64 };
    let drawn = |strand: &str| {
        let of_strand = features.iter().filter(|row| strand_of(row) == strand);
        let mut arrows: Vec<Arrow<'_>> =
            of_strand.flat_map(|row| arrows_of(window, &scale, row, class(row), marked.contains(&*row.id))).collect();
        let others = more.iter().filter(|row| strand_of(row) == strand);
        arrows.extend(others.flat_map(|row| arrows_of(window, &scale, row, "place", true)));
        arrows.sort_by(|a, b| a.x.0.total_cmp(&b.x.0));
        lanes(&mut arrows);
        labels(&mut arrows, more.len() <= NAMED_PLACES);
        arrows
    };
    let (plus, minus, both) = (drawn("+"), drawn("-"), drawn("."));
    let count = |arrows: &[Arrow<'_>]| arrows.iter().map(|arrow| arrow.lane + 1).max().unwrap_or(0) as f64;
    let lines = |arrows: &[Arrow<'_>]| {
        let line = |arrow: &Arrow<'_>| if let Label::Beside(line) = arrow.label { line + 1 } else { 0 };
        arrows.iter().map(line).max().unwrap_or(0) as f64
    };
    let axis = 6.0 + lines(&plus) * LINE + count(&plus).max(1.0) * LANE + 3.0;
    let below = axis + 3.0 + count(&minus).max(1.0) * LANE + lines(&minus) * LINE;
    let ruler = below + count(&both) * LANE + lines(&both) * LINE + 6.0;
    let height = ruler + 24.0;
    let up = |lane: usize| axis - 3.0 - (lane as f64 + 1.0) * LANE + (LANE - ARROW) / 2.0;
    let down = |lane: usize| axis + 3.0 + lane as f64 * LANE + (LANE - ARROW) / 2.0;
    let low = |lane: usize| below + lane as f64 * LANE + (LANE - ARROW) / 2.0;
    let first_line_up = axis - 3.0 - count(&plus).max(1.0) * LANE - 4.0;
    let first_line_down = axis + 3.0 + count(&minus).max(1.0) * LANE + 11.0;
    let first_line_low = below + count(&both) * LANE + 11.0;
    let what = place(&window.sequence.name, window.start, window.end());
    let classes: HashSet<&str> = plus.iter().chain(&minus).chain(&both).map(|arrow| arrow.class).collect();
    html! {
        figure class="picture" {
            div class="scroll" tabindex="0" role="region" aria-label={ "Genes at " (what) } {
                svg class="genes" viewBox={ "0 0 " (n(WIDTH)) " " (n(height)) } role="group" aria-label={ "Genes at " (what) } {
                    line class="axis" x1=(n(MARGIN)) x2=(n(WIDTH - MARGIN)) y1=(n(axis)) y2=(n(axis)) {}
                    @for arrow in &plus { (draw(arrow, up(arrow.lane), first_line_up, -LINE)) }
                    @for arrow in &minus { (draw(arrow, down(arrow.lane), first_line_down, LINE)) }
                    @for arrow in &both { (draw(arrow, low(arrow.lane), first_line_low, LINE)) }
                    (ticks(window, &scale, ruler))
                }
            }
            figcaption { (what) " (" (thousands(window.span)) " bp)" (legend(&classes)) }
        }
    }
}

fn strand_of(row: &Row) -> &str {
    if matches!(row.strand.as_str(), "+" | "-") { &row.strand } else { "." }
}

/// From bases to units of the picture.
struct Scale {
    span: f64,
}

impl Scale {
    fn x(&self, offset: f64) -> f64 {
        MARGIN + offset.clamp(0.0, self.span) / self.span * (WIDTH - 2.0 * MARGIN)
    }
}

/// A row in the window: two arrows for what goes over both ends of a whole ring.
fn arrows_of<'r>(window: &Window, scale: &Scale, row: &'r Row, class: &'static str, marked: bool) -> Vec<Arrow<'r>> {
    let ring = window.sequence.length.filter(|_| window.sequence.circular).map(|length| length as f64);
    let shifts = [Some(0.0), ring];
    shifts.into_iter().flatten().filter_map(|shift| arrow(window, scale, row, shift, class, marked)).collect()
}

/// A row as it stands `shift` bases further left.
fn arrow<'r>(
    window: &Window,
    scale: &Scale,
    row: &'r Row,
    shift: f64,
    class: &'static str,
    marked: bool,
) -> Option<Arrow<'r>> {
    let from = window.offset(row.start) as f64 - shift;
    let to = from + row.length.max(1) as f64;
    if to <= 0.0 || from >= scale.span {
        return None;
    }
    let (left, right) = (scale.x(from), scale.x(to));
    // Something can be seen of everything.
    let x = if right - left < 2.0 { (left - 1.0, left + 1.0) } else { (left, right) };
    let part = |(start, end): &(u64, u64)| {
        let from = window.offset(*start) as f64 - shift;
        (scale.x(from), scale.x(from + (end + 1).saturating_sub(*start) as f64))
    };
    let parts = if row.parts.len() > 1 && !row.wraps { row.parts.iter().map(part).collect() } else { Vec::new() };
    let cut = (from < 0.0, to > scale.span);
    Some(Arrow { row, class, marked, x, cut, parts, lane: 0, label: Label::None })
}

/// Puts arrows that overlap into lanes of their own; a little overlap is usual among genes.
fn lanes(arrows: &mut [Arrow<'_>]) {
    let mut ends = [f64::NEG_INFINITY; LANES];
    for arrow in arrows {
        let slack = (arrow.x.1 - arrow.x.0).min(4.0) / 2.0;
        arrow.lane = ends.iter().position(|end| *end <= arrow.x.0 + slack).unwrap_or(LANES - 1);
        ends[arrow.lane] = ends[arrow.lane].max(arrow.x.1);
    }
}

fn text_width(text: &str) -> f64 {
    text.chars().count() as f64 * LETTER
}

fn shown_label(row: &Row) -> String {
    let text = match row.kind.as_str() {
        "motif" => row.pattern.as_deref().unwrap_or("site"),
        "intergenic" | "window" | "region" | "cluster" | "run" => &row.kind,
        "orf" | "ORF" => "ORF",
        _ => label(row),
    };
    let short: String = text.chars().take(24).collect();
    if short.len() < text.len() { format!("{short}…") } else { short }
}

/// Labels inside their arrow where it is long enough, else in lines beside the strand, those that are marked first.
fn labels(arrows: &mut [Arrow<'_>], places: bool) {
    let mut order: Vec<usize> = (0..arrows.len()).collect();
    order.sort_by_key(|&i| (!arrows[i].marked, arrows[i].class == "other", i));
    let mut taken: [Vec<(f64, f64)>; LINES] = Default::default();
    for i in order {
        let arrow = &mut arrows[i];
        if arrow.class == "place" && !places {
            continue;
        }
        let width = text_width(&shown_label(arrow.row));
        let room = arrow.x.1 - arrow.x.0 - HEAD - 4.0;
        if arrow.parts.is_empty() && width <= room {
            arrow.label = Label::Inside;
            continue;
        }
        let middle = label_middle(arrow, width);
        let stretch = (middle - width / 2.0 - 4.0, middle + width / 2.0 + 4.0);
        let free = taken.iter().position(|line| line.iter().all(|other| other.1 <= stretch.0 || other.0 >= stretch.1));
        if let Some(line) = free {
            taken[line].push(stretch);
            arrow.label = Label::Beside(line);
        }
    }
}

/// The middle of an arrow, moved so that a label of this width stays in the picture.
fn label_middle(arrow: &Arrow<'_>, width: f64) -> f64 {
    let half = width / 2.0 + 2.0;
    ((arrow.x.0 + arrow.x.1) / 2.0).clamp(half, (WIDTH - half).max(half))
}

fn n(number: f64) -> String {
    let text = format!("{number:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

fn draw(arrow: &Arrow<'_>, y: f64, first_line: f64, step: f64) -> Markup {
    let text = shown_label(arrow.row);
    let named = arrow.row.gene.is_some() && text == label(arrow.row);
    let classes = format!("feature {}{}", arrow.class, if arrow.marked { " marked" } else { "" });
    let middle = label_middle(arrow, text_width(&text));
    html! {
        a href=(place_of(arrow.row)) class=(classes) aria-label=(told(arrow.row)) {
            title { (told(arrow.row)) }
            @if arrow.parts.is_empty() {
                path d=(shape(arrow.x, arrow.cut, &arrow.row.strand, y)) {}
            } @else {
                line class="intron" x1=(n(arrow.x.0)) x2=(n(arrow.x.1)) y1=(n(y + ARROW / 2.0)) y2=(n(y + ARROW / 2.0)) {}
                @for (i, part) in arrow.parts.iter().enumerate() {
                    @let last = if arrow.row.strand == "-" { is_least(&arrow.parts, i) } else { is_greatest(&arrow.parts, i) };
                    path d=(shape(*part, arrow.cut, if last { &arrow.row.strand } else { "." }, y)) {}
                }
            }
            @match arrow.label {
                Label::None => {}
                Label::Inside => {
                    @let nudge = match arrow.row.strand.as_str() { "+" => -HEAD / 3.0, "-" => HEAD / 3.0, _ => 0.0 };
                    text class=(if named { "inside gene" } else { "inside" }) text-anchor="middle"
                        x=(n((arrow.x.0 + arrow.x.1) / 2.0 + nudge)) y=(n(y + ARROW / 2.0 + 4.0)) { (text) }
                }
                Label::Beside(line) => {
                    text class=(if named { "gene" } else { "name" }) text-anchor="middle"
                        x=(n(middle)) y=(n(first_line + line as f64 * step)) { (text) }
                }
            }
        }
    }
}

fn is_least(parts: &[(f64, f64)], i: usize) -> bool {
    parts.iter().all(|part| part.0 >= parts[i].0)
}

fn is_greatest(parts: &[(f64, f64)], i: usize) -> bool {
    parts.iter().all(|part| part.1 <= parts[i].1)
}

/// An arrow that points where its strand reads; a box without a strand, and flat where it goes on outside.
fn shape((left, right): (f64, f64), cut: (bool, bool), strand: &str, y: f64) -> String {
    let (top, bottom, middle) = (y, y + ARROW, y + ARROW / 2.0);
    let head = HEAD.min(right - left);
    match strand {
        "+" if !cut.1 => {
            let neck = right - head;
            format!(
                "M{} {}H{}L{} {}L{} {}H{}Z",
                n(left),
                n(top),
                n(neck),
                n(right),
                n(middle),
                n(neck),
                n(bottom),
                n(left)
            )
        }
        "-" if !cut.0 => {
            let neck = left + head;
            format!(
                "M{} {}H{}L{} {}L{} {}H{}Z",
                n(right),
                n(top),
                n(neck),
                n(left),
                n(middle),
                n(neck),
                n(bottom),
                n(right)
            )
        }
        _ => format!("M{} {}H{}V{}H{}Z", n(left), n(top), n(right), n(bottom), n(left)),
    }
}

/// 1, 2 or 5 times a power of ten, so that there are at most `most` of them.
pub(super) fn round_step(span: u64, most: u64) -> u64 {
    let mut power = 1u64;
    loop {
        for factor in [1, 2, 5] {
            let step = power.saturating_mul(factor);
            if span / step <= most {
                return step;
            }
        }
        power = power.saturating_mul(10);
    }
}

fn ticks(window: &Window, scale: &Scale, y: f64) -> Markup {
    let step = round_step(window.span, 8);
    // The origin of a ring is a tick too, and counting begins anew.
    let ring = window.sequence.length.filter(|_| window.sequence.circular);
    let end = window.start.saturating_add(window.span - 1);
    let mut bases: Vec<(u64, u64)> = Vec::new();
    match ring {
        Some(length) if end > length => {
            bases.extend(multiples(window.start, length, step).map(|base| (base, base)));
            bases.push((length + 1, 1));
            bases.extend(multiples(1, end - length, step).map(|base| (length + base, base)));
        }
        _ => bases.extend(multiples(window.start, end, step).map(|base| (base, base))),
    }
    html! {
        g class="ruler" {
            line x1=(n(MARGIN)) x2=(n(WIDTH - MARGIN)) y1=(n(y)) y2=(n(y)) {}
            @for (base, shown) in bases {
                @let x = scale.x((base - window.start) as f64 + 0.5);
                @let width = text_width(&thousands(shown)) / 2.0;
                line x1=(n(x)) x2=(n(x)) y1=(n(y)) y2=(n(y + 5.0)) {}
                text text-anchor="middle" x=(n(x.clamp(width, WIDTH - width))) y=(n(y + 18.0)) { (thousands(shown)) }
            }
        }
    }
}

pub(super) fn multiples(from: u64, to: u64, step: u64) -> impl Iterator<Item = u64> {
    (from.div_ceil(step)..=to / step).map(move |k| k * step).filter(|base| *base > 0)
}

fn legend(classes: &HashSet<&str>) -> Markup {
    let known = [
        ("cds", "protein-coding"),
        ("unknown", "hypothetical or without a product"),
        ("rna", "RNA"),
        ("pseudo", "pseudogene"),
        ("other", "other features"),
        ("place", "place that was found"),
    ];
    html! {
        ul class="legend" {
            @for (class, name) in known {
                @if classes.contains(class) {
                    li { svg class="key" viewBox="0 0 12 12" aria-hidden="true" {
                        g class={ "feature " (class) } { rect width="12" height="12" rx="2" {} }
                    } (name) }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::scene::Sequence;
    use super::*;

    fn window(start: u64, end: u64) -> Window {
        let sequence = Sequence { genome: "g".into(), name: "s".into(), length: Some(100_000), circular: true };
        Window::around(sequence, start, end, 0)
    }

    fn row(id: &str, start: u64, length: u64, strand: &str) -> Row {
        let end = (start + length - 2) % 100_000 + 1;
        let wraps = end < start;
        Row { id: id.into(), kind: "CDS".into(), start, end, length, wraps, strand: strand.into(), ..Row::default() }
    }

    fn drawn(window: &Window, rows: &[Row]) -> String {
        neighbourhood(window, rows, &[], &HashSet::from(["marked"])).into_string()
    }

    #[test]
    fn names_are_escaped() {
        let svg = drawn(&window(1, 1000), &[row("<script>alert(1)</script>\"'&", 1, 900, "+")]);
        assert!(!svg.contains("<script"), "{svg}");
        assert!(svg.contains("&lt;script&gt;"));
    }

    #[test]
    fn arrows_point_as_their_strand_reads_and_are_flat_where_they_are_cut() {
        assert_eq!(shape((10.0, 50.0), (false, false), "+", 0.0), "M10 0H41L50 10L41 20H10Z");
        assert_eq!(shape((10.0, 50.0), (false, false), "-", 0.0), "M50 0H19L10 10L19 20H50Z");
        assert_eq!(shape((10.0, 50.0), (false, true), "+", 0.0), "M10 0H50V20H10Z");
        assert_eq!(shape((10.0, 14.0), (false, false), "+", 0.0), "M10 0H10L14 10L10 20H10Z");
    }

    #[test]
    fn what_goes_over_the_origin_is_drawn_once_and_whole() {
        let over = window(99_001, 1_000);
        let svg = drawn(&over, &[row("marked", 99_501, 1_000, "+")]);
        assert_eq!(svg.matches("<path").count(), 1);
        // From a quarter of the picture to three quarters.
        assert!(svg.contains("M257 "), "{svg}");
        assert!(svg.contains("L743 "), "{svg}");
        assert!(svg.contains(">99,500<") && svg.contains(">500<") && svg.contains(">1<"), "{svg}");
    }

    #[test]
    fn on_a_whole_ring_it_is_drawn_at_both_ends() {
        let svg = drawn(&window(1, 100_000), &[row("marked", 99_501, 10_000, "+")]);
        assert_eq!(svg.matches("<path").count(), 2);
        assert_eq!(svg.matches('L').count(), 2, "one of them has the head: {svg}");
    }

    #[test]
    fn labels_do_not_cover_each_other() {
        let rows: Vec<Row> = (0..60).map(|i| row(&format!("gene_{i:04}"), 1 + i * 100, 90, "+")).collect();
        let window = window(1, 6_000);
        let scale = Scale { span: 6_000.0 };
        let mut arrows: Vec<Arrow<'_>> =
            rows.iter().flat_map(|row| arrows_of(&window, &scale, row, "cds", row.id == "gene_0031")).collect();
        lanes(&mut arrows);
        labels(&mut arrows, true);
        assert!(arrows.iter().all(|arrow| arrow.lane == 0));
        assert!(arrows[31].label == Label::Beside(0));
        let mut boxes: Vec<(usize, f64, f64)> = Vec::new();
        for arrow in &arrows {
            if let Label::Beside(line) = arrow.label {
                let width = text_width(&arrow.row.id);
                let middle = label_middle(arrow, width);
                let (left, right) = (middle - width / 2.0, middle + width / 2.0);
                assert!(left >= 0.0 && right <= WIDTH);
                assert!(boxes.iter().all(|other| other.0 != line || other.2 < left || other.1 > right));
                boxes.push((line, left, right));
            }
        }
        assert!(boxes.len() > 20, "{}", boxes.len());
    }

    #[test]
    fn steps_are_round() {
        assert_eq!(
            [1, 10, 100, 9_999, 12_345, 60_000].map(|span| round_step(span, 8)),
            [1, 2, 20, 2_000, 2_000, 10_000]
        );
        assert_eq!(multiples(1, 10, 5).collect::<Vec<_>>(), [5, 10]);
        assert!(round_step(u64::MAX, 8) > 0);
    }
}
