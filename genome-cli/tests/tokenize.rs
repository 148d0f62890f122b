//! `genome tokenize` and `genome train-tokenizer`: ids against those of the original tools, and what people type.

#[path = "common/run.rs"]
mod run;

use flate2::{Compression, write::GzEncoder};
use run::{folder, genome};
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// A folder of test data: the value of `variable`, or `default` beside the workspace. `None`, with a line on stderr, where
/// it is absent; in CI nothing may be skipped while the shared folder is there.
fn data_folder(test: &str, variable: &str, default: &str) -> Option<PathBuf> {
    let shared = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared"));
    let folder = std::env::var_os(variable).map(PathBuf::from).filter(|f| f.is_dir());
    let folder = folder.unwrap_or_else(|| shared.join(default));
    if folder.is_dir() {
        return Some(folder.canonicalize().unwrap());
    }
    let strict = std::env::var("CI").is_ok_and(|ci| ci == "true") && shared.is_dir();
    assert!(!strict, "{test}: {} is absent, and nothing is skipped in CI", folder.display());
    eprintln!("skipped: {test}: {} is absent", folder.display());
    None
}

/// Runs `args` in `dir` and gives stdout; the exit code must be `code`.
fn ran(dir: &Path, code: i32, args: &[&str]) -> String {
    let output = genome(dir, args).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// `args` fail with one line that holds all of `says`, and print nothing.
fn refused(dir: &Path, args: &[&str], says: &[&str]) {
    let output = genome(dir, args).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{args:?}: {error}");
    assert!(output.stdout.is_empty(), "{args:?} printed {:?}", String::from_utf8_lossy(&output.stdout));
    assert!(error.starts_with("error: ") && error.lines().count() == 1, "{error}");
    for part in says {
        assert!(error.contains(part), "{args:?}: expected {part:?} in {error:?}");
    }
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// All cases of one set in one run of the binary, through a file and through stdin: `ids` of each case under `key`.
fn check_set(set: &str, tokenizer: &str, cases: &[Value], text: &str, key: &str, more: &[&str]) {
    let dir = folder();
    let input: String = cases.iter().map(|case| format!("{}\n", case[text])).collect();
    fs::write(dir.path().join("cases.jsonl"), &input).unwrap();
    let mut args = vec!["tokenize", "--tokenizer", tokenizer, "--original", "--input-json"];
    args.extend_from_slice(more);
    args.push("cases.jsonl");
    let found = ran(dir.path(), 0, &args);
    *args.last_mut().unwrap() = "-";
    let output = genome(dir.path(), &args).write_stdin(input).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), found, "{set}: stdin and file differ");
    let found = lines(&found);
    assert_eq!(found.len(), cases.len(), "{set}");
    for (found, case) in found.iter().zip(cases) {
        assert_eq!(found["ids"], case[key], "{set}, {tokenizer}: {}", case[text]);
        let fields: Vec<&String> = found.as_object().unwrap().keys().collect();
        assert_eq!(fields, ["ids", "offsets"]);
        // Offsets lie in the text, and do not go back but where a new piece begins.
        let length = case[text].as_str().unwrap().len() as u64;
        let offsets = found["offsets"].as_array().unwrap();
        assert_eq!(offsets.len(), found["ids"].as_array().unwrap().len());
        assert!(offsets.iter().all(|span| span[0].as_u64() <= span[1].as_u64() && span[1].as_u64().unwrap() <= length));
    }
    eprintln!("{set}: {tokenizer}: {} cases agree ({key})", cases.len());
}

fn cases(file: &Path) -> Vec<Value> {
    let json: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    json.as_array().or_else(|| json["cases"].as_array()).unwrap().clone()
}

