//! Adaptive rank sampling as LINGO's released code does it, draw by draw.

use std::collections::BTreeMap;

use peft_adalora::{Error, Fate, MaskToBudget, Ranking, Result};

use super::uniforms;

/// LINGO's `mask_to_budget`. With the threshold of AdaLoRA's ranking, and two uniform numbers u and v for each triplet:
///
/// ```text
/// drop_low  = S ≤ threshold and not u < share        drop_high = S > threshold and v < share
/// λ = 0        where S ≤ threshold, or drop_high
/// kept         where neither drop_low nor drop_high
/// ```
///
/// So the tenth of the unimportant that is "kept" loses its λ as well, and is there in the rank pattern alone; a tenth of
/// the important is dropped; and the budget is met on average, not exactly. For reproduction.
#[derive(Clone, Debug)]
pub struct Released {
    /// The probability of both draws, 0.1.
    pub share: f64,
    /// Where u and v come from.
    pub draws: Draws,
}

/// Where random numbers come from.
#[derive(Clone, Debug)]
pub enum Draws {
    /// From this seed, the step and the layer.
    Seeded(u64),
    /// From a recorded run: by step and layer, u and v of each triplet.
    Recorded(BTreeMap<usize, BTreeMap<String, [Vec<f32>; 2]>>),
}

impl Draws {
    /// u and v of the `n` triplets of a layer.
    fn at(&self, step: usize, path: &str, n: usize) -> Result<[Vec<f64>; 2]> {
        let recorded = match self {
            Draws::Seeded(seed) => return Ok(["u", "v"].map(|what| uniforms(*seed, what, step, path, n))),
            Draws::Recorded(all) => all.get(&step).and_then(|step| step.get(path)),
        };
        let found = recorded.filter(|draws| draws.iter().all(|d| d.len() == n));
        let reason = || format!("{path}: the recorded draws have no two times {n} numbers for step {step}");
        let found = found.ok_or_else(|| Error::State { reason: reason() })?;
        Ok([&found[0], &found[1]].map(|d| d.iter().copied().map(f64::from).collect()))
    }
}

impl MaskToBudget for Released {
    fn decide(&mut self, ranking: &Ranking) -> Result<Vec<Vec<Fate>>> {
        let threshold = ranking.threshold().unwrap_or(f32::NEG_INFINITY); // none: the budget has room for all
        let sites = ranking.sites.iter().map(|site| {
            let [u, v] = self.draws.at(ranking.step, &site.path, site.scores.len())?;
            let fate = |((score, u), v): ((&f32, f64), f64)| {
                let low = *score <= threshold;
                let dropped = if low { u >= self.share } else { v < self.share };
                Fate { kept: !dropped, lambda: (low || dropped).then_some(0.0) }
            };
            Ok(site.scores.iter().zip(u).zip(v).map(fate).collect())
        });
        sites.collect()
    }
}
