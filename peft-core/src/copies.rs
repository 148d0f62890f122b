//! Parameters of the base that are trained as they are: biases, and the modules that PEFT's `modules_to_save` names.
//!
//! The base stays whole. Each such parameter has a trainable copy among the adapters, which stands in for it wherever
//! a model asks [`crate::Hooks`].

use std::any::Any;
use std::collections::{HashMap, HashSet};

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::sites::{Path, plain_values};
use crate::target::owns;
use crate::{Error, HostTensor, Result};

/// Which parameters of the base are trained as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CopyRule {
    /// Which biases.
    pub biases: Bias,
    /// Modules of which every parameter is: endings of paths, as in [`crate::Targets::Suffixes`]. One that the base does
    /// not have is a head of the caller's, and no error.
    pub modules: Vec<String>,
}

/// Which biases of the base are trained, PEFT's `bias`; in JSON under its names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bias {
    /// None of them.
    #[default]
    None,
    /// Every parameter that is published as `<something>.bias`: those of linear layers, of norms and of outputs, where the
    /// model asks [`crate::Hooks`] for them.
    All,
    /// Those of the layers that have an adapter.
    LoraOnly,
}

/// A trainable copy of one parameter of the base.
#[derive(Clone, Debug)]
pub(crate) struct Copied {
    /// The parameter's published name.
    pub(crate) name: String,
    /// What `name` is called in a folder: an adapted layer is a `base_layer` there.
    pub(crate) file_name: String,
    pub(crate) value: Value,
    /// The weight of a linear layer, which torch keeps transposed.
    pub(crate) transposed: bool,
    /// A folder may lack it: a bias of a part that the model had not, where the folder was written.
    pub(crate) optional: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Vector(Param<Tensor<1>>),
    Matrix(Param<Tensor<2>>),
}

/// The same for a vector and a matrix.
macro_rules! for_both {
    ($value:expr, $param:ident => $what:expr) => {
        match $value {
            $crate::copies::Value::Vector($param) => $what,
            $crate::copies::Value::Matrix($param) => $what,
        }
    };
    (map $value:expr, $param:ident => $what:expr) => {
        match $value {
            $crate::copies::Value::Vector($param) => $crate::copies::Value::Vector($what),
            $crate::copies::Value::Matrix($param) => $crate::copies::Value::Matrix($what),
        }
    };
}
pub(crate) use for_both;

/// Copies on `device` of what `rule` means in `base`, where the layers at `adapted` have adapters.
pub(crate) fn copies_of<M: Module>(
    base: &M,
    rule: &CopyRule,
    adapted: &HashSet<&str>,
    device: &Device,
) -> Result<Vec<Copied>> {
    struct Copy<'a> {
        at: Path,
        rule: &'a CopyRule,
        adapted: &'a HashSet<&'a str>,
        device: &'a Device,
        seen: HashSet<ParamId>,
        found: Vec<Copied>,
        failure: Option<Error>,
    }
    impl ModuleVisitor for Copy<'_> {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.at.enter(name, container);
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.at.exit();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let name = self.at.parameter();
            let (layer, field) = name.rsplit_once('.').unwrap_or(("", &name));
            let in_adapted = self.adapted.contains(layer);
            let bias = field == "bias"
                && match self.rule.biases {
                    Bias::None => false,
                    Bias::All => true,
                    Bias::LoraOnly => in_adapted,
                };
            let module = self.rule.modules.iter().any(|m| owns(m, layer));
            if !(bias || module) || self.failure.is_some() || !self.seen.insert(param.id) {
                return;
            }
            let copied = copy(param, self.device).ok_or_else(|| Error::NotCopied {
                name: name.clone(),
                reason: match param.val().dtype() {
                    DType::QFloat(_) => "it is quantised".into(),
                    _ => format!("it has {D} dimensions, and vectors and matrices are copied"),
                },
            });
            match copied {
                Ok(value) => self.found.push(Copied {
                    file_name: if in_adapted { format!("{layer}.base_layer.{field}") } else { name.clone() },
                    transposed: self.at.is_linear_weight(),
                    optional: bias && !module && !in_adapted,
                    name,
                    value,
                }),
                Err(error) => self.failure = Some(error),
            }
        }
    }
    if *rule == CopyRule::default() {
        return Ok(Vec::new()); // the usual case: no walk
    }
    let (at, seen) = (Path::default(), HashSet::new());
    let mut walk = Copy { at, rule, adapted, device, seen, found: Vec::new(), failure: None };
    base.visit(&mut walk);
    match walk.failure {
        Some(error) => Err(error),
        None => Ok(walk.found),
    }
}

