//! Several LoRA adapters combined into one, as PEFT's `add_weighted_adapter` does.
//!
//! | merging | paper |
//! |---|---|
//! | task arithmetic (linear) | Ilharco et al. 2023, arXiv 2212.04089 |
//! | TIES | Yadav et al. 2023, arXiv 2306.01708: trim, elect a sign, merge what agrees |
//! | DARE | Yu et al. 2024, arXiv 2311.03099: drop at random, rescale the rest |
//! | magnitude prune | keep the largest |
//!
//! Reference: PEFT's `peft/tuners/lora/model.py` and `peft/utils/merge_utils.py`. Differences: adapters with the weight 0
//! are left out first (in PEFT's TIES they vote, and thin out the average); DARE's draws follow from a seed; the result
//! of rsLoRA adapters is scaled by 1 as all others are.

use std::collections::HashMap;

use burn::module::{Module, Param, ParamId};
use burn::nn::DropoutConfig;
use burn::tensor::{Device, TensorData};
use peft_core::{Adapters, CopyRule, Error, LinearAdapter, Method, Result, Site, SiteKind, Targets, site_seed};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::linalg::{Matrix, Svd, qr, svd};
use crate::{Bias, LoraConfig, LoraLinear, Patterns, Start};

/// How adapters are combined.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Combine {
    /// The ranks side by side: exact. The rank is the sum of the ranks; PEFT's `cat`.
    Concatenate,
    /// A with A and B with B: cheap, and not the sum of what the adapters do. The ranks must be equal. PEFT's `linear`,
    /// `ties`, `dare_linear`, `dare_ties`, `magnitude_prune`.
    Factors(Merging),
    /// What the adapters add to the weight, cut to `rank` by its singular values; by default to the largest rank of the
    /// adapters. PEFT's `svd`, `ties_svd` and so on.
    Deltas {
        /// What is done before the cut.
        merging: Merging,
        /// The rank of the result.
        rank: Option<usize>,
    },
}

/// How the same matrix of several adapters becomes one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Merging {
    /// The weighted sum.
    Linear,
    /// TIES: of each matrix the share `density` of largest magnitude; then for each element the mean of those that have
    /// the elected sign.
    Ties {
        /// From 0 to 1.
        density: f64,
        /// How a sign is elected.
        majority: Majority,
    },
    /// DARE: of each matrix a random share `density`, divided by `density`; then the weighted sum.
    DareLinear {
        /// Above 0, up to 1.
        density: f64,
        /// What the draws follow from.
        seed: u64,
    },
    /// DARE's dropping, and TIES's election in place of the sum.
    DareTies {
        /// Above 0, up to 1.
        density: f64,
        /// How a sign is elected.
        majority: Majority,
        /// What the draws follow from.
        seed: u64,
    },
    /// Of each matrix the share `density` of largest magnitude; then the weighted sum.
    MagnitudePrune {
        /// From 0 to 1.
        density: f64,
    },
}

/// How TIES elects a sign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Majority {
    /// The sign of the sum.
    #[default]
    Total,
    /// The sign that more of them have.
    Frequency,
}

impl Combine {
    /// The combination that PEFT calls `name`: `linear`, `cat`, `svd`, `ties`, `dare_linear`, `dare_ties`,
    /// `magnitude_prune`, or one of the last four with `_svd`. `density` and `seed` are looked at where they have a
    /// meaning.
    ///
    /// # Errors
    /// [`Error::Config`].
    pub fn named(name: &str, density: f64, seed: u64) -> Result<Self> {
        let majority = Majority::Total;
        let merging = |name: &str| match name {
            "linear" => Some(Merging::Linear),
            "ties" => Some(Merging::Ties { density, majority }),
            "dare_linear" => Some(Merging::DareLinear { density, seed }),
            "dare_ties" => Some(Merging::DareTies { density, majority, seed }),
            "magnitude_prune" => Some(Merging::MagnitudePrune { density }),
            _ => None,
        };
        let combine = match (name, name.strip_suffix("_svd")) {
            ("cat", _) => Some(Combine::Concatenate),
            ("svd", _) => Some(Combine::Deltas { merging: Merging::Linear, rank: None }),
            (_, Some(before)) if before != "linear" => {
                merging(before).map(|merging| Combine::Deltas { merging, rank: None })
            }
            _ => merging(name).map(Combine::Factors),
        };
        combine.ok_or_else(|| {
            let reason = "linear, cat, svd, ties, dare_linear, dare_ties, magnitude_prune and the last four with _svd \
                          are known";
            Error::config("combination_type", format!("{name:?}"), reason)
        })
    }

