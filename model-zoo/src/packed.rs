//! A frozen matrix in 8 or 4 bits a value, with one scale for each block of a row.
//!
//! Symmetric integers, as Burn's quantisation makes them: the values of a block are `scale · q`, where q is a whole number from
//! -127 to 127 (8 bits) or -7 to 7 (4 bits) and `scale` is the block's largest magnitude over 127 or 7. Two values of 4 bits share a
//! byte, the first in the low half.

use rayon::prelude::*;

/// Bits of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bits {
    /// 8 bits: errors of at most 1/254 of a block's largest value.
    Eight,
    /// 4 bits: errors of at most 1/14 of a block's largest value.
    Four,
}

impl Bits {
    /// The largest whole number.
    fn most(self) -> f32 {
        match self {
            Self::Eight => 127.0,
            Self::Four => 7.0,
        }
    }

    /// How many there are.
    pub fn number(self) -> u64 {
        match self {
            Self::Eight => 8,
            Self::Four => 4,
        }
    }

    /// Bytes of `values` values of a row.
    pub(crate) fn bytes(self, values: usize) -> usize {
        match self {
            Self::Eight => values,
            Self::Four => values.div_ceil(2),
        }
    }
}

/// A matrix of [rows, columns] in few bits.
#[derive(Debug, Clone, PartialEq)]
pub struct Packed {
    shape: [usize; 2],
    bits: Bits,
    block: usize,
    values: Vec<u8>,  // rows one after another, each in whole bytes
    scales: Vec<f32>, // of each row's blocks
}

impl Packed {
    /// Packs `values`, rows one after another. `block` values of a row share a scale; a row's last block may be shorter.
    ///
    /// A block that holds a value that is not finite becomes NaN, not a number that looks right.
    ///
    /// # Panics
    /// If `values` does not fill `shape`, or `block` is 0.
    pub fn new(values: &[f32], shape: [usize; 2], bits: Bits, block: usize) -> Self {
        let [rows, columns] = shape;
        assert_eq!(values.len(), rows * columns, "values for a matrix of {shape:?}");
        assert!(block > 0, "a block holds at least one value");
        let (bytes, blocks) = (bits.bytes(columns), columns.div_ceil(block));
        let mut packed = Self { shape, bits, block, values: vec![0; rows * bytes], scales: vec![0.0; rows * blocks] };
        if rows * columns > 0 {
            let rows = values.par_chunks(columns).zip(packed.values.par_chunks_mut(bytes));
            rows.zip(packed.scales.par_chunks_mut(blocks)).for_each(|((row, out), scales)| {
                pack_row(row, bits, block, out, scales);
            });
        }
        packed
    }

    /// A matrix that was packed before, from what [`Packed::values`] and [`Packed::scales`] gave.
    ///
    /// # Errors
    /// How many values or scales were expected, and found.
    pub fn from_parts(
        shape: [usize; 2],
        bits: Bits,
        block: usize,
        values: Vec<u8>,
        scales: Vec<f32>,
    ) -> Result<Self, String> {
        let [rows, columns] = shape;
        let (bytes, blocks) = (rows * bits.bytes(columns), rows * columns.div_ceil(block.max(1)));
        if block == 0 || values.len() != bytes || scales.len() != blocks {
            return Err(format!(
                "a matrix of {shape:?} in blocks of {block}: expected {bytes} bytes and {blocks} scales, found {} and {}",
                values.len(),
                scales.len()
            ));
        }
        Ok(Self { shape, bits, block, values, scales })
    }

    /// The packed values, [rows, bytes of a row].
    pub fn values(&self) -> &[u8] {
        &self.values
    }

    /// The scales, [rows, blocks of a row].
    pub fn scales(&self) -> &[f32] {
        &self.scales
    }

    /// [rows, columns].
    pub fn shape(&self) -> [usize; 2] {
        self.shape
    }

    /// Bits of a value.
    pub fn bits(&self) -> Bits {
        self.bits
    }

