//! What the whole crate promises together: formats converted into each other, features in one shape, genomes behind an index.

mod common;

use std::fs;
use std::io::Write;
use std::path::Path;

use genome_formats::dataset::{Genome, IndexedGenome, MemoryGenome};
use genome_formats::{
    BgzfWriter, ConvertOptions, Error, ErrorKind, FastaReader, FeatureTree, Format, GffReader, MakeIndex, Mode,
    ReadOptions, Record, Records, Span, annotation, convert, open, sequences, targets,
};

fn run(from: &Path, to: &Path, format: Format) -> Result<genome_formats::Converted, Error> {
    let records = Records::open_with(from, &ReadOptions::default())?;
    convert(records, to, format, &ConvertOptions::default())
}

fn read(path: &Path) -> Vec<Record> {
    open(path).unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn there_and_back_gives_the_same_records() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let check = |name: &str, text: &str, through: &str, by: Format, back: &str, home: Format| {
        fs::write(at(name), text).unwrap();
        run(&at(name), &at(through), by).unwrap_or_else(|e| panic!("{name} to {through}: {e}"));
        run(&at(through), &at(back), home).unwrap_or_else(|e| panic!("{through} to {back}: {e}"));
        assert_eq!(read(&at(name)), read(&at(back)), "{name} through {through}");
    };
    check("a.fa", ">a x y\nACGTacgt\n>b\nNN\n", "a.gb", Format::Genbank, "a2.fa", Format::Fasta);
    check("b.fa", ">a\nACGT\n", "b.csv", Format::Csv, "b2.fa", Format::Fasta);
    let sam = "@HD\tVN:1.6\n@SQ\tSN:c\tLN:100\nr\t0\tc\t5\t9\t4M\t*\t0\t0\tACGT\tIIII\tNM:i:1\n";
    check("c.sam", sam, "c.bam", Format::Bam, "c2.sam", Format::Sam);
    let vcf = "##fileformat=VCFv4.3\n##contig=<ID=c,length=100>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n\
        c\t5\trs1\tA\tC\t10\tPASS\t.\n";
    check("d.vcf", vcf, "d.bcf", Format::Bcf, "d2.vcf.gz", Format::Vcf);
    let wig = "variableStep chrom=c span=5\n1 1.5\n11 2\n";
    check("e.wig", wig, "e.bedgraph", Format::BedGraph, "e2.wig", Format::Wig);
    check("f.bed", "c\t1\t9\tx\t5\t+\n", "f.bed.gz", Format::Bed, "f2.bed", Format::Bed);
    check(
        "g.gff3",
        "##gff-version 3\nc\ts\tgene\t1\t9\t.\t+\t.\tID=g;Note=a%3Bb\n",
        "g.gff3.gz",
        Format::Gff3,
        "g2.gff3",
        Format::Gff3,
    );
}

#[test]
fn bigwig_takes_its_sizes_from_the_caller() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("a.wig"), "fixedStep chrom=c start=1 step=10 span=10\n1\n2\n").unwrap();
    let error = run(&at("a.wig"), &at("a.bw"), Format::BigWig).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    let options = ConvertOptions { sizes: vec![("c".to_owned(), 100)], ..ConvertOptions::default() };
    convert(open(at("a.wig")).unwrap(), at("a.bw"), Format::BigWig, &options).unwrap();
    assert_eq!(read(&at("a.bw")), read(&at("a.wig")));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("a.bed"), "c\t1\t9\n").unwrap();
    let error = run(&at("a.bed"), &at("a.fa"), Format::Fasta).unwrap_err();
    assert!(error.to_string().ends_with("BED cannot be written as FASTA: expected BED, GFF3"), "{error}");
    assert!(!at("a.fa").exists());
    assert!(targets(Format::BigBed).is_empty());
    // A broken record leaves no half file.
    fs::write(at("b.fastq"), "@a\nAC\n+\nII\n@b\nAC\n+\nI\n").unwrap();
    run(&at("b.fastq"), &at("b.fa"), Format::Fasta).unwrap_err();
    assert!(!at("b.fa").exists());
}

