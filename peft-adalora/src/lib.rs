//! AdaLoRA on Burn: SVD-form adapters and the rank allocator.
