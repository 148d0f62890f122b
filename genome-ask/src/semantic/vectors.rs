//! The vectors of a genome's genes by one model, in a file beside the index.
//!
//! The file: the line `genome-ask vectors 1`, a line of JSON (key, width, the genes with the number of their vector), then the
//! vectors as little-endian f32. Its name has the hash of what it was made of: the genomes' hashes, the model's identity, and
//! what was embedded.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Embed, Of};
use crate::error::{Error, Result};
use crate::execute::RunLimits;
use crate::index::Index;
use crate::query::{Extract, Field, Filter, Is, Query, Select};

/// Texts that are embedded together.
const BATCH: usize = 256;
/// Bytes of the line of JSON.
const LONGEST_HEADER: u64 = 1 << 30;
const MAGIC: &str = "genome-ask vectors 1";
/// Genes of an index.
const MOST_GENES: u64 = 20_000_000;
/// Letters of genes.
const MOST_LETTERS: u64 = 4 << 30;

/// A genome and an identifier in it.
type Key = (String, String);

/// Vectors of genes, each of length 1.
#[derive(Debug)]
pub struct Vectors {
    model: String,
    of: Of,
    built: bool,
    width: usize,
    /// Each gene with its vector's number; genes of the same text share one.
    genes: Vec<(Key, usize)>,
    by_key: HashMap<Key, usize>,
    /// [vectors, width], row after row.
    values: Vec<f32>,
    /// What is taken off a vector before its length is made 1; empty for nothing.
    mean: Vec<f32>,
}

#[derive(Serialize, Deserialize)]
struct Header {
    key: String,
    width: usize,
    vectors: usize,
    genes: Vec<(String, String, usize)>,
}

