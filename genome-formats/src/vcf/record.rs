//! The owned record.

use crate::coord::Span;

use super::allele::Allele;
use super::header::{Number, VcfHeader};
use super::value::{Call, Column, Genotype, Lists, Value, same_float};

/// A record of a VCF or BCF file. Any value is legal here; the writers check.
#[derive(Debug, Clone, Default)]
pub struct Variant {
    /// The sequence; in angle brackets where it stands in an assembly file.
    pub chrom: String,
    /// The first base of REF, counted from 0. `None` is POS 0: the telomere, in front of the first base.
    pub start: Option<u64>,
    /// The names; none for `.`.
    pub ids: Vec<String>,
    /// The reference allele.
    pub reference: Vec<u8>,
    /// The alternate alleles; none for `.`.
    pub alternates: Vec<Allele>,
    /// The quality, -10 log10 of the chance that ALT is wrong.
    pub qual: Option<f32>,
    /// `PASS` alone, or the filters that failed; none for `.`.
    pub filters: Vec<String>,
    /// INFO keys and values, in the order of the file.
    pub info: Vec<(String, Value)>,
    /// FORMAT keys with the values of all samples, in the order of the file.
    pub formats: Vec<(String, Column)>,
}

impl PartialEq for Variant {
    /// As a derived comparison, but two qualities that are `NaN` are equal.
    fn eq(&self, other: &Self) -> bool {
        self.chrom == other.chrom
            && self.start == other.start
            && self.ids == other.ids
            && self.reference == other.reference
            && self.alternates == other.alternates
            && same_float(self.qual, other.qual)
            && self.filters == other.filters
            && self.info == other.info
            && self.formats == other.formats
    }
}

impl Variant {
    /// The bases of REF on the sequence. At the telomere (POS 0) the first letter of REF stands for nothing, so the span
    /// is a letter shorter and starts at 0.
    pub fn span(&self) -> Span {
        let length = self.reference.len() as u64;
        let (start, length) = match self.start {
            Some(start) => (start, length),
            None => (0, length.saturating_sub(1)),
        };
        let end = start.saturating_add(length);
        Span::new(start, end).expect("an end is not in front of its start")
    }

    /// The base behind the last one that the record speaks of, counted from 0: what `INFO/END` says; for symbolic
    /// deletions, duplications, inversions and copy numbers what `INFO/SVLEN` says; for `<*>` what `FORMAT/LEN` says
    /// (VCFv4.5); else the end of REF.
    pub fn end(&self) -> u64 {
        let span = self.span();
        // The 1-based last base is the 0-based base behind it.
        if let Some(end) = self.info("END").and_then(Value::integer).and_then(|e| u64::try_from(e).ok())
            && end > span.start()
        {
            return end;
        }
        let mut end = span.end();
        // POS, counted from 1, is the base in front of the event, so POS + length is its end.
        let first = self.start.map_or(0, |s| s + 1);
        if let Some(Value::Integers(lengths)) = self.info("SVLEN") {
            for (allele, length) in self.alternates.iter().zip(lengths) {
                let spans = match allele {
                    Allele::Symbolic(id) => {
                        matches!(id.split(':').next(), Some("DEL" | "DUP" | "INV" | "CNV"))
                    }
                    _ => false,
                };
                if let Some(length) = length.filter(|_| spans) {
                    end = end.max(first.saturating_add(u64::from(length.unsigned_abs())));
                }
            }
        }
        let open = self.alternates.iter().any(|a| matches!(a, Allele::Symbolic(id) if id == "*" || id == "NON_REF"));
        if let Some(Column::Integers(lengths)) = self.format("LEN").filter(|_| open) {
            let longest = lengths.iter().flatten().flatten().copied().max().unwrap_or(0);
            end = end.max(span.start().saturating_add(u64::try_from(longest).unwrap_or(0)));
        }
        end
    }

    /// The value of an INFO key.
    pub fn info(&self, key: &str) -> Option<&Value> {
        self.info.iter().find(|(k, _)| k == key).map(|(_, v)| v)
    }

