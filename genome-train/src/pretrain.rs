//! Masked-language pre-training of a base model on whole genomes.
//!
//! Windows of several lengths are cut at random from the genomes, on a random strand; 15 % of their bases become targets,
//! of which 80 % are masked, 10 % replaced and 10 % left (Devlin et al., BERT, 2019, section 3.1). The end of every sequence
//! is held out; on it the masked-base accuracy is compared with that of an order-5 Markov chain on the same positions.

use crate::markov::{MarkovModel, base_code};
use crate::step_loop::{Batch, LoopConfig, Observer, OnBest, Trained, progress, run};
use crate::stepper::Stepper;
use crate::{Error, Result};
use burn::data::dataloader::{DataLoader, DataLoaderIterator, Progress};
use burn::data::dataset::DatasetError;
use burn::module::Module;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};
use burn_train::renderer::MetricsRenderer;
use burn_train::{ClassificationOutput, InferenceStep, Interrupter, TrainOutput, TrainStep};
use genome_formats::{SeqRecord, alphabet::reverse_complement};
use genome_tokenize::Tokenizer;
use model_zoo::seed::rng;
use model_zoo::{Base, TokenBatch};
use peft_core::Plain;
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How a base is pre-trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PretrainConfig {
    /// Tokens in a batch, about.
    pub batch_tokens: usize,
    /// Lengths of windows in bases; each batch draws one of them.
    pub window_bp: Vec<usize>,
    /// Share of tokens that are targets.
    pub mask_share: f64,
    /// Sequences are drawn in proportion to their length to this power: 1 is natural, below 1 favours small genomes.
    pub length_power: f64,
    /// Share of every sequence, at its end, that training never sees.
    pub held_out_share: f64,
    /// Held-out windows in an evaluation.
    pub held_out_windows: usize,
    /// Everything random follows from this.
    pub seed: u64,
    /// Optimizer and schedule.
    pub optimizer: LoopConfig,
}

/// Genomes cut in what is trained on and what is held out.
#[derive(Debug)]
pub struct Corpus {
    records: Vec<Part>,
    total_weight: f64,
}

#[derive(Debug)]
struct Part {
    seq: Vec<u8>,
    train: Range<usize>,
    held_out: Range<usize>,
    weight: f64,
}

impl Corpus {
    /// Cuts records; those shorter than twice the longest window are left out.
    ///
    /// # Errors
    /// [`Error::Config`] if none is long enough.
    pub fn new(records: Vec<SeqRecord>, config: &PretrainConfig) -> Result<Self> {
        let longest = config.window_bp.iter().copied().max().unwrap_or(0);
        let part = |record: SeqRecord| {
            let n = record.seq.len();
            let held = ((n as f64 * config.held_out_share) as usize).max(longest);
            (longest > 0 && n >= 2 * held).then(|| Part {
                train: 0..n - held,
                held_out: n - held..n,
                weight: (n as f64).powf(config.length_power),
                seq: record.seq,
            })
        };
        let records: Vec<Part> = records.into_iter().filter_map(part).collect();
        if records.is_empty() {
            return Err(Error::Config(format!("no sequence is longer than {} bases", 2 * longest)));
        }
        let total_weight = records.iter().map(|r| r.weight).sum();
        Ok(Self { records, total_weight })
    }

    /// Bases that training may see.
    pub fn train_bases(&self) -> usize {
        self.records.iter().map(|r| r.train.len()).sum()
    }

    /// Counts for the Markov baseline: all training sequence, both strands, weighted as windows are drawn.
    pub fn markov(&self, order: usize) -> MarkovModel {
        let mut model = MarkovModel::new(order);
        for part in &self.records {
            let seq = &part.seq[part.train.clone()];
            let weight = part.weight / seq.len() as f64;
            model.count(seq, weight);
            model.count(&reverse_complement(seq), weight);
        }
        model
    }

