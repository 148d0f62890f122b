//! The metadata of a GGUF file: typed values under unique keys, in the order of the file.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result, shortened};

/// A value of a GGUF file's metadata.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum GgufValue {
    /// `uint8`
    U8(u8),
    /// `int8`
    I8(i8),
    /// `uint16`
    U16(u16),
    /// `int16`
    I16(i16),
    /// `uint32`
    U32(u32),
    /// `int32`
    I32(i32),
    /// `float32`
    F32(f32),
    /// `bool`
    Bool(bool),
    /// `string`, UTF-8
    String(String),
    /// `array`
    Array(GgufArray),
    /// `uint64`
    U64(u64),
    /// `int64`
    I64(i64),
    /// `float64`
    F64(f64),
}

/// An array in a GGUF file's metadata: values of one type.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum GgufArray {
    /// `uint8`
    U8(Vec<u8>),
    /// `int8`
    I8(Vec<i8>),
    /// `uint16`
    U16(Vec<u16>),
    /// `int16`
    I16(Vec<i16>),
    /// `uint32`
    U32(Vec<u32>),
    /// `int32`
    I32(Vec<i32>),
    /// `float32`
    F32(Vec<f32>),
    /// `bool`
    Bool(Vec<bool>),
    /// `string`
    String(Vec<String>),
    /// `array`
    Array(Vec<GgufArray>),
    /// `uint64`
    U64(Vec<u64>),
    /// `int64`
    I64(Vec<i64>),
    /// `float64`
    F64(Vec<f64>),
}

/// The keys and values of a GGUF file.
///
/// The typed getters give `None` for a key that is not there, and an error for one of another type.
///
/// ```
/// use tensor_files::gguf::{GgufMetadata, GgufValue};
///
/// let mut metadata = GgufMetadata::new();
/// metadata.insert("llama.block_count", GgufValue::U32(5))?;
/// assert_eq!(metadata.u64("llama.block_count")?, Some(5));
/// assert_eq!(metadata.u64("llama.vocab_size")?, None);
/// assert!(metadata.str("llama.block_count").is_err());
/// assert!(metadata.insert("llama.block_count", GgufValue::U32(6)).is_err()); // a key stands once
/// # Ok::<(), tensor_files::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct GgufMetadata {
    path: PathBuf,
    entries: Vec<Entry>,
    places: HashMap<String, usize>,
}

/// A key, and where its value begins if it came from a file.
#[derive(Debug, Clone)]
struct Entry {
    key: String,
    value: GgufValue,
    byte: Option<u64>,
}

impl GgufMetadata {
    /// No keys.
    pub fn new() -> Self {
        Self { path: PathBuf::from("metadata"), ..Self::default() }
    }

    /// The metadata of a file, to be filled.
    pub(super) fn of(path: &Path) -> Self {
        Self { path: path.to_owned(), ..Self::default() }
    }

    /// Adds a key.
    ///
    /// # Errors
    ///
    /// The key is there already.
    pub fn insert(&mut self, key: impl Into<String>, value: GgufValue) -> Result<()> {
        self.insert_at(key.into(), value, None)
    }

