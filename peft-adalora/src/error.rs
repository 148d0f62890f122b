//! What can go wrong, one variant per cause.

use crate::Schedule;

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that training with a rank allocator can report. Attaching, loading and merging report
/// [`peft_core::Error`], as for every method.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What peft-core says.
    #[error(transparent)]
    Peft(#[from] peft_core::Error),
    /// A run that is too short to be given a schedule at all.
    #[error("a run of {total_step} steps is too short: {needed} are needed for {least} allocations")]
    TooShort {
        /// The steps of the run.
        total_step: usize,
        /// The fewest that are enough.
        needed: usize,
        /// The fewest allocations that are accepted.
        least: usize,
    },
    /// A schedule under which the allocator would hardly ever act.
    #[error(
        "the rank allocator would fire {firings} times in {} steps (tinit {}, tfinal {}, deltaT {}), at least {least} \
         are needed: lower tinit, tfinal or deltaT, or take Schedule::for_steps({})",
        schedule.total_step, schedule.tinit, schedule.tfinal, schedule.delta_t, schedule.total_step
    )]
    TooFewAllocations {
        /// The schedule.
        schedule: Schedule,
        /// How often it would fire.
        firings: usize,
        /// The fewest that are accepted.
        least: usize,
    },
    /// A schedule whose last allocation, at step total_step - tfinal, comes after the last step.
    #[error(
        "tfinal = 0: the final allocation would be at step {total_step} of a run whose last step is {}",
        total_step.saturating_sub(1)
    )]
    NoFinalPhase {
        /// The steps of the run.
        total_step: usize,
    },
    /// A target rank above the initial one.
    #[error("the budget would grow from {initial} to {target} triplets: target_r must not exceed init_r")]
    BudgetGrows {
        /// Triplets at the start.
        initial: usize,
        /// Triplets at the end.
        target: usize,
    },
    /// Adapters to allocate ranks in that do not have the configuration's init_r, for instance pruned ones.
    #[error(
        "{path}: rank {found}, but init_r is {expected}; an adapter that was pruned is trained without an allocator"
    )]
    OtherRank {
        /// The layer.
        path: String,
        /// `init_r`.
        expected: usize,
        /// The adapter's rank.
        found: usize,
    },
    /// No adapter to allocate ranks in.
    #[error("there is no adapter to allocate ranks in")]
    NoAdapters,
    /// A module in which an adapter of the allocator is not found.
    #[error("{path}.{parameter}: not among the parameters of the module that was stepped")]
    MissingAdapter {
        /// The layer.
        path: String,
        /// `lora_A`, `lora_B` or `lora_E`.
        parameter: &'static str,
    },
    /// Gradients in which there is none for any singular value.
    #[error("no lora_E has a gradient at step {step}: these are not the gradients of a loss that the adapters are in")]
    NoGradients {
        /// The step.
        step: usize,
    },
    /// An importance score that is NaN or infinite.
    #[error("{path}: the score of triplet {index} is {value} at step {step}: the training has diverged")]
    NotFinite {
        /// The layer.
        path: String,
        /// The triplet.
        index: usize,
        /// Its score.
        value: f32,
        /// The step.
        step: usize,
    },
    /// A [`crate::MaskToBudget`] whose decision does not have one fate for each triplet.
    #[error("{path}: the allocation names {found} triplets, the adapter has {expected}")]
    Decision {
        /// The layer, or `all` if the number of layers is wrong.
        path: String,
        /// Triplets (or layers) there are.
        expected: usize,
        /// Triplets (or layers) in the decision.
        found: usize,
    },
    /// A saved allocator state that is damaged or belongs to another run.
    #[error("the allocator's state: {reason}")]
    State {
        /// What is wrong.
        reason: String,
    },
    /// A rank pattern that is asked for before the final allocation.
    #[error("the final ranks are decided at step {last}, the run is at step {step}")]
    NotFinal {
        /// Steps made so far.
        step: usize,
        /// The step of the final allocation.
        last: usize,
    },
    /// Adapters in which a triplet that the final allocation dropped has an effect: they are of an earlier step.
    #[error(
        "{path}: triplet {triplet}, which was dropped, has lora_E {lambda} here: these adapters are not those of the \
         last step; save them with prune_zeros, or unpruned"
    )]
    NotMasked {
        /// The layer.
        path: String,
        /// The triplet.
        triplet: usize,
        /// Its singular value.
        lambda: f32,
    },
}
