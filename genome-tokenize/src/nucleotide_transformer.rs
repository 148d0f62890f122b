//! Non-overlapping 6-mers: the Nucleotide Transformer (Dalla-Torre et al., Nature Methods 22: 287-297, 2025).
//!
//! Upstream: `EsmTokenizer` of transformers with the `vocab.txt` of InstaDeepAI/nucleotide-transformer-500m-human-ref (and the
//! other models of version 1) or nucleotide-transformer-v2-*. From the left: a 6-mer of `ACGT` if one starts here, else a
//! single `A`, `T`, `C`, `G` or `N`. So letters stand alone in front of each `N` and at the end. Known differences: with
//! [`Case::Upper`] lower-case letters are read as upper-case, `U` as `T`, every ambiguity code as `N`, and bytes that are no
//! nucleotides are errors. [`Case::Original`] gives upstream's ids: what no token covers is one `<unk>` for each run
//! without blanks, and the text `<mask>` is that token.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::case::{Ambiguity, Case, normal_letter};
use crate::codes::six;
use crate::error::{Error, Result};
use crate::max_len::MaxLen;
use crate::tokenizer::{Encoding, Tokenizer};

const K: usize = 6;
const KMERS: u32 = 1 << (2 * K);
const UNK: u32 = 0;
const PAD: u32 = 1;
const MASK: u32 = 2;
const CLS: u32 = 3;
/// Letters in the order of the vocabulary.
const LETTERS: [u8; 5] = *b"ATCGN";

/// Which models a [`NucleotideTransformerTokenizer`] is for: the order of the vocabulary differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum NtVersion {
    /// 500m-human-ref, 500m-1000g, 2.5b-1000g, 2.5b-multi-species.
    V1,
    /// v2-50m, v2-100m, v2-250m, v2-500m, all multi-species.
    V2,
}

/// `<cls>`, 6-mers, and single letters where no 6-mer fits; nothing at the end.
///
/// ```
/// use genome_tokenize::{NtVersion, NucleotideTransformerTokenizer, Tokenizer};
///
/// let tokenizer = NucleotideTransformerTokenizer::new(NtVersion::V2);
/// let encoding = tokenizer.encode(b"ACGTACNGG")?;
/// let tokens: Vec<_> = encoding.ids.iter().filter_map(|&id| tokenizer.token(id)).collect();
/// assert_eq!(tokens, ["<cls>", "ACGTAC", "N", "G", "G"]);
/// assert_eq!(encoding.ids, [3, 728, 4106, 4105, 4105]);
/// assert_eq!(encoding.offsets[1..3], [(0, 6), (6, 7)]);
/// # Ok::<(), genome_tokenize::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct NucleotideTransformerTokenizer {
    version: NtVersion,
    case: Case,
    ambiguity: Ambiguity,
    /// All 6-mers in order, without separators.
    kmers: String,
}

impl NtVersion {
    /// What stands in front of the 6-mers.
    fn first_tokens(self) -> &'static [&'static str] {
        match self {
            Self::V1 => &["<unk>", "<pad>", "<mask>", "<cls>"],
            Self::V2 => &["<unk>", "<pad>", "<mask>", "<cls>", "<eos>", "<bos>"],
        }
    }

    /// What stands behind them.
    fn last_tokens(self) -> &'static [&'static str] {
        match self {
            Self::V1 => &["A", "T", "C", "G", "N", "<eos>", "<bos>"],
            Self::V2 => &["A", "T", "C", "G", "N"],
        }
    }

    fn first_kmer(self) -> u32 {
        self.first_tokens().len() as u32
    }

    fn first_letter(self) -> u32 {
        self.first_kmer() + KMERS
    }

    /// The id of a letter of `ATCGN`.
    fn letter(self, letter: u8) -> Option<u32> {
        LETTERS.iter().zip(self.first_letter()..).find(|(l, _)| **l == letter).map(|(_, id)| id)
    }
}

impl NucleotideTransformerTokenizer {
    /// The tokenizer of one version of the models.
    pub fn new(version: NtVersion) -> Self {
        Self::with_case(version, Case::default())
    }

    /// The same, with a choice for lower-case letters.
    pub fn with_case(version: NtVersion, case: Case) -> Self {
        let mut kmers = String::with_capacity(K << (2 * K));
        for code in 0..KMERS {
            kmers.extend((0..K).rev().map(|i| char::from(LETTERS[(code >> (2 * i)) as usize & 3])));
        }
        Self { version, case, ambiguity: Ambiguity::default(), kmers }
    }

