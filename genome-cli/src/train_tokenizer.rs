//! `genome train-tokenizer`: a BPE vocabulary from genomes, in DNABERT-2's layout.

use crate::format_args::ReadArgs;
use crate::output::{say_forgiven, stdout};
use crate::{Outcome, tokenize, ui};
use anyhow::{Result, bail};
use clap::Args;
use genome_formats::{FastaReader, Format, Input, InputOptions, Letters, Record, Records};
use genome_tokenize::{BpeTrainer, BpeTraining, TokenStats, Tokenizer};
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Bases that are trained on, or held out, together.
const STRETCH_BP: usize = 10_000;
/// One stretch of so many is held out.
const HELD_OUT: usize = 20;
/// Stretches that are held out at most: of a greater genome, a smaller share.
const MOST_HELD_OUT: usize = 400;

#[derive(Debug, Args)]
#[command(
    after_help = "FILES are FASTA, FASTQ, GenBank, EMBL or CSV in any compression; - is stdin. They are read as a stream; at most \
    --max-bases are kept, drawn evenly. Lower-case letters count as upper-case, and no token reaches over an N.\n\n\
    --stats holds back every 20th stretch of 10,000 bases (at most 4 million bases, spread over the input) from the training and \
    measures on them. An input under 200,000 bases is measured on itself; \"measured_on\" says which.\n\n\
    Example:\n  genome train-tokenizer --vocab-size 4096 --out tokenizer.json --stats genome.fa.gz\n  \
    genome tokenize --tokenizer tokenizer.json genome.fa.gz"
)]
pub(crate) struct TrainTokenizerArgs {
    /// Genomes
    #[arg(required = true, value_name = "FILES")]
    pub(crate) files: Vec<PathBuf>,
    /// Tokens of the vocabulary, with five special ones and four letters; fewer if the genomes do not give more
    #[arg(long, default_value_t = 4096, value_name = "N")]
    pub(crate) vocab_size: usize,
    /// File to write: a tokenizer.json, which Hugging Face reads
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// How often two tokens must be neighbours to be joined
    #[arg(long, default_value_t = 2, value_name = "N")]
    pub(crate) min_frequency: u64,
    /// Bases of the longest token; default no limit
    #[arg(long, value_name = "BP")]
    pub(crate) max_token_length: Option<usize>,
    /// Bases that are kept for training, at some 70 bytes each
    #[arg(long, default_value_t = 20_000_000, value_name = "BP")]
    pub(crate) max_bases: usize,
    /// Seed of the draw where there are more bases
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Print bases per token and the share of unknown tokens, on bases that were not trained on
    #[arg(long)]
    pub(crate) stats: bool,
    /// The statistics as one JSON object
    #[arg(long, requires = "stats")]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
}

pub(crate) fn run(args: &TrainTokenizerArgs) -> Result<Outcome> {
    let training = BpeTraining {
        vocab_size: args.vocab_size,
        min_frequency: args.min_frequency,
        max_bp: args.max_bases,
        max_token_bp: args.max_token_length,
        seed: args.seed,
        ..BpeTraining::default()
    };
    let mut feed = Feed::new(training, args.stats)?;
    for file in &args.files {
        read(file, &args.read, &mut feed)?;
    }
    let Feed { trainer, held, first, .. } = feed;
    let trained = trainer.finish()?;
    if trained.letters() == 0 {
        bail!("{}: no bases to train on: expected A, C, G or T", args.files[0].display());
    }
    trained.save(&args.out)?;
    let tokenizer = trained.tokenizer();
    eprintln!(
        "{}: {} tokens from {} bases{}",
        args.out.display(),
        ui::thousands(tokenizer.vocab_size()),
        ui::thousands(trained.letters() as usize),
        if trained.letters_used() + 1000 < trained.letters() {
            format!(", {} of them drawn", ui::thousands(trained.letters_used() as usize))
        } else {
            String::new()
        }
    );
    if args.stats {
        let (on, stretches) = if held.is_empty() { ("input", &first) } else { ("held-out", &held) };
        let mut stats = TokenStats::default();
        for stretch in stretches {
            stats.add(tokenizer, &tokenizer.encode(stretch)?);
        }
        let more = [
            ("vocabulary", json!(tokenizer.vocab_size())),
            ("bases_trained", json!(trained.letters_used())),
            ("measured_on", json!(on)),
        ];
        let mut out = stdout();
        out.write_all(tokenize::report(&stats, args.json, &more).as_bytes())?;
        out.flush()?;
    }
    Ok(Outcome::Found)
}

