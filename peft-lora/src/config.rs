//! LoRA's settings, under PEFT's names.

use std::collections::{BTreeMap, BTreeSet};

use peft_core::{Error, FolderConfig, Result, Selection, Targets};
use regex::Regex;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// LoRA's settings. Field names, JSON and defaults are those of PEFT's `LoraConfig`; build one with
/// [`LoraConfig::new`] and change its fields.
///
/// ```
/// use peft_lora::LoraConfig;
/// let config = LoraConfig { r: 4, ..LoraConfig::new(["query", "value"]) };
/// assert_eq!(config.scaling_at("encoder.layer.0.query")?, 8.0 / 4.0);
/// # Ok::<(), peft_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoraConfig {
    /// The rank r of ΔW. Default 8.
    #[serde(default = "eight")]
    pub r: usize,
    /// The numerator α of the scale. Default 8.
    #[serde(default = "eight_point", serialize_with = "integer_if_it_is_one")]
    pub lora_alpha: f64,
    /// The share of the adapter's inputs that training drops, from 0 to below 1. Default 0.
    #[serde(default)]
    pub lora_dropout: f64,
    /// Which layers are adapted.
    pub target_modules: Targets,
    /// Which of them are not, after all. Default none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exclude_modules: Option<Targets>,
    /// rsLoRA: the scale is α/√r instead of α/r. Default false.
    #[serde(default, skip_serializing_if = "is_default")]
    pub use_rslora: bool,
    /// Which of the model's own biases are trained. Only [`Bias::None`], the default, is supported.
    #[serde(default)]
    pub bias: Bias,
    /// Modules that are trained whole and saved beside the adapters: the head. Default none.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub modules_to_save: Vec<String>,
    /// How training starts. Default [`Start::KaimingUniform`].
    #[serde(default, skip_serializing_if = "is_default")]
    pub init_lora_weights: Start,
    /// Other ranks for some layers: regular expressions for the end of a path, behind a dot. Default none.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub rank_pattern: BTreeMap<String, usize>,
    /// Other α for some layers, as in `rank_pattern`. Default none.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub alpha_pattern: BTreeMap<String, f64>,
    /// What the adapted model is for, in PEFT's words: `SEQ_CLS`, `CAUSAL_LM`. Default none.
    #[serde(default)]
    pub task_type: Option<String>,
}

/// Which of the model's own biases are trained, as in PEFT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bias {
    /// None of them.
    #[default]
    None,
    /// All of them. Not supported: [`FolderConfig::check`] says so.
    All,
    /// Those of adapted layers. Not supported: [`FolderConfig::check`] says so.
    LoraOnly,
}

/// How training starts. In both ways B is 0, so that the adapted model starts as the base. PEFT's
/// `init_lora_weights`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// A from U(-1/√d_in, 1/√d_in), which is Kaiming-uniform with a = √5; `true` in JSON.
    #[default]
    KaimingUniform,
    /// A from N(0, 1/r), where 1/r is the standard deviation; `"gaussian"` in JSON.
    Gaussian,
}

impl LoraConfig {
    /// PEFT's defaults, for the layers whose paths end with `targets`.
    pub fn new<S: Into<String>>(targets: impl IntoIterator<Item = S>) -> Self {
        Self::for_targets(Targets::suffixes(targets))
    }

    /// PEFT's defaults, for `targets`.
    pub fn for_targets(targets: Targets) -> Self {
        LoraConfig {
            r: eight(),
            lora_alpha: eight_point(),
            lora_dropout: 0.0,
            target_modules: targets,
            exclude_modules: None,
            use_rslora: false,
            bias: Bias::None,
            modules_to_save: Vec::new(),
            init_lora_weights: Start::KaimingUniform,
            rank_pattern: BTreeMap::new(),
            alpha_pattern: BTreeMap::new(),
            task_type: None,
        }
    }

    /// The layers to adapt in a model that calls its output heads `heads`. Modules to be saved whole are not
    /// adapted either.
    pub fn selection<S: Into<String>>(&self, heads: impl IntoIterator<Item = S>) -> Selection {
        Selection {
            targets: self.target_modules.clone(),
            exclude: self.exclude_modules.clone(),
            heads: heads.into_iter().map(Into::into).chain(self.modules_to_save.iter().cloned()).collect(),
        }
    }

    /// The rank r of the layer at `path`.
    ///
    /// # Errors
    /// [`Error::BadRegex`], [`Error::Config`] where two patterns disagree.
    pub fn rank_at(&self, path: &str) -> Result<usize> {
        Ok(pattern_at("rank_pattern", &self.rank_pattern, path)?.unwrap_or(self.r))
    }

