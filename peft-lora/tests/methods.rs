//! What every kind of LoRA, DoRA and IA3 promises, on one small model.

mod common;

use std::collections::BTreeMap;

use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::{Device, Distribution, Tensor, TensorData};
use common::*;
use peft_core::{
    AdapterFolder, AdapterSet, Adapters, Contents, Error, FolderAdapter, FolderConfig, Hooks, LinearAdapter, Method,
    Plain, Targets, linear, write_folder,
};
use peft_lora::{Bias, Ia3Config, LoraConfig, LoraPlus, Start};
use proptest::prelude::*;

fn ia3() -> Ia3Config {
    Ia3Config { modules_to_save: vec!["lm_head".into()], ..Ia3Config::new(["query", "down"], ["down"]) }
}

fn ia3_of(net: &Net, device: &Device) -> Adapters<peft_lora::Ia3Linear> {
    Adapters::attach(net, &ia3().selection(Vec::<String>::new()), &ia3(), 1, device).unwrap()
}

/// A new adapter changes nothing; after noise on everything that is trained, merged is hooked, and unmerged is what was.
fn check_laws<A: LinearAdapter>(name: &str, net: &Net, adapters: Adapters<A>, seed: u64) {
    let ids = ids(2, 3, seed);
    let before = effect(net, &adapters, &ids);
    assert!(before < 2e-6, "{name}: a new adapter changes outputs by {before}");
    let trained = shaken(adapters, seed);
    let bits = net.bits();
    let hooked = net.forward(ids.clone(), &trained.bind(net).unwrap());
    assert!(largest(hooked.clone(), net.forward(ids.clone(), &Plain)) > 1e-4, "{name}: a trained adapter does nothing");
    let merged = trained.merge_keeping(net.clone()).unwrap();
    let difference = largest(hooked, merged.model.forward(ids, &Plain));
    assert!(difference < 1e-5, "{name}: merged and hooked differ by {difference}");
    assert!(merged.report.largest_output_drift() < 1e-5, "{name}: {:?}", merged.report);
    assert!(merged.report.largest_change() > 1e-4, "{name}");
    assert_eq!(merged.unmerge().bits(), bits, "{name}: unmerged");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn new_adapters_change_nothing_and_merged_is_hooked(seed in 0u64..1 << 40) {
        let device = Device::default();
        let net = Net::new(seed, &device);
        for (name, config) in every_kind() {
            check_laws(name, &net, attach(&net, &config, seed, &device), seed);
        }
        check_laws("ia3", &net, ia3_of(&net, &device), seed);
    }
}

/// What is written is read, to the bit, and acts alike.
fn check_folder<A: FolderAdapter, C: FolderConfig + Method<Adapter = A> + PartialEq + std::fmt::Debug>(
    name: &str,
    net: &Net,
    config: &C,
    adapters: Adapters<A>,
    attach: impl Fn(&C) -> Adapters<A>,
) {
    let adapters = shaken(adapters, 5);
    let dir = tempfile::tempdir().unwrap();
    let modules = BTreeMap::new();
    let contents = Contents { config, adapters: &adapters, base_model: None, modules: &modules, genome: None };
    write_folder(dir.path(), &contents).unwrap();
    let folder = AdapterFolder::read(dir.path()).unwrap();
    let read: C = folder.config().unwrap();
    assert_eq!(read, *config, "{name}");
    let loaded = folder.load(attach(&read)).unwrap();
    assert!(loaded.modules.is_empty() && loaded.base_layers.is_empty(), "{name}");
    let ids = ids(2, 3, 1);
    let outputs = |a: &Adapters<A>| net.forward(ids.clone(), &a.bind(net).unwrap()).to_data();
    assert_eq!(outputs(&loaded.adapters), outputs(&adapters), "{name}");
}

#[test]
fn folders_keep_every_kind() {
    let device = Device::default();
    let net = Net::new(3, &device);
    for (name, config) in every_kind() {
        // Another seed: what is read must not depend on it.
        check_folder(name, &net, &config, attach(&net, &config, 1, &device), |c| attach(&net, c, 2, &device));
    }
    check_folder("ia3", &net, &ia3(), ia3_of(&net, &device), |_| ia3_of(&net, &device));
}

