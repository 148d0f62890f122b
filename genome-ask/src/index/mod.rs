//! The index of one or more genomes: an SQLite file beside them or in a cache, made once and made again when a file changes.
//!
//! ```
//! use genome_ask::{Index, Query, Source, Store};
//!
//! # let folder = tempfile::tempdir().unwrap();
//! let file = folder.path().join("demo.gff3");
//! std::fs::write(&file, "##gff-version 3\nchr1\t.\tgene\t5\t40\t.\t+\t.\tID=g1;Name=demA\n").unwrap();
//! let index = Index::open(&[Source::new(&file)], &Store::Memory)?;
//! let answer = index.run(&Query::parse("list gene where named demA")?)?;
//! assert_eq!((answer.rows[0].start, answer.rows[0].end, answer.rows[0].line), (5, 40, Some(2)));
//! # Ok::<(), genome_ask::Error>(())
//! ```

pub(crate) mod facts;
mod flat;
mod gff;
mod lines;
mod residues;
mod schema;
mod writer;

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use genome_formats::{Format, Input};
use rusqlite::{Connection, OpenFlags, Statement, params};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::execute::Deadline;
use crate::understand::vocabulary::Vocabulary;
pub(crate) use writer::{composition, gc_percent};

/// A genome: a file with annotation, sequence or both, and a FASTA file with the sequences where the first has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// GenBank, EMBL, GFF3, GTF or FASTA, plain or compressed.
    pub file: PathBuf,
    /// The sequences of a GFF3 or GTF file.
    pub fasta: Option<PathBuf>,
    /// The name that queries use; that of the file without its endings where there is none.
    pub name: Option<String>,
}

impl Source {
    /// A file with all there is.
    pub fn new(file: impl Into<PathBuf>) -> Self {
        Self { file: file.into(), fasta: None, name: None }
    }

    /// A file, and for GFF3 and GTF the FASTA file of the same name beside it, if there is one.
    pub fn discover(file: impl Into<PathBuf>) -> Self {
        let file = file.into();
        let name = file_name(&file).to_ascii_lowercase();
        let is_gff = [".gff", ".gff3", ".gtf", ".gff2"].iter().any(|end| strip_compression(&name).ends_with(end));
        let stem = stem(&file);
        let endings = ["fa", "fna", "fasta", "fas"]
            .into_iter()
            .flat_map(|e| ["", ".gz", ".bgz", ".zst"].map(|z| format!("{e}{z}")));
        let mut beside = endings.map(|ending| file.with_file_name(format!("{stem}.{ending}")));
        let fasta = if is_gff { beside.find(|fasta| fasta.is_file()) } else { None };
        Self { file, fasta, name: None }
    }

    /// With these sequences.
    #[must_use]
    pub fn with_fasta(mut self, fasta: impl Into<PathBuf>) -> Self {
        self.fasta = Some(fasta.into());
        self
    }

    /// With a name.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

fn strip_compression(name: &str) -> &str {
    let endings = [".gz", ".bgz", ".zst", ".bz2", ".xz"];
    endings.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name)
}

/// The name of a file without the ending of its format and compression.
fn stem(path: &Path) -> String {
    let name = file_name(path);
    let name = strip_compression(&name);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem).to_owned()
}

/// Where an index is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Store {
    /// Beside the first genome, as `NAME.genome-index`.
    Beside,
    /// In this folder, under a name made of the genome's and the hash of its content.
    Folder(PathBuf),
    /// In this file.
    File(PathBuf),
    /// In memory, for as long as the [`Index`] lives.
    Memory,
}

/// What an index takes at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexLimits {
    /// Features of all genomes; 20 million by default.
    pub features: u64,
}

impl Default for IndexLimits {
    fn default() -> Self {
        Self { features: 20_000_000 }
    }
}

/// A genome of an index.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct GenomeInfo {
    /// The name that queries use.
    pub name: String,
    /// The format of its file.
    pub format: String,
    /// Its files.
    pub files: Vec<PathBuf>,
    /// The SHA-256 of each file.
    pub sha256: Vec<String>,
    /// The organism, as the file has it.
    pub organism: Option<String>,
    /// How many sequences it has.
    pub sequences: u64,
    /// Bases of all sequences whose length is known.
    pub bases: u64,
    /// How many features are annotated.
    pub features: u64,
    /// Whether the letters of a sequence are there.
    pub has_residues: bool,
    /// There are no gene features; each locus counts as one.
    pub genes_implied: bool,
    /// Which rules of the format the file breaks, how often, and where first, if it was read in spite of that.
    pub forgiven: Option<String>,
}

