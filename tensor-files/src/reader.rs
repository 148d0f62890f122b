//! What every format offers: a table of tensors, and their values on request.

use crate::source::Source;
use crate::{Error, Result, TensorInfo};
use std::collections::BTreeMap;
use std::fmt::Debug;

static NO_METADATA: BTreeMap<String, String> = BTreeMap::new();

/// An open file. Names were looked up in [`Reader::tensors`] before a value is asked for.
pub(crate) trait Reader: Send + Sync + Debug {
    /// What is in the file, checked against its length.
    fn tensors(&self) -> &BTreeMap<String, TensorInfo>;

    /// The file itself.
    fn source(&self) -> &Source;

    /// A tensor's values, row-major.
    fn read_f32(&self, name: &str) -> Result<Vec<f32>>;

    /// A tensor of integers, row-major.
    fn read_i64(&self, name: &str) -> Result<Vec<i64>>;

    /// A tensor of bytes; formats that have none refuse.
    fn read_u8(&self, name: &str) -> Result<Vec<u8>> {
        let found = self.tensors()[name].dtype;
        Err(Error::Dtype { path: self.source().path().into(), name: name.to_owned(), expected: "U8", found })
    }

    /// The values of [`Reader::read_f32`] in order, in runs of any length, so that one who rearranges them need not hold them
    /// twice. Called with whole tensors only.
    fn stream_f32(&self, name: &str, each: &mut dyn FnMut(&[f32])) -> Result<()> {
        each(&self.read_f32(name)?);
        Ok(())
    }

    /// A matrix [rows, columns], as [columns, rows], row-major.
    fn read_f32_transposed(&self, name: &str) -> Result<Vec<f32>> {
        let shape = &self.tensors()[name].shape;
        let mut out = crate::transpose::Transpose::new(shape[0], shape[1]);
        self.stream_f32(name, &mut |run| out.push(run))?;
        Ok(out.finish())
    }

    /// Whether two tensors are stored once.
    fn shares_storage(&self, _a: &str, _b: &str) -> bool {
        false
    }

    /// Free text beside the tensors.
    fn metadata(&self) -> &BTreeMap<String, String> {
        &NO_METADATA
    }
}
