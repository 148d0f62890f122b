//! SAM: alignments of reads as text. One header, then a line for each alignment with 11 columns and optional fields.
//!
//! After "Sequence Alignment/Map Format Specification" (SAMv1, version 1.6) and "Optional Fields" (SAMtags).
//!
//! - Coordinates: POS and PNEXT count from 1 in the text; here everything counts from 0. POS 0 means "no position".
//! - `=` in RNEXT means "as RNAME"; the reader resolves it.
//! - QUAL is text with an offset of 33; [`Alignment::qualities`](record::Alignment) has none. A lone `*` is "absent",
//!   although it could be one quality of 9.
//! - Reads on the reverse strand stand reverse complemented; SEQ and QUAL follow the reference.
//! - An unmapped read may have a position (that of its mate): only [`Flags::is_unmapped`](flags::Flags) tells.

pub(crate) mod cigar;
pub(crate) mod flags;
pub(crate) mod header;
pub(crate) mod reader;
pub(crate) mod record;
pub(crate) mod tags;
pub(crate) mod writer;
