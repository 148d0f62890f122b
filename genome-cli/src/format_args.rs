//! The command line of the commands that work on files alone.

use crate::dataset::WindowText;
use crate::extract::What;
use clap::{Args, Subcommand, ValueEnum};
use genome_formats::{GeneticCode, Letters, Mode, OrfStarts, QualityEncoding, ReadOptions, Strand};
use std::path::PathBuf;

/// How strictly files are read.
#[derive(Debug, Clone, Args)]
pub(crate) struct ReadArgs {
    /// Read what breaks a rule of its format but can be understood, and say what was forgiven
    #[arg(long)]
    pub(crate) lenient: bool,
}

impl ReadArgs {
    pub(crate) fn mode(&self) -> Mode {
        if self.lenient { Mode::Lenient } else { Mode::Strict }
    }

    /// For commands that work on DNA: other letters are errors.
    pub(crate) fn nucleotides(&self) -> ReadOptions {
        ReadOptions { mode: self.mode(), letters: Some(Letters::Iupac), ..ReadOptions::default() }
    }
}

/// A genetic code by NCBI's number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Table(pub(crate) GeneticCode);

impl std::str::FromStr for Table {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let code = text.parse().ok().and_then(GeneticCode::from_id);
        code.map(Self).ok_or_else(|| "expected an NCBI translation table: 1-6, 9-16 or 21-33".to_owned())
    }
}

#[derive(Debug, Args)]
#[command(after_help = "Any format that genome reads, plain or compressed; - is stdin.\n\n\
    Example:\n  genome stats genome.fa.gz reads.fastq calls.vcf.gz genes.gff3")]
pub(crate) struct StatsArgs {
    /// Files
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// One JSON object a file
    #[arg(long)]
    pub(crate) json: bool,
    /// FASTA with the reference sequences of CRAM files
    #[arg(long, value_name = "FASTA")]
    pub(crate) reference: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "The format of OUT follows from its ending (.gz: BGZF), or --to.\n\n\
    Examples:\n  genome convert genome.gbff.gz genes.gff3\n  genome convert reads.bam reads.fastq.gz\n  \
    genome convert signal.wig signal.bedgraph\n  genome convert --quality illumina1.3 old.fastq new.fastq")]
pub(crate) struct ConvertArgs {
    /// What is read; - is stdin
    #[arg(value_name = "IN")]
    pub(crate) file: PathBuf,
    /// What is written; - is stdout
    #[arg(value_name = "OUT")]
    pub(crate) out: PathBuf,
    /// The format of IN, where content and ending do not tell
    #[arg(long, value_name = "FORMAT")]
    pub(crate) from: Option<String>,
    /// The format of OUT, where its ending does not tell: fasta, fastq, genbank, sam, bam, vcf, bcf, gff3, gtf, bed, wig, bedgraph, bigwig, csv
    #[arg(long, value_name = "FORMAT")]
    pub(crate) to: Option<String>,
    /// What quality bytes of FASTQ mean: sanger, solexa or illumina1.3
    #[arg(long, value_enum, default_value = "sanger")]
    pub(crate) quality: Quality,
    /// The same for what is written
    #[arg(long, value_enum, default_value = "sanger")]
    pub(crate) quality_out: Quality,
    /// Chromosome sizes for bigWig: lines of name and length, such as a .fai
    #[arg(long, value_name = "FILE")]
    pub(crate) sizes: Option<PathBuf>,
    /// FASTA with the reference sequences of a CRAM file
    #[arg(long, value_name = "FASTA")]
    pub(crate) reference: Option<PathBuf>,
    /// What was written and skipped, as JSON on stderr
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
}

/// An encoding of FASTQ qualities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Quality {
    /// Phred + 33
    Sanger,
    /// Solexa scores + 64
    Solexa,
    /// Phred + 64
    #[value(name = "illumina1.3")]
    Illumina13,
}

