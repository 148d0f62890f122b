//! A growing window on a byte stream: parsers look at bytes in place, and memory follows the bytes that were read.

use std::io::{self, Read};

/// Bytes asked for at once. Large enough that a system call costs little, small enough to stay in the second-level cache.
const BLOCK: usize = 256 * 1024;

/// The bytes in front of a parser. [`Window::bytes`] stays where it is until [`Window::consume`] or [`Window::fill`].
pub(crate) struct Window<R> {
    inner: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    position: u64,
    ended: bool,
}

impl<R: Read> Window<R> {
    /// `position` is the byte of the stream at which `inner` stands.
    pub(crate) fn new(inner: R, position: u64) -> Self {
        Self { inner, buffer: Vec::new(), start: 0, end: 0, position, ended: false }
    }

    /// What was read and not consumed.
    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Byte of the stream at which [`Window::bytes`] starts.
    #[inline]
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Gives up the first `n` bytes.
    ///
    /// # Panics
    ///
    /// When there are fewer.
    #[inline]
    pub(crate) fn consume(&mut self, n: usize) {
        assert!(n <= self.end - self.start, "a parser consumes what it was shown");
        self.start += n;
        self.position += n as u64;
    }

    /// Reads more behind what is there, once; the number of new bytes, 0 only at the end of the stream. The buffer
    /// grows by half when it is full of bytes that nobody consumed.
    pub(crate) fn fill(&mut self) -> io::Result<usize> {
        if self.ended {
            return Ok(0);
        }
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        if self.end == self.buffer.len() {
            if self.start > 0 {
                self.buffer.copy_within(self.start..self.end, 0);
                (self.start, self.end) = (0, self.end - self.start);
            }
            if self.end > self.buffer.len() / 2 || self.buffer.is_empty() {
                // By half and not to the double: while it moves, both the old and the new one are in memory.
                self.buffer.resize(self.buffer.len() + (self.buffer.len() / 2).max(BLOCK), 0);
            }
        }
        loop {
            match self.inner.read(&mut self.buffer[self.end..]) {
                Ok(n) => {
                    self.end += n;
                    self.ended = n == 0;
                    return Ok(n);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl<R> std::fmt::Debug for Window<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Window").field("position", &self.position).field("ended", &self.ended).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_byte_comes_once(text in proptest::collection::vec(any::<u8>(), 0..2000), steps in proptest::collection::vec(0usize..300, 1..50)) {
            let mut window = Window::new(&text[..], 7);
            let mut seen = Vec::new();
            for step in steps {
                if window.bytes().len() < step {
                    window.fill().unwrap();
                }
                prop_assert_eq!(window.position(), 7 + seen.len() as u64);
                let n = step.min(window.bytes().len());
                seen.extend_from_slice(&window.bytes()[..n]);
                window.consume(n);
            }
            while window.fill().unwrap() > 0 {}
            seen.extend_from_slice(window.bytes());
            prop_assert_eq!(seen, text);
        }
    }

    #[test]
    fn the_buffer_grows_with_what_is_kept() {
        let mut window = Window::new(io::repeat(b'A').take(3 * BLOCK as u64), 0);
        while window.fill().unwrap() > 0 {}
        assert_eq!(window.bytes().len(), 3 * BLOCK);
        assert!(window.buffer.len() <= 8 * BLOCK);
        let mut window = Window::new(io::repeat(b'A').take(100 * BLOCK as u64), 0);
        while window.fill().unwrap() > 0 {
            window.consume(window.bytes().len() - 10);
        }
        assert_eq!(window.buffer.len(), BLOCK);
    }
}
