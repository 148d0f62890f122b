//! How often each word of k letters occurs.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::iupac::bases;

/// The longest word.
const MAX_K: u32 = 15;
/// Words up to this long are counted in a table of all words (4^11 counts of 4 bytes: 16 MiB), longer ones in a map.
const MAX_DENSE_K: u32 = 11;

/// Counts words of `k` plain bases, 1 to 15, in either case. A word does not reach over any other letter, nor over the
/// end of a sequence.
///
/// Up to k = 11 memory is a table of all words, at most 16 MiB; above it is a map of the words that occur, some 16 bytes each.
///
/// ```
/// use genome_formats::KmerCounts;
///
/// let mut kmers = KmerCounts::new(3).unwrap();
/// kmers.push(b"ACGTac"); // pieces of one sequence
/// kmers.push(b"gNACG");
/// kmers.end_sequence();
/// assert_eq!((kmers.count(b"ACG"), kmers.total(), kmers.distinct()), (3, 6, 4));
///
/// // `ACG` and its reverse complement `CGT` as one word:
/// let mut kmers = KmerCounts::canonical(3).unwrap();
/// kmers.push(b"ACGT");
/// assert_eq!((kmers.count(b"ACG"), kmers.count(b"CGT")), (2, 2));
/// ```
#[derive(Debug, Clone)]
pub struct KmerCounts {
    k: u32,
    canonical: bool,
    table: Table,
    total: u64,
    /// The last bases, two bits each.
    word: u32,
    /// The reverse complement of `word`.
    other: u32,
    /// How many plain bases stand in a row, at most `k`.
    run: u32,
}

#[derive(Debug, Clone)]
enum Table {
    /// Counts that pass `u32::MAX` go on in the map.
    Dense(Vec<u32>, Map),
    Sparse(Map),
}

type Map = HashMap<u32, u64, BuildHasherDefault<Spread>>;

