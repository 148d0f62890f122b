//! Text around a sequence, and bases as numbers within it.

mod common;

use std::path::Path;

use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::{Device, Tensor};
use common::{ENCODERS, base, bits, values};
use model_zoo::{Side, TokenBatch};
use peft_core::{Hooks, HostTensor, Plain};
use peft_lingo::{BaseRows, CutCount, Error, OneHotProjection, PromptLibrary, PromptTokens, Wrapped, released_row};
use proptest::prelude::*;

/// Every task of GUE and every set of the shared folder.
const DATA: [&str; 30] = [
    "gue_emp_H3",
    "gue_emp_H3K14ac",
    "gue_emp_H3K36me3",
    "gue_emp_H3K4me1",
    "gue_emp_H3K4me2",
    "gue_emp_H3K4me3",
    "gue_emp_H3K79me3",
    "gue_emp_H3K9ac",
    "gue_emp_H4",
    "gue_emp_H4ac",
    "gue_prom_300_all",
    "gue_prom_300_notata",
    "gue_prom_300_tata",
    "gue_prom_core_all",
    "gue_prom_core_notata",
    "gue_prom_core_tata",
    "gue_splice_reconstructed",
    "gue_tf_human_0",
    "gue_tf_human_1",
    "gue_tf_human_2",
    "gue_tf_human_3",
    "gue_tf_human_4",
    "gue_tf_mouse_0",
    "gue_tf_mouse_1",
    "gue_tf_mouse_2",
    "gue_tf_mouse_3",
    "gue_tf_mouse_4",
    "gue_virus_covid",
    "uci_ecoli_promoters",
    "dnallm_multilabel_chromatin_access",
];

#[test]
fn every_data_set_has_a_prompt_and_no_histone_is_a_promoter() {
    let library = PromptLibrary::built_in();
    assert_eq!(library.templates().collect::<Vec<_>>(), ["default", "released"]);
    for name in DATA {
        let text = library.text("default", name).unwrap();
        assert_eq!(text.prefix.contains("Promoter"), name.contains("prom"), "{name}: {text:?}");
        assert_eq!(text.suffix, "\nAnnotation:");
        for seed in 0..20 {
            let wrong = library.wrong_text("default", name, seed).unwrap();
            assert_ne!(library.of(name).unwrap().domain, wrong.prefix[8..].split('\n').next().unwrap(), "{name}");
            assert_eq!(wrong, library.wrong_text("default", name, seed).unwrap());
        }
    }
    assert_ne!(library.text("default", "gue_emp_H3").unwrap(), library.text("default", "gue_emp_H3K9ac").unwrap());
    let error = library.text("default", "gue_emp_H5").unwrap_err();
    assert!(error.to_string().contains("\"gue_emp_H5\"") && error.to_string().contains("gue_emp_H4"), "{error}");
    assert!(library.text("shouted", "gue_emp_H4").unwrap_err().to_string().contains("default, released"));
}

#[test]
fn own_templates_and_what_is_wrong_with_them() {
    let parse = |text: &str| PromptLibrary::parse(Path::new("mine.toml"), text);
    let mine = "[templates]\nt = \"{task}? {sequence}!\"\n[[prompts]]\ndata = [\"a*\", \"ab*\"]\ndomain = \"d\"\ntask = \"x{y}\"\n";
    let text = parse(mine).unwrap().text("t", "abc").unwrap();
    assert_eq!(
        (text.prefix.as_str(), text.sequence_text("ACG").as_str(), text.suffix.as_str()),
        ("x{y}?", " ACG", "!")
    );
    for (text, wanted) in [
        ("[templates]\nt = \"no\"\nprompts = []", "mine.toml"),
        ("prompts = []\n[templates]\nt = \"no\"", "template t: expected {sequence} once, found none"),
        ("prompts = []\n[templates]\nt = \"{sequence}{sequence}\"", "more often"),
        ("prompts = []\n[templates]\nt = \"{dommain}{sequence}\"", "found {dommain}"),
        ("prompts = []\n[templates]\nt = \"{domain {sequence}\"", "a { without its }"),
        ("prompts = []\n[templates]\n[other]\n", "other"),
        ("\u{1}", "mine.toml"),
    ] {
        let error = parse(text).unwrap_err();
        assert!(matches!(error, Error::Prompts { .. }) && error.to_string().contains(wanted), "{error}");
    }
    let only = parse(mine).unwrap().wrong_text("t", "a", 0).unwrap_err();
    assert!(matches!(only, Error::NoPrompt { .. }));
}

