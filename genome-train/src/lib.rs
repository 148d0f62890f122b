//! From labelled sequences to a fine-tuned classifier: tasks, batches, the training loop, metrics and reports.
//!
//! ```
//! use burn::tensor::Device;
//! use genome_formats::{Input, LabelSet, Limits, read_labelled_input};
//! use genome_tokenize::TokenizerSpec;
//! use genome_train::finetune::{Data, FinetuneConfig, finetune, score};
//! use genome_train::foundation::Foundation;
//! use genome_train::tuning::OnLayers;
//! use model_zoo::{BaseConfig, Purpose, checkpoint, seed};
//! use peft_lora::LoraConfig;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let device = Device::default();
//! // A base of random weights; yours comes from a folder: Foundation::from_dir.
//! let json = r#"{"model_type": "esm", "vocab_size": 10, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
//!     "intermediate_size": 16, "max_position_embeddings": 512, "pad_token_id": 0, "position_embedding_type": "rotary",
//!     "add_bias_fnn": false}"#;
//! let base = seed::initialise(BaseConfig::parse("example".as_ref(), json)?.init(false, false, &device), 1, 0.02);
//! let dir = tempfile::tempdir()?;
//! base.save(dir.path(), checkpoint::SaveDtype::F32)?;
//! TokenizerSpec::Letter.save(dir.path())?;
//! let foundation = Foundation::from_dir(dir.path(), Purpose::Encode, &device)?;
//!
//! let rows = |name: &str| read_labelled_input(Input::from_bytes(name, "sequence,label\nTATAATGC,1\nGCGCGCGC,0\n")?, Limits::default());
//! let (train, dev) = (rows("train.csv")?, rows("dev.csv")?);
//! let labels = LabelSet::from_train(&train)?;
//! let config = FinetuneConfig { epochs: 3.0, ..FinetuneConfig::default() };
//! let task = config.task(&foundation, &labels)?;
//! let data = Data::new(&train, &dev, &labels, &foundation, &task)?;
//! let lora = OnLayers::attach(&foundation.base, LoraConfig::new(["query", "value"]), config.seed, &device)?;
//! let tuned = finetune(
//!     &foundation, &data, &task, lora, &config, &device,
//!     Box::new(genome_train::render::Silent), Default::default(), Box::new(|_row| ()), Box::new(|_best| Ok(())),
//! )?;
//! let (scores, _confusion) = score(&tuned.classifier, &data.dev, &task, &foundation, &device);
//! assert!(scores.eval_accuracy >= 0.5);
//! # Ok(())
//! # }
//! ```
//!
//! | module | what |
//! |---|---|
//! | [`foundation`] | a frozen base with its tokenizer |
//! | [`examples`] | labelled sequences as ids, and their batches |
//! | [`tuning`] | what is trained beside the base: any method, as the loop and the folder see it |
//! | [`classifier`] | base, method and head; saving and loading the adapter folder |
//! | [`finetune`] | settings and the run |
//! | [`task_prompt`], [`prompts`] | text around each sequence for natural-language models; what virtual tokens need of a base |
//! | `shared_prompt` | a text prompt that a causal model reads once for all sequences behind it |
//! | [`step_loop`] | the loop, a strategy of burn-train |
//! | [`stepper`] | the optimizer's step with a rank allocator in it |
//! | [`significance`] | intervals over seeds, the paired bootstrap |
//! | [`metrics`] | scores from their definitions |
//! | [`pretrain`], [`markov`], [`card`] | masked-language pre-training, its baseline, its model card |
//! | [`mod@embed`] | vectors of sequences and of their bases |
//! | [`mod@replay`] | recorded runs of PEFT and torch, taken again |
//! | [`render`] | no dashboard |

pub mod card;
mod checkpointing;
pub mod classifier;
pub mod embed;
mod error;
pub mod examples;
pub mod finetune;
pub mod foundation;
pub mod markov;
pub mod metrics;
pub mod plan;
pub mod pretrain;
pub mod prompts;
pub mod render;
pub mod replay;
mod shared_prompt;
pub mod significance;
pub mod step_loop;
pub mod stepper;
pub mod task_prompt;
pub mod tuning;

pub use error::{Error, Result};
