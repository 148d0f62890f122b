//! Vectors of sequences and of their bases.

use crate::examples::encode;
use crate::foundation::Foundation;
use crate::{Error, Result};
use burn::tensor::{Device, Tensor};
use genome_formats::SeqRecord;
use genome_tokenize::{BaseMap, Combine};
use model_zoo::{BatchLimit, Buckets, Pooling, TokenBatch};
use peft_core::Hooks;

/// Sequences that run through the model together: 32, or fewer where they are long.
const LIMIT: BatchLimit = BatchLimit { rows: 32, tokens: Some(32 * 512) };

/// One vector of d_model values a record, in their order, and how many records were cut to `max_tokens`.
///
/// `hooks` are those of an adapter, or [`peft_core::Plain`]; `place` names a record in an error.
///
/// # Errors
/// [`crate::Error::Sequence`] for a letter that the tokenizer refuses.
pub fn embed(
    foundation: &Foundation,
    hooks: &dyn Hooks,
    records: &[SeqRecord],
    pooling: Pooling,
    max_tokens: usize,
    place: impl Fn(&SeqRecord) -> String,
    device: &Device,
) -> Result<(Vec<Vec<f32>>, usize)> {
    let (mut ids, mut cut) = (Vec::with_capacity(records.len()), 0);
    for record in records {
        let (tokens, was_cut) = encode(&*foundation.tokenizer, &record.seq, max_tokens, || place(record))?;
        ids.push(tokens);
        cut += usize::from(was_cut);
    }
    let vectors = each_batch(foundation, hooks, &ids, device, |h, batch, _| rows(pooling.pool(h, batch)));
    Ok((vectors, cut))
}

/// What a vector of [`BaseVectors`] stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cover {
    /// A token covers the base.
    Token,
    /// A token covers the letter, but it is none of A, C, G, T and U: the vector may be that of an unknown token.
    Ambiguous,
    /// No token covers the base, because the record was cut; its vector is 0.
    Nothing,
}

/// The vectors of one record's bases.
#[derive(Debug, Clone, PartialEq)]
pub struct BaseVectors {
    /// [bases, d_model], row after row.
    pub values: Vec<f32>,
    /// d_model.
    pub width: usize,
    /// What each base's vector stands on, \[bases\].
    pub cover: Vec<Cover>,
}

impl BaseVectors {
    /// The vector of a base, or `None` where no token covers it or it is beyond the end.
    pub fn base(&self, base: usize) -> Option<&[f32]> {
        self.cover.get(base).filter(|c| **c != Cover::Nothing)?;
        Some(&self.values[base * self.width..(base + 1) * self.width])
    }
}

