//! Our adaptive rank sampling: a draw that turns into AdaLoRA's choice.

use peft_adalora::{Fate, MaskToBudget, Ranking, Result, TopBudget};

use super::uniforms;

/// Gumbel-top-k (Kool, van Hoof and Welling, ICML 2019, arXiv 1903.06059) over the logarithm of the scores, cooled down:
///
/// ```text
/// keys:  log S + τ(t) · G,  G = −log(−log u)          the b(t) triplets with the largest keys stay
/// τ(t) = τ0 · (1 − (t − t_i)/(T − t_f − t_i))          0 at the last allocation, T − t_f
/// ```
///
/// At τ = 1 that is a draw of b(t) triplets without replacement, in proportion to their scores; at τ = 0 it is
/// [`TopBudget`]. Early, when scores are few steps old, others than the best so far get a chance to show their worth; in the
/// end the ranks are those that AdaLoRA would choose from the same scores.
#[derive(Clone, Debug)]
pub struct Annealed {
    /// τ0.
    pub temperature: f64,
    /// Of the run.
    pub seed: u64,
}

impl Annealed {
    /// τ(t), at least 0.
    pub fn temperature_at(&self, ranking: &Ranking) -> f64 {
        let (schedule, t) = (&ranking.schedule, ranking.step);
        let last = schedule.last_allocation();
        if t >= last {
            return 0.0;
        }
        let length = last.saturating_sub(schedule.tinit).max(1) as f64;
        self.temperature * (1.0 - t.saturating_sub(schedule.tinit) as f64 / length)
    }
}

impl MaskToBudget for Annealed {
    fn decide(&mut self, ranking: &Ranking) -> Result<Vec<Vec<Fate>>> {
        let temperature = self.temperature_at(ranking);
        if temperature == 0.0 {
            return TopBudget.decide(ranking);
        }
        let mut keys = Vec::with_capacity(ranking.triplets());
        for (s, site) in ranking.sites.iter().enumerate() {
            let draws = uniforms(self.seed, "annealed", ranking.step, &site.path, site.scores.len());
            for (i, (score, u)) in site.scores.iter().zip(draws).enumerate() {
                let gumbel = -(-u.max(f64::MIN_POSITIVE).ln()).ln();
                keys.push((f64::from(*score).ln() + temperature * gumbel, s, i)); // a score of 0 is −∞: last
            }
        }
        keys.sort_by(|(a, ..), (b, ..)| b.total_cmp(a)); // stable: ties stay in the order of the model
        let mut fates: Vec<Vec<Fate>> = ranking.sites.iter().map(|s| vec![Fate::DROP; s.scores.len()]).collect();
        for (_, s, i) in keys.into_iter().take(ranking.budget) {
            fates[s][i] = Fate::KEEP;
        }
        Ok(fates)
    }
}
