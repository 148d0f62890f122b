//! Laws and messages of the VCF reader and writer.

use proptest::prelude::*;

use super::*;
use crate::error::{ErrorKind, Result};
use crate::guard::Mode;
use crate::input::Limits;

const COLUMNS: &str = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO";

fn file(version: &str, meta: &str, samples: &str, records: &str) -> String {
    let samples = if samples.is_empty() { String::new() } else { format!("\tFORMAT\t{samples}") };
    format!("##fileformat=VCFv{version}\n{meta}{COLUMNS}{samples}\n{records}")
}

fn read(text: &[u8], mode: Mode) -> Result<Vec<Variant>> {
    let options = VcfOptions { mode, ..VcfOptions::default() };
    VcfReader::new_with("x.vcf", text, options)?.collect()
}

fn one(text: &str) -> Variant {
    let mut records = read(text.as_bytes(), Mode::Strict).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(records.len(), 1);
    records.remove(0)
}

fn strict_error(text: &[u8]) -> String {
    read(text, Mode::Strict).expect_err("the text is broken").to_string()
}

#[test]
fn errors_name_place_rule_and_text() {
    let check = |text: &str, expected: &str| assert_eq!(strict_error(text.as_bytes()), expected);
    check("", "x.vcf: the file is empty: expected ##fileformat=VCFv4.x in the first line");
    check(
        "I\t3080\tgk1\tA\tT\n",
        "x.vcf:1: byte 0: this is no VCF file, or one without its header: expected ##fileformat=VCFv4.x, \
         found \"I\\t3080\\tgk1\\tA\\tT\"",
    );
    check(
        "##fileformat=VCFv4.3\n",
        "x.vcf:1: byte 21: the file ends inside its header: expected the column line #CHROM POS ID ...",
    );
    check(
        &file("4.3", "##INFO=<ID=DP,Number=1,Type=String,Description=\"Depth\">\n", "", ""),
        "x.vcf:2: byte 21: INFO DP is a reserved key: its Type is not Integer: expected Integer, found \"String\"",
    );
    check(
        &file("4.3", "", "", "1\t5\t.\tA\tC\t.\t.\tDP=x\n"),
        "x.vcf:3: byte 60: column 8: INFO DP is not a whole number, which its Type says: expected Integer, found \"x\"",
    );
    check(
        &file("4.3", "", "", "1\t5\t.\tA\n"),
        "x.vcf:3: byte 60: a record has too few columns: expected CHROM POS ID REF ALT QUAL FILTER INFO, with tabs between them, \
         found 4 columns",
    );
    check(
        &file("4.3", "", "", "1\t5\t.\tA\tC\t.\t.\t.\n1\t4\t.\tA\tC\t.\t.\t.\n"),
        "x.vcf:4: byte 76: column 2: the records are not sorted by POS: expected 5 or more, found 4",
    );
    check(
        &file("4.2", "", "S", "1\t5\t.\tA\tC\t.\t.\t.\tGT\t0/2\n"),
        "x.vcf:3: byte 69: column 10: FORMAT GT has an allele that is out of range: expected 0 to 1, found \"0/2\"",
    );
}

