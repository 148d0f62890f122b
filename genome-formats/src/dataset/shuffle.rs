//! Shuffled sequences that keep every dinucleotide.

use super::dice::{Dice, Stream};

/// A random sequence with exactly the dinucleotide counts, and so the letters, of `seq`; the first and last letter stay.
/// Every such sequence is equally likely.
///
/// Altschul and Erickson, "Significance of nucleotide sequence alignments", Molecular Biology and Evolution 2: 526-538,
/// 1985: the letters are the vertices of a graph, the dinucleotides its edges, and a random Euler path from the first
/// letter to the last is the shuffled sequence. The last edge out of each vertex must lead to the last letter along a tree;
/// that tree is drawn by loop-erased random walks (Wilson, 1996) instead of being drawn again until it fits.
///
/// ```
/// use genome_formats::dataset::shuffle_dinucleotides;
///
/// let pairs = |seq: &[u8]| {
///     let mut pairs: Vec<[u8; 2]> = seq.windows(2).map(|w| [w[0], w[1]]).collect();
///     pairs.sort();
///     pairs
/// };
/// let seq = b"ACGTTGCATGTCAGGATCCATTTAGC";
/// let shuffled = shuffle_dinucleotides(seq, 7);
/// assert_eq!(pairs(&shuffled), pairs(seq));
/// assert_ne!(&shuffled, seq);
/// ```
pub fn shuffle_dinucleotides(seq: &[u8], seed: u64) -> Vec<u8> {
    shuffle(seq, &mut Dice::new(seed, Stream::Shuffle(0)))
}

pub(crate) fn shuffle(seq: &[u8], dice: &mut Dice) -> Vec<u8> {
    let (Some(&first), Some(&last)) = (seq.first(), seq.last()) else {
        return Vec::new();
    };
    let mut next: Vec<Vec<u8>> = vec![Vec::new(); 256];
    for pair in seq.windows(2) {
        next[usize::from(pair[0])].push(pair[1]);
    }
    let letters: Vec<usize> = (0..256).filter(|&v| !next[v].is_empty()).collect();

    // For each letter but the last one, which edge is used last.
    let mut in_tree = [false; 256];
    let mut exit = [0; 256];
    in_tree[usize::from(last)] = true;
    for &start in &letters {
        let mut v = start;
        while !in_tree[v] {
            exit[v] = dice.below(next[v].len() as u64) as usize;
            v = usize::from(next[v][exit[v]]);
        }
        let mut v = start;
        while !in_tree[v] {
            in_tree[v] = true;
            v = usize::from(next[v][exit[v]]);
        }
    }
    for &v in &letters {
        let edges = &mut next[v];
        if v == usize::from(last) {
            dice.shuffle(edges);
        } else {
            let exit = edges.swap_remove(exit[v]);
            dice.shuffle(edges);
            edges.push(exit);
        }
        edges.reverse(); // taken from the end below
    }
    let mut out = Vec::with_capacity(seq.len());
    let mut at = first;
    out.push(at);
    while let Some(letter) = next[usize::from(at)].pop() {
        out.push(letter);
        at = letter;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn pairs(seq: &[u8]) -> BTreeMap<&[u8], usize> {
        seq.windows(2).fold(BTreeMap::new(), |mut counts, w| {
            *counts.entry(w).or_default() += 1;
            counts
        })
    }

    #[test]
    fn every_arrangement_is_equally_likely() {
        // All sequences with the pairs of this one, by brute force.
        let seq = b"ACAGATAAC";
        let mut all = std::collections::BTreeSet::new();
        fn grow<'a>(so_far: &mut Vec<u8>, left: &mut Vec<&'a [u8]>, all: &mut std::collections::BTreeSet<Vec<u8>>) {
            if left.is_empty() {
                all.insert(so_far.clone());
            }
            for i in 0..left.len() {
                if left[i][0] == *so_far.last().unwrap() {
                    let pair: &'a [u8] = left.remove(i);
                    so_far.push(pair[1]);
                    grow(so_far, left, all);
                    so_far.pop();
                    left.insert(i, pair);
                }
            }
        }
        grow(&mut vec![seq[0]], &mut seq.windows(2).collect(), &mut all);
        assert!(all.len() >= 12, "{}", all.len());

        let rounds = 1000 * all.len();
        let mut counts: BTreeMap<Vec<u8>, u32> = BTreeMap::new();
        for i in 0..rounds as u64 {
            *counts.entry(shuffle_dinucleotides(seq, i)).or_default() += 1;
        }
        assert_eq!(counts.keys().cloned().collect::<std::collections::BTreeSet<_>>(), all);
        let chi: f64 = counts.values().map(|&n| (f64::from(n) - 1000.0).powi(2) / 1000.0).sum();
        // Mean = degrees of freedom, variance twice that: five standard deviations.
        let freedom = (all.len() - 1) as f64;
        assert!(chi < freedom + 5.0 * (2.0 * freedom).sqrt(), "{chi} for {freedom}: {counts:?}");
    }

    #[test]
    fn short_ones() {
        assert_eq!(shuffle_dinucleotides(b"", 1), b"");
        assert_eq!(shuffle_dinucleotides(b"A", 1), b"A");
        assert_eq!(shuffle_dinucleotides(b"AC", 1), b"AC");
        assert_eq!(shuffle_dinucleotides(b"AAAA", 1), b"AAAA");
    }

    proptest! {
        #[test]
        fn pairs_and_ends_stay(seq in "[ACGTNacgt]{1,300}", seed: u64) {
            let seq = seq.as_bytes();
            let out = shuffle_dinucleotides(seq, seed);
            prop_assert_eq!(pairs(&out), pairs(seq));
            prop_assert_eq!((out[0], out[out.len() - 1], out.len()), (seq[0], seq[seq.len() - 1], seq.len()));
        }
    }
}
