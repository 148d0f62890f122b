//! What LoRA promises.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::{Device, Tensor, TensorData};
use peft_core::{Adapters, Error, FolderConfig, Hooks, LinearAdapter, Plain, Targets, linear};
use peft_lora::{Bias, LoraConfig, LoraLinear, OneOrMany, Start};
use proptest::prelude::*;

#[derive(Module, Debug)]
struct Net {
    up: Linear,
    down: Linear,
}

impl Net {
    fn new([d_in, d_mid, d_out]: [usize; 3], device: &Device) -> Self {
        Net { up: LinearConfig::new(d_in, d_mid).init(device), down: LinearConfig::new(d_mid, d_out).init(device) }
    }

    fn forward(&self, x: Tensor<3>, hooks: &dyn Hooks) -> Tensor<3> {
        linear(hooks, &self.down, linear(hooks, &self.up, x).tanh())
    }

    fn bits(&self) -> Vec<TensorData> {
        [&self.up, &self.down]
            .into_iter()
            .flat_map(|l| [l.weight.val().to_data(), l.bias.as_ref().unwrap().val().to_data()])
            .collect()
    }
}

/// Values in (-0.5, 0.5) that follow from `seed`.
fn values<const D: usize>(shape: [usize; D], seed: u64, device: &Device) -> Tensor<D> {
    let n: usize = shape.iter().product();
    let blocks = (0..n.div_ceil(32)).flat_map(|i| peft_core::site_seed(seed, &i.to_string()));
    let values: Vec<f32> = blocks.take(n).map(|b| f32::from(b) / 255.0 - 0.5).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn config(r: usize) -> LoraConfig {
    LoraConfig { r, ..LoraConfig::for_targets(Targets::AllLinear) }
}

fn attach(net: &Net, config: &LoraConfig, seed: u64, device: &Device) -> Adapters<LoraLinear> {
    Adapters::attach(net, &config.selection(Vec::<String>::new()), config, seed, device).unwrap()
}

/// Adapters whose B is not 0, as after training.
fn trained(adapters: Adapters<LoraLinear>, seed: u64) -> Adapters<LoraLinear> {
    let changed = adapters.try_map(|_, mut a| {
        let b = a.lora_B.val();
        a.lora_B = a.lora_B.map(|_| values(b.dims(), seed, &b.device()));
        Ok::<_, Error>(a)
    });
    changed.unwrap()
}

fn largest<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> f32 {
    (a - b).abs().max().into_scalar()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_new_adapter_changes_nothing(dims in [4usize..12, 4usize..12, 4usize..12], r in 1usize..5, seed: u64) {
        let device = Device::default();
        let net = Net::new(dims, &device);
        let adapters = attach(&net, &config(r), seed, &device);
        let x = values([2, 3, dims[0]], seed, &device);
        let adapted = net.forward(x.clone(), &adapters.bind(&net).unwrap());
        prop_assert_eq!(adapted.to_data(), net.forward(x, &Plain).to_data());
    }

    #[test]
    fn merged_is_hooked(dims in [4usize..12, 4usize..12, 4usize..12], r in 1usize..5, seed: u64, use_rslora: bool) {
        let device = Device::default();
        let net = Net::new(dims, &device);
        let config = LoraConfig { use_rslora, lora_alpha: 3.0, ..config(r) };
        let adapters = trained(attach(&net, &config, seed, &device), seed);
        let x = values([2, 3, dims[0]], seed, &device);
        let hooked = net.forward(x.clone(), &adapters.bind(&net).unwrap());
        let (merged, report) = adapters.merge(net.clone()).unwrap();
        prop_assert!(report.largest_drift() < 1e-5);
        prop_assert!(largest(hooked.clone(), merged.forward(x.clone(), &Plain)) < 1e-5);
        prop_assert!(largest(hooked, net.forward(x, &Plain)) > 1e-4);
    }

    #[test]
    fn the_factored_form_is_equation_3(rows in 1usize..5, d_in in 2usize..9, d_out in 2usize..9, seed: u64) {
        let device = Device::default();
        let net = Net::new([d_in, d_out, 2], &device);
        let lora = LoraConfig { r: 2, lora_alpha: 5.0, ..LoraConfig::new(["up"]) };
        let adapters = trained(attach(&net, &lora, seed, &device), seed);
        let x = values([1, rows, d_in], seed, &device);
        let fast = linear(&adapters.bind(&net).unwrap(), &net.up, x.clone());
        let a = adapters.get("up").unwrap();
        let product = a.lora_A.val().matmul(a.lora_B.val()) * (5.0 / 2.0); // [d_in, d_out]
        let slow = net.up.forward(x.clone()) + x.matmul(product.unsqueeze());
        prop_assert!(largest(fast, slow) < 1e-5);
    }

    #[test]
    fn a_configuration_survives_json(
        r in 1usize..99, quarters in 1u32..400, sixteenths in 0u32..16, use_rslora: bool, gaussian: bool, regex: bool,
        bias in prop::sample::select(vec![Bias::None, Bias::All, Bias::LoraOnly]),
        layers in prop::option::of(prop_oneof![
            (0usize..9).prop_map(OneOrMany::One), prop::collection::vec(0usize..9, 0..3).prop_map(OneOrMany::Many)
        ]),
        start in prop::sample::select(vec![
            Start::KaimingUniform, Start::Gaussian, Start::Orthogonal, Start::PISSA, Start::Pissa { niter: Some(4) },
            Start::Olora,
        ]),
        heads in prop::collection::vec("[a-z]{1,5}", 0..3), ranks in prop::collection::btree_map("[a-z]{1,5}", 1usize..9, 0..3),
    ) {
        // Fractions that decimals say exactly: serde_json's quick parser may miss the last bit of others.
        let (alpha, dropout) = (f64::from(quarters) / 4.0, f64::from(sixteenths) / 16.0);
        let config = LoraConfig {
            r,
            lora_alpha: alpha,
            lora_dropout: dropout,
            target_modules: if regex { Targets::Regex(r".*\.q".into()) } else { Targets::suffixes(["q", "mlp.wo"]) },
            exclude_modules: regex.then(|| Targets::suffixes(["pooler.dense"])),
            use_rslora,
            bias,
            modules_to_save: heads,
            init_lora_weights: start,
            alpha_pattern: ranks.keys().map(|k| (k.clone(), alpha)).collect(),
            rank_pattern: ranks.into_iter().rev().collect(), // not in the order of the alphabet
            layers_to_transform: layers,
            layers_pattern: None,
            use_dora: use_rslora,
            lora_bias: false,
            task_type: gaussian.then(|| "SEQ_CLS".into()),
        };
        let json = serde_json::to_string(&config).unwrap();
        prop_assert_eq!(&serde_json::from_str::<LoraConfig>(&json).unwrap(), &config);
        config.check().unwrap();
        // No field is written that the folder reader would not know.
        let fields: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&json).unwrap();
        prop_assert!(fields.keys().all(|f| LoraConfig::FIELDS.contains(&f.as_str())));
    }
}