/// LINGO's prompt in OPT's tokens: made once, then around every sequence.
#[test]
fn a_prompt_is_read_once() {
    let text = PromptLibrary::built_in().text("released", "gue_prom_core_tata").unwrap();
    let mut reads = Vec::new();
    let prompt = PromptTokens::of_text(&text, &[2], &[], |part: &str| {
        reads.push(part.to_owned());
        Ok::<_, Error>(if part.starts_with('\n') { vec![50118, 4688, 44851, 35] } else { vec![48527, 35, 5708] })
    });
    let prompt = prompt.unwrap();
    assert_eq!(reads, ["Domain: DNA Promoter\nSequence:", "\nAnnotation:"]);
    assert_eq!(prompt.prefix, [2, 48527, 35, 5708]);
    let mut count = CutCount::default();
    for n in [3, 4, 9] {
        let row = prompt.wrap(&vec![7; n], 12).unwrap();
        assert!(row.ids.ends_with(&[50118, 4688, 44851, 35]) && row.ids.len() <= 12);
        count.add(&row);
    }
    assert_eq!(count, CutCount { sequences: 3, cut: 1, tokens: 5 });
    let error = prompt.wrap(&[7], 8).unwrap_err().to_string();
    assert!(error.contains("8 tokens is too short for a prompt of 8"), "{error}");
}

proptest! {
    #[test]
    fn the_sequence_is_cut_and_never_the_prompt(
        prefix in prop::collection::vec(0_u32..99, 0..9), suffix in prop::collection::vec(0_u32..99, 0..9),
        sequence in prop::collection::vec(100_u32..199, 0..40), max_tokens in 0_usize..50, seed: u64,
    ) {
        let prompt = PromptTokens { prefix, suffix };
        match prompt.wrap(&sequence, max_tokens) {
            Err(_) => prop_assert!(max_tokens <= prompt.len()),
            Ok(row) => {
                prop_assert!(row.ids.len() <= max_tokens && row.ids.starts_with(&prompt.prefix) && row.ids.ends_with(&prompt.suffix));
                prop_assert_eq!(&row.ids[row.sequence.clone()], &sequence[..sequence.len() - row.cut]);
                prop_assert!(row.cut == 0 || row.ids.len() == max_tokens);
            }
        }
        let (begin, end) = (prompt.prefix.len().min(1), prompt.suffix.len().min(1));
        let shuffled = prompt.shuffled(begin, end, seed);
        prop_assert_eq!(shuffled.prefix.len(), prompt.prefix.len());
        prop_assert_eq!(&shuffled.prefix[..begin], &prompt.prefix[..begin]);
        prop_assert_eq!(&shuffled.suffix[shuffled.suffix.len() - end..], &prompt.suffix[prompt.suffix.len() - end..]);
        let sorted = |p: &PromptTokens| { let mut all = [&p.prefix[..], &p.suffix[..]].concat(); all.sort_unstable(); all };
        prop_assert_eq!(sorted(&shuffled), sorted(&prompt));
        prop_assert_eq!(shuffled, prompt.shuffled(begin, end, seed));
    }
}

/// Rows that LINGO's released data set and collator made (fixtures/tokenizers/opt, lingo_one_hot), and the fault in them:
/// filling is attended to, N is not.
#[test]
fn the_released_one_hot_row() {
    let prompt = PromptTokens {
        prefix: vec![48527, 35, 5708, 10772, 31718, 50118, 48245, 4086, 35, 1437],
        suffix: vec![50118, 4688, 44851, 35],
    };
    let sequence = b"GGNAGAATTCCATTAGTGCTGCCGNGNAANCCTTCACGAT";
    let row = released_row(&prompt, sequence, 96);
    assert_eq!(row.ids.len(), 96);
    assert_eq!(&row.ids[8..20], [35, 1437, 8, 8, 1, 5, 8, 5, 5, 6, 6, 7]);
    let not = |mask: Vec<bool>| (0..96).filter(|i| !mask[*i]).collect::<Vec<usize>>();
    assert_eq!(not(row.mask()), (54..96).collect::<Vec<_>>());
    assert_eq!(not(row.released_mask()), [12, 34, 36, 39]); // as recorded
    let long = released_row(&prompt, sequence, 10);
    assert_eq!((long.ids.len(), long.len), (54, 54)); // never cut
}

