//! A bidirectional LSTM, laid out and started as torch's.
//!
//! Hochreiter and Schmidhuber 1997; gates in the order of `torch.nn.LSTM`:
//!
//! ```text
//! i, f, g, o = x W_ihᵀ + b_ih + h W_hhᵀ + b_hh      σ on i, f and o, tanh on g
//! c' = f ∘ c + i ∘ g      h' = o ∘ tanh(c')
//! ```

use burn::module::{Module, Param};
use burn::tensor::activation::sigmoid;
use burn::tensor::{Device, Tensor};
use peft_core::HostTensor;
use rand_chacha::ChaCha8Rng;

use crate::parameters::{Source, named};
use crate::start::uniform;

/// Layers of two directions each.
#[derive(Module, Debug)]
pub struct BiLstm {
    layers: Vec<BiLstmLayer>,
}

/// One layer, read from the front and from the back.
#[derive(Module, Debug)]
pub struct BiLstmLayer {
    forward: LstmCell,
    backward: LstmCell,
}

/// One direction of one layer.
#[derive(Module, Debug)]
pub struct LstmCell {
    weight_ih: Param<Tensor<2>>, // [4·hidden, d_in]
    weight_hh: Param<Tensor<2>>, // [4·hidden, hidden]
    bias_ih: Param<Tensor<1>>,   // [4·hidden]
    bias_hh: Param<Tensor<1>>,   // [4·hidden]
}

impl BiLstm {
    /// [seq, d_in] to [seq, 2·hidden].
    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.layers.iter().fold(x, |x, layer| {
            Tensor::cat(vec![layer.forward.run(x.clone(), false), layer.backward.run(x, true)], 1) // [seq, 2·hidden]
        })
    }

    pub(crate) fn init(rng: &mut ChaCha8Rng, d_in: usize, hidden: usize, layers: usize, device: &Device) -> Self {
        let bound = (hidden.max(1) as f64).sqrt().recip();
        let layers = (0..layers).map(|layer| {
            let d_in = if layer == 0 { d_in } else { 2 * hidden };
            let mut cell = || LstmCell {
                weight_ih: uniform(rng, [4 * hidden, d_in], bound, device),
                weight_hh: uniform(rng, [4 * hidden, hidden], bound, device),
                bias_ih: uniform(rng, [4 * hidden], bound, device),
                bias_hh: uniform(rng, [4 * hidden], bound, device),
            };
            BiLstmLayer { forward: cell(), backward: cell() }
        });
        BiLstm { layers: layers.collect() }
    }

    pub(crate) fn parameters(&self, name: &str) -> Vec<(String, HostTensor)> {
        let each = self.layers.iter().enumerate().flat_map(|(i, layer)| {
            let ends = [(format!("l{i}"), &layer.forward), (format!("l{i}_reverse"), &layer.backward)];
            ends.into_iter().flat_map(|(end, cell)| cell.parameters(name, &end))
        });
        each.collect()
    }

    pub(crate) fn filled(self, name: &str, source: &mut Source<'_>) -> peft_core::Result<Self> {
        let layers = self.layers.into_iter().enumerate().map(|(i, layer)| {
            Ok::<_, peft_core::Error>(BiLstmLayer {
                forward: layer.forward.filled(name, &format!("l{i}"), source)?,
                backward: layer.backward.filled(name, &format!("l{i}_reverse"), source)?,
            })
        });
        Ok(BiLstm { layers: layers.collect::<Result<_, _>>()? })
    }
}

impl LstmCell {
    /// [seq, d_in] to [seq, hidden], each place where it stood.
    fn run(&self, x: Tensor<2>, reverse: bool) -> Tensor<2> {
        let (seq, hidden) = (x.dims()[0], self.weight_hh.lazy_shape()[1]);
        let bias = (self.bias_ih.val() + self.bias_hh.val()).unsqueeze::<2>();
        let inputs = x.matmul(self.weight_ih.val().transpose()) + bias; // [seq, 4·hidden]
        let recurrent = self.weight_hh.val().transpose(); // [hidden, 4·hidden]
        let zeros = || Tensor::<2>::zeros([1, hidden], &inputs.device().inner());
        let (mut h, mut c): (Tensor<2>, Tensor<2>) = (zeros(), zeros());
        let mut states = Vec::with_capacity(seq);
        for step in 0..seq {
            let place = if reverse { seq - 1 - step } else { step };
            let gates = inputs.clone().narrow(0, place, 1) + h.matmul(recurrent.clone()); // [1, 4·hidden]
            let gate = |i: usize| gates.clone().narrow(1, i * hidden, hidden); // [1, hidden]
            c = sigmoid(gate(1)) * c + sigmoid(gate(0)) * gate(2).tanh();
            h = sigmoid(gate(3)) * c.clone().tanh();
            states.push(h.clone());
        }
        if reverse {
            states.reverse();
        }
        Tensor::cat(states, 0) // [seq, hidden]
    }

    fn parameters(&self, name: &str, end: &str) -> [(String, HostTensor); 4] {
        [
            named(&format!("{name}.weight_ih_{end}"), &self.weight_ih),
            named(&format!("{name}.weight_hh_{end}"), &self.weight_hh),
            named(&format!("{name}.bias_ih_{end}"), &self.bias_ih),
            named(&format!("{name}.bias_hh_{end}"), &self.bias_hh),
        ]
    }

    fn filled(self, name: &str, end: &str, source: &mut Source<'_>) -> peft_core::Result<Self> {
        Ok(LstmCell {
            weight_ih: source.fill(&format!("{name}.weight_ih_{end}"), self.weight_ih)?,
            weight_hh: source.fill(&format!("{name}.weight_hh_{end}"), self.weight_hh)?,
            bias_ih: source.fill(&format!("{name}.bias_ih_{end}"), self.bias_ih)?,
            bias_hh: source.fill(&format!("{name}.bias_hh_{end}"), self.bias_hh)?,
        })
    }
}