    /// Values that share a scale.
    pub fn block(&self) -> usize {
        self.block
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> usize {
        self.values.len() + 4 * self.scales.len()
    }

    /// The matrix as f32, rows one after another.
    pub fn unpacked(&self) -> Vec<f32> {
        let mut all = vec![0.0; self.shape[0] * self.shape[1]];
        if !all.is_empty() {
            let columns = self.shape[1];
            all.par_chunks_mut(columns).enumerate().for_each(|(row, out)| self.unpack(row, 0, out));
        }
        all
    }

    /// Values of one row from column `start` on, which is a whole number of blocks, and even.
    pub(crate) fn unpack(&self, row: usize, start: usize, out: &mut [f32]) {
        debug_assert!(start.is_multiple_of(self.block) && (self.bits == Bits::Eight || start.is_multiple_of(2)));
        let (bytes, blocks) = (self.bits.bytes(self.shape[1]), self.shape[1].div_ceil(self.block));
        let values = &self.values[row * bytes + self.bits.bytes(start)..];
        let scales = &self.scales[row * blocks + start / self.block..];
        match self.bits {
            Bits::Eight => {
                for ((out, values), scale) in out.chunks_mut(self.block).zip(values.chunks(self.block)).zip(scales) {
                    out.iter_mut().zip(values).for_each(|(x, q)| *x = scale * f32::from(*q as i8));
                }
            }
            Bits::Four if self.block.is_multiple_of(2) => {
                for ((out, values), scale) in out.chunks_mut(self.block).zip(values.chunks(self.block / 2)).zip(scales)
                {
                    let (pairs, last) = out.as_chunks_mut::<2>();
                    for (pair, byte) in pairs.iter_mut().zip(values) {
                        *pair = [scale * f32::from(low(*byte)), scale * f32::from(high(*byte))];
                    }
                    if let ([x], Some(byte)) = (last, values.get(pairs.len())) {
                        *x = scale * f32::from(low(*byte));
                    }
                }
            }
            Bits::Four => {
                for (i, x) in out.iter_mut().enumerate() {
                    let byte = values[i / 2];
                    let q = if i.is_multiple_of(2) { low(byte) } else { high(byte) };
                    *x = scales[i / self.block] * f32::from(q);
                }
            }
        }
    }
}

/// Packs a matrix of which the columns come one after another, as checkpoints hold linear layers: no more of it than `block`
/// columns is ever there as f32.
#[derive(Debug)]
pub(crate) struct ByColumns {
    packed: Packed,
    columns: Vec<f32>, // those of the block that is being filled, [columns, rows]
    done: usize,       // columns that are packed
}

impl ByColumns {
    /// For a matrix of [rows, columns].
    pub(crate) fn new(shape: [usize; 2], bits: Bits, block: usize) -> Self {
        assert!(block > 0, "a block holds at least one value");
        let [rows, columns] = shape;
        let values = vec![0; rows * bits.bytes(columns)];
        let packed = Packed { shape, bits, block, values, scales: vec![0.0; rows * columns.div_ceil(block)] };
        Self { packed, columns: Vec::with_capacity(rows * block.min(columns)), done: 0 }
    }

    /// The next values, of any number.
    pub(crate) fn push(&mut self, mut run: &[f32]) {
        let [rows, columns] = self.packed.shape;
        while !run.is_empty() {
            let room = rows * self.packed.block.min(columns - self.done) - self.columns.len();
            let (now, later) = run.split_at(room.min(run.len()));
            self.columns.extend_from_slice(now);
            run = later;
            if now.len() == room {
                self.pack();
            }
        }
    }

    fn pack(&mut self) {
        let Packed { shape: [rows, columns], bits, block, .. } = self.packed;
        let (bytes, blocks, start) = (bits.bytes(columns), columns.div_ceil(block), self.done);
        let wide = self.columns.len() / rows.max(1);
        let out = self.packed.values.par_chunks_mut(bytes).zip(self.packed.scales.par_chunks_mut(blocks));
        out.enumerate().for_each_init(
            || vec![0.0; wide],
            |values, (row, (out, scales))| {
                values.iter_mut().enumerate().for_each(|(c, value)| *value = self.columns[c * rows + row]);
                pack_block(values, bits, start, out, &mut scales[start / block]);
            },
        );
        self.done += wide;
        self.columns.clear();
    }

