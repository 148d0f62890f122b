//! Attention and the ways in which it knows positions: ALiBi biases and rotary embeddings.

use crate::fused;
use burn::tensor::{Device, Tensor, TensorData};

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

/// Score bias that hides padding, [batch, 1, 1, prefix + keys]; the prefix is always seen.
pub(crate) fn key_bias(mask: &Tensor<2>, prefix: usize) -> Tensor<4> {
    let [batch, keys] = mask.dims();
    let bias = (mask.clone().neg() + 1.0) * HIDDEN; // [batch, keys]
    let bias = match prefix {
        0 => bias,
        _ => Tensor::cat(vec![Tensor::zeros([batch, prefix], &mask.device()), bias], 1),
    };
    bias.reshape([batch, 1, 1, prefix + keys])
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

/// DNABERT-2's symmetric ALiBi: -slope·|i - j|, and 0 to the `prefix` keys that stand before the sequence.
/// [1, heads, seq, prefix + seq].
pub fn alibi_bias(heads: usize, seq: usize, prefix: usize, device: &Device) -> Tensor<4> {
    let mut bias = Vec::with_capacity(heads * seq * (prefix + seq));
    for slope in alibi_slopes(heads) {
        for i in 0..seq {
            bias.extend(std::iter::repeat_n(0.0, prefix));
            bias.extend((0..seq).map(|j| -slope * i.abs_diff(j) as f32));
        }
    }
    Tensor::from_data(TensorData::new(bias, [1, heads, seq, prefix + seq]), device)
}

/// Rotary position embeddings (Su et al., RoFormer, 2021, eq. 34) in the "rotate half" layout of ESM and LLaMA.
#[derive(Debug, Clone)]
pub(crate) struct Rotary {
    cos: Tensor<2>, // [seq, d_head]
    sin: Tensor<2>, // [seq, d_head]
}

impl Rotary {
    /// Angles for `seq` positions at base 10,000.
    pub(crate) fn new(d_head: usize, seq: usize, device: &Device) -> Self {
        let frequencies: Vec<f32> =
            (0..d_head / 2).map(|i| 1.0 / 10_000_f32.powf(2.0 * i as f32 / d_head as f32)).collect();
        let angle = |p: usize, i: usize| p as f32 * frequencies[i % (d_head / 2)];
        let table = |f: fn(f32) -> f32| {
            let values: Vec<f32> =
                (0..seq).flat_map(|p| (0..d_head).map(move |i| (p, i))).map(|(p, i)| f(angle(p, i))).collect();
            Tensor::from_data(TensorData::new(values, [seq, d_head]), device)
        };
        Self { cos: table(f32::cos), sin: table(f32::sin) }
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
    fn rotation_keeps_lengths_and_depends_on_distance_alone() {
        let device = Device::default();
        let rotary = Rotary::new(8, 6, &device);
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
