//! `genome tokenize`: letters to the ids that a model reads, one JSON line a sequence.

use crate::Outcome;
use crate::output::{out_file, say_forgiven};
use anyhow::{Context, Result, bail};
use clap::Args;
use genome_formats::{ErrorKind, Format, Input, Letters, ReadOptions, Record, Records};
use genome_tokenize::{Case, Encoding, Named, OneHot, TokenStats, by_name};
use rayon::prelude::*;
use serde_json::{Value, json};
use std::io::{BufRead, Write};
use std::path::PathBuf;

/// Letters, and sequences, that are encoded at a time on all cores.
const BATCH_BP: usize = 1 << 20;
const BATCH: usize = 4096;
/// What `onehot` prints for a row that is not one of the four bases.
const NO_BASE: u32 = 4;

#[derive(Debug, Args)]
#[command(
    after_help = "NAME_OR_PATH is dnabert:3, dnabert:4, dnabert:5, dnabert:6, nt:v1, nt:v2, letters, onehot, or a folder or file of a \
    published model: tokenizer.json, vocab.txt, vocab.json with merges.txt, merges.txt alone, tokenizer.bin of llama2.c, \
    genome_tokenizer.json.\n\n\
    FILE is FASTA, FASTQ, GenBank, EMBL or CSV in any compression, or one sequence a line; - is stdin. Out comes a line for each \
    sequence, in the order of the input: {\"ids\": [...], \"offsets\": [[start, end], ...]}, and the \"name\" of a record. Offsets are \
    bytes of the sequence from 0, the end excluded; special tokens cover nothing. onehot has no ids: it prints the column of the \
    1 in each row, 0 A, 1 C, 2 G, 3 T, and 4 where the row is zeros.\n\n\
    Examples:\n  genome tokenize --tokenizer dnabert:6 genome.fa.gz\n  \
    genome tokenize --tokenizer DNABERT-2-117M --stats genome.fa\n  \
    echo '\"ACGT acgt\"' | genome tokenize --tokenizer nt:v2 --original --input-json -"
)]
pub(crate) struct TokenizeArgs {
    /// Which tokenizer; names and kinds of files are below
    #[arg(long, value_name = "NAME_OR_PATH")]
    pub(crate) tokenizer: String,
    /// Sequences; - is stdin
    #[arg(default_value = "-")]
    pub(crate) file: PathBuf,
    /// Do as the original program does: lower-case letters are unknown, nothing is refused, DNABERT cuts 510 and more k-mers into
    /// pieces. Without this, letters are upper-cased, U is T, and what is no nucleotide is an error
    #[arg(long)]
    pub(crate) original: bool,
    /// Leave out the tokens that stand around a sequence, such as CLS and SEP
    #[arg(long)]
    pub(crate) no_special_tokens: bool,
    /// Cut tokens from the right end until N are left, special ones counted
    #[arg(long, value_name = "N")]
    pub(crate) max_tokens: Option<usize>,
    /// FILE has one JSON string a line
    #[arg(long, conflicts_with = "input_lines")]
    pub(crate) input_json: bool,
    /// FILE has one sequence a line, whatever it looks like
    #[arg(long)]
    pub(crate) input_lines: bool,
    /// Print, in place of the ids, how many bases a token holds and the share of unknown tokens; special tokens are not counted
    #[arg(long)]
    pub(crate) stats: bool,
    /// The statistics as one JSON object
    #[arg(long, requires = "stats")]
    pub(crate) json: bool,
    /// File to write, compressed if it ends in .gz; default stdout
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

pub(crate) fn run(args: &TokenizeArgs) -> Result<Outcome> {
    let encoder = Encoder::open(args)?;
    let mut source = Source::open(args, &encoder)?;
    let file = &source.file.clone();
    let mut out = out_file(args.out.as_deref())?;
    let mut stats = TokenStats::default();
    loop {
        let batch = source.batch()?;
        if batch.is_empty() {
            break;
        }
        let done: Vec<Result<(Vec<u8>, TokenStats)>> =
            batch.par_iter().map(|sequence| encoder.line(sequence, file)).collect();
        // The first error of the batch, before anything of it is written.
        for (line, of_one) in done.into_iter().collect::<Result<Vec<_>>>()? {
            stats.merge(&of_one);
            out.write_all(&line)?;
        }
    }
    source.finish();
    if args.stats {
        out.write_all(report(&stats, args.json, &[]).as_bytes())?;
    }
    out.finish()?;
    Ok(if stats.sequences > 0 { Outcome::Found } else { Outcome::NothingFound })
}

/// Statistics as people or programs read them, with `more` in front.
pub(crate) fn report(stats: &TokenStats, as_json: bool, more: &[(&str, Value)]) -> String {
    let counts = [
        ("sequences", json!(stats.sequences)),
        ("bases", json!(stats.bases)),
        ("tokens", json!(stats.tokens)),
        ("bases_per_token", json!(stats.bases_per_token())),
        ("unknown", json!(stats.unknown)),
        ("unknown_share", json!(stats.unknown_share())),
    ];
    let all = more.iter().cloned().chain(counts);
    if as_json {
        let object: serde_json::Map<_, _> = all.map(|(key, value)| (key.to_owned(), value)).collect();
        return format!("{}\n", Value::Object(object));
    }
    let show = |value: Value| match value {
        Value::String(text) => text,
        Value::Null => "-".to_owned(),
        Value::Number(n) if n.is_f64() => format!("{:.4}", n.as_f64().unwrap_or_default()),
        other => other.to_string(),
    };
    all.map(|(key, value)| format!("{key:<16}{}\n", show(value))).collect()
}

/// A tokenizer and what is asked of it.
struct Encoder<'a> {
    tokenizer: Named,
    args: &'a TokenizeArgs,
}

