//! A toy model that knows no method, and two toy methods that know no model.
#![allow(dead_code, missing_docs, unreachable_pub, reason = "shared by several test programs")]

use burn::module::{Module, Param};
use burn::nn::{Embedding, EmbeddingConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor, TensorData};
use peft_core::{
    Adapters, Error, FolderAdapter, FolderConfig, Hooks, HostTensor, LinearAdapter, Method, Result, Selection, Site,
    SiteTensors, Targets, linear,
};
use serde::{Deserialize, Serialize};

pub const D_IN: usize = 4;
pub const D_MID: usize = 6;
pub const D_OUT: usize = 3;

/// An embedding, which is no site, and two linear layers.
#[derive(Module, Debug)]
pub struct Toy {
    pub embed: Embedding, // [5, D_IN]
    pub self_: Mlp,
}

#[derive(Module, Debug)]
pub struct Mlp {
    pub up: Linear,   // [D_IN, D_MID]
    pub down: Linear, // [D_MID, D_OUT], no bias
}

impl Toy {
    pub fn new(device: &Device) -> Self {
        Toy {
            embed: EmbeddingConfig::new(5, D_IN).init(device),
            self_: Mlp {
                up: LinearConfig::new(D_IN, D_MID).init(device),
                down: LinearConfig::new(D_MID, D_OUT).with_bias(false).init(device),
            },
        }
    }

    /// [..., D_IN] to [..., D_OUT].
    pub fn forward<const D: usize>(&self, x: Tensor<D>, hooks: &dyn Hooks) -> Tensor<D> {
        let h = linear(hooks, &self.self_.up, x).tanh(); // [..., D_MID]
        linear(hooks, &self.self_.down, h) // [..., D_OUT]
    }

    /// Every weight and bias, bit by bit.
    pub fn bits(&self) -> Vec<TensorData> {
        let bias = self.self_.up.bias.as_ref().unwrap();
        vec![
            self.embed.weight.val().to_data(),
            self.self_.up.weight.val().to_data(),
            bias.val().to_data(),
            self.self_.down.weight.val().to_data(),
        ]
    }
}

/// y ↦ y · s, feature by feature.
#[derive(Module, Debug)]
pub struct Scale {
    pub s: Param<Tensor<1>>, // [d_out]
}

impl LinearAdapter for Scale {
    fn after(&self, _layer: &Linear, _x: &Tensor<3>, y: Tensor<3>) -> Tensor<3> {
        y * self.s.val().reshape([1, 1, -1]) // [batch, seq, d_out]
    }
    fn delta_weight(&self) -> Option<Tensor<2>> {
        None
    }
    fn merged_weight(&self, w: Tensor<2>) -> Result<Tensor<2>> {
        Ok(w * self.s.val().reshape([1, -1])) // [d_in, d_out]
    }
    fn merged_bias(&self, b: Tensor<1>) -> Result<Tensor<1>> {
        Ok(b * self.s.val()) // [d_out]
    }
}

impl FolderAdapter for Scale {
    fn tensors(&self) -> Vec<(String, HostTensor)> {
        vec![("scale".into(), HostTensor::from_tensor(&self.s.val()))]
    }
    fn with_tensors(self, tensors: &mut SiteTensors<'_>) -> Result<Self> {
        Ok(Scale { s: tensors.fill("scale", self.s)? })
    }
}

/// y ↦ y + x D, with a D of full size; adds nothing to the bias and has no merged form if told so.
#[derive(Module, Debug)]
pub struct Dense {
    pub d: Param<Tensor<2>>, // [d_in, d_out]
    pub mergeable: bool,
}

impl LinearAdapter for Dense {
    fn after(&self, _layer: &Linear, x: &Tensor<3>, y: Tensor<3>) -> Tensor<3> {
        y + x.clone().matmul(self.d.val().unsqueeze()) // [batch, seq, d_out]
    }
    fn delta_weight(&self) -> Option<Tensor<2>> {
        self.mergeable.then(|| self.d.val())
    }
}

impl FolderAdapter for Dense {
    fn tensors(&self) -> Vec<(String, HostTensor)> {
        vec![("dense.weight".into(), HostTensor::from_tensor(&self.d.val()).transposed())]
    }
    fn with_tensors(self, tensors: &mut SiteTensors<'_>) -> Result<Self> {
        Ok(Dense { d: tensors.fill_transposed("dense.weight", self.d)?, ..self })
    }
}

/// Settings of both.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScaleMethod {
    pub target_modules: Targets,
    #[serde(default)]
    pub modules_to_save: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct DenseMethod {
    pub mergeable: bool,
}

impl ScaleMethod {
    pub fn everywhere() -> Self {
        ScaleMethod { target_modules: Targets::AllLinear, modules_to_save: vec!["head".into()] }
    }
}

impl FolderConfig for ScaleMethod {
    const PEFT_TYPE: &'static str = "SCALE";
    const FIELDS: &'static [&'static str] = &["target_modules", "modules_to_save"];
    fn check(&self) -> Result<()> {
        match self.target_modules {
            Targets::Regex(_) => Err(Error::config("target_modules", &self.target_modules, "no regex in this toy")),
            _ => Ok(()),
        }
    }
}

impl Method for ScaleMethod {
    type Adapter = Scale;
    fn adapter_type(&self) -> &'static str {
        Self::PEFT_TYPE
    }
    fn init(&self, site: &Site, seed: [u8; 32], device: &Device) -> Result<Scale> {
        let values = noise(seed, site.d_out(), 1.0);
        Ok(Scale { s: Param::from_data(TensorData::new(values, [site.d_out()]), device) })
    }
}

impl Method for DenseMethod {
    type Adapter = Dense;
    fn adapter_type(&self) -> &'static str {
        "DENSE"
    }
    fn init(&self, site: &Site, seed: [u8; 32], device: &Device) -> Result<Dense> {
        let values = noise(seed, site.d_in() * site.d_out(), 0.0);
        let d = Param::from_data(TensorData::new(values, site.shape), device);
        Ok(Dense { d, mergeable: self.mergeable })
    }
}

/// Numbers near `around` that follow from `seed`; good enough for a toy.
pub fn noise(seed: [u8; 32], n: usize, around: f32) -> Vec<f32> {
    let byte = |i: usize| f32::from(seed[i % 32].wrapping_add((i / 32 * 37) as u8));
    (0..n).map(|i| around + byte(i) / 255.0 - 0.5).collect()
}

pub fn everywhere() -> Selection {
    Targets::AllLinear.into()
}

pub fn scales(base: &Toy, seed: u64, device: &Device) -> Adapters<Scale> {
    Adapters::attach(base, &everywhere(), &ScaleMethod::everywhere(), seed, device).unwrap()
}

pub fn denses(base: &Toy, seed: u64, device: &Device) -> Adapters<Dense> {
    Adapters::attach(base, &everywhere(), &DenseMethod { mergeable: true }, seed, device).unwrap()
}

/// Inputs [n, D_IN] that follow from `seed`.
pub fn inputs(n: usize, seed: u64, device: &Device) -> Tensor<2> {
    let values = noise(peft_core::site_seed(seed, "inputs"), n * D_IN, 0.0);
    Tensor::from_data(TensorData::new(values, [n, D_IN]), device)
}

pub fn largest<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> f32 {
    (a.without_autodiff() - b.without_autodiff()).abs().max().into_scalar()
}
