//! Recorded runs of prefix tuning, prompt tuning and P-tuning, taken again.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::{Module, ModuleMapper, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use model_zoo::checkpoint::{Checkpoint, Tensors};
use model_zoo::heads::Head;
use model_zoo::{Base, TokenBatch};
use peft_core::folder::{PROMPT, prompt_tensors};
use peft_core::{AdapterFolder, Hooks, HostTensor};
use peft_lingo::{
    LoadedPrompt, PTuningConfig, Prefix, PrefixTuningConfig, Prompt, PromptEncoder, PromptMethod, PromptTuningConfig,
    SoftPrompt, Source, Vocabulary, load, save,
};

use super::case::{Case, Logits, broken, open};
use super::trained::{Named, gradients_of, host};
use super::{Found, Replay, Step, bits, first_gradients, number, same_folder};
use crate::Result;
use crate::prompts::model_shape;

/// Virtual tokens, and the head of PEFT's `modules_to_save`.
#[derive(Module, Debug)]
struct Trained<P: Prompt> {
    prompt: P,
    head: Option<Head>,
}

/// A prompt whose recorded start says more than logits.
pub(super) trait Recorded: Prompt {
    /// What the case has of the prompt as training starts: a name beside what is ours.
    fn recorded(&self) -> Vec<(String, &'static str, Vec<f32>)>;
}

impl Recorded for Prefix {
    fn recorded(&self) -> Vec<(String, &'static str, Vec<f32>)> {
        let named = |(i, block): (usize, &[Tensor<4>; 2])| {
            let kinds = ["key", "value"].into_iter().zip(["prefix.key", "prefix.value"]);
            let values = block.iter().map(|t| t.to_data().iter::<f32>().collect());
            kinds.zip(values).map(|((kind, what), v)| (format!("prefix.{i}.{kind}"), what, v)).collect::<Vec<_>>()
        };
        self.bind().blocks().iter().enumerate().flat_map(named).collect()
    }
}

impl Recorded for SoftPrompt {
    fn recorded(&self) -> Vec<(String, &'static str, Vec<f32>)> {
        whole(self)
    }
}

impl Recorded for PromptEncoder {
    fn recorded(&self) -> Vec<(String, &'static str, Vec<f32>)> {
        whole(self)
    }
}

fn whole(prompt: &impl Prompt) -> Vec<(String, &'static str, Vec<f32>)> {
    vec![("prompt.init".into(), "prompt.init", prompt.prompt_embeddings().to_data().iter::<f32>().collect())]
}

/// Runs a case of one of the three methods again; `None` if `peft_type` is none of them.
pub(super) fn run(peft_type: &str, dir: &Path, out: &Path) -> Option<Result<Replay>> {
    use peft_core::FolderConfig as Config;
    match peft_type {
        PrefixTuningConfig::PEFT_TYPE => Some(run_as::<PrefixTuningConfig>(dir, out)),
        PromptTuningConfig::PEFT_TYPE => Some(run_as::<PromptTuningConfig>(dir, out)),
        PTuningConfig::PEFT_TYPE => Some(run_as::<PTuningConfig>(dir, out)),
        _ => None,
    }
}

fn run_as<C: PromptMethod<Prompt: Recorded>>(dir: &Path, out: &Path) -> Result<Replay> {
    let mut case = Case::read(dir)?;
    let batch = case.batch()?;
    let base = case.base()?;
    let frozen = bits(&base);
    let mut found = Found::default();
    for folder in ["init", "final"] {
        round_trip::<C>(&dir.join(folder), &base, &mut found)?;
    }
    let (config, folder) = read::<C>(&dir.join("init"), &base, &Device::default())?;
    case.virtual_tokens = folder.prompt.virtual_tokens();
    let mut model = start(&config, &dir.join("init/trainable.safetensors"), &base)?;
    let logits = |name: &str, ours: &[f32], found: &mut Found| -> Result<()> {
        found.compare(name, "", &case.compared(ours)?, &case.compared(&case.tensor(name)?)?);
        Ok(())
    };
    let beginning = model.clone();
    for (name, what, ours) in model.prompt.recorded() {
        found.compare(what, &name, &ours, &case.tensor(&name)?);
    }
    logits("logits.init", &model.logits(&base, &batch).values(), &mut found)?;
    let folded = folder.logits(&base, &batch).values(); // from the folder alone
    logits("logits.init", &folded, &mut found)?;
    let theirs = read::<C>(&dir.join("final"), &base, &Device::default())?.1;
    logits("logits.reloaded", &theirs.logits(&base, &batch).values(), &mut found)?;

    // The run.
    let (mut optimizer, lr) = (case.torch_optimizer()?, case.number("/optimizer/lr")?);
    let (recorded, norms) = (case.numbers("/losses")?, case.numbers("/grad_norms")?);
    let (mut losses, mut per_step) = (Vec::new(), Vec::new());
    for (step, (expected, norm)) in recorded.iter().zip(&norms).enumerate() {
        let loss = case.loss(&model.logits(&base, &batch));
        let value = number(&loss);
        found.compare("losses", "", &[value], &[*expected]);
        losses.push(value);
        let gradients = loss.backward();
        let named = gradients_of(&model, &gradients).in_memory();
        if step == 0 {
            first_gradients(&case, &named, &mut found)?;
        }
        let square: f64 = named.values().flat_map(HostTensor::values).map(|v| f64::from(*v).powi(2)).sum();
        found.relate("grad_norms", "", &[square.sqrt() as f32], &[*norm]);
        let gradients = GradientsParams::from_grads(gradients, &model);
        model = optimizer.step(lr, model, gradients);
        per_step.push(Step::of_task(step, value));
    }

    // What it made.
    let model = model.valid();
    let last = model.logits(&base, &batch);
    found.compare("losses", "", &[number(&case.loss(&last))], &[case.number("/final_loss")? as f32]);
    logits("logits.final", &last.values(), &mut found)?;
    let (mut of_logits, mut of_values) = (0.0_f32, 0.0_f32);
    let far = |a: &[f32], b: &[f32], most| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(most, f32::max);
    for ulps in [-3.0, -2.0, -1.0, 1.0, 2.0, 3.0] {
        let other = nudged(&case, &beginning, &base, &batch, ulps * f64::from(f32::EPSILON))?;
        let theirs = case.compared(&other.logits(&base, &batch).values())?;
        of_logits = far(&case.compared(&last.values())?, &theirs, of_logits);
        for (ours, theirs) in model.in_memory().values().zip(other.in_memory().values()) {
            of_values = far(ours.values(), theirs.values(), of_values);
        }
    }
    found.max_diff.extend([("logits.rounding".into(), of_logits), ("final.rounding".into(), of_values)]);
    found.tensors("final", &model.in_memory(), &dir.join("final/trainable.safetensors"))?;
    found.demand(bits(&base) == frozen, || "the base has moved in training".into());

    // What is saved of it, and read again.
    model.write(&config, out)?;
    let ours = HostTensor::from_tensor(&model.prompt.prompt_embeddings());
    let file = dir.join("final/adapter_model.safetensors");
    let theirs = open(file.clone())?.read_f32(PROMPT).map_err(broken(&file))?;
    found.compare(PROMPT, "", ours.values(), &theirs);
    found.tensors("saved", &prompt_tensors(&ours, &model.modules()), &file)?;
    let (again, reloaded) = read::<C>(out, &base, &Device::default())?;
    found.demand(again == config, || "the settings differ, saved and loaded".into());
    let kept = HostTensor::from_tensor(&reloaded.prompt.prompt_embeddings());
    found.demand(kept == ours && reloaded.modules() == model.modules(), || {
        "the prompt differs, saved and loaded".into()
    });
    let after = reloaded.logits(&base, &batch).values();
    found.demand(last.values().iter().map(|v| v.to_bits()).eq(after.iter().map(|v| v.to_bits())), || {
        "logits differ, saved and loaded".into()
    });
    Ok(Replay { losses, per_step, max_diff: found.max_diff, unequal: found.unequal })
}

/// What the same training makes of a start that is off by `relative`: what rounding alone can do.
fn nudged<P: Prompt>(
    case: &Case,
    beginning: &Trained<P>,
    base: &Base,
    batch: &TokenBatch,
    relative: f64,
) -> Result<Trained<P>> {
    struct Nudge(f64);
    impl ModuleMapper for Nudge {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|value| value.mul_scalar(1.0 + self.0).detach().set_require_grad(true))
        }
    }
    let mut model =
        Trained { prompt: beginning.prompt.clone().map(&mut Nudge(relative)), head: beginning.head.clone() };
    let (mut optimizer, lr) = (case.torch_optimizer()?, case.number("/optimizer/lr")?);
    for _ in case.numbers("/losses")? {
        let gradients = GradientsParams::from_grads(case.loss(&model.logits(base, batch)).backward(), &model);
        model = optimizer.step(lr, model, gradients);
    }
    Ok(model.valid())
}