impl<'a> Encoder<'a> {
    fn open(args: &'a TokenizeArgs) -> Result<Self> {
        let tokenizer = by_name(&args.tokenizer, args.original.then_some(Case::Original))?;
        Ok(Self { tokenizer, args })
    }

    fn encode(&self, seq: &[u8]) -> genome_tokenize::Result<Encoding> {
        match (&self.tokenizer, self.args.max_tokens) {
            (Named::Tokenizer(t), Some(most)) => Ok(t.encode_truncated(seq, most)?.encoding),
            (Named::Tokenizer(t), None) if self.args.original => Ok(joined(t.encode_pieces(seq)?)),
            (Named::Tokenizer(t), None) => t.encode(seq),
            (Named::OneHot(t), most) => classes(t, seq, most),
            (other, _) => unreachable!("a tokenizer or one-hot rows, not {other:?}"),
        }
    }

    fn stats(&self, encoding: &Encoding) -> TokenStats {
        let mut stats = TokenStats::default();
        match &self.tokenizer {
            Named::Tokenizer(tokenizer) => stats.add(&**tokenizer, encoding),
            _ => {
                let tokens = encoding.len() as u64;
                let unknown = encoding.ids.iter().filter(|&&id| id == NO_BASE).count() as u64;
                stats = TokenStats { sequences: 1, bases: tokens, tokens, unknown };
            }
        }
        stats
    }

    /// The line of a sequence (none where only statistics are asked for), and its statistics.
    fn line(&self, sequence: &Sequence, file: &str) -> Result<(Vec<u8>, TokenStats)> {
        let encoding = self.encode(&sequence.letters).with_context(|| sequence.place(file))?;
        let stats = self.stats(&encoding);
        if self.args.stats {
            return Ok((Vec::new(), stats));
        }
        Ok((line(sequence.name.as_deref(), &encoding, self.args.no_special_tokens)?, stats))
    }

    /// Whether letters that are no nucleotides are refused: then the reader can say in which line they are.
    fn is_strict(&self) -> bool {
        self.encode(b"!").is_err()
    }
}

fn line(name: Option<&str>, encoding: &Encoding, no_special_tokens: bool) -> Result<Vec<u8>> {
    let kept = || (0..encoding.len()).filter(|&i| !(no_special_tokens && encoding.special[i]));
    let mut line = Vec::with_capacity(encoding.len() * 20 + 40);
    line.push(b'{');
    if let Some(name) = name {
        line.extend_from_slice(b"\"name\":");
        serde_json::to_writer(&mut line, name)?;
        line.push(b',');
    }
    line.extend_from_slice(b"\"ids\":[");
    for (n, i) in kept().enumerate() {
        let comma = if n == 0 { "" } else { "," };
        write!(line, "{comma}{}", encoding.ids[i])?;
    }
    line.extend_from_slice(b"],\"offsets\":[");
    for (n, i) in kept().enumerate() {
        let comma = if n == 0 { "" } else { "," };
        let (start, end) = encoding.offsets[i];
        write!(line, "{comma}[{start},{end}]")?;
    }
    line.extend_from_slice(b"]}\n");
    Ok(line)
}

/// DNABERT's pieces, one behind the other.
fn joined(pieces: Vec<Encoding>) -> Encoding {
    let mut pieces = pieces.into_iter();
    let mut all = pieces.next().unwrap_or_default();
    for piece in pieces {
        all.ids.extend(piece.ids);
        all.offsets.extend(piece.offsets);
        all.special.extend(piece.special);
        all.attention.extend(piece.attention);
        all.type_ids.extend(piece.type_ids);
    }
    all
}

