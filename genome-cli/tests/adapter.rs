//! `genome adapter` on folders that Python's PEFT wrote, and `genome peft plan`.

#[path = "common/run.rs"]
mod run;

use run::{folder, genome};
use std::path::{Path, PathBuf};
use tensor_files::{Checkpoint, SaveDtype, Tensors, save};

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata")
}

/// A case of PEFT's, its folder and its base.
fn case(name: &str, arch: &str) -> (PathBuf, PathBuf) {
    (testdata().join("peft").join(name), testdata().join("models").join(arch))
}

const CASES: [(&str, &str); 5] = [
    ("lora_bert", "bert"),
    ("lora_nt_v2_rslora", "nt_v2"),
    ("dora_llama_gqa", "llama_gqa"),
    ("ia3_dnabert2", "dnabert2"),
    ("adalora_bert", "bert"),
];

fn stdout(dir: &Path, args: &[&str]) -> String {
    let done = genome(dir, args).assert().success();
    String::from_utf8(done.get_output().stdout.clone()).unwrap()
}

#[test]
fn folders_of_peft_are_shown() {
    let dir = folder();
    for (name, _) in CASES {
        let adapter = testdata().join("peft").join(name).join("final");
        let text = stdout(dir.path(), &["adapter", "show", adapter.to_str().unwrap()]);
        let method = if name.starts_with("dora") { "lora" } else { name.split('_').next().unwrap() };
        assert!(text.contains(&format!("method      {}", method.to_uppercase())), "{text}");
        let json = stdout(dir.path(), &["adapter", "show", "--json", adapter.to_str().unwrap()]);
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        let file = Checkpoint::open(adapter.join("adapter_model.safetensors")).unwrap();
        assert_eq!(json["tensors"].as_array().unwrap().len(), file.names().len(), "{name}");
    }
}

#[test]
fn merged_models_do_what_their_adapters_do() {
    let dir = folder();
    for (name, arch) in CASES {
        let (case, base) = case(name, arch);
        let (adapter, base) = (case.join("final"), base.to_str().unwrap().to_owned());
        let adapter = adapter.to_str().unwrap();
        let text = stdout(dir.path(), &["adapter", "unmerge-check", adapter, "--base", &base]);
        assert!(text.contains("bit by bit as before"), "{text}");
        let args = ["adapter", "merge", adapter, "--base", &base, "--out", "merged", "--force"];
        stdout(dir.path(), &args);
        // The merged model's classifier scores are those that PEFT's merged model gave.
        let trace = Checkpoint::open(case.join("trace.safetensors")).unwrap();
        // The pooler of BERT's fixtures stands beside the untrained classifier, not in the base.
        let head = dir.path().join("head.safetensors");
        let mut tensors = Tensors::new();
        for file in [Path::new(&base).join("seqcls_head.safetensors"), dir.path().join("merged/model.safetensors")] {
            let file = Checkpoint::open(file).unwrap();
            let of_head =
                |n: &String| ["classifier.", "score."].iter().any(|h| n.starts_with(h)) || n.contains("pooler");
            for name in file.names().into_iter().filter(of_head) {
                tensors.insert(name.clone(), (file.shape(&name).unwrap().to_vec(), file.read_f32(&name).unwrap()));
            }
        }
        save(&head, &tensors, SaveDtype::F32).unwrap();
        genome(
            dir.path(),
            &["forward", "--device", "cpu", "--checkpoint", "merged", "--output", "y.safetensors", "--inputs"],
        )
        .arg(case.join("trace.safetensors"))
        .arg("--head")
        .arg(&head)
        .assert()
        .success();
        let found = Checkpoint::open(dir.path().join("y.safetensors")).unwrap();
        let scores = if trace.shape("logits.reloaded").unwrap().len() == 3 { "logits" } else { "cls_logits" };
        let found = found.read_f32(scores).unwrap();
        let wanted = trace.read_f32("logits.reloaded").unwrap();
        assert_eq!(found.len(), wanted.len(), "{name}");
        for (f, w) in found.iter().zip(&wanted) {
            assert!((f - w).abs() <= 1e-4, "{name}: expected {w}, found {f}");
        }
    }
}

