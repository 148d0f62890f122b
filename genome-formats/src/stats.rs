//! Numbers of sequences: letters, GC content and skew, lengths (N50), k-mers.

mod kmers;

pub use kmers::KmerCounts;

use crate::coord::Span;
use crate::iupac::{self, bases};

/// Counts letters and lengths of sequences that come in pieces. Memory is a few words, and one per sequence.
///
/// - GC content without ambiguous letters is `(G + C + S) / (A + C + G + T + U + S + W)`; `S` is C or G and `W` is A or T,
///   so both are certain (Biopython's `gc_fraction(ambiguous="remove")`).
/// - GC content with ambiguous letters counts each with the share of its bases that are C or G: `N` and `R` a half, `B`
///   two thirds (Biopython's `"weighted"`).
/// - GC skew is `(G - C) / (G + C)`.
/// - N50 is the length of the shortest of the longest sequences that together hold at least half of all letters; L50 is
///   how many these are. Nx and Lx do the same for `x` percent.
/// - Lower-case letters count as soft-masked.
///
/// ```
/// use genome_formats::SequenceStats;
///
/// let mut stats = SequenceStats::default();
/// stats.push(b"ACGT"); // a sequence in two pieces
/// stats.push(b"nnGG");
/// stats.end_sequence();
/// stats.add(b"AT");
/// assert_eq!((stats.sequences(), stats.letters(), stats.count(b'G')), (2, 10, 3));
/// assert_eq!(stats.gc(), Some(0.5));
/// assert_eq!(stats.soft_masked(), Some(0.2));
/// assert_eq!(stats.nx(50.0).unwrap().length, 8);
/// ```
#[derive(Debug, Clone)]
pub struct SequenceStats {
    counts: [u64; 256],
    lengths: Vec<u64>,
    /// Letters of the sequence that has not ended.
    open: u64,
    is_open: bool,
}

/// What the lengths of sequences are like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LengthSummary {
    /// The shortest.
    pub min: u64,
    /// The longest.
    pub max: u64,
    /// The arithmetic mean.
    pub mean: f64,
    /// The middle one; the mean of the middle two where their number is even.
    pub median: f64,
}

/// Nx and Lx: see [`SequenceStats::nx`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nx {
    /// Nx: the length of the last sequence that was needed.
    pub length: u64,
    /// Lx: how many sequences were needed, the longest first.
    pub sequences: u64,
}

impl Default for SequenceStats {
    fn default() -> Self {
        Self { counts: [0; 256], lengths: Vec::new(), open: 0, is_open: false }
    }
}

impl SequenceStats {
    /// Counts a piece of the present sequence.
    pub fn push(&mut self, piece: &[u8]) {
        count_letters(&mut self.counts, piece);
        self.open += piece.len() as u64;
        self.is_open = true;
    }

    /// Ends the present sequence, which is empty if nothing was pushed.
    pub fn end_sequence(&mut self) {
        self.lengths.push(std::mem::take(&mut self.open));
        self.is_open = false;
    }

    /// Counts a whole sequence.
    pub fn add(&mut self, seq: &[u8]) {
        self.push(seq);
        self.end_sequence();
    }

    /// How many sequences there are, with the present one.
    pub fn sequences(&self) -> u64 {
        self.lengths.len() as u64 + u64::from(self.is_open)
    }

