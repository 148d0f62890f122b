//! Prompt, sequence and suffix in one context: the sequence is what is cut.

use std::ops::Range;

use rand::RngExt;

use crate::start::stream;
use crate::{Error, Result, TextPrompt};

/// The tokens around every sequence, made once.
///
/// ```
/// use peft_lingo::PromptTokens;
/// let prompt = PromptTokens { prefix: vec![2, 70, 71], suffix: vec![80] };
/// let row = prompt.wrap(&[5, 6, 7, 8, 5], 7)?;
/// assert_eq!(row.ids, [2, 70, 71, 5, 6, 7, 80]);
/// assert_eq!((row.sequence, row.cut), (3..6, 2));
/// assert!(prompt.wrap(&[5], 4).is_err()); // no room for a sequence
/// # Ok::<(), peft_lingo::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PromptTokens {
    /// Before the sequence: the token that begins a text, if the model has one, and the prompt.
    pub prefix: Vec<u32>,
    /// Behind the sequence: the rest of the prompt, and the token that ends a text, if the model has one.
    pub suffix: Vec<u32>,
}

/// A sequence in its prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrapped {
    /// All tokens, at most as many as the context has.
    pub ids: Vec<u32>,
    /// Where the sequence stands among them.
    pub sequence: Range<usize>,
    /// Tokens of the sequence that were cut, at its end.
    pub cut: usize,
}

/// How much was cut of a data set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CutCount {
    /// Sequences.
    pub sequences: usize,
    /// Of them, those that were cut.
    pub cut: usize,
    /// Tokens that were cut.
    pub tokens: usize,
}

impl PromptTokens {
    /// The tokens of `text`, whose two parts `encode` reads without special tokens; `begin` and `end` are those that stand
    /// around a whole text.
    ///
    /// # Errors
    /// What `encode` says.
    pub fn of_text<E>(
        text: &TextPrompt,
        begin: &[u32],
        end: &[u32],
        mut encode: impl FnMut(&str) -> Result<Vec<u32>, E>,
    ) -> Result<Self, E> {
        Ok(PromptTokens {
            prefix: [begin.to_vec(), encode(&text.prefix)?].concat(),
            suffix: [encode(&text.suffix)?, end.to_vec()].concat(),
        })
    }

    /// Tokens around a sequence.
    pub fn len(&self) -> usize {
        self.prefix.len() + self.suffix.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Tokens that a context of `max_tokens` has left for a sequence, at least one.
    ///
    /// # Errors
    /// [`Error::ContextTooShort`].
    pub fn room(&self, max_tokens: usize) -> Result<usize> {
        match max_tokens.checked_sub(self.len()) {
            Some(room) if room > 0 => Ok(room),
            _ => Err(Error::ContextTooShort { max_tokens, prompt: self.len() }),
        }
    }

    /// A sequence in the prompt, cut at its end if the context is too short for it. The suffix always stands.
    ///
    /// # Errors
    /// [`Error::ContextTooShort`].
    pub fn wrap(&self, sequence: &[u32], max_tokens: usize) -> Result<Wrapped> {
        let kept = sequence.len().min(self.room(max_tokens)?);
        let ids = [&self.prefix[..], &sequence[..kept], &self.suffix[..]].concat();
        let start = self.prefix.len();
        Ok(Wrapped { ids, sequence: start..start + kept, cut: sequence.len() - kept })
    }

    /// The same tokens in an order drawn by `seed`, as many before and behind the sequence; `begin` and `end` of them stay
    /// at the two ends. For ablation: whatever the words' order says is gone, their number and kind are not.
    #[must_use]
    pub fn shuffled(&self, begin: usize, end: usize, seed: u64) -> Self {
        let (begin, end) = (begin.min(self.prefix.len()), end.min(self.suffix.len()));
        let inner = self.suffix.len() - end;
        let mut words = [&self.prefix[begin..], &self.suffix[..inner]].concat();
        let rng = &mut stream(seed, "shuffled prompt");
        for i in (1..words.len()).rev() {
            words.swap(i, rng.random_range(0..=i)); // Fisher and Yates
        }
        let behind = words.split_off(self.prefix.len() - begin);
        PromptTokens {
            prefix: [&self.prefix[..begin], &words[..]].concat(),
            suffix: [&behind[..], &self.suffix[inner..]].concat(),
        }
    }
}

impl CutCount {
    /// Counts one more sequence.
    pub fn add(&mut self, row: &Wrapped) {
        self.sequences += 1;
        self.cut += usize::from(row.cut > 0);
        self.tokens += row.cut;
    }
}
