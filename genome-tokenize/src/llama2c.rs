//! The `tokenizer.bin` of llama2.c (Karpathy 2023): LLaMA's tokenizer with scores, also in sizes of its own (`tok512.bin`).
//!
//! Upstream: `run.c` and `tokenizer.py` of karpathy/llama2.c. The file is `max_token_length: i32`, then for each token
//! `score: f32, length: i32, bytes`, all little-endian; ids 0, 1, 2 are unknown, begin and end, 3 to 258 the bytes. A text
//! starts with the token of one blank; characters that are no token are written as bytes; then, as long as any two neighbours
//! make a token, the pair of the best score is joined, of equals the first. Known differences: a text may hold the byte 0
//! (upstream stops there); pairs are kept in a heap, where upstream looks at all of them after each join.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};
use std::path::Path;

use crate::error::{Error, Result};
use crate::sentencepiece::byte_token;
use crate::tokenizer::{Encoding, Tokenizer};
use crate::tokenizer_json::read_file;

const UNK: u32 = 0;
const BOS: u32 = 1;
const EOS: u32 = 2;
/// Id of the byte 0.
const BYTES: u32 = 3;
/// Scores that are no better never win upstream.
const WORST: f32 = -1e10;

/// The tokenizer of llama2.c.
///
/// ```
/// use genome_tokenize::{Llama2cTokenizer, Tokenizer};
///
/// // A file in memory: the three special tokens, the bytes, and five pieces with their scores.
/// let special = ["<unk>", "\n<s>\n", "\n</s>\n"].map(str::to_owned).into_iter();
/// let bytes = (0..=255).map(|byte| format!("<0x{byte:02X}>"));
/// let pieces = [" ", "A", "C", " A", " AC"].map(str::to_owned);
/// let mut file = 6i32.to_le_bytes().to_vec();
/// for (token, id) in special.chain(bytes).chain(pieces).zip(0i32..) {
///     file.extend((-id as f32).to_le_bytes());
///     file.extend((token.len() as i32).to_le_bytes());
///     file.extend(token.as_bytes());
/// }
/// let tokenizer = Llama2cTokenizer::from_bytes("tokenizer.bin", &file)?;
/// let encoding = tokenizer.encode(b"ACT A")?;
/// let tokens: Vec<_> = encoding.ids[1..].iter().map(|&id| tokenizer.token(id).unwrap()).collect();
/// assert_eq!(tokens, [" AC", "<0x54>", " A"]);
/// assert_eq!(encoding.offsets, [(0, 0), (0, 2), (2, 3), (3, 5)]);
/// assert_eq!(tokenizer.decode(&encoding.ids)?, b"ACT A");
/// # Ok::<(), genome_tokenize::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Llama2cTokenizer {
    tokens: Vec<Token>,
    ids: HashMap<Vec<u8>, u32>,
    /// Id of the blank that each text starts with.
    blank: Option<u32>,
}

#[derive(Debug, Clone)]
struct Token {
    bytes: Vec<u8>,
    /// The same as text; pieces of llama2.c are whole characters.
    text: String,
    score: f32,
}