/// The prompt of an adapter folder, PEFT's or ours, and its head.
fn read<C: PromptMethod>(dir: &Path, base: &Base, device: &Device) -> Result<(C, Trained<C::Prompt>)> {
    let LoadedPrompt { config, prompt, modules } =
        load::<C>(AdapterFolder::read(dir)?, &model_shape(&base.config()), device).map_err(broken(dir))?;
    Ok((config, Trained { prompt, head: head(&modules, dir, base, device)? }))
}

/// Reads a folder that PEFT wrote and writes it again: the same tensors, byte for byte, and the same settings.
fn round_trip<C: PromptMethod>(dir: &Path, base: &Base, found: &mut Found) -> Result<()> {
    let (config, model) = read::<C>(dir, base, &Device::default())?;
    let again = tempfile::tempdir().map_err(broken("a temporary folder"))?;
    model.write(&config, again.path())?;
    same_folder(again.path(), dir, found)
}

/// The trained tensors of `file`, under the names that they have in a PEFT model, as training starts.
fn start<C: PromptMethod>(config: &C, file: &Path, base: &Base) -> Result<Trained<C::Prompt>> {
    let device = Device::default().autodiff();
    let tensors = open(file.to_owned())?;
    let (mut of_prompt, mut of_head) = (BTreeMap::new(), BTreeMap::new());
    for name in tensors.names() {
        let shape = tensors.shape(&name).unwrap_or_default().to_vec();
        let values = tensors.read_f32(&name).map_err(broken(file))?;
        let tensor = HostTensor::new(shape, values).ok_or("its values do not fill its shape").map_err(broken(file))?;
        if let Some(name) = name.strip_prefix(ENCODER) {
            of_prompt.insert(name.to_owned(), tensor);
        } else {
            let path = name.trim_start_matches("base_model.").replace(".modules_to_save.default.", ".");
            of_head.insert(path, tensor);
        }
    }
    let mut source = Source { file, tensors: of_prompt };
    let prompt = config.init(Vocabulary::default(), 0, &device).map_err(broken(file))?;
    let prompt = prompt.with_parameters(&mut source)?;
    if let Some(name) = source.tensors.into_keys().next() {
        return Err(broken(file)(format!("{name}: the prompt has no such parameter")));
    }
    Ok(Trained { prompt, head: head(&of_head, file, base, &device)? })
}

