//! Hugging Face checkpoints as GGUF and back.

use super::common::model;
use super::shared::shared;
use serde_json::{Value, json};
use tensor_files::gguf::{GgufFile, GgufKind, GgufLlama, GgufTokenizer, LlamaExport};
use tensor_files::llama2c::Llama2cFile;
use tensor_files::{Checkpoint, Error};

fn config(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(model(name).join("config.json")).unwrap()).unwrap()
}

fn shapes(checkpoint: &Checkpoint) -> Vec<(String, Vec<usize>)> {
    let shape = |name: String| {
        let shape = checkpoint.shape(&name).unwrap().to_vec();
        (name, shape)
    };
    checkpoint.names().into_iter().map(shape).collect()
}

fn round_trip(checkpoint: &Checkpoint, config: &Value, kind: GgufKind) -> GgufLlama {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    let export = LlamaExport::new(config, &shapes(checkpoint), None).unwrap();
    export.write(&path, kind, |name| checkpoint.read_f32(name)).unwrap();
    GgufLlama::new(GgufFile::from_bytes("model.gguf", std::fs::read(&path).unwrap()).unwrap()).unwrap()
}

#[test]
fn a_checkpoint_comes_back_to_the_bit() {
    for name in ["llama_mha", "llama_gqa"] {
        let checkpoint = Checkpoint::open_dir(model(name)).unwrap();
        let (config, llama) = (config(name), round_trip(&checkpoint, &config(name), GgufKind::F32));
        // Old checkpoints store what is computed from the config.
        let names: Vec<_> = checkpoint.names().into_iter().filter(|name| !name.ends_with(".inv_freq")).collect();
        assert_eq!(llama.tensors().keys().collect::<Vec<_>>(), names.iter().collect::<Vec<_>>());
        for name in names {
            assert_eq!(llama.read_f32(&name).unwrap(), checkpoint.read_f32(&name).unwrap(), "{name}");
            assert_eq!(llama.tensors()[&name].shape, checkpoint.shape(&name).unwrap());
        }
        for (key, value) in llama.config().as_object().unwrap() {
            let expected = match key.as_str() {
                "head_dim" => json!(12),
                // What the format cannot say is known from the tensors.
                "tie_word_embeddings" => json!(name == "llama_gqa"),
                key => config[key].clone(),
            };
            assert_eq!(*value, expected, "{name} {key}");
        }
        assert_eq!(llama.config()["rope_scaling"].is_null(), config["rope_scaling"].is_null());
    }
}

#[test]
fn half_floats_and_blocks_are_near() {
    let checkpoint = Checkpoint::open_dir(model("llama_gqa")).unwrap();
    // Rows of 48 and 80 are no whole blocks: they stay half floats.
    for (kind, near) in [(GgufKind::F16, 1e-3), (GgufKind::Q8_0, 1e-3)] {
        let llama = round_trip(&checkpoint, &config("llama_gqa"), kind);
        for name in checkpoint.names() {
            for (a, b) in llama.read_f32(&name).unwrap().iter().zip(checkpoint.read_f32(&name).unwrap()) {
                assert!((a - b).abs() <= near * b.abs().max(1e-3), "{name}: {a} is not {b}");
            }
        }
    }
}

