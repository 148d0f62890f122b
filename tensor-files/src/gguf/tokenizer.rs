//! The tokenizer in a GGUF file: the keys `tokenizer.ggml.*`.

use super::{GgufArray, GgufFile, GgufMetadata, GgufValue};
use crate::{Error, Result};
use std::collections::HashMap;
use std::path::Path;

/// How a tokenizer cuts a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenizerKind {
    /// `gpt2`: byte-level BPE with merges.
    Gpt2,
    /// `llama`: SentencePiece's BPE, whose pieces have scores.
    Llama,
}

/// What a token is (`llama_token_type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenType {
    /// A piece of text.
    Normal,
    /// Stands for what has no token.
    Unknown,
    /// Begins, ends or marks, and is no text.
    Control,
    /// Text that is found before anything else is done.
    UserDefined,
    /// Stands in no text.
    Unused,
    /// One byte, `<0x0A>`.
    Byte,
}

/// A tokenizer as GGUF files hold it.
#[derive(Debug, Clone, PartialEq)]
pub struct GgufTokenizer {
    /// How a text is cut.
    pub kind: TokenizerKind,
    /// The tokens by id.
    pub tokens: Vec<String>,
    /// What is merged, first things first; empty for [`TokenizerKind::Llama`].
    pub merges: Vec<(String, String)>,
    /// The higher, the earlier a piece is made; empty for [`TokenizerKind::Gpt2`].
    pub scores: Vec<f32>,
    /// What each token is; empty where the file does not say.
    pub token_types: Vec<TokenType>,
    /// Begins a text.
    pub bos: Option<u32>,
    /// Ends a text.
    pub eos: Option<u32>,
    /// Stands for what has no token.
    pub unk: Option<u32>,
    /// Fills up a batch.
    pub pad: Option<u32>,
    /// By which expression a text is cut before anything is merged, by llama.cpp's name: `smollm`, `llama-bpe`.
    pub pre: Option<String>,
    /// Whether `bos` goes in front; where the file does not say, as llama.cpp decides.
    pub add_bos: Option<bool>,
    /// Whether `eos` goes behind; `false` where the file does not say.
    pub add_eos: Option<bool>,
    /// Whether a blank goes in front of a text; `true` for [`TokenizerKind::Llama`] where the file does not say.
    pub add_space_prefix: Option<bool>,
    /// A Jinja template for conversations.
    pub chat_template: Option<String>,
}

const TOKEN_TYPES: [TokenType; 6] = [
    TokenType::Normal,
    TokenType::Unknown,
    TokenType::Control,
    TokenType::UserDefined,
    TokenType::Unused,
    TokenType::Byte,
];

impl GgufFile {
    /// The tokenizer in the file, if there is one.
    ///
    /// # Errors
    ///
    /// Its kind is not known here, a key is of the wrong type, or keys contradict each other.
    pub fn tokenizer(&self) -> Result<Option<GgufTokenizer>> {
        GgufTokenizer::from_metadata(self.metadata())
    }
}

impl GgufTokenizer {
    /// Tokens and nothing else.
    pub(super) fn of(kind: TokenizerKind, tokens: Vec<String>) -> Self {
        Self {
            kind,
            tokens,
            merges: Vec::new(),
            scores: Vec::new(),
            token_types: Vec::new(),
            bos: None,
            eos: None,
            unk: None,
            pad: None,
            pre: None,
            add_bos: None,
            add_eos: None,
            add_space_prefix: None,
            chat_template: None,
        }
    }

    /// Reads the keys `tokenizer.ggml.*`; `None` if there are none.
    ///
    /// # Errors
    ///
    /// As [`GgufFile::tokenizer`].
    pub fn from_metadata(metadata: &GgufMetadata) -> Result<Option<Self>> {
        let key = "tokenizer.ggml.model";
        let kind = match metadata.str(key)? {
            None | Some("none" | "no_vocab") => return Ok(None),
            Some("gpt2") => TokenizerKind::Gpt2,
            Some("llama") => TokenizerKind::Llama,
            Some(other) => return Err(metadata.wrong(key, "the tokenizer gpt2 or llama", format!("{other:?}"))),
        };
        let key = "tokenizer.ggml.tokens";
        let tokens = metadata.required(key, metadata.strings(key))?.to_vec();
        if let Some((first, second)) = twice(&tokens) {
            let found = format!("{:?} as {first} and as {second}", tokens[first]);
            return Err(metadata.wrong(key, "each token once", found));
        }
        let mut tokenizer = Self::of(kind, tokens);
        tokenizer.read_merges(metadata)?;
        tokenizer.read_scores_and_types(metadata)?;
        let id = |key: &str| -> Result<Option<u32>> {
            let Some(id) = metadata.u64(key)? else { return Ok(None) };
            match u32::try_from(id).ok().filter(|&id| (id as usize) < tokenizer.tokens.len()) {
                Some(id) => Ok(Some(id)),
                // llama.cpp's null
                None if id == u64::from(u32::MAX) => Ok(None),
                None => {
                    let expected = format!("an id below {}", tokenizer.tokens.len());
                    Err(metadata.wrong(key, &expected, id.to_string()))
                }
            }
        };
        let (bos, eos) = (id("tokenizer.ggml.bos_token_id")?, id("tokenizer.ggml.eos_token_id")?);
        let (unk, pad) = (id("tokenizer.ggml.unknown_token_id")?, id("tokenizer.ggml.padding_token_id")?);
        (tokenizer.bos, tokenizer.eos, tokenizer.unk, tokenizer.pad) = (bos, eos, unk, pad);
        tokenizer.pre = metadata.str("tokenizer.ggml.pre")?.map(str::to_owned);
        tokenizer.add_bos = metadata.bool("tokenizer.ggml.add_bos_token")?;
        tokenizer.add_eos = metadata.bool("tokenizer.ggml.add_eos_token")?;
        tokenizer.add_space_prefix = metadata.bool("tokenizer.ggml.add_space_prefix")?;
        tokenizer.chat_template = metadata.str("tokenizer.chat_template")?.map(str::to_owned);
        Ok(Some(tokenizer))
    }

