//! Data sets: leakage in real ones, and sets built from genomes.

mod common;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use genome_formats::alphabet::reverse_complement;
use genome_formats::dataset::{
    self, Dataset, DatasetBuilder, DatasetOptions, DatasetRow, Dedupe, DropReason, FileHash, Genome, Manifest,
    MemoryGenome, Near, Negatives, RowKind, SignalLabels, Site, Split, SplitBy, Summary, VariantSite, Window,
    whole_sequences,
};
use genome_formats::{DatasetDir, Error, ErrorKind, SeqRecord, Signal, Span, Strand};
use proptest::prelude::*;

/// The column "exact duplicates across splits" of the shared README: set, [train&dev, train&test, dev&test].
fn listed(readme: &str) -> Vec<(String, [u64; 3])> {
    let rows = readme.lines().filter(|l| l.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let counts: Vec<u64> = cells[5].split(", ").map(|n| n.parse().unwrap()).collect();
        (cells[1].trim_matches('`').to_owned(), counts.try_into().unwrap())
    })
    .collect()
}

#[test]
fn check_finds_the_duplicates_that_the_readme_lists() {
    let test = "check_finds_the_duplicates_that_the_readme_lists";
    let Some(data) = common::data_folder(test, "GENOME_DATA", "data") else { return };
    let sets = listed(&fs::read_to_string(data.join("README.md")).unwrap());
    assert_eq!(sets.len(), 23);
    // Of all pairs, compared one by one with sets of 11-mers in Python: Jaccard index of at least 0.5, neither the same nor
    // reverse complements, counted in distinct sequences of the second split.
    let near: BTreeMap<&str, [u64; 3]> = BTreeMap::from([
        ("gue_prom_core_all", [98, 90, 21]),
        ("gue_prom_core_tata", [17, 10, 3]),
        ("gue_emp_H3", [6, 25, 3]),
        ("gue_tf_human_2", [28, 24, 6]),
        ("gue_tf_mouse_2", [2, 3, 0]),
        ("gue_splice_reconstructed", [91, 478, 126]),
        ("uci_ecoli_promoters", [4, 6, 6]),
        ("dnallm_domain_of_life", [11, 5, 1]),
    ]);
    for (name, expected) in sets {
        let report = dataset::check(data.join("classify").join(&name)).unwrap();
        let exact: Vec<u64> = report.pairs.iter().map(|p| p.exact.sequences).collect();
        assert_eq!(exact, expected, "{name}");
        // No listed set has one across its splits; planted ones are below.
        assert!(report.pairs.iter().all(|p| p.reverse_complement.sequences == 0), "{name}");
        if let Some(expected) = near.get(&*name) {
            let near: Vec<u64> = report.pairs.iter().map(|p| p.near.as_ref().unwrap().sequences).collect();
            assert_eq!(near, expected, "{name}");
        }
    }
}

#[test]
fn check_refuses_tables_that_are_no_labelled_sequences() {
    let test = "check_refuses_tables_that_are_no_labelled_sequences";
    let Some(data) = common::data_folder(test, "GENOME_DATA", "data") else { return };
    let error = dataset::check(data.join("classify/dnallm_token_gene_structure")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Header);
}

/// Letters that look random, the same each time.
fn letters(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let step = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        b"ACGT"[(state >> 60 & 3) as usize]
    };
    (0..len).map(step).collect()
}

/// Three sequences of 20,000 letters.
fn genome() -> MemoryGenome {
    let record = |i: u64| SeqRecord::new(format!("chr{i}"), letters(i, 20_000));
    MemoryGenome::new("toy.fa", (1..=3).map(record)).unwrap()
}

fn site(seq_name: &str, start: u64, end: u64, strand: Option<Strand>) -> Result<Site, Error> {
    Ok(Site { seq_name: seq_name.into(), span: Span::new(start, end).unwrap(), strand, label: "1".into() })
}

/// A site every 1,000 bases of each sequence, on both strands in turn.
fn sites() -> Vec<Site> {
    let at = |name: &'static str| {
        (0..20).map(move |i| {
            let strand = if i % 2 == 0 { Strand::Forward } else { Strand::Reverse };
            site(name, 1000 * i + 400, 1000 * i + 420, Some(strand)).unwrap()
        })
    };
    ["chr1", "chr2", "chr3"].into_iter().flat_map(at).collect()
}

fn by_chromosome() -> SplitBy {
    SplitBy::Chromosome { dev: vec!["chr2".into()], test: vec!["chr3".into()] }
}

