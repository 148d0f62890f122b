//! LoRA: low-rank adapters computed at factored cost.
