//! Fine-tuning end to end on real splice junctions, with a small random base.

use burn::tensor::Device;
use genome_formats::{Input, LabelSet, LabelledFile, Limits, read_labelled_input};
use genome_tokenize::TokenizerSpec;
use genome_train::classifier::Classifier;
use genome_train::examples::Examples;
use genome_train::finetune::{Data, FinetuneConfig, Finetuned, finetune, score};
use genome_train::foundation::Foundation;
use genome_train::render::Silent;
use genome_train::step_loop::{LogRow, Select};
use genome_train::tuning::{OnLayers, Plus, Tuning};
use model_zoo::checkpoint::{SaveDtype, export};
use model_zoo::heads::HeadKind;
use model_zoo::{BaseConfig, Purpose, seed};
use peft_core::Targets;
use peft_lora::{LoraConfig, LoraLinear, LoraPlus};
use std::sync::{Arc, Mutex};

/// LoRA beside its base.
type Lora = OnLayers<LoraLinear, LoraConfig>;

fn rows(name: &str, count: usize) -> LabelledFile {
    let path = format!("{}/../genome-cli/assets/splice_junction/{name}.csv", env!("CARGO_MANIFEST_DIR"));
    let text: String =
        std::fs::read_to_string(path).unwrap().lines().take(count + 1).map(|l| format!("{l}\n")).collect();
    read_labelled_input(Input::from_bytes(name, text.into_bytes()).unwrap(), Limits::default()).unwrap()
}

fn foundation(seed_number: u64) -> Foundation {
    let json = r#"{"model_type": "esm", "vocab_size": 10, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 16, "max_position_embeddings": 128, "pad_token_id": 0, "position_embedding_type": "rotary",
        "add_bias_fnn": false}"#;
    let base = BaseConfig::parse("test".as_ref(), json).unwrap().init(false, false, &Device::default());
    let dir = tempfile::tempdir().unwrap();
    seed::initialise(base, seed_number, 0.02).save(dir.path(), SaveDtype::F32).unwrap();
    TokenizerSpec::Letter.save(dir.path()).unwrap();
    Foundation::from_dir(dir.path(), Purpose::Encode, &Device::default()).unwrap()
}

struct Setup {
    foundation: Foundation,
    data: Data,
    task: genome_train::classifier::Task,
    lora: LoraConfig,
}

fn setup(config: &FinetuneConfig) -> Setup {
    let foundation = foundation(1);
    let (train, dev) = (rows("train", 320), rows("dev", 64));
    let labels = LabelSet::from_train(&train).unwrap();
    let task = config.task(&foundation, &labels).unwrap();
    let data = Data::new(&train, &dev, &labels, &foundation, &task).unwrap();
    let lora = LoraConfig { lora_dropout: 0.1, ..LoraConfig::for_targets(Targets::AllLinear) };
    Setup { foundation, data, task, lora }
}

fn train(
    s: &Setup,
    config: &FinetuneConfig,
    on_best: impl FnMut(&Classifier<Lora>) -> genome_train::Result<()> + Send + 'static,
) -> genome_train::Result<Finetuned<Lora>> {
    let tuning = OnLayers::attach(&s.foundation.base, s.lora.clone(), config.seed, &Device::default())?;
    train_with(s, config, tuning, on_best)
}

fn train_with<T: Tuning>(
    s: &Setup,
    config: &FinetuneConfig,
    tuning: T,
    on_best: impl FnMut(&Classifier<T>) -> genome_train::Result<()> + Send + 'static,
) -> genome_train::Result<Finetuned<T>> {
    let (renderer, observer) = (Box::new(Silent), Box::new(|_: &LogRow| ()));
    let device = Device::default();
    finetune(
        &s.foundation,
        &s.data,
        &s.task,
        tuning,
        config,
        &device,
        renderer,
        Default::default(),
        observer,
        Box::new(on_best),
    )
}

