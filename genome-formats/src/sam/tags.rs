//! Optional fields of an alignment: `NM:i:2`. (Not `aux.rs`: Windows has no files of that name.)

use crate::error::quote;
use std::borrow::Cow;

/// The two characters in front of an optional field's type, such as `NM`.
pub type Tag = [u8; 2];

/// The value of an optional field (SAMv1, section 1.5).
#[derive(Debug, Clone, PartialEq)]
pub enum TagValue {
    /// `A`: one visible character.
    Char(u8),
    /// `i`: an integer, -2^31 to 2^32-1. The six integer types of BAM are one here; the writer takes the smallest that fits.
    Int(i64),
    /// `f`: a single-precision number.
    Float(f32),
    /// `Z`: text.
    Text(String),
    /// `H`: bytes, which the file shows as hexadecimal digits.
    Hex(Vec<u8>),
    /// `B`: numbers of one type.
    Array(TagArray),
}

/// An array of numbers of one type.
#[derive(Debug, Clone, PartialEq)]
pub enum TagArray {
    /// `B:c`
    I8(Vec<i8>),
    /// `B:C`
    U8(Vec<u8>),
    /// `B:s`
    I16(Vec<i16>),
    /// `B:S`
    U16(Vec<u16>),
    /// `B:i`
    I32(Vec<i32>),
    /// `B:I`
    U32(Vec<u32>),
    /// `B:f`
    F32(Vec<f32>),
}

/// The optional fields of an alignment in the order of the file.
///
/// ```
/// use genome_formats::{TagValue, Tags};
///
/// let mut tags = Tags::default();
/// tags.push(*b"NM", TagValue::Int(2));
/// assert_eq!(tags.int(b"NM"), Some(2));
/// assert_eq!(tags.get(b"RG"), None);
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tags(Vec<(Tag, TagValue)>);

impl Tags {
    /// The first value of a tag.
    pub fn get(&self, tag: &Tag) -> Option<&TagValue> {
        self.0.iter().find(|(t, _)| t == tag).map(|(_, value)| value)
    }

    /// The value of an integer tag.
    pub fn int(&self, tag: &Tag) -> Option<i64> {
        match self.get(tag) {
            Some(TagValue::Int(value)) => Some(*value),
            _ => None,
        }
    }

    /// The value of a text tag.
    pub fn text(&self, tag: &Tag) -> Option<&str> {
        match self.get(tag) {
            Some(TagValue::Text(value)) => Some(value),
            _ => None,
        }
    }

    /// Puts a field behind the others. Writers refuse a tag that stands twice.
    pub fn push(&mut self, tag: Tag, value: TagValue) {
        self.0.push((tag, value));
    }

    /// Takes all fields of a tag out.
    pub fn remove(&mut self, tag: &Tag) {
        self.0.retain(|(t, _)| t != tag);
    }

