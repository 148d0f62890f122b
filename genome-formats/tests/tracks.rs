//! GFF, BED, WIG and bigWig files of other projects: counts, conversions and summaries that were computed elsewhere.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use common::data_folder;
use genome_formats::{
    BedReader, BigWigReader, Error, ErrorKind, FastaReader, FeatureTree, GffDialect, GffReader, GffWriter, Mode,
    Precision, Result, Signal, Span, WigReader, WigToBed, WigWriter, wig_to_bed, write_bigwig,
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
    // GFF3 1.26: "The phase is REQUIRED for all CDS features."
    let phase = "column 8: a CDS without a phase";
    let broken = [("gdc.gff", phase), ("seqfeaturedb_test.gff3", phase), ("FBgn0031208.gff", phase)];
    check_counts(&data, &[".gff", ".gff3", ".gtf"], &broken, read_gff);
}

#[test]
fn gff_files_without_a_count() {
    let Some(data) = data("gff_files_without_a_count") else { return };
    let check = |name: &str, dialect: GffDialect, records: u64, rules: &[&str]| {
        let path = data.join("formats/gffutils").join(name);
        assert_eq!(GffReader::open(&path).unwrap().dialect(), dialect, "{name}");
        assert_eq!(read_gff(&path, Mode::Strict).0.is_ok(), rules.is_empty(), "{name}");
        let (lenient, forgiven) = read_gff(&path, Mode::Lenient);
        assert_eq!((lenient.unwrap(), &*forgiven), (records, rules), "{name}");
    };
    check("ensembl_gtf.txt", GffDialect::Gtf, 33, &[]);
    check("jgi_gff2.txt", GffDialect::Gff2, 6, &[]);
    // its last line has blanks behind its columns
    check("wormbase_gff2.txt", GffDialect::Gff2, 63, &["blanks"]);
    // "modified GFF file to remove location coordinates": nothing can be understood without them.
    let path = data.join("formats/gffutils/c_elegans_WS199_ann_gff.txt");
    let error = read_gff(&path, Mode::Lenient).0.unwrap_err().to_string();
    assert!(
        error.ends_with(
            ":2: byte 72: column 4: a position that does not exist: expected a whole number from 1, found \".\""
        ),
        "{error}"
    );
}

