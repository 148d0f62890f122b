//! Byte-level BPE: GPT-2 (Radford et al. 2019), OPT (Zhang et al. 2022), Llama-3 (Grattafiori et al. 2024).
//!
//! Upstream: `encoder.py` of openai/gpt-2 and the `tokenizers` crate, which does the work here. A text is cut by a regular
//! expression, each piece is written in 256 printable characters, one a byte, and its bytes are merged. Known differences:
//! offsets are bytes of the input and cover it exactly, also where upstream trims blanks or gives all tokens of one
//! character that character's span; decoding gives bytes, where upstream replaces broken UTF-8; upper and lower case are
//! different letters and stay so, since these models read prose around the DNA.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::max_len::MaxLen;
use crate::text_bpe::{Names, TextBpe};
use crate::tokenizer::{Encoding, Tokenizer};
use crate::tokenizer_json::{Frame, TokenizerJson, read_file};

const END_OF_TEXT: &str = "<|endoftext|>";

/// A byte-level BPE tokenizer, from a `tokenizer.json` or from `vocab.json` and `merges.txt`.
///
/// ```
/// use genome_tokenize::{ByteLevelTokenizer, Tokenizer};
///
/// // GPT-2's rule makes the vocabulary from the merges: 256 bytes, the merges in order, <|endoftext|>.
/// let merges = "#version: 0.2\nA C\nG T\nAC GT\nĠ AC\n";
/// let tokenizer = ByteLevelTokenizer::from_merges("merges.txt", merges.as_bytes())?;
/// let encoding = tokenizer.encode(b"ACGTA ACG")?;
/// let tokens: Vec<_> = encoding.ids.iter().map(|&id| tokenizer.token(id).unwrap()).collect();
/// assert_eq!(tokens, ["ACGT", "A", "ĠAC", "G"]); // Ġ is a blank
/// assert_eq!(encoding.offsets, [(0, 4), (4, 5), (5, 8), (8, 9)]);
/// assert_eq!(tokenizer.decode(&encoding.ids)?, b"ACGTA ACG");
/// # Ok::<(), genome_tokenize::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ByteLevelTokenizer {
    bpe: TextBpe,
    bytes: HashMap<char, u8>,
}

