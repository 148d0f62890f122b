//! Genome and natural-language models on Burn that load published checkpoints.
//!
//! A model is plain Burn: no generic parameter for a fine-tuning method. At each adaptable layer it asks
//! [`peft_core::Hooks`], and knows no method by name; [`peft_core::Plain`] is the model as it was published.
//!
//! ```
//! use burn::tensor::Device;
//! use model_zoo::{Pass, Pooling, TokenBatch, seed};
//! use model_zoo::dnabert2::{Dnabert2Config, Parts};
//! use peft_core::Plain;
//!
//! let device = Device::default();
//! let config = Dnabert2Config { hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 4, intermediate_size: 64, ..Default::default() };
//! let model = seed::initialise(config.init(Parts { mlm_head: true, pooler: false }, &device), 1, 0.02);
//!
//! let batch = TokenBatch::from_rows(&[vec![1, 20, 21, 22, 2], vec![1, 30, 2]], 3, &device);
//! let h = model.forward(&batch, &mut Pass::new()); // [batch, seq, d_model]
//! assert_eq!(h.dims(), [2, 5, 32]);
//! assert_eq!(model.lm_logits(h.clone(), &Plain).dims(), [2, 5, 4096]);
//! assert_eq!(Pooling::Mean.pool(h, &batch).dims(), [2, 32]);
//! ```
//!
//! | module | what |
//! |---|---|
//! | [`base`] | a base of any family from a model folder, as the hub lays it out |
//! | [`bert`], [`dnabert2`], [`nucleotide_transformer`], [`opt`], [`llama`] | one family a file: configuration, init, forward |
//! | [`mod@generate`] | text from the causal models, and how likely a text is |
//! | [`Buckets`] | batches of similar length |
//! | [`heads`] | classification heads: the originals' and one that knows positions |
//! | [`checkpoint`] | safetensors files, read tensor by tensor, every name and shape checked first |
//! | [`attention`] | attention, ALiBi, rotary positions |
//! | [`fused`] | the operations that cost most, fused for the CPU, each with a slow twin |
//! | [`seed`] | initial values from one number |

pub mod attention;
pub mod base;
mod batch;
pub mod bert;
mod buckets;
mod cache;
mod causal;
pub mod checkpoint;
pub mod dnabert2;
mod error;
pub mod fused;
pub mod generate;
pub mod heads;
mod layers;
pub mod llama;
mod names;
pub mod nucleotide_transformer;
pub mod opt;
pub mod packed;
mod pass;
mod pooling;
pub mod quantised;
pub mod seed;
mod transparent;

pub use base::{Base, BaseConfig, Purpose};
pub use batch::{Side, TokenBatch};
pub use buckets::{BatchLimit, Buckets};
pub use cache::KvCache;
pub use error::{Error, Result};
pub use names::{NamedParam, named_params};
pub use pass::{Part, Pass, Trace};
pub use pooling::Pooling;