/// An index, open for questions: nothing that is asked can change it.
pub struct Index {
    pub(crate) db: Connection,
    path: PathBuf,
    built: bool,
    pub(crate) deadline: Deadline,
    pub(crate) vocabulary: Vocabulary,
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index").field("path", &self.path).field("built", &self.built).finish_non_exhaustive()
    }
}

/// A file of a genome as it is now.
#[derive(Debug, PartialEq, Eq)]
struct FileState {
    path: PathBuf,
    bytes: u64,
    modified: i64,
    sha256: String,
}

/// Files up to this size are hashed at every opening; larger ones only when their size or time differs from the index.
const ALWAYS_HASHED: u64 = 64 << 20;

impl Index {
    /// Opens the index of these genomes; makes it where there is none, or where a file has changed since.
    ///
    /// # Errors
    ///
    /// A file is missing, broken or of another format, or the index cannot be written.
    pub fn open(sources: &[Source], store: &Store) -> Result<Self> {
        Self::open_with(sources, store, IndexLimits::default())
    }

    /// As [`Index::open`], with limits.
    ///
    /// # Errors
    ///
    /// As [`Index::open`].
    pub fn open_with(sources: &[Source], store: &Store, limits: IndexLimits) -> Result<Self> {
        let first = sources.first().ok_or(Error::Query { problem: "no genome", found: "an empty list".to_owned() })?;
        let path = match store {
            Store::Memory => {
                let db = Connection::open_in_memory()?;
                build(&db, sources, limits)?;
                return Self::ready(db, PathBuf::from(":memory:"), true);
            }
            Store::Beside => first.file.with_file_name(format!("{}.genome-index", file_name(&first.file))),
            Store::File(path) => path.clone(),
            Store::Folder(folder) => {
                fs::create_dir_all(folder).map_err(|source| Error::Io { path: folder.clone(), source })?;
                let mut hash = Sha256::new();
                for source in sources {
                    for file in std::iter::once(&source.file).chain(&source.fasta) {
                        hash.update(sha256(file)?);
                    }
                    hash.update(source.name.as_deref().unwrap_or_default());
                    hash.update(stem(&source.file));
                    hash.update([0]);
                }
                let hash = hex(&hash.finalize());
                folder.join(format!("{}-{}.genome-index", stem(&first.file), &hash[..16]))
            }
        };
        if path.is_file()
            && let Ok(index) = Self::open_file(&path)
            && index.is_of(sources)?
        {
            return Ok(index);
        }
        write_new(&path, sources, limits).map_err(|e| e.in_index(&path))?;
        let mut index = Self::open_file(&path)?;
        index.built = true;
        Ok(index)
    }

    /// Opens an index that is there, whatever became of its genomes.
    ///
    /// # Errors
    ///
    /// The file is no index, or one of another version.
    pub fn open_file(path: &Path) -> Result<Self> {
        let broken = |source| Error::Sqlite { path: path.to_owned(), source };
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(path, flags).map_err(broken)?;
        let version: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(broken)?;
        if version != schema::SCHEMA_VERSION {
            return Err(Error::Format { path: path.to_owned(), found: format!("an index of version {version}") });
        }
        Self::ready(db, path.to_owned(), false)
    }

    fn ready(mut db: Connection, path: PathBuf, built: bool) -> Result<Self> {
        db.pragma_update(None, "query_only", true)?;
        db.pragma_update(None, "trusted_schema", false)?;
        db.pragma_update(None, "temp_store", "memory")?;
        let deadline = crate::execute::prepare(&mut db)?;
        Ok(Self { db, path, built, deadline, vocabulary: Vocabulary::default() })
    }

    /// The file of the index; `:memory:` where it has none.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it was made by this opening.
    pub fn was_built(&self) -> bool {
        self.built
    }

    /// The genomes, in the order in which they were given.
    ///
    /// # Errors
    ///
    /// The index is damaged.
    pub fn genomes(&self) -> Result<Vec<GenomeInfo>> {
        self.read_genomes().map_err(|e| e.in_index(&self.path))
    }

