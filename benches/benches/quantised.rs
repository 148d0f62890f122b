//! A base in 32, 8 and 4 bits: memory at rest, and seconds for a forward pass and for the gradient of a LoRA step.

use std::path::Path;
use std::time::Duration;

use benches::{Shape, is_smoke_test, own_resident_mib, printed_by};
use burn::tensor::Device;
use criterion::{Criterion, SamplingMode, Throughput};
use model_zoo::packed::Bits;
use model_zoo::quantised::{QuantiseConfig, Quantised};
use model_zoo::{Base, Pass, Purpose};
use peft_core::{Adapters, Plain};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `<program> --rest-of <folder> <bits> --bench` prints the memory that it holds once the model is read, in MiB, and ends.
const REST_OF: &str = "--rest-of";

const KINDS: [(&str, Option<Bits>); 3] = [("32", None), ("8", Some(Bits::Eight)), ("4", Some(Bits::Four))];

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if let [_, flag, folder, bits, ..] = &args[..]
        && flag == REST_OF
    {
        let kind = KINDS.iter().find(|(name, _)| name == bits).expect("32, 8 or 4 bits");
        let held = load(Path::new(folder), kind.1);
        if let Some(mib) = own_resident_mib() {
            println!("{mib}");
        }
        drop(held);
        return;
    }
    let shape = if is_smoke_test() { Shape::dnabert2_117m().tiny() } else { Shape::dnabert2_117m() };
    let folder = tempfile::tempdir().expect("a temporary folder");
    shape.save(folder.path()).expect("room for the weights");
    if !is_smoke_test() {
        memory(folder.path());
    }

    let mut criterion = Criterion::default().configure_from_args();
    let (batch, lora) = (shape.tokens_batch(), shape.lora());
    for (bits, kind) in KINDS {
        let (base, quantised) = load(folder.path(), kind);
        let mut group = criterion.benchmark_group(format!("{}/{bits} bits", shape.name));
        group.sample_size(10).sampling_mode(SamplingMode::Flat).throughput(Throughput::Elements(shape.tokens() as u64));
        group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(5));
        let hooks = quantised.hooks(&Plain);
        group.bench_function("forward", |bencher| {
            bencher.iter(|| base.forward(&batch, &mut Pass::new().with_hooks(&hooks)));
        });
        let device = Device::default().autodiff();
        let adapters = Adapters::attach(&base, &lora.selection(["classifier"]), &lora, 7, &device).expect("targets");
        let bound = adapters.bind(&base).expect("attached to this base");
        let hooks = quantised.hooks(&bound);
        group.bench_function("forward and backward with LoRA", |bencher| {
            bencher.iter(|| base.forward(&batch, &mut Pass::new().with_hooks(&hooks)).mean().backward());
        });
        group.finish();
    }
    criterion.final_summary();
}

/// What processes hold that did nothing but read the model.
fn memory(folder: &Path) {
    let tiny = tempfile::tempdir().expect("a temporary folder");
    Shape::dnabert2_117m().tiny().save(tiny.path()).expect("room for a few numbers");
    let rest = |folder: &Path, bits: &str| -> Option<u64> {
        printed_by(&[REST_OF, folder.to_str().expect("a plain path"), bits, "--bench"])
    };
    let own = |bits| Some(rest(folder, bits)? - rest(tiny.path(), bits)?);
    let Some(whole) = own("32") else { return };
    for (bits, _) in KINDS {
        if let Some(mib) = own(bits) {
            println!("{bits} bits: {mib} MiB at rest, {:.3} of f32", mib as f64 / whole as f64);
        }
    }
}

fn load(folder: &Path, bits: Option<Bits>) -> (Base, Quantised) {
    let device = Device::default();
    let (loaded, quantised) = match bits {
        None => (Base::from_pretrained(folder, Purpose::Encode, &device).expect("just written"), Quantised::default()),
        Some(bits) => Quantised::from_pretrained(folder, Purpose::Encode, &device, QuantiseConfig::new(bits))
            .expect("just written"),
    };
    (loaded.base, quantised)
}
