//! How does a language model learn to find promoters?
//!
//! `cargo run --release -p examples --example lingo_promoters CHECKPOINT DATA ADAPTER`, where CHECKPOINT is a folder with an OPT or
//! LLaMA model, DATA one with train.csv, dev.csv and test.csv (`sequence,label`), and ADAPTER one that is written.

use burn::tensor::Device;
use genome_formats::DatasetDir;
use genome_train::classifier::{Classifier, Task};
use genome_train::examples::Examples;
use genome_train::finetune::{Data, FinetuneConfig, finetune};
use genome_train::foundation::Foundation;
use genome_train::metrics::Scores;
use genome_train::render::Silent;
use genome_train::step_loop::LogRow;
use genome_train::task_prompt::{Bases, TaskPrompt};
use genome_train::tuning::{AnyMethod, AnyTuning};
use model_zoo::Purpose;
use peft_adalora::{AdaLoraConfig, Schedule};
use peft_lingo::{PromptLibrary, Sampling};
use std::path::PathBuf;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [checkpoint, folder, adapter] = match &std::env::args_os().skip(1).map(PathBuf::from).collect::<Vec<_>>()[..] {
        [checkpoint, data, adapter] => [checkpoint, data, adapter].map(Clone::clone),
        _ => return Err("expected CHECKPOINT DATA ADAPTER".into()),
    };
    let device = Device::default();
    let foundation = Foundation::from_dir(&checkpoint, Purpose::Encode, &device)?;
    let data = DatasetDir::open(&folder)?;

    // Words around each sequence, for a model that reads words.
    let text = PromptLibrary::built_in().text("default", "gue_prom_core_tata")?;
    let prompt = TaskPrompt::new(&foundation, Some(&text), Bases::Tokens)?;
    println!("{:?}: {} tokens around each sequence", prompt.text, prompt.tokens().len());
    let config = FinetuneConfig {
        head: foundation.base.original_head(),
        epochs: 1.0,
        learning_rate: 2e-3,
        max_tokens: 256,
        ..FinetuneConfig::default()
    };
    let task = Task { prompt: Some(prompt), ..config.task(&foundation, data.labels())? };
    let examples = Data::new(data.train(), data.dev(), data.labels(), &foundation, &task)?;

    // AdaLoRA whose ranks are sampled, cooling down to its own choice.
    let steps = config.schedule(examples.train.len()).steps;
    let ranks = AdaLoraConfig {
        init_r: 6,
        target_r: 4,
        ..AdaLoraConfig::new(["q_proj", "k_proj", "v_proj"], Schedule::for_steps(steps)?)
    };
    let method = AnyMethod::Sampled(ranks, Sampling::ANNEALED).for_task("SEQ_CLS", task.modules_to_save());
    let tuning: AnyTuning = method.attach(&foundation.base, config.seed, &device)?;

    let watch = Box::new(|row: &LogRow| match row {
        LogRow::Eval { step, eval_loss, eval_matthews_correlation, .. } => {
            println!("step {step}: dev loss {eval_loss:.4}, MCC {eval_matthews_correlation:.3}");
        }
        LogRow::Train { .. } => {}
    });
    let save = {
        let (adapter, foundation, task) = (adapter.clone(), foundation.clone(), task.clone());
        Box::new(move |best: &Classifier| best.save(&adapter, &foundation, &task))
    };
    let silent = Box::new(Silent);
    let trained =
        finetune(&foundation, &examples, &task, tuning, &config, &device, silent, Default::default(), watch, save)?;
    if let Some(allocation) = &trained.allocation {
        println!("{allocation}");
    }

    // Anybody with the same base reads the folder and predicts.
    let (classifier, task) = Classifier::<AnyTuning>::load(&adapter, &foundation, &device)?;
    let rows = data.read_test()?;
    let test = Examples::new(&rows, data.labels(), &task, &foundation)?;
    let found = classifier.predict(&test.ids, foundation.tokenizer.pad_id(), task.batch_size, &device);
    let (scores, _) = Scores::of(&found, &test.labels);
    println!("test: {} sequences, MCC {:.3}", test.len(), scores.eval_matthews_correlation);
    for (row, probabilities) in rows.rows.iter().zip(&found).take(3) {
        let start = String::from_utf8_lossy(&row.sequence[..24.min(row.sequence.len())]);
        println!("  {start}... promoter: {:.3}", probabilities[1]);
    }
    Ok(())
}
