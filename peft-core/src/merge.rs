//! Writing adapters into the base weights, so that the model needs no hooks any more.

use std::collections::{HashMap, HashSet};

use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::nn::Linear;
use burn::tensor::{DType, Int, Tensor, TensorData};

use crate::bound::Found;
use crate::copies::Value;
use crate::sites::{Path, all_sites, check_ties};
use crate::{Adapters, Error, LinearAdapter, Result, SiteKind, site_seed};

/// What [`Adapters::merge`] did to each layer.
#[derive(Clone, Debug, PartialEq)]
pub struct MergeReport {
    /// One entry for each adapted weight, in the order of the model; tied layers share one. Parameters that were
    /// trained as they are follow their layer, each under its own name.
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
    /// How far the merged layer's outputs are from the adapted one's: the largest difference over
    /// [`PROBE_ROWS`] rows of noise from U(-1, 1), the same in every run. Measured for every method.
    pub output_drift: f32,
}

/// Rows of noise that each merged layer is tried on.
pub const PROBE_ROWS: usize = 4;

impl MergeReport {
    /// The largest drift of all sites; 0 if there is none.
    pub fn largest_drift(&self) -> f32 {
        self.sites.iter().filter_map(|s| s.drift).fold(0.0, f32::max)
    }

    /// The largest difference of outputs of all sites; 0 if there is none.
    pub fn largest_output_drift(&self) -> f32 {
        self.sites.iter().map(|s| s.output_drift).fold(0.0, f32::max)
    }

    /// The largest change of all sites; 0 if there is none.
    pub fn largest_change(&self) -> f32 {
        self.sites.iter().map(|s| s.change).fold(0.0, f32::max)
    }
}

/// A merged model, and the base as it was.
#[derive(Clone, Debug)]
pub struct Merged<M> {
    base: M,
    /// The merged model.
    pub model: M,
    /// What merging did.
    pub report: MergeReport,
}

impl<M> Merged<M> {
    /// The base, bit by bit as it was: it was kept, and nothing is subtracted.
    pub fn unmerge(self) -> M {
        self.base
    }

    /// The base.
    pub fn base(&self) -> &M {
        &self.base
    }
}

impl<A: LinearAdapter> Adapters<A> {
    /// `base` with the adapters written into its weights: W' does alone what W and the adapter did together.
    /// Parameter ids, devices, precision and gradient settings stay; a weight that two layers share is merged
    /// once and stays shared.
    ///
    /// An embedding whose table the model also uses as its output matrix, without a layer of its own, is one
    /// parameter with two uses: the adapter acts on the look-up alone, and the merged table in both places.
    ///
    /// # Errors
    /// What [`Adapters::bind`] says; [`Error::NotMergeable`] for a method without a merged form, for a quantised
    /// or f64 weight, for a bias that the layer has no place for, and for a weight that is tied to something other
    /// than a layer that is adapted; [`Error::SharedId`].
    pub fn merge<M: Module>(&self, base: M) -> Result<(M, MergeReport)> {
        let sites = all_sites(&base);
        let found = Found::of(self, &base)?;
        // A weight may be shared by layers of both kinds; the adapter is for one.
        let adapted: Vec<_> = (sites.iter())
            .filter(|s| found.entries.get(&s.id).is_some_and(|i| self.entries[*i].kind == s.kind))
            .cloned()
            .collect();
        check_ties(&base, &adapted)?;
        let mut merge = Merge {
            at: Path::default(),
            by_weight: found.entries.iter().map(|(id, i)| (*id, self.entries[*i].adapter.valid())).collect(),
            copies: found.copies.iter().map(|(id, i)| (*id, self.copies[*i].value.clone())).collect(),
            weight_of: adapted.iter().map(|s| (s.path.clone(), (s.id, s.kind))).collect(),
            weights: HashMap::new(),
            biases: HashMap::new(),
            with_bias: HashSet::new(),
            report: Vec::new(),
            failure: None,
        };
        let merged = base.map(&mut merge);
        for site in &adapted {
            if merge.failure.is_none() && !merge.with_bias.contains(&site.path) {
                merge.failure = merge.refuse_bias(&site.path, site.id, site.d_out()).err();
            }
        }
        match merge.failure {
            Some(error) => Err(error),
            None => Ok((merged, MergeReport { sites: merge.report })),
        }
    }

