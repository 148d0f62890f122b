//! Blocks to bytes, from the start of a file or from a virtual offset.

use std::fmt;
use std::io::{self, BufRead, Read, Seek, SeekFrom};

use sirocco::inflate::{self, Decoder};

use super::{MAX_BLOCK, MISSING_END, VirtualOffset, block_size};
use crate::error::{Cause, ErrorKind};
use crate::guard::Mode;

/// Reads a BGZF file. Checksum and size of every block are checked, and at the end of the file the end marker is.
///
/// It reads through the buffer of the reader below, so that one should hold a block or more (64 KiB; 128 KiB is good).
pub struct BgzfReader<R> {
    inner: R,
    decoder: Box<Decoder>,
    /// The current block, decompressed, in front of room that lets the decoder run fast to its end.
    block: Vec<u8>,
    length: usize,
    /// How much of it was read.
    taken: usize,
    /// Where the current block and the next one start in the file.
    start: u64,
    next: u64,
    /// A block that does not lie in one piece in the buffer below.
    pieces: Vec<u8>,
    /// Whether the last block was empty: an end marker, if the file ends here.
    marked: bool,
    mode: Mode,
    failed: bool,
}

impl<R> BgzfReader<R> {
    /// Starts where `inner` stands, which must be the start of the file for virtual offsets to be right.
    pub fn new(inner: R) -> Self {
        Self {
            inner,
            decoder: Box::new(Decoder::new(sirocco::Format::Gzip)),
            block: vec![0; MAX_BLOCK + 512],
            length: 0,
            taken: 0,
            start: 0,
            next: 0,
            pieces: Vec::new(),
            marked: false,
            mode: Mode::Strict,
            failed: false,
        }
    }

    /// Chooses whether the file must have its end marker.
    pub fn with_mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Where the next byte comes from. At the end of a block that is the start of the next one.
    pub fn virtual_offset(&self) -> VirtualOffset {
        if self.taken < self.length {
            return VirtualOffset(self.start << 16 | self.taken as u64);
        }
        VirtualOffset(self.next << 16)
    }

    /// The reader below.
    pub fn get_ref(&self) -> &R {
        &self.inner
    }

    /// The reader below. Reading from it takes bytes from this reader.
    pub fn get_mut(&mut self) -> &mut R {
        &mut self.inner
    }

    /// The reader below; what was buffered is lost.
    pub fn into_inner(self) -> R {
        self.inner
    }
}

impl<R: BufRead> BgzfReader<R> {
    /// Reads the next block that is not empty; `false` at the end of the file.
    fn next_block(&mut self) -> io::Result<bool> {
        if self.failed {
            return Err(io::Error::other("the BGZF reader failed before and gives nothing more"));
        }
        (self.length, self.taken) = (0, 0);
        while self.length == 0 {
            match self.read_block() {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                Err(error) => {
                    self.length = 0;
                    self.failed = !super::is_missing_end(&error); // which is told again
                    return Err(error);
                }
            }
        }
        Ok(true)
    }

    fn read_block(&mut self) -> io::Result<bool> {
        let available = self.inner.fill_buf()?;
        if available.is_empty() {
            if self.marked || self.mode == Mode::Lenient {
                return Ok(false);
            }
            return Err(Cause::io(ErrorKind::Truncated, MISSING_END));
        }
        let size = match block_size(available).map_err(corrupt)? {
            Some(size) if size <= available.len() => size,
            _ => return self.read_pieces(),
        };
        self.length = inflate(&mut self.decoder, &available[..size], &mut self.block)?;
        self.inner.consume(size);
        self.finish_block(size);
        Ok(true)
    }

