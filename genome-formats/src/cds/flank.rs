//! The bases beside a feature, as its strand reads them.

use super::build::wrap;
use super::{Cds, CdsPart};
use crate::coord::{Span, Strand};
use crate::error::{ErrorKind, Result};
use crate::topology::Topology;

/// The bases in front of a feature or behind it, as its strand reads them.
///
/// On a line the flank is cut at the end of the sequence; on a ring it goes on behind the origin, up to the feature itself.
///
/// ```
/// use genome_formats::{Flank, Span, Strand, Topology};
///
/// let seq = b"AACCGGGTTT";
/// let gene = Span::new(2, 5).unwrap();
/// let before = Flank::upstream(gene, Strand::Forward, 4, 10, Topology::Linear).unwrap();
/// assert_eq!((before.bases(seq).unwrap(), before.missing), (b"AA".to_vec(), 2));
///
/// let before = Flank::upstream(gene, Strand::Forward, 4, 10, Topology::Circular).unwrap();
/// assert_eq!((before.bases(seq).unwrap(), before.missing), (b"TTAA".to_vec(), 0));
///
/// let before = Flank::upstream(gene, Strand::Reverse, 4, 10, Topology::Linear).unwrap();
/// assert_eq!(before.bases(seq).unwrap(), b"AACC"); // reverse complement of GGTT
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Flank {
    /// Where the bases are, in reading order: one part, or two over the origin; none where there are no bases.
    pub parts: Vec<CdsPart>,
    /// How many of the bases asked for do not exist.
    pub missing: u64,
}

impl Flank {
    /// `n` bases in front of a feature in a sequence of `length` bases; `None` where the feature is not inside.
    pub fn upstream(span: Span, strand: Strand, n: u64, length: u64, topology: Topology) -> Option<Self> {
        match strand {
            Strand::Forward => Self::left(span, strand, n, length, topology),
            Strand::Reverse => Self::right(span, strand, n, length, topology),
        }
    }

    /// `n` bases behind a feature in a sequence of `length` bases; `None` where the feature is not inside.
    pub fn downstream(span: Span, strand: Strand, n: u64, length: u64, topology: Topology) -> Option<Self> {
        match strand {
            Strand::Forward => Self::right(span, strand, n, length, topology),
            Strand::Reverse => Self::left(span, strand, n, length, topology),
        }
    }

    /// How many bases there are.
    pub fn len(&self) -> u64 {
        self.parts.iter().map(|p| p.span.len()).sum()
    }

    /// Whether there are no bases.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The letters, from the sequence that the flank was made for; `None` where `seq` is shorter.
    pub fn bases(&self, seq: &[u8]) -> Option<Vec<u8>> {
        let mut bases = Vec::new();
        for part in &self.parts {
            super::translate::extend(&mut bases, part.span.slice(seq)?, part.strand);
        }
        Some(bases)
    }

    fn left(span: Span, strand: Strand, n: u64, length: u64, topology: Topology) -> Option<Self> {
        let room = room(span, length, topology, span.start())?;
        let taken = n.min(room);
        let flank = match span.start().checked_sub(taken) {
            Some(start) => Span::new(start, span.start())?,
            // Over the origin: counted on from the end.
            None => Span::new(length - (taken - span.start()), length.checked_add(span.start())?)?,
        };
        Self::new(flank, strand, n - taken, length)
    }

    fn right(span: Span, strand: Strand, n: u64, length: u64, topology: Topology) -> Option<Self> {
        let room = room(span, length, topology, length.checked_sub(span.end())?)?;
        let taken = n.min(room);
        let start = if span.end() == length && taken > 0 && topology.is_circular() { 0 } else { span.end() };
        Self::new(Span::new(start, start.checked_add(taken)?)?, strand, n - taken, length)
    }

    fn new(span: Span, strand: Strand, missing: u64, length: u64) -> Option<Self> {
        let parts = if span.is_empty() { Vec::new() } else { wrap(span, strand, Some(length))? };
        Some(Self { parts, missing })
    }
}

/// How many bases a flank can have where a line has `to_end`.
fn room(span: Span, length: u64, topology: Topology, to_end: u64) -> Option<u64> {
    let rest = length.checked_sub(span.end())? + span.start();
    Some(if topology.is_circular() { rest } else { to_end })
}

impl Cds {
    /// `n` bases in front of the coding sequence in a sequence of `length` bases.
    ///
    /// # Errors
    /// [`ErrorKind::Coordinate`] where the first part is not inside; [`ErrorKind::Unsupported`] where it lies in another
    /// sequence; [`ErrorKind::Empty`] where there are no parts.
    pub fn upstream(&self, n: u64, length: u64, topology: Topology) -> Result<Flank> {
        self.flank(self.parts.first(), |p| Flank::upstream(p.span, p.strand, n, length, topology))
    }

