//! Filling the rows of a batch up to one length.

use crate::error::{Error, Result};
use crate::tokenizer::{Encoding, Tokenizer};
use crate::truncation::Side;

/// The length that all rows of a batch get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum PadTo {
    /// That of the longest row.
    #[default]
    Longest,
    /// That of the longest row, rounded up to a multiple of this (at least 1).
    Multiple(usize),
    /// This one; a longer row is an error.
    Length(usize),
}

/// How rows are filled.
///
/// ```
/// use genome_tokenize::{LetterTokenizer, PadTo, Padding, Tokenizer, pad_batch};
///
/// let tokenizer = LetterTokenizer::new();
/// let mut batch = tokenizer.encode_batch(&[b"ACGT", b"A"])?;
/// pad_batch(&mut batch, Padding::of(&tokenizer))?;
/// assert_eq!(batch[1].ids, [2, 5, 3, 0, 0, 0]);
/// assert_eq!(batch[1].attention, [true, true, true, false, false, false]);
/// pad_batch(&mut batch, Padding { to: PadTo::Multiple(8), ..Padding::of(&tokenizer) })?;
/// assert_eq!(batch[0].len(), 8);
/// # Ok::<(), genome_tokenize::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Padding {
    /// The id that fills.
    pub id: u32,
    /// Where it is put: decoders that generate want it on the left.
    pub side: Side,
    /// Up to which length.
    pub to: PadTo,
}

impl Padding {
    /// With a tokenizer's own id, on the right, to the longest row.
    pub fn of(tokenizer: &dyn Tokenizer) -> Self {
        Self { id: tokenizer.pad_id(), side: Side::Right, to: PadTo::Longest }
    }
}

/// Fills all rows up to one length. Padding is special, and the model does not attend to it.
///
/// # Errors
///
/// [`Error::RowTooLong`] with the first row that is longer than a fixed length; then nothing is changed.
pub fn pad_batch(batch: &mut [Encoding], padding: Padding) -> Result<()> {
    let longest = batch.iter().map(Encoding::len).max().unwrap_or(0);
    let length = match padding.to {
        PadTo::Longest => longest,
        PadTo::Multiple(of) => longest.div_ceil(of.max(1)).saturating_mul(of.max(1)),
        PadTo::Length(length) => {
            if let Some(row) = batch.iter().position(|e| e.len() > length) {
                return Err(Error::RowTooLong { row, tokens: batch[row].len(), length });
            }
            length
        }
    };
    for row in batch {
        row.pad(length, padding);
    }
    Ok(())
}

impl Encoding {
    fn pad(&mut self, length: usize, padding: Padding) {
        let missing = length.saturating_sub(self.len());
        match padding.side {
            Side::Right => {
                let end = self.offsets.last().map_or(0, |o| o.1);
                self.ids.resize(length, padding.id);
                self.offsets.resize(length, (end, end));
                self.special.resize(length, true);
                self.attention.resize(length, false);
                self.type_ids.resize(length, 0);
            }
            Side::Left => {
                let start = self.offsets.first().map_or(0, |o| o.0);
                prepend(&mut self.ids, padding.id, missing);
                prepend(&mut self.offsets, (start, start), missing);
                prepend(&mut self.special, true, missing);
                prepend(&mut self.attention, false, missing);
                prepend(&mut self.type_ids, 0, missing);
            }
        }
    }
}

fn prepend<T: Copy>(list: &mut Vec<T>, value: T, times: usize) {
    list.splice(0..0, std::iter::repeat_n(value, times));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::letter::LetterTokenizer;
    use crate::truncation::Truncation;
    use proptest::prelude::*;

    #[test]
    fn sides_and_lengths() {
        let t = LetterTokenizer::new();
        let row = |seq: &[u8], side, to| {
            let mut batch = [t.encode(seq).unwrap()];
            pad_batch(&mut batch, Padding { id: 0, side, to }).unwrap();
            let [row] = batch;
            (row.ids, row.offsets)
        };
        assert_eq!(
            row(b"AC", Side::Left, PadTo::Length(6)),
            (vec![0, 0, 2, 5, 6, 3], vec![(0, 0), (0, 0), (0, 0), (0, 1), (1, 2), (2, 2)])
        );
        assert_eq!(row(b"AC", Side::Right, PadTo::Multiple(5)).0, [2, 5, 6, 3, 0]);
        assert_eq!(row(b"ACG", Side::Right, PadTo::Multiple(5)).0, [2, 5, 6, 7, 3]);
        assert_eq!(row(b"ACG", Side::Right, PadTo::Multiple(0)).0, [2, 5, 6, 7, 3]);
        let mut batch = [t.encode(b"").unwrap(), t.encode(b"ACGT").unwrap()];
        let before = batch.clone();
        let error = pad_batch(&mut batch, Padding { to: PadTo::Length(5), ..Padding::of(&t) }).unwrap_err();
        assert_eq!(error.to_string(), "row 2: expected at most 5 tokens, found 6");
        assert_eq!(batch, before);
        pad_batch(&mut [], Padding::of(&t)).unwrap();
    }

    proptest! {
        #[test]
        fn rows_are_equally_long_and_unpadding_gives_them_back(
            seqs in proptest::collection::vec("[ACGT]{0,30}", 1..6), left: bool, multiple in 1usize..9,
        ) {
            let t = LetterTokenizer::new();
            let seqs: Vec<&[u8]> = seqs.iter().map(|s| s.as_bytes()).collect();
            let whole = t.encode_batch(&seqs).unwrap();
            let mut batch = whole.clone();
            let side = if left { Side::Left } else { Side::Right };
            pad_batch(&mut batch, Padding { id: 0, side, to: PadTo::Multiple(multiple) }).unwrap();
            let longest = whole.iter().map(Encoding::len).max().unwrap();
            for (row, whole) in batch.iter().zip(&whole) {
                prop_assert!(row.len() % multiple == 0 && row.len() >= longest && row.len() < longest + multiple);
                let attended = row.attention.iter().filter(|&&a| a).count();
                prop_assert_eq!(attended, whole.len());
                prop_assert_eq!(&row.clone().cut(&Truncation::right(longest)).unwrap().encoding, whole);
            }
        }
    }
}
