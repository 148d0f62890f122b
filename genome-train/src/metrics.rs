//! Scores of classifiers. Matthews correlation, macro F1, accuracy, AUROC and AUPRC, each from its definition.

use burn::tensor::TensorReadError;
use burn_train::ClassificationOutput;
use burn_train::metric::{
    Adaptor, Metric, MetricAttributes, MetricMetadata, MetricName, Numeric, NumericAttributes, NumericEntry,
    SerializedEntry,
};
use serde::Serialize;
use std::sync::Arc;

/// Counts of truth against guess.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Confusion {
    /// `counts[truth][guess]`.
    pub counts: Vec<Vec<u64>>,
}

impl Confusion {
    /// Counts pairs of labels below `classes`.
    ///
    /// # Panics
    /// If the lengths differ or a label is not below `classes`.
    pub fn count(truth: &[usize], guess: &[usize], classes: usize) -> Self {
        assert_eq!(truth.len(), guess.len(), "one guess for each truth");
        let mut counts = vec![vec![0; classes]; classes];
        for (&t, &g) in truth.iter().zip(guess) {
            counts[t][g] += 1;
        }
        Self { counts }
    }

    fn total(&self) -> u64 {
        self.counts.iter().flatten().sum()
    }

    fn right(&self) -> u64 {
        (0..self.counts.len()).map(|k| self.counts[k][k]).sum()
    }

    /// Share of right guesses; 0 of nothing.
    pub fn accuracy(&self) -> f64 {
        ratio(self.right() as f64, self.total() as f64)
    }

    /// Matthews correlation for any number of classes (Gorodkin 2004, R_K; the formula of scikit-learn):
    /// (c·s - Σ p_k·t_k) / sqrt((s² - Σ p_k²)·(s² - Σ t_k²)); 0 where the denominator is 0.
    pub fn mcc(&self) -> f64 {
        let (s, c) = (self.total() as f64, self.right() as f64);
        let truth: Vec<f64> = self.counts.iter().map(|row| row.iter().sum::<u64>() as f64).collect();
        let guess: Vec<f64> =
            (0..self.counts.len()).map(|k| self.counts.iter().map(|row| row[k]).sum::<u64>() as f64).collect();
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
        let denominator = ((s * s - dot(&guess, &guess)) * (s * s - dot(&truth, &truth))).sqrt();
        ratio(c * s - dot(&truth, &guess), denominator)
    }

    /// Precision and recall of a class; 0 where nothing was guessed or true.
    pub fn precision_recall(&self, class: usize) -> (f64, f64) {
        let right = self.counts[class][class] as f64;
        let guessed: u64 = self.counts.iter().map(|row| row[class]).sum();
        let true_: u64 = self.counts[class].iter().sum();
        (ratio(right, guessed as f64), ratio(right, true_ as f64))
    }

    /// Unweighted mean over the classes of 2·precision·recall / (precision + recall).
    pub fn macro_f1(&self) -> f64 {
        let f1 = |k| {
            let (p, r) = self.precision_recall(k);
            ratio(2.0 * p * r, p + r)
        };
        (0..self.counts.len()).map(f1).sum::<f64>() / self.counts.len() as f64
    }
}

fn ratio(a: f64, b: f64) -> f64 {
    if b == 0.0 { 0.0 } else { a / b }
}

/// Area under the receiver operating characteristic: the chance that a positive scores above a negative, ties half
/// (Hanley and McNeil 1982). `None` if one of the two kinds is absent.
pub fn auroc(scores: &[f32], positive: &[bool]) -> Option<f64> {
    let positives = positive.iter().filter(|p| **p).count() as f64;
    let negatives = positive.len() as f64 - positives;
    if positives == 0.0 || negatives == 0.0 {
        return None;
    }
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    let (mut rank_sum, mut i) = (0.0, 0);
    while i < order.len() {
        let tied = order[i..].iter().take_while(|&&o| scores[o] == scores[order[i]]).count();
        let mean_rank = i as f64 + (tied as f64 + 1.0) / 2.0;
        rank_sum += mean_rank * order[i..i + tied].iter().filter(|&&o| positive[o]).count() as f64;
        i += tied;
    }
    Some((rank_sum - positives * (positives + 1.0) / 2.0) / (positives * negatives))
}

