//! The checkpoints of `testdata`, and prompts of every method on them.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part")]

use std::path::PathBuf;

use burn::tensor::{Device, Tensor};
use model_zoo::{Base, BaseConfig, Purpose};
use peft_core::Hooks;
use peft_lingo::{
    ModelShape, PTuningConfig, PrefixTuningConfig, Prompt, PromptMethod, PromptTuningConfig, PromptTuningInit,
    Reparameterization, Vocabulary,
};

pub const ENCODERS: [&str; 4] = ["bert", "dnabert2", "nt_v1", "nt_v2"];
pub const DECODERS: [&str; 4] = ["opt_pre", "opt_post", "llama_mha", "llama_gqa"];

/// A checkpoint of `testdata/models`.
pub fn base(name: &str) -> Base {
    let root = std::env::var_os("GENOME_FIXTURES")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata")), PathBuf::from);
    let dir = root.join("models").join(name);
    Base::from_pretrained(&dir, Purpose::Encode, &Device::default()).unwrap_or_else(|e| panic!("{name}: {e}")).base
}

pub fn shape(base: &Base) -> ModelShape {
    let config = base.config();
    let (heads, d_embed) = (config.heads(), config.d_model());
    let (kv_heads, d_head) = match &config {
        BaseConfig::Llama(c) => (c.num_key_value_heads, c.head_dim),
        BaseConfig::Opt(c) => (heads, c.hidden_size / heads),
        _ => (heads, d_embed / heads),
    };
    ModelShape { layers: config.blocks(), heads, kv_heads, d_head, d_embed }
}

/// What a test does with one method.
pub trait Check {
    fn check<C: PromptMethod>(&mut self, name: &str, config: C, prompt: C::Prompt);
}

/// Does it with every method, on a base of this shape, with `n` virtual tokens.
pub fn for_all_methods(model: &ModelShape, n: usize, device: &Device, check: &mut impl Check) {
    fn one<C: PromptMethod>(name: &str, config: C, model: &ModelShape, device: &Device, check: &mut impl Check) {
        let config = config.for_model(model).unwrap();
        let prompt = config.init(Vocabulary::default(), 7, device).unwrap();
        assert_eq!(prompt.prompt_embeddings().dims(), config.shape().unwrap());
        check.check(name, config, prompt);
    }
    one("prefix", PrefixTuningConfig::new(n), model, device, check);
    let projected = PrefixTuningConfig { prefix_projection: true, ..PrefixTuningConfig::new(n) };
    one("prefix, projected", PrefixTuningConfig { encoder_hidden_size: Some(10), ..projected }, model, device, check);
    one("prompt", PromptTuningConfig::new(n), model, device, check);
    let mlp = PTuningConfig { encoder_hidden_size: Some(12), ..PTuningConfig::new(n) };
    one("P-tuning, MLP", mlp.clone(), model, device, check);
    let lstm = PTuningConfig { encoder_reparameterization_type: Reparameterization::Lstm, ..mlp };
    one("P-tuning, LSTM", lstm, model, device, check);
}

/// A prompt that starts from rows of the vocabulary.
pub fn from_words(model: &ModelShape, init: PromptTuningInit, n: usize) -> PromptTuningConfig {
    PromptTuningConfig { prompt_tuning_init: init, ..PromptTuningConfig::new(n) }.for_model(model).unwrap()
}

pub fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().try_into_vec().unwrap()
}

pub fn bits<const D: usize>(tensor: Tensor<D>) -> Vec<u32> {
    values(tensor).into_iter().map(f32::to_bits).collect()
}

/// How many positions hooks put before the words of a row.
pub fn virtual_tokens(hooks: &dyn Hooks) -> usize {
    hooks.virtual_tokens()
}
