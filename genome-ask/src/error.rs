//! What went wrong.

use std::path::{Path, PathBuf};

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, with the facts.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A genome file is broken or cannot be read.
    #[error(transparent)]
    Formats(#[from] genome_formats::Error),
    /// The index cannot be used.
    #[error("{path}: the index: {source}", path = path.display())]
    Sqlite {
        /// The file of the index; `:memory:` where it has none.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// A file cannot be read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A format without genomes.
    #[error("{path}: {found} holds no genome: expected GenBank, EMBL, GFF3, GTF or FASTA", path = path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What it is.
        found: String,
    },
    /// A text that is no query.
    #[error("query, column {column}: expected {expected}, found {found:?}")]
    Syntax {
        /// The column, from 1.
        column: usize,
        /// What may stand there.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
    /// A query that makes no sense.
    #[error("query: {problem}: {found}")]
    Query {
        /// What is wrong.
        problem: &'static str,
        /// With what.
        found: String,
    },
    /// It took longer than allowed.
    #[error("the query took longer than {limit_ms} ms and was stopped")]
    Time {
        /// The limit.
        limit_ms: u64,
    },
    /// Something is larger than the limits allow.
    #[error("{what}: more than {limit}")]
    TooMuch {
        /// What.
        what: &'static str,
        /// How much is allowed.
        limit: u64,
    },
    /// A model that was asked for help has failed.
    #[error("{model}: {problem}")]
    Model {
        /// Its name.
        model: String,
        /// What went wrong.
        problem: String,
    },
    /// The answer cannot be written.
    #[error("writing the answer: {0}")]
    Write(std::io::Error),
}

impl From<rusqlite::Error> for Error {
    /// The path follows with `in_index`.
    fn from(source: rusqlite::Error) -> Self {
        Self::Sqlite { path: PathBuf::new(), source }
    }
}

impl Error {
    /// Names the index in which it happened, where that is not told yet.
    pub(crate) fn in_index(mut self, index: &Path) -> Self {
        if let Self::Sqlite { path, .. } = &mut self
            && path.as_os_str().is_empty()
        {
            *path = index.to_owned();
        }
        self
    }
}
