//! Tensors on the host, and `adapter_model.safetensors` as a set of them.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::PREFIX;
use crate::{Error, Result};

/// The longest header that is read, in bytes; an adapter of a thousand layers needs 0.3 MB.
const MAX_HEADER: u64 = 16 << 20;

/// A tensor in main memory, row-major f32; in folders in torch's layout: a linear weight is [d_out, d_in].
#[derive(Clone, Debug, PartialEq)]
pub struct HostTensor {
    shape: Vec<usize>,
    values: Vec<f32>,
}

impl HostTensor {
    /// A tensor of `values` in row-major order; `None` if `shape` needs another number of them.
    pub fn new(shape: impl Into<Vec<usize>>, values: Vec<f32>) -> Option<Self> {
        let shape = shape.into();
        let needed = shape.iter().try_fold(1usize, |n, d| n.checked_mul(*d))?;
        (needed == values.len()).then_some(HostTensor { shape, values })
    }

    /// A copy of `tensor`, as f32.
    ///
    /// # Panics
    /// If the device fails to hand the values over.
    pub fn from_tensor<const D: usize>(tensor: &Tensor<D>) -> Self {
        let values: Vec<f32> = tensor.to_data().iter::<f32>().collect();
        HostTensor { shape: tensor.dims().to_vec(), values }
    }

    /// The tensor on `device`; `None` if its rank is not `D`.
    pub fn to_tensor<const D: usize>(&self, device: &Device) -> Option<Tensor<D>> {
        let shape: [usize; D] = self.shape.as_slice().try_into().ok()?;
        Some(Tensor::from_data(TensorData::new(self.values.clone(), shape), device))
    }

    /// The transposed matrix: torch's [d_out, d_in] from and to Burn's [d_in, d_out]. Any other rank stays as it is.
    pub fn transposed(self) -> Self {
        let [rows, cols] = self.shape[..] else { return self };
        let mut values = Vec::with_capacity(self.values.len());
        for col in 0..cols {
            values.extend((0..rows).map(|row| self.values[row * cols + col]));
        }
        HostTensor { shape: vec![cols, rows], values }
    }

    /// The sizes of the dimensions.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The elements in row-major order.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Fails at the first NaN or infinity.
    pub(super) fn check_finite(&self, file: &Path, name: &str) -> Result<()> {
        match self.values.iter().position(|v| !v.is_finite()) {
            None => Ok(()),
            Some(index) => {
                Err(Error::NotFinite { file: file.to_owned(), name: name.to_owned(), index, value: self.values[index] })
            }
        }
    }
}

/// The tensors of one folder that nobody has claimed yet, by full name.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    pub(super) file: PathBuf,
    pub(super) left: BTreeMap<String, HostTensor>,
}

impl Pool {
    /// Takes out the tensor `name`, which must have `shape`.
    pub(super) fn take(&mut self, name: &str, shape: &[usize]) -> Result<HostTensor> {
        let (file, name) = (&self.file, name.to_owned());
        let Some(tensor) = self.left.remove(&name) else {
            return Err(Error::MissingTensor { file: file.clone(), name });
        };
        if tensor.shape != shape {
            let expected = shape.to_vec();
            return Err(Error::TensorShape { file: file.clone(), name, expected, found: tensor.shape });
        }
        tensor.check_finite(file, &name)?;
        Ok(tensor)
    }
}

/// The tensors of one layer in a folder, taken out one by one by the layer's adapter.
#[derive(Debug)]
pub struct SiteTensors<'a> {
    pool: &'a mut Pool,
    path: &'a str,
}

impl<'a> SiteTensors<'a> {
    pub(super) fn new(pool: &'a mut Pool, path: &'a str) -> Self {
        SiteTensors { pool, path }
    }

    /// The layer's path.
    pub fn path(&self) -> &str {
        self.path
    }

    /// Takes the tensor called `<path>.<suffix>`, which must have `shape` (in torch's layout).
    ///
    /// # Errors
    /// [`Error::MissingTensor`], [`Error::TensorShape`], [`Error::NotFinite`].
    pub fn take(&mut self, suffix: &str, shape: &[usize]) -> Result<HostTensor> {
        self.pool.take(&format!("{PREFIX}{}.{suffix}", self.path), shape)
    }

    /// True if the folder has a tensor `<path>.<suffix>` that was not taken yet.
    pub fn has(&self, suffix: &str) -> bool {
        self.pool.left.contains_key(&format!("{PREFIX}{}.{suffix}", self.path))
    }