#[test]
fn names_and_shapes_in_folders_are_peft_s() {
    let device = Device::default();
    let net = Net::new(3, &device);
    let names = |config: &LoraConfig| -> Vec<(String, Vec<usize>)> {
        let tensors = peft_core::folder::adapter_tensors(&attach(&net, config, 1, &device));
        let mut names: Vec<_> = tensors.into_iter().map(|(n, t)| (n, t.shape().to_vec())).collect();
        names.sort();
        names
    };
    let own = |list: &[(&str, &[usize])]| -> Vec<(String, Vec<usize>)> {
        list.iter().map(|(n, s)| ((*n).to_owned(), s.to_vec())).collect()
    };
    let embedding = LoraConfig { r: 2, use_dora: true, ..LoraConfig::new(["embed"]) };
    assert_eq!(
        names(&embedding),
        own(&[
            ("embed.lora_embedding_A", &[2, WORDS]),
            ("embed.lora_embedding_B", &[D, 2]),
            ("embed.lora_magnitude_vector", &[D]),
        ])
    );
    let all = LoraConfig { r: 2, bias: Bias::All, ..LoraConfig::new(["1.query"]) };
    assert_eq!(
        names(&all),
        own(&[
            ("layer.0.norm.bias", &[D]),
            ("layer.0.query.bias", &[D]),
            ("layer.0.up.bias", &[2 * D]),
            ("layer.1.norm.bias", &[D]),
            ("layer.1.query.base_layer.bias", &[D]),
            ("layer.1.query.lora_A.weight", &[2, D]),
            ("layer.1.query.lora_B.weight", &[D, 2]),
            ("layer.1.up.bias", &[2 * D]),
            ("output.bias", &[WORDS]),
        ])
    );
    let saved = LoraConfig {
        r: 2,
        lora_bias: true,
        bias: Bias::LoraOnly,
        modules_to_save: vec!["lm_head".into(), "norm".into(), "no_such_head".into()],
        layers_to_transform: Some(0.into()),
        layers_pattern: Some("layer".to_owned().into()),
        ..LoraConfig::new(["up", "norm"])
    };
    let error = Adapters::attach(&net, &saved.selection(Vec::<String>::new()), &saved, 1, &device).unwrap_err();
    assert!(matches!(error, Error::NoMatch { pattern, .. } if pattern == "norm"), "norms are no targets");
    assert_eq!(
        names(&LoraConfig { target_modules: Targets::suffixes(["up"]), ..saved }),
        own(&[
            ("layer.0.norm.bias", &[D]),
            ("layer.0.norm.weight", &[D]),
            ("layer.0.up.base_layer.bias", &[2 * D]),
            ("layer.0.up.lora_A.weight", &[2, D]),
            ("layer.0.up.lora_B.bias", &[2 * D]),
            ("layer.0.up.lora_B.weight", &[2 * D, 2]),
            ("layer.1.norm.bias", &[D]),
            ("layer.1.norm.weight", &[D]),
            ("lm_head.weight", &[WORDS, D]),
        ])
    );
}