fn matched() -> Negatives {
    Negatives::Matched { gc_tolerance: 0.05, ratio: 1.5, margin_bp: 30, label: "0".into() }
}

fn options(split: SplitBy) -> DatasetOptions {
    DatasetOptions { seed: 7, window: Window::Centered(100), split, negatives: matched(), ..DatasetOptions::default() }
}

fn build(options: DatasetOptions, sites: impl IntoIterator<Item = Site>) -> Result<Dataset<MemoryGenome>, Error> {
    DatasetBuilder::new(genome(), options).sites(sites.into_iter().map(Ok))
}

fn rows(set: &Dataset<impl Genome>) -> Vec<(Split, DatasetRow)> {
    Split::ALL.into_iter().flat_map(|split| set.rows(split).map(move |row| (split, row.unwrap()))).collect()
}

fn drops(set: &Dataset<impl Genome>) -> Vec<(DropReason, u64)> {
    set.manifest().drops.iter().map(|(why, n)| (*why, *n)).collect()
}

fn overlap(a: &DatasetRow, b: &DatasetRow, margin: u64) -> bool {
    a.seq_name == b.seq_name && a.span.start() < b.span.end() + margin && b.span.start() < a.span.end() + margin
}

fn gc(letters: &[u8]) -> f64 {
    letters.iter().filter(|b| matches!(b, b'G' | b'C')).count() as f64 / letters.len() as f64
}

