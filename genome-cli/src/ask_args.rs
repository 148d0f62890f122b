//! The command line of `genome ask` and `genome query`.

use clap::Args;
use genome_ask::query::Output;
use std::path::PathBuf;
use std::sync::LazyLock;

/// Where indexes are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum IndexPlace {
    Cache,
    Beside,
    Memory,
    File(PathBuf),
}

fn index_place(text: &str) -> Result<IndexPlace, String> {
    match text {
        "cache" => Ok(IndexPlace::Cache),
        "beside" => Ok(IndexPlace::Beside),
        "memory" => Ok(IndexPlace::Memory),
        "" => Err("expected cache, beside, memory or a file".to_owned()),
        file => Ok(IndexPlace::File(PathBuf::from(file))),
    }
}

/// How genomes are opened for questions.
#[derive(Debug, Clone, Args)]
pub(crate) struct IndexArgs {
    /// Where the index is kept: cache (made once for a file, found by its hash), beside (the genome), memory, or a file
    #[arg(long, default_value = "cache", value_name = "PLACE", value_parser = index_place)]
    pub(crate) index: IndexPlace,
    /// FASTA with the sequences of the one GFF or GTF file; default the file of the same name beside it
    #[arg(long, value_name = "FILE")]
    pub(crate) sequences: Option<PathBuf>,
    /// The built-in chloroplast of Arabidopsis thaliana instead of a file
    #[arg(long)]
    pub(crate) demo: bool,
}

/// The form of answers.
#[derive(Debug, Clone, Args)]
#[group(multiple = false)]
pub(crate) struct FormArgs {
    /// One JSON object for each answer: query, SQL, rows, caveats
    #[arg(long)]
    pub(crate) json: bool,
    /// Rows as FASTA: proteins of proteins, bases of the rest, or what the question asks for
    #[arg(long)]
    pub(crate) fasta: bool,
    /// Rows as GFF3
    #[arg(long, alias = "gff3")]
    pub(crate) gff: bool,
    /// Rows as comma-separated values
    #[arg(long)]
    pub(crate) csv: bool,
    /// Rows as tab-separated values
    #[arg(long)]
    pub(crate) tsv: bool,
}

impl FormArgs {
    pub(crate) fn output(&self) -> Option<Output> {
        let forms = [
            (self.json, Output::Json),
            (self.fasta, Output::Fasta),
            (self.gff, Output::Gff3),
            (self.csv, Output::Csv),
            (self.tsv, Output::Tsv),
        ];
        forms.into_iter().find(|(chosen, _)| *chosen).map(|(_, output)| output)
    }
}

/// How much is shown.
#[derive(Debug, Clone, Args)]
pub(crate) struct ShowRowsArgs {
    /// Rows of a table; 0: all. Files (JSON, FASTA, GFF3, CSV, TSV) have all, up to a million
    #[arg(long, default_value_t = 25, value_name = "N")]
    pub(crate) rows: usize,
    /// Show the query, the SQL that was run with its parameters, and the line of the file that each row stands on
    #[arg(long)]
    pub(crate) explain: bool,
    /// Seconds that one answer may take
    #[arg(long, default_value_t = 10, value_name = "S")]
    pub(crate) timeout: u64,
}

#[derive(Debug, Args)]
#[command(
    after_help = HELP.as_str(),
    override_usage = "genome ask [OPTIONS] FILE... [\"QUESTION\"]\n       genome ask [OPTIONS] --demo [\"QUESTION\"]"
)]
pub(crate) struct AskArgs {
    /// Genomes (GenBank, EMBL, GFF3, GTF, FASTA; plain or compressed), then the question; without a question a prompt
    #[arg(value_name = "FILE... \"QUESTION\"")]
    pub(crate) words: Vec<String>,
    #[command(flatten)]
    pub(crate) index: IndexArgs,
    #[command(flatten)]
    pub(crate) form: FormArgs,
    #[command(flatten)]
    pub(crate) show: ShowRowsArgs,
    /// Answer a file of questions: JSON lines with id, genome (relative to --data), question, and after, the id that it goes on from
    #[arg(long, value_name = "FILE", requires = "data", conflicts_with_all = ["words", "demo"])]
    pub(crate) batch: Option<PathBuf>,
    /// The folder of the genomes of --batch
    #[arg(long, value_name = "DIR", requires = "batch")]
    pub(crate) data: Option<PathBuf>,
    #[cfg(feature = "semantic")]
    #[command(flatten)]
    pub(crate) similar: crate::ask_similar::SimilarArgs,
    #[cfg(feature = "llm")]
    #[command(flatten)]
    pub(crate) llm: crate::ask_llm::LlmArgs,
    #[cfg(any(feature = "llm", feature = "semantic"))]
    #[command(flatten, next_help_heading = "Device of models")]
    pub(crate) device: crate::args::DeviceArgs,
}

