//! Coding sequences from a GenBank or EMBL feature, and from the CDS lines of GFF3 and GTF.

use super::{Cds, CdsPart, TranslExcept};
use crate::coord::{Span, Strand};
use crate::error::{ErrorKind, Result, quote};
use crate::genbank::{Feature, GenbankRecord};
use crate::genetic_code::GeneticCode;
use crate::location::{Location, LocationPart, Operator};

/// One CDS line of GFF3 or GTF.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CdsLine {
    /// Columns 4 and 5. Where a feature crosses the origin of a ring, GFF3 lets the end pass the length.
    pub span: Span,
    /// Column 7.
    pub strand: Strand,
    /// Column 8.
    pub phase: Option<u8>,
    /// NCBI's attribute `part`, which numbers the pieces of a trans-spliced feature.
    pub part: Option<u32>,
}

/// The CDS lines of one protein, for [`Cds::from_lines`].
///
/// ```
/// use genome_formats::{Cds, CdsLine, CdsLines, Span, Strand};
///
/// // A GTF gene on the reverse strand: its stop codon stands in a line of its own.
/// let line = |start, end| CdsLine {
///     span: Span::new(start, end).unwrap(), strand: Strand::Reverse, phase: Some(0), part: None,
/// };
/// let lines = CdsLines {
///     sequence: "chr1".to_owned(),
///     cds: vec![line(3, 6), line(8, 11)],
///     stop_codon: vec![line(0, 3)],
///     ..CdsLines::default()
/// };
/// let cds = Cds::from_lines(&lines)?;
/// assert_eq!(cds.nucleotides(b"TTATTTAACAT")?, b"ATGAAATAA");
/// assert_eq!(cds.translate(b"TTATTTAACAT")?.letters, b"MK");
/// # Ok::<(), genome_formats::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CdsLines {
    /// Column 1.
    pub sequence: String,
    /// The lines of kind `CDS`, in any order; in the order of translation where `trans_spliced` is set.
    pub cds: Vec<CdsLine>,
    /// The lines of kind `stop_codon`: GTF leaves the stop codon out of the CDS. Lines inside the CDS change nothing.
    pub stop_codon: Vec<CdsLine>,
    /// The attributes have `exception=trans-splicing`: the order of the lines (or their `part`) is that of translation.
    pub trans_spliced: bool,
    /// The length of the sequence, if it is a ring.
    pub ring: Option<u64>,
}

impl Cds {
    /// A coding sequence from a feature of a GenBank or EMBL record.
    ///
    /// # Errors
    /// [`ErrorKind::Syntax`] for a broken `codon_start`, `transl_table` or `transl_except`; [`ErrorKind::Unsupported`]
    /// for a `transl_table` that NCBI does not have, and for a location `one-of`.
    pub fn from_feature(feature: &Feature, record: &GenbankRecord) -> Result<Self> {
        let parts = feature.location.parts();
        let name = record.version.as_ref().or(record.accession.as_ref()).unwrap_or(&record.name);
        let mut cds = Self {
            sequence: name.clone(),
            parts: parts.iter().map(CdsPart::from).collect(),
            partial_5: parts.first().is_some_and(|p| open(p, Strand::Forward)),
            partial_3: parts.last().is_some_and(|p| open(p, Strand::Reverse)),
            ..Self::default()
        };
        let length = match record.seq.len() as u64 {
            0 => record.declared_len,
            length => Some(length),
        };
        let ring = length.filter(|_| record.circular);
        for (name, value) in &feature.qualifiers {
            cds.annotate(name, value.as_deref(), ring)?;
        }
        if feature.location.operator() == Operator::OneOf {
            return Err(cds.error(ErrorKind::Unsupported, "a coding sequence that may lie in several places (one-of)"));
        }
        Ok(cds)
    }

