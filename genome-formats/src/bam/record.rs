//! One alignment in the bytes of BAM (SAMv1, section 4.2): its layout, a view in place, decoding and encoding.

use std::borrow::Cow;
use std::sync::Arc;

use crate::coord::Span;
use crate::error::{count, quote};
use crate::sam::cigar::{CigarLengths, CigarOp, measure};
use crate::sam::flags::Flags;
use crate::sam::header::SamHeader;
use crate::sam::reader::is_linked;
use crate::sam::record::{Alignment, span_of};
use crate::sam::tags::{
    Broken, BrokenRule, Checked, Seen, Tag, TagArray, TagValue, check_char, check_hex, check_tag, check_text,
    decode_hex, write_hex,
};

/// Letters of the four-bit codes.
const LETTERS: &[u8; 16] = b"=ACMGRSVTWYHKDBN";

/// Both letters of a byte.
static LETTER_PAIRS: [[u8; 2]; 256] = {
    let mut table = [[0; 2]; 256];
    let mut i = 0;
    while i < 256 {
        table[i] = [LETTERS[i >> 4], LETTERS[i & 15]];
        i += 1;
    }
    table
};

/// Codes of letters, in either case; 255 for letters that BAM does not have.
static CODES: [u8; 256] = {
    let mut table = [255; 256];
    let mut i = 0;
    while i < 16 {
        table[LETTERS[i] as usize] = i as u8;
        table[LETTERS[i].to_ascii_lowercase() as usize] = i as u8;
        i += 1;
    }
    table
};

/// The fixed fields in front of the name.
pub(super) const FIXED: usize = 32;

/// Where the parts of a record lie, all checked to be inside of it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Layout {
    cigar: usize,
    sequence: usize,
    qualities: usize,
    tags: usize,
    letters: usize,
    /// The operations: their first byte and number. They lie in the tag `CG` when there are more than 65,535.
    ops: usize,
    op_count: usize,
    /// The bytes of the tag `CG`, if the operations are there.
    long_cigar: Option<(usize, usize)>,
    /// Bases that the operations take.
    lengths: CigarLengths,
}

#[cold]
fn broken(
    rule: Option<&'static str>,
    problem: impl Into<Cow<'static, str>>,
    expected: &'static str,
    found: String,
) -> Broken {
    Box::new(BrokenRule { rule, problem: problem.into(), expected, found })
}

fn u16_at(data: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([data[at], data[at + 1]])
}

fn u32_at(data: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([data[at], data[at + 1], data[at + 2], data[at + 3]])
}

fn i32_at(data: &[u8], at: usize) -> i32 {
    u32_at(data, at) as i32
}

fn op_at(data: &[u8], at: usize) -> Option<CigarOp> {
    CigarOp::from_bam(u32_at(data, at))
}

impl Layout {
    /// Finds the parts of a record, and checks everything that decoding relies on.
    pub(super) fn find(data: &[u8], header: &SamHeader) -> Result<Self, Broken> {
        const LENGTHS: &str = "a name, CIGAR, SEQ, QUAL and optional fields that fit in the block";
        let length = data.len();
        if length < FIXED {
            return Err(broken(
                None,
                "a record shorter than its fixed fields",
                "32 bytes or more",
                count(length as u64, "byte"),
            ));
        }
        let references = header.references().len();
        for (at, what) in [(0, "refID"), (20, "next_refID")] {
            let id = i32_at(data, at);
            if id < -1 || (id >= 0 && id as usize >= references) {
                let problem = format!("{what} is no reference of the header");
                return Err(broken(None, problem, "-1, or the index of a reference", format!("{id} of {references}")));
            }
        }
        for (at, what) in [(4, "pos"), (24, "next_pos")] {
            let position = i32_at(data, at);
            if position < -1 || position == i32::MAX {
                let problem = format!("{what} is no position");
                return Err(broken(None, problem, "-1 to 2147483646", position.to_string()));
            }
        }
        let name = usize::from(data[8]);
        let op_count = usize::from(u16_at(data, 12));
        let Ok(letters) = usize::try_from(i32_at(data, 16)) else {
            return Err(broken(None, "l_seq is no length", "0 or more", i32_at(data, 16).to_string()));
        };
        let cigar = FIXED + name;
        let sequence = cigar + 4 * op_count;
        let fits = (sequence <= length).then(|| sequence.checked_add(letters / 2 + letters % 2)).flatten();
        let Some((qualities, tags)) =
            fits.and_then(|q| Some((q, q.checked_add(letters)?))).filter(|(_, tags)| *tags <= length)
        else {
            let found = format!("a name of {name}, {op_count} operations and {letters} letters in {length} bytes");
            return Err(broken(None, "the parts of a record are longer than its block", LENGTHS, found));
        };
        if name == 0 || data[cigar - 1] != 0 {
            let found = quote(&data[FIXED..cigar]);
            return Err(broken(None, "a read name without the zero byte at its end", "a name and a zero byte", found));
        }
        let mut layout = Self {
            cigar,
            sequence,
            qualities,
            tags,
            letters,
            ops: cigar,
            op_count,
            long_cigar: None,
            lengths: CigarLengths::default(),
        };
        layout.find_long_cigar(data)?;
        layout.lengths = layout.measure(data)?;
        Ok(layout)
    }

