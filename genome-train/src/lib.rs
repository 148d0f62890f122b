//! Tasks, batches, the training loop, metrics and reports.
