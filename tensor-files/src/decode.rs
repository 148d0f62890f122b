//! Little-endian bytes to numbers.

use crate::source::Source;
use crate::{Dtype, Error, Result};
use half::f16;
use half::slice::HalfFloatSliceExt as _;
use std::path::Path;

/// What [`Dtype`]s [`floats`] takes.
pub(crate) const FLOATS: &str = "floating-point numbers";
/// What [`Dtype`]s [`integers`] takes.
pub(crate) const INTEGERS: &str = "integers";

/// Values that are decoded at a time when they are passed on: small enough for a first-level cache.
const RUN: usize = 4096;

/// Elements of one type that lie one after the other in a source, inside it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) dtype: Dtype,
    /// First byte.
    pub(crate) start: u64,
    /// Number of elements.
    pub(crate) count: usize,
}

impl Span {
    /// Bytes of one element, or the error that this type is not `expected`.
    pub(crate) fn unit(self, path: &Path, name: &str, expected: &'static str) -> Result<u64> {
        let known = match self.dtype {
            Dtype::F64 | Dtype::F32 | Dtype::F16 | Dtype::BF16 => expected == FLOATS,
            Dtype::U64 | Dtype::Quantised(_) | Dtype::Other(_) => false, // U64 may not fit
            _ => expected == INTEGERS,
        };
        let size = self.dtype.size().filter(|_| known);
        size.ok_or_else(|| Error::Dtype { path: path.into(), name: name.into(), expected, found: self.dtype })
    }

    /// All values at once.
    pub(crate) fn read_f32(self, source: &Source, name: &str) -> Result<Vec<f32>> {
        let unit = self.unit(source.path(), name, FLOATS)?;
        let mut out = vec![0.0; self.count];
        let mut rest = &mut out[..];
        for window in source.windows(self.start, self.count as u64 * unit, unit) {
            let window = window?;
            let (now, later) = rest.split_at_mut(window.len() / unit as usize);
            floats(self.dtype, &window, now);
            rest = later;
        }
        Ok(out)
    }

    /// All values in order, in short runs.
    pub(crate) fn stream_f32(self, source: &Source, name: &str, each: &mut dyn FnMut(&[f32])) -> Result<()> {
        let unit = self.unit(source.path(), name, FLOATS)?;
        let mut run = [0.0; RUN];
        for window in source.windows(self.start, self.count as u64 * unit, unit) {
            for bytes in window?.chunks(RUN * unit as usize) {
                let run = &mut run[..bytes.len() / unit as usize];
                floats(self.dtype, bytes, run);
                each(run);
            }
        }
        Ok(())
    }

    /// All values at once.
    pub(crate) fn read_i64(self, source: &Source, name: &str) -> Result<Vec<i64>> {
        let unit = self.unit(source.path(), name, INTEGERS)?;
        let mut out = Vec::with_capacity(self.count);
        for window in source.windows(self.start, self.count as u64 * unit, unit) {
            integers(self.dtype, &window?, &mut out);
        }
        Ok(out)
    }

    /// All bytes at once, of a tensor of bytes.
    pub(crate) fn read_u8(self, source: &Source, name: &str) -> Result<Vec<u8>> {
        if self.dtype != Dtype::U8 {
            let (path, name) = (source.path().into(), name.to_owned());
            return Err(Error::Dtype { path, name, expected: "U8", found: self.dtype });
        }
        let mut out = Vec::with_capacity(self.count);
        for window in source.windows(self.start, self.count as u64, 1) {
            out.extend_from_slice(&window?);
        }
        Ok(out)
    }
}

