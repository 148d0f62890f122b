//! Ids against those of the original tools, where the vocabularies are at hand.

use std::path::{Path, PathBuf};

use genome_tokenize::{
    BpeTokenizer, Case, KmerTokenizer, Named, NtVersion, NucleotideTransformerTokenizer, Padding, Tokenizer, by_name,
    load, pad_batch,
};
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
            let pieces = original.encode_pieces(text.as_bytes()).unwrap();
            let framed: Vec<u32> = pieces.iter().flat_map(|p| p.ids.iter().copied()).collect();
            assert_eq!(framed, ids(&case["ids"]), "k = {k}: {text}");
            for piece in &pieces {
                original.check_length(piece).unwrap();
            }
            // The pieces hold the tokens and offsets of the whole, in order.
            let inner = pieces.iter().flat_map(|p| p.ids.iter().zip(&p.offsets).zip(&p.special).filter(|(_, s)| !**s));
            let inner: Vec<_> = inner.map(|((&id, &span), _)| (id, span)).collect();
            assert!(inner.iter().copied().eq(tokens.iter().copied().zip(encoding.offsets[1..].iter().copied())));
            let mut hot = Vec::new();
            original.kmer_ids_u16(text.as_bytes(), &mut hot).unwrap();
            assert!(hot.iter().map(|&id| u32::from(id)).eq(tokens.iter().copied()));
            let cut = original.encode_truncated(text.as_bytes(), 32).unwrap();
            if pieces.len() == 1 {
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
        assert_eq!(cases.len(), 37);
        assert_eq!(load(&dir).unwrap().vocab_size(), 5 + 4usize.pow(k as u32));
        assert_named(&format!("dnabert:{k}"), &dir.join("vocab.txt"), cases, "[PAD] [UNK] [CLS] [SEP] [MASK]");
    }
}

#[test]
fn nucleotide_transformer_cases() {
    let Some(fixtures) = fixtures("nucleotide_transformer_cases") else { return };
    for (name, version) in [("v1", NtVersion::V1), ("v2", NtVersion::V2)] {
        let dir = fixtures.join(format!("nt_{name}"));
        let vocab = std::fs::read_to_string(dir.join("vocab.txt")).unwrap();
        let original = NucleotideTransformerTokenizer::from_vocab("vocab.txt", &vocab, Case::Original).unwrap();
        assert_eq!(original.version(), version);
        assert!(original.vocabulary().eq(vocab.lines()), "the vocabulary by rule is the published one");
        let upper = NucleotideTransformerTokenizer::new(version);
        let json = json(dir.join("cases.json"));
        let cases = json["cases"].as_array().unwrap();
        for case in cases {
            let text = case["text"].as_str().unwrap();
            let encoding = original.encode(text.as_bytes()).unwrap();
            assert_eq!(encoding.ids, ids(&case["ids"]), "{name}: {text}");
            let tokens: Vec<_> = encoding.ids.iter().map(|&id| original.token(id).unwrap()).collect();
            let expected: Vec<_> = case["tokens"].as_array().unwrap().iter().map(|t| t.as_str().unwrap()).collect();
            assert_eq!(tokens, expected, "{name}: {text}");
            for (token, &(start, end)) in tokens.iter().zip(&encoding.offsets).skip(1) {
                assert!(*token == "<unk>" || *token == &text[start..end], "{name}: {text}");
            }
            let mut hot: Vec<u32> = Vec::new();
            original.nt_ids(text.as_bytes(), &mut hot).unwrap();
            assert_eq!(hot, encoding.ids[1..]);
            if text.bytes().all(|b| b"ACGTN".contains(&b)) {
                assert_eq!(upper.encode(text.as_bytes()).unwrap(), encoding);
                assert_eq!(upper.encode(&text.as_bytes().to_ascii_lowercase()).unwrap(), encoding);
                assert_eq!(original.decode(&encoding.ids).unwrap(), text.as_bytes());
            }
        }
        eprintln!("Nucleotide Transformer {name}: {} cases agree", cases.len());
        assert_eq!(cases.len(), 37);
        assert_named(&format!("nt:{name}"), &dir, cases, "<unk> <pad> <mask> <cls>");

        let batch = &json["batch"];
        let texts: Vec<&[u8]> =
            batch["texts"].as_array().unwrap().iter().map(|t| t.as_str().unwrap().as_bytes()).collect();
        let mut rows = original.encode_batch(&texts).unwrap();
        pad_batch(&mut rows, Padding::of(&original)).unwrap();
        for ((row, expected), mask) in
            rows.iter().zip(batch["input_ids"].as_array().unwrap()).zip(batch["attention_mask"].as_array().unwrap())
        {
            assert_eq!(row.ids, ids(expected));
            assert!(row.attention.iter().map(|&a| u32::from(a)).eq(ids(mask)));
        }
    }
}

/// The tokenizer by its name and by its path, in original mode, gives the ids too.
fn assert_named(name: &str, path: &Path, cases: &[Value], first_tokens: &str) {
    for name in [name, path.to_str().unwrap()] {
        let Named::Tokenizer(tokenizer) = by_name(name, Some(Case::Original)).unwrap() else { panic!("{name}") };
        let found: Vec<_> =
            (0..first_tokens.split(' ').count() as u32).map(|id| tokenizer.token(id).unwrap()).collect();
        assert_eq!(found.join(" "), first_tokens);
        for case in cases {
            let found = tokenizer.encode(case["text"].as_str().unwrap().as_bytes()).unwrap();
            let expected = ids(&case["ids"]);
            // DNABERT's pieces are compared elsewhere.
            assert!(found.ids == expected || found.len() >= 512, "{name}");
        }
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

    let pair = original.encode_pair(b"ACGTA", b"CC").unwrap();
    let (first, second) = (original.encode(b"ACGTA").unwrap(), original.encode(b"CC").unwrap());
    assert_eq!(pair.ids, [&first.ids[..], &second.ids[1..]].concat());
    assert!(pair.type_ids.iter().enumerate().all(|(i, &t)| t == u8::from(i >= first.len())));

    // Soft-masked sequence reads like the same sequence in upper case.
    let upper = load(&dir).unwrap();
    let text = b"ACGTAGCATCGGATCTATCTATCGACACTTGGTTATCGATCTACGAGCATCTCGTTAGC";
    let expected = original.encode(text).unwrap();
    assert_eq!(upper.encode(text).unwrap(), expected);
    assert_eq!(upper.encode(&text.to_ascii_lowercase()).unwrap(), expected);
    assert_eq!(upper.decode(&expected.ids).unwrap(), text);
}

#[test]
fn every_set_opens_by_its_path() {
    let Some(fixtures) = fixtures("every_set_opens_by_its_path") else { return };
    for (set, least) in [("dnabert2", 30), ("opt", 30), ("llama_tiny_sp", 10), ("llama_tiny_bl", 10)] {
        let dir = fixtures.join(set);
        let Named::Tokenizer(tokenizer) = by_name(dir.to_str().unwrap(), Some(Case::Original)).unwrap() else {
            panic!("{set}: ids are expected")
        };
        let json = json(dir.join("cases.json"));
        let cases = json["cases"].as_array().unwrap();
        for case in cases {
            let text = case["text"].as_str().unwrap();
            assert_eq!(tokenizer.encode(text.as_bytes()).unwrap().ids, ids(&case["ids"]), "{set}: {text}");
        }
        assert!(cases.len() >= least, "{set}: {}", cases.len());
    }
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
