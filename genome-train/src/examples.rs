//! Labelled sequences as token ids, and the batches that are made of them.

use crate::classifier::Task;
use crate::foundation::Foundation;
use crate::step_loop::{Batch, progress};
use crate::{Error, Result};
use burn::data::dataloader::{DataLoader, DataLoaderIterator, Progress};
use burn::data::dataset::DatasetError;
use burn::tensor::{Device, Int, Tensor, TensorData};
use genome_formats::{LabelSet, LabelledFile};
use genome_tokenize::Tokenizer;
use model_zoo::TokenBatch;
use model_zoo::seed::rng;
use rand::seq::SliceRandom;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Tokenised sequences with their labels.
#[derive(Debug, Clone, Default)]
pub struct Examples {
    /// Token ids of each sequence.
    pub ids: Vec<Vec<u32>>,
    /// Label of each sequence.
    pub labels: Vec<usize>,
    /// Sequences that were cut because they are longer than the model may read.
    pub truncated: usize,
}

impl Examples {
    /// Tokenises a labelled file as `task` reads sequences.
    ///
    /// # Errors
    /// [`Error::Formats`] for a label that training does not have, [`Error::Sequence`] with file and line.
    pub fn new(file: &LabelledFile, labels: &LabelSet, task: &Task, foundation: &Foundation) -> Result<Self> {
        let mut examples = Self { labels: labels.encode(file)?, ..Self::default() };
        for row in &file.rows {
            let place = || format!("{}:{}", file.name, row.line);
            let (ids, cut) = task.encode(foundation, &row.sequence, place)?;
            examples.ids.push(ids);
            examples.truncated += usize::from(cut);
        }
        Ok(examples)
    }

    /// Number of examples.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Tokens of all sequences.
    pub fn tokens(&self) -> usize {
        self.ids.iter().map(Vec::len).sum()
    }

    /// "Balanced" class weights: n / (classes · count of the class), as scikit-learn's.
    pub fn balanced_weights(&self, classes: usize) -> Vec<f32> {
        let mut counts = vec![0_usize; classes];
        self.labels.iter().for_each(|&l| counts[l] += 1);
        counts.iter().map(|&c| self.len() as f32 / (classes as f32 * c.max(1) as f32)).collect()
    }
}

/// Ids of one sequence, and whether it had to be cut.
pub(crate) fn encode(
    tokenizer: &dyn Tokenizer,
    sequence: &[u8],
    max_tokens: usize,
    place: impl Fn() -> String,
) -> Result<(Vec<u32>, bool)> {
    let found = tokenizer.encode_truncated(sequence, max_tokens);
    let truncated = found.map_err(|source| Error::Sequence { place: place(), source })?;
    let cut = truncated.covered < sequence.len();
    Ok((truncated.encoding.ids, cut))
}

/// A batch of labelled sequences.
#[derive(Debug)]
pub struct ClassBatch {
    /// What the model reads.
    pub tokens: TokenBatch,
    /// Label of each row, \[batch\].
    pub labels: Tensor<1, Int>,
}

impl Batch for ClassBatch {
    fn tokens(&self) -> usize {
        self.tokens.lengths.iter().sum()
    }
    fn examples(&self) -> usize {
        self.tokens.lengths.len()
    }
}

/// Order of evaluation: by length, so that a batch holds little padding; equal lengths keep their order.
fn by_length(ids: &[Vec<u32>]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..ids.len()).collect();
    order.sort_by_key(|&i| ids[i].len());
    order
}

/// How a loader orders its examples.
#[derive(Debug, Clone, Copy)]
enum Order {
    /// One round of `batches` batches a time, through one seeded shuffle after the other.
    Shuffled { seed: u64, batches: usize },
    /// All examples by length, the same every time.
    ByLength,
}

/// Yields batches of examples.
#[derive(Debug)]
pub struct ClassLoader {
    examples: Arc<Examples>,
    batch_size: usize,
    pad_id: u32,
    device: Device,
    order: Order,
    round: AtomicUsize,
}

impl ClassLoader {
    /// Training batches, `batches` of them each time it is iterated; every pass over the data has its own shuffle.
    /// Examples of similar length come together where lengths differ.
    pub fn training(
        examples: Arc<Examples>,
        batch_size: usize,
        pad_id: u32,
        seed: u64,
        batches: usize,
        device: &Device,
    ) -> Self {
        let order = Order::Shuffled { seed, batches };
        Self { examples, batch_size, pad_id, device: device.clone().inner(), order, round: AtomicUsize::new(0) }
    }

    /// All examples, once each.
    pub fn evaluation(examples: Arc<Examples>, batch_size: usize, pad_id: u32, device: &Device) -> Self {
        let device = device.clone().inner();
        Self { examples, batch_size, pad_id, device, order: Order::ByLength, round: AtomicUsize::new(0) }
    }

    fn per_epoch(&self) -> usize {
        self.examples.len().div_ceil(self.batch_size)
    }

    fn batches(&self) -> usize {
        match self.order {
            Order::Shuffled { batches, .. } => batches,
            Order::ByLength => self.per_epoch(),
        }
    }

