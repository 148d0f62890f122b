//! Short programs that compose the crates.
