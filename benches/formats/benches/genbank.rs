//! GenBank against gb-io, on some 60 MB of records like a chloroplast genome: a quarter of the text is features with long
//! notes and translations, the rest letters.

use std::fmt::Write;

use criterion::{Criterion, Throughput};
use formats_bench::{Random, contender, duel, is_smoke_test};
use genome_formats::{GenbankReader, GenbankRecord, GenbankWriter, Mode};

/// What must agree: records, features, letters, bytes of qualifier values.
type Sums = [usize; 4];

/// A record with the shape of NC_000932 (chloroplast of Arabidopsis): 154,478 letters, 259 features.
fn record(random: &mut Random, out: &mut String) {
    let length = 154_478;
    let _ = write!(
        out,
        "LOCUS       NC_{:06}             {length} bp    DNA     circular PLN 15-APR-2009\n\
         DEFINITION  Arabidopsis thaliana chloroplast, complete genome.\n\
         ACCESSION   NC_000932\nVERSION     NC_000932.1  GI:7525012\nDBLINK      Project: 116\nKEYWORDS    .\n\
         SOURCE      chloroplast Arabidopsis thaliana (thale cress)\n  ORGANISM  Arabidopsis thaliana\n            \
         Eukaryota; Viridiplantae; Streptophyta; Embryophyta; Tracheophyta;\n            \
         Spermatophyta; Magnoliophyta; eudicotyledons; core eudicotyledons.\n\
         REFERENCE   1  (bases 1 to {length})\n  AUTHORS   Sato,S., Nakamura,Y., Kaneko,T., Asamizu,E. and Tabata,S.\n  \
         TITLE     Complete structure of the chloroplast genome of Arabidopsis\n            thaliana\n  \
         JOURNAL   DNA Res. 6 (5), 283-290 (1999)\n   PUBMED   10574454\n\
         COMMENT     REVIEWED REFSEQ: This record has been curated by NCBI staff.\n\
         FEATURES             Location/Qualifiers\n     source          1..{length}\n                     \
         /organism=\"Arabidopsis thaliana\"\n                     /organelle=\"plastid:chloroplast\"\n                     \
         /mol_type=\"genomic DNA\"\n                     /db_xref=\"taxon:3702\"\n",
        random.below(1_000_000),
    );
    for i in 0..129u64 {
        let start = 1 + i * 1150;
        let (end, middle) = (start + 900, start + 300);
        let location = match i % 4 {
            0 => format!("complement({start}..{end})"),
            1 => format!("join({start}..{middle},{}..{end})", middle + 100),
            2 => format!("complement(join({start}..{middle},{}..{end}))", middle + 100),
            _ => format!("{start}..{end}"),
        };
        let _ = write!(
            out,
            "     gene            {start}..{end}\n                     /gene=\"gene{i}\"\n                     \
             /locus_tag=\"ArthCp{i:03}\"\n                     /db_xref=\"GeneID:{}\"\n     \
             CDS             {location}\n                     /gene=\"gene{i}\"\n                     \
             /locus_tag=\"ArthCp{i:03}\"\n                     \
             /note=\"part of the cytochrome complex, which passes electrons\n                     \
             on to \"\"plastocyanin\"\" in the lumen\"\n                     /codon_start=1\n                     \
             /transl_table=11\n                     /product=\"hypothetical protein\"\n                     \
             /protein_id=\"NP_{:06}.1\"\n                     /db_xref=\"GI:{}\"\n                     /translation=\"",
            random.below(1_000_000),
            random.below(1_000_000),
            random.below(10_000_000),
        );
        let protein: String = (0..300).map(|_| b"ACDEFGHIKLMNPQRSTVWY"[random.below(20) as usize] as char).collect();
        out.push_str(&protein[..44]);
        for row in protein.as_bytes()[44..].chunks(58) {
            let _ = write!(out, "\n                     {}", String::from_utf8_lossy(row));
        }
        out.push_str("\"\n");
    }
    out.push_str("ORIGIN      \n");
    let seq = random.dna(length).to_ascii_lowercase();
    for (i, line) in seq.chunks(60).enumerate() {
        let _ = write!(out, "{:>9}", 60 * i + 1);
        for block in line.chunks(10) {
            out.push(' ');
            out.push_str(std::str::from_utf8(block).expect("letters"));
        }
        out.push('\n');
    }
    out.push_str("//\n");
}

fn add(sums: &mut Sums, record: &GenbankRecord) {
    sums[0] += 1;
    sums[1] += record.features.len();
    sums[2] += record.seq.len();
    let values = record.features.iter().flat_map(|f| &f.qualifiers).filter_map(|(_, value)| value.as_ref());
    sums[3] += values.map(String::len).sum::<usize>();
}

fn reused(text: &[u8]) -> Sums {
    let (mut reader, mut record, mut sums) = (GenbankReader::new("x", text), GenbankRecord::default(), [0; 4]);
    while reader.read_into(&mut record).expect("a record") {
        add(&mut sums, &record);
    }
    sums
}

fn owned(text: &[u8], mode: Mode) -> Sums {
    let mut sums = [0; 4];
    for record in GenbankReader::new("x", text).with_mode(mode) {
        add(&mut sums, &record.expect("a record"));
    }
    sums
}

fn gb_io(text: &[u8]) -> Sums {
    let mut sums = [0; 4];
    for record in gb_io::reader::SeqReader::new(text) {
        let record = record.expect("a record");
        sums[0] += 1;
        sums[1] += record.features.len();
        sums[2] += record.seq.len();
        let values = record.features.iter().flat_map(|f| &f.qualifiers).filter_map(|(_, value)| value.as_ref());
        sums[3] += values.map(String::len).sum::<usize>();
    }
    sums
}

fn main() {
    let mut random = Random::new(7);
    let mut text = String::new();
    for _ in 0..if is_smoke_test() { 1 } else { 200 } {
        record(&mut random, &mut text);
    }
    let text = text.as_bytes();
    duel(
        "GenBank, reading",
        text.len(),
        &mut [
            contender("genome-formats, reused record", || reused(text)),
            contender("genome-formats, owned records", || owned(text, Mode::Strict)),
            contender("genome-formats, owned, lenient", || owned(text, Mode::Lenient)),
            contender("gb-io", || gb_io(text)),
        ],
    );

    let ours: Vec<_> = GenbankReader::new("x", text).take(20).collect::<Result<_, _>>().expect("records");
    let theirs: Vec<_> = gb_io::reader::SeqReader::new(text).take(20).collect::<Result<_, _>>().expect("records");
    let write = || {
        let mut writer = GenbankWriter::new("x", Vec::new());
        ours.iter().for_each(|record| writer.write(record).expect("a record"));
        writer.finish().expect("memory")
    };
    let write_gb_io = || {
        let mut out = Vec::new();
        let mut writer = gb_io::writer::SeqWriter::new(&mut out);
        theirs.iter().for_each(|record| writer.write(record).expect("a record"));
        out
    };
    assert_eq!(reused(&write()), reused(&write_gb_io()));
    duel(
        "GenBank, writing",
        write().len(),
        &mut [
            contender("genome-formats, checked by reading back", || write().len() / 1_000_000),
            contender("gb-io", || write_gb_io().len() / 1_000_000),
        ],
    );

    let mut criterion = Criterion::default().sample_size(10).configure_from_args();
    let mut group = criterion.benchmark_group("genbank");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("read_into", |b| b.iter(|| reused(text)));
    group.finish();
    criterion.final_summary();
}
