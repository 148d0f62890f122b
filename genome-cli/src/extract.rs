//! `genome extract`: regions, coding sequences, proteins, features and upstream bases, as FASTA.

use crate::format_args::ExtractArgs;
use crate::output::{out_file, say_forgiven};
use crate::{Outcome, ui};
use anyhow::{Context, Result, bail};
use genome_formats::annotation::{self, AnnotatedFeature};
use genome_formats::{
    BedReader, Cds, FastaWriter, FeatureTree, Flank, GffReader, Mode, Output, Record, Records, Region, SeqRecord,
    Topology,
};
use serde_json::json;
use std::collections::BTreeMap;

pub(crate) fn run(args: &ExtractArgs) -> Result<Outcome> {
    let file = args.file.display();
    let what = args.what.what();
    let mut regions = regions(args)?;
    if what.is_none() && regions.is_empty() {
        bail!("nothing to extract; say --region, --regions, --cds, --proteins, --features KIND or --upstream N");
    }
    let mut annotation = match &args.annotation {
        Some(path) => {
            let mut reader = GffReader::open(path)?.with_mode(args.read.mode());
            let tree = FeatureTree::read(&mut reader)?;
            say_forgiven(reader.forgiven());
            Some(annotation::of_tree(&tree))
        }
        None => None,
    };
    let mut records = Records::open_with(&args.file, &args.read.nucleotides())?;
    let mut out = Pieces::new(args)?;
    let mut names = Vec::new();
    while let Some(record) = records.next() {
        let (seq, topology, features) = match record? {
            Record::Sequence(seq) => {
                let features = annotation.as_mut().and_then(|a| a.remove(&seq.name));
                (seq, Topology::Linear, features.unwrap_or_default())
            }
            Record::Annotated(record) => {
                let features = annotation::of_record(&record);
                (SeqRecord::from((*record).clone()), Topology::from_flag(record.circular), features)
            }
            _ => bail!("{file}: expected sequences (FASTA, GenBank or EMBL), found {}", records.format()),
        };
        for (text, found) in &mut regions {
            if let Ok(region) = Region::parse(text, |name| name == seq.name) {
                let span = region.span_within(seq.seq.len() as u64).with_context(|| format!("{file}: {}", seq.name))?;
                *found = Some((region, span.slice(&seq.seq).unwrap_or_default().to_vec()));
            }
        }
        if let Some(what) = what {
            let source = Source { seq: &seq, topology, what, args };
            let wanted = |f: &&AnnotatedFeature| args.name.is_empty() || args.name.iter().any(|n| f.is_named(n));
            for feature in features.iter().filter(wanted) {
                source.extract(feature, &mut out)?;
            }
        }
        names.push(seq.name);
    }
    for (text, found) in regions {
        let Some((region, letters)) = found else {
            // Says whether it is the name or the numbers.
            Region::parse(&text, |name| names.iter().any(|n| n == name)).with_context(|| file.to_string())?;
            bail!("{file}: no such region: {text}");
        };
        out.write(&region.to_string(), None, &letters, json!({"sequence": region.name}))?;
    }
    if let Some((missing, _)) = annotation.as_ref().and_then(|a| a.first_key_value()) {
        eprintln!("note: {file} does not hold the annotated sequence {missing:?}");
    }
    say_forgiven(&records.forgiven());
    out.finish()
}

/// A region that was asked for, still as text (a name may hold a colon, which only the genome tells), and what was found.
type Asked = (String, Option<(Region, Vec<u8>)>);

fn regions(args: &ExtractArgs) -> Result<Vec<Asked>> {
    let mut regions: Vec<_> = args.region.iter().map(|text| (text.clone(), None)).collect();
    if let Some(path) = &args.regions {
        let mut reader = BedReader::open(path)?.with_mode(args.read.mode());
        for record in &mut reader {
            let record = record?;
            regions.push((Region::new(record.seq_name, Some(record.span)).to_string(), None));
        }
        say_forgiven(reader.forgiven());
    }
    Ok(regions)
}

/// What is cut out at each feature.
#[derive(Debug, Clone, Copy)]
pub(crate) enum What<'a> {
    Cds,
    Proteins,
    Features(&'a str),
    /// Of features of the kind: `CDS` for coding sequences.
    Upstream(u64, &'a str),
}

struct Source<'a> {
    seq: &'a SeqRecord,
    topology: Topology,
    what: What<'a>,
    args: &'a ExtractArgs,
}