    /// One adapter from several, each with its settings and its weight, which may be negative; and the settings of the
    /// result, whose scale is 1. A layer that only some of them adapt gets what those do. Trained copies of the base's
    /// parameters, which at most one of the adapters may have, are taken over.
    ///
    /// # Errors
    /// [`Error::NotCombined`] for DoRA and for `lora_bias`, for different ranks where they must be equal, for layers of
    /// different shapes, and for a second adapter with copies; [`Error::Config`] for a density out of range, a rank of 0,
    /// or no adapters.
    pub fn combine(
        &self,
        parts: &[(&LoraConfig, &Adapters<LoraLinear>, f64)],
        device: &Device,
    ) -> Result<(LoraConfig, Adapters<LoraLinear>)> {
        self.check()?;
        let refuse = |index: usize, reason: String| Err(Error::NotCombined { index, reason });
        let mut copies_of = None;
        for (index, (config, adapters, weight)) in parts.iter().enumerate() {
            if config.use_dora || config.lora_bias {
                let field = if config.use_dora { "use_dora" } else { "lora_bias" };
                return refuse(index, format!("{field} has no part in a weighted sum"));
            }
            if !weight.is_finite() {
                return refuse(index, format!("its weight is {weight}"));
            }
            if adapters.copies().next().is_some() && copies_of.replace(index).is_some() {
                return refuse(index, "it is the second with trained parameters of the base".into());
            }
        }
        let Some((first, ..)) = parts.first() else {
            return Err(Error::config("adapters", "[]", "there is nothing to combine"));
        };
        // The layers of all of them, in the order in which they come.
        let mut sites: Vec<Site> = Vec::new();
        let mut ranks: Vec<Vec<usize>> = Vec::new(); // of each layer
        for (index, (_, adapters, weight)) in parts.iter().enumerate() {
            for ((path, shape), (_, adapter)) in adapters.shapes().zip(adapters.iter()) {
                let kind = if adapter.is_embedding() { SiteKind::Embedding } else { SiteKind::Linear };
                let at = sites.iter().position(|s| s.path == path).unwrap_or_else(|| {
                    let (path, id) = (path.to_owned(), ParamId::new());
                    sites.push(Site { path, id, shape, kind, device: device.clone() });
                    ranks.push(Vec::new());
                    sites.len() - 1
                });
                if (sites[at].shape, sites[at].kind) != (shape, kind) {
                    return refuse(index, format!("{path} is {shape:?} there, and {:?} before", sites[at].shape));
                }
                if *weight != 0.0 {
                    ranks[at].push(match self {
                        Combine::Factors(_) => adapter.rank(),
                        _ => adapter.factors().0.dims()[1], // a residual needs rank too
                    });
                }
            }
        }
        let r = match self {
            Combine::Concatenate => ranks.iter().map(|of| of.iter().sum()).max(),
            Combine::Deltas { rank: Some(rank), .. } => Some(*rank),
            Combine::Factors(_) | Combine::Deltas { rank: None, .. } => ranks.iter().flatten().copied().max(),
        };
        let r = r.filter(|r| *r > 0).unwrap_or(1); // all weights 0: an adapter of zeros
        let mut given = HashMap::with_capacity(sites.len());
        for site in &sites {
            let here: Vec<(usize, &LoraLinear, f64)> = (parts.iter().enumerate())
                .filter_map(|(i, (_, adapters, weight))| Some((i, adapters.get(&site.path)?, *weight)))
                .filter(|(.., weight)| *weight != 0.0)
                .collect();
            given.insert(site.path.clone(), self.at(site, &here, r)?);
        }
        let mut adapters = Adapters::at_sites(&sites, &Given { factors: given, r }, 0, device)?;
        if let Some(index) = copies_of {
            adapters = adapters.with_copies_of(parts[index].1);
        }
        let config = result_config(first, parts, &sites, r, copies_of);
        Ok((config, adapters))
    }

