//! Where a model can be adapted: its linear layers, by path.

use std::collections::HashMap;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::{Device, Tensor, TensorData};

use crate::{Error, Result};

/// One linear layer of a model.
#[derive(Clone, Debug)]
pub struct Site {
    /// The layer's path in the published checkpoint, without `.weight`: `encoder.layer.0.mlp.wo`.
    pub path: String,
    /// The identity of the layer's weight. Tied layers have the same.
    pub id: ParamId,
    /// The shape of the weight, [d_in, d_out].
    pub shape: [usize; 2],
    /// Where the weight lies (or will, if it is not initialised yet).
    pub device: Device,
}

impl Site {
    /// Features that enter the layer.
    pub fn d_in(&self) -> usize {
        self.shape[0]
    }

    /// Features that leave the layer.
    pub fn d_out(&self) -> usize {
        self.shape[1]
    }

    /// An [`Error::Method`] about this site.
    pub fn refuse(&self, reason: impl Into<String>) -> Error {
        Error::Method { path: self.path.clone(), shape: self.shape, reason: reason.into() }
    }
}

/// Every [`burn::nn::Linear`] of `model`, in the order of its fields. Nothing is initialised by looking.
///
/// A layer is recognised by its type's name, `Linear`, and a field `weight` of rank 2; embeddings and
/// convolutions are no sites. Paths are those of the fields joined by dots, with one trailing underscore
/// taken off each segment, because a Rust field cannot be called `self` or `type`:
/// the field `self_` is published as `self`.
pub fn sites<M: Module>(model: &M) -> Vec<Site> {
    let mut found = Vec::new();
    model.visit(&mut EachWeight {
        at: Path::default(),
        then: |path: String, weight: &Param<Tensor<2>>| {
            let shape = weight.lazy_shape(); // [d_in, d_out]
            found.push(Site { path, id: weight.id, shape: [shape[0], shape[1]], device: weight.lazy_device() });
        },
    });
    found
}

/// The published name of a path of Rust fields: one trailing underscore less in each segment.
///
/// ```
/// assert_eq!(peft_core::published("layer.0.self_.type_"), "layer.0.self.type");
/// ```
pub fn published(path: &str) -> String {
    path.split('.').map(published_segment).collect::<Vec<_>>().join(".")
}

fn published_segment(segment: &str) -> &str {
    match segment.strip_suffix('_') {
        Some(stripped) if !stripped.is_empty() => stripped,
        _ => segment,
    }
}

/// Fails if two of `sites` carry one id but not the same values: they are no tied layer but an accident.
pub(crate) fn check_ties<M: Module>(model: &M, sites: &[Site]) -> Result<()> {
    let mut count: HashMap<ParamId, usize> = HashMap::new();
    for site in sites {
        *count.entry(site.id).or_default() += 1;
    }
    count.retain(|_, n| *n > 1);
    if count.is_empty() {
        return Ok(()); // the usual case: no value is read
    }
    let mut seen: HashMap<ParamId, (String, TensorData)> = HashMap::new();
    let mut clash = None;
    model.visit(&mut EachWeight {
        at: Path::default(),
        then: |path: String, weight: &Param<Tensor<2>>| {
            if !count.contains_key(&weight.id) || clash.is_some() {
                return;
            }
            let data = weight.val().to_data(); // [d_in, d_out]
            match seen.get(&weight.id) {
                Some((first, values)) if *values != data => clash = Some((first.clone(), path)),
                Some(_) => {}
                None => {
                    seen.insert(weight.id, (path, data));
                }
            }
        },
    });
    match clash {
        Some((first, second)) => Err(Error::SharedId { first, second }),
        None => Ok(()),
    }
}

/// Where a walk through a module is: field names and the types that own them.
#[derive(Default)]
pub(crate) struct Path {
    segments: Vec<String>,
    in_linear: Vec<bool>,
}

impl Path {
    pub(crate) fn enter(&mut self, name: &str, container: &str) {
        self.segments.push(published_segment(name).to_owned());
        self.in_linear.push(container == "Struct:Linear");
    }

    pub(crate) fn exit(&mut self) {
        self.segments.pop();
        self.in_linear.pop();
    }

    /// The layer's path, if the walk is at the field `name` of a linear layer.
    pub(crate) fn linear_field(&self, name: &str) -> Option<String> {
        let (field, layer) = self.segments.split_last()?;
        (field == name && self.in_linear.last() == Some(&true)).then(|| layer.join("."))
    }

    pub(crate) fn joined(&self) -> String {
        self.segments.join(".")
    }
}

/// Calls `then` with the path and the weight [d_in, d_out] of every linear layer.
struct EachWeight<F> {
    at: Path,
    then: F,
}

impl<F: FnMut(String, &Param<Tensor<2>>)> ModuleVisitor for EachWeight<F> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.at.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.at.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(path) = self.at.linear_field("weight")
            && let Some(weight) = (param as &dyn std::any::Any).downcast_ref::<Param<Tensor<2>>>()
        {
            (self.then)(path, weight);
        }
    }
}