#[test]
fn bed_files() {
    let Some(data) = data("bed_files") else { return };
    let broken = [
        // bed4+1 and bed4+2, bed5+8, which only their authors know
        ("bed5.bed", "column 5: a score that is not a number"),
        ("bed6.bed", "column 5: a score that is not a number"),
        ("bedplus.bed", "column 5: a score that is not a number"),
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

#[test]
fn wig_files() {
    let Some(data) = data("wig_files") else { return };
    // Counted with awk: lines that begin with a digit, or have four columns.
    let expected = [
        ("wiggelen/a.wig", 40),
        ("wiggelen/b.wig", 21),
        ("wiggelen/c.wig", 3),
        ("wiggelen/complex.wig", 40),
        ("wiggelen/empty.wig", 0),
        ("wiggelen/fixedstep-without-step.wig", 10),
        ("wiggelen/fixedstep.wig", 3),
        ("bx-python/test.wig", 9991),
    ];
    for (name, records) in expected {
        let path = data.join("formats").join(name);
        for mode in [Mode::Strict, Mode::Lenient] {
            let mut reader = WigReader::open(&path).unwrap().with_mode(mode);
            assert_eq!(count(|| reader.next_view().map(|v| v.map(drop))).unwrap(), records, "{name}");
            assert_eq!(reader.forgiven().total(), 0);
        }
    }
}

/// Each WIG of BEDOPS gives the BED beside it, byte by byte. The folder names no options; they follow from the expected
/// files: of the two files of two tracks, `.002` is `--multisplit=foo`, `.003` is `--keep-header`, `.004` is both.
#[test]
fn wig_converts_to_bed_as_bedops_does() {
    let Some(data) = data("wig_converts_to_bed_as_bedops_does") else { return };
    let folder = data.join("formats/bedops/wig2bed");
    let mut names: Vec<_> =
        fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let mut converted = 0;
    for name in names.iter().filter(|name| name.ends_with(".expected")) {
        let stem = name.strip_suffix(".expected").unwrap();
        let own = format!("{stem}.wig");
        let several = stem.contains("multipleTracks");
        // The variants of the files of two tracks have one input.
        let wig = if names.contains(&own) { own } else { format!("{}.001.wig", &stem[..stem.len() - 4]) };
        let variant = if several { &stem[stem.len() - 3..] } else { "001" };
        let options = WigToBed {
            multisplit: matches!(variant, "002" | "004").then(|| "foo".to_owned()),
            keep_header: matches!(variant, "003" | "004"),
            ..WigToBed::default()
        };
        let mut bed = Vec::new();
        let mut reader = WigReader::open(folder.join(&wig)).unwrap();
        wig_to_bed(&mut reader, &mut bed, &options).unwrap();
        let expected = fs::read(folder.join(name)).unwrap();
        assert_eq!(String::from_utf8_lossy(&bed), String::from_utf8_lossy(&expected), "{wig} to {name}");
        converted += 1;
    }
    assert_eq!(converted, 18);
}

#[test]
fn wig_and_bigwig_of_bx_python_hold_the_same_values() {
    let Some(data) = data("wig_and_bigwig_of_bx_python_hold_the_same_values") else { return };
    let folder = data.join("formats/bx-python");
    let single = |signal: Signal| Signal { value: f64::from(signal.value as f32), ..signal };
    let wig =
        WigReader::open(folder.join("test.wig")).unwrap().map(|s| s.map(single)).collect::<Result<Vec<_>>>().unwrap();
    let mut bigwig = BigWigReader::open(folder.join("test.bw")).unwrap();
    let chromosomes = bigwig.chromosomes().to_vec();
    assert_eq!(chromosomes.len(), 1);
    let all = Span::new(0, chromosomes[0].length).unwrap();
    let found = bigwig.signals("chr1", all).unwrap().collect::<Result<Vec<_>>>().unwrap();
    assert_eq!(found, wig);

    // Written again, as bigWig and as WIG.
    let path = tempfile_path("bx.bw");
    write_bigwig(&path, [("chr1", chromosomes[0].length)], found.iter().cloned().map(Ok)).unwrap();
    let mut again = BigWigReader::open(&path).unwrap();
    assert_eq!(again.signals("chr1", all).unwrap().collect::<Result<Vec<_>>>().unwrap(), found);
    fs::remove_file(path).unwrap();
    let mut writer = WigWriter::new(Vec::new());
    found.iter().try_for_each(|signal| writer.write(signal)).unwrap();
    let text = writer.finish().unwrap();
    assert_eq!(WigReader::new("x", &text[..]).collect::<Result<Vec<_>>>().unwrap(), found);
}

fn tempfile_path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("genome-formats-tracks-{}-{name}", std::process::id()))
}

/// `test.expectation` was computed by UCSC's tools: from the values where windows are narrow, from zoom levels elsewhere.
#[test]
fn summaries_are_those_of_ucsc() {
    let Some(data) = data("summaries_are_those_of_ucsc") else { return };
    let folder = data.join("formats/bx-python");
    let mut reader = BigWigReader::open(folder.join("test.bw")).unwrap();
    let text = fs::read_to_string(folder.join("test.expectation")).unwrap();
    let mut compared = 0;
    for line in text.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        let [start, end, windows] = [1, 2, 3].map(|i| words[i].parse::<u64>().unwrap());
        let region = Span::new(start, end).unwrap();
        let summaries = reader.summaries(words[0], region, windows as usize, Precision::Zoomed).unwrap();
        let exact = reader.summaries(words[0], region, windows as usize, Precision::Exact).unwrap();
        assert_eq!(words.len() as u64, 5 + windows);
        for ((summary, exact), expected) in summaries.iter().zip(&exact).zip(&words[5..]) {
            let found = summary.mean().map(|mean| match words[4] {
                "mean" => mean,
                "min" => summary.min,
                "max" => summary.max,
                _ => summary.std_dev().unwrap(),
            });
            match (found, expected.parse::<f64>().ok()) {
                (Some(found), Some(expected)) => {
                    // Six digits were printed.
                    let close = (found - expected).abs() <= 1e-5 * expected.abs().max(1.0);
                    assert!(close, "{} of {region:?} / {windows} at {:?}: {found} {expected}", words[4], summary.span);
                }
                (None, None) => {}
                other => panic!("{} at {:?}: {other:?}", words[4], summary.span),
            }
            // The exact one covers whole bases, and lies within what the zoom level saw.
            assert_eq!(exact.covered.fract(), 0.0);
            assert!(exact.covered == 0.0 || (summary.min <= exact.min && exact.max <= summary.max));
            compared += 1;
        }
    }
    assert_eq!(compared, 4 * (10 + 10 + 100 + 100 + 1000 + 1000));
}

