//! `genome orfs`: open reading frames on both strands.

use crate::Outcome;
use crate::format_args::{OrfFormat, OrfsArgs};
use crate::output::{out_file, say_forgiven};
use anyhow::{Result, bail};
use genome_formats::{OrfOptions, OrfStart, Record, Records, SeqRecord, Topology, orfs};
use serde_json::json;
use std::io::Write;

pub(crate) fn run(args: &OrfsArgs) -> Result<Outcome> {
    let mut options = OrfOptions {
        code: args.table.0,
        min_len_aa: args.min_aa,
        starts: args.starts.into(),
        strand: args.strand.strand(),
        partial: args.partial,
        nested: args.nested,
        ..OrfOptions::default()
    };
    let mut records = Records::open_with(&args.file, &args.read.nucleotides())?;
    let mut out = out_file(args.out.as_deref())?;
    let format = if args.json { OrfFormat::Json } else { args.format };
    match format {
        OrfFormat::Tsv => {
            writeln!(out, "name\tsequence\tstart\tend\tstrand\tframe\tlength_aa\tstart_codon\tpartial\tprotein")?;
        }
        OrfFormat::Gff3 => writeln!(out, "##gff-version 3")?,
        _ => {}
    }
    let mut found = false;
    while let Some(record) = records.next() {
        let (seq, circular) = match record? {
            Record::Sequence(seq) => (seq, false),
            Record::Annotated(record) => {
                let circular = record.circular;
                (SeqRecord::from(*record), circular)
            }
            Record::Read(read) => (SeqRecord { name: read.name, description: read.description, seq: read.seq }, false),
            _ => bail!("{}: expected sequences, found {}", args.file.display(), records.format()),
        };
        options.topology = Topology::from_flag(circular || args.circular);
        let length = seq.seq.len() as u64;
        let mut all: Vec<_> = orfs(&seq.seq, &options).collect();
        all.sort_unstable_by_key(|o| (o.span, o.strand));
        for (i, orf) in all.into_iter().enumerate() {
            found = true;
            let name = format!("{}_orf{}", seq.name, i + 1);
            let protein = orf.to_cds(seq.name.as_str(), length, options.code).translate(&seq.seq)?;
            let protein = String::from_utf8_lossy(&protein.letters).into_owned();
            let start = match orf.start {
                OrfStart::Atg => "ATG",
                OrfStart::Alternative => "alternative",
                OrfStart::AfterStop => "after_stop",
                _ => "edge",
            };
            let partial = match (orf.partial_5, orf.partial_3) {
                (false, false) => "no",
                (true, false) => "5'",
                (false, true) => "3'",
                (true, true) => "both",
            };
            let (first, last, strand) = (orf.span.start() + 1, orf.span.end(), orf.strand.symbol());
            match format {
                OrfFormat::Tsv => writeln!(
                    out,
                    "{name}\t{}\t{first}\t{last}\t{strand}\t{}\t{}\t{start}\t{partial}\t{protein}",
                    seq.name,
                    orf.frame,
                    orf.len_aa()
                )?,
                OrfFormat::Proteins => {
                    writeln!(out, ">{name} {}:{first}-{last}({strand}) {} aa, {start}", seq.name, orf.len_aa())?;
                    writeln!(out, "{protein}")?;
                }
                OrfFormat::Gff3 => writeln!(
                    out,
                    "{}\tgenome\tORF\t{first}\t{last}\t.\t{strand}\t.\tID={};length_aa={}",
                    escape(&seq.name),
                    escape(&name),
                    orf.len_aa()
                )?,
                OrfFormat::Json => {
                    let object = json!({
                        "name": name, "sequence": seq.name, "start": first, "end": last, "strand": strand.to_string(),
                        "frame": orf.frame, "length_aa": orf.len_aa(), "start_codon": start, "partial": partial,
                        "protein": protein,
                    });
                    writeln!(out, "{object}")?;
                }
            }
        }
    }
    say_forgiven(&records.forgiven());
    out.finish()?;
    Ok(if found { Outcome::Found } else { Outcome::NothingFound })
}

/// A name as GFF3 takes it in its columns and attributes.
fn escape(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._:^*$@!+?-|".contains(c);
    let mut bytes = [0; 4];
    name.chars()
        .map(|c| {
            if plain(c) {
                c.to_string()
            } else {
                c.encode_utf8(&mut bytes).bytes().map(|b| format!("%{b:02X}")).collect()
            }
        })
        .collect()
}
