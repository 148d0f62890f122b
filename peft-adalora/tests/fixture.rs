//! What PEFT 0.21.2 recorded of its rank allocator and wrote into its adapter folders, without any model: budgets,
//! thresholds and rank patterns from the recorded scores; folders read and written back, also with ranks of zero.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use burn::module::ParamId;
use burn::tensor::Device;
use peft_adalora::{AdaLoraConfig, Fate, MaskToBudget, Ranking, SiteScores, SvdLinear, TopBudget};
use peft_core::{AdapterFolder, Adapters, Contents, Loaded, Site, SiteKind, write_folder};
use safetensors::SafeTensors;
use serde_json::Value;

const CASES: [&str; 3] = ["adalora_bert", "adalora_dnabert2", "adalora_opt_post"];

/// `testdata` at the root of the workspace, or where `GENOME_FIXTURES` says.
fn fixture(path: impl AsRef<Path>) -> PathBuf {
    let root = std::env::var_os("GENOME_FIXTURES")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata")), PathBuf::from);
    root.join(path)
}

fn json(file: PathBuf) -> Value {
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

fn floats(file: &SafeTensors<'_>, name: &str) -> Vec<f32> {
    let data = file.tensor(name).unwrap();
    data.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
}

/// The layers of a folder, from its tensors alone, with the ranks they have there.
fn layers(dir: &Path) -> Vec<Site> {
    let bytes = fs::read(dir.join("adapter_model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let names = file.names();
    let paths = names.iter().filter_map(|n| n.strip_prefix("base_model.model.")?.strip_suffix(".lora_A"));
    let mut paths: Vec<&str> = paths.collect();
    paths.sort_unstable();
    let size = |path: &str, suffix: &str, dim: usize| {
        file.tensor(&format!("base_model.model.{path}.{suffix}")).unwrap().shape()[dim]
    };
    let site = |path: &str| Site {
        path: path.to_owned(),
        id: ParamId::new(),
        shape: [size(path, "lora_A", 1), size(path, "lora_B", 0)],
        kind: SiteKind::Linear,
        device: Device::default(),
    };
    paths.into_iter().map(site).collect()
}

fn loaded(dir: &Path) -> (AdaLoraConfig, Loaded<SvdLinear>) {
    let folder = AdapterFolder::read(dir).unwrap();
    let config: AdaLoraConfig = folder.config().unwrap();
    let adapters = Adapters::at_sites(&layers(dir), &config, 0, &Device::default()).unwrap();
    (config, folder.load(adapters).unwrap())
}

#[test]
fn recorded_scores_give_the_recorded_patterns() {
    for case in CASES {
        let dir = fixture("peft").join(case);
        let config: AdaLoraConfig = AdapterFolder::read(&dir.join("init")).unwrap().config().unwrap();
        let trace = json(dir.join("trace.json"));
        let bytes = fs::read(dir.join("trace.safetensors")).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let steps = trace["per_step"].as_array().unwrap();
        let layers = layers(&dir.join("init"));
        let (initial, target) = (layers.len() * config.init_r, layers.len() * config.target_r);
        let (mut allocations, mut smallest) = (Vec::new(), config.init_r);
        for (step, record) in steps.iter().enumerate() {
            let budget = config.schedule.budget(step, initial, target);
            assert_eq!(budget as u64, record["budget"].as_u64().unwrap(), "{case} {step}");
            assert_eq!(config.schedule.allocates_at(step), record["allocated"].as_bool().unwrap(), "{case} {step}");
            if !config.schedule.allocates_at(step) {
                continue;
            }
            let name = |site: &Site| format!("{}.lora_E.default", site.path);
            let scores = |site: &Site| SiteScores {
                path: site.path.clone(),
                scores: floats(&tensors, &format!("step{step}.score.{}", name(site))),
                lambdas: vec![1.0; config.init_r],
            };
            let sites = layers.iter().map(scores).collect();
            let ranking = Ranking { step, budget, schedule: config.schedule, sites };
            let threshold = record["threshold"].as_f64().unwrap() as f32;
            assert_eq!(ranking.threshold(), Some(threshold), "{case} {step}");
            let fates = TopBudget.decide(&ranking).unwrap();
            for (site, fates) in layers.iter().zip(fates) {
                let kept: Vec<bool> = fates.iter().map(|f| *f == Fate::KEEP).collect();
                let recorded: Vec<bool> = serde_json::from_value(record["rank_pattern"][name(site)].clone()).unwrap();
                assert_eq!(kept, recorded, "{case} {step} {}", site.path);
                // What PEFT set to 0 is what we would.
                let lambdas = floats(&tensors, &format!("step{step}.E.{}", name(site)));
                assert!(kept.iter().zip(lambdas).all(|(kept, e)| *kept || e == 0.0), "{case} {step} {}", site.path);
                smallest = smallest.min(kept.iter().filter(|k| **k).count());
            }
            allocations.push(step);
        }
        assert_eq!(allocations, config.schedule.allocations().collect::<Vec<_>>(), "{case}");
        assert_eq!(allocations, [4, 6, 8, 10, 12, 14, 15]);
        assert!(case != "adalora_opt_post" || smallest == 0, "this case has layers that end without any triplet");
    }
}

/// LINGO's released rule (`lingo/` in the fixtures' README), with the draws that were recorded: another rule than
/// AdaLoRA's, which zeroes singular values that its pattern keeps, and drops important ones.
struct Released {
    keep: Vec<Vec<f32>>,
    prune: Vec<Vec<f32>>,
}

impl MaskToBudget for Released {
    fn decide(&mut self, ranking: &Ranking) -> peft_adalora::Result<Vec<Vec<Fate>>> {
        let threshold = ranking.threshold().unwrap_or(f32::NEG_INFINITY);
        let fate = |score: f32, u: f32, v: f32| {
            let low = score <= threshold;
            let drop = if low { u >= 0.1 } else { v < 0.1 };
            Fate { kept: !drop, lambda: (low || drop).then_some(0.0) }
        };
        let sites = ranking.sites.iter().zip(self.keep.iter().zip(&self.prune));
        Ok(sites.map(|(s, (u, v))| (0..u.len()).map(|i| fate(s.scores[i], u[i], v[i])).collect()).collect())
    }
}

#[test]
fn a_rule_that_samples_finds_all_it_needs() {
    let dir = fixture("lingo/ars_opt_pre_after_step");
    let config: AdaLoraConfig = AdapterFolder::read(&dir.join("init")).unwrap().config().unwrap();
    let trace = json(dir.join("trace.json"));
    let bytes = fs::read(dir.join("trace.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    // Torch's order of an OPT layer's parameters.
    let modules = ["self_attn.k_proj", "self_attn.v_proj", "self_attn.q_proj", "fc1", "fc2"];
    let paths: Vec<String> = (0..3).flat_map(|i| modules.map(|m| format!("model.decoder.layers.{i}.{m}"))).collect();
    let (mut allocations, mut sampled) = (0, 0);
    for (step, record) in trace["per_step"].as_array().unwrap().iter().enumerate() {
        let budget = config.schedule.budget(step, 6 * paths.len(), 2 * paths.len());
        assert_eq!(budget as u64, record["budget"].as_u64().unwrap(), "{step}");
        if !record["allocated"].as_bool().unwrap() {
            continue;
        }
        let of = |kind: &str| -> Vec<Vec<f32>> {
            (0..paths.len()).map(|j| floats(&tensors, &format!("step{step}.{kind}.{j}"))).collect()
        };
        let name = |path: &str| format!("{path}.lora_E.default");
        let sites = paths.iter().map(|path| SiteScores {
            path: path.clone(),
            scores: floats(&tensors, &format!("step{step}.score.{}", name(path))),
            lambdas: vec![1.0; 6],
        });
        let ranking = Ranking { step, budget, schedule: config.schedule, sites: sites.collect() };
        let fates = Released { keep: of("rand_keep"), prune: of("rand_prune") }.decide(&ranking).unwrap();
        for (path, fates) in paths.iter().zip(fates) {
            let kept: Vec<bool> = fates.iter().map(|f| f.kept).collect();
            let recorded: Vec<bool> = serde_json::from_value(record["rank_pattern"][name(path)].clone()).unwrap();
            assert_eq!(kept, recorded, "{step} {path}");
            let zeroed: Vec<bool> = fates.iter().map(|f| f.lambda.is_some()).collect();
            let lambdas = floats(&tensors, &format!("step{step}.E.{}", name(path)));
            assert_eq!(zeroed, lambdas.iter().map(|e| *e == 0.0).collect::<Vec<_>>(), "{step} {path}");
            sampled += kept.iter().zip(&zeroed).filter(|(kept, zeroed)| *kept == *zeroed).count();
        }
        allocations += 1;
    }
    assert!(allocations == 7 && sampled > 0, "{allocations} {sampled}");
}

#[test]
fn peft_s_folders_are_read_and_written_back() {
    for (case, state) in CASES.iter().flat_map(|case| [(case, "init"), (case, "final")]) {
        let dir = fixture("peft").join(case).join(state);
        let (config, loaded) = loaded(&dir);
        assert_eq!((config.init_r, config.target_r, config.lora_alpha), (6, 2, 8.0));
        let ranks: Vec<usize> = loaded.adapters.iter().map(|(_, a)| a.rank()).collect();
        match state {
            "init" => assert!(ranks.iter().all(|r| *r == 6), "{case}"),
            _ => assert_eq!(ranks.iter().sum::<usize>(), 2 * ranks.len(), "{case}: {ranks:?}"),
        }
        assert!(loaded.adapters.iter().all(|(_, a)| a.scaling() == 8.0 / (6.0 + 1e-5)));

        let copy = tempfile::tempdir().unwrap();
        let recorded = json(dir.join("adapter_config.json"));
        let contents = Contents {
            config: &config,
            adapters: &loaded.adapters,
            base_model: recorded["base_model_name_or_path"].as_str(),
            modules: &loaded.modules,
            genome: None,
        };
        write_folder(copy.path(), &contents).unwrap();
        let bytes = |dir: &Path| fs::read(dir.join("adapter_model.safetensors")).unwrap();
        let (ours, theirs) = (bytes(copy.path()), bytes(&dir));
        let tensors = |bytes: &[u8]| -> BTreeMap<String, (Vec<usize>, Vec<u8>)> {
            let file = SafeTensors::deserialize(bytes).unwrap();
            file.tensors().into_iter().map(|(n, t)| (n, (t.shape().to_vec(), t.data().to_vec()))).collect()
        };
        assert_eq!(tensors(&ours), tensors(&theirs), "{case} {state}");
        for (field, value) in json(copy.path().join("adapter_config.json")).as_object().unwrap() {
            assert_eq!(*value, recorded[field], "{case} {state}: {field}");
        }
    }
}

#[test]
fn a_layer_without_triplets_adds_nothing() {
    let dir = fixture("peft/adalora_opt_post/final");
    let (_, loaded) = loaded(&dir);
    let path = "model.decoder.layers.0.self_attn.k_proj";
    let adapter = loaded.adapters.get(path).unwrap();
    assert_eq!(adapter.rank(), 0);
    let delta = peft_core::LinearAdapter::delta_weight(adapter).unwrap();
    assert_eq!(delta.dims(), [48, 48]);
    assert!(delta.to_data().iter::<f32>().all(|v| v == 0.0));
}