impl ByteLevelTokenizer {
    /// Reads a `tokenizer.json`.
    ///
    /// # Errors
    ///
    /// The file is not there or is no `tokenizer.json` of byte-level BPE.
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
        Self::from_json(path, &TokenizerJson::parse(path, bytes)?)
    }

    /// Builds from `vocab.json` and `merges.txt`, each with the name that stands in errors, and the `tokenizer_config.json`
    /// that may be beside them. Without it, a vocabulary with `</s>` is OPT's (`</s>` goes in front of each text), any other is
    /// GPT-2's.
    ///
    /// # Errors
    ///
    /// A file is broken, an id occurs twice, or the merges contradict the vocabulary. The error tells file and line.
    pub fn from_vocab_and_merges(
        vocab: (&str, &[u8]),
        merges: (&str, &[u8]),
        config: Option<(&str, &[u8])>,
    ) -> Result<Self> {
        let max_len = config.map_or(Ok(MaxLen::Unlimited), |(name, text)| MaxLen::of_config(name, text))?;
        let (path, text) = vocab;
        let entries = parse_vocab(path, text)?;
        let merges = parse_merges(merges.0, merges.1, |token| entries.contains_key(token))?;
        Ok(Self::from_parts(path, entries, merges, config)?.with_max_len(max_len))
    }

    /// Makes GPT-2's vocabulary from its merges: the 256 bytes, the products in order, `<|endoftext|>`.
    ///
    /// # Errors
    ///
    /// A line is broken, or a merge uses a token that no earlier line makes.
    pub fn from_merges(path: &str, merges: &[u8]) -> Result<Self> {
        let mut vocab: HashMap<String, u32> = byte_chars().map(|(_, c)| c.to_string()).zip(0..).collect();
        let mut next = vocab.len() as u32;
        let merges = merge_lines(path, merges, |line, left, right| {
            for token in [left, right] {
                if !vocab.contains_key(token) {
                    return Err(Error::broken(path, Some(line), format!("{token:?} is not made by an earlier line")));
                }
            }
            let product = format!("{left}{right}");
            if vocab.insert(product.clone(), next).is_some() {
                return Err(Error::broken(path, Some(line), format!("{product:?} is there already")));
            }
            next += 1;
            Ok(())
        })?;
        vocab.insert(END_OF_TEXT.to_owned(), next);
        Self::from_parts(path, vocab, merges, None)
    }

    fn from_parts(
        path: &str,
        vocab: HashMap<String, u32>,
        merges: Vec<(String, String)>,
        config: Option<(&str, &[u8])>,
    ) -> Result<Self> {
        let roles = Roles::find(&vocab, path, config)?;
        let id = |token: &Option<String>| token.as_ref().and_then(|token| vocab.get(token).copied());
        let (bos, eos) = (id(&roles.bos), id(&roles.eos));
        let names = Names { bos, eos, unk: id(&roles.unk), pad: id(&roles.pad), mask: id(&roles.mask) };
        let frame = Frame {
            before: if roles.add_bos { bos.into_iter().collect() } else { Vec::new() },
            after: if roles.add_eos { eos.into_iter().collect() } else { Vec::new() },
            pair: None,
        }
        .twice();
        let mut special: Vec<(u32, &String)> = [&roles.bos, &roles.eos, &roles.unk, &roles.pad, &roles.mask]
            .into_iter()
            .flatten()
            .filter_map(|token| Some((*vocab.get(token)?, token)))
            .collect();
        special.sort_unstable();
        special.dedup();
        let added: Vec<Value> = special
            .iter()
            .map(|(id, token)| {
                json!({"id": id, "content": token, "single_word": false, "lstrip": Some(*token) == roles.mask.as_ref(),
                    "rstrip": false, "normalized": false, "special": true})
            })
            .collect();
        let json = json!({
            "version": "1.0",
            "added_tokens": added,
            "normalizer": null,
            "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": roles.prefix_space, "trim_offsets": true, "use_regex": true},
            "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
                "vocab": vocab, "merges": merges},
        });
        let mut json = TokenizerJson::from_value(path, json)?;
        json.frame = frame;
        let mut this = Self::from_json(path, &json)?;
        this.bpe.names = names;
        Ok(this)
    }

    fn from_json(path: &str, json: &TokenizerJson) -> Result<Self> {
        let broken = |problem: String| Error::broken(path, None, problem);
        let normalizer = &json.json["normalizer"]["type"];
        if !normalizer.is_null() {
            return Err(broken(format!("the normalizer {normalizer} is not supported here: expected none")));
        }
        let pre = &json.json["pre_tokenizer"];
        let one = [pre.clone()];
        let steps =
            if pre["type"] == "Sequence" { pre["pretokenizers"].as_array().map_or(&one[..], |s| s) } else { &one };
        if let Some(other) = steps.iter().find(|s| !["ByteLevel", "Split", "Digits"].iter().any(|k| s["type"] == *k)) {
            return Err(broken(format!("the pre-tokenizer {} is not supported: expected ByteLevel", other["type"])));
        }
        if !steps.iter().any(|step| step["type"] == "ByteLevel") {
            return Err(broken("the pre-tokenizer has no ByteLevel".to_owned()));
        }
        let bytes = byte_chars().map(|(byte, c)| (c, byte)).collect();
        Ok(Self { bpe: TextBpe::new(json)?, bytes })
    }

    /// Says how many tokens the model reads; a `tokenizer.json` does not. [`bpe_family`](crate::bpe_family) takes it from the
    /// `tokenizer_config.json` beside the file.
    pub fn with_max_len(mut self, max_len: MaxLen) -> Self {
        self.bpe.max_len = max_len;
        self
    }

    fn spell(&self, token: &str, out: &mut Vec<u8>) {
        let spelled = token.chars().map(|c| self.bytes.get(&c).copied()).collect::<Option<Vec<u8>>>();
        // What is not written in the 256 characters stands for itself, as upstream.
        out.extend(spelled.unwrap_or_else(|| token.as_bytes().to_vec()));
    }
}

