//! Real genomes and conformance files against the record and letter counts of independent readers.

mod common;

use std::collections::BTreeMap;
use std::path::Path;

use genome_formats::{
    DatasetDir, ErrorKind, FastaReader, Forgiven, GenbankReader, Input, LabelSet, Letters, Mode, sequences,
};

/// FASTA and GenBank files whose count is not expected, and why.
const DIFFERENT: &[(&str, &str)] = &[
    // text in front of the first record, or comment lines, which are refused
    ("formats/bioperl/fasta/in.fasta", "the log of a search, not FASTA: refused"),
    ("formats/biopython/fasta/aster_blast.pro", "comment lines: refused"),
    ("formats/biopython/fasta/aster_pearson.pro", "a heading in front of the first record: refused"),
    // the oracle read this FASTA file by its ending, as something else
    ("formats/bioperl/fasta/multifa.seq", "FASTA, but counted as GenBank"),
];

/// GenBank files that strict mode refuses, with the rule that they break; lenient mode reads them with the counts of the
/// oracle.
const FORGIVEN: &[(&str, &str)] = &[
    // cut by hand: fewer letters than LOCUS declares
    ("formats/bioperl/genbank/NC_006346.gb", "length of the sequence"), // 480 of 21657
    ("formats/bioperl/genbank/NC_006511-short.gbk", "length of the sequence"), // 840 of 4585229
    ("formats/bioperl/genbank/mini-AE001405.gb", "length of the sequence"), // 180 of 11389
    ("formats/bioperl/genbank/revcomp_mrna.gb", "length of the sequence"), // 50040 of 181589
    ("formats/bioperl/genbank/AnnIX-v003.gbk", "record without an end"), // 13862 of 14000
    // a range over the end of a linear record
    ("formats/biopython/genbank/bad_origin_wrap_linear.gb", "location"),
    ("formats/biopython/genbank/addgene-plasmid-11664-sequence-180430.gbk", "location"),
    // a range in front of base 1
    ("formats/biopython/genbank/negative_location.gb", "location"),
    ("formats/bioperl/genbank/dmel_2Lchunk.gb", "location"),
    ("formats/biopython/genbank/invalid_misc_feature.gb", "feature without a location"),
    ("formats/biopython/genbank/qualifier_escaping_read.gb", "quote inside a value that is not doubled"),
];

/// GenBank files that the oracle cannot read; lenient mode can, all but what it names.
const BROKEN: &[(&str, &str, Counts)] = &[
    // `J00194:(100..202)`, an older way to point at another record
    ("formats/bioperl/genbank/test.genbank", "location", counts(5, 4623, 39)),
    // `5>..12`, `5.60..<120`, ...; `4^8` means nothing
    ("formats/bioperl/genbank/testfuzzy.genbank", "feature without a location", counts(1, 310, 20)),
    // `/product "x`
    ("formats/biopython/genbank/invalid_product.gb", "broken qualifier", counts(1, 6497, 2)),
    ("formats/biopython/genbank/no_origin_no_end.gb", "record without an end", counts(1, 6497, 1)),
];

#[derive(Debug, Default, PartialEq)]
struct Counts {
    records: u64,
    letters: u64,
    features: Option<u64>,
}

const fn counts(records: u64, letters: u64, features: u64) -> Counts {
    Counts { records, letters, features: Some(features) }
}

/// Counts a GenBank file; what was forgiven.
fn count_genbank(path: &Path, mode: Mode) -> Result<(Counts, Forgiven), genome_formats::Error> {
    let mut reader = GenbankReader::open(path)?.with_mode(mode);
    let (mut got, mut features) = (Counts::default(), 0);
    for record in reader.by_ref() {
        let record = record?;
        got.records += 1;
        // Records without a sequence count with the length that they declare, as in the oracle.
        let length = record.seq.len() as u64;
        got.letters += if length == 0 { record.declared_len.unwrap_or(0) } else { length };
        features += record.features.len() as u64;
    }
    got.features = Some(features);
    Ok((got, reader.forgiven().clone()))
}

