//! GenBank and EMBL into the index, record by record.

use std::path::Path;

use genome_formats::{Cds, EmblReader, Format, GenbankReader, GenbankRecord, Input, LocationPart};

use super::facts::Role;
use super::lines::{Layout, Tracked};
use super::writer::{NewFeature, NewSequence, Part, Writer};
use crate::error::Result;

/// Reads the next record in place of another; `false` at the end.
type Next = Box<dyn FnMut(&mut GenbankRecord) -> genome_formats::Result<bool>>;

pub(super) fn read(writer: &mut Writer<'_>, path: &Path, format: Format) -> Result<()> {
    let input = Input::open(path)?;
    let name = input.name().to_owned();
    let layout = if format == Format::Embl { Layout::Embl } else { Layout::Genbank };
    let (tracked, seen) = Tracked::new(input, layout);
    let mut next: Next = if format == Format::Embl {
        let mut reader = EmblReader::new(name, tracked);
        Box::new(move |record| match reader.next() {
            Some(next) => next.map(|next| *record = next).map(|()| true),
            None => Ok(false),
        })
    } else {
        let mut reader = GenbankReader::new(name, tracked);
        Box::new(move |record| reader.read_into(record))
    };
    let mut record = GenbankRecord::default();
    let mut number = 0;
    while next(&mut record)? {
        let mut seen = seen.borrow_mut();
        let (line, lines) =
            seen.records.get_mut(number).map(|(l, f)| (Some(*l), std::mem::take(f))).unwrap_or_default();
        drop(seen);
        // Where the reader counts otherwise than we do, no line is better than a wrong one.
        let lines = if lines.len() == record.features.len() { lines } else { Vec::new() };
        add(writer, &mut record, line, &lines)?;
        number += 1;
    }
    Ok(())
}

fn add(writer: &mut Writer<'_>, record: &mut GenbankRecord, line: Option<u64>, lines: &[u32]) -> Result<()> {
    let name = record.version.as_deref().or(record.accession.as_deref()).unwrap_or(&record.name).to_owned();
    let mut names: Vec<String> = Vec::new();
    names.extend(record.accession.clone());
    names.push(record.name.clone());
    names.extend(record.secondary_accessions.iter().cloned());
    for source in record.features.iter().filter(|f| Role::of(&f.kind) == Role::Source) {
        for key in ["chromosome", "plasmid", "segment", "organelle", "submitter_seqid"] {
            names.extend(source.qualifier_values(key).map(str::to_owned));
        }
    }
    let residues = record.seq.len() as u64;
    let length = if residues > 0 { Some(residues) } else { record.declared_len };
    let seq = writer.sequence(&NewSequence {
        name: &name,
        description: record.definition.as_deref(),
        organism: record.organism.as_deref(),
        length,
        circular: record.circular,
        line,
        names,
    })?;
    writer.residues_or_length(seq, &record.seq)?;
    for (number, feature) in record.features.iter().enumerate() {
        let here: Vec<Part> =
            feature.location.parts().iter().filter(|p| p.accession.is_none()).filter_map(part).collect();
        let is_cds = Role::of(&feature.kind) == Role::Cds;
        writer.feature(
            &NewFeature {
                seq,
                kind: &feature.kind,
                parts: here,
                partial: feature.location.parts().iter().any(|p| p.partial_start || p.partial_end),
                qualifiers: &feature.qualifiers,
                locus: None,
                cds: if is_cds { Cds::from_feature(feature, record).ok() } else { None },
                pseudo: false,
                line: lines.get(number).copied(),
                ordinal: number as u64 + 1,
            },
            &record.seq,
            length,
            record.circular,
        )?;
    }
    Ok(())
}

/// A place between two bases is told as the base in front of it and the one behind.
fn part(part: &LocationPart) -> Option<Part> {
    let (start, end) = (i64::try_from(part.span.start()).ok()?, i64::try_from(part.span.end()).ok()?);
    let strand = part.strand.symbol();
    let between = part.span.is_empty();
    Some(Part {
        start: if between { start.max(1) } else { start + 1 },
        end: if between { end + 1 } else { end },
        strand,
    })
}
