//! Data sets for training: built from genomes, read back, checked for leakage.
//!
//! - [`DatasetBuilder`] cuts labelled windows out of a [`Genome`] around what lies on it: [`Site`]s (features of GFF, GTF,
//!   BED, GenBank), [`Signal`](crate::Signal)s (WIG, bedGraph, bigWig) or [`VariantSite`]s (VCF, BCF). It settles what train, dev and
//!   test get before it cuts, makes negatives, removes duplicates on both strands, and writes `train.csv`, `dev.csv`,
//!   `test.csv`, `windows.tsv` and `manifest.json`.
//! - [`DatasetDir`] reads such a folder for training.
//! - [`check`] says what train, dev and test of any such folder share.
//!
//! All coordinates are 0-based and half-open ([`Span`](crate::Span)). One seed settles everything: see [`DatasetOptions`].
//! Random numbers are ChaCha12 with the seed in the key; each purpose has its own stream: 0 the split, 1 to 3 the matched
//! negatives and 4 to 6 the order of the rows of train, dev and test, 2^32 + n the n-th shuffled negative.

mod builder;
mod check;
mod cluster;
mod dedupe;
mod dice;
mod dir;
mod genome;
mod items;
mod manifest;
mod minhash;
mod negatives;
mod options;
mod output;
mod rows;
mod shuffle;
mod signals;
mod territory;
mod variants;
mod window;
mod zones;

use serde::{Deserialize, Serialize};

pub use builder::{Dataset, DatasetBuilder, DatasetRow};
pub use check::{
    CheckOptions, Example, Finding, LabelConflict, LabelConflicts, LeakReport, PairReport, SplitReport, check,
    check_with,
};
pub use dir::DatasetDir;
pub use genome::{Genome, IndexedGenome, MemoryGenome};
pub use items::{Site, VariantSite, whole_sequences};
pub use manifest::{FileHash, GenomeSummary, Manifest, SplitCounts};
pub use minhash::Near;
pub use options::{DatasetOptions, Dedupe, Negatives, SignalLabels, SplitBy, Summary, VariantLabels};
pub use rows::{DropReason, RowKind};
pub use shuffle::shuffle_dinucleotides;
pub use window::Window;

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
