//! PEFT's folders of prompts: what was saved is what is read, and what does not fit is an error with its place.

mod common;

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::Device;
use common::{Check, for_all_methods};
use peft_core::{AdapterFolder, HostTensor};
use peft_lingo::{ModelShape, PTuningConfig, PrefixTuningConfig, Prompt, PromptMethod, PromptTuningConfig, load, save};
use serde_json::{Value, json};

const MODEL: ModelShape = ModelShape { layers: 2, heads: 4, kv_heads: 2, d_head: 3, d_embed: 10 };

fn head() -> BTreeMap<String, HostTensor> {
    let tensor = |shape: &[usize]| HostTensor::new(shape, (0..shape.iter().product()).map(|i| i as f32).collect());
    [("score.weight".to_owned(), tensor(&[3, 10]).unwrap())].into()
}

/// The configuration with a head to save.
fn with_head<C: PromptMethod>(config: &C) -> C {
    let mut json = serde_json::to_value(config).unwrap();
    json["modules_to_save"] = json!(["classifier", "score"]);
    json["task_type"] = json!("SEQ_CLS");
    serde_json::from_value(json).unwrap()
}

#[test]
fn saved_and_read_again_to_the_bit() {
    struct Again;
    impl Check for Again {
        fn check<C: PromptMethod>(&mut self, name: &str, config: C, prompt: C::Prompt) {
            let dir = tempfile::tempdir().unwrap();
            let config = with_head(&config);
            save(dir.path(), &config, &prompt, &head(), Some("base"), None).unwrap();
            let found = load::<C>(AdapterFolder::read(dir.path()).unwrap(), &MODEL, &Device::default()).unwrap();
            assert_eq!(found.config, config, "{name}");
            let bits =
                |p: &C::Prompt| p.prompt_embeddings().to_data().iter::<f32>().map(f32::to_bits).collect::<Vec<_>>();
            assert_eq!(bits(&found.prompt), bits(&prompt), "{name}");
            assert_eq!(found.modules, head(), "{name}");
        }
    }
    for n in [0, 1, 5] {
        for_all_methods(&MODEL, n, &Device::default(), &mut Again);
        for_all_methods(&MODEL, n, &Device::default().autodiff(), &mut Again);
    }
}

/// What reading says of a folder whose settings `change` has changed.
fn message<C: PromptMethod>(dir: &Path, change: impl FnOnce(&mut Value)) -> String {
    let file = dir.join("adapter_config.json");
    let text = std::fs::read_to_string(&file).unwrap();
    let mut json = serde_json::from_str(&text).unwrap();
    change(&mut json);
    std::fs::write(&file, json.to_string()).unwrap();
    let found = AdapterFolder::read(dir)
        .map_err(peft_lingo::Error::from)
        .and_then(|f| load::<C>(f, &MODEL, &Device::default()));
    std::fs::write(&file, text).unwrap();
    found.map(|_| ()).unwrap_err().to_string()
}

fn folder<C: PromptMethod>(config: C) -> tempfile::TempDir {
    let config = with_head(&config.for_model(&MODEL).unwrap());
    let prompt = config.init(Default::default(), 1, &Device::default()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    save(dir.path(), &config, &prompt, &head(), None, None).unwrap();
    dir
}

#[test]
fn what_does_not_fit_is_named() {
    let dir = folder(PrefixTuningConfig::new(5));
    let check = |change: fn(&mut Value), wanted: &[&str]| {
        let found = message::<PrefixTuningConfig>(dir.path(), change);
        assert!(wanted.iter().all(|w| found.contains(w)), "{found}");
    };
    check(
        |j| j["num_virtual_tokens"] = json!(4),
        &["prompt_embeddings", "[4, 24]", "[5, 24]", "adapter_model.safetensors"],
    );
    check(|j| j["num_layers"] = json!(3), &["num_layers = 3", "the model's is 2"]);
    check(|j| j["token_dim"] = json!(8), &["token_dim = 8", "the model's is 6"]);
    check(|j| j["num_transformer_submodules"] = json!(2), &["num_transformer_submodules = 2"]);
    check(|j| j["encoder_hidden_size"] = json!(0), &["encoder_hidden_size = 0"]);
    check(|j| j["prefix_projektion"] = json!(true), &["prefix_projektion", "prefix_projection", "adapter_config.json"]);
    check(|j| j["init_weights"] = json!("kv"), &["init_weights"]);
    check(|j| j["modules_to_save"] = json!(null), &["base_model.score.weight"]);
    check(|j| j["num_virtual_tokens"] = json!(u64::MAX), &["num_virtual_tokens"]);
    check(|j| j["num_virtual_tokens"] = json!("five"), &["adapter_config.json"]);
    check(|j| j["peft_type"] = json!("LORA"), &["LORA", "PREFIX_TUNING"]);
    let other = message::<PromptTuningConfig>(dir.path(), |_| ());
    assert!(other.contains("PREFIX_TUNING") && other.contains("PROMPT_TUNING"), "{other}");

    let lstm = folder(PTuningConfig::new(2));
    let found = message::<PTuningConfig>(lstm.path(), |j| {
        j["encoder_reparameterization_type"] = json!("LSTM");
        j["encoder_dropout"] = json!(0.5);
    });
    assert!(found.contains("encoder_dropout = 0.5"), "{found}");
}

#[test]
fn nothing_that_is_not_finite_is_read_or_written() {
    let config = PromptTuningConfig::new(2).for_model(&MODEL).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut values = vec![0.5; 20];
    values[13] = f32::NAN;
    let broken = config.folded(&HostTensor::new([2, 10], values).unwrap(), &Device::default()).unwrap();
    let found = save(dir.path(), &config, &broken, &BTreeMap::new(), None, None).unwrap_err().to_string();
    assert!(found.contains("prompt_embeddings has NaN at element 13"), "{found}");
    // Written by somebody else.
    let good = config.init(Default::default(), 1, &Device::default()).unwrap();
    save(dir.path(), &config, &good, &BTreeMap::new(), None, None).unwrap();
    let file = dir.path().join("adapter_model.safetensors");
    let mut bytes = std::fs::read(&file).unwrap();
    let end = bytes.len();
    bytes[end - 4..].copy_from_slice(&f32::INFINITY.to_le_bytes());
    std::fs::write(&file, bytes).unwrap();
    let found = message::<PromptTuningConfig>(dir.path(), |_| ());
    assert!(found.contains("prompt_embeddings has inf at element 19"), "{found}");
}
