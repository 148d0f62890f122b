//! What a model reads: token ids and which of them are padding.

use burn::tensor::{Device, Int, Tensor, TensorData};

/// A batch of token ids, padded on the right to one length.
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
}

impl TokenBatch {
    /// Pads rows of ids to the longest of them.
    ///
    /// # Panics
    /// If there is no row or a row is empty: callers check their input first.
    pub fn from_rows<R: AsRef<[u32]>>(rows: &[R], pad_id: u32, device: &Device) -> Self {
        let longest = rows.iter().map(|r| r.as_ref().len()).max().expect("a batch has at least one row");
        assert!(rows.iter().all(|r| !r.as_ref().is_empty()), "a row has at least one token");
        let (batch, mut ids, mut mask) = (rows.len(), Vec::new(), Vec::new());
        for row in rows.iter().map(AsRef::as_ref) {
            let padding = longest - row.len();
            ids.extend(row.iter().map(|&id| i64::from(id)));
            ids.extend(std::iter::repeat_n(i64::from(pad_id), padding));
            mask.extend(std::iter::repeat_n(1.0_f32, row.len()));
            mask.extend(std::iter::repeat_n(0.0_f32, padding));
        }
        let padded = mask.contains(&0.0);
        Self {
            ids: Tensor::from_data(TensorData::new(ids, [batch, longest]), device),
            mask: padded.then(|| Tensor::from_data(TensorData::new(mask, [batch, longest]), device)),
            type_ids: None,
            lengths: rows.iter().map(|r| r.as_ref().len()).collect(),
        }
    }

    /// [batch, seq].
    pub fn dims(&self) -> [usize; 2] {
        self.ids.dims()
    }

    /// The mask, made of ones where there is no padding, [batch, seq].
    pub fn mask_or_ones(&self) -> Tensor<2> {
        self.mask.clone().unwrap_or_else(|| Tensor::ones(self.ids.dims(), &self.ids.device()))
    }
}
