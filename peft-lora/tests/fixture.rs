//! An adapter that PEFT 0.21.2 wrote for a tiny DNABERT-2: read, merged, written back.
#![allow(non_snake_case, reason = "Wqkv is a published name")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use peft_core::{AdapterFolder, Adapters, Contents, Error, FolderConfig, Loaded, Targets, sites, write_folder};
use peft_lora::{Bias, Ia3Config, LoraConfig, LoraLinear};
use safetensors::SafeTensors;
use serde_json::Value;

/// `testdata` at the root of the workspace, or where `GENOME_FIXTURES` says.
fn fixtures(path: &str) -> PathBuf {
    let root = std::env::var("GENOME_FIXTURES")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata").to_owned());
    Path::new(&root).join(path)
}

/// The linear layers of DNABERT-2, and nothing else of it.
#[derive(Module, Debug)]
struct Model {
    bert: Bert,
}

#[derive(Module, Debug)]
struct Bert {
    encoder: Encoder,
    pooler: Dense,
}

#[derive(Module, Debug)]
struct Encoder {
    layer: Vec<Layer>,
}

#[derive(Module, Debug)]
struct Layer {
    attention: Attention,
    mlp: Mlp,
}

#[derive(Module, Debug)]
struct Attention {
    self_: SelfAttention,
    output: Dense,
}

#[derive(Module, Debug)]
struct SelfAttention {
    Wqkv: Linear,
}

#[derive(Module, Debug)]
struct Dense {
    dense: Linear,
}

#[derive(Module, Debug)]
struct Mlp {
    gated_layers: Linear,
    wo: Linear,
}

fn model(device: &Device) -> Model {
    let linear = |d_in, d_out| LinearConfig::new(d_in, d_out).init(device);
    let layer = || Layer {
        attention: Attention {
            self_: SelfAttention { Wqkv: linear(48, 144) },
            output: Dense { dense: linear(48, 48) },
        },
        mlp: Mlp { gated_layers: linear(48, 160), wo: linear(80, 48) },
    };
    Model {
        bert: Bert {
            encoder: Encoder { layer: (0..3).map(|_| layer()).collect() },
            pooler: Dense { dense: linear(48, 48) },
        },
    }
}

/// `model` with the weights of a checkpoint.
fn with_weights(mut model: Model, checkpoints: &[PathBuf]) -> Model {
    let device = Device::default();
    let bytes: Vec<Vec<u8>> = checkpoints.iter().map(|f| fs::read(f).unwrap()).collect();
    let files: Vec<SafeTensors<'_>> = bytes.iter().map(|b| SafeTensors::deserialize(b).unwrap()).collect();
    let weight = |path: &str| -> Tensor<2> {
        let names = [format!("{path}.weight"), format!("{}.weight", path.trim_start_matches("bert."))];
        let view = files.iter().flat_map(|f| names.iter().filter_map(|n| f.tensor(n).ok())).next();
        let view = view.unwrap_or_else(|| panic!("no weight for {path}"));
        let values = view.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
        let host = peft_core::HostTensor::new(view.shape(), values).unwrap(); // [d_out, d_in]
        host.transposed().to_tensor(&device).unwrap() // [d_in, d_out]
    };
    let set = |layer: &mut Linear, path: String| {
        layer.weight = layer.weight.clone().map(|_| weight(&path));
    };
    for (i, layer) in model.bert.encoder.layer.iter_mut().enumerate() {
        let at = |name: &str| format!("bert.encoder.layer.{i}.{name}");
        set(&mut layer.attention.self_.Wqkv, at("attention.self.Wqkv"));
        set(&mut layer.attention.output.dense, at("attention.output.dense"));
        set(&mut layer.mlp.wo, at("mlp.wo"));
    }
    set(&mut model.bert.pooler.dense, "bert.pooler.dense".into());
    model
}

