//! From parts to nucleotides, and from nucleotides to protein.

use std::borrow::Cow;

use super::{Cds, CdsPart, TranslExcept, one_based};
use crate::alphabet::complement;
use crate::coord::{Span, Strand};
use crate::error::{ErrorKind, Result, count, quote};

/// A translated coding sequence.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Protein {
    /// The amino acids without the stop at the end; stops inside are `*`.
    pub letters: Vec<u8>,
    /// Whether the first codon is a start codon at a complete 5' end, and so M.
    pub start: bool,
    /// Whether a stop codon ends the protein.
    pub stop: bool,
    /// Where stops are in `letters`, counted from 0.
    pub internal_stops: Vec<u64>,
    /// Bases behind the last whole codon: 0, 1 or 2.
    pub trailing_bases: u8,
}

impl Cds {
    /// The bases of all parts in the order of translation, in the case of `seq`, which is the whole sequence.
    ///
    /// # Errors
    /// [`ErrorKind::Coordinate`] where a part lies outside `seq`, or all parts together are longer than twice the sequence;
    /// [`ErrorKind::Unsupported`] where a part lies in another sequence (see [`Cds::nucleotides_with`]).
    pub fn nucleotides(&self, seq: &[u8]) -> Result<Vec<u8>> {
        // Slippage repeats a base or two. A feature that repeats more would turn a short line into much memory.
        if self.len() > 2 * seq.len() as u64 + 64 {
            return Err(self
                .error(ErrorKind::Coordinate, "the parts are longer than the sequence")
                .expecting(format!("parts in {}", count(seq.len() as u64, "base")))
                .finding(count(self.len(), "base")));
        }
        let mut bases = Vec::new();
        for part in &self.parts {
            if let Some(other) = &part.accession {
                return Err(self
                    .error(ErrorKind::Unsupported, "a part lies in another sequence")
                    .finding(quote(other.as_bytes())));
            }
            let letters = part.span.slice(seq).ok_or_else(|| {
                self.error(ErrorKind::Coordinate, "a part lies outside the sequence")
                    .expecting(format!("bases in 1..{}", seq.len()))
                    .finding(one_based(part.span))
            })?;
            extend(&mut bases, letters, part.strand);
        }
        Ok(bases)
    }

    /// As [`Cds::nucleotides`], with bases that `fetch` gives for the name of a sequence and a span: from an indexed file,
    /// or from several sequences.
    ///
    /// # Errors
    /// Those of `fetch`; [`ErrorKind::Coordinate`] where it gives fewer or more bases than asked for.
    pub fn nucleotides_with<'a>(&self, mut fetch: impl FnMut(&str, Span) -> Result<Cow<'a, [u8]>>) -> Result<Vec<u8>> {
        let mut bases = Vec::new();
        for part in &self.parts {
            let letters = fetch(part.accession.as_deref().unwrap_or(&self.sequence), part.span)?;
            if letters.len() as u64 != part.span.len() {
                return Err(self
                    .error(ErrorKind::Coordinate, "a part lies outside the sequence")
                    .expecting(count(part.span.len(), "base"))
                    .finding(letters.len().to_string()));
            }
            extend(&mut bases, &letters, part.strand);
        }
        Ok(bases)
    }

    /// The protein of this coding sequence in `seq`, which is the whole sequence.
    ///
    /// # Errors
    /// Those of [`Cds::nucleotides`] and [`Cds::translate_bases`].
    pub fn translate(&self, seq: &[u8]) -> Result<Protein> {
        self.translate_bases(&self.nucleotides(seq)?)
    }

    /// The protein of bases that [`Cds::nucleotides`] or [`Cds::nucleotides_with`] gave.
    ///
    /// # Errors
    /// [`ErrorKind::Coordinate`] where a `transl_except` is not one codon of this coding sequence.
    pub fn translate_bases(&self, bases: &[u8]) -> Result<Protein> {
        let coding = bases.get(usize::from(self.phase)..).unwrap_or_default();
        let (codons, rest) = coding.as_chunks::<3>();
        let mut letters: Vec<u8> = codons.iter().map(|&c| self.code.translate_codon(c)).collect();

        let start = self.phase == 0 && !self.partial_5 && codons.first().is_some_and(|&c| self.code.is_start(c));
        if start {
            letters[0] = b'M';
        }
        if !rest.is_empty() {
            let mut codon = [b'N'; 3];
            codon[..rest.len()].copy_from_slice(rest);
            letters.push(self.code.translate_codon(codon));
        }
        let mut told = Vec::with_capacity(self.transl_except.len());
        for except in &self.transl_except {
            let at = self.codon_of(except)?;
            if let Some(letter) = letters.get_mut(at) {
                *letter = except.amino_acid;
                told.push(at);
            }
        }
        if !rest.is_empty() && letters.last() == Some(&b'X') && !told.contains(&codons.len()) {
            letters.pop();
        }
        // A codon that may be a stop or an amino acid is a stop at the end.
        if let Some(&codon) = codons.last()
            && letters.len() == codons.len()
            && !self.partial_3
            && self.code.is_stop(codon)
            && !told.contains(&(codons.len() - 1))
        {
            letters[codons.len() - 1] = b'*';
        }
        let stop = letters.last() == Some(&b'*');
        if stop {
            letters.pop();
        }
        let stops = letters.iter().enumerate().filter(|(_, l)| **l == b'*');
        Ok(Protein {
            internal_stops: stops.map(|(i, _)| i as u64).collect(),
            letters,
            start,
            stop,
            trailing_bases: rest.len() as u8,
        })
    }

    /// The number of the codon, counted from 0, that all bases of the exception belong to.
    fn codon_of(&self, except: &TranslExcept) -> Result<usize> {
        let wanted = except.spans.iter().fold(0, |n: u64, s| n.saturating_add(s.len()));
        let fault = || {
            let shown: Vec<String> = except.spans.iter().map(|s| one_based(*s)).collect();
            self.error(ErrorKind::Coordinate, "transl_except is not a codon of the coding sequence")
                .expecting("one to three bases of one codon")
                .finding(shown.join(","))
        };
        if !(1..=3).contains(&wanted) {
            return Err(fault());
        }
        // Where slippage reads a base twice, it has two offsets, so each codon collects its bases.
        let mut found: Vec<(u64, u64)> = Vec::new();
        let mut offset: u64 = 0;
        for part in self.parts.iter().filter(|p| p.accession.is_none()) {
            for base in except.spans.iter().flat_map(|s| s.start()..s.end()).filter(|&b| part.span.contains(b)) {
                let inside = offset_in(part, base);
                if let Some(codon) = offset.saturating_add(inside).checked_sub(self.phase.into()).map(|o| o / 3) {
                    match found.iter_mut().find(|(c, _)| *c == codon) {
                        Some((_, n)) => *n += 1,
                        None => found.push((codon, 1)),
                    }
                }
            }
            offset = offset.saturating_add(part.span.len());
        }
        let codon = found.iter().find(|(_, n)| *n >= wanted).ok_or_else(fault)?.0;
        usize::try_from(codon).map_err(|_| fault())
    }
}

