//! The commands that work on files alone.

#[path = "common/run.rs"]
mod run;

use run::{folder, genome};
use std::fs;
use std::path::Path;

/// Runs `args` in `dir` and gives stdout; the exit code must be `code`.
fn ran(dir: &Path, code: i32, args: &[&str]) -> String {
    let output = genome(dir, args).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

const GENBANK: &str = "LOCUS       X1 60 bp DNA circular SYN 01-JAN-2026\nACCESSION   X1\nVERSION     X1.1\n\
    FEATURES             Location/Qualifiers\n     gene            11..22\n                     /gene=\"abc\"\n     \
    CDS             11..22\n                     /gene=\"abc\"\n                     /protein_id=\"P1.1\"\n                     /transl_table=11\nORIGIN\n        \
    1 ccccccccca atgaaatttt aaggggcccc cccccccccc cccccccccc cccccccccc\n//\n";

#[test]
fn stats_of_several_formats() {
    let dir = folder();
    fs::write(dir.path().join("a.fa"), ">a\nACGT\nacgt\n>b\nNN\n").unwrap();
    fs::write(dir.path().join("b.bed"), "c\t0\t10\nc\t20\t25\n").unwrap();
    let out = ran(dir.path(), 0, &["stats", "--json", "a.fa", "b.bed"]);
    let objects: Vec<serde_json::Value> = out.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let fasta = &objects[0];
    assert_eq!((&fasta["format"], &fasta["records"], &fasta["letters"]), (&"FASTA".into(), &2.into(), &10.into()));
    assert_eq!((&fasta["n50"], &fasta["gc"], &fasta["n"]), (&8.into(), &0.5.into(), &2.into()));
    assert_eq!((&objects[1]["bases"], &objects[1]["on"]["c"]), (&15.into(), &2.into()));
    assert!(ran(dir.path(), 0, &["stats", "a.fa"]).contains("n50           8\n"));
}

#[test]
fn convert_by_ending_and_through_pipes() {
    let dir = folder();
    fs::write(dir.path().join("x.gb"), GENBANK).unwrap();
    ran(dir.path(), 0, &["convert", "x.gb", "x.gff3"]);
    assert!(fs::read_to_string(dir.path().join("x.gff3")).unwrap().contains("X1.1\tGenBank\tCDS\t11\t22\t.\t+\t0\t"));
    let fasta = ran(dir.path(), 0, &["convert", "x.gb", "-", "--to", "fasta"]);
    assert!(fasta.starts_with(">X1.1\nccccc"), "{fasta}");
    ran(dir.path(), 2, &["convert", "x.gb", "x.bam"]);
    assert!(!dir.path().join("x.bam").exists());
}

#[test]
fn extract_regions_proteins_and_upstream() {
    let dir = folder();
    fs::write(dir.path().join("x.gb"), GENBANK).unwrap();
    assert_eq!(ran(dir.path(), 0, &["extract", "x.gb", "--region", "X1.1:11-13"]), ">X1.1:11-13\natg\n");
    let proteins = ran(dir.path(), 0, &["extract", "x.gb", "--proteins"]);
    assert_eq!(proteins, ">P1.1 X1.1:11-22(+)\nMKF\n");
    let upstream = ran(dir.path(), 0, &["extract", "x.gb", "--upstream", "12", "--name", "ABC", "--json"]);
    let piece: serde_json::Value = serde_json::from_str(upstream.trim()).unwrap();
    assert_eq!(piece["letters"], "ccccccccccca"); // over the origin
    ran(dir.path(), 1, &["extract", "x.gb", "--cds", "--name", "none"]);
    ran(dir.path(), 2, &["extract", "x.gb", "--region", "X1.1:50-70"]);
    ran(dir.path(), 2, &["extract", "x.gb", "--region", "X2:1-2"]);
    ran(dir.path(), 2, &["extract", "x.gb"]);
    // The same from FASTA with GFF3.
    ran(dir.path(), 0, &["convert", "x.gb", "x.fa"]);
    ran(dir.path(), 0, &["convert", "x.gb", "x.gff3"]);
    let again = ran(dir.path(), 0, &["extract", "x.fa", "--annotation", "x.gff3", "--proteins"]);
    assert_eq!(again.lines().nth(1), Some("MKF"));
}

#[test]
fn orfs_in_three_forms() {
    let dir = folder();
    fs::write(dir.path().join("x.gb"), GENBANK).unwrap();
    let table = ran(dir.path(), 0, &["orfs", "x.gb", "--min-aa", "3", "--starts", "atg"]);
    let row: Vec<&str> = table.lines().nth(1).unwrap().split('\t').collect();
    assert_eq!(row[1..], ["X1.1", "11", "22", "+", "1", "3", "ATG", "no", "MKF"]);
    let proteins = ran(dir.path(), 0, &["orfs", "x.gb", "--min-aa", "3", "--starts", "atg", "--format", "proteins"]);
    assert!(proteins.ends_with("\nMKF\n"));
    ran(dir.path(), 1, &["orfs", "x.gb", "--min-aa", "1000"]);
}

#[test]
fn a_data_set_is_built_and_clean_and_leaks_are_found() {
    let dir = folder();
    let mut state = 1u32;
    let mut letters = |n: usize| -> String {
        (0..n)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                char::from(b"ACGT"[(state >> 30) as usize])
            })
            .collect()
    };
    let fasta: String = ["a", "b", "c"].iter().map(|name| format!(">{name}\n{}\n", letters(5000))).collect();
    fs::write(dir.path().join("g.fa"), fasta).unwrap();
    let sites: String = ["a", "b", "c"]
        .iter()
        .flat_map(|name| (0..10).map(move |i| format!("{name}\t{}\t{}\ts{i}\t0\t+\n", 100 + 300 * i, 140 + 300 * i)))
        .collect();
    fs::write(dir.path().join("s.bed"), sites).unwrap();
    let args = [
        "dataset",
        "build",
        "--genome",
        "g.fa",
        "--features",
        "s.bed",
        "--window",
        "centered:60",
        "--negatives",
        "shuffled",
        "--dev",
        "b",
        "--test",
        "c",
        "--out",
        "set",
    ];
    let out = ran(dir.path(), 0, &args);
    assert!(out.contains("train         20 rows   0: 10, 1: 10"), "{out}");
    ran(dir.path(), 2, &args); // the folder is taken
    ran(dir.path(), 1, &["dataset", "check", "set"]);
    let train = fs::read_to_string(dir.path().join("set/train.csv")).unwrap();
    let leak = train.lines().nth(1).unwrap();
    let test = fs::read_to_string(dir.path().join("set/test.csv")).unwrap();
    fs::write(dir.path().join("set/test.csv"), format!("{test}{leak}\n")).unwrap();
    let report = ran(dir.path(), 0, &["dataset", "check", "set", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let pair = report["pairs"].as_array().unwrap().iter().find(|p| p["first"] == "train" && p["second"] == "test");
    assert_eq!(pair.unwrap()["exact"]["sequences"], 1);
}

#[test]
fn broken_files_are_told_and_lenient_reads_on() {
    let dir = folder();
    fs::write(dir.path().join("x.gff3"), "##gff-version 3\nc\t.\tCDS\t1\t9\t.\t+\t.\tID=c\n").unwrap();
    let output = genome(dir.path(), &["stats", "x.gff3"]).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2));
    assert!(error.starts_with("error: x.gff3:2: byte 16: column 8: a CDS without a phase"), "{error}");
    let output = genome(dir.path(), &["stats", "--lenient", "x.gff3"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stderr).contains("note: forgiven 1 times"), "{output:?}");
}

#[test]
fn models_are_listed() {
    let dir = folder();
    let table = ran(dir.path(), 0, &["models"]);
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 20);
    // Aligned: each column begins where its title does.
    for title in ["FAMILY", "TOKENIZER", "LICENCE"] {
        let at = lines[0].find(title).unwrap();
        for line in &lines {
            assert!(line[at - 2..].starts_with("  ") && !line[at..].starts_with(' '), "{title}: {line}");
        }
    }
    assert!(table.contains("zhihan1996/DNABERT-2-117M") && table.contains("117 M"));
    let objects = ran(dir.path(), 0, &["models", "--json"]);
    let objects: Vec<serde_json::Value> = objects.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(objects.len(), 19);
    let llama = objects.iter().find(|m| m["name"] == "meta-llama/Llama-3.2-1B").unwrap();
    assert_eq!((&llama["parameters"], &llama["context"]), (&1_235_814_400_u64.into(), &131_072.into()));
}
