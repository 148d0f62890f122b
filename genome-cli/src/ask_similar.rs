//! Similarity for `genome ask`: texts by a BERT of the user's, sequences by a DNA model.

use crate::args::DeviceArgs;
use crate::ask_args::{IndexArgs, IndexPlace};
use crate::ask_open::cache;
use crate::bases::{self, BASE_TINY};
use crate::text_embedder::TextEmbedder;
use crate::ui;
use anyhow::{Context, Result, bail};
use burn::tensor::Device;
use clap::Args;
use genome_ask::dialogue::Cause;
use genome_ask::mcp::{FindSimilar, SimilarBy};
use genome_ask::semantic::{Embed, Of, Similar, To, Vectors, Wanted, wanted};
use genome_ask::{Dialogue, Index, Reply, ReplyKind};
use genome_formats::SeqRecord;
use genome_train::embed::embed;
use genome_train::foundation::Foundation;
use model_zoo::{Pooling, Purpose};
use peft_core::Plain;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Tokens that a DNA model sees at once: a longer gene is the mean of its windows. The built-in model learned on windows like these.
const WINDOW: usize = 256;

/// Models of similarity.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Similarity: results are nearest vectors, no facts")]
pub(crate) struct SimilarModels {
    /// Model of texts for "genes similar in function to ...": a folder with a sentence-transformers BERT, such as all-MiniLM-L6-v2
    #[arg(long, value_name = "DIR")]
    embedder: Option<PathBuf>,
    /// Model of DNA for "genes similar in sequence to lacZ": a folder, or base-tiny, which is built in
    #[arg(long, value_name = "DIR")]
    dna_model: Option<String>,
}

impl SimilarModels {
    /// Whether none is named.
    pub(crate) fn is_none(&self) -> bool {
        self.embedder.is_none() && self.dna_model.is_none()
    }
}

/// Genes like a text or another gene.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Similarity: results are nearest vectors, no facts")]
pub(crate) struct SimilarArgs {
    #[command(flatten)]
    pub(crate) models: SimilarModels,
    /// Genes similar to this one, by name or locus tag: in function with --embedder, else in sequence
    #[arg(long, value_name = "GENE", conflicts_with = "batch")]
    pub(crate) similar_to: Option<String>,
    /// How many similar genes, where the question does not say
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub(crate) similar: u64,
}

/// Models and vectors, opened when the first question needs them.
#[derive(Debug)]
pub(crate) struct Search {
    args: SimilarModels,
    rows: u64,
    device: DeviceArgs,
    /// Where vectors are kept; nowhere for an index in memory.
    folder: Option<PathBuf>,
    function: Option<(Box<dyn Embed>, Vectors)>,
    sequence: Option<(Box<dyn Embed>, Vectors)>,
}

impl Search {
    pub(crate) fn new(
        args: &SimilarModels,
        rows: u64,
        device: &DeviceArgs,
        place: &IndexArgs,
        index: &Index,
    ) -> Result<Self> {
        for (option, path) in [
            ("--embedder", args.embedder.as_deref()),
            ("--dna-model", args.dna_model.as_deref().filter(|name| *name != BASE_TINY).map(Path::new)),
        ] {
            if let Some(path) = path.filter(|path| !path.is_dir()) {
                bail!("{option} {}: no such folder", path.display());
            }
        }
        let folder = match place.index {
            IndexPlace::Memory => None,
            IndexPlace::Cache => Some(cache()?.join("vectors")),
            IndexPlace::Beside | IndexPlace::File(_) => index.path().parent().map(Path::to_owned),
        };
        Ok(Self { args: args.clone(), rows, device: device.clone(), folder, function: None, sequence: None })
    }

    /// The genes of `--similar-to`.
    pub(crate) fn of_gene(&mut self, dialogue: &mut Dialogue<&Index>, gene: &str) -> Result<Reply> {
        let of = if self.args.embedder.is_some() { Of::Function } else { Of::Sequence };
        let wanted = Similar { to: To::Gene(gene.to_owned()), of, rows: self.rows };
        self.find(dialogue, &format!("genes similar to {gene}"), &wanted)
    }

    /// The answer to a question of similarity; nothing if it is none. `declined` is the reply that it has without models.
    pub(crate) fn ask(&mut self, dialogue: &mut Dialogue<&Index>, question: &str) -> Result<Option<Reply>> {
        let Some(Wanted { to, of, rows }) = wanted(question, dialogue.index())? else { return Ok(None) };
        let of = of.unwrap_or(match (&to, &self.args.embedder) {
            (To::Gene(_), None) => Of::Sequence,
            (To::Text(text), None) if letters(text).is_some() => Of::Sequence,
            _ => Of::Function,
        });
        let lacks = match (of, &to) {
            (Of::Function, _) if self.args.embedder.is_none() => {
                "Similarity of functions needs a model of texts: --embedder DIR, a folder with a sentence-transformers BERT such as \
                 all-MiniLM-L6-v2. Without one, ask for words of the annotation."
            }
            (Of::Sequence, To::Text(text)) if letters(text).is_none() => {
                "Similarity of sequences is to a gene, by name or locus tag, or to letters of DNA; no gene of this genome is called so."
            }
            _ => "",
        };
        if !lacks.is_empty() {
            let mut reply = dialogue.ask(question)?;
            if let ReplyKind::Declined { cause, reason, unknown, .. } = &mut reply.kind {
                (*cause, *reason) = (Cause::CannotTell, lacks.to_owned());
                unknown.clear();
                reply.text = lacks.to_owned();
            }
            return Ok(Some(reply));
        }
        let to = match (of, to) {
            (Of::Sequence, To::Text(text)) => To::Text(letters(&text).unwrap_or_default()),
            (_, to) => to,
        };
        self.find(dialogue, question, &Similar { to, of, rows: rows.unwrap_or(self.rows) }).map(Some)
    }

