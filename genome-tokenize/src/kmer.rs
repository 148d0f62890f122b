//! Overlapping k-mers, stride 1: DNABERT (Ji et al., Bioinformatics 37: 2112-2120, 2021).
//!
//! Upstream: `DNATokenizer` of jerryji1993/DNABERT and its `vocab.txt` for k = 3 to 6. The vocabulary is `[PAD] [UNK] [CLS]
//! [SEP] [MASK]`, then all k-mers in the order of the letters A, T, C, G. Known differences:
//!
//! - with [`Case::Upper`] lower-case letters are read as upper-case, `U` as `T`, and bytes that are no nucleotides are
//!   errors; [`Case::Original`] turns every k-mer with such a letter into `[UNK]`, and one with blanks or punctuation into
//!   an `[UNK]` for each word and sign in it, as upstream. Outside ASCII upstream also strips accents; we do not;
//! - upstream's `encode` splits 510 and more k-mers into pieces, each with its own `[CLS]` and `[SEP]`, one behind the
//!   other. Here that is [`encode_pieces`](KmerTokenizer::encode_pieces); [`encode`](Tokenizer::encode) gives one piece.

use crate::case::{Ambiguity, Case, check_letters};
use crate::codes::Windows;
use crate::error::{Error, Result};
use crate::max_len::MaxLen;
use crate::tokenizer::{Encoding, Tokenizer};