    /// "If the number of CIGAR operations is larger than 65535, [...] CIGAR is kSmN, where k equals the length of SEQ and m
    /// the reference length, and the real CIGAR is in the tag CG:B,I."
    fn find_long_cigar(&mut self, data: &[u8]) -> Checked {
        if self.op_count != 2 {
            return Ok(());
        }
        let (first, second) = (u32_at(data, self.ops), u32_at(data, self.ops + 4));
        if first & 15 != 4 || (first >> 4) as usize != self.letters || second & 15 != 3 {
            return Ok(());
        }
        let mut at = self.tags;
        while at < data.len() {
            let (tag, end) = BamTag::split(data, at)?;
            if tag.tag == *b"CG" && tag.kind == b'B' && tag.value[0] == b'I' {
                self.ops = at + 8;
                self.op_count = (end - self.ops) / 4;
                self.long_cigar = Some((at, end));
                return Ok(());
            }
            at = end;
        }
        Ok(())
    }

    fn measure(&self, data: &[u8]) -> Result<CigarLengths, Broken> {
        let mut bad = None;
        let ops = (0..self.op_count).map_while(|i| {
            let op = op_at(data, self.ops + 4 * i);
            if op.is_none() {
                bad = Some(u32_at(data, self.ops + 4 * i) & 15);
            }
            op
        });
        let lengths = measure(ops);
        match bad {
            None => Ok(lengths),
            Some(code) => Err(broken(None, "an unknown CIGAR operation", "a code from 0 to 8", code.to_string())),
        }
    }

    /// The rules that a lenient reader can let pass, one after another. Tags that cannot be read at all are errors without
    /// a rule, as in [`Layout::find`].
    pub(super) fn check(
        &self,
        data: &[u8],
        header: &SamHeader,
        seen: &mut Seen,
        mut report: impl FnMut(Broken) -> crate::error::Result<()>,
    ) -> crate::error::Result<()> {
        let name = &data[FIXED..self.cigar - 1];
        if name.is_empty() {
            report(broken(Some("empty name"), "an empty read name", "* where there is none", String::from("nothing")))?;
        } else if !name.iter().fold(true, |good, b| good & (b.is_ascii_graphic() && *b != b'@')) {
            let expected = "* or up to 254 visible letters without @";
            report(broken(Some("read name"), "a bad read name", expected, quote(name)))?;
        }
        let flags = Flags::from_bits(u16_at(data, 14));
        if flags.reserved() != 0 {
            report(broken(Some("reserved flags"), "FLAG has reserved bits", "0 to 4095", flags.to_string()))?;
        }
        if self.op_count > 0 {
            let lengths = self.lengths;
            if lengths.misplaced {
                let expected = "H at the ends only, S inside of H at the ends only";
                report(broken(
                    Some("clip inside CIGAR"),
                    "a clip inside a CIGAR",
                    expected,
                    count(self.op_count as u64, "operation"),
                ))?;
            }
            if self.letters > 0 && lengths.read != self.letters as u64 {
                let found = format!("{} and {}", count(lengths.read, "base"), count(self.letters as u64, "letter"));
                let expected = "as many letters in SEQ as bases in M, I, S, = and X";
                report(broken(None, "CIGAR and SEQ differ in length", expected, found))?;
            }
        }
        let qualities = &data[self.qualities..self.tags];
        let most = qualities.iter().fold(0, |most, &q| most.max(q));
        if most > 93 && !qualities.iter().all(|&q| q == 255) {
            report(broken(
                Some("quality range"),
                "a quality that is too large",
                "0 to 93, or 255 in all places",
                most.to_string(),
            ))?;
        }
        seen.clear();
        let mut at = self.tags;
        while at < data.len() {
            let (tag, end) = match BamTag::split(data, at) {
                Ok(found) => found,
                Err(broken) => return report(broken),
            };
            at = end;
            if let Err(broken) = check_tag(tag.tag) {
                report(broken)?;
            }
            if let Err(broken) = tag.check() {
                report(broken)?;
            }
            if let Err(broken) = seen.check(tag.tag) {
                report(broken)?;
            }
            if tag.kind == b'Z' && !is_linked(header, &tag.tag, tag.text()) {
                let expected = "an ID of the header's lines";
                let problem = "RG or PG that has no line in the header";
                report(broken(Some("group in header"), problem, expected, quote(tag.text())))?;
            }
        }
        Ok(())
    }
}

