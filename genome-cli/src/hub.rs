//! Bases by their name on the Hugging Face hub: which files are needed, and what to do by hand.
//!
//! With the feature `hub` a name is downloaded into the hub's own cache; without it, an error tells the manual steps. No file
//! with code is ever asked for.

#[cfg(feature = "hub")]
mod download;

#[cfg(feature = "hub")]
pub(crate) use download::{HubArgs, folder, set};

use anyhow::{Result, anyhow};

/// Whether this looks like a name on the hub: `owner/model`.
pub(crate) fn is_name(base: &str) -> bool {
    let part = |part: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        !part.is_empty() && !part.starts_with('.') && part.chars().all(plain)
    };
    base.split_once('/').is_some_and(|(owner, model)| part(owner) && part(model))
}

/// What to do where nothing can be downloaded.
pub(crate) fn manual_steps(name: &str, revision: &str) -> String {
    format!(
        "download config.json, the tokenizer (tokenizer.json with tokenizer_config.json; or vocab.txt; or vocab.json with \
         merges.txt) and the weights (model.safetensors, or model.safetensors.index.json with all shards that it names; where there \
         are none, pytorch_model.bin or its index with all shards) from https://huggingface.co/{name}/tree/{revision} into one \
         folder, and name that: --base DIR"
    )
}

/// Without the feature there is no download.
#[cfg(not(feature = "hub"))]
pub(crate) fn folder(name: &str) -> Result<std::path::PathBuf> {
    Err(anyhow!(
        "{name}: there is no such folder, and this build was made without the feature `hub`, which downloads from the \
         Hugging Face hub. Build it with that, or {}",
        manual_steps(name, "main")
    ))
}

/// Of the files of a repository those that a base needs: its config, its tokenizer, and its weights in one form, safetensors
/// first. Nothing in subfolders, and never code.
#[cfg_attr(not(feature = "hub"), allow(dead_code, reason = "tested in every build, used with the feature"))]
pub(crate) fn needed<'a>(name: &str, files: &[&'a str]) -> Result<Vec<&'a str>> {
    const ALWAYS: [&str; 10] = [
        "config.json",
        "genome_tokenizer.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "added_tokens.json",
        "vocab.txt",
        "vocab.json",
        "merges.txt",
        "tokenizer.bin",
    ];
    let take = |wanted: &dyn Fn(&str) -> bool| files.iter().copied().filter(|file| wanted(file)).collect::<Vec<_>>();
    let mut all = take(&|file| ALWAYS.contains(&file));
    if !all.contains(&"config.json") {
        return Err(anyhow!("{name}: expected a config.json, found none"));
    }
    for (stem, ending) in [("model", "safetensors"), ("pytorch_model", "bin")] {
        let (whole, index) = (format!("{stem}.{ending}"), format!("{stem}.{ending}.index.json"));
        let weights = if files.contains(&whole.as_str()) {
            take(&|file| file == whole)
        } else if files.contains(&index.as_str()) {
            take(&|file| file == index || is_shard(file, stem, ending))
        } else {
            continue;
        };
        all.extend(weights);
        return Ok(all);
    }
    Err(anyhow!(
        "{name}: expected weights as model.safetensors or pytorch_model.bin, or shards of these with their index, found none"
    ))
}

/// `model-00001-of-00004.safetensors`.
fn is_shard(file: &str, stem: &str, ending: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let middle = file.strip_prefix(stem).and_then(|rest| rest.strip_suffix(ending));
    let middle = middle.and_then(|rest| rest.strip_prefix('-')).and_then(|rest| rest.strip_suffix('.'));
    middle.and_then(|rest| rest.split_once("-of-")).is_some_and(|(n, of)| number(n) && number(of))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_paths() {
        for name in ["zhihan1996/DNABERT-2-117M", "facebook/opt-1.3b", "a/b"] {
            assert!(is_name(name), "{name}");
        }
        for path in ["base-tiny", "./a/b", "../a", "a/b/c", "/a", "a/", "/", "", "a\\b", "a b/c", "~/a", "a/.."] {
            assert!(!is_name(path), "{path}");
        }
    }

    #[test]
    fn only_what_is_needed() {
        let check = |files: &str, expected: &str| {
            let files: Vec<&str> = files.split(' ').collect();
            assert_eq!(needed("o/m", &files).unwrap().join(" "), expected);
        };
        check(
            ".gitattributes README.md bert_layers.py config.json configuration_bert.py pytorch_model.bin tokenizer.json",
            "config.json tokenizer.json pytorch_model.bin",
        );
        check(
            "config.json flax_model.msgpack model.safetensors pytorch_model.bin tf_model.h5 vocab.txt",
            "config.json vocab.txt model.safetensors",
        );
        check(
            "config.json model-00001-of-00002.safetensors model-00002-of-00002.safetensors model-x-of-2.safetensors \
             model.safetensors.index.json original/consolidated.00.pth vocab.json merges.txt",
            "config.json vocab.json merges.txt model-00001-of-00002.safetensors model-00002-of-00002.safetensors \
             model.safetensors.index.json",
        );
        check(
            "config.json pytorch_model-00001-of-00001.bin pytorch_model.bin.index.json training_args.bin",
            "config.json pytorch_model-00001-of-00001.bin pytorch_model.bin.index.json",
        );
        let refused = |files: &[&str], part: &str| {
            let error = needed("o/m", files).unwrap_err().to_string();
            assert!(error.starts_with("o/m: expected ") && error.contains(part), "{error}");
        };
        refused(&["model.safetensors"], "config.json");
        refused(&["config.json", "sub/model.safetensors", "model-00001-of-00002.safetensors"], "weights");
    }

    #[cfg(not(feature = "hub"))]
    #[test]
    fn a_build_without_the_feature_tells_the_steps() {
        let error = folder("zhihan1996/DNABERT-2-117M").unwrap_err().to_string();
        for part in ["feature `hub`", "config.json", "tokenizer.json", "model.safetensors", "--base DIR"] {
            assert!(error.contains(part), "{error}");
        }
        assert!(error.contains("https://huggingface.co/zhihan1996/DNABERT-2-117M/tree/main"), "{error}");
    }
}
