//! Labelled sequences: one CSV file with the header `sequence,label`.
//!
//! Blank lines are skipped, blanks around a label are dropped; the letters of a sequence keep their case. gzip is
//! recognised by content.

use std::path::Path;

use crate::error::{ErrorKind, Result, count, quote};
use crate::fasta::Letters;
use crate::input::{Input, Limits};
use crate::table::Table;

/// The header that a labelled file must have.
const HEADER: [&[u8]; 2] = [b"sequence", b"label"];

/// One row: a sequence and what it is said to be.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Labelled {
    /// The letters as the file has them: IUPAC codes in either case, at least one.
    pub sequence: Vec<u8>,
    /// The label as text, never empty.
    pub label: String,
    /// Line of the file on which the row starts, from 1.
    pub line: u64,
}

/// All rows of a labelled file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelledFile {
    /// The file's name, as errors give it.
    pub name: String,
    /// The rows in the order of the file, at least one.
    pub rows: Vec<Labelled>,
}

/// Reads a labelled file, plain or gzip; `-` is standard input.
///
/// # Errors
///
/// The file cannot be read, is empty, has another header than `sequence,label`, no rows, a row with another number of
/// fields, an empty sequence or label, or a letter that is no IUPAC nucleotide. Errors about a row give its line.
pub fn read_labelled(path: impl AsRef<Path>) -> Result<LabelledFile> {
    read_labelled_input(Input::open(path)?, Limits::default())
}

/// Reads labelled rows from any input, for example one that is embedded in a program.
///
/// ```
/// use genome_formats::{Input, Limits, read_labelled_input};
///
/// let input = Input::from_bytes("train.csv", b"sequence,label\nTATAAT,1\nccgcc,0\n")?;
/// let file = read_labelled_input(input, Limits::default())?;
/// assert_eq!(file.rows.len(), 2);
/// assert_eq!((&file.rows[1].sequence[..], &*file.rows[1].label, file.rows[1].line), (&b"ccgcc"[..], "0", 3));
/// # Ok::<(), genome_formats::Error>(())
/// ```
///
/// # Errors
///
/// As [`read_labelled`].
pub fn read_labelled_input(input: Input, limits: Limits) -> Result<LabelledFile> {
    let mut table = Table::read(input, limits)?;
    check_header(&mut table)?;
    let mut rows = Vec::new();
    while table.next_row()? {
        let fields = table.row().len();
        if fields != HEADER.len() {
            return Err(table
                .error(ErrorKind::Syntax, "a row with the wrong number of fields")
                .expecting(count(HEADER.len() as u64, "field"))
                .finding(fields.to_string()));
        }
        rows.push(Labelled {
            sequence: table.sequence(0, Letters::Iupac, "")?.to_vec(),
            label: table.text(1, "label")?.to_owned(),
            line: table.line(),
        });
    }
    if rows.is_empty() {
        return Err(table.error(ErrorKind::Empty, "the file has a header but no rows"));
    }
    Ok(LabelledFile { name: table.name().to_owned(), rows })
}

