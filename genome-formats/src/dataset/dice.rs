//! Random numbers that are the same everywhere, for ever: ChaCha12 with the set's seed as its key.
//!
//! Each purpose has a ChaCha stream of its own, so that more numbers for one never change another. The streams are named
//! here and nowhere else.

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What random numbers are for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stream {
    /// 0: which split a block or a cluster goes to.
    Split,
    /// 1, 2, 3: where the matched negatives of train, dev and test lie.
    Negatives(super::Split),
    /// 4, 5, 6: the order of the rows of train, dev and test.
    Order(super::Split),
    /// 2^32 + n: the letters of the n-th shuffled negative.
    Shuffle(u64),
}

impl Stream {
    fn number(self) -> u64 {
        match self {
            Self::Split => 0,
            Self::Negatives(split) => 1 + split as u64,
            Self::Order(split) => 4 + split as u64,
            Self::Shuffle(n) => (1 << 32) + n,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Dice(ChaCha12Rng);

impl Dice {
    pub(crate) fn new(seed: u64, stream: Stream) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let mut rng = ChaCha12Rng::from_seed(key);
        rng.set_stream(stream.number());
        Self(rng)
    }

    /// A number below `end`, each equally likely; 0 where `end` is 0.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        if end == 0 {
            return 0;
        }
        // Numbers from the incomplete last round would favour the small ones.
        let whole = u64::MAX - (u64::MAX % end + 1) % end;
        loop {
            let x = self.0.next_u64();
            if x <= whole {
                return x % end;
            }
        }
    }

    pub(crate) fn coin(&mut self) -> bool {
        self.0.next_u64() >> 63 == 1
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Every order is equally likely (Fisher and Yates).
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i as u64 + 1) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Split;

    #[test]
    fn streams_are_apart_and_numbers_stay() {
        let first = |stream| Dice::new(7, stream).bits();
        let streams = [
            Stream::Split,
            Stream::Negatives(Split::Train),
            Stream::Negatives(Split::Test),
            Stream::Order(Split::Train),
            Stream::Order(Split::Test),
            Stream::Shuffle(0),
            Stream::Shuffle(1),
        ];
        let firsts: std::collections::BTreeSet<u64> = streams.into_iter().map(first).collect();
        assert_eq!(firsts.len(), streams.len());
        let mut dice = Dice::new(7, Stream::Split);
        let tens: Vec<u64> = (0..8).map(|_| dice.below(10)).collect();
        // Sets that exist must be built again to the bit: these numbers never change.
        assert_eq!(tens, [5, 5, 5, 2, 5, 0, 5, 4]);
    }

    #[test]
    fn below_is_fair() {
        let mut dice = Dice::new(1, Stream::Split);
        let mut counts = [0; 3];
        (0..30_000).for_each(|_| counts[dice.below(3) as usize] += 1);
        assert!(counts.iter().all(|c| (9_500..10_500).contains(c)), "{counts:?}");
        assert_eq!((dice.below(0), dice.below(1)), (0, 0));
    }
}
