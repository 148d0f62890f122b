//! Feature locations of GenBank and EMBL (INSDC feature table definition, section 3.4).
//!
//! Ours and not gb-io's: gb-io reads any unknown text as the accession of another record, overflows on large numbers, and
//! calls itself once for every bracket.

use crate::coord::{Span, Strand};

/// Brackets inside brackets that are followed before a location is refused.
const MAX_DEPTH: usize = 32;

/// Where a feature is: one part or more, in the order in which they are read along the feature.
///
/// ```
/// use genome_formats::{GenbankReader, Strand};
///
/// let text: &[u8] = b"LOCUS  X 9 bp DNA\nFEATURES  Location/Qualifiers\n     \
///                     CDS             complement(join(<1..2,5..6))\nORIGIN\n 1 acgtacgta\n//\n";
/// let record = GenbankReader::new("x.gb", text).next().unwrap()?;
/// let parts = record.features[0].location.parts();
/// assert_eq!((parts[0].span.start(), parts[0].span.end(), parts[0].strand), (4, 6, Strand::Reverse));
/// assert_eq!((parts[1].span.start(), parts[1].partial_start), (0, true));
/// # Ok::<(), genome_formats::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Location {
    operator: Operator,
    parts: Vec<LocationPart>,
}

/// How the parts of a [`Location`] belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operator {
    /// There is one part.
    Single,
    /// `join`: the parts form one piece. A range over the origin of a circular record is a join too.
    Join,
    /// `order`: the parts come in this order, but may not form one piece.
    Order,
    /// `one-of`: exactly one of the parts is meant.
    OneOf,
    /// `bond`: the parts are bound to each other (proteins).
    Bond,
}

/// One stretch of a [`Location`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LocationPart {
    /// The bases; empty for a place between two bases (`5^6`).
    pub span: Span,
    /// The strand on which the feature reads.
    pub strand: Strand,
    /// The feature begins in front of `span.start()`, or that end is not known exactly. Counted along the sequence,
    /// whatever the strand.
    pub partial_start: bool,
    /// The feature ends behind `span.end()`, or that end is not known exactly.
    pub partial_end: bool,
    /// The record that the span counts in, if it is not this one.
    pub accession: Option<String>,
}

impl Location {
    /// How the parts belong together.
    pub fn operator(&self) -> Operator {
        self.operator
    }

    /// The parts, at least one, in the order in which they are read: on the reverse strand from right to left.
    pub fn parts(&self) -> &[LocationPart] {
        &self.parts
    }

    /// The smallest span around all parts in this record; `None` when all are in others.
    pub fn bounds(&self) -> Option<Span> {
        let here = || self.parts.iter().filter(|p| p.accession.is_none()).map(|p| p.span);
        let start = here().map(|s| s.start()).min()?;
        let end = here().map(|s| s.end()).max()?;
        Span::new(start, end)
    }

    /// Reads a location without blanks. `circular` is the length of a circular record, which ranges may wrap around.
    pub(crate) fn parse(text: &[u8], circular: Option<u64>) -> Result<Self, Fault> {
        let mut parser = Parser { text, at: 0, circular };
        let location = parser.location(0)?;
        if parser.at < text.len() {
            return Err(parser.fault("the end of the location"));
        }
        Ok(location)
    }

    fn reversed(mut self) -> Self {
        self.parts.reverse();
        for part in &mut self.parts {
            part.strand = part.strand.opposite();
        }
        self
    }
}

/// What was expected at which byte of the text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) at: usize,
    pub(crate) expected: &'static str,
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    circular: Option<u64>,
}

/// One end of a range: the bases it may be, counted from 1. A range takes the widest reading.
#[derive(Clone, Copy)]
struct End {
    lowest: u64,
    highest: u64,
    partial: bool,
}

