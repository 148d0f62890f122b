//! BAM: ours in place against noodles' lazy records, and owned records of both, from compressed bytes in memory.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use formats_bench::{Random, contender, duel, is_smoke_test};
use genome_formats::{
    Alignment, BamReader, BamWriter, CigarKind, CigarOp, Flags, Limits, Mode, SamHeader, SamReader, SamWriter, TagValue,
};

fn header() -> SamHeader {
    SamHeader::with_references([("chr1", 100_000_000)]).expect("a good header")
}

/// Reads of 150 bases as a sequencer gives them, with four tags.
fn reads(count: usize) -> impl Iterator<Item = Alignment> {
    let mut random = Random::new(7);
    (0..count).map(move |i| Alignment {
        name: Some(format!("instrument:run:lane:{i}")),
        flags: Flags::from_bits(99),
        reference: Some("chr1".into()),
        position: Some(i as u64 * 10),
        mapping_quality: Some(60),
        cigar: vec![
            CigarOp { kind: CigarKind::Match, length: 100 },
            CigarOp { kind: CigarKind::Insertion, length: 2 },
            CigarOp { kind: CigarKind::Match, length: 48 },
        ],
        mate_reference: Some("chr1".into()),
        mate_position: Some(i as u64 * 10 + 300),
        template_length: 450,
        sequence: random.dna(150),
        qualities: Some((0..150).map(|_| 2 + random.below(39) as u8).collect()),
        tags: [
            (*b"NM", TagValue::Int(2)),
            (*b"MD", TagValue::Text("148".into())),
            (*b"AS", TagValue::Int(130)),
            (*b"XS", TagValue::Int(20)),
        ]
        .into_iter()
        .collect(),
    })
}

fn bam_bytes(count: usize) -> Vec<u8> {
    let mut writer = BamWriter::new("reads.bam", Vec::new(), &header()).expect("memory takes a header");
    for record in reads(count) {
        writer.write(&record).expect("memory takes a record");
    }
    writer.finish().expect("memory takes an end")
}

fn sam_bytes(count: usize) -> Vec<u8> {
    let mut writer = SamWriter::new("reads.sam", Vec::new(), &header()).expect("memory takes a header");
    for record in reads(count) {
        writer.write(&record).expect("memory takes a record");
    }
    writer.finish().expect("memory takes an end")
}

/// Sum of all positions from 1 and of all lengths.
fn views(bytes: &[u8], mode: Mode) -> u64 {
    let mut reader = BamReader::new_with("reads.bam", bytes, mode, Limits::default()).expect("a good header");
    let mut sum = 0;
    while let Some(view) = reader.next_view().expect("a good record") {
        sum += view.position().map_or(0, |p| p + 1) + view.sequence_length() as u64;
    }
    sum
}

fn noodles_lazy(bytes: &[u8]) -> u64 {
    let mut reader = noodles_bam::io::Reader::new(bytes);
    reader.read_header().expect("a good header");
    let mut record = noodles_bam::Record::default();
    let mut sum = 0;
    while reader.read_record(&mut record).expect("a good record") > 0 {
        let position = record.alignment_start().map_or(0, |p| usize::from(p.expect("a position")) as u64);
        sum += position + record.sequence().len() as u64;
    }
    sum
}

fn owned(bytes: &[u8]) -> u64 {
    let reader = BamReader::new("reads.bam", bytes).expect("a good header");
    reader.map(|record| record.expect("a good record").sequence.len() as u64).sum()
}

fn noodles_owned(bytes: &[u8]) -> u64 {
    let mut reader = noodles_bam::io::Reader::new(bytes);
    let header = reader.read_header().expect("a good header");
    reader.record_bufs(&header).map(|record| record.expect("a good record").sequence().len() as u64).sum()
}

fn sam_views(bytes: &[u8]) -> u64 {
    let mut reader = SamReader::new("reads.sam", bytes).expect("a good header");
    let mut sum = 0;
    while let Some(view) = reader.next_view().expect("a good record") {
        sum += view.position().map_or(0, |p| p + 1) + view.sequence().len() as u64;
    }
    sum
}

fn noodles_sam_lazy(bytes: &[u8]) -> u64 {
    let mut reader = noodles_sam::io::Reader::new(bytes);
    reader.read_header().expect("a good header");
    let mut record = noodles_sam::Record::default();
    let mut sum = 0;
    while reader.read_record(&mut record).expect("a good record") > 0 {
        let position = record.alignment_start().map_or(0, |p| usize::from(p.expect("a position")) as u64);
        sum += position + record.sequence().len() as u64;
    }
    sum
}

fn bam(c: &mut Criterion) {
    let count = if is_smoke_test() { 500 } else { 100_000 };
    let (bam, sam) = (bam_bytes(count), sam_bytes(count));
    duel(
        "BAM, views; compressed bytes",
        bam.len(),
        &mut [
            contender("genome-formats, strict", || views(&bam, Mode::Strict)),
            contender("genome-formats, lenient", || views(&bam, Mode::Lenient)),
            contender("noodles-bam, lazy", || noodles_lazy(&bam)),
        ],
    );
    duel(
        "BAM, owned records; compressed bytes",
        bam.len(),
        &mut [
            contender("genome-formats, strict", || owned(&bam)),
            contender("noodles-bam, record_bufs", || noodles_owned(&bam)),
        ],
    );
    duel(
        "SAM, views",
        sam.len(),
        &mut [
            contender("genome-formats, strict", || sam_views(&sam)),
            contender("noodles-sam, lazy (checks little)", || noodles_sam_lazy(&sam)),
        ],
    );
    let mut group = c.benchmark_group("bam");
    group.sample_size(10);
    group.throughput(Throughput::Bytes(bam.len() as u64));
    group.bench_function("views", |b| b.iter(|| black_box(views(&bam, Mode::Strict))));
    group.finish();
}

criterion_group!(benches, bam);
criterion_main!(benches);
