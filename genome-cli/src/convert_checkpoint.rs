//! `genome convert-checkpoint`: between safetensors folders, PyTorch's pickles, GGUF and llama2.c.

use crate::model_args::{ConvertCheckpointArgs, WeightType};
use crate::output::{check_out, write_file, write_json};
use crate::{Outcome, system, ui};
use anyhow::{Context, Result, bail};
use burn::module::Module;
use burn::tensor::Device;
use model_zoo::base::Loaded;
use model_zoo::checkpoint::{SaveDtype, Tensors, export, save, save_sharded};
use model_zoo::packed::Bits;
use model_zoo::quantised::{QuantiseConfig, Quantised};
use model_zoo::{Base, BaseConfig, Purpose};
use std::path::{Path, PathBuf};
use tensor_files::gguf::{GgufFile, GgufKind, GgufTokenizer, LlamaExport};

/// Files of a tokenizer that stand beside a checkpoint.
const TOKENIZER_FILES: [&str; 8] = [
    "genome_tokenizer.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "vocab.txt",
];

pub(crate) fn run(args: &ConvertCheckpointArgs) -> Result<Outcome> {
    let to_gguf = args.out.extension().is_some_and(|e| e.eq_ignore_ascii_case("gguf"));
    match (to_gguf, args.dtype) {
        (true, WeightType::Bf16) => bail!("--dtype bf16: GGUF is written as f32, f16, q8_0 or q4_0"),
        (false, WeightType::Q8_0 | WeightType::Q4_0) => {
            bail!("--dtype q8_0 and q4_0 are GGUF's: name a file that ends in .gguf")
        }
        _ => {}
    }
    if to_gguf && args.bits.is_some() {
        bail!("--bits: a GGUF file is written with --dtype q8_0 or q4_0");
    }
    if to_gguf && args.out.exists() && !args.force {
        bail!("{}: the file exists; --force replaces it", args.out.display());
    }
    if !to_gguf {
        check_out(&args.out, args.force)?;
    }
    if let Some(bits) = args.bits {
        return write_packed(args, bits.into());
    }
    let base = open(&args.from)?.base;
    let tensors = export(&base);
    let count = tensors.len();
    if to_gguf {
        write_gguf(args, &base, tensors)?;
    } else {
        write_folder(args, &base, &tensors)?;
    }
    let parameters: usize = base.num_params();
    let family = base.config().family();
    eprintln!("wrote {family}, {} parameters in {count} tensors, to {}", ui::thousands(parameters), args.out.display());
    Ok(Outcome::Found)
}

/// The model with its language-model head, or without where the checkpoint has none.
fn open(from: &Path) -> Result<Loaded> {
    let device = Device::flex();
    match Base::from_pretrained(from, Purpose::LanguageModel, &device) {
        Err(model_zoo::Error::MissingTensors { names, .. })
            if names.iter().all(|n| n.starts_with("cls.") || n.starts_with("lm_head.")) =>
        {
            Ok(Base::from_pretrained(from, Purpose::Encode, &device)?)
        }
        loaded => Ok(loaded?),
    }
}

/// The model with its linear layers in few bits.
fn write_packed(args: &ConvertCheckpointArgs, bits: Bits) -> Result<Outcome> {
    let out = &args.out;
    let loaded = open(&args.from)?;
    let (base, packed) = Quantised::pack(loaded.base, QuantiseConfig::new(bits));
    std::fs::create_dir_all(out).with_context(|| out.display().to_string())?;
    packed.save(&base, &loaded.sha256, out)?;
    write_tokenizer(args, base.vocab_size())?;
    let (layers, bytes) = (packed.layers(), system::human_bytes(packed.bytes() as u64));
    eprintln!("wrote {}, {layers} layers in {bytes}, to {}", base.config().family(), out.display());
    Ok(Outcome::Found)
}

fn write_folder(args: &ConvertCheckpointArgs, base: &Base, tensors: &Tensors) -> Result<()> {
    let out = &args.out;
    std::fs::create_dir_all(out).with_context(|| out.display().to_string())?;
    let (dtype, width) = match args.dtype {
        WeightType::F16 => (SaveDtype::F16, 2),
        WeightType::Bf16 => (SaveDtype::BF16, 2),
        _ => (SaveDtype::F32, 4),
    };
    let limit = args.shard_mb * 1_000_000;
    if base.num_params() as u64 * width > limit {
        save_sharded(out, tensors, dtype, limit)?;
    } else {
        save(&out.join("model.safetensors"), tensors, dtype)?;
    }
    let mut config = base.config().to_json();
    config["torch_dtype"] = match args.dtype {
        WeightType::F16 => "float16".into(),
        WeightType::Bf16 => "bfloat16".into(),
        _ => "float32".into(),
    };
    write_json(&out.join("config.json"), &config)?;
    write_tokenizer(args, base.vocab_size())
}

