//! VCF, the Variant Call Format, read and written: versions 4.1 to 4.5 (4.0 is read without checks of its own).
//!
//! Specification: *The Variant Call Format Specification*, VCFv4.1 to VCFv4.5, <https://samtools.github.io/hts-specs>.
//!
//! **Coordinates.** POS counts from 1 and is the first base of REF; here it is [`Variant::start`], counted from 0, and
//! [`Variant::span`] are the bases of REF. POS 0 is the telomere in front of the first base (`start` is `None`).
//! `INFO/END` counts from 1 and is the last base; [`Variant::end`] is the base behind it, counted from 0.
//!
//! **Traps.**
//! - Insertions and deletions carry the base in front of them: `CA>C` at POS 100 deletes base 101 ([`Variant::trimmed`]).
//! - One record may have several alternate alleles ([`Variant::split`]), symbolic ones (`<DEL>`), breakends, or `*`.
//! - `.` is missing, and may stand for a whole list; values may be left out at the end of a sample.
//! - Keys without a header line are legal; they are text, unless the specification reserves them (`AC`, `DP`, `GT`).
//! - Strict is the specification's word, which many tools do not keep: GATK's VCFv4.2 files have `<NON_REF>` and the
//!   FORMAT key `MIN_DP`, which 4.2 does not allow. [`VcfOptions::lenient`] reads them, and counts.
//! - Reserved keys are checked against the specification's tables, and records for order and duplicates.
//!
//! ```
//! use genome_formats::vcf::{VcfOptions, VcfReader};
//!
//! let text: &[u8] = b"##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n\
//!     20\t14370\trs6054257\tG\tA\t29\tPASS\tDP=14;AF=0.5\n20\t17330\t.\tTA\tT\t3\tq10\tDP=11\n";
//! let mut reader = VcfReader::new("demo.vcf", text)?;
//! let mut starts = Vec::new();
//! while let Some(site) = reader.next_view()? {
//!     starts.push(site.start()); // borrows the line: the fast path
//! }
//! assert_eq!(starts, [Some(14369), Some(17329)]);
//!
//! let mut reader = VcfReader::new_with("demo.vcf", text, VcfOptions::lenient())?;
//! let variant = reader.nth(1).unwrap()?; // owned and checked: the comfortable path
//! let (span, deleted, inserted) = variant.trimmed(0).unwrap();
//! assert_eq!((span.start(), deleted, inserted), (17330, &b"A"[..], &b""[..]));
//! # Ok::<(), genome_formats::Error>(())
//! ```

mod allele;
mod header;
mod meta;
mod order;
pub(crate) mod problem;
mod reader;
mod record;
mod reserved;
#[cfg(test)]
mod tests;
mod validate;
mod value;
mod view;
mod writer;

pub(crate) use allele::parse_allele;
pub use allele::{Allele, Breakend, Mate};
pub use header::{Contig, Described, FieldDefinition, FieldType, MetaLine, Number, VcfHeader, VcfVersion};
pub use reader::{Checks, VcfOptions, VcfReader};
pub use record::Variant;
pub(crate) use reserved::{Place, reserved};
pub(crate) use value::implied_phase;
pub use value::{Call, Column, Genotype, Lists, Value, decode_percent};
pub use view::VariantView;
pub use writer::VcfWriter;

/// Positions that arithmetic cannot overflow: 18 digits.
const MAX_POSITION: u64 = 999_999_999_999_999_999;
