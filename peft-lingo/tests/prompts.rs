//! Prefixes and prompts on every family: they train where PEFT refuses, change nothing when there are none of them, and do
//! not care for padding.

mod common;

use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor};
use common::{Check, DECODERS, ENCODERS, base, bits, for_all_methods, from_words, shape, values};
use model_zoo::heads::{Head, HeadConfig};
use model_zoo::{Base, Side, TokenBatch, seed};
use peft_core::{Adapters, Hooks, Plain};
use peft_lingo::{Error, PrefixTuningConfig, Prompt, PromptMethod, PromptTuningConfig, PromptTuningInit, Vocabulary};
use peft_lora::LoraConfig;
use proptest::prelude::*;

const ROWS: [&[u32]; 4] = [&[5, 9, 12, 33, 8, 21], &[7, 7, 30], &[40, 11, 12, 13, 14], &[6]];

fn batch() -> TokenBatch {
    TokenBatch::from_rows(&ROWS, 3, &Device::default())
}

fn head(base: &Base) -> Head {
    let config = HeadConfig {
        kind: base.original_head(),
        d_model: base.d_model(),
        num_labels: 2,
        dropout: 0.0,
        bins: 0,
        features: 0,
        own_pooler: false,
    };
    seed::initialise(config.init(&Device::default()), 3, 0.3).no_grad()
}

/// The loss of a frozen head behind a frozen base: what falls is the prompt's doing.
fn loss(base: &Base, head: &Head, hooks: &dyn Hooks) -> Tensor<1> {
    let batch = batch();
    let h = base.encode(&batch, hooks);
    let pooled = base.pool(&h, &batch, hooks);
    let logits = head.forward(h, &batch, pooled); // [batch, labels]
    let labels = Tensor::<1, Int>::from_ints([0, 1, 1, 0], &Device::default());
    log_softmax(logits, 1).gather(1, labels.unsqueeze_dim(1)).mean().neg()
}

fn number(loss: &Tensor<1>) -> f32 {
    loss.to_data().iter::<f32>().sum()
}

struct Trains<'a>(&'a str, &'a Base, &'a Head);

impl Check for Trains<'_> {
    fn check<C: PromptMethod>(&mut self, name: &str, _config: C, prompt: C::Prompt) {
        let Trains(arch, base, head) = self;
        let (mut prompt, mut optimizer, mut losses) = (prompt, AdamWConfig::new().init(), Vec::new());
        for _ in 0..5 {
            let loss = loss(base, head, &prompt);
            losses.push(number(&loss));
            let gradients = GradientsParams::from_grads(loss.backward(), &prompt);
            prompt = optimizer.step(0.02, prompt, gradients);
        }
        losses.push(number(&crate::loss(base, head, &prompt.valid())));
        println!("{arch}, {name}: {losses:?}");
        assert!(losses[5] < losses[0] && losses.iter().all(|l| l.is_finite()), "{arch}, {name}: {losses:?}");
    }
}

#[test]
fn deep_prefixes_and_prompts_train_on_every_family() {
    let device = Device::default().autodiff();
    for arch in ENCODERS.into_iter().chain(DECODERS) {
        let base = base(arch);
        let head = head(&base);
        let before = bits(base.encode(&batch(), &Plain));
        for_all_methods(&shape(&base), 4, &device, &mut Trains(arch, &base, &head));
        assert_eq!(bits(base.encode(&batch(), &Plain)), before, "{arch}: the base moved");
    }
}

struct Nothing<'a>(&'a str, &'a Base);

impl Check for Nothing<'_> {
    fn check<C: PromptMethod>(&mut self, name: &str, _config: C, prompt: C::Prompt) {
        let with = bits(self.1.encode(&batch(), &prompt));
        assert_eq!(with, bits(self.1.encode(&batch(), &Plain)), "{}, {name}", self.0);
    }
}

#[test]
fn no_virtual_tokens_change_no_bit() {
    for arch in ENCODERS.into_iter().chain(DECODERS) {
        let base = base(arch);
        for_all_methods(&shape(&base), 0, &Device::default(), &mut Nothing(arch, &base));
    }
}

/// Last hidden states of each row's own tokens, and the scores of the head.
fn outputs(base: &Base, head: &Head, rows: &[Vec<u32>], side: Side, hooks: &dyn Hooks) -> Vec<Vec<f32>> {
    let batch = TokenBatch::padded(rows, 3, side, &Device::default());
    let h = base.encode(&batch, hooks);
    let skip = h.dims()[1] - batch.dims()[1];
    assert_eq!(skip, hooks.virtual_tokens());
    let pooled = base.pool(&h, &batch, hooks);
    let scores = head.forward(h.clone(), &batch, pooled); // [batch, labels]
    let row = |row: usize| {
        let own = h.clone().narrow(0, row, 1).narrow(1, skip + batch.first(row), batch.lengths[row]);
        [values(own), values(scores.clone().narrow(0, row, 1))].concat()
    };
    (0..rows.len()).map(row).collect()
}

struct Padding<'a>(&'a str, &'a Base, &'a Head, &'a [Vec<u32>]);

