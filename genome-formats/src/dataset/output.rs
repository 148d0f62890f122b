//! Writes a data set: all files under temporary names first, the manifest last.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::builder::Dataset;
use super::genome::Genome;
use super::manifest::{FileHash, Hash, Manifest};
use super::rows::Row;
use super::{RowKind, Split};
use crate::error::{Error, ErrorKind, Result};

/// Where each row of a set comes from, beside the three CSV files.
const WINDOWS: &str = "windows.tsv";
const MANIFEST: &str = "manifest.json";

/// A file that is written under another name, and removed when it does not come to an end.
#[derive(Debug)]
struct Partial {
    name: String,
    partial: PathBuf,
    target: PathBuf,
    file: Option<BufWriter<File>>,
    hash: Hash,
}

impl Partial {
    fn new(dir: &Path, name: impl Into<String>) -> Result<Self> {
        let name = name.into();
        let partial = dir.join(format!("{name}.partial"));
        let file = File::create(&partial).map_err(|e| Error::from_io(partial.display().to_string(), e))?;
        let target = dir.join(&name);
        Ok(Self { name, partial, target, file: Some(BufWriter::new(file)), hash: Hash::default() })
    }

    fn fail(&self, error: std::io::Error) -> Error {
        Error::from_io(self.partial.display().to_string(), error)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.hash.add(bytes);
        let written = self.file.as_mut().expect("the file is open until it is finished").write_all(bytes);
        written.map_err(|e| self.fail(e))
    }

    /// Brings everything to the disk.
    fn finish(&mut self) -> Result<FileHash> {
        let file = self.file.take().expect("a file is finished once");
        let synced = file.into_inner().map_err(std::io::IntoInnerError::into_error).and_then(|f| f.sync_all());
        synced.map_err(|e| self.fail(e))?;
        Ok(self.hash.clone().of_file(&self.name))
    }

    fn publish(self) -> Result<()> {
        fs::rename(&self.partial, &self.target).map_err(|e| Error::from_io(self.target.display().to_string(), e))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // Gone already where it was published; and nothing can be done where it cannot be removed.
        let _ = fs::remove_file(&self.partial);
    }
}

impl<G: Genome> Dataset<G> {
    /// Writes `train.csv`, `dev.csv`, `test.csv` (header `sequence,label`), `windows.tsv` (where each row comes from) and
    /// `manifest.json` into a folder, which is made when it is missing. The same genome, items and options give the same
    /// bytes.
    ///
    /// Every file is written under a temporary name and renamed once all are complete, the manifest last: a folder with a
    /// manifest has a whole set.
    ///
    /// # Errors
    ///
    /// The folder has a data set, or cannot be written to; or the genome cannot be read.
    pub fn write(&self, dir: impl AsRef<Path>) -> Result<Manifest> {
        let dir = dir.as_ref();
        let names = Split::ALL.map(|s| format!("{}.csv", s.name()));
        if let Some(name) = names.iter().map(String::as_str).chain([WINDOWS, MANIFEST]).find(|n| dir.join(n).exists()) {
            let problem = format!("the folder has a {name}");
            return Err(Error::new(ErrorKind::Duplicate, dir.display().to_string(), problem)
                .expecting("a folder without a data set"));
        }
        self.write_over(dir)
    }

    /// As [`write`](Self::write), but a data set that is there is replaced.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub fn write_over(&self, dir: impl AsRef<Path>) -> Result<Manifest> {
        let dir = dir.as_ref();
        let fail = |path: &Path, e| Error::from_io(path.display().to_string(), e);
        fs::create_dir_all(dir).map_err(|e| fail(dir, e))?;

        let mut windows = Partial::new(dir, WINDOWS)?;
        windows.put(b"split\tline\tsequence\tstart\tend\tstrand\tkind\tgroup\tlabel\treference\talternate\n")?;
        let mut files = Vec::new();
        for split in Split::ALL {
            let mut file = Partial::new(dir, format!("{}.csv", split.name()))?;
            file.put(b"sequence,label\n")?;
            for (row, line) in self.planned(split).zip(2u64..) {
                let mut text = self.letters(row)?;
                text.push(b',');
                push_field(&mut text, self.label(row));
                text.push(b'\n');
                file.put(&text)?;
                windows.put(self.window_line(row, split, line).as_bytes())?;
            }
            files.push(file);
        }
        files.push(windows);
        let outputs = files.iter_mut().map(Partial::finish).collect::<Result<Vec<_>>>()?;
        let manifest = Manifest { outputs, ..self.manifest().clone() };
        let mut last = Partial::new(dir, MANIFEST)?;
        let mut json = serde_json::to_string_pretty(&manifest).expect("a manifest has only texts as keys");
        json.push('\n');
        last.put(json.as_bytes())?;
        last.finish()?;

        // A manifest must never stand beside files that are not its own.
        match fs::remove_file(&last.target) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(fail(&last.target, e)),
            _ => {}
        }
        files.into_iter().try_for_each(Partial::publish)?;
        last.publish()?;
        Ok(manifest)
    }

    fn window_line(&self, row: &Row, split: Split, line: u64) -> String {
        let place = row.place;
        let chromosome = self.chromosome_name(row).replace(char::is_control, " ");
        let strand = if place.reverse { '-' } else { '+' };
        let (start, end) = (place.start, place.start + place.len);
        let group = if row.kind.is_made() { ".".to_owned() } else { row.group.to_string() };
        let allele = |letters: &[u8]| String::from_utf8_lossy(letters).into_owned();
        let (reference, alternate) = match &row.edit {
            Some(edit) => (allele(&edit.reference), allele(&edit.alternate)),
            None => (".".to_owned(), ".".to_owned()),
        };
        let (split, kind, label) = (split.name(), row.kind.name(), self.label(row));
        debug_assert!(row.kind != RowKind::Alternate || row.edit.is_some());
        format!(
            "{split}\t{line}\t{chromosome}\t{start}\t{end}\t{strand}\t{kind}\t{group}\t{label}\t{reference}\t{alternate}\n"
        )
    }
}

/// A CSV field after RFC 4180, section 2: quoted where it has to be, with quotes doubled.
fn push_field(out: &mut Vec<u8>, field: &str) {
    if field.contains([',', '"']) {
        out.push(b'"');
        out.extend_from_slice(field.replace('"', "\"\"").as_bytes());
        out.push(b'"');
    } else {
        out.extend_from_slice(field.as_bytes());
    }
}
