//! How a data set is built; all of it stands in the manifest.

use serde::{Deserialize, Serialize};

use super::minhash::Near;
use super::window::Window;
use crate::error::{Error, ErrorKind, Result};

/// Everything that a [`DatasetBuilder`](super::DatasetBuilder) can be told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetOptions {
    /// All randomness comes from it. Default 0.
    pub seed: u64,
    /// Which windows a site gives. Default the site itself.
    pub window: Window,
    /// Whether sites on the reverse strand are turned round and reverse-complemented. Default true.
    pub strand_aware: bool,
    /// Sequences that are circular: windows go over their end. Default none.
    pub circular: Vec<String>,
    /// The most N that a window may have, as a share of its letters. Default 0. Windows with letters other than ACGTN are
    /// always dropped.
    pub max_n_share: f64,
    /// Whether lower case stays; otherwise windows are written in upper case. Default false.
    pub keep_case: bool,
    /// Where rows of the negative class come from. Default from labels alone.
    pub negatives: Negatives,
    /// Which windows go to dev and test. Default a tenth each, by blocks of 50,000 bases.
    pub split: SplitBy,
    /// Which duplicates are removed. Default all kinds.
    pub dedupe: Dedupe,
    /// How a signal becomes a label.
    pub signal_labels: SignalLabels,
    /// The labels of the windows of a variant.
    pub variant_labels: VariantLabels,
    /// Whether sites on unknown sequences or outside of them, and variants whose REF is not in the genome, are counted
    /// and left out; otherwise they are errors. Default false.
    pub lenient: bool,
    /// Whether the rows of each file are shuffled; otherwise they keep the order of the sites. Default true.
    pub shuffle_rows: bool,
}

impl Default for DatasetOptions {
    fn default() -> Self {
        Self {
            seed: 0,
            window: Window::AsIs,
            strand_aware: true,
            circular: Vec::new(),
            max_n_share: 0.0,
            keep_case: false,
            negatives: Negatives::FromLabel,
            split: SplitBy::Random { dev: 0.1, test: 0.1, block_bp: 50_000 },
            dedupe: Dedupe::default(),
            signal_labels: SignalLabels::default(),
            variant_labels: VariantLabels::default(),
            lenient: false,
            shuffle_rows: true,
        }
    }
}

/// Where rows of the negative class come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Negatives {
    /// None are made: the sites have their labels.
    FromLabel,
    /// Random windows of the same split, each as long as a site's window and like it in its share of G and C; on a random
    /// strand (when the builder is strand-aware), on no window of a site and on no other negative.
    Matched {
        /// How far the share of G and C may be from that of the site's window.
        gc_tolerance: f64,
        /// Negatives for each window of a site.
        ratio: f64,
        /// Bases to keep free beside each window of a site.
        margin_bp: u64,
        /// Their label.
        label: String,
    },
    /// The windows of the sites with their letters shuffled so that all dinucleotide counts stay.
    Shuffled {
        /// Negatives for each window of a site.
        ratio: f64,
        /// Their label.
        label: String,
    },
}

/// Which windows go to dev and to test; the rest trains. Windows of different splits never overlap.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SplitBy {
    /// Whole sequences, by name.
    Chromosome {
        /// Sequences for dev.
        dev: Vec<String>,
        /// Sequences for test.
        test: Vec<String>,
    },
    /// Whole clusters of windows. Windows are in one cluster when they are near duplicates, overlap, come from one site or
    /// variant, or lie on sequences of one group; and so on from each of them. Large clusters are placed first, each where
    /// most is missing, so that one giant cluster trains and dev and test can come out smaller than asked.
    Homology {
        /// Share of the windows for dev.
        dev: f64,
        /// Share of the windows for test.
        test: f64,
        /// When two windows are near duplicates.
        near: Near,
        /// Sequences that belong together, for example homologous chromosomes.
        groups: Vec<Vec<String>>,
    },
    /// Random blocks of the genome. A window over the border of blocks of different splits is dropped.
    Random {
        /// Share of the bases for dev.
        dev: f64,
        /// Share of the bases for test.
        test: f64,
        /// Bases of a block. Each block takes 17 bytes of memory, so a thousand bases and more are wise.
        block_bp: u64,
    },
}

/// Which duplicates are removed, within a split and across splits.
///
/// Of two that are alike the loser is: a made negative against a site's window; else train against dev and test, and dev
/// against test; else, in one split, the later one. What stays is therefore like nothing that stays elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Dedupe {
    /// The same letters, in any case.
    pub exact: bool,
    /// The reverse complement's letters, in any case.
    pub reverse_complement: bool,
    /// Near duplicates. Within a split, windows of one site are not compared, nor any windows of variants: they are alike by
    /// design.
    pub near: Option<Near>,
}

