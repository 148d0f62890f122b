//! One way to read sequences from any format.

use std::path::Path;

use crate::alphabet::Letters;
use crate::error::{ErrorKind, Result, quote};
use crate::fasta::FastaReader;
use crate::fastq::FastqReader;
use crate::genbank::GenbankReader;
use crate::input::{Format, Input, Limits};
use crate::record::SeqRecord;
use crate::table::Table;

/// Opens a file of sequences, whatever its format: FASTA, FASTQ, GenBank, or CSV with a column `sequence`; plain or gzip;
/// `-` is standard input. Letters are IUPAC nucleotides. Qualities of FASTQ are checked as Sanger's, which have every byte
/// that the other encodings have, and left out.
///
/// A CSV row is named by its column `id`, or `row_1`, `row_2`, ... Other columns are not read.
///
/// # Errors
///
/// The file cannot be read, is empty, or has no known format.
pub fn open(path: impl AsRef<Path>) -> Result<Sequences> {
    Sequences::from_input(Input::open(path)?, Letters::default(), Limits::default())
}

/// Sequences from any format, one by one; each has at least one letter. After an error it gives nothing more.
///
/// ```
/// use genome_formats::{Input, Letters, Limits, Sequences};
///
/// let read = |name: &str, text: &'static str| -> Result<Vec<_>, genome_formats::Error> {
///     Sequences::from_input(Input::from_bytes(name, text)?, Letters::Iupac, Limits::default())?.collect()
/// };
/// let fasta = read("a.fa", ">p1\nTATAAT\n")?;
/// let csv = read("a.csv", "id,sequence,label\np1,TATAAT,1\n")?;
/// assert_eq!(fasta, csv);
/// # Ok::<(), genome_formats::Error>(())
/// ```
#[derive(Debug)]
pub struct Sequences {
    name: String,
    format: Format,
    inner: Inner,
    done: bool,
}

#[derive(Debug)]
enum Inner {
    Fasta(Box<FastaReader<Input>>),
    Fastq(Box<FastqReader<Input>>),
    Genbank(Box<GenbankReader<Input>>),
    Csv(Box<Rows>),
}

#[derive(Debug)]
struct Rows {
    table: Table,
    letters: Letters,
    sequence: usize,
    id: Option<usize>,
    columns: usize,
    read: u64,
}

impl Sequences {
    /// Reads an input in the format it turns out to have.
    ///
    /// # Errors
    ///
    /// The input is empty, or has no known format.
    pub fn from_input(input: Input, letters: Letters, limits: Limits) -> Result<Self> {
        let format = input.format()?;
        let name = input.name().to_owned();
        let inner = match format {
            Format::Fasta => {
                let reader = FastaReader::from_input(input).with_letters(letters).with_limits(limits);
                Inner::Fasta(Box::new(reader))
            }
            Format::Fastq => {
                let reader = FastqReader::from_input(input).with_letters(letters).with_limits(limits);
                Inner::Fastq(Box::new(reader))
            }
            Format::Genbank => {
                let reader = GenbankReader::from_input(input).with_letters(letters).with_limits(limits);
                Inner::Genbank(Box::new(reader))
            }
            Format::Csv => Inner::Csv(Box::new(Rows::new(Table::read(input, limits)?, letters)?)),
            other => {
                return Err(crate::Error::new(ErrorKind::Unsupported, name, "not a file of sequences")
                    .expecting("FASTA, GenBank or CSV with the column sequence")
                    .finding(other.to_string()));
            }
        };
        Ok(Self { name, format, inner, done: false })
    }

    /// The name of the input, as errors give it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The format that was recognised.
    pub fn format(&self) -> Format {
        self.format
    }

    fn read(&mut self) -> Result<Option<SeqRecord>> {
        let record = match &mut self.inner {
            Inner::Fasta(reader) => reader.next().transpose()?,
            Inner::Fastq(reader) => reader.next().transpose()?.map(SeqRecord::from),
            Inner::Genbank(reader) => reader.next().transpose()?.map(SeqRecord::from),
            Inner::Csv(rows) => rows.read()?,
        };
        match record {
            Some(record) if record.seq.is_empty() => {
                Err(crate::Error::new(ErrorKind::Empty, &self.name, "no letters").in_record(&record.name))
            }
            record => Ok(record),
        }
    }
}

impl Iterator for Sequences {
    type Item = Result<SeqRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let record = self.read();
        self.done = !matches!(record, Ok(Some(_)));
        record.transpose()
    }
}