    /// How many letters there are.
    pub fn letters(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// How often a letter occurs, in either case.
    pub fn count(&self, letter: u8) -> u64 {
        let (upper, lower) = (letter.to_ascii_uppercase(), letter.to_ascii_lowercase());
        let other = if upper == lower { 0 } else { self.counts[usize::from(lower)] };
        self.counts[usize::from(upper)] + other
    }

    /// Each byte that occurs, upper and lower case apart, with its count.
    pub fn composition(&self) -> impl Iterator<Item = (u8, u64)> {
        (0..=u8::MAX).map(|b| (b, self.counts[usize::from(b)])).filter(|(_, n)| *n > 0)
    }

    /// The GC content without ambiguous letters, from 0 to 1; `None` where there are no others.
    pub fn gc(&self) -> Option<f64> {
        let count = |letters: &[u8]| letters.iter().map(|&l| self.count(l)).sum::<u64>();
        ratio(count(b"GCS"), count(b"GCSATUW"))
    }

    /// The GC content with ambiguous letters by their share, from 0 to 1; `None` without nucleotides.
    pub fn gc_with_ambiguous(&self) -> Option<f64> {
        let (mut gc, mut all) = (0.0, 0);
        for (letter, n) in self.composition() {
            let set = bases(letter);
            if set != 0 {
                gc += n as f64 * f64::from((set & (iupac::C | iupac::G)).count_ones()) / f64::from(set.count_ones());
                all += n;
            }
        }
        (all > 0).then(|| gc / all as f64)
    }

    /// The GC skew, from -1 to 1; `None` without G and C.
    pub fn gc_skew(&self) -> Option<f64> {
        skew(self.count(b'G'), self.count(b'C'))
    }

    /// The share of letters in lower case; `None` without letters.
    pub fn soft_masked(&self) -> Option<f64> {
        ratio((b'a'..=b'z').map(|b| self.counts[usize::from(b)]).sum(), self.letters())
    }

    /// How long the sequences are, with the present one; `None` without any.
    pub fn lengths(&self) -> Option<LengthSummary> {
        let lengths = self.sorted();
        let (&min, &max) = (lengths.first()?, lengths.last()?);
        let middle = lengths.len() / 2;
        let median = if lengths.len() % 2 == 1 {
            lengths[middle] as f64
        } else {
            (lengths[middle - 1] as f64 + lengths[middle] as f64) / 2.0
        };
        Some(LengthSummary { min, max, mean: self.letters() as f64 / lengths.len() as f64, median })
    }

    /// N50 and L50 for 50 percent, N90 and L90 for 90, and so on; `None` without letters, and for a percentage that is not
    /// from 0 to 100.
    pub fn nx(&self, percent: f64) -> Option<Nx> {
        let letters = self.letters();
        if letters == 0 || !(0.0..=100.0).contains(&percent) {
            return None;
        }
        let wanted = letters as f64 * percent / 100.0;
        let mut seen = 0;
        let lengths = self.sorted();
        let mut by_length = lengths.iter().rev().zip(1..);
        by_length.find_map(|(&length, sequences)| {
            seen += length;
            (seen as f64 >= wanted || seen == letters).then_some(Nx { length, sequences })
        })
    }

    fn sorted(&self) -> Vec<u64> {
        let mut lengths = self.lengths.clone();
        lengths.extend(self.is_open.then_some(self.open));
        lengths.sort_unstable();
        lengths
    }
}

/// Four tables in turn: runs of one letter would otherwise wait for their own counter.
fn count_letters(counts: &mut [u64; 256], piece: &[u8]) {
    // Small enough that no counter of 32 bits overflows.
    for block in piece.chunks(1 << 30) {
        if block.len() < 256 {
            block.iter().for_each(|&b| counts[usize::from(b)] += 1);
            continue;
        }
        let mut tables = [[0u32; 256]; 4];
        let (fours, rest) = block.as_chunks::<4>();
        for four in fours {
            for (table, &b) in tables.iter_mut().zip(four) {
                table[usize::from(b)] += 1;
            }
        }
        rest.iter().for_each(|&b| tables[0][usize::from(b)] += 1);
        for table in &tables {
            counts.iter_mut().zip(table).for_each(|(sum, &n)| *sum += u64::from(n));
        }
    }
}

fn ratio(part: u64, all: u64) -> Option<f64> {
    (all > 0).then(|| part as f64 / all as f64)
}

fn skew(g: u64, c: u64) -> Option<f64> {
    (g + c > 0).then(|| (g as f64 - c as f64) / (g + c) as f64)
}

/// GC content and skew of one window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GcWindow {
    /// The window.
    pub span: Span,
    /// The GC content without ambiguous letters; `None` where there are no others.
    pub gc: Option<f64>,
    /// `(G - C) / (G + C)`; `None` without G and C.
    pub skew: Option<f64>,
}

