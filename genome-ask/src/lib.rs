//! Questions about annotated genomes, answered from the file and cited.

pub mod answer;
pub mod biology;
mod error;
mod execute;
pub mod index;
pub mod query;

pub use error::{Error, Result};
pub use answer::Answer;
pub use execute::RunLimits;
pub use index::{GenomeInfo, Index, IndexLimits, Source, Store};
pub use query::Query;
