//! Model folders: round trips, and every way in which one can be broken.

use burn::tensor::Device;
use model_zoo::checkpoint::{Checkpoint, LoadRules, SaveDtype, export, load, save};
use model_zoo::dnabert2::{Dnabert2Config, Parts};
use model_zoo::{Base, BaseConfig, Error, Purpose, seed};
use proptest::prelude::*;
use std::path::Path;

const CONFIG: &str = r#"{"alibi_starting_size": 8, "vocab_size": 12, "hidden_size": 8, "num_hidden_layers": 1,
    "num_attention_heads": 2, "intermediate_size": 6}"#;

fn model() -> Base {
    let config = BaseConfig::parse("test".as_ref(), CONFIG).unwrap();
    seed::initialise(config.init(true, false, &Device::default()), 1, 0.02)
}

fn open(dir: &Path) -> Result<Base, Error> {
    Base::from_pretrained(dir, Purpose::LanguageModel, &Device::default()).map(|l| l.base)
}

#[test]
fn folders_round_trip() {
    let dir = tempfile::tempdir().unwrap();
    let model = model();
    model.save(dir.path(), SaveDtype::F32).unwrap();
    assert_eq!(export(&open(dir.path()).unwrap()), export(&model));
    model.save(dir.path(), SaveDtype::F16).unwrap();
    for (name, (_, values)) in export(&open(dir.path()).unwrap()) {
        for (found, exact) in values.iter().zip(&export(&model)[&name].1) {
            assert!((found - exact).abs() <= exact.abs() * 1e-3 + 1e-7, "{name}");
        }
    }
}

#[test]
fn names_and_shapes_are_those_of_the_18_published_checkpoints() {
    let root = std::env::var_os("GENOME_FIXTURES")
        .map_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata").into(), std::path::PathBuf::from);
    let mut count = 0;
    for file in std::fs::read_dir(root.join("hub_layouts")).unwrap().map(|f| f.unwrap().path()) {
        let layout: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        let shape = |v: &serde_json::Value| -> Vec<usize> {
            v[1].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect()
        };
        let published: std::collections::BTreeMap<String, Vec<usize>> =
            layout["tensors"].as_object().unwrap().iter().map(|(name, v)| (name.clone(), shape(v))).collect();
        let config = BaseConfig::parse(&file, &layout["config"].to_string()).unwrap();
        let report = config.plan(&file, &published, Purpose::LanguageModel).unwrap();
        assert_eq!((report.loaded + report.ignored.len(), &report.new[..]), (published.len(), &[][..]), "{file:?}");
        // What is left alone is known by name, so that a forgotten layer cannot hide here.
        for name in &report.ignored {
            let known = ["inv_freq", "contact_head.", "position_ids", "cls.predictions.decoder.", "lm_head.weight"];
            let unused_table = name == "esm.embeddings.position_embeddings.weight" && config.family().ends_with("v2");
            assert!(unused_table || known.iter().any(|k| name.contains(k)), "{file:?}: {name}");
        }
        // One layer less, one more or one of another shape is told.
        let some = published.keys().find(|n| n.contains(".0.") && n.ends_with("weight")).unwrap().clone();
        let mut other = published.clone();
        other.remove(&some);
        let error = config.plan(&file, &other, Purpose::LanguageModel).unwrap_err();
        assert!(
            matches!(&error, Error::MissingTensors { names, .. } if names == std::slice::from_ref(&some)),
            "{error}"
        );
        other.insert(some.clone(), vec![1]);
        let error = config.plan(&file, &other, Purpose::LanguageModel).unwrap_err();
        assert!(matches!(&error, Error::Shape { name, .. } if *name == some), "{error}");
        other.insert(some.clone(), published[&some].clone());
        other.insert(some.replace(".0.", ".999."), vec![1]);
        let error = config.plan(&file, &other, Purpose::LanguageModel).unwrap_err();
        assert!(matches!(&error, Error::UnexpectedTensors { .. }), "{error}");
        count += 1;
    }
    assert_eq!(count, 18);
}

/// The folder of one fixture.
fn fixture(arch: &str) -> std::path::PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/models")).join(arch)
}

fn parameters(dir: &Path, purpose: Purpose) -> model_zoo::checkpoint::Tensors {
    let loaded = Base::from_pretrained(dir, purpose, &Device::default());
    export(&loaded.unwrap_or_else(|e| panic!("{}: {e}", dir.display())).base)
}

#[test]
fn every_file_of_every_family_gives_the_same_model() {
    let round = |tensors: model_zoo::checkpoint::Tensors| -> model_zoo::checkpoint::Tensors {
        let round = |v: f32| half::f16::from_f32(v).to_f32();
        tensors.into_iter().map(|(n, (s, v))| (n, (s, v.into_iter().map(round).collect()))).collect()
    };
    let check = |arch: &str, files: &[&str], as_name: Option<&str>, f16: bool| {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let to = as_name.unwrap_or(file);
            std::fs::copy(fixture(arch).join(file), dir.path().join(to)).unwrap();
        }
        std::fs::copy(fixture(arch).join("config.json"), dir.path().join("config.json")).unwrap();
        for purpose in [Purpose::Encode, Purpose::LanguageModel] {
            let mut wanted = parameters(&fixture(arch), purpose);
            if f16 {
                wanted = round(wanted);
            }
            let mut found = parameters(dir.path(), purpose);
            found.retain(|name, _| !name.starts_with("bert.pooler.")); // only BERT's pickles bring one
            assert_eq!(found, wanted, "{arch} {files:?}");
        }
    };
    let bin = ["pytorch_model.bin"];
    check("bert", &bin, None, false);
    check("bert", &["pytorch_model.legacy.bin"], Some("pytorch_model.bin"), false);
    check("dnabert2", &bin, None, false);
    let shards =
        ["pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin", "pytorch_model.bin.index.json"];
    check("nt_v1", &shards, None, false);
    check("opt_pre", &bin, None, true);
    check("opt_post", &bin, None, true);
    check("nt_v2", &["model.safetensors"], None, false);
    check("llama_gqa", &["model.safetensors"], None, false);
    parameters(&fixture("llama_mha"), Purpose::LanguageModel); // four shards and an index
}