impl From<Quality> for QualityEncoding {
    fn from(quality: Quality) -> Self {
        match quality {
            Quality::Sanger => Self::Sanger,
            Quality::Solexa => Self::Solexa,
            Quality::Illumina13 => Self::Illumina13,
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  genome extract genome.fa --region chr1:1,000-2,000\n  \
    genome extract genome.gb --proteins --out proteins.faa\n  \
    genome extract genome.fa --annotation genes.gff3 --upstream 300 --name lacZ")]
pub(crate) struct ExtractArgs {
    /// A genome: FASTA, GenBank or EMBL; - is stdin
    #[arg(value_name = "GENOME")]
    pub(crate) file: PathBuf,
    /// GFF3 or GTF with the features of a FASTA genome
    #[arg(long, value_name = "GFF")]
    pub(crate) annotation: Option<PathBuf>,
    /// A region, counted from 1: name, name:start or name:start-end; may stand several times
    #[arg(long, value_name = "REGION")]
    pub(crate) region: Vec<String>,
    /// The intervals of a BED file
    #[arg(long, value_name = "BED")]
    pub(crate) regions: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) what: WhatArgs,
    /// Only features with this name (gene, locus tag, identifier, synonym); may stand several times
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Vec<String>,
    /// Genetic code (NCBI's number) in place of the one that each coding sequence names, or 1 where it names none
    #[arg(long, value_name = "TABLE")]
    pub(crate) table: Option<Table>,
    /// Letters on a line
    #[arg(long, default_value = "60")]
    pub(crate) width: std::num::NonZeroUsize,
    /// Output file (.gz: BGZF); stdout without it
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// One JSON object a piece
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
}

/// What is cut out at features: one of these.
#[derive(Debug, Args)]
#[group(multiple = true)]
pub(crate) struct WhatArgs {
    /// The bases of all coding sequences
    #[arg(long, conflicts_with_all = ["proteins", "features"])]
    pub(crate) cds: bool,
    /// The proteins of all coding sequences
    #[arg(long, conflicts_with_all = ["features", "upstream"])]
    pub(crate) proteins: bool,
    /// The bases of features of this kind: gene, tRNA, ...
    #[arg(long, value_name = "KIND")]
    pub(crate) features: Option<String>,
    /// This many bases in front of each feature (of --features, else of coding sequences) instead of its own
    #[arg(long, value_name = "BASES")]
    pub(crate) upstream: Option<u64>,
}

impl WhatArgs {
    pub(crate) fn what(&self) -> Option<What<'_>> {
        if let Some(n) = self.upstream {
            return Some(What::Upstream(n, self.features.as_deref().unwrap_or("CDS")));
        }
        match &self.features {
            Some(kind) => Some(What::Features(kind)),
            None if self.proteins => Some(What::Proteins),
            None if self.cds => Some(What::Cds),
            None => None,
        }
    }
}

/// Where frames may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Starts {
    /// At the start codons of the genetic code
    Table,
    /// At ATG only
    Atg,
    /// Behind any stop
    Any,
}

impl From<Starts> for OrfStarts {
    fn from(starts: Starts) -> Self {
        match starts {
            Starts::Table => Self::Table,
            Starts::Atg => Self::AtgOnly,
            Starts::Any => Self::Any,
        }
    }
}

/// Which strands are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Strands {
    Both,
    Forward,
    Reverse,
}

impl Strands {
    pub(crate) fn strand(self) -> Option<Strand> {
        match self {
            Self::Both => None,
            Self::Forward => Some(Strand::Forward),
            Self::Reverse => Some(Strand::Reverse),
        }
    }
}

/// How frames are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OrfFormat {
    Tsv,
    /// Protein FASTA
    Proteins,
    Gff3,
    Json,
}

#[derive(Debug, Args)]
#[command(after_help = "Coordinates are counted from 1; on a ring the end may lie behind its length.\n\n\
    Example:\n  genome orfs phage.fa --table 11 --min-aa 20 --format proteins")]
pub(crate) struct OrfsArgs {
    /// Sequences; - is stdin
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Shortest protein, in amino acids
    #[arg(long, default_value_t = 30)]
    pub(crate) min_aa: u64,
    /// Genetic code: NCBI's number of the translation table
    #[arg(long, default_value = "1", value_name = "TABLE")]
    pub(crate) table: Table,
    /// Where frames may begin
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) starts: Starts,
    /// Which strands are read
    #[arg(long, value_enum, default_value = "both")]
    pub(crate) strand: Strands,
    /// The sequences are rings (GenBank says so itself)
    #[arg(long)]
    pub(crate) circular: bool,
    /// Also frames that run over the ends of a sequence
    #[arg(long)]
    pub(crate) partial: bool,
    /// Every start codon of a frame, not the first alone
    #[arg(long)]
    pub(crate) nested: bool,
    /// How frames are printed
    #[arg(long, value_enum, default_value = "tsv")]
    pub(crate) format: OrfFormat,
    /// One JSON object a frame
    #[arg(long)]
    pub(crate) json: bool,
    /// Output file (.gz: BGZF); stdout without it
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
}

/// What is done with a data set.
#[derive(Debug, Subcommand)]
pub(crate) enum DatasetCommand {
    /// Make train.csv, dev.csv, test.csv and a manifest from a genome
    Build(Box<BuildArgs>),
    /// Look for sequences that stand in more than one of train, dev and test
    Check(CheckArgs),
}

#[derive(Debug, Args)]
pub(crate) struct DatasetArgs {
    #[command(subcommand)]
    pub(crate) command: DatasetCommand,
}

