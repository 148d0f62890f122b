//! What must hold of any bytes in any format. The fuzz targets run it, and so does the ordinary test `tests/any_bytes.rs`.

// In the test it is a module of a program, where nothing is public.
#![allow(unreachable_pub, reason = "a library in the fuzz package, a module in the test")]

use genome_formats::{
    Alignment, BamWriter, CigarKind, CigarOp, ErrorKind, Flags, Format, Limits, Mode, ReadOptions, Record, Records,
    SamHeader, Signal, Span, bcf::BcfWriter, vcf::VcfReader, write_bigwig,
};

/// Every format that can be read, with the name of its fuzz target.
pub const FORMATS: [(&str, Format); 17] = [
    ("fasta", Format::Fasta),
    ("fastq", Format::Fastq),
    ("genbank", Format::Genbank),
    ("embl", Format::Embl),
    ("sam", Format::Sam),
    ("bam", Format::Bam),
    ("cram", Format::Cram),
    ("vcf", Format::Vcf),
    ("bcf", Format::Bcf),
    ("gff3", Format::Gff3),
    ("gtf", Format::Gtf),
    ("gff2", Format::Gff2),
    ("bed", Format::Bed),
    ("wig", Format::Wig),
    ("bed_graph", Format::BedGraph),
    ("big_wig", Format::BigWig),
    ("csv", Format::Csv),
];

/// Reads the bytes strictly and leniently. Nothing panics; what strict accepts, lenient accepts with equal records; a reader
/// that failed stays failed; an error says which file.
pub fn check(format: Format, bytes: &[u8]) {
    let (strict, failed) = read(format, bytes, Mode::Strict);
    let (lenient, lenient_failed) = read(format, bytes, Mode::Lenient);
    if !failed {
        assert!(!lenient_failed, "{format}: strict reads what lenient refuses");
        assert!(same(&strict, &lenient), "{format}: strict and lenient read different records");
    }
}

fn read(format: Format, bytes: &[u8], mode: Mode) -> (Vec<Record>, bool) {
    // Small enough that a declared size that is believed shows.
    let limits = Limits {
        max_line: 1 << 16,
        max_record: 1 << 20,
        max_header: 1 << 16,
        max_table: 1 << 20,
        max_records: 1 << 16,
        ..Limits::default()
    };
    let options = ReadOptions { mode, limits, format: Some(format), ..ReadOptions::default() };
    let mut records = match Records::from_bytes("fuzz", bytes.to_vec(), &options) {
        Ok(records) => records,
        Err(error) => {
            assert_eq!(error.path(), "fuzz", "{error}");
            return (Vec::new(), true);
        }
    };
    let mut good = Vec::new();
    for record in &mut records {
        match record {
            Ok(record) => good.push(record),
            Err(error) => {
                assert_ne!(error.kind(), ErrorKind::Failed, "{error}");
                assert!(!error.to_string().contains(['\n', '\0']), "{error:?}");
                assert!(records.next().is_none(), "{format}: a failed reader goes on");
                return (good, true);
            }
        }
    }
    (good, false)
}

/// Equal, where a value that is not a number equals itself.
fn same(a: &[Record], b: &[Record]) -> bool {
    a == b || format!("{a:?}") == format!("{b:?}")
}

/// Small files of a format, sound ones, to start from.
pub fn seeds(format: Format) -> Vec<Vec<u8>> {
    let texts: &[&str] = match format {
        Format::Fasta => &[">chr1 demo\nACGTacgt\nNNRY\n>chr2\nAC\n", ">p1|x\r\nMKL*\r\n"],
        Format::Fastq => &["@r1 a\nACGTN\n+\nII#5!\n@r2\nAC\n+r2\n~~\n", "@w\nACGT\nAC\n+\n@@II\n+I\n"],
        Format::Genbank => &[GENBANK],
        Format::Embl => &[EMBL],
        Format::Sam => &[SAM, "r1\t4\t*\t0\t0\t*\t*\t0\t0\tACGT\tIIII\n"],
        Format::Vcf => &[VCF],
        Format::Gff3 => {
            &[GFF3, "##gff-version 3\nc\t.\tregion\t1\t9\t.\t.\t.\tID=a%3Bb;Note=x,y\n##FASTA\n>c\nACGTACGTA\n"]
        }
        Format::Gtf => &["chr1\tx\texon\t11\t20\t.\t+\t.\tgene_id \"g\"; transcript_id \"t;1\"; exon_number 1;\n"],
        Format::Gff2 => &["##gff-version 2\nchr1\tx\tsimilarity\t11\t20\t0.5\t-\t.\tTarget \"a b\" 1 2 ; Note x\n"],
        Format::Bed => &[
            "track name=a\nchr1\t10\t20\nchr1\t30\t30\n",
            "chr1\t0\t100\tt\t960\t+\t10\t90\t255,0,0\t2\t10,20,\t0,80,\textra\n",
        ],
        Format::Wig => &[
            "track type=wiggle_0 name=\"x\"\nfixedStep chrom=chr1 start=11 step=5 span=2\n1\n2.5\n-3e2\n",
            "variableStep chrom=chr1 span=3\n10 1\n20 0.5\nvariableStep chrom=chr2\n5\t7\n",
        ],
        Format::BedGraph => &["track type=bedGraph\nchr1\t0\t10\t1.5\nchr1 10 20 -2\n"],
        Format::Csv => &["id,sequence,label\na,ACGT,0\nb,\"AC\",1\n", "sequence\nACGT\n"],
        _ => &[],
    };
    let mut seeds: Vec<_> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    match format {
        Format::Bam => seeds.push(bam()),
        Format::Bcf => seeds.push(bcf()),
        Format::BigWig => seeds.push(bigwig()),
        // No writer: the start of a file.
        Format::Cram => seeds.push(b"CRAM\x03\x00genome-formats-fuzz\x00".to_vec()),
        _ => {}
    }
    seeds
}

