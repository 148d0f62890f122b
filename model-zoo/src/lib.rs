//! Genome and natural-language models on Burn that load published checkpoints.
