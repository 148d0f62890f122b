//! Recorded runs of PEFT, LINGO's allocator and torch, taken again: the proof that ours is the same training.
//!
//! A case is a folder that holds an adapter as PEFT saved it before and after training (`init`, `final`), the batch and
//! the optimizer of the run, and what came out step by step (`trace.json`, `trace.safetensors`, `merged.safetensors`). Its
//! base, `models/<arch>`, lies beside or above the folder of cases. [`replay`] runs it and says how far apart the two are.

mod adamw;
mod case;
mod lingo;
mod method;
mod prompt;
mod trained;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use model_zoo::Base;
use model_zoo::checkpoint::export;
use peft_adalora::{AdaLoraConfig, AllocationReport, RankPattern};
use peft_core::{AdapterFolder, FolderConfig, HostTensor, Plain};
use peft_lora::{Ia3Config, LoraConfig};
use serde::Serialize;
use serde_json::Value;

use case::{Case, Logits, broken, open};
use method::Replayed;
use trained::{Named, Trained, gradients_of};

use crate::Result;

/// What a replay found. As JSON, one object.
#[derive(Clone, Debug, Serialize)]
pub struct Replay {
    /// The loss before each step.
    pub losses: Vec<f32>,
    /// What else is known of each step.
    pub per_step: Vec<Step>,
    /// The largest differences from the recorded run, by what was compared: `final` (the trained tensors, but for biases
    /// of key projections, whose true gradient is 0), `logits.init`, `logits.final`, `logits.reloaded`, `logits.merged`;
    /// `losses`, `grad_norms` (relative), `grad.step0`, `saved` (the tensors as PEFT saves them), `merged` (the base's
    /// tensors); `merged_logits`, of ours merged from ours unmerged, and `merged_logits.recorded`, of PEFT's from PEFT's; for AdaLoRA `orth_reg`, `task_loss`, `threshold`,
    /// `threshold_relative`, `lora_E`, `score` (relative); for prompts `prompt.init` or `prefix.key` and `prefix.value` (what
    /// the model reads as training starts), `prompt_embeddings` (the same after it), `logits.reloaded` (of the trained
    /// folder as PEFT wrote it) `logits.rounding` and `final.rounding`: how far those
    /// of ours move if the start does by a few units in its last place, so how far two right runs may be apart.
    pub max_diff: BTreeMap<String, f32>,
    /// What is not the same where it must be: a budget, a rank pattern, a name or a shape, a bit of what was saved and
    /// read again.
    pub unequal: Vec<String>,
}

/// One step of the run, as it came out here.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// Its number, from 0.
    pub step: usize,
    /// The loss without the orthogonality term.
    pub task_loss: f32,
    /// AdaLoRA's orthogonality term, before its weight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orth_reg: Option<f32>,
    /// AdaLoRA's budget of triplets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<usize>,
    /// True if ranks were allocated at this step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allocated: Option<bool>,
    /// The score up to which triplets were dropped, if they were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f32>,
    /// Which triplets are left, under PEFT's names; none before the first allocation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rank_pattern: Option<RankPattern>,
}

/// Runs the case in `dir` again, on the plain device.
///
/// # Errors
/// [`crate::Error::Replay`] for a case that does not have what its layout says, or is of a method that is not replayed; what
/// reading the base and the adapters says.
pub fn replay(dir: &Path) -> Result<Replay> {
    let folder = tempfile::tempdir().map_err(broken("a temporary folder"))?;
    replay_into(dir, folder.path())
}

/// [`replay`] that leaves the trained adapter in the folder `out`, as it is saved.
///
/// # Errors
/// As [`replay`], and what writing says.
pub fn replay_into(dir: &Path, out: &Path) -> Result<Replay> {
    let init = AdapterFolder::read(&dir.join("init"))?;
    match init.peft_type() {
        LoraConfig::PEFT_TYPE => run::<LoraConfig>(dir, out),
        Ia3Config::PEFT_TYPE => run::<Ia3Config>(dir, out),
        AdaLoraConfig::PEFT_TYPE => run::<AdaLoraConfig>(dir, out),
        other => prompt::run(other, dir, out)
            .unwrap_or_else(|| Err(broken(dir.join("init"))(format!("runs of {other:?} are not replayed")))),
    }
}

/// What is found on the way.
#[derive(Default)]
struct Found {
    max_diff: BTreeMap<String, f32>,
    unequal: Vec<String>,
}

impl Found {
    /// Notes the largest of |found - expected|.
    fn compare(&mut self, what: &str, at: &str, found: &[f32], expected: &[f32]) {
        self.measure(what, at, found, expected, |f, e| (f - e).abs());
    }

