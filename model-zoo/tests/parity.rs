//! The fixture checkpoints, run by the authors' own Python code: hidden states, logits, losses and gradients within 1e-4.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Gradients, Int, Tensor, TensorData};
use model_zoo::checkpoint::{Checkpoint, LoadRules, load};
use model_zoo::dnabert2::{Dnabert2, Dnabert2Config, Parts};
use model_zoo::heads::{Head, HeadConfig, HeadKind};
use model_zoo::nucleotide_transformer::{NucleotideTransformer, NucleotideTransformerConfig};
use model_zoo::{TokenBatch, named_params};
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
    let ids = int2(c, &format!("{prefix}input_ids"));
    let optional =
        |name: &str| c.shape(&format!("{prefix}{name}")).is_some().then(|| int2(c, &format!("{prefix}{name}")));
    let mask = optional("attention_mask").map(|m| m.float());
    let [rows, seq] = ids.dims();
    let lengths = match &mask {
        Some(m) => m
            .clone()
            .sum_dim(1)
            .into_data()
            .convert::<f32>()
            .try_into_vec::<f32>()
            .unwrap()
            .iter()
            .map(|n| *n as usize)
            .collect(),
        None => vec![seq; rows],
    };
    TokenBatch { ids, mask, type_ids: optional("token_type_ids"), lengths }
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

fn masked_lm_loss(logits: Tensor<3>, labels: Tensor<2, Int>) -> Tensor<1> {
    let [b, s, v] = logits.dims();
    let labels = labels.reshape([b * s]);
    let kept = labels.clone().not_equal_elem(-100).float();
    let picked =
        log_softmax(logits.reshape([b * s, v]), 1).gather(1, labels.clamp_min(0).unsqueeze_dim(1)).reshape([b * s]);
    (picked * kept.clone()).sum().neg() / kept.sum()
}