const GENBANK: &str = "LOCUS       DEMO                      30 bp    DNA     circular SYN 01-JAN-2026
DEFINITION  A demonstration
            on two lines.
ACCESSION   DEMO00
VERSION     DEMO00.1
SOURCE      Demo
  ORGANISM  Demo demonstrans
            Bacteria; Demo.
FEATURES             Location/Qualifiers
     CDS             complement(join(1..6,
                     10..12))
                     /gene=\"demo\"
                     /note=\"a long note with \"\"quotes\"\"
                     and / a second line\"
                     /pseudo
ORIGIN
        1 acgtacgtac gtacgtacgt acgtacgtac
//
";

const EMBL: &str = "ID   X1; SV 1; linear; genomic DNA; STD; SYN; 12 BP.
XX
AC   X1;
XX
DE   A demonstration.
XX
FH   Key             Location/Qualifiers
FT   gene            1..9
FT                   /gene=\"demo\"
XX
SQ   Sequence 12 BP; 3 A; 3 C; 3 G; 3 T; 0 other;
     acgtacgtac gt                                                            12
//
";

const SAM: &str = "@HD\tVN:1.6\tSO:coordinate\n@SQ\tSN:chr1\tLN:1000\n@RG\tID:g\n@PG\tID:p\n@CO\tx\n\
r1\t99\tchr1\t10\t60\t2S4M1I2D3M\t=\t50\t60\tACGTACGTAC\tIIIIIIIIII\tNM:i:3\tRG:Z:g\tXB:B:c,-1,2\n";

const VCF: &str = "##fileformat=VCFv4.3\n##contig=<ID=chr1,length=1000>\n\
##INFO=<ID=DP,Number=1,Type=Integer,Description=\"Depth\">\n##FILTER=<ID=q10,Description=\"Low\">\n\
##FORMAT=<ID=GT,Number=1,Type=String,Description=\"Genotype\">\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ts1\n\
chr1\t10\trs1\tA\tC,AT\t9.5\tPASS\tDP=3\tGT\t0|2\nchr1\t20\t.\tGC\tG\t.\tq10\t.\tGT\t./1\n";

const GFF3: &str = "##gff-version 3\n##sequence-region chr1 1 1000\n\
chr1\tx\tgene\t11\t90\t.\t+\t.\tID=g;Name=a%20b\nchr1\tx\tmRNA\t11\t90\t.\t+\t.\tID=t;Parent=g\n\
chr1\tx\tCDS\t21\t50\t.\t+\t0\tID=c;Parent=t\nchr1\tx\tCDS\t61\t80\t1e-3\t+\t2\tID=c;Parent=t\n###\n";

fn bam() -> Vec<u8> {
    let header = SamHeader::with_references([("chr1", 1000)]).expect("a sound header");
    let mut writer = BamWriter::new("seed", Vec::new(), &header).expect("writing to memory");
    let read = Alignment {
        name: Some("r1".into()),
        flags: Flags::from_bits(0),
        reference: Some("chr1".into()),
        position: Some(9),
        mapping_quality: Some(60),
        cigar: vec![CigarOp { kind: CigarKind::Match, length: 4 }],
        sequence: b"ACGT".to_vec(),
        qualities: Some(vec![30; 4]),
        ..Alignment::default()
    };
    writer.write(&read).expect("a sound record");
    writer.finish().expect("writing to memory")
}

fn bcf() -> Vec<u8> {
    let mut reader = VcfReader::new("seed", VCF.as_bytes()).expect("a sound header");
    let mut writer = BcfWriter::new(Vec::new(), reader.header().clone()).expect("a sound header");
    for record in &mut reader {
        writer.write(&record.expect("a sound record")).expect("a sound record");
    }
    writer.finish().expect("writing to memory")
}

fn bigwig() -> Vec<u8> {
    let path = std::env::temp_dir().join(format!(
        "genome-formats-seed-{}-{:?}.bw",
        std::process::id(),
        std::thread::current().id()
    ));
    let signal = |start: u64, value| {
        Ok(Signal { seq_name: "chr1".into(), span: Span::new(start, start + 5).expect("in order"), value })
    };
    write_bigwig(&path, [("chr1", 100)], [signal(0, 1.0), signal(10, 2.5), signal(15, -1.0)]).expect("sound signals");
    let bytes = std::fs::read(&path).expect("it was written");
    let _ = std::fs::remove_file(&path);
    bytes
}
