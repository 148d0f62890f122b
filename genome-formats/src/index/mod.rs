//! Indexes: finding a region without reading the file.
//!
//! An index describes one state of one file. Whoever changes the file and not the index gets wrong bases or lines without a
//! word from most tools; here such a *stale* index is an error: when it is older than its file, or when what it says does not
//! fit what stands there.

pub(crate) mod binning;
pub(crate) mod fai;
pub(crate) mod fasta;
pub(crate) mod gzi;
pub(crate) mod tabix;
pub(crate) mod text;

use std::fs;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::bgzf::{END_MARKER, MISSING_END};
use crate::error::{Error, ErrorKind, Result};
use crate::guard::Mode;
use crate::input::{Compression, Limits};

/// What to do where an index is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum MakeIndex {
    /// A missing index is an error.
    #[default]
    Never,
    /// A missing index is made and written beside the file.
    IfMissing,
    /// A missing index, or one that is older than the file, is made and written beside the file.
    IfMissingOrOlder,
}

/// How an indexed file is opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IndexOptions {
    /// What to do where an index is missing.
    pub make: MakeIndex,
    /// Lenient: an index may be older than its file, and a BGZF file may lack its end marker. What the index says must fit
    /// the file in any case.
    pub mode: Mode,
    /// How much is kept in memory.
    pub limits: Limits,
}

impl From<MakeIndex> for IndexOptions {
    fn from(make: MakeIndex) -> Self {
        Self { make, ..Self::default() }
    }
}

/// `path` with `ending` behind its own ending, as indexes are named.
pub(crate) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// An index that does not describe its file (any more).
pub(crate) fn stale(index: &Path, file: &Path, why: &str) -> Error {
    let problem = format!("stale index: {why} {}", file.display());
    Error::new(ErrorKind::Index, index.display().to_string(), problem).expecting("an index made from this file")
}

pub(crate) fn missing(index: &Path, file: &Path) -> Error {
    let problem = format!("no index for {}", file.display());
    Error::new(ErrorKind::Index, index.display().to_string(), problem).expecting("an index, or leave to make one")
}

/// Whether the file changed after its index was written.
pub(crate) fn is_older(index: &Path, file: &Path) -> Result<bool> {
    let changed = |path: &Path| {
        let time = fs::metadata(path).and_then(|data| data.modified());
        time.map_err(|error| Error::from_io(path.display().to_string(), error))
    };
    Ok(changed(index)? < changed(file)?)
}

/// What is to be done about an index.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    Read,
    Make,
}

/// Decides whether an index is read or made; an older one is an error in strict mode.
pub(crate) fn plan(index: &Path, file: &Path, options: &IndexOptions) -> Result<Plan> {
    if !index.exists() {
        return if options.make == MakeIndex::Never { Err(missing(index, file)) } else { Ok(Plan::Make) };
    }
    if !is_older(index, file)? {
        return Ok(Plan::Read);
    }
    match (options.make, options.mode) {
        (MakeIndex::IfMissingOrOlder, _) => Ok(Plan::Make),
        (_, Mode::Lenient) => Ok(Plan::Read),
        (_, Mode::Strict) => Err(stale(index, file, "it is older than")),
    }
}

/// Opens a file that will be read from the middle, and tells its compression. Only plain and BGZF can be.
pub(crate) fn open_file(path: &Path, mode: Mode) -> Result<(BufReader<fs::File>, Compression)> {
    let name = path.display().to_string();
    let io = |error| Error::from_io(&name, error);
    if path.as_os_str() == "-" {
        return Err(Error::new(ErrorKind::Unsupported, "<stdin>", "standard input cannot be read from the middle"));
    }
    let mut file = fs::File::open(path).map_err(io)?;
    let mut head = Vec::new();
    (&mut file).take(4096).read_to_end(&mut head).map_err(io)?;
    let compression = Compression::detect(&head);
    match compression {
        Compression::Plain => {}
        Compression::Bgzf => {
            let length = file.seek(SeekFrom::End(0)).map_err(io)?;
            let mut end = Vec::new();
            file.seek(SeekFrom::Start(length.saturating_sub(END_MARKER.len() as u64))).map_err(io)?;
            (&mut file).take(END_MARKER.len() as u64).read_to_end(&mut end).map_err(io)?;
            if end != END_MARKER && mode == Mode::Strict {
                return Err(Error::new(ErrorKind::Truncated, name, MISSING_END));
            }
        }
        other => {
            return Err(Error::new(ErrorKind::Unsupported, name, "this file cannot be read from the middle")
                .expecting("a plain file or BGZF: unpack it, or pack it again with bgzip")
                .finding(other.to_string()));
        }
    }
    file.seek(SeekFrom::Start(0)).map_err(io)?;
    Ok((BufReader::with_capacity(64 * 1024, file), compression))
}

/// A number of a binary index.
pub(crate) fn read_u32(reader: &mut impl Read) -> io::Result<u32> {
    let mut bytes = [0; 4];
    reader.read_exact(&mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}

/// A number of a binary index.
pub(crate) fn read_u64(reader: &mut impl Read) -> io::Result<u64> {
    let mut bytes = [0; 8];
    reader.read_exact(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}
