//! Letters as rows of four numbers, for models without a vocabulary.

use half::f16;

use crate::case::{Ambiguity, Case, check_letters};
use crate::codes::all_known;
use crate::error::{Error, Result};

/// How many numbers a letter becomes.
const WIDTH: usize = 4;
/// Letters that are checked before they are written.
const BLOCK: usize = 64;

/// What an ambiguity code becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Shares {
    /// Four zeros.
    #[default]
    Zeros,
    /// Four quarters.
    Quarters,
    /// Equal shares for the bases that the code stands for: `R` is half `A` and half `G`. For `N` these are quarters.
    OfBases,
}

/// One-hot encoding: `[length, 4]`, row by row, in the order A, C, G, T.
///
/// `U` is `T`. With [`Case::Upper`] lower-case letters count as upper-case, and bytes that are no nucleotides are errors; with
/// [`Case::Original`] both are zeros. There is no original tool to follow.
///
/// ```
/// use genome_tokenize::{OneHot, Shares};
///
/// let rows: Vec<f32> = OneHot::default().encode(b"GaN")?;
/// assert_eq!(rows, [0., 0., 1., 0., 1., 0., 0., 0., 0., 0., 0., 0.]);
/// let shares = OneHot { n: Shares::Quarters, codes: Shares::OfBases, ..OneHot::default() };
/// let rows: Vec<f32> = shares.encode(b"NR")?;
/// assert_eq!(rows, [0.25, 0.25, 0.25, 0.25, 0.5, 0., 0.5, 0.]);
/// # Ok::<(), genome_tokenize::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct OneHot {
    /// What `N` becomes.
    pub n: Shares,
    /// What the other ambiguity codes become.
    pub codes: Shares,
    /// Whether ambiguity codes, `N` too, are errors instead.
    pub ambiguity: Ambiguity,
    /// What is done with lower-case letters.
    pub case: Case,
}

/// A number of a one-hot row: `f32`, [`f16`](struct@f16) or `u8`.
pub trait OneHotValue: Copy + Default + Send + Sync + sealed::Sealed + 'static {
    /// One part of `parts`; `None` if the type cannot hold it.
    fn one_of(parts: u8) -> Option<Self>;

    /// The rows of four letters, by their codes.
    #[doc(hidden)]
    const FOUR: &'static [[[Self; WIDTH]; WIDTH]; 256];
}

/// Column of each letter's code ([`four_codes`]): A, T, C, G.
const COLUMN: [usize; WIDTH] = [0, 3, 1, 2];

/// The table [`OneHotValue::FOUR`] of a type.
macro_rules! four {
    ($zero:expr, $one:expr) => {
        &{
            let mut table = [[[$zero; WIDTH]; WIDTH]; 256];
            let mut codes = 0;
            while codes < 256 {
                let mut letter = 0;
                while letter < WIDTH {
                    table[codes][letter][COLUMN[(codes >> (6 - 2 * letter)) & 3]] = $one;
                    letter += 1;
                }
                codes += 1;
            }
            table
        }
    };
}

/// Bytes of output from which on it goes past the caches: they could not hold it, and would be read for nothing.
const STREAMED: usize = 1 << 23;

/// `*to = *from`, past the caches where the processor has a way and `to` lies on 16 bytes.
#[inline(always)]
fn stream<T: OneHotValue>(to: &mut [[T; WIDTH]; WIDTH], from: &[[T; WIDTH]; WIDTH]) {
    #[cfg(target_arch = "x86_64")]
    if (&raw const *to).addr().is_multiple_of(16) && size_of_val(to).is_multiple_of(16) {
        use std::arch::x86_64::{__m128i, _mm_loadu_si128, _mm_stream_si128};
        let parts = size_of_val(to) / 16;
        let (to, from) = ((&raw mut *to).cast::<__m128i>(), (&raw const *from).cast::<__m128i>());
        for i in 0..parts {
            #[allow(unsafe_code, reason = "stores past the caches take pointers")]
            // SAFETY: both are arrays of numbers of the same size, `parts` times 16 bytes, `to` exclusively borrowed and on 16
            // bytes; every pattern of bits is a number. `encode_into` ends with a fence.
            unsafe {
                _mm_stream_si128(to.add(i), _mm_loadu_si128(from.add(i)));
            }
        }
        return;
    }
    *to = *from;
}

