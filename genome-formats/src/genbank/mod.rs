//! GenBank flat files: one record or many, each with its letters and features (NCBI GenBank release notes, section 3.4;
//! INSDC feature table definition 11.3).
//!
//! Coordinates: the file counts from 1 and includes the end; [`Location`](crate::Location) has 0-based half-open spans.
//! Locations are not compared with the length of the sequence, which some files do not have: slice with care.
//!
//! ```
//! use genome_formats::{GenbankReader, Span, Strand};
//!
//! let text: &[u8] = b"LOCUS       DEMO                       9 bp    DNA     circular SYN 01-JAN-2026
//! FEATURES             Location/Qualifiers
//!      CDS             complement(join(7..9,1..3))
//!                      /note=\"over the \"\"origin\"\"\"
//! ORIGIN
//!         1 catgggtca
//! //
//! ";
//! let record = GenbankReader::new("demo.gb", text).next().unwrap()?;
//! let feature = &record.features[0];
//! let first = &feature.location.parts()[0]; // the first one to be read: the right end of the reverse strand
//! assert_eq!((first.span, first.strand), (Span::new(0, 3).unwrap(), Strand::Reverse));
//! assert_eq!(feature.qualifier("note"), Some("over the \"origin\""));
//! assert_eq!(feature.location.to_string(), "complement(join(7..9,1..3))");
//! # Ok::<(), genome_formats::Error>(())
//! ```
//!
//! Traps, and what is done about them:
//!
//! - The letters are lower case in every file of NCBI: that is no soft-masking. Proteins (`aa`) come in the same format.
//! - A value goes on until its closing quote, whatever its lines look like. Lines are joined with a blank, those of a
//!   `translation` and of values in brackets without.
//! - `LOCUS` is read by words, since its columns moved over the decades. Keys and qualifiers are not held against the
//!   vocabulary, which grows.
//! - Prose in front of the first record (the heading of a release) is skipped, and so are blank lines. Tabs count as blanks
//!   up to the next multiple of 8 columns. Text that is not UTF-8 gets replacement characters.
//! - The last record may lack `//` if its sequence is as long as `LOCUS` says.
//! - A record without letters (`CONTIG`, `WGS`) is read; letters that are more or fewer than `LOCUS` says are refused.
//!
//! A lenient reader forgives, and counts: a wrong length or line number, a missing end, quotes that are not doubled or not
//! closed, other programs' locations (in front of base 1, over the end of a linear record, `5>`), keywords in lower case,
//! control characters. It leaves out a qualifier or feature that it cannot understand, and counts that too.

pub(crate) mod features;
mod header;
mod reader;
mod record;
pub(crate) mod sequence;
pub(crate) mod text;
mod writer;

pub use reader::GenbankReader;
pub use record::{Feature, GenbankRecord, LengthUnit, Reference};
pub use writer::GenbankWriter;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coord::Strand;
    use crate::error::{ErrorKind, Result};
    use crate::guard::Mode;
    use crate::input::Limits;
    use crate::location::Operator;
    use crate::record::SeqRecord;
    use proptest::prelude::*;

    const DEMO: &str = "\
LOCUS       DEMO                      30 bp    DNA     circular SYN 01-JAN-2026
DEFINITION  A demonstration
            on two lines.
ACCESSION   DEMO00 OTHER
VERSION     DEMO00.1  GI:1
SOURCE      Demo
  ORGANISM  Demo demonstrans
            Bacteria; Demo.
REFERENCE   1  (bases 1 to 30)
COMMENT     LOCUS inside text.
FEATURES             Location/Qualifiers
     source          1..30
                     /organism=\"Demo demonstrans\"
     CDS             complement(join(1..6,
                     10..12))
                     /gene=\"demo\"
                     /note=\"a long note with \"\"quotes\"\"
                     and / a second line\"
                     /pseudo
                     /codon_start=1
                     /translation=\"MK
                     LV\"
BASE COUNT       10 a
CONTIG      join(X.1:1..30)
ORIGIN
        1 acgtacgtac gtacgtacgt
       21 acgtacgtac
