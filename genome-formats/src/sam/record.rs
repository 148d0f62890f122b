//! An alignment: owned, the same for SAM, BAM and CRAM.

use std::sync::Arc;

use super::cigar::{CigarOp, measure};
use super::flags::Flags;
use super::tags::Tags;
use crate::coord::Span;

/// A read and where it lies, from SAM, BAM or CRAM. Positions count from 0.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Alignment {
    /// QNAME; `None` for `*`.
    pub name: Option<String>,
    /// FLAG.
    pub flags: Flags,
    /// RNAME, the reference sequence; `None` for `*`.
    pub reference: Option<Arc<str>>,
    /// POS, the first base of the reference that is covered, counted from 0; `None` where the file has 0.
    pub position: Option<u64>,
    /// MAPQ, as -10 log10 of the probability that the place is wrong; `None` for 255.
    pub mapping_quality: Option<u8>,
    /// CIGAR; empty for `*`.
    pub cigar: Vec<CigarOp>,
    /// RNEXT, the reference of the next segment; `None` for `*`.
    pub mate_reference: Option<Arc<str>>,
    /// PNEXT, counted from 0; `None` where the file has 0.
    pub mate_position: Option<u64>,
    /// TLEN, the signed length of the template.
    pub template_length: i32,
    /// SEQ, the letters of the read on the forward strand of the reference; empty for `*`.
    pub sequence: Vec<u8>,
    /// QUAL as Phred numbers from 0, without the offset of 33; `None` for `*`.
    pub qualities: Option<Vec<u8>>,
    /// The optional fields.
    pub tags: Tags,
}

impl Alignment {
    /// The bases of the reference that the read covers, deletions and introns included. A read that is placed without
    /// covering any (unmapped beside its mate, or insertions only) counts as one base, as indexes do (SAMv1, section 4.2.1).
    /// `None` without a position.
    ///
    /// ```
    /// use genome_formats::{Alignment, CigarKind, CigarOp, Span};
    ///
    /// let cigar = vec![CigarOp { kind: CigarKind::Match, length: 50 }, CigarOp { kind: CigarKind::Skip, length: 1000 }];
    /// let read = Alignment { position: Some(9), cigar, ..Alignment::default() };
    /// assert_eq!(read.span(), Span::new(9, 1059));
    /// ```
    pub fn span(&self) -> Option<Span> {
        let covered = if self.flags.is_unmapped() { 0 } else { measure(self.cigar.iter().copied()).reference };
        span_of(self.position?, covered)
    }

    /// Whether the read lies on a reference sequence and shares bases with a span of it.
    pub fn overlaps(&self, reference: &str, span: Span) -> bool {
        self.reference.as_deref() == Some(reference)
            && self.span().is_some_and(|own| own.start() < span.end() && span.start() < own.end())
    }
}

/// The span from `position` over `covered` bases, one at least.
pub(crate) fn span_of(position: u64, covered: u64) -> Option<Span> {
    Span::new(position, position.checked_add(covered.max(1))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sam::cigar::CigarKind;

    #[test]
    fn spans() {
        let op = |kind, length| CigarOp { kind, length };
        let read = |flags, position, cigar: &[CigarOp]| Alignment {
            flags: Flags::from_bits(flags),
            position,
            cigar: cigar.to_vec(),
            reference: Some("a".into()),
            ..Alignment::default()
        };
        let matched = [op(CigarKind::SoftClip, 5), op(CigarKind::Match, 10), op(CigarKind::Deletion, 3)];
        assert_eq!(read(0, Some(7), &matched).span(), Span::new(7, 20));
        assert_eq!(read(4, Some(7), &matched).span(), Span::new(7, 8));
        assert_eq!(read(0, Some(7), &[op(CigarKind::Insertion, 5)]).span(), Span::new(7, 8));
        assert_eq!(read(0, None, &matched).span(), None);
        assert_eq!(read(0, Some(u64::MAX), &matched).span(), None);
        let at = |start, end| Span::new(start, end).unwrap();
        let read = read(0, Some(7), &matched);
        assert!(read.overlaps("a", at(19, 30)) && read.overlaps("a", at(0, 8)));
        assert!(!read.overlaps("a", at(20, 30)) && !read.overlaps("a", at(0, 7)) && !read.overlaps("b", at(0, 30)));
    }
}
