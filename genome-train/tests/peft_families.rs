//! Every method on every family of models: attached to the family's usual layers, trained for three steps, saved, loaded,
//! merged.

use std::collections::BTreeMap;
use std::path::PathBuf;

use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};
use genome_train::tuning::{HEADS, LayerMethod};
use model_zoo::checkpoint::{Checkpoint, export};
use model_zoo::heads::Head;
use model_zoo::{Base, Purpose, TokenBatch};
use peft_adalora::{AdaLoraConfig, Schedule};
use peft_core::{AdapterFolder, Adapters, Bias, Contents, Hooks, Plain, write_folder};
use peft_lora::{Ia3Config, LoraConfig};

/// A fixture with its family's usual layers.
struct Family {
    arch: &'static str,
    lora: &'static [&'static str],
    adalora: &'static [&'static str],
    ia3: &'static [&'static str],
    feedforward: &'static [&'static str],
    table: &'static str,
}

const BERT: Family = Family {
    arch: "bert",
    lora: &["query", "value"],
    adalora: &["query", "key", "value", "dense"],
    ia3: &["key", "value", "output.dense"],
    feedforward: &["output.dense"],
    table: "word_embeddings",
};
const NT: Family = Family { arch: "nt_v1", lora: &["query", "key", "value", "dense"], ..BERT };
const OPT: Family = Family {
    arch: "opt_pre",
    lora: &["q_proj", "v_proj"],
    adalora: &["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"],
    ia3: &["q_proj", "k_proj", "fc2"],
    feedforward: &["fc2"],
    table: "embed_tokens",
};
const LLAMA: Family = Family {
    arch: "llama_mha",
    lora: &["q_proj", "v_proj"],
    adalora: &["q_proj", "k_proj", "v_proj", "o_proj"],
    ia3: &["k_proj", "v_proj", "down_proj"],
    feedforward: &["down_proj"],
    table: "embed_tokens",
};
const FAMILIES: [Family; 8] = [
    BERT,
    Family {
        arch: "dnabert2",
        lora: &["Wqkv"],
        adalora: &["Wqkv", "dense", "mlp.wo"],
        ia3: &["Wqkv", "mlp.wo"],
        feedforward: &["mlp.wo"],
        table: "word_embeddings",
    },
    NT,
    Family { arch: "nt_v2", ..NT },
    OPT,
    Family { arch: "opt_post", ..OPT },
    LLAMA,
    Family { arch: "llama_gqa", ..LLAMA },
];

const STEPS: usize = 3;

/// `testdata` at the root of the workspace, or where `GENOME_FIXTURES` says.
fn fixture(path: &str) -> PathBuf {
    let root = std::env::var_os("GENOME_FIXTURES")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata")), PathBuf::from);
    root.join(path)
}

/// A fixture's frozen classifier with its labelled batch.
struct Task {
    base: Base,
    head: Head,
    batch: TokenBatch,
    labels: Vec<i64>,
}

impl Task {
    fn read(arch: &str) -> Self {
        let device = Device::default();
        let dir = fixture("models").join(arch);
        let classifier = Checkpoint::open(dir.join("seqcls_head.safetensors")).unwrap();
        let (loaded, head) = Base::with_classifier(&dir, Purpose::Encode, &classifier, &device).unwrap();
        let file = Checkpoint::open(dir.join("expected.safetensors")).unwrap();
        let read = |name: &str| file.read_i64(name).unwrap();
        let seq = file.shape("input_ids").unwrap()[1];
        let batch = TokenBatch::from_mask(&read("input_ids"), &read("attention_mask"), seq, &device).unwrap();
        Task { base: loaded.base, head, batch, labels: read("cls_labels") }
    }

    /// [batch, labels].
    fn logits(&self, base: &Base, hooks: &dyn Hooks) -> Tensor<2> {
        let h = base.encode(&self.batch, hooks); // [batch, seq, d_model]
        let pooled = base.pool(&h, &self.batch, hooks);
        self.head.forward(h, &self.batch, pooled)
    }

    fn loss(&self, hooks: &dyn Hooks) -> Tensor<1> {
        let labels: Tensor<1, Int> = Tensor::from_data(TensorData::from(&self.labels[..]), &Device::default());
        log_softmax(self.logits(&self.base, hooks), 1).gather(1, labels.unsqueeze_dim(1)).mean().neg()
    }
}

const RATE: f64 = 2e-3;

