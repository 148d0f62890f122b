//! Near duplicates: sequences that share most of their k-mers, found without comparing all pairs.
//!
//! A sequence is the set of its canonical k-mers (each the smaller of a k-mer and its reverse complement, so that both
//! strands are the same set). MinHash (Broder, "On the resemblance and containment of documents", 1997) estimates the
//! Jaccard index of two sets from [`HASHES`] minima under random orders; bands of rows of these minima (Leskovec, Rajaraman, Ullman, "Mining of
//! Massive Datasets", chapter 3) bring likely pairs into one bucket. A pair counts only once the exact Jaccard index
//! of its k-mers confirms it.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};

/// Minima that are kept for each sequence.
pub(crate) const HASHES: usize = 128;

/// How often a pair exactly at the threshold must meet in a bucket.
const RECALL: f64 = 0.99;

/// Minima of a band at most: more would only matter for thresholds beside 1.
const MAX_ROWS: usize = 16;

/// An estimate this far under the threshold is not verified: 3.4 standard deviations of the estimate at worst.
const SLACK: f64 = 0.15;

/// When two sequences are near duplicates: their sets of canonical k-mers overlap by at least a threshold.
///
/// k-mers with letters other than `ACGT` (either case) are left out; a sequence without any k-mer is like no other. The
/// search meets a pair exactly at the threshold in 99 of 100 cases and more similar pairs more often; it never reports a
/// pair under the threshold. It takes 512 bytes a sequence, and about 12 more for each bucket shared with another.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Near {
    /// Length of the k-mers, 1 to 31. Default 11: random sequences of a few hundred letters share next to none.
    pub k: usize,
    /// The least Jaccard index (shared k-mers by all k-mers of the two), over 0 and up to 1. Default 0.5: two windows that
    /// overlap in two thirds of their length, or 70 letters with one substitution.
    pub threshold: f64,
}

impl Default for Near {
    fn default() -> Self {
        Self { k: 11, threshold: 0.5 }
    }
}

impl Near {
    /// Refuses a `k` or a threshold that means nothing.
    pub(crate) fn check(&self) -> Result<()> {
        let problem = if !(1..=31).contains(&self.k) {
            format!("near duplicates by {}-mers", self.k)
        } else if !(self.threshold > 0.0 && self.threshold <= 1.0) {
            format!("a Jaccard threshold of {}", self.threshold)
        } else {
            return Ok(());
        };
        Err(Error::new(ErrorKind::Unsupported, "dataset options", problem)
            .expecting("k from 1 to 31, a threshold over 0 and up to 1"))
    }

    /// How many minima make a band: as many as still give [`RECALL`] at the threshold.
    fn rows(&self) -> usize {
        let recall = |rows: usize| 1.0 - (1.0 - self.threshold.powi(rows as i32)).powi((HASHES / rows) as i32);
        (1..=MAX_ROWS).rev().find(|&rows| recall(rows) >= RECALL).unwrap_or(1)
    }
}

/// Number of a base, 4 for any other byte.
const BASE: [u8; 256] = {
    let mut table = [4; 256];
    let mut i = 0;
    while i < 4 {
        table[b"ACGT"[i] as usize] = i as u8;
        table[b"acgt"[i] as usize] = i as u8;
        i += 1;
    }
    table
};

/// Calls `f` with each canonical k-mer of `seq`, two bits a base; k-mers with other letters than ACGT are left out.
pub(crate) fn for_each_kmer(seq: &[u8], k: usize, mut f: impl FnMut(u64)) {
    let mask = (1u64 << (2 * k)) - 1;
    let top = 2 * (k - 1);
    let (mut forward, mut reverse, mut run) = (0u64, 0u64, 0usize);
    for &byte in seq {
        let base = u64::from(BASE[usize::from(byte)]);
        if base == 4 {
            run = 0;
            continue;
        }
        forward = (forward << 2 | base) & mask;
        reverse = reverse >> 2 | (3 - base) << top;
        run += 1;
        if run >= k {
            f(forward.min(reverse));
        }
    }
}

/// The canonical k-mers of a sequence, sorted, each once.
pub(crate) fn kmer_set(seq: &[u8], k: usize, out: &mut Vec<u64>) {
    out.clear();
    for_each_kmer(seq, k, |kmer| out.push(kmer));
    out.sort_unstable();
    out.dedup();
}

/// Shared by all elements of two sorted sets; 0 where both are empty.
pub(crate) fn jaccard(a: &[u64], b: &[u64]) -> f64 {
    let (mut i, mut j, mut shared) = (0, 0, 0usize);
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        shared += usize::from(x == y);
        i += usize::from(x <= y);
        j += usize::from(y <= x);
    }
    match a.len() + b.len() - shared {
        0 => 0.0,
        all => shared as f64 / all as f64,
    }
}

