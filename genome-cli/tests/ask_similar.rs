//! `genome ask` with models of texts and of DNA: nearest genes, kept vectors, what is refused.

#![cfg(feature = "semantic")]

#[path = "common/run.rs"]
mod run;

use run::{folder, genome};
use std::path::{Path, PathBuf};

fn ran(dir: &Path, code: i32, args: &[&str]) -> (String, String) {
    let args = [args, &["--device", "cpu"]].concat();
    let output = genome(dir, &args).env("GENOME_CACHE", dir.join("cache")).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    let out = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {out}{error}");
    (out, error)
}

/// The tiny BERT of the fixtures with a vocabulary of words: its vectors mean nothing, but are the same for the same text.
fn embedder(dir: &Path) -> PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/models/bert");
    let to = dir.join("tiny-bert");
    std::fs::create_dir_all(&to).unwrap();
    for file in ["config.json", "model.safetensors"] {
        std::fs::copy(from.join(file), to.join(file)).unwrap();
    }
    let words = "[PAD] [UNK] [CLS] [SEP] [MASK] photosystem ribosomal protein subunit rna polymerase atp synthase cytochrome nadh \
                 dehydrogenase i ii heat shock chaperone ##s - , ; ( )";
    let letters = ('a'..='z').map(String::from).chain((0..10).map(|n| format!("##{n}")));
    let mut all: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
    for letter in letters.filter(|letter| letter != "i") {
        all.push(letter);
    }
    all.truncate(69);
    std::fs::write(to.join("vocab.txt"), all.join("\n")).unwrap();
    to
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn functions_by_a_text_model() {
    let dir = folder();
    let embedder = embedder(dir.path());
    let embedder = embedder.to_str().unwrap();
    let ask = ["ask", "--demo", "--embedder", embedder, "--json"];
    let (out, error) =
        ran(dir.path(), 0, &[&ask[..], &["five genes similar in function to ribosomal protein S12"]].concat());
    assert!(error.contains("embedded ") && error.contains("tiny-bert"), "{error}");
    let reply = json(&out);
    assert_eq!((&reply["method"], &reply["count"]), (&"similarity".into(), &5.into()));
    // The same text is the nearest, whatever the model; its cosine is 1.
    assert_eq!(reply["rows"][0]["gene"], "rps12", "{reply}");
    assert!((reply["rows"][0]["similarity"].as_f64().unwrap() - 1.0).abs() < 1e-5);
    let scores: Vec<f64> =
        reply["rows"].as_array().unwrap().iter().map(|row| row["similarity"].as_f64().unwrap()).collect();
    assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
    assert!(reply["caveats"][0].as_str().unwrap().contains("similarity, not fact"));
    // The second time the vectors are there.
    let (_, error) = ran(dir.path(), 0, &[&ask[..], &["genes similar in function to rbcL"]].concat());
    assert!(!error.contains("embedded"), "{error}");
    let (out, _) =
        ran(dir.path(), 0, &["ask", "--demo", "--embedder", embedder, "--similar-to", "rbcL", "--similar", "3"]);
    assert!(out.starts_with("I read this as: genes similar to rbcL (ArthCp030) by the meaning"), "{out}");
    assert!(out.contains("similarity") && !out.contains("ArthCp030  rbcL"), "{out}");
    // A question of another sort is answered by the grammar.
    let (out, _) = ran(dir.path(), 0, &[&ask[..], &["how many tRNAs are there?"]].concat());
    assert_eq!(json(&out)["method"], "grammar");
}

#[test]
fn sequences_by_the_built_in_model() {
    let dir = folder();
    let (out, error) = ran(dir.path(), 0, &["ask", "--demo", "--json", "--similar-to", "ArthCp054", "--similar", "4"]);
    let reply = json(&out);
    assert!(error.contains("embedded "), "{error}");
    assert_eq!(reply["rows"].as_array().unwrap().len(), 4);
    assert!(reply["caveats"][0].as_str().unwrap().contains("base-tiny"), "{reply}");
    let (out, error) = ran(dir.path(), 0, &["ask", "--demo", "which genes are similar in sequence to rbcL?"]);
    assert!(out.contains("by the sequence") && !error.contains("embedded"), "{out}{error}");
    // The chloroplast has genes twice, once in each inverted repeat: their sequences are the same.
    let (out, _) = ran(dir.path(), 0, &["ask", "--demo", "--json", "where is rpl2?"]);
    let rows = json(&out)["rows"].as_array().unwrap().clone();
    let ids: Vec<&str> = rows.iter().map(|row| row["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 2, "{rows:?}");
    let (out, _) = ran(dir.path(), 0, &["ask", "--demo", "--json", "--similar-to", ids[0], "--similar", "1"]);
    let nearest = &json(&out)["rows"][0];
    assert_eq!(nearest["id"], ids[1], "{nearest}");
    assert!((nearest["similarity"].as_f64().unwrap() - 1.0).abs() < 1e-5, "{nearest}");
    let (out, _) = ran(dir.path(), 1, &["ask", "--demo", "--similar-to", "nifH"]);
    assert!(out.contains("ot annotated"), "{out}");
}

#[test]
fn what_is_missing_is_told() {
    let dir = folder();
    let (out, _) = ran(dir.path(), 1, &["ask", "--demo", "genes similar in function to heat shock chaperone"]);
    assert!(out.contains("--embedder DIR") && out.contains("all-MiniLM-L6-v2"), "{out}");
    let (out, _) = ran(dir.path(), 1, &["ask", "--demo", "genes similar in sequence to something odd"]);
    assert!(out.contains("no gene of this genome is called so"), "{out}");
    let refused = |args: &[&str], reason: &str| {
        let (_, error) = ran(dir.path(), 2, &[&["ask", "--demo"], args].concat());
        assert!(error.contains(reason), "{error}");
    };
    refused(&["--embedder", "nowhere", "genes similar to rbcL"], "nowhere: no such folder");
    refused(&["--dna-model", "owner/name", "genes similar to rbcL"], "owner/name: no such folder");
    let empty = dir.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    refused(&["--embedder", "empty", "genes similar in function to rbcL"], "expected a tokenizer.json or a vocab.txt");
    let broken = embedder(dir.path());
    std::fs::write(broken.join("vocab.txt"), "a\nb\n").unwrap();
    refused(&["--embedder", broken.to_str().unwrap(), "genes similar in function to rbcL"], "expected [SEP]");
}