/// The tokenizer in a form that folders have; `vocab`: the model's number of tokens.
fn write_tokenizer(args: &ConvertCheckpointArgs, vocab: usize) -> Result<()> {
    let out = &args.out;
    let tokenizer = match &args.tokenizer {
        Some(file) if file.extension().is_some_and(|e| e == "bin") => {
            let bytes = std::fs::read(file).with_context(|| file.display().to_string())?;
            Some(GgufTokenizer::from_llama2c(&file.display().to_string(), &bytes, vocab)?)
        }
        _ => gguf_tokenizer(args)?,
    };
    match tokenizer {
        Some(tokenizer) => write_json(&out.join("tokenizer.json"), &tokenizer.to_tokenizer_json()?),
        None => copy_tokenizer(args.tokenizer.as_deref().unwrap_or(&args.from), out),
    }
}

fn write_gguf(args: &ConvertCheckpointArgs, base: &Base, mut tensors: Tensors) -> Result<()> {
    if !matches!(base.config(), BaseConfig::Llama(_)) {
        bail!("{}: only LLaMA can be written as GGUF, this is {}", args.from.display(), base.config().family());
    }
    let config = base.config().to_json();
    let shapes: Vec<(String, Vec<usize>)> = tensors.iter().map(|(n, (s, _))| (n.clone(), s.clone())).collect();
    let tokenizer = match gguf_tokenizer(args)? {
        Some(tokenizer) => Some(tokenizer),
        None => json_tokenizer(args, &config, base.vocab_size())?,
    };
    if tokenizer.is_none() {
        eprintln!("note: no tokenizer was found beside the checkpoint, so the file has none; see --tokenizer");
    }
    let kind = match args.dtype {
        WeightType::F16 => GgufKind::F16,
        WeightType::Q8_0 => GgufKind::Q8_0,
        WeightType::Q4_0 => GgufKind::Q4_0,
        _ => GgufKind::F32,
    };
    let export = LlamaExport::new(&config, &shapes, tokenizer.as_ref())?;
    export.write(&args.out, kind, |name| -> Result<Vec<f32>> {
        Ok(tensors.remove(name).expect("the export asks once for each tensor that it was given").1)
    })
}

/// The tokenizer in a GGUF file, where the checkpoint or `--tokenizer` is one.
fn gguf_tokenizer(args: &ConvertCheckpointArgs) -> Result<Option<GgufTokenizer>> {
    let path = args.tokenizer.as_ref().unwrap_or(&args.from);
    if !path.extension().is_some_and(|e| e.eq_ignore_ascii_case("gguf")) {
        return Ok(None);
    }
    Ok(GgufFile::open(path)?.tokenizer()?)
}

/// A `tokenizer.json`, or llama2.c's `tok….bin`, as GGUF has it.
fn json_tokenizer(
    args: &ConvertCheckpointArgs,
    config: &serde_json::Value,
    vocab: usize,
) -> Result<Option<GgufTokenizer>> {
    let given = args.tokenizer.clone().unwrap_or_else(|| args.from.clone());
    let path = if given.is_dir() { given.join("tokenizer.json") } else { given };
    if !path.is_file() || (args.tokenizer.is_none() && path == args.from) {
        return Ok(None);
    }
    let bytes = std::fs::read(&path).with_context(|| path.display().to_string())?;
    let name = path.display().to_string();
    if path.extension().is_some_and(|e| e == "bin") {
        return Ok(Some(GgufTokenizer::from_llama2c(&name, &bytes, vocab)?));
    }
    let json = serde_json::from_slice(&bytes).with_context(|| name)?;
    Ok(Some(GgufTokenizer::from_tokenizer_json(&json, config)?))
}

/// Copies a folder's tokenizer files, or the one file that was named.
fn copy_tokenizer(from: &Path, out: &Path) -> Result<()> {
    let files: Vec<PathBuf> = match from.is_dir() {
        true => TOKENIZER_FILES.iter().map(|f| from.join(f)).filter(|f| f.is_file()).collect(),
        false => from
            .file_name()
            .filter(|f| f.to_string_lossy().starts_with("tok"))
            .map(|_| from.into())
            .into_iter()
            .collect(),
    };
    for file in files {
        let bytes = std::fs::read(&file).with_context(|| file.display().to_string())?;
        write_file(&out.join(file.file_name().expect("a file has a name")), &bytes)?;
    }
    Ok(())
}
