//! A line of GFF: owned, and in place.

use std::borrow::Cow;
use std::ops::Range;

use super::attributes::{GffAttributes, decode, pairs, values};
use crate::coord::{Span, Strand};

/// The syntax of the ninth column, and the rules that go with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GffDialect {
    /// `ID=x;Parent=y,z`, percent-encoded.
    Gff3,
    /// `gene_id "x"; transcript_id "y";`.
    Gtf,
    /// Free text, most often `Key "value" ; Key value`.
    Gff2,
}

/// The strand column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GffStrand {
    /// `+`.
    Forward,
    /// `-`.
    Reverse,
    /// `.`: the feature has no strand.
    Unstranded,
    /// `?`: the feature has a strand that nobody knows.
    Unknown,
}

impl GffStrand {
    /// The strand, where there is one and it is known.
    pub fn known(self) -> Option<Strand> {
        match self {
            Self::Forward => Some(Strand::Forward),
            Self::Reverse => Some(Strand::Reverse),
            Self::Unstranded | Self::Unknown => None,
        }
    }

    /// The letter of the file.
    pub fn symbol(self) -> char {
        match self {
            Self::Forward => '+',
            Self::Reverse => '-',
            Self::Unstranded => '.',
            Self::Unknown => '?',
        }
    }
}

impl From<Strand> for GffStrand {
    fn from(strand: Strand) -> Self {
        match strand {
            Strand::Forward => Self::Forward,
            Strand::Reverse => Self::Reverse,
        }
    }
}

/// A line of GFF3, GTF or GFF2, decoded.
#[derive(Debug, Clone, PartialEq)]
pub struct GffRecord {
    /// Column 1, the name of the sequence.
    pub seq_name: String,
    /// Column 2, who says so; `None` for `.`.
    pub source: Option<String>,
    /// Column 3: `gene`, `CDS`, ...
    pub kind: String,
    /// Columns 4 and 5.
    pub span: Span,
    /// Column 6.
    pub score: Option<f64>,
    /// Column 7.
    pub strand: GffStrand,
    /// Column 8: how many bases, 0 to 2, to remove from the front of this part to reach a codon.
    pub phase: Option<u8>,
    /// Column 9.
    pub attributes: GffAttributes,
}

/// A line in place. The first eight columns are checked; attributes are looked at when they are asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GffView<'a> {
    pub(super) columns: [&'a [u8]; 3],
    pub(super) span: Span,
    pub(super) score: Option<f64>,
    pub(super) strand: GffStrand,
    pub(super) phase: Option<u8>,
    pub(super) attributes: &'a [u8],
    pub(super) dialect: GffDialect,
}

/// What a reader knows of a line, without a borrow: columns are ranges of the line.
#[derive(Debug, Clone)]
pub(super) struct Parsed {
    pub(super) columns: [Range<usize>; 3],
    pub(super) span: Span,
    pub(super) score: Option<f64>,
    pub(super) strand: GffStrand,
    pub(super) phase: Option<u8>,
    pub(super) attributes: Range<usize>,
}

impl Parsed {
    /// In front of the first line.
    pub(super) fn none() -> Self {
        Self {
            columns: [0..0, 0..0, 0..0],
            span: Span::new(0, 0).expect("equal ends"),
            score: None,
            strand: GffStrand::Unstranded,
            phase: None,
            attributes: 0..0,
        }
    }
}

impl<'a> GffView<'a> {
    #[inline]
    pub(super) fn new(line: &'a [u8], parsed: &Parsed, dialect: GffDialect) -> Self {
        let [name, source, kind] = &parsed.columns;
        Self {
            columns: [&line[name.clone()], &line[source.clone()], &line[kind.clone()]],
            span: parsed.span,
            score: parsed.score,
            strand: parsed.strand,
            phase: parsed.phase,
            attributes: &line[parsed.attributes.clone()],
            dialect,
        }
    }

    /// The name of the sequence, as the file writes it: GFF3 may encode letters, see [`GffView::decoded_seq_name`].
    pub fn seq_name(&self) -> &'a [u8] {
        self.columns[0]
    }

    /// The name of the sequence, decoded.
    pub fn decoded_seq_name(&self) -> Cow<'a, [u8]> {
        decode(self.columns[0], self.dialect)
    }

    /// The source, as the file writes it; `.` where there is none.
    pub fn source(&self) -> &'a [u8] {
        self.columns[1]
    }

    /// The kind of feature, as the file writes it.
    pub fn kind(&self) -> &'a [u8] {
        self.columns[2]
    }

    /// Where the feature lies.
    pub fn span(&self) -> Span {
        self.span
    }

    /// The score.
    pub fn score(&self) -> Option<f64> {
        self.score
    }

    /// The strand.
    pub fn strand(&self) -> GffStrand {
        self.strand
    }

    /// How many bases, 0 to 2, to remove from the front of this part to reach a codon.
    pub fn phase(&self) -> Option<u8> {
        self.phase
    }

    /// The ninth column, as the file writes it.
    pub fn attributes_text(&self) -> &'a [u8] {
        self.attributes
    }

    /// Keys and values of the ninth column as the file writes them, in order; quotes are removed.
    pub fn attributes(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        pairs(self.attributes, self.dialect)
    }

    /// The raw value of the first attribute with this key: for `Parent=a,b` both, encoded. The key is compared as the file
    /// writes it.
    #[inline]
    pub fn raw_attribute(&self, key: &[u8]) -> Option<&'a [u8]> {
        if self.dialect != GffDialect::Gff3 {
            return self.attributes().find(|(k, _)| *k == key).map(|(_, value)| value);
        }
        let mut rest = self.attributes;
        loop {
            let text = rest.trim_ascii_start();
            if let Some(value) = text.strip_prefix(key).and_then(|text| text.strip_prefix(b"=")) {
                let end = memchr::memchr(b';', value).unwrap_or(value.len());
                return Some(value[..end].trim_ascii_end());
            }
            rest = &rest[memchr::memchr(b';', rest)? + 1..];
        }
    }

    /// The first value of the first attribute with this key, decoded.
    pub fn attribute(&self, key: &[u8]) -> Option<Cow<'a, [u8]>> {
        self.attribute_values(key).next()
    }

    /// All values of the first attribute with this key, decoded: `a` and `b` for `Parent=a,b`.
    pub fn attribute_values(&self, key: &[u8]) -> impl Iterator<Item = Cow<'a, [u8]>> + use<'a> {
        let dialect = self.dialect;
        let raw = self.raw_attribute(key);
        raw.into_iter().flat_map(move |raw| values(raw, dialect)).map(move |value| decode(value, dialect))
    }

    /// The owned record; text that is not UTF-8 gets replacement characters.
    pub fn to_record(&self) -> GffRecord {
        let text = |text: &[u8]| String::from_utf8_lossy(&decode(text, self.dialect)).into_owned();
        let pairs = self.attributes().flat_map(|(key, value)| {
            values(value, self.dialect).map(move |value| (key, value)) // a key for each of its values
        });
        let attributes: GffAttributes = pairs.map(|(key, value)| (text(key), text(value))).collect();
        GffRecord {
            seq_name: text(self.columns[0]),
            source: (self.columns[1] != b".").then(|| text(self.columns[1])),
            kind: text(self.columns[2]),
            span: self.span,
            score: self.score,
            strand: self.strand,
            phase: self.phase,
            attributes,
        }
    }
}
