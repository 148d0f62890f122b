//! The models of `genome matrix`: checkpoints, and small ones with random weights where none is given.

use crate::bases;
use anyhow::{Context, Result, bail};
use burn::module::Module;
use burn::tensor::Device;
use clap::ValueEnum;
use genome_formats::LabelledFile;
use genome_tokenize::{BpeTraining, Case, NtVersion, TokenizerSpec, train_bpe};
use model_zoo::BaseConfig;
use model_zoo::checkpoint::SaveDtype;
use model_zoo::seed::initialise;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// A family of models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FamilyName {
    /// Nucleotide Transformer, version 1 or 2
    Nt,
    /// DNABERT: BERT on k-mers
    Dnabert,
    /// DNABERT-2
    Dnabert2,
    /// OPT
    Opt,
    /// LLaMA
    Llama,
}

impl FamilyName {
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Nt => "NT",
            Self::Dnabert => "DNABERT",
            Self::Dnabert2 => "DNABERT-2",
            Self::Opt => "OPT",
            Self::Llama => "LLaMA",
        }
    }

    /// As the command line has it.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Nt => "nt",
            Self::Dnabert => "dnabert",
            Self::Dnabert2 => "dnabert2",
            Self::Opt => "opt",
            Self::Llama => "llama",
        }
    }

    pub(crate) fn reads_text(self) -> bool {
        matches!(self, Self::Opt | Self::Llama)
    }

    fn is_of(self, config: &BaseConfig) -> bool {
        matches!(
            (self, config),
            (Self::Nt, BaseConfig::NucleotideTransformer(_))
                | (Self::Dnabert, BaseConfig::Bert(_))
                | (Self::Dnabert2, BaseConfig::Dnabert2(_))
                | (Self::Opt, BaseConfig::Opt(_))
                | (Self::Llama, BaseConfig::Llama(_))
        )
    }
}

/// A model folder.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) family: FamilyName,
    pub(crate) dir: PathBuf,
    /// For people.
    pub(crate) description: String,
    pub(crate) random: bool,
}

impl Model {
    /// A checkpoint of the family.
    pub(crate) fn given(family: FamilyName, dir: PathBuf) -> Result<Self> {
        let (config, file) = BaseConfig::open(&dir)?;
        if !family.is_of(&config) {
            bail!("{}: expected a checkpoint of {}, found {}", dir.display(), family.title(), config.family());
        }
        let weights: usize = file.names().iter().filter_map(|n| Some(file.shape(n)?.iter().product::<usize>())).sum();
        let name = dir.file_name().unwrap_or(dir.as_os_str()).to_string_lossy().into_owned();
        let description = format!(
            "{name}, {} layers of width {}, {} values in the file",
            config.blocks(),
            config.d_model(),
            crate::ui::thousands(weights)
        );
        Ok(Self { family, dir, description, random: false })
    }

    /// The built-in base, written to a folder of its own within `within`.
    pub(crate) fn built_in(within: &Path) -> Result<Self> {
        let dir = within.join(bases::BASE_TINY);
        std::fs::create_dir(&dir).with_context(|| dir.display().to_string())?;
        bases::write_base_tiny(&dir)?;
        Self::given(FamilyName::Nt, dir)
    }

    /// A model with random weights, written to a folder of its own within `within`. Its words fit the family: a BPE of DNA is
    /// trained on `rows`.
    pub(crate) fn random(family: FamilyName, rows: &LabelledFile, seed: u64, within: &Path) -> Result<Self> {
        let dir = within.join(family.key());
        std::fs::create_dir(&dir).with_context(|| dir.display().to_string())?;
        let vocab_size = write_tokenizer(family, rows, &dir)?;
        let config = BaseConfig::parse(&dir.join("config.json"), &small(family, vocab_size).to_string())?;
        // Wider than the 0.02 of pre-training: what comes out of layers that nothing was trained in should differ.
        let base = initialise(config.init(false, false, &Device::flex()), seed, 0.15);
        base.save(&dir, SaveDtype::F32)?;
        let description = format!(
            "random weights from seed {seed}, {} layers of width {}, {} parameters",
            config.blocks(),
            config.d_model(),
            crate::ui::thousands(base.num_params())
        );
        Ok(Self { family, dir, description, random: true })
    }
}

