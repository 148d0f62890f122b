//! Quantised blocks to `f32`, exact to the bit as ggml's `dequantize_row_*` (ggml-quants.c, without fused multiply-add):
//! the same operations on `f32` in the same order.
//!
//! Each type is one function from the bytes of a block to its values, of fixed size on both sides, so that the compiler
//! unrolls and vectorises it. `naive` in the tests says the same value by value.

use half::f16;

use super::ggml_type::{GgmlType, SUPER_BLOCK};

/// Writes the values of `bytes`, whole blocks of `kind`, to `out`. `false` if `kind` is not read or the lengths disagree.
pub(super) fn dequantize(kind: GgmlType, bytes: &[u8], out: &mut [f32]) -> bool {
    match kind {
        GgmlType::F32 => blocks::<4, 1>(bytes, out, |b, y| y[0] = f32::from_le_bytes(*b)),
        GgmlType::F16 => half_floats(bytes, out),
        GgmlType::BF16 => blocks::<2, 1>(bytes, out, |b, y| {
            y[0] = f32::from_bits(u32::from(u16::from_le_bytes(*b)) << 16);
        }),
        GgmlType::Q8_0 => blocks(bytes, out, q8_0),
        GgmlType::Q4_0 => blocks(bytes, out, q4_0),
        GgmlType::Q4_1 => blocks(bytes, out, q4_1),
        GgmlType::Q5_0 => blocks(bytes, out, q5_0),
        GgmlType::Q5_1 => blocks(bytes, out, q5_1),
        GgmlType::Q2_K => blocks(bytes, out, q2_k),
        GgmlType::Q3_K => blocks(bytes, out, q3_k),
        GgmlType::Q4_K => blocks(bytes, out, q4_k),
        GgmlType::Q5_K => blocks(bytes, out, q5_k),
        GgmlType::Q6_K => blocks(bytes, out, q6_k),
        GgmlType::Other(..) => false,
    }
}

/// Runs `one` on each block of `B` bytes and `N` values.
#[inline(always)]
fn blocks<const B: usize, const N: usize>(
    bytes: &[u8],
    out: &mut [f32],
    one: impl Fn(&[u8; B], &mut [f32; N]),
) -> bool {
    let (bytes, bytes_left) = bytes.as_chunks::<B>();
    let (out, out_left) = out.as_chunks_mut::<N>();
    if bytes.len() != out.len() || !bytes_left.is_empty() || !out_left.is_empty() {
        return false;
    }
    for (block, values) in bytes.iter().zip(out) {
        one(block, values);
    }
    true
}

/// `f16`, in pieces that the processor's conversion instruction takes.
fn half_floats(bytes: &[u8], out: &mut [f32]) -> bool {
    use half::slice::HalfFloatSliceExt;
    if bytes.len() != out.len() * 2 {
        return false;
    }
    let mut piece = [f16::ZERO; 256];
    for (bytes, out) in bytes.chunks(512).zip(out.chunks_mut(256)) {
        let piece = &mut piece[..out.len()];
        for (half, bytes) in piece.iter_mut().zip(bytes.as_chunks::<2>().0) {
            *half = f16::from_le_bytes(*bytes);
        }
        piece.convert_to_f32_slice(out);
    }
    true
}

