//! Checkpoint files: named tensors in a safetensors file, read one at a time and checked before use.

use crate::names::{NamedParam, Path as ParamPath, named_params};
use crate::{Error, Result};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};
use half::{bf16, f16};
use safetensors::tensor::{Dtype, Metadata, TensorView};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// The format itself allows no more: <https://huggingface.co/docs/safetensors>.
const MAX_HEADER: u64 = 100_000_000;

/// An open safetensors file, or one embedded in the program. Tensors are read on request, so memory holds one at a time.
#[derive(Debug)]
pub struct Checkpoint {
    path: PathBuf,
    source: Source,
    data_start: u64,
    header: Metadata,
}

#[derive(Debug)]
enum Source {
    File(Mutex<File>),
    Bytes(Cow<'static, [u8]>),
}

impl Checkpoint {
    /// Opens a file and checks its header; declared sizes are compared with the file's length before anything is read.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Weights`] if the file is truncated or is no safetensors file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let mut file = File::open(path).map_err(Error::io(path))?;
        let len = file.metadata().map_err(Error::io(path))?.len();
        let header_len = header_len(path, len, |buf| file.read_exact(buf))?;
        let mut buf = vec![0; 8 + header_len as usize];
        file.seek(SeekFrom::Start(0)).map_err(Error::io(path))?;
        file.read_exact(&mut buf).map_err(Error::io(path))?;
        Self::new(path.into(), Source::File(Mutex::new(file)), &buf, len)
    }

    /// Checks a file that is already in memory; `name` stands for it in errors.
    ///
    /// # Errors
    /// As [`Checkpoint::open`].
    pub fn from_bytes(name: impl Into<PathBuf>, bytes: impl Into<Cow<'static, [u8]>>) -> Result<Self> {
        let (path, bytes) = (name.into(), bytes.into());
        let len = bytes.len() as u64;
        let header_len = header_len(&path, len, |buf| (&bytes[..]).read_exact(buf))?;
        let head = bytes[..8 + header_len as usize].to_vec();
        Self::new(path, Source::Bytes(bytes), &head, len)
    }

    /// A checkpoint of tensors that are in memory, as (shape, values); `name` stands for it in errors.
    ///
    /// # Errors
    /// [`Error::Weights`] if a shape does not hold its values.
    pub fn from_tensors(name: impl Into<PathBuf>, tensors: &Tensors) -> Result<Self> {
        let path = name.into();
        let bytes = encode(&path, tensors, SaveDtype::F32)?;
        Self::from_bytes(path, bytes)
    }

    fn new(path: PathBuf, source: Source, head: &[u8], len: u64) -> Result<Self> {
        let weights = |reason: String| Error::Weights { path: path.clone(), reason };
        // Deserialising checks names, types, shapes and offsets among themselves; the data is not part of `head`.
        let header: Metadata = serde_json::from_slice(&head[8..]).map_err(|e| weights(e.to_string()))?;
        let data_start = head.len() as u64;
        let declared = header.data_len() as u64;
        if data_start + declared != len {
            let found = len - data_start;
            return Err(weights(format!("the header declares {declared} bytes of tensors, the file holds {found}")));
        }
        Ok(Self { path, source, data_start, header })
    }

    /// The file's path, or the name it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Names of all tensors, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names = self.header.offset_keys();
        names.sort();
        names
    }

    /// Shape of a tensor as declared in the file.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.header.info(name).map(|info| &info.shape[..])
    }

    /// Reads one tensor as f32, row-major, from f32, f16 or bf16.
    ///
    /// # Errors
    /// [`Error::MissingTensors`], [`Error::Dtype`], [`Error::Io`].
    pub fn read_f32(&self, name: &str) -> Result<Vec<f32>> {
        let (dtype, bytes) = self.read_bytes(name)?;
        let chunks = |n| bytes.chunks_exact(n);
        Ok(match dtype {
            Dtype::F32 => chunks(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
            Dtype::F16 => chunks(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect(),
            Dtype::BF16 => chunks(2).map(|b| bf16::from_le_bytes([b[0], b[1]]).to_f32()).collect(),
            other => {
                return Err(Error::Dtype { path: self.path.clone(), name: name.into(), found: format!("{other:?}") });
            }
        })
    }

    /// Reads one tensor of 64-bit integers (ids, masks, labels).
    ///
    /// # Errors
    /// [`Error::MissingTensors`], [`Error::Dtype`], [`Error::Io`].
    pub fn read_i64(&self, name: &str) -> Result<Vec<i64>> {
        match self.read_bytes(name)? {
            (Dtype::I64, bytes) => {
                Ok(bytes.chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().expect("chunks of eight"))).collect())
            }
            (other, _) => Err(Error::Dtype { path: self.path.clone(), name: name.into(), found: format!("{other:?}") }),
        }
    }

    fn read_bytes(&self, name: &str) -> Result<(Dtype, Cow<'_, [u8]>)> {
        let Some(info) = self.header.info(name) else {
            return Err(Error::MissingTensors { path: self.path.clone(), names: vec![name.into()] });
        };
        let (start, end) = info.data_offsets; // checked against the file's length when it was opened
        let bytes = match &self.source {
            Source::Bytes(bytes) => {
                let at = self.data_start as usize;
                Cow::Borrowed(&bytes[at + start..at + end])
            }
            Source::File(file) => {
                let mut buf = vec![0; end - start];
                let mut file = file.lock().expect("no reader of this file panics");
                file.seek(SeekFrom::Start(self.data_start + start as u64)).map_err(Error::io(&self.path))?;
                file.read_exact(&mut buf).map_err(Error::io(&self.path))?;
                Cow::Owned(buf)
            }
        };
        Ok((info.dtype, bytes))
    }

    /// SHA-256 of the whole file, as `sha256sum` prints it: the identity of a base.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn sha256(&self) -> Result<String> {
        let mut hash = Sha256::new();
        match &self.source {
            Source::Bytes(bytes) => hash.update(bytes),
            Source::File(file) => {
                let mut file = file.lock().expect("no reader of this file panics");
                file.seek(SeekFrom::Start(0)).map_err(Error::io(&self.path))?;
                let mut buf = vec![0; 1 << 20];
                loop {
                    let n = file.read(&mut buf).map_err(Error::io(&self.path))?;
                    if n == 0 {
                        break;
                    }
                    hash.update(&buf[..n]);
                }
            }
        }
        Ok(hash.finalize().iter().map(|b| format!("{b:02x}")).collect())
    }
}

