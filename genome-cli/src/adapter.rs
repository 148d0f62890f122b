//! `genome adapter`: what adapter folders hold, and what can be made of them.

use crate::adapter_args::{AdapterCommand, CombineArgs, ConvertAdapterArgs, MergeArgs, OnBaseArgs, ShowAdapterArgs};
use crate::output::{check_out, write_json};
use crate::{Outcome, bases, ui};
use anyhow::{Context, Result, bail};
use burn::module::Module;
use burn::tensor::Device;
use genome_train::tuning::{HEADS, LayerMethod};
use model_zoo::checkpoint::{Checkpoint, SaveDtype, export, save};
use model_zoo::packed::Bits;
use model_zoo::quantised::{QuantiseConfig, Quantised};
use model_zoo::{Base, Purpose};
use peft_adalora::AdaLoraConfig;
use peft_core::{
    AdapterFolder, Adapters, Contents, FolderAdapter, FolderConfig, HostTensor, Loaded, MergeReport, write_folder,
};
use peft_lora::{Combine, Ia3Config, LoraConfig, LoraLinear};
use std::collections::BTreeMap;
use std::path::Path;

pub(crate) fn run(command: &AdapterCommand) -> Result<Outcome> {
    match command {
        AdapterCommand::Show(args) => show(args),
        AdapterCommand::Merge(args) => merge(args),
        AdapterCommand::UnmergeCheck(args) => unmerge_check(args),
        AdapterCommand::Combine(args) => combine(args),
        AdapterCommand::Convert(args) => convert(args),
    }
}

/// Calls a generic function with the settings' type that a folder's method needs.
macro_rules! by_method {
    ($folder:expr, $dir:expr, $call:ident($($args:expr),*)) => {
        match $folder.peft_type() {
            "LORA" => $call::<LoraConfig>($($args),*),
            "IA3" => $call::<Ia3Config>($($args),*),
            "ADALORA" => $call::<AdaLoraConfig>($($args),*),
            other => bail!("{}: expected an adapter of the method LORA, IA3 or ADALORA, found {other:?}", $dir.display()),
        }
    };
}

/// The base that a folder belongs to, checked by its hash where the folder has one; with `bits`, what is left of it in them.
fn base_of(
    folder: &AdapterFolder,
    named: Option<&str>,
    task: Option<&str>,
    dir: &Path,
    bits: Option<Bits>,
) -> Result<Base> {
    let Some(name) = named.or(folder.base_model()) else {
        bail!("{}: the adapter does not name its base; name it with --base", dir.display());
    };
    let purpose = if task == Some("CAUSAL_LM") { Purpose::LanguageModel } else { Purpose::Encode };
    let device = Device::flex();
    let (base, sha256) = if name == bases::BASE_TINY {
        let found = bases::open(name, purpose, &device)?;
        ((*found.base).clone(), found.sha256)
    } else {
        let loaded = Base::from_pretrained(&bases::path(name)?, purpose, &device)?;
        (loaded.base, loaded.sha256)
    };
    folder.check_base(&sha256)?;
    Ok(match bits {
        Some(bits) => Quantised::pack(base, QuantiseConfig::new(bits)).0.dequantised(),
        None => base,
    })
}

fn load<C: LayerMethod>(folder: AdapterFolder, config: &C, base: &Base) -> Result<Loaded<C::Adapter>> {
    let fresh = folder.attach(base, &config.layers(&HEADS), config, &Device::flex())?;
    let loaded = folder.load(fresh)?;
    loaded.check_base_layers(base)?;
    Ok(loaded)
}

fn show(args: &ShowAdapterArgs) -> Result<Outcome> {
    let folder = AdapterFolder::read(&args.adapter)?;
    let config: serde_json::Value =
        serde_json::from_slice(&std::fs::read(args.adapter.join("adapter_config.json"))?).context("just read")?;
    let tensors: Vec<(&str, &[usize])> = folder.tensors().collect();
    let values: usize = tensors.iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
    let genome = folder.genome();
    if args.json {
        let list: Vec<_> = tensors.iter().map(|(n, s)| serde_json::json!({"name": n, "shape": s})).collect();
        let json = serde_json::json!({
            "peft_type": folder.peft_type(), "base": folder.base_model(), "parameters": values, "tensors": list,
            "base_sha256": genome.and_then(|g| g.base.as_ref()).map(|b| &b.sha256), "config": config,
        });
        println!("{json}");
        return Ok(Outcome::Found);
    }
    println!("method      {}", folder.peft_type());
    println!("base        {}", folder.base_model().unwrap_or("not named"));
    if let Some(base) = genome.and_then(|g| g.base.as_ref()) {
        println!("base sha256 {}", base.sha256);
    }
    for (name, value) in config.as_object().into_iter().flatten() {
        let empty = value.is_null() || value == &serde_json::json!([]) || value == &serde_json::json!({});
        if !empty && !["peft_type", "base_model_name_or_path"].contains(&name.as_str()) {
            println!("{name:11} {value}");
        }
    }
    let labels = genome.and_then(|g| g.extra.get("labels")).filter(|l| l.is_array());
    if let Some(labels) = labels {
        println!("labels      {labels}");
    }
    println!("parameters  {} in {} tensors", ui::thousands(values), tensors.len());
    for (name, shape) in tensors {
        println!("  {name} {shape:?}");
    }
    Ok(Outcome::Found)
}