#[derive(Debug, Args)]
#[command(after_help = "Exit code 0: leaks were found; 1: none.\n\nExample:\n  genome dataset check my-promoters")]
pub(crate) struct CheckArgs {
    /// Folder with train.csv, dev.csv and test.csv
    #[arg(value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Also near duplicates: the least share of k-mers that two sequences have in common (Jaccard)
    #[arg(long, value_name = "SHARE")]
    pub(crate) near: Option<f64>,
    /// Examples that are named for each finding
    #[arg(long, default_value_t = 3)]
    pub(crate) examples: usize,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Where rows of the negative class come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum NegativeKind {
    /// None are made
    None,
    /// Random windows of the genome with the same length and share of G and C
    Matched,
    /// The same windows with their letters shuffled, all dinucleotides kept
    Shuffled,
}

#[derive(Debug, Args)]
#[command(
    after_help = "The split comes first: windows of train, dev and test never overlap, and duplicates across them (exact, \
    reverse complement, near) are removed.\n\n\
    Examples:\n  genome dataset build --genome genome.gbff.gz --kind gene --window start:200:50 --negatives matched --out promoters\n  \
    genome dataset build --genome hg38.fa --features peaks.bed --window centered:101 --negatives shuffled --dev chr8 --test chr9 --out peaks\n  \
    genome dataset build --genome hg38.fa --variants calls.vcf.gz --window centered:512 --out variants"
)]
pub(crate) struct BuildArgs {
    /// FASTA, GenBank or EMBL; it is held in memory
    #[arg(long, value_name = "FILE")]
    pub(crate) genome: PathBuf,
    /// GFF3, GTF or BED with the sites; without it the features of the genome file
    #[arg(long, value_name = "FILE", conflicts_with = "variants")]
    pub(crate) features: Option<PathBuf>,
    /// Only features of this kind (promoter, gene, ...); may stand several times
    #[arg(long, value_name = "KIND")]
    pub(crate) kind: Vec<String>,
    /// WIG, bedGraph or bigWig: the label is its mean over each window
    #[arg(long, value_name = "FILE", conflicts_with = "variants")]
    pub(crate) signal: Option<PathBuf>,
    /// Makes classes of a signal: the class is how many thresholds its mean reaches; may stand several times
    #[arg(long, value_name = "VALUE", requires = "signal")]
    pub(crate) threshold: Vec<f64>,
    /// VCF or BCF: windows with the reference and with the alternate letters
    #[arg(long, value_name = "FILE")]
    pub(crate) variants: Option<PathBuf>,
    /// What is cut at a site: as-is, centered:BASES, upstream:BASES, downstream:BASES, start:BEFORE:BEHIND or sliding:WIDTH:STEP
    #[arg(long, default_value = "as-is")]
    pub(crate) window: WindowText,
    /// The label of sites
    #[arg(long, default_value = "1")]
    pub(crate) label: String,
    /// Take the label from kind, an attribute or qualifier, or BED's name instead
    #[arg(long, value_name = "KEY")]
    pub(crate) label_by: Option<String>,
    /// Where negatives come from
    #[arg(long, value_enum, default_value = "none")]
    pub(crate) negatives: NegativeKind,
    /// Their label
    #[arg(long, default_value = "0")]
    pub(crate) negative_label: String,
    /// Negatives for each window
    #[arg(long, default_value_t = 1.0)]
    pub(crate) ratio: f64,
    /// How far the share of G and C of matched negatives may be off
    #[arg(long, default_value_t = 0.02)]
    pub(crate) gc_tolerance: f64,
    /// Bases that matched negatives keep away from sites
    #[arg(long, default_value_t = 0)]
    pub(crate) margin: u64,
    /// Sequence for dev; may stand several times
    #[arg(long, value_name = "NAME")]
    pub(crate) dev: Vec<String>,
    /// Sequence for test; may stand several times
    #[arg(long, value_name = "NAME")]
    pub(crate) test: Vec<String>,
    /// Shares of dev and test where no sequences are named
    #[arg(long, value_delimiter = ',', default_values_t = [0.1, 0.1], value_name = "DEV,TEST")]
    pub(crate) shares: Vec<f64>,
    /// Bases of the blocks that are dealt out to the splits
    #[arg(long, default_value_t = 50_000)]
    pub(crate) block: u64,
    /// Deal out clusters of similar windows instead of blocks
    #[arg(long)]
    pub(crate) by_homology: bool,
    /// Near duplicates are removed from this share of common k-mers (Jaccard) on
    #[arg(long, default_value = "0.8", value_name = "SHARE")]
    pub(crate) near: Option<f64>,
    /// Largest share of N in a window
    #[arg(long, default_value_t = 0.0, value_name = "SHARE")]
    pub(crate) max_n: f64,
    /// Do not turn windows of the reverse strand round
    #[arg(long)]
    pub(crate) ignore_strand: bool,
    /// Everything random follows from this number
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Folder that is made
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Replace what is in the folder
    #[arg(long)]
    pub(crate) force: bool,
    /// The manifest as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
}
