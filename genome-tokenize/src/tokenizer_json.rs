//! What every tokenizer out of a `tokenizer.json` needs: the file checked before the `tokenizers` crate sees it, the
//! vocabulary both ways, and the special tokens around a sequence.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use serde_json::Value;

use crate::error::{Error, Result};
use crate::tokenizer::Encoding;

/// A `tokenizer.json` with a BPE model that holds together.
#[derive(Debug, Clone)]
pub(crate) struct TokenizerJson {
    path: String,
    pub(crate) json: Value,
    pub(crate) frame: Frame,
    pub(crate) merges: Vec<(String, String)>,
}

/// The special tokens that the file's post-processor puts around a sequence.
///
/// We add them ourselves: the crate panics when a template names a token that its own list lacks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) before: Vec<u32>,
    pub(crate) after: Vec<u32>,
    /// What two sequences become, if the file says so.
    pub(crate) pair: Option<Vec<Piece>>,
}

/// A part of the template for two sequences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    part: Part,
    type_id: u8,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    First,
    Second,
    Special(Vec<u32>),
}

/// A vocabulary: ids `0..n` and their texts.
#[derive(Debug, Clone)]
pub(crate) struct Vocab {
    tokens: Vec<String>,
    ids: HashMap<String, u32>,
    /// Tokens that are found in a text before anything else is done; of these, those that decoding leaves out.
    added: HashSet<u32>,
    special: HashSet<u32>,
}

/// The bytes of a file and its name for errors.
pub(crate) fn read_file(path: &Path) -> Result<(String, Vec<u8>)> {
    let name = path.display().to_string();
    match std::fs::read(path) {
        Ok(bytes) => Ok((name, bytes)),
        Err(source) => Err(Error::Io { path: name, source }),
    }
}

impl TokenizerJson {
    /// Parses and checks what the `tokenizers` crate takes on trust: some of it makes the crate panic.
    pub(crate) fn parse(path: &str, bytes: &[u8]) -> Result<Self> {
        let json = serde_json::from_slice(bytes).map_err(|e| {
            Error::broken(path, Some(e.line().max(1)), format!("this is no tokenizer.json that can be used: {e}"))
        })?;
        Self::from_value(path, json)
    }

    pub(crate) fn from_value(path: &str, mut json: Value) -> Result<Self> {
        let broken = |problem: String| Error::broken(path, None, problem);
        let frame = frame(&json["post_processor"], 0).map_err(broken)?;
        // A length limit or padding would change the answer behind the caller's back; decoding is done here.
        for part in ["post_processor", "decoder", "truncation", "padding"] {
            if let Some(part) = json.get_mut(part) {
                *part = Value::Null;
            }
        }
        let merges = checked_merges(&json["model"]).map_err(broken)?;
        Ok(Self { path: path.to_owned(), json, frame, merges })
    }

    /// The crate's tokenizer, and the vocabulary with the added tokens.
    pub(crate) fn build(&self) -> Result<(tokenizers::Tokenizer, Vocab)> {
        let broken = |problem: String| Error::broken(&self.path, None, problem);
        let inner = tokenizers::Tokenizer::from_bytes(self.json.to_string())
            .map_err(|e| broken(format!("this is no tokenizer.json that can be used: {e}")))?;
        let ids: HashMap<String, u32> = inner.get_vocab(true).into_iter().collect();
        let tokens =
            tokens_by_id(&ids).ok_or_else(|| broken("the ids of the vocabulary have gaps or repeats".into()))?;
        let (mut added, mut special) = (HashSet::new(), HashSet::new());
        for token in self.json["added_tokens"].as_array().into_iter().flatten() {
            let content = token["content"].as_str().unwrap_or_default();
            let id = ids.get(content).copied();
            if id.is_none() || token["id"].as_u64() != id.map(u64::from) {
                let found = &token["id"];
                let expected = id.map_or("none".to_owned(), |id| id.to_string());
                return Err(broken(format!("the added token {content:?} has the id {found}: expected {expected}")));
            }
            added.extend(id);
            if token["special"] == Value::Bool(true) {
                special.extend(id);
            }
        }
        if let Some(id) = self.frame.ids().find(|&&id| id as usize >= tokens.len()) {
            return Err(broken(format!("the post-processor adds token {id}, which the vocabulary does not have")));
        }
        Ok((inner, Vocab { tokens, ids, added, special }))
    }
}

impl Frame {
    /// Puts the frame around what `encode` appends.
    pub(crate) fn around(&self, length: usize, encode: impl FnOnce(&mut Encoding) -> Result<()>) -> Result<Encoding> {
        let mut encoding = Encoding::default();
        encoding.push(&self.before, std::iter::repeat((0, 0)), true);
        encode(&mut encoding)?;
        encoding.push(&self.after, std::iter::repeat((length, length)), true);
        Ok(encoding)
    }

