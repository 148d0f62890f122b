//! Which triplets stay: the rule that turns scores and a budget into a mask.
//!
//! Zhang et al. 2023, eq. 6: λ stays if its triplet's score is among the top b(t) of all layers, and is 0 otherwise.
//! [`TopBudget`] is that rule. Another rule, such as one that draws from the pruned triplets, implements
//! [`MaskToBudget`] and is handed to [`crate::RankAllocator::with_rule`].

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Result, Schedule};

/// What an allocation is decided from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ranking {
    /// The step, from 0.
    pub step: usize,
    /// b(t): how many triplets may stay, of all layers together.
    pub budget: usize,
    /// The run's schedule.
    pub schedule: Schedule,
    /// Every adapted layer, in the order of the model.
    pub sites: Vec<SiteScores>,
}

/// The triplets of one layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SiteScores {
    /// The layer.
    pub path: String,
    /// The importance S of each triplet; finite.
    pub scores: Vec<f32>,
    /// The singular value λ of each triplet, after the optimizer's step.
    pub lambdas: Vec<f32>,
}

impl Ranking {
    /// How many triplets there are.
    pub fn triplets(&self) -> usize {
        self.sites.iter().map(|s| s.scores.len()).sum()
    }

    /// The score of the best triplet that is above the budget, PEFT's `mask_threshold`: in all but ties, those above
    /// it are the ones that stay. `None` if the budget has room for all.
    pub fn threshold(&self) -> Option<f32> {
        let dropped = self.triplets().checked_sub(self.budget)?.checked_sub(1)?;
        let mut scores: Vec<f32> = self.sites.iter().flat_map(|s| s.scores.iter().copied()).collect();
        let (_, threshold, _) = scores.select_nth_unstable_by(dropped, f32::total_cmp);
        Some(*threshold)
    }
}

/// What becomes of one triplet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fate {
    /// Its entry in the rank pattern: whether it is there after training, if this is the last allocation.
    pub kept: bool,
    /// The value that λ gets now; `None` leaves it.
    pub lambda: Option<f32>,
}

impl Fate {
    /// It stays as it is.
    pub const KEEP: Fate = Fate { kept: true, lambda: None };
    /// Its λ becomes 0. Until the last allocation the optimizer may move it again.
    pub const DROP: Fate = Fate { kept: false, lambda: Some(0.0) };
}

/// A rule that says which triplets stay.
///
/// ```
/// use peft_adalora::{Fate, MaskToBudget, Ranking, Result, TopBudget};
///
/// /// AdaLoRA's rule, but the best triplet of every layer stays.
/// struct OneEach;
/// impl MaskToBudget for OneEach {
///     fn decide(&mut self, ranking: &Ranking) -> Result<Vec<Vec<Fate>>> {
///         let mut fates = TopBudget.decide(ranking)?;
///         for (fates, site) in fates.iter_mut().zip(&ranking.sites) {
///             let best = site.scores.iter().enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b));
///             if let Some((best, _)) = best {
///                 fates[best] = Fate::KEEP;
///             }
///         }
///         Ok(fates)
///     }
/// }
/// ```
pub trait MaskToBudget {
    /// The fate of every triplet, in the order of `ranking`.
    ///
    /// # Errors
    /// Whatever the rule cannot do.
    fn decide(&mut self, ranking: &Ranking) -> Result<Vec<Vec<Fate>>>;

    /// What the rule must remember for a run that is resumed. JSON keeps f32 exactly if it is written as an integer
    /// (`f32::to_bits`).
    fn memory(&self) -> Value {
        Value::Null
    }

    /// Takes back what [`MaskToBudget::memory`] gave.
    ///
    /// # Errors
    /// [`crate::Error::State`] if it cannot have given that.
    fn remember(&mut self, _memory: Value) -> Result<()> {
        Ok(())
    }
}

/// AdaLoRA's rule: the triplets with the highest scores stay, exactly as many as the budget says.
///
/// PEFT drops every triplet whose score is at most the threshold. That is the same unless scores tie at the threshold,
/// where PEFT drops all that tie and so spends less than the budget; here the first of them, in the order of the model,
/// stay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TopBudget;

impl MaskToBudget for TopBudget {
    fn decide(&mut self, ranking: &Ranking) -> Result<Vec<Vec<Fate>>> {
        let all = ranking.sites.iter().enumerate();
        let mut order: Vec<(f32, usize, usize)> =
            all.flat_map(|(s, site)| site.scores.iter().enumerate().map(move |(i, score)| (*score, s, i))).collect();
        order.sort_by(|(a, ..), (b, ..)| b.total_cmp(a)); // stable: ties stay in the order of the model
        let mut fates: Vec<Vec<Fate>> = ranking.sites.iter().map(|s| vec![Fate::DROP; s.scores.len()]).collect();
        for (_, site, triplet) in order.into_iter().take(ranking.budget) {
            fates[site][triplet] = Fate::KEEP;
        }
        Ok(fates)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranking(scores: &[&[f32]], budget: usize) -> Ranking {
        let sites = scores.iter().enumerate();
        let sites = sites.map(|(i, scores)| SiteScores {
            path: i.to_string(),
            scores: scores.to_vec(),
            lambdas: vec![1.0; scores.len()],
        });
        let schedule = Schedule { tinit: 0, tfinal: 1, delta_t: 1, total_step: 9 };
        Ranking { step: 2, budget, schedule, sites: sites.collect() }
    }

    #[test]
    fn the_best_stay() {
        let check = |scores: &[&[f32]], budget, kept: &str, threshold| {
            let ranking = ranking(scores, budget);
            let fates = TopBudget.decide(&ranking).unwrap();
            let letters = |site: &Vec<Fate>| site.iter().map(|f| if f.kept { '1' } else { '0' }).collect::<String>();
            assert_eq!(fates.iter().map(letters).collect::<Vec<_>>().join(" "), kept);
            assert_eq!(ranking.threshold(), threshold);
        };
        check(&[&[3.0, 1.0], &[2.0, 4.0]], 2, "10 01", Some(2.0));
        check(&[&[3.0, 1.0], &[2.0, 4.0]], 3, "10 11", Some(1.0));
        check(&[&[3.0, 1.0], &[2.0, 4.0]], 4, "11 11", None);
        check(&[&[3.0, 1.0], &[2.0, 4.0]], 9, "11 11", None);
        check(&[&[3.0, 1.0], &[2.0, 4.0]], 0, "00 00", Some(4.0));
        check(&[&[0.0, 1.0, 0.0], &[0.0, 0.0]], 3, "111 00", Some(0.0)); // ties: the first stay
        check(&[], 0, "", None);
    }
}
