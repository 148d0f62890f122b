//! What a model reads: token ids and which of them are padding.

use burn::tensor::{Device, Int, Tensor, TensorData};

/// At which end of a row its padding stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Side {
    /// Before the tokens, as causal models that generate want it.
    Left,
    /// After the tokens.
    #[default]
    Right,
}

/// A batch of token ids, padded on one side to one length.
#[derive(Debug, Clone)]
pub struct TokenBatch {
    /// Token ids, [batch, seq].
    pub ids: Tensor<2, Int>,
    /// 1 where a token stands, 0 where padding does, [batch, seq]; `None` if there is no padding at all.
    pub mask: Option<Tensor<2>>,
    /// Segment of each token (BERT's token types), [batch, seq]; `None` means all 0.
    pub type_ids: Option<Tensor<2, Int>>,
    /// Tokens of each row that are not padding, \[batch\].
    pub lengths: Vec<usize>,
    /// Where the padding stands.
    pub side: Side,
}

impl TokenBatch {
    /// Pads rows of ids on the right to the longest of them.
    ///
    /// # Panics
    /// If there is no row or a row is empty: callers check their input first.
    pub fn from_rows<R: AsRef<[u32]>>(rows: &[R], pad_id: u32, device: &Device) -> Self {
        Self::padded(rows, pad_id, Side::Right, device)
    }

    /// Pads rows of ids on `side` to the longest of them.
    ///
    /// # Panics
    /// If there is no row or a row is empty: callers check their input first.
    pub fn padded<R: AsRef<[u32]>>(rows: &[R], pad_id: u32, side: Side, device: &Device) -> Self {
        let longest = rows.iter().map(|r| r.as_ref().len()).max().expect("a batch has at least one row");
        assert!(rows.iter().all(|r| !r.as_ref().is_empty()), "a row has at least one token");
        let mut ids = Vec::with_capacity(rows.len() * longest);
        for row in rows.iter().map(AsRef::as_ref) {
            let padding = std::iter::repeat_n(i64::from(pad_id), longest - row.len());
            let tokens = row.iter().map(|&id| i64::from(id));
            match side {
                Side::Left => ids.extend(padding.chain(tokens)),
                Side::Right => ids.extend(tokens.chain(padding)),
            }
        }
        let lengths: Vec<usize> = rows.iter().map(|r| r.as_ref().len()).collect();
        Self::new(Tensor::from_data(TensorData::new(ids, [rows.len(), longest]), device), lengths, side)
    }

    /// A batch of rows of which the first, or on [`Side::Left`] the last, `lengths` ids are tokens. `ids`: [batch, seq].
    ///
    /// # Panics
    /// If there is not one length a row, or a length is 0 or above `seq`.
    pub fn new(ids: Tensor<2, Int>, lengths: Vec<usize>, side: Side) -> Self {
        let [rows, seq] = ids.dims();
        assert!(
            lengths.len() == rows && lengths.iter().all(|n| (1..=seq).contains(n)),
            "{lengths:?} in {rows} x {seq}"
        );
        let mut batch = Self { ids, mask: None, type_ids: None, lengths, side };
        if batch.lengths.iter().any(|n| *n < seq) {
            let values = batch.per_token(|place| if place.is_some() { 1.0_f32 } else { 0.0 });
            batch.mask = Some(Tensor::from_data(TensorData::new(values, [rows, seq]), &batch.ids.device()));
        }
        batch
    }

    /// A batch as other libraries give it: ids and a mask of ones and zeros, both row after row of `seq`.
    ///
    /// # Errors
    /// What is wrong with the mask: each row must be ones with zeros on one side only, the same in all rows.
    pub fn from_mask(ids: &[i64], mask: &[i64], seq: usize, device: &Device) -> Result<Self, String> {
        if seq == 0 || ids.is_empty() || ids.len() != mask.len() || !ids.len().is_multiple_of(seq) {
            return Err(format!(
                "expected rows of {seq} ids and as many mask values, found {} and {}",
                ids.len(),
                mask.len()
            ));
        }
        let rows = ids.len() / seq;
        let (mut lengths, mut side) = (Vec::with_capacity(rows), None);
        for (r, row) in mask.chunks_exact(seq).enumerate() {
            if let Some(at) = row.iter().position(|m| !matches!(m, 0 | 1)) {
                return Err(format!("attention mask, row {r}, token {at}: expected 0 or 1, found {}", row[at]));
            }
            let length = row.iter().sum::<i64>() as usize;
            let here = match (row[..length].contains(&0), row[seq - length..].contains(&0)) {
                _ if length == 0 => {
                    return Err(format!("attention mask, row {r}: expected at least one 1, found none"));
                }
                (false, false) => None,
                (false, true) => Some(Side::Right),
                (true, false) => Some(Side::Left),
                (true, true) => {
                    return Err(format!("attention mask, row {r}: expected zeros at one end alone, found a gap"));
                }
            };
            if let (Some(a), Some(b)) = (side, here)
                && a != b
            {
                return Err(format!("attention mask, row {r}: expected padding on the side of the rows before it"));
            }
            side = side.or(here);
            lengths.push(length);
        }
        let ids = Tensor::from_data(TensorData::new(ids.to_vec(), [rows, seq]), device);
        Ok(Self::new(ids, lengths, side.unwrap_or_default()))
    }