/// Reads the declared length of the header and checks it against the file's.
fn header_len(path: &Path, len: u64, read: impl FnOnce(&mut [u8]) -> std::io::Result<()>) -> Result<u64> {
    let weights = |reason: String| Error::Weights { path: path.into(), reason };
    if len < 8 {
        return Err(weights(format!("expected at least 8 bytes, found {len}")));
    }
    let mut buf = [0; 8];
    read(&mut buf).map_err(Error::io(path))?;
    let header_len = u64::from_le_bytes(buf);
    if header_len > MAX_HEADER || header_len > len - 8 {
        return Err(weights(format!("the first 8 bytes declare a header of {header_len} bytes in a file of {len}")));
    }
    Ok(header_len)
}

/// What a checkpoint may lack or hold besides the model.
#[derive(Debug, Clone, Copy, Default)]
pub struct LoadRules<'a> {
    /// Names that contain one of these are left alone in the file (buffers, heads that are not wanted).
    pub ignore: &'a [&'a str],
    /// Parameters whose names start with one of these may be missing: they keep their initial value (a new head).
    pub may_be_new: &'a [&'a str],
    /// A prefix that some published files leave out of every name (`bert.`, `model.`).
    pub optional_prefix: Option<&'a str>,
    /// Names under which tied parameters stand once more in some files: (other name, the parameter's name). Such a tensor is
    /// left alone, or read where the parameter's own is not there.
    pub tied: &'a [(String, String)],
}

/// What [`load`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Parameters that were read.
    pub loaded: usize,
    /// Parameters that keep their initial value, as [`LoadRules::may_be_new`] allows.
    pub new: Vec<String>,
    /// Tensors of the file that were ignored.
    pub ignored: Vec<String>,
}

/// Fills `module` from `checkpoint`. All names and shapes are checked before the first value is read.
///
/// Values are f32 on the device of each parameter; a parameter that is loaded does not require gradients until
/// [`Module::train`] or `set_require_grad` says so.
///
/// # Errors
/// [`Error::MissingTensors`], [`Error::UnexpectedTensors`], [`Error::Shape`], [`Error::Dtype`], [`Error::Io`].
pub fn load<M: Module>(module: M, checkpoint: &Checkpoint, rules: LoadRules) -> Result<(M, LoadReport)> {
    let (sources, report) = plan(&module, &checkpoint.path, &checkpoint.names(), |n| checkpoint.shape(n), rules)?;
    let mut fill = Fill { checkpoint, sources, failed: None };
    let module = module.map(&mut fill);
    match fill.failed {
        Some(error) => Err(error),
        None => Ok((module, report)),
    }
}

/// Where each parameter is read from: its id, the name in the file, the parameter.
type Sources = HashMap<burn::module::ParamId, (String, NamedParam)>;