    /// `n` bases behind the coding sequence in a sequence of `length` bases.
    ///
    /// # Errors
    /// Those of [`Cds::upstream`], for the last part.
    pub fn downstream(&self, n: u64, length: u64, topology: Topology) -> Result<Flank> {
        self.flank(self.parts.last(), |p| Flank::downstream(p.span, p.strand, n, length, topology))
    }

    fn flank(&self, part: Option<&CdsPart>, flank: impl Fn(&CdsPart) -> Option<Flank>) -> Result<Flank> {
        let part = part.ok_or_else(|| self.error(ErrorKind::Empty, "a coding sequence without parts"))?;
        if part.accession.is_some() {
            return Err(self.error(ErrorKind::Unsupported, "a part lies in another sequence"));
        }
        flank(part).ok_or_else(|| {
            self.error(ErrorKind::Coordinate, "a part lies outside the sequence").finding(super::one_based(part.span))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alphabet::reverse_complement;
    use proptest::prelude::*;

    const SEQ: &[u8] = b"AACCGGGTTT";

    #[test]
    fn flanks_of_both_strands() {
        let check = |start, end, strand, n, topology, up: (&str, u64), down: (&str, u64)| {
            let span = Span::new(start, end).unwrap();
            let show = |flank: Option<Flank>| {
                let flank = flank.unwrap();
                (String::from_utf8(flank.bases(SEQ).unwrap()).unwrap(), flank.missing)
            };
            let expect = |(text, missing): (&str, u64)| (text.to_owned(), missing);
            assert_eq!(show(Flank::upstream(span, strand, n, 10, topology)), expect(up));
            assert_eq!(show(Flank::downstream(span, strand, n, 10, topology)), expect(down));
        };
        use Strand::{Forward, Reverse};
        use Topology::{Circular, Linear};
        check(4, 7, Forward, 2, Linear, ("CC", 0), ("TT", 0));
        check(4, 7, Reverse, 2, Linear, ("AA", 0), ("GG", 0));
        check(4, 7, Forward, 9, Linear, ("AACC", 5), ("TTT", 6));
        check(4, 7, Forward, 9, Circular, ("TTTAACC", 2), ("TTTAACC", 2));
        check(4, 7, Reverse, 5, Circular, ("TTAAA", 0), ("GGTTA", 0));
        check(0, 3, Forward, 2, Linear, ("", 2), ("CG", 0));
        check(0, 3, Forward, 2, Circular, ("TT", 0), ("CG", 0));
        check(8, 10, Reverse, 3, Circular, ("GTT", 0), ("ACC", 0));
        check(0, 10, Forward, 3, Circular, ("", 3), ("", 3));
        check(5, 5, Forward, 0, Linear, ("", 0), ("", 0));
    }

    #[test]
    fn a_coding_sequence_has_the_flanks_of_its_ends() {
        let part = |a, b| CdsPart::new(Span::new(a, b).unwrap(), Strand::Forward);
        let mut cds = Cds { parts: vec![part(8, 10), part(0, 4)], ..Cds::default() };
        let up = cds.upstream(3, 10, Topology::Circular).unwrap();
        assert_eq!(up.bases(SEQ).unwrap(), b"GGT");
        assert_eq!(cds.downstream(2, 10, Topology::Circular).unwrap().bases(SEQ).unwrap(), b"GG");
        assert_eq!(cds.upstream(3, 9, Topology::Circular).unwrap_err().kind(), ErrorKind::Coordinate);
        cds.parts[0].accession = Some("x".into());
        assert_eq!(cds.upstream(3, 10, Topology::Circular).unwrap_err().kind(), ErrorKind::Unsupported);
        assert_eq!(Cds::default().upstream(3, 10, Topology::Linear).unwrap_err().kind(), ErrorKind::Empty);
        assert_eq!(Flank::upstream(Span::new(5, 11).unwrap(), Strand::Forward, 1, 10, Topology::Linear), None);
    }

    proptest! {
        /// Against the sequence written three times in a row.
        #[test]
        fn flanks_agree_with_a_naive_twin(
            seq in "[ACGT]{1,30}", a in 0usize..30, b in 0usize..30, n in 0usize..70, ring: bool, reverse: bool,
        ) {
            let length = seq.len();
            let (start, end) = (a.min(b).min(length), a.max(b).min(length));
            let strand = if reverse { Strand::Reverse } else { Strand::Forward };
            let span = Span::new(start as u64, end as u64).unwrap();
            let flank = Flank::upstream(span, strand, n as u64, length as u64, Topology::from_flag(ring)).unwrap();
            let rest = length - (end - start);
            let three = seq.repeat(3).into_bytes();
            let (left, right) = if ring { (rest, rest) } else { (start, length - end) };
            let expected = if reverse {
                let taken = n.min(right);
                reverse_complement(&three[length + end..length + end + taken])
            } else {
                let taken = n.min(left);
                three[length + start - taken..length + start].to_vec()
            };
            prop_assert_eq!(flank.len() + flank.missing, n as u64);
            prop_assert_eq!(flank.bases(seq.as_bytes()).unwrap(), expected);
        }
    }
}