fn count(path: &Path, genbank: bool) -> Result<Counts, genome_formats::Error> {
    if genbank {
        return Ok(count_genbank(path, Mode::Strict)?.0);
    }
    let mut counts = Counts::default();
    for record in FastaReader::from_input(Input::open(path)?).with_letters(Letters::Any) {
        counts.records += 1;
        counts.letters += record?.seq.len() as u64;
    }
    Ok(counts)
}

#[test]
fn counts_are_those_of_independent_readers() {
    let test = "counts_are_those_of_independent_readers";
    let Some(data) = common::data_folder(test, "GENOME_DATA", "data") else { return };
    let table = std::fs::read_to_string(data.join("expected_counts.tsv")).unwrap();
    let different: BTreeMap<_, _> = DIFFERENT.iter().copied().collect();
    let mut checked = 0;
    let mut failures = Vec::new();
    for row in table.lines().skip(1) {
        let [path, _, records, detail] = row.split('\t').collect::<Vec<_>>()[..] else { panic!("{row}") };
        let plain = path.trim_end_matches(".gz").trim_end_matches(".bgz");
        let ends = |ends: &[&str]| ends.iter().any(|e| plain.ends_with(e));
        let genbank = path.contains("/genbank/") || ends(&[".gb", ".gbk", ".gbff"]);
        let fasta = path.contains("/fasta/") || ends(&[".fa", ".fasta", ".fna", ".faa", ".ffn"]);
        if !genbank && !fasta {
            continue;
        }
        let forgiven = FORGIVEN.iter().find(|(file, _)| *file == path);
        let got = match forgiven {
            Some((_, rule)) => count_genbank(&data.join(path), Mode::Lenient).map(|(counts, forgiven)| {
                assert!(forgiven.iter().any(|(broken, ..)| broken == *rule), "{path}: {forgiven}");
                counts
            }),
            None => count(&data.join(path), genbank),
        };
        if different.contains_key(path) || BROKEN.iter().any(|(file, ..)| *file == path) {
            // Read or refused, but never a panic.
            continue;
        }
        let number = |key: &str| detail.split(';').find_map(|d| d.strip_prefix(key)?.parse::<u64>().ok());
        let mut expected = Counts {
            records: records.parse().unwrap_or(0),
            letters: number("letters=").unwrap(),
            features: number("features="),
        };
        if path.contains("tls_") || path.contains("tsa_") {
            // LOCUS counts records there (`rc`), which the oracle takes for letters.
            expected.letters = 0;
        }
        checked += 1;
        match got {
            Ok(counts) if counts == expected => {}
            other => failures.push(format!("{path}: expected {expected:?}, got {other:?}")),
        }
    }
    eprintln!("{checked} files agree, {} are known to differ", different.len());
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
    assert!(checked >= 95, "only {checked} files were checked");
}

#[test]
fn refused_files_say_where() {
    let test = "refused_files_say_where";
    let Some(data) = common::data_folder(test, "GENOME_DATA", "data") else { return };
    let fasta = DIFFERENT.iter().filter(|(_, why)| why.ends_with("refused")).map(|(path, _)| *path);
    let genbank = FORGIVEN.iter().map(|(path, _)| *path).chain(BROKEN.iter().map(|(path, ..)| *path));
    for path in fasta.chain(genbank) {
        let error = count(&data.join(path), path.contains("/genbank/")).unwrap_err();
        eprintln!("{error}");
        assert!(error.line().is_some(), "{path}: {error}");
    }
}

#[test]
fn lenient_mode_reads_broken_genbank() {
    let test = "lenient_mode_reads_broken_genbank";
    let Some(data) = common::data_folder(test, "GENOME_DATA", "data") else { return };
    for (path, rule, expected) in BROKEN {
        let (got, forgiven) = count_genbank(&data.join(path), Mode::Lenient).unwrap();
        eprintln!("{path}: {got:?}: {forgiven}");
        assert_eq!(got, *expected, "{path}");
        assert!(forgiven.iter().any(|(broken, ..)| broken == *rule), "{path}: {forgiven}");
    }
}

