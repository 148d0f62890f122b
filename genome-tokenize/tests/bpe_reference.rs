//! BPE of all kinds against the originals: ids of the Python tools, and the `tokenizers` crate on random DNA.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use genome_tokenize::{
    BpeTokenizer, BpeTraining, ByteLevelTokenizer, Case, Llama2cTokenizer, SentencePieceTokenizer, Tokenizer,
    bpe_family, train_bpe,
};
use proptest::prelude::*;
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

fn open(path: impl AsRef<Path>) -> Box<dyn Tokenizer> {
    bpe_family(path, Case::Original).unwrap()
}

/// Ids, tokens, decoded text and offsets of all cases; `spelled` gives a token as it stands in the text.
fn check_cases(t: &dyn Tokenizer, file: &Value, spelled: impl Fn(&str) -> Option<String>) {
    let cases = file["cases"].as_array().unwrap();
    for case in cases {
        let text = case["text"].as_str().unwrap();
        let encoding = t.encode(text.as_bytes()).unwrap();
        assert_eq!(encoding.ids, ids(&case["ids"]), "{text:?}");
        let own = encoding.ids.iter().zip(&encoding.special).filter(|(_, special)| !**special).map(|(&id, _)| id);
        if case["ids_no_special"].is_array() {
            assert_eq!(own.collect::<Vec<_>>(), ids(&case["ids_no_special"]), "{text:?}");
        }
        let tokens: Vec<_> = encoding.ids.iter().map(|&id| t.token(id).unwrap()).collect();
        if let Some(expected) = case["tokens"].as_array() {
            let expected: Vec<_> = expected.iter().map(|token| token.as_str().unwrap()).collect();
            assert_eq!(tokens, expected, "{text:?}");
        }
        if let Some(decoded) = case["decoded"].as_str() {
            assert_eq!(t.decode(&encoding.ids).unwrap(), decoded.as_bytes(), "{text:?}");
        }
        let mut at = 0;
        for ((token, &(start, end)), special) in tokens.iter().zip(&encoding.offsets).zip(&encoding.special) {
            assert_eq!(start, at, "{text:?}");
            at = end;
            if let (Some(expected), Some(found), false) = (spelled(token), text.get(start..end), *special) {
                assert!(
                    expected == found || expected.strip_prefix(' ') == Some(found),
                    "{text:?}: {token:?} is {found:?}"
                );
            }
        }
        assert_eq!(at, text.len(), "{text:?}");
    }
    eprintln!("{}: {} cases agree", file["tokenizer"], cases.len());
    assert!(cases.len() >= 20);
}

/// A byte-level token of ASCII.
fn byte_level(token: &str) -> Option<String> {
    let plain = token.replace('Ġ', " ").replace('Ċ', "\n").replace('ĉ', "\t");
    plain.is_ascii().then_some(plain)
}

fn sentence_piece(token: &str) -> Option<String> {
    (!token.starts_with("<0x")).then(|| token.replace('▁', " "))
}

#[test]
fn opt_cases() {
    let Some(fixtures) = fixtures("opt_cases") else { return };
    let dir = fixtures.join("opt");
    let t = open(&dir);
    let file = json(dir.join("cases.json"));
    check_cases(&*t, &file, byte_level);
    assert_eq!((t.cls_id(), t.sep_id(), t.unk_id(), t.pad_id()), (Some(2), Some(2), 2, 1));
    assert_eq!(t.vocab_size(), 50_265);

    // LINGO's prompts: the sequence in a template, cut on the right, filled with <pad>.
    for prompt in file["lingo_prompt"].as_array().unwrap() {
        let length = prompt["model_max_length"].as_u64().unwrap() as usize;
        let template = prompt["template"].as_str().unwrap();
        let rows = prompt["sequences"].as_array().unwrap().iter().zip(prompt["input_ids"].as_array().unwrap());
        let mut widest = 0;
        let rows: Vec<_> = rows
            .map(|(seq, expected)| {
                let text = template.replace("{}", seq.as_str().unwrap());
                let cut = t.encode_truncated(text.as_bytes(), length).unwrap().encoding.ids;
                widest = widest.max(cut.len());
                (cut, ids(expected))
            })
            .collect();
        for (mut row, expected) in rows {
            let fill = vec![t.pad_id(); expected.len() - row.len()];
            match prompt["padding_side"].as_str() {
                Some("left") => row.splice(0..0, fill).for_each(drop),
                _ => row.extend(fill),
            }
            assert_eq!(row, expected, "{template:?} to {length}");
        }
    }

    // LINGO's one-hot rows: the prompt in OPT's ids, the letters as 5 to 8.
    let one_hot = &file["lingo_one_hot"];
    let (prefix, suffix) = (ids(&one_hot["prefix_ids"]), ids(&one_hot["suffix_ids"]));
    let plain = |text: &str| t.encode(text.as_bytes()).unwrap().ids[1..].to_vec();
    assert_eq!(plain("Domain: DNA Promoter\nSequence: "), prefix);
    assert_eq!(plain("\nAnnotation:"), suffix);
    for row in one_hot["rows"].as_array().unwrap() {
        let expected = ids(&row["dataset_ids"]);
        let letters = row["sequence"].as_str().unwrap().len();
        assert_eq!(expected[..prefix.len()], prefix);
        assert_eq!(expected[prefix.len() + letters..][..suffix.len()], suffix);
    }
}

