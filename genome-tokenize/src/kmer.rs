//! Overlapping k-mers, stride 1: DNABERT (Ji et al., Bioinformatics 37: 2112-2120, 2021).
//!
//! Upstream: `DNATokenizer` of jerryji1993/DNABERT and its `vocab.txt` for k = 3 to 6. The vocabulary is `[PAD] [UNK] [CLS]
//! [SEP] [MASK]`, then all k-mers in the order of the letters A, T, C, G. Known differences:
//!
//! - with [`Case::Upper`] lower-case letters are read as upper-case, `U` as `T`, and bytes that are no nucleotides are
//!   errors; [`Case::Original`] turns every k-mer with such a byte into `[UNK]`, and one with blanks into an `[UNK]` for
//!   each word in it, as upstream;
//! - upstream's `encode` splits more than 510 k-mers into pieces, each with its own `[CLS]` and `[SEP]`; here a sequence
//!   is one piece, and cutting is the caller's decision.

use crate::case::{Case, normal_letter};
use crate::error::{Error, Result};
use crate::tokenizer::{Encoding, Tokenizer};

const SPECIAL: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
const FIRST: u32 = SPECIAL.len() as u32;
const PAD: u32 = 0;
const UNK: u32 = 1;
const CLS: u32 = 2;
const SEP: u32 = 3;
const MASK: u32 = 4;
/// Letters in the order of the vocabulary.
const LETTERS: [u8; 4] = *b"ATCG";

/// `[CLS]`, every window of k letters, `[SEP]`. A window with an ambiguity code is `[UNK]`; a sequence shorter than k has
/// no windows.
///
/// ```
/// use genome_tokenize::{KmerTokenizer, Tokenizer};
///
/// let tokenizer = KmerTokenizer::new(6)?;
/// assert_eq!(tokenizer.vocab_size(), 4101);
/// let encoding = tokenizer.encode(b"ACGTACG")?;
/// assert_eq!(encoding.ids, [2, 727, 2896, 3]);
/// assert_eq!(encoding.offsets[2], (1, 7));
/// assert_eq!(tokenizer.token(727), Some("ACGTAC"));
/// # Ok::<(), genome_tokenize::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct KmerTokenizer {
    k: usize,
    case: Case,
    /// All k-mers in order, without separators.
    text: String,
}

impl KmerTokenizer {
    /// K-mers of `k` letters.
    ///
    /// # Errors
    ///
    /// `k` is not in `1..=8`.
    pub fn new(k: usize) -> Result<Self> {
        Self::with_case(k, Case::default())
    }

    /// K-mers of `k` letters, with a choice for lower-case letters.
    ///
    /// # Errors
    ///
    /// `k` is not in `1..=8`.
    pub fn with_case(k: usize, case: Case) -> Result<Self> {
        if !(1..=8).contains(&k) {
            return Err(Error::UnsupportedK { k });
        }
        let mut text = String::with_capacity(k << (2 * k));
        for code in 0..1usize << (2 * k) {
            for i in (0..k).rev() {
                text.push(char::from(LETTERS[(code >> (2 * i)) & 3]));
            }
        }
        Ok(Self { k, case, text })
    }

    /// Reads k from a `vocab.txt` in DNABERT's layout, and checks every line of it; `path` stands in errors.
    ///
    /// # Errors
    ///
    /// A line is not what that layout has there.
    pub fn from_vocab(path: &str, text: &str, case: Case) -> Result<Self> {
        let mut lines = text.lines();
        let k = text.lines().nth(SPECIAL.len()).map_or(0, |l| l.trim_end().len());
        let this = Self::with_case(k, case).map_err(|_| {
            Error::broken(
                path,
                None,
                "this is no DNABERT vocabulary: expected [PAD] [UNK] [CLS] [SEP] [MASK] and all k-mers",
            )
        })?;
        for id in 0..this.vocab_size() {
            let expected = this.token(id as u32).unwrap_or_default();
            let found = lines.next().map(str::trim_end);
            if found != Some(expected) {
                let found = found
                    .map_or("the end of the file".into(), |f| format!("{:?}", f.chars().take(40).collect::<String>()));
                return Err(Error::broken(
                    path,
                    Some(id + 1),
                    format!("expected {expected:?} as in DNABERT's vocabulary, found {found}"),
                ));
            }
        }
        if lines.any(|l| !l.trim().is_empty()) {
            let line = Some(this.vocab_size() + 1);
            return Err(Error::broken(path, line, "expected the end of the vocabulary, found more lines"));
        }
        Ok(this)
    }

