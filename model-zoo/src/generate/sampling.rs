//! From the scores of one position to a token, on the host.
//!
//! In transformers' order: repetition penalty (Keskar et al., "CTRL", 2019, section 4.1), then temperature, top-k, and top-p
//! (nucleus sampling; Holtzman et al., "The Curious Case of Neural Text Degeneration", ICLR 2020, eq. 2 and 3).

use crate::seed::rng;
use crate::{Error, Result};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// How the next token follows from its scores.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sampling {
    /// The best token, of equals the first.
    #[default]
    Greedy,
    /// A token drawn by its probability.
    Random {
        /// Scores are divided by it before the softmax: below 1 the likely tokens gain. 1 is the model's own distribution.
        temperature: f64,
        /// Only the best k tokens are drawn from, and those that equal the last of them.
        top_k: Option<usize>,
        /// Only the fewest tokens that together have this probability are drawn from, at least one.
        top_p: Option<f64>,
    },
}

impl Sampling {
    /// The model's own distribution.
    pub fn random() -> Self {
        Self::Random { temperature: 1.0, top_k: None, top_p: None }
    }

    pub(super) fn check(&self) -> Result<()> {
        let Self::Random { temperature, top_k, top_p } = *self else { return Ok(()) };
        let setting = |name, expected, found: String| Err(Error::Setting { name, expected, found });
        if !(temperature.is_finite() && temperature > 0.0) {
            return setting("temperature", "a number above 0 (greedy decoding has none)", temperature.to_string());
        }
        if top_k == Some(0) {
            return setting("top_k", "at least one token", "0".to_owned());
        }
        match top_p {
            Some(p) if !(p > 0.0 && p <= 1.0) => setting("top_p", "a probability above 0 and at most 1", p.to_string()),
            _ => Ok(()),
        }
    }
}

/// Draws the tokens of one row.
#[derive(Debug)]
pub(super) struct Sampler {
    sampling: Sampling,
    penalty: f64,
    rng: ChaCha8Rng,
}

impl Sampler {
    /// `stream` tells the row's random numbers from those of other rows.
    pub(super) fn new(sampling: Sampling, penalty: f64, seed: u64, stream: &str) -> Self {
        Self { sampling, penalty, rng: rng(seed, stream) }
    }

    /// The next token after `text` (prompt included), from the scores of all tokens, or `None` if they are no numbers.
    pub(super) fn next(&mut self, scores: &mut [f32], text: &[u32]) -> Option<u32> {
        if scores.iter().any(|s| s.is_nan()) {
            return None;
        }
        penalise(scores, text, self.penalty);
        match self.sampling {
            Sampling::Greedy => Some(best(scores)),
            Sampling::Random { temperature, top_k, top_p } => {
                let kept = distribution(scores, temperature, top_k, top_p);
                let mut left = self.rng.random::<f64>() * kept.iter().map(|(_, p)| p).sum::<f64>();
                let drawn = kept.iter().find(|(_, p)| {
                    left -= p;
                    left < 0.0
                });
                Some(drawn.or(kept.last()).expect("at least one token is kept").0)
            }
        }
    }
}

/// The index of the greatest score, of equals the first.
fn best(scores: &[f32]) -> u32 {
    let better = |best: (usize, f32), (i, &s): (usize, &f32)| if s > best.1 { (i, s) } else { best };
    scores.iter().enumerate().fold((0, f32::NEG_INFINITY), better).0 as u32
}

/// The score of each token that stands in the text becomes score/θ, or score·θ below 0.
fn penalise(scores: &mut [f32], text: &[u32], penalty: f64) {
    if penalty == 1.0 {
        return;
    }
    let mut seen = text.to_vec();
    seen.sort_unstable();
    seen.dedup();
    for id in seen {
        let score = &mut scores[id as usize];
        *score = if *score < 0.0 { *score * penalty as f32 } else { *score / penalty as f32 };
    }
}