    /// Puts the frame around each of two sequences, one behind the other, as GPT-2's and LLaMA's tokenizers do.
    pub(crate) fn twice(mut self) -> Self {
        let special = |ids: &[u32]| Piece { part: Part::Special(ids.to_vec()), type_id: 0 };
        let pieces = [Part::First, Part::Second]
            .into_iter()
            .flat_map(|part| [special(&self.before), Piece { part, type_id: 0 }, special(&self.after)]);
        self.pair = Some(pieces.collect());
        self
    }

    /// Two sequences in the template, from their encodings in this frame; `lengths` are theirs.
    pub(crate) fn pair(&self, first: Encoding, second: Encoding, lengths: [usize; 2]) -> Result<Encoding> {
        let Some(pieces) = &self.pair else {
            return Err(Error::NoPairs { why: "the tokenizer has no template for pairs" });
        };
        let mut encoding = Encoding::default();
        let mut at = 0;
        for Piece { part, type_id } in pieces {
            let from = encoding.len();
            match part {
                Part::Special(ids) => encoding.push(ids, std::iter::repeat((at, at)), true),
                Part::First | Part::Second => {
                    let (sequence, shift) = if *part == Part::First { (&first, 0) } else { (&second, lengths[0]) };
                    let inner = self.before.len()..sequence.len() - self.after.len();
                    let offsets = sequence.offsets[inner.clone()].iter();
                    let offsets = offsets.map(|&(start, end)| (start + shift, end + shift));
                    encoding.push(&sequence.ids[inner], offsets, false);
                    at = if *part == Part::First { lengths[0] } else { lengths[0] + lengths[1] };
                }
            }
            encoding.type_ids[from..].fill(*type_id);
        }
        Ok(encoding)
    }

    /// All special tokens.
    fn ids(&self) -> impl Iterator<Item = &u32> {
        let special = self.pair.iter().flatten().flat_map(|piece| match &piece.part {
            Part::Special(ids) => &ids[..],
            Part::First | Part::Second => &[],
        });
        self.before.iter().chain(&self.after).chain(special)
    }
}

impl Vocab {
    pub(crate) fn len(&self) -> usize {
        self.tokens.len()
    }

    pub(crate) fn token(&self, id: u32) -> Option<&str> {
        self.tokens.get(usize::try_from(id).ok()?).map(String::as_str)
    }

    pub(crate) fn id(&self, token: &str) -> Option<u32> {
        self.ids.get(token).copied()
    }

    pub(crate) fn first_of(&self, tokens: &[&str]) -> Option<u32> {
        tokens.iter().find_map(|token| self.id(token))
    }

    pub(crate) fn is_added(&self, id: u32) -> bool {
        self.added.contains(&id)
    }

    pub(crate) fn is_special(&self, id: u32) -> bool {
        self.special.contains(&id)
    }
}

/// The merges of a BPE model, each with both parts and its product in the vocabulary.
fn checked_merges(model: &Value) -> std::result::Result<Vec<(String, String)>, String> {
    let no_bpe = || "this is no tokenizer.json that can be used: expected a BPE model".to_owned();
    let kind = &model["type"];
    if !kind.is_null() && kind != "BPE" {
        return Err(format!("the model is {kind}: expected \"BPE\""));
    }
    let vocab = model["vocab"].as_object().ok_or_else(no_bpe)?;
    let merges = model["merges"].as_array().ok_or_else(no_bpe)?;
    for affix in ["continuing_subword_prefix", "end_of_word_suffix"] {
        if !matches!(&model[affix], Value::Null) && model[affix] != "" {
            return Err(format!("{affix} {} is not supported: expected none", model[affix]));
        }
    }
    let checked = merges.iter().zip(1..).map(|(merge, n)| {
        let (left, right) = parts(merge).ok_or_else(|| format!("merge {n}: expected two parts, found {merge}"))?;
        let product = [&left[..], &right].concat();
        for text in [&left, &right, &product] {
            if !vocab.contains_key(text) {
                return Err(format!("merge {n}: {text:?} is not in the vocabulary"));
            }
        }
        Ok((left, right))
    });
    checked.collect()
}

/// A merge: `"A C"`, or `["A", "C"]` in newer files.
fn parts(merge: &Value) -> Option<(String, String)> {
    let (left, right) = match merge {
        Value::String(text) => text.split_once(' ')?,
        Value::Array(pair) => match &pair[..] {
            [Value::String(left), Value::String(right)] => (&left[..], &right[..]),
            _ => return None,
        },
        _ => return None,
    };
    (!left.is_empty() && !right.is_empty()).then(|| (left.to_owned(), right.to_owned()))
}