    /// The same, relative to what was expected.
    fn relate(&mut self, what: &str, at: &str, found: &[f32], expected: &[f32]) {
        self.measure(what, at, found, expected, |f, e| (f - e).abs() / e.abs().max(f32::MIN_POSITIVE));
    }

    fn measure(&mut self, what: &str, at: &str, found: &[f32], expected: &[f32], far: impl Fn(f32, f32) -> f32) {
        self.demand(found.len() == expected.len(), || {
            format!("{what} {at}: expected {} values, found {}", expected.len(), found.len())
        });
        let most = self.max_diff.entry(what.to_owned()).or_default();
        for (f, e) in found.iter().zip(expected) {
            let far = far(*f, *e);
            *most = most.max(if far.is_nan() { f32::INFINITY } else { far });
        }
    }

    fn demand(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.unequal.push(what());
        }
    }

    /// Tensors by name: the same names and shapes, and how far apart their values are.
    fn tensors(&mut self, what: &str, found: &Named, file: &Path) -> Result<()> {
        let file = open(file.to_owned())?;
        let names = file.names();
        self.demand(found.keys().eq(names.iter()), || {
            format!("{what}: expected {names:?}, found {:?}", found.keys().collect::<Vec<_>>())
        });
        for name in names {
            let (Some(found), Some(shape)) = (found.get(&name), file.shape(&name)) else { continue };
            self.demand(found.shape() == shape, || format!("{name}: expected {shape:?}, found {:?}", found.shape()));
            if !is_key_bias(&name) {
                self.compare(what, &name, found.values(), &file.read_f32(&name).map_err(broken(file.path()))?);
            }
        }
        Ok(())
    }
}

fn run<C: Replayed>(dir: &Path, out: &Path) -> Result<Replay> {
    let case = Case::read(dir)?;
    let batch = case.batch()?;
    let base = case.base()?;
    let frozen = bits(&base);
    let mut found = Found::default();
    for folder in ["init", "final"] {
        round_trip::<C>(&dir.join(folder), &base, &mut found)?;
    }
    let (config, mut model) = Trained::read::<C>(&dir.join("init"), &base, &Device::default().autodiff())?;
    let saved_modules = config.copies().modules;
    let logits = |name: &str, ours: &[f32], found: &mut Found| -> Result<()> {
        found.compare(name, "", &case.compared(ours)?, &case.compared(&case.tensor(name)?)?);
        Ok(())
    };
    logits("logits.init", &model.logits(&base, &batch)?.values(), &mut found)?;

    // The run.
    let mut stepper = config.recorded(case.optimizer()?, &model.adapters, &case)?;
    let lr = case.number("/optimizer/lr")?;
    let (recorded, norms) = (case.numbers("/losses")?, case.numbers("/grad_norms")?);
    let (mut losses, mut per_step) = (Vec::new(), Vec::new());
    for (step, (expected, norm)) in recorded.iter().zip(&norms).enumerate() {
        let (task, penalty, loss) = loss(&case, &config, &model, &model.logits(&base, &batch)?);
        let value = number(&loss);
        found.compare("losses", "", &[value], &[*expected]);
        losses.push(value);
        let gradients = loss.backward();
        let named = gradients_of(&model, &gradients).in_memory(&saved_modules);
        if step == 0 {
            first_gradients(&case, &named, &mut found)?;
        }
        let square: f64 = named.values().flat_map(HostTensor::values).map(|v| f64::from(*v).powi(2)).sum();
        found.relate("grad_norms", "", &[square.sqrt() as f32], &[*norm]);
        let gradients = GradientsParams::from_grads(gradients, &model);
        let report;
        (model, report) = stepper.step(lr, model, gradients)?;
        let mut record = Step { orth_reg: penalty.as_ref().map(number), ..Step::of_task(step, number(&task)) };
        if let Some((report, pattern)) = report {
            record.note(&report, pattern);
            allocation(&case, &record, &report, &model.in_memory(&saved_modules), &mut found)?;
        }
        per_step.push(record);
    }

    // What it made.
    let model = model.valid();
    let last = model.logits(&base, &batch)?;
    let value = number(&loss(&case, &config, &model, &last).2);
    found.compare("losses", "", &[value], &[case.number("/final_loss")? as f32]);
    let ours = last.values();
    logits("logits.final", &ours, &mut found)?;
    found.tensors("final", &model.in_memory(&saved_modules), &dir.join("final/trainable.safetensors"))?;
    found.demand(bits(&base) == frozen, || "the base has moved in training".into());

    // What is saved of it, and read again.
    let (config, adapters) = config.finished(&stepper, &model.adapters)?;
    let in_memory = model.adapters;
    let saved = Trained { adapters, head: model.head };
    saved.write(out, &config)?;
    let written = open(out.join("adapter_model.safetensors"))?;
    let tensor = |name: String| {
        let shape = written.shape(&name).unwrap_or_default().to_vec();
        let values = written.read_f32(&name).map_err(broken(written.path()))?;
        let tensor = HostTensor::new(shape, values).ok_or("its values do not fill its shape");
        Ok((name, tensor.map_err(broken(written.path()))?))
    };
    let written: Named = written.names().into_iter().map(tensor).collect::<Result<_>>()?;
    found.tensors("saved", &written, &dir.join("final/adapter_model.safetensors"))?;
    let (again, reloaded) = Trained::read::<C>(out, &base, &Device::default())?;
    let reloaded = reloaded.valid();
    found.demand(again == config, || "the settings differ, saved and loaded".into());
    found.demand(bits(&reloaded) == bits(&saved), || "the adapter differs, saved and loaded".into());
    let (before, after) = (saved.logits(&base, &batch)?.values(), reloaded.logits(&base, &batch)?.values());
    found.demand(before.iter().map(|v| v.to_bits()).eq(after.iter().map(|v| v.to_bits())), || {
        "logits differ, saved and loaded".into()
    });
    logits("logits.reloaded", &after, &mut found)?;

    // And merged, as PEFT does, from memory: with LINGO's order of a step, what is saved predicts something else.
    let merged = in_memory.merge_keeping(base)?;
    let alone = Logits::of(&merged.model, saved.head.as_ref(), &batch, &Plain).values();
    found.compare("merged_logits", "", &case.compared(&alone)?, &case.compared(&ours)?);
    let theirs = [case.tensor("logits.merged")?, case.tensor("logits.final")?];
    found.compare("merged_logits.recorded", "", &case.compared(&theirs[0])?, &case.compared(&theirs[1])?);
    logits("logits.merged", &alone, &mut found)?;
    let tensors = export(&merged.model).into_iter().chain(saved.head.iter().flat_map(export));
    let tensors: BTreeMap<_, _> = tensors.collect();
    let theirs = open(dir.join("merged.safetensors"))?;
    for name in theirs.names() {
        let Some((shape, values)) = tensors.get(&name) else {
            found.unequal.push(format!("merged: no {name}"));
            continue;
        };
        found.demand(theirs.shape(&name) == Some(shape), || format!("merged: {name} is {shape:?}"));
        if !is_key_bias(&name) {
            found.compare("merged", &name, values, &theirs.read_f32(&name).map_err(broken(theirs.path()))?);
        }
    }
    found.demand(bits(&merged.unmerge()) == frozen, || "unmerged is not what was merged".into());
    Ok(Replay { losses, per_step, max_diff: found.max_diff, unequal: found.unequal })
}

