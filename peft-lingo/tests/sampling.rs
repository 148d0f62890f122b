//! What adaptive rank sampling promises, mode by mode.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::{Device, Tensor, TensorData};
use peft_adalora::{
    AdaLoraConfig, AdaLoraOptimizer, Fate, MaskToBudget, RankAllocator, Ranking, Schedule, SiteScores, Summary,
    SvdLinear, TopBudget,
};
use peft_core::{Adapters, Hooks, Targets, linear};
use peft_lingo::{Described, Draws, Released, Rule, Sampling, released_start, schedule_of};
use proptest::prelude::*;

const SCHEDULE: Schedule = Schedule { tinit: 4, tfinal: 10, delta_t: 1, total_step: 40 };

fn ranking(step: usize, budget: usize, sites: &[Vec<(f32, f32)>]) -> Ranking {
    let site = |(i, triplets): (usize, &Vec<(f32, f32)>)| SiteScores {
        path: format!("layer.{i}"),
        scores: triplets.iter().map(|t| t.0).collect(),
        lambdas: triplets.iter().map(|t| t.1).collect(),
    };
    Ranking { step, budget, schedule: SCHEDULE, sites: sites.iter().enumerate().map(site).collect() }
}

fn kept(fates: &[Vec<Fate>]) -> usize {
    fates.iter().flatten().filter(|f| f.kept).count()
}

/// Layers of triplets: a score, often 0, and a singular value.
fn layers() -> impl Strategy<Value = Vec<Vec<(f32, f32)>>> {
    let score = prop_oneof![1 => Just(0.0_f32), 4 => 0.0_f32..1.0, 1 => 1e-9_f32..1e-7];
    prop::collection::vec(prop::collection::vec((score, -1.0_f32..1.0), 1..6), 1..6)
}

