//! `genome ask` and `genome query` as people and programs run them.

#[path = "common/run.rs"]
mod run;

use run::{folder, genome};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs `args` in `dir`, the cache in it; the exit code must be `code`. Gives stdout and stderr.
fn ran(dir: &Path, code: i32, args: &[&str]) -> (String, String) {
    let output = genome(dir, args).env("GENOME_CACHE", dir.join("cache")).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    let out = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {out}{error}");
    (out, error)
}

#[test]
fn the_demo_answers() {
    let dir = folder();
    let (out, _) = ran(dir.path(), 0, &["ask", "--demo", "which genes encode ribosomal proteins?", "--rows", "0"]);
    assert!(
        out.starts_with(
            "I read this as: proteins with the words \u{201c}ribosomal protein\u{201d} in the product\n25 proteins.\n"
        ),
        "{out}"
    );
    assert!(out.contains("rps12") && out.contains("ribosomal protein S12") && out.lines().count() > 25, "{out}");
    // The second time the index is there.
    let (_, first) = ran(dir.path(), 0, &["ask", "--demo", "where is rbcL?"]);
    assert!(!first.contains("indexed"), "{first}");
}

#[test]
fn forms_of_an_answer() {
    let dir = folder();
    let question = "which proteins are shorter than 35 aa?";
    let (json, _) = ran(dir.path(), 0, &["ask", "--demo", "--json", question]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["status"], "ok");
    assert_eq!(json["query"], "list protein where aa < 35 as json");
    let rows = json["rows"].as_array().unwrap();
    assert_eq!(json["count"], rows.len());
    assert!(rows.iter().all(|row| row["aa"].as_u64().unwrap() < 35 && row["line"].as_u64().is_some()));
    assert_eq!(json["data_sha256"].as_object().unwrap().len(), 1);
    let (fasta, _) = ran(dir.path(), 0, &["ask", "--demo", "--fasta", question]);
    assert_eq!(fasta.matches('>').count(), rows.len());
    assert!(fasta.lines().filter(|line| !line.starts_with('>')).all(|line| line.starts_with('M')), "{fasta}");
    let (csv, _) = ran(dir.path(), 0, &["ask", "--demo", "--csv", question]);
    assert!(csv.starts_with("id,locus_tag,gene,") && csv.lines().count() == rows.len() + 1, "{csv}");
    let (gff, _) = ran(dir.path(), 0, &["ask", "--demo", "--gff", question]);
    assert!(
        gff.starts_with("##gff-version 3\n") && gff.lines().filter(|l| !l.starts_with('#')).count() >= rows.len(),
        "{gff}"
    );
    // The question itself may say it.
    let (said, _) = ran(dir.path(), 0, &["ask", "--demo", "proteins shorter than 35 aa as FASTA"]);
    assert_eq!(said, fasta);
}

#[test]
fn explained_answers_name_sql_and_lines() {
    let dir = folder();
    let (out, _) = ran(dir.path(), 0, &["ask", "--demo", "--explain", "Where is psbA?"]);
    assert!(out.contains("query: list gene where named psbA\n") && out.contains("sql: SELECT "), "{out}");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/NC_000932.gb");
    let text = std::fs::read_to_string(file).unwrap();
    let source = out.lines().find(|line| line.starts_with("source: ArthCp002 ")).unwrap();
    let line: usize = source.rsplit_once(':').unwrap().1.parse().unwrap();
    let told = text.lines().nth(line - 1).unwrap();
    assert!(told.starts_with("     gene            complement(383..1444)"), "{told}");
}

#[test]
fn what_is_not_found_is_told_apart() {
    let dir = folder();
    let (out, _) = ran(dir.path(), 1, &["ask", "--demo", "where is nifH?"]);
    assert!(out.contains("ot annotated: no feature is called \"nifH\""), "{out}");
    let (out, _) = ran(dir.path(), 1, &["ask", "--demo", "show me the largest"]);
    assert!(out.contains("The largest what?\n  1. the largest gene\n  2. the largest protein"), "{out}");
    let (out, _) = ran(dir.path(), 1, &["ask", "--demo", "which gene is expressed most?"]);
    assert!(out.contains("no expression data") && out.contains("Questions that can be asked:"), "{out}");
    let (_, error) = ran(dir.path(), 2, &["ask", "none.gb", "how many genes?"]);
    assert!(error.contains("none.gb: no such file"), "{error}");
    let (_, error) = ran(dir.path(), 2, &["ask", "how many genes?"]);
    assert!(error.contains("--demo"), "{error}");
}

