//! Twenty steps of AdaLoRA as PEFT 0.21.2 and torch's AdamW took them: losses, orthogonality, gradients, budgets, scores,
//! thresholds and rank patterns of every step, adapters, logits, and what saving, loading and merging make of them.
//!
//! A case is one line: its name.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Gradients, Int, Tensor, TensorData};
use model_zoo::checkpoint::{Checkpoint, Tensors, export};
use model_zoo::heads::Head;
use model_zoo::{Base, Purpose, Side, TokenBatch, named_params};
use peft_adalora::{AdaLoraConfig, AdaLoraOptimizer, AllocationReport, RankAllocator, SvdLinear, orthogonality};
use peft_core::{AdapterFolder, Adapters, Contents, Hooks, HostTensor, Plain, sites, write_folder};
use serde_json::Value;

#[test]
fn dnabert2() {
    replay("adalora_dnabert2");
}

#[test]
fn bert() {
    replay("adalora_bert");
}

#[test]
fn opt_post() {
    replay("adalora_opt_post");
}

/// The case's base, frozen on the plain device; a pooler beside its classifier is part of it.
fn read_base(dir: &Path) -> Base {
    let classifier = Checkpoint::open(dir.join("seqcls_head.safetensors")).unwrap();
    Base::with_classifier(dir, Purpose::Encode, &classifier, &Device::default()).unwrap().0.base
}

/// [batch, labels].
fn logits(base: &Base, head: &Head, batch: &TokenBatch, hooks: &dyn Hooks) -> Tensor<2> {
    let h = base.encode(batch, hooks); // [batch, seq, d_model]
    let pooled = base.pool(&h, batch, hooks);
    head.forward(h, batch, pooled)
}