/// The `f16` at byte `at`.
#[inline(always)]
fn half_at(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

/// The `N` bytes at `at`.
#[inline(always)]
fn bytes_at<const N: usize>(block: &[u8], at: usize) -> [u8; N] {
    std::array::from_fn(|i| block[at + i])
}

/// y = d·q, q in -127..=127.
#[inline(always)]
fn q8_0(block: &[u8; 34], y: &mut [f32; 32]) {
    let d = half_at(block, 0);
    let qs: [u8; 32] = bytes_at(block, 2);
    for i in 0..32 {
        y[i] = f32::from(qs[i] as i8) * d;
    }
}

/// y = d·(q - 8), q in 0..16; the low halves of the bytes are values 0..16, the high halves 16..32.
#[inline(always)]
fn q4_0(block: &[u8; 18], y: &mut [f32; 32]) {
    let d = half_at(block, 0);
    let qs: [u8; 16] = bytes_at(block, 2);
    for i in 0..16 {
        y[i] = ((i32::from(qs[i] & 15)) - 8) as f32 * d;
        y[i + 16] = ((i32::from(qs[i] >> 4)) - 8) as f32 * d;
    }
}

/// y = d·q + m, q in 0..16.
#[inline(always)]
fn q4_1(block: &[u8; 20], y: &mut [f32; 32]) {
    let (d, m) = (half_at(block, 0), half_at(block, 2));
    let qs: [u8; 16] = bytes_at(block, 4);
    for i in 0..16 {
        y[i] = f32::from(qs[i] & 15) * d + m;
        y[i + 16] = f32::from(qs[i] >> 4) * d + m;
    }
}

/// y = d·(q - 16), q in 0..32; the fifth bits stand apart, bit i for value i.
#[inline(always)]
fn q5_0(block: &[u8; 22], y: &mut [f32; 32]) {
    let d = half_at(block, 0);
    let fifth = u32::from_le_bytes(bytes_at(block, 2));
    let qs: [u8; 16] = bytes_at(block, 6);
    for i in 0..16 {
        let low = u32::from(qs[i] & 15) | (((fifth >> i) & 1) << 4);
        let high = u32::from(qs[i] >> 4) | (((fifth >> (i + 16)) & 1) << 4);
        y[i] = (low as i32 - 16) as f32 * d;
        y[i + 16] = (high as i32 - 16) as f32 * d;
    }
}

/// y = d·q + m, q in 0..32.
#[inline(always)]
fn q5_1(block: &[u8; 24], y: &mut [f32; 32]) {
    let (d, m) = (half_at(block, 0), half_at(block, 2));
    let fifth = u32::from_le_bytes(bytes_at(block, 4));
    let qs: [u8; 16] = bytes_at(block, 8);
    for i in 0..16 {
        let low = u32::from(qs[i] & 15) | (((fifth >> i) & 1) << 4);
        let high = u32::from(qs[i] >> 4) | (((fifth >> (i + 16)) & 1) << 4);
        y[i] = low as f32 * d + m;
        y[i + 16] = high as f32 * d + m;
    }
}

/// 16 groups of 16 values: y = (d·scale)·q - (dmin·min), q in 0..4, scale and min in 0..16.
#[inline(always)]
fn q2_k(block: &[u8; 84], y: &mut [f32; SUPER_BLOCK]) {
    let scales: [u8; 16] = bytes_at(block, 0);
    let qs: [u8; 64] = bytes_at(block, 16);
    let (d, min) = (half_at(block, 80), half_at(block, 82));
    for half in 0..2 {
        for pair in 0..4 {
            for side in 0..2 {
                let group = half * 8 + pair * 2 + side;
                let dl = d * f32::from(scales[group] & 15);
                let ml = min * f32::from(scales[group] >> 4);
                for i in 0..16 {
                    let q = (qs[half * 32 + side * 16 + i] >> (2 * pair)) & 3;
                    y[group * 16 + i] = dl * f32::from(q) - ml;
                }
            }
        }
    }
}

/// 16 groups of 16 values: y = (d·(scale - 32))·q, q in -4..4; the mask holds the third bits, inverted.
#[inline(always)]
fn q3_k(block: &[u8; 110], y: &mut [f32; SUPER_BLOCK]) {
    let mask: [u8; 32] = bytes_at(block, 0);
    let qs: [u8; 64] = bytes_at(block, 32);
    let packed: [u8; 12] = bytes_at(block, 96);
    let d = half_at(block, 108);
    let scales: [i32; 16] = std::array::from_fn(|i| {
        let low = if i < 8 { packed[i] & 15 } else { packed[i - 8] >> 4 };
        let high = (packed[8 + i % 4] >> (2 * (i / 4))) & 3;
        i32::from(low | (high << 4)) - 32
    });
    for half in 0..2 {
        for pair in 0..4 {
            let bit = half * 4 + pair;
            for side in 0..2 {
                let group = half * 8 + pair * 2 + side;
                let dl = d * scales[group] as f32;
                for i in 0..16 {
                    let at = side * 16 + i;
                    let low = i32::from((qs[half * 32 + at] >> (2 * pair)) & 3);
                    let third = i32::from((mask[at] >> bit) & 1);
                    y[group * 16 + i] = dl * (low - 4 * (1 - third)) as f32;
                }
            }
        }
    }
}

/// The scales and minima of the eight groups of Q4_K and Q5_K, 6 bits each.
#[inline(always)]
fn scales_and_minima(packed: [u8; 12]) -> ([u8; 8], [u8; 8]) {
    let (mut scales, mut minima) = ([0; 8], [0; 8]);
    for i in 0..4 {
        scales[i] = packed[i] & 63;
        minima[i] = packed[i + 4] & 63;
        scales[i + 4] = (packed[i + 8] & 15) | ((packed[i] >> 6) << 4);
        minima[i + 4] = (packed[i + 8] >> 4) | ((packed[i + 4] >> 6) << 4);
    }
    (scales, minima)
}

/// 8 groups of 32 values: y = (d·scale)·q - (dmin·min), q in 0..16.
#[inline(always)]
fn q4_k(block: &[u8; 144], y: &mut [f32; SUPER_BLOCK]) {
    let (d, min) = (half_at(block, 0), half_at(block, 2));
    let (scales, minima) = scales_and_minima(bytes_at(block, 4));
    for pair in 0..4 {
        let qs: [u8; 32] = bytes_at(block, 16 + 32 * pair);
        let (d1, m1) = (d * f32::from(scales[2 * pair]), min * f32::from(minima[2 * pair]));
        let (d2, m2) = (d * f32::from(scales[2 * pair + 1]), min * f32::from(minima[2 * pair + 1]));
        for i in 0..32 {
            y[pair * 64 + i] = d1 * f32::from(qs[i] & 15) - m1;
            y[pair * 64 + 32 + i] = d2 * f32::from(qs[i] >> 4) - m2;
        }
    }
}

/// 8 groups of 32 values: y = (d·scale)·q - (dmin·min), q in 0..32; bit g of byte i is the fifth bit of value i of group g.
#[inline(always)]
fn q5_k(block: &[u8; 176], y: &mut [f32; SUPER_BLOCK]) {
    let (d, min) = (half_at(block, 0), half_at(block, 2));
    let (scales, minima) = scales_and_minima(bytes_at(block, 4));
    let fifth: [u8; 32] = bytes_at(block, 16);
    for pair in 0..4 {
        let qs: [u8; 32] = bytes_at(block, 48 + 32 * pair);
        let (d1, m1) = (d * f32::from(scales[2 * pair]), min * f32::from(minima[2 * pair]));
        let (d2, m2) = (d * f32::from(scales[2 * pair + 1]), min * f32::from(minima[2 * pair + 1]));
        for i in 0..32 {
            let low = (qs[i] & 15) | (((fifth[i] >> (2 * pair)) & 1) << 4);
            let high = (qs[i] >> 4) | (((fifth[i] >> (2 * pair + 1)) & 1) << 4);
            y[pair * 64 + i] = d1 * f32::from(low) - m1;
            y[pair * 64 + 32 + i] = d2 * f32::from(high) - m2;
        }
    }
}

/// 16 groups of 16 values: y = (d·scale)·(q - 32), q in 0..64, scale in -128..128.
#[inline(always)]
fn q6_k(block: &[u8; 210], y: &mut [f32; SUPER_BLOCK]) {
    let d = half_at(block, 208);
    let scales: [f32; 16] = std::array::from_fn(|i| d * f32::from(block[192 + i] as i8));
    for half in 0..2 {
        let low: [u8; 64] = bytes_at(block, 64 * half);
        let high: [u8; 32] = bytes_at(block, 128 + 32 * half);
        for quarter in 0..4 {
            for side in 0..2 {
                let group = half * 8 + quarter * 2 + side;
                for i in 0..16 {
                    let at = side * 16 + i;
                    let four = (low[(quarter % 2) * 32 + at] >> (4 * (quarter / 2))) & 15;
                    let two = (high[at] >> (2 * quarter)) & 3;
                    y[group * 16 + i] = scales[group] * (i32::from(four | (two << 4)) - 32) as f32;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Value `i` of a block, straight from the layout: the oracle of what is above.
    fn naive(kind: GgmlType, b: &[u8], i: usize) -> f32 {
        let half = |at: usize| f16::from_bits(u16::from(b[at]) | (u16::from(b[at + 1]) << 8)).to_f32();
        let nibble = |at: usize, high: bool| i32::from(if high { b[at] >> 4 } else { b[at] & 15 });
        let bit = |at: usize, n: usize| i32::from((b[at + n / 8] >> (n % 8)) & 1);
        let (j, high) = (i % 16, i >= 16);
        match kind {
            GgmlType::F32 => f32::from_le_bytes([b[0], b[1], b[2], b[3]]),
            GgmlType::F16 => half(0),
            GgmlType::BF16 => f32::from_le_bytes([0, 0, b[0], b[1]]),
            GgmlType::Q8_0 => b[2 + i] as i8 as f32 * half(0),
            GgmlType::Q4_0 => (nibble(2 + j, high) - 8) as f32 * half(0),
            GgmlType::Q4_1 => nibble(4 + j, high) as f32 * half(0) + half(2),
            GgmlType::Q5_0 => (nibble(6 + j, high) + 16 * bit(2, i) - 16) as f32 * half(0),
            GgmlType::Q5_1 => (nibble(8 + j, high) + 16 * bit(4, i)) as f32 * half(0) + half(2),
            GgmlType::Q2_K => {
                // 128 values in 32 bytes: the first 32 in the lowest bits.
                let q = (b[16 + i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2)) & 3;
                half(80) * nibble(i / 16, false) as f32 * f32::from(q) - half(82) * nibble(i / 16, true) as f32
            }
            GgmlType::Q3_K => {
                let group = i / 16;
                let low = nibble(96 + group % 8, group >= 8);
                let scale = (low | (i32::from((b[104 + group % 4] >> (group / 4 * 2)) & 3) << 4)) - 32;
                let q = i32::from((b[32 + i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2)) & 3);
                let third = i32::from((b[i % 32] >> (i / 32)) & 1);
                half(108) * scale as f32 * (q - if third == 1 { 0 } else { 4 }) as f32
            }
            GgmlType::Q4_K | GgmlType::Q5_K => {
                // `get_scale_min_k4` of ggml-quants.c
                let (group, q) = (i / 32, &b[4..16]);
                let (scale, min) = if group < 4 {
                    (q[group] & 63, q[group + 4] & 63)
                } else {
                    ((q[group + 4] & 15) | ((q[group - 4] >> 6) << 4), (q[group + 4] >> 4) | ((q[group] >> 6) << 4))
                };
                let start = if kind == GgmlType::Q4_K { 16 } else { 48 };
                let mut q = nibble(start + group / 2 * 32 + i % 32, group % 2 == 1);
                if kind == GgmlType::Q5_K {
                    q += 16 * i32::from((b[16 + i % 32] >> group) & 1);
                }
                half(0) * f32::from(scale) * q as f32 - half(2) * f32::from(min)
            }
            GgmlType::Q6_K => {
                // 128 values in 64 bytes of four bits and 32 of two: the first 64 in the low halves.
                let (part, k) = (i / 128, i % 128);
                let low = nibble(part * 64 + k % 64, k >= 64);
                let high = i32::from((b[128 + part * 32 + k % 32] >> (k / 32 * 2)) & 3);
                half(208) * f32::from(b[192 + i / 16] as i8) * ((low | (high << 4)) - 32) as f32
            }
            GgmlType::Other(..) => unreachable!("not read"),
        }
    }

    const READ: [GgmlType; 13] = [
        GgmlType::F32,
        GgmlType::F16,
        GgmlType::BF16,
        GgmlType::Q8_0,
        GgmlType::Q4_0,
        GgmlType::Q4_1,
        GgmlType::Q5_0,
        GgmlType::Q5_1,
        GgmlType::Q2_K,
        GgmlType::Q3_K,
        GgmlType::Q4_K,
        GgmlType::Q5_K,
        GgmlType::Q6_K,
    ];

    proptest! {
        #[test]
        fn fast_is_naive(bytes in proptest::collection::vec(any::<u8>(), 700)) {
            for kind in READ {
                let blocks = bytes.len() / kind.block_bytes();
                let bytes = &bytes[..blocks * kind.block_bytes()];
                let mut fast = vec![0.0; blocks * kind.block_len()];
                prop_assert!(dequantize(kind, bytes, &mut fast));
                for (i, &value) in fast.iter().enumerate() {
                    let block = &bytes[i / kind.block_len() * kind.block_bytes()..][..kind.block_bytes()];
                    let expected = naive(kind, block, i % kind.block_len());
                    // Which of the NaNs it is depends on the processor.
                    prop_assert!(
                        value.to_bits() == expected.to_bits() || (value.is_nan() && expected.is_nan()),
                        "{kind} value {i}: {value} is not {expected}"
                    );
                }
            }
        }
    }

    #[test]
    fn lengths_must_agree() {
        for kind in READ {
            let bytes = vec![0; 2 * kind.block_bytes()];
            assert!(!dequantize(kind, &bytes, &mut vec![0.0; kind.block_len()]), "{kind}");
            assert!(!dequantize(kind, &bytes[1..], &mut vec![0.0; 2 * kind.block_len()]), "{kind}");
        }
        assert!(!dequantize(GgmlType::Other("IQ4_NL", 32, 18), &[0; 18], &mut [0.0; 32]));
    }
}
