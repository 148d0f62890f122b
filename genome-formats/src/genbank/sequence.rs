//! The lines of letters: blocks of ten with the base number in front (GenBank) or behind (EMBL).

use std::io::Read;
use std::ops::Range;

use crate::error::{ErrorKind, Result, count, letter};
use crate::fasta::Letters;
use crate::guard::Guard;
use crate::lines::LineReader;

use super::text::Place;

/// Letters on a full line.
const LETTERS: usize = 60;

/// The columns of a full line: six blocks of ten letters, each ten followed by a blank, and a number.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    /// Where the first letter stands.
    letters: usize,
    /// Where the number stands, on the right of this range.
    number: Range<usize>,
    /// Bytes of the line with its line feed.
    length: usize,
    /// Whether the number counts the last letter of the line, and not the first.
    behind: bool,
}

/// `        1 acgtacgtac acgtacgtac ...` (GenBank release notes, section 3.4.14).
pub(crate) const GENBANK: Layout = Layout { letters: 10, number: 0..9, length: 76, behind: false };
/// `     acgtacgtac acgtacgtac ...        60` (EMBL user manual, section 3.4.17).
pub(crate) const EMBL: Layout = Layout { letters: 5, number: 70..80, length: 81, behind: true };

/// How the lines of letters ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With `//`, the current line.
    Mark,
    /// With the input.
    Input,
}

/// Reads letters up to `//` or the end of the input. `taken` is what the record has of its limit already.
pub(crate) fn read<R: Read>(
    lines: &mut LineReader<R>,
    guard: &mut Guard,
    record: &str,
    layout: &Layout,
    letters: Letters,
    taken: u64,
    seq: &mut Vec<u8>,
) -> Result<End> {
    loop {
        if guard.limits.max_line >= layout.length as u64 {
            let (bytes, n) = full_lines(lines.ahead()?, layout, letters, seq);
            if n > 0 {
                lines.skip(bytes, n);
            }
        }
        if !lines.next_line()? {
            return Ok(End::Input);
        }
        let line = lines.line();
        if line.starts_with(b"//") {
            return Ok(End::Mark);
        }
        let mut place = Place { lines, guard, record };
        any_line(line, &mut place, layout, letters, seq)?;
        if taken + seq.len() as u64 > guard.limits.max_record {
            let problem = format!("the record is larger than {} bytes", guard.limits.max_record);
            return Err(lines.error(ErrorKind::Limit, problem).in_record(record));
        }
    }
}

/// Holds the number of letters against the one that the line `header` gave. A record without any letters passes: its
/// pieces are in other records.
pub(crate) fn check_length<R: Read>(
    lines: &LineReader<R>,
    guard: &mut Guard,
    record: &str,
    header: &str,
    declared: Option<u64>,
    length: u64,
) -> Result<()> {
    match declared {
        Some(declared) if declared != length && length > 0 => {
            let error = lines
                .error(ErrorKind::Syntax, format!("the sequence is not as long as {header} says"))
                .in_record(record)
                .expecting(count(declared, "letter"))
                .finding(length.to_string());
            guard.forgive("length of the sequence", error)
        }
        _ => Ok(()),
    }
}

/// Takes full lines in the exact layout, with right numbers and known letters; how many bytes and lines. The line that it
/// stops at is read by [`any_line`], which gives the errors.
fn full_lines(text: &[u8], layout: &Layout, letters: Letters, seq: &mut Vec<u8>) -> (usize, u64) {
    let width = layout.number.len();
    let mut number = Counter::new(seq.len() as u64 + if layout.behind { LETTERS as u64 } else { 1 });
    let mut n = 0;
    for line in text.chunks_exact(layout.length) {
        if line[layout.length - 1] != b'\n' || line[layout.number.clone()] != number.digits[Counter::WIDTH - width..] {
            break;
        }
        let mut block = [0; LETTERS];
        let blocks = line[layout.letters..].chunks(11);
        let blanks = line[..layout.letters].iter().rev().take(if layout.behind { 5 } else { 1 }).all(|&b| b == b' ');
        let mut sound = blanks;
        for (to, from) in block.chunks_exact_mut(10).zip(blocks) {
            to.copy_from_slice(&from[..10]);
            sound &= matches!(from.get(10), Some(b' ' | b'\n'));
        }
        if !sound || !are_known(&block, letters) {
            break;
        }
        seq.extend_from_slice(&block);
        number.add_sixty();
        n += 1;
    }
    (n * layout.length, n as u64)
}

fn are_known(block: &[u8; LETTERS], letters: Letters) -> bool {
    letters.first_unknown(block).is_none()
}

/// A number in text, right-aligned, that is quick to compare and to count on.
struct Counter {
    digits: [u8; Self::WIDTH],
}

impl Counter {
    const WIDTH: usize = 20;

    fn new(mut value: u64) -> Self {
        let mut digits = [b' '; Self::WIDTH];
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (value % 10) as u8;
            value /= 10;
            if value == 0 {
                break;
            }
        }
        Self { digits }
    }

    fn add_sixty(&mut self) {
        let mut carry = 6;
        for digit in self.digits[..Self::WIDTH - 1].iter_mut().rev() {
            let value = digit.saturating_sub(b'0') + carry; // a blank counts as 0
            carry = value / 10;
            *digit = b'0' + value % 10;
            if carry == 0 {
                break;
            }
        }
    }
}

/// Reads a line in any layout: words of letters, and a number where the format has it, or none.
fn any_line<R: Read>(
    line: &[u8],
    place: &mut Place<'_, R>,
    layout: &Layout,
    letters: Letters,
    seq: &mut Vec<u8>,
) -> Result<()> {
    let before = seq.len() as u64;
    let blank = |b: &u8| matches!(b, b' ' | b'\t');
    let is_digit = u8::is_ascii_digit;
    let start = line.iter().position(|b| !blank(b)).unwrap_or(line.len());
    let end = line.iter().rposition(|b| !blank(b)).map_or(start, |at| at + 1);
    let (text, number) = if layout.behind {
        let digits = line[start..end].iter().rev().take_while(|b| is_digit(b)).count();
        (start..end - digits, end - digits..end)
    } else {
        let digits = line[start..end].iter().take_while(|b| is_digit(b)).count();
        (start + digits..end, start..start + digits)
    };
    let mut at = text.start;
    for word in line[text].split(blank) {
        if let Some(unknown) = letters.first_unknown(word) {
            return Err(place
                .lines
                .error(ErrorKind::UnknownLetter, "unknown letter")
                .at_byte(place.lines.start() + (at + unknown) as u64)
                .in_record(place.record)
                .expecting(letters.expected())
                .finding(letter(word[unknown])));
        }
        seq.extend_from_slice(word);
        at += word.len() + 1;
    }
    let number = &line[number];
    if number.is_empty() {
        return Ok(());
    }
    let expected = if layout.behind { seq.len() as u64 } else { before + 1 };
    if number.iter().try_fold(0u64, |n, d| n.checked_mul(10)?.checked_add(u64::from(d - b'0'))) != Some(expected) {
        let error = place.error("a line of letters with a wrong number").expecting(expected.to_string());
        place.forgive("number of a line of letters", error.finding(String::from_utf8_lossy(number).into_owned()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_counted_in_text() {
        let text = |counter: &Counter| String::from_utf8(counter.digits.to_vec()).unwrap().trim_start().to_owned();
        for start in [1, 60, 55, 940, 999_999_950] {
            let mut counter = Counter::new(start);
            for i in 0..50 {
                assert_eq!(text(&counter), (start + 60 * i).to_string());
                counter.add_sixty();
            }
        }
    }
}
