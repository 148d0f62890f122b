//! The interface of all tokenizers.

use std::fmt::Debug;

use crate::error::{Error, Result};

/// Turns letters into ids. Object safe, so that a model folder can name its tokenizer at run time.
pub trait Tokenizer: Debug + Send + Sync {
    /// Encodes a whole sequence, with the special tokens around it.
    ///
    /// # Errors
    ///
    /// A byte is no nucleotide; the error gives its position.
    fn encode(&self, seq: &[u8]) -> Result<Encoding>;

    /// Encodes a sequence and cuts tokens from its right end until `max_tokens` are left, special tokens counted and kept.
    ///
    /// # Errors
    ///
    /// As [`encode`](Self::encode) for the whole sequence, or `max_tokens` has no room for the special tokens.
    fn encode_truncated(&self, seq: &[u8], max_tokens: usize) -> Result<Truncated> {
        self.encode(seq)?.truncate(max_tokens)
    }

    /// How many ids there are: all are below this.
    fn vocab_size(&self) -> usize;

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

/// A sequence as a model reads it. The three lists are equally long.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Encoding {
    /// Token ids.
    pub ids: Vec<u32>,
    /// For each token the bases it covers in the input: start and end, 0-based, half-open. Special tokens cover an empty
    /// span at the start or the end.
    pub offsets: Vec<(usize, usize)>,
    /// Whether the token was added around the sequence.
    pub special: Vec<bool>,
}

/// An [`Encoding`] that fits a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Truncated {
    /// The tokens that are left.
    pub encoding: Encoding,
    /// How many bases of the input, from its start, they cover.
    pub covered: usize,
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

    /// Cuts tokens from the right until `max_tokens` are left; special tokens stay.
    ///
    /// # Errors
    ///
    /// `max_tokens` has no room for the special tokens.
    pub fn truncate(mut self, max_tokens: usize) -> Result<Truncated> {
        let least = self.special.iter().filter(|&&s| s).count();
        if max_tokens < least {
            return Err(Error::LimitTooSmall { max_tokens, least });
        }
        let surplus = self.len().saturating_sub(max_tokens);
        if surplus > 0 {
            // The special tokens at the end move to the left, over the tokens that go.
            let tail = self.special.iter().rev().take_while(|&&s| s).count();
            let from = self.len() - tail - surplus;
            self.ids.drain(from..from + surplus);
            self.offsets.drain(from..from + surplus);
            self.special.drain(from..from + surplus);
        }
        let ends = self.offsets.iter().zip(&self.special).filter(|(_, special)| !**special);
        let covered = ends.map(|(&(_, end), _)| end).max().unwrap_or(0);
        if surplus > 0 {
            for (offset, _) in self.offsets.iter_mut().zip(&self.special).filter(|(o, s)| **s && o.0 > covered) {
                *offset = (covered, covered);
            }
        }
        Ok(Truncated { encoding: self, covered })
    }

    /// `[CLS]`, the tokens, `[SEP]`.
    pub(crate) fn framed(
        tokens: impl ExactSizeIterator<Item = (u32, (usize, usize))>,
        cls: u32,
        sep: u32,
        length: usize,
    ) -> Self {
        let (ids, offsets): (Vec<_>, Vec<_>) = tokens.unzip();
        let mut encoding = Self::default();
        encoding.push(&[cls], [(0, 0)], true);
        encoding.push(&ids, offsets, false);
        encoding.push(&[sep], [(length, length)], true);
        encoding
    }

    /// Appends tokens with their offsets.
    pub(crate) fn push(&mut self, ids: &[u32], offsets: impl IntoIterator<Item = (usize, usize)>, special: bool) {
        self.ids.extend_from_slice(ids);
        self.offsets.extend(offsets.into_iter().take(ids.len()));
        self.special.resize(self.ids.len(), special);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Encoding {
        Encoding::framed([(10, (0, 3)), (11, (3, 4)), (12, (4, 9))].into_iter(), 1, 2, 9)
    }

    #[test]
    fn truncation_keeps_the_special_tokens() {
        let check = |max, ids: &[u32], covered| {
            let cut = sample().truncate(max).unwrap();
            assert_eq!((&cut.encoding.ids[..], cut.covered), (ids, covered));
            assert_eq!(cut.encoding.offsets.last(), Some(&(covered, covered)));
            assert_eq!(cut.encoding.special.len(), ids.len());
            assert!(cut.encoding.special[0] && cut.encoding.special[ids.len() - 1]);
        };
        check(9, &[1, 10, 11, 12, 2], 9);
        check(5, &[1, 10, 11, 12, 2], 9);
        check(4, &[1, 10, 11, 2], 4);
        check(3, &[1, 10, 2], 3);
        check(2, &[1, 2], 0);
        let error = sample().truncate(1).unwrap_err();
        assert_eq!(error.to_string(), "a limit of 1 tokens leaves no room: expected at least 2");
    }
}