/// An optional field of a BAM record, in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BamTag<'a> {
    tag: Tag,
    kind: u8,
    /// Behind the type letter.
    value: &'a [u8],
}

impl<'a> BamTag<'a> {
    /// The tag, such as `NM`.
    pub fn tag(&self) -> Tag {
        self.tag
    }

    /// The type letter of BAM: `A`, `c`, `C`, `s`, `S`, `i`, `I`, `f`, `Z`, `H` or `B`.
    pub fn kind(&self) -> u8 {
        self.kind
    }

    /// The bytes of `Z` and `H` without the zero byte; of the others as they lie.
    pub fn text(&self) -> &'a [u8] {
        match self.kind {
            b'Z' | b'H' => &self.value[..self.value.len() - 1],
            _ => self.value,
        }
    }

    /// The value of an integer field.
    pub fn int(&self) -> Option<i64> {
        let value = self.value;
        Some(match self.kind {
            b'c' => i64::from(value[0] as i8),
            b'C' => i64::from(value[0]),
            b's' => i64::from(u16_at(value, 0) as i16),
            b'S' => i64::from(u16_at(value, 0)),
            b'i' => i64::from(i32_at(value, 0)),
            b'I' => i64::from(u32_at(value, 0)),
            _ => return None,
        })
    }

    /// The value, decoded.
    pub fn value(&self) -> TagValue {
        match self.kind {
            b'A' => TagValue::Char(self.value[0]),
            b'f' => TagValue::Float(f32::from_bits(u32_at(self.value, 0))),
            b'Z' => TagValue::Text(String::from_utf8_lossy(self.text()).into_owned()),
            b'H' => TagValue::Hex(decode_hex(self.text())),
            b'B' => TagValue::Array(self.array()),
            _ => TagValue::Int(self.int().unwrap_or(0)),
        }
    }

    fn array(&self) -> TagArray {
        fn all<const N: usize, T>(items: &[u8], read: impl Fn([u8; N]) -> T) -> Vec<T> {
            items.as_chunks::<N>().0.iter().map(|item| read(*item)).collect()
        }
        let items = &self.value[5..];
        match self.value[0] {
            b'c' => TagArray::I8(all(items, i8::from_le_bytes)),
            b'C' => TagArray::U8(items.to_vec()),
            b's' => TagArray::I16(all(items, i16::from_le_bytes)),
            b'S' => TagArray::U16(all(items, u16::from_le_bytes)),
            b'i' => TagArray::I32(all(items, i32::from_le_bytes)),
            b'I' => TagArray::U32(all(items, u32::from_le_bytes)),
            _ => TagArray::F32(all(items, f32::from_le_bytes)),
        }
    }

    /// The field at a byte of the record, and the byte behind it.
    #[inline]
    fn split(data: &'a [u8], at: usize) -> Result<(Self, usize), Broken> {
        let cut = || broken(None, "an optional field that is cut", "a tag, a type and a value", quote(&data[at..]));
        let rest = &data[at..];
        if rest.len() < 3 {
            return Err(cut());
        }
        let (tag, kind, value) = ([rest[0], rest[1]], rest[2], &rest[3..]);
        let length = match kind {
            b'A' | b'c' | b'C' => 1,
            b's' | b'S' => 2,
            b'i' | b'I' | b'f' => 4,
            b'Z' | b'H' => memchr::memchr(0, value).ok_or_else(cut)? + 1,
            b'B' => {
                if value.len() < 5 {
                    return Err(cut());
                }
                let size = match value[0] {
                    b'c' | b'C' => 1,
                    b's' | b'S' => 2,
                    b'i' | b'I' | b'f' => 4,
                    kind => {
                        let expected = "one of c C s S i I f";
                        return Err(broken(None, "a B field without a type of its numbers", expected, quote(&[kind])));
                    }
                };
                // The count is a declared number: it has to fit in what is there.
                let bytes = u64::from(u32_at(value, 1)) * size;
                if bytes > (value.len() - 5) as u64 {
                    let found = format!(
                        "{} in {}",
                        count(u64::from(u32_at(value, 1)), "number"),
                        count(value.len() as u64, "byte")
                    );
                    return Err(broken(
                        None,
                        "a B field longer than its record",
                        "numbers that fit in the block",
                        found,
                    ));
                }
                5 + bytes as usize
            }
            kind => {
                let expected = "one of A c C s S i I f Z H B";
                return Err(broken(None, "an unknown type of an optional field", expected, quote(&[kind])));
            }
        };
        if value.len() < length {
            return Err(cut());
        }
        Ok((Self { tag, kind, value: &value[..length] }, at + 3 + length))
    }

    fn check(&self) -> Checked {
        match self.kind {
            b'Z' => check_text(self.text()),
            b'A' => check_char(self.value[0]),
            b'H' => check_hex(self.text()),
            _ => Ok(()),
        }
    }
}

