//! `genome models`: the checkpoints that are known.

use crate::output::stdout;
use crate::{Outcome, bases};
use anyhow::Result;
use clap::Args;
use serde::Serialize;
use std::io::Write;

#[derive(Debug, Args)]
#[command(
    after_help = "PARAMETERS counts each shared tensor once, and no buffers. CONTEXT is in tokens, as the model's config says; \
    DNABERT-2, Nucleotide Transformer v2 and LLaMA compute their positions and read on beyond it. TOKENIZER is a name for genome \
    tokenize, or the file in the model's folder. LICENCE is that of the weights as their publishers state it: read it on \
    https://huggingface.co/NAME before you use them."
)]
pub(crate) struct ModelsArgs {
    /// One JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

/// A published checkpoint.
#[derive(Debug, Serialize)]
struct Known {
    /// On the Hugging Face hub.
    name: &'static str,
    family: &'static str,
    parameters: u64,
    /// Tokens that it reads, special ones included.
    context: u32,
    /// A name that `genome tokenize` knows, or the file.
    tokenizer: &'static str,
    licence: &'static str,
}

const DNABERT: &str = "DNABERT";
const NT1: &str = "Nucleotide Transformer v1";
const NT2: &str = "Nucleotide Transformer v2";
const OPT: &str = "OPT";
const LLAMA: &str = "LLaMA";
const APACHE: &str = "Apache-2.0";
const NOT_COMMERCIAL: &str = "CC-BY-NC-SA-4.0";
const OPT_LICENCE: &str = "OPT licence (research)";
const JSON: &str = "tokenizer.json";
const VOCAB: &str = "vocab.json, merges.txt";

const fn known(
    name: &'static str,
    family: &'static str,
    parameters: u64,
    context: u32,
    tokenizer: &'static str,
    licence: &'static str,
) -> Known {
    Known { name, family, parameters, context, tokenizer, licence }
}

#[rustfmt::skip]
const MODELS: [Known; 19] = [
    known(bases::BASE_TINY, NT2, 1_008_778, 1024, "letters", "MIT or Apache-2.0"),
    known("zhihan1996/DNA_bert_3", DNABERT, 86_686_533, 512, "dnabert:3", APACHE),
    known("zhihan1996/DNA_bert_4", DNABERT, 86_834_181, 512, "dnabert:4", APACHE),
    known("zhihan1996/DNA_bert_5", DNABERT, 87_424_773, 512, "dnabert:5", APACHE),
    known("zhihan1996/DNA_bert_6", DNABERT, 89_787_141, 512, "dnabert:6", APACHE),
    known("zhihan1996/DNABERT-2-117M", "DNABERT-2", 117_070_080, 512, JSON, APACHE),
    known("InstaDeepAI/nucleotide-transformer-500m-human-ref", NT1, 485_699_306, 1000, "nt:v1", NOT_COMMERCIAL),
    known("InstaDeepAI/nucleotide-transformer-500m-1000g", NT1, 485_699_306, 1000, "nt:v1", NOT_COMMERCIAL),
    known("InstaDeepAI/nucleotide-transformer-2.5b-1000g", NT1, 2_547_801_226, 1000, "nt:v1", NOT_COMMERCIAL),
    known("InstaDeepAI/nucleotide-transformer-2.5b-multi-species", NT1, 2_547_801_226, 1000, "nt:v1", NOT_COMMERCIAL),
    known("InstaDeepAI/nucleotide-transformer-v2-50m-multi-species", NT2, 55_904_972, 2048, "nt:v2", NOT_COMMERCIAL),
    known("InstaDeepAI/nucleotide-transformer-v2-100m-multi-species", NT2, 97_889_132, 2048, "nt:v2", NOT_COMMERCIAL),
    known("InstaDeepAI/nucleotide-transformer-v2-250m-multi-species", NT2, 235_120_780, 2048, "nt:v2", NOT_COMMERCIAL),
    known("InstaDeepAI/nucleotide-transformer-v2-500m-multi-species", NT2, 498_345_436, 2048, "nt:v2", NOT_COMMERCIAL),
    known("facebook/opt-125m", OPT, 125_239_296, 2048, VOCAB, OPT_LICENCE),
    known("facebook/opt-350m", OPT, 331_196_416, 2048, VOCAB, OPT_LICENCE),
    known("facebook/opt-1.3b", OPT, 1_315_758_080, 2048, VOCAB, OPT_LICENCE),
    known("meta-llama/Llama-2-7b-hf", LLAMA, 6_738_415_616, 4096, JSON, "Llama 2 Community Licence"),
    known("meta-llama/Llama-3.2-1B", LLAMA, 1_235_814_400, 131_072, JSON, "Llama 3.2 Community Licence"),
];

pub(crate) fn run(args: &ModelsArgs) -> Result<Outcome> {
    let mut out = stdout();
    if args.json {
        for model in &MODELS {
            writeln!(out, "{}", serde_json::to_string(model)?)?;
        }
    } else {
        let widths =
            MODELS.iter().fold((0, 0), |(name, family), m| (m.name.len().max(name), m.family.len().max(family)));
        let mut row = |name: &str, family: &str, parameters: &str, context: &str, tokenizer: &str, licence: &str| {
            let (a, b) = widths;
            writeln!(out, "{name:<a$}  {family:<b$}  {parameters:>10}  {context:>7}  {tokenizer:<22}  {licence}")
        };
        row("NAME", "FAMILY", "PARAMETERS", "CONTEXT", "TOKENIZER", "LICENCE")?;
        for m in &MODELS {
            row(m.name, m.family, &short(m.parameters), &m.context.to_string(), m.tokenizer, m.licence)?;
        }
    }
    out.flush()?;
    Ok(Outcome::Found)
}

/// 117070080 as 117 M, 2547801226 as 2.55 B.
fn short(parameters: u64) -> String {
    let millions = parameters as f64 / 1e6;
    match millions {
        m if m < 9.95 => format!("{m:.1} M"),
        m if m < 999.5 => format!("{m:.0} M"),
        m => format!("{:.2} B", m / 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::path::Path;

    /// Numbers of the tensors that are parameters. In tied models the output matrix is the embedding.
    fn parameters<'a>(tensors: impl Iterator<Item = (&'a str, &'a str, &'a Value)>, tied: bool) -> u64 {
        const TIED: [&str; 3] = ["lm_head.weight", "cls.predictions.decoder.weight", "cls.predictions.decoder.bias"];
        let counted = tensors.filter(|(name, dtype, _)| {
            let dtype = dtype.to_ascii_lowercase();
            let is_number = dtype.starts_with('f') || dtype.starts_with('b');
            is_number && !name.ends_with("inv_freq") && !(tied && TIED.contains(name))
        });
        let numbers = |shape: &Value| shape.as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).product::<u64>();
        counted.map(|(_, _, shape)| numbers(shape)).sum()
    }

