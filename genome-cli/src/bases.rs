//! Bases by name: the built-in one, a folder, or a model of the Hugging Face hub.

use crate::args::BitsArgs;
use crate::{hub, system};
use anyhow::{Context, Result, bail};
use burn::tensor::Device;
use genome_tokenize::TokenizerSpec;
use genome_train::foundation::Foundation;
use model_zoo::quantised::QuantiseConfig;
use model_zoo::{BaseConfig, Purpose};
use std::path::{Path, PathBuf};

/// Name of the built-in base.
pub(crate) const BASE_TINY: &str = "base-tiny";

const CONFIG: &str = include_str!("../assets/base-tiny/config.json");
const TOKENIZER: &str = include_str!("../assets/base-tiny/genome_tokenizer.json");
const WEIGHTS: &[u8] = include_bytes!("../assets/base-tiny/model.safetensors");

/// Opens a base by name or folder. A folder called `base-tiny` is `./base-tiny`; `owner/model` is a folder if there is one, else
/// a model of the hub.
pub(crate) fn open(base: &str, purpose: Purpose, device: &Device) -> Result<Foundation> {
    if base == BASE_TINY {
        let spec: TokenizerSpec = serde_json::from_str(TOKENIZER)?;
        return Ok(Foundation::from_bytes(BASE_TINY, CONFIG, WEIGHTS, spec, purpose, device)?);
    }
    Ok(Foundation::from_dir(&path(base)?, purpose, device)?)
}

/// Writes the built-in base as a model folder.
pub(crate) fn write_base_tiny(dir: &Path) -> Result<()> {
    let files: [(&str, &[u8]); 3] = [
        ("config.json", CONFIG.as_bytes()),
        ("genome_tokenizer.json", TOKENIZER.as_bytes()),
        ("model.safetensors", WEIGHTS),
    ];
    for (name, bytes) in files {
        let file = dir.join(name);
        std::fs::write(&file, bytes).with_context(|| file.display().to_string())?;
    }
    Ok(())
}

/// [`open`], with the base's linear layers in as many bits as the command line says.
pub(crate) fn open_in(bits: &BitsArgs, base: &str, purpose: Purpose, device: &Device) -> Result<Foundation> {
    let bits = match bits.base_bits {
        None => return open(base, purpose, device),
        Some(_) if base == BASE_TINY => {
            bail!("--base-bits: {BASE_TINY} is built in as f32, all 2 MB of it; name a model folder")
        }
        Some(bits) => bits.into(),
    };
    let foundation = Foundation::quantised_from_dir(&path(base)?, purpose, device, QuantiseConfig::new(bits))?;
    let packed = &foundation.quantised;
    eprintln!("{} layers held in {}", packed.layers(), system::human_bytes(packed.bytes() as u64));
    Ok(foundation)
}

/// The configuration of a base; of a folder nothing else is read.
pub(crate) fn config(base: &str) -> Result<BaseConfig> {
    if base == BASE_TINY {
        return Ok(BaseConfig::parse(Path::new(BASE_TINY), CONFIG)?);
    }
    let path = path(base)?;
    let file = path.join("config.json");
    match file.is_file() {
        true => Ok(BaseConfig::parse(&file, &std::fs::read_to_string(&file)?)?),
        false => Ok(BaseConfig::open(&path)?.0),
    }
}

/// Where a model that is not built in lies: a path that is there, or the folder of a model of the hub.
pub(crate) fn path(name: &str) -> Result<PathBuf> {
    if !Path::new(name).exists() && hub::is_name(name) {
        return hub::folder(name);
    }
    Ok(PathBuf::from(name))
}