fn loaded(case: &str, base: &Model) -> (LoraConfig, Loaded<LoraLinear>) {
    let folder = AdapterFolder::read(&fixtures(case)).unwrap();
    let config: LoraConfig = folder.config().unwrap();
    let selection = config.selection(Vec::<String>::new());
    let adapters = Adapters::attach(base, &selection, &config, 0, &Device::default()).unwrap();
    (config, folder.load(adapters).unwrap())
}

#[test]
fn peft_s_folder_is_read_and_written_back_byte_by_byte() {
    let base = model(&Device::default());
    for case in ["peft/lora_dnabert2/init", "peft/lora_dnabert2/final"] {
        let (config, loaded) = loaded(case, &base);
        assert_eq!((config.r, config.lora_alpha), (4, 8.0));
        assert_eq!(config.target_modules, Targets::suffixes(["Wqkv", "dense", "mlp.wo"]));
        assert_eq!(config.task_type.as_deref(), Some("SEQ_CLS"));
        assert_eq!(loaded.adapters.len(), 10);
        assert_eq!(loaded.modules.keys().collect::<Vec<_>>(), ["classifier.bias", "classifier.weight"]);
        assert_eq!(loaded.modules["classifier.weight"].shape(), [3, 48]);

        let dir = tempfile::tempdir().unwrap();
        let contents = Contents {
            config: &config,
            adapters: &loaded.adapters,
            base_model: Some("models/dnabert2"),
            modules: &loaded.modules,
            genome: None,
        };
        write_folder(dir.path(), &contents).unwrap();
        let bytes = |dir: &Path| fs::read(dir.join("adapter_model.safetensors")).unwrap();
        let (ours, theirs) = (bytes(dir.path()), bytes(&fixtures(case)));
        let (a, b) = (SafeTensors::deserialize(&ours).unwrap(), SafeTensors::deserialize(&theirs).unwrap());
        let tensors = |f: &SafeTensors<'_>| -> BTreeMap<String, (Vec<usize>, Vec<u8>)> {
            f.tensors().into_iter().map(|(n, t)| (n, (t.shape().to_vec(), t.data().to_vec()))).collect()
        };
        assert_eq!(tensors(&a), tensors(&b));
        assert_eq!(ours, theirs, "the header too");

        // What we write of the configuration is what PEFT wrote, less what it does not need.
        let json = |dir: &Path| -> Value {
            serde_json::from_slice(&fs::read(dir.join("adapter_config.json")).unwrap()).unwrap()
        };
        let (ours, theirs) = (json(dir.path()), json(&fixtures(case)));
        for (field, value) in ours.as_object().unwrap() {
            assert_eq!(*value, theirs[field], "{field}");
        }
    }
}

#[test]
fn merging_gives_peft_s_merged_weights() {
    let checkpoint = ["models/dnabert2/model.safetensors", "models/dnabert2/seqcls_head.safetensors"];
    let base = with_weights(model(&Device::default()), &checkpoint.map(fixtures));
    let (_, loaded) = loaded("peft/lora_dnabert2/final", &base);
    let (merged, report) = loaded.adapters.merge(base.clone()).unwrap();
    assert_eq!(report.sites.len(), 10);
    assert!(report.largest_drift() < 1e-6 && report.largest_change() > 1e-3, "{report:?}");

    let expected = with_weights(base, &[fixtures("peft/lora_dnabert2/merged.safetensors")]);
    let weights = |m: &Model| -> Vec<Tensor<2>> {
        let layers = m.bert.encoder.layer.iter();
        layers
            .flat_map(|l| [&l.attention.self_.Wqkv, &l.attention.output.dense, &l.mlp.wo])
            .chain([&m.bert.pooler.dense])
            .map(|l| l.weight.val())
            .collect()
    };
    for (ours, theirs) in weights(&merged).into_iter().zip(weights(&expected)) {
        let difference: f32 = (ours - theirs).abs().max().into_scalar();
        assert!(difference < 1e-6, "{difference}");
    }
}

