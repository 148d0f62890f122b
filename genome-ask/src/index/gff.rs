//! GFF3 and GTF into the index, with sequences from FASTA behind the features or in a file of their own.
//!
//! Features are kept in memory until the file is read, because a line may refer to one that comes later; attributes stay in one
//! block of bytes for each feature. Parents are followed without recursion, and a circle of parents ends where it began.

use std::collections::HashMap;
use std::path::Path;

use genome_formats::{
    Cds, CdsLine, CdsLines, FastaReader, Format, GffDialect, GffReader, GffView, Input, Letters, Mode, Span, Strand,
};

use super::facts::Role;
use super::lines::{Layout, Tracked};
use super::writer::{NewFeature, NewSequence, Part, Writer};
use crate::error::{Error, Result};

/// A feature of one line or more.
struct Feature {
    seq: u32,
    kind: u32,
    lines: Vec<Line>,
    attributes: Packed,
    id: Option<Box<str>>,
    parent: Option<Box<str>>,
    line: Option<u32>,
}

struct Line {
    span: Span,
    strand: char,
    phase: Option<u8>,
}

/// Attributes, one behind the other: lengths of key and value, key, value.
#[derive(Default)]
struct Packed(Box<[u8]>);

impl Packed {
    fn of<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut bytes = Vec::new();
        for (key, value) in pairs {
            for text in [key, value] {
                bytes.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
            }
            bytes.extend(key.bytes().chain(value.bytes()));
        }
        Self(bytes.into_boxed_slice())
    }

    fn unpack(&self) -> Vec<(String, Option<String>)> {
        let mut out = Vec::new();
        let mut rest = &*self.0;
        while let Some((lengths, behind)) = rest.split_at_checked(8) {
            let length = |bytes: &[u8]| bytes.iter().rev().fold(0usize, |n, b| n << 8 | usize::from(*b));
            let (key, value) = (length(&lengths[..4]), length(&lengths[4..]));
            let (Some(key), Some(value)) = (behind.get(..key), behind.get(key..key + value)) else { break };
            rest = &behind[key.len() + value.len()..];
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            out.push((text(key), Some(text(value))));
        }
        out
    }
}

/// Names that stand once.
#[derive(Default)]
struct Interned {
    names: Vec<String>,
    numbers: HashMap<String, u32>,
}

impl Interned {
    fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.push(name.to_owned());
        self.numbers.insert(name.to_owned(), number);
        number
    }
}

#[derive(Default)]
struct Table {
    features: Vec<Feature>,
    seqs: Interned,
    kinds: Interned,
    /// Features by their `ID`; in GTF transcripts and genes by theirs.
    ids: HashMap<Box<str>, u32>,
    /// The `CDS` lines that belong together: by `ID` or parent, and sequence.
    coding: HashMap<(u32, Box<str>), u32>,
    stops: HashMap<(u32, Box<str>), Vec<CdsLine>>,
    limit: u64,
}

pub(super) fn read(
    writer: &mut Writer<'_>,
    path: &Path,
    format: Format,
    fasta: Option<&Path>,
    limit: u64,
) -> Result<()> {
    let dialect = match format {
        Format::Gtf => GffDialect::Gtf,
        Format::Gff2 => GffDialect::Gff2,
        _ => GffDialect::Gff3,
    };
    let mut known: HashMap<String, Sequence> = HashMap::new();
    if let Some(fasta) = fasta {
        writer.set_file(fasta);
        read_fasta(writer, Input::open(fasta)?, &mut known)?;
        writer.set_file(path);
    }
    let input = Input::open(path)?;
    let name = input.name().to_owned();
    let (tracked, seen) = Tracked::new(input, Layout::Gff);
    // A `=` or `&` that is not encoded, a CDS without its phase: what is meant is clear, and every answer says that it was broken.
    let mut reader = GffReader::new(name.as_str(), tracked, dialect).with_mode(Mode::Lenient);
    let mut table = Table { limit, ..Table::default() };
    let mut at = 0;
    let mut regions: HashMap<u32, u64> = HashMap::new();
    while let Some(view) = reader.next_view()? {
        let line = seen.borrow().features.get(at).copied();
        at += 1;
        table.take(&view, line, dialect)?;
    }
    writer.forgiven(reader.forgiven())?;
    for (number, seq) in (0..).zip(&table.seqs.names) {
        regions.extend(reader.sequence_region(seq.as_bytes()).map(|span| (number, span.end())));
    }
    if let Some(tail) = reader.fasta_tail() {
        let mut tail = FastaReader::new(name, tail).with_letters(Letters::Any);
        while let Some(record) = tail.next().transpose()? {
            add_sequence(writer, &record.name, record.description.as_deref(), &record.seq, None, &mut known)?;
        }
    }
    drop(reader);
    table.write(writer, &mut known, &regions)
}