impl Tokenizer for ByteLevelTokenizer {
    fn encode(&self, seq: &[u8]) -> Result<Encoding> {
        self.bpe.encode(seq, |place| place.token.chars().count())
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

    /// Where a model has no padding token, its end-of-text token, as users of the originals do.
    fn pad_id(&self) -> u32 {
        self.bpe.names.pad.or(self.bpe.names.eos).unwrap_or(0)
    }

    /// Every byte has a token, so nothing is unknown; the originals name the end-of-text token.
    fn unk_id(&self) -> u32 {
        self.bpe.names.unk.or(self.bpe.names.eos).unwrap_or(0)
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
        self.bpe.decode(ids, |token, out| self.spell(token, out))
    }
}

/// Which tokens have a role where no `tokenizer.json` says so.
#[derive(Debug, Default)]
struct Roles {
    bos: Option<String>,
    eos: Option<String>,
    unk: Option<String>,
    pad: Option<String>,
    mask: Option<String>,
    add_bos: bool,
    add_eos: bool,
    prefix_space: bool,
}

impl Roles {
    fn find(vocab: &HashMap<String, u32>, path: &str, config: Option<(&str, &[u8])>) -> Result<Self> {
        let known = |token: &str| vocab.contains_key(token).then(|| token.to_owned());
        let end = known("</s>");
        let mut roles = match end {
            // OPT: one token begins and ends, and stands for the unknown.
            Some(_) => Self {
                bos: end.clone(),
                eos: end.clone(),
                unk: end,
                pad: known("<pad>"),
                add_bos: true,
                ..Self::default()
            },
            None => {
                Self { bos: known(END_OF_TEXT), eos: known(END_OF_TEXT), unk: known(END_OF_TEXT), ..Self::default() }
            }
        };
        let Some((name, text)) = config else { return Ok(roles) };
        let config: Value = serde_json::from_slice(text).map_err(|e| {
            Error::broken(name, Some(e.line().max(1)), format!("this is no tokenizer_config.json: {e}"))
        })?;
        let slots = [
            ("bos_token", &mut roles.bos),
            ("eos_token", &mut roles.eos),
            ("unk_token", &mut roles.unk),
            ("pad_token", &mut roles.pad),
            ("mask_token", &mut roles.mask),
        ];
        for (key, slot) in slots {
            let value = &config[key];
            let Some(token) = value.as_str().or_else(|| value["content"].as_str()) else { continue };
            *slot =
                Some(known(token).ok_or_else(|| {
                    Error::broken(name, None, format!("{key} is {token:?}, which {path} does not have"))
                })?);
        }
        let flag = |key: &str| config[key].as_bool();
        match config["tokenizer_class"].as_str() {
            Some("RobertaTokenizer" | "RobertaTokenizerFast") => (roles.add_bos, roles.add_eos) = (true, true),
            _ => roles.add_bos = flag("add_bos_token").unwrap_or(roles.add_bos),
        }
        roles.prefix_space = flag("add_prefix_space").unwrap_or(false);
        Ok(roles)
    }
}

/// The 256 characters of the vocabulary in GPT-2's order: printable bytes as they are, then the others from U+0100 on.
fn byte_chars() -> impl Iterator<Item = (u8, char)> {
    let printable = |b: &u8| matches!(b, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let others = (0..=255u8).filter(move |b| !printable(b)).zip('\u{100}'..);
    (0..=255u8).filter(printable).map(|b| (b, char::from(b))).chain(others)
}

/// `{"token": id, ...}`; each id once.
fn parse_vocab(path: &str, text: &[u8]) -> Result<HashMap<String, u32>> {
    struct Entries;
    impl<'de> Visitor<'de> for Entries {
        type Value = HashMap<String, u32>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of tokens and their ids")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Self::Value, A::Error> {
            let (mut ids, mut tokens) = (HashMap::new(), HashMap::new());
            while let Some((token, id)) = map.next_entry::<String, u32>()? {
                if let Some(other) = tokens.insert(id, token.clone()) {
                    return Err(de::Error::custom(format!("{token:?} has the id {id}, which {other:?} has")));
                }
                if ids.insert(token.clone(), id).is_some() {
                    return Err(de::Error::custom(format!("{token:?} is there twice")));
                }
            }
            Ok(ids)
        }
    }
    let mut reader = serde_json::Deserializer::from_slice(text);
    let entries = reader.deserialize_map(Entries).and_then(|entries| reader.end().map(|()| entries));
    entries.map_err(|e| Error::broken(path, Some(e.line().max(1)), format!("this is no vocabulary: {e}")))
}

/// The merges of a `merges.txt`, whose parts and products `known` has; each once.
fn parse_merges(path: &str, text: &[u8], known: impl Fn(&str) -> bool) -> Result<Vec<(String, String)>> {
    let mut seen: HashMap<(String, String), usize> = HashMap::new();
    merge_lines(path, text, |line, left, right| {
        let product = format!("{left}{right}");
        if let Some(token) = [left, right, &product].into_iter().find(|token| !known(token)) {
            return Err(Error::broken(path, Some(line), format!("{token:?} is not in the vocabulary")));
        }
        match seen.insert((left.to_owned(), right.to_owned()), line) {
            Some(first) => Err(Error::broken(path, Some(line), format!("the merge of line {first} is there again"))),
            None => Ok(()),
        }
    })
}

fn merge_lines(
    path: &str,
    text: &[u8],
    mut check: impl FnMut(usize, &str, &str) -> Result<()>,
) -> Result<Vec<(String, String)>> {
    let text = std::str::from_utf8(text).map_err(|e| {
        let line = 1 + text[..e.valid_up_to()].iter().filter(|&&b| b == b'\n').count();
        Error::broken(path, Some(line), "expected UTF-8 text")
    })?;
    let mut merges = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        if line.starts_with("#version") {
            continue;
        }
        let parts: Vec<&str> = line.split(' ').collect();
        let &[left, right] = &parts[..] else {
            return Err(Error::broken(
                path,
                Some(number),
                format!("expected two tokens and a blank between them, found {line:?}"),
            ));
        };
        if left.is_empty() || right.is_empty() {
            return Err(Error::broken(
                path,
                Some(number),
                format!("expected two tokens and a blank between them, found {line:?}"),
            ));
        }
        check(number, left, right)?;
        merges.push((left.to_owned(), right.to_owned()));
    }
    Ok(merges)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MERGES: &str = "#version: 0.2\nA C\nG T\nAC GT\nĠ AC\n";

