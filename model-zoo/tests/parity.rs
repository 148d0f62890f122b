//! The fixture checkpoints, run by the authors' own Python code: hidden states, logits, losses and gradients within 1e-4.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Int, Tensor, TensorData};
use model_zoo::attention::rope_frequencies;
use model_zoo::checkpoint::{Checkpoint, LoadRules, Tensors, load};
use model_zoo::heads::{Head, HeadConfig, cross_entropy, next_token_loss};
use model_zoo::{Base, BaseConfig, Pass, Purpose, Side, TokenBatch, Trace, named_params};
use peft_core::Plain;
use std::collections::HashMap;
use std::path::PathBuf;

const TOLERANCE: f32 = 1e-4;

fn fixture(name: &str) -> PathBuf {
    let root = std::env::var_os("GENOME_FIXTURES")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata")), PathBuf::from);
    root.join("models").join(name)
}

fn expected(name: &str) -> Checkpoint {
    Checkpoint::open(fixture(name).join("expected.safetensors")).unwrap()
}

fn int2(c: &Checkpoint, name: &str) -> Tensor<2, Int> {
    let shape: [usize; 2] = c.shape(name).unwrap().try_into().unwrap();
    Tensor::from_data(TensorData::new(c.read_i64(name).unwrap(), shape), &Device::default())
}

fn batch(c: &Checkpoint, prefix: &str) -> TokenBatch {
    let of = |name: &str| format!("{prefix}{name}");
    let ids = c.read_i64(&of("input_ids")).unwrap();
    let seq = c.shape(&of("input_ids")).unwrap()[1];
    let mask = c.shape(&of("attention_mask")).map(|_| c.read_i64(&of("attention_mask")).unwrap());
    let mask = mask.unwrap_or_else(|| vec![1; ids.len()]);
    let batch = TokenBatch::from_mask(&ids, &mask, seq, &Device::default()).unwrap();
    match c.shape(&of("token_type_ids")) {
        Some(_) => batch.with_type_ids(int2(c, &of("token_type_ids"))),
        None => batch,
    }
}

/// Largest difference where `rows` (one flag per leading index pair) says so.
fn compare<const D: usize>(what: &str, found: Tensor<D>, c: &Checkpoint, name: &str, keep: Option<&[bool]>) {
    assert_eq!(&found.dims()[..], c.shape(name).unwrap(), "{what}: shape of {name}");
    let width = found.dims()[D - 1];
    let found = found.into_data().convert::<f32>().try_into_vec::<f32>().unwrap();
    let wanted = c.read_f32(name).unwrap();
    for (i, (f, w)) in found.iter().zip(&wanted).enumerate() {
        if keep.is_none_or(|k| k[i / width]) {
            assert!((f - w).abs() <= TOLERANCE, "{what}: {name}[{i}]: expected {w}, found {f}");
        }
    }
}

/// Gradients of a module's parameters under their published names and in the published layout.
fn gradients<M: Module>(module: &M, grads: &Gradients) -> HashMap<String, (Vec<usize>, Vec<f32>)> {
    struct Collect<'a> {
        grads: &'a Gradients,
        info: HashMap<burn::module::ParamId, model_zoo::NamedParam>,
        out: HashMap<String, (Vec<usize>, Vec<f32>)>,
    }
    impl ModuleVisitor for Collect<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let info = &self.info[&param.id];
            let Some(grad) = param.val().grad(self.grads) else { return };
            let grad = if info.transposed { grad.swap_dims(D - 2, D - 1) } else { grad };
            let data = grad.into_data().convert::<f32>();
            self.out.insert(info.name.clone(), (data.shape().to_vec(), data.try_into_vec().unwrap()));
        }
    }
    let info = named_params(module).into_iter().map(|p| (p.id, p)).collect();
    let mut collect = Collect { grads, info, out: HashMap::new() };
    module.visit(&mut collect);
    collect.out
}

fn compare_gradients(c: &Checkpoint, prefix: &str, found: &HashMap<String, (Vec<usize>, Vec<f32>)>) {
    let names: Vec<_> = c.names().into_iter().filter(|n| n.starts_with(prefix)).collect();
    assert!(!names.is_empty());
    for name in names {
        let (shape, values) = &found[&name[prefix.len()..]];
        assert_eq!(shape, c.shape(&name).unwrap(), "{name}");
        for (i, (f, w)) in values.iter().zip(c.read_f32(&name).unwrap()).enumerate() {
            assert!((f - w).abs() <= TOLERANCE, "{name}[{i}]: expected {w}, found {f}");
        }
    }
}

