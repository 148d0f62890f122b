//! bigWig: values along sequences, compressed and indexed.
//!
//! - What: the binary form of WIG and bedGraph, with an index for regions and summaries ("zoom levels") for wide windows.
//! - Coordinates: 0-based, end excluded, as [`Span`](crate::Span).
//! - Traps: values are single precision; bases without a value are none, not zero; summaries of wide windows by other
//!   programs come from zoom levels and are approximate, see [`Precision`].
//! - Specification: Kent et al., "BigWig and BigBed: enabling browsing of large distributed datasets", Bioinformatics 26
//!   (2010), supplement; the tables below are numbered as there.
//!
//! ```
//! use genome_formats::{BigWigReader, Signal, Span, write_bigwig};
//!
//! let path = std::env::temp_dir().join(format!("genome-formats-{}.bw", std::process::id()));
//! let signal = |start, value| Signal { seq_name: "chr1".into(), span: Span::new(start, start + 10).unwrap(), value };
//! write_bigwig(&path, [("chr1", 1000)], [signal(100, 0.5), signal(200, 1.5)].map(Ok))?;
//!
//! let mut reader = BigWigReader::open(&path)?;
//! assert_eq!(reader.chromosomes()[0].length, 1000);
//! let signals = reader.signals("chr1", Span::new(105, 205).unwrap())?.collect::<Result<Vec<_>, _>>()?;
//! assert_eq!(signals[1].span, Span::new(200, 205).unwrap()); // cut to what was asked for
//! let values = reader.values("chr1", Span::new(99, 101).unwrap())?;
//! assert!(values[0].is_nan() && values[1] == 0.5);
//! # std::fs::remove_file(&path).unwrap();
//! # Ok::<(), genome_formats::Error>(())
//! ```
//!
//! Writing is done by the crate `bigtools`. Reading is not: a file of a few bytes can make its reader allocate the buffer
//! sizes that the header declares, panic on a tree of another shape, or follow an index that points at itself for ever.

mod index;
mod reader;
mod summary;
mod writer;

pub use reader::{BigWigReader, BigWigRecords, BigWigSignals, Chromosome};
pub use summary::{Precision, SignalSummary};
pub use writer::write_bigwig;
