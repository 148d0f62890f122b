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
//! # What each model reads
//!
//! ```
//! use genome_tokenize::{
//!     BpeTraining, ByteLevelTokenizer, KmerTokenizer, LetterTokenizer, NtVersion, NucleotideTransformerTokenizer, OneHot, Tokenizer,
//!     train_bpe,
//! };
//!
//! fn tokens(tokenizer: &dyn Tokenizer, seq: &[u8]) -> Result<String, genome_tokenize::Error> {
//!     let ids = tokenizer.encode(seq)?.ids;
//!     Ok(ids.iter().filter_map(|&id| tokenizer.token(id)).collect::<Vec<_>>().join(" "))
//! }
//!
//! // Our own base model: letters.
//! assert_eq!(tokens(&LetterTokenizer::new(), b"ACGTN")?, "[CLS] A C G T N [SEP]");
//!
//! // DNABERT, k = 3 to 6: overlapping k-mers; N makes every k-mer around it unknown.
//! assert_eq!(tokens(&KmerTokenizer::new(3)?, b"ACGTA")?, "[CLS] ACG CGT GTA [SEP]");
//! assert_eq!(tokens(&KmerTokenizer::new(4)?, b"ACGTA")?, "[CLS] ACGT CGTA [SEP]");
//! assert_eq!(tokens(&KmerTokenizer::new(5)?, b"ACGTAN")?, "[CLS] ACGTA [UNK] [SEP]");
//! assert_eq!(tokens(&KmerTokenizer::new(6)?, b"ACGTACG")?, "[CLS] ACGTAC CGTACG [SEP]");
//!
//! // Nucleotide Transformer: 6-mers side by side; letters stand alone in front of N and at the end. Versions 1 and 2 have
//! // the same tokens with other ids.
//! let v1 = NucleotideTransformerTokenizer::new(NtVersion::V1);
//! let v2 = NucleotideTransformerTokenizer::new(NtVersion::V2);
//! assert_eq!(tokens(&v1, b"ACGTACGNTTTTTTA")?, "<cls> ACGTAC G N TTTTTT A");
//! assert_eq!(tokens(&v2, b"ACGTACGNTTTTTTA")?, "<cls> ACGTAC G N TTTTTT A");
//! assert_eq!((v1.id("ACGTAC"), v2.id("ACGTAC")), (Some(726), Some(728)));
//!
//! // DNABERT-2: tokens that were joined because they often stand together. This vocabulary is a toy of three merges.
//! let toy = train_bpe(BpeTraining { vocab_size: 12, ..BpeTraining::default() }, ["TATATACGTA", "CCGTANCGTA"])?;
//! assert_eq!(tokens(toy.tokenizer(), b"ACGTANTA")?, "[CLS] A CGTA [UNK] TA [SEP]");
//!
//! // GPT-2 from its merges (a toy of two), and OPT, whose vocabulary has its own order and </s> in front of each text. Ġ is a
//! // blank. LLaMA's and llama2.c's files are longer: see their types.
//! let merges = ("merges.txt", &b"#version: 0.2\nA C\nG T\n"[..]);
//! let gpt2 = ByteLevelTokenizer::from_merges(merges.0, merges.1)?;
//! assert_eq!(tokens(&gpt2, b"ACGT A")?, "AC GT Ġ A");
//! let vocab = br#"{"</s>": 0, "A": 1, "C": 2, "G": 3, "T": 4, "AC": 5, "GT": 6}"#;
//! let opt = ByteLevelTokenizer::from_vocab_and_merges(("vocab.json", vocab), merges, None)?;
//! assert_eq!(tokens(&opt, b"ACGTA")?, "</s> AC GT A");
//!
//! // One-hot: a row for each letter, A C G T.
//! assert_eq!(OneHot::default().encode::<u8>(b"CAN")?, [0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
//! # Ok::<(), genome_tokenize::Error>(())
//! ```
//!
//! # Batches
//!
//! ```
//! use genome_tokenize::{BaseMap, Combine, KmerTokenizer, Padding, Tokenizer, Truncation, pad_batch};
//!
//! let tokenizer = KmerTokenizer::new(6)?;
//! let mut batch = tokenizer.encode_batch(&[b"ACGTACGT", b"ACGTAC"])?; // on all cores
//! for encoding in &batch {
//!     tokenizer.check_length(encoding)?; // DNABERT has 512 positions; to cut, see Truncation
//! }
//! pad_batch(&mut batch, Padding::of(&tokenizer))?;
//! assert_eq!(batch[1].ids, [2, 727, 3, 0, 0]);
//!
//! // From one number a token back to one a base.
//! let per_base = BaseMap::new(&batch[0], 8)?.per_base(&[0.0, 1.0, 2.0, 4.0, 0.0], Combine::Max)?;
//! assert_eq!(per_base[0..2], [Some(1.0), Some(2.0)]);
//! # Ok::<(), genome_tokenize::Error>(())
//! ```
//!
//! # Modules
//!
//! | item | what |
//! |---|---|
//! | [`Tokenizer`], [`Encoding`] | the interface: single sequences, pairs, batches on all cores |
//! | [`Truncation`], [`Truncated`], [`Side`] | cutting at either end, with a prompt that stays |
//! | [`pad_batch`], [`Padding`], [`PadTo`] | rows of one length |
//! | [`MaxLen`] | how many tokens a model reads |
//! | [`BaseMap`], [`per_base`], [`Combine`] | from tokens back to bases |
//! | [`LetterTokenizer`] | one token a letter: our own base model |
//! | [`KmerTokenizer`] | overlapping k-mers: DNABERT |
//! | [`NucleotideTransformerTokenizer`], [`NtVersion`] | 6-mers side by side: Nucleotide Transformer |
//! | [`OneHot`], [`Shares`] | four numbers a letter |
//! | [`by_name`], [`NAMES`], [`Named`] | a tokenizer by its name or path |
//! | [`BpeTokenizer`] | byte pair encoding of DNA from a `tokenizer.json`: DNABERT-2 |
//! | [`ByteLevelTokenizer`] | byte-level BPE: GPT-2, OPT, Llama-3 |
//! | [`SentencePieceTokenizer`] | BPE with byte fallback: LLaMA-2 |
//! | [`Llama2cTokenizer`] | the `tokenizer.bin` of llama2.c |
//! | [`bpe_family`] | any of these four from a file or folder |
//! | [`BpeTrainer`], [`train_bpe`] | makes a BPE vocabulary from genomes |
//! | [`TokenStats`] | bases per token, share of unknowns |
//! | [`TokenizerSpec`], [`load`], [`from_spec`] | which tokenizer a folder needs |
//! | [`Case`], [`Ambiguity`] | lower case, `U`, `N` and other codes: a table is below |
//! | [`Error`] | what went wrong, with the position in the sequence or the file |
//!
//! # Letters
//!
//! | input | [`Case::Upper`] | [`Case::Original`] | [`OneHot`] |
//! |---|---|---|---|
//! | `A C G T` | as they are | as they are | a one |
//! | `a c g t` | upper-cased | unknown, as in the original tools | as upper case; zeros with `Original` |
//! | `U u` | read as `T` | unknown | as `T`; `u` is zeros with `Original` |
//! | `N` | see below | the Nucleotide Transformer's own token; else unknown | zeros or quarters |
//! | `R Y S W K M B D H V` | as `N` | unknown | zeros, quarters, or shares |
//! | blanks | an error | divide words | an error; zeros with `Original` |
//! | anything else | an error with its position | unknown; what is no UTF-8 is an error, but for k-mers | an error; zeros with `Original` |
//!
//! [`LetterTokenizer`] is its own original, and always works as with [`Case::Upper`].
//!
//! What `N` becomes: letters and the Nucleotide Transformer have a token for it; with k-mers each window that holds it is
//! `[UNK]`; with BPE it is one `[UNK]`. With [`Ambiguity::Error`] it is an error instead. (BPE of text reads letters as they are.)
//!
//! "Unknown" is one `[UNK]` for each window that holds the letter (k-mers), one for a whole run of such letters
//! (Nucleotide Transformer), or one for each letter (BPE). So soft-masked genomes lose their repeats in the original tools.

