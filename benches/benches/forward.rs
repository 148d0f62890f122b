//! Seconds for forward passes: what predicting and generating cost.
//!
//! `<program> --serve <shape> <work> --bench` does the work once for every line it reads, and prints seconds: the way for
//! another program, such as `compare/compare.py`, to take turns with it. Works: `equal`, `padded`, `bucketed`, `decode`.

use std::io::{BufRead, Write};
use std::time::{Duration, Instant};

use benches::{
    Batching, Shape, assert_batching_changes_nothing, assert_decodes, assert_rows_are_independent, decode, forward,
    forward_in_batches, is_smoke_test,
};
use criterion::{Criterion, SamplingMode, Throughput};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Tokens before those that are generated.
const PROMPT: usize = 32;
/// Tokens that are generated.
const NEW: usize = 32;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if let [_, flag, shape, work, ..] = &args[..]
        && flag == "--serve"
    {
        return serve(shape, work);
    }
    let mut criterion = Criterion::default().configure_from_args();
    for shape in shapes() {
        assert_rows_are_independent(&shape);
        let mut group = group(&mut criterion, format!("forward/{}", shape.name), shape.tokens());
        let mut forward_equal = None; // made once, and only if it is not filtered out
        group.bench_function("equal", |bencher| bencher.iter(forward_equal.get_or_insert_with(|| forward(&shape))));
        drop(forward_equal);
        group.finish();

        let mixed = mixed(&shape);
        assert_batching_changes_nothing(&mixed, shape.batch);
        let mut group = self::group(&mut criterion, format!("forward/{}", shape.name), mixed.tokens());
        for batching in Batching::ALL {
            let mut forward = None;
            group.bench_function(format!("mixed {}", batching.name()), |bencher| {
                bencher.iter(forward.get_or_insert_with(|| forward_in_batches(&mixed, shape.batch, batching)));
            });
        }
        group.finish();
    }
    let [_, _, causal] = shapes();
    assert_decodes(&causal, PROMPT, NEW);
    let mut group = group(&mut criterion, format!("decode/{}", causal.name), NEW);
    let mut decode_tokens = None;
    group.bench_function(format!("{NEW} after {PROMPT}"), |bencher| {
        bencher.iter(decode_tokens.get_or_insert_with(|| decode(&causal, PROMPT, NEW)));
    });
    group.finish();
    criterion.final_summary();
}

fn shapes() -> [Shape; 3] {
    let shapes = [Shape::small_base(), Shape::dnabert2_117m(), Shape::smollm2_135m()];
    if is_smoke_test() { shapes.map(Shape::tiny) } else { shapes }
}

fn mixed(shape: &Shape) -> Shape {
    shape.clone().mixed()
}

fn group(
    criterion: &mut Criterion,
    name: String,
    tokens: usize,
) -> criterion::BenchmarkGroup<'_, criterion::measurement::WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.sample_size(10).sampling_mode(SamplingMode::Flat).throughput(Throughput::Elements(tokens as u64));
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(5));
    group
}

fn serve(shape: &str, work: &str) {
    let shape = shapes().into_iter().find(|s| s.name == shape).expect("the name of a shape");
    let mixed = mixed(&shape);
    let (lengths, run): (Vec<usize>, Box<dyn Fn()>) = match work {
        "equal" => {
            assert_rows_are_independent(&shape);
            let forward = forward(&shape);
            (shape.row_lengths(), Box::new(move || _ = forward()))
        }
        "padded" | "bucketed" => {
            let batching = if work == "padded" { Batching::Padded } else { Batching::Bucketed };
            let forward = forward_in_batches(&mixed, shape.batch, batching);
            (mixed.row_lengths(), Box::new(move || _ = forward()))
        }
        "decode" => {
            assert_decodes(&shape, PROMPT, NEW);
            let decode = decode(&shape, PROMPT, NEW);
            (vec![PROMPT, NEW], Box::new(move || _ = decode()))
        }
        other => panic!("expected equal, padded, bucketed or decode, found {other}"),
    };
    let mut out = std::io::stdout();
    writeln!(out, "{}", serde_json::json!({ "lengths": lengths, "batch": shape.batch })).expect("a reader");
    for line in std::io::stdin().lock().lines() {
        line.expect("text");
        let start = Instant::now();
        run();
        writeln!(out, "{}", start.elapsed().as_secs_f64()).expect("a reader");
        out.flush().expect("a reader");
    }
}