    fn check(&self) -> Result<()> {
        let merging = match self {
            Combine::Concatenate => return Ok(()),
            Combine::Factors(merging) => merging,
            Combine::Deltas { rank: Some(0), .. } => {
                return Err(Error::config("svd_rank", 0, "a rank is at least 1"));
            }
            Combine::Deltas { merging, .. } => merging,
        };
        let (density, above_zero) = match merging {
            Merging::Linear => return Ok(()),
            Merging::Ties { density, .. } | Merging::MagnitudePrune { density } => (*density, false),
            Merging::DareLinear { density, .. } | Merging::DareTies { density, .. } => (*density, true),
        };
        match (0.0..=1.0).contains(&density) && !(above_zero && density == 0.0) {
            true => Ok(()),
            false => Err(Error::config("density", density, "must be from 0 to 1, and above 0 for DARE")),
        }
    }

    /// A [d_in, r] and B [r, d_out] of the result at `site`.
    fn at(&self, site: &Site, here: &[(usize, &LoraLinear, f64)], r: usize) -> Result<[Matrix; 2]> {
        let [d_in, d_out] = site.shape;
        if here.is_empty() {
            return Ok([zeros(d_in, r), zeros(r, d_out)]);
        }
        let weights: Vec<f64> = here.iter().map(|(.., weight)| *weight).collect();
        match self {
            Combine::Concatenate => {
                let (a, b) = side_by_side(here);
                Ok([wider(a.transposed(), r).transposed(), wider(b, r)])
            }
            Combine::Factors(merging) => {
                let rank = here[0].1.rank();
                for (index, adapter, _) in here {
                    if adapter.has_residual() {
                        let reason = "it changes the base as well (PiSSA, OLoRA): convert it first".into();
                        return Err(Error::NotCombined { index: *index, reason });
                    }
                    if adapter.rank() != rank {
                        let reason = format!("{} has rank {} there, and {rank} before", site.path, adapter.rank());
                        return Err(Error::NotCombined { index: *index, reason });
                    }
                }
                // PEFT: the root of weight and scale on both sides, the sign on one.
                let scaled: Vec<f64> = here.iter().map(|(_, a, weight)| weight * a.scaling()).collect();
                let roots: Vec<f64> = scaled.iter().map(|w| w.abs().sqrt()).collect();
                let signed: Vec<f64> = scaled.iter().zip(&roots).map(|(w, root)| w.signum() * root).collect();
                let a = here.iter().map(|(_, adapter, _)| host(&adapter.lora_A)).collect();
                let b = here.iter().map(|(_, adapter, _)| host(&adapter.lora_B)).collect();
                let of = |side: &str| format!("{}.{side}", site.path);
                let a = merging.merge(a, &signed, &of("lora_A")); // [d_in, rank]
                let b = merging.merge(b, &roots, &of("lora_B")); // [rank, d_out]
                Ok([wider(a.transposed(), r).transposed(), wider(b, r)])
            }
            Combine::Deltas { merging: Merging::Linear, .. } => {
                let (a, b) = side_by_side(here); // the sum, in factors
                Ok(cut_factors(&a, &b, r))
            }
            Combine::Deltas { merging, .. } => {
                let deltas = (here.iter())
                    .map(|(_, adapter, _)| {
                        let delta = adapter.valid().delta_weight().expect("DoRA was refused");
                        Matrix::from_f32(d_in, d_out, &delta.to_data().iter::<f32>().collect::<Vec<_>>())
                    })
                    .collect();
                let Svd { ut, s, vt } = svd(&merging.merge(deltas, &weights, &site.path));
                Ok(cut(&ut, &s, &vt, r))
            }
        }
    }
}