    /// Adds a key whose value begins at `byte` of the file.
    pub(super) fn insert_at(&mut self, key: String, value: GgufValue, byte: Option<u64>) -> Result<()> {
        if self.places.contains_key(&key) {
            let name = format!("the key {}", shortened(&key));
            return Err(Error::Duplicate { path: self.path.clone(), name, also_in: None });
        }
        self.places.insert(key.clone(), self.entries.len());
        self.entries.push(Entry { key, value, byte });
        Ok(())
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&GgufValue> {
        self.places.get(key).map(|&at| &self.entries[at].value)
    }

    /// Keys and values in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &GgufValue)> {
        self.entries.iter().map(|entry| (entry.key.as_str(), &entry.value))
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// An integer that is not negative, of any width.
    ///
    /// # Errors
    ///
    /// The value is something else.
    pub fn u64(&self, key: &str) -> Result<Option<u64>> {
        self.typed(key, "an integer that is not negative", |value| match *value {
            GgufValue::U8(v) => Some(v.into()),
            GgufValue::U16(v) => Some(v.into()),
            GgufValue::U32(v) => Some(v.into()),
            GgufValue::U64(v) => Some(v),
            GgufValue::I8(v) => v.try_into().ok(),
            GgufValue::I16(v) => v.try_into().ok(),
            GgufValue::I32(v) => v.try_into().ok(),
            GgufValue::I64(v) => v.try_into().ok(),
            _ => None,
        })
    }

    /// A number with a fraction. A `float32` comes as the shortest decimal that stands for it: `1e-5`, not
    /// `9.999999747378752e-6`.
    ///
    /// # Errors
    ///
    /// The value is something else.
    pub fn f64(&self, key: &str) -> Result<Option<f64>> {
        self.typed(key, "a float", |value| match *value {
            GgufValue::F32(v) => Some(shortest(v)),
            GgufValue::F64(v) => Some(v),
            _ => None,
        })
    }

    /// A truth value.
    ///
    /// # Errors
    ///
    /// The value is something else.
    pub fn bool(&self, key: &str) -> Result<Option<bool>> {
        self.typed(key, "a bool", |value| match *value {
            GgufValue::Bool(v) => Some(v),
            _ => None,
        })
    }

    /// A text.
    ///
    /// # Errors
    ///
    /// The value is something else.
    pub fn str(&self, key: &str) -> Result<Option<&str>> {
        self.typed(key, "a string", |value| match value {
            GgufValue::String(v) => Some(v.as_str()),
            _ => None,
        })
    }

    /// An array of any type.
    ///
    /// # Errors
    ///
    /// The value is something else.
    pub fn array(&self, key: &str) -> Result<Option<&GgufArray>> {
        self.typed(key, "an array", |value| match value {
            GgufValue::Array(v) => Some(v),
            _ => None,
        })
    }

    /// An array of texts.
    ///
    /// # Errors
    ///
    /// The value is something else.
    pub fn strings(&self, key: &str) -> Result<Option<&[String]>> {
        self.typed(key, "an array of strings", |value| match value {
            GgufValue::Array(GgufArray::String(v)) => Some(v.as_slice()),
            _ => None,
        })
    }

    /// An array of `float32`.
    ///
    /// # Errors
    ///
    /// The value is something else.
    pub fn f32s(&self, key: &str) -> Result<Option<&[f32]>> {
        self.typed(key, "an array of float32", |value| match value {
            GgufValue::Array(GgufArray::F32(v)) => Some(v.as_slice()),
            _ => None,
        })
    }

    /// An array of `int32`.
    ///
    /// # Errors
    ///
    /// The value is something else.
    pub fn i32s(&self, key: &str) -> Result<Option<&[i32]>> {
        self.typed(key, "an array of int32", |value| match value {
            GgufValue::Array(GgufArray::I32(v)) => Some(v.as_slice()),
            _ => None,
        })
    }

    /// The value of a key is not what it should be, or is missing.
    pub(super) fn wrong(&self, key: &str, expected: &str, found: impl Into<String>) -> Error {
        let error = Error::format(&self.path, format!("{expected} under the key {}", shortened(key)), found);
        match self.places.get(key).and_then(|&at| self.entries[at].byte) {
            Some(byte) => error.at(byte),
            None => error,
        }
    }

    /// What a getter found, or an error for a key that is not there.
    pub(super) fn required<T>(&self, key: &str, found: Result<Option<T>>) -> Result<T> {
        found?.ok_or_else(|| self.wrong(key, "a value", "none"))
    }

    fn typed<'a, T>(
        &'a self,
        key: &str,
        expected: &str,
        read: impl Fn(&'a GgufValue) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        match read(value) {
            Some(typed) => Ok(Some(typed)),
            None => Err(self.wrong(key, expected, value.describe())),
        }
    }
}

impl GgufValue {
    /// The number that stands for the type in a file.
    pub(super) fn type_id(&self) -> u32 {
        match self {
            Self::U8(_) => 0,
            Self::I8(_) => 1,
            Self::U16(_) => 2,
            Self::I16(_) => 3,
            Self::U32(_) => 4,
            Self::I32(_) => 5,
            Self::F32(_) => 6,
            Self::Bool(_) => 7,
            Self::String(_) => 8,
            Self::Array(_) => 9,
            Self::U64(_) => 10,
            Self::I64(_) => 11,
            Self::F64(_) => 12,
        }
    }

