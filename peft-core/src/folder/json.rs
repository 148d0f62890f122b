//! How the fields of several methods' settings are written and read: `#[serde(deserialize_with = ..)]` and so on.

use serde::{Deserialize, Deserializer, Serializer};

/// `null` as the default, as PEFT writes what is not set.
///
/// # Errors
/// The deserializer's.
pub fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// 16.0 as 16: PEFT declares numbers such as `lora_alpha` integers.
///
/// # Errors
/// The serializer's.
pub fn integer_if_it_is_one<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        serializer.serialize_i64(*value as i64)
    } else {
        serializer.serialize_f64(*value)
    }
}