#[test]
fn a_pipe_is_one_dialogue() {
    let dir = folder();
    let output = genome(dir.path(), &["ask", "--demo"])
        .env("GENOME_CACHE", dir.path().join("cache"))
        .write_stdin("How many proteins are longer than 1000 aa?\nList them\nof these, only those on the minus strand\nhow many?\n")
        .output()
        .unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    let read: Vec<&str> = out.lines().filter_map(|line| line.strip_prefix("I read this as: ")).collect();
    assert_eq!(
        read,
        [
            "number of proteins longer than 1,000 aa",
            "proteins longer than 1,000 aa",
            "proteins longer than 1,000 aa and on the minus strand",
            "number of proteins longer than 1,000 aa and on the minus strand",
        ],
        "{out}"
    );
}

#[test]
fn typed_queries() {
    let dir = folder();
    let (out, _) = ran(dir.path(), 0, &["query", "--demo", "count rRNA"]);
    assert!(out.contains("7 rRNAs."), "{out}");
    let json = r#"{"tell":"count","select":{"kind":"rRNA"}}"#;
    let (out, _) = ran(dir.path(), 0, &["query", "--demo", "--json", json]);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&out).unwrap()["count"], 7);
    let (_, error) = ran(dir.path(), 2, &["query", "--demo", "count rRNA wher"]);
    assert!(error.contains("column"), "{error}");
}

#[test]
fn help_has_examples_of_every_sort() {
    let dir = folder();
    let (help, _) = ran(dir.path(), 0, &["ask", "--help"]);
    let squeezed = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for examples in genome_ask::examples() {
        assert!(squeezed.contains(examples.category), "{help}");
        for question in examples.questions {
            assert!(squeezed.contains(&question), "{question} is not in the help");
        }
    }
}

/// `--revision` and `--offline` are about bases of the hub: only commands that take one have them.
#[cfg(feature = "hub")]
#[test]
fn options_of_the_hub_belong_to_commands_with_a_base() {
    let dir = folder();
    let has = |command: &[&str]| {
        let (help, _) = ran(dir.path(), 0, &[command, &["--help"]].concat());
        help.contains("--revision") && help.contains("--offline")
    };
    for command in [
        &["embed"][..],
        &["predict"],
        &["finetune"],
        &["generate"],
        &["forward"],
        &["peft", "plan"],
        &["adapter", "merge"],
    ] {
        assert!(has(command), "{command:?}");
    }
    for command in [&["ask"][..], &["query"], &["serve"], &["mcp"], &["stats"], &["orfs"], &["models"], &[]] {
        assert!(!has(command), "{command:?}");
    }
    let (_, error) = ran(dir.path(), 2, &["ask", "--demo", "--offline", "how many genes?"]);
    assert!(error.contains("unexpected argument '--offline'"), "{error}");
}

/// The question bank through `--batch`, judged by the scorer that came with it.
#[test]
fn the_question_bank_by_batch() {
    let shared = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared"));
    let (data, ask) = (shared.join("data"), shared.join("data/ask"));
    if !ask.join("questions.jsonl").is_file() {
        let strict = std::env::var("CI").is_ok_and(|ci| ci == "true") && shared.is_dir();
        assert!(!strict, "{} is absent, and nothing is skipped in CI", ask.display());
        eprintln!("skipped: the_question_bank_by_batch: {} is absent", ask.display());
        return;
    }
    let dir = folder();
    let (questions, scorer) = (ask.join("questions.jsonl"), ask.join("score.py"));
    let args = ["ask", "--batch", questions.to_str().unwrap(), "--data", data.to_str().unwrap(), "--json"];
    let (answers, _) = ran(dir.path(), 0, &args);
    let file = dir.path().join("answers.jsonl");
    std::fs::write(&file, answers).unwrap();
    let scored = Command::new("python3").arg(&scorer).args([&questions, &file]).args(["0.95", "--wrong"]).output();
    let Ok(scored) = scored else {
        eprintln!(
            "skipped: the_question_bank_by_batch: python3 is missing; genome-ask/tests/dialogue.rs judges the same answers"
        );
        return;
    };
    let out = String::from_utf8(scored.stdout).unwrap();
    println!("{out}");
    assert!(scored.status.success(), "{out}");
    let rates = out.lines().filter(|line| line.contains(" / ")).filter_map(|line| {
        let (category, rest) = line.split_once(' ')?;
        Some((category, rest.split_once(" / ")?.1.split_whitespace().nth(1)?.parse::<f64>().ok()?))
    });
    let rates: Vec<_> = rates.collect();
    assert!(rates.len() >= 9, "{out}");
    assert!(rates.iter().all(|(_, rate)| *rate >= 0.9), "{out}");
}