/// `config.json` of a small model.
fn small(family: FamilyName, vocab_size: usize) -> Value {
    let mut config = json!({
        "vocab_size": vocab_size, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
        "intermediate_size": 128, "max_position_embeddings": 512, "type_vocab_size": 2,
    });
    let own = match family {
        FamilyName::Nt => json!({
            "model_type": "esm", "pad_token_id": 1, "position_embedding_type": "rotary", "add_bias_fnn": false,
        }),
        FamilyName::Dnabert => json!({ "model_type": "bert", "pad_token_id": 0 }),
        FamilyName::Dnabert2 => json!({ "alibi_starting_size": 512, "pad_token_id": 3 }),
        FamilyName::Opt => json!({ "model_type": "opt", "ffn_dim": 128, "word_embed_proj_dim": 64 }),
        FamilyName::Llama => json!({ "model_type": "llama", "num_key_value_heads": 2, "pad_token_id": 1 }),
    };
    let fields = config.as_object_mut().expect("written as an object");
    fields.extend(own.as_object().expect("written as an object").clone());
    config
}

/// Writes what the family's tokenizer needs, and gives the number of its tokens.
fn write_tokenizer(family: FamilyName, rows: &LabelledFile, dir: &Path) -> Result<usize> {
    match family {
        FamilyName::Nt => TokenizerSpec::Nt { version: NtVersion::V2, case: Case::default() }.save(dir)?,
        FamilyName::Dnabert => TokenizerSpec::Kmer { k: 6, case: Case::default() }.save(dir)?,
        FamilyName::Dnabert2 => {
            let training = BpeTraining { vocab_size: 256, ..BpeTraining::default() };
            train_bpe(training, rows.rows.iter().map(|row| &row.sequence))?.save(dir.join("tokenizer.json"))?;
        }
        FamilyName::Opt | FamilyName::Llama => {
            std::fs::write(dir.join("tokenizer.json"), byte_tokens().to_string())?;
        }
    }
    Ok(genome_tokenize::load(dir)?.model_vocab_size())
}

/// A byte-level BPE without merges: every byte is a token, behind the special ones of OPT.
fn byte_tokens() -> Value {
    const SPECIAL: [&str; 3] = ["<s>", "<pad>", "</s>"];
    let mut vocab = serde_json::Map::new();
    let printable = |byte: u8| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    // GPT-2 writes bytes that cannot be printed as the characters from 256 on, in their order.
    let others = (0..=255).filter(|b| !printable(*b)).zip(256_u32..);
    let others: std::collections::HashMap<u8, u32> = others.collect();
    let letters = (0..=255).map(|byte| {
        let code = others.get(&byte).copied().unwrap_or(u32::from(byte));
        char::from_u32(code).expect("a code below 512 that is no surrogate").to_string()
    });
    for (id, token) in SPECIAL.map(str::to_owned).into_iter().chain(letters).enumerate() {
        vocab.insert(token, id.into());
    }
    let added: Vec<Value> = SPECIAL
        .iter()
        .enumerate()
        .map(|(id, token)| {
            json!({ "id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": true })
        })
        .collect();
    let begin = SPECIAL[2]; // OPT begins a text with the token that ends one
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added, "normalizer": null,
        "pre_tokenizer": { "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true },
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{ "SpecialToken": { "id": begin, "type_id": 0 } }, { "Sequence": { "id": "A", "type_id": 0 } }],
            "pair": [
                { "SpecialToken": { "id": begin, "type_id": 0 } }, { "Sequence": { "id": "A", "type_id": 0 } },
                { "SpecialToken": { "id": begin, "type_id": 0 } }, { "Sequence": { "id": "B", "type_id": 0 } },
            ],
            "special_tokens": { begin: { "id": begin, "ids": [2], "tokens": [begin] } },
        },
        "decoder": { "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true },
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "vocab": vocab, "merges": [],
        },
    })
}
