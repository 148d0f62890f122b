//! Data sets: leakage in real ones, and sets built from genomes.

mod common;

use genome_formats::dataset;

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
    let sets = listed(&std::fs::read_to_string(data.join("README.md")).unwrap());
    assert_eq!(sets.len(), 23);
    for (name, expected) in sets {
        let start = std::time::Instant::now();
        let report = dataset::check(data.join("classify").join(&name)).unwrap();
        let exact: Vec<u64> = report.pairs.iter().map(|p| p.exact.sequences).collect();
        let rc: Vec<u64> = report.pairs.iter().map(|p| p.reverse_complement.sequences).collect();
        let near: Vec<u64> = report.pairs.iter().map(|p| p.near.as_ref().unwrap().sequences).collect();
        let within: Vec<u64> = report.splits.iter().map(|s| s.rows - s.distinct).collect();
        eprintln!(
            "{name}: exact {exact:?} rc {rc:?} near {near:?} within {within:?} conflicts {} {} {:?}",
            report.label_conflicts.same_sequence,
            report.label_conflicts.reverse_complement,
            start.elapsed()
        );
        assert_eq!(exact, expected, "{name}");
    }
}
