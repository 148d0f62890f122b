//! The seam between models and parameter-efficient fine-tuning methods, and the adapter folder.

mod hooks;

pub use hooks::{Hooks, Plain, linear};
