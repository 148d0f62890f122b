//! Data sets for training.

mod check;
mod dir;
mod minhash;

use serde::{Deserialize, Serialize};

pub use check::{
    CheckOptions, Example, Finding, LabelConflict, LabelConflicts, LeakReport, PairReport, SplitReport, check, check_with,
};
pub use dir::DatasetDir;
pub use minhash::Near;

/// One of the three parts of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// What a model learns from.
    Train,
    /// What models are chosen by.
    Dev,
    /// What the final report is about.
    Test,
}

impl Split {
    /// Train, dev, test.
    pub const ALL: [Self; 3] = [Self::Train, Self::Dev, Self::Test];

    /// `train`, `dev` or `test`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Dev => "dev",
            Self::Test => "test",
        }
    }
}
