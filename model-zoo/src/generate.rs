//! Text from the causal models, and how likely a given text is.
//!
//! Prompts of any lengths run together, padded on the left; keys and values are kept in one cache that is reserved at the
//! start; only the last position is scored. Rows that have ended leave the batch. A prompt's text depends on the prompt and
//! the seed alone, not on what else is in its batch.

mod sampling;

pub use sampling::Sampling;

use crate::attention::RopeScaling;
use crate::{Base, BaseConfig, Error, Pass, Result, Side, TokenBatch, named_params};
use burn::module::Module;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};
use peft_core::Hooks;
use sampling::Sampler;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::ops::ControlFlow;

/// Scores that are worked on at once by [`log_likelihood`].
const SCORES: usize = 1 << 24;

/// How text is generated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GenerateConfig {
    /// Most tokens that a prompt is continued by. Default 128.
    pub max_new_tokens: usize,
    /// Greedy (the default) or random.
    pub sampling: Sampling,
    /// θ of Keskar et al.: above 1, tokens that stand in the text before become less likely. Default 1.
    pub repetition_penalty: f64,
    /// Tokens that end a text. Default: those that the model's configuration names.
    pub stop_tokens: Option<Vec<u32>>,
    /// Runs of new tokens that end a text. Default none.
    pub stop_sequences: Vec<Vec<u32>>,
    /// Random numbers follow from it, the prompt, and how often the same prompt stands before it in the list. Default 0.
    pub seed: u64,
}

impl Default for GenerateConfig {
    fn default() -> Self {
        Self {
            max_new_tokens: 128,
            sampling: Sampling::Greedy,
            repetition_penalty: 1.0,
            stop_tokens: None,
            stop_sequences: Vec::new(),
            seed: 0,
        }
    }
}

/// Why a text ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// It has [`GenerateConfig::max_new_tokens`].
    Length,
    /// A stop token came.
    Token(u32),
    /// The stop sequence of this number came.
    Sequence(usize),
    /// The callback said so.
    Caller,
}

/// What the callback of [`generate`] wants to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Halt {
    /// The row that the token belongs to.
    Row,
    /// All rows.
    Run,
}

/// The continuation of one prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generated {
    /// The new tokens, with those that ended the text.
    pub tokens: Vec<u32>,
    /// Why there are no more.
    pub stop: Stop,
    /// How many of the last tokens are the stop token or the stop sequence.
    pub stop_len: usize,
}

impl Generated {
    /// The new tokens without the stop token or stop sequence.
    pub fn text(&self) -> &[u32] {
        &self.tokens[..self.tokens.len() - self.stop_len]
    }
}

impl GenerateConfig {
    /// Checks the settings and prompts before a run, against the positions that the model has.
    ///
    /// # Errors
    /// [`Error::Setting`], or [`Error::Input`] with the first prompt that cannot be continued.
    pub fn check<R: AsRef<[u32]>>(&self, base: &Base, prompts: &[R], hooks: &dyn Hooks) -> Result<()> {
        check_causal(base)?;
        self.sampling.check()?;
        let setting = |name, expected, found: String| Err(Error::Setting { name, expected, found });
        let penalty = self.repetition_penalty;
        if !(penalty.is_finite() && penalty > 0.0) {
            return setting("repetition_penalty", "a number above 0", penalty.to_string());
        }
        if let Some(at) = self.stop_sequences.iter().position(Vec::is_empty) {
            return setting("stop_sequences", "at least one token each", format!("none in sequence {at}"));
        }
        base.check(prompts)?;
        let Some(longest) = base.max_tokens() else { return Ok(()) };
        let extra = hooks.prefix_len() + hooks.virtual_tokens();
        for (row, prompt) in prompts.iter().enumerate() {
            let taken = prompt.as_ref().len().saturating_add(extra);
            if taken.saturating_add(self.max_new_tokens) > longest {
                let adapter = if extra > 0 { format!(" and {extra} of the adapter") } else { String::new() };
                let reason = format!(
                    "expected at most {} new tokens after {} of the prompt{adapter} (the model has {longest} positions), \
                     found max_new_tokens {}",
                    longest.saturating_sub(taken),
                    prompt.as_ref().len(),
                    self.max_new_tokens
                );
                return Err(Error::Input { row, reason });
            }
        }
        Ok(())
    }
}