#[test]
fn learns_keeps_the_base_and_returns_the_best() {
    let config = FinetuneConfig { epochs: 8.0, eval_every: 10, ..FinetuneConfig::default() };
    let s = setup(&config);
    let before = export(&*s.foundation.base);
    let best_count = Arc::new(Mutex::new(0));
    let counter = best_count.clone();
    let tuned = train(&s, &config, move |_| {
        *counter.lock().unwrap() += 1;
        Ok(())
    })
    .unwrap();
    assert_eq!(export(&*s.foundation.base), before, "the base is frozen");
    let losses: Vec<f64> =
        tuned.log.iter().filter_map(|r| if let LogRow::Train { loss, .. } = r { Some(*loss) } else { None }).collect();
    assert!(losses.last().unwrap() < &(0.7 * losses[0]), "{losses:?}");
    let evals: Vec<(usize, f64, bool)> = tuned
        .log
        .iter()
        .filter_map(|r| match r {
            LogRow::Eval { step, eval_matthews_correlation, best, .. } => {
                Some((*step, *eval_matthews_correlation, *best))
            }
            LogRow::Train { .. } => None,
        })
        .collect();
    let highest = evals.iter().map(|e| e.1).fold(f64::MIN, f64::max);
    let (last_best, mcc, _) = *evals.iter().rfind(|e| e.2).unwrap();
    assert_eq!((tuned.best_step, mcc), (last_best, highest));
    assert_eq!(*best_count.lock().unwrap(), evals.iter().filter(|e| e.2).count());
    let (scores, confusion) = score(&tuned.classifier, &s.data.dev, &s.task, &s.foundation, &Device::default());
    assert!((scores.eval_matthews_correlation - highest).abs() < 1e-9, "the model that is returned is the best one");
    assert_eq!(confusion.counts.iter().flatten().sum::<u64>(), 64);
    assert!(highest > 0.4, "{highest}");
}

#[test]
fn a_seed_repeats_a_run_and_another_does_not() {
    let config = FinetuneConfig { epochs: 1.0, ..FinetuneConfig::default() };
    let s = setup(&config);
    let run = |config: &FinetuneConfig| export(&train(&s, config, |_| Ok(())).unwrap().classifier.head);
    let plain = LoraConfig { lora_dropout: 0.0, ..s.lora.clone() };
    let s = Setup { lora: plain, foundation: s.foundation.clone(), data: s.data.clone(), task: s.task.clone() };
    let run_plain = |config: &FinetuneConfig| {
        let config = FinetuneConfig { head_dropout: 0.0, ..config.clone() };
        let task = config.task(&s.foundation, &LabelSet::from_names("test", s.task.labels.clone())).unwrap();
        let s = Setup { task, foundation: s.foundation.clone(), data: s.data.clone(), lora: s.lora.clone() };
        export(&train(&s, &config, |_| Ok(())).unwrap().classifier.head)
    };
    assert_eq!(run_plain(&config), run_plain(&config));
    assert_ne!(run(&config), run(&FinetuneConfig { seed: 2, ..config.clone() }));
}

#[test]
fn lora_plus_is_lora_whose_b_learns_faster() {
    let config = FinetuneConfig { epochs: 1.0, head_dropout: 0.0, ..FinetuneConfig::default() };
    let s = setup(&config);
    let s = Setup { lora: LoraConfig { lora_dropout: 0.0, ..s.lora }, ..s };
    let plus = |ratio| {
        let rates = LoraPlus::with_ratio(ratio);
        let tuning = Plus::attach(&s.foundation.base, s.lora.clone(), rates, config.seed, &Device::default()).unwrap();
        let tuned = train_with(&s, &config, tuning, |_| Ok(())).unwrap().classifier;
        (export(&tuned.tuning.on_layers), export(&tuned.head))
    };
    let tuned = train(&s, &config, |_| Ok(())).unwrap().classifier;
    assert_eq!(plus(1.0), (export(&tuned.tuning), export(&tuned.head)), "one rate: the same bits");
    let moved = |of: &std::collections::BTreeMap<String, (Vec<usize>, Vec<f32>)>| -> f32 {
        of.iter().filter(|(name, _)| name.contains("lora_B")).flat_map(|(_, (_, v))| v).map(|v| v.abs()).sum()
    };
    let (fast, slow) = (moved(&plus(16.0).0), moved(&export(&tuned.tuning)));
    assert!(fast > 4.0 * slow, "B starts at 0: {fast} {slow}");
}

