//! Bins: the tree below `.tbi` and `.csi`.
//!
//! CSIv1.pdf and section 5.1.1 of SAMv1.pdf (hts-specs): bin 0 covers everything, each level below splits a bin in eight, the
//! lowest bins cover `1 << min_shift` bases. A feature lies in the smallest bin that holds it whole. `.tbi` has 14 and 5.

use std::ops::{Range, RangeInclusive};

use crate::bgzf::VirtualOffset;

/// The shape of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Binning {
    pub(crate) min_shift: u32,
    pub(crate) depth: u32,
}

impl Binning {
    pub(crate) const TABIX: Self = Self { min_shift: 14, depth: 5 };
    /// More levels would need more bins than a number has.
    pub(crate) const MAX_DEPTH: u32 = 9;

    /// Positions are below this.
    pub(crate) fn end(self) -> u64 {
        1 << (self.min_shift + 3 * self.depth)
    }

    /// Bins of all levels.
    pub(crate) fn bins(self) -> u32 {
        (((1u64 << (3 * (self.depth + 1))) - 1) / 7) as u32
    }

    /// The first bin of a level; level 0 is bin 0 alone.
    fn first(level: u32) -> u32 {
        (((1u64 << (3 * level)) - 1) / 7) as u32
    }

    /// The smallest bin that holds `start..end`, which is not empty and lies below [`Binning::end`].
    pub(crate) fn bin(self, start: u64, end: u64) -> u32 {
        let last = end - 1;
        (0..=self.depth)
            .rev()
            .find_map(|level| {
                let shift = self.min_shift + 3 * (self.depth - level);
                (start >> shift == last >> shift).then(|| Self::first(level) + (start >> shift) as u32)
            })
            .unwrap_or(0)
    }

    /// The bins of each level that overlap `start..end`, which is not empty.
    pub(crate) fn overlapping(self, start: u64, end: u64) -> impl Iterator<Item = RangeInclusive<u32>> {
        let last = (end - 1).min(self.end() - 1);
        (0..=self.depth).filter(move |_| start <= last).map(move |level| {
            let shift = self.min_shift + 3 * (self.depth - level);
            Self::first(level) + (start >> shift) as u32..=Self::first(level) + (last >> shift) as u32
        })
    }

    /// The first of the lowest bins' windows that lies in `bin`.
    pub(crate) fn first_window(self, bin: u32) -> u64 {
        let level = (0..=self.depth).rev().find(|&level| bin >= Self::first(level)).unwrap_or(0);
        u64::from(bin - Self::first(level)) << (3 * (self.depth - level))
    }

    /// The bin of the level above.
    pub(crate) fn parent(bin: u32) -> u32 {
        (bin - 1) >> 3
    }

    /// The lowest bin that holds `position`.
    pub(crate) fn lowest(self, position: u64) -> u32 {
        Self::first(self.depth) + (position >> self.min_shift) as u32
    }
}

/// A stretch of a BGZF file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Chunk {
    pub(crate) start: VirtualOffset,
    pub(crate) end: VirtualOffset,
}

/// A bin of one sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bin {
    pub(crate) id: u32,
    /// Its chunks in the table of all.
    pub(crate) chunks: (u32, u32),
    /// No line that overlaps the bin stands in front of this.
    pub(crate) first: VirtualOffset,
}

/// One sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) bins_end: u32,
    pub(crate) windows_end: u32,
}

/// Bins, chunks and windows of all sequences, each in one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bins {
    pub(crate) binning: Binning,
    pub(crate) references: Vec<Reference>,
    pub(crate) bins: Vec<Bin>,
    pub(crate) chunks: Vec<Chunk>,
    /// Of each window of the lowest level: where the first line that overlaps it stands. Only `.tbi` has this.
    pub(crate) windows: Vec<VirtualOffset>,
}

impl Bins {
    pub(crate) fn new(binning: Binning) -> Self {
        Self { binning, references: Vec::new(), bins: Vec::new(), chunks: Vec::new(), windows: Vec::new() }
    }

    /// Closes the current sequence: its bins and windows are the ones pushed since the last call. `false` when a bin stands
    /// twice.
    pub(crate) fn close_reference(&mut self) -> bool {
        let start = self.references.last().map_or(0, |last| last.bins_end as usize);
        let bins = &mut self.bins[start..];
        bins.sort_unstable_by_key(|bin| bin.id);
        let once = bins.windows(2).all(|pair| pair[0].id < pair[1].id);
        let (bins_end, windows_end) = (self.bins.len() as u32, self.windows.len() as u32);
        self.references.push(Reference { bins_end, windows_end });
        once
    }

