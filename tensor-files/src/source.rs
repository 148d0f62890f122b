//! Where bytes come from: a file, mapped or read, or memory. Only what lies inside is ever handed out.
//!
//! A file is mapped in short windows that are given back as soon as they are decoded. A mapping of the whole file would
//! count against the process once its pages were touched, and a loaded model would take twice its size.

use crate::{Error, Result};
use memmap2::{Mmap, MmapOptions};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Bytes of a file that are in memory at once while a tensor is decoded.
const WINDOW: u64 = 8 << 20;

/// How the bytes of a file are reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Access {
    /// Mapped into memory: no copy. Another process that shortens the file *while a tensor is being decoded* ends this
    /// process with a bus error (a file that is shorter than it was when it was opened is noticed before); one that
    /// writes to it changes what is read.
    #[default]
    Mapped,
    /// Read into a buffer: whatever happens to the file is an error. One more copy of a few megabytes.
    Read,
}

/// Bytes of a known length, and the name that errors give them.
#[derive(Debug)]
pub(crate) struct Source {
    path: PathBuf,
    len: u64,
    bytes: Bytes,
}

#[derive(Debug)]
enum Bytes {
    Mapped(File),
    Read(Mutex<File>),
    Memory(Cow<'static, [u8]>),
}

/// Some bytes of a [`Source`].
#[derive(Debug)]
pub(crate) enum View<'a> {
    Borrowed(&'a [u8]),
    Mapped(Mmap),
    Owned(Vec<u8>),
}

impl Deref for View<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Mapped(bytes) => bytes,
            Self::Owned(bytes) => bytes,
        }
    }
}

impl Source {
    pub(crate) fn open(path: &Path, access: Access) -> Result<Self> {
        // Asked before it is opened: opening a pipe waits for its writer.
        let kind = std::fs::metadata(path).map_err(Error::io(path))?;
        if !kind.is_file() {
            let found = if kind.is_dir() { "a folder" } else { "a device or a pipe" };
            return Err(Error::format(path, "a file", found));
        }
        let file = File::open(path).map_err(Error::io(path))?;
        let len = file.metadata().map_err(Error::io(path))?.len();
        let bytes = match access {
            Access::Mapped => Bytes::Mapped(file),
            Access::Read => Bytes::Read(Mutex::new(file)),
        };
        Ok(Self { path: path.into(), len, bytes })
    }

    pub(crate) fn memory(name: impl Into<PathBuf>, bytes: impl Into<Cow<'static, [u8]>>) -> Self {
        let bytes = bytes.into();
        Self { path: name.into(), len: bytes.len() as u64, bytes: Bytes::Memory(bytes) }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// `len` bytes from `start`.
    pub(crate) fn view(&self, start: u64, len: u64) -> Result<View<'_>> {
        let there = self.len.saturating_sub(start);
        if len > there {
            return Err(Error::format(&self.path, format!("{len} bytes"), format!("{there} (truncated)")).at(start));
        }
        if len == 0 {
            return Ok(View::Borrowed(&[]));
        }
        let too_long = || Error::format(&self.path, "bytes that fit into memory", format!("{len} of them")).at(start);
        let size = usize::try_from(len).map_err(|_| too_long())?;
        match &self.bytes {
            // Within `self.len`, which is a slice's length.
            Bytes::Memory(bytes) => Ok(View::Borrowed(&bytes[start as usize..start as usize + size])),
            Bytes::Mapped(file) => self.map(file, start, size).map(View::Mapped),
            Bytes::Read(file) => {
                let mut bytes = vec![0; size];
                let mut file = file.lock().expect("no reader of this file panics");
                file.seek(SeekFrom::Start(start)).map_err(Error::io(&self.path))?;
                file.read_exact(&mut bytes).map_err(Error::io(&self.path))?;
                Ok(View::Owned(bytes))
            }
        }
    }

