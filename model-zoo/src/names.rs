//! Parameter paths: how a field of a Rust struct is called in the published checkpoint.
//!
//! Fields bear the published names, with two exceptions that hold everywhere: a trailing underscore is dropped
//! (`self_` is `self`, a keyword in Rust), and Burn's norms say `gamma`, `beta` where checkpoints say `weight`, `bias`.

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::Tensor;

/// The path of the module being visited, kept by a visitor or mapper.
#[derive(Debug, Default)]
pub(crate) struct Path {
    segments: Vec<(String, String)>,
}

impl Path {
    pub(crate) fn enter(&mut self, name: &str, container: &str) {
        self.segments.push((name.to_owned(), container.to_owned()));
    }

    pub(crate) fn exit(&mut self) {
        self.segments.pop();
    }

    /// Name in the checkpoint, such as `bert.encoder.layer.0.attention.self.Wqkv.weight`.
    pub(crate) fn published(&self) -> String {
        let norm = self.is_norm();
        let mut name = String::new();
        for (i, (segment, _)) in self.segments.iter().enumerate() {
            if i > 0 {
                name.push('.');
            }
            let last = i + 1 == self.segments.len();
            name.push_str(match segment.as_str() {
                "gamma" if norm && last => "weight",
                "beta" if norm && last => "bias",
                other => other.strip_suffix('_').unwrap_or(other),
            });
        }
        name
    }

    /// True for the scale or shift of a layer norm or RMS norm.
    pub(crate) fn is_norm(&self) -> bool {
        matches!(self.container(), "Struct:LayerNorm" | "Struct:RmsNorm")
    }

    /// True for the weight of a `Linear`: checkpoints hold it as [out, in], Burn as [in, out].
    pub(crate) fn is_linear_weight(&self) -> bool {
        self.container() == "Struct:Linear" && self.segments.last().is_some_and(|s| s.0 == "weight")
    }

    /// The type that holds the parameter itself, as the derive macro names it.
    pub(crate) fn container(&self) -> &str {
        self.segments.last().map_or("", |s| &s.1)
    }
}

/// One parameter of a module under its published name.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedParam {
    /// Name in the checkpoint.
    pub name: String,
    /// The parameter's identity in this process.
    pub id: ParamId,
    /// Shape as in the checkpoint (linear weights are [out, in]).
    pub shape: Vec<usize>,
    /// True if Burn holds the transposed matrix.
    pub transposed: bool,
}

/// All float parameters of `module` with their published names, without initialising any.
pub fn named_params<M: Module>(module: &M) -> Vec<NamedParam> {
    struct Collect {
        path: Path,
        found: Vec<NamedParam>,
    }
    impl ModuleVisitor for Collect {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.path.enter(name, container);
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.exit();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let transposed = self.path.is_linear_weight();
            let mut shape = param.lazy_shape().to_vec();
            if transposed {
                shape.reverse();
            }
            self.found.push(NamedParam { name: self.path.published(), id: param.id, shape, transposed });
        }
    }
    let mut collect = Collect { path: Path::default(), found: Vec::new() };
    module.visit(&mut collect);
    collect.found
}