/// Five steps; the loss falls, every trained tensor moves, and the base has not moved by a bit.
fn check_training<A: LinearAdapter>(name: &str, net: &Net, mut adapters: Adapters<A>) {
    let (before, ids) = (net.bits(), ids(4, 6, 9));
    let next = ids.clone().reshape([24]);
    let mut optimizer = AdamWConfig::new().init();
    let mut losses: Vec<f32> = Vec::new();
    let start = adapters.clone();
    for _ in 0..5 {
        let logits = net.forward(ids.clone(), &adapters.bind(net).unwrap()).reshape([24, WORDS]);
        let loss = CrossEntropyLossConfig::new().init(&logits.device()).forward(logits, next.clone());
        losses.push(loss.clone().into_scalar());
        let mut gradients = loss.backward();
        assert!(GradientsParams::from_module(&mut gradients, net).is_empty(), "{name}: the base has gradients");
        let gradients = GradientsParams::from_grads(gradients, &adapters);
        adapters = optimizer.step(0.02, adapters, gradients);
    }
    assert!(losses[4] < losses[0] && losses.iter().all(|l| l.is_finite()), "{name}: {losses:?}");
    assert_eq!(net.bits(), before, "{name}");
    let names = |adapters: &Adapters<A>| format!("{:?}", adapters.shapes().collect::<Vec<_>>());
    assert_eq!(names(&adapters), names(&start));
    let moved: Vec<f32> = adapters
        .copies()
        .zip(start.copies())
        .map(|((_, now), (_, then))| {
            now.values().iter().zip(then.values()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
        })
        .collect();
    assert!(moved.iter().all(|m| *m > 1e-3), "{name}: {moved:?}");
}

#[test]
fn every_kind_trains_and_leaves_the_base_alone() {
    let plain = Device::default();
    let net = Net::new(3, &plain);
    let autodiff = plain.clone().autodiff();
    for (name, config) in every_kind() {
        check_training(name, &net, attach(&net, &config, 1, &autodiff));
        let dropout = LoraConfig { lora_dropout: 0.1, ..config };
        check_training(&format!("{name}, dropout"), &net, attach(&net, &dropout, 1, &autodiff));
    }
    check_training("ia3", &net, ia3_of(&net, &autodiff));
}

/// DoRA's formula, computed slowly: the direction is normalised, the magnitude multiplied in.
#[test]
fn dora_is_equation_5() {
    let device = Device::default();
    let net = Net::new(4, &device);
    for start in [Start::KaimingUniform, Start::PISSA] {
        let config = LoraConfig { r: 2, use_dora: true, init_lora_weights: start, ..LoraConfig::new(["0.query"]) };
        let fresh = attach(&net, &config, 2, &device);
        let first = fresh.get("layer.0.query").unwrap();
        let scale = first.scaling();
        let taken = match start {
            Start::PISSA => first.lora_A.val().matmul(first.lora_B.val()) * scale,
            _ => Tensor::zeros([D, D], &device),
        };
        let adapters = shaken(fresh, 7);
        let adapter = adapters.get("layer.0.query").unwrap();
        let layer = &net.layer[0].query;
        let x: Tensor<2> = Tensor::from_data(TensorData::new(noise(3 * D, 5), [3, D]), &device);
        let w = layer.weight.val() - taken + adapter.lora_A.val().matmul(adapter.lora_B.val()) * scale; // [D, D]
        let norm = w.clone().powi_scalar(2).sum_dim(0).sqrt(); // [1, D]
        let m = adapter.lora_magnitude_vector.as_ref().unwrap().val().reshape([1, D]);
        let slow = x.clone().matmul(w / norm * m) + layer.bias.as_ref().unwrap().val().reshape([1, D]);
        let fast = linear(&adapters.bind(&net).unwrap(), layer, x);
        assert!(largest(fast, slow) < 1e-5, "{start}");
    }
}

/// PEFT's formula with dropout: the frozen part is that of the inputs that were kept.
#[test]
fn dora_with_dropout_is_peft_s_formula() {
    let device = Device::default();
    let net = Net::new(4, &device);
    let config = LoraConfig { r: 2, use_dora: true, lora_dropout: 0.4, ..LoraConfig::new(["0.query"]) };
    let adapters = shaken(attach(&net, &config, 2, &device.clone().autodiff()), 7);
    let adapter = adapters.get("layer.0.query").unwrap();
    let layer = &net.layer[0].query;
    let x: Tensor<2> = Tensor::from_data(TensorData::new(noise(3 * D, 5), [3, D]), &device);
    device.seed(11);
    let fast = linear(&adapters.bind(&net).unwrap(), layer, x.clone());
    device.seed(11);
    let kept = x.clone() * x.random_like(Distribution::Bernoulli(0.6)) / 0.6; // [3, D]
    let (a, b) = (adapter.lora_A.val().without_autodiff(), adapter.lora_B.val().without_autodiff());
    let w = layer.weight.val();
    let delta = a.matmul(b) * adapter.scaling();
    let norm = (w.clone() + delta.clone()).powi_scalar(2).sum_dim(0).sqrt(); // [1, D]
    let m = adapter.lora_magnitude_vector.as_ref().unwrap().val().without_autodiff().reshape([1, D]) / norm;
    let slow = layer.forward(x) + (m.clone() - 1.0) * kept.clone().matmul(w) + m * kept.matmul(delta);
    assert!(largest(fast.clone(), slow) < 1e-5);
    // Evaluation drops nothing.
    let valid = adapters.valid();
    let once = linear(&valid.bind(&net).unwrap(), layer, Tensor::<2>::ones([2, D], &device));
    assert_eq!(once.to_data(), linear(&valid.bind(&net).unwrap(), layer, Tensor::<2>::ones([2, D], &device)).to_data());
}

/// No rank r matrix is nearer to W than PiSSA's start; OLoRA's columns are orthonormal.
#[test]
fn pissa_and_olora_take_the_best_out_of_the_base() {
    let device = Device::default();
    let net = Net::new(6, &device);
    let w = net.layer[0].query.weight.val(); // [D, D]
    let rest = |start: Start, r: usize| {
        let config = LoraConfig { r, init_lora_weights: start, ..LoraConfig::new(["0.query"]) };
        let adapters = attach(&net, &config, 1, &device);
        let a = adapters.get("layer.0.query").unwrap();
        assert!(a.has_residual());
        let taken = a.lora_A.val().matmul(a.lora_B.val()) * a.scaling();
        (a.clone(), (w.clone() - taken).powi_scalar(2).sum().into_scalar::<f32>())
    };
    let (mut last, full) = (f32::MAX, w.clone().powi_scalar(2).sum().into_scalar::<f32>());
    for r in 1..=D {
        let (_, pissa) = rest(Start::PISSA, r);
        assert!(pissa < last && pissa < full, "{r}: {pissa}");
        // What is left in a random direction of rank r is more.
        let (olora, by_qr) = rest(Start::Olora, r);
        assert!(pissa <= by_qr * 1.0001 / olora.scaling().powi(0) as f32 + 1e-6 || r == D);
        let q = olora.lora_B.val(); // [r, D]
        let gram = q.clone().matmul(q.transpose()) - Tensor::<2>::eye(r, &device);
        assert!(gram.abs().max().into_scalar::<f32>() < 1e-5);
        last = pissa;
    }
    assert!(last < 1e-8, "all of W at full rank: {last}");
}

#[test]
fn a_conversion_to_plain_lora_does_the_same() {
    let device = Device::default();
    let net = Net::new(6, &device);
    let ids = ids(2, 4, 1);
    for (start, use_rslora) in [(Start::PISSA, false), (Start::Olora, true), (Start::Pissa { niter: Some(4) }, true)] {
        let config = LoraConfig {
            r: 2,
            use_rslora,
            init_lora_weights: start,
            rank_pattern: [("1.query", 3)].into(),
            alpha_pattern: [("down", 5.0)].into(),
            ..LoraConfig::new(["query", "down"])
        };
        let adapters = shaken(attach(&net, &config, 1, &device), 3);
        let before = net.forward(ids.clone(), &adapters.bind(&net).unwrap());
        let (plain, converted) = config.converted(adapters.clone()).unwrap();
        assert_eq!(plain.init_lora_weights, Start::KaimingUniform);
        assert!(largest(before.clone(), net.forward(ids.clone(), &converted.bind(&net).unwrap())) < 1e-5);
        // Its folder is read by its settings alone.
        check_folder("converted", &net, &plain, converted, |c| attach(&net, c, 9, &device));
        for (path, a) in attach(&net, &plain, 1, &device).iter() {
            assert!((a.scaling() - adapters.get(path).unwrap().scaling()).abs() < 1e-12, "{path}");
        }
    }
    let wide = LoraConfig { r: 5, init_lora_weights: Start::PISSA, ..LoraConfig::new(["query"]) };
    let error = wide.converted(attach(&net, &wide, 1, &device)).unwrap_err();
    assert_eq!(error.to_string(), "layer.0.query [d_in 8, d_out 8]: twice the rank 5 exceeds min(8, 8)");
}

#[test]
fn lora_on_attention_and_ia3_on_feed_forward_at_once() {
    let device = Device::default();
    let net = Net::new(8, &device);
    let lora = shaken(attach(&net, &LoraConfig { r: 2, ..LoraConfig::new(["query"]) }, 1, &device), 2);
    let ia3 = Ia3Config::new(["down", "up"], ["down"]);
    let ia3 = Adapters::attach(&net, &ia3.selection(Vec::<String>::new()), &ia3, 1, &device).unwrap();
    let ia3 = shaken(ia3, 3);
    let ids = ids(2, 4, 1);
    let stack: [&dyn Hooks; 2] = [&lora.bind(&net).unwrap(), &ia3.bind(&net).unwrap()];
    let both = net.forward(ids.clone(), &stack);
    let (merged, _) = lora.merge(net.clone()).unwrap();
    let (merged, _) = ia3.merge(merged).unwrap();
    assert!(largest(both.clone(), merged.forward(ids.clone(), &Plain)) < 1e-5);

    // The same through names, and back to each alone.
    let mut set = AdapterSet::new();
    set.insert("lora", lora.clone(), &net).unwrap();
    set.insert("ia3", ia3.clone(), &net).unwrap();
    let through = |set: &AdapterSet| net.forward(ids.clone(), set);
    let alone = net.forward(ids.clone(), &Plain).to_data();
    assert_eq!(through(&set).to_data(), alone, "nothing is switched on");
    set.switch(["lora", "ia3"]).unwrap();
    assert_eq!(through(&set).to_data(), both.to_data());
    set.switch(["ia3"]).unwrap();
    assert_eq!(through(&set).to_data(), net.forward(ids.clone(), &ia3.bind(&net).unwrap()).to_data());
    set.disable();
    assert_eq!((through(&set).to_data(), set.active().count()), (alone.clone(), 0));
    set.enable();
    assert_eq!(set.active().collect::<Vec<_>>(), ["ia3"]);
    match set.switch(["lora", "lorra"]) {
        Err(Error::NoAdapter { name, resident }) => assert_eq!((name.as_str(), resident.len()), ("lorra", 2)),
        other => panic!("{other:?}"),
    }
    assert_eq!(set.active().collect::<Vec<_>>(), ["ia3"], "a failed switch changes nothing");
    set.remove("ia3").unwrap();
    assert_eq!(through(&set).to_data(), alone);
    assert!(set.remove("ia3").is_err() && set.names().collect::<Vec<_>>() == ["lora"]);
    assert_eq!(
        net.forward(ids.clone(), set.hooks("lora").unwrap()).to_data(),
        net.forward(ids, &lora.bind(&net).unwrap()).to_data()
    );
}

#[test]
fn lora_plus_moves_b_faster_by_its_ratio() {
    let plain = Device::default();
    let net = Net::new(8, &plain);
    let device = plain.clone().autodiff();
    let config = LoraConfig { r: 2, ..LoraConfig::new(["query", "embed"]) };
    let adapters = shaken(attach(&net, &config, 1, &device), 2);
    let plus = LoraPlus { ratio: 8.0, embedding_ratio: 0.5 };
    let groups = plus.groups(&adapters);
    let query = adapters.get("layer.0.query").unwrap();
    let embed = adapters.get("embed").unwrap();
    let factors = [query.lora_A.id, query.lora_B.id, embed.lora_A.id, embed.lora_B.id].map(|id| groups.factor(id));
    assert_eq!(factors, [1.0, 8.0, 0.5, 0.5]);

    let loss = net.forward(ids(2, 4, 1), &adapters.bind(&net).unwrap()).powi_scalar(2).mean();
    let gradients = GradientsParams::from_grads(loss.backward(), &adapters);
    let total = gradients.len();
    let parts = groups.split(gradients, &adapters);
    assert_eq!(parts.iter().map(|(_, g)| g.len()).sum::<usize>(), total);
    // Adam's first step is the rate times the sign, without weight decay.
    let mut optimizer = AdamWConfig::new().with_weight_decay(0.0).init();
    let mut stepped = adapters.clone();
    for (factor, gradients) in parts {
        stepped = optimizer.step(1e-3 * factor, stepped, gradients);
    }
    let now = stepped.get("layer.0.query").unwrap();
    let a = largest(now.lora_A.val(), query.lora_A.val());
    let b = largest(now.lora_B.val(), query.lora_B.val());
    assert!((a - 1e-3).abs() < 1e-5 && (b - 8e-3).abs() < 1e-5, "{a} {b}");
    let e = largest(stepped.get("embed").unwrap().lora_B.val(), embed.lora_B.val());
    assert!((e - 5e-4).abs() < 1e-5, "{e}");
}

#[test]
fn what_does_not_fit_is_said() {
    let device = Device::default();
    let net = Net::new(8, &device);
    let refused = |config: &LoraConfig| {
        Adapters::attach(&net, &config.selection(Vec::<String>::new()), config, 0, &device).unwrap_err().to_string()
    };
    let pissa = LoraConfig { init_lora_weights: Start::PISSA, ..LoraConfig::new(["embed"]) };
    assert_eq!(
        refused(&pissa),
        "embed [d_in 11, d_out 8]: init_lora_weights = \"pissa\" is for linear layers, not for embeddings"
    );
    let biased = LoraConfig { lora_bias: true, ..LoraConfig::new(["embed"]) };
    assert!(refused(&biased).contains("not for embeddings"), "{}", refused(&biased));

    // A bias has no place in a layer without one.
    let down = LoraConfig { r: 2, lora_bias: true, ..LoraConfig::new(["down"]) };
    let adapters = attach(&net, &down, 1, &device);
    adapters.merge(net.clone()).unwrap(); // still 0
    match shaken(adapters, 2).merge(net.clone()) {
        Err(Error::NotMergeable { path, reason }) => {
            assert_eq!(
                (path.as_str(), reason.as_str()),
                ("layer.0.down", "the adapter adds a bias, and the layer has none")
            );
        }
        other => panic!("{other:?}"),
    }

    // Copies of a base that is another.
    let saved = LoraConfig { modules_to_save: vec!["lm_head".into()], ..LoraConfig::new(["query"]) };
    let adapters = attach(&net, &saved, 1, &device);
    let mut other = net.clone();
    other.lm_head = burn::nn::LinearConfig::new(D, 5).with_bias(false).init(&device);
    let error = adapters.bind(&other).unwrap_err();
    assert!(error.is_mismatch());
    assert_eq!(error.to_string(), "lm_head.weight: the trained copy is [8, 11], the base model's parameter is [8, 5]");

    // A folder of other shapes: path and both shapes.
    let dir = tempfile::tempdir().unwrap();
    let modules = BTreeMap::new();
    let contents = Contents { config: &saved, adapters: &adapters, base_model: None, modules: &modules, genome: None };
    write_folder(dir.path(), &contents).unwrap();
    let error = AdapterFolder::read(dir.path()).unwrap().load(attach(&other, &saved, 1, &device)).unwrap_err();
    let file = dir.path().join("adapter_model.safetensors");
    assert_eq!(
        error.to_string(),
        format!("{}: tensor base_model.model.lm_head.weight is [11, 8], expected [5, 8]", file.display())
    );
    let ranked = LoraConfig { r: 4, ..saved.clone() };
    let error = AdapterFolder::read(dir.path()).unwrap().load(attach(&net, &ranked, 1, &device)).unwrap_err();
    assert!(error.to_string().ends_with("layer.0.query.lora_A.weight is [8, 8], expected [4, 8]"), "{error}");
}