impl Check for Padding<'_> {
    fn check<C: PromptMethod>(&mut self, name: &str, _config: C, prompt: C::Prompt) {
        let Padding(arch, base, head, rows) = *self;
        // ALiBi's distances to virtual tokens follow the columns: there padding stands on the right.
        let left = arch != "dnabert2" || prompt.virtual_tokens() == 0;
        let alone = |row: &Vec<u32>| outputs(base, head, std::slice::from_ref(row), Side::Right, &prompt).remove(0);
        let alone: Vec<_> = rows.iter().map(alone).collect();
        for side in [Side::Right, Side::Left].into_iter().take(1 + usize::from(left)) {
            for (i, (found, expected)) in outputs(base, head, rows, side, &prompt).iter().zip(&alone).enumerate() {
                for (a, b) in found.iter().zip(expected) {
                    assert!((a - b).abs() <= 1e-5 * (1.0 + b.abs()), "{arch}, {name}, {side:?}, row {i}: {a} {b}");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn a_row_alone_equals_the_row_in_a_padded_batch(
        rows in prop::collection::vec(prop::collection::vec(5_u32..60, 1..12), 2..5), n in 1_usize..5,
    ) {
        for arch in ENCODERS.into_iter().chain(DECODERS) {
            let base = base(arch);
            let head = head(&base);
            for_all_methods(&shape(&base), n, &Device::default(), &mut Padding(arch, &base, &head, &rows));
        }
    }
}

#[test]
fn a_prefix_stands_beside_other_hooks() {
    let base = base("dnabert2");
    let (device, model) = (Device::default(), shape(&base));
    let prefix = PrefixTuningConfig::new(3).for_model(&model).unwrap();
    let prefix = prefix.init(Vocabulary::default(), 1, &device).unwrap();
    let prompt = PromptTuningConfig::new(2).for_model(&model).unwrap();
    let prompt = prompt.init(Vocabulary::default(), 1, &device).unwrap();
    let lora = LoraConfig::new(["Wqkv"]);
    let adapters = Adapters::attach(&base, &lora.selection(["classifier"]), &lora, 1, &device).unwrap();
    let lora = adapters.bind(&base).unwrap(); // B is 0: it changes nothing yet
    let alone = base.encode(&batch(), &[&prefix as &dyn Hooks, &prompt]);
    let stack = base.encode(&batch(), &[&lora as &dyn Hooks, &prefix, &prompt]);
    assert_eq!(alone.dims()[1], 2 + 6);
    assert_eq!(bits(alone.clone()), bits(stack));
    assert_eq!(bits(alone), bits(base.encode(&batch(), &[&prefix.bind() as &dyn Hooks, &prompt])));
}

#[test]
fn prompts_start_from_words() {
    let device = Device::default();
    let table = Tensor::<2>::from_floats([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]], &device);
    let model = peft_lingo::ModelShape { layers: 1, heads: 1, kv_heads: 1, d_head: 2, d_embed: 2 };
    let words = Vocabulary { table: Some(&table), text: &[2, 0] };
    let text = from_words(&model, PromptTuningInit::Text, 3);
    let start = |config: &PromptTuningConfig, words, seed| {
        config.init(words, seed, &device).map(|p| values(p.prompt_embeddings()))
    };
    assert_eq!(start(&text, words, 0).unwrap(), [4.0, 5.0, 0.0, 1.0, 4.0, 5.0]);
    let sampled = from_words(&model, PromptTuningInit::SampleVocab, 40);
    let found = start(&sampled, words, 5).unwrap();
    assert!(found.chunks(2).all(|row| row[1] == row[0] + 1.0 && [0.0, 2.0, 4.0].contains(&row[0])), "{found:?}");
    assert_eq!(found, start(&sampled, words, 5).unwrap());
    assert_ne!(found, start(&sampled, words, 6).unwrap());
    let message = |config: &PromptTuningConfig, words| match start(config, words, 0) {
        Err(e @ Error::Start { .. }) => e.to_string(),
        other => panic!("{other:?}"),
    };
    assert!(message(&text, Vocabulary::default()).contains("word embeddings are needed"));
    assert!(message(&text, Vocabulary { text: &[], ..words }).contains("no token"));
    assert!(message(&text, Vocabulary { text: &[3], ..words }).contains("below 3"));
    let wide = from_words(&peft_lingo::ModelShape { d_embed: 4, ..model }, PromptTuningInit::SampleVocab, 1);
    assert!(message(&wide, words).contains("[vocabulary, 4], found [3, 2]"));
}

/// The same numbers for the same seed, whatever the device trains.
#[test]
fn one_seed_one_start() {
    struct Same(Vec<Vec<u32>>);
    impl Check for Same {
        fn check<C: PromptMethod>(&mut self, _: &str, config: C, prompt: C::Prompt) {
            let again = config.init(Vocabulary::default(), 7, &Device::default().autodiff()).unwrap();
            assert_eq!(bits(again.prompt_embeddings()), bits(prompt.prompt_embeddings()));
            let other = config.init(Vocabulary::default(), 8, &Device::default()).unwrap();
            assert_ne!(bits(other.prompt_embeddings()), bits(prompt.prompt_embeddings()));
            self.0.push(bits(prompt.prompt_embeddings()));
        }
    }
    let mut same = Same(Vec::new());
    for_all_methods(&shape(&base("bert")), 2, &Device::default(), &mut same);
    assert_eq!(same.0.len(), 5);
}
