//! Labels from a measured signal.

use super::builder::{Dataset, DatasetBuilder, Work};
use super::genome::Genome;
use super::items::Site;
use super::options::{SignalLabels, Summary};
use super::rows::DropReason;
use crate::error::{ErrorKind, Result};
use crate::wig::Signal;

impl<G: Genome> DatasetBuilder<G> {
    /// A set whose rows are windows of regions, labelled by the signal over them: sites from a file, or
    /// [`whole_sequences`](super::whole_sequences) with a sliding window. The regions' own labels do not matter.
    ///
    /// Signals may come in any order. Where two cover a base, both count.
    ///
    /// # Errors
    ///
    /// As [`sites`](Self::sites); and a signal is on an unknown sequence or outside of it (unless lenient), or no number,
    /// or negatives are to be made.
    pub fn signals(
        self,
        regions: impl IntoIterator<Item = Result<Site>>,
        signals: impl IntoIterator<Item = Result<Signal>>,
    ) -> Result<Dataset<G>> {
        let mut work = self.start(false)?;
        work.plan_sites(regions)?;
        work.label_by(signals)?;
        let classes = !work.options.signal_labels.thresholds.is_empty();
        work.finish(classes)
    }
}

/// What is known of the signal over a window.
#[derive(Debug, Clone, Copy)]
struct Sum {
    sum: f64,
    covered: u64,
    max: f64,
}

impl Sum {
    /// The label of a window of `len` bases; `None` where too few of them have a signal.
    fn label(&self, len: u64, options: &SignalLabels) -> Option<String> {
        // Overlapping signals cover a base twice.
        let covered = self.covered.min(len);
        if covered == 0 && options.missing.is_none() || (covered as f64) < options.min_covered * len as f64 {
            return None;
        }
        let missing = options.missing.filter(|_| covered < len);
        let value = match options.summary {
            Summary::Mean => {
                let (value, bases) = missing.map_or((0.0, 0), |m| (m * (len - covered) as f64, len - covered));
                (self.sum + value) / (self.covered + bases) as f64
            }
            Summary::Max => self.max.max(missing.unwrap_or(f64::NEG_INFINITY)),
        };
        Some(match &options.thresholds[..] {
            [] => value.to_string(),
            thresholds => thresholds.partition_point(|t| *t <= value).to_string(),
        })
    }
}

impl<G: Genome> Work<G> {
    fn label_by(&mut self, signals: impl IntoIterator<Item = Result<Signal>>) -> Result<()> {
        // For each sequence, the windows' pieces by start, and the longest of them.
        let mut pieces: Vec<Vec<(u64, u64, usize)>> = vec![Vec::new(); self.atlas.chromosomes.len()];
        for (i, row) in self.rows.iter().enumerate() {
            let of_row = self.atlas.pieces(row.place).map(|(start, end)| (start, end, i));
            pieces[row.place.chromosome as usize].extend(of_row);
        }
        pieces.iter_mut().for_each(|p| p.sort_unstable());
        let longest: Vec<u64> = pieces.iter().map(|p| p.iter().map(|(s, e, _)| e - s).max().unwrap_or(0)).collect();

        let mut sums = vec![Sum { sum: 0.0, covered: 0, max: f64::NEG_INFINITY }; self.rows.len()];
        for signal in signals {
            let Signal { seq_name, span, value } = signal?;
            self.signals += 1;
            if !value.is_finite() {
                return Err(self
                    .atlas
                    .error(ErrorKind::Syntax, "a signal that is no number")
                    .in_record(&seq_name)
                    .finding(format!("{value} at {}..{}", span.start(), span.end())));
            }
            let Some(chromosome) = self.locate("a signal", &seq_name, span)? else { continue };
            let pieces = &pieces[chromosome as usize];
            let longest = longest[chromosome as usize];
            let behind = pieces.partition_point(|(start, ..)| *start < span.end());
            for &(start, end, i) in pieces[..behind].iter().rev() {
                if start + longest <= span.start() {
                    break;
                }
                let covered = end.min(span.end()).saturating_sub(start.max(span.start()));
                if covered > 0 {
                    sums[i].sum += value * covered as f64;
                    sums[i].covered += covered;
                    sums[i].max = sums[i].max.max(value);
                }
            }
        }

        let options = self.options.signal_labels.clone();
        let mut why = Vec::with_capacity(self.rows.len());
        for (row, sum) in self.rows.iter_mut().zip(&sums) {
            let label = sum.label(row.place.len, &options);
            why.push(label.is_none().then_some(DropReason::NoSignal));
            if let Some(label) = label {
                row.label = self.labels.number(&label)?;
            }
        }
        self.remove(why);
        Ok(())
    }
}
