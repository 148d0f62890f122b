//! BPE of DNA at three lengths, ours against `tokenizers` and the `bpe` crate. The vocabulary is DNABERT-2's where the shared
//! data is at hand, else one trained here from a seed. No sequence is encoded twice: the `tokenizers` crate remembers words.

use std::hint::black_box;
use std::time::{Duration, Instant};

use bpe::byte_pair_encoding::BytePairEncoding;
use criterion::{BenchmarkId, Criterion, Throughput};
use formats_bench::{Random, contender, duel, is_smoke_test};
use genome_tokenize::{BpeTokenizer, BpeTraining, Case, Tokenizer, train_bpe};
use serde_json::Value;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/tokenizers/dnabert2/tokenizer.json");

/// The same vocabulary in three engines.
struct Engines {
    ours: BpeTokenizer,
    tokenizers: tokenizers::Tokenizer,
    /// Its ids are the letters in front, then the merges in order; ours come after the special tokens.
    bpe: BytePairEncoding,
    bpe_ids: Vec<u32>,
}

impl Engines {
    fn new(json: &[u8]) -> Self {
        let ours = BpeTokenizer::from_bytes("tokenizer.json", json).expect("a tokenizer").with_case(Case::Original);
        assert!(ours.is_fast());
        let value: Value = serde_json::from_slice(json).expect("JSON");
        let merges = value["model"]["merges"].as_array().expect("merges");
        let products = merges.iter().map(|merge| match merge {
            Value::String(text) => text.replace(' ', ""),
            parts => [0, 1].map(|i| parts[i].as_str().expect("a part")).concat(),
        });
        let texts: Vec<String> = ["A", "C", "G", "T"].map(str::to_owned).into_iter().chain(products).collect();
        let bpe_ids = texts.iter().map(|text| ours.id(text).expect("in the vocabulary")).collect();
        let bpe = BytePairEncoding::from_dictionary(texts.into_iter().map(String::into_bytes), None);
        Self { ours, tokenizers: tokenizers::Tokenizer::from_bytes(json).expect("a tokenizer"), bpe, bpe_ids }
    }

    fn ours(&self, seq: &str) -> Vec<u32> {
        self.ours.encode(seq.as_bytes()).expect("DNA").ids
    }

    /// Without offsets, which the others give or have no need of.
    fn tokenizers(&self, seq: &str) -> Vec<u32> {
        self.tokenizers.encode_fast(seq, true).expect("DNA").get_ids().to_vec()
    }

    fn bpe(&self, seq: &str) -> Vec<u32> {
        self.bpe.encode_via_backtracking(seq.as_bytes())
    }

    fn agree(&self, seq: &str) {
        let ours = self.ours(seq);
        assert_eq!(ours, self.tokenizers(seq));
        let bpe: Vec<u32> = self.bpe(seq).iter().map(|&id| self.bpe_ids[id as usize]).collect();
        assert_eq!(ours[1..ours.len() - 1], bpe);
    }
}

fn json() -> (&'static str, Vec<u8>) {
    match std::fs::read(FILE) {
        Ok(bytes) => ("DNABERT-2", bytes),
        Err(_) => {
            let (vocab_size, length) = if is_smoke_test() { (200, 50_000) } else { (4096, 4_000_000) };
            let seq = Random::new(3).dna(length);
            let training = BpeTraining { vocab_size, ..BpeTraining::default() };
            ("trained here", train_bpe(training, [seq]).expect("a vocabulary").json().as_bytes().to_vec())
        }
    }
}

type Encode<'a> = (&'a str, &'a dyn Fn(&str) -> Vec<u32>);

fn main() {
    let (name, json) = json();
    let engines = Engines::new(&json);
    let mut random = Random::new(1);
    let mut fresh = |length: usize| String::from_utf8(random.dna(length)).expect("letters");
    for length in [0, 1, 7, 500, 5000] {
        engines.agree(&fresh(length));
    }
    let lengths = if is_smoke_test() { [50, 100, 500] } else { [500, 5000, 50_000] };

    // In turn, so that a busy machine slows all alike.
    println!("vocabulary: {name}");
    for length in lengths {
        let batch = if is_smoke_test() { 1 } else { 200_000 / length };
        let encoders: [Encode<'_>; 3] = [
            ("ours", &|seq| engines.ours(seq)),
            ("bpe 0.2.3", &|seq| engines.bpe(seq)),
            ("tokenizers 0.23", &|seq| engines.tokenizers(seq)),
        ];
        // All three see the same sequences, each once: a duel runs every contender 16 times.
        let seqs: Vec<String> = (0..16 * batch).map(|_| fresh(length)).collect();
        let mut contenders: Vec<_> = encoders
            .into_iter()
            .map(|(name, encode)| {
                let mut batches = seqs.chunks(batch);
                contender(name, move || {
                    let batch = batches.next().expect("a batch for each round");
                    let frame = if name.starts_with("bpe") { 2 } else { 0 };
                    batch.iter().map(|seq| encode(seq).len() + frame).sum::<usize>()
                })
            })
            .collect();
        duel(&format!("BPE of {length} letters"), batch * length, &mut contenders);
    }

    let (sequences, length) = if is_smoke_test() { (8, 50) } else { (256, 5000) };
    let all: Vec<Vec<String>> = (0..32).map(|_| (0..sequences).map(|_| fresh(length)).collect()).collect();
    let mut batches = all.iter();
    let mut next = || batches.next().expect("a batch for each round").iter().map(|s| s.as_bytes()).collect::<Vec<_>>();
    let mut inputs: Vec<Vec<&[u8]>> = (0..32).map(|_| next()).collect();
    let (mut first, mut second) = (inputs.split_off(16).into_iter(), inputs.into_iter());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    duel(
        &format!("batch of {sequences} x {length} letters, BPE, {cores} cores"),
        sequences * length,
        &mut [
            contender("encode_batch", || {
                engines.ours.encode_batch(&first.next().expect("a batch")).expect("DNA").len()
            }),
            contender("one by one", || {
                let batch = second.next().expect("a batch");
                let all: Vec<_> = batch.iter().map(|seq| engines.ours.encode(seq).expect("DNA")).collect();
                black_box(all).len()
            }),
        ],
    );

    let mut criterion =
        Criterion::default().configure_from_args().sample_size(10).measurement_time(Duration::from_secs(2));
    let mut group = criterion.benchmark_group("bpe");
    for length in lengths {
        group.throughput(Throughput::Bytes(length as u64));
        let encoders: [Encode<'_>; 3] = [
            ("ours", &|seq| engines.ours(seq)),
            ("bpe", &|seq| engines.bpe(seq)),
            ("tokenizers", &|seq| engines.tokenizers(seq)),
        ];
        for (name, encode) in encoders {
            group.bench_function(BenchmarkId::new(name, length), |bencher| {
                bencher.iter_custom(|rounds| {
                    let mut time = Duration::ZERO;
                    for _ in 0..rounds {
                        let seq = fresh(length);
                        let start = Instant::now();
                        black_box(encode(&seq));
                        time += start.elapsed();
                    }
                    time
                });
            });
        }
    }
    group.finish();
    criterion.final_summary();
}
