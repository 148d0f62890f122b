//! AdaLoRA: low-rank adapters whose ranks are allocated while they train.
//!
//! Zhang et al. 2023, "Adaptive Budget Allocation for Parameter-Efficient Fine-Tuning", ICLR 2023, arXiv 2303.10512.
//! An increment has the form of a singular value decomposition, ΔW = P Λ Q (eq. 3). All layers start with the same
//! rank; while training goes on, singular values with little influence on the loss are set to 0, until a budget is
//! met that is shared by all layers (eq. 6). Numbers, names and files are those of Hugging Face PEFT.
//!
//! The allocator is part of the optimizer's step, [`AdaLoraOptimizer`], so it cannot be forgotten; a schedule under
//! which it would hardly act is an error before training starts.
//!
//! ```
//! use burn::module::Module;
//! use burn::nn::{Linear, LinearConfig};
//! use burn::optim::{AdamWConfig, GradientsParams};
//! use burn::tensor::{Device, Distribution, Tensor};
//! use peft_adalora::{AdaLoraConfig, AdaLoraOptimizer, Schedule, orthogonality};
//! use peft_core::{Adapters, linear};
//!
//! #[derive(Module, Debug)]
//! struct Model {
//!     query: Linear,
//!     value: Linear,
//! }
//!
//! let device = Device::default();
//! device.seed(7);
//! let layer = || LinearConfig::new(16, 16).init(&device);
//! let base = Model { query: layer(), value: layer() }; // frozen
//! let x = Tensor::<2>::random([64, 16], Distribution::Default, &device);
//! // What is to be learnt differs from the base in the values alone.
//! let change = Tensor::<2>::random([16, 16], Distribution::Normal(0.0, 1.0), &device);
//! let queries = base.query.forward(x.clone());
//! let values = base.value.forward(x.clone()) + x.clone().matmul(change);
//!
//! let steps = 120;
//! let config = AdaLoraConfig {
//!     init_r: 6,
//!     target_r: 3,
//!     orth_reg_weight: 0.1,
//!     ..AdaLoraConfig::new(["query", "value"], Schedule::for_steps(steps)?)
//! };
//! let heads: [&str; 0] = [];
//! let mut adapters = Adapters::attach(&base, &config.selection(heads), &config, 7, &device.clone().autodiff())?;
//! let mut optimizer = AdaLoraOptimizer::new(AdamWConfig::new().init(), &config, &adapters)?;
//! for _ in 0..steps {
//!     let hooks = adapters.bind(&base)?;
//!     let off = |layer, target: &Tensor<2>| (linear(&hooks, layer, x.clone()) - target.clone()).powi_scalar(2).mean();
//!     let task = off(&base.query, &queries) + off(&base.value, &values);
//!     let loss = task + orthogonality(&adapters) * config.orth_reg_weight;
//!     let gradients = GradientsParams::from_grads(loss.backward(), &adapters);
//!     (adapters, _) = optimizer.step(0.02, adapters, gradients)?;
//! }
//!
//! println!("{}", optimizer.summary());
//! // ranks allocated 72 times in 120 steps; budget 12, then 11 at step 13, 10 at step 17, 9 at step 22, 8 at step 27,
//! // 7 at step 35, 6 at step 45; layers (final): 1 of rank 0, 1 of rank 6
//! let ranks = optimizer.summary().ranks; // {"query": 0, "value": 6}
//! assert_eq!(ranks.values().sum::<usize>(), 2 * 3);
//! assert!(ranks["value"] > ranks["query"]);
//!
//! // What is saved: matrices without the pruned triplets, and the pattern in the configuration.
//! let (config, adapters) = optimizer.allocator().pruned(&config, &adapters.valid())?;
//! assert_eq!(config.rank_at("value")?, adapters.get("value").map_or(0, |a| a.rank()));
//! let (merged, report) = adapters.merge(base)?; // a plain model again
//! assert!(report.largest_drift() < 1e-6);
//! # let _ = merged;
//! # Ok::<(), peft_adalora::Error>(())
//! ```
//!
//! # Map
//! | file | idea |
//! |---|---|
//! | `config` | [`AdaLoraConfig`]: PEFT's settings |
//! | `schedule` | [`Schedule`]: when ranks are allocated, and the budget of each step |
//! | `adapter` | [`SvdLinear`]: the formula, its start, its tensors, pruning |
//! | `orthogonality` | [`orthogonality`]: the term of the loss |
//! | `importance` | smoothed sensitivity and uncertainty, scores of triplets |
//! | `budget` | [`MaskToBudget`]: scores to mask; [`TopBudget`] is AdaLoRA's, others may take its place |
//! | `allocator` | [`RankAllocator`]: all of that, step by step |
//! | `optimizer` | [`AdaLoraOptimizer`]: the allocator in the optimizer's step |
//! | `prune` | [`RankAllocator::pruned`], [`prune_zeros`], [`prune_to`]: the matrices without dropped triplets, as they are saved |
//! | `state` | [`RankAllocator::to_bytes`], [`RankAllocator::resumed`] |
//! | `report` | [`AllocationReport`] of a step, [`Summary`] of a run |
//! | `error` | [`Error`]: one variant per cause |

#[allow(non_snake_case, reason = "lora_A, lora_B and lora_E are the names of the published parameters")]
mod adapter;
mod allocator;
mod budget;
mod config;
mod error;
mod importance;
mod optimizer;
mod orthogonality;
mod prune;
mod report;
mod schedule;
mod state;

pub use adapter::SvdLinear;
pub use allocator::{ImportanceGradients, RankAllocator};
pub use budget::{Fate, MaskToBudget, Ranking, SiteScores, TopBudget};
pub use config::AdaLoraConfig;
pub use error::{Error, Result};
pub use optimizer::{AdaLoraOptimizer, Order};
pub use orthogonality::orthogonality;
pub use peft_core::Bias;
pub use prune::{prune_to, prune_zeros};
pub use report::{Allocation, AllocationReport, RankPattern, Summary};
pub use schedule::{Phase, Schedule};