/// Decodes floating-point numbers; `bytes` holds as many as `out`.
pub(crate) fn floats(dtype: Dtype, bytes: &[u8], out: &mut [f32]) {
    match dtype {
        Dtype::F32 => each(bytes, out, f32::from_le_bytes),
        Dtype::F64 => each(bytes, out, |b| f64::from_le_bytes(b) as f32),
        // A bf16 is the upper half of a f32.
        Dtype::BF16 => each(bytes, out, |b| f32::from_bits(u32::from(u16::from_le_bytes(b)) << 16)),
        Dtype::F16 => {
            // In an array of their own, because bytes of a file need not be aligned; half has the vector instructions.
            let mut halves = [f16::ZERO; RUN];
            for (bytes, out) in bytes.chunks(2 * RUN).zip(out.chunks_mut(RUN)) {
                let halves = &mut halves[..out.len()];
                each(bytes, halves, f16::from_le_bytes);
                halves.convert_to_f32_slice(out);
            }
        }
        other => unreachable!("Span::unit let {other} pass"),
    }
}

/// Appends decoded integers.
pub(crate) fn integers(dtype: Dtype, bytes: &[u8], out: &mut Vec<i64>) {
    let mut take = |size: usize, decode: fn(&[u8]) -> i64| out.extend(bytes.chunks_exact(size).map(decode));
    fn n<const N: usize>(bytes: &[u8]) -> [u8; N] {
        bytes.try_into().expect("chunks of this size")
    }
    match dtype {
        Dtype::I64 => take(8, |b| i64::from_le_bytes(n(b))),
        Dtype::I32 => take(4, |b| i32::from_le_bytes(n(b)).into()),
        Dtype::U32 => take(4, |b| u32::from_le_bytes(n(b)).into()),
        Dtype::I16 => take(2, |b| i16::from_le_bytes(n(b)).into()),
        Dtype::U16 => take(2, |b| u16::from_le_bytes(n(b)).into()),
        Dtype::I8 => take(1, |b| i8::from_le_bytes(n(b)).into()),
        Dtype::U8 => take(1, |b| b[0].into()),
        Dtype::Bool => take(1, |b| (b[0] != 0).into()),
        other => unreachable!("Span::unit let {other} pass"),
    }
}

fn each<const N: usize, T>(bytes: &[u8], out: &mut [T], decode: impl Fn([u8; N]) -> T) {
    for (to, from) in out.iter_mut().zip(bytes.as_chunks::<N>().0) {
        *to = decode(*from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::bf16;

    #[test]
    fn every_half_as_half_decodes_it() {
        let bytes: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
        let mut out = vec![0.0; 1 << 16];
        floats(Dtype::F16, &bytes, &mut out);
        for (bits, found) in (0..=u16::MAX).zip(&out) {
            let expected = f16::from_bits(bits).to_f32();
            assert!(expected == *found || expected.is_nan() && found.is_nan(), "{bits:#x}: {expected} {found}");
        }
        floats(Dtype::BF16, &bytes, &mut out);
        for (bits, found) in (0..=u16::MAX).zip(&out) {
            let expected = bf16::from_bits(bits).to_f32();
            assert!(expected == *found || expected.is_nan() && found.is_nan(), "{bits:#x}: {expected} {found}");
        }
    }

    #[test]
    fn integers_widen() {
        #[track_caller]
        fn check(dtype: Dtype, bytes: &[u8], expected: &[i64]) {
            let mut out = Vec::new();
            integers(dtype, bytes, &mut out);
            assert_eq!(out, expected, "{dtype}");
        }
        check(Dtype::I64, &(-7_i64).to_le_bytes(), &[-7]);
        check(Dtype::I32, &(-7_i32).to_le_bytes(), &[-7]);
        check(Dtype::U32, &u32::MAX.to_le_bytes(), &[4_294_967_295]);
        check(Dtype::I16, &[0xff, 0xff, 1, 0], &[-1, 1]);
        check(Dtype::U16, &[0xff, 0xff], &[65_535]);
        check(Dtype::I8, &[0xff, 0x7f], &[-1, 127]);
        check(Dtype::U8, &[0xff], &[255]);
        check(Dtype::Bool, &[0, 1, 2], &[0, 1, 1]);
    }
}
