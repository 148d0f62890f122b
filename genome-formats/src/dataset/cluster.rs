//! Splits by homology: whole clusters of windows go to one split.

use std::collections::BTreeMap;

use super::Split;
use super::dice::{Dice, Stream};
use super::genome::{Atlas, Genome};
use super::minhash::{Near, Sketches, Unions, jaccard, kmer_set};
use super::rows::Row;
use crate::error::Result;

/// What [`assign`] needs besides the rows.
#[derive(Debug)]
pub(crate) struct Homology<'a> {
    pub(crate) dev: f64,
    pub(crate) test: f64,
    pub(crate) near: Near,
    pub(crate) groups: &'a [Vec<String>],
    pub(crate) seed: u64,
}

/// Gives each row the split of its cluster; returns how many clusters there are.
pub(crate) fn assign<G: Genome>(
    rows: &mut [Row],
    atlas: &Atlas<G>,
    options: &Homology<'_>,
    letters: impl Fn(&Row) -> Result<Vec<u8>>,
) -> Result<u64> {
    let mut unions = Unions::new(rows.len());
    join_equal(&mut unions, rows.iter().map(|r| Some(r.group)));
    let mut name_group: Vec<Option<u64>> = vec![None; atlas.chromosomes.len()];
    let mut names = Unions::new(options.groups.len());
    for (g, group) in options.groups.iter().enumerate() {
        for name in group {
            // A sequence in two groups joins them.
            let slot = &mut name_group[atlas.number(name)? as usize];
            match *slot {
                Some(other) => names.join(g, other as usize),
                None => *slot = Some(g as u64),
            }
        }
    }
    let of_row = |r: &Row| name_group[r.place.chromosome as usize];
    let joined: Vec<Option<u64>> = rows.iter().map(|r| of_row(r).map(|g| names.root(g as usize) as u64)).collect();
    join_equal(&mut unions, joined);
    join_overlapping(&mut unions, rows, atlas);
    join_alike(&mut unions, rows, options.near, letters)?;

    let mut clusters: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for i in 0..rows.len() {
        clusters.entry(unions.root(i)).or_default().push(i);
    }
    let count = clusters.len() as u64;
    let mut dice = Dice::new(options.seed, Stream::Split);
    let mut clusters: Vec<(u64, Vec<usize>)> = clusters.into_values().map(|c| (dice.bits(), c)).collect();
    clusters.sort_by_key(|(key, members)| (std::cmp::Reverse(members.len()), *key));
    let all = rows.len() as f64;
    let mut missing = [(1.0 - options.dev - options.test) * all, options.dev * all, options.test * all];
    for (_, members) in clusters {
        let most = (0..3).fold(0, |best, i| if missing[i] > missing[best] { i } else { best });
        missing[most] -= members.len() as f64;
        members.into_iter().for_each(|i| rows[i].split = Split::ALL[most]);
    }
    Ok(count)
}

fn join_equal(unions: &mut Unions, keys: impl IntoIterator<Item = Option<u64>>) {
    let mut first = std::collections::HashMap::new();
    for (i, key) in keys.into_iter().enumerate() {
        if let Some(key) = key {
            unions.join(*first.entry(key).or_insert(i), i);
        }
    }
}

fn join_overlapping<G: Genome>(unions: &mut Unions, rows: &[Row], atlas: &Atlas<G>) {
    let mut pieces: Vec<(u32, u64, u64, usize)> = Vec::new();
    for (i, row) in rows.iter().enumerate() {
        pieces.extend(atlas.pieces(row.place).map(|(s, e)| (row.place.chromosome, s, e, i)));
    }
    pieces.sort_unstable();
    // The piece that reaches furthest so far.
    let mut last: Option<(u32, u64, usize)> = None;
    for (chromosome, start, end, i) in pieces {
        match last {
            Some((c, furthest, j)) if c == chromosome && start < furthest => {
                unions.join(i, j);
                if end > furthest {
                    last = Some((c, end, i));
                }
            }
            _ => last = Some((chromosome, end, i)),
        }
    }
}

fn join_alike(unions: &mut Unions, rows: &[Row], near: Near, letters: impl Fn(&Row) -> Result<Vec<u8>>) -> Result<()> {
    let mut sketches = Sketches::new(near);
    for row in rows {
        sketches.push(&letters(row)?);
    }
    let (mut set_a, mut set_b) = (Vec::new(), Vec::new());
    for bucket in sketches.buckets().iter() {
        for (n, &a) in bucket.iter().enumerate() {
            let a = a as usize;
            set_a.clear();
            for &b in &bucket[n + 1..] {
                let b = b as usize;
                if unions.root(a) == unions.root(b) || !sketches.is_likely(a, b) {
                    continue;
                }
                if set_a.is_empty() {
                    kmer_set(&letters(&rows[a])?, near.k, &mut set_a);
                }
                kmer_set(&letters(&rows[b])?, near.k, &mut set_b);
                if jaccard(&set_a, &set_b) >= near.threshold {
                    unions.join(a, b);
                }
            }
        }
    }
    Ok(())
}