    /// Letters in a k-mer.
    pub fn k(&self) -> usize {
        self.k
    }

    /// What is done with lower-case letters.
    pub fn case(&self) -> Case {
        self.case
    }

    /// The place of a letter in the vocabulary's order, or `None` for what makes a k-mer unknown.
    fn letter_code(&self, position: usize, byte: u8) -> Result<Option<u32>> {
        let letter = match self.case {
            Case::Original => byte,
            Case::Upper => normal_letter(byte).ok_or(Error::UnknownLetter { position, found: byte })?,
        };
        Ok(LETTERS.iter().position(|&l| l == letter).map(|i| i as u32))
    }

    /// All windows in one pass: each window's number follows from the one in front of it.
    fn windows(&self, seq: &[u8]) -> Result<Vec<Token>> {
        let mut tokens = Vec::with_capacity((seq.len() + 1).saturating_sub(self.k));
        let mask = (1u32 << (2 * self.k)) - 1;
        let mut code = 0;
        let mut known = 0; // letters since the last unknown one
        let mut solid = 0; // bytes since the last blank
        for (position, &byte) in seq.iter().enumerate() {
            match self.letter_code(position, byte)? {
                Some(letter) => {
                    code = ((code << 2) | letter) & mask;
                    known += 1;
                }
                None => known = 0,
            }
            solid = if byte.is_ascii_whitespace() { 0 } else { solid + 1 };
            let end = position + 1;
            if let Some(start) = end.checked_sub(self.k) {
                if solid >= self.k {
                    let id = if known >= self.k { FIRST + code } else { UNK };
                    tokens.push((id, (start, end)));
                } else {
                    tokens.extend(unknown_words(seq, start, end));
                }
            }
        }
        Ok(tokens)
    }

    /// The slow twin of [`windows`](Self::windows), as upstream does it: joins all windows with blanks, splits at blanks,
    /// and looks every word up.
    #[cfg(test)]
    fn window_ids_by_text(&self, seq: &[u8]) -> Result<Vec<u32>> {
        let seq = match self.case {
            Case::Original => seq.to_vec(),
            Case::Upper => crate::case::normalise(seq)?,
        };
        let ids: std::collections::HashMap<&[u8], u32> = self.text.as_bytes().chunks(self.k).zip(FIRST..).collect();
        let text = seq.windows(self.k).collect::<Vec<_>>().join(&b' ');
        let words = text.split(u8::is_ascii_whitespace).filter(|w| !w.is_empty());
        Ok(words.map(|w| ids.get(w).copied().unwrap_or(UNK)).collect())
    }
}

/// A token id and the bases it covers.
type Token = (u32, (usize, usize));

/// What upstream makes of a window with blanks in it: one `[UNK]` for each word.
fn unknown_words(seq: &[u8], start: usize, end: usize) -> impl Iterator<Item = Token> {
    let mut at = start;
    seq[start..end].split(u8::is_ascii_whitespace).filter_map(move |word| {
        let span = (at, at + word.len());
        at = span.1 + 1;
        (!word.is_empty()).then_some((UNK, span))
    })
}

impl Tokenizer for KmerTokenizer {
    fn encode(&self, seq: &[u8]) -> Result<Encoding> {
        Ok(Encoding::framed(self.windows(seq)?.into_iter(), CLS, SEP, seq.len()))
    }