/// Reads the post-processor of a `tokenizer.json`; `depth` bounds how deep sequences of them may be.
fn frame(processor: &Value, depth: usize) -> std::result::Result<Frame, String> {
    let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
    match processor["type"].as_str() {
        // ByteLevel only trims the blanks off the offsets.
        None | Some("ByteLevel") => Ok(Frame::default()),
        Some("TemplateProcessing") => {
            let mut frame = Frame::default();
            let mut sequences = 0;
            for piece in processor["single"].as_array().into_iter().flatten() {
                let Some(name) = piece["SpecialToken"]["id"].as_str() else {
                    sequences += 1;
                    continue;
                };
                let ids = processor["special_tokens"][name]["ids"].as_array();
                let ids = ids.and_then(|ids| ids.iter().map(id).collect::<Option<Vec<u32>>>());
                let ids = ids.ok_or_else(|| format!("the post-processor adds {name} but does not say its id"))?;
                if sequences == 0 { &mut frame.before } else { &mut frame.after }.extend(ids);
            }
            if sequences != 1 {
                return Err(format!("the post-processor takes the sequence {sequences} times: expected once"));
            }
            frame.pair = template(processor);
            Ok(frame)
        }
        Some("BertProcessing" | "RobertaProcessing") => {
            let token = |name: &str| id(&processor[name][1]).ok_or_else(|| format!("the post-processor has no {name}"));
            let (before, after) = (vec![token("cls")?], vec![token("sep")?]);
            let special = |ids: &[u32], type_id| Piece { part: Part::Special(ids.to_vec()), type_id };
            // RoBERTa puts two end tokens between the sequences, and has one type.
            let is_bert = processor["type"] == "BertProcessing";
            let second = u8::from(is_bert);
            let mut pair = vec![special(&before, 0), Piece { part: Part::First, type_id: 0 }, special(&after, 0)];
            if !is_bert {
                pair.push(special(&after, 0));
            }
            pair.extend([Piece { part: Part::Second, type_id: second }, special(&after, second)]);
            Ok(Frame { before, after, pair: Some(pair) })
        }
        Some("Sequence") if depth == 0 => {
            let mut frame_of_all = Frame::default();
            for processor in processor["processors"].as_array().into_iter().flatten() {
                let Frame { mut before, after, pair } = frame(processor, depth + 1)?;
                // Templates inside each other are told apart for single sequences only.
                frame_of_all.pair = if frame_of_all.ids().next().is_none() { pair } else { None };
                before.append(&mut frame_of_all.before);
                frame_of_all.before = before;
                frame_of_all.after.extend(after);
            }
            Ok(frame_of_all)
        }
        Some(other) => {
            Err(format!("the post-processor {other} is not supported: expected TemplateProcessing or BertProcessing"))
        }
    }
}

/// The part of a template that is for two sequences; `None` where it has none that takes each once.
fn template(processor: &Value) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    for piece in processor["pair"].as_array()? {
        let (name, sequence) = (&piece["SpecialToken"], &piece["Sequence"]);
        let (part, value) = match (name["id"].as_str(), sequence["id"].as_str()) {
            (Some(name), _) => {
                let ids = processor["special_tokens"][name]["ids"].as_array()?;
                let ids = ids.iter().map(|id| u32::try_from(id.as_u64()?).ok()).collect::<Option<_>>()?;
                (Part::Special(ids), &piece["SpecialToken"])
            }
            (None, Some("A")) => (Part::First, sequence),
            (None, Some("B")) => (Part::Second, sequence),
            _ => return None,
        };
        let type_id = u8::try_from(value["type_id"].as_u64().unwrap_or(0)).ok()?;
        pieces.push(Piece { part, type_id });
    }
    let once = |part| pieces.iter().filter(|piece| piece.part == part).count() == 1;
    (once(Part::First) && once(Part::Second)).then_some(pieces)
}

