//! FASTQ, every rule checked, against needletail, seq_io, noodles and bio.
//!
//! Everybody reads from memory through `Read` or a `BufReader` of 256 KiB, as from a file, and uses buffers again where it
//! can. Ours checks letters, scores and the title on the `+` line besides; the others do not.

use std::hint::black_box;
use std::io::BufReader;

use criterion::{Criterion, Throughput};
use formats_bench::{Random, contender, duel, is_smoke_test};
use genome_formats::FastqReader;

const BUFFER: usize = 256 * 1024;

/// `reads` reads of `shortest` to `longest` letters.
fn fastq(seed: u64, reads: usize, shortest: u64, longest: u64, repeat_title: bool) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut text = Vec::new();
    for read in 0..reads {
        let length = shortest + random.below(longest - shortest + 1);
        let title = format!("A00123:42:HXXYDSX2:1:1101:{}:{} 1:N:0:ACGTACGT", 1000 + read % 30_000, 1000 + read / 7);
        text.extend_from_slice(format!("@{title}\n").as_bytes());
        text.extend_from_slice(&random.dna(length as usize));
        text.extend_from_slice(if repeat_title { format!("\n+{title}\n") } else { "\n+\n".to_owned() }.as_bytes());
        text.extend((0..length).map(|_| b"FFFFFFFF:FFF,F#F"[random.below(16) as usize]));
        text.push(b'\n');
    }
    text
}

/// Reads, letters, and the sum of some letters and scores as a proof that they were there.
type Seen = (u64, u64, u64);

fn see(seen: &mut Seen, name: &[u8], seq: &[u8], quality: &[u8]) {
    seen.0 += 1;
    seen.1 += seq.len() as u64;
    seen.2 += u64::from(name[0]) + u64::from(seq[seq.len() / 2]) + u64::from(quality[seq.len() / 2]);
}

fn ours(text: &[u8]) -> Seen {
    let mut reader = FastqReader::new("bench.fastq", text);
    let mut seen = (0, 0, 0);
    while let Some(read) = reader.next_view().unwrap() {
        see(&mut seen, read.name, read.seq, read.quality);
    }
    seen
}

fn needletail(text: &[u8]) -> Seen {
    use needletail::parser::FastxReader;
    let mut reader = needletail::parser::FastqReader::with_capacity(text, BUFFER);
    let mut seen = (0, 0, 0);
    while let Some(record) = reader.next() {
        let record = record.unwrap();
        see(&mut seen, record.id(), record.raw_seq(), record.qual().unwrap());
    }
    seen
}

fn seq_io(text: &[u8]) -> Seen {
    use seq_io::fastq::Record;
    let mut reader = seq_io::fastq::Reader::with_capacity(text, BUFFER);
    let mut seen = (0, 0, 0);
    while let Some(record) = reader.next() {
        let record = record.unwrap();
        see(&mut seen, record.head(), record.seq(), record.qual());
    }
    seen
}

fn noodles(text: &[u8]) -> Seen {
    let mut reader = noodles_fastq::io::Reader::new(BufReader::with_capacity(BUFFER, text));
    let (mut seen, mut record) = ((0, 0, 0), noodles_fastq::Record::default());
    while reader.read_record(&mut record).unwrap() > 0 {
        see(&mut seen, record.name(), record.sequence(), record.quality_scores());
    }
    seen
}

fn bio(text: &[u8]) -> Seen {
    use bio::io::fastq::FastqRead;
    let mut reader = bio::io::fastq::Reader::from_bufread(BufReader::with_capacity(BUFFER, text));
    let (mut seen, mut record) = ((0, 0, 0), bio::io::fastq::Record::new());
    loop {
        reader.read(&mut record).unwrap();
        if record.is_empty() {
            return seen;
        }
        see(&mut seen, record.id().as_bytes(), record.seq(), record.qual());
    }
}

fn compare(title: &str, text: &[u8]) {
    duel(
        title,
        text.len(),
        &mut [
            contender("genome-formats next_view", || ours(text)),
            contender("bio", || bio(text)),
            contender("noodles, reused record", || noodles(text)),
            contender("seq_io", || seq_io(text)),
            contender("needletail", || needletail(text)),
        ],
    );
}

fn main() {
    let reads = if is_smoke_test() { 20 } else { 150_000 };
    let text = fastq(1, reads, 150, 150, false);
    compare("FASTQ, 150 letters", &text);
    compare("FASTQ, 100 to 150 letters, title twice", &fastq(2, reads, 100, 150, true));
    compare("FASTQ, 1 to 30 kb", &fastq(3, (reads / 100).max(2), 1000, 30_000, false));

    let mut criterion = Criterion::default().sample_size(10).configure_from_args();
    let mut group = criterion.benchmark_group("fastq");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("next_view", |b| b.iter(|| black_box(ours(&text))));
    group.finish();
    criterion.final_summary();
}