/// `testdata` at the root of the workspace, or where `GENOME_FIXTURES` says.
fn fixture(path: impl AsRef<Path>) -> PathBuf {
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
    fn read(case: &Path) -> Self {
        let json = std::fs::read_to_string(case.join("trace.json")).unwrap();
        let tensors = Checkpoint::open(case.join("trace.safetensors")).unwrap();
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

    /// What is recorded of a step's rank pattern, by the layers' paths.
    fn pattern(&self, step: usize) -> Option<BTreeMap<String, Vec<bool>>> {
        let pattern = self.json.pointer(&format!("/per_step/{step}/rank_pattern"))?.as_object()?;
        let bools = |v: &Value| v.as_array().unwrap().iter().map(|b| b.as_bool().unwrap()).collect();
        Some(
            pattern
                .iter()
                .map(|(name, v)| (name.strip_suffix(".lora_E.default").unwrap().to_owned(), bools(v)))
                .collect(),
        )
    }
}

/// All that is trained: what PEFT calls the adapter, with the classifier of its `modules_to_save`.
#[derive(Module, Debug)]
struct Trainable {
    adapters: Adapters<SvdLinear>,
    head: Head,
}

impl Trainable {
    /// Reads an adapter folder, PEFT's or ours, for training on `device`.
    fn read(dir: &Path, base: &Base, device: &Device) -> (AdaLoraConfig, Self) {
        let folder = AdapterFolder::read(dir).unwrap();
        let config: AdaLoraConfig = folder.config().unwrap();
        // Not `selection`: PEFT lets a list name layers that there are not, as the list of the OPT case does.
        let targets = &config.target_modules;
        let sites: Vec<_> = sites(base).into_iter().filter(|s| targets.matches(&s.path).unwrap()).collect();
        let loaded = folder.load(Adapters::at_sites(&sites, &config, 0, device).unwrap()).unwrap();
        let tensors: Tensors =
            loaded.modules.iter().map(|(n, t)| (n.clone(), (t.shape().to_vec(), t.values().to_vec()))).collect();
        let file = Checkpoint::from_tensors("modules_to_save", &tensors).unwrap();
        let head = Head::from_checkpoint(&file, base, device).unwrap();
        (config, Trainable { adapters: loaded.adapters, head: head.set_require_grad(true) })
    }

    fn write(&self, dir: &Path, config: &AdaLoraConfig) {
        let modules: BTreeMap<String, HostTensor> = export(&self.head)
            .into_iter()
            .map(|(name, (shape, values))| (name, HostTensor::new(shape, values).unwrap()))
            .collect();
        let contents = Contents { config, adapters: &self.adapters, base_model: None, modules: &modules, genome: None };
        write_folder(dir, &contents).unwrap();
    }

    fn logits(&self, base: &Base, batch: &TokenBatch) -> Tensor<2> {
        logits(base, &self.head, batch, &self.adapters.bind(base).unwrap())
    }

    /// Every trainable tensor, or its gradient, under PEFT's name in memory and in torch's layout.
    fn collect(&self, grads: Option<&Gradients>) -> BTreeMap<String, Shaped> {
        struct Collect<'a> {
            grads: Option<&'a Gradients>,
            names: HashMap<ParamId, String>,
            found: BTreeMap<String, Shaped>,
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
        let adapters = named_params(&self.adapters).into_iter().map(|p| (p.id, format!("{}.default", p.name)));
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
type Shaped = (Vec<usize>, Vec<f32>);

fn loss(logits: Tensor<2>, labels: Tensor<1, Int>) -> Tensor<1> {
    log_softmax(logits, 1).gather(1, labels.unsqueeze_dim(1)).mean().neg()
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.to_data().iter::<f32>().collect()
}

/// The largest differences found, by what was compared.
#[derive(Default)]
struct Differences(BTreeMap<&'static str, f32>);

impl Differences {
    fn note(&mut self, what: &'static str, difference: f32) {
        let largest = self.0.entry(what).or_default();
        *largest = largest.max(difference);
    }

    /// Fails where `found` and `expected` differ by more than `tolerance`.
    fn close(&mut self, what: &'static str, at: &str, found: &[f32], expected: &[f32], tolerance: f32) {
        assert_eq!(found.len(), expected.len(), "{what} {at}");
        for (i, (f, e)) in found.iter().zip(expected).enumerate() {
            assert!((f - e).abs() <= tolerance, "{what} {at}[{i}]: expected {e}, found {f}");
            self.note(what, (f - e).abs());
        }
    }

    /// The same, relative to what was expected.
    fn near(&mut self, what: &'static str, at: &str, found: &[f32], expected: &[f32], tolerance: f32) {
        assert_eq!(found.len(), expected.len(), "{what} {at}");
        for (i, (f, e)) in found.iter().zip(expected).enumerate() {
            assert!((f - e).abs() <= tolerance * e.abs(), "{what} {at}[{i}]: expected {e}, found {f}");
            self.note(what, (f - e).abs() / e.abs());
        }
    }
}

fn bits<M: Module>(module: &M) -> BTreeMap<String, Vec<u32>> {
    export(module)
        .into_iter()
        .map(|(name, (_, values))| (name, values.into_iter().map(f32::to_bits).collect()))
        .collect()
}

/// One step of the allocator against what PEFT recorded of it.
fn check_step(
    trace: &Trace,
    model: &Trainable,
    allocator: &RankAllocator,
    report: &AllocationReport,
    d: &mut Differences,
) {
    let step = report.step;
    let at = |field: &str| format!("/per_step/{step}/{field}");
    assert_eq!(report.budget, trace.number(&at("budget")) as usize, "budget of step {step}");
    assert_eq!(report.ranking.is_some(), trace.json.pointer(&at("allocated")).unwrap() == &Value::Bool(true), "{step}");
    assert_eq!(allocator.rank_pattern(), trace.pattern(step), "rank pattern after step {step}");
    if let Some(active) = trace.json.pointer(&at("active_ranks")).and_then(Value::as_u64) {
        assert_eq!(report.kept as u64, active, "step {step}");
    }
    for (path, adapter) in model.adapters.iter() {
        let name = format!("step{step}.E.{path}.lora_E.default");
        d.close("singular values", &name, &values(adapter.lora_E.val()), &trace.tensors.read_f32(&name).unwrap(), 1e-3);
    }
    let Some(ranking) = &report.ranking else { return };
    assert_eq!(report.kept, report.budget, "the budget of step {step} is met");
    let threshold = [trace.number(&at("threshold")) as f32];
    let found = [ranking.threshold().unwrap()];
    d.close("thresholds", &at("threshold"), &found, &threshold, 1e-4);
    d.near("thresholds, relative", &at("threshold"), &found, &threshold, 2e-3);
    for site in &ranking.sites {
        let name = format!("step{step}.score.{}.lora_E.default", site.path);
        d.near("scores, relative", &name, &site.scores, &trace.tensors.read_f32(&name).unwrap(), 1e-2);
    }
}

fn replay(name: &str) {
    let case = fixture("peft").join(name);
    let trace = Trace::read(&case);
    let (batch, labels) = (trace.batch(), trace.labels());
    let expected = |name: &str| trace.tensors.read_f32(name).unwrap();
    let mut d = Differences::default();
    let base = read_base(&fixture(trace.json["base"].as_str().unwrap()));
    let frozen = bits(&base);
    let device = Device::default().autodiff();
    let (config, mut model) = Trainable::read(&case.join("init"), &base, &device);
    d.close("initial logits", name, &values(model.logits(&base, &batch)), &expected("logits.init"), 1e-4);

    let adamw = AdamWConfig::new()
        .with_beta_1(trace.number("/optimizer/betas/0") as f32)
        .with_beta_2(trace.number("/optimizer/betas/1") as f32)
        .with_epsilon(trace.number("/optimizer/eps") as f32)
        .with_weight_decay(trace.number("/optimizer/weight_decay") as f32);
    let mut optimizer = AdaLoraOptimizer::new(adamw.init(), &config, &model.adapters).unwrap();
    let lr = trace.number("/optimizer/lr");
    let steps = trace.number("/optimizer/steps") as usize;
    let (losses, norms) = (trace.numbers("/losses"), trace.numbers("/grad_norms"));
    assert_eq!((losses.len(), norms.len()), (steps, steps));
    let whole = |model: &Trainable| {
        let task = loss(model.logits(&base, &batch), labels.clone());
        let orthogonality = orthogonality(&model.adapters);
        (task.clone() + orthogonality.clone() * config.orth_reg_weight, task, orthogonality)
    };
    for step in 0..steps {
        let (loss, task, orthogonality) = whole(&model);
        let at = |field: &str| format!("/per_step/{step}/{field}");
        d.close("losses", &at("loss"), &values(loss.clone()), &losses[step..=step], 1e-4);
        d.close("task losses", &at("task"), &values(task), &[trace.number(&at("task_loss")) as f32], 1e-4);
        let recorded = [trace.number(&at("orth_reg")) as f32];
        d.close("orthogonality", &at("orth_reg"), &values(orthogonality), &recorded, 1e-4);
        let grads = loss.backward();
        let found = model.collect(Some(&grads));
        if step == 0 {
            let named: Vec<String> =
                trace.tensors.names().into_iter().filter(|n| n.starts_with("grad.step0.")).collect();
            assert_eq!(named.len(), found.len(), "every gradient has its twin");
            for name in named {
                let (shape, values) = &found[&name["grad.step0.".len()..]];
                assert_eq!(shape, trace.tensors.shape(&name).unwrap(), "{name}");
                d.close("gradients of the first step", &name, values, &expected(&name), 1e-4);
            }
        }
        let norm = found.values().flat_map(|(_, v)| v).map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt() as f32;
        d.near("gradient norms, relative", &at("grad_norm"), &[norm], &norms[step..=step], 1e-3);
        let grads = GradientsParams::from_grads(grads, &model);
        let report;
        (model, report) = optimizer.step(lr, model, grads).unwrap();
        check_step(&trace, &model, optimizer.allocator(), &report, &mut d);
    }
    let summary = optimizer.summary();
    assert!(summary.is_final && summary.allocations.len() == 7, "{summary}");

    let model = model.valid();
    d.close("losses", "final", &values(whole(&model).0), &[trace.number("/final_loss") as f32], 1e-4);
    let ours = values(model.logits(&base, &batch));
    d.close("final logits", name, &ours, &expected("logits.final"), 1e-4);
    d.close("final logits", "reloaded", &ours, &expected("logits.reloaded"), 1e-4);
    assert_eq!(bits(&base), frozen, "the base has not moved by a bit");
    let theirs = Checkpoint::open(case.join("final/trainable.safetensors")).unwrap();
    let found = model.collect(None);
    assert_eq!(found.keys().cloned().collect::<Vec<_>>(), theirs.names());
    for (name, (shape, values)) in &found {
        assert_eq!(shape, theirs.shape(name).unwrap(), "{name}");
        d.close("final tensors", name, values, &theirs.read_f32(name).unwrap(), 1e-3);
    }

    // What is saved is pruned: the model with the triplets of λ = 0 taken out.
    let (pruned_config, adapters) = optimizer.allocator().pruned(&config, &model.adapters).unwrap();
    let pruned = Trainable { adapters, head: model.head };
    let dir = tempfile::tempdir().unwrap();
    pruned.write(dir.path(), &pruned_config);
    let file = |dir: &Path| Checkpoint::open(dir.join("adapter_model.safetensors")).unwrap();
    let (saved, peft) = (file(dir.path()), file(&case.join("final")));
    assert_eq!(saved.names(), peft.names());
    for name in saved.names() {
        assert_eq!(saved.shape(&name).unwrap(), peft.shape(&name).unwrap(), "{name}");
        let (ours, theirs) = (saved.read_f32(&name).unwrap(), peft.read_f32(&name).unwrap());
        d.close("saved tensors", &name, &ours, &theirs, 1e-3);
    }
    let json = |dir: &Path| -> Value {
        serde_json::from_slice(&std::fs::read(dir.join("adapter_config.json")).unwrap()).unwrap()
    };
    let (written, recorded) = (json(dir.path()), json(&case.join("final")));
    for (field, value) in written.as_object().unwrap().iter().filter(|(f, _)| *f != "base_model_name_or_path") {
        assert_eq!(*value, recorded[field], "{field}");
    }

    let (reloaded_config, reloaded) = Trainable::read(dir.path(), &base, &Device::default());
    assert_eq!(reloaded_config, pruned_config);
    assert_eq!(bits(&reloaded), bits(&pruned), "saved and loaded");
    let (before, after) = (values(pruned.logits(&base, &batch)), values(reloaded.valid().logits(&base, &batch)));
    assert!(before.iter().zip(&after).all(|(a, b)| a.to_bits() == b.to_bits()), "{before:?} {after:?}");
    d.close("pruned and unpruned logits", name, &before, &ours, 1e-5);

    let (merged, report) = pruned.adapters.merge(base.clone()).unwrap();
    assert_eq!(report.sites.len(), pruned.adapters.len());
    let merged = values(logits(&merged, &pruned.head, &batch, &Plain));
    d.close("merged and unmerged logits", name, &merged, &ours, 1e-5);
    d.close("merged logits", name, &merged, &expected("logits.merged"), 1e-4);

    println!("{name}: {summary}");
    for (what, difference) in d.0 {
        println!("{what}: {difference:e}");
    }
}
