//! Training a BPE on genomes, in DNABERT-2's layout (Zhou et al., ICLR 2024).
//!
//! Upstream: the BPE trainer of the `tokenizers` crate, which does the counting. It counts words, and a chromosome is one word:
//! so sequences are upper-cased, split at every letter other than `ACGT`, and cut into pieces of a chosen length. No token
//! crosses a cut, which loses one pair of letters in each piece. The pieces are held in memory, up to a number of letters; when
//! more come, pieces are drawn at random such that each has the same chance to be among those that are kept.
//!
//! A merge whose product is there already, or whose product would not encode to itself, is left out (the trainer makes such
//! merges now and then): so every vocabulary made here runs on the fast engine.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use serde::ser::{Serialize, Serializer};
use serde_json::json;
use tokenizers::models::bpe::{BPE, BpeTrainer as Counter};
use tokenizers::{AddedToken, Trainer};

use crate::bpe::BpeTokenizer;
use crate::case::normal_letter;
use crate::dna_bpe::fitting;
use crate::error::{Error, Result};

const SPECIAL: [&str; 5] = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"];
const LETTERS: [&str; 4] = ["A", "C", "G", "T"];

/// How a vocabulary is trained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BpeTraining {
    /// Tokens of the vocabulary: five special ones, four letters, and at most this many in all. Fewer if the sequences do not
    /// give more. Default 4,096, as DNABERT-2.
    pub vocab_size: usize,
    /// How often two tokens must be neighbours to be joined. Default 2.
    pub min_frequency: u64,
    /// Letters of a piece. Default 1,000.
    pub piece_bp: usize,
    /// Letters that are kept for training. A letter takes some 70 bytes while the pairs are counted. Default 20 million.
    pub max_bp: usize,
    /// Letters of the longest token; `None` without a limit, the default.
    pub max_token_bp: Option<usize>,
    /// Seed of the draw when more than `max_bp` letters come. Default 0.
    pub seed: u64,
}

impl Default for BpeTraining {
    fn default() -> Self {
        Self { vocab_size: 4096, min_frequency: 2, piece_bp: 1000, max_bp: 20_000_000, max_token_bp: None, seed: 0 }
    }
}

/// Takes sequences one by one, then trains.
///
/// ```
/// use genome_tokenize::{BpeTrainer, BpeTraining, Tokenizer};
///
/// let mut trainer = BpeTrainer::new(BpeTraining { vocab_size: 12, ..BpeTraining::default() })?;
/// for seq in ["TATATACGTA", "ccgtaNNcgta"] {
///     trainer.add(seq.as_bytes())?;
/// }
/// let trained = trainer.finish()?;
/// let tokenizer = trained.tokenizer();
/// let tokens: Vec<_> = (9..12).map(|id| tokenizer.token(id).unwrap()).collect();
/// assert_eq!(tokens, ["TA", "CG", "CGTA"]);
/// assert_eq!(tokenizer.encode(b"ACGTA")?.ids, [1, 5, 11, 2]); // [CLS] A CGTA [SEP]
/// # Ok::<(), genome_tokenize::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct BpeTrainer {
    training: BpeTraining,
    pieces: Vec<Box<str>>,
    /// Pieces that came, kept or not.
    seen: u64,
    letters: u64,
    random: u64,
}

/// A vocabulary, and what was counted while it was made.
#[derive(Debug, Clone)]
pub struct TrainedBpe {
    json: String,
    tokenizer: BpeTokenizer,
    letters: u64,
    letters_used: u64,
}

