//! Feature locations of GenBank and EMBL (INSDC feature table definition 11.3, section 3.4).
//!
//! Unlike other readers this one takes no unknown text for the accession of another record, overflows on no number, and
//! follows a bounded depth of brackets. Order, strand and open ends are kept; nested operators become the outer one.

use std::fmt;

use crate::coord::{Span, Strand};
use crate::error::{Error, ErrorKind, quote};

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
    /// One stretch.
    pub fn single(span: Span, strand: Strand) -> Self {
        let part = LocationPart { strand, ..LocationPart::forward(span, false, false) };
        Self { operator: Operator::Single, parts: vec![part] }
    }

    /// Several parts in the order in which they are read. `None` for what cannot be written down: no part, a number of
    /// parts that does not fit the operator (one is [`Operator::Single`]), a place between two bases in front of the first
    /// base or with an open end, or a record whose name has other characters than letters, digits and `_.|-`.
    pub fn new(operator: Operator, parts: Vec<LocationPart>) -> Option<Self> {
        let sound = |part: &LocationPart| {
            let place = part.span.is_empty();
            let name = part.accession.as_ref();
            !(place && (part.span.start() == 0 || part.partial_start || part.partial_end))
                && part.span.end() < u64::MAX - 1
                && name.is_none_or(|name| !name.is_empty() && name.bytes().all(is_accession_byte))
        };
        let fits = (operator == Operator::Single) == (parts.len() == 1);
        (!parts.is_empty() && fits && parts.iter().all(sound)).then_some(Self { operator, parts })
    }

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

    /// The text in a record of this length, where the place behind the last base is `length^1`.
    pub(crate) fn text(&self, length: Option<u64>) -> Text<'_> {
        Text { location: self, length }
    }

    /// Reads a location without blanks. `circular` is the length of a circular record, which ranges may wrap around.
    pub(crate) fn parse(text: &[u8], circular: Option<u64>) -> Result<Self, Fault> {
        let mut location = Self::unread();
        location.read(text, &Rules { length: circular, ring: circular.is_some(), lenient: false })?;
        Ok(location)
    }

    /// A location for [`Location::read`] to fill.
    pub(crate) fn unread() -> Self {
        Self { operator: Operator::Single, parts: Vec::new() }
    }

    /// As [`Location::parse`], in place of what is here: the memory is used again.
    pub(crate) fn read(&mut self, text: &[u8], rules: &Rules) -> Result<(), Fault> {
        self.parts.clear();
        let remote = memchr::memchr(b':', text).is_some();
        let mut parser = Parser { text, at: 0, rules, remote, parts: &mut self.parts };
        let operator = parser.location(0)?;
        if parser.at < text.len() {
            return Err(parser.fault("the end of the location"));
        }
        match self.parts.len() {
            0 => return Err(Fault { at: 0, expected: "a part that is not in front of base 1" }),
            1 => self.operator = Operator::Single,
            _ => self.operator = operator,
        }
        Ok(())
    }
}

/// The text of a feature table: `complement(join(1..6,10..12))`. Reading it back gives the same location.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text(None).fmt(f)
    }
}

/// A location in a record of a known length, as text.
pub(crate) struct Text<'a> {
    location: &'a Location,
    length: Option<u64>,
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Location { operator, parts } = self.location;
        let name = match operator {
            Operator::Single => return parts.iter().try_for_each(|part| part.write(f, false, self.length)),
            Operator::Join => "join",
            Operator::Order => "order",
            Operator::OneOf => "one-of",
            Operator::Bond => "bond",
        };
        let reverse = parts.iter().all(|part| part.strand == Strand::Reverse);
        f.write_str(if reverse { "complement(" } else { "" })?;
        write!(f, "{name}(")?;
        for i in 0..parts.len() {
            f.write_str(if i == 0 { "" } else { "," })?;
            // Under one complement the parts stand from left to right.
            parts[if reverse { parts.len() - 1 - i } else { i }].write(f, reverse, self.length)?;
        }
        f.write_str(if reverse { "))" } else { ")" })
    }
}