/// Compares a module with the `names` and shapes of a file; reads no value and initialises nothing.
pub(crate) fn plan<'a, M: Module>(
    module: &M,
    path: &Path,
    names: &[String],
    shape: impl Fn(&str) -> Option<&'a [usize]>,
    rules: LoadRules,
) -> Result<(Sources, LoadReport)> {
    let mut report = LoadReport::default();
    let mut sources = Sources::new();
    let (mut missing, mut used) = (Vec::new(), std::collections::HashSet::new());
    for param in named_params(module) {
        let bare = rules.optional_prefix.and_then(|p| param.name.strip_prefix(p));
        let other = rules.tied.iter().find(|(_, own)| *own == param.name).map(|(other, _)| other.as_str());
        let candidates = [Some(param.name.as_str()), bare, other].into_iter().flatten();
        let found = candidates.into_iter().find_map(|n| Some((n.to_owned(), shape(n)?)));
        match found {
            Some((name, found)) if found != param.shape => {
                let (path, found) = (path.into(), found.to_vec());
                return Err(Error::Shape { path, name, expected: param.shape, found });
            }
            Some((name, _)) => {
                used.insert(name.clone());
                sources.insert(param.id, (name, param));
            }
            None if rules.may_be_new.iter().any(|p| param.name.starts_with(p)) => report.new.push(param.name),
            None => missing.push(param.name),
        }
    }
    if !missing.is_empty() {
        return Err(Error::MissingTensors { path: path.into(), names: missing });
    }
    let leave = |n: &String| rules.ignore.iter().any(|i| n.contains(i)) || rules.tied.iter().any(|(o, _)| o == n);
    let (ignored, unexpected): (Vec<_>, Vec<_>) = names.iter().filter(|n| !used.contains(*n)).cloned().partition(leave);
    if !unexpected.is_empty() {
        return Err(Error::UnexpectedTensors { path: path.into(), names: unexpected });
    }
    report.ignored = ignored;
    report.loaded = sources.len();
    Ok((sources, report))
}

struct Fill<'a> {
    checkpoint: &'a Checkpoint,
    sources: Sources,
    failed: Option<Error>,
}

impl ModuleMapper for Fill<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some((name, info)) = self.sources.get(&param.id) else { return param };
        if self.failed.is_some() {
            return param;
        }
        match self.checkpoint.read_f32(name) {
            Ok(values) => {
                let device = param.lazy_device();
                let tensor = Tensor::<D>::from_data(TensorData::new(values, info.shape.clone()), &device);
                // A transposed view would be re-packed by every product: make it contiguous once.
                let tensor = if info.transposed { contiguous(tensor.swap_dims(D - 2, D - 1)) } else { tensor };
                Param::initialized(param.id, tensor)
            }
            Err(error) => {
                self.failed = Some(error);
                param
            }
        }
    }
}

/// The same values in row-major order.
pub(crate) fn contiguous<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    let (data, device) = (tensor.to_data(), tensor.device());
    Tensor::from_data(data, &device)
}

/// Element type of a file that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaveDtype {
    /// 4 bytes, exact.
    F32,
    /// 2 bytes, rounded.
    F16,
}

/// The float parameters of `module` under their published names, in the checkpoint's layout, as (shape, values).
pub fn export<M: Module>(module: &M) -> Tensors {
    struct Export {
        path: ParamPath,
        out: Tensors,
    }
    impl ModuleVisitor for Export {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.path.enter(name, container);
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.exit();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let value = param.val();
            let value = if self.path.is_linear_weight() { value.swap_dims(D - 2, D - 1) } else { value };
            let data = value.into_data().convert::<f32>();
            let shape = data.shape().to_vec();
            let values = data.try_into_vec::<f32>().expect("just converted to f32");
            self.out.insert(self.path.published(), (shape, values));
        }
    }
    let mut export = Export { path: ParamPath::default(), out: BTreeMap::new() };
    module.visit(&mut export);
    export.out
}

/// Named tensors in the checkpoint's layout, as (shape, values).
pub type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// Writes named tensors as a safetensors file, to a temporary name first.
///
/// # Errors
/// [`Error::Io`], or [`Error::Weights`] if a shape does not hold its values.
pub fn save(path: &Path, tensors: &Tensors, dtype: SaveDtype) -> Result<()> {
    write_atomically(path, &encode(path, tensors, dtype)?)
}

fn encode(path: &Path, tensors: &Tensors, dtype: SaveDtype) -> Result<Vec<u8>> {
    let encoded: Vec<(&str, &[usize], Vec<u8>)> = tensors
        .iter()
        .map(|(name, (shape, values))| {
            let bytes = match dtype {
                SaveDtype::F32 => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
                SaveDtype::F16 => values.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect(),
            };
            (name.as_str(), shape.as_slice(), bytes)
        })
        .collect();
    let dtype = match dtype {
        SaveDtype::F32 => Dtype::F32,
        SaveDtype::F16 => Dtype::F16,
    };
    let weights = |e: safetensors::SafeTensorError| Error::Weights { path: path.into(), reason: e.to_string() };
    let views = encoded
        .iter()
        .map(|(name, shape, bytes)| Ok((*name, TensorView::new(dtype, shape.to_vec(), bytes)?)))
        .collect::<Result<Vec<_>, _>>()
        .map_err(weights)?;
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    safetensors::serialize(views, Some(metadata)).map_err(weights)
}

/// Writes a file under a temporary name beside `path` and renames it, so that an interrupted run leaves the old file.
///
/// # Errors
/// [`Error::Io`].
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666)); // less the user's mask, as for any new file
    let mut file = builder.tempfile_in(folder).map_err(Error::io(path))?;
    file.write_all(bytes).map_err(Error::io(path))?;
    file.persist(path).map_err(|e| Error::Io { path: path.into(), source: e.error })?;
    Ok(())
}
