//! A base model with its tokenizer and its identity: what adapters are trained on.

use crate::{Error, Result};
use burn::tensor::Device;
use genome_tokenize::{Tokenizer, TokenizerSpec, from_spec};
use model_zoo::base::Loaded;
use model_zoo::quantised::{QuantiseConfig, Quantised};
use model_zoo::{Base, Purpose};
use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

/// A base model, frozen, with the tokenizer of its folder.
#[derive(Debug, Clone)]
pub struct Foundation {
    /// The model, on the plain device.
    pub base: Arc<Base>,
    /// Its layers that are held in few bits; none unless [`Foundation::quantised_from_dir`] made it.
    pub quantised: Quantised,
    /// Letters to ids.
    pub tokenizer: Arc<dyn Tokenizer>,
    /// How the tokenizer is saved.
    pub spec: TokenizerSpec,
    /// The bytes of `tokenizer.json`, where the tokenizer needs them.
    pub tokenizer_file: Option<Vec<u8>>,
    /// SHA-256 of the weights.
    pub sha256: String,
    /// Name or path, for people.
    pub name: String,
}

impl Foundation {
    /// Reads a model folder. Layers that it stores in few bits stay so.
    ///
    /// # Errors
    /// What the model, the tokenizer or the file system reports; [`Error::Config`] if they do not fit each other.
    pub fn from_dir(dir: &Path, purpose: Purpose, device: &Device) -> Result<Self> {
        let device = device.clone().inner();
        let (loaded, quantised) = match Quantised::from_stored(dir, purpose, &device)? {
            Some(stored) => stored,
            None => (Base::from_pretrained(dir, purpose, &device)?, Quantised::default()),
        };
        Self::of_dir(dir, loaded, quantised)
    }

    /// Reads a model folder with its linear layers in few bits.
    ///
    /// # Errors
    /// As [`Foundation::from_dir`].
    pub fn quantised_from_dir(dir: &Path, purpose: Purpose, device: &Device, config: QuantiseConfig) -> Result<Self> {
        let (loaded, quantised) = Quantised::from_pretrained(dir, purpose, &device.clone().inner(), config)?;
        Self::of_dir(dir, loaded, quantised)
    }

    fn of_dir(dir: &Path, loaded: Loaded, quantised: Quantised) -> Result<Self> {
        let spec = TokenizerSpec::find(dir)?;
        let file = match &spec {
            TokenizerSpec::Bpe { file, .. } => {
                let path = dir.join(file);
                Some(std::fs::read(&path).map_err(|source| Error::Io { path, source })?)
            }
            _ => None,
        };
        Self::new(loaded, quantised, spec, file, dir.display().to_string())
    }

    /// A model whose files are in memory.
    ///
    /// # Errors
    /// As [`Foundation::from_dir`].
    pub fn from_bytes(
        name: &str,
        config: &str,
        weights: impl Into<Cow<'static, [u8]>>,
        spec: TokenizerSpec,
        purpose: Purpose,
        device: &Device,
    ) -> Result<Self> {
        let loaded = Base::from_bytes(name, config, weights, purpose, &device.clone().inner())?;
        Self::new(loaded, Quantised::default(), spec, None, name.to_owned())
    }

    fn new(
        loaded: Loaded,
        quantised: Quantised,
        spec: TokenizerSpec,
        tokenizer_file: Option<Vec<u8>>,
        name: String,
    ) -> Result<Self> {
        let tokenizer: Arc<dyn Tokenizer> = from_spec(&spec, tokenizer_file.as_deref())?.into();
        if tokenizer.model_vocab_size() > loaded.base.vocab_size() {
            return Err(Error::Config(format!(
                "{name}: the tokenizer has {} tokens, the model only {}",
                tokenizer.model_vocab_size(),
                loaded.base.vocab_size()
            )));
        }
        Ok(Self {
            base: Arc::new(loaded.base),
            quantised,
            tokenizer,
            spec,
            tokenizer_file,
            sha256: loaded.sha256,
            name,
        })
    }
}