/// A sequence that is in the index.
#[derive(Debug, Clone, Copy)]
struct Sequence {
    id: i64,
    length: Option<u64>,
    circular: bool,
    letters: bool,
}

/// The sequences of a FASTA file alone.
pub(super) fn read_sequences(writer: &mut Writer<'_>, path: &Path) -> Result<()> {
    read_fasta(writer, Input::open(path)?, &mut HashMap::new())
}

fn read_fasta(writer: &mut Writer<'_>, input: Input, known: &mut HashMap<String, Sequence>) -> Result<()> {
    let name = input.name().to_owned();
    let (tracked, seen) = Tracked::new(input, Layout::Fasta);
    let mut reader = FastaReader::new(name, tracked).with_letters(Letters::Any);
    let mut number = 0;
    while let Some(record) = reader.next().transpose()? {
        let line = seen.borrow().features.get(number).map(|line| u64::from(*line));
        number += 1;
        add_sequence(writer, &record.name, record.description.as_deref(), &record.seq, line, known)?;
    }
    Ok(())
}

fn add_sequence(
    writer: &mut Writer<'_>,
    name: &str,
    description: Option<&str>,
    letters: &[u8],
    line: Option<u64>,
    known: &mut HashMap<String, Sequence>,
) -> Result<()> {
    let length = Some(letters.len() as u64);
    let new = NewSequence { name, description, length, line, ..NewSequence::default() };
    let id = writer.sequence(&new)?;
    writer.residues_or_length(id, letters)?;
    known.insert(name.to_owned(), Sequence { id, length, circular: false, letters: !letters.is_empty() });
    Ok(())
}

impl Table {
    fn take(&mut self, view: &GffView<'_>, line: Option<u32>, dialect: GffDialect) -> Result<()> {
        if self.features.len() as u64 >= self.limit {
            return Err(Error::TooMuch { what: "features of a genome", limit: self.limit });
        }
        let record = view.to_record();
        let seq = self.seqs.number(&record.seq_name);
        let kind = self.kinds.number(&record.kind);
        let strand = record.strand.known().map_or('.', Strand::symbol);
        let first = |key: &str| record.attributes.get(key).map(Box::<str>::from);
        let gtf = dialect != GffDialect::Gff3;
        let role = Role::of(&record.kind);
        let (id, parents): (Option<Box<str>>, Vec<Box<str>>) = if gtf {
            let (gene, transcript) = (first("gene_id"), first("transcript_id"));
            match role {
                Role::Gene => (gene, Vec::new()),
                Role::Transcript => (transcript, gene.into_iter().collect()),
                _ => (None, transcript.or(gene).into_iter().collect()),
            }
        } else {
            (first("ID"), record.attributes.get_all("Parent").iter().map(|p| Box::from(&**p)).collect())
        };
        if gtf && record.kind == "stop_codon" {
            let stop = CdsLine {
                span: record.span,
                strand: if strand == '-' { Strand::Reverse } else { Strand::Forward },
                phase: record.phase,
                part: None,
            };
            for parent in &parents {
                self.stops.entry((seq, parent.clone())).or_default().push(stop);
            }
        }
        let part = || Line { span: record.span, strand, phase: record.phase };
        // Lines that belong together: those of one ID and kind, and CDS lines without ID of one parent.
        let keys: Vec<(u32, Box<str>)> = match (&id, role) {
            (Some(id), _) => vec![(seq, id.clone())],
            (None, Role::Cds) if !parents.is_empty() => {
                parents.iter().map(|p| (seq, format!("\0CDS of {p}").into_boxed_str())).collect()
            }
            _ => Vec::new(),
        };
        let add = |table: &mut Self, parent: Option<Box<str>>| -> Result<u32> {
            let number = u32::try_from(table.features.len())
                .map_err(|_| Error::TooMuch { what: "features of a genome", limit: u64::from(u32::MAX) })?;
            let pairs = record.attributes.iter().flat_map(|(key, values)| values.iter().map(move |v| (key, &**v)));
            let attributes = Packed::of(pairs);
            table.features.push(Feature { seq, kind, lines: vec![part()], attributes, id: id.clone(), parent, line });
            Ok(number)
        };
        if keys.is_empty() {
            add(self, parents.first().cloned())?;
            return Ok(());
        }
        for (i, key) in keys.into_iter().enumerate() {
            if let Some(number) = self.coding.get(&key).copied() {
                let feature = &mut self.features[number as usize];
                if feature.kind == kind {
                    feature.lines.push(part());
                    continue;
                }
            }
            let number = add(self, parents.get(i).or(parents.first()).cloned())?;
            self.coding.insert(key, number);
            if let Some(id) = &id {
                self.ids.entry(id.clone()).or_insert(number);
            }
        }
        Ok(())
    }

