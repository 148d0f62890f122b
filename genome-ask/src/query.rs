//! The typed query: the only thing that touches the data.
//!
//! A question in words, a line typed by a power user and a JSON document all become a [`Query`]. It says which rows are meant
//! ([`Select`]), what must hold of them ([`Filter`]), and what is told about them ([`Tell`]). A query prints itself as one line
//! of text, which [`Query::parse`] reads back:
//!
//! ```
//! use genome_ask::Query;
//!
//! let query = Query::parse(r#"count protein where product has "ABC transporter" and aa > 300 and strand +"#)?;
//! assert_eq!(query.to_string(), r#"count protein where product has "ABC transporter" and aa > 300 and strand +"#);
//! let json = serde_json::to_string(&query).unwrap();
//! assert_eq!(serde_json::from_str::<Query>(&json).unwrap(), query);
//! # Ok::<(), genome_ask::Error>(())
//! ```
//!
//! Coordinates in a query are those that people write: 1-based, the last base included.
//!
//! # The text form
//!
//! ```text
//! [from GENOME] TELL SELECT [where FILTER and ...] [having FILTER and ...] [group by FIELD]
//!     [order by FIELD [desc], ...] [limit N [with ties]] [show FIELD, ...] [extract WHAT] [as FORMAT]
//!
//! TELL     list | count | exists | median(aa) | mean(..) | min(..) | max(..) | sum(..) | distinct(FIELD)
//!          | share(FILTER and ...) | gc | n50 | coverage | adjacent | codon_usage
//! SELECT   gene | protein | cds | feature | sequence | intergenic | tRNA (any other kind of feature)
//!          | run(gap 50) | cluster(protein, gap 3000, min 3) | orf(min 100) | motif(GAATTC|EcoRI)
//!          | window(1000, step 500) | region(chr1:100-200)
//! FILTER   aa > 300 | length between 100 and 200 | product has "ABC transporter"|"ABC exporter"
//!          | product is ".." | function contains ".." | gene starts waa | ec under 2.7 | ec present
//!          | strand + | on IV | named dnaA|dnaB | among b0001|b0002 | text "iron uptake"
//!          | pseudo | coding | unknown_function | wraps | partial | spliced | unannotated
//!          | near PLACE within 10000 [upstream | downstream | left | right] | overlaps PLACE | inside PLACE
//!          | between PLACE and PLACE | next_to PLACE [by 2] [upstream | ...]
//!          | shared with GENOME by gene | not FILTER | any(FILTER, ..) | all(FILTER, ..)
//! PLACE    dnaA (a name) | 1200-1500 | chr1:1200-1500 | each(tRNA, FILTER, ..)
//! ```

mod parse;
mod text;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// The version of the JSON form. It rises when a document of an older version would mean something else.
pub const QUERY_VERSION: u32 = 1;

/// What is asked of the index. Any value is legal; execution says what makes no sense.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// [`QUERY_VERSION`].
    #[serde(default = "version")]
    pub version: u32,
    /// The genome of the index; all of them without this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub genome: Option<String>,
    /// What is told about the rows.
    #[serde(default)]
    pub tell: Tell,
    /// What a row is.
    pub select: Select,
    /// What must hold of each row; of each member for [`Select::Run`] and [`Select::Cluster`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<Filter>,
    /// What must hold of a row once it is made: of a run, cluster or group.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub having: Vec<Filter>,
    /// Counts rows by the value of a field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Field>,
    /// The order; by sequence and start without this, and among equals.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub order: Vec<Order>,
    /// How many rows there are at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    /// Fields that are told beside those that every row has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub show: Vec<Field>,
    /// The sequence that comes with each row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extract: Option<Extract>,
    /// The form in which rows are written.
    #[serde(default, skip_serializing_if = "is_table")]
    pub output: Output,
}

fn version() -> u32 {
    QUERY_VERSION
}

fn is_table(output: &Output) -> bool {
    *output == Output::Table
}

