//! SentencePiece-style BPE with byte fallback: LLaMA and LLaMA-2 (Touvron et al. 2023).
//!
//! Upstream: `tokenizer.json` of the LLaMA-2 checkpoints, run by the `tokenizers` crate. Blanks become `▁`, one more is put in
//! front, and a character that the vocabulary lacks is written as its bytes, `<0x00>` to `<0xFF>`. Known differences: offsets
//! are bytes of the input and cover it exactly (the blank in front covers nothing); decoding gives bytes, where upstream
//! replaces broken UTF-8; case is left as it is, since these models read prose around the DNA.

use std::path::Path;

use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::max_len::MaxLen;
use crate::text_bpe::{Place, TextBpe};
use crate::tokenizer::{Encoding, Tokenizer};
use crate::tokenizer_json::{TokenizerJson, read_file};

const BLANK: char = '▁';

/// A SentencePiece-style BPE tokenizer from a `tokenizer.json`.
///
/// ```
/// use genome_tokenize::{SentencePieceTokenizer, Tokenizer};
///
/// let json = r#"{"version": "1.0", "added_tokens": [
///         {"id": 0, "content": "<unk>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true},
///         {"id": 1, "content": "<s>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true}],
///     "normalizer": {"type": "Sequence", "normalizers": [
///         {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
///     "post_processor": {"type": "TemplateProcessing",
///         "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
///         "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}},
///     "model": {"type": "BPE", "unk_token": "<unk>", "fuse_unk": true, "byte_fallback": true,
///         "vocab": {"<unk>": 0, "<s>": 1, "<0x47>": 2, "▁": 3, "A": 4, "C": 5, "▁A": 6, "▁AC": 7}, "merges": ["▁ A", "▁A C"]}}"#;
/// let tokenizer = SentencePieceTokenizer::from_bytes("tokenizer.json", json.as_bytes())?;
/// let encoding = tokenizer.encode(b"ACCG A")?;
/// let tokens: Vec<_> = encoding.ids.iter().map(|&id| tokenizer.token(id).unwrap()).collect();
/// assert_eq!(tokens, ["<s>", "▁AC", "C", "<0x47>", "▁A"]);
/// assert_eq!(encoding.offsets, [(0, 0), (0, 2), (2, 3), (3, 4), (4, 6)]);
/// assert_eq!(tokenizer.decode(&encoding.ids)?, b"ACCG A");
/// # Ok::<(), genome_tokenize::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct SentencePieceTokenizer {
    bpe: TextBpe,
    prefix: Prefix,
}

/// Where a blank is put in front that the input does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Prefix {
    Nowhere,
    /// In front of the input and behind each token that is found first.
    Everywhere,
    /// The same, but not where there is a blank.
    UnlessBlank,
    /// In front of the input, unless there is a blank.
    InFront,
}

impl SentencePieceTokenizer {
    /// Reads a `tokenizer.json`.
    ///
    /// # Errors
    ///
    /// The file is not there or is no `tokenizer.json` of SentencePiece-style BPE.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self> {
        let (name, bytes) = read_file(path.as_ref())?;
        Self::from_bytes(&name, &bytes)
    }

    /// Reads the bytes of a `tokenizer.json`; `path` stands in errors.
    ///
    /// # Errors
    ///
    /// As [`from_file`](Self::from_file).
    pub fn from_bytes(path: &str, bytes: &[u8]) -> Result<Self> {
        let json = TokenizerJson::parse(path, bytes)?;
        let prefix = prefix(&json.json).map_err(|problem| Error::broken(path, None, problem))?;
        Ok(Self { bpe: TextBpe::new(&json)?, prefix })
    }

    /// Says how many tokens the model reads; a `tokenizer.json` does not. [`bpe_family`](crate::bpe_family) takes it from the
    /// `tokenizer_config.json` beside the file.
    pub fn with_max_len(mut self, max_len: MaxLen) -> Self {
        self.bpe.max_len = max_len;
        self
    }

    /// How many bytes of the input a token covers.
    fn length(&self, place: Place<'_>) -> usize {
        if byte_token(place.token).is_some() {
            return 1;
        }
        let blank = place.rest.starts_with(b" ") || place.rest.starts_with(BLANK.to_string().as_bytes());
        let mut in_front = match self.prefix {
            Prefix::Nowhere => false,
            Prefix::Everywhere => place.opens,
            Prefix::UnlessBlank => place.opens && !blank,
            Prefix::InFront => place.first && !blank,
        };
        let mut length = 0;
        for c in place.token.chars() {
            length += match c {
                BLANK if std::mem::take(&mut in_front) => 0,
                BLANK if place.rest.get(length) == Some(&b' ') => 1,
                _ => c.len_utf8(),
            };
            in_front = false;
        }
        length
    }
}

