//! Seconds for one training step: every weight, our LoRA, our AdaLoRA, and Burn's `apply_lora`.
//!
//! First they take turns, which gives the ratios and the table; then criterion times each by itself (of the large
//! model only our LoRA, or a run would take a quarter of an hour).

use std::time::Duration;

use benches::{
    Contender, Shape, assert_equal_at_start, assert_learns, forward, is_smoke_test, median, own_peak_mib, printed_by,
    seconds_in_turn,
};
use criterion::{Criterion, SamplingMode, Throughput};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Steps that nobody times; over them the loss must fall.
const WARM_UP: usize = 3;
/// Steps of a process whose peak memory is read: the second has the optimizer's state beside its gradients.
const PEAK_STEPS: usize = 2;
/// Rounds of the comparison in which all take turns.
const ROUNDS: usize = 5;
/// What a LoRA step may cost, as a share of the others.
const TARGET: f64 = 0.7;
/// What an AdaLoRA step may cost, as a share of a LoRA step.
const ADALORA_TARGET: f64 = 1.15;
/// `<program> --peak-of <shape> <contender> --bench` prints the peak memory of a few steps and ends.
const PEAK_OF: &str = "--peak-of";

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if let [_, flag, shape, contender, _] = &args[..]
        && flag == PEAK_OF
    {
        return print_peak(shape, contender);
    }
    if !args.iter().any(|arg| arg == "--list") {
        shapes().iter().for_each(compare);
    }
    let mut criterion = Criterion::default().configure_from_args();
    let [small, large, _] = shapes();
    time_each(&mut criterion, &small, &Contender::ALL);
    time_each(&mut criterion, &large, &[Contender::Lora]);
    criterion.final_summary();
}

fn shapes() -> [Shape; 3] {
    let shapes = [Shape::small_base(), Shape::dnabert2_117m(), Shape::dnabert2_117m_wqkv()];
    if is_smoke_test() { shapes.map(Shape::tiny) } else { shapes }
}

/// The contenders and a forward pass in turn: checks, then a table.
fn compare(shape: &Shape) {
    let mut steps = Contender::ALL.map(|contender| contender.start(shape));
    let mut losses: [Vec<f32>; 4] = Default::default();
    for _ in 0..WARM_UP {
        steps.iter_mut().zip(&mut losses).for_each(|(step, losses)| losses.push(step()));
    }
    let first: Vec<_> = Contender::ALL.into_iter().zip(&losses).map(|(c, losses)| (c, losses[0])).collect();
    assert_equal_at_start(&first);
    Contender::ALL.into_iter().zip(&losses).for_each(|(c, losses)| assert_learns(c, losses));

    let forward = forward(shape);
    let [mut full, mut lora, mut adalora, mut apply_lora] = steps;
    let seconds = seconds_in_turn(
        if is_smoke_test() { 1 } else { ROUNDS },
        &mut [&mut || _ = full(), &mut || _ = lora(), &mut || _ = adalora(), &mut || _ = apply_lora(), &mut || {
            _ = forward()
        }],
    );
    let medians: Vec<f64> = seconds.iter().map(|s| median(s)).collect();

    if is_smoke_test() {
        return; // times of a tiny shape say nothing
    }
    println!("\n{}: {} x {} tokens, {} rounds in turn", shape.name, shape.batch, shape.seq, seconds[0].len());
    println!("{:<12}{:>12}{:>12}{:>12}{:>12}{:>14}", "", "median s", "min s", "max s", "tokens/s", "peak MiB");
    for (i, name) in ["full", "lora", "adalora", "apply_lora", "forward"].into_iter().enumerate() {
        let min = seconds[i].iter().copied().fold(f64::INFINITY, f64::min);
        let max = seconds[i].iter().copied().fold(0.0, f64::max);
        let tokens = shape.tokens() as f64 / medians[i];
        let peak =
            printed_by(&[PEAK_OF, shape.name, name, "--bench"]).map_or("not measured".into(), |mib| mib.to_string());
        println!("{name:<12}{:>12.4}{min:>12.4}{max:>12.4}{tokens:>12.0}{peak:>14}", medians[i]);
    }
    let told = |what: &str, ratio: f64, target: f64| {
        let verdict = if ratio <= target { "met" } else { "missed" };
        println!("{what}: {ratio:.2} (target: at most {target}, {verdict})");
    };
    told("lora / full", medians[1] / medians[0], TARGET);
    told("lora / apply_lora", medians[1] / medians[3], TARGET);
    told("adalora / lora", medians[2] / medians[1], ADALORA_TARGET);
}

fn print_peak(shape: &str, contender: &str) {
    let shape = shapes().into_iter().find(|s| s.name == shape).expect("the name of a shape");
    match Contender::named(contender) {
        Some(contender) => {
            let mut step = contender.start(&shape);
            (0..PEAK_STEPS).for_each(|_| _ = step());
        }
        None => _ = forward(&shape)(),
    }
    if let Some(mib) = own_peak_mib() {
        println!("{mib}");
    }
}

fn time_each(criterion: &mut Criterion, shape: &Shape, contenders: &[Contender]) {
    let mut group = criterion.benchmark_group(format!("step/{}", shape.name));
    group.sample_size(10).sampling_mode(SamplingMode::Flat).throughput(Throughput::Elements(shape.tokens() as u64));
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(5));
    for contender in contenders {
        let mut step = None; // made once, and only if it is not filtered out
        group.bench_function(contender.name(), |bencher| {
            bencher.iter(step.get_or_insert_with(|| contender.start(shape)));
        });
    }
    group.finish();
}
