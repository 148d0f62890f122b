//! FASTQ: reads with a quality for each letter.
//!
//! After Cock, Fields, Goto, Heuer and Rice, "The Sanger FASTQ file format for sequences with quality scores, and the
//! Solexa/Illumina FASTQ variants", Nucleic Acids Research 38: 1767 (2010), the only specification that there is. A record
//! is `@` with a title, sequence lines, `+` with nothing or the same title, and quality lines, one character a letter.
//! There are no coordinates.
//!
//! # Traps
//!
//! - Three encodings look alike ([`QualityEncoding`]), and no file says which it has. Files of the last decade are
//!   [`Sanger`](QualityEncoding::Sanger), the default here; [`QualityRange`] tells which fit.
//! - `@` and `+` are quality characters too, and may start a quality line: a record is found by lengths, not by `@`.
//! - Sequence and quality may be wrapped over lines, by some old programs. They are read; wrapped records are not written.
//! - A file that is cut between two records looks whole; anywhere else this reader says
//!   [`Truncated`](crate::ErrorKind::Truncated).
//!
//! # Strict and lenient
//!
//! Both refuse a quality that is shorter or longer than its sequence, a score outside the encoding and a cut record.
//! Strict refuses what follows, lenient counts it:
//!
//! | rule | lenient does |
//! |---|---|
//! | blank line that is not at the end of the file | leaves it out |
//! | record without a name | reads it with an empty name |
//! | other title on the + line | reads the record |
//! | blank in a sequence | leaves it out |
//! | dot in a sequence ([`Letters::Iupac`](crate::Letters)) | reads `N`, as Solexa meant it |
//!
//! # Example
//!
//! ```
//! use genome_formats::FastqReader;
//!
//! let text: &[u8] = b"@read1 lane 3\nACGT\n+\nII5!\n@read2\nNN\n+read2\n##\n";
//! let mut reader = FastqReader::new("reads.fastq", text);
//! let mut lowest = Vec::new();
//! while let Some(read) = reader.next_view()? {
//!     lowest.push((read.seq.len(), read.phred().min()));
//! }
//! assert_eq!(lowest, [(4, Some(0)), (2, Some(2))]);
//! # Ok::<(), genome_formats::Error>(())
//! ```

mod glance;
mod quality;
mod reader;
mod record;
mod writer;

pub use quality::{QualityEncoding, QualityRange, phred_from_solexa, solexa_from_phred};
pub use reader::FastqReader;
pub use record::{FastqRecord, FastqView};
pub use writer::FastqWriter;