    /// A window of `bp` bases on a random strand, at most a tenth of it not A, C, G or T.
    fn window(&self, bp: usize, held_out: bool, rng: &mut impl Rng) -> Vec<u8> {
        loop {
            let mut at = rng.random::<f64>() * self.total_weight;
            let part = self.records.iter().find(|r| {
                at -= r.weight;
                at < 0.0
            });
            let part = part.unwrap_or(&self.records[self.records.len() - 1]);
            let range = if held_out { &part.held_out } else { &part.train };
            let start = rng.random_range(range.start..=range.end - bp);
            let window = &part.seq[start..start + bp];
            if window.iter().filter(|b| base_code(**b).is_none()).count() * 10 <= bp {
                return if rng.random() { reverse_complement(window) } else { window.to_vec() };
            }
        }
    }
}

/// Token ids some of which are masked, and what stood there.
#[derive(Debug)]
pub struct MlmBatch {
    tokens: TokenBatch,
    positions: Tensor<1, Int>, // [targets], into the flattened [batch·seq]
    targets: Tensor<1, Int>,   // [targets]
}

impl Batch for MlmBatch {
    fn tokens(&self) -> usize {
        self.tokens.lengths.iter().sum()
    }
    fn examples(&self) -> usize {
        self.tokens.lengths.len()
    }
}

/// A base with its masked-language head, all of it trained.
#[derive(Module, Debug)]
pub struct MlmModel {
    base: Base,
}

impl MlmModel {
    fn forward(&self, batch: MlmBatch) -> ClassificationOutput {
        let h = self.base.encode(&batch.tokens, &Plain); // [batch, seq, d_model]
        let [rows, seq, d] = h.dims();
        let h = h.reshape([rows * seq, d]).select(0, batch.positions); // [targets, d_model]
        let logits = self.base.lm_logits(h.unsqueeze(), &Plain).squeeze_dim::<2>(0); // [targets, vocab]
        let loss = log_softmax(logits.clone(), 1).gather(1, batch.targets.clone().unsqueeze_dim(1)).mean().neg();
        ClassificationOutput::new(loss, logits, batch.targets)
    }
}

impl TrainStep for MlmModel {
    type Input = MlmBatch;
    type Output = ClassificationOutput;
    fn step(&self, batch: MlmBatch) -> TrainOutput<ClassificationOutput> {
        let output = self.forward(batch);
        TrainOutput::new(self, output.loss.backward(), output)
    }
}

impl InferenceStep for MlmModel {
    type Input = MlmBatch;
    type Output = ClassificationOutput;
    fn step(&self, batch: MlmBatch) -> ClassificationOutput {
        self.forward(batch)
    }
}

/// Ids of a window with its targets masked, and (position, true id) of each target.
type Masked = (Vec<u32>, Vec<(usize, u32)>);

/// Cuts windows and masks them.
#[derive(Clone)]
struct Masker {
    corpus: Arc<Corpus>,
    tokenizer: Arc<dyn Tokenizer>,
    ordinary: Vec<u32>, // ids of tokens that are DNA
    mask_id: u32,
    config: PretrainConfig,
    device: Device,
}

impl Masker {
    /// Masks `window`. In evaluation all targets are masked.
    fn mask(&self, window: &[u8], training: bool, rng: &mut impl Rng) -> Result<Masked> {
        let encoding = self.tokenizer.encode(window)?;
        let (mut ids, mut targets) = (encoding.ids.clone(), Vec::new());
        for (i, &id) in encoding.ids.iter().enumerate() {
            if encoding.special[i] || !self.ordinary.contains(&id) || rng.random::<f64>() >= self.config.mask_share {
                continue;
            }
            targets.push((i, id));
            let dice = rng.random::<f64>();
            if !training || dice < 0.8 {
                ids[i] = self.mask_id;
            } else if dice < 0.9 {
                ids[i] = self.ordinary[rng.random_range(0..self.ordinary.len())];
            }
        }
        Ok((ids, targets))
    }

