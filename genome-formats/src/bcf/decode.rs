//! From the bytes of a record to a [`Variant`]. Every size is checked against the bytes that are there.

use crate::error::ErrorKind;
use crate::vcf::problem::{Parsed, Problem, Report};
use crate::vcf::{Call, Column, FieldType, Lists, Value, Variant, VcfHeader, VcfVersion, implied_phase, parse_allele};

use super::dictionary::Dictionary;
use super::{FLOAT_END, FLOAT_MISSING, kind};

/// What a record is read against.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) header: &'a VcfHeader,
    pub(super) dictionary: &'a Dictionary,
}

/// Bytes with a mark; nothing is read behind their end.
#[derive(Debug)]
struct Cursor<'a>(&'a [u8]);

/// The header of a value: its type, and how many there are.
#[derive(Debug, Clone, Copy)]
struct Type {
    kind: u8,
    count: usize,
}

impl Type {
    fn width(self) -> Parsed<usize> {
        Ok(match self.kind {
            kind::NONE => 0,
            kind::INT8 | kind::CHAR => 1,
            kind::INT16 => 2,
            kind::INT32 | kind::FLOAT => 4,
            other => {
                let problem = Problem::new("type of a value", "a value has a type that BCF does not know");
                return Err(problem.expecting("0, 1, 2, 3, 5 or 7").found(other.to_string()));
            }
        })
    }

    fn bytes(self) -> Parsed<usize> {
        let width = self.width()?;
        self.count.checked_mul(width).ok_or_else(too_short)
    }
}

#[cold]
fn too_short() -> Box<Problem> {
    Problem::new("size of a record", "a value reaches over the end of its record").of_kind(ErrorKind::Truncated)
}

impl<'a> Cursor<'a> {
    fn take(&mut self, n: usize) -> Parsed<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(n).ok_or_else(too_short)?;
        self.0 = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Parsed<[u8; N]> {
        let bytes = self.take(N)?;
        Ok(bytes.try_into().expect("as many bytes as were taken"))
    }

    fn i32(&mut self) -> Parsed<i32> {
        Ok(i32::from_le_bytes(self.array()?))
    }

    fn u32(&mut self) -> Parsed<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// "The low 4 bits are the type, the high 4 the number of values; 15 says that a typed integer with the number
    /// follows" (6.3.3).
    fn kind(&mut self) -> Parsed<Type> {
        let [byte] = self.array()?;
        let (kind, mut count) = (byte & 0x0f, usize::from(byte >> 4));
        if count == 15 {
            let long = self.integer()?;
            count = usize::try_from(long)
                .map_err(|_| Problem::new("size of a value", "a value has a negative size").found(long.to_string()))?;
        }
        Ok(Type { kind, count })
    }

    /// A typed whole number.
    fn integer(&mut self) -> Parsed<i32> {
        let [byte] = self.array()?;
        match byte {
            0x11 => self.array::<1>().map(|b| i32::from(b[0] as i8)),
            0x12 => self.array().map(|b| i32::from(i16::from_le_bytes(b))),
            0x13 => self.i32(),
            other => {
                let problem = Problem::new("type of a value", "a key or size is not a single whole number");
                Err(problem.found(format!("type byte 0x{other:02x}")))
            }
        }
    }

    fn text(&mut self) -> Parsed<String> {
        let kind = self.kind()?;
        if kind.kind == kind::NONE || kind.count == 0 && kind.kind != kind::CHAR {
            return Ok(String::new());
        }
        if kind.kind != kind::CHAR {
            let problem = Problem::new("type of a value", "a text is of another type");
            return Err(problem.found(format!("type {}", kind.kind)));
        }
        Ok(text_of(self.take(kind.count)?))
    }
}

fn text_of(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// A number of a list.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Item<T> {
    Value(T),
    Missing,
    End,
}

impl<T> Item<T> {
    fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            _ => None,
        }
    }
}

fn integers(kind: u8, bytes: &[u8]) -> impl Iterator<Item = Item<i32>> + use<'_> {
    let width = match kind {
        kind::INT8 => 1,
        kind::INT16 => 2,
        _ => 4,
    };
    bytes.chunks_exact(width).map(move |b| {
        let (number, lowest) = match *b {
            [a] => (i32::from(a as i8), i32::from(i8::MIN)),
            [a, b] => (i32::from(i16::from_le_bytes([a, b])), i32::from(i16::MIN)),
            [a, b, c, d] => (i32::from_le_bytes([a, b, c, d]), i32::MIN),
            _ => (0, 0),
        };
        if number == lowest {
            Item::Missing
        } else if number == lowest + 1 {
            Item::End
        } else {
            Item::Value(number)
        }
    })
}