/// Words are numbers already: one multiplication spreads them (Knuth, TAOCP 6.4).
#[derive(Debug, Clone, Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&b| self.write_u32(b.into()));
    }

    fn write_u32(&mut self, word: u32) {
        let product = (self.0 ^ u64::from(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = product ^ (product >> 32);
    }
}

impl KmerCounts {
    /// Counts the words of the strand that is given; `None` unless `k` is 1 to 15.
    pub fn new(k: u32) -> Option<Self> {
        Self::build(k, false)
    }

    /// Counts a word and its reverse complement as one; `None` unless `k` is 1 to 15.
    pub fn canonical(k: u32) -> Option<Self> {
        Self::build(k, true)
    }

    fn build(k: u32, canonical: bool) -> Option<Self> {
        let table = match k {
            1..=MAX_DENSE_K => Table::Dense(vec![0; 1 << (2 * k)], Map::default()),
            ..=MAX_K if k > 0 => Table::Sparse(Map::default()),
            _ => return None,
        };
        Some(Self { k, canonical, table, total: 0, word: 0, other: 0, run: 0 })
    }

    /// The length of the words.
    pub fn k(&self) -> u32 {
        self.k
    }

    /// Counts a piece of the present sequence.
    pub fn push(&mut self, piece: &[u8]) {
        let mask = (1 << (2 * self.k)) - 1;
        for &letter in piece {
            let Some(code) = code(letter) else {
                self.run = 0;
                continue;
            };
            self.word = ((self.word << 2) | code) & mask;
            self.other = (self.other >> 2) | ((3 - code) << (2 * (self.k - 1)));
            self.run = (self.run + 1).min(self.k);
            if self.run == self.k {
                let word = if self.canonical { self.word.min(self.other) } else { self.word };
                self.total += 1;
                match &mut self.table {
                    Table::Dense(counts, over) => {
                        let count = &mut counts[word as usize];
                        *count = count.wrapping_add(1);
                        if *count == 0 {
                            *over.entry(word).or_default() += 1;
                        }
                    }
                    Table::Sparse(counts) => *counts.entry(word).or_default() += 1,
                }
            }
        }
    }

    /// Ends the present sequence: no word reaches into the next one.
    pub fn end_sequence(&mut self) {
        self.run = 0;
    }

    /// How often a word occurs, in either case; 0 where it is not `k` plain bases.
    pub fn count(&self, word: &[u8]) -> u64 {
        if word.len() != self.k as usize {
            return 0;
        }
        let (mut forward, mut reverse) = (0, 0);
        for (i, &letter) in word.iter().enumerate() {
            let Some(code) = code(letter) else { return 0 };
            forward = (forward << 2) | code;
            reverse |= (3 - code) << (2 * i);
        }
        self.count_of(if self.canonical { forward.min(reverse) } else { forward })
    }

    /// How many words were counted.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// How many different words occur.
    pub fn distinct(&self) -> u64 {
        self.words().len() as u64
    }

    /// Each word that occurs, in alphabetical order, with its count. A canonical word is the first one of itself and its
    /// reverse complement.
    pub fn iter(&self) -> impl Iterator<Item = (Vec<u8>, u64)> {
        let letters = |word: u32| (0..self.k).rev().map(move |i| b"ACGT"[(word >> (2 * i)) as usize & 3]).collect();
        self.words().into_iter().map(move |word| (letters(word), self.count_of(word)))
    }

    fn count_of(&self, word: u32) -> u64 {
        match &self.table {
            Table::Dense(counts, over) => {
                let turns = over.get(&word).copied().unwrap_or(0);
                u64::from(counts[word as usize]) + (turns << 32)
            }
            Table::Sparse(counts) => counts.get(&word).copied().unwrap_or(0),
        }
    }

    /// The words that occur, sorted.
    fn words(&self) -> Vec<u32> {
        match &self.table {
            Table::Dense(counts, _) => (0..counts.len() as u32).filter(|&w| self.count_of(w) > 0).collect(),
            Table::Sparse(counts) => {
                let mut words: Vec<u32> = counts.keys().copied().collect();
                words.sort_unstable();
                words
            }
        }
    }
}

/// Two bits of a plain base, in the order of the alphabet, so that a complement is `3 - code`.
#[inline]
fn code(letter: u8) -> Option<u32> {
    // By the set of bases: T 1, C 2, A 4, G 8.
    const CODES: [u8; 16] = [4, 3, 1, 4, 0, 4, 4, 4, 2, 4, 4, 4, 4, 4, 4, 4];
    let code = CODES[usize::from(bases(letter))];
    (code < 4).then_some(code.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alphabet::reverse_complement;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn word_lengths_are_limited() {
        for k in [0, 16, 32, u32::MAX] {
            assert!(KmerCounts::new(k).is_none() && KmerCounts::canonical(k).is_none());
        }
        for k in [1, 11, 12, 15] {
            let mut kmers = KmerCounts::new(k).unwrap();
            kmers.push(&b"ACGT".repeat(5));
            assert_eq!((kmers.k(), kmers.total()), (k, u64::from(21 - k)));
        }
    }

    #[test]
    fn a_full_counter_goes_on() {
        let mut kmers = KmerCounts::new(1).unwrap();
        if let Table::Dense(counts, _) = &mut kmers.table {
            counts[0] = u32::MAX;
        }
        kmers.push(b"AAA");
        assert_eq!(kmers.count(b"A"), (1 << 32) + 2);
        assert_eq!(kmers.iter().collect::<Vec<_>>(), [(b"A".to_vec(), (1 << 32) + 2)]);
    }

    proptest! {
        #[test]
        fn counts_agree_with_a_plain_loop(
            seqs in proptest::collection::vec("[ACGTacgtuN]{0,60}", 0..4), k in 1u32..=15, canonical: bool, cut in 0usize..60,
        ) {
            let mut kmers = KmerCounts::build(k, canonical).unwrap();
            let mut expected = BTreeMap::new();
            for seq in &seqs {
                let (a, b) = seq.as_bytes().split_at(cut.min(seq.len()));
                kmers.push(a);
                kmers.push(b);
                kmers.end_sequence();
                let plain = seq.to_ascii_uppercase().replace('U', "T");
                for word in plain.as_bytes().windows(k as usize).filter(|w| !w.contains(&b'N')) {
                    let word = if canonical { word.to_vec().min(reverse_complement(word)) } else { word.to_vec() };
                    *expected.entry(word).or_insert(0u64) += 1;
                }
            }
            prop_assert_eq!(kmers.total(), expected.values().sum::<u64>());
            prop_assert_eq!(kmers.distinct(), expected.len() as u64);
            for (word, n) in &expected {
                prop_assert_eq!(kmers.count(word), *n);
                if canonical {
                    prop_assert_eq!(kmers.count(&reverse_complement(word)), *n);
                }
            }
            prop_assert_eq!(kmers.iter().collect::<BTreeMap<_, _>>(), expected);
            let n = vec![b'N'; k as usize];
            prop_assert_eq!((kmers.count(&n), kmers.count(b"")), (0, 0));
        }
    }
}
