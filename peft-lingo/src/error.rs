//! What can go wrong, one variant per cause.

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that this crate can report. Folders and configurations report [`peft_core::Error`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What peft-core says: about folders, tensors and settings.
    #[error(transparent)]
    Peft(#[from] peft_core::Error),
    /// What peft-adalora says: above all, about schedules under which the allocator would hardly fire.
    #[error(transparent)]
    AdaLora(#[from] peft_adalora::Error),
    /// Virtual tokens that are to start from rows of the vocabulary, without what that needs.
    #[error("prompt_tuning_init = {init}: {reason}")]
    Start {
        /// The start, in PEFT's word.
        init: &'static str,
        /// What is missing or does not fit.
        reason: String,
    },
}
