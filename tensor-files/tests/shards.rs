//! Indexes of shards, folders of models, and what is written.

mod common;

use common::{floats, safetensors};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;
use tensor_files::{Checkpoint, Error, SaveDtype, Tensors, save, save_sharded, write_atomically};

fn one(name: &str, value: f32) -> Vec<u8> {
    let header = format!(r#"{{"{name}":{{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}}}"#);
    safetensors(&header, &floats(&[value]))
}

/// The error of an index beside the shards `1.bin` with a, `2.bin` with b, `3.bin` with a.
#[track_caller]
fn check(index: &str, expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    for (file, tensor) in [("1.bin", "a"), ("2.bin", "b"), ("3.bin", "a")] {
        std::fs::write(folder.path().join(file), one(tensor, 1.0)).unwrap();
    }
    let path = folder.path().join("model.safetensors.index.json");
    std::fs::write(&path, index).unwrap();
    let message = match Checkpoint::open(&path) {
        Ok(checkpoint) => checkpoint.names().join(" "),
        Err(error) => error.to_string().replace(&format!("{}/", folder.path().display()), ""),
    };
    assert_eq!(message, expected);
}

#[test]
fn indexes() {
    const INDEX: &str = "model.safetensors.index.json";
    check(r#"{"weight_map":{"a":"1.bin","b":"2.bin"}}"#, "a b");
    check(r#"{"metadata":{"total_size":8},"weight_map":{}}"#, "");
    check(
        r#"{"weight_map":{"a":"1.bin","c":"4.bin","d":"4.bin"}}"#,
        &format!("{INDEX}: expected 4.bin, which holds 2 of its tensors, c first, found none"),
    );
    check(r#"{"weight_map":{"a":"1.bin","c":"2.bin"}}"#, "2.bin: expected tensors that the file lacks: c");
    check(r#"{"weight_map":{"a":"1.bin","a":"3.bin"}}"#, &format!("{INDEX}: expected each name once, found a twice"));
    check(
        r#"{"weight_map":{"a":"1.bin","b":"2.bin","a ":"3.bin"}}"#,
        "3.bin: expected tensors that the file lacks: a ",
    );
    for out in ["../1.bin", "/etc/passwd", "x/1.bin", "..", ".", "", "x\\\\1.bin", "c:1.bin"] {
        let found = out.replace("\\\\", "\\");
        check(
            &format!(r#"{{"weight_map":{{"a":"{out}"}}}}"#),
            &format!("{INDEX}: tensor a: expected the name of a file in the same folder, found {found:?}"),
        );
    }
    check(
        &format!(r#"{{"weight_map":{{"a":"{INDEX}"}}}}"#),
        &format!("{INDEX}: expected a file of tensors, found another index"),
    );
    check(
        r#"{"a": 1}"#,
        &format!("{INDEX}: expected JSON with a weight_map, found missing field `weight_map` at line 1 column 8"),
    );
    check(
        r#"{"weight_map":"#,
        &format!("{INDEX}: expected JSON with a weight_map, found EOF while parsing a value at line 1 column 14"),
    );
}

#[test]
fn a_tensor_in_two_shards() {
    let folder = tempfile::tempdir().unwrap();
    let two = r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#;
    std::fs::write(folder.path().join("1"), one("a", 1.0)).unwrap();
    std::fs::write(folder.path().join("2"), safetensors(two, &[0; 8])).unwrap();
    let index = folder.path().join("index.json");
    std::fs::write(&index, r#"{"weight_map":{"a":"1","b":"2"}}"#).unwrap();
    let error = Checkpoint::open(&index).unwrap_err();
    let at = |name| folder.path().join(name).display().to_string();
    assert_eq!(error.to_string(), format!("{}: expected each name once, found a in {} too", at("2"), at("1")));
    assert!(matches!(error, Error::Duplicate { also_in: Some(_), .. }));
}

#[test]
fn folders() {
    let folder = tempfile::tempdir().unwrap();
    let error = Checkpoint::open_dir(folder.path()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "{}: expected one of model.safetensors, model.safetensors.index.json, pytorch_model.bin, \
             pytorch_model.bin.index.json or *.gguf, found none",
            folder.path().display()
        )
    );
    assert!(matches!(error, Error::MissingFile { .. }));
    // the later in the list, the less it counts
    let files =
        ["pytorch_model.bin.index.json", "pytorch_model.bin", "model.safetensors.index.json", "model.safetensors"];
    for file in files {
        std::fs::write(folder.path().join("shard"), one("in a shard", 1.0)).unwrap();
        let bytes = match file.ends_with("json") {
            true => r#"{"weight_map":{"in a shard":"shard"}}"#.into(),
            false => one(file, 1.0),
        };
        std::fs::write(folder.path().join(file), bytes).unwrap();
        let checkpoint = Checkpoint::open_dir(folder.path()).unwrap();
        assert_eq!(checkpoint.path(), folder.path().join(file));
    }
    assert!(matches!(Checkpoint::open_dir(folder.path().join("none")), Err(Error::Io { .. })));
}

fn entries(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

fn three() -> Tensors {
    let tensor = |n: usize| (vec![n], (0..n).map(|i| i as f32).collect());
    BTreeMap::from([("a".into(), tensor(3)), ("b".into(), tensor(2)), ("c".into(), tensor(4))])
}

#[test]
fn shards_as_transformers_names_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::write(path.join("config.json"), "{}").unwrap();
    std::fs::write(path.join("model-00001-of-00002.txt"), "mine").unwrap();
    save_sharded(path, &three(), SaveDtype::F32, 20).unwrap();
    let others = ["config.json", "model-00001-of-00002.txt"];
    let with = |files: &[&str]| {
        let mut all: Vec<_> = others.iter().chain(files).map(|f| f.to_string()).collect();
        all.sort();
        all
    };
    let shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
    assert_eq!(entries(path), with(&[shards[0], shards[1], "model.safetensors.index.json"]));
    let index = std::fs::read_to_string(path.join("model.safetensors.index.json")).unwrap();
    let expected = r#"{
  "metadata": {
    "total_size": 36
  },
  "weight_map": {
    "a": "model-00001-of-00002.safetensors",
    "b": "model-00001-of-00002.safetensors",
    "c": "model-00002-of-00002.safetensors"
  }
}
"#;
    assert_eq!(index, expected);
    assert_eq!(Checkpoint::open_dir(path).unwrap().read_f32("c").unwrap(), three()["c"].1);
    // a tensor larger than the limit has a file of its own; what an earlier save left is gone
    save_sharded(path, &three(), SaveDtype::F32, 1).unwrap();
    assert_eq!(Checkpoint::open_dir(path).unwrap().files().len(), 3);
    assert_eq!(entries(path).len(), 2 + 3 + 1);
    save_sharded(path, &three(), SaveDtype::F32, 1 << 30).unwrap();
    assert_eq!(entries(path), with(&["model.safetensors"]));
    save_sharded(path, &three(), SaveDtype::F16, 10).unwrap();
    assert_eq!(Checkpoint::open_dir(path).unwrap().path(), path.join("model.safetensors.index.json"));
    save_sharded(path, &Tensors::new(), SaveDtype::F32, 0).unwrap();
    assert!(Checkpoint::open_dir(path).unwrap().names().is_empty());
}

#[test]
fn what_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    let wrong = Tensors::from([("a".into(), (vec![2, 2], vec![0.0; 3]))]);
    let error = save(&path, &wrong, SaveDtype::F32).unwrap_err();
    assert_eq!(error.to_string(), format!("{}: a: expected a shape of 3 values, found shape [2, 2]", path.display()));
    assert!(matches!(Checkpoint::from_tensors("m", &wrong), Err(Error::Shape { .. })));
    let taken = Tensors::from([("__metadata__".into(), (vec![0], vec![]))]);
    assert!(matches!(save(&path, &taken, SaveDtype::F32), Err(Error::Format { .. })));
    assert!(entries(folder.path()).is_empty());
    assert!(matches!(write_atomically(&folder.path().join("no/file"), b""), Err(Error::Io { .. })));
    write_atomically(&path, b"one").unwrap();
    write_atomically(&path, b"two").unwrap();
    assert_eq!((entries(folder.path()).len(), std::fs::read(&path).unwrap()), (1, b"two".to_vec()));
}

/// The same bytes as the format's own writer.
#[test]
fn as_the_formats_own_writer() {
    use safetensors::tensor::{Dtype, TensorView};
    let tensors = three();
    let bytes: Vec<_> = tensors.values().map(|(_, values)| floats(values)).collect();
    let views: Vec<_> = tensors
        .iter()
        .zip(&bytes)
        .map(|((n, t), b)| (n, TensorView::new(Dtype::F32, t.0.clone(), b).unwrap()))
        .collect();
    let metadata = std::collections::HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let expected = safetensors::serialize(views, Some(metadata)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    save(&path, &tensors, SaveDtype::F32).unwrap();
    assert_eq!(std::fs::read(path).unwrap().escape_ascii().to_string(), expected.escape_ascii().to_string());
}

fn tensors() -> impl Strategy<Value = Tensors> {
    let tensor = prop::collection::vec(0_usize..5, 0..4).prop_flat_map(|shape| {
        let count = shape.iter().product::<usize>();
        (Just(shape), prop::collection::vec(prop::num::f32::NORMAL | prop::num::f32::ZERO, count))
    });
    prop::collection::btree_map("[a-z\"\\\\é.]{0,8}", tensor, 0..6)
}

proptest! {
    #[test]
    fn what_is_written_is_read(tensors in tensors(), limit in 0_u64..200) {
        let folder = tempfile::tempdir().unwrap();
        for dtype in [SaveDtype::F32, SaveDtype::F16, SaveDtype::BF16] {
            let rounded = |v: &f32| match dtype {
                SaveDtype::F32 => *v,
                SaveDtype::F16 => half::f16::from_f32(*v).to_f32(),
                SaveDtype::BF16 => half::bf16::from_f32(*v).to_f32(),
            };
            let path = folder.path().join("one");
            save(&path, &tensors, dtype).unwrap();
            save_sharded(folder.path(), &tensors, dtype, limit).unwrap();
            for read in [Checkpoint::open(&path).unwrap(), Checkpoint::open_dir(folder.path()).unwrap()] {
                prop_assert_eq!(read.names(), tensors.keys().cloned().collect::<Vec<_>>());
                for (name, (shape, values)) in &tensors {
                    prop_assert_eq!(read.shape(name), Some(&shape[..]));
                    prop_assert_eq!(read.read_f32(name).unwrap(), values.iter().map(rounded).collect::<Vec<_>>());
                }
            }
        }
        let memory = Checkpoint::from_tensors("memory", &tensors).unwrap();
        for (name, (_, values)) in &tensors {
            prop_assert_eq!(&memory.read_f32(name).unwrap(), values);
        }
    }
}

#[test]
fn a_checkpoint_is_read_from_many_threads() {
    let checkpoint = Checkpoint::from_tensors("memory", &three()).unwrap();
    std::thread::scope(|scope| {
        for name in ["a", "b", "c"] {
            let checkpoint = &checkpoint;
            scope.spawn(move || assert_eq!(checkpoint.read_f32(name).unwrap(), three()[name].1));
        }
    });
}