mod bases;
mod bpe;
mod byte_level;
mod case;
mod codes;
mod dna_bpe;
mod error;
mod family;
mod kmer;
mod letter;
mod llama2c;
mod max_len;
mod nucleotide_transformer;
mod one_hot;
mod padding;
mod sentencepiece;
mod spec;
mod stats;
mod text_bpe;
mod tokenizer;
mod tokenizer_json;
mod train;
mod truncation;

pub use bases::{BaseMap, Combine, Score, per_base};
pub use bpe::BpeTokenizer;
pub use byte_level::ByteLevelTokenizer;
pub use case::{Ambiguity, Case};
pub use error::{Error, Result};
pub use family::{bpe_family, bpe_family_from_bytes};
pub use kmer::KmerTokenizer;
pub use letter::LetterTokenizer;
pub use llama2c::Llama2cTokenizer;
pub use max_len::MaxLen;
pub use nucleotide_transformer::{NtVersion, NucleotideTransformerTokenizer};
pub use one_hot::{OneHot, OneHotValue, Shares};
pub use padding::{PadTo, Padding, pad_batch};
pub use sentencepiece::SentencePieceTokenizer;
pub use spec::{NAMES, Named, SPEC_FILE, TokenizerSpec, by_name, from_spec, load};
pub use stats::TokenStats;
pub use tokenizer::{Encoding, Tokenizer};
pub use train::{BpeTrainer, BpeTraining, TrainedBpe, train_bpe};
pub use truncation::{Side, Truncated, Truncation};
