//! Where features stand in their file: a reader that looks at the lines that pass through it.

use std::cell::RefCell;
use std::io::Read;
use std::rc::Rc;

/// Lines of the features that went by, as the reader behind asks for them.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// For each record of a flat file: its first line, and those of its features.
    pub(super) records: Vec<(u64, Vec<u32>)>,
    /// For GFF: the lines of features.
    pub(super) features: Vec<u32>,
}

/// What counts as a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    Genbank,
    Embl,
    Gff,
    Fasta,
}

/// Gives on what it reads and notes the lines of features.
pub(super) struct Tracked<R> {
    inner: R,
    layout: Layout,
    line: u64,
    /// The beginning of a line that is not over yet.
    open: Vec<u8>,
    in_features: bool,
    done: bool,
    seen: Rc<RefCell<Seen>>,
}

/// Bytes of a line that tell what it is.
const HEAD: usize = 32;

impl<R: Read> Tracked<R> {
    pub(super) fn new(inner: R, layout: Layout) -> (Self, Rc<RefCell<Seen>>) {
        let seen = Rc::new(RefCell::new(Seen::default()));
        let open = Vec::with_capacity(HEAD);
        let tracked = Self { inner, layout, line: 0, open, in_features: false, done: false, seen: Rc::clone(&seen) };
        (tracked, seen)
    }

    fn scan(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|b| *b == b'\n') {
            let line = &rest[..end];
            if self.open.is_empty() {
                self.take(line);
            } else {
                let missing = HEAD.saturating_sub(self.open.len());
                self.open.extend_from_slice(&line[..line.len().min(missing)]);
                let open = std::mem::take(&mut self.open);
                self.take(&open);
                self.open = open;
                self.open.clear();
            }
            rest = &rest[end + 1..];
        }
        let missing = HEAD.saturating_sub(self.open.len());
        self.open.extend_from_slice(&rest[..rest.len().min(missing)]);
    }

    fn take(&mut self, line: &[u8]) {
        self.line += 1;
        let number = u32::try_from(self.line).unwrap_or(u32::MAX);
        let seen = &mut *self.seen.borrow_mut();
        match self.layout {
            Layout::Genbank => {
                if self.in_features {
                    if line.starts_with(b"     ") {
                        if line.get(5).is_some_and(|b| !b.is_ascii_whitespace())
                            && let Some((_, features)) = seen.records.last_mut()
                        {
                            features.push(number);
                        }
                    } else if line.first().is_some_and(|b| !b.is_ascii_whitespace()) {
                        self.in_features = false;
                    }
                } else if line.starts_with(b"FEATURES") {
                    self.in_features = true;
                }
                if line.starts_with(b"LOCUS") {
                    seen.records.push((self.line, Vec::new()));
                }
            }
            Layout::Embl => {
                if line.starts_with(b"ID   ") {
                    seen.records.push((self.line, Vec::new()));
                } else if line.starts_with(b"FT   ")
                    && line.get(5).is_some_and(|b| !b.is_ascii_whitespace())
                    && let Some((_, features)) = seen.records.last_mut()
                {
                    features.push(number);
                }
            }
            Layout::Gff => {
                self.done |= line.starts_with(b">") || line.starts_with(b"##FASTA");
                if !self.done && !line.starts_with(b"#") && !line.trim_ascii().is_empty() {
                    seen.features.push(number);
                }
            }
            Layout::Fasta => {
                if line.starts_with(b">") {
                    seen.features.push(number);
                }
            }
        }
    }
}

impl<R: Read> Read for Tracked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.inner.read(buffer)?;
        if n == 0 {
            if !self.open.is_empty() {
                self.scan(b"\n");
            }
        } else {
            self.scan(&buffer[..n]);
        }
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(layout: Layout, text: &str, piece: usize) -> (Vec<u32>, Vec<(u64, Vec<u32>)>) {
        let (mut tracked, seen) = Tracked::new(text.as_bytes(), layout);
        let mut buffer = vec![0; piece];
        while tracked.read(&mut buffer).unwrap() > 0 {}
        let seen = seen.borrow();
        (seen.features.clone(), seen.records.clone())
    }

    #[test]
    fn lines_are_counted_whatever_the_pieces() {
        let genbank = "\nLOCUS x\nFEATURES  a\n     gene            1..2\n                     /gene=\"a\"\n     CDS             1..2\n\
                       ORIGIN\n     4981 acgt\n//\nLOCUS y\nFEATURES\n     gene            3\n//";
        let gff = "##gff-version 3\na\tb\n\n# c\nd\te\n##FASTA\n>x\nACGT";
        for piece in [1, 2, 7, 100, 1000] {
            assert_eq!(lines(Layout::Genbank, genbank, piece).1, [(2, vec![4, 6]), (10, vec![12])]);
            assert_eq!(lines(Layout::Gff, gff, piece).0, [2, 5]);
            assert_eq!(lines(Layout::Fasta, ">a\nAC\n>b", piece).0, [1, 3]);
        }
    }
}