    /// Finds the version of a `vocab.txt`, and checks every line of it; `path` stands in errors.
    ///
    /// # Errors
    ///
    /// A line is not what the vocabulary of that version has there.
    pub fn from_vocab(path: &str, text: &str, case: Case) -> Result<Self> {
        let version =
            if text.lines().nth(4).map(str::trim_end) == Some("<eos>") { NtVersion::V2 } else { NtVersion::V1 };
        let this = Self::with_case(version, case);
        let mut lines = text.lines().map(str::trim_end);
        for (expected, line) in this.vocabulary().zip(1..) {
            let found = lines.next();
            if found != Some(expected) {
                let found = found
                    .map_or("the end of the file".into(), |f| format!("{:?}", f.chars().take(40).collect::<String>()));
                let problem =
                    format!("expected {expected:?} as in the vocabulary of the Nucleotide Transformer, found {found}");
                return Err(Error::broken(path, Some(line), problem));
            }
        }
        if lines.any(|l| !l.is_empty()) {
            let line = Some(this.vocab_size() + 1);
            return Err(Error::broken(path, line, "expected the end of the vocabulary, found more lines"));
        }
        Ok(this)
    }

    /// Chooses what is done with `N` and other ambiguity codes; [`Ambiguity::Unknown`] without this. With
    /// [`Case::Original`] only `N` has a token, in any case.
    pub fn with_ambiguity(mut self, ambiguity: Ambiguity) -> Self {
        self.ambiguity = ambiguity;
        self
    }

    /// Which models the tokenizer is for.
    pub fn version(&self) -> NtVersion {
        self.version
    }

    /// What is done with lower-case letters.
    pub fn case(&self) -> Case {
        self.case
    }

    /// All tokens in the order of their ids: the lines of `vocab.txt`.
    pub fn vocabulary(&self) -> impl Iterator<Item = &str> {
        (0..self.vocab_size() as u32).filter_map(|id| self.token(id))
    }

    /// The ids without `<cls>`, in place of what `out` holds. The fastest way to ids.
    ///
    /// ```
    /// use genome_tokenize::{NtVersion, NucleotideTransformerTokenizer};
    ///
    /// let mut ids: Vec<i64> = Vec::new();
    /// NucleotideTransformerTokenizer::new(NtVersion::V2).nt_ids(b"ACGTACNGG", &mut ids)?;
    /// assert_eq!(ids, [728, 4106, 4105, 4105]);
    /// # Ok::<(), genome_tokenize::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`encode`](Tokenizer::encode). `out` is empty then.
    pub fn nt_ids<T: From<u16>>(&self, seq: &[u8], out: &mut Vec<T>) -> Result<()> {
        out.clear();
        out.reserve(seq.len() / K + K);
        let done = self.walk(seq, &mut Ids(out));
        if done.is_err() {
            out.clear();
        }
        done
    }

    fn walk(&self, seq: &[u8], sink: &mut impl Sink) -> Result<()> {
        match self.case {
            Case::Upper => self.walk_as::<true>(seq, "", sink),
            Case::Original => {
                let text = std::str::from_utf8(seq).map_err(|e| Error::NotText { position: e.valid_up_to() })?;
                self.walk_as::<false>(seq, text, sink)
            }
        }
    }

    /// From left to right: 6-mers as long as they go, single letters up to the next one that is no base, and that one.
    fn walk_as<const FOLD: bool>(&self, seq: &[u8], text: &str, sink: &mut impl Sink) -> Result<()> {
        let mut at = 0;
        while at < seq.len() {
            at += self.kmers::<FOLD>(&seq[at..], at, sink);
            while let Some(id) = seq.get(at).and_then(|&b| self.base::<FOLD>(b)) {
                sink.one(id, at..at + 1);
                at += 1;
            }
            while at < seq.len() && self.base::<FOLD>(seq[at]).is_none() {
                at = if FOLD { self.ambiguous(seq[at], at, sink)? } else { self.odd(text, at, sink) };
            }
        }
        Ok(())
    }

