//! Real GenBank records, written and read back, by us and by gb-io.

mod common;

use std::path::Path;

use genome_formats::{EmblReader, GenbankReader, GenbankRecord, GenbankWriter, Mode};

const GENOMES: [&str; 8] = [
    "phage_phix174/NC_001422.gbk",
    "phage_vt2_sakai/NC_000902.gbk",
    "arabidopsis_chloroplast/NC_000932.gb",
    "arabidopsis_mitochondrion/NC_001284.gbk.gz",
    "yersinia_plasmid_pPCP1/NC_005816.gb",
    "mycoplasma_alvi/mycoplasma_alvi.gbk.gz",
    "ecoli_k12_mg1655/GCF_000005845.2_ASM584v2_genomic.gbff.gz",
    "ecoli_k12_mg1655_2016_functions/NC_000913.gbk.gz",
];

fn write(records: &[GenbankRecord]) -> Vec<u8> {
    let mut writer = GenbankWriter::new("<output>", Vec::new());
    for record in records {
        writer.write(record).unwrap();
    }
    writer.finish().unwrap()
}

fn with_gb_io(text: &[u8]) -> Vec<gb_io::seq::Seq> {
    gb_io::reader::SeqReader::new(text).collect::<Result<_, _>>().unwrap()
}

/// What gb-io read, and we: kinds, locations and qualifiers of all features, and the letters.
fn assert_same(theirs: &[gb_io::seq::Seq], ours: &[GenbankRecord]) {
    assert_eq!(theirs.len(), ours.len());
    for (theirs, ours) in theirs.iter().zip(ours) {
        assert_eq!(theirs.name.as_deref(), Some(&*ours.name));
        assert_eq!(theirs.seq, ours.seq);
        assert_eq!(theirs.features.len(), ours.features.len());
        for (theirs, ours) in theirs.features.iter().zip(&ours.features) {
            assert_eq!(theirs.kind, ours.kind);
            let location = gb_io::seq::Location::from_gb_format(&ours.location.to_string()).unwrap();
            assert_eq!(normal(&theirs.location), normal(&location), "{}", ours.location);
            let theirs: Vec<_> = theirs
                .qualifiers
                .iter()
                .map(|(name, value)| (&**name, value.as_ref().map(|v| v.replace('\n', " "))))
                .collect();
            let ours: Vec<_> = ours.qualifiers.iter().map(|(name, value)| (&**name, value.clone())).collect();
            assert_eq!(theirs, ours);
        }
    }
}

/// gb-io keeps the brackets as they stand; the same location may be written with one `complement` or several.
fn normal(location: &gb_io::seq::Location) -> String {
    location.to_gb_format().parse::<genome_formats::Location>().unwrap().to_string()
}

#[test]
fn genomes_are_written_and_read_back() {
    let test = "genomes_are_written_and_read_back";
    let Some(data) = common::data_folder(test, "GENOME_DATA", "data") else { return };
    let mut features = 0;
    for name in GENOMES {
        let path = data.join("genomes").join(name);
        let records: Vec<_> = GenbankReader::open(&path).unwrap().collect::<Result<_, _>>().unwrap();
        let text = write(&records);
        let again: Vec<_> = GenbankReader::new(name, &text[..]).collect::<Result<_, _>>().unwrap();
        assert!(again == records, "{name}");
        assert_same(&with_gb_io(&text), &records);
        features += records.iter().map(|r| r.features.len()).sum::<usize>();
    }
    eprintln!("{features} features of {} files came back", GENOMES.len());
    assert!(features > 20_000);
}

#[test]
fn gb_io_reads_the_same_from_the_originals() {
    let test = "gb_io_reads_the_same_from_the_originals";
    let Some(data) = common::data_folder(test, "GENOME_DATA", "data") else { return };
    for name in GENOMES.iter().filter(|name| !name.ends_with(".gz")) {
        let path = data.join("genomes").join(name);
        let records: Vec<_> = GenbankReader::open(&path).unwrap().collect::<Result<_, _>>().unwrap();
        assert_same(&with_gb_io(&std::fs::read(&path).unwrap()), &records);
    }
}

fn files(data: &Path) -> Vec<std::path::PathBuf> {
    let folders = ["biopython/genbank", "bioperl/genbank"];
    let folders = folders.iter().flat_map(|folder| std::fs::read_dir(data.join("formats").join(folder)).unwrap());
    folders.map(|entry| entry.unwrap().path()).collect()
}

/// Whatever is read, old or odd, strict or lenient, can be written and is the same when it is read again.
#[test]
fn every_file_is_written_and_read_back() {
    let test = "every_file_is_written_and_read_back";
    let Some(data) = common::data_folder(test, "GENOME_DATA", "data") else { return };
    let mut written = 0;
    for path in files(&data) {
        for record in GenbankReader::open(&path).unwrap().with_mode(Mode::Lenient).map_while(Result::ok) {
            let text = write_fitting(record.clone(), &path);
            let again = GenbankReader::new("x.gb", &text.1[..]).next().unwrap().unwrap();
            assert_eq!(again, text.0, "{}", path.display());
            written += 1;
        }
    }
    eprintln!("{written} records came back");
    assert!(written >= 90, "{written}");
}

/// A record that was cut by hand declares more letters than it has; it can be written only as what it is.
fn write_fitting(mut record: GenbankRecord, path: &Path) -> (GenbankRecord, Vec<u8>) {
    if !record.seq.is_empty() && record.declared_len.is_some() {
        record.declared_len = Some(record.seq.len() as u64);
    }
    let mut writer = GenbankWriter::new("<output>", Vec::new());
    writer.write(&record).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    (record, writer.finish().unwrap())
}

#[test]
fn strict_is_a_subset_of_lenient() {
    let test = "strict_is_a_subset_of_lenient";
    let Some(data) = common::data_folder(test, "GENOME_DATA", "data") else { return };
    let mut compared = 0;
    for path in files(&data) {
        let read = |mode| GenbankReader::open(&path).unwrap().with_mode(mode).collect::<Result<Vec<_>, _>>();
        let Ok(strict) = read(Mode::Strict) else { continue };
        assert!(read(Mode::Lenient).unwrap() == strict, "{}", path.display());
        compared += 1;
    }
    assert!(compared >= 60, "{compared}");
}

#[test]
fn one_format_is_not_taken_for_the_other() {
    let error = EmblReader::new("x", &b"LOCUS       X 4 bp DNA\n//\n"[..]).next().unwrap().unwrap_err();
    assert_eq!(
        error.to_string(),
        "x:1: byte 0: this is not EMBL: expected a line ID, found \"LOCUS       X 4 bp DNA\""
    );
    let error = GenbankReader::new("x", &b"ID   X; SV 1; linear; DNA; STD; SYN; 4 BP.\n//\n"[..]).next().unwrap();
    assert!(error.unwrap_err().to_string().starts_with("x:1: byte 0: this is not GenBank: expected a line LOCUS"));
}
