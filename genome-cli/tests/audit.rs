//! `genome audit`: every row runs, a run that was stopped goes on, and other settings are refused.

#[path = "common/run.rs"]
mod run;
#[path = "common/shared.rs"]
mod shared;

use run::{folder, genome};
use shared::{shared, stories};
use std::path::Path;

/// runs.csv without the seconds, which no two runs share.
fn runs(dir: &Path, out: &str) -> Vec<String> {
    let text = std::fs::read_to_string(dir.join(out).join("runs.csv")).unwrap();
    text.lines().map(|line| line.rsplit_once(',').unwrap().0.to_owned()).collect()
}

#[test]
fn an_audit_runs_stops_and_goes_on() {
    let test = "an_audit_runs_stops_and_goes_on";
    let Some(data) = shared(test, "data/classify/gue_prom_core_tata") else { return };
    let dir = folder();
    let dir = dir.path();
    let Some(()) = stories(test, dir) else { return };
    let audit = |more: &[&str]| {
        let args = ["audit", "--quick", "--device", "cpu", "--base", "stories", "--seeds", "1"];
        let few = ["--epochs", "1", "--train-rows", "64", "--eval-rows", "24", "--data"];
        let mut command = genome(dir, &args);
        command.args(few).arg(&data).args(more);
        if !more.contains(&"--out") {
            command.args(["--out", "audit"]);
        }
        command.assert()
    };
    let done = audit(&[]).success();
    let table = String::from_utf8(done.get_output().stdout.clone()).unwrap();
    assert_eq!(
        table.lines().filter(|line| line.contains("/tokens/") || line.contains("/one-hot/")).count(),
        12,
        "{table}"
    );
    let first = runs(dir, "audit");
    assert_eq!(first.len(), 13);
    // Allocators acted, and all rows began with as many weights but for what the learned prompt adds.
    let field = |line: &str, i: usize| line.split(',').nth(i).unwrap().parse::<usize>().unwrap();
    for line in &first[1..] {
        let allocates = !line.contains("/lora");
        assert_eq!(field(line, 8) >= 3, allocates, "{line}");
    }
    let html = std::fs::read_to_string(dir.join("audit/report.html")).unwrap();
    assert!(html.contains("<svg") && html.contains("right/one-hot/annealed"));

    // Five runs are lost, and the machine stopped within a sixth.
    let file = dir.join("audit/runs.jsonl");
    let text = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    std::fs::write(&file, lines[..6].join("\n") + "\n" + &lines[6][..40]).unwrap();
    let done = audit(&[]).success();
    let told = String::from_utf8(done.get_output().stderr.clone()).unwrap();
    assert_eq!(told.matches("test MCC").count(), 6, "{told}");
    assert_eq!(runs(dir, "audit"), first, "the same seeds give the same runs");

    // Of several learning rates, each run has the one that is best on dev.
    let field = |line: &str, i: usize| line.split(',').nth(i).unwrap().parse::<f64>().unwrap();
    audit(&["--out", "rates", "--learning-rate", "1e-3,1e-2"]).success();
    let both = runs(dir, "rates");
    assert!(both[1..].iter().zip(&first[1..]).all(|(both, one)| field(both, 3) >= field(one, 3)), "{both:?}");
    for (both, one) in both[1..].iter().zip(&first[1..]).filter(|(both, _)| field(both, 2) == 1e-3) {
        assert_eq!(both, one);
    }
    assert!(both[1..].iter().any(|line| field(line, 2) == 1e-2), "{both:?}");

    let refused = audit(&["--rank", "2"]).failure();
    let told = String::from_utf8(refused.get_output().stderr.clone()).unwrap();
    assert!(told.contains("other settings (rank: 4 there, 2 now)"), "{told}");
    let refused =
        genome(dir, &["audit", "--base", "base-tiny", "--out", "other", "--data"]).arg(&data).assert().failure();
    let told = String::from_utf8(refused.get_output().stderr.clone()).unwrap();
    assert!(told.contains("natural-language model"), "{told}");
}