    /// The fields in the order of the file.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Tag, &TagValue)> {
        self.0.iter().map(|(tag, value)| (tag, value))
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(Tag, TagValue)> for Tags {
    fn from_iter<I: IntoIterator<Item = (Tag, TagValue)>>(fields: I) -> Self {
        Self(fields.into_iter().collect())
    }
}

/// Whether a field keeps the rules.
pub(crate) type Checked = std::result::Result<(), Broken>;

/// A broken rule, on the heap: results stay small where nothing is broken.
pub(crate) type Broken = Box<BrokenRule>;

/// A broken rule of a record.
#[derive(Debug)]
pub(crate) struct BrokenRule {
    /// Its short name, when a lenient reader can go on.
    pub(crate) rule: Option<&'static str>,
    pub(crate) problem: Cow<'static, str>,
    pub(crate) expected: &'static str,
    pub(crate) found: String,
}

#[cold]
fn broken(
    rule: Option<&'static str>,
    problem: impl Into<Cow<'static, str>>,
    expected: &'static str,
    found: &[u8],
) -> Broken {
    Box::new(BrokenRule { rule, problem: problem.into(), expected, found: quote(found) })
}

/// Whether a tag is `[A-Za-z][A-Za-z0-9]`.
#[inline]
pub(crate) fn check_tag(tag: Tag) -> Checked {
    if tag[0].is_ascii_alphabetic() && tag[1].is_ascii_alphanumeric() {
        return Ok(());
    }
    Err(broken(Some("tag name"), "a bad tag", "a letter and a letter or digit", &tag))
}

/// Whether text may stand in a `Z` field: `[ !-~]*`.
pub(crate) fn check_text(text: &[u8]) -> Checked {
    if text.iter().fold(true, |ok, b| ok & matches!(b, b' '..=b'~')) {
        return Ok(());
    }
    Err(broken(Some("tag text"), "a Z field with a byte that is not printable", "printable ASCII", text))
}

pub(crate) fn check_char(c: u8) -> Checked {
    if c.is_ascii_graphic() {
        return Ok(());
    }
    Err(broken(Some("tag character"), "an A field that is not visible", "one visible character", &[c]))
}

/// Hexadecimal digits, two for each byte.
pub(crate) fn check_hex(text: &[u8]) -> Checked {
    // "/([0-9A-F][0-9A-F])*/"
    const EXPECTED: &str = "pairs of the digits 0-9 and A-F";
    if !text.len().is_multiple_of(2) || !text.iter().all(u8::is_ascii_hexdigit) {
        return Err(broken(None, "an H field that is not hexadecimal", EXPECTED, text));
    }
    if text.iter().any(u8::is_ascii_lowercase) {
        return Err(broken(Some("tag hexadecimal"), "an H field with lower-case digits", EXPECTED, text));
    }
    Ok(())
}

pub(crate) fn decode_hex(text: &[u8]) -> Vec<u8> {
    let digit = |b: u8| (b as char).to_digit(16).unwrap_or(0) as u8;
    text.chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

/// An optional field of a SAM line, in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SamTag<'a> {
    tag: Tag,
    kind: u8,
    value: &'a [u8],
}

impl<'a> SamTag<'a> {
    /// The tag, such as `NM`.
    pub fn tag(&self) -> Tag {
        self.tag
    }

    /// The type letter: `A`, `i`, `f`, `Z`, `H` or `B`.
    pub fn kind(&self) -> u8 {
        self.kind
    }

    /// The text behind the second colon.
    pub fn text(&self) -> &'a [u8] {
        self.value
    }

    /// The value, decoded.
    pub fn value(&self) -> TagValue {
        match self.kind {
            b'A' => TagValue::Char(self.value.first().copied().unwrap_or(b'?')),
            b'f' => TagValue::Float(parse_float(self.value).unwrap_or(f32::NAN)),
            b'Z' => TagValue::Text(String::from_utf8_lossy(self.value).into_owned()),
            b'H' => TagValue::Hex(decode_hex(self.value)),
            b'B' => TagValue::Array(self.array()),
            _ => TagValue::Int(parse_int(self.value).unwrap_or(0)),
        }
    }

    fn array(&self) -> TagArray {
        fn all<T>(items: &[u8], parse: impl Fn(&[u8]) -> Option<T>) -> Vec<T> {
            split_items(items).filter_map(parse).collect()
        }
        fn int<T: TryFrom<i64>>(item: &[u8]) -> Option<T> {
            parse_int(item).and_then(|n| n.try_into().ok())
        }
        let items = &self.value[1..];
        match self.value[0] {
            b'c' => TagArray::I8(all(items, int)),
            b'C' => TagArray::U8(all(items, int)),
            b's' => TagArray::I16(all(items, int)),
            b'S' => TagArray::U16(all(items, int)),
            b'i' => TagArray::I32(all(items, int)),
            b'I' => TagArray::U32(all(items, int)),
            _ => TagArray::F32(all(items, parse_float)),
        }
    }

    /// Cuts `NM:i:2` in its parts.
    pub(crate) fn split(field: &'a [u8]) -> Result<Self, Broken> {
        match field {
            [a, b, b':', kind, b':', value @ ..] => Ok(Self { tag: [*a, *b], kind: *kind, value }),
            _ => Err(broken(None, "a malformed optional field", "TAG:TYPE:VALUE with a tag of two characters", field)),
        }
    }