impl Llama2cTokenizer {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// The file is not there or is no `tokenizer.bin` of llama2.c.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self> {
        let (name, bytes) = read_file(path.as_ref())?;
        Self::from_bytes(&name, &bytes)
    }

    /// Reads the bytes of a file; `path` stands in errors.
    ///
    /// # Errors
    ///
    /// As [`from_file`](Self::from_file). The error tells the byte.
    pub fn from_bytes(path: &str, file: &[u8]) -> Result<Self> {
        let mut rest = file;
        let broken = |rest: &[u8], problem: &str| {
            Error::broken(path, None, format!("byte {}: {problem}", file.len() - rest.len()))
        };
        // What it says is checked against the tokens, so it is not needed.
        let longest = take::<4>(&mut rest).ok_or_else(|| broken(rest, "expected the length of the longest token"))?;
        let longest = i32::from_le_bytes(longest);
        let mut tokens: Vec<Token> = Vec::new();
        while !rest.is_empty() {
            let start = rest;
            let score = take::<4>(&mut rest).ok_or_else(|| broken(start, "expected a score"))?;
            let score = f32::from_le_bytes(score);
            if !score.is_finite() {
                return Err(broken(start, &format!("expected a score, found {score}")));
            }
            let at = rest;
            let length = take::<4>(&mut rest).ok_or_else(|| broken(at, "expected a length"))?;
            let length = i32::from_le_bytes(length);
            let bytes =
                usize::try_from(length).ok().filter(|_| length <= longest).and_then(|n| rest.split_at_checked(n));
            let Some((bytes, behind)) = bytes else {
                let most = (longest.max(0) as usize).min(rest.len());
                return Err(broken(at, &format!("expected a length of 0 to {most}, found {length}")));
            };
            rest = behind;
            let text = String::from_utf8_lossy(bytes).into_owned();
            tokens.push(Token { bytes: bytes.to_vec(), text, score });
        }
        for (byte, id) in (0..=255u8).zip(BYTES as usize..) {
            if tokens.get(id).is_none_or(|token| byte_token(&token.text) != Some(byte)) {
                let found = tokens.get(id).map_or("nothing".to_owned(), |token| format!("{:?}", token.text));
                return Err(Error::broken(path, None, format!("token {id}: expected <0x{byte:02X}>, found {found}")));
            }
        }
        let mut ids = HashMap::new();
        for (token, id) in tokens.iter().zip(0..) {
            ids.entry(token.bytes.clone()).or_insert(id);
        }
        let blank = ids.get(&b" "[..]).copied();
        Ok(Self { tokens, ids, blank })
    }

    fn bytes(&self, id: u32) -> &[u8] {
        &self.tokens[id as usize].bytes
    }

    /// The token that two neighbours make.
    fn join(&self, left: u32, right: u32, buffer: &mut Vec<u8>) -> Option<(u32, f32)> {
        buffer.clear();
        buffer.extend_from_slice(self.bytes(left));
        buffer.extend_from_slice(self.bytes(right));
        let id = *self.ids.get(buffer)?;
        let score = self.tokens[id as usize].score;
        (score > WORST).then_some((id, score))
    }

    /// The tokens before any join, each with the bytes of the input it covers.
    fn characters(&self, text: &[u8]) -> Vec<Piece> {
        let mut pieces: Vec<Piece> = Vec::with_capacity(text.len() + 1);
        let mut push = |id, length| {
            let at = pieces.len();
            pieces.push(Piece { id, length, before: at.wrapping_sub(1), behind: at + 1 });
        };
        if let (Some(blank), false) = (self.blank, text.is_empty()) {
            push(blank, 0);
        }
        let mut at = 0;
        while at < text.len() {
            // A character: its first byte and the continuation bytes, at most four.
            let more = text[at + 1..].iter().take(3).take_while(|&&b| b & 0xc0 == 0x80).count();
            let character = &text[at..=at + more];
            match self.ids.get(character) {
                Some(&id) => push(id, character.len()),
                None => character.iter().for_each(|&byte| push(u32::from(byte) + BYTES, 1)),
            }
            at += character.len();
        }
        pieces
    }
}

/// A token in the chain of neighbours.
#[derive(Debug, Clone, Copy)]
struct Piece {
    id: u32,
    length: usize,
    before: usize,
    behind: usize,
}

/// Two neighbours that can be joined. The best score goes first, of equals the leftmost.
#[derive(Debug, Clone, Copy)]
struct Join {
    score: f32,
    at: usize,
    /// The two as they were when this was found; else it is out of date.
    pair: (u32, u32),
    behind: usize,
    product: u32,
}

impl Ord for Join {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then(other.at.cmp(&self.at))
    }
}

