//! IA3: a vector that scales what leaves an attention projection, or what enters a feed-forward layer.
//!
//! Liu et al. 2022, "Few-Shot Parameter-Efficient Fine-Tuning is Better and Cheaper than In-Context Learning",
//! arXiv 2205.05638, section 3.3:
//!
//! ```text
//! keys and values: l ⊙ (W x + b)        feed-forward: W (l ⊙ x) + b        l: ia3_l, 1 at the start
//! ```
//!
//! Reference: PEFT's `peft/tuners/ia3/layer.py`. No known difference.

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::{Device, Tensor, TensorData};
use peft_core::{
    CopyRule, Error, FolderAdapter, FolderConfig, HostTensor, LinearAdapter, Method, Result, Selection, Site,
    SiteTensors, Targets,
};
use serde::{Deserialize, Serialize};

use peft_core::folder::json::null_is_default;

/// IA3's settings. Field names, JSON and defaults are those of PEFT's `IA3Config`.
///
/// ```
/// use peft_lora::Ia3Config;
/// let config = Ia3Config::new(["key", "value", "mlp.wo"], ["mlp.wo"]);
/// assert!(config.is_feedforward("encoder.layer.0.mlp.wo")?);
/// assert!(!config.is_feedforward("encoder.layer.0.key")?);
/// # Ok::<(), peft_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ia3Config {
    /// Which layers are adapted.
    pub target_modules: Targets,
    /// Which of them are scaled where the input enters. Default none. In a list, endings of paths; as in PEFT not
    /// necessarily behind a dot.
    #[serde(default = "none", deserialize_with = "null_is_none", skip_serializing_if = "is_none")]
    pub feedforward_modules: Targets,
    /// Which layers are not adapted, after all. Default none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exclude_modules: Option<Targets>,
    /// Modules that are trained whole and saved beside the adapters. Default none.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub modules_to_save: Vec<String>,
    /// Must be true: the vectors start at 1. PEFT's other value starts them at random.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub init_ia3_weights: bool,
    /// What the adapted model is for, in PEFT's words: `SEQ_CLS`, `CAUSAL_LM`. Default none.
    #[serde(default)]
    pub task_type: Option<String>,
}

impl Ia3Config {
    /// PEFT's defaults, for the layers whose paths end with `targets`, of which those that end with `feedforward`
    /// are scaled where the input enters.
    pub fn new<S: Into<String>, F: Into<String>>(
        targets: impl IntoIterator<Item = S>,
        feedforward: impl IntoIterator<Item = F>,
    ) -> Self {
        Ia3Config {
            target_modules: Targets::suffixes(targets),
            feedforward_modules: Targets::suffixes(feedforward),
            exclude_modules: None,
            modules_to_save: Vec::new(),
            init_ia3_weights: true,
            task_type: None,
        }
    }

    /// The layers to adapt in a model that calls its output heads `heads`.
    pub fn selection<S: Into<String>>(&self, heads: impl IntoIterator<Item = S>) -> Selection {
        Selection {
            targets: self.target_modules.clone(),
            exclude: self.exclude_modules.clone(),
            heads: heads.into_iter().map(Into::into).chain(self.modules_to_save.iter().cloned()).collect(),
            layers: None,
        }
    }

    /// True if the layer at `path` is scaled where the input enters.
    ///
    /// # Errors
    /// [`Error::BadRegex`].
    pub fn is_feedforward(&self, path: &str) -> Result<bool> {
        match &self.feedforward_modules {
            Targets::Suffixes(names) => Ok(names.iter().any(|name| path.ends_with(name.as_str()))),
            Targets::AllLinear => Ok(false), // to PEFT a regular expression, which matches no path
            regex => regex.matches(path),
        }
    }
}

impl FolderConfig for Ia3Config {
    const PEFT_TYPE: &'static str = "IA3";

