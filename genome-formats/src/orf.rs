//! Open reading frames of both strands, in one pass over the sequence.

use std::collections::VecDeque;

use crate::cds::{Cds, CdsPart, wrap};
use crate::coord::{Span, Strand};
use crate::genetic_code::GeneticCode;
use crate::iupac::{self, bases};
use crate::topology::Topology;

/// Where an open reading frame may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OrfStarts {
    /// Anywhere: from behind one stop to the next.
    Any,
    /// At the start codons of the genetic code.
    #[default]
    Table,
    /// At ATG only.
    AtgOnly,
}

/// Which frames [`orfs`] looks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrfOptions {
    /// The genetic code; table 1 by default.
    pub code: GeneticCode,
    /// The fewest amino acids, without the stop; 30 by default. At least one is always needed.
    pub min_len_aa: u64,
    /// Where frames may begin.
    pub starts: OrfStarts,
    /// One strand only; `None`, the default, for both.
    pub strand: Option<Strand>,
    /// Whether the sequence is a ring; a line by default.
    pub topology: Topology,
    /// Also frames without a start or a stop at the ends of a line; off by default.
    pub partial: bool,
    /// Every start codon of a frame instead of the first one, which gives the longest; off by default.
    pub nested: bool,
}

impl Default for OrfOptions {
    fn default() -> Self {
        Self {
            code: GeneticCode::STANDARD,
            min_len_aa: 30,
            starts: OrfStarts::Table,
            strand: None,
            topology: Topology::Linear,
            partial: false,
            nested: false,
        }
    }
}

/// How an open reading frame begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OrfStart {
    /// With ATG.
    Atg,
    /// With another start codon of the genetic code.
    Alternative,
    /// Behind a stop codon ([`OrfStarts::Any`]).
    AfterStop,
    /// At the end of the sequence: the real start may lie outside.
    Edge,
}

/// An open reading frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Orf {
    /// The bases with the stop codon. On a ring the end may lie behind the length, never the start.
    pub span: Span,
    /// The strand.
    pub strand: Strand,
    /// 0, 1 or 2: bases in front of the frame on its strand, modulo 3.
    pub frame: u8,
    /// How it begins.
    pub start: OrfStart,
    /// It has no start of its own ([`OrfStart::Edge`]).
    pub partial_5: bool,
    /// It has no stop.
    pub partial_3: bool,
}

impl Orf {
    /// How many amino acids it has, without the stop.
    pub fn len_aa(&self) -> u64 {
        self.span.len() / 3 - u64::from(!self.partial_3)
    }

    /// The pieces in the order of translation: one, or two over the origin of a ring of `length` bases.
    pub fn parts(&self, length: u64) -> Vec<CdsPart> {
        wrap(self.span, self.strand, Some(length)).unwrap_or_default()
    }

    /// The frame as a coding sequence, to extract and translate it.
    pub fn to_cds(&self, sequence: impl Into<String>, length: u64, code: GeneticCode) -> Cds {
        Cds {
            sequence: sequence.into(),
            parts: self.parts(length),
            code,
            // What begins behind a stop does not begin with M.
            partial_5: self.partial_5 || self.start == OrfStart::AfterStop,
            partial_3: self.partial_3,
            ..Cds::default()
        }
    }
}