const SPECIAL: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
const FIRST: u32 = SPECIAL.len() as u32;
const PAD: u32 = 0;
const UNK: u32 = 1;
const CLS: u32 = 2;
const SEP: u32 = 3;
const MASK: u32 = 4;
/// The rows of DNABERT's table of positions.
const POSITIONS: usize = 512;
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
    ambiguity: Ambiguity,
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
        Ok(Self { k, case, ambiguity: Ambiguity::default(), text })
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

    /// Chooses what is done with `N` and other ambiguity codes; [`Ambiguity::Unknown`] without this. With
    /// [`Case::Original`] they are unknown in any case.
    pub fn with_ambiguity(mut self, ambiguity: Ambiguity) -> Self {
        self.ambiguity = ambiguity;
        self
    }

    /// The ids of all windows, without `[CLS]` and `[SEP]`, in place of what `out` holds. The fastest way to ids.
    ///
    /// ```
    /// let mut ids = Vec::new();
    /// genome_tokenize::KmerTokenizer::new(6)?.kmer_ids_u16(b"ACGTACGN", &mut ids)?;
    /// assert_eq!(ids, [727, 2896, 1]); // ACGTAC CGTACG [UNK]
    /// # Ok::<(), genome_tokenize::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`encode`](Tokenizer::encode), or k is 8: then ids need more than 16 bits. `out` is empty then.
    pub fn kmer_ids_u16(&self, seq: &[u8], out: &mut Vec<u16>) -> Result<()> {
        if self.vocab_size() > 1 << u16::BITS {
            out.clear();
            return Err(Error::WideIds { vocab_size: self.vocab_size() });
        }
        // What is there already is overwritten, so that a buffer that is used again is not zeroed first.
        out.resize((seq.len() + 1).saturating_sub(self.k), 0);
        let mut rest = &mut out[..];
        let done = self.each_block(seq, |numbers, unknown| {
            let block = rest.split_off_mut(..numbers.len()).expect("there is room for every window");
            for (out, &number) in block.iter_mut().zip(numbers) {
                *out = number + FIRST as u16;
            }
            for (out, &unknown) in block.iter_mut().zip(unknown) {
                *out = if unknown == 0 { *out } else { UNK as u16 };
            }
        });
        match done {
            Ok(Text::Letters) => {}
            Ok(Text::Odd) => {
                out.clear();
                out.extend(self.odd_windows(seq).iter().map(|&(id, _)| id as u16));
            }
            Err(error) => {
                out.clear();
                return Err(error);
            }
        }
        Ok(())
    }

    /// DNABERT's rule for long input: pieces of 510 k-mers, each with `[CLS]` and `[SEP]`, so that each fits the 512
    /// positions of the model. With [`Case::Original`] a multiple of 510 k-mers leaves an empty piece at the end, as upstream;
    /// else there is none. Offsets count from the start of the whole sequence.
    ///
    /// ```
    /// use genome_tokenize::KmerTokenizer;
    ///
    /// let pieces = KmerTokenizer::new(6)?.encode_pieces(&b"ACGTTG".repeat(200))?;
    /// let lengths: Vec<usize> = pieces.iter().map(|p| p.len()).collect();
    /// assert_eq!(lengths, [512, 512, 177]);
    /// # Ok::<(), genome_tokenize::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`encode`](Tokenizer::encode).
    pub fn encode_pieces(&self, seq: &[u8]) -> Result<Vec<Encoding>> {
        const ROOM: usize = POSITIONS - 2;
        let whole = self.encode(seq)?;
        let inner = 1..whole.len() - 1;
        let tokens: Vec<Token> =
            whole.ids[inner.clone()].iter().copied().zip(whole.offsets[inner].iter().copied()).collect();
        let mut pieces: Vec<&[Token]> = tokens.chunks(ROOM).collect();
        if tokens.is_empty() || (self.case == Case::Original && tokens.len().is_multiple_of(ROOM)) {
            pieces.push(&[]);
        }
        let framed = |piece: &[Token]| {
            let start = piece.first().map_or(seq.len(), |t| t.1.0);
            let end = piece.last().map_or(seq.len(), |t| t.1.1);
            let mut encoding = Encoding::framed(piece.iter().copied(), CLS, SEP, end);
            encoding.offsets[0] = (start, start);
            encoding
        };
        Ok(pieces.into_iter().map(framed).collect())
    }

    /// Gives `block` the numbers of all windows, and which of them are unknown: a list as long as theirs, or an empty one if
    /// none is.
    fn each_block(&self, seq: &[u8], mut block: impl FnMut(&[u16], &[u8])) -> Result<Text> {
        let mut windows = Windows::new(self.k);
        let done = match self.case {
            Case::Upper => windows.each::<true, Stop>(seq, |numbers, unknown| {
                if let Some(unknown) = &unknown {
                    check_letters(unknown.letters, unknown.start, self.ambiguity).map_err(Stop::Refused)?;
                }
                block(numbers, unknown.map_or(&[], |u| u.windows));
                Ok(())
            }),
            Case::Original => windows.each::<false, Stop>(seq, |numbers, unknown| {
                if unknown.as_ref().is_some_and(|u| !u.letters.iter().all(u8::is_ascii_alphanumeric)) {
                    return Err(Stop::Odd);
                }
                block(numbers, unknown.map_or(&[], |u| u.windows));
                Ok(())
            }),
        };
        match done {
            Ok(()) => self.check_short(seq),
            Err(Stop::Odd) => Ok(Text::Odd),
            Err(Stop::Refused(error)) => Err(error),
        }
    }

    /// A sequence without windows is in no block, but its letters are checked all the same.
    fn check_short(&self, seq: &[u8]) -> Result<Text> {
        if seq.len() < self.k && self.case == Case::Upper {
            check_letters(seq, 0, self.ambiguity)?;
        }
        Ok(Text::Letters)
    }

    /// Windows of a text with blanks, punctuation or other signs, as upstream reads it: windows of characters joined by
    /// blanks, split into words again. Bytes that are no text count as one character each.
    fn odd_windows(&self, seq: &[u8]) -> Vec<Token> {
        let mut ends = vec![0];
        for chunk in seq.utf8_chunks() {
            let at = ends[ends.len() - 1];
            ends.extend(chunk.valid().char_indices().map(|(i, c)| at + i + c.len_utf8()));
            let at = ends[ends.len() - 1];
            ends.extend((1..=chunk.invalid().len()).map(|i| at + i));
        }
        let mut tokens = Vec::with_capacity(ends.len());
        for window in ends.windows(self.k + 1) {
            let (start, end) = (window[0], window[self.k]);
            let word = &seq[start..end];
            if word.iter().all(u8::is_ascii_alphanumeric) {
                let id = std::str::from_utf8(word).ok().and_then(|w| self.id(w)).unwrap_or(UNK);
                tokens.push((id, (start, end)));
            } else {
                words_of(word, start, &mut tokens);
            }
        }
        tokens
    }

    /// The slow twin of [`encode`](Tokenizer::encode) for ASCII, as upstream does it: joins all windows with blanks, cuts special
    /// tokens out, drops control characters, splits at blanks and punctuation, and looks every word up.
    #[cfg(test)]
    fn window_ids_by_text(&self, seq: &[u8]) -> Result<Vec<u32>> {
        let seq = match self.case {
            Case::Original => seq.to_vec(),
            Case::Upper => crate::case::normalise(seq)?,
        };
        let mut text = String::from_utf8(seq.windows(self.k).collect::<Vec<_>>().join(&b' ')).unwrap();
        for special in SPECIAL {
            // A sign that stands for the token, between blanks.
            let sign = char::from_u32(0xe000 + self.id(special).unwrap()).unwrap();
            text = text.replace(special, &format!(" {sign} "));
        }
        let mut ids = Vec::new();
        for word in text.split([' ', '\t', '\n', '\r']) {
            let word: String = word.chars().filter(|c| !c.is_control()).collect();
            for part in word.split_inclusive(|c: char| c.is_ascii_punctuation()) {
                let end = part.trim_end_matches(|c: char| c.is_ascii_punctuation());
                for token in [end, &part[end.len()..]].into_iter().filter(|t| !t.is_empty()) {
                    let sign = token.chars().next().map(u32::from).filter(|c| *c >= 0xe000);
                    ids.push(sign.map(|c| c - 0xe000).or(self.id(token)).unwrap_or(UNK));
                }
            }
        }
        Ok(ids)
    }
}