#[test]
fn little_is_written_for_defaults() {
    let config = LoraConfig { lora_alpha: 16.0, ..LoraConfig::new(["query"]) };
    assert_eq!(
        serde_json::to_string(&config).unwrap(),
        r#"{"r":8,"lora_alpha":16,"lora_dropout":0.0,"target_modules":["query"],"bias":"none","task_type":null}"#
    );
    assert_eq!(
        serde_json::from_str::<LoraConfig>(r#"{"target_modules": ["query"]}"#).unwrap(),
        LoraConfig::new(["query"])
    );
}

#[test]
fn parameters_are_r_times_the_sum_of_the_widths() {
    let device = Device::default();
    let net = Net::new([10, 7, 5], &device);
    let adapters = attach(&net, &config(3), 0, &device);
    assert_eq!(adapters.num_params(), 3 * (10 + 7) + 3 * (7 + 5));
    assert_eq!(adapters.get("up").unwrap().rank(), 3);
}

#[test]
fn starts_are_bounded_repeatable_and_b_is_zero() {
    let device = Device::default();
    let net = Net::new([64, 48, 32], &device);
    let start = |init_lora_weights, seed| {
        let config = LoraConfig { init_lora_weights, ..config(16) };
        attach(&net, &config, seed, &device).get("up").unwrap().clone()
    };
    let a = |l: &LoraLinear| l.lora_A.val().to_data().try_to_vec::<f32>().unwrap(); // [64, 16]
    let deviation = |v: &[f32]| (v.iter().map(|x| x * x).sum::<f32>() / v.len() as f32).sqrt();

    let uniform = start(Start::KaimingUniform, 1);
    assert!(a(&uniform).iter().all(|x| x.abs() <= 1.0 / 8.0)); // 1/sqrt(64)
    assert!((deviation(&a(&uniform)) - 0.125 / 3f32.sqrt()).abs() < 0.005); // of U(-k, k): k/sqrt(3)
    assert_eq!(a(&uniform), a(&start(Start::KaimingUniform, 1)));
    assert_ne!(a(&uniform), a(&start(Start::KaimingUniform, 2)));

    let gaussian = start(Start::Gaussian, 1);
    assert!((deviation(&a(&gaussian)) - 1.0 / 16.0).abs() < 0.005); // 1/r
    for lora in [uniform, gaussian] {
        assert!(lora.lora_B.val().to_data().try_to_vec::<f32>().unwrap().iter().all(|b| *b == 0.0));
    }
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let device = Device::default();
    let net = Net::new([10, 7, 5], &device);
    let refused = |config: LoraConfig| {
        let selection = config.selection(Vec::<String>::new());
        Adapters::attach(&net, &selection, &config, 0, &device).unwrap_err()
    };
    assert_eq!(refused(config(6)).to_string(), "down [d_in 7, d_out 5]: adapter rank 6 exceeds min(7, 5)");
    let of_field = |config, expected: &str| match refused(config) {
        Error::Config { field, .. } => assert_eq!(field, expected),
        other => panic!("{other:?}"),
    };
    of_field(config(0), "r");
    of_field(LoraConfig { lora_dropout: 1.0, ..config(1) }, "lora_dropout");
    of_field(LoraConfig { lora_dropout: f64::NAN, ..config(1) }, "lora_dropout");
    of_field(LoraConfig { lora_alpha: f64::INFINITY, ..config(1) }, "lora_alpha");
    of_field(LoraConfig { rank_pattern: [("up", 0)].into(), ..config(1) }, "rank_pattern");
    of_field(LoraConfig { alpha_pattern: [("up", f64::NAN)].into(), ..config(1) }, "alpha_pattern");
    of_field(LoraConfig { lora_bias: true, use_dora: true, ..config(1) }, "lora_bias");
    of_field(LoraConfig { lora_bias: true, init_lora_weights: Start::PISSA, ..config(1) }, "lora_bias");
    of_field(LoraConfig { lora_alpha: 0.0, init_lora_weights: Start::PISSA, ..config(1) }, "lora_alpha");
    of_field(LoraConfig { layers_pattern: Some("h".to_owned().into()), ..config(1) }, "layers_pattern");
    let odd = refused(LoraConfig { init_lora_weights: Start::Orthogonal, ..config(3) });
    assert_eq!(odd.to_string(), "up [d_in 10, d_out 7]: an orthogonal start needs an even rank, found 3");

    // The first pattern that matches counts, in the order of the file.
    let patterns = [("up", 2), ("u.", 3)].into();
    let ordered = LoraConfig { rank_pattern: patterns, ..config(1) };
    let ranks = ["x.up", "x.us", "x.sup"].map(|path| ordered.rank_at(path).unwrap());
    assert_eq!(ranks, [2, 3, 1]);
    let json = serde_json::to_string(&ordered).unwrap();
    assert!(json.contains(r#""rank_pattern":{"up":2,"u.":3}"#), "{json}");
    assert_eq!(serde_json::from_str::<LoraConfig>(&json).unwrap(), ordered);

    for (json, word) in [
        (r#"{"target_modules": ["q"], "init_lora_weights": "corda"}"#, "corda"),
        (r#"{"target_modules": ["q"], "init_lora_weights": "pissa_niter_x"}"#, "pissa_niter_x"),
        (r#"{"target_modules": ["q"], "init_lora_weights": false}"#, "false"),
        (r#"{"target_modules": ["q"], "r": -1}"#, "-1"),
        (r#"{}"#, "target_modules"),
    ] {
        let error = serde_json::from_str::<LoraConfig>(json).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn the_loss_falls_and_the_base_stays_bit_equal() {
    let plain = Device::default();
    let net = Net::new([8, 12, 4], &plain);
    let before = net.bits();
    let x = values([4, 8, 8], 1, &plain);
    let target = values([4, 8, 4], 2, &plain);
    let mut adapters = attach(&net, &config(4), 7, &plain.clone().autodiff());
    let mut optimizer = AdamWConfig::new().init();
    let mut losses: Vec<f32> = Vec::new();
    for _ in 0..60 {
        let y = net.forward(x.clone(), &adapters.bind(&net).unwrap());
        let loss = (y - target.clone()).powi_scalar(2).mean();
        losses.push(loss.clone().into_scalar());
        let mut gradients = loss.backward();
        assert!(GradientsParams::from_module(&mut gradients, &net).is_empty(), "W has no gradient");
        let gradients = GradientsParams::from_grads(gradients, &adapters);
        assert_eq!(gradients.len(), 4);
        adapters = optimizer.step(0.02, adapters, gradients);
    }
    let (first, last) = (losses[0], losses[losses.len() - 1]);
    assert!(last < 0.5 * first, "{first} to {last}");
    assert_eq!(net.bits(), before);
}

#[test]
fn dropout_works_in_training_only_even_where_the_base_has_no_autodiff() {
    let plain = Device::default();
    let net = Net::new([64, 4, 4], &plain);
    let lora = LoraConfig { lora_dropout: 0.5, r: 2, ..LoraConfig::new(["up"]) };
    let adapters = trained(attach(&net, &lora, 0, &plain.clone().autodiff()), 1);
    let x = values([1, 3, 64], 3, &plain); // on the plain device, as what enters the first layer is
    let delta = |adapters: &Adapters<LoraLinear>| {
        let y = linear(&adapters.bind(&net).unwrap(), &net.up, x.clone()).without_autodiff();
        y - net.up.forward(x.clone()) // [1, 3, 4]
    };
    let lora = adapters.get("up").unwrap();
    let exact = x.clone().matmul(lora.delta_weight().unwrap().without_autodiff().unsqueeze()); // [1, 3, 4]
    assert!(lora.is_dropping());

    // Training: masks differ, and are right on average.
    assert!(largest(delta(&adapters), delta(&adapters)) > 1e-4);
    let n = 2000;
    let mean = (0..n).map(|_| delta(&adapters)).reduce(|a, b| a + b).unwrap() / n as f64;
    let size: f32 = exact.clone().abs().max().into_scalar();
    assert!(largest(mean, exact.clone()) < 0.1 * size.max(1.0));

    // Seeded, they repeat.
    plain.seed(5);
    let one = delta(&adapters);
    plain.seed(5);
    assert_eq!(one.to_data(), delta(&adapters).to_data());

    // Evaluation and frozen adapters drop nothing.
    for quiet in [adapters.valid(), adapters.clone().freeze()] {
        assert!(!quiet.get("up").unwrap().is_dropping());
        assert!(largest(delta(&quiet), exact.clone()) < 1e-5);
    }
}