fn floats(bytes: &[u8]) -> impl Iterator<Item = Item<f32>> + use<'_> {
    bytes.chunks_exact(4).map(|b| {
        let bits = u32::from_le_bytes([b[0], b[1], b[2], b[3]]);
        match bits {
            FLOAT_MISSING => Item::Missing,
            FLOAT_END => Item::End,
            bits => Item::Value(f32::from_bits(bits)),
        }
    })
}

/// The values in front of the end of a list.
fn list<T: PartialEq>(items: impl Iterator<Item = Item<T>>) -> impl Iterator<Item = Option<T>> {
    items.take_while(|i| !matches!(i, Item::End)).map(Item::value)
}

/// Decodes a record; `shared` has the site, `individual` the samples (6.3.1, 6.3.2).
pub(super) fn record(shared: &[u8], individual: &[u8], context: Context<'_>, report: &mut Report) -> Parsed<Variant> {
    let mut cursor = Cursor(shared);
    let chrom = cursor.i32()?;
    let position = cursor.i32()?;
    let length = cursor.i32()?;
    let qual = cursor.u32()?;
    let counts = cursor.u32()?;
    let samples = cursor.u32()?;
    let (infos, alleles) = (counts & 0xffff, counts >> 16);
    let (formats, samples) = (samples >> 24, samples & 0x00ff_ffff);

    let Some(chrom) = context.dictionary.contig(chrom) else {
        let problem = Problem::new("dictionary", "CHROM is a number without a ##contig line");
        return Err(problem.found(chrom.to_string()));
    };
    // "POS: 0-based"; -1 is the telomere, POS 0 of VCF.
    let start = match position {
        -1 => None,
        n => Some(u64::try_from(n).map_err(|_| {
            Problem::new("position", "POS is in front of the telomere").expecting("-1 or more").found(n.to_string())
        })?),
    };
    if length < 0 {
        let problem = Problem::new("rlen", "the length of a record on its sequence is negative");
        report.broken(problem.found(length.to_string()))?;
    }
    if alleles == 0 {
        return Err(Problem::new("REF", "a record has no REF allele"));
    }
    let ids = cursor.text()?;
    let reference = cursor.text()?.into_bytes();
    let mut alternates = Vec::new();
    for _ in 1..alleles {
        let text = cursor.text()?;
        alternates.push(match parse_allele(text.as_bytes()) {
            Ok(allele) => allele,
            Err(what) => {
                report.broken(Problem::new("ALT", what).finding(text.as_bytes()))?;
                crate::vcf::Allele::Bases(text.into_bytes())
            }
        });
    }
    let filters = filters(&mut cursor, context)?;
    let mut info = Vec::new();
    for _ in 0..infos {
        let key = key(&mut cursor, context)?;
        let value = info_value(&mut cursor, &key, context)?;
        info.push((key, value));
    }
    if !cursor.0.is_empty() {
        let problem = Problem::new("size of a record", "bytes are left behind the last INFO value");
        report.broken(problem.found(crate::error::count(cursor.0.len() as u64, "byte")))?;
    }
    let formats = columns(individual, formats, samples as usize, context, report)?;
    Ok(Variant {
        chrom: chrom.to_owned(),
        start,
        ids: ids.split(';').filter(|id| !id.is_empty() && *id != ".").map(str::to_owned).collect(),
        reference,
        alternates,
        qual: (qual != FLOAT_MISSING).then(|| f32::from_bits(qual)),
        filters,
        info,
        formats,
    })
}

fn name(number: i32, context: Context<'_>) -> Parsed<String> {
    let problem = || {
        let problem = Problem::new("dictionary", "a record uses a number that no FILTER, INFO or FORMAT line has");
        problem.found(number.to_string())
    };
    context.dictionary.string(number).map(str::to_owned).ok_or_else(problem)
}

fn key(cursor: &mut Cursor<'_>, context: Context<'_>) -> Parsed<String> {
    name(cursor.integer()?, context)
}

fn filters(cursor: &mut Cursor<'_>, context: Context<'_>) -> Parsed<Vec<String>> {
    let kind = cursor.kind()?;
    let bytes = cursor.take(kind.bytes()?)?;
    match kind.kind {
        kind::NONE => Ok(Vec::new()),
        kind::INT8 | kind::INT16 | kind::INT32 => {
            list(integers(kind.kind, bytes)).flatten().map(|number| name(number, context)).collect()
        }
        other => Err(Problem::new("type of a value", "FILTER is not a list of numbers").found(format!("type {other}"))),
    }
}

fn info_value(cursor: &mut Cursor<'_>, key: &str, context: Context<'_>) -> Parsed<Value> {
    let kind = cursor.kind()?;
    let bytes = cursor.take(kind.bytes()?)?;
    let declared = context.header.info(key).map(|d| d.kind);
    if bytes.is_empty() {
        return Ok(match declared {
            Some(FieldType::Integer) => Value::Integers(vec![None]),
            Some(FieldType::Float) => Value::Floats(vec![None]),
            _ if kind.kind == kind::CHAR => Value::Text(".".to_owned()),
            _ => Value::Flag,
        });
    }
    Ok(match kind.kind {
        kind::CHAR => Value::Text(non_empty(text_of(bytes))),
        kind::FLOAT => Value::Floats(list(floats(bytes)).collect()),
        _ => {
            let values: Vec<_> = list(integers(kind.kind, bytes)).collect();
            match values[..] {
                [Some(1)] if declared == Some(FieldType::Flag) => Value::Flag,
                _ => Value::Integers(values),
            }
        }
    })
}