fn class_loss(logits: Tensor<2>, labels: Vec<i64>) -> Tensor<1> {
    let labels = Tensor::<1, Int>::from_data(TensorData::from(&labels[..]), &logits.device().inner());
    log_softmax(logits, 1).gather(1, labels.unsqueeze_dim(1)).mean().neg()
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

fn dnabert2(device: &Device, pooler: bool) -> Dnabert2 {
    let config = std::fs::read_to_string(fixture("dnabert2").join("config.json")).unwrap();
    let config: Dnabert2Config = serde_json::from_str(&config).unwrap();
    let model = config.init(Parts { mlm_head: true, pooler }, device);
    let rules = LoadRules { may_be_new: &["bert.pooler."], ..Default::default() };
    let weights = Checkpoint::open(fixture("dnabert2").join("model.safetensors")).unwrap();
    let (model, report) = load(model, &weights, rules).unwrap();
    assert_eq!(report.new.len(), if pooler { 2 } else { 0 });
    if !pooler {
        return model;
    }
    let head = Checkpoint::open(fixture("dnabert2").join("seqcls_head.safetensors")).unwrap();
    let rules = LoadRules { ignore: &["classifier"], may_be_new: &["bert.e", "cls."], ..Default::default() };
    load(model, &head, rules).unwrap().0
}

fn nt_v2(device: &Device) -> NucleotideTransformer {
    let config = std::fs::read_to_string(fixture("nt_v2").join("config.json")).unwrap();
    let config: NucleotideTransformerConfig = serde_json::from_str(&config).unwrap();
    assert_eq!(config.unsupported(), None);
    let rules = LoadRules { ignore: &["inv_freq", "contact_head", "position_embeddings"], ..Default::default() };
    let weights = Checkpoint::open(fixture("nt_v2").join("model.safetensors")).unwrap();
    load(config.init(true, device), &weights, rules).unwrap().0
}

fn head(arch: &str, kind: HeadKind, device: &Device) -> Head {
    let config = HeadConfig { kind, d_model: 48, num_labels: 3, dropout: 0.0, bins: 0, features: 0, own_pooler: false };
    let file = Checkpoint::open(fixture(arch).join("seqcls_head.safetensors")).unwrap();
    load(config.init(device), &file, LoadRules { ignore: &["pooler"], ..Default::default() }).unwrap().0
}

#[test]
fn dnabert2_outputs() {
    let c = expected("dnabert2");
    let device = Device::default();
    let model = dnabert2(&device, true);
    let b = batch(&c, "");
    let keep = kept(&b);
    let states = model.hidden_states(&b, &Plain);
    for (i, h) in states.iter().enumerate() {
        compare("dnabert2", h.clone(), &c, &format!("hidden_states.{i}"), Some(&keep));
    }
    let last = model.encode(&b, &Plain);
    compare("dnabert2", last.clone(), &c, "last_hidden_state", Some(&keep));
    compare("dnabert2", model.mlm_logits(last.clone()), &c, "logits", Some(&keep));
    let pooled = model.pool(last.clone(), &Plain);
    compare("dnabert2", pooled.clone().unwrap(), &c, "pooler_output", None);
    compare("dnabert2", head("dnabert2", HeadKind::Bert, &device).forward(last, &b, pooled), &c, "cls_logits", None);
    let single = batch(&c, "single.");
    compare("single", model.mlm_logits(model.encode(&single, &Plain)), &c, "single.logits", None);
    let bias = model_zoo::attention::alibi_bias(6, 13, 0, &device);
    compare("dnabert2", bias, &c, "alibi_bias", None);
}

#[test]
fn dnabert2_gradients() {
    let c = expected("dnabert2");
    let b = batch(&c, "");
    let device = Device::default();
    let model = dnabert2(&device, false).train().set_require_grad(true);
    let loss = masked_lm_loss(model.mlm_logits(model.encode(&b, &Plain)), int2(&c, "labels"));
    compare("loss", loss.clone(), &c, "loss", None);
    let found = gradients(&model, &loss.backward());
    compare_gradients(&c, "grad.lm.", &found);
    let wanted = c.read_f32("grad_norm.lm").unwrap()[0];
    assert!((norm(&found) - wanted).abs() < TOLERANCE * wanted, "{} {wanted}", norm(&found));

    let model = dnabert2(&device, true).train().set_require_grad(true);
    let head = head("dnabert2", HeadKind::Bert, &device).train().set_require_grad(true);
    let h = model.encode(&b, &Plain);
    let logits = head.forward(h.clone(), &b, model.pool(h, &Plain));
    let loss = class_loss(logits, c.read_i64("cls_labels").unwrap());
    compare("loss", loss.clone(), &c, "cls_loss", None);
    let grads = loss.backward();
    let mut found = gradients(&model, &grads);
    found.extend(gradients(&head, &grads));
    compare_gradients(&c, "grad.cls.", &found);
}

#[test]
fn nucleotide_transformer_outputs() {
    let c = expected("nt_v2");
    let device = Device::default();
    let model = nt_v2(&device);
    let b = batch(&c, "");
    let keep = kept(&b);
    for (i, h) in model.hidden_states(&b, &Plain).into_iter().enumerate() {
        compare("nt_v2", h, &c, &format!("hidden_states.{i}"), Some(&keep));
    }
    let last = model.encode(&b, &Plain);
    compare("nt_v2", model.mlm_logits(last.clone()), &c, "logits", Some(&keep));
    compare("nt_v2", head("nt_v2", HeadKind::Esm, &device).forward(last, &b, None), &c, "cls_logits", None);
    let single = batch(&c, "single.");
    compare("single", model.mlm_logits(model.encode(&single, &Plain)), &c, "single.logits", None);
}

#[test]
fn nucleotide_transformer_gradients() {
    let c = expected("nt_v2");
    let b = batch(&c, "");
    let device = Device::default();
    let model = nt_v2(&device).train().set_require_grad(true);
    let loss = masked_lm_loss(model.mlm_logits(model.encode(&b, &Plain)), int2(&c, "labels"));
    compare("loss", loss.clone(), &c, "loss", None);
    let found = gradients(&model, &loss.backward());
    compare_gradients(&c, "grad.lm.", &found);
    let wanted = c.read_f32("grad_norm.lm").unwrap()[0];
    assert!((norm(&found) - wanted).abs() < TOLERANCE * wanted);

    let head = head("nt_v2", HeadKind::Esm, &device).train().set_require_grad(true);
    let loss = class_loss(head.forward(model.encode(&b, &Plain), &b, None), c.read_i64("cls_labels").unwrap());
    compare("loss", loss.clone(), &c, "cls_loss", None);
    let grads = loss.backward();
    let mut found = gradients(&model, &grads);
    found.extend(gradients(&head, &grads));
    compare_gradients(&c, "grad.cls.", &found);
}