/// Checks the parts that make blanks, and says where one is added.
fn prefix(json: &Value) -> std::result::Result<Prefix, String> {
    let replace = json!({"type": "Replace", "pattern": {"String": " "}, "content": "▁"});
    let prepend = json!({"type": "Prepend", "prepend": "▁"});
    let normalizer = &json["normalizer"];
    let one = [normalizer.clone()];
    let steps = match normalizer["type"].as_str() {
        None => &[],
        Some("Sequence") => normalizer["normalizers"].as_array().map_or(&one[..], |steps| steps),
        Some(_) => &one,
    };
    if let Some(other) = steps.iter().find(|&step| *step != replace && *step != prepend) {
        return Err(format!("the normalizer {other} is not supported: expected {prepend} and {replace}"));
    }
    let pre = &json["pre_tokenizer"];
    if steps.contains(&prepend) && pre.is_null() {
        return Ok(Prefix::Everywhere);
    }
    match (pre["type"].as_str(), pre["prepend_scheme"].as_str()) {
        (None, _) => Ok(Prefix::Nowhere),
        (Some("Metaspace"), scheme) if pre["replacement"] == "▁" && !steps.contains(&prepend) => Ok(match scheme {
            Some("first") => Prefix::InFront,
            Some("never") => Prefix::Nowhere,
            _ if pre["add_prefix_space"] == false => Prefix::Nowhere,
            _ => Prefix::UnlessBlank,
        }),
        _ => Err(format!("the pre-tokenizer {pre} is not supported: expected none, or Metaspace with ▁")),
    }
}

/// The byte that `<0x0A>` stands for.
pub(crate) fn byte_token(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>')?;
    let plain = digits.len() == 2 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'A'..=b'F'));
    if plain { u8::from_str_radix(digits, 16).ok() } else { None }
}

impl Tokenizer for SentencePieceTokenizer {
    fn encode(&self, seq: &[u8]) -> Result<Encoding> {
        self.bpe.encode(seq, |place| self.length(place))
    }

    fn encode_pair(&self, first: &[u8], second: &[u8]) -> Result<Encoding> {
        self.bpe.frame.pair(self.encode(first)?, self.encode(second)?, [first.len(), second.len()])
    }

    fn vocab_size(&self) -> usize {
        self.bpe.vocab.len()
    }

    fn max_len(&self) -> MaxLen {
        self.bpe.max_len
    }

    /// Where a model has no padding token, as LLaMA, its end token.
    fn pad_id(&self) -> u32 {
        self.bpe.names.pad.or(self.bpe.names.eos).unwrap_or(0)
    }

    /// `<unk>`; with byte fallback no text needs it.
    fn unk_id(&self) -> u32 {
        self.bpe.names.unk.unwrap_or(0)
    }

    fn mask_id(&self) -> Option<u32> {
        self.bpe.names.mask
    }

    fn cls_id(&self) -> Option<u32> {
        self.bpe.names.bos
    }

    fn sep_id(&self) -> Option<u32> {
        self.bpe.names.eos
    }

    fn token(&self, id: u32) -> Option<&str> {
        self.bpe.vocab.token(id)
    }

    fn id(&self, token: &str) -> Option<u32> {
        self.bpe.vocab.id(token)
    }

