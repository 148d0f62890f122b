//! Twenty steps of LoRA on a tiny DNABERT-2, as PEFT 0.21.2 and torch's AdamW took them: losses, gradients, adapters,
//! logits, and what saving, loading and merging make of them.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Gradients, Int, Tensor, TensorData};
use model_zoo::checkpoint::{Checkpoint, LoadRules, Tensors, export, load};
use model_zoo::dnabert2::{Dnabert2, Dnabert2Config, Parts};
use model_zoo::heads::{Head, HeadConfig, HeadKind};
use model_zoo::{Side, TokenBatch, named_params};
use peft_core::{AdapterFolder, Adapters, Contents, Hooks, HostTensor, Plain, write_folder};
use peft_lora::{LoraConfig, LoraLinear};
use serde_json::Value;

const CASE: &str = "peft/lora_dnabert2";

/// `testdata` at the root of the workspace, or where `GENOME_FIXTURES` says.
fn fixture(path: &str) -> PathBuf {
    let root = std::env::var_os("GENOME_FIXTURES")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata")), PathBuf::from);
    root.join(path)
}

/// The case's `trace.json` and `trace.safetensors`.
struct Trace {
    json: Value,
    tensors: Checkpoint,
}

impl Trace {
    fn read() -> Self {
        let json = std::fs::read_to_string(fixture(CASE).join("trace.json")).unwrap();
        let tensors = Checkpoint::open(fixture(CASE).join("trace.safetensors")).unwrap();
        Trace { json: serde_json::from_str(&json).unwrap(), tensors }
    }

    fn number(&self, pointer: &str) -> f64 {
        self.json.pointer(pointer).and_then(Value::as_f64).unwrap_or_else(|| panic!("no number at {pointer}"))
    }

    fn numbers(&self, pointer: &str) -> Vec<f32> {
        let list = self.json.pointer(pointer).and_then(Value::as_array).unwrap();
        list.iter().map(|n| n.as_f64().unwrap() as f32).collect()
    }

    fn ints(&self, name: &str) -> Tensor<2, Int> {
        let shape: [usize; 2] = self.tensors.shape(name).unwrap().try_into().unwrap();
        Tensor::from_data(TensorData::new(self.tensors.read_i64(name).unwrap(), shape), &Device::default())
    }

    fn batch(&self) -> TokenBatch {
        let mask = self.ints("attention_mask").float();
        let lengths = mask.sum_dim(1).to_data().iter::<f32>().map(|n| n as usize).collect();
        TokenBatch::new(self.ints("input_ids"), lengths, Side::Right)
    }

    fn labels(&self) -> Tensor<1, Int> {
        Tensor::from_data(TensorData::from(&self.tensors.read_i64("labels").unwrap()[..]), &Device::default())
    }
}

/// The encoder and its pooler, frozen on the plain device.
fn base() -> Dnabert2 {
    let config = std::fs::read_to_string(fixture("models/dnabert2/config.json")).unwrap();
    let config: Dnabert2Config = serde_json::from_str(&config).unwrap();
    let model = config.init(Parts { mlm_head: false, pooler: true }, &Device::default());
    let weights = Checkpoint::open(fixture("models/dnabert2/model.safetensors")).unwrap();
    let rules = LoadRules { ignore: &["cls."], may_be_new: &["bert.pooler."], ..Default::default() };
    let (model, report) = load(model, &weights, rules).unwrap();
    assert_eq!(report.new, ["bert.pooler.dense.weight", "bert.pooler.dense.bias"]);
    let head = Checkpoint::open(fixture("models/dnabert2/seqcls_head.safetensors")).unwrap();
    let rules = LoadRules { ignore: &["classifier"], may_be_new: &["bert.e"], ..Default::default() };
    let (model, report) = load(model, &head, rules).unwrap();
    assert_eq!(report.loaded, 2);
    model
}

/// All that is trained: what PEFT calls the adapter, with the classifier of its `modules_to_save`.
#[derive(Module, Debug)]
struct Trainable {
    adapters: Adapters<LoraLinear>,
    head: Head,
}

