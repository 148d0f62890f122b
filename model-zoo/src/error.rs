//! What can go wrong when a checkpoint is opened, read or written.

use std::path::PathBuf;

/// Everything that loading, checking or saving a model can report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A folder that should hold a model lacks one of its files.
    #[error("{}: no {expected} in this folder: is it a model folder?", path.display())]
    MissingFile {
        /// The folder.
        path: PathBuf,
        /// The file that was looked for.
        expected: &'static str,
    },
    /// `config.json` is no model configuration that this crate knows.
    #[error("{}: {reason}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What was expected and what was found.
        reason: String,
    },
    /// A file of tensors is missing, broken or of another kind.
    #[error(transparent)]
    File(#[from] tensor_files::Error),
    /// Tensors that the model needs are not in the file.
    #[error("{}: {} tensor(s) missing, the first is {:?}", path.display(), names.len(), names[0])]
    MissingTensors {
        /// The file.
        path: PathBuf,
        /// Names as published, never empty.
        names: Vec<String>,
    },
    /// Tensors are in the file that the model has no place for.
    #[error("{}: {} unexpected tensor(s), the first is {:?}", path.display(), names.len(), names[0])]
    UnexpectedTensors {
        /// The file.
        path: PathBuf,
        /// Names as published, never empty.
        names: Vec<String>,
    },
    /// A tensor has another shape than the model.
    #[error("{}: tensor {name:?}: expected shape {expected:?}, found {found:?}", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// The tensor's name as published.
        name: String,
        /// The model's shape, in the file's layout.
        expected: Vec<usize>,
        /// The file's shape.
        found: Vec<usize>,
    },
    /// A setting that cannot work.
    #[error("{name}: expected {expected}, found {found}")]
    Setting {
        /// Its name.
        name: &'static str,
        /// What would work.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// A model cannot read what it was given.
    #[error("row {row}: {reason}")]
    Input {
        /// Which sequence, from 0.
        row: usize,
        /// What was expected and what was found.
        reason: String,
    },
}

impl Error {
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}

/// The crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;
