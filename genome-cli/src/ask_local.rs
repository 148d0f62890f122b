//! A causal checkpoint on this machine that tells how likely a question is after each of the queries that it may mean.

use crate::args::DeviceArgs;
use crate::generate::open_tokenizer;
use anyhow::{Context, Result, bail};
use genome_ask::llm::Likelihood;
use genome_tokenize::Tokenizer;
use model_zoo::generate::log_likelihood;
use model_zoo::{Base, Purpose};
use peft_core::Plain;
use std::path::Path;

/// Rows that run through the model together.
const ROWS: usize = 8;

#[derive(Debug)]
pub(crate) struct Local {
    base: Base,
    tokenizer: Box<dyn Tokenizer>,
    name: String,
}

impl Local {
    /// Reads a checkpoint and the tokenizer in or beside it.
    pub(crate) fn open(path: &Path, device: &DeviceArgs) -> Result<Self> {
        if !path.exists() {
            bail!("--llm-checkpoint {}: no such file or folder", path.display());
        }
        let device = device.device.open()?.device;
        let tokenizer = open_tokenizer(path, None).context("--llm-checkpoint")?;
        let base = Base::from_pretrained(path, Purpose::LanguageModel, &device).context("--llm-checkpoint")?.base;
        // Refuses a model that is not causal now, not at the first question.
        log_likelihood(&base, &[vec![0u32, 0]], &Plain).context("--llm-checkpoint")?;
        Ok(Self { base, tokenizer, name: format!("{} on this machine", path.display()) })
    }

    /// Ids of a text; a mark that ends it is taken off.
    fn ids(&self, text: &str) -> Result<Vec<u32>> {
        let mut encoding = self.tokenizer.encode(text.as_bytes())?;
        let ended = encoding.special.last() == Some(&true) && encoding.ids.len() > 1;
        if ended && encoding.ids.last().copied() == self.tokenizer.sep_id() {
            encoding.ids.pop();
        }
        Ok(encoding.ids)
    }

    fn score(&self, contexts: &[String], text: &str) -> Result<Vec<f64>> {
        let mut rows = Vec::with_capacity(contexts.len());
        for context in contexts {
            let (before, whole) = (self.ids(context)?, self.ids(&format!("{context}{text}"))?);
            let same = before.iter().zip(&whole).take_while(|(a, b)| a == b).count();
            let most = self.base.max_tokens().unwrap_or(usize::MAX);
            if whole.len() > most {
                bail!("the question is too long for it: {} tokens with a query in words, at most {most}", whole.len());
            }
            rows.push((whole, same.max(1)));
        }
        let mut scores = Vec::with_capacity(rows.len());
        for batch in rows.chunks(ROWS) {
            let ids: Vec<&[u32]> = batch.iter().map(|(ids, _)| ids.as_slice()).collect();
            let found = log_likelihood(&self.base, &ids, &Plain)?;
            // The first value belongs to the second token.
            let of_text = found.iter().zip(batch).map(|(values, (_, from))| &values[from - 1..]);
            scores.extend(of_text.map(|values| values.iter().map(|x| f64::from(*x)).sum::<f64>()));
        }
        Ok(scores)
    }
}

impl Likelihood for Local {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn log_likelihood(&mut self, contexts: &[String], text: &str) -> Result<Vec<f64>, String> {
        self.score(contexts, text).map_err(|error| format!("{error:#}"))
    }
}
