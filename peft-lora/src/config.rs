//! LoRA's settings, under PEFT's names.

use std::fmt;

use peft_core::folder::json::{integer_if_it_is_one, null_is_default};
use peft_core::{Bias, Error, FolderConfig, Layers, Result, Selection, Targets};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Patterns;

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
    /// Which layers are adapted: linear layers, and embedding tables where a list or a regular expression means one.
    pub target_modules: Targets,
    /// Which of them are not, after all. Default none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exclude_modules: Option<Targets>,
    /// The numbers of the blocks that are adapted. Default all. See [`Layers`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layers_to_transform: Option<OneOrMany<usize>>,
    /// What stands before the number of a block: regular expressions for one segment of a path. Default anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layers_pattern: Option<OneOrMany<String>>,
    /// rsLoRA: the scale is α/√r instead of α/r. Default false.
    #[serde(default, skip_serializing_if = "is_default")]
    pub use_rslora: bool,
    /// DoRA: the adapted weight keeps a length of its own for each output. Default false.
    #[serde(default, skip_serializing_if = "is_default")]
    pub use_dora: bool,
    /// Which of the model's own biases are trained. Default none.
    #[serde(default)]
    pub bias: Bias,
    /// True if B has a bias, which is scaled as B is. Default false.
    #[serde(default, skip_serializing_if = "is_default")]
    pub lora_bias: bool,
    /// Modules that are trained whole and saved beside the adapters: the head, or parts of the base. Default none.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub modules_to_save: Vec<String>,
    /// How training starts. Default [`Start::KaimingUniform`].
    #[serde(default, skip_serializing_if = "is_default")]
    pub init_lora_weights: Start,
    /// Other ranks for some layers. Default none.
    #[serde(default, skip_serializing_if = "Patterns::is_empty")]
    pub rank_pattern: Patterns<usize>,
    /// Other α for some layers. Default none.
    #[serde(default, skip_serializing_if = "Patterns::is_empty", serialize_with = "integers_where_they_are")]
    pub alpha_pattern: Patterns<f64>,
    /// What the adapted model is for, in PEFT's words: `SEQ_CLS`, `CAUSAL_LM`. Default none.
    #[serde(default)]
    pub task_type: Option<String>,
}

/// How training starts. PEFT's `init_lora_weights`. But for rounding none of them changes an output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// A from U(-1/√d_in, 1/√d_in), which is Kaiming-uniform with a = √5, and B 0; `true` in JSON.
    #[default]
    KaimingUniform,
    /// A from N(0, 1/r), where 1/r is the standard deviation, and B 0; `"gaussian"` in JSON.
    Gaussian,
    /// A and B random, with A B = 0; `"orthogonal"` in JSON. The rank must be even.
    Orthogonal,
    /// A and B are the largest singular triplets of W, which the base then lacks; `"pissa"` in JSON, or
    /// `"pissa_niter_4"`, where PEFT approximates them by so many steps. Here they are exact.
    Pissa {
        /// PEFT's number of steps, which is kept for the file.
        niter: Option<u32>,
    },
    /// A and B are the first parts of W's QR decomposition, which the base then lacks; `"olora"` in JSON.
    Olora,
}

impl Start {
    /// PiSSA, exact.
    pub const PISSA: Start = Start::Pissa { niter: None };

    pub(crate) fn reads_base(self) -> bool {
        matches!(self, Start::Pissa { .. } | Start::Olora)
    }
}

/// One value, or a list of them: PEFT allows both in some fields, and what was read is what is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany<T> {
    /// One value.
    One(T),
    /// A list.
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    /// The values.
    pub fn as_slice(&self) -> &[T] {
        match self {
            OneOrMany::One(value) => std::slice::from_ref(value),
            OneOrMany::Many(values) => values,
        }
    }
}

impl<T> From<T> for OneOrMany<T> {
    fn from(value: T) -> Self {
        OneOrMany::One(value)
    }
}

