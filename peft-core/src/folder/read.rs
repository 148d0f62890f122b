//! Reading an adapter folder, PEFT's or ours.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::Device;
use serde_json::{Map, Value};

use super::config;
use super::tensors::{Pool, from_pickle, from_safetensors};
use super::{
    CONFIG_FILE, FolderConfig, GENOME_FILE, GenomeAdapter, HostTensor, LEGACY_FILE, PREFIX, SiteTensors, TENSORS_FILE,
};
use crate::copies::Copied;
use crate::sites::{all_sites, base_layers};
use crate::target::owns;
use crate::{Adapters, Error, FolderAdapter, Method, Result, Selection, SiteKind};

/// The contents of an adapter folder.
#[derive(Clone, Debug)]
pub struct AdapterFolder {
    config_file: PathBuf,
    config: Map<String, Value>,
    config_text: Vec<u8>,
    genome: Option<GenomeAdapter>,
    pub(super) tensors: Pool,
}

/// What [`AdapterFolder::load`] makes of a folder.
#[derive(Clone, Debug)]
pub struct Loaded<A> {
    /// The adapters, with the folder's values.
    pub adapters: Adapters<A>,
    /// The tensors of the modules that were trained whole, PEFT's `modules_to_save`: `classifier.weight` and so
    /// on, in torch's layout.
    pub modules: BTreeMap<String, HostTensor>,
    /// Weights of the base that PEFT stored beside the adapters of embedding tables, by the layer's path, in torch's
    /// layout; see [`Loaded::check_base_layers`].
    pub base_layers: BTreeMap<String, HostTensor>,
}

impl<A> Loaded<A> {
    /// Fails if a table that PEFT stored beside an adapter is not the one of `base`: the adapter was trained on a
    /// base with other, or more, embeddings.
    ///
    /// # Errors
    /// [`Error::OtherEmbeddings`], [`Error::MissingSites`].
    pub fn check_base_layers<M: Module>(&self, base: &M) -> Result<()> {
        let sites: Vec<_> = all_sites(base).into_iter().filter(|s| self.base_layers.contains_key(&s.path)).collect();
        let found = base_layers(base, &sites);
        for (path, stored) in &self.base_layers {
            let Some(layer) = found.get(path) else {
                return Err(Error::MissingSites { paths: vec![path.clone()] });
            };
            let ours = HostTensor::from_tensor(&layer.weight); // [vocabulary, d_model], as torch keeps it
            let difference = (ours.shape() == stored.shape())
                .then(|| ours.values().iter().zip(stored.values()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max));
            if difference.is_none_or(|d| d > 1e-6) {
                let (expected, found) = (stored.shape().to_vec(), ours.shape().to_vec());
                return Err(Error::OtherEmbeddings { path: path.clone(), expected, found, difference });
            }
        }
        Ok(())
    }
}

impl AdapterFolder {
    /// Reads all files of the folder `dir`. Without safetensors, a legacy `adapter_model.bin` is read by a parser
    /// that builds tensors and runs nothing.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Json`], [`Error::Tensors`], [`Error::TensorType`],
    /// [`Error::FormatVersion`].
    pub fn read(dir: &Path) -> Result<Self> {
        let config_file = dir.join(CONFIG_FILE);
        let text = fs::read(&config_file).map_err(Error::io(&config_file))?;
        let config =
            serde_json::from_slice(&text).map_err(|source| Error::Json { file: config_file.clone(), source })?;

        let tensors_file = dir.join(TENSORS_FILE);
        let legacy = dir.join(LEGACY_FILE);
        let mut tensors = match !tensors_file.exists() && legacy.exists() {
            true => from_pickle(&legacy)?,
            false => from_safetensors(&tensors_file)?,
        };
        tensors.left = plain_names(tensors.left, &tensors.file)?;

        let genome_file = dir.join(GENOME_FILE);
        let genome = match fs::read(&genome_file) {
            Ok(text) => Some(GenomeAdapter::from_json(&text, &genome_file)?),
            Err(e) if e.kind() == io::ErrorKind::NotFound => None, // PEFT wrote the folder
            Err(e) => return Err(Error::io(&genome_file)(e)),
        };
        Ok(AdapterFolder { config_file, config, config_text: text, genome, tensors })
    }

    /// The method, as PEFT calls it; empty if the configuration does not say.
    pub fn peft_type(&self) -> &str {
        self.text("peft_type").unwrap_or_default()
    }

    /// The base model's name or path, as PEFT noted it.
    pub fn base_model(&self) -> Option<&str> {
        self.text("base_model_name_or_path")
    }

    /// Our page; `None` in a folder that PEFT wrote.
    pub fn genome(&self) -> Option<&GenomeAdapter> {
        self.genome.as_ref()
    }

    /// Name and shape of each tensor, in alphabetical order, as they are stored.
    pub fn tensors(&self) -> impl Iterator<Item = (&str, &[usize])> {
        self.tensors.left.iter().map(|(name, tensor)| (name.as_str(), tensor.shape()))
    }