    /// The scale of the layer at `path`: α/r, or α/√r with rsLoRA (Kalajdzievski 2023, arXiv 2312.03732).
    ///
    /// # Errors
    /// As [`LoraConfig::rank_at`].
    pub fn scaling_at(&self, path: &str) -> Result<f64> {
        let alpha = pattern_at("alpha_pattern", &self.alpha_pattern, path)?.unwrap_or(self.lora_alpha);
        let r = self.rank_at(path)? as f64;
        Ok(if self.use_rslora { alpha / r.sqrt() } else { alpha / r })
    }
}

impl FolderConfig for LoraConfig {
    const PEFT_TYPE: &'static str = "LORA";

    const FIELDS: &'static [&'static str] = &[
        "r",
        "lora_alpha",
        "lora_dropout",
        "target_modules",
        "exclude_modules",
        "use_rslora",
        "bias",
        "modules_to_save",
        "init_lora_weights",
        "rank_pattern",
        "alpha_pattern",
        "task_type",
    ];

    // They mean something only beside `megatron_config` and `use_qalora`, which are refused.
    const HARMLESS: &'static [&'static str] = &["megatron_core", "qalora_group_size"];

    fn check(&self) -> Result<()> {
        let config = |field: &str, value: String, reason: &str| Err(Error::config(field, value, reason));
        if self.r == 0 || self.rank_pattern.values().any(|r| *r == 0) {
            return config("r", "0".into(), "a rank is at least 1");
        }
        let finite = |alpha: &f64| alpha.is_finite();
        if !finite(&self.lora_alpha) || !self.alpha_pattern.values().all(finite) {
            return config("lora_alpha", self.lora_alpha.to_string(), "must be a finite number");
        }
        if !(0.0..1.0).contains(&self.lora_dropout) {
            return config("lora_dropout", self.lora_dropout.to_string(), "must be at least 0 and below 1");
        }
        match self.bias {
            Bias::None => Ok(()),
            Bias::All => config("bias", "\"all\"".into(), "only \"none\" is supported"),
            Bias::LoraOnly => config("bias", "\"lora_only\"".into(), "only \"none\" is supported"),
        }
    }
}

impl Serialize for Start {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Start::KaimingUniform => serializer.serialize_bool(true),
            Start::Gaussian => serializer.serialize_str("gaussian"),
        }
    }
}

impl<'de> Deserialize<'de> for Start {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum BoolOrName {
            Bool(bool),
            Name(String),
        }
        let refuse = |found: String| {
            let message = format!("init_lora_weights = {found}: only true and \"gaussian\" are supported");
            Err(serde::de::Error::custom(message))
        };
        match BoolOrName::deserialize(deserializer)? {
            BoolOrName::Bool(true) => Ok(Start::KaimingUniform),
            BoolOrName::Name(name) if name == "gaussian" => Ok(Start::Gaussian),
            BoolOrName::Bool(false) => refuse("false".into()),
            BoolOrName::Name(name) => refuse(format!("{name:?}")),
        }
    }
}

/// The value that the patterns give to the layer at `path`; PEFT's rule: `(.*\.)?(pattern)$` from the path's start.
/// PEFT takes the first of several; a JSON object has no order to rely on, so they must agree here.
fn pattern_at<T: Copy + PartialEq>(field: &str, patterns: &BTreeMap<String, T>, path: &str) -> Result<Option<T>> {
    let mut found: Option<(&str, T)> = None;
    let mut clash = BTreeSet::new();
    for (pattern, value) in patterns {
        let regex = Regex::new(&format!(r"^(?:.*\.)?(?:{pattern})$"))
            .map_err(|e| Error::BadRegex { pattern: pattern.clone(), source: Box::new(e) })?;
        if !regex.is_match(path) {
            continue;
        }
        match found {
            Some((first, other)) if other != *value => clash.extend([first, pattern.as_str()]),
            Some(_) => {}
            None => found = Some((pattern, *value)),
        }
    }
    if !clash.is_empty() {
        return Err(Error::config(field, format!("{clash:?}"), format!("these disagree about {path}")));
    }
    Ok(found.map(|(_, value)| value))
}

fn eight() -> usize {
    8
}

fn eight_point() -> f64 {
    8.0
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn null_is_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// PEFT declares `lora_alpha` an integer; 16.0 is written as 16.
fn integer_if_it_is_one<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        serializer.serialize_i64(*value as i64)
    } else {
        serializer.serialize_f64(*value)
    }
}
