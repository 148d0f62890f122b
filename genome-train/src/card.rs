//! The model card of a pre-trained base: how it came about and how good it is.

use crate::pretrain::{HeldOut, PretrainConfig};
use crate::step_loop::LogRow;
use crate::{Error, Result};
use serde::Serialize;
use std::fmt::Write;
use std::path::Path;

/// A file that was trained on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Source {
    /// File name without its folder.
    pub file: String,
    /// Bases in it.
    pub bases: usize,
    /// SHA-256 of the file as it lies on disk.
    pub sha256: String,
}

impl Source {
    /// Hashes a file.
    ///
    /// # Errors
    /// [`Error::Peft`] if it cannot be read.
    pub fn new(path: &Path, bases: usize) -> Result<Self> {
        let file = path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        let sha256 = peft_core::sha256_of_files([path]).map_err(Error::Peft)?;
        Ok(Self { file, bases, sha256 })
    }
}

/// Everything that is known about a pre-training run.
#[derive(Debug, Clone, Serialize)]
pub struct Card {
    /// The command that repeats it.
    pub command: String,
    /// Number of parameters.
    pub parameters: usize,
    /// SHA-256 of the weights.
    pub sha256: String,
    /// All settings.
    pub config: PretrainConfig,
    /// Files, hashed.
    pub sources: Vec<Source>,
    /// Against the Markov chain, on held-out sequence.
    pub comparison: HeldOut,
    /// The loss curve.
    pub log: Vec<LogRow>,
    /// Wall time.
    pub seconds: f64,
    /// Device it ran on.
    pub device: String,
}

impl Card {
    /// The card as people read it.
    pub fn markdown(&self) -> String {
        let mut out = String::new();
        let c = &self.comparison;
        let _ = write!(
            out,
            "# Model card\n\n\
             A masked-language model of DNA with single letters as tokens, in the architecture of Nucleotide Transformer v2\n\
             (rotary positions, SwiGLU): {} parameters, stored as f16.\n\n\
             ## Made by\n\n```\n{}\n```\n\nSeed {}, device {}, {:.0} minutes. SHA-256 of model.safetensors: `{}`.\n\n\
             ## Trained on\n\n| file | bases | SHA-256 |\n|---|---|---|\n",
            self.parameters,
            self.command,
            self.config.seed,
            self.device,
            self.seconds / 60.0,
            self.sha256
        );
        for source in &self.sources {
            let _ = writeln!(out, "| {} | {} | `{}` |", source.file, source.bases, source.sha256);
        }
        let _ = write!(
            out,
            "\nThe last {} % of every sequence (at least the longest window) were held out.\n\n\
             ## Held-out accuracy\n\n\
             {} masked bases in held-out windows; the model sees both sides but no other masked base, the order-{} Markov\n\
             chain (counted on the training part, both strands) sees the {} true bases before each.\n\n\
             | | accuracy |\n|---|---|\n| this model | {:.4} |\n| order-{} Markov chain | {:.4} |\n\n\
             ## Loss curve\n\n| step | train loss | held-out loss | held-out accuracy |\n|---|---|---|---|\n",
            self.config.held_out_share * 100.0,
            c.positions,
            c.markov_order,
            c.markov_order,
            c.masked_accuracy,
            c.markov_order,
            c.markov_accuracy
        );
        let mut train_loss = f64::NAN;
        for row in &self.log {
            match row {
                LogRow::Train { loss, .. } => train_loss = *loss,
                LogRow::Eval { step, eval_loss, eval_accuracy, .. } => {
                    let _ = writeln!(out, "| {step} | {train_loss:.4} | {eval_loss:.4} | {eval_accuracy:.4} |");
                }
            }
        }
        out.push_str(
            "\nTraining loss counts replaced and unchanged targets too (80/10/10), held-out loss masked ones alone.\n\n\
             ## Limits\n\nTrained briefly on a small share of genomes, for sequences of 50-500 bases. Letters other than\n\
             A, C, G, T are one token, N. It knows nothing of proteins or of annotation.\n",
        );
        out
    }
}
