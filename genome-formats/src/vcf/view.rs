//! A record in place.

use crate::error::{Error, Result};
use crate::guard::Mode;

use super::header::VcfHeader;
use super::problem::{Parsed, Problem, Report};
use super::record::Variant;
use super::validate::RecordParser;

/// A record that borrows its line: the columns as bytes, found when they are asked for.
///
/// CHROM to ALT are there, and POS is a number; nothing else was checked. [`VariantView::to_variant`] does that.
///
/// ```
/// use genome_formats::vcf::{VariantView, VcfHeader};
///
/// // Lines of an index query, or of anywhere else.
/// let header = VcfHeader::default();
/// let view = VariantView::parse(b"chr1\t100\trs1\tC\tT,G\t50\tPASS\tDP=7", &header)?;
/// assert_eq!((view.chrom(), view.start()), (&b"chr1"[..], Some(99)));
/// assert_eq!(view.alternates().collect::<Vec<_>>(), [b"T", b"G"]);
/// assert_eq!(view.info_value("DP"), Some(&b"7"[..]));
/// # Ok::<(), genome_formats::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct VariantView<'a> {
    line: &'a [u8],
    columns: Columns,
    header: &'a VcfHeader,
}

/// Where the first five columns of a line end, and POS.
#[derive(Debug, Clone, Copy)]
pub(super) struct Columns {
    ends: [usize; 5],
    position: u64,
}

impl Columns {
    #[inline]
    pub(super) fn find(line: &[u8]) -> Parsed<Self> {
        let mut ends = [0; 5];
        let mut found = 0;
        for (i, &byte) in line.iter().enumerate() {
            if byte == b'\t' {
                ends[found] = i;
                found += 1;
                if found == 5 {
                    break;
                }
            }
        }
        if found < 5 {
            if found < 4 {
                return Err(too_few(line));
            }
            ends[4] = line.len();
        }
        let position = parse_position(&line[ends[0] + 1..ends[1]])?;
        Ok(Self { ends, position })
    }
}

#[cold]
fn too_few(line: &[u8]) -> Box<Problem> {
    if line.is_empty() {
        return Problem::new("empty line", "an empty line among the records");
    }
    let n = line.iter().filter(|&&b| b == b'\t').count() as u64 + 1;
    Problem::new("number of columns", "a record has too few columns")
        .expecting("CHROM POS ID REF ALT QUAL FILTER INFO, with tabs between them")
        .found(crate::error::count(n, "column"))
}

/// "POS: the reference position, with the 1st base having position 1"; 0 and length + 1 are telomeres (1.4.1).
#[inline]
fn parse_position(text: &[u8]) -> Parsed<u64> {
    let mut position = 0u64;
    let mut bad = text.is_empty() || text.len() > 18;
    for &byte in text.iter().take(18) {
        let digit = byte.wrapping_sub(b'0');
        bad |= digit > 9;
        position = position.wrapping_mul(10).wrapping_add(u64::from(digit));
    }
    if bad {
        return Err(Problem::new("position", "POS is not a whole number of 0 or more")
            .at(2)
            .expecting("a position, counted from 1")
            .finding(text));
    }
    Ok(position)
}

impl<'a> VariantView<'a> {
    /// A view of a line without its line end.
    ///
    /// # Errors
    ///
    /// There are fewer than five columns, or POS is not a number.
    pub fn parse(line: &'a [u8], header: &'a VcfHeader) -> Result<Self> {
        match Columns::find(line) {
            Ok(columns) => Ok(Self { line, columns, header }),
            Err(problem) => Err(nowhere(*problem, line)),
        }
    }

    #[inline]
    pub(super) fn new(line: &'a [u8], columns: Columns, header: &'a VcfHeader) -> Self {
        Self { line, columns, header }
    }

    /// The whole line.
    pub fn line(&self) -> &'a [u8] {
        self.line
    }

    /// The header of the file.
    pub fn header(&self) -> &'a VcfHeader {
        self.header
    }

    /// The sequence.
    #[inline]
    pub fn chrom(&self) -> &'a [u8] {
        &self.line[..self.columns.ends[0]]
    }

    /// The first base of REF, counted from 0. `None` is POS 0: the telomere, in front of the first base.
    #[inline]
    pub fn start(&self) -> Option<u64> {
        self.columns.position.checked_sub(1)
    }

    /// The number in the column POS.
    pub(super) fn position(&self) -> u64 {
        self.columns.position
    }

    /// The names, as the column has them.
    #[inline]
    pub fn ids(&self) -> &'a [u8] {
        &self.line[self.columns.ends[1] + 1..self.columns.ends[2]]
    }

    /// The reference allele.
    #[inline]
    pub fn reference(&self) -> &'a [u8] {
        &self.line[self.columns.ends[2] + 1..self.columns.ends[3]]
    }

    /// The column ALT.
    #[inline]
    pub fn alt(&self) -> &'a [u8] {
        &self.line[self.columns.ends[3] + 1..self.columns.ends[4]]
    }

    /// The alternate alleles, as the column has them; none for `.`.
    pub fn alternates(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let alt = self.alt();
        let alt = (alt != b".").then_some(alt);
        alt.into_iter().flat_map(|a| a.split(|&b| b == b','))
    }

    /// What stands behind ALT.
    fn rest(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let line = self.line.get(self.columns.ends[4] + 1..);
        line.into_iter().flat_map(|rest| rest.split(|&b| b == b'\t'))
    }

    /// The column QUAL; empty where the line ends before it. The same holds for the columns behind it.
    pub fn qual(&self) -> &'a [u8] {
        self.rest().next().unwrap_or_default()
    }

    /// The column FILTER.
    pub fn filter(&self) -> &'a [u8] {
        self.rest().nth(1).unwrap_or_default()
    }

    /// The column INFO.
    pub fn info(&self) -> &'a [u8] {
        self.rest().nth(2).unwrap_or_default()
    }

    /// The text of an INFO key; empty for a flag.
    pub fn info_value(&self, key: &str) -> Option<&'a [u8]> {
        self.info().split(|&b| b == b';').find_map(|field| {
            let rest = field.strip_prefix(key.as_bytes())?;
            if rest.is_empty() { Some(rest) } else { rest.strip_prefix(b"=") }
        })
    }

    /// The column FORMAT.
    pub fn format(&self) -> &'a [u8] {
        self.rest().nth(3).unwrap_or_default()
    }

    /// The columns of the samples.
    pub fn samples(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.rest().skip(4)
    }

    /// The owned record, every rule of a single record checked.
    ///
    /// # Errors
    ///
    /// A rule is broken that `mode` does not forgive.
    pub fn to_variant(&self, mode: Mode) -> Result<Variant> {
        let mut report = Report::new(mode);
        let record = RecordParser::default().parse(self, &mut report);
        record.map_err(|problem| nowhere(*problem, self.line))
    }
}

/// An error of a line that belongs to no file.
fn nowhere(problem: Problem, line: &[u8]) -> Error {
    problem.into_error(|kind, text| Error::new(kind, "<VCF record>", text).with_snippet(line))
}
