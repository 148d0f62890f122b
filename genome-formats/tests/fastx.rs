//! FASTA and FASTQ files of other projects: what independent readers count, what they refuse, how they convert scores.

mod common;

use std::path::Path;

use genome_formats::{
    ErrorKind, FastaReader, FastqReader, FastqRecord, FastqWriter, Format, Input, Letters, Mode, QualityEncoding,
    QualityRange, sequences,
};

/// What each broken file of Cock et al. breaks: the kind of the error and a part of its text.
const BROKEN: [(&str, ErrorKind, &str); 22] = [
    ("diff_ids", ErrorKind::Syntax, "another title on the + line"),
    (
        "double_qual",
        ErrorKind::Syntax,
        "a line that belongs to no record: the quality before is as long as its sequence",
    ),
    ("double_seq", ErrorKind::Syntax, "a second @ line"),
    ("long_qual", ErrorKind::Syntax, "sequence and quality differ in length"),
    ("no_qual", ErrorKind::Syntax, "sequence and quality differ in length"),
    ("qual_del", ErrorKind::Syntax, "a quality that is no score"),
    ("qual_escape", ErrorKind::Syntax, "a quality that is no score"),
    ("qual_null", ErrorKind::Syntax, "a quality that is no score"),
    ("qual_space", ErrorKind::Syntax, "a quality that is no score"),
    ("qual_tab", ErrorKind::Syntax, "a quality that is no score"),
    ("qual_unit_sep", ErrorKind::Syntax, "a quality that is no score"),
    ("qual_vtab", ErrorKind::Syntax, "a quality that is no score"),
    ("short_qual", ErrorKind::Syntax, "sequence and quality differ in length"),
    ("spaces", ErrorKind::UnknownLetter, "unknown letter"),
    ("tabs", ErrorKind::UnknownLetter, "unknown letter"),
    ("trunc_at_plus", ErrorKind::Truncated, "the file ends in a record"),
    ("trunc_at_qual", ErrorKind::Truncated, "the file ends in a quality"),
    ("trunc_at_seq", ErrorKind::Truncated, "the file ends in a record"),
    ("trunc_in_plus", ErrorKind::Truncated, "the file ends in a + line"),
    ("trunc_in_qual", ErrorKind::Truncated, "the file ends in a quality"),
    ("trunc_in_seq", ErrorKind::Truncated, "the file ends in a record"),
    ("trunc_in_title", ErrorKind::Truncated, "the file ends in a title line"),
];

/// The encoding of a file, as its name tells it.
fn encoding(name: &str) -> QualityEncoding {
    let has = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
    if has(&["_as_sanger", "_original_sanger"]) {
        QualityEncoding::Sanger
    } else if has(&["_as_solexa", "_original_solexa", "solexa_example", "solexa_faked", "test2_solexa"]) {
        QualityEncoding::Solexa
    } else if has(&["_as_illumina", "_original_illumina", "illumina_faked", "test3_illumina"]) {
        QualityEncoding::Illumina13
    } else {
        QualityEncoding::Sanger
    }
}

fn read(path: &Path) -> Result<Vec<FastqRecord>, genome_formats::Error> {
    let name = path.file_name().unwrap().to_string_lossy();
    FastqReader::open(path)?.with_encoding(encoding(&name)).collect()
}