    /// `param` with the values of tensor `<path>.<suffix>`, laid out alike; its id, device, precision and
    /// gradient setting stay.
    ///
    /// # Errors
    /// As [`SiteTensors::take`].
    pub fn fill<const D: usize>(&mut self, suffix: &str, param: Param<Tensor<D>>) -> Result<Param<Tensor<D>>> {
        let tensor = self.take(suffix, &param.lazy_shape().to_vec())?;
        Ok(filled(param, tensor))
    }

    /// [`SiteTensors::fill`] for a parameter that is laid out alike, but has `shape` in the folder.
    ///
    /// # Errors
    /// As [`SiteTensors::take`].
    ///
    /// # Panics
    /// If `shape` has another number of elements than `param`.
    pub fn fill_shaped<const D: usize>(
        &mut self,
        suffix: &str,
        shape: &[usize],
        param: Param<Tensor<D>>,
    ) -> Result<Param<Tensor<D>>> {
        let tensor = self.take(suffix, shape)?;
        Ok(filled(param, tensor))
    }

    /// [`SiteTensors::fill`] for a matrix that torch keeps transposed.
    ///
    /// # Errors
    /// As [`SiteTensors::take`].
    pub fn fill_transposed(&mut self, suffix: &str, param: Param<Tensor<2>>) -> Result<Param<Tensor<2>>> {
        let shape = param.lazy_shape(); // [rows, cols]
        let tensor = self.take(suffix, &[shape[1], shape[0]])?;
        Ok(filled(param, tensor.transposed()))
    }
}

/// `param` with the values of `tensor`, which has its shape.
pub(crate) fn filled<const D: usize>(param: Param<Tensor<D>>, tensor: HostTensor) -> Param<Tensor<D>> {
    param.map(|old| {
        let data = TensorData::new(tensor.values, old.shape());
        Tensor::from_data(data, (&old.device(), old.dtype())).set_require_grad(old.is_require_grad())
    })
}

/// The bytes of a safetensors file with `tensors`, as PEFT writes it.
pub(super) fn to_safetensors(file: &Path, tensors: &BTreeMap<String, HostTensor>) -> Result<Vec<u8>> {
    let damaged = |e: safetensors::SafeTensorError| Error::Tensors { file: file.to_owned(), reason: e.to_string() };
    let mut bytes = Vec::with_capacity(tensors.len());
    for (name, tensor) in tensors {
        tensor.check_finite(file, name)?;
        bytes.push((name, &tensor.shape, tensor.values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>()));
    }
    let views = (bytes.iter())
        .map(|(name, shape, bytes)| Ok((name.as_str(), TensorView::new(Dtype::F32, shape.to_vec(), bytes)?)))
        .collect::<Result<Vec<_>, _>>()
        .map_err(damaged)?;
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    safetensors::serialize(views, Some(metadata)).map_err(damaged)
}

/// Every tensor of a safetensors file. Sizes that the file declares are checked against the file's length before
/// anything is allocated for them.
pub(super) fn from_safetensors(file: &Path) -> Result<Pool> {
    let damaged = |reason: String| Error::Tensors { file: file.to_owned(), reason };
    let mut open = File::open(file).map_err(Error::io(file))?;
    let length = open.metadata().map_err(Error::io(file))?.len();
    let mut declared = [0; 8];
    if length < 8 {
        return Err(damaged(format!("{length} bytes are too few for a safetensors file")));
    }
    open.read_exact(&mut declared).map_err(Error::io(file))?;
    let header = u64::from_le_bytes(declared);
    if header > MAX_HEADER || header > length - 8 {
        return Err(damaged(format!(
            "declares a header of {header} bytes; the file has {length}, and at most {MAX_HEADER} are read"
        )));
    }
    let mut bytes = declared.to_vec();
    open.read_to_end(&mut bytes).map_err(Error::io(file))?;
    let parsed = SafeTensors::deserialize(&bytes).map_err(|e| damaged(e.to_string()))?;
    let mut left = BTreeMap::new();
    for (name, view) in parsed.iter() {
        let Some(values) = to_f32(&view) else {
            return Err(Error::TensorType {
                file: file.to_owned(),
                name: name.to_owned(),
                dtype: format!("{:?}", view.dtype()),
            });
        };
        let tensor = HostTensor::new(view.shape(), values)
            .ok_or_else(|| damaged(format!("tensor {name} has too few or too many bytes for its shape")))?;
        left.insert(name.to_owned(), tensor);
    }
    Ok(Pool { file: file.to_owned(), left })
}