/// GC content and skew along a sequence: windows of `window` letters, each `step` behind the last. The last one is shorter
/// where the sequence ends in it. `None` for a window or step of 0.
///
/// ```
/// use genome_formats::gc_windows;
///
/// let windows: Vec<_> = gc_windows(b"GGGGCCAT", 4, 2).unwrap().collect();
/// assert_eq!(windows.iter().map(|w| w.skew).collect::<Vec<_>>(), [Some(1.0), Some(0.0), Some(-1.0)]);
/// assert_eq!(windows[2].gc, Some(0.5));
/// ```
pub fn gc_windows(seq: &[u8], window: usize, step: usize) -> Option<GcWindows<'_>> {
    (window > 0 && step > 0).then(|| GcWindows {
        seq,
        window,
        step,
        start: 0,
        counted: 0..0,
        counts: Counts::default(),
    })
}

/// Iterator over windows: see [`gc_windows`].
#[derive(Debug, Clone)]
pub struct GcWindows<'a> {
    seq: &'a [u8],
    window: usize,
    step: usize,
    start: usize,
    /// The letters that `counts` holds.
    counted: std::ops::Range<usize>,
    counts: Counts,
}

#[derive(Debug, Clone, Default)]
struct Counts {
    g: u64,
    c: u64,
    /// C, G and S.
    strong: u64,
    /// A, T and W.
    weak: u64,
}

impl Counts {
    fn change(&mut self, letters: &[u8], change: impl Fn(&mut u64)) {
        for &letter in letters {
            let set = bases(letter);
            match set {
                iupac::G => change(&mut self.g),
                iupac::C => change(&mut self.c),
                _ => {}
            }
            if set != 0 && set & (iupac::A | iupac::T) == 0 {
                change(&mut self.strong);
            } else if set != 0 && set & (iupac::C | iupac::G) == 0 {
                change(&mut self.weak);
            }
        }
    }
}

