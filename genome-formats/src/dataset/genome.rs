//! Where the letters of a data set come from.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;

use crate::alphabet::reverse_complement;
use crate::coord::Span;
use crate::error::{Error, ErrorKind, Result, quote};
use crate::index::MakeIndex;
use crate::index::fasta::IndexedFasta;
use crate::record::SeqRecord;
use crate::region::Region;

/// Anything that gives pieces of named sequences: a list in memory, an indexed file.
pub trait Genome {
    /// What errors and manifests call it, for example a file's name.
    fn name(&self) -> &str;

    /// Every sequence with its length, always in the same order.
    fn names_and_lengths(&self) -> Vec<(String, u64)>;

    /// The letters of a stretch, in the case that they have.
    ///
    /// # Errors
    ///
    /// There is no such sequence, it is shorter, or its letters cannot be read.
    fn fetch(&self, name: &str, span: Span) -> Result<Cow<'_, [u8]>>;
}

/// A genome in an indexed FASTA file: only the windows are read.
///
/// ```no_run
/// use genome_formats::dataset::{Genome, IndexedGenome};
/// use genome_formats::{MakeIndex, Span};
///
/// let genome = IndexedGenome::open("genome.fa", MakeIndex::IfMissing)?;
/// let bases = genome.fetch("chr1", Span::new(1000, 1500).unwrap())?;
/// # Ok::<(), genome_formats::Error>(())
/// ```
#[derive(Debug)]
pub struct IndexedGenome {
    name: String,
    /// Reading moves in the file, which nobody sees from outside.
    fasta: RefCell<IndexedFasta>,
}

impl IndexedGenome {
    /// Opens a FASTA file, plain or BGZF, with its index.
    ///
    /// # Errors
    ///
    /// As [`IndexedFasta::open`].
    pub fn open(path: impl AsRef<Path>, make: MakeIndex) -> Result<Self> {
        let name = path.as_ref().display().to_string();
        Ok(Self { name, fasta: RefCell::new(IndexedFasta::open(path, make)?) })
    }
}

impl Genome for IndexedGenome {
    fn name(&self) -> &str {
        &self.name
    }

    fn names_and_lengths(&self) -> Vec<(String, u64)> {
        self.fasta.borrow().names_and_lengths().map(|(name, length)| (name.to_owned(), length)).collect()
    }

    fn fetch(&self, name: &str, span: Span) -> Result<Cow<'_, [u8]>> {
        self.fasta.borrow_mut().fetch(&Region::new(name, Some(span))).map(Cow::Owned)
    }
}

/// A genome in memory.
///
/// ```
/// use genome_formats::dataset::{Genome, MemoryGenome};
/// use genome_formats::{SeqRecord, Span};
///
/// let genome = MemoryGenome::new("toy.fa", [SeqRecord::new("chr1", b"ACGTAC")])?;
/// assert_eq!(genome.fetch("chr1", Span::new(1, 4).unwrap())?, &b"CGT"[..]);
/// # Ok::<(), genome_formats::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct MemoryGenome {
    name: String,
    records: Vec<SeqRecord>,
    index: HashMap<String, usize>,
}

impl MemoryGenome {
    /// Takes the records; `name` stands in errors.
    ///
    /// # Errors
    ///
    /// Two records have one name.
    pub fn new(name: impl Into<String>, records: impl IntoIterator<Item = SeqRecord>) -> Result<Self> {
        let name = name.into();
        let records: Vec<SeqRecord> = records.into_iter().collect();
        let mut index = HashMap::new();
        for (i, record) in records.iter().enumerate() {
            if index.insert(record.name.clone(), i).is_some() {
                return Err(Error::new(ErrorKind::Duplicate, name, "two sequences have one name")
                    .finding(quote(record.name.as_bytes())));
            }
        }
        Ok(Self { name, records, index })
    }

