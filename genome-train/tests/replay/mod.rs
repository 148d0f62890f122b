//! Replays a case of `testdata/peft`: an adapter as PEFT saved it, the batch and the optimizer of a run of PEFT and
//! torch, and what came out step by step. Takes any case folder of that layout, of any method that has settings and
//! adapters of one kind.

#![allow(missing_docs, unreachable_pub, reason = "shared by several test programs")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::module::{Module, ModuleMapper, Param};
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Gradients, Int, Tensor, TensorData};
use model_zoo::checkpoint::{Checkpoint, LoadRules, Tensors, export, load};
use model_zoo::heads::Head;
use model_zoo::{Base, BaseConfig, TokenBatch};
use peft_core::folder::adapter_tensors;
use peft_core::{
    AdapterFolder, Adapters, Contents, FolderAdapter, FolderConfig, Hooks, HostTensor, Method, Plain, Selection,
    write_folder,
};
use serde_json::Value;

/// `testdata` at the root of the workspace, or where `GENOME_FIXTURES` says.
pub fn fixture(path: &str) -> PathBuf {
    let root = std::env::var_os("GENOME_FIXTURES")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata")), PathBuf::from);
    root.join(path)
}

/// A method whose cases can be replayed.
pub trait Replayed: FolderConfig + Method<Adapter: FolderAdapter> + PartialEq + std::fmt::Debug {
    fn selection_without(&self, heads: &[&str]) -> Selection;
}

impl Replayed for peft_lora::LoraConfig {
    fn selection_without(&self, heads: &[&str]) -> Selection {
        self.selection(heads.iter().copied())
    }
}

impl Replayed for peft_lora::Ia3Config {
    fn selection_without(&self, heads: &[&str]) -> Selection {
        self.selection(heads.iter().copied())
    }
}

/// The largest differences from PEFT's run.
#[derive(Debug, Default)]
pub struct Differences {
    pub losses: f32,
    /// Relative.
    pub gradient_norms: f32,
    pub gradients: f32,
    pub logits: f32,
    pub tensors: f32,
    pub merged_tensors: f32,
    /// Of ours merged from ours unmerged.
    pub merged: f32,
    /// What the merge itself measured.
    pub output_drift: f32,
}

struct Case {
    json: Value,
    tensors: Checkpoint,
}

impl Case {
    fn read(dir: &Path) -> Self {
        let json = std::fs::read_to_string(dir.join("trace.json")).unwrap();
        let tensors = Checkpoint::open(dir.join("trace.safetensors")).unwrap();
        Case { json: serde_json::from_str(&json).unwrap(), tensors }
    }

    fn text(&self, pointer: &str) -> &str {
        self.json.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no text at {pointer}"))
    }

    fn number(&self, pointer: &str) -> f64 {
        self.json.pointer(pointer).and_then(Value::as_f64).unwrap_or_else(|| panic!("no number at {pointer}"))
    }

    fn numbers(&self, pointer: &str) -> Vec<f32> {
        let list = self.json.pointer(pointer).and_then(Value::as_array).unwrap();
        list.iter().map(|n| n.as_f64().unwrap() as f32).collect()
    }

    fn expected(&self, name: &str) -> Vec<f32> {
        self.tensors.read_f32(name).unwrap()
    }

    fn is_causal_lm(&self) -> bool {
        self.text("/task") == "CAUSAL_LM"
    }

    fn batch(&self) -> TokenBatch {
        let read = |name: &str| self.tensors.read_i64(name).unwrap();
        let seq = self.tensors.shape("input_ids").unwrap()[1];
        TokenBatch::from_mask(&read("input_ids"), &read("attention_mask"), seq, &Device::default()).unwrap()
    }

    /// Scores are compared where a token stands; `keep` are those places of [batch, seq], row after row.
    fn compared(&self, logits: &[f32]) -> Vec<f32> {
        if !self.is_causal_lm() {
            return logits.to_vec();
        }
        let mask = self.tensors.read_i64("attention_mask").unwrap();
        let width = logits.len() / mask.len();
        let rows = logits.chunks(width).zip(mask).filter(|(_, m)| *m == 1);
        rows.flat_map(|(row, _)| row.to_vec()).collect()
    }

