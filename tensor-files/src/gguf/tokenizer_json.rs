//! A tokenizer of a GGUF file as Hugging Face's `tokenizer.json`, and back.
//!
//! Upstream: `llm_tokenizer_bpe` and `llm_tokenizer_spm` of llama.cpp for what a file means, `LlamaConverter` and
//! `generate_merges` of transformers for how pieces with scores become merges.

use super::tokenizer::is_byte;
use super::{GgufTokenizer, TokenType, TokenizerKind};
use crate::{Error, Result};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::Path;

/// GPT-2's expression without its last part, as llama.cpp has it.
const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)";
/// The expression of Llama-3's tokenizer.json.
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

fn split(regex: &str) -> Value {
    json!({"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": false})
}

fn byte_level(use_regex: bool) -> Value {
    json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": use_regex})
}

/// How a text is cut, by llama.cpp's name, and whether a piece that is a token is taken whole (`ignore_merges`).
fn pre_tokenizer(pre: &str) -> Option<(Value, bool)> {
    let sequence = |steps: Vec<Value>| json!({"type": "Sequence", "pretokenizers": steps});
    Some(match pre {
        "gpt-2" | "gpt2" => (byte_level(true), false),
        "smollm" => (sequence(vec![json!({"type": "Digits", "individual_digits": true}), byte_level(true)]), false),
        "llama-bpe" | "llama3" | "llama-v3" => (sequence(vec![split(LLAMA3), byte_level(false)]), true),
        "default" => {
            let steps = [r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"];
            (sequence(steps.into_iter().map(split).chain([byte_level(false)]).collect()), false)
        }
        _ => return None,
    })
}

impl GgufTokenizer {
    /// Writes the tokenizer as a `tokenizer.json`.
    ///
    /// # Errors
    ///
    /// `pre` is not known here, or a merge or a role names a token that is not there.
    pub fn to_tokenizer_json(&self) -> Result<Value> {
        let vocab: HashMap<&str, usize> =
            self.tokens.iter().enumerate().map(|(id, token)| (token.as_str(), id)).collect();
        let added: Vec<Value> = (0..self.tokens.len()).filter_map(|id| self.added_token(id)).collect();
        let (normalizer, pre_tokenizer, decoder, model) = match self.kind {
            TokenizerKind::Gpt2 => self.byte_level(&vocab)?,
            TokenizerKind::Llama => self.sentence_piece(&vocab),
        };
        Ok(json!({
            "version": "1.0",
            "truncation": null,
            "padding": null,
            "added_tokens": added,
            "normalizer": normalizer,
            "pre_tokenizer": pre_tokenizer,
            "post_processor": self.post_processor()?,
            "decoder": decoder,
            "model": model,
        }))
    }

    fn added_token(&self, id: usize) -> Option<Value> {
        let special = match self.token_type(id) {
            TokenType::Control | TokenType::Unknown => true,
            TokenType::UserDefined => false,
            TokenType::Normal | TokenType::Unused | TokenType::Byte => return None,
        };
        Some(json!({"id": id, "content": self.tokens[id], "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": special}))
    }

    fn byte_level(&self, vocab: &HashMap<&str, usize>) -> Result<(Value, Value, Value, Value)> {
        let pre = self.pre.as_deref().unwrap_or("default");
        let Some((pre_tokenizer, ignore_merges)) = pre_tokenizer(pre) else {
            let expected = "the pre-tokenizer default, gpt-2, smollm or llama-bpe (tokenizer.ggml.pre)";
            return Err(Error::format(Path::new("tokenizer"), expected, format!("{pre:?}")));
        };
        for (rank, (left, right)) in self.merges.iter().enumerate() {
            let product = format!("{left}{right}");
            if let Some(unknown) = [left, right, &product].into_iter().find(|text| !vocab.contains_key(text.as_str())) {
                let expected = format!("a token for each part and product of merge {rank}");
                return Err(Error::format(Path::new("tokenizer"), expected, format!("none for {unknown:?}")));
            }
        }
        let model = json!({"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": ignore_merges,
            "vocab": vocab, "merges": self.merges});
        let decoder = json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true});
        Ok((Value::Null, pre_tokenizer, decoder, model))
    }

    fn sentence_piece(&self, vocab: &HashMap<&str, usize>) -> (Value, Value, Value, Value) {
        let prefix = self.add_space_prefix.unwrap_or(true);
        let replace = json!({"type": "Replace", "pattern": {"String": " "}, "content": "▁"});
        let mut steps = vec![json!({"type": "Prepend", "prepend": "▁"})];
        steps.retain(|_| prefix);
        steps.push(replace);
        let normalizer = json!({"type": "Sequence", "normalizers": steps});
        let mut decoders = vec![
            json!({"type": "Replace", "pattern": {"String": "▁"}, "content": " "}),
            json!({"type": "ByteFallback"}),
            json!({"type": "Fuse"}),
        ];
        if prefix {
            decoders.push(json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
        }
        let unk = self.unk.and_then(|id| self.tokens.get(id as usize));
        let model = json!({"type": "BPE", "dropout": null, "unk_token": unk, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true, "ignore_merges": false,
            "vocab": vocab, "merges": self.merges_of_scores(vocab)});
        (normalizer, Value::Null, json!({"type": "Sequence", "decoders": decoders}), model)
    }

    /// All ways to make a piece of two others, best score first; among equal scores, longer left parts first, then longer
    /// right ones, then the order of ids: transformers' `generate_merges`.
    fn merges_of_scores<'a>(&'a self, vocab: &HashMap<&str, usize>) -> Vec<(&'a str, &'a str)> {
        let mut merges = Vec::new();
        for (token, &score) in self.tokens.iter().zip(&self.scores) {
            let from = merges.len();
            for (at, _) in token.char_indices().skip(1) {
                let (left, right) = token.split_at(at);
                if let (Some(&l), Some(&r)) = (vocab.get(left), vocab.get(right)) {
                    merges.push((score, left, right, (l, r)));
                }
            }
            merges[from..].sort_by_key(|merge| merge.3);
        }
        let lengths = |left: &str, right: &str| (left.chars().count(), right.chars().count());
        // Stable, as Python's sort, also where it is reversed.
        merges.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| lengths(b.1, b.2).cmp(&lengths(a.1, a.2))));
        merges.into_iter().map(|(_, left, right, _)| (left, right)).collect()
    }

    fn post_processor(&self) -> Result<Value> {
        let llama3 = matches!(self.pre.as_deref(), Some("llama-bpe" | "llama3" | "llama-v3"));
        let add_bos = self.add_bos.unwrap_or(self.kind == TokenizerKind::Llama || llama3);
        let (before, after) = (add_bos.then_some(self.bos), self.add_eos.unwrap_or(false).then_some(self.eos));
        let role = |id: Option<Option<u32>>| -> Result<Option<(u32, &str)>> {
            let Some(id) = id.flatten() else { return Ok(None) };
            let Some(token) = self.tokens.get(id as usize) else {
                let expected = format!("ids below {}", self.tokens.len());
                return Err(Error::format(Path::new("tokenizer"), expected, id.to_string()));
            };
            Ok(Some((id, token.as_str())))
        };
        let (before, after) = (role(before)?, role(after)?);
        if before.is_none() && after.is_none() {
            return Ok(match self.kind {
                TokenizerKind::Gpt2 => byte_level(true),
                TokenizerKind::Llama => Value::Null,
            });
        }
        let framed = |sequence: &str, type_id: u8| {
            let special = |role: Option<(u32, &str)>| {
                role.map(|(_, token)| json!({"SpecialToken": {"id": token, "type_id": type_id}}))
            };
            let inner = json!({"Sequence": {"id": sequence, "type_id": type_id}});
            [special(before), Some(inner), special(after)].into_iter().flatten().collect::<Vec<_>>()
        };
        let special: serde_json::Map<String, Value> = [before, after]
            .into_iter()
            .flatten()
            .map(|(id, token)| (token.to_owned(), json!({"id": token, "ids": [id], "tokens": [token]})))
            .collect();
        let pair = [framed("A", 0), framed("B", 1)].concat();
        Ok(json!({"type": "TemplateProcessing", "single": framed("A", 0), "pair": pair, "special_tokens": special}))
    }

    /// Reads a `tokenizer.json` of byte-level BPE or of SentencePiece's BPE, so that it can be written into a GGUF file.
    /// `config` is the model's config.json, which names the tokens with a role.
    ///
    /// Merges become scores: a piece that an earlier merge makes has a higher one.
    ///
    /// # Errors
    ///
    /// It is of another kind, cuts texts in a way that llama.cpp has no name for, or its ids have gaps.
    pub fn from_tokenizer_json(json: &Value, config: &Value) -> Result<Self> {
        let path = Path::new("tokenizer.json");
        let wrong = |expected: &str, found: String| Error::format(path, expected, found);
        let model = &json["model"];
        let Some(vocab) = model["vocab"].as_object().filter(|_| model["type"] == "BPE" || model["type"].is_null())
        else {
            return Err(wrong("a BPE model", format!("the model {}", model["type"])));
        };
        let added = json["added_tokens"].as_array().map_or(&[][..], Vec::as_slice);
        let mut ids: HashMap<u64, &str> = HashMap::new();
        let all = vocab.iter().map(|(token, id)| (token.as_str(), id));
        for (token, id) in all.chain(added.iter().map(|t| (t["content"].as_str().unwrap_or_default(), &t["id"]))) {
            let Some(id) = id.as_u64() else { return Err(wrong("ids", format!("{id} for {token:?}"))) };
            if let Some(other) = ids.insert(id, token).filter(|&other| other != token) {
                return Err(wrong("one token an id", format!("{other:?} and {token:?} for {id}")));
            }
        }
        // Models have more rows than their tokenizer has tokens; llama.cpp's converter names the rest like this.
        let rows = config["vocab_size"].as_u64().unwrap_or(0).min(10 * ids.len() as u64 + 100_000);
        let count = ids.keys().max().map_or(0, |most| most.saturating_add(1));
        if count > ids.len() as u64 + 10_000 {
            return Err(wrong("ids without large gaps", format!("{} tokens and the id {}", ids.len(), count - 1)));
        }
        let unused = |id: u64| ids.get(&id).map_or_else(|| format!("[PAD{id}]"), |token| (*token).to_owned());
        let tokens: Vec<String> = (0..count.max(rows)).map(unused).collect();
        let special =
            |token: &str| added.iter().find(|t| t["content"] == token).map(|t| t["special"] == Value::Bool(true));
        let is_llama = model["byte_fallback"] == Value::Bool(true);
        let kind = if is_llama { TokenizerKind::Llama } else { TokenizerKind::Gpt2 };
        let token_type = |(id, token): (usize, &String)| match special(token) {
            _ if !ids.contains_key(&(id as u64)) => TokenType::Unused,
            _ if is_llama && model["unk_token"] == token.as_str() => TokenType::Unknown,
            Some(true) => TokenType::Control,
            Some(false) => TokenType::UserDefined,
            None if is_llama && is_byte(token) => TokenType::Byte,
            None => TokenType::Normal,
        };
        let token_types = tokens.iter().enumerate().map(token_type).collect();
        let merges = merges(model).ok_or_else(|| wrong("merges of two parts each", "others".into()))?;
        let id_of = |token: &str| tokens.iter().position(|other| other == token).map(|id| id as u32);
        let role = |key: &str| match &config[key] {
            // A list of tokens that end a text: the first.
            Value::Array(ids) => ids.first().and_then(Value::as_u64),
            id => id.as_u64(),
        };
        let role =
            |key: &str| role(key).and_then(|id| u32::try_from(id).ok()).filter(|&id| (id as usize) < tokens.len());
        let (bos, eos, pad) = (role("bos_token_id"), role("eos_token_id"), role("pad_token_id"));
        let unk = model["unk_token"].as_str().and_then(id_of);
        let (add_bos, add_eos) = frame(&json["post_processor"], &tokens, bos, eos)?;
        let mut tokenizer = Self { token_types, bos, eos, unk, pad, ..Self::of(kind, tokens) };
        (tokenizer.add_bos, tokenizer.add_eos) = (Some(add_bos), Some(add_eos));
        if is_llama {
            tokenizer.add_space_prefix = Some(space_prefix(json)?);
            tokenizer.scores = scores(&tokenizer.tokens, &merges);
            tokenizer.pre = Some("default".to_owned());
        } else {
            tokenizer.pre = Some(pre_of(json)?);
            tokenizer.merges = merges;
        }
        Ok(tokenizer)
    }
}

