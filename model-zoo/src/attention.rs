//! Attention and the ways in which it knows positions: ALiBi biases and rotary embeddings.

use crate::batch::Side;
use crate::pass::Pass;
use crate::{TokenBatch, fused};
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// Added to the score of a key that must not be seen; e^-10000 is 0 in f32, and no row becomes NaN.
const HIDDEN: f32 = -1e4;

/// [batch, seq, heads·d_head] to [batch, heads, seq, d_head].
pub(crate) fn split_heads(x: Tensor<3>, heads: usize) -> Tensor<4> {
    let [batch, seq, d] = x.dims();
    x.reshape([batch, seq, heads, d / heads]).swap_dims(1, 2)
}

/// [batch, heads, seq, d_head] to [batch, seq, heads·d_head].
pub(crate) fn join_heads(x: Tensor<4>) -> Tensor<3> {
    let [batch, heads, seq, d_head] = x.dims();
    x.swap_dims(1, 2).reshape([batch, seq, heads * d_head])
}

/// Scores that are worked on at once: long inputs are read in blocks of queries, so that memory stays bounded.
const BLOCK: usize = 1 << 24;

/// What is added to the scores of queries and keys before the softmax.
#[derive(Debug, Clone)]
pub(crate) struct Bias {
    slopes: Option<Vec<f32>>, // ALiBi, one a head
    causal: bool,
    padding: Option<Tensor<4>>, // [batch, 1, 1, keys]
    prefix: usize,              // keys that stand before all positions
    keys: usize,
    whole: Option<Option<Tensor<4>>>, // made once if it is small
}

impl Bias {
    /// For `seq` queries, which are the last of `keys` keys, of which the first `prefix` have no position. `mask`: 1 at keys
    /// that may be seen, [batch, last keys]; keys before those are always seen.
    pub(crate) fn new(seq: usize, keys: usize, prefix: usize, mask: Option<&Tensor<2>>) -> Self {
        debug_assert!(seq + prefix <= keys);
        Self { slopes: None, causal: false, padding: mask.map(|m| key_bias(m, keys)), prefix, keys, whole: None }
    }

    /// With ALiBi's distances.
    pub(crate) fn alibi(mut self, heads: usize) -> Self {
        self.slopes = Some(alibi_slopes(heads));
        self
    }

    /// No query sees a later key.
    pub(crate) fn causal(mut self) -> Self {
        self.causal = true;
        self
    }

    /// Makes it once for all layers if `seq` queries need one block.
    pub(crate) fn prepared(mut self, heads: usize, seq: usize, batch: usize, device: &Device) -> Self {
        if rows_per_block(batch, heads, self.keys, BLOCK) >= seq {
            self.whole = Some(self.rows(0, seq, seq, device));
        }
        self
    }

    /// The bias of queries `start..start + rows` of `seq`, [1 or batch, 1 or heads, 1 or rows, keys].
    fn rows(&self, start: usize, rows: usize, seq: usize, device: &Device) -> Option<Tensor<4>> {
        if let Some(whole) = &self.whole {
            return whole.clone().map(|b| if b.dims()[2] == 1 { b } else { b.narrow(2, start, rows) });
        }
        let position = |row: usize| self.keys - seq + start + row; // the query's own place among the keys
        let hide = self.causal && position(0) + 1 < self.keys;
        let made = if self.slopes.is_some() || hide {
            let slopes = self.slopes.as_deref().unwrap_or(&[0.0]);
            let mut bias = Vec::with_capacity(slopes.len() * rows * self.keys);
            for slope in slopes {
                for place in (0..rows).map(position) {
                    bias.extend(std::iter::repeat_n(0.0, self.prefix));
                    bias.extend((self.prefix..self.keys).map(|j| match j > place && self.causal {
                        true => HIDDEN,
                        false => -slope * place.abs_diff(j) as f32,
                    }));
                }
            }
            Some(Tensor::from_data(TensorData::new(bias, [1, slopes.len(), rows, self.keys]), device))
        } else {
            None
        };
        match (made, &self.padding) {
            (Some(a), Some(b)) => Some(a + b.clone()),
            (a, b) => a.or_else(|| b.clone()),
        }
    }
}

/// Queries whose scores are at most `scores` in all, but at least 16.
fn rows_per_block(batch: usize, heads: usize, keys: usize, scores: usize) -> usize {
    (scores / (batch * heads * keys).max(1)).max(16)
}

