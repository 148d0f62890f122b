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
//! | [`BpeTokenizer`] | byte pair encoding from a `tokenizer.json`: DNABERT-2 |
//! | [`TokenizerSpec`], [`load`], [`from_spec`] | which tokenizer a folder needs |
//! | [`Case`] | upper-case first (default), or treat case as the original tool does |
//! | [`Error`] | what went wrong, with the position in the sequence or the file |

mod bases;
mod bpe;
mod case;
mod codes;
mod dna_bpe;
mod error;
mod kmer;
mod letter;
mod max_len;
mod nucleotide_transformer;
mod one_hot;
mod padding;
mod spec;
mod tokenizer;
mod truncation;

pub use bases::{BaseMap, Combine, Score, per_base};
pub use bpe::BpeTokenizer;
pub use case::{Ambiguity, Case};
pub use error::{Error, Result};
pub use kmer::KmerTokenizer;
pub use letter::LetterTokenizer;
pub use max_len::MaxLen;
pub use nucleotide_transformer::{NtVersion, NucleotideTransformerTokenizer};
pub use one_hot::{OneHot, OneHotValue, Shares};
pub use padding::{PadTo, Padding, pad_batch};
pub use spec::{NAMES, Named, SPEC_FILE, TokenizerSpec, by_name, from_spec, load};
pub use tokenizer::{Encoding, Tokenizer};
pub use truncation::{Side, Truncated, Truncation};
