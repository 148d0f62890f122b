//! A text prompt that is read once says what it says when every row reads it.

use std::path::{Path, PathBuf};

use burn::module::{Module, ModuleDisplay, ModuleMapper, Param};
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{Device, Int, Tensor};
use genome_tokenize::TokenizerSpec;
use genome_train::classifier::{Classifier, Task};
use genome_train::foundation::Foundation;
use genome_train::task_prompt::{Bases, TaskPrompt};
use genome_train::tuning::{AnyMethod, AnyTuning};
use model_zoo::checkpoint::export;
use model_zoo::heads::{HeadConfig, HeadKind};
use model_zoo::{Purpose, Side, TokenBatch};
use peft_lingo::{PTuningConfig, PrefixTuningConfig, PromptTuningConfig};
use peft_lora::{Ia3Config, LoraConfig};

const PROMPT: [u32; 9] = [2, 90, 17, 33, 58, 90, 4, 71, 12];
const ROWS: [&[u32]; 4] = [&[0, 3, 2, 1, 1, 0, 4], &[2], &[3, 3, 0, 1, 2], &[1, 0, 4, 4, 2, 1, 3, 0, 0, 2]];

fn foundation(name: &str) -> Foundation {
    let root = std::env::var_os("GENOME_FIXTURES")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata")), PathBuf::from);
    let dir = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(root.join("models").join(name)).unwrap() {
        let file = file.unwrap();
        let name = file.file_name();
        if name == "config.json" || name.to_string_lossy().starts_with("model") {
            std::fs::copy(file.path(), dir.path().join(name)).unwrap();
        }
    }
    TokenizerSpec::Letter.save(dir.path()).unwrap();
    Foundation::from_dir(Path::new(dir.path()), Purpose::Encode, &Device::default()).unwrap()
}

fn task(foundation: &Foundation, kind: HeadKind, bases: Bases) -> Task {
    let position = kind == HeadKind::Position;
    Task {
        labels: vec!["0".into(), "1".into(), "2".into()],
        head: HeadConfig {
            kind,
            d_model: foundation.base.d_model(),
            num_labels: 3,
            dropout: 0.0,
            bins: if position { 4 } else { 0 },
            features: if position { 2 } else { 0 },
            own_pooler: false,
        },
        tokenizer: TokenizerSpec::Letter,
        max_tokens: 40,
        batch_size: 3,
        prompt: Some(TaskPrompt {
            text: String::new(),
            prefix: PROMPT.to_vec(),
            before_sequence: String::new(),
            suffix: vec![44, 45],
            bases,
        }),
    }
}

fn rows() -> Vec<Vec<u32>> {
    ROWS.iter().map(|row| [&PROMPT[..], row, &[44, 45]].concat()).collect()
}

/// Everything that is trained, away from where it starts: LoRA's B is not 0.
fn classifier(foundation: &Foundation, method: &AnyMethod, task: &Task) -> Classifier {
    let device = Device::default();
    let tuning: AnyTuning = method.attach(&foundation.base, 1, &device).unwrap();
    Classifier::new(foundation, tuning, task, 1, &device).map(&mut Away)
}

struct Away;
impl ModuleMapper for Away {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let tensor = param.val();
        let (shape, device) = (tensor.shape(), tensor.device());
        let waves = Tensor::<1, Int>::arange(0..shape.num_elements() as i64, &device).float().sin();
        let moved = tensor.detach() + waves.reshape(shape) * 0.2;
        let mut moved = Param::from_tensor(Tensor::from_data(moved.into_data(), &device));
        moved.id = param.id;
        moved
    }
}

