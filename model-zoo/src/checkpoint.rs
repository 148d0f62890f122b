//! From files to modules and back: which tensor fills which parameter, every name and shape checked before a value is read.
//!
//! The files themselves are [`tensor_files`]' business: safetensors, shards, PyTorch pickles, GGUF.

use crate::names::{NamedParam, Path as ParamPath, named_params};
use crate::packed::Packed;
use crate::{Error, Result};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{Device, Tensor, TensorData};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
pub use tensor_files::{Checkpoint, SaveDtype, Tensors, Values, save, save_sharded, save_values, write_atomically};

/// What a checkpoint may lack or hold besides the model.
#[derive(Debug, Clone, Copy, Default)]
pub struct LoadRules<'a> {
    /// Names that contain one of these are left alone in the file (buffers, heads that are not wanted).
    pub ignore: &'a [&'a str],
    /// Parameters whose names start with one of these may be missing: they keep their initial value (a new head).
    pub may_be_new: &'a [&'a str],
    /// A prefix that some published files leave out of every name (`bert.`, `model.`).
    pub optional_prefix: Option<&'a str>,
    /// Names under which tied parameters stand once more in some files: (other name, the parameter's name). Such a tensor is
    /// left alone, or read where the parameter's own is not there.
    pub tied: &'a [(String, String)],
}

/// What [`load`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Parameters that were read.
    pub loaded: usize,
    /// Parameters that keep their initial value, as [`LoadRules::may_be_new`] allows.
    pub new: Vec<String>,
    /// Tensors of the file that were ignored.
    pub ignored: Vec<String>,
}

/// Fills `module` from `checkpoint`. All names and shapes are checked before the first value is read.
///
/// Values are f32 on the device of each parameter; a parameter that is loaded does not require gradients until
/// [`Module::train`] or `set_require_grad` says so.
///
/// # Errors
/// [`Error::MissingTensors`], [`Error::UnexpectedTensors`], [`Error::Shape`], [`Error::File`].
pub fn load<M: Module>(module: M, checkpoint: &Checkpoint, rules: LoadRules) -> Result<(M, LoadReport)> {
    load_with(module, checkpoint, rules, &mut AsFloats)
}

/// Which parameters are not held as f32.
pub(crate) trait Holder {
    /// A parameter in few bits, where it is to be held so. `name`: what the file calls it; of what [`Holder::stored`] tells, the
    /// parameter's own name.
    fn read(&mut self, _param: &NamedParam, _name: &str, _checkpoint: &Checkpoint) -> Result<Option<Arc<Packed>>> {
        Ok(None)
    }

    /// Parameters that stand in few bits in the file, with the names of their tensors there.
    fn stored(&self) -> &[(NamedParam, [String; 2])] {
        &[]
    }
}

/// Every parameter is held as f32.
struct AsFloats;
impl Holder for AsFloats {}

/// [`load`]; what `holder` packs is held so, and unpacked when its value is asked for.
pub(crate) fn load_with<M: Module>(
    module: M,
    checkpoint: &Checkpoint,
    rules: LoadRules,
    holder: &mut dyn Holder,
) -> Result<(M, LoadReport)> {
    let stored = holder.stored();
    let mut names = checkpoint.names();
    names.retain(|name| !stored.iter().any(|(_, tensors)| tensors.contains(name)));
    names.extend(stored.iter().map(|(param, _)| param.name.clone()));
    let shape = |name: &str| match stored.iter().find(|(param, _)| param.name == name) {
        Some((param, _)) => Some(&param.shape[..]),
        None => checkpoint.shape(name),
    };
    let (sources, report) = plan(&module, checkpoint.path(), &names, shape, rules)?;
    let mut fill = Fill { checkpoint, sources, holder, failed: None };
    let module = module.map(&mut fill);
    match fill.failed {
        Some(error) => Err(error),
        None => Ok((module, report)),
    }
}

/// Where each parameter is read from: its id, the name in the file, the parameter.
type Sources = HashMap<ParamId, (String, NamedParam)>;

