//! Checkpoints as torch and transformers wrote them, in each format the same numbers.

mod common;

use common::model;
use half::f16;
use tensor_files::{Access, Checkpoint, Dtype};

/// Every tensor of `safetensors` is in `bin` under the name that `rename` gives, with the same values (rounded to f16 first where
/// `half`); returns what `bin` has besides.
#[track_caller]
fn check_equal(bin: &Checkpoint, safetensors: &Checkpoint, half: bool, rename: impl Fn(&str) -> String) -> Vec<String> {
    let mut rest = bin.names();
    for name in safetensors.names() {
        let there = rename(&name);
        let at = rest.iter().position(|n| *n == there).unwrap_or_else(|| panic!("{there} is missing"));
        rest.remove(at);
        assert_eq!(bin.shape(&there), safetensors.shape(&name), "{name}");
        if bin.info(&there).unwrap().dtype == Dtype::I64 {
            assert_eq!(bin.read_i64(&there).unwrap(), safetensors.read_i64(&name).unwrap(), "{name}");
            continue;
        }
        let mut expected = safetensors.read_f32(&name).unwrap();
        if half {
            assert_eq!(bin.info(&there).unwrap().dtype, Dtype::F16);
            expected.iter_mut().for_each(|v| *v = f16::from_f32(*v).to_f32());
        }
        assert_eq!(bin.read_f32(&there).unwrap(), expected, "{name}");
        if let [rows, columns] = *bin.shape(&there).unwrap() {
            let transposed: Vec<f32> =
                (0..columns).flat_map(|c| (0..rows).map(move |r| r * columns + c)).map(|i| expected[i]).collect();
            assert_eq!(bin.read_f32_transposed(&there).unwrap(), transposed, "{name}");
            assert_eq!(safetensors.read_f32_transposed(&name).unwrap().len(), transposed.len());
        }
    }
    rest
}

fn same(name: &str) -> String {
    name.into()
}

#[test]
fn bert_in_both_pickles() {
    for access in [Access::Mapped, Access::Read] {
        let safetensors = Checkpoint::open_with(model("bert/model.safetensors"), access).unwrap();
        for file in ["bert/pytorch_model.bin", "bert/pytorch_model.legacy.bin"] {
            let bin = Checkpoint::open_with(model(file), access).unwrap();
            let rest = check_equal(&bin, &safetensors, false, same);
            assert!(!rest.is_empty(), "the tied decoder is in the pickle");
            for name in rest {
                assert!(name.starts_with("bert.pooler.") || name.starts_with("cls.predictions."), "{name}");
            }
            let (tied, words) = ("cls.predictions.decoder.weight", "bert.embeddings.word_embeddings.weight");
            assert!(bin.shares_storage(tied, words), "{file}");
            assert!(!bin.shares_storage(words, "bert.embeddings.position_embeddings.weight"), "{file}");
            assert_eq!(bin.read_f32(tied).unwrap(), bin.read_f32(words).unwrap());
        }
        assert!(!safetensors.shares_storage("bert.embeddings.word_embeddings.weight", "none of this name"));
    }
}

#[test]
fn dnabert2() {
    let bin = Checkpoint::open(model("dnabert2/pytorch_model.bin")).unwrap();
    let safetensors = Checkpoint::open(model("dnabert2/model.safetensors")).unwrap();
    check_equal(&bin, &safetensors, false, same);
}

#[test]
fn column_major_shards() {
    let bin = Checkpoint::open(model("nt_v1/pytorch_model.bin.index.json")).unwrap();
    let safetensors = Checkpoint::open(model("nt_v1/model.safetensors")).unwrap();
    let rest = check_equal(&bin, &safetensors, false, same);
    assert!(rest.iter().all(|name| name.starts_with("esm.contact_head.")), "{rest:?}");
    let ids = bin.read_i64("esm.embeddings.position_ids").unwrap();
    assert_eq!(ids, (0..ids.len() as i64).collect::<Vec<_>>());
    assert_eq!(
        bin.read_f32("esm.embeddings.position_ids").unwrap_err().to_string(),
        format!(
            "{}: esm.embeddings.position_ids: expected floating-point numbers, found I64",
            model("nt_v1/pytorch_model-00002-of-00002.bin").display()
        )
    );
    assert_eq!(bin.path(), model("nt_v1/pytorch_model.bin.index.json"));
    assert_eq!(bin.files(), [1, 2].map(|i| model(&format!("nt_v1/pytorch_model-0000{i}-of-00002.bin"))));
    let words = "esm.embeddings.word_embeddings.weight";
    assert_eq!(bin.source_file(words), Some(&*model("nt_v1/pytorch_model-00001-of-00002.bin")));
}

#[test]
fn half_precision() {
    let pre = Checkpoint::open(model("opt_pre/pytorch_model.bin")).unwrap();
    let rest = check_equal(&pre, &Checkpoint::open_dir(model("opt_pre")).unwrap(), true, same);
    assert_eq!(rest, ["lm_head.weight"]);
    let post = Checkpoint::open(model("opt_post/pytorch_model.bin")).unwrap();
    let bare = |name: &str| name.strip_prefix("model.").unwrap_or(name).to_owned();
    let rest = check_equal(&post, &Checkpoint::open_dir(model("opt_post")).unwrap(), true, bare);
    assert!(rest.is_empty() || rest == ["lm_head.weight"], "{rest:?}");
}

#[test]
fn a_folder_of_shards_is_one_checkpoint() {
    let shards = Checkpoint::open_dir(model("llama_mha")).unwrap();
    assert_eq!(shards.files().len(), 4);
    let mut from_files = Vec::new();
    for file in shards.files() {
        let shard = Checkpoint::open(file).unwrap();
        for name in shard.names() {
            assert_eq!(shards.read_f32(&name).unwrap(), shard.read_f32(&name).unwrap());
            assert_eq!(shards.source_file(&name), Some(&**file));
            from_files.push(name);
        }
    }
    from_files.sort();
    assert_eq!(shards.names(), from_files);
    assert_eq!(shards.metadata()["format"], "pt");
    // sha256sum model-*.safetensors | sha256sum
    assert_eq!(shards.sha256().unwrap(), "c5d48771b5888f84f590e4ba12b965aa82efb20648993a0a1a5460134c536217");
    // sha256sum model.safetensors
    assert_eq!(
        Checkpoint::open_dir(model("bert")).unwrap().sha256().unwrap(),
        "2af8d3c2934d84f875bb008930565904eea23a2f508c197114965ee16f376677"
    );
}

/// Tensors of the safetensors crate's own reader.
#[test]
fn the_formats_own_reader_agrees() {
    let path = model("nt_v2/expected.safetensors");
    let bytes = std::fs::read(&path).unwrap();
    let oracle = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let ours = Checkpoint::open(&path).unwrap();
    assert_eq!(ours.names().len(), oracle.len());
    for (name, view) in oracle.iter() {
        assert_eq!(ours.shape(name), Some(view.shape()));
        let bytes = match ours.info(name).unwrap().dtype {
            Dtype::F32 => common::floats(&ours.read_f32(name).unwrap()),
            Dtype::I64 => ours.read_i64(name).unwrap().iter().flat_map(|v| v.to_le_bytes()).collect(),
            other => panic!("{name}: {other}"),
        };
        assert_eq!(bytes, view.data(), "{name}");
    }
}
