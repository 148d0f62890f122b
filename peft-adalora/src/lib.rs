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
//!     first: Linear,
//!     second: Linear,
//! }
//!
//! let device = Device::default();
//! device.seed(7);
//! let layer = || LinearConfig::new(16, 16).init(&device);
//! let base = Model { first: layer(), second: layer() }; // frozen
//! let x = Tensor::<2>::random([64, 16], Distribution::Default, &device);
//! // What is to be learnt differs from the base in the second layer alone.
//! let change = Tensor::<2>::random([16, 16], Distribution::Normal(0.0, 0.5), &device);
//! let hidden = base.first.forward(x.clone());
//! let target = base.second.forward(hidden.clone()) + hidden.matmul(change);
//!
//! let steps = 120;
//! let config =
//!     AdaLoraConfig { init_r: 6, target_r: 3, ..AdaLoraConfig::new(["first", "second"], Schedule::for_steps(steps)?) };
//! let heads: [&str; 0] = [];
//! let mut adapters = Adapters::attach(&base, &config.selection(heads), &config, 7, &device.clone().autodiff())?;
//! let mut optimizer = AdaLoraOptimizer::new(AdamWConfig::new().init(), &config, &adapters)?;
//! for _ in 0..steps {
//!     let hooks = adapters.bind(&base)?;
//!     let y = linear(&hooks, &base.second, linear(&hooks, &base.first, x.clone()));
//!     let task = (y - target.clone()).powi_scalar(2).mean();
//!     let loss = task + orthogonality(&adapters) * config.orth_reg_weight;
//!     let gradients = GradientsParams::from_grads(loss.backward(), &adapters);
//!     (adapters, _) = optimizer.step(0.02, adapters, gradients)?;
//! }
//!
//! println!("{}", optimizer.summary());
//! let ranks = optimizer.summary().ranks; // {"first": 0, "second": 6}
//! assert_eq!(ranks.values().sum::<usize>(), 2 * 3);
//! assert!(ranks["second"] > ranks["first"]);
//!
//! // What is saved: matrices without the pruned triplets, and the pattern in the configuration.
//! let (config, adapters) = optimizer.allocator().pruned(&config, &adapters.valid())?;
//! assert_eq!(config.rank_at("second")?, adapters.get("second").map_or(0, |a| a.rank()));
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
mod report;
mod schedule;
mod state;

pub use adapter::SvdLinear;
pub use allocator::{ImportanceGradients, RankAllocator};
pub use budget::{Fate, MaskToBudget, Ranking, SiteScores, TopBudget};
pub use config::{AdaLoraConfig, Bias};
pub use error::{Error, Result};
pub use optimizer::AdaLoraOptimizer;
pub use orthogonality::orthogonality;
pub use report::{Allocation, AllocationReport, RankPattern, Summary};
pub use schedule::{Phase, Schedule};
