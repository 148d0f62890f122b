//! Biology that no table of a file holds.

pub mod enzymes;
pub mod protein;