    fn vocab_size(&self) -> usize {
        SPECIAL.len() + (1 << (2 * self.k))
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
        match id.checked_sub(FIRST) {
            None => SPECIAL.get(usize::try_from(id).ok()?).copied(),
            Some(code) => {
                let start = usize::try_from(code).ok()?.checked_mul(self.k)?;
                self.text.get(start..start.checked_add(self.k)?)
            }
        }
    }

    fn id(&self, token: &str) -> Option<u32> {
        if let Some(id) = SPECIAL.iter().position(|&t| t == token) {
            return Some(id as u32);
        }
        if token.len() != self.k {
            return None;
        }
        let mut code = 0;
        for byte in token.bytes() {
            code = (code << 2) | LETTERS.iter().position(|&l| l == byte)? as u32;
        }
        Some(FIRST + code)
    }

    /// Joins overlapping k-mers. A letter that no known k-mer covers is `N`.
    fn decode(&self, ids: &[u32]) -> Result<Vec<u8>> {
        let mut out: Vec<u8> = Vec::new();
        let mut windows = 0;
        for (position, &id) in ids.iter().enumerate() {
            let vocab_size = self.vocab_size();
            let token = self.token(id).ok_or(Error::UnknownId { position, id, vocab_size })?;
            if matches!(id, PAD | CLS | SEP) {
                continue;
            }
            out.resize(windows + self.k, b'N');
            if id >= FIRST {
                for (old, new) in out[windows..].iter_mut().zip(token.bytes()) {
                    if *old != b'N' && *old != new {
                        return Err(Error::NoOverlap { position, token: token.to_owned() });
                    }
                    *old = new;
                }
            }
            windows += 1;
        }
        Ok(out)
    }
}

