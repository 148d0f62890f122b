//! `genome forward`: a checkpoint's outputs for given token ids, layer by layer.

use crate::model_args::ForwardArgs;
use crate::{Outcome, bases, ui};
use anyhow::{Result, anyhow, bail};
use burn::tensor::{Device, Int, Tensor, TensorData};
use genome_train::tuning::{AnyTuning, Tuning};
use model_zoo::checkpoint::{Checkpoint, SaveDtype, Tensors, save};
use model_zoo::heads::Head;
use model_zoo::{Base, Pass, Purpose, TokenBatch, Trace};
use peft_core::{AdapterFolder, Hooks, Plain};
use std::path::Path;

pub(crate) fn run(args: &ForwardArgs) -> Result<Outcome> {
    let device = args.compute.open()?.device;
    let classifier = args.head.as_ref().map(Checkpoint::open).transpose()?;
    let (base, has_lm, head) = open(&args.checkpoint, classifier.as_ref(), &device)?;
    let inputs = Checkpoint::open(&args.inputs)?;
    let batch = read_batch(&inputs, &base, &device)?;

    let Some(dir) = &args.adapter else { return write(args, &base, has_lm, head, &batch, &Plain) };
    let (tuning, own_head) = read_adapter(dir, &base, &device)?;
    tuning.with_hooks(&base, |hooks| write(args, &base, has_lm, own_head.or(head), &batch, hooks))
}

/// Runs the model and writes what every layer gives.
fn write(
    args: &ForwardArgs,
    base: &Base,
    has_lm: bool,
    head: Option<Head>,
    batch: &TokenBatch,
    hooks: &dyn Hooks,
) -> Result<Outcome> {
    let mut trace = if args.attentions { Trace::attentions() } else { Trace::new() };
    let last = base.forward(batch, &mut Pass::new().with_hooks(hooks).with_trace(&mut trace)); // [batch, seq, d_model]
    let mut out = Tensors::new();
    for (i, h) in trace.hidden_states.into_iter().enumerate() {
        put(&mut out, format!("hidden_states.{i}"), h);
    }
    for (i, p) in trace.attentions.into_iter().enumerate() {
        put(&mut out, format!("attentions.{i}"), p);
    }
    put(&mut out, "last_hidden_state".into(), last.clone());
    if has_lm {
        put(&mut out, "logits".into(), base.lm_logits(last.clone(), hooks));
    }
    if let Some(head) = head {
        let pooled = base.pool(&last, batch, hooks);
        put(&mut out, "cls_logits".into(), head.forward(last, batch, pooled));
    }
    save(&args.output, &out, SaveDtype::F32)?;
    eprintln!("wrote {} tensors to {}", ui::thousands(out.len()), args.output.display());
    Ok(Outcome::Found)
}

/// The model, whether it has its language-model head, and the classifier that was asked for.
fn open(name: &str, classifier: Option<&Checkpoint>, device: &Device) -> Result<(Base, bool, Option<Head>)> {
    if name == bases::BASE_TINY {
        let base = (*bases::open(name, Purpose::LanguageModel, device)?.base).clone();
        let head = classifier.map(|file| Head::from_checkpoint(file, &base, device)).transpose()?;
        return Ok((base, true, head));
    }
    let path = bases::path(name)?;
    let read = |purpose| match classifier {
        None => Base::from_pretrained(&path, purpose, device).map(|loaded| (loaded.base, None)),
        Some(file) => Base::with_classifier(&path, purpose, file, device).map(|(l, head)| (l.base, Some(head))),
    };
    match read(Purpose::LanguageModel) {
        Err(model_zoo::Error::MissingTensors { names, .. })
            if names.iter().all(|n| n.starts_with("cls.") || n.starts_with("lm_head.")) =>
        {
            eprintln!("note: {name} has no language-model head, so no logits are written");
            let (base, head) = read(Purpose::Encode)?;
            Ok((base, false, head))
        }
        read => {
            let (base, head) = read?;
            Ok((base, true, head))
        }
    }
}

/// The rows of ids that `file` holds, checked against the model.
fn read_batch(file: &Checkpoint, base: &Base, device: &Device) -> Result<TokenBatch> {
    let name = file.path().display().to_string();
    let shape = |tensor: &str| file.shape(tensor).map(<[usize]>::to_vec);
    let Some(ids_shape) = shape("input_ids") else { bail!("{name}: expected a tensor input_ids, found none") };
    let [rows, seq] = ids_shape[..] else { bail!("{name}: input_ids: expected [batch, seq], found {ids_shape:?}") };
    if rows * seq == 0 {
        bail!("{name}: input_ids: expected at least one token, found {ids_shape:?}");
    }
    let same = |tensor: &str| -> Result<Option<Vec<i64>>> {
        match shape(tensor) {
            None => Ok(None),
            Some(found) if found == ids_shape => Ok(Some(file.read_i64(tensor)?)),
            Some(found) => bail!("{name}: {tensor}: expected shape {ids_shape:?} as input_ids, found {found:?}"),
        }
    };
    let ids = file.read_i64("input_ids")?;
    let mask = same("attention_mask")?.unwrap_or_else(|| vec![1; ids.len()]);
    let vocab = base.vocab_size() as i64;
    if let Some(at) = ids.iter().position(|id| !(0..vocab).contains(id)) {
        let (row, column) = (at / seq, at % seq);
        bail!("{name}: input_ids[{row}, {column}]: expected an id from 0 to {}, found {}", vocab - 1, ids[at]);
    }
    let batch = TokenBatch::from_mask(&ids, &mask, seq, device).map_err(|reason| anyhow!("{name}: {reason}"))?;
    let (longest, most) = (batch.lengths.iter().max().copied().unwrap_or(0), base.max_tokens().unwrap_or(usize::MAX));
    if longest > most {
        bail!("{name}: expected at most {most} tokens a row (the model's positions), found {longest}");
    }
    match same("token_type_ids")? {
        None => Ok(batch),
        Some(types) => {
            if let Some(at) = types.iter().position(|t| !(0..2).contains(t)) {
                bail!("{name}: token_type_ids[{}, {}]: expected 0 or 1, found {}", at / seq, at % seq, types[at]);
            }
            let types = Tensor::<2, Int>::from_data(TensorData::new(types, [rows, seq]), device);
            Ok(batch.with_type_ids(types))
        }
    }
}

/// What a folder holds beside the base, and its classifier if it has one.
fn read_adapter(dir: &Path, base: &Base, device: &Device) -> Result<(AnyTuning, Option<Head>)> {
    let folder = AdapterFolder::read(dir)?;
    let (tuning, modules) = AnyTuning::read(folder, dir, base, device)?;
    if modules.is_empty() {
        return Ok((tuning, None));
    }
    let tensors = modules.iter().map(|(n, t)| (n.clone(), (t.shape().to_vec(), t.values().to_vec()))).collect();
    let file = Checkpoint::from_tensors(dir.join("adapter_model.safetensors"), &tensors)?;
    Ok((tuning, Some(Head::from_checkpoint(&file, base, device)?)))
}

fn put<const D: usize>(out: &mut Tensors, name: String, tensor: Tensor<D>) {
    let data = tensor.into_data().convert::<f32>();
    let shape = data.shape().to_vec();
    out.insert(name, (shape, data.try_into_vec().expect("just converted to f32")));
}
