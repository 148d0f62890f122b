//! `genome generate`: text or sequences that a causal model writes on.

use crate::model_args::GenerateArgs;
use crate::output::stdout;
use crate::{Outcome, bases, ui};
use anyhow::{Context, Result, bail};
use genome_tokenize::{Case, Named, Tokenizer, bpe_family, bpe_family_from_bytes, by_name};
use model_zoo::generate::{GenerateConfig, Generated, Sampling, generate};
use model_zoo::{Base, Purpose};
use peft_core::Plain;
use std::io::{BufRead, IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;
use tensor_files::gguf::GgufFile;

pub(crate) fn run(args: &GenerateArgs) -> Result<Outcome> {
    let device = args.compute.open()?.device;
    let prompts = prompts(args)?;
    if prompts.is_empty() {
        return Ok(Outcome::NothingFound);
    }
    let checkpoint = bases::path(&args.checkpoint)?;
    let tokenizer = match (&args.tokenizer, args.ids) {
        (None, true) => None,
        (named, _) => Some(open_tokenizer(&checkpoint, named.as_deref())?),
    };
    let rows = prompts.iter().map(|p| ids(args, tokenizer.as_deref(), p)).collect::<Result<Vec<_>>>()?;
    let base = Base::from_pretrained(&checkpoint, Purpose::LanguageModel, &device)?.base;
    let config = config(args, tokenizer.as_deref())?;

    let mut out = stdout();
    let stream = rows.len() == 1 && !args.json && std::io::stdout().is_terminal();
    let mut shown = Shown::default();
    let started = Instant::now();
    let texts = generate(&base, &rows, &config, &Plain, |_, token| {
        if stream && shown.add(&mut out, &rows[0], token, tokenizer.as_deref()).is_err() {
            return ControlFlow::Break(model_zoo::generate::Halt::Run);
        }
        ControlFlow::Continue(())
    })?;
    let seconds = started.elapsed().as_secs_f64();
    for ((prompt, row), text) in prompts.iter().zip(&rows).zip(&texts) {
        if args.json {
            writeln!(out, "{}", json(prompt, row, text, tokenizer.as_deref())?)?;
        } else if stream {
            writeln!(out)?;
        } else {
            writeln!(out, "{}", whole(row, text, tokenizer.as_deref())?)?;
        }
    }
    out.flush()?;
    let tokens: usize = texts.iter().map(|t| t.tokens.len()).sum();
    eprintln!("{} tokens in {seconds:.1} s, {:.1} tokens/s", ui::thousands(tokens), tokens as f64 / seconds);
    Ok(Outcome::Found)
}

/// Prompts of the command line, or one a line of stdin.
fn prompts(args: &GenerateArgs) -> Result<Vec<String>> {
    if args.prompts != ["-"] {
        return Ok(args.prompts.clone());
    }
    let lines: std::io::Result<Vec<String>> = std::io::stdin().lock().lines().collect();
    Ok(lines.context("stdin")?.into_iter().filter(|line| !line.is_empty()).collect())
}

/// The tokenizer that was named, or the checkpoint's own.
pub(crate) fn open_tokenizer(checkpoint: &Path, named: Option<&str>) -> Result<Box<dyn Tokenizer>> {
    if let Some(name) = named {
        return match by_name(name, Some(Case::Original))? {
            Named::Tokenizer(tokenizer) => Ok(tokenizer),
            _ => bail!("--tokenizer {name}: one-hot rows are no token ids"),
        };
    }
    let gguf = |path: &Path| -> Result<Box<dyn Tokenizer>> {
        let name = path.display().to_string();
        let Some(tokenizer) = GgufFile::open(path)?.tokenizer()? else {
            bail!("{name}: the file has no tokenizer; name one with --tokenizer");
        };
        let json = serde_json::to_vec(&tokenizer.to_tokenizer_json()?)?;
        Ok(bpe_family_from_bytes(&name, &json, Case::Original)?)
    };
    let is_gguf = |path: &Path| path.extension().is_some_and(|e| e.eq_ignore_ascii_case("gguf"));
    if is_gguf(checkpoint) {
        return gguf(checkpoint);
    }
    if checkpoint.is_dir() {
        return match by_name(&checkpoint.display().to_string(), Some(Case::Original)) {
            Ok(Named::Tokenizer(tokenizer)) => Ok(tokenizer),
            Ok(_) => bail!("{}: one-hot rows are no token ids", checkpoint.display()),
            Err(error @ genome_tokenize::Error::NotFound { .. }) => {
                let files = std::fs::read_dir(checkpoint)?.filter_map(|f| Some(f.ok()?.path()));
                match files.into_iter().find(|f| is_gguf(f)) {
                    Some(file) => gguf(&file),
                    None => Err(error.into()),
                }
            }
            Err(error) => Err(error.into()),
        };
    }
    // llama2.c's weights have their tokenizer beside them.
    let beside = checkpoint.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    bpe_family(beside, Case::Original).with_context(|| "name the tokenizer with --tokenizer".to_owned())
}

/// Ids of a prompt. A mark that ends a text is taken off again: the text goes on.
fn ids(args: &GenerateArgs, tokenizer: Option<&dyn Tokenizer>, prompt: &str) -> Result<Vec<u32>> {
    if args.ids {
        let parse = |word: &str| word.parse().with_context(|| format!("--ids: expected a token id, found {word:?}"));
        return prompt.split([' ', ',']).filter(|w| !w.is_empty()).map(parse).collect();
    }
    let tokenizer = tokenizer.expect("prompts of text come with a tokenizer");
    let encoding = tokenizer.encode(prompt.as_bytes())?;
    let ends =
        |id: &u32| Some(*id) == tokenizer.sep_id() && encoding.special.last() == Some(&true) && encoding.len() > 1;
    Ok(match encoding.ids.last() {
        Some(last) if ends(last) => encoding.ids[..encoding.len() - 1].to_vec(),
        _ => encoding.ids,
    })
}

fn config(args: &GenerateArgs, tokenizer: Option<&dyn Tokenizer>) -> Result<GenerateConfig> {
    let random = args.temperature > 0.0;
    if !random && (args.top_k.is_some() || args.top_p.is_some()) {
        bail!("--top-k and --top-p choose among random draws: they need --temperature above 0");
    }
    let stop_sequences = match tokenizer {
        Some(tokenizer) => args
            .stop
            .iter()
            .map(|text| {
                let encoding = tokenizer.encode(text.as_bytes())?;
                let plain = encoding.ids.iter().zip(&encoding.special).filter(|(_, special)| !**special);
                Ok(plain.map(|(id, _)| *id).collect())
            })
            .collect::<Result<Vec<Vec<u32>>>>()?,
        None if args.stop.is_empty() => Vec::new(),
        None => bail!("--stop: a text needs a tokenizer; name one with --tokenizer"),
    };
    Ok(GenerateConfig {
        max_new_tokens: args.max_new_tokens,
        sampling: match random {
            true => Sampling::Random { temperature: args.temperature, top_k: args.top_k, top_p: args.top_p },
            false => Sampling::Greedy,
        },
        repetition_penalty: args.repetition_penalty,
        stop_tokens: args.ignore_end.then(Vec::new),
        stop_sequences,
        seed: args.seed,
    })
}

/// What is on the terminal already: prompt and text, decoded together, since a letter may be spread over tokens.
#[derive(Default)]
struct Shown {
    tokens: Vec<u32>,
    bytes: usize,
}

impl Shown {
    fn add(
        &mut self,
        out: &mut impl Write,
        prompt: &[u32],
        token: u32,
        tokenizer: Option<&dyn Tokenizer>,
    ) -> Result<()> {
        if self.tokens.is_empty() {
            self.tokens.extend(prompt);
        }
        self.tokens.push(token);
        match tokenizer {
            None => write!(out, "{token} ")?,
            Some(tokenizer) => {
                let text = tokenizer.decode(&self.tokens)?;
                let whole = match std::str::from_utf8(&text) {
                    Ok(_) => text.len(),
                    Err(error) => error.valid_up_to(),
                };
                if whole > self.bytes {
                    out.write_all(&text[self.bytes..whole])?;
                    self.bytes = whole;
                }
            }
        }
        Ok(out.flush()?)
    }
}

/// Prompt and continuation.
fn whole(prompt: &[u32], text: &Generated, tokenizer: Option<&dyn Tokenizer>) -> Result<String> {
    let all = [prompt, text.text()].concat();
    Ok(match tokenizer {
        Some(tokenizer) => String::from_utf8_lossy(&tokenizer.decode(&all)?).into_owned(),
        None => all.iter().map(u32::to_string).collect::<Vec<_>>().join(" "),
    })
}

fn json(prompt: &str, row: &[u32], text: &Generated, tokenizer: Option<&dyn Tokenizer>) -> Result<serde_json::Value> {
    let mut value = serde_json::json!({
        "format_version": 1, "prompt": prompt, "prompt_ids": row, "ids": text.tokens, "stop": text.stop,
    });
    if let Some(tokenizer) = tokenizer {
        let (all, before) = (whole(row, text, Some(tokenizer))?, tokenizer.decode(row)?);
        let before = String::from_utf8_lossy(&before).into_owned();
        value["text"] = all.strip_prefix(&before).unwrap_or(&all).into();
    }
    Ok(value)
}