    /// For each feature the gene above it, else what is above all; itself where nothing is.
    fn tops(&self) -> Vec<u32> {
        const UNKNOWN: u32 = u32::MAX;
        let mut tops = vec![UNKNOWN; self.features.len()];
        let mut way = Vec::new();
        let mut on_way = vec![false; self.features.len()];
        for start in 0..self.features.len() {
            let mut at = start;
            let top = loop {
                if tops[at] != UNKNOWN {
                    break tops[at];
                }
                let feature = &self.features[at];
                way.push(at);
                on_way[at] = true;
                let is_gene = Role::of(&self.kinds.names[feature.kind as usize]) == Role::Gene;
                let parent = feature.parent.as_ref().and_then(|p| self.ids.get(p)).copied();
                match parent {
                    Some(parent) if !is_gene && !on_way[parent as usize] => at = parent as usize,
                    _ => break at as u32,
                }
            };
            for at in way.drain(..) {
                tops[at] = top;
                on_way[at] = false;
            }
        }
        tops
    }

    fn write(
        &self,
        writer: &mut Writer<'_>,
        known: &mut HashMap<String, Sequence>,
        regions: &HashMap<u32, u64>,
    ) -> Result<()> {
        let tops = self.tops();
        let mut of_seq: Vec<Vec<u32>> = vec![Vec::new(); self.seqs.names.len()];
        for (number, feature) in (0u32..).zip(&self.features) {
            of_seq[feature.seq as usize].push(number);
        }
        for (number, numbers) in (0u32..).zip(&of_seq) {
            let name = &self.seqs.names[number as usize];
            let sequence = self.sequence(writer, name, numbers, regions.get(&number).copied(), known)?;
            let letters = if sequence.letters { writer.letters(sequence.id)? } else { Vec::new() };
            for feature in numbers {
                self.write_feature(writer, *feature, &tops, sequence, &letters)?;
            }
        }
        Ok(())
    }

    /// The sequence of these features: the one of the FASTA file, else a new one without letters.
    fn sequence(
        &self,
        writer: &mut Writer<'_>,
        name: &str,
        numbers: &[u32],
        region: Option<u64>,
        known: &mut HashMap<String, Sequence>,
    ) -> Result<Sequence> {
        let mut names = Vec::new();
        let (mut circular, mut organism, mut length) = (false, None, region);
        let mut line = None;
        for number in numbers {
            let feature = &self.features[*number as usize];
            let Some(whole) = feature.lines.first().filter(|l| l.span.start() == 0) else { continue };
            if Role::of(&self.kinds.names[feature.kind as usize]) != Role::Source {
                continue;
            }
            length = length.or(Some(whole.span.end()));
            line = line.or(feature.line);
            for (key, value) in feature.attributes.unpack() {
                let value = value.unwrap_or_default();
                match key.as_str() {
                    "Is_circular" => circular |= value == "true",
                    "Name" | "chromosome" | "plasmid-name" | "Alias" if value != "ANONYMOUS" => names.push(value),
                    "organism" => organism = Some(value),
                    _ => {}
                }
            }
        }
        let bare =
            |name: &str| name.rsplit_once('.').map_or(name, |(bare, _)| bare).trim_start_matches("chr").to_owned();
        let found = known.get(name).copied().or_else(|| {
            let mut same = known.iter().filter(|(other, _)| bare(other) == bare(name)).map(|(_, s)| *s);
            same.next().filter(|_| same.next().is_none())
        });
        if let Some(mut sequence) = found {
            sequence.circular |= circular;
            for (rank, other) in (1..).zip(std::iter::once(name).chain(names.iter().map(String::as_str))) {
                writer.name_sequence(sequence.id, other, rank)?;
            }
            writer.describe_sequence(sequence.id, sequence.circular, organism.as_deref())?;
            return Ok(sequence);
        }
        let new = NewSequence {
            name,
            description: None,
            organism: organism.as_deref(),
            length,
            circular,
            line: line.map(u64::from),
            names,
        };
        let id = writer.sequence(&new)?;
        let sequence = Sequence { id, length, circular, letters: false };
        known.insert(name.to_owned(), sequence);
        Ok(sequence)
    }