impl Parser<'_> {
    fn location(&mut self, depth: usize) -> Result<Location, Fault> {
        const OPERATORS: [(&[u8], Operator); 4] = [
            (b"join(", Operator::Join),
            (b"order(", Operator::Order),
            (b"one-of(", Operator::OneOf),
            (b"bond(", Operator::Bond),
        ];
        if depth == MAX_DEPTH {
            return Err(self.fault("fewer brackets inside brackets"));
        }
        if self.eat(b"complement(") {
            let inner = self.location(depth + 1)?;
            self.need(b")", "a closing bracket")?;
            return Ok(inner.reversed());
        }
        if let Some(accession) = self.accession() {
            let mut inner = self.location(depth + 1)?;
            for part in &mut inner.parts {
                part.accession = Some(accession.clone());
            }
            return Ok(inner);
        }
        // `one-of` may also be one end of a range, so a range is tried first.
        let start = self.at;
        if let Some(&(name, operator)) = OPERATORS.iter().find(|(name, _)| self.text[start..].starts_with(name)) {
            if operator == Operator::OneOf {
                if let Ok(range) = self.range()
                    && self.text[start..self.at].windows(2).any(|w| w == b"..")
                {
                    return Ok(range);
                }
                self.at = start;
            }
            self.at += name.len();
            let mut parts = Vec::new();
            loop {
                parts.append(&mut self.location(depth + 1)?.parts);
                if self.eat(b")") {
                    break;
                }
                self.need(b",", "a comma or a closing bracket")?;
            }
            let operator = if parts.len() == 1 { Operator::Single } else { operator };
            return Ok(Location { operator, parts });
        }
        self.range()
    }

    /// `5`, `<5..>9`, `5^6`, `5.9`, and ends like `(5.9)`.
    fn range(&mut self) -> Result<Location, Fault> {
        let start = self.at;
        let first = self.end()?;
        if self.eat(b"^") {
            let last = self.end()?;
            let gap = match self.circular {
                Some(length) if first.lowest == length && last.highest == 1 => Some(length),
                _ => (last.highest == first.lowest + 1).then_some(first.lowest),
            };
            let span = gap.and_then(|gap| Span::new(gap, gap));
            return span
                .map(|span| single(span, false, false))
                .ok_or(Fault { at: start, expected: "two neighbouring bases around ^" });
        }
        let last = if self.eat(b"..") {
            self.end()?
        } else if self.eat(b".") {
            // One base somewhere from here to there: both ends are open.
            let last = self.end()?;
            return Span::from_one_based(first.lowest, last.highest)
                .map(|span| single(span, true, true))
                .ok_or(Fault { at: start, expected: "a start that is not behind its end" });
        } else {
            first
        };
        if let Some(span) = Span::from_one_based(first.lowest, last.highest) {
            return Ok(single(span, first.partial, last.partial));
        }
        let wrapped = self.circular.and_then(|length| {
            let tail = Span::from_one_based(first.lowest, length)?;
            let head = Span::from_one_based(1, last.highest)?;
            let mut parts = single(tail, first.partial, false).parts;
            parts.append(&mut single(head, false, last.partial).parts);
            Some(Location { operator: Operator::Join, parts })
        });
        wrapped.ok_or(Fault { at: start, expected: "a start that is not behind its end" })
    }

    fn end(&mut self) -> Result<End, Fault> {
        let bracket: Option<&[u8]> = if self.eat(b"(") {
            Some(b".")
        } else if self.eat(b"one-of(") {
            Some(b",")
        } else {
            None
        };
        let Some(separator) = bracket else {
            let before = self.eat(b"<");
            let after = !before && self.eat(b">");
            let base = self.number()?;
            return Ok(End { lowest: base, highest: base, partial: before || after });
        };
        let mut lowest = self.number()?;
        let mut highest = lowest;
        while self.eat(separator) {
            let base = self.number()?;
            lowest = lowest.min(base);
            highest = highest.max(base);
        }
        self.need(b")", "a closing bracket")?;
        Ok(End { lowest, highest, partial: true })
    }

    /// A base, counted from 1.
    fn number(&mut self) -> Result<u64, Fault> {
        let start = self.at;
        let mut value: Option<u64> = None;
        while let Some(digit) = self.text.get(self.at).filter(|b| b.is_ascii_digit()) {
            let next = value.unwrap_or(0).checked_mul(10).and_then(|v| v.checked_add(u64::from(digit - b'0')));
            // Room for the neighbour of a base, so that no sum overflows.
            value = Some(next.filter(|&v| v < u64::MAX).ok_or(Fault { at: start, expected: "a smaller number" })?);
            self.at += 1;
        }
        match value {
            None => Err(self.fault("a base number")),
            Some(0) => Err(Fault { at: start, expected: "a base number from 1" }),
            Some(value) => Ok(value),
        }
    }

    /// The name in front of a `:`.
    fn accession(&mut self) -> Option<String> {
        let rest = &self.text[self.at..];
        let length = rest.iter().position(|&b| !(b.is_ascii_alphanumeric() || b"_.|-".contains(&b)))?;
        if length == 0 || rest[length] != b':' {
            return None;
        }
        self.at += length + 1;
        Some(String::from_utf8_lossy(&rest[..length]).into_owned())
    }

    fn eat(&mut self, token: &[u8]) -> bool {
        let found = self.text[self.at..].starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn need(&mut self, token: &[u8], expected: &'static str) -> Result<(), Fault> {
        if self.eat(token) { Ok(()) } else { Err(self.fault(expected)) }
    }

    fn fault(&self, expected: &'static str) -> Fault {
        Fault { at: self.at, expected }
    }
}