impl PartialOrd for Join {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Join {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Join {}

/// What is joined into another piece.
const GONE: u32 = u32::MAX;

impl Tokenizer for Llama2cTokenizer {
    fn encode(&self, seq: &[u8]) -> Result<Encoding> {
        let mut pieces = self.characters(seq);
        let mut buffer = Vec::new();
        let mut find = |pieces: &[Piece], at: usize| {
            let left = pieces.get(at)?;
            let right = pieces.get(left.behind)?;
            let (product, score) = self.join(left.id, right.id, &mut buffer)?;
            Some(Join { score, at, pair: (left.id, right.id), behind: left.behind, product })
        };
        let mut joins: BinaryHeap<Join> = (0..pieces.len()).filter_map(|at| find(&pieces, at)).collect();
        while let Some(Join { at, pair, behind, product, .. }) = joins.pop() {
            let left = pieces[at];
            let current = left.behind == behind && pieces.get(behind).is_some_and(|right| (left.id, right.id) == pair);
            if !current {
                continue;
            }
            let right = pieces[behind];
            pieces[at] = Piece { id: product, length: left.length + right.length, behind: right.behind, ..left };
            pieces[behind].id = GONE;
            if let Some(next) = pieces.get_mut(right.behind) {
                next.before = at;
            }
            joins.extend(find(&pieces, at));
            joins.extend(find(&pieces, left.before));
        }

        let mut encoding = Encoding::default();
        encoding.push(&[BOS], [(0, 0)], true);
        let mut at = 0;
        for piece in pieces.iter().filter(|piece| piece.id != GONE) {
            encoding.push(&[piece.id], [(at, at + piece.length)], false);
            at += piece.length;
        }
        Ok(encoding)
    }

    fn vocab_size(&self) -> usize {
        self.tokens.len()
    }

    /// The model has no padding token; its end token stands for one.
    fn pad_id(&self) -> u32 {
        EOS
    }

    fn unk_id(&self) -> u32 {
        UNK
    }

    fn mask_id(&self) -> Option<u32> {
        None
    }

    fn cls_id(&self) -> Option<u32> {
        Some(BOS)
    }

    fn sep_id(&self) -> Option<u32> {
        Some(EOS)
    }

    fn token(&self, id: u32) -> Option<&str> {
        self.tokens.get(usize::try_from(id).ok()?).map(|token| &token.text[..])
    }

    fn id(&self, token: &str) -> Option<u32> {
        self.ids.get(token.as_bytes()).copied()
    }