//
";

    fn read(text: &[u8]) -> Result<Vec<GenbankRecord>> {
        GenbankReader::new("x.gb", text).collect()
    }

    fn error(text: &str) -> String {
        read(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn a_whole_record() {
        let records = read(DEMO.as_bytes()).unwrap();
        let [record] = &records[..] else { panic!("{records:?}") };
        assert_eq!(record.name, "DEMO");
        assert_eq!(record.accession.as_deref(), Some("DEMO00"));
        assert_eq!(record.version.as_deref(), Some("DEMO00.1"));
        assert_eq!(record.definition.as_deref(), Some("A demonstration on two lines."));
        assert_eq!(record.organism.as_deref(), Some("Demo demonstrans"));
        assert!(record.circular);
        assert_eq!(record.seq, b"acgtacgtacgtacgtacgtacgtacgtac");
        let cds = &record.features[1];
        assert_eq!((&*cds.kind, cds.location.operator()), ("CDS", Operator::Join));
        let parts: Vec<_> = cds.location.parts().iter().map(|p| (p.span.start(), p.span.end(), p.strand)).collect();
        assert_eq!(parts, [(9, 12, Strand::Reverse), (0, 6, Strand::Reverse)]);
        let q = |name: &str| cds.qualifier(name);
        assert_eq!(q("note"), Some("a long note with \"quotes\" and / a second line"));
        assert_eq!((q("translation"), q("codon_start"), q("pseudo")), (Some("MKLV"), Some("1"), None));
        assert!(cds.qualifiers.contains(&("pseudo".into(), None)));

        let record = SeqRecord::from(record.clone());
        assert_eq!(record.name, "DEMO00.1");
        assert_eq!(record.description.as_deref(), Some("A demonstration on two lines."));
    }

    #[test]
    fn layouts_of_the_same_record() {
        let expected = read(DEMO.as_bytes()).unwrap();
        let check = |text: String| assert_eq!(read(text.as_bytes()).unwrap(), expected);
        check(DEMO.replace('\n', "\r\n"));
        check(format!("\u{feff}{DEMO}"));
        check(format!("GBVRL1.SEQ  Genetic Sequence Data Bank\n\n 3 loci\n\n{DEMO}\n\n"));
        check(DEMO.trim_end().to_owned());
        check(DEMO.trim_end().trim_end_matches('/').to_owned());
        check(
            DEMO.replace("CDS             ", "CDS\t\t     ")
                .replace("\n                     /gene", "\n\t\t     /gene"),
        );
        check(DEMO.replace("gtacgtac", "gtac gtac"));
        assert_eq!(read(DEMO.repeat(3).as_bytes()).unwrap().len(), 3);
    }

    #[test]
    fn records_without_a_sequence() {
        let text = "LOCUS       X 5000 bp DNA CON\nCONTIG      join(A.1:1..5000)\n//\n";
        let record = &read(text.as_bytes()).unwrap()[0];
        assert_eq!((record.declared_len, record.seq.len()), (Some(5000), 0));
    }

    #[test]
    fn errors_give_the_line_and_the_record() {
        assert_eq!(error(""), "x.gb: the file is empty: expected GenBank records");
        // Replaces `from`, and expects the error at the first `at` in the new text.
        let check = |from: &str, to: &str, at: &str, expected: &str| {
            let text = DEMO.replacen(from, to, 1);
            assert_ne!(text, DEMO);
            let byte = text.find(at).unwrap();
            let line = text[..byte].matches('\n').count() + 1;
            let expected = expected.replace("{byte}", &format!("byte {byte}"));
            assert_eq!(error(&text), format!("x.gb:{line}: {expected}"));
        };
        check(DEMO, "\nhello\n", "hello", "{byte}: this is not GenBank: expected a line LOCUS, found \"hello\"");
        check(
            "\n//\n",
            "\n//\nhello\n",
            "hello",
            "{byte}: this is not GenBank: expected a line LOCUS, found \"hello\"",
        );
        check(
            "LOCUS       DEMO                      30 bp    DNA     circular SYN 01-JAN-2026",
            "LOCUS       DEMO bp",
            "LOCUS",
            "{byte}: a broken LOCUS line: expected LOCUS, a name, a length and bp or aa, found \"LOCUS       DEMO bp\"",
        );
        check(
            "acgtacgtac\n//",
            "acgtXcgtac\n//",
            "Xcgtac",
            "{byte}: unknown letter in sequence \"DEMO\": expected an IUPAC nucleotide, found 'X'",
        );
        check(
            "acgtacgtac\n//",
            "acgt\n//",
            "//\n",
            "{byte}: the sequence is not as long as LOCUS says in record \"DEMO\": expected 30 letters, found 24",
        );
        check(
            "10..12))",
            "10..x))",
            "     CDS ",
            "{byte}: a broken location of the feature \"CDS\" in record \"DEMO\": expected a base number, found \"x))\"",
        );
        check(
            "CDS             complement(join(1..6,",
            "CDS",
            "     CDS",
            "{byte}: a broken feature in record \"DEMO\": expected a key and a location, found \"     CDS\"",
        );
        let qualifier = "{byte}: a broken qualifier of the feature \"CDS\" in record \"DEMO\": expected /name, /name=value or /name=\"value\", found";
        check(
            "/gene=\"demo\"",
            "/gene=\"demo\"x",
            "                     /gene",
            &(qualifier.to_owned() + " \"/gene=\\\"demo\\\"x\""),
        );
        check(
            "/translation=\"MK\n                     LV\"",
            "/translation=\"MK",
            "                     /translation",
            &(qualifier.to_owned() + " \"/translation=\\\"MK\""),
        );
        check(
            "ORIGIN\n",
            "LOCUS       B 3 bp DNA\n",
            "LOCUS       B",
            "{byte}: a record without an end in record \"DEMO\": expected //, found the next LOCUS",
        );
    }

    #[test]
    fn a_cut_file_is_truncated() {
        for cut in DEMO.find('\n').unwrap() + 1..DEMO.find("acgtacgtac\n//").unwrap() {
            let error = read(&DEMO.as_bytes()[..cut]).unwrap_err();
            assert_eq!((error.kind(), error.record()), (ErrorKind::Truncated, Some("DEMO")), "cut at {cut}: {error}");
            assert_eq!(error.byte(), Some(cut as u64));
        }
    }

    #[test]
    fn values_may_start_with_an_escaped_quote() {
        let text = DEMO.replacen("/gene=\"demo\"", "/gene=\"\"\"demo\"\" x\n                     y\"", 1);
        let records = read(text.as_bytes()).unwrap();
        assert_eq!(records[0].features[1].qualifier("gene"), Some("\"demo\" x y"));
    }

    #[test]
    fn a_huge_declared_length_costs_nothing() {
        let text = DEMO.replacen("30 bp", "18446744073709551615 bp", 1);
        assert!(error(&text).contains("expected 18446744073709551615 letters, found 30"));
    }

    #[test]
    fn limits_hold() {
        let limits = Limits { max_record: 100, ..Limits::default() };
        let error = GenbankReader::new("x.gb", DEMO.as_bytes()).with_limits(limits).next().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Limit);
    }

    fn lenient(text: &str) -> (Vec<GenbankRecord>, String) {
        let mut reader = GenbankReader::new("x.gb", text.as_bytes()).with_mode(Mode::Lenient);
        let records = reader.by_ref().collect::<Result<_>>().unwrap();
        (records, reader.forgiven().to_string())
    }

    #[test]
    fn the_header_is_kept() {
        let text = "\
LOCUS       SCU49845                5028 rc ss-RNA     linear   PLN 29-OCT-2018
ACCESSION   U49845 X1
            X2 REGION: 5..30
VERSION     U49845.1  GI:1293613
DBLINK      BioProject: PRJNA1
            BioSample: SAMN1
DBSOURCE    pdb: molecule 1MRR;
              class: x
KEYWORDS    TLS; two words;
            three.
SOURCE      baker's yeast
  ORGANISM  A very long name of an organism
            that takes two lines
            Eukaryota; Fungi; Dikarya
            alba.
REFERENCE   1  (bases 1 to 5028; 9 to
            10)
  AUTHORS   Roemer,T. and
            Snyder,M.
  CONSRTM   A group
  TITLE     Selection
  JOURNAL   Genes Dev.
   PUBMED   8846915
  REMARK    Erratum
REFERENCE   2
COMMENT     First.

              indented
COMMENT     Second.
WGS         A-B
CONTIG      join(A.1:1..30,
            gap(100))
ORIGIN      near the EcoRI site
//
";
        let record = &read(text.as_bytes()).unwrap()[0];
        assert_eq!((record.unit, record.declared_len), (LengthUnit::Records(5028), None));
        assert_eq!(record.molecule_type.as_deref(), Some("ss-RNA"));
        assert_eq!((record.division.as_deref(), record.date.as_deref()), (Some("PLN"), Some("29-OCT-2018")));
        assert_eq!(record.secondary_accessions, ["X1", "X2"]);
        assert_eq!((record.region.as_deref(), record.gi.as_deref()), (Some("5..30"), Some("1293613")));
        assert_eq!(record.dblinks, ["BioProject: PRJNA1", "BioSample: SAMN1"]);
        assert_eq!(record.keywords, ["TLS", "two words", "three"]);
        assert_eq!(record.organism.as_deref(), Some("A very long name of an organism that takes two lines"));
        assert_eq!(record.taxonomy, ["Eukaryota", "Fungi", "Dikarya alba"]);
        let [first, second] = &record.references[..] else { panic!("{:?}", record.references) };
        assert_eq!(first.about.as_deref(), Some("bases 1 to 5028; 9 to 10"));
        assert_eq!(
            (first.authors.as_deref(), first.pubmed.as_deref()),
            (Some("Roemer,T. and Snyder,M."), Some("8846915"))
        );
        assert_eq!((second.number.as_deref(), &second.about), (Some("2"), &None));
        assert_eq!(record.comments, ["First.\n\n  indented", "Second."]);
        assert_eq!(record.contig.as_deref(), Some("join(A.1:1..30,gap(100))"));
        let other: Vec<_> = record.other.iter().map(|(k, v)| (&**k, &**v)).collect();
        assert_eq!(
            other,
            [("DBSOURCE", "pdb: molecule 1MRR;\n  class: x"), ("WGS", "A-B"), ("ORIGIN", "near the EcoRI site")]
        );
        let mut writer = GenbankWriter::new("x.gb", Vec::new());
        writer.write(record).unwrap();
        assert_eq!(read(&writer.finish().unwrap()).unwrap()[0], *record);
    }

    #[test]
    fn locus_lines_of_all_times() {
        let check = |line: &str, expected: &str| {
            let record = &read(format!("{line}\n//\n").as_bytes()).unwrap()[0];
            let show = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
            let (molecule, division, date) = (show(&record.molecule_type), show(&record.division), show(&record.date));
            let got = format!("{}|{:?}|{molecule}|{}|{division}|{date}", record.name, record.unit, record.circular);
            assert_eq!(got, expected, "{line}");
        };
        check(
            "LOCUS       NC_001422               5386 bp ss-DNA     circular PHG 09-JUL-2002",
            "NC_001422|Bases|ss-DNA|true|PHG|09-JUL-2002",
        );
        check(
            "LOCUS       ATCOR66M      513 bp    mRNA            PLN       02-MAR-1992",
            "ATCOR66M|Bases|mRNA|false|PLN|02-MAR-1992",
        );
        check(
            "LOCUS       NP_034640     182 aa                    ROD       01-NOV-2000",
            "NP_034640|Residues|-|false|ROD|01-NOV-2000",
        );
        check("LOCUS       pBAD30       4923 bp    DNA   circular            ", "pBAD30|Bases|DNA|true|-|-");
        check("LOCUS       AP000868   181589 bp  DNA   HTG   ", "AP000868|Bases|DNA|false|HTG|-");
        check(
            "LOCUS       NM_006141    1622 bp    mRNA            PRI       yyyy/mon/dd",
            "NM_006141|Bases|mRNA|false|PRI|yyyy/mon/dd",
        );
        check("LOCUS       my plasmid 2 9 bp DNA linear", "my plasmid 2|Bases|DNA|false|-|-");
        check("LOCUS X 9 bp", "X|Bases|-|false|-|-");
    }

    #[test]
    fn lenient_forgives_and_counts() {
        let check = |from: &str, to: &str, rule: &str| {
            let text = DEMO.replacen(from, to, 1);
            assert!(read(text.as_bytes()).is_err(), "{rule}");
            let (records, forgiven) = lenient(&text);
            assert_eq!(records.len(), 1);
            assert!(forgiven.starts_with(rule), "{forgiven}");
            (records.into_iter().next().unwrap(), forgiven)
        };
        let (record, _) = check("acgtacgtac\n//", "acgt\n//", "length of the sequence: 1 times");
        assert_eq!((record.seq.len(), record.declared_len), (24, Some(30)));
        check("       21 acg", "       22 acg", "number of a line of letters: 1 times");
        let (record, _) = check("10..12))", "10..x))", "feature without a location: 1 times");
        assert_eq!(record.features.len(), 1);
        let (record, _) = check("10..12))", "-5..12))", "location: 1 times");
        assert_eq!(record.features[1].location.to_string(), "complement(join(1..6,<1..12))");
        let (record, _) = check("\"demo\"", "\"de\"mo\"", "quote inside a value that is not doubled: 1 times");
        assert_eq!(record.features[1].qualifier("gene"), Some("de\"mo"));
        let (record, _) = check("LV\"", "LV", "value without a closing quote: 1 times");
        assert_eq!(record.features[1].qualifier("translation"), Some("MKLV"));
        let (record, _) = check("/pseudo", "/pseudo gene", "broken qualifier: 1 times");
        assert_eq!(record.features[1].qualifiers.len(), 4);
        check("FEATURES ", "features ", "keyword: 1 times");
        check("demonstration\n", "demon\0stration\n", "control character: 1 times");
        let text = DEMO.replace("ORIGIN\n        1 acgtacgtac gtacgtacgt\n       21 acgtacgtac\n//\n", "").repeat(2);
        let (records, forgiven) = lenient(&text);
        assert_eq!((records.len(), forgiven.contains("record without an end: 2 times")), (2, true));
    }

    #[test]
    fn origin_and_strand() {
        let parts = |topology: &str, location: &str| {
            let text = DEMO.replacen("circular", topology, 1).replacen("1..30\n", &format!("{location}\n"), 1);
            Ok::<_, crate::Error>(read(text.as_bytes())?[0].features[0].location.to_string())
        };
        assert_eq!(parts("circular", "25..5").unwrap(), "join(25..30,1..5)");
        assert_eq!(parts("circular", "complement(25..5)").unwrap(), "complement(join(25..30,1..5))");
        assert_eq!(parts("circular", "join(25..30,1..5)").unwrap(), "join(25..30,1..5)");
        assert_eq!(parts("linear  ", "30^1").unwrap(), "30^31");
        assert!(parts("linear  ", "25..5").unwrap_err().to_string().contains("a start that is not behind its end"));
    }

    #[test]
    fn a_reader_that_failed_stays_failed() {
        let text = format!("{}{DEMO}", DEMO.replace("10..12", "x"));
        let mut reader = GenbankReader::new("x.gb", text.as_bytes());
        let mut record = GenbankRecord::default();
        assert_eq!(reader.read_into(&mut record).unwrap_err().kind(), ErrorKind::Syntax);
        assert_eq!(reader.read_into(&mut record).unwrap_err().kind(), ErrorKind::Failed);
        assert!(reader.next().is_none());
    }

    #[test]
    fn hostile_text_is_limited() {
        let location = format!("LOCUS X 3 bp\nFEATURES\n     a    join(1{}", ",1".repeat(200_000));
        assert!(error(&location).contains("longer than 262144 bytes"), "{}", error(&location));
        let endless = b"     CDS             1..3\n".repeat(1000);
        let text = [b"LOCUS       X 3 bp DNA\nFEATURES\n", &endless[..]].concat();
        let limits = Limits { max_record: 10_000, ..Limits::default() };
        let error = GenbankReader::new("x.gb", &text[..]).with_limits(limits).next().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Limit);
    }

    #[test]
    fn the_writer_refuses_what_could_not_be_read_back() {
        let good = read(DEMO.as_bytes()).unwrap().remove(0);
        let check = |change: &dyn Fn(&mut GenbankRecord), expected: &str| {
            let mut record = good.clone();
            change(&mut record);
            let error = GenbankWriter::new("out.gb", Vec::new()).write(&record).unwrap_err().to_string();
            assert!(error.starts_with("out.gb: a record that could not be read back"), "{error}");
            assert!(error.contains(expected), "{error}");
        };
        check(&|r| r.name = String::new(), "a broken LOCUS line");
        check(&|r| r.name = "a  b".into(), "found name that is different");
        check(&|r| r.definition = Some("two\nlines".into()), "a broken header line");
        check(&|r| r.definition = Some("two\n            lines".into()), "found definition");
        check(&|r| r.definition = Some(" blank".into()), "found definition");
        check(&|r| r.declared_len = Some(7), "found declared_len");
        check(&|r| r.seq[3] = b'J', "expected an IUPAC nucleotide, found 'J'");
        check(&|r| r.features[0].kind = "a b".into(), "a broken location");
        check(&|r| r.features[1].qualifiers[0].0 = "a=b".into(), "found features");
        check(&|r| r.features[1].qualifiers[0].1 = Some("a\nb".into()), "found ");
        check(&|r| r.other.push(("lower".into(), String::new())), "found ");
        check(&|r| r.organism = Some("x\n//\nLOCUS".into()), "found ");
    }

    /// One line of words, as the reader gives it.
    fn words() -> impl Strategy<Value = String> {
        "[!-~]{1,20}( [!-~]{1,90}){0,12}".prop_filter("a full stop stands for nothing", |text| text != ".")
    }

    fn any_record() -> impl Strategy<Value = GenbankRecord> {
        let some = || proptest::option::of(words());
        let value = proptest::option::of("[ -~äµ]{0,200}");
        let feature = (
            "[A-Za-z][A-Za-z0-9_'*-]{0,14}",
            crate::location::tests::any_location(),
            proptest::collection::vec(("[A-Za-z][A-Za-z0-9_'*-]{0,19}|translation|number|note", value), 0..5),
        );
        let feature = feature.prop_map(|(kind, location, qualifiers)| Feature { kind, location, qualifiers });
        let texts = (some(), some(), some(), proptest::option::of("[A-Z0-9]{1,9}"), any::<bool>());
        let seq = "[acgtnACGTRY]{1,200}";
        (
            texts,
            proptest::collection::vec(feature, 0..5),
            seq,
            proptest::collection::vec("[a-z]{1,9}( [a-z]{1,9})?", 0..9),
        )
            .prop_map(|((definition, title, source, accession, circular), features, seq, keywords)| {
                GenbankRecord {
                    name: "DEMO".into(),
                    declared_len: Some(seq.len() as u64),
                    circular,
                    definition,
                    accession,
                    taxonomy: keywords.clone(),
                    organism: source.is_some().then(|| "Homo sapiens".to_owned()),
                    source,
                    references: vec![Reference { number: Some("1".into()), title, ..Reference::default() }],
                    comments: keywords.first().cloned().into_iter().collect(),
                    keywords,
                    features,
                    seq: seq.into_bytes(),
                    ..GenbankRecord::default()
                }
            })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(record in any_record()) {
            let mut writer = GenbankWriter::new("x.gb", Vec::new());
            writer.write(&record).unwrap();
            let text = writer.finish().unwrap();
            prop_assert_eq!(read(&text).unwrap(), [record]);
        }

        #[test]
        fn reuse_changes_nothing(records in proptest::collection::vec(any_record(), 1..4)) {
            let mut writer = GenbankWriter::new("x.gb", Vec::new());
            for record in &records {
                writer.write(record).unwrap();
            }
            let text = writer.finish().unwrap();
            let mut reader = GenbankReader::new("x.gb", &text[..]);
            let mut record = GenbankRecord::default();
            for expected in read(&text).unwrap() {
                prop_assert!(reader.read_into(&mut record).unwrap());
                prop_assert_eq!(&record, &expected);
            }
            prop_assert!(!reader.read_into(&mut record).unwrap());
        }

        #[test]
        fn strict_is_a_subset_of_lenient(changes in proptest::collection::vec((0..DEMO.len(), any::<u8>()), 0..4)) {
            let mut text = DEMO.as_bytes().to_vec();
            for (at, byte) in changes {
                text[at] = byte;
            }
            let text = [&text[..], DEMO.as_bytes(), &text[..]].concat();
            let both = |mode| GenbankReader::new("x.gb", &text[..]).with_mode(mode).collect::<Result<Vec<_>>>();
            let lenient = both(Mode::Lenient);
            if let Ok(strict) = both(Mode::Strict) {
                prop_assert_eq!(lenient.as_ref().unwrap(), &strict);
            }
            // The same with one record that is used again.
            let mut reader = GenbankReader::new("x.gb", &text[..]).with_mode(Mode::Lenient);
            let mut record = GenbankRecord::default();
            for expected in lenient.unwrap_or_default() {
                prop_assert!(reader.read_into(&mut record).unwrap());
                prop_assert_eq!(&record, &expected);
            }
        }

        #[test]
        fn any_bytes_never_panic(text in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&text);
            let _ = read(&[b"LOCUS X 3 bp\nFEATURES\n     CDS 1..3\n                     /", &text[..]].concat());
        }

        #[test]
        fn a_damaged_record_never_panics(at in 0..DEMO.len(), byte in any::<u8>(), cut in 0..DEMO.len()) {
            let mut text = DEMO.as_bytes().to_vec();
            text[at] = byte;
            if let Err(error) = read(&text) {
                prop_assert!(!error.to_string().contains(char::is_control));
            }
            let _ = read(&text[cut..]);
            let _ = read(&text[..cut]);
        }
    }
}
