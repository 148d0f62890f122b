//! The main job, small: train, predict, embed, pre-train.

mod common;

use common::{asset, folder, genome, small_adapter};
use std::collections::HashSet;

fn stdout(command: &mut assert_cmd::Command) -> String {
    String::from_utf8(command.assert().success().get_output().stdout.clone()).unwrap()
}

#[test]
fn an_adapter_predicts_the_same_from_every_door() {
    let dir = folder();
    small_adapter(dir.path());
    let files: HashSet<String> = std::fs::read_dir(dir.path().join("adapter"))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    for name in [
        "adapter_config.json",
        "adapter_model.safetensors",
        "genome_adapter.json",
        "trainer_state.json",
        "eval_results.json",
    ] {
        assert!(files.contains(name), "{name} is missing of {files:?}");
    }
    let predict =
        |args: &[&str]| genome(dir.path(), &[&["predict", "--adapter", "adapter", "--device", "cpu"], args].concat());
    let table = stdout(&mut predict(&["data/test.csv"]));
    assert_eq!(table.lines().count(), 33);
    assert!(table.starts_with("name\tlabel\tp(0)\tp(1)\tp(2)\n"), "{table}");
    assert_eq!(stdout(&mut predict(&["data/test.csv"])), table, "the same bits again");
    let piped = stdout(predict(&["-"]).write_stdin(std::fs::read(dir.path().join("data/test.csv")).unwrap()));
    assert_eq!(piped, table, "stdin gives what the file gives");

    let json = stdout(&mut predict(&["--json", "data/test.csv"]));
    for (row, line) in table.lines().skip(1).zip(json.lines()) {
        let cells: Vec<&str> = row.split('\t').collect();
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!((value["name"].as_str(), value["label"].as_str()), (Some(cells[0]), Some(cells[1])));
        for (label, cell) in cells[2..].iter().enumerate() {
            let found = value["scores"][label.to_string()].as_f64().unwrap();
            assert_eq!(found as f32, cell.parse::<f32>().unwrap());
        }
        let sum: f32 = cells[2..].iter().map(|c| c.parse::<f32>().unwrap()).sum();
        assert!((sum - 1.0).abs() < 1e-5);
    }

    // windows of a genome; --only with a label that none of the windows has ends with 1
    let genbank = asset("NC_000932.gb");
    let windows = stdout(&mut predict(&["--window", "60", "--step", "5000", genbank.to_str().unwrap()]));
    assert!(windows.contains("NC_000932.1:1-60\t") && windows.contains(":154419-154478\t"), "{windows}");
    let guessed: HashSet<&str> = table.lines().skip(1).map(|l| l.split('\t').nth(1).unwrap()).collect();
    for label in ["0", "1", "2"] {
        let code = predict(&["--only", label, "data/test.csv"]).output().unwrap().status.code();
        assert_eq!(code, Some(if guessed.contains(label) { 0 } else { 1 }), "{label}");
    }
}

#[test]
fn vectors_have_the_width_of_the_model_and_do_not_depend_on_neighbours() {
    let dir = folder();
    std::fs::write(dir.path().join("a.fa"), ">a\nACGTACGTNNACGTTTGACA\n>b\nacgtacgtnnacgtttgaca\n>c\nGG\n").unwrap();
    std::fs::write(dir.path().join("c.fa"), ">c\nGG\n").unwrap();
    for pool in ["mean", "max", "cls"] {
        let embed = |file: &str| stdout(&mut genome(dir.path(), &["embed", "--pool", pool, "--device", "cpu", file]));
        let rows: Vec<Vec<String>> =
            embed("a.fa").lines().map(|l| l.split('\t').map(str::to_owned).collect()).collect();
        assert_eq!(rows.iter().map(|r| r[0].as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(rows[0][1..], rows[1][1..], "case is no difference");
        let alone: Vec<f32> = embed("c.fa").split_whitespace().skip(1).map(|v| v.parse().unwrap()).collect();
        assert_eq!(alone.len(), rows[2].len() - 1);
        for (x, y) in alone.iter().zip(&rows[2][1..]) {
            assert!((x - y.parse::<f32>().unwrap()).abs() < 1e-4, "{pool}: {x} {y}");
        }
    }
    let args = ["embed", "--format", "npy", "--out", "v.npy", "--device", "cpu", "a.fa"];
    genome(dir.path(), &args).assert().success();
    let bytes = std::fs::read(dir.path().join("v.npy")).unwrap();
    assert_eq!(&bytes[..6], b"\x93NUMPY");
    assert_eq!(std::fs::read_to_string(dir.path().join("v.npy.names")).unwrap(), "a\nb\nc\n");
}

#[test]
fn doctor_and_help() {
    let dir = folder();
    let report: serde_json::Value =
        serde_json::from_str(&stdout(&mut genome(dir.path(), &["doctor", "--json"]))).unwrap();
    assert_eq!(report["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(report["base_tiny"]["sha256"].as_str().unwrap().len(), 64);
    assert!(stdout(&mut genome(dir.path(), &["doctor"])).contains("base-tiny"));
    assert!(stdout(&mut genome(dir.path(), &["--help"])).contains("quickstart"));
    genome(dir.path(), &[]).assert().code(2);
    genome(dir.path(), &["finetune", "--rank", "x"]).assert().code(2);
    // Each command's help opens with what the list says of it.
    let list = stdout(&mut genome(dir.path(), &["--help"]));
    let listed = list.lines().skip_while(|l| *l != "Commands:").skip(1).take_while(|l| !l.is_empty());
    let commands: Vec<(&str, &str)> = listed.filter_map(|l| l.trim().split_once("  ")).collect();
    assert!(commands.len() > 20, "{list}");
    for (command, about) in commands.into_iter().filter(|(command, _)| *command != "help") {
        let help = stdout(&mut genome(dir.path(), &[command, "--help"]));
        assert!(help.starts_with(about.trim()), "{command}: {}", help.lines().next().unwrap_or_default());
    }
}

#[test]
fn a_base_is_pre_trained_and_used() {
    let dir = folder();
    let genbank = asset("NC_000932.gb");
    let size = ["--hidden", "16", "--layers", "1", "--heads", "2", "--ffn", "16", "--windows", "32,64"];
    let run = ["--steps", "4", "--eval-every", "2", "--batch-tokens", "256", "--device", "cpu", "--out", "tiny"];
    let args = [&["pretrain"][..], &size, &run, &[genbank.to_str().unwrap()]].concat();
    let printed = stdout(&mut genome(dir.path(), &args));
    assert!(printed.contains("masked-base accuracy") && printed.contains("order-5 Markov"), "{printed}");
    let card = std::fs::read_to_string(dir.path().join("tiny/README.md")).unwrap();
    assert!(card.contains("NC_000932.gb | 154478 |") && card.contains("genome pretrain"), "{card}");
    std::fs::write(dir.path().join("a.fa"), ">a\nACGTACGT\n").unwrap();
    let vector = stdout(&mut genome(dir.path(), &["embed", "--base", "tiny", "--device", "cpu", "a.fa"]));
    assert_eq!(vector.trim_end().split('\t').count(), 17);
    // the same seed gives the same bytes
    let first = std::fs::read(dir.path().join("tiny/model.safetensors")).unwrap();
    genome(dir.path(), &[&args[..], &["--force"]].concat()).assert().success();
    assert_eq!(std::fs::read(dir.path().join("tiny/model.safetensors")).unwrap(), first);
}
