//! The ninth column: owned attributes, and the three syntaxes.

use std::borrow::Cow;
use std::collections::HashMap;

use super::block::{Marks, for_each_block, marks};
use super::record::GffDialect;

/// Attributes in the order of the file. A key may have several values; all values of a key stand together, where the key
/// came first.
///
/// ```
/// use genome_formats::GffAttributes;
///
/// let attributes: GffAttributes = [("ID", "x"), ("Alias", "a"), ("Alias", "b")].into_iter().collect();
/// assert_eq!((attributes.get("ID"), attributes.get_all("Alias")), (Some("x"), &["a".to_owned(), "b".to_owned()][..]));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GffAttributes {
    /// No key twice, no key without a value.
    entries: Vec<(String, Vec<String>)>,
}

impl GffAttributes {
    /// No attributes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a value to those of the key.
    pub fn push(&mut self, key: impl AsRef<str> + Into<String>, value: impl Into<String>) {
        match self.entries.iter_mut().find(|(k, _)| *k == key.as_ref()) {
            Some((_, values)) => values.push(value.into()),
            None => self.entries.push((key.into(), vec![value.into()])),
        }
    }

    /// The first value of the key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.get_all(key).first().map(|value| &**value)
    }

    /// All values of the key; empty where there is none.
    pub fn get_all(&self, key: &str) -> &[String] {
        self.entries.iter().find(|(k, _)| k == key).map_or(&[], |(_, values)| values)
    }

    /// Keys with their values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.entries.iter().map(|(key, values)| (&**key, &**values))
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl<K: AsRef<str> + Into<String>, V: Into<String>> FromIterator<(K, V)> for GffAttributes {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(iter: I) -> Self {
        let mut attributes = Self::new();
        let mut index: HashMap<String, usize> = HashMap::new();
        for (key, value) in iter {
            if attributes.entries.len() < MANY {
                attributes.push(key, value);
                continue;
            }
            if index.is_empty() {
                index.extend(attributes.entries.iter().enumerate().map(|(i, (key, _))| (key.clone(), i)));
            }
            match index.get(key.as_ref()) {
                Some(&i) => attributes.entries[i].1.push(value.into()),
                None => {
                    index.insert(key.as_ref().to_owned(), attributes.entries.len());
                    attributes.entries.push((key.into(), vec![value.into()]));
                }
            }
        }
        attributes
    }
}

/// Keys that are found by a search through all of them; more, as only a hostile file has, get an index.
const MANY: usize = 64;

/// The text between `;`, without blanks around it; empty ones are left out.
pub(super) fn parts(text: &[u8], dialect: GffDialect) -> impl Iterator<Item = &[u8]> {
    let mut rest = if text == b"." { b"" } else { text };
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let end = match dialect {
                GffDialect::Gff3 => memchr::memchr(b';', rest).unwrap_or(rest.len()),
                GffDialect::Gtf | GffDialect::Gff2 => end_of_quoted(rest),
            };
            let part = rest[..end].trim_ascii();
            rest = rest.get(end + 1..).unwrap_or_default();
            if !part.is_empty() {
                return Some(part);
            }
        }
        None
    })
}

/// Key and raw value of each attribute; in GFF3 the value may hold several between commas.
pub(super) fn pairs(text: &[u8], dialect: GffDialect) -> impl Iterator<Item = (&[u8], &[u8])> {
    parts(text, dialect).map(move |part| {
        let (key, value) = halves(part, dialect);
        (key, if dialect == GffDialect::Gff3 { value } else { unquote(value) })
    })
}

/// Key and value, quotes and all.
fn halves(part: &[u8], dialect: GffDialect) -> (&[u8], &[u8]) {
    match dialect {
        GffDialect::Gff3 => match memchr::memchr(b'=', part) {
            Some(at) => (&part[..at], &part[at + 1..]),
            None => (part, b""),
        },
        GffDialect::Gtf | GffDialect::Gff2 => {
            let at = part.iter().position(u8::is_ascii_whitespace).unwrap_or(part.len());
            (&part[..at], part[at..].trim_ascii())
        }
    }
}

/// Where the first `;` outside of quotes stands, or the end.
fn end_of_quoted(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(found) = memchr::memchr2(b';', b'"', &text[at..]) {
        at += found;
        if text[at] == b';' {
            return at;
        }
        match memchr::memchr(b'"', &text[at + 1..]) {
            Some(close) => at += close + 2,
            // A quote without an end: what stands behind it is not quoted.
            None => return memchr::memchr(b';', &text[at..]).map_or(text.len(), |end| at + end),
        }
    }
    text.len()
}

/// The text in quotes, where that is all there is; `Target "x" 1 2` stays as it is.
fn unquote(text: &[u8]) -> &[u8] {
    match text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\"")) {
        Some(inner) if !inner.contains(&b'"') => inner,
        _ => text,
    }
}