#[test]
fn every_case_of_every_set() {
    let Some(sets) = data_folder("every_case_of_every_set", "GENOME_FIXTURES", "fixtures/tokenizers") else { return };
    let gpt2 = folder();
    fs::copy(sets.join("opt/merges.txt"), gpt2.path().join("merges.txt")).unwrap();
    let (mut checked, mut skipped) = (0, 0);
    let mut names: Vec<_> =
        fs::read_dir(&sets).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    for set in &names {
        let dir = sets.join(set);
        let path = dir.to_str().unwrap();
        let cases = cases(&dir.join("cases.json"));
        let tokenizers = match set.as_str() {
            "dnabert2" | "opt" | "llama_tiny_bl" | "llama_tiny_sp" => vec![path.to_owned()],
            "nt_v1" | "nt_v2" => vec![path.to_owned(), set.replace("nt_", "nt:")],
            "gpt2" => vec![gpt2.path().to_str().unwrap().to_owned()],
            _ if set.starts_with("dnabert_") => {
                vec![path.to_owned(), format!("{path}/vocab.txt"), set.replace("dnabert_", "dnabert:")]
            }
            // Whoever has their tokenizer.json puts it into the folder.
            "llama2" | "llama3" if dir.join("tokenizer.json").is_file() => vec![path.to_owned()],
            "llama2" | "llama3" => {
                eprintln!(
                    "skipped: {set}: its tokenizer.json is not in {path} (the licence keeps it out), only its ids are"
                );
                skipped += 1;
                continue;
            }
            other => panic!("a set that this test does not know: {other}"),
        };
        for tokenizer in &tokenizers {
            check_set(set, tokenizer, &cases, "text", "ids", &[]);
            if cases[0].get("ids_no_special").is_some() {
                check_set(set, tokenizer, &cases, "text", "ids_no_special", &["--no-special-tokens"]);
            }
        }
        checked += cases.len();
    }
    eprintln!("{checked} cases of {} sets agree; {skipped} sets skipped", names.len() - skipped);
    assert!(names.len() - skipped >= 11 && checked >= 390, "{checked} cases of {names:?}");
}

#[test]
fn dnabert_truncates_as_the_original() {
    let Some(sets) = data_folder("dnabert_truncates", "GENOME_FIXTURES", "fixtures/tokenizers") else { return };
    // Above 509 k-mers the original's rule of pieces comes before its limit.
    let mut cases = cases(&sets.join("dnabert_6/cases.json"));
    cases.retain(|case| case["text"].as_str().unwrap().len() < 500);
    assert!(cases.len() > 20);
    check_set("dnabert_6", "dnabert:6", &cases, "text", "ids_max_length_32", &["--max-tokens", "32"]);
}

#[test]
fn every_case_of_the_published_files() {
    let test = "every_case_of_the_published_files";
    let Some(data) = data_folder(test, "GENOME_DATA", "data") else { return };
    let dir = data.join("tokenizers/dnabert2");
    let dnabert2 = cases(&dir.join("expected.json"));
    assert!(dnabert2.len() >= 40);
    for path in [dir.clone(), dir.join("tokenizer.json")] {
        check_set("data/dnabert2", path.to_str().unwrap(), &dnabert2, "sequence", "ids", &[]);
    }
    let Some(sets) = data_folder(test, "GENOME_FIXTURES", "fixtures/tokenizers") else { return };
    for k in 3..=6 {
        let vocab = data.join(format!("tokenizers/dnabert_kmer/vocab_{k}mer.txt"));
        let cases = cases(&sets.join(format!("dnabert_{k}/cases.json")));
        check_set("data/dnabert_kmer", vocab.to_str().unwrap(), &cases, "text", "ids", &[]);
    }
}

#[test]
fn fasta_in_any_compression_lines_and_stdin() {
    let dir = folder();
    let fasta = ">a first\nACGT\nACgt\n>b\nNN\n";
    fs::write(dir.path().join("a.fa"), fasta).unwrap();
    let mut gz = GzEncoder::new(Vec::new(), Compression::default());
    gz.write_all(fasta.as_bytes()).unwrap();
    fs::write(dir.path().join("packed"), gz.finish().unwrap()).unwrap();
    fs::write(dir.path().join("lines.txt"), "ACGTACgt\r\n\nNN").unwrap();
    let tokenize = |file: &str| ran(dir.path(), 0, &["tokenize", "--tokenizer", "dnabert:6", file]);
    let expected = "{\"name\":\"a\",\"ids\":[2,727,2896,3378,3],\"offsets\":[[0,0],[0,6],[1,7],[2,8],[8,8]]}\n\
        {\"name\":\"b\",\"ids\":[2,3],\"offsets\":[[0,0],[2,2]]}\n";
    assert_eq!(tokenize("a.fa"), expected);
    assert_eq!(tokenize("packed"), expected);
    let rows = lines(&tokenize("lines.txt"));
    assert_eq!(rows[0]["ids"], json!([2, 727, 2896, 3378, 3]));
    assert_eq!(
        rows[1..],
        [json!({"ids": [2, 3], "offsets": [[0, 0], [0, 0]]}), json!({"ids": [2, 3], "offsets": [[0, 0], [2, 2]]})]
    );
    let stdin = genome(dir.path(), &["tokenize", "--tokenizer", "dnabert:6"]).write_stdin(fasta).output().unwrap();
    assert_eq!(String::from_utf8(stdin.stdout).unwrap(), expected);
    // A line that looks like a record, if one says so; letters outside the alphabet with --original.
    let text = ran(
        dir.path(),
        0,
        &["tokenize", "--tokenizer", "letters", "--input-lines", "--no-special-tokens", "lines.txt"],
    );
    assert_eq!(lines(&text)[0]["ids"], json!([5, 6, 7, 8, 5, 6, 7, 8]));
    ran(dir.path(), 0, &["tokenize", "--tokenizer", "nt:v2", "--original", "--input-lines", "a.fa"]);
    // Nothing there: nothing found.
    fs::write(dir.path().join("none.txt"), "").unwrap();
    assert_eq!(ran(dir.path(), 1, &["tokenize", "--tokenizer", "letters", "none.txt"]), "");
    // To a file.
    ran(dir.path(), 0, &["tokenize", "--tokenizer", "dnabert:6", "--out", "out.jsonl", "a.fa"]);
    assert_eq!(fs::read_to_string(dir.path().join("out.jsonl")).unwrap(), expected);
}

