//! `genome pretrain`: a base model from whole genomes.

use crate::args::PretrainArgs;
use crate::output::{check_out, write_file, write_json};
use crate::ui::{self, show, thousands};
use crate::{Outcome, bases};
use anyhow::{Context, Result, bail};
use genome_tokenize::{LetterTokenizer, Tokenizer, TokenizerSpec};
use genome_train::card::{Card, Source};
use genome_train::pretrain::{Corpus, PretrainConfig, held_out, pretrain};
use genome_train::step_loop::{LoopConfig, Select};
use model_zoo::checkpoint::SaveDtype;
use model_zoo::nucleotide_transformer::NucleotideTransformerConfig;
use model_zoo::{Base, BaseConfig, Purpose, seed::initialise};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// Windows on which the finished model is compared with the Markov chain.
const COMPARED_WINDOWS: usize = 2048;

pub(crate) fn run(args: &PretrainArgs) -> Result<Outcome> {
    let chosen = args.device.device.open()?;
    check_out(&args.out, args.force)?;
    let longest = args.windows.iter().copied().max().unwrap_or(0);
    if args.windows.contains(&0) || longest + 2 > 1026 {
        bail!("--windows: expected lengths from 1 to 1024 bases, found {:?}", args.windows);
    }
    if args.steps == 0 || args.eval_every == 0 || args.batch_tokens < longest {
        bail!("--steps and --eval-every: at least 1; --batch-tokens: at least the longest window, {longest}");
    }
    let config = PretrainConfig {
        batch_tokens: args.batch_tokens,
        window_bp: args.windows.clone(),
        mask_share: 0.15,
        length_power: 0.75,
        held_out_share: 0.02,
        held_out_windows: 512,
        seed: args.seed,
        optimizer: LoopConfig {
            steps: args.steps,
            eval_every: args.eval_every,
            learning_rate: args.learning_rate,
            warmup_steps: args.steps / 20,
            weight_decay: 0.01,
            beta_2: 0.98,
            clip_norm: 1.0,
            patience: 0,
            select: Select::Loss,
        },
    };
    let bar = ui::counter("bases read");
    let (mut records, mut sources) = (Vec::new(), Vec::new());
    for path in &args.genomes {
        let mut bases_read = 0;
        for record in genome_formats::sequences::open(path)? {
            let record = record?;
            bases_read += record.seq.len();
            bar.inc(record.seq.len() as u64);
            records.push(record);
        }
        sources.push(Source::new(path, bases_read)?);
    }
    bar.finish_and_clear();
    let corpus = Arc::new(Corpus::new(records, &config)?);
    let tokenizer: Arc<dyn Tokenizer> = Arc::new(LetterTokenizer::new());
    let device = chosen.device.clone().autodiff();
    let base = match &args.from {
        Some(from) => {
            let found = bases::open(from, Purpose::LanguageModel, &chosen.device)?;
            if found.spec != TokenizerSpec::Letter {
                bail!("--from {from}: expected a base of single letters, found the tokenizer {:?}", found.spec);
            }
            Arc::unwrap_or_clone(found.base)
        }
        None => fresh(args, &tokenizer, &device)?,
    };
    let parameters = burn::module::Module::num_params(&base);
    eprintln!(
        "{} parameters, {} bases to train on, {} steps of about {} tokens on {}",
        thousands(parameters),
        thousands(corpus.train_bases()),
        thousands(args.steps),
        thousands(args.batch_tokens),
        chosen.name
    );
    std::fs::create_dir_all(&args.out).with_context(|| args.out.display().to_string())?;
    let show = show(args.show.plain, args.steps);
    let out = args.out.clone();
    let save = move |base: &Base| save(base, &out).map_err(Into::into);
    let started = Instant::now();
    let trained = pretrain(
        base,
        corpus.clone(),
        tokenizer.clone(),
        &config,
        &device,
        show.renderer,
        show.interrupter,
        show.observer,
        Box::new(save),
    )?;
    let seconds = started.elapsed().as_secs_f64();
    // What is compared is what lies in the folder, rounded to half precision.
    let written = Base::from_pretrained(&args.out, Purpose::LanguageModel, &chosen.device)?;
    let comparison = held_out(&written.base, corpus, tokenizer, &config, COMPARED_WINDOWS, &chosen.device)?;
    let card = Card {
        command: command(args),
        parameters,
        sha256: written.sha256,
        config,
        sources,
        comparison,
        log: trained.log,
        seconds,
        device: chosen.name,
    };
    write_json(&args.out.join("pretraining.json"), &card)?;
    write_file(&args.out.join("README.md"), card.markdown().as_bytes())?;
    println!("held-out masked bases     {}", thousands(comparison.positions));
    println!("masked-base accuracy      {:.4}", comparison.masked_accuracy);
    println!("order-5 Markov accuracy   {:.4}", comparison.markov_accuracy);
    println!("model                     {}", args.out.display());
    Ok(Outcome::Found)
}

fn save(base: &Base, out: &Path) -> Result<(), model_zoo::Error> {
    base.save(out, SaveDtype::F16)?;
    let spec = serde_json::to_string(&TokenizerSpec::Letter).expect("plain data") + "\n";
    Ok(model_zoo::checkpoint::write_atomically(&out.join(genome_tokenize::SPEC_FILE), spec.as_bytes())?)
}

fn fresh(args: &PretrainArgs, tokenizer: &Arc<dyn Tokenizer>, device: &burn::tensor::Device) -> Result<Base> {
    let config = NucleotideTransformerConfig {
        vocab_size: tokenizer.vocab_size(),
        hidden_size: args.hidden,
        num_hidden_layers: args.layers,
        num_attention_heads: args.heads,
        intermediate_size: args.ffn,
        max_position_embeddings: 1026,
        layer_norm_eps: 1e-12,
        pad_token_id: tokenizer.pad_id(),
        mask_token_id: None,
        initializer_range: 0.02,
        position_embedding_type: "rotary".to_owned(),
        token_dropout: false,
        mask_share: Default::default(),
        add_bias_fnn: Some(false),
        emb_layer_norm_before: false,
        tie_word_embeddings: false,
    };
    if args.hidden == 0 || args.layers == 0 || args.heads == 0 || args.ffn == 0 {
        bail!("--hidden, --layers, --heads and --ffn: at least 1");
    }
    if let Some(reason) = config.unsupported() {
        bail!("--hidden and --heads: {reason}");
    }
    Ok(initialise(BaseConfig::NucleotideTransformer(config).init(true, false, device), args.seed, 0.02))
}

/// The command that repeats this run, with file names instead of paths.
fn command(args: &PretrainArgs) -> String {
    let windows = args.windows.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
    let name = |p: &std::path::PathBuf| p.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let genomes = args.genomes.iter().map(name).collect::<Vec<_>>().join(" ");
    let from = args.from.as_ref().map_or(String::new(), |f| format!(" --from {f}"));
    format!(
        "genome pretrain{from} --steps {} --batch-tokens {} --windows {windows} --learning-rate {} --eval-every {} \
         --hidden {} --layers {} --heads {} --ffn {} --seed {} --out base-tiny {genomes}",
        args.steps,
        args.batch_tokens,
        args.learning_rate,
        args.eval_every,
        args.hidden,
        args.layers,
        args.heads,
        args.ffn,
        args.seed
    )
}