fn non_empty(text: String) -> String {
    if text.is_empty() { ".".to_owned() } else { text }
}

fn columns(
    bytes: &[u8],
    formats: u32,
    samples: usize,
    context: Context<'_>,
    report: &mut Report,
) -> Parsed<Vec<(String, Column)>> {
    let mut cursor = Cursor(bytes);
    let expected = context.header.samples().len();
    if formats > 0 && samples != expected {
        let problem = Problem::new("number of samples", "a record has another number of samples than the header");
        return Err(problem.expecting(expected.to_string()).found(samples.to_string()));
    }
    let mut out = Vec::new();
    for _ in 0..formats {
        let key = key(&mut cursor, context)?;
        let kind = cursor.kind()?;
        let width = kind.bytes()?;
        let bytes = cursor.take(width.checked_mul(samples).ok_or_else(too_short)?)?;
        // A list without values takes no room in the file, but one in memory for each sample.
        if width == 0 && samples.saturating_mul(out.len() + 1) > (1 << 20) + bytes.len() {
            let problem = Problem::new("number of values", "a record leaves out more values than is sane");
            return Err(problem.of_kind(ErrorKind::Limit));
        }
        let column = column(&key, kind, bytes, width, samples, context)?;
        out.push((key, column));
    }
    if !cursor.0.is_empty() {
        let problem = Problem::new("size of a record", "bytes are left behind the last sample");
        report.broken(problem.found(crate::error::count(cursor.0.len() as u64, "byte")))?;
    }
    Ok(out)
}

fn column(key: &str, kind: Type, bytes: &[u8], width: usize, samples: usize, context: Context<'_>) -> Parsed<Column> {
    let sample = |i: usize| &bytes[i * width..(i + 1) * width];
    let version = context.header.version();
    if key == "GT" {
        let mut lists = Lists::with_capacity(samples);
        for i in 0..samples {
            lists.push(genotype(kind, sample(i), version)?);
        }
        return Ok(Column::Genotypes(lists));
    }
    let declared = context.header.format(key).map(|d| d.kind);
    // A list that ends at once is empty since 4.5, and was missing before.
    let empty = |n: usize| n == 0 && (version < VcfVersion::V4_5 || width == 0);
    Ok(match (kind.kind, declared) {
        (kind::CHAR, _) => Column::Text((0..samples).map(|i| non_empty(text_of(sample(i)))).collect()),
        (kind::FLOAT, _) | (kind::NONE, Some(FieldType::Float)) => {
            let mut lists = Lists::with_capacity(samples);
            for i in 0..samples {
                let values: Vec<_> = list(floats(sample(i))).collect();
                lists.push(if empty(values.len()) { vec![None] } else { values });
            }
            Column::Floats(lists)
        }
        (kind::NONE, Some(FieldType::String | FieldType::Character)) => Column::Text(vec![".".to_owned(); samples]),
        _ => {
            let mut lists = Lists::with_capacity(samples);
            for i in 0..samples {
                let values: Vec<_> = list(integers(kind.kind, sample(i))).collect();
                lists.push(if empty(values.len()) { vec![None] } else { values });
            }
            Column::Integers(lists)
        }
    })
}

/// "(allele + 1) << 1 | phased; 0 is missing; the bit of the first allele is not used" (6.3.3); since 4.4 it is.
fn genotype(kind: Type, bytes: &[u8], version: VcfVersion) -> Parsed<Vec<Call>> {
    if !matches!(kind.kind, kind::NONE | kind::INT8 | kind::INT16 | kind::INT32) {
        let problem = Problem::new("type of a value", "GT is not a list of whole numbers");
        return Err(problem.found(format!("type {}", kind.kind)));
    }
    let mut calls = Vec::new();
    for item in integers(kind.kind, bytes) {
        let number = match item {
            Item::End => break,
            Item::Missing => 0,
            Item::Value(number) => number,
        };
        let number = u32::try_from(number)
            .map_err(|_| Problem::new("genotype", "a genotype has a negative allele").found(number.to_string()))?;
        calls.push(Call { allele: (number >> 1).checked_sub(1), phased: number & 1 == 1 });
    }
    let Some((first, others)) = calls.split_first_mut() else {
        return Ok(vec![Call { allele: None, phased: true }]);
    };
    if version < VcfVersion::V4_4 || others.is_empty() {
        first.phased = implied_phase(others);
    }
    Ok(calls)
}
