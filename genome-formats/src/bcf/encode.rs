//! From a [`Variant`] to the bytes of a record.

use crate::vcf::problem::{Parsed, Problem};
use crate::vcf::{Call, Column, Lists, Value, Variant, VcfVersion};

use super::decode::Context;
use super::{FLOAT_END, FLOAT_MISSING, kind};

/// A canonical NaN: the others have a meaning in BCF.
const FLOAT_NAN: u32 = 0x7fc0_0000;

/// Appends the two parts of a record.
pub(super) fn record(
    record: &Variant,
    context: Context<'_>,
    shared: &mut Vec<u8>,
    individual: &mut Vec<u8>,
) -> Parsed<()> {
    let Some(chrom) = context.dictionary.contig_number(&record.chrom) else {
        return Err(undeclared("CHROM", "contig", &record.chrom));
    };
    let position = match record.start {
        None => -1,
        Some(start) => i32::try_from(start).map_err(|_| too_large("POS"))?,
    };
    let length = record.end().saturating_sub(record.start.unwrap_or(0));
    let length = i32::try_from(length).map_err(|_| too_large("the length"))?;
    let infos = u16::try_from(record.info.len()).map_err(|_| too_large("the number of INFO fields"))?;
    let alleles = u16::try_from(record.alternates.len() + 1).map_err(|_| too_large("the number of alleles"))?;
    let formats = u8::try_from(record.formats.len()).map_err(|_| too_large("the number of FORMAT keys"))?;
    let samples = context.header.samples().len() as u32;

    shared.extend_from_slice(&chrom.to_le_bytes());
    shared.extend_from_slice(&position.to_le_bytes());
    shared.extend_from_slice(&length.to_le_bytes());
    shared.extend_from_slice(&record.qual.map_or(FLOAT_MISSING, bits).to_le_bytes());
    shared.extend_from_slice(&(u32::from(alleles) << 16 | u32::from(infos)).to_le_bytes());
    shared.extend_from_slice(&(u32::from(formats) << 24 | samples).to_le_bytes());
    text(shared, record.ids.join(";").as_bytes());
    text(shared, &record.reference);
    for allele in &record.alternates {
        match allele.bases() {
            Some(bases) => text(shared, bases),
            None => text(shared, allele.to_string().as_bytes()),
        }
    }
    let filters = record.filters.iter().map(|name| number(context, "FILTER", name).map(Some));
    let filters = filters.collect::<Parsed<Vec<_>>>()?;
    if filters.is_empty() {
        shared.push(kind::NONE);
    } else {
        integers(shared, &filters)?;
    }
    for (key, value) in &record.info {
        integers(shared, &[Some(number(context, "INFO", key)?)])?;
        match value {
            Value::Flag => shared.push(kind::NONE),
            Value::Integers(values) => integers(shared, values)?,
            Value::Floats(values) => floats(shared, values),
            Value::Text(value) => text(shared, value.as_bytes()),
        }
    }
    for (key, column) in &record.formats {
        if column.len() != samples as usize {
            let problem =
                Problem::new("number of samples", "a FORMAT key has another number of samples than the header");
            return Err(problem.expecting(samples.to_string()).found(column.len().to_string()));
        }
        integers(individual, &[Some(number(context, "FORMAT", key)?)])?;
        match column {
            Column::Integers(lists) => {
                let lists: Vec<&[Option<i32>]> = lists.iter().collect();
                integer_lists(individual, &lists)?;
            }
            Column::Floats(lists) => float_lists(individual, lists),
            Column::Text(texts) => text_lists(individual, texts),
            Column::Genotypes(lists) => {
                let calls: Vec<Vec<Option<i32>>> =
                    lists.iter().map(|calls| genotype(calls, context.header.version())).collect::<Parsed<_>>()?;
                let calls: Vec<&[Option<i32>]> = calls.iter().map(Vec::as_slice).collect();
                integer_lists(individual, &calls)?;
            }
        }
    }
    Ok(())
}

fn number(context: Context<'_>, place: &'static str, name: &str) -> Parsed<i32> {
    let declared = match place {
        "INFO" => context.header.info(name).is_some(),
        "FORMAT" => context.header.format(name).is_some(),
        _ => true,
    };
    let number = context.dictionary.string_number(name);
    number.filter(|_| declared).ok_or_else(|| undeclared(place, place, name))
}

fn undeclared(place: &'static str, line: &'static str, name: &str) -> Box<Problem> {
    let problem = Problem::new("dictionary", format!("{place} is not declared in the header, which BCF needs"));
    problem.expecting(format!("a line ##{line}=<ID=...>")).finding(name.as_bytes())
}

fn too_large(what: &str) -> Box<Problem> {
    Problem::new("size", format!("{what} of a record is too large for BCF"))
}

fn bits(n: f32) -> u32 {
    if n.is_nan() { FLOAT_NAN } else { n.to_bits() }
}