fn norm(found: &HashMap<String, (Vec<usize>, Vec<f32>)>) -> f32 {
    found.values().flat_map(|(_, v)| v).map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt() as f32
}

fn kept(batch: &TokenBatch) -> Vec<bool> {
    batch.mask_or_ones().into_data().convert::<f32>().try_into_vec::<f32>().unwrap().iter().map(|m| *m == 1.0).collect()
}

/// The fixture's weights with the pooler that its classifier was run with, where it has one.
fn weights(arch: &str) -> Checkpoint {
    let dir = fixture(arch);
    let mut tensors = Tensors::new();
    let mut add = |file: &Checkpoint, wanted: &dyn Fn(&str) -> bool| {
        for name in file.names().iter().filter(|n| wanted(n)) {
            let shape = file.shape(name).unwrap().to_vec();
            if let Ok(values) = file.read_f32(name) {
                tensors.insert(name.clone(), (shape, values));
            }
        }
    };
    let mut files: Vec<_> = std::fs::read_dir(&dir).unwrap().map(|f| f.unwrap().path()).collect();
    files.retain(|f| {
        let name = f.file_name().unwrap().to_str().unwrap();
        name.starts_with("model") && name.ends_with(".safetensors")
    });
    for file in files {
        add(&Checkpoint::open(file).unwrap(), &|_| true);
    }
    add(&Checkpoint::open(dir.join("seqcls_head.safetensors")).unwrap(), &|n| n.starts_with("bert.pooler"));
    Checkpoint::from_tensors(dir.join("model.safetensors"), &tensors).unwrap()
}

fn model(arch: &str, device: &Device) -> Base {
    let path = fixture(arch).join("config.json");
    let config = BaseConfig::parse(&path, &std::fs::read_to_string(&path).unwrap()).unwrap();
    Base::from_checkpoint(&config, &weights(arch), Purpose::LanguageModel, device).unwrap().base
}

fn head(arch: &str, base: &Base, device: &Device) -> Head {
    let config = HeadConfig {
        kind: base.original_head(),
        d_model: base.d_model(),
        num_labels: 3,
        dropout: 0.0,
        bins: 0,
        features: 0,
        own_pooler: false,
    };
    let file = Checkpoint::open(fixture(arch).join("seqcls_head.safetensors")).unwrap();
    load(config.init(device), &file, LoadRules { ignore: &["pooler"], ..Default::default() }).unwrap().0
}

const ARCHITECTURES: [&str; 8] =
    ["bert", "dnabert2", "nt_v1", "nt_v2", "opt_pre", "opt_post", "llama_mha", "llama_gqa"];

fn lm_loss(base: &Base, logits: Tensor<3>, labels: Tensor<2, Int>) -> Tensor<1> {
    if base.is_causal() {
        return next_token_loss(logits, labels);
    }
    let [b, s, v] = logits.dims();
    cross_entropy(logits.reshape([b * s, v]), labels.reshape([b * s]))
}

fn cls_logits(base: &Base, head: &Head, b: &TokenBatch) -> Tensor<2> {
    let h = base.encode(b, &Plain);
    let pooled = base.pool(&h, b, &Plain);
    head.forward(h, b, pooled)
}