#[test]
fn every_genome_is_read_by_content() {
    let test = "every_genome_is_read_by_content";
    let Some(data) = common::data_folder(test, "GENOME_DATA", "data") else { return };
    let mut seen = Vec::new();
    for name in [
        "phage_phix174/NC_001422.gbk",
        "arabidopsis_chloroplast/NC_000932.gb",
        "arabidopsis_mitochondrion/NC_001284.gbk.gz",
        "yersinia_plasmid_pPCP1/NC_005816.gb",
        "yersinia_plasmid_pPCP1/NC_005816.fna",
        "mycoplasma_alvi/mycoplasma_alvi.gbk.gz",
        "ecoli_k12_mg1655/GCF_000005845.2_ASM584v2_genomic.gbff.gz",
        "ecoli_k12_mg1655/GCF_000005845.2_ASM584v2_genomic.fna.gz",
        "human_chr20_grch37/20.fa.gz",
    ] {
        let records: Vec<_> =
            sequences::open(data.join("genomes").join(name)).unwrap().collect::<Result<_, _>>().unwrap();
        seen.push((records[0].name.clone(), records.iter().map(|r| r.seq.len()).sum::<usize>()));
    }
    assert_eq!(seen[0], ("NC_001422.1".to_owned(), 5386));
    // The same molecule in two formats.
    assert_eq!(seen[3].1, seen[4].1);
    assert_eq!(seen[6], seen[7]);
    assert_eq!(seen[8], ("20".to_owned(), 63_025_520)); // the length in GRCh37
}

#[test]
fn fasta_and_genbank_of_one_genome_have_the_same_letters() {
    let test = "fasta_and_genbank_of_one_genome_have_the_same_letters";
    let Some(data) = common::data_folder(test, "GENOME_DATA", "data") else { return };
    let read = |name: &str| {
        sequences::open(data.join("genomes/yersinia_plasmid_pPCP1").join(name)).unwrap().next().unwrap().unwrap()
    };
    assert_eq!(read("NC_005816.gb").seq.to_ascii_uppercase(), read("NC_005816.fna").seq.to_ascii_uppercase());
}

#[test]
fn demo_genomes_are_read_with_their_features() {
    let test = "demo_genomes_are_read_with_their_features";
    let Some(demo) = common::data_folder(test, "GENOME_DEMO", "demo") else { return };
    let count = |name: &str| count(&demo.join("genome").join(name), true).unwrap();
    assert_eq!(count("NC_000932.gb").features, Some(259));
    assert_eq!(count("NC_005816.gb").features, Some(41));
}

#[test]
fn every_classification_set_opens() {
    let test = "every_classification_set_opens";
    let Some(data) = common::data_folder(test, "GENOME_DATA", "data") else { return };
    let mut opened = 0;
    for entry in std::fs::read_dir(data.join("classify")).unwrap() {
        let dir = entry.unwrap().path();
        let name = dir.file_name().unwrap().to_string_lossy().into_owned();
        let set = DatasetDir::open(&dir);
        match &*name {
            // Not `sequence,label`: refused by name.
            "dnallm_token_gene_structure" => assert_eq!(set.unwrap_err().kind(), ErrorKind::Header),
            "dnabert_sample_6mer_tsv" => assert_eq!(set.unwrap_err().kind(), ErrorKind::MissingFile),
            // Labels are measured values or lists, so dev has some that train has not.
            "dnallm_regression_promoter_strength" | "dnallm_multilabel_chromatin_access" => {
                assert_eq!(set.unwrap_err().kind(), ErrorKind::Label);
            }
            _ => {
                let set = set.unwrap_or_else(|e| panic!("{name}: {e}"));
                let test = set.read_test().unwrap();
                assert!(set.labels().len() >= 2 && !test.rows.is_empty(), "{name}");
                opened += 1;
                if name == "gue_prom_core_tata" {
                    let rows = [set.train().rows.len(), set.dev().rows.len(), test.rows.len()];
                    assert_eq!(rows, [4904, 613, 613]);
                    let ones = set.labels().encode(&test).unwrap().iter().sum::<usize>();
                    assert_eq!((ones, set.labels()), (309, &LabelSet::from_train(set.train()).unwrap()));
                }
            }
        }
    }
    assert!(opened >= 20, "only {opened} sets");
}