    fn vocab() -> String {
        let words = ["<s>", "<pad>", "</s>", "<unk>"].map(str::to_owned).into_iter();
        let words = words.chain(byte_chars().map(|(_, c)| c.to_string()));
        let words = words.chain(["AC", "GT", "ACGT", "ĠAC"].map(str::to_owned));
        let entries: Vec<String> = words.zip(0..).map(|(w, id)| format!("{}: {id}", Value::from(w))).collect();
        format!("{{{}}}", entries.join(",\n"))
    }

    fn open(vocab: &str, merges: &str, config: Option<&str>) -> Result<ByteLevelTokenizer> {
        let config = config.map(|text| ("tokenizer_config.json", text.as_bytes()));
        let (vocab, merges) = (("vocab.json", vocab.as_bytes()), ("merges.txt", merges.as_bytes()));
        ByteLevelTokenizer::from_vocab_and_merges(vocab, merges, config)
    }

    #[test]
    fn opt_puts_its_token_in_front() {
        let t = open(&vocab(), MERGES, None).unwrap();
        let encoding = t.encode("ACGT é</s>".as_bytes()).unwrap();
        let tokens: Vec<_> = encoding.ids.iter().map(|&id| t.token(id).unwrap()).collect();
        assert_eq!(tokens, ["</s>", "ACGT", "Ġ", "Ã", "©", "</s>"]);
        assert_eq!(encoding.offsets, [(0, 0), (0, 4), (4, 5), (5, 6), (6, 7), (7, 11)]);
        assert_eq!(encoding.special, [true, false, false, false, false, false]);
        assert_eq!(t.decode(&encoding.ids).unwrap(), "ACGT é".as_bytes());
        assert_eq!((t.cls_id(), t.sep_id(), t.pad_id(), t.unk_id()), (Some(2), Some(2), 1, 2));
        assert_eq!(t.encode(b"AC\xff").unwrap_err().position(), Some(2));
    }

