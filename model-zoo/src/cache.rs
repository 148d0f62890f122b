//! Keys and values of the tokens that a causal model has read, so that the next token costs one row.

use burn::tensor::{Device, Int, Tensor, TensorData};

/// A cache of fixed capacity: its memory is reserved once and written in place, not joined anew for every token.
#[derive(Debug)]
pub struct KvCache {
    blocks: Vec<Option<Block>>,
    mask: Option<Tensor<2>>, // [batch, tokens held], if any row is padded
    lengths: Vec<usize>,     // tokens of each row that are not padding
    held: usize,
    capacity: usize,
}

#[derive(Debug)]
struct Block {
    k: Tensor<4>, // [batch, kv_heads, room, d_head]
    v: Tensor<4>,
    used: usize, // prefix included
}

impl KvCache {
    /// A cache for up to `capacity` tokens a row, padding included, in each of `blocks` layers.
    pub fn new(blocks: usize, capacity: usize) -> Self {
        Self { blocks: (0..blocks).map(|_| None).collect(), mask: None, lengths: Vec::new(), held: 0, capacity }
    }

    /// Tokens of a row that are held, padding included.
    pub fn len(&self) -> usize {
        self.held
    }

    /// True before the first pass.
    pub fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Most tokens a row, padding included.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Tokens of each row that are held and are not padding; empty before the first pass.
    pub(crate) fn lengths(&self) -> &[usize] {
        &self.lengths
    }

    /// Notes the tokens of a pass, [batch, seq], and gives the mask of all tokens held, [batch, held], if any is padding.
    ///
    /// # Panics
    /// If they do not fit: callers look at [`KvCache::capacity`] first.
    pub(crate) fn note(
        &mut self,
        mask: Option<&Tensor<2>>,
        lengths: &[usize],
        seq: usize,
        device: &Device,
    ) -> Option<Tensor<2>> {
        assert!(self.held + seq <= self.capacity, "{} + {seq} tokens in a cache of {}", self.held, self.capacity);
        let rows = lengths.len();
        let ones = |n: usize| Tensor::ones([rows, n], device);
        self.mask = match (self.mask.take(), mask) {
            (None, None) => None,
            (before, now) => Some(Tensor::cat(
                vec![before.unwrap_or_else(|| ones(self.held)), now.cloned().unwrap_or_else(|| ones(seq))],
                1,
            )),
        };
        if self.lengths.is_empty() {
            self.lengths = vec![0; rows];
        }
        for (all, new) in self.lengths.iter_mut().zip(lengths) {
            *all += new;
        }
        self.held += seq;
        self.mask.clone()
    }

    /// Adds keys and values of one layer, [batch, kv_heads, new, d_head], and gives all of them so far.
    pub(crate) fn append(&mut self, block: usize, k: Tensor<4>, v: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        let [batch, heads, new, d] = k.dims();
        let Block { k: keys, v: values, used } = self.blocks[block].take().unwrap_or_else(|| {
            // What the first pass brings beyond the tokens noted is a prefix.
            let room = self.capacity + new.saturating_sub(self.held);
            let empty = || Tensor::zeros([batch, heads, room, d], &k.device());
            Block { k: empty(), v: empty(), used: 0 }
        });
        let place = [0..batch, 0..heads, used..used + new, 0..d];
        let (keys, values) = (keys.slice_assign(place.clone(), k), values.slice_assign(place, v));
        let used = used + new;
        let all = (keys.clone().narrow(2, 0, used), values.clone().narrow(2, 0, used));
        self.blocks[block] = Some(Block { k: keys, v: values, used });
        all
    }

    /// Keeps these rows of the batch, in this order, and forgets the others.
    pub(crate) fn keep_rows(&mut self, rows: &[usize]) {
        let places: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
        let places =
            |device: &Device| Tensor::<1, Int>::from_data(TensorData::from(&places[..]), &device.clone().inner());
        for block in &mut self.blocks {
            *block = block.take().map(|Block { k, v, used }| {
                let places = places(&k.device());
                Block { k: k.select(0, places.clone()), v: v.select(0, places), used }
            });
        }
        self.mask = self.mask.take().map(|mask| mask.clone().select(0, places(&mask.device())));
        self.lengths = rows.iter().map(|&row| self.lengths[row]).collect();
    }
}
