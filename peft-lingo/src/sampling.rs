//! Adaptive rank sampling: rules by which AdaLoRA's allocator lets chance decide which triplets stay.
//!
//! Zhan, Wu and Zhang 2024, "Efficient and Scalable Fine-Tune of Language Models for Genome Understanding" (LINGO), arXiv
//! 2402.08075. The paper describes one rule and the released code has another; both are here, and a third, ours. All
//! stand on [`peft_adalora::RankAllocator`]: importance, budget b(t) and schedule are AdaLoRA's, a rule only says which
//! triplets the budget is spent on.
//!
//! | mode | budget | ends as | pruned triplets |
//! |---|---|---|---|
//! | [`Sampling::AdaLora`] | exact | the best b(T) | λ = 0; come back by score alone |
//! | [`Sampling::Released`] | missed by chance | what the last draw left | λ = 0; some are kept in the pattern all the same |
//! | [`Sampling::Described`] | exact | the best, and some drawn ones | λ is saved, and given back to those that are drawn |
//! | [`Sampling::Annealed`] | exact | the best b(T), exactly AdaLoRA's choice | λ = 0; come back by score and chance |

mod annealed;
mod described;
mod released;

pub use annealed::Annealed;
pub use described::Described;
pub use released::{Draws, Released};

use std::str::FromStr;

use burn::tensor::{Tensor, TensorData};
use peft_adalora::{Fate, MaskToBudget, Ranking, Schedule, SvdLinear, TopBudget};
use peft_core::{Adapters, site_seed};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Result;
use crate::start::normal;

/// A rule, and its settings.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case")]
pub enum Sampling {
    /// No chance: AdaLoRA itself.
    AdaLora,
    /// As LINGO's released code does it; see [`Released`].
    Released {
        /// The probability of both draws; 0.1 in the released code.
        share: f64,
    },
    /// As LINGO's paper describes it; see [`Described`].
    Described {
        /// The share of the budget that is drawn from the pruned triplets.
        share: f64,
    },
    /// Ours; see [`Annealed`].
    Annealed {
        /// τ at the end of the warm-up. 1 draws in proportion to the scores, 0 is AdaLoRA.
        temperature: f64,
    },
}

impl Sampling {
    /// [`Sampling::Released`] as it was released.
    pub const RELEASED: Sampling = Sampling::Released { share: 0.1 };
    /// [`Sampling::Described`] with a tenth of the budget.
    pub const DESCRIBED: Sampling = Sampling::Described { share: 0.1 };
    /// [`Sampling::Annealed`] from 1 on.
    pub const ANNEALED: Sampling = Sampling::Annealed { temperature: 1.0 };

    /// The rule for a run of this seed.
    ///
    /// # Errors
    /// [`peft_core::Error::Config`] about a share that is none, or a temperature that is not finite or below 0.
    pub fn rule(self, seed: u64) -> Result<Rule> {
        let share = |share: f64| match (0.0..=1.0).contains(&share) {
            true => Ok(share),
            false => Err(peft_core::Error::config("share", share, "must be from 0 to 1")),
        };
        Ok(match self {
            Sampling::AdaLora => Rule::AdaLora(TopBudget),
            Sampling::Released { share: s } => {
                Rule::Released(Released { share: share(s)?, draws: Draws::Seeded(seed) })
            }
            Sampling::Described { share: s } => Rule::Described(Described::new(share(s)?, seed)),
            Sampling::Annealed { temperature } => {
                if !(temperature >= 0.0 && temperature.is_finite()) {
                    return Err(peft_core::Error::config("temperature", temperature, "must be at least 0").into());
                }
                Rule::Annealed(Annealed { temperature, seed })
            }
        })
    }

    /// The mode's name: `adalora`, `released`, `described`, `annealed`.
    pub fn name(self) -> &'static str {
        match self {
            Sampling::AdaLora => "adalora",
            Sampling::Released { .. } => "released",
            Sampling::Described { .. } => "described",
            Sampling::Annealed { .. } => "annealed",
        }
    }
}

impl FromStr for Sampling {
    type Err = crate::Error;

