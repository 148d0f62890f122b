//! Named tensors in the files that checkpoints are published in; nothing in them is ever executed.
//!
//! ```
//! use std::collections::BTreeMap;
//! use tensor_files::{Checkpoint, Dtype, SaveDtype, save_sharded};
//!
//! # let folder = tempfile::tempdir()?;
//! # let folder = folder.path();
//! let weight = (vec![2, 3], vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]); // [out, in]
//! let tensors = BTreeMap::from([("head.weight".into(), weight), ("head.bias".into(), (vec![2], vec![0.5, -0.5]))]);
//! save_sharded(folder, &tensors, SaveDtype::BF16, 5_000_000_000)?;
//!
//! let model = Checkpoint::open_dir(folder)?; // safetensors, PyTorch's .bin, shards of either
//! assert_eq!(model.names(), ["head.bias", "head.weight"]);
//! assert_eq!(model.info("head.weight").unwrap().dtype, Dtype::BF16);
//! assert_eq!(model.read_f32_transposed("head.weight")?, [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]); // [in, out]
//!
//! let error = model.read_f32("head.scale").unwrap_err().to_string();
//! assert!(error.ends_with("model.safetensors: expected tensors that the file lacks: head.scale"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Modules
//!
//! | module | what |
//! |---|---|
//! | `checkpoint`: [`Checkpoint`] | one name space over one or several files |
//! | `format` | which format a file has, told by its first bytes |
//! | `index` | `*.index.json`: which tensor is in which shard |
//! | `safetensors` | headers of safetensors files |
//! | `torch` | `torch.save`'s two formats; below it `archive` (zip), `legacy` (before 1.6), `machine` (runs a pickle's plain part), `rebuild` (tensors), `pickle` (what comes out), `names` (all that it may name), `state_dict`, `strided` (views of storages) |
//! | [`gguf`] | llama.cpp's files: tensors, metadata, tokenizer, and all of it in Hugging Face's terms; written too |
//! | [`llama2c`] | llama2.c's `.bin` files, the same way |
//! | `rotary` | the two orders of the rows of queries and keys |
//! | `reader` | what each format offers |
//! | `source`: [`Access`] | bytes of a file, mapped window by window or read, or of memory |
//! | `decode`, `transpose` | bytes to numbers; a matrix turned while it is read |
//! | `write`: [`save`], [`save_sharded`], [`save_values`], [`write_atomically`], [`Tensors`], [`SaveDtype`] | safetensors, whole or in shards |
//! | [`Dtype`], [`TensorInfo`], [`Error`] | what a file says of a tensor; what went wrong, and where |
//!
//! # What holds
//!
//! - A file is told by its content. Its sizes, counts and offsets are compared with its length before anything is reserved.
//! - Memory: a tensor is in memory once, and a window of 8 MiB of its file.
//! - A pickle that names anything but the few functions and types of tensors is an error ([`Error::Call`]).

mod checkpoint;
mod decode;
mod dtype;
mod error;
mod format;
pub mod gguf;
mod index;
mod json;
pub mod llama2c;
mod reader;
mod rotary;
mod safetensors;
mod source;
mod torch;
mod transpose;
mod write;

pub use checkpoint::Checkpoint;
pub use dtype::{Dtype, TensorInfo};
pub use error::{Error, Result};
pub use source::Access;
pub use write::{SaveDtype, Tensors, Values, save, save_sharded, save_values, write_atomically};

#[doc = include_str!("../README.md")]
#[cfg(doctest)]
struct Readme;
