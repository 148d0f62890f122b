//! How many tokens a model reads.

use serde_json::Value;

use crate::error::{Error, Result};
use crate::tokenizer::Encoding;

/// A `model_max_length` beyond this stands for "no limit": transformers writes 10^30 there.
const NO_LIMIT: u64 = 1 << 31;
/// Tokenizer classes whose models have a table of positions.
const WITH_TABLE: [&str; 3] = ["GPT2", "Roberta", "Bert"];

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

    /// What the text of a `tokenizer_config.json` says: its `model_max_length`, if that is a limit. Whether positions are a
    /// table the file does not say, its `tokenizer_class` hints at: those of GPT-2 (OPT too), RoBERTa and BERT have one. Else
    /// nothing is refused.
    ///
    /// ```
    /// use genome_tokenize::MaxLen;
    ///
    /// let of = |text: &str| MaxLen::of_config("tokenizer_config.json", text.as_bytes());
    /// assert_eq!(of(r#"{"model_max_length": 512}"#)?, MaxLen::Trained(512));
    /// assert_eq!(of(r#"{"model_max_length": 1024, "tokenizer_class": "GPT2Tokenizer"}"#)?, MaxLen::Fixed(1024));
    /// assert_eq!(of(r#"{"model_max_length": 1000000000000000019884624838656}"#)?, MaxLen::Unlimited);
    /// # Ok::<(), genome_tokenize::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The text is no JSON, or the length is no number of tokens. `path` stands in the error.
    pub fn of_config(path: &str, text: &[u8]) -> Result<Self> {
        let config: Value = serde_json::from_slice(text).map_err(|e| {
            Error::broken(path, Some(e.line().max(1)), format!("this is no tokenizer_config.json: {e}"))
        })?;
        let tokens = match &config["model_max_length"] {
            Value::Null => return Ok(Self::Unlimited),
            // Greater numbers than u64 holds are floats.
            Value::Number(n) if n.as_f64().is_some_and(|n| n >= NO_LIMIT as f64) => return Ok(Self::Unlimited),
            other => other.as_u64().filter(|&n| n > 0).and_then(|n| usize::try_from(n).ok()).ok_or_else(|| {
                Error::broken(path, None, format!("model_max_length is {other}: expected a number of tokens"))
            })?,
        };
        let class = config["tokenizer_class"].as_str().unwrap_or_default();
        let fixed = WITH_TABLE.iter().any(|name| class.starts_with(name));
        Ok(if fixed { Self::Fixed(tokens) } else { Self::Trained(tokens) })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_config_that_makes_no_sense_is_told() {
        let check = |text: &str, expected: &str| {
            assert_eq!(MaxLen::of_config("c.json", text.as_bytes()).unwrap_err().to_string(), expected);
        };
        for value in ["0", "-1", "1.5", "\"512\"", "[]"] {
            let problem = format!("c.json: model_max_length is {value}: expected a number of tokens");
            check(&format!("{{\"model_max_length\": {value}}}"), &problem);
        }
        assert!(MaxLen::of_config("c.json", b"{\n").unwrap_err().to_string().starts_with("c.json:2: "));
        assert_eq!(MaxLen::of_config("c.json", b"{}").unwrap(), MaxLen::Unlimited);
    }
}
