//! Decompression behind one door: every compression gives bytes, one kind of error for a cut file, one for a corrupt one,
//! and one for a bomb.

use std::io::{self, BufRead, Read};

use bzip2::bufread::MultiBzDecoder;
use lzma_rust2::XzReader;
use ruzstd::decoding::errors::FrameDecoderError;
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use sirocco::inflate;

use super::{Compression, FilePosition, Limits};
use crate::bgzf::BgzfReader;
use crate::error::{Cause, ErrorKind};

/// Output that is given whatever its ratio to the input.
const FREE: u64 = 64 << 20;

/// What sirocco decodes into: 32 KiB of history and room. Fastest from 256 KiB on.
const GZIP_BUFFER: usize = 256 * 1024;

/// A compressed file as plain bytes. After an error every further read gives the error again.
pub(super) struct Decompressed<R: BufRead> {
    decoder: Decoder<R>,
    compression: Compression,
    position: FilePosition,
    limits: Limits,
    /// Bytes given so far.
    given: u64,
    failed: Option<Failure>,
}

enum Decoder<R: BufRead> {
    Gzip(Box<GzipReader<Compressed<R>>>),
    Bgzf(Box<BgzfReader<Compressed<R>>>),
    Zstd(Box<ZstdReader<Compressed<R>>>),
    Bzip2(Box<MultiBzDecoder<Compressed<R>>>),
    Xz(Box<XzReader<Compressed<R>>>),
}

/// An [`io::Error`] that can be given twice.
#[derive(Clone)]
struct Failure {
    kind: io::ErrorKind,
    cause: Option<Cause>,
    text: String,
}

impl Failure {
    fn error(&self) -> io::Error {
        match &self.cause {
            Some(cause) => io::Error::new(self.kind, cause.clone()),
            None => io::Error::new(self.kind, self.text.clone()),
        }
    }
}

impl<R: BufRead> Decompressed<R> {
    /// # Panics
    ///
    /// When asked to decompress what is plain.
    pub(super) fn new(compression: Compression, inner: R, position: FilePosition, limits: Limits) -> Self {
        let inner = Compressed { inner, position: position.clone(), ended: false, failed: None };
        let decoder = match compression {
            Compression::Gzip => Decoder::Gzip(Box::new(GzipReader::new(inner))),
            Compression::Bgzf => Decoder::Bgzf(Box::new(BgzfReader::new(inner))),
            Compression::Zstd => Decoder::Zstd(Box::new(ZstdReader::new(inner, limits.max_window))),
            Compression::Bzip2 => Decoder::Bzip2(Box::new(MultiBzDecoder::new(inner))),
            Compression::Xz => {
                // The decoder counts some tables beside its dictionary.
                let kib = u32::try_from(limits.max_window / 1024 + 256).unwrap_or(u32::MAX);
                Decoder::Xz(Box::new(XzReader::new_mem_limit(inner, true, kib)))
            }
            Compression::Plain => panic!("plain bytes need no decoder"),
        };
        Self { decoder, compression, position, limits, given: 0, failed: None }
    }

    fn read_some(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let outcome = match &mut self.decoder {
            Decoder::Gzip(reader) => reader.read(buf),
            Decoder::Bgzf(reader) => reader.read(buf),
            Decoder::Zstd(reader) => reader.read(buf),
            Decoder::Bzip2(reader) => reader.read(buf),
            Decoder::Xz(reader) => reader.read(buf),
        };
        match outcome {
            Ok(n) => {
                self.given += n as u64;
                self.check_ratio()?;
                Ok(n)
            }
            Err(error) => self.sort_error(error),
        }
    }

    fn check_ratio(&self) -> io::Result<()> {
        if self.given <= FREE {
            return Ok(());
        }
        let (taken, most) = (self.position.get().max(1), self.limits.max_inflate_ratio);
        if self.given / taken <= most {
            return Ok(());
        }
        let problem = format!(
            "the {} data grew to {} bytes out of {taken}, more than {most} times (Limits::max_inflate_ratio)",
            self.compression, self.given
        );
        Err(Cause::io(ErrorKind::Limit, problem))
    }