#[test]
fn what_gguf_cannot_say_is_refused() {
    let check = |change: &dyn Fn(&mut Value), tensors: &[(&str, &[usize])], expected: &str| {
        let mut config = config("llama_mha");
        change(&mut config);
        let tensors: Vec<_> = tensors.iter().map(|(name, shape)| (name.to_string(), shape.to_vec())).collect();
        let error = LlamaExport::new(&config, &tensors, None).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(&|c| c["model_type"] = json!("opt"), &[], "expected the model_type \"llama\", found \"opt\"");
    check(&|c| c["hidden_size"] = json!(null), &[], "expected a count as hidden_size, found null");
    let dynamic = json!({"rope_type": "dynamic", "factor": 2.0});
    check(&|c| c["rope_scaling"] = dynamic.clone(), &[], "expected the scaling linear or llama3, which GGUF can say");
    check(
        &|_| (),
        &[("model.layers.0.other", &[1])],
        "tensor model.layers.0.other: expected a tensor of LlamaForCausalLM",
    );
    let query = "model.layers.0.self_attn.q_proj.weight";
    check(&|_| (), &[(query, &[13, 48])], "expected rows of whole heads of 12, found shape [13, 48]");
    check(&|_| (), &[("lm_head.weight", &[1]), ("lm_head.weight", &[1])], "found lm_head.weight twice");
}

/// llama2.c's file, through GGUF, with its tokenizer: what the `hf` folder beside it holds.
#[test]
fn stories260k_through_gguf() {
    let test = "stories260k_through_gguf";
    let Some(folder) = shared(test, "data/weights/stories260K") else { return };
    let file = Llama2cFile::open(folder.join("stories260K.bin")).unwrap();
    let bytes = std::fs::read(folder.join("tok512.bin")).unwrap();
    let tokenizer = GgufTokenizer::from_llama2c("tok512.bin", &bytes, 512).unwrap();
    let shapes: Vec<_> = file.tensors().iter().map(|(name, info)| (name.clone(), info.shape.clone())).collect();
    let export = LlamaExport::new(&file.llama_config(), &shapes, Some(&tokenizer)).unwrap();
    let temporary = tempfile::tempdir().unwrap();
    // How far off a value may be, in parts of the tensor's largest: half a step, and of a scale in 11 bits. The largest value
    // of Q4_0 is -8 steps, and the other side ends with 7.
    let kinds = [
        (GgufKind::F32, 0.0),
        (GgufKind::F16, 1.0 / 2048.0),
        (GgufKind::Q8_0, 0.5 / 127.0 + 1.0 / 2048.0),
        (GgufKind::Q4_0, 1.0 / 8.0 + 1.0 / 2048.0),
    ];
    for (kind, part) in kinds {
        let path = temporary.path().join(format!("{kind:?}.gguf"));
        export.write(&path, kind, |name| file.read_f32(name)).unwrap();
        let llama = GgufLlama::new(GgufFile::open(&path).unwrap()).unwrap();
        assert_eq!(llama.tokenizer().unwrap().as_ref(), Some(&tokenizer));
        let hf = Checkpoint::open_dir(folder.join("hf")).unwrap();
        let checkpoint = Checkpoint::open(&path).unwrap();
        assert_eq!(checkpoint.names(), hf.names());
        for name in hf.names() {
            let (read, expected) = (checkpoint.read_f32(&name).unwrap(), hf.read_f32(&name).unwrap());
            // No block is coarser than one that has the tensor's largest value.
            let largest = expected.iter().fold(0f32, |most, x| most.max(x.abs()));
            let near = largest * part;
            for (a, b) in read.iter().zip(&expected) {
                assert!((a - b).abs() <= near, "{kind:?} {name}: {a} is not {b}");
            }
        }
        let config: Value = serde_json::from_slice(&std::fs::read(folder.join("hf/config.json")).unwrap()).unwrap();
        for (key, value) in config.as_object().unwrap() {
            assert_eq!(llama.config()[key], *value, "{key}");
        }
    }
}

#[test]
fn an_error_of_the_reader_is_passed_on() {
    let checkpoint = Checkpoint::open_dir(model("llama_gqa")).unwrap();
    let export = LlamaExport::new(&config("llama_gqa"), &shapes(&checkpoint), None).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let missing = || Error::MissingTensors { path: "x".into(), names: vec!["y".into()] };
    let error = export.write(folder.path().join("x.gguf"), GgufKind::F32, |_| Err(missing())).unwrap_err();
    assert_eq!(error.to_string(), missing().to_string());
    let too_few =
        export.write(folder.path().join("x.gguf"), GgufKind::F32, |_| Ok::<_, Error>(vec![0.0; 3])).unwrap_err();
    assert!(matches!(too_few, Error::Shape { .. }), "{too_few}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
