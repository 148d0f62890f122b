//! Laws of all families: what else is in a batch changes nothing, nor does padding on either side, nor the cache, nor whether
//! adapters are merged.

mod common;

use burn::tensor::{Device, Tensor, TensorData};
use common::{Family, Positions, Prepend, close, close_in_size, decoders, families, llama_dynamic, values};
use model_zoo::{Base, BatchLimit, Buckets, Pass, Side, TokenBatch, Trace, seed};
use peft_core::{Adapters, Hooks, Plain, Targets};
use peft_lora::LoraConfig;
use proptest::prelude::*;

/// Rows of tokens, mask tokens among them but not alone.
fn rows(count: std::ops::Range<usize>, longest: usize) -> impl Strategy<Value = Vec<Vec<u32>>> {
    let row = (5_u32..16, prop::collection::vec(4_u32..16, 0..longest));
    prop::collection::vec(row.prop_map(|(first, more)| [vec![first], more].concat()), count)
}

/// Last hidden states of each row's tokens and what the language-model head makes of them.
fn outputs(base: &Base, rows: &[Vec<u32>], side: Side, hooks: &dyn Hooks) -> Vec<(Vec<f32>, Vec<f32>)> {
    let batch = TokenBatch::padded(rows, 3, side, &Device::default());
    let h = base.encode(&batch, hooks); // [batch, virtual + seq, d_model]
    let skip = h.dims()[1] - batch.dims()[1];
    (0..rows.len())
        .map(|row| {
            let own = h.clone().narrow(0, row, 1).narrow(1, skip + batch.first(row), batch.lengths[row]);
            (values(own.clone()), values(base.lm_logits(own, hooks)))
        })
        .collect()
}

