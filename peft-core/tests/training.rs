//! Training adapters on a frozen base.

mod common;

use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::{Device, Tensor};
use common::*;
use peft_core::Hooks;

fn loss(base: &Toy, hooks: &dyn Hooks, x: Tensor<2>) -> Tensor<1> {
    let y = base.forward(x, hooks); // [rows, D_OUT]
    (y - 0.5).powi_scalar(2).mean()
}

#[test]
fn only_adapters_get_gradients_and_the_base_stays_bit_equal() {
    let plain = Device::default();
    let base = Toy::new(&plain); // the base never sees autodiff
    let before = base.bits();
    let mut adapters = scales(&base, 1, &plain.clone().autodiff());
    let start = adapters.clone();
    let x = inputs(8, 2, &plain);
    let mut optimizer = AdamWConfig::new().init();
    let mut losses = Vec::new();
    for _ in 0..3 {
        let loss = loss(&base, &adapters.bind(&base).unwrap(), x.clone());
        losses.push(loss.clone().into_scalar::<f32>());
        let mut gradients = loss.backward();
        assert!(GradientsParams::from_module(&mut gradients, &base).is_empty());
        let gradients = GradientsParams::from_grads(gradients, &adapters);
        assert_eq!(gradients.len(), adapters.len());
        adapters = optimizer.step(0.05, adapters, gradients);
    }
    assert_eq!(base.bits(), before);
    assert!(losses[2] < losses[0], "{losses:?}");
    for ((path, now), (_, then)) in adapters.iter().zip(start.iter()) {
        assert!(largest(now.s.val(), then.s.val()) > 1e-3, "{path} did not move");
    }
}

#[test]
fn evaluation_needs_no_autodiff() {
    let device = Device::default();
    let base = Toy::new(&device);
    let adapters = scales(&base, 1, &device.clone().autodiff());
    let x = inputs(3, 2, &device);
    let training = base.forward(x.clone(), &adapters.bind(&base).unwrap());
    assert!(training.is_autodiff());
    let valid = adapters.valid();
    let evaluated = base.forward(x, &valid.bind(&base).unwrap());
    assert!(!evaluated.is_autodiff());
    assert_eq!(training.to_data(), evaluated.to_data());
    assert!(valid.train().iter().all(|(_, a)| a.s.is_require_grad()));
}

#[test]
fn a_base_on_autodiff_that_is_frozen_gets_no_gradients_either() {
    let device = Device::default().autodiff();
    let base = Toy::new(&device).no_grad();
    let adapters = denses(&base, 1, &device);
    let mut gradients = loss(&base, &adapters.bind(&base).unwrap(), inputs(4, 1, &device)).backward();
    assert!(GradientsParams::from_module(&mut gradients, &base).is_empty());
    assert_eq!(GradientsParams::from_module(&mut gradients, &adapters).len(), 2);
}
