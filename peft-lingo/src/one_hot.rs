//! Bases as four numbers, within a text: LINGO's "one-hot" as it was released, and one that is.

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::{Device, Tensor, TensorData};
use peft_core::{Hooks, HostTensor};

use crate::start::{normal, stream};
use crate::{PromptTokens, Wrapped};

/// The id that the released code gives a base: A 5, T 6, C 7, G 8, anything else 1. They are rows of the language model's
/// own frozen table, so nothing is one-hot about it.
pub fn released_id(base: u8) -> u32 {
    match base {
        b'A' => 5,
        b'T' => 6,
        b'C' => 7,
        b'G' => 8,
        _ => RELEASED_UNKNOWN,
    }
}

/// What the released code calls `[UNK]`; in OPT's vocabulary the padding.
const RELEASED_UNKNOWN: u32 = 1;

/// What the released code fills rows with, `[PAD]`; in OPT's vocabulary the beginning of a text.
const RELEASED_FILL: u32 = 0;

/// A row of the released one-hot path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleasedRow {
    /// Prompt, bases, suffix, and what fills the row.
    pub ids: Vec<u32>,
    /// How many of them are no filling.
    pub len: usize,
}

/// A row as the released code makes it: never cut, and filled up to `max_tokens` with 0.
pub fn released_row(prompt: &PromptTokens, sequence: &[u8], max_tokens: usize) -> ReleasedRow {
    let bases: Vec<u32> = sequence.iter().copied().map(released_id).collect();
    let mut ids = [&prompt.prefix[..], &bases[..], &prompt.suffix[..]].concat();
    let len = ids.len();
    ids.resize(max_tokens.max(len), RELEASED_FILL);
    ReleasedRow { ids, len }
}

impl ReleasedRow {
    /// Which tokens count: those that are no filling, N among them.
    pub fn mask(&self) -> Vec<bool> {
        (0..self.ids.len()).map(|i| i < self.len).collect()
    }

    /// Which tokens count in the released code, whose data collator looks for OPT's padding, 1: the filling counts, so that
    /// what a model says of a sequence depends on how far its row was filled; N does not. For reproduction.
    pub fn released_mask(&self) -> Vec<bool> {
        self.ids.iter().map(|id| *id != RELEASED_UNKNOWN).collect()
    }
}

/// A true one-hot: [L, 4] through a trained projection into the embedding space, in place of the rows of the vocabulary where a
/// base stands. Words around it keep theirs.
#[derive(Module, Debug)]
pub struct OneHotProjection {
    /// One row for each of A, C, G and T, [4, d_embed].
    pub weight: Param<Tensor<2>>,
}

impl OneHotProjection {
    /// A projection from N(0, `deviation`); that of the model's own word embeddings is a good one.
    pub fn init(d_embed: usize, deviation: f64, seed: u64, device: &Device) -> Self {
        let values = normal(&mut stream(seed, "one-hot"), 4 * d_embed);
        let values: Vec<f32> = values.into_iter().map(|v| (deviation * f64::from(v)) as f32).collect();
        OneHotProjection { weight: Param::from_data(TensorData::new(values, [4, d_embed]), device) }
    }

    /// A projection with these rows, [4, d_embed]; `None` for another shape.
    pub fn from_host(weight: &HostTensor, device: &Device) -> Option<Self> {
        let weight = weight.to_tensor::<2>(device).filter(|w| w.dims()[0] == 4)?;
        Some(OneHotProjection { weight: Param::from_tensor(weight) })
    }

    /// The hooks of a pass over `bases`. In a stack they stand before prompts, whose virtual tokens are no words.
    pub fn bind(&self, bases: &BaseRows) -> BoundOneHot {
        let [batch, seq, _] = bases.rows.dims();
        let rows = bases.rows.clone().reshape([batch * seq, 4]).matmul(self.weight.val()); // [batch·seq, d_embed]
        let d = rows.dims()[1];
        BoundOneHot { words: bases.words.clone(), bases: rows.reshape([batch, seq, d]) }
    }
}

/// The bases of a batch, where they stand.
#[derive(Clone, Debug)]
pub struct BaseRows {
    rows: Tensor<3>,  // [batch, seq, 4]; 0 where no base stands
    words: Tensor<3>, // [batch, seq, 1]; 1 where no base stands
}

impl BaseRows {
    /// Of rows padded to `seq` tokens, on the right, or with `left` on the left: sequences, and the ranges that they have
    /// among the tokens of their rows ([`Wrapped::sequence`]). What is not A, C, G or T is a quarter of each.
    ///
    /// # Panics
    /// If a row is longer than `seq`.
    pub fn new(rows: &[(&[u8], &Wrapped)], seq: usize, left: bool, device: &Device) -> Self {
        let mut values = vec![0.0_f32; rows.len() * seq * 4];
        let mut words = vec![1.0_f32; rows.len() * seq];
        for (row, (sequence, wrapped)) in rows.iter().enumerate() {
            assert!(wrapped.ids.len() <= seq, "a row of {} tokens in {seq}", wrapped.ids.len());
            let first = row * seq + if left { seq - wrapped.ids.len() } else { 0 };
            for (place, base) in wrapped.sequence.clone().zip(sequence.iter()) {
                let at = first + place;
                words[at] = 0.0;
                values[4 * at..4 * at + 4].copy_from_slice(&one_hot(*base));
            }
        }
        BaseRows {
            rows: Tensor::from_data(TensorData::new(values, [rows.len(), seq, 4]), device),
            words: Tensor::from_data(TensorData::new(words, [rows.len(), seq, 1]), device),
        }
    }
}

/// A, C, G, T.
fn one_hot(base: u8) -> [f32; 4] {
    match base.to_ascii_uppercase() {
        b'A' => [1.0, 0.0, 0.0, 0.0],
        b'C' => [0.0, 1.0, 0.0, 0.0],
        b'G' => [0.0, 0.0, 1.0, 0.0],
        b'T' | b'U' => [0.0, 0.0, 0.0, 1.0],
        _ => [0.25; 4],
    }
}

/// A projection and the bases of one batch.
#[derive(Clone, Debug)]
pub struct BoundOneHot {
    words: Tensor<3>,
    bases: Tensor<3>, // [batch, seq, d_embed]
}

impl Hooks for BoundOneHot {
    fn skips(&self, _layer: &Linear) -> bool {
        true
    }

    fn embeddings(&self, h: Tensor<3>) -> Tensor<3> {
        h * self.words.clone() + self.bases.clone() // [batch, seq, d_embed]
    }
}