    #[test]
    fn a_config_says_what_goes_in_front() {
        let ids = |config: &str| open(&vocab(), MERGES, Some(config)).unwrap().encode(b"").unwrap().ids;
        assert_eq!(ids(r#"{"add_bos_token": false}"#), [0u32; 0]);
        assert_eq!(ids(r#"{"add_bos_token": true, "bos_token": {"content": "<s>"}}"#), [0]);
        assert_eq!(ids(r#"{"tokenizer_class": "RobertaTokenizer", "bos_token": "<s>", "eos_token": "</s>"}"#), [0, 2]);
        let error = |config: &str| open(&vocab(), MERGES, Some(config)).unwrap_err().to_string();
        let expected = "tokenizer_config.json: bos_token is \"<bos>\", which vocab.json does not have";
        assert_eq!(error(r#"{"bos_token": "<bos>"}"#), expected);
        assert!(error("{").starts_with("tokenizer_config.json:1: "));
    }

    #[test]
    fn what_is_wrong_is_told_with_file_and_line() {
        let check = |vocab: &str, merges: &str, expected: &str| {
            let error = open(vocab, merges, None).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains('\n'), "{error}");
        };
        check(
            "{\n\"A\": 0,\n\"C\": 0}",
            "",
            "vocab.json:3: this is no vocabulary: \"C\" has the id 0, which \"A\" has",
        );
        check("{\n\"A\": 0,\n\"A\": 1}", "", "vocab.json:3: this is no vocabulary: \"A\" is there twice");
        check("{\"A\": -1}", "", "vocab.json:1: ");
        check("{\"A\": 0} x", "", "vocab.json:1: ");
        check("{\"A\": 5}", "", "vocab.json: the ids of the vocabulary have gaps or repeats");
        check(&vocab(), "A C\nA X\n", "merges.txt:2: \"AX\" is not in the vocabulary");
        check(&vocab(), "A C\nA C\n", "merges.txt:2: the merge of line 1 is there again");
        check(&vocab(), "A C\n\nG T\n", "merges.txt:2: expected two tokens");
        check(&vocab(), "A C G\n", "merges.txt:1: expected two tokens");
        let bytes = ByteLevelTokenizer::from_merges("m", b"A C\n\xff").unwrap_err();
        assert_eq!(bytes.to_string(), "m:2: expected UTF-8 text");
        let order = ByteLevelTokenizer::from_merges("m", b"A C\nCC A\n").unwrap_err();
        assert_eq!(order.to_string(), "m:2: \"CC\" is not made by an earlier line");
        assert!(open(&vocab(), &MERGES.replace('\n', "\r\n"), None).is_ok());
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(text in "\\PC{0,60}|[ACGTN \\n]{0,200}") {
            let t = ByteLevelTokenizer::from_merges("m", MERGES.as_bytes()).unwrap();
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
        fn any_bytes_never_panic(
            vocab in proptest::collection::vec(any::<u8>(), 0..60),
            merges in proptest::collection::vec(any::<u8>(), 0..60),
            seq in proptest::collection::vec(any::<u8>(), 0..60),
        ) {
            let _ = ByteLevelTokenizer::from_vocab_and_merges(("v", &vocab), ("m", &merges), Some(("c", &merges)));
            let _ = ByteLevelTokenizer::from_bytes("t", &vocab);
            if let Ok(t) = ByteLevelTokenizer::from_merges("m", &merges) {
                let _ = t.encode(&seq);
            }
        }

        #[test]
        fn damaged_files_never_panic(at in 0usize..10_000, byte in any::<u8>(), seq in "[ACGT </s>pad]{0,20}") {
            let (mut vocab, mut merges) = (vocab().into_bytes(), MERGES.as_bytes().to_vec());
            let at = at % (vocab.len() + merges.len());
            match at.checked_sub(vocab.len()) {
                Some(at) => merges[at] = byte,
                None => vocab[at] = byte,
            }
            if let Ok(t) = ByteLevelTokenizer::from_vocab_and_merges(("v", &vocab), ("m", &merges), None) {
                let _ = t.encode(seq.as_bytes());
            }
        }
    }
}
