//! A full-text index of a genome: after one pass over it, a word is looked up in time that grows with the word alone.

use std::fmt;

use bio::alphabets::Alphabet;
use bio::data_structures::bwt::{BWT, Less, Occ, bwt, less};
use bio::data_structures::fmindex::{BackwardSearchResult, FMIndex, FMIndexable};
use bio::data_structures::suffix_array::{RawSuffixArray, suffix_array};

use crate::alphabet::reverse_complement;
use crate::coord::{Span, Strand};
use crate::iupac::{self, bases};
use crate::record::SeqRecord;

/// The text's end, which sorts before everything.
const END: u8 = b'$';
/// Stands for a letter that is no plain base, and between sequences: no word reaches over it.
const BREAK: u8 = b'N';
/// Every how many letters a count is kept: 64 takes an eighth of a byte a letter and base.
const COUNT_EVERY: u32 = 64;

/// Finds exact words of plain bases (`ACGT`, either case, `U` as `T`) in sequences, again and again.
///
/// Building takes linear time and keeps some 10 bytes a letter (46 MB for E. coli): it pays where many words are looked up.
/// For one pattern, or an ambiguous one, [`Motif`](crate::Motif) is the better tool. The index is that of the crate `bio`.
///
/// ```
/// use genome_formats::{SeqRecord, SequenceIndex, Strand};
///
/// let genome = [SeqRecord::new("chr1", b"ACGTTT"), SeqRecord::new("chr2", b"AAAC")];
/// let index = SequenceIndex::new(&genome);
/// let hits = index.find_all(b"AAAC");
/// assert_eq!((hits.len(), index.count(b"AAAC")), (2, 2));
/// assert_eq!((index.name(hits[0].sequence), hits[0].span.start(), hits[0].strand), ("chr1", 2, Strand::Reverse));
/// assert_eq!((index.name(hits[1].sequence), hits[1].span.start(), hits[1].strand), ("chr2", 0, Strand::Forward));
/// ```
pub struct SequenceIndex {
    names: Vec<String>,
    /// Where each sequence begins in the text, and where the last one ends.
    starts: Vec<usize>,
    suffixes: RawSuffixArray,
    index: FMIndex<BWT, Less, Occ>,
}

/// Where a word stands in a [`SequenceIndex`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IndexHit {
    /// The number of the sequence, in the order in which they were given.
    pub sequence: usize,
    /// The bases.
    pub span: Span,
    /// The strand that reads as the word.
    pub strand: Strand,
}

impl SequenceIndex {
    /// Indexes sequences.
    pub fn new<'a>(sequences: impl IntoIterator<Item = &'a SeqRecord>) -> Self {
        let (mut names, mut starts, mut text) = (Vec::new(), Vec::new(), Vec::new());
        for record in sequences {
            names.push(record.name.clone());
            starts.push(text.len());
            text.extend(record.seq.iter().map(|&l| plain(l).unwrap_or(BREAK)));
            text.push(BREAK);
        }
        starts.push(text.len());
        text.push(END);
        let alphabet = Alphabet::new(b"$ACGNT");
        let suffixes = suffix_array(&text);
        let transformed = bwt(&text, &suffixes);
        let less = less(&transformed, &alphabet);
        let counts = Occ::new(&transformed, COUNT_EVERY, &alphabet);
        Self { names, starts, suffixes, index: FMIndex::new(transformed, less, counts) }
    }

    /// The name of a sequence.
    ///
    /// # Panics
    /// Where `sequence` is not below the number of sequences.
    pub fn name(&self, sequence: usize) -> &str {
        &self.names[sequence]
    }

    /// The names of the sequences, in the order in which they were given.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// All places of a word on both strands, by sequence, place and strand; none for a word that is empty or holds other
    /// letters than plain bases. A word that is its own reverse complement is told once, as forward.
    pub fn find_all(&self, word: &[u8]) -> Vec<IndexHit> {
        let mut hits = Vec::new();
        for (word, strand) in self.readings(word) {
            let places = self.rows(&word).map(|row| self.suffixes[row]);
            hits.extend(places.filter_map(|place| {
                let sequence = self.starts.partition_point(|&s| s <= place) - 1;
                let start = (place - self.starts[sequence]) as u64;
                Some(IndexHit { sequence, span: Span::new(start, start + word.len() as u64)?, strand })
            }));
        }
        hits.sort_unstable();
        hits
    }

    /// How many places [`SequenceIndex::find_all`] would give, without looking them up.
    pub fn count(&self, word: &[u8]) -> usize {
        self.readings(word).iter().map(|(word, _)| self.rows(word).len()).sum()
    }

    /// The word as the text would have it, and its reverse complement unless that is the same.
    fn readings(&self, word: &[u8]) -> Vec<(Vec<u8>, Strand)> {
        let Some(forward) = word.iter().map(|&l| plain(l)).collect::<Option<Vec<u8>>>().filter(|w| !w.is_empty())
        else {
            return Vec::new();
        };
        let reverse = reverse_complement(&forward);
        let mut readings = vec![(forward, Strand::Forward)];
        if reverse != readings[0].0 {
            readings.push((reverse, Strand::Reverse));
        }
        readings
    }

    /// The rows of the suffix array whose suffixes begin with the word.
    fn rows(&self, word: &[u8]) -> std::ops::Range<usize> {
        match self.index.backward_search(word.iter()) {
            BackwardSearchResult::Complete(rows) => rows.lower..rows.upper,
            BackwardSearchResult::Partial(..) | BackwardSearchResult::Absent => 0..0,
        }
    }
}

