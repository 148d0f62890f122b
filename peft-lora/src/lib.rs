//! LoRA: low-rank adapters computed at factored cost.
//!
//! Hu et al. 2021, arXiv 2106.09685, eq. 3: h = W0 x + (α/r) B A x. W0 is frozen, and W0 + B A is never formed
//! in training. Settings, start values, tensor names and files are those of Hugging Face PEFT.
//!
//! ```
//! use burn::module::Module;
//! use burn::nn::{Linear, LinearConfig};
//! use burn::optim::{AdamWConfig, GradientsParams};
//! use burn::tensor::{Device, Tensor};
//! use peft_core::{Adapters, linear};
//! use peft_lora::LoraConfig;
//!
//! #[derive(Module, Debug)]
//! struct Model {
//!     query: Linear,
//! }
//!
//! let device = Device::default();
//! let base = Model { query: LinearConfig::new(16, 8).init(&device) }; // no autodiff: frozen
//! let lora = LoraConfig { r: 4, ..LoraConfig::new(["query"]) };
//! let heads: [&str; 0] = [];
//! let mut adapters = Adapters::attach(&base, &lora.selection(heads), &lora, 7, &device.clone().autodiff())?;
//! assert_eq!(adapters.num_params(), 4 * (16 + 8));
//!
//! let x = Tensor::<2>::ones([5, 16], &device);
//! let loss = linear(&adapters.bind(&base)?, &base.query, x).powi_scalar(2).mean();
//! let gradients = GradientsParams::from_grads(loss.backward(), &adapters);
//! adapters = AdamWConfig::new().init().step(1e-3, adapters, gradients);
//!
//! let (merged, report) = adapters.merge(base)?; // a plain model again
//! assert!(report.largest_drift() < 1e-6);
//! # let _ = merged;
//! # Ok::<(), peft_core::Error>(())
//! ```
//!
//! # Map
//! | file | idea |
//! |---|---|
//! | `config` | [`LoraConfig`]: PEFT's settings, scale and rank of each layer |
//! | `patterns` | [`Patterns`]: ranks and scales of some layers |
//! | `adapter` | [`LoraLinear`]: the formulas of LoRA and DoRA, their tensors |
//! | `start` | how A and B start: Kaiming, gaussian, orthogonal, PiSSA, OLoRA |
//! | `linalg` | QR and singular values on the host, for those starts |
//! | `convert` | [`LoraConfig::converted`]: PiSSA and OLoRA as plain LoRA |
//! | `lora_plus` | [`LoraPlus`]: B learns faster than A |
//! | `mixed` | [`AdapterBank`], [`MixedBatch`]: a batch whose rows use different adapters |
//! | `combine` | [`Combine`]: several adapters as one |
//! | `ia3` | [`Ia3Config`], [`Ia3Linear`]: scaling vectors |

#[allow(non_snake_case, reason = "lora_A and lora_B are the names of the published parameters")]
mod adapter;
#[allow(non_snake_case, reason = "lora_A and lora_B are the names of the published parameters")]
mod combine;
mod config;
mod convert;
mod ia3;
mod linalg;
mod lora_plus;
mod mixed;
mod patterns;
mod start;

pub use adapter::LoraLinear;
pub use combine::{Combine, Majority, Merging};
pub use config::{LoraConfig, OneOrMany, Start};
pub use ia3::{Ia3Config, Ia3Linear};
pub use lora_plus::{LoraPlus, RateGroups};
pub use mixed::{AdapterBank, MixedBatch};
pub use patterns::Patterns;
pub use peft_core::Bias;
pub use start::Residual;
