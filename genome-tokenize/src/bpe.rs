//! Byte pair encoding from a Hugging Face `tokenizer.json`: DNABERT-2 (Zhou et al., ICLR 2024).
//!
//! Upstream: `tokenizer.json` of zhihan1996/DNABERT-2-117M, run by the `tokenizers` crate. Known differences: with
//! [`Case::Upper`] lower-case letters are read as upper-case and `U` as `T` (upstream makes each an `[UNK]`), every
//! ambiguity code is one `[UNK]`, and bytes that are no nucleotides are errors. [`Case::Original`] gives upstream's ids.

use std::path::Path;

use serde_json::Value;

use crate::case::{Ambiguity, Case, check_letters, normal_letter, normalise};
use crate::dna_bpe::{DnaBpe, is_base};
use crate::error::{Error, Result};
use crate::max_len::MaxLen;
use crate::tokenizer::{Encoding, Tokenizer};
use crate::tokenizer_json::{Frame, TokenizerJson, Vocab, read_file};

/// A tokenizer read from a `tokenizer.json`.
///
/// Our own engine is fastest with up to 16,384 tokens: for more than that it keeps no table of pairs, and walks the tokens of
/// each pair instead.
///
/// ```
/// use genome_tokenize::{BpeTokenizer, BpeTraining, Tokenizer, train_bpe};
///
/// // A toy vocabulary in DNABERT-2's layout; the real one: BpeTokenizer::from_file("DNABERT-2-117M/tokenizer.json")?.
/// let toy = train_bpe(BpeTraining { vocab_size: 12, ..BpeTraining::default() }, ["TATATACGTA", "CCGTANCGTA"])?;
/// let tokenizer = BpeTokenizer::from_bytes("tokenizer.json", toy.json().as_bytes())?;
/// let encoding = tokenizer.encode(b"acgtaNTA")?;
/// assert_eq!(encoding.ids, [1, 5, 11, 0, 9, 2]); // [CLS] A CGTA [UNK] TA [SEP]
/// assert_eq!(encoding.offsets, [(0, 0), (0, 1), (1, 5), (5, 6), (6, 8), (8, 8)]);
/// assert_eq!(tokenizer.decode(&encoding.ids)?, b"ACGTANTA");
/// # Ok::<(), genome_tokenize::Error>(())
/// ```
#[derive(Clone)]
pub struct BpeTokenizer {
    /// The original: what the file says, and the oracle of the fast engine.
    inner: tokenizers::Tokenizer,
    /// Our engine, where the vocabulary has the properties that it needs.
    fast: Option<FastDna>,
    case: Case,
    ambiguity: Ambiguity,
    max_len: MaxLen,
    vocab: Vocab,
    special: Special,
    frame: Frame,
}

#[derive(Debug, Clone, Copy)]
struct Special {
    pad: u32,
    unk: u32,
    mask: Option<u32>,
    cls: Option<u32>,
    sep: Option<u32>,
}