/// The open reading frames of a sequence, in one pass. The order is that in which frames close; sort them as you need.
///
/// A frame is open between two stop codons. Within it an open reading frame begins at a start codon (the first one, or
/// every one) and ends with the stop codon, which belongs to its span, as in an annotated CDS.
///
/// Rules and traps:
///
/// - A codon is a stop or a start only if every reading of its letters is: `TAR` is a stop, `TAN` and `NNN` are none. So a
///   long run of N leaves all frames open.
/// - Where a codon may be a stop or an amino acid (tables 27, 28, 31), it is a stop here.
/// - With [`OrfOptions::partial`], frames that run over an end of a line count, cut to whole codons. A start codon at the
///   very end is a start. Without it, only frames with their start and their stop count.
/// - On a ring, spans over the origin end behind the length: [`Orf::parts`] has them in two pieces. No frame uses a base
///   twice: one that is open for more than a turn is cut to one turn in front of its stop (and is partial), and one
///   without any stop is not told.
///
/// ```
/// use genome_formats::{GeneticCode, OrfOptions, OrfStart, Strand, orfs};
///
/// let seq = b"CCATGAAACCCTAGGGTTACATTT"; // ATGAAACCCTAG forwards, ATG TAA (CATTTA...) backwards
/// let options = OrfOptions { min_len_aa: 2, ..OrfOptions::default() };
/// let found: Vec<_> = orfs(seq, &options).collect();
/// assert_eq!(found.len(), 1);
/// let orf = found[0];
/// assert_eq!((orf.span.start(), orf.span.end(), orf.strand, orf.start), (2, 14, Strand::Forward, OrfStart::Atg));
/// let protein = orf.to_cds("demo", seq.len() as u64, options.code).translate(seq)?;
/// assert_eq!(protein.letters, b"MKP");
/// # Ok::<(), genome_formats::Error>(())
/// ```
pub fn orfs<'a>(seq: &'a [u8], options: &OrfOptions) -> Orfs<'a> {
    Orfs::new(seq, options.clone())
}

const FORWARD_STOP: u8 = 1;
const FORWARD_START: u8 = 2;
const REVERSE_STOP: u8 = 4;
const REVERSE_START: u8 = 8;

/// Iterator over open reading frames: see [`orfs`].
#[derive(Debug, Clone)]
pub struct Orfs<'a> {
    seq: &'a [u8],
    options: OrfOptions,
    /// What a codon is on each strand, by the base sets of its three letters.
    roles: Vec<u8>,
    /// The base sets of the last letters, four bits each.
    window: usize,
    /// The codon to look at next; on a ring it goes round twice.
    at: u64,
    /// The first codon not to look at.
    end: u64,
    forward: [Open; 3],
    reverse: [Open; 3],
    ready: VecDeque<Orf>,
}

/// What is known of a frame since its last stop codon on the left.
#[derive(Debug, Clone, Default)]
struct Open {
    /// Where that stop codon begins; `None` at the end of the sequence.
    stop: Option<u64>,
    /// Where the start codons since then begin; only the one that gives the longest frame where no other is needed.
    starts: VecDeque<u64>,
}

impl<'a> Orfs<'a> {
    fn new(seq: &'a [u8], options: OrfOptions) -> Self {
        let length = seq.len() as u64;
        let end = match options.topology {
            _ if length < 3 => 0,
            Topology::Linear => length - 2,
            Topology::Circular => 2 * length,
        };
        let roles = roles(&options);
        let window = seq.iter().take(2).fold(0, |w, &b| (w << 4) | usize::from(bases(b)));
        let (forward, reverse) = Default::default();
        Self { seq, options, roles, window, at: 0, end, forward, reverse, ready: VecDeque::new() }
    }

    fn length(&self) -> u64 {
        self.seq.len() as u64
    }

    fn is_ring(&self) -> bool {
        self.options.topology.is_circular()
    }

    /// Looks at the codon at `self.at`.
    fn step(&mut self) {
        let at = self.at;
        self.at += 1;
        let mut last = at as usize + 2;
        while last >= self.seq.len() {
            last -= self.seq.len();
        }
        self.window = ((self.window << 4) | usize::from(bases(self.seq[last]))) & 0xfff;
        let role = self.roles[self.window];
        if role == 0 {
            return;
        }
        let frame = (at % 3) as usize;
        let keep_all = self.options.nested || self.is_ring();
        if role & FORWARD_START != 0 {
            let starts = &mut self.forward[frame].starts;
            if keep_all || starts.is_empty() {
                starts.push_back(at);
            }
        }
        if role & FORWARD_STOP != 0 {
            let open = std::mem::replace(&mut self.forward[frame], Open { stop: Some(at), ..Open::default() });
            self.close_forward(frame as u64, &open, Some(at), at);
        }
        if role & REVERSE_START != 0 {
            let starts = &mut self.reverse[frame].starts;
            if !keep_all {
                starts.clear();
            }
            starts.push_back(at);
        }
        if role & REVERSE_STOP != 0 {
            let open = std::mem::replace(&mut self.reverse[frame], Open { stop: Some(at), ..Open::default() });
            self.close_reverse(frame as u64, &open, Some(at), at);
        }
    }