    /// Mean cross entropy: of labels, or of each next token, where -100 counts for nothing.
    fn loss(&self, logits: &Logits) -> Tensor<1> {
        let labels = self.tensors.read_i64("labels").unwrap();
        match logits {
            Logits::Labels(logits) => cross_entropy(logits.clone(), &labels),
            Logits::Tokens(logits) => {
                let [rows, seq, width] = logits.dims();
                let logits = logits.clone().narrow(1, 0, seq - 1).reshape([rows * (seq - 1), width]);
                let next: Vec<i64> = labels.chunks(seq).flat_map(|row| row[1..].to_vec()).collect();
                cross_entropy(logits, &next)
            }
        }
    }
}

fn cross_entropy(logits: Tensor<2>, labels: &[i64]) -> Tensor<1> {
    let device = logits.device().inner();
    let kept: Vec<i64> = (0..labels.len() as i64).filter(|i| labels[*i as usize] != -100).collect();
    let wanted: Vec<i64> = kept.iter().map(|i| labels[*i as usize]).collect();
    let ints = |values: &[i64]| Tensor::<1, Int>::from_data(TensorData::from(values), &device);
    log_softmax(logits.select(0, ints(&kept)), 1).gather(1, ints(&wanted).unsqueeze_dim(1)).mean().neg()
}

enum Logits {
    Labels(Tensor<2>), // [batch, labels]
    Tokens(Tensor<3>), // [batch, seq, vocabulary]
}

impl Logits {
    fn values(&self) -> Vec<f32> {
        match self {
            Logits::Labels(t) => t.to_data().iter::<f32>().collect(),
            Logits::Tokens(t) => t.to_data().iter::<f32>().collect(),
        }
    }
}

/// The base, frozen on the plain device: the checkpoint, and what a classifier has beside it but the classifier.
fn base(case: &Case) -> Base {
    let dir = fixture(case.text("/base"));
    let path = dir.join("config.json");
    let config = BaseConfig::parse(&path, &std::fs::read_to_string(&path).unwrap()).unwrap();
    let weights = Checkpoint::open_dir(&dir).unwrap();
    let head = Checkpoint::open(dir.join("seqcls_head.safetensors")).unwrap();
    let causal = case.is_causal_lm();
    let pooler = !causal && head.shape("bert.pooler.dense.weight").is_some();
    let rotary = matches!(&config, BaseConfig::NucleotideTransformer(c) if c.rotary());
    let mut tensors = Tensors::new();
    for (file, wanted) in [(&weights, ""), (&head, "bert.pooler.")] {
        for name in file.names().into_iter().filter(|n| n.starts_with(wanted) && !ignored(n, causal, rotary)) {
            let shape = file.shape(&name).unwrap().to_vec();
            tensors.insert(name.clone(), (shape, file.read_f32(&name).unwrap()));
        }
    }
    let file = Checkpoint::from_tensors(case.text("/base"), &tensors).unwrap();
    let model = config.init(causal, pooler, &Device::default());
    load(model, &file, LoadRules::default()).unwrap().0
}

/// Buffers, the table of positions that a rotary model does not use, and heads of language models where a classifier is
/// wanted.
fn ignored(name: &str, causal: bool, rotary: bool) -> bool {
    ["inv_freq", "position_ids", "contact_head."].iter().any(|part| name.contains(part))
        || (rotary && name.contains("position_embeddings."))
        || (!causal && (name.starts_with("cls.") || name.starts_with("lm_head.")))
}

/// All that is trained: what PEFT calls the adapter, with the head of its `modules_to_save`.
#[derive(Module, Debug)]
struct Trained<A: peft_core::LinearAdapter> {
    adapters: Adapters<A>,
    head: Option<Head>,
}