/// Attention of all heads, [batch, seq, heads·d_head]: softmax(q·kᵀ·scale + bias)·v.
///
/// q: [batch, heads, seq, d_head]; k, v: [batch, kv_heads, keys, d_head], where each of `kv_heads` serves as many heads
/// (grouped-query attention, Ainslie et al., 2023).
pub(crate) fn attend(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>, bias: &Bias, scale: f32, pass: &mut Pass) -> Tensor<3> {
    let ([batch, heads, seq, d], kv_heads) = (q.dims(), k.dims()[1]);
    let device = q.device().inner();
    if seq == 1 && kv_heads < heads && !bias.varies_by_head() && !pass.keeps_attentions() {
        // One query: the heads of a group are as good as rows of one head, and no key is copied.
        let q = q.reshape([batch, kv_heads, heads / kv_heads, d]);
        let context = fused::attention(q, k, v, bias.rows(0, 1, 1, &device), scale); // [batch, kv_heads, group, d_head]
        return context.reshape([batch, 1, heads * d]);
    }
    let (k, v) = (repeat_heads(k, heads), repeat_heads(v, heads));
    if pass.keeps_attentions() {
        let scores = q.clone().matmul(k.clone().swap_dims(2, 3)); // [batch, heads, seq, keys]
        pass.attention(fused::softmax_with_bias(scores, bias.rows(0, seq, seq, &device), scale));
    }
    in_blocks(q, k, v, bias, scale, rows_per_block(batch, heads, bias.keys, BLOCK))
}

/// Attention of `block` queries at a time. q: [batch, heads, seq, d_head]; k, v: [batch, heads, keys, d_head].
fn in_blocks(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>, bias: &Bias, scale: f32, block: usize) -> Tensor<3> {
    let (seq, device) = (q.dims()[2], q.device().inner());
    if block >= seq {
        return join_heads(fused::attention(q, k, v, bias.rows(0, seq, seq, &device), scale));
    }
    let blocks = (0..seq).step_by(block).map(|start| {
        let rows = block.min(seq - start);
        let q = q.clone().narrow(2, start, rows);
        join_heads(fused::attention(q, k.clone(), v.clone(), bias.rows(start, rows, seq, &device), scale))
    });
    Tensor::cat(blocks.collect(), 1)
}

/// DNABERT-2's symmetric ALiBi, -slope·|i - j|, [1, heads, seq, seq].
pub fn alibi_bias(heads: usize, seq: usize, device: &Device) -> Tensor<4> {
    Bias::new(seq, seq, 0, None).alibi(heads).rows(0, seq, seq, device).expect("ALiBi is a bias")
}

impl Bias {
    fn varies_by_head(&self) -> bool {
        self.slopes.is_some()
    }
}

/// [batch, kv_heads, keys, d_head] to [batch, heads, keys, d_head].
fn repeat_heads(x: Tensor<4>, heads: usize) -> Tensor<4> {
    let [batch, kv_heads, keys, d] = x.dims();
    match heads / kv_heads {
        1 => x,
        group => x.unsqueeze_dim::<5>(2).expand([batch, kv_heads, group, keys, d]).reshape([batch, heads, keys, d]),
    }
}

/// Score bias that hides padding, [batch, 1, 1, keys]; keys before those of the mask are always seen.
fn key_bias(mask: &Tensor<2>, keys: usize) -> Tensor<4> {
    let [batch, masked] = mask.dims();
    let bias = (mask.clone().neg() + 1.0) * HIDDEN; // [batch, masked]
    let bias = match keys - masked {
        0 => bias,
        before => Tensor::cat(vec![Tensor::zeros([batch, before], &mask.device()), bias], 1),
    };
    bias.reshape([batch, 1, 1, keys])
}

/// ALiBi's slopes, one a head (Press, Smith, Lewis, ICLR 2022, section 3, and their code for counts that are no power of 2).
pub fn alibi_slopes(heads: usize) -> Vec<f32> {
    fn power_of_two(n: usize) -> Vec<f32> {
        let start = (-8.0 / n as f64).exp2(); // 2^(-2^-(log2 n - 3))
        (1..=n as i32).map(|i| start.powi(i) as f32).collect()
    }
    if heads.is_power_of_two() {
        return power_of_two(heads);
    }
    let closest = (heads + 1).next_power_of_two() / 2;
    let mut slopes = power_of_two(closest);
    slopes.extend(power_of_two(2 * closest).into_iter().step_by(2).take(heads - closest));
    slopes
}