impl Iterator for GcWindows<'_> {
    type Item = GcWindow;

    fn next(&mut self) -> Option<GcWindow> {
        let (start, length) = (self.start, self.seq.len());
        if start >= length {
            return None;
        }
        let end = start.saturating_add(self.window).min(length);
        if start >= self.counted.end {
            self.counts = Counts::default();
            self.counted = start..start;
        }
        self.counts.change(&self.seq[self.counted.start..start], |n| *n -= 1);
        self.counts.change(&self.seq[self.counted.end..end], |n| *n += 1);
        self.counted = start..end;
        self.start = if end == length { length } else { start.saturating_add(self.step) };
        let Counts { g, c, strong, weak } = self.counts;
        Some(GcWindow {
            span: Span::new(start as u64, end as u64)?,
            gc: ratio(strong, strong + weak),
            skew: skew(g, c),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stats(seqs: &[&[u8]]) -> SequenceStats {
        let mut stats = SequenceStats::default();
        seqs.iter().for_each(|s| stats.add(s));
        stats
    }

    #[test]
    fn gc_content_and_skew() {
        let check = |seq: &[u8], gc, weighted, skew| {
            let stats = stats(&[seq]);
            assert_eq!((stats.gc(), stats.gc_with_ambiguous(), stats.gc_skew()), (gc, weighted, skew));
        };
        check(b"", None, None, None);
        check(b"NN--", None, Some(0.5), None);
        check(b"ACGT", Some(0.5), Some(0.5), Some(0.0));
        check(b"GGgC", Some(1.0), Some(1.0), Some(0.5));
        check(b"auAU", Some(0.0), Some(0.0), None);
        check(b"GCSW", Some(0.75), Some(0.75), Some(0.0));
        check(b"ANNN", Some(0.0), Some(0.375), None);
        check(b"BBVVDDHH", None, Some(0.5), None);
        // The examples in the documentation of Biopython's gc_fraction.
        check(b"ACTGSSSS", Some(0.75), Some(0.75), Some(0.0));
        check(b"CCTGNN", Some(0.75), Some(4.0 / 6.0), Some(-1.0 / 3.0));
    }

    #[test]
    fn lengths_of_sequences() {
        let seq = |n| vec![b'A'; n];
        let mut stats = SequenceStats::default();
        assert_eq!((stats.lengths(), stats.nx(50.0), stats.soft_masked()), (None, None, None));
        // The example of Wikipedia's article "N50, L50, and related statistics": 80 70 50 40 30 20 has N50 70, L50 2.
        for n in [20, 80, 50, 70, 30, 40] {
            stats.add(&seq(n));
        }
        assert_eq!(stats.nx(50.0), Some(Nx { length: 70, sequences: 2 }));
        assert_eq!(stats.nx(100.0), Some(Nx { length: 20, sequences: 6 }));
        assert_eq!(stats.nx(0.0), Some(Nx { length: 80, sequences: 1 }));
        assert_eq!((stats.nx(101.0), stats.nx(f64::NAN)), (None, None));
        let lengths = stats.lengths().unwrap();
        assert_eq!((lengths.min, lengths.max, lengths.median), (20, 80, 45.0));
        // A sequence that has not ended counts.
        stats.push(b"aaNN");
        stats.push(b"");
        assert_eq!((stats.sequences(), stats.lengths().unwrap().min), (7, 4));
        assert_eq!(stats.composition().collect::<Vec<_>>(), [(b'A', 290), (b'N', 2), (b'a', 2)]);
        assert_eq!((stats.count(b'a'), stats.count(b'n'), stats.count(b'*')), (292, 2, 0));
        stats.end_sequence();
        stats.end_sequence();
        assert_eq!((stats.sequences(), stats.lengths().unwrap().min), (8, 0));
    }

    #[test]
    fn windows_may_overlap_or_leave_gaps() {
        let spans = |seq: &[u8], window, step| {
            let windows = gc_windows(seq, window, step).unwrap();
            windows.map(|w| (w.span.start(), w.span.end())).collect::<Vec<_>>()
        };
        assert_eq!(spans(b"", 3, 1), []);
        assert_eq!(spans(b"ACGTA", 3, 1), [(0, 3), (1, 4), (2, 5)]);
        assert_eq!(spans(b"ACGTA", 2, 2), [(0, 2), (2, 4), (4, 5)]);
        assert_eq!(spans(b"ACGTA", 1, 3), [(0, 1), (3, 4)]);
        assert_eq!(spans(b"ACGTA", usize::MAX, usize::MAX), [(0, 5)]);
        assert!(gc_windows(b"ACGT", 0, 1).is_none() && gc_windows(b"ACGT", 1, 0).is_none());
    }

    proptest! {
        #[test]
        fn counting_agrees_with_a_plain_loop(
            seqs in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..700), 0..5),
            cut in 0usize..700,
        ) {
            let mut stats = SequenceStats::default();
            for seq in &seqs {
                let (a, b) = seq.split_at(cut.min(seq.len()));
                stats.push(a);
                stats.push(b);
                stats.end_sequence();
            }
            let all = seqs.concat();
            for letter in 0..=255u8 {
                let n = all.iter().filter(|&&b| b == letter).count() as u64;
                prop_assert_eq!(stats.composition().find(|c| c.0 == letter).map_or(0, |c| c.1), n);
            }
            prop_assert_eq!((stats.letters(), stats.sequences()), (all.len() as u64, seqs.len() as u64));
            if !all.is_empty() {
                // N50 by its definition: the longest length such that sequences at least as long hold half of all.
                let mut lengths: Vec<usize> = seqs.iter().map(Vec::len).collect();
                lengths.sort_unstable();
                let holds = |l: usize| 2 * lengths.iter().filter(|&&x| x >= l).sum::<usize>() >= all.len();
                let n50 = lengths.iter().rev().find(|&&l| holds(l)).unwrap();
                prop_assert_eq!(stats.nx(50.0).unwrap().length, *n50 as u64);
            }
        }

        #[test]
        fn windows_agree_with_their_own_stats(
            seq in "[ACGTNSWacgtn-]{0,80}", window in 1usize..20, step in 1usize..30,
        ) {
            for w in gc_windows(seq.as_bytes(), window, step).unwrap() {
                let one = stats(&[w.span.slice(seq.as_bytes()).unwrap()]);
                prop_assert_eq!((w.gc, w.skew), (one.gc(), one.gc_skew()));
            }
        }
    }
}