fn read(file: &Path, read: &ReadArgs, feed: &mut Feed) -> Result<()> {
    let options = read.nucleotides();
    let input = Input::open_with(file, InputOptions { limits: options.limits, mode: options.mode })?;
    if input.format()? == Format::Fasta {
        // By pieces: a chromosome need not fit in memory.
        let mut reader = FastaReader::from_input(input).with_letters(Letters::Iupac).with_mode(options.mode);
        while reader.next_definition()?.is_some() {
            while let Some(letters) = reader.next_chunk()? {
                feed.add(letters)?;
            }
            feed.end_sequence()?;
        }
        say_forgiven(reader.forgiven());
        return Ok(());
    }
    let mut records = Records::from_input(input, &options)?;
    while let Some(record) = records.next() {
        match record? {
            Record::Sequence(record) => feed.add(&record.seq)?,
            Record::Annotated(record) => feed.add(&record.seq)?,
            Record::Read(record) => feed.add(&record.seq)?,
            _ => bail!("{}: expected sequences, found {}", file.display(), records.format()),
        }
        feed.end_sequence()?;
    }
    say_forgiven(&records.forgiven());
    Ok(())
}

/// Hands stretches to the trainer, and holds some back.
struct Feed {
    trainer: BpeTrainer,
    /// What does not fill a stretch yet.
    rest: Vec<u8>,
    seen: usize,
    /// One of how many stretches is held out; 0 for none.
    every: usize,
    held: Vec<Vec<u8>>,
    /// The first stretches, which are trained on too: what a small input is measured on.
    first: Vec<Vec<u8>>,
}

impl Feed {
    fn new(training: BpeTraining, hold_out: bool) -> Result<Self> {
        Ok(Self {
            trainer: BpeTrainer::new(training)?,
            rest: Vec::new(),
            seen: 0,
            every: if hold_out { HELD_OUT } else { 0 },
            held: Vec::new(),
            first: Vec::new(),
        })
    }

    fn add(&mut self, mut letters: &[u8]) -> Result<()> {
        while !letters.is_empty() {
            let (now, later) = letters.split_at(letters.len().min(STRETCH_BP - self.rest.len()));
            self.rest.extend_from_slice(now);
            letters = later;
            if self.rest.len() == STRETCH_BP {
                self.end_sequence()?;
            }
        }
        Ok(())
    }

    /// No token reaches from one sequence into the next.
    fn end_sequence(&mut self) -> Result<()> {
        if self.rest.is_empty() {
            return Ok(());
        }
        let stretch = std::mem::take(&mut self.rest);
        self.seen += 1;
        if self.every > 0 && self.seen.is_multiple_of(self.every) {
            self.held.push(stretch);
            if self.held.len() == MOST_HELD_OUT {
                let mut n = 0_usize;
                self.held.retain(|_| {
                    n += 1;
                    n.is_multiple_of(2)
                });
                self.every *= 2;
            }
            return Ok(());
        }
        self.trainer.add(&stretch)?;
        if self.every > 0 && self.seen < HELD_OUT {
            self.first.push(stretch);
        } else {
            // Used again, so that a genome does not allocate for each stretch.
            self.rest = stretch;
            self.rest.clear();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(stretches: usize, hold_out: bool) -> Feed {
        let mut feed = Feed::new(BpeTraining::default(), hold_out).unwrap();
        for i in 0..stretches {
            let letters: Vec<u8> = (0..STRETCH_BP).map(|j| b"ACGT"[(i * 7 + j * j / 3) % 4]).collect();
            // Chunks do not end where stretches end.
            for chunk in letters.chunks(3_001) {
                feed.add(chunk).unwrap();
            }
        }
        feed.end_sequence().unwrap();
        feed
    }

    #[test]
    fn every_twentieth_stretch_is_held_out() {
        let all = feed(60, true);
        assert_eq!((all.seen, all.held.len(), all.first.len(), all.rest.len()), (60, 3, 19, 0));
        assert_eq!(all.trainer.finish().unwrap().letters(), 57 * STRETCH_BP as u64);
        let none = feed(60, false);
        assert_eq!((none.held.len(), none.first.len()), (0, 0));
        assert_eq!(none.trainer.finish().unwrap().letters(), 60 * STRETCH_BP as u64);
    }

    #[test]
    fn what_is_held_out_is_bounded() {
        let mut feed = Feed::new(BpeTraining { max_bp: 10_000, ..BpeTraining::default() }, true).unwrap();
        for _ in 0..HELD_OUT * MOST_HELD_OUT * 3 {
            feed.add(b"AC").unwrap();
            feed.end_sequence().unwrap();
        }
        assert!((MOST_HELD_OUT / 2..MOST_HELD_OUT).contains(&feed.held.len()), "{}", feed.held.len());
        assert_eq!(feed.every, HELD_OUT * 4);
    }
}
