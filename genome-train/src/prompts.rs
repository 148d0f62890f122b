//! What the prompts of `peft-lingo` have to know of a base.

use burn::tensor::Tensor;
use model_zoo::{Base, BaseConfig};
use peft_core::{SiteKind, all_sites, weights_of};
use peft_lingo::ModelShape;

/// The sizes of a base that prefixes and prompts depend on.
pub fn model_shape(config: &BaseConfig) -> ModelShape {
    let (heads, d_embed) = (config.heads(), config.d_model());
    let (kv_heads, d_head) = match config {
        BaseConfig::Llama(c) => (c.num_key_value_heads, c.head_dim),
        BaseConfig::Opt(c) => (heads, c.hidden_size / heads.max(1)), // word embeddings may be narrower
        _ => (heads, d_embed / heads.max(1)),
    };
    ModelShape { layers: config.blocks(), heads, kv_heads, d_head, d_embed }
}

/// A copy of a base's word embeddings, [vocabulary, d_embed], for virtual tokens that start from them.
pub fn word_embeddings(base: &Base) -> Option<Tensor<2>> {
    let names = ["word_embeddings", "embed_tokens"];
    let mut sites = all_sites(base);
    sites.retain(|s| s.kind == SiteKind::Embedding && names.iter().any(|name| s.path.ends_with(name)));
    weights_of(base, &sites[..sites.len().min(1)]).into_values().next()
}