#[test]
fn adapters_are_combined_and_converted() {
    let dir = folder();
    let (case, base) = case("lora_bert", "bert");
    let (adapter, base) = (case.join("final"), base.to_str().unwrap().to_owned());
    let adapter = adapter.to_str().unwrap();
    stdout(dir.path(), &["adapter", "convert", adapter, "--base", &base, "--out", "same"]);
    let (ours, theirs) = (
        Checkpoint::open(dir.path().join("same/adapter_model.safetensors")).unwrap(),
        Checkpoint::open(case.join("final/adapter_model.safetensors")).unwrap(),
    );
    assert_eq!(ours.names(), theirs.names());
    for name in ours.names() {
        assert_eq!(ours.read_f32(&name).unwrap(), theirs.read_f32(&name).unwrap(), "{name}");
    }
    // Half of it twice is it.
    let half = format!("{adapter}:0.5");
    for how in ["cat", "svd"] {
        let out = format!("both-{how}");
        stdout(dir.path(), &["adapter", "combine", "--how", how, "--base", &base, "--out", &out, &half, &half]);
        for (adapter, out) in [(adapter, "a.safetensors"), (&out, "b.safetensors")] {
            genome(
                dir.path(),
                &[
                    "forward",
                    "--device",
                    "cpu",
                    "--checkpoint",
                    &base,
                    "--adapter",
                    adapter,
                    "--output",
                    out,
                    "--inputs",
                ],
            )
            .arg(case.join("trace.safetensors"))
            .assert()
            .success();
        }
        let read = |file: &str| Checkpoint::open(dir.path().join(file)).unwrap().read_f32("last_hidden_state").unwrap();
        for (a, b) in read("a.safetensors").iter().zip(read("b.safetensors")) {
            assert!((a - b).abs() < 1e-4, "{how}: {a} and {b}");
        }
    }
    let done =
        genome(dir.path(), &["adapter", "combine", "--how", "mean", "--base", &base, "--out", "c", adapter, adapter])
            .assert()
            .code(2);
    let error = String::from_utf8_lossy(&done.get_output().stderr).into_owned();
    assert!(error.contains("dare_ties"), "{error}");
}

/// What is wrong with a folder is told with its file, and with both shapes where shapes differ.
#[test]
fn broken_folders_are_told() {
    let dir = folder();
    let (case, base) = case("lora_bert", "bert");
    let broken = dir.path().join("broken");
    std::fs::create_dir(&broken).unwrap();
    std::fs::copy(case.join("final/adapter_model.safetensors"), broken.join("adapter_model.safetensors")).unwrap();
    let text = std::fs::read_to_string(case.join("final/adapter_config.json")).unwrap();
    let config: serde_json::Value = serde_json::from_str(&text).unwrap();
    let cases = [
        ("r", serde_json::json!(400), "adapter rank 400 exceeds min(48, 48)"),
        ("r", serde_json::json!(3), "is [4, 48], expected [3, 48]"),
        ("target_modules", serde_json::json!(["valeu"]), "near it: value"),
        ("lora_aplha", serde_json::json!(99), "is \"lora_alpha\" meant?"),
    ];
    for (field, value, expected) in cases {
        let mut config = config.clone();
        config[field] = value;
        std::fs::write(broken.join("adapter_config.json"), config.to_string()).unwrap();
        let args = ["adapter", "merge", "broken", "--out", "merged", "--base", base.to_str().unwrap()];
        let done = genome(dir.path(), &args).assert().code(2);
        let told = String::from_utf8(done.get_output().stderr.clone()).unwrap();
        assert!(told.contains("broken/adapter_") && told.contains(expected), "{told}");
        assert!(!dir.path().join("merged").exists());
    }
}

#[test]
fn a_run_is_planned() {
    let dir = folder();
    let plan = |args: &[&str]| -> serde_json::Value {
        serde_json::from_str(&stdout(dir.path(), &[&["peft", "plan", "--json"], args].concat())).unwrap()
    };
    let base = testdata().join("models/bert");
    let base = base.to_str().unwrap();
    // What the file of PEFT holds beside the head is what is trained.
    let config: serde_json::Value =
        serde_json::from_slice(&std::fs::read(testdata().join("peft/lora_bert/final/adapter_config.json")).unwrap())
            .unwrap();
    let targets: Vec<&str> = config["target_modules"].as_array().unwrap().iter().map(|t| t.as_str().unwrap()).collect();
    let rank = config["r"].to_string();
    let file = Checkpoint::open(testdata().join("peft/lora_bert/final/adapter_model.safetensors")).unwrap();
    let size = |name: &String| file.shape(name).unwrap().iter().product::<usize>();
    let wanted: usize = file.names().iter().filter(|n| n.contains(".lora_")).map(size).sum();
    let found = plan(&["--base", base, "--rank", &rank, "--targets", &targets.join(",")]);
    assert_eq!(found["trained"], wanted);
    let tiny = plan(&[]);
    let checkpointed = plan(&["--gradient-checkpointing"]);
    assert!(checkpointed["activation_bytes"].as_u64() < tiny["activation_bytes"].as_u64());
    let full = plan(&["--method", "full"]);
    assert_eq!((full["trained_share"].as_f64(), full["step_cost"].as_f64()), (Some(1.0), Some(1.0)));
    for method in ["dora", "ia3", "adalora"] {
        assert!(plan(&["--method", method])["trained"].as_u64() > Some(0), "{method}");
    }
}
