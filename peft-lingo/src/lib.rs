//! What stands before a sequence, and which ranks its adapters get: prefixes, prompts and P-tuning, text prompts, one-hot
//! bases, and adaptive rank sampling.
//!
//! The crate knows no model by name. A prompt is a Burn module for the optimizer and a [`peft_core::Hooks`] for the pass, so
//! any model that asks hooks can be given one, encoders too, beside adapters of any other method:
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use peft_core::Hooks;
//! use peft_lingo::{ModelShape, PrefixTuningConfig, Prompt, PromptMethod, PromptTuningConfig, Vocabulary};
//!
//! // The sizes of your model.
//! let model = ModelShape { layers: 2, heads: 4, kv_heads: 2, d_head: 8, d_embed: 32 };
//! let device = Device::default();
//!
//! // Keys and values before those of the sequence, in every block (P-tuning v2 on an encoder).
//! let config = PrefixTuningConfig::new(5).for_model(&model)?;
//! let prefix = config.init(Vocabulary::default(), 7, &device)?;
//! let own = Tensor::<4>::zeros([3, 2, 10, 8], &device); // [batch, kv_heads, seq, d_head]
//! let (keys, values) = prefix.key_value(0, own.clone(), own);
//! assert_eq!(keys.dims(), [3, 2, 5 + 10, 8]);
//! assert_eq!(values.dims(), keys.dims());
//! assert_eq!(prefix.prompt_embeddings().dims(), [5, 2 * 2 * 16]); // as PEFT saves it
//!
//! // Word embeddings before those of the sequence.
//! let prompt = PromptTuningConfig::new(5).for_model(&model)?.init(Vocabulary::default(), 7, &device)?;
//! let words = Tensor::<3>::zeros([3, 10, 32], &device); // [batch, seq, d_embed]
//! assert_eq!(prompt.embeddings(words).dims(), [3, 5 + 10, 32]);
//!
//! // Both in one pass, behind LoRA or whatever else: model.forward(x, &[&lora, &prefix, &prompt]).
//! let stack: [&dyn Hooks; 2] = [&prefix, &prompt];
//! assert_eq!((stack.prefix_len(), stack.virtual_tokens()), (5, 5));
//!
//! // As an adapter folder of PEFT.
//! let dir = tempfile::tempdir()?;
//! peft_lingo::save(dir.path(), &config, &prefix, &Default::default(), Some("my-base"), None)?;
//! let folder = peft_core::AdapterFolder::read(dir.path())?;
//! let again = peft_lingo::load::<PrefixTuningConfig>(folder, &model, &device)?;
//! assert_eq!(again.prompt.prompt_embeddings().to_data(), prefix.prompt_embeddings().to_data());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What a head reads
//! Virtual tokens stand first. A head that reads "the first token" or "the last one" means the first or last token of the
//! sequence here, neither virtual nor padding: that is what a head of `model-zoo` does by itself. In PEFT a classifier behind a
//! prompt reads the first position, which is a virtual token, or the last one, even if it is padding, since no ids reach the
//! model; what it says of a sequence then depends on its batch. To use a head that PEFT trained so, show it the batch with
//! `TokenBatch::every_position`, as the replays of `genome-train` do. Prefixes are no positions: there both are the same.
//!
//! # Map
//! | file | idea |
//! |---|---|
//! | `prefix` | [`PrefixTuningConfig`], [`Prefix`]: keys and values in every block; with an MLP; P-tuning v2 |
//! | `prompt` | [`PromptTuningConfig`], [`SoftPrompt`]: word embeddings, random or from the vocabulary |
//! | `ptuning` | [`PTuningConfig`], [`PromptEncoder`]: word embeddings that an MLP or an LSTM makes |
//! | `lstm` | [`BiLstm`]: torch's |
//! | `method` | [`Prompt`], [`PromptMethod`], [`save()`], [`load()`]: what the three have in common |
//! | `parameters` | [`Source`]: trained tensors under the names that PEFT has for them in memory |
//! | `shape` | [`ModelShape`]: what a prompt has to know of a model |
//! | `sampling` | [`Sampling`], [`Rule`]: adaptive rank sampling for `peft-adalora`'s allocator, [`schedule_of`] |
//! | `sampling/released`, `described`, `annealed` | [`Released`], [`Described`], [`Annealed`]: one rule each |
//! | `text` | [`PromptLibrary`], [`TextPrompt`]: text prompts as data (`prompts.toml`) |
//! | `wrap` | [`PromptTokens`]: prompt, sequence and suffix in one context, of which the sequence is cut |
//! | `one_hot` | [`released_row`]: LINGO's one-hot as released; [`OneHotProjection`]: a true one |
//! | `start`, `fields` | random starts, fields that settings share |
//! | `error` | [`Error`]: one variant per cause |

mod error;
mod fields;
mod lstm;
mod method;
mod one_hot;
mod parameters;
mod prefix;
mod prompt;
mod ptuning;
mod sampling;
mod shape;
mod start;
mod text;
mod wrap;

pub use error::{Error, Result};
pub use lstm::{BiLstm, BiLstmLayer, LstmCell};
pub use method::{LoadedPrompt, Prompt, PromptMethod, Vocabulary, load, save};
pub use one_hot::{BaseRows, BoundOneHot, OneHotProjection, ReleasedRow, released_id, released_row};
pub use parameters::Source;
pub use prefix::{BoundPrefix, Prefix, PrefixProjection, PrefixTuningConfig};
pub use prompt::{PromptTuningConfig, PromptTuningInit, SoftPrompt};
pub use ptuning::{PTuningConfig, PromptEncoder, Reparameterization};
pub use sampling::{Annealed, Described, Draws, Released, Rule, Sampling, released_start, schedule_of};
pub use shape::ModelShape;
pub use text::{DataPrompt, PromptLibrary, TextPrompt};
pub use wrap::{CutCount, PromptTokens, Wrapped};