/// The finaliser of MurmurHash3: every bit of the result depends on every bit of `x`.
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    x = (x ^ (x >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    x ^ (x >> 33)
}

/// Minima that each k-mer takes part in. The sequences that matter have fifty k-mers and more, so that about six stand for
/// each minimum; 128 for each k-mer, as MinHash was first described, is no more exact and eight times slower.
const TURNS: usize = 16;

/// The minima of many sequences, in the order in which they were added.
///
/// One permutation hashing (Li, Owen, Zhang, "One permutation hashing", 2012), in several turns: in each turn a k-mer has one
/// random bin and a random value, and each bin keeps its least value. Given that any k-mer falls into a bin, the chance that
/// two sets have the same minimum there is their Jaccard index.
#[derive(Debug)]
pub(crate) struct Sketches {
    near: Near,
    /// Odd factors, one for each turn, and one for each bin that stays empty.
    factors: [u64; TURNS + HASHES],
    /// [`HASHES`] for each sequence.
    minima: Vec<u32>,
    /// Whether a sequence has any k-mer.
    filled: Vec<bool>,
}

impl Sketches {
    pub(crate) fn new(near: Near) -> Self {
        let factors = std::array::from_fn(|i| mix(i as u64 + 1) | 1);
        Self { near, factors, minima: Vec::new(), filled: Vec::new() }
    }

    pub(crate) fn push(&mut self, seq: &[u8]) {
        // Not 0 for poly-A, whose product would be the least under every factor.
        let scramble = |kmer: u64| mix(kmer ^ 0x9e37_79b9_7f4a_7c15);
        let turns: &[u64; TURNS] = self.factors.first_chunk().expect("there are more factors than turns");
        let mut minima = [u32::MAX; HASHES];
        let mut filled = false;
        for_each_kmer(seq, self.near.k, |kmer| {
            filled = true;
            let x = scramble(kmer);
            for factor in turns {
                let hash = x.wrapping_mul(*factor);
                let least = &mut minima[(hash >> 57) as usize % HASHES];
                *least = (*least).min((hash >> 25) as u32);
            }
        });
        if filled {
            // Only sequences of few k-mers have empty bins: each gets the least k-mer in an order of its own.
            for bin in (0..HASHES).filter(|&bin| minima[bin] == u32::MAX).collect::<Vec<_>>() {
                let factor = self.factors[TURNS + bin];
                let mut least = u64::MAX;
                for_each_kmer(seq, self.near.k, |kmer| least = least.min(scramble(kmer).wrapping_mul(factor)));
                minima[bin] = (least >> 32) as u32;
            }
        }
        self.filled.push(filled);
        self.minima.extend(minima);
    }

    fn len(&self) -> usize {
        self.filled.len()
    }

    fn minima(&self, i: usize) -> &[u32] {
        &self.minima[i * HASHES..][..HASHES]
    }

    /// The share of equal minima, which estimates the Jaccard index.
    pub(crate) fn estimate(&self, a: usize, b: usize) -> f64 {
        let equal = self.minima(a).iter().zip(self.minima(b)).filter(|(x, y)| x == y).count();
        equal as f64 / HASHES as f64
    }

    /// Whether a pair is worth verifying.
    pub(crate) fn is_likely(&self, a: usize, b: usize) -> bool {
        self.estimate(a, b) >= self.near.threshold - SLACK
    }

    /// Brings sequences that are likely near duplicates together.
    pub(crate) fn buckets(&self) -> Buckets {
        let rows = self.near.rows();
        let mut buckets = Buckets { members: Vec::new(), starts: vec![0] };
        let mut keyed: Vec<(u64, u32)> = Vec::with_capacity(self.len());
        for band in 0..HASHES / rows {
            keyed.clear();
            for i in (0..self.len()).filter(|&i| self.filled[i]) {
                let minima = &self.minima(i)[band * rows..][..rows];
                let key = minima.iter().fold(0, |key, &m| mix(key ^ u64::from(m)));
                keyed.push((key, i as u32));
            }
            keyed.sort_unstable();
            for same in keyed.chunk_by(|a, b| a.0 == b.0).filter(|same| same.len() > 1) {
                buckets.members.extend(same.iter().map(|(_, i)| *i));
                buckets.starts.push(buckets.members.len());
            }
        }
        buckets
    }
}

/// Groups of at least two sequences each that share a band; a pair may meet in several.
#[derive(Debug)]
pub(crate) struct Buckets {
    members: Vec<u32>,
    starts: Vec<usize>,
}

impl Buckets {
    /// The groups; the members of each in ascending order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u32]> {
        self.starts.windows(2).map(|w| &self.members[w[0]..w[1]])
    }

    /// For each sequence that is in any bucket, the numbers of its buckets.
    pub(crate) fn by_member(&self) -> HashMap<u32, Vec<u32>> {
        let mut of: HashMap<u32, Vec<u32>> = HashMap::new();
        for (bucket, members) in self.iter().enumerate() {
            for &member in members {
                of.entry(member).or_default().push(bucket as u32);
            }
        }
        of
    }

    /// The members of one bucket.
    pub(crate) fn get(&self, bucket: u32) -> &[u32] {
        let i = bucket as usize;
        &self.members[self.starts[i]..self.starts[i + 1]]
    }
}

