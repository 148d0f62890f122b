//! One token a letter: the tokenizer of our own base model.
//!
//! The ids are fixed, since a checkpoint depends on them:
//!
//! | id | 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 |
//! |---|---|---|---|---|---|---|---|---|---|---|
//! | token | `[PAD]` | `[UNK]` | `[CLS]` | `[SEP]` | `[MASK]` | A | C | G | T | N |

use crate::case::{Ambiguity, check_letters, normal_letter};
use crate::error::{Error, Result};
use crate::tokenizer::{Encoding, Tokenizer};

const TOKENS: [&str; 10] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "A", "C", "G", "T", "N"];
const PAD: u32 = 0;
const UNK: u32 = 1;
const CLS: u32 = 2;
const SEP: u32 = 3;
const MASK: u32 = 4;

/// `[CLS] letters [SEP]`, upper-cased, `U` read as `T`, every ambiguity code as `N`.
///
/// ```
/// use genome_tokenize::{LetterTokenizer, Tokenizer};
///
/// let tokenizer = LetterTokenizer::new();
/// assert_eq!(tokenizer.encode(b"aCGUR")?.ids, [2, 5, 6, 7, 8, 9, 3]);
/// assert_eq!(
///     tokenizer.encode(b"AC-T").unwrap_err().to_string(),
///     "letter 3: expected an IUPAC nucleotide, found '-'",
/// );
/// # Ok::<(), genome_tokenize::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LetterTokenizer {
    ambiguity: Ambiguity,
}

impl LetterTokenizer {
    /// The only one there is.
    pub fn new() -> Self {
        Self::default()
    }

    /// Chooses what is done with `N` and other ambiguity codes; [`Ambiguity::Unknown`], a token of its own, without this.
    pub fn with_ambiguity(mut self, ambiguity: Ambiguity) -> Self {
        self.ambiguity = ambiguity;
        self
    }
}

impl Tokenizer for LetterTokenizer {
    fn encode(&self, seq: &[u8]) -> Result<Encoding> {
        let tokens = seq.iter().enumerate().map(|(i, &byte)| (IDS[usize::from(byte)].into(), (i, i + 1)));
        let encoding = Encoding::framed(tokens, CLS, SEP, seq.len());
        if encoding.ids.contains(&NONE) || self.ambiguity == Ambiguity::Error {
            check_letters(seq, 0, self.ambiguity)?;
        }
        Ok(encoding)
    }

    /// `[CLS] first [SEP] second [SEP]`, types 0 and 1.
    fn encode_pair(&self, first: &[u8], second: &[u8]) -> Result<Encoding> {
        Ok(self.encode(first)?.bert_pair(self.encode(second)?, first.len()))
    }

    fn vocab_size(&self) -> usize {
        TOKENS.len()
    }

    fn pad_id(&self) -> u32 {
        PAD
    }

    fn unk_id(&self) -> u32 {
        UNK
    }

    fn mask_id(&self) -> Option<u32> {
        Some(MASK)
    }

    fn cls_id(&self) -> Option<u32> {
        Some(CLS)
    }

    fn sep_id(&self) -> Option<u32> {
        Some(SEP)
    }

    fn token(&self, id: u32) -> Option<&str> {
        TOKENS.get(usize::try_from(id).ok()?).copied()
    }

    fn id(&self, token: &str) -> Option<u32> {
        TOKENS.iter().position(|&t| t == token).map(|i| i as u32)
    }

    fn decode(&self, ids: &[u32]) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(ids.len());
        for (position, &id) in ids.iter().enumerate() {
            match (id, self.token(id)) {
                (UNK | MASK, _) => out.push(b'N'),
                (PAD | CLS | SEP, _) => {}
                (_, Some(letter)) => out.extend_from_slice(letter.as_bytes()),
                (_, None) => {
                    let vocab_size = TOKENS.len();
                    return Err(Error::UnknownId { position, id, vocab_size });
                }
            }
        }
        Ok(out)
    }
}

/// Marks bytes that are no nucleotides in [`IDS`].
const NONE: u32 = 255;

/// The id of every byte.
const IDS: [u8; 256] = {
    let mut table = [NONE as u8; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = match normal_letter(byte as u8) {
            Some(b'A') => 5,
            Some(b'C') => 6,
            Some(b'G') => 7,
            Some(b'T') => 8,
            Some(_) => 9,
            None => NONE as u8,
        };
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ids_are_fixed() {
        let t = LetterTokenizer::new();
        for (id, token) in TOKENS.iter().enumerate() {
            assert_eq!(t.token(id as u32), Some(*token));
            assert_eq!(t.id(token), Some(id as u32));
        }
        assert_eq!((t.token(10), t.id("X"), t.id("a")), (None, None, None));
        assert_eq!(t.encode(b"").unwrap().ids, [2, 3]);
        assert_eq!(t.encode(b"ACGTN").unwrap().ids, [2, 5, 6, 7, 8, 9, 3]);
    }

    #[test]
    fn pairs_have_types_and_run_on() {
        let pair = LetterTokenizer::new().encode_pair(b"AC", b"g").unwrap();
        assert_eq!(pair.ids, [2, 5, 6, 3, 7, 3]);
        assert_eq!(pair.type_ids, [0, 0, 0, 0, 1, 1]);
        assert_eq!(pair.offsets, [(0, 0), (0, 1), (1, 2), (2, 2), (2, 3), (3, 3)]);
        assert_eq!(pair.special, [true, false, false, true, false, true]);
        assert!(pair.attention.iter().all(|&a| a));
    }

    #[test]
    fn strict_mode_refuses_codes() {
        let strict = LetterTokenizer::new().with_ambiguity(Ambiguity::Error);
        assert_eq!(strict.encode(b"acgn").unwrap_err().to_string(), "letter 4: expected A, C, G, T or U, found 'n'");
        assert!(strict.encode(b"acgu").is_ok());
    }

    #[test]
    fn decoding_checks_ids_and_shows_gaps() {
        let t = LetterTokenizer::new();
        assert_eq!(t.decode(&[2, 5, 4, 1, 8, 3, 0, 0]).unwrap(), b"ANNT");
        let error = t.decode(&[5, 99]).unwrap_err();
        assert_eq!(error.to_string(), "token 2: expected an id below 10, found 99");
    }

    proptest! {
        #[test]
        fn decode_gives_the_letters_back_in_upper_case(seq in "[ACGTNacgtn]{0,200}") {
            let t = LetterTokenizer::new();
            let encoding = t.encode(seq.as_bytes()).unwrap();
            prop_assert_eq!(t.decode(&encoding.ids).unwrap(), seq.to_ascii_uppercase().into_bytes());
            prop_assert!(encoding.offsets[1..=seq.len()].iter().copied().eq((0..seq.len()).map(|i| (i, i + 1))));
        }

        #[test]
        fn any_bytes_give_ids_or_the_first_bad_position(seq in proptest::collection::vec(any::<u8>(), 0..100)) {
            let bad = seq.iter().position(|&b| normal_letter(b).is_none());
            prop_assert_eq!(LetterTokenizer::new().encode(&seq).err().and_then(|e| e.position()), bad);
        }

        #[test]
        fn any_ids_decode_or_fail(ids in proptest::collection::vec(0u32..12, 0..50)) {
            let _ = LetterTokenizer::new().decode(&ids);
        }
    }
}