impl Merging {
    /// One matrix from those of several adapters. Random draws follow from the seed and `name`.
    fn merge(&self, matrices: Vec<Matrix>, weights: &[f64], name: &str) -> Matrix {
        match *self {
            Merging::Linear => weighted_sum(&matrices, weights),
            Merging::MagnitudePrune { density } => {
                let matrices: Vec<_> = matrices.into_iter().map(|m| largest_share(m, density)).collect();
                weighted_sum(&matrices, weights)
            }
            Merging::Ties { density, majority } => {
                let matrices: Vec<_> = matrices.into_iter().map(|m| largest_share(m, density)).collect();
                elected_mean(&matrices, weights, majority)
            }
            Merging::DareLinear { density, seed } => weighted_sum(&dropped(matrices, density, seed, name), weights),
            Merging::DareTies { density, majority, seed } => {
                elected_mean(&dropped(matrices, density, seed, name), weights, majority)
            }
        }
    }
}

fn weighted_sum(matrices: &[Matrix], weights: &[f64]) -> Matrix {
    let mut sum = zeros(matrices[0].rows, matrices[0].cols);
    for (m, weight) in matrices.iter().zip(weights) {
        sum.values.iter_mut().zip(&m.values).for_each(|(s, v)| *s += weight * v);
    }
    sum
}

/// TIES's election and disjoint mean: the majority is of the unweighted values, the mean of the weighted ones.
fn elected_mean(matrices: &[Matrix], weights: &[f64], majority: Majority) -> Matrix {
    let sign = |v: f64| if v == 0.0 { 0.0 } else { v.signum() };
    let mut mean = zeros(matrices[0].rows, matrices[0].cols);
    for (i, mean) in mean.values.iter_mut().enumerate() {
        let votes: f64 = match majority {
            Majority::Total => matrices.iter().map(|m| m.values[i]).sum(),
            Majority::Frequency => matrices.iter().map(|m| sign(m.values[i])).sum(),
        };
        let elected = if votes >= 0.0 { 1.0 } else { -1.0 };
        let agreeing = matrices.iter().zip(weights).filter(|(m, _)| sign(m.values[i]) == elected);
        let (sum, n) = agreeing.fold((0.0, 0.0), |(sum, n), (m, weight)| (sum + weight * m.values[i], n + 1.0));
        *mean = sum / f64::max(n, 1.0);
    }
    mean
}

/// `m` with all but the share `density` of largest magnitude set to 0.
fn largest_share(mut m: Matrix, density: f64) -> Matrix {
    if density >= 1.0 {
        return m;
    }
    let kept = (density * m.values.len() as f64) as usize;
    let mut order: Vec<usize> = (0..m.values.len()).collect();
    order.sort_by(|a, b| m.values[*b].abs().total_cmp(&m.values[*a].abs()));
    order[kept..].iter().for_each(|i| m.values[*i] = 0.0);
    m
}

/// The matrices with a random share `density` kept and divided by it.
fn dropped(matrices: Vec<Matrix>, density: f64, seed: u64, name: &str) -> Vec<Matrix> {
    let each = matrices.into_iter().enumerate().map(|(i, mut m)| {
        if density < 1.0 {
            let mut rng = ChaCha8Rng::from_seed(site_seed(seed, &format!("{name}.{i}")));
            m.values.iter_mut().for_each(|v| *v = if rng.random::<f64>() < density { *v / density } else { 0.0 });
        }
        m
    });
    each.collect()
}

/// The adapters' ranks side by side, with weight and scale in A: [d_in, Σr], [Σr, d_out].
fn side_by_side(here: &[(usize, &LoraLinear, f64)]) -> (Matrix, Matrix) {
    let (mut at, mut b) = (Vec::new(), Vec::new());
    let (mut d_in, mut d_out, mut ranks) = (0, 0, 0);
    for (_, adapter, weight) in here {
        let (left, right) = adapter.valid().factors();
        let [rows, r] = left.dims();
        let left = Matrix::from_f32(rows, r, &left.to_data().iter::<f32>().collect::<Vec<_>>());
        at.extend(left.transposed().values.iter().map(|v| v * weight));
        b.extend(right.to_data().iter::<f32>().map(f64::from));
        (d_in, d_out, ranks) = (rows, right.dims()[1], ranks + r);
    }
    (Matrix::new(ranks, d_in, at).transposed(), Matrix::new(ranks, d_out, b))
}

