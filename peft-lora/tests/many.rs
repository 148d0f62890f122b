//! Many adapters on one base: mixed in one batch, combined into one.

mod common;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use common::*;
use peft_core::{Adapters, Error, Hooks, LinearAdapter, Plain, Targets, linear};
use peft_lora::{AdapterBank, Bias, Combine, LoraConfig, LoraLinear, Majority, Merging, Start};
use proptest::prelude::*;

/// Adapters that differ in all that may differ.
fn several(net: &Net, seed: u64) -> Vec<(LoraConfig, Adapters<LoraLinear>)> {
    let device = Device::default();
    let configs = [
        LoraConfig { r: 2, ..LoraConfig::new(["query", "down"]) },
        LoraConfig { r: 3, lora_alpha: 1.0, use_rslora: true, ..LoraConfig::new(["up"]) },
        LoraConfig { r: 1, use_dora: true, ..LoraConfig::new(["query", "embed"]) },
        LoraConfig { r: 2, init_lora_weights: Start::PISSA, ..LoraConfig::for_targets(Targets::AllLinear) },
        LoraConfig { r: 4, lora_bias: true, ..LoraConfig::new(["query", "lm_head"]) },
        LoraConfig { r: 2, ..LoraConfig::new(["embed", "0.query"]) },
    ];
    let each = configs.into_iter().enumerate();
    each.map(|(i, c)| {
        let adapters = shaken(attach(net, &c, seed, &device), seed.wrapping_add(i as u64));
        (c, adapters)
    })
    .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_mixed_batch_is_each_row_alone(
        seed in 0u64..1 << 40,
        rows in prop::collection::vec(prop::option::of(0usize..6), 1..7),
        seq in 1usize..5,
    ) {
        let device = Device::default();
        let net = Net::new(seed, &device);
        let adapters: Vec<_> = several(&net, seed).into_iter().map(|(_, a)| a).collect();
        let bank = AdapterBank::new(&net, &adapters.iter().collect::<Vec<_>>()).unwrap();
        let ids = ids(rows.len(), seq, seed);
        let mixed = net.forward(ids.clone(), &bank.rows(&rows).unwrap());
        for (i, row) in rows.iter().enumerate() {
            let ids = ids.clone().narrow(0, i, 1);
            let alone = match row {
                Some(a) => net.forward(ids, &adapters[*a].bind(&net).unwrap()),
                None => net.forward(ids, &Plain),
            };
            let difference = largest(mixed.clone().narrow(0, i, 1), alone);
            prop_assert!(difference < 2e-5, "row {i} with {row:?}: {difference}");
        }
    }

    #[test]
    fn weights_of_one_and_zero_give_the_first(seed in 0u64..1 << 40) {
        let device = Device::default();
        let net = Net::new(seed, &device);
        let config = LoraConfig { r: 2, lora_alpha: 3.0, ..LoraConfig::new(["query", "up", "embed"]) };
        let [a, b] = [1, 2].map(|i| shaken(attach(&net, &config, seed ^ i, &device), seed ^ i));
        let ids = ids(2, 3, seed);
        let first = net.forward(ids.clone(), &a.bind(&net).unwrap());
        for name in [
            "linear", "cat", "svd", "ties", "ties_svd", "dare_linear", "dare_linear_svd", "dare_ties", "dare_ties_svd",
            "magnitude_prune", "magnitude_prune_svd",
        ] {
            let combine = Combine::named(name, 1.0, 5).unwrap();
            let (settings, one) = combine.combine(&[(&config, &a, 1.0), (&config, &b, 0.0)], &device).unwrap();
            let combined = net.forward(ids.clone(), &one.bind(&net).unwrap());
            prop_assert!(largest(first.clone(), combined.clone()) < 1e-5, "{name}");
            // What the settings say is what a folder of it is read with.
            let fresh = attach(&net, &settings, 9, &device);
            let shapes = |a: &Adapters<LoraLinear>| {
                a.iter().map(|(p, l)| (p.to_owned(), l.rank(), l.scaling().to_bits())).collect::<Vec<_>>()
            };
            let (mut found, mut expected) = (shapes(&fresh), shapes(&one));
            found.sort();
            expected.sort();
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn concatenated_and_cut_by_singular_values_are_the_weighted_sum(seed in 0u64..1 << 40, x in -2.0f64..2.0, y in 0.1f64..2.0) {
        let device = Device::default();
        let net = Net::new(seed, &device);
        let first = LoraConfig { r: 2, ..LoraConfig::new(["query", "embed"]) };
        let second = LoraConfig { r: 3, use_rslora: true, ..LoraConfig::new(["query", "down"]) };
        let a = shaken(attach(&net, &first, seed, &device), seed);
        let b = shaken(attach(&net, &second, seed, &device), seed ^ 1);
        let parts = [(&first, &a, x), (&second, &b, y)];
        let whole = Combine::Deltas { merging: Merging::Linear, rank: Some(5) };
        for combine in [Combine::Concatenate, whole] {
            let (settings, sum) = combine.combine(&parts, &device).unwrap();
            prop_assert_eq!((settings.r, settings.lora_alpha, settings.use_rslora), (5, 5.0, false));
            prop_assert_eq!(sum.len(), 2 + 1 + 2);
            for (path, combined) in sum.iter() {
                let of = |from: &Adapters<LoraLinear>, w: f64| from.get(path).map(|l| l.delta_weight().unwrap() * w);
                let expected = [of(&a, x), of(&b, y)].into_iter().flatten().reduce(|l, r| l + r).unwrap();
                prop_assert!(largest(combined.delta_weight().unwrap(), expected) < 1e-4, "{path}");
            }
        }
    }
}

#[test]
fn layers_of_other_ranks_of_input_keep_their_rows() {
    let device = Device::default();
    let net = Net::new(3, &device);
    let adapters: Vec<_> = several(&net, 3).into_iter().map(|(_, a)| a).collect();
    let bank = AdapterBank::new(&net, &[&adapters[0], &adapters[2]]).unwrap();
    assert_eq!((bank.len(), bank.is_empty()), (2, false));
    let rows = bank.rows(&[Some(1), Some(0)]).unwrap();
    let layer = &net.layer[0].query;
    let x: Tensor<2> = Tensor::from_data(burn::tensor::TensorData::new(noise(2 * D, 5), [2, D]), &device);
    let mixed = linear(&rows, layer, x.clone()); // one position a row, as a pooler has it
    for (i, a) in [2, 0].into_iter().enumerate() {
        let alone = linear(&adapters[a].bind(&net).unwrap(), layer, x.clone().narrow(0, i, 1));
        assert!(largest(mixed.clone().narrow(0, i, 1), alone) < 1e-5);
    }
    assert!(rows.skips(&net.lm_head));
    assert!(matches!(bank.rows(&[Some(2)]), Err(Error::NotMixed { index: 2, .. })));
    let biased = LoraConfig { r: 2, bias: Bias::All, ..LoraConfig::new(["query"]) };
    let error = AdapterBank::new(&net, &[&adapters[0], &attach(&net, &biased, 1, &device)]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "adapters number 1 cannot be used row by row: they replace layer.0.query.bias of the base"
    );
}

#[test]
fn what_cannot_be_combined_says_so() {
    let device = Device::default();
    let net = Net::new(3, &device);
    let all = several(&net, 3);
    let refused = |combine: Combine, parts: &[usize]| {
        let parts: Vec<_> = parts.iter().map(|i| (&all[*i].0, &all[*i].1, 1.0)).collect();
        combine.combine(&parts, &device).unwrap_err().to_string()
    };
    let linear = Combine::Factors(Merging::Linear);
    let start = |i: usize| format!("adapters number {i} cannot be combined with the others: ");
    assert_eq!(refused(linear, &[0, 2]), start(1) + "use_dora has no part in a weighted sum");
    assert_eq!(refused(linear, &[4]), start(0) + "lora_bias has no part in a weighted sum");
    assert_eq!(refused(linear, &[0, 3]), start(1) + "it changes the base as well (PiSSA, OLoRA): convert it first");
    assert!(refused(linear, &[]).contains("nothing to combine"));
    let other = LoraConfig { r: 3, ..LoraConfig::new(["query"]) };
    let b = attach(&net, &other, 1, &device);
    let error = linear.combine(&[(&all[0].0, &all[0].1, 1.0), (&other, &b, 1.0)], &device).unwrap_err();
    assert!(error.to_string().contains("rank"), "{error}");
    for (name, density) in
        [("ties", 1.5), ("dare_linear", 0.0), ("magnitude_prune", f64::NAN), ("linear_svd", 1.0), ("x", 1.0)]
    {
        let combine = Combine::named(name, density, 1);
        let error = combine.and_then(|c| c.combine(&[(&all[0].0, &all[0].1, 1.0)], &device)).unwrap_err();
        assert!(matches!(error, Error::Config { .. }), "{name}: {error}");
    }
    // A PiSSA adapter can be where only what it adds counts.
    let sum = Combine::Deltas { merging: Merging::Linear, rank: None };
    let parts = [(&all[0].0, &all[0].1, 1.0), (&all[3].0, &all[3].1, 1.0)];
    let (config, combined) = sum.combine(&parts, &device).unwrap();
    assert_eq!((config.r, combined.len()), (4, 7), "what a residual takes out of the base needs rank too");
}

/// The formulas of `peft/utils/merge_utils.py`, worked by hand for t₁ = [[0.5, -0.2], [0.1, 0.9]] with the weight 0.7 and
/// t₂ = [[-0.6, -0.4], [0.3, 0.05]] with 0.3. Half of each is kept: 0.5 and 0.9, -0.6 and -0.4.
///
/// TIES: the sums -0.1, -0.4, 0 and 0.9 elect -, -, + and +; by number of signs the first is even, which counts as +.
#[test]
fn formulas_of_peft() {
    let device = Device::default();
    // A of rank 2 on a layer [2, 2], with B the identity, so that the increment is A, transposed in torch's layout.
    #[derive(Module, Debug)]
    struct Tiny {
        query: burn::nn::Linear,
    }
    let tiny = Tiny { query: burn::nn::LinearConfig::new(2, 2).with_bias(false).init(&device) };
    let config = LoraConfig { r: 2, lora_alpha: 2.0, ..LoraConfig::new(["query"]) };
    let with = |a: [[f32; 2]; 2]| {
        let heads: [&str; 0] = [];
        let adapters = Adapters::attach(&tiny, &config.selection(heads), &config, 0, &device).unwrap();
        adapters
            .try_map(|_, mut l| {
                l.lora_A = l.lora_A.map(|_| Tensor::from_floats(a, &device));
                l.lora_B = l.lora_B.map(|_| Tensor::eye(2, &device));
                Ok::<_, Error>(l)
            })
            .unwrap()
    };
    let (a, b) = (with([[0.5, -0.2], [0.1, 0.9]]), with([[-0.6, -0.4], [0.3, 0.05]]));
    let parts = [(&config, &a, 0.7), (&config, &b, 0.3)];
    let check = |merging: Merging, expected: [[f32; 2]; 2]| {
        let combine = Combine::Deltas { merging, rank: None };
        let (_, combined) = combine.combine(&parts, &device).unwrap();
        let delta = combined.get("query").unwrap().delta_weight().unwrap();
        let difference = largest(delta.clone(), Tensor::from_floats(expected, &device));
        assert!(difference < 1e-6, "{merging:?}: {delta}");
    };
    let (density, frequency) = (0.5, Majority::Frequency);
    check(Merging::Ties { density, majority: Majority::Total }, [[-0.18, -0.12], [0.0, 0.63]]);
    check(Merging::Ties { density, majority: frequency }, [[0.35, -0.12], [0.0, 0.63]]);
    check(Merging::MagnitudePrune { density }, [[0.17, -0.12], [0.0, 0.63]]);
    check(Merging::Linear, [[0.17, -0.26], [0.16, 0.645]]);

    // DARE's draws repeat, and are right on average.
    let dare = |seed| {
        let combine = Combine::Deltas { merging: Merging::DareLinear { density, seed }, rank: None };
        let (_, combined) = combine.combine(&parts, &device).unwrap();
        combined.get("query").unwrap().delta_weight().unwrap()
    };
    assert_eq!(dare(3).to_data(), dare(3).to_data());
    let mean = (0..400).map(dare).reduce(|a, b| a + b).unwrap() / 400.0;
    assert!(largest(mean, Tensor::from_floats([[0.17, -0.26], [0.16, 0.645]], &device)) < 0.1);
}
