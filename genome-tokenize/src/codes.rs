//! Letters as numbers of two bits, in blocks that stay in the first-level cache, written so that they vectorise.
//!
//! The vocabularies of DNABERT and of the Nucleotide Transformer count in the order A, T, C, G. In ASCII the two bits of
//! that order are there already: bit 1 of a letter is the high one, bit 2 the low one.

/// Windows in a block.
const BLOCK: usize = 512;
/// Letters that a block needs: the last windows reach over its end.
const LETTERS: usize = BLOCK + 8;
/// How many letters' codes fit into a byte.
const IN_BYTE: usize = 4;

/// Which letters are known: `A C G T`; with `FOLD` lower case too, and `U` as `T`.
fn is_known<const FOLD: bool>(byte: u8) -> bool {
    let letter = if FOLD { byte & 0xdf } else { byte };
    (letter == b'A') | (letter == b'C') | (letter == b'G') | (letter == b'T') | (FOLD & (letter == b'U'))
}

/// Whether all letters are known.
pub(crate) fn all_known<const FOLD: bool>(letters: &[u8]) -> bool {
    letters.iter().fold(true, |all, &byte| all & is_known::<FOLD>(byte))
}

/// The code of a known letter; any number below 4 for others.
fn code(byte: u8) -> u8 {
    (byte & 2) | ((byte >> 2) & 1)
}

/// Overlapping windows of k letters as numbers of 2k bits.
pub(crate) struct Windows {
    k: usize,
    codes: [u8; LETTERS],
    pairs: [u8; LETTERS],
    quads: [u8; LETTERS],
    numbers: [u16; BLOCK],
    unknown: [u8; LETTERS],
}

impl Windows {
    /// `k` is in `1..=8`.
    pub(crate) fn new(k: usize) -> Self {
        let zero = [0; LETTERS];
        Self { k, codes: zero, pairs: zero, quads: zero, numbers: [0; BLOCK], unknown: zero }
    }

    /// Gives `block` the windows of `seq` in order: their numbers, and, where the block holds unknown letters, which of them
    /// do so (not zero) with these letters and their place.
    pub(crate) fn each<const FOLD: bool, E>(
        &mut self,
        seq: &[u8],
        mut block: impl FnMut(&[u16], Option<Unknown<'_>>) -> Result<(), E>,
    ) -> Result<(), E> {
        let windows = (seq.len() + 1).saturating_sub(self.k);
        for start in (0..windows).step_by(BLOCK) {
            let n = BLOCK.min(windows - start);
            let letters = &seq[start..start + n + self.k - 1];
            let clean = self.encode::<FOLD>(letters);
            self.number(n);
            if !clean {
                self.mark::<FOLD>(letters, n);
            }
            let unknown = (!clean).then(|| Unknown { windows: &self.unknown[..n], letters, start });
            block(&self.numbers[..n], unknown)?;
        }
        Ok(())
    }

    /// Whether all letters are known.
    fn encode<const FOLD: bool>(&mut self, letters: &[u8]) -> bool {
        let mut all = true;
        for (out, &byte) in self.codes.iter_mut().zip(letters) {
            *out = code(byte);
            all &= is_known::<FOLD>(byte);
        }
        all
    }

    /// The numbers of `n` windows, by doubling: two letters, four letters, all.
    fn number(&mut self, n: usize) {
        let Self { k, codes, pairs, quads, numbers, .. } = self;
        let in_quad = IN_BYTE.min(*k);
        let letters = n + *k - 1;
        // A window of a letters and one of b letters that ends later overlap in letters that are the same in both, so that
        // "or" joins them.
        let quads: &[u8] = if in_quad == 1 {
            codes
        } else {
            let count = letters - 1;
            for ((out, &a), &b) in pairs[..count].iter_mut().zip(&codes[..count]).zip(&codes[1..]) {
                *out = (a << 2) | b;
            }
            let (step, count) = (in_quad - 2, letters + 1 - in_quad);
            for ((out, &a), &b) in quads[..count].iter_mut().zip(&pairs[..count]).zip(&pairs[step..]) {
                *out = (a << (2 * step)) | b;
            }
            quads
        };
        let step = *k - in_quad;
        for ((out, &a), &b) in numbers[..n].iter_mut().zip(&quads[..n]).zip(&quads[step..]) {
            *out = (u16::from(a) << (2 * step)) | u16::from(b);
        }
    }

    /// Marks the windows that hold unknown letters.
    fn mark<const FOLD: bool>(&mut self, letters: &[u8], n: usize) {
        for (out, &byte) in self.codes.iter_mut().zip(letters) {
            *out = if is_known::<FOLD>(byte) { 0 } else { 0xff };
        }
        self.unknown[..n].fill(0);
        for i in 0..self.k {
            for (out, &mark) in self.unknown[..n].iter_mut().zip(&self.codes[i..]) {
                *out |= mark;
            }
        }
    }
}

/// What a block with unknown letters is told.
pub(crate) struct Unknown<'a> {
    /// Not zero where the window holds an unknown letter.
    pub(crate) windows: &'a [u8],
    /// The letters of the block.
    pub(crate) letters: &'a [u8],
    /// Where they start in the sequence.
    pub(crate) start: usize,
}

