//! How a read lies on its reference: the operations of a CIGAR.

use std::fmt;

/// What an operation does (SAMv1, section 1.4, CIGAR).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CigarKind {
    /// `M`: aligned bases, equal or not.
    Match,
    /// `I`: bases that the reference does not have.
    Insertion,
    /// `D`: bases of the reference that the read does not have.
    Deletion,
    /// `N`: a skipped region of the reference; for mRNA an intron.
    Skip,
    /// `S`: bases that are in SEQ and not aligned.
    SoftClip,
    /// `H`: bases that are not aligned and not in SEQ.
    HardClip,
    /// `P`: a gap in a padded reference.
    Padding,
    /// `=`: aligned bases that are equal.
    Equal,
    /// `X`: aligned bases that differ.
    Differ,
}

impl CigarKind {
    /// In the order of their codes in BAM.
    pub(crate) const ALL: [Self; 9] = [
        Self::Match,
        Self::Insertion,
        Self::Deletion,
        Self::Skip,
        Self::SoftClip,
        Self::HardClip,
        Self::Padding,
        Self::Equal,
        Self::Differ,
    ];

    /// Its letter, one of `MIDNSHP=X`.
    pub const fn letter(self) -> u8 {
        b"MIDNSHP=X"[self as usize]
    }

    pub(crate) const fn from_letter(letter: u8) -> Option<Self> {
        Some(match letter {
            b'M' => Self::Match,
            b'I' => Self::Insertion,
            b'D' => Self::Deletion,
            b'N' => Self::Skip,
            b'S' => Self::SoftClip,
            b'H' => Self::HardClip,
            b'P' => Self::Padding,
            b'=' => Self::Equal,
            b'X' => Self::Differ,
            _ => return None,
        })
    }

    /// Whether its length counts on the read: `MIS=X`.
    pub const fn on_read(self) -> bool {
        matches!(self, Self::Match | Self::Insertion | Self::SoftClip | Self::Equal | Self::Differ)
    }

    /// Whether its length counts on the reference: `MDN=X`.
    pub const fn on_reference(self) -> bool {
        matches!(self, Self::Match | Self::Deletion | Self::Skip | Self::Equal | Self::Differ)
    }
}

/// One operation with its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CigarOp {
    /// What it does.
    pub kind: CigarKind,
    /// To how many bases.
    pub length: u32,
}

impl CigarOp {
    /// The longest operation that BAM can hold.
    pub(crate) const MAX_BAM: u32 = (1 << 28) - 1;

    /// As BAM stores it; the length must fit in 28 bits.
    pub(crate) fn to_bam(self) -> u32 {
        self.length << 4 | self.kind as u32
    }

    /// `None` for a code that is not in use.
    pub(crate) fn from_bam(word: u32) -> Option<Self> {
        Some(Self { kind: *CigarKind::ALL.get((word & 15) as usize)?, length: word >> 4 })
    }
}

impl fmt::Display for CigarOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.length, self.kind.letter() as char)
    }
}

/// Bases that operations take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct CigarLengths {
    pub(crate) read: u64,
    pub(crate) reference: u64,
    /// A clip stands where none may.
    pub(crate) misplaced: bool,
}

/// Sums operations up, and looks where the clips stand.
pub(crate) fn measure(ops: impl Iterator<Item = CigarOp>) -> CigarLengths {
    /// How far the operations went: each may only go on.
    #[derive(PartialEq, PartialOrd)]
    enum Part {
        Start,
        HeadHard,
        HeadSoft,
        Aligned,
        TailSoft,
        TailHard,
    }
    // "H can only be present as the first and/or last operation. S may only have H operations between them and the ends."
    let mut lengths = CigarLengths::default();
    let mut part = Part::Start;
    for op in ops {
        let length = u64::from(op.length);
        lengths.read += if op.kind.on_read() { length } else { 0 };
        lengths.reference += if op.kind.on_reference() { length } else { 0 };
        let next = match op.kind {
            CigarKind::HardClip if part == Part::Start => Part::HeadHard,
            CigarKind::HardClip if part < Part::TailHard => Part::TailHard,
            CigarKind::SoftClip if part < Part::HeadSoft => Part::HeadSoft,
            CigarKind::SoftClip if part < Part::TailSoft => Part::TailSoft,
            CigarKind::HardClip | CigarKind::SoftClip => {
                lengths.misplaced = true;
                continue;
            }
            _ => {
                lengths.misplaced |= part > Part::Aligned;
                Part::Aligned
            }
        };
        part = next;
    }
    lengths
}