    /// Reads `tokenizer.bin` of llama2.c for a vocabulary of `vocab_size`: the length of the longest token, then score,
    /// length and bytes of each. `name` stands in errors.
    ///
    /// # Errors
    ///
    /// The file is cut off, has more bytes than tokens, or a token is no text.
    pub fn from_llama2c(name: &str, bytes: &[u8], vocab_size: usize) -> Result<Self> {
        let mut file = Bytes { path: Path::new(name), bytes, at: 0 };
        file.word("the length of the longest token")?;
        let (mut tokens, mut scores, mut token_types) = (Vec::new(), Vec::new(), Vec::new());
        for id in 0..vocab_size {
            let score = f32::from_le_bytes(file.word(&format!("4 bytes, the score of token {id}"))?);
            if score.is_nan() {
                return Err(file.wrong(&format!("the score of token {id}"), "NaN"));
            }
            let len = u32::from_le_bytes(file.word(&format!("4 bytes, the length of token {id}"))?);
            let text = file.take(len as usize, &format!("{len} bytes of token {id}"))?;
            let Ok(text) = std::str::from_utf8(text) else {
                return Err(file.wrong(&format!("token {id} in UTF-8"), "other bytes"));
            };
            // llama2.c's export writes a blank for SentencePiece's ▁ and puts line breaks around the marks.
            let (text, kind) = match (id, text) {
                (0, _) => ("<unk>".to_owned(), TokenType::Unknown),
                (1, _) => ("<s>".to_owned(), TokenType::Control),
                (2, _) => ("</s>".to_owned(), TokenType::Control),
                (_, byte) if is_byte(byte) => (byte.to_owned(), TokenType::Byte),
                (_, text) => (text.replace(' ', "▁"), TokenType::Normal),
            };
            tokens.push(text);
            scores.push(score);
            token_types.push(kind);
        }
        if file.at < bytes.len() {
            return Err(file.wrong(&format!("the end, behind {vocab_size} tokens"), "more bytes"));
        }
        if let Some((first, second)) = twice(&tokens) {
            return Err(file.wrong("each token once", &format!("{:?} as {first} and as {second}", tokens[first])));
        }
        let special = |id: u32| ((id as usize) < tokens.len()).then_some(id);
        let (unk, bos, eos) = (special(0), special(1), special(2));
        Ok(Self { scores, token_types, unk, bos, eos, ..Self::of(TokenizerKind::Llama, tokens) })
    }

    /// Adds the keys `tokenizer.ggml.*`.
    ///
    /// # Errors
    ///
    /// One is there already.
    pub fn write(&self, metadata: &mut GgufMetadata) -> Result<()> {
        let model = match self.kind {
            TokenizerKind::Gpt2 => "gpt2",
            TokenizerKind::Llama => "llama",
        };
        let text = |text: &str| GgufValue::String(text.to_owned());
        metadata.insert("tokenizer.ggml.model", text(model))?;
        if let Some(pre) = &self.pre {
            metadata.insert("tokenizer.ggml.pre", text(pre))?;
        }
        metadata.insert("tokenizer.ggml.tokens", GgufValue::Array(GgufArray::String(self.tokens.clone())))?;
        if !self.scores.is_empty() {
            metadata.insert("tokenizer.ggml.scores", GgufValue::Array(GgufArray::F32(self.scores.clone())))?;
        }
        if !self.token_types.is_empty() {
            let number = |kind| TOKEN_TYPES.iter().position(|other| other == kind).map_or(1, |at| at as i32 + 1);
            let types = self.token_types.iter().map(number).collect();
            metadata.insert("tokenizer.ggml.token_type", GgufValue::Array(GgufArray::I32(types)))?;
        }
        if !self.merges.is_empty() {
            // A token of a byte-level vocabulary has no blank; those of other texts are written as its letter for one.
            let part = |text: &str| text.replace(' ', "Ġ");
            let merges = self.merges.iter().map(|(left, right)| format!("{} {}", part(left), part(right))).collect();
            metadata.insert("tokenizer.ggml.merges", GgufValue::Array(GgufArray::String(merges)))?;
        }
        for (key, id) in [("bos", self.bos), ("eos", self.eos), ("unknown", self.unk), ("padding", self.pad)] {
            if let Some(id) = id {
                metadata.insert(format!("tokenizer.ggml.{key}_token_id"), GgufValue::U32(id))?;
            }
        }
        for (key, flag) in [
            ("add_bos_token", self.add_bos),
            ("add_eos_token", self.add_eos),
            ("add_space_prefix", self.add_space_prefix),
        ] {
            if let Some(flag) = flag {
                metadata.insert(format!("tokenizer.ggml.{key}"), GgufValue::Bool(flag))?;
            }
        }
        if let Some(template) = &self.chat_template {
            metadata.insert("tokenizer.chat_template", text(template))?;
        }
        Ok(())
    }