    /// The value in few words, for errors.
    fn describe(&self) -> String {
        match self {
            Self::String(text) => format!("the string {:?}", shortened(text)),
            Self::Array(array) => format!("an array of {} {}", array.len(), array.type_name()),
            Self::Bool(value) => format!("the bool {value}"),
            Self::U8(v) => format!("the uint8 {v}"),
            Self::I8(v) => format!("the int8 {v}"),
            Self::U16(v) => format!("the uint16 {v}"),
            Self::I16(v) => format!("the int16 {v}"),
            Self::U32(v) => format!("the uint32 {v}"),
            Self::I32(v) => format!("the int32 {v}"),
            Self::F32(v) => format!("the float32 {v}"),
            Self::U64(v) => format!("the uint64 {v}"),
            Self::I64(v) => format!("the int64 {v}"),
            Self::F64(v) => format!("the float64 {v}"),
        }
    }
}

impl GgufArray {
    /// How many values there are.
    pub fn len(&self) -> usize {
        match self {
            Self::U8(v) => v.len(),
            Self::I8(v) => v.len(),
            Self::U16(v) => v.len(),
            Self::I16(v) => v.len(),
            Self::U32(v) => v.len(),
            Self::I32(v) => v.len(),
            Self::F32(v) => v.len(),
            Self::Bool(v) => v.len(),
            Self::String(v) => v.len(),
            Self::Array(v) => v.len(),
            Self::U64(v) => v.len(),
            Self::I64(v) => v.len(),
            Self::F64(v) => v.len(),
        }
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn type_id(&self) -> u32 {
        match self {
            Self::U8(_) => 0,
            Self::I8(_) => 1,
            Self::U16(_) => 2,
            Self::I16(_) => 3,
            Self::U32(_) => 4,
            Self::I32(_) => 5,
            Self::F32(_) => 6,
            Self::Bool(_) => 7,
            Self::String(_) => 8,
            Self::Array(_) => 9,
            Self::U64(_) => 10,
            Self::I64(_) => 11,
            Self::F64(_) => 12,
        }
    }

    fn type_name(&self) -> &'static str {
        const NAMES: [&str; 13] = [
            "uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "bool", "string", "array", "uint64",
            "int64", "float64",
        ];
        NAMES[self.type_id() as usize]
    }
}

/// The number whose shortest decimal is `value`'s.
fn shortest(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn getters_check_types() {
        let mut metadata = GgufMetadata::new();
        let values = [
            ("u", GgufValue::U8(7)),
            ("i", GgufValue::I64(-1)),
            ("f", GgufValue::F32(1e-5)),
            ("b", GgufValue::Bool(true)),
            ("s", GgufValue::String("x".into())),
            ("a", GgufValue::Array(GgufArray::String(vec!["y".into()]))),
        ];
        for (key, value) in values {
            metadata.insert(key, value).unwrap();
        }
        assert_eq!(metadata.u64("u").unwrap(), Some(7));
        assert_eq!(metadata.f64("f").unwrap(), Some(1e-5));
        assert_eq!(metadata.bool("b").unwrap(), Some(true));
        assert_eq!(metadata.str("s").unwrap(), Some("x"));
        assert_eq!(metadata.strings("a").unwrap(), Some(&["y".to_owned()][..]));
        assert_eq!(metadata.str("absent").unwrap(), None);
        let check = |error: Error, expected: &str| assert!(error.to_string().contains(expected), "{error}");
        check(
            metadata.u64("i").unwrap_err(),
            "expected an integer that is not negative under the key i, found the int64 -1",
        );
        check(metadata.u64("f").unwrap_err(), "found the float32 0.00001");
        check(
            metadata.strings("s").unwrap_err(),
            "expected an array of strings under the key s, found the string \"x\"",
        );
        check(
            metadata.f32s("a").unwrap_err(),
            "expected an array of float32 under the key a, found an array of 1 string",
        );
        check(metadata.insert("u", GgufValue::U8(1)).unwrap_err(), "expected each name once, found the key u twice");
    }
}
