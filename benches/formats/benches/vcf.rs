//! VCF with 20 samples: sites (chrom, pos, ref, alt) in place against noodles' lazy records, and whole owned records against
//! noodles' record buffers.
//!
//! Everybody reads from memory; noodles behind a `BufReader` of 256 KiB, as from a file.

use std::hint::black_box;
use std::io::BufReader;

use criterion::{Criterion, Throughput};
use formats_bench::{Random, contender, duel, is_smoke_test};
use genome_formats::vcf::{Checks, Value, VcfOptions, VcfReader};
use noodles_vcf as noodles;

const BUFFER: usize = 256 * 1024;
const SAMPLES: usize = 20;

/// `records` sites with genotypes, depths and likelihoods, as a caller writes them.
fn vcf(seed: u64, records: usize) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut text = String::from(
        "##fileformat=VCFv4.3\n\
         ##INFO=<ID=AC,Number=A,Type=Integer,Description=\"Allele count\">\n\
         ##INFO=<ID=AF,Number=A,Type=Float,Description=\"Allele frequency\">\n\
         ##INFO=<ID=AN,Number=1,Type=Integer,Description=\"Alleles\">\n\
         ##INFO=<ID=DP,Number=1,Type=Integer,Description=\"Depth\">\n\
         ##FORMAT=<ID=GT,Number=1,Type=String,Description=\"Genotype\">\n\
         ##FORMAT=<ID=DP,Number=1,Type=Integer,Description=\"Depth\">\n\
         ##FORMAT=<ID=GQ,Number=1,Type=Integer,Description=\"Quality\">\n\
         ##FORMAT=<ID=PL,Number=G,Type=Integer,Description=\"Likelihoods\">\n\
         ##contig=<ID=chr1,length=248956422>\n\
         #CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT",
    );
    for sample in 0..SAMPLES {
        text.push_str(&format!("\tsample{sample}"));
    }
    text.push('\n');
    let mut position = 10_000;
    for record in 0..records {
        position += 1 + random.below(500);
        let reference = random.below(4) as usize;
        let alternate = ["A", "C", "G", "T"][(reference + 1 + random.below(3) as usize) % 4];
        let reference = ["A", "C", "G", "T"][reference];
        let (reference, alternate) = match random.below(10) {
            0 => (format!("{reference}ACA"), reference.to_owned()),
            1 => (reference.to_owned(), format!("{reference}TG")),
            _ => (reference.to_owned(), alternate.to_owned()),
        };
        let (count, depth) = (random.below(40), random.below(900));
        text.push_str(&format!(
            "chr1\t{position}\trs{record}\t{reference}\t{alternate}\t{}\tPASS\tAC={count};AF={:.3};AN=40;DP={depth}\tGT:DP:GQ:PL",
            random.below(1000),
            count as f64 / 40.0,
        ));
        for _ in 0..SAMPLES {
            let genotype = ["0/0", "0/1", "1/1", "0|1"][random.below(4) as usize];
            let (a, b) = (random.below(60), random.below(99));
            text.push_str(&format!("\t{genotype}:{a}:{b}:0,{a},{b}"));
        }
        text.push('\n');
    }
    text.into_bytes()
}

/// Records, the sum of their positions, letters of REF and ALT, and of their sequence names.
type Sites = (u64, u64, u64, u64);

fn ours_sites(text: &[u8], checks: Checks) -> Sites {
    let options = VcfOptions { checks, ..VcfOptions::default() };
    let mut reader = VcfReader::new_with("bench.vcf", text, options).unwrap();
    let mut seen = (0, 0, 0, 0);
    while let Some(site) = reader.next_view().unwrap() {
        seen.0 += 1;
        seen.1 += site.start().unwrap() + 1;
        seen.2 += (site.reference().len() + site.alt().len()) as u64;
        seen.3 += site.chrom().len() as u64;
    }
    seen
}

fn noodles_sites(text: &[u8]) -> Sites {
    let mut reader = noodles::io::Reader::new(BufReader::with_capacity(BUFFER, text));
    reader.read_header().unwrap();
    let mut record = noodles::Record::default();
    let mut seen = (0, 0, 0, 0);
    while reader.read_record(&mut record).unwrap() > 0 {
        seen.0 += 1;
        seen.1 += record.variant_start().unwrap().unwrap().get() as u64;
        seen.2 += (record.reference_bases().len() + record.alternate_bases().as_ref().len()) as u64;
        seen.3 += record.reference_sequence_name().len() as u64;
    }
    seen
}

/// Records, the sum of INFO/DP, and of the alternate alleles of all genotypes.
type Whole = (u64, u64, u64);

fn ours_whole(text: &[u8]) -> Whole {
    let mut seen = (0, 0, 0);
    for variant in VcfReader::new("bench.vcf", text).unwrap() {
        let variant = variant.unwrap();
        seen.0 += 1;
        seen.1 += variant.info("DP").and_then(Value::integer).unwrap() as u64;
        seen.2 += (0..SAMPLES).map(|s| variant.genotype(s).unwrap().count(1) as u64).sum::<u64>();
    }
    seen
}

fn noodles_whole(text: &[u8]) -> Whole {
    use noodles::variant::record::samples::series::value::genotype::Phasing;
    use noodles::variant::record_buf::info::field::Value;
    use noodles::variant::record_buf::samples::sample::Value as SampleValue;

    let mut reader = noodles::io::Reader::new(BufReader::with_capacity(BUFFER, text));
    let header = reader.read_header().unwrap();
    let mut seen = (0, 0, 0);
    for record in reader.record_bufs(&header) {
        let record = record.unwrap();
        seen.0 += 1;
        if let Some(Some(Value::Integer(depth))) = record.info().get("DP") {
            seen.1 += *depth as u64;
        }
        for sample in record.samples().values() {
            if let Some(Some(SampleValue::Genotype(genotype))) = sample.get("GT") {
                let alleles = genotype.as_ref().iter();
                black_box(alleles.clone().filter(|a| a.phasing() == Phasing::Phased).count());
                seen.2 += alleles.filter(|a| a.position() == Some(1)).count() as u64;
            }
        }
    }
    seen
}

fn main() {
    let records = if is_smoke_test() { 100 } else { 100_000 };
    let text = vcf(7, records);
    duel(
        "VCF sites, 20 samples: chrom, pos, ref, alt",
        text.len(),
        &mut [
            contender("genome-formats, next_view", || ours_sites(&text, Checks::Columns)),
            contender("noodles-vcf, lazy records", || noodles_sites(&text)),
        ],
    );
    let part = if is_smoke_test() { text.clone() } else { vcf(8, 10_000) };
    duel(
        "VCF whole records, 20 samples: typed and checked",
        part.len(),
        &mut [
            contender("genome-formats, iterator", || ours_whole(&part)),
            contender("noodles-vcf, record_bufs", || noodles_whole(&part)),
        ],
    );

    let mut criterion = Criterion::default().sample_size(10).configure_from_args();
    let mut group = criterion.benchmark_group("vcf");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("sites", |b| b.iter(|| ours_sites(black_box(&text), Checks::Columns)));
    group.finish();
    criterion.final_summary();
}
