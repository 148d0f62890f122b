//! A question as words, numbers and signs, each with its place in the question.

use std::ops::Range;

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// Letters and digits, in lower case.
    Word,
    /// A number.
    Number(f64),
    /// What stands in quotes.
    Quoted,
    /// A sign that means something: `< > = % + - :`, a comma, a question mark.
    Sign(char),
}

/// A piece of a question.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// In lower case; of a quoted text as written.
    pub(super) text: String,
    /// Bytes of the question.
    pub(super) span: Range<usize>,
    /// It follows the one before without a blank.
    pub(super) glued: bool,
}

/// Letters of a question that are looked at: no question of a person is longer.
pub(super) const LONGEST: usize = 2000;

/// Without control characters, with plain quotes, dashes and blanks.
pub(crate) fn clean(question: &str) -> String {
    let mut out = String::new();
    let mut blank = true;
    for c in question.chars().take(LONGEST) {
        let c = match c {
            '\u{2018}' | '\u{2019}' | '\u{2032}' | '`' => '\'',
            '\u{201c}' | '\u{201d}' | '\u{ab}' | '\u{bb}' => '"',
            '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => continue,
            c if c.is_control() || c.is_whitespace() => ' ',
            c => c,
        };
        if c == ' ' && blank {
            continue;
        }
        blank = c == ' ';
        out.push(c);
    }
    out.truncate(out.trim_end().len());
    out
}

/// Reads a cleaned question.
pub(super) fn tokens(question: &str) -> Vec<Token> {
    let mut out: Vec<Token> = Vec::new();
    let mut at = 0;
    while let Some(c) = question[at..].chars().next() {
        let rest = &question[at..];
        let (kind, len) = if c == ' ' {
            at += 1;
            continue;
        } else if c == '"'
            && let Some(end) = rest[1..].find('"')
        {
            let span = at + 1..at + 1 + end;
            let text = question[span.clone()].trim().to_owned();
            if !text.is_empty() {
                out.push(Token { kind: Kind::Quoted, text, span, glued: false });
            }
            at += end + 2;
            continue;
        } else if c.is_ascii_digit() {
            number(rest)
        } else if c.is_alphanumeric() || c == '_' {
            (Kind::Word, word(rest))
        } else {
            (sign(rest), c.len_utf8())
        };
        let span = at..at + len;
        let glued = out.last().is_some_and(|last| last.span.end == at);
        out.push(Token { kind, text: question[span.clone()].to_lowercase(), span, glued });
        at += len;
    }
    out
}

fn sign(rest: &str) -> Kind {
    Kind::Sign(rest.chars().next().unwrap_or(' '))
}

/// Bytes of a word: letters, digits, underscores, and a point or `'` inside.
fn word(rest: &str) -> usize {
    let mut end = 0;
    let mut letters = rest.char_indices().peekable();
    while let Some((i, c)) = letters.next() {
        let inside = matches!(c, '.') && letters.peek().is_some_and(|(_, next)| next.is_alphanumeric());
        if !(c.is_alphanumeric() || c == '_' || inside) {
            break;
        }
        end = i + c.len_utf8();
    }
    end
}

/// `1,234,567`, `1 234` is two; `0.5`; `1e6`. What goes on with letters that are no unit, or has two points, is a word: `16S`,
/// `2.7.1.1`.
fn number(rest: &str) -> (Kind, usize) {
    let bytes = rest.as_bytes();
    let digit = |i: usize| bytes.get(i).is_some_and(u8::is_ascii_digit);
    let mut end = 0;
    let mut points = 0;
    while end < bytes.len() {
        let three = || digit(end + 1) && digit(end + 2) && digit(end + 3) && !digit(end + 4);
        match bytes[end] {
            b'0'..=b'9' => end += 1,
            b',' | b'\'' | b'_' if three() && points == 0 => end += 1,
            b'.' if digit(end + 1) => {
                points += 1;
                end += 1;
            }
            b'.' if bytes.get(end + 1) == Some(&b'-') && points > 0 => end += 2,
            _ => break,
        }
    }
    let plain: String = rest[..end].chars().filter(|c| !matches!(c, ',' | '\'' | '_')).collect();
    let letters =
        rest[end..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>().to_lowercase();
    let exponent = letters.strip_prefix('e').is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    if exponent && let Ok(value) = format!("{plain}{letters}").parse::<f64>() {
        return (Kind::Number(value), end + letters.len());
    }
    match plain.parse::<f64>() {
        Ok(value) if points < 2 && (letters.is_empty() || super::numbers::unit(&letters).is_some()) => {
            (Kind::Number(value), end)
        }
        // `1st`, `16s`, `2.7.1.1`: a word.
        _ if points >= 2 => (Kind::Word, end),
        _ => (Kind::Word, end + word(&rest[end..])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_read() {
        let check = |question: &str, expected: &[&str]| {
            let found = tokens(&clean(question));
            let found: Vec<String> = found
                .into_iter()
                .map(|t| match t.kind {
                    Kind::Number(n) => format!("{n}"),
                    Kind::Quoted => format!("\"{}\"", t.text),
                    _ => t.text,
                })
                .collect();
            assert_eq!(found, expected, "{question}");
        };
        check("Which gene is at 1,234,567?", &["which", "gene", "is", "at", "1234567", "?"]);
        check("over 10kb, or 1.5 Mb", &["over", "10", "kb", ",", "or", "1.5", "mb"]);
        check("EC 2.7.1.1 and 3.1.-.-", &["ec", "2.7.1.1", "and", "3.1.-.-"]);
        check("16S rRNA; NZ_KL370824.1", &["16s", "rrna", ";", "nz_kl370824.1"]);
        check("the \u{201c}Cell lysis\u{201d} genes", &["the", "\"Cell lysis\"", "genes"]);
        check("a\u{0}b\u{7}\tc\u{202e}d", &["a", "b", "cd"]);
        check(">=300aa", &[">", "=", "300", "aa"]);
        check("III:1000-2000", &["iii", ":", "1000", "-", "2000"]);
        check("1e6 bp", &["1000000", "bp"]);
    }
}
