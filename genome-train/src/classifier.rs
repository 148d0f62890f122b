//! A frozen base, adapters on it and a head: the model that is fine-tuned.

use crate::examples::{ClassBatch, encode};
use crate::foundation::Foundation;
use crate::step_loop::probabilities;
use crate::{Error, Result, checkpointing};
use burn::module::Module;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor, TensorData};
use burn_train::{ClassificationOutput, InferenceStep, TrainOutput, TrainStep};
use genome_tokenize::TokenizerSpec;
use model_zoo::checkpoint::{Checkpoint, LoadRules, export, load};
use model_zoo::heads::{Head, HeadConfig};
use model_zoo::seed::initialise;
use model_zoo::{Base, BatchLimit, Buckets, TokenBatch};
use peft_core::{
    AdapterFolder, Adapters, BaseModel, Contents, FolderAdapter, FolderConfig, GenomeAdapter, Hooks, HostTensor,
    LinearAdapter, Method, Selection, write_folder,
};
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
}

/// Names that `"all-linear"` leaves out and that are saved whole: PEFT's `modules_to_save`.
pub const HEAD_MODULES: [&str; 1] = ["classifier"];

/// Frozen base, trainable adapters and head. As a module it holds adapters and head alone, so that neither optimizer nor
/// checkpoint sees the base.
#[derive(Module, Debug)]
pub struct Classifier<A: LinearAdapter> {
    /// Adapters on the base's layers.
    pub adapters: Adapters<A>,
    /// The head.
    pub head: Head,
    #[module(skip)]
    base: Arc<Base>,
    #[module(skip)]
    class_weights: Option<Vec<f32>>,
    #[module(skip)]
    checkpointing: bool,
}

impl<A: LinearAdapter> Classifier<A> {
    /// New adapters and a new head for training on `device`, all from one seed.
    ///
    /// # Errors
    /// [`Error::Peft`] if `selection` matches nothing or does not fit.
    pub fn new(
        foundation: &Foundation,
        method: &impl Method<Adapter = A>,
        selection: &Selection,
        head: &HeadConfig,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        let device = device.clone().autodiff();
        let adapters = Adapters::attach(&*foundation.base, selection, method, seed, &device)?;
        let head = initialise(head.init(&device), seed, 0.02);
        Ok(Self { adapters, head, base: foundation.base.clone(), class_weights: None, checkpointing: false })
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

    /// Number of values that training changes, and of those it leaves alone.
    pub fn count(&self) -> (usize, usize) {
        (self.adapters.num_params() + self.head.num_params(), self.base.num_params())
    }

    /// Scores of the labels before softmax, [batch, labels].
    pub fn logits(&self, batch: &TokenBatch) -> Tensor<2> {
        let hooks = self.hooks();
        self.head_logits(self.base.encode(batch, &hooks), batch, &hooks)
    }

    fn hooks(&self) -> impl Hooks {
        self.adapters.bind(&*self.base).expect("the adapters were made for this base")
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
        let score = |members: &Vec<usize>| {
            let batch: Vec<&Vec<u32>> = members.iter().map(|&i| &ids[i]).collect();
            probabilities(self.logits(&TokenBatch::from_rows(&batch, pad_id, &device)))
        };
        buckets.restore(buckets.batches().iter().flat_map(score))
    }
}

impl<A: LinearAdapter + 'static> TrainStep for Classifier<A> {
    type Input = ClassBatch;
    type Output = ClassificationOutput;
    fn step(&self, batch: ClassBatch) -> TrainOutput<ClassificationOutput> {
        if self.checkpointing {
            let tokens = batch.tokens.clone();
            let untracked = self.adapters.clone().no_grad();
            let untracked = untracked.bind(&*self.base).expect("the adapters were made for this base");
            let hooks = self.hooks();
            let end = |h| self.output(self.head_logits(h, &tokens, &hooks), batch);
            return checkpointing::step(self, &self.base, &tokens, &untracked, &hooks, end);
        }
        let output = self.output(self.logits(&batch.tokens), batch);
        TrainOutput::new(self, output.loss.backward(), output)
    }
}

impl<A: LinearAdapter + 'static> InferenceStep for Classifier<A> {
    type Input = ClassBatch;
    type Output = ClassificationOutput;
    fn step(&self, batch: ClassBatch) -> ClassificationOutput {
        self.output(self.logits(&batch.tokens), batch)
    }
}

impl<A: FolderAdapter> Classifier<A> {
    /// Writes the adapter folder: adapters and head as PEFT does, the task and the base's hash beside them, and
    /// `tokenizer.json` where the tokenizer needs it. `config` lists [`Task::modules_to_save`].
    ///
    /// # Errors
    /// [`Error::Peft`] or [`Error::Io`].
    pub fn save<C: FolderConfig>(&self, dir: &Path, config: &C, foundation: &Foundation, task: &Task) -> Result<()> {
        let modules: BTreeMap<String, HostTensor> = export(&self.head)
            .into_iter()
            .map(|(name, (shape, values))| {
                (name, HostTensor::new(shape, values).expect("an exported tensor fits its shape"))
            })
            .collect();
        let base = BaseModel { sha256: foundation.sha256.clone(), name: foundation.name.clone() };
        let genome = GenomeAdapter::new(Some(base), serde_json::to_value(task).expect("a task is plain data"));
        write_folder(
            dir,
            &Contents {
                config,
                adapters: &self.adapters,
                base_model: Some(&foundation.name),
                modules: &modules,
                genome: Some(&genome),
            },
        )?;
        if let (Some(bytes), TokenizerSpec::Bpe { file, .. }) = (&foundation.tokenizer_file, &task.tokenizer) {
            model_zoo::checkpoint::write_atomically(&dir.join(file), bytes).map_err(model_zoo::Error::from)?;
        }
        Ok(())
    }

    /// Reads a folder that [`Classifier::save`] wrote. `selection` says which layers a configuration means.
    ///
    /// # Errors
    /// [`Error::Peft`] if a tensor is missing, left over or of another shape, or if the folder was made for another base;
    /// [`Error::Folder`] if it says nothing about its task.
    pub fn load<C: FolderConfig + Method<Adapter = A>>(
        dir: &Path,
        foundation: &Foundation,
        selection: impl FnOnce(&C) -> Selection,
        device: &Device,
    ) -> Result<(Self, Task)> {
        let device = device.clone().inner();
        let folder = AdapterFolder::read(dir)?;
        folder.check_base(&foundation.sha256)?;
        let task = read_task(&folder, dir)?;
        let config: C = folder.config()?;
        let fresh =
            Adapters::attach(&*foundation.base, &selection(&config).lenient(&*foundation.base), &config, 0, &device)?;
        let loaded = folder.load(fresh)?;
        let tensors =
            loaded.modules.iter().map(|(n, t)| (n.clone(), (t.shape().to_vec(), t.values().to_vec()))).collect();
        let file = Checkpoint::from_tensors(dir.join("adapter_model.safetensors"), &tensors)
            .map_err(model_zoo::Error::from)?;
        let (head, _) = load(task.head.init(&device), &file, LoadRules::default())?;
        let classifier = Self {
            adapters: loaded.adapters,
            head,
            base: foundation.base.clone(),
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
        HEAD_MODULES.into_iter().chain(pooler).map(str::to_owned).collect()
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
        encode(&*foundation.tokenizer, sequence, self.max_tokens, place)
    }
}