    fn batch(&self, windows: &[Vec<u8>], training: bool, rng: &mut impl Rng) -> Result<MlmBatch> {
        let mut masked = windows.iter().map(|w| self.mask(w, training, rng)).collect::<Result<Vec<_>>>()?;
        if masked.iter().all(|(_, targets)| targets.is_empty()) {
            let row = &mut masked[0];
            row.1.push((1, row.0[1])); // a batch has at least one target
        }
        let seq = masked.iter().map(|(ids, _)| ids.len()).max().unwrap_or(0);
        let rows: Vec<&Vec<u32>> = masked.iter().map(|(ids, _)| ids).collect();
        let flat = |of: fn(usize, &(usize, u32)) -> i64, seq: usize| {
            let values: Vec<i64> =
                masked.iter().enumerate().flat_map(|(r, (_, t))| t.iter().map(move |t| of(r * seq, t))).collect();
            Tensor::from_data(TensorData::from(&values[..]), &self.device)
        };
        Ok(MlmBatch {
            tokens: TokenBatch::from_rows(&rows, self.tokenizer.pad_id(), &self.device),
            positions: flat(|start, (i, _)| (start + i) as i64, seq),
            targets: flat(|_, (_, id)| i64::from(*id), 0),
        })
    }

    fn windows(&self, bp: usize, count: usize, held_out: bool, rng: &mut impl Rng) -> Vec<Vec<u8>> {
        (0..count).map(|_| self.corpus.window(bp, held_out, rng)).collect()
    }

    fn rows(&self, bp: usize) -> usize {
        (self.config.batch_tokens / bp).max(1)
    }
}

/// Batches of one evaluation interval per iteration, new ones every time; or the same held-out ones every time.
struct MlmLoader {
    masker: Masker,
    held_out: bool,
    batches: usize,
    round: AtomicUsize,
}

impl MlmLoader {
    fn make(&self, round: usize, i: usize) -> Result<MlmBatch> {
        let config = &self.masker.config;
        if self.held_out {
            let mut rng = rng(config.seed, &format!("held-out {i}"));
            let bp = config.window_bp[i % config.window_bp.len()];
            let windows = self.masker.windows(bp, self.masker.rows(bp), true, &mut rng);
            return self.masker.batch(&windows, false, &mut rng);
        }
        let mut rng = rng(config.seed, &format!("step {}", round * self.batches + i));
        let bp = config.window_bp[rng.random_range(0..config.window_bp.len())];
        let windows = self.masker.windows(bp, self.masker.rows(bp), false, &mut rng);
        self.masker.batch(&windows, true, &mut rng)
    }
}

struct MlmIterator<'a> {
    loader: &'a MlmLoader,
    round: usize,
    next: usize,
}

impl Iterator for MlmIterator<'_> {
    type Item = Result<MlmBatch, DatasetError>;
    fn next(&mut self) -> Option<Self::Item> {
        if self.next == self.loader.batches {
            return None;
        }
        self.next += 1;
        Some(self.loader.make(self.round, self.next - 1).map_err(DatasetError::new))
    }
}

impl DataLoaderIterator<MlmBatch> for MlmIterator<'_> {
    fn progress(&self) -> Progress {
        progress(self.next, self.loader.batches)
    }
}

impl DataLoader<MlmBatch> for MlmLoader {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<MlmBatch> + 'a> {
        Box::new(MlmIterator { loader: self, round: self.round.fetch_add(1, Ordering::Relaxed), next: 0 })
    }
    fn num_items(&self) -> usize {
        self.batches
    }
    fn to_device(&self, device: &Device) -> Arc<dyn DataLoader<MlmBatch>> {
        let masker = Masker { device: device.clone().inner(), ..self.masker.clone() };
        Arc::new(Self { masker, round: AtomicUsize::new(0), ..*self })
    }
    fn slice(&self, start: usize, end: usize) -> Arc<dyn DataLoader<MlmBatch>> {
        Arc::new(Self { masker: self.masker.clone(), batches: end - start, round: AtomicUsize::new(0), ..*self })
    }
}

/// Accuracy on held-out sequence.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct HeldOut {
    /// Masked bases that were compared.
    pub positions: usize,
    /// Share that the model got right, seeing both sides but not the other masked bases.
    pub masked_accuracy: f64,
    /// Share that the Markov chain got right on the same positions, seeing all bases before them.
    pub markov_accuracy: f64,
    /// Order of the chain.
    pub markov_order: usize,
}

