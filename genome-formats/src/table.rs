//! CSV rows with exact positions, below [`labelled`](crate::labelled) and [`sequences`](crate::sequences).
//!
//! The csv crate splits the fields. It reports a row's position with a lag behind `\r\n` and blank lines, so the table
//! is kept in memory and the position is looked up there.

use std::io::Cursor;

use csv::ByteRecord;

use crate::error::{Error, ErrorKind, Result, letter, quote};
use crate::fasta::Letters;
use crate::input::{Input, Limits};

/// Reads rows; the header is a row like any other.
#[derive(Debug)]
pub(crate) struct Table {
    name: String,
    /// Byte in the file of the first byte in memory.
    base: u64,
    csv: csv::Reader<Cursor<Vec<u8>>>,
    row: ByteRecord,
    /// Where the current row starts in memory.
    start: usize,
    /// Line of `start`, from 1.
    line: u64,
}

impl Table {
    pub(crate) fn read(input: Input, limits: Limits) -> Result<Self> {
        let name = input.name().to_owned();
        let base = input.start_byte();
        let bytes = input.read_all(limits)?;
        let csv = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(Cursor::new(bytes));
        Ok(Self { name, base, csv, row: ByteRecord::new(), start: 0, line: 1 })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Goes to the next row; `false` at the end.
    pub(crate) fn next_row(&mut self) -> Result<bool> {
        let more = self
            .csv
            .read_byte_record(&mut self.row)
            .map_err(|e| self.error(ErrorKind::Syntax, e.to_string().replace(char::is_control, " ")))?;
        if !more {
            return Ok(false);
        }
        let bytes = self.csv.get_ref().get_ref();
        let reported = self.row.position().map_or(0, |p| p.byte());
        let mut start = usize::try_from(reported).unwrap_or(usize::MAX).min(bytes.len());
        while matches!(bytes.get(start), Some(b'\r' | b'\n')) {
            start += 1;
        }
        self.line += line_ends(&bytes[self.start..start]);
        self.start = start;
        Ok(true)
    }

    /// Line on which the current row starts, from 1.
    pub(crate) fn line(&self) -> u64 {
        self.line
    }

    /// The fields of the current row.
    pub(crate) fn row(&self) -> &ByteRecord {
        &self.row
    }

    /// The current row as the file has it, up to the end of its first line.
    pub(crate) fn raw(&self) -> &[u8] {
        let rest = &self.csv.get_ref().get_ref()[self.start..];
        rest.split(|b| matches!(b, b'\r' | b'\n')).next().unwrap_or_default()
    }

    /// An error at the start of the current row.
    pub(crate) fn error(&self, kind: ErrorKind, problem: impl Into<std::borrow::Cow<'static, str>>) -> Error {
        Error::new(kind, &self.name, problem)
            .at_line(self.line)
            .at_byte(self.base + self.start as u64)
            .with_snippet(self.raw())
    }

    /// The sequence in column `index` of the current row, checked; `record` stands in errors.
    pub(crate) fn sequence(&self, index: usize, letters: Letters, record: &str) -> Result<&[u8]> {
        let seq = self.row.get(index).unwrap_or_default();
        if seq.is_empty() {
            return Err(self.error(ErrorKind::Empty, "an empty sequence").in_record(record));
        }
        let Some(at) = letters.first_unknown(seq) else {
            return Ok(seq);
        };
        let column = field_start(&self.csv.get_ref().get_ref()[self.start..], index) + at;
        Err(self
            .error(ErrorKind::UnknownLetter, "unknown letter")
            .at_byte(self.base + (self.start + column) as u64)
            .at_column(column as u64 + 1)
            .in_record(record)
            .expecting(letters.expected())
            .finding(letter(seq[at])))
    }

    /// The text in column `index` of the current row, without blanks around it.
    pub(crate) fn text(&self, index: usize, column: &str) -> Result<&str> {
        let field = self.row.get(index).unwrap_or_default().trim_ascii();
        if field.is_empty() {
            return Err(self.error(ErrorKind::Empty, format!("an empty {column}")));
        }
        match std::str::from_utf8(field) {
            Ok(text) if !text.contains(char::is_control) => Ok(text),
            _ => Err(self
                .error(ErrorKind::Syntax, format!("a broken {column}"))
                .expecting("UTF-8 text on one line")
                .finding(quote(field))),
        }
    }
}

/// How many lines end in `text`: at `\n`, or at an `\r` without one.
fn line_ends(text: &[u8]) -> u64 {
    let lone = |(i, &b): (usize, &u8)| b == b'\n' || (b == b'\r' && text.get(i + 1) != Some(&b'\n'));
    text.iter().enumerate().filter(|&x| lone(x)).count() as u64
}

/// Offset of the first byte of field `index` in a raw row, behind its opening quote.
fn field_start(row: &[u8], index: usize) -> usize {
    let mut quoted = false;
    let mut commas = 0;
    let mut start = 0;
    for (i, &byte) in row.iter().enumerate() {
        if commas == index {
            break;
        }
        match byte {
            b'"' => quoted = !quoted,
            b',' if !quoted => {
                commas += 1;
                start = i + 1;
            }
            _ => {}
        }
    }
    start + usize::from(row.get(start) == Some(&b'"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starts(text: &'static [u8]) -> Vec<(u64, usize)> {
        let mut table = Table::read(Input::from_bytes("x.csv", text).unwrap(), Limits::default()).unwrap();
        let mut out = Vec::new();
        while table.next_row().unwrap() {
            out.push((table.line(), table.start));
        }
        out
    }

    #[test]
    fn rows_know_their_line_and_byte() {
        assert_eq!(starts(b""), []);
        assert_eq!(starts(b"a,b\nc,d"), [(1, 0), (2, 4)]);
        assert_eq!(starts(b"a,b\r\nc,d\r\ne,f\r\n"), [(1, 0), (2, 5), (3, 10)]);
        assert_eq!(starts(b"\n\na,b\n\r\n\nc,d\n"), [(3, 2), (6, 9)]);
        assert_eq!(starts(b"a,\"b\nc\"\nd,e\n"), [(1, 0), (3, 8)]);
        assert_eq!(starts(b"a,b\rc,d\r"), [(1, 0), (2, 4)]);
    }

    #[test]
    fn fields_know_their_column() {
        assert_eq!(field_start(b"ab,cd", 0), 0);
        assert_eq!(field_start(b"ab,cd", 1), 3);
        assert_eq!(field_start(b"\"ab\",cd", 0), 1);
        assert_eq!(field_start(b"\"a,b\",\"cd\"", 1), 7);
        assert_eq!(field_start(b"ab", 4), 0);
    }
}
