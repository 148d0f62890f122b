//! VCF against the test files of the specification (hts-specs, from EBI's vcf-validator), and against htslib's counts.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use genome_formats::bcf::{BcfReader, BcfWriter, declare};
use genome_formats::vcf::{VcfOptions, VcfReader, VcfWriter};
use genome_formats::{Input, Mode, Result};

use common::data_folder;

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

fn count(path: &Path, mode: Mode) -> Result<usize> {
    let options = VcfOptions { mode, ..VcfOptions::default() };
    let records = VcfReader::open_with(path, options)?.collect::<Result<Vec<_>>>()?;
    Ok(records.len())
}

/// The columns path, records and oracle (`htslib` or `error`) of `expected_counts.tsv` for VCF files.
fn expected_counts(data: &Path) -> Vec<(String, String, i64)> {
    let table = fs::read_to_string(data.join("expected_counts.tsv")).unwrap();
    let rows = table.lines().skip(1).map(|line| line.split('\t').collect::<Vec<_>>());
    rows.filter(|row| row[0].contains(".vcf"))
        .map(|row| (row[0].to_owned(), row[1].to_owned(), row[2].parse().unwrap()))
        .collect()
}

#[test]
fn every_passed_file_is_read_with_the_count_of_htslib() {
    let Some(data) = data_folder("passed VCF", "GENOME_DATA", "data") else {
        return;
    };
    let mut read = BTreeMap::new();
    let mut wrong = Vec::new();
    for (path, oracle, records) in expected_counts(&data) {
        let version = ["4.1", "4.2", "4.3", "4.5"].into_iter().find(|v| path.contains(&format!("vcf/{v}/passed/")));
        let Some(version) = version else { continue };
        assert_eq!(oracle, "htslib", "{path}");
        match count(&data.join(&path), Mode::Strict) {
            Ok(got) if got as i64 == records => {}
            Ok(got) => wrong.push(format!("{path}: {got} records, htslib {records}")),
            Err(error) => wrong.push(error.to_string()),
        }
        *read.entry(version).or_insert(0) += 1;
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(read.into_iter().collect::<Vec<_>>(), [("4.1", 25), ("4.2", 25), ("4.3", 25), ("4.5", 1)]);
}

#[test]
fn failed_files_are_refused() {
    let Some(data) = data_folder("failed VCF", "GENOME_DATA", "data") else {
        return;
    };
    for (version, total, wanted) in [("4.1", 193, 193), ("4.2", 190, 190), ("4.3", 224, 224)] {
        let folder = data.join("formats/hts-specs/vcf").join(version).join("failed");
        let files = files(&folder);
        assert_eq!(files.len(), total);
        let mut accepted: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for path in &files {
            match count(path, Mode::Strict) {
                Err(error) => println!("{version} {}: {error}", name(path)),
                Ok(_) => {
                    let group =
                        name(path).trim_end_matches(|c: char| c.is_ascii_digit() || "_.vcf".contains(c)).to_owned();
                    accepted.entry(group).or_default().push(name(path));
                }
            }
        }
        let refused = total - accepted.values().map(Vec::len).sum::<usize>();
        println!("VCFv{version}: {refused} of {total} refused; wrongly accepted: {accepted:#?}");
        assert!(refused >= wanted, "VCFv{version}: {refused} of {total}: {accepted:#?}");
    }
}

#[test]
fn lenient_reads_what_htslib_reads() {
    let Some(data) = data_folder("lenient VCF", "GENOME_DATA", "data") else {
        return;
    };
    let mut wrong = Vec::new();
    for (path, oracle, records) in expected_counts(&data) {
        if oracle != "htslib" {
            continue;
        }
        match count(&data.join(&path), Mode::Lenient) {
            Ok(got) if got as i64 == records => {}
            Ok(got) => wrong.push(format!("{path}: {got} records, htslib {records}")),
            Err(error) => wrong.push(error.to_string()),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn passed_files_are_equal_after_writing() {
    let Some(data) = data_folder("VCF round trip", "GENOME_DATA", "data") else {
        return;
    };
    for version in ["4.1", "4.2", "4.3", "4.5"] {
        for path in files(&data.join("formats/hts-specs/vcf").join(version).join("passed")) {
            let mut reader = VcfReader::open(&path).unwrap();
            let header = reader.header().clone();
            let records = (&mut reader).collect::<Result<Vec<_>>>().unwrap();
            let lenient = VcfReader::open_with(&path, VcfOptions::lenient()).unwrap();
            assert_eq!(lenient.collect::<Result<Vec<_>>>().unwrap(), records, "{}", path.display());
            let mut writer = VcfWriter::new(Vec::new(), header.clone()).unwrap();
            for record in &records {
                writer.write(record).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            }
            let text = writer.finish().unwrap();
            let mut again = VcfReader::new("again.vcf", &text[..]).unwrap();
            assert_eq!(again.header(), &header);
            let original = fs::read_to_string(&path).unwrap();
            let meta = |text: &str| text.lines().filter(|l| l.starts_with('#')).map(str::to_owned).collect::<Vec<_>>();
            assert_eq!(meta(&String::from_utf8(text.clone()).unwrap()), meta(&original), "{}", path.display());
            assert_eq!((&mut again).collect::<Result<Vec<_>>>().unwrap(), records, "{}", path.display());
        }
    }
}

#[test]
fn files_that_are_no_vcf_are_told() {
    let Some(data) = data_folder("odd VCF", "GENOME_DATA", "data") else {
        return;
    };
    let headerless = data.join("genomes/model_organisms_1pct/C.elegans.vcf.gz");
    for mode in [Mode::Strict, Mode::Lenient] {
        let error = count(&headerless, mode).unwrap_err().to_string();
        assert!(error.contains("this is no VCF file, or one without its header"), "{error}");
    }
    assert_eq!(count(&data.join("formats/bedtools/headerOnly.vcf"), Mode::Strict).unwrap(), 0);

    // VCFv4.0 with an empty line at its end, over which htslib stumbles; the records are sound.
    let old = data.join("formats/bioperl/vcf/example.vcf");
    let error = count(&old, Mode::Strict).unwrap_err().to_string();
    assert!(error.contains("an empty line among the records"), "{error}");
    assert_eq!(count(&old, Mode::Lenient).unwrap(), 5);
    let input = Input::open(&old).unwrap();
    let mut reader = VcfReader::from_input_with(input, VcfOptions::lenient()).unwrap();
    let microsatellite = (&mut reader).map(Result::unwrap).last().unwrap();
    assert!(microsatellite.is_indel());
    assert_eq!(reader.forgiven().total(), 1);
}

#[test]
fn passed_files_are_equal_after_a_way_through_bcf() {
    let Some(data) = data_folder("BCF round trip", "GENOME_DATA", "data") else {
        return;
    };
    let (mut files_read, mut stored, mut left_out) = (0, 0, Vec::new());
    for version in ["4.1", "4.2", "4.3", "4.5"] {
        for path in files(&data.join("formats/hts-specs/vcf").join(version).join("passed")) {
            files_read += 1;
            let mut reader = VcfReader::open(&path).unwrap();
            let mut header = reader.header().clone();
            let mut records = Vec::new();
            for record in &mut reader {
                let record = record.unwrap();
                // Sequences of an assembly file (`<1>`) cannot be declared.
                let mut declared = header.clone();
                match declare(&mut declared, &record) {
                    Ok(()) => {
                        header = declared;
                        records.push(record);
                    }
                    Err(_) => left_out.push(format!("{version} {} {}", name(&path), record.chrom)),
                }
            }
            let mut writer = BcfWriter::new(Vec::new(), header.clone()).unwrap();
            let mut kept = Vec::new();
            for record in records {
                match writer.write(&record) {
                    Ok(()) => kept.push(record),
                    Err(error) => left_out.push(format!("{version} {}: {error}", name(&path))),
                }
            }
            let bytes = writer.finish().unwrap();
            let mut again = BcfReader::from_input(Input::from_bytes("again.bcf", bytes).unwrap()).unwrap();
            assert_eq!(again.header(), &header);
            assert_eq!((&mut again).collect::<Result<Vec<_>>>().unwrap(), kept, "{}", path.display());
            stored += kept.len();
        }
    }
    println!("{files_read} files, {stored} records stored; not representable: {left_out:#?}");
    assert!(left_out.iter().all(|reason| reason.contains(".vcf <")), "{left_out:#?}");
    assert_eq!((files_read, stored, left_out.len()), (76, 444, 20));
}