fn methods() -> [(&'static str, AnyMethod); 5] {
    [
        (
            "LoRA",
            AnyMethod::Lora(LoraConfig { r: 3, lora_dropout: 0.0, ..LoraConfig::new(["q_proj", "k_proj", "v_proj"]) }),
        ),
        ("IA3", AnyMethod::Ia3(Ia3Config::new(["k_proj", "v_proj"], [""; 0]))),
        ("prefix", AnyMethod::Prefix(PrefixTuningConfig::new(3))),
        ("prompt", AnyMethod::Prompt(PromptTuningConfig::new(4), Vec::new())),
        ("P-tuning", AnyMethod::PTuning(PTuningConfig::new(2))),
    ]
}

fn close(found: &[f32], expected: &[f32], tolerance: f32, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (a, b) in found.iter().zip(expected) {
        assert!((a - b).abs() <= tolerance * (1.0 + b.abs()), "{what}: {a} {b}");
    }
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().try_into_vec().unwrap()
}

/// All trained values after a step of gradient descent on some function of the logits.
fn stepped<M: Module + ModuleDisplay + 'static>(module: M, logits: Tensor<2>) -> Vec<(String, Vec<f32>)> {
    let gradients = GradientsParams::from_grads((logits.clone() * logits).mean().backward(), &module);
    let module = SgdConfig::new().init().step(1e-2, module, gradients);
    export(&module).into_iter().map(|(name, (_, values))| (name, values)).collect()
}

#[test]
fn a_shared_prompt_gives_the_same_logits_and_gradients() {
    let batch = TokenBatch::from_rows(&rows(), 1, &Device::default());
    for name in ["llama_mha", "llama_gqa", "opt_pre", "opt_post"] {
        let foundation = foundation(name);
        for bases in [Bases::Tokens, Bases::OneHot] {
            let task = task(&foundation, HeadKind::Last, bases);
            for (method, settings) in methods() {
                let what = format!("{name}, {method}, {bases:?}");
                let model = classifier(&foundation, &settings, &task);
                let start: Vec<Vec<f32>> = export(&model).into_values().map(|(_, values)| values).collect();
                let shared = model.logits(&batch);
                let found = values(shared.clone());
                let shared = stepped(model.clone(), shared);
                let alone = model.logits_unshared(&batch);
                close(&found, &values(alone.clone()), 1e-5, &what);
                let alone = stepped(model, alone);
                for (i, ((parameter, found), (_, expected))) in shared.iter().zip(&alone).enumerate() {
                    close(found, expected, 1e-5, &format!("{what}, {parameter}"));
                    assert_ne!(*found, start[i], "{what}: {parameter} is not trained");
                }
            }
        }
    }
}

#[test]
fn predictions_share_it_over_all_batches() {
    let device = Device::default();
    for name in ["llama_gqa", "opt_post"] {
        let foundation = foundation(name);
        let task = task(&foundation, HeadKind::Last, Bases::Tokens);
        let model = classifier(&foundation, &methods()[0].1, &task).valid();
        let mut ids = rows();
        ids.push(vec![7, 8, 9]); // does not begin with the prompt
        let found = model.predict(&ids, 1, 3, &device);
        for (ids, found) in ids.iter().zip(&found) {
            let alone = model.logits_unshared(&TokenBatch::from_rows(&[ids], 1, &device));
            close(found, &values(burn::tensor::activation::softmax(alone, 1)), 1e-5, name);
        }
        assert_eq!(found, model.predict(&ids, 1, 3, &device), "{name}: the same bits again");
    }
}

/// Where a head reads the prompt, padding stands before it, or an encoder's prompt sees the sequence, nothing is shared: the
/// same bits.
#[test]
fn what_cannot_be_shared_is_not() {
    let device = Device::default();
    let cases = [
        ("llama_mha", HeadKind::Position, Side::Right),
        ("opt_pre", HeadKind::Last, Side::Left),
        ("bert", HeadKind::Last, Side::Right),
    ];
    for (name, kind, side) in cases {
        let foundation = foundation(name);
        let query = if name == "bert" { "query" } else { "q_proj" };
        let lora = AnyMethod::Lora(LoraConfig { r: 2, lora_dropout: 0.0, ..LoraConfig::new([query]) });
        let model = classifier(&foundation, &lora, &task(&foundation, kind, Bases::Tokens)).valid();
        let ids: Vec<Vec<u32>> = rows().into_iter().map(|row| row.iter().map(|id| id % 60).collect()).collect();
        let batch = TokenBatch::padded(if name == "bert" { &ids } else { &ids[..] }, 1, side, &device);
        assert_eq!(values(model.logits(&batch)), values(model.logits_unshared(&batch)), "{name}");
    }
}
