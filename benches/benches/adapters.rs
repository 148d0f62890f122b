//! Many adapters on one base: a batch of which each row has its own, beside a batch that has one; and switching.

use std::time::Duration;

use benches::{Residents, Shape, is_smoke_test, median, seconds_in_turn};
use burn::tensor::Tensor;
use criterion::{Criterion, SamplingMode, Throughput};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Rows of the batch, and adapters.
const ROWS: usize = 64;
/// What a batch with an adapter for each row may cost, as a share of one with one adapter.
const TARGET: f64 = 1.3;
const ROUNDS: usize = 5;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for seq in [128, 32] {
        let shape = Shape::dnabert2_117m();
        let shape = if is_smoke_test() { shape.tiny() } else { Shape { batch: ROWS, seq, ..shape } };
        mixed(&shape);
    }
    let shape = Shape::dnabert2_117m();
    let shape = if is_smoke_test() { shape.tiny() } else { Shape { batch: 8, seq: 16, ..shape } };
    switching(&mut criterion, &shape);
    criterion.final_summary();
}

/// The two batches in turn.
fn mixed(shape: &Shape) {
    let residents = Residents::new(shape);
    let bank = residents.bank();
    let each: Vec<Option<usize>> = (0..residents.len()).map(Some).collect();
    let each = bank.rows(&each).expect("all are in the bank");
    let mut set = residents.set();
    set.switch(["0"]).expect("it is in the set");

    // The first row has the same adapter in both.
    let first = |h: Tensor<3>| h.narrow(0, 0, 1);
    let apart: f32 = (first(residents.encode(&each)) - first(residents.encode(&set))).abs().max().into_scalar();
    assert!(apart < 1e-3, "one adapter gives two results, {apart} apart");

    let rounds = if is_smoke_test() { 1 } else { ROUNDS };
    let run = |hooks| drop(residents.encode(hooks).into_data());
    let seconds = seconds_in_turn(rounds, &mut [&mut || run(&set), &mut || run(&each)]);
    if is_smoke_test() {
        return; // times of a tiny shape say nothing
    }
    let (one, mixed) = (median(&seconds[0]), median(&seconds[1]));
    let verdict = if mixed / one <= TARGET { "met" } else { "missed" };
    println!("{}: {} x {} tokens, {rounds} rounds in turn", shape.name, shape.batch, shape.seq);
    println!("one adapter {one:.3} s, {} adapters {mixed:.3} s", residents.len());
    println!("mixed / one: {:.2} (target: at most {TARGET}, {verdict})", mixed / one);
}

/// Switching from one adapter to the next, with all of them resident.
fn switching(criterion: &mut Criterion, shape: &Shape) {
    let residents = Residents::new(shape);
    let mut set = residents.set();
    let names: Vec<String> = (0..residents.len()).map(|i| i.to_string()).collect();
    let mut group = criterion.benchmark_group(shape.name);
    group.sampling_mode(SamplingMode::Flat).throughput(Throughput::Elements(1));
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(2));
    let mut next = 0;
    group.bench_function("switch adapter", |bencher| {
        bencher.iter(|| {
            next = (next + 1) % names.len();
            set.switch([names[next].as_str()]).expect("it is in the set");
        });
    });
    group.finish();
}