impl std::iter::FusedIterator for Sequences {}

impl Rows {
    fn new(mut table: Table, letters: Letters) -> Result<Self> {
        table.next_row()?;
        let column = |name: &[u8]| table.row().iter().position(|c| c.trim_ascii() == name);
        let (sequence, id, columns) = (column(b"sequence"), column(b"id"), table.row().len());
        let Some(sequence) = sequence else {
            return Err(table
                .error(ErrorKind::Header, "wrong header")
                .expecting("a column sequence")
                .finding(quote(table.raw())));
        };
        Ok(Self { table, letters, sequence, id, columns, read: 0 })
    }

    fn read(&mut self) -> Result<Option<SeqRecord>> {
        if !self.table.next_row()? {
            if self.read == 0 {
                return Err(self.table.error(ErrorKind::Empty, "the file has a header but no rows"));
            }
            return Ok(None);
        }
        let fields = self.table.row().len();
        if fields != self.columns {
            return Err(self
                .table
                .error(ErrorKind::Syntax, "a row with the wrong number of fields")
                .expecting(crate::error::count(self.columns as u64, "field"))
                .finding(fields.to_string()));
        }
        self.read += 1;
        let name = match self.id {
            Some(id) => self.table.text(id, "id")?.to_owned(),
            None => format!("row_{}", self.read),
        };
        let seq = self.table.sequence(self.sequence, self.letters, &name)?.to_vec();
        Ok(Some(SeqRecord::new(name, seq)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sequences(name: &str, text: &[u8]) -> Result<Vec<SeqRecord>> {
        let input = Input::from_bytes(name, text.to_vec())?;
        Sequences::from_input(input, Letters::Iupac, Limits::default())?.collect()
    }

    fn error(name: &str, text: &[u8]) -> String {
        sequences(name, text).unwrap_err().to_string()
    }

    #[test]
    fn all_formats_give_the_same_records() {
        let check = |text: &[u8], name: &str| {
            assert_eq!(sequences("x", text).unwrap(), [SeqRecord::new(name, b"acgt")]);
        };
        check(b">a\nacgt\n", "a");
        check(b"@a\nacgt\n+\nIIII\n", "a");
        check(b"LOCUS a 4 bp DNA\nORIGIN\n 1 acgt\n//\n", "a");
        check(b"sequence\nacgt\n", "row_1");
        check(b"sequence,label\nacgt,1\n", "row_1");
        check(b"label,\"id\",sequence\r\n1,a,acgt", "a");
    }

    #[test]
    fn errors() {
        assert_eq!(error("x.fa", b""), "x.fa: the file is empty");
        assert_eq!(error("x.fa", b">a\n>b\nA\n"), "x.fa: no letters in record \"a\"");
        assert_eq!(error("x.fq", b"@a\n\n+\n\n"), "x.fq: no letters in record \"a\"");
        assert_eq!(error("x.gb", b"LOCUS a 4 bp DNA\n//\n"), "x.gb: no letters in record \"a\"");
        assert_eq!(error("x.csv", b"sequence\n"), "x.csv:1: byte 0: the file has a header but no rows");
        assert_eq!(
            error("x.csv", b"seq,label\nA,1\n"),
            "x.csv:1: byte 0: wrong header: expected a column sequence, found \"seq,label\""
        );
        assert_eq!(
            error("x.csv", b"id,sequence\na,A\nb,AJ\n"),
            "x.csv:3: byte 19: column 4: unknown letter in sequence \"b\": expected an IUPAC nucleotide, found 'J'"
        );
        assert_eq!(
            error("x.csv", b"id,sequence\na\n"),
            "x.csv:2: byte 12: a row with the wrong number of fields: expected 2 fields, found 1"
        );
    }

    proptest! {
        #[test]
        fn any_bytes_never_panic(text in proptest::collection::vec(any::<u8>(), 0..200), start in 0usize..7) {
            let starts: [&[u8]; 7] = [b"", b">", b"@a\nA\n+\nI\n@", b"LOCUS a 4 bp\n", b"sequence\n", b"id,sequence\n", b"\x1f\x8b\x08\0"];
            for name in ["x", "x.fa", "x.gb", "x.csv"] {
                let Ok(input) = Input::from_bytes(name, [starts[start], &text].concat()) else { continue };
                let Ok(mut reader) = Sequences::from_input(input, Letters::Iupac, Limits::default()) else { continue };
                if reader.by_ref().any(|r| r.is_err()) {
                    prop_assert!(reader.next().is_none());
                }
            }
        }
    }
}