#[test]
fn features_of_genomes_have_their_parents() {
    let Some(data) = data("features_of_genomes_have_their_parents") else { return };
    // Lines, features, roots, coding sequences, Parents without a line, by a Python script: lines; distinct IDs plus lines
    // without one; those of them without a Parent; distinct IDs of CDS lines plus distinct Parents of CDS lines without an ID.
    let check = |name: &str, [line_count, features, roots, coding, unknown]: [usize; 5]| {
        let open = || GffReader::open(data.join("genomes").join(name)).unwrap();
        assert_eq!(FeatureTree::read(&mut open()).is_ok(), unknown == 0, "{name}");
        assert_eq!(open().check_parents().is_ok(), unknown == 0, "{name}");
        let mut reader = open().with_mode(Mode::Lenient);
        assert_eq!(reader.check_parents().unwrap(), line_count as u64);
        assert_eq!(reader.forgiven().total(), unknown as u64, "{name}");
        let tree = FeatureTree::read(&mut open().with_mode(Mode::Lenient)).unwrap();
        let lines = tree.features().iter().map(|feature| feature.records().len()).sum();
        assert_eq!([lines, tree.features().len()], [line_count, features], "{name}");
        if unknown == 0 {
            assert_eq!([tree.roots().count(), tree.coding_sequences().len()], [roots, coding], "{name}");
        }
    };
    check("ecoli_k12_mg1655/GCF_000005845.2_ASM584v2_genomic.gff.gz", [9490, 9468, 4739, 4315, 0]);
    check("mycoplasma_alvi/mycoplasma_alvi.gff.gz", [1502, 1502, 736, 686, 0]);
    check("phage_vt2_sakai/NC_000902.gff", [176, 176, 87, 83, 0]);
    check("yeast_s288c/saccharomyces_cerevisiae_R64.gff.gz", [27100, 26741, 7406, 6020, 0]);
    // the first hundredth of each chromosome, which cuts genes
    check("model_organisms_1pct/A.thaliana.gff.gz", [26474, 7361, 851, 926, 7]);
}

#[test]
fn gff_of_genomes_is_written_and_read_back() {
    let Some(data) = data("gff_of_genomes_is_written_and_read_back") else { return };
    let check = |name: &str, dialect: GffDialect| {
        let records = GffReader::open(data.join(name)).unwrap().collect::<Result<Vec<_>>>().unwrap();
        let mut writer = GffWriter::new(Vec::new(), dialect);
        records.iter().try_for_each(|record| writer.write(record)).unwrap();
        let text = writer.finish().unwrap();
        let again = GffReader::new("again", &text[..], dialect).collect::<Result<Vec<_>>>().unwrap();
        assert_eq!(again, records, "{name}");
    };
    check("genomes/yeast_s288c/saccharomyces_cerevisiae_R64.gff.gz", GffDialect::Gff3);
    check("genomes/model_organisms_1pct/D.melanogaster.gff.gz", GffDialect::Gff3);
    check("formats/gffutils/gencode-v19.gtf", GffDialect::Gtf);
    check("formats/gffutils/keep-order-test.gtf", GffDialect::Gtf);
}

#[test]
fn fasta_behind_gff() {
    let Some(data) = data("fasta_behind_gff") else { return };
    let check = |name: &str, expected: &[(&str, usize)]| {
        let mut reader = GffReader::open(data.join("formats").join(name)).unwrap().with_mode(Mode::Lenient);
        count(|| reader.next_view().map(|v| v.map(drop))).unwrap();
        let records = FastaReader::new(name, reader.fasta_tail().unwrap()).collect::<Result<Vec<_>>>().unwrap();
        let found: Vec<_> = records.iter().map(|record| (&*record.name, record.seq.len())).collect();
        assert_eq!(found, expected);
    };
    check("gffutils/hybrid1.gff3", &[("chr17", 14)]);
    check("bioperl/gff/hybrid2.gff3", &[("A00469", 14)]);
    check("bioperl/gff/seqfeaturedb_test.gff3", &[("Contig1", 37450), ("Contig2", 37450), ("CEESC13F", 780)]);
}

#[test]
fn a_vcf_is_no_bed_and_no_gff() {
    let Some(data) = data("a_vcf_is_no_bed_and_no_gff") else { return };
    let path = data.join("genomes/model_organisms_1pct/C.elegans.vcf.gz");
    let kind = |error: Option<Error>| error.map(|error| error.kind());
    let bed = BedReader::open(&path).unwrap().with_mode(Mode::Lenient).find_map(Result::err);
    assert_eq!(kind(bed), Some(ErrorKind::Syntax));
    let gff = GffReader::open(&path).unwrap().with_mode(Mode::Lenient).find_map(Result::err);
    assert_eq!(kind(gff), Some(ErrorKind::Syntax));
}
