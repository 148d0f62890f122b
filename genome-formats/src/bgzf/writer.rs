//! Bytes to blocks.

use std::fmt;
use std::io::{self, Write};

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

use super::{END_MARKER, MAX_BLOCK, VirtualOffset};
use crate::index::gzi::Gzi;

/// Decompressed bytes of a block, as `bgzip` takes them: stored without compression they still fit into 64 KiB.
const BLOCK: usize = 0xff00;
const HEADER: usize = 18;
const TRAILER: usize = 8;

/// Writes a BGZF file. The end marker is written by [`BgzfWriter::finish`]; without it the file counts as cut.
///
/// ```
/// use std::io::Write;
/// use genome_formats::{BgzfWriter, VirtualOffset};
///
/// let mut writer = BgzfWriter::new(Vec::new());
/// writer.write_all(b"ACGT")?;
/// assert_eq!(writer.virtual_offset(), VirtualOffset::new(0, 4).unwrap());
/// let file = writer.finish()?;
/// assert!(file.starts_with(b"\x1f\x8b"));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct BgzfWriter<W: Write> {
    inner: W,
    deflate: Compress,
    /// Bytes that wait for their block.
    bytes: Vec<u8>,
    /// A whole block, header and trailer included.
    block: Vec<u8>,
    /// Where the next block starts in the file, and in the decompressed bytes.
    start: u64,
    plain_start: u64,
    index: Option<Gzi>,
}

impl<W: Write> BgzfWriter<W> {
    /// Compresses with level 6, as `bgzip` does.
    pub fn new(inner: W) -> Self {
        Self::with_level(inner, 6)
    }

    /// Compresses with a level from 0, fast and large, to 9, slow and small. Larger ones count as 9.
    pub fn with_level(inner: W, level: u8) -> Self {
        Self {
            inner,
            deflate: Compress::new(Compression::new(u32::from(level.min(9))), false),
            bytes: Vec::with_capacity(BLOCK),
            block: Vec::with_capacity(2 * MAX_BLOCK),
            start: 0,
            plain_start: 0,
            index: None,
        }
    }

    /// Keeps where each block starts, for [`BgzfWriter::finish_with_index`].
    pub fn with_index(mut self) -> Self {
        self.index = Some(Gzi::default());
        self
    }

    /// Where the next byte will be.
    pub fn virtual_offset(&self) -> VirtualOffset {
        VirtualOffset(self.start << 16 | self.bytes.len() as u64)
    }

    /// The writer below.
    pub fn get_ref(&self) -> &W {
        &self.inner
    }

    /// The writer below. What is written to it directly makes virtual offsets wrong.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.inner
    }

    /// The writer below. What waits for its block is lost, and no end marker is written.
    pub fn into_inner(self) -> W {
        self.inner
    }

    /// Writes what is left and the end marker.
    ///
    /// # Errors
    ///
    /// The writer below failed.
    pub fn finish(self) -> io::Result<W> {
        self.finish_with_index().map(|(inner, _)| inner)
    }

    /// Writes what is left and the end marker; gives the index that `.gzi` files hold, empty without
    /// [`BgzfWriter::with_index`].
    ///
    /// # Errors
    ///
    /// The writer below failed.
    pub fn finish_with_index(mut self) -> io::Result<(W, Gzi)> {
        self.write_block()?;
        self.inner.write_all(&END_MARKER)?;
        self.inner.flush()?;
        Ok((self.inner, self.index.unwrap_or_default()))
    }

    fn write_block(&mut self) -> io::Result<()> {
        if self.bytes.is_empty() {
            return Ok(());
        }
        if let Some(index) = &mut self.index {
            index.push(self.start, self.plain_start);
        }
        self.block.clear();
        self.block.extend_from_slice(&END_MARKER[..HEADER]);
        self.deflate.reset();
        // Writes into the capacity and does not grow it: twice what may be kept, because zlib-rs 0.6.8 panics at level 1 where
        // the room is short. Data that does not shrink is stored.
        let status = self.deflate.compress_vec(&self.bytes, &mut self.block, FlushCompress::Finish);
        let deflated = matches!(status, Ok(Status::StreamEnd)) && self.block.len() + TRAILER <= MAX_BLOCK;
        if !deflated {
            self.block.truncate(HEADER);
            let length = self.bytes.len() as u16; // at most BLOCK
            self.block.push(1); // the last block of the stream, stored
            self.block.extend_from_slice(&length.to_le_bytes());
            self.block.extend_from_slice(&(!length).to_le_bytes());
            self.block.extend_from_slice(&self.bytes);
        }
        let mut crc = Crc::new();
        crc.update(&self.bytes);
        self.block.extend_from_slice(&crc.sum().to_le_bytes());
        self.block.extend_from_slice(&(self.bytes.len() as u32).to_le_bytes());
        let size = (self.block.len() - 1) as u16; // at most 64 KiB in all
        self.block[16..18].copy_from_slice(&size.to_le_bytes());
        self.inner.write_all(&self.block)?;
        self.start += self.block.len() as u64;
        self.plain_start += self.bytes.len() as u64;
        self.bytes.clear();
        Ok(())
    }
}

impl<W: Write> Write for BgzfWriter<W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let n = buf.len().min(BLOCK - self.bytes.len());
        self.bytes.extend_from_slice(&buf[..n]);
        if self.bytes.len() == BLOCK {
            self.write_block()?;
        }
        Ok(n)
    }

    /// Closes the current block; calling it often makes the file large.
    fn flush(&mut self) -> io::Result<()> {
        self.write_block()?;
        self.inner.flush()
    }
}

impl<W: Write> fmt::Debug for BgzfWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BgzfWriter").field("virtual_offset", &self.virtual_offset()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::MultiGzDecoder;
    use proptest::prelude::*;
    use std::io::Read;

    fn gunzip(file: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        MultiGzDecoder::new(file).read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn an_empty_file_is_the_end_marker() {
        assert_eq!(BgzfWriter::new(Vec::new()).finish().unwrap(), END_MARKER);
    }

    #[test]
    fn what_does_not_shrink_is_stored() {
        let mut state = 1u64;
        let noise: Vec<u8> = (0..3 * BLOCK)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 56) as u8
            })
            .collect();
        for level in [0, 1, 6, 9] {
            let mut writer = BgzfWriter::with_level(Vec::new(), level);
            writer.write_all(&noise).unwrap();
            assert_eq!(gunzip(&writer.finish().unwrap()), noise);
        }
    }

    proptest! {
        #[test]
        fn every_gzip_reader_reads_it(pieces in proptest::collection::vec((0usize..90_000, any::<u8>(), any::<bool>()), 0..6), level in 0u8..10) {
            let mut writer = BgzfWriter::with_level(Vec::new(), level).with_index();
            let mut bytes = Vec::new();
            let mut places = Vec::new();
            for (length, seed, flush) in pieces {
                let piece: Vec<u8> = (0..length).map(|i| (i as u8).wrapping_mul(seed) >> (i & 3)).collect();
                places.push((writer.virtual_offset(), bytes.len()));
                writer.write_all(&piece).unwrap();
                bytes.extend(piece);
                if flush {
                    writer.flush().unwrap();
                }
            }
            let (file, index) = writer.finish_with_index().unwrap();
            prop_assert_eq!(gunzip(&file), &bytes[..]);
            prop_assert_eq!(&index, &Gzi::build(&file[..]).unwrap());
            for (offset, place) in places {
                prop_assert_eq!(gunzip(&file[offset.block() as usize..])[usize::from(offset.within())..].len(), bytes.len() - place);
            }
        }
    }
}
