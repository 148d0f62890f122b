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
pub(crate) trait Layout {
    /// Where the first letter stands.
    const LETTERS: usize;
    /// Where the number stands, on the right of this range.
    const NUMBER: Range<usize>;
    /// Bytes of the line with its line feed.
    const LENGTH: usize;
    /// Whether the number counts the last letter of the line, and not the first.
    const BEHIND: bool;
}

/// `        1 acgtacgtac acgtacgtac ...` (GenBank release notes, section 3.4.14).
#[derive(Debug)]
pub(crate) struct Genbank;

impl Layout for Genbank {
    const LETTERS: usize = 10;
    const NUMBER: Range<usize> = 0..9;
    const LENGTH: usize = 76;
    const BEHIND: bool = false;
}

/// `     acgtacgtac acgtacgtac ...        60` (EMBL user manual, section 3.4.17).
#[derive(Debug)]
pub(crate) struct Embl;

impl Layout for Embl {
    const LETTERS: usize = 5;
    const NUMBER: Range<usize> = 70..80;
    const LENGTH: usize = 81;
    const BEHIND: bool = true;
}

/// How the lines of letters ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With `//`, the current line.
    Mark,
    /// With the input.
    Input,
}

/// Makes room for the letters that are in memory already, so that most records need no second piece of memory.
pub(crate) fn reserve<R: Read>(lines: &mut LineReader<R>, declared: Option<u64>, seq: &mut Vec<u8>) -> Result<()> {
    let ahead = lines.ahead()?.len();
    seq.reserve(declared.and_then(|n| usize::try_from(n).ok()).unwrap_or(0).min(ahead));
    Ok(())
}

/// Reads letters up to `//` or the end of the input. `taken` is what the record has of its limit already.
pub(crate) fn read<L: Layout, R: Read>(
    lines: &mut LineReader<R>,
    guard: &mut Guard,
    record: &str,
    letters: Letters,
    taken: u64,
    seq: &mut Vec<u8>,
) -> Result<End> {
    loop {
        if guard.limits.max_line >= L::LENGTH as u64 {
            let (bytes, n) = full_lines::<L>(lines.ahead()?, letters, seq);
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
        any_line::<L, R>(line, &mut place, letters, seq)?;
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
fn full_lines<L: Layout>(text: &[u8], letters: Letters, seq: &mut Vec<u8>) -> (usize, u64) {
    let mut number = Counter::new(seq.len() as u64 + if L::BEHIND { LETTERS as u64 } else { 1 });
    let mut n = 0;
    for line in text.chunks_exact(L::LENGTH) {
        let mut sound = line[L::LENGTH - 1] == b'\n';
        let expected = &number.digits[Counter::WIDTH - L::NUMBER.len()..];
        sound &= line[L::NUMBER].iter().zip(expected).fold(true, |same, (a, b)| same & (a == b));
        sound &= line[if L::BEHIND { 0 } else { 9 }..L::LETTERS].iter().fold(true, |blank, &b| blank & (b == b' '));
        let mut block = [0; LETTERS];
        for (i, to) in block.chunks_exact_mut(10).enumerate() {
            let start = L::LETTERS + 11 * i;
            to.copy_from_slice(&line[start..start + 10]);
            sound &= i == 5 || line[start + 10] == b' ';
        }
        if !sound || !are_known(&block, letters) {
            break;
        }
        seq.extend_from_slice(&block);
        number.add_sixty();
        n += 1;
    }
    (n * L::LENGTH, n as u64)
}

fn are_known(block: &[u8; LETTERS], letters: Letters) -> bool {
    match letters {
        Letters::Iupac => {
            let common = block.iter().fold(true, |all, b| {
                let b = b | 0x20;
                all & ((b == b'a') | (b == b'c') | (b == b'g') | (b == b't') | (b == b'n'))
            });
            common || letters.first_unknown(block).is_none()
        }
        Letters::Any => block.iter().fold(true, |all, b| all & (0x21..0x7f).contains(b)),
        Letters::Protein => letters.first_unknown(block).is_none(),
    }
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
fn any_line<L: Layout, R: Read>(
    line: &[u8],
    place: &mut Place<'_, R>,
    letters: Letters,
    seq: &mut Vec<u8>,
) -> Result<()> {
    let before = seq.len() as u64;
    let blank = |b: &u8| matches!(b, b' ' | b'\t');
    let is_digit = u8::is_ascii_digit;
    let start = line.iter().position(|b| !blank(b)).unwrap_or(line.len());
    let end = line.iter().rposition(|b| !blank(b)).map_or(start, |at| at + 1);
    let (text, number) = if L::BEHIND {
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
    let expected = if L::BEHIND { seq.len() as u64 } else { before + 1 };
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
