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
pub trait OneHotValue: Copy + Default + Send + Sync + sealed::Sealed {
    /// One part of `parts`; `None` if the type cannot hold it.
    fn one_of(parts: u8) -> Option<Self>;
}

impl OneHotValue for f32 {
    fn one_of(parts: u8) -> Option<Self> {
        Some(1.0 / Self::from(parts))
    }
}

impl OneHotValue for f16 {
    fn one_of(parts: u8) -> Option<Self> {
        f32::one_of(parts).map(Self::from_f32)
    }
}

impl OneHotValue for u8 {
    fn one_of(parts: u8) -> Option<Self> {
        (parts == 1).then_some(1)
    }
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
        for ((i, letters), out) in blocks.iter().enumerate().zip(out_blocks) {
            if !all_known::<true>(letters) {
                self.check(letters, i * BLOCK)?;
            }
            for (row, &byte) in out.iter_mut().zip(letters) {
                *row = rows[usize::from(byte)];
            }
        }
        self.check(rest, seq.len() - rest.len())?;
        for (row, &byte) in out_rest.iter_mut().zip(rest) {
            *row = rows[usize::from(byte)];
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