/// The codes of four known letters, two bits each, the first highest.
fn four_codes(letters: [u8; WIDTH]) -> u32 {
    let x = u32::from_le_bytes(letters);
    let codes = (x & 0x0202_0202) | ((x >> 2) & 0x0101_0101);
    codes.wrapping_mul(0x4010_0401) >> 24 // the multiplication moves them side by side, without a carry
}

impl OneHotValue for f32 {
    fn one_of(parts: u8) -> Option<Self> {
        Some(1.0 / Self::from(parts))
    }
    const FOUR: &'static [[[Self; WIDTH]; WIDTH]; 256] = four!(0.0, 1.0);
}

impl OneHotValue for f16 {
    fn one_of(parts: u8) -> Option<Self> {
        f32::one_of(parts).map(Self::from_f32)
    }
    const FOUR: &'static [[[Self; WIDTH]; WIDTH]; 256] = four!(f16::ZERO, f16::ONE);
}

impl OneHotValue for u8 {
    fn one_of(parts: u8) -> Option<Self> {
        (parts == 1).then_some(1)
    }
    const FOUR: &'static [[[Self; WIDTH]; WIDTH]; 256] = four!(0, 1);
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for half::f16 {}
    impl Sealed for u8 {}
}

impl OneHot {
    /// Writes the rows of a sequence into a buffer of four numbers a letter.
    ///
    /// # Errors
    ///
    /// A letter is refused (the error gives its position; the buffer then holds the rows of some letters), the buffer has
    /// another length, or `u8` should hold shares.
    pub fn encode_into<T: OneHotValue>(&self, seq: &[u8], out: &mut [T]) -> Result<()> {
        let expected = seq.len().saturating_mul(WIDTH);
        if out.len() != expected {
            return Err(Error::WrongLength {
                what: "numbers in the buffer, four a letter",
                expected,
                found: out.len(),
            });
        }
        let rows = self.rows::<T>()?;
        let out = out.as_chunks_mut::<WIDTH>().0;
        let (blocks, rest) = seq.as_chunks::<BLOCK>();
        let (out_blocks, out_rest) = out.as_chunks_mut::<BLOCK>();
        let written = self.write_blocks(blocks, out_blocks, &rows);
        #[cfg(target_arch = "x86_64")]
        #[allow(unsafe_code, reason = "what was streamed must be seen by other threads from here on")]
        // SAFETY: every x86-64 processor has the instruction.
        unsafe {
            std::arch::x86_64::_mm_sfence();
        }
        written?;
        self.check(rest, seq.len() - rest.len())?;
        for (row, &byte) in out_rest.iter_mut().zip(rest) {
            *row = rows[usize::from(byte)];
        }
        Ok(())
    }

    /// With the widest stores that the processor has: writing is what takes the time.
    fn write_blocks<T: OneHotValue>(
        &self,
        blocks: &[[u8; BLOCK]],
        out: &mut [[[T; WIDTH]; BLOCK]],
        rows: &[[T; WIDTH]; 256],
    ) -> Result<()> {
        #[cfg(target_arch = "x86_64")]
        {
            #[target_feature(enable = "avx512f")]
            fn avx512<T: OneHotValue>(
                policy: &OneHot,
                blocks: &[[u8; BLOCK]],
                out: &mut [[[T; WIDTH]; BLOCK]],
                rows: &[[T; WIDTH]; 256],
            ) -> Result<()> {
                policy.write_blocks_inline(blocks, out, rows)
            }
            #[target_feature(enable = "avx2")]
            fn avx2<T: OneHotValue>(
                policy: &OneHot,
                blocks: &[[u8; BLOCK]],
                out: &mut [[[T; WIDTH]; BLOCK]],
                rows: &[[T; WIDTH]; 256],
            ) -> Result<()> {
                policy.write_blocks_inline(blocks, out, rows)
            }
            if std::arch::is_x86_feature_detected!("avx512f") {
                #[allow(unsafe_code, reason = "the same code with wider stores")]
                // SAFETY: the processor has AVX-512F, as was just asked.
                return unsafe { avx512(self, blocks, out, rows) };
            }
            if std::arch::is_x86_feature_detected!("avx2") {
                #[allow(unsafe_code, reason = "the same code with wider stores")]
                // SAFETY: the processor has AVX2, as was just asked.
                return unsafe { avx2(self, blocks, out, rows) };
            }
        }
        self.write_blocks_inline(blocks, out, rows)
    }

