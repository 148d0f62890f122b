//! Writes BED with the same columns on every line.

use std::io::{self, Write};

use super::record::{BedRecord, STANDARD};
use crate::coord::Span;
use crate::error::{Error, ErrorKind, Result, count};

const PATH: &str = "<output>";

/// Writes BED. All lines get the columns of the first record, or those of [`BedWriter::with_standard_columns`]; what a
/// later record lacks is written as BEDv1's "uninformative" value: name and strand `.`, score 0, no thick part, colour 0, one
/// block. A score of 0 and one block are read back as such.
///
/// ```
/// use genome_formats::{BedRecord, BedWriter, Span};
///
/// let mut writer = BedWriter::new(Vec::new());
/// let mut record = BedRecord::new("chr1", Span::new(10, 20).unwrap());
/// record.name = Some("site".into());
/// writer.write(&record)?;
/// assert_eq!(writer.finish()?, b"chr1\t10\t20\tsite\n");
/// # Ok::<(), genome_formats::Error>(())
/// ```
#[derive(Debug)]
pub struct BedWriter<W> {
    out: W,
    standard: Option<usize>,
    extra: Option<usize>,
}

impl<W: Write> BedWriter<W> {
    /// Writes to `out`, which should be buffered.
    pub fn new(out: W) -> Self {
        Self { out, standard: None, extra: None }
    }

    /// Writes 3 to 12 standard columns; 10 and 11 become 12.
    pub fn with_standard_columns(mut self, columns: usize) -> Self {
        self.standard = Some(whole(columns.clamp(3, STANDARD)));
        self
    }

    /// Writes a record.
    ///
    /// # Errors
    ///
    /// Writing fails, the record needs more columns than the file has, or could not be read back.
    pub fn write(&mut self, record: &BedRecord) -> Result<()> {
        let needed = needed(record);
        let standard = *self.standard.get_or_insert(needed);
        let extra = *self.extra.get_or_insert(record.extra.len());
        let wrong = |kind, problem: &'static str| Error::new(kind, PATH, problem).in_record(&record.seq_name);
        if needed > standard || extra != record.extra.len() {
            let columns = |standard: usize, extra: usize| format!("{standard} + {}", count(extra as u64, "column"));
            let error = wrong(ErrorKind::Syntax, "a record with other columns than the first");
            let error = error.expecting(columns(standard, extra));
            return Err(error.finding(columns(needed, record.extra.len())));
        }
        if let Some(problem) = unwritable(record) {
            return Err(wrong(ErrorKind::Syntax, problem));
        }
        self.put(record, standard).map_err(|error| Error::from_io(PATH, error))
    }

    /// Flushes, and gives the writer below.
    ///
    /// # Errors
    ///
    /// Writing fails.
    pub fn finish(mut self) -> Result<W> {
        self.out.flush().map_err(|error| Error::from_io(PATH, error))?;
        Ok(self.out)
    }

    fn put(&mut self, record: &BedRecord, standard: usize) -> io::Result<()> {
        let out = &mut self.out;
        let span = record.span;
        write!(out, "{}\t{}\t{}", record.seq_name, span.start(), span.end())?;
        if standard > 3 {
            write!(out, "\t{}", record.name.as_deref().unwrap_or("."))?;
        }
        if standard > 4 {
            write!(out, "\t{}", record.score.unwrap_or(0.0))?;
        }
        if standard > 5 {
            write!(out, "\t{}", record.strand.map_or('.', |strand| strand.symbol()))?;
        }
        let (from, to) = record.thick.map_or((span.start(), span.start()), |thick| (thick.start(), thick.end()));
        if standard > 6 {
            write!(out, "\t{from}")?;
        }
        if standard > 7 {
            write!(out, "\t{to}")?;
        }
        if standard > 8 {
            match record.color {
                Some([red, green, blue]) => write!(out, "\t{red},{green},{blue}")?,
                None => write!(out, "\t0")?,
            }
        }
        if standard > 9 {
            let whole = [span];
            let blocks = if record.blocks.is_empty() { &whole[..] } else { &record.blocks };
            write!(out, "\t{}\t", blocks.len())?;
            blocks.iter().try_for_each(|block| write!(out, "{},", block.len()))?;
            write!(out, "\t")?;
            blocks.iter().try_for_each(|block| write!(out, "{},", block.start() - span.start()))?;
        }
        record.extra.iter().try_for_each(|extra| write!(out, "\t{extra}"))?;
        writeln!(out)
    }
}

/// BED10 and BED11 do not exist.
fn whole(columns: usize) -> usize {
    if columns > 9 { STANDARD } else { columns }
}