    /// Looks whether the value is what its type says.
    pub(crate) fn check(&self) -> Checked {
        match self.kind {
            b'i' => {
                if parse_int(self.value).is_some_and(in_range) {
                    return Ok(());
                }
                Err(broken(
                    None,
                    "an i field that is no integer of its range",
                    "an integer from -2147483648 to 4294967295",
                    self.value,
                ))
            }
            b'Z' => check_text(self.value),
            b'A' => match self.value {
                [c] => check_char(*c),
                _ => Err(broken(None, "an A field that is not one character", "one visible character", self.value)),
            },
            b'f' => check_float(self.value),
            b'H' => check_hex(self.value),
            b'B' => self.check_array(),
            b'c' | b'C' | b's' | b'S' | b'I' if parse_int(self.value).is_some_and(in_range) => {
                Err(broken(Some("tag type"), "an integer type of BAM in a SAM file", "i for integers", &[self.kind]))
            }
            _ => Err(broken(None, "an unknown type of an optional field", "one of A i f Z H B", &[self.kind])),
        }
    }

    fn check_array(&self) -> Checked {
        // "/[cCsSiIf](,[-+]?[0-9]*\.?[0-9]+([eE][-+]?[0-9]+)?)*/"
        let (min, max) = match self.value.first() {
            Some(b'c') => (i64::from(i8::MIN), i64::from(i8::MAX)),
            Some(b'C') => (0, i64::from(u8::MAX)),
            Some(b's') => (i64::from(i16::MIN), i64::from(i16::MAX)),
            Some(b'S') => (0, i64::from(u16::MAX)),
            Some(b'i') => (i64::from(i32::MIN), i64::from(i32::MAX)),
            Some(b'I') => (0, i64::from(u32::MAX)),
            Some(b'f') => (0, 0),
            _ => {
                return Err(broken(
                    None,
                    "a B field without a type of its numbers",
                    "one of c C s S i I f",
                    self.value,
                ));
            }
        };
        let items = &self.value[1..];
        if !items.is_empty() && items[0] != b',' {
            return Err(broken(None, "a malformed B field", "a comma in front of each number", self.value));
        }
        let mut forgivable = Ok(());
        for item in split_items(items) {
            if self.value[0] == b'f' {
                match check_float(item) {
                    Err(broken) if broken.rule.is_some() => forgivable = Err(broken),
                    outcome => outcome?,
                }
            } else if !parse_int(item).is_some_and(|n| (min..=max).contains(&n)) {
                return Err(broken(
                    None,
                    "a number in a B field that its type cannot hold",
                    "integers in the range of the type",
                    item,
                ));
            }
        }
        forgivable
    }
}

/// The numbers in `,1,2,3`.
fn split_items(items: &[u8]) -> impl Iterator<Item = &[u8]> {
    let count = if items.is_empty() { 0 } else { usize::MAX };
    items.split(|&b| b == b',').skip(1).take(count)
}

fn in_range(n: i64) -> bool {
    (i64::from(i32::MIN)..=i64::from(u32::MAX)).contains(&n)
}

/// `[-+]?[0-9]+`, of any length as long as the number is not larger than 64 bits can hold.
pub(crate) fn parse_int(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() {
        return None;
    }
    let mut n: i64 = 0;
    for b in digits {
        if !b.is_ascii_digit() {
            return None;
        }
        n = n.checked_mul(10)?.checked_add(i64::from(b - b'0'))?;
    }
    Some(if negative { -n } else { n })
}

fn parse_float(text: &[u8]) -> Option<f32> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn check_float(text: &[u8]) -> Checked {
    // "/[-+]?[0-9]*\.?[0-9]+([eE][-+]?[0-9]+)?/", a single-precision number
    const EXPECTED: &str = "a single-precision number such as -1.5e3";
    let Some(value) = parse_float(text) else {
        return Err(broken(None, "an f field that is no number", EXPECTED, text));
    };
    let mantissa = text.split(|b| matches!(b, b'e' | b'E')).next().unwrap_or_default();
    if !mantissa.last().is_some_and(u8::is_ascii_digit) {
        return Err(broken(Some("tag number"), "an f field in a form that SAM does not have", EXPECTED, text));
    }
    let zero = mantissa.iter().all(|b| !matches!(b, b'1'..=b'9'));
    if value.is_infinite() || (value == 0.0) != zero {
        return Err(broken(
            Some("tag number range"),
            "an f field outside the range of single precision",
            EXPECTED,
            text,
        ));
    }
    Ok(())
}

