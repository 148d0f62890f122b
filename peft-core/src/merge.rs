//! Writing adapters into the base weights, so that the model needs no hooks any more.

use std::collections::HashMap;

use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::tensor::{DType, Tensor};

use crate::sites::{Path, check_ties};
use crate::{Adapters, Error, LinearAdapter, Result, sites};

/// What [`Adapters::merge`] did to each layer.
#[derive(Clone, Debug, PartialEq)]
pub struct MergeReport {
    /// One entry for each adapted weight, in the order of the model; tied layers share one.
    pub sites: Vec<MergedSite>,
}

/// What merging did to one weight.
#[derive(Clone, Debug, PartialEq)]
pub struct MergedSite {
    /// The first path that leads to the weight.
    pub path: String,
    /// How far the weight moved: max |W' - W|.
    pub change: f32,
    /// What the weight's precision lost of the adapter: max |(W' - W) - ΔW|; `None` for a method whose effect is
    /// not a sum. Float rounding in f32, larger in a half-precision base.
    pub drift: Option<f32>,
}

impl MergeReport {
    /// The largest drift of all sites; 0 if there is none.
    pub fn largest_drift(&self) -> f32 {
        self.sites.iter().filter_map(|s| s.drift).fold(0.0, f32::max)
    }

    /// The largest change of all sites; 0 if there is none.
    pub fn largest_change(&self) -> f32 {
        self.sites.iter().map(|s| s.change).fold(0.0, f32::max)
    }
}

impl<A: LinearAdapter> Adapters<A> {
    /// `base` with the adapters written into its weights: W' does alone what W and the adapter did together.
    /// Parameter ids, devices, precision and gradient settings stay; a weight that two layers share is merged
    /// once and stays shared.
    ///
    /// # Errors
    /// What [`Adapters::bind`] says; [`Error::NotMergeable`] for a method without a merged form, for a quantised
    /// or f64 weight, and for a weight that is tied to something other than a linear layer; [`Error::SharedId`].
    pub fn merge<M: Module>(&self, base: M) -> Result<(M, MergeReport)> {
        let sites = sites(&base);
        let bound = self.bind_sites(&sites)?;
        let adapters: Vec<(ParamId, A)> =
            (sites.iter()).filter_map(|s| Some((s.id, bound.at(s.id)?.valid()))).collect();
        let adapted: Vec<_> = sites.iter().filter(|s| bound.at(s.id).is_some()).cloned().collect();
        check_ties(&base, &adapted)?;
        let mut merge = Merge {
            at: Path::default(),
            by_weight: adapters.into_iter().collect(),
            weight_of: adapted.into_iter().map(|s| (s.path, s.id)).collect(),
            weights: HashMap::new(),
            biases: HashMap::new(),
            report: Vec::new(),
            failure: None,
        };
        let merged = base.map(&mut merge);
        match merge.failure {
            Some(error) => Err(error),
            None => Ok((merged, MergeReport { sites: merge.report })),
        }
    }
}

/// A walk that replaces the weight and the bias of every adapted layer.
struct Merge<A> {
    at: Path,
    by_weight: HashMap<ParamId, A>,
    weight_of: HashMap<String, ParamId>,
    weights: HashMap<ParamId, Tensor<2>>, // merged already, [d_in, d_out]
    biases: HashMap<ParamId, Tensor<1>>,  // merged already, [d_out]
    report: Vec<MergedSite>,
    failure: Option<Error>,
}