    fn read_genomes(&self) -> Result<Vec<GenomeInfo>> {
        let mut statement = self.db.prepare(
            "SELECT id, name, format, organism, has_residues, genes_implied, \
             (SELECT count(*) FROM sequences s WHERE s.genome = g.id), \
             (SELECT coalesce(sum(length), 0) FROM sequences s WHERE s.genome = g.id), \
             (SELECT count(*) FROM features f WHERE f.genome = g.id), forgiven FROM genomes g ORDER BY id",
        )?;
        let mut files = self.db.prepare("SELECT path, sha256 FROM files WHERE genome = ?1 ORDER BY rowid")?;
        let mut rows = statement.query([])?;
        let mut out = Vec::new();
        while let Some(row) = rows.next()? {
            let id: i64 = row.get(0)?;
            let of = files.query_map([id], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
            let of = of.collect::<rusqlite::Result<Vec<(String, String)>>>()?;
            let count = |i| -> Result<u64> { Ok(u64::try_from(row.get::<_, i64>(i)?).unwrap_or(0)) };
            out.push(GenomeInfo {
                name: row.get(1)?,
                format: row.get(2)?,
                organism: row.get(3)?,
                has_residues: row.get(4)?,
                genes_implied: row.get(5)?,
                sequences: count(6)?,
                bases: count(7)?,
                features: count(8)?,
                forgiven: row.get(9)?,
                files: of.iter().map(|(path, _)| PathBuf::from(path)).collect(),
                sha256: of.into_iter().map(|(_, hash)| hash).collect(),
            });
        }
        Ok(out)
    }

    /// Whether it was made of these files as they are now.
    fn is_of(&self, sources: &[Source]) -> Result<bool> {
        let mut known = self.db.prepare(
            "SELECT g.name, f.path, f.sha256, f.bytes, f.modified FROM files f \
             JOIN genomes g ON g.id = f.genome ORDER BY f.rowid",
        )?;
        let known = known.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))?;
        let known = known.collect::<rusqlite::Result<Vec<(String, String, String, i64, i64)>>>()?;
        let mut known = known.into_iter();
        for (source, name) in sources.iter().zip(names(sources)) {
            for file in std::iter::once(&source.file).chain(&source.fasta) {
                let Some((genome, path, sha256, bytes, modified)) = known.next() else { return Ok(false) };
                let (now_bytes, now_modified) = stat(file)?;
                let same_stat = now_bytes == u64::try_from(bytes).unwrap_or(0) && now_modified == modified;
                let same = genome == name
                    && Path::new(&path).file_name() == file.file_name()
                    && ((same_stat && now_bytes > ALWAYS_HASHED) || hex(&self::sha256(file)?) == sha256);
                if !same {
                    return Ok(false);
                }
            }
        }
        Ok(known.next().is_none())
    }

    /// The letters `range`, 0-based, of a sequence; all of them without a range.
    pub(crate) fn letters(&self, seq: i64, range: Option<Range<u64>>) -> Result<Vec<u8>> {
        read_letters(&self.db, seq, range).map_err(|e| e.in_index(&self.path))
    }
}

/// One name for each genome, all different.
fn names(sources: &[Source]) -> Vec<String> {
    let mut seen = HashSet::new();
    let unique = |source: &Source| {
        let name = source.name.clone().unwrap_or_else(|| stem(&source.file));
        let numbered = (2..).map(|i| format!("{name} ({i})"));
        let mut candidates = std::iter::once(name.clone()).chain(numbered);
        candidates.find(|name| seen.insert(name.to_lowercase())).expect("numbers do not end")
    };
    sources.iter().map(unique).collect()
}

fn stat(path: &Path) -> Result<(u64, i64)> {
    let broken = |source| Error::Io { path: path.to_owned(), source };
    let meta = fs::metadata(path).map_err(broken)?;
    let modified = meta.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    Ok((meta.len(), modified.and_then(|d| i64::try_from(d.as_nanos()).ok()).unwrap_or(0)))
}

