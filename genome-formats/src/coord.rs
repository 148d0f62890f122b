//! Coordinates: spans that count from 0 and exclude their end, and strands.

/// A stretch of a sequence: 0-based, half-open, `start <= end`.
///
/// Formats that count from 1 are converted where they are read, so a `Span` never needs a second look.
///
/// ```
/// use genome_formats::Span;
///
/// let span = Span::from_one_based(3, 5).unwrap(); // GenBank's 3..5
/// assert_eq!((span.start(), span.end(), span.len()), (2, 5, 3));
/// assert_eq!(span.slice(b"ACGTAC"), Some(&b"GTA"[..]));
/// assert_eq!(Span::new(5, 2), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    start: u64,
    end: u64,
}

impl Span {
    /// The bases `start..end`, counted from 0; `None` when `end < start`.
    pub fn new(start: u64, end: u64) -> Option<Self> {
        (start <= end).then_some(Self { start, end })
    }

    /// The bases `first..=last`, counted from 1; `None` when `first` is 0 or behind `last`.
    pub fn from_one_based(first: u64, last: u64) -> Option<Self> {
        if first > last {
            return None;
        }
        Self::new(first.checked_sub(1)?, last)
    }

    /// The first base, counted from 0.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// The base behind the last one, counted from 0.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// How many bases are inside.
    pub fn len(&self) -> u64 {
        self.end - self.start
    }

    /// Whether the span is a place between two bases.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Whether the base at `position`, counted from 0, is inside.
    pub fn contains(&self, position: u64) -> bool {
        (self.start..self.end).contains(&position)
    }

    /// The bases of the span; `None` when `seq` is too short.
    pub fn slice<'a>(&self, seq: &'a [u8]) -> Option<&'a [u8]> {
        let start = usize::try_from(self.start).ok()?;
        let end = usize::try_from(self.end).ok()?;
        seq.get(start..end)
    }
}

/// One of the two strands of a DNA molecule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Strand {
    /// The strand that the file shows.
    Forward,
    /// Its reverse complement.
    Reverse,
}

impl Strand {
    /// The other strand.
    pub fn opposite(self) -> Self {
        match self {
            Self::Forward => Self::Reverse,
            Self::Reverse => Self::Forward,
        }
    }

    /// `+` or `-`.
    pub fn symbol(self) -> char {
        match self {
            Self::Forward => '+',
            Self::Reverse => '-',
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_checked() {
        assert_eq!(Span::new(1, 0), None);
        assert_eq!(Span::from_one_based(0, 4), None);
        assert_eq!(Span::from_one_based(4, 3), None);
        let span = Span::new(7, 7).unwrap();
        assert!(span.is_empty() && !span.contains(7));
        assert_eq!(Span::new(1, u64::MAX).unwrap().slice(b"ACGT"), None);
    }

    #[test]
    fn strands_flip() {
        assert_eq!(Strand::Forward.opposite(), Strand::Reverse);
        assert_eq!(Strand::Reverse.opposite().symbol(), '+');
    }
}