/// Continues prompts. `on_token` is told each new token as it comes, with the number of its prompt, and may end that row or
/// the whole run.
///
/// ```
/// use model_zoo::generate::{GenerateConfig, Halt, Sampling, Stop, generate};
/// use model_zoo::{BaseConfig, seed};
/// use peft_core::Plain;
/// use std::ops::ControlFlow;
///
/// // A LLaMA of random weights; yours comes from Base::from_pretrained.
/// let json = r#"{"model_type": "llama", "vocab_size": 20, "hidden_size": 16, "intermediate_size": 24,
///     "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 32}"#;
/// let config = BaseConfig::parse("config.json".as_ref(), json)?;
/// let base = seed::initialise(config.init(true, false, &Default::default()), 1, 0.5);
///
/// let sampling = Sampling::Random { temperature: 0.8, top_k: Some(10), top_p: Some(0.9) };
/// let config = GenerateConfig { max_new_tokens: 6, sampling, stop_tokens: Some(vec![]), ..Default::default() };
/// let prompts = [vec![1, 5, 6], vec![1, 9]];
/// let mut streamed = vec![vec![]; 2];
/// let texts = generate(&base, &prompts, &config, &Plain, |row, token| {
///     streamed[row].push(token);
///     if streamed[1].len() == 3 && row == 1 { ControlFlow::Break(Halt::Row) } else { ControlFlow::Continue(()) }
/// })?;
/// assert_eq!((texts[0].tokens.len(), texts[0].stop), (6, Stop::Length));
/// assert_eq!((texts[1].tokens.len(), texts[1].stop), (3, Stop::Caller));
/// assert_eq!(streamed, [texts[0].tokens.clone(), texts[1].tokens.clone()]);
/// # Ok::<(), model_zoo::Error>(())
/// ```
///
/// # Errors
/// As [`GenerateConfig::check`]; [`Error::Input`] if the model's scores are not numbers.
pub fn generate<R: AsRef<[u32]>>(
    base: &Base,
    prompts: &[R],
    config: &GenerateConfig,
    hooks: &dyn Hooks,
    mut on_token: impl FnMut(usize, u32) -> ControlFlow<Halt>,
) -> Result<Vec<Generated>> {
    config.check(base, prompts, hooks)?;
    let end_tokens = base.config().end_tokens();
    let stop_tokens = config.stop_tokens.as_deref().unwrap_or(&end_tokens);
    let mut copies: HashMap<&[u32], usize> = HashMap::new();
    let mut rows: Vec<Row> = Vec::with_capacity(prompts.len());
    for prompt in prompts.iter().map(AsRef::as_ref) {
        let copy = copies.entry(prompt).and_modify(|n| *n += 1).or_insert(0);
        let stream = format!("generate {prompt:?} {copy}");
        let sampler = Sampler::new(config.sampling, config.repetition_penalty, config.seed, &stream);
        rows.push(Row { text: prompt.to_vec(), prompt: prompt.len(), sampler, stop: None });
    }
    if config.max_new_tokens > 0 {
        for group in groups(base, prompts, hooks) {
            if run(base, &mut rows, group, config, stop_tokens, hooks, &mut on_token)?.is_break() {
                break;
            }
        }
    }
    let length = (Stop::Length, 0);
    let caller = (Stop::Caller, 0);
    Ok(rows
        .into_iter()
        .map(|row| {
            let unended = if row.text.len() - row.prompt >= config.max_new_tokens { length } else { caller };
            let (stop, stop_len) = row.stop.unwrap_or(unended);
            Generated { tokens: row.text[row.prompt..].to_vec(), stop, stop_len }
        })
        .collect())
}