/// Reads the text of a feature table without blanks: `complement(join(1..6,10..12))`.
impl std::str::FromStr for Location {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text.as_bytes(), None).map_err(|Fault { at, expected }| {
            Error::new(ErrorKind::Syntax, "<location>", "a broken location")
                .at_byte(at as u64)
                .expecting(expected)
                .finding(found(text.as_bytes(), at))
        })
    }
}

impl LocationPart {
    fn forward(span: Span, partial_start: bool, partial_end: bool) -> Self {
        Self { span, strand: Strand::Forward, partial_start, partial_end, accession: None }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, complemented: bool, length: Option<u64>) -> fmt::Result {
        let reverse = self.strand == Strand::Reverse && !complemented;
        f.write_str(if reverse { "complement(" } else { "" })?;
        if let Some(accession) = &self.accession {
            write!(f, "{accession}:")?;
        }
        let (start, end) = (self.span.start(), self.span.end());
        if self.span.is_empty() {
            write!(f, "{start}^{}", if length == Some(start) { 1 } else { start.saturating_add(1) })?;
        } else if self.span.len() == 1 && !self.partial_start && !self.partial_end {
            write!(f, "{end}")?;
        } else {
            let before = if self.partial_start { "<" } else { "" };
            let behind = if self.partial_end { ">" } else { "" };
            write!(f, "{before}{}..{behind}{end}", start + 1)?;
        }
        f.write_str(if reverse { ")" } else { "" })
    }
}

/// What a location may say.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    /// The length of the record, behind whose last base is the place `length^1`.
    pub(crate) length: Option<u64>,
    /// Whether a range may run over the end of the record and go on at base 1.
    pub(crate) ring: bool,
    /// Reads what the format forbids and other programs write: `5>`, `5.9..12`, `X:(1..5)`, bases in front of base 1.
    pub(crate) lenient: bool,
}

/// What was expected at which byte of the text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) at: usize,
    pub(crate) expected: &'static str,
}

/// What stands at the byte of a fault, for an error.
pub(crate) fn found(text: &[u8], at: usize) -> String {
    match &text[at.min(text.len())..] {
        [] => "nothing".to_owned(),
        rest => quote(rest),
    }
}

fn is_accession_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_.|-".contains(&byte)
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    rules: &'a Rules,
    /// Whether a `:` is there at all.
    remote: bool,
    parts: &'a mut Vec<LocationPart>,
}

/// One end of a range: the bases it may be, counted from 1; 0 stands for all in front of base 1. A range takes the widest
/// reading.
#[derive(Clone, Copy)]
struct End {
    lowest: u64,
    highest: u64,
    partial: bool,
}

