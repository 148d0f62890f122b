//! How letters are prepared before they are looked up.

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

/// `A`, `C`, `G`, `T`, or `N` for every ambiguity code; `None` for what is no IUPAC nucleotide.
pub(crate) fn normal_letter(byte: u8) -> Option<u8> {
    match byte.to_ascii_uppercase() {
        letter @ (b'A' | b'C' | b'G' | b'T') => Some(letter),
        b'U' => Some(b'T'),
        b'R' | b'Y' | b'S' | b'W' | b'K' | b'M' | b'B' | b'D' | b'H' | b'V' | b'N' => Some(b'N'),
        _ => None,
    }
}

/// The whole sequence in [`normal_letter`]s.
pub(crate) fn normalise(seq: &[u8]) -> Result<Vec<u8>> {
    seq.iter()
        .enumerate()
        .map(|(position, &found)| normal_letter(found).ok_or(Error::UnknownLetter { position, found }))
        .collect()
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
}