#[test]
fn a_set_from_sites_is_read_back_and_clean() {
    let dir = tempfile::tempdir().unwrap();
    let set = build(options(by_chromosome()), sites()).unwrap();
    let written = set.write(dir.path()).unwrap();
    assert_eq!(Manifest::open(dir.path()).unwrap(), written);
    assert_eq!(Manifest { outputs: vec![], ..written.clone() }, *set.manifest());
    assert_eq!((written.items, written.rows(), written.splits[&Split::Train].rows), (60, 150, 50));
    assert!(written.drops.is_empty(), "{:?}", written.drops);
    for file in &written.outputs {
        assert_eq!(FileHash::of(dir.path().join(&file.name)).unwrap(), *file);
    }
    let names: Vec<&str> = written.outputs.iter().map(|f| &*f.name).collect();
    assert_eq!(names, ["train.csv", "dev.csv", "test.csv", "windows.tsv"]);

    let read = DatasetDir::open(dir.path()).unwrap();
    let test = read.read_test().unwrap();
    for (split, file) in Split::ALL.into_iter().zip([read.train(), read.dev(), &test]) {
        let built: Vec<DatasetRow> = set.rows(split).map(Result::unwrap).collect();
        let built: Vec<_> = built.iter().map(|r| (&r.sequence, &r.label)).collect();
        assert_eq!(file.rows.iter().map(|r| (&r.sequence, &r.label)).collect::<Vec<_>>(), built);
    }
    assert!(dataset::check(dir.path()).unwrap().is_clean());

    // Each line of windows.tsv says where the row of the same line comes from.
    let table = fs::read_to_string(dir.path().join("windows.tsv")).unwrap();
    let genome = genome();
    for line in table.lines().skip(1) {
        let cells: Vec<&str> = line.split('\t').collect();
        let csv = fs::read_to_string(dir.path().join(format!("{}.csv", cells[0]))).unwrap();
        let row = csv.lines().nth(cells[1].parse::<usize>().unwrap() - 1).unwrap();
        let span = Span::new(cells[3].parse().unwrap(), cells[4].parse().unwrap()).unwrap();
        let mut letters = genome.fetch(cells[2], span).unwrap().into_owned();
        if cells[5] == "-" {
            letters = reverse_complement(&letters);
        }
        assert_eq!(row, format!("{},{}", String::from_utf8(letters).unwrap(), cells[8]));
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let bytes = |seed| {
        let dir = tempfile::tempdir().unwrap();
        let split = SplitBy::Random { dev: 0.2, test: 0.2, block_bp: 2000 };
        build(DatasetOptions { seed, ..options(split) }, sites()).unwrap().write(dir.path()).unwrap();
        let names = ["train.csv", "dev.csv", "test.csv", "windows.tsv", "manifest.json"];
        names.map(|name| fs::read(dir.path().join(name)).unwrap())
    };
    assert_eq!(bytes(1), bytes(1));
    assert_ne!(bytes(1), bytes(2));
}

#[test]
fn windows_are_turned_with_their_strand() {
    let check = |window, strand, aware: bool, expected: &dyn Fn(&[u8]) -> Vec<u8>| {
        let options = DatasetOptions {
            window,
            strand_aware: aware,
            negatives: Negatives::FromLabel,
            dedupe: Dedupe::OFF,
            ..options(by_chromosome())
        };
        let all =
            ["chr1", "chr2", "chr3"].map(|name| Site { label: "0".into(), ..site(name, 100, 110, strand).unwrap() });
        let set = build(options, all).unwrap();
        let row = set.rows(Split::Train).next().unwrap().unwrap();
        assert_eq!(row.sequence, expected(&letters(1, 20_000)), "{window:?} {strand:?} {aware}");
    };
    let reverse = Some(Strand::Reverse);
    check(Window::AsIs, None, true, &|g| g[100..110].to_vec());
    check(Window::AsIs, reverse, true, &|g| reverse_complement(&g[100..110]));
    check(Window::AsIs, reverse, false, &|g| g[100..110].to_vec());
    check(Window::Upstream(5), Some(Strand::Forward), true, &|g| g[95..100].to_vec());
    check(Window::Upstream(5), reverse, true, &|g| reverse_complement(&g[110..115]));
    check(Window::Upstream(5), reverse, false, &|g| g[95..100].to_vec());
    check(Window::AroundStart { upstream: 3, downstream: 2 }, reverse, true, &|g| reverse_complement(&g[108..113]));
}

#[test]
fn what_gives_no_window_is_counted() {
    let mut chr1 = letters(1, 1000);
    chr1[100] = b'N';
    chr1[200] = b'R';
    chr1[500..520].make_ascii_lowercase();
    let records = [
        SeqRecord::new("chr1", chr1),
        SeqRecord::new("chr2", letters(2, 1000)),
        SeqRecord::new("chr3", letters(3, 1000)),
    ];
    let genome = MemoryGenome::new("toy.fa", records).unwrap();
    let sites = [
        site("chr1", 0, 10, None),
        site("chr1", 95, 105, None),
        site("chr1", 195, 205, None),
        site("chr1", 500, 510, None),
        site("chr1", 990, 1000, None),
        site("chr2", 500, 510, None),
        site("chr3", 500, 510, None),
        site("chr9", 500, 510, None),
        site("chr3", 995, 1001, None),
    ];
    let sites = || sites.iter().map(|s| Ok(Site { label: "0".into(), ..s.as_ref().unwrap().clone() }));
    let base =
        DatasetOptions { window: Window::Centered(20), negatives: Negatives::FromLabel, ..options(by_chromosome()) };
    let error = DatasetBuilder::new(&genome, base.clone()).sites(sites()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "toy.fa: the genome has no such sequence: expected one of chr1, chr2, chr3, found \"chr9\""
    );
    let base = DatasetOptions { lenient: true, ..base };
    let set = DatasetBuilder::new(&genome, base.clone()).sites(sites()).unwrap();
    let expected = [
        (DropReason::UnknownSequence, 1),
        (DropReason::OutsideSequence, 1),
        (DropReason::OverEnd, 2),
        (DropReason::TooManyN, 1),
        (DropReason::OtherLetters, 1),
    ];
    assert_eq!(drops(&set), expected);
    assert!(set.rows(Split::Train).next().unwrap().unwrap().sequence.iter().all(u8::is_ascii_uppercase));

    let circular = DatasetOptions { circular: vec!["chr1".into()], max_n_share: 0.05, keep_case: true, ..base };
    let set = DatasetBuilder::new(&genome, circular).sites(sites()).unwrap();
    let left = [(DropReason::UnknownSequence, 1), (DropReason::OutsideSequence, 1), (DropReason::OtherLetters, 1)];
    assert_eq!(drops(&set), left);
    let chr1 = &genome.records()[0].seq;
    let found: BTreeSet<Vec<u8>> = rows(&set).into_iter().map(|(_, r)| r.sequence).collect();
    assert!(found.contains(&[&chr1[995..], &chr1[..15]].concat()));
    assert!(found.contains(&chr1[495..515])); // in its case
}

#[test]
fn sites_may_wrap_on_a_circular_sequence() {
    let base = DatasetOptions { window: Window::AsIs, circular: vec!["chr1".into()], ..options(by_chromosome()) };
    let mut all = sites();
    all.push(site("chr1", 19_990, 20_010, Some(Strand::Reverse)).unwrap());
    let set = build(base, all).unwrap();
    let chr1 = letters(1, 20_000);
    let expected = reverse_complement(&[&chr1[19_990..], &chr1[..10]].concat());
    let row = rows(&set).into_iter().find(|(_, r)| r.sequence == expected).unwrap().1;
    assert_eq!(row.span, Span::new(19_990, 20_010).unwrap());
}

#[test]
fn planted_duplicates_lose_in_the_documented_order() {
    let mut chr1 = letters(1, 20_000);
    let (chr2, chr3) = (letters(2, 20_000), letters(3, 20_000));
    // Windows of train sites that are like those of dev and test; the last two are like each other.
    chr1[1360..1460].copy_from_slice(&chr2[3360..3460].to_ascii_lowercase());
    chr1[3360..3460].copy_from_slice(&reverse_complement(&chr3[5360..5460]));
    let mut changed = reverse_complement(&chr3[7360..7460]);
    for at in [20, 70] {
        changed[at] = if changed[at] == b'A' { b'C' } else { b'A' };
    }
    chr1[5360..5460].copy_from_slice(&changed);
    let copy = chr1[7360..7460].to_vec();
    chr1[9360..9460].copy_from_slice(&copy);
    let records = [SeqRecord::new("chr1", chr1), SeqRecord::new("chr2", chr2), SeqRecord::new("chr3", chr3)];
    let genome = MemoryGenome::new("toy.fa", records).unwrap();
    // The label of dev's copy is another one.
    let mut sites = sites();
    sites.iter_mut().filter(|s| s.span.start() == 3400 && s.seq_name == "chr2").for_each(|s| s.label = "0".into());
    sites.iter_mut().filter(|s| s.span.start() == 2400).for_each(|s| s.label = "0".into());
    let build = |dedupe| {
        let options =
            DatasetOptions { negatives: Negatives::FromLabel, dedupe, strand_aware: false, ..options(by_chromosome()) };
        DatasetBuilder::new(&genome, options).sites(sites.iter().cloned().map(Ok)).unwrap()
    };
    let set = build(Dedupe::default());
    let expected =
        [(DropReason::ExactDuplicate, 2), (DropReason::ReverseComplementDuplicate, 1), (DropReason::NearDuplicate, 1)];
    assert_eq!(drops(&set), expected);
    assert_eq!(set.manifest().duplicates_with_other_label, 1);
    let rows_of = |split| set.manifest().splits[&split].rows;
    assert_eq!((rows_of(Split::Train), rows_of(Split::Dev), rows_of(Split::Test)), (16, 20, 20));
    let kept: BTreeSet<u64> = set.rows(Split::Train).map(|r| r.unwrap().span.start()).collect();
    assert!(kept.contains(&7360) && !kept.contains(&9360));

    let dir = tempfile::tempdir().unwrap();
    set.write(dir.path()).unwrap();
    assert!(dataset::check(dir.path()).unwrap().is_clean());
    build(Dedupe::OFF).write_over(dir.path()).unwrap();
    let report = dataset::check(dir.path()).unwrap();
    let counts = |i: usize| {
        let p = &report.pairs[i];
        [p.exact.sequences, p.reverse_complement.sequences, p.near.as_ref().unwrap().sequences]
    };
    assert_eq!([counts(0), counts(1), counts(2)], [[1, 0, 0], [0, 1, 1], [0, 0, 0]]);
    assert_eq!((report.splits[0].exact.sequences, report.label_conflicts.same_sequence), (1, 1));
}

#[test]
fn homologous_windows_go_together() {
    let (chr1, mut chr2, chr3) = (letters(1, 20_000), letters(2, 20_000), letters(3, 20_000));
    // Ten sites of chr2 are those of chr1 on the other strand.
    for i in 0..10 {
        let from = 1000 * i + 360;
        chr2[from..from + 100].copy_from_slice(&reverse_complement(&chr1[from..from + 100]));
    }
    let records = [SeqRecord::new("chr1", chr1), SeqRecord::new("chr2", chr2), SeqRecord::new("chr3", chr3)];
    let genome = MemoryGenome::new("toy.fa", records).unwrap();
    let build = |groups: Vec<Vec<String>>| {
        let split = SplitBy::Homology { dev: 0.2, test: 0.2, near: Near::default(), groups };
        let options = DatasetOptions {
            dedupe: Dedupe::OFF,
            negatives: Negatives::FromLabel,
            strand_aware: false,
            ..options(split)
        };
        DatasetBuilder::new(&genome, options)
            .sites(sites().into_iter().map(|s| Ok(Site { label: "0".into(), ..s })))
            .unwrap()
    };
    let set = build(vec![]);
    assert_eq!(set.manifest().clusters, Some(50));
    let splits: BTreeMap<(String, u64), Split> =
        rows(&set).into_iter().map(|(split, r)| ((r.seq_name, r.span.start()), split)).collect();
    for i in 0..10 {
        let at = |name: &str| splits[&(name.to_owned(), 1000 * i + 360)];
        assert_eq!(at("chr1"), at("chr2"));
    }
    let counts = |set: &Dataset<_>| Split::ALL.map(|s| set.manifest().splits[&s].rows);
    assert_eq!(counts(&set), [36, 12, 12]);
    // chr1 and chr2 as a group: 40 windows in one cluster, which trains.
    let set = build(vec![vec!["chr1".into(), "chr2".into()]]);
    assert_eq!((set.manifest().clusters, counts(&set)), (Some(21), [40, 10, 10]));
}

#[test]
fn a_set_that_could_not_be_read_back_is_refused() {
    let check = |options: DatasetOptions, sites: Vec<Site>, expected: &str| {
        let error = build(options, sites).unwrap_err();
        assert_eq!(error.to_string(), expected);
    };
    let plain = || DatasetOptions { negatives: Negatives::FromLabel, ..options(by_chromosome()) };
    let train_only = sites().into_iter().filter(|s| s.seq_name == "chr1").collect();
    check(
        plain(),
        train_only,
        "toy.fa: no rows for dev: expected rows in each split, found 20 rows in all; dropped: nothing dropped",
    );
    check(
        plain(),
        sites(),
        "toy.fa: a gap in the numbers of the classes: expected labels 0, 1, 2, ... without a gap in train, found [1]",
    );
    let mut odd = sites();
    odd[25].label = "x".into();
    check(plain(), odd.clone(), "toy.fa: dev has a class that train has not: found \"x\"");
    odd[25].label = " x".into();
    check(
        plain(),
        odd,
        "dataset: a label that a file cannot hold: expected text on one line without blanks around it, found \" x\"",
    );
    let split = SplitBy::Chromosome { dev: vec!["chr2".into()], test: vec!["chr2".into()] };
    check(options(split), sites(), "dataset options: chr2 for dev and for test: expected each sequence in one split");
    let split = SplitBy::Random { dev: 0.6, test: 0.4, block_bp: 10 };
    check(
        options(split),
        sites(),
        "dataset options: 0.6 for dev and 0.4 for test: expected two shares over 0, together under 1",
    );
    let window = Window::Centered(0);
    check(
        DatasetOptions { window, ..plain() },
        sites(),
        "dataset options: the window Centered(0): expected at least one base",
    );
}

fn variant(position: u64, reference: &[u8], alternates: &[&str]) -> VariantSite {
    VariantSite {
        seq_name: "chr1".into(),
        position,
        reference: reference.to_vec(),
        alternates: alternates.iter().map(|a| a.as_bytes().to_vec()).collect(),
    }
}

/// Variants on chr2 and chr3, so that dev and test have rows.
fn other_variants() -> Vec<VariantSite> {
    let other = |name: &str, seed| {
        let base = letters(seed, 20_000)[5000];
        let alternate = if base == b'A' { "C" } else { "A" };
        VariantSite { seq_name: name.into(), ..variant(5000, &[base], &[alternate]) }
    };
    vec![other("chr2", 2), other("chr3", 3)]
}

fn variant_options(bp: u64) -> DatasetOptions {
    DatasetOptions {
        window: Window::Centered(bp),
        ..DatasetOptions { negatives: Negatives::FromLabel, ..options(by_chromosome()) }
    }
}

#[test]
fn alleles_that_are_no_letters_are_counted() {
    let chr1 = letters(1, 20_000);
    let base = |at: usize| &chr1[at..at + 1];
    let different = |at: usize| if chr1[at] == b'A' { "C" } else { "A" };
    let long = "A".repeat(60);
    let variants = [
        variant(1000, base(1000), &["<DEL>", "*", "G]17:198982]", "]13:123456]T", "N[2:3[", ".T", "T."]),
        variant(1500, base(1500), &["."]),
        variant(1600, base(1600), &[]),
        variant(1700, base(1700), &[std::str::from_utf8(base(1700)).unwrap(), "Z", &long]),
        variant(10, base(10), &[different(10)]),
        variant(2000, base(2000), &["<INS>", different(2000)]),
        // the same position again: one window with the genome's letters
        variant(2000, &chr1[2000..2003], &[std::str::from_utf8(base(2000)).unwrap()]),
    ];
    let all = variants.into_iter().chain(other_variants()).map(Ok);
    let set = DatasetBuilder::new(genome(), variant_options(100)).variants(all).unwrap();
    let expected = [
        (DropReason::OverEnd, 1),
        (DropReason::NoAlternate, 2),
        (DropReason::SymbolicAllele, 2),
        (DropReason::SpanningDeletion, 1),
        (DropReason::Breakend, 5),
        (DropReason::BrokenAllele, 1),
        (DropReason::SameAsReference, 1),
        (DropReason::AlleleTooLong, 1),
    ];
    assert_eq!(drops(&set), expected);
    let kinds = &set.manifest().splits[&Split::Train].kinds;
    assert_eq!((kinds[&RowKind::Reference], kinds[&RowKind::Alternate]), (1, 2));

    let wrong = variant(1000, different(1000).as_bytes(), &["T"]);
    let all = || [wrong.clone()].into_iter().chain(other_variants()).map(Ok);
    let error = DatasetBuilder::new(genome(), variant_options(100)).variants(all()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Mismatch);
    let (expected, found) = (String::from_utf8_lossy(base(1000)), different(1000));
    assert_eq!(
        error.to_string(),
        format!(
            "toy.fa: REF of the variant at chr1:1001 differs: expected \"{expected}\" as in the genome, found \"{found}\""
        )
    );
    let chr1_too = variant(3000, base(3000), &[different(3000)]);
    let lenient = DatasetOptions { lenient: true, ..variant_options(100) };
    let set = DatasetBuilder::new(genome(), lenient).variants(all().chain([Ok(chr1_too)])).unwrap();
    assert_eq!(drops(&set), [(DropReason::ReferenceMismatch, 1)]);
}

fn signal(seq_name: &str, start: u64, end: u64, value: f64) -> Result<Signal, Error> {
    Ok(Signal { seq_name: seq_name.into(), span: Span::new(start, end).unwrap(), value })
}

#[test]
fn signals_become_classes_or_values() {
    let labels = |signal_labels: SignalLabels| {
        let regions = ["chr1", "chr2", "chr3"].into_iter().flat_map(|name| {
            [site(name, 0, 10, None), site(name, 10, 20, None), site(name, 20, 30, None), site(name, 30, 40, None)]
        });
        let signals = ["chr1", "chr2", "chr3"].into_iter().flat_map(|name| {
            // window 1: 8 x 1 and 2 x 4; window 2: 5 x 4; window 3: 2 x 8; window 4: nothing
            [signal(name, 8, 15, 4.0), signal(name, 0, 8, 1.0), signal(name, 28, 30, 8.0)]
        });
        let options = DatasetOptions {
            window: Window::AsIs,
            signal_labels,
            negatives: Negatives::FromLabel,
            dedupe: Dedupe::OFF,
            shuffle_rows: false,
            ..options(by_chromosome())
        };
        let set = DatasetBuilder::new(genome(), options).signals(regions, signals).unwrap();
        let train: Vec<String> = set.rows(Split::Train).map(|r| r.unwrap().label).collect();
        (train.join(" "), set.manifest().drops.get(&DropReason::NoSignal).copied().unwrap_or(0) / 3)
    };
    let check = |signal_labels, expected: &str, dropped| {
        assert_eq!(labels(signal_labels), (expected.to_owned(), dropped));
    };
    let base = SignalLabels::default();
    check(base.clone(), "1.6 4", 2);
    check(SignalLabels { min_covered: 0.2, ..base.clone() }, "1.6 4 8", 1);
    check(SignalLabels { min_covered: 0.0, ..base.clone() }, "1.6 4 8", 1);
    check(SignalLabels { min_covered: 0.0, missing: Some(0.0), ..base.clone() }, "1.6 2 1.6 0", 0);
    check(SignalLabels { summary: Summary::Max, min_covered: 0.0, missing: Some(0.5), ..base.clone() }, "4 4 8 0.5", 0);
    let thresholds = vec![1.6, 5.0];
    check(SignalLabels { thresholds, min_covered: 0.0, missing: Some(0.0), ..base }, "1 1 1 0", 0);
}

#[test]
fn windows_slide_over_whole_sequences() {
    let genome = genome();
    let options = DatasetOptions {
        window: Window::Sliding { width: 100, step: 50 },
        negatives: Negatives::FromLabel,
        split: SplitBy::Random { dev: 0.25, test: 0.25, block_bp: 1000 },
        dedupe: Dedupe::OFF,
        ..options(by_chromosome())
    };
    let set = DatasetBuilder::new(&genome, options).sites(whole_sequences(&genome, "0")).unwrap();
    let border = set.manifest().drops[&DropReason::SplitBorder];
    assert_eq!(set.manifest().rows() + border, 3 * 399);
    assert!(border > 0 && border < 3 * 20);
    let share = |split| set.manifest().splits[&split].rows as f64 / set.manifest().rows() as f64;
    assert!((share(Split::Dev) - 0.25).abs() < 0.01 && (share(Split::Test) - 0.25).abs() < 0.01);
}

#[test]
fn repeats_of_one_sequence_do_not_leak_across_its_blocks() {
    // One repeat of 1,000 letters with a few changes in each copy: windows of one site, alike, in all splits.
    let mut chr1 = letters(1, 20_000);
    let repeat = chr1[..1000].to_vec();
    for copy in 1..10 {
        let start = copy * 2000;
        chr1[start..start + 1000].copy_from_slice(&repeat);
        (0..20).for_each(|i| chr1[start + 50 * i + copy] = b'A');
    }
    let genome = MemoryGenome::new("toy.fa", [SeqRecord::new("chr1", chr1)]).unwrap();
    let build = |dedupe| {
        let options = DatasetOptions {
            window: Window::Sliding { width: 200, step: 200 },
            negatives: Negatives::FromLabel,
            split: SplitBy::Random { dev: 0.3, test: 0.3, block_bp: 1000 },
            dedupe,
            ..options(by_chromosome())
        };
        let dir = tempfile::tempdir().unwrap();
        let set = DatasetBuilder::new(&genome, options).sites(whole_sequences(&genome, "0")).unwrap();
        set.write(dir.path()).unwrap();
        dataset::check(dir.path()).unwrap().is_clean()
    };
    assert!(!build(Dedupe::OFF));
    assert!(build(Dedupe::default()));
}

/// A genome that cannot be read from a certain fetch on.
struct Failing(MemoryGenome, std::cell::Cell<u32>);

impl Genome for Failing {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn names_and_lengths(&self) -> Vec<(String, u64)> {
        self.0.names_and_lengths()
    }

    fn fetch(&self, name: &str, span: Span) -> Result<Cow<'_, [u8]>, Error> {
        match self.1.get() {
            0 => self.0.fetch("gone", span),
            left => {
                self.1.set(left - 1);
                self.0.fetch(name, span)
            }
        }
    }
}

