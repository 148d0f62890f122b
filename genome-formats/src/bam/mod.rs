//! BAM: SAM in binary, in blocks of gzip (BGZF), with indexes that find regions.
//!
//! After SAMv1, section 4 (BAM) and 5 (`.bai`), and CSIv1.
//!
//! - Coordinates count from 0 in the file already; -1 means "no position".
//! - Letters are four bits each: upper case, `=ACMGRSVTWYHKDBN` and no others.
//! - More than 65,535 CIGAR operations hide in the tag `CG`; views and records show them where they belong.
//! - A file ends with an empty block. One without it may be cut at a block's border, where nothing else would tell.
//! - An index that is older than its file is an error in strict mode: it may point at other reads.
//! - No length in the file is trusted: memory follows the bytes that arrive.
//!
//! ```
//! use genome_formats::{Alignment, BamReader, BamWriter, CigarKind, CigarOp, MakeIndex, SamHeader, Span};
//!
//! # let folder = tempfile::tempdir().unwrap();
//! # let path = folder.path().join("reads.bam");
//! let header = SamHeader::with_references([("chr1", 1_000_000)])?;
//! let mut writer = BamWriter::new("reads.bam", std::fs::File::create(&path).unwrap(), &header)?;
//! for position in [10, 5_000, 900_000] {
//!     let cigar = vec![CigarOp { kind: CigarKind::Match, length: 4 }];
//!     let (reference, sequence) = (Some("chr1".into()), b"ACGT".to_vec());
//!     writer.write(&Alignment { reference, position: Some(position), cigar, sequence, ..Alignment::default() })?;
//! }
//! writer.finish()?; // without this, the file has no end marker
//!
//! let mut reader = BamReader::open(&path)?;
//! let index = reader.index(MakeIndex::IfMissing)?; // writes reads.bam.bai
//! let found = reader.query(&index, "chr1", Span::new(5_003, 6_000).unwrap())?.collect::<Result<Vec<_>, _>>()?;
//! assert_eq!(found[0].position, Some(5_000)); // its last base is inside
//! assert_eq!(found.len(), 1);
//! # Ok::<(), genome_formats::Error>(())
//! ```

mod bgzf;
pub(crate) mod index;
pub(crate) mod reader;
pub(crate) mod record;
pub(crate) mod writer;

pub use index::BamIndex;
pub use reader::{BamQuery, BamReader};
pub use record::{BamTag, BamView};
pub use writer::BamWriter;