fn merge(args: &MergeArgs) -> Result<Outcome> {
    check_out(&args.out, args.force)?;
    let folder = AdapterFolder::read(&args.on.adapter)?;
    by_method!(folder, args.on.adapter, merge_as(folder, args))
}

fn merge_as<C: LayerMethod>(folder: AdapterFolder, args: &MergeArgs) -> Result<Outcome> {
    let config: C = folder.config()?;
    let bits = args.base_bits.base_bits.map(Into::into);
    let base = base_of(&folder, args.on.base.as_deref(), config.task_type(), &args.on.adapter, bits)?;
    let loaded = load(folder, &config, &base)?;
    let (merged, report) = loaded.adapters.merge(base)?;
    if let Some(bits) = args.bits {
        return write_packed(merged, &loaded.modules, &report, bits.into(), args);
    }
    let mut tensors = export(&merged);
    // Heads go with the model, as transformers stores a classifier.
    tensors.extend(loaded.modules.iter().map(|(n, t)| (n.clone(), (t.shape().to_vec(), t.values().to_vec()))));
    std::fs::create_dir_all(&args.out).with_context(|| args.out.display().to_string())?;
    save(&args.out.join("model.safetensors"), &tensors, SaveDtype::F32)?;
    write_json(&args.out.join("config.json"), &merged.config().to_json())?;
    tell(&report);
    println!("model  {}", args.out.display());
    Ok(Outcome::Found)
}

/// The merged model with its layers in few bits. A head that was trained along does not fit into such a folder.
fn write_packed(
    merged: Base,
    modules: &BTreeMap<String, HostTensor>,
    report: &MergeReport,
    bits: Bits,
    args: &MergeArgs,
) -> Result<Outcome> {
    let tensors = export(&merged);
    let sha256 = Checkpoint::from_tensors(&args.out, &tensors)?.sha256()?;
    drop(tensors);
    let (base, packed) = Quantised::pack(merged, QuantiseConfig::new(bits));
    std::fs::create_dir_all(&args.out).with_context(|| args.out.display().to_string())?;
    packed.save(&base, &sha256, &args.out)?;
    if !modules.is_empty() {
        let head = modules.iter().map(|(n, t)| (n.clone(), (t.shape().to_vec(), t.values().to_vec()))).collect();
        let file = args.out.join("seqcls_head.safetensors");
        save(&file, &head, SaveDtype::F32)?;
        println!("head   {}", file.display());
    }
    tell(report);
    println!("model  {}, {} layers in {}", args.out.display(), packed.layers(), ui::thousands(packed.bytes()));
    Ok(Outcome::Found)
}

fn tell(report: &MergeReport) {
    println!("{} weights changed by at most {:.3e}", report.sites.len(), report.largest_change());
    println!(
        "rounding lost at most {:.3e} of a weight, {:.3e} of an output",
        report.largest_drift(),
        report.largest_output_drift()
    );
}

fn unmerge_check(args: &OnBaseArgs) -> Result<Outcome> {
    let folder = AdapterFolder::read(&args.adapter)?;
    by_method!(folder, args.adapter, unmerge_check_as(folder, args))
}

fn unmerge_check_as<C: LayerMethod>(folder: AdapterFolder, args: &OnBaseArgs) -> Result<Outcome> {
    let config: C = folder.config()?;
    let base = base_of(&folder, args.base.as_deref(), config.task_type(), &args.adapter, None)?;
    let before = export(&base);
    let loaded = load(folder, &config, &base)?;
    let merged = loaded.adapters.merge_keeping(base)?;
    tell(&merged.report);
    let after = export(&merged.unmerge());
    let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    let changed: Vec<&String> = before
        .iter()
        .filter(|(name, (_, values))| bits(values) != bits(&after[*name].1))
        .map(|(name, _)| name)
        .collect();
    if let Some(first) = changed.first() {
        bail!(
            "{}: after merging and taking it back {} tensors of the base differ, {first} first",
            args.adapter.display(),
            changed.len()
        );
    }
    println!("taken back: all {} tensors of the base are bit by bit as before", before.len());
    Ok(Outcome::Found)
}