    /// A coding sequence from the lines of one protein. Attributes follow through [`Cds::annotate`].
    ///
    /// Lines are put into the order of translation: by their start, from the right on the reverse strand; trans-spliced
    /// ones by their `part`, else as they come. On a ring, lines that touch the origin from both sides run over it. The
    /// phase of the first one trims.
    ///
    /// # Errors
    /// [`ErrorKind::Empty`] without lines; [`ErrorKind::Coordinate`] for lines on both strands that are not trans-spliced,
    /// or outside a ring; [`ErrorKind::Syntax`] for a phase above 2.
    pub fn from_lines(lines: &CdsLines) -> Result<Self> {
        let mut cds = Self { sequence: lines.sequence.clone(), ..Self::default() };
        let mut ordered = lines.cds.clone();
        let extra = lines.stop_codon.iter().filter(|stop| !lines.cds.iter().any(|c| covers(c.span, stop.span)));
        ordered.extend(extra);
        let Some(first) = ordered.first().copied() else {
            return Err(cds.error(ErrorKind::Empty, "a coding sequence without lines"));
        };
        cds.parts = ordered.iter().map(|l| CdsPart::new(l.span, l.strand)).collect();
        if lines.cds.iter().all(|l| l.part.is_some()) && !lines.cds.is_empty() {
            // A stop codon has no number and stays behind.
            ordered.sort_by_key(|l| l.part.unwrap_or(u32::MAX));
        } else if !lines.trans_spliced {
            if ordered.iter().any(|l| l.strand != first.strand) {
                return Err(cds
                    .error(ErrorKind::Coordinate, "a coding sequence on both strands")
                    .expecting("one strand, or trans-splicing"));
            }
            sort_along(&mut ordered, lines.ring);
            if first.strand == Strand::Reverse {
                ordered.reverse();
            }
        }
        cds.phase = ordered[0].phase.unwrap_or(0);
        if cds.phase > 2 {
            return Err(cds
                .error(ErrorKind::Syntax, "a broken phase")
                .expecting("0, 1 or 2")
                .finding(cds.phase.to_string()));
        }
        cds.parts.clear();
        for line in &ordered {
            match wrap(line.span, line.strand, lines.ring) {
                Some(parts) => cds.parts.extend(parts),
                None => {
                    return Err(cds
                        .error(ErrorKind::Coordinate, "a line lies outside the ring")
                        .expecting(format!("a start in 1..{}", lines.ring.unwrap_or(0)))
                        .finding(super::one_based(line.span)));
                }
            }
        }
        Ok(cds)
    }

    /// Takes over one qualifier of a feature table, or one decoded attribute of GFF3 (which NCBI names alike):
    /// `codon_start`, `transl_table`, `transl_except`, `exception`, `pseudo`, `pseudogene`, `gene`, `locus_tag`,
    /// `protein_id`, `product`, `translation`, `start_range`, `end_range`. Others change nothing. Of names and texts the
    /// first counts. `ring` is the length of the sequence, if it is a ring.
    ///
    /// # Errors
    /// Those of [`Cds::from_feature`].
    pub fn annotate(&mut self, name: &str, value: Option<&str>, ring: Option<u64>) -> Result<()> {
        let text = |slot: &mut Option<String>| {
            if let (None, Some(value)) = (&slot, value) {
                *slot = Some(value.to_owned());
            }
        };
        let given = value.unwrap_or_default().trim();
        match name {
            "gene" => text(&mut self.gene),
            "locus_tag" => text(&mut self.locus_tag),
            "protein_id" => text(&mut self.protein_id),
            "product" => text(&mut self.product),
            "exception" => text(&mut self.exception),
            "translation" => {
                let letters = || given.chars().filter(|c| !c.is_whitespace()).collect();
                self.translation.get_or_insert_with(letters);
            }
            "pseudo" | "pseudogene" => self.pseudo |= given != "false",
            "codon_start" => match given {
                "1" | "2" | "3" => self.phase = given.as_bytes()[0] - b'1',
                _ => return Err(self.broken("codon_start", "1, 2 or 3", given)),
            },
            "transl_table" => {
                let id: u8 = given.parse().map_err(|_| self.broken("transl_table", "a number", given))?;
                self.code = GeneticCode::from_id(id).ok_or_else(|| {
                    self.error(ErrorKind::Unsupported, "an unknown transl_table")
                        .expecting("1-6, 9-16 or 21-33")
                        .finding(id.to_string())
                })?;
            }
            "transl_except" => {
                let except = parse_except(given, ring)
                    .ok_or_else(|| self.broken("transl_except", "(pos:<location>,aa:<amino acid>)", given))?;
                // Every line of a GFF3 feature repeats its attributes.
                if !self.transl_except.contains(&except) {
                    self.transl_except.push(except);
                }
            }
            // "start_range=.,5": the left end is open; "end_range=9,.": the right one.
            "start_range" if given.starts_with('.') => self.open_side(Strand::Forward),
            "end_range" if given.ends_with('.') => self.open_side(Strand::Reverse),
            _ => {}
        }
        Ok(())
    }