fn masker(
    corpus: Arc<Corpus>,
    tokenizer: Arc<dyn Tokenizer>,
    config: &PretrainConfig,
    device: &Device,
) -> Result<Masker> {
    let is_dna = |id: &u32| tokenizer.token(*id).is_some_and(|t| t.bytes().all(|b| base_code(b).is_some()));
    let ordinary: Vec<u32> = (0..tokenizer.vocab_size() as u32).filter(is_dna).collect();
    let mask_id = tokenizer.mask_id().ok_or_else(|| Error::Config("the tokenizer has no mask token".to_owned()))?;
    Ok(Masker { corpus, tokenizer, ordinary, mask_id, config: config.clone(), device: device.clone().inner() })
}

/// Trains `base` (loaded or initialised with its masked-language head) and returns the best on held-out sequence.
///
/// # Errors
/// [`Error::Config`] for settings that cannot work, [`Error::Training`] if the loss is no number.
#[allow(clippy::too_many_arguments, reason = "one call site a program; a struct would only rename the arguments")]
pub fn pretrain(
    base: Base,
    corpus: Arc<Corpus>,
    tokenizer: Arc<dyn Tokenizer>,
    config: &PretrainConfig,
    device: &Device,
    renderer: Box<dyn MetricsRenderer>,
    interrupter: Interrupter,
    observer: Observer,
    mut on_best: OnBest<Base>,
) -> Result<Trained<Base>> {
    if tokenizer.model_vocab_size() > base.vocab_size() {
        let (t, b) = (tokenizer.model_vocab_size(), base.vocab_size());
        return Err(Error::Config(format!("the tokenizer has {t} tokens, the model {b}")));
    }
    let masker = masker(corpus.clone(), tokenizer, config, device)?;
    let mean_rows =
        config.window_bp.iter().map(|bp| masker.rows(*bp)).sum::<usize>() as f64 / config.window_bp.len() as f64;
    let mean_bp = config.window_bp.iter().sum::<usize>() as f64 / config.window_bp.len() as f64;
    let held_out = (config.held_out_windows as f64 / mean_rows).ceil() as usize;
    let loader = |held_out, batches| {
        Arc::new(MlmLoader { masker: masker.clone(), held_out, batches, round: AtomicUsize::new(0) })
    };
    let examples = (corpus.train_bases() as f64 / mean_bp) as usize;
    let model = MlmModel { base: base.fork(device).train().set_require_grad(true) };
    let trained = run(
        model,
        loader(false, config.optimizer.eval_every),
        loader(true, held_out.max(1)),
        Stepper::plain(config.optimizer.adamw()),
        &config.optimizer,
        examples.max(1),
        renderer,
        interrupter,
        observer,
        Box::new(move |model: &MlmModel| on_best(&model.base)),
    )?;
    Ok(Trained {
        model: trained.model.base,
        best_step: trained.best_step,
        steps: trained.steps,
        log: trained.log,
        tokens_per_second: trained.tokens_per_second,
        allocation: None,
    })
}

