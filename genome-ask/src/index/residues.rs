//! Letters of sequences in the index: two bits a base where a piece has nothing but ACGT, four bits for IUPAC letters, and
//! bytes for anything else (proteins). Case is not kept, and U is T.

use crate::error::{Error, Result};

/// Letters of one piece: a subsequence costs the pieces that it touches.
pub(super) const PIECE: usize = 1 << 16;

const TWO_BITS: i64 = 2;
const FOUR_BITS: i64 = 4;
const BYTES: i64 = 8;

const BASES: &[u8; 4] = b"ACGT";
/// By sets of bases: A 1, C 2, G 4, T 8.
const IUPAC: &[u8; 16] = b"-ACMGRSVTWYHKDBN";

const CODE_2: [u8; 256] = codes(BASES);
const CODE_4: [u8; 256] = codes(IUPAC);
const NONE: u8 = 255;

const fn codes(letters: &[u8]) -> [u8; 256] {
    let mut codes = [NONE; 256];
    let mut i = 0;
    while i < letters.len() {
        codes[letters[i] as usize] = i as u8;
        codes[letters[i].to_ascii_lowercase() as usize] = i as u8;
        i += 1;
    }
    codes[b'U' as usize] = codes[b'T' as usize];
    codes[b'u' as usize] = codes[b'T' as usize];
    codes
}

/// The encoding of a piece and its bytes.
pub(super) fn pack(letters: &[u8]) -> (i64, Vec<u8>) {
    fn packed(letters: &[u8], codes: &[u8; 256], bits: usize) -> Option<Vec<u8>> {
        let per_byte = 8 / bits;
        let mut bytes = Vec::with_capacity(letters.len().div_ceil(per_byte));
        for group in letters.chunks(per_byte) {
            let mut byte = 0;
            for (i, letter) in group.iter().enumerate() {
                let code = codes[usize::from(*letter)];
                if code == NONE {
                    return None;
                }
                byte |= code << (i * bits);
            }
            bytes.push(byte);
        }
        Some(bytes)
    }
    if let Some(bytes) = packed(letters, &CODE_2, 2) {
        return (TWO_BITS, bytes);
    }
    if let Some(bytes) = packed(letters, &CODE_4, 4) {
        return (FOUR_BITS, bytes);
    }
    (BYTES, letters.to_ascii_uppercase())
}

/// Adds the letters `from..to` of a piece of `length` letters.
pub(super) fn unpack(encoding: i64, bytes: &[u8], from: usize, to: usize, out: &mut Vec<u8>) -> Result<()> {
    let broken =
        || Error::Query { problem: "the index is damaged", found: format!("residues with encoding {encoding}") };
    let per_byte = match encoding {
        TWO_BITS => 4,
        FOUR_BITS => 2,
        BYTES => 1,
        _ => return Err(broken()),
    };
    if to.div_ceil(per_byte) > bytes.len() || from > to {
        return Err(broken());
    }
    out.reserve(to - from);
    match encoding {
        TWO_BITS => {
            let mut at = from;
            while at < to && !at.is_multiple_of(4) {
                out.push(BASES[usize::from(bytes[at / 4] >> (2 * (at % 4))) & 3]);
                at += 1;
            }
            while at + 4 <= to {
                let byte = usize::from(bytes[at / 4]);
                out.extend([BASES[byte & 3], BASES[byte >> 2 & 3], BASES[byte >> 4 & 3], BASES[byte >> 6]]);
                at += 4;
            }
            out.extend((at..to).map(|at| BASES[usize::from(bytes[at / 4] >> (2 * (at % 4))) & 3]));
        }
        FOUR_BITS => out.extend((from..to).map(|at| IUPAC[usize::from(bytes[at / 2] >> (4 * (at % 2))) & 15])),
        _ => out.extend_from_slice(&bytes[from..to]),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn letters_survive(seq in "[ACGT]{0,99}|[ACGTNRYKMSWBDHV-]{0,99}|[A-Z*]{0,99}", cut in 0usize..99, len in 0usize..99) {
            let seq = seq.replace('U', "T").into_bytes();
            let (encoding, bytes) = pack(&seq);
            let from = cut.min(seq.len());
            let to = (from + len).min(seq.len());
            let mut out = Vec::new();
            unpack(encoding, &bytes, from, to, &mut out).unwrap();
            prop_assert_eq!(out, &seq[from..to]);
        }
    }

    #[test]
    fn damage_is_an_error() {
        for encoding in [2, 4, 8, 3] {
            assert!(unpack(encoding, b"x", 0, 99, &mut Vec::new()).is_err());
        }
    }
}