proptest! {
    #[test]
    fn annealed_meets_the_budget_and_ends_as_adalora(
        layers in layers(), step in 5_usize..=30, budget in 0_usize..40, seed: u64, temperature in 0.0_f64..4.0,
    ) {
        let Rule::Annealed(mut rule) = Sampling::Annealed { temperature }.rule(seed).unwrap() else { unreachable!() };
        let now = ranking(step, budget, &layers);
        let fates = rule.decide(&now).unwrap();
        prop_assert_eq!(kept(&fates), budget.min(now.triplets()));
        prop_assert!(fates.iter().flatten().all(|f| *f == Fate::KEEP || *f == Fate::DROP));
        prop_assert_eq!(&fates, &rule.clone().decide(&now).unwrap());
        let last = ranking(SCHEDULE.last_allocation(), budget, &layers);
        prop_assert_eq!(rule.temperature_at(&last), 0.0);
        prop_assert_eq!(rule.decide(&last).unwrap(), TopBudget.decide(&last).unwrap());
        let mut cold = Sampling::Annealed { temperature: 0.0 }.rule(seed).unwrap();
        prop_assert_eq!(cold.decide(&now).unwrap(), TopBudget.decide(&now).unwrap());
    }

    /// A run of allocations with a falling budget, in which scores and λ change between two of them.
    #[test]
    fn described_meets_the_budget_and_gives_back_what_it_took(
        runs in prop::collection::vec(prop::collection::vec((0.0_f32..1.0, -1.0_f32..1.0), 12), 3..9),
        share in 0.0_f64..=1.0, seed: u64,
    ) {
        let mut rule = Described::new(share, seed);
        let mut saved: BTreeMap<usize, f32> = BTreeMap::new();
        for (t, values) in runs.iter().enumerate() {
            let budget = 12 - (t + 1).min(8);
            let layers: Vec<Vec<(f32, f32)>> = values.chunks(4).map(<[_]>::to_vec).collect();
            let now = ranking(5 + t, budget, &layers);
            // A run that is cut here and resumed decides the same.
            let mut resumed = Described::new(share, seed);
            resumed.remember(serde_json::from_str(&rule.memory().to_string()).unwrap()).unwrap();
            let fates = rule.decide(&now).unwrap();
            prop_assert_eq!(&fates, &resumed.decide(&now).unwrap());
            prop_assert_eq!(kept(&fates), budget);
            let mut back = 0;
            for (i, fate) in fates.iter().flatten().enumerate() {
                match (fate.kept, saved.get(&i).copied()) {
                    (true, Some(lambda)) => {
                        prop_assert_eq!(fate.lambda.map(f32::to_bits), Some(lambda.to_bits()));
                        saved.remove(&i);
                        back += 1;
                    }
                    (true, None) => prop_assert_eq!(fate.lambda, None),
                    (false, pruned) => {
                        prop_assert_eq!(fate.lambda, Some(0.0));
                        saved.insert(i, pruned.unwrap_or(values[i].1));
                    }
                }
            }
            let pool: usize = rule.pool().values().flatten().flatten().count();
            prop_assert_eq!(pool, 12 - budget);
            let could = if t == 0 { 0 } else { 12 - (12 - t.min(8)) };
            let wanted = (share * budget as f64).round() as usize;
            prop_assert_eq!(back, wanted.max((budget + could).saturating_sub(12)).min(could).min(budget));
        }
    }

    #[test]
    fn released_is_its_formula(layers in layers(), budget in 0_usize..20, seed: u64) {
        let now = ranking(6, budget, &layers);
        let draw = |what: u8, n: usize, at: usize| (0..n).map(|i| {
            f32::from(peft_core::site_seed(seed, &format!("{what} {at} {i}"))[0]) / 256.0
        }).collect::<Vec<f32>>();
        let draws: BTreeMap<_, _> = layers.iter().enumerate()
            .map(|(at, l)| (format!("layer.{at}"), [draw(0, l.len(), at), draw(1, l.len(), at)])).collect();
        let mut rule = Released { share: 0.1, draws: Draws::Recorded([(6, draws.clone())].into()) };
        let fates = rule.decide(&now).unwrap();
        for (at, site) in now.sites.iter().enumerate() {
            let [u, v] = &draws[&format!("layer.{at}")];
            for i in 0..site.scores.len() {
                let low = now.threshold().is_some_and(|threshold| site.scores[i] <= threshold);
                let (drop_low, drop_high) = (low && u[i] >= 0.1, !low && v[i] < 0.1);
                prop_assert_eq!(fates[at][i].kept, !(drop_low || drop_high));
                prop_assert_eq!(fates[at][i].lambda, (low || drop_high).then_some(0.0));
            }
        }
        let other = ranking(7, budget, &layers);
        prop_assert!(rule.decide(&other).unwrap_err().to_string().contains("step 7"));
    }
}

#[derive(Module, Debug)]
struct Net {
    up: Linear,
    down: Linear,
}

fn net(device: &Device) -> Net {
    let layer = |d_in, d_out, seed: u64| {
        let mut layer = LinearConfig::new(d_in, d_out).with_bias(false).init(device);
        layer.weight = layer.weight.map(|_| values([d_in, d_out], seed, device));
        layer
    };
    Net { up: layer(8, 10, 1), down: layer(10, 6, 2) }
}