/// The number of six letters, and whether all of them are known; all at once in one register.
pub(crate) fn six<const FOLD: bool>(letters: &[u8; 6]) -> (u16, bool) {
    const ONES: u64 = 0x0101_0101_0101;
    let [a, b, c, d, e, f] = *letters;
    let bytes = u64::from_le_bytes([a, b, c, d, e, f, 0, 0]);
    let folded = if FOLD { bytes & (ONES * 0xdf) } else { bytes };
    let (high, low) = (folded & (ONES * 2), (folded >> 2) & ONES);
    // Upper-case letters from their two bits: A, C, G are 0x41 with these bits set; T is 0x11 beside that.
    let is_t = low & !(high >> 1);
    let expected = ((ONES * 0x41) | high | (low << 2)) ^ (is_t | (is_t << 4));
    let found = if FOLD { folded & !is_t } else { folded };
    let codes = high | low;
    let pairs = ((codes << 10) | codes) & 0x0f00_0f00_0f00; // letters 0 1, 2 3, 4 5 at bits 8, 24, 40
    let joined = pairs.wrapping_mul(1 | (1 << 20) | (1 << 40)) >> 40; // at bits 8, 4, 0
    ((joined & 0xfff) as u16, found == expected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number<const FOLD: bool>(window: &[u8]) -> Option<u16> {
        window.iter().try_fold(0, |number: u16, byte| {
            let letter = if FOLD { byte.to_ascii_uppercase() } else { *byte };
            let letter = if FOLD && letter == b'U' { b'T' } else { letter };
            Some((number << 2) | b"ATCG".iter().position(|&l| l == letter)? as u16)
        })
    }

    fn check<const FOLD: bool>(k: usize, seq: &[u8]) {
        let expected: Vec<Option<u16>> = seq.windows(k).map(number::<FOLD>).collect();
        let mut found = Vec::new();
        Windows::new(k)
            .each::<FOLD, ()>(seq, |numbers, unknown| {
                let is_unknown = |i: usize| unknown.as_ref().is_some_and(|u| u.windows[i] != 0);
                found.extend(numbers.iter().enumerate().map(|(i, &n)| (!is_unknown(i)).then_some(n)));
                Ok(())
            })
            .unwrap();
        assert_eq!(found, expected);
        for window in seq.windows(6) {
            let (found, known) = six::<FOLD>(window.try_into().unwrap());
            assert_eq!(known.then_some(found), number::<FOLD>(window), "{window:?}");
        }
    }

    #[test]
    fn every_byte_in_every_place() {
        for byte in 0..=255 {
            for place in 0..6 {
                let mut letters = *b"ACGTGT";
                letters[place] = byte;
                check::<true>(6, &letters);
                check::<false>(6, &letters);
            }
        }
    }

    #[test]
    fn blocks_join() {
        for length in [BLOCK - 1, BLOCK, BLOCK + 1, BLOCK + 5, 2 * BLOCK + 7] {
            let mut seq: Vec<u8> = (0..length).map(|i| b"ACGT"[(i * i / 3 + i) % 4]).collect();
            check::<false>(6, &seq);
            seq[length - 3] = b'N';
            check::<true>(8, &seq);
        }
    }

    proptest! {
        #[test]
        fn windows_are_numbered(k in 1usize..=8, seq in "[ACGT]{0,40}|[ACGTacgtuUN@`]{0,40}") {
            check::<true>(k, seq.as_bytes());
            check::<false>(k, seq.as_bytes());
        }
    }
}
