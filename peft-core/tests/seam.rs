//! A model that knows no method and methods that know no model, through the seam.

mod common;

use burn::module::{Module, ModuleVisitor, Param, Quantizer};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::quantization::{Calibration, QuantValue};
use burn::tensor::{DType, Device, Tensor};
use common::*;
use peft_core::{Adapters, Error, Hooks, LinearAdapter, Plain, Selection, Targets, linear, sites};
use proptest::prelude::*;

#[test]
fn sites_are_the_linear_layers_under_their_published_paths() {
    let found = sites(&Toy::new(&Device::default()));
    let paths: Vec<_> = found.iter().map(|s| (s.path.as_str(), s.shape)).collect();
    assert_eq!(paths, [("self.up", [D_IN, D_MID]), ("self.down", [D_MID, D_OUT])]);
}

#[test]
fn attaching_is_repeatable_and_independent_of_the_other_layers() {
    let device = Device::default();
    let base = Toy::new(&device);
    let all = denses(&base, 3, &device);
    let down = Selection::from(Targets::suffixes(["down"]));
    let one = Adapters::attach(&base, &down, &DenseMethod { mergeable: true }, 3, &device).unwrap();
    let values = |a: &Adapters<Dense>| a.get("self.down").unwrap().d.val().to_data();
    assert_eq!(one.len(), 1);
    assert_eq!(values(&all), values(&one));
    assert_ne!(values(&all), values(&denses(&base, 4, &device)));
}

#[test]
fn a_typo_in_the_targets_is_an_error_with_near_names() {
    let device = Device::default();
    let typo = Selection::from(Targets::suffixes(["up", "dwon"]));
    let error = Adapters::attach(&Toy::new(&device), &typo, &ScaleMethod::everywhere(), 0, &device).unwrap_err();
    assert_eq!(error.to_string(), "target \"dwon\" matches no linear layer of the model; near it: down, up");
}

/// What the seam computes, computed slowly: no hooks, no reshaping, the formulas of the toys.
fn slow(layer: &Linear, x: Tensor<2>, scale: Option<&Scale>, dense: Option<&Dense>) -> Tensor<2> {
    let mut y = x.clone().matmul(layer.weight.val()); // [rows, d_out]
    if let Some(bias) = &layer.bias {
        y = y + bias.val().unsqueeze();
    }
    if let Some(scale) = scale {
        y = y * scale.s.val().unsqueeze();
    }
    if let Some(dense) = dense {
        y = y + x.matmul(dense.d.val());
    }
    y
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn inputs_of_rank_2_3_and_4_are_one_case(a in 1usize..4, b in 1usize..4, c in 1usize..4, seed: u64) {
        let device = Device::default();
        let base = Toy::new(&device);
        let (scales, denses) = (scales(&base, seed, &device), denses(&base, seed, &device));
        let (scale, dense) = (scales.bind(&base).unwrap(), denses.bind(&base).unwrap());
        let layer = &base.self_.up;
        let x = inputs(a * b * c, seed, &device); // [a·b·c, D_IN]
        for (hooks, expected) in [
            (&Plain as &dyn Hooks, slow(layer, x.clone(), None, None)),
            (&scale, slow(layer, x.clone(), scale.adapter(layer), None)),
            // Both on one site: the base is evaluated once, the first set of hooks is closest to it.
            (&[&scale as &dyn Hooks, &dense], slow(layer, x.clone(), scale.adapter(layer), dense.adapter(layer))),
        ] {
            let two = linear(hooks, layer, x.clone());
            let three = linear(hooks, layer, x.clone().reshape([a, b * c, D_IN]));
            let four = linear(hooks, layer, x.clone().reshape([a, b, c, D_IN]));
            prop_assert_eq!(three.dims(), [a, b * c, D_MID]);
            prop_assert_eq!(four.dims(), [a, b, c, D_MID]);
            prop_assert!(largest(two.clone(), expected) < 1e-5);
            prop_assert_eq!(two.to_data(), three.reshape([-1, D_MID as i32]).to_data());
            prop_assert_eq!(two.to_data(), four.reshape([-1, D_MID as i32]).to_data());
        }
    }

    #[test]
    fn merged_is_hooked(rows in 1usize..6, seed: u64) {
        let device = Device::default();
        let base = Toy::new(&device);
        let x = inputs(rows, seed, &device);

        let scales = scales(&base, seed, &device);
        let hooked = base.forward(x.clone(), &scales.bind(&base).unwrap());
        let (merged, report) = scales.merge(base.clone()).unwrap();
        prop_assert!(largest(hooked, merged.forward(x.clone(), &Plain)) < 1e-5);
        prop_assert_eq!(report.sites.iter().map(|s| s.drift).collect::<Vec<_>>(), [None, None]);
        prop_assert!(report.largest_output_drift() < 1e-5);

        let denses = denses(&base, seed, &device);
        let hooked = base.forward(x.clone(), &denses.bind(&base).unwrap());
        let (merged, report) = denses.merge(base.clone()).unwrap();
        prop_assert!(largest(hooked, merged.forward(x, &Plain)) < 1e-5);
        prop_assert!(report.largest_drift() < 1e-6, "{:?}", report);
        prop_assert!((report.largest_change() - denses.iter().map(|(_, a)| largest(a.d.val(), a.d.val().zeros_like()))
            .fold(0.0, f32::max)).abs() < 1e-6);
    }
}

