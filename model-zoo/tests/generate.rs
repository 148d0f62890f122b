//! Generation: what it promises about batches, seeds, stops and callbacks, and the likelihood of given texts.

mod common;

use burn::tensor::Device;
use burn::tensor::activation::log_softmax;
use common::{Family, Prepend, close, decoders, encoders, llama_dynamic, values};
use model_zoo::generate::{GenerateConfig, Generated, Halt, Sampling, Stop, generate, log_likelihood};
use model_zoo::{Base, BaseConfig, Error, TokenBatch, seed};
use peft_core::{Hooks, Plain};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use std::ops::ControlFlow;

fn run(base: &Base, prompts: &[Vec<u32>], config: &GenerateConfig, hooks: &dyn Hooks) -> Vec<Generated> {
    generate(base, prompts, config, hooks, |_, _| ControlFlow::Continue(())).unwrap()
}

fn endless(max_new_tokens: usize) -> GenerateConfig {
    GenerateConfig { max_new_tokens, stop_tokens: Some(Vec::new()), ..Default::default() }
}

/// Scores after a text, without cache, batch or padding.
fn scores(base: &Base, text: &[u32], hooks: &dyn Hooks) -> Vec<f32> {
    let h = base.encode(&TokenBatch::from_rows(&[text], 0, &Device::default()), hooks);
    let last = h.dims()[1] - 1;
    values(base.lm_logits(h.narrow(1, last, 1), hooks))
}

fn models() -> impl Iterator<Item = Family> {
    decoders().into_iter().chain([llama_dynamic()])
}

fn prompts() -> impl Strategy<Value = Vec<Vec<u32>>> {
    prop::collection::vec(prop::collection::vec(5_u32..16, 1..10), 1..5)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn each_greedy_token_has_the_best_score(prompts in prompts(), prefix in 0_usize..3, virtual_tokens in 0_usize..3) {
        for Family { name, base, .. } in decoders() {
            for hooks in [Prepend::default(), Prepend { prefix, virtual_tokens }] {
                for (prompt, found) in prompts.iter().zip(run(&base, &prompts, &endless(6), &hooks)) {
                    let mut text = prompt.clone();
                    for token in found.tokens {
                        let scores = scores(&base, &text, &hooks);
                        let best = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                        prop_assert!(scores[token as usize] >= best - 1e-4, "{name}: {text:?} {token}");
                        text.push(token);
                    }
                    prop_assert_eq!(text.len(), prompt.len() + 6);
                }
            }
        }
    }

    #[test]
    fn likelihoods_are_those_of_one_row_after_the_other(rows in prompts(), prefix in 0_usize..3, virtual_tokens in 0_usize..3) {
        let hooks = Prepend { prefix, virtual_tokens };
        for Family { name, base, .. } in decoders() {
            for (row, found) in rows.iter().zip(log_likelihood(&base, &rows, &hooks).unwrap()) {
                let expected: Vec<f32> = (1..row.len())
                    .map(|n| {
                        let scores = scores(&base, &row[..n], &hooks);
                        let all = burn::tensor::Tensor::<1>::from_floats(&scores[..], &Device::default());
                        values(log_softmax(all, 0))[row[n] as usize]
                    })
                    .collect();
                close(name, &found, &expected);
            }
        }
    }
}

proptest! {
    // The same cases every time: a draw at the very edge of a token's share may fall to either side by rounding.
    #![proptest_config(ProptestConfig { cases: 8, rng_seed: RngSeed::Fixed(1), ..Default::default() })]

    #[test]
    fn a_text_depends_on_prompt_and_seed_alone(prompts in prompts(), seed: u64, virtual_tokens in 0_usize..2) {
        let sampling = Sampling::Random { temperature: 0.9, top_k: Some(12), top_p: Some(0.95) };
        let config = GenerateConfig { sampling, seed, repetition_penalty: 1.1, ..endless(8) };
        let hooks = Prepend { prefix: 1, virtual_tokens };
        for Family { name, base, .. } in models() {
            let together = run(&base, &prompts, &config, &hooks);
            prop_assert_eq!(&together, &run(&base, &prompts, &config, &hooks));
            let mut seen: Vec<&Vec<u32>> = Vec::new();
            for (prompt, found) in prompts.iter().zip(&together) {
                let copies = vec![prompt.clone(); 1 + seen.iter().filter(|p| **p == prompt).count()];
                let alone = run(&base, &copies, &config, &hooks).pop().unwrap();
                prop_assert_eq!(found, &alone, "{}: {:?}", name, prompt);
                seen.push(prompt);
            }
        }
    }
}

#[test]
fn copies_of_a_prompt_and_other_seeds_give_other_texts() {
    let base = decoders().remove(2).base;
    let config = GenerateConfig { sampling: Sampling::random(), ..endless(20) };
    let prompts = vec![vec![5, 6]; 3];
    let found = run(&base, &prompts, &config, &Plain);
    assert!(found[0] != found[1] && found[1] != found[2] && found[0] != found[2]);
    let other = run(&base, &prompts[..1], &GenerateConfig { seed: 1, ..config }, &Plain);
    assert_ne!(found[0], other[0]);
}

