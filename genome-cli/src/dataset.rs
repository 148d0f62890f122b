//! `genome dataset build` and `genome dataset check`.

use crate::format_args::{BuildArgs, CheckArgs, DatasetCommand};
use crate::output::stdout;
use crate::{Outcome, ui};
use anyhow::{Context, Result, bail};
use genome_formats::dataset::{
    self, CheckOptions, Dataset, DatasetBuilder, DatasetOptions, FileHash, MemoryGenome, Near, Negatives, Site,
    SplitBy, VariantSite, Window,
};
use genome_formats::vcf::Allele;
use genome_formats::{Error, Format, GenbankRecord, ReadOptions, Record, Records, SeqRecord, Signal, annotation};
use std::io::Write;
use std::path::Path;

pub(crate) fn run(command: &DatasetCommand) -> Result<Outcome> {
    match command {
        DatasetCommand::Build(args) => build(args),
        DatasetCommand::Check(args) => check(args),
    }
}

fn check(args: &CheckArgs) -> Result<Outcome> {
    let options = CheckOptions {
        near: args.near.map(|threshold| Near { threshold, ..Near::default() }),
        examples: args.examples,
    };
    let report = dataset::check_with(&args.dir, options)?;
    let mut out = stdout();
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&report)?)?;
    } else {
        writeln!(out, "{report}")?;
    }
    out.flush()?;
    // Found: leaks.
    Ok(if report.is_clean() { Outcome::NothingFound } else { Outcome::Found })
}

fn build(args: &BuildArgs) -> Result<Outcome> {
    crate::output::check_out(&args.out, args.force)?;
    let read = ReadOptions { mode: args.read.mode(), ..args.read.nucleotides() };
    let (genome, annotated) = genome(&args.genome, &read)?;
    let mut options = DatasetOptions {
        seed: args.seed,
        window: args.window.0,
        strand_aware: !args.ignore_strand,
        max_n_share: args.max_n,
        lenient: args.read.lenient,
        negatives: negatives(args),
        split: split(args)?,
        ..DatasetOptions::default()
    };
    options.dedupe.near = args.near.map(|threshold| Near { threshold, ..Near::default() });
    options.signal_labels.thresholds.clone_from(&args.threshold);
    options.circular = annotated.iter().filter(|r| r.circular).map(|r| r.name.clone()).collect();
    let mut builder = DatasetBuilder::new(genome, options).with_input(FileHash::of(&args.genome)?);
    for file in [&args.features, &args.signal, &args.variants].into_iter().flatten() {
        builder = builder.with_input(FileHash::of(file)?);
    }
    let sites: Vec<_> = match &args.features {
        Some(path) => sites_of_file(path, args, &read)?,
        None => annotated.iter().flat_map(|r| sites_of_record(r, args)).map(Ok).collect(),
    };
    let set: Dataset<_> = match (&args.variants, &args.signal) {
        (Some(path), _) => builder.variants(variants(path, &read)?)?,
        (None, Some(path)) => {
            let regions = if sites.is_empty() { whole(&builder, args) } else { sites };
            builder.signals(regions, signals(path, &read)?)?
        }
        (None, None) if sites.is_empty() => bail!(
            "no features to cut windows at{}; give --features (GFF3, GTF, BED), --signal or --variants",
            if args.kind.is_empty() { String::new() } else { format!(" of the kind {}", args.kind.join(", ")) }
        ),
        (None, None) => builder.sites(sites)?,
    };
    let manifest = if args.force { set.write_over(&args.out)? } else { set.write(&args.out)? };
    let mut out = stdout();
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&manifest)?)?;
    } else {
        for (split, counts) in &manifest.splits {
            let labels: Vec<_> =
                counts.labels.iter().take(12).map(|(l, n)| format!("{l}: {}", ui::thousands(*n as usize))).collect();
            writeln!(
                out,
                "{:<6}{:>10} rows   {}",
                split.name(),
                ui::thousands(counts.rows as usize),
                labels.join(", ")
            )?;
        }
        for (reason, n) in manifest.drops.iter().filter(|(_, n)| **n > 0) {
            writeln!(out, "dropped {:>8}   {reason}", ui::thousands(*n as usize))?;
        }
        writeln!(out, "wrote {}", args.out.display())?;
    }
    out.flush()?;
    Ok(if manifest.rows() > 0 { Outcome::Found } else { Outcome::NothingFound })
}

/// The sequences in memory, and the records with their features where the file has some.
fn genome(path: &Path, read: &ReadOptions) -> Result<(MemoryGenome, Vec<GenbankRecord>)> {
    let (mut sequences, mut annotated) = (Vec::new(), Vec::new());
    let mut records = Records::open_with(path, read)?;
    while let Some(record) = records.next() {
        match record? {
            Record::Sequence(seq) => sequences.push(seq),
            Record::Annotated(mut record) => {
                let seq = SeqRecord::from((*record).clone());
                record.seq = Vec::new();
                record.name.clone_from(&seq.name);
                sequences.push(seq);
                annotated.push(*record);
            }
            _ => bail!("{}: expected sequences, found {}", path.display(), records.format()),
        }
    }
    Ok((MemoryGenome::new(path.display().to_string(), sequences)?, annotated))
}

fn wanted(kind: &str, args: &BuildArgs) -> bool {
    args.kind.is_empty() || args.kind.iter().any(|k| k == kind)
}

