//! Where a model can be adapted: its linear layers and its embedding tables, by path.

use std::any::Any;
use std::collections::{HashMap, HashSet};

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::{DType, Device, Tensor, TensorData};

use crate::{Error, Result};

/// What kind of layer a site is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SiteKind {
    /// A linear layer.
    Linear,
    /// An embedding table: a linear layer whose input is one-hot.
    Embedding,
}

/// One layer of a model that can be adapted.
#[derive(Clone, Debug)]
pub struct Site {
    /// The layer's path in the published checkpoint, without `.weight`: `encoder.layer.0.mlp.wo`.
    pub path: String,
    /// The identity of the layer's weight. Tied layers have the same.
    pub id: ParamId,
    /// The shape of the weight: [d_in, d_out], or [vocabulary, d_model] of an embedding.
    pub shape: [usize; 2],
    /// What kind of layer it is.
    pub kind: SiteKind,
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
    let mut found = all_sites(model);
    found.retain(|site| site.kind == SiteKind::Linear);
    found
}

/// Every [`burn::nn::Linear`] and every [`burn::nn::Embedding`] of `model`, as [`sites`] finds them.
pub fn all_sites<M: Module>(model: &M) -> Vec<Site> {
    let mut found = Vec::new();
    model.visit(&mut EachWeight {
        at: Path::default(),
        then: |path: String, kind: SiteKind, weight: &Param<Tensor<2>>| {
            let shape = weight.lazy_shape(); // [d_in, d_out]
            let (shape, device) = ([shape[0], shape[1]], weight.lazy_device());
            found.push(Site { path, id: weight.id, shape, kind, device });
        },
    });
    found
}

/// The values of one layer of the base, for a method that starts from them.
#[derive(Clone, Debug)]
pub struct BaseLayer {
    /// The weight, `[d_in, d_out]`, off the autodiff device and de-quantised.
    pub weight: Tensor<2>,
    /// The bias, `[d_out]`, if the layer has one.
    pub bias: Option<Tensor<1>>,
}

/// The weights of those layers of `model` that `sites` names, by path: `[d_in, d_out]`, off the autodiff device and
/// de-quantised.
pub fn weights_of<M: Module>(model: &M, sites: &[Site]) -> HashMap<String, Tensor<2>> {
    base_layers(model, sites).into_iter().map(|(path, layer)| (path, layer.weight)).collect()
}

/// The values of those layers of `model` that `sites` names, by path.
pub(crate) fn base_layers<M: Module>(model: &M, sites: &[Site]) -> HashMap<String, BaseLayer> {
    struct Collect<'a> {
        at: Path,
        wanted: HashSet<&'a str>,
        found: HashMap<String, BaseLayer>,
    }
    impl ModuleVisitor for Collect<'_> {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.at.enter(name, container);
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.at.exit();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let param: &dyn Any = param;
            if let Some((path, _)) = self.at.site_field("weight").filter(|(p, _)| self.wanted.contains(p.as_str()))
                && let Some(weight) = param.downcast_ref::<Param<Tensor<2>>>()
            {
                let weight = plain_values(weight.val());
                self.found.insert(path, BaseLayer { weight, bias: None });
            } else if let Some((path, _)) = self.at.site_field("bias")
                && let Some(bias) = param.downcast_ref::<Param<Tensor<1>>>()
                && let Some(layer) = self.found.get_mut(&path)
            {
                layer.bias = Some(plain_values(bias.val()));
            }
        }
    }
    let wanted = sites.iter().map(|s| s.path.as_str()).collect();
    let mut collect = Collect { at: Path::default(), wanted, found: HashMap::new() };
    model.visit(&mut collect);
    collect.found
}

/// `value` off the autodiff device, de-quantised, as f32.
pub fn plain_values<const D: usize>(value: Tensor<D>) -> Tensor<D> {
    let value = value.without_autodiff();
    match value.dtype() {
        DType::QFloat(_) => value.dequantize(),
        DType::F32 => value,
        _ => value.cast(DType::F32),
    }
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
        then: |path: String, _: SiteKind, weight: &Param<Tensor<2>>| {
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
    containers: Vec<Container>,
}

/// The types whose fields have a meaning here.
#[derive(Clone, Copy, PartialEq)]
enum Container {
    Layer(SiteKind),
    Norm,
    Other,
}

impl Path {
    pub(crate) fn enter(&mut self, name: &str, container: &str) {
        self.segments.push(published_segment(name).to_owned());
        self.containers.push(match container {
            "Struct:Linear" => Container::Layer(SiteKind::Linear),
            "Struct:Embedding" => Container::Layer(SiteKind::Embedding),
            "Struct:LayerNorm" | "Struct:RmsNorm" => Container::Norm,
            _ => Container::Other,
        });
    }

    pub(crate) fn exit(&mut self) {
        self.segments.pop();
        self.containers.pop();
    }

    /// The layer's path and kind, if the walk is at the field `name` of a layer that can be adapted.
    pub(crate) fn site_field(&self, name: &str) -> Option<(String, SiteKind)> {
        let (field, layer) = self.segments.split_last()?;
        match self.containers.last()? {
            Container::Layer(kind) if field == name => Some((layer.join("."), *kind)),
            _ => None,
        }
    }

    /// The published name of the parameter that the walk is at: a norm's `gamma` is its `weight`, its `beta` its
    /// `bias`.
    pub(crate) fn parameter(&self) -> String {
        let norm = self.containers.last() == Some(&Container::Norm);
        let name = self.segments.join(".");
        match name.rsplit_once('.') {
            Some((layer, "gamma")) if norm => format!("{layer}.weight"),
            Some((layer, "beta")) if norm => format!("{layer}.bias"),
            _ => name,
        }
    }

    /// True at the weight of a linear layer, which torch keeps transposed.
    pub(crate) fn is_linear_weight(&self) -> bool {
        matches!(self.site_field("weight"), Some((_, SiteKind::Linear)))
    }

    pub(crate) fn joined(&self) -> String {
        self.segments.join(".")
    }
}

/// Calls `then` with the path, the kind and the weight [d_in, d_out] of every layer that can be adapted.
struct EachWeight<F> {
    at: Path,
    then: F,
}

impl<F: FnMut(String, SiteKind, &Param<Tensor<2>>)> ModuleVisitor for EachWeight<F> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.at.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.at.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some((path, kind)) = self.at.site_field("weight")
            && let Some(weight) = (param as &dyn Any).downcast_ref::<Param<Tensor<2>>>()
        {
            (self.then)(path, kind, weight);
        }
    }
}
