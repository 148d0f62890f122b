//! The record that every sequence format is turned into.

/// A named sequence. Any value is legal; readers check letters, this type does not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct SeqRecord {
    /// The name: the first word behind `>`, or the accession with its version.
    pub name: String,
    /// The rest of the definition line.
    pub description: Option<String>,
    /// The letters as the file has them. Case is kept: lower case marks repeats.
    pub seq: Vec<u8>,
}

impl SeqRecord {
    /// A record without a description.
    ///
    /// ```
    /// use genome_formats::SeqRecord;
    ///
    /// let record = SeqRecord::new("chr1", b"ACGT");
    /// assert_eq!(record.description, None);
    /// ```
    pub fn new(name: impl Into<String>, seq: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), description: None, seq: seq.into() }
    }
}