/// A vector for each base of each record, in their order: the mean of the last hidden states of the tokens that cover it.
///
/// All vectors are in memory together, d_model values a base: give long genomes in windows.
///
/// ```
/// use burn::tensor::Device;
/// use genome_formats::SeqRecord;
/// use genome_tokenize::TokenizerSpec;
/// use genome_train::embed::{Cover, embed_bases};
/// use genome_train::foundation::Foundation;
/// use model_zoo::{BaseConfig, Purpose, checkpoint::SaveDtype, seed};
/// use peft_core::Plain;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let device = Device::default();
/// # let json = r#"{"model_type": "esm", "vocab_size": 10, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
/// #     "intermediate_size": 16, "max_position_embeddings": 512, "pad_token_id": 0, "position_embedding_type": "rotary",
/// #     "add_bias_fnn": false}"#;
/// # let base = seed::initialise(BaseConfig::parse("example".as_ref(), json)?.init(false, false, &device), 1, 0.02);
/// # let folder = tempfile::tempdir()?;
/// # base.save(folder.path(), SaveDtype::F32)?;
/// # TokenizerSpec::Letter.save(folder.path())?;
/// let foundation = Foundation::from_dir(folder.path(), Purpose::Encode, &device)?;
/// let records = [SeqRecord::new("short", b"ACN"), SeqRecord::new("long", b"ACGTACGT")];
/// let name = |r: &SeqRecord| r.name.clone();
/// let vectors = embed_bases(&foundation, &Plain, &records, 7, name, &device)?; // [CLS] 5 letters [SEP]
/// assert_eq!(vectors[0].cover, [Cover::Token, Cover::Token, Cover::Ambiguous]);
/// assert_eq!(vectors[1].cover[4..], [Cover::Token, Cover::Nothing, Cover::Nothing, Cover::Nothing]);
/// assert_eq!((vectors[1].base(4).map(|v| v.len()), vectors[1].base(5)), (Some(16), None));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As [`embed`].
pub fn embed_bases(
    foundation: &Foundation,
    hooks: &dyn Hooks,
    records: &[SeqRecord],
    max_tokens: usize,
    place: impl Fn(&SeqRecord) -> String,
    device: &Device,
) -> Result<Vec<BaseVectors>> {
    let (mut ids, mut maps) = (Vec::with_capacity(records.len()), Vec::with_capacity(records.len()));
    for record in records {
        let refused = |source| Error::Sequence { place: place(record), source };
        let encoding = foundation.tokenizer.encode_truncated(&record.seq, max_tokens).map_err(refused)?.encoding;
        maps.push(BaseMap::new(&encoding, record.seq.len())?);
        ids.push(encoding.ids);
    }
    let width = foundation.base.d_model();
    Ok(each_batch(foundation, hooks, &ids, device, |h, batch, members| {
        let skip = h.dims()[1] - batch.dims()[1]; // virtual tokens
        let one = |(row, &i): (usize, &usize)| {
            let own = h.clone().narrow(0, row, 1).narrow(1, skip + batch.first(row), batch.lengths[row]); // [1, tokens, d]
            let map = &maps[i];
            let values = map.rows_per_base(&floats(own), width, Combine::Mean, 0.0).expect("a row for each token");
            let letters = records[i].seq.iter().enumerate();
            let cover = letters.map(|(base, letter)| match letter.to_ascii_uppercase() {
                _ if map.tokens_of(base).is_empty() => Cover::Nothing,
                b'A' | b'C' | b'G' | b'T' | b'U' => Cover::Token,
                _ => Cover::Ambiguous,
            });
            BaseVectors { values, width, cover: cover.collect() }
        };
        members.iter().enumerate().map(one).collect()
    }))
}

/// Runs sequences through the base in batches of similar length. `each` makes one result a row of the last hidden states,
/// [batch, virtual + seq, d_model], whose members it is told; results come back in the order of `ids`.
fn each_batch<T>(
    foundation: &Foundation,
    hooks: &dyn Hooks,
    ids: &[Vec<u32>],
    device: &Device,
    each: impl Fn(Tensor<3>, &TokenBatch, &[usize]) -> Vec<T>,
) -> Vec<T> {
    let device = device.clone().inner();
    let hooks = foundation.quantised.hooks(hooks);
    let lengths: Vec<usize> = ids.iter().map(Vec::len).collect();
    let buckets = Buckets::by_length(&lengths, LIMIT);
    let run = |members: &Vec<usize>| {
        let rows: Vec<&Vec<u32>> = members.iter().map(|&i| &ids[i]).collect();
        let batch = TokenBatch::from_rows(&rows, foundation.tokenizer.pad_id(), &device);
        each(foundation.base.encode(&batch, &hooks), &batch, members)
    };
    buckets.restore(buckets.batches().iter().flat_map(run))
}

/// [batch, d_model] as one list a row.
fn rows(pooled: Tensor<2>) -> Vec<Vec<f32>> {
    let width = pooled.dims()[1];
    floats(pooled).chunks(width).map(<[f32]>::to_vec).collect()
}

fn floats<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().convert::<f32>().try_into_vec().expect("just converted to f32")
}