/// The tokens that may be drawn with their probabilities, the likeliest first, of equals the first by id. Probabilities are
/// not scaled back to a sum of 1 after top-p.
fn distribution(scores: &[f32], temperature: f64, top_k: Option<usize>, top_p: Option<f64>) -> Vec<(u32, f64)> {
    let mut kept: Vec<(u32, f64)> = (0..).zip(scores.iter().map(|s| f64::from(*s) / temperature)).collect();
    let order = |a: &(u32, f64), b: &(u32, f64)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    if let Some(k) = top_k.filter(|k| *k < kept.len()) {
        let (_, last, _) = kept.select_nth_unstable_by(k - 1, order);
        let least = last.1;
        kept.retain(|(_, s)| *s >= least);
    }
    kept.sort_unstable_by(order);
    let highest = kept[0].1;
    // Two infinities have no difference; the best token has weight 1 in any case.
    let weight = |s: f64| if s == highest { 1.0 } else { (s - highest).exp() };
    let total: f64 = kept.iter().map(|(_, s)| weight(*s)).sum();
    for (_, s) in &mut kept {
        *s = weight(*s) / total;
    }
    if let Some(p) = top_p.filter(|p| *p < 1.0) {
        let mut before = 0.0;
        let enough = kept.iter().position(|(_, share)| {
            before += share;
            before >= p
        });
        kept.truncate(enough.map_or(kept.len(), |at| at + 1));
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ids(kept: &[(u32, f64)]) -> Vec<u32> {
        kept.iter().map(|k| k.0).collect()
    }

    #[test]
    fn filters_by_hand() {
        // softmax of the logarithms of these is these
        let scores: Vec<f32> = [0.1_f32, 0.4, 0.2, 0.3].iter().map(|p| p.ln()).collect();
        let check = |temperature, top_k, top_p, expected: &[(u32, f64)]| {
            let found = distribution(&scores, temperature, top_k, top_p);
            assert_eq!(ids(&found), ids(expected), "{temperature} {top_k:?} {top_p:?}");
            for (f, e) in found.iter().zip(expected) {
                assert!((f.1 - e.1).abs() < 1e-6, "{f:?} {e:?}");
            }
        };
        check(1.0, None, None, &[(1, 0.4), (3, 0.3), (2, 0.2), (0, 0.1)]);
        check(1.0, Some(9), Some(1.0), &[(1, 0.4), (3, 0.3), (2, 0.2), (0, 0.1)]);
        check(1.0, Some(2), None, &[(1, 4.0 / 7.0), (3, 3.0 / 7.0)]);
        check(1.0, None, Some(0.65), &[(1, 0.4), (3, 0.3)]);
        check(1.0, None, Some(0.75), &[(1, 0.4), (3, 0.3), (2, 0.2)]);
        check(1.0, None, Some(1e-9), &[(1, 0.4)]);
        check(1.0, Some(3), Some(0.5), &[(1, 4.0 / 9.0), (3, 3.0 / 9.0)]); // top-p is of what top-k left
        check(0.5, None, None, &[(1, 16.0 / 30.0), (3, 9.0 / 30.0), (2, 4.0 / 30.0), (0, 1.0 / 30.0)]);
        // of equals: top-k keeps all, as transformers does
        assert_eq!(ids(&distribution(&[1.0, 2.0, 1.0, 1.0], 1.0, Some(2), None)), [1, 0, 2, 3]);
        assert_eq!(ids(&distribution(&[f32::NEG_INFINITY, 0.0], 1.0, None, Some(0.9))), [1]);
    }

    #[test]
    fn penalty_moves_scores_away_from_the_text_once() {
        // transformers 5.23: RepetitionPenaltyLogitsProcessor(2.0)([[0, 1, 1]], [[4., -4., 4.]])
        let mut scores = [4.0, -4.0, 4.0];
        penalise(&mut scores, &[0, 1, 1], 2.0);
        assert_eq!(scores, [2.0, -8.0, 4.0]);
        let mut greedy = Sampler::new(Sampling::Greedy, 2.0, 0, "");
        assert_eq!(greedy.next(&mut [4.0, 3.0, 3.5], &[0]), Some(2));
        assert_eq!(greedy.next(&mut [4.0, 4.0, 3.5], &[]), Some(0));
        assert_eq!(greedy.next(&mut [4.0, f32::NAN], &[]), None);
    }

    #[test]
    fn draws_follow_the_distribution() {
        let scores: Vec<f32> = [0.1_f32, 0.4, 0.2, 0.3].iter().map(|p| p.ln()).collect();
        let sampling = Sampling::Random { temperature: 1.0, top_k: Some(3), top_p: None };
        let mut sampler = Sampler::new(sampling, 1.0, 5, "row");
        let mut counts = [0; 4];
        for _ in 0..9000 {
            counts[sampler.next(&mut scores.clone(), &[]).unwrap() as usize] += 1;
        }
        assert_eq!(counts[0], 0);
        for (found, expected) in counts[1..].iter().zip([4000, 2000, 3000_i32]) {
            // five standard deviations of a binomial count
            assert!((found - expected).abs() < 240, "{counts:?}");
        }
    }

    #[test]
    fn settings_are_checked() {
        let check = |temperature, top_k, top_p, expected: &str| {
            let error = Sampling::Random { temperature, top_k, top_p }.check().unwrap_err();
            assert_eq!(error.to_string(), expected);
        };
        check(0.0, None, None, "temperature: expected a number above 0 (greedy decoding has none), found 0");
        check(f64::NAN, None, None, "temperature: expected a number above 0 (greedy decoding has none), found NaN");
        check(1.0, Some(0), None, "top_k: expected at least one token, found 0");
        check(1.0, None, Some(1.5), "top_p: expected a probability above 0 and at most 1, found 1.5");
        check(1.0, None, Some(0.0), "top_p: expected a probability above 0 and at most 1, found 0");
        assert!(Sampling::random().check().is_ok());
    }

    proptest! {
        #[test]
        fn nothing_that_is_kept_is_worse_than_what_is_not(
            scores in prop::collection::vec(-30.0_f32..30.0, 1..40),
            temperature in 0.05_f64..4.0,
            k in 1_usize..50,
            p in 0.001_f64..1.0,
        ) {
            let kept = distribution(&scores, temperature, Some(k), Some(p));
            prop_assert!(!kept.is_empty() && kept.len() <= scores.len());
            prop_assert!(kept.windows(2).all(|w| w[0].1 >= w[1].1));
            let least = kept.iter().map(|(id, _)| scores[*id as usize]).fold(f32::INFINITY, f32::min);
            for (id, score) in scores.iter().enumerate() {
                prop_assert!(ids(&kept).contains(&(id as u32)) || *score <= least);
            }
            // the fewest: without the last there is not enough
            let whole = distribution(&scores, temperature, Some(k), None);
            prop_assert!((whole.iter().map(|w| w.1).sum::<f64>() - 1.0).abs() < 1e-9);
            let without: f64 = kept[..kept.len() - 1].iter().map(|w| w.1).sum();
            prop_assert!(without < p);
        }
    }
}