#[test]
fn json_strings_hold_anything() {
    let dir = folder();
    let texts = ["", "ACGT\nacgt", "a\u{0}\u{1f600}é\"\\", "[MASK] ACGTAC", "\u{2028}"];
    let input: String = texts.iter().map(|text| format!("{}\n", json!(text))).collect();
    // Also as \u escapes, as Python's json writes them.
    let escaped = "\"a\\u0000\\ud83d\\ude00\\u00e9\\\"\\\\\"\n";
    fs::write(dir.path().join("t.jsonl"), input + escaped).unwrap();
    let args = ["tokenize", "--tokenizer", "nt:v2", "--original", "--input-json", "t.jsonl"];
    let rows = lines(&ran(dir.path(), 0, &args));
    assert_eq!(rows.len(), 6);
    assert_eq!(rows[0], json!({"ids": [3], "offsets": [[0, 0]]}));
    assert_eq!(rows[2], rows[5]);
}

#[test]
fn one_hot_prints_columns() {
    let dir = folder();
    fs::write(dir.path().join("a.fa"), ">a\nACGTN\nut\n").unwrap();
    let rows = lines(&ran(dir.path(), 0, &["tokenize", "--tokenizer", "onehot", "a.fa"]));
    assert_eq!(rows[0]["ids"], json!([0, 1, 2, 3, 4, 3, 3]));
    assert_eq!(rows[0]["offsets"][6], json!([6, 7]));
    let stats = lines(&ran(dir.path(), 0, &["tokenize", "--tokenizer", "onehot", "--stats", "--json", "a.fa"]));
    assert_eq!((&stats[0]["tokens"], &stats[0]["unknown"]), (&json!(7), &json!(1)));
}

#[test]
fn statistics_take_the_place_of_ids() {
    let dir = folder();
    fs::write(dir.path().join("a.fa"), ">a\nACGTACGTAC\n>b\nACGnn\n").unwrap();
    let args = ["tokenize", "--tokenizer", "dnabert:3", "--stats", "a.fa"];
    let text = ran(dir.path(), 0, &args);
    let expected = "sequences       2\nbases           15\ntokens          11\nbases_per_token 1.3636\nunknown         2\nunknown_share   0.1818\n";
    assert_eq!(text, expected);
    let stats = lines(&ran(dir.path(), 0, &[&args[..], &["--json"]].concat()));
    assert_eq!(stats.len(), 1);
    assert_eq!((&stats[0]["bases"], stats[0]["bases_per_token"].as_f64()), (&json!(15), Some(15.0 / 11.0)));
}