    /// Special tokens are left out; behind the begin token one leading blank is left out too, as upstream.
    fn decode(&self, ids: &[u32]) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        let mut previous = None;
        for (position, &id) in ids.iter().enumerate() {
            let vocab_size = self.vocab_size();
            let token = self.tokens.get(id as usize).ok_or(Error::UnknownId { position, id, vocab_size })?;
            match id {
                UNK | BOS | EOS => {}
                _ if (BYTES..BYTES + 256).contains(&id) => out.push((id - BYTES) as u8),
                _ if previous == Some(BOS) => {
                    out.extend_from_slice(token.bytes.strip_prefix(b" ").unwrap_or(&token.bytes))
                }
                _ => out.extend_from_slice(&token.bytes),
            }
            previous = Some(id);
        }
        Ok(out)
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, behind) = rest.split_first_chunk::<N>()?;
    *rest = behind;
    Some(*head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file(pieces: &[(&str, f32)]) -> Vec<u8> {
        let special = ["<unk>", "\n<s>\n", "\n</s>\n"].map(|t| (t.to_owned(), 0.0)).into_iter();
        let bytes = (0..=255u8).map(|byte| (format!("<0x{byte:02X}>"), 0.0));
        let pieces = pieces.iter().map(|&(token, score)| (token.to_owned(), score));
        let mut file = 7i32.to_le_bytes().to_vec();
        for (token, score) in special.chain(bytes).chain(pieces) {
            file.extend(score.to_le_bytes());
            file.extend((token.len() as i32).to_le_bytes());
            file.extend(token.as_bytes());
        }
        file
    }

    fn sample() -> Vec<u8> {
        let scores = [" ", "A", "C", "G", "T", "é"].map(|t| (t, -9.0));
        let merged =
            [(" A", -1.0), ("AC", -2.0), ("CA", -2.0), (" AC", -3.0), ("GT", -1e11), ("AA", -4.0), ("AAAA", -4.0)];
        file(&[&scores[..], &merged].concat())
    }

    /// `run.c`, word for word: all pairs are looked at after each join.
    fn as_upstream(t: &Llama2cTokenizer, text: &[u8]) -> Vec<u32> {
        let mut ids: Vec<u32> = vec![BOS];
        ids.extend(t.characters(text).iter().map(|piece| piece.id));
        loop {
            let (mut best_score, mut best) = (-1e10f32, None);
            for (at, pair) in ids.windows(2).enumerate() {
                let joined = [t.bytes(pair[0]), t.bytes(pair[1])].concat();
                if let Some(&id) = t.ids.get(&joined)
                    && t.tokens[id as usize].score > best_score
                {
                    (best_score, best) = (t.tokens[id as usize].score, Some((at, id)));
                }
            }
            let Some((at, id)) = best else { return ids };
            ids[at] = id;
            ids.remove(at + 1);
        }
    }

    #[test]
    fn scores_decide_and_bytes_fall_back() {
        let t = Llama2cTokenizer::from_bytes("t.bin", &sample()).unwrap();
        let tokens = |text: &str| -> Vec<String> {
            t.encode(text.as_bytes()).unwrap().ids[1..].iter().map(|&id| t.token(id).unwrap().to_owned()).collect()
        };
        assert_eq!(tokens("ACA"), [" A", "CA"]);
        assert_eq!(tokens("ACC"), [" AC", "C"]);
        assert_eq!(tokens("GT"), [" ", "G", "T"]);
        assert_eq!(tokens("éü"), [" ", "é", "<0xC3>", "<0xBC>"]);
        assert_eq!(tokens(""), [""; 0]);
        assert_eq!(t.encode(b"").unwrap().ids, [BOS]);
        let ids = t.encode("  A é\0ü".as_bytes()).unwrap().ids;
        assert_eq!(t.decode(&ids).unwrap(), "  A é\0ü".as_bytes());
        assert_eq!(t.decode(&ids[1..]).unwrap(), "   A é\0ü".as_bytes());
        assert_eq!(t.decode(&[9999]).unwrap_err().position(), Some(0));
    }

    #[test]
    fn broken_files_are_told_with_the_byte() {
        let check = |bytes: &[u8], expected: &str| {
            let error = Llama2cTokenizer::from_bytes("t.bin", bytes).unwrap_err().to_string();
            assert_eq!(error, expected);
        };
        let whole = sample();
        check(b"", "t.bin: byte 0: expected the length of the longest token");
        check(&whole[..4], "t.bin: token 3: expected <0x00>, found nothing");
        check(&whole[..7], "t.bin: byte 4: expected a score");
        check(&whole[..10], "t.bin: byte 8: expected a length");
        check(&whole[..14], "t.bin: byte 8: expected a length of 0 to 2, found 5");
        let mut long = whole.clone();
        long[8..12].copy_from_slice(&i32::MAX.to_le_bytes());
        check(&long, "t.bin: byte 8: expected a length of 0 to 7, found 2147483647");
        long[8..12].copy_from_slice(&(-1i32).to_le_bytes());
        check(&long, "t.bin: byte 8: expected a length of 0 to 7, found -1");
        let mut score = whole.clone();
        score[4..8].copy_from_slice(&f32::NAN.to_le_bytes());
        check(&score, "t.bin: byte 4: expected a score, found NaN");
    }

    proptest! {
        #[test]
        fn the_heap_does_what_upstream_does(text in "[ACGT é]{0,60}|A{0,40}|\\PC{0,20}") {
            let t = Llama2cTokenizer::from_bytes("t.bin", &sample()).unwrap();
            let encoding = t.encode(text.as_bytes()).unwrap();
            prop_assert_eq!(&encoding.ids, &as_upstream(&t, text.as_bytes()));
            prop_assert_eq!(t.decode(&encoding.ids).unwrap(), text.as_bytes());
            let mut at = 0;
            for &(start, end) in &encoding.offsets {
                prop_assert_eq!(start, at);
                at = end;
            }
            prop_assert_eq!(at, text.len());
        }

        #[test]
        fn any_bytes_never_panic(at in 0usize..10_000, byte in any::<u8>(), seq in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = Llama2cTokenizer::from_bytes("t.bin", &seq);
            let mut file = sample();
            let at = at % file.len();
            file[at] = byte;
            for file in [&file[..], &file[..at]] {
                if let Ok(t) = Llama2cTokenizer::from_bytes("t.bin", file) {
                    let ids = t.encode(&seq).unwrap().ids;
                    let _ = t.decode(&ids);
                }
            }
        }
    }
}
