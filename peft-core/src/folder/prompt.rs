//! The folders of prefix tuning, prompt tuning and P-tuning: one tensor that belongs to no layer, and the head.
//!
//! PEFT keeps what its encoders make, not the encoders: `prompt_embeddings`, [virtual tokens, width]. Modules that were
//! trained whole stand under `base_model.<path>`, one `model.` fewer than beside LoRA.

use std::collections::BTreeMap;
use std::path::Path;

use super::read::parent;
use super::write::write_files;
use super::{AdapterFolder, FolderConfig, GenomeAdapter, HostTensor};
use crate::target::owns;
use crate::{Error, Result};

/// The tensor of the virtual tokens.
pub const PROMPT: &str = "prompt_embeddings";

/// What PEFT puts before the path of a module that was trained whole, beside a prompt.
const MODULE_PREFIX: &str = "base_model.";

/// What goes into the folder of a prompt.
#[derive(Clone, Debug)]
pub struct PromptContents<'a, C> {
    /// The method's settings.
    pub config: &'a C,
    /// The virtual tokens, [virtual tokens, width].
    pub prompt: &'a HostTensor,
    /// The base model's name or path, for PEFT's `base_model_name_or_path`.
    pub base_model: Option<&'a str>,
    /// The tensors of modules that were trained whole, by name in the model: `classifier.weight`; in torch's layout.
    /// Their modules must be among the configuration's `modules_to_save`.
    pub modules: &'a BTreeMap<String, HostTensor>,
    /// Our page.
    pub genome: Option<&'a GenomeAdapter>,
}

/// What [`AdapterFolder::load_prompt`] makes of a folder.
#[derive(Clone, Debug)]
pub struct LoadedPrompt {
    /// The virtual tokens, [virtual tokens, width].
    pub prompt: HostTensor,
    /// The tensors of the modules that were trained whole: `classifier.weight` and so on, in torch's layout.
    pub modules: BTreeMap<String, HostTensor>,
}

/// Writes the folder `dir`, in place of one that may be there, as [`crate::write_folder`] does.
///
/// # Errors
/// As [`crate::write_folder`].
pub fn write_prompt_folder<C: FolderConfig>(dir: &Path, contents: &PromptContents<'_, C>) -> Result<()> {
    let tensors = prompt_tensors(contents.prompt, contents.modules);
    write_files(dir, contents.config, contents.base_model, &tensors, contents.genome)
}

/// The tensors of such a folder under their names in the file.
pub fn prompt_tensors(prompt: &HostTensor, modules: &BTreeMap<String, HostTensor>) -> BTreeMap<String, HostTensor> {
    let of_modules = modules.iter().map(|(name, tensor)| (format!("{MODULE_PREFIX}{name}"), tensor.clone()));
    of_modules.chain([(PROMPT.to_owned(), prompt.clone())]).collect()
}

impl AdapterFolder {
    /// The virtual tokens of the folder, which must have `shape`, [virtual tokens, width], and the modules trained whole.
    /// Every tensor of the folder must find its place.
    ///
    /// # Errors
    /// [`Error::MissingTensor`], [`Error::TensorShape`], [`Error::NotFinite`], [`Error::UnexpectedTensors`].
    pub fn load_prompt(self, shape: [usize; 2]) -> Result<LoadedPrompt> {
        let saved = self.modules_to_save();
        let mut pool = self.tensors;
        let prompt = pool.take(PROMPT, &shape)?;
        let mut modules = BTreeMap::new();
        let mut unexpected = Vec::new();
        for (name, tensor) in pool.left {
            let path = name.strip_prefix(MODULE_PREFIX);
            match path.filter(|path| saved.iter().any(|m| owns(m, parent(path)))) {
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
        Ok(LoadedPrompt { prompt, modules })
    }
}
