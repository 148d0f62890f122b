//! BCF 2.2, the binary form of VCF, read and written.
//!
//! Specification: *The Variant Call Format Specification* VCFv4.3, section 6 (BCF). Records are [`Variant`]s, the header is
//! a [`VcfHeader`].
//!
//! **Coordinates.** A BCF file counts from 0, unlike VCF; here it makes no difference: [`Variant::start`] counts from 0.
//!
//! **Traps.**
//! - A BCF file names keys, filters and sequences by their number in the header, so the header must declare each of them;
//!   a VCF file need not. [`declare`] adds what a record lacks.
//! - Numbers have 32 bits; the lowest eight values of each size mean "missing" and "end of list" and cannot be stored.
//! - The file says how long its records are. These sizes are only believed as far as the bytes arrive; a record may have as
//!   many bytes as a line of text ([`Limits::max_line`](crate::Limits::max_line)).
//! - A flag and a missing text look the same to some writers; here a key without a value is a flag.
//!
//! ```
//! use genome_formats::Input;
//! use genome_formats::bcf::{BcfReader, BcfWriter, declare};
//! use genome_formats::vcf::VcfReader;
//!
//! let text: &[u8] = b"##fileformat=VCFv4.3\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\nchr1\t100\t.\tC\tT\t.\tPASS\tDP=7\n";
//! let mut reader = VcfReader::new("in.vcf", text)?;
//! let mut header = reader.header().clone();
//! let variants = (&mut reader).collect::<Result<Vec<_>, _>>()?;
//! for variant in &variants {
//!     declare(&mut header, variant)?; // chr1 and DP, which the text does not declare
//! }
//!
//! let mut writer = BcfWriter::new(Vec::new(), header)?;
//! for variant in &variants {
//!     writer.write(variant)?;
//! }
//! let bytes = writer.finish()?; // compressed with BGZF
//! let again = BcfReader::from_input(Input::from_bytes("out.bcf", bytes)?)?.collect::<Result<Vec<_>, _>>()?;
//! assert_eq!(again, variants);
//! # Ok::<(), genome_formats::Error>(())
//! ```
//!
//! [`Variant`]: crate::vcf::Variant
//! [`Variant::start`]: crate::vcf::Variant::start
//! [`VcfHeader`]: crate::vcf::VcfHeader

mod decode;
mod dictionary;
mod encode;
mod reader;
#[cfg(test)]
mod tests;
mod writer;

pub use dictionary::declare;
pub use reader::BcfReader;
pub use writer::BcfWriter;

/// `BCF`, major version 2; the minor version follows.
const MAGIC: &[u8; 4] = b"BCF\x02";

/// The types of values (table 3 of section 6.3.3): the code in a type byte.
mod kind {
    pub(super) const NONE: u8 = 0;
    pub(super) const INT8: u8 = 1;
    pub(super) const INT16: u8 = 2;
    pub(super) const INT32: u8 = 3;
    pub(super) const FLOAT: u8 = 5;
    pub(super) const CHAR: u8 = 7;
}

/// Bits of a missing float, and of the end of a list of floats.
const FLOAT_MISSING: u32 = 0x7f80_0001;
const FLOAT_END: u32 = 0x7f80_0002;
