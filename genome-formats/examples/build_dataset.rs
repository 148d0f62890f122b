//! Which promoters does a genome have, as a data set that a model can be trained on?
//!
//! `cargo run --release -p genome-formats --example build_dataset -- OUTPUT_FOLDER [GENOME.gb]`
//!
//! Without a GenBank file a toy genome with planted promoters is used. Genes give the sites: 250 bases before the start and
//! 50 behind, on the gene's strand. As many windows elsewhere, with the same length and a like share of G and C, are the
//! negatives.

use std::error::Error;
use std::path::{Path, PathBuf};

use genome_formats::dataset::{
    self, DatasetBuilder, DatasetOptions, FileHash, MemoryGenome, Negatives, Site, Split, SplitBy, Window,
};
use genome_formats::{GenbankReader, Input, SeqRecord, Span, Strand};

/// A genome and its genes.
struct Annotated {
    name: String,
    records: Vec<SeqRecord>,
    sites: Vec<Site>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args_os().skip(1).map(PathBuf::from);
    let Some(folder) = args.next() else {
        return Err("expected an output folder, and perhaps a GenBank file".into());
    };
    let file = args.next();
    let Annotated { name, records, sites } = match &file {
        Some(path) => read(path)?,
        None => toy(),
    };
    let letters: u64 = records.iter().map(|r| r.seq.len() as u64).sum();
    let options = DatasetOptions {
        seed: 7,
        window: Window::AroundStart { upstream: 250, downstream: 50 },
        negatives: Negatives::Matched { gc_tolerance: 0.03, ratio: 1.0, margin_bp: 0, label: "0".into() },
        // Some forty blocks: large beside a window, small beside the genome.
        split: SplitBy::Random { dev: 0.15, test: 0.15, block_bp: (letters / 40).max(1) },
        ..DatasetOptions::default()
    };
    let mut builder = DatasetBuilder::new(MemoryGenome::new(name, records)?, options);
    if let Some(path) = &file {
        builder = builder.with_input(FileHash::of(path)?);
    }
    let set = builder.sites(sites.into_iter().map(Ok))?;
    let manifest = set.write(&folder)?;
    println!("{manifest}");
    if let Some(row) = set.rows(Split::Train).next() {
        let row = row?;
        let letters = String::from_utf8_lossy(&row.sequence[..60]).into_owned();
        println!(
            "first row of train: {letters}..., label {} ({} {}..{})",
            row.label,
            row.seq_name,
            row.span.start(),
            row.span.end()
        );
    }
    println!("{}", dataset::check(&folder)?);
    Ok(())
}

/// The sequences of a GenBank file, and a site for each gene in one piece.
fn read(path: &Path) -> Result<Annotated, Box<dyn Error>> {
    let (mut records, mut sites) = (Vec::new(), Vec::new());
    for record in GenbankReader::from_input(Input::open(path)?) {
        let record = record?;
        let name = record.version.or(record.accession).unwrap_or(record.name);
        for gene in record.features.iter().filter(|f| f.kind == "gene") {
            // Genes in several parts are trans-spliced or lie over the origin: they have no one start.
            let [part] = gene.location.parts() else { continue };
            let label = "1".to_owned();
            sites.push(Site { seq_name: name.clone(), span: part.span, strand: Some(part.strand), label });
        }
        records.push(SeqRecord::new(name, record.seq));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Annotated { name, records, sites })
}

/// Letters by chance, with a TATA box in front of each of 100 genes.
fn toy() -> Annotated {
    let mut state = 1u64;
    let letter = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        b"ACGT"[(state >> 62) as usize]
    };
    let mut seq: Vec<u8> = (0..200_000).map(letter).collect();
    let site = |start: u64| {
        let span = Span::new(start, start + 600).expect("a gene starts before it ends");
        Site { seq_name: "toy".into(), span, strand: Some(Strand::Forward), label: "1".into() }
    };
    let sites: Vec<Site> = (0..100).map(|i| site(2000 * i + 700)).collect();
    for site in &sites {
        let start = site.span.start() as usize;
        seq[start - 30..start - 23].copy_from_slice(b"TATAAAA");
    }
    Annotated { name: "toy".into(), records: vec![SeqRecord::new("toy", seq)], sites }
}
