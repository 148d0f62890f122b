//! Ids against those of the original tools, where the vocabularies are at hand.

use std::path::PathBuf;

use genome_tokenize::{BpeTokenizer, Case, KmerTokenizer, Tokenizer, load};
use serde_json::Value;

/// A folder of test data: the value of `variable`, or `default` beside the workspace. `None`, with a line on stderr, where
/// it is absent; in CI nothing may be skipped while the shared folder is there.
fn data_folder(test: &str, variable: &str, default: &str) -> Option<PathBuf> {
    let shared = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared"));
    let folder = std::env::var_os(variable).map(PathBuf::from).filter(|f| f.is_dir());
    let folder = folder.unwrap_or_else(|| shared.join(default));
    if folder.is_dir() {
        return Some(folder);
    }
    let strict = std::env::var("CI").is_ok_and(|ci| ci == "true") && shared.is_dir();
    assert!(!strict, "{test}: {} is absent, and nothing is skipped in CI", folder.display());
    eprintln!("skipped: {test}: {} is absent", folder.display());
    None
}

fn fixtures(test: &str) -> Option<PathBuf> {
    data_folder(test, "GENOME_FIXTURES", "fixtures/tokenizers")
}

fn json(path: PathBuf) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn ids(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

#[test]
fn dnabert_cases() {
    let Some(fixtures) = fixtures("dnabert_cases") else { return };
    for k in 3..=6 {
        let dir = fixtures.join(format!("dnabert_{k}"));
        let vocab = std::fs::read_to_string(dir.join("vocab.txt")).unwrap();
        let original = KmerTokenizer::from_vocab("vocab.txt", &vocab, Case::Original).unwrap();
        let upper = KmerTokenizer::new(k).unwrap();
        let cases = json(dir.join("cases.json"));
        let cases = cases["cases"].as_array().unwrap();
        for case in cases {
            let text = case["text"].as_str().unwrap();
            let encoding = original.encode(text.as_bytes()).unwrap();
            let tokens = &encoding.ids[1..encoding.len() - 1];
            // The original gives pieces of 510 k-mers, each framed; exactly 510 leave an empty piece behind them.
            let pieces = tokens.len() / 510 + 1;
            let framed: Vec<u32> = (0..pieces)
                .flat_map(|i| {
                    let piece = &tokens[i * 510..tokens.len().min((i + 1) * 510)];
                    [&[2], piece, &[3]].concat()
                })
                .collect();
            assert_eq!(framed, ids(&case["ids"]), "k = {k}: {text}");
            let cut = original.encode_truncated(text.as_bytes(), 32).unwrap();
            if pieces == 1 {
                assert_eq!(cut.encoding.ids, ids(&case["ids_max_length_32"]), "k = {k}: {text}");
            }
            for (&id, &(start, end)) in tokens.iter().zip(&encoding.offsets[1..]) {
                if id > 4 {
                    assert_eq!(original.token(id), Some(&text[start..end]));
                }
            }
            if text.bytes().all(|b| b"ACGTN".contains(&b)) {
                assert_eq!(upper.encode(text.as_bytes()).unwrap(), encoding);
            }
        }
        eprintln!("k = {k}: {} cases agree", cases.len());
        assert_eq!(load(&dir).unwrap().vocab_size(), 5 + 4usize.pow(k as u32));
    }
}

#[test]
fn dnabert2_cases() {
    let Some(fixtures) = fixtures("dnabert2_cases") else { return };
    let dir = fixtures.join("dnabert2");
    let original = BpeTokenizer::from_file(dir.join("tokenizer.json")).unwrap().with_case(Case::Original);
    let cases = json(dir.join("cases.json"));
    check_bpe(&original, cases["cases"].as_array().unwrap(), "text");
    assert_eq!(
        (original.vocab_size(), original.unk_id(), original.pad_id(), original.mask_id()),
        (4096, 0, 3, Some(4))
    );
    assert_eq!((original.cls_id(), original.sep_id()), (Some(1), Some(2)));

    // Soft-masked sequence reads like the same sequence in upper case.
    let upper = load(&dir).unwrap();
    let text = b"ACGTAGCATCGGATCTATCTATCGACACTTGGTTATCGATCTACGAGCATCTCGTTAGC";
    let expected = original.encode(text).unwrap();
    assert_eq!(upper.encode(text).unwrap(), expected);
    assert_eq!(upper.encode(&text.to_ascii_lowercase()).unwrap(), expected);
    assert_eq!(upper.decode(&expected.ids).unwrap(), text);
}

#[test]
fn dnabert2_expected() {
    let test = "dnabert2_expected";
    let Some(data) = data_folder(test, "GENOME_DATA", "data") else { return };
    let dir = data.join("tokenizers/dnabert2");
    let original = BpeTokenizer::from_file(dir.join("tokenizer.json")).unwrap().with_case(Case::Original);
    check_bpe(&original, json(dir.join("expected.json")).as_array().unwrap(), "sequence");
}

fn check_bpe(tokenizer: &BpeTokenizer, cases: &[Value], key: &str) {
    for case in cases {
        let text = case[key].as_str().unwrap();
        let encoding = tokenizer.encode(text.as_bytes()).unwrap();
        assert_eq!(encoding.ids, ids(&case["ids"]), "{text}");
        let tokens: Vec<_> = encoding.ids.iter().map(|&id| tokenizer.token(id).unwrap()).collect();
        let expected: Vec<_> = case["tokens"].as_array().unwrap().iter().map(|t| t.as_str().unwrap()).collect();
        assert_eq!(tokens, expected, "{text}");
        for (i, (token, &(start, end))) in tokens.iter().zip(&encoding.offsets).enumerate() {
            if !encoding.special[i] && encoding.ids[i] != tokenizer.unk_id() {
                assert_eq!(*token, &text[start..end], "{text}");
            }
        }
    }
    eprintln!("DNABERT-2: {} cases agree", cases.len());
    assert!(cases.len() >= 30);
}

#[test]
fn dnabert_vocabularies() {
    let Some(data) = data_folder("dnabert_vocabularies", "GENOME_DATA", "data") else { return };
    for k in 3..=6 {
        let path = data.join(format!("tokenizers/dnabert_kmer/vocab_{k}mer.txt"));
        let text = std::fs::read_to_string(&path).unwrap();
        let tokenizer = KmerTokenizer::from_vocab(&path.display().to_string(), &text, Case::Upper).unwrap();
        assert_eq!(tokenizer, KmerTokenizer::new(k).unwrap());
    }
}
