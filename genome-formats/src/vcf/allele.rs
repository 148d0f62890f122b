//! Alternate alleles.

use std::fmt;

/// An alternate allele.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Allele {
    /// Bases `ACGTN` in either case, as the file has them. A lenient reader keeps here what it does not understand.
    Bases(Vec<u8>),
    /// `<DEL>`, without the angle brackets.
    Symbolic(String),
    /// A place where two sequences are joined.
    Breakend(Breakend),
    /// `*`: deleted by a variant upstream.
    Star,
    /// `.` among other alleles. An ALT column of a lone `.` is an empty list instead.
    Missing,
}

impl Allele {
    /// The bases, where the allele is made of them.
    pub fn bases(&self) -> Option<&[u8]> {
        match self {
            Self::Bases(bases) => Some(bases),
            _ => None,
        }
    }
}

impl fmt::Display for Allele {
    /// As the column ALT has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bases(bases) => f.write_str(&String::from_utf8_lossy(bases)),
            Self::Symbolic(id) => write!(f, "<{id}>"),
            Self::Breakend(breakend) => breakend.fmt(f),
            Self::Star => f.write_str("*"),
            Self::Missing => f.write_str("."),
        }
    }
}

/// A breakend (VCFv4.3, 5.4): the bases on this side, and what they are joined to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Breakend {
    /// The bases that stand in the place of REF.
    pub bases: Vec<u8>,
    /// Whether the bases stand in front of the join (`t[p[`, `t]p]`, `t.`) or behind it.
    pub bases_first: bool,
    /// The other side; `None` for a single breakend (`t.`).
    pub mate: Option<Mate>,
}

/// The other side of a breakend.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Mate {
    /// The sequence; in angle brackets where it stands in an assembly file.
    pub chrom: String,
    /// Its base, counted from 0; `None` is position 0 of the file, the telomere.
    pub start: Option<u64>,
    /// `[`: the piece extends to the right of the base; else to its left.
    pub extends_right: bool,
}

impl fmt::Display for Breakend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bases = String::from_utf8_lossy(&self.bases);
        let join = match &self.mate {
            None => ".".to_owned(),
            Some(mate) => {
                let bracket = if mate.extends_right { '[' } else { ']' };
                let position = mate.start.map_or(0, |s| s.saturating_add(1));
                format!("{bracket}{}:{position}{bracket}", mate.chrom)
            }
        };
        if self.bases_first { write!(f, "{bases}{join}") } else { write!(f, "{join}{bases}") }
    }
}

/// Parses one allele of the column ALT. The error is what is wrong with it.
pub(crate) fn parse_allele(text: &[u8]) -> Result<Allele, &'static str> {
    match text {
        b"" => return Err("an ALT allele is empty (a comma too many)"),
        b"*" => return Ok(Allele::Star),
        b"." => return Err("a missing ALT allele among others"),
        _ => {}
    }
    if is_bases(text) {
        return Ok(Allele::Bases(text.to_vec()));
    }
    if let Some(id) = text.strip_prefix(b"<") {
        let Some(id) = id.strip_suffix(b">") else {
            return Err("a symbolic ALT allele is not closed with >");
        };
        return match std::str::from_utf8(id) {
            Ok("") => Err("a symbolic ALT allele is empty"),
            Ok(id) if !id.contains(|c: char| c.is_whitespace() || c.is_control() || "<>,".contains(c)) => {
                Ok(Allele::Symbolic(id.to_owned()))
            }
            _ => Err("a symbolic ALT allele has an angle bracket, a comma or a white space inside"),
        };
    }
    if let Some(at) = text.iter().position(|b| b"[]".contains(b)) {
        return breakend(text, at);
    }
    let single =
        |bases: &[u8], bases_first| Allele::Breakend(Breakend { bases: bases.to_vec(), bases_first, mate: None });
    match (text.strip_prefix(b"."), text.strip_suffix(b".")) {
        (Some(bases), _) if is_bases(bases) => Ok(single(bases, false)),
        (_, Some(bases)) if is_bases(bases) => Ok(single(bases, true)),
        _ if text.iter().any(u8::is_ascii_whitespace) => Err("an ALT allele has a white space"),
        _ => Err("an ALT allele has a letter that is no base"),
    }
}

/// `t[p[`, `t]p]`, `]p]t`, `[p[t`; `at` is the first bracket.
fn breakend(text: &[u8], at: usize) -> Result<Allele, &'static str> {
    let bracket = text[at];
    let rest = &text[at + 1..];
    let Some(close) = rest.iter().position(|&b| b == bracket) else {
        return Err("a breakend in ALT has one bracket only, or two different ones");
    };
    let (place, behind) = (&rest[..close], &rest[close + 1..]);
    let (bases, bases_first) = match (&text[..at], behind) {
        (b"", b"") => return Err("a breakend in ALT has no bases at either side"),
        (bases, b"") => (bases, true),
        (b"", bases) => (bases, false),
        _ => return Err("a breakend in ALT has bases at both sides"),
    };
    if !is_bases(bases) {
        return Err("a breakend in ALT has a letter that is no base");
    }
    let mate = std::str::from_utf8(place).ok().and_then(|p| p.rsplit_once(':'));
    let mate = mate.and_then(|(chrom, position)| {
        let digits = !position.is_empty() && position.bytes().all(|b| b.is_ascii_digit());
        let position: u64 = position.parse().ok().filter(|&p| digits && p <= super::MAX_POSITION)?;
        let named = !chrom.is_empty() && !chrom.contains(|c: char| c.is_whitespace() || "[],".contains(c));
        named.then(|| (chrom.to_owned(), position))
    });
    let Some((chrom, position)) = mate else {
        return Err("a breakend in ALT has no place like chr:position between its brackets");
    };
    let mate = Mate { chrom, start: position.checked_sub(1), extends_right: bracket == b'[' };
    Ok(Allele::Breakend(Breakend { bases: bases.to_vec(), bases_first, mate: Some(mate) }))
}

/// "Each base must be one of A,C,G,T,N (case insensitive)" (1.4.1, 1.6.1).
pub(super) fn is_bases(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|b| b"ACGTNacgtn".contains(b))
}