/// Area under the precision-recall curve as average precision, Σ (R_n - R_{n-1})·P_n over distinct scores, as
/// scikit-learn does. `None` without positives.
pub fn auprc(scores: &[f32], positive: &[bool]) -> Option<f64> {
    let positives = positive.iter().filter(|p| **p).count() as f64;
    if positives == 0.0 {
        return None;
    }
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let (mut area, mut found, mut i) = (0.0, 0.0, 0);
    while i < order.len() {
        let tied = order[i..].iter().take_while(|&&o| scores[o] == scores[order[i]]).count();
        let new = order[i..i + tied].iter().filter(|&&o| positive[o]).count() as f64;
        i += tied;
        found += new;
        area += new / positives * (found / i as f64);
    }
    Some(area)
}

/// All scores of one evaluation, named as the Hugging Face Trainer's recipes name them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scores {
    /// Mean cross entropy, unweighted.
    pub eval_loss: f64,
    /// Share of right answers.
    pub eval_accuracy: f64,
    /// Macro average.
    pub eval_f1: f64,
    /// Matthews correlation.
    pub eval_matthews_correlation: f64,
    /// Macro average.
    pub eval_precision: f64,
    /// Macro average.
    pub eval_recall: f64,
    /// Of label 1 where there are two labels, else the mean of one label against the rest; absent where undefined.
    pub eval_roc_auc: Option<f64>,
    /// As `eval_roc_auc`, area under the precision-recall curve.
    pub eval_pr_auc: Option<f64>,
}

impl Scores {
    /// Scores `probabilities` (one row an example) against `truth`. Also returns the confusion matrix.
    ///
    /// # Panics
    /// If there is no example.
    pub fn of(probabilities: &[Vec<f32>], truth: &[usize]) -> (Self, Confusion) {
        let classes = probabilities.first().expect("at least one example").len();
        let guess: Vec<usize> = probabilities.iter().map(|p| argmax(p)).collect();
        let confusion = Confusion::count(truth, &guess, classes);
        let loss = |(p, &t): (&Vec<f32>, &usize)| -f64::from(p[t].max(f32::MIN_POSITIVE)).ln();
        let eval_loss = probabilities.iter().zip(truth).map(loss).sum::<f64>() / truth.len() as f64;
        let (mut precision, mut recall) = (0.0, 0.0);
        for k in 0..classes {
            let (p, r) = confusion.precision_recall(k);
            (precision, recall) = (precision + p / classes as f64, recall + r / classes as f64);
        }
        let area = |f: fn(&[f32], &[bool]) -> Option<f64>| {
            let of = |k: usize| {
                let scores: Vec<f32> = probabilities.iter().map(|p| p[k]).collect();
                let positive: Vec<bool> = truth.iter().map(|&t| t == k).collect();
                f(&scores, &positive)
            };
            if classes == 2 { of(1) } else { (0..classes).map(of).sum::<Option<f64>>().map(|s| s / classes as f64) }
        };
        let scores = Self {
            eval_loss,
            eval_accuracy: confusion.accuracy(),
            eval_f1: confusion.macro_f1(),
            eval_matthews_correlation: confusion.mcc(),
            eval_precision: precision,
            eval_recall: recall,
            eval_roc_auc: area(auroc),
            eval_pr_auc: area(auprc),
        };
        (scores, confusion)
    }
}

/// Index of the largest value, the first of equals.
pub fn argmax(values: &[f32]) -> usize {
    (0..values.len()).reduce(|best, i| if values[i] > values[best] { i } else { best }).unwrap_or(0)
}

