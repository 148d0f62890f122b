//! Rows of the negative class that are made.

use super::dice::{Dice, Stream};
use super::genome::{Atlas, Genome, Place};
use super::rows::{Row, RowKind};
use super::territory::{Segment, Territory};
use super::zones::Zones;
use super::{DatasetOptions, Split};
use crate::error::Result;

/// Random places that are looked at for one negative before it is given up.
const TRIES: usize = 2000;

/// The share of G and C among A, C, G and T; `None` where there are none of these.
pub(crate) fn gc_share(letters: &[u8]) -> Option<f64> {
    let (mut gc, mut all) = (0u32, 0u32);
    for letter in letters {
        match letter.to_ascii_uppercase() {
            b'G' | b'C' => (gc, all) = (gc + 1, all + 1),
            b'A' | b'T' => all += 1,
            _ => {}
        }
    }
    (all > 0).then(|| f64::from(gc) / f64::from(all))
}

/// How many negatives `positives` rows get.
pub(crate) fn wanted(positives: usize, ratio: f64) -> usize {
    (positives as f64 * ratio).round() as usize
}

/// Draws the matched negatives of one split.
#[derive(Debug)]
pub(crate) struct Matcher<'a, G> {
    pub(crate) atlas: &'a Atlas<G>,
    pub(crate) options: &'a DatasetOptions,
    pub(crate) gc_tolerance: f64,
    dice: Dice,
    segments: Vec<Segment>,
    /// Bases in front of each segment, and behind the last one.
    before: Vec<u64>,
}

impl<'a, G: Genome> Matcher<'a, G> {
    pub(crate) fn new(
        atlas: &'a Atlas<G>,
        options: &'a DatasetOptions,
        gc_tolerance: f64,
        territory: &Territory,
        split: Split,
    ) -> Self {
        let segments = territory.segments(atlas, split);
        let mut before = vec![0];
        before.extend(segments.iter().scan(0, |sum, (_, start, end)| {
            *sum += end - start;
            Some(*sum)
        }));
        let dice = Dice::new(options.seed, Stream::Negatives(split));
        Self { atlas, options, gc_tolerance, dice, segments, before }
    }

    /// A free place like that of `positive`, taken in `zones`; `None` when none was found.
    pub(crate) fn draw(
        &mut self,
        positive: &Row,
        zones: &mut Zones,
        fits: impl Fn(&[u8]) -> bool,
    ) -> Result<Option<Place>> {
        let Some(target) = gc_share(&self.atlas.forward(positive.place)?) else { return Ok(None) };
        let len = positive.place.len;
        let all = *self.before.last().expect("it starts with 0");
        for _ in 0..TRIES {
            // Any base is equally likely to be the first one; those too close to a segment's end are drawn again.
            let base = self.dice.below(all);
            let i = self.before.partition_point(|&b| b <= base) - 1;
            let Some(&(chromosome, start, end)) = self.segments.get(i) else { return Ok(None) };
            let start = start + (base - self.before[i]);
            let reverse = self.options.strand_aware && self.dice.coin();
            if start + len > end || !zones.is_free(chromosome, start, start + len) {
                continue;
            }
            let place = Place { chromosome, start, len, reverse };
            let letters = self.atlas.forward(place)?;
            let alike = gc_share(&letters).is_some_and(|gc| (gc - target).abs() <= self.gc_tolerance);
            if alike && fits(&letters) {
                zones.take(chromosome, start, start + len);
                return Ok(Some(place));
            }
        }
        Ok(None)
    }
}

/// A made row beside the positive that it is like.
pub(crate) fn made(positive: &Row, kind: RowKind, label: u32, number: u64) -> Row {
    // Sites are numbered from 0 upwards, made rows from the top down.
    Row { kind, label, group: u64::MAX - number, nonce: number, edit: None, ..positive.clone() }
}
