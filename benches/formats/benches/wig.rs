//! WIG: a mix of layouts, against the loop that one writes first.

use std::hint::black_box;
use std::io::BufRead;

use criterion::{Criterion, criterion_group};
use formats_bench::{Random, contender, duel, is_smoke_test};
use genome_formats::WigReader;

/// fixedStep, variableStep and bedGraph in turn, values with up to six decimals.
fn wig(bytes: usize) -> Vec<u8> {
    let mut random = Random::new(11);
    let mut out = b"track type=wiggle_0 name=bench\n".to_vec();
    let mut at = 10_000u64;
    let value = |random: &mut Random| match random.below(3) {
        0 => format!("{}", random.below(1000)),
        1 => format!("{}.{}", random.below(100), random.below(1000)),
        _ => format!("-{}.{:06}", random.below(10), random.below(1_000_000)),
    };
    while out.len() < bytes {
        at += 1000;
        out.extend_from_slice(format!("fixedStep chrom=chr1 start={at} step=10 span=5\n").as_bytes());
        for _ in 0..3000 {
            at += 10;
            out.extend_from_slice(format!("{}\n", value(&mut random)).as_bytes());
        }
        out.extend_from_slice(b"variableStep chrom=chr1\n");
        for _ in 0..3000 {
            at += 1 + random.below(20);
            out.extend_from_slice(format!("{at} {}\n", value(&mut random)).as_bytes());
        }
        out.extend_from_slice(b"track type=bedGraph\n");
        for _ in 0..1000 {
            let end = at + 1 + random.below(50);
            out.extend_from_slice(format!("chr1\t{at}\t{end}\t{}\n", value(&mut random)).as_bytes());
            at = end;
        }
        out.extend_from_slice(b"track type=wiggle_0\n");
    }
    out
}

/// Values, the sum of their ends, and the sum of their bits in single precision.
type Found = (u64, u64, u64);

fn ours(text: &[u8]) -> Found {
    let mut reader = WigReader::new("bench", text);
    let (mut values, mut ends, mut bits) = (0u64, 0u64, 0u64);
    while let Some(signal) = reader.next_view().expect("the input is valid") {
        values += 1;
        ends = ends.wrapping_add(signal.span.end());
        bits = bits.wrapping_add(u64::from((signal.value as f32).to_bits()));
    }
    (values, ends, bits)
}

/// The loop that one writes first: a line, split, parse.
fn naive(mut text: &[u8]) -> Found {
    let (mut values, mut ends, mut bits) = (0u64, 0u64, 0u64);
    let (mut fixed, mut start, mut step, mut span) = (false, 0u64, 1u64, 1u64);
    let mut line = Vec::new();
    loop {
        line.clear();
        if text.read_until(b'\n', &mut line).expect("memory can be read") == 0 {
            return (values, ends, bits);
        }
        let line = std::str::from_utf8(&line).expect("text").trim_end();
        if line.starts_with("track") {
            continue;
        }
        if line.starts_with("fixedStep") || line.starts_with("variableStep") {
            fixed = line.starts_with("fixedStep");
            (step, span) = (1, 1);
            for word in line.split_whitespace() {
                match word.split_once('=') {
                    Some(("start", value)) => start = value.parse::<u64>().expect("a number") - 1,
                    Some(("step", value)) => step = value.parse().expect("a number"),
                    Some(("span", value)) => span = value.parse().expect("a number"),
                    _ => {}
                }
            }
            continue;
        }
        let mut words = line.split_ascii_whitespace();
        let columns = (words.next(), words.next(), words.next(), words.next());
        let (end, value) = match columns {
            (Some(value), None, ..) if fixed => {
                start += step;
                (start - step + span, value)
            }
            (Some(position), Some(value), None, _) => (position.parse::<u64>().expect("a number") - 1 + span, value),
            (Some(_), Some(_), Some(end), Some(value)) => (end.parse().expect("a number"), value),
            _ => panic!("an unknown line"),
        };
        let value: f32 = value.parse().expect("a number");
        values += 1;
        ends = ends.wrapping_add(end);
        bits = bits.wrapping_add(u64::from(value.to_bits()));
    }
}

fn duels() {
    let text = wig(if is_smoke_test() { 100_000 } else { 57_000_000 });
    let mut contenders = [contender("genome-formats", || ours(&text)), contender("naive loop", || naive(&text))];
    duel("WIG, fixedStep, variableStep and bedGraph", text.len(), &mut contenders);
}

fn criterion_benches(criterion: &mut Criterion) {
    let text = wig(if is_smoke_test() { 10_000 } else { 5_000_000 });
    let mut group = criterion.benchmark_group("wig");
    group.sample_size(10).throughput(criterion::Throughput::Bytes(text.len() as u64));
    group.bench_function("mixed", |b| b.iter(|| ours(black_box(&text))));
    group.finish();
}

criterion_group!(benches, criterion_benches);

fn main() {
    duels();
    benches();
    Criterion::default().configure_from_args().final_summary();
}