fn combine(args: &CombineArgs) -> Result<Outcome> {
    check_out(&args.out, false)?;
    let how = Combine::named(&args.how, args.density, args.seed)?;
    let mut parts: Vec<(LoraConfig, Adapters<LoraLinear>, f64)> = Vec::new();
    let mut base: Option<(String, Base, Option<peft_core::GenomeAdapter>)> = None;
    for part in &args.adapters {
        let (dir, weight) = match part.rsplit_once(':') {
            Some((dir, weight)) if !Path::new(part).exists() => {
                let weight = weight
                    .parse::<f64>()
                    .with_context(|| format!("{part}: expected a number behind the colon, found {weight:?}"))?;
                (Path::new(dir), weight)
            }
            _ => (Path::new(part.as_str()), 1.0),
        };
        let folder = AdapterFolder::read(dir)?;
        let config: LoraConfig = folder.config()?;
        let (_, base, _) = match &mut base {
            Some(base) => base,
            none => {
                let name = args.base.clone().or_else(|| folder.base_model().map(str::to_owned)).unwrap_or_default();
                let found = base_of(&folder, args.base.as_deref(), config.task_type.as_deref(), dir, None)?;
                none.insert((name, found, folder.genome().cloned()))
            }
        };
        let loaded = load(folder, &config, base)?;
        if !loaded.modules.is_empty() {
            eprintln!(
                "note: {}: its head ({}) is not combined",
                dir.display(),
                loaded.modules.keys().cloned().collect::<Vec<_>>().join(", ")
            );
        }
        let config = LoraConfig { modules_to_save: Vec::new(), ..config };
        let (config, adapters) = config.converted(loaded.adapters)?;
        parts.push((config, adapters, weight));
    }
    let Some((name, _, genome)) = base else { bail!("expected two adapters") };
    let borrowed: Vec<_> = parts.iter().map(|(config, adapters, weight)| (config, adapters, *weight)).collect();
    let (config, adapters) = how.combine(&borrowed, &Device::flex())?;
    let genome = genome.map(|g| peft_core::GenomeAdapter::new(g.base, serde_json::Value::Null));
    write(&args.out, &config, &adapters, &BTreeMap::new(), Some(&name), genome.as_ref())?;
    println!("{} layers, {} parameters", adapters.len(), ui::thousands(adapters.num_params()));
    println!("adapter  {}", args.out.display());
    Ok(Outcome::Found)
}

fn convert(args: &ConvertAdapterArgs) -> Result<Outcome> {
    check_out(&args.out, false)?;
    let folder = AdapterFolder::read(&args.on.adapter)?;
    if folder.peft_type() == "LORA" {
        let config: LoraConfig = folder.config()?;
        let base = base_of(&folder, args.on.base.as_deref(), config.task_type.as_deref(), &args.on.adapter, None)?;
        let (name, genome) = (folder.base_model().map(str::to_owned), folder.genome().cloned());
        let loaded = load(folder, &config, &base)?;
        let (config, adapters) = config.converted(loaded.adapters)?;
        write(&args.out, &config, &adapters, &loaded.modules, name.as_deref(), genome.as_ref())?;
        println!("adapter  {}", args.out.display());
        return Ok(Outcome::Found);
    }
    by_method!(folder, args.on.adapter, rewrite(folder, args))
}

fn rewrite<C: LayerMethod>(folder: AdapterFolder, args: &ConvertAdapterArgs) -> Result<Outcome> {
    let config: C = folder.config()?;
    let base = base_of(&folder, args.on.base.as_deref(), config.task_type(), &args.on.adapter, None)?;
    let (name, genome) = (folder.base_model().map(str::to_owned), folder.genome().cloned());
    let loaded = load(folder, &config, &base)?;
    write(&args.out, &config, &loaded.adapters, &loaded.modules, name.as_deref(), genome.as_ref())?;
    println!("adapter  {}", args.out.display());
    Ok(Outcome::Found)
}

fn write<A: FolderAdapter, C: FolderConfig>(
    out: &Path,
    config: &C,
    adapters: &Adapters<A>,
    modules: &BTreeMap<String, HostTensor>,
    base_model: Option<&str>,
    genome: Option<&peft_core::GenomeAdapter>,
) -> Result<()> {
    Ok(write_folder(out, &Contents { config, adapters, base_model, modules, genome })?)
}