fn copy<const D: usize>(param: &Param<Tensor<D>>, device: &Device) -> Option<Value> {
    let any: &dyn Any = param;
    if let Some(vector) = any.downcast_ref::<Param<Tensor<1>>>() {
        return Some(Value::Vector(Param::from_data(plain_values(vector.val()).to_data(), device)));
    }
    let matrix = any.downcast_ref::<Param<Tensor<2>>>()?;
    let value = matrix.val();
    (!matches!(value.dtype(), DType::QFloat(_)))
        .then(|| Value::Matrix(Param::from_data(plain_values(value).to_data(), device)))
}

/// Which of `copies` stands in for which parameter of `base`.
pub(crate) fn bind<M: Module>(copies: &[Copied], base: &M) -> Result<HashMap<ParamId, usize>> {
    struct Find<'a> {
        at: Path,
        wanted: HashMap<&'a str, usize>,
        found: HashMap<ParamId, usize>,
        shapes: Vec<Option<Vec<usize>>>,
    }
    impl ModuleVisitor for Find<'_> {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.at.enter(name, container);
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.at.exit();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(i) = self.wanted.get(self.at.parameter().as_str()) {
                self.found.insert(param.id, *i);
                self.shapes[*i] = Some(param.lazy_shape().to_vec());
            }
        }
    }
    if copies.is_empty() {
        return Ok(HashMap::new());
    }
    let wanted = copies.iter().enumerate().map(|(i, c)| (c.name.as_str(), i)).collect();
    let mut find = Find { at: Path::default(), wanted, found: HashMap::new(), shapes: vec![None; copies.len()] };
    base.visit(&mut find);
    let missing: Vec<String> =
        copies.iter().zip(&find.shapes).filter(|(_, s)| s.is_none()).map(|(c, _)| c.name.clone()).collect();
    if !missing.is_empty() {
        return Err(Error::MissingParameters { names: missing });
    }
    for (copied, found) in copies.iter().zip(find.shapes) {
        let (name, expected, found) = (copied.name.clone(), copied.shape(), found.unwrap_or_default());
        if expected != found {
            return Err(Error::ParameterShape { name, expected, found });
        }
    }
    Ok(find.found)
}

impl Copied {
    pub(crate) fn shape(&self) -> Vec<usize> {
        for_both!(&self.value, p => p.lazy_shape().to_vec())
    }

    /// The value in torch's layout.
    pub(crate) fn to_host(&self) -> HostTensor {
        let host = for_both!(&self.value, p => HostTensor::from_tensor(&p.val()));
        if self.transposed { host.transposed() } else { host }
    }

    /// The names that it may have in a folder, ours first.
    pub(crate) fn file_names(&self) -> [&str; 2] {
        [&self.file_name, &self.name]
    }

    /// The shape in torch's layout.
    pub(crate) fn file_shape(&self) -> Vec<usize> {
        let mut shape = self.shape();
        if self.transposed {
            shape.reverse();
        }
        shape
    }

    /// The copy with the values of `tensor`, in torch's layout and of [`Copied::file_shape`].
    pub(crate) fn filled(self, tensor: HostTensor) -> Self {
        let tensor = if self.transposed { tensor.transposed() } else { tensor };
        let value = for_both!(map self.value, p => crate::folder::filled(p, tensor));
        Copied { value, ..self }
    }
}