/// How many standard columns hold all that the record has.
fn needed(record: &BedRecord) -> usize {
    let has = [
        (12, !record.blocks.is_empty()),
        (9, record.color.is_some()),
        (8, record.thick.is_some()),
        (6, record.strand.is_some()),
        (5, record.score.is_some()),
        (4, record.name.is_some()),
    ];
    has.iter().find(|(_, has)| *has).map_or(3, |(columns, _)| *columns)
}

fn unwritable(record: &BedRecord) -> Option<&'static str> {
    let name = &record.seq_name;
    if name.is_empty() || name.len() > 255 || !name.bytes().all(|b| b.is_ascii_graphic()) || name.starts_with('#') {
        return Some("the name of the sequence is not 1 to 255 visible ASCII letters, or opens a comment");
    }
    if let Some(name) = &record.name
        && (name.is_empty() || name == "." || name.len() > 255 || !name.bytes().all(|b| matches!(b, b' '..=b'~')))
    {
        return Some("the name of the feature is not 1 to 255 visible ASCII letters, or a lone dot");
    }
    if record
        .score
        .is_some_and(|score| score.fract() != 0.0 || !(0.0..=1000.0).contains(&score) || score.is_sign_negative())
    {
        return Some("the score is not a whole number from 0 to 1000");
    }
    let span = record.span;
    if let Some(thick) = record.thick {
        if thick.start() < span.start() || span.end() < thick.end() {
            return Some("the thick part is not inside the feature");
        }
        if thick.is_empty() && thick.start() == span.start() {
            return Some("a thick part of no base at the start stands for none");
        }
    }
    if let (Some(first), Some(last)) = (record.blocks.first(), record.blocks.last()) {
        let ordered = record.blocks.windows(2).all(|pair: &[Span]| pair[0].end() <= pair[1].start());
        if !ordered || first.start() != span.start() || last.end() != span.end() {
            return Some("the blocks are not in order from the start of the feature to its end");
        }
    }
    let bad = |text: &String| text.is_empty() || text.contains(['\t', '\n', '\r']);
    record.extra.iter().any(bad).then_some("an extra column is empty, or has a tab or a line end")
}

#[cfg(test)]
mod tests {
    use super::super::reader::BedReader;
    use super::*;
    use crate::coord::Strand;
    use crate::guard::Mode;
    use proptest::prelude::*;

    fn read(text: &[u8], mode: Mode) -> Result<Vec<BedRecord>> {
        BedReader::new("x.bed", text).with_mode(mode).collect()
    }

    fn record(start: u64, end: u64) -> BedRecord {
        BedRecord::new("c", Span::new(start, end).unwrap())
    }

    #[test]
    fn columns() {
        let full = BedRecord {
            name: Some("t 1".into()),
            score: Some(1000.0),
            strand: Some(Strand::Reverse),
            thick: Span::new(3, 9),
            color: Some([0, 10, 255]),
            blocks: vec![Span::new(2, 4).unwrap(), Span::new(8, 10).unwrap()],
            ..record(2, 10)
        };
        let check = |text: &str, expected: &BedRecord| {
            assert_eq!(read(text.as_bytes(), Mode::Strict).unwrap(), std::slice::from_ref(expected), "{text:?}");
            assert_eq!(
                read(text.replace('\n', "\r\n").as_bytes(), Mode::Strict).unwrap(),
                std::slice::from_ref(expected),
                "{text:?} with CRLF"
            );
        };
        check("c\t2\t10\tt 1\t1000\t-\t3\t9\t0,10,255\t2\t2,2\t0,6\n", &full);
        check("browser x\ntrack name=a\n# c\n\nc\t2\t10\tt 1\t1000\t-\t3\t9\t0,10,255\t2\t2,2,\t0,6,", &full);
        check("c 2   10", &record(2, 10));
        check("c 2 2 \n", &record(2, 2));
        check("track\t2\t10\n", &BedRecord { seq_name: "track".into(), ..record(2, 10) });
        check("c 2 10 . 0 . 2 2 0\n", &BedRecord { score: Some(0.0), ..record(2, 10) });
        let extra = BedRecord { score: Some(0.0), extra: vec!["x".into(), "y z".into()], ..record(2, 10) };
        check("c\t2\t10\t.\t0\t.\t2\t2\t0\tx\ty z\n", &extra); // there is no BED11
    }

    #[test]
    fn columns_of_ones_own() {
        let read = |columns| {
            let reader = BedReader::new("x.bed", &b"c\t1\t2\tn\twhy?\t11\n"[..]);
            reader.with_standard_columns(columns).collect::<Result<Vec<_>>>()
        };
        assert_eq!(read(4).unwrap()[0].extra, ["why?", "11"]);
        assert_eq!(read(3).unwrap()[0].extra, ["n", "why?", "11"]);
        assert!(read(5).is_err());
    }

