//! What `torch.save` writes: a zip archive since PyTorch 1.6, a run of pickles before.
//! <https://docs.pytorch.org/docs/stable/notes/serialization.html>, `torch/serialization.py`, `torch/_utils.py`.
//!
//! Both hold a pickle that rebuilds tensors as views (offset, shape, strides) of storages, and the storages as raw bytes. The
//! pickle is a program for Python's stack machine, able to call anything; [`machine`] runs the part of it that builds plain
//! data and knows the few names that tensors need.
//!
//! What is easy to get wrong:
//! - strides: tensors that were transposed before they were saved are column-major (published Nucleotide Transformer
//!   checkpoints are), and tied tensors share a storage;
//! - offsets and strides count elements of the tensor's type, while an untyped storage counts bytes;
//! - `model.state_dict()` carries an attribute `_metadata`, which arrives as BUILD on the dict;
//! - trainers wrap the state dict in another dict, beside losses and optimizer states.

mod archive;
mod legacy;
mod machine;
mod names;
mod pickle;
mod rebuild;
mod state_dict;
mod strided;

pub(crate) use archive::open_zip;
pub(crate) use legacy::{MAGIC as LEGACY_MAGIC, open_legacy};
