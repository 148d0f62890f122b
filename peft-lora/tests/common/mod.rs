//! A small model with every kind of place that an adapter can act at, and all methods.
#![allow(dead_code, missing_docs, unreachable_pub, reason = "shared by several test programs")]

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::nn::{Embedding, EmbeddingConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Int, Tensor, TensorData};
use peft_core::{Adapters, Hooks, LinearAdapter, Targets, embedding, layer_norm, linear, vector};
use peft_lora::{Bias, LoraConfig, LoraLinear, Start};

pub const WORDS: usize = 11;
pub const D: usize = 8;

#[derive(Module, Debug)]
pub struct Net {
    pub embed: Embedding, // [WORDS, D]
    pub layer: Vec<Block>,
    pub lm_head: Linear, // [D, WORDS], no bias
    pub output: Bare,
}

#[derive(Module, Debug)]
pub struct Block {
    pub query: Linear,
    pub norm: LayerNorm,
    pub up: Linear,   // [D, 2·D]
    pub down: Linear, // [2·D, D], no bias
}

/// A bias that belongs to no layer.
#[derive(Module, Debug)]
pub struct Bare {
    pub bias: Param<Tensor<1>>, // [WORDS]
}

impl Net {
    /// All values from `seed`.
    pub fn new(seed: u64, device: &Device) -> Self {
        let linear = |d_in, d_out, bias| LinearConfig::new(d_in, d_out).with_bias(bias).init(device);
        let block = || Block {
            query: linear(D, D, true),
            norm: LayerNormConfig::new(D).with_epsilon(1e-3).init(device),
            up: linear(D, 2 * D, true),
            down: linear(2 * D, D, false),
        };
        let net = Net {
            embed: EmbeddingConfig::new(WORDS, D).init(device),
            layer: vec![block(), block()],
            lm_head: linear(D, WORDS, false),
            output: Bare { bias: Param::from_tensor(Tensor::zeros([WORDS], device)) },
        };
        shaken(net, seed).no_grad()
    }

    /// [batch, seq] to [batch, seq, WORDS].
    pub fn forward(&self, ids: Tensor<2, Int>, hooks: &dyn Hooks) -> Tensor<3> {
        let mut h = embedding(hooks, &self.embed, ids); // [batch, seq, D]
        for block in &self.layer {
            let q = hooks.linear(&block.query, h.clone()).tanh();
            h = layer_norm(hooks, &block.norm).forward(h + q);
            let up = linear(hooks, &block.up, h.clone().unsqueeze_dim::<4>(0)).tanh(); // rank 4 too
            h = h + linear(hooks, &block.down, up).squeeze_dim::<3>(0);
        }
        hooks.linear(&self.lm_head, h) + vector(hooks, &self.output.bias).unsqueeze()
    }

    pub fn bits(&self) -> Vec<TensorData> {
        struct Values(Vec<TensorData>);
        impl ModuleVisitor for Values {
            fn visit_float<const N: usize>(&mut self, param: &Param<Tensor<N>>) {
                self.0.push(param.val().to_data());
            }
        }
        let mut values = Values(Vec::new());
        self.visit(&mut values);
        values.0
    }
}

/// `module` with noise on every parameter, as after training.
pub fn shaken<M: Module>(module: M, seed: u64) -> M {
    struct Shake(u64);
    impl ModuleMapper for Shake {
        fn map_float<const N: usize>(&mut self, param: Param<Tensor<N>>) -> Param<Tensor<N>> {
            self.0 = self.0.wrapping_add(1);
            let seed = self.0;
            param.map(|t| {
                let noise = noise(t.shape().num_elements(), seed);
                let device = t.device().inner();
                let noise: Tensor<N> = Tensor::from_data(TensorData::new(noise, t.shape()), &device);
                let grad = t.is_require_grad();
                let autodiff = t.is_autodiff();
                let sum = t.without_autodiff() + noise;
                if autodiff { sum.autodiff().set_require_grad(grad) } else { sum }
            })
        }
    }
    module.map(&mut Shake(seed.wrapping_mul(1000)))
}