/// The column of the 1 in each one-hot row, as if it were an id.
fn classes(rows: &OneHot, seq: &[u8], most: Option<usize>) -> genome_tokenize::Result<Encoding> {
    let rows: Vec<u8> = rows.encode(seq)?;
    let class = |row: &[u8; 4]| row.iter().position(|&n| n == 1).map_or(NO_BASE, |column| column as u32);
    let (rows, _) = rows.as_chunks::<4>();
    let ids: Vec<u32> = rows.iter().take(most.unwrap_or(usize::MAX)).map(class).collect();
    let length = ids.len();
    Ok(Encoding {
        offsets: (0..length).map(|i| (i, i + 1)).collect(),
        special: vec![false; length],
        attention: vec![true; length],
        type_ids: vec![0; length],
        ids,
    })
}

/// A sequence and where it was.
struct Sequence {
    /// That of a record; lines have none.
    name: Option<String>,
    /// Line of the file from 1; records know their line only while they are read.
    line: u64,
    letters: Vec<u8>,
}

impl Sequence {
    /// Where an error is: the file with the line or the name of the record.
    fn place(&self, file: &str) -> String {
        match &self.name {
            Some(name) => format!("{file}: sequence {name:?}"),
            None => format!("{file}:{}", self.line),
        }
    }
}

/// Where sequences come from.
struct Source {
    file: String,
    kind: Kind,
}

enum Kind {
    Lines { input: Input, line: u64, json: bool },
    Records(Box<Records>),
}

impl Source {
    fn open(args: &TokenizeArgs, encoder: &Encoder<'_>) -> Result<Self> {
        let input = Input::open(&args.file)?;
        let file = input.name().to_owned();
        let lines = args.input_json || args.input_lines;
        let format = match input.format() {
            _ if lines => None,
            Ok(format) => Some(format),
            // No genome format: lines.
            Err(error) if matches!(error.kind(), ErrorKind::Syntax | ErrorKind::Empty) => None,
            Err(error) => return Err(error.into()),
        };
        let kind = match format {
            None => Kind::Lines { input, line: 0, json: args.input_json },
            Some(Format::Fasta | Format::Fastq | Format::Genbank | Format::Embl | Format::Csv) => {
                let letters = if encoder.is_strict() { Letters::Iupac } else { Letters::Any };
                let options = ReadOptions { letters: Some(letters), ..ReadOptions::default() };
                Kind::Records(Box::new(Records::from_input(input, &options)?))
            }
            Some(other) => bail!("{file}: expected sequences, found {other}; --input-lines reads it as lines"),
        };
        Ok(Self { file, kind })
    }

    /// The next sequences; none at the end.
    fn batch(&mut self) -> Result<Vec<Sequence>> {
        let (mut batch, mut letters) = (Vec::new(), 0);
        while batch.len() < BATCH && letters < BATCH_BP {
            let Some(sequence) = self.next()? else { break };
            letters += sequence.letters.len();
            batch.push(sequence);
        }
        Ok(batch)
    }

    fn next(&mut self) -> Result<Option<Sequence>> {
        match &mut self.kind {
            Kind::Lines { input, line, json } => {
                let mut letters = Vec::new();
                let read =
                    input.read_until(b'\n', &mut letters).with_context(|| format!("{}:{}", self.file, *line + 1))?;
                if read == 0 {
                    return Ok(None);
                }
                *line += 1;
                if letters.ends_with(b"\n") {
                    letters.pop();
                }
                if letters.ends_with(b"\r") {
                    letters.pop();
                }
                if *json {
                    letters = json_string(&letters).with_context(|| format!("{}:{line}", self.file))?;
                }
                Ok(Some(Sequence { name: None, line: *line, letters }))
            }
            Kind::Records(records) => {
                let (name, letters) = match records.next().transpose()? {
                    None => return Ok(None),
                    Some(Record::Sequence(record)) => (record.name, record.seq),
                    Some(Record::Read(record)) => (record.name, record.seq),
                    Some(Record::Annotated(record)) => {
                        let record = genome_formats::SeqRecord::from(*record);
                        (record.name, record.seq)
                    }
                    Some(_) => bail!("{}: expected sequences, found {}", self.file, records.format()),
                };
                Ok(Some(Sequence { name: Some(name), line: 0, letters }))
            }
        }
    }

    fn finish(&self) {
        if let Kind::Records(records) = &self.kind {
            say_forgiven(&records.forgiven());
        }
    }
}

fn json_string(line: &[u8]) -> Result<Vec<u8>> {
    match serde_json::from_slice::<String>(line) {
        Ok(text) => Ok(text.into_bytes()),
        Err(error) => {
            // The line number that serde counts is always 1.
            let problem = error.to_string();
            let problem = problem.split(" at line ").next().unwrap_or_default().to_owned();
            bail!("column {}: expected a JSON string: {problem}", error.column().max(1))
        }
    }
}