    /// What an error of a decoder says about the file.
    fn sort_error(&mut self, error: io::Error) -> io::Result<usize> {
        let compression = self.compression;
        if crate::bgzf::is_missing_end(&error) {
            if self.position.is_lenient() {
                self.position.forgive_end();
                return Ok(0);
            }
            return Err(error);
        }
        let source = match &mut self.decoder {
            Decoder::Gzip(reader) => &mut reader.inner,
            Decoder::Bgzf(reader) => reader.get_mut(),
            Decoder::Zstd(reader) => &mut reader.inner,
            Decoder::Bzip2(reader) => reader.get_mut(),
            Decoder::Xz(reader) => reader.inner_mut(),
        };
        if let Some(error) = source.failed.take() {
            return Err(error);
        }
        if error.get_ref().is_some_and(|e| e.is::<Cause>()) {
            return Err(error);
        }
        if error.kind() == io::ErrorKind::OutOfMemory {
            let most = self.limits.max_window;
            let problem =
                format!("the {compression} data asks for a dictionary of more than {most} bytes (Limits::max_window)");
            return Err(Cause::io(ErrorKind::Limit, problem));
        }
        // A decoder that asked for more than the file has, and failed: whatever it says, the file is cut.
        if source.ended || error.kind() == io::ErrorKind::UnexpectedEof {
            let problem = format!("truncated {compression} file: it ends inside a compressed stream");
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, problem));
        }
        Err(io::Error::new(io::ErrorKind::InvalidData, format!("corrupt {compression} data ({error})")))
    }
}

impl<R: BufRead> Read for Decompressed<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if let Some(failure) = &self.failed {
            // Whoever asks again may have become lenient meanwhile.
            let forgivable = matches!(&failure.cause, Some(c) if c.problem == crate::bgzf::MISSING_END);
            if forgivable && self.position.is_lenient() {
                self.position.forgive_end();
                return Ok(0);
            }
            return Err(failure.error());
        }
        if buf.is_empty() {
            return Ok(0);
        }
        self.read_some(buf).inspect_err(|error| {
            let cause = error.get_ref().and_then(|e| e.downcast_ref::<Cause>()).cloned();
            self.failed = Some(Failure { kind: error.kind(), cause, text: error.to_string() });
        })
    }
}

/// The compressed bytes: counts what a decoder takes, and remembers what went wrong below it.
pub(super) struct Compressed<R> {
    inner: R,
    position: FilePosition,
    /// Whether a decoder asked for more than there was.
    ended: bool,
    failed: Option<io::Error>,
}

impl<R: BufRead> Read for Compressed<R> {
    /// Gives less than was asked for only at the end of the file: lzma-rust2 0.24 takes a short read for a broken file.
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut given = 0;
        while given < buf.len() {
            let n = self.fill_buf()?.read(&mut buf[given..])?;
            if n == 0 {
                break;
            }
            self.consume(n);
            given += n;
        }
        Ok(given)
    }
}

impl<R: BufRead> BufRead for Compressed<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        // Looked at twice because a returned borrow cannot be conditional.
        loop {
            match self.inner.fill_buf() {
                Ok(bytes) => {
                    self.ended = bytes.is_empty();
                    break;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let copy = io::Error::new(error.kind(), error.to_string());
                    self.failed = Some(error);
                    return Err(copy);
                }
            }
        }
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.position.add(amount);
        self.inner.consume(amount);
    }
}

/// gzip, member after member. As flate2's `MultiGzDecoder`: whatever stands behind a member must be another one.
struct GzipReader<R> {
    inner: R,
    decoder: Box<inflate::Decoder>,
    buffer: Vec<u8>,
    /// Output that was not read yet.
    start: usize,
    end: usize,
    /// The buffer is full: its end must move to its front.
    full: bool,
    /// Between two members.
    between: bool,
    ended: bool,
}

impl<R: BufRead> GzipReader<R> {
    fn new(inner: R) -> Self {
        Self {
            inner,
            decoder: Box::new(inflate::Decoder::new(sirocco::Format::Gzip)),
            buffer: vec![0; GZIP_BUFFER],
            start: 0,
            end: 0,
            full: false,
            between: false,
            ended: false,
        }
    }