/// One text on its way.
struct Row {
    text: Vec<u32>, // prompt and new tokens
    prompt: usize,
    sampler: Sampler,
    stop: Option<(Stop, usize)>,
}

impl Row {
    /// Why the text ends here, and how many of its last tokens say so.
    fn ends(&self, config: &GenerateConfig, stop_tokens: &[u32]) -> Option<(Stop, usize)> {
        let new = &self.text[self.prompt..];
        let last = *new.last().expect("called after a token was added");
        if stop_tokens.contains(&last) {
            return Some((Stop::Token(last), 1));
        }
        if let Some(i) = config.stop_sequences.iter().position(|s| new.ends_with(s)) {
            return Some((Stop::Sequence(i), config.stop_sequences[i].len()));
        }
        (new.len() >= config.max_new_tokens).then_some((Stop::Length, 0))
    }
}

/// Prompts that may run together: all, but where positions are those of the columns and padding on the left would move the
/// prompt away from a prefix or from virtual tokens, or where the stretch of the positions follows the longest row.
fn groups<R: AsRef<[u32]>>(base: &Base, prompts: &[R], hooks: &dyn Hooks) -> Vec<Vec<usize>> {
    let apart = match base {
        Base::Llama(m) => {
            let before = hooks.prefix_len() + hooks.virtual_tokens();
            before > 0 || matches!(m.config().rope_scaling, RopeScaling::Dynamic { .. })
        }
        _ => false,
    };
    let mut order: Vec<usize> = (0..prompts.len()).collect();
    if order.is_empty() || !apart {
        return if order.is_empty() { Vec::new() } else { vec![order] };
    }
    let length = |i: &usize| prompts[*i].as_ref().len();
    order.sort_by_key(length);
    order.chunk_by(|a, b| length(a) == length(b)).map(<[usize]>::to_vec).collect()
}

/// Continues the rows `live` together.
fn run(
    base: &Base,
    rows: &mut [Row],
    mut live: Vec<usize>,
    config: &GenerateConfig,
    stop_tokens: &[u32],
    hooks: &dyn Hooks,
    on_token: &mut impl FnMut(usize, u32) -> ControlFlow<Halt>,
) -> Result<ControlFlow<()>> {
    let device = device(base);
    let texts: Vec<&Vec<u32>> = live.iter().map(|&i| &rows[i].text).collect();
    let longest = texts.iter().map(|t| t.len()).max().unwrap_or(0);
    let mut cache = base.cache(longest + config.max_new_tokens);
    let mut batch = TokenBatch::padded(&texts, 0, Side::Left, &device);
    loop {
        let h = base.forward(&batch, &mut Pass::new().with_hooks(hooks).with_cache(&mut cache)); // [rows, seq, d_model]
        let last = h.dims()[1] - 1;
        let scores = base.lm_logits(h.narrow(1, last, 1), hooks); // [rows, 1, vocab]
        let vocab = scores.dims()[2];
        let mut scores = floats(scores);
        let mut keep = Vec::with_capacity(live.len()); // places in the batch
        for (place, (&i, scores)) in live.iter().zip(scores.chunks_exact_mut(vocab)).enumerate() {
            let row = &mut rows[i];
            let Some(token) = row.sampler.next(scores, &row.text) else {
                return Err(Error::Input { row: i, reason: "the model's scores are not numbers (NaN)".to_owned() });
            };
            row.text.push(token);
            row.stop = row.ends(config, stop_tokens);
            match on_token(i, token) {
                ControlFlow::Break(Halt::Run) => return Ok(ControlFlow::Break(())),
                ControlFlow::Break(Halt::Row) if row.stop.is_none() => row.stop = Some((Stop::Caller, 0)),
                _ => {}
            }
            if row.stop.is_none() {
                keep.push(place);
            }
        }
        if keep.is_empty() {
            return Ok(ControlFlow::Continue(()));
        }
        if keep.len() < live.len() {
            cache.keep_rows(&keep);
            live = keep.into_iter().map(|place| live[place]).collect();
        }
        let ids: Vec<i64> = live.iter().map(|&i| i64::from(rows[i].text[rows[i].text.len() - 1])).collect();
        let count = live.len();
        batch =
            TokenBatch::new(Tensor::from_data(TensorData::new(ids, [count, 1]), &device), vec![1; count], Side::Left);
    }
}