/// Matthews correlation over an epoch, for burn-train's dashboard.
#[derive(Debug, Clone)]
pub(crate) struct McMetric {
    name: MetricName,
    truth: Vec<usize>,
    guess: Vec<usize>,
    classes: usize,
}

impl Default for McMetric {
    fn default() -> Self {
        Self { name: Arc::new("MCC".to_owned()), truth: Vec::new(), guess: Vec::new(), classes: 0 }
    }
}

/// Labels of a batch, truth and guess.
pub(crate) struct LabelPairs {
    truth: Vec<usize>,
    guess: Vec<usize>,
    classes: usize,
}

impl Adaptor<LabelPairs> for ClassificationOutput {
    fn adapt(&self) -> LabelPairs {
        let [rows, classes] = self.output.dims();
        LabelPairs {
            truth: crate::step_loop::indices(self.targets.clone()),
            guess: crate::step_loop::indices(self.output.clone().argmax(1).reshape([rows])),
            classes,
        }
    }
}

impl McMetric {
    fn now(&self) -> f64 {
        Confusion::count(&self.truth, &self.guess, self.classes).mcc()
    }

    fn entry(&self) -> SerializedEntry {
        let value = self.now();
        SerializedEntry::new(format!("epoch {value:.3}"), value.to_string())
    }
}

impl Metric for McMetric {
    type Input = LabelPairs;

    fn name(&self) -> MetricName {
        self.name.clone()
    }

    fn attributes(&self) -> MetricAttributes {
        NumericAttributes { unit: None, higher_is_better: true }.into()
    }

    fn update(&mut self, item: &LabelPairs, _: &MetricMetadata) -> Result<SerializedEntry, TensorReadError> {
        self.truth.extend(&item.truth);
        self.guess.extend(&item.guess);
        self.classes = item.classes;
        Ok(self.entry())
    }

    fn compute(&mut self) -> Result<SerializedEntry, TensorReadError> {
        Ok(self.entry())
    }

    fn clear(&mut self) {
        self.truth.clear();
        self.guess.clear();
    }
}

impl Numeric for McMetric {
    fn value(&self) -> Option<NumericEntry> {
        Some(NumericEntry::Value(self.now()))
    }
    fn running_value(&self) -> Option<NumericEntry> {
        Some(NumericEntry::Value(self.now()))
    }
    fn final_value(&self) -> NumericEntry {
        NumericEntry::Final(self.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-6, "{a} is not {b}");
    }

    #[test]
    fn known_values() {
        // y = [0,0,1,1,2,2,2], p = [0,1,1,1,2,0,2]: by hand: (35 - 16) / 32, mean of 1/2, 4/5, 4/5
        let c = Confusion::count(&[0, 0, 1, 1, 2, 2, 2], &[0, 1, 1, 1, 2, 0, 2], 3);
        close(c.mcc(), 19.0 / 32.0);
        close(c.macro_f1(), 0.7);
        close(c.accuracy(), 5.0 / 7.0);
        // two classes: (TP·TN - FP·FN) / sqrt(...)
        let c = Confusion { counts: vec![vec![90, 10], vec![20, 80]] };
        close(c.mcc(), (80. * 90. - 10. * 20.) / (90.0_f64 * 100. * 100. * 110.).sqrt());
        close(Confusion { counts: vec![vec![5, 0], vec![5, 0]] }.mcc(), 0.0);
        close(Confusion { counts: vec![vec![0, 5], vec![5, 0]] }.mcc(), -1.0);
        // the example of scikit-learn's documentation
        let (scores, positive) = ([0.1, 0.4, 0.35, 0.8], [false, false, true, true]);
        close(auroc(&scores, &positive).unwrap(), 0.75);
        close(auprc(&scores, &positive).unwrap(), 0.833_333_333);
        close(auroc(&[0.5; 4], &positive).unwrap(), 0.5);
        assert_eq!(auroc(&scores, &[true; 4]), None);
        assert_eq!(auprc(&scores, &[false; 4]), None);
    }
}