impl Trainable {
    /// Reads an adapter folder, PEFT's or ours, for training on `device`.
    fn read(dir: &Path, base: &Dnabert2, device: &Device) -> (LoraConfig, Self) {
        let folder = AdapterFolder::read(dir).unwrap();
        let config: LoraConfig = folder.config().unwrap();
        let fresh = Adapters::attach(base, &config.selection(["classifier"]), &config, 0, device).unwrap();
        let loaded = folder.load(fresh).unwrap();
        let tensors: Tensors =
            loaded.modules.iter().map(|(n, t)| (n.clone(), (t.shape().to_vec(), t.values().to_vec()))).collect();
        let file = Checkpoint::from_tensors("modules_to_save", &tensors).unwrap();
        let head = HeadConfig {
            kind: HeadKind::Bert,
            d_model: 48,
            num_labels: 3,
            dropout: 0.0,
            bins: 0,
            features: 0,
            own_pooler: false,
        };
        let (head, _) = load(head.init(device), &file, LoadRules::default()).unwrap();
        (config, Trainable { adapters: loaded.adapters, head: head.set_require_grad(true) })
    }

    fn write(&self, dir: &Path, config: &LoraConfig) {
        let modules: BTreeMap<String, HostTensor> = export(&self.head)
            .into_iter()
            .map(|(name, (shape, values))| (name, HostTensor::new(shape, values).unwrap()))
            .collect();
        let contents = Contents { config, adapters: &self.adapters, base_model: None, modules: &modules, genome: None };
        write_folder(dir, &contents).unwrap();
    }

    fn logits(&self, base: &Dnabert2, batch: &TokenBatch) -> Tensor<2> {
        logits(base, &self.head, batch, &self.adapters.bind(base).unwrap())
    }

    /// Every trainable tensor, or its gradient, under PEFT's name in memory and in torch's layout.
    fn collect(&self, grads: Option<&Gradients>) -> BTreeMap<String, Tensor2> {
        struct Collect<'a> {
            grads: Option<&'a Gradients>,
            names: HashMap<ParamId, String>,
            found: BTreeMap<String, Tensor2>,
        }
        impl ModuleVisitor for Collect<'_> {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                let name = self.names[&param.id].clone();
                let value = match self.grads {
                    Some(grads) => param.val().grad(grads).unwrap_or_else(|| panic!("no gradient of {name}")),
                    None => param.val(),
                };
                let value = if D == 2 { value.swap_dims(D - 2, D - 1) } else { value }; // [d_out, d_in], as torch
                self.found.insert(name, (value.dims().to_vec(), value.to_data().iter::<f32>().collect()));
            }
        }
        let adapters = named_params(&self.adapters).into_iter().map(|p| (p.id, format!("{}.default.weight", p.name)));
        let head = named_params(&self.head).into_iter().map(|p| {
            let (module, field) = p.name.rsplit_once('.').unwrap();
            (p.id, format!("{module}.modules_to_save.default.{field}"))
        });
        let names = adapters.chain(head).map(|(id, name)| (id, format!("base_model.model.{name}"))).collect();
        let mut collect = Collect { grads, names, found: BTreeMap::new() };
        self.visit(&mut collect);
        collect.found
    }
}

/// Shape and values.
type Tensor2 = (Vec<usize>, Vec<f32>);

fn logits(base: &Dnabert2, head: &Head, batch: &TokenBatch, hooks: &dyn Hooks) -> Tensor<2> {
    let h = base.encode(batch, hooks); // [batch, seq, d_model]
    let pooled = base.pool(&h, batch, hooks);
    head.forward(h, batch, pooled) // [batch, labels]
}

