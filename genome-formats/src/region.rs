//! Regions as samtools writes them: `chr1:1,000-2,000`.

use std::fmt;
use std::str::FromStr;

use crate::coord::Span;
use crate::error::{Error, ErrorKind, Result, quote};

/// A sequence, or a stretch of one.
///
/// As text, positions count from 1 and the end is included: `chr1:1-100` are the first hundred bases, `chr1:100` and
/// `chr1:100-` everything from the hundredth on, `chr1` all. Commas in numbers are skipped. A name that holds a colon stands
/// in braces, `{HLA:A}:5-9`; [`Region::parse`], which knows the names, does without them.
///
/// ```
/// use genome_formats::{Region, Span};
///
/// let region: Region = "chr1:1,001-2,000".parse()?;
/// assert_eq!(region, Region::new("chr1", Span::new(1000, 2000)));
/// assert_eq!(region.to_string(), "chr1:1001-2000");
///
/// let known = |name: &str| name == "HLA:01";
/// assert_eq!(Region::parse("HLA:01", known)?, Region::new("HLA:01", None));
/// assert_eq!(Region::parse("HLA:01:5-9", known)?.to_string(), "{HLA:01}:5-9");
/// # Ok::<(), genome_formats::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Region {
    /// The name of the sequence.
    pub name: String,
    /// The bases; all without it. An end of [`u64::MAX`] is the end of the sequence.
    pub span: Option<Span>,
}

impl Region {
    /// A region.
    pub fn new(name: impl Into<String>, span: Option<Span>) -> Self {
        Self { name: name.into(), span }
    }

    /// Reads a region of a file whose names are known.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Syntax`]: this is no region, or one that can be understood in two ways. [`ErrorKind::Coordinate`]: no
    /// such name, position 0, or an end before the start.
    pub fn parse(text: &str, known: impl Fn(&str) -> bool) -> Result<Self> {
        if let Some((name, span)) = split_braces(text) {
            if known(text) {
                return Err(ambiguous(text));
            }
            let region = Self::new(name, span.map(|span| parse_span(text, span)).transpose()?);
            return if known(&region.name) { Ok(region) } else { Err(unknown(text, &region.name)) };
        }
        let split = text.rsplit_once(':').filter(|(name, _)| known(name));
        match (known(text), split) {
            (true, Some((_, span))) if parse_span(text, span).is_ok() => Err(ambiguous(text)),
            (true, _) => Ok(Self::new(text, None)),
            (false, Some((name, span))) => Ok(Self::new(name, Some(parse_span(text, span)?))),
            (false, None) => match text.rsplit_once(':') {
                Some((name, span)) if looks_like_span(span) => Err(unknown(text, name)),
                _ => Err(unknown(text, text)),
            },
        }
    }

    /// The span with its end set to `length` where it is open or absent.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Coordinate`]: the region reaches behind the end of the sequence.
    pub fn span_within(&self, length: u64) -> Result<Span> {
        let whole = Span::new(0, length).expect("0 is not behind anything");
        let Some(span) = self.span else { return Ok(whole) };
        let end = if span.end() == u64::MAX { length } else { span.end() };
        match Span::new(span.start(), end) {
            Some(span) if end <= length => Ok(span),
            _ => Err(Error::new(ErrorKind::Coordinate, "region", "the region reaches behind the end of the sequence")
                .expecting(format!("at most {length}"))
                .finding(quote(self.to_string().as_bytes()))),
        }
    }
}

/// Reads a region without knowing the names: what follows the last colon must be a span. A name that holds a colon needs
/// braces.
impl FromStr for Region {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, span) = match split_braces(text) {
            Some(parts) => parts,
            None => text.rsplit_once(':').map_or((text, None), |(name, span)| (name, Some(span))),
        };
        if name.is_empty() {
            return Err(Error::new(ErrorKind::Syntax, "region", "no name").finding(quote(text.as_bytes())));
        }
        Ok(Self::new(name, span.map(|span| parse_span(text, span)).transpose()?))
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.contains(':') || self.name.starts_with('{') {
            write!(f, "{{{}}}", self.name)?;
        } else {
            f.write_str(&self.name)?;
        }
        let Some(span) = self.span else { return Ok(()) };
        let first = span.start().saturating_add(1);
        if span.end() == u64::MAX { write!(f, ":{first}-") } else { write!(f, ":{first}-{}", span.end()) }
    }
}

/// `{name}` or `{name}:span`. The name ends at the last brace that fits.
fn split_braces(text: &str) -> Option<(&str, Option<&str>)> {
    let inner = text.strip_prefix('{')?;
    if let Some((name, span)) = inner.rsplit_once("}:")
        && !span.contains('}')
    {
        return Some((name, Some(span)));
    }
    Some((inner.strip_suffix('}')?, None))
}

fn looks_like_span(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit()) && text.chars().all(|c| c.is_ascii_digit() || ",-".contains(c))
}

