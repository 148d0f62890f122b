use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::*;
use burn::tensor::activation::log_softmax;
use model_zoo::*;
use model_zoo::nucleotide_transformer::*;
#[global_allocator]
static A: mimalloc::MiMalloc = mimalloc::MiMalloc;
fn main() {
    let a: Vec<usize> = std::env::args().skip(1).map(|x| x.parse().unwrap()).collect();
    let (d, l, heads, ff, b, s) = (a[0], a[1], a[2], a[3], a[4], a[5]);
    let c = NucleotideTransformerConfig { vocab_size: 10, hidden_size: d, num_hidden_layers: l, num_attention_heads: heads, intermediate_size: ff, max_position_embeddings: 512, layer_norm_eps: 1e-12, pad_token_id: 0, initializer_range: 0.02, position_embedding_type: "rotary".into(), token_dropout: false, add_bias_fnn: false, emb_layer_norm_before: false };
    let dev = Device::default().autodiff();
    let mut m = seed::initialise(c.init(true, &dev), 1, 0.02);
    println!("params {}", m.num_params());
    let mut o = AdamWConfig::new().init();
    let rows: Vec<Vec<u32>> = (0..b).map(|i| (0..s).map(|j| (5 + (i * 7 + j * j) % 4) as u32).collect()).collect();
    let batch = TokenBatch::from_rows(&rows, 0, &Device::default());
    for i in 0..6 {
        let t = std::time::Instant::now();
        let h = m.encode(&batch, &peft_core::Plain);
        let logits = m.mlm_logits(h).reshape([b * s, 10]);
        let loss = log_softmax(logits, 1).gather(1, batch.ids.clone().reshape([b * s, 1])).mean().neg();
        let f = t.elapsed();
        let g = loss.backward();
        let bw = t.elapsed();
        let g = GradientsParams::from_grads(g, &m);
        m = o.step(1e-3, m, g);
        let e = t.elapsed();
        println!("{i} fwd {:?} bwd {:?} opt {:?} tok/s {:.0} loss {}", f, bw - f, e - bw, (b * s) as f64 / e.as_secs_f64(), loss.into_scalar::<f32>());
    }
}
