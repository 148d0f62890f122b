//! Any BPE tokenizer of a file or folder, told apart by its content.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::bpe::BpeTokenizer;
use crate::byte_level::ByteLevelTokenizer;
use crate::case::Case;
use crate::error::{Error, Result};
use crate::llama2c::Llama2cTokenizer;
use crate::max_len::MaxLen;
use crate::sentencepiece::SentencePieceTokenizer;
use crate::tokenizer::Tokenizer;
use crate::tokenizer_json::read_file;

const JSON_FILE: &str = "tokenizer.json";
const VOCAB_FILE: &str = "vocab.json";
const MERGES_FILE: &str = "merges.txt";
const CONFIG_FILE: &str = "tokenizer_config.json";
const LOOKED_FOR: [&str; 3] = [JSON_FILE, MERGES_FILE, "tokenizer.bin"];

/// Opens the BPE tokenizer of a folder or file.
///
/// A folder may hold, in this order: `tokenizer.json`; `vocab.json` and `merges.txt`; `merges.txt` alone, to which GPT-2's rule
/// gives the vocabulary; `tokenizer.bin` or one `tok….bin` of llama2.c. A file may be any of these. What a `tokenizer.json` is,
/// its content says: DNA ([`BpeTokenizer`]), byte-level ([`ByteLevelTokenizer`]) or SentencePiece-style
/// ([`SentencePieceTokenizer`]). `case` is for DNA; the others read text as it is. A `tokenizer_config.json` beside the file says how
/// long a text the model reads ([`MaxLen::of_config`]).
///
/// # Errors
///
/// There is no such file, or it is broken; the error tells the file and, where it is known, the line or byte.
pub fn bpe_family(path: impl AsRef<Path>, case: Case) -> Result<Box<dyn Tokenizer>> {
    let path = path.as_ref();
    let path = if path.is_dir() { find(path)? } else { path.to_owned() };
    let (name, bytes) = read_file(&path)?;
    let file_name = path.file_name().unwrap_or_default();
    if file_name == VOCAB_FILE || (file_name != JSON_FILE && is_vocab(&bytes)) {
        return vocab_and_merges((&name, &bytes), &path.with_file_name(MERGES_FILE));
    }
    if file_name == MERGES_FILE || bytes.starts_with(b"#version") {
        let vocab = path.with_file_name(VOCAB_FILE);
        if vocab.is_file() {
            let (vocab_name, vocab) = read_file(&vocab)?;
            return vocab_and_merges((&vocab_name, &vocab), &path);
        }
        return Ok(Box::new(ByteLevelTokenizer::from_merges(&name, &bytes)?));
    }
    let config = path.with_file_name(CONFIG_FILE);
    let max_len = if config.is_file() {
        let (name, text) = read_file(&config)?;
        MaxLen::of_config(&name, &text)?
    } else {
        MaxLen::Unlimited
    };
    open(&name, &bytes, case, max_len)
}

/// Builds a BPE tokenizer from the bytes of a `tokenizer.json` or of a `tokenizer.bin`; `path` stands in errors.
///
/// # Errors
///
/// As [`bpe_family`].
pub fn bpe_family_from_bytes(path: &str, bytes: &[u8], case: Case) -> Result<Box<dyn Tokenizer>> {
    open(path, bytes, case, MaxLen::Unlimited)
}

fn open(path: &str, bytes: &[u8], case: Case, max_len: MaxLen) -> Result<Box<dyn Tokenizer>> {
    // Each token of a `tokenizer.bin` has a length below 2^24, so there is a byte 0 early in the file.
    if bytes.iter().take(16).any(|&b| b == 0) {
        return Ok(Box::new(Llama2cTokenizer::from_bytes(path, bytes)?));
    }
    let json: Value = serde_json::from_slice(bytes).unwrap_or_default();
    Ok(match kind(&json) {
        Kind::ByteLevel => Box::new(ByteLevelTokenizer::from_bytes(path, bytes)?.with_max_len(max_len)),
        Kind::SentencePiece => Box::new(SentencePieceTokenizer::from_bytes(path, bytes)?.with_max_len(max_len)),
        Kind::Dna => Box::new(BpeTokenizer::from_bytes(path, bytes)?.with_case(case).with_max_len(max_len)),
    })
}

fn vocab_and_merges(vocab: (&str, &[u8]), merges: &Path) -> Result<Box<dyn Tokenizer>> {
    let (merges_name, merges_text) = read_file(merges)?;
    let config = merges.with_file_name(CONFIG_FILE);
    let config = if config.is_file() { Some(read_file(&config)?) } else { None };
    let config = config.as_ref().map(|(name, text)| (&name[..], &text[..]));
    Ok(Box::new(ByteLevelTokenizer::from_vocab_and_merges(vocab, (&merges_name, &merges_text), config)?))
}

/// The file of a folder that says which tokenizer it is.
fn find(dir: &Path) -> Result<PathBuf> {
    for name in [JSON_FILE, MERGES_FILE, "tokenizer.bin"] {
        let path = dir.join(name);
        if path.is_file() {
            return Ok(path);
        }
    }
    let fail = |source| Error::Io { path: dir.display().to_string(), source };
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with("tok") && name.ends_with(".bin") {
            found.push(path);
        }
    }
    found.sort();
    match &found[..] {
        [one] => Ok(one.clone()),
        [] => Err(Error::NotFound { dir: dir.display().to_string(), looked_for: LOOKED_FOR.to_vec() }),
        [one, two, ..] => {
            let (one, two) = (one.display(), two.display());
            Err(Error::broken(dir.display().to_string(), None, format!("which tokenizer: {one} or {two}?")))
        }
    }
}