impl Source<'_> {
    fn extract(&self, feature: &AnnotatedFeature, out: &mut Pieces) -> Result<()> {
        let letters = &self.seq.seq;
        let (name, letters) = match self.what {
            What::Cds | What::Proteins => {
                let Some(cds) = &feature.cds else { return Ok(()) };
                let cds = match cds {
                    Ok(cds) => cds,
                    Err(error) => return self.problem(error),
                };
                let done = match self.what {
                    What::Proteins if cds.pseudo => return Ok(()),
                    What::Proteins => {
                        let code = self.args.table.map_or(cds.code, |t| t.0);
                        (Cds { code, ..cds.clone() }).translate(letters).map(|p| p.letters)
                    }
                    _ => cds.nucleotides(letters),
                };
                match done {
                    Ok(letters) => (cds.label().into_owned(), letters),
                    Err(error) => return self.problem(&error),
                }
            }
            What::Features(kind) if feature.kind == kind => {
                match (Cds { parts: feature.parts.clone(), sequence: self.seq.name.clone(), ..Cds::default() })
                    .nucleotides(letters)
                {
                    Ok(letters) => (self.label(feature), letters),
                    Err(error) => return self.problem(&error),
                }
            }
            What::Upstream(n, kind) if feature.kind == kind => {
                let Some(first) = feature.parts.first() else { return Ok(()) };
                let flank = Flank::upstream(first.span, first.strand, n, letters.len() as u64, self.topology);
                let Some((flank, letters)) = flank.and_then(|f| f.bases(letters).map(|b| (f, b))) else {
                    bail!("{}: {} lies outside the sequence", self.seq.name, self.label(feature));
                };
                if flank.missing > 0 {
                    out.clipped += 1;
                }
                (self.label(feature), letters)
            }
            _ => return Ok(()),
        };
        let place = place(&self.seq.name, feature);
        let about = json!({
            "sequence": self.seq.name,
            "kind": feature.kind,
            "location": place,
            "names": feature.names,
        });
        out.write(&name, Some(&place), &letters, about)
    }

    /// A feature that cannot be extracted ends a strict run; a lenient one says so and goes on.
    fn problem(&self, error: &genome_formats::Error) -> Result<()> {
        match self.args.read.mode() {
            Mode::Strict => bail!("{}: {error}", self.args.file.display()),
            Mode::Lenient => {
                eprintln!("note: skipped: {error}");
                Ok(())
            }
        }
    }

    fn label(&self, feature: &AnnotatedFeature) -> String {
        let name = feature.names.iter().find(|n| !n.contains(char::is_whitespace));
        name.cloned().unwrap_or_else(|| place(&self.seq.name, feature))
    }
}

/// `chr1:11-40(+)`, parts divided by commas; counted from 1, the last base included.
fn place(name: &str, feature: &AnnotatedFeature) -> String {
    let part = |p: &genome_formats::CdsPart| {
        let name = p.accession.as_deref().unwrap_or(name);
        format!("{name}:{}-{}({})", p.span.start() + 1, p.span.end(), p.strand.symbol())
    };
    feature.parts.iter().map(part).collect::<Vec<_>>().join(",")
}

/// Where pieces go: FASTA or JSON lines.
struct Pieces {
    json: bool,
    fasta: Option<FastaWriter<Output>>,
    lines: Option<Output>,
    written: u64,
    clipped: u64,
    names: BTreeMap<String, u64>,
}

impl Pieces {
    fn new(args: &ExtractArgs) -> Result<Self> {
        let sink = out_file(args.out.as_deref())?;
        let name = args.out.as_deref().map_or("<stdout>".to_owned(), |p| p.display().to_string());
        let (fasta, lines) = if args.json {
            (None, Some(sink))
        } else {
            (Some(FastaWriter::new(name, sink).with_width(args.width)), None)
        };
        Ok(Self { json: args.json, fasta, lines, written: 0, clipped: 0, names: BTreeMap::new() })
    }

    fn write(&mut self, name: &str, about: Option<&str>, letters: &[u8], mut object: serde_json::Value) -> Result<()> {
        // Two proteins of one gene: their names stay different.
        let seen = self.names.entry(name.to_owned()).or_default();
        *seen += 1;
        let name = if *seen == 1 { name.to_owned() } else { format!("{name}_{seen}") };
        self.written += 1;
        if self.json {
            object["name"] = json!(name);
            object["letters"] = json!(String::from_utf8_lossy(letters));
            if let Some(out) = &mut self.lines {
                use std::io::Write;
                writeln!(out, "{object}")?;
            }
        } else if let Some(out) = &mut self.fasta {
            let description = about.map(str::to_owned);
            out.write(&SeqRecord { name, description, seq: letters.to_vec() })?;
        }
        Ok(())
    }

    fn finish(self) -> Result<Outcome> {
        if self.clipped > 0 {
            eprintln!(
                "note: {} flank(s) end with their sequence and are shorter",
                ui::thousands(self.clipped as usize)
            );
        }
        if let Some(out) = self.fasta {
            out.finish()?.finish()?;
        }
        if let Some(out) = self.lines {
            out.finish()?;
        }
        Ok(if self.written > 0 { Outcome::Found } else { Outcome::NothingFound })
    }
}