    const FIELDS: &'static [&'static str] = &[
        "target_modules",
        "feedforward_modules",
        "exclude_modules",
        "modules_to_save",
        "init_ia3_weights",
        "task_type",
    ];

    fn check(&self) -> Result<()> {
        if !self.init_ia3_weights {
            return Err(Error::config("init_ia3_weights", "false", "only true is supported: vectors start at 1"));
        }
        if let (Targets::Suffixes(targets), Targets::Suffixes(feedforward)) =
            (&self.target_modules, &self.feedforward_modules)
            && let Some(name) = feedforward.iter().find(|name| !targets.contains(name))
        {
            let reason = "every one of them must be among target_modules";
            return Err(Error::config("feedforward_modules", format!("{name:?}"), reason));
        }
        Ok(())
    }
}

/// The scaling vector of one linear layer.
#[derive(Module, Debug)]
pub struct Ia3Linear {
    /// l, \[d_in\] of a feed-forward layer, else \[d_out\].
    pub ia3_l: Param<Tensor<1>>,
    feedforward: bool,
}

impl Ia3Linear {
    /// True if l scales what enters the layer.
    pub fn is_feedforward(&self) -> bool {
        self.feedforward
    }
}

impl LinearAdapter for Ia3Linear {
    fn before(&self, x: Tensor<3>) -> Tensor<3> {
        match self.feedforward {
            true => x * self.ia3_l.val().unsqueeze(), // [batch, seq, d_in]
            false => x,
        }
    }

    fn after(&self, _layer: &Linear, _x: &Tensor<3>, y: Tensor<3>) -> Tensor<3> {
        match self.feedforward {
            true => y,
            false => y * self.ia3_l.val().unsqueeze(), // [batch, seq, d_out]
        }
    }

    fn delta_weight(&self) -> Option<Tensor<2>> {
        None
    }

    fn merged_weight(&self, w: Tensor<2>) -> Result<Tensor<2>> {
        let l = self.ia3_l.val();
        Ok(match self.feedforward {
            true => w * l.reshape([-1, 1]), // [d_in, d_out], row by row
            false => w * l.reshape([1, -1]),
        })
    }

    fn merged_bias(&self, b: Tensor<1>) -> Result<Tensor<1>> {
        Ok(if self.feedforward { b } else { b * self.ia3_l.val() })
    }
}

impl FolderAdapter for Ia3Linear {
    fn tensors(&self) -> Vec<(String, HostTensor)> {
        let l = self.ia3_l.val();
        let l: Tensor<2> = if self.feedforward { l.reshape([1, -1]) } else { l.reshape([-1, 1]) };
        vec![("ia3_l".into(), HostTensor::from_tensor(&l))]
    }

    fn with_tensors(self, tensors: &mut SiteTensors<'_>) -> Result<Self> {
        let n = self.ia3_l.lazy_shape()[0];
        let shape = if self.feedforward { [1, n] } else { [n, 1] };
        Ok(Ia3Linear { ia3_l: tensors.fill_shaped("ia3_l", &shape, self.ia3_l)?, ..self })
    }
}

impl Method for Ia3Config {
    type Adapter = Ia3Linear;

    fn adapter_type(&self) -> &'static str {
        Self::PEFT_TYPE
    }

    fn init(&self, site: &Site, _seed: [u8; 32], device: &Device) -> Result<Ia3Linear> {
        self.check()?;
        let feedforward = self.is_feedforward(&site.path)?;
        let n = if feedforward { site.d_in() } else { site.d_out() };
        let ia3_l = Param::from_data(TensorData::new(vec![1f32; n], [n]), device);
        Ok(Ia3Linear { ia3_l, feedforward })
    }

    fn copies(&self) -> CopyRule {
        CopyRule { modules: self.modules_to_save.clone(), ..CopyRule::default() }
    }
}

fn yes() -> bool {
    true
}

fn none() -> Targets {
    Targets::Suffixes(Vec::new())
}

fn is_none(targets: &Targets) -> bool {
    *targets == none()
}

fn null_is_none<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Targets, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_else(none))
}

fn is_true(value: &bool) -> bool {
    *value
}