impl Default for Dedupe {
    fn default() -> Self {
        Self { exact: true, reverse_complement: true, near: Some(Near::default()) }
    }
}

impl Dedupe {
    /// Removes nothing.
    pub const OFF: Self = Self { exact: false, reverse_complement: false, near: None };
}

/// How the signal over a window becomes its label.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SignalLabels {
    /// What of the values counts.
    pub summary: Summary,
    /// With thresholds `t0 < t1 < ...` the label is a class: 0 under `t0`, 1 from `t0` on, 2 from `t1` on, and so on.
    /// Without any it is the value itself, for regression. Default none.
    pub thresholds: Vec<f64>,
    /// The value of bases without one; `None` leaves them out. Default none.
    pub missing: Option<f64>,
    /// The least share of a window's bases that must have a value, else it is dropped. Default 0.5.
    pub min_covered: f64,
}

impl Default for SignalLabels {
    fn default() -> Self {
        Self { summary: Summary::Mean, thresholds: Vec::new(), missing: None, min_covered: 0.5 }
    }
}

/// One number for all values of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Summary {
    /// Their mean, each base counting once.
    Mean,
    /// The largest.
    Max,
}

/// The labels of the windows of a variant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VariantLabels {
    /// With the letters of the reference. Default 0.
    pub reference: String,
    /// With the letters instead. Default 1.
    pub alternate: String,
}

impl Default for VariantLabels {
    fn default() -> Self {
        Self { reference: "0".into(), alternate: "1".into() }
    }
}

pub(crate) fn refuse(problem: impl Into<std::borrow::Cow<'static, str>>, expected: &'static str) -> Error {
    Error::new(ErrorKind::Unsupported, "dataset options", problem).expecting(expected)
}

/// Refuses a label that could not be read back.
pub(crate) fn check_label(label: &str) -> Result<()> {
    if label.is_empty() || label.trim() != label || label.contains(char::is_control) {
        return Err(Error::new(ErrorKind::Label, "dataset", "a label that a file cannot hold")
            .expecting("text on one line without blanks around it")
            .finding(crate::error::quote(label.as_bytes())));
    }
    Ok(())
}

impl DatasetOptions {
    pub(crate) fn check(&self) -> Result<()> {
        self.window.check()?;
        if !(0.0..=1.0).contains(&self.max_n_share) {
            return Err(refuse(format!("a share of N of {}", self.max_n_share), "a share from 0 to 1"));
        }
        match &self.negatives {
            Negatives::FromLabel => {}
            Negatives::Matched { gc_tolerance, ratio, label, .. } => {
                if !(0.0..=1.0).contains(gc_tolerance) {
                    return Err(refuse(format!("a GC tolerance of {gc_tolerance}"), "a share from 0 to 1"));
                }
                check_ratio(*ratio)?;
                check_label(label)?;
            }
            Negatives::Shuffled { ratio, label } => {
                check_ratio(*ratio)?;
                check_label(label)?;
            }
        }
        match &self.split {
            SplitBy::Chromosome { dev, test } => {
                if let Some(name) = dev.iter().find(|name| test.contains(name)) {
                    return Err(refuse(format!("{name} for dev and for test"), "each sequence in one split"));
                }
            }
            SplitBy::Homology { dev, test, near, .. } => {
                check_shares(*dev, *test)?;
                near.check()?;
            }
            SplitBy::Random { dev, test, block_bp } => {
                check_shares(*dev, *test)?;
                if *block_bp == 0 {
                    return Err(refuse("blocks of 0 bases", "at least one base"));
                }
            }
        }
        if let Some(near) = self.dedupe.near {
            near.check()?;
        }
        let signal = &self.signal_labels;
        let ascending = signal.thresholds.windows(2).all(|w| w[0] < w[1]);
        if !ascending || signal.thresholds.iter().any(|t| t.is_nan()) {
            return Err(refuse(format!("the thresholds {:?}", signal.thresholds), "ascending numbers"));
        }
        if !(0.0..=1.0).contains(&signal.min_covered) || signal.missing.is_some_and(|m| !m.is_finite()) {
            return Err(refuse("a broken signal option", "a share from 0 to 1 and a finite value"));
        }
        check_label(&self.variant_labels.reference)?;
        check_label(&self.variant_labels.alternate)
    }
}

fn check_ratio(ratio: f64) -> Result<()> {
    if ratio > 0.0 && ratio <= 1000.0 {
        return Ok(());
    }
    Err(refuse(format!("{ratio} negatives for each positive"), "a number over 0 and up to 1000"))
}

fn check_shares(dev: f64, test: f64) -> Result<()> {
    if dev > 0.0 && test > 0.0 && dev + test < 1.0 {
        return Ok(());
    }
    Err(refuse(format!("{dev} for dev and {test} for test"), "two shares over 0, together under 1"))
}