impl std::fmt::Debug for KmerTokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KmerTokenizer").field("k", &self.k).field("case", &self.case).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_vocabulary_counts_in_a_t_c_g() {
        let t = KmerTokenizer::new(3).unwrap();
        let tokens: Vec<_> = [0, 4, 5, 6, 7, 8, 9, 68].map(|id| t.token(id)).to_vec();
        let expected = ["[PAD]", "[MASK]", "AAA", "AAT", "AAC", "AAG", "ATA", "GGG"].map(Some);
        assert_eq!(tokens, expected);
        assert_eq!((t.token(69), t.token(u32::MAX), t.vocab_size()), (None, None, 69));
        for k in 1..=6 {
            let t = KmerTokenizer::new(k).unwrap();
            for id in 0..t.vocab_size() as u32 {
                assert_eq!(t.id(t.token(id).unwrap()), Some(id));
            }
        }
        assert_eq!((t.id("AAN"), t.id("AA"), t.id("aaa")), (None, None, None));
    }

    #[test]
    fn k_is_bounded() {
        for k in [0, 9, 1000] {
            assert!(matches!(KmerTokenizer::new(k), Err(Error::UnsupportedK { k: found }) if found == k));
        }
        assert_eq!(KmerTokenizer::new(8).unwrap().token(65540), Some("GGGGGGGG"));
    }

    #[test]
    fn case_and_ambiguity() {
        let upper = KmerTokenizer::new(3).unwrap();
        let original = KmerTokenizer::with_case(3, Case::Original).unwrap();
        let ids = |t: &KmerTokenizer, seq: &[u8]| t.encode(seq).unwrap().ids;
        assert_eq!(ids(&upper, b"acgu"), ids(&upper, b"ACGT"));
        assert_eq!(ids(&upper, b"ACGRACG"), [2, 16, 1, 1, 1, 16, 3]);
        assert_eq!(ids(&original, b"ACGT"), ids(&upper, b"ACGT"));
        assert_eq!(ids(&original, b"acg"), [2, 1, 3]);
        assert_eq!(ids(&original, b"ACU\xff"), [2, 1, 1, 3]);
        assert_eq!(original.encode(b"ACG T").unwrap().offsets[2..5], [(1, 3), (2, 3), (4, 5)]);
        assert_eq!(ids(&upper, b"AC"), [2, 3]);
        assert_eq!(upper.encode(b"AC!").unwrap_err().position(), Some(2));
    }

    #[test]
    fn vocabularies_are_checked_line_by_line() {
        let t = KmerTokenizer::new(2).unwrap();
        let lines: Vec<&str> = (0..t.vocab_size() as u32).map(|id| t.token(id).unwrap()).collect();
        let good = lines.join("\n");
        let read = |text: &str| KmerTokenizer::from_vocab("vocab.txt", text, Case::Upper);
        assert_eq!(read(&good).unwrap(), t);
        assert_eq!(read(&format!("{}\r\n\n", lines.join("\r\n"))).unwrap(), t);
        let check = |text: &str, start: &str| {
            let error = read(text).unwrap_err().to_string();
            assert!(error.starts_with(start), "{error}");
        };
        check("", "vocab.txt: this is no DNABERT vocabulary");
        check(&good.replace("AC", "CA"), "vocab.txt:8: expected \"AC\" as in DNABERT's vocabulary, found \"CA\"");
        check(&good[..good.len() - 3], "vocab.txt:21: expected \"GG\"");
        check(&format!("{good}\nXX"), "vocab.txt:22: expected the end");
    }

    #[test]
    fn decoding_joins_and_checks() {
        let t = KmerTokenizer::new(3).unwrap();
        let ids = t.encode(b"ACGNACGT").unwrap().ids;
        assert_eq!(t.decode(&ids).unwrap(), b"ACGNACGT");
        let aaa = t.id("AAA").unwrap();
        let ggg = t.id("GGG").unwrap();
        let error = t.decode(&[2, aaa, ggg, 3]).unwrap_err();
        assert_eq!(error.to_string(), "token 3: expected a k-mer that overlaps the one in front of it, found GGG");
        assert!(matches!(t.decode(&[69]), Err(Error::UnknownId { position: 0, id: 69, vocab_size: 69 })));
    }

    proptest! {
        #[test]
        fn rolling_equals_looking_up(k in 1usize..=5, seq in "[ACGTacgtuNRn\n -]{0,60}", original: bool) {
            let case = if original { Case::Original } else { Case::Upper };
            let t = KmerTokenizer::with_case(k, case).unwrap();
            let ids = |tokens: Vec<Token>| tokens.into_iter().map(|(id, _)| id).collect();
            let fast: Option<Vec<u32>> = t.windows(seq.as_bytes()).ok().map(ids);
            prop_assert_eq!(fast, t.window_ids_by_text(seq.as_bytes()).ok());
        }

        #[test]
        fn decode_gives_the_letters_back(k in 1usize..=8, seq in "[ACGTacgt]{8,60}") {
            let t = KmerTokenizer::new(k).unwrap();
            let encoding = t.encode(seq.as_bytes()).unwrap();
            prop_assert_eq!(t.decode(&encoding.ids).unwrap(), seq.to_ascii_uppercase().into_bytes());
            // Windows start at every base and reach the last.
            let inner = &encoding.offsets[1..encoding.len() - 1];
            prop_assert!(inner.iter().enumerate().all(|(i, &span)| span == (i, i + k)));
            prop_assert_eq!(inner.last().unwrap().1, seq.len());
        }

        #[test]
        fn any_bytes_and_ids_never_panic(
            k in 1usize..=4,
            seq in proptest::collection::vec(any::<u8>(), 0..60),
            ids in proptest::collection::vec(0u32..300, 0..20),
        ) {
            for case in [Case::Upper, Case::Original] {
                let t = KmerTokenizer::with_case(k, case).unwrap();
                prop_assert!(t.encode(&seq).is_ok() || case == Case::Upper);
                let _ = t.decode(&ids);
            }
        }
    }
}