#[test]
fn folders_reload_to_the_bit_and_refuse_another_base() {
    let config = FinetuneConfig { epochs: 1.0, ..FinetuneConfig::default() };
    for head in [HeadKind::Position, HeadKind::Esm, HeadKind::Bert] {
        let mut s = setup(&FinetuneConfig { head, ..config.clone() });
        s.lora.modules_to_save = s.task.modules_to_save();
        let tuned = train(&s, &config, |_| Ok(())).unwrap().classifier;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("adapter");
        tuned.save(&path, &s.foundation, &s.task).unwrap();
        let device = Device::default();
        let (again, task) = Classifier::<Lora>::load(&path, &s.foundation, &device).unwrap();
        assert_eq!(task, s.task);
        let predict = |c: &Classifier<Lora>| c.predict(&s.data.dev.ids, 0, 16, &device);
        assert_eq!(predict(&again), predict(&tuned));

        let error = Classifier::<Lora>::load(&path, &foundation(2), &device).unwrap_err().to_string();
        assert!(error.contains("another base"), "{error}");
        std::fs::remove_file(path.join("genome_adapter.json")).unwrap();
        let error = Classifier::<Lora>::load(&path, &s.foundation, &device).unwrap_err().to_string();
        assert!(error.contains("genome_adapter.json"), "{error}");
    }
}

#[test]
fn settings_that_cannot_work_are_named() {
    let s = setup(&FinetuneConfig::default());
    for (config, says) in [
        (FinetuneConfig { batch_size: 0, ..Default::default() }, "batch size"),
        (FinetuneConfig { epochs: 0.0, ..Default::default() }, "epochs"),
        (FinetuneConfig { learning_rate: f64::NAN, ..Default::default() }, "learning rate"),
        (FinetuneConfig { head_dropout: 1.0, ..Default::default() }, "head dropout"),
        (FinetuneConfig { bins: 0, ..Default::default() }, "bins"),
    ] {
        let error = train(&s, &config, |_| Ok(())).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    let labels = LabelSet::from_names("test", vec!["a".into(), "b".into()]);
    let error = FinetuneConfig { max_tokens: 999, ..Default::default() }.task(&s.foundation, &labels).unwrap_err();
    assert!(error.to_string().contains("at most 128"), "{error}");
    assert!(serde_json::from_str::<FinetuneConfig>(r#"{"epoch": 3}"#).is_err(), "a typo is an error");
}

#[test]
fn training_ends_early_without_progress_and_when_saving_fails() {
    // a rate so small that nothing changes: the first evaluation stays the best
    let config = FinetuneConfig {
        epochs: 50.0,
        eval_every: 2,
        patience: 3,
        learning_rate: 1e-12,
        select: Select::Mcc,
        ..Default::default()
    };
    let s = setup(&config);
    let tuned = train(&s, &config, |_| Ok(())).unwrap();
    assert!(tuned.steps < 100, "{}", tuned.steps);
    let full = || genome_train::Error::Config("disk full".to_owned());
    assert!(train(&s, &config, move |_| Err(full())).unwrap_err().to_string().contains("disk full"));
}

#[test]
fn long_sequences_are_cut_and_counted() {
    let s = setup(&FinetuneConfig::default());
    let file = rows("dev", 8);
    let labels = LabelSet::from_names("test", s.task.labels.clone());
    let task = genome_train::classifier::Task { max_tokens: 20, ..s.task.clone() };
    let cut = Examples::new(&file, &labels, &task, &s.foundation).unwrap();
    assert_eq!((cut.truncated, cut.tokens()), (8, 8 * 20));
}