/// A token id and the bases it covers.
type Token = (u32, (usize, usize));

/// Whether the text holds letters (and digits) alone.
enum Text {
    Letters,
    /// Blanks or signs: windows are not tokens.
    Odd,
}

enum Stop {
    Odd,
    Refused(Error),
}

/// What upstream makes of a window with blanks or signs in it: a special token is itself; of the rest each word and each
/// sign is one `[UNK]`; control characters vanish.
fn words_of(window: &[u8], start: usize, tokens: &mut Vec<Token>) {
    let is_gone = |byte: u8| byte.is_ascii_control() && !byte.is_ascii_whitespace() || byte == 0x0c;
    let mut in_word = false;
    let mut at = 0;
    while at < window.len() {
        let byte = window[at];
        let special = SPECIAL.iter().zip(0..).find(|(token, _)| window[at..].starts_with(token.as_bytes()));
        let (id, length) = special.map_or((UNK, 1), |(token, id)| (id, token.len()));
        let span = (start + at, start + at + length);
        if special.is_some() || byte.is_ascii_punctuation() {
            tokens.push((id, span));
            in_word = false;
        } else if is_gone(byte) {
        } else if byte.is_ascii_whitespace() {
            in_word = false;
        } else if in_word {
            if let Some(word) = tokens.last_mut() {
                word.1.1 = span.1;
            }
        } else {
            tokens.push((UNK, span));
            in_word = true;
        }
        at += length;
    }
}

impl Tokenizer for KmerTokenizer {
    fn encode(&self, seq: &[u8]) -> Result<Encoding> {
        let windows = (seq.len() + 1).saturating_sub(self.k);
        let mut encoding = Encoding::with_room(windows + 2);
        encoding.push(&[CLS], [(0, 0)], true);
        let text = self.each_block(seq, |numbers, unknown| {
            let from = encoding.ids.len();
            encoding.ids.extend(numbers.iter().map(|&number| FIRST + u32::from(number)));
            for (id, &unknown) in encoding.ids[from..].iter_mut().zip(unknown) {
                *id = if unknown == 0 { *id } else { UNK };
            }
        })?;
        match text {
            Text::Letters => encoding.offsets.extend((0..windows).map(|i| (i, i + self.k))),
            Text::Odd => return Ok(Encoding::framed(self.odd_windows(seq).into_iter(), CLS, SEP, seq.len())),
        }
        encoding.push(&[], [], false);
        encoding.push(&[SEP], [(seq.len(), seq.len())], true);
        Ok(encoding)
    }

    /// `[CLS] first [SEP] second [SEP]`, types 0 and 1.
    fn encode_pieces(&self, seq: &[u8]) -> Result<Vec<Encoding>> {
        Self::encode_pieces(self, seq)
    }

    fn encode_pair(&self, first: &[u8], second: &[u8]) -> Result<Encoding> {
        Ok(self.encode(first)?.bert_pair(self.encode(second)?, first.len()))
    }

    /// DNABERT has 512 positions.
    fn max_len(&self) -> MaxLen {
        MaxLen::Fixed(POSITIONS)
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

    /// Joins overlapping k-mers. A letter that no known k-mer covers is `N`. `[SEP]` ends a sequence, unless a `[CLS]` follows,
    /// as between the pieces of a long one.
    fn decode(&self, ids: &[u32]) -> Result<Vec<u8>> {
        let mut out: Vec<u8> = Vec::new();
        let mut windows = 0;
        let mut ended = false;
        for (position, &id) in ids.iter().enumerate() {
            let vocab_size = self.vocab_size();
            let token = self.token(id).ok_or(Error::UnknownId { position, id, vocab_size })?;
            match id {
                PAD => continue,
                CLS | SEP => {
                    ended = id == SEP;
                    continue;
                }
                _ if ended => {
                    windows = out.len();
                    ended = false;
                }
                _ => {}
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
        f.debug_struct("KmerTokenizer").field("k", &self.k).field("case", &self.case).finish_non_exhaustive()
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
        fn rolling_equals_looking_up(k in 1usize..=5, seq in "[ACGTacgtuNRn\n\x00\x0b\x0c\x7f .-]{0,60}|[ACGT]{0,9}\\[(MASK|UNK|SEP|MASK)\\][ACG]{0,9}", original: bool) {
            let case = if original { Case::Original } else { Case::Upper };
            let t = KmerTokenizer::with_case(k, case).unwrap();
            let fast = t.encode(seq.as_bytes()).ok().map(|e| e.ids[1..e.len() - 1].to_vec());
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
