//! Stretches of a genome that are taken.

use std::collections::BTreeMap;

/// Taken stretches of each sequence, merged where they touch.
#[derive(Debug)]
pub(crate) struct Zones(Vec<BTreeMap<u64, u64>>);

impl Zones {
    pub(crate) fn new(chromosomes: usize) -> Self {
        Self(vec![BTreeMap::new(); chromosomes])
    }

    pub(crate) fn take(&mut self, chromosome: u32, mut start: u64, mut end: u64) {
        if start >= end {
            return;
        }
        let taken = &mut self.0[chromosome as usize];
        while let Some((&s, &e)) = taken.range(..=end).next_back().filter(|(_, e)| **e >= start) {
            taken.remove(&s);
            start = start.min(s);
            end = end.max(e);
        }
        taken.insert(start, end);
    }

    pub(crate) fn is_free(&self, chromosome: u32, start: u64, end: u64) -> bool {
        let before = self.0[chromosome as usize].range(..end).next_back();
        before.is_none_or(|(_, &e)| e <= start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn zones_are_sets_of_bases(spans in proptest::collection::vec((0u64..60, 0u64..12), 0..12), ask in (0u64..70, 1u64..10)) {
            let mut zones = Zones::new(1);
            let mut bases = [false; 100];
            for (start, len) in spans {
                zones.take(0, start, start + len);
                (start..start + len).for_each(|i| bases[i as usize] = true);
            }
            let (start, end) = (ask.0, ask.0 + ask.1);
            let free = (start..end).all(|i| !bases[i as usize]);
            prop_assert_eq!(zones.is_free(0, start, end), free);
            prop_assert!(zones.0[0].iter().zip(zones.0[0].keys().skip(1)).all(|((_, e), s)| e < s));
        }
    }
}
