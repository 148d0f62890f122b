//! Writes BCF.

use std::fmt;
use std::io::Write;

use crate::error::{Error, ErrorKind, Result};
use crate::guard::Mode;
use crate::vcf::problem::{Problem, Report};
use crate::vcf::{Variant, VcfHeader};

use super::decode::{self, Context};
use super::dictionary::Dictionary;
use super::{MAGIC, encode};
use crate::bgzf::BgzfWriter;

/// The path in errors of a writer.
const PATH: &str = "<output>";

/// Writes BCF 2.2, compressed with BGZF.
///
/// Every record is decoded again before it is written, so what was written can be read, and is equal.
pub struct BcfWriter<W: Write> {
    out: BgzfWriter<W>,
    header: VcfHeader,
    dictionary: Dictionary,
    shared: Vec<u8>,
    individual: Vec<u8>,
}

impl<W: Write> BcfWriter<W> {
    /// Writes the header.
    ///
    /// # Errors
    ///
    /// Writing fails, or the header is larger than 4 GiB.
    pub fn new(out: W, header: VcfHeader) -> Result<Self> {
        let mut out = BgzfWriter::new(out);
        let text = header.to_string();
        let size = u32::try_from(text.len() + 1)
            .map_err(|_| Error::new(ErrorKind::Limit, PATH, "the header is too large for BCF"))?;
        let head = [&MAGIC[..], &[2], &size.to_le_bytes(), text.as_bytes(), &[0]].concat();
        out.write_all(&head).map_err(io)?;
        let dictionary = Dictionary::new(&header);
        Ok(Self { out, header, dictionary, shared: Vec::new(), individual: Vec::new() })
    }

    /// The header.
    pub fn header(&self) -> &VcfHeader {
        &self.header
    }

    /// Writes a record.
    ///
    /// # Errors
    ///
    /// Writing fails, the header does not declare what the record uses ([`declare`](super::declare) helps), or the record
    /// cannot be stored: reserved numbers, an empty text.
    pub fn write(&mut self, record: &Variant) -> Result<()> {
        self.shared.clear();
        self.individual.clear();
        let context = Context { header: &self.header, dictionary: &self.dictionary };
        let mut report = Report::new(Mode::Strict);
        let again = encode::record(record, context, &mut self.shared, &mut self.individual)
            .and_then(|()| decode::record(&self.shared, &self.individual, context, &mut report))
            .map_err(|problem| error(*problem))?;
        if again != *record {
            let problem = "a record cannot be stored in BCF: another value would be read";
            let place = format!("{}:{}", record.chrom, record.start.map_or(0, |s| s.saturating_add(1)));
            return Err(Error::new(ErrorKind::Unsupported, PATH, problem).in_record(&place));
        }
        let size = |bytes: &[u8]| {
            u32::try_from(bytes.len()).map_err(|_| Error::new(ErrorKind::Limit, PATH, "a record is too large for BCF"))
        };
        let sizes = [size(&self.shared)?.to_le_bytes(), size(&self.individual)?.to_le_bytes()].concat();
        self.out.write_all(&sizes).map_err(io)?;
        self.out.write_all(&self.shared).map_err(io)?;
        self.out.write_all(&self.individual).map_err(io)
    }

    /// Writes the end of the file, and gives the output back.
    ///
    /// # Errors
    ///
    /// Writing fails.
    pub fn finish(self) -> Result<W> {
        self.out.finish().map_err(io)
    }
}

impl<W: Write> fmt::Debug for BcfWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BcfWriter").finish_non_exhaustive()
    }
}

fn io(error: std::io::Error) -> Error {
    Error::from_io(PATH, error)
}

fn error(problem: Problem) -> Error {
    problem.into_error(|kind, text| Error::new(kind, PATH, text))
}
