//! What a data set was made of, and what came out.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{DatasetOptions, DropReason, RowKind, Split};
use crate::error::{Error, ErrorKind, Result, quote};

/// The file `manifest.json` of a data set: enough to build it again, and to see that it is the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this layout.
    pub manifest_version: u32,
    /// Version of the crate that built the set.
    pub crate_version: String,
    /// Everything that was asked for, the seed included.
    pub options: DatasetOptions,
    /// The genome.
    pub genome: GenomeSummary,
    /// The files that the caller named.
    pub inputs: Vec<FileHash>,
    /// Sites or variants that were read.
    pub items: u64,
    /// Signals that were read.
    pub signals: u64,
    /// Clusters of windows, where the split is by homology.
    pub clusters: Option<u64>,
    /// What each split has.
    pub splits: BTreeMap<Split, SplitCounts>,
    /// How many windows (or sites, variants, alleles that give none) were left out, and why.
    pub drops: BTreeMap<DropReason, u64>,
    /// Exact duplicates among the dropped whose label was another one than that of the row that stays.
    pub duplicates_with_other_label: u64,
    /// The files of the set but this one; empty before it is written.
    pub outputs: Vec<FileHash>,
}

/// The genome of a data set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenomeSummary {
    /// Its name.
    pub name: String,
    /// Its sequences.
    pub sequences: u64,
    /// Their letters together.
    pub letters: u64,
}

/// What a split has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitCounts {
    /// Rows.
    pub rows: u64,
    /// Rows of each class; empty in sets for regression.
    pub labels: BTreeMap<String, u64>,
    /// Rows of each kind.
    pub kinds: BTreeMap<RowKind, u64>,
}

/// A file and what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileHash {
    /// The file's name, without folders.
    pub name: String,
    /// SHA-256 of its bytes as they lie on the disk, in hexadecimal.
    pub sha256: String,
    /// How many bytes.
    pub bytes: u64,
}

impl FileHash {
    /// Reads a file through.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn of(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let fail = |e| Error::from_io(path.display().to_string(), e);
        let mut file = File::open(path).map_err(fail)?;
        let mut hash = Hash::default();
        let mut buffer = vec![0; 128 * 1024];
        loop {
            match file.read(&mut buffer).map_err(fail)? {
                0 => break,
                n => hash.add(&buffer[..n]),
            }
        }
        Ok(hash.of_file(path.file_name().unwrap_or_default().to_string_lossy()))
    }
}

/// SHA-256 of what passes.
#[derive(Debug, Default, Clone)]
pub(crate) struct Hash {
    sha: Sha256,
    bytes: u64,
}

impl Hash {
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.sha.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    pub(crate) fn of_file(self, name: impl Into<String>) -> FileHash {
        let sha256 = self.sha.finalize().iter().map(|b| format!("{b:02x}")).collect();
        FileHash { name: name.into(), sha256, bytes: self.bytes }
    }
}

impl Manifest {
    /// Reads the manifest of a folder.
    ///
    /// # Errors
    ///
    /// There is none, or it is not one that this version knows.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self> {
        let path = dir.as_ref().join("manifest.json");
        let name = path.display().to_string();
        let text = std::fs::read(&path).map_err(|e| Error::from_io(&name, e))?;
        serde_json::from_slice(&text).map_err(|e| {
            Error::new(ErrorKind::Syntax, name, "this is not the manifest of a data set")
                .at_line(e.line() as u64)
                .finding(quote(e.to_string().as_bytes()))
        })
    }

    /// Rows of all splits together.
    pub fn rows(&self) -> u64 {
        self.splits.values().map(|s| s.rows).sum()
    }
}

impl fmt::Display for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} sites or variants read, {} rows", self.items, self.rows())?;
        for (split, counts) in &self.splits {
            write!(f, "\n  {:<6}{:>9} rows", split.name(), counts.rows)?;
            for (label, n) in &counts.labels {
                write!(f, "   {label}: {n}")?;
            }
        }
        if self.drops.is_empty() {
            return write!(f, "\nnothing dropped");
        }
        write!(f, "\ndropped")?;
        self.drops.iter().try_for_each(|(why, n)| write!(f, "\n  {n:>7}  {why}"))
    }
}