#[test]
fn odd_files_have_a_clear_outcome() {
    let good = file("4.2", "", "", "1\t5\t.\tA\tC\t.\t.\t.\n1\t6\t.\tA\tC\t.\t.\t.\n");
    let expected = read(good.as_bytes(), Mode::Strict).unwrap();
    assert_eq!(expected.len(), 2);
    assert_eq!(read(good.replace('\n', "\r\n").as_bytes(), Mode::Strict).unwrap(), expected);
    assert_eq!(read(format!("\u{feff}{good}").as_bytes(), Mode::Strict).unwrap(), expected);
    assert_eq!(read(good.trim_end().as_bytes(), Mode::Strict).unwrap(), expected);
    // Since 4.3 the last line must end.
    let cut = good.replace("4.2", "4.3");
    assert!(strict_error(cut.trim_end().as_bytes()).contains("no newline at the end of the file"));
    assert_eq!(read(cut.trim_end().as_bytes(), Mode::Lenient).unwrap(), expected);

    assert!(strict_error(good.replace("\tC\t", "\tC\0\t").as_bytes()).contains("a record has a control character"));
    assert!(strict_error(&[good.as_bytes(), b"1\t7\t\xff\tA\tC\t.\t.\t.\n"].concat()).contains("not UTF-8"));
    assert!(strict_error(good.replace("\n1\t6", "\n\n1\t6").as_bytes()).contains("an empty line among the records"));
    assert!(strict_error(b"\xef\xbb\xbf").contains("the file is empty"));
    assert_eq!(read(file("4.3", "", "a\tb", "").as_bytes(), Mode::Strict).unwrap(), []);
}

#[test]
fn a_lenient_reader_counts() {
    let text = file(
        "4.2",
        "##INFO=<ID=DP,Number=1,Type=String,Description=\"Depth\">\n",
        "",
        "1\t5\t.\tA\t<NON_REF\t-1\tPASS;\tDP=1;;X\n\n",
    );
    let mut reader = VcfReader::new_with("x.vcf", text.as_bytes(), VcfOptions::lenient()).unwrap();
    let record = reader.next().unwrap().unwrap();
    assert_eq!(record.alternates, [Allele::Bases(b"<NON_REF".to_vec())]);
    assert_eq!((record.qual, record.is_pass()), (Some(-1.0), true));
    assert!(reader.next().is_none());
    let rules: Vec<_> = reader.forgiven().iter().map(|(rule, n, _)| (rule, n)).collect();
    assert_eq!(rules, [("ALT", 1), ("FILTER", 1), ("INFO", 1), ("QUAL", 1), ("empty line", 1), ("reserved keys", 1)]);
}

#[test]
fn files_of_gatk_are_read_and_written_leniently() {
    let meta = "##ALT=<ID=NON_REF,Description=\"any\">\n##FORMAT=<ID=MIN_DP,Number=1,Type=Integer,Description=\"\">\n";
    let record = "1\t5\t.\tA\t<NON_REF>\t.\t.\tEND=90\tGT:DP:MIN_DP\t0/0:7:3\n";
    let text = file("4.2", meta, "a", record);
    assert!(strict_error(text.as_bytes()).contains("the ID of ##ALT has a type that is none of the known ones"));
    let mut reader = VcfReader::new_with("x.g.vcf", text.as_bytes(), VcfOptions::lenient()).unwrap();
    let header = reader.header().clone();
    let records = (&mut reader).collect::<Result<Vec<_>>>().unwrap();
    assert_eq!((records[0].end(), records[0].format("MIN_DP").unwrap().integers(0)), (90, Some(&[Some(3)][..])));
    assert!(VcfWriter::new(Vec::new(), header.clone()).is_err());
    let mut writer = VcfWriter::new_with(Vec::new(), header, Mode::Lenient).unwrap();
    writer.write(&records[0]).unwrap();
    assert_eq!(String::from_utf8(writer.finish().unwrap()).unwrap(), text);
}

#[test]
fn a_failed_reader_stays_failed() {
    let text = file("4.3", "", "", "1\tx\t.\tA\tC\t.\t.\t.\n1\t6\t.\tA\tC\t.\t.\t.\n");
    let mut reader = VcfReader::new("x.vcf", text.as_bytes()).unwrap();
    assert!(reader.next_view().is_err());
    assert_eq!(reader.next_view().unwrap_err().kind(), ErrorKind::Failed);
    assert!(reader.next().is_none());
}

