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
    use crate::error::{ErrorKind, Result};
    use crate::input::Limits;
    use crate::record::SeqRecord;
    use crate::coord::Strand;
    use crate::location::Operator;
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

    proptest! {
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
