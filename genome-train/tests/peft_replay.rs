//! Twenty steps of each LoRA, DoRA and IA3 case of `testdata/peft`, as PEFT 0.21.2 and torch's AdamW took them: losses,
//! gradients, adapters, logits, and what saving, loading and merging make of them.

mod replay;

use peft_lora::{Ia3Config, LoraConfig};
use replay::{Differences, fixture, replay};

/// Runs every case whose name starts with one of `kinds`; at least `n` of them are there.
fn check(kinds: &[&str], n: usize, run: fn(&std::path::Path) -> Differences) {
    let mut cases: Vec<_> = std::fs::read_dir(fixture("peft")).unwrap().map(|e| e.unwrap().path()).collect();
    cases.retain(|dir| kinds.iter().any(|kind| dir.file_name().unwrap().to_string_lossy().starts_with(kind)));
    cases.sort();
    assert!(cases.len() >= n, "{cases:?}");
    for dir in cases {
        println!("{}", dir.file_name().unwrap().display());
        let most = run(&dir);
        println!("  {most:?}");
    }
}

#[test]
fn lora() {
    check(&["lora_"], 8, replay::<LoraConfig>);
}

#[test]
fn dora() {
    check(&["dora_"], 2, replay::<LoraConfig>);
}

#[test]
fn ia3() {
    check(&["ia3_"], 4, replay::<Ia3Config>);
}