/// How the angles of rotary positions are stretched for sequences beyond the trained length.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum RopeScaling {
    /// As trained.
    #[default]
    None,
    /// All positions divided by `factor` (Chen et al., position interpolation, 2023).
    Linear {
        /// How many times longer.
        factor: f64,
    },
    /// The base grows with the sequence once it is longer than `trained` (dynamic NTK): θ·((f·n/trained) - (f - 1))^(d/(d-2)).
    Dynamic {
        /// f above.
        factor: f64,
        /// Length that the model was trained on, in tokens.
        trained: usize,
    },
    /// Low frequencies divided by `factor`, high ones left, those between blended (Llama 3.1).
    Llama3 {
        /// How many times longer.
        factor: f64,
        /// Wavelengths above `trained / low_freq_factor` are scaled in full.
        low_freq_factor: f64,
        /// Wavelengths below `trained / high_freq_factor` are left alone.
        high_freq_factor: f64,
        /// Length that the model was trained on, in tokens.
        trained: usize,
    },
}

/// Inverse frequencies of rotary positions, one a pair of features: θ^(-2i/d), scaled. `seq`: positions in use.
pub fn rope_frequencies(d_head: usize, theta: f64, scaling: &RopeScaling, seq: usize) -> Vec<f64> {
    let with_base = |theta: f64| (0..d_head / 2).map(move |i| theta.powf(-2.0 * i as f64 / d_head as f64));
    match *scaling {
        RopeScaling::None => with_base(theta).collect(),
        RopeScaling::Linear { factor } => with_base(theta).map(|f| f / factor).collect(),
        RopeScaling::Dynamic { factor, trained } => {
            let (n, d) = (seq.max(trained) as f64, d_head as f64);
            let stretch = (factor * n / trained as f64 - (factor - 1.0)).powf(d / (d - 2.0));
            with_base(theta * stretch).collect()
        }
        RopeScaling::Llama3 { factor, low_freq_factor, high_freq_factor, trained } => with_base(theta)
            .map(|f| {
                let wavelength = std::f64::consts::TAU / f;
                let (low, high) = (trained as f64 / low_freq_factor, trained as f64 / high_freq_factor);
                if wavelength < high {
                    f
                } else if wavelength > low {
                    f / factor
                } else {
                    let smooth = (trained as f64 / wavelength - low_freq_factor) / (high_freq_factor - low_freq_factor);
                    (1.0 - smooth) * f / factor + smooth * f
                }
            })
            .collect(),
    }
}

/// Rotary position embeddings (Su et al., RoFormer, 2021, eq. 34) in the "rotate half" layout of ESM and LLaMA.
#[derive(Debug, Clone)]
pub struct Rotary {
    cos: Tensor<2>, // [seq, d_head], or of each row [batch·seq, d_head]
    sin: Tensor<2>, // as cos
}

impl Rotary {
    /// Angles of positions `start..start + seq`.
    pub fn new(frequencies: &[f64], start: usize, seq: usize, device: &Device) -> Self {
        Self::at(frequencies, start..start + seq, device)
    }

    /// Angles of the tokens of `batch` behind `virtual_tokens`, where `before` positions of each row are taken already. Positions
    /// count tokens, so that a row's do not depend on padding, nor its rounding.
    pub(crate) fn of_batch(
        frequencies: &[f64],
        batch: &TokenBatch,
        virtual_tokens: usize,
        before: impl Fn(usize) -> usize,
    ) -> Self {
        let [rows, seq] = batch.dims();
        let starts: Vec<usize> = (0..rows).map(before).collect();
        let device = batch.ids.device().inner();
        let alike = starts.windows(2).all(|pair| pair[0] == pair[1]);
        if alike && (batch.side == Side::Right || batch.mask.is_none()) {
            let start = starts.first().copied().unwrap_or_default();
            return Self::new(frequencies, start, virtual_tokens + seq, &device);
        }
        let places = batch.per_token(|place| place.unwrap_or_default());
        let of_row = |(start, places): (&usize, &[usize])| {
            let first = start + virtual_tokens;
            (*start..first).chain(places.iter().map(move |place| first + place)).collect::<Vec<_>>()
        };
        Self::at(frequencies, starts.iter().zip(places.chunks_exact(seq)).flat_map(of_row), &device)
    }

