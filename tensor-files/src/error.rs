//! What can go wrong with a file of tensors, and where in the file it went wrong.

use crate::Dtype;
use std::fmt;
use std::path::{Path, PathBuf};

/// The result of everything here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: std::io::Error,
    },
    /// A file that has to be there is not.
    #[error("{}: expected {expected}, found none", path.display())]
    MissingFile {
        /// The folder, or the file that names it.
        path: PathBuf,
        /// What was looked for.
        expected: String,
    },
    /// The bytes are not what the format asks for.
    #[error("{}: {}expected {expected}, found {found}", path.display(), Place(byte, tensor))]
    Format {
        /// The file.
        path: PathBuf,
        /// Where in the file, from 0.
        byte: Option<u64>,
        /// The tensor that it concerns.
        tensor: Option<String>,
        /// What the format asks for.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A pickle that asks for a function or a class that tensors do not need. Nothing in it was run.
    #[error(
        "{}: byte {byte} of the pickle: expected tensors alone, found that this pickle wants to call {call}; nothing was run",
        path.display()
    )]
    Call {
        /// The file.
        path: PathBuf,
        /// Where in the pickle, from 0 (the place that `python -m pickletools` prints).
        byte: u64,
        /// `module.name` as the pickle spells it.
        call: String,
    },
    /// Tensors that were asked for and are not in the file.
    #[error("{}: expected tensors that the file lacks: {}", path.display(), names.join(", "))]
    MissingTensors {
        /// The file.
        path: PathBuf,
        /// Their names.
        names: Vec<String>,
    },
    /// A tensor of a type that cannot be read as asked.
    #[error("{}: {name}: expected {expected}, found {found}", path.display())]
    Dtype {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// What it could have been.
        expected: &'static str,
        /// What it is.
        found: Dtype,
    },
    /// A tensor of the wrong shape.
    #[error("{}: {name}: expected {expected}, found shape {found:?}", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// What it should be.
        expected: String,
        /// Its shape.
        found: Vec<usize>,
    },
    /// One name for two things.
    #[error("{}: expected each name once, found {name} {}", path.display(), Twice(also_in))]
    Duplicate {
        /// The file.
        path: PathBuf,
        /// The tensor (or the entry of an archive) that is there twice.
        name: String,
        /// The other file, where there is one.
        also_in: Option<PathBuf>,
    },
}

impl Error {
    /// For `map_err`: an error of the operating system about `path`.
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }

    /// The bytes are not what the format asks for; [`Error::at`] and [`Error::of_tensor`] add the place.
    pub(crate) fn format(path: &Path, expected: impl Into<String>, found: impl Into<String>) -> Self {
        let (expected, found) = (expected.into(), found.into());
        Self::Format { path: path.into(), byte: None, tensor: None, expected, found }
    }

    /// Adds the byte of the file to a [`Error::Format`].
    pub(crate) fn at(mut self, at: u64) -> Self {
        if let Self::Format { byte, .. } = &mut self {
            *byte = Some(at);
        }
        self
    }

    /// Adds the tensor to a [`Error::Format`].
    pub(crate) fn of_tensor(mut self, name: &str) -> Self {
        if let Self::Format { tensor, .. } = &mut self {
            *tensor = Some(shortened(name));
        }
        self
    }

    /// The file that it is about.
    pub fn path(&self) -> &Path {
        match self {
            Self::Io { path, .. }
            | Self::MissingFile { path, .. }
            | Self::Format { path, .. }
            | Self::Call { path, .. }
            | Self::MissingTensors { path, .. }
            | Self::Dtype { path, .. }
            | Self::Shape { path, .. }
            | Self::Duplicate { path, .. } => path,
        }
    }
}

/// Text from a file as it may stand in a message: no longer than a line.
pub(crate) fn shortened(text: &str) -> String {
    const MOST: usize = 200;
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text.into(),
    }
}

/// `byte 12: tensor a.weight: `, as far as known.
struct Place<'a>(&'a Option<u64>, &'a Option<String>);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(byte) = self.0 {
            write!(f, "byte {byte}: ")?;
        }
        if let Some(tensor) = self.1 {
            write!(f, "tensor {tensor}: ")?;
        }
        Ok(())
    }
}

struct Twice<'a>(&'a Option<PathBuf>);

impl fmt::Display for Twice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(other) => write!(f, "in {} too", other.display()),
            None => f.write_str("twice"),
        }
    }
}
