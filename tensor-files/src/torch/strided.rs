//! Tensors as views of a storage: an offset, a shape and a stride for each dimension.

use super::names::Elements;
use crate::decode::{FLOATS, INTEGERS, Span, floats, integers};
use crate::source::Source;
use crate::transpose::Transpose;
use crate::{Dtype, Error, Result};

/// A view whose elements all lie inside its storage.
#[derive(Debug, Clone)]
pub(super) struct Strided {
    elements: Elements,
    /// In elements of the storage.
    offset: u64,
    shape: Vec<usize>,
    strides: Vec<u64>,
    count: usize,
    /// Elements from the first to the last in storage, both included.
    reach: u64,
}

/// How the elements lie.
enum Order {
    /// One after the other.
    RowMajor,
    /// A matrix [rows, columns], column after column.
    ColumnMajor {
        rows: usize,
        columns: usize,
    },
    Any,
}

impl Strided {
    /// `None` if the view leaves its storage of `len` bytes.
    pub(super) fn new(elements: Elements, offset: u64, shape: Vec<usize>, strides: Vec<u64>, len: u64) -> Option<Self> {
        let count = shape.iter().try_fold(1_usize, |n, d| n.checked_mul(*d))?;
        if count == 0 {
            return Some(Self { elements, offset: 0, shape, strides, count, reach: 0 });
        }
        let last = shape
            .iter()
            .zip(&strides)
            .try_fold(0_u64, |last, (n, stride)| last.checked_add((*n as u64 - 1).checked_mul(*stride)?));
        let reach = last?.checked_add(1)?;
        let end = offset.checked_add(reach)?.checked_mul(elements.size)?;
        (end <= len).then_some(Self { elements, offset, shape, strides, count, reach })
    }

    pub(super) fn dtype(&self) -> Dtype {
        self.elements.dtype
    }

    pub(super) fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// A matrix with rows and columns exchanged.
    pub(super) fn transposed(&self) -> Self {
        let mut this = self.clone();
        this.shape.reverse();
        this.strides.reverse();
        this
    }

    /// Values in row-major order, from a storage that begins at byte `start` of `source`.
    pub(super) fn read_f32(&self, source: &Source, start: u64, name: &str) -> Result<Vec<f32>> {
        let span = self.span(start);
        match self.order() {
            Order::RowMajor => span.read_f32(source, name),
            Order::ColumnMajor { rows, columns } => {
                let mut out = Transpose::new(columns, rows);
                span.stream_f32(source, name, &mut |run| out.push(run))?;
                Ok(out.finish())
            }
            Order::Any => {
                span.unit(source.path(), name, FLOATS)?;
                self.check_size(source, name)?;
                let mut out = vec![0.0; self.count];
                let mut rest = &mut out[..];
                self.gather(source, start, |bytes| {
                    let (now, later) =
                        std::mem::take(&mut rest).split_at_mut(bytes.len() / self.elements.size as usize);
                    floats(self.elements.dtype, bytes, now);
                    rest = later;
                })?;
                Ok(out)
            }
        }
    }

    /// Integers in row-major order.
    pub(super) fn read_i64(&self, source: &Source, start: u64, name: &str) -> Result<Vec<i64>> {
        let span = self.span(start);
        if let Order::RowMajor = self.order() {
            return span.read_i64(source, name);
        }
        span.unit(source.path(), name, INTEGERS)?;
        self.check_size(source, name)?;
        let mut out = Vec::with_capacity(self.count);
        self.gather(source, start, |bytes| integers(self.elements.dtype, bytes, &mut out))?;
        Ok(out)
    }

    /// The elements in the order of the storage, for a view that has each of them once.
    fn span(&self, start: u64) -> Span {
        let start = start + self.offset * self.elements.size; // inside the file
        Span { dtype: self.elements.dtype, start, count: self.count }
    }

    /// Strides of 0 could make any number of elements of one.
    fn check_size(&self, source: &Source, name: &str) -> Result<()> {
        if self.count as u64 * self.elements.size > source.len() {
            let found = format!("{:?} with strides {:?}", self.shape, self.strides);
            return Err(Error::format(source.path(), "a tensor no larger than its file", found).of_tensor(name));
        }
        Ok(())
    }

    /// Dimensions that matter: (size, stride), without those of size 1, whose stride means nothing.
    fn dimensions(&self) -> Vec<(usize, u64)> {
        self.shape.iter().copied().zip(self.strides.iter().copied()).filter(|(n, _)| *n != 1).collect()
    }

