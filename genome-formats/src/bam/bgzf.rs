//! The blocks below BAM: gzip members of up to 64 KiB, each with its own length (SAMv1, section 4.1).

use std::io::{self, Read, Seek, SeekFrom, Write};

use flate2::{Compress, Compression, Crc, FlushCompress, Status};
use sirocco::inflate::{self, Decoder};

/// The most a block holds.
const MAX_BLOCK: usize = 1 << 16;
/// What the writer puts in a block: compressed, it fits in 64 KiB even where it cannot be made smaller.
const FULL_BLOCK: usize = 0xff00;
/// The empty block that ends a file.
const END_MARKER: [u8; 28] =
    [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 6, 0, b'B', b'C', 2, 0, 0x1b, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const MAGIC: &[u8] = b"BAM\x01";

/// Reads blocks, and knows where each starts in the file. A BAM file that is not compressed is read as it is.
pub(super) struct BgzfReader<R> {
    inner: R,
    compressed: Vec<u8>,
    /// The block at hand, in front of room that lets the decoder run fast to its end.
    block: Vec<u8>,
    length: usize,
    /// What was read of `block`.
    at: usize,
    /// Bytes of the file in front of the block, and with it.
    start: u64,
    end: u64,
    /// Compressed bytes that were read in all, jumps or not.
    loaded: u64,
    decoder: Box<Decoder>,
    last_was_empty: bool,
    plain: bool,
}

fn broken(problem: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem.into())
}

impl<R: Read> BgzfReader<R> {
    pub(super) fn new(inner: R) -> Self {
        Self {
            inner,
            compressed: Vec::new(),
            block: vec![0; MAX_BLOCK + 512],
            length: 0,
            at: 0,
            start: 0,
            end: 0,
            loaded: 0,
            decoder: Box::new(Decoder::new(sirocco::Format::Gzip)),
            last_was_empty: false,
            plain: false,
        }
    }

    /// Bytes of the file that were read.
    pub(super) fn file_position(&self) -> u64 {
        self.end
    }

    /// Compressed bytes that were read in all, whether in one go or after jumps.
    pub(super) fn loaded(&self) -> u64 {
        self.loaded
    }

    /// Where the next byte lies: block in the upper 48 bits, byte of the block in the lower 16.
    pub(super) fn virtual_position(&self) -> u64 {
        if self.at < self.length { self.start << 16 | self.at as u64 } else { self.end << 16 }
    }

    /// Whether the file ended with the empty block that every BGZF file ends with.
    pub(super) fn is_complete(&self) -> bool {
        self.last_was_empty || self.plain
    }

    /// The bytes at hand; empty only at the end of the file.
    #[inline]
    pub(super) fn bytes(&mut self) -> io::Result<&[u8]> {
        while self.at == self.length {
            if !self.load()? {
                return Ok(&[]);
            }
        }
        Ok(&self.block[self.at..self.length])
    }

    #[inline]
    pub(super) fn consume(&mut self, n: usize) {
        self.at += n;
    }

    /// Reads the next block, maybe an empty one; `false` at the end of the file.
    fn load(&mut self) -> io::Result<bool> {
        self.start = self.end;
        (self.at, self.length) = (0, 0);
        if self.plain {
            let n = read_some(&mut self.inner, &mut self.block[..MAX_BLOCK])?;
            self.length = n;
            self.end += n as u64;
            self.loaded += n as u64;
            return Ok(n > 0);
        }
        self.compressed.clear();
        let n = (&mut self.inner).take(18).read_to_end(&mut self.compressed)?;
        if n == 0 {
            return Ok(false);
        }
        if self.start == 0 && self.compressed.starts_with(MAGIC) {
            self.plain = true;
            (self.end, self.loaded) = (n as u64, n as u64);
            self.block[..n].copy_from_slice(&self.compressed);
            self.length = n;
            return Ok(true);
        }
        let size = self.read_member()?;
        self.end += size as u64;
        self.loaded += size as u64;
        Ok(true)
    }

