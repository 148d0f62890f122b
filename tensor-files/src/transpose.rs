//! A matrix transposed while it is read, without a second copy of it.

/// Rows that are gathered before they are written out: as many values as a cache line holds, so that each line of the result
/// is written once and whole.
const ROWS: usize = 16;

/// Takes a matrix [rows, columns] value by value and makes [columns, rows] of it.
#[derive(Debug)]
pub(crate) struct Transpose {
    rows: usize,
    columns: usize,
    done: usize,
    band: Vec<f32>, // [at most ROWS, columns], as it came
    out: Vec<f32>,  // [columns, rows]
}

impl Transpose {
    pub(crate) fn new(rows: usize, columns: usize) -> Self {
        let band = Vec::with_capacity(columns * ROWS.min(rows));
        Self { rows, columns, done: 0, band, out: vec![0.0; rows * columns] }
    }

    /// The next values, no more than the matrix has.
    pub(crate) fn push(&mut self, mut run: &[f32]) {
        while !run.is_empty() {
            let full = self.columns * ROWS.min(self.rows - self.done);
            let n = run.len().min(full - self.band.len());
            self.band.extend_from_slice(&run[..n]);
            run = &run[n..];
            if self.band.len() == full {
                self.write_band();
            }
        }
    }

    fn write_band(&mut self) {
        let band_rows = self.band.len() / self.columns;
        for column in 0..self.columns {
            let at = column * self.rows + self.done;
            let values = self.band[column..].iter().step_by(self.columns);
            for (to, from) in self.out[at..at + band_rows].iter_mut().zip(values) {
                *to = *from;
            }
        }
        self.done += band_rows;
        self.band.clear();
    }

    pub(crate) fn finish(self) -> Vec<f32> {
        self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn as_index_by_index(rows in 0_usize..50, columns in 0_usize..50, step in 1_usize..200) {
            let values: Vec<f32> = (0..rows * columns).map(|i| i as f32).collect();
            let mut transpose = Transpose::new(rows, columns);
            values.chunks(step).for_each(|run| transpose.push(run));
            let expected: Vec<f32> = (0..columns).flat_map(|c| (0..rows).map(move |r| (r * columns + c) as f32)).collect();
            prop_assert_eq!(transpose.finish(), expected);
        }
    }
}