fn single(span: Span, partial_start: bool, partial_end: bool) -> Location {
    let part = LocationPart { span, strand: Strand::Forward, partial_start, partial_end, accession: None };
    Location { operator: Operator::Single, parts: vec![part] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Parts as `start..end`, with `<` and `>` for open ends, `-` for the reverse strand, and the record in front.
    fn show(location: &Location) -> String {
        let part = |p: &LocationPart| {
            let accession = p.accession.as_ref().map_or(String::new(), |a| format!("{a}:"));
            let strand = if p.strand == Strand::Reverse { "-" } else { "" };
            let open = |o, c| if o { c } else { "" };
            format!(
                "{accession}{strand}{}{}..{}{}",
                open(p.partial_start, "<"),
                p.span.start(),
                open(p.partial_end, ">"),
                p.span.end()
            )
        };
        let parts: Vec<String> = location.parts().iter().map(part).collect();
        format!("{:?} {}", location.operator(), parts.join(" "))
    }

    #[test]
    fn locations_of_the_feature_table() {
        let check = |text: &str, expected: &str| {
            let location = Location::parse(text.as_bytes(), Some(100)).unwrap();
            assert_eq!(show(&location), expected, "{text}");
        };
        check("467", "Single 466..467");
        check("340..565", "Single 339..565");
        check("<345..500", "Single <344..500");
        check("<1..888", "Single <0..888");
        check("1..>888", "Single 0..>888");
        check("<5", "Single <4..>5");
        check("102.110", "Single <101..>110");
        check("123^124", "Single 123..123");
        check("100^1", "Single 100..100");
        check("(3.5)..20", "Single <2..20");
        check("3..(20.25)", "Single 2..>25");
        check("one-of(3,5)..20", "Single <2..20");
        check("one-of(3..5,9)", "OneOf 2..5 8..9");
        check("join(12..78,134..202)", "Join 11..78 133..202");
        check("join(5..9)", "Single 4..9");
        check("order(1..2,complement(3..4))", "Order 0..2 -2..4");
        check("bond(4,9)", "Bond 3..4 8..9");
        check("complement(34..126)", "Single -33..126");
        check("complement(join(1..2,5..>6))", "Join -4..>6 -0..2");
        check("join(complement(5..6),complement(1..2))", "Join -4..6 -0..2");
        check("J00194.1:100..202", "Single J00194.1:99..202");
        check("join(1..100,J00194.1:complement(1..20))", "Join 0..100 J00194.1:-0..20");
        check("90..10", "Join 89..100 0..10");
        check("complement(90..10)", "Join -0..10 -89..100");
    }

    #[test]
    fn broken_locations_say_where() {
        let check = |text: &str, at: usize, expected: &'static str| {
            assert_eq!(Location::parse(text.as_bytes(), None), Err(Fault { at, expected }), "{text}");
        };
        check("", 0, "a base number");
        check("abc", 0, "a base number");
        check("0..5", 0, "a base number from 1");
        check("-2..5", 0, "a base number");
        check("1..", 3, "a base number");
        check("1..5x", 4, "the end of the location");
        check("join(1..5", 9, "a comma or a closing bracket");
        check("complement(1..5", 15, "a closing bracket");
        check("9..5", 0, "a start that is not behind its end");
        check("5^9", 0, "two neighbouring bases around ^");
        check("99999999999999999999999", 0, "a smaller number");
        check("18446744073709551615", 0, "a smaller number");
        check("J00194", 0, "a base number");
        check("join()", 5, "a base number");
    }

    #[test]
    fn deep_nesting_is_refused() {
        let text = "complement(".repeat(100_000);
        let fault = Location::parse(text.as_bytes(), None).unwrap_err();
        assert_eq!(fault.expected, "fewer brackets inside brackets");
        let text = "a:".repeat(100_000);
        assert!(Location::parse(text.as_bytes(), None).is_err());
    }

    #[test]
    fn bounds_leave_out_other_records() {
        let parse = |text: &str| Location::parse(text.as_bytes(), None).unwrap();
        assert_eq!(parse("join(5..9,X:1..900,2..3)").bounds(), Span::new(1, 9));
        assert_eq!(parse("X:1..2").bounds(), None);
    }

    proptest! {
        #[test]
        fn any_text_never_panics(text in "[0-9a-z().,^<>:]{0,40}", length in proptest::option::of(0u64..200)) {
            let _ = Location::parse(text.as_bytes(), length);
        }

        #[test]
        fn nearly_locations_never_panic(
            words in proptest::collection::vec(proptest::sample::select(vec![
                "join(", "complement(", "order(", "one-of(", ")", ",", "..", ".", "^", "<", ">", "(", "1", "0", "77", "18446744073709551614", "X1:",
            ]), 0..20),
            length in proptest::option::of(0u64..200),
        ) {
            let _ = Location::parse(words.concat().as_bytes(), length);
        }
    }
}