/// Why text is no CIGAR.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadCigar {
    /// No length in front of an operation, or nothing at all.
    NoLength,
    /// The length does not fit in 32 bits.
    Length,
    /// The letter is not one of `MIDNSHP=X`, or missing.
    Letter,
}

impl BadCigar {
    pub(crate) fn problem(self) -> &'static str {
        match self {
            Self::NoLength => "a CIGAR operation without a length",
            Self::Length => "the length of a CIGAR operation is too large",
            Self::Letter => "an unknown CIGAR operation",
        }
    }

    pub(crate) fn expected(self) -> &'static str {
        match self {
            Self::NoLength => "a number and one of MIDNSHP=X for each operation, or *",
            Self::Length => "a length below 2^32",
            Self::Letter => "one of MIDNSHP=X behind each length",
        }
    }
}

/// The operations of a CIGAR's text, which is not `*`.
#[derive(Debug, Clone)]
pub(crate) struct CigarText<'a>(pub(crate) &'a [u8]);

impl Iterator for CigarText<'_> {
    type Item = Result<CigarOp, BadCigar>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let mut length: u64 = 0;
        let mut at = 0;
        while let Some(digit) = self.0.get(at).filter(|b| b.is_ascii_digit()) {
            length = length * 10 + u64::from(digit - b'0');
            if length > u64::from(u32::MAX) {
                return Some(Err(BadCigar::Length));
            }
            at += 1;
        }
        if at == 0 {
            return Some(Err(BadCigar::NoLength));
        }
        let Some(kind) = self.0.get(at).copied().and_then(CigarKind::from_letter) else {
            return Some(Err(BadCigar::Letter));
        };
        self.0 = &self.0[at + 1..];
        Some(Ok(CigarOp { kind, length: length as u32 }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ops(text: &str) -> Result<Vec<CigarOp>, BadCigar> {
        CigarText(text.as_bytes()).collect()
    }

    #[test]
    fn letters_and_codes() {
        for (code, kind) in CigarKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, code);
            assert_eq!(CigarKind::from_letter(kind.letter()), Some(kind));
            let op = CigarOp { kind, length: CigarOp::MAX_BAM };
            assert_eq!(CigarOp::from_bam(op.to_bam()), Some(op));
        }
        assert_eq!(CigarOp::from_bam(9), None);
    }

    #[test]
    fn text() {
        let good = ops("0=25M0M25M4294967295X").unwrap();
        assert_eq!(good.iter().map(ToString::to_string).collect::<String>(), "0=25M0M25M4294967295X");
        assert_eq!(ops("M"), Err(BadCigar::NoLength));
        assert_eq!(ops("5MM"), Err(BadCigar::NoLength));
        assert_eq!(ops("50M2"), Err(BadCigar::Letter));
        assert_eq!(ops("50M2Y"), Err(BadCigar::Letter));
        assert_eq!(ops("-5M"), Err(BadCigar::NoLength));
        assert_eq!(ops("4294967296M"), Err(BadCigar::Length));
        assert_eq!(ops("99999999999999999999999999999M"), Err(BadCigar::Length));
    }

    #[test]
    fn lengths_and_clips() {
        let check = |text: &str, read: u64, reference: u64, misplaced: bool| {
            let got = measure(ops(text).unwrap().into_iter());
            assert_eq!(got, CigarLengths { read, reference, misplaced }, "{text}");
        };
        check("", 0, 0, false);
        check("2H2S46M2S2H", 50, 46, false);
        check("25M3I2D4N1P2=1X", 31, 34, false);
        check("2S1H46M1H2S", 50, 46, true);
        check("24M1S25M", 50, 49, true);
        check("5M2H5M", 10, 10, true);
        check("5S", 5, 0, false);
        check("2H5S2H", 5, 0, false);
        check("2H", 0, 0, false);
        check("5S5S", 10, 0, false); // one clip in two operations
        check("5M2S3S", 10, 5, true);
    }
}
