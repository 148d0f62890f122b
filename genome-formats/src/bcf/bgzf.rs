//! The compression of BCF files, in one place.

use std::io::{self, Write};

/// Writes blocks, and the empty one that ends a file.
pub(super) struct Compressed<W: Write>(noodles_bgzf::io::Writer<W>);

impl<W: Write> Compressed<W> {
    pub(super) fn new(out: W) -> Self {
        Self(noodles_bgzf::io::Writer::new(out))
    }

    pub(super) fn finish(self) -> io::Result<W> {
        let mut out = self.0.finish()?;
        out.flush()?;
        Ok(out)
    }
}

impl<W: Write> Write for Compressed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