#[test]
fn a_set_is_there_as_a_whole_or_not_at_all() {
    let names = |dir: &Path| -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    let whole = ["dev.csv", "manifest.json", "test.csv", "train.csv", "windows.tsv"];
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("made/on/demand");
    let set = build(options(by_chromosome()), sites()).unwrap();
    set.write(&dir).unwrap();
    assert_eq!(names(&dir), whole);
    let error = set.write(&dir).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Duplicate);
    assert!(error.to_string().ends_with("the folder has a train.csv: expected a folder without a data set"), "{error}");

    // The genome goes away in the middle of the second file: nothing changes.
    let before = fs::read(dir.join("train.csv")).unwrap();
    let genome = Failing(genome(), std::cell::Cell::new(u32::MAX));
    let other = DatasetOptions { seed: 8, ..options(by_chromosome()) };
    let set = DatasetBuilder::new(&genome, other).sites(sites().into_iter().map(Ok)).unwrap();
    genome.1.set(60);
    assert_eq!(set.write_over(&dir).unwrap_err().kind(), ErrorKind::Mismatch);
    assert_eq!((names(&dir), fs::read(dir.join("train.csv")).unwrap()), (whole.map(str::to_owned).to_vec(), before));
    genome.1.set(u32::MAX);
    let manifest = set.write_over(&dir).unwrap();
    assert_eq!((names(&dir), Manifest::open(&dir).unwrap()), (whole.map(str::to_owned).to_vec(), manifest));
}