    /// A mode by its name, with its usual settings.
    fn from_str(name: &str) -> Result<Self> {
        let all = [Sampling::AdaLora, Sampling::RELEASED, Sampling::DESCRIBED, Sampling::ANNEALED];
        let reason = "expected adalora, released, described or annealed";
        let found = all.into_iter().find(|mode| mode.name() == name);
        Ok(found.ok_or_else(|| peft_core::Error::config("sampling", format!("{name:?}"), reason))?)
    }
}

/// A rule of any mode, for [`peft_adalora::RankAllocator::with_rule`].
#[derive(Clone, Debug)]
pub enum Rule {
    /// AdaLoRA's own.
    AdaLora(TopBudget),
    /// See [`Released`].
    Released(Released),
    /// See [`Described`].
    Described(Described),
    /// See [`Annealed`].
    Annealed(Annealed),
}

impl MaskToBudget for Rule {
    fn decide(&mut self, ranking: &Ranking) -> peft_adalora::Result<Vec<Vec<Fate>>> {
        match self {
            Rule::AdaLora(rule) => rule.decide(ranking),
            Rule::Released(rule) => rule.decide(ranking),
            Rule::Described(rule) => rule.decide(ranking),
            Rule::Annealed(rule) => rule.decide(ranking),
        }
    }

    fn memory(&self) -> Value {
        match self {
            Rule::AdaLora(rule) => rule.memory(),
            Rule::Released(rule) => rule.memory(),
            Rule::Described(rule) => rule.memory(),
            Rule::Annealed(rule) => rule.memory(),
        }
    }

    fn remember(&mut self, memory: Value) -> peft_adalora::Result<()> {
        match self {
            Rule::AdaLora(rule) => rule.remember(memory),
            Rule::Released(rule) => rule.remember(memory),
            Rule::Described(rule) => rule.remember(memory),
            Rule::Annealed(rule) => rule.remember(memory),
        }
    }
}

/// A schedule for `epochs` over `examples` in batches of `batch_size`, of which the last may be smaller.
///
/// LINGO's released schedule has its numbers written down (total_step 7485, deltaT 5000): on most data sets the allocator
/// fires once or never.
///
/// ```
/// let schedule = peft_lingo::schedule_of(1000, 8, 3.0)?;
/// assert_eq!(schedule.total_step, 375);
/// assert!(peft_lingo::schedule_of(8, 8, 3.0).is_err()); // three steps
/// # Ok::<(), peft_lingo::Error>(())
/// ```
///
/// # Errors
/// [`peft_adalora::Error::TooShort`] for a run in which there is no room for three allocations.
pub fn schedule_of(examples: usize, batch_size: usize, epochs: f64) -> Result<Schedule> {
    let steps = (examples.div_ceil(batch_size.max(1)) as f64 * epochs.max(0.0)).ceil();
    Ok(Schedule::for_steps(steps as usize)?)
}

/// `adapters` with λ from N(0, 0.02), as LINGO's derivative of PEFT 0.5.0 starts: the adapted model is then not the base.
pub fn released_start(adapters: Adapters<SvdLinear>, seed: u64) -> Adapters<SvdLinear> {
    let started = adapters.try_map(|path, mut adapter| {
        let rng = &mut ChaCha8Rng::from_seed(site_seed(seed, &format!("released start {path}")));
        let r = adapter.rank();
        let values: Vec<f32> = normal(rng, r).into_iter().map(|v| 0.02 * v).collect();
        adapter.lora_E = adapter.lora_E.clone().map(|old: Tensor<2>| {
            let data = TensorData::new(values, [1, r]);
            Tensor::from_data(data, (&old.device(), old.dtype())).set_require_grad(old.is_require_grad())
        });
        Ok::<_, std::convert::Infallible>(adapter)
    });
    let Ok(adapters) = started;
    adapters
}

/// `n` numbers in [0, 1) for the triplets of one layer at one step. They follow from the run's seed, the step and the layer
/// alone, so a run that is resumed draws what it would have drawn.
fn uniforms(seed: u64, what: &str, step: usize, path: &str, n: usize) -> Vec<f64> {
    let rng = &mut ChaCha8Rng::from_seed(site_seed(seed, &format!("{what} {step} {path}")));
    (0..n).map(|_| rng.random::<f64>()).collect()
}