    /// The records.
    pub fn records(&self) -> &[SeqRecord] {
        &self.records
    }
}

impl Genome for MemoryGenome {
    fn name(&self) -> &str {
        &self.name
    }

    fn names_and_lengths(&self) -> Vec<(String, u64)> {
        self.records.iter().map(|r| (r.name.clone(), r.seq.len() as u64)).collect()
    }

    fn fetch(&self, name: &str, span: Span) -> Result<Cow<'_, [u8]>> {
        let record = self.index.get(name).map(|&i| &self.records[i]);
        let Some(record) = record else {
            return Err(Error::new(ErrorKind::Mismatch, &self.name, "no such sequence").finding(quote(name.as_bytes())));
        };
        let letters = span.slice(&record.seq).ok_or_else(|| {
            Error::new(ErrorKind::Coordinate, &self.name, "a span outside of its sequence")
                .in_record(name)
                .expecting(format!("an end up to {}", record.seq.len()))
                .finding(span.end().to_string())
        })?;
        Ok(Cow::Borrowed(letters))
    }
}

impl<G: Genome + ?Sized> Genome for &G {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn names_and_lengths(&self) -> Vec<(String, u64)> {
        (**self).names_and_lengths()
    }

    fn fetch(&self, name: &str, span: Span) -> Result<Cow<'_, [u8]>> {
        (**self).fetch(name, span)
    }
}

/// A sequence of the genome.
#[derive(Debug)]
pub(crate) struct Chromosome {
    pub(crate) name: String,
    pub(crate) len: u64,
    pub(crate) circular: bool,
}

/// A stretch of a sequence that has all its letters; in a circular sequence it may go over the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) chromosome: u32,
    pub(crate) start: u64,
    pub(crate) len: u64,
    pub(crate) reverse: bool,
}

/// The genome with its sequences numbered.
#[derive(Debug)]
pub(crate) struct Atlas<G> {
    genome: G,
    pub(crate) chromosomes: Vec<Chromosome>,
    index: HashMap<String, u32>,
}

impl<G: Genome> Atlas<G> {
    pub(crate) fn new(genome: G, circular: &[String]) -> Result<Self> {
        let mut chromosomes: Vec<Chromosome> = Vec::new();
        for (name, len) in genome.names_and_lengths() {
            if len > i64::MAX as u64 / 4 {
                let problem = format!("a sequence of {len} letters");
                return Err(Error::new(ErrorKind::Coordinate, genome.name(), problem).in_record(&name));
            }
            chromosomes.push(Chromosome { name, len, circular: false });
        }
        let index = chromosomes.iter().zip(0..).map(|(c, i)| (c.name.clone(), i)).collect();
        let mut atlas = Self { genome, chromosomes, index };
        for name in circular {
            let i = atlas.number(name)?;
            atlas.chromosomes[i as usize].circular = true;
        }
        Ok(atlas)
    }

    pub(crate) fn name(&self) -> &str {
        self.genome.name()
    }

    pub(crate) fn error(&self, kind: ErrorKind, problem: impl Into<Cow<'static, str>>) -> Error {
        Error::new(kind, self.genome.name(), problem)
    }

    pub(crate) fn number(&self, name: &str) -> Result<u32> {
        self.index.get(name).copied().ok_or_else(|| {
            let known: Vec<&str> = self.chromosomes.iter().take(4).map(|c| &*c.name).collect();
            let more = if self.chromosomes.len() > 4 { ", ..." } else { "" };
            self.error(ErrorKind::Mismatch, "the genome has no such sequence")
                .expecting(format!("one of {}{more}", known.join(", ")))
                .finding(quote(name.as_bytes()))
        })
    }

    pub(crate) fn chromosome(&self, number: u32) -> &Chromosome {
        &self.chromosomes[number as usize]
    }