/// What is told about the rows.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tell {
    /// The rows.
    #[default]
    Rows,
    /// How many there are.
    Count,
    /// Whether there is one: `yes`, or "not annotated".
    Exists,
    /// One number made of a field of all rows.
    Aggregate(Aggregate, Field),
    /// The different values of a field.
    Distinct(Field),
    /// How many per cent of the rows fulfil these filters too.
    Share(Vec<Filter>),
    /// 100 (G+C)/(A+C+G+T) over all rows together.
    Gc,
    /// N50, number and total length of the rows.
    N50,
    /// How many per cent of the bases of their sequences the parts of the rows cover together.
    Coverage,
    /// Whether the rows follow each other with no other gene between, on one strand.
    Adjacent,
    /// Codons of all rows together.
    CodonUsage,
}

/// How many values become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregate {
    /// The middle one, or the mean of the two in the middle.
    Median,
    /// The mean.
    Mean,
    /// The least.
    Min,
    /// The greatest.
    Max,
    /// The sum.
    Sum,
}

/// What a row is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Select {
    /// A `gene` feature of any kind, pseudogenes too. In a file without any, what would have a gene: coding sequences and RNAs,
    /// one for each locus.
    Gene,
    /// A locus with a coding sequence that has a translation and is no pseudogene; the row is its coding sequence.
    Protein,
    /// A coding sequence as annotated, pseudo or not.
    Cds,
    /// A feature of any kind.
    Feature,
    /// A feature of this kind, in whatever case: `tRNA`, `repeat_region`.
    Kind(String),
    /// A sequence of the file: chromosome, plasmid, contig.
    Sequence,
    /// What no gene covers.
    Intergenic,
    /// Consecutive genes on one strand, each at most this far behind the one before; does not go over the origin.
    Run {
        /// Bases between neighbours at most; they may overlap.
        max_gap_bp: u64,
    },
    /// Rows that lie close to each other, in whatever is between them.
    Cluster {
        /// What the members are.
        of: Box<Select>,
        /// Bases between one member and the next at most.
        max_gap_bp: u64,
        /// The fewest members.
        min_members: u64,
    },
    /// An open reading frame of either strand, by the genetic code of its sequence. [`Is::Unannotated`] leaves those that no
    /// coding sequence covers.
    Orf {
        /// Amino acids at least, without the stop.
        min_aa: u64,
    },
    /// A place of one of these patterns (IUPAC letters) or of a restriction enzyme's site, on both strands; a palindrome is told
    /// once a place. `*` is every enzyme of the table.
    Motif(Vec<String>),
    /// A window of a sequence, for its GC content.
    Window {
        /// Bases of a window.
        size_bp: u64,
        /// Bases from one to the next.
        step_bp: u64,
    },
    /// A stretch of a sequence.
    Region(Region),
}

/// A stretch of a sequence: 1-based, the last base included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Region {
    /// The name of the sequence; without it there must be just one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seqid: Option<String>,
    /// The first base, from 1.
    pub start: u64,
    /// The last base. Less than `start` on a circular sequence: over the origin.
    pub end: u64,
}

