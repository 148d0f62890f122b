//! A frozen base, what is trained beside it and a head: the model that is fine-tuned.

use crate::examples::{ClassBatch, encode};
use crate::foundation::Foundation;
use crate::prompts::word_embeddings;
use crate::shared_prompt::{SharedPrompt, behind, can_share};
use crate::step_loop::probabilities;
use crate::stepper::Stepper;
use crate::task_prompt::{Bases, TaskPrompt, deviation};
use crate::tuning::{AnyTuning, Beside, Tuning};
use crate::{Error, Result, checkpointing};
use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor, TensorData};
use burn_train::{ClassificationOutput, InferenceStep, TrainOutput, TrainStep};
use genome_tokenize::TokenizerSpec;
use model_zoo::checkpoint::{Checkpoint, LoadRules, export, load};
use model_zoo::heads::{Head, HeadConfig, HeadKind};
use model_zoo::quantised::Quantised;
use model_zoo::seed::initialise;
use model_zoo::{Base, BatchLimit, Buckets, TokenBatch};
use peft_core::{AdapterFolder, BaseModel, GenomeAdapter, Hooks, HostTensor};
use peft_lingo::OneHotProjection;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Everything besides weights that predicting needs; it travels in the adapter folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// Names of the labels, in the order of the scores.
    pub labels: Vec<String>,
    /// The head.
    pub head: HeadConfig,
    /// The tokenizer.
    pub tokenizer: TokenizerSpec,
    /// Longer sequences are cut on the right.
    pub max_tokens: usize,
    /// Sequences scored together.
    pub batch_size: usize,
    /// What stands around each sequence, for a natural-language model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<TaskPrompt>,
}

/// Names that `"all-linear"` leaves out and that are saved whole: PEFT's `modules_to_save`.
pub const HEAD_MODULES: [&str; 1] = ["classifier"];

/// The projection of one-hot bases, in an adapter folder.
const ONE_HOT: &str = "one_hot.weight";

/// Frozen base, what a method trains beside it, and head. As a module it holds the trained parts alone, so that neither optimizer nor
/// checkpoint sees the base.
#[derive(Module, Debug)]
pub struct Classifier<T: Tuning = AnyTuning> {
    /// What is trained beside the base.
    pub tuning: T,
    /// The head.
    pub head: Head,
    /// What makes embeddings of bases, where the task has them one-hot.
    pub one_hot: Option<OneHotProjection>,
    #[module(skip)]
    prompt: Option<TaskPrompt>,
    #[module(skip)]
    base: Arc<Base>,
    #[module(skip)]
    quantised: Quantised,
    #[module(skip)]
    class_weights: Option<Vec<f32>>,
    #[module(skip)]
    checkpointing: bool,
}

impl<T: Tuning> Classifier<T> {
    /// `tuning`, made for this base, and a new head from `seed`, for training on `device`.
    pub fn new(foundation: &Foundation, tuning: T, task: &Task, seed: u64, device: &Device) -> Self {
        let device = device.clone().autodiff();
        let head = initialise(task.head.init(&device), seed, 0.02);
        let one_hot = task.is_one_hot().then(|| {
            let table = word_embeddings(&foundation.base).expect("a language model has word embeddings");
            OneHotProjection::init(table.dims()[1], deviation(&table), seed, &device)
        });
        Self {
            tuning,
            head,
            one_hot,
            prompt: task.prompt.clone(),
            base: foundation.base.clone(),
            quantised: foundation.quantised.clone(),
            class_weights: None,
            checkpointing: false,
        }
    }

    /// Weighs the loss of each label.
    pub fn with_class_weights(mut self, weights: Option<Vec<f32>>) -> Self {
        self.class_weights = weights;
        self
    }

    /// Keeps the activations of one layer at a time while training, and computes them a second time (gradient checkpointing).
    pub fn with_gradient_checkpointing(mut self, on: bool) -> Self {
        self.checkpointing = on;
        self
    }

    /// What its folder would read back as ([`Tuning::settled`]).
    #[must_use]
    pub fn settled(self) -> Self {
        Self { tuning: self.tuning.settled(), ..self }
    }