fn values<const D: usize>(shape: [usize; D], seed: u64, device: &Device) -> Tensor<D> {
    let n: usize = shape.iter().product();
    let blocks = (0..n.div_ceil(32)).flat_map(|i| peft_core::site_seed(seed, &i.to_string()));
    let values: Vec<f32> = blocks.take(n).map(|b| f32::from(b) / 255.0 - 0.5).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

type Bits = Vec<(String, Vec<u32>)>;

/// 30 steps; with `cut`, stopped there and resumed from the bytes of the allocator.
fn train(sampling: Sampling, seed: u64, cut: Option<usize>) -> (Summary, Bits) {
    let device = Device::default();
    let base = net(&device);
    let schedule = schedule_of(30, 1, 1.0).unwrap();
    let config = AdaLoraConfig { init_r: 4, target_r: 2, ..AdaLoraConfig::for_targets(Targets::AllLinear, schedule) };
    let selection = config.selection(Vec::<String>::new());
    let adapters = Adapters::attach(&base, &selection, &config, 3, &device.clone().autodiff()).unwrap();
    let mut adapters: Adapters<SvdLinear> = released_start(adapters, 3);
    let allocator = |adapters: &Adapters<SvdLinear>| {
        RankAllocator::with_rule(&config, adapters, sampling.rule(seed).unwrap()).unwrap()
    };
    let mut optimizer = AdaLoraOptimizer::from_parts(AdamWConfig::new().init(), allocator(&adapters));
    let (x, y) = (values([1, 16, 8], 5, &device), values([1, 16, 6], 6, &device));
    for step in 0..30 {
        let forward = |hooks: &dyn Hooks| linear(hooks, &base.down, linear(hooks, &base.up, x.clone()).tanh());
        let loss = (forward(&adapters.bind(&base).unwrap()) - y.clone()).powi_scalar(2).mean();
        let gradients = GradientsParams::from_grads(loss.backward(), &adapters);
        let report;
        (adapters, report) = optimizer.step(0.02, adapters, gradients).unwrap();
        if !matches!(sampling, Sampling::Released { .. }) && report.ranking.is_some() {
            assert_eq!(report.kept, report.budget, "{sampling:?}, step {step}");
        }
        if cut == Some(step) {
            let bytes = optimizer.allocator().to_bytes().unwrap();
            let state = optimizer.inner().clone();
            optimizer = AdaLoraOptimizer::from_parts(state, allocator(&adapters).resumed(&bytes).unwrap());
        }
    }
    let bits = |t: Tensor<2>| t.to_data().iter::<f32>().map(f32::to_bits).collect::<Vec<_>>();
    let all = adapters.iter().map(|(path, a)| {
        (path.to_owned(), [bits(a.lora_A.val()), bits(a.lora_E.val()), bits(a.lora_B.val())].concat())
    });
    (optimizer.summary(), all.collect())
}

#[test]
fn one_seed_one_run_to_the_bit_and_cut_in_two() {
    for sampling in [Sampling::AdaLora, Sampling::RELEASED, Sampling::DESCRIBED, Sampling::ANNEALED] {
        let (summary, bits) = train(sampling, 1, None);
        assert_eq!((summary.clone(), bits.clone()), train(sampling, 1, None), "{sampling:?}");
        assert_eq!((summary.clone(), bits.clone()), train(sampling, 1, Some(14)), "{sampling:?}");
        assert!(summary.is_final && summary.allocations.len() >= 3, "{sampling:?}: {summary}");
        assert_eq!(summary.histogram().values().sum::<usize>(), 2);
        if !matches!(sampling, Sampling::AdaLora) {
            assert_ne!(bits, train(sampling, 2, None).1, "{sampling:?} does not follow its seed");
        }
        if !matches!(sampling, Sampling::Released { .. }) {
            assert_eq!(summary.ranks.values().sum::<usize>(), 4, "{sampling:?}: {summary}");
        }
        println!("{}: {summary}", sampling.name());
    }
}

#[test]
fn modes_by_name_and_settings_that_make_no_sense() {
    for name in ["adalora", "released", "described", "annealed"] {
        assert_eq!(name.parse::<Sampling>().unwrap().name(), name);
    }
    assert!("anealed".parse::<Sampling>().unwrap_err().to_string().contains("annealed"));
    assert!(Sampling::Described { share: 1.5 }.rule(0).is_err());
    assert!(Sampling::Released { share: f64::NAN }.rule(0).is_err());
    assert!(Sampling::Annealed { temperature: -1.0 }.rule(0).is_err());
    assert!(schedule_of(24, 8, 1.0).unwrap_err().to_string().contains("3 steps"));
    assert_eq!(schedule_of(25, 8, 1.0).unwrap().total_step, 4);
}
