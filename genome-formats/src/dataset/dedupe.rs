//! Removes rows that are like other rows.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use sha2::{Digest, Sha256};

use super::minhash::{Sketches, jaccard, kmer_set};
use super::options::Dedupe;
use super::rows::{DropReason, Row};
use crate::alphabet::reverse_complement;
use crate::error::Result;

/// What was removed: for each row why, if it was; and how many exact duplicates had another label.
#[derive(Debug)]
pub(crate) struct Removed {
    pub(crate) why: Vec<Option<DropReason>>,
    pub(crate) other_label: u64,
}

/// Half a SHA-256: two rows that share it are the same.
fn fingerprint(letters: &[u8]) -> u128 {
    let hash = Sha256::digest(letters);
    u128::from_le_bytes(std::array::from_fn(|i| hash[i]))
}

/// Finds what is to go. `letters` gives a row's letters in upper case.
///
/// Rows are looked at from the most to the least worth keeping, and each goes when it is like one that stays.
pub(crate) fn find(
    rows: &[Row],
    options: Dedupe,
    near_within: bool,
    letters: impl Fn(&Row) -> Result<Vec<u8>>,
) -> Result<Removed> {
    let mut removed = Removed { why: vec![None; rows.len()], other_label: 0 };
    if options == Dedupe::OFF {
        return Ok(removed);
    }
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|&i| (rows[i].kind.is_made(), std::cmp::Reverse(rows[i].split)));

    let mut seen: HashMap<u128, usize> = HashMap::new();
    let mut sketches = options.near.map(Sketches::new);
    let mut left = Vec::new();
    for i in order {
        let text = letters(&rows[i])?;
        if options.reverse_complement {
            // Its own reverse complement is the sequence itself.
            let other = reverse_complement(&text);
            if other != text && seen.contains_key(&fingerprint(&other)) {
                removed.why[i] = Some(DropReason::ReverseComplementDuplicate);
                continue;
            }
        }
        match seen.entry(fingerprint(&text)) {
            Entry::Occupied(entry) if options.exact => {
                removed.other_label += u64::from(rows[*entry.get()].label != rows[i].label);
                removed.why[i] = Some(DropReason::ExactDuplicate);
                continue;
            }
            Entry::Occupied(_) => {}
            Entry::Vacant(entry) => {
                entry.insert(i);
            }
        }
        if let Some(sketches) = &mut sketches {
            sketches.push(&text);
            left.push(i);
        }
    }
    let (Some(near), Some(sketches)) = (options.near, sketches) else {
        return Ok(removed);
    };

    let buckets = sketches.buckets();
    let of_member = buckets.by_member();
    let (mut set_a, mut set_b) = (Vec::new(), Vec::new());
    for (a, &i) in left.iter().enumerate() {
        let Some(mine) = of_member.get(&(a as u32)) else { continue };
        set_a.clear();
        // Better ones come first in a bucket.
        let better = mine.iter().flat_map(|&b| buckets.get(b).iter().take_while(|&&b| (b as usize) < a));
        for &b in better {
            let j = left[b as usize];
            let alike_by_design = rows[i].split == rows[j].split && (rows[i].group == rows[j].group || !near_within);
            if removed.why[j].is_some() || alike_by_design || !sketches.is_likely(a, b as usize) {
                continue;
            }
            if set_a.is_empty() {
                kmer_set(&letters(&rows[i])?, near.k, &mut set_a);
            }
            kmer_set(&letters(&rows[j])?, near.k, &mut set_b);
            if jaccard(&set_a, &set_b) >= near.threshold {
                removed.why[i] = Some(DropReason::NearDuplicate);
                break;
            }
        }
    }
    Ok(removed)
}
