//! Batches of sequences of similar length, so that little is padding.

/// How large a batch may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimit {
    /// Most sequences.
    pub rows: usize,
    /// Most tokens, padding included. A sequence that is longer alone gets a batch of its own.
    pub tokens: Option<usize>,
}

impl BatchLimit {
    /// At most `rows` sequences, of any length. 0 counts as 1.
    pub fn rows(rows: usize) -> Self {
        Self { rows, tokens: None }
    }

    /// With at most `tokens` tokens too, padding included.
    #[must_use]
    pub fn tokens(self, tokens: usize) -> Self {
        Self { tokens: Some(tokens), ..self }
    }
}

/// Sequences in batches. The same lengths give the same batches every time.
///
/// ```
/// use model_zoo::{BatchLimit, Buckets};
///
/// let lengths = [9, 2, 10, 3];
/// let buckets = Buckets::by_length(&lengths, BatchLimit::rows(2));
/// assert_eq!(buckets.batches(), [vec![1, 3], vec![0, 2]]);
/// assert_eq!(buckets.padding(), 2.0 / 26.0);
/// assert_eq!(Buckets::in_order(&lengths, BatchLimit::rows(2)).padding(), 14.0 / 38.0);
///
/// // Results come batch after batch; they go back to the order of the sequences.
/// let results = buckets.batches().iter().flatten().map(|&i| lengths[i]);
/// assert_eq!(buckets.restore(results), lengths);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buckets {
    batches: Vec<Vec<usize>>,
    tokens: usize,
    padded: usize,
}

impl Buckets {
    /// By length, the shortest first; equal lengths keep their order.
    pub fn by_length(lengths: &[usize], limit: BatchLimit) -> Self {
        let mut order: Vec<usize> = (0..lengths.len()).collect();
        order.sort_by_key(|&i| lengths[i]);
        Self::group(order, lengths, limit)
    }

    /// As they stand: what bucketing is compared with.
    pub fn in_order(lengths: &[usize], limit: BatchLimit) -> Self {
        Self::group((0..lengths.len()).collect(), lengths, limit)
    }

    fn group(order: Vec<usize>, lengths: &[usize], limit: BatchLimit) -> Self {
        let (mut batches, mut longest, mut padded) = (Vec::<Vec<usize>>::new(), 0, 0);
        for i in order {
            let with = longest.max(lengths[i]);
            match batches.last_mut() {
                Some(batch)
                    if batch.len() < limit.rows
                        && limit.tokens.is_none_or(|most| with.saturating_mul(batch.len() + 1) <= most) =>
                {
                    padded += with * (batch.len() + 1) - longest * batch.len();
                    longest = with;
                    batch.push(i);
                }
                _ => {
                    padded += lengths[i];
                    longest = lengths[i];
                    batches.push(vec![i]);
                }
            }
        }
        Self { batches, tokens: lengths.iter().sum(), padded }
    }

    /// The sequences of each batch, by their place in the list of lengths.
    pub fn batches(&self) -> &[Vec<usize>] {
        &self.batches
    }

    /// Share of the positions of all batches that are padding, 0 to 1.
    pub fn padding(&self) -> f64 {
        (self.padded - self.tokens) as f64 / self.padded.max(1) as f64
    }

    /// Results, one a sequence and batch after batch, in the order of the sequences.
    ///
    /// # Panics
    /// If there is not one result a sequence.
    pub fn restore<T>(&self, results: impl IntoIterator<Item = T>) -> Vec<T> {
        let mut results = results.into_iter();
        let mut placed: Vec<(usize, T)> =
            self.batches.iter().flatten().map(|&i| (i, results.next().expect("one result a sequence"))).collect();
        assert!(results.next().is_none(), "one result a sequence");
        placed.sort_unstable_by_key(|(i, _)| *i);
        placed.into_iter().map(|(_, result)| result).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn budgets() {
        let check = |lengths: &[usize], limit, expected: &[&[usize]]| {
            assert_eq!(Buckets::by_length(lengths, limit).batches(), expected);
        };
        check(&[], BatchLimit::rows(4), &[]);
        check(&[5], BatchLimit::rows(0), &[&[0]]);
        check(&[3, 3, 1, 3], BatchLimit::rows(9).tokens(6), &[&[2, 0], &[1, 3]]);
        check(&[100, 2, 2], BatchLimit::rows(9).tokens(6), &[&[1, 2], &[0]]);
        assert_eq!(Buckets::by_length(&[], BatchLimit::rows(1)).padding(), 0.0);
    }

    proptest! {
        #[test]
        fn each_sequence_once_within_the_limits(
            lengths in prop::collection::vec(1_usize..50, 0..60),
            rows in 1_usize..9,
            tokens in prop::option::of(1_usize..200),
        ) {
            let limit = BatchLimit { rows, tokens };
            let (sorted, plain) = (Buckets::by_length(&lengths, limit), Buckets::in_order(&lengths, limit));
            for buckets in [&sorted, &plain] {
                let mut all: Vec<usize> = buckets.batches().concat();
                all.sort_unstable();
                prop_assert_eq!(all, (0..lengths.len()).collect::<Vec<_>>());
                let mut padded = 0;
                for batch in buckets.batches() {
                    let size = batch.len() * batch.iter().map(|&i| lengths[i]).max().unwrap();
                    prop_assert!(batch.len() <= rows && (batch.len() == 1 || tokens.is_none_or(|t| size <= t)));
                    padded += size;
                }
                let expected = 1.0 - lengths.iter().sum::<usize>() as f64 / padded.max(1) as f64;
                prop_assert!(lengths.is_empty() || (buckets.padding() - expected).abs() < 1e-12);
                prop_assert_eq!(buckets.restore(buckets.batches().concat()), (0..lengths.len()).collect::<Vec<_>>());
            }
        }
    }
}