    /// What a token is. Without types, the tokens with a role are marks and all others are text.
    pub(super) fn token_type(&self, id: usize) -> TokenType {
        let is = |role: Option<u32>| role.is_some_and(|role| role as usize == id);
        match self.token_types.get(id) {
            Some(kind) => *kind,
            None if is(self.unk) && self.kind == TokenizerKind::Llama => TokenType::Unknown,
            None if is(self.bos) || is(self.eos) || is(self.pad) || is(self.unk) => TokenType::Control,
            None if self.kind == TokenizerKind::Llama && is_byte(&self.tokens[id]) => TokenType::Byte,
            None => TokenType::Normal,
        }
    }

    fn read_merges(&mut self, metadata: &GgufMetadata) -> Result<()> {
        let key = "tokenizer.ggml.merges";
        if self.kind == TokenizerKind::Llama {
            return Ok(());
        }
        let merges = metadata.required(key, metadata.strings(key))?;
        let split = |merge: &String| {
            // A part may be a blank itself, but is never empty.
            let at = merge.char_indices().skip(1).find(|(_, c)| *c == ' ')?.0;
            let (left, right) = (&merge[..at], &merge[at + 1..]);
            (!right.is_empty()).then(|| (left.to_owned(), right.to_owned()))
        };
        for merge in merges {
            match split(merge) {
                Some(parts) => self.merges.push(parts),
                None => return Err(metadata.wrong(key, "two parts and a blank between", format!("{merge:?}"))),
            }
        }
        Ok(())
    }

    fn read_scores_and_types(&mut self, metadata: &GgufMetadata) -> Result<()> {
        let tokens = self.tokens.len();
        let check = |key: &str, found: usize| match found == tokens {
            true => Ok(()),
            false => Err(metadata.wrong(key, &format!("{tokens} values, one a token"), found.to_string())),
        };
        let key = "tokenizer.ggml.scores";
        if self.kind == TokenizerKind::Llama {
            let scores = metadata.required(key, metadata.f32s(key))?;
            check(key, scores.len())?;
            if let Some(at) = scores.iter().position(|score| score.is_nan()) {
                return Err(metadata.wrong(key, "scores", format!("NaN for token {at}")));
            }
            self.scores = scores.to_vec();
        }
        let key = "tokenizer.ggml.token_type";
        if let Some(types) = metadata.i32s(key)? {
            check(key, types.len())?;
            // Type 0 is ggml's "undefined", which it treats as text.
            let read = |number: &i32| match usize::try_from(*number).ok()? {
                0 => Some(TokenType::Normal),
                number => TOKEN_TYPES.get(number - 1).copied(),
            };
            match types.iter().map(read).collect::<Option<Vec<_>>>() {
                Some(types) => self.token_types = types,
                None => return Err(metadata.wrong(key, "types from 0 to 6", "another")),
            }
        }
        Ok(())
    }
}

/// Whether a token stands for a byte: `<0x0A>`.
pub(super) fn is_byte(token: &str) -> bool {
    let digits = token.strip_prefix("<0x").and_then(|rest| rest.strip_suffix('>'));
    digits.is_some_and(|digits| digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// The ids of the first token that is there twice.
fn twice(tokens: &[String]) -> Option<(usize, usize)> {
    let mut seen = HashMap::with_capacity(tokens.len());
    tokens.iter().enumerate().find_map(|(id, token)| seen.insert(token, id).map(|first| (first, id)))
}

/// What is left of a small file.
struct Bytes<'a> {
    path: &'a Path,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Bytes<'a> {
    fn take(&mut self, len: usize, what: &str) -> Result<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        let taken = rest.get(..len);
        let taken = taken.ok_or_else(|| self.wrong(what, &format!("{} bytes before the end", rest.len())))?;
        self.at += len;
        Ok(taken)
    }

    fn word(&mut self, what: &str) -> Result<[u8; 4]> {
        Ok(self.take(4, what)?.try_into().expect("four bytes were taken"))
    }

    fn wrong(&self, expected: &str, found: &str) -> Error {
        Error::format(self.path, expected, found).at(self.at as u64)
    }
}