/// Whether this is an object of tokens and ids, as `vocab.json` is.
fn is_vocab(bytes: &[u8]) -> bool {
    bytes.first() == Some(&b'{')
        && serde_json::from_slice::<Value>(bytes)
            .is_ok_and(|json| json.as_object().is_some_and(|map| !map.is_empty() && map.values().all(Value::is_u64)))
}

enum Kind {
    Dna,
    ByteLevel,
    SentencePiece,
}

fn kind(json: &Value) -> Kind {
    let uses = |part: &Value, list: &str, kinds: &[&str]| {
        let is_one = |step: &Value| kinds.iter().any(|kind| step["type"] == *kind);
        is_one(part) || part[list].as_array().is_some_and(|steps| steps.iter().any(is_one))
    };
    if uses(&json["pre_tokenizer"], "pretokenizers", &["ByteLevel"]) {
        Kind::ByteLevel
    } else if json["model"]["byte_fallback"] == true
        || uses(&json["normalizer"], "normalizers", &["Prepend"])
        || uses(&json["pre_tokenizer"], "pretokenizers", &["Metaspace"])
    {
        Kind::SentencePiece
    } else {
        Kind::Dna
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bpe::tests::sample::JSON;
    use proptest::prelude::*;

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(dir.path().join(name), text).unwrap();
        }
        dir
    }

    #[test]
    fn folders_and_files_are_told_apart() {
        let merges = b"#version: 0.2\nA C\n";
        let size = |files: &[(&str, &[u8])], name: &str| {
            bpe_family(folder(files).path().join(name), Case::Upper).unwrap().vocab_size()
        };
        assert_eq!(size(&[(JSON_FILE, JSON.as_bytes()), (MERGES_FILE, merges)], ""), 12);
        assert_eq!(size(&[(MERGES_FILE, merges)], ""), 258);
        assert_eq!(size(&[("other.json", JSON.as_bytes())], "other.json"), 12);
        let vocab = br#"{"A": 0, "C": 1, "AC": 2}"#;
        let files: &[(&str, &[u8])] = &[(VOCAB_FILE, vocab), (MERGES_FILE, merges)];
        for name in ["", VOCAB_FILE, MERGES_FILE] {
            assert_eq!(size(files, name), 3, "{name}");
        }
    }

    #[test]
    fn the_config_beside_a_file_says_how_long_texts_may_be() {
        let max_len = |files: &[(&str, &[u8])]| bpe_family(folder(files).path(), Case::Upper).unwrap().max_len();
        let dna = (JSON_FILE, JSON.as_bytes());
        assert_eq!(max_len(&[dna]), MaxLen::Unlimited);
        assert_eq!(max_len(&[dna, (CONFIG_FILE, br#"{"model_max_length": 512}"#)]), MaxLen::Trained(512));
        let vocab = (VOCAB_FILE, &br#"{"A": 0, "C": 1, "AC": 2}"#[..]);
        let merges = (MERGES_FILE, &b"#version: 0.2\nA C\n"[..]);
        let config = br#"{"model_max_length": 4, "tokenizer_class": "GPT2Tokenizer"}"#;
        let gpt2 = bpe_family(folder(&[vocab, merges, (CONFIG_FILE, config)]).path(), Case::Upper).unwrap();
        assert_eq!(gpt2.max_len(), MaxLen::Fixed(4));
        let error = gpt2.check_length(&gpt2.encode(b"ACACACACAC").unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "letter 9: the model reads 4 tokens, but the sequence has 5");
    }

    #[test]
    fn what_is_wrong_is_told() {
        let check = |files: &[(&str, &[u8])], part: &str| {
            let error = bpe_family(folder(files).path(), Case::Upper).unwrap_err().to_string();
            assert!(error.contains(part) && !error.contains('\n'), "{error}");
        };
        check(&[], ": no tokenizer: expected one of tokenizer.json, merges.txt, tokenizer.bin");
        check(&[("tok1.bin", b""), ("tok2.bin", b"")], "which tokenizer: ");
        check(&[("tok1.bin", b"\0\0\0\0")], "tok1.bin: token 3: expected <0x00>");
        check(&[(JSON_FILE, b"{\n\"model\": ")], "tokenizer.json:2: ");
        check(&[(JSON_FILE, br#"{"model": {"type": "Unigram"}}"#)], "the model is \"Unigram\": expected \"BPE\"");
        check(&[(VOCAB_FILE, b"{\n\"A\": \"B\"}"), (MERGES_FILE, b"")], "vocab.json:2: ");
        check(&[(JSON_FILE, JSON.as_bytes()), (CONFIG_FILE, b"{\n")], "tokenizer_config.json:2: ");
        check(&[(VOCAB_FILE, b"{}")], "no tokenizer: expected one of");
        let error = bpe_family("no/such/file.json", Case::Upper).unwrap_err();
        assert!(error.to_string().starts_with("no/such/file.json: "), "{error}");
    }

    proptest! {
        #[test]
        fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80), text in "[\\{\\}\\[\\]\":,a-z0-9]{0,80}") {
            for bytes in [&bytes[..], text.as_bytes()] {
                let _ = bpe_family_from_bytes("t", bytes, Case::Original);
            }
        }
    }
}