    /// Closes all frames at the end of the sequence.
    fn finish(&mut self) {
        if self.end == 0 {
            return;
        }
        for frame in 0..3 {
            let (forward, reverse) = (self.forward[frame].clone(), self.reverse[frame].clone());
            let frame = frame as u64;
            // Behind the last whole codon.
            let right = frame + (self.length() - frame) / 3 * 3;
            if self.is_ring() {
                self.close_reverse(frame, &reverse, None, right);
            } else {
                self.close_forward(frame, &forward, None, right);
                self.close_reverse(frame, &reverse, None, right);
            }
        }
    }

    /// A forward frame: `codons` ends in front of `stop`, or at the last whole codon of the sequence.
    fn close_forward(&mut self, frame: u64, open: &Open, stop: Option<u64>, codons: u64) {
        if self.options.strand == Some(Strand::Reverse) {
            return;
        }
        let mut from = open.stop.map(|s| s + 3);
        let mut first = 0;
        if self.is_ring() {
            // Each stop is seen twice; the second time, a whole turn in front of it is known.
            if codons < self.length() {
                return;
            }
            let turn = codons + 3 - self.length();
            if from.is_none_or(|f| f < turn) {
                from = None;
                first = turn + (codons - turn) % 3;
            }
        } else if from.is_none() {
            first = frame;
        }
        let edge = from.is_none();
        let left = from.unwrap_or(first);
        let starts = open.starts.iter().copied().filter(|&s| s >= left);
        let limits = Limits { edge, outer: left, partial_3: stop.is_none() };
        self.emit(Strand::Forward, limits, starts, |start| (start, codons + if stop.is_some() { 3 } else { 0 }));
    }

    /// A reverse frame: its stop is on the left, and `codons` ends in front of the next `stop` on the right, or at the last
    /// whole codon of the sequence.
    fn close_reverse(&mut self, frame: u64, open: &Open, stop: Option<u64>, codons: u64) {
        if self.options.strand == Some(Strand::Forward) {
            return;
        }
        let mut edge = stop.is_none();
        let mut right = codons;
        let left = match open.stop {
            Some(left) if self.is_ring() => {
                // The first time that a stop is seen, the turn on its right is still to come.
                if left >= self.length() {
                    return;
                }
                let turn = left + self.length();
                if edge || right > turn {
                    edge = true;
                    right = left + (turn - left) / 3 * 3;
                }
                left
            }
            Some(left) => left,
            None if self.is_ring() => return,
            None => frame,
        };
        // From the right, in the direction of reading.
        let starts = open.starts.iter().rev().map(|s| s + 3).filter(|&s| s <= right);
        let limits = Limits { edge, outer: right, partial_3: open.stop.is_none() };
        self.emit(Strand::Reverse, limits, starts, |start| (left, start));
    }

    /// Gives the frames that begin at the starts, or at the outer end.
    fn emit(
        &mut self,
        strand: Strand,
        Limits { edge, outer, partial_3 }: Limits,
        mut starts: impl Iterator<Item = u64>,
        ends: impl Fn(u64) -> (u64, u64),
    ) {
        if partial_3 && !self.options.partial {
            return;
        }
        let (seq, length) = (self.seq, self.length());
        let options = &self.options;
        let ready = &mut self.ready;
        let mut push = |five: u64, start: OrfStart| {
            let (left, right) = ends(five);
            let shift = if left >= length { length } else { 0 };
            let Some(span) = Span::new(left - shift, right.max(left) - shift) else { return };
            let in_front = match strand {
                Strand::Forward => span.start(),
                Strand::Reverse => (2 * length - span.end()) % length,
            };
            let partial_5 = start == OrfStart::Edge;
            let orf = Orf { span, strand, frame: (in_front % 3) as u8, start, partial_5, partial_3 };
            // The span of a frame with a stop holds one codon more.
            let codons = span.len() / 3 - if partial_3 { 0 } else { 1 };
            if codons >= options.min_len_aa.max(1) {
                ready.push_back(orf);
            }
        };
        let kind = |five: u64| {
            let codon = codon_at(seq, five, strand);
            if codon.map(bases) == [iupac::A, iupac::T, iupac::G] { OrfStart::Atg } else { OrfStart::Alternative }
        };
        if options.starts == OrfStarts::Any {
            match edge {
                false => push(outer, OrfStart::AfterStop),
                true if options.partial => push(outer, OrfStart::Edge),
                true => {}
            }
            return;
        }
        let first = starts.next();
        let whole = edge && options.partial && first != Some(outer);
        if whole {
            push(outer, OrfStart::Edge);
        }
        if let Some(first) = first.filter(|_| !whole || options.nested) {
            push(first, kind(first));
        }
        if options.nested {
            for start in starts {
                push(start, kind(start));
            }
        }
    }
}

