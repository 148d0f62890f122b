//! The types of tensors in GGUF files: how many values a block holds in how many bytes.

use crate::Dtype;
use std::fmt;

/// A type of tensors. Blocks of quantised types hold several values of one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[allow(missing_docs, non_camel_case_types, reason = "ggml's names, which say all there is to say")]
pub enum GgmlType {
    F32,
    F16,
    BF16,
    Q8_0,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q2_K,
    Q3_K,
    Q4_K,
    Q5_K,
    Q6_K,
    /// A type that is listed but not read: its ggml name, the values of a block and its bytes.
    Other(&'static str, u32, u32),
}

/// Values of a block of the K types (ggml's `QK_K`).
pub(super) const SUPER_BLOCK: usize = 256;

/// Number in files, type, values of a block, bytes of a block; ggml.h and ggml-common.h.
const TYPES: [(u32, GgmlType, usize, usize); 13] = [
    (0, GgmlType::F32, 1, 4),
    (1, GgmlType::F16, 1, 2),
    (2, GgmlType::Q4_0, 32, 18),
    (3, GgmlType::Q4_1, 32, 20),
    (6, GgmlType::Q5_0, 32, 22),
    (7, GgmlType::Q5_1, 32, 24),
    (8, GgmlType::Q8_0, 32, 34),
    (10, GgmlType::Q2_K, SUPER_BLOCK, 84),
    (11, GgmlType::Q3_K, SUPER_BLOCK, 110),
    (12, GgmlType::Q4_K, SUPER_BLOCK, 144),
    (13, GgmlType::Q5_K, SUPER_BLOCK, 176),
    (14, GgmlType::Q6_K, SUPER_BLOCK, 210),
    (30, GgmlType::BF16, 1, 2),
];

/// Types that are not read, so that a file with one such tensor can still be listed.
const OTHERS: [(u32, &str, u32, u32); 21] = [
    (9, "Q8_1", 32, 40),
    (15, "Q8_K", 256, 292),
    (16, "IQ2_XXS", 256, 66),
    (17, "IQ2_XS", 256, 74),
    (18, "IQ3_XXS", 256, 98),
    (19, "IQ1_S", 256, 50),
    (20, "IQ4_NL", 32, 18),
    (21, "IQ3_S", 256, 110),
    (22, "IQ2_S", 256, 82),
    (23, "IQ4_XS", 256, 136),
    (24, "I8", 1, 1),
    (25, "I16", 1, 2),
    (26, "I32", 1, 4),
    (27, "I64", 1, 8),
    (28, "F64", 1, 8),
    (29, "IQ1_M", 256, 56),
    (34, "TQ1_0", 256, 54),
    (35, "TQ2_0", 256, 66),
    (39, "MXFP4", 32, 17),
    (40, "NVFP4", 64, 36),
    (41, "Q1_0", 128, 18),
];

impl GgmlType {
    /// The type with a number; `None` if ggml has none such.
    pub(super) fn from_id(id: u32) -> Option<Self> {
        let known = TYPES.iter().find(|known| known.0 == id).map(|known| known.1);
        let other = || OTHERS.iter().find(|other| other.0 == id).map(|other| Self::Other(other.1, other.2, other.3));
        known.or_else(other)
    }

    /// The number in files.
    pub(super) fn id(self) -> u32 {
        match self {
            Self::Other(name, ..) => OTHERS.iter().find(|other| other.1 == name).map_or(u32::MAX, |other| other.0),
            known => TYPES.iter().find(|entry| entry.1 == known).map_or(u32::MAX, |entry| entry.0),
        }
    }

    /// How many values a block holds.
    pub fn block_len(self) -> usize {
        match self {
            Self::Other(_, values, _) => values as usize,
            known => TYPES.iter().find(|entry| entry.1 == known).map_or(1, |entry| entry.2),
        }
    }

    /// How many bytes a block takes.
    pub fn block_bytes(self) -> usize {
        match self {
            Self::Other(_, _, bytes) => bytes as usize,
            known => TYPES.iter().find(|entry| entry.1 == known).map_or(1, |entry| entry.3),
        }
    }
}

impl GgmlType {
    /// ggml's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::BF16 => "BF16",
            Self::Q8_0 => "Q8_0",
            Self::Q4_0 => "Q4_0",
            Self::Q4_1 => "Q4_1",
            Self::Q5_0 => "Q5_0",
            Self::Q5_1 => "Q5_1",
            Self::Q2_K => "Q2_K",
            Self::Q3_K => "Q3_K",
            Self::Q4_K => "Q4_K",
            Self::Q5_K => "Q5_K",
            Self::Q6_K => "Q6_K",
            Self::Other(name, ..) => name,
        }
    }

    /// The same among the types of all formats.
    pub(super) fn dtype(self) -> Dtype {
        match self {
            Self::F32 => Dtype::F32,
            Self::F16 => Dtype::F16,
            Self::BF16 => Dtype::BF16,
            Self::Other("F64", ..) => Dtype::F64,
            Self::Other("I8", ..) => Dtype::I8,
            Self::Other("I16", ..) => Dtype::I16,
            Self::Other("I32", ..) => Dtype::I32,
            Self::Other("I64", ..) => Dtype::I64,
            quantised => Dtype::Quantised(quantised.name()),
        }
    }
}

impl fmt::Display for GgmlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_types_are_one_to_one() {
        for id in 0..60 {
            if let Some(kind) = GgmlType::from_id(id) {
                assert_eq!(kind.id(), id, "{kind}");
                assert!(kind.block_len() > 0 && kind.block_bytes() > 0);
            }
        }
        assert_eq!(GgmlType::from_id(4), None); // Q4_2 was removed
        assert_eq!(GgmlType::from_id(12).unwrap().to_string(), "Q4_K");
        assert_eq!(GgmlType::from_id(20).unwrap().to_string(), "IQ4_NL");
    }
}