impl BpeTokenizer {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// The file is not there or is no `tokenizer.json` with `[PAD]` and `[UNK]`.
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
        let (inner, vocab) = json.build()?;
        let fast = FastDna::new(&json);
        let needed = |token: &str| {
            vocab.id(token).ok_or_else(|| Error::broken(path, None, format!("the vocabulary has no {token}")))
        };
        let special = Special {
            pad: needed("[PAD]")?,
            unk: needed("[UNK]")?,
            mask: vocab.id("[MASK]"),
            cls: vocab.id("[CLS]"),
            sep: vocab.id("[SEP]"),
        };
        Ok(Self {
            inner,
            fast,
            case: Case::default(),
            ambiguity: Ambiguity::default(),
            max_len: MaxLen::Unlimited,
            vocab,
            special,
            frame: json.frame,
        })
    }

    /// Chooses what is done with lower-case letters; [`Case::Upper`] without this.
    pub fn with_case(mut self, case: Case) -> Self {
        self.case = case;
        self
    }

    /// What is done with lower-case letters.
    pub fn case(&self) -> Case {
        self.case
    }

    /// Chooses what is done with `N` and other ambiguity codes; [`Ambiguity::Unknown`] without this. With
    /// [`Case::Original`] they are unknown in any case.
    ///
    /// ```
    /// use genome_tokenize::{Ambiguity, BpeTraining, Tokenizer, train_bpe};
    ///
    /// let toy = train_bpe(BpeTraining { vocab_size: 12, ..BpeTraining::default() }, ["TATATACGTA"])?;
    /// let strict = toy.tokenizer().clone().with_ambiguity(Ambiguity::Error);
    /// assert_eq!(strict.encode(b"ACGN").unwrap_err().to_string(), "letter 4: expected A, C, G, T or U, found 'N'");
    /// # Ok::<(), genome_tokenize::Error>(())
    /// ```
    pub fn with_ambiguity(mut self, ambiguity: Ambiguity) -> Self {
        self.ambiguity = ambiguity;
        self
    }

    /// Says how many tokens the model reads; a `tokenizer.json` does not. [`bpe_family`](crate::bpe_family) takes it from the
    /// `tokenizer_config.json` beside the file.
    pub fn with_max_len(mut self, max_len: MaxLen) -> Self {
        self.max_len = max_len;
        self
    }

    /// Gives up our own engine for the `tokenizers` crate, which is many times slower. For comparisons.
    pub fn with_reference_engine(mut self) -> Self {
        self.fast = None;
        self
    }

    /// Whether our own engine runs this vocabulary; else it is the `tokenizers` crate.
    pub fn is_fast(&self) -> bool {
        self.fast.is_some()
    }

    fn encode_as_upstream(&self, text: &[u8], encoding: &mut Encoding) -> Result<()> {
        let text = std::str::from_utf8(text).map_err(|e| Error::NotText { position: e.valid_up_to() })?;
        let encoded = self
            .inner
            .encode(text, false)
            .map_err(|e| Error::broken("tokenizer.json", None, format!("the tokenizer failed: {e}")))?;
        encoding.push(encoded.get_ids(), encoded.get_offsets().iter().copied(), false);
        Ok(())
    }
}

/// [`DnaBpe`] with what surrounds it in a `tokenizer.json`: letters outside `ACGT`, and blanks, which divide words.
#[derive(Debug, Clone)]
struct FastDna {
    engine: DnaBpe,
    /// What each byte is, as it stands ([`Case::Original`]) and with [`Case::Upper`].
    original: [Class; 256],
    upper: [Class; 256],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Base,
    /// A letter that takes part in no merge, by its id.
    Other(u32),
    Blank,
    Refused,
}

impl FastDna {
    /// `None` where the file asks for something that this engine does not do: then the `tokenizers` crate runs it.
    fn new(TokenizerJson { json, merges, .. }: &TokenizerJson) -> Option<Self> {
        let model = &json["model"];
        let unset =
            |key: &str| matches!(&model[key], Value::Null | Value::Bool(false)) || model[key].as_str() == Some("");
        let plain = model["type"] == "BPE"
            && json["normalizer"].is_null()
            && json["pre_tokenizer"]["type"] == "Whitespace"
            && [
                "dropout",
                "continuing_subword_prefix",
                "end_of_word_suffix",
                "fuse_unk",
                "byte_fallback",
                "ignore_merges",
            ]
            .iter()
            .all(|key| unset(key));
        // Texts of special tokens are found before anything else is done; they must have a byte that `takes` refuses.
        let added = json["added_tokens"].as_array()?;
        let hidden = |token: &Value| token["content"].as_str().is_some_and(|t| !takes(t.as_bytes()));
        if !plain || !added.iter().all(hidden) {
            return None;
        }
        let vocab = model["vocab"].as_object()?;
        let id = |text: &str| vocab.get(text)?.as_u64().and_then(|id| u32::try_from(id).ok());
        let unk = id(model["unk_token"].as_str()?)?;
        let alone = |byte: u8| Class::Other(id(char::from(byte).encode_utf8(&mut [0; 4])).unwrap_or(unk));
        let original = std::array::from_fn(|byte| match byte as u8 {
            byte if is_base(byte) => Class::Base,
            byte if byte.is_ascii_alphabetic() => alone(byte),
            byte if byte.is_ascii_whitespace() => Class::Blank,
            _ => Class::Refused,
        });
        let upper = std::array::from_fn(|byte| match normal_letter(byte as u8) {
            Some(letter) => original[usize::from(letter)],
            None => Class::Refused,
        });
        Some(Self { engine: DnaBpe::new(merges, id).ok()?, original, upper })
    }

