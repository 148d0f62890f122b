//! Named tensors in the files that checkpoints are published in; nothing in them is ever executed.