    /// The place at `start`, which may be in front of a sequence or behind it; `None` where letters are missing.
    pub(crate) fn place(&self, chromosome: u32, start: i64, len: i64, reverse: bool) -> Option<Place> {
        let Chromosome { len: all, circular, .. } = *self.chromosome(chromosome);
        let all = all as i64;
        let start = if circular && len <= all && all > 0 { start.rem_euclid(all) } else { start };
        let fits = start >= 0 && (start.checked_add(len)? <= all || (circular && len <= all));
        fits.then_some(Place { chromosome, start: start as u64, len: len as u64, reverse })
    }

    /// The one or two stretches of a place, in ascending coordinates.
    pub(crate) fn pieces(&self, place: Place) -> impl Iterator<Item = (u64, u64)> + use<G> {
        let all = self.chromosome(place.chromosome).len;
        let end = place.start + place.len;
        let rest = (end > all).then(|| (0, end - all));
        std::iter::once((place.start, end.min(all))).chain(rest)
    }

    /// The letters of a place on the forward strand.
    pub(crate) fn forward(&self, place: Place) -> Result<Vec<u8>> {
        let chromosome = self.chromosome(place.chromosome);
        let mut out = Vec::new();
        for (start, end) in self.pieces(place) {
            let span = Span::new(start, end).expect("a piece starts before it ends");
            let letters = self.genome.fetch(&chromosome.name, span)?;
            if letters.len() as u64 != span.len() {
                return Err(self
                    .error(ErrorKind::Mismatch, "the genome gave another number of letters")
                    .in_record(&chromosome.name)
                    .expecting(span.len().to_string())
                    .finding(letters.len().to_string()));
            }
            out.extend_from_slice(&letters);
        }
        Ok(out)
    }

    /// The letters of a place on its strand.
    pub(crate) fn letters(&self, place: Place) -> Result<Vec<u8>> {
        let forward = self.forward(place)?;
        Ok(if place.reverse { reverse_complement(&forward) } else { forward })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn atlas(circular: &[String]) -> Atlas<MemoryGenome> {
        Atlas::new(MemoryGenome::new("g.fa", [SeqRecord::new("c", b"AACCGGTTAG")]).unwrap(), circular).unwrap()
    }

    #[test]
    fn places_end_where_their_sequence_ends() {
        let check = |circular: bool, start, len, reverse, expected: Option<&str>| {
            let names = if circular { vec!["c".to_owned()] } else { vec![] };
            let atlas = atlas(&names);
            let got = atlas.place(0, start, len, reverse).map(|p| atlas.letters(p).unwrap());
            assert_eq!(got.as_deref(), expected.map(str::as_bytes), "{circular} {start} {len}");
        };
        check(false, 0, 10, false, Some("AACCGGTTAG"));
        check(false, 0, 3, true, Some("GTT"));
        check(false, -1, 3, false, None);
        check(false, 8, 3, false, None);
        check(true, -1, 3, false, Some("GAA"));
        check(true, 8, 3, true, Some("TCT"));
        check(true, 19, 2, false, Some("GA"));
        check(true, 3, 10, false, Some("CGGTTAGAAC"));
        check(true, 0, 11, false, None);
        check(false, i64::MAX, 10, false, None);
    }

    #[test]
    fn what_a_genome_lacks_is_named() {
        let error = atlas(&[]).number("x").unwrap_err();
        assert_eq!(error.to_string(), "g.fa: the genome has no such sequence: expected one of c, found \"x\"");
        let genome = MemoryGenome::new("g.fa", [SeqRecord::new("c", b"AC")]).unwrap();
        let error = genome.fetch("c", Span::new(1, 3).unwrap()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "g.fa: a span outside of its sequence in record \"c\": expected an end up to 2, found 3"
        );
        let twice = [SeqRecord::new("c", b"A"), SeqRecord::new("c", b"C")];
        assert_eq!(MemoryGenome::new("g.fa", twice).unwrap_err().kind(), ErrorKind::Duplicate);
    }
}