fn check_rows(Family { name, base, .. }: &Family, rows: &[Vec<u32>], sides: &[Side], hooks: &dyn Hooks) {
    let alone: Vec<_> =
        rows.iter().map(|r| outputs(base, std::slice::from_ref(r), Side::Right, hooks).remove(0)).collect();
    for side in sides {
        for (row, (found, expected)) in outputs(base, rows, *side, hooks).iter().zip(&alone).enumerate() {
            close(&format!("{name}, {side:?}, row {row}"), &found.0, &expected.0);
            close(&format!("{name}, {side:?}, row {row}, scores"), &found.1, &expected.1);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn a_row_alone_equals_the_row_in_a_batch_padded_on_either_side(rows in rows(2..5, 20)) {
        for family in families() {
            check_rows(&family, &rows, &[Side::Left, Side::Right], &Plain);
        }
    }

    #[test]
    fn buckets_change_nothing(rows in rows(3..9, 14), size in 1_usize..4) {
        let lengths: Vec<usize> = rows.iter().map(Vec::len).collect();
        let buckets = Buckets::by_length(&lengths, BatchLimit::rows(size));
        for Family { name, base, .. } in families() {
            let of = |batch: &Vec<usize>| {
                let rows: Vec<Vec<u32>> = batch.iter().map(|&i| rows[i].clone()).collect();
                outputs(&base, &rows, Side::Right, &Plain)
            };
            let found = buckets.restore(buckets.batches().iter().flat_map(of));
            for (row, (found, expected)) in found.iter().zip(outputs(&base, &rows, Side::Right, &Plain)).enumerate() {
                close(&format!("{name}, row {row}"), &found.0, &expected.0);
            }
        }
    }

    /// Prefixes and virtual tokens stand before the padding. Positions count tokens, so padding between them and the words
    /// changes nothing; ALiBi's distances to virtual tokens do follow the columns, so there padding stands on the right.
    #[test]
    fn padding_changes_nothing_beside_prefixes_and_virtual_tokens(
        rows in rows(2..4, 12), prefix in 0_usize..3, virtual_tokens in 0_usize..3,
    ) {
        let hooks = Prepend { prefix, virtual_tokens };
        for family in families() {
            let left = family.positions != Positions::Alibi || virtual_tokens == 0;
            check_rows(&family, &rows, if left { &[Side::Left, Side::Right] } else { &[Side::Right] }, &hooks);
        }
    }

    #[test]
    fn cached_equals_uncached(
        rows in rows(1..4, 14), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..5),
        prefix in 0_usize..3, virtual_tokens in 0_usize..3,
    ) {
        for hooks in [Prepend::default(), Prepend { prefix, virtual_tokens }] {
            for family in decoders() {
                check_cached(&family, &rows, &cuts, &hooks);
            }
        }
        check_cached(&llama_dynamic(), &rows, &cuts, &Prepend::default());
    }

    #[test]
    fn merged_equals_hooked(rows in rows(2..4, 12), seed_number: u64) {
        let device = Device::default();
        let lora = LoraConfig { r: 3, lora_alpha: 4.0, ..LoraConfig::for_targets(Targets::AllLinear) };
        let heads: [&str; 0] = [];
        for Family { name, base, .. } in families() {
            let adapters = Adapters::attach(&base, &lora.selection(heads), &lora, 1, &device).unwrap();
            let adapters = seed::initialise(adapters, seed_number, 0.1); // neither A nor B is 0
            let hooked = outputs(&base, &rows, Side::Right, &adapters.bind(&base).unwrap());
            let plain = outputs(&base, &rows, Side::Right, &Plain);
            let (merged, report) = adapters.merge(base).unwrap();
            prop_assert!(report.largest_change() > 1e-3);
            let mut moved = 0.0_f32;
            for ((hooked, merged), plain) in hooked.iter().zip(outputs(&merged, &rows, Side::Right, &Plain)).zip(plain) {
                close_in_size(name, &hooked.0, &merged.0);
                close_in_size(name, &hooked.1, &merged.1);
                moved = plain.0.iter().zip(&merged.0).map(|(a, b)| (a - b).abs()).fold(moved, f32::max);
            }
            prop_assert!(moved > 1e-3, "{name}: the adapters do something");
        }
    }

    /// One query of several heads a key head reads its keys in place; a trace that keeps attentions takes the general path.
    #[test]
    fn a_single_step_equals_the_general_path(rows in rows(1..4, 12)) {
        for Family { name, base, .. } in decoders() {
            let longest = rows.iter().map(Vec::len).max().unwrap();
            let device = Device::default();
            let step = |traced: bool| {
                let mut cache = base.cache(longest + 1);
                base.forward(&TokenBatch::padded(&rows, 3, Side::Left, &device), &mut Pass::new().with_cache(&mut cache));
                let next: Vec<[u32; 1]> = (0..rows.len() as u32).map(|i| [5 + i]).collect();
                let batch = TokenBatch::padded(&next, 3, Side::Left, &device);
                let mut trace = Trace::attentions();
                let pass = Pass::new().with_cache(&mut cache);
                let mut pass = if traced { pass.with_trace(&mut trace) } else { pass };
                values(base.forward(&batch, &mut pass))
            };
            close(name, &step(false), &step(true));
        }
    }
}

/// The rows, padded on the left, in passes that end at `cuts`, the first of them with a token of every row.
fn check_cached(family: &Family, rows: &[Vec<u32>], cuts: &[prop::sample::Index], hooks: &dyn Hooks) {
    let (base, device) = (&family.base, Device::default());
    let whole = TokenBatch::padded(rows, 3, Side::Left, &device);
    let seq = whole.dims()[1];
    let expected = base.encode(&whole, hooks); // [batch, virtual + seq, d_model]
    let shortest = rows.iter().map(Vec::len).min().unwrap();
    let mut ends: Vec<usize> = cuts.iter().map(|cut| seq - shortest + 1 + cut.index(shortest)).collect();
    ends.push(seq);
    ends.sort_unstable();
    ends.dedup();
    let mut cache = base.cache(seq);
    let (mut start, mut found) = (0, Vec::new());
    for end in ends {
        let lengths = rows.iter().map(|row| (end - start).min(row.len().saturating_sub(seq - end))).collect();
        let piece = TokenBatch::new(whole.ids.clone().narrow(1, start, end - start), lengths, Side::Left);
        found.push(base.forward(&piece, &mut Pass::new().with_hooks(hooks).with_cache(&mut cache)));
        start = end;
    }
    let found = Tensor::cat(found, 1);
    assert_eq!((found.dims(), cache.len()), (expected.dims(), seq));
    let skip = expected.dims()[1] - seq;
    for (row, tokens) in rows.iter().enumerate() {
        let own = |h: &Tensor<3>| values(h.clone().narrow(0, row, 1).narrow(1, skip + whole.first(row), tokens.len()));
        close(&format!("{}, row {row}", family.name), &own(&found), &own(&expected));
    }
}

#[test]
fn a_cache_says_what_it_holds() {
    let Family { base, .. } = decoders().remove(2);
    let mut cache = base.cache(5);
    assert!(cache.is_empty());
    let ids = Tensor::from_data(TensorData::from([[5_i64, 6, 7]]), &Device::default());
    base.forward(&TokenBatch::new(ids, vec![3], Side::Left), &mut Pass::new().with_cache(&mut cache));
    assert_eq!((cache.len(), cache.capacity(), cache.is_empty()), (3, 5, false));
}