#[test]
fn fastq_counts_are_those_of_independent_readers() {
    let test = "fastq_counts_are_those_of_independent_readers";
    let Some(data) = common::data_folder(test, "GENOME_DATA", "data") else { return };
    let table = std::fs::read_to_string(data.join("expected_counts.tsv")).unwrap();
    let (mut checked, mut failures) = (0, Vec::new());
    for row in table.lines().skip(1) {
        let [path, _, records, detail] = row.split('\t').collect::<Vec<_>>()[..] else { panic!("{row}") };
        let plain = path.trim_end_matches(".bgz");
        if !plain.ends_with(".fastq") || path.contains("/error_") {
            continue;
        }
        checked += 1;
        let letters = detail.strip_prefix("bases=").unwrap();
        let expected = (records.parse::<usize>().unwrap(), letters.parse::<usize>().unwrap());
        let got = read(&data.join(path)).map(|reads| (reads.len(), reads.iter().map(|r| r.seq.len()).sum::<usize>()));
        match got {
            Ok(got) if got == expected => {}
            other => failures.push(format!("{path}: expected {expected:?}, got {other:?}")),
        }
        assert_eq!(Input::open(data.join(path)).unwrap().format().unwrap(), Format::Fastq, "{path}");
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
    assert_eq!(checked, 47);
}

#[test]
fn broken_fastq_files_are_refused_by_the_rule_they_break() {
    let test = "broken_fastq_files_are_refused_by_the_rule_they_break";
    let Some(data) = common::data_folder(test, "GENOME_DATA", "data") else { return };
    let folder = data.join("formats/biopython/fastq");
    for (name, kind, reason) in BROKEN {
        let error = read(&folder.join(format!("error_{name}.fastq"))).unwrap_err();
        eprintln!("{name}: {error}");
        assert_eq!(error.kind(), kind, "{name}: {error}");
        assert!(error.to_string().contains(reason), "{name}: {error}");
        assert!(error.line().is_some() && error.byte().is_some(), "{name}: {error}");
    }
    let files = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    assert_eq!(files.filter(|name| name.starts_with("error_")).count(), BROKEN.len());
}

/// Each original, written in each encoding, is the file that Biopython, BioPerl, BioRuby, BioJava and EMBOSS agreed on.
#[test]
fn scores_are_converted_as_others_convert_them() {
    let test = "scores_are_converted_as_others_convert_them";
    let Some(data) = common::data_folder(test, "GENOME_DATA", "data") else { return };
    let folder = data.join("formats/biopython/fastq");
    let originals = [
        "sanger_full_range_original_sanger",
        "solexa_full_range_original_solexa",
        "illumina_full_range_original_illumina",
        "longreads_original_sanger",
        "misc_dna_original_sanger",
        "misc_rna_original_sanger",
        "wrapping_original_sanger",
    ];
    for original in originals {
        let (set, _) = original.split_once("_original_").unwrap();
        let reads = read(&folder.join(format!("{original}.fastq"))).unwrap();
        let encodings = [QualityEncoding::Sanger, QualityEncoding::Solexa, QualityEncoding::Illumina13];
        for (name, encoding) in ["sanger", "solexa", "illumina"].into_iter().zip(encodings) {
            let mut writer = FastqWriter::new("memory", Vec::new()).with_encoding(encoding);
            for read in &reads {
                writer.write(read).unwrap();
            }
            let capped = writer.capped();
            let expected = std::fs::read(folder.join(format!("{set}_as_{name}.fastq"))).unwrap();
            let got = writer.finish().unwrap();
            assert_eq!(String::from_utf8_lossy(&got), String::from_utf8_lossy(&expected), "{original} as {name}");
            // 63 to 93 cannot be written from 64 on; each stands twice in the full range.
            let full = original.starts_with("sanger_full") && name != "sanger";
            assert_eq!(capped, if full { 62 } else { 0 }, "{original} as {name}");
        }
    }
}

#[test]
fn encodings_are_guessed() {
    let test = "encodings_are_guessed";
    let Some(data) = common::data_folder(test, "GENOME_DATA", "data") else { return };
    let guess = |name: &str| {
        let mut range = QualityRange::default();
        let mut reader = FastqReader::open(data.join("formats").join(name)).unwrap();
        while let Some(read) = reader.next_view().unwrap() {
            range.add(read.quality);
        }
        range.candidates()[0]
    };
    assert_eq!(guess("bioperl/fastq/test1_sanger.fastq"), QualityEncoding::Sanger);
    assert_eq!(guess("bioperl/fastq/test2_solexa.fastq"), QualityEncoding::Illumina13); // no score below 0 in it
    assert_eq!(guess("bioperl/fastq/test3_illumina.fastq"), QualityEncoding::Illumina13);
    assert_eq!(guess("biopython/fastq/solexa_faked.fastq"), QualityEncoding::Solexa);
    assert_eq!(guess("biopython/fastq/longreads_original_sanger.fastq"), QualityEncoding::Sanger);
}

/// What a lenient reader makes of FASTA files that a strict one refuses.
#[test]
fn lenient_reads_the_refused_fasta_files() {
    let test = "lenient_reads_the_refused_fasta_files";
    let Some(data) = common::data_folder(test, "GENOME_DATA", "data") else { return };
    let check = |name: &str, records: usize, letters: usize, rules: &[&str]| {
        let path = data.join("formats").join(name);
        assert!(FastaReader::open(&path).unwrap().with_letters(Letters::Protein).any(|r| r.is_err()), "{name}");
        let mut reader = FastaReader::open(&path).unwrap().with_letters(Letters::Protein).with_mode(Mode::Lenient);
        let read = reader.by_ref().collect::<Result<Vec<_>, _>>().unwrap();
        assert_eq!((read.len(), read.iter().map(|r| r.seq.len()).sum()), (records, letters), "{name}");
        assert_eq!(reader.forgiven().iter().map(|(rule, ..)| rule).collect::<Vec<_>>(), rules, "{name}");
    };
    // Biopython takes the 50 letters of the comments for sequence: it counts 157.
    check("biopython/fasta/aster_pearson.pro", 1, 107, &["comment line", "text in front of the first record"]);
    check("biopython/fasta/aster_blast.pro", 1, 107, &["comment line", "text in front of the first record"]);
}

#[test]
fn one_genome_has_the_same_letters_on_every_path() {
    let test = "one_genome_has_the_same_letters_on_every_path";
    let Some(data) = common::data_folder(test, "GENOME_DATA", "data") else { return };
    let path = data.join("genomes/model_organisms_1pct/A.thaliana.fa.gz");
    let owned = sequences::open(&path).unwrap().collect::<Result<Vec<_>, _>>().unwrap();
    let mut reader = FastaReader::open(&path).unwrap();
    for expected in &owned {
        assert_eq!(reader.next_definition().unwrap().unwrap().name, expected.name.as_bytes());
        let mut seq = Vec::new();
        while let Some(chunk) = reader.next_chunk().unwrap() {
            seq.extend_from_slice(chunk);
        }
        assert!(seq == expected.seq, "{}", expected.name);
    }
    assert!(reader.next_definition().unwrap().is_none());
}
