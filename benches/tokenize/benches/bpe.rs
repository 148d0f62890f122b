//! BPE of fresh DNA at three lengths.
use formats_bench::{Random, contender, duel, is_smoke_test};
use genome_tokenize::{BpeTokenizer, Case, Tokenizer};

fn main() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/tokenizers/dnabert2/tokenizer.json");
    let ours = BpeTokenizer::from_file(path).unwrap().with_case(Case::Original);
    println!("fast {}", ours.is_fast());
    let peer = tokenizers::Tokenizer::from_file(path).unwrap();
    let mut random = Random::new(1);
    for length in [500, 5000, 50_000] {
        let total = if is_smoke_test() { length } else { 400_000 };
        // fresh input every round
        let seqs: Vec<String> = (0..total / length * 40).map(|_| String::from_utf8(random.dna(length)).unwrap()).collect();
        let batch = total / length;
        let (mut i, mut j) = (0, 0);
        duel(
            &format!("bpe {length}"),
            total,
            &mut [
                contender("ours", || {
                    let n: usize = seqs[i..i + batch].iter().map(|s| ours.encode(s.as_bytes()).unwrap().ids.len()).sum();
                    i += batch;
                    n
                }),
                contender("tokenizers", || {
                    let n: usize = seqs[j..j + batch].iter().map(|s| peer.encode_fast(s.as_str(), true).unwrap().get_ids().len()).sum();
                    j += batch;
                    n
                }),
            ],
        );
    }
}