impl<T> From<Vec<T>> for OneOrMany<T> {
    fn from(values: Vec<T>) -> Self {
        OneOrMany::Many(values)
    }
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
            layers_to_transform: None,
            layers_pattern: None,
            use_rslora: false,
            use_dora: false,
            bias: Bias::None,
            lora_bias: false,
            modules_to_save: Vec::new(),
            init_lora_weights: Start::KaimingUniform,
            rank_pattern: Patterns::default(),
            alpha_pattern: Patterns::default(),
            task_type: None,
        }
    }

    /// The layers to adapt in a model that calls its output heads `heads`. Modules to be saved whole are not
    /// adapted either.
    pub fn selection<S: Into<String>>(&self, heads: impl IntoIterator<Item = S>) -> Selection {
        let indexes = self.layers_to_transform.as_ref().map_or(&[][..], OneOrMany::as_slice);
        let patterns = self.layers_pattern.as_ref().map_or(&[][..], OneOrMany::as_slice);
        Selection {
            targets: self.target_modules.clone(),
            exclude: self.exclude_modules.clone(),
            heads: heads.into_iter().map(Into::into).chain(self.modules_to_save.iter().cloned()).collect(),
            layers: (!indexes.is_empty()).then(|| Layers {
                indexes: indexes.to_vec(),
                patterns: patterns.iter().filter(|p| !p.is_empty()).cloned().collect(),
            }),
        }
    }

    /// The rank r of the layer at `path`.
    ///
    /// # Errors
    /// [`Error::BadRegex`].
    pub fn rank_at(&self, path: &str) -> Result<usize> {
        Ok(self.rank_pattern.at(path)?.unwrap_or(self.r))
    }

    /// The scale of the layer at `path`: α/r, or α/√r with rsLoRA (Kalajdzievski 2023, arXiv 2312.03732).
    ///
    /// # Errors
    /// As [`LoraConfig::rank_at`].
    pub fn scaling_at(&self, path: &str) -> Result<f64> {
        let alpha = self.alpha_pattern.at(path)?.unwrap_or(self.lora_alpha);
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
        "layers_to_transform",
        "layers_pattern",
        "use_rslora",
        "use_dora",
        "bias",
        "lora_bias",
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
        if self.r == 0 {
            return config("r", "0".into(), "a rank is at least 1");
        }
        if let Some((pattern, _)) = self.rank_pattern.iter().find(|(_, r)| **r == 0) {
            return config("rank_pattern", format!("{{{pattern:?}: 0}}"), "a rank is at least 1");
        }
        if !self.lora_alpha.is_finite() {
            return config("lora_alpha", self.lora_alpha.to_string(), "must be a finite number");
        }
        if let Some((pattern, alpha)) = self.alpha_pattern.iter().find(|(_, alpha)| !alpha.is_finite()) {
            return config("alpha_pattern", format!("{{{pattern:?}: {alpha}}}"), "must be a finite number");
        }
        if !(0.0..1.0).contains(&self.lora_dropout) {
            return config("lora_dropout", self.lora_dropout.to_string(), "must be at least 0 and below 1");
        }
        let before_number = self.layers_pattern.as_ref().map_or(&[][..], OneOrMany::as_slice);
        if before_number.iter().any(|p| !p.is_empty()) && self.layers_to_transform.is_none() {
            let value = format!("{before_number:?}");
            return config("layers_pattern", value, "means nothing without layers_to_transform");
        }
        if self.lora_bias && self.use_dora {
            return config("lora_bias", "true".into(), "not with use_dora: the magnitudes are those of a weight alone");
        }
        if self.lora_bias && !matches!(self.init_lora_weights, Start::KaimingUniform | Start::Gaussian) {
            let reason = format!("not with init_lora_weights = {}", self.init_lora_weights);
            return config("lora_bias", "true".into(), &reason);
        }
        // The scale is a divisor of what PiSSA starts with.
        if self.init_lora_weights.reads_base()
            && (self.lora_alpha <= 0.0 || self.alpha_pattern.iter().any(|(_, alpha)| *alpha <= 0.0))
        {
            let reason = format!("must be above 0 with init_lora_weights = {}", self.init_lora_weights);
            return config("lora_alpha", self.lora_alpha.to_string(), &reason);
        }
        Ok(())
    }
}

/// The value in JSON.
impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Start::KaimingUniform => f.write_str("true"),
            other => write!(f, "{:?}", other.name().unwrap_or_default()),
        }
    }
}

impl Start {
    /// The name that PEFT has for it; the default has none.
    fn name(self) -> Option<String> {
        match self {
            Start::KaimingUniform => None,
            Start::Gaussian => Some("gaussian".into()),
            Start::Orthogonal => Some("orthogonal".into()),
            Start::Pissa { niter: None } => Some("pissa".into()),
            Start::Pissa { niter: Some(n) } => Some(format!("pissa_niter_{n}")),
            Start::Olora => Some("olora".into()),
        }
    }
}

impl Serialize for Start {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.name() {
            None => serializer.serialize_bool(true),
            Some(name) => serializer.serialize_str(&name),
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
            let known =
                "true, \"gaussian\", \"orthogonal\", \"pissa\", \"pissa_niter_<n>\" and \"olora\" are supported";
            Err(serde::de::Error::custom(format!("init_lora_weights = {found}: {known}")))
        };
        let name = match BoolOrName::deserialize(deserializer)? {
            BoolOrName::Bool(true) => return Ok(Start::KaimingUniform),
            BoolOrName::Bool(false) => return refuse("false".into()),
            BoolOrName::Name(name) => name,
        };
        match name.to_lowercase().as_str() {
            "gaussian" => Ok(Start::Gaussian),
            "orthogonal" => Ok(Start::Orthogonal),
            "pissa" => Ok(Start::PISSA),
            "olora" => Ok(Start::Olora),
            other => match other.strip_prefix("pissa_niter_").and_then(|n| n.parse().ok()) {
                Some(n) => Ok(Start::Pissa { niter: Some(n) }),
                None => refuse(format!("{name:?}")),
            },
        }
    }
}

fn eight() -> usize {
    8
}

fn eight_point() -> f64 {
    8.0
}

pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The same for each value.
fn integers_where_they_are<S: Serializer>(patterns: &Patterns<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Number(#[serde(serialize_with = "integer_if_it_is_one")] f64);
    serializer.collect_map(patterns.iter().map(|(pattern, value)| (pattern, Number(*value))))
}