    /// The method's settings.
    ///
    /// # Errors
    /// [`Error::OtherMethod`], [`Error::UnknownField`], [`Error::Json`], and what [`FolderConfig::check`] says.
    pub fn config<C: FolderConfig>(&self) -> Result<C> {
        config::from_json(&self.config, &self.config_text, &self.config_file)
    }

    /// Fails if the folder names another base model than the one with this SHA-256. A folder that names none,
    /// such as PEFT's, passes.
    ///
    /// # Errors
    /// [`Error::OtherBase`].
    pub fn check_base(&self, sha256: &str) -> Result<()> {
        match self.genome.as_ref().and_then(|g| g.base.as_ref()) {
            Some(base) if !base.sha256.eq_ignore_ascii_case(sha256) => Err(Error::OtherBase {
                file: self.config_file.with_file_name(GENOME_FILE),
                name: base.name.clone(),
                expected: base.sha256.clone(),
                found: sha256.to_owned(),
            }),
            _ => Ok(()),
        }
    }

    /// New adapters for the layers of `base` that the folder's settings mean, for [`AdapterFolder::load`] to fill.
    ///
    /// # Errors
    /// [`Error::Settings`] with the folder's file and what [`Adapters::attach`] says.
    pub fn attach<M: Module, C: Method>(
        &self,
        base: &M,
        selection: &Selection,
        method: &C,
        device: &Device,
    ) -> Result<Adapters<C::Adapter>> {
        Adapters::attach(base, selection, method, 0, device)
            .map_err(|source| Error::Settings { file: self.config_file.clone(), source: Box::new(source) })
    }

    /// Fills `adapters`, attached with the folder's own settings, and hands out the modules trained whole.
    /// Every tensor of the folder must find its place.
    ///
    /// # Errors
    /// [`Error::MissingTensor`], [`Error::TensorShape`], [`Error::NotFinite`], [`Error::UnexpectedTensors`].
    pub fn load<A: FolderAdapter>(self, adapters: Adapters<A>) -> Result<Loaded<A>> {
        let saved = self.modules_to_save();
        let mut pool = self.tensors;
        let mut adapters =
            adapters.try_map(|path, adapter| adapter.with_tensors(&mut SiteTensors::new(&mut pool, path)))?;
        let copies = std::mem::take(&mut adapters.copies);
        adapters.copies = copies.into_iter().map(|copied| fill(copied, &mut pool)).collect::<Result<_>>()?;

        let mut modules = BTreeMap::new();
        let mut base_layers = BTreeMap::new();
        let mut unexpected = Vec::new();
        for (name, tensor) in pool.left {
            let table = name.strip_prefix(PREFIX).and_then(|n| n.strip_suffix(".base_layer.weight"));
            if let Some(path) = table.filter(|path| adapters.kind(path) == Some(SiteKind::Embedding)) {
                base_layers.insert(path.to_owned(), tensor);
                continue;
            }
            let module = name.strip_prefix(PREFIX).filter(|path| saved.iter().any(|m| owns(m, parent(path))));
            match module {
                Some(path) => {
                    tensor.check_finite(&pool.file, &name)?;
                    modules.insert(path.to_owned(), tensor);
                }
                None => unexpected.push(name),
            }
        }
        if !unexpected.is_empty() {
            return Err(Error::UnexpectedTensors { file: pool.file, names: unexpected });
        }
        Ok(Loaded { adapters, modules, base_layers })
    }

    pub(super) fn modules_to_save(&self) -> Vec<String> {
        let list = self.config.get("modules_to_save").and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    fn text(&self, field: &str) -> Option<&str> {
        self.config.get(field).and_then(Value::as_str)
    }
}

/// `copied` with its tensor in the folder.
fn fill(copied: Copied, pool: &mut Pool) -> Result<Copied> {
    let names = copied.file_names().map(|name| format!("{PREFIX}{name}"));
    let Some(name) = names.iter().find(|name| pool.left.contains_key(*name)) else {
        let [name, _] = names;
        return if copied.optional { Ok(copied) } else { Err(Error::MissingTensor { file: pool.file.clone(), name }) };
    };
    let tensor = pool.take(name, &copied.file_shape())?;
    Ok(copied.filled(tensor))
}

/// The tensors without what PEFT's wrapper of `modules_to_save` put into their names, and without the originals that
/// it keeps beside the trained ones: with `bias = "all"` they end up in the file.
fn plain_names(tensors: BTreeMap<String, HostTensor>, file: &Path) -> Result<BTreeMap<String, HostTensor>> {
    let mut plain: BTreeMap<String, HostTensor> = BTreeMap::new();
    for (name, tensor) in tensors {
        if name.contains(".original_module.") {
            continue;
        }
        let name = name.replace(".modules_to_save.default.", ".").replace(".modules_to_save.", ".");
        if plain.get(&name).is_some_and(|other| *other != tensor) {
            let reason = format!("two tensors are called {name}, and they differ");
            return Err(Error::Tensors { file: file.to_owned(), reason });
        }
        plain.insert(name, tensor);
    }
    Ok(plain)
}

/// The module that a tensor belongs to.
pub(super) fn parent(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(module, _)| module)
}