fn loss(logits: Tensor<2>, labels: Tensor<1, Int>) -> Tensor<1> {
    log_softmax(logits, 1).gather(1, labels.unsqueeze_dim(1)).mean().neg()
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.to_data().iter::<f32>().collect()
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

#[test]
fn twenty_steps_of_peft() {
    let trace = Trace::read();
    let (batch, labels) = (trace.batch(), trace.labels());
    let expected = |name: &str| trace.tensors.read_f32(name).unwrap();
    let base = base();
    let frozen = bits(&base);
    let device = Device::default().autodiff();
    let (config, mut model) = Trainable::read(&fixture(CASE).join("init"), &base, &device);
    assert!(model.adapters.get("bert.pooler.dense").is_some(), "`dense` is the pooler's name too");
    close("logits.init", &values(model.logits(&base, &batch)), &expected("logits.init"), 1e-4);

    let mut adamw = AdamWConfig::new()
        .with_beta_1(trace.number("/optimizer/betas/0") as f32)
        .with_beta_2(trace.number("/optimizer/betas/1") as f32)
        .with_epsilon(trace.number("/optimizer/eps") as f32)
        .with_weight_decay(trace.number("/optimizer/weight_decay") as f32)
        .init();
    let lr = trace.number("/optimizer/lr");
    let steps = trace.number("/optimizer/steps") as usize;
    let (losses, norms) = (trace.numbers("/losses"), trace.numbers("/grad_norms"));
    assert_eq!((losses.len(), norms.len()), (steps, steps));
    let (mut of_losses, mut of_norms) = (0.0_f32, 0.0_f32);
    for step in 0..steps {
        let loss = loss(model.logits(&base, &batch), labels.clone());
        let value = values(loss.clone());
        of_losses = of_losses.max(close(&format!("loss of step {step}"), &value, &losses[step..=step], 1e-4));
        let grads = loss.backward();
        let found = model.collect(Some(&grads));
        if step == 0 {
            let named: Vec<String> =
                trace.tensors.names().into_iter().filter(|n| n.starts_with("grad.step0.")).collect();
            assert_eq!(named.len(), found.len(), "every gradient has its twin");
            for name in named {
                let (shape, values) = &found[&name["grad.step0.".len()..]];
                assert_eq!(shape, trace.tensors.shape(&name).unwrap(), "{name}");
                close(&name, values, &expected(&name), 1e-4);
            }
        }
        let norm = found.values().flat_map(|(_, v)| v).map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt() as f32;
        let share = (norm - norms[step]).abs() / norms[step];
        assert!(share <= 1e-3, "norm of step {step}: expected {}, found {norm}", norms[step]);
        of_norms = of_norms.max(share);
        let grads = GradientsParams::from_grads(grads, &model);
        model = adamw.step(lr, model, grads);
    }
    let model = model.valid();
    let final_loss = loss(model.logits(&base, &batch), labels);
    close("final loss", &values(final_loss), &[trace.number("/final_loss") as f32], 1e-4);
    let ours = values(model.logits(&base, &batch));
    let of_logits = close("logits.final", &ours, &expected("logits.final"), 1e-4);
    close("logits.reloaded", &ours, &expected("logits.reloaded"), 1e-4);
    assert_eq!(bits(&base), frozen, "the base has not moved by a bit");

    let theirs = Checkpoint::open(fixture(CASE).join("final/trainable.safetensors")).unwrap();
    let found = model.collect(None);
    assert_eq!(found.keys().cloned().collect::<Vec<_>>(), theirs.names());
    let mut of_tensors = 0.0_f32;
    for (name, (shape, values)) in &found {
        assert_eq!(shape, theirs.shape(name).unwrap(), "{name}");
        of_tensors = of_tensors.max(close(name, values, &theirs.read_f32(name).unwrap(), 1e-3));
    }

    let dir = tempfile::tempdir().unwrap();
    model.write(dir.path(), &config);
    let (reloaded_config, reloaded) = Trainable::read(dir.path(), &base, &Device::default());
    assert_eq!(reloaded_config, config);
    assert_eq!(bits(&reloaded), bits(&model), "saved and loaded");
    let again = values(reloaded.valid().logits(&base, &batch));
    assert!(again.iter().zip(&ours).all(|(a, b)| a.to_bits() == b.to_bits()), "{again:?} {ours:?}");

    let (merged, report) = model.adapters.merge(base).unwrap();
    assert_eq!(report.sites.len(), 10);
    let merged = values(logits(&merged, &model.head, &batch, &Plain));
    let of_merged = close("merged and unmerged", &merged, &ours, 1e-5);
    close("logits.merged", &merged, &expected("logits.merged"), 1e-4);

    println!(
        "largest differences: losses {of_losses:e}, gradient norms {of_norms:e} of each, final logits {of_logits:e}"
    );
    println!("adapters and classifier {of_tensors:e}, merged and unmerged {of_merged:e}");
}
