//! Pieces that several families share.

use crate::TokenBatch;
use burn::module::Module;
use burn::nn::{Embedding, Linear, LinearConfig};
use burn::tensor::module::embedding;
use burn::tensor::{Device, Int, Tensor, TensorData};
use peft_core::{Hooks, matrix};

/// A linear layer under the name `dense`, as BERT's and ESM's checkpoints have it.
#[derive(Module, Debug)]
pub(crate) struct Dense {
    pub(crate) dense: Linear,
}

impl Dense {
    pub(crate) fn new(d_in: usize, d_out: usize, bias: bool, device: &Device) -> Self {
        Self { dense: linear(d_in, d_out, bias, device) }
    }
}

/// A linear layer with lazy parameters.
pub(crate) fn linear(d_in: usize, d_out: usize, bias: bool, device: &Device) -> Linear {
    LinearConfig::new(d_in, d_out).with_bias(bias).init(device)
}

/// Word embeddings, whose padding row gets no gradient from the look-up, as torch's `padding_idx` has it.
/// ids: [batch, seq]; result: [batch, seq, d_model].
pub(crate) fn lookup(layer: &Embedding, ids: &Tensor<2, Int>, padding: Option<u32>, hooks: &dyn Hooks) -> Tensor<3> {
    let weight = matrix(hooks, &layer.weight);
    let trained = weight.is_require_grad();
    let found = embedding(weight, ids.clone()); // [batch, seq, d_model]
    let found = match padding {
        Some(padding) if trained => {
            let is_padding = ids.clone().equal_elem(padding).unsqueeze_dim::<3>(2).expand(found.dims());
            found.clone().mask_where(is_padding, found.detach())
        }
        _ => found,
    };
    hooks.after_embedding(layer, ids, found)
}

/// Ids of rows of a table of positions, [batch, virtual + seq]: the token at place p of its row gets p + `offset`, padding gets
/// `padding`. `before`: positions that are taken before this batch, one number a row; `virtual_tokens` stand first in each row.
pub(crate) fn position_ids(
    batch: &TokenBatch,
    before: impl Fn(usize) -> usize,
    virtual_tokens: usize,
    offset: usize,
    padding: i64,
) -> Tensor<2, Int> {
    let [rows, seq] = batch.dims();
    let places = batch.per_token(|place| place);
    let mut ids = Vec::with_capacity(rows * (virtual_tokens + seq));
    for (row, places) in places.chunks_exact(seq).enumerate() {
        let start = offset + before(row);
        ids.extend((0..virtual_tokens).map(|p| (start + p) as i64));
        ids.extend(places.iter().map(|p| p.map_or(padding, |p| (start + virtual_tokens + p) as i64)));
    }
    Tensor::from_data(TensorData::new(ids, [rows, virtual_tokens + seq]), &batch.ids.device())
}