    /// [`Adapters::merge`] that keeps the base, so that [`Merged::unmerge`] is exact. Weights that no adapter changes
    /// are shared by both, not copied.
    ///
    /// # Errors
    /// As [`Adapters::merge`].
    pub fn merge_keeping<M: Module>(&self, base: M) -> Result<Merged<M>> {
        let (model, report) = self.merge(base.clone())?;
        Ok(Merged { base, model, report })
    }
}

/// A walk that replaces the weight and the bias of every adapted layer, and what has a trained copy.
struct Merge<A> {
    at: Path,
    by_weight: HashMap<ParamId, A>,
    copies: HashMap<ParamId, Value>,
    weight_of: HashMap<String, (ParamId, SiteKind)>,
    weights: HashMap<ParamId, Tensor<2>>, // merged already, [d_in, d_out]
    biases: HashMap<ParamId, Tensor<1>>,  // merged already, [d_out]
    with_bias: HashSet<String>,
    report: Vec<MergedSite>,
    failure: Option<Error>,
}

impl<A: LinearAdapter> Merge<A> {
    /// `w`: [d_in, d_out].
    fn weight(&mut self, path: &str, kind: SiteKind, id: ParamId, w: Tensor<2>) -> Result<Tensor<2>> {
        if let Some(merged) = self.weights.get(&id) {
            return Ok(merged.clone());
        }
        let Some(adapter) = self.by_weight.get(&id) else { return Ok(w) };
        let dtype = mergeable(path, w.dtype())?;
        let before = w.clone().without_autodiff();
        let exact = adapter.merged_weight(before.clone().cast(DType::F32)).map_err(|e| at_path(e, path))?;
        let after = exact.cast(dtype); // [d_in, d_out]
        let (old, new) = (before.cast(DType::F32), after.clone().cast(DType::F32));
        let moved = new.clone() - old.clone(); // [d_in, d_out]
        let drift = adapter.delta_weight().map(|delta| largest(moved.clone() - delta.cast(DType::F32)));
        let output_drift = probe(adapter, path, kind, old, new).map_err(|e| at_path(e, path))?;
        self.report.push(MergedSite { path: path.to_owned(), change: largest(moved), drift, output_drift });
        let merged = like(after, &w);
        self.weights.insert(id, merged.clone());
        Ok(merged)
    }