/// Shape and values, in torch's layout.
type Host = (Vec<usize>, Vec<f32>);

impl<A: FolderAdapter> Trained<A> {
    /// Reads an adapter folder, PEFT's or ours, for training on `device`.
    fn read<C: Replayed<Adapter = A>>(dir: &Path, base: &Base, device: &Device) -> (C, Self) {
        let folder = AdapterFolder::read(dir).unwrap();
        let config: C = folder.config().unwrap();
        let fresh = Adapters::attach(base, &config.selection_without(HEADS), &config, 0, device).unwrap();
        let loaded = folder.load(fresh).unwrap();
        let tensors: Tensors =
            loaded.modules.iter().map(|(n, t)| (n.clone(), (t.shape().to_vec(), t.values().to_vec()))).collect();
        let head = (!tensors.is_empty()).then(|| {
            let file = Checkpoint::from_tensors("modules_to_save", &tensors).unwrap();
            Head::from_checkpoint(&file, base, device).unwrap().set_require_grad(true)
        });
        (config, Trained { adapters: loaded.adapters, head })
    }

    fn write<C: FolderConfig>(&self, dir: &Path, config: &C) {
        let modules: BTreeMap<String, HostTensor> = (self.head.iter().flat_map(export))
            .map(|(name, (shape, values))| (name, HostTensor::new(shape, values).unwrap()))
            .collect();
        let contents = Contents { config, adapters: &self.adapters, base_model: None, modules: &modules, genome: None };
        write_folder(dir, &contents).unwrap();
    }

    fn logits(&self, base: &Base, batch: &TokenBatch) -> Logits {
        logits(base, &self.head, batch, &self.adapters.bind(base).unwrap())
    }

    /// Every trained tensor under the name that PEFT has for it in memory.
    fn in_memory(&self, saved_modules: &[String]) -> BTreeMap<String, Host> {
        let adapters = adapter_tensors(&self.adapters);
        let adapters = adapters.into_iter().map(|(n, t)| (n, (t.shape().to_vec(), t.values().to_vec())));
        let head = self.head.iter().flat_map(export);
        adapters.chain(head).map(|(name, tensor)| (in_memory(&name, saved_modules), tensor)).collect()
    }

    /// The module with each parameter's gradient in its place.
    fn gradients(&self, gradients: &Gradients) -> Self {
        struct Replace<'a>(&'a Gradients);
        impl ModuleMapper for Replace<'_> {
            fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
                let gradient = param.val().grad(self.0).unwrap_or_else(|| panic!("a parameter without gradient"));
                Param::initialized(param.id, gradient)
            }
        }
        self.clone().map(&mut Replace(gradients))
    }
}

const HEADS: &[&str] = &["classifier", "score", "lm_head", "cls"];

/// `base_model.model.<name>` as the parameter is called in a PEFT model whose adapter is the default one.
fn in_memory(name: &str, saved_modules: &[String]) -> String {
    let saved = saved_modules.iter().find_map(|m| Some((m, name.strip_prefix(m.as_str())?.strip_prefix('.')?)));
    let name = match saved {
        Some((module, field)) => format!("{module}.modules_to_save.default.{field}"),
        None => match name.rsplit_once('.') {
            Some((layer, "lora_magnitude_vector")) => format!("{layer}.lora_magnitude_vector.default.weight"),
            Some((_, "ia3_l" | "lora_embedding_A" | "lora_embedding_B")) => format!("{name}.default"),
            Some((module, field)) if module.ends_with(".lora_A") || module.ends_with(".lora_B") => {
                format!("{module}.default.{field}")
            }
            _ => name.to_owned(),
        },
    };
    format!("base_model.model.{name}")
}

fn logits(base: &Base, head: &Option<Head>, batch: &TokenBatch, hooks: &dyn Hooks) -> Logits {
    let h = base.encode(batch, hooks); // [batch, seq, d_model]
    match head {
        Some(head) => {
            let pooled = base.pool(&h, batch, hooks);
            Logits::Labels(head.forward(h, batch, pooled))
        }
        None => Logits::Tokens(base.lm_logits(h, hooks)),
    }
}