/// What PEFT puts before a parameter of a prompt in memory.
const ENCODER: &str = "prompt_encoder.default.";

fn head(modules: &BTreeMap<String, HostTensor>, dir: &Path, base: &Base, device: &Device) -> Result<Option<Head>> {
    if modules.is_empty() {
        return Ok(None);
    }
    let tensors: Tensors =
        modules.iter().map(|(n, t)| (n.clone(), (t.shape().to_vec(), t.values().to_vec()))).collect();
    let file = Checkpoint::from_tensors("modules_to_save", &tensors).map_err(broken(dir))?;
    Ok(Some(Head::from_checkpoint(&file, base, device)?.set_require_grad(true)))
}

impl<P: Prompt> Trained<P> {
    /// As PEFT has it: behind virtual tokens a head reads the first or the last position, whatever stands there.
    fn logits(&self, base: &Base, batch: &TokenBatch) -> Logits {
        let h = base.encode(batch, &self.prompt); // [batch, virtual tokens + seq, d_model]
        let Some(head) = &self.head else { return Logits::Tokens(base.lm_logits(h, &self.prompt)) };
        let read = match self.prompt.virtual_tokens() {
            0 => batch.clone(),
            n => batch.every_position(n),
        };
        let pooled = base.pool(&h, &read, &self.prompt);
        Logits::Labels(head.forward(h, &read, pooled))
    }

    fn modules(&self) -> Named {
        self.head.as_ref().map(host).unwrap_or_default()
    }

    fn write<C: PromptMethod<Prompt = P>>(&self, config: &C, dir: &Path) -> Result<()> {
        save(dir, config, &self.prompt, &self.modules(), None, None).map_err(broken(dir))
    }

    /// Every trained tensor under the name that PEFT has for it in memory.
    fn in_memory(&self) -> Named {
        let of_prompt = self.prompt.parameters().into_iter().map(|(name, t)| (format!("{ENCODER}{name}"), t));
        let of_head = self.modules().into_iter().map(|(name, t)| {
            let (module, field) = name.split_once('.').unwrap_or((&name, ""));
            (format!("base_model.{module}.modules_to_save.default.{field}"), t)
        });
        of_prompt.chain(of_head).collect()
    }
}