/// Compares `base` with an order-5 Markov chain on `windows` held-out windows. Tokens must be single letters.
///
/// # Errors
/// [`Error::Config`] if a token is longer than a base.
pub fn held_out(
    base: &Base,
    corpus: Arc<Corpus>,
    tokenizer: Arc<dyn Tokenizer>,
    config: &PretrainConfig,
    windows: usize,
    device: &Device,
) -> Result<HeldOut> {
    const ORDER: usize = 5;
    let masker = masker(corpus.clone(), tokenizer, config, device)?;
    if masker.ordinary.iter().any(|id| masker.tokenizer.token(*id).is_none_or(|t| t.len() != 1)) {
        return Err(Error::Config("the Markov comparison needs a tokenizer of single letters".to_owned()));
    }
    let markov = corpus.markov(ORDER);
    let mut rng = rng(config.seed, "held-out comparison");
    let (mut positions, mut right, mut chain_right, mut done) = (0, 0, 0, 0);
    while done < windows {
        let bp = config.window_bp[rng.random_range(0..config.window_bp.len())];
        let cut = masker.windows(bp, masker.rows(bp), true, &mut rng);
        done += cut.len();
        let mut rows = Vec::new();
        let mut targets = Vec::new();
        for (row, window) in cut.iter().enumerate() {
            let (ids, found) = masker.mask(window, false, &mut rng)?;
            rows.push(ids);
            // Token 0 is [CLS]: base p is token p + 1. The chain needs its context inside the window.
            targets.extend(found.into_iter().filter(|(i, _)| *i > ORDER).map(|(i, id)| (row, i, id)));
        }
        let batch = TokenBatch::from_rows(&rows, masker.tokenizer.pad_id(), &masker.device);
        let logits = base.lm_logits(base.encode(&batch, &Plain), &Plain); // [batch, seq, vocab]
        let [_, seq, _] = logits.dims();
        let guess = crate::step_loop::indices(logits.argmax(2).flatten(0, 2));
        for (row, i, id) in targets {
            let Some(chain) = markov.predict(&cut[row], i - 1) else { continue };
            positions += 1;
            right += usize::from(guess[row * seq + i] == id as usize);
            chain_right += usize::from(base_code(cut[row][i - 1]) == Some(chain));
        }
    }
    let share = |n: usize| n as f64 / positions.max(1) as f64;
    Ok(HeldOut { positions, masked_accuracy: share(right), markov_accuracy: share(chain_right), markov_order: ORDER })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step_loop::Select;
    use genome_tokenize::LetterTokenizer;

    fn config() -> PretrainConfig {
        let optimizer = LoopConfig {
            steps: 1,
            eval_every: 1,
            learning_rate: 1e-3,
            warmup_steps: 0,
            weight_decay: 0.0,
            beta_2: 0.98,
            clip_norm: 1.0,
            patience: 0,
            select: Select::Loss,
        };
        PretrainConfig {
            batch_tokens: 64,
            window_bp: vec![20],
            mask_share: 0.15,
            length_power: 1.0,
            held_out_share: 0.1,
            held_out_windows: 4,
            seed: 1,
            optimizer,
        }
    }

    /// The training part is all A and C, the held-out part all G: a window tells where it is from.
    fn corpus(config: &PretrainConfig) -> Arc<Corpus> {
        let seq = [b"AC".repeat(450), b"G".repeat(100)].concat();
        Arc::new(Corpus::new(vec![SeqRecord::new("x", seq)], config).unwrap())
    }

    #[test]
    fn training_never_sees_what_is_held_out() {
        let config = config();
        let corpus = corpus(&config);
        let mut rng = rng(1, "test");
        let has = |w: &[u8], letters: &[u8]| w.iter().any(|b| letters.contains(b));
        for _ in 0..200 {
            // G and its complement C differ from A and its complement T, whatever the strand
            assert!(has(&corpus.window(20, false, &mut rng), b"AT"));
            assert!(!has(&corpus.window(20, true, &mut rng), b"AT"));
        }
        assert_eq!(corpus.train_bases(), 900);
        assert!(Corpus::new(vec![SeqRecord::new("short", b"ACGT")], &config).is_err());
    }

    #[test]
    fn masks_hide_the_right_share_and_targets_are_the_truth() {
        let config = config();
        let masker = masker(corpus(&config), Arc::new(LetterTokenizer::new()), &config, &Device::default()).unwrap();
        let window = b"ACGTN".repeat(4000);
        for training in [false, true] {
            let (ids, targets) = masker.mask(&window, training, &mut rng(3, "mask")).unwrap();
            let whole = masker.tokenizer.encode(&window).unwrap().ids;
            let share = targets.len() as f64 / 16_000.0;
            assert!((share - 0.15).abs() < 0.01, "{share}");
            let masked =
                targets.iter().filter(|(i, _)| ids[*i] == masker.mask_id).count() as f64 / targets.len() as f64;
            assert!(if training { (masked - 0.8).abs() < 0.03 } else { masked == 1.0 }, "{masked}");
            let mut at_targets = vec![false; ids.len()];
            for (i, id) in targets {
                assert_eq!(whole[i], id);
                at_targets[i] = true;
            }
            assert!((0..ids.len()).all(|i| at_targets[i] || ids[i] == whole[i]), "only targets change");
        }
    }
}