/// The outer end of a frame, which is open at an `edge`.
struct Limits {
    edge: bool,
    outer: u64,
    partial_3: bool,
}

/// The codon whose first base, as the strand reads, is beside `five`.
fn codon_at(seq: &[u8], five: u64, strand: Strand) -> [u8; 3] {
    let length = seq.len() as u64;
    let letter = |i: u64| seq[(i % length) as usize];
    match strand {
        Strand::Forward => [letter(five), letter(five + 1), letter(five + 2)],
        Strand::Reverse => {
            [five - 1, five - 2, five - 3].map(|i| crate::alphabet::complement(letter(i)).unwrap_or(b'-'))
        }
    }
}

/// The role of every codon of base sets.
fn roles(options: &OrfOptions) -> Vec<u8> {
    const LETTERS: &[u8; 16] = b"-TCYAWMHGKSBRDVN"; // by the set of bases
    let letter = |i: usize| LETTERS[i & 0xf];
    let complement = |b: u8| crate::alphabet::complement(b).unwrap_or(b);
    let start = |codon: [u8; 3]| match options.starts {
        OrfStarts::Any => false,
        OrfStarts::Table => options.code.is_start(codon),
        OrfStarts::AtgOnly => codon == *b"ATG",
    };
    let role = |i: usize| {
        let codon = [letter(i >> 8), letter(i >> 4), letter(i)];
        let other = [codon[2], codon[1], codon[0]].map(complement);
        let set = |yes, role| if yes { role } else { 0 };
        set(options.code.is_stop(codon), FORWARD_STOP)
            | set(start(codon), FORWARD_START)
            | set(options.code.is_stop(other), REVERSE_STOP)
            | set(start(other), REVERSE_START)
    };
    (0..4096).map(role).collect()
}

impl Iterator for Orfs<'_> {
    type Item = Orf;

    fn next(&mut self) -> Option<Orf> {
        loop {
            if let Some(orf) = self.ready.pop_front() {
                return Some(orf);
            }
            if self.at < self.end {
                self.step();
            } else if self.at == self.end {
                self.at += 1;
                self.finish();
            } else {
                return None;
            }
        }
    }
}