impl Step {
    /// A step of a method whose loss is the task's.
    fn of_task(step: usize, task_loss: f32) -> Self {
        Step { step, task_loss, orth_reg: None, budget: None, allocated: None, threshold: None, rank_pattern: None }
    }

    fn note(&mut self, report: &AllocationReport, pattern: Option<RankPattern>) {
        self.budget = Some(report.budget);
        self.allocated = Some(report.ranking.is_some());
        self.threshold = report.ranking.as_ref().and_then(|r| r.threshold());
        self.rank_pattern = pattern.map(|p| p.into_iter().map(|(path, kept)| (e_name(&path), kept)).collect());
    }
}

/// The task's loss, the method's own term without its weight, and the sum.
fn loss<C: Replayed>(
    case: &Case,
    config: &C,
    model: &Trained<C::Adapter>,
    logits: &Logits,
) -> (Tensor<1>, Option<Tensor<1>>, Tensor<1>) {
    let task = case.loss(logits);
    match config.weighted(&model.adapters) {
        Some((term, weight)) => (task.clone(), Some(term.clone()), task + term * weight),
        None => (task.clone(), None, task),
    }
}

/// The gradients before the first step, each beside its twin.
fn first_gradients(case: &Case, named: &Named, found: &mut Found) -> Result<()> {
    let recorded: Vec<String> = case.tensors.names().into_iter().filter(|n| n.starts_with("grad.step0.")).collect();
    found.demand(recorded.len() == named.len(), || {
        format!("grad.step0: expected {} tensors, found {}", recorded.len(), named.len())
    });
    for name in recorded {
        let Some(ours) = named.get(&name["grad.step0.".len()..]) else {
            found.unequal.push(format!("no gradient {name}"));
            continue;
        };
        let shape = case.tensors.shape(&name);
        found.demand(shape == Some(ours.shape()), || format!("{name}: expected {shape:?}, found {:?}", ours.shape()));
        found.compare("grad.step0", &name, ours.values(), &case.tensor(&name)?);
    }
    Ok(())
}