impl BpeTrainer {
    /// Starts without sequences.
    ///
    /// # Errors
    ///
    /// The settings leave nothing to train: no room for the special tokens and letters, pieces or tokens of less than two letters, or
    /// a limit that is shorter than a piece.
    pub fn new(training: BpeTraining) -> Result<Self> {
        let least = SPECIAL.len() + LETTERS.len();
        let check = |setting, found, least| {
            if found < least { Err(Error::Setting { setting, found, least }) } else { Ok(()) }
        };
        check("vocab_size", training.vocab_size, least)?;
        check("piece_bp", training.piece_bp, 2)?;
        check("max_bp", training.max_bp, training.piece_bp)?;
        check("max_token_bp", training.max_token_bp.unwrap_or(2), 2)?;
        let random = training.seed;
        Ok(Self { training, pieces: Vec::new(), seen: 0, letters: 0, random })
    }

    /// Takes a sequence, or a part of one: a caller who reads a chromosome in parts loses the pair of letters between them.
    ///
    /// # Errors
    ///
    /// A byte is no nucleotide; the error gives its position. Nothing of the sequence is taken then.
    pub fn add(&mut self, seq: &[u8]) -> Result<()> {
        if let Some((position, &found)) = seq.iter().enumerate().find(|&(_, &b)| normal_letter(b).is_none()) {
            return Err(Error::UnknownLetter { position, found });
        }
        let run_ends = |&b: &u8| normal_letter(b) == Some(b'N');
        for run in seq.split(run_ends) {
            for piece in run.chunks(self.training.piece_bp) {
                self.letters += piece.len() as u64;
                // One letter has no neighbour.
                if piece.len() > 1 {
                    self.keep(piece);
                }
            }
        }
        Ok(())
    }

    /// Keeps a piece; once there is no room, in place of a random one or not at all (reservoir sampling).
    fn keep(&mut self, piece: &[u8]) {
        let room = (self.training.max_bp / self.training.piece_bp) as u64;
        let text =
            || piece.iter().filter_map(|&b| normal_letter(b)).map(char::from).collect::<String>().into_boxed_str();
        self.seen += 1;
        if self.seen <= room {
            self.pieces.push(text());
            return;
        }
        let slot = self.draw() % self.seen;
        if slot < room {
            self.pieces[slot as usize] = text();
        }
    }

    /// The next 64 bits of splitmix64.
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Trains. The same sequences in the same order with the same settings give the same vocabulary.
    ///
    /// # Errors
    ///
    /// The `tokenizers` crate fails.
    pub fn finish(self) -> Result<TrainedBpe> {
        let failed = |e: &dyn std::fmt::Display| Error::broken("training", None, format!("the trainer failed: {e}"));
        let letters_used = self.pieces.iter().map(|piece| piece.len() as u64).sum();
        let room = self.training.vocab_size - SPECIAL.len() - LETTERS.len();
        // A few merges may be left out, so a few more are made.
        let spare = room / 16 + 16;
        let mut counter = Counter::builder()
            .show_progress(false)
            .vocab_size(self.training.vocab_size + spare)
            .min_frequency(self.training.min_frequency)
            .special_tokens(SPECIAL.map(|token| AddedToken::from(token, true)).to_vec())
            .initial_alphabet(LETTERS.iter().flat_map(|l| l.chars()).collect::<HashSet<char>>())
            // The crate's limit is the first length that is too long.
            .max_token_length(self.training.max_token_bp.map(|most| most.saturating_add(1)))
            .build();
        counter.feed(self.pieces.into_iter(), |piece| Ok(vec![piece.to_owned()])).map_err(|e| failed(&e))?;
        let mut model = BPE::default();
        counter.train(&mut model).map_err(|e| failed(&e))?;
        drop(counter);
        let model = serde_json::to_value(&model).map_err(|e| failed(&e))?;
        let merges: Vec<(String, String)> = serde_json::from_value(model["merges"].clone()).map_err(|e| failed(&e))?;

        let merges: Vec<_> = fitting(merges).take(room).collect();
        let json = tokenizer_json(&merges);
        let tokenizer = BpeTokenizer::from_bytes("training", json.as_bytes())?;
        Ok(TrainedBpe { json, tokenizer, letters: self.letters, letters_used })
    }
}