impl std::iter::FusedIterator for Orfs<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alphabet::reverse_complement;
    use proptest::prelude::*;

    /// The same rules, read off the strand's own letters codon by codon.
    fn naive(seq: &[u8], options: &OrfOptions) -> Vec<Orf> {
        let mut found = Vec::new();
        for strand in [Strand::Forward, Strand::Reverse] {
            if options.strand.is_none_or(|s| s == strand) && seq.len() >= 3 {
                let own = if strand == Strand::Forward { seq.to_vec() } else { reverse_complement(seq) };
                naive_strand(&own, strand, options, &mut found);
            }
        }
        found.sort();
        found
    }

    fn naive_strand(own: &[u8], strand: Strand, options: &OrfOptions, found: &mut Vec<Orf>) {
        let n = own.len();
        let code = options.code;
        let ring = options.topology.is_circular();
        let codon = |i: usize| [own[i % n], own[(i + 1) % n], own[(i + 2) % n]].map(|b| b.to_ascii_uppercase());
        let is_start = |i: usize| match options.starts {
            OrfStarts::Any => false,
            OrfStarts::Table => code.is_start(codon(i)),
            OrfStarts::AtgOnly => matches!(&codon(i), b"ATG" | b"AUG"),
        };
        // Each frame from its end backwards; `i` is counted from one turn further left on a ring.
        let mut ends: Vec<(usize, bool)> = Vec::new();
        if ring {
            ends.extend((n..2 * n).filter(|&i| code.is_stop(codon(i))).map(|i| (i, true)));
        } else {
            ends.extend((0..n - 2).filter(|&i| code.is_stop(codon(i))).map(|i| (i, true)));
            ends.extend((0..3).map(|f| (f + (n - f) / 3 * 3, false)));
        }
        for (end, stop) in ends {
            if !stop && !options.partial {
                continue;
            }
            let right = if stop { end + 3 } else { end };
            let mut begin = end;
            let after_stop = loop {
                if begin < 3 {
                    break false;
                }
                if code.is_stop(codon(begin - 3)) {
                    break true;
                }
                if ring && right - (begin - 3) > n {
                    break false;
                }
                begin -= 3;
            };
            let mut starts = Vec::new();
            if options.starts == OrfStarts::Any {
                if after_stop {
                    starts.push((begin, OrfStart::AfterStop));
                } else if options.partial {
                    starts.push((begin, OrfStart::Edge));
                }
            } else {
                if !after_stop && options.partial && !(begin < end && is_start(begin)) {
                    starts.push((begin, OrfStart::Edge));
                }
                for i in (begin..end).step_by(3).filter(|&i| is_start(i)) {
                    let atg = matches!(&codon(i), b"ATG" | b"AUG");
                    starts.push((i, if atg { OrfStart::Atg } else { OrfStart::Alternative }));
                }
                if !options.nested {
                    starts.truncate(1);
                }
            }
            for (start, kind) in starts {
                if ((end - start) / 3) < options.min_len_aa.max(1) as usize {
                    continue;
                }
                let first = start % n;
                let length = right - start;
                let left = match strand {
                    Strand::Forward => first,
                    Strand::Reverse => (2 * n - first - length) % n,
                };
                found.push(Orf {
                    span: Span::new(left as u64, (left + length) as u64).unwrap(),
                    strand,
                    frame: (first % 3) as u8,
                    start: kind,
                    partial_5: kind == OrfStart::Edge,
                    partial_3: !stop,
                });
            }
        }
    }

    fn show(orf: &Orf) -> String {
        let open = |o, c| if o { c } else { "" };
        format!(
            "{}{}:{}{}..{}{} {:?}",
            orf.strand.symbol(),
            orf.frame,
            open(orf.partial_5, "<"),
            orf.span.start(),
            orf.span.end(),
            open(orf.partial_3, ">"),
            orf.start
        )
    }

    #[test]
    fn frames_of_small_sequences() {
        let check = |seq: &[u8], change: &dyn Fn(&mut OrfOptions), expected: &[&str]| {
            let mut options = OrfOptions { min_len_aa: 1, starts: OrfStarts::AtgOnly, ..OrfOptions::default() };
            change(&mut options);
            let mut found: Vec<Orf> = orfs(seq, &options).collect();
            found.sort();
            assert_eq!(found.iter().map(show).collect::<Vec<_>>(), expected, "{}", String::from_utf8_lossy(seq));
        };
        let forward = |o: &mut OrfOptions| o.strand = Some(Strand::Forward);
        check(b"", &|_| {}, &[]);
        check(b"AT", &|o| o.partial = true, &[]);
        check(b"ATGAAATAA", &forward, &["+0:0..9 Atg"]);
        check(b"ATGTAA", &|o| o.min_len_aa = 2, &[]);
        check(b"CATGATGTAAC", &forward, &["+1:1..10 Atg"]);
        check(
            b"CATGATGTAAC",
            &|o| {
                forward(o);
                o.nested = true;
            },
            &["+1:1..10 Atg", "+1:4..10 Atg"],
        );
        // The same on the other strand.
        check(b"GTTACATCATG", &|o| o.strand = Some(Strand::Reverse), &["-1:1..10 Atg"]);
        // Ambiguous stops: all readings are stops, or not.
        check(b"ATGTANTAR", &forward, &["+0:0..9 Atg"]);
        check(b"ATGTARTAA", &forward, &["+0:0..6 Atg"]);
        check(b"augaaauga", &forward, &["+0:0..9 Atg"]);
        // Over the ends of a line.
        let partial = |o: &mut OrfOptions| {
            o.strand = Some(Strand::Forward);
            o.partial = true;
            o.min_len_aa = 2;
        };
        check(b"CCCAAATAACC", &partial, &["+0:<0..9 Edge", "+1:<1..10> Edge", "+2:<2..11> Edge"]);
        check(b"ATGAAATAATAGATAG", &partial, &["+0:0..9 Atg", "+2:<2..14> Edge"]);
        check(
            b"TAAATGAAACCC",
            &|o| {
                partial(o);
                o.min_len_aa = 3;
            },
            &["+2:<2..11> Edge", "+0:3..12> Atg"],
        );
        // Over the origin of a ring.
        check(
            b"AAATAACCATG",
            &|o| {
                forward(o);
                o.topology = Topology::Circular;
            },
            &["+2:8..17 Atg"],
        );
        // From stop to stop.
        check(
            b"TAAGGGTGAC",
            &|o| {
                forward(o);
                o.starts = OrfStarts::Any;
            },
            &["+0:3..9 AfterStop"],
        );
    }

    #[test]
    fn frames_on_a_ring_are_translated_over_the_origin() {
        let seq = b"AAATAACCATG";
        let options = OrfOptions { min_len_aa: 1, topology: Topology::Circular, ..OrfOptions::default() };
        let orf = orfs(seq, &options).find(|o| o.start == OrfStart::Atg).unwrap();
        let cds = orf.to_cds("ring", 11, options.code);
        assert_eq!(cds.parts.len(), 2);
        assert_eq!(cds.translate(seq).unwrap().letters, b"MK");
        assert_eq!(orf.len_aa(), 2);
    }

    fn options() -> impl Strategy<Value = OrfOptions> {
        let starts = proptest::sample::select(vec![OrfStarts::Any, OrfStarts::Table, OrfStarts::AtgOnly]);
        let strand = proptest::sample::select(vec![None, Some(Strand::Forward), Some(Strand::Reverse)]);
        let code = proptest::sample::select(GeneticCode::all().collect::<Vec<_>>());
        (code, 0u64..4, starts, strand, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
            |(code, min_len_aa, starts, strand, ring, partial, nested)| OrfOptions {
                code,
                min_len_aa,
                starts,
                strand,
                topology: Topology::from_flag(ring),
                partial,
                nested,
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

        #[test]
        fn one_pass_agrees_with_the_naive_twin(
            seq in "([ACGT]|ATG|TAA|TAG|CAT|TTA|R|N|-|a|u){0,40}",
            options in options(),
        ) {
            let mut found: Vec<Orf> = orfs(seq.as_bytes(), &options).collect();
            found.sort();
            prop_assert_eq!(found, naive(seq.as_bytes(), &options), "{} {:?}", seq, options);
        }

        #[test]
        fn frames_translate_without_a_stop_inside(seq in "[ACGT]{0,200}", ring: bool, partial: bool) {
            let options = OrfOptions {
                min_len_aa: 1, topology: Topology::from_flag(ring), partial, ..OrfOptions::default()
            };
            for orf in orfs(seq.as_bytes(), &options) {
                let protein = orf.to_cds("x", seq.len() as u64, options.code).translate(seq.as_bytes()).unwrap();
                prop_assert!(protein.internal_stops.is_empty());
                prop_assert_eq!(protein.stop, !orf.partial_3);
                prop_assert_eq!(protein.start, !orf.partial_5);
                prop_assert_eq!(protein.letters.len() as u64, orf.len_aa());
            }
        }

        #[test]
        fn any_bytes_never_panic(seq in proptest::collection::vec(any::<u8>(), 0..60), options in options()) {
            let _ = orfs(&seq, &options).count();
        }
    }
}
