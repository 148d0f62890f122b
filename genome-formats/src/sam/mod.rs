//! SAM: alignments of reads as text. One header, then a line for each alignment with 11 columns and optional fields.
//!
//! After "Sequence Alignment/Map Format Specification" (SAMv1, version 1.6) and "Optional Fields" (SAMtags).
//!
//! - Coordinates: POS and PNEXT count from 1 in the text; here everything counts from 0. POS 0 means "no position".
//! - `=` in RNEXT means "as RNAME"; the reader resolves it.
//! - QUAL is text with an offset of 33; [`Alignment::qualities`] has none. A lone `*` is "absent", although it could be one
//!   quality of 9.
//! - Reads on the reverse strand stand reverse complemented; SEQ and QUAL follow the reference.
//! - An unmapped read may have a position (that of its mate): only [`Flags::is_unmapped`] tells.
//! - A file that says `SO:coordinate` is held to it in strict mode.
//!
//! ```
//! use genome_formats::{Mode, Limits, SamReader, Span};
//!
//! let text: &[u8] = b"@SQ\tSN:chr1\tLN:90\nr1\t0\tchr1\t11\t60\t3M2D1M\t*\t0\t0\tACGT\tIIII\n\nr2\t4\t*\t0\t0\t*\t*\t0\t0\tAC\t*\n";
//! let mut reader = SamReader::new_with("reads.sam", text, Mode::Lenient, Limits::default())?;
//! let view = reader.next_view()?.unwrap(); // in place: nothing is copied
//! assert_eq!((view.sequence(), view.span()), (&b"ACGT"[..], Span::new(10, 16)));
//! let read = reader.next().unwrap()?; // owned
//! assert!(read.flags.is_unmapped() && read.position.is_none());
//! assert_eq!(reader.forgiven().iter().next().unwrap().0, "blank line");
//! # Ok::<(), genome_formats::Error>(())
//! ```

pub(crate) mod cigar;
pub(crate) mod flags;
pub(crate) mod header;
pub(crate) mod reader;
pub(crate) mod record;
pub(crate) mod tags;
pub(crate) mod writer;

pub use cigar::{CigarKind, CigarOp};
pub use flags::Flags;
pub use header::{HeaderKind, HeaderLine, SamHeader, SamReference, SortOrder};
pub use reader::{SamReader, SamView};
pub use record::Alignment;
pub use tags::{SamTag, Tag, TagArray, TagValue, Tags};
pub use writer::SamWriter;
