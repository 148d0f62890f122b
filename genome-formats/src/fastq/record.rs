//! A read: in place, and owned.

use super::quality::QualityEncoding;
use crate::record::SeqRecord;

/// A read in the buffer of its reader. Sequence and quality have the same length, and every quality byte is a score of the
/// encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FastqView<'a> {
    /// The name: the title line up to the first space or tab.
    pub name: &'a [u8],
    /// The rest of the title line, without blanks around it.
    pub description: Option<&'a [u8]>,
    /// The letters, in the case of the file.
    pub seq: &'a [u8],
    /// A byte for each letter, as the file has it.
    pub quality: &'a [u8],
    /// What the bytes mean.
    pub encoding: QualityEncoding,
}

impl FastqView<'_> {
    /// The Phred scores.
    pub fn phred(&self) -> impl ExactSizeIterator<Item = u8> {
        phred(self.quality, self.encoding)
    }

    /// A copy. What is not UTF-8 in the title becomes replacement characters.
    pub fn to_record(&self) -> FastqRecord {
        let mut record = FastqRecord::default();
        self.copy_to(&mut record);
        record
    }

    /// The same into a record whose buffers are used again.
    pub fn copy_to(&self, record: &mut FastqRecord) {
        record.name.clear();
        record.name.push_str(&String::from_utf8_lossy(self.name));
        record.description = self.description.map(|text| String::from_utf8_lossy(text).into_owned());
        record.seq.clear();
        record.seq.extend_from_slice(self.seq);
        record.quality.clear();
        record.quality.extend_from_slice(self.quality);
        record.encoding = self.encoding;
    }
}

/// A read with its quality.
///
/// The quality is kept as the bytes of the file, with their encoding beside: Solexa scores lose their lowest steps as Phred
/// scores, and what is only copied should not change. [`FastqRecord::phred`] gives Phred scores, whatever the encoding.
///
/// ```
/// use genome_formats::{FastqRecord, QualityEncoding};
///
/// let read = FastqRecord::new("r1", b"ACGT", b"hh;B", QualityEncoding::Solexa);
/// assert_eq!(read.phred().collect::<Vec<_>>(), [40, 40, 1, 4]);
/// let read = read.into_encoding(QualityEncoding::Sanger).unwrap();
/// assert_eq!(read.quality, b"II\"%");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct FastqRecord {
    /// The name.
    pub name: String,
    /// The rest of the title line.
    pub description: Option<String>,
    /// The letters.
    pub seq: Vec<u8>,
    /// A byte for each letter.
    pub quality: Vec<u8>,
    /// What the bytes mean.
    pub encoding: QualityEncoding,
}

impl FastqRecord {
    /// A record without a description.
    pub fn new(
        name: impl Into<String>,
        seq: impl Into<Vec<u8>>,
        quality: impl Into<Vec<u8>>,
        encoding: QualityEncoding,
    ) -> Self {
        Self { name: name.into(), description: None, seq: seq.into(), quality: quality.into(), encoding }
    }

    /// The Phred scores; a byte that is no score counts as 0.
    pub fn phred(&self) -> impl ExactSizeIterator<Item = u8> {
        phred(&self.quality, self.encoding)
    }

    /// The same read in another encoding; `None` where a byte is no score. Scores are rounded, and capped where the
    /// encoding ends.
    pub fn into_encoding(mut self, encoding: QualityEncoding) -> Option<Self> {
        for byte in &mut self.quality {
            *byte = self.encoding.convert(*byte, encoding)?;
        }
        self.encoding = encoding;
        Some(self)
    }
}

impl From<FastqRecord> for SeqRecord {
    fn from(record: FastqRecord) -> Self {
        Self { name: record.name, description: record.description, seq: record.seq }
    }
}

fn phred(quality: &[u8], encoding: QualityEncoding) -> impl ExactSizeIterator<Item = u8> {
    quality.iter().map(move |&byte| encoding.phred(byte).unwrap_or_default())
}
