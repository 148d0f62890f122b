//! Laws of the BCF reader and writer, and noodles as a second opinion.

use proptest::prelude::*;

use super::*;
use crate::error::{ErrorKind, Result};
use crate::input::Input;
use crate::vcf::{Call, Column, Lists, Value, Variant, VcfHeader, VcfOptions, VcfReader, VcfVersion};

const META: &str = "##fileformat=VCFv4.3\n##contig=<ID=1>\n##contig=<ID=X,IDX=7>\n##FILTER=<ID=q10,Description=\"\">\n\
    ##INFO=<ID=DP,Number=1,Type=Integer,Description=\"\">\n##INFO=<ID=F,Number=.,Type=Float,Description=\"\">\n\
    ##INFO=<ID=S,Number=.,Type=String,Description=\"\">\n##INFO=<ID=DB,Number=0,Type=Flag,Description=\"\">\n\
    ##FORMAT=<ID=GT,Number=1,Type=String,Description=\"\">\n##FORMAT=<ID=N,Number=.,Type=Integer,Description=\"\">\n\
    ##FORMAT=<ID=FF,Number=.,Type=Float,Description=\"\">\n##FORMAT=<ID=T,Number=.,Type=String,Description=\"\">\n\
    #CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ta\tb\n";

fn header() -> VcfHeader {
    VcfReader::new("x.vcf", META.as_bytes()).unwrap().header().clone()
}

fn records(lines: &str) -> Vec<Variant> {
    VcfReader::new("x.vcf", format!("{META}{lines}").as_bytes()).unwrap().collect::<Result<_>>().unwrap()
}

fn encode(records: &[Variant]) -> Vec<u8> {
    let mut writer = BcfWriter::new(Vec::new(), header()).unwrap();
    for record in records {
        writer.write(record).unwrap();
    }
    writer.finish().unwrap()
}

fn decode(bytes: Vec<u8>) -> Result<Vec<Variant>> {
    BcfReader::from_input(Input::from_bytes("x.bcf", bytes)?)?.collect()
}

fn plain(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    std::io::Read::read_to_end(&mut flate2::bufread::MultiGzDecoder::new(bytes), &mut out).unwrap();
    out
}

const LINES: &str = "1\t1\trs1;rs2\tA\tC,<DEL>\t10.5\tq10\tDP=7;DB;F=0.5,.\tGT:N:FF:T\t0|1:1,2:.:x,y\t./.:.:1:.\n\
    1\t70000\t.\tACGTACGTACGTACGTACGT\t.\t.\tPASS\tDP=70000;S=some text that is longer than 15\tGT\t0\t0/1/1\n\
    X\t5\t.\tA\t*\tNaN\t.\t.\t.\t.\t.\n";

#[test]
fn records_are_stored() {
    let records = records(LINES);
    assert_eq!(decode(encode(&records)).unwrap(), records);
    let telomere = Variant { start: None, ..records[2].clone() };
    assert_eq!(decode(encode(std::slice::from_ref(&telomere))).unwrap(), [telomere]);
}

#[test]
fn noodles_reads_what_is_written() {
    let bytes = encode(&records(LINES));
    let mut reader = noodles_bcf::io::Reader::new(&bytes[..]);
    let header = reader.read_header().unwrap();
    let mut seen = Vec::new();
    for record in reader.record_bufs(&header) {
        let record = record.unwrap();
        let start = record.variant_start().map(usize::from);
        seen.push((
            record.reference_sequence_name().to_owned(),
            start,
            record.reference_bases().len(),
            record.samples().values().count(),
        ));
    }
    let site = |chrom: &str, start, length| (chrom.to_owned(), Some(start), length, 2);
    assert_eq!(seen[..2], [site("1", 1, 1), site("1", 70_000, 20)]);
    assert_eq!(seen.len(), 3);
}

#[test]
fn what_noodles_writes_is_read() {
    use noodles_vcf::variant::io::Write as _;

    let text = format!("{META}{}", LINES.split_inclusive('\n').take(2).collect::<String>());
    let mut reader = noodles_vcf::io::Reader::new(text.as_bytes());
    let header = reader.read_header().unwrap();
    let mut writer = noodles_bcf::io::Writer::new(Vec::new());
    writer.write_header(&header).unwrap();
    for record in reader.record_bufs(&header) {
        writer.write_variant_record(&header, &record.unwrap()).unwrap();
    }
    writer.try_finish().unwrap();
    let bytes = writer.into_inner().into_inner();
    // noodles writes header lines without an order that the specification asks for.
    let input = Input::from_bytes("noodles.bcf", bytes).unwrap();
    let read = BcfReader::from_input_with(input, VcfOptions::lenient()).unwrap().collect::<Result<Vec<_>>>().unwrap();
    let ours = records(LINES);
    for (a, b) in read.iter().zip(&ours) {
        assert_eq!(
            (&a.chrom, a.start, &a.ids, &a.reference, &a.alternates),
            (&b.chrom, b.start, &b.ids, &b.reference, &b.alternates)
        );
        assert_eq!((&a.filters, &a.info), (&b.filters, &b.info));
        assert_eq!(a.genotype(1).map(|g| g.to_string()), b.genotype(1).map(|g| g.to_string()));
    }
    assert_eq!(read.len(), 2);
}

