//! `genome convert`: one format written as another.

use crate::Outcome;
use crate::format_args::ConvertArgs;
use crate::output::say_forgiven;
use anyhow::{Context, Result, bail};
use genome_formats::{ConvertOptions, Format, ReadOptions, Records, convert};

pub(crate) fn run(args: &ConvertArgs) -> Result<Outcome> {
    let from = args.from.as_deref().map(format).transpose()?;
    let to = match &args.to {
        Some(name) => format(name)?,
        None => Format::from_name(&args.out.to_string_lossy())
            .with_context(|| format!("{}: the ending names no format; say --to FORMAT", args.out.display()))?,
    };
    let options = ReadOptions {
        mode: args.read.mode(),
        format: from,
        encoding: args.quality.into(),
        reference: args.reference.clone(),
        ..ReadOptions::default()
    };
    let records = Records::open_with(&args.file, &options)?;
    let options = ConvertOptions {
        encoding: args.quality_out.into(),
        sizes: args.sizes.as_deref().map(sizes).transpose()?.unwrap_or_default(),
    };
    let done = convert(records, &args.out, to, &options)?;
    if args.json {
        let object = serde_json::json!({
            "read": done.read, "written": done.written, "skipped": done.skipped, "forgiven": done.forgiven.total(),
        });
        eprintln!("{object}");
    } else {
        eprintln!("{done}");
        say_forgiven(&done.forgiven);
    }
    Ok(if done.written > 0 { Outcome::Found } else { Outcome::NothingFound })
}

/// A format by its name, which is one of its file endings.
fn format(name: &str) -> Result<Format> {
    match Format::from_name(&format!("x.{}", name.to_ascii_lowercase())) {
        Some(format) => Ok(format),
        None => bail!(
            "unknown format {name:?}: expected fasta, fastq, genbank, embl, sam, bam, cram, vcf, bcf, gff3, gtf, bed, wig, \
             bedgraph, bigwig or csv"
        ),
    }
}

/// Lines of name and length, whatever follows: chrom.sizes, .fai.
fn sizes(path: &std::path::Path) -> Result<Vec<(String, u64)>> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let row = |(i, line): (usize, &str)| {
        let mut fields = line.split_whitespace();
        let size = fields.next().zip(fields.next().and_then(|n| n.parse().ok()));
        let (name, length) =
            size.with_context(|| format!("{}:{}: expected a name and a length", path.display(), i + 1))?;
        Ok((name.to_owned(), length))
    };
    text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(row).collect()
}
