//! The models and batches that are timed.

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use model_zoo::dnabert2::Dnabert2Config;
use model_zoo::heads::{Head, HeadConfig, HeadKind};
use model_zoo::nucleotide_transformer::NucleotideTransformerConfig;
use model_zoo::seed::initialise;
use model_zoo::{Base, BaseConfig, TokenBatch};
use peft_lora::LoraConfig;

const SEED: u64 = 7;
const LABELS: usize = 2;

/// A model with random weights, the batch it reads, and the layers that LoRA adapts.
#[derive(Debug, Clone)]
pub struct Shape {
    /// What the bench is called.
    pub name: &'static str,
    /// The model.
    pub base: BaseConfig,
    /// The head's kind.
    pub head: HeadKind,
    /// Sequences in a batch.
    pub batch: usize,
    /// Tokens in a sequence; there is no padding.
    pub seq: usize,
    /// PEFT's `target_modules`.
    pub targets: &'static [&'static str],
}

impl Shape {
    /// DNABERT-2-117M: 12 layers of 768, 8 x 128 tokens, LoRA on all linear layers of the encoder.
    pub fn dnabert2_117m() -> Self {
        let targets = &["Wqkv", "dense", "gated_layers", "wo"];
        Shape { name: "dnabert2-117m", targets, ..Self::dnabert2_117m_wqkv() }
    }

    /// The same model with LoRA on the attention's projection alone, a fifth of its weights.
    pub fn dnabert2_117m_wqkv() -> Self {
        Shape {
            name: "dnabert2-117m-wqkv",
            base: BaseConfig::Dnabert2(Dnabert2Config::default()),
            head: HeadKind::Bert,
            batch: 8,
            seq: 128,
            targets: &["Wqkv"],
        }
    }

    /// Our own base: a Nucleotide Transformer of 6 layers of 128, 64 x 62 tokens, LoRA on all its linear layers.
    pub fn small_base() -> Self {
        Shape {
            name: "small-base",
            base: BaseConfig::NucleotideTransformer(NucleotideTransformerConfig {
                vocab_size: 4107, // the published one: a few letters would teach nothing in a few steps
                hidden_size: 128,
                num_hidden_layers: 6,
                num_attention_heads: 4,
                intermediate_size: 256,
                max_position_embeddings: 512,
                layer_norm_eps: 1e-12,
                pad_token_id: 1,
                initializer_range: 0.02,
                position_embedding_type: "rotary".into(),
                token_dropout: false,
                add_bias_fnn: Some(false),
                mask_token_id: None,
                mask_share: Default::default(),
                tie_word_embeddings: false,
                emb_layer_norm_before: false,
            }),
            head: HeadKind::Esm,
            batch: 64,
            seq: 62,
            targets: &["query", "key", "value", "dense"],
        }
    }

    /// The same model a thousand times smaller, for the smoke test.
    #[must_use]
    pub fn tiny(self) -> Self {
        let base = match self.base {
            BaseConfig::Dnabert2(c) => BaseConfig::Dnabert2(Dnabert2Config {
                vocab_size: 64,
                hidden_size: 32,
                num_hidden_layers: 2,
                num_attention_heads: 2,
                intermediate_size: 48,
                ..c
            }),
            BaseConfig::NucleotideTransformer(c) => BaseConfig::NucleotideTransformer(NucleotideTransformerConfig {
                vocab_size: 64,
                hidden_size: 32,
                num_hidden_layers: 2,
                num_attention_heads: 2,
                intermediate_size: 48,
                ..c
            }),
            other => other,
        };
        Shape { base, batch: 4, seq: 9, ..self }
    }

    /// Tokens in a batch.
    pub fn tokens(&self) -> usize {
        self.batch * self.seq
    }

    /// Rank 8 and alpha 16 on the targets.
    pub(crate) fn lora(&self) -> LoraConfig {
        LoraConfig { r: 8, lora_alpha: 16.0, ..LoraConfig::new(self.targets.iter().copied()) }
    }

    /// The model without its masked-language head, frozen on the plain device.
    pub(crate) fn model(&self) -> Base {
        initialise(self.base.init(false, false, &Device::default()), SEED, 0.02).set_require_grad(false)
    }

    /// A trainable head on `device`; BERT's brings its own pooler.
    pub(crate) fn head(&self, device: &Device) -> Head {
        let config = HeadConfig {
            kind: self.head,
            d_model: self.base.d_model(),
            num_labels: LABELS,
            dropout: 0.0,
            bins: 0,
            features: 0,
            own_pooler: self.head == HeadKind::Bert,
        };
        initialise(config.init(device), SEED, 0.02)
    }

    /// Rows of token ids.
    pub(crate) fn rows(&self) -> Vec<Vec<u32>> {
        let vocab = self.base.vocab_size() as u64;
        // Knuth's multiplicative hash: spread over the vocabulary above the special tokens, the same in every run.
        let id = |i: usize| 5 + (((i as u64 + SEED) * 2_654_435_761) >> 7) % (vocab - 5);
        (0..self.batch).map(|row| (0..self.seq).map(|at| id(row * self.seq + at) as u32).collect()).collect()
    }

    /// The batch, on the plain device.
    pub(crate) fn tokens_batch(&self) -> TokenBatch {
        TokenBatch::from_rows(&self.rows(), 1, &Device::default())
    }

    /// A label for each row, \[batch\].
    pub(crate) fn labels(&self) -> Tensor<1, Int> {
        let labels: Vec<i64> = (0..self.batch).map(|row| (row % LABELS) as i64).collect();
        Tensor::from_data(TensorData::from(&labels[..]), &Device::default())
    }
}
