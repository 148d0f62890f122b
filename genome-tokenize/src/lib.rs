//! Turns DNA letters into the token ids that a model reads, and back.
//!
//! No tensor framework is in the dependency tree: a tokenizer takes bytes and gives numbers.
//!
//! ```
//! use genome_tokenize::{KmerTokenizer, LetterTokenizer, Tokenizer};
//!
//! let letters = LetterTokenizer::new();
//! let encoding = letters.encode(b"ACgtN")?;
//! assert_eq!(encoding.ids, [2, 5, 6, 7, 8, 9, 3]); // [CLS] A C G T N [SEP]
//! assert_eq!(encoding.offsets[1], (0, 1));
//! assert_eq!(letters.decode(&encoding.ids)?, b"ACGTN");
//!
//! // A folder says which tokenizer it needs; code that uses one sees only the trait.
//! let kmers: Box<dyn Tokenizer> = Box::new(KmerTokenizer::new(3)?);
//! assert_eq!(kmers.encode(b"ACGT")?.ids, [2, 16, 50, 3]); // [CLS] ACG CGT [SEP]
//!
//! // Cut on the right to fit a model; the special tokens stay.
//! let cut = letters.encode_truncated(b"ACGTACGT", 6)?;
//! assert_eq!((cut.encoding.ids.len(), cut.covered), (6, 4));
//! # Ok::<(), genome_tokenize::Error>(())
//! ```
//!
//! # Modules
//!
//! | item | what |
//! |---|---|
//! | [`Tokenizer`], [`Encoding`], [`Truncated`] | the interface |
//! | [`LetterTokenizer`] | one token a letter: our own base model |
//! | [`KmerTokenizer`] | overlapping k-mers: DNABERT |
//! | [`BpeTokenizer`] | byte pair encoding of DNA from a `tokenizer.json`: DNABERT-2 |
//! | [`ByteLevelTokenizer`] | byte-level BPE: GPT-2, OPT, Llama-3 |
//! | [`SentencePieceTokenizer`] | BPE with byte fallback: LLaMA-2 |
//! | [`Llama2cTokenizer`] | the `tokenizer.bin` of llama2.c |
//! | [`bpe_family`] | any of these four from a file or folder |
//! | [`BpeTrainer`], [`train_bpe`] | makes a BPE vocabulary from genomes |
//! | [`TokenStats`] | bases per token, share of unknowns |
//! | [`TokenizerSpec`], [`load`], [`from_spec`] | which tokenizer a folder needs |
//! | [`Case`] | upper-case first (default), or treat case as the original tool does |
//! | [`Error`] | what went wrong, with the position in the sequence or the file |

mod bpe;
mod byte_level;
mod case;
mod dna_bpe;
mod error;
mod family;
mod kmer;
mod letter;
mod llama2c;
mod sentencepiece;
mod spec;
mod stats;
mod text_bpe;
mod tokenizer;
mod tokenizer_json;
mod train;

pub use bpe::BpeTokenizer;
pub use byte_level::ByteLevelTokenizer;
pub use case::Case;
pub use error::{Error, Result};
pub use family::{bpe_family, bpe_family_from_bytes};
pub use kmer::KmerTokenizer;
pub use letter::LetterTokenizer;
pub use llama2c::Llama2cTokenizer;
pub use sentencepiece::SentencePieceTokenizer;
pub use spec::{SPEC_FILE, TokenizerSpec, from_spec, load};
pub use stats::TokenStats;
pub use tokenizer::{Encoding, Tokenizer, Truncated};
pub use train::{BpeTrainer, BpeTraining, TrainedBpe, train_bpe};