    #[allow(unsafe_code, reason = "there is no safe way to map a file")]
    fn map(&self, file: &File, start: u64, len: usize) -> Result<Mmap> {
        let now = file.metadata().map_err(Error::io(&self.path))?.len();
        if now < self.len {
            let expected = format!("{} bytes, as when it was opened", self.len);
            return Err(Error::format(&self.path, expected, format!("{now}")));
        }
        // SAFETY: the mapping is read-only, is of bytes inside the file (checked a line ago) and lives no longer than one
        // window is decoded. Two things are not in our hands. If another process shortens the file within that time,
        // touching the pages behind its new end raises SIGBUS, which ends the process: no wrong memory is read, and
        // nothing of the file's is trusted beyond it. If another process writes into the file, numbers change under the
        // decoder, which only does arithmetic on them: lengths, offsets and names were copied out and checked before.
        // Who cannot promise that files stay as they are asks for `Access::Read`.
        unsafe { MmapOptions::new().offset(start).len(len).map(file) }.map_err(Error::io(&self.path))
    }

    /// The same bytes in windows of a few megabytes, each a multiple of `unit` bytes (`len` is one).
    pub(crate) fn windows(&self, start: u64, len: u64, unit: u64) -> impl Iterator<Item = Result<View<'_>>> {
        let step = (WINDOW / unit.max(1)).max(1).saturating_mul(unit.max(1));
        let mut at = 0;
        std::iter::from_fn(move || {
            (at < len).then(|| {
                let view = self.view(start.saturating_add(at), step.min(len - at));
                at = at.saturating_add(step);
                view
            })
        })
    }

    /// SHA-256 of all bytes, as `sha256sum` prints it.
    pub(crate) fn sha256(&self) -> Result<String> {
        let mut hash = Sha256::new();
        for window in self.windows(0, self.len, 1) {
            hash.update(&*window?);
        }
        Ok(hex(&hash.finalize()))
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Reads a source from front to back.
#[derive(Debug)]
pub(crate) struct Cursor<'a> {
    source: &'a Source,
    /// Next byte, counted in the source.
    pos: u64,
    end: u64,
    window: View<'a>,
    window_start: u64,
}

impl<'a> Cursor<'a> {
    /// The bytes `start..end` of `source`, which has them.
    pub(crate) fn new(source: &'a Source, start: u64, end: u64) -> Self {
        Self { source, pos: start, end: end.min(source.len), window: View::Borrowed(&[]), window_start: start }
    }

    /// Where the next byte is, counted in the source.
    pub(crate) fn pos(&self) -> u64 {
        self.pos
    }

    /// What is left.
    pub(crate) fn remaining(&self) -> u64 {
        self.end.saturating_sub(self.pos)
    }

    /// The next `n` bytes; `what` they should be, if they are not there.
    pub(crate) fn take(&mut self, n: u64, what: &str) -> Result<&[u8]> {
        const AHEAD: u64 = 1 << 20;
        if n > self.remaining() {
            let found = format!("{} bytes before the end", self.remaining());
            return Err(Error::format(&self.source.path, format!("{n} bytes of {what}"), found).at(self.pos));
        }
        if self.pos + n > self.window_start + self.window.len() as u64 {
            self.window = View::Borrowed(&[]); // given back before the next one is made
            self.window = self.source.view(self.pos, n.max(AHEAD).min(self.remaining()))?;
            self.window_start = self.pos;
        }
        let at = (self.pos - self.window_start) as usize; // within the window
        self.pos += n;
        Ok(&self.window[at..at + n as usize])
    }

    /// Leaves `n` bytes out.
    pub(crate) fn skip(&mut self, n: u64) -> Result<()> {
        if n > self.remaining() {
            let found = format!("{} before the end", self.remaining());
            return Err(Error::format(&self.source.path, format!("{n} bytes"), found).at(self.pos));
        }
        self.pos += n;
        Ok(())
    }

    /// The next `N` bytes, for a number.
    pub(crate) fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N]> {
        Ok(self.take(N as u64, what)?.try_into().expect("N bytes were asked for"))
    }
}