/// An alignment in place, in the buffer of a [`BamReader`](crate::BamReader).
#[derive(Debug, Clone, Copy)]
pub struct BamView<'a> {
    pub(super) header: &'a SamHeader,
    pub(super) data: &'a [u8],
    pub(super) layout: Layout,
}

impl<'a> BamView<'a> {
    /// The name; `None` for `*`.
    pub fn name(&self) -> Option<&'a [u8]> {
        Some(&self.data[FIXED..self.layout.cigar - 1]).filter(|name| !matches!(*name, b"*" | b""))
    }

    /// FLAG.
    pub fn flags(&self) -> Flags {
        Flags::from_bits(u16_at(self.data, 14))
    }

    /// Index of the reference in the header.
    pub fn reference_id(&self) -> Option<usize> {
        usize::try_from(i32_at(self.data, 0)).ok()
    }

    /// Name of the reference.
    pub fn reference(&self) -> Option<&'a str> {
        Some(&*self.header.references()[self.reference_id()?].name)
    }

    /// The first base that is covered, counted from 0.
    pub fn position(&self) -> Option<u64> {
        u64::try_from(i32_at(self.data, 4)).ok()
    }

    /// As [`Alignment::span`].
    pub fn span(&self) -> Option<Span> {
        span_of(self.position()?, if self.flags().is_unmapped() { 0 } else { self.layout.lengths.reference })
    }

    /// MAPQ; `None` for 255.
    pub fn mapping_quality(&self) -> Option<u8> {
        Some(self.data[9]).filter(|q| *q != 255)
    }

    /// The operations, those of the tag `CG` included.
    pub fn cigar(&self) -> impl ExactSizeIterator<Item = CigarOp> + use<'a> {
        let (data, ops) = (self.data, self.layout.ops);
        (0..self.layout.op_count).map(move |i| op_at(data, ops + 4 * i).expect("the codes were checked"))
    }

    /// Index of the reference of the next segment.
    pub fn mate_reference_id(&self) -> Option<usize> {
        usize::try_from(i32_at(self.data, 20)).ok()
    }

    /// Position of the next segment, counted from 0.
    pub fn mate_position(&self) -> Option<u64> {
        u64::try_from(i32_at(self.data, 24)).ok()
    }

    /// TLEN.
    pub fn template_length(&self) -> i32 {
        i32_at(self.data, 28)
    }

    /// How many letters SEQ has.
    pub fn sequence_length(&self) -> usize {
        self.layout.letters
    }

    /// The letters of SEQ.
    pub fn sequence(&self) -> impl Iterator<Item = u8> + use<'a> {
        let packed = &self.data[self.layout.sequence..self.layout.qualities];
        packed.iter().flat_map(|&byte| LETTER_PAIRS[usize::from(byte)]).take(self.layout.letters)
    }

    /// Puts the letters of SEQ into a buffer, in place of what it holds.
    pub fn read_sequence(&self, letters: &mut Vec<u8>) {
        let packed = &self.data[self.layout.sequence..self.layout.qualities];
        letters.clear();
        letters.reserve(2 * packed.len());
        for &byte in packed {
            letters.extend_from_slice(&LETTER_PAIRS[usize::from(byte)]);
        }
        letters.truncate(self.layout.letters);
    }

    /// QUAL as Phred numbers; `None` where there are none.
    pub fn qualities(&self) -> Option<&'a [u8]> {
        let qualities = &self.data[self.layout.qualities..self.layout.tags];
        Some(qualities).filter(|q| q.iter().any(|&q| q != 255))
    }

    /// The optional fields in their order, without a `CG` that holds the operations.
    pub fn tags(&self) -> impl Iterator<Item = BamTag<'a>> + use<'a> {
        let (data, layout) = (self.data, self.layout);
        let mut at = layout.tags;
        std::iter::from_fn(move || {
            if let Some((_, end)) = layout.long_cigar.filter(|(start, _)| *start == at) {
                at = end;
            }
            if at >= data.len() {
                return None;
            }
            let (tag, end) = BamTag::split(data, at).ok()?;
            at = end;
            Some(tag)
        })
    }

    /// The record, owned.
    pub fn to_alignment(&self) -> Alignment {
        let reference = |id: Option<usize>| -> Option<Arc<str>> { Some(self.header.references()[id?].name.clone()) };
        let mut sequence = Vec::new();
        self.read_sequence(&mut sequence);
        Alignment {
            name: self.name().map(|name| String::from_utf8_lossy(name).into_owned()),
            flags: self.flags(),
            reference: reference(self.reference_id()),
            position: self.position(),
            mapping_quality: self.mapping_quality(),
            cigar: self.cigar().collect(),
            mate_reference: reference(self.mate_reference_id()),
            mate_position: self.mate_position(),
            template_length: self.template_length(),
            sequence,
            qualities: self.qualities().map(<[u8]>::to_vec),
            tags: self.tags().map(|tag| (tag.tag(), tag.value())).collect(),
        }
    }
}