/// Sets that grow together (union-find with path halving).
#[derive(Debug)]
pub(crate) struct Unions(Vec<u32>);

impl Unions {
    pub(crate) fn new(len: usize) -> Self {
        Self((0..len as u32).collect())
    }

    pub(crate) fn root(&mut self, mut i: usize) -> usize {
        while self.0[i] as usize != i {
            self.0[i] = self.0[self.0[i] as usize];
            i = self.0[i] as usize;
        }
        i
    }

    /// Joins two sets; the smaller number stays the root, so that the outcome does not depend on the order.
    pub(crate) fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.0[a.max(b)] = a.min(b) as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alphabet::reverse_complement;
    use proptest::prelude::*;

    fn set(seq: &[u8], k: usize) -> Vec<u64> {
        let mut out = Vec::new();
        kmer_set(seq, k, &mut out);
        out
    }

    #[test]
    fn kmers_are_canonical_and_skip_other_letters() {
        // AC, CG, GT: AC and GT are one; CG is its own reverse complement.
        assert_eq!(set(b"ACGT", 2), [0b0001, 0b0110]);
        assert_eq!(set(b"acNgt", 2), [0b0001]);
        assert!(set(b"ACG", 4).is_empty());
        assert_eq!(set(&[b'T'; 40], 31), [0]);
        assert_eq!(jaccard(&[], &[]), 0.0);
        assert_eq!(jaccard(&[1, 2, 3], &[2, 3, 4]), 0.5);
    }

    #[test]
    fn bands_find_what_is_at_the_threshold() {
        let check = |threshold, rows| assert_eq!(Near { k: 11, threshold }.rows(), rows);
        check(0.05, 1);
        check(0.5, 3);
        check(0.8, 6);
        check(0.9, 10);
        check(1.0, 16);
        assert!(Near { k: 0, threshold: 0.5 }.check().is_err());
        assert!(Near { k: 32, threshold: 0.5 }.check().is_err());
        assert!(Near { k: 11, threshold: 0.0 }.check().is_err());
        assert!(Near { k: 11, threshold: f64::NAN }.check().is_err());
        assert!(Near { k: 31, threshold: 1.0 }.check().is_ok());
    }

    #[test]
    fn one_shared_kmer_is_no_likeness() {
        // Only poly-A in common.
        let mut sketches = Sketches::new(Near::default());
        sketches.push(b"CGATTCGGATCGGCTAGCTTAGCCCGAAAAAAAAAAA");
        sketches.push(b"AAAAAAAAAAAGTGGTACGTGTCATCATGCACTGCGT");
        assert!(sketches.estimate(0, 1) < 0.1);
        assert!(!sketches.is_likely(0, 1));
    }

    #[test]
    fn unions_do_not_depend_on_the_order() {
        let roots = |pairs: &[(usize, usize)]| {
            let mut unions = Unions::new(6);
            pairs.iter().for_each(|&(a, b)| unions.join(a, b));
            (0..6).map(|i| unions.root(i)).collect::<Vec<_>>()
        };
        assert_eq!(roots(&[(5, 4), (1, 3), (3, 5)]), [0, 1, 2, 1, 1, 1]);
        assert_eq!(roots(&[(3, 5), (1, 3), (5, 4)]), [0, 1, 2, 1, 1, 1]);
    }

    proptest! {
        #[test]
        fn both_strands_are_one_set(seq in "[ACGTacgtN]{0,200}", k in 1usize..=31) {
            let seq = seq.as_bytes();
            prop_assert_eq!(set(seq, k), set(&reverse_complement(seq), k));
        }

        #[test]
        fn estimates_are_near_the_exact_index(seq in "[ACGT]{60,600}", shift in 0usize..60, edits in proptest::collection::vec(0usize..600, 0..20)) {
            let near = Near::default();
            let mut other = seq.as_bytes()[shift..].to_vec();
            other.extend_from_slice(&seq.as_bytes()[..shift / 2]);
            prop_assume!(other.len() >= near.k);
            for edit in edits {
                let at = edit % other.len();
                other[at] = if other[at] == b'A' { b'C' } else { b'A' };
            }
            let mut sketches = Sketches::new(near);
            sketches.push(seq.as_bytes());
            sketches.push(&other);
            let exact = jaccard(&set(seq.as_bytes(), near.k), &set(&other, near.k));
            // Five standard deviations of a share of 128.
            let slack = 5.0 * (exact * (1.0 - exact) / HASHES as f64).sqrt() + 0.02;
            prop_assert!((sketches.estimate(0, 1) - exact).abs() <= slack, "{} {exact}", sketches.estimate(0, 1));
            if exact >= 0.65 {
                prop_assert!(sketches.buckets().iter().any(|b| b == [0, 1]), "{exact}");
            }
        }
    }
}
