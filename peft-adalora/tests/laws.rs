//! What AdaLoRA promises.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::{Device, Tensor, TensorData};
use peft_adalora::{
    AdaLoraConfig, AdaLoraOptimizer, Bias, Error, Fate, MaskToBudget, RankAllocator, Ranking, Result, Schedule,
    SvdLinear, orthogonality, prune_zeros,
};
use peft_core::{
    AdapterFolder, Adapters, Contents, FolderConfig, Hooks, LinearAdapter, Plain, Targets, linear, write_folder,
};
use proptest::prelude::*;
use serde_json::{Value, json};

#[derive(Module, Debug)]
struct Net {
    up: Linear,
    down: Linear,
}

impl Net {
    fn new([d_in, d_mid, d_out]: [usize; 3], device: &Device) -> Self {
        let layer = |d_in, d_out, seed| {
            let mut layer = LinearConfig::new(d_in, d_out).init(device);
            layer.weight = layer.weight.map(|_| values([d_in, d_out], seed, device));
            layer.bias = layer.bias.map(|bias| bias.map(|_| values([d_out], seed + 10, device)));
            layer
        };
        Net { up: layer(d_in, d_mid, 1), down: layer(d_mid, d_out, 2) }
    }

    fn forward(&self, x: Tensor<3>, hooks: &dyn Hooks) -> Tensor<3> {
        linear(hooks, &self.down, linear(hooks, &self.up, x).tanh())
    }
}

