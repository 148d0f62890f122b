//! Adaptive rank sampling as LINGO's paper describes it: pruned triplets may come back.

use std::collections::BTreeMap;

use peft_adalora::{Error, Fate, MaskToBudget, Ranking, Result};
use serde_json::Value;

use super::uniforms;

/// Stochastic pruning with a pool of what was pruned. At each allocation exactly b(t) triplets are kept:
///
/// ```text
/// n = round(share · b(t)), at most as many as the pool has
/// n triplets of the pool, drawn without replacement, come back with the λ that they were pruned with
/// of those not in the pool, the b(t) − n with the highest scores stay
/// the others lose their λ, which the pool keeps; those that stay in the pool get λ = 0 again
/// ```
///
/// Between two allocations the optimizer moves the λ of pruned triplets too, as in AdaLoRA; the pool keeps the value from
/// before.
#[derive(Clone, Debug)]
pub struct Described {
    share: f64,
    seed: u64,
    pool: BTreeMap<String, Vec<Option<f32>>>, // by layer, λ of each triplet that is pruned
}

impl Described {
    /// A rule with an empty pool. `share`: from 0 to 1.
    pub fn new(share: f64, seed: u64) -> Self {
        Described { share, seed, pool: BTreeMap::new() }
    }

    /// λ of the triplets that are pruned, by layer; `None` for those that are not.
    pub fn pool(&self) -> &BTreeMap<String, Vec<Option<f32>>> {
        &self.pool
    }
}

impl MaskToBudget for Described {
    fn decide(&mut self, ranking: &Ranking) -> Result<Vec<Vec<Fate>>> {
        for site in &ranking.sites {
            let n = site.scores.len();
            let pool = self.pool.entry(site.path.clone()).or_insert_with(|| vec![None; n]);
            if pool.len() != n {
                let reason = format!("{}: the pool knows {} triplets, expected {n}", site.path, pool.len());
                return Err(Error::State { reason });
            }
        }
        // Each triplet by layer and number: the pruned in the order of a draw, the others by score.
        let (mut pruned, mut active) = (Vec::new(), Vec::new());
        for (s, site) in ranking.sites.iter().enumerate() {
            let draws = uniforms(self.seed, "described", ranking.step, &site.path, site.scores.len());
            let pool = &self.pool[&site.path];
            for (i, draw) in draws.into_iter().enumerate() {
                match pool[i] {
                    Some(_) => pruned.push((draw, s, i)),
                    None => active.push((site.scores[i], s, i)),
                }
            }
        }
        let budget = ranking.budget.min(ranking.triplets());
        let wanted = (self.share * budget as f64).round() as usize;
        let back = wanted.max(budget.saturating_sub(active.len())).min(pruned.len()).min(budget);
        pruned.sort_by(|(a, ..), (b, ..)| a.total_cmp(b)); // the smallest of independent numbers: a draw without replacement
        active.sort_by(|(a, ..), (b, ..)| b.total_cmp(a)); // stable: ties stay in the order of the model

        let mut fates: Vec<Vec<Fate>> = ranking.sites.iter().map(|s| vec![Fate::DROP; s.scores.len()]).collect();
        for (_, s, i) in pruned.drain(..back) {
            let saved = self.pool.get_mut(&ranking.sites[s].path).and_then(|pool| pool[i].take());
            fates[s][i] = Fate { kept: true, lambda: saved };
        }
        for (place, (_, s, i)) in active.into_iter().enumerate() {
            let site = &ranking.sites[s];
            if place < budget - back {
                fates[s][i] = Fate::KEEP;
            } else if let Some(pool) = self.pool.get_mut(&site.path) {
                pool[i] = Some(site.lambdas[i]);
            }
        }
        Ok(fates)
    }

    fn memory(&self) -> Value {
        let bits = |pool: &Vec<Option<f32>>| pool.iter().map(|v| v.map(f32::to_bits)).collect::<Vec<_>>();
        let pools = self.pool.iter().map(|(path, pool)| (path.clone(), serde_json::json!(bits(pool))));
        Value::Object(pools.collect())
    }

    fn remember(&mut self, memory: Value) -> Result<()> {
        let bits: BTreeMap<String, Vec<Option<u32>>> =
            serde_json::from_value(memory).map_err(|e| Error::State { reason: format!("the pool: {e}") })?;
        let values = |pool: Vec<Option<u32>>| pool.into_iter().map(|v| v.map(f32::from_bits)).collect();
        self.pool = bits.into_iter().map(|(path, pool)| (path, values(pool))).collect();
        Ok(())
    }
}
