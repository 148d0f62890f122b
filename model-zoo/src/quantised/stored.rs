//! Folders that hold a quantised base as it is.

use super::{QuantiseConfig, Quantised};
use crate::base::Loaded;
use crate::checkpoint::{
    Checkpoint, Holder, SaveDtype, Values, export_where, load_with, save_values, write_atomically,
};
use crate::names::{NamedParam, named_params};
use crate::packed::{Bits, Packed};
use crate::{Base, BaseConfig, Error, Purpose, Result};
use burn::module::ParamId;
use burn::tensor::Device;
use serde::Deserialize;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

impl Quantised {
    /// A folder that [`Quantised::save`] wrote, as it is; `None` for any other.
    ///
    /// # Errors
    /// As [`Base::from_pretrained`].
    pub fn from_stored(path: &Path, purpose: Purpose, device: &Device) -> Result<Option<(Loaded, Self)>> {
        if !path.is_dir() {
            return Ok(None);
        }
        let (config, file) = BaseConfig::open(path)?;
        Stored::of(path, &file)?.map(|stored| stored.read(&config, &file, purpose, device)).transpose()
    }

    /// Writes `base`, whose layers these are, into an existing folder: `config.json`, which says how it is packed and which
    /// base it was (`sha256`, by which adapters know it), and `model.safetensors` with a tensor of bytes, `<name>.packed`, and
    /// one of scales, `<name>.scales`, for each packed weight; all else as f32. [`Quantised::from_stored`] reads it;
    /// transformers does not.
    ///
    /// # Errors
    /// [`Error::File`]; [`Error::Config`] if nothing is packed.
    pub fn save(&self, base: &Base, sha256: &str, dir: &Path) -> Result<()> {
        let path = dir.join("config.json");
        let Some(quantise) = self.config else {
            return Err(Error::Config { path, reason: "expected packed layers, found none".into() });
        };
        let mut json = base.config().to_json();
        let (bits, block) = (quantise.bits.number(), quantise.block);
        json["quantization_config"] =
            serde_json::json!({ "quant_method": METHOD, "bits": bits, "block": block, "base_sha256": sha256 });
        let floats = export_where(base, |id| !self.layers.contains_key(&id));
        let mut tensors: Vec<(String, Vec<usize>, Values<'_>)> = Vec::new();
        tensors.extend(floats.iter().map(|(name, (shape, v))| (name.clone(), shape.clone(), Values::Floats(v))));
        for param in named_params(base) {
            let Some(packed) = self.layers.get(&param.id) else { continue };
            let ([rows, columns], [values, scales]) = (packed.shape(), tensor_names(&param.name));
            tensors.push((values, vec![rows, packed.bits().bytes(columns)], Values::Bytes(packed.values())));
            tensors.push((scales, vec![rows, columns.div_ceil(packed.block())], Values::Floats(packed.scales())));
        }
        let parts: Vec<(&str, &[usize], Values<'_>)> =
            tensors.iter().map(|(name, shape, values)| (&name[..], &shape[..], *values)).collect();
        save_values(&dir.join("model.safetensors"), &parts, SaveDtype::F32)?;
        let text = serde_json::to_string_pretty(&json).expect("plain data") + "\n";
        Ok(write_atomically(&path, text.as_bytes())?)
    }
}

/// How [`Quantised::save`]'s folders call it.
const METHOD: &str = "genome_blocks";

/// The tensors of a packed parameter: its values and its scales.
fn tensor_names(param: &str) -> [String; 2] {
    [format!("{param}.packed"), format!("{param}.scales")]
}

/// What the configuration of a folder says of its packed layers.
pub(super) struct Stored {
    pub(super) config: QuantiseConfig,
    base_sha256: String,
}

impl Stored {
    /// What the folder `path` says; `None` if its layers are not packed.
    pub(super) fn of(path: &Path, file: &Checkpoint) -> Result<Option<Self>> {
        #[derive(Deserialize)]
        struct Page {
            quantization_config: Option<serde_json::Value>,
        }
        #[derive(Deserialize)]
        struct Section {
            bits: u64,
            block: usize,
            base_sha256: String,
        }
        let path = path.join("config.json");
        if !path.is_file() || !file.names().iter().any(|name| name.ends_with(".packed")) {
            return Ok(None);
        }
        let wrong = |reason: String| Error::Config { path: path.clone(), reason };
        let text = std::fs::read_to_string(&path).map_err(Error::io(&path))?;
        let page: Page = serde_json::from_str(&text).map_err(|e| wrong(e.to_string()))?;
        let section = page.quantization_config.unwrap_or_default();
        let method = section.get("quant_method").and_then(|m| m.as_str()).unwrap_or("none");
        if method != METHOD {
            return Err(wrong(format!("quantization_config.quant_method: expected {METHOD}, found {method}")));
        }
        let section: Section =
            serde_json::from_value(section).map_err(|e| wrong(format!("quantization_config: {e}")))?;
        let bits = match section.bits {
            8 => Bits::Eight,
            4 => Bits::Four,
            other => return Err(wrong(format!("quantization_config.bits: expected 8 or 4, found {other}"))),
        };
        if section.block == 0 {
            return Err(wrong("quantization_config.block: expected at least 1, found 0".into()));
        }
        let config = QuantiseConfig { bits, block: section.block };
        Ok(Some(Self { config, base_sha256: section.base_sha256 }))
    }

    pub(super) fn read(
        self,
        config: &BaseConfig,
        file: &Checkpoint,
        purpose: Purpose,
        device: &Device,
    ) -> Result<(Loaded, Quantised)> {
        let base = config.lazy(&file.names(), purpose, device);
        let with_names = named_params(&base).into_iter().map(|param| {
            let names = tensor_names(&param.name);
            (param, names)
        });
        let stored = with_names.filter(|(_, names)| file.shape(&names[0]).is_some()).collect();
        let mut holder = Reading { config: self.config, stored, layers: HashMap::new() };
        let (base, report) = config.with_rules(purpose, |rules| load_with(base, file, rules, &mut holder))?;
        let quantised = Quantised { layers: Arc::new(holder.layers), config: Some(self.config) };
        Ok((Loaded { base, sha256: self.base_sha256, report }, quantised))
    }
}

/// Reads weights that are packed in the file.
struct Reading {
    config: QuantiseConfig,
    stored: Vec<(NamedParam, [String; 2])>,
    layers: HashMap<ParamId, Arc<Packed>>,
}

impl Holder for Reading {
    fn read(&mut self, param: &NamedParam, _name: &str, file: &Checkpoint) -> Result<Option<Arc<Packed>>> {
        let Some((_, [values, scales])) = self.stored.iter().find(|(p, _)| p.id == param.id) else { return Ok(None) };
        let QuantiseConfig { bits, block } = self.config;
        let [d_out, d_in] = param.shape[..] else { return Ok(None) };
        for (name, expected) in [(values, [d_in, bits.bytes(d_out)]), (scales, [d_in, d_out.div_ceil(block)])] {
            let found = file.shape(name).unwrap_or_default().to_vec();
            if found != expected {
                let (path, expected) = (file.path().into(), expected.to_vec());
                return Err(Error::Shape { path, name: name.clone(), expected, found });
            }
        }
        let (values, numbers) = (file.read_u8(values)?, file.read_f32(scales)?);
        let packed = Packed::from_parts([d_in, d_out], bits, block, values, numbers);
        let packed = Arc::new(packed.map_err(|reason| Error::Config { path: file.path().into(), reason })?);
        self.layers.insert(param.id, packed.clone());
        Ok(Some(packed))
    }

    fn stored(&self) -> &[(NamedParam, [String; 2])] {
        &self.stored
    }
}