    /// Appends the tokens, or gives the position of the first byte that is refused.
    fn encode(&self, text: &[u8], case: Case, encoding: &mut Encoding) -> std::result::Result<(), usize> {
        let classes = if case == Case::Original { &self.original } else { &self.upper };
        let class = |byte: u8| classes[usize::from(byte)];
        let Encoding { ids, offsets, special, .. } = encoding;
        // DNA has four to five letters in a token; what has fewer grows.
        ids.reserve(text.len() / 4 + 8);
        offsets.reserve(text.len() / 4 + 8);
        let mut at = 0;
        while at < text.len() {
            let rest = &text[at..];
            let run = rest.iter().position(|&b| class(b) != Class::Base).unwrap_or(rest.len());
            self.engine.encode(&rest[..run], at, ids, offsets);
            at += run;
            let Some(&byte) = text.get(at) else { break };
            match class(byte) {
                Class::Other(id) => {
                    ids.push(id);
                    offsets.push((at, at + 1));
                }
                Class::Refused => return Err(at),
                Class::Base | Class::Blank => {}
            }
            at += 1;
        }
        special.resize(ids.len(), false);
        Ok(())
    }
}

/// Whether the text holds ASCII letters and blanks alone. Everything else goes the long way.
fn takes(text: &[u8]) -> bool {
    text.iter().fold(true, |all, b| all & (b.is_ascii_alphabetic() | b.is_ascii_whitespace()))
}

impl Tokenizer for BpeTokenizer {
    fn encode(&self, seq: &[u8]) -> Result<Encoding> {
        if self.case == Case::Upper && self.ambiguity == Ambiguity::Error {
            check_letters(seq, 0, self.ambiguity)?;
        }
        self.frame.around(seq.len(), |encoding| match (&self.fast, self.case) {
            (Some(fast), Case::Upper) => fast
                .encode(seq, Case::Upper, encoding)
                .map_err(|position| Error::UnknownLetter { position, found: seq[position] }),
            (Some(fast), Case::Original) if takes(seq) => {
                fast.encode(seq, Case::Original, encoding).map_err(|position| Error::NotText { position })
            }
            (_, Case::Original) => self.encode_as_upstream(seq, encoding),
            (None, Case::Upper) => self.encode_as_upstream(&normalise(seq)?, encoding),
        })
    }

    fn encode_pair(&self, first: &[u8], second: &[u8]) -> Result<Encoding> {
        self.frame.pair(self.encode(first)?, self.encode(second)?, [first.len(), second.len()])
    }

    fn vocab_size(&self) -> usize {
        self.vocab.len()
    }

    fn max_len(&self) -> MaxLen {
        self.max_len
    }

    fn pad_id(&self) -> u32 {
        self.special.pad
    }

    fn unk_id(&self) -> u32 {
        self.special.unk
    }

    fn mask_id(&self) -> Option<u32> {
        self.special.mask
    }

    fn cls_id(&self) -> Option<u32> {
        self.special.cls
    }

    fn sep_id(&self) -> Option<u32> {
        self.special.sep
    }

    fn token(&self, id: u32) -> Option<&str> {
        self.vocab.token(id)
    }

    fn id(&self, token: &str) -> Option<u32> {
        self.vocab.id(token)
    }

    fn decode(&self, ids: &[u32]) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        let Special { pad, unk, mask, cls, sep } = self.special;
        for (position, &id) in ids.iter().enumerate() {
            let vocab_size = self.vocab_size();
            let token = self.token(id).ok_or(Error::UnknownId { position, id, vocab_size })?;
            if id == unk || Some(id) == mask {
                out.push(b'N');
            } else if id != pad && Some(id) != cls && Some(id) != sep {
                out.extend_from_slice(token.as_bytes());
            }
        }
        Ok(out)
    }
}

