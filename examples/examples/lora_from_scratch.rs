//! How do I train LoRA on a model, and how do I get a plain model back?
//!
//! `cargo run --release -p examples --example lora_from_scratch`

use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::Device;
use examples::{Toy, number};
use model_zoo::heads::Head;
use peft_core::{Adapters, Plain};
use peft_lora::{LoraConfig, LoraLinear};

/// What is trained. The base is not part of it, so the optimizer never sees it.
#[derive(Module, Debug)]
struct Trainable {
    adapters: Adapters<LoraLinear>,
    head: Head,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let toy = Toy::new();

    // 1. Attach: adapters on every layer called Wqkv or wo. Only they and the head are on the autodiff device.
    let device = Device::default().autodiff();
    let lora = LoraConfig { r: 4, lora_alpha: 8.0, ..LoraConfig::new(["Wqkv", "wo"]) };
    let adapters = Adapters::attach(&toy.base, &lora.selection(["classifier"]), &lora, 7, &device)?;
    println!("{} adapters:", adapters.len());
    for (path, adapter) in adapters.iter() {
        println!("  {path}: rank {}, {} weights", adapter.rank(), adapter.num_params());
    }
    println!("trained: {}, frozen: {}", adapters.num_params(), toy.base.num_params());

    // 2. Train.
    let mut model = Trainable { adapters, head: toy.head(&device) };
    let mut adamw = AdamWConfig::new().init();
    for step in 0..=50 {
        let scores = toy.scores(&toy.base, &model.head, &model.adapters.bind(&toy.base)?);
        let loss = toy.loss(scores.clone());
        if step % 10 == 0 {
            println!("step {step:>2}: loss {:.4}, {} of 32 right", number(loss.clone()), toy.hits(scores));
        }
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = adamw.step(3e-3, model, gradients);
    }

    // 3. Merge: a plain model that says the same without hooks.
    let model = model.valid();
    let hooked = toy.scores(&toy.base, &model.head, &model.adapters.bind(&toy.base)?);
    let (merged, report) = model.adapters.merge(toy.base.clone())?;
    let plain = toy.scores(&merged, &model.head, &Plain);
    println!("merged: weights moved by at most {:.3}", report.largest_change());
    println!("drift of the weights below 1e-6: {}", report.largest_drift() < 1e-6);
    println!("scores differ by less than 1e-4: {}", number((hooked - plain).abs().max()) < 1e-4);
    Ok(())
}
