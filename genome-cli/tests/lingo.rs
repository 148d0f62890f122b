//! `genome finetune` with a natural-language model: text prompts, one-hot bases, sampled ranks.

#[path = "common/run.rs"]
mod run;
#[path = "common/shared.rs"]
mod shared;

use run::{folder, genome};
use shared::{shared, stories};
use std::path::Path;

/// A small real LLaMA, as a folder, and a small data set of promoters.
fn prepare(test: &str, dir: &Path) -> Option<()> {
    stories(test, dir)?;
    let data = shared(test, "data/classify/gue_prom_core_tata")?;
    std::fs::create_dir_all(dir.join("tata")).unwrap();
    for (split, rows) in [("train", 64), ("dev", 32), ("test", 32)] {
        let text = std::fs::read_to_string(data.join(format!("{split}.csv"))).unwrap();
        let few: String = text.lines().take(rows + 1).map(|line| format!("{line}\n")).collect();
        std::fs::write(dir.join("tata").join(format!("{split}.csv")), few).unwrap();
    }
    Some(())
}

const TRAIN: [&str; 14] = [
    "finetune",
    "--device",
    "cpu",
    "--plain",
    "--base",
    "stories",
    "--data",
    "tata",
    "--out",
    "a",
    "--force",
    "--epochs",
    "1",
    "--batch-size=16",
];

#[test]
fn language_models_read_promoters() {
    let dir = folder();
    let Some(()) = prepare("language_models_read_promoters", dir.path()) else { return };
    let named = ["--prompt-name", "gue_prom_core_tata"];
    let ways: [&[&str]; 8] = [
        &["--method", "lingo"],
        &["--method", "lingo", "--bases", "one-hot"],
        &["--method", "lingo", "--bases", "released", "--prompt-template", "released", "--sampling", "released"],
        &["--method", "lora", "--prompt", "shuffled"],
        &["--method", "lora", "--prompt", "wrong", "--gradient-checkpointing"],
        &["--method", "prefix", "--virtual-tokens", "4"],
        &["--method", "prompt", "--start-text", "Is this a promoter?"],
        &["--method", "lora", "--bases", "one-hot", "--prompt", "none", "--head", "original"],
    ];
    for way in ways {
        let done = genome(dir.path(), &TRAIN).args(named).args(way).assert().success();
        let told = String::from_utf8(done.get_output().stderr.clone()).unwrap();
        let results: serde_json::Value =
            serde_json::from_slice(&std::fs::read(dir.path().join("a/eval_results.json")).unwrap()).unwrap();
        if way.contains(&"lingo") {
            assert!(told.contains("Domain: DNA Promoter"), "{way:?}: {told}");
            let state = std::fs::read_to_string(dir.path().join("a/trainer_state.json")).unwrap();
            let state: serde_json::Value = serde_json::from_str(&state).unwrap();
            assert!(state["allocation"]["allocations"].as_array().unwrap().len() >= 3, "{way:?}");
        }
        let done = genome(dir.path(), &["predict", "--device", "cpu", "--adapter", "a", "--json", "tata/test.csv"]);
        let done = { done }.assert().success();
        let lines = String::from_utf8(done.get_output().stdout.clone()).unwrap();
        let truth = std::fs::read_to_string(dir.path().join("tata/test.csv")).unwrap();
        let right = truth.lines().skip(1).zip(lines.lines()).filter(|(row, found)| {
            let found: serde_json::Value = serde_json::from_str(found).unwrap();
            Some(row.rsplit(',').next().unwrap()) == found["label"].as_str()
        });
        let accuracy = right.count() as f64 / 32.0;
        assert!((accuracy - results["eval_accuracy"].as_f64().unwrap()).abs() < 1e-6, "{way:?}: {accuracy} {results}");
    }
}

#[test]
fn what_cannot_mean_anything_is_told() {
    let dir = folder();
    let Some(()) = prepare("what_cannot_mean_anything_is_told", dir.path()) else { return };
    for (way, says) in [
        (&["--method", "lingo"][..], "--prompt-name"),
        (&["--method", "lingo", "--base", "base-tiny"], "natural-language model"),
        (&["--method", "lora", "--bases", "one-hot", "--base", "base-tiny"], "natural-language model"),
        (&["--method", "lora", "--sampling", "annealed"], "--sampling"),
        (&["--method", "lora", "--start-text", "x"], "--start-text"),
        (&["--method", "lingo", "--prompt-name", "gue_prom_core_tata", "--max-tokens", "20"], "context"),
        (&["--method", "lingo", "--prompt-name", "gue_prom_core_tata", "--epochs", "0.2"], "steps"),
    ] {
        let mut args: Vec<&str> = TRAIN.to_vec();
        if way.contains(&"--base") {
            args.drain(4..6);
        }
        if way.contains(&"--epochs") {
            args.drain(args.len() - 3..args.len() - 1);
        }
        let done = genome(dir.path(), &args).args(way).assert().failure();
        let told = String::from_utf8(done.get_output().stderr.clone()).unwrap();
        assert!(told.contains(says), "{way:?}: {told}");
    }
}
