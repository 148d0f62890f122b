//! `genome matrix`: no cell of the table fails, and one that does is told.

#[path = "common/run.rs"]
mod run;
#[path = "common/shared.rs"]
mod shared;

use run::{folder, genome};
use serde_json::Value;
use shared::{shared, stories};
use std::path::Path;

const FAMILIES: [&str; 5] = ["nt", "dnabert", "dnabert2", "opt", "llama"];

fn table(dir: &Path, args: &[&str]) -> Value {
    let done = genome(dir, &["matrix", "--device", "cpu", "--json"]).args(args).assert().success();
    serde_json::from_slice(&done.get_output().stdout).unwrap()
}

/// Ten methods on five families; LINGO's words mean nothing to models of DNA, everything else works.
fn check(table: &Value) {
    let cells = table["cells"].as_array().unwrap();
    assert_eq!(cells.len(), 10 * FAMILIES.len());
    for (i, cell) in cells.iter().enumerate() {
        let (family, method) = (cell["family"].as_str().unwrap(), cell["method"].as_str().unwrap());
        assert_eq!(family, FAMILIES[i % FAMILIES.len()]);
        let words = matches!(family, "opt" | "llama");
        if method.starts_with("LINGO") && !words {
            assert_eq!(cell["outcome"], "meaningless", "{cell}");
            assert!(cell["reason"].as_str().unwrap().contains("DNA"), "{cell}");
        } else {
            assert_eq!(cell["outcome"], "works", "{cell}");
            assert!(cell["loss_after"].as_f64() < cell["loss_before"].as_f64(), "{cell}");
            assert!(cell["trainable"].as_u64().unwrap() > 0, "{cell}");
        }
    }
}

#[test]
fn every_method_works_on_every_family() {
    let dir = folder();
    let table = table(dir.path(), &[]);
    assert_eq!(table["data"], "splice_junction");
    check(&table);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn real_transcription_factors_and_a_real_language_model() {
    let test = "real_transcription_factors_and_a_real_language_model";
    let Some(data) = shared(test, "data/classify/gue_tf_mouse_3") else { return };
    let dir = folder();
    let Some(()) = stories(test, dir.path()) else { return };
    let table = table(dir.path(), &["--base", "llama=stories", "--data", data.to_str().unwrap()]);
    assert_eq!(table["data"], "gue_tf_mouse_3");
    for (family, random) in [("nt", false), ("llama", false), ("dnabert", true)] {
        assert_eq!(table["models"][family]["random"], random);
    }
    check(&table);
}

/// What does not learn is told, cell by cell, and in the exit code.
#[test]
fn a_cell_that_does_not_learn_fails() {
    let dir = folder();
    let few = ["--families", "opt", "--methods", "lora,lingo-bbpe,ia3", "--learning-rate", "1e-30"];
    let done = genome(dir.path(), &["matrix", "--device", "cpu"]).args(few).assert().code(1);
    let told = String::from_utf8(done.get_output().stdout.clone()).unwrap();
    assert_eq!(told.matches("FAILED").count(), 3, "{told}");
    assert!(told.contains("the loss on the training rows did not fall"), "{told}");
}

#[test]
fn bases_of_another_family_are_refused() {
    let dir = folder();
    let llama = r#"{"model_type": "llama", "vocab_size": 8, "hidden_size": 8, "intermediate_size": 8,
        "num_hidden_layers": 1, "num_attention_heads": 1}"#;
    std::fs::create_dir(dir.path().join("other")).unwrap();
    std::fs::write(dir.path().join("other/config.json"), llama).unwrap();
    let told = |args: &[&str]| {
        let done = genome(dir.path(), &["matrix", "--device", "cpu"]).args(args).assert().code(2);
        String::from_utf8(done.get_output().stderr.clone()).unwrap()
    };
    assert!(told(&["--base", "opt"]).contains("expected FAMILY=DIR"));
    assert!(told(&["--base", "gpt=other"]).contains("gpt"));
    assert!(told(&["--base", "opt=other"]).contains("other"), "{}", told(&["--base", "opt=other"]));
    assert!(told(&["--data", "absent"]).contains("absent"));
}
