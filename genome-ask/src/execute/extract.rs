//! Letters of rows: bases, spliced, proteins, flanks.

use genome_formats::alphabet::reverse_complement;
use genome_formats::{Cds, CdsPart, GeneticCode, Span, Strand};
use rusqlite::OptionalExtension;

use super::items::{Item, What};
use super::names::on_sequence;
use super::{Halt, Outcome, Run};
use crate::answer::Status;
use crate::error::Error;
use crate::index::{PIECES, composition, piece_letters};
use crate::query::Extract;

/// A part of a feature in the order of reading; 1-based, the last base included.
pub(super) type FeaturePart = (i64, i64, char);

/// What is needed to translate a coding sequence.
struct Coding {
    id: i64,
    translation: Option<String>,
    phase: u8,
    table: u8,
    partial: bool,
}

impl Run<'_> {
    pub(super) fn parts_of(&self, feature: i64) -> Outcome<Vec<FeaturePart>> {
        let statement = self.prepared("SELECT start, \"end\", strand FROM parts WHERE feature = ?1 ORDER BY number")?;
        let mut statement = statement.borrow_mut();
        let parts = statement.query_map([feature], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?.chars().next().unwrap_or('.')))
        })?;
        Ok(parts.collect::<rusqlite::Result<_>>()?)
    }

    /// The letters of a stretch, 1-based, the last base included.
    fn stretch(&self, seq: i64, start: i64, end: i64) -> Outcome<Vec<u8>> {
        let length = self.seq(seq)?.length.unwrap_or(0);
        let number = |n: i64| usize::try_from(n.clamp(0, length)).unwrap_or(0);
        let (from, to) = (number(start - 1), number(end));
        let mut out = Vec::new();
        if from < to {
            piece_letters(&mut self.prepared(PIECES)?.borrow_mut(), seq, from..to, &mut out)?;
        }
        Ok(out)
    }

    /// The letters of the parts as they are read.
    fn spliced(&self, seq: i64, parts: &[FeaturePart]) -> Outcome<Vec<u8>> {
        let mut out = Vec::new();
        for (start, end, strand) in parts {
            let letters = self.stretch(seq, *start, *end)?;
            self.check_letters(out.len() + letters.len())?;
            if *strand == '-' { out.extend(reverse_complement(&letters)) } else { out.extend(letters) }
        }
        Ok(out)
    }

    fn check_letters(&self, n: usize) -> Outcome<()> {
        if n as u64 > self.limits.letters {
            return Err(Error::TooMuch { what: "letters of sequences", limit: self.limits.letters }.into());
        }
        Ok(self.check_time()?)
    }

    /// The parts of a row: of a feature as annotated, of others its stretch.
    pub(super) fn item_parts(&self, item: &Item) -> Outcome<Vec<FeaturePart>> {
        if let Some(feature) = item.feature() {
            return self.parts_of(feature);
        }
        let length = self.seq(item.seq)?.length;
        let mut pieces: Vec<FeaturePart> =
            item.pieces(length).into_iter().map(|(start, end)| (start, end, item.strand)).collect();
        if item.strand == '-' {
            pieces.reverse();
        }
        Ok(pieces)
    }

    /// A, C, G and T of a row.
    pub(super) fn counts_of(&self, item: &Item) -> Outcome<[i64; 4]> {
        if matches!(item.what, What::Sequence) {
            return Ok(self.seq(item.seq)?.counts);
        }
        let mut sum = [0; 4];
        for (start, end, _) in self.item_parts(item)? {
            let counts = composition(&self.stretch(item.seq, start, end)?);
            for (sum, count) in sum.iter_mut().zip(counts) {
                *sum += count;
            }
        }
        Ok(sum)
    }

    /// The coding sequence of a row: itself, else the first one of its locus.
    fn coding(&self, item: &Item) -> Outcome<Option<Coding>> {
        let What::Feature { id, locus } = item.what else { return Ok(None) };
        let sql = "SELECT id, translation, phase, transl_table, partial FROM features WHERE role = 'cds' AND \
                   (id = ?1 OR locus = ?2) ORDER BY id = ?1 DESC, coding DESC, id LIMIT 1";
        let statement = self.prepared(sql)?;
        let found = statement.borrow_mut().query_row(rusqlite::params![id, locus], |row| {
            Ok(Coding {
                id: row.get(0)?,
                translation: row.get(1)?,
                phase: row.get::<_, Option<u8>>(2)?.unwrap_or(0),
                table: row.get::<_, Option<u8>>(3)?.unwrap_or(1),
                partial: row.get(4)?,
            })
        });
        Ok(found.optional()?)
    }

    /// The first base as the row's strand reads, and the last one.
    fn ends(&self, item: &Item, parts: &[FeaturePart]) -> (i64, i64, char) {
        match (parts.first(), parts.last()) {
            (Some(first), Some(last)) => {
                let five = if first.2 == '-' { first.1 } else { first.0 };
                let three = if last.2 == '-' { last.0 } else { last.1 };
                (five, three, first.2)
            }
            _ => (item.start, item.end, item.strand),
        }
    }

    /// The bases `first..=last` beside a sequence's feature as `strand` reads; they may lie outside.
    fn flank(&self, seq: i64, first: i64, last: i64, strand: char) -> Outcome<Vec<u8>> {
        let info = self.seq(seq)?;
        let mut out = Vec::new();
        for (start, end) in on_sequence(first, last, info.length.unwrap_or(0), info.circular) {
            out.extend(self.stretch(seq, start, end)?);
        }
        Ok(if strand == '-' { reverse_complement(&out) } else { out })
    }

    /// What a row is asked for, with what it is called.
    pub(super) fn extract(&mut self, item: &Item, extract: Extract) -> Outcome<(String, String)> {
        let distance = |n: u64| i64::try_from(n).unwrap_or(i64::MAX / 4).min(i64::MAX / 4);
        if extract == Extract::Protein
            && let Some(Coding { translation: Some(protein), .. }) = self.coding(item)?
        {
            return Ok((protein, "protein".to_owned()));
        }
        if !self.seq(item.seq)?.has_residues {
            let text = "the file has no sequence, only annotation: letters cannot be given".to_owned();
            return Err(Halt::Status(Status::Refused { text }));
        }
        let letters = match extract {
            Extract::Protein => self.protein(item)?,
            Extract::Spliced => self.spliced(item.seq, &self.item_parts(item)?)?,
            Extract::Dna => {
                self.check_letters(usize::try_from(item.length).unwrap_or(0))?;
                self.flank(item.seq, item.start, item.start + item.length - 1, item.strand)?
            }
            Extract::Upstream(n) | Extract::Downstream(n) | Extract::Flanked(n) => {
                self.check_letters(usize::try_from(n).unwrap_or(usize::MAX))?;
                let n = distance(n);
                let coding = self.coding(item)?;
                let parts = match &coding {
                    Some(coding) if !matches!(extract, Extract::Flanked(_)) => self.parts_of(coding.id)?,
                    _ => self.item_parts(item)?,
                };
                let (five, three, strand) = self.ends(item, &parts);
                let reverse = strand == '-';
                let (first, last) = match extract {
                    Extract::Upstream(_) if reverse => (five + 1, five + n),
                    Extract::Upstream(_) => (five - n, five - 1),
                    Extract::Downstream(_) if reverse => (three - n, three - 1),
                    Extract::Downstream(_) => (three + 1, three + n),
                    _ => (item.start - n, item.start + item.length - 1 + n),
                };
                let strand = if matches!(extract, Extract::Flanked(_)) { item.strand } else { strand };
                let letters = self.flank(item.seq, first, last, strand)?;
                if (letters.len() as i64) < last - first + 1 {
                    self.caveat("bases beyond an end of a linear sequence do not exist and are missing");
                }
                letters
            }
        };
        Ok((String::from_utf8_lossy(&letters).into_owned(), extract.to_string()))
    }

    fn protein(&mut self, item: &Item) -> Outcome<Vec<u8>> {
        let (parts, phase, table, partial) = match (self.coding(item)?, &item.what) {
            (Some(coding), _) => (self.parts_of(coding.id)?, coding.phase, coding.table, coding.partial),
            (None, What::Orf { table, .. }) => (self.item_parts(item)?, 0, *table, false),
            (None, _) => {
                let text = format!("not annotated: {} has no coding sequence", self.item_name(item)?);
                return Err(Halt::Status(Status::Refused { text }));
            }
        };
        let mut out = Vec::new();
        for (start, end, strand) in &parts {
            let number = |n: i64| u64::try_from(n).unwrap_or(0);
            let strand = if *strand == '-' { Strand::Reverse } else { Strand::Forward };
            out.extend(Span::new(number(start - 1), number(*end)).map(|span| CdsPart::new(span, strand)));
        }
        let code = GeneticCode::from_id(table).unwrap_or(GeneticCode::STANDARD);
        let cds = Cds { parts: out, phase, code, partial_5: partial, ..Cds::default() };
        let protein = cds.translate_bases(&self.spliced(item.seq, &parts)?)?;
        self.caveat(format!("the protein is not annotated; it was translated with genetic code {table}"));
        Ok(protein.letters)
    }

    pub(super) fn item_name(&self, item: &Item) -> Outcome<String> {
        match item.what {
            What::Feature { id, .. } => Ok(self.row_of_feature(id)?.id),
            _ => self.item_id(item),
        }
    }

    /// The bases of the coding parts, whole codons alone.
    pub(super) fn codons(&self, item: &Item) -> Outcome<Option<(Vec<u8>, u8)>> {
        let Some(coding) = self.coding(item)? else { return Ok(None) };
        let bases = self.spliced(item.seq, &self.parts_of(coding.id)?)?;
        let bases = bases.get(usize::from(coding.phase)..).unwrap_or_default().to_vec();
        Ok(Some((bases, coding.table)))
    }
}