    /// Reads the rest of a gzip member whose first bytes are at hand; its size in the file.
    fn read_member(&mut self) -> io::Result<usize> {
        let cut = || io::Error::new(io::ErrorKind::UnexpectedEof, "truncated BGZF file: it ends inside a block");
        let head = &self.compressed;
        if !head.starts_with(&[0x1f, 0x8b][..head.len().min(2)]) {
            return Err(broken("this is not BGZF: a block does not start with the bytes 1f 8b"));
        }
        if head.len() < 18 {
            return Err(cut());
        }
        if head[2] != 8 || head[3] != 4 {
            return Err(broken("this is gzip, but not BGZF: a block has no length"));
        }
        let extra = usize::from(u16::from_le_bytes([head[10], head[11]]));
        let header = 12 + extra;
        read_up_to(&mut self.inner, &mut self.compressed, header)?;
        if self.compressed.len() < header {
            return Err(cut());
        }
        let Some(size) = block_size(&self.compressed[12..header]) else {
            return Err(broken("this is gzip, but not BGZF: a block has no length"));
        };
        if size < header + 8 || size < self.compressed.len() {
            return Err(broken("a BGZF block with an impossible length"));
        }
        read_up_to(&mut self.inner, &mut self.compressed, size)?;
        if self.compressed.len() < size {
            return Err(cut());
        }
        let trailer = &self.compressed[size - 4..];
        if u32::from_le_bytes([trailer[0], trailer[1], trailer[2], trailer[3]]) as usize > MAX_BLOCK {
            return Err(broken("a BGZF block that declares more than 64 KiB"));
        }
        self.decoder.reset();
        self.length = match self.decoder.decompress(&self.compressed, &mut self.block, true) {
            Ok(progress) if progress.done && progress.consumed == size => progress.output.len(),
            Ok(_) => return Err(broken("corrupt BGZF block: it is longer than it says")),
            Err(inflate::Error::ChecksumMismatch) => {
                return Err(broken("corrupt BGZF block: length or checksum is wrong"));
            }
            Err(_) => return Err(broken("corrupt BGZF block: it cannot be decompressed")),
        };
        self.last_was_empty = self.length == 0;
        Ok(size)
    }
}

impl<R: Read + Seek> BgzfReader<R> {
    /// Goes to a virtual position.
    pub(super) fn seek(&mut self, position: u64) -> io::Result<()> {
        let (block, byte) = (position >> 16, (position & 0xffff) as usize);
        self.inner.seek(SeekFrom::Start(block))?;
        (self.start, self.end, self.at, self.length) = (block, block, 0, 0);
        if byte > 0 {
            self.load()?;
            if byte > self.length {
                return Err(broken("a virtual position behind the end of its block"));
            }
            self.at = byte;
        }
        Ok(())
    }

    /// The size of the file.
    pub(super) fn file_size(&mut self) -> io::Result<u64> {
        let size = self.inner.seek(SeekFrom::End(0))?;
        self.inner.seek(SeekFrom::Start(self.end))?;
        Ok(size)
    }
}

/// Reads once, whatever comes.
fn read_some(inner: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match inner.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}

/// Reads until there are `length` bytes or the input ends.
fn read_up_to(inner: &mut impl Read, bytes: &mut Vec<u8>, length: usize) -> io::Result<()> {
    if length > bytes.len() {
        let missing = (length - bytes.len()) as u64;
        inner.take(missing).read_to_end(bytes)?;
    }
    Ok(())
}

/// The whole size of a block, from the field `BC` among the extra fields of its header.
fn block_size(mut extra: &[u8]) -> Option<usize> {
    while let [a, b, low, high, rest @ ..] = extra {
        let value = rest.get(..usize::from(u16::from_le_bytes([*low, *high])))?;
        if let (b'B', b'C', [low, high]) = (*a, *b, value) {
            return Some(usize::from(u16::from_le_bytes([*low, *high])) + 1);
        }
        extra = &rest[value.len()..];
    }
    None
}

/// Writes blocks. A file that was not finished has no end marker, so readers see that it is cut.
pub(super) struct BgzfWriter<W> {
    inner: W,
    block: Vec<u8>,
    out: Vec<u8>,
    position: u64,
    deflate: Compress,
}

impl<W: Write> BgzfWriter<W> {
    pub(super) fn new(inner: W) -> Self {
        let deflate = Compress::new(Compression::default(), false);
        Self { inner, block: Vec::with_capacity(FULL_BLOCK), out: Vec::new(), position: 0, deflate }
    }

    /// Where the next byte will lie.
    pub(super) fn virtual_position(&self) -> u64 {
        self.position << 16 | self.block.len() as u64
    }

