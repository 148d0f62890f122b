//! BED: stretches of sequences, in 3 to 12 columns and more of one's own.
//!
//! - What: a line for each stretch: name of the sequence, start, end, and, where the line goes on, name, score, strand, the
//!   thick part, a colour, and blocks (the exons of a transcript).
//! - Coordinates: **0-based, end excluded**, as [`Span`](crate::Span). Block starts are relative to the start of the line in the
//!   file, and spans of the sequence here.
//! - Traps: nothing in a file says how many of its columns are standard ones. All are, up to 12, unless
//!   [`BedReader::with_standard_columns`] says how many; the others are kept as text. Zero-length features are legal.
//! - Specification: "The Browser Extensible Data (BED) format", version 1.0 (GA4GH, 2021), BEDv1 below.
//!
//! ```
//! use genome_formats::{BedReader, Span, Strand};
//!
//! let text: &[u8] = b"track name=genes\nchr1\t10\t50\tgeneA\t900\t-\nchr1\t60\t60\tsite\t0\t.\n";
//! let records = BedReader::new("genes.bed", text).collect::<Result<Vec<_>, _>>()?;
//! assert_eq!(records[0].span, Span::new(10, 50).unwrap());
//! assert_eq!((records[0].name.as_deref(), records[0].strand), (Some("geneA"), Some(Strand::Reverse)));
//! assert_eq!((records[1].span.len(), records[1].strand), (0, None));
//! # Ok::<(), genome_formats::Error>(())
//! ```
//!
//! Choices where BEDv1 and the world leave some:
//!
//! - a line with a tab is split at tabs, a line without at runs of blanks (BEDv1 1.3 allows both);
//! - names of sequences may hold any visible ASCII: BEDv1 allows letters, digits and `_` only, which would refuse
//!   `chrUn_KI270752.1` and `HLA-A*01`;
//! - files of 10 or 11 columns, which BEDv1 1.5 forbids as BED10 and BED11, are read as BED9 with columns of one's own;
//! - scores may be any number (BEDv1 1.5 wants whole ones from 0 to 1000, but peaks and coverage are written too), and `*` is read as
//!   the strand `.`; what is written keeps to BEDv1;
//! - `browser` and `track` lines, which belong to the UCSC browser, are passed over;
//! - "uninformative" values (BEDv1 1.5: name `.`, strand `.`, thick part of no base at the start, colour 0) become `None`;
//! - an empty file is an empty list.

mod reader;
mod record;
mod writer;

pub use reader::BedReader;
pub use record::{BedRecord, BedView};
pub use writer::BedWriter;