#[test]
fn texts_end_where_they_should() {
    let base = decoders().remove(2).base;
    let prompts = [vec![5, 6, 7], vec![9], vec![8, 8]];
    let free = run(&base, &prompts, &endless(10), &Plain);
    assert!(free.iter().all(|t| t.tokens.len() == 10 && t.stop == Stop::Length && t.text() == t.tokens));

    // A token that the first text has: it ends there, the others go on as before up to theirs.
    let end = free[0].tokens[4];
    let config = GenerateConfig { stop_tokens: Some(vec![end]), ..endless(10) };
    for (found, free) in run(&base, &prompts, &config, &Plain).iter().zip(&free) {
        match free.tokens.iter().position(|t| *t == end) {
            Some(at) => {
                assert_eq!(found.stop, Stop::Token(end));
                assert_eq!((&found.tokens[..], found.text()), (&free.tokens[..=at], &free.tokens[..at]));
            }
            None => assert_eq!(found, free),
        }
    }

    let sequence = free[1].tokens[3..5].to_vec();
    let config = GenerateConfig { stop_sequences: vec![vec![15; 11], sequence.clone()], ..endless(10) };
    let found = &run(&base, &prompts, &config, &Plain)[1];
    assert_eq!((found.stop, found.stop_len), (Stop::Sequence(1), 2));
    assert!(found.tokens.ends_with(&sequence) && found.tokens.len() <= 5);

    // The model's own end token is the default.
    let BaseConfig::Llama(mut config) = base.config() else { panic!("the third decoder is a LLaMA") };
    config.eos_token_id = vec![end];
    let base = seed::initialise(BaseConfig::Llama(config).init(true, false, &Device::default()), 7, 0.3);
    let found = run(&base, &prompts[..1], &GenerateConfig { stop_tokens: None, ..endless(10) }, &Plain);
    assert_eq!(found[0].stop, Stop::Token(end));

    let none = run(&base, &prompts, &endless(0), &Plain);
    assert!(none.iter().all(|t| t.tokens.is_empty() && t.stop == Stop::Length));
    assert!(run(&base, &[], &endless(3), &Plain).is_empty());
}

#[test]
fn callbacks_see_every_token_and_may_end_a_row_or_the_run() {
    let base = decoders().remove(0).base;
    let prompts = [vec![5, 6, 7], vec![9], vec![8, 8]];
    let free = run(&base, &prompts, &endless(6), &Plain);
    let mut seen = vec![Vec::new(); 3];
    let found = generate(&base, &prompts, &endless(6), &Plain, |row, token| {
        seen[row].push(token);
        match (row, seen[row].len()) {
            (0, 2) => ControlFlow::Break(Halt::Row),
            (2, 4) => ControlFlow::Break(Halt::Run),
            _ => ControlFlow::Continue(()),
        }
    });
    let found = found.unwrap();
    for (row, length) in [2, 4, 4].into_iter().enumerate() {
        assert_eq!(found[row].tokens, free[row].tokens[..length]);
        assert_eq!((found[row].stop, &found[row].tokens), (Stop::Caller, &seen[row]));
    }
}

#[test]
fn what_cannot_work_is_said_first() {
    let base = decoders().remove(0).base; // OPT with 64 positions
    let error = |base: &Base, prompts: &[Vec<u32>], config: &GenerateConfig, hooks: &dyn Hooks| {
        generate(base, prompts, config, hooks, |_, _| panic!("nothing is generated")).unwrap_err().to_string()
    };
    assert_eq!(
        error(&base, &[vec![5; 4], vec![5; 60]], &endless(5), &Plain),
        "row 1: expected at most 4 new tokens after 60 of the prompt (the model has 64 positions), found max_new_tokens 5"
    );
    let hooks = Prepend { prefix: 2, virtual_tokens: 1 };
    assert_eq!(
        error(&base, &[vec![5; 60]], &endless(2), &hooks),
        "row 0: expected at most 1 new tokens after 60 of the prompt and 3 of the adapter (the model has 64 positions), \
         found max_new_tokens 2"
    );
    assert_eq!(error(&base, &[vec![]], &endless(1), &Plain), "row 0: expected at least one token, found none");
    assert!(error(&base, &[vec![99]], &endless(1), &Plain).contains("below 16"));
    let config = GenerateConfig { repetition_penalty: 0.0, ..endless(1) };
    assert_eq!(error(&base, &[vec![5]], &config, &Plain), "repetition_penalty: expected a number above 0, found 0");
    let config = GenerateConfig { stop_sequences: vec![vec![1], vec![]], ..endless(1) };
    let expected = "stop_sequences: expected at least one token each, found none in sequence 1";
    assert_eq!(error(&base, &[vec![5]], &config, &Plain), expected);
    let sampling = Sampling::Random { temperature: -1.0, top_k: None, top_p: None };
    let config = GenerateConfig { sampling, ..endless(1) };
    assert!(error(&base, &[vec![5]], &config, &Plain).starts_with("temperature: expected"));

    let encoder = encoders().remove(1).base;
    let expected = "model: expected a causal model (OPT, LLaMA), found DNABERT-2";
    assert_eq!(error(&encoder, &[vec![5]], &endless(1), &Plain), expected);
    let headless = decoders().remove(3).base.config().init(false, false, &Device::default());
    let headless = seed::initialise(headless, 1, 0.1);
    assert!(error(&headless, &[vec![5]], &endless(1), &Plain).ends_with("found LLaMA loaded to encode alone"));
    assert!(matches!(log_likelihood(&headless, &[vec![5]], &Plain), Err(Error::Setting { name: "model", .. })));
}