    #[test]
    fn errors_name_the_broken_rule() {
        let check = |text: &str, expected: &str| {
            let error = read(text.as_bytes(), Mode::Strict).unwrap_err();
            assert_eq!(error.to_string(), format!("x.bed:{expected}"), "{text:?}");
        };
        check(
            "c\t1\n",
            "1: byte 0: a line with too few columns: expected 3 to 12 columns between tabs or blanks, found 2 columns",
        );
        check(
            "c\tx\t2\n",
            "1: byte 0: column 2: a position that is not a whole number: expected a whole number from 0, found \"x\"",
        );
        check(
            "c\t-1\t2\n",
            "1: byte 0: column 2: a position that is not a whole number: expected a whole number from 0, found \"-1\"",
        );
        check("c\t3\t2\n", "1: byte 0: column 3: the end is in front of the start: expected a number from 3, found 2");
        check(
            "c\t1\t2\t\n",
            "1: byte 0: column 4: the name of a feature: expected 1 to 255 visible ASCII letters or blanks, found \"\"",
        );
        check(
            "c\t1\t2\tn\thigh\n",
            "1: byte 0: column 5: a score that is not a number: expected a number, found \"high\"",
        );
        check("c\t1\t2\tn\t1\tx\n", "1: byte 0: column 6: an unknown strand: expected + - or ., found \"x\"");
        check(
            "c 5 9 n 1 + 4 9\n",
            "1: byte 0: column 7: the thick part is not inside the feature: expected two positions from 5 to 9, found \"4\" and \"9\"",
        );
        check(
            "c 5 9 n 1 + 5 9 1,2\n",
            "1: byte 0: column 9: a colour: expected red,green,blue from 0 to 255, or 0, found \"1,2\"",
        );
        check(
            "c 5 9 n 1 + 5 9 0 0 4 0\n",
            "1: byte 0: column 10: the number of blocks is not a whole number from 1: found \"0\"",
        );
        check(
            "c 5 9 n 1 + 5 9 0 2 4 0\n",
            "1: byte 0: column 11: the sizes are not as many as the blocks: found \"4\"",
        );
        check(
            "c 5 9 n 1 + 5 9 0 2 1,1 0\n",
            "1: byte 0: column 12: the starts are not as many as the blocks: found \"0\"",
        );
        check(
            "c 5 9 n 1 + 5 9 0 2 1,1 1,3\n",
            "1: byte 0: column 12: the first block does not start with the feature: found \"1,3\"",
        );
        check(
            "c 5 9 n 1 + 5 9 0 2 2,3 0,1\n",
            "1: byte 0: column 12: blocks overlap or are out of order: found \"0,1\"",
        );
        check(
            "c 5 9 n 1 + 5 9 0 2 1,1 0,2\n",
            "1: byte 0: column 11: the last block does not end with the feature: found \"1,1\"",
        );
        check("c 1 2\nc 1 2 n\n", "2: byte 6: the number of columns changes: expected 3 as above, found 4");
        check(
            "c\0 1 2\n",
            "1: byte 0: column 1: the name of a sequence: expected 1 to 255 visible ASCII letters, found \"c\\0\"",
        );
        check("track x\n", "1: byte 0: a setting without =: expected key=value, found \"track x\"");
    }

    #[test]
    fn lenient_counts() {
        let text = b"c 5 9 n high x 1 9 x 2 1 0\nc 1 2\n";
        let mut reader = BedReader::new("x.bed", &text[..]).with_mode(Mode::Lenient);
        let records = reader.by_ref().collect::<Result<Vec<_>>>().unwrap();
        assert_eq!(records[0], BedRecord { name: Some("n".into()), ..record(5, 9) });
        let rules: Vec<_> = reader.forgiven().iter().map(|(rule, n, _)| (rule, n)).collect();
        assert_eq!(
            rules,
            [("blocks", 1), ("color", 1), ("column-count", 1), ("score", 1), ("strand", 1), ("thick", 1)]
        );
    }

    #[test]
    fn scores_of_peaks_and_starred_strands_are_read() {
        let records: Vec<_> =
            BedReader::new("x.bed", &b"c 5 9 n -1.5 *\nc 5 9 n 2000 +\n"[..]).map(Result::unwrap).collect();
        assert_eq!((records[0].score, records[0].strand), (Some(-1.5), None));
        assert_eq!((records[1].score, records[1].strand), (Some(2000.0), Some(Strand::Forward)));
    }