/// The values of a raw value.
pub(super) fn values(value: &[u8], dialect: GffDialect) -> impl Iterator<Item = &[u8]> {
    let comma = dialect == GffDialect::Gff3;
    value.split(move |b| comma && *b == b',')
}

/// Decodes `%41` as GFF3 asks for; only then there is an allocation. A `%` without two digits stays.
pub(super) fn decode(text: &[u8], dialect: GffDialect) -> Cow<'_, [u8]> {
    if dialect != GffDialect::Gff3 || memchr::memchr(b'%', text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'%', rest) {
        out.extend_from_slice(&rest[..at]);
        match hex(&rest[at..]) {
            Some(byte) => {
                out.push(byte);
                rest = &rest[at + 3..];
            }
            None => {
                out.push(b'%');
                rest = &rest[at + 1..];
            }
        }
    }
    out.extend_from_slice(rest);
    Cow::Owned(out)
}

/// The byte that `%41` stands for.
fn hex(text: &[u8]) -> Option<u8> {
    let digit = |i: usize| (*text.get(i)? as char).to_digit(16);
    Some((digit(1)? * 16 + digit(2)?) as u8)
}

/// Writes text with the letters that `reserved` names, control characters and `%` encoded.
pub(super) fn encode(out: &mut String, text: &str, reserved: fn(char) -> bool) {
    for c in text.chars() {
        if c == '%' || c.is_ascii_control() || reserved(c) {
            let mut bytes = [0; 4];
            c.encode_utf8(&mut bytes).bytes().for_each(|byte| out.push_str(&format!("%{byte:02X}")));
        } else {
            out.push(c);
        }
    }
}

/// The broken rule of a GFF3 column 9, if there is one, and its name (GFF3 1.26, "Column 9: attributes").
///
/// The common case, where `=` and `;` alternate, is told from 64 bytes at a time without branches.
#[inline]
pub(super) fn check_gff3(text: &[u8]) -> Option<(&'static str, &'static str)> {
    let mut broken = u64::from(text.first() == Some(&b'='));
    let mut percents = false;
    let mut parity = 0; // all ones between a `=` and its `;`
    let mut behind = 0; // whether the byte in front of the block is a `;`
    for_each_block(text, |block, old| {
        let Marks { equals, semicolons, percent, other } = marks(block);
        let (equals, semicolons) = (equals >> old, semicolons >> old);
        // Bit i: whether the number of `=` and `;` up to byte i is odd.
        let odd = prefix_xor(equals | semicolons) ^ parity;
        broken |= u64::from(other) | (equals & !odd) | (semicolons & odd) | (equals & (semicolons << 1 | behind));
        percents |= percent;
        parity = ((odd as i64) >> 63) as u64;
        behind = semicolons >> 63;
    });
    // Behind the last `;` there may be nothing.
    let open = parity == 0 && !text.is_empty() && !text.ends_with(b";");
    if broken != 0 || open || (percents && !percents_are_whole(text)) { find_broken(text) } else { None }
}

/// Whether each `%` has its two digits.
#[inline(never)]
fn percents_are_whole(text: &[u8]) -> bool {
    memchr::memchr_iter(b'%', text).all(|at| hex(&text[at..]).is_some())
}

/// Bit i: the parity of the bits up to and with i.
#[inline]
fn prefix_xor(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}

#[cold]
fn find_broken(text: &[u8]) -> Option<(&'static str, &'static str)> {
    if text == b"." {
        return None;
    }
    if text.contains(&b'\t') {
        return Some(("column-count", "more than nine columns"));
    }
    let text = text.strip_suffix(b";").unwrap_or(text);
    if text.is_empty() {
        return None;
    }
    for part in text.split(|b| *b == b';') {
        let Some(at) = memchr::memchr(b'=', part) else {
            let empty = part.trim_ascii().is_empty();
            return Some(if empty {
                ("empty-attribute", "an empty attribute")
            } else {
                ("attribute-without-value", "an attribute without =")
            });
        };
        let (key, value) = (&part[..at], &part[at + 1..]);
        if key.is_empty() {
            return Some(("attribute-without-key", "an attribute without a key"));
        }
        if value.contains(&b'=') || part.contains(&b'&') {
            return Some(("reserved-letter", "a = or & that is not encoded as %3D or %26"));
        }
        if part.iter().any(u8::is_ascii_control) {
            return Some(("control-character", "a control character that is not encoded"));
        }
        if !percents_are_whole(part) {
            return Some(("percent", "a % without two hexadecimal digits"));
        }
    }
    None
}