    #[inline(always)]
    fn write_blocks_inline<T: OneHotValue>(
        &self,
        blocks: &[[u8; BLOCK]],
        out: &mut [[[T; WIDTH]; BLOCK]],
        rows: &[[T; WIDTH]; 256],
    ) -> Result<()> {
        match size_of_val(out) >= STREAMED {
            true => self.write_blocks_as::<T, true>(blocks, out, rows),
            false => self.write_blocks_as::<T, false>(blocks, out, rows),
        }
    }

    #[inline(always)]
    fn write_blocks_as<T: OneHotValue, const STREAM: bool>(
        &self,
        blocks: &[[u8; BLOCK]],
        out: &mut [[[T; WIDTH]; BLOCK]],
        rows: &[[T; WIDTH]; 256],
    ) -> Result<()> {
        for ((i, letters), out) in blocks.iter().enumerate().zip(out) {
            let known = match self.case {
                Case::Upper => all_known::<true>(letters),
                Case::Original => all_known::<false>(letters),
            };
            if known {
                // All codes first: these vector operations do not wait for the stores.
                let mut codes = [0; BLOCK / WIDTH];
                for (codes, &letters) in codes.iter_mut().zip(letters.as_chunks::<WIDTH>().0) {
                    *codes = four_codes(letters);
                }
                for (four, codes) in out.as_chunks_mut::<WIDTH>().0.iter_mut().zip(codes) {
                    let rows = &T::FOUR[usize::from(codes as u8)];
                    if STREAM { stream(four, rows) } else { *four = *rows }
                }
                continue;
            }
            self.check(letters, i * BLOCK)?;
            for (row, &byte) in out.iter_mut().zip(letters) {
                *row = rows[usize::from(byte)];
            }
        }
        Ok(())
    }

    /// The rows of a sequence.
    ///
    /// # Errors
    ///
    /// As [`encode_into`](Self::encode_into).
    pub fn encode<T: OneHotValue>(&self, seq: &[u8]) -> Result<Vec<T>> {
        let mut out = vec![T::default(); seq.len().saturating_mul(WIDTH)];
        self.encode_into(seq, &mut out)?;
        Ok(out)
    }

    fn check(&self, letters: &[u8], from: usize) -> Result<()> {
        match self.case {
            Case::Upper => check_letters(letters, from, self.ambiguity),
            Case::Original => match letters.iter().position(|&b| self.ambiguity == Ambiguity::Error && is_code(b)) {
                Some(at) => Err(Error::Ambiguous { position: from + at, found: letters[at] }),
                None => Ok(()),
            },
        }
    }

    /// The row of every byte.
    fn rows<T: OneHotValue>(&self) -> Result<[[T; WIDTH]; 256]> {
        let mut rows = [[T::default(); WIDTH]; 256];
        for &letter in b"ACGTURYSWKMBDHVN" {
            let bases = bases(letter);
            let shares = match letter {
                _ if bases.len() == 1 => Shares::OfBases,
                b'N' => self.n,
                _ => self.codes,
            };
            let bases = match shares {
                Shares::Zeros => continue,
                Shares::Quarters => b"ACGT",
                Shares::OfBases => bases,
            };
            let mut row = [T::default(); WIDTH];
            for (value, base) in row.iter_mut().zip(b"ACGT") {
                if bases.contains(base) {
                    *value = T::one_of(bases.len() as u8).ok_or(Error::NoShares)?;
                }
            }
            rows[usize::from(letter)] = row;
            if self.case == Case::Upper {
                rows[usize::from(letter.to_ascii_lowercase())] = row;
            }
        }
        Ok(rows)
    }
}

fn is_code(letter: u8) -> bool {
    bases(letter).len() > 1
}

