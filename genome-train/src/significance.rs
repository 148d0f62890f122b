//! How sure a difference between methods is: intervals over seeds, and the paired bootstrap over test examples.

use crate::metrics::Confusion;
use model_zoo::seed::rng;
use rand::RngExt;

/// Two-sided 95 % quantiles of Student's t distribution, for 1 to 30 degrees of freedom.
const T_95: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
    2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
];

/// The mean of some runs, and half the width of its 95 % interval, t · s / √n (Student 1908); `None` for the width of a single run.
///
/// ```
/// let (mean, half) = genome_train::significance::t_interval(&[0.5, 0.6, 0.7]);
/// assert!((mean - 0.6).abs() < 1e-12);
/// assert!((half.unwrap() - 4.303 * 0.1 / 3_f64.sqrt()).abs() < 1e-9);
/// ```
pub fn t_interval(values: &[f64]) -> (f64, Option<f64>) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    if values.len() < 2 {
        return (mean, None);
    }
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let t = T_95.get(values.len() - 2).copied().unwrap_or(1.96);
    (mean, Some(t * (variance / n).sqrt()))
}

/// A difference of Matthews correlations.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// On the test set as it is, mean over seeds.
    pub mean: f64,
    /// The 2.5 % quantile over resampled test sets.
    pub low: f64,
    /// The 97.5 % quantile.
    pub high: f64,
}

impl Difference {
    /// True if 0 is outside the interval.
    pub fn is_sure(&self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }
}

/// How much better `ours` is than `theirs` (Efron and Tibshirani 1993, chapter 13): the test set is drawn anew with
/// replacement `rounds` times, the same draw for all runs, and the mean over seeds of each side's Matthews correlation is
/// compared. Guesses: one list of labels a seed, each as long as `truth`.
///
/// ```
/// use genome_train::significance::paired_bootstrap;
/// let truth = vec![0, 1, 0, 1, 0, 1, 0, 1];
/// let found = paired_bootstrap(&truth, 2, &[truth.clone()], &[vec![0; 8]], 200, 1);
/// assert_eq!((found.mean, found.high), (1.0, 1.0));
/// assert!(found.is_sure());
/// let same = paired_bootstrap(&truth, 2, &[vec![0; 8]], &[vec![0; 8]], 200, 1);
/// assert_eq!((same.low, same.high, same.is_sure()), (0.0, 0.0, false));
/// ```
///
/// # Panics
/// If a list has another length than `truth`, or `rounds` is 0.
pub fn paired_bootstrap(
    truth: &[usize],
    classes: usize,
    ours: &[Vec<usize>],
    theirs: &[Vec<usize>],
    rounds: usize,
    seed: u64,
) -> Difference {
    assert!(rounds > 0, "at least one draw");
    assert!(ours.iter().chain(theirs).all(|guess| guess.len() == truth.len()), "a guess for each example");
    let difference = |rows: &[usize]| {
        let truth: Vec<usize> = rows.iter().map(|&i| truth[i]).collect();
        let side = |runs: &[Vec<usize>]| {
            let one = |guess: &Vec<usize>| {
                let guess: Vec<usize> = rows.iter().map(|&i| guess[i]).collect();
                Confusion::count(&truth, &guess, classes).mcc()
            };
            runs.iter().map(one).sum::<f64>() / runs.len() as f64
        };
        side(ours) - side(theirs)
    };
    let all: Vec<usize> = (0..truth.len()).collect();
    let mut random = rng(seed, "paired bootstrap");
    let mut drawn: Vec<f64> = (0..rounds)
        .map(|_| {
            let rows: Vec<usize> = all.iter().map(|_| random.random_range(0..truth.len())).collect();
            difference(&rows)
        })
        .collect();
    drawn.sort_by(f64::total_cmp);
    let at = |share: f64| drawn[((rounds - 1) as f64 * share).round() as usize];
    Difference { mean: difference(&all), low: at(0.025), high: at(0.975) }
}
