use burn::tensor::Device;
use genome_train::{examples::*, finetune::*, foundation::*};
use std::sync::Arc;
#[global_allocator]
static A: mimalloc::MiMalloc = mimalloc::MiMalloc;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let dev = Device::default();
    let mut f = Foundation::from_dir(a[1].as_ref(), model_zoo::Purpose::Encode, &dev).unwrap();
    let d = genome_formats::DatasetDir::open(&a[2]).unwrap();
    let cfg: FinetuneConfig = serde_json::from_str(&a[3]).unwrap();
    let lora: peft_lora::LoraConfig = serde_json::from_str(&a[4]).unwrap();
    if a.get(5).is_some() { let c = f.base.config(); f.base = Arc::new(model_zoo::seed::initialise(c.init(false, false, &dev), 3, 0.02)); }
    let labels = d.labels().clone();
    let task = cfg.task(&f, &labels).unwrap();
    let data = Data::new(d.train(), d.dev(), &labels, &f, &task).unwrap();
    let t = std::time::Instant::now();
    let out = finetune(&f, &data, &task, &lora, &lora.selection(["classifier"]), &cfg, &dev, Box::new(genome_train::render::Silent), Default::default(), Box::new(move |r| eprintln!("{:.0}s {}", t.elapsed().as_secs_f64(), serde_json::to_string(r).unwrap())), Box::new(|_| Ok(()))).unwrap();
    let test = Examples::new(&d.read_test().unwrap(), &labels, &*f.tokenizer, task.max_tokens).unwrap();
    let (s, c) = score(&out.classifier, &test, &task, &f, &dev);
    println!("{} {} best {} count {:?} {:.0}s test {:?} {:?}", a[2], a[3], out.best_step, out.classifier.count(), t.elapsed().as_secs_f64(), s, c);
}