    /// The values of a FORMAT key.
    pub fn format(&self, key: &str) -> Option<&Column> {
        self.formats.iter().find(|(k, _)| k == key).map(|(_, c)| c)
    }

    /// The genotype of a sample.
    pub fn genotype(&self, sample: usize) -> Option<Genotype<'_>> {
        self.format("GT")?.genotype(sample)
    }

    /// Whether the filters let it pass.
    pub fn is_pass(&self) -> bool {
        self.filters.len() == 1 && self.filters[0] == "PASS"
    }

    /// Whether REF and every alternate allele are a single base.
    pub fn is_snv(&self) -> bool {
        self.reference.len() == 1
            && !self.alternates.is_empty()
            && self.alternates.iter().all(|a| a.bases().is_some_and(|b| b.len() == 1))
    }

    /// Whether all alternate alleles are bases and one has another length than REF.
    pub fn is_indel(&self) -> bool {
        !self.alternates.is_empty()
            && self.alternates.iter().all(|a| a.bases().is_some())
            && self.alternates.iter().any(|a| a.bases().is_some_and(|b| b.len() != self.reference.len()))
    }

    /// REF and an alternate allele without the letters that they share, at the end first, then at the start, and where
    /// the rest of REF lies. One of them may be empty: an insertion lies between two bases. `None` where the allele is
    /// not made of bases, or at the telomere.
    ///
    /// ```
    /// use genome_formats::vcf::{Allele, Variant};
    ///
    /// let deletion = Variant {
    ///     start: Some(99), // POS 100
    ///     reference: b"CAGT".to_vec(),
    ///     alternates: vec![Allele::Bases(b"CT".to_vec())],
    ///     ..Variant::default()
    /// };
    /// let (span, reference, alternate) = deletion.trimmed(0).unwrap();
    /// assert_eq!((span.start(), span.end()), (100, 102));
    /// assert_eq!((reference, alternate), (&b"AG"[..], &b""[..]));
    /// ```
    pub fn trimmed(&self, alternate: usize) -> Option<(Span, &[u8], &[u8])> {
        let bases = self.alternates.get(alternate)?.bases()?;
        let (skip, reference, bases) = trim(&self.reference, bases);
        let start = self.start?.checked_add(skip as u64)?;
        Some((Span::new(start, start.checked_add(reference.len() as u64)?)?, reference, bases))
    }

    /// One record for each alternate allele. Values of keys with `Number=A`, `R` or `G` are cut accordingly; in
    /// genotypes the allele becomes 1 and other alternate alleles become missing. A record with at most one alternate
    /// allele is given back as it is.
    pub fn split(&self, header: &VcfHeader) -> Vec<Self> {
        if self.alternates.len() < 2 {
            return vec![self.clone()];
        }
        let alternates = self.alternates.len();
        (0..alternates)
            .map(|i| {
                let pick = Pick { allele: i, alternates };
                let number = |key: &str| header.info(key).map(|d| d.number);
                let info = self.info.iter().map(|(key, value)| {
                    let number = number(key).or_else(|| {
                        super::reserved::reserved(super::reserved::Place::Info, key, header.version()).map(|r| r.number)
                    });
                    (key.clone(), pick.value(value, number))
                });
                let formats = self.formats.iter().map(|(key, column)| {
                    let number = header.format(key).map(|d| d.number).or_else(|| {
                        super::reserved::reserved(super::reserved::Place::Format, key, header.version())
                            .map(|r| r.number)
                    });
                    (key.clone(), pick.column(column, number))
                });
                Self {
                    alternates: vec![self.alternates[i].clone()],
                    info: info.collect(),
                    formats: formats.collect(),
                    chrom: self.chrom.clone(),
                    start: self.start,
                    ids: self.ids.clone(),
                    reference: self.reference.clone(),
                    qual: self.qual,
                    filters: self.filters.clone(),
                }
            })
            .collect()
    }
}