/// `n` numbers in (-0.5, 0.5) that follow from `seed`.
pub fn noise(n: usize, seed: u64) -> Vec<f32> {
    let blocks = (0..n.div_ceil(32)).flat_map(|i| peft_core::site_seed(seed, &i.to_string()));
    blocks.take(n).map(|b| f32::from(b) / 255.0 - 0.5).collect()
}

pub fn ids(batch: usize, seq: usize, seed: u64) -> Tensor<2, Int> {
    let blocks = (0..(batch * seq).div_ceil(32)).flat_map(|i| peft_core::site_seed(seed, &format!("ids {i}")));
    let values: Vec<i64> = blocks.take(batch * seq).map(|b| i64::from(b) % WORDS as i64).collect();
    Tensor::from_data(TensorData::new(values, [batch, seq]), &Device::default())
}

pub fn largest<const N: usize>(a: Tensor<N>, b: Tensor<N>) -> f32 {
    (a.without_autodiff() - b.without_autodiff()).abs().max().into_scalar()
}

pub fn attach(net: &Net, config: &LoraConfig, seed: u64, device: &Device) -> Adapters<LoraLinear> {
    Adapters::attach(net, &config.selection(Vec::<String>::new()), config, seed, device).unwrap()
}

/// One configuration of each kind.
pub fn every_kind() -> Vec<(&'static str, LoraConfig)> {
    let plain = || LoraConfig { r: 2, lora_alpha: 3.0, ..LoraConfig::new(["query", "down"]) };
    let start = |init_lora_weights| LoraConfig { init_lora_weights, ..plain() };
    vec![
        ("lora", plain()),
        ("gaussian", start(Start::Gaussian)),
        ("orthogonal", start(Start::Orthogonal)),
        ("pissa", start(Start::PISSA)),
        ("olora", start(Start::Olora)),
        ("rslora", LoraConfig { use_rslora: true, ..plain() }),
        ("dora", LoraConfig { use_dora: true, ..plain() }),
        ("dora of pissa", LoraConfig { use_dora: true, ..start(Start::PISSA) }),
        ("dora, all biases", LoraConfig { use_dora: true, bias: Bias::All, ..plain() }),
        ("embedding", LoraConfig { target_modules: Targets::suffixes(["embed", "up"]), ..plain() }),
        ("dora of an embedding", LoraConfig { use_dora: true, ..LoraConfig::new(["embed"]) }),
        ("lora_bias", LoraConfig { lora_bias: true, target_modules: Targets::suffixes(["query", "up"]), ..plain() }),
        ("bias lora_only", LoraConfig { bias: Bias::LoraOnly, ..plain() }),
        ("bias all", LoraConfig { bias: Bias::All, ..plain() }),
        ("modules_to_save", LoraConfig { modules_to_save: vec!["lm_head".into(), "0.norm".into()], ..plain() }),
        ("embedding saved whole", LoraConfig { modules_to_save: vec!["embed".into(), "layer.1".into()], ..plain() }),
        (
            "patterns",
            LoraConfig {
                rank_pattern: [("layer.0.query", 4), ("query", 1)].into(),
                alpha_pattern: [("down", 7.0)].into(),
                layers_to_transform: Some(vec![0].into()),
                layers_pattern: Some("layer".to_owned().into()), // nothing stands before it, which PEFT asks for without
                ..plain()
            },
        ),
    ]
}

/// How far the outputs of `net` with `adapters` are from those without.
pub fn effect<A: LinearAdapter>(net: &Net, adapters: &Adapters<A>, ids: &Tensor<2, Int>) -> f32 {
    let adapted = net.forward(ids.clone(), &adapters.bind(net).unwrap());
    largest(adapted, net.forward(ids.clone(), &peft_core::Plain))
}