/// The texts in the order of their ids, if these are `0..n`.
fn tokens_by_id(ids: &HashMap<String, u32>) -> Option<Vec<String>> {
    let mut tokens = vec![None; ids.len()];
    for (token, &id) in ids {
        let slot = tokens.get_mut(usize::try_from(id).ok()?)?;
        if slot.replace(token.clone()).is_some() {
            return None;
        }
    }
    tokens.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn merges_are_checked_against_the_vocabulary() {
        let check = |merges: Value, expected: std::result::Result<usize, &str>| {
            let model = json!({"type": "BPE", "vocab": {"A": 0, "C": 1, "AC": 2}, "merges": merges});
            let got = checked_merges(&model).map(|m| m.len());
            assert_eq!(got, expected.map_err(str::to_owned));
        };
        check(json!(["A C"]), Ok(1));
        check(json!([["A", "C"]]), Ok(1));
        check(json!(["A C", "C A"]), Err("merge 2: \"CA\" is not in the vocabulary"));
        check(json!(["A G"]), Err("merge 1: \"G\" is not in the vocabulary"));
        check(json!(["AC"]), Err("merge 1: expected two parts, found \"AC\""));
        check(json!([["A", ""]]), Err("merge 1: expected two parts, found [\"A\",\"\"]"));
        check(json!([1]), Err("merge 1: expected two parts, found 1"));
    }

    #[test]
    fn pairs_follow_the_template() {
        let special = |id: &str, type_id: u8| json!({"SpecialToken": {"id": id, "type_id": type_id}});
        let sequence = |id: &str, type_id: u8| json!({"Sequence": {"id": id, "type_id": type_id}});
        let single = json!([special("[CLS]", 0), sequence("A", 0), special("[SEP]", 0)]);
        let names = json!({"[CLS]": {"ids": [1]}, "[SEP]": {"ids": [2]}});
        let template = |pair: Value| json!({"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": names});
        let check = |processor: Value, ids: &[u32], types: &[u8], offsets: &[(usize, usize)]| {
            let frame = frame(&processor, 0).unwrap();
            let of = |id: u32, length| {
                let push = |e: &mut Encoding| {
                    e.push(&[id], [(0, length)], false);
                    Ok(())
                };
                frame.around(length, push).unwrap()
            };
            let pair = frame.pair(of(7, 3), of(8, 4), [3, 4]).unwrap();
            assert_eq!((&pair.ids[..], &pair.type_ids[..], &pair.offsets[..]), (ids, types, offsets));
            assert!(pair.special.iter().zip(ids).all(|(special, id)| *special == (*id < 7)));
            assert_eq!(pair.attention, vec![true; ids.len()]);
        };
        let bert = [special("[CLS]", 0), sequence("A", 0), special("[SEP]", 0), sequence("B", 1), special("[SEP]", 1)];
        let spans = [(0, 0), (0, 3), (3, 3), (3, 7), (7, 7)];
        check(template(json!(bert)), &[1, 7, 2, 8, 2], &[0, 0, 0, 1, 1], &spans);
        check(
            json!({"type": "BertProcessing", "cls": ["c", 1], "sep": ["s", 2]}),
            &[1, 7, 2, 8, 2],
            &[0, 0, 0, 1, 1],
            &spans,
        );
        let spans = [(0, 0), (0, 3), (3, 3), (3, 3), (3, 7), (7, 7)];
        check(
            json!({"type": "RobertaProcessing", "cls": ["c", 1], "sep": ["s", 2]}),
            &[1, 7, 2, 2, 8, 2],
            &[0; 6],
            &spans,
        );
        check(template(json!([sequence("A", 0), sequence("B", 1)])), &[7, 8], &[0, 1], &[(0, 3), (3, 7)]);
        let nested = json!({"type": "Sequence", "processors": [{"type": "ByteLevel"}, template(json!([sequence("A", 0), sequence("B", 0)]))]});
        check(nested, &[7, 8], &[0, 0], &[(0, 3), (3, 7)]);
        for none in [json!(null), template(json!([sequence("A", 0)])), template(Value::Null)] {
            let frame = frame(&none, 0).unwrap();
            assert!(matches!(frame.pair(Encoding::default(), Encoding::default(), [0, 0]), Err(Error::NoPairs { .. })));
        }
    }

    #[test]
    fn post_processors() {
        let template = |id: u32| {
            json!({"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}],
                "special_tokens": {"<s>": {"ids": [id]}}})
        };
        let check = |processor: Value, before: &[u32], after: &[u32]| {
            let got = frame(&processor, 0).unwrap();
            assert_eq!((&got.before[..], &got.after[..]), (before, after));
        };
        check(Value::Null, &[], &[]);
        check(json!({"type": "ByteLevel"}), &[], &[]);
        check(template(7), &[7], &[]);
        check(json!({"type": "RobertaProcessing", "cls": ["<s>", 0], "sep": ["</s>", 2]}), &[0], &[2]);
        check(json!({"type": "Sequence", "processors": [{"type": "ByteLevel"}, template(7)]}), &[7], &[]);
        check(json!({"type": "Sequence", "processors": [template(1), template(2)]}), &[2, 1], &[]);
        assert!(frame(&json!({"type": "Other"}), 0).is_err());
    }
}
