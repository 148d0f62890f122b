//! FASTA: named sequences, as text.
//!
//! There is no official specification. The rules here are those of Pearson and Lipman's programs (PNAS 85: 2444, 1988) as
//! NCBI states them: a definition line is `>`, a name, and after blanks a description; every other line is sequence.
//! Letters have no coordinates in the file; positions that others give (a `.fai` index, a region) are converted to the
//! 0-based half-open [`Span`](crate::Span).
//!
//! # Traps
//!
//! - Lower case is data: it marks repeats (soft-masking). It is kept. `N` is a letter as any other.
//! - A whole chromosome may stand on one line. Sequence lines have no limit of their own: a record has
//!   ([`Limits::max_record`](crate::Limits)), and [`FastaReader::next_chunk`] reads any length in bounded memory.
//! - Names end at the first blank, so `>chr 1` is named `chr`. A blank right behind `>` leaves no name.
//! - The same name may stand twice: [`FastaReader::with_unique_names`] refuses that.
//! - Nothing says how many records there are: a file that is cut between two lines looks whole.
//!
//! # Strict and lenient
//!
//! Blank lines, and blanks inside sequence lines, are read in both modes; a record may be empty; names and descriptions
//! that are not UTF-8 are read with replacement characters. Strict refuses what follows, lenient counts it:
//!
//! | rule | lenient does |
//! |---|---|
//! | text in front of the first record | leaves the line out |
//! | comment line (`;` in Pearson's old form; `#` and `!` as BLAST has them) | leaves the line out |
//! | record without a name | reads it with an empty name |
//! | gap or digit in a sequence (`-` `.` `*` `0`-`9`; [`Letters::Iupac`] and [`Letters::Protein`]) | leaves it out: letters that come out are always in the alphabet |
//! | name that stood before (only on request) | reads the record |
//!
//! An unknown letter, a carriage return that ends no line and a NUL are errors in both.
//!
//! # Example
//!
//! ```
//! use genome_formats::{FastaReader, SeqRecord};
//!
//! let text: &[u8] = b">chr1 demo\nACGTacgt\nNNNN\n>chr2\nACGT\n";
//! let mut reader = FastaReader::new("demo.fa", text);
//! let mut record = SeqRecord::default(); // its buffers are used for every record
//! let mut lengths = Vec::new();
//! while reader.read_into(&mut record)? {
//!     lengths.push((record.name.clone(), record.seq.len()));
//! }
//! assert_eq!(lengths, [("chr1".into(), 12), ("chr2".into(), 4)]);
//! # Ok::<(), genome_formats::Error>(())
//! ```

mod append;
mod reader;
mod writer;

pub(crate) use crate::alphabet::Letters;
pub use reader::{FastaDefinition, FastaReader};
pub use writer::{FastaWriter, write_fasta};
