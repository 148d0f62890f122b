//! Vectors of sequences.

use crate::Result;
use crate::examples::{by_length, encode};
use crate::foundation::Foundation;
use burn::tensor::Device;
use genome_formats::SeqRecord;
use model_zoo::{Pooling, TokenBatch};
use peft_core::{Adapters, Hooks, LinearAdapter, Plain};

/// Sequences that run through the model together.
const BATCH: usize = 32;

/// One vector of d_model values a record, in their order, and how many records were cut to `max_tokens`.
///
/// `place` names a record in an error.
///
/// # Errors
/// [`crate::Error::Sequence`] for a letter that the tokenizer refuses, [`crate::Error::Peft`] if the adapters do not fit.
pub fn embed<A: LinearAdapter>(
    foundation: &Foundation,
    adapters: Option<&Adapters<A>>,
    records: &[SeqRecord],
    pooling: Pooling,
    max_tokens: usize,
    place: impl Fn(&SeqRecord) -> String,
    device: &Device,
) -> Result<(Vec<Vec<f32>>, usize)> {
    let device = device.clone().inner();
    let bound = adapters.map(|a| a.bind(&*foundation.base)).transpose()?;
    let hooks: &dyn Hooks = bound.as_ref().map_or(&Plain, |b| b);
    let (mut ids, mut cut) = (Vec::with_capacity(records.len()), 0);
    for record in records {
        let (tokens, was_cut) = encode(&*foundation.tokenizer, &record.seq, max_tokens, || place(record))?;
        ids.push(tokens);
        cut += usize::from(was_cut);
    }
    let mut vectors = vec![Vec::new(); records.len()];
    for rows in by_length(&ids).chunks(BATCH) {
        let batch: Vec<&Vec<u32>> = rows.iter().map(|&i| &ids[i]).collect();
        let batch = TokenBatch::from_rows(&batch, foundation.tokenizer.pad_id(), &device);
        let pooled = pooling.pool(foundation.base.encode(&batch, hooks), &batch); // [batch, d_model]
        let width = pooled.dims()[1];
        let values = pooled.into_data().convert::<f32>().try_into_vec::<f32>().expect("just converted to f32");
        for (&i, vector) in rows.iter().zip(values.chunks(width)) {
            vectors[i] = vector.to_vec();
        }
    }
    Ok((vectors, cut))
}