    /// Opens the side of the sequence where a feature on `strand` starts.
    fn open_side(&mut self, strand: Strand) {
        self.partial_5 |= self.parts.first().is_some_and(|p| p.strand == strand);
        self.partial_3 |= self.parts.last().is_some_and(|p| p.strand != strand);
    }

    fn broken(&self, what: &str, expected: &'static str, found: &str) -> crate::Error {
        self.error(ErrorKind::Syntax, format!("a broken {what}")).expecting(expected).finding(quote(found.as_bytes()))
    }
}

/// Whether the end of a part is open at which a feature on `strand` starts, seen along the part.
fn open(part: &LocationPart, strand: Strand) -> bool {
    if part.strand == strand { part.partial_start } else { part.partial_end }
}

/// Sorts lines from left to right. Where they touch both sides of the origin of a ring, they run over it: then the right
/// one of the widest gap comes first.
fn sort_along(lines: &mut [CdsLine], ring: Option<u64>) {
    lines.sort_by_key(|l| l.span);
    let touches =
        |l: u64| lines.first().is_some_and(|f| f.span.start() == 0) && lines.iter().any(|n| n.span.end() == l);
    if ring.is_some_and(touches) {
        let gap = |i: &usize| lines[*i].span.start().saturating_sub(lines[i - 1].span.end());
        let widest = (1..lines.len()).max_by_key(gap).unwrap_or(0);
        lines.rotate_left(widest);
    }
}

fn covers(outer: Span, inner: Span) -> bool {
    outer.start() <= inner.start() && inner.end() <= outer.end()
}

/// A span that may pass the end of a ring, as parts in the order of translation. `None` where it begins outside, or turns
/// round more than once.
pub(crate) fn wrap(span: Span, strand: Strand, ring: Option<u64>) -> Option<Vec<CdsPart>> {
    let Some(length) = ring.filter(|&l| span.end() > l) else {
        return Some(vec![CdsPart::new(span, strand)]);
    };
    if span.start() >= length || span.len() > length {
        return None;
    }
    let tail = CdsPart::new(Span::new(span.start(), length)?, strand);
    let head = CdsPart::new(Span::new(0, span.end() - length)?, strand);
    Some(match strand {
        Strand::Forward => vec![tail, head],
        Strand::Reverse => vec![head, tail],
    })
}

/// `(pos:complement(5..7),aa:Sec)`; blanks, which line breaks leave, do not count.
fn parse_except(text: &str, ring: Option<u64>) -> Option<TranslExcept> {
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let inner = text.strip_prefix('(')?.strip_suffix(')')?.strip_prefix("pos:")?;
    let (position, amino_acid) = inner.rsplit_once(",aa:")?;
    let location = Location::parse(position.as_bytes(), ring).ok()?;
    if location.parts().iter().any(|p| p.accession.is_some()) {
        return None;
    }
    let spans = location.parts().iter().map(|p| p.span).collect();
    Some(TranslExcept { spans, amino_acid: amino_acid_letter(amino_acid)? })
}