impl Vectors {
    /// The vectors of an index by a model: from the file in `folder` if there is one of this genome and model, else computed, and
    /// written there. `progress` is told how many of how many texts are done.
    ///
    /// # Errors
    ///
    /// [`Error::Model`], a file that cannot be written, or a damaged index. A broken file of vectors is made again.
    pub fn open(
        index: &Index,
        of: Of,
        embedder: &mut dyn Embed,
        folder: Option<&Path>,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Self> {
        let key = key(index, of, &embedder.identity())?;
        let file = folder.map(|folder| folder.join(format!("{}-{}.vectors", of.name(), &key[..24])));
        if let Some(file) = &file
            && let Some((header, values)) = read(file, &key)
        {
            return Ok(Self::ready(embedder.name(), of, false, header, values));
        }
        let (header, values) = compute(index, of, key, embedder, progress)?;
        if let Some(file) = &file {
            write(file, &header, &values).map_err(|source| Error::Io { path: file.clone(), source })?;
        }
        Ok(Self::ready(embedder.name(), of, true, header, values))
    }

    fn ready(model: String, of: Of, built: bool, header: Header, mut values: Vec<f32>) -> Self {
        let width = header.width;
        let genes: Vec<(Key, usize)> =
            header.genes.into_iter().map(|(genome, id, vector)| ((genome, id), vector)).collect();
        // Vectors of sequences all point in nearly the same direction; their differences are what tells them apart.
        let mut mean = Vec::new();
        if of == Of::Sequence && !genes.is_empty() {
            mean = vec![0f32; width];
            let share = 1.0 / genes.len() as f32;
            for (_, vector) in &genes {
                let row = &values[vector * width..(vector + 1) * width];
                mean.iter_mut().zip(row).for_each(|(m, x)| *m += x * share);
            }
        }
        for row in values.chunks_exact_mut(width.max(1)) {
            unit(row, &mean);
        }
        let by_key = genes.iter().cloned().collect();
        Self { model, of, built, width, genes, by_key, values, mean }
    }

    /// The model's name.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// What was embedded.
    pub fn what(&self) -> Of {
        self.of
    }

    /// Whether they were computed by this opening.
    pub fn was_built(&self) -> bool {
        self.built
    }

    /// How many genes have a vector.
    pub fn len(&self) -> usize {
        self.genes.len()
    }

    /// Whether no gene has one.
    pub fn is_empty(&self) -> bool {
        self.genes.is_empty()
    }

    fn row(&self, vector: usize) -> &[f32] {
        &self.values[vector * self.width..(vector + 1) * self.width]
    }

    /// The vector of a gene.
    pub(super) fn of(&self, key: &Key) -> Option<&[f32]> {
        self.by_key.get(key).map(|vector| self.row(*vector))
    }

    /// A vector of the model as those here are.
    pub(super) fn prepare(&self, mut vector: Vec<f32>) -> Result<Vec<f32>, String> {
        check(&vector, if self.genes.is_empty() { vector.len() } else { self.width })?;
        unit(&mut vector, &self.mean);
        Ok(vector)
    }

    /// The genes with the largest cosine, the largest first; those before in the genome first among equals.
    pub(super) fn nearest(&self, vector: &[f32], itself: Option<&Key>, most: usize) -> Vec<(&Key, f32)> {
        let cosines: Vec<f32> = self
            .values
            .chunks_exact(self.width.max(1))
            .map(|row| row.iter().zip(vector).map(|(a, b)| a * b).sum::<f32>().clamp(-1.0, 1.0))
            .collect();
        let mut genes: Vec<(&Key, f32)> = self
            .genes
            .iter()
            .filter(|(key, _)| Some(key) != itself)
            .map(|(key, vector)| (key, cosines[*vector]))
            .collect();
        genes.sort_by(|a, b| b.1.total_cmp(&a.1));
        genes.truncate(most);
        genes
    }
}

/// Takes the mean off and makes the length 1; a vector without a length stays 0.
fn unit(row: &mut [f32], mean: &[f32]) {
    row.iter_mut().zip(mean).for_each(|(x, m)| *x -= m);
    let length = row.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    if length > 1e-12 {
        row.iter_mut().for_each(|x| *x = (f64::from(*x) / length) as f32);
    } else {
        row.fill(0.0);
    }
}

fn check(vector: &[f32], width: usize) -> Result<(), String> {
    if vector.len() != width || width == 0 {
        return Err(format!("expected a vector of {width} values, found one of {}", vector.len()));
    }
    if vector.iter().any(|x| !x.is_finite()) {
        return Err("a vector has a value that is no number".to_owned());
    }
    Ok(())
}

/// The hash of what vectors are made of.
fn key(index: &Index, of: Of, identity: &str) -> Result<String> {
    let mut hash = Sha256::new();
    for genome in index.genomes()? {
        let parts = std::iter::once(genome.name).chain(genome.sha256);
        for part in parts {
            hash.update(part);
            hash.update([0]);
        }
        hash.update([1]);
    }
    for part in [MAGIC, of.name(), identity] {
        hash.update(part);
        hash.update([0]);
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Genes with what is embedded of them.
fn texts(index: &Index, of: Of) -> Result<Vec<(Key, String)>> {
    let time = Duration::from_secs(3600);
    let limits = RunLimits { rows: MOST_GENES, matches: MOST_GENES, letters: MOST_LETTERS, time };
    let mut query = Query::new(Select::Gene);
    match of {
        Of::Function => {
            query.filters.push(Filter::Not(Box::new(Filter::Is(Is::UnknownFunction))));
            query.show = vec![Field::Product, Field::Function];
        }
        Of::Sequence => query.extract = Some(Extract::Dna),
    }
    let answer = index.run_with(&query, limits)?;
    let mut out = Vec::with_capacity(answer.rows.len());
    for row in answer.rows {
        let text = match of {
            Of::Sequence => row.sequence.unwrap_or_default(),
            Of::Function => {
                let mut parts: Vec<&str> = Vec::new();
                for value in ["product", "function"].into_iter().filter_map(|field| row.fields.get(field)).flatten() {
                    if !value.trim().is_empty() && !parts.contains(&value.trim()) {
                        parts.push(value.trim());
                    }
                }
                parts.join("; ")
            }
        };
        if !text.is_empty() {
            out.push(((row.genome, row.id), text));
        }
    }
    Ok(out)
}

fn compute(
    index: &Index,
    of: Of,
    key: String,
    embedder: &mut dyn Embed,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<(Header, Vec<f32>)> {
    let all = texts(index, of)?;
    let mut numbers: HashMap<&str, usize> = HashMap::new();
    let mut distinct: Vec<&str> = Vec::new();
    let mut genes = Vec::with_capacity(all.len());
    for ((genome, id), text) in &all {
        let number = *numbers.entry(text).or_insert_with(|| {
            distinct.push(text);
            distinct.len() - 1
        });
        genes.push((genome.clone(), id.clone(), number));
    }
    let problem = |problem: String, embedder: &dyn Embed| Error::Model { model: embedder.name(), problem };
    let (mut values, mut width) = (Vec::new(), 0);
    progress(0, distinct.len());
    for (n, batch) in distinct.chunks(BATCH).enumerate() {
        let vectors = embedder.embed(batch).map_err(|e| problem(e, embedder))?;
        if vectors.len() != batch.len() {
            let found = format!("expected {} vectors, found {}", batch.len(), vectors.len());
            return Err(problem(found, embedder));
        }
        for vector in vectors {
            if values.is_empty() {
                width = vector.len();
            }
            check(&vector, width).map_err(|e| problem(e, embedder))?;
            values.extend(vector);
        }
        progress((n * BATCH + batch.len()).min(distinct.len()), distinct.len());
    }
    Ok((Header { key, width, vectors: distinct.len(), genes }, values))
}

/// What a file has, if it is whole and of this key.
fn read(file: &Path, key: &str) -> Option<(Header, Vec<f32>)> {
    let open = File::open(file).ok()?;
    let bytes = open.metadata().ok()?.len();
    let mut reader = BufReader::new(open).take(bytes);
    let mut line = String::new();
    reader.by_ref().take(64).read_line(&mut line).ok()?;
    if line.trim_end() != MAGIC {
        return None;
    }
    line.clear();
    reader.by_ref().take(LONGEST_HEADER).read_line(&mut line).ok()?;
    let header: Header = serde_json::from_str(&line).ok()?;
    // What is declared has to be there before memory is taken for it.
    let declared = header.vectors.checked_mul(header.width)?.checked_mul(4)?;
    let in_range = header.genes.iter().all(|(.., vector)| *vector < header.vectors);
    if header.key != key || u64::try_from(declared).ok()? != reader.limit() || !in_range {
        return None;
    }
    let mut raw = Vec::with_capacity(declared);
    reader.read_to_end(&mut raw).ok()?;
    if raw.len() != declared {
        return None;
    }
    let values: Vec<f32> = raw.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    values.iter().all(|x| x.is_finite()).then_some((header, values))
}

/// Under another name first: nobody reads half a file.
fn write(file: &Path, header: &Header, values: &[f32]) -> std::io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let unique = {
        use std::hash::{BuildHasher, RandomState};
        format!("{}-{:x}.part", std::process::id(), RandomState::new().hash_one(0))
    };
    let part: PathBuf = file.with_extension(unique);
    let made = || -> std::io::Result<()> {
        let mut out = std::io::BufWriter::new(File::create_new(&part)?);
        writeln!(out, "{MAGIC}")?;
        serde_json::to_writer(&mut out, header)?;
        out.write_all(b"\n")?;
        for value in values {
            out.write_all(&value.to_le_bytes())?;
        }
        out.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(&part, file)
    };
    let outcome = made();
    if outcome.is_err() {
        let _ = fs::remove_file(&part); // The first error is the one to tell.
    }
    outcome
}
