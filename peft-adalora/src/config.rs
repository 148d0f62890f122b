//! AdaLoRA's settings, under PEFT's names.

use std::collections::BTreeMap;

use peft_core::folder::json::{integer_if_it_is_one, null_is_default};
use peft_core::{Bias, Error, FolderConfig, Result, Selection, Targets};
use serde::{Deserialize, Serialize};

use crate::Schedule;

/// AdaLoRA's settings. Field names, JSON and defaults are those of PEFT's `AdaLoraConfig`; build one with
/// [`AdaLoraConfig::new`] and change its fields.
///
/// ```
/// use peft_adalora::{AdaLoraConfig, Schedule};
/// let config = AdaLoraConfig { init_r: 6, target_r: 4, ..AdaLoraConfig::new(["query", "value"], Schedule::for_steps(1000)?) };
/// assert_eq!(config.scaling(), 8.0 / (6.0 + 1e-5));
/// # Ok::<(), peft_adalora::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdaLoraConfig {
    /// The rank that every ΔW starts with. Default 12.
    #[serde(default = "twelve")]
    pub init_r: usize,
    /// The average rank that is left at the end. Default 8.
    #[serde(default = "eight")]
    pub target_r: usize,
    /// When ranks are allocated.
    #[serde(flatten)]
    pub schedule: Schedule,
    /// β1: how slowly the smoothed importance follows, between 0 and 1. Default 0.85.
    #[serde(default = "beta")]
    pub beta1: f64,
    /// β2: how slowly the uncertainty follows, between 0 and 1. Default 0.85.
    #[serde(default = "beta")]
    pub beta2: f64,
    /// The weight of [`crate::orthogonality`] in the loss. Default 0.5. Its gradient counts in the importance too, as in
    /// PEFT: where the loss of the task is small beside it, a smaller weight gives ranks that follow the task.
    #[serde(default = "half")]
    pub orth_reg_weight: f64,
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
    /// Which of the model's own biases are trained. Default [`Bias::None`].
    #[serde(default)]
    pub bias: Bias,
    /// Modules that are trained whole and saved beside the adapters: the head. Default none.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub modules_to_save: Vec<String>,
    /// True, the default: A and B start from N(0, 0.02) and E from 0, so that the adapted model starts as the base.
    /// False: all three from N(0, 1), which PEFT keeps for its own tests.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub init_lora_weights: bool,
    /// Which triplets of each layer are left, of the `init_r` there were: the outcome of training, under
    /// `<layer path>.lora_E`. Default none: every layer has all of them.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub rank_pattern: BTreeMap<String, Vec<bool>>,
    /// What the adapted model is for, in PEFT's words: `SEQ_CLS`, `CAUSAL_LM`. Default none.
    #[serde(default)]
    pub task_type: Option<String>,
}

impl AdaLoraConfig {
    /// PEFT's defaults, for the layers whose paths end with `targets`.
    pub fn new<S: Into<String>>(targets: impl IntoIterator<Item = S>, schedule: Schedule) -> Self {
        Self::for_targets(Targets::suffixes(targets), schedule)
    }

    /// PEFT's defaults, for `targets`.
    pub fn for_targets(targets: Targets, schedule: Schedule) -> Self {
        AdaLoraConfig {
            init_r: twelve(),
            target_r: eight(),
            schedule,
            beta1: beta(),
            beta2: beta(),
            orth_reg_weight: half(),
            lora_alpha: eight_point(),
            lora_dropout: 0.0,
            target_modules: targets,
            exclude_modules: None,
            bias: Bias::None,
            modules_to_save: Vec::new(),
            init_lora_weights: true,
            rank_pattern: BTreeMap::new(),
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
            layers: None,
        }
    }

    /// The scale α/(init_r + 1e-5) of every layer; it stays when triplets are pruned.
    pub fn scaling(&self) -> f64 {
        self.lora_alpha / (self.init_r as f64 + 1e-5)
    }

    /// The rank of the layer at `path`: `init_r`, or what `rank_pattern` left of it.
    ///
    /// # Errors
    /// [`Error::Config`] if there is a pattern but none for this layer.
    pub fn rank_at(&self, path: &str) -> Result<usize> {
        if self.rank_pattern.is_empty() {
            return Ok(self.init_r);
        }
        // Older versions of PEFT also wrote the adapter's name, "<path>.lora_E.default".
        let of_path = |(name, kept): (&String, &Vec<bool>)| {
            let (layer, rest) = name.rsplit_once(".lora_E")?;
            let ours = layer == path && (rest.is_empty() || rest.starts_with('.'));
            ours.then(|| kept.iter().filter(|k| **k).count())
        };
        self.rank_pattern
            .iter()
            .find_map(of_path)
            .ok_or_else(|| Error::config("rank_pattern", "{..}", format!("has no entry {path}.lora_E")))
    }
}

impl FolderConfig for AdaLoraConfig {
    const PEFT_TYPE: &'static str = "ADALORA";

    const FIELDS: &'static [&'static str] = &[
        "init_r",
        "target_r",
        "tinit",
        "tfinal",
        "deltaT",
        "total_step",
        "beta1",
        "beta2",
        "orth_reg_weight",
        "lora_alpha",
        "lora_dropout",
        "target_modules",
        "exclude_modules",
        "bias",
        "modules_to_save",
        "init_lora_weights",
        "rank_pattern",
        "task_type",
    ];

    // `r` is LoRA's, and PEFT's AdaLoRA does not read it; the others mean something only beside `megatron_config` and
    // `use_qalora`, which are refused.
    const HARMLESS: &'static [&'static str] = &["r", "megatron_core", "qalora_group_size"];

    fn check(&self) -> Result<()> {
        let config = |field: &str, value: String, reason: String| Err(Error::config(field, value, reason));
        if self.init_r == 0 {
            return config("init_r", "0".into(), "a rank is at least 1".into());
        }
        if self.target_r > self.init_r {
            return config("target_r", self.target_r.to_string(), format!("exceeds init_r = {}", self.init_r));
        }
        self.schedule.check()?;
        for (field, beta) in [("beta1", self.beta1), ("beta2", self.beta2)] {
            if !(beta > 0.0 && beta < 1.0) {
                return config(field, beta.to_string(), "must be above 0 and below 1".into());
            }
        }
        if !(self.orth_reg_weight >= 0.0 && self.orth_reg_weight.is_finite()) {
            return config("orth_reg_weight", self.orth_reg_weight.to_string(), "must be at least 0".into());
        }
        if !(self.lora_alpha > 0.0 && self.lora_alpha.is_finite()) {
            return config("lora_alpha", self.lora_alpha.to_string(), "must be above 0".into());
        }
        if !(0.0..1.0).contains(&self.lora_dropout) {
            return config("lora_dropout", self.lora_dropout.to_string(), "must be at least 0 and below 1".into());
        }
        for (name, kept) in &self.rank_pattern {
            if kept.len() != self.init_r {
                let reason = format!("has {} triplets, init_r is {}", kept.len(), self.init_r);
                return config("rank_pattern", name.clone(), reason);
            }
        }
        Ok(())
    }
}

fn twelve() -> usize {
    12
}

fn eight() -> usize {
    8
}

fn eight_point() -> f64 {
    8.0
}

fn beta() -> f64 {
    0.85
}

fn half() -> f64 {
    0.5
}

fn yes() -> bool {
    true
}

fn is_true(value: &bool) -> bool {
    *value
}