impl<A: LinearAdapter> Merge<A> {
    /// `w`: [d_in, d_out].
    fn weight(&mut self, path: &str, id: ParamId, w: Tensor<2>) -> Result<Tensor<2>> {
        if let Some(merged) = self.weights.get(&id) {
            return Ok(merged.clone());
        }
        let Some(adapter) = self.by_weight.get(&id) else { return Ok(w) };
        let dtype = mergeable(path, w.dtype())?;
        let before = w.clone().without_autodiff();
        let exact = adapter.merged_weight(before.clone().cast(DType::F32)).map_err(|e| at_path(e, path))?;
        let after = exact.cast(dtype); // [d_in, d_out]
        let moved = after.clone().cast(DType::F32) - before.cast(DType::F32); // [d_in, d_out]
        let drift = adapter.delta_weight().map(|delta| largest(moved.clone() - delta.cast(DType::F32)));
        self.report.push(MergedSite { path: path.to_owned(), change: largest(moved), drift });
        let merged = like(after, &w);
        self.weights.insert(id, merged.clone());
        Ok(merged)
    }

    /// `b`: [d_out].
    fn bias(&mut self, path: &str, weight: ParamId, id: ParamId, b: Tensor<1>) -> Result<Tensor<1>> {
        if let Some(merged) = self.biases.get(&id) {
            return Ok(merged.clone());
        }
        let Some(adapter) = self.by_weight.get(&weight) else { return Ok(b) };
        let dtype = mergeable(path, b.dtype())?;
        let exact = adapter.merged_bias(b.clone().without_autodiff().cast(DType::F32)).map_err(|e| at_path(e, path))?;
        let merged = like(exact.cast(dtype), &b);
        self.biases.insert(id, merged.clone());
        Ok(merged)
    }

    fn replaced<const D: usize>(&mut self, param: &Param<Tensor<D>>) -> Result<Option<Tensor<D>>> {
        if let Some(path) = self.at.linear_field("weight").filter(|p| self.weight_of.contains_key(p)) {
            let shape = param.lazy_shape();
            let w = param.val().reshape([shape[0], shape[1]]); // [d_in, d_out]
            return Ok(Some(self.weight(&path, param.id, w)?.reshape(shape)));
        }
        if let Some(path) = self.at.linear_field("bias")
            && let Some(weight) = self.weight_of.get(&path).copied()
        {
            let shape = param.lazy_shape();
            let b = param.val().reshape([shape[0]]); // [d_out]
            return Ok(Some(self.bias(&path, weight, param.id, b)?.reshape(shape)));
        }
        if self.by_weight.contains_key(&param.id) {
            return Err(Error::NotMergeable {
                path: self.at.joined(),
                reason: "it is tied to an adapted layer but is no linear layer itself".into(),
            });
        }
        Ok(None)
    }
}

impl<A: LinearAdapter> ModuleMapper for Merge<A> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.at.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.at.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if self.failure.is_some() {
            return param;
        }
        match self.replaced(&param) {
            Ok(Some(value)) => {
                let gradient = param.is_require_grad();
                param.map(|_| value.set_require_grad(gradient))
            }
            Ok(None) => param,
            Err(error) => {
                self.failure = Some(error);
                param
            }
        }
    }
}

/// `dtype`, if its values can be merged in f32.
fn mergeable(path: &str, dtype: DType) -> Result<DType> {
    let reason = match dtype {
        DType::F32 | DType::Flex32 | DType::F16 | DType::BF16 => return Ok(dtype),
        DType::QFloat(_) => "the weight is quantised; merge into the full-precision base".to_owned(),
        other => format!("the weight is {other:?}, and sums are made in F32"),
    };
    Err(Error::NotMergeable { path: path.to_owned(), reason })
}

/// `value`, with autodiff where `model` has it.
fn like<const D: usize>(value: Tensor<D>, model: &Tensor<D>) -> Tensor<D> {
    if model.is_autodiff() { value.autodiff() } else { value }
}

fn largest(difference: Tensor<2>) -> f32 {
    difference.abs().max().into_scalar()
}

/// Names the layer in an error of an adapter, which does not know where it is.
fn at_path(error: Error, path: &str) -> Error {
    match error {
        Error::NotMergeable { reason, .. } => Error::NotMergeable { path: path.to_owned(), reason },
        other => other,
    }
}