fn check_header(table: &mut Table) -> Result<()> {
    if !table.next_row()? {
        return Err(crate::Error::new(ErrorKind::Empty, table.name(), "the file is empty")
            .expecting("the header sequence,label"));
    }
    let columns: Vec<&[u8]> = table.row().iter().map(<[u8]>::trim_ascii).collect();
    if columns == HEADER {
        return Ok(());
    }
    let error = if columns.starts_with(&HEADER) {
        let extra: Vec<String> = columns[HEADER.len()..].iter().map(|c| quote(c)).collect();
        let s = if extra.len() == 1 { "" } else { "s" };
        table
            .error(ErrorKind::Header, format!("extra column{s} in the header"))
            .expecting("the header sequence,label and no more")
            .finding(extra.join(", "))
    } else {
        table.error(ErrorKind::Header, "wrong header").expecting("sequence,label").finding(quote(table.raw()))
    };
    Err(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &[u8]) -> Result<LabelledFile> {
        read_labelled_input(Input::from_bytes("t.csv", text.to_vec())?, Limits::default())
    }

    #[test]
    fn layouts_of_the_same_rows() {
        let check = |text: &[u8], lines: [u64; 2]| {
            let rows = read(text).unwrap().rows;
            let got: Vec<_> = rows.iter().map(|r| (&r.sequence[..], &*r.label, r.line)).collect();
            assert_eq!(got, [(&b"ACgtN"[..], "pos", lines[0]), (b"TTT", "neg", lines[1])]);
        };
        check(b"sequence,label\nACgtN,pos\nTTT,neg\n", [2, 3]);
        check(b"sequence,label\nACgtN,pos\nTTT,neg", [2, 3]);
        check(b"sequence,label\r\nACgtN,pos\r\nTTT,neg\r\n", [2, 3]);
        check(b"\xef\xbb\xbfsequence,label\nACgtN,pos\nTTT,neg\n", [2, 3]);
        check(b"\"sequence\", label\n\"ACgtN\",\"pos\"\n\n\nTTT, neg \n\n", [2, 5]);
    }

    #[test]
    fn errors_say_where() {
        let check = |text: &[u8], expected: &str| assert_eq!(read(text).unwrap_err().to_string(), expected);
        check(b"", "t.csv: the file is empty: expected the header sequence,label");
        check(b"\n\r\n", "t.csv: the file is empty: expected the header sequence,label");
        check(b"sequence,label\n\n", "t.csv:1: byte 0: the file has a header but no rows");
        check(b"seq,label\nA,1\n", "t.csv:1: byte 0: wrong header: expected sequence,label, found \"seq,label\"");
        check(b"ACGT,1\n", "t.csv:1: byte 0: wrong header: expected sequence,label, found \"ACGT,1\"");
        check(b"label,sequence\n", "t.csv:1: byte 0: wrong header: expected sequence,label, found \"label,sequence\"");
        check(
            b"sequence,label,id,x\nA,1,2,3\n",
            "t.csv:1: byte 0: extra columns in the header: expected the header sequence,label and no more, found \"id\", \"x\"",
        );
        check(
            b"sequence,label\nA,1\nA,1,2\n",
            "t.csv:3: byte 19: a row with the wrong number of fields: expected 2 fields, found 3",
        );
        check(b"sequence,label\n,1\n", "t.csv:2: byte 15: an empty sequence");
        check(b"sequence,label\nA, \n", "t.csv:2: byte 15: an empty label");
        check(
            b"sequence,label\r\nA,1\r\nACXT,1\r\n",
            "t.csv:3: byte 23: column 3: unknown letter: expected an IUPAC nucleotide, found 'X'",
        );
        check(
            b"sequence,label\n\"AC T\",1\n",
            "t.csv:2: byte 18: column 4: unknown letter: expected an IUPAC nucleotide, found ' '",
        );
        check(
            b"sequence,label\nA\x00,1\n",
            "t.csv:2: byte 16: column 2: unknown letter: expected an IUPAC nucleotide, found byte 0x00",
        );
        check(
            b"sequence,label\nA,\xff\n",
            "t.csv:2: byte 15: a broken label: expected UTF-8 text on one line, found \"\u{fffd}\"",
        );
    }

    proptest! {
        #[test]
        fn any_bytes_give_rows_or_an_error(text in proptest::collection::vec(any::<u8>(), 0..200), header: bool) {
            let start: &[u8] = if header { b"sequence,label\n" } else { b"" };
            let _ = read(&[start, &text].concat());
        }

        #[test]
        fn unknown_letters_are_where_the_error_says(text in "[ACGJ,\"\r\n1]{0,60}") {
            let text = format!("sequence,label\n{text}");
            if let Err(error) = read(text.as_bytes()) && error.kind() == ErrorKind::UnknownLetter {
                let byte = error.byte().unwrap() as usize;
                prop_assert!(byte < text.len());
                if !text.contains('"') {
                    prop_assert_eq!(error.found().unwrap(), crate::error::letter(text.as_bytes()[byte]));
                }
            }
        }
    }
}
