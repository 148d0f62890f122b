//! How many tokens a model reads.

use crate::error::{Error, Result};
use crate::tokenizer::Encoding;

/// How many tokens a model reads, special ones included.
///
/// ```
/// use genome_tokenize::{Error, KmerTokenizer, MaxLen, Tokenizer, Truncation};
///
/// let tokenizer = KmerTokenizer::new(6)?;
/// assert_eq!(tokenizer.max_len(), MaxLen::Fixed(512));
/// let long = tokenizer.encode(&b"ACGT".repeat(200))?;
/// let error = tokenizer.check_length(&long).unwrap_err();
/// assert_eq!(error.to_string(), "letter 516: the model reads 512 tokens, but the sequence has 797");
/// let cut = long.cut(&Truncation::right(512))?;
/// tokenizer.check_length(&cut.encoding)?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MaxLen {
    /// The model has a table with this many positions: a longer input cannot be run.
    Fixed(usize),
    /// The model was trained up to this length; its positions are computed (rotary, ALiBi), so that it reads on.
    Trained(usize),
    /// Nothing is known.
    Unlimited,
}

impl MaxLen {
    /// The number, if there is one: what to truncate to.
    pub fn tokens(self) -> Option<usize> {
        match self {
            Self::Fixed(n) | Self::Trained(n) => Some(n),
            Self::Unlimited => None,
        }
    }

    /// Checks an input before it is run. Padding takes positions too.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`] with the first letter that does not fit into a fixed table.
    pub fn check(self, encoding: &Encoding) -> Result<()> {
        let Self::Fixed(max_tokens) = self else { return Ok(()) };
        let tokens = encoding.len();
        if tokens <= max_tokens {
            return Ok(());
        }
        // The special tokens at the end need their places, so the letters end earlier.
        let tail = encoding.special.iter().rev().take_while(|&&s| s).count();
        let first_out = max_tokens.saturating_sub(tail);
        let covered = encoding.offsets[..first_out].iter().map(|&(_, end)| end).max().unwrap_or(0);
        Err(Error::TooLong { position: covered, tokens, max_tokens })
    }
}
