//! Tokenizers out of GGUF files, read by `genome-tokenize` as tokenizer.json.

use super::shared::shared;
use genome_tokenize::{ByteLevelTokenizer, Llama2cTokenizer, SentencePieceTokenizer, Tokenizer};
use serde_json::{Value, json};
use tensor_files::gguf::{GgufArray, GgufMetadata, GgufTokenizer, GgufValue, TokenType, TokenizerKind};

fn json(path: &std::path::Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// A tokenizer.json into the keys of a GGUF file and back.
fn through_gguf(json: &Value, config: &Value) -> (GgufTokenizer, Value) {
    let tokenizer = GgufTokenizer::from_tokenizer_json(json, config).unwrap();
    let mut metadata = GgufMetadata::new();
    tokenizer.write(&mut metadata).unwrap();
    let read = GgufTokenizer::from_metadata(&metadata).unwrap().unwrap();
    assert_eq!(read, tokenizer);
    let json = read.to_tokenizer_json().unwrap();
    (read, json)
}

fn check_cases(tokenizer: &dyn Tokenizer, cases: &Value) -> usize {
    let cases = cases["cases"].as_array().unwrap();
    for case in cases {
        let ids = tokenizer.encode(case["text"].as_str().unwrap().as_bytes()).unwrap().ids;
        assert_eq!(json!(ids), case["ids"], "{}", case["text"]);
    }
    cases.len()
}

#[test]
fn llamas_tokenizers_come_back() {
    let test = "llamas_tokenizers_come_back";
    if let Some(folder) = shared(test, "fixtures/tokenizers/llama_tiny_sp") {
        let config = json!({"bos_token_id": 1, "eos_token_id": 2});
        let (tokenizer, json_out) = through_gguf(&json(&folder.join("tokenizer.json")), &config);
        assert_eq!((tokenizer.kind, tokenizer.tokens.len()), (TokenizerKind::Llama, 700));
        assert_eq!((tokenizer.bos, tokenizer.eos, tokenizer.unk), (Some(1), Some(2), Some(0)));
        let tokenizer = SentencePieceTokenizer::from_bytes("t", json_out.to_string().as_bytes()).unwrap();
        assert!(check_cases(&tokenizer, &json(&folder.join("cases.json"))) > 20);
    }
    if let Some(folder) = shared(test, "fixtures/tokenizers/llama_tiny_bl") {
        let config = json!({"bos_token_id": 600, "eos_token_id": [601], "vocab_size": 610});
        let (tokenizer, json_out) = through_gguf(&json(&folder.join("tokenizer.json")), &config);
        assert_eq!((tokenizer.kind, tokenizer.tokens.len()), (TokenizerKind::Gpt2, 610));
        assert_eq!(tokenizer.pre.as_deref(), Some("llama-bpe"));
        assert_eq!((tokenizer.token_types[601], tokenizer.token_types[602]), (TokenType::Control, TokenType::Unused));
        let tokenizer = ByteLevelTokenizer::from_bytes("t", json_out.to_string().as_bytes()).unwrap();
        assert!(check_cases(&tokenizer, &json(&folder.join("cases.json"))) > 20);
    }
}

/// llama2.c's tokenizer as SentencePiece's: the ids of run.c, and of what the model says.
#[test]
fn llama2cs_tokenizer_is_sentence_pieces() {
    let Some(folder) = shared("llama2cs_tokenizer_is_sentence_pieces", "data/weights/stories260K") else { return };
    let bytes = std::fs::read(folder.join("tok512.bin")).unwrap();
    let run_c = Llama2cTokenizer::from_bytes("tok512.bin", &bytes).unwrap();
    let tokenizer = GgufTokenizer::from_llama2c("tok512.bin", &bytes, 512).unwrap();
    let json_out = tokenizer.to_tokenizer_json().unwrap();
    let ours = SentencePieceTokenizer::from_bytes("t", json_out.to_string().as_bytes()).unwrap();
    let expected = json(&folder.join("expected.json"));
    let ids: Vec<u32> = serde_json::from_value(expected["greedy_ids"].clone()).unwrap();
    let story = expected["greedy_text"].as_str().unwrap();
    assert_eq!(ours.decode(&ids).unwrap(), story.as_bytes());
    for text in [story, "Once upon a time", "Lily's 3 cats", "  two blanks", "ünïcode 🧬", "A\nB"] {
        assert_eq!(ours.encode(text.as_bytes()).unwrap().ids, run_c.encode(text.as_bytes()).unwrap().ids, "{text:?}");
    }
}

/// Byte-level: 256 bytes and a few merges.
fn byte_level(pre: Option<&str>) -> GgufTokenizer {
    // GPT-2's letters for bytes: printable ones stand for themselves, the others come from 256 on.
    let printable = |byte: u32| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    let others: Vec<u32> = (0..256).filter(|&byte| !printable(byte)).collect();
    let letter = |byte: u32| others.iter().position(|&other| other == byte).map_or(byte, |n| 256 + n as u32);
    let mut tokens: Vec<String> = (0..256).map(|byte| char::from_u32(letter(byte)).unwrap().to_string()).collect();
    let merges = [("A", "C"), ("AC", "G"), ("1", "2"), ("12", "3"), ("Ġ", "AC"), ("!", "?")];
    tokens.extend(merges.iter().map(|(left, right)| format!("{left}{right}")));
    tokens.push("<end>".into());
    let mut metadata = GgufMetadata::new();
    metadata.insert("tokenizer.ggml.model", GgufValue::String("gpt2".into())).unwrap();
    if let Some(pre) = pre {
        metadata.insert("tokenizer.ggml.pre", GgufValue::String(pre.into())).unwrap();
    }
    let merges = merges.iter().map(|(left, right)| format!("{left} {right}")).collect();
    metadata.insert("tokenizer.ggml.tokens", GgufValue::Array(GgufArray::String(tokens))).unwrap();
    metadata.insert("tokenizer.ggml.merges", GgufValue::Array(GgufArray::String(merges))).unwrap();
    metadata.insert("tokenizer.ggml.eos_token_id", GgufValue::U32(262)).unwrap();
    GgufTokenizer::from_metadata(&metadata).unwrap().unwrap()
}

#[test]
fn each_pre_tokenizer_cuts_as_llama_cpp() {
    let check = |pre: Option<&str>, text: &str, expected: &[&str]| {
        let json = byte_level(pre).to_tokenizer_json().unwrap();
        let tokenizer = ByteLevelTokenizer::from_bytes("t", json.to_string().as_bytes()).unwrap();
        let encoding = tokenizer.encode(text.as_bytes()).unwrap();
        let tokens: Vec<&str> = encoding.ids.iter().map(|&id| tokenizer.token(id).unwrap()).collect();
        assert_eq!(tokens, expected, "{pre:?}");
        assert_eq!(tokenizer.decode(&encoding.ids).unwrap(), text.replace("<end>", "").as_bytes());
    };
    // Numbers whole, digit by digit, in threes; a blank in front of letters stays with them.
    check(Some("gpt-2"), "ACG 123 AC<end>", &["ACG", "Ġ", "123", "ĠAC", "<end>"]);
    check(Some("smollm"), "ACG 123 AC", &["ACG", "Ġ", "1", "2", "3", "ĠAC"]);
    check(Some("llama-bpe"), "ACG 1231 AC", &["ACG", "Ġ", "123", "1", "ĠAC"]);
    check(Some("default"), "ACG 12312 AC!?", &["ACG", "Ġ", "123", "12", "ĠAC", "!?"]);
    check(None, "1231", &["123", "1"]);
    let unknown = byte_level(Some("qwen2")).to_tokenizer_json().unwrap_err().to_string();
    assert!(unknown.contains("tokenizer.ggml.pre") && unknown.ends_with("found \"qwen2\""), "{unknown}");
}

#[test]
fn keys_that_contradict_each_other_are_refused() {
    let strings = |texts: &[&str]| GgufValue::Array(GgufArray::String(texts.iter().map(|t| t.to_string()).collect()));
    let check = |entries: &[(&str, GgufValue)], expected: &str| {
        let mut metadata = GgufMetadata::new();
        for (key, value) in entries {
            metadata.insert(format!("tokenizer.ggml.{key}"), value.clone()).unwrap();
        }
        let error = GgufTokenizer::from_metadata(&metadata).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    let model = |name: &str| ("model", GgufValue::String(name.into()));
    check(&[model("t5")], "expected the tokenizer gpt2 or llama under the key tokenizer.ggml.model, found \"t5\"");
    check(&[model("gpt2")], "expected a value under the key tokenizer.ggml.tokens, found none");
    let tokens = |texts: &[&str]| ("tokens", strings(texts));
    check(&[model("gpt2"), tokens(&["A", "B", "A"])], "expected each token once");
    check(&[model("gpt2"), tokens(&["A"])], "tokenizer.ggml.merges, found none");
    check(&[model("gpt2"), tokens(&["A"]), ("merges", strings(&["AB"]))], "found \"AB\"");
    let scores = |scores: &[f32]| ("scores", GgufValue::Array(GgufArray::F32(scores.to_vec())));
    check(&[model("llama"), tokens(&["A"]), scores(&[0.0, 1.0])], "expected 1 values, one a token");
    check(&[model("llama"), tokens(&["A"]), scores(&[f32::NAN])], "found NaN for token 0");
    let types = |types: &[i32]| ("token_type", GgufValue::Array(GgufArray::I32(types.to_vec())));
    for bad in [7, -1, i32::MIN, i32::MAX] {
        check(&[model("llama"), tokens(&["A"]), scores(&[0.0]), types(&[bad])], "expected types from 0 to 6");
    }
    check(
        &[model("llama"), tokens(&["A"]), scores(&[0.0]), ("bos_token_id", GgufValue::U32(1))],
        "expected an id below 1 under the key tokenizer.ggml.bos_token_id, found 1",
    );
    assert_eq!(GgufTokenizer::from_metadata(&GgufMetadata::new()).unwrap(), None);
}

#[test]
fn a_tokenizer_json_that_gguf_cannot_say_is_refused() {
    let json = byte_level(Some("smollm")).to_tokenizer_json().unwrap();
    let check = |change: &dyn Fn(&mut Value), expected: &str| {
        let mut json = json.clone();
        change(&mut json);
        let error = GgufTokenizer::from_tokenizer_json(&json, &json!({})).unwrap_err().to_string();
        assert!(error.starts_with("tokenizer.json: ") && error.contains(expected), "{error}");
    };
    let back = GgufTokenizer::from_tokenizer_json(&json, &json!({"eos_token_id": 262})).unwrap();
    assert_eq!(back.pre.as_deref(), Some("smollm"));
    check(&|j| j["model"]["type"] = json!("WordPiece"), "expected a BPE model, found the model \"WordPiece\"");
    check(&|j| j["model"]["vocab"]["A"] = json!(5), "expected one token an id");
    check(&|j| j["model"]["vocab"]["A"] = json!(-5), "expected ids, found -5 for \"A\"");
    check(&|j| j["model"]["vocab"]["A"] = json!(1u64 << 60), "expected ids without large gaps");
    check(&|j| j["model"]["vocab"]["A"] = json!(u64::MAX), "expected ids without large gaps");
    check(&|j| j["model"]["merges"] = json!(["AC"]), "expected merges of two parts each");
    check(&|j| j["pre_tokenizer"] = json!({"type": "Whitespace"}), "found {\"type\":\"Whitespace\"}");
    check(&|j| j["normalizer"] = json!({"type": "NFC"}), "and no normalizer");
    check(&|j| j["post_processor"] = json!({"type": "BertProcessing"}), "expected a post-processor that adds");
}

#[test]
fn a_llama2c_tokenizer_that_lies_is_refused() {
    let check = |bytes: &[u8], vocab_size, expected: &str| {
        let error = GgufTokenizer::from_llama2c("t.bin", bytes, vocab_size).unwrap_err().to_string();
        assert_eq!(error, format!("t.bin: {expected}"));
    };
    let token = |text: &[u8]| [&0f32.to_le_bytes()[..], &(text.len() as u32).to_le_bytes(), text].concat();
    let file = |tokens: &[&[u8]]| [vec![9, 0, 0, 0], tokens.iter().flat_map(|t| token(t)).collect()].concat();
    check(b"", 1, "byte 0: expected the length of the longest token, found 0 bytes before the end");
    check(&file(&[b"a"]), 2, "byte 13: expected 4 bytes, the score of token 1, found 0 bytes before the end");
    check(&file(&[b"a", b"b"]), 1, "byte 13: expected the end, behind 1 tokens, found more bytes");
    check(&file(&[b"a", b"b", b"c", b"d", b"d"]), 5, "byte 49: expected each token once, found \"d\" as 3 and as 4");
    check(&file(&[b"\xff"]), 1, "byte 13: expected token 0 in UTF-8, found other bytes");
    let mut long = file(&[b"a"]);
    long[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
    check(&long, 1, "byte 12: expected 4294967295 bytes of token 0, found 1 bytes before the end");
    assert!(GgufTokenizer::from_llama2c("t.bin", &file(&[b"a"]), usize::MAX).is_err());
}
