//! The interface of all tokenizers.

use std::fmt::Debug;

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::max_len::MaxLen;
use crate::truncation::{Truncated, Truncation};

/// Turns letters into ids. Object safe, so that a model folder can name its tokenizer at run time.
pub trait Tokenizer: Debug + Send + Sync {
    /// Encodes a whole sequence, with the special tokens around it.
    ///
    /// # Errors
    ///
    /// A byte is no nucleotide; the error gives its position.
    fn encode(&self, seq: &[u8]) -> Result<Encoding>;

    /// Encodes two sequences with the special tokens that the model expects around and between them. Offsets count through
    /// both: the second starts where the first ends.
    ///
    /// # Errors
    ///
    /// As [`encode`](Self::encode), or the tokenizer has no template for pairs.
    fn encode_pair(&self, first: &[u8], second: &[u8]) -> Result<Encoding> {
        let _ = (first, second);
        Err(Error::NoPairs { why: "the tokenizer has no template for pairs" })
    }

    /// Encodes a sequence and cuts tokens from its right end until `max_tokens` are left, special tokens counted and kept.
    ///
    /// # Errors
    ///
    /// As [`encode`](Self::encode) for the whole sequence, or `max_tokens` has no room for the special tokens.
    fn encode_truncated(&self, seq: &[u8], max_tokens: usize) -> Result<Truncated> {
        self.encode_cut(seq, &Truncation::right(max_tokens))
    }

    /// Encodes a sequence and cuts it as `truncation` says.
    ///
    /// # Errors
    ///
    /// As [`encode`](Self::encode) for the whole sequence, or the tokens that may not be cut are too many.
    fn encode_cut(&self, seq: &[u8], truncation: &Truncation) -> Result<Truncated> {
        self.encode(seq)?.cut(truncation)
    }

    /// Encodes many sequences on all cores. The result is the same as that of one by one.
    ///
    /// # Errors
    ///
    /// [`Error::InBatch`] with the first sequence that cannot be encoded.
    fn encode_batch(&self, seqs: &[&[u8]]) -> Result<Vec<Encoding>> {
        let encodings: Vec<Result<Encoding>> = seqs.par_iter().map(|seq| self.encode(seq)).collect();
        let indexed = encodings.into_iter().enumerate();
        indexed.map(|(index, e)| e.map_err(|e| Error::InBatch { index, source: Box::new(e) })).collect()
    }

    /// Encodes a sequence as the original's own program does where that cuts long input: DNABERT's gives pieces, each with its
    /// special tokens (see [`KmerTokenizer::encode_pieces`](crate::KmerTokenizer::encode_pieces)). All others give one.
    ///
    /// # Errors
    ///
    /// As [`encode`](Self::encode).
    fn encode_pieces(&self, seq: &[u8]) -> Result<Vec<Encoding>> {
        Ok(vec![self.encode(seq)?])
    }

    /// How many ids there are: all are below this.
    fn vocab_size(&self) -> usize;

    /// How many rows the embedding of a model needs: fewer than [`vocab_size`](Self::vocab_size) where the last ids are
    /// names that no sequence uses.
    fn model_vocab_size(&self) -> usize {
        self.vocab_size()
    }

    /// How many tokens the published model reads.
    fn max_len(&self) -> MaxLen {
        MaxLen::Unlimited
    }

    /// Checks an input before it is run.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`] with the first letter that does not fit, where [`max_len`](Self::max_len) is a fixed table.
    fn check_length(&self, encoding: &Encoding) -> Result<()> {
        self.max_len().check(encoding)
    }

    /// Fills a batch behind a short sequence.
    fn pad_id(&self) -> u32;

    /// Stands for what the vocabulary does not have.
    fn unk_id(&self) -> u32;

    /// Hides a token in masked language modelling; causal models have none.
    fn mask_id(&self) -> Option<u32>;

    /// Starts a sequence.
    fn cls_id(&self) -> Option<u32>;

    /// Ends a sequence.
    fn sep_id(&self) -> Option<u32>;

    /// The text of an id.
    fn token(&self, id: u32) -> Option<&str>;

    /// The id of a text.
    fn id(&self, token: &str) -> Option<u32>;

    /// The letters that ids stand for. Special tokens are left out; where a token is unknown, so is the letter: `N`.
    ///
    /// # Errors
    ///
    /// An id is not in the vocabulary, or the tokens do not fit together.
    fn decode(&self, ids: &[u32]) -> Result<Vec<u8>>;
}

/// A sequence as a model reads it. All lists are equally long.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Encoding {
    /// Token ids.
    pub ids: Vec<u32>,
    /// For each token the bases it covers in the input: start and end, 0-based, half-open. Special tokens cover an empty
    /// span at the start or the end.
    pub offsets: Vec<(usize, usize)>,
    /// Whether the token was added around the sequence, or is padding.
    pub special: Vec<bool>,
    /// Whether the model attends to the token: false for padding alone.
    pub attention: Vec<bool>,
    /// Which segment of a pair the token belongs to, where the model has segments: 0 or 1.
    pub type_ids: Vec<u8>,
}

impl Encoding {
    /// How many tokens there are, special ones included.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there are no tokens at all.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// An empty one with room for `tokens` tokens.
    pub(crate) fn with_room(tokens: usize) -> Self {
        Self {
            ids: Vec::with_capacity(tokens),
            offsets: Vec::with_capacity(tokens),
            special: Vec::with_capacity(tokens),
            attention: Vec::with_capacity(tokens),
            type_ids: Vec::with_capacity(tokens),
        }
    }

    /// `[CLS]`, the tokens, `[SEP]`.
    pub(crate) fn framed(
        tokens: impl ExactSizeIterator<Item = (u32, (usize, usize))>,
        cls: u32,
        sep: u32,
        length: usize,
    ) -> Self {
        let mut encoding = Self::with_room(tokens.len() + 2);
        encoding.push(&[cls], [(0, 0)], true);
        for (id, span) in tokens {
            encoding.ids.push(id);
            encoding.offsets.push(span);
        }
        encoding.push(&[], [], false);
        encoding.push(&[sep], [(length, length)], true);
        encoding
    }

    /// Appends tokens with their offsets.
    pub(crate) fn push(&mut self, ids: &[u32], offsets: impl IntoIterator<Item = (usize, usize)>, special: bool) {
        self.ids.extend_from_slice(ids);
        self.offsets.extend(offsets.into_iter().take(ids.len()));
        self.special.resize(self.ids.len(), special);
        self.attention.resize(self.ids.len(), true);
        self.type_ids.resize(self.ids.len(), 0);
    }

    /// `[CLS] first [SEP] second [SEP]` with types 0 and 1, from two encodings in the frame `[CLS] sequence [SEP]`.
    /// `length` is that of the first sequence.
    pub(crate) fn bert_pair(mut self, second: Self, length: usize) -> Self {
        let behind_cls = 1;
        self.ids.extend(&second.ids[behind_cls..]);
        self.offsets.extend(second.offsets[behind_cls..].iter().map(|&(start, end)| (start + length, end + length)));
        self.special.extend(&second.special[behind_cls..]);
        self.attention.extend(&second.attention[behind_cls..]);
        self.type_ids.resize(self.ids.len(), 1);
        self
    }

    /// Takes the tokens of a range out.
    pub(crate) fn remove(&mut self, tokens: std::ops::Range<usize>) {
        self.ids.drain(tokens.clone());
        self.offsets.drain(tokens.clone());
        self.special.drain(tokens.clone());
        self.attention.drain(tokens.clone());
        self.type_ids.drain(tokens);
    }
}
