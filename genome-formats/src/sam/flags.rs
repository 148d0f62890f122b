//! The bits of an alignment: paired, unmapped, reverse, ...

use std::fmt;

/// FLAG of an alignment (SAMv1, section 1.4): twelve defined bits.
///
/// ```
/// use genome_formats::Flags;
///
/// let flags = Flags::from_bits(99); // paired, properly, mate on the reverse strand, first of the two
/// assert!(flags.is_paired() && flags.is_mate_reverse() && flags.is_first() && !flags.is_reverse());
/// assert!(flags.is_primary());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Flags(u16);

impl Flags {
    /// The bits that the specification defines; all others are reserved.
    pub const DEFINED: u16 = 0xfff;

    /// Any bits, reserved ones too.
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    /// The number as it stands in the file.
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// 0x1: the template has several segments.
    pub const fn is_paired(self) -> bool {
        self.0 & 0x1 != 0
    }

    /// 0x2: each segment is properly aligned, as the aligner sees it.
    pub const fn is_proper_pair(self) -> bool {
        self.0 & 0x2 != 0
    }

    /// 0x4: the segment is unmapped. The only reliable place to tell.
    pub const fn is_unmapped(self) -> bool {
        self.0 & 0x4 != 0
    }

    /// 0x8: the next segment of the template is unmapped.
    pub const fn is_mate_unmapped(self) -> bool {
        self.0 & 0x8 != 0
    }

    /// 0x10: the sequence stands reverse complemented.
    pub const fn is_reverse(self) -> bool {
        self.0 & 0x10 != 0
    }

    /// 0x20: the sequence of the next segment stands reverse complemented.
    pub const fn is_mate_reverse(self) -> bool {
        self.0 & 0x20 != 0
    }

    /// 0x40: the first segment of the template.
    pub const fn is_first(self) -> bool {
        self.0 & 0x40 != 0
    }

    /// 0x80: the last segment of the template.
    pub const fn is_last(self) -> bool {
        self.0 & 0x80 != 0
    }

    /// 0x100: a secondary alignment.
    pub const fn is_secondary(self) -> bool {
        self.0 & 0x100 != 0
    }

    /// 0x200: the read failed quality checks.
    pub const fn is_quality_failed(self) -> bool {
        self.0 & 0x200 != 0
    }

    /// 0x400: a PCR or optical duplicate.
    pub const fn is_duplicate(self) -> bool {
        self.0 & 0x400 != 0
    }

    /// 0x800: a supplementary alignment.
    pub const fn is_supplementary(self) -> bool {
        self.0 & 0x800 != 0
    }

    /// Neither secondary nor supplementary: each read has one such line.
    pub const fn is_primary(self) -> bool {
        self.0 & 0x900 == 0
    }

    /// Bits that the specification reserves.
    pub(crate) const fn reserved(self) -> u16 {
        self.0 & !Self::DEFINED
    }
}

impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bit_has_one_name() {
        let names: [fn(Flags) -> bool; 12] = [
            Flags::is_paired,
            Flags::is_proper_pair,
            Flags::is_unmapped,
            Flags::is_mate_unmapped,
            Flags::is_reverse,
            Flags::is_mate_reverse,
            Flags::is_first,
            Flags::is_last,
            Flags::is_secondary,
            Flags::is_quality_failed,
            Flags::is_duplicate,
            Flags::is_supplementary,
        ];
        for bit in 0..16 {
            let flags = Flags::from_bits(1 << bit);
            let told: Vec<usize> = (0..12).filter(|&i| names[i](flags)).collect();
            assert_eq!(told, if bit < 12 { vec![bit] } else { vec![] });
            assert_eq!(flags.reserved() == 0, bit < 12);
        }
        assert!(!Flags::from_bits(0x100).is_primary() && !Flags::from_bits(0x800).is_primary());
        assert_eq!(Flags::from_bits(99).to_string(), "99");
    }
}
