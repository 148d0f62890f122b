//! The models and batches that are timed.

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use model_zoo::checkpoint::SaveDtype;
use model_zoo::dnabert2::Dnabert2Config;
use model_zoo::heads::{Head, HeadConfig, HeadKind};
use model_zoo::llama::LlamaConfig;
use model_zoo::nucleotide_transformer::NucleotideTransformerConfig;
use model_zoo::seed::initialise;
use model_zoo::{Base, BaseConfig, TokenBatch};
use peft_adalora::{AdaLoraConfig, Schedule};
use peft_lora::LoraConfig;
use std::path::Path;

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
    /// Tokens in the longest sequence.
    pub seq: usize,
    /// Tokens in the others.
    pub lengths: Lengths,
    /// PEFT's `target_modules`.
    pub targets: &'static [&'static str],
}

/// How many tokens the sequences of a batch have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lengths {
    /// All as many: there is no padding.
    Equal,
    /// Between an eighth of the longest and all of it, evenly spread.
    Mixed,
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
            lengths: Lengths::Equal,
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
            lengths: Lengths::Equal,
            targets: &["query", "key", "value", "dense"],
        }
    }

    /// SmolLM2-135M: LLaMA, 30 layers of 576, 9 heads of which 3 have keys, 49,152 tokens, tied; 8 x 128 tokens.
    pub fn smollm2_135m() -> Self {
        let config = serde_json::json!({
            "model_type": "llama", "vocab_size": 49152, "hidden_size": 576, "intermediate_size": 1536,
            "num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3,
            "max_position_embeddings": 8192, "rms_norm_eps": 1e-5, "rope_theta": 100_000.0, "tie_word_embeddings": true,
        });
        Shape {
            name: "smollm2-135m",
            base: BaseConfig::parse(Path::new("config.json"), &config.to_string()).expect("a LLaMA"),
            head: HeadKind::Last,
            batch: 8,
            seq: 128,
            lengths: Lengths::Equal,
            targets: &["q_proj", "k_proj", "v_proj"],
        }
    }

    /// Four batches' worth of sequences of mixed lengths: enough to sort.
    #[must_use]
    pub fn mixed(self) -> Self {
        Shape { batch: 4 * self.batch, lengths: Lengths::Mixed, ..self }
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
            BaseConfig::Llama(c) => BaseConfig::Llama(LlamaConfig {
                vocab_size: 64,
                hidden_size: 32,
                num_hidden_layers: 2,
                num_attention_heads: 4,
                num_key_value_heads: 2,
                head_dim: 8,
                intermediate_size: 48,
                ..c
            }),
            other => other,
        };
        Shape { base, batch: 4, seq: 9, ..self }
    }

    /// Tokens of all sequences, padding not counted.
    pub fn tokens(&self) -> usize {
        self.row_lengths().iter().sum()
    }

    /// Tokens of each sequence.
    pub fn row_lengths(&self) -> Vec<usize> {
        let shortest = self.seq.div_ceil(8);
        match self.lengths {
            Lengths::Equal => vec![self.seq; self.batch],
            Lengths::Mixed => {
                (0..self.batch).map(|row| shortest + spread(row) as usize % (self.seq + 1 - shortest)).collect()
            }
        }
    }

    /// Rank 8 and alpha 16 on the targets.
    pub fn lora(&self) -> LoraConfig {
        LoraConfig { r: 8, lora_alpha: 16.0, ..LoraConfig::new(self.targets.iter().copied()) }
    }

    /// AdaLoRA that ends at LoRA's rank on the targets, and allocates ranks at every step: the most that it can cost.
    pub(crate) fn adalora(&self) -> AdaLoraConfig {
        let schedule = Schedule { tinit: 0, tfinal: 1, delta_t: 1, total_step: 10_000 };
        AdaLoraConfig { init_r: 12, target_r: 8, ..AdaLoraConfig::new(self.targets.iter().copied(), schedule) }
    }

    /// The model without its masked-language head, frozen on the plain device.
    pub(crate) fn model(&self) -> Base {
        initialise(self.base.init(false, false, &Device::default()), SEED, 0.02).set_require_grad(false)
    }

    /// The model with its language-model head.
    pub(crate) fn language_model(&self) -> Base {
        initialise(self.base.init(true, false, &Device::default()), SEED, 0.02).set_require_grad(false)
    }

    /// The first tokens of the first sequence.
    pub(crate) fn prompt(&self, tokens: usize) -> Vec<u32> {
        let shape = Shape { batch: 1, seq: tokens, lengths: Lengths::Equal, ..self.clone() };
        shape.rows().remove(0)
    }

    /// Writes the model into a folder, as the hub has it.
    ///
    /// # Errors
    /// What the file system says.
    pub fn save(&self, dir: &Path) -> model_zoo::Result<()> {
        self.model().save(dir, SaveDtype::F32)
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
        let id = |i: usize| 5 + spread(i) % (vocab - 5); // above the special tokens
        let rows = self.row_lengths().into_iter().enumerate();
        rows.map(|(row, length)| (0..length).map(|at| id(row * self.seq + at) as u32).collect()).collect()
    }

    /// The batch, on the plain device.
    pub fn tokens_batch(&self) -> TokenBatch {
        TokenBatch::from_rows(&self.rows(), 1, &Device::default())
    }

    /// A label for each row, \[batch\].
    pub(crate) fn labels(&self) -> Tensor<1, Int> {
        let labels: Vec<i64> = (0..self.batch).map(|row| (row % LABELS) as i64).collect();
        Tensor::from_data(TensorData::from(&labels[..]), &Device::default())
    }
}

/// Knuth's multiplicative hash: spread evenly, and the same in every run.
fn spread(i: usize) -> u64 {
    ((i as u64 + SEED) * 2_654_435_761) >> 7
}