/// The bases that an upper-case letter stands for.
fn bases(letter: u8) -> &'static [u8] {
    match letter {
        b'A' => b"A",
        b'C' => b"C",
        b'G' => b"G",
        b'T' | b'U' => b"T",
        b'R' => b"AG",
        b'Y' => b"CT",
        b'S' => b"CG",
        b'W' => b"AT",
        b'K' => b"GT",
        b'M' => b"AC",
        b'B' => b"CGT",
        b'D' => b"AGT",
        b'H' => b"ACT",
        b'V' => b"ACG",
        b'N' => b"ACGT",
        _ => b"",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn policies() {
        let check = |policy: OneHot, seq: &[u8], expected: &[[f32; 4]]| {
            assert_eq!(policy.encode::<f32>(seq).unwrap(), expected.concat());
            let half: Vec<f32> = policy.encode::<f16>(seq).unwrap().into_iter().map(f32::from).collect();
            assert!(half.iter().zip(expected.concat()).all(|(a, b)| (a - b).abs() < 1e-3));
        };
        let plain = OneHot::default();
        let [a, c, g, t, zero] = [[1., 0., 0., 0.], [0., 1., 0., 0.], [0., 0., 1., 0.], [0., 0., 0., 1.], [0.; 4]];
        check(plain, b"ACGTUacgtu", &[a, c, g, t, t, a, c, g, t, t]);
        check(plain, b"NRn", &[zero; 3]);
        let quarters = OneHot { n: Shares::Quarters, codes: Shares::Quarters, ..plain };
        check(quarters, b"NRn", &[[0.25; 4]; 3]);
        let shares = OneHot { codes: Shares::OfBases, ..plain };
        check(shares, b"NYb", &[zero, [0., 0.5, 0., 0.5], [0., 1. / 3., 1. / 3., 1. / 3.]]);
        check(OneHot { n: Shares::OfBases, ..plain }, b"N", &[[0.25; 4]]);
        check(OneHot { case: Case::Original, ..plain }, b"Aa-U", &[a, zero, zero, t]);
    }

    #[test]
    fn whole_numbers_hold_no_shares() {
        assert_eq!(OneHot::default().encode::<u8>(b"TN").unwrap(), [0, 0, 0, 1, 0, 0, 0, 0]);
        let error = OneHot { n: Shares::Quarters, ..OneHot::default() }.encode::<u8>(b"A").unwrap_err();
        assert_eq!(error.to_string(), "u8 holds no shares of a base: expected f32 or f16, or a policy of zeros");
    }

    #[test]
    fn refused_letters_have_a_position() {
        let mut long = b"ACGT".repeat(2000);
        long[7001] = b'!';
        assert_eq!(OneHot::default().encode::<f32>(&long).unwrap_err().position(), Some(7001));
        let strict = OneHot { ambiguity: Ambiguity::Error, ..OneHot::default() };
        assert!(matches!(strict.encode::<u8>(b"ACR"), Err(Error::Ambiguous { position: 2, found: b'R' })));
        let error = OneHot::default().encode_into(b"ACG", &mut [0_u8; 11]).unwrap_err();
        assert_eq!(error.to_string(), "expected 12 numbers in the buffer, four a letter, found 11");
    }

    proptest! {
        #[test]
        fn blocks_are_letters_one_by_one(
            seq in proptest::collection::vec(proptest::sample::select(b"ACGTACGTACGTACGTUacgtuNn".to_vec()), 0..400),
            from in 0_usize..300, original: bool,
        ) {
            let case = if original { Case::Original } else { Case::Upper };
            let policy = OneHot { case, n: Shares::Quarters, ..OneHot::default() };
            // Plain letters in front, so that blocks of them alone are there too.
            let seq = [&b"GATTACA".repeat(50)[from..], &seq[..]].concat();
            let alone: Vec<f32> = seq.iter().flat_map(|b| policy.encode::<f32>(&[*b]).unwrap()).collect();
            prop_assert_eq!(policy.encode::<f32>(&seq).unwrap(), alone.clone());
            let half: Vec<f32> = policy.encode::<f16>(&seq).unwrap().into_iter().map(f32::from).collect();
            prop_assert_eq!(half, alone);
            let zeros = OneHot { case, ..OneHot::default() };
            let alone: Vec<u8> = seq.iter().flat_map(|b| zeros.encode::<u8>(&[*b]).unwrap()).collect();
            prop_assert_eq!(zeros.encode::<u8>(&seq).unwrap(), alone);
        }

        #[test]
        fn any_bytes(seq in proptest::collection::vec(any::<u8>(), 0..100), original: bool) {
            let case = if original { Case::Original } else { Case::Upper };
            let policy = OneHot { case, n: Shares::Quarters, codes: Shares::OfBases, ..OneHot::default() };
            match policy.encode::<f32>(&seq) {
                Ok(rows) => {
                    prop_assert_eq!(rows.len(), 4 * seq.len());
                    for row in rows.chunks(4) {
                        let sum: f32 = row.iter().sum();
                        prop_assert!(sum == 0.0 || (sum - 1.0).abs() < 1e-6);
                    }
                }
                Err(error) => prop_assert!(case == Case::Upper && error.position().is_some()),
            }
        }
    }
}