    fn write_feature(
        &self,
        writer: &mut Writer<'_>,
        number: u32,
        tops: &[u32],
        sequence: Sequence,
        letters: &[u8],
    ) -> Result<()> {
        let feature = &self.features[number as usize];
        let kind = &self.kinds.names[feature.kind as usize];
        let role = Role::of(kind);
        let qualifiers = feature.attributes.unpack();
        let top = &self.features[tops[number as usize] as usize];
        let top_kind = &self.kinds.names[top.kind as usize];
        let of_top = if std::ptr::eq(top, feature) { Vec::new() } else { top.attributes.unpack() };
        let of_top = if std::ptr::eq(top, feature) { &qualifiers } else { &of_top };
        let find = |name: &str| of_top.iter().find(|(n, _)| n == name).and_then(|(_, value)| value.as_deref());
        let locus = find("locus_tag").or(top.id.as_deref()).or_else(|| find("gene_id"));
        let locus = locus.or(if std::ptr::eq(top, feature) { feature.parent.as_deref() } else { None });
        let pseudo_above = top_kind.to_ascii_lowercase().contains("pseudogen")
            || of_top
                .iter()
                .any(|(n, v)| matches!(n.as_str(), "pseudo" | "pseudogene") && v.as_deref() != Some("false"));
        let cds = if role == Role::Cds { self.cds(feature, &qualifiers, sequence) } else { None };
        let partial = qualifiers.iter().any(|(n, v)| n == "partial" && v.as_deref() == Some("true"));
        let strand = |s: Strand| s.symbol();
        let mut parts: Vec<Part> = match &cds {
            Some(cds) => cds
                .parts
                .iter()
                .map(|p| Part { start: one(p.span.start()), end: end(p.span.end()), strand: strand(p.strand) })
                .collect(),
            None => {
                let mut parts: Vec<Part> = feature
                    .lines
                    .iter()
                    .map(|l| Part { start: one(l.span.start()), end: end(l.span.end()), strand: l.strand })
                    .collect();
                parts.sort_by_key(|p| p.start);
                if parts.iter().all(|p| p.strand == '-') {
                    parts.reverse();
                }
                parts
            }
        };
        if let Some(length) = sequence.length.filter(|_| sequence.circular) {
            parts = over_origin(parts, end(length));
        }
        writer.feature(
            &NewFeature {
                seq: sequence.id,
                kind,
                parts,
                partial,
                qualifiers: &qualifiers,
                locus: if role == Role::Source { None } else { locus },
                cds,
                pseudo: pseudo_above,
                line: feature.line,
                ordinal: u64::from(number) + 1,
            },
            letters,
            sequence.length,
            sequence.circular,
        )
    }

    fn cds(&self, feature: &Feature, qualifiers: &[(String, Option<String>)], sequence: Sequence) -> Option<Cds> {
        let ring = sequence.length.filter(|_| sequence.circular);
        let value = |name: &str| qualifiers.iter().find(|(n, _)| n == name).and_then(|(_, v)| v.as_deref());
        let line = |l: &Line| CdsLine {
            span: l.span,
            strand: if l.strand == '-' { Strand::Reverse } else { Strand::Forward },
            phase: l.phase,
            part: None,
        };
        let stops = feature.parent.as_ref().and_then(|p| self.stops.get(&(feature.seq, p.clone())));
        let mut cds = Cds::from_lines(&CdsLines {
            sequence: String::new(),
            cds: feature.lines.iter().map(line).collect(),
            stop_codon: stops.cloned().unwrap_or_default(),
            trans_spliced: value("exception") == Some("trans-splicing"),
            ring,
        })
        .ok()?;
        for (name, value) in qualifiers {
            cds.annotate(name, value.as_deref(), ring).ok()?;
        }
        Some(cds)
    }
}

fn one(start: u64) -> i64 {
    i64::try_from(start).unwrap_or(i64::MAX - 1) + 1
}

fn end(end: u64) -> i64 {
    i64::try_from(end).unwrap_or(i64::MAX)
}

/// GFF3 lets the end pass the length where a feature goes over the origin of a ring.
fn over_origin(parts: Vec<Part>, length: i64) -> Vec<Part> {
    let mut out = Vec::with_capacity(parts.len());
    for part in parts {
        if part.end <= length || part.start > length || part.end - length > length {
            out.push(part);
            continue;
        }
        let before = Part { end: length, ..part };
        let behind = Part { start: 1, end: part.end - length, ..part };
        out.extend(if part.strand == '-' { [behind, before] } else { [before, behind] });
    }
    out
}