    pub(super) fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let n = bytes.len().min(FULL_BLOCK - self.block.len());
            self.block.extend_from_slice(&bytes[..n]);
            bytes = &bytes[n..];
            if self.block.len() == FULL_BLOCK {
                self.flush_block()?;
            }
        }
        Ok(())
    }

    fn flush_block(&mut self) -> io::Result<()> {
        let mut deflate = |deflate: &mut Compress| -> io::Result<bool> {
            self.out.clear();
            self.out.extend_from_slice(&END_MARKER[..18]);
            self.out.reserve(MAX_BLOCK);
            deflate.reset();
            let status = deflate.compress_vec(&self.block, &mut self.out, FlushCompress::Finish);
            let status = status.map_err(|error| broken(format!("compression failed ({error})")))?;
            Ok(status == Status::StreamEnd && self.out.len() + 8 <= MAX_BLOCK)
        };
        if !deflate(&mut self.deflate)? && !deflate(&mut Compress::new(Compression::none(), false))? {
            return Err(broken("a block could not be compressed into 64 KiB"));
        }
        let mut crc = Crc::new();
        crc.update(&self.block);
        self.out.extend_from_slice(&crc.sum().to_le_bytes());
        self.out.extend_from_slice(&(self.block.len() as u32).to_le_bytes());
        let size = (self.out.len() - 1) as u16;
        self.out[16..18].copy_from_slice(&size.to_le_bytes());
        self.inner.write_all(&self.out)?;
        self.position += self.out.len() as u64;
        self.block.clear();
        Ok(())
    }

    /// Ends a block here, so that what follows starts one.
    pub(super) fn end_block(&mut self) -> io::Result<()> {
        if self.block.is_empty() { Ok(()) } else { self.flush_block() }
    }

    /// Writes the end marker.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.end_block()?;
        self.inner.write_all(&END_MARKER)?;
        self.inner.flush()?;
        Ok(self.inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn write(bytes: &[u8]) -> Vec<u8> {
        let mut writer = BgzfWriter::new(Vec::new());
        writer.write(bytes).unwrap();
        writer.finish().unwrap()
    }

    fn read_all<R: Read>(reader: &mut BgzfReader<R>) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        loop {
            let bytes = reader.bytes()?;
            if bytes.is_empty() {
                return Ok(out);
            }
            out.extend_from_slice(bytes);
            let n = bytes.len();
            reader.consume(n);
        }
    }

    fn noise(length: usize) -> Vec<u8> {
        let mut n: u64 = 1;
        let mut next = || {
            n = n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (n >> 56) as u8
        };
        (0..length).map(|_| next()).collect()
    }

    #[test]
    fn what_was_written_is_read_by_us_and_by_flate2() {
        for bytes in [vec![], b"x".to_vec(), vec![b'A'; 200_000], noise(200_000)] {
            let file = write(&bytes);
            let mut reader = BgzfReader::new(&file[..]);
            assert!(read_all(&mut reader).unwrap() == bytes);
            assert!(reader.is_complete());
            let mut again = Vec::new();
            flate2::read::MultiGzDecoder::new(&file[..]).read_to_end(&mut again).unwrap();
            assert!(again == bytes);
        }
    }

    #[test]
    fn cuts_and_damage_are_told() {
        let file = write(&noise(100_000));
        let first = usize::from(u16::from_le_bytes([file[16], file[17]])) + 1;
        for cut in [1, 2, 17, 18, 30, first - 1, first + 1, file.len() - 1] {
            let error = read_all(&mut BgzfReader::new(&file[..cut])).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "cut at {cut}: {error}");
        }
        for cut in [first, file.len() - END_MARKER.len()] {
            let mut reader = BgzfReader::new(&file[..cut]);
            assert!(read_all(&mut reader).is_ok() && !reader.is_complete());
        }
        let mut bad = file.clone();
        bad[first - 6] ^= 1;
        let error = read_all(&mut BgzfReader::new(&bad[..])).unwrap_err();
        assert_eq!(error.to_string(), "corrupt BGZF block: length or checksum is wrong");
        let check = |bytes: &[u8], expected: &str| {
            let error = read_all(&mut BgzfReader::new(bytes)).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        check(b"@HD\tVN:1.6\n", "this is not BGZF");
        check(b"\x1f\x8b\x08\x00aaaaaaaaaaaaaaaaaaaaaaa", "gzip, but not BGZF");
        let mut large = END_MARKER;
        large[26] = 2; // ISIZE of 128 KiB
        check(&large, "declares more than 64 KiB");
        let mut short = END_MARKER;
        short[16] = 5;
        check(&short, "impossible length");
    }

    proptest! {
        #[test]
        fn any_place_can_be_sought(steps in proptest::collection::vec(1usize..30_000, 1..20)) {
            let bytes = noise(steps.iter().sum());
            let mut writer = BgzfWriter::new(Vec::new());
            let (mut places, mut at) = (Vec::new(), 0);
            for step in steps {
                places.push((writer.virtual_position(), at));
                writer.write(&bytes[at..at + step]).unwrap();
                at += step;
            }
            let file = writer.finish().unwrap();
            let mut reader = BgzfReader::new(std::io::Cursor::new(file));
            for (place, at) in places.into_iter().rev() {
                reader.seek(place).unwrap();
                prop_assert_eq!(reader.bytes().unwrap()[0], bytes[at]);
            }
        }
    }
}