/// The text of a number, read back as the same value.
pub(crate) fn write_float(out: &mut Vec<u8>, value: f32) {
    use std::io::Write;
    let size = value.abs();
    let outcome =
        if size != 0.0 && !(1e-4..1e9).contains(&size) { write!(out, "{value:e}") } else { write!(out, "{value}") };
    outcome.expect("a vector takes all bytes");
}

/// Appends `NM:i:2`.
pub(crate) fn write_text(out: &mut Vec<u8>, tag: Tag, value: &TagValue) {
    use std::io::Write;
    fn ints<T: std::fmt::Display>(out: &mut Vec<u8>, kind: u8, items: &[T]) {
        out.push(kind);
        for item in items {
            write!(out, ",{item}").expect("a vector takes all bytes");
        }
    }
    out.extend_from_slice(&tag);
    match value {
        TagValue::Char(c) => out.extend_from_slice(&[b':', b'A', b':', *c]),
        TagValue::Int(n) => write!(out, ":i:{n}").expect("a vector takes all bytes"),
        TagValue::Float(x) => {
            out.extend_from_slice(b":f:");
            write_float(out, *x);
        }
        TagValue::Text(text) => {
            out.extend_from_slice(b":Z:");
            out.extend_from_slice(text.as_bytes());
        }
        TagValue::Hex(bytes) => {
            out.extend_from_slice(b":H:");
            write_hex(out, bytes);
        }
        TagValue::Array(array) => {
            out.extend_from_slice(b":B:");
            match array {
                TagArray::I8(items) => ints(out, b'c', items),
                TagArray::U8(items) => ints(out, b'C', items),
                TagArray::I16(items) => ints(out, b's', items),
                TagArray::U16(items) => ints(out, b'S', items),
                TagArray::I32(items) => ints(out, b'i', items),
                TagArray::U32(items) => ints(out, b'I', items),
                TagArray::F32(items) => {
                    out.push(b'f');
                    for item in items {
                        out.push(b',');
                        write_float(out, *item);
                    }
                }
            }
        }
    }
}

pub(crate) fn write_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in bytes {
        out.extend_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
}

/// Whether a field can be written: its name, its value, and nothing that its text could not be read back from.
pub(crate) fn check_writable(tag: Tag, value: &TagValue) -> Checked {
    check_tag(tag)?;
    match value {
        TagValue::Char(c) => check_char(*c),
        TagValue::Text(text) => check_text(text.as_bytes()),
        TagValue::Int(n) if !in_range(*n) => Err(broken(
            None,
            "an integer that an i field cannot hold",
            "an integer from -2147483648 to 4294967295",
            n.to_string().as_bytes(),
        )),
        _ => Ok(()),
    }
}

/// Finds tags that stand twice, in a time that does not grow with the square of their number.
#[derive(Debug)]
pub(crate) struct Seen {
    bits: Box<[u64; 1024]>,
    tags: Vec<u16>,
}

impl Default for Seen {
    fn default() -> Self {
        Self { bits: Box::new([0; 1024]), tags: Vec::new() }
    }
}

impl Seen {
    /// Forgets all tags.
    #[inline]
    pub(crate) fn clear(&mut self) {
        for &tag in &self.tags {
            self.bits[usize::from(tag >> 6)] = 0;
        }
        self.tags.clear();
    }

