//! Bad input: one line that names place and cause, exit code 2, nothing written.

mod common;

use common::{asset, folder, genome, small_adapter, small_data};
use flate2::{Compression, write::GzEncoder};
use std::io::Write;
use std::path::Path;

/// Runs `args` in `dir`: fails with exit code 2, prints nothing on stdout and one line that holds all of `says`.
fn refused(dir: &Path, args: &[&str], says: &[&str]) {
    let output = genome(dir, args).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{args:?}: {error}");
    assert!(output.stdout.is_empty(), "{args:?} printed {:?}", String::from_utf8_lossy(&output.stdout));
    let last = error.lines().last().unwrap_or_default();
    assert!(last.starts_with("error: "), "{error}");
    assert_eq!(error.lines().filter(|l| l.starts_with("error")).count(), 1, "{error}");
    for part in says {
        assert!(last.contains(part), "{args:?}: expected {part:?} in {last:?}");
    }
}

/// A data set whose `train.csv` is `train`; fine-tuning on it is refused and leaves no folder.
fn refused_training(train: &str, says: &[&str]) {
    let dir = folder();
    small_data(dir.path(), 32);
    std::fs::write(dir.path().join("train.csv"), train).unwrap();
    refused(dir.path(), &["finetune", "--data", ".", "--out", "adapter"], says);
    assert!(!dir.path().join("adapter").exists());
}

#[test]
fn wrong_header() {
    refused_training("seq,label\nACGT,0\n", &["train.csv", "sequence", "seq"]);
    refused_training("sequence,label,extra\nACGT,0,1\n", &["train.csv", "extra"]);
}

#[test]
fn unknown_letter() {
    refused_training("sequence,label\nACGT,0\nACXT,1\nACGG,2\n", &["train.csv:3", "'X'"]);
}

#[test]
fn empty_file() {
    refused_training("", &["train.csv", "empty"]);
    let dir = folder();
    std::fs::write(dir.path().join("none.fa"), "").unwrap();
    refused(dir.path(), &["embed", "none.fa"], &["none.fa", "empty"]);
}

#[test]
fn label_gap() {
    refused_training("sequence,label\nACGT,0\nACGA,2\n", &["train.csv", "1"]);
}

#[test]
fn label_that_training_does_not_have() {
    let dir = folder();
    small_data(dir.path(), 32);
    std::fs::write(dir.path().join("dev.csv"), "sequence,label\nACGT,0\nACGT,9\n").unwrap();
    refused(dir.path(), &["finetune", "--data", ".", "--out", "adapter"], &["dev.csv:3", "9"]);
    assert!(!dir.path().join("adapter").exists());
}

#[test]
fn missing_split() {
    let dir = folder();
    small_data(dir.path(), 32);
    std::fs::remove_file(dir.path().join("test.csv")).unwrap();
    refused(dir.path(), &["finetune", "--data", ".", "--out", "adapter"], &["test.csv"]);
}

#[test]
fn truncated_gzip() {
    let dir = folder();
    let mut gz = GzEncoder::new(Vec::new(), Compression::default());
    let bases: Vec<u8> = (0..20_000_u32).map(|i| b"ACGT"[(i.wrapping_mul(2_654_435_761) >> 13) as usize % 4]).collect();
    gz.write_all(b">chr1\n").unwrap();
    gz.write_all(&bases).unwrap();
    let whole = gz.finish().unwrap();
    std::fs::write(dir.path().join("cut.fa.gz"), &whole[..whole.len() / 2]).unwrap();
    refused(dir.path(), &["embed", "cut.fa.gz"], &["cut.fa.gz", "truncated"]);
}

#[test]
fn folder_without_weights() {
    let dir = folder();
    std::fs::create_dir(dir.path().join("model")).unwrap();
    std::fs::write(dir.path().join("a.fa"), ">a\nACGT\n").unwrap();
    refused(dir.path(), &["embed", "--base", "model", "a.fa"], &["model", "no config.json"]);
    std::fs::copy(asset("base-tiny/config.json"), dir.path().join("model/config.json")).unwrap();
    refused(dir.path(), &["embed", "--base", "model", "a.fa"], &["model", "expected one of model.safetensors"]);
    refused(dir.path(), &["embed", "--base", "nowhere", "a.fa"], &["nowhere", "model folder"]);
    std::fs::write(dir.path().join("model/model.safetensors"), [255; 64]).unwrap();
    refused(
        dir.path(),
        &["embed", "--base", "model", "a.fa"],
        &["model.safetensors", "byte 0: expected a safetensors file"],
    );
}

