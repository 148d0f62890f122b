//! `.gzi`: where the blocks of a BGZF file start, so that a byte of the decompressed file can be found.
//!
//! The file is a count and that many pairs of 64-bit numbers, little-endian: byte in the compressed file, byte in the
//! decompressed one. The first block, at 0 and 0, is left out.

use std::io::{self, BufRead, Read, Write};

use crate::bgzf::{BgzfReader, VirtualOffset};
use crate::error::{Cause, ErrorKind};
use crate::guard::Mode;

/// Where the blocks of a BGZF file start.
///
/// ```
/// use std::io::Write;
/// use genome_formats::{BgzfWriter, Gzi, VirtualOffset};
///
/// let mut writer = BgzfWriter::new(Vec::new()).with_index();
/// writer.write_all(&[b'A'; 100_000])?;
/// let (file, index) = writer.finish_with_index()?;
/// assert_eq!(index, Gzi::build(&file[..])?);
/// assert_eq!(index.locate(10), VirtualOffset::new(0, 10));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gzi {
    /// Compressed and decompressed start of each block but the first.
    blocks: Vec<(u64, u64)>,
}

impl Gzi {
    /// Notes a block that starts at these bytes.
    pub(crate) fn push(&mut self, compressed: u64, plain: u64) {
        if compressed > 0 {
            self.blocks.push((compressed, plain));
        }
    }

    /// Reads a whole BGZF file and notes its blocks; empty ones are left out.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is no sound BGZF file.
    pub fn build(file: impl BufRead) -> io::Result<Self> {
        Self::build_with(file, Mode::Strict)
    }

    pub(crate) fn build_with(file: impl BufRead, mode: Mode) -> io::Result<Self> {
        let mut reader = BgzfReader::new(file).with_mode(mode);
        let mut index = Self::default();
        let mut plain = 0;
        loop {
            let length = reader.fill_buf()?.len();
            if length == 0 {
                return Ok(index);
            }
            index.push(reader.virtual_offset().block(), plain);
            plain += length as u64;
            reader.consume(length);
        }
    }

    /// Reads a `.gzi` file. Its count is not trusted: memory grows with the bytes that are there.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is no `.gzi` file.
    pub fn read(mut file: impl Read) -> io::Result<Self> {
        let broken = |problem: &str| Cause::io(ErrorKind::Index, problem);
        let mut count = [0; 8];
        file.read_exact(&mut count).map_err(|_| broken("a .gzi index is at least 8 bytes long"))?;
        let count = u64::from_le_bytes(count);
        let mut bytes = Vec::new();
        let length = count.checked_mul(16).ok_or_else(|| broken("the .gzi index declares more blocks than can be"))?;
        file.by_ref().take(length.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 != length {
            return Err(broken(&format!(
                "the .gzi index declares {count} blocks and holds {} bytes of them",
                bytes.len()
            )));
        }
        let mut index = Self::default();
        let mut last = (0, 0);
        for pair in bytes.chunks_exact(16) {
            let (compressed, plain) = pair.split_at(8);
            let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("half of 16 bytes"));
            let block = (number(compressed), number(plain));
            // An empty block repeats the decompressed byte.
            if block.0 <= last.0 || block.1 < last.1 || block.0 >= 1 << 48 {
                return Err(broken("the blocks of the .gzi index are not in order"));
            }
            index.blocks.push(block);
            last = block;
        }
        Ok(index)
    }

    /// Writes a `.gzi` file.
    ///
    /// # Errors
    ///
    /// The writer failed.
    pub fn write(&self, mut out: impl Write) -> io::Result<()> {
        out.write_all(&(self.blocks.len() as u64).to_le_bytes())?;
        for (compressed, plain) in &self.blocks {
            out.write_all(&compressed.to_le_bytes())?;
            out.write_all(&plain.to_le_bytes())?;
        }
        out.flush()
    }

    /// Where a byte of the decompressed file lies; `None` where the index knows no block near enough.
    pub fn locate(&self, byte: u64) -> Option<VirtualOffset> {
        let behind = self.blocks.partition_point(|&(_, plain)| plain <= byte);
        let (compressed, plain) = behind.checked_sub(1).map_or((0, 0), |i| self.blocks[i]);
        VirtualOffset::new(compressed, u16::try_from(byte - plain).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn broken_files_are_told() {
        let check = |bytes: &[u8], expected: &str| assert_eq!(Gzi::read(bytes).unwrap_err().to_string(), expected);
        let pair = |a: u64, b: u64| [a.to_le_bytes(), b.to_le_bytes()].concat();
        check(b"", "a .gzi index is at least 8 bytes long");
        check(&u64::MAX.to_le_bytes(), "the .gzi index declares more blocks than can be");
        check(&(1u64 << 40).to_le_bytes(), "the .gzi index declares 1099511627776 blocks and holds 0 bytes of them");
        check(&pair(0, 1), "the .gzi index declares 0 blocks and holds 1 bytes of them");
        check(
            &[&2u64.to_le_bytes()[..], &pair(5, 9), &pair(5, 10)].concat(),
            "the blocks of the .gzi index are not in order",
        );
    }

    #[test]
    fn bytes_are_located() {
        let index = Gzi { blocks: vec![(100, 65_280), (200, 130_560)] };
        assert_eq!(index.locate(0), VirtualOffset::new(0, 0));
        assert_eq!(index.locate(65_279), VirtualOffset::new(0, 65_279));
        assert_eq!(index.locate(65_280), VirtualOffset::new(100, 0));
        assert_eq!(index.locate(130_561), VirtualOffset::new(200, 1));
        assert_eq!(index.locate(1 << 30), None);
    }

    proptest! {
        #[test]
        fn read_gives_what_was_written(steps in proptest::collection::vec((1u64..70_000, 0u64..70_000), 0..50)) {
            let mut index = Gzi::default();
            let mut at = (0, 0);
            for (a, b) in steps {
                at = (at.0 + a, at.1 + b);
                index.push(at.0, at.1);
            }
            let mut file = Vec::new();
            index.write(&mut file).unwrap();
            prop_assert_eq!(Gzi::read(&file[..]).unwrap(), index);
        }
    }
}
