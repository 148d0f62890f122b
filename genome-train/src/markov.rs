//! The baseline that a masked-language model has to beat: an order-5 Markov chain.

/// Predicts a base from the `order` bases before it, as counted in training sequence on both strands.
#[derive(Debug, Clone)]
pub struct MarkovModel {
    order: usize,
    counts: Vec<[f64; 4]>, // 4^order contexts
}

/// A, C, G, T in either case to 0..4.
pub(crate) fn base_code(letter: u8) -> Option<usize> {
    match letter.to_ascii_uppercase() {
        b'A' => Some(0),
        b'C' => Some(1),
        b'G' => Some(2),
        b'T' | b'U' => Some(3),
        _ => None,
    }
}

impl MarkovModel {
    /// A chain without counts. `order` bases of context, at most 12.
    ///
    /// # Panics
    /// If `order` exceeds 12 (the table would not fit in memory).
    pub fn new(order: usize) -> Self {
        assert!(order <= 12, "order {order}: at most 12");
        Self { order, counts: vec![[0.0; 4]; 1 << (2 * order)] }
    }

    /// Counts one strand of a sequence, each context with `weight`; other letters than A, C, G, T break the chain.
    pub fn count(&mut self, seq: &[u8], weight: f64) {
        let mask = self.counts.len() - 1;
        let (mut context, mut known) = (0, 0);
        for &letter in seq {
            let Some(base) = base_code(letter) else {
                known = 0;
                continue;
            };
            if known >= self.order {
                self.counts[context][base] += weight;
            }
            context = (context << 2 | base) & mask;
            known += 1;
        }
    }

    /// The most frequent base (0..4) after the bases before `position`; the first of equals, `None` without a full context.
    pub fn predict(&self, seq: &[u8], position: usize) -> Option<usize> {
        let start = position.checked_sub(self.order)?;
        let context = seq[start..position].iter().try_fold(0, |c, &letter| Some(c << 2 | base_code(letter)?))?;
        let counts = &self.counts[context];
        (0..4).reduce(|best, base| if counts[base] > counts[best] { base } else { best })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn learns_a_repeat_and_breaks_at_n() {
        let mut model = MarkovModel::new(2);
        model.count(b"ACGTACGTNNACGT", 1.0);
        assert_eq!(model.predict(b"acg", 2), Some(2)); // AC is followed by G
        assert_eq!(model.predict(b"CGT", 2), Some(3)); // CG by T
        assert_eq!(model.predict(b"AC", 1), None); // context too short
        assert_eq!(model.predict(b"ANA", 2), None);
    }
}