#[test]
fn annotated_records_become_lines_with_phases() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let text = "LOCUS       X1 40 bp DNA linear SYN 01-JAN-2026\nACCESSION   X1\nVERSION     X1.1\n\
        FEATURES             Location/Qualifiers\n     gene            1..30\n                     /locus_tag=\"t1\"\n     \
        CDS             join(1..10,15..30)\n                     /locus_tag=\"t1\"\n                     /codon_start=2\nORIGIN\n        \
        1 acgtacgtac gtacgtacgt acgtacgtac gtacgtacgt\n//\n";
    fs::write(at("a.gb"), text).unwrap();
    run(&at("a.gb"), &at("a.gff3"), Format::Gff3).unwrap();
    let lines = fs::read_to_string(at("a.gff3")).unwrap();
    let lines: Vec<Vec<&str>> =
        lines.lines().filter(|l| !l.starts_with('#')).map(|l| l.split('\t').collect()).collect();
    let cds: Vec<_> = lines.iter().filter(|l| l[2] == "CDS").map(|l| (l[3], l[4], l[7])).collect();
    // One base, then three codons, in front of the border: the next codon starts at once.
    assert_eq!(cds, [("1", "10", "1"), ("15", "30", "0")]);
    assert!(lines[1][8].contains("Parent=gene-t1"), "{lines:?}");
    FeatureTree::read(&mut GffReader::open(at("a.gff3")).unwrap()).unwrap();
}

#[test]
fn genbank_and_gff_of_one_genome_give_the_same_proteins() {
    let test = "genbank_and_gff_of_one_genome_give_the_same_proteins";
    let Some(data) = common::data_folder(test, "GENOME_DATA", "data") else { return };
    let folder = data.join("genomes/phage_vt2_sakai");
    let Some(Ok(Record::Annotated(record))) = open(folder.join("NC_000902.gbk")).unwrap().next() else { panic!() };
    let tree = FeatureTree::read(&mut GffReader::open(folder.join("NC_000902.gff")).unwrap()).unwrap();
    let proteins = |features: &[annotation::AnnotatedFeature]| {
        let cds = features.iter().filter_map(|f| f.cds.as_ref()).map(|cds| cds.as_ref().unwrap());
        let mut all: Vec<_> = cds.map(|cds| cds.translate(&record.seq).unwrap().letters).collect();
        all.sort();
        all
    };
    let of_gff = annotation::of_tree(&tree);
    assert_eq!(proteins(&annotation::of_record(&record)), proteins(&of_gff[record.version.as_deref().unwrap()]));
}

#[test]
fn a_genome_behind_an_index_is_the_genome() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.fa");
    fs::write(&path, ">a\nACGTacg\nTTTT\n>b x\nNNACG\n").unwrap();
    let memory = MemoryGenome::new("a", sequences::open(&path).unwrap().map(Result::unwrap)).unwrap();
    let indexed = IndexedGenome::open(&path, MakeIndex::IfMissing).unwrap();
    assert_eq!(memory.names_and_lengths(), indexed.names_and_lengths());
    for (name, length) in memory.names_and_lengths() {
        for start in 0..length {
            for end in start..=length {
                let span = Span::new(start, end).unwrap();
                assert_eq!(memory.fetch(&name, span).unwrap(), indexed.fetch(&name, span).unwrap());
            }
        }
    }
    assert!(indexed.fetch("b", Span::new(0, 6).unwrap()).is_err());
}

#[test]
fn a_missing_end_marker_is_told_or_counted() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.fa.gz");
    let mut writer = BgzfWriter::new(Vec::new());
    writer.write_all(b">a\nACGT\n").unwrap();
    let whole = writer.finish().unwrap();
    fs::write(&path, &whole[..whole.len() - 28]).unwrap();
    let strict: Result<Vec<_>, _> = open(&path).unwrap().collect();
    assert_eq!(strict.unwrap_err().kind(), ErrorKind::Truncated);
    let lenient = ReadOptions { mode: Mode::Lenient, ..ReadOptions::default() };
    let mut records = Records::open_with(&path, &lenient).unwrap();
    assert_eq!(records.by_ref().map(Result::unwrap).count(), 1);
    assert_eq!(records.forgiven().total(), 1);
    // A typed reader tells its decompressor.
    let reader = FastaReader::open(&path).map(|reader| reader.with_mode(Mode::Lenient));
    assert_eq!(reader.unwrap().map(Result::unwrap).count(), 1);
}
