//! Indexing a bacterial genome, opening its index again, answering questions, and the memory of all three. The genome is
//! Escherichia coli's where the shared data is there, else one of its size from a seed.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use criterion::Criterion;
use genome_ask::{Dialogue, Index, ReplyKind, Source, Store};

const QUESTIONS: [&str; 20] = [
    "How many tRNA genes are annotated?",
    "How many protein-coding genes does this genome have?",
    "How many pseudogenes are annotated?",
    "Where is dnaA?",
    "What does dnaA do?",
    "What are the two genes on either side of dnaA?",
    "How many proteins are shorter than 50 amino acids?",
    "What is the longest protein?",
    "List the ten largest genes, largest first",
    "What is the median protein length?",
    "How many ABC transporters are there?",
    "What share of the proteins has no known function?",
    "Which genes lie within 10 kb of dnaA?",
    "What is the longest run of genes on one strand with gaps of at most 50 bp?",
    "Where is the gene cluster for lipopolysaccharide?",
    "List the genes between 1,000 and 10,000",
    "What is the GC content of the genome?",
    "Give me the 500 bp upstream of dnaA as FASTA",
    "How often does GAATTC occur?",
    "Which genes encode ribosomal proteins?",
];

fn genome(folder: &Path, smoke: bool) -> PathBuf {
    let real = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/data/genomes/ecoli_k12_mg1655/GCF_000005845.2_ASM584v2_genomic.gbff.gz");
    if real.is_file() && !smoke {
        return real;
    }
    let file = folder.join("seed.gbk");
    std::fs::write(&file, ask_bench::genbank(if smoke { 200 } else { ask_bench::GENES })).unwrap();
    file
}

/// Times of each question, in order; each is asked of a new dialogue.
fn ask(index: &Index) -> Vec<(Duration, &'static str, bool)> {
    QUESTIONS
        .into_iter()
        .map(|question| {
            let start = Instant::now();
            let reply = Dialogue::new(index).ask(question).unwrap();
            let found = matches!(reply.kind, ReplyKind::Answered { .. });
            (start.elapsed(), question, found)
        })
        .collect()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Largest memory of this process, in MB; Linux tells it.
fn peak_mb() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<f64>().ok()? * 1024.0 / 1e6)
}

fn main() {
    let has = |flag: &str| std::env::args().any(|arg| arg == flag);
    let smoke = !has("--bench") || has("--test");
    let folder = tempfile::tempdir().unwrap();
    // A process of its own, for its memory: index, open again, ask everything.
    if let Some(file) = std::env::var_os("ASK_BENCH_CHILD") {
        let sources = [Source::new(PathBuf::from(file))];
        let store = Store::File(folder.path().join("index"));
        drop(Index::open(&sources, &store).unwrap());
        ask(&Index::open(&sources, &store).unwrap());
        println!("peak memory: {:.0} MB", peak_mb().unwrap_or(f64::NAN));
        return;
    }
    let file = genome(folder.path(), smoke);
    let sources = [Source::new(&file)];
    let store = Store::File(folder.path().join("index"));

    let start = Instant::now();
    let index = Index::open(&sources, &store).unwrap();
    let indexed = start.elapsed();
    assert!(index.was_built());
    drop(index);
    let rounds = if smoke { 1 } else { 9 };
    let mut reopened = Vec::new();
    let mut first_answers = Vec::new();
    let mut answers = Vec::new();
    for _ in 0..rounds {
        let start = Instant::now();
        let index = Index::open(&sources, &store).unwrap();
        reopened.push(start.elapsed());
        assert!(!index.was_built());
        // The first answer of a program reads what it needs of the index.
        let cold = ask(&index);
        first_answers.push(cold[0].0);
        let warm = ask(&index);
        // The small genome of a smoke test has no dnaA.
        let found = warm.iter().filter(|(.., found)| *found).count();
        assert!(found * 4 >= QUESTIONS.len() * if smoke { 1 } else { 3 }, "{warm:?}");
        answers.extend(warm.into_iter().map(|(time, ..)| time));
    }
    println!(
        "indexed in {:.2} s; opened again in {:.1} ms",
        indexed.as_secs_f64(),
        median(reopened).as_secs_f64() * 1e3
    );
    let slowest = answers.iter().max().copied().unwrap_or_default();
    println!(
        "answers: median {:.2} ms, slowest {:.1} ms; the first after opening {:.2} ms",
        median(answers).as_secs_f64() * 1e3,
        slowest.as_secs_f64() * 1e3,
        median(first_answers).as_secs_f64() * 1e3
    );
    let child =
        Command::new(std::env::current_exe().unwrap()).arg("--bench").env("ASK_BENCH_CHILD", &file).output().unwrap();
    assert!(child.status.success());
    print!("{}", String::from_utf8_lossy(&child.stdout));
    if smoke {
        return;
    }
    let mut criterion = Criterion::default().sample_size(20).configure_from_args();
    let index = Index::open(&sources, &store).unwrap();
    for question in ["Where is dnaA?", "How many ABC transporters are there?", "Which genes lie within 10 kb of dnaA?"]
    {
        criterion.bench_function(question, |b| b.iter(|| black_box(Dialogue::new(&index).ask(question).unwrap())));
    }
    criterion.bench_function("open again", |b| b.iter(|| black_box(Index::open(&sources, &store).unwrap())));
    criterion.final_summary();
}