/// Fails where `found` and `expected` differ by more than `tolerance`; returns the largest difference.
fn close(what: &str, found: &[f32], expected: &[f32], tolerance: f32) -> f32 {
    assert_eq!(found.len(), expected.len(), "{what}");
    let mut largest = 0.0_f32;
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        assert!((f - e).abs() <= tolerance, "{what}[{i}]: expected {e}, found {f}");
        largest = largest.max((f - e).abs());
    }
    largest
}

fn bits<M: Module>(module: &M) -> BTreeMap<String, Vec<u32>> {
    export(module)
        .into_iter()
        .map(|(name, (_, values))| (name, values.into_iter().map(f32::to_bits).collect()))
        .collect()
}

/// Reads a folder that PEFT wrote and writes it again: the same tensors, byte for byte, and no field of the settings
/// that PEFT has another value for.
fn check_round_trip<C: Replayed>(dir: &Path, base: &Base) {
    let (config, model) = Trained::read::<C>(dir, base, &Device::default());
    let again = tempfile::tempdir().unwrap();
    model.write(again.path(), &config);
    let bytes = |dir: &Path| std::fs::read(dir.join("adapter_model.safetensors")).unwrap();
    assert!(bytes(again.path()) == bytes(dir), "{}: other bytes", dir.display());
    let json = |dir: &Path| -> Value {
        serde_json::from_slice(&std::fs::read(dir.join("adapter_config.json")).unwrap()).unwrap()
    };
    let (ours, theirs) = (json(again.path()), json(dir));
    for (field, value) in ours.as_object().unwrap() {
        let same =
            field == "base_model_name_or_path" || value.as_f64().is_some_and(|v| theirs[field].as_f64() == Some(v));
        assert!(same || *value == theirs[field], "{field}: {value} and {}", theirs[field]);
    }
}

