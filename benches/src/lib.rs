//! What the benches time: training steps and forward passes on named shapes, from one seed.
//!
//! | file | idea |
//! |---|---|
//! | `shape` | [`Shape`]: a model, a batch, and the layers that LoRA adapts |
//! | `steps` | [`Contender`]: one training step, in four ways |
//! | `predict` | forward passes: one batch, batches of mixed lengths, one token after another |
//! | `measure` | rounds in turn, medians, peak memory |

mod adapters;
mod measure;
mod predict;
mod shape;
mod steps;

pub use adapters::Residents;
pub use measure::{is_smoke_test, median, own_peak_mib, own_resident_mib, printed_by, seconds_in_turn};
pub use predict::{
    Batching, assert_batching_changes_nothing, assert_decodes, assert_rows_are_independent, decode, forward,
    forward_in_batches,
};
pub use shape::{Lengths, Shape};
pub use steps::{Contender, assert_equal_at_start, assert_learns};