impl std::fmt::Debug for BpeTokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BpeTokenizer")
            .field("vocab_size", &self.vocab_size())
            .field("case", &self.case)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;
    use sample::JSON;

    /// A tokenizer in DNABERT-2's layout with six letters and three merges.
    pub(crate) mod sample {
        pub(crate) const JSON: &str = r#"{"version":"1.0","truncation":{"max_length":4,"strategy":"LongestFirst","stride":0,
        "direction":"Right"},"padding":null,
        "added_tokens":[
          {"id":0,"content":"[UNK]","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true},
          {"id":1,"content":"[CLS]","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true},
          {"id":2,"content":"[SEP]","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true},
          {"id":3,"content":"[PAD]","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true},
          {"id":4,"content":"[MASK]","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}],
        "normalizer":null,"pre_tokenizer":{"type":"Whitespace"},"decoder":null,
        "post_processor":{"type":"TemplateProcessing",
          "single":[{"SpecialToken":{"id":"[CLS]","type_id":0}},{"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"[SEP]","type_id":0}}],
          "pair":[{"Sequence":{"id":"A","type_id":0}},{"Sequence":{"id":"B","type_id":1}}],
          "special_tokens":{"[CLS]":{"id":"[CLS]","ids":[1],"tokens":["[CLS]"]},"[SEP]":{"id":"[SEP]","ids":[2],"tokens":["[SEP]"]}}},
        "model":{"type":"BPE","dropout":null,"unk_token":"[UNK]","continuing_subword_prefix":null,"end_of_word_suffix":null,"fuse_unk":false,
          "vocab":{"[UNK]":0,"[CLS]":1,"[SEP]":2,"[PAD]":3,"[MASK]":4,"A":5,"C":6,"G":7,"T":8,"TA":9,"CG":10,"CGTA":11},
          "merges":["T A","C G","CG TA"]}}"#;
    }

    fn tokenizer() -> BpeTokenizer {
        BpeTokenizer::from_bytes("t.json", JSON.as_bytes()).unwrap()
    }

    #[test]
    fn letters_merge_and_offsets_count_bases() {
        let encoding = tokenizer().encode(b"ACGTANtau").unwrap();
        assert_eq!(encoding.ids, [1, 5, 11, 0, 9, 8, 2]);
        assert_eq!(encoding.offsets, [(0, 0), (0, 1), (1, 5), (5, 6), (6, 8), (8, 9), (9, 9)]);
        assert_eq!(encoding.special, [true, false, false, false, false, false, true]);
        let empty = tokenizer().encode(b"").unwrap();
        assert_eq!((empty.ids, empty.offsets), (vec![1, 2], vec![(0, 0), (0, 0)]));
    }

    #[test]
    fn case_is_a_choice() {
        let original = tokenizer().with_case(Case::Original);
        assert_eq!(original.encode(b"TAta").unwrap().ids, [1, 9, 0, 0, 2]);
        assert_eq!(original.encode(b"TA[MASK]TA").unwrap().ids, [1, 9, 4, 9, 2]);
        assert_eq!(original.encode(b"TA\xff").unwrap_err().position(), Some(2));
        assert_eq!(tokenizer().encode(b"TA[MASK]").unwrap_err().position(), Some(2));
        assert_eq!(tokenizer().encode(b"rYn").unwrap().ids, [1, 0, 0, 0, 2]);
    }

    #[test]
    fn tokens_and_decoding() {
        let t = tokenizer();
        assert_eq!((t.vocab_size(), t.token(11), t.id("CGTA"), t.token(12)), (12, Some("CGTA"), Some(11), None));
        assert_eq!((t.pad_id(), t.unk_id(), t.mask_id(), t.cls_id(), t.sep_id()), (3, 0, Some(4), Some(1), Some(2)));
        assert_eq!(t.decode(&[1, 5, 11, 0, 4, 2, 3]).unwrap(), b"ACGTANN");
        assert_eq!(t.decode(&[12]).unwrap_err().to_string(), "token 1: expected an id below 12, found 12");
    }

    #[test]
    fn truncation_is_in_tokens() {
        let cut = tokenizer().encode_truncated(b"ACGTAT", 4).unwrap();
        assert_eq!((cut.encoding.ids, cut.covered), (vec![1, 5, 11, 2], 5));
    }

    #[test]
    fn broken_files_are_told_in_one_line() {
        let check = |json: &str, part: &str| {
            let error = BpeTokenizer::from_bytes("t.json", json.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with("t.json:") && error.contains(part) && !error.contains('\n'), "{error}");
        };
        check("", "no tokenizer.json that can be used");
        check("{\n\"model\": 3}", "no tokenizer.json that can be used");
        check("{\n\"model\": ", "t.json:2: ");
        check(&JSON[..JSON.len() / 2], "no tokenizer.json that can be used");
        check(&JSON.replace("\"TA\":9", "\"TA\":90"), "gaps or repeats");
        check(&JSON.replace("[PAD]", "[pad]"), "the vocabulary has no [PAD]");
        check(&JSON.replace("TemplateProcessing", "Other"), "the post-processor Other is not supported");
        check(&JSON.replace("\"ids\":[2]", "\"ids\":[99]"), "the post-processor adds token 99");
        check(&JSON.replace("{\"[CLS]\":{", "{\"[CLS ]\":{"), "adds [CLS] but does not say its id");
        check(&JSON.replace("\"T A\"", "\"T X\""), "merge 1: \"X\" is not in the vocabulary");
        check(&JSON.replace("\"T A\"", "\"CGTA CGTA\""), "merge 1: \"CGTACGTA\" is not in the vocabulary");
        check(&JSON.replace("\"id\":4", "\"id\":5"), "the added token \"[MASK]\" has the id 5: expected 4");
        check(
            &JSON.replace("subword_prefix\":null", "subword_prefix\":\"##\""),
            "continuing_subword_prefix \"##\" is not supported",
        );
        let error = BpeTokenizer::from_file("no/such/tokenizer.json").unwrap_err();
        assert!(error.to_string().starts_with("no/such/tokenizer.json: "), "{error}");
    }

    #[test]
    fn the_engine_is_chosen_by_the_file() {
        let fast = |json: &str| BpeTokenizer::from_bytes("t.json", json.as_bytes()).unwrap().is_fast();
        assert!(fast(JSON));
        assert!(!fast(&JSON.replace("\"fuse_unk\":false", "\"fuse_unk\":true")));
        assert!(!fast(&JSON.replace("\"dropout\":null", "\"dropout\":0.1")));
        assert!(!fast(&JSON.replace("\"CG TA\"", "\"CG TA\",\"C G\"")));
        assert!(!fast(&JSON.replace("[MASK]", "MASK")));
        assert!(fast(
            &JSON
                .replace("\"CG TA\"", "[\"CG\",\"TA\"]")
                .replace("\"T A\"", "[\"T\",\"A\"]")
                .replace("\"C G\"", "[\"C\",\"G\"]")
        ));
    }

    proptest! {
        #[test]
        fn both_engines_agree(text in "[ACGTNacgtn \t\r\nRYU_.é\\[\\]MASK]{0,120}|[ACGT]{0,300}|(TA|CG){0,80}") {
            for case in [Case::Original, Case::Upper] {
                let fast = tokenizer().with_case(case);
                let reference = tokenizer().with_case(case).with_reference_engine();
                match (fast.encode(text.as_bytes()), reference.encode(text.as_bytes())) {
                    (Ok(fast), Ok(reference)) => prop_assert_eq!(fast, reference),
                    (fast, reference) => prop_assert_eq!(fast.is_err(), reference.is_err()),
                }
            }
        }

        #[test]
        fn tokens_cover_the_letters_without_gaps(seq in "[ACGTNacgtnURY]{0,80}") {
            let t = tokenizer();
            let encoding = t.encode(seq.as_bytes()).unwrap();
            let mut at = 0;
            for &(start, end) in &encoding.offsets {
                prop_assert_eq!(start, at);
                at = end;
            }
            prop_assert_eq!(at, seq.len());
            let plain = normalise(seq.as_bytes()).unwrap();
            prop_assert_eq!(t.decode(&encoding.ids).unwrap(), plain);
        }

        #[test]
        fn any_bytes_never_panic(seq in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = tokenizer().encode(&seq);
            let _ = tokenizer().with_case(Case::Original).encode(&seq);
        }

        #[test]
        fn damaged_json_never_panics(at in 0usize..2000, byte in any::<u8>()) {
            let mut json = JSON.as_bytes().to_vec();
            let at = at % json.len();
            json[at] = byte;
            if let Ok(t) = BpeTokenizer::from_bytes("t.json", &json) {
                let _ = t.encode(b"ACGTANacgt");
            }
        }
    }
}
