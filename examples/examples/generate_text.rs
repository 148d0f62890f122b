//! How do I continue a text with a causal model?
//!
//! `cargo run --release -p examples --example generate_text CHECKPOINT [TOKENIZER] [PROMPT]`, where CHECKPOINT is a folder
//! with an OPT or LLaMA model and TOKENIZER the file or folder of its tokenizer, if that lies elsewhere.

use burn::tensor::Device;
use genome_tokenize::{Case, bpe_family};
use model_zoo::generate::{GenerateConfig, Sampling, generate, log_likelihood};
use model_zoo::{Base, Purpose};
use peft_core::Plain;
use std::ops::ControlFlow;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let Some(folder) = arguments.next().map(PathBuf::from) else {
        println!("usage: generate_text CHECKPOINT [TOKENIZER] [PROMPT]");
        println!("  CHECKPOINT  folder with config.json and the weights of an OPT or LLaMA model");
        println!(
            "  TOKENIZER   file or folder of its tokenizer (tokenizer.json, merges.txt, tokenizer.bin of llama2.c); default CHECKPOINT"
        );
        println!("  PROMPT      the text to go on with; default \"Once upon a time\"");
        return Ok(());
    };
    let file = arguments.next().map_or_else(|| folder.clone(), PathBuf::from);
    let prompt = arguments.next().map_or("Once upon a time".into(), |p| p.to_string_lossy().into_owned());
    let tokenizer = bpe_family(&file, Case::Original)?;

    let base = Base::from_pretrained(&folder, Purpose::LanguageModel, &Device::default())?.base;
    let config = base.config();
    println!("{}: {} layers, {} tokens", config.family(), config.blocks(), config.vocab_size());
    let prompt = tokenizer.encode(prompt.as_bytes())?.ids;
    let text = |ids: &[u32]| -> Result<String, genome_tokenize::Error> {
        Ok(String::from_utf8_lossy(&tokenizer.decode(ids)?).into_owned())
    };

    // The likeliest continuation, and one that is drawn.
    let random = Sampling::Random { temperature: 0.8, top_k: Some(40), top_p: Some(0.95) };
    for sampling in [Sampling::Greedy, random] {
        let config = GenerateConfig { max_new_tokens: 60, sampling, seed: 7, ..Default::default() };
        let found = generate(&base, std::slice::from_ref(&prompt), &config, &Plain, |_, _| ControlFlow::Continue(()))?;
        let whole = [&prompt[..], found[0].text()].concat();
        println!("\n{sampling:?}, ended by {:?}:\n{}", found[0].stop, text(&whole)?);
        let likelihood = log_likelihood(&base, &[&whole], &Plain)?.remove(0);
        let mean = likelihood.iter().sum::<f32>() / likelihood.len().max(1) as f32;
        println!("perplexity of the model on its own text: {:.2}", (-mean).exp());
    }
    Ok(())
}