    /// Number of values that training changes, and of those it leaves alone.
    pub fn count(&self) -> (usize, usize) {
        let one_hot = self.one_hot.as_ref().map_or(0, Module::num_params);
        (Module::num_params(&self.tuning) + self.head.num_params() + one_hot, self.base.num_params())
    }

    /// Scores of the labels before softmax, [batch, labels]. A causal model whose head reads the last token reads the task's
    /// text prompt once for all rows that begin with it.
    pub fn logits(&self, batch: &TokenBatch) -> Tensor<2> {
        match self.behind_prompt(batch) {
            Some(rest) => self.logits_behind(&self.read_prompt(&batch.ids.device()), &rest),
            None => self.logits_unshared(batch),
        }
    }

    /// [`Classifier::logits`] with the prompt read anew in each row: what sharing is tested against.
    pub fn logits_unshared(&self, batch: &TokenBatch) -> Tensor<2> {
        self.with_hooks(self, batch, |hooks| self.head_logits(self.base.encode(batch, hooks), batch, hooks))
    }

    /// What stands behind the prompt in each row, if that is all that has to be read row by row.
    fn behind_prompt(&self, batch: &TokenBatch) -> Option<TokenBatch> {
        let prompt = self.prompt.as_ref().filter(|_| matches!(self.head, Head::Last(_)) && can_share(&self.base))?;
        behind(&prompt.prefix, batch)
    }

    /// The prompt's keys and values, as the base is adapted now.
    fn read_prompt(&self, device: &Device) -> SharedPrompt {
        let prompt = self.prompt.as_ref().expect("only a task with a prompt shares it");
        let read = |hooks: &dyn Hooks| SharedPrompt::read(&self.base, &prompt.prefix, hooks, device);
        self.tuning.with_hooks(&self.base, |hooks| read(&self.quantised.hooks(hooks)))
    }

    /// Scores of rows of which `batch` is what stands behind the prompt.
    fn logits_behind(&self, prompt: &SharedPrompt, batch: &TokenBatch) -> Tensor<2> {
        let text = self.prompt.as_ref().map(|text| TaskPrompt { prefix: Vec::new(), ..text.clone() });
        self.with_hooks_in(self, text.as_ref(), batch, |hooks| {
            let hooks = &prompt.hooks(hooks);
            self.head_logits(self.base.encode(batch, hooks), batch, hooks)
        })
    }

    /// The optimizer with what the method does in each of its steps.
    ///
    /// # Errors
    /// As [`Tuning::stepper`].
    pub fn stepper(&self, optimizer: ModuleOptimizer) -> Result<Stepper> {
        self.tuning.stepper(optimizer)
    }

    /// Does something with what `trained` has beside the base, on a batch.
    fn with_hooks<R>(&self, trained: &Self, batch: &TokenBatch, then: impl FnOnce(&dyn Hooks) -> R) -> R {
        self.with_hooks_in(trained, self.prompt.as_ref(), batch, then)
    }

    /// The same where `prompt` stands around the sequences of the batch.
    fn with_hooks_in<R>(
        &self,
        trained: &Self,
        prompt: Option<&TaskPrompt>,
        batch: &TokenBatch,
        then: impl FnOnce(&dyn Hooks) -> R,
    ) -> R {
        trained.tuning.with_hooks(&self.base, |hooks| match (&trained.one_hot, prompt) {
            (Some(projection), Some(prompt)) => {
                let bases = projection.bind(&prompt.base_rows(batch, &batch.ids.device()));
                let both: [&dyn Hooks; 2] = [&bases, hooks]; // virtual tokens come before words
                then(&self.quantised.hooks(&both))
            }
            _ => then(&self.quantised.hooks(hooks)),
        })
    }

    /// Scores from the last hidden state, [batch, seq, d_model].
    fn head_logits(&self, h: Tensor<3>, batch: &TokenBatch, hooks: &dyn Hooks) -> Tensor<2> {
        let pooled = self.base.pool(&h, batch, hooks);
        self.head.forward(h, batch, pooled)
    }