impl Parser<'_> {
    /// Reads one location and appends its parts.
    fn location(&mut self, depth: usize) -> Result<Operator, Fault> {
        const OPERATORS: [(&[u8], Operator); 4] = [
            (b"join(", Operator::Join),
            (b"order(", Operator::Order),
            (b"one-of(", Operator::OneOf),
            (b"bond(", Operator::Bond),
        ];
        if depth == MAX_DEPTH {
            return Err(self.fault("fewer brackets inside brackets"));
        }
        let first = self.parts.len();
        if self.eat(b"complement(") {
            let operator = self.location(depth + 1)?;
            self.need(b")", "a closing bracket")?;
            self.parts[first..].reverse();
            for part in &mut self.parts[first..] {
                part.strand = part.strand.opposite();
            }
            return Ok(operator);
        }
        if let Some(accession) = self.accession() {
            let start = self.at;
            let operator = match self.location(depth + 1) {
                Err(_) if self.rules.lenient && self.text[start..].starts_with(b"(") => {
                    self.at = start + 1;
                    self.parts.truncate(first);
                    let operator = self.location(depth + 1)?;
                    self.need(b")", "a closing bracket")?;
                    operator
                }
                outcome => outcome?,
            };
            for part in &mut self.parts[first..] {
                part.accession = Some(accession.clone());
            }
            return Ok(operator);
        }
        let start = self.at;
        let Some(&(name, operator)) = OPERATORS.iter().find(|(name, _)| self.text[start..].starts_with(name)) else {
            return self.range();
        };
        // `one-of` may also be one end of a range, so a range is tried first.
        if operator == Operator::OneOf {
            if let Ok(range) = self.range()
                && self.text[start..self.at].windows(2).any(|w| w == b"..")
            {
                return Ok(range);
            }
            self.at = start;
            self.parts.truncate(first);
        }
        self.at += name.len();
        loop {
            self.location(depth + 1)?;
            if self.eat(b")") {
                return Ok(operator);
            }
            self.need(b",", "a comma or a closing bracket")?;
        }
    }

    /// `5`, `<5..>9`, `5^6`, `5.9`, and ends like `(5.9)`.
    fn range(&mut self) -> Result<Operator, Fault> {
        const BEHIND: &str = "a start that is not behind its end";
        let start = self.at;
        let first = self.end()?;
        if self.eat(b"^") {
            let last = self.end()?;
            let gap = match self.rules.length {
                Some(length) if first.lowest == length && last.highest == 1 => Some(length),
                _ => (last.highest == first.lowest + 1).then_some(first.lowest),
            };
            let span = gap.filter(|&gap| gap > 0).and_then(|gap| Span::new(gap, gap));
            let span = span.ok_or(Fault { at: start, expected: "two neighbouring bases around ^" })?;
            return Ok(self.push(span, false, false));
        }
        let last = if self.eat(b"..") {
            let mut last = self.end()?;
            if self.rules.lenient && self.eat(b".") {
                last = End { lowest: last.lowest, highest: self.number()?.max(last.highest), partial: true };
            }
            last
        } else if self.eat(b".") {
            // One base somewhere from here to there: both ends are open.
            let last = self.end()?;
            let span = Span::from_one_based(first.lowest, last.highest).ok_or(Fault { at: start, expected: BEHIND })?;
            return Ok(self.push(span, true, true));
        } else {
            first
        };
        if first.lowest == 0 || last.highest == 0 {
            // Only where that is allowed: what is left of base 1 is cut off, and nothing may be left.
            if let Some(span) = Span::from_one_based(1, last.highest) {
                self.push(span, true, last.partial);
            }
            return Ok(Operator::Single);
        }
        if let Some(span) = Span::from_one_based(first.lowest, last.highest) {
            return Ok(self.push(span, first.partial, last.partial));
        }
        let wrapped = self.rules.length.filter(|_| self.rules.ring).and_then(|length| {
            Some((Span::from_one_based(first.lowest, length)?, Span::from_one_based(1, last.highest)?))
        });
        let (tail, head) = wrapped.ok_or(Fault { at: start, expected: BEHIND })?;
        self.push(tail, first.partial, false);
        self.push(head, false, last.partial);
        Ok(Operator::Join)
    }

    fn push(&mut self, span: Span, partial_start: bool, partial_end: bool) -> Operator {
        if self.parts.is_empty() {
            self.parts.reserve_exact(1); // most locations have one part
        }
        self.parts.push(LocationPart::forward(span, partial_start, partial_end));
        Operator::Single
    }

    fn end(&mut self) -> Result<End, Fault> {
        let bracket: Option<&[u8]> = match self.text.get(self.at) {
            Some(b'(') => Some(b"."),
            Some(b'o') => Some(b","),
            _ => None,
        };
        let Some(separator) = bracket.filter(|_| self.eat(b"(") || self.eat(b"one-of(")) else {
            let before = self.eat(b"<") || self.eat(b">");
            let base = self.number()?;
            let mut end = End { lowest: base, highest: base, partial: before };
            if self.rules.lenient {
                end.partial |= self.eat(b"<") || self.eat(b">");
                self.old_end(&mut end);
            }
            return Ok(end);
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

    /// The rest of an end like `5.9` or `5^9` that has no brackets and is followed by `..`.
    fn old_end(&mut self, end: &mut End) {
        let start = self.at;
        if !self.text[start..].starts_with(b"..") && (self.eat(b".") || self.eat(b"^")) {
            if let Ok(base) = self.number()
                && self.text[self.at..].starts_with(b"..")
            {
                *end = End { lowest: end.lowest.min(base), highest: end.highest.max(base), partial: true };
                return;
            }
            self.at = start;
        }
    }

    /// A base, counted from 1.
    fn number(&mut self) -> Result<u64, Fault> {
        let start = self.at;
        let negative = self.rules.lenient && self.eat(b"-");
        let mut value: Option<u64> = None;
        while let Some(digit) = self.text.get(self.at).filter(|b| b.is_ascii_digit()) {
            let next = value.unwrap_or(0).checked_mul(10).and_then(|v| v.checked_add(u64::from(digit - b'0')));
            // Room for the neighbours of a base, so that no sum overflows.
            value = Some(next.filter(|&v| v < u64::MAX - 1).ok_or(Fault { at: start, expected: "a smaller number" })?);
            self.at += 1;
        }
        match value {
            None => Err(self.fault("a base number")),
            Some(_) if negative => Ok(0),
            Some(0) if !self.rules.lenient => Err(Fault { at: start, expected: "a base number from 1" }),
            Some(value) => Ok(value),
        }
    }

    /// The name in front of a `:`.
    fn accession(&mut self) -> Option<String> {
        if !self.remote {
            return None;
        }
        let rest = &self.text[self.at..];
        let length = rest.iter().position(|&b| !is_accession_byte(b))?;
        if length == 0 || rest[length] != b':' {
            return None;
        }
        self.at += length + 1;
        Some(String::from_utf8_lossy(&rest[..length]).into_owned())
    }

    #[inline]
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

#[cfg(test)]
pub(crate) mod tests {
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
        check("18446744073709551614", 0, "a smaller number");
        check("J00194", 0, "a base number");
        check("join()", 5, "a base number");
    }

    #[test]
    fn lenient_reads_what_other_programs_write() {
        let check = |text: &str, expected: &str| {
            let rules = Rules { length: Some(100), ring: true, lenient: true };
            let mut location = Location::unread();
            location.read(text.as_bytes(), &rules).unwrap();
            assert_eq!(show(&location), expected, "{text}");
            let strict = Location::parse(text.as_bytes(), None);
            assert!(strict.is_err(), "{text}");
        };
        check("complement(-2..49)", "Single -<0..49");
        check("join(-20..-10,-5..3,8..9)", "Join <0..3 7..9");
        check("0..5", "Single <0..5");
        check("5>..12", "Single <4..12");
        check("5..12>", "Single 4..>12");
        check("5.60..<70", "Single <4..>70");
        check("5^9..>20", "Single <4..>20");
        check("5.10..12.15", "Single <4..>15");
        check("join(J00194:(100..202),1..24)", "Join J00194:99..202 0..24");
        check("90..10", "Join 89..100 0..10");
        let mut location = Location::unread();
        let rules = Rules { length: None, ring: true, lenient: true };
        assert_eq!(location.read(b"-9..-5", &rules).unwrap_err().expected, "a part that is not in front of base 1");
        assert!(location.read(b"1..x", &rules).is_err());
    }

    #[test]
    fn text_of_locations() {
        let check = |text: &str| assert_eq!(text.parse::<Location>().unwrap().to_string(), text);
        check("467");
        check("340..565");
        check("<345..>500");
        check("123^124");
        check("complement(34..126)");
        check("complement(join(<1..2,5..>6))");
        check("join(1..2,complement(5..6))");
        check("order(1..2,X1.1:5..6)");
        check("one-of(3,9)");
        check("bond(4,9)");
        check("join(complement(X1.1:5..6),7)");
        assert_eq!(
            "join(1..2,x)".parse::<Location>().unwrap_err().to_string(),
            "<location>: byte 10: a broken location: expected a base number, found \"x)\""
        );
    }

    #[test]
    fn only_what_can_be_written_is_built() {
        let part = |start, end| LocationPart::forward(Span::new(start, end).unwrap(), false, false);
        assert!(Location::new(Operator::Single, vec![]).is_none());
        assert!(Location::new(Operator::Join, vec![part(1, 2)]).is_none());
        assert!(Location::new(Operator::Single, vec![part(1, 2), part(3, 4)]).is_none());
        assert!(Location::new(Operator::Single, vec![part(0, 0)]).is_none());
        let remote = |name: &str| LocationPart { accession: Some(name.into()), ..part(1, 2) };
        assert!(Location::new(Operator::Single, vec![remote("a b")]).is_none());
        assert!(Location::new(Operator::Single, vec![remote("A1.1")]).is_some());
        assert_eq!(Location::single(Span::new(1, 5).unwrap(), Strand::Reverse).to_string(), "complement(2..5)");
    }

    /// Any location.
    pub(crate) fn any_location() -> impl Strategy<Value = Location> {
        let part = (
            0u64..300,
            0u64..300,
            any::<bool>(),
            any::<bool>(),
            any::<bool>(),
            proptest::option::of("[A-Z]{1,2}[0-9]{1,5}(\\.[1-9])?"),
        )
            .prop_map(|(a, b, reverse, partial_start, partial_end, accession)| {
                let span = Span::new(a.min(b), a.max(b)).unwrap();
                let span = if span.end() == 0 { Span::new(0, 1).unwrap() } else { span };
                let strand = if reverse { Strand::Reverse } else { Strand::Forward };
                let open = !span.is_empty();
                LocationPart {
                    span,
                    strand,
                    partial_start: partial_start && open,
                    partial_end: partial_end && open,
                    accession,
                }
            });
        let operators = [Operator::Join, Operator::Order, Operator::OneOf, Operator::Bond];
        (proptest::collection::vec(part, 1..5), proptest::sample::select(operators.to_vec())).prop_map(
            |(parts, operator)| {
                let operator = if parts.len() == 1 { Operator::Single } else { operator };
                Location::new(operator, parts).unwrap()
            },
        )
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
        fn what_is_written_is_read_back(location in any_location()) {
            let text = location.to_string();
            prop_assert_eq!(Location::parse(text.as_bytes(), None), Ok(location.clone()), "{}", text);
            let mut lenient = Location::unread();
            let rules = Rules { length: None, ring: true, lenient: true };
            prop_assert!(lenient.read(text.as_bytes(), &rules).is_ok());
            prop_assert_eq!(lenient, location);
        }

        #[test]
        fn any_text_never_panics(text in "[0-9a-z().,^<>:]{0,40}", length in proptest::option::of(0u64..200)) {
            let _ = Location::parse(text.as_bytes(), length);
        }

        #[test]
        fn nearly_locations_never_panic(
            words in proptest::collection::vec(proptest::sample::select(vec![
                "join(", "complement(", "order(", "one-of(", ")", ",", "..", ".", "^", "<", ">", "(", "1", "0", "77", "18446744073709551613", "X1:", "-",
            ]), 0..20),
            length in proptest::option::of(0u64..200),
        ) {
            let text = words.concat();
            let strict = Location::parse(text.as_bytes(), length);
            let mut lenient = Location::unread();
            let outcome = lenient.read(text.as_bytes(), &Rules { length, ring: true, lenient: true });
            if let Ok(strict) = strict {
                prop_assert!(outcome.is_ok());
                prop_assert_eq!(strict, lenient, "{}", text);
            }
        }
    }
}
