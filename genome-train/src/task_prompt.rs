//! What stands around each sequence when a natural-language model reads it, and how its bases are written.

use crate::foundation::Foundation;
use crate::{Error, Result};
use burn::tensor::{Device, Tensor};
use genome_tokenize::Tokenizer;
use model_zoo::TokenBatch;
use peft_lingo::{BaseRows, PromptTokens, TextPrompt, Wrapped, released_id};
use serde::{Deserialize, Serialize};

/// How bases are written behind a text prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bases {
    /// As the model's own tokenizer reads the letters.
    #[default]
    Tokens,
    /// One token a base, whose embedding is a trained projection of its one-hot vector.
    OneHot,
    /// One token a base, by the ids of LINGO's released code: rows of the frozen table that have nothing to do with bases.
    Released,
}

/// The tokens around each sequence of a task; they travel with the adapter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskPrompt {
    /// The words, for people.
    pub text: String,
    /// Ids before the sequence, the token that begins a text among them.
    pub prefix: Vec<u32>,
    /// Blanks of the prompt that the tokenizer reads together with the sequence.
    pub before_sequence: String,
    /// Ids behind the sequence.
    pub suffix: Vec<u32>,
    /// How bases are written.
    pub bases: Bases,
}

/// What stands for a base before its embedding is replaced; behind it what is none of A, C, G and T.
const LETTERS: &[u8] = b"ACGTN";

impl TaskPrompt {
    /// The tokens of a text prompt, or of none, in front of which stand the tokens that the tokenizer puts around any text.
    ///
    /// # Errors
    /// [`Error::Sequence`] for a text that the tokenizer refuses, as those of DNA do.
    pub fn new(foundation: &Foundation, text: Option<&TextPrompt>, bases: Bases) -> Result<Self> {
        let tokenizer = &*foundation.tokenizer;
        let none = TextPrompt { prefix: String::new(), before_sequence: String::new(), suffix: String::new() };
        let text = text.unwrap_or(&none);
        let whole = encoded(tokenizer, "A")?; // a letter, because some read nothing as nothing
        let around = |from_end: bool| -> Vec<u32> {
            let ids = whole.ids.iter().zip(&whole.special);
            let ids: Vec<_> = if from_end { ids.rev().collect() } else { ids.collect() };
            let mut ids: Vec<u32> = ids.into_iter().take_while(|(_, special)| **special).map(|(id, _)| *id).collect();
            if from_end {
                ids.reverse();
            }
            ids
        };
        let tokens = PromptTokens::of_text(text, &around(false), &around(true), |part| plain(tokenizer, part))?;
        let (prefix, suffix) = (tokens.prefix, tokens.suffix);
        let words = format!("{}{}{{sequence}}{}", text.prefix, text.before_sequence, text.suffix);
        Ok(Self { text: words, prefix, before_sequence: text.before_sequence.clone(), suffix, bases })
    }

    /// The same words in an order drawn by `seed`: for ablation.
    #[must_use]
    pub fn shuffled(&self, foundation: &Foundation, seed: u64) -> Self {
        let special = |ids: &mut dyn Iterator<Item = &u32>| {
            let around = foundation.tokenizer.encode(b"A").map(|e| {
                e.ids.iter().zip(&e.special).filter(|(_, special)| **special).map(|(id, _)| *id).collect::<Vec<_>>()
            });
            let around = around.unwrap_or_default();
            ids.take_while(|id| around.contains(id)).count()
        };
        let (begin, end) = (special(&mut self.prefix.iter()), special(&mut self.suffix.iter().rev()));
        let PromptTokens { prefix, suffix } = self.tokens().shuffled(begin, end, seed);
        Self { text: format!("the words of {:?}, shuffled", self.text), prefix, suffix, ..self.clone() }
    }

    /// The tokens around a sequence.
    pub fn tokens(&self) -> PromptTokens {
        PromptTokens { prefix: self.prefix.clone(), suffix: self.suffix.clone() }
    }

    /// A sequence in its prompt, cut at its end where the context is too short, and whether it was. `place` is what an error
    /// names.
    ///
    /// # Errors
    /// [`Error::Sequence`]; [`Error::Lingo`] if the context has no room for a sequence beside the prompt.
    pub(crate) fn encode(
        &self,
        tokenizer: &dyn Tokenizer,
        sequence: &[u8],
        max_tokens: usize,
        place: impl Fn() -> String,
    ) -> Result<(Vec<u32>, bool)> {
        let upper = sequence.to_ascii_uppercase();
        let ids = match self.bases {
            Bases::Tokens => {
                let text = [self.before_sequence.as_bytes(), &upper].concat();
                let found = tokenizer.encode(&text).map_err(|source| Error::Sequence { place: place(), source })?;
                without_special(&found)
            }
            Bases::OneHot => upper.iter().map(|b| letter(*b)).collect(),
            Bases::Released => upper.iter().map(|b| released_id(*b)).collect(),
        };
        let wrapped = self.tokens().wrap(&ids, max_tokens)?;
        Ok((wrapped.ids, wrapped.cut > 0))
    }

    /// The bases of a batch whose embeddings a projection makes.
    pub(crate) fn base_rows(&self, batch: &TokenBatch, device: &Device) -> BaseRows {
        let [rows, seq] = batch.dims();
        let ids: Vec<u32> = batch.ids.clone().into_data().convert::<i64>().iter::<i64>().map(|id| id as u32).collect();
        let one = |row: usize| {
            let first = row * seq + batch.first(row);
            let ids = ids[first..first + batch.lengths[row]].to_vec();
            let sequence = self.prefix.len()..ids.len() - self.suffix.len();
            let letters: Vec<u8> = ids[sequence.clone()].iter().map(|id| LETTERS[*id as usize]).collect();
            (letters, Wrapped { ids, sequence, cut: 0 })
        };
        let all: Vec<(Vec<u8>, Wrapped)> = (0..rows).map(one).collect();
        let borrowed: Vec<(&[u8], &Wrapped)> = all.iter().map(|(letters, row)| (&letters[..], row)).collect();
        BaseRows::new(&borrowed, seq, batch.side == model_zoo::Side::Left, device)
    }
}

/// How wide the values of a table of embeddings are spread: what a projection beside it starts from.
pub(crate) fn deviation(table: &Tensor<2>) -> f64 {
    let mean = table.clone().mean();
    let [rows, columns] = table.dims();
    let square: f32 = (table.clone() - mean.reshape([1, 1])).powi_scalar(2).sum().into_scalar();
    (f64::from(square) / (rows * columns) as f64).sqrt()
}

fn letter(base: u8) -> u32 {
    let base = if base == b'U' { b'T' } else { base };
    LETTERS.iter().position(|l| *l == base).unwrap_or(LETTERS.len() - 1) as u32
}

fn encoded(tokenizer: &dyn Tokenizer, text: &str) -> Result<genome_tokenize::Encoding> {
    tokenizer
        .encode(text.as_bytes())
        .map_err(|source| Error::Sequence { place: format!("the prompt {text:?}"), source })
}

fn plain(tokenizer: &dyn Tokenizer, text: &str) -> Result<Vec<u32>> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    Ok(without_special(&encoded(tokenizer, text)?))
}

fn without_special(encoding: &genome_tokenize::Encoding) -> Vec<u32> {
    encoding.ids.iter().zip(&encoding.special).filter(|(_, special)| !**special).map(|(id, _)| *id).collect()
}