    /// The matrix.
    ///
    /// # Panics
    /// If values are missing.
    pub(crate) fn finish(self) -> Packed {
        assert!(self.done == self.packed.shape[1] || self.packed.shape[0] == 0, "every column has come");
        self.packed
    }
}

fn pack_row(row: &[f32], bits: Bits, block: usize, out: &mut [u8], scales: &mut [f32]) {
    for ((b, values), scale) in row.chunks(block).enumerate().zip(scales) {
        pack_block(values, bits, b * block, out, scale);
    }
}

/// Packs `values`, which stand from column `start` on in the row whose bytes are `out`.
fn pack_block(values: &[f32], bits: Bits, start: usize, out: &mut [u8], scale: &mut f32) {
    let most = bits.most();
    let finite = values.iter().all(|x| x.is_finite());
    let largest = values.iter().fold(0.0_f32, |m, x| m.max(x.abs()));
    *scale = if finite { largest / most } else { f32::NAN };
    let inverse = 1.0 / *scale;
    for (i, x) in values.iter().enumerate() {
        let q = match (finite, largest > 0.0) {
            (true, true) => (x * inverse).round().clamp(-most, most) as i8,
            (true, false) => 0,
            (false, _) => 1, // NaN times one
        };
        let at = start + i;
        match bits {
            Bits::Eight => out[at] = q as u8,
            Bits::Four => out[at / 2] |= (q as u8 & 15) << (at % 2 * 4),
        }
    }
}

/// The value in the low half of a byte, with its sign.
fn low(byte: u8) -> i8 {
    (byte << 4) as i8 >> 4
}

/// The value in the high half of a byte, with its sign.
fn high(byte: u8) -> i8 {
    byte as i8 >> 4
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::quantization::{QuantScheme, QuantValue, ScaleDtype};
    use burn::tensor::{Device, Tensor, TensorData};
    use proptest::prelude::*;

    fn matrix() -> impl Strategy<Value = (Vec<f32>, [usize; 2])> {
        (1_usize..9, 1_usize..150).prop_flat_map(|(rows, columns)| {
            (prop::collection::vec(-3.0_f32..3.0, rows * columns), Just([rows, columns]))
        })
    }

    proptest! {
        #[test]
        fn values_come_back_within_half_a_step((values, shape) in matrix(), four: bool, block in prop::sample::select(vec![1_usize, 3, 32, 64])) {
            let bits = if four { Bits::Four } else { Bits::Eight };
            let packed = Packed::new(&values, shape, bits, block);
            let back = packed.unpacked();
            for (row, back) in values.chunks(shape[1]).zip(back.chunks(shape[1])) {
                for (values, back) in row.chunks(block).zip(back.chunks(block)) {
                    let largest = values.iter().fold(0.0_f32, |m, x| m.max(x.abs()));
                    for (x, b) in values.iter().zip(back) {
                        prop_assert!((x - b).abs() <= largest * (0.5 / bits.most() + 1e-6), "{x} became {b}");
                    }
                }
            }
            let blocks = shape[1].div_ceil(block);
            prop_assert_eq!(packed.bytes(), shape[0] * (bits.bytes(shape[1]) + 4 * blocks));
        }

        #[test]
        fn as_burn_quantises(values in prop::collection::vec(-3.0_f32..3.0, 3 * 128), four: bool) {
            let (bits, value) = if four { (Bits::Four, QuantValue::Q4S) } else { (Bits::Eight, QuantValue::Q8S) };
            let scheme = QuantScheme::default().with_value(value).per_block([64], ScaleDtype::F32);
            let tensor = Tensor::<2>::from_data(TensorData::new(values.clone(), [3, 128]), &Device::flex());
            let burns = tensor.quantize_dynamic(&scheme).dequantize().into_data();
            let ours = Packed::new(&values, [3, 128], bits, 64).unpacked();
            for (ours, burns) in ours.iter().zip(burns.iter::<f32>()) {
                prop_assert!((ours - burns).abs() <= 1e-6, "{ours} and {burns}");
            }
        }

        #[test]
        fn column_by_column_is_the_same(
            (values, [rows, columns]) in matrix(), four: bool, block in prop::sample::select(vec![1_usize, 3, 32, 64]), run in 1_usize..200
        ) {
            let bits = if four { Bits::Four } else { Bits::Eight };
            let turned: Vec<f32> = (0..columns).flat_map(|c| (0..rows).map(move |r| r * columns + c)).map(|i| values[i]).collect();
            let mut by_columns = ByColumns::new([rows, columns], bits, block);
            turned.chunks(run).for_each(|run| by_columns.push(run));
            prop_assert_eq!(by_columns.finish(), Packed::new(&values, [rows, columns], bits, block));
        }

        #[test]
        fn parts_of_rows((values, shape) in matrix(), four: bool) {
            let packed = Packed::new(&values, shape, if four { Bits::Four } else { Bits::Eight }, 32);
            let all = packed.unpacked();
            for start in (0..shape[1]).step_by(32) {
                let mut part = vec![0.0; (shape[1] - start).min(50)];
                packed.unpack(shape[0] - 1, start, &mut part);
                let row = &all[(shape[0] - 1) * shape[1]..];
                prop_assert_eq!(&part[..], &row[start..start + part.len()]);
            }
        }
    }

    #[test]
    fn what_is_not_finite_stays_so() {
        for bits in [Bits::Four, Bits::Eight] {
            let packed = Packed::new(&[1.0, f32::NAN, 2.0, 0.5, 3.0, 0.0], [1, 6], bits, 3);
            let back = packed.unpacked();
            assert!(back[0].is_nan() && back[3..].iter().all(|x| x.is_finite()), "{back:?}");
        }
    }
}