/// What must hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Filter {
    /// A property.
    Is(Is),
    /// A comparison of a number.
    Number(Field, Compare),
    /// A comparison of a text; one of the values is enough.
    Text(Field, Match, Vec<String>),
    /// The strand.
    Strand(Strand),
    /// On this sequence, by name, accession, or `IV` for chromosome IV.
    On(String),
    /// One of these names is its: official names and locus tags first; only where there is none, synonyms and old tags; then
    /// cross references. A name that is a synonym of several genes and official for none is ambiguous.
    Named(Vec<String>),
    /// Its identifier is one of these: what an earlier answer gave.
    Among(Vec<String>),
    /// Full text over names, products, functions and notes, all words; ordered by relevance without another order.
    FullText(String),
    /// With a base at most this far from the place, which is left out itself.
    Near {
        /// From where.
        of: Place,
        /// How far, in bases.
        distance_bp: u64,
        /// On which side.
        #[serde(default)]
        side: Side,
    },
    /// With a base in the place.
    Overlaps(Place),
    /// With all bases in the place.
    Inside(Place),
    /// With a base between two places of one sequence, which are left out themselves. On a circular sequence the shorter way.
    Between(Place, Place),
    /// Among the next genes by start, without the place itself.
    NextTo {
        /// Whose neighbours.
        of: Place,
        /// How many on a side.
        count: u64,
        /// On which side.
        #[serde(default)]
        side: Side,
    },
    /// With the same name or product as a gene of another genome of the index, whatever the case.
    SharedWith {
        /// The other genome.
        genome: String,
        /// [`Field::Gene`], [`Field::Product`] or another text.
        by: Field,
    },
    /// Not so.
    Not(Box<Filter>),
    /// One of these.
    Any(Vec<Filter>),
    /// All of these.
    All(Vec<Filter>),
}

/// A property of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Is {
    /// Annotated as no longer functional.
    Pseudo,
    /// Its locus has a coding sequence with a translation and without pseudo, or `gene_biotype` says `protein_coding`.
    Coding,
    /// Protein-coding without a product, or with one that says that the function is not known: `hypothetical protein`,
    /// `uncharacterized`, `unknown function`, DUF or UPF and digits.
    UnknownFunction,
    /// Goes over the origin of a circular sequence.
    Wraps,
    /// An end is open.
    Partial,
    /// Of several parts.
    Spliced,
    /// Has an annotated translation.
    Translated,
    /// No coding sequence covers a base of it on its strand.
    Unannotated,
    /// The sequence is circular.
    Circular,
}

/// A comparison of a number.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compare {
    /// Less.
    Lt(f64),
    /// Less or equal.
    Le(f64),
    /// Equal.
    Eq(f64),
    /// More or equal.
    Ge(f64),
    /// More.
    Gt(f64),
    /// From the first to the second, both included.
    Between(f64, f64),
}

/// How a text is compared; case never matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Match {
    /// Whole words (letters, digits, underscore) in this order, never a part of a word.
    Has,
    /// The whole text.
    Is,
    /// A part of the text.
    Contains,
    /// Its beginning.
    Starts,
    /// A class of numbers with dots: `2.7` has `2.7.1.1` in it, not `2.71.1.1`.
    Under,
    /// There is a text at all; no values are needed.
    Present,
}

/// A strand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Strand {
    /// The strand that the file shows.
    #[serde(rename = "+")]
    Plus,
    /// The other one.
    #[serde(rename = "-")]
    Minus,
}

/// Which side of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Both.
    #[default]
    Both,
    /// In front of it, as its strand reads.
    Upstream,
    /// Behind it, as its strand reads.
    Downstream,
    /// At lower coordinates.
    Left,
    /// At higher coordinates.
    Right,
}

/// A place to which a row is related.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// A gene, by name: see [`Filter::Named`].
    Named(String),
    /// A stretch of a sequence.
    Region(Region),
    /// Each row of another selection.
    Each(Box<Select>, Vec<Filter>),
}

