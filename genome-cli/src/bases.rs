//! Bases by name: the built-in one, a folder, or a model of the Hugging Face hub.

use crate::hub;
use anyhow::Result;
use burn::tensor::Device;
use genome_tokenize::TokenizerSpec;
use genome_train::foundation::Foundation;
use model_zoo::Purpose;
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

/// Where a model that is not built in lies: a path that is there, or the folder of a model of the hub.
pub(crate) fn path(name: &str) -> Result<PathBuf> {
    if !Path::new(name).exists() && hub::is_name(name) {
        return hub::folder(name);
    }
    Ok(PathBuf::from(name))
}
