//! The record that GenBank and EMBL files are read into.

use crate::location::Location;
use crate::record::SeqRecord;

/// A record of an INSDC flat file, GenBank or EMBL. Any value is legal; the readers check, this type does not.
///
/// Text that the file breaks into lines is on one line here, with single blanks; comments and `other` keep their lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GenbankRecord {
    /// The name on the `LOCUS` or `ID` line.
    pub name: String,
    /// The first accession.
    pub accession: Option<String>,
    /// The other accessions, older ones or parts.
    pub secondary_accessions: Vec<String>,
    /// The part of the molecule that was cut out, `100..200`, where the file says so (`ACCESSION X REGION: 100..200`).
    pub region: Option<String>,
    /// The accession with its version.
    pub version: Option<String>,
    /// NCBI's former number of the sequence (`GI:`).
    pub gi: Option<String>,
    /// The description.
    pub definition: Option<String>,
    /// `DNA`, `mRNA`, `ss-RNA`, `genomic DNA`, ... as the file has it.
    pub molecule_type: Option<String>,
    /// Whether the molecule is a ring.
    pub circular: bool,
    /// The division of the database, three letters: `BCT`, `PLN`, ...
    pub division: Option<String>,
    /// The date of the last change, `21-JUL-2008`, as the file has it.
    pub date: Option<String>,
    /// What the length counts.
    pub unit: LengthUnit,
    /// The length that the file declares. It differs from `seq.len()` only where there is no sequence at all, or where a
    /// lenient reader let that pass. `None` for a master record, which counts records.
    pub declared_len: Option<u64>,
    /// Links to other databases, such as `BioProject: PRJNA224116`, a line each.
    pub dblinks: Vec<String>,
    /// The keywords.
    pub keywords: Vec<String>,
    /// Where the molecule came from, in free text.
    pub source: Option<String>,
    /// The organism's name, without its lineage.
    pub organism: Option<String>,
    /// The lineage of the organism, from the root.
    pub taxonomy: Vec<String>,
    /// The publications.
    pub references: Vec<Reference>,
    /// The comments, with their lines.
    pub comments: Vec<String>,
    /// The features in the order of the file.
    pub features: Vec<Feature>,
    /// The pieces of other records that the molecule is made of, without blanks: `join(A.1:1..90,gap(100),B.2:1..80)`.
    pub contig: Option<String>,
    /// The letters as the file has them (GenBank writes lower case, without a meaning). Empty for `CONTIG` records.
    pub seq: Vec<u8>,
    /// Lines with other keywords, in the order of the file: the keyword (`DBSOURCE`, `WGS`, ..., EMBL's `DR`, `PR`, ...)
    /// and its text, with its lines.
    pub other: Vec<(String, String)>,
}

/// What the length of a [`GenbankRecord`] counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum LengthUnit {
    /// Bases: `bp`.
    #[default]
    Bases,
    /// Amino acids: `aa`.
    Residues,
    /// This many records, of which this one is the master: `rc`.
    Records(u64),
}

/// A publication or submission.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Reference {
    /// Its number in the record.
    pub number: Option<String>,
    /// What it is about: `bases 1 to 30`, `sites`, `residues 1 to 99`.
    pub about: Option<String>,
    /// The authors.
    pub authors: Option<String>,
    /// A group of authors.
    pub consortium: Option<String>,
    /// The title.
    pub title: Option<String>,
    /// The journal, book or submission.
    pub journal: Option<String>,
    /// The number in PubMed.
    pub pubmed: Option<String>,
    /// The number in Medline, in old records.
    pub medline: Option<String>,
    /// A remark.
    pub remark: Option<String>,
    /// Lines with other keywords, in the order of the file.
    pub other: Vec<(String, String)>,
}

/// One entry of a feature table.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Feature {
    /// The key: `gene`, `CDS`, ...
    pub kind: String,
    /// Where it is.
    pub location: Location,
    /// Name and value of each qualifier, in the order of the file; `/pseudo` has no value. A value that the file breaks
    /// into lines is joined with blanks, a `translation` and values in brackets without.
    pub qualifiers: Vec<(String, Option<String>)>,
}

impl Feature {
    /// The first value of a qualifier.
    pub fn qualifier(&self, name: &str) -> Option<&str> {
        let mut named = self.qualifiers.iter().filter(|(n, _)| n == name);
        named.find_map(|(_, value)| value.as_deref())
    }

    /// All values of a qualifier that may stand more than once, such as `db_xref`.
    pub fn qualifier_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.qualifiers.iter().filter(move |(n, _)| n == name).filter_map(|(_, value)| value.as_deref())
    }

    /// Whether a qualifier is there, with or without a value.
    pub fn has_qualifier(&self, name: &str) -> bool {
        self.qualifiers.iter().any(|(n, _)| n == name)
    }
}

impl GenbankRecord {
    /// Empties the record but keeps the memory of its features and letters for the next one. The features stay as
    /// they are: the reader writes over them.
    pub(crate) fn reset(&mut self) {
        let (features, mut seq) = (std::mem::take(&mut self.features), std::mem::take(&mut self.seq));
        seq.clear();
        *self = Self { features, seq, ..Self::default() };
    }
}

impl GenbankRecord {
    /// Gives back memory that was taken on a guess, where it is much.
    pub(crate) fn shrink(&mut self) {
        if self.seq.capacity() > 2 * self.seq.len() {
            self.seq.shrink_to_fit();
        }
        if self.features.capacity() > 2 * self.features.len() {
            self.features.shrink_to_fit();
        }
    }
}

impl From<GenbankRecord> for SeqRecord {
    /// Named by version, else accession, else `LOCUS`; described by the definition.
    fn from(record: GenbankRecord) -> Self {
        Self {
            name: record.version.or(record.accession).unwrap_or(record.name),
            description: record.definition,
            seq: record.seq,
        }
    }
}