/// Cuts what `reference` and `alternate` share at the end, then at the start; gives the letters cut at the start.
pub(super) fn trim<'a>(reference: &'a [u8], alternate: &'a [u8]) -> (usize, &'a [u8], &'a [u8]) {
    let same = |(a, b): &(&u8, &u8)| a.eq_ignore_ascii_case(b);
    let suffix = reference.iter().rev().zip(alternate.iter().rev()).take_while(same).count();
    let (reference, alternate) = (&reference[..reference.len() - suffix], &alternate[..alternate.len() - suffix]);
    let prefix = reference.iter().zip(alternate).take_while(same).count();
    (prefix, &reference[prefix..], &alternate[prefix..])
}

/// Which values stay when a record keeps one of its alternate alleles.
#[derive(Clone, Copy)]
struct Pick {
    allele: usize,
    alternates: usize,
}

impl Pick {
    /// The kept values, or all where their count does not fit.
    fn list<T: Clone>(self, values: &[T], number: Option<Number>) -> Vec<T> {
        let picked: Option<Vec<T>> = match number {
            Some(Number::Alternates) if values.len() == self.alternates => Some(vec![values[self.allele].clone()]),
            Some(Number::Alleles) if values.len() == self.alternates + 1 => {
                Some(vec![values[0].clone(), values[self.allele + 1].clone()])
            }
            Some(Number::Genotypes) => ploidy_of(values.len(), self.alternates + 1).map(|ploidy| {
                let kept = (0..=ploidy).map(|copies| genotype_index(ploidy, copies, self.allele + 1));
                kept.filter_map(|i| values.get(i).cloned()).collect()
            }),
            _ => None,
        };
        picked.unwrap_or_else(|| values.to_vec())
    }

    fn text(self, text: &str, number: Option<Number>) -> String {
        let values: Vec<&str> = text.split(',').collect();
        self.list(&values, number).join(",")
    }

    fn value(self, value: &Value, number: Option<Number>) -> Value {
        match value {
            Value::Flag => Value::Flag,
            Value::Integers(values) => Value::Integers(self.list(values, number)),
            Value::Floats(values) => Value::Floats(self.list(values, number)),
            Value::Text(text) => Value::Text(self.text(text, number)),
        }
    }

    fn column(self, column: &Column, number: Option<Number>) -> Column {
        match column {
            Column::Integers(lists) => Column::Integers(lists.iter().map(|l| self.list(l, number)).collect()),
            Column::Floats(lists) => Column::Floats(lists.iter().map(|l| self.list(l, number)).collect()),
            Column::Text(texts) => Column::Text(texts.iter().map(|t| self.text(t, number)).collect()),
            Column::Genotypes(lists) => {
                let kept = self.allele as u64 + 1;
                let call = |call: &Call| Call {
                    allele: match call.allele {
                        Some(0) => Some(0),
                        Some(allele) if u64::from(allele) == kept => Some(1),
                        _ => None,
                    },
                    phased: call.phased,
                };
                let lists: Lists<Call> = lists.iter().map(|l| l.iter().map(call).collect::<Vec<_>>()).collect();
                Column::Genotypes(lists)
            }
        }
    }
}

/// How many genotypes there are: the ways to choose `ploidy` of `alleles` with repetition.
pub(super) fn genotype_count(alleles: usize, ploidy: usize) -> Option<usize> {
    choose((alleles + ploidy).checked_sub(1)?, ploidy)
}

fn choose(n: usize, k: usize) -> Option<usize> {
    let mut out = 1usize;
    for i in 0..k {
        out = out.checked_mul(n.checked_sub(i)?)? / (i + 1);
    }
    Some(out)
}

/// The ploidy up to 8 whose genotypes are `count`.
fn ploidy_of(count: usize, alleles: usize) -> Option<usize> {
    (1..=8).find(|&ploidy| genotype_count(alleles, ploidy) == Some(count))
}

/// Where the genotype of `copies` times `allele` and else the reference stands among the values of `Number=G`
/// (VCFv4.3, 1.6.2, GL): the sum over the sorted alleles a_1..a_p of choose(a_m + m - 1, m).
fn genotype_index(ploidy: usize, copies: usize, allele: usize) -> usize {
    (ploidy - copies + 1..=ploidy).filter_map(|m| choose(allele + m - 1, m)).sum()
}
