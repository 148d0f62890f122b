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

/// What the allocator did in a whole run; its text is for people.
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

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |items: Vec<String>| items.join(", ");
        let state = if self.is_final { "final" } else { "not final yet" };
        write!(f, "ranks allocated {} times in {} steps", self.allocations.len(), self.steps)?;
        if !self.allocations.is_empty() {
            let budgets = self.allocations.iter().map(|a| format!("{} at step {}", a.budget, a.step)).collect();
            write!(f, "; budgets of {} triplets: {}", self.initial, list(budgets))?;
        }
        let ranks = self.histogram().into_iter().map(|(rank, layers)| format!("{layers} of rank {rank}")).collect();
        write!(f, "; layers ({state}): {}", list(ranks))
    }
}
