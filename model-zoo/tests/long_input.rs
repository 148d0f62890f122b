//! Memory of a forward pass over 10,000 tokens, in a process of its own.

#![cfg(target_os = "linux")]

mod common;

use burn::tensor::Device;
use model_zoo::dnabert2::{Dnabert2Config, Parts};
use model_zoo::{Pass, TokenBatch, seed};

/// The greatest memory that this process had, in MiB.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() / 1024
}

#[test]
fn ten_thousand_tokens_need_bounded_memory() {
    let config = Dnabert2Config {
        vocab_size: 16,
        hidden_size: 24,
        num_hidden_layers: 2,
        num_attention_heads: 12,
        intermediate_size: 24,
        ..Default::default()
    };
    let device = Device::default();
    let model = seed::initialise(config.init(Parts { mlm_head: false, pooler: false }, &device), 1, 0.02);
    let row: Vec<u32> = (0..10_000).map(|i| 5 + (i * i % 11) as u32).collect();
    let batch = TokenBatch::from_rows(&[row], 0, &device);
    let before = peak();
    let h = model.forward(&batch, &mut Pass::new());
    assert!(common::values(h).iter().all(|v| v.is_finite()));
    let grown = peak() - before;
    // All scores of one layer at once would be 12·10,000²·4 bytes = 4578 MiB.
    println!("peak memory grew by {grown} MiB");
    assert!(grown < 256, "{grown} MiB");
}