    fn decode(&self, ids: &[u32]) -> Result<Vec<u8>> {
        let mut out = self.bpe.decode(ids, |token, out| match byte_token(token) {
            Some(byte) => out.push(byte),
            None => out.extend(token.replace(BLANK, " ").bytes()),
        })?;
        if self.prefix != Prefix::Nowhere && out.first() == Some(&b' ') {
            out.remove(0);
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// LLaMA-2's layout: three special tokens, the bytes, and a few pieces.
    fn sample() -> Value {
        let special = ["<unk>", "<s>", "</s>"];
        let added: Vec<Value> = special
            .iter()
            .zip(0..)
            .map(|(token, id)| {
                json!({"id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false,
                    "normalized": false, "special": true})
            })
            .collect();
        let bytes = (0..=255u8).map(|b| format!("<0x{b:02X}>"));
        let pieces = ["▁", "A", "C", "G", "T", "▁A", "▁AC", "GT", "▁▁"].map(str::to_owned);
        let words = special.map(str::to_owned).into_iter().chain(bytes).chain(pieces);
        let vocab: serde_json::Map<String, Value> = words.zip(0..).map(|(w, id)| (w, Value::from(id))).collect();
        json!({
            "version": "1.0", "added_tokens": added,
            "normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"},
                {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
            "pre_tokenizer": null,
            "post_processor": {"type": "TemplateProcessing",
                "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
                "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}},
            "decoder": null,
            "model": {"type": "BPE", "unk_token": "<unk>", "fuse_unk": true, "byte_fallback": true, "vocab": vocab,
                "merges": ["▁ A", "▁A C", "G T", "▁ ▁"]},
        })
    }

    fn open(json: &Value) -> Result<SentencePieceTokenizer> {
        SentencePieceTokenizer::from_bytes("t.json", json.to_string().as_bytes())
    }

    /// The newer construction of the same tokenizer.
    fn metaspace(scheme: &str) -> Value {
        let mut json = sample();
        json["normalizer"] = Value::Null;
        json["pre_tokenizer"] =
            json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": false});
        json
    }

    #[test]
    fn offsets_are_bytes_of_the_input() {
        let check = |json: &Value, text: &str, tokens: &[&str], offsets: &[(usize, usize)]| {
            let t = open(json).unwrap();
            let encoding = t.encode(text.as_bytes()).unwrap();
            let found: Vec<_> = encoding.ids[1..].iter().map(|&id| t.token(id).unwrap()).collect();
            assert_eq!(found, tokens, "{text}");
            assert_eq!(&encoding.offsets[1..], offsets, "{text}");
        };
        let old = sample();
        check(&old, "ACGT", &["▁AC", "GT"], &[(0, 2), (2, 4)]);
        check(&old, "GT AC", &["▁", "GT", "▁AC"], &[(0, 0), (0, 2), (2, 5)]);
        check(&old, " C", &["▁▁", "C"], &[(0, 1), (1, 2)]);
        check(&old, "é", &["▁", "<0xC3>", "<0xA9>"], &[(0, 0), (0, 1), (1, 2)]);
        check(&old, "▁C", &["▁▁", "C"], &[(0, 3), (3, 4)]);
        check(&old, "A</s>A", &["▁A", "</s>", "▁A"], &[(0, 1), (1, 5), (5, 6)]);
        check(&metaspace("first"), "A</s>A", &["▁A", "</s>", "A"], &[(0, 1), (1, 5), (5, 6)]);
        check(&metaspace("first"), " AC", &["▁AC"], &[(0, 3)]);
        check(&metaspace("always"), "A</s>A", &["▁A", "</s>", "▁A"], &[(0, 1), (1, 5), (5, 6)]);
        check(&metaspace("never"), "AC", &["A", "C"], &[(0, 1), (1, 2)]);
    }

    #[test]
    fn other_constructions_are_refused() {
        let check = |part: &str, value: Value, expected: &str| {
            let mut json = sample();
            json[part] = value;
            let error = open(&json).unwrap_err().to_string();
            assert!(error.starts_with("t.json: ") && error.contains(expected) && !error.contains('\n'), "{error}");
        };
        check("normalizer", json!({"type": "NFKC"}), "the normalizer {\"type\":\"NFKC\"} is not supported");
        check("pre_tokenizer", json!({"type": "Whitespace"}), "is not supported: expected none, or Metaspace");
        check("model", json!({"type": "Unigram"}), "the model is \"Unigram\": expected \"BPE\"");
    }

    #[test]
    fn special_ids() {
        let t = open(&sample()).unwrap();
        assert_eq!((t.pad_id(), t.unk_id(), t.cls_id(), t.sep_id(), t.mask_id()), (2, 0, Some(1), Some(2), None));
        assert_eq!(t.decode(&[1, 264, 2]).unwrap(), b"A");
        assert_eq!(t.decode(&[9999]).unwrap_err().position(), Some(0));
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(text in "[^▁\\p{C}<]{0,60}|[ACGTN \\n]{0,200}") {
            let t = open(&sample()).unwrap();
            let encoding = t.encode(text.as_bytes()).unwrap();
            prop_assert_eq!(t.decode(&encoding.ids).unwrap(), text.as_bytes());
            let mut at = 0;
            for &(start, end) in &encoding.offsets {
                prop_assert_eq!(start, at);
                at = end;
            }
            prop_assert_eq!(at, text.len());
        }

        #[test]
        fn damaged_files_never_panic(at in 0usize..10_000, byte in any::<u8>(), seq in proptest::collection::vec(any::<u8>(), 0..40)) {
            let mut json = sample().to_string().into_bytes();
            let at = at % json.len();
            json[at] = byte;
            if let Ok(t) = SentencePieceTokenizer::from_bytes("t.json", &json) {
                let _ = t.encode(b"ACGT A</s>");
                let _ = t.encode(&seq);
            }
            let _ = SentencePieceTokenizer::from_bytes("t.json", &seq);
        }
    }
}
