//! What the settings of the three methods share.

use peft_core::{Error, Result};
use serde::{Deserialize, Deserializer};

/// `null`, which PEFT writes for an empty list, is one.
pub(crate) fn null_is_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

pub(crate) fn one() -> usize {
    1
}

/// Encoder-decoder models have a prompt for each half; there is none here.
pub(crate) fn check_submodules(found: usize) -> Result<()> {
    match found {
        1 => Ok(()),
        _ => Err(Error::config("num_transformer_submodules", found, "only 1 is supported: no encoder-decoder model")),
    }
}

/// The product of `sizes`, which a file declares.
pub(crate) fn product(field: &str, sizes: &[usize]) -> Result<usize> {
    let product = sizes.iter().try_fold(1usize, |all, size| all.checked_mul(*size));
    product.ok_or_else(|| Error::config(field, format!("{sizes:?}"), "the product of these is no size"))
}
