//! `adapter_config.json`: lenient where a field is empty, strict where ignoring it would change the adapter.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{Error, Result};

/// The settings of a method, with PEFT's field names.
///
/// Write the smallest set of fields that PEFT reads back (skip those with their default): an older PEFT refuses
/// fields that it does not know.
pub trait FolderConfig: Serialize + DeserializeOwned {
    /// PEFT's `peft_type`.
    const PEFT_TYPE: &'static str;

    /// The fields that are read.
    const FIELDS: &'static [&'static str];

    /// Fields of PEFT that may have any value, since they mean something only beside another field, which is
    /// refused.
    const HARMLESS: &'static [&'static str] = &[];

    /// Checks what serde cannot.
    ///
    /// # Errors
    /// [`Error::Config`].
    fn check(&self) -> Result<()>;
}

/// Fields of every PEFT configuration that say nothing about the adapter's function.
const INFORMATIVE: &[&str] =
    &["auto_mapping", "base_model_name_or_path", "inference_mode", "peft_type", "peft_version", "revision"];

/// The configuration as JSON, with the fields that PEFT wants in every one.
pub(super) fn to_json<C: FolderConfig>(
    config: &C,
    base_model: Option<&str>,
    file: &Path,
) -> Result<Map<String, Value>> {
    config.check()?;
    let json = |source| Error::Json { file: file.to_owned(), source };
    let mut map = match serde_json::to_value(config).map_err(json)? {
        Value::Object(map) => map,
        other => return Err(Error::config("config", other, "a configuration is written as a JSON object")),
    };
    map.insert("peft_type".into(), C::PEFT_TYPE.into());
    map.insert("base_model_name_or_path".into(), base_model.into());
    map.insert("inference_mode".into(), true.into());
    Ok(map)
}

/// The configuration in `map`, read from `file`.
pub(super) fn from_json<C: FolderConfig>(map: &Map<String, Value>, file: &Path) -> Result<C> {
    match map.get("peft_type").and_then(Value::as_str) {
        Some(found) if found == C::PEFT_TYPE => {}
        found => {
            return Err(Error::OtherMethod {
                file: file.to_owned(),
                expected: C::PEFT_TYPE.to_owned(),
                found: found.unwrap_or_default().to_owned(),
            });
        }
    }
    let mut known = Map::new();
    for (field, value) in map {
        let field_is_in = |names: &[&str]| names.contains(&field.as_str());
        if field_is_in(C::FIELDS) {
            known.insert(field.clone(), value.clone());
        } else if !field_is_in(INFORMATIVE) && !field_is_in(C::HARMLESS) && !is_empty(value) {
            return Err(Error::UnknownField { file: file.to_owned(), field: field.clone(), value: value.to_string() });
        }
    }
    let config: C =
        serde_json::from_value(Value::Object(known)).map_err(|source| Error::Json { file: file.to_owned(), source })?;
    config.check()?;
    Ok(config)
}

/// True for what PEFT writes where a feature is off: null, false, "", [], {}.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) | Value::Number(_) => false,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}
