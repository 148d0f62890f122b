//! Patterns in sequences: IUPAC motifs one by one, and exact words in an index of a genome.

mod index;

pub use index::{IndexHit, SequenceIndex};

use crate::alphabet::reverse_complement;
use crate::coord::{Span, Strand};
use crate::error::{Error, ErrorKind, Result, letter};
use crate::iupac::bases;
use crate::topology::Topology;

/// Letters that the bit-parallel search follows at once; the rest of a longer motif is compared letter by letter.
const WORD: usize = 64;

/// A pattern of IUPAC letters.
///
/// A letter of the pattern matches a letter of the sequence that certainly is one of its bases: `R` matches `A`, `G` and
/// `R`, but not `N`; `N` matches every nucleotide. Case does not matter, and `U` is `T`. Hits may overlap.
///
/// The search is shift-and with classes of letters (Baeza-Yates and Gonnet, CACM 35(10), 1992): a few operations a letter.
///
/// ```
/// use genome_formats::{Motif, Strand, Topology};
///
/// let tata = Motif::new("TATAWAW")?;
/// let hits: Vec<_> = tata.find(b"CCTATAAATGG", Topology::Linear).collect();
/// assert_eq!((hits[0].span.start(), hits[0].span.end(), hits[0].strand), (2, 9, Strand::Forward));
/// assert!(Motif::new("TAXA").is_err());
/// # Ok::<(), genome_formats::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Motif {
    letters: Vec<u8>,
    /// The base sets of the pattern, and of its reverse complement.
    sets: [Vec<u8>; 2],
    /// For each base set of a letter, the places of the pattern (the first [`WORD`]) that it matches; both strands.
    places: [[u64; 16]; 2],
}

/// Where a [`Motif`] stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MotifHit {
    /// The bases. On a ring the end may lie behind the length, never the start.
    pub span: Span,
    /// The strand that reads as the pattern.
    pub strand: Strand,
}

impl Motif {
    /// A motif of one IUPAC letter or more.
    ///
    /// # Errors
    /// [`ErrorKind::Empty`] without letters, [`ErrorKind::UnknownLetter`] for a letter that is no nucleotide.
    pub fn new(pattern: &str) -> Result<Self> {
        let letters = pattern.as_bytes().to_ascii_uppercase();
        if letters.is_empty() {
            return Err(Error::new(ErrorKind::Empty, "motif", "a motif without letters"));
        }
        if let Some(unknown) = letters.iter().find(|&&l| bases(l) == 0) {
            return Err(Error::new(ErrorKind::UnknownLetter, "motif", "unknown letter")
                .in_record(pattern)
                .expecting("an IUPAC nucleotide")
                .finding(letter(*unknown)));
        }
        let set = |seq: &[u8]| -> Vec<u8> { seq.iter().map(|&l| bases(l)).collect() };
        let sets = [set(&letters), set(&reverse_complement(&letters))];
        let mut places = [[0; 16]; 2];
        for (places, sets) in places.iter_mut().zip(&sets) {
            for (i, &wanted) in sets.iter().take(WORD).enumerate() {
                for (seen, places) in (0..).zip(places.iter_mut()) {
                    *places |= u64::from(matches(wanted, seen)) << i;
                }
            }
        }
        Ok(Self { letters, sets, places })
    }

    /// The pattern in upper case.
    pub fn letters(&self) -> &[u8] {
        &self.letters
    }

    /// Whether the pattern is its own reverse complement, as `GAATTC` is. Such a motif is on both strands wherever it is;
    /// its hits are told once, as forward ones.
    pub fn is_palindrome(&self) -> bool {
        self.sets[0] == self.sets[1]
    }

    /// All places of the motif on both strands, from left to right, forward first.
    pub fn find<'a>(&'a self, seq: &'a [u8], topology: Topology) -> MotifHits<'a> {
        self.hits(seq, topology, [true, !self.is_palindrome()])
    }

    /// All places of the motif on one strand, from left to right.
    pub fn find_on<'a>(&'a self, seq: &'a [u8], topology: Topology, strand: Strand) -> MotifHits<'a> {
        self.hits(seq, topology, [strand == Strand::Forward, strand == Strand::Reverse])
    }

    fn hits<'a>(&'a self, seq: &'a [u8], topology: Topology, strands: [bool; 2]) -> MotifHits<'a> {
        let (m, n) = (self.letters.len(), seq.len());
        let end = if m > n {
            0
        } else if topology.is_circular() {
            n + m - 1
        } else {
            n
        };
        MotifHits { motif: self, seq, strands, at: 0, end, states: [0; 2], second: None }
    }

    /// Whether what stands behind the first [`WORD`] letters matches too.
    fn rest_matches(&self, strand: usize, seq: &[u8], start: usize) -> bool {
        let rest = self.sets[strand].iter().enumerate().skip(WORD);
        rest.map(|(i, &wanted)| (wanted, seq[(start + i) % seq.len()])).all(|(w, l)| matches(w, bases(l)))
    }
}

/// Whether a letter that stands for `seen` is certainly one of `wanted`.
fn matches(wanted: u8, seen: u8) -> bool {
    seen != 0 && seen & !wanted == 0
}

/// Iterator over the hits of a [`Motif`].
#[derive(Debug, Clone)]
pub struct MotifHits<'a> {
    motif: &'a Motif,
    seq: &'a [u8],
    strands: [bool; 2],
    /// The letter to look at next; on a ring it goes on behind the end.
    at: usize,
    end: usize,
    /// Bit `i` is set where the last `i + 1` letters match as many letters of the pattern.
    states: [u64; 2],
    /// The hit on the reverse strand at the place of the last one.
    second: Option<MotifHit>,
}

