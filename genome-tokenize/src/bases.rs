//! From numbers for tokens back to numbers for bases.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::tokenizer::Encoding;

/// How the numbers of several tokens become that of the base they all cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Combine {
    /// That of the first token.
    First,
    /// That of the last token.
    Last,
    /// Their mean.
    #[default]
    Mean,
    /// The greatest.
    Max,
    /// The smallest.
    Min,
}

/// Which tokens cover each base. Tokens of BPE cover several bases; a base lies in up to k overlapping k-mers; a base that
/// was cut off lies in none. Special tokens cover no base.
///
/// ```
/// use genome_tokenize::{BaseMap, Combine, KmerTokenizer, Tokenizer};
///
/// let encoding = KmerTokenizer::new(3)?.encode(b"ACGTA")?; // [CLS] ACG CGT GTA [SEP]
/// let map = BaseMap::new(&encoding, 5)?;
/// assert_eq!(map.tokens_of(0), [1]);
/// assert_eq!(map.tokens_of(2), [1, 2, 3]);
/// assert_eq!(map.bases_of(1), 0..3);
/// let values = [9.0_f32, 1.0, 2.0, 6.0, 9.0]; // one for each token
/// let per_base = map.per_base(&values, Combine::Mean)?;
/// assert_eq!(per_base, [Some(1.0), Some(1.5), Some(3.0), Some(4.0), Some(6.0)]);
/// # Ok::<(), genome_tokenize::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseMap {
    /// What each token covers.
    spans: Vec<Range<usize>>,
    /// Where the tokens of each base start in `tokens`, and where the last ones end.
    starts: Vec<usize>,
    /// Tokens of the first base, of the second, and so on, in ascending order.
    tokens: Vec<usize>,
}

/// A number that can be combined: `f32` or `f64`.
pub trait Score: Copy + Default + PartialOrd + std::ops::Add<Output = Self> {
    /// The number divided by a count.
    fn over(self, count: usize) -> Self;
}

impl Score for f32 {
    fn over(self, count: usize) -> Self {
        self / count as Self
    }
}

impl Score for f64 {
    fn over(self, count: usize) -> Self {
        self / count as Self
    }
}

impl BaseMap {
    /// Maps the bases of an input of `length` bases (of a pair: of both sequences together).
    ///
    /// # Errors
    ///
    /// A token covers bases beyond `length`.
    pub fn new(encoding: &Encoding, length: usize) -> Result<Self> {
        let spans = encoding.offsets.iter().zip(&encoding.special);
        let spans: Vec<Range<usize>> =
            spans.map(|(&(start, end), &s)| if s { start..start } else { start..end }).collect();
        if let Some(span) = spans.iter().find(|s| !s.is_empty() && s.end > length) {
            return Err(Error::WrongLength {
                what: "bases, which the tokens cover",
                expected: span.end,
                found: length,
            });
        }
        let mut starts = vec![0; length + 1];
        for base in spans.iter().cloned().flatten() {
            starts[base + 1] += 1;
        }
        for base in 0..length {
            starts[base + 1] += starts[base];
        }
        let mut next = starts.clone();
        let mut tokens = vec![0; starts[length]];
        for (token, span) in spans.iter().enumerate() {
            for base in span.clone() {
                tokens[next[base]] = token;
                next[base] += 1;
            }
        }
        Ok(Self { spans, starts, tokens })
    }

    /// How many bases there are.
    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }

    /// Whether there are no bases.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The tokens that cover a base, in ascending order; none if the base was cut off, or is beyond the end.
    pub fn tokens_of(&self, base: usize) -> &[usize] {
        match (self.starts.get(base), self.starts.get(base.saturating_add(1))) {
            (Some(&start), Some(&end)) => &self.tokens[start..end],
            _ => &[],
        }
    }

    /// The bases that a token covers; none for a special token.
    pub fn bases_of(&self, token: usize) -> Range<usize> {
        self.spans.get(token).cloned().unwrap_or(0..0)
    }

    /// A number for each base from one for each token; `None` where no token covers the base.
    ///
    /// # Errors
    ///
    /// There are not as many numbers as tokens.
    pub fn per_base<T: Score>(&self, values: &[T], combine: Combine) -> Result<Vec<Option<T>>> {
        self.check("values, one a token", self.spans.len(), values.len())?;
        let of = |base| combine.over(self.tokens_of(base).iter().map(|&token| values[token]));
        Ok((0..self.len()).map(of).collect())
    }

    /// The same for rows of `width` numbers, such as hidden states: `values` is `[tokens, width]`, the result
    /// `[bases, width]`, with `missing` where no token covers the base.
    ///
    /// # Errors
    ///
    /// There are not `width` numbers for each token.
    pub fn rows_per_base<T: Score>(&self, values: &[T], width: usize, combine: Combine, missing: T) -> Result<Vec<T>> {
        self.check("values, a row for each token", self.spans.len().saturating_mul(width), values.len())?;
        let mut out = Vec::with_capacity(self.len().saturating_mul(width));
        for base in 0..self.len() {
            let tokens = self.tokens_of(base);
            out.extend((0..width).map(|column| {
                combine.over(tokens.iter().map(|token| values[token * width + column])).unwrap_or(missing)
            }));
        }
        Ok(out)
    }

    fn check(&self, what: &'static str, expected: usize, found: usize) -> Result<()> {
        if expected == found { Ok(()) } else { Err(Error::WrongLength { what, expected, found }) }
    }
}