#[test]
fn gpt2_cases() {
    let Some(fixtures) = fixtures("gpt2_cases") else { return };
    let file = json(fixtures.join("gpt2/cases.json"));
    let merges = std::fs::read(fixtures.join("opt/merges.txt")).unwrap();
    let t = ByteLevelTokenizer::from_merges("merges.txt", &merges).unwrap();
    check_cases(&t, &file, byte_level);
    assert_eq!((t.vocab_size(), t.id("<|endoftext|>")), (50_257, Some(50_256)));
    // The same from a folder with the merges alone.
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("merges.txt"), merges).unwrap();
    assert_eq!(open(dir.path()).encode(b"ACGTA").unwrap().ids, [2246, 38, 5603]);
}

#[test]
fn llama_cases() {
    let Some(fixtures) = fixtures("llama_cases") else { return };
    for (name, is_needed) in [("llama_tiny_bl", true), ("llama_tiny_sp", true), ("llama2", false), ("llama3", false)] {
        let dir = fixtures.join(name);
        let file = json(dir.join("cases.json"));
        let path = dir.join("tokenizer.json");
        if !is_needed && !path.is_file() {
            eprintln!("skipped: {name}: {} is absent", path.display());
            continue;
        }
        let t = open(&path);
        if matches!(name, "llama_tiny_bl" | "llama3") {
            ByteLevelTokenizer::from_file(&path).unwrap();
            check_cases(&*t, &file, byte_level);
        } else {
            SentencePieceTokenizer::from_file(&path).unwrap();
            check_cases(&*t, &file, sentence_piece);
            assert_eq!((t.cls_id(), t.sep_id(), t.unk_id()), (Some(1), Some(2), 0));
        }
    }
}

#[test]
fn dnabert2_by_content() {
    let Some(fixtures) = fixtures("dnabert2_by_content") else { return };
    let dir = fixtures.join("dnabert2");
    let file = json(dir.join("cases.json"));
    let t = open(&dir);
    for case in file["cases"].as_array().unwrap() {
        let text = case["text"].as_str().unwrap();
        assert_eq!(t.encode(text.as_bytes()).unwrap().ids, ids(&case["ids"]), "{text:?}");
    }
}

#[test]
fn stories260k() {
    let Some(data) = data_folder("stories260k", "GENOME_DATA", "data") else { return };
    let dir = data.join("weights/stories260K");
    let expected = json(dir.join("expected.json"));
    let t = Llama2cTokenizer::from_file(dir.join("tok512.bin")).unwrap();
    let (text, expected) = (expected["greedy_text"].as_str().unwrap(), ids(&expected["greedy_ids"]));
    assert_eq!(t.encode(text.as_bytes()).unwrap().ids, expected);
    assert_eq!(t.decode(&expected).unwrap(), text.as_bytes());
    assert_eq!(t.vocab_size(), 512);
    assert_eq!(open(&dir).encode(text.as_bytes()).unwrap().ids, expected);
}

/// Letters from a seed, some of them in repeats.
fn genome(length: usize, mut state: u64) -> Vec<u8> {
    let mut draw = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    };
    let mut out = Vec::new();
    while out.len() < length {
        match draw() % 12 {
            0 => out.extend(std::iter::repeat_n(b"ACGT"[draw() % 4], 1 + draw() % 30)),
            1 => out.extend(b"AT".repeat(1 + draw() % 15)),
            2 if out.len() > 300 => {
                let from = draw() % (out.len() - 60);
                out.extend_from_within(from..from + 60);
            }
            _ => out.extend((0..20).map(|_| b"AACGTT"[draw() % 6])),
        }
    }
    out.truncate(length);
    out
}