fn sha256(path: &Path) -> Result<Vec<u8>> {
    let broken = |source| Error::Io { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(broken)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        match file.read(&mut buffer).map_err(broken)? {
            0 => return Ok(hash.finalize().to_vec()),
            n => hash.update(&buffer[..n]),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Under a temporary name, and renamed when it is whole.
fn write_new(path: &Path, sources: &[Source], limits: IndexLimits) -> Result<()> {
    let broken = |source| Error::Io { path: path.to_owned(), source };
    let unique = format!("{}.{}-{:x}.part", file_name(path), std::process::id(), {
        use std::hash::{BuildHasher, RandomState};
        RandomState::new().hash_one(0)
    });
    let part = path.with_file_name(unique);
    // Refuses a name that is taken, a link above all.
    File::create_new(&part).map_err(broken)?;
    let made = || -> Result<()> {
        let db = Connection::open(&part)?;
        build(&db, sources, limits)?;
        db.close().map_err(|(_, source)| Error::from(source))?;
        File::open(&part).and_then(|file| file.sync_all()).map_err(broken)?;
        fs::rename(&part, path).map_err(broken)
    };
    let outcome = made();
    if outcome.is_err() {
        let _ = fs::remove_file(&part); // The first error is the one to tell.
    }
    outcome
}

fn build(db: &Connection, sources: &[Source], limits: IndexLimits) -> Result<()> {
    // Nobody sees the file before it is whole: no journal is needed.
    db.pragma_update(None, "journal_mode", "off")?;
    db.pragma_update(None, "synchronous", "off")?;
    db.pragma_update(None, "locking_mode", "exclusive")?;
    db.pragma_update(None, "cache_size", -65_536)?;
    db.execute_batch("BEGIN")?;
    db.execute_batch(schema::TABLES)?;
    for ((id, source), name) in (1i64..).zip(sources).zip(names(sources)) {
        genome(db, id, source, &name, limits)?;
    }
    db.execute_batch(schema::INDEXES)?;
    db.execute("INSERT INTO meta VALUES ('made_by', ?1)", [concat!("genome-ask ", env!("CARGO_PKG_VERSION"))])?;
    db.execute_batch("ANALYZE")?;
    db.execute_batch("COMMIT")?;
    db.pragma_update(None, "user_version", schema::SCHEMA_VERSION)?;
    Ok(())
}

fn genome(db: &Connection, id: i64, source: &Source, name: &str, limits: IndexLimits) -> Result<()> {
    let path = &source.file;
    for file in std::iter::once(path).chain(&source.fasta) {
        let state = {
            let (bytes, modified) = stat(file)?;
            FileState { path: file.clone(), bytes, modified, sha256: hex(&sha256(file)?) }
        };
        db.execute(
            "INSERT INTO files (genome, path, sha256, bytes, modified) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![
                id,
                state.path.to_string_lossy(),
                state.sha256,
                i64::try_from(state.bytes).unwrap_or(0),
                state.modified
            ],
        )?;
    }
    let format = Input::open(path)?.format()?;
    db.execute("INSERT INTO genomes (id, name, format) VALUES (?1, ?2, ?3)", params![id, name, format.to_string()])?;
    let mut writer = writer::Writer::new(db, id, limits.features)?;
    writer.set_file(path);
    match format {
        Format::Genbank | Format::Embl => flat::read(&mut writer, path, format)?,
        Format::Gff3 | Format::Gtf | Format::Gff2 => {
            gff::read(&mut writer, path, format, source.fasta.as_deref(), limits.features)?;
        }
        Format::Fasta => gff::read_sequences(&mut writer, path)?,
        other => return Err(Error::Format { path: path.clone(), found: other.to_string() }),
    }
    writer.finish()
}

/// The letters `range`, 0-based, of a sequence; all of them without a range. Ranges are cut to the sequence.
fn read_letters(db: &Connection, seq: i64, range: Option<Range<u64>>) -> Result<Vec<u8>> {
    let length: Option<i64> = db.query_row("SELECT length FROM sequences WHERE id = ?1", [seq], |row| row.get(0))?;
    let length = length.and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    let clamp = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).min(length);
    let (start, end) = range.map_or((0, length), |range| (clamp(range.start), clamp(range.end)));
    let mut out = Vec::new();
    if start >= end {
        return Ok(out);
    }
    piece_letters(&mut db.prepare(PIECES)?, seq, start..end, &mut out)?;
    Ok(out)
}

/// The pieces of a sequence from one to another.
pub(crate) const PIECES: &str =
    "SELECT piece, encoding, letters FROM residues WHERE seq = ?1 AND piece BETWEEN ?2 AND ?3 ORDER BY piece";

/// Adds the letters of a range, 0-based, that is not empty and lies in the sequence; `pieces` is [`PIECES`].
pub(crate) fn piece_letters(
    pieces: &mut Statement<'_>,
    seq: i64,
    range: Range<usize>,
    out: &mut Vec<u8>,
) -> Result<()> {
    let piece = residues::PIECE;
    let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let mut rows = pieces.query(params![seq, number(range.start / piece), number((range.end - 1) / piece)])?;
    while let Some(row) = rows.next()? {
        let number = usize::try_from(row.get::<_, i64>(0)?).unwrap_or(0);
        let first = number * piece;
        let bytes = row.get_ref(2)?.as_blob().map_err(rusqlite::Error::from)?;
        let (from, to) = (range.start.max(first) - first, range.end.min(first + piece) - first);
        residues::unpack(row.get(1)?, bytes, from, to, out)?;
    }
    Ok(())
}
