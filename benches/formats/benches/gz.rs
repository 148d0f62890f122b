//! Decompression: plain gzip against flate2 with zlib-rs, BGZF against noodles-bgzf, on text like FASTQ and like FASTA.

use std::hint::black_box;
use std::io::{Cursor, Read, Write};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use flate2::Compression;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;
use formats_bench::{Random, contender, duel, is_smoke_test};
use genome_formats::{BgzfReader, BgzfWriter, Input};

/// Reads of 150 bases with qualities that wander, as sequencers give them.
fn fastq(bytes: usize, random: &mut Random) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes + 400);
    let mut read = 0;
    while text.len() < bytes {
        read += 1;
        writeln!(text, "@A00123:45:HXXXXXX:1:1101:{}:{} 1:N:0:ACGTACGT", random.below(30_000), read).unwrap();
        text.extend(random.dna(150));
        text.extend(b"\n+\n");
        let mut quality = 37u8;
        for _ in 0..150 {
            quality = match random.below(16) {
                0 => 37,
                1 => 25,
                2 => 11,
                3 => 2,
                _ => quality,
            };
            text.push(b'!' + quality);
        }
        text.push(b'\n');
    }
    text
}

/// A soft-masked genome in lines of 60 letters, with repeats and runs of N.
fn fasta(bytes: usize, random: &mut Random) -> Vec<u8> {
    let mut letters = Vec::with_capacity(bytes);
    while letters.len() < bytes {
        match random.below(10) {
            0 => letters.extend(std::iter::repeat_n(b'N', 2000)),
            1 | 2 if letters.len() > 20_000 => {
                let start = random.below(letters.len() as u64 - 5000) as usize;
                let repeat = letters[start..start + 3000].to_ascii_lowercase();
                letters.extend(repeat);
            }
            _ => letters.extend(random.dna(8000)),
        }
    }
    let mut text = b">chr1 made from a seed\n".to_vec();
    for line in letters.chunks(60) {
        text.extend(line);
        text.push(b'\n');
    }
    text
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn bgzf(text: &[u8]) -> Vec<u8> {
    let mut writer = BgzfWriter::new(Vec::new());
    writer.write_all(text).unwrap();
    writer.finish().unwrap()
}

/// Reads as the line readers do, a quarter of a MiB at a time: the number of bytes.
fn drain(mut reader: impl Read) -> usize {
    let mut buffer = vec![0; 256 * 1024];
    let mut bytes = 0;
    loop {
        let n = reader.read(&mut buffer).unwrap();
        if n == 0 {
            return bytes;
        }
        bytes += n;
        black_box(&buffer);
    }
}

fn benches(criterion: &mut Criterion) {
    let bytes = if is_smoke_test() { 300_000 } else { 40_000_000 };
    let mut random = Random::new(7);
    let texts = [("FASTQ-like", fastq(bytes, &mut random)), ("FASTA-like", fasta(bytes, &mut random))];
    let mut group = criterion.benchmark_group("gz");
    group.sample_size(10);
    for (name, text) in &texts {
        let (plain, blocks) = (gzip(text), bgzf(text));
        let mut got = Vec::new();
        Input::from_bytes("x.gz", plain.clone()).unwrap().read_to_end(&mut got).unwrap();
        assert!(got == *text, "gzip gives other bytes");
        got.clear();
        Input::from_bytes("x.bgz", blocks.clone()).unwrap().read_to_end(&mut got).unwrap();
        assert!(got == *text, "BGZF gives other bytes");

        // `Input` owns what it reads; what is never freed needs no copy for each run.
        let plain: &'static [u8] = Vec::leak(plain);
        let blocks: &'static [u8] = Vec::leak(blocks);
        duel(
            &format!("gzip, {name}"),
            text.len(),
            &mut [
                contender("genome-formats Input", || drain(Input::from_bytes("x", plain).unwrap())),
                contender("flate2 MultiGzDecoder (zlib-rs)", || drain(MultiGzDecoder::new(plain))),
            ],
        );
        duel(
            &format!("BGZF, {name}"),
            text.len(),
            &mut [
                contender("genome-formats Input", || drain(Input::from_bytes("x", blocks).unwrap())),
                contender("genome-formats BgzfReader", || drain(BgzfReader::new(blocks))),
                contender("noodles-bgzf", || drain(noodles_bgzf::io::Reader::new(Cursor::new(blocks)))),
            ],
        );
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(format!("gzip/{name}"), |b| b.iter(|| drain(Input::from_bytes("x", plain).unwrap())));
        group.bench_function(format!("bgzf/{name}"), |b| b.iter(|| drain(BgzfReader::new(blocks))));
    }
    group.finish();
}

criterion_group!(gz, benches);
criterion_main!(gz);
