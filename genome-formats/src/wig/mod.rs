//! WIG and bedGraph: values along sequences, as text.
//!
//! - What: WIG gives a value for each base or window, below a declaration line (`fixedStep`, `variableStep`); bedGraph gives
//!   four columns, name, start, end, value.
//! - Coordinates: WIG's `start=` and the positions of `variableStep` count **from 1**; bedGraph, also inside a WIG file,
//!   counts **from 0** and excludes the end. [`Span`](crate::Span) is the same for both.
//! - Traps: `span` is 1 unless it is given, whatever the step; a `fixedStep` without a `step` has step 1 (some programs take
//!   the span); four-column lines in a track of type `wiggle_0` are 0-based, though `wig2bed` takes their start as 1-based.
//! - Specification: UCSC genome browser, "Wiggle Track Format (WIG)" and "BedGraph Track Format", which have no versions.
//!
//! ```
//! use genome_formats::{Span, WigReader};
//!
//! let text: &[u8] = b"fixedStep chrom=chr1 start=101 step=10 span=5\n0.5\n-1.25\nvariableStep chrom=chr2\n7 3\n";
//! let mut reader = WigReader::new("reads.wig", text);
//! let mut seen = Vec::new();
//! while let Some(signal) = reader.next_view()? {
//!     seen.push((signal.seq_name.to_vec(), signal.span, signal.value));
//! }
//! assert_eq!(seen[0], (b"chr1".to_vec(), Span::new(100, 105).unwrap(), 0.5));
//! assert_eq!(seen[1], (b"chr1".to_vec(), Span::new(110, 115).unwrap(), -1.25));
//! assert_eq!(seen[2], (b"chr2".to_vec(), Span::new(6, 7).unwrap(), 3.0));
//! # Ok::<(), genome_formats::Error>(())
//! ```
//!
//! Where the world ignores the text of UCSC, and what we do: comments (`#`) and blank lines are read; `type=wig` counts as
//! `wiggle_0`; a file with declarations and no values, or with nothing at all, is an empty track. Values that are not
//! finite (`NaN`, `inf`) are refused by a strict reader and given as they are by a lenient one. Four-column lines of a
//! `wiggle_0` track may overlap, those of bedGraph may not.

pub(crate) mod number;
mod reader;
mod to_bed;
pub(crate) mod track;
mod writer;

pub use reader::{BedGraphReader, Signal, SignalView, WigReader};
pub use to_bed::{WigToBed, wig_to_bed};
pub use track::TrackLine;
pub use writer::{BedGraphWriter, WigWriter};
