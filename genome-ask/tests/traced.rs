//! Answers recomputed from the file by another path, straight through genome-formats; and the lines that rows cite.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::Path;

use genome_ask::answer::Answer;
use genome_ask::{Index, Query, Source, Store};
use genome_formats::{Feature, GenbankReader, GenbankRecord, Input, SequenceStats};

const ECOLI: &str = "genomes/ecoli_k12_mg1655/GCF_000005845.2_ASM584v2_genomic.gbff.gz";
const MYCOPLASMA: &str = "genomes/mycoplasma_alvi/mycoplasma_alvi.gbk.gz";

fn ask(index: &Index, text: &str) -> Answer {
    index.run(&Query::parse(text).unwrap()).unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn read(path: &Path) -> Vec<GenbankRecord> {
    GenbankReader::open(path).unwrap().collect::<Result<_, _>>().unwrap()
}

fn tag(feature: &Feature) -> &str {
    feature.qualifier("locus_tag").unwrap()
}

fn ids(answer: &Answer) -> BTreeSet<&str> {
    answer.rows.iter().map(|row| &*row.id).collect()
}

#[test]
fn ten_answers_by_another_path() {
    let Some(data) = common::data_folder("ten_answers_by_another_path") else { return };
    let path = data.join(ECOLI);
    let records = read(&path);
    let record = &records[0];
    let index = Index::open(&[Source::new(&path)], &Store::Memory).unwrap();
    let features = || record.features.iter();
    let coding =
        || features().filter(|f| f.kind == "CDS" && f.qualifier("translation").is_some() && !f.has_qualifier("pseudo"));
    let bounds = |f: &Feature| {
        let bounds = f.location.bounds().unwrap();
        (bounds.start() + 1, bounds.end())
    };

    // 1: a kind.
    let trnas = features().filter(|f| f.kind == "tRNA" && !f.has_qualifier("pseudo")).count();
    assert_eq!(ask(&index, "count tRNA where not pseudo").count, trnas as u64);
    // 2: protein lengths.
    let long: BTreeSet<&str> = coding().filter(|f| f.qualifier("translation").unwrap().len() > 1400).map(tag).collect();
    assert_eq!(ids(&ask(&index, "list protein where aa > 1400")), long);
    // 3: a strand and a product.
    let word = |f: &&Feature| {
        let product = f.qualifier("product").unwrap_or_default().to_lowercase();
        product.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|w| w == "synthase")
    };
    let reverse = |f: &&Feature| f.location.parts()[0].strand == genome_formats::Strand::Reverse;
    let synthases: BTreeSet<&str> = coding().filter(word).filter(reverse).map(tag).collect();
    assert!(synthases.len() > 20, "{}", synthases.len());
    assert_eq!(ids(&ask(&index, "list protein where product has synthase and strand -")), synthases);
    // 4: what lies in a stretch.
    let genes = || features().filter(|f| f.kind == "gene");
    let inside = |f: &&Feature| {
        let (start, end) = bounds(f);
        start <= 250_000 && end >= 200_000
    };
    assert_eq!(ids(&ask(&index, "list gene where overlaps 200000-250000")), genes().filter(inside).map(tag).collect());
    // 5: EC numbers of a class.
    let ligases: BTreeSet<&str> =
        coding().filter(|f| f.qualifier_values("EC_number").any(|ec| ec.starts_with("6."))).map(tag).collect();
    assert_eq!(ids(&ask(&index, "list protein where ec under 6")), ligases);
    // 6: GC content.
    let mut stats = SequenceStats::default();
    stats.add(&record.seq);
    assert!((ask(&index, "gc sequence").values[0].value - 100.0 * stats.gc().unwrap()).abs() < 1e-9);
    // 7: a motif, by comparing letters.
    let upper = record.seq.to_ascii_uppercase();
    let ring: Vec<u8> = upper.iter().chain(&upper[..7]).copied().collect();
    let sites = ring.windows(8).filter(|w| *w == b"GCGGCCGC").count();
    assert_eq!(ask(&index, "count motif(NotI)").count, sites as u64);
    // 8: the mean length of genes.
    let lengths: Vec<u64> = genes().map(|f| bounds(f).1 - bounds(f).0 + 1).collect();
    let mean = lengths.iter().sum::<u64>() as f64 / lengths.len() as f64;
    assert!((ask(&index, "mean(length) gene").values[0].value - mean).abs() < 1e-6);
    // 9: start codons.
    let mut codons: BTreeMap<String, u64> = BTreeMap::new();
    for f in coding() {
        let cds = genome_formats::Cds::from_feature(f, record).unwrap();
        let bases = cds.nucleotides(&record.seq).unwrap().to_ascii_uppercase();
        *codons.entry(String::from_utf8(bases[usize::from(cds.phase)..][..3].to_vec()).unwrap()).or_default() += 1;
    }
    let groups = ask(&index, "list cds where translated group by start_codon").groups;
    assert_eq!(groups.into_iter().map(|g| (g.key, g.count)).collect::<BTreeMap<_, _>>(), codons);
    // 10: a translation of its own, of a gene on the reverse strand; and the bases of a feature.
    let reca = coding().find(|f| f.qualifier("gene") == Some("recA")).unwrap();
    let cds = genome_formats::Cds::from_feature(reca, record).unwrap();
    let answer = ask(&index, "list protein where named recA extract spliced");
    let spliced = answer.rows[0].sequence.clone().unwrap();
    assert_eq!(spliced.as_bytes(), cds.nucleotides(&record.seq).unwrap().to_ascii_uppercase());
    let whole = ask(&index, "list gene where named recA extract dna").rows[0].sequence.clone().unwrap();
    assert_eq!(whole, spliced);

    // 11: codon usage counts every codon.
    let usage = ask(&index, "codon_usage cds where named recA");
    assert_eq!(usage.groups.iter().map(|g| g.count).sum::<u64>() * 3, spliced.len() as u64);
    assert_eq!(
        usage.groups.iter().find(|g| g.key == "TAA").map(|g| (g.count, g.label.as_deref())),
        Some((1, Some("*")))
    );
}