/// The broken rule of a GTF column 9, if there is one, and its name (GTF2.2, "attributes").
pub(super) fn check_gtf(text: &[u8]) -> Option<(&'static str, &'static str)> {
    if text.contains(&b'\t') {
        return Some(("column-count", "more than nine columns"));
    }
    if text.iter().any(u8::is_ascii_control) {
        return Some(("control-character", "a control character"));
    }
    for part in parts(text, GffDialect::Gtf) {
        let (key, value) = halves(part, GffDialect::Gtf);
        if key.contains(&b'"') {
            return Some(("attribute-without-key", "an attribute without a key"));
        }
        if value.is_empty() {
            return Some(("attribute-without-value", "an attribute without a value"));
        }
        let quoted = unquote(value).len() < value.len();
        if !quoted && value.iter().any(|b| *b == b'"' || b.is_ascii_whitespace()) {
            return Some(("quotes", "quotes that do not enclose the value"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn list(text: &str, dialect: GffDialect) -> Vec<(String, String)> {
        let text_of = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
        pairs(text.as_bytes(), dialect).map(|(key, value)| (text_of(key), text_of(value))).collect()
    }

    #[test]
    fn three_syntaxes() {
        let check = |text: &str, dialect: GffDialect, expected: &[(&str, &str)]| {
            let expected: Vec<_> = expected.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            assert_eq!(list(text, dialect), expected, "{text}");
        };
        check("", GffDialect::Gff3, &[]);
        check(".", GffDialect::Gff3, &[]);
        check(";", GffDialect::Gff3, &[]);
        check("a=1;b=2,3;", GffDialect::Gff3, &[("a", "1"), ("b", "2,3")]);
        check("a=1;; b = x=y;c", GffDialect::Gff3, &[("a", "1"), ("b ", " x=y"), ("c", "")]);
        check(
            "gene_id \"a;b\";  transcript_id \"\"; level 2; tag \"x\"",
            GffDialect::Gtf,
            &[("gene_id", "a;b"), ("transcript_id", ""), ("level", "2"), ("tag", "x")],
        );
        check("a \"b; c 1", GffDialect::Gtf, &[("a", "\"b"), ("c", "1")]);
        check(
            "Target \"m:1;2\" 10 21 ; Note \"n\" ; flag ; x",
            GffDialect::Gff2,
            &[("Target", "\"m:1;2\" 10 21"), ("Note", "n"), ("flag", ""), ("x", "")],
        );
    }

    #[test]
    fn percent_decoding() {
        let check = |text: &str, expected: &str, owned: bool| {
            let decoded = decode(text.as_bytes(), GffDialect::Gff3);
            assert_eq!((&*decoded, matches!(decoded, Cow::Owned(_))), (expected.as_bytes(), owned));
        };
        check("a+b", "a+b", false);
        check("a%3Bb%2c", "a;b,", true);
        check("%", "%", true);
        check("%4", "%4", true);
        check("%zz%41", "%zzA", true);
        assert_eq!(&*decode(b"%41", GffDialect::Gtf), b"%41");
    }

    #[test]
    fn rules_of_column_nine() {
        let check =
            |text: &str, rule: Option<&str>| assert_eq!(check_gff3(text.as_bytes()).map(|(r, _)| r), rule, "{text}");
        for good in ["", ".", "a=1", "a=1;", "a=1;b=2", "a=;b=", "a=x y%20,z;b=%3b;"] {
            check(good, None);
        }
        check(";", None);
        check("a", Some("attribute-without-value"));
        check("a=1;b", Some("attribute-without-value"));
        check("a=1;;b=2", Some("empty-attribute"));
        check("a=1;=2", Some("attribute-without-key"));
        check("a=1=2", Some("reserved-letter"));
        check("a=1&2", Some("reserved-letter"));
        check("a=1%2", Some("percent"));
        check("a=1\x01", Some("control-character"));
    }

    #[test]
    fn many_keys_are_as_few() {
        let pairs: Vec<_> = (0..300).map(|i| (format!("k{}", i % 150), i.to_string())).collect();
        let mut pushed = GffAttributes::new();
        pairs.iter().for_each(|(key, value)| pushed.push(key.as_str(), value));
        assert_eq!(pairs.into_iter().collect::<GffAttributes>(), pushed);
        assert_eq!((pushed.len(), pushed.get_all("k7")), (150, &["7".to_owned(), "157".to_owned()][..]));
    }

    proptest! {
        #[test]
        fn the_block_check_agrees_with_the_plain_one(text in "[a=;%&4\\x01. ]{0,12}", front in 0usize..130) {
            let text = if front % 3 == 0 { text } else { format!("{}=b;{text}", "k".repeat(front)) };
            prop_assert_eq!(check_gff3(text.as_bytes()), find_broken(text.as_bytes()));
        }

        #[test]
        fn encoded_text_is_decoded(text in "\\PC{0,20}", controls in "[\\x00-\\x20;=&,%]{0,6}") {
            let text = text + &controls;
            let mut out = String::new();
            encode(&mut out, &text, |c| matches!(c, ';' | '=' | '&' | ','));
            prop_assert_eq!(&*decode(out.as_bytes(), GffDialect::Gff3), text.as_bytes());
        }
    }
}
