//! `f32` to blocks, equal to the bit to ggml's `quantize_row_*_ref` (ggml-quants.c).

use super::ggml_type::GgmlType;
use half::f16;

/// Appends the values as blocks of `kind`: F32, F16, Q8_0 or Q4_0, whose rows are whole blocks.
pub(super) fn quantize(kind: GgmlType, values: &[f32], out: &mut Vec<u8>) {
    match kind {
        GgmlType::F16 => out.extend(values.iter().flat_map(|&value| f16::from_f32(value).to_le_bytes())),
        GgmlType::Q8_0 => values.as_chunks().0.iter().for_each(|block| q8_0(block, out)),
        GgmlType::Q4_0 => values.as_chunks().0.iter().for_each(|block| q4_0(block, out)),
        _ => out.extend(values.iter().flat_map(|value| value.to_le_bytes())),
    }
}

/// The largest value that blocks of `kind` can hold.
pub(super) fn largest(kind: GgmlType) -> f32 {
    // 65520 rounds to infinity; scales are f16 too.
    let half = 65519.0;
    match kind {
        GgmlType::F16 => half,
        GgmlType::Q8_0 => half * 127.0,
        GgmlType::Q4_0 => half * 8.0,
        _ => f32::INFINITY,
    }
}

/// d = max|x| / 127, q = round(x / d), halves away from zero.
fn q8_0(block: &[f32; 32], out: &mut Vec<u8>) {
    let largest = block.iter().fold(0.0f32, |most, x| most.max(x.abs()));
    let d = largest / 127.0;
    let inverse = if d == 0.0 { 0.0 } else { 1.0 / d };
    out.extend(f16::from_f32(d).to_le_bytes());
    out.extend(block.iter().map(|x| (x * inverse).round() as i8 as u8));
}

/// d = x of the largest |x| / -8, q = floor(x / d + 8.5), at most 15.
fn q4_0(block: &[f32; 32], out: &mut Vec<u8>) {
    let (_, signed) = block.iter().fold(
        (0.0f32, 0.0f32),
        |(most, signed), &x| {
            if most < x.abs() { (x.abs(), x) } else { (most, signed) }
        },
    );
    let d = signed / -8.0;
    let inverse = if d == 0.0 { 0.0 } else { 1.0 / d };
    let q = |x: f32| (x * inverse + 8.5) as u8;
    out.extend(f16::from_f32(d).to_le_bytes());
    out.extend((0..16).map(|i| q(block[i]).min(15) | (q(block[i + 16]).min(15) << 4)));
}
