//! Nucleotide letters: which bytes are IUPAC codes, and their complements.
//!
//! Codes after NC-IUB 1984 (Nucleic Acids Research 13: 3021-3030, 1985). Case is data (lower case marks repeats),
//! so every function here keeps it.

use crate::byte_set::ByteSet;

/// Complement of each byte; 0 where the byte is no nucleotide.
const COMPLEMENT: [u8; 256] = complement_table();

const fn complement_table() -> [u8; 256] {
    const PAIRS: [(u8, u8); 16] = [
        (b'A', b'T'),
        (b'C', b'G'),
        (b'G', b'C'),
        (b'T', b'A'),
        (b'U', b'A'),
        (b'R', b'Y'), // A G
        (b'Y', b'R'), // C T
        (b'S', b'S'), // C G
        (b'W', b'W'), // A T
        (b'K', b'M'), // G T
        (b'M', b'K'), // A C
        (b'B', b'V'), // C G T
        (b'V', b'B'), // A C G
        (b'D', b'H'), // A G T
        (b'H', b'D'), // A C T
        (b'N', b'N'),
    ];
    let mut table = [0; 256];
    let mut i = 0;
    while i < PAIRS.len() {
        let (from, to) = PAIRS[i];
        table[from as usize] = to;
        table[from.to_ascii_lowercase() as usize] = to.to_ascii_lowercase();
        i += 1;
    }
    table
}

/// Whether the byte is an IUPAC nucleotide code, in either case: `ACGTU` or `RYSWKMBDHVN`.
pub fn is_nucleotide(byte: u8) -> bool {
    COMPLEMENT[usize::from(byte)] != 0
}

/// Whether the byte is an IUPAC code for more than one base, in either case: `RYSWKMBDHVN`.
pub fn is_ambiguous(byte: u8) -> bool {
    is_nucleotide(byte) && !matches!(byte.to_ascii_uppercase(), b'A' | b'C' | b'G' | b'T' | b'U')
}

/// The complement of a nucleotide, in its case; `None` for any other byte. `U` gives `A`, and `A` gives `T`.
pub fn complement(byte: u8) -> Option<u8> {
    match COMPLEMENT[usize::from(byte)] {
        0 => None,
        c => Some(c),
    }
}

/// Index of the first byte that is no IUPAC nucleotide.
pub fn first_unknown(seq: &[u8]) -> Option<usize> {
    Letters::Iupac.first_unknown(seq)
}

/// Which letters a sequence may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Letters {
    /// IUPAC nucleotide codes in either case, without gaps.
    #[default]
    Iupac,
    /// IUPAC amino acid codes in either case: every letter of the alphabet (`B`, `J`, `X` and `Z` are ambiguous, `U` is
    /// selenocysteine, `O` pyrrolysine), and `*` for a stop. Without gaps.
    Protein,
    /// Any visible ASCII character: alignments with gaps, whatever else.
    Any,
}

const NUCLEOTIDES: ByteSet = ByteSet::new(b"ACGTURYSWKMBDHVNacgturyswkmbdhvn");
const AMINO_ACIDS: ByteSet = ByteSet::range(b'A', b'Z').with(b"abcdefghijklmnopqrstuvwxyz*");
const VISIBLE: ByteSet = ByteSet::range(b'!', b'~');

/// Bytes that make a line something else than letters when they stand at its start: a definition in FASTA, the title or
/// the second title in FASTQ, a comment.
const LINE_MARKS: &[u8] = b">@+;#!";

impl Letters {
    /// The letters.
    pub(crate) const fn set(self) -> &'static ByteSet {
        match self {
            Self::Iupac => const { &NUCLEOTIDES },
            Self::Protein => const { &AMINO_ACIDS },
            Self::Any => const { &VISIBLE },
        }
    }

    /// The letters that mean nothing else at the start of a line.
    pub(crate) const fn plain_set(self) -> &'static ByteSet {
        match self {
            Self::Iupac | Self::Protein => self.set(),
            Self::Any => const { &VISIBLE.without(LINE_MARKS) },
        }
    }

    /// The letters that mean nothing else at the start of a line, and the line feed: whole lines.
    pub(crate) const fn line_set(self) -> &'static ByteSet {
        match self {
            Self::Iupac => const { &NUCLEOTIDES.with(b"\n") },
            Self::Protein => const { &AMINO_ACIDS.with(b"\n") },
            Self::Any => const { &VISIBLE.without(LINE_MARKS).with(b"\n") },
        }
    }

    /// Index of the first byte that is not allowed. Spaces and tabs are left to the caller.
    pub(crate) fn first_unknown(self, seq: &[u8]) -> Option<usize> {
        let known = self.set().prefix(seq);
        (known < seq.len()).then_some(known)
    }

    pub(crate) const fn expected(self) -> &'static str {
        match self {
            Self::Iupac => "an IUPAC nucleotide",
            Self::Protein => "an amino acid letter or *",
            Self::Any => "a visible ASCII letter",
        }
    }
}

/// The other strand of `seq`, read in its own direction. Bytes that are no nucleotides, such as gaps, stay as they are.
///
/// ```
/// use genome_formats::alphabet::reverse_complement;
///
/// assert_eq!(reverse_complement(b"AACgrN"), b"NycGTT");
/// ```
pub fn reverse_complement(seq: &[u8]) -> Vec<u8> {
    seq.iter().rev().map(|&b| complement(b).unwrap_or(b)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_code_in_both_cases() {
        let letters: Vec<u8> = (0..=255).filter(|&b| is_nucleotide(b)).collect();
        assert_eq!(letters, b"ABCDGHKMNRSTUVWYabcdghkmnrstuvwy");
        let set: Vec<u8> = (0..=255).filter(|&b| Letters::Iupac.set().contains(b)).collect();
        assert_eq!(set, letters);
        let ambiguous: Vec<u8> = (0..=255).filter(|&b| is_ambiguous(b)).collect();
        assert_eq!(ambiguous, b"BDHKMNRSVWYbdhkmnrsvwy");
    }

    #[test]
    fn complements() {
        let check = |from: &[u8], to: &[u8]| assert_eq!(reverse_complement(from), to);
        check(b"", b"");
        check(b"ACGT", b"ACGT");
        check(b"aacgt", b"acgtt");
        check(b"ACUU", b"AAGT"); // RNA comes back as DNA
        check(b"RYSWKMBDHVN", b"NBDHVKMWSRY");
        check(b"A-C*", b"*G-T");
    }

    #[test]
    fn first_unknown_looks_at_every_block() {
        let mut seq = vec![b'A'; 200];
        assert_eq!(first_unknown(&seq), None);
        seq[199] = b'J';
        assert_eq!(first_unknown(&seq), Some(199));
        seq[64] = 0;
        assert_eq!(first_unknown(&seq), Some(64));
        assert_eq!(first_unknown(b""), None);
    }

    proptest! {
        #[test]
        fn reverse_complement_twice_is_nothing(seq in "[ACGTRYSWKMBDHVNacgtryswkmbdhvn-]{0,200}") {
            prop_assert_eq!(reverse_complement(&reverse_complement(seq.as_bytes())), seq.as_bytes());
        }

        #[test]
        fn first_unknown_agrees_with_a_plain_search(seq in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(first_unknown(&seq), seq.iter().position(|&b| !is_nucleotide(b)));
        }
    }
}
