//! Windows of a region, summed up.

use crate::coord::Span;

/// Where summaries come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Precision {
    /// From the values themselves.
    #[default]
    Exact,
    /// From the zoom level that fits the size of the windows, as `bigWigSummary` of UCSC does, where one fits: much faster
    /// for wide windows, but minimum and maximum may come from beside the window, and means are weighted by overlap.
    Zoomed,
}

/// The values of a window, summed up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SignalSummary {
    /// The window.
    pub span: Span,
    /// How many of its bases have a value; a fraction where zoom levels are used.
    pub covered: f64,
    /// The smallest value; infinite without values.
    pub min: f64,
    /// The largest value; minus infinite without values.
    pub max: f64,
    /// The sum over all bases.
    pub sum: f64,
    /// The sum of squares over all bases.
    pub sum_squares: f64,
}

impl SignalSummary {
    /// The mean of the bases that have a value.
    pub fn mean(&self) -> Option<f64> {
        (self.covered > 0.0).then(|| self.sum / self.covered)
    }

    /// The standard deviation of the bases that have a value, with n - 1 below.
    pub fn std_dev(&self) -> Option<f64> {
        self.mean()?;
        if self.covered <= 1.0 {
            return Some(0.0);
        }
        let variance = (self.sum_squares - self.sum * self.sum / self.covered) / (self.covered - 1.0);
        Some(variance.max(0.0).sqrt())
    }

    fn add(&mut self, covered: f64, [min, max, sum, squares]: [f64; 4]) {
        self.covered += covered;
        self.min = self.min.min(min);
        self.max = self.max.max(max);
        self.sum += sum;
        self.sum_squares += squares;
    }
}

/// Windows that are being filled from left to right.
#[derive(Debug)]
pub(super) struct Summaries {
    windows: Vec<SignalSummary>,
    /// The first window that may still get something.
    first: usize,
}

impl Summaries {
    pub(super) fn new(region: Span, windows: usize) -> Self {
        let edge = |i: usize| {
            let offset = u128::from(region.len()) * i as u128 / windows as u128;
            region.start() + u64::try_from(offset).expect("no more than the length")
        };
        let empty = |i| SignalSummary {
            span: Span::new(edge(i), edge(i + 1)).expect("edges are in order"),
            covered: 0.0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            sum: 0.0,
            sum_squares: 0.0,
        };
        Self { windows: (0..windows).map(empty).collect(), first: 0 }
    }

    pub(super) fn add_value(&mut self, span: Span, value: f64) {
        self.each(span, |window, bases| window.add(bases, [value, value, bases * value, bases * value * value]));
    }

    pub(super) fn add_summary(&mut self, span: Span, covered: f64, [min, max, sum, squares]: [f64; 4]) {
        self.each(span, |window, bases| {
            let part = bases / span.len() as f64;
            window.add(covered * part, [min, max, sum * part, squares * part]);
        });
    }

    /// Calls `add` for each window that shares bases with the span. Spans that begin in front of earlier ones may be lost,
    /// but are not found in files that keep the order.
    fn each(&mut self, span: Span, mut add: impl FnMut(&mut SignalSummary, f64)) {
        while self.windows.get(self.first).is_some_and(|window| window.span.end() <= span.start()) {
            self.first += 1;
        }
        for window in &mut self.windows[self.first..] {
            if window.span.start() >= span.end() {
                break;
            }
            let shared = window.span.end().min(span.end()).saturating_sub(window.span.start().max(span.start()));
            if shared > 0 {
                add(window, shared as f64);
            }
        }
    }

    pub(super) fn finish(self) -> Vec<SignalSummary> {
        self.windows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_share_the_region() {
        let mut summaries = Summaries::new(Span::new(10, 20).unwrap(), 3);
        summaries.add_value(Span::new(8, 14).unwrap(), 2.0);
        summaries.add_value(Span::new(15, 16).unwrap(), 5.0);
        let found = summaries.finish();
        let spans: Vec<_> = found.iter().map(|window| (window.span.start(), window.span.end())).collect();
        assert_eq!(spans, [(10, 13), (13, 16), (16, 20)]);
        assert_eq!((found[0].mean(), found[0].std_dev()), (Some(2.0), Some(0.0)));
        assert_eq!((found[1].mean(), found[1].min, found[1].max), (Some(3.5), 2.0, 5.0));
        assert_eq!((found[2].mean(), found[2].std_dev(), found[2].covered), (None, None, 0.0));
        assert!(Summaries::new(Span::new(1, 2).unwrap(), 0).finish().is_empty());
    }
}
