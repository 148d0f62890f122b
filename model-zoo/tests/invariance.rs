//! Laws: what else is in a batch, and padding, change nothing; a head reads bases, not padding.

use burn::tensor::{Device, Tensor};
use model_zoo::heads::{HeadConfig, HeadKind};
use model_zoo::nucleotide_transformer::NucleotideTransformerConfig;
use model_zoo::{Base, BaseConfig, Pooling, TokenBatch, seed};
use peft_core::Plain;
use proptest::prelude::*;

fn bases() -> Vec<Base> {
    let dnabert2 = r#"{"alibi_starting_size": 8, "vocab_size": 16, "hidden_size": 24, "num_hidden_layers": 2,
        "num_attention_heads": 6, "intermediate_size": 20}"#;
    let nt = NucleotideTransformerConfig {
        vocab_size: 16,
        hidden_size: 24,
        num_hidden_layers: 2,
        num_attention_heads: 3,
        intermediate_size: 20,
        max_position_embeddings: 64,
        layer_norm_eps: 1e-12,
        pad_token_id: 0,
        mask_token_id: None,
        initializer_range: 0.02,
        position_embedding_type: "rotary".to_owned(),
        token_dropout: false,
        mask_share: Default::default(),
        add_bias_fnn: Some(false),
        emb_layer_norm_before: false,
        tie_word_embeddings: false,
    };
    let configs = [BaseConfig::parse("test".as_ref(), dnabert2).unwrap(), BaseConfig::NucleotideTransformer(nt)];
    configs.map(|c| seed::initialise(c.init(true, false, &Device::default()), 7, 0.3)).into()
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().try_into_vec().unwrap()
}

fn close(a: &[f32], b: &[f32]) {
    assert_eq!(a.len(), b.len());
    for (x, y) in a.iter().zip(b) {
        assert!((x - y).abs() <= 1e-5 * (1.0 + x.abs()), "{x} {y}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn a_row_alone_equals_the_row_in_a_padded_batch(
        rows in prop::collection::vec(prop::collection::vec(5_u32..16, 1..20), 2..5),
        pad in 0_u32..16,
    ) {
        let device = Device::default();
        for base in bases() {
            let together = TokenBatch::from_rows(&rows, pad, &device);
            let h = base.encode(&together, &Plain); // [batch, seq, d_model]
            let d = base.d_model();
            for (i, row) in rows.iter().enumerate() {
                let alone = TokenBatch::from_rows(std::slice::from_ref(row), pad, &device);
                let single = base.encode(&alone, &Plain);
                let found = h.clone().slice([i..i + 1, 0..row.len(), 0..d]);
                close(&values(single.clone()), &values(found.clone()));
                close(&values(base.lm_logits(single.clone(), &Plain)), &values(base.lm_logits(found, &Plain)));
                for pooling in [Pooling::Mean, Pooling::Max, Pooling::Cls] {
                    let all = pooling.pool(h.clone(), &together).slice([i..i + 1, 0..d]);
                    close(&values(pooling.pool(single.clone(), &alone)), &values(all));
                }
                for kind in [HeadKind::Bert, HeadKind::Esm, HeadKind::Position] {
                    let config = HeadConfig { kind, d_model: d, num_labels: 3, dropout: 0.5, bins: 7, features: 4, own_pooler: true };
                    let head = seed::initialise(config.init(&device), 3, 0.3);
                    let all = head.forward(h.clone(), &together, None).slice([i..i + 1, 0..3]);
                    close(&values(head.forward(single.clone(), &alone, None)), &values(all));
                }
            }
        }
    }
}

#[test]
fn the_position_head_knows_where_a_token_stands() {
    let device = Device::default();
    let config = HeadConfig {
        kind: HeadKind::Position,
        d_model: 4,
        num_labels: 2,
        dropout: 0.0,
        bins: 8,
        features: 4,
        own_pooler: false,
    };
    let head = seed::initialise(config.init(&device), 1, 0.5);
    // the same hidden states in another order: means and maxima are equal, places are not
    let states = |at: usize| {
        let mut values = [0.0_f32; 10 * 4];
        values[at * 4..at * 4 + 4].fill(2.0);
        Tensor::<1>::from_floats(&values[..], &device).reshape([1, 10, 4])
    };
    let batch = TokenBatch::from_rows(&[[5_u32; 10]], 0, &device);
    let (left, right) = (values(head.forward(states(2), &batch, None)), values(head.forward(states(7), &batch, None)));
    assert!(left.iter().zip(&right).any(|(l, r)| (l - r).abs() > 1e-2), "{left:?} {right:?}");
}

#[test]
fn initial_values_follow_from_the_seed_alone() {
    let [a, b] = [bases().remove(0), bases().remove(0)];
    assert_eq!(model_zoo::checkpoint::export(&a), model_zoo::checkpoint::export(&b));
}
