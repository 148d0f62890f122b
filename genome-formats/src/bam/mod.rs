//! BAM: SAM in binary, in blocks of gzip (BGZF), with indexes that find regions.
//!
//! After SAMv1, section 4 (BAM) and 5 (`.bai`), and CSIv1.
//!
//! - Coordinates count from 0 in the file already; -1 means "no position".
//! - Letters are four bits each: upper case, `=ACMGRSVTWYHKDBN` and no others.
//! - More than 65,535 CIGAR operations hide in the tag `CG`; views and records show them where they belong.
//! - A file ends with an empty block. One without it may be cut at a block's border, where nothing else would tell.
//! - No length in the file is trusted: memory follows the bytes that arrive.

mod bgzf;
pub(crate) mod index;
pub(crate) mod reader;
pub(crate) mod record;
pub(crate) mod writer;
