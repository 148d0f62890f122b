//! Tokenizers that follow a rule, and one-hot rows, on fresh DNA: against a rolling table, memcpy and memset.

use std::hint::black_box;
use std::time::Instant;

use formats_bench::{Random, contender, duel, is_smoke_test};
use genome_tokenize::{KmerTokenizer, NtVersion, NucleotideTransformerTokenizer, OneHot, Tokenizer};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Sequences that are given once each.
struct Fresh {
    letters: Vec<u8>,
    length: usize,
    next: usize,
}

impl Fresh {
    fn new(letters: Vec<u8>, length: usize) -> Self {
        Self { letters, length, next: 0 }
    }

    /// The next one. A duel takes one for the comparison and fifteen for the clock.
    fn take(&mut self) -> &[u8] {
        let start = self.next;
        self.next += self.length;
        assert!(self.next <= self.letters.len(), "no sequence is used twice");
        &self.letters[start..self.next]
    }
}

const ROUNDS: usize = 16;

/// The peer: one table look-up and one step a letter, with N as an unknown.
fn rolling_table(seq: &[u8], k: usize, out: &mut Vec<u16>) {
    const CODES: [u8; 256] = {
        let mut table = [255; 256];
        (table[b'A' as usize], table[b'T' as usize], table[b'C' as usize], table[b'G' as usize]) = (0, 1, 2, 3);
        (table[b'a' as usize], table[b't' as usize], table[b'c' as usize], table[b'g' as usize]) = (0, 1, 2, 3);
        table
    };
    let mask = (1_u32 << (2 * k)) - 1;
    let (mut number, mut known) = (0_u32, 0);
    out.clear();
    out.reserve(seq.len());
    for (i, &byte) in seq.iter().enumerate() {
        let code = CODES[usize::from(byte)];
        if code < 4 {
            number = ((number << 2) | u32::from(code)) & mask;
            known += 1;
        } else {
            known = 0;
        }
        if i + 1 >= k {
            out.push(if known >= k { number as u16 + 5 } else { 1 });
        }
    }
}

/// Cheap to compare, and no compiler can leave the work out.
fn digest<T: Copy + Into<u64>>(values: &[T]) -> (usize, u64) {
    let pick = |i: usize| values.get(i).map_or(0, |&v| v.into());
    (values.len(), (0..64).map(|i| pick(i * values.len() / 64).wrapping_mul(i as u64 + 1)).sum())
}

fn kmers(random: &mut Random, length: usize, n_every: Option<usize>) {
    let mut letters = random.dna(length * ROUNDS);
    if let Some(every) = n_every {
        letters.iter_mut().step_by(every).for_each(|b| *b = b'N');
    }
    let (mut ours, mut peer) = (Fresh::new(letters.clone(), length), Fresh::new(letters, length));
    let tokenizer = KmerTokenizer::new(6).unwrap();
    let (mut a, mut b) = (Vec::new(), Vec::new());
    let n = n_every.map_or("clean".into(), |every| format!("an N every {every}"));
    duel(
        &format!("6-mers to u16, {length} letters, {n}"),
        length,
        &mut [
            contender("genome-tokenize", || {
                tokenizer.kmer_ids_u16(ours.take(), &mut a).unwrap();
                digest(&a)
            }),
            contender("rolling table", || {
                rolling_table(peer.take(), 6, &mut b);
                digest(&b)
            }),
        ],
    );
}

fn nucleotide_transformer(random: &mut Random, length: usize) {
    let letters = random.dna(length * ROUNDS);
    let take = || Fresh::new(letters.clone(), length);
    let (mut narrow, mut wide, mut copied) = (take(), take(), take());
    let tokenizer = NucleotideTransformerTokenizer::new(NtVersion::V2);
    let (mut a, mut b): (Vec<u16>, Vec<i64>) = (Vec::new(), Vec::new());
    let mut c = vec![0_u8; length];
    duel(
        &format!("Nucleotide Transformer 6-mers, {length} letters"),
        length,
        &mut [
            contender("genome-tokenize, u16", || {
                tokenizer.nt_ids(narrow.take(), &mut a).unwrap();
                black_box(&a);
            }),
            contender("genome-tokenize, i64", || {
                tokenizer.nt_ids(wide.take(), &mut b).unwrap();
                black_box(&b);
            }),
            contender("memcpy", || {
                c.copy_from_slice(copied.take());
                black_box(&c);
            }),
        ],
    );
    assert!(a.iter().map(|&id| i64::from(id)).eq(b.iter().copied()) && c.len() == length);
}

fn one_hot(random: &mut Random, length: usize) {
    let letters = random.dna(length * ROUNDS);
    let (mut wide, mut narrow) = (Fresh::new(letters.clone(), length), Fresh::new(letters, length));
    let policy = OneHot::default();
    let (mut a, mut b) = (vec![0_f32; 4 * length], vec![0_f32; 4 * length]);
    duel(
        &format!("one-hot f32, {length} letters"),
        length,
        &mut [
            contender("genome-tokenize", || {
                policy.encode_into(wide.take(), &mut a).unwrap();
                black_box(&a);
            }),
            contender("memset of the same bytes", || {
                b.fill(black_box(0.0));
                black_box(&b);
            }),
        ],
    );
    let (mut c, mut d) = (vec![0_u8; 4 * length], vec![0_u8; 4 * length]);
    duel(
        &format!("one-hot u8, {length} letters"),
        length,
        &mut [
            contender("genome-tokenize", || {
                policy.encode_into(narrow.take(), &mut c).unwrap();
                black_box(&c);
            }),
            contender("memset of the same bytes", || {
                d.fill(black_box(0));
                black_box(&d);
            }),
        ],
    );
}

/// All cores against one, as the ratio of two clocks.
fn batches(random: &mut Random, sequences: usize, length: usize) {
    let letters = random.dna(sequences * length * 2 * ROUNDS);
    let mut batches = letters.chunks(sequences * length).map(|batch| batch.chunks(length).collect::<Vec<_>>());
    let tokenizer = KmerTokenizer::new(6).unwrap();
    let mut parallel = || black_box(tokenizer.encode_batch(&batches.next().unwrap()).unwrap()).len();
    let mut others = letters.chunks(sequences * length).skip(ROUNDS).map(|b| b.chunks(length).collect::<Vec<_>>());
    let mut single = || {
        let all: Vec<_> = others.next().unwrap().iter().map(|s| tokenizer.encode(s).unwrap()).collect();
        black_box(all).len()
    };
    duel(
        &format!("batch of {sequences} x {length} letters, 6-mers, {} cores", cores()),
        sequences * length,
        &mut [contender("encode_batch", &mut parallel), contender("one by one", &mut single)],
    );
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn main() {
    let start = Instant::now();
    let mut random = Random::new(17);
    let (short, long) = if is_smoke_test() { (600, 6000) } else { (5000, 2_000_000) };
    kmers(&mut random, 500, None);
    for length in [short, long] {
        kmers(&mut random, length, None);
        nucleotide_transformer(&mut random, length);
        one_hot(&mut random, length);
    }
    one_hot(&mut random, 10 * long);
    kmers(&mut random, long, Some(10_000));
    kmers(&mut random, long, Some(50));
    for (sequences, length) in if is_smoke_test() { [(4, 500); 2] } else { [(256, 5000), (4096, 500)] } {
        batches(&mut random, sequences, length);
    }
    println!("all in {:.1} s", start.elapsed().as_secs_f64());
}
