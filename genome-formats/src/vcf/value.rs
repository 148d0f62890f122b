//! Values of INFO and FORMAT fields, and genotypes.

use std::fmt::{self, Write};

/// The value of an INFO key. Numbers that are missing (`.`) are `None`.
///
/// Text is kept as it stands in the file: several values are joined by commas, and since VCFv4.3 special characters are
/// percent-encoded ([`decode_percent`]). Two values are equal when their numbers are; `NaN` equals `NaN`.
#[derive(Debug, Clone)]
pub enum Value {
    /// A key without a value.
    Flag,
    /// Whole numbers.
    Integers(Vec<Option<i32>>),
    /// Numbers with a fraction.
    Floats(Vec<Option<f32>>),
    /// Text or characters, `.` where missing.
    Text(String),
}

impl Value {
    /// The first whole number.
    pub fn integer(&self) -> Option<i32> {
        match self {
            Self::Integers(values) => *values.first()?,
            _ => None,
        }
    }

    /// The first number with a fraction; whole numbers count too.
    pub fn float(&self) -> Option<f32> {
        match self {
            Self::Floats(values) => *values.first()?,
            _ => self.integer().map(|n| n as f32),
        }
    }

    /// The texts between commas; nothing where the value is missing or is no text.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let text = match self {
            Self::Text(text) if text != "." => Some(text),
            _ => None,
        };
        text.into_iter().flat_map(|t| t.split(','))
    }

    /// How many values there are. Commas between double quotes separate nothing.
    pub fn count(&self) -> usize {
        match self {
            Self::Flag => 0,
            Self::Integers(values) => values.len(),
            Self::Floats(values) => values.len(),
            Self::Text(text) => count_texts(text.as_bytes()),
        }
    }

    /// Whether all it says is `.`.
    pub fn is_missing(&self) -> bool {
        match self {
            Self::Flag => false,
            Self::Integers(values) => values[..] == [None],
            Self::Floats(values) => values[..] == [None],
            Self::Text(text) => text == ".",
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Flag, Self::Flag) => true,
            (Self::Integers(a), Self::Integers(b)) => a == b,
            (Self::Floats(a), Self::Floats(b)) => same_floats(a, b),
            (Self::Text(a), Self::Text(b)) => a == b,
            _ => false,
        }
    }
}

/// Resolves the percent encoding of VCFv4.3 (1.2): `%3B` is a semicolon. What is no encoding stays.
///
/// ```
/// assert_eq!(genome_formats::vcf::decode_percent("a%3Bb 100%"), "a;b 100%");
/// ```
pub fn decode_percent(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&b, tail)) = rest.split_first() {
        let digits = tail.get(..2).filter(|d| b == b'%' && d.iter().all(u8::is_ascii_hexdigit));
        match digits.and_then(|d| std::str::from_utf8(d).ok()).and_then(|d| u8::from_str_radix(d, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                rest = &tail[2..];
            }
            None => {
                out.push(b);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// How many values a text holds: the specification's valid files have a text in quotes with a comma as one value.
pub(super) fn count_texts(text: &[u8]) -> usize {
    let mut quoted = false;
    let mut commas = 0;
    for &byte in text {
        quoted ^= byte == b'"';
        commas += usize::from(byte == b',' && !quoted);
    }
    commas + 1
}

/// Whether two numbers are the same, `NaN` included.
pub(super) fn same_float(a: Option<f32>, b: Option<f32>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a == b || a.is_nan() && b.is_nan(),
        (a, b) => a.is_none() && b.is_none(),
    }
}

fn same_floats(a: &[Option<f32>], b: &[Option<f32>]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(&a, &b)| same_float(a, b))
}

/// One allele of a genotype.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Call {
    /// 0 is the reference, 1 the first alternate allele; `None` is `.`.
    pub allele: Option<u32>,
    /// Whether it is phased: `|` in front of it. The first allele of a genotype is phased where all others are, unless
    /// the file says otherwise (VCFv4.4).
    pub phased: bool,
}

/// The genotype of one sample: its alleles, as many as the ploidy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Genotype<'a> {
    /// The alleles in their order.
    pub calls: &'a [Call],
}

impl Genotype<'_> {
    /// How many alleles there are.
    pub fn ploidy(&self) -> usize {
        self.calls.len()
    }

    /// Whether all alleles are phased.
    pub fn is_phased(&self) -> bool {
        self.calls.iter().all(|c| c.phased)
    }

    /// Whether an allele is missing.
    pub fn is_missing(&self) -> bool {
        self.calls.iter().any(|c| c.allele.is_none())
    }

    /// How often an allele is there.
    pub fn count(&self, allele: u32) -> usize {
        self.calls.iter().filter(|c| c.allele == Some(allele)).count()
    }
}

impl fmt::Display for Genotype<'_> {
    /// As the column has it: `0|1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, call) in self.calls.iter().enumerate() {
            if i > 0 || call.phased != implied_phase(&self.calls[1..]) {
                f.write_char(if call.phased { '|' } else { '/' })?;
            }
            match call.allele {
                Some(allele) => write!(f, "{allele}")?,
                None => f.write_char('.')?,
            }
        }
        Ok(())
    }
}

/// "The first phasing indicator may be omitted and is implicitly defined as / if any phasing indicators are / and |
/// otherwise" (VCFv4.4, 1.6.2).
pub(crate) fn implied_phase(others: &[Call]) -> bool {
    others.iter().all(|c| c.phased)
}

/// Lists of different lengths, one for each sample, in one piece of memory.
#[derive(Debug, Clone)]
pub struct Lists<T> {
    values: Vec<T>,
    ends: Vec<usize>,
}

