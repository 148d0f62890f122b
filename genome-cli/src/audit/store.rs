//! Runs that are done, one a line, so that an audit that was stopped goes on.

use super::grid::Row;
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The outcome of one run.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Run {
    pub(super) row: String,
    pub(super) seed: u64,
    /// The one that was best on dev.
    pub(super) learning_rate: f64,
    pub(super) dev_mcc: f64,
    pub(super) test_mcc: f64,
    pub(super) test_accuracy: f64,
    /// The label of each test example that the model thinks likeliest.
    pub(super) guesses: Vec<usize>,
    pub(super) trainable: usize,
    /// Sequences that were cut.
    pub(super) cut: usize,
    /// How often ranks were allocated.
    pub(super) allocations: usize,
    /// How many layers ended with which rank.
    pub(super) ranks: BTreeMap<usize, usize>,
    pub(super) seconds: f64,
}

/// The folder of an audit.
pub(super) struct Store {
    file: PathBuf,
    runs: Vec<Run>,
}

impl Store {
    /// Opens or makes the folder. What is in it must have been made with the same settings.
    pub(super) fn open(dir: &Path, settings: &Value) -> Result<Self> {
        fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
        let settings_file = dir.join("settings.json");
        if settings_file.exists() {
            let text = fs::read_to_string(&settings_file).with_context(|| settings_file.display().to_string())?;
            let found: Value = serde_json::from_str(&text).with_context(|| settings_file.display().to_string())?;
            let differs = |(key, value): (&String, &Value)| {
                (found.get(key) != Some(value)).then(|| format!("{key}: {} there, {value} now", found[key]))
            };
            let all: Vec<String> = settings.as_object().into_iter().flatten().filter_map(differs).collect();
            if !all.is_empty() {
                bail!(
                    "{}: its runs were made with other settings ({}); name another --out",
                    dir.display(),
                    all.join("; ")
                );
            }
        } else {
            crate::output::write_json(&settings_file, settings)?;
        }
        let file = dir.join("runs.jsonl");
        let text = if file.exists() {
            fs::read_to_string(&file).with_context(|| file.display().to_string())?
        } else {
            String::new()
        };
        let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
        if whole.len() < text.len() {
            // The machine stopped in the middle of a line.
            crate::output::write_file(&file, whole.as_bytes())?;
        }
        let read = |(i, line): (usize, &str)| {
            serde_json::from_str(line).with_context(|| format!("{}:{}", file.display(), i + 1))
        };
        let runs = whole.lines().enumerate().map(read).collect::<Result<_>>()?;
        Ok(Self { file, runs })
    }

    pub(super) fn has(&self, row: &Row, seed: u64) -> bool {
        let row = row.to_string();
        self.runs.iter().any(|run| run.row == row && run.seed == seed)
    }

    /// Adds a run, and makes sure that it stays.
    pub(super) fn add(&mut self, run: Run) -> Result<()> {
        let mut file: File = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.file)
            .with_context(|| self.file.display().to_string())?;
        let line = serde_json::to_string(&run)? + "\n";
        file.write_all(line.as_bytes())
            .and_then(|()| file.sync_all())
            .with_context(|| self.file.display().to_string())?;
        self.runs.push(run);
        Ok(())
    }

    pub(super) fn runs(&self) -> &[Run] {
        &self.runs
    }
}
