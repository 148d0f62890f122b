//! Seconds for one forward pass: what predicting costs.

use std::time::Duration;

use benches::{Shape, assert_rows_are_independent, forward, is_smoke_test};
use criterion::{Criterion, SamplingMode, Throughput};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let shapes = [Shape::small_base(), Shape::dnabert2_117m()];
    let shapes = if is_smoke_test() { shapes.map(Shape::tiny) } else { shapes };
    let mut criterion = Criterion::default().configure_from_args();
    for shape in shapes {
        assert_rows_are_independent(&shape);
        let mut group = criterion.benchmark_group("forward");
        group.sample_size(10).sampling_mode(SamplingMode::Flat).throughput(Throughput::Elements(shape.tokens() as u64));
        group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(5));
        let forward = forward(&shape);
        group.bench_function(shape.name, |bencher| bencher.iter(&forward));
        group.finish();
    }
    criterion.final_summary();
}