    fn output(&self, logits: Tensor<2>, batch: ClassBatch) -> ClassificationOutput {
        let picked = log_softmax(logits.clone(), 1).gather(1, batch.labels.clone().unsqueeze_dim(1)); // [batch, 1]
        let loss = match &self.class_weights {
            None => picked.mean().neg(),
            Some(weights) => {
                let device = batch.labels.device();
                let table = Tensor::<1>::from_data(TensorData::from(&weights[..]), &device);
                let weights = table.select(0, batch.labels.clone()).unsqueeze_dim(1); // [batch, 1]
                (picked * weights.clone()).sum().neg() / weights.sum()
            }
        };
        ClassificationOutput::new(loss, logits, batch.labels)
    }

    /// Probabilities of the labels for each sequence of ids, in their order.
    ///
    /// Sequences are scored by length in batches of `batch_size`, so the same list gives the same bits every time.
    pub fn predict(&self, ids: &[Vec<u32>], pad_id: u32, batch_size: usize, device: &Device) -> Vec<Vec<f32>> {
        let device = device.clone().inner();
        let lengths: Vec<usize> = ids.iter().map(Vec::len).collect();
        let buckets = Buckets::by_length(&lengths, BatchLimit::rows(batch_size));
        let mut prompt = None; // read once for all batches
        let score = |members: &Vec<usize>| {
            let batch: Vec<&Vec<u32>> = members.iter().map(|&i| &ids[i]).collect();
            let batch = TokenBatch::from_rows(&batch, pad_id, &device);
            probabilities(match self.behind_prompt(&batch) {
                Some(rest) => self.logits_behind(prompt.get_or_insert_with(|| self.read_prompt(&device)), &rest),
                None => self.logits_unshared(&batch),
            })
        };
        buckets.restore(buckets.batches().iter().flat_map(score))
    }
}

impl<T: Tuning> TrainStep for Classifier<T> {
    type Input = ClassBatch;
    type Output = ClassificationOutput;
    fn step(&self, batch: ClassBatch) -> TrainOutput<ClassificationOutput> {
        if self.checkpointing {
            let tokens = batch.tokens.clone();
            let untracked = self.clone().no_grad();
            return self.with_hooks(self, &tokens, |hooks| {
                let end = |h| self.output(self.head_logits(h, &tokens, hooks), batch);
                self.with_hooks(&untracked, &tokens, |untracked| {
                    checkpointing::step(self, &self.base, &tokens, untracked, hooks, end, self.tuning.penalty())
                })
            });
        }
        let output = self.output(self.logits(&batch.tokens), batch);
        let loss = match self.tuning.penalty() {
            Some(penalty) => output.loss.clone() + penalty,
            None => output.loss.clone(),
        };
        TrainOutput::new(self, loss.backward(), output)
    }
}

impl<T: Tuning> InferenceStep for Classifier<T> {
    type Input = ClassBatch;
    type Output = ClassificationOutput;
    fn step(&self, batch: ClassBatch) -> ClassificationOutput {
        self.output(self.logits(&batch.tokens), batch)
    }
}

impl<T: Tuning> Classifier<T> {
    /// Writes the adapter folder: the method's tensors and head as PEFT does, the task and the base's hash beside them, and
    /// `tokenizer.json` where the tokenizer needs it. The method's settings list [`Task::modules_to_save`].
    ///
    /// # Errors
    /// [`Error::Peft`] or [`Error::Io`].
    pub fn save(&self, dir: &Path, foundation: &Foundation, task: &Task) -> Result<()> {
        let modules: BTreeMap<String, HostTensor> = export(&self.head)
            .into_iter()
            .map(|(name, (shape, values))| {
                (name, HostTensor::new(shape, values).expect("an exported tensor fits its shape"))
            })
            .chain(self.one_hot.as_ref().map(|p| (ONE_HOT.to_owned(), HostTensor::from_tensor(&p.weight.val()))))
            .collect();
        let base = BaseModel { sha256: foundation.sha256.clone(), name: foundation.name.clone() };
        let genome = GenomeAdapter::new(Some(base), serde_json::to_value(task).expect("a task is plain data"));
        let beside = Beside { base_model: Some(&foundation.name), modules: &modules, genome: Some(&genome) };
        self.tuning.write(dir, &beside)?;
        if let (Some(bytes), TokenizerSpec::Bpe { file, .. }) = (&foundation.tokenizer_file, &task.tokenizer) {
            model_zoo::checkpoint::write_atomically(&dir.join(file), bytes).map_err(model_zoo::Error::from)?;
        }
        Ok(())
    }