#[test]
fn rows_cite_their_lines() {
    let Some(data) = common::data_folder("rows_cite_their_lines") else { return };
    for (file, queries) in [
        (ECOLI, ["list tRNA", "list gene where near dnaA within 20 kb"]),
        (MYCOPLASMA, ["list rRNA", "list gene where pseudo"]),
        ("genomes/yeast_s288c/saccharomyces_cerevisiae_R64.gff.gz", ["list centromere", "list gene where on IV"]),
    ] {
        let path = data.join(file);
        let lines: Vec<String> = BufReader::new(Input::open(&path).unwrap()).lines().map(Result::unwrap).collect();
        let index = Index::open(&[Source::new(&path)], &Store::Memory).unwrap();
        for query in queries {
            let answer = ask(&index, query);
            assert!(answer.rows.len() > 1, "{query}");
            for row in &answer.rows {
                let line = &lines[usize::try_from(row.line.unwrap()).unwrap() - 1];
                let start = row.start.to_string();
                assert!(line.contains(&row.kind) && line.contains(&start), "{query}: {row:?} cites {line:?}");
            }
        }
    }
}

#[test]
fn an_annotation_finds_its_sequence() {
    let Some(data) = common::data_folder("an_annotation_finds_its_sequence") else { return };
    let source = Source::discover(data.join("genomes/ecoli_k12_mg1655/GCF_000005845.2_ASM584v2_genomic.gff.gz"));
    assert!(source.fasta.is_some());
    let gff = Index::open(&[source], &Store::Memory).unwrap();
    let flat = Index::open(&[Source::new(data.join(ECOLI))], &Store::Memory).unwrap();
    // What two formats of one annotation must agree on.
    for query in [
        "count tRNA where not pseudo",
        "count gene",
        "count gene where pseudo",
        "list gene where near dnaA within 10 kb",
        "list gene where named araB extract upstream 500",
        "gc sequence",
        "list protein where aa > 1400",
        "list intergenic order by length desc limit 3",
        "list gene where named rfaK",
        "list protein where product has synthase and strand -",
    ] {
        let (a, b) = (ask(&gff, query), ask(&flat, query));
        assert_eq!((a.count, ids(&a)), (b.count, ids(&b)), "{query}");
        let sequences = |answer: &Answer| answer.rows.iter().map(|r| r.sequence.clone()).collect::<Vec<_>>();
        assert_eq!(sequences(&a), sequences(&b), "{query}");
    }
}

#[test]
fn two_genomes_are_compared() {
    let Some(data) = common::data_folder("two_genomes_are_compared") else { return };
    let sources = [Source::new(data.join(ECOLI)).named("ecoli"), Source::new(data.join(MYCOPLASMA)).named("alvi")];
    let index = Index::open(&sources, &Store::Memory).unwrap();
    let compared = index.compare("ecoli", "alvi", &genome_ask::query::Field::Gene).unwrap();
    assert!(compared.shared.contains_key("dnaa") && compared.only_first.contains_key("lacz"), "{compared:?}");
    let shared = ask(&index, "from alvi count gene where gene present and shared with ecoli by gene");
    assert_eq!(shared.count, compared.shared.values().map(|(_, n)| n).sum::<u64>());
    let alone = ask(&index, "from alvi count gene where gene present and not shared with ecoli by gene");
    assert_eq!(alone.count, compared.only_second.values().sum::<u64>());
    // Without `from` both are asked.
    assert_eq!(ask(&index, "count gene").count, 4639 + 726);
    assert_eq!(ask(&index, "from ecoli count gene").count, 4639);
}