    fn at(frequencies: &[f64], positions: impl Iterator<Item = usize>, device: &Device) -> Self {
        let d_head = 2 * frequencies.len();
        // Angles in f32, as the originals compute them.
        let angle = |p: usize, i: usize| p as f32 * frequencies[i % frequencies.len()] as f32;
        let angles: Vec<f32> =
            positions.flat_map(|p| (0..d_head).map(move |i| (p, i))).map(|(p, i)| angle(p, i)).collect();
        let table = |f: fn(f32) -> f32| {
            let values: Vec<f32> = angles.iter().map(|angle| f(*angle)).collect();
            Tensor::from_data(TensorData::new(values, [angles.len() / d_head, d_head]), device)
        };
        Self { cos: table(f32::cos), sin: table(f32::sin) }
    }

    /// Cosines and sines, [seq, d_head] each, or [batch·seq, d_head] where rows differ.
    pub fn tables(&self) -> (Tensor<2>, Tensor<2>) {
        (self.cos.clone(), self.sin.clone())
    }

    /// x: [batch, heads, seq, d_head].
    pub(crate) fn rotate(&self, x: Tensor<4>) -> Tensor<4> {
        fused::rotary(x, self.cos.clone(), self.sin.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slopes_follow_the_paper() {
        assert_eq!(alibi_slopes(8), [0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625, 0.0078125, 0.00390625]);
        // python: get_slopes(6) of the ALiBi repository
        let six = [0.25, 0.0625, 0.015625, 0.00390625, 0.5, 0.125];
        assert_eq!(alibi_slopes(6), six);
    }

    #[test]
    fn blocks_of_queries_give_what_all_queries_give() {
        let device = Device::default();
        let (batch, heads, keys) = (2, 3, 50);
        let wave = |seq: usize, start: f32| {
            let values = (0..batch * heads * seq * 4).map(|i| (i as f32 * 0.7 + start).sin() * 2.0).collect::<Vec<_>>();
            Tensor::<4>::from_data(TensorData::new(values, [batch, heads, seq, 4]), &device)
        };
        let (k, v) = (wave(keys, 1.0), wave(keys, 2.0));
        let shown: Vec<f32> = (0..batch * 40).map(|i| if (7..72).contains(&i) { 1.0 } else { 0.0 }).collect();
        let mask = Tensor::<2>::from_data(TensorData::new(shown, [batch, 40]), &device);
        let plain = |seq, prefix| Bias::new(seq, keys, prefix, None);
        let biases = [
            (50, plain(50, 0)),
            (50, plain(50, 0).causal()),
            (50, plain(50, 0).alibi(heads)),
            (40, plain(40, 10).alibi(heads)),
            (33, plain(33, 0).causal()), // 17 keys of earlier passes
            (40, Bias::new(40, keys, 10, Some(&mask)).alibi(heads)),
            (40, Bias::new(40, keys, 0, Some(&mask)).causal()),
        ];
        for (i, (seq, bias)) in biases.into_iter().enumerate() {
            let run = |bias: &Bias, block: usize| {
                let out = in_blocks(wave(seq, 0.0), k.clone(), v.clone(), bias, 0.5, block); // [batch, seq, heads·d_head]
                out.into_data().try_into_vec::<f32>().unwrap()
            };
            let whole = run(&bias, seq);
            let prepared = bias.clone().prepared(heads, seq, batch, &device);
            assert!(bias.whole.is_none() && prepared.whole.is_some());
            for block in [1, 16, 33, 49] {
                for found in [run(&bias, block), run(&prepared, block)] {
                    assert!(found.iter().zip(&whole).all(|(f, w)| (f - w).abs() < 1e-5), "bias {i}, blocks of {block}");
                }
            }
        }
        assert_eq!(rows_per_block(2, 3, 50, 6000), 20);
        assert_eq!(rows_per_block(2, 3, 50, 1), 16);
    }

    #[test]
    fn rotation_keeps_lengths_and_depends_on_distance_alone() {
        let device = Device::default();
        let rotary = Rotary::new(&rope_frequencies(8, 1e4, &RopeScaling::None, 6), 0, 6, &device);
        let x = Tensor::<1>::from_floats([1., -2., 3., 0.5, -1., 0.25, 2., -0.75], &device)
            .reshape([1, 1, 1, 8])
            .repeat_dim(2, 6);
        let y = rotary.rotate(x.clone());
        let scores = y.clone().matmul(y.swap_dims(2, 3)).reshape([6, 6]).into_data().try_into_vec::<f32>().unwrap();
        let length = 1. + 4. + 9. + 0.25 + 1. + 0.0625 + 4. + 0.5625;
        for i in 0..6 {
            assert!((scores[i * 6 + i] - length).abs() < 1e-4);
        }
        assert!((scores[1] - scores[6 * 4 + 5]).abs() < 1e-4);
    }
}