struct Pair {
    name: &'static str,
    ours: BpeTokenizer,
    reference: BpeTokenizer,
}

/// DNABERT-2's vocabulary, where it is at hand, and two that are trained here: each with both engines.
fn vocabularies() -> &'static [Pair] {
    static PAIRS: OnceLock<Vec<Pair>> = OnceLock::new();
    PAIRS.get_or_init(|| {
        let pair = |name, ours: BpeTokenizer| {
            let ours = ours.with_case(Case::Original);
            assert!(ours.is_fast(), "{name}");
            Pair { name, reference: ours.clone().with_reference_engine(), ours }
        };
        let small = BpeTraining { vocab_size: 300, ..BpeTraining::default() };
        let large = BpeTraining { vocab_size: 2000, piece_bp: 200, ..BpeTraining::default() };
        let mut pairs = vec![
            pair("300 tokens", train_bpe(small, [genome(30_000, 1)]).unwrap().tokenizer().clone()),
            pair("2000 tokens", train_bpe(large, [genome(150_000, 2)]).unwrap().tokenizer().clone()),
        ];
        if let Some(fixtures) = fixtures("vocabularies") {
            pairs.push(pair("DNABERT-2", BpeTokenizer::from_file(fixtures.join("dnabert2/tokenizer.json")).unwrap()));
        }
        pairs
    })
}

/// DNA of 0 to `longest` letters: random, repeats, N, IUPAC, lower case, blanks.
fn dna(longest: usize) -> impl Strategy<Value = Vec<u8>> {
    let letters = |alphabet: &'static [u8], most: usize| {
        proptest::collection::vec(proptest::sample::select(alphabet), 1..most.max(2))
    };
    let part = prop_oneof![
        6 => letters(b"ACGT", 600),
        1 => letters(b"ACGTacgt", 100),
        1 => letters(b"ACGTNRYSWKMBDHVU", 60),
        1 => letters(b"ACGT \t\n\r", 60),
        1 => letters(b"Nn", 80),
        2 => (proptest::sample::select(&["A", "T", "AT", "ACG", "AAT", "CAG", "ACGTAC", "G"][..]), 1usize..200)
            .prop_map(|(unit, times)| unit.repeat(times).into_bytes()),
    ];
    (0..=longest, proptest::collection::vec(part, 0..100)).prop_map(|(length, parts)| {
        let mut seq = parts.concat();
        seq.truncate(length);
        seq
    })
}

fn check_both(pair: &Pair, seq: &[u8]) -> std::result::Result<(), TestCaseError> {
    let fast = pair.ours.encode(seq).unwrap();
    let reference = pair.reference.encode(seq).unwrap();
    prop_assert_eq!(&fast.ids, &reference.ids, "{}", pair.name);
    prop_assert_eq!(&fast.offsets, &reference.offsets, "{}", pair.name);
    prop_assert_eq!(fast, reference, "{}", pair.name);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, max_shrink_iters: 500, ..ProptestConfig::default() })]

    #[test]
    fn the_fast_engine_is_exact(seq in dna(20_000)) {
        for pair in vocabularies() {
            check_both(pair, &seq)?;
        }
    }

    #[test]
    fn short_sequences_too(seq in dna(60)) {
        for pair in vocabularies() {
            check_both(pair, &seq)?;
        }
    }

    #[test]
    fn decoding_undoes_encoding_and_offsets_cover_the_input(seq in dna(5_000)) {
        for pair in vocabularies() {
            let upper = pair.ours.clone().with_case(Case::Upper);
            let seq: Vec<u8> = seq.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
            let encoding = upper.encode(&seq).unwrap();
            let plain: Vec<u8> = seq.to_ascii_uppercase().into_iter().map(|b| match b {
                b'U' => b'T',
                b'A' | b'C' | b'G' | b'T' => b,
                _ => b'N',
            }).collect();
            prop_assert_eq!(&upper.decode(&encoding.ids).unwrap(), &plain);
            let mut at = 0;
            for (&id, &(start, end)) in encoding.ids.iter().zip(&encoding.offsets) {
                prop_assert_eq!(start, at);
                at = end;
                if id > 4 {
                    prop_assert_eq!(upper.token(id).unwrap().as_bytes(), &plain[start..end]);
                }
            }
            prop_assert_eq!(at, seq.len());
        }
    }
}
