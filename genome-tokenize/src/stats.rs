//! How well a vocabulary fits sequences: bases per token, share of unknowns.

use crate::tokenizer::{Encoding, Tokenizer};

/// Counts over many encodings.
///
/// ```
/// use genome_tokenize::{KmerTokenizer, TokenStats, Tokenizer};
///
/// let kmers = KmerTokenizer::new(3)?;
/// let mut stats = TokenStats::default();
/// for seq in ["ACGTACGTAC", "ACGNN"] {
///     stats.add(&kmers, &kmers.encode(seq.as_bytes())?);
/// }
/// assert_eq!((stats.sequences, stats.bases, stats.tokens, stats.unknown), (2, 15, 11, 2));
/// assert_eq!(stats.bases_per_token(), Some(15.0 / 11.0));
/// assert_eq!(stats.unknown_share(), Some(2.0 / 11.0));
/// # Ok::<(), genome_tokenize::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TokenStats {
    /// Encodings.
    pub sequences: u64,
    /// Bases (bytes of text) that their tokens reach.
    pub bases: u64,
    /// Tokens, without the special ones around each sequence.
    pub tokens: u64,
    /// Tokens that stand for what the vocabulary does not have.
    pub unknown: u64,
}

impl TokenStats {
    /// Counts one encoding of `tokenizer`.
    pub fn add(&mut self, tokenizer: &dyn Tokenizer, encoding: &Encoding) {
        let unk = tokenizer.unk_id();
        self.sequences += 1;
        self.bases += encoding.offsets.iter().map(|&(_, end)| end).max().unwrap_or(0) as u64;
        for (&id, _) in encoding.ids.iter().zip(&encoding.special).filter(|(_, special)| !**special) {
            self.tokens += 1;
            self.unknown += u64::from(id == unk);
        }
    }

    /// Adds what was counted elsewhere, on another thread say.
    pub fn merge(&mut self, other: &Self) {
        self.sequences += other.sequences;
        self.bases += other.bases;
        self.tokens += other.tokens;
        self.unknown += other.unknown;
    }

    /// Bases per token; `None` without tokens.
    pub fn bases_per_token(&self) -> Option<f64> {
        self.per_token(self.bases)
    }

    /// Which part of the tokens is unknown, 0 to 1; `None` without tokens.
    pub fn unknown_share(&self) -> Option<f64> {
        self.per_token(self.unknown)
    }

    fn per_token(&self, count: u64) -> Option<f64> {
        (self.tokens > 0).then(|| count as f64 / self.tokens as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::letter::LetterTokenizer;

    #[test]
    fn parts_add_up() {
        let letters = LetterTokenizer::new();
        let mut whole = TokenStats::default();
        assert_eq!((whole.bases_per_token(), whole.unknown_share()), (None, None));
        let mut part = TokenStats::default();
        for seq in [&b"ACGT"[..], b"", b"NNA"] {
            let encoding = letters.encode(seq).unwrap();
            whole.add(&letters, &encoding);
            let mut one = TokenStats::default();
            one.add(&letters, &encoding);
            part.merge(&one);
        }
        assert_eq!(whole, part);
        assert_eq!((whole.sequences, whole.bases, whole.bases_per_token()), (3, 7, Some(1.0)));
    }
}