#[derive(Debug, Args)]
#[command(
    after_help = QUERY_HELP,
    override_usage = "genome query [OPTIONS] FILE... \"QUERY\"\n       genome query [OPTIONS] --demo \"QUERY\""
)]
pub(crate) struct QueryArgs {
    /// Genomes, then the query: a line of text or JSON
    #[arg(value_name = "FILE... \"QUERY\"", required = true)]
    pub(crate) words: Vec<String>,
    #[command(flatten)]
    pub(crate) index: IndexArgs,
    #[command(flatten)]
    pub(crate) form: FormArgs,
    #[command(flatten)]
    pub(crate) show: ShowRowsArgs,
}

/// Example questions by sort: the same that the library and the page have.
static HELP: LazyLock<String> = LazyLock::new(|| {
    let mut out = String::from(
        "Every number is computed from the file; every answer begins with how the question was understood, and\n\
         cites file, line and coordinates. \"Not annotated\" is not \"absent\". No network is used, and no model, unless\n\
         you name one.\n\nExamples:\n  \
         genome ask --demo \"which genes encode ribosomal proteins?\"\n  \
         genome ask ecoli.gbff.gz \"how many ABC transporters are longer than 300 aa?\"\n  \
         genome ask ecoli.gbff.gz --fasta \"proteins shorter than 50 aa\" > small.faa\n  \
         genome ask ecoli.gbff.gz                     a prompt: questions may go on from the last answer\n  \
         genome ask ecoli.gbff.gz --similar-to lacZ   genes of similar sequence, by the built-in model\n  \
         genome ask ecoli.gbff.gz --embedder MINILM \"genes similar in function to heat shock chaperone\"\n  \
         genome ask ecoli.gbff.gz --llm-url http://localhost:11434/v1 --llm-model NAME \"in any words\"\n\n\
         What can be asked:\n",
    );
    for examples in genome_ask::examples() {
        out += &format!("  {}\n", examples.category);
        for question in examples.questions {
            out += &format!("    {question}\n");
        }
    }
    out += "\nExit codes: 0 found, 1 nothing found or not understood, 2 error.";
    out
});

const QUERY_HELP: &str = "The typed query is what `genome ask` makes of a question; --explain shows it.\n\nExamples:\n  \
    genome query ecoli.gbff.gz 'count protein where product has \"ABC transporter\" and aa > 300 and strand +'\n  \
    genome query ecoli.gbff.gz 'list gene where near dnaA within 10 kb and unknown_function'\n  \
    genome query ecoli.gbff.gz 'list cluster(protein, gap 3000, min 2) where product has \"LPS\" order by members desc limit 1'\n  \
    genome query ecoli.gbff.gz 'list gene where named araB extract upstream 500 as fasta'\n  \
    genome query --demo 'share(start_codon is \"GTG\") cds where translated'\n\n\
    TELL SELECT [where FILTER and ...] [having ...] [group by FIELD] [order by FIELD [desc]] [limit N [with ties]] [show FIELD, ...]\n\
    [extract WHAT] [as FORMAT]\n\
    TELL     list count exists median(aa) mean(..) min(..) max(..) sum(..) distinct(FIELD) share(FILTER) gc n50 coverage adjacent\n         \
    codon_usage\n\
    SELECT   gene protein cds feature sequence intergenic tRNA (or another kind) run(gap 50) cluster(protein, gap 3000, min 3)\n         \
    orf(min 100) motif(GAATTC|EcoRI) window(1000, step 500) region(chr1:100-200)\n\
    FILTER   aa > 300  length between 100 and 200  product has \"..\"  function contains \"..\"  ec under 2.7  strand +  on IV\n         \
    named dnaA|dnaB  near PLACE within 10000 [upstream]  overlaps PLACE  inside PLACE  between PLACE and PLACE\n         \
    next_to PLACE [by 2]  pseudo  coding  unknown_function  wraps  spliced  unannotated  not FILTER  any(..)  all(..)\n\
    PLACE    dnaA (a name)  1200-1500  chr1:1200-1500  each(tRNA, FILTER, ..)";