/// The letter of an abbreviation in the feature table definition's section 7.4.3 ("OTHER" and "TERM" besides).
fn amino_acid_letter(name: &str) -> Option<u8> {
    const NAMES: &[(&str, u8)] = &[
        ("Ala", b'A'),
        ("Asx", b'B'),
        ("Cys", b'C'),
        ("Asp", b'D'),
        ("Glu", b'E'),
        ("Phe", b'F'),
        ("Gly", b'G'),
        ("His", b'H'),
        ("Ile", b'I'),
        ("Xle", b'J'),
        ("Lys", b'K'),
        ("Leu", b'L'),
        ("Met", b'M'),
        ("Asn", b'N'),
        ("Pyl", b'O'),
        ("Pro", b'P'),
        ("Gln", b'Q'),
        ("Arg", b'R'),
        ("Ser", b'S'),
        ("Thr", b'T'),
        ("Sec", b'U'),
        ("Val", b'V'),
        ("Trp", b'W'),
        ("Xaa", b'X'),
        ("OTHER", b'X'),
        ("Tyr", b'Y'),
        ("Glx", b'Z'),
        ("TERM", b'*'),
    ];
    NAMES.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, letter)| *letter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn feature(location: &str, qualifiers: &[(&str, &str)]) -> Feature {
        Feature {
            kind: "CDS".into(),
            location: Location::parse(location.as_bytes(), Some(100)).unwrap(),
            qualifiers: qualifiers.iter().map(|(n, v)| ((*n).into(), Some((*v).into()))).collect(),
        }
    }

    fn record() -> GenbankRecord {
        GenbankRecord {
            name: "R".into(),
            version: Some("R.1".into()),
            circular: true,
            seq: vec![b'A'; 100],
            ..Default::default()
        }
    }

    fn show(cds: &Cds) -> String {
        let part = |p: &CdsPart| format!("{}{}..{}", p.strand.symbol(), p.span.start(), p.span.end());
        let parts: Vec<String> = cds.parts.iter().map(part).collect();
        let open = |o, c: &str| if o { c.to_owned() } else { String::new() };
        format!("{}{} /{}{}", open(cds.partial_5, "<"), parts.join(" "), cds.phase, open(cds.partial_3, ">"))
    }

    #[test]
    fn parts_and_open_ends_follow_the_direction() {
        let check = |location: &str, expected: &str| {
            assert_eq!(show(&Cds::from_feature(&feature(location, &[]), &record()).unwrap()), expected, "{location}");
        };
        check("1..9", "+0..9 /0");
        check("<1..9", "<+0..9 /0");
        check("1..>9", "+0..9 /0>");
        check("complement(<1..9)", "-0..9 /0>");
        check("complement(1..>9)", "<-0..9 /0");
        check("complement(join(<1..9,20..30))", "-19..30 -0..9 /0>");
        check("join(90..100,1..5)", "+89..100 +0..5 /0");
        check("90..5", "+89..100 +0..5 /0");
        check("join(complement(50..60),1..>5)", "-49..60 +0..5 /0>");
        check("order(1..3,7..9)", "+0..3 +6..9 /0");
    }

    #[test]
    fn qualifiers_are_taken_over() {
        let cds = Cds::from_feature(
            &feature(
                "1..9",
                &[
                    ("gene", "first"),
                    ("gene", "second"),
                    ("locus_tag", "b1"),
                    ("protein_id", "P.1"),
                    ("product", "a protein"),
                    ("codon_start", "3"),
                    ("transl_table", "4"),
                    ("transl_except", "(pos:complement(3..5), aa:Pyl)"),
                    ("transl_except", "(pos:complement(3..5),aa:Pyl)"),
                    ("transl_except", "(pos:9,aa:TERM)"),
                    ("exception", "RNA editing"),
                    ("translation", "MK L"),
                    ("note", "nothing"),
                ],
            ),
            &record(),
        )
        .unwrap();
        assert_eq!((cds.gene.as_deref(), cds.locus_tag.as_deref()), (Some("first"), Some("b1")));
        assert_eq!((cds.protein_id.as_deref(), cds.product.as_deref()), (Some("P.1"), Some("a protein")));
        assert_eq!((cds.phase, cds.code.id(), cds.pseudo), (2, 4, false));
        assert_eq!((cds.exception.as_deref(), cds.translation.as_deref()), (Some("RNA editing"), Some("MKL")));
        let span = |a, b| vec![Span::new(a, b).unwrap()];
        assert_eq!(
            cds.transl_except,
            [
                TranslExcept { spans: span(2, 5), amino_acid: b'O' },
                TranslExcept { spans: span(8, 9), amino_acid: b'*' }
            ]
        );
        assert_eq!((cds.sequence.as_str(), cds.label().as_ref()), ("R.1", "P.1"));
        let pseudo = Feature { qualifiers: vec![("pseudo".into(), None)], ..feature("1..9", &[]) };
        assert!(Cds::from_feature(&pseudo, &record()).unwrap().pseudo);
    }

    #[test]
    fn broken_qualifiers_are_named() {
        let check = |name: &str, value: &str, expected: &str| {
            let error = Cds::from_feature(&feature("1..9", &[(name, value)]), &record()).unwrap_err();
            assert_eq!(error.to_string(), format!("R.1: {expected}"));
        };
        check("codon_start", "4", "a broken codon_start in record \"CDS 1..9\": expected 1, 2 or 3, found \"4\"");
        check("codon_start", "", "a broken codon_start in record \"CDS 1..9\": expected 1, 2 or 3, found \"\"");
        check("transl_table", "x", "a broken transl_table in record \"CDS 1..9\": expected a number, found \"x\"");
        check(
            "transl_table",
            "7",
            "an unknown transl_table in record \"CDS 1..9\": expected 1-6, 9-16 or 21-33, found 7",
        );
        for text in
            ["", "(pos:5..7)", "(pos:,aa:Sec)", "(pos:5..7,aa:Nothing)", "pos:5..7,aa:Sec", "(pos:X:5..7,aa:Sec)"]
        {
            let error = Cds::from_feature(&feature("1..9", &[("transl_except", text)]), &record()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Syntax, "{text}");
        }
        let error = Cds::from_feature(&feature("one-of(1..9,20..30)", &[]), &record()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }

    fn line(start: u64, end: u64, strand: Strand, phase: u8) -> CdsLine {
        CdsLine { span: Span::new(start, end).unwrap(), strand, phase: Some(phase), part: None }
    }

    #[test]
    fn lines_are_put_in_order() {
        use Strand::{Forward, Reverse};
        let check = |lines: CdsLines, expected: &str| match Cds::from_lines(&lines) {
            Ok(cds) => assert_eq!(show(&cds), expected),
            Err(error) => assert_eq!(error.to_string(), expected),
        };
        let cds = |cds: Vec<CdsLine>| CdsLines { sequence: "chr".into(), cds, ..CdsLines::default() };
        check(cds(vec![line(9, 12, Forward, 0), line(0, 4, Forward, 1)]), "+0..4 +9..12 /1");
        check(cds(vec![line(0, 4, Reverse, 0), line(9, 12, Reverse, 2)]), "-9..12 -0..4 /2");
        check(
            cds(vec![line(0, 4, Reverse, 0), line(9, 12, Forward, 2)]),
            "chr: a coding sequence on both strands in record \"CDS 1..12\": expected one strand, or trans-splicing",
        );
        let spliced = CdsLines { trans_spliced: true, ..cds(vec![line(9, 12, Reverse, 0), line(0, 4, Forward, 2)]) };
        check(spliced, "-9..12 +0..4 /0");
        let numbered = |part, l| CdsLine { part: Some(part), ..l };
        check(cds(vec![numbered(2, line(0, 4, Forward, 2)), numbered(1, line(9, 12, Reverse, 1))]), "-9..12 +0..4 /1");
        // The stop codon of GTF, split by an intron, or inside already.
        let stop = |stop_codon, cds_lines| CdsLines { stop_codon, ..cds(cds_lines) };
        check(
            stop(vec![line(12, 13, Forward, 0), line(20, 22, Forward, 2)], vec![line(0, 4, Forward, 0)]),
            "+0..4 +12..13 +20..22 /0",
        );
        check(stop(vec![line(0, 3, Reverse, 0)], vec![line(3, 9, Reverse, 0)]), "-3..9 -0..3 /0");
        check(stop(vec![line(6, 9, Forward, 0)], vec![line(3, 9, Forward, 0)]), "+3..9 /0");
        // GFF3 lets a feature on a ring end behind the length.
        let ring = |l: CdsLine| CdsLines { ring: Some(20), ..cds(vec![l]) };
        check(ring(line(15, 26, Forward, 0)), "+15..20 +0..6 /0");
        check(ring(line(15, 26, Reverse, 0)), "-0..6 -15..20 /0");
        // Others write two lines.
        let lines = |strand| vec![line(0, 3, strand, 0), line(12, 14, strand, 0), line(15, 20, strand, 0)];
        let ring = |l: Vec<CdsLine>| CdsLines { ring: Some(20), ..cds(l) };
        check(ring(lines(Forward)), "+12..14 +15..20 +0..3 /0");
        check(ring(lines(Reverse)), "-0..3 -15..20 -12..14 /0");
        check(cds(lines(Forward)), "+0..3 +12..14 +15..20 /0");
        check(ring(vec![line(0, 20, Forward, 0)]), "+0..20 /0");
        let ring = |l: CdsLine| CdsLines { ring: Some(20), ..cds(vec![l]) };
        check(
            ring(line(20, 26, Forward, 0)),
            "chr: a line lies outside the ring in record \"CDS 1..0\": expected a start in 1..20, found 21..26",
        );
        check(
            cds(vec![line(0, 4, Forward, 3)]),
            "chr: a broken phase in record \"CDS 1..4\": expected 0, 1 or 2, found 3",
        );
        check(cds(vec![]), "chr: a coding sequence without lines in record \"CDS 1..0\"");
    }

    #[test]
    fn open_ranges_of_gff() {
        let check = |strand, name: &str, value: &str, expected: &str| {
            let lines = CdsLines { cds: vec![line(0, 9, strand, 0)], ..CdsLines::default() };
            let mut cds = Cds::from_lines(&lines).unwrap();
            cds.annotate(name, Some(value), None).unwrap();
            assert_eq!(show(&cds), expected);
        };
        check(Strand::Forward, "start_range", ".,1", "<+0..9 /0");
        check(Strand::Forward, "end_range", "9,.", "+0..9 /0>");
        check(Strand::Reverse, "start_range", ".,1", "-0..9 /0>");
        check(Strand::Reverse, "end_range", "9,.", "<-0..9 /0");
        check(Strand::Reverse, "end_range", "9,12", "-0..9 /0");
    }

    proptest! {
        #[test]
        fn any_qualifier_never_panics(
            name in proptest::sample::select(vec!["codon_start", "transl_table", "transl_except", "start_range", "note"]),
            value in "[(]?(pos:)?[0-9.,()a-z]{0,9}(,aa:)?(Sec|TERM|x)?[)]?",
        ) {
            let _ = Cds::from_feature(&feature("1..9", &[(name, &value)]), &record());
        }
    }
}
