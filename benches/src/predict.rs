//! Forward passes: one batch, many batches of mixed lengths, one token after another.

use crate::Shape;
use crate::steps::logits;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use model_zoo::{Base, Pass, TokenBatch};
use peft_core::Plain;

/// Scores of the labels for the shape's sequences in one batch, in the order of its rows: what predicting costs.
pub fn forward(shape: &Shape) -> impl Fn() -> Vec<f32> + use<> {
    let (base, head, batch) = (shape.model(), shape.head(&Device::default()), shape.tokens_batch());
    let head = head.set_require_grad(false);
    move || logits(&base, &head, &batch, &Plain).to_data().iter::<f32>().collect()
}

/// In which order sequences are put together to batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Batching {
    /// As they come.
    Padded,
    /// Sorted by length, so that a batch has next to no padding.
    Bucketed,
}

impl Batching {
    /// Both.
    pub const ALL: [Batching; 2] = [Batching::Padded, Batching::Bucketed];

    /// What benches call it.
    pub fn name(self) -> &'static str {
        match self {
            Batching::Padded => "padded",
            Batching::Bucketed => "bucketed",
        }
    }

    /// Numbers of the rows of each batch of `size`.
    fn batches(self, lengths: &[usize], size: usize) -> Vec<Vec<usize>> {
        let mut order: Vec<usize> = (0..lengths.len()).collect();
        if self == Batching::Bucketed {
            order.sort_by_key(|row| lengths[*row]);
        }
        order.chunks(size).map(<[usize]>::to_vec).collect()
    }
}

/// Scores of the labels for the shape's sequences in batches of `size`, each padded to its own longest; in the order of the
/// rows. Sorting and padding are part of it.
pub fn forward_in_batches(shape: &Shape, size: usize, batching: Batching) -> impl Fn() -> Vec<f32> + use<> {
    let (base, head, rows) = (shape.model(), shape.head(&Device::default()), shape.rows());
    let (head, lengths) = (head.set_require_grad(false), shape.row_lengths());
    move || {
        let mut scores = vec![Vec::new(); rows.len()];
        for batch in batching.batches(&lengths, size) {
            let tokens: Vec<&[u32]> = batch.iter().map(|row| rows[*row].as_slice()).collect();
            let tokens = TokenBatch::from_rows(&tokens, 1, &Device::default());
            let found: Vec<f32> = logits(&base, &head, &tokens, &Plain).to_data().iter::<f32>().collect();
            for (row, scores_of_row) in batch.iter().zip(found.chunks_exact(found.len() / batch.len())) {
                scores[*row] = scores_of_row.to_vec();
            }
        }
        scores.concat()
    }
}

/// `new` tokens after a prompt, each the likeliest, through a cache of keys and values.
pub fn decode(shape: &Shape, prompt: usize, new: usize) -> impl Fn() -> Vec<u32> + use<> {
    let (base, prompt) = (shape.language_model(), shape.prompt(prompt));
    move || continuation(&base, &prompt, new)
}

fn continuation(base: &Base, prompt: &[u32], new: usize) -> Vec<u32> {
    let mut cache = base.cache(prompt.len() + new);
    let (mut next, mut found) = (prompt.to_vec(), Vec::with_capacity(new));
    while found.len() < new {
        let batch = TokenBatch::from_rows(&[&next], 1, &Device::default());
        let h = base.forward(&batch, &mut Pass::new().with_cache(&mut cache)); // [1, seq, d_model]
        let last = h.narrow(1, next.len() - 1, 1);
        let token = likeliest(base.lm_logits(last, &Plain));
        found.push(token);
        next = vec![token];
    }
    found
}

fn likeliest(logits: Tensor<3>) -> u32 {
    logits.argmax(2).to_data().iter::<i64>().next().expect("one token") as u32
}

/// Checks that a row's scores do not depend on the rest of its batch.
///
/// # Panics
/// If they do, or if a score is not finite.
pub fn assert_rows_are_independent(shape: &Shape) {
    let all = forward(shape)();
    let one = forward(&Shape { batch: 1, ..shape.clone() })();
    assert_eq!(all.len(), one.len() * shape.batch);
    assert_close(&one, &all[..one.len()]);
}

/// Checks that batches in any order give the scores of one padded batch.
///
/// # Panics
/// If they do not.
pub fn assert_batching_changes_nothing(shape: &Shape, size: usize) {
    let all = forward(shape)();
    for batching in Batching::ALL {
        assert_close(&forward_in_batches(shape, size, batching)(), &all);
    }
}

/// Checks that the cache changes nothing: each token is the likeliest after all before it in one pass without a cache.
///
/// # Panics
/// If one is not.
pub fn assert_decodes(shape: &Shape, prompt: usize, new: usize) {
    let (base, mut row) = (shape.language_model(), shape.prompt(prompt));
    let found = continuation(&base, &row, new);
    row.extend(&found);
    let batch = TokenBatch::from_rows(&[&row], 1, &Device::default());
    let logits = base.lm_logits(base.forward(&batch, &mut Pass::new()), &Plain); // [1, prompt + new, vocab]
    for (i, token) in found.into_iter().enumerate() {
        let scores: Vec<f32> = logits.clone().narrow(1, prompt + i - 1, 1).to_data().iter::<f32>().collect();
        let best = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let score = scores[token as usize];
        assert!(score >= best - 1e-4, "token {i}: {token} scores {score}, the best {best}"); // rounding alone may decide
    }
}

fn assert_close(found: &[f32], wanted: &[f32]) {
    assert_eq!(found.len(), wanted.len());
    assert!(wanted.iter().all(|score| score.is_finite()), "{wanted:?}");
    assert!(found.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-4), "{found:?} {wanted:?}");
}