/// One step of AdaLoRA's allocator beside what PEFT recorded of it.
fn allocation(case: &Case, ours: &Step, report: &AllocationReport, values: &Named, found: &mut Found) -> Result<()> {
    let step = ours.step;
    let at = |field: &str| format!("/per_step/{step}/{field}");
    let mut same = |field: &str, ours: Value| {
        let recorded = case.value(&at(field)).cloned().unwrap_or(Value::Null);
        found.demand(recorded == ours, || format!("{field} of step {step}: expected {recorded}, found {ours}"));
    };
    same("budget", report.budget.into());
    same("allocated", report.ranking.is_some().into());
    same("rank_pattern", serde_json::to_value(&ours.rank_pattern).unwrap_or_default());
    if case.value(&at("active_ranks")).is_some() {
        same("active_ranks", report.kept.into());
    }
    found.compare("task_loss", "", &[ours.task_loss], &[case.number(&at("task_loss"))? as f32]);
    found.compare("orth_reg", "", &[ours.orth_reg.unwrap_or(f32::NAN)], &[case.number(&at("orth_reg"))? as f32]);
    for (name, tensor) in values.iter().filter(|(name, _)| name.ends_with(".lora_E.default")) {
        let recorded = case.tensor(&format!("step{step}.E.{}", name.trim_start_matches("base_model.model.")))?;
        found.compare("lora_E", name, tensor.values(), &recorded);
    }
    let Some(ranking) = &report.ranking else { return Ok(()) };
    let thresholds = ([ours.threshold.unwrap_or(f32::NAN)], [case.number(&at("threshold"))? as f32]);
    found.compare("threshold", "", &thresholds.0, &thresholds.1);
    found.relate("threshold_relative", "", &thresholds.0, &thresholds.1); // they are as small as 1e-9
    for site in &ranking.sites {
        let name = format!("step{step}.score.{}", e_name(&site.path));
        found.relate("score", &name, &site.scores, &case.tensor(&name)?);
    }
    Ok(())
}

/// What PEFT calls the singular values of a layer.
fn e_name(path: &str) -> String {
    format!("{path}.lora_E.default")
}

/// Reads a folder that PEFT wrote and writes it again: the same tensors, byte for byte, and no field of the settings that
/// PEFT has another value for.
fn round_trip<C: Replayed>(dir: &Path, base: &Base, found: &mut Found) -> Result<()> {
    let (config, model) = Trained::read::<C>(dir, base, &Device::default())?;
    let again = tempfile::tempdir().map_err(broken("a temporary folder"))?;
    model.write(again.path(), &config)?;
    same_folder(again.path(), dir, found)
}

/// Demands of the folder `ours` the same tensors as those of `theirs`, byte for byte, and no field of the settings that
/// PEFT has another value for.
fn same_folder(ours: &Path, dir: &Path, found: &mut Found) -> Result<()> {
    let bytes = |dir: &Path, name: &str| std::fs::read(dir.join(name)).map_err(broken(dir.join(name)));
    let tensors = "adapter_model.safetensors";
    found.demand(bytes(ours, tensors)? == bytes(dir, tensors)?, || {
        format!("{}: other bytes, read and written", dir.join(tensors).display())
    });
    let json = |dir: &Path| -> Result<Value> {
        let name = "adapter_config.json";
        serde_json::from_slice(&bytes(dir, name)?).map_err(broken(dir.join(name)))
    };
    let (ours, theirs) = (json(ours)?, json(dir)?);
    for (field, value) in ours.as_object().into_iter().flatten() {
        let number = value.as_f64().is_some_and(|v| theirs[field].as_f64() == Some(v));
        found.demand(field == "base_model_name_or_path" || number || *value == theirs[field], || {
            format!("{}: {field}: expected {}, found {value}", dir.display(), theirs[field])
        });
    }
    Ok(())
}

fn number(tensor: &Tensor<1>) -> f32 {
    tensor.to_data().iter::<f32>().sum() // of one element
}

/// A digest of a module's names and values, bit by bit.
fn bits<M: Module>(module: &M) -> u64 {
    let mut digest = DefaultHasher::new();
    for (name, (shape, values)) in export(module) {
        (name, shape).hash(&mut digest);
        values.iter().for_each(|v| v.to_bits().hash(&mut digest));
    }
    digest.finish()
}

/// The true gradient of a key projection's bias is 0, and Adam makes steps of rounding noise; no output depends on it.
fn is_key_bias(name: &str) -> bool {
    [".k_proj.bias", ".k_proj.base_layer.bias", ".key.bias", ".key.base_layer.bias"]
        .iter()
        .any(|end| name.ends_with(end))
}