    /// Takes 6-mers from the start; returns how many letters they are. Works in blocks without branches, small ones first,
    /// since behind an unknown letter the next may be near.
    fn kmers<const FOLD: bool>(&self, letters: &[u8], start: usize, sink: &mut impl Sink) -> usize {
        let mut rest = letters.as_chunks::<K>().0;
        let mut ids = [0; 128];
        let mut size = 4;
        let mut at = start;
        let first = self.version.first_kmer() as u16;
        while !rest.is_empty() {
            let block = &rest[..size.min(rest.len())];
            let mut clean = true;
            for (id, letters) in ids.iter_mut().zip(block) {
                let (number, known) = six::<FOLD>(letters);
                *id = number + first;
                clean &= known;
            }
            let unknown = |l: &[u8; K]| !six::<FOLD>(l).1;
            let good = if clean { block.len() } else { block.iter().position(unknown).unwrap_or(block.len()) };
            sink.kmers(&ids[..good], at);
            at += good * K;
            if !clean {
                break;
            }
            rest = &rest[good..];
            size = (2 * size).min(ids.len());
        }
        at - start
    }

    fn base<const FOLD: bool>(&self, byte: u8) -> Option<u32> {
        let letter = match byte {
            _ if !FOLD => byte,
            b'U' | b'u' => b'T',
            _ => byte.to_ascii_uppercase(),
        };
        if letter == b'N' { None } else { self.version.letter(letter) }
    }

    /// `N` for an ambiguity code.
    fn ambiguous(&self, found: u8, position: usize, sink: &mut impl Sink) -> Result<usize> {
        if normal_letter(found).is_none() {
            return Err(Error::UnknownLetter { position, found });
        }
        if self.ambiguity == Ambiguity::Error {
            return Err(Error::Ambiguous { position, found });
        }
        sink.one(self.version.letter(b'N').unwrap_or(UNK), position..position + 1);
        Ok(position + 1)
    }

    /// What upstream makes of a text that does not go on with a base; returns where it ends.
    fn odd(&self, text: &str, at: usize, sink: &mut impl Sink) -> usize {
        let token_at = |at: usize| {
            let special = [self.version.first_tokens(), &self.version.last_tokens()[LETTERS.len()..]];
            let mut names = special.into_iter().flatten();
            let byte = text.as_bytes()[at];
            match self.version.letter(byte) {
                Some(id) => Some((id, 1)),
                None if byte == b'<' => {
                    let name = names.find(|name| text[at..].starts_with(**name))?;
                    Some((self.id(name)?, name.len()))
                }
                None => None,
            }
        };
        if let Some((id, length)) = token_at(at) {
            sink.one(id, at..at + length);
            return at + length;
        }
        // What Python's `str.split` takes for a blank.
        let is_blank = |c: char| c.is_whitespace() || ('\x1c'..='\x1f').contains(&c);
        let rest = text[at..].char_indices();
        let mut run = rest.take_while(|&(i, c)| !is_blank(c) && token_at(at + i).is_none());
        match run.by_ref().last() {
            Some((i, c)) => {
                let end = at + i + c.len_utf8();
                sink.one(UNK, at..end);
                end
            }
            None => at + text[at..].chars().next().map_or(1, char::len_utf8), // a blank
        }
    }
}

/// Where tokens go.
trait Sink {
    /// 6-mers, the first at `start`.
    fn kmers(&mut self, ids: &[u16], start: usize);
    /// Any other token.
    fn one(&mut self, id: u32, span: Range<usize>);
}

/// Ids alone.
struct Ids<'a, T>(&'a mut Vec<T>);

impl<T: From<u16>> Sink for Ids<'_, T> {
    fn kmers(&mut self, ids: &[u16], _start: usize) {
        self.0.extend(ids.iter().map(|&id| T::from(id)));
    }

    fn one(&mut self, id: u32, _span: Range<usize>) {
        self.0.push(T::from(id as u16));
    }
}

impl Sink for Encoding {
    fn kmers(&mut self, ids: &[u16], start: usize) {
        self.ids.extend(ids.iter().map(|&id| u32::from(id)));
        self.offsets.extend((0..ids.len()).map(|i| (start + i * K, start + (i + 1) * K)));
    }

    fn one(&mut self, id: u32, span: Range<usize>) {
        self.ids.push(id);
        self.offsets.push((span.start, span.end));
    }
}

impl Tokenizer for NucleotideTransformerTokenizer {
    fn encode(&self, seq: &[u8]) -> Result<Encoding> {
        let mut encoding = Encoding::default();
        encoding.push(&[CLS], [(0, 0)], true);
        self.walk(seq, &mut encoding)?;
        encoding.push(&[], [], false);
        Ok(encoding)
    }

    /// An error, as upstream: its template for pairs needs `<eos>`, which these models were published without.
    fn encode_pair(&self, _first: &[u8], _second: &[u8]) -> Result<Encoding> {
        Err(Error::NoPairs { why: "the Nucleotide Transformer has no end token" })
    }