/// Compares a module with the `names` and shapes of a file; reads no value and initialises nothing.
pub(crate) fn plan<'a, M: Module>(
    module: &M,
    path: &Path,
    names: &[String],
    shape: impl Fn(&str) -> Option<&'a [usize]>,
    rules: LoadRules,
) -> Result<(Sources, LoadReport)> {
    let mut report = LoadReport::default();
    let mut sources = Sources::new();
    let (mut missing, mut used) = (Vec::new(), std::collections::HashSet::new());
    for param in named_params(module) {
        let bare = rules.optional_prefix.and_then(|p| param.name.strip_prefix(p));
        let other = rules.tied.iter().find(|(_, own)| *own == param.name).map(|(other, _)| other.as_str());
        let candidates = [Some(param.name.as_str()), bare, other].into_iter().flatten();
        let found = candidates.into_iter().find_map(|n| Some((n.to_owned(), shape(n)?)));
        match found {
            Some((name, found)) if found != param.shape => {
                let (path, found) = (path.into(), found.to_vec());
                return Err(Error::Shape { path, name, expected: param.shape, found });
            }
            Some((name, _)) => {
                used.insert(name.clone());
                sources.insert(param.id, (name, param));
            }
            None if rules.may_be_new.iter().any(|p| param.name.starts_with(p)) => report.new.push(param.name),
            None => missing.push(param.name),
        }
    }
    if !missing.is_empty() {
        return Err(Error::MissingTensors { path: path.into(), names: missing });
    }
    let leave = |n: &String| rules.ignore.iter().any(|i| n.contains(i)) || rules.tied.iter().any(|(o, _)| o == n);
    let (ignored, unexpected): (Vec<_>, Vec<_>) = names.iter().filter(|n| !used.contains(*n)).cloned().partition(leave);
    if !unexpected.is_empty() {
        return Err(Error::UnexpectedTensors { path: path.into(), names: unexpected });
    }
    report.ignored = ignored;
    report.loaded = sources.len();
    Ok((sources, report))
}

struct Fill<'a> {
    checkpoint: &'a Checkpoint,
    sources: Sources,
    holder: &'a mut dyn Holder,
    failed: Option<Error>,
}

impl ModuleMapper for Fill<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some((name, info)) = self.sources.get(&param.id) else { return param };
        if self.failed.is_some() {
            return param;
        }
        let mut shape = info.shape.clone();
        if info.transposed {
            shape.reverse();
        }
        // A transposed view would be re-packed by every product, so values are put in Burn's order as they are read.
        let floats = || match info.transposed {
            true => self.checkpoint.read_f32_transposed(name),
            false => self.checkpoint.read_f32(name),
        };
        let filled = match self.holder.read(info, name, self.checkpoint) {
            Ok(Some(packed)) => Ok(unpacked_on_demand(&param, packed)),
            Ok(None) => floats().map_err(Error::from).map(|values| {
                let tensor = Tensor::<D>::from_data(TensorData::new(values, shape), &param.lazy_device());
                Param::initialized(param.id, tensor)
            }),
            Err(error) => Err(error),
        };
        filled.unwrap_or_else(|error| {
            self.failed = Some(error);
            param
        })
    }
}

/// `param` with the value that is packed, once somebody asks for it.
pub(crate) fn unpacked_on_demand<const D: usize>(param: &Param<Tensor<D>>, packed: Arc<Packed>) -> Param<Tensor<D>> {
    let shape = param.lazy_shape();
    let unpack = {
        let shape = shape.clone();
        move |device: &Device, _| Tensor::from_data(TensorData::new(packed.unpacked(), shape), device)
    };
    Param::uninitialized(param.id, unpack, param.lazy_device(), false, shape)
}

/// The float parameters of `module` under their published names, in the checkpoint's layout, as (shape, values).
pub fn export<M: Module>(module: &M) -> Tensors {
    export_where(module, |_| true)
}

/// [`export`] of those parameters alone whose id `takes` names.
pub(crate) fn export_where<M: Module>(module: &M, takes: impl Fn(ParamId) -> bool) -> Tensors {
    struct Export<F> {
        path: ParamPath,
        takes: F,
        out: Tensors,
    }
    impl<F: Fn(ParamId) -> bool> ModuleVisitor for Export<F> {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.path.enter(name, container);
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.exit();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if !(self.takes)(param.id) {
                return;
            }
            let value = param.val();
            let value = if self.path.is_linear_weight() { value.swap_dims(D - 2, D - 1) } else { value };
            let data = value.into_data().convert::<f32>();
            let shape = data.shape().to_vec();
            let values = data.try_into_vec::<f32>().expect("just converted to f32");
            self.out.insert(self.path.published(), (shape, values));
        }
    }
    let mut export = Export { path: ParamPath::default(), takes, out: BTreeMap::new() };
    module.visit(&mut export);
    export.out
}