fn wrap(sequence: &[u8]) -> Wrapped {
    let prompt = PromptTokens { prefix: vec![7, 8], suffix: vec![9] };
    prompt.wrap(&vec![6; sequence.len()], 100).unwrap()
}

fn batch(sequences: &[&[u8]], side: Side) -> (TokenBatch, BaseRows) {
    let rows: Vec<Wrapped> = sequences.iter().map(|s| wrap(s)).collect();
    let ids: Vec<&[u32]> = rows.iter().map(|r| &r.ids[..]).collect();
    let batch = TokenBatch::padded(&ids, 3, side, &Device::default());
    let pairs: Vec<(&[u8], &Wrapped)> = sequences.iter().copied().zip(&rows).collect();
    let bases = BaseRows::new(&pairs, batch.dims()[1], side == Side::Left, &Device::default());
    (batch, bases)
}

#[test]
fn projected_bases_stand_among_words() {
    let device = Device::default();
    let rows: Vec<f32> = (0..8).map(|i| (1 << i) as f32).collect();
    let projection = OneHotProjection::from_host(&HostTensor::new([4, 2], rows).unwrap(), &device).unwrap();
    let (batch, bases) = batch(&[b"ACGTN", b"t"], Side::Right);
    let words = Tensor::<3>::full([2, batch.dims()[1], 2], -1.0, &device);
    let found = values(projection.bind(&bases).embeddings(words));
    let row = [-1., -1., -1., -1., 1., 2., 4., 8., 16., 32., 64., 128., 21.25, 42.5, -1., -1.];
    assert_eq!(found[..16], row);
    assert_eq!(found[16..], [-1., -1., -1., -1., 64., 128., -1., -1., -1., -1., -1., -1., -1., -1., -1., -1.]);
    assert!(OneHotProjection::from_host(&HostTensor::new([3, 2], vec![0.0; 6]).unwrap(), &device).is_none());
}

#[test]
fn projected_bases_do_not_care_for_padding_and_train() {
    for arch in ENCODERS.into_iter().chain(["opt_pre", "opt_post", "llama_gqa"]) {
        let base = base(arch);
        let device = Device::default();
        let d_embed = base.d_model();
        let projection = OneHotProjection::init(d_embed, 0.5, 3, &device.clone().autodiff());
        let alone = |sequence: &[u8]| {
            let (batch, bases) = batch(&[sequence], Side::Right);
            values(base.encode(&batch, &projection.bind(&bases)).without_autodiff())
        };
        let sequences: [&[u8]; 2] = [b"ACGTTGCANN", b"GATTACA"];
        let sides =
            if ["dnabert2", "llama_gqa"].contains(&arch) { vec![Side::Right] } else { vec![Side::Right, Side::Left] };
        for side in sides {
            let (batch, bases) = batch(&sequences, side);
            let h = base.encode(&batch, &projection.bind(&bases)).without_autodiff();
            for (row, sequence) in sequences.iter().enumerate() {
                let own = values(h.clone().narrow(0, row, 1).narrow(1, batch.first(row), batch.lengths[row]));
                for (a, b) in own.iter().zip(alone(sequence)) {
                    assert!((a - b).abs() <= 1e-5 * (1.0 + b.abs()), "{arch}, {side:?}: {a} {b}");
                }
            }
            assert_ne!(bits(h), bits(base.encode(&batch, &Plain)), "{arch}");
        }
        let (batch, bases) = batch(&sequences, Side::Right);
        let loss = |p: &OneHotProjection| base.encode(&batch, &p.bind(&bases)).square().mean();
        let (mut trained, mut optimizer) = (projection.clone(), AdamWConfig::new().init());
        let before = loss(&trained);
        let gradients = GradientsParams::from_grads(before.backward(), &trained);
        trained = optimizer.step(1e-3, trained, gradients);
        let number = |t: Tensor<1>| t.to_data().iter::<f32>().sum::<f32>();
        let (before, after) = (number(before), number(loss(&trained)));
        assert!(after < before, "{arch}: {before} {after}");
    }
}