    /// Notes a tag, and tells whether it is new.
    #[inline]
    pub(crate) fn check(&mut self, tag: Tag) -> Checked {
        let n = u16::from_be_bytes(tag);
        let (word, bit) = (&mut self.bits[usize::from(n >> 6)], 1 << (n & 63));
        if *word & bit != 0 {
            // "each TAG can only appear once in one alignment line"
            return Err(broken(Some("duplicate tag"), "a tag stands twice", "each tag once in a record", &tag));
        }
        *word |= bit;
        self.tags.push(n);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Result<TagValue, String> {
        let field = SamTag::split(text.as_bytes()).map_err(|b| b.problem.into_owned())?;
        field.check().map_err(|b| format!("{} / {:?}", b.problem, b.rule))?;
        check_tag(field.tag()).map_err(|b| b.problem.into_owned())?;
        Ok(field.value())
    }

    fn text(tag: &str, value: &TagValue) -> String {
        let mut out = Vec::new();
        let tag = tag.as_bytes();
        write_text(&mut out, [tag[0], tag[1]], value);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn values_and_their_text() {
        let check = |field: &str, expected: TagValue| {
            assert_eq!(value(field), Ok(expected.clone()));
            assert_eq!(text(&field[..2], &expected), field);
        };
        check("AA:A:!", TagValue::Char(b'!'));
        check("I0:i:-2147483648", TagValue::Int(i64::from(i32::MIN)));
        check("I0:i:4294967295", TagValue::Int(i64::from(u32::MAX)));
        check("F0:f:-1.5", TagValue::Float(-1.5));
        check("F0:f:3.4028235e38", TagValue::Float(f32::MAX));
        check("ZZ:Z: a:b ~", TagValue::Text(" a:b ~".into()));
        check("ZZ:Z:", TagValue::Text(String::new()));
        check("HH:H:00FF1A", TagValue::Hex(vec![0, 255, 0x1a]));
        check("HH:H:", TagValue::Hex(vec![]));
        check("BB:B:c,-128,127", TagValue::Array(TagArray::I8(vec![-128, 127])));
        check("BB:B:I,4294967295", TagValue::Array(TagArray::U32(vec![u32::MAX])));
        check("BB:B:i", TagValue::Array(TagArray::I32(vec![])));
        check("BB:B:f,0,0.5,-1e-20", TagValue::Array(TagArray::F32(vec![0.0, 0.5, -1e-20])));
        assert_eq!(value("I2:i:+0000000000000000000000000000000000000000000000999"), Ok(TagValue::Int(999)));
        assert_eq!(value("F1:f:-009.50e+0"), Ok(TagValue::Float(-9.5)));
    }

    #[test]
    fn broken_fields() {
        let check = |field: &str, expected: &str| {
            let got = value(field).unwrap_err();
            assert!(got.contains(expected), "{field}: {got}");
        };
        check("Z:Z:short", "malformed");
        check("ZZZ:Z:long", "malformed");
        check("ZZ", "malformed");
        check("", "malformed");
        check("0A:Z:0", "a bad tag");
        check("A_:Z:0", "a bad tag");
        check("ZZ:z:case", "unknown type");
        check("II:I:100", "integer type of BAM in a SAM file / Some");
        check("AA:A:", "not one character");
        check("AA:A:AA", "not one character");
        check("AA:A: ", "not visible / Some");
        check("I0:i:", "no integer");
        check("I0:i:10.999", "no integer");
        check("I0:i:4294967296", "no integer");
        check("I0:i:-2147483649", "no integer");
        check("F0:f:e", "no number");
        check("F0:f:", "no number");
        check("F0:f:10.", "a form that SAM does not have / Some");
        check("F0:f:nan", "a form that SAM does not have / Some");
        check("F0:f:inf", "a form that SAM does not have / Some");
        check("F0:f:1E-46", "outside the range");
        check("F0:f:3.502823466E+38", "outside the range");
        check("H0:H:9", "not hexadecimal");
        check("H0:H:abcd", "lower-case digits / Some");
        check("Z0:Z:\u{7f}", "not printable / Some");
        check("BA:B:", "without a type");
        check("BA:B:F,1", "without a type");
        check("BA:B:C,256", "cannot hold");
        check("BA:B:C,", "cannot hold");
        check("BA:B:C1", "malformed B");
        check("BI:B:I,1      bi:B:i", "cannot hold");
    }

    #[test]
    fn tags_that_stand_twice() {
        let mut seen = Seen::default();
        seen.check(*b"AA").unwrap();
        seen.check(*b"AB").unwrap();
        assert!(seen.check(*b"AA").is_err());
        seen.clear();
        seen.check(*b"AA").unwrap();
    }
}