/// A field of a row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// The identifier of a locus: locus tag, else gene name, else protein; in GFF3 the `ID`.
    Id,
    /// `locus_tag`.
    LocusTag,
    /// The gene's name.
    Gene,
    /// Other names of the gene.
    Synonym,
    /// `old_locus_tag`.
    OldLocusTag,
    /// `protein_id`.
    ProteinId,
    /// The product.
    Product,
    /// `function`.
    Function,
    /// `note`.
    Note,
    /// EC numbers.
    Ec,
    /// Terms of the Gene Ontology: `GO:0006281`.
    Go,
    /// Cross references: `UniProtKB/Swiss-Prot:P0A8V2`.
    DbXref,
    /// Any qualifier of the file.
    Qualifier(String),
    /// Any text.
    AnyText,
    /// The kind of feature.
    Kind,
    /// `gene_biotype`.
    Biotype,
    /// The sequence.
    Seqid,
    /// The first base, from 1.
    Start,
    /// The last base.
    End,
    /// The strand.
    Strand,
    /// Bases from the first to the last, introns included.
    Length,
    /// Bases of all parts.
    Bases,
    /// Amino acids of the protein.
    Aa,
    /// GC content in per cent.
    Gc,
    /// The first codon.
    StartCodon,
    /// The genetic code.
    TranslTable,
    /// The protein's weight in dalton.
    MolecularWeight,
    /// The protein's isoelectric point.
    IsoelectricPoint,
    /// Parts of the location: exons.
    Parts,
    /// Members of a run or cluster; rows of a group.
    Members,
    /// Members for each gene of the stretch.
    Density,
    /// How well a text fits ([`Filter::FullText`]).
    Relevance,
    /// The pattern of a [`Select::Motif`].
    Pattern,
    /// The genome.
    Genome,
    /// Where it is; all of the above for a sequence.
    Location,
}

/// A field to sort by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// By what.
    pub by: Field,
    /// The greatest first.
    #[serde(default)]
    pub descending: bool,
}

/// How many rows there are at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// Rows.
    pub rows: u64,
    /// Rows that are equal to the last one by the first field of the order come too.
    #[serde(default)]
    pub ties: bool,
}

/// The sequence that comes with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Extract {
    /// Its bases from the first to the last as its strand reads, introns included.
    Dna,
    /// Its parts, spliced.
    Spliced,
    /// The protein: as annotated, else translated.
    Protein,
    /// Bases in front of the first base, as its strand reads; of the coding sequence where there is one.
    Upstream(u64),
    /// Bases behind the last base.
    Downstream(u64),
    /// Its bases and as many on both sides.
    Flanked(u64),
}

/// The form in which rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// A table for people.
    #[default]
    Table,
    /// JSON.
    Json,
    /// Comma-separated values.
    Csv,
    /// Tab-separated values.
    Tsv,
    /// FASTA of what [`Query::extract`] says; proteins for proteins and bases for the rest without it.
    Fasta,
    /// GFF3.
    Gff3,
}

impl Query {
    /// All rows of a selection.
    pub fn new(select: Select) -> Self {
        Self {
            version: QUERY_VERSION,
            genome: None,
            tell: Tell::Rows,
            select,
            filters: Vec::new(),
            having: Vec::new(),
            group: None,
            order: Vec::new(),
            limit: None,
            show: Vec::new(),
            extract: None,
            output: Output::Table,
        }
    }

    /// With one more filter.
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filters.push(filter);
        self
    }

    /// With this to tell.
    #[must_use]
    pub fn tell(mut self, tell: Tell) -> Self {
        self.tell = tell;
        self
    }

    /// Sorted by one more field.
    #[must_use]
    pub fn order_by(mut self, by: Field, descending: bool) -> Self {
        self.order.push(Order { by, descending });
        self
    }

    /// With at most this many rows, and those equal to the last one.
    #[must_use]
    pub fn limit(mut self, rows: u64, ties: bool) -> Self {
        self.limit = Some(Limit { rows, ties });
        self
    }

    /// Reads the text form.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Syntax`], with the place and what was expected there.
    pub fn parse(text: &str) -> Result<Self, crate::Error> {
        parse::query(text)
    }

    /// The kinds of feature that the query names: to tell which of them are not annotated.
    pub fn kinds(&self) -> BTreeSet<String> {
        let mut kinds = BTreeSet::new();
        kinds_of(&self.select, &mut kinds);
        kinds
    }
}

fn kinds_of(select: &Select, into: &mut BTreeSet<String>) {
    match select {
        Select::Kind(kind) => _ = into.insert(kind.clone()),
        Select::Cluster { of, .. } => kinds_of(of, into),
        _ => {}
    }
}