/// Natural logarithm of the probability of each token but the first of each row, given the tokens before it, in one pass
/// over the rows padded to one length.
///
/// ```
/// use model_zoo::generate::log_likelihood;
/// use model_zoo::{BaseConfig, seed};
/// use peft_core::Plain;
///
/// let json = r#"{"model_type": "llama", "vocab_size": 20, "hidden_size": 16, "intermediate_size": 24,
///     "num_hidden_layers": 1, "num_attention_heads": 2, "max_position_embeddings": 32}"#;
/// let config = BaseConfig::parse("config.json".as_ref(), json)?;
/// let base = seed::initialise(config.init(true, false, &Default::default()), 1, 0.5);
///
/// let found = log_likelihood(&base, &[vec![1, 5, 6], vec![1]], &Plain)?;
/// assert_eq!([found[0].len(), found[1].len()], [2, 0]);
/// let perplexity = (-found[0].iter().sum::<f32>() / 2.0).exp();
/// assert!(perplexity > 1.0);
/// # Ok::<(), model_zoo::Error>(())
/// ```
///
/// # Errors
/// [`Error::Setting`] if the model is not causal or was loaded without its head, [`Error::Input`] as [`Base::check`].
pub fn log_likelihood<R: AsRef<[u32]>>(base: &Base, rows: &[R], hooks: &dyn Hooks) -> Result<Vec<Vec<f32>>> {
    check_causal(base)?;
    base.check(rows)?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let device = device(base);
    let batch = TokenBatch::padded(rows, 0, Side::Right, &device);
    let h = base.encode(&batch, hooks); // [batch, virtual + seq, d_model]
    let [count, all, d] = h.dims();
    let seq = batch.dims()[1];
    if seq == 1 {
        return Ok(vec![Vec::new(); count]);
    }
    let places = count * (seq - 1);
    let h = h.narrow(1, all - seq, seq - 1).reshape([1, places, d]);
    let next: Tensor<1, Int> = batch.ids.narrow(1, 1, seq - 1).reshape([places]);
    let block = (SCORES / base.vocab_size()).max(1);
    let mut found = Vec::with_capacity(places);
    for start in (0..places).step_by(block) {
        let n = block.min(places - start);
        let scores = base.lm_logits(h.clone().narrow(1, start, n), hooks); // [1, n, vocab]
        let vocab = scores.dims()[2];
        let next = next.clone().narrow(0, start, n).reshape([n, 1]);
        found.extend(floats(log_softmax(scores.reshape([n, vocab]), 1).gather(1, next)));
    }
    let of = |(row, values): (&R, &[f32])| values[..row.as_ref().len() - 1].to_vec();
    Ok(rows.iter().zip(found.chunks_exact(seq - 1)).map(of).collect())
}

/// A model that can generate: causal, and with its output matrix.
fn check_causal(base: &Base) -> Result<()> {
    let config = base.config();
    let tied = match &config {
        BaseConfig::Opt(c) => c.tie_word_embeddings,
        BaseConfig::Llama(c) => c.tie_word_embeddings,
        _ => {
            let found = config.family().to_owned();
            return Err(Error::Setting { name: "model", expected: "a causal model (OPT, LLaMA)", found });
        }
    };
    if !tied && !named_params(base).iter().any(|p| p.name == "lm_head.weight") {
        let found = format!("{} loaded to encode alone", config.family());
        return Err(Error::Setting { name: "model", expected: "a model with its language-model head", found });
    }
    Ok(())
}

/// Where the model is; token ids go there.
fn device(base: &Base) -> Device {
    base.devices().into_iter().next().map(Device::inner).unwrap_or_default()
}

fn floats<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().convert::<f32>().try_into_vec().expect("just converted to f32")
}