/// `first-last`, `first-`, `first`, `-last`; counted from 1, commas skipped.
fn parse_span(region: &str, text: &str) -> Result<Span> {
    let error = |kind, problem: &'static str| {
        Error::new(kind, "region", problem)
            .expecting("name, name:first-last or name:first, counted from 1")
            .finding(quote(region.as_bytes()))
    };
    let number = |text: &str| -> Result<u64> {
        let digits: String = text.chars().filter(|&c| c != ',').collect();
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(error(ErrorKind::Syntax, "no position"));
        }
        match digits.parse() {
            Ok(0) => Err(error(ErrorKind::Coordinate, "positions count from 1")),
            Ok(u64::MAX) | Err(_) => Err(error(ErrorKind::Coordinate, "no sequence is that long")),
            Ok(position) => Ok(position),
        }
    };
    let (first, last) = match text.split_once('-') {
        None => (number(text)?, u64::MAX),
        Some((first, "")) => (number(first)?, u64::MAX),
        Some(("", last)) => (1, number(last)?),
        Some((first, last)) => (number(first)?, number(last)?),
    };
    Span::from_one_based(first, last).ok_or_else(|| error(ErrorKind::Coordinate, "the end lies before the start"))
}

fn ambiguous(text: &str) -> Error {
    Error::new(
        ErrorKind::Syntax,
        "region",
        "a name and a region at once: write the name in braces, {name} or {name}:1-9",
    )
    .finding(quote(text.as_bytes()))
}

fn unknown(text: &str, name: &str) -> Error {
    let error =
        Error::new(ErrorKind::Coordinate, "region", "no sequence has this name").finding(quote(name.as_bytes()));
    if text == name { error } else { error.with_snippet(text.as_bytes()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn region(name: &str, span: Option<(u64, u64)>) -> Region {
        Region::new(name, span.map(|(start, end)| Span::new(start, end).unwrap()))
    }

    #[test]
    fn regions_without_names() {
        let check =
            |text: &str, name: &str, span| assert_eq!(text.parse::<Region>().unwrap(), region(name, span), "{text}");
        check("chr1", "chr1", None);
        check("chr1:1-1", "chr1", Some((0, 1)));
        check("chr1:1,000-2,000", "chr1", Some((999, 2000)));
        check("chr1:100", "chr1", Some((99, u64::MAX)));
        check("chr1:100-", "chr1", Some((99, u64::MAX)));
        check("chr1:-100", "chr1", Some((0, 100)));
        check("{chr:1}:5-9", "chr:1", Some((4, 9)));
        check("{chr:1}", "chr:1", None);
        check("a:b:5-9", "a:b", Some((4, 9)));
        check("{a}b", "{a}b", None);
    }

    #[test]
    fn what_is_no_region_is_told() {
        let check = |text: &str, kind: ErrorKind, expected: &str| {
            let error = text.parse::<Region>().unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().contains(expected), "{error}");
            assert!(error.to_string().ends_with(&quote(text.as_bytes())), "{error}");
        };
        check("", ErrorKind::Syntax, "no name");
        check(":1-2", ErrorKind::Syntax, "no name");
        check("{}:1-2", ErrorKind::Syntax, "no name");
        check("chr1:", ErrorKind::Syntax, "no position");
        check("chr1:-", ErrorKind::Syntax, "no position");
        check("chr1:x-2", ErrorKind::Syntax, "no position");
        check("chr1:1-2-3", ErrorKind::Syntax, "no position");
        check("chr1:+1-2", ErrorKind::Syntax, "no position");
        check("chr1:0-2", ErrorKind::Coordinate, "count from 1");
        check("chr1:5-4", ErrorKind::Coordinate, "the end lies before the start");
        check("chr1:99999999999999999999", ErrorKind::Coordinate, "that long");
    }

    #[test]
    fn known_names_resolve_colons() {
        let known = |name: &str| ["chr1", "HLA:01", "chr1:5-9", "{x}"].contains(&name);
        let check = |text: &str, expected: Region| assert_eq!(Region::parse(text, known).unwrap(), expected);
        check("HLA:01", region("HLA:01", None));
        check("HLA:01:5", region("HLA:01", Some((4, u64::MAX))));
        check("{HLA:01}:5-6", region("HLA:01", Some((4, 6))));
        check("chr1:5-8", region("chr1", Some((4, 8))));
        check("{chr1}:5-9", region("chr1", Some((4, 9))));
        check("{chr1:5-9}", region("chr1:5-9", None));
        let error = |text: &str| Region::parse(text, known).unwrap_err().to_string();
        assert_eq!(error("chr2:1-5"), r#"region: no sequence has this name: found "chr2""#);
        assert_eq!(error("chr2:x"), r#"region: no sequence has this name: found "chr2:x""#);
        assert!(error("chr1:5-9").contains("at once"));
        assert!(error("{x}").contains("at once"));
    }

    #[test]
    fn spans_are_closed_by_the_length() {
        let check = |text: &str, expected| {
            let span = text.parse::<Region>().unwrap().span_within(10).ok().map(|s| (s.start(), s.end()));
            assert_eq!(span, expected, "{text}");
        };
        check("a", Some((0, 10)));
        check("a:3-", Some((2, 10)));
        check("a:3-10", Some((2, 10)));
        check("a:3-11", None);
        check("a:11-", Some((10, 10)));
        check("a:12-", None);
    }

    proptest! {
        #[test]
        fn text_and_back(name in "[{}:,0-9a-z-]{1,8}", span in proptest::option::of((0u64..1000, 1u64..1000, any::<bool>()))) {
            let span = span.map(|(start, length, open)| Span::new(start, if open { u64::MAX } else { start + length }).unwrap());
            let region = Region::new(name, span);
            prop_assert_eq!(region.to_string().parse::<Region>().unwrap(), region);
        }

        #[test]
        fn any_text_never_panics(text in "[{}:,0-9a-z-]{0,12}") {
            let _ = text.parse::<Region>();
            let _ = Region::parse(&text, |name| name.len() < 4);
        }
    }
}