impl fmt::Debug for SequenceIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters = self.suffixes.len() - self.names.len() - 1;
        f.debug_struct("SequenceIndex").field("names", &self.names).field("letters", &letters).finish_non_exhaustive()
    }
}

/// A plain base in upper case, `U` as `T`.
fn plain(letter: u8) -> Option<u8> {
    match bases(letter) {
        iupac::T => Some(b'T'),
        iupac::C => Some(b'C'),
        iupac::A => Some(b'A'),
        iupac::G => Some(b'G'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn naive(records: &[SeqRecord], word: &[u8]) -> Vec<IndexHit> {
        let mut hits = Vec::new();
        let wanted = word.to_ascii_uppercase();
        for (sequence, record) in records.iter().enumerate() {
            for (start, here) in record.seq.windows(word.len()).enumerate() {
                let here = here.to_ascii_uppercase();
                let span = Span::new(start as u64, (start + word.len()) as u64).unwrap();
                if here == wanted {
                    hits.push(IndexHit { sequence, span, strand: Strand::Forward });
                } else if reverse_complement(&here) == wanted {
                    hits.push(IndexHit { sequence, span, strand: Strand::Reverse });
                }
            }
        }
        hits
    }

    #[test]
    fn odd_words_and_empty_genomes() {
        let index =
            SequenceIndex::new(&[SeqRecord::new("a", b"ACNGT"), SeqRecord::new("b", b""), SeqRecord::new("c", b"T")]);
        for word in [&b""[..], b"N", b"$", b"CNG", b"AC-", b"ACG"] {
            assert_eq!((index.find_all(word), index.count(word)), (vec![], 0));
        }
        assert_eq!(index.find_all(b"u").len(), 3);
        assert_eq!(index.names(), ["a", "b", "c"]);
        assert_eq!(format!("{index:?}"), "SequenceIndex { names: [\"a\", \"b\", \"c\"], letters: 6, .. }");
        let empty = SequenceIndex::new(&[]);
        assert_eq!(empty.find_all(b"A"), []);
    }

    proptest! {
        #[test]
        fn hits_agree_with_the_naive_twin(
            seqs in proptest::collection::vec("[ACGT]{0,60}|[ACNacgt]{0,30}", 0..4), word in "[ACGT]{1,4}",
        ) {
            let records: Vec<SeqRecord> = seqs.iter().enumerate().map(|(i, s)| SeqRecord::new(i.to_string(), s.as_bytes())).collect();
            let index = SequenceIndex::new(&records);
            let expected = naive(&records, word.as_bytes());
            prop_assert_eq!(index.count(word.as_bytes()), expected.len());
            prop_assert_eq!(index.find_all(word.as_bytes()), expected);
        }
    }
}