#[test]
fn the_manifest_reads_well() {
    let set = build(options(by_chromosome()), sites().into_iter().chain([site("chr1", 0, 10, None).unwrap()])).unwrap();
    assert_eq!(
        set.manifest().to_string(),
        "\
61 sites or variants read, 150 rows
  train        50 rows   0: 30   1: 20
  dev          50 rows   0: 30   1: 20
  test         50 rows   0: 30   1: 20
dropped
        1  over the end of the sequence"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn splits_never_overlap_and_negatives_keep_away(
        starts in proptest::collection::vec((0usize..3, 0u64..19_900, 1u64..100, any::<bool>()), 20..120),
        seed: u64,
        kind in 0..3,
        width in 20u64..150,
    ) {
        let split = match kind {
            0 => by_chromosome(),
            1 => SplitBy::Random { dev: 0.25, test: 0.25, block_bp: 1500 },
            _ => SplitBy::Homology { dev: 0.25, test: 0.25, near: Near::default(), groups: vec![] },
        };
        let negatives = Negatives::Matched { gc_tolerance: 0.04, ratio: 1.0, margin_bp: 25, label: "0".into() };
        let options = DatasetOptions { seed, window: Window::Centered(width), split, negatives, ..options(by_chromosome()) };
        let sites: Vec<Site> = starts
            .iter()
            .map(|&(c, start, len, reverse)| {
                let strand = if reverse { Strand::Reverse } else { Strand::Forward };
                site(["chr1", "chr2", "chr3"][c], start, start + len, Some(strand)).unwrap()
            })
            .collect();
        let set = match build(options, sites) {
            Ok(set) => set,
            // A split without rows, by chance.
            Err(error) => {
                prop_assert!(matches!(error.kind(), ErrorKind::Empty | ErrorKind::Label), "{}", error);
                return Ok(());
            }
        };
        let rows = rows(&set);
        prop_assert!(!set.manifest().drops.contains_key(&DropReason::OverlapsOtherSplit));
        for (i, (split, row)) in rows.iter().enumerate() {
            prop_assert_eq!(row.sequence.len() as u64, width);
            for (other_split, other) in &rows[i + 1..] {
                prop_assert!(split == other_split || !overlap(row, other, 0), "{:?} {:?}", row, other);
                if row.kind != other.kind {
                    prop_assert!(!overlap(row, other, 25), "{:?} {:?}", row, other);
                }
            }
        }
        for split in Split::ALL {
            // Each negative was drawn for a positive of its split.
            let of = |kind| rows.iter().filter(move |(s, r)| *s == split && r.kind == kind).map(|(_, r)| gc(&r.sequence));
            let (positives, negatives): (Vec<f64>, Vec<f64>) = (of(RowKind::Site).collect(), of(RowKind::Matched).collect());
            prop_assert!(negatives.len() <= positives.len());
            for n in negatives {
                prop_assert!(positives.iter().any(|p| (p - n).abs() <= 0.04 + 1e-9));
            }
        }
        let dir = tempfile::tempdir().unwrap();
        set.write(dir.path()).unwrap();
        prop_assert!(dataset::check(dir.path()).unwrap().is_clean());
    }

    #[test]
    fn variant_windows_are_those_of_the_changed_genome(
        position in 200usize..19_000,
        reference_len in 1usize..30,
        alternate in "[ACGT]{1,30}",
        width in 80u64..200,
    ) {
        let chr1 = letters(1, 20_000);
        let reference = &chr1[position..position + reference_len];
        prop_assume!(reference != alternate.as_bytes());
        let changed = [&chr1[..position], alternate.as_bytes(), &chr1[position + reference_len..]].concat();
        let start = position - width as usize / 2;
        let window = |genome: &[u8]| genome[start..start + width as usize].to_vec();
        // A repeat as long as the right flank would make both windows the same.
        prop_assume!(window(&chr1) != window(&changed));
        let all = [variant(position as u64, &reference.to_ascii_lowercase(), &[&alternate])];
        let all = all.into_iter().chain(other_variants()).map(Ok);
        let set = DatasetBuilder::new(genome(), DatasetOptions { shuffle_rows: false, ..variant_options(width) })
            .variants(all)
            .unwrap();
        let rows: Vec<DatasetRow> = set.rows(Split::Train).map(Result::unwrap).collect();
        prop_assert_eq!(rows.len(), 2);
        prop_assert_eq!((&rows[0].sequence, &*rows[0].label), (&window(&chr1), "0"));
        prop_assert_eq!((&rows[1].sequence, &*rows[1].label), (&window(&changed), "1"));
    }

    #[test]
    fn shuffled_negatives_keep_their_letters(seed: u64) {
        let negatives = Negatives::Shuffled { ratio: 1.0, label: "0".into() };
        let set = build(DatasetOptions { seed, negatives, ..options(by_chromosome()) }, sites()).unwrap();
        let rows = rows(&set);
        let pairs = |seq: &[u8]| {
            let mut pairs: Vec<[u8; 2]> = seq.windows(2).map(|w| [w[0], w[1]]).collect();
            pairs.sort_unstable();
            pairs
        };
        let shuffled: Vec<_> = rows.iter().filter(|(_, r)| r.kind == RowKind::Shuffled).collect();
        prop_assert_eq!(shuffled.len(), 60);
        for (split, row) in shuffled {
            let original = rows.iter().find(|(s, r)| s == split && r.kind == RowKind::Site && r.span == row.span).unwrap();
            prop_assert_eq!(pairs(&row.sequence), pairs(&original.1.sequence));
            prop_assert_ne!(&row.sequence, &original.1.sequence);
        }
    }
}