/// The bin of `start..end` in the scheme with 16 kb at the bottom and five levels (SAMv1, section 5.3).
fn bin_of(start: i64, end: i64) -> u16 {
    let last = end.max(start + 1) - 1;
    for (shift, first) in [(14, 4681), (17, 585), (20, 73), (23, 9), (26, 1)] {
        if start >> shift == last >> shift {
            return (first + (start >> shift)) as u16;
        }
    }
    0
}

/// Letters of a sequence that BAM cannot hold, when the writer may change them: lower case and letters that are no codes.
pub(super) fn unwritable_letter(sequence: &[u8]) -> Option<u8> {
    sequence.iter().copied().find(|b| CODES[usize::from(*b)] == 255 || b.is_ascii_lowercase())
}

/// What only BAM cannot hold.
pub(super) fn check_fits(record: &Alignment, header: &SamHeader) -> Checked {
    for reference in [&record.reference, &record.mate_reference].into_iter().flatten() {
        if header.reference_id(reference).is_none() {
            let expected = "a name from the header";
            return Err(broken(None, "a reference that has no @SQ line", expected, quote(reference.as_bytes())));
        }
    }
    if let Some(op) = record.cigar.iter().find(|op| op.length > CigarOp::MAX_BAM) {
        return Err(broken(
            None,
            "a CIGAR operation that is too long for BAM",
            "lengths up to 268435455",
            op.to_string(),
        ));
    }
    if record.cigar.len() > usize::from(u16::MAX) && record.tags.get(b"CG").is_some() {
        return Err(broken(None, "a tag CG, which holds a long CIGAR in BAM", "another tag", String::from("CG")));
    }
    let hidden = |value: &TagValue| match value {
        TagValue::Array(TagArray::U32(_)) => matches!(&record.cigar[..], [first, second]
            if first.kind as u32 == 4 && first.length as usize == record.sequence.len() && second.kind as u32 == 3),
        _ => false,
    };
    if record.tags.get(b"CG").is_some_and(hidden) {
        return Err(broken(
            None,
            "a tag CG beside a CIGAR that says that CG is the CIGAR",
            "another tag",
            String::from("CG"),
        ));
    }
    if record.sequence.len() > CigarOp::MAX_BAM as usize {
        return Err(broken(
            None,
            "a sequence that is too long for BAM",
            "less than 2^28 letters",
            record.sequence.len().to_string(),
        ));
    }
    Ok(())
}

