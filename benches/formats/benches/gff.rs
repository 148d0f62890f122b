//! GFF3: all lines with their Parent, against the lazy records of noodles.

use std::hint::black_box;

use criterion::{Criterion, criterion_group};
use formats_bench::{Random, contender, duel, is_smoke_test};
use genome_formats::{GffDialect, GffReader, Mode};

/// Lines as NCBI writes them: a gene, a transcript, exons and a CDS, with long attributes.
fn gff3(bytes: usize) -> Vec<u8> {
    let mut random = Random::new(7);
    let mut out = b"##gff-version 3\n#!gff-spec-version 1.21\n##sequence-region NC_000913.3 1 4641652000\n".to_vec();
    let (mut gene, mut at) = (0, 1);
    while out.len() < bytes {
        gene += 1;
        let (start, end) = (at, at + 200 + random.below(2000));
        at = end + random.below(500);
        let strand = if random.below(2) == 0 { '+' } else { '-' };
        let id = 944_000 + random.below(9_000_000);
        let mut line = |kind: &str, start: u64, end: u64, phase: &str, attributes: String| {
            let line = format!("NC_000913.3\tRefSeq\t{kind}\t{start}\t{end}\t.\t{strand}\t{phase}\t{attributes}\n");
            out.extend_from_slice(line.as_bytes());
        };
        let common = format!("Dbxref=ASAP:ABE-{gene:07},ECOCYC:EG{id},GeneID:{id};Name=gene{gene}");
        line(
            "gene",
            start,
            end,
            ".",
            format!(
                "ID=gene-b{gene:06};{common};gbkey=Gene;gene=gene{gene};gene_biotype=protein_coding;gene_synonym=ECK{gene:04};locus_tag=b{gene:06}"
            ),
        );
        line(
            "mRNA",
            start,
            end,
            ".",
            format!(
                "ID=rna-XM_{id}.1;Parent=gene-b{gene:06};{common};gbkey=mRNA;model_evidence=Supporting evidence includes similarity to: 1 mRNA%2C {} ESTs;transcript_id=XM_{id}.1",
                random.below(50)
            ),
        );
        for exon in 1..=2 + random.below(4) {
            let (from, to) = (start + 30 * exon, start + 30 * exon + 20);
            line(
                "exon",
                from,
                to,
                ".",
                format!(
                    "ID=exon-XM_{id}.1-{exon};Parent=rna-XM_{id}.1;{common};gbkey=mRNA;product=hypothetical protein {gene};transcript_id=XM_{id}.1"
                ),
            );
            line(
                "CDS",
                from,
                to,
                ["0", "1", "2"][random.below(3) as usize],
                format!(
                    "ID=cds-XP_{id}.1;Parent=rna-XM_{id}.1;{common};gbkey=CDS;gene=gene{gene};locus_tag=b{gene:06};product=hypothetical protein {gene};protein_id=XP_{id}.1;transl_table=11"
                ),
            );
        }
    }
    out
}

/// Lines, the sum of their starts, and the bytes of their first Parent.
type Found = (u64, u64, u64);

fn ours(text: &[u8], mode: Mode) -> Found {
    let mut reader = GffReader::new("bench", text, GffDialect::Gff3).with_mode(mode);
    let (mut lines, mut starts, mut parents) = (0, 0, 0);
    while let Some(view) = reader.next_view().expect("the input is valid") {
        lines += 1;
        starts += view.span().start() + 1;
        parents += view.raw_attribute(b"Parent").map_or(0, |parent| parent.len() as u64);
    }
    (lines, starts, parents)
}

fn noodles(text: &[u8]) -> Found {
    let mut reader = noodles_gff::io::Reader::new(text);
    let mut line = noodles_gff::Line::default();
    let (mut lines, mut starts, mut parents) = (0, 0, 0);
    while reader.read_line(&mut line).expect("the input is valid") > 0 {
        let Some(record) = line.as_record() else { continue };
        let record = record.expect("the input is valid");
        lines += 1;
        starts += usize::from(record.start().expect("a start")) as u64;
        let attributes = record.attributes();
        if let Some(parent) = attributes.get(b"Parent") {
            let parent = parent.expect("the input is valid");
            let noodles_gff::record::attributes::field::Value::String(parent) = parent else { panic!("one parent") };
            parents += parent.len() as u64;
        }
    }
    (lines, starts, parents)
}

fn duels() {
    let text = gff3(if is_smoke_test() { 100_000 } else { 60_000_000 });
    let mut contenders = [
        contender("genome-formats, strict", || ours(&text, Mode::Strict)),
        contender("genome-formats, lenient", || ours(&text, Mode::Lenient)),
        contender("noodles-gff lazy", || noodles(&text)),
    ];
    duel("GFF3, all lines with Parent", text.len(), &mut contenders);
}

fn criterion_benches(criterion: &mut Criterion) {
    let text = gff3(if is_smoke_test() { 10_000 } else { 5_000_000 });
    let mut group = criterion.benchmark_group("gff");
    group.sample_size(10).throughput(criterion::Throughput::Bytes(text.len() as u64));
    group.bench_function("gff3 with Parent", |b| b.iter(|| ours(black_box(&text), Mode::Strict)));
    group.finish();
}

criterion_group!(benches, criterion_benches);

fn main() {
    duels();
    benches();
    Criterion::default().configure_from_args().final_summary();
}
