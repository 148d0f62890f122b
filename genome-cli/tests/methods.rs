//! `genome finetune` with each method, start and way to hold the base; what it writes predicts again.

#[path = "common/run.rs"]
mod run;

use run::{folder, genome};
use std::path::Path;

/// A small data set, and base-tiny as a folder.
fn prepare(dir: &Path) {
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets");
    std::fs::create_dir_all(dir.join("data")).unwrap();
    for (split, rows) in [("train", 96), ("dev", 32), ("test", 32)] {
        let text = std::fs::read_to_string(assets.join("splice_junction").join(format!("{split}.csv"))).unwrap();
        let few: String = text.lines().take(rows + 1).map(|line| format!("{line}\n")).collect();
        std::fs::write(dir.join("data").join(format!("{split}.csv")), few).unwrap();
    }
    std::fs::create_dir_all(dir.join("base")).unwrap();
    for file in ["config.json", "genome_tokenizer.json", "model.safetensors"] {
        std::fs::copy(assets.join("base-tiny").join(file), dir.join("base").join(file)).unwrap();
    }
}

#[test]
fn every_way_trains_and_predicts_again() {
    let dir = folder();
    prepare(dir.path());
    genome(dir.path(), &["convert-checkpoint", "base", "packed", "--bits", "4"]).assert().success();
    let ways: [&[&str]; 17] = [
        &["--method", "rslora", "--rank", "4"],
        &["--method", "dora", "--rank", "4"],
        &["--method", "lora", "--start", "pissa"],
        &["--method", "adalora", "--rank", "2"],
        &["--method", "adalora", "--rank", "2", "--gradient-checkpointing"],
        &["--method", "lora", "--lora-plus", "16"],
        &["--method", "dora", "--lora-plus", "4", "--gradient-checkpointing"],
        &["--method", "ia3"],
        &["--method", "adalora", "--rank", "2", "--sampling", "described"],
        &["--method", "prefix", "--virtual-tokens", "3"],
        &["--method", "prefix", "--virtual-tokens", "3", "--prefix-projection"],
        &["--method", "prompt", "--virtual-tokens", "3", "--gradient-checkpointing"],
        &["--method", "ptuning", "--virtual-tokens", "3"],
        &["--method", "lora", "--start", "olora", "--gradient-checkpointing"],
        &["--method", "lora", "--base-bits", "8"],
        &["--method", "lora", "--base", "packed"],
        &["--method", "lora", "--base-bits", "4", "--gradient-checkpointing"],
    ];
    for way in ways {
        let train = ["finetune", "--device", "cpu", "--plain", "--data", "data", "--out", "a", "--force"];
        let base: &[&str] = if way.contains(&"--base") { &[] } else { &["--base", "base"] };
        let train = [&train[..], base, &["--epochs", "1", "--batch-size", "16"], way].concat();
        genome(dir.path(), &train).assert().success();
        let results: serde_json::Value =
            serde_json::from_slice(&std::fs::read(dir.path().join("a/eval_results.json")).unwrap()).unwrap();
        let bits: Vec<&str> = match way.iter().position(|a| *a == "--base-bits") {
            Some(at) => way[at..at + 2].to_vec(),
            None => Vec::new(),
        };
        // The folder alone predicts what training told about the test set.
        let predict =
            [&["predict", "--device", "cpu", "--adapter", "a", "--json"], &bits[..], &["data/test.csv"]].concat();
        let done = genome(dir.path(), &predict).assert().success();
        let lines = String::from_utf8(done.get_output().stdout.clone()).unwrap();
        let truth = std::fs::read_to_string(dir.path().join("data/test.csv")).unwrap();
        let right = truth.lines().skip(1).zip(lines.lines()).filter(|(row, found)| {
            let found: serde_json::Value = serde_json::from_str(found).unwrap();
            Some(row.rsplit(',').next().unwrap()) == found["label"].as_str()
        });
        let accuracy = right.count() as f64 / 32.0;
        assert_eq!(lines.lines().count(), 32, "{way:?}");
        assert!((accuracy - results["eval_accuracy"].as_f64().unwrap()).abs() < 1e-6, "{way:?}: {accuracy} {results}");
    }
}
