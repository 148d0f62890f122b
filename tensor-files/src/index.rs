//! The index of a checkpoint in several files, as transformers writes it (`*.index.json`):
//! `{"metadata": {"total_size": bytes}, "weight_map": {tensor: file}}`.
//!
//! What is easy to get wrong: file names come from the index and must not lead out of its folder; a map library keeps the
//! last of two members with one name; a shard may lack what the index places in it.

use crate::error::shortened;
use crate::json::Members;
use crate::source::Source;
use crate::{Error, Result};
use std::collections::{BTreeMap, btree_map};
use std::path::{Component, Path};

/// An index is text with a line per tensor; no published one comes near.
const MAX_INDEX: u64 = 100_000_000;

#[derive(Debug)]
pub(crate) struct ShardIndex {
    /// Tensor -> file.
    weight_map: BTreeMap<String, String>,
}

#[derive(serde::Deserialize)]
struct Json {
    weight_map: Members<String>,
}

impl ShardIndex {
    pub(crate) fn read(source: &Source) -> Result<Self> {
        let path = source.path();
        if source.len() > MAX_INDEX {
            return Err(Error::format(path, "an index of at most 100 MB", format!("{} bytes", source.len())));
        }
        let json: Json = serde_json::from_slice(&source.view(0, source.len())?)
            .map_err(|e| Error::format(path, "JSON with a weight_map", shortened(&e.to_string())))?;
        let mut weight_map = BTreeMap::new();
        for (name, file) in json.weight_map.0 {
            let mut parts = Path::new(&file).components();
            let plain = matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None));
            if !plain || file.contains(['/', '\\', '\0', ':']) {
                let found = format!("{:?}", shortened(&file));
                return Err(Error::format(path, "the name of a file in the same folder", found).of_tensor(&name));
            }
            match weight_map.entry(name) {
                btree_map::Entry::Vacant(free) => drop(free.insert(file)),
                btree_map::Entry::Occupied(taken) => {
                    let name = shortened(taken.key());
                    return Err(Error::Duplicate { path: path.into(), name, also_in: None });
                }
            }
        }
        Ok(Self { weight_map })
    }

    /// Each file once, sorted, with the tensors that should be in it.
    pub(crate) fn files(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut files: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, file) in &self.weight_map {
            files.entry(file).or_default().push(name);
        }
        files
    }
}
