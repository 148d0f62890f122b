//! `genome quickstart`: the whole job on data that is built in.

use crate::args::{BitsArgs, QuickstartArgs};
use crate::finetune::{Run, Splits, report};
use crate::method::default_targets;
use crate::output::write_file;
use crate::predict::{Predictor, header, row};
use crate::{Outcome, bases};
use anyhow::{Context, Result};
use genome_formats::{Input, LabelSet, LabelledFile, Limits, read_labelled_input};
use genome_train::finetune::FinetuneConfig;
use genome_train::tuning::AnyMethod;
use model_zoo::Purpose;
use peft_lora::LoraConfig;
use std::path::Path;

const TRAIN: &[u8] = include_bytes!("../assets/splice_junction/train.csv");
const DEV: &[u8] = include_bytes!("../assets/splice_junction/dev.csv");
const TEST: &[u8] = include_bytes!("../assets/splice_junction/test.csv");
const CHLOROPLAST: &[u8] = include_bytes!("../assets/NC_000932.gb");

fn embedded(name: &str, bytes: &'static [u8]) -> Result<LabelledFile> {
    Ok(read_labelled_input(Input::from_bytes(name, bytes)?, Limits::default())?)
}

/// Train, dev and test of the splice junctions.
pub(crate) fn embedded_splits() -> Result<[LabelledFile; 3]> {
    Ok([embedded("train.csv", TRAIN)?, embedded("dev.csv", DEV)?, embedded("test.csv", TEST)?])
}

pub(crate) fn run(args: &QuickstartArgs) -> Result<Outcome> {
    let chosen = args.device.device.open()?;
    let adapter = args.out.join("adapter");
    std::fs::create_dir_all(&args.out).with_context(|| args.out.display().to_string())?;
    println!("Splice junctions: 60 letters around a donor (0), an acceptor (1) or neither (2); UCI, CC BY 4.0.");
    println!("LoRA adapters are trained on the built-in DNA language model {}, which stays frozen.", bases::BASE_TINY);

    let (train, dev) = (embedded("train.csv", TRAIN)?, embedded("dev.csv", DEV)?);
    let labels = LabelSet::from_train(&train)?;
    let foundation = bases::open(bases::BASE_TINY, Purpose::Encode, &chosen.device)?;
    let config = FinetuneConfig { seed: args.seed, epochs: 6.0, ..FinetuneConfig::default() };
    let lora = AnyMethod::Lora(LoraConfig {
        r: 8,
        lora_alpha: 16.0,
        lora_dropout: 0.05,
        ..LoraConfig::for_targets(default_targets(&foundation.base.config()))
    });
    let method = |_steps: usize| Ok(lora.clone());
    let splits = Splits { train: &train, dev: &dev, labels: &labels };
    let run = Run {
        foundation: &foundation,
        config: &config,
        method: &method,
        prompt: None,
        chosen: &chosen,
        plain: args.show.plain,
    };
    let trained = run.train(&splits, &adapter)?;

    let test = embedded("test.csv", TEST)?;
    let (scores, confusion) = run.test(&trained, &test, &labels, &adapter)?;
    // The predictions come from the folder as it lies on disk: what `genome predict` will print.
    let predictor = Predictor::open(&adapter, None, &BitsArgs::default(), &chosen.device)?;
    let test_csv = args.out.join("test.csv");
    write_file(&test_csv, TEST)?;
    write_file(&args.out.join("chloroplast.gb"), CHLOROPLAST)?;
    let records = genome_formats::sequences::open(&test_csv)?.collect::<Result<Vec<_>, _>>()?;
    let (probabilities, _) = predictor.scores(&records, "test.csv")?;
    let mut table = header(&predictor.task.labels);
    records.iter().zip(&probabilities).for_each(|(r, p)| table.push_str(&row(&r.name, &predictor.task.labels, p)));
    write_file(&args.out.join("test_predictions.tsv"), table.as_bytes())?;
    report(&trained, &scores, &confusion, &splits);

    let (genome, out) = (program(), args.out.display());
    println!();
    println!("Next:");
    println!("  {genome} predict --adapter {out}/adapter {out}/test.csv");
    println!("  {genome} predict --adapter {out}/adapter --window 60 --step 10 --only 0 {out}/chloroplast.gb");
    println!(
        "  {genome} finetune --data YOUR_FOLDER --out my-adapter   (train.csv, dev.csv, test.csv: sequence,label)"
    );
    Ok(Outcome::Found)
}

/// How the user can call this program again.
fn program() -> String {
    let Ok(exe) = std::env::current_exe() else { return "genome".to_owned() };
    let on_path = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| exe.parent() == Some(Path::new(&dir))));
    if on_path {
        return "genome".to_owned();
    }
    let here = std::env::current_dir().ok().and_then(|dir| exe.strip_prefix(dir).ok().map(Path::to_owned));
    here.unwrap_or(exe).display().to_string()
}