impl TrainedBpe {
    /// The tokenizer.
    pub fn tokenizer(&self) -> &BpeTokenizer {
        &self.tokenizer
    }

    /// The text of its `tokenizer.json`, which Hugging Face reads.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// `ACGT` letters that came.
    pub fn letters(&self) -> u64 {
        self.letters
    }

    /// Letters that the pairs were counted in.
    pub fn letters_used(&self) -> u64 {
        self.letters_used
    }

    /// Writes the `tokenizer.json`, under a temporary name first.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let fail = |source| Error::Io { path: path.display().to_string(), source };
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".tmp");
        fs::write(&temporary, &self.json).map_err(fail)?;
        fs::rename(&temporary, path).map_err(fail)
    }
}

/// Trains on sequences that are at hand.
///
/// # Errors
///
/// As [`BpeTrainer::new`], [`BpeTrainer::add`] and [`BpeTrainer::finish`].
pub fn train_bpe(training: BpeTraining, sequences: impl IntoIterator<Item: AsRef<[u8]>>) -> Result<TrainedBpe> {
    let mut trainer = BpeTrainer::new(training)?;
    for seq in sequences {
        trainer.add(seq.as_ref())?;
    }
    trainer.finish()
}

/// A vocabulary in the order of its ids.
struct InOrder<'a>(&'a [String]);

impl Serialize for InOrder<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().zip(0u32..))
    }
}