/// Values in (-0.5, 0.5) that follow from `seed`.
fn values<const D: usize>(shape: [usize; D], seed: u64, device: &Device) -> Tensor<D> {
    let n: usize = shape.iter().product();
    let blocks = (0..n.div_ceil(32)).flat_map(|i| peft_core::site_seed(seed, &i.to_string()));
    let values: Vec<f32> = blocks.take(n).map(|b| f32::from(b) / 255.0 - 0.5).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn schedule(total_step: usize) -> Schedule {
    Schedule::for_steps(total_step).unwrap()
}

fn config(init_r: usize, target_r: usize, schedule: Schedule) -> AdaLoraConfig {
    AdaLoraConfig { init_r, target_r, ..AdaLoraConfig::for_targets(Targets::AllLinear, schedule) }
}

fn attach(net: &Net, config: &AdaLoraConfig, seed: u64, device: &Device) -> Adapters<SvdLinear> {
    Adapters::attach(net, &config.selection(Vec::<String>::new()), config, seed, device).unwrap()
}

/// Adapters whose E is not 0, as after training.
fn trained(adapters: Adapters<SvdLinear>, seed: u64) -> Adapters<SvdLinear> {
    let changed = adapters.try_map(|_, mut a| {
        a.lora_A = a.lora_A.map(|old| values(old.dims(), seed, &old.device()));
        a.lora_B = a.lora_B.map(|old| values(old.dims(), seed + 1, &old.device()));
        a.lora_E = a.lora_E.map(|old| values(old.dims(), seed + 2, &old.device()));
        Ok::<_, Error>(a)
    });
    changed.unwrap()
}

fn largest<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> f32 {
    (a - b).abs().max().into_scalar()
}

fn host<const D: usize>(t: Tensor<D>) -> Vec<f32> {
    t.to_data().iter::<f32>().collect()
}

/// The bits of all parameters.
fn bits(adapters: &Adapters<SvdLinear>) -> Vec<Vec<u32>> {
    let of = |a: &SvdLinear| [a.lora_A.val(), a.lora_E.val(), a.lora_B.val()].map(host);
    adapters.iter().flat_map(|(_, a)| of(a)).map(|v| v.into_iter().map(f32::to_bits).collect()).collect()
}

/// A task: what the base would do with other weights in its second layer, on inputs that follow from `seed`.
struct Task {
    net: Net,
    x: Tensor<3>,
    target: Tensor<3>,
    weight: f64,
}

impl Task {
    fn new(dims: [usize; 3], seed: u64, config: &AdaLoraConfig) -> Self {
        let device = Device::default();
        let net = Net::new(dims, &device);
        let x = values([2, 8, dims[0]], seed, &device);
        let mut other = net.clone();
        other.down.weight = other.down.weight.map(|w| w + values([dims[1], dims[2]], seed + 1, &device));
        let target = other.forward(x.clone(), &Plain);
        Task { net, x, target, weight: config.orth_reg_weight }
    }

    fn gradients(&self, adapters: &Adapters<SvdLinear>) -> (f32, GradientsParams) {
        let y = self.net.forward(self.x.clone(), &adapters.bind(&self.net).unwrap());
        let task = (y - self.target.clone()).powi_scalar(2).mean();
        let loss = task.clone() + orthogonality(adapters) * self.weight;
        (task.into_scalar(), GradientsParams::from_grads(loss.backward(), adapters))
    }

    fn step<R: MaskToBudget>(
        &self,
        adapters: Adapters<SvdLinear>,
        optimizer: &mut AdaLoraOptimizer<R>,
    ) -> (Adapters<SvdLinear>, peft_adalora::AllocationReport) {
        let (_, gradients) = self.gradients(&adapters);
        optimizer.step(0.02, adapters, gradients).unwrap()
    }
}

fn non_zero(adapters: &Adapters<SvdLinear>) -> usize {
    adapters.iter().flat_map(|(_, a)| host(a.lora_E.val())).filter(|e| *e != 0.0).count()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_new_adapter_changes_nothing(dims in [4usize..12, 4usize..12, 4usize..12], r in 1usize..5, seed: u64) {
        let device = Device::default();
        let net = Net::new(dims, &device);
        let adapters = attach(&net, &config(r, 1, schedule(20)), seed, &device);
        let x = values([2, 3, dims[0]], seed, &device);
        let adapted = net.forward(x.clone(), &adapters.bind(&net).unwrap());
        prop_assert_eq!(adapted.to_data(), net.forward(x, &Plain).to_data());
    }

    #[test]
    fn merged_is_hooked_and_the_base_is_kept(dims in [4usize..12, 4usize..12, 4usize..12], r in 1usize..5, seed in 0..u64::MAX / 2) {
        let device = Device::default();
        let net = Net::new(dims, &device);
        let adapters = trained(attach(&net, &config(r, 1, schedule(20)), seed, &device), seed);
        let x = values([2, 3, dims[0]], seed, &device);
        let hooked = net.forward(x.clone(), &adapters.bind(&net).unwrap());
        let plain = net.forward(x.clone(), &Plain);
        let (merged, report) = adapters.merge(net.clone()).unwrap();
        prop_assert!(report.largest_drift() < 1e-5);
        prop_assert!(largest(hooked, merged.forward(x.clone(), &Plain)) < 1e-5);
        // Unmerging is going back to the base, which merging does not touch.
        prop_assert_eq!(net.forward(x, &Plain).to_data(), plain.to_data());
    }

    #[test]
    fn the_factored_form_is_equation_3(rows in 1usize..5, d_in in 3usize..9, d_out in 3usize..9, seed in 0..u64::MAX / 2) {
        let device = Device::default();
        let net = Net::new([d_in, d_out, 3], &device);
        let config = AdaLoraConfig { lora_alpha: 5.0, ..config(3, 1, schedule(20)) };
        let adapters = trained(attach(&net, &config, seed, &device), seed);
        let x = values([1, rows, d_in], seed, &device);
        let fast = linear(&adapters.bind(&net).unwrap(), &net.up, x.clone());
        let a = adapters.get("up").unwrap();
        let lambda = Tensor::<2>::eye(3, &device) * a.lora_E.val(); // [r, r]
        let product = a.lora_A.val().matmul(lambda).matmul(a.lora_B.val()) * (5.0 / (3.0 + 1e-5)); // [d_in, d_out]
        let slow = net.up.forward(x.clone()) + x.matmul(product.unsqueeze());
        prop_assert!(largest(fast, slow) < 1e-5);
    }

    #[test]
    fn the_budget_is_met_exactly_at_every_allocation(
        dims in [6usize..10, 6usize..10, 6usize..10], init_r in 2usize..6, drop in 1usize..5, steps in 4usize..40, seed in 0..u64::MAX / 2,
    ) {
        let config = config(init_r, init_r.saturating_sub(drop), schedule(steps));
        let task = Task::new(dims, seed, &config);
        let mut adapters = attach(&task.net, &config, seed, &Device::default().autodiff());
        let mut optimizer = AdaLoraOptimizer::new(AdamWConfig::new().init(), &config, &adapters).unwrap();
        let mut allocations = Vec::new();
        for step in 0..steps {
            let report;
            (adapters, report) = task.step(adapters, &mut optimizer);
            prop_assert_eq!(report.step, step);
            prop_assert_eq!(report.budget, config.schedule.budget(step, 2 * init_r, 2 * config.target_r));
            if report.ranking.is_some() {
                allocations.push(step);
                prop_assert_eq!(report.kept, report.budget);
                prop_assert!(non_zero(&adapters) <= report.budget);
            }
            if step >= config.schedule.last_allocation() {
                prop_assert_eq!(report.kept, 2 * config.target_r);
                prop_assert!(non_zero(&adapters) <= 2 * config.target_r);
            }
        }
        prop_assert_eq!(allocations, config.schedule.allocations().collect::<Vec<_>>());
        // Taking the zeros out is what the allocator does at the end, and changes nothing.
        let pruned = optimizer.allocator().pruned(&config, &adapters).unwrap();
        let zeros = prune_zeros(&config, &adapters);
        prop_assert_eq!(&pruned.0, &zeros.0);
        prop_assert_eq!(bits(&pruned.1), bits(&zeros.1));
        let out = |a: &Adapters<SvdLinear>| task.net.forward(task.x.clone(), &a.bind(&task.net).unwrap());
        prop_assert!(largest(out(&adapters), out(&pruned.1)) < 1e-5);
        prop_assert_eq!(prune_zeros(&zeros.0, &zeros.1).0, zeros.0);

        let summary = optimizer.summary();
        prop_assert!(summary.is_final);
        prop_assert_eq!(summary.ranks.values().sum::<usize>(), 2 * config.target_r);
    }

    #[test]
    fn resumed_is_straight(cut in 0usize..16, seed in 0..u64::MAX / 2) {
        let config = config(4, 2, Schedule { tinit: 2, tfinal: 5, delta_t: 3, total_step: 16 });
        let task = Task::new([8, 9, 7], seed, &config);
        let start = attach(&task.net, &config, seed, &Device::default().autodiff());
        let adamw = || AdamWConfig::new().init();
        let mut straight = AdaLoraOptimizer::new(adamw(), &config, &start).unwrap();
        let mut adapters = start;
        let mut saved = None;
        for step in 0..16 {
            if step == cut {
                let state = (straight.allocator().to_bytes().unwrap(), straight.inner().into_bytes().unwrap());
                saved = Some((adapters.clone(), state));
            }
            (adapters, _) = task.step(adapters, &mut straight);
        }
        let (mut resumed, (allocator, optimizer)) = saved.unwrap();
        let allocator = RankAllocator::new(&config, &resumed).unwrap().resumed(&allocator).unwrap();
        prop_assert_eq!(allocator.step(), cut);
        // In another process parameters have other ids; the allocator goes by the layers' paths.
        let anew = attach(&task.net, &config, seed, &Device::default());
        let bytes = allocator.to_bytes().unwrap();
        prop_assert_eq!(RankAllocator::new(&config, &anew).unwrap().resumed(&bytes).unwrap().to_bytes().unwrap(), bytes);
        let mut optimizer = AdaLoraOptimizer::from_parts(adamw().from_bytes(optimizer).unwrap(), allocator);
        for _ in cut..16 {
            (resumed, _) = task.step(resumed, &mut optimizer);
        }
        prop_assert_eq!(bits(&resumed), bits(&adapters));
        prop_assert_eq!(optimizer.summary(), straight.summary());
        prop_assert_eq!(optimizer.allocator().to_bytes().unwrap(), straight.allocator().to_bytes().unwrap());
    }

    #[test]
    fn pruning_changes_no_output_and_survives_the_folder(kept in prop::collection::vec(any::<bool>(), 8), seed in 0..u64::MAX / 2) {
        let device = Device::default();
        let net = Net::new([7, 6, 5], &device);
        let config = config(4, 2, schedule(20));
        let adapters = trained(attach(&net, &config, seed, &device), seed);
        let of = |path: &str| if path == "up" { &kept[..4] } else { &kept[4..] };
        let masked = adapters.try_map(|path, mut a| {
            let mask: Vec<f32> = of(path).iter().map(|k| f32::from(u8::from(*k))).collect();
            a.lora_E = a.lora_E.map(|e| e * Tensor::from_data(TensorData::new(mask, [1, 4]), &device));
            Ok::<_, Error>(a)
        }).unwrap();
        let pruned = masked.clone().try_map(|path, a| Ok::<_, Error>(a.pruned(of(path)))).unwrap();
        let x = values([2, 3, 7], seed, &device);
        let through = |a: &Adapters<SvdLinear>| net.forward(x.clone(), &a.bind(&net).unwrap());
        prop_assert!(largest(through(&masked), through(&pruned)) < 1e-6);
        prop_assert!(masked.merge(net.clone()).is_ok() && pruned.merge(net.clone()).is_ok());

        let pattern = ["up", "down"].map(|path| (format!("{path}.lora_E"), of(path).to_vec())).into();
        let config = AdaLoraConfig { rank_pattern: pattern, ..config };
        let dir = tempfile::tempdir().unwrap();
        let modules = Default::default();
        let contents = Contents { config: &config, adapters: &pruned, base_model: None, modules: &modules, genome: None };
        write_folder(dir.path(), &contents).unwrap();
        let folder = AdapterFolder::read(dir.path()).unwrap();
        let read: AdaLoraConfig = folder.config().unwrap();
        prop_assert_eq!(&read, &config);
        let reloaded = folder.load(attach(&net, &read, seed + 1, &device)).unwrap().adapters;
        prop_assert_eq!(bits(&reloaded), bits(&pruned));
        prop_assert_eq!(through(&reloaded).to_data(), through(&pruned).to_data());
    }

    #[test]
    fn a_configuration_survives_json(
        init_r in 1usize..99, target in 0usize..99, tinit in 0usize..50, tfinal in 0usize..50, delta_t in 1usize..99,
        quarters in 1u32..400, sixteenths in 1u32..16, regex: bool, init: bool,
        heads in prop::collection::vec("[a-z]{1,5}", 0..3), layers in prop::collection::btree_set("[a-z]{1,5}", 0..3),
    ) {
        // Fractions that decimals say exactly: serde_json's quick parser may miss the last bit of others.
        let (alpha, share) = (f64::from(quarters) / 4.0, f64::from(sixteenths) / 16.0);
        let pattern: Vec<bool> = (0..init_r).map(|i| i % 3 == 0).collect();
        let config = AdaLoraConfig {
            init_r,
            target_r: target.min(init_r),
            schedule: Schedule { tinit, tfinal, delta_t, total_step: 101 },
            beta1: share,
            beta2: 1.0 - share,
            orth_reg_weight: share - 1.0 / 16.0,
            lora_alpha: alpha,
            lora_dropout: share - 1.0 / 16.0,
            target_modules: if regex { Targets::Regex(r".*\.q".into()) } else { Targets::suffixes(["q", "mlp.wo"]) },
            exclude_modules: regex.then(|| Targets::suffixes(["pooler.dense"])),
            bias: [Bias::None, Bias::All, Bias::LoraOnly][init_r % 3],
            modules_to_save: heads,
            init_lora_weights: init,
            rank_pattern: layers.into_iter().map(|l| (format!("{l}.lora_E"), pattern.clone())).collect(),
            task_type: init.then(|| "SEQ_CLS".into()),
        };
        let json = serde_json::to_string(&config).unwrap();
        prop_assert_eq!(&serde_json::from_str::<AdaLoraConfig>(&json).unwrap(), &config);
        config.check().unwrap();
        // No field is written that the folder reader would not know.
        let fields: serde_json::Map<String, Value> = serde_json::from_str(&json).unwrap();
        prop_assert!(fields.keys().all(|f| AdaLoraConfig::FIELDS.contains(&f.as_str())));
    }
}

#[test]
fn an_optimizer_can_be_sent_to_another_thread() {
    fn is_send<T: Send>() {}
    is_send::<RankAllocator>();
    is_send::<AdaLoraOptimizer>();
}

#[test]
fn the_loss_falls_and_the_base_stays_bit_equal() {
    // With the default weight, 0.5, the orthogonality term and not this small task would choose the ranks.
    let config = AdaLoraConfig { orth_reg_weight: 0.1, ..config(4, 2, schedule(60)) };
    let task = Task::new([8, 12, 6], 3, &config);
    let weights = |net: &Net| [&net.up, &net.down].map(|l| host(l.weight.val()));
    let before = weights(&task.net);
    let mut adapters = attach(&task.net, &config, 7, &Device::default().autodiff());
    let mut optimizer = AdaLoraOptimizer::new(AdamWConfig::new().init(), &config, &adapters).unwrap();
    let mut losses = Vec::new();
    for _ in 0..60 {
        losses.push(task.gradients(&adapters).0);
        (adapters, _) = task.step(adapters, &mut optimizer);
    }
    assert!(losses[59] < 0.7 * losses[0], "{losses:?}");
    assert_eq!(weights(&task.net), before);
    let text = optimizer.summary().to_string();
    assert!(text.starts_with("ranks allocated 36 times in 60 steps; budget 8, then 7 at step 7, "), "{text}");
    assert!(text.contains("layers (final): "), "{text}");
}

#[test]
fn orthogonality_is_the_mean_of_norms_and_differentiable() {
    let device = Device::default();
    let net = Net::new([6, 5, 4], &device);
    let adapters = trained(attach(&net, &config(3, 1, schedule(20)), 1, &device), 5);
    let norm = |gram: Tensor<2>| {
        let r = gram.dims()[0];
        let off = gram.clone() - Tensor::eye(r, &gram.device());
        (off.clone() * off).sum().sqrt().into_scalar::<f32>()
    };
    let norms = adapters.iter().flat_map(|(_, a)| {
        let (a, b) = (a.lora_A.val(), a.lora_B.val());
        [norm(a.clone().transpose().matmul(a)), norm(b.clone().matmul(b.transpose()))]
    });
    let expected = norms.sum::<f32>() / 4.0;
    let found: f32 = orthogonality(&adapters).into_scalar();
    assert!((found - expected).abs() < 1e-5, "{found} {expected}");

    // A rank of zero has norm 0 and is counted; orthonormal vectors have norm 0 and a gradient that is no NaN.
    let pruned =
        adapters.try_map(|path, a| Ok::<_, Error>(if path == "up" { a.pruned(&[false; 3]) } else { a })).unwrap();
    let down = pruned.get("down").unwrap();
    let (a, b) = (down.lora_A.val(), down.lora_B.val());
    let half = norm(a.clone().transpose().matmul(a)) + norm(b.clone().matmul(b.transpose()));
    let found: f32 = orthogonality(&pruned).into_scalar();
    assert!((found - half / 4.0).abs() < 1e-5, "{found}");

    let unit = attach(&net, &config(3, 1, schedule(20)), 1, &device.clone().autodiff()).try_map(|_, mut a| {
        let eye = |[rows, cols]: [usize; 2], device: &Device| -> Tensor<2> {
            Tensor::from_data(
                TensorData::new(
                    (0..rows * cols).map(|i| f32::from(u8::from(i / cols == i % cols))).collect::<Vec<_>>(),
                    [rows, cols],
                ),
                device,
            )
        };
        a.lora_A = a.lora_A.map(|old| eye(old.dims(), &old.device()).require_grad());
        a.lora_B = a.lora_B.map(|old| eye(old.dims(), &old.device()).require_grad());
        Ok::<_, Error>(a)
    });
    let unit = unit.unwrap();
    let penalty = orthogonality(&unit);
    assert!(penalty.clone().into_scalar::<f32>() < 1e-14);
    let gradients = penalty.backward();
    for (_, adapter) in unit.iter() {
        let gradient = adapter.lora_A.val().grad(&gradients).unwrap();
        assert!(host(gradient).iter().all(|g| g.abs() < 1e-6));
    }
}

#[test]
fn starts_are_those_of_peft_and_repeat() {
    let device = Device::default();
    let net = Net::new([64, 48, 32], &device);
    let start = |init_lora_weights, seed| {
        let config = AdaLoraConfig { init_lora_weights, ..config(16, 8, schedule(20)) };
        attach(&net, &config, seed, &device).get("up").unwrap().clone()
    };
    let deviation = |v: &[f32]| (v.iter().map(|x| x * x).sum::<f32>() / v.len() as f32).sqrt();
    let default = start(true, 1);
    for vectors in [host(default.lora_A.val()), host(default.lora_B.val())] {
        assert!((deviation(&vectors) - 0.02).abs() < 0.002);
    }
    assert!(host(default.lora_E.val()).iter().all(|e| *e == 0.0));
    assert_eq!(host(default.lora_A.val()), host(start(true, 1).lora_A.val()));
    assert_ne!(host(default.lora_A.val()), host(start(true, 2).lora_A.val()));
    let random = start(false, 1);
    assert!((deviation(&host(random.lora_A.val())) - 1.0).abs() < 0.1);
    assert!(host(random.lora_E.val()).iter().all(|e| *e != 0.0));
}

#[test]
fn dropout_works_in_training_only() {
    let plain = Device::default();
    let net = Net::new([64, 6, 4], &plain);
    let config = AdaLoraConfig { lora_dropout: 0.5, ..config(3, 1, schedule(20)) };
    let adapters = trained(attach(&net, &config, 0, &plain.clone().autodiff()), 1);
    let x = values([1, 3, 64], 3, &plain);
    let delta = |adapters: &Adapters<SvdLinear>| {
        let y = linear(&adapters.bind(&net).unwrap(), &net.up, x.clone()).without_autodiff();
        y - net.up.forward(x.clone())
    };
    let adapter = adapters.get("up").unwrap();
    assert!(adapter.is_dropping());
    let exact = x.clone().matmul(adapter.delta_weight().unwrap().without_autodiff().unsqueeze());
    assert!(largest(delta(&adapters), delta(&adapters)) > 1e-4);
    let mean = (0..2000).map(|_| delta(&adapters)).reduce(|a, b| a + b).unwrap() / 2000.0;
    assert!(largest(mean, exact.clone()) < 0.1);
    assert!(largest(delta(&adapters.valid()), exact) < 1e-5);
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let device = Device::default();
    let net = Net::new([10, 7, 5], &device);
    let refused = |config: AdaLoraConfig| {
        let selection = config.selection(Vec::<String>::new());
        Adapters::attach(&net, &selection, &config, 0, &device).unwrap_err()
    };
    let good = || config(3, 2, schedule(20));
    let too_large = refused(config(6, 2, schedule(20)));
    assert_eq!(too_large.to_string(), "down [d_in 7, d_out 5]: adapter rank 6 exceeds min(7, 5)");
    let of_field = |config, expected: &str| match refused(config) {
        peft_core::Error::Config { field, .. } => assert_eq!(field, expected),
        other => panic!("{other:?}"),
    };
    of_field(config(0, 0, schedule(20)), "init_r");
    of_field(config(3, 4, schedule(20)), "target_r");
    of_field(AdaLoraConfig { beta1: 1.0, ..good() }, "beta1");
    of_field(AdaLoraConfig { beta2: 0.0, ..good() }, "beta2");
    of_field(AdaLoraConfig { orth_reg_weight: -0.1, ..good() }, "orth_reg_weight");
    of_field(AdaLoraConfig { lora_alpha: 0.0, ..good() }, "lora_alpha");
    of_field(AdaLoraConfig { lora_dropout: f64::NAN, ..good() }, "lora_dropout");
    of_field(AdaLoraConfig { rank_pattern: [("up.lora_E".to_owned(), vec![true])].into(), ..good() }, "rank_pattern");
    of_field(
        AdaLoraConfig { rank_pattern: [("up.lora_E".to_owned(), vec![true; 3])].into(), ..good() },
        "rank_pattern",
    );

    // A folder that names the adapter too, as older versions of PEFT wrote it.
    let named = [("up.lora_E.default".to_owned(), vec![true, false, true])].into();
    assert_eq!(AdaLoraConfig { rank_pattern: named, ..good() }.rank_at("up").unwrap(), 2);
    for (json, word) in [
        (json!({"target_modules": ["q"]}), "total_step"),
        (json!({"target_modules": ["q"], "total_step": null}), "null"),
        (json!({"total_step": 9}), "target_modules"),
    ] {
        let error = serde_json::from_value::<AdaLoraConfig>(json).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn runs_that_cannot_allocate_are_refused() {
    let device = Device::default();
    let net = Net::new([10, 7, 5], &device);
    let of = |config: &AdaLoraConfig| {
        let adapters = attach(&net, config, 0, &device);
        AdaLoraOptimizer::new(AdamWConfig::new().init(), config, &adapters).unwrap_err()
    };
    let seldom = Schedule { tinit: 200, tfinal: 200, delta_t: 5000, total_step: 7485 };
    assert!(matches!(of(&config(3, 2, seldom)), Error::TooFewAllocations { firings: 2, .. }));
    let endless = Schedule { tinit: 0, tfinal: 0, delta_t: 1, total_step: 50 };
    assert!(matches!(of(&config(3, 2, endless)), Error::NoFinalPhase { total_step: 50 }));
    let pattern = ["up", "down"].map(|p| (format!("{p}.lora_E"), vec![true, false, true])).into();
    let pruned = AdaLoraConfig { rank_pattern: pattern, ..config(3, 2, schedule(20)) };
    assert!(matches!(of(&pruned), Error::OtherRank { expected: 3, found: 2, .. }));
    let none = attach(&net, &config(3, 2, schedule(20)), 0, &device);
    let other = attach(&net, &config(2, 1, schedule(20)), 0, &device);
    assert!(matches!(RankAllocator::new(&config(2, 1, schedule(20)), &none), Err(Error::OtherRank { .. })));

    // Before the end, ranks are not final; and the module that is stepped must hold the adapters.
    let config = config(3, 2, schedule(20));
    let task = Task::new([10, 7, 5], 1, &config);
    let adapters = attach(&task.net, &config, 0, &device.clone().autodiff());
    let mut optimizer = AdaLoraOptimizer::new(AdamWConfig::new().init(), &config, &adapters).unwrap();
    assert!(matches!(optimizer.allocator().pruned(&config, &adapters), Err(Error::NotFinal { step: 0, last: 14 })));
    let (_, gradients) = task.gradients(&adapters);
    let error = optimizer.step(0.02, other, gradients).unwrap_err();
    assert_eq!(error.to_string(), "up.lora_A: not among the parameters of the module that was stepped");
    let error = optimizer.step(0.02, adapters, GradientsParams::new()).unwrap_err();
    assert!(matches!(error, Error::NoGradients { step: 0 }), "{error}");
}

#[test]
fn a_layer_that_takes_no_part_in_the_loss_loses_its_triplets() {
    let config = config(4, 2, schedule(40));
    let task = Task::new([10, 7, 9], 1, &config);
    let mut adapters = attach(&task.net, &config, 0, &Device::default().autodiff());
    let mut optimizer = AdaLoraOptimizer::new(AdamWConfig::new().init(), &config, &adapters).unwrap();
    for _ in 0..40 {
        let y = linear(&adapters.bind(&task.net).unwrap(), &task.net.up, task.x.clone());
        let loss = (y - 1.0).powi_scalar(2).mean(); // `down` is not asked
        let gradients = GradientsParams::from_grads(loss.backward(), &adapters);
        (adapters, _) = optimizer.step(0.02, adapters, gradients).unwrap();
    }
    assert_eq!(optimizer.summary().ranks, [("down".to_owned(), 0), ("up".to_owned(), 4)].into());
}

#[test]
fn a_run_that_diverged_says_so_at_the_next_allocation() {
    let config = config(3, 2, schedule(20));
    let task = Task::new([10, 7, 5], 1, &config);
    let mut adapters = attach(&task.net, &config, 0, &Device::default().autodiff());
    let mut optimizer = AdaLoraOptimizer::new(AdamWConfig::new().init(), &config, &adapters).unwrap();
    for _ in 0..3 {
        (adapters, _) = task.step(adapters, &mut optimizer);
    }
    let (_, gradients) = task.gradients(&adapters);
    let error = optimizer.step(f64::NAN, adapters, gradients).unwrap_err();
    assert!(matches!(error, Error::NotFinite { step: 3, index: 0, .. }), "{error}");
}

#[test]
fn adapters_of_an_earlier_step_are_not_pruned_by_the_final_pattern() {
    let config = config(4, 2, schedule(20));
    let task = Task::new([10, 7, 9], 1, &config);
    let mut adapters = attach(&task.net, &config, 0, &Device::default().autodiff());
    let mut optimizer = AdaLoraOptimizer::new(AdamWConfig::new().init(), &config, &adapters).unwrap();
    let mut early = None;
    for step in 0..20 {
        (adapters, _) = task.step(adapters, &mut optimizer);
        early = if step == 1 { Some(adapters.clone()) } else { early };
    }
    let early = early.unwrap();
    assert!(optimizer.allocator().pruned(&config, &adapters).is_ok());
    assert!(matches!(optimizer.allocator().pruned(&config, &early), Err(Error::NotMasked { .. })));
    let (whole, same) = prune_zeros(&config, &early);
    assert_eq!((whole.rank_at("up").unwrap(), bits(&same)), (4, bits(&early)));
}

/// A rule that drops, keeps and restores, and remembers how often it was asked.
#[derive(Debug, Default)]
struct Sampling {
    asked: u64,
}

impl MaskToBudget for Sampling {
    fn decide(&mut self, ranking: &Ranking) -> Result<Vec<Vec<Fate>>> {
        self.asked += 1;
        let back = Fate { kept: true, lambda: Some(0.25) };
        Ok(ranking
            .sites
            .iter()
            .map(|s| s.scores.iter().enumerate().map(|(i, _)| if i == 0 { back } else { Fate::DROP }).collect())
            .collect())
    }
    fn memory(&self) -> Value {
        json!({"asked": self.asked})
    }
    fn remember(&mut self, memory: Value) -> Result<()> {
        self.asked = memory["asked"].as_u64().ok_or_else(|| Error::State { reason: "asked".into() })?;
        Ok(())
    }
}

#[test]
fn another_rule_takes_the_place_of_adalora_s() {
    let config = config(3, 2, schedule(20));
    let task = Task::new([10, 7, 5], 1, &config);
    let mut adapters = attach(&task.net, &config, 0, &Device::default().autodiff());
    let new =
        |adapters: &Adapters<SvdLinear>| RankAllocator::with_rule(&config, adapters, Sampling::default()).unwrap();
    let mut optimizer = AdaLoraOptimizer::from_parts(AdamWConfig::new().init(), new(&adapters));
    for step in 0..6 {
        let report;
        (adapters, report) = task.step(adapters, &mut optimizer);
        if step >= 3 {
            assert_eq!(report.kept, 2);
            for (_, adapter) in adapters.iter() {
                assert_eq!(host(adapter.lora_E.val()), [0.25, 0.0, 0.0]);
                assert!(adapter.lora_E.is_require_grad());
            }
        }
    }
    assert_eq!(optimizer.allocator().rule().asked, 3);
    let resumed = new(&adapters).resumed(&optimizer.allocator().to_bytes().unwrap()).unwrap();
    assert_eq!(resumed.rule().asked, 3);
}

#[test]
fn damaged_or_foreign_states_are_errors() {
    let config = config(3, 2, schedule(20));
    let task = Task::new([10, 7, 5], 1, &config);
    let mut adapters = attach(&task.net, &config, 0, &Device::default().autodiff());
    let mut optimizer = AdaLoraOptimizer::new(AdamWConfig::new().init(), &config, &adapters).unwrap();
    for _ in 0..4 {
        (adapters, _) = task.step(adapters, &mut optimizer);
    }
    let good = optimizer.allocator().to_bytes().unwrap();
    let resume = |config: &AdaLoraConfig, adapters: &Adapters<SvdLinear>, bytes: &[u8]| match RankAllocator::new(
        config, adapters,
    )
    .unwrap()
    .resumed(bytes)
    {
        Ok(_) => "fine".to_owned(),
        Err(Error::State { reason }) => reason,
        Err(other) => panic!("{other:?}"),
    };
    assert_eq!(resume(&config, &adapters, &good), "fine");
    for bytes in [&good[..0], &good[..7], &good[..100], &good[..good.len() - 1], b"no file", &[0xff; 64]] {
        assert_ne!(resume(&config, &adapters, bytes), "fine");
    }
    let other = AdaLoraConfig { schedule: schedule(30), ..config.clone() };
    assert!(resume(&other, &adapters, &good).contains("of a run with"));
    let one = AdaLoraConfig { target_modules: Targets::suffixes(["up"]), ..config.clone() };
    let fewer = attach(&task.net, &one, 0, &Device::default());
    assert!(resume(&one, &fewer, &good).contains("12 tensors, expected 6"));
    let wider = attach(&Net::new([11, 7, 5], &Device::default()), &config, 0, &Device::default());
    assert!(resume(&config, &wider, &good).contains("up.lora_A.exp_avg_ipt is F32 [10, 3], expected F32 [11, 3]"));
    let mut nan = good.clone();
    let last = nan.len() - 4;
    nan[last..].copy_from_slice(&f32::NAN.to_le_bytes());
    assert!(resume(&config, &adapters, &nan).contains("NaN"));
}
