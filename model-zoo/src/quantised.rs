//! Bases whose linear layers are held in 8 or 4 bits (Dettmers et al. 2023, "QLoRA: Efficient finetuning of quantized LLMs",
//! arXiv:2305.14314, with the symmetric integers of Burn's quantisation in place of NF4).
//!
//! The weights of the layers inside the blocks are packed as they are read, a few columns at a time, so that no matrix of full
//! precision ever stands in memory. Embeddings, norms, biases and heads stay f32, and so do adapters and activations. A packed layer is
//! computed by [`Quantised::hooks`]; whoever asks a packed parameter for its value without them gets the unpacked matrix, which is
//! right, but stays in memory.
//!
//! ```no_run
//! use burn::tensor::Device;
//! use model_zoo::packed::Bits;
//! use model_zoo::quantised::{QuantiseConfig, Quantised};
//! use model_zoo::{Base, Pass, Purpose, TokenBatch};
//! use peft_core::Plain;
//!
//! let device = Device::default();
//! let config = QuantiseConfig::new(Bits::Four);
//! let (loaded, quantised) = Quantised::from_pretrained("DNABERT-2-117M".as_ref(), Purpose::Encode, &device, config)?;
//! println!("{} layers in {} bytes", quantised.layers(), quantised.bytes());
//! let batch = TokenBatch::from_rows(&[vec![1, 5, 6, 2]], 3, &device);
//! let h = loaded.base.forward(&batch, &mut Pass::new().with_hooks(&quantised.hooks(&Plain)));
//! # Ok::<(), model_zoo::Error>(())
//! ```

mod stored;

use crate::base::Loaded;
use crate::checkpoint::{Checkpoint, Holder, load_with, unpacked_on_demand};
use crate::fused::packed_linear;
use crate::names::{NamedParam, named_params};
use crate::packed::{Bits, ByColumns, Packed};
use crate::{Base, BaseConfig, Error, Purpose, Result};
use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::nn::{Embedding, Linear};
use burn::tensor::{Device, Int, Tensor};
use peft_core::{Hooks, vector};
use std::collections::HashMap;
use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;
use stored::Stored;

/// How a base is quantised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuantiseConfig {
    /// Bits of a weight.
    pub bits: Bits,
    /// Weights that share a scale. Default 64.
    pub block: usize,
}

impl QuantiseConfig {
    /// Blocks of 64 weights.
    pub fn new(bits: Bits) -> Self {
        Self { bits, block: 64 }
    }

    /// The shape, [d_in, d_out], of the weight of a linear layer inside the model's blocks.
    fn takes(param: &NamedParam) -> Option<[usize; 2]> {
        let head = ["cls.", "lm_head.", "classifier.", "score."].iter().any(|h| param.name.starts_with(h));
        let [d_out, d_in] = param.shape[..] else { return None };
        (param.transposed && !head && !param.name.contains("pooler")).then_some([d_in, d_out])
    }
}

/// The packed weights of a base; of a base that is not quantised, none.
#[derive(Debug, Clone, Default)]
pub struct Quantised {
    layers: Arc<HashMap<ParamId, Arc<Packed>>>,
    config: Option<QuantiseConfig>,
}

impl Quantised {
    /// [`Base::from_pretrained`], packed as it is read. A folder that [`Quantised::save`] wrote is read as it is.
    ///
    /// # Errors
    /// As there; [`Error::Config`] if the folder holds its layers otherwise than `quantise` says.
    pub fn from_pretrained(
        path: &Path,
        purpose: Purpose,
        device: &Device,
        quantise: QuantiseConfig,
    ) -> Result<(Loaded, Self)> {
        let (config, file) = BaseConfig::open(path)?;
        if let Some(stored) = Stored::of(path, &file)? {
            if stored.config != quantise {
                let (expected, found) = (quantise, stored.config);
                let reason = format!("expected layers in {expected}, found them stored in {found}");
                return Err(Error::Config { path: path.into(), reason });
            }
            return stored.read(&config, &file, purpose, device);
        }
        let mut holder = Packing { config: quantise, layers: HashMap::new() };
        let base = config.lazy(&file.names(), purpose, device);
        let (base, report) = config.with_rules(purpose, |rules| load_with(base, &file, rules, &mut holder))?;
        let loaded = Loaded { base, sha256: file.sha256()?, report };
        Ok((loaded, Self { layers: Arc::new(holder.layers), config: Some(quantise) }))
    }

    /// Packs the layers of a base in memory; one that is packed already is packed again.
    pub fn pack(base: Base, quantise: QuantiseConfig) -> (Base, Self) {
        let params = named_params(&base).into_iter().map(|p| (p.id, p)).collect();
        let mut map = PackAll { params, holder: Packing { config: quantise, layers: HashMap::new() } };
        let base = base.map(&mut map);
        (base, Self { layers: Arc::new(map.holder.layers), config: Some(quantise) })
    }

