//! Settings for some layers: PEFT's `rank_pattern` and `alpha_pattern`.

use std::fmt;
use std::marker::PhantomData;

use peft_core::{Error, Result};
use regex::Regex;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Values for some layers, by regular expressions for the end of a path, behind a dot: PEFT's rule is
/// `(.*\.)?(pattern)$` from the path's start, and the first pattern that matches counts. So the order is kept.
///
/// ```
/// use peft_lora::Patterns;
/// let ranks: Patterns<usize> = serde_json::from_str(r#"{"layer.0.query": 16, "query|value": 2}"#)?;
/// assert_eq!(ranks.at("encoder.layer.0.query")?, Some(16));
/// assert_eq!(ranks.at("encoder.layer.1.query")?, Some(2));
/// assert_eq!(ranks.at("encoder.layer.1.subquery")?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Patterns<T>(Vec<(String, T)>);

impl<T> Default for Patterns<T> {
    fn default() -> Self {
        Patterns(Vec::new())
    }
}

impl<T: Copy> Patterns<T> {
    /// The value of the first pattern that means the layer at `path`.
    ///
    /// # Errors
    /// [`Error::BadRegex`].
    pub fn at(&self, path: &str) -> Result<Option<T>> {
        for (pattern, value) in &self.0 {
            let regex = Regex::new(&format!(r"^(?:.*\.)?(?:{pattern})$"))
                .map_err(|e| Error::BadRegex { pattern: pattern.clone(), source: Box::new(e) })?;
            if regex.is_match(path) {
                return Ok(Some(*value));
            }
        }
        Ok(None)
    }
}

impl<T> Patterns<T> {
    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The patterns and their values, in the order in which they count.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.0.iter().map(|(pattern, value)| (pattern.as_str(), value))
    }
}

impl<S: Into<String>, T> FromIterator<(S, T)> for Patterns<T> {
    fn from_iter<I: IntoIterator<Item = (S, T)>>(iter: I) -> Self {
        Patterns(iter.into_iter().map(|(pattern, value)| (pattern.into(), value)).collect())
    }
}

impl<S: Into<String>, T, const N: usize> From<[(S, T); N]> for Patterns<T> {
    fn from(patterns: [(S, T); N]) -> Self {
        patterns.into_iter().collect()
    }
}

impl<T: Serialize> Serialize for Patterns<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Patterns<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> de::Visitor<'de> for InOrder<T> {
            type Value = Patterns<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of patterns and their values, or null")
            }
            fn visit_unit<E: de::Error>(self) -> Result<Patterns<T>, E> {
                Ok(Patterns::default())
            }
            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Patterns<T>, A::Error> {
                let mut patterns = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    patterns.push(entry);
                }
                Ok(Patterns(patterns))
            }
        }
        deserializer.deserialize_any(InOrder(PhantomData))
    }
}