fn merges(model: &Value) -> Option<Vec<(String, String)>> {
    let parts = |merge: &Value| match merge {
        Value::String(text) => text.split_once(' ').map(|(left, right)| (left.to_owned(), right.to_owned())),
        pair => Some((pair[0].as_str()?.to_owned(), pair[1].as_str()?.to_owned())),
    };
    model["merges"].as_array()?.iter().map(parts).collect()
}

/// A piece's score is minus the rank of the first merge that makes it; what no merge makes is never made.
fn scores(tokens: &[String], merges: &[(String, String)]) -> Vec<f32> {
    let mut ranks: HashMap<String, usize> = HashMap::new();
    for (rank, (left, right)) in merges.iter().enumerate() {
        ranks.entry(format!("{left}{right}")).or_insert(rank);
    }
    let last = -(merges.len() as f32);
    tokens.iter().map(|token| ranks.get(token).map_or(last, |&rank| -(rank as f32))).collect()
}

/// llama.cpp's name for how a tokenizer.json cuts a text.
fn pre_of(json: &Value) -> Result<String> {
    // Fields that change offsets alone.
    let plain = |step: &Value| {
        let mut step = step.clone();
        if step["type"] == "ByteLevel" {
            step["trim_offsets"] = Value::Null;
            step["use_regex"] = json!(step["use_regex"] != Value::Bool(false));
        }
        step
    };
    let steps = |pre: &Value| match pre["pretokenizers"].as_array() {
        Some(steps) => steps.iter().map(plain).collect::<Vec<_>>(),
        None => vec![plain(pre)],
    };
    let found = steps(&json["pre_tokenizer"]);
    let ignore = json["model"]["ignore_merges"] == Value::Bool(true);
    let known = ["gpt-2", "smollm", "llama-bpe", "default"].into_iter().find(|name| {
        pre_tokenizer(name).is_some_and(|(pre, ignore_merges)| steps(&pre) == found && ignore_merges == ignore)
    });
    match known {
        Some(name) if json["normalizer"].is_null() => Ok(name.to_owned()),
        _ => {
            let expected =
                "a pre-tokenizer that llama.cpp knows as gpt-2, smollm, llama-bpe or default, and no normalizer";
            let found = format!("{} (ignore_merges {ignore})", json["pre_tokenizer"]);
            Err(Error::format(Path::new("tokenizer.json"), expected, crate::error::shortened(&found)))
        }
    }
}