fn bits<M: Module>(module: &M) -> BTreeMap<String, Vec<u32>> {
    let of =
        |(name, (_, values)): (String, (Vec<usize>, Vec<f32>))| (name, values.into_iter().map(f32::to_bits).collect());
    export(module).into_iter().map(of).collect()
}

fn largest(a: Tensor<2>, b: Tensor<2>) -> f32 {
    (a - b).abs().max().into_scalar()
}

fn check<C: LayerMethod>(arch: &str, method: &str, task: &Task, config: &C) {
    let what = format!("{method} on {arch}");
    let before = bits(&task.base);
    let device = Device::default().autodiff();
    let attached = Adapters::attach(&task.base, &config.layers(&HEADS), config, 7, &device);
    let mut adapters = attached.unwrap_or_else(|e| panic!("{what}: {e}"));
    let mut stepper = config.stepper(AdamWConfig::new().init(), &adapters).unwrap();
    let mut losses = Vec::new();
    for step in 0..=STEPS {
        let task_loss = task.loss(&adapters.bind(&task.base).unwrap());
        let loss = match config.penalty(&adapters) {
            Some(penalty) => task_loss + penalty,
            None => task_loss,
        };
        losses.extend(loss.to_data().iter::<f32>());
        if step < STEPS {
            let gradients = GradientsParams::from_grads(loss.backward(), &adapters);
            (adapters, _) = stepper.step(RATE, adapters, gradients).unwrap();
        }
    }
    assert!(losses.windows(2).all(|w| w[1] < w[0]), "{what}: {losses:?}");
    assert_eq!(bits(&task.base), before, "{what}: the base has moved");

    let (config, adapters) = config.saved(&adapters.valid());
    let dir = tempfile::tempdir().unwrap();
    let contents =
        Contents { config: &config, adapters: &adapters, base_model: None, modules: &BTreeMap::new(), genome: None };
    write_folder(dir.path(), &contents).unwrap();
    let folder = AdapterFolder::read(dir.path()).unwrap();
    let again: C = folder.config().unwrap();
    assert_eq!(again, config, "{what}");
    let fresh = Adapters::attach(&task.base, &again.layers(&HEADS), &again, 8, &Device::default()).unwrap();
    let loaded = folder.load(fresh).unwrap().adapters;
    assert_eq!(bits(&loaded), bits(&adapters), "{what}: saved and loaded");

    let adapted = task.logits(&task.base, &loaded.bind(&task.base).unwrap());
    let plain = task.logits(&task.base, &Plain);
    assert!(largest(adapted.clone(), plain) > 1e-6, "{what}: no effect");
    let (merged, report) = loaded.merge(task.base.clone()).unwrap_or_else(|e| panic!("{what}: {e}"));
    let drift = largest(task.logits(&merged, &Plain), adapted);
    assert!(drift < 1e-5, "{what}: merged scores are off by {drift}, {report:?}");
    println!("{what}: losses {losses:?}, merged off by {drift:e}");
}

#[test]
fn every_method_on_every_family() {
    let lora =
        |targets: &[&'static str]| LoraConfig { r: 4, lora_alpha: 8.0, ..LoraConfig::new(targets.iter().copied()) };
    for family in FAMILIES {
        let arch = family.arch;
        let task = Task::read(arch);
        let kinds = [
            ("LoRA", lora(family.lora)),
            ("rsLoRA", LoraConfig { use_rslora: true, ..lora(family.lora) }),
            ("DoRA", LoraConfig { use_dora: true, ..lora(family.lora) }),
            ("embedding LoRA", lora(&[family.table])),
        ];
        for (method, config) in kinds {
            check(arch, method, &task, &config);
        }
        check(arch, "IA3", &task, &Ia3Config::new(family.ia3.iter().copied(), family.feedforward.iter().copied()));
        let schedule = Schedule::for_steps(20).unwrap();
        let adalora = AdaLoraConfig::new(family.adalora.iter().copied(), schedule);
        let adalora = AdaLoraConfig { init_r: 4, target_r: 2, ..adalora };
        check(arch, "AdaLoRA", &task, &adalora);
        check(arch, "AdaLoRA with all biases", &task, &AdaLoraConfig { bias: Bias::All, ..adalora.clone() });
        check(arch, "LoRA with biases of its layers", &task, &LoraConfig { bias: Bias::LoraOnly, ..lora(family.lora) });
    }
}