/// a b cut to rank `r` by the singular values of the product, which is never formed.
fn cut_factors(a: &Matrix, b: &Matrix, r: usize) -> [Matrix; 2] {
    let (qa, ra) = qr(a); // a = qaᵀ ra
    let (qb, rb) = qr(&b.transposed()); // bᵀ = qbᵀ rb
    let Svd { ut, s, vt } = svd(&ra.times(&rb.transposed())); // small
    cut(&ut.times(&qa), &s, &vt.times(&qb), r)
}

/// The first `r` singular triplets as A and B, the values in B, as in PEFT; zeros where there are fewer.
fn cut(ut: &Matrix, s: &[f64], vt: &Matrix, r: usize) -> [Matrix; 2] {
    let k = r.min(s.len());
    let b = vt.first_rows(k).rows_times(&s[..k]);
    [wider(ut.first_rows(k), r).transposed(), wider(b, r)]
}

/// `m` with rows of zeros until there are `rows`.
fn wider(mut m: Matrix, rows: usize) -> Matrix {
    m.values.resize(rows * m.cols, 0.0);
    Matrix::new(rows, m.cols, m.values)
}

fn zeros(rows: usize, cols: usize) -> Matrix {
    Matrix::new(rows, cols, vec![0.0; rows * cols])
}

fn host(param: &Param<burn::tensor::Tensor<2>>) -> Matrix {
    let shape = param.lazy_shape();
    Matrix::from_f32(shape[0], shape[1], &param.val().to_data().iter::<f32>().collect::<Vec<_>>())
}

/// The settings with which a folder of the result is read back.
fn result_config(
    first: &LoraConfig,
    parts: &[(&LoraConfig, &Adapters<LoraLinear>, f64)],
    sites: &[Site],
    r: usize,
    copies_of: Option<usize>,
) -> LoraConfig {
    let mut config = LoraConfig {
        r,
        lora_alpha: r as f64,
        lora_dropout: 0.0,
        use_rslora: false,
        init_lora_weights: Start::KaimingUniform,
        rank_pattern: Patterns::default(),
        alpha_pattern: Patterns::default(),
        bias: copies_of.map_or(Bias::None, |i| parts[i].0.bias),
        ..first.clone()
    };
    for (other, ..) in parts {
        let new = other.modules_to_save.iter().filter(|m| !first.modules_to_save.contains(m));
        config.modules_to_save.extend(new.cloned());
    }
    config.modules_to_save.dedup();
    let same = |a: &LoraConfig| {
        (&a.target_modules, &a.exclude_modules, &a.layers_to_transform, &a.layers_pattern)
            == (&first.target_modules, &first.exclude_modules, &first.layers_to_transform, &first.layers_pattern)
    };
    if !parts.iter().all(|(config, ..)| same(config)) {
        config.target_modules = Targets::suffixes(sites.iter().map(|s| s.path.clone()));
        config.exclude_modules = None;
        config.layers_to_transform = None;
        config.layers_pattern = None;
    }
    config
}

/// Adapters that are given, by path.
struct Given {
    factors: HashMap<String, [Matrix; 2]>,
    r: usize,
}

impl Method for Given {
    type Adapter = LoraLinear;

    fn adapter_type(&self) -> &'static str {
        "LORA"
    }

    fn init(&self, site: &Site, _seed: [u8; 32], device: &Device) -> Result<LoraLinear> {
        let [a, b] = &self.factors[&site.path]; // made for every site
        Ok(LoraLinear {
            lora_A: Param::from_data(TensorData::new(a.to_f32(), [site.d_in(), self.r]), device),
            lora_B: Param::from_data(TensorData::new(b.to_f32(), [self.r, site.d_out()]), device),
            lora_B_bias: None,
            lora_magnitude_vector: None,
            residual: None,
            dropout: DropoutConfig::new(0.0).init(),
            scaling: 1.0,
            of_embedding: site.kind == SiteKind::Embedding,
        })
    }

    fn copies(&self) -> CopyRule {
        CopyRule::default()
    }
}