#[test]
fn what_is_not_declared_is_refused() {
    let check = |change: &dyn Fn(&mut Variant), expected: &str| {
        let mut record = records(LINES).remove(0);
        change(&mut record);
        let mut writer = BcfWriter::new(Vec::new(), header()).unwrap();
        let error = writer.write(&record).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(
        &|r| r.chrom = "2".to_owned(),
        "CHROM is not declared in the header, which BCF needs: expected a line ##contig=<ID=...>",
    );
    check(&|r| r.filters = vec!["s50".to_owned()], "FILTER is not declared");
    check(&|r| r.info[0].0 = "N".to_owned(), "INFO is not declared"); // a FORMAT key
    check(&|r| r.info[0].1 = Value::Integers(vec![Some(i32::MIN)]), "a number is reserved in BCF");
    check(&|r| r.info[0].1 = Value::Text(String::new()), "cannot be stored in BCF");
    check(&|r| r.formats[0].1 = Column::Text(vec!["x".to_owned()]), "another number of samples");
    check(&|r| r.start = Some(1 << 40), "POS of a record is too large");
}

#[test]
fn broken_files_are_told() {
    let whole = plain(&encode(&records(LINES)));
    let read = |bytes: &[u8]| BcfReader::new("x.bcf", bytes).and_then(Iterator::collect::<Result<Vec<_>>>);
    assert_eq!(read(&whole).unwrap().len(), 3);
    assert_eq!(read(b"").unwrap_err().kind(), ErrorKind::Empty);
    assert_eq!(
        read(b"BAM\x01aaaaaaaaaa").unwrap_err().to_string(),
        "x.bcf: byte 0: this is no BCF file: expected BCF and version 2, found \"BAM\\u{1}a\""
    );
    // Every cut is an error, but those between two records.
    let good = (1..whole.len()).filter(|&cut| read(&whole[..cut]).is_ok()).count();
    assert_eq!(good, 3);
    let mut reader = BcfReader::new("x.bcf", &whole[..whole.len() - 1]).unwrap();
    assert_eq!(reader.by_ref().filter(Result::is_ok).count(), 2);
    assert!(reader.next().is_none());
}

fn value() -> impl Strategy<Value = Value> {
    let integer = prop_oneof![Just(None), (i32::MIN + 8..=i32::MAX).prop_map(Some), (-130..130).prop_map(Some)];
    let float = prop_oneof![Just(None), any::<f32>().prop_map(Some)];
    prop_oneof![
        prop::collection::vec(integer, 1..20).prop_map(Value::Integers),
        prop::collection::vec(float, 1..20).prop_map(Value::Floats),
        "[a-zA-Z0-9,.]{1,30}".prop_map(Value::Text),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn what_is_written_is_read(
        start in prop::option::of(0u64..0x7fff_fff0),
        reference in "[ACGTN]{1,20}",
        qual in prop::option::of(any::<f32>()),
        integers in value(),
        floats in value(),
        calls in prop::collection::vec(prop::collection::vec((prop::option::of(0u32..40_000), any::<bool>()), 1..4), 2),
    ) {
        let lists: Lists<Call> = calls.iter().map(|calls| {
            let implied = calls[1..].iter().all(|c| c.1);
            calls.iter().enumerate().map(|(i, &(allele, phased))| Call { allele, phased: if i == 0 { implied } else { phased } }).collect::<Vec<_>>()
        }).collect();
        let record = Variant {
            chrom: "X".to_owned(),
            start,
            reference: reference.into_bytes(),
            qual,
            info: vec![("S".to_owned(), integers), ("F".to_owned(), floats)],
            formats: vec![("GT".to_owned(), Column::Genotypes(lists))],
            ..Variant::default()
        };
        prop_assert_eq!(decode(encode(std::slice::from_ref(&record))).unwrap(), [record]);
    }

    /// A sound file with some bytes changed: no panic, and what strict reads, lenient reads.
    #[test]
    fn changed_bytes_are_survived(edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5)) {
        let mut bytes = plain(&encode(&records(LINES)));
        let start = 9 + META.len(); // the records; sometimes the header too
        for (i, (at, byte)) in edits.iter().enumerate() {
            let from = if i == 3 { 0 } else { start };
            let at = from + at.index(bytes.len() - from);
            bytes[at] = *byte;
        }
        let read = |options| BcfReader::new_with("x.bcf", &bytes[..], options).and_then(Iterator::collect::<Result<Vec<_>>>);
        if let Ok(strict) = read(VcfOptions::default()) {
            prop_assert_eq!(read(VcfOptions::lenient()).unwrap(), strict);
        } else {
            let _ = read(VcfOptions::lenient());
        }
    }
}

#[test]
fn records_declare_themselves() {
    let mut header = VcfHeader::new(VcfVersion::V4_3);
    header.set_samples(["a", "b"]).unwrap();
    let records = records(LINES);
    for record in &records {
        declare(&mut header, record).unwrap();
    }
    assert_eq!(header.info("DP").unwrap().kind, crate::vcf::FieldType::Integer);
    let before = header.clone();
    declare(&mut header, &records[0]).unwrap();
    assert_eq!(header, before);
}