#[cfg(not(feature = "hub"))]
#[test]
fn a_name_of_the_hub_tells_the_steps() {
    let dir = folder();
    std::fs::write(dir.path().join("a.fa"), ">a\nACGT\n").unwrap();
    // Nothing answers there, so this is a machine without a network; a build without the feature tells the same steps.
    let offline = |more: &[&str]| {
        let args = [&["embed", "--base", "zhihan1996/DNABERT-2-117M", "a.fa"], more].concat();
        genome(dir.path(), &args).env("HF_ENDPOINT", "http://127.0.0.1:9").env("HF_HOME", dir.path()).assert().code(2)
    };
    let done = offline(&[]);
    let error = String::from_utf8_lossy(&done.get_output().stderr).into_owned();
    for part in ["zhihan1996/DNABERT-2-117M: ", "download config.json", "tokenizer.json", "--base DIR"] {
        assert!(error.contains(part), "{error}");
    }
    // A folder of that name is a folder.
    std::fs::create_dir_all(dir.path().join("zhihan1996/DNABERT-2-117M")).unwrap();
    refused(dir.path(), &["embed", "--base", "zhihan1996/DNABERT-2-117M", "a.fa"], &["no config.json"]);
}

#[test]
fn adapter_for_another_base_and_damaged_adapters() {
    let dir = folder();
    small_adapter(dir.path());
    std::fs::write(dir.path().join("a.fa"), ">a\nACGTACGTACGT\n").unwrap();
    let other = dir.path().join("other");
    std::fs::create_dir(&other).unwrap();
    for name in ["config.json", "model.safetensors", "genome_tokenizer.json"] {
        std::fs::copy(asset(&format!("base-tiny/{name}")), other.join(name)).unwrap();
    }
    let mut weights = std::fs::read(other.join("model.safetensors")).unwrap();
    *weights.last_mut().unwrap() ^= 1;
    std::fs::write(other.join("model.safetensors"), weights).unwrap();
    refused(dir.path(), &["predict", "--adapter", "adapter", "--base", "other", "a.fa"], &["another base"]);

    let file = dir.path().join("adapter/adapter_model.safetensors");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
    refused(dir.path(), &["predict", "--adapter", "adapter", "a.fa"], &["adapter_model.safetensors"]);
    // a tensor under another name: one is missing
    let text = String::from_utf8_lossy(&bytes[..4000]).into_owned();
    let at = text.find("lora_A").unwrap();
    let mut renamed = bytes.clone();
    renamed[at..at + 6].copy_from_slice(b"lora_X");
    std::fs::write(&file, renamed).unwrap();
    refused(dir.path(), &["predict", "--adapter", "adapter", "a.fa"], &["lora_"]);
}

#[test]
fn unknown_layer_lists_near_names() {
    let dir = folder();
    small_data(dir.path(), 32);
    refused(dir.path(), &["finetune", "--data", ".", "--out", "adapter", "--targets", "querry"], &["querry", "query"]);
    assert!(!dir.path().join("adapter").exists());
}

#[test]
fn devices_that_are_not_there() {
    let dir = folder();
    std::fs::write(dir.path().join("a.fa"), ">a\nACGT\n").unwrap();
    refused(dir.path(), &["embed", "--device", "cuda:99", "a.fa"], &["--device cuda"]);
    refused(dir.path(), &["embed", "--device", "wgpu:99", "a.fa"], &["--device wgpu"]);
}

#[test]
fn an_occupied_out_folder_is_kept() {
    let dir = folder();
    small_data(dir.path(), 32);
    std::fs::create_dir(dir.path().join("adapter")).unwrap();
    std::fs::write(dir.path().join("adapter/mine.txt"), "mine").unwrap();
    refused(dir.path(), &["finetune", "--data", ".", "--out", "adapter"], &["adapter", "--force"]);
    assert_eq!(std::fs::read_to_string(dir.path().join("adapter/mine.txt")).unwrap(), "mine");
}