    /// Decodes until there is output, or nothing more.
    fn fill(&mut self) -> io::Result<()> {
        while self.start == self.end && !self.ended {
            if self.full {
                let dropped = self.decoder.make_room(&mut self.buffer);
                self.end -= dropped;
                self.start = self.end;
            }
            let input = self.inner.fill_buf()?;
            let at_end = input.is_empty();
            if at_end && self.between {
                self.ended = true;
                return Ok(());
            }
            // `false`: more may follow. With `true` the decoder would take another path that wants a whole member.
            let progress = match self.decoder.decompress(input, &mut self.buffer, at_end) {
                Ok(progress) => progress,
                Err(inflate::Error::Truncated) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error.to_string())),
            };
            let (consumed, given) = (progress.consumed, progress.output.len());
            (self.between, self.full) = (progress.done, progress.full);
            self.inner.consume(consumed);
            self.end += given;
            self.start = self.end - given;
            if self.between && given == 0 {
                (self.start, self.end) = (0, 0);
            }
        }
        Ok(())
    }
}

impl<R: BufRead> Read for GzipReader<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.fill()?;
        let n = (self.end - self.start).min(buf.len());
        buf[..n].copy_from_slice(&self.buffer[self.start..self.start + n]);
        self.start += n;
        if self.start == self.end && self.between {
            (self.start, self.end) = (0, 0); // the next member starts at the front of the buffer
        }
        Ok(n)
    }
}

/// Zstandard, frame after frame, skippable ones included. A frame's window is allocated as it fills.
struct ZstdReader<R> {
    inner: R,
    max_window: u64,
    frame: Option<Frame>,
}

struct Frame {
    decoder: FrameDecoder,
    given: u64,
}

impl<R: BufRead> ZstdReader<R> {
    fn new(inner: R, max_window: u64) -> Self {
        Self { inner, max_window, frame: None }
    }

    /// Starts the next frame; `false` at the end of the file.
    fn next_frame(&mut self) -> io::Result<bool> {
        while !self.inner.fill_buf()?.is_empty() {
            let mut decoder = FrameDecoder::new();
            decoder.set_max_window_size(self.max_window);
            match decoder.init(&mut self.inner) {
                Ok(()) => {
                    self.frame = Some(Frame { decoder, given: 0 });
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(
                    ruzstd::decoding::errors::ReadFrameHeaderError::SkipFrame { length, .. },
                )) => {
                    let skipped = io::copy(&mut (&mut self.inner).take(u64::from(length)), &mut io::sink())?;
                    if skipped < u64::from(length) {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(FrameDecoderError::WindowSizeTooBig { requested, max }) => {
                    let problem = format!(
                        "the Zstandard data asks for a window of {requested} bytes, more than {max} (Limits::max_window)"
                    );
                    return Err(Cause::io(ErrorKind::Limit, problem));
                }
                Err(error) => return Err(zstd_error(&error)),
            }
        }
        Ok(false)
    }
}

impl<R: BufRead> Read for ZstdReader<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(frame) = &mut self.frame else {
                if self.next_frame()? {
                    continue;
                }
                return Ok(0);
            };
            if frame.decoder.can_collect() > 0 {
                let n = frame.decoder.read(buf)?;
                frame.given += n as u64;
                return Ok(n);
            }
            if !frame.decoder.is_finished() {
                let blocks = BlockDecodingStrategy::UptoBlocks(1);
                frame.decoder.decode_blocks(&mut self.inner, blocks).map_err(|e| zstd_error(&e))?;
                continue;
            }
            // The decoder itself compares neither the checksum nor the size.
            let promised = frame.decoder.get_checksum_from_data();
            if promised.is_some() && promised != frame.decoder.get_calculated_checksum() {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the checksum of a frame does not match"));
            }
            if ![0, frame.given].contains(&frame.decoder.content_size()) {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the size of a frame does not match"));
            }
            self.frame = None;
        }
    }
}

/// An error of ruzstd; its `Display` is nested and names internals, its chain ends with the one that counts.
fn zstd_error(error: &FrameDecoderError) -> io::Error {
    let mut last: &(dyn std::error::Error + 'static) = error;
    while let Some(source) = last.source() {
        last = source;
    }
    match last.downcast_ref::<io::Error>() {
        Some(error) if error.kind() == io::ErrorKind::UnexpectedEof => io::ErrorKind::UnexpectedEof.into(),
        _ => io::Error::new(io::ErrorKind::InvalidData, last.to_string()),
    }
}