#[test]
fn binding_names_every_missing_layer_and_checks_shapes() {
    let device = Device::default();
    let base = Toy::new(&device);
    let adapters = scales(&base, 0, &device);
    match adapters.bind(&LinearConfig::new(2, 2).init(&device)) {
        Err(Error::MissingSites { paths }) => assert_eq!(paths, ["self.up", "self.down"]),
        other => panic!("{other:?}"),
    }
    let mut wider = base;
    wider.self_.down = LinearConfig::new(D_MID, 7).init(&device);
    match adapters.bind(&wider) {
        Err(e @ Error::SiteShape { .. }) => assert!(e.is_mismatch() && e.to_string().contains("self.down")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn layers_without_adapter_are_skipped() {
    let device = Device::default();
    let base = Toy::new(&device);
    let up = Selection::from(Targets::suffixes(["up"]));
    let adapters = Adapters::attach(&base, &up, &ScaleMethod::everywhere(), 0, &device).unwrap();
    let bound = adapters.bind(&base).unwrap();
    assert!(!bound.skips(&base.self_.up) && bound.skips(&base.self_.down));
    let none: Vec<&dyn Hooks> = Vec::new();
    assert!(none.skips(&base.self_.up));
}

/// Two layers with one weight, but each with its own bias.
#[derive(Module, Debug)]
struct Tied {
    first: Linear,
    second: Linear,
}

impl Tied {
    fn new(device: &Device) -> Self {
        let first = LinearConfig::new(D_IN, D_IN).init(device);
        let mut second = LinearConfig::new(D_IN, D_IN).init(device);
        second.weight = first.weight.clone();
        Tied { first, second }
    }

    fn forward(&self, x: Tensor<2>, hooks: &dyn Hooks) -> Tensor<2> {
        linear(hooks, &self.second, linear(hooks, &self.first, x).tanh())
    }
}

#[test]
fn a_tied_weight_has_one_adapter_and_is_merged_once() {
    let device = Device::default();
    let base = Tied::new(&device);
    let x = inputs(5, 1, &device);
    let dense = Adapters::attach(&base, &everywhere(), &DenseMethod { mergeable: true }, 1, &device).unwrap();
    assert_eq!(dense.iter().map(|(path, _)| path).collect::<Vec<_>>(), ["first"]);
    let bound = dense.bind(&base).unwrap();
    assert!(!bound.skips(&base.second)); // the weight is adapted wherever it is used

    let hooked = base.forward(x.clone(), &bound);
    let once = base.first.weight.val() + dense.get("first").unwrap().d.val();
    let (merged, report) = dense.merge(base.clone()).unwrap();
    assert_eq!(report.sites.len(), 1);
    assert_eq!(merged.first.weight.val().to_data(), once.to_data());
    assert_eq!(merged.second.weight.val().to_data(), once.to_data());
    assert_eq!(merged.first.weight.id, merged.second.weight.id);
    assert!(largest(hooked, merged.forward(x.clone(), &Plain)) < 1e-5);

    // A method that changes biases changes each of the two once.
    let scale = Adapters::attach(&base, &everywhere(), &ScaleMethod::everywhere(), 1, &device).unwrap();
    let hooked = base.forward(x.clone(), &scale.bind(&base).unwrap());
    let (merged, _) = scale.merge(base).unwrap();
    assert!(largest(hooked, merged.forward(x, &Plain)) < 1e-5);
}

#[test]
fn two_adapters_on_one_tied_weight_are_refused() {
    let device = Device::default();
    let mut untied = Tied::new(&device);
    untied.second = LinearConfig::new(D_IN, D_IN).init(&device);
    let adapters = Adapters::attach(&untied, &everywhere(), &ScaleMethod::everywhere(), 0, &device).unwrap();
    assert_eq!(adapters.len(), 2);
    match adapters.bind(&Tied::new(&device)) {
        Err(Error::TiedSites { first, second }) => assert_eq!((first.as_str(), second.as_str()), ("first", "second")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_cloned_layer_with_other_values_is_not_mistaken_for_a_tied_one() {
    let device = Device::default();
    let mut cloned = Tied::new(&device);
    cloned.second.weight = cloned.second.weight.map(|w| w + 1.0); // keeps the id
    match Adapters::attach(&cloned, &everywhere(), &ScaleMethod::everywhere(), 0, &device) {
        Err(Error::SharedId { first, second }) => assert_eq!((first.as_str(), second.as_str()), ("first", "second")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_cannot_be_merged_says_so() {
    let device = Device::default();
    let base = Toy::new(&device);
    let dense = Adapters::attach(&base, &everywhere(), &DenseMethod { mergeable: false }, 0, &device).unwrap();
    assert_eq!(
        dense.merge(base.clone()).unwrap_err().to_string(),
        "self.up: cannot be merged: the method has no merged form"
    );

    // A weight that an embedding shares would come apart.
    let mut tied = base;
    tied.self_.up = LinearConfig::new(D_IN, 5).init(&device);
    tied.embed.weight = tied.self_.up.weight.clone();
    let up = Selection::from(Targets::suffixes(["up"]));
    let scales = Adapters::attach(&tied, &up, &ScaleMethod::everywhere(), 0, &device).unwrap();
    match scales.merge(tied) {
        Err(Error::NotMergeable { path, .. }) => assert_eq!(path, "embed.weight"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_quantised_base_is_adapted_but_not_merged() {
    let device = Device::default();
    let base = Tied { first: LinearConfig::new(32, 32).init(&device), second: LinearConfig::new(32, 32).init(&device) };
    let scheme = device.settings().quantization.scheme.with_value(QuantValue::Q8S);
    let base = base.quantize_weights(&mut Quantizer::new(Calibration::MinMax, scheme));
    let scales = Adapters::attach(&base, &everywhere(), &ScaleMethod::everywhere(), 0, &device).unwrap();
    let x: Tensor<2> = Tensor::ones([2, 32], &device);
    let plain = linear(&Plain, &base.first, x.clone());
    let hooked = linear(&scales.bind(&base).unwrap(), &base.first, x);
    assert!(largest(plain * scales.get("first").unwrap().s.val().unsqueeze(), hooked) < 1e-4);
    assert!(matches!(scales.merge(base), Err(Error::NotMergeable { reason, .. }) if reason.contains("quantised")));
}

#[test]
fn merging_keeps_precision_ids_and_gradient_settings() {
    let device = Device::default().autodiff();
    let mut base = Toy::new(&device);
    base.self_.down = base.self_.down.no_grad();
    let adapters = denses(&base, 5, &device);
    let (merged, _) = adapters.merge(base.clone()).unwrap();
    assert_eq!(merged.self_.up.weight.id, base.self_.up.weight.id);
    assert!(merged.self_.up.weight.is_require_grad() && !merged.self_.down.weight.is_require_grad());
    assert!(merged.self_.down.weight.is_autodiff());

    let plain = Device::default();
    let mut half = Toy::new(&plain);
    half.self_.up.weight = half.self_.up.weight.map(|w| w.cast(DType::F16));
    let up = Selection::from(Targets::suffixes(["up"]));
    let adapters = Adapters::attach(&half, &up, &DenseMethod { mergeable: true }, 5, &plain).unwrap();
    let (merged, report) = adapters.merge(half).unwrap();
    assert_eq!(merged.self_.up.weight.val().dtype(), DType::F16);
    let drift = report.largest_drift();
    assert!(drift > 1e-6 && drift < 1e-3, "{drift}"); // half precision keeps 11 bits
}

#[test]
fn records_are_named_after_the_layers() {
    #[derive(Default)]
    struct Names(Vec<String>, Vec<String>);
    impl ModuleVisitor for Names {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.0.push(name.into());
        }
        fn exit_module(&mut self, name: &str, _: &str) {
            assert_eq!(self.0.pop().as_deref(), Some(name));
        }
        fn visit_float<const D: usize>(&mut self, _: &Param<Tensor<D>>) {
            self.1.push(self.0.join("."));
        }
    }
    let device = Device::default();
    let base = Toy::new(&device);
    let adapters = scales(&base, 1, &device);
    let mut names = Names::default();
    adapters.visit(&mut names);
    assert_eq!(names.1, ["self.up.s", "self.down.s"]);
    assert_eq!(adapters.num_params(), D_MID + D_OUT);
    assert!(adapters.to_string().contains("self.up"));

    let other = scales(&base, 2, &device).load_record(adapters.clone().into_record());
    for ((_, a), (_, b)) in adapters.iter().zip(other.iter()) {
        assert_eq!(a.s.val().to_data(), b.s.val().to_data());
    }
}

#[test]
fn a_third_party_can_say_what_a_merge_would_add() {
    let device = Device::default();
    let base = Toy::new(&device);
    let dense = denses(&base, 1, &device);
    let delta = dense.get("self.up").unwrap().delta_weight().unwrap();
    assert_eq!(delta.dims(), [D_IN, D_MID]);
}