impl Iterator for MotifHits<'_> {
    type Item = MotifHit;

    fn next(&mut self) -> Option<MotifHit> {
        if let Some(hit) = self.second.take() {
            return Some(hit);
        }
        let m = self.motif.letters.len();
        let word = m.min(WORD);
        let full = 1u64 << (word - 1);
        while self.at < self.end {
            let n = self.seq.len();
            let seen = usize::from(bases(self.seq[if self.at < n { self.at } else { self.at - n }]));
            self.at += 1;
            for (state, places) in self.states.iter_mut().zip(&self.motif.places) {
                *state = ((*state << 1) | 1) & places[seen];
            }
            if (self.states[0] | self.states[1]) & full == 0 || self.at < word {
                continue;
            }
            let start = self.at - word;
            if start + m > self.end {
                continue;
            }
            let hit = |strand: usize| {
                let found = self.strands[strand] && self.states[strand] & full != 0;
                (found && self.motif.rest_matches(strand, self.seq, start)).then_some(())?;
                let strand = [Strand::Forward, Strand::Reverse][strand];
                Some(MotifHit { span: Span::new(start as u64, (start + m) as u64)?, strand })
            };
            match (hit(0), hit(1)) {
                (None, None) => {}
                (None, one) | (one, None) => return one,
                (one, two) => {
                    self.second = two;
                    return one;
                }
            }
        }
        None
    }
}

impl std::iter::FusedIterator for MotifHits<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naive(motif: &Motif, seq: &[u8], ring: bool) -> Vec<MotifHit> {
        let (m, n) = (motif.letters.len(), seq.len());
        let starts = if m > n {
            0
        } else if ring {
            n
        } else {
            n - m + 1
        };
        let mut hits = Vec::new();
        for start in 0..starts {
            let here: Vec<u8> = (start..start + m).map(|i| seq[i % n]).collect();
            for strand in [Strand::Forward, Strand::Reverse] {
                let read = if strand == Strand::Forward { here.clone() } else { reverse_complement(&here) };
                let all = motif.letters.iter().zip(&read).all(|(&p, &l)| matches(bases(p), bases(l)));
                if all && !(motif.is_palindrome() && strand == Strand::Reverse) {
                    hits.push(MotifHit { span: Span::new(start as u64, (start + m) as u64).unwrap(), strand });
                }
            }
        }
        hits
    }

    fn show(hits: impl Iterator<Item = MotifHit>) -> String {
        hits.map(|h| format!("{}{}", h.strand.symbol(), h.span.start())).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn motifs_on_both_strands() {
        let check = |pattern: &str, seq: &[u8], topology, expected: &str| {
            assert_eq!(show(Motif::new(pattern).unwrap().find(seq, topology)), expected, "{pattern}");
        };
        use Topology::{Circular, Linear};
        check("AAA", b"aaaaa", Linear, "+0 +1 +2");
        check("TATAWAW", b"CCTATAAATGGATTTATACC", Linear, "+2 -11");
        check("GAATTC", b"GAATTCgaattc", Linear, "+0 +6"); // a palindrome is told once
        check("AUG", b"ATGCAT", Linear, "+0 -3");
        check("RA", b"RA NA AA", Linear, "+0 +6");
        check("N", b"AN-", Linear, "+0 +1"); // its own reverse complement
        check("ATG", b"GCCAT", Circular, "-2 +3");
        check("ATG", b"GCCAT", Linear, "-2");
        check("ATG", b"TGA", Circular, "+2");
        check("AAAA", b"AAA", Circular, "");
        check("A", b"", Circular, "");
        let motif = Motif::new("gaattc").unwrap();
        assert_eq!(show(motif.find_on(b"GAATTC", Linear, Strand::Reverse)), "-0");
        assert_eq!((motif.letters(), motif.is_palindrome()), (&b"GAATTC"[..], true));
    }

    #[test]
    fn broken_motifs_are_refused() {
        let check = |pattern: &str, expected: &str| {
            assert_eq!(Motif::new(pattern).unwrap_err().to_string(), expected);
        };
        check("", "motif: a motif without letters");
        check("TAX", "motif: unknown letter in sequence \"TAX\": expected an IUPAC nucleotide, found 'X'");
        check("A-T", "motif: unknown letter in sequence \"A-T\": expected an IUPAC nucleotide, found '-'");
    }

    proptest! {
        #[test]
        fn hits_agree_with_the_naive_twin(
            pattern in "[ACGTN]{1,3}|[ACGTRYSWKMBDHVN]{1,5}|[NRY]{60,70}", seq in "[ACGTacgt]{0,100}|[ACGTRN-]{0,40}", ring: bool,
        ) {
            let motif = Motif::new(&pattern).unwrap();
            let found: Vec<MotifHit> = motif.find(seq.as_bytes(), Topology::from_flag(ring)).collect();
            prop_assert_eq!(found, naive(&motif, seq.as_bytes(), ring));
        }

        /// Long motifs that do occur: a piece of the sequence with some letters made ambiguous.
        #[test]
        fn long_motifs_are_found_where_they_were_taken(
            seq in "[ACGT]{70,150}", start in 0usize..150, length in 60usize..70, ring: bool,
        ) {
            let start = start % seq.len();
            let pattern: String = seq.chars().cycle().skip(start).take(length).collect();
            let motif = Motif::new(&pattern.replace('A', "R")).unwrap();
            let found: Vec<MotifHit> = motif.find(seq.as_bytes(), Topology::from_flag(ring)).collect();
            prop_assert_eq!(&found, &naive(&motif, seq.as_bytes(), ring));
            prop_assert!(!ring || found.iter().any(|h| h.span.start() == start as u64));
        }
    }
}