/// Every tensor of a file that `torch.save` wrote.
pub(super) fn from_pickle(file: &Path) -> Result<Pool> {
    let damaged = |reason: String| Error::Tensors { file: file.to_owned(), reason };
    let checkpoint = tensor_files::Checkpoint::open(file).map_err(|e| damaged(e.to_string()))?;
    let mut left = BTreeMap::new();
    for name in checkpoint.names() {
        let shape = checkpoint.shape(&name).unwrap_or_default().to_vec();
        let values = checkpoint.read_f32(&name).map_err(|e| damaged(e.to_string()))?;
        let tensor = HostTensor::new(shape, values)
            .ok_or_else(|| damaged(format!("tensor {name} has too few or too many values for its shape")))?;
        left.insert(name, tensor);
    }
    Ok(Pool { file: file.to_owned(), left })
}

/// The elements as f32, without loss; `None` for a type of which that is not true.
fn to_f32(view: &TensorView<'_>) -> Option<Vec<f32>> {
    let pairs = || view.data().chunks_exact(2).map(|b| u16::from_le_bytes([b[0], b[1]]));
    match view.dtype() {
        Dtype::F32 => {
            let words = view.data().chunks_exact(4);
            Some(words.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
        }
        Dtype::BF16 => Some(pairs().map(|bits| f32::from_bits(u32::from(bits) << 16)).collect()),
        Dtype::F16 => Some(pairs().map(half_to_f32).collect()),
        _ => None,
    }
}

/// IEEE 754 binary16 to binary32, exact.
fn half_to_f32(bits: u16) -> f32 {
    let sign = if bits >> 15 == 0 { 1.0 } else { -1.0 };
    let fraction = f32::from(bits & 0x3ff);
    match (bits >> 10) & 0x1f {
        0 => sign * fraction * 2f32.powi(-24),
        0x1f if fraction == 0.0 => sign * f32::INFINITY,
        0x1f => f32::NAN,
        exponent => sign * (1.0 + fraction / 1024.0) * 2f32.powi(i32::from(exponent) - 15),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_read_exactly() {
        let cases = [
            (0x0000, 0.0),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0001, 5.960_464_5e-8),
            (0x0400, 6.103_515_6e-5),
            (0x3555, 0.333_251_95),
            (0x7c00, f32::INFINITY),
        ];
        for (bits, value) in cases {
            assert_eq!(half_to_f32(bits), value, "{bits:#06x}");
        }
        assert!(half_to_f32(0x7e00).is_nan());
        assert!(half_to_f32(0x8000).is_sign_negative());
    }

    #[test]
    fn transposing_twice_changes_nothing() {
        let t = HostTensor::new([2, 3], vec![1., 2., 3., 4., 5., 6.]).unwrap();
        assert_eq!(t.clone().transposed().values(), [1., 4., 2., 5., 3., 6.]);
        assert_eq!(t.clone().transposed().transposed(), t);
        assert_eq!(HostTensor::new([2, 3], vec![0.0; 5]), None);
        assert_eq!(HostTensor::new([usize::MAX, 3], vec![]), None);
    }

    #[test]
    fn empty_dimensions_survive() {
        let tensors = BTreeMap::from([("a".to_owned(), HostTensor::new([0, 3], vec![]).unwrap())]);
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("t.safetensors");
        std::fs::write(&file, to_safetensors(&file, &tensors).unwrap()).unwrap();
        assert_eq!(from_safetensors(&file).unwrap().left, tensors);
    }

    #[test]
    fn damaged_files_are_errors() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("t.safetensors");
        let tensors = BTreeMap::from([("a".to_owned(), HostTensor::new([2], vec![1.0, 2.0]).unwrap())]);
        let good = to_safetensors(&file, &tensors).unwrap();
        let mut huge = good.clone();
        huge[..8].copy_from_slice(&u64::MAX.to_le_bytes());
        let mut lying = good.clone();
        lying[..8].copy_from_slice(&(good.len() as u64 - 7).to_le_bytes());
        let longer = [good.clone(), vec![0]].concat();
        for bytes in [&good[..7], &good[..20], &good[..good.len() - 1], &huge, &lying, &longer, b"not tensors"] {
            std::fs::write(&file, bytes).unwrap();
            assert!(matches!(from_safetensors(&file), Err(Error::Tensors { .. })), "{bytes:?}");
        }
        let nan = BTreeMap::from([("a".to_owned(), HostTensor::new([2], vec![1.0, f32::NAN]).unwrap())]);
        assert!(matches!(to_safetensors(&file, &nan), Err(Error::NotFinite { index: 1, .. })));
    }
}
