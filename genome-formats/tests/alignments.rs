//! SAM, BAM and CRAM: the test files of the specification, pairs of the same data in two formats, and laws.

mod common;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use common::data_folder;
use genome_formats::{Alignment, Error, ErrorKind, Input, Limits, Mode, SamHeader, SamReader, SamWriter};

fn files(folder: &Path, end: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.to_string_lossy().ends_with(end));
    files.sort();
    files
}

fn read_sam(path: &Path, mode: Mode) -> Result<(SamHeader, Vec<Alignment>), Error> {
    let mut reader = SamReader::open_with(path, mode, Limits::default())?;
    let records = reader.by_ref().collect::<Result<Vec<_>, _>>()?;
    Ok((reader.header().clone(), records))
}

/// The counts of an independent reader: path in the data folder, and oracle, records, detail.
fn expected_counts(data: &Path) -> HashMap<String, (String, i64, String)> {
    let text = std::fs::read_to_string(data.join("expected_counts.tsv")).unwrap();
    let rows = text.lines().skip(1).map(|line| {
        let fields: Vec<&str> = line.split('\t').collect();
        (fields[0].to_owned(), (fields[1].to_owned(), fields[2].parse().unwrap(), fields[3].to_owned()))
    });
    rows.collect()
}

fn relative(path: &Path, data: &Path) -> String {
    path.strip_prefix(data).unwrap().to_string_lossy().into_owned()
}

/// `bases=100;unmapped=1;refs=2` of a file, as the oracle counts them: htslib marks a read as unmapped when its line has no
/// reference, no position or no CIGAR, or a reference that the header does not have. Here FLAG stays as it is.
fn detail(header: &SamHeader, records: &[Alignment]) -> String {
    let bases: usize = records.iter().map(|r| r.sequence.len()).sum();
    let is_unmapped = |r: &Alignment| {
        let known = r.reference.as_deref().is_some_and(|name| header.reference_id(name).is_some());
        r.flags.is_unmapped() || !known || r.position.is_none() || r.cigar.is_empty()
    };
    let unmapped = records.iter().filter(|r| is_unmapped(r)).count();
    format!("bases={bases};unmapped={unmapped};refs={}", header.references().len())
}

#[test]
fn valid_sam_files_are_read() {
    let Some(data) = data_folder("valid_sam_files_are_read", "GENOME_DATA", "data") else { return };
    let expected = expected_counts(&data);
    let files = files(&data.join("formats/hts-specs/sam/passed"), ".sam");
    assert_eq!(files.len(), 82);
    for path in files {
        let (header, records) = read_sam(&path, Mode::Strict).unwrap_or_else(|error| panic!("{error}"));
        let (oracle, count, counts) = &expected[&relative(&path, &data)];
        assert_eq!(records.len() as i64, *count, "{}", path.display());
        if oracle == "htslib" {
            assert_eq!(&detail(&header, &records), counts, "{}", path.display());
        }
        // strict is a part of lenient
        assert_eq!(read_sam(&path, Mode::Lenient).unwrap(), (header.clone(), records.clone()));
        // written and read again
        let again = read_text(&write_text(&header, &records));
        assert_eq!(again, (header, records));
    }
}

fn write_text(header: &SamHeader, records: &[Alignment]) -> Vec<u8> {
    let mut writer = SamWriter::new("out.sam", Vec::new(), header).unwrap();
    for record in records {
        writer.write(record).unwrap();
    }
    writer.finish().unwrap()
}

fn read_text(text: &[u8]) -> (SamHeader, Vec<Alignment>) {
    let mut reader = SamReader::new("again.sam", text).unwrap();
    let records = reader.by_ref().collect::<Result<Vec<_>, _>>().unwrap();
    (reader.header().clone(), records)
}

#[test]
fn invalid_sam_files_are_refused() {
    let Some(data) = data_folder("invalid_sam_files_are_refused", "GENOME_DATA", "data") else { return };
    let files = files(&data.join("formats/hts-specs/sam/failed"), ".sam");
    assert_eq!(files.len(), 108);
    let mut accepted = Vec::new();
    for path in &files {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        match read_sam(path, Mode::Strict) {
            Ok(_) => accepted.push(name),
            Err(error) => {
                println!("{name}: {error}");
                assert_ne!(error.kind(), ErrorKind::Io, "{error}");
                assert!(error.line().is_some(), "{error}");
            }
        }
    }
    println!("refused {} of {}; accepted: {accepted:?}", files.len() - accepted.len(), files.len());
    // Byte for byte the same file as passed/hdr.HD6.sam.
    assert_eq!(accepted, ["hdr.HD3.sam"]);
}

#[test]
fn lenient_reads_what_htslib_reads() {
    let Some(data) = data_folder("lenient_reads_what_htslib_reads", "GENOME_DATA", "data") else { return };
    let mut checked = 0;
    for (path, (oracle, count, counts)) in expected_counts(&data) {
        if oracle != "htslib" || count < 0 || !(path.ends_with(".sam") || path.ends_with(".sam.gz")) {
            continue;
        }
        let (header, records) = read_sam(&data.join(&path), Mode::Lenient).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(records.len() as i64, count, "{path}");
        assert_eq!(detail(&header, &records), counts, "{path}");
        checked += 1;
    }
    println!("lenient: {checked} files with the counts of htslib");
    assert!(checked > 60, "{checked}");
}

#[test]
fn an_input_is_read_through_gzip() {
    let Some(data) = data_folder("an_input_is_read_through_gzip", "GENOME_DATA", "data") else { return };
    let input = Input::open(data.join("formats/biopython/sambam/ex1_header.sam.gz")).unwrap();
    let reader = SamReader::from_input(input, Mode::Strict, Limits::default()).unwrap();
    assert_eq!(reader.map(Result::unwrap).count(), 3270);
}
