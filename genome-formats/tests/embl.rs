//! EMBL files of the shared corpora against the counts of an independent reader (Biopython).

mod common;

use std::path::Path;

use genome_formats::{EmblReader, Error, Forgiven, GenbankReader, GenbankWriter, Mode};

/// Files that the oracle refuses, what strict mode says, and what lenient mode forgives and counts (records, letters,
/// features).
const REFUSED: &[(&str, &str, &str, [u64; 3])] = &[
    ("formats/bioperl/embl/bug2982.embl", "truncated file", "record without an end", [4, 122_655_865, 4]),
    ("formats/bioperl/embl/bug3086.embl", "expected a line SQ or CO", "record without letters", [1, 8_667_507, 3]),
    ("formats/biopython/embl/xx_after_co.embl", "behind the pieces", "line behind CO", [1, 120, 1]),
];
/// No length on its ID line, and cut: neither mode reads it, as the oracle does not.
const UNREADABLE: &str = "formats/bioperl/embl/no_FH.embl";

/// Where our count of features is another, and why.
const FEATURES: &[(&str, u64)] = &[
    ("formats/biopython/embl/patents.embl", 4), // no FH lines, without which the oracle passes over FT
];

fn count(path: &Path, mode: Mode) -> Result<([u64; 3], Forgiven), Error> {
    let mut reader = EmblReader::open(path)?.with_mode(mode);
    let mut got = [0; 3];
    for record in reader.by_ref() {
        let record = record?;
        let length = record.seq.len() as u64;
        // Records without a sequence count with the length that they declare, as in the oracle.
        let letters = if length == 0 { record.declared_len.unwrap_or(0) } else { length };
        for (sum, n) in got.iter_mut().zip([1, letters, record.features.len() as u64]) {
            *sum += n;
        }
    }
    Ok((got, reader.forgiven().clone()))
}

#[test]
fn counts_are_those_of_an_independent_reader() {
    let test = "counts_are_those_of_an_independent_reader";
    let Some(data) = common::data_folder(test, "GENOME_DATA", "data") else { return };
    let table = std::fs::read_to_string(data.join("expected_counts.tsv")).unwrap();
    let mut read = 0;
    for row in table.lines().filter(|row| row.contains("/embl/")) {
        let [path, _, records, detail] = row.split('\t').collect::<Vec<_>>()[..] else { panic!("{row}") };
        let Ok(records) = records.parse::<u64>() else { continue }; // -1: the oracle refuses it
        let number = |key: &str| detail.split(';').find_map(|d| d.strip_prefix(key)?.parse::<u64>().ok()).unwrap();
        let features = FEATURES.iter().find(|(file, _)| *file == path).map_or(number("features="), |(_, n)| *n);
        let expected = [records, number("letters="), features];
        for mode in [Mode::Strict, Mode::Lenient] {
            let (got, forgiven) = count(&data.join(path), mode).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(got, expected, "{path}");
            assert_eq!(forgiven.total(), 0, "{path}: {forgiven}");
        }
        read += 1;
    }
    eprintln!("{read} files agree");
    assert_eq!(read, 21);
}

#[test]
fn broken_files_are_refused_with_a_reason() {
    let test = "broken_files_are_refused_with_a_reason";
    let Some(data) = common::data_folder(test, "GENOME_DATA", "data") else { return };
    for (path, reason, rule, expected) in REFUSED {
        let error = count(&data.join(path), Mode::Strict).unwrap_err();
        eprintln!("{error}");
        assert!(error.line().is_some() && error.to_string().contains(reason), "{error}");
        let (got, forgiven) = count(&data.join(path), Mode::Lenient).unwrap();
        assert_eq!(got, *expected, "{path}");
        assert_eq!(forgiven.iter().map(|(rule, ..)| rule).collect::<Vec<_>>(), [*rule], "{path}: {forgiven}");
    }
    for mode in [Mode::Strict, Mode::Lenient] {
        let error = count(&data.join(UNREADABLE), mode).unwrap_err().to_string();
        assert!(error.contains(":1: byte 0: a broken ID line: expected ID, a name, and a length"), "{error}");
    }
}

#[test]
fn the_same_record_in_both_formats() {
    let test = "the_same_record_in_both_formats";
    let Some(data) = common::data_folder(test, "GENOME_DATA", "data") else { return };
    let formats = data.join("formats/biopython");
    let embl = EmblReader::open(formats.join("embl/AE017046.embl")).unwrap().next().unwrap().unwrap();
    let genbank = GenbankReader::open(data.join("genomes/yersinia_plasmid_pPCP1/NC_005816.gb")).unwrap();
    let genbank = genbank.into_iter().next().unwrap().unwrap();
    assert_eq!(embl.seq.to_ascii_uppercase(), genbank.seq.to_ascii_uppercase());
    assert!(embl.circular && genbank.circular);

    let embl = EmblReader::open(formats.join("embl/DS830848.embl")).unwrap().next().unwrap().unwrap();
    let genbank = GenbankReader::open(formats.join("genbank/DS830848.gb")).unwrap().next().unwrap().unwrap();
    assert_eq!((&embl.contig, &embl.taxonomy), (&genbank.contig, &genbank.taxonomy));
    assert_eq!((&embl.accession, embl.declared_len), (&genbank.accession, genbank.declared_len));
    assert_eq!(embl.references[0].about, genbank.references[0].about);
}

#[test]
fn embl_is_written_as_genbank() {
    let test = "embl_is_written_as_genbank";
    let Some(data) = common::data_folder(test, "GENOME_DATA", "data") else { return };
    let mut written = 0;
    for folder in ["bioperl", "biopython"] {
        for entry in std::fs::read_dir(data.join("formats").join(folder).join("embl")).unwrap() {
            let path = entry.unwrap().path();
            for record in EmblReader::open(&path).unwrap().map_while(Result::ok) {
                let mut writer = GenbankWriter::new("x.gb", Vec::new());
                writer.write(&record).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
                let text = writer.finish().unwrap();
                assert_eq!(GenbankReader::new("x.gb", &text[..]).next().unwrap().unwrap(), record);
                written += 1;
            }
        }
    }
    eprintln!("{written} records");
    assert!(written >= 50);
}
