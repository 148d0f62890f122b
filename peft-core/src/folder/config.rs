//! `adapter_config.json`: lenient where a field is empty, strict where ignoring it would change the adapter.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{Error, Result};

/// The settings of a method, with PEFT's field names.
///
/// Write the smallest set of fields that PEFT reads back (skip those with their default): an older PEFT refuses
/// fields that it does not know. Do not refuse unknown fields in deserialising: they have been looked at by then.
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

/// The configuration as JSON, with the fields that PEFT wants in every one; in the order of its fields, since that of
/// patterns has a meaning.
pub(super) fn to_json<C: FolderConfig>(config: &C, base_model: Option<&str>, file: &Path) -> Result<Vec<u8>> {
    #[derive(Serialize)]
    struct Page<'a, C> {
        #[serde(flatten)]
        config: &'a C,
        peft_type: &'a str,
        base_model_name_or_path: Option<&'a str>,
        inference_mode: bool,
    }
    config.check()?;
    let page = Page { config, peft_type: C::PEFT_TYPE, base_model_name_or_path: base_model, inference_mode: true };
    let mut text = serde_json::to_vec_pretty(&page).map_err(|source| Error::Json { file: file.to_owned(), source })?;
    text.push(b'\n');
    Ok(text)
}

/// The configuration in `text`, read from `file`, of which `map` are the fields.
pub(super) fn from_json<C: FolderConfig>(map: &Map<String, Value>, text: &[u8], file: &Path) -> Result<C> {
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
    for (field, value) in map {
        let field_is_in = |names: &[&str]| names.contains(&field.as_str());
        if !field_is_in(C::FIELDS) && !field_is_in(INFORMATIVE) && !field_is_in(C::HARMLESS) && !is_empty(value) {
            let (file, near) = (file.to_owned(), nearest(field, C::FIELDS));
            return Err(Error::UnknownField { file, field: field.clone(), value: value.to_string(), near });
        }
    }
    // From the text, not from `map`, which has lost the order of the patterns.
    let config: C = serde_json::from_slice(text).map_err(|source| Error::Json { file: file.to_owned(), source })?;
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

/// The field that `typo` looks like, if any does.
fn nearest(typo: &str, fields: &[&'static str]) -> Option<&'static str> {
    let near = |field: &&'static str| strsim::jaro_winkler(typo, field);
    let best = fields.iter().copied().max_by(|a, b| near(a).total_cmp(&near(b)))?;
    (near(&best) > 0.9).then_some(best)
}