    /// Positions of ESM's models begin behind the padding id.
    fn context(config: &Value) -> u64 {
        let positions = config["max_position_embeddings"].as_u64().unwrap();
        let esm = config["architectures"]
            .as_array()
            .is_some_and(|a| a.iter().any(|a| a.as_str().unwrap().starts_with("Esm")));
        if esm { positions - 2 } else { positions }
    }

    #[test]
    fn the_table_is_what_the_checkpoints_are() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/hub_layouts");
        let mut seen = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let layout: Value = serde_json::from_slice(&std::fs::read(entry.unwrap().path()).unwrap()).unwrap();
            let name = layout["name"].as_str().unwrap();
            let model =
                MODELS.iter().find(|model| model.name == name).unwrap_or_else(|| panic!("{name} is not in the table"));
            let config = &layout["config"];
            let tensors = layout["tensors"].as_object().unwrap();
            let tensors = tensors.iter().map(|(name, t)| (name.as_str(), t[0].as_str().unwrap(), &t[1]));
            let tied = config["tie_word_embeddings"] != Value::Bool(false);
            assert_eq!(model.parameters, parameters(tensors, tied), "{name}");
            assert_eq!(u64::from(model.context), context(config), "{name}");
            // The tokenizer's ids are the rows of the embedding; the Nucleotide Transformer v1 leaves the last two out.
            if let Ok(genome_tokenize::Named::Tokenizer(tokenizer)) = genome_tokenize::by_name(model.tokenizer, None) {
                assert_eq!(config["vocab_size"].as_u64(), Some(tokenizer.model_vocab_size() as u64), "{name}");
                assert_eq!(tokenizer.max_len().tokens(), Some(model.context as usize), "{name}");
            }
            seen += 1;
        }
        assert_eq!(seen + 1, MODELS.len());
    }

    #[test]
    fn base_tiny_is_what_it_says() {
        let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/base-tiny");
        let file = std::fs::read(assets.join("model.safetensors")).unwrap();
        let length = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
        let header: Value = serde_json::from_slice(&file[8..8 + length]).unwrap();
        let tensors = header.as_object().unwrap().iter().filter(|(name, _)| *name != "__metadata__");
        let tensors = tensors.map(|(name, t)| (name.as_str(), t["dtype"].as_str().unwrap(), &t["shape"]));
        assert_eq!(MODELS[0].parameters, parameters(tensors, false));
        let config: Value = serde_json::from_slice(&std::fs::read(assets.join("config.json")).unwrap()).unwrap();
        assert_eq!((u64::from(MODELS[0].context), MODELS[0].name), (context(&config), "base-tiny"));
    }

    #[test]
    fn numbers_are_short() {
        for (n, expected) in
            [(1_008_778, "1.0 M"), (117_070_080, "117 M"), (2_547_801_226, "2.55 B"), (999_700_000, "1.00 B")]
        {
            assert_eq!(short(n), expected);
        }
    }
}