    fn order(&self) -> Order {
        let dimensions = self.dimensions();
        let mut packed = 1;
        let row_major = dimensions.iter().rev().all(|(n, stride)| {
            let fits = *stride == packed;
            packed = packed.saturating_mul(*n as u64);
            fits
        });
        match dimensions[..] {
            _ if row_major || self.count == 0 => Order::RowMajor,
            [(rows, 1), (columns, stride)] if stride == rows as u64 => Order::ColumnMajor { rows, columns },
            _ => Order::Any,
        }
    }

    /// Hands over the bytes of all elements in row-major order, a run of the last dimension at a time.
    fn gather(&self, source: &Source, start: u64, mut each: impl FnMut(&[u8])) -> Result<()> {
        const RUN: usize = 1024;
        let size = self.elements.size as usize;
        let view = source.view(start + self.offset * self.elements.size, self.reach * self.elements.size)?;
        let mut outer = self.dimensions(); // not empty, or the order would be row-major
        let (inner, stride) = outer.pop().expect("a view without dimensions is row-major");
        let mut index = vec![0_usize; outer.len()];
        let mut run = Vec::with_capacity(RUN * size);
        loop {
            let base: u64 = index.iter().zip(&outer).map(|(i, (_, stride))| *i as u64 * stride).sum();
            for i in 0..inner {
                let at = (base + i as u64 * stride) as usize * size; // within `reach`
                run.extend_from_slice(&view[at..at + size]);
                if run.len() == RUN * size {
                    each(&run);
                    run.clear();
                }
            }
            // The next index, the last dimension first.
            let Some(turning) = (0..outer.len()).rev().find(|d| index[*d] + 1 < outer[*d].0) else { break };
            index[turning] += 1;
            index[turning + 1..].fill(0);
        }
        if !run.is_empty() {
            each(&run);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const F32: Elements = Elements { dtype: Dtype::F32, size: 4 };

    fn storage(count: usize) -> Source {
        let bytes: Vec<u8> = (0..count).flat_map(|i| (i as f32).to_le_bytes()).collect();
        Source::memory("storage", bytes)
    }

    #[test]
    fn views_leave_no_storage() {
        #[track_caller]
        fn check(offset: u64, shape: &[usize], strides: &[u64], inside: bool) {
            let view = Strided::new(F32, offset, shape.to_vec(), strides.to_vec(), 24);
            assert_eq!(view.is_some(), inside, "{offset} {shape:?} {strides:?}");
        }
        check(0, &[2, 3], &[3, 1], true);
        check(0, &[3, 2], &[1, 3], true);
        check(1, &[2, 3], &[3, 1], false);
        check(5, &[], &[], true);
        check(6, &[], &[], false);
        check(6, &[0], &[1], true);
        check(u64::MAX, &[0, 5], &[u64::MAX, 1], true);
        check(0, &[2], &[5], true);
        check(0, &[2], &[6], false);
        check(0, &[2], &[u64::MAX], false);
        check(u64::MAX, &[2], &[1], false);
        check(0, &[usize::MAX, 2], &[0, 0], false);
        check(0, &[1, 1, 6], &[u64::MAX, 7, 1], true);
    }

    #[test]
    fn a_stride_of_zero_makes_no_more_than_the_file_holds() {
        let source = storage(6);
        let view = |n| Strided::new(F32, 1, vec![n], vec![0], 24).unwrap();
        assert_eq!(view(6).read_f32(&source, 0, "a").unwrap(), [1.0; 6]);
        let error = view(1 << 40).read_f32(&source, 0, "a").unwrap_err();
        assert_eq!(
            error.to_string(),
            "storage: tensor a: expected a tensor no larger than its file, found [1099511627776] with strides [0]"
        );
    }

    proptest! {
        /// Any permutation of any slice, against indexing one by one.
        #[test]
        fn as_index_by_index(
            shape in prop::collection::vec(0_usize..6, 0..5),
            order in any::<prop::sample::Index>(),
            step in 1_u64..3,
            offset in 0_u64..3,
        ) {
            // strides of a dense array whose axes are rotated, the elements `step` apart
            let rank = shape.len();
            let turn = order.index(rank.max(1));
            let mut strides = vec![0; rank];
            let mut stride = step;
            for axis in (0..rank).map(|i| (i + turn) % rank) {
                strides[axis] = stride;
                stride *= shape[axis].max(1) as u64;
            }
            let count: usize = shape.iter().product();
            let source = storage(3 + 2 * 6_usize.pow(4));
            let view = Strided::new(F32, offset, shape.clone(), strides.clone(), source.len()).unwrap();
            let mut expected = Vec::new();
            for mut i in 0..count {
                let mut at = offset;
                for axis in (0..rank).rev() {
                    at += (i % shape[axis]) as u64 * strides[axis];
                    i /= shape[axis];
                }
                expected.push(at as f32);
            }
            prop_assert_eq!(view.read_f32(&source, 0, "a").unwrap(), expected);
        }
    }
}
