//! The names that a pickle of tensors may contain, all of them: functions that put data together, and types.

use crate::Dtype;

/// A type of elements and its size in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Elements {
    pub(super) dtype: Dtype,
    pub(super) size: u64,
}

/// What a pickle of tensors may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Global {
    OrderedDict,
    Size,
    /// `_rebuild_tensor` (before 0.4) and `_rebuild_tensor_v2`: typed storage, offset, size, stride, ...
    RebuildTensor,
    /// Untyped storage, offset, size, stride, requires_grad, hooks, dtype, ...
    RebuildTensorV3,
    RebuildParameter,
    Storage(Elements),
    UntypedStorage,
    Dtype(Elements),
}

impl Global {
    /// The table. Whatever is not in it is not read.
    pub(super) fn find(module: &str, name: &str) -> Option<Self> {
        Some(match (module, name) {
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("torch", "Size") => Self::Size,
            ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Self::RebuildTensor,
            ("torch._utils", "_rebuild_tensor_v3") => Self::RebuildTensorV3,
            ("torch._utils", "_rebuild_parameter") => Self::RebuildParameter,
            ("torch" | "torch.storage", "UntypedStorage") | ("torch.storage", "TypedStorage") => Self::UntypedStorage,
            ("torch" | "torch.cuda", name) => match name.strip_suffix("Storage") {
                Some(element) => Self::Storage(elements(element)?),
                None => Self::Dtype(elements(name)?),
            },
            _ => return None,
        })
    }
}

/// Element types as storages (`Float`) and dtypes (`float32`) spell them.
fn elements(name: &str) -> Option<Elements> {
    let (dtype, size) = match name {
        "Double" | "float64" | "double" => (Dtype::F64, 8),
        "Float" | "float32" | "float" => (Dtype::F32, 4),
        "Half" | "float16" | "half" => (Dtype::F16, 2),
        "BFloat16" | "bfloat16" => (Dtype::BF16, 2),
        "Long" | "int64" | "long" => (Dtype::I64, 8),
        "Int" | "int32" | "int" => (Dtype::I32, 4),
        "Short" | "int16" | "short" => (Dtype::I16, 2),
        "Char" | "int8" => (Dtype::I8, 1),
        "Byte" | "uint8" => (Dtype::U8, 1),
        "Bool" | "bool" => (Dtype::Bool, 1),
        "uint64" => (Dtype::U64, 8),
        "uint32" => (Dtype::U32, 4),
        "uint16" => (Dtype::U16, 2),
        "float8_e4m3fn" => (Dtype::Other("F8_E4M3"), 1),
        "float8_e5m2" => (Dtype::Other("F8_E5M2"), 1),
        "ComplexFloat" | "complex64" => (Dtype::Other("C64"), 8),
        "ComplexDouble" | "complex128" => (Dtype::Other("C128"), 16),
        _ => return None,
    };
    Some(Elements { dtype, size })
}
