//! Seconds and memory for reading a model folder.

use std::path::Path;
use std::time::{Duration, Instant};

use benches::{Shape, is_smoke_test, own_peak_mib, printed_by};
use burn::tensor::Device;
use criterion::{Criterion, SamplingMode, Throughput};
use model_zoo::{Base, Purpose};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `<program> --peak-of <folder> --bench` prints the peak memory of reading it in MiB and ends.
const PEAK_OF: &str = "--peak-of";
/// `<program> --load <folder> --bench` prints the seconds and the peak memory of reading it in MiB and ends: the way for another
/// program, such as `compare/compare.py`, to take turns with it.
const LOAD: &str = "--load";

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if let [_, flag, folder, ..] = &args[..]
        && [PEAK_OF, LOAD].contains(&flag.as_str())
    {
        let start = Instant::now();
        let base = load(Path::new(folder));
        let seconds = start.elapsed().as_secs_f64();
        if let Some(mib) = own_peak_mib() {
            if flag == LOAD {
                print!("{seconds} ");
            }
            println!("{mib}");
        }
        drop(base); // held while the peak was read
        return;
    }
    let shapes = [Shape::dnabert2_117m(), Shape::smollm2_135m()];
    let shapes = if is_smoke_test() { shapes.map(Shape::tiny) } else { shapes };
    let mut criterion = Criterion::default().configure_from_args();
    for shape in shapes {
        let folder = tempfile::tempdir().expect("a temporary folder");
        shape.save(folder.path()).expect("room for the weights");
        let bytes = folder.path().join("model.safetensors").metadata().expect("just written").len();
        assert_eq!(load(folder.path()).config(), shape.base);

        if !is_smoke_test() {
            let path = folder.path().to_str().expect("a plain path");
            let (weights, empty) = (bytes as f64 / 1024.0 / 1024.0, own_peak_of_nothing());
            if let (Some(peak), Some(empty)) = (printed_by(&[PEAK_OF, path, "--bench"]), empty) {
                let ratio = (peak - empty) as f64 / weights;
                println!(
                    "{}: weights {weights:.0} MiB, peak {peak} MiB, of which {empty} before: {ratio:.2} times the weights",
                    shape.name
                );
            }
        }
        let mut group = criterion.benchmark_group("load");
        group.sample_size(10).sampling_mode(SamplingMode::Flat).throughput(Throughput::Bytes(bytes));
        group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(5));
        group.bench_function(shape.name, |bencher| bencher.iter(|| load(folder.path())));
        group.finish();
    }
    criterion.final_summary();
}

fn load(folder: &Path) -> Base {
    Base::from_pretrained(folder, Purpose::Encode, &Device::default()).expect("a folder that was just written").base
}

/// What a process of this program holds that reads a model of a few numbers.
fn own_peak_of_nothing() -> Option<u64> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    Shape::dnabert2_117m().tiny().save(folder.path()).expect("room for a few numbers");
    printed_by(&[PEAK_OF, folder.path().to_str().expect("a plain path"), "--bench"])
}
