//! [`Checkpoint`]: one name space over one or several files, whatever their format.

use crate::format::Kind;
use crate::index::ShardIndex;
use crate::reader::Reader;
use crate::safetensors::SafetensorsFile;
use crate::source::{Access, Source, hex};
use crate::write::{SaveDtype, Tensors, encode};
use crate::{Error, Result, TensorInfo};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Named tensors in one file, or in several that an index puts together.
///
/// Opening reads headers and checks them against the length of the files; values are read tensor by tensor, on request.
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
    files: Vec<PathBuf>,
    readers: Vec<Box<dyn Reader>>, // as `files`
    owners: BTreeMap<String, usize>,
}

impl Checkpoint {
    /// Opens a file: safetensors, a PyTorch pickle of either format, GGUF, or an index of shards (`*.index.json`), told apart by
    /// their first bytes and not by their names.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Format`], [`Error::Call`] and [`Error::Duplicate`] for what is not as it should be;
    /// [`Error::MissingFile`] and [`Error::MissingTensors`] for what an index promises.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(path, Access::default())
    }

    /// [`Checkpoint::open`] with a choice of how bytes are reached.
    ///
    /// # Errors
    /// As [`Checkpoint::open`].
    pub fn open_with(path: impl AsRef<Path>, access: Access) -> Result<Self> {
        let path = path.as_ref();
        let source = Source::open(path, access)?;
        match Kind::of(&source)? {
            Kind::Index => Self::from_index(&ShardIndex::read(&source)?, path, access),
            kind => Ok(Self::from_reader(kind.open(source)?)),
        }
    }

    /// Opens the folder of a model: `model.safetensors`, else `model.safetensors.index.json`, else `pytorch_model.bin`, else
    /// `pytorch_model.bin.index.json`, else the only `*.gguf`.
    ///
    /// # Errors
    /// [`Error::MissingFile`] if the folder has none of them, [`Error::Format`] if it has more than one `*.gguf`; otherwise as
    /// [`Checkpoint::open`].
    pub fn open_dir(dir: impl AsRef<Path>) -> Result<Self> {
        Self::open_dir_with(dir, Access::default())
    }

    /// [`Checkpoint::open_dir`] with a choice of how bytes are reached.
    ///
    /// # Errors
    /// As [`Checkpoint::open_dir`].
    pub fn open_dir_with(dir: impl AsRef<Path>, access: Access) -> Result<Self> {
        const NAMES: [&str; 4] =
            ["model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json"];
        let dir = dir.as_ref();
        if let Some(path) = NAMES.iter().map(|name| dir.join(name)).find(|path| path.exists()) {
            return Self::open_with(path, access);
        }
        let mut gguf = Vec::new();
        for entry in std::fs::read_dir(dir).map_err(Error::io(dir))? {
            let path = entry.map_err(Error::io(dir))?.path();
            if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("gguf")) && path.is_file() {
                gguf.push(path);
            }
        }
        gguf.sort();
        match &gguf[..] {
            [] => {
                let expected = format!("one of {} or *.gguf", NAMES.join(", "));
                Err(Error::MissingFile { path: dir.into(), expected })
            }
            [only] => Self::open_with(only, access),
            several => {
                let names: Vec<_> = several.iter().filter_map(|p| p.file_name()).map(|n| n.to_string_lossy()).collect();
                Err(Error::format(dir, "one *.gguf, or the path of one of them", names.join(", ")))
            }
        }
    }

    /// Checks a safetensors file that is already in memory; `name` stands for it in errors.
    ///
    /// # Errors
    /// [`Error::Format`], [`Error::Duplicate`].
    pub fn from_bytes(name: impl Into<PathBuf>, bytes: impl Into<Cow<'static, [u8]>>) -> Result<Self> {
        Ok(Self::from_reader(Box::new(SafetensorsFile::open(Source::memory(name, bytes))?)))
    }

    /// A checkpoint of tensors that are in memory, as (shape, values); `name` stands for it in errors.
    ///
    /// # Errors
    /// [`Error::Shape`] if a shape does not hold its values.
    pub fn from_tensors(name: impl Into<PathBuf>, tensors: &Tensors) -> Result<Self> {
        let path = name.into();
        let bytes = encode(&path, tensors, SaveDtype::F32)?;
        Self::from_bytes(path, bytes)
    }

    pub(crate) fn from_reader(reader: Box<dyn Reader>) -> Self {
        let path = reader.source().path().to_owned();
        let owners = reader.tensors().keys().map(|name| (name.clone(), 0)).collect();
        Self { files: vec![path.clone()], path, readers: vec![reader], owners }
    }

    fn from_index(index: &ShardIndex, path: &Path, access: Access) -> Result<Self> {
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut this = Self { path: path.into(), files: Vec::new(), readers: Vec::new(), owners: BTreeMap::new() };
        for (file, placed) in index.files() {
            let shard = folder.join(file);
            if !shard.exists() {
                let expected = format!("{file}, which holds {} of its tensors, {} first", placed.len(), placed[0]);
                return Err(Error::MissingFile { path: path.into(), expected });
            }
            let source = Source::open(&shard, access)?;
            let reader = match Kind::of(&source)? {
                Kind::Index => return Err(Error::format(&shard, "a file of tensors", "another index")),
                kind => kind.open(source)?,
            };
            let lacks: Vec<String> =
                placed.iter().filter(|name| !reader.tensors().contains_key(**name)).map(|n| n.to_string()).collect();
            if !lacks.is_empty() {
                return Err(Error::MissingTensors { path: shard, names: lacks });
            }
            // What the index does not list is there all the same; transformers reads it too.
            for name in reader.tensors().keys() {
                if let Some(other) = this.owners.insert(name.clone(), this.readers.len()) {
                    let also_in = Some(this.files[other].clone());
                    return Err(Error::Duplicate { path: shard, name: name.clone(), also_in });
                }
            }
            this.files.push(shard);
            this.readers.push(reader);
        }
        Ok(this)
    }

    /// The file's path (of several files: their index's), or the name it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The files that hold tensors, sorted by name.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Names of all tensors, sorted.
    pub fn names(&self) -> Vec<String> {
        self.owners.keys().cloned().collect()
    }

    /// Type and shape of a tensor.
    pub fn info(&self, name: &str) -> Option<&TensorInfo> {
        self.readers[*self.owners.get(name)?].tensors().get(name)
    }

    /// Shape of a tensor as declared in the file.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.info(name).map(|info| &info.shape[..])
    }

    /// The file that holds a tensor.
    pub fn source_file(&self, name: &str) -> Option<&Path> {
        Some(&self.files[*self.owners.get(name)?])
    }

    /// Reads one tensor as f32, row-major, from floating-point numbers of any size or from quantised blocks.
    ///
    /// # Errors
    /// [`Error::MissingTensors`], [`Error::Dtype`], [`Error::Io`], and [`Error::Format`] for what only the values show.
    pub fn read_f32(&self, name: &str) -> Result<Vec<f32>> {
        self.reader(name)?.read_f32(name)
    }

    /// Reads a matrix [rows, columns] as [columns, rows], row-major: a linear layer's weight as published is [out, in], and this
    /// is the [in, out] that a product from the left wants. It is turned while it is read, so memory holds it once.
    ///
    /// # Errors
    /// [`Error::Shape`] if it is no matrix, otherwise as [`Checkpoint::read_f32`].
    pub fn read_f32_transposed(&self, name: &str) -> Result<Vec<f32>> {
        let reader = self.reader(name)?;
        let shape = &reader.tensors()[name].shape;
        if shape.len() != 2 {
            let path = reader.source().path().into();
            return Err(Error::Shape { path, name: name.into(), expected: "a matrix".into(), found: shape.clone() });
        }
        reader.read_f32_transposed(name)
    }

    /// The values of [`Checkpoint::read_f32`] in order, in runs of any length, for one who need not hold them all: the formats
    /// that can give them without reading the whole tensor first.
    ///
    /// # Errors
    /// As [`Checkpoint::read_f32`].
    pub fn stream_f32(&self, name: &str, each: &mut dyn FnMut(&[f32])) -> Result<()> {
        self.reader(name)?.stream_f32(name, each)
    }

    /// Reads one tensor of integers of any size (ids, masks, labels).
    ///
    /// # Errors
    /// [`Error::MissingTensors`], [`Error::Dtype`], [`Error::Io`], [`Error::Format`].
    pub fn read_i64(&self, name: &str) -> Result<Vec<i64>> {
        self.reader(name)?.read_i64(name)
    }

    /// Reads one tensor of bytes, of type U8 and of no other.
    ///
    /// # Errors
    /// As [`Checkpoint::read_i64`].
    pub fn read_u8(&self, name: &str) -> Result<Vec<u8>> {
        self.reader(name)?.read_u8(name)
    }

    fn reader(&self, name: &str) -> Result<&dyn Reader> {
        match self.owners.get(name) {
            Some(owner) => Ok(&*self.readers[*owner]),
            None => Err(Error::MissingTensors { path: self.path.clone(), names: vec![name.into()] }),
        }
    }

    /// Whether two tensors are views of the same stored numbers, as tied weights in a pickle are. Formats without views
    /// store each tensor by itself.
    pub fn shares_storage(&self, a: &str, b: &str) -> bool {
        match (self.owners.get(a), self.owners.get(b)) {
            (Some(owner), Some(other)) if owner == other => a == b || self.readers[*owner].shares_storage(a, b),
            _ => false,
        }
    }

    /// SHA-256, the identity of a base. Of one file: as `sha256sum FILE` prints it. Of several: of the text that `sha256sum`
    /// prints for them (`digest`, two spaces, file name, newline) in sorted order of their names without folders, so that
    /// `sha256sum model-*.safetensors | sha256sum` in their folder gives the same. The index is not part of it.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn sha256(&self) -> Result<String> {
        if let [only] = &self.readers[..] {
            return only.source().sha256();
        }
        let mut all = Sha256::new();
        for (path, reader) in self.files.iter().zip(&self.readers) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            all.update(format!("{}  {name}\n", reader.source().sha256()?));
        }
        Ok(hex(&all.finalize()))
    }

    /// Text that is stored beside the tensors (`__metadata__` of safetensors; of several files, the first one's).
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        static NONE: BTreeMap<String, String> = BTreeMap::new();
        self.readers.first().map_or(&NONE, |reader| reader.metadata())
    }
}
