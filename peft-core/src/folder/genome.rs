//! `genome_adapter.json`: what PEFT has no place for.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{Error, Result};

/// The version that is written, and the latest that is read.
const FORMAT_VERSION: u64 = 1;

/// Our page of an adapter folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenomeAdapter {
    format_version: u64,
    /// The model that the adapter was trained on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<BaseModel>,
    /// Whatever the caller needs to predict again: label names, head, preprocessing.
    #[serde(default)]
    pub extra: Value,
}

/// The identity of a base model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaseModel {
    /// SHA-256 of its weights in lower-case hexadecimal, see [`sha256_of_files`].
    pub sha256: String,
    /// Its name or path, for people.
    pub name: String,
}

impl GenomeAdapter {
    /// A page of the current version.
    pub fn new(base: Option<BaseModel>, extra: Value) -> Self {
        GenomeAdapter { format_version: FORMAT_VERSION, base, extra }
    }

    pub(super) fn from_json(text: &[u8], file: &Path) -> Result<Self> {
        let json = |source| Error::Json { file: file.to_owned(), source };
        // The version first: a later one may have fields that this one does not know.
        let value: Value = serde_json::from_slice(text).map_err(json)?;
        match value.get("format_version").and_then(Value::as_u64) {
            Some(found) if found > FORMAT_VERSION => {
                Err(Error::FormatVersion { file: file.to_owned(), found, supported: FORMAT_VERSION })
            }
            _ => serde_json::from_value(value).map_err(json),
        }
    }
}

/// SHA-256 over the contents of `files`, one after the other in the order given, in lower-case hexadecimal.
///
/// # Errors
/// [`Error::Io`].
pub fn sha256_of_files<P: Into<PathBuf>>(files: impl IntoIterator<Item = P>) -> Result<String> {
    let mut hash = Sha256::new();
    let mut block = vec![0; 1 << 16];
    for file in files {
        let file = file.into();
        let mut reader = BufReader::new(File::open(&file).map_err(Error::io(&file))?);
        loop {
            match reader.read(&mut block).map_err(Error::io(&file))? {
                0 => break,
                n => hash.update(&block[..n]),
            }
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
