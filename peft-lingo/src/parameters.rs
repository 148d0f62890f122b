//! Trained tensors under the names that PEFT has for them in memory, in torch's layout.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Param;
use burn::nn::Linear;
use burn::tensor::{Tensor, TensorData};
use peft_core::{Error, HostTensor, Result};

/// The tensors of a file, taken out one by one.
#[derive(Debug)]
pub struct Source<'a> {
    /// What errors name.
    pub file: &'a Path,
    /// Those that nobody has taken, by name.
    pub tensors: BTreeMap<String, HostTensor>,
}

impl Source<'_> {
    /// `param` with the values of tensor `name`, laid out alike; its id, device and gradient setting stay.
    pub(crate) fn fill<const D: usize>(&mut self, name: &str, param: Param<Tensor<D>>) -> Result<Param<Tensor<D>>> {
        let tensor = self.take(name, &param.lazy_shape().to_vec())?;
        Ok(filled(param, tensor))
    }

    /// `layer` with the values of `<name>.weight` and `<name>.bias`.
    pub(crate) fn fill_linear(&mut self, name: &str, layer: Linear) -> Result<Linear> {
        let shape = layer.weight.lazy_shape(); // [d_in, d_out]
        let weight = self.take(&format!("{name}.weight"), &[shape[1], shape[0]])?;
        let bias = layer.bias.map(|bias| self.fill(&format!("{name}.bias"), bias)).transpose()?;
        Ok(Linear { weight: filled(layer.weight, weight.transposed()), bias })
    }

    fn take(&mut self, name: &str, shape: &[usize]) -> Result<HostTensor> {
        let (file, name) = (self.file.to_owned(), name.to_owned());
        let Some(tensor) = self.tensors.remove(&name) else { return Err(Error::MissingTensor { file, name }) };
        if tensor.shape() != shape {
            let (expected, found) = (shape.to_vec(), tensor.shape().to_vec());
            return Err(Error::TensorShape { file, name, expected, found });
        }
        match tensor.values().iter().position(|v| !v.is_finite()) {
            Some(index) => Err(Error::NotFinite { file, name, index, value: tensor.values()[index] }),
            None => Ok(tensor),
        }
    }
}

fn filled<const D: usize>(param: Param<Tensor<D>>, tensor: HostTensor) -> Param<Tensor<D>> {
    param.map(|old| {
        let data = TensorData::new(tensor.values().to_vec(), old.shape());
        Tensor::from_data(data, (&old.device(), old.dtype())).set_require_grad(old.is_require_grad())
    })
}

/// A parameter that is laid out as torch's.
pub(crate) fn named<const D: usize>(name: &str, param: &Param<Tensor<D>>) -> (String, HostTensor) {
    (name.to_owned(), HostTensor::from_tensor(&param.val()))
}

/// Weight and bias of a layer.
pub(crate) fn named_linear(name: &str, layer: &Linear) -> Vec<(String, HostTensor)> {
    let weight = HostTensor::from_tensor(&layer.weight.val()).transposed(); // [d_out, d_in]
    let bias = layer.bias.iter().map(|bias| named(&format!("{name}.bias"), bias));
    [(format!("{name}.weight"), weight)].into_iter().chain(bias).collect()
}
