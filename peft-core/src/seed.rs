//! One number for a run, one stream of random numbers for every parameter.

use sha2::{Digest, Sha256};

/// The seed of whatever is drawn for `path`, from the run's one seed: SHA-256 of both.
///
/// Each layer has a stream of its own, so a start value depends neither on the order of the layers, nor on
/// which other layers are adapted, nor on threads or devices. 32 bytes are what ChaCha is seeded with.
///
/// ```
/// let a = peft_core::site_seed(7, "layer.0.query");
/// assert_eq!(a, peft_core::site_seed(7, "layer.0.query"));
/// assert_ne!(a, peft_core::site_seed(7, "layer.1.query"));
/// assert_ne!(a, peft_core::site_seed(8, "layer.0.query"));
/// ```
pub fn site_seed(seed: u64, path: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    hash.update(path.as_bytes());
    hash.finalize().into()
}
