//! Which part of the genome belongs to which split, before any window is cut.

use super::dice::{Dice, Stream};
use super::genome::{Atlas, Genome, Place};
use super::options::SplitBy;
use super::{DatasetOptions, Split};
use crate::error::Result;

/// The split of every base.
#[derive(Debug)]
pub(crate) enum Territory {
    /// Nothing is settled by position: the windows' clusters decide.
    Open,
    /// Each sequence as a whole.
    Chromosomes(Vec<Split>),
    /// Blocks of each sequence.
    Blocks { block_bp: u64, splits: Vec<Vec<Split>> },
}

/// A stretch of one split: sequence, start, end.
pub(crate) type Segment = (u32, u64, u64);

impl Territory {
    pub(crate) fn new<G: Genome>(atlas: &Atlas<G>, options: &DatasetOptions) -> Result<Self> {
        match &options.split {
            SplitBy::Homology { .. } => Ok(Self::Open),
            SplitBy::Chromosome { dev, test } => {
                let mut splits = vec![Split::Train; atlas.chromosomes.len()];
                for (names, split) in [(dev, Split::Dev), (test, Split::Test)] {
                    for name in names {
                        splits[atlas.number(name)? as usize] = split;
                    }
                }
                Ok(Self::Chromosomes(splits))
            }
            SplitBy::Random { dev, test, block_bp } => {
                let mut splits: Vec<Vec<Split>> =
                    atlas.chromosomes.iter().map(|c| vec![Split::Train; c.len.div_ceil(*block_bp) as usize]).collect();
                let mut blocks: Vec<(usize, usize)> =
                    splits.iter().enumerate().flat_map(|(c, blocks)| (0..blocks.len()).map(move |b| (c, b))).collect();
                Dice::new(options.seed, Stream::Split).shuffle(&mut blocks);
                let all: u64 = atlas.chromosomes.iter().map(|c| c.len).sum();
                let mut blocks = blocks.into_iter();
                for (share, split) in [(test, Split::Test), (dev, Split::Dev)] {
                    let mut missing = share * all as f64;
                    while missing > 0.0
                        && let Some((c, b)) = blocks.next()
                    {
                        splits[c][b] = split;
                        let start = b as u64 * block_bp;
                        missing -= (atlas.chromosomes[c].len - start).min(*block_bp) as f64;
                    }
                }
                Ok(Self::Blocks { block_bp: *block_bp, splits })
            }
        }
    }

    /// The split that has all of a place; `None` where a border runs through it. Open territory is train until the
    /// clusters are known.
    pub(crate) fn split_of<G: Genome>(&self, atlas: &Atlas<G>, place: Place) -> Option<Split> {
        match self {
            Self::Open => Some(Split::Train),
            Self::Chromosomes(splits) => Some(splits[place.chromosome as usize]),
            Self::Blocks { block_bp, splits } => {
                let blocks = &splits[place.chromosome as usize];
                let mut of_place = atlas
                    .pieces(place)
                    .flat_map(|(start, end)| &blocks[(start / block_bp) as usize..end.div_ceil(*block_bp) as usize]);
                let first = *of_place.next()?;
                of_place.all(|&s| s == first).then_some(first)
            }
        }
    }

    /// Where windows of a split may lie, as long stretches.
    pub(crate) fn segments<G: Genome>(&self, atlas: &Atlas<G>, split: Split) -> Vec<Segment> {
        let whole = atlas.chromosomes.iter().zip(0u32..).map(|(c, i)| (i, 0, c.len));
        match self {
            Self::Open => whole.collect(),
            Self::Chromosomes(splits) => whole.filter(|(i, ..)| splits[*i as usize] == split).collect(),
            Self::Blocks { block_bp, splits } => {
                let mut out: Vec<Segment> = Vec::new();
                for (i, _, len) in whole {
                    for (b, _) in splits[i as usize].iter().enumerate().filter(|(_, s)| **s == split) {
                        let start = b as u64 * block_bp;
                        let end = (start + block_bp).min(len);
                        match out.last_mut() {
                            Some(last) if last.0 == i && last.2 == start => last.2 = end,
                            _ => out.push((i, start, end)),
                        }
                    }
                }
                out
            }
        }
    }
}
