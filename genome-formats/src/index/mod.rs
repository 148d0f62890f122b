//! Indexes: finding a region without reading the file.

pub(crate) mod gzi;