    /// The bins of a sequence, and its windows.
    pub(crate) fn of(&self, reference: usize) -> (Range<usize>, &[VirtualOffset]) {
        let (bins, windows) = match reference.checked_sub(1) {
            Some(before) => (self.references[before].bins_end as usize, self.references[before].windows_end as usize),
            None => (0, 0),
        };
        let this = &self.references[reference];
        (bins..this.bins_end as usize, &self.windows[windows..this.windows_end as usize])
    }

    pub(crate) fn chunks_of(&self, bin: usize) -> &[Chunk] {
        let (start, end) = self.bins[bin].chunks;
        &self.chunks[start as usize..end as usize]
    }

    /// Where the lines of a sequence that may overlap `start..end` stand: sorted, joined, apart from each other.
    pub(crate) fn query(&self, reference: usize, start: u64, end: u64) -> Vec<Chunk> {
        if start >= end || start >= self.binning.end() {
            return Vec::new();
        }
        let (range, windows) = self.of(reference);
        let bins = &self.bins[range.clone()];
        let least = self.least_offset(bins, windows, start);
        let mut chunks = Vec::new();
        for ids in self.binning.overlapping(start, end) {
            let from = bins.partition_point(|bin| bin.id < *ids.start());
            for (i, bin) in bins.iter().enumerate().skip(from) {
                if bin.id > *ids.end() {
                    break;
                }
                let ours = self.chunks_of(range.start + i).iter().filter(|chunk| chunk.end > least);
                chunks.extend(ours.map(|chunk| Chunk { start: chunk.start.max(least), end: chunk.end }));
            }
        }
        chunks.sort_unstable();
        chunks.dedup_by(|next, last| {
            let joined = next.start <= last.end;
            if joined {
                last.end = last.end.max(next.end);
            }
            joined
        });
        chunks
    }

    /// Nothing that overlaps `start` or lies behind it stands in front of this.
    fn least_offset(&self, bins: &[Bin], windows: &[VirtualOffset], start: u64) -> VirtualOffset {
        if let Some(last) = windows.last() {
            let window = usize::try_from(start >> self.binning.min_shift).unwrap_or(usize::MAX);
            return *windows.get(window).unwrap_or(last);
        }
        // The lowest bin at `start`, or the nearest one in front of it, or above.
        let mut id = self.binning.lowest(start);
        while id > 0 {
            if let Ok(at) = bins.binary_search_by_key(&id, |bin| bin.id) {
                return bins[at].first;
            }
            let parent = Binning::parent(id);
            id = if id > (parent << 3) + 1 { id - 1 } else { parent };
        }
        bins.first().filter(|bin| bin.id == 0).map_or(VirtualOffset::default(), |bin| bin.first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_bins_of_the_specification() {
        let tabix = Binning::TABIX;
        assert_eq!((tabix.end(), tabix.bins()), (1 << 29, 37449));
        assert_eq!(tabix.bin(0, 1), 4681);
        assert_eq!(tabix.bin(0, 1 << 14), 4681);
        assert_eq!(tabix.bin(0, (1 << 14) + 1), 585);
        assert_eq!(tabix.bin(0, 1 << 29), 0);
        assert_eq!(tabix.bin((1 << 29) - 1, 1 << 29), 37448);
        assert_eq!(tabix.first_window(37448), 32767);
        assert_eq!(tabix.first_window(585 + 1), 8);
        assert_eq!(Binning::parent(4681), 585);
    }

    proptest! {
        #[test]
        fn what_overlaps_lies_in_an_overlapping_bin(
            depth in 1u32..=Binning::MAX_DEPTH,
            a in any::<prop::sample::Index>(),
            b in any::<prop::sample::Index>(),
            length in 1u64..100_000,
        ) {
            let binning = Binning { min_shift: 14, depth };
            let most = usize::try_from(binning.end() - 100_000).unwrap();
            let (feature, query) = (a.index(most) as u64, b.index(most) as u64);
            let bin = binning.bin(feature, feature + length);
            prop_assert!(bin < binning.bins());
            let overlap = feature < query + 1000 && query < feature + length;
            let found = binning.overlapping(query, query + 1000).any(|ids| ids.contains(&bin));
            prop_assert!(found || !overlap);
            prop_assert!(binning.overlapping(feature, feature + 1).any(|ids| ids.contains(&bin)));
            prop_assert!(binning.first_window(bin) <= feature >> 14);
        }
    }
}
