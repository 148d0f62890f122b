//! The fast path of the FASTQ reader: a record of four whole lines, found and checked in place.

use std::ops::Range;

use crate::byte_set::ByteSet;

/// What the fast path takes for a name, and for a title: whatever is not ASCII goes the slow way.
const NAME: ByteSet = ByteSet::range(b'!', b'~');
const TITLE: ByteSet = NAME.with(b" \t");

/// Where the parts of a record are.
#[derive(Debug, Clone)]
pub(super) enum Found {
    Shown { title: Range<usize>, name_end: usize, seq: usize, quality: usize, length: usize },
    Kept,
}

/// What the fast path says about the bytes ahead.
pub(super) enum Glance {
    /// A whole record of four lines that breaks no rule, and its bytes.
    Record(Found, usize),
    /// So far good, but more bytes are needed.
    Incomplete,
    /// Something else: for the slow path.
    Odd,
}

/// Lengths of the record before.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Lengths {
    title: usize,
    seq: usize,
}

/// Looks for a record of four lines at the start of `text`, which probably has the lengths of the one before.
///
/// A length that is guessed and then checked lets the processor work on the next line before it has found the end of this
/// one; the check of a line's bytes says too that no line ends inside. A wrong guess costs little.
#[inline]
pub(super) fn glance(text: &[u8], guess: &mut Lengths, letters: &ByteSet, scores: &ByteSet) -> Glance {
    let Some((b'@', line)) = text.split_first() else {
        return if text.is_empty() { Glance::Incomplete } else { Glance::Odd };
    };
    if !has_line_of(line, guess.title, &TITLE) {
        guess.title = TITLE.prefix(line);
    }
    let title = 1..1 + guess.title;
    let crlf = match text[title.end..] {
        [b'\n', ..] => false,
        [b'\r', b'\n', ..] => true,
        [] | [b'\r'] => return Glance::Incomplete,
        _ => return Glance::Odd,
    };
    let name_end = NAME.prefix(&text[title.clone()]);
    if name_end == 0 {
        return Glance::Odd;
    }
    let line_end = 1 + usize::from(crlf);
    let ends = |at: usize| match crlf {
        false => text.get(at) == Some(&b'\n'),
        true => text.get(at..).is_some_and(|rest| rest.starts_with(b"\r\n")),
    };

    let seq = title.end + line_end;
    if crlf || !has_line_of(&text[seq..], guess.seq, letters) {
        guess.seq = letters.prefix(&text[seq..]);
    }
    let length = guess.seq;
    if !ends(seq + length) {
        let more = seq + length + line_end > text.len();
        return if more { Glance::Incomplete } else { Glance::Odd };
    }

    let plus = seq + length + line_end;
    match text.get(plus) {
        Some(b'+') => {}
        Some(_) => return Glance::Odd,
        None => return Glance::Incomplete,
    }
    let quality = if ends(plus + 1) {
        plus + 1 + line_end
    } else {
        let repeated = plus + 1..plus + 1 + title.len();
        match text.get(repeated.clone()) {
            Some(again) if *again == text[title.clone()] && ends(repeated.end) => repeated.end + line_end,
            Some(_) if repeated.end + line_end <= text.len() => return Glance::Odd,
            _ => return Glance::Incomplete,
        }
    };
    let end = quality + length;
    if text.len() < end + line_end {
        return Glance::Incomplete;
    }
    if !ends(end) || scores.prefix(&text[quality..end]) != length {
        return Glance::Odd;
    }
    Glance::Record(Found::Shown { title, name_end, seq, quality, length }, end + line_end)
}

/// Whether the text starts with a line of so many bytes, all in the set.
#[inline]
fn has_line_of(text: &[u8], length: usize, set: &ByteSet) -> bool {
    text.get(length) == Some(&b'\n') && set.prefix(&text[..length]) == length
}
