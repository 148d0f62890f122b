//! Many adapters on one base.

use crate::Shape;
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Tensor};
use model_zoo::{Base, TokenBatch};
use peft_core::{AdapterSet, Adapters, Hooks};
use peft_lora::{AdapterBank, LoraLinear};

/// A base with as many adapters as the batch has rows.
#[derive(Debug)]
pub struct Residents {
    base: Base,
    batch: TokenBatch,
    adapters: Vec<Adapters<LoraLinear>>,
}

impl Residents {
    /// Each adapter from a seed of its own, and with an effect.
    pub fn new(shape: &Shape) -> Self {
        let base = shape.model();
        let (lora, device) = (shape.lora(), Device::default());
        let adapters = (0..shape.batch as u64).map(|seed| {
            let new = Adapters::attach(&base, &lora.selection(["classifier"]), &lora, seed, &device);
            new.expect("the targets exist").map(&mut Shake)
        });
        Residents { adapters: adapters.collect(), batch: shape.tokens_batch(), base }
    }

    /// The last hidden states of the batch, [batch, seq, d_model].
    pub fn encode(&self, hooks: &dyn Hooks) -> Tensor<3> {
        self.base.encode(&self.batch, hooks)
    }

    /// All adapters, stacked for batches that mix them.
    ///
    /// # Panics
    /// Never: the adapters were attached to this base.
    pub fn bank(&self) -> AdapterBank {
        AdapterBank::new(&self.base, &self.adapters.iter().collect::<Vec<_>>()).expect("attached to this base")
    }

    /// All adapters, by their number, none of them switched on.
    ///
    /// # Panics
    /// Never: the adapters were attached to this base.
    pub fn set(&self) -> AdapterSet {
        let mut set = AdapterSet::new();
        for (i, adapters) in self.adapters.iter().enumerate() {
            set.insert(i.to_string(), adapters.clone(), &self.base).expect("attached to this base");
        }
        set
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.adapters.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.adapters.is_empty()
    }
}

/// B starts at zero, and with it the effect of an adapter.
struct Shake;
impl ModuleMapper for Shake {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|tensor| tensor + 0.01)
    }
}
