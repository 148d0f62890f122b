//! Questions about annotated genomes, answered from the file and cited.

mod error;
pub mod query;

pub use error::{Error, Result};
pub use query::Query;