impl Combine {
    fn over<T: Score>(self, mut values: impl ExactSizeIterator<Item = T>) -> Option<T> {
        let count = values.len();
        match self {
            Self::First => values.next(),
            Self::Last => values.last(),
            Self::Mean => values.reduce(|a, b| a + b).map(|sum| sum.over(count)),
            Self::Max => values.reduce(|a, b| if b > a { b } else { a }),
            Self::Min => values.reduce(|a, b| if b < a { b } else { a }),
        }
    }
}

/// [`BaseMap::per_base`] in one call.
///
/// # Errors
///
/// As [`BaseMap::new`] and [`BaseMap::per_base`].
pub fn per_base<T: Score>(
    encoding: &Encoding,
    length: usize,
    values: &[T],
    combine: Combine,
) -> Result<Vec<Option<T>>> {
    BaseMap::new(encoding, length)?.per_base(values, combine)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kmer::KmerTokenizer;
    use crate::nucleotide_transformer::{NtVersion, NucleotideTransformerTokenizer};
    use crate::tokenizer::Tokenizer;
    use proptest::prelude::*;

    #[test]
    fn long_tokens_and_missing_bases() {
        let t = NucleotideTransformerTokenizer::new(NtVersion::V2);
        let cut = t.encode_truncated(b"ACGTACNG", 3).unwrap().encoding; // <cls> ACGTAC N
        let map = BaseMap::new(&cut, 8).unwrap();
        let of = |combine| map.per_base(&[7.0_f64, 2.0, -1.0], combine).unwrap();
        let mut expected = vec![Some(2.0); 6];
        expected.extend([Some(-1.0), None]);
        for combine in [Combine::First, Combine::Last, Combine::Mean, Combine::Max, Combine::Min] {
            assert_eq!(of(combine), expected);
        }
        assert_eq!((map.tokens_of(7), map.tokens_of(99), map.bases_of(0)), (&[][..], &[][..], 0..0));
        assert_eq!((map.bases_of(99), map.len(), map.tokens_of(usize::MAX)), (0..0, 8, &[][..]));
        let rows = map.rows_per_base(&[0.0_f32, 0.0, 1.0, 2.0, 3.0, 4.0], 2, Combine::Max, -9.0).unwrap();
        assert_eq!(rows[10..], [1.0, 2.0, 3.0, 4.0, -9.0, -9.0]);
    }

    #[test]
    fn lengths_are_checked() {
        let encoding = KmerTokenizer::new(3).unwrap().encode(b"ACGTA").unwrap();
        let error = BaseMap::new(&encoding, 4).unwrap_err();
        assert_eq!(error.to_string(), "expected 5 bases, which the tokens cover, found 4");
        let error = per_base(&encoding, 5, &[1.0_f32; 4], Combine::Mean).unwrap_err();
        assert_eq!(error.to_string(), "expected 5 values, one a token, found 4");
    }

    proptest! {
        #[test]
        fn both_directions_agree(k in 1usize..=6, seq in "[ACGTN]{0,40}", values in proptest::collection::vec(-9.0f64..9.0, 60)) {
            let encoding = KmerTokenizer::new(k).unwrap().encode(seq.as_bytes()).unwrap();
            let map = BaseMap::new(&encoding, seq.len()).unwrap();
            let values = &values[..encoding.len()];
            for base in 0..seq.len() {
                let slow: Vec<usize> = (0..encoding.len()).filter(|&t| map.bases_of(t).contains(&base)).collect();
                prop_assert_eq!(map.tokens_of(base), &slow[..]);
                prop_assert!(slow.len() <= k && (!slow.is_empty() || seq.len() < k));
            }
            let of = |combine| per_base(&encoding, seq.len(), values, combine).unwrap();
            let (mean, max, min, first, last) =
                (of(Combine::Mean), of(Combine::Max), of(Combine::Min), of(Combine::First), of(Combine::Last));
            for base in 0..seq.len() {
                let tokens = map.tokens_of(base);
                prop_assert_eq!(first[base], tokens.first().map(|&t| values[t]));
                prop_assert_eq!(last[base], tokens.last().map(|&t| values[t]));
                if let (Some(mean), Some(max), Some(min)) = (mean[base], max[base], min[base]) {
                    prop_assert!(min - 1e-9 <= mean && mean <= max + 1e-9);
                    prop_assert!(tokens.iter().all(|&t| (min..=max).contains(&values[t])));
                }
            }
            // A number that is the same for all tokens is the same for all bases.
            let same = per_base(&encoding, seq.len(), &vec![2.5_f32; encoding.len()], Combine::Mean).unwrap();
            prop_assert!(same.iter().flatten().all(|&v| v == 2.5));
        }
    }
}
