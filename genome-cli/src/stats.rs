//! `genome stats`: what is in files of any format, in one pass.

use crate::format_args::StatsArgs;
use crate::output::{say_forgiven, stdout};
use crate::{Outcome, ui};
use anyhow::Result;
use genome_formats::vcf::Allele;
use genome_formats::{FastaReader, Format, Input, InputOptions, Letters, ReadOptions, Record, Records, SequenceStats};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

pub(crate) fn run(args: &StatsArgs) -> Result<Outcome> {
    let mut out = stdout();
    let mut found = false;
    for file in &args.files {
        let report = report(file, args)?;
        found |= report.iter().any(|(key, value)| *key == "records" && value.as_u64() > Some(0));
        if args.json {
            let object: serde_json::Map<_, _> =
                report.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
            writeln!(out, "{}", Value::Object(object))?;
        } else {
            print(&mut out, &report)?;
        }
        out.flush()?;
    }
    Ok(if found { Outcome::Found } else { Outcome::NothingFound })
}

/// Facts in the order in which people read them.
type Report = Vec<(&'static str, Value)>;

fn report(file: &Path, args: &StatsArgs) -> Result<Report> {
    let options = ReadOptions { mode: args.read.mode(), reference: args.reference.clone(), ..ReadOptions::default() };
    let input = Input::open_with(file, InputOptions { limits: options.limits, mode: options.mode })?;
    let (format, compression) = (input.format()?, input.compression());
    let mut tally = Tally::default();
    if format == Format::Fasta {
        // By pieces: a chromosome need not fit in memory.
        let mut reader = FastaReader::from_input(input).with_letters(Letters::Any).with_mode(options.mode);
        while reader.next_definition()?.is_some() {
            while let Some(piece) = reader.next_chunk()? {
                tally.sequences.push(piece);
            }
            tally.sequences.end_sequence();
            tally.records += 1;
        }
        say_forgiven(reader.forgiven());
    } else {
        drop(input);
        let mut records = Records::open_with(file, &options)?;
        for record in &mut records {
            tally.add(record?);
        }
        say_forgiven(&records.forgiven());
    }
    let mut report = vec![
        ("file", json!(file.display().to_string())),
        ("format", json!(format.to_string())),
        ("compression", json!(compression.to_string())),
        ("records", json!(tally.records)),
    ];
    tally.describe(&mut report);
    Ok(report)
}

/// What is counted; a format fills its part.
#[derive(Default)]
struct Tally {
    records: u64,
    sequences: SequenceStats,
    /// Phred scores: their sum and how many.
    quality: (u64, u64),
    at_least: [u64; 2],
    /// Counts by group and name: features by kind, variants by type, ...
    groups: BTreeMap<&'static str, BTreeMap<String, u64>>,
    covered: u64,
    signal: Option<(f64, f64, f64)>,
}

impl Tally {
    fn count(&mut self, group: &'static str, name: impl Into<String>) {
        *self.groups.entry(group).or_default().entry(name.into()).or_default() += 1;
    }

    fn qualities(&mut self, scores: impl Iterator<Item = u8>) {
        for score in scores {
            self.quality.0 += u64::from(score);
            self.quality.1 += 1;
            self.at_least[0] += u64::from(score >= 20);
            self.at_least[1] += u64::from(score >= 30);
        }
    }

    fn add(&mut self, record: Record) {
        self.records += 1;
        match record {
            Record::Sequence(seq) => self.sequences.add(&seq.seq),
            Record::Read(read) => {
                self.sequences.add(&read.seq);
                self.qualities(read.phred());
            }
            Record::Annotated(record) => {
                self.sequences.add(&record.seq);
                for feature in &record.features {
                    self.count("features", feature.kind.as_str());
                }
            }
            Record::Alignment(alignment) => {
                let flags = alignment.flags;
                let kind = if flags.is_secondary() {
                    "secondary"
                } else if flags.is_supplementary() {
                    "supplementary"
                } else if flags.is_unmapped() {
                    "unmapped"
                } else {
                    "mapped"
                };
                self.count("alignments", kind);
                if flags.is_duplicate() {
                    self.count("flags", "duplicate");
                }
                if flags.is_proper_pair() {
                    self.count("flags", "proper_pair");
                }
                if let Some(reference) = &alignment.reference {
                    self.count("on", reference.as_ref());
                }
                if flags.is_primary() {
                    self.sequences.add(&alignment.sequence);
                    self.qualities(alignment.qualities.iter().flatten().copied());
                }
            }
            Record::Variant(variant) => {
                self.count("on", variant.chrom.as_str());
                self.count("filters", if variant.is_pass() { "PASS".to_owned() } else { variant.filters.join(";") });
                for alternate in &variant.alternates {
                    let kind = match alternate {
                        Allele::Bases(bases) if bases.len() != variant.reference.len() => "indel",
                        Allele::Bases(bases) if bases.len() == 1 => {
                            let pair = [variant.reference[0].to_ascii_uppercase(), bases[0].to_ascii_uppercase()];
                            match &pair {
                                b"AG" | b"GA" | b"CT" | b"TC" => "transition",
                                _ => "transversion",
                            }
                        }
                        Allele::Bases(_) => "multi_base",
                        Allele::Symbolic(_) => "symbolic",
                        _ => "other",
                    };
                    self.count("alleles", kind);
                }
            }
            Record::Feature(feature) => {
                self.count("features", feature.kind);
                self.count("on", feature.seq_name);
            }
            Record::Interval(interval) => {
                self.covered += interval.span.len();
                self.count("on", interval.seq_name);
            }
            Record::Signal(signal) => {
                self.covered += signal.span.len();
                let (low, high, sum) = self.signal.unwrap_or((f64::INFINITY, f64::NEG_INFINITY, 0.0));
                let weighted = signal.value * signal.span.len() as f64;
                self.signal = Some((low.min(signal.value), high.max(signal.value), sum + weighted));
                self.count("on", signal.seq_name);
            }
            _ => {}
        }
    }

    fn describe(&self, report: &mut Report) {
        let mut say = |key: &'static str, value: Value| report.push((key, value));
        if let Some(lengths) = self.sequences.lengths() {
            let stats = &self.sequences;
            say("sequences", json!(stats.sequences()));
            say("letters", json!(stats.letters()));
            say("length_min", json!(lengths.min));
            say("length_median", json!(lengths.median));
            say("length_mean", json!(lengths.mean));
            say("length_max", json!(lengths.max));
            if let Some(n50) = stats.nx(50.0) {
                say("n50", json!(n50.length));
                say("l50", json!(n50.sequences));
            }
            say("gc", json!(stats.gc()));
            say("n", json!(stats.count(b'N')));
            say("soft_masked", json!(stats.soft_masked()));
        }
        if self.quality.1 > 0 {
            let share = |n: u64| json!(n as f64 / self.quality.1 as f64);
            say("quality_mean", share(self.quality.0));
            say("quality_20", share(self.at_least[0]));
            say("quality_30", share(self.at_least[1]));
        }
        if self.covered > 0 {
            say("bases", json!(self.covered));
        }
        if let Some((low, high, sum)) = self.signal {
            say("value_min", json!(low));
            say("value_mean", json!(sum / self.covered.max(1) as f64));
            say("value_max", json!(high));
        }
        for (group, counts) in &self.groups {
            say(group, json!(counts));
        }
    }
}

/// The report for people: a line a fact, groups by size.
fn print(out: &mut impl Write, report: &Report) -> Result<()> {
    for (key, value) in report {
        match value {
            Value::Object(counts) => {
                let mut counts: Vec<_> = counts.iter().map(|(name, n)| (n.as_u64().unwrap_or(0), name)).collect();
                counts.sort_by_key(|&(n, name)| (std::cmp::Reverse(n), name));
                let shown: Vec<_> =
                    counts.iter().take(12).map(|(n, name)| format!("{name} {}", ui::thousands(*n as usize))).collect();
                let more = counts.len().saturating_sub(12);
                let more = if more > 0 { format!(", and {more} more") } else { String::new() };
                writeln!(out, "{key:<14}{}{more}", shown.join(", "))?;
            }
            Value::Number(n) if n.is_u64() => {
                writeln!(out, "{key:<14}{}", ui::thousands(n.as_u64().unwrap_or(0) as usize))?;
            }
            Value::Number(n) => {
                let n = n.as_f64().unwrap_or(0.0);
                if n.fract() == 0.0 && (0.0..1e15).contains(&n) {
                    writeln!(out, "{key:<14}{}", ui::thousands(n as usize))?;
                } else {
                    writeln!(out, "{key:<14}{n:.4}")?;
                }
            }
            Value::String(text) => writeln!(out, "{key:<14}{text}")?,
            Value::Null => {}
            other => writeln!(out, "{key:<14}{other}")?,
        }
    }
    writeln!(out)?;
    Ok(())
}