/// Replays the case in `dir` and fails where it differs from PEFT by more than the issue allows.
pub fn replay<C: Replayed>(dir: &Path) -> Differences
where
    C::Adapter: 'static,
{
    let case = Case::read(dir);
    let batch = case.batch();
    let mut most = Differences::default();
    let base = base(&case);
    let frozen = bits(&base);
    for folder in ["init", "final"] {
        check_round_trip::<C>(&dir.join(folder), &base);
    }
    let device = Device::default().autodiff();
    let (config, mut model) = Trained::read::<C>(&dir.join("init"), &base, &device);
    let saved_modules: Vec<String> = config.copies().modules;
    let compare = |what: &str, found: &[f32], expected: &[f32], tolerance: f32| {
        close(what, &case.compared(found), &case.compared(expected), tolerance)
    };
    let start = model.logits(&base, &batch).values();
    most.logits = compare("logits.init", &start, &case.expected("logits.init"), 1e-4);

    let mut adamw = AdamWConfig::new()
        .with_beta_1(case.number("/optimizer/betas/0") as f32)
        .with_beta_2(case.number("/optimizer/betas/1") as f32)
        .with_epsilon(case.number("/optimizer/eps") as f32)
        .with_weight_decay(case.number("/optimizer/weight_decay") as f32)
        .init();
    let lr = case.number("/optimizer/lr");
    let (losses, norms) = (case.numbers("/losses"), case.numbers("/grad_norms"));
    assert_eq!((losses.len(), norms.len()), (20, 20));
    for step in 0..losses.len() {
        let loss = case.loss(&model.logits(&base, &batch));
        let value: Vec<f32> = loss.to_data().iter::<f32>().collect();
        most.losses = most.losses.max(close(&format!("loss of step {step}"), &value, &losses[step..=step], 1e-4));
        let gradients = loss.backward();
        let found = model.gradients(&gradients).in_memory(&saved_modules);
        if step == 0 {
            let named: Vec<String> =
                case.tensors.names().into_iter().filter(|n| n.starts_with("grad.step0.")).collect();
            assert_eq!(named.len(), found.len(), "every gradient has its twin");
            for name in named {
                let (shape, values) = &found[&name["grad.step0.".len()..]];
                assert_eq!(shape, case.tensors.shape(&name).unwrap(), "{name}");
                most.gradients = most.gradients.max(close(&name, values, &case.expected(&name), 1e-4));
            }
        }
        let norm = found.values().flat_map(|(_, v)| v).map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt() as f32;
        let share = (norm - norms[step]).abs() / norms[step];
        assert!(share <= 1e-3, "norm of step {step}: expected {}, found {norm}", norms[step]);
        most.gradient_norms = most.gradient_norms.max(share);
        let gradients = GradientsParams::from_grads(gradients, &model);
        model = adamw.step(lr, model, gradients);
    }
    let model = model.valid();
    let last = model.logits(&base, &batch);
    let loss: Vec<f32> = case.loss(&last).to_data().iter::<f32>().collect();
    close("final loss", &loss, &[case.number("/final_loss") as f32], 1e-4);
    let ours = last.values();
    for name in ["logits.final", "logits.reloaded"] {
        most.logits = most.logits.max(compare(name, &ours, &case.expected(name), 1e-4));
    }
    assert_eq!(bits(&base), frozen, "the base has not moved by a bit");

    let theirs = Checkpoint::open(dir.join("final/trainable.safetensors")).unwrap();
    let found = model.in_memory(&saved_modules);
    assert_eq!(found.keys().cloned().collect::<Vec<_>>(), theirs.names());
    for (name, (shape, values)) in &found {
        assert_eq!(shape, theirs.shape(name).unwrap(), "{name}");
        if !is_key_bias(name) {
            most.tensors = most.tensors.max(close(name, values, &theirs.read_f32(name).unwrap(), 1e-3));
        }
    }

    let saved = tempfile::tempdir().unwrap();
    model.write(saved.path(), &config);
    let (reloaded_config, reloaded) = Trained::read::<C>(saved.path(), &base, &Device::default());
    assert_eq!(reloaded_config, config);
    assert_eq!(bits(&reloaded.valid()), bits(&model), "saved and loaded");
    let again = reloaded.valid().logits(&base, &batch).values();
    assert!(again.iter().zip(&ours).all(|(a, b)| a.to_bits() == b.to_bits()), "reloaded logits differ");

    let merged = model.adapters.merge_keeping(base).unwrap();
    most.output_drift = merged.report.largest_output_drift();
    assert!(most.output_drift < 1e-5, "{:?}", merged.report);
    let alone = logits(&merged.model, &model.head, &batch, &Plain).values();
    most.merged = compare("merged and unmerged", &alone, &ours, 1e-5);
    most.logits = most.logits.max(compare("logits.merged", &alone, &case.expected("logits.merged"), 1e-4));
    let theirs = Checkpoint::open(dir.join("merged.safetensors")).unwrap();
    let tensors = export(&merged.model);
    let head: Tensors = model.head.iter().flat_map(export).collect();
    for name in theirs.names() {
        let (shape, values) = tensors.get(&name).or(head.get(&name)).unwrap_or_else(|| panic!("no {name}"));
        assert_eq!(shape, theirs.shape(&name).unwrap(), "{name}");
        if !is_key_bias(&name) {
            let expected = theirs.read_f32(&name).unwrap();
            most.merged_tensors = most.merged_tensors.max(close(&name, values, &expected, 1e-3));
        }
    }
    assert_eq!(bits(&merged.unmerge()), frozen, "unmerged is what was merged");
    most
}

/// The true gradient of a key projection's bias is 0, and Adam makes steps of rounding noise; no output depends on it.
fn is_key_bias(name: &str) -> bool {
    [".k_proj.bias", ".k_proj.base_layer.bias", ".key.bias", ".key.base_layer.bias"]
        .iter()
        .any(|end| name.ends_with(end))
}
