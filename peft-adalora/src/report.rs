//! What the allocator did, for the run's log.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Phase, Ranking};

/// Which triplets of each layer are left, by the layer's path.
pub type RankPattern = BTreeMap<String, Vec<bool>>;

/// What the allocator did at one step.
#[derive(Clone, Debug, PartialEq)]
pub struct AllocationReport {
    /// The step, from 0.
    pub step: usize,
    /// Where in the schedule it is.
    pub phase: Phase,
    /// b(t).
    pub budget: usize,
    /// Triplets in the rank pattern as it is now; all of them before the first allocation.
    pub kept: usize,
    /// The scores by which ranks were allocated at this step, if they were.
    pub ranking: Option<Ranking>,
}

/// One allocation of ranks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Allocation {
    /// The step, from 0.
    pub step: usize,
    /// b(t).
    pub budget: usize,
    /// Triplets that stayed. With AdaLoRA's own rule equal to the budget.
    pub kept: usize,
    /// The score up to which triplets were dropped; `None` if all stayed.
    pub threshold: Option<f32>,
}

/// What the allocator did in a whole run. Its text is one line for people, with the steps at which the budget fell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Steps made.
    pub steps: usize,
    /// Triplets at the start.
    pub initial: usize,
    /// Every allocation, in order.
    pub allocations: Vec<Allocation>,
    /// The rank of every layer, by path, as the rank pattern has it.
    pub ranks: BTreeMap<String, usize>,
    /// True if the last allocation was made, so that the ranks are final.
    pub is_final: bool,
}

impl Summary {
    /// How many layers have which rank.
    pub fn histogram(&self) -> BTreeMap<usize, usize> {
        let mut histogram = BTreeMap::new();
        for rank in self.ranks.values() {
            *histogram.entry(*rank).or_default() += 1;
        }
        histogram
    }
}

/// As many falls of the budget are listed in a summary's text; of more, the first and the last.
const LISTED: usize = 10;

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ranks allocated {} times in {} steps", self.allocations.len(), self.steps)?;
        let mut falls: Vec<String> = Vec::new();
        let mut budget = None;
        for allocation in &self.allocations {
            if budget.replace(allocation.budget) != Some(allocation.budget) {
                falls.push(format!("{} at step {}", allocation.budget, allocation.step));
            }
        }
        if falls.len() > LISTED {
            falls.splice(LISTED / 2..falls.len() - LISTED / 2, ["...".to_owned()]);
        }
        if !falls.is_empty() {
            write!(f, "; budget {}, then {}", self.initial, falls.join(", "))?;
        }
        let state = if self.is_final { "final" } else { "not final yet" };
        let ranks: Vec<String> =
            self.histogram().into_iter().map(|(rank, layers)| format!("{layers} of rank {rank}")).collect();
        write!(f, "; layers ({state}): {}", ranks.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_one_line_of_any_run() {
        let at = |(step, budget)| Allocation { step, budget, kept: budget, threshold: Some(0.5) };
        let summary = |events: &[(usize, usize)]| Summary {
            steps: 20,
            initial: 36,
            allocations: events.iter().copied().map(at).collect(),
            ranks: [("a", 2), ("b", 0), ("c", 2)].map(|(path, rank)| (path.to_owned(), rank)).into(),
            is_final: !events.is_empty(),
        };
        let check = |events: &[(usize, usize)], text: &str| assert_eq!(summary(events).to_string(), text);
        check(&[], "ranks allocated 0 times in 20 steps; layers (not final yet): 1 of rank 0, 2 of rank 2");
        check(
            &[(4, 30), (6, 12), (8, 12)],
            "ranks allocated 3 times in 20 steps; budget 36, then 30 at step 4, 12 at step 6; layers (final): 1 of rank 0, \
             2 of rank 2",
        );
        let many: Vec<(usize, usize)> = (1..=11).map(|t| (t, 36 - t)).collect();
        check(
            &many,
            "ranks allocated 11 times in 20 steps; budget 36, then 35 at step 1, 34 at step 2, 33 at step 3, 32 at step 4, \
             31 at step 5, ..., 29 at step 7, 28 at step 8, 27 at step 9, 26 at step 10, 25 at step 11; layers (final): 1 \
             of rank 0, 2 of rank 2",
        );
    }
}
