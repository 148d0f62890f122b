//! BGZF: gzip in blocks of at most 64 KiB that can be found and opened one by one. `bgzip` and `samtools` write it; BAM and
//! BCF lie in it, and indexed FASTA, VCF, GFF and BED files do too.
//!
//! The specification is section 4.1 of SAMv1.pdf (hts-specs, 2025). Every block is a gzip member, so `gzip -dc` reads the
//! file. Its traps:
//!
//! - A file cut between two blocks is a sound gzip file. Therefore a BGZF file ends with an empty block, and a reader that
//!   does not ask for it takes half a file for a whole one.
//! - A place in the file is a [`VirtualOffset`]: the byte where a block starts, and the byte in the decompressed block. Such
//!   offsets can be compared but not subtracted.
//!
//! ```
//! use std::io::{Read, Write};
//! use genome_formats::{BgzfReader, BgzfWriter};
//!
//! let mut writer = BgzfWriter::new(Vec::new());
//! writer.write_all(b"chr1\t1\t5\n")?;
//! let file = writer.finish()?;
//!
//! let mut text = String::new();
//! BgzfReader::new(&file[..]).read_to_string(&mut text)?;
//! assert_eq!(text, "chr1\t1\t5\n");
//!
//! let cut = &file[..file.len() - 28]; // without the last, empty block
//! let error = BgzfReader::new(cut).read_to_string(&mut text).unwrap_err();
//! assert!(error.to_string().contains("end marker"));
//! # Ok::<(), std::io::Error>(())
//! ```

mod reader;
mod writer;

use std::fmt;
use std::io;

use crate::error::Cause;

pub use reader::BgzfReader;
pub use writer::BgzfWriter;

/// The most bytes that a block holds, compressed or not.
pub(crate) const MAX_BLOCK: usize = 1 << 16;

/// The empty block at the end of every file.
pub(crate) const END_MARKER: [u8; 28] = [
    0x1f, 0x8b, 0x08, 0x04, 0, 0, 0, 0, 0, 0xff, 0x06, 0, 0x42, 0x43, 0x02, 0, 0x1b, 0, 0x03, 0, 0, 0, 0, 0, 0, 0, 0, 0,
];

const SHORT: &str = "a block that is shorter than its header";

pub(crate) const MISSING_END: &str = "BGZF file without its end marker: it may have been cut at a block boundary";

/// A place in a BGZF file: the byte where a block starts, and the byte in the decompressed block.
///
/// ```
/// use genome_formats::VirtualOffset;
///
/// let offset = VirtualOffset::new(1000, 7).unwrap();
/// assert_eq!((offset.block(), offset.within()), (1000, 7));
/// assert_eq!(VirtualOffset::from(u64::from(offset)), offset);
/// assert_eq!(VirtualOffset::new(1 << 48, 0), None); // files end at 256 TiB
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct VirtualOffset(u64);

impl VirtualOffset {
    /// `None` when `block` needs more than 48 bits.
    pub fn new(block: u64, within: u16) -> Option<Self> {
        (block < 1 << 48).then_some(Self(block << 16 | u64::from(within)))
    }

    /// The byte of the compressed file where the block starts.
    pub fn block(self) -> u64 {
        self.0 >> 16
    }

    /// The byte in the decompressed block.
    pub fn within(self) -> u16 {
        self.0 as u16
    }
}

impl From<u64> for VirtualOffset {
    fn from(offset: u64) -> Self {
        Self(offset)
    }
}

impl From<VirtualOffset> for u64 {
    fn from(offset: VirtualOffset) -> Self {
        offset.0
    }
}

impl fmt::Display for VirtualOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.block(), self.within())
    }
}

/// Whether a gzip file that starts with `head` is BGZF: its first member has the extra field `BC`.
pub(crate) fn is_bgzf(head: &[u8]) -> bool {
    matches!(block_size(head), Ok(Some(_)) | Err(SHORT))
}

pub(crate) fn is_missing_end(error: &io::Error) -> bool {
    error.get_ref().and_then(|e| e.downcast_ref::<Cause>()).is_some_and(|cause| cause.problem == MISSING_END)
}

/// Bytes of the block that starts with `head`, from its header; `None` where `head` is too short to tell.
fn block_size(head: &[u8]) -> Result<Option<usize>, &'static str> {
    const MAGIC: [u8; 3] = [0x1f, 0x8b, 0x08];
    const FEXTRA: u8 = 0x04;
    let known = head.len().min(3);
    if head[..known] != MAGIC[..known] {
        return Err("a block does not start with the gzip magic number");
    }
    let Some((fixed, rest)) = head.split_first_chunk::<12>() else { return Ok(None) };
    if fixed[3] != FEXTRA {
        return Err("a block without the extra field BC");
    }
    let extra = usize::from(u16::from_le_bytes([fixed[10], fixed[11]]));
    let whole = rest.len() >= extra;
    let mut fields = &rest[..extra.min(rest.len())];
    while let [a, b, low, high, behind @ ..] = fields {
        let length = usize::from(u16::from_le_bytes([*low, *high]));
        let Some(value) = behind.get(..length) else { break };
        if [*a, *b] == *b"BC" && length == 2 {
            let size = usize::from(u16::from_le_bytes([value[0], value[1]])) + 1;
            // Header, two bytes of deflate data, checksum and size.
            let least = 12 + extra + 2 + 8;
            return if size < least { Err(SHORT) } else { Ok(Some(size)) };
        }
        fields = &behind[length..];
    }
    if whole { Err("a block without the extra field BC") } else { Ok(None) }
}