    fn vocab_size(&self) -> usize {
        (self.version.first_letter() as usize) + self.version.last_tokens().len()
    }

    /// The models of version 1 have no rows for `<eos>` and `<bos>`, which no sequence uses.
    fn model_vocab_size(&self) -> usize {
        self.version.first_letter() as usize + LETTERS.len()
    }

    /// Version 1 has a table of 1,000 positions; version 2 computes them and was trained on up to 2,048.
    fn max_len(&self) -> MaxLen {
        match self.version {
            NtVersion::V1 => MaxLen::Fixed(1000),
            NtVersion::V2 => MaxLen::Trained(2048),
        }
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
        None
    }

    fn token(&self, id: u32) -> Option<&str> {
        let index = usize::try_from(id).ok()?;
        let first = self.version.first_tokens();
        if let Some(token) = first.get(index) {
            return Some(token);
        }
        let start = (index - first.len()).checked_mul(K)?;
        if let Some(kmer) = self.kmers.get(start..start.checked_add(K)?) {
            return Some(kmer);
        }
        self.version.last_tokens().get(index - first.len() - KMERS as usize).copied()
    }

    fn id(&self, token: &str) -> Option<u32> {
        if let Ok(letters) = <&[u8; K]>::try_from(token.as_bytes())
            && let (number, true) = six::<false>(letters)
        {
            return Some(self.version.first_kmer() + u32::from(number));
        }
        let named = |tokens: &[&str]| tokens.iter().position(|&t| t == token).map(|i| i as u32);
        let last = || named(self.version.last_tokens()).map(|i| self.version.first_letter() + i);
        named(self.version.first_tokens()).or_else(last)
    }

    fn decode(&self, ids: &[u32]) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(ids.len() * K);
        for (position, &id) in ids.iter().enumerate() {
            let vocab_size = self.vocab_size();
            let token = self.token(id).ok_or(Error::UnknownId { position, id, vocab_size })?;
            if id == UNK || id == MASK {
                out.push(b'N');
            } else if !token.starts_with('<') {
                out.extend_from_slice(token.as_bytes());
            }
        }
        Ok(out)
    }
}

