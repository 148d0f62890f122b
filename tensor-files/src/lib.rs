//! Named tensors in the files that checkpoints are published in; nothing in them is ever executed.

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
pub use write::{SaveDtype, Tensors, save, save_sharded, write_atomically};