#[test]
fn order_is_kept_over_many_batches() {
    let dir = folder();
    let input: String = (0..10_000).map(|i| format!(">s{i}\n{}\n", "ACGT".repeat(1 + i % 7))).collect();
    fs::write(dir.path().join("a.fa"), input).unwrap();
    let rows = lines(&ran(dir.path(), 0, &["tokenize", "--tokenizer", "letters", "a.fa"]));
    assert_eq!(rows.len(), 10_000);
    for (i, row) in rows.iter().enumerate() {
        assert_eq!(row["name"], format!("s{i}"));
        assert_eq!(row["ids"].as_array().unwrap().len(), 2 + 4 * (1 + i % 7));
    }
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let dir = folder();
    let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    write("lines.txt", "ACGT\nAC-T\n");
    write("a.fa", ">a\nACGT\nACJT\n");
    write("a.bed", "chr1\t10\t20\n");
    write("t.jsonl", "\"ACGT\"\nACGT\n");
    write("gap.jsonl", "\"ACGT\"\n\n\"A\"\n");
    write("tokenizer.json", "{\n\"model\": ");
    write("half.jsonl", "\"\\ud800\"\n");
    let check = |tokenizer: &str, more: &[&str], says: &[&str]| {
        refused(dir.path(), &[&["tokenize", "--tokenizer", tokenizer], more].concat(), says);
    };
    check("dnabert:6", &["lines.txt"], &["lines.txt:2: letter 3: expected an IUPAC nucleotide, found '-'"]);
    check("nt:v2", &["a.fa"], &["a.fa:3", "'J'"]);
    check("letters", &["a.bed"], &["a.bed: expected sequences, found BED", "--input-lines"]);
    check("letters", &["--input-json", "t.jsonl"], &["t.jsonl:2: column 1: expected a JSON string"]);
    check("letters", &["--input-json", "gap.jsonl"], &["gap.jsonl:2: ", "expected a JSON string"]);
    check("nt:v2", &["--original", "--input-json", "half.jsonl"], &["half.jsonl:1: ", "expected a JSON string"]);
    check("tokenizer.json", &["lines.txt"], &["tokenizer.json:2: "]);
    check("dnabert:7", &["lines.txt"], &["dnabert:7: no such tokenizer", "did you mean dnabert:6?"]);
    check("letters", &["none.fa"], &["none.fa"]);
    check("letters", &["--max-tokens", "1", "lines.txt"], &["lines.txt:1: a limit of 1 tokens leaves no room"]);
}

#[test]
fn a_vocabulary_of_ones_own() {
    let dir = folder();
    let mut bases = String::new();
    let mut random = 7_u32;
    for i in 0..300_000 {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        bases.push(char::from(b"AACGTTtn"[(random >> 29) as usize & if i % 1000 == 0 { 7 } else { 3 }]));
        if random >> 26 == 5 {
            bases.push_str("TATAAT");
        }
    }
    fs::write(dir.path().join("genome.fa"), format!(">chr1\n{bases}\n>chr2\nACGT\n")).unwrap();
    let args =
        ["train-tokenizer", "--vocab-size", "200", "--out", "mine/tokenizer.json", "--stats", "--json", "genome.fa"];
    refused(dir.path(), &args, &["mine/tokenizer.json"]);
    fs::create_dir(dir.path().join("mine")).unwrap();
    let stats = lines(&ran(dir.path(), 0, &args));
    assert_eq!(stats.len(), 1);
    assert_eq!((&stats[0]["vocabulary"], &stats[0]["measured_on"]), (&json!(200), &json!("held-out")));
    let rate = stats[0]["bases_per_token"].as_f64().unwrap();
    assert!((2.0..8.0).contains(&rate), "{rate}");
    assert!(
        stats[0]["bases"].as_u64().unwrap() >= 10_000 && stats[0]["bases"].as_u64().unwrap().is_multiple_of(10_000)
    );
    // It is a tokenizer.json, and tokenize reads it, by folder and by file; the rate is about that of the held-out share.
    for name in ["mine", "mine/tokenizer.json"] {
        let args = ["tokenize", "--tokenizer", name, "--stats", "--json", "genome.fa"];
        let whole = lines(&ran(dir.path(), 0, &args));
        assert_eq!(whole[0]["bases"].as_u64().unwrap() as usize, bases.len() + 4);
        assert!((whole[0]["bases_per_token"].as_f64().unwrap() / rate - 1.0).abs() < 0.05);
    }
    assert_eq!(fs::read_dir(dir.path().join("mine")).unwrap().count(), 1);
    // The same again gives the same file; a small input is measured on itself.
    let first = fs::read(dir.path().join("mine/tokenizer.json")).unwrap();
    ran(dir.path(), 0, &args);
    assert_eq!(fs::read(dir.path().join("mine/tokenizer.json")).unwrap(), first);
    fs::write(dir.path().join("small.fa"), ">a\nACGTACGTACGT\n").unwrap();
    let text = ran(dir.path(), 0, &["train-tokenizer", "--out", "small.json", "--stats", "small.fa"]);
    assert!(text.contains("measured_on     input\n"), "{text}");
    // What cannot be.
    refused(
        dir.path(),
        &["train-tokenizer", "--vocab-size", "8", "--out", "x.json", "small.fa"],
        &["vocab_size is 8: expected at least 9"],
    );
    fs::write(dir.path().join("bad.fa"), ">a\nACGT\nAC*T\n").unwrap();
    refused(dir.path(), &["train-tokenizer", "--out", "x.json", "bad.fa"], &["bad.fa:3"]);
    fs::write(dir.path().join("n.fa"), ">a\nNNNN\n").unwrap();
    refused(dir.path(), &["train-tokenizer", "--out", "x.json", "n.fa"], &["n.fa: no bases to train on"]);
    assert!(!dir.path().join("x.json").exists());
}