    #[test]
    fn what_cannot_be_read_back_is_refused() {
        let check = |records: &[BedRecord], expected: &str| {
            let mut writer = BedWriter::new(Vec::new());
            let error = records.iter().find_map(|record| writer.write(record).err()).unwrap();
            assert_eq!(error.to_string(), format!("<output>: {expected}"));
        };
        let bad = |change: fn(&mut BedRecord)| {
            let mut bad = record(2, 10);
            change(&mut bad);
            [bad]
        };
        check(
            &bad(|r| r.seq_name = "a b".into()),
            "the name of the sequence is not 1 to 255 visible ASCII letters, or opens a comment in record \"a b\"",
        );
        check(&bad(|r| r.score = Some(0.5)), "the score is not a whole number from 0 to 1000 in record \"c\"");
        check(&bad(|r| r.thick = Span::new(0, 3)), "the thick part is not inside the feature in record \"c\"");
        check(
            &bad(|r| r.blocks = vec![Span::new(2, 3).unwrap()]),
            "the blocks are not in order from the start of the feature to its end in record \"c\"",
        );
        check(
            &bad(|r| r.extra = vec!["a\tb".into()]),
            "an extra column is empty, or has a tab or a line end in record \"c\"",
        );
        check(
            &[record(1, 2), BedRecord { score: Some(1.0), ..record(1, 2) }],
            "a record with other columns than the first in record \"c\": expected 3 + 0 columns, found 5 + 0 columns",
        );
    }

    type Place = (String, u64, Vec<(u64, u64)>);
    type Details = (String, u16, Option<bool>, (u8, u8), Option<[u8; 3]>);

    /// A record that has all columns up to a number.
    fn records() -> impl Strategy<Value = (usize, Vec<BedRecord>)> {
        let columns = prop_oneof![Just(3usize), Just(4), Just(5), Just(6), Just(8), Just(9), Just(12)];
        let record = (
            ("[!-\"$-~][!-~]{0,5}", 0u64..1 << 40, proptest::collection::vec((0u64..9, 1u64..9), 1..4)),
            (
                "[a-z][ -~]{0,5}",
                0u16..1001,
                proptest::option::of(any::<bool>()),
                any::<(u8, u8)>(),
                any::<Option<[u8; 3]>>(),
            ),
            "[!-~]{1,4}",
        );
        (columns, 0usize..3, proptest::collection::vec(record, 1..10)).prop_map(|(columns, extra, records)| {
            let make = |(place, details, text): (Place, Details, String)| {
                let ((seq, start, lengths), (name, score, strand, thick, color)) = (place, details);
                let mut blocks: Vec<Span> = Vec::new();
                for (gap, length) in lengths {
                    let from = blocks.last().map_or(start, |last| last.end() + gap);
                    blocks.push(Span::new(from, from + length).unwrap());
                }
                let span = Span::new(start, blocks.last().unwrap().end()).unwrap();
                let from = start + u64::from(thick.0) % span.len();
                let to = from + 1 + u64::from(thick.1) % (span.end() - from);
                BedRecord {
                    seq_name: if matches!(&*seq, "track" | "browser") { "c".into() } else { seq },
                    span,
                    name: (columns > 3).then_some(name),
                    score: (columns > 4).then_some(f64::from(score)),
                    strand: strand
                        .filter(|_| columns > 5)
                        .map(|plus| if plus { Strand::Forward } else { Strand::Reverse }),
                    thick: Span::new(from, to).filter(|_| columns > 7),
                    color: color.filter(|_| columns > 8),
                    blocks: if columns > 9 { blocks } else { Vec::new() },
                    extra: vec![text; extra],
                }
            };
            (columns, records.into_iter().map(make).collect())
        })
    }

    fn write(columns: usize, records: &[BedRecord]) -> Vec<u8> {
        let mut writer = BedWriter::new(Vec::new()).with_standard_columns(columns);
        records.iter().try_for_each(|record| writer.write(record)).unwrap();
        writer.finish().unwrap()
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back((columns, records) in records()) {
            let text = write(columns, &records);
            let read = BedReader::new("x", &text[..]).with_standard_columns(columns).collect::<Result<Vec<_>>>().unwrap();
            prop_assert_eq!(read, records);
        }

        #[test]
        fn strict_is_lenient_and_nothing_panics(
            (columns, records) in records(),
            changes in proptest::collection::vec((any::<usize>(), any::<u8>()), 0..4),
        ) {
            let mut text = write(columns, &records);
            for (at, byte) in changes {
                let at = at % text.len();
                text[at] = byte;
            }
            let strict = read(&text, Mode::Strict);
            let lenient = read(&text, Mode::Lenient);
            if let Ok(strict) = strict {
                prop_assert_eq!(strict, lenient.unwrap());
            }
            let mut reader = BedReader::new("x", &text[..]).with_mode(Mode::Lenient);
            while let Ok(Some(view)) = reader.next_view() {
                prop_assert!(view.columns() >= 3);
                prop_assert!(view.blocks().all(|block| block.end() <= view.span().end()));
            }
        }

        #[test]
        fn any_bytes_give_an_outcome(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&text, Mode::Lenient);
        }
    }
}