    fn find(&mut self, dialogue: &mut Dialogue<&Index>, question: &str, wanted: &Similar) -> Result<Reply> {
        let index: &Index = dialogue.index();
        let place = match wanted.of {
            Of::Function => &mut self.function,
            Of::Sequence => &mut self.sequence,
        };
        if place.is_none() {
            let device = self.device.device.open()?.device;
            let mut embedder: Box<dyn Embed> = match (wanted.of, &self.args.embedder) {
                (Of::Function, Some(folder)) => Box::new(TextEmbedder::open(folder, &device).context("--embedder")?),
                (Of::Function, None) => bail!("similarity of functions needs a model of texts: --embedder DIR"),
                (Of::Sequence, _) => {
                    let name = self.args.dna_model.as_deref().unwrap_or(BASE_TINY);
                    Box::new(SequenceEmbedder::open(name, device).context("--dna-model")?)
                }
            };
            let started = Instant::now();
            let bar = ui::counter("embedded");
            let mut all = 0;
            let mut progress = |done: usize, of: usize| {
                all = of;
                bar.set_position(done as u64);
            };
            let vectors = Vectors::open(index, wanted.of, embedder.as_mut(), self.folder.as_deref(), &mut progress)?;
            bar.finish_and_clear();
            if vectors.was_built() {
                let what = if wanted.of == Of::Function { "texts" } else { "sequences" };
                let seconds = started.elapsed().as_secs_f64();
                let kept = if self.folder.is_some() { "; kept for the next question" } else { "" };
                eprintln!("embedded {} {what} by {} in {seconds:.1} s{kept}", ui::thousands(all), vectors.model());
            }
            *place = Some((embedder, vectors));
        }
        let Some((embedder, vectors)) = place else { bail!("no vectors were made") };
        Ok(dialogue.similar(question, wanted, vectors, embedder.as_mut())?)
    }
}

impl FindSimilar for Search {
    fn find(
        &mut self,
        dialogue: &mut Dialogue<&Index>,
        to: &str,
        by: SimilarBy,
        rows: u64,
    ) -> genome_ask::Result<Reply> {
        let words = match by {
            SimilarBy::Function => "in function",
            SimilarBy::Sequence => "in sequence",
        };
        // Read as a question is: a name of the genome is a gene, all else a text.
        let question = format!("{rows} genes similar {words} to {to}");
        let failed = |problem: String| genome_ask::Error::Model { model: "similar_genes".to_owned(), problem };
        let found = self.ask(dialogue, &question).map_err(|error| failed(format!("{error:#}")))?;
        found.ok_or_else(|| failed("expected a gene or a description".to_owned()))
    }
}

/// A text that is letters of DNA, without blanks; ten at least, so that no word is taken for one.
fn letters(text: &str) -> Option<String> {
    let letters: String = text.split_whitespace().collect::<String>().to_ascii_uppercase();
    (letters.len() >= 10 && letters.bytes().all(|b| b"ACGTUN".contains(&b))).then_some(letters)
}

/// Sequences by a DNA model: the mean of the tokens of each window, then of the windows by their length.
#[derive(Debug)]
struct SequenceEmbedder {
    foundation: Foundation,
    device: Device,
    name: String,
}

impl SequenceEmbedder {
    fn open(name: &str, device: Device) -> Result<Self> {
        let foundation = bases::open(name, Purpose::Encode, &device)?;
        Ok(Self { foundation, device, name: name.to_owned() })
    }

    /// Bases of a window: as many as there are tokens, special ones left out.
    fn window(&self) -> usize {
        self.foundation.base.max_tokens().unwrap_or(WINDOW).clamp(8, WINDOW) - 2
    }
}

impl Embed for SequenceEmbedder {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn identity(&self) -> String {
        format!("{} mean of windows of {}", self.foundation.sha256, self.window())
    }

    fn embed(&mut self, texts: &[&str]) -> Result<Vec<Vec<f32>>, String> {
        let window = self.window();
        let (mut records, mut owners) = (Vec::new(), Vec::new());
        for (owner, text) in texts.iter().enumerate() {
            for piece in text.as_bytes().chunks(window) {
                records.push(SeqRecord::new("window", piece));
                owners.push((owner, piece.len() as f32 / text.len() as f32));
            }
        }
        let place = |record: &SeqRecord| record.name.clone();
        let embedded = embed(&self.foundation, &Plain, &records, Pooling::Mean, window + 2, place, &self.device);
        let (vectors, _) = embedded.map_err(|error| error.to_string())?;
        let mut out = vec![vec![0f32; self.foundation.base.d_model()]; texts.len()];
        for ((owner, share), vector) in owners.into_iter().zip(vectors) {
            out[owner].iter_mut().zip(vector).for_each(|(sum, x)| *sum += share * x);
        }
        Ok(out)
    }
}