    /// The same for a block that the buffer below holds only a part of.
    fn read_pieces(&mut self) -> io::Result<bool> {
        self.pieces.clear();
        let mut wanted = 18; // a header as everybody writes it
        loop {
            while self.pieces.len() < wanted {
                let available = self.inner.fill_buf()?;
                if available.is_empty() {
                    return Err(cut());
                }
                let n = available.len().min(wanted - self.pieces.len());
                self.pieces.extend_from_slice(&available[..n]);
                self.inner.consume(n);
            }
            match block_size(&self.pieces).map_err(corrupt)? {
                Some(size) if size == self.pieces.len() => break,
                Some(size) => wanted = size,
                // Never more than the 64 KiB of an extra field.
                None => wanted = 12 + usize::from(u16::from_le_bytes([self.pieces[10], self.pieces[11]])),
            }
        }
        self.length = inflate(&mut self.decoder, &self.pieces, &mut self.block)?;
        self.finish_block(self.pieces.len());
        Ok(true)
    }

    fn finish_block(&mut self, size: usize) {
        self.start = self.next;
        self.next += size as u64;
        self.taken = 0;
        self.marked = self.length == 0;
    }
}

impl<R: BufRead + Seek> BgzfReader<R> {
    /// Goes to a virtual offset.
    ///
    /// # Errors
    ///
    /// The file cannot be read there, no block starts there, or the block is shorter.
    pub fn seek_virtual(&mut self, offset: VirtualOffset) -> io::Result<()> {
        let loaded = self.next > self.start && self.start == offset.block() && self.length > 0;
        if !loaded {
            self.inner.seek(SeekFrom::Start(offset.block()))?;
            // At the very end of the file nothing is known of the block in front.
            (self.length, self.taken, self.marked, self.failed) = (0, 0, true, false);
            (self.start, self.next) = (offset.block(), offset.block());
            if offset.within() > 0 && !self.read_block()? {
                return Err(Cause::io(ErrorKind::Index, "a virtual offset behind the end of the BGZF file"));
            }
        }
        let within = usize::from(offset.within());
        if within > self.length {
            let problem = format!("virtual offset {offset}: the block has only {} bytes", self.length);
            return Err(Cause::io(ErrorKind::Index, problem));
        }
        self.taken = within;
        Ok(())
    }
}

/// Decompresses one block; the checksum and the size behind it are checked.
fn inflate(decoder: &mut Decoder, block: &[u8], out: &mut [u8]) -> io::Result<usize> {
    let (_, size) = block.split_last_chunk::<4>().expect("a block is longer than its last field");
    if u32::from_le_bytes(*size) > MAX_BLOCK as u32 {
        return Err(corrupt("a block that declares more than 64 KiB"));
    }
    decoder.reset();
    match decoder.decompress(block, out, true) {
        Ok(progress) if !progress.done => Err(corrupt("a block of more than 64 KiB")),
        Ok(progress) if progress.consumed != block.len() => Err(corrupt("a block that ends before its declared end")),
        Ok(progress) => Ok(progress.output.len()),
        Err(inflate::Error::ChecksumMismatch) => Err(corrupt("the checksum or the size of a block does not match")),
        Err(inflate::Error::Truncated) => Err(corrupt("a block that ends behind its declared end")),
        Err(_) => Err(corrupt("a block that cannot be decompressed")),
    }
}

fn corrupt(problem: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

fn cut() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the BGZF file ends inside a block")
}

impl<R: BufRead> Read for BgzfReader<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.fill_buf()?.read(buf)?;
        self.consume(n);
        Ok(n)
    }
}

impl<R: BufRead> BufRead for BgzfReader<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.taken == self.length {
            self.next_block()?;
        }
        Ok(&self.block[self.taken..self.length])
    }

    fn consume(&mut self, amount: usize) {
        self.taken = (self.taken + amount).min(self.length);
    }
}

