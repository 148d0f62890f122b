//! What every fuzz target holds of a format, and the seeds that it starts from.

mod checks;

pub use checks::{FORMATS, check, seeds};
