//! Tensors by name, found in a pickle and tied to the bytes of their storages.

use super::archive::inflate;
use super::pickle::{Node, Pickle};
use super::strided::Strided;
use crate::error::shortened;
use crate::reader::Reader;
use crate::source::Source;
use crate::{Error, Result, TensorInfo};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

/// Where trainers put the state dict of a model, beside other things.
const NESTS: [&str; 3] = ["state_dict", "model_state_dict", "model"];

/// The bytes of a storage, inside the file.
#[derive(Debug)]
pub(super) struct Storage {
    pub(super) start: u64,
    /// In the file.
    pub(super) packed_len: u64,
    /// Once unpacked; the same where nothing is packed.
    pub(super) len: u64,
    pub(super) deflated: bool,
    /// Of the unpacked bytes, where the file has one.
    pub(super) crc: Option<u32>,
    pub(super) crc_checked: AtomicBool,
}

/// An open file of `torch.save`.
#[derive(Debug)]
pub(crate) struct StateDict {
    source: Source,
    storages: Vec<Storage>,
    tensors: BTreeMap<String, TensorInfo>,
    views: BTreeMap<String, (usize, Strided)>,
}

impl StateDict {
    /// `storages` and their owners' place within them (in elements), as [`Pickle::storages`].
    pub(super) fn new(source: Source, pickle: Pickle, storages: Vec<Storage>, places: &[usize]) -> Result<Self> {
        let (mut tensors, mut views) = (BTreeMap::new(), BTreeMap::new());
        for (name, tensor) in named_tensors(&source, &pickle)? {
            let tensor = &pickle.tensors[tensor];
            let storage = &pickle.storages[tensor.storage];
            let place = places[tensor.storage];
            let offset = tensor.offset.checked_add(storage.offset);
            let view = offset.and_then(|offset| {
                let (shape, strides) = (tensor.shape.clone(), tensor.strides.clone());
                Strided::new(tensor.elements, offset, shape, strides, storages[place].len)
            });
            let view = view.ok_or_else(|| {
                let (shape, strides, offset) = (&tensor.shape, &tensor.strides, tensor.offset);
                let found =
                    format!("{} of shape {shape:?}, strides {strides:?}, from element {offset}", tensor.elements.dtype);
                let expected = format!("a view inside its storage of {} bytes", storages[place].len);
                Error::format(source.path(), expected, found).at(storages[place].start).of_tensor(name)
            })?;
            tensors.insert(name.to_owned(), TensorInfo { dtype: view.dtype(), shape: view.shape().to_vec() });
            views.insert(name.to_owned(), (place, view));
        }
        Ok(Self { source, storages, tensors, views })
    }

    /// Reads through `read`, which gets the source of a tensor's storage and where in it the storage begins.
    fn with_storage<T>(&self, name: &str, read: impl FnOnce(&Strided, &Source, u64) -> Result<T>) -> Result<T> {
        let (storage, view) = &self.views[name];
        let storage = &self.storages[*storage];
        if storage.deflated {
            let bytes = inflate(&self.source, storage).map_err(|e| e.of_tensor(name))?;
            return read(view, &Source::memory(self.source.path(), bytes), 0);
        }
        storage.check(&self.source).map_err(|e| e.of_tensor(name))?;
        read(view, &self.source, storage.start)
    }
}

impl Storage {
    /// Compares stored bytes with their checksum, the first time it is asked.
    pub(super) fn check(&self, source: &Source) -> Result<()> {
        if self.crc.is_none() || self.crc_checked.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut crc = flate2::Crc::new();
        for window in source.windows(self.start, self.len, 1) {
            crc.update(&window?);
        }
        self.compare(source, &crc)?;
        self.crc_checked.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Compares the checksum of the unpacked bytes with the file's.
    pub(super) fn compare(&self, source: &Source, found: &flate2::Crc) -> Result<()> {
        match self.crc {
            Some(expected) if expected != found.sum() => {
                let expected = format!("bytes with the CRC-32 {expected:08x}");
                Err(Error::format(source.path(), expected, format!("{:08x}", found.sum())).at(self.start))
            }
            _ => Ok(()),
        }
    }
}

/// The tensors of the state dict, each name once.
fn named_tensors<'a>(source: &Source, pickle: &'a Pickle) -> Result<BTreeMap<&'a str, usize>> {
    let mut dict = pickle.root();
    // A dict may hold itself.
    for _ in 0..NESTS.len() {
        let nested = NESTS.iter().find_map(|name| pickle.member(dict, name).filter(|n| matches!(n, Node::Dict(_))));
        match nested {
            Some(nested) => dict = nested,
            None => break,
        }
    }
    let Node::Dict(members) = dict else {
        return Err(Error::format(source.path(), "a state dict, tensors by name", pickle.kind()));
    };
    let mut tensors = BTreeMap::new();
    for (name, value) in members {
        let (Node::Str(name), Node::Tensor(tensor)) = (pickle.node(*name), pickle.node(*value)) else { continue };
        if tensors.insert(&**name, *tensor).is_some() {
            return Err(Error::Duplicate { path: source.path().into(), name: shortened(name), also_in: None });
        }
    }
    if tensors.is_empty() && !members.is_empty() {
        let found = format!("a dict of {} other things", members.len());
        return Err(Error::format(source.path(), "a state dict, tensors by name", found));
    }
    Ok(tensors)
}

impl Reader for StateDict {
    fn tensors(&self) -> &BTreeMap<String, TensorInfo> {
        &self.tensors
    }

    fn source(&self) -> &Source {
        &self.source
    }

    fn read_f32(&self, name: &str) -> Result<Vec<f32>> {
        self.with_storage(name, |view, source, start| view.read_f32(source, start, name))
    }

    fn read_i64(&self, name: &str) -> Result<Vec<i64>> {
        self.with_storage(name, |view, source, start| view.read_i64(source, start, name))
    }

    fn read_f32_transposed(&self, name: &str) -> Result<Vec<f32>> {
        self.with_storage(name, |view, source, start| view.transposed().read_f32(source, start, name))
    }

    fn shares_storage(&self, a: &str, b: &str) -> bool {
        self.views[a].0 == self.views[b].0
    }
}