impl<R> fmt::Debug for BgzfReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BgzfReader").field("virtual_offset", &self.virtual_offset()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{BgzfWriter, END_MARKER};
    use super::*;
    use proptest::prelude::*;
    use std::io::{BufReader, Cursor, Write};

    fn bgzf(bytes: &[u8]) -> Vec<u8> {
        let mut writer = BgzfWriter::new(Vec::new());
        writer.write_all(bytes).unwrap();
        writer.finish().unwrap()
    }

    fn read(file: &[u8], buffer: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        BgzfReader::new(BufReader::with_capacity(buffer, file)).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    #[test]
    fn what_was_written_is_read() {
        for length in [0, 1, 65_279, 65_280, 65_281, 300_000] {
            let bytes: Vec<u8> = (0..length).map(|i: u64| ((i * i) >> 7) as u8).collect();
            let file = bgzf(&bytes);
            for buffer in [1, 100, 1 << 17] {
                assert_eq!(read(&file, buffer).unwrap(), bytes, "{length} bytes through {buffer}");
            }
        }
    }

    #[test]
    fn broken_blocks_are_told() {
        let file = bgzf(&b"ACGT".repeat(100));
        let check = |change: &dyn Fn(&mut Vec<u8>), expected: &str| {
            let mut file = file.clone();
            change(&mut file);
            let error = read(&file, 1 << 17).unwrap_err();
            assert_eq!(error.to_string(), expected);
            assert_eq!(read(&file, 3).unwrap_err().to_string(), expected);
        };
        let end = file.len() - END_MARKER.len();
        check(&|f| f[0] = 0, "a block does not start with the gzip magic number");
        check(&|f| f[3] = 0, "a block without the extra field BC");
        check(&|f| f[12] = b'X', "a block without the extra field BC");
        check(&|f| f[16..18].copy_from_slice(&[3, 0]), "a block that is shorter than its header");
        check(&|f| f[16] -= 1, "a block that declares more than 64 KiB");
        check(&|f| f[end - 8] ^= 1, "the checksum or the size of a block does not match");
        check(&|f| f[end - 4] ^= 1, "the checksum or the size of a block does not match");
        check(&|f| f[end - 1] = 0xff, "a block that declares more than 64 KiB");
        check(&|f| f.truncate(end), MISSING_END);
        check(&|f| f.truncate(end - 1), "the BGZF file ends inside a block");
        check(&|f| f[16..18].copy_from_slice(&[255, 255]), "the BGZF file ends inside a block");
    }

    #[test]
    fn a_missing_end_is_forgiven_on_request() {
        let file = bgzf(b"ACGT");
        let cut = &file[..file.len() - END_MARKER.len()];
        let mut text = String::new();
        BgzfReader::new(cut).with_mode(Mode::Lenient).read_to_string(&mut text).unwrap();
        assert_eq!(text, "ACGT");
    }

    proptest! {
        #[test]
        fn every_virtual_offset_leads_back(length in 1usize..200_000, places in proptest::collection::vec(any::<prop::sample::Index>(), 1..20)) {
            let bytes: Vec<u8> = (0..length).map(|i| (i * 7 + (i >> 8)) as u8).collect();
            let file = bgzf(&bytes);
            let mut reader = BgzfReader::new(BufReader::new(Cursor::new(&file)));
            let mut offsets = Vec::new();
            let mut byte = [0];
            for expected in &bytes {
                offsets.push(reader.virtual_offset());
                reader.read_exact(&mut byte).unwrap();
                prop_assert_eq!(byte[0], *expected);
            }
            for place in places {
                let place = place.index(length);
                reader.seek_virtual(offsets[place]).unwrap();
                prop_assert_eq!(reader.virtual_offset(), offsets[place]);
                reader.read_exact(&mut byte).unwrap();
                prop_assert_eq!(byte[0], bytes[place]);
            }
        }

        #[test]
        fn any_change_is_an_error_or_harmless(place in any::<prop::sample::Index>(), bit in 0u8..8, buffer in 1usize..400) {
            let bytes = b"ACGTTGCAAC".repeat(30);
            let mut file = bgzf(&bytes);
            let place = place.index(file.len());
            file[place] ^= 1 << bit;
            if let Ok(read) = read(&file, buffer) {
                prop_assert_eq!(read, bytes); // a time stamp, an operating system
            }
        }
    }
}