impl<T> Default for Lists<T> {
    fn default() -> Self {
        Self { values: Vec::new(), ends: Vec::new() }
    }
}

impl<T> Lists<T> {
    /// The list of a sample.
    pub fn get(&self, sample: usize) -> Option<&[T]> {
        let end = *self.ends.get(sample)?;
        let start = if sample == 0 { 0 } else { self.ends[sample - 1] };
        Some(&self.values[start..end])
    }

    /// How many lists there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no list.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// All lists in their order.
    pub fn iter(&self) -> impl Iterator<Item = &[T]> {
        (0..self.len()).filter_map(|i| self.get(i))
    }

    /// Appends a list.
    pub fn push(&mut self, list: impl IntoIterator<Item = T>) {
        self.values.extend(list);
        self.ends.push(self.values.len());
    }

    pub(crate) fn with_capacity(samples: usize) -> Self {
        Self { values: Vec::with_capacity(samples), ends: Vec::with_capacity(samples) }
    }

    /// Appends to the list that [`Lists::close`] ends.
    pub(super) fn add(&mut self, value: T) {
        self.values.push(value);
    }

    pub(super) fn close(&mut self) {
        self.ends.push(self.values.len());
    }

    /// The list that is not closed yet.
    pub(super) fn open(&mut self) -> &mut [T] {
        let start = self.ends.last().copied().unwrap_or(0);
        &mut self.values[start..]
    }

    pub(super) fn cut_open(&mut self) {
        let start = self.ends.last().copied().unwrap_or(0);
        self.values.truncate(start);
    }
}

impl<T, L: IntoIterator<Item = T>> FromIterator<L> for Lists<T> {
    fn from_iter<I: IntoIterator<Item = L>>(lists: I) -> Self {
        let mut out = Self::default();
        for list in lists {
            out.push(list);
        }
        out
    }
}

/// The values of one FORMAT key in all samples. A value that is missing or left out at the end of a sample is `.`.
#[derive(Debug, Clone)]
pub enum Column {
    /// Whole numbers.
    Integers(Lists<Option<i32>>),
    /// Numbers with a fraction.
    Floats(Lists<Option<f32>>),
    /// Text as it stands in the file, several values joined by commas.
    Text(Vec<String>),
    /// Genotypes (the key `GT`).
    Genotypes(Lists<Call>),
}

impl Column {
    /// How many samples there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Integers(lists) => lists.len(),
            Self::Floats(lists) => lists.len(),
            Self::Text(texts) => texts.len(),
            Self::Genotypes(lists) => lists.len(),
        }
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The whole numbers of a sample.
    pub fn integers(&self, sample: usize) -> Option<&[Option<i32>]> {
        match self {
            Self::Integers(lists) => lists.get(sample),
            _ => None,
        }
    }

    /// The numbers with a fraction of a sample.
    pub fn floats(&self, sample: usize) -> Option<&[Option<f32>]> {
        match self {
            Self::Floats(lists) => lists.get(sample),
            _ => None,
        }
    }

    /// The text of a sample.
    pub fn text(&self, sample: usize) -> Option<&str> {
        match self {
            Self::Text(texts) => texts.get(sample).map(String::as_str),
            _ => None,
        }
    }

    /// The genotype of a sample.
    pub fn genotype(&self, sample: usize) -> Option<Genotype<'_>> {
        match self {
            Self::Genotypes(lists) => lists.get(sample).map(|calls| Genotype { calls }),
            _ => None,
        }
    }

    /// Whether all that a sample has is `.`.
    pub(super) fn is_missing(&self, sample: usize) -> bool {
        match self {
            Self::Integers(lists) => lists.get(sample).is_some_and(|l| l == [None]),
            Self::Floats(lists) => lists.get(sample).is_some_and(|l| l == [None]),
            Self::Text(texts) => texts.get(sample).is_some_and(|t| t == "."),
            Self::Genotypes(lists) => {
                lists.get(sample).is_some_and(|l| l.len() == 1 && l[0].allele.is_none() && l[0].phased)
            }
        }
    }
}

impl PartialEq for Column {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Integers(a), Self::Integers(b)) => a.ends == b.ends && a.values == b.values,
            (Self::Floats(a), Self::Floats(b)) => a.ends == b.ends && same_floats(&a.values, &b.values),
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Genotypes(a), Self::Genotypes(b)) => a.ends == b.ends && a.values == b.values,
            _ => false,
        }
    }
}

/// Writes numbers as the columns have them.
pub(super) fn write_integers(out: &mut Vec<u8>, values: &[Option<i32>]) {
    write_list(out, values, |out, n| out.extend_from_slice(n.to_string().as_bytes()));
}

/// Writes numbers so that the same `f32` is read again.
pub(super) fn write_floats(out: &mut Vec<u8>, values: &[Option<f32>]) {
    write_list(out, values, |out, n| out.extend_from_slice(float_text(n).as_bytes()));
}

/// The shortest text of a number that gives it back: `0.05`, `1e-30`, `NaN`, `Inf`.
pub(super) fn float_text(n: f32) -> String {
    if n.is_nan() {
        "NaN".to_owned()
    } else if n.is_infinite() {
        if n > 0.0 { "Inf" } else { "-Inf" }.to_owned()
    } else if n != 0.0 && !(1e-5..1e16).contains(&n.abs()) {
        format!("{n:e}")
    } else {
        n.to_string()
    }
}

fn write_list<T: Copy>(out: &mut Vec<u8>, values: &[Option<T>], mut write: impl FnMut(&mut Vec<u8>, T)) {
    for (i, value) in values.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        match value {
            Some(value) => write(out, *value),
            None => out.push(b'.'),
        }
    }
}
