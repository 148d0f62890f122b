//! All that is trained in a run, under PEFT's names.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Gradients, Tensor};
use model_zoo::checkpoint::{Checkpoint, Tensors, export};
use model_zoo::heads::Head;
use model_zoo::{Base, TokenBatch};
use peft_core::folder::adapter_tensors;
use peft_core::{
    AdapterFolder, Adapters, Contents, FolderAdapter, FolderConfig, HostTensor, LinearAdapter, write_folder,
};

use super::case::{Logits, broken};
use super::method::Replayed;
use crate::Result;
use crate::tuning::HEADS;

/// Adapters, and the head of PEFT's `modules_to_save`.
#[derive(Module, Debug)]
pub(super) struct Trained<A: LinearAdapter> {
    pub(super) adapters: Adapters<A>,
    pub(super) head: Option<Head>,
}

/// Values in torch's layout, by name.
pub(super) type Named = BTreeMap<String, HostTensor>;

impl<A: FolderAdapter> Trained<A> {
    /// Reads an adapter folder, PEFT's or ours, onto `device`.
    pub(super) fn read<C: Replayed<Adapter = A>>(dir: &Path, base: &Base, device: &Device) -> Result<(C, Self)> {
        let folder = AdapterFolder::read(dir)?;
        let config: C = folder.config()?;
        let layers = config.layers(&HEADS).lenient(base);
        let loaded = folder.load(Adapters::attach(base, &layers, &config, 0, device)?)?;
        let tensors: Tensors =
            loaded.modules.iter().map(|(n, t)| (n.clone(), (t.shape().to_vec(), t.values().to_vec()))).collect();
        let head = match tensors.is_empty() {
            true => None,
            false => {
                let file = Checkpoint::from_tensors("modules_to_save", &tensors).map_err(broken(dir))?;
                Some(Head::from_checkpoint(&file, base, device)?.set_require_grad(true))
            }
        };
        Ok((config, Trained { adapters: loaded.adapters, head }))
    }

    pub(super) fn write<C: FolderConfig>(&self, dir: &Path, config: &C) -> Result<()> {
        let modules = self.head.as_ref().map(host).unwrap_or_default();
        let contents = Contents { config, adapters: &self.adapters, base_model: None, modules: &modules, genome: None };
        Ok(write_folder(dir, &contents)?)
    }

    pub(super) fn logits(&self, base: &Base, batch: &TokenBatch) -> Result<Logits> {
        Ok(Logits::of(base, self.head.as_ref(), batch, &self.adapters.bind(base)?))
    }

    /// Every trained tensor under the name that PEFT has for it in memory; `saved` are the modules of
    /// `modules_to_save`.
    pub(super) fn in_memory(&self, saved: &[String]) -> Named {
        let head = self.head.as_ref().map(host).unwrap_or_default();
        let all = adapter_tensors(&self.adapters).into_iter().chain(head);
        all.map(|(name, tensor)| (in_memory(&name, saved), tensor)).collect()
    }
}

/// A module with each parameter's gradient in its place; 0 for what the loss does not depend on.
pub(super) fn gradients_of<M: Module>(module: &M, gradients: &Gradients) -> M {
    struct Replace<'a>(&'a Gradients);
    impl ModuleMapper for Replace<'_> {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let value = param.val();
            let gradient = value.grad(self.0).unwrap_or_else(|| value.without_autodiff().zeros_like());
            Param::initialized(param.id, gradient)
        }
    }
    module.clone().map(&mut Replace(gradients))
}

/// A module's tensors in torch's layout.
pub(super) fn host<M: Module>(module: &M) -> Named {
    let tensor = |(shape, values): (Vec<usize>, Vec<f32>)| {
        HostTensor::new(shape, values).expect("an exported tensor has the values that its shape says")
    };
    export(module).into_iter().map(|(name, t)| (name, tensor(t))).collect()
}

/// `base_model.model.<name>` as the parameter is called in a PEFT model whose adapter is the default one.
fn in_memory(name: &str, saved: &[String]) -> String {
    let of_saved = saved.iter().find_map(|m| Some((m, name.strip_prefix(m.as_str())?.strip_prefix('.')?)));
    let name = match of_saved {
        Some((module, field)) => format!("{module}.modules_to_save.default.{field}"),
        None => match name.rsplit_once('.') {
            Some((layer, "lora_magnitude_vector")) => format!("{layer}.lora_magnitude_vector.default.weight"),
            Some((_, "ia3_l" | "lora_embedding_A" | "lora_embedding_B" | "lora_A" | "lora_B" | "lora_E")) => {
                format!("{name}.default")
            }
            Some((module, field)) if module.ends_with(".lora_A") || module.ends_with(".lora_B") => {
                format!("{module}.default.{field}")
            }
            _ => name.to_owned(),
        },
    };
    format!("base_model.model.{name}")
}
