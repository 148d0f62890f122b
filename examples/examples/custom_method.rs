//! How do I add a method of my own? With peft-core alone: no model knows of it, and it knows no model.
//!
//! The method: y ↦ y·(1 + s), one number for each output of a layer; s = 0 at the start.
//! `cargo run --release -p examples --example custom_method`

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::{Device, Tensor};
use examples::{Toy, number};
use model_zoo::heads::Head;
use peft_core::{Adapters, LinearAdapter, Method, Plain, Result, Site, Targets};

/// The adapter of one layer.
#[derive(Module, Debug)]
struct Gain {
    s: Param<Tensor<1>>, // [d_out]
}

impl LinearAdapter for Gain {
    fn after(&self, _layer: &Linear, _x: &Tensor<3>, y: Tensor<3>) -> Tensor<3> {
        y.clone() + y * self.s.val().reshape([1, 1, -1]) // [batch, seq, d_out]
    }

    fn delta_weight(&self) -> Option<Tensor<2>> {
        None // what it adds depends on the weight
    }

    fn merged_weight(&self, w: Tensor<2>) -> Result<Tensor<2>> {
        Ok(w * (self.s.val() + 1.0).reshape([1, -1])) // [d_in, d_out]
    }

    fn merged_bias(&self, b: Tensor<1>) -> Result<Tensor<1>> {
        Ok(b * (self.s.val() + 1.0)) // [d_out]
    }
}

/// The method's settings: it has none.
struct Gains;

impl Method for Gains {
    type Adapter = Gain;

    fn adapter_type(&self) -> &'static str {
        "GAIN"
    }

    fn init(&self, site: &Site, _seed: [u8; 32], device: &Device) -> Result<Gain> {
        Ok(Gain { s: Param::from_tensor(Tensor::zeros([site.d_out()], device)) })
    }
}

/// What is trained.
#[derive(Module, Debug)]
struct Trainable {
    adapters: Adapters<Gain>,
    head: Head,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let toy = Toy::new();
    let device = Device::default().autodiff();
    let adapters = Adapters::attach(&toy.base, &Targets::AllLinear.into(), &Gains, 7, &device)?;
    println!("{} layers, trained: {}, frozen: {}", adapters.len(), adapters.num_params(), toy.base.num_params());

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

    let model = model.valid();
    let hooked = toy.scores(&toy.base, &model.head, &model.adapters.bind(&toy.base)?);
    let (merged, _) = model.adapters.merge(toy.base.clone())?;
    let plain = toy.scores(&merged, &model.head, &Plain);
    println!("merged: scores differ by less than 1e-4: {}", number((hooked - plain).abs().max()) < 1e-4);
    Ok(())
}