#[test]
fn what_is_saved_is_what_was_read() {
    for arch in ["bert", "dnabert2", "nt_v1", "nt_v2", "opt_pre", "opt_post", "llama_mha", "llama_gqa"] {
        let dir = tempfile::tempdir().unwrap();
        let read = |dir: &Path| Base::from_pretrained(dir, Purpose::LanguageModel, &Device::default()).unwrap().base;
        let base = read(&fixture(arch));
        base.save(dir.path(), SaveDtype::F32).unwrap();
        let again = read(dir.path());
        assert_eq!(again.config(), base.config(), "{arch}");
        assert_eq!(export(&again), export(&base), "{arch}");
    }
}

#[test]
fn broken_folders_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let is = |check: fn(&Error) -> bool| {
        let error = open(dir.path()).unwrap_err();
        assert!(check(&error), "{error}");
        assert_eq!(error.to_string().lines().count(), 1);
    };
    assert!(matches!(open(&dir.path().join("nowhere")).unwrap_err(), Error::Io { .. }));
    is(|e| matches!(e, Error::MissingFile { expected: "config.json", .. }));
    std::fs::write(dir.path().join("config.json"), "{").unwrap();
    is(|e| matches!(e, Error::Config { .. }));
    std::fs::write(dir.path().join("config.json"), r#"{"model_type": "gpt2"}"#).unwrap();
    is(|e| matches!(e, Error::Config { .. }));
    std::fs::write(dir.path().join("config.json"), CONFIG).unwrap();
    is(|e| matches!(e, Error::File(tensor_files::Error::MissingFile { .. })));

    let path = dir.path().join("model.safetensors");
    let whole = export(&model());
    let mut tensors = whole.clone();
    tensors.remove("bert.embeddings.LayerNorm.bias");
    save(&path, &tensors, SaveDtype::F32).unwrap();
    is(|e| matches!(e, Error::MissingTensors { names, .. } if names == &["bert.embeddings.LayerNorm.bias"]));
    let mut tensors = whole.clone();
    tensors.insert("bert.extra".to_owned(), (vec![1], vec![0.0]));
    save(&path, &tensors, SaveDtype::F32).unwrap();
    is(|e| matches!(e, Error::UnexpectedTensors { names, .. } if names == &["bert.extra"]));
    let mut tensors = whole.clone();
    tensors.insert("bert.embeddings.LayerNorm.bias".to_owned(), (vec![2], vec![0.0; 2]));
    save(&path, &tensors, SaveDtype::F32).unwrap();
    is(|e| matches!(e, Error::Shape { expected, found, .. } if expected == &[8] && found == &[2]));

    save(&path, &whole, SaveDtype::F32).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    for cut in [0, 7, 8, 100, bytes.len() - 1] {
        std::fs::write(&path, &bytes[..cut]).unwrap();
        is(|e| matches!(e, Error::File(tensor_files::Error::Format { .. })));
    }
    let mut huge = bytes.clone();
    huge[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    std::fs::write(&path, huge).unwrap();
    is(|e| matches!(e, Error::File(tensor_files::Error::Format { .. })));
    let text = String::from_utf8_lossy(&bytes).replacen("\"F32\"", "\"I32\"", 1).into_bytes();
    std::fs::write(&path, if text.len() == bytes.len() { text } else { replace(&bytes, b"\"F32\"", b"\"I32\"") })
        .unwrap();
    is(|e| matches!(e, Error::File(tensor_files::Error::Dtype { found: tensor_files::Dtype::I32, .. })));
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = bytes.windows(from.len()).position(|w| w == from).unwrap();
    [&bytes[..at], to, &bytes[at + from.len()..]].concat()
}

proptest! {
    #[test]
    fn any_bytes_are_refused_or_read_but_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), declared in 0_u64..300) {
        let _ = Checkpoint::from_bytes("any", bytes.clone());
        let mut framed = declared.to_le_bytes().to_vec();
        framed.extend(&bytes);
        let _ = Checkpoint::from_bytes("any", framed);
    }

    #[test]
    fn damaged_files_never_panic(at in 0_usize..4000, byte: u8) {
        let config = Dnabert2Config { vocab_size: 5, hidden_size: 4, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 3, ..Default::default() };
        let model = config.init(Parts { mlm_head: false, pooler: false }, &Device::default());
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model.safetensors");
        save(&path, &export(&seed::initialise(model.clone(), 1, 0.02)), SaveDtype::F32).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(file) = Checkpoint::from_bytes("damaged", bytes) {
            let _ = load(model, &file, LoadRules::default());
        }
    }
}
