//! `genome forward` reproduces what the original implementations gave for the fixture checkpoints.

#[path = "common/run.rs"]
mod run;

use run::{folder, genome};
use std::path::{Path, PathBuf};
use tensor_files::{Checkpoint, SaveDtype, Tensors, save};

const TOLERANCE: f32 = 1e-4;

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata")
}

/// Largest difference over the tokens that the mask shows; `rows` tells which of the leading places count.
fn compare(what: &str, found: &Checkpoint, wanted: &Checkpoint, names: (&str, &str), keep: Option<&[bool]>) {
    let shape = wanted.shape(names.1).unwrap_or_else(|| panic!("{what}: the fixture has {}", names.1));
    assert_eq!(found.shape(names.0), Some(shape), "{what}: {}", names.0);
    let width = shape[shape.len() - 1];
    let (f, w) = (found.read_f32(names.0).unwrap(), wanted.read_f32(names.1).unwrap());
    for (i, (f, w)) in f.iter().zip(&w).enumerate().filter(|(i, _)| keep.is_none_or(|k| k[i / width])) {
        assert!((f - w).abs() <= TOLERANCE, "{what}: {}[{i}]: expected {w}, found {f}", names.0);
    }
}

#[test]
fn all_fixture_checkpoints_from_the_command_line() {
    let dir = folder();
    for arch in ["bert", "dnabert2", "nt_v1", "nt_v2", "opt_pre", "opt_post", "llama_mha", "llama_gqa"] {
        let model = testdata().join("models").join(arch);
        let expected = Checkpoint::open(model.join("expected.safetensors")).unwrap();
        genome(
            dir.path(),
            &["forward", "--device", "cpu", "--attentions", "--output", "y.safetensors", "--checkpoint"],
        )
        .arg(&model)
        .arg("--inputs")
        .arg(model.join("expected.safetensors"))
        .arg("--head")
        .arg(model.join("seqcls_head.safetensors"))
        .assert()
        .success();
        let found = Checkpoint::open(dir.path().join("y.safetensors")).unwrap();
        let keep: Vec<bool> = expected.read_i64("attention_mask").unwrap().iter().map(|m| *m == 1).collect();
        let seq = expected.shape("input_ids").unwrap()[1];
        for name in found.names() {
            let heads = found.shape(&name).unwrap()[1];
            let per_head: Vec<bool> =
                (0..keep.len() * heads).map(|at| keep[at / (heads * seq) * seq + at % seq]).collect();
            match name.as_str() {
                n if n.starts_with("attentions.") => {
                    if expected.shape(n).is_some() {
                        compare(arch, &found, &expected, (n, n), Some(&per_head));
                    }
                }
                "cls_logits" => compare(arch, &found, &expected, ("cls_logits", "cls_logits"), None),
                n => compare(arch, &found, &expected, (n, n), Some(&keep)),
            }
        }
        for name in ["hidden_states.0", "hidden_states.3", "last_hidden_state", "logits", "cls_logits"] {
            assert!(found.shape(name).is_some(), "{arch}: {name}");
        }
    }
}

#[test]
fn adapters_of_peft_run_on_their_base() {
    let dir = folder();
    for (case, arch) in [("lora_dnabert2", "dnabert2"), ("lora_nt_v2_rslora", "nt_v2"), ("lora_bert", "bert")] {
        let case_dir = testdata().join("peft").join(case);
        let trace = Checkpoint::open(case_dir.join("trace.safetensors")).unwrap();
        let base = testdata().join("models").join(arch);
        genome(dir.path(), &["forward", "--device", "cpu", "--output", "y.safetensors", "--checkpoint"])
            .arg(&base)
            .arg("--inputs")
            .arg(case_dir.join("trace.safetensors"))
            .arg("--head")
            .arg(base.join("seqcls_head.safetensors"))
            .arg("--adapter")
            .arg(case_dir.join("final"))
            .assert()
            .success();
        let found = Checkpoint::open(dir.path().join("y.safetensors")).unwrap();
        compare(case, &found, &trace, ("cls_logits", "logits.reloaded"), None);
    }
}

/// Sixteen bits keep 8 (bf16) or 11 (f16) of a value's 24 leading bits; errors add up over a model's layers.
#[test]
fn sixteen_bits_come_close() {
    let dir = folder();
    for arch in ["bert", "dnabert2", "nt_v1", "nt_v2", "opt_pre", "opt_post", "llama_mha", "llama_gqa"] {
        let model = testdata().join("models").join(arch);
        let expected = Checkpoint::open(model.join("expected.safetensors")).unwrap();
        let keep: Vec<bool> = expected.read_i64("attention_mask").unwrap().iter().map(|m| *m == 1).collect();
        for (dtype, most) in [("bf16", 0.05), ("f16", 0.01)] {
            genome(
                dir.path(),
                &["forward", "--device", "cpu", "--output", "y.safetensors", "--dtype", dtype, "--checkpoint"],
            )
            .arg(&model)
            .arg("--inputs")
            .arg(model.join("expected.safetensors"))
            .assert()
            .success();
            let found = Checkpoint::open(dir.path().join("y.safetensors")).unwrap();
            let name = "last_hidden_state";
            let (f, w) = (found.read_f32(name).unwrap(), expected.read_f32(name).unwrap());
            let width = w.len() / keep.len();
            let kept = || f.iter().zip(&w).enumerate().filter(|(i, _)| keep[i / width]).map(|(_, pair)| pair);
            let off = kept().map(|(f, w)| (f - w).powi(2)).sum::<f32>().sqrt()
                / kept().map(|(_, w)| w.powi(2)).sum::<f32>().sqrt();
            assert!(off > 0.0 && off < most, "{arch}: {dtype}: off by {off} of the length of the states");
        }
    }
}

#[test]
fn wrong_inputs_are_told() {
    let dir = folder();
    let model = testdata().join("models/nt_v2");
    let check = |tensors: Tensors, wanted: &str| {
        save(&dir.path().join("x.safetensors"), &tensors, SaveDtype::F32).unwrap();
        let args = ["forward", "--device", "cpu", "--checkpoint", model.to_str().unwrap(), "--inputs", "x.safetensors"];
        let done = genome(dir.path(), &[&args[..], &["--output", "y.safetensors"]].concat()).assert().code(2);
        let error = String::from_utf8_lossy(&done.get_output().stderr).into_owned();
        assert!(error.contains(wanted), "{error}");
        assert!(!dir.path().join("y.safetensors").exists());
    };
    check(Tensors::from([("ids".to_owned(), (vec![1, 2], vec![1.0, 2.0]))]), "expected a tensor input_ids, found none");
    check(Tensors::from([("input_ids".to_owned(), (vec![2], vec![1.0, 2.0]))]), "expected [batch, seq], found [2]");
    check(Tensors::from([("input_ids".to_owned(), (vec![1, 2], vec![1.0, 2.0]))]), "input_ids: expected");
}