    /// `b`: [d_out], what the layer adds without the adapter.
    fn bias(&mut self, path: &str, weight: ParamId, id: ParamId, b: Tensor<1>) -> Result<Tensor<1>> {
        self.with_bias.insert(path.to_owned());
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

    /// Fails if the adapter adds a bias to a layer that has none.
    fn refuse_bias(&self, path: &str, weight: ParamId, d_out: usize) -> Result<()> {
        let Some(adapter) = self.by_weight.get(&weight) else { return Ok(()) };
        let Some(w) = self.weights.get(&weight) else { return Ok(()) };
        let none = Tensor::zeros([d_out], &w.device().inner());
        match largest(adapter.merged_bias(none).map_err(|e| at_path(e, path))?) {
            0.0 => Ok(()),
            _ => Err(Error::NotMergeable {
                path: path.to_owned(),
                reason: "the adapter adds a bias, and the layer has none".into(),
            }),
        }
    }

    /// What stands in for a parameter with the value `of`: its trained copy, in its precision; reported under `name`.
    fn copied<const D: usize>(&mut self, id: ParamId, of: &Tensor<D>) -> Result<Option<Tensor<D>>> {
        let Some(copy) = self.copies.get(&id) else { return Ok(None) };
        let name = self.at.parameter();
        let dtype = mergeable(&name, of.dtype())?;
        let flat: Tensor<1> = match copy {
            Value::Vector(own) => own.val().without_autodiff(),
            Value::Matrix(own) => own.val().without_autodiff().flatten(0, 1),
        };
        let exact: Tensor<D> = flat.reshape(of.shape());
        let old = of.clone().without_autodiff().cast(DType::F32);
        let after = exact.clone().cast(dtype);
        let new = after.clone().cast(DType::F32);
        let (change, drift) = (largest(new.clone() - old), largest(new - exact));
        self.report.push(MergedSite { path: name, change, drift: Some(drift), output_drift: drift });
        Ok(Some(like(after, of)))
    }

    fn replaced<const D: usize>(&mut self, param: &Param<Tensor<D>>) -> Result<Option<Tensor<D>>> {
        let shape = param.lazy_shape();
        if let Some((path, kind)) = self.at.site_field("weight")
            && self.weight_of.get(&path).is_some_and(|(_, of)| *of == kind)
        {
            let w = param.val().reshape([shape[0], shape[1]]); // [d_in, d_out]
            return Ok(Some(self.weight(&path, kind, param.id, w)?.reshape(shape)));
        }
        if let Some((path, kind)) = self.at.site_field("bias")
            && let Some((weight, _)) = self.weight_of.get(&path).copied().filter(|(_, of)| *of == kind)
        {
            let b = param.val();
            let b = self.copied(param.id, &b)?.unwrap_or(b);
            return Ok(Some(self.bias(&path, weight, param.id, b.reshape([shape[0]]))?.reshape(shape)));
        }
        if self.by_weight.contains_key(&param.id) {
            return Err(Error::NotMergeable {
                path: self.at.joined(),
                reason: "it is tied to an adapted layer but is no such layer itself".into(),
            });
        }
        if self.copies.contains_key(&param.id) {
            return self.copied(param.id, &param.val());
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

/// The largest difference between what a layer with the weight `old` and the adapter, and one with the weight `new`
/// alone make of noise, both [d_in, d_out]. Biases are left out but for what the adapter adds.
fn probe<A: LinearAdapter>(adapter: &A, path: &str, kind: SiteKind, old: Tensor<2>, new: Tensor<2>) -> Result<f32> {
    let device = old.device();
    let [d_in, d_out] = old.dims();
    let bytes = (0..(PROBE_ROWS * d_in).div_ceil(32)).flat_map(|i| site_seed(i as u64, path));
    let weight = Param::initialized(ParamId::new(), old);
    let (adapted, merged): (Tensor<3>, Tensor<3>) = match kind {
        SiteKind::Linear => {
            let noise: Vec<f32> = bytes.take(PROBE_ROWS * d_in).map(|b| f32::from(b) / 127.5 - 1.0).collect();
            let x: Tensor<3> = Tensor::from_data(TensorData::new(noise, [1, PROBE_ROWS, d_in]), &device);
            let layer = Linear { weight, bias: None };
            let entered = adapter.before(x.clone());
            let y = layer.forward(entered.clone()); // [1, rows, d_out]
            (adapter.after(&layer, &entered, y), x.matmul(new.unsqueeze()))
        }
        SiteKind::Embedding => {
            let ids: Vec<i64> = bytes.take(PROBE_ROWS).map(|b| i64::from(b) % d_in.max(1) as i64).collect();
            let ids: Tensor<2, Int> = Tensor::from_data(TensorData::new(ids, [1, PROBE_ROWS]), &device);
            let layer = burn::nn::Embedding { weight };
            let y = layer.forward(ids.clone()); // [1, rows, d_model]
            let merged = burn::tensor::module::embedding(new, ids.clone());
            (adapter.after_embedding(&layer, &ids, y), merged)
        }
    };
    let added = adapter.merged_bias(Tensor::zeros([d_out], &device))?; // [d_out]
    Ok(largest(adapted - (merged + added.unsqueeze())))
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

fn largest<const D: usize>(difference: Tensor<D>) -> f32 {
    difference.without_autodiff().abs().max().into_scalar()
}

/// Names the layer in an error of an adapter, which does not know where it is.
fn at_path(error: Error, path: &str) -> Error {
    match error {
        Error::NotMergeable { reason, .. } => Error::NotMergeable { path: path.to_owned(), reason },
        other => other,
    }
}