/// Appends a record, its length in front. The record was checked.
pub(super) fn encode(out: &mut Vec<u8>, record: &Alignment, header: &SamHeader) {
    let id =
        |name: &Option<Arc<str>>| name.as_deref().and_then(|name| header.reference_id(name)).map_or(-1, |id| id as i32);
    let position = |position: Option<u64>| position.map_or(-1, |p| p as i32);
    let start = out.len();
    let letters = record.sequence.len();
    let span = record.span();
    let bin = span.map_or(4680, |span| bin_of(span.start() as i64, span.end() as i64));
    let name = record.name.as_deref().unwrap_or("*");
    let is_long = record.cigar.len() > usize::from(u16::MAX);
    let op_count = if is_long { 2 } else { record.cigar.len() };

    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&id(&record.reference).to_le_bytes());
    out.extend_from_slice(&position(record.position).to_le_bytes());
    out.push(name.len() as u8 + 1);
    out.push(record.mapping_quality.unwrap_or(255));
    out.extend_from_slice(&bin.to_le_bytes());
    out.extend_from_slice(&(op_count as u16).to_le_bytes());
    out.extend_from_slice(&record.flags.bits().to_le_bytes());
    out.extend_from_slice(&(letters as i32).to_le_bytes());
    out.extend_from_slice(&id(&record.mate_reference).to_le_bytes());
    out.extend_from_slice(&position(record.mate_position).to_le_bytes());
    out.extend_from_slice(&record.template_length.to_le_bytes());
    out.extend_from_slice(name.as_bytes());
    out.push(0);
    if is_long {
        let covered = measure(record.cigar.iter().copied()).reference.min(u64::from(CigarOp::MAX_BAM)) as u32;
        out.extend_from_slice(&((letters as u32) << 4 | 4).to_le_bytes());
        out.extend_from_slice(&(covered << 4 | 3).to_le_bytes());
    } else {
        out.extend(record.cigar.iter().flat_map(|op| op.to_bam().to_le_bytes()));
    }
    let code = |b: u8| if CODES[usize::from(b)] == 255 { 15 } else { CODES[usize::from(b)] };
    for pair in record.sequence.chunks(2) {
        out.push(code(pair[0]) << 4 | pair.get(1).map_or(0, |&b| code(b)));
    }
    match &record.qualities {
        Some(qualities) => out.extend_from_slice(qualities),
        None => out.resize(out.len() + letters, 255),
    }
    for (tag, value) in record.tags.iter() {
        encode_tag(out, *tag, value);
    }
    if is_long {
        out.extend_from_slice(b"CGBI");
        out.extend_from_slice(&(record.cigar.len() as u32).to_le_bytes());
        out.extend(record.cigar.iter().flat_map(|op| op.to_bam().to_le_bytes()));
    }
    let length = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
}