    /// The same batch with the segment of each token, [batch, seq].
    #[must_use]
    pub fn with_type_ids(mut self, type_ids: Tensor<2, Int>) -> Self {
        self.type_ids = Some(type_ids);
        self
    }

    /// [batch, seq].
    pub fn dims(&self) -> [usize; 2] {
        self.ids.dims()
    }

    /// The mask, made of ones where there is no padding, [batch, seq].
    pub fn mask_or_ones(&self) -> Tensor<2> {
        self.mask.clone().unwrap_or_else(|| Tensor::ones(self.ids.dims(), &self.ids.device()))
    }

    /// Column of the first token of a row.
    pub fn first(&self, row: usize) -> usize {
        match self.side {
            Side::Left => self.dims()[1] - self.lengths[row],
            Side::Right => 0,
        }
    }

    /// Column of the last token of a row.
    pub fn last(&self, row: usize) -> usize {
        self.first(row) + self.lengths[row] - 1
    }

    /// The batch as a head of PEFT sees it behind `virtual_tokens`: every position counts as a token. The first is then the
    /// first virtual token, and the last one the last of the row, even if it is padding.
    ///
    /// For heads and poolers alone, in place of the batch that the base read: our own heads read the first or the last token
    /// that is neither virtual nor padding, which is better; but a head that PEFT trained beside a prompt has learnt to read
    /// what PEFT showed it.
    #[must_use]
    pub fn every_position(&self, virtual_tokens: usize) -> Self {
        let [rows, seq] = self.dims();
        let all = virtual_tokens + seq;
        Self::new(Tensor::zeros([rows, all], &self.ids.device()), vec![all; rows], self.side)
    }

    /// One value a token, row after row, made of its place among the tokens of its row; padding has no place.
    pub(crate) fn per_token<T>(&self, mut value: impl FnMut(Option<usize>) -> T) -> Vec<T> {
        let [rows, seq] = self.dims();
        let mut values = Vec::with_capacity(rows * seq);
        for row in 0..rows {
            let first = self.first(row);
            values.extend((0..seq).map(|i| value(i.checked_sub(first).filter(|p| *p < self.lengths[row]))));
        }
        values
    }

    /// Rows of `h` at one column each, [batch, seq, d] to [batch, d]; `skip` positions of `h` stand before the batch's own.
    pub(crate) fn pick(&self, h: Tensor<3>, skip: usize, column: impl Fn(usize) -> usize) -> Tensor<2> {
        let [rows, _, d] = h.dims();
        let columns: Vec<usize> = (0..rows).map(|row| skip + column(row)).collect();
        if columns.iter().all(|c| *c == columns[0]) {
            return h.narrow(1, columns[0], 1).reshape([rows, d]);
        }
        let each = columns.iter().enumerate().map(|(row, &c)| h.clone().narrow(0, row, 1).narrow(1, c, 1));
        Tensor::cat(each.collect(), 0).reshape([rows, d])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_and_places() {
        let device = Device::default();
        let batch = TokenBatch::padded(&[vec![5, 6, 7], vec![8]], 0, Side::Left, &device);
        assert_eq!(batch.ids.clone().into_data().convert::<i64>().try_into_vec::<i64>().unwrap(), [5, 6, 7, 0, 0, 8]);
        assert_eq!(batch.mask_or_ones().into_data().try_into_vec::<f32>().unwrap(), [1., 1., 1., 0., 0., 1.]);
        assert_eq!([batch.first(1), batch.last(1), batch.last(0)], [2, 2, 2]);
        assert_eq!(batch.per_token(|p| p.map_or(-1, |p| p as i64)), [0, 1, 2, -1, -1, 0]);
    }

    #[test]
    fn masks_of_others() {
        let device = Device::default();
        let check = |mask: &[i64]| TokenBatch::from_mask(&[1, 2, 3, 4, 5, 6], mask, 3, &device);
        let sides = |mask: &[i64]| check(mask).map(|b| (b.lengths, b.side));
        assert_eq!(sides(&[1, 1, 1, 1, 1, 1]), Ok((vec![3, 3], Side::Right)));
        assert_eq!(sides(&[1, 1, 1, 0, 0, 1]), Ok((vec![3, 1], Side::Left)));
        assert_eq!(sides(&[1, 1, 0, 1, 0, 0]), Ok((vec![2, 1], Side::Right)));
        for (mask, wanted) in [
            ([1, 0, 1, 1, 1, 1], "row 0: expected zeros at one end alone"),
            ([1, 1, 0, 0, 1, 1], "row 1: expected padding on the side"),
            ([1, 1, 0, 0, 0, 0], "row 1: expected at least one 1"),
            ([1, 2, 0, 1, 1, 1], "row 0, token 1: expected 0 or 1, found 2"),
        ] {
            assert!(check(&mask).unwrap_err().contains(wanted), "{:?}", check(&mask));
        }
        assert!(TokenBatch::from_mask(&[1, 2], &[1], 2, &device).is_err());
    }
}