fn head(out: &mut Vec<u8>, kind: u8, count: usize) {
    if count < 15 {
        out.push((count as u8) << 4 | kind);
    } else {
        out.push(0xf0 | kind);
        match (i8::try_from(count), i16::try_from(count)) {
            (Ok(n), _) => out.extend_from_slice(&[0x11, n as u8]),
            (_, Ok(n)) => {
                out.push(0x12);
                out.extend_from_slice(&n.to_le_bytes());
            }
            _ => {
                out.push(0x13);
                out.extend_from_slice(&(count as u32).to_le_bytes());
            }
        }
    }
}

fn text(out: &mut Vec<u8>, text: &[u8]) {
    head(out, kind::CHAR, text.len());
    out.extend_from_slice(text);
}

/// The smallest type that holds the values. The lowest eight numbers of each are reserved.
fn integer_kind(values: impl Iterator<Item = i32>) -> Parsed<u8> {
    let (mut low, mut high) = (0, 0);
    for n in values {
        low = low.min(n);
        high = high.max(n);
    }
    if low >= i32::from(i8::MIN) + 8 && high <= i32::from(i8::MAX) {
        Ok(kind::INT8)
    } else if low >= i32::from(i16::MIN) + 8 && high <= i32::from(i16::MAX) {
        Ok(kind::INT16)
    } else if low >= i32::MIN + 8 {
        Ok(kind::INT32)
    } else {
        let problem = Problem::new("32-bit integers", "a number is reserved in BCF and cannot be stored");
        Err(problem.expecting("-2147483640 or more").found(low.to_string()))
    }
}

/// `special` is 0 for a missing value, 1 for the end of a list.
fn integer(out: &mut Vec<u8>, kind: u8, value: Option<i32>, special: i32) {
    match kind {
        kind::INT8 => out.push(value.unwrap_or(i32::from(i8::MIN) + special) as u8),
        kind::INT16 => {
            let n = value.unwrap_or(i32::from(i16::MIN) + special) as i16;
            out.extend_from_slice(&n.to_le_bytes());
        }
        _ => out.extend_from_slice(&value.unwrap_or(i32::MIN + special).to_le_bytes()),
    }
}

fn integers(out: &mut Vec<u8>, values: &[Option<i32>]) -> Parsed<()> {
    let kind = integer_kind(values.iter().flatten().copied())?;
    head(out, kind, values.len());
    for &value in values {
        integer(out, kind, value, 0);
    }
    Ok(())
}

fn integer_lists(out: &mut Vec<u8>, lists: &[&[Option<i32>]]) -> Parsed<()> {
    let kind = integer_kind(lists.iter().flat_map(|l| l.iter().flatten()).copied())?;
    let longest = lists.iter().map(|l| l.len()).max().unwrap_or(0).max(1);
    head(out, kind, longest);
    for list in lists {
        for &value in *list {
            integer(out, kind, value, 0);
        }
        for _ in list.len()..longest {
            integer(out, kind, None, 1);
        }
    }
    Ok(())
}

fn floats(out: &mut Vec<u8>, values: &[Option<f32>]) {
    head(out, kind::FLOAT, values.len());
    for value in values {
        out.extend_from_slice(&value.map_or(FLOAT_MISSING, bits).to_le_bytes());
    }
}

fn float_lists(out: &mut Vec<u8>, lists: &Lists<Option<f32>>) {
    let longest = lists.iter().map(<[_]>::len).max().unwrap_or(0).max(1);
    head(out, kind::FLOAT, longest);
    for list in lists.iter() {
        for value in list {
            out.extend_from_slice(&value.map_or(FLOAT_MISSING, bits).to_le_bytes());
        }
        for _ in list.len()..longest {
            out.extend_from_slice(&FLOAT_END.to_le_bytes());
        }
    }
}

fn text_lists(out: &mut Vec<u8>, texts: &[String]) {
    let longest = texts.iter().map(String::len).max().unwrap_or(0).max(1);
    head(out, kind::CHAR, longest);
    for text in texts {
        out.extend_from_slice(text.as_bytes());
        out.resize(out.len() + longest - text.len(), 0);
    }
}

fn genotype(calls: &[Call], version: VcfVersion) -> Parsed<Vec<Option<i32>>> {
    let number = |(i, call): (usize, &Call)| {
        let allele = match call.allele {
            None => 0,
            Some(allele) => i32::try_from(allele)
                .ok()
                .and_then(|a| a.checked_add(1))
                .filter(|a| *a < 1 << 29)
                .ok_or_else(|| too_large("an allele"))?,
        };
        let phased = call.phased && (i > 0 || version >= VcfVersion::V4_4);
        Ok(Some(allele << 1 | i32::from(phased)))
    };
    calls.iter().enumerate().map(number).collect()
}
