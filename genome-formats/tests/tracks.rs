//! GFF, BED, WIG and bigWig files of other projects: counts, conversions and summaries that were computed elsewhere.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use common::data_folder;
use genome_formats::{
    BedReader, BigWigReader, Error, ErrorKind, FastaReader, FeatureTree, GffDialect, GffReader, GffWriter, Mode, Precision,
    Result, Signal, Span, WigReader, WigToBed, WigWriter, wig_to_bed, write_bigwig,
};

fn data(test: &str) -> Option<PathBuf> {
    data_folder(test, "GENOME_DATA", "data")
}

/// The rows of `expected_counts.tsv` whose path has one of the endings.
fn expected_counts(data: &Path, endings: &[&str]) -> BTreeMap<String, u64> {
    let table = fs::read_to_string(data.join("expected_counts.tsv")).unwrap();
    let rows = table.lines().skip(1).map(|line| line.split('\t').collect::<Vec<_>>());
    let rows = rows.filter(|row| endings.iter().any(|end| row[0].trim_end_matches(".gz").ends_with(end)));
    rows.map(|row| (row[0].to_owned(), row[2].parse().unwrap())).collect()
}

/// Records of a file, and the first word of each broken rule.
type Outcome = (Result<u64>, Vec<&'static str>);

fn count<T>(mut next: impl FnMut() -> Result<Option<T>>) -> Result<u64> {
    let mut n = 0;
    while next()?.is_some() {
        n += 1;
    }
    Ok(n)
}

/// Reads all files in both modes: lenient gives the expected count; strict does too, unless the file is in `broken` with
/// the start of the error that names its broken rule.
fn check_counts(data: &Path, endings: &[&str], broken: &[(&str, &str)], read: impl Fn(&Path, Mode) -> Outcome) {
    let counts = expected_counts(data, endings);
    assert!(!counts.is_empty());
    for (path, expected) in &counts {
        let full = data.join(path);
        let (lenient, rules) = read(&full, Mode::Lenient);
        assert_eq!(lenient.unwrap(), *expected, "{path}");
        let known = broken.iter().find(|(name, _)| path.ends_with(name)).map(|(_, error)| *error);
        match (read(&full, Mode::Strict).0, known) {
            (Ok(found), None) => assert_eq!((found, rules.len()), (*expected, 0), "{path}"),
            (Err(error), Some(known)) => {
                let error = error.to_string();
                assert!(error.contains(known), "{path}: {error}");
                assert!(!rules.is_empty(), "{path}");
            }
            (found, known) => panic!("{path}: {found:?}, but known as {known:?}"),
        }
    }
}

fn read_gff(path: &Path, mode: Mode) -> Outcome {
    let mut reader = GffReader::open(path).unwrap().with_mode(mode);
    let outcome = count(|| reader.next_view().map(|view| view.map(|view| drop(view.to_record()))));
    (outcome, reader.forgiven().iter().map(|(rule, ..)| rule).collect())
}

#[test]
fn gff_files() {
    let Some(data) = data("gff_files") else { return };
    let broken: [(&str, &str); 0] = [];
    check_counts(&data, &[".gff", ".gff3", ".gtf"], &broken, read_gff);
}

#[test]
fn gff_files_without_a_count() {
    let Some(data) = data("gff_files_without_a_count") else { return };
    let check = |name: &str, dialect: GffDialect, records: u64| {
        let path = data.join("formats/gffutils").join(name);
        assert_eq!(GffReader::open(&path).unwrap().dialect(), dialect, "{name}");
        assert_eq!(read_gff(&path, Mode::Strict).0.unwrap(), records, "{name}");
    };
    check("ensembl_gtf.txt", GffDialect::Gtf, 33);
    check("jgi_gff2.txt", GffDialect::Gff2, 6);
    check("wormbase_gff2.txt", GffDialect::Gff2, 42);
    // "modified GFF file to remove location coordinates": nothing can be understood without them.
    let path = data.join("formats/gffutils/c_elegans_WS199_ann_gff.txt");
    let error = read_gff(&path, Mode::Lenient).0.unwrap_err().to_string();
    assert!(error.ends_with(":2: byte 75: column 4: a position that does not exist: expected a whole number from 1, found \".\""), "{error}");
}

#[test]
fn bed_files() {
    let Some(data) = data("bed_files") else { return };
    let broken = [
        // bed4+1 and bed4+2, bed5+8, which only their authors know
        ("bed5.bed", "column 5: a score out of its range"),
        ("bed6.bed", "column 5: a score out of its range"),
        ("bedplus.bed", "column 5: a score out of its range"),
        ("strand_with_star.a.bed", "column 6: an unknown strand: expected + - or ., found \"*\""),
    ];
    check_counts(&data, &[".bed"], &broken, |path, mode| {
        let mut reader = BedReader::open(path).unwrap().with_mode(mode);
        let outcome = count(|| reader.next_view().map(|view| view.map(|view| drop(view.to_record()))));
        (outcome, reader.forgiven().iter().map(|(rule, ..)| rule).collect())
    });
    let read = |name: &str| {
        let reader = BedReader::open(data.join("formats/bedtools").join(name)).unwrap().with_standard_columns(4);
        reader.collect::<Result<Vec<_>>>().unwrap()
    };
    assert_eq!(read("bed5.bed")[0].extra, ["why?"]);
    assert_eq!(read("bedplus.bed")[0].extra.len(), 9);
}