    /// Hooks that compute packed layers, and everything else as `inner` does.
    pub fn hooks<'a>(&'a self, inner: &'a dyn Hooks) -> QuantisedHooks<'a> {
        QuantisedHooks { layers: &self.layers, inner }
    }

    /// How it was quantised; `None` if it was not.
    pub fn config(&self) -> Option<QuantiseConfig> {
        self.config
    }

    /// Number of packed layers.
    pub fn layers(&self) -> usize {
        self.layers.len()
    }

    /// Bytes of the packed layers.
    pub fn bytes(&self) -> usize {
        self.layers.values().map(|packed| packed.bytes()).sum()
    }

    /// A layer's packed weight, [d_in, d_out].
    pub fn get(&self, weight: ParamId) -> Option<&Arc<Packed>> {
        self.layers.get(&weight)
    }
}

/// Hooks on a quantised base: see [`Quantised::hooks`].
pub struct QuantisedHooks<'a> {
    layers: &'a HashMap<ParamId, Arc<Packed>>,
    inner: &'a dyn Hooks,
}

impl std::fmt::Debug for QuantisedHooks<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QuantisedHooks").field("layers", &self.layers.len()).finish_non_exhaustive()
    }
}

impl Hooks for QuantisedHooks<'_> {
    fn linear(&self, layer: &Linear, x: Tensor<3>) -> Tensor<3> {
        match self.layers.get(&layer.weight.id) {
            Some(weight) if self.inner.own_matrix(&layer.weight).is_none() => {
                let x = self.inner.before_linear(layer, x); // [batch, seq, d_in]
                let bias = layer.bias.as_ref().map(|b| vector(self.inner, b));
                let y = packed_linear(x.clone(), weight, bias); // [batch, seq, d_out]
                self.inner.after_linear(layer, &x, y)
            }
            _ => self.inner.linear(layer, x),
        }
    }
    fn skips(&self, layer: &Linear) -> bool {
        !self.layers.contains_key(&layer.weight.id) && self.inner.skips(layer)
    }
    fn before_linear(&self, layer: &Linear, x: Tensor<3>) -> Tensor<3> {
        self.inner.before_linear(layer, x)
    }
    fn after_linear(&self, layer: &Linear, x: &Tensor<3>, y: Tensor<3>) -> Tensor<3> {
        self.inner.after_linear(layer, x, y)
    }
    fn own_vector(&self, base: &Param<Tensor<1>>) -> Option<Tensor<1>> {
        self.inner.own_vector(base)
    }
    fn own_matrix(&self, base: &Param<Tensor<2>>) -> Option<Tensor<2>> {
        self.inner.own_matrix(base)
    }
    fn after_embedding(&self, layer: &Embedding, ids: &Tensor<2, Int>, y: Tensor<3>) -> Tensor<3> {
        self.inner.after_embedding(layer, ids, y)
    }
    fn key_value(&self, block: usize, k: Tensor<4>, v: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        self.inner.key_value(block, k, v)
    }
    fn prefix_len(&self) -> usize {
        self.inner.prefix_len()
    }
    fn embeddings(&self, h: Tensor<3>) -> Tensor<3> {
        self.inner.embeddings(h)
    }
    fn virtual_tokens(&self) -> usize {
        self.inner.virtual_tokens()
    }
}

/// Packs weights as they are read.
struct Packing {
    config: QuantiseConfig,
    layers: HashMap<ParamId, Arc<Packed>>,
}

impl Holder for Packing {
    fn read(&mut self, param: &NamedParam, name: &str, file: &Checkpoint) -> Result<Option<Arc<Packed>>> {
        let Some(shape) = QuantiseConfig::takes(param) else { return Ok(None) };
        let mut columns = ByColumns::new(shape, self.config.bits, self.config.block);
        file.stream_f32(name, &mut |run| columns.push(run))?;
        let packed = Arc::new(columns.finish());
        self.layers.insert(param.id, packed.clone());
        Ok(Some(packed))
    }
}

/// Packs a module that is in memory.
struct PackAll {
    params: HashMap<ParamId, NamedParam>,
    holder: Packing,
}

impl ModuleMapper for PackAll {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(shape) = QuantiseConfig::takes(&self.params[&param.id]) else { return param };
        let values: Vec<f32> = param.val().into_data().convert::<f32>().try_into_vec().expect("just converted to f32");
        let packed = Arc::new(Packed::new(&values, shape, self.holder.config.bits, self.holder.config.block));
        self.holder.layers.insert(param.id, packed.clone());
        unpacked_on_demand(&param, packed)
    }
}

impl Display for QuantiseConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bits in blocks of {}", self.bits.number(), self.block)
    }
}

impl Base {
    /// The base with its packed layers as f32 again, for merging and saving.
    pub fn dequantised(self) -> Self {
        self.map(&mut Touch)
    }
}

/// Makes every parameter hold its value.
struct Touch;

impl ModuleMapper for Touch {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let value = param.val();
        Param::initialized(param.id, value)
    }
}