fn offset_in(part: &CdsPart, base: u64) -> u64 {
    match part.strand {
        Strand::Forward => base - part.span.start(),
        Strand::Reverse => part.span.end() - 1 - base,
    }
}

/// Appends letters as the strand reads them.
pub(super) fn extend(bases: &mut Vec<u8>, letters: &[u8], strand: Strand) {
    match strand {
        Strand::Forward => bases.extend_from_slice(letters),
        Strand::Reverse => bases.extend(letters.iter().rev().map(|&b| complement(b).unwrap_or(b))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alphabet::reverse_complement;
    use crate::error::ErrorKind;
    use crate::genetic_code::GeneticCode;
    use proptest::prelude::*;

    fn part(start: u64, end: u64, strand: Strand) -> CdsPart {
        CdsPart::new(Span::new(start, end).unwrap(), strand)
    }

    fn whole(seq: &[u8]) -> Cds {
        Cds { sequence: "s".into(), parts: vec![part(0, seq.len() as u64, Strand::Forward)], ..Cds::default() }
    }

    fn except(start: u64, end: u64, amino_acid: u8) -> TranslExcept {
        TranslExcept { spans: vec![Span::new(start, end).unwrap()], amino_acid }
    }

    /// The protein as text: `^` for a start, `.` for a stop at the end, then the bases left over.
    fn show(cds: &Cds, seq: &[u8]) -> String {
        let p = cds.translate(seq).unwrap();
        let start = if p.start { "^" } else { "" };
        let stop = if p.stop { "." } else { "" };
        assert_eq!(p.internal_stops.len(), p.letters.iter().filter(|&&l| l == b'*').count());
        format!("{start}{}{stop}{}", String::from_utf8(p.letters).unwrap(), p.trailing_bases)
    }

    #[test]
    fn plain_translation() {
        let check = |seq: &[u8], expected: &str| assert_eq!(show(&whole(seq), seq), expected);
        check(b"", "0");
        check(b"A", "1");
        check(b"ATGAAATAA", "^MK.0");
        check(b"atgaaauaa", "^MK.0");
        check(b"TTGAAATAA", "^MK.0"); // a start in table 1
        check(b"GTGAAATAA", "VK.0"); // none there
        check(b"ATGTAAAAATAA", "^M*K.0");
        check(b"ATGAAA", "^MK0");
        check(b"TAA", ".0");
    }

    #[test]
    fn starts_stops_and_ends() {
        let check = |seq: &[u8], change: &dyn Fn(&mut Cds), expected: &str| {
            let mut cds = whole(seq);
            change(&mut cds);
            assert_eq!(show(&cds, seq), expected);
        };
        check(b"TTGAAATAA", &|c| c.partial_5 = true, "LK.0");
        check(b"CTTGAAATAA", &|c| c.phase = 1, "LK.0");
        check(b"CATTGAAATAA", &|c| c.phase = 2, "LK.0");
        check(b"A", &|c| c.phase = 2, "0");
        // The last codon is incomplete: told if it can be only one amino acid.
        check(b"ATGGT", &|c| c.partial_3 = true, "^MV2");
        check(b"ATGGA", &|c| c.partial_3 = true, "^M2");
        check(b"ATGG", &|_| {}, "^M1");
        check(b"ATGTAAG", &|_| {}, "^M.1");
        // TGA in table 27 is W inside and a stop at the end, unless the end is elsewhere.
        let karyorelict = GeneticCode::from_id(27).unwrap();
        check(b"ATGTGATAATGA", &|c| c.code = karyorelict, "^MWQ.0");
        check(
            b"ATGTGATAATGA",
            &|c| {
                c.code = karyorelict;
                c.partial_3 = true;
            },
            "^MWQW0",
        );
    }

    #[test]
    fn exceptions_of_translation() {
        let check = |seq: &[u8], excepts: &[TranslExcept], expected: &str| {
            let cds = Cds { transl_except: excepts.to_vec(), ..whole(seq) };
            assert_eq!(show(&cds, seq), expected);
            // The same on the other strand.
            let n = seq.len() as u64;
            let flip = |s: &Span| Span::new(n - s.end(), n - s.start()).unwrap();
            let mut cds = cds;
            for except in &mut cds.transl_except {
                except.spans = except.spans.iter().map(flip).collect();
            }
            cds.parts[0].strand = Strand::Reverse;
            assert_eq!(show(&cds, &reverse_complement(seq)), expected);
        };
        check(b"ATGTGATAA", &[except(3, 6, b'U')], "^MU.0");
        check(b"ATGTAGTAA", &[except(3, 6, b'O')], "^MO.0");
        check(b"ACGTGATAA", &[except(0, 3, b'M'), except(3, 6, b'X')], "MX.0");
        check(b"ATGAAATA", &[except(6, 8, b'*')], "^MK.2"); // TA, completed to TAA
        check(b"ATGAAAT", &[except(6, 7, b'*')], "^MK.1");
        check(b"ATGAAAG", &[except(6, 7, b'X')], "^MKX1");
        check(b"ATGAAATAA", &[except(6, 9, b'Q')], "^MKQ0");
    }

    #[test]
    fn an_exception_follows_introns_slippage_and_phase() {
        let seq = b"CATGTCCGATAAGG";
        let mut cds = Cds {
            parts: vec![part(0, 5, Strand::Forward), part(7, 12, Strand::Forward)],
            phase: 1,
            partial_5: true,
            transl_except: vec![TranslExcept {
                spans: vec![Span::new(4, 5).unwrap(), Span::new(7, 9).unwrap()],
                amino_acid: b'U',
            }],
            ..Cds::default()
        };
        assert_eq!(cds.nucleotides(seq).unwrap(), b"CATGTGATAA");
        assert_eq!(show(&cds, seq), "MU.0");
        // -1 slippage reads the base 5 twice: ATG AAT TGA TAA.
        let seq = b"ATGAATGATAA";
        cds = Cds {
            parts: vec![part(0, 6, Strand::Forward), part(5, 11, Strand::Forward)],
            transl_except: vec![except(5, 8, b'U')],
            ..Cds::default()
        };
        assert_eq!(cds.nucleotides(seq).unwrap(), b"ATGAATTGATAA");
        assert_eq!(show(&cds, seq), "^MNU.0");
    }

    #[test]
    fn parts_of_both_strands_and_over_the_origin() {
        let check = |parts: Vec<CdsPart>, expected: &[u8]| {
            let cds = Cds { parts, ..Cds::default() };
            assert_eq!(cds.nucleotides(b"AACCGGGTTT").unwrap(), expected);
        };
        use Strand::{Forward, Reverse};
        check(vec![part(0, 4, Forward)], b"AACC");
        check(vec![part(0, 4, Reverse)], b"GGTT");
        check(vec![part(4, 7, Reverse), part(0, 2, Forward)], b"CCCAA");
        check(vec![part(8, 10, Forward), part(0, 3, Forward)], b"TTAAC");
        check(vec![part(0, 3, Reverse), part(8, 10, Reverse)], b"GTTAA");
        check(vec![part(3, 3, Reverse)], b"");
    }

    #[test]
    fn what_is_outside_is_an_error() {
        let check = |cds: Cds, kind: ErrorKind, text: &str| {
            let error = cds.translate(b"ATGAAATAA").unwrap_err();
            assert_eq!((error.kind(), error.to_string().as_str()), (kind, text));
        };
        let good = || Cds { gene: Some("abc".into()), ..whole(b"ATGAAATAA") };
        let mut cds = good();
        cds.parts[0] = part(6, 12, Strand::Reverse);
        check(
            cds,
            ErrorKind::Coordinate,
            "s: a part lies outside the sequence in record \"abc\": expected bases in 1..9, found 7..12",
        );
        let mut cds = good();
        cds.parts = vec![part(0, 9, Strand::Forward); 1_000_000];
        check(
            cds,
            ErrorKind::Coordinate,
            "s: the parts are longer than the sequence in record \"abc\": expected parts in 9 bases, found 9000000 bases",
        );
        let mut cds = good();
        cds.parts = vec![part(u64::MAX - 1, u64::MAX, Strand::Forward)];
        cds.gene = None;
        check(
            cds,
            ErrorKind::Coordinate,
            "s: a part lies outside the sequence in record \"CDS 18446744073709551615..18446744073709551615\": \
             expected bases in 1..9, found 18446744073709551615..18446744073709551615",
        );
        let mut cds = good();
        cds.parts[0].accession = Some("J00194.1".into());
        check(cds, ErrorKind::Unsupported, "s: a part lies in another sequence in record \"abc\": found \"J00194.1\"");
        for (start, end) in [(1, 4), (0, 4), (3, 3), (20, 23)] {
            let cds = Cds { transl_except: vec![except(start, end, b'U')], ..good() };
            let error = cds.translate(b"ATGAAATAA").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Coordinate, "{start} {end}: {error}");
        }
        let cds = Cds { transl_except: vec![except(1, 4, b'U')], ..good() };
        check(
            cds,
            ErrorKind::Coordinate,
            "s: transl_except is not a codon of the coding sequence in record \"abc\": \
             expected one to three bases of one codon, found 2..4",
        );
    }

    #[test]
    fn bases_may_come_from_elsewhere() {
        let mut cds = Cds { sequence: "a".into(), parts: vec![part(0, 3, Strand::Forward)], ..Cds::default() };
        cds.parts.push(CdsPart { accession: Some("b".into()), ..part(1, 3, Strand::Reverse) });
        let fetch = |name: &str, span: Span| {
            let seq: &[u8] = if name == "a" { b"ATG" } else { b"CCA" };
            Ok(Cow::Borrowed(span.slice(seq).unwrap_or_default()))
        };
        assert_eq!(cds.nucleotides_with(fetch).unwrap(), b"ATGTG");
        cds.parts[0].span = Span::new(0, 4).unwrap();
        assert_eq!(cds.nucleotides_with(fetch).unwrap_err().kind(), ErrorKind::Coordinate);
    }

    proptest! {
        #[test]
        fn any_parts_and_exceptions_never_panic(
            seq in "[ACGTN-]{0,40}",
            parts in proptest::collection::vec((0u64..50, 0u64..50, any::<bool>()), 0..4),
            phase in 0u8..4,
            excepts in proptest::collection::vec((0u64..50, 0u64..5), 0..3),
        ) {
            let spans = |(a, b): (u64, u64)| Span::new(a.min(b), a.max(b)).unwrap();
            let strand = |reverse| if reverse { Strand::Reverse } else { Strand::Forward };
            let cds = Cds {
                parts: parts.into_iter().map(|(a, b, r)| CdsPart::new(spans((a, b)), strand(r))).collect(),
                phase,
                transl_except: excepts.into_iter().map(|(a, n)| except(a, a + n, b'U')).collect(),
                ..Cds::default()
            };
            if let Ok(protein) = cds.translate(seq.as_bytes()) {
                prop_assert!(protein.letters.len() as u64 <= cds.len().div_ceil(3));
            }
        }

        /// The whole world turned round: the same protein.
        #[test]
        fn the_other_strand_has_the_same_protein(seq in "[ACGTN]{0,60}", cut in 0usize..60, from in 0usize..60) {
            let n = seq.len() as u64;
            let (cut, from) = ((cut as u64).min(n), (from as u64).min(n));
            let forward = Cds {
                parts: vec![part(from, n, Strand::Forward), part(0, cut, Strand::Forward)],
                ..Cds::default()
            };
            let mut reverse = forward.clone();
            for p in &mut reverse.parts {
                p.span = Span::new(n - p.span.end(), n - p.span.start()).unwrap();
                p.strand = Strand::Reverse;
            }
            let other = reverse_complement(seq.as_bytes());
            prop_assert_eq!(forward.translate(seq.as_bytes()).unwrap(), reverse.translate(&other).unwrap());
        }
    }
}
