//! Gradient checkpointing gives the gradients of a straight pass, and draws the same dropout masks in both of its passes.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use burn_train::TrainStep;
use genome_tokenize::TokenizerSpec;
use genome_train::classifier::{Classifier, Task};
use genome_train::examples::ClassBatch;
use genome_train::foundation::Foundation;
use genome_train::tuning::AnyMethod;
use model_zoo::heads::{HeadConfig, HeadKind};
use model_zoo::{Base, Purpose, TokenBatch};
use peft_adalora::{AdaLoraConfig, Schedule};
use peft_core::Targets;
use peft_lingo::{PrefixTuningConfig, PromptTuningConfig};
use peft_lora::LoraConfig;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

const ARCHITECTURES: [&str; 8] =
    ["bert", "dnabert2", "nt_v1", "nt_v2", "opt_pre", "opt_post", "llama_mha", "llama_gqa"];

fn classifier(arch: &str, method: &AnyMethod, dropout: f64) -> Classifier {
    let device = Device::default();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/models").join(arch);
    let loaded = Base::from_pretrained(&folder, Purpose::Encode, &device).unwrap();
    let head = HeadConfig {
        kind: HeadKind::Position,
        d_model: loaded.base.d_model(),
        num_labels: 3,
        dropout,
        bins: 4,
        features: 4,
        own_pooler: false,
    };
    let foundation = Foundation {
        base: Arc::new(loaded.base),
        quantised: Default::default(),
        tokenizer: genome_tokenize::from_spec(&TokenizerSpec::Letter, None).unwrap().into(),
        spec: TokenizerSpec::Letter,
        tokenizer_file: None,
        sha256: loaded.sha256,
        name: arch.to_owned(),
    };
    let tuning = method.attach(&foundation.base, 3, &device).unwrap();
    let task = Task {
        labels: ["a", "b", "c"].map(str::to_owned).to_vec(),
        head,
        tokenizer: TokenizerSpec::Letter,
        max_tokens: 20,
        batch_size: 4,
        prompt: None,
    };
    let new = Classifier::new(&foundation, tuning, &task, 3, &device);
    // B starts at zero, where A has no gradient
    new.map(&mut Change(&|values: &mut [f32], _| {
        values.iter_mut().enumerate().for_each(|(i, v)| *v += 0.1 * (i as f32).sin())
    }))
}

fn lora(targets: Targets, dropout: f64) -> AnyMethod {
    AnyMethod::Lora(LoraConfig { r: 2, lora_alpha: 4.0, lora_dropout: dropout, ..LoraConfig::for_targets(targets) })
}

fn adalora(targets: Targets) -> AnyMethod {
    let schedule = Schedule::for_steps(20).unwrap();
    AnyMethod::AdaLora(AdaLoraConfig { init_r: 3, target_r: 2, ..AdaLoraConfig::for_targets(targets, schedule) })
}

fn batch() -> ClassBatch {
    let device = Device::default();
    let rows = [vec![5, 6, 7, 8, 9, 6, 7], vec![5, 9, 8], vec![7, 7, 6, 5, 9]];
    ClassBatch {
        tokens: TokenBatch::from_rows(&rows, 1, &device),
        labels: Tensor::from_data(TensorData::from([0_i64, 2, 1]), &device),
    }
}

/// Values of every parameter's gradient; none where there is no gradient.
fn gradients(model: &Classifier, grads: &GradientsParams) -> BTreeMap<ParamId, Vec<f32>> {
    struct Read<'a>(&'a GradientsParams, BTreeMap<ParamId, Vec<f32>>);
    impl ModuleVisitor for Read<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(grad) = self.0.get::<D>(param.id) {
                self.1.insert(param.id, grad.into_data().iter::<f32>().collect());
            }
        }
    }
    let mut read = Read(grads, BTreeMap::new());
    model.visit(&mut read);
    read.1
}

/// Changes the values of every parameter.
struct Change<'a>(&'a dyn Fn(&mut [f32], ParamId));
impl ModuleMapper for Change<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let id = param.id;
        param.map(|tensor| {
            let (shape, device) = (tensor.dims(), tensor.device());
            let mut values: Vec<f32> = tensor.into_data().iter::<f32>().collect();
            (self.0)(&mut values, id);
            Tensor::from_data(TensorData::new(values, shape), &device).require_grad()
        })
    }
}

/// Loss and gradients of one step that starts with the generator at `seed`.
fn step(model: &Classifier, seed: u64) -> (f32, BTreeMap<ParamId, Vec<f32>>) {
    static GENERATOR: Mutex<()> = Mutex::new(()); // the device has one, tests run side by side
    let _alone = GENERATOR.lock();
    Device::default().seed(seed);
    let out = model.step(batch());
    let loss = out.item.loss.into_data().iter::<f32>().next().unwrap();
    (loss, gradients(model, &out.grads))
}

#[test]
fn gradients_are_those_of_a_straight_pass() {
    for arch in ARCHITECTURES {
        // all layers; the last layer alone, so that nothing is trained below it
        let of_last = Targets::Regex(r".*\.(layer|layers)\.1\..*(query|Wqkv|q_proj)".to_owned());
        let prefix = AnyMethod::Prefix(PrefixTuningConfig::new(3));
        let prompt = AnyMethod::Prompt(PromptTuningConfig::new(3), Vec::new());
        let methods = [lora(Targets::AllLinear, 0.0), lora(of_last, 0.0), adalora(Targets::AllLinear), prefix, prompt];
        for method in methods {
            let straight = classifier(arch, &method, 0.0);
            let checkpointed = straight.clone().with_gradient_checkpointing(true);
            let ((loss, wanted), (same, found)) = (step(&straight, 1), step(&checkpointed, 1));
            assert!((loss - same).abs() < 1e-6, "{arch}: {loss} and {same}");
            assert!(wanted.len() > 2 && wanted.values().flatten().any(|g| g.abs() > 1e-4), "{arch}");
            assert_eq!(wanted.keys().collect::<Vec<_>>(), found.keys().collect::<Vec<_>>(), "{arch}");
            for (id, wanted) in &wanted {
                let largest = wanted.iter().fold(1e-3_f32, |most, g| most.max(g.abs()));
                for (w, f) in wanted.iter().zip(&found[id]) {
                    assert!((w - f).abs() <= 1e-5 * largest.max(1.0), "{arch}: expected {w}, found {f}");
                }
            }
        }
    }
}

/// With dropout the loss is another function for each seed; its gradients are right only if both passes drop the same.
#[test]
fn both_passes_drop_the_same() {
    for arch in ["bert", "opt_pre"] {
        let model = classifier(arch, &lora(Targets::AllLinear, 0.3), 0.3).with_gradient_checkpointing(true);
        let (loss, grads) = step(&model, 11);
        assert_eq!(loss, step(&model, 11).0, "{arch}: a seeded step repeats");
        assert_ne!(loss, step(&model, 12).0, "{arch}: it drops");
        let norm: f32 = grads.values().flatten().map(|g| g * g).sum::<f32>().sqrt();
        let moved = |by: f32| {
            let along = |values: &mut [f32], id: ParamId| {
                if let Some(grad) = grads.get(&id) {
                    values.iter_mut().zip(grad).for_each(|(v, g)| *v += by * g / norm);
                }
            };
            step(&model.clone().map(&mut Change(&along)), 11).0
        };
        let slope = (moved(1e-2) - moved(-1e-2)) / 2e-2;
        assert!(
            (slope - norm).abs() < 0.02 * norm,
            "{arch}: the slope along the gradient is {slope}, its length {norm}"
        );
    }
}