#[test]
fn outputs() {
    let device = Device::default();
    for arch in ARCHITECTURES {
        let (c, base) = (expected(arch), model(arch, &device));
        let head = head(arch, &base, &device);
        let has = |name: &str| c.shape(name).is_some();
        let b = batch(&c, "");
        let keep = kept(&b);
        let mut trace = Trace::attentions();
        let last = base.forward(&b, &mut Pass::new().with_trace(&mut trace));
        assert_eq!(trace.hidden_states.len(), base.config().blocks() + 1, "{arch}");
        for (i, h) in trace.hidden_states.into_iter().enumerate() {
            compare(arch, h, &c, &format!("hidden_states.{i}"), Some(&keep));
        }
        assert_eq!(trace.attentions.len(), base.config().blocks(), "{arch}");
        for (i, p) in trace.attentions.into_iter().enumerate().filter(|(i, _)| has(&format!("attentions.{i}"))) {
            let [rows, heads, seq, _] = p.dims();
            let rows_kept: Vec<bool> =
                (0..rows * heads * seq).map(|at| keep[at / (heads * seq) * seq + at % seq]).collect();
            compare(arch, p, &c, &format!("attentions.{i}"), Some(&rows_kept));
        }
        compare(arch, last.clone(), &c, "last_hidden_state", Some(&keep));
        compare(arch, base.lm_logits(last.clone(), &Plain), &c, "logits", Some(&keep));
        if let Some(pooled) = base.pool(&last, &b, &Plain) {
            compare(arch, pooled, &c, "pooler_output", None);
        }
        compare(arch, cls_logits(&base, &head, &b), &c, "cls_logits", None);
        let single = batch(&c, "single.");
        compare(arch, base.lm_logits(base.encode(&single, &Plain), &Plain), &c, "single.logits", None);
        compare(arch, cls_logits(&base, &head, &single), &c, "single.cls_logits", None);
        assert_eq!(has("left.logits"), base.is_causal(), "{arch}");
        if base.is_causal() {
            let left = batch(&c, "left.");
            assert_eq!(left.side, Side::Left);
            let (h, keep) = (base.encode(&left, &Plain), kept(&left));
            compare(arch, h.clone(), &c, "left.last_hidden_state", Some(&keep));
            compare(arch, base.lm_logits(h, &Plain), &c, "left.logits", Some(&keep));
            compare(arch, cls_logits(&base, &head, &left), &c, "left.cls_logits", None);
            cached(arch, &base, &c);
        }
    }
}

/// Four tokens and then one by one through the cache.
fn cached(arch: &str, base: &Base, c: &Checkpoint) {
    let ids = c.read_i64("single.input_ids").unwrap();
    let mut cache = base.cache(ids.len());
    let mut logits = Vec::new();
    for piece in std::iter::once(&ids[..4]).chain(ids[4..].chunks(1)) {
        let ids = Tensor::from_data(TensorData::new(piece.to_vec(), [1, piece.len()]), &Device::default());
        let batch = TokenBatch::new(ids, vec![piece.len()], Side::Left);
        logits.push(base.lm_logits(base.forward(&batch, &mut Pass::new().with_cache(&mut cache)), &Plain));
    }
    compare(arch, Tensor::cat(logits, 1), c, "cached.logits", None);
}

#[test]
fn alibi_and_rotary_tables() {
    let device = Device::default();
    let c = expected("dnabert2");
    let bias = model_zoo::attention::alibi_bias(6, 13, &device);
    compare("dnabert2", bias, &c, "alibi_bias", None);
    for arch in ["llama_mha", "llama_gqa"] {
        let Base::Llama(model) = model(arch, &device) else { panic!("{arch} is a LLaMA") };
        let (c, config) = (expected(arch), model.config().clone());
        let (cos, sin) = config.rotary(0, 13, 13, &device).tables();
        compare(arch, cos, &c, "rope.cos", None);
        compare(arch, sin, &c, "rope.sin", None);
        let found = rope_frequencies(config.head_dim, config.rope_theta, &config.rope_scaling, 13);
        for (f, w) in found.iter().zip(c.read_f32("rope.inv_freq").unwrap()) {
            assert!((*f as f32 - w).abs() < 1e-6 * w.abs(), "{arch}: {f} {w}");
        }
    }
}

#[test]
fn gradients_of_both_losses() {
    let device = Device::default();
    for arch in ARCHITECTURES {
        let (c, base) = (expected(arch), model(arch, &device).train().set_require_grad(true));
        let b = batch(&c, "");
        let logits = base.lm_logits(base.encode(&b, &Plain), &Plain);
        let loss = lm_loss(&base, logits, int2(&c, "labels"));
        compare(arch, loss.clone(), &c, "loss", None);
        let found = gradients(&base, &loss.backward());
        compare_gradients(&c, "grad.lm.", &found);
        let wanted = c.read_f32("grad_norm.lm").unwrap()[0];
        assert!((norm(&found) - wanted).abs() < TOLERANCE * wanted, "{arch}: {} {wanted}", norm(&found));

        let head = head(arch, &base, &device).train().set_require_grad(true);
        let labels = c.read_i64("cls_labels").unwrap();
        let labels = Tensor::<1, Int>::from_data(TensorData::from(&labels[..]), &device);
        let loss = cross_entropy(cls_logits(&base, &head, &b), labels);
        compare(arch, loss.clone(), &c, "cls_loss", None);
        let grads = loss.backward();
        let mut found = gradients(&base, &grads);
        found.extend(gradients(&head, &grads));
        compare_gradients(&c, "grad.cls.", &found);
    }
}