/// Whether a SentencePiece-style tokenizer.json puts a blank in front.
fn space_prefix(json: &Value) -> Result<bool> {
    let replace = json!({"type": "Replace", "pattern": {"String": " "}, "content": "▁"});
    let prepend = json!({"type": "Prepend", "prepend": "▁"});
    let steps = json["normalizer"]["normalizers"].as_array().map_or(&[][..], Vec::as_slice);
    match steps {
        _ if !json["pre_tokenizer"].is_null() => {}
        [one] if *one == replace => return Ok(false),
        [one, two] if *one == prepend && *two == replace => return Ok(true),
        _ => {}
    }
    let expected = "a normalizer that writes blanks as ▁, and no pre-tokenizer";
    let found = format!("{} and {}", json["normalizer"], json["pre_tokenizer"]);
    Err(Error::format(Path::new("tokenizer.json"), expected, crate::error::shortened(&found)))
}

/// Whether the post-processor puts `bos` in front and `eos` behind.
fn frame(processor: &Value, tokens: &[String], bos: Option<u32>, eos: Option<u32>) -> Result<(bool, bool)> {
    let one = [processor.clone()];
    let processors = match processor["type"].as_str() {
        Some("Sequence") => processor["processors"].as_array().map_or(&[][..], Vec::as_slice),
        _ => &one,
    };
    let (mut add_bos, mut add_eos) = (false, false);
    for processor in processors {
        if processor.is_null() || processor["type"] == "ByteLevel" {
            continue;
        }
        let single = processor["single"].as_array().map_or(&[][..], Vec::as_slice);
        let at = single.iter().position(|piece| !piece["Sequence"].is_null());
        let text = |role: Option<u32>| role.map(|id| tokens[id as usize].as_str());
        let is =
            |piece: &Value, role| piece["SpecialToken"]["id"].as_str().is_some_and(|token| Some(token) == text(role));
        match at.map(|at| (&single[..at], &single[at + 1..])) {
            Some((before, after))
                if before.len() <= 1
                    && after.len() <= 1
                    && before.iter().all(|piece| is(piece, bos))
                    && after.iter().all(|piece| is(piece, eos)) =>
            {
                (add_bos, add_eos) = (add_bos || !before.is_empty(), add_eos || !after.is_empty());
            }
            _ => {
                let expected = "a post-processor that adds the tokens that begin and end a text, or none";
                let found = crate::error::shortened(&processor.to_string());
                return Err(Error::format(Path::new("tokenizer.json"), expected, found));
            }
        }
    }
    Ok((add_bos, add_eos))
}
