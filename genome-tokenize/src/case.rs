//! How letters are prepared before they are looked up. The crate's documentation has a table of the policies.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What a tokenizer does with lower-case letters, which mark repeats in genomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Case {
    /// Upper-case first, read `U` as `T`, and refuse bytes that are no IUPAC nucleotides. The published models saw no
    /// lower-case letters, so this is what keeps soft-masked sequence from becoming unknown tokens.
    #[default]
    Upper,
    /// Take the text as it is, as the original tool does: lower-case letters are unknown, nothing is refused.
    Original,
}

impl Case {
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What a tokenizer with [`Case::Upper`] does with `N` and the other ambiguity codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Ambiguity {
    /// All are read as `N`, which is what the tokenizer has for it: a token of its own, or the unknown one.
    #[default]
    Unknown,
    /// Each is an error with its position.
    Error,
}

/// [`normal_letter`] of every byte; 0 for what is no IUPAC nucleotide.
const NORMAL: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match (byte as u8).to_ascii_uppercase() {
            letter @ (b'A' | b'C' | b'G' | b'T') => letter,
            b'U' => b'T',
            b'R' | b'Y' | b'S' | b'W' | b'K' | b'M' | b'B' | b'D' | b'H' | b'V' | b'N' => b'N',
            _ => 0,
        };
        byte += 1;
    }
    table
};

/// `A`, `C`, `G`, `T`, or `N` for every ambiguity code; `None` for what is no IUPAC nucleotide.
pub(crate) const fn normal_letter(byte: u8) -> Option<u8> {
    match NORMAL[byte as usize] {
        0 => None,
        letter => Some(letter),
    }
}

/// The whole sequence in [`normal_letter`]s.
pub(crate) fn normalise(seq: &[u8]) -> Result<Vec<u8>> {
    let letters: Vec<u8> = seq.iter().map(|&byte| NORMAL[usize::from(byte)]).collect();
    if letters.contains(&0) {
        check_letters(seq, 0, Ambiguity::Unknown)?;
    }
    Ok(letters)
}

/// Finds the first letter that is refused in a piece that starts at `from`.
pub(crate) fn check_letters(piece: &[u8], from: usize, ambiguity: Ambiguity) -> Result<()> {
    for (at, &found) in piece.iter().enumerate() {
        let position = from + at;
        match normal_letter(found) {
            None => return Err(Error::UnknownLetter { position, found }),
            Some(b'N') if ambiguity == Ambiguity::Error => return Err(Error::Ambiguous { position, found }),
            Some(_) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_one_meaning() {
        assert_eq!(normalise(b"ACGTUacgtu").unwrap(), b"ACGTTACGTT");
        assert_eq!(normalise(b"RYSWKMBDHVNn").unwrap(), b"NNNNNNNNNNNN");
        let known = (0..=255u8).filter(|&b| normal_letter(b).is_some()).count();
        assert_eq!(known, 32);
        let error = normalise(b"AC-T").unwrap_err();
        assert_eq!(error.position(), Some(2));
    }

    #[test]
    fn strictness_is_a_choice() {
        assert!(check_letters(b"ACGNR", 0, Ambiguity::Unknown).is_ok());
        let error = check_letters(b"ACGR", 10, Ambiguity::Error).unwrap_err();
        assert_eq!(error.to_string(), "letter 14: expected A, C, G, T or U, found 'R'");
        assert_eq!(error.position(), Some(13));
        assert!(check_letters(b"acgtuACGTU", 0, Ambiguity::Error).is_ok());
    }
}
