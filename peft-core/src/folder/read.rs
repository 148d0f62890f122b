//! Reading an adapter folder, PEFT's or ours.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::config;
use super::tensors::{Pool, from_safetensors};
use super::{CONFIG_FILE, FolderConfig, GENOME_FILE, GenomeAdapter, HostTensor, PREFIX, SiteTensors, TENSORS_FILE};
use crate::target::owns;
use crate::{Adapters, Error, FolderAdapter, Result};

/// The contents of an adapter folder.
#[derive(Clone, Debug)]
pub struct AdapterFolder {
    config_file: PathBuf,
    config: Map<String, Value>,
    genome: Option<GenomeAdapter>,
    tensors: Pool,
}

/// What [`AdapterFolder::load`] makes of a folder.
#[derive(Clone, Debug)]
pub struct Loaded<A> {
    /// The adapters, with the folder's values.
    pub adapters: Adapters<A>,
    /// The tensors of the modules that were trained whole, PEFT's `modules_to_save`: `classifier.weight` and so
    /// on, in torch's layout.
    pub modules: BTreeMap<String, HostTensor>,
}

impl AdapterFolder {
    /// Reads all files of the folder `dir`.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Json`], [`Error::Tensors`], [`Error::TensorType`], [`Error::Pickle`],
    /// [`Error::FormatVersion`].
    pub fn read(dir: &Path) -> Result<Self> {
        let config_file = dir.join(CONFIG_FILE);
        let text = fs::read(&config_file).map_err(Error::io(&config_file))?;
        let config =
            serde_json::from_slice(&text).map_err(|source| Error::Json { file: config_file.clone(), source })?;

        let tensors_file = dir.join(TENSORS_FILE);
        let pickle = dir.join("adapter_model.bin");
        if !tensors_file.exists() && pickle.exists() {
            return Err(Error::Pickle { file: pickle });
        }
        let tensors = from_safetensors(&tensors_file)?;

        let genome_file = dir.join(GENOME_FILE);
        let genome = match fs::read(&genome_file) {
            Ok(text) => Some(GenomeAdapter::from_json(&text, &genome_file)?),
            Err(e) if e.kind() == io::ErrorKind::NotFound => None, // PEFT wrote the folder
            Err(e) => return Err(Error::io(&genome_file)(e)),
        };
        Ok(AdapterFolder { config_file, config, genome, tensors })
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

    /// The method's settings.
    ///
    /// # Errors
    /// [`Error::OtherMethod`], [`Error::UnknownField`], [`Error::Json`], and what [`FolderConfig::check`] says.
    pub fn config<C: FolderConfig>(&self) -> Result<C> {
        config::from_json(&self.config, &self.config_file)
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

    /// Fills `adapters`, attached with the folder's own settings, and hands out the modules trained whole.
    /// Every tensor of the folder must find its place.
    ///
    /// # Errors
    /// [`Error::MissingTensor`], [`Error::TensorShape`], [`Error::NotFinite`], [`Error::UnexpectedTensors`].
    pub fn load<A: FolderAdapter>(self, adapters: Adapters<A>) -> Result<Loaded<A>> {
        let saved = self.modules_to_save();
        let mut pool = self.tensors;
        let adapters =
            adapters.try_map(|path, adapter| adapter.with_tensors(&mut SiteTensors::new(&mut pool, path)))?;

        let mut modules = BTreeMap::new();
        let mut unexpected = Vec::new();
        for (name, tensor) in pool.left {
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
        Ok(Loaded { adapters, modules })
    }

    fn modules_to_save(&self) -> Vec<String> {
        let list = self.config.get("modules_to_save").and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    fn text(&self, field: &str) -> Option<&str> {
        self.config.get(field).and_then(Value::as_str)
    }
}

/// The module that a tensor belongs to.
fn parent(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(module, _)| module)
}