/// The settings of every case, read and written: what is written is what PEFT wrote, less what it does not need.
#[test]
fn every_configuration_of_peft_is_read_and_written_back() {
    fn check<C: FolderConfig + PartialEq + std::fmt::Debug>(dir: &Path) -> C {
        let config: C = AdapterFolder::read(dir).unwrap().config().unwrap();
        let theirs: Value = serde_json::from_slice(&fs::read(dir.join("adapter_config.json")).unwrap()).unwrap();
        let ours = serde_json::to_value(&config).unwrap();
        for (field, value) in ours.as_object().unwrap() {
            let number = value.as_f64().is_some_and(|v| theirs[field].as_f64() == Some(v)); // 16 is 16.0
            assert!(number || *value == theirs[field], "{}: {field} = {value}", dir.display());
        }
        assert_eq!(serde_json::from_value::<C>(ours).unwrap(), config);
        config
    }
    let mut read = 0;
    for entry in fs::read_dir(fixtures("peft")).unwrap() {
        let dir = entry.unwrap().path();
        let name = dir.file_name().unwrap().to_string_lossy().into_owned();
        for part in ["init", "final"].map(|part| dir.join(part)) {
            match name.split('_').next().unwrap() {
                "lora" | "dora" => {
                    assert_eq!(check::<LoraConfig>(&part).use_dora, name.starts_with("dora"));
                    let other = AdapterFolder::read(&part).unwrap().config::<Ia3Config>();
                    assert!(matches!(other, Err(Error::OtherMethod { found, .. }) if found == "LORA"));
                }
                "ia3" => drop(check::<Ia3Config>(&part)),
                _ => continue,
            }
            read += 1;
        }
    }
    assert!(read >= 2 * 14, "{read}");

    let config = |case: &str| check::<LoraConfig>(&fixtures(&format!("peft/{case}/final")));
    assert_eq!(config("lora_opt_post_bias_all").bias, Bias::All);
    assert_eq!(config("lora_opt_pre_bias_lora_only").bias, Bias::LoraOnly);
    assert!(config("lora_bert_lora_bias").lora_bias);
    let pattern = config("lora_nt_v1_pattern");
    let scale = |name: &str| pattern.scaling_at(&format!("esm.encoder.layer.0.attention.self.{name}")).unwrap();
    assert_eq!((scale("query"), scale("value")), (8.0 / 4.0, 16.0 / 2.0));
    assert_eq!(config("lora_nt_v2_rslora").scaling_at("x").unwrap(), 8.0 / 2.0);
}

#[test]
fn a_typo_in_the_settings_is_named_with_what_was_meant() {
    let dir = tempfile::tempdir().unwrap();
    let from = fixtures("peft/lora_dnabert2/final");
    for file in ["adapter_config.json", "adapter_model.safetensors"] {
        fs::copy(from.join(file), dir.path().join(file)).unwrap();
    }
    let file = dir.path().join("adapter_config.json");
    let text = fs::read_to_string(&file).unwrap().replace("\"lora_alpha\"", "\"lora_alhpa\"");
    fs::write(&file, text).unwrap();
    let error = AdapterFolder::read(dir.path()).unwrap().config::<LoraConfig>().unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "{}: unknown field \"lora_alhpa\" = 8 (is \"lora_alpha\" meant?); ignoring it would change the adapter",
            file.display()
        )
    );
}

#[test]
fn the_head_is_never_a_target() {
    let base = model(&Device::default());
    let config = LoraConfig { r: 2, ..LoraConfig::for_targets(Targets::AllLinear) };
    let all = config.selection(Vec::<String>::new()).select(&sites(&base)).unwrap();
    let without = config.selection(["pooler"]).select(&sites(&base)).unwrap();
    assert_eq!((all.len(), without.len()), (13, 12));
}
