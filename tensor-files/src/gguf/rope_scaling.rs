//! LLaMA-3's scaling of rotary frequencies, as formula and as the factors that GGUF files hold.
//!
//! Upstream: `_compute_llama3_parameters` of transformers and `generate_extra_tensors` of llama.cpp's converter. With f a
//! frequency and x = original_context · f / 2π, the frequency is divided by
//!
//! - 1 where x > high_freq_factor,
//! - factor where x < low_freq_factor,
//! - 1 / ((1 - s) / factor + s), s = (x - low) / (high - low), between.
//!
//! A GGUF file holds these divisors in `rope_freqs.weight` and not what they were made from, so that has to be found again.

use std::f64::consts::TAU;

/// The parameters, under transformers' names.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Llama3Scaling {
    pub(super) factor: f64,
    pub(super) low_freq_factor: f64,
    pub(super) high_freq_factor: f64,
    pub(super) original_context: f64,
}

/// The frequencies of a head: theta^(-2i/head_dim).
fn frequencies(theta: f64, head_dim: usize) -> impl Iterator<Item = f64> {
    (0..head_dim / 2).map(move |i| theta.powf(-2.0 * i as f64 / head_dim as f64))
}

impl Llama3Scaling {
    /// What each frequency is divided by.
    pub(super) fn divisors(&self, theta: f64, head_dim: usize) -> Vec<f32> {
        frequencies(theta, head_dim).map(|f| self.divisor(f) as f32).collect()
    }

    fn divisor(&self, frequency: f64) -> f64 {
        let x = self.original_context * frequency / TAU;
        let (low, high) = (self.low_freq_factor, self.high_freq_factor);
        if x > high {
            1.0
        } else if x < low {
            self.factor
        } else {
            let s = (x - low) / (high - low);
            1.0 / ((1.0 - s) / self.factor + s)
        }
    }

    /// Parameters that give these divisors to five digits; `None` if there are none.
    ///
    /// Only ratios follow from the divisors. `original_context` fixes the scale where it is known; otherwise
    /// `low_freq_factor` is 1, as in all published models.
    pub(super) fn from_divisors(
        divisors: &[f32],
        theta: f64,
        head_dim: usize,
        original_context: Option<u64>,
    ) -> Option<Self> {
        if divisors.len() != head_dim / 2 || divisors.iter().any(|d| !d.is_finite() || *d < 0.999_99) {
            return None;
        }
        let factor = divisors.iter().map(|&d| d.to_string().parse().unwrap_or(1.0)).fold(1.0, f64::max);
        let near = |a: f64, b: f64| (a / b - 1.0).abs() < 1e-5;
        // Of each frequency: x for a context of 1, and its divisor; x falls.
        let points: Vec<(f64, f64)> =
            frequencies(theta, head_dim).map(|f| f / TAU).zip(divisors.iter().map(|&d| f64::from(d))).collect();
        let between: Vec<(f64, f64)> = points
            .iter()
            .filter(|(_, d)| !near(*d, 1.0) && !near(*d, factor))
            .map(|&(x, d)| (x, (1.0 / d - 1.0 / factor) / (1.0 - 1.0 / factor)))
            .collect();
        // The parameters with low_freq_factor 1, as (context, high_freq_factor).
        let (context, high) = match between[..] {
            [] => {
                // The step is between two neighbours: anywhere.
                let scaled = points.iter().find(|(_, d)| near(*d, factor))?.0;
                let free = points.iter().rev().find(|(_, d)| near(*d, 1.0)).map_or(scaled * 2.0, |p| p.0);
                (1.0 / (scaled * free).sqrt(), (1.0 + (free / scaled).sqrt()) / 2.0)
            }
            [(x, s)] => ((1.0 + 3.0 * s) / x, 4.0),
            [(x1, s1), .., (x2, s2)] => {
                let slope = (s1 - s2) / (x1 - x2);
                let offset = slope * x1 - s1;
                (slope / offset, 1.0 + 1.0 / offset)
            }
        };
        if !(context.is_finite() && high.is_finite() && context > 0.0 && high > 1.0) {
            return None;
        }
        let whole = if near(context, context.round()) { context.round() } else { 8192.0 };
        let target = original_context.map_or(whole, |context| context as f64);
        let scale = target / context;
        let fits = |scaling: &Self| points.iter().all(|&(x, d)| near(scaling.divisor(x * TAU), d));
        let round = |value: f64| (value * 1e4).round() / 1e4;
        let exact = Self { factor, low_freq_factor: scale, high_freq_factor: high * scale, original_context: target };
        let rounded = Self { low_freq_factor: round(scale), high_freq_factor: round(high * scale), ..exact };
        [rounded, exact].into_iter().find(fits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_again() {
        let check = |theta: f64, head_dim, known: Option<u64>, [factor, low, high, context]: [f64; 4]| {
            let scaling =
                Llama3Scaling { factor, low_freq_factor: low, high_freq_factor: high, original_context: context };
            let divisors = scaling.divisors(theta, head_dim);
            let found = Llama3Scaling::from_divisors(&divisors, theta, head_dim, known).expect("it was made so");
            for (a, b) in found.divisors(theta, head_dim).iter().zip(&divisors) {
                assert!((a / b - 1.0).abs() < 2e-5, "{scaling:?} {found:?}");
            }
            (found, scaling)
        };
        // Llama 3.1 and 3.2, as published: found to the digit.
        for (factor, head_dim) in [(8.0, 128), (32.0, 64)] {
            let (found, made) = check(500_000.0, head_dim, None, [factor, 1.0, 4.0, 8192.0]);
            assert_eq!(found, made);
        }
        // A tiny head: five frequencies are no evidence, but the context is known.
        check(500_000.0, 12, Some(64), [32.0, 1.0, 4.0, 64.0]);
        check(500_000.0, 12, None, [32.0, 1.0, 4.0, 64.0]);
        check(10_000.0, 16, None, [8.0, 1.0, 1.0001, 100.0]);
        let (found, made) = check(10_000.0, 128, Some(1000), [3.0, 2.0, 5.0, 1000.0]);
        assert_eq!(found, made);
    }

    #[test]
    fn other_divisors_are_refused() {
        let mut divisors =
            Llama3Scaling { factor: 8.0, low_freq_factor: 1.0, high_freq_factor: 4.0, original_context: 8192.0 }
                .divisors(500_000.0, 128);
        divisors[3] = 2.0;
        assert_eq!(Llama3Scaling::from_divisors(&divisors, 500_000.0, 128, None), None);
        divisors[3] = f32::NAN;
        assert_eq!(Llama3Scaling::from_divisors(&divisors, 500_000.0, 128, None), None);
        assert_eq!(Llama3Scaling::from_divisors(&divisors[1..], 500_000.0, 128, None), None);
    }
}