#[test]
fn limits_are_kept() {
    let text = file("4.3", &"##a=b\n".repeat(100), "", "");
    let limits = Limits { max_header: 100, ..Limits::default() };
    let options = VcfOptions { limits, ..VcfOptions::default() };
    let error = VcfReader::new_with("x.vcf", text.as_bytes(), options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
    let long = file("4.3", "", "", &format!("1\t5\t.\t{}\tC\t.\t.\t.\n", "A".repeat(1000)));
    let options = VcfOptions { limits: Limits { max_line: 500, ..Limits::default() }, ..VcfOptions::default() };
    let mut reader = VcfReader::new_with("x.vcf", long.as_bytes(), options).unwrap();
    assert_eq!(reader.next_view().unwrap_err().kind(), ErrorKind::Limit);
    // Values that are left out are bounded: 3,000 keys in 1,000 samples.
    let keys: Vec<String> = (0..3000).map(|i| format!("K{i}")).collect();
    let samples: Vec<String> = (0..1000).map(|i| format!("s{i}")).collect();
    let record = format!("1\t5\t.\tA\tC\t.\t.\t.\t{}{}\n", keys.join(":"), "\t.".repeat(1000));
    let error = read(file("4.3", "", &samples.join("\t"), &record).as_bytes(), Mode::Lenient).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
}

#[test]
fn coordinates_count_from_zero() {
    let check = |record: &str, span: (u64, u64), end: u64| {
        let meta = "##ALT=<ID=DEL,Description=\"\">\n";
        let variant = one(&file("4.3", meta, "", &format!("1\t{record}\n")));
        assert_eq!((variant.span().start(), variant.span().end(), variant.end()), (span.0, span.1, end), "{record}");
    };
    check("100\t.\tC\tT\t.\t.\t.", (99, 100), 100);
    check("100\t.\tCAG\tC\t.\t.\t.", (99, 102), 102);
    check("100\t.\tC\t<DEL>\t.\t.\tEND=200", (99, 100), 200);
    check("100\t.\tC\t<DEL>\t.\t.\tSVLEN=-50", (99, 100), 150);
    check("100\t.\tC\tT\t.\t.\tSVLEN=50", (99, 100), 100);
    check("0\t.\tN\tT\t.\t.\t.", (0, 0), 0);
    check("0\t.\tNAC\tN\t.\t.\t.", (0, 2), 2);
    let block = one(&file(
        "4.5",
        "##FORMAT=<ID=LEN,Number=1,Type=Integer,Description=\"\">\n",
        "a\tb",
        "1\t100\t.\tC\t<*>\t.\t.\t.\tLEN\t10\t30\n",
    ));
    assert_eq!(block.end(), 129);
}

#[test]
fn alleles_are_typed() {
    let variant = one(&file("4.3", "", "", "1\t9\t.\tN\tA,<DUP:TANDEM>,*,G]17:198982],[<ctg1>:1[A,.T\t.\t.\t.\n"));
    let mate =
        |chrom: &str, start, extends_right| Some(Mate { chrom: chrom.to_owned(), start: Some(start), extends_right });
    assert_eq!(
        variant.alternates,
        [
            Allele::Bases(b"A".to_vec()),
            Allele::Symbolic("DUP:TANDEM".to_owned()),
            Allele::Star,
            Allele::Breakend(Breakend { bases: b"G".to_vec(), bases_first: true, mate: mate("17", 198_981, false) }),
            Allele::Breakend(Breakend { bases: b"A".to_vec(), bases_first: false, mate: mate("<ctg1>", 0, true) }),
            Allele::Breakend(Breakend { bases: b"T".to_vec(), bases_first: false, mate: None }),
        ]
    );
    let texts: Vec<String> = variant.alternates.iter().map(Allele::to_string).collect();
    assert_eq!(texts.join(","), "A,<DUP:TANDEM>,*,G]17:198982],[<ctg1>:1[A,.T");
    for bad in ["", "R", "<", "<>", "<A B>", "A[", "A[1:2]", "[1:2[", "A[1[", "A[1:x[", "A[:1[", "A[1:2[C", "..", "A*"]
    {
        assert!(parse_allele(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn genotypes_are_parsed() {
    let variant = one(&file("4.3", "", "a\tb\tc\td\te", "1\t9\t.\tA\tC,G\t.\t.\t.\tGT\t0|1\t1/2\t./.\t2\t0|1/2\n"));
    let texts: Vec<String> = (0..5).map(|i| variant.genotype(i).unwrap().to_string()).collect();
    assert_eq!(texts, ["0|1", "1/2", "./.", "2", "0|1/2"]);
    let genotype = |i| variant.genotype(i).unwrap();
    assert!(genotype(0).is_phased() && !genotype(1).is_phased() && !genotype(4).is_phased());
    assert!(genotype(2).is_missing() && genotype(3).ploidy() == 1 && genotype(1).count(2) == 1);
    // An explicit first phase is part of 4.4.
    let variant = one(&file("4.4", "", "a\tb", "1\t9\t.\tA\tC\t.\t.\t.\tGT\t/0|1\t|1\n"));
    assert_eq!(variant.genotype(0).unwrap().to_string(), "/0|1");
    assert_eq!(variant.genotype(1).unwrap().to_string(), "1");
}

#[test]
fn several_alternates_are_split() {
    let meta = "##FORMAT=<ID=AD,Number=R,Type=Integer,Description=\"\">\n";
    let record = "1\t9\t.\tA\tC,GT\t.\t.\tAC=3,4;DP=9\tGT:AD:PL\t0|2:1,2,3:0,1,2,3,4,5\t1:5,6,7:0,1,2\n";
    let text = file("4.3", meta, "a\tb", record);
    let header = VcfReader::new("x.vcf", text.as_bytes()).unwrap().header().clone();
    let split = one(&text).split(&header);
    let mut writer = VcfWriter::new(Vec::new(), header.clone()).unwrap();
    for variant in &split {
        writer.write(variant).unwrap();
    }
    let written = String::from_utf8(writer.finish().unwrap()).unwrap();
    let records: Vec<&str> = written.lines().filter(|l| !l.starts_with('#')).collect();
    assert_eq!(
        records,
        [
            "1\t9\t.\tA\tC\t.\t.\tAC=3;DP=9\tGT:AD:PL\t0|.:1,2:0,1,2\t1:5,6:0,1",
            "1\t9\t.\tA\tGT\t.\t.\tAC=4;DP=9\tGT:AD:PL\t0|1:1,3:0,3,5\t.:5,7:0,2",
        ]
    );
}

#[test]
fn alleles_are_trimmed() {
    let check = |reference: &str, alternate: &str, expected: (u64, &str, &str)| {
        let variant = Variant {
            start: Some(10),
            reference: reference.into(),
            alternates: vec![Allele::Bases(alternate.into())],
            ..Variant::default()
        };
        let (span, reference, alternate) = variant.trimmed(0).unwrap();
        assert_eq!((span.start(), reference, alternate), (expected.0, expected.1.as_bytes(), expected.2.as_bytes()));
        assert_eq!(span.len(), reference.len() as u64);
    };
    check("A", "C", (10, "A", "C"));
    check("TAT", "TGT", (11, "A", "G"));
    check("CA", "C", (11, "A", ""));
    check("C", "CA", (11, "", "A"));
    check("CAA", "CA", (11, "A", ""));
    check("A", "a", (10, "", ""));
}

#[test]
fn what_cannot_be_read_back_is_not_written() {
    let mut header = VcfHeader::default();
    header.set_samples(["a"]).unwrap();
    let good = Variant {
        chrom: "1".to_owned(),
        start: Some(4),
        reference: b"A".to_vec(),
        alternates: vec![Allele::Bases(b"C".to_vec())],
        ..Variant::default()
    };
    let check = |change: &dyn Fn(&mut Variant), expected: &str| {
        let mut record = good.clone();
        change(&mut record);
        let mut writer = VcfWriter::new(Vec::new(), header.clone()).unwrap();
        let error = writer.write(&record).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(&|r| r.chrom = "a b".to_owned(), "the contig ID in CHROM has a white space");
    check(&|r| r.chrom = "a\tb".to_owned(), "POS is not a whole number");
    check(&|r| r.ids = vec!["x;y".to_owned()], "ID of a record cannot be written");
    check(&|r| r.reference = Vec::new(), "the REF allele is missing");
    check(&|r| r.alternates = vec![Allele::Missing], "ALT of a record cannot be written");
    check(&|r| r.alternates = vec![Allele::Symbolic("a>b".to_owned())], "a symbolic ALT allele");
    check(&|r| r.qual = Some(-1.0), "QUAL is a negative number");
    check(&|r| r.filters = vec![".".to_owned()], "FILTER of a record cannot be written");
    check(&|r| r.info = vec![("X".to_owned(), Value::Integers(vec![Some(1)]))], "INFO of a record cannot be written");
    check(&|r| r.info = vec![("X".to_owned(), Value::Text("a;b".to_owned()))], "INFO of a record cannot be written");
    check(&|r| r.info = vec![("X".to_owned(), Value::Text("a\nb".to_owned()))], "a control character");
    check(&|r| r.formats = vec![("X".to_owned(), Column::Text(Vec::new()))], "empty");
    let mut writer = VcfWriter::new(Vec::new(), header.clone()).unwrap();
    writer.write(&good).unwrap();
    assert!(writer.write(&good).unwrap_err().to_string().contains("a duplicated variant"));
    assert!(header.push("##INFO=<ID=X>").is_err());
    assert!(header.clone().push("##x=y\n1\t2").is_err());
}

#[test]
fn floats_are_written_so_that_they_are_read_again() {
    let bits = [0u32, 1, 0x3d4c_cccd, 0x7f7f_ffff, 0x0080_0000, 0x8000_0001, 0x7f80_0000, 0x4b80_0001, 0xff80_0000];
    for n in bits.map(f32::from_bits) {
        assert_eq!(validate::parse_float(value::float_text(n).as_bytes()), Some(n), "{n:e}");
    }
    assert!(validate::parse_float(b"NaN").unwrap().is_nan());
    assert_eq!(value::float_text(0.05), "0.05");
}

/// Pieces of files that are mostly sound, so that mutations reach deep into the parser.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let meta = prop::sample::select(vec![
        "",
        "##INFO=<ID=DP,Number=1,Type=Integer,Description=\"Depth, \\\"all\\\"\">\n",
        "##INFO=<ID=XF,Number=A,Type=Float,Description=\"x\">\n##INFO=<ID=XC,Number=.,Type=Character,Description=\"\">\n",
        "##FORMAT=<ID=GQ,Number=1,Type=Integer,Description=\"q\">\n##contig=<ID=1,length=100>\n",
        "##META=<ID=T,Number=.,Type=String,Values=[a, b]>\n##PEDIGREE=<ID=c,Mother=m>\n",
    ]);
    let record = (
        prop::sample::select(vec!["1", "2", "<c>", "chrX"]),
        1u32..200,
        prop::sample::select(vec![".", "rs1", "rs1;rs2"]),
        prop::sample::select(vec!["A", "AC", "ACGT", "n"]),
        prop::sample::select(vec![".", "C", "C,G", "<DEL>", "A[1:7[", "*", "<*>", "AT"]),
        prop::sample::select(vec![".", "10", "1e3", "NaN", "0.05"]),
        prop::sample::select(vec![".", "PASS", "q10;s50"]),
        prop::sample::select(vec![".", "DP=7", "XF=0.5;DB", "XC=a,b;DP=.", "END=300", "AA=x%3By;X=\"a,b\"", "AC=1,2"]),
        prop::sample::select(vec![
            "GT\t0|1\t./.",
            "GT:GQ\t0/1:3\t.",
            "GQ:DP\t.:2\t7",
            "GT:PL\t0/0:0,1,2\t1:0,1",
            ".\t.\t.",
            "GT:X\t0:a\t1:.",
        ]),
    );
    let records = prop::collection::vec(record, 0..5);
    let version = prop::sample::select(vec!["4.0", "4.1", "4.2", "4.3", "4.4", "4.5"]);
    let edits = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..3), 0..4);
    (version, meta, any::<bool>(), records, edits).prop_map(|(version, meta, samples, mut records, edits)| {
        records.sort_by_key(|r| (r.0, r.1));
        let lines = records.iter().map(|r| {
            let format = if samples { format!("\t{}", r.8) } else { String::new() };
            format!("{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}{format}\n", r.0, r.1, r.2, r.3, r.4, r.5, r.6, r.7)
        });
        let mut text = file(version, meta, if samples { "a\tb" } else { "" }, &lines.collect::<String>()).into_bytes();
        for (at, byte, how) in edits {
            let at = at.index(text.len());
            match how {
                0 => text[at] = byte,
                1 => text.insert(at, b"\t\n:;,=.<>|/0\"#"[usize::from(byte) % 14]),
                _ => drop(text.remove(at)),
            }
        }
        text
    })
}

/// The laws below say nothing of texts that are refused: enough must be sound, and have records.
#[test]
fn the_generator_makes_sound_files() {
    use proptest::strategy::ValueTree;

    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let texts = (0..1000).map(|_| text().new_tree(&mut runner).unwrap().current());
    let sound = texts.filter(|text| read(text, Mode::Strict).is_ok_and(|records| !records.is_empty())).count();
    assert!(sound >= 100, "{sound} of 1000");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Nothing panics; what strict reads, lenient reads equally; what was read is written and read again equally.
    #[test]
    fn strict_is_a_part_of_lenient_and_survives_writing(text in text()) {
        let lenient = read(&text, Mode::Lenient);
        let Ok(strict) = read(&text, Mode::Strict) else { return Ok(()) };
        prop_assert_eq!(&lenient.unwrap(), &strict);

        let header = VcfReader::new("x.vcf", &text[..]).unwrap().header().clone();
        let mut writer = VcfWriter::new(Vec::new(), header.clone()).unwrap();
        for record in &strict {
            writer.write(record).unwrap();
        }
        let written = writer.finish().unwrap();
        prop_assert_eq!(read(&written, Mode::Strict).unwrap(), strict.clone());
        for record in &strict {
            prop_assert!(record.end() >= record.span().start());
            prop_assert_eq!(record.split(&header).len(), record.alternates.len().max(1));
        }
    }

    /// The lending path shows what the owned path gives, and fails where it fails.
    #[test]
    fn views_are_the_records(text in text()) {
        let options = VcfOptions { checks: Checks::Full, ..VcfOptions::default() };
        let Ok(mut views) = VcfReader::new_with("x.vcf", &text[..], options) else { return Ok(()) };
        let mut records = VcfReader::new("x.vcf", &text[..]).unwrap();
        loop {
            match (views.next_view(), records.next()) {
                (Ok(Some(view)), Some(Ok(record))) => {
                    prop_assert_eq!(view.chrom(), record.chrom.as_bytes());
                    prop_assert_eq!(view.start(), record.start);
                    prop_assert_eq!(view.reference(), &record.reference[..]);
                    prop_assert_eq!(view.alternates().count(), record.alternates.len());
                    prop_assert_eq!(view.to_variant(Mode::Strict).unwrap(), record);
                }
                (Ok(None), None) => break,
                (Err(a), Some(Err(b))) => {
                    prop_assert_eq!(a.to_string(), b.to_string());
                    break;
                }
                (a, b) => prop_assert!(false, "{a:?} but {b:?}"),
            }
        }
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let headed = [file("4.3", "", "s", "").as_bytes(), &bytes].concat();
        for text in [&bytes, &headed] {
            for mode in [Mode::Strict, Mode::Lenient] {
                let _ = read(text, mode);
            }
        }
    }
}