impl std::fmt::Debug for NucleotideTransformerTokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NucleotideTransformerTokenizer")
            .field("version", &self.version)
            .field("case", &self.case)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tokenizers() -> Vec<NucleotideTransformerTokenizer> {
        [NtVersion::V1, NtVersion::V2]
            .into_iter()
            .flat_map(|v| [Case::Upper, Case::Original].map(|c| NucleotideTransformerTokenizer::with_case(v, c)))
            .collect()
    }

    /// The slow twin: at each place the longest token of the vocabulary that starts there; runs that no token covers are
    /// divided at blanks.
    fn longest_match(t: &NucleotideTransformerTokenizer, text: &str) -> Vec<u32> {
        let vocabulary: std::collections::HashMap<&str, u32> = t.vocabulary().zip(0..).collect();
        let mut ids = vec![CLS];
        let mut uncovered = String::new();
        let mut at = 0;
        let flush = |uncovered: &mut String, ids: &mut Vec<u32>| {
            ids.extend(uncovered.split_whitespace().map(|_| UNK));
            uncovered.clear();
        };
        while at < text.len() {
            let tokens = (1..=K).rev().filter_map(|n| Some((*vocabulary.get(text.get(at..at + n)?)?, n)));
            if let Some((id, n)) = tokens.max_by_key(|&(_, n)| n) {
                flush(&mut uncovered, &mut ids);
                ids.push(id);
                at += n;
            } else {
                let c = text[at..].chars().next().unwrap();
                uncovered.push(c);
                at += c.len_utf8();
            }
        }
        flush(&mut uncovered, &mut ids);
        ids
    }

    #[test]
    fn vocabularies_follow_a_rule() {
        for t in tokenizers() {
            assert_eq!(t.vocab_size(), 4107);
            for (id, token) in t.vocabulary().enumerate() {
                assert_eq!(t.id(token), Some(id as u32), "{token}");
            }
            assert_eq!((t.token(4107), t.token(u32::MAX), t.id("ACGTA"), t.id("acgtac")), (None, None, None, None));
        }
        let [v1, _, v2, _] = &tokenizers()[..] else { unreachable!() };
        assert_eq!(
            (v1.id("AAAAAA"), v1.id("N"), v1.id("<eos>"), v1.model_vocab_size()),
            (Some(4), Some(4104), Some(4105), 4105)
        );
        assert_eq!(
            (v2.id("AAAAAA"), v2.id("N"), v2.id("<eos>"), v2.model_vocab_size()),
            (Some(6), Some(4106), Some(4), 4107)
        );
    }

    #[test]
    fn vocabularies_are_checked_line_by_line() {
        for t in tokenizers() {
            let text = t.vocabulary().collect::<Vec<_>>().join("\n");
            let read = |text: &str| NucleotideTransformerTokenizer::from_vocab("vocab.txt", text, t.case());
            assert_eq!(read(&text).unwrap(), t);
            let check = |text: &str, start: &str| {
                let error = read(text).unwrap_err().to_string();
                assert!(error.starts_with(start), "{error}");
            };
            check("", "vocab.txt:1: expected \"<unk>\"");
            check(&text.replace("TTTTTT", "TTTTT"), "vocab.txt:1");
            check(&format!("{text}\nX"), "vocab.txt:4108: expected the end");
        }
    }

    #[test]
    fn letters_by_policy() {
        let t = NucleotideTransformerTokenizer::new(NtVersion::V1);
        let ids = |seq: &[u8]| t.encode(seq).unwrap().ids;
        assert_eq!(ids(b"acguacg"), ids(b"ACGTACG"));
        assert_eq!(ids(b"ACGTACRy"), [3, 726, 4104, 4104]);
        assert_eq!(t.encode(b"ACGTACG-").unwrap_err().position(), Some(7));
        let strict = t.clone().with_ambiguity(Ambiguity::Error);
        assert_eq!(
            strict.encode(b"ACGTACGN").unwrap_err().to_string(),
            "letter 8: expected A, C, G, T or U, found 'N'"
        );
        let original = NucleotideTransformerTokenizer::with_case(NtVersion::V1, Case::Original);
        assert_eq!(original.encode(b"AC\xff").unwrap_err().position(), Some(2));
        let encoding = original.encode("xé y<mask>ACGTAC".as_bytes()).unwrap();
        assert_eq!(encoding.ids, [3, 0, 0, 2, 726]);
        assert_eq!(encoding.offsets, [(0, 0), (0, 3), (4, 5), (5, 11), (11, 17)]);
        let mut out = vec![1_u16];
        assert!(t.nt_ids(b"ACGTACGTACGT!", &mut out).is_err() && out.is_empty());
        assert!(t.encode_pair(b"A", b"C").unwrap_err().to_string().contains("no end token"));
    }

    proptest! {
        #[test]
        fn original_is_longest_match(
            text in "[ACGT]{0,50}|[ACGTN]{0,60}|([ACGTNacgtRxé \n\t-]|<mask>|<cls>|<eos>|<ma|[ACGT]{6}){0,20}",
        ) {
            for t in tokenizers().into_iter().filter(|t| t.case() == Case::Original) {
                prop_assert_eq!(t.encode(text.as_bytes()).unwrap().ids, longest_match(&t, &text));
            }
        }

        #[test]
        fn tokens_cover_the_letters_and_decode(seq in "[ACGTUacgtuNRyn]{0,60}|([ACGT]{30,900}[NR]?){0,4}") {
            let t = NucleotideTransformerTokenizer::new(NtVersion::V2);
            let encoding = t.encode(seq.as_bytes()).unwrap();
            prop_assert!(encoding.offsets.windows(2).all(|w| w[0].1 == w[1].0));
            prop_assert_eq!(encoding.offsets.last().unwrap().1, seq.len());
            let normal = crate::case::normalise(seq.as_bytes()).unwrap();
            prop_assert_eq!(t.decode(&encoding.ids).unwrap(), normal);
            let mut ids: Vec<u32> = Vec::new();
            t.nt_ids(seq.as_bytes(), &mut ids).unwrap();
            prop_assert_eq!(&ids, &encoding.ids[1..]);
            let upper = String::from_utf8(crate::case::normalise(seq.as_bytes()).unwrap()).unwrap();
            prop_assert_eq!(encoding.ids, longest_match(&t, &upper));
        }

        #[test]
        fn any_bytes_and_ids_never_panic(
            seq in proptest::collection::vec(any::<u8>(), 0..80),
            ids in proptest::collection::vec(0u32..5000, 0..20),
        ) {
            for t in tokenizers() {
                if let Ok(encoding) = t.encode(&seq) {
                    let n = encoding.len();
                    prop_assert_eq!([encoding.offsets.len(), encoding.special.len(), encoding.type_ids.len()], [n; 3]);
                }
                let _ = t.decode(&ids);
            }
        }
    }
}