/// The file, in the order in which Hugging Face writes it.
fn tokenizer_json(merges: &[(String, String)]) -> String {
    let products = merges.iter().map(|(left, right)| format!("{left}{right}"));
    let tokens: Vec<String> = SPECIAL.iter().chain(&LETTERS).map(|&t| t.to_owned()).chain(products).collect();
    let merges: Vec<String> = merges.iter().map(|(left, right)| format!("{left} {right}")).collect();
    let added: Vec<_> = SPECIAL
        .iter()
        .zip(0..)
        .map(|(token, id)| {
            json!({"id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
                "special": true})
        })
        .collect();
    let special = |name: &str| json!({"SpecialToken": {"id": name, "type_id": 0}});
    let sequence = |name: &str, kind: u32| json!({"Sequence": {"id": name, "type_id": kind}});
    let sep = json!({"SpecialToken": {"id": "[SEP]", "type_id": 1}});
    let frame = json!({
        "type": "TemplateProcessing",
        "single": [special("[CLS]"), sequence("A", 0), special("[SEP]")],
        "pair": [special("[CLS]"), sequence("A", 0), special("[SEP]"), sequence("B", 1), sep],
        "special_tokens": {
            "[CLS]": {"id": "[CLS]", "ids": [1], "tokens": ["[CLS]"]},
            "[SEP]": {"id": "[SEP]", "ids": [2], "tokens": ["[SEP]"]},
        },
    });
    let text = |value: &dyn Fn() -> serde_json::Result<String>| value().expect("strings and numbers are always JSON");
    let vocab = text(&|| serde_json::to_string(&InOrder(&tokens)));
    let merges = text(&|| serde_json::to_string(&merges));
    let added = text(&|| serde_json::to_string(&added));
    format!(
        "{{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":{added},\"normalizer\":null,\
         \"pre_tokenizer\":{{\"type\":\"Whitespace\"}},\"post_processor\":{frame},\"decoder\":null,\
         \"model\":{{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":\"[UNK]\",\"continuing_subword_prefix\":null,\
         \"end_of_word_suffix\":null,\"fuse_unk\":false,\"byte_fallback\":false,\"ignore_merges\":false,\
         \"vocab\":{vocab},\"merges\":{merges}}}}}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokenizer::Tokenizer;

    /// Letters with some structure: random ones, repeats, and copies.
    fn genome(length: usize, seed: u64) -> Vec<u8> {
        let mut trainer = BpeTrainer::new(BpeTraining { seed, ..BpeTraining::default() }).unwrap();
        let mut out = Vec::new();
        while out.len() < length {
            let draw = trainer.draw();
            match draw % 16 {
                0 => out.extend(std::iter::repeat_n(b"ACGT"[draw as usize >> 8 & 3], 20)),
                1 => out.extend(b"AT".repeat(9)),
                2 if out.len() > 500 => {
                    let from = draw as usize >> 8 & 255;
                    out.extend_from_within(from..from + 40);
                }
                _ => out.extend((0..30).map(|i| b"AACGTT"[(draw >> (8 + i)) as usize % 6])),
            }
        }
        out.truncate(length);
        out
    }

    #[test]
    fn training_is_reproducible_and_fast_to_run() {
        let seq = genome(60_000, 3);
        let training = BpeTraining { vocab_size: 600, ..BpeTraining::default() };
        let one = train_bpe(training.clone(), [&seq]).unwrap();
        let two = train_bpe(training, [&seq.to_ascii_lowercase()]).unwrap();
        assert_eq!(one.json(), two.json());
        assert!(one.tokenizer().is_fast());
        assert_eq!((one.tokenizer().vocab_size(), one.letters(), one.letters_used()), (600, 60_000, 60_000));
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokenizer.json");
        one.save(&path).unwrap();
        let read = BpeTokenizer::from_file(&path).unwrap();
        assert_eq!(read.encode(&seq).unwrap(), one.tokenizer().encode(&seq).unwrap());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn settings_hold() {
        let seq = genome(20_000, 5);
        let longest = |max_token_bp| {
            let training = BpeTraining { vocab_size: 300, max_token_bp, ..BpeTraining::default() };
            let trained = train_bpe(training, [&seq]).unwrap();
            let tokens =
                (9..trained.tokenizer().vocab_size()).map(|id| trained.tokenizer().token(id as u32).unwrap().len());
            tokens.max().unwrap()
        };
        assert!(longest(None) > 4);
        assert_eq!(longest(Some(4)), 4);
        // Nothing to learn: the letters alone.
        let none = train_bpe(BpeTraining::default(), [&b"ANCNG"[..], b"N", b""]).unwrap();
        assert_eq!((none.tokenizer().vocab_size(), none.letters(), none.letters_used()), (9, 3, 0));
        assert_eq!(none.tokenizer().encode(b"ACGT").unwrap().ids, [1, 5, 6, 7, 8, 2]);
    }

    #[test]
    fn memory_is_bounded() {
        let training = BpeTraining { max_bp: 10_000, piece_bp: 100, vocab_size: 50, ..BpeTraining::default() };
        let seq = genome(50_000, 7);
        let train = |seed| train_bpe(BpeTraining { seed, ..training.clone() }, [&seq]).unwrap();
        let one = train(1);
        assert_eq!((one.letters(), one.letters_used()), (50_000, 10_000));
        assert_eq!(one.json(), train(1).json());
        assert_ne!(one.json(), train(2).json());
    }

    #[test]
    fn what_cannot_be_trained_is_told() {
        let check = |training: BpeTraining, expected: &str| {
            assert_eq!(BpeTrainer::new(training).unwrap_err().to_string(), expected);
        };
        let default = BpeTraining::default;
        check(BpeTraining { vocab_size: 8, ..default() }, "vocab_size is 8: expected at least 9");
        check(BpeTraining { piece_bp: 1, ..default() }, "piece_bp is 1: expected at least 2");
        check(BpeTraining { max_bp: 10, ..default() }, "max_bp is 10: expected at least 1000");
        check(BpeTraining { max_token_bp: Some(1), ..default() }, "max_token_bp is 1: expected at least 2");
        let error = BpeTrainer::new(default()).unwrap().add(b"ACGT-").unwrap_err();
        assert_eq!(error.position(), Some(4));
    }
}
