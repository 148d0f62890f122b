//! What byte-level and SentencePiece-style BPE share: the `tokenizers` crate finds the tokens, this finds their offsets.

use crate::error::{Error, Result};
use crate::max_len::MaxLen;
use crate::tokenizer::Encoding;
use crate::tokenizer_json::{Frame, TokenizerJson, Vocab};

/// A BPE tokenizer of texts.
#[derive(Clone)]
pub(crate) struct TextBpe {
    inner: tokenizers::Tokenizer,
    pub(crate) vocab: Vocab,
    pub(crate) frame: Frame,
    pub(crate) names: Names,
    pub(crate) max_len: MaxLen,
}

/// The tokens with a role, as far as the model has them.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Names {
    pub(crate) bos: Option<u32>,
    pub(crate) eos: Option<u32>,
    pub(crate) unk: Option<u32>,
    pub(crate) pad: Option<u32>,
    pub(crate) mask: Option<u32>,
}

/// Where a token stands, for those who count its bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    /// The token's text.
    pub(crate) token: &'a str,
    /// The input from the token on.
    pub(crate) rest: &'a [u8],
    /// Whether it is the first token of the input.
    pub(crate) first: bool,
    /// Whether it is the first of the input or behind a token that was found before all others.
    pub(crate) opens: bool,
}

impl TextBpe {
    pub(crate) fn new(json: &TokenizerJson) -> Result<Self> {
        let (inner, vocab) = json.build()?;
        let frame = json.frame.clone();
        let unk = json.json["model"]["unk_token"].as_str().and_then(|token| vocab.id(token));
        let eos = frame.after.last().copied();
        let names = Names {
            bos: frame.before.last().copied().or(vocab.first_of(&["<s>", "<|begin_of_text|>", "<|endoftext|>"])),
            eos: eos.or(vocab.first_of(&["</s>", "<|end_of_text|>", "<|endoftext|>"])),
            unk: unk.or(vocab.id("<unk>")),
            pad: vocab.first_of(&["<pad>", "<|finetune_right_pad_id|>"]),
            mask: vocab.id("<mask>"),
        };
        Ok(Self { inner, vocab, frame, names, max_len: MaxLen::Unlimited })
    }

    /// Encodes; `bytes_of` says how many bytes of the input a token covers.
    pub(crate) fn encode(&self, text: &[u8], bytes_of: impl Fn(Place<'_>) -> usize) -> Result<Encoding> {
        let utf8 = std::str::from_utf8(text).map_err(|e| Error::NotText { position: e.valid_up_to() })?;
        let encoded = self
            .inner
            .encode(utf8, false)
            .map_err(|e| Error::broken("tokenizer.json", None, format!("the tokenizer failed: {e}")))?;
        self.frame.around(text.len(), |encoding| {
            let (mut at, mut first, mut opens) = (0, true, true);
            // The crate's offsets are those of whole characters, so several tokens of one character share theirs.
            for (&id, &(from, to)) in encoded.get_ids().iter().zip(encoded.get_offsets()) {
                let start = from.clamp(at, text.len());
                let limit = to.clamp(start, text.len());
                let added = self.vocab.is_added(id);
                let end = match self.vocab.token(id) {
                    Some(token) if !added => {
                        let length = bytes_of(Place { token, rest: &text[start..], first, opens });
                        start.saturating_add(length).min(limit)
                    }
                    _ => limit,
                };
                encoding.push(&[id], [(start, end)], false);
                (at, first, opens) = (end, false, added);
            }
            Ok(())
        })
    }

    /// Decodes with `spell`, which appends the bytes of a token. Special tokens are left out.
    pub(crate) fn decode(&self, ids: &[u32], spell: impl Fn(&str, &mut Vec<u8>)) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        for (position, &id) in ids.iter().enumerate() {
            let vocab_size = self.vocab.len();
            let token = self.vocab.token(id).ok_or(Error::UnknownId { position, id, vocab_size })?;
            if self.vocab.is_special(id) {
                continue;
            }
            if self.vocab.is_added(id) {
                out.extend_from_slice(token.as_bytes());
            } else {
                spell(token, &mut out);
            }
        }
        Ok(out)
    }
}

impl std::fmt::Debug for TextBpe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TextBpe")
            .field("vocab_size", &self.vocab.len())
            .field("frame", &self.frame)
            .finish_non_exhaustive()
    }
}
