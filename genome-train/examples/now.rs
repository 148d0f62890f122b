use burn::tensor::Device;
use genome_train::pretrain::*;
use genome_train::step_loop::*;
use std::sync::Arc;
#[global_allocator]
static A: mimalloc::MiMalloc = mimalloc::MiMalloc;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let n = |i: usize| a[i].parse::<usize>().unwrap();
    let out = std::path::PathBuf::from(&a[1]);
    std::fs::create_dir_all(&out).unwrap();
    let steps = n(2);
    let c = PretrainConfig {
        batch_tokens: 4096, window_bp: vec![64, 128, 128, 256, 512], mask_share: 0.15, length_power: 0.75, held_out_share: 0.02, held_out_windows: 256, seed: 1,
        optimizer: LoopConfig { steps, eval_every: n(3), learning_rate: a[4].parse().unwrap(), warmup_steps: steps / 20, weight_decay: 0.01, beta_2: 0.98, clip_norm: 1.0, patience: 0, select: Select::Loss },
    };
    let (d, l, h, f) = (n(5), n(6), n(7), n(8));
    let mut records = vec![];
    for p in &a[9..] {
        for r in genome_formats::FastaReader::from_input(genome_formats::Input::open(p).unwrap()) { records.push(r.unwrap()); }
    }
    let corpus = Arc::new(Corpus::new(records, &c).unwrap());
    println!("bases {}", corpus.train_bases());
    let json = serde_json::json!({"model_type":"esm","vocab_size":10,"hidden_size":d,"num_hidden_layers":l,"num_attention_heads":h,"intermediate_size":f,"max_position_embeddings":1026,"pad_token_id":0,"position_embedding_type":"rotary","add_bias_fnn":false});
    let config = model_zoo::BaseConfig::parse("x".as_ref(), &json.to_string()).unwrap();
    let dev = Device::default().autodiff();
    let base = model_zoo::seed::initialise(config.init(true, false, &dev), 1, 0.02);
    let tok: Arc<dyn genome_tokenize::Tokenizer> = Arc::new(genome_tokenize::LetterTokenizer::new());
    let t = std::time::Instant::now();
    let done = pretrain(base, corpus.clone(), tok.clone(), &c, &dev, Box::new(genome_train::render::Silent), Default::default(), Box::new(move |r| println!("{:.0}s {}", t.elapsed().as_secs_f64(), serde_json::to_string(r).unwrap())), Box::new(|_| Ok(()))).unwrap();
    done.model.save(&out, model_zoo::checkpoint::SaveDtype::F16).unwrap();
    println!("{:?}", held_out(&done.model, corpus, tok, &c, 1024, &Device::default()).unwrap());
}
