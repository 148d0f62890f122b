//! Genomes opened for questions: files, or the one that is built in.

use crate::ask_args::{IndexArgs, IndexPlace};
use anyhow::{Context, Result, bail};
use genome_ask::{Index, Source, Store};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The chloroplast of Arabidopsis thaliana, as `genome quickstart` has it.
const DEMO: &[u8] = include_bytes!("../assets/NC_000932.gb");
const DEMO_NAME: &str = "NC_000932.gb";

/// Files and what follows them: the question or query. Without files (`--demo`) everything is the question.
pub(crate) fn split(words: &[String], demo: bool) -> Result<(Vec<PathBuf>, Option<String>)> {
    if demo {
        let question = words.join(" ");
        return Ok((Vec::new(), (!question.trim().is_empty()).then_some(question)));
    }
    let files = words.iter().take_while(|word| Path::new(word).is_file()).count();
    let (files, rest) = words.split_at(files);
    let files: Vec<PathBuf> = files.iter().map(PathBuf::from).collect();
    if let Some(first) = rest.first()
        && (files.is_empty() || is_path(first))
    {
        bail!("{first}: no such file; the genome comes first, then the question (or --demo instead of a file)");
    }
    if files.is_empty() {
        bail!("which genome? genome ask FILE \"question\", or genome ask --demo \"question\"");
    }
    let question = rest.join(" ");
    Ok((files, (!question.trim().is_empty()).then_some(question)))
}

/// A word that can only have been meant as a file.
fn is_path(word: &str) -> bool {
    let lower = word.to_ascii_lowercase();
    let ends = [
        ".gb", ".gbk", ".gbff", ".gff", ".gff3", ".gtf", ".fa", ".fna", ".fasta", ".embl", ".gz", ".zst", ".bz2", ".xz",
    ];
    !word.contains(' ') && ends.iter().any(|end| lower.ends_with(end))
}

/// Opens the index of the files; makes it where there is none.
pub(crate) fn open(files: &[PathBuf], args: &IndexArgs) -> Result<Index> {
    let started = Instant::now();
    let index = if args.demo {
        let folder = cache()?;
        let folder = folder.join("demo");
        std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let file = folder.join(DEMO_NAME);
        if std::fs::read(&file).ok().as_deref() != Some(DEMO) {
            crate::output::write_file(&file, DEMO)?;
        }
        Index::open(&[Source::new(file).named("demo")], &store(args)?)?
    } else {
        let mut sources: Vec<Source> = files.iter().map(Source::discover).collect();
        if let Some(sequences) = &args.sequences {
            let [source] = &mut sources[..] else { bail!("--sequences belongs to one file of annotation") };
            source.fasta = Some(sequences.clone());
        }
        Index::open(&sources, &store(args)?)?
    };
    if index.was_built() && args.index != IndexPlace::Memory {
        eprintln!("indexed in {:.2} s: {}", started.elapsed().as_secs_f64(), index.path().display());
    }
    Ok(index)
}

fn store(args: &IndexArgs) -> Result<Store> {
    Ok(match &args.index {
        IndexPlace::Cache => Store::Folder(cache()?.join("indexes")),
        IndexPlace::Beside => Store::Beside,
        IndexPlace::Memory => Store::Memory,
        IndexPlace::File(file) => Store::File(file.clone()),
    })
}

/// Where what can be made again is kept: `GENOME_CACHE`, else the user's cache folder.
pub(crate) fn cache() -> Result<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = set("GENOME_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|folder| folder.join("genome")))
        .or_else(|| set("LOCALAPPDATA").map(|folder| folder.join("genome")))
        .or_else(|| set("HOME").map(|home| home.join(".cache").join("genome")));
    folder.context("no cache folder is known: set GENOME_CACHE, or use --index memory")
}
