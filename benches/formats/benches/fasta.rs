//! FASTA into contiguous sequences, letters checked, against noodles (reused buffers), needletail, bio and seq_io.
//!
//! Everybody reads from memory through `Read` or a `BufReader` of 256 KiB, as from a file. Only ours checks letters.

use std::hint::black_box;
use std::io::{BufReader, Read};

use criterion::{Criterion, Throughput};
use formats_bench::{Random, contender, duel, is_smoke_test};
use genome_formats::{FastaReader, Letters, SeqRecord};

const BUFFER: usize = 256 * 1024;

/// `records` records of `length` to `2 * length` letters, or exactly `length` where `same`, on lines of `width`.
fn fasta(seed: u64, records: usize, length: usize, same: bool, width: usize) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut text = Vec::new();
    for record in 0..records {
        text.extend_from_slice(format!(">seq{record} of a bench\n").as_bytes());
        let extra = if same { 0 } else { random.below(length as u64 + 1) as usize };
        let mut seq = random.dna(length + extra);
        // Repeats in lower case and gaps of N, as in an assembly.
        for _ in 0..seq.len() / 2000 {
            let start = random.below(seq.len() as u64) as usize;
            let end = (start + 300).min(seq.len());
            seq[start..end].make_ascii_lowercase();
        }
        let middle = seq.len() / 2;
        let gap = middle + seq.len() / 100;
        seq[middle..gap].fill(b'N');
        for line in seq.chunks(width) {
            text.extend_from_slice(line);
            text.push(b'\n');
        }
    }
    text
}

/// Records, letters, and a few letters as a proof that they were there.
type Seen = (u64, u64, u64);

fn see(seen: &mut Seen, seq: &[u8]) {
    seen.0 += 1;
    seen.1 += seq.len() as u64;
    seen.2 += seq.iter().step_by(4096).map(|&b| u64::from(b)).sum::<u64>();
}

fn ours(text: impl Read, letters: Letters, record: &mut SeqRecord) -> Seen {
    let mut reader = FastaReader::new("bench.fa", text).with_letters(letters);
    let mut seen = (0, 0, 0);
    while reader.read_into(record).unwrap() {
        see(&mut seen, &record.seq);
    }
    seen
}

fn ours_in_chunks(text: impl Read) -> Seen {
    let mut reader = FastaReader::new("bench.fa", text);
    let mut seen = (0, 0, 0);
    while reader.next_definition().unwrap().is_some() {
        seen.0 += 1;
        let mut next = 0;
        while let Some(chunk) = reader.next_chunk().unwrap() {
            while let Some(&letter) = chunk.get(next) {
                seen.2 += u64::from(letter);
                next += 4096;
            }
            next -= chunk.len();
            seen.1 += chunk.len() as u64;
        }
    }
    seen
}

fn noodles(text: impl Read, seq: &mut Vec<u8>) -> Seen {
    let mut reader = noodles_fasta::io::Reader::new(BufReader::with_capacity(BUFFER, text));
    let mut seen = (0, 0, 0);
    let mut definition = noodles_fasta::record::Definition::default();
    while reader.read_definition(&mut definition).unwrap() > 0 {
        seq.clear();
        reader.read_sequence(seq).unwrap();
        see(&mut seen, seq);
    }
    seen
}

fn needletail(text: &[u8]) -> Seen {
    use needletail::parser::FastxReader;
    let mut reader = needletail::parser::FastaReader::with_capacity(text, BUFFER);
    let mut seen = (0, 0, 0);
    while let Some(record) = reader.next() {
        see(&mut seen, &record.unwrap().seq());
    }
    seen
}

fn seq_io(text: &[u8]) -> Seen {
    let mut reader = seq_io::fasta::Reader::with_capacity(text, BUFFER);
    let mut seen = (0, 0, 0);
    while let Some(record) = reader.next() {
        see(&mut seen, &record.unwrap().full_seq());
    }
    seen
}

fn bio(text: &[u8], record: &mut bio::io::fasta::Record) -> Seen {
    use bio::io::fasta::FastaRead;
    let mut reader = bio::io::fasta::Reader::from_bufread(BufReader::with_capacity(BUFFER, text));
    let mut seen = (0, 0, 0);
    loop {
        reader.read(record).unwrap();
        if record.is_empty() {
            return seen;
        }
        see(&mut seen, record.seq());
    }
}

fn compare(title: &str, text: &[u8]) {
    // Buffers live as long as the rounds, for everybody who can use them again.
    let (mut record, mut any, mut bio_record) =
        (SeqRecord::default(), SeqRecord::default(), bio::io::fasta::Record::new());
    let mut seq = Vec::new();
    duel(
        title,
        text.len(),
        &mut [
            contender("genome-formats read_into", || ours(text, Letters::Iupac, &mut record)),
            contender("genome-formats read_into, any letters", || ours(text, Letters::Any, &mut any)),
            contender("genome-formats next_chunk", || ours_in_chunks(text)),
            contender("bio", || bio(text, &mut bio_record)),
            contender("seq_io full_seq", || seq_io(text)),
            contender("needletail seq", || needletail(text)),
            contender("noodles, reused buffers", || noodles(text, &mut seq)),
        ],
    );
}

/// The same reading of 1 GB that is made while it is read, and the most memory that this took.
#[cfg(target_os = "linux")]
fn one_gigabyte() {
    use std::io::Cursor;
    let record = fasta(3, 1, 25_000_000, true, 60);
    // Forgets the peak so far. Where that is not allowed, the number below is only too high.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    let mut text: Box<dyn Read> = Box::new(std::io::empty());
    for _ in 0..40 {
        text = Box::new(text.chain(Cursor::new(&record)));
    }
    let start = std::time::Instant::now();
    let seen = ours(text, Letters::Iupac, &mut SeqRecord::default());
    assert_eq!((seen.0, seen.1), (40, 1_000_000_000));
    println!(
        "1 GB in records of 25 Mb: {:.2} s, {:.1} MB at the peak without the text",
        start.elapsed().as_secs_f64(),
        (1024.0 * peak_memory() as f64 - record.len() as f64) / 1e6
    );
}

#[cfg(target_os = "linux")]
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse().unwrap()
}

fn main() {
    let (genome, short) = if is_smoke_test() { (10_000, 10) } else { (25_000_000, 40_000) };
    #[cfg(target_os = "linux")]
    if !is_smoke_test() {
        one_gigabyte(); // first, while the peak is low
    }
    let text = fasta(1, 2, genome, true, 60);
    compare("FASTA, 2 records of 25 Mb, 60 letters a line", &text);
    compare("FASTA, 60 letters a line, CRLF", &crlf(&text[..text.len() / 2]));
    compare("FASTA, one line", &fasta(1, 1, genome, true, usize::MAX));
    compare("FASTA, records of 500 to 1000 letters", &fasta(2, short, 500, false, 70));

    let mut criterion = Criterion::default().sample_size(10).configure_from_args();
    let mut group = criterion.benchmark_group("fasta");
    group.throughput(Throughput::Bytes(text.len() as u64));
    let mut record = SeqRecord::default();
    group.bench_function("read_into", |b| b.iter(|| black_box(ours(&text[..], Letters::Iupac, &mut record))));
    group.finish();
    criterion.final_summary();
}

fn crlf(text: &[u8]) -> Vec<u8> {
    text.iter().flat_map(|&b| if b == b'\n' { &b"\r\n"[..] } else { std::slice::from_ref(&b) }.to_vec()).collect()
}