fn sites_of_record(record: &GenbankRecord, args: &BuildArgs) -> Vec<Site> {
    let features = annotation::of_record(record);
    let named = features.iter().zip(&record.features).filter(|(f, _)| f.kind != "source" && wanted(&f.kind, args));
    let site = |(f, raw): (&annotation::AnnotatedFeature, &genome_formats::Feature)| {
        let label = match args.label_by.as_deref() {
            Some("kind") => Some(f.kind.clone()),
            Some(key) => raw.qualifier(key).map(str::to_owned),
            None => Some(args.label.clone()),
        };
        Some(Site { seq_name: record.name.clone(), span: f.span()?, strand: f.strand(), label: label? })
    };
    named.filter_map(site).collect()
}

type Sites = Vec<genome_formats::Result<Site>>;

fn sites_of_file(path: &Path, args: &BuildArgs, read: &ReadOptions) -> Result<Sites> {
    let mut records = Records::open_with(path, read)?;
    let mut sites = Vec::new();
    while let Some(record) = records.next() {
        let site = match record {
            Ok(Record::Feature(f)) if wanted(&f.kind, args) => {
                let label = match args.label_by.as_deref() {
                    Some("kind") => Some(f.kind.clone()),
                    Some(key) => f.attributes.get(key).map(str::to_owned),
                    None => Some(args.label.clone()),
                };
                label.map(|label| Site { seq_name: f.seq_name.clone(), span: f.span, strand: f.strand.known(), label })
            }
            Ok(Record::Feature(_)) => None,
            Ok(Record::Interval(i)) => {
                let label = match args.label_by.as_deref() {
                    Some("name") => i.name.clone(),
                    Some(other) => bail!("--label-by {other}: BED has names alone; say --label-by name"),
                    None => Some(args.label.clone()),
                };
                label.map(|label| Site { seq_name: i.seq_name.clone(), span: i.span, strand: i.strand, label })
            }
            Ok(_) => bail!("{}: expected features (GFF3, GTF or BED), found {}", path.display(), records.format()),
            Err(error) => {
                sites.push(Err(error));
                break;
            }
        };
        sites.extend(site.map(Ok));
    }
    Ok(sites)
}

/// Every sequence as a region, for signals without features.
fn whole(builder: &DatasetBuilder<MemoryGenome>, args: &BuildArgs) -> Sites {
    dataset::whole_sequences(builder.genome(), &args.label).collect()
}

fn signals(path: &Path, read: &ReadOptions) -> Result<impl Iterator<Item = genome_formats::Result<Signal>>> {
    let records = Records::open_with(path, read)?;
    if !matches!(records.format(), Format::Wig | Format::BedGraph | Format::BigWig) {
        bail!("{}: expected a signal (WIG, bedGraph or bigWig), found {}", path.display(), records.format());
    }
    Ok(records.filter_map(|record| match record {
        Ok(Record::Signal(signal)) => Some(Ok(signal)),
        Ok(_) => None,
        Err(error) => Some(Err(error)),
    }))
}

fn variants(path: &Path, read: &ReadOptions) -> Result<impl Iterator<Item = Result<VariantSite, Error>>> {
    let records = Records::open_with(path, read)?;
    if !matches!(records.format(), Format::Vcf | Format::Bcf) {
        bail!("{}: expected variants (VCF or BCF), found {}", path.display(), records.format());
    }
    Ok(records.filter_map(|record| match record {
        Ok(Record::Variant(variant)) => {
            let allele = |allele: &Allele| match allele {
                Allele::Bases(bases) => bases.clone(),
                other => other.to_string().into_bytes(), // skipped and counted there
            };
            Some(Ok(VariantSite {
                seq_name: variant.chrom.clone(),
                position: variant.start?,
                reference: variant.reference.clone(),
                alternates: variant.alternates.iter().map(allele).collect(),
            }))
        }
        Ok(_) => None,
        Err(error) => Some(Err(error)),
    }))
}

fn negatives(args: &BuildArgs) -> Negatives {
    use crate::format_args::NegativeKind;
    let label = args.negative_label.clone();
    match args.negatives {
        NegativeKind::None => Negatives::FromLabel,
        NegativeKind::Matched => {
            Negatives::Matched { gc_tolerance: args.gc_tolerance, ratio: args.ratio, margin_bp: args.margin, label }
        }
        NegativeKind::Shuffled => Negatives::Shuffled { ratio: args.ratio, label },
    }
}

fn split(args: &BuildArgs) -> Result<SplitBy> {
    if !args.dev.is_empty() || !args.test.is_empty() {
        return Ok(SplitBy::Chromosome { dev: args.dev.clone(), test: args.test.clone() });
    }
    let [dev, test] = args.shares[..] else { bail!("--shares takes two numbers, dev and test") };
    Ok(if args.by_homology {
        SplitBy::Homology { dev, test, near: Near::default(), groups: Vec::new() }
    } else {
        SplitBy::Random { dev, test, block_bp: args.block }
    })
}

/// A window as the command line writes it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WindowText(pub(crate) Window);

impl std::str::FromStr for WindowText {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || -> Option<Window> {
            let mut words = text.split(':');
            let kind = words.next()?;
            let numbers = words.map(|n| n.parse().ok()).collect::<Option<Vec<u64>>>()?;
            Some(match (kind, &numbers[..]) {
                ("as-is", []) => Window::AsIs,
                ("centered", &[bp]) => Window::Centered(bp),
                ("upstream", &[bp]) => Window::Upstream(bp),
                ("downstream", &[bp]) => Window::Downstream(bp),
                ("start", &[upstream, downstream]) => Window::AroundStart { upstream, downstream },
                ("sliding", &[width, step]) => Window::Sliding { width, step },
                _ => return None,
            })
        };
        parse().map(Self).context("").map_err(|_| {
            "expected as-is, centered:BASES, upstream:BASES, downstream:BASES, start:BEFORE:BEHIND or sliding:WIDTH:STEP"
                .to_owned()
        })
    }
}
