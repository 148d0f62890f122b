//! A line of BED: owned, and in place.

use crate::coord::{Span, Strand};

/// The columns that BEDv1 defines.
pub(super) const STANDARD: usize = 12;

/// A line of BED. Fields that the line does not have, or that hold the "uninformative" value of BEDv1, are `None`.
#[derive(Debug, Clone, PartialEq)]
pub struct BedRecord {
    /// Column 1, the name of the sequence.
    pub seq_name: String,
    /// Columns 2 and 3.
    pub span: Span,
    /// Column 4.
    pub name: Option<String>,
    /// Column 5: a whole number from 0 to 1000 in a file that keeps the rules.
    pub score: Option<f64>,
    /// Column 6.
    pub strand: Option<Strand>,
    /// Columns 7 and 8: what is drawn thick, the coding part of a transcript.
    pub thick: Option<Span>,
    /// Column 9: red, green, blue.
    pub color: Option<[u8; 3]>,
    /// Columns 10 to 12: the blocks as spans of the sequence; empty where the line has none.
    pub blocks: Vec<Span>,
    /// The columns behind the standard ones.
    pub extra: Vec<String>,
}

impl BedRecord {
    /// A record of three columns.
    pub fn new(seq_name: impl Into<String>, span: Span) -> Self {
        Self {
            seq_name: seq_name.into(),
            span,
            name: None,
            score: None,
            strand: None,
            thick: None,
            color: None,
            blocks: Vec::new(),
            extra: Vec::new(),
        }
    }
}

/// A line of BED in place: all columns are checked, none is copied.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BedView<'a> {
    pub(super) columns: [&'a [u8]; STANDARD],
    /// How many of `columns` the line has.
    pub(super) standard: usize,
    pub(super) extra: &'a [u8],
    pub(super) tabs: bool,
    pub(super) span: Span,
    pub(super) score: Option<f64>,
    pub(super) strand: Option<Strand>,
    pub(super) thick: Option<Span>,
    pub(super) color: Option<[u8; 3]>,
    /// 0 also where the blocks of the line are broken and were forgiven.
    pub(super) blocks: usize,
}

impl<'a> BedView<'a> {
    /// The name of the sequence, as the file writes it.
    pub fn seq_name(&self) -> &'a [u8] {
        self.columns[0]
    }

    /// Where the feature lies.
    pub fn span(&self) -> Span {
        self.span
    }

    /// The name of the feature, unless it is `.`.
    pub fn name(&self) -> Option<&'a [u8]> {
        (self.standard > 3 && self.columns[3] != b"." && !self.columns[3].is_empty()).then_some(self.columns[3])
    }

    /// The score, a whole number from 0 to 1000 in a file that keeps the rules.
    pub fn score(&self) -> Option<f64> {
        self.score
    }

    /// The strand, unless it is `.`.
    pub fn strand(&self) -> Option<Strand> {
        self.strand
    }

    /// The part that is drawn thick.
    pub fn thick(&self) -> Option<Span> {
        self.thick
    }

    /// Red, green, blue.
    pub fn color(&self) -> Option<[u8; 3]> {
        self.color
    }

    /// The blocks as spans of the sequence.
    pub fn blocks(&self) -> impl Iterator<Item = Span> + use<'a> {
        let start = self.span.start();
        let number = |text: Option<&[u8]>| text.and_then(crate::wig::number::parse_u64);
        let mut sizes = list(self.columns[10]);
        let mut starts = list(self.columns[11]);
        (0..self.blocks).map_while(move |_| {
            let start = start.checked_add(number(starts.next())?)?;
            Span::new(start, start.checked_add(number(sizes.next())?)?)
        })
    }

    /// The columns behind the standard ones.
    pub fn extra(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let tabs = self.tabs;
        let blank = move |b: &u8| if tabs { *b == b'\t' } else { *b == b' ' };
        let empty = self.extra.is_empty();
        self.extra.split(blank).filter(move |column| !empty && (tabs || !column.is_empty()))
    }

    /// How many columns the line has.
    pub fn columns(&self) -> usize {
        self.standard + self.extra().count()
    }

    /// The owned record; text that is not UTF-8 gets replacement characters.
    pub fn to_record(&self) -> BedRecord {
        let text = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
        BedRecord {
            seq_name: text(self.seq_name()),
            span: self.span,
            name: self.name().map(text),
            score: self.score,
            strand: self.strand,
            thick: self.thick,
            color: self.color,
            blocks: self.blocks().collect(),
            extra: self.extra().map(text).collect(),
        }
    }
}

/// The parts between commas; one comma at the end is allowed.
pub(super) fn list(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.strip_suffix(b",").unwrap_or(text).split(|b| *b == b',')
}