fn encode_tag(out: &mut Vec<u8>, tag: Tag, value: &TagValue) {
    fn array<const N: usize, T: Copy>(out: &mut Vec<u8>, kind: u8, items: &[T], bytes: impl Fn(T) -> [u8; N]) {
        out.extend_from_slice(&[b'B', kind]);
        out.extend_from_slice(&(items.len() as u32).to_le_bytes());
        out.extend(items.iter().flat_map(|item| bytes(*item)));
    }
    out.extend_from_slice(&tag);
    match value {
        TagValue::Char(c) => out.extend_from_slice(&[b'A', *c]),
        TagValue::Int(n) => encode_int(out, *n),
        TagValue::Float(x) => {
            out.push(b'f');
            out.extend_from_slice(&x.to_le_bytes());
        }
        TagValue::Text(text) => {
            out.push(b'Z');
            out.extend_from_slice(text.as_bytes());
            out.push(0);
        }
        TagValue::Hex(bytes) => {
            out.push(b'H');
            write_hex(out, bytes);
            out.push(0);
        }
        TagValue::Array(items) => match items {
            TagArray::I8(items) => array(out, b'c', items, i8::to_le_bytes),
            TagArray::U8(items) => array(out, b'C', items, u8::to_le_bytes),
            TagArray::I16(items) => array(out, b's', items, i16::to_le_bytes),
            TagArray::U16(items) => array(out, b'S', items, u16::to_le_bytes),
            TagArray::I32(items) => array(out, b'i', items, i32::to_le_bytes),
            TagArray::U32(items) => array(out, b'I', items, u32::to_le_bytes),
            TagArray::F32(items) => array(out, b'f', items, f32::to_le_bytes),
        },
    }
}

/// The smallest type that holds the number.
fn encode_int(out: &mut Vec<u8>, n: i64) {
    if let Ok(n) = u8::try_from(n) {
        out.extend_from_slice(&[b'C', n]);
    } else if let Ok(n) = i8::try_from(n) {
        out.extend_from_slice(&[b'c', n as u8]);
    } else if let Ok(n) = u16::try_from(n) {
        out.push(b'S');
        out.extend_from_slice(&n.to_le_bytes());
    } else if let Ok(n) = i16::try_from(n) {
        out.push(b's');
        out.extend_from_slice(&n.to_le_bytes());
    } else if let Ok(n) = u32::try_from(n) {
        out.push(b'I');
        out.extend_from_slice(&n.to_le_bytes());
    } else {
        out.push(b'i');
        out.extend_from_slice(&(n as i32).to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins() {
        let check = |start, end, bin| assert_eq!(bin_of(start, end), bin, "{start}..{end}");
        check(0, 1, 4681);
        check(16_383, 16_384, 4681);
        check(16_383, 16_385, 585);
        check(16_384, 16_385, 4682);
        check(0, 1 << 29, 0);
        check((1 << 26) - 1, (1 << 26) + 1, 0);
        check((1 << 29) - 1, 1 << 29, 37448);
        check(5, 5, 4681);
    }

    #[test]
    fn letters_and_codes() {
        for (code, letter) in LETTERS.iter().enumerate() {
            assert_eq!(CODES[usize::from(*letter)] as usize, code);
            assert_eq!(LETTER_PAIRS[code << 4 | 15], [*letter, b'N']);
        }
        assert_eq!(unwritable_letter(b"=ACMGRSVTWYHKDBN"), None);
        assert_eq!(unwritable_letter(b"ACa"), Some(b'a'));
        assert_eq!(unwritable_letter(b"AU"), Some(b'U'));
        assert_eq!(unwritable_letter(b"A."), Some(b'.'));
    }

    #[test]
    fn integers_take_the_smallest_type() {
        let check = |n: i64, kind: u8| {
            let mut out = b"NM".to_vec();
            encode_int(&mut out, n);
            let (tag, end) = BamTag::split(&out, 0).unwrap();
            assert_eq!((tag.kind(), tag.int(), end), (kind, Some(n), out.len()));
        };
        check(0, b'C');
        check(255, b'C');
        check(256, b'S');
        check(65_536, b'I');
        check(-1, b'c');
        check(-129, b's');
        check(-32_769, b'i');
        check(i64::from(u32::MAX), b'I');
        check(i64::from(i32::MIN), b'i');
    }

    #[test]
    fn cut_fields_are_told() {
        let check = |bytes: &[u8], expected: &str| {
            let got = BamTag::split(bytes, 0).unwrap_err();
            assert!(got.problem.contains(expected), "{}", got.problem);
        };
        check(b"N", "cut");
        check(b"NM", "cut");
        check(b"NMi\x01\x00\x00", "cut");
        check(b"NMZabc", "cut");
        check(b"NMBC\x01\x00", "cut");
        check(b"NMBI\xff\xff\xff\xff1234", "longer than its record");
        check(b"NMBx\x01\x00\x00\x00\x00", "without a type");
        check(b"NMx\x00", "unknown type");
    }
}