    /// The batches of one pass over the data: indices of their examples.
    fn pass(&self, number: usize, seed: u64) -> Vec<Vec<usize>> {
        /// Batches that are sorted by length together.
        const POOL: usize = 16;
        let mut rng = rng(seed, &format!("pass {number}"));
        let mut order: Vec<usize> = (0..self.examples.len()).collect();
        order.shuffle(&mut rng);
        for pool in order.chunks_mut(self.batch_size * POOL) {
            pool.sort_by_key(|&i| self.examples.ids[i].len());
        }
        let mut batches: Vec<Vec<usize>> = order.chunks(self.batch_size).map(<[usize]>::to_vec).collect();
        batches.shuffle(&mut rng);
        batches
    }

    fn make(&self, rows: &[usize]) -> ClassBatch {
        let ids: Vec<&Vec<u32>> = rows.iter().map(|&i| &self.examples.ids[i]).collect();
        let labels: Vec<i64> = rows.iter().map(|&i| self.examples.labels[i] as i64).collect();
        ClassBatch {
            tokens: TokenBatch::from_rows(&ids, self.pad_id, &self.device),
            labels: Tensor::from_data(TensorData::from(&labels[..]), &self.device),
        }
    }
}

struct ClassIterator<'a> {
    loader: &'a ClassLoader,
    next: usize,
    end: usize,
    pass: Option<(usize, Vec<Vec<usize>>)>,
}

impl Iterator for ClassIterator<'_> {
    type Item = Result<ClassBatch, DatasetError>;
    fn next(&mut self) -> Option<Self::Item> {
        if self.next == self.end {
            return None;
        }
        let (pass, within) = (self.next / self.loader.per_epoch(), self.next % self.loader.per_epoch());
        self.next += 1;
        if self.pass.as_ref().is_none_or(|(number, _)| *number != pass) {
            let batches = match self.loader.order {
                Order::Shuffled { seed, .. } => self.loader.pass(pass, seed),
                Order::ByLength => {
                    by_length(&self.loader.examples.ids).chunks(self.loader.batch_size).map(<[usize]>::to_vec).collect()
                }
            };
            self.pass = Some((pass, batches));
        }
        let (_, batches) = self.pass.as_ref().expect("just made");
        Some(Ok(self.loader.make(&batches[within])))
    }
}

impl DataLoaderIterator<ClassBatch> for ClassIterator<'_> {
    fn progress(&self) -> Progress {
        let batches = self.loader.batches();
        progress(batches - (self.end - self.next), batches)
    }
}

impl DataLoader<ClassBatch> for ClassLoader {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<ClassBatch> + 'a> {
        let batches = self.batches();
        let start = match self.order {
            Order::Shuffled { .. } => self.round.fetch_add(1, Ordering::Relaxed) * batches,
            Order::ByLength => 0,
        };
        Box::new(ClassIterator { loader: self, next: start, end: start + batches, pass: None })
    }
    fn num_items(&self) -> usize {
        self.batches()
    }
    fn to_device(&self, device: &Device) -> Arc<dyn DataLoader<ClassBatch>> {
        let device = device.clone().inner();
        Arc::new(Self { examples: self.examples.clone(), device, round: AtomicUsize::new(0), ..*self })
    }
    fn slice(&self, start: usize, end: usize) -> Arc<dyn DataLoader<ClassBatch>> {
        let order = match self.order {
            Order::Shuffled { seed, .. } => Order::Shuffled { seed, batches: end - start },
            Order::ByLength => Order::ByLength,
        };
        let (examples, device) = (self.examples.clone(), self.device.clone());
        Arc::new(Self { examples, device, order, round: AtomicUsize::new(0), ..*self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examples(lengths: &[usize]) -> Arc<Examples> {
        let ids = lengths.iter().map(|&n| vec![5; n]).collect();
        Arc::new(Examples { ids, labels: (0..lengths.len()).collect(), truncated: 0 })
    }

    fn labels(loader: &ClassLoader) -> Vec<usize> {
        loader.iter().flat_map(|b| crate::step_loop::indices(b.unwrap().labels)).collect()
    }

    #[test]
    fn every_pass_holds_each_example_once_and_rounds_go_on_where_the_last_stopped() {
        let data = examples(&[3, 4, 5, 6, 7, 8, 9]);
        let loader = ClassLoader::training(data.clone(), 2, 0, 9, 2, &Device::default());
        let (a, b) = (labels(&loader), labels(&loader));
        let mut first_pass = [a.clone(), b].concat();
        first_pass.sort_unstable();
        assert_eq!(first_pass, (0..7).collect::<Vec<_>>());
        let again = ClassLoader::training(data.clone(), 2, 0, 9, 2, &Device::default());
        assert_eq!(labels(&again), a, "the same seed gives the same order");
        let other = ClassLoader::training(data, 2, 0, 10, 4, &Device::default());
        assert_eq!(labels(&other).len(), 7);
    }

    #[test]
    fn evaluation_is_complete_and_repeatable() {
        let loader = ClassLoader::evaluation(examples(&[9, 3, 5, 3]), 3, 0, &Device::default());
        assert_eq!(labels(&loader), [1, 3, 2, 0]);
        assert_eq!(labels(&loader), [1, 3, 2, 0]);
    }

    #[test]
    fn weights_balance_classes() {
        let data = Examples { ids: vec![vec![1]; 4], labels: vec![0, 0, 0, 1], truncated: 0 };
        assert_eq!(data.balanced_weights(2), [4.0 / 6.0, 2.0]);
    }
}
