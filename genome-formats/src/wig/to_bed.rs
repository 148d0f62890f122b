//! WIG to BED as the program `wig2bed` of BEDOPS does it.

use std::io::{Read, Write};

use super::reader::{Item, WigReader};
use crate::error::{Error, ErrorKind, Result};

/// What `wig2bed` offers as options.
///
/// `wig2bed` takes four-column lines as 1-based with their end included, against the text of UCSC, and so does this
/// conversion unless `zero_indexed` is set. [`WigReader`] itself reads them as 0-based.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WigToBed {
    /// Turns `track`, `browser`, declaration and comment lines into lines of a sequence `_header` (`--keep-header`).
    pub keep_header: bool,
    /// Takes the start of every line as 0-based (`--zero-indexed`).
    pub zero_indexed: bool,
    /// Puts this name and the number of the track, from 1, in front of the number of the value (`--multisplit`); without
    /// it the identifiers are `id-1`, `id-2`, ...
    pub multisplit: Option<String>,
    /// Sorts by name, start, end and the rest of the line, as bytes; this keeps all lines in memory. Without it the order
    /// of the file stays (`--do-not-sort`).
    pub sort: bool,
}

impl Default for WigToBed {
    fn default() -> Self {
        Self { keep_header: false, zero_indexed: false, multisplit: None, sort: true }
    }
}

/// A line of BED in wait for sorting.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    name: Vec<u8>,
    start: u64,
    end: u64,
    rest: Vec<u8>,
}

/// Writes BED5, the value with six decimals in the place of the score, as `wig2bed` does; gives the number of lines.
///
/// ```
/// use genome_formats::{WigReader, WigToBed, wig_to_bed};
///
/// let mut wig = WigReader::new("x.wig", &b"fixedStep chrom=chr3 start=401 step=100 span=5\n11\n"[..]);
/// let mut bed = Vec::new();
/// wig_to_bed(&mut wig, &mut bed, &WigToBed::default())?;
/// assert_eq!(bed, b"chr3\t400\t405\tid-1\t11.000000\n");
/// # Ok::<(), genome_formats::Error>(())
/// ```
///
/// # Errors
///
/// Reading or writing fails, a four-column line starts at 0 (where starts count from 1), or the lines to be sorted take
/// more than [`Limits::max_table`](crate::Limits::max_table).
pub fn wig_to_bed<R: Read>(reader: &mut WigReader<R>, mut out: impl Write, options: &WigToBed) -> Result<u64> {
    let io = |error| Error::from_io("<output>", error);
    let (mut rows, mut kept, mut lines, mut values, mut headers, mut tracks) = (Vec::new(), 0u64, 0, 0u64, 0u64, 0u64);
    while let Some(item) = reader.next_item()? {
        let group = |tracks: u64| options.multisplit.as_ref().map(|name| format!("{name}.{}", tracks.max(1)));
        let row = match item {
            Item::Header { track } => {
                tracks += u64::from(track);
                if !options.keep_header {
                    continue;
                }
                headers += 1;
                let mut rest = group(tracks).map(|group| group + "\t").unwrap_or_default().into_bytes();
                rest.extend_from_slice(reader.line());
                Row { name: b"_header".to_vec(), start: headers - 1, end: headers, rest }
            }
            Item::Value { span, value, declared } => {
                values += 1;
                let (start, end) = match (declared, options.zero_indexed) {
                    (true, false) | (false, true) => (Some(span.start()), Some(span.end())),
                    (true, true) => (span.start().checked_add(1), span.end().checked_add(1)),
                    (false, false) => (span.start().checked_sub(1), Some(span.end())),
                };
                let (Some(start), Some(end)) = (start, end) else {
                    let error = reader.error(ErrorKind::Coordinate, "a position that BED cannot hold");
                    return Err(error.expecting("a start from 1, or the option zero_indexed"));
                };
                let group = group(tracks).unwrap_or_else(|| "id".to_owned());
                let rest = format!("{group}-{values}\t{value:.6}").into_bytes();
                Row { name: reader.seq_name().to_vec(), start, end, rest }
            }
        };
        lines += 1;
        if !options.sort {
            write_row(&mut out, &row).map_err(io)?;
            continue;
        }
        kept += (size_of::<Row>() + row.name.len() + row.rest.len()) as u64;
        if kept > reader.limits().max_table {
            let problem = format!("sorting needs more than {} bytes", reader.limits().max_table);
            return Err(reader.error(ErrorKind::Limit, problem));
        }
        rows.push(row);
    }
    rows.sort();
    rows.iter().try_for_each(|row| write_row(&mut out, row)).map_err(io)?;
    out.flush().map_err(io)?;
    Ok(lines)
}

fn write_row(out: &mut impl Write, row: &Row) -> std::io::Result<()> {
    out.write_all(&row.name)?;
    write!(out, "\t{}\t{}\t", row.start, row.end)?;
    out.write_all(&row.rest)?;
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn convert(text: &str, options: WigToBed) -> String {
        let mut out = Vec::new();
        wig_to_bed(&mut WigReader::new("x.wig", text.as_bytes()), &mut out, &options).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn options() {
        let text = "variableStep chrom=b\n5 1\ntrack type=wiggle_0\na 3 4 -0.5\n";
        assert_eq!(convert(text, WigToBed::default()), "a\t2\t4\tid-2\t-0.500000\nb\t4\t5\tid-1\t1.000000\n");
        let zero = WigToBed { zero_indexed: true, sort: false, ..WigToBed::default() };
        assert_eq!(convert(text, zero), "b\t5\t6\tid-1\t1.000000\na\t3\t4\tid-2\t-0.500000\n");
        let all = WigToBed { keep_header: true, multisplit: Some("m".into()), ..WigToBed::default() };
        let expected = "_header\t0\t1\tm.1\tvariableStep chrom=b\n_header\t1\t2\tm.1\ttrack type=wiggle_0\n\
                        a\t2\t4\tm.1-2\t-0.500000\nb\t4\t5\tm.1-1\t1.000000\n";
        assert_eq!(convert(text, all), expected);
    }

    #[test]
    fn a_reader_that_gave_values_converts_the_others() {
        let text = b"variableStep chrom=b\n5 1\n6 2\n7 3\ntrack type=bedGraph\na 3 4 4\n";
        let mut reader = WigReader::new("x.wig", &text[..]);
        assert_eq!(reader.next_view().unwrap().unwrap().value, 1.0);
        assert_eq!(reader.next_view().unwrap().unwrap().value, 2.0);
        let mut out = Vec::new();
        assert_eq!(wig_to_bed(&mut reader, &mut out, &WigToBed::default()).unwrap(), 2);
        assert_eq!(out, b"a\t2\t4\tid-2\t4.000000\nb\t6\t7\tid-1\t3.000000\n");
    }

    #[test]
    fn a_start_of_zero_is_refused_where_starts_count_from_one() {
        let mut reader = WigReader::new("x.wig", &b"a 0 4 1\n"[..]);
        let error = wig_to_bed(&mut reader, Vec::new(), &WigToBed::default()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "x.wig:1: byte 0: a position that BED cannot hold: expected a start from 1, or the option zero_indexed"
        );
    }
}
