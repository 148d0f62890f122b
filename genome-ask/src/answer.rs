//! What a query found, with where it stands.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The version of the JSON form of an [`Answer`].
pub const ANSWER_VERSION: u32 = 1;

/// What a query found. Coordinates are 1-based and include the last base.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Answer {
    /// [`ANSWER_VERSION`].
    pub version: u32,
    /// The query as text.
    pub query: String,
    /// Whether there is an answer, and why not.
    pub status: Status,
    /// How many rows there are, those that are not in `rows` too.
    pub count: u64,
    /// The rows, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<Row>,
    /// There are more rows than in `rows`.
    pub truncated: bool,
    /// Numbers that were asked for; the first is the one meant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Value>,
    /// Counts by value of a field, or by codon.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Group>,
    /// Yes or no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<bool>,
    /// From the first to the last base of rows that belong together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Interval>,
    /// What should be known before the answer is used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub caveats: Vec<String>,
    /// The SQL that was run, with its parameters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sql: Vec<SqlText>,
    /// What was computed without SQL.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub computed: Vec<String>,
    /// The files that were asked, with their SHA-256.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<(String, String)>,
}

/// Whether there is an answer.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Status {
    /// There is.
    #[default]
    Ok,
    /// Nothing was found; which is not to say that nothing is there.
    Empty {
        /// Why.
        reason: Empty,
        /// In words.
        text: String,
    },
    /// A name means several things.
    Ambiguous {
        /// The name.
        name: String,
        /// What it may mean.
        candidates: Vec<Row>,
    },
    /// The data cannot tell.
    Refused {
        /// Why, in words.
        text: String,
    },
}

impl Status {
    /// Whether there is an answer.
    pub fn is_ok(&self) -> bool {
        *self == Self::Ok
    }
}

/// Why nothing was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Empty {
    /// No feature of the kind, or of the name, is annotated.
    NotAnnotated,
    /// The file has sequences alone.
    NoAnnotation,
    /// There are features of the kind, but none that fulfils the filters.
    NoMatch,
    /// No sequence has the name.
    UnknownSequence,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Row {
    /// The identifier of its locus; for what has none `kind:seqid:start-end`.
    pub id: String,
    /// `gene`, `CDS`, `intergenic`, ...
    pub kind: String,
    /// The locus tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locus_tag: Option<String>,
    /// The gene's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gene: Option<String>,
    /// The product.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// The protein.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protein_id: Option<String>,
    /// The genome.
    pub genome: String,
    /// The sequence.
    pub seqid: String,
    /// The first base, from 1.
    pub start: u64,
    /// The last base; less than `start` where it goes over the origin.
    pub end: u64,
    /// `+`, `-`, or `.` for none or both.
    pub strand: String,
    /// Bases from the first to the last.
    pub length: u64,
    /// It goes over the origin of a circular sequence.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub wraps: bool,
    /// Amino acids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aa: Option<u64>,
    /// GC content in per cent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gc: Option<f64>,
    /// Parts of the location in the order of reading, where there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<(u64, u64)>,
    /// Identifiers of what a run or cluster is made of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<String>,
    /// Members for each gene of the stretch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub density: Option<f64>,
    /// How similar it is to what was asked for: the cosine of two vectors, from -1 to 1. A similarity, no fact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub similarity: Option<f64>,
    /// The pattern that is here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// The fields of [`crate::Query::show`], each with its values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, Vec<String>>,
    /// What was asked for by [`crate::Query::extract`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence: Option<String>,
    /// What these letters are: `protein`, `upstream 500`, ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequence_is: Option<String>,
    /// The file.
    pub source_file: String,
    /// The line on which it begins there; none for what was computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
}

/// A number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Value {
    /// What it is.
    pub name: String,
    /// The number.
    pub value: f64,
    /// `bp`, `aa`, `%`, `Da`, or nothing.
    pub unit: String,
}

/// Rows that share a value; a codon.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// The value; the codon.
    pub key: String,
    /// The amino acid of a codon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// How many.
    pub count: u64,
    /// Codons: for each thousand codons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_thousand: Option<f64>,
    /// Codons: among those of the same amino acid, as a share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
}

/// A stretch of a sequence; 1-based, the last base included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interval {
    /// The sequence.
    pub seqid: String,
    /// The first base.
    pub start: u64,
    /// The last base; less than `start` over the origin.
    pub end: u64,
    /// The strand.
    pub strand: String,
}

/// A statement with its parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SqlText {
    /// The statement.
    pub text: String,
    /// The parameters, in order.
    pub parameters: Vec<String>,
}