    /// Reads a folder that [`Classifier::save`] wrote.
    ///
    /// # Errors
    /// [`Error::Peft`] if a tensor is missing, left over or of another shape, or if the folder was made for another base;
    /// [`Error::Folder`] if it says nothing about its task.
    pub fn load(dir: &Path, foundation: &Foundation, device: &Device) -> Result<(Self, Task)> {
        let device = device.clone().inner();
        let folder = AdapterFolder::read(dir)?;
        folder.check_base(&foundation.sha256)?;
        let task = read_task(&folder, dir)?;
        let (tuning, mut modules) = T::read(folder, dir, &foundation.base, &device)?;
        let one_hot = match (task.is_one_hot(), modules.remove(ONE_HOT)) {
            (true, stored) => {
                let projection = stored.as_ref().and_then(|t| OneHotProjection::from_host(t, &device));
                let found = stored.map_or("none".to_owned(), |t| format!("{:?}", t.shape()));
                let reason = || format!("{ONE_HOT}: expected a matrix of 4 rows, found {found}");
                Some(projection.ok_or_else(|| Error::Folder { path: dir.into(), reason: reason() })?)
            }
            (false, _) => None,
        };
        let tensors = modules.iter().map(|(n, t)| (n.clone(), (t.shape().to_vec(), t.values().to_vec()))).collect();
        let file = Checkpoint::from_tensors(dir.join("adapter_model.safetensors"), &tensors)
            .map_err(model_zoo::Error::from)?;
        let (head, _) = load(task.head.init(&device), &file, LoadRules::default())?;
        let classifier = Self {
            tuning,
            head,
            one_hot,
            prompt: task.prompt.clone(),
            base: foundation.base.clone(),
            quantised: foundation.quantised.clone(),
            class_weights: None,
            checkpointing: false,
        };
        Ok((classifier.valid(), task))
    }
}

/// What the folder says about its task.
fn read_task(folder: &AdapterFolder, dir: &Path) -> Result<Task> {
    let broken = |reason: String| Error::Folder { path: dir.join("genome_adapter.json"), reason };
    let Some(genome) = folder.genome() else {
        return Err(broken(
            "not there: without label names, head and tokenizer this adapter cannot predict".to_owned(),
        ));
    };
    let task: Task = serde_json::from_value(genome.extra.clone()).map_err(|e| broken(e.to_string()))?;
    if task.labels.len() != task.head.num_labels {
        let (names, scores) = (task.labels.len(), task.head.num_labels);
        return Err(broken(format!("{names} label names for a head of {scores} labels")));
    }
    Ok(task)
}

impl Task {
    /// PEFT's `modules_to_save` of this task: what an adapter's configuration has to list for its folder to be read back.
    pub fn modules_to_save(&self) -> Vec<String> {
        let pooler = self.head.own_pooler.then_some("bert.pooler.dense");
        let one_hot = self.is_one_hot().then_some("one_hot");
        let head = if self.head.kind == HeadKind::Last { "score" } else { HEAD_MODULES[0] };
        [head].into_iter().chain(pooler).chain(one_hot).map(str::to_owned).collect()
    }

    /// Ids of a sequence as this task reads it, and whether it was cut. `place` is what an error names.
    ///
    /// # Errors
    /// [`Error::Sequence`].
    pub fn encode(
        &self,
        foundation: &Foundation,
        sequence: &[u8],
        place: impl Fn() -> String,
    ) -> Result<(Vec<u32>, bool)> {
        match &self.prompt {
            Some(prompt) => prompt.encode(&*foundation.tokenizer, sequence, self.max_tokens, place),
            None => encode(&*foundation.tokenizer, sequence, self.max_tokens, place),
        }
    }

    /// True if a trained projection makes the embeddings of bases.
    pub fn is_one_hot(&self) -> bool {
        self.prompt.as_ref().is_some_and(|p| p.bases == Bases::OneHot)
    }
}
