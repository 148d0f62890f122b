//! llama2.c's files through the public API.

#[path = "common/shared.rs"]
mod shared;

use proptest::prelude::*;
use shared::shared;
use tensor_files::llama2c::Llama2cFile;
use tensor_files::{Access, Checkpoint, Error};

/// dim 8, hidden 3, 2 layers, 2 heads of 4, 1 of keys and values, 5 tokens, 6 positions; the values count up.
const NUMBERS: [i32; 7] = [8, 3, 2, 2, 1, 5, 6];

fn header(numbers: [i32; 7]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// How many values each tensor has, in the order of version 0, without the classifier.
const SIZES: [usize; 13] = [5 * 8, 16, 128, 64, 64, 128, 16, 48, 48, 48, 8, 12, 12];

fn values(count: usize) -> Vec<u8> {
    (0..count).flat_map(|i| (i as f32).to_le_bytes()).collect()
}

fn version_0(shared: bool) -> Vec<u8> {
    let mut numbers = NUMBERS;
    numbers[5] = if shared { 5 } else { -5 };
    let count = SIZES.iter().sum::<usize>() + if shared { 0 } else { 40 };
    [header(numbers), values(count)].concat()
}

fn version_1(shared: u8) -> Vec<u8> {
    let mut file = [&b"24ka\x01\0\0\0"[..], &header(NUMBERS), &[shared]].concat();
    file.resize(256, 0);
    let count = SIZES[..11].iter().sum::<usize>() + if shared == 1 { 0 } else { 40 };
    file.extend(values(count));
    file
}

fn open(bytes: Vec<u8>) -> tensor_files::Result<Llama2cFile> {
    Llama2cFile::from_bytes("m.bin", bytes)
}

/// The tensors that run.c reads from stories260K.bin are those of the `hf` folder, to the bit.
#[test]
fn stories260k_equals_its_hf_folder() {
    let Some(folder) = shared("stories260k_equals_its_hf_folder", "data/weights/stories260K") else { return };
    let hf = Checkpoint::open_dir(folder.join("hf")).unwrap();
    for access in [Access::Mapped, Access::Read] {
        let file = Llama2cFile::open_with(folder.join("stories260K.bin"), access).unwrap();
        assert_eq!(file.version(), 0);
        let config: serde_json::Value =
            serde_json::from_slice(&std::fs::read(folder.join("hf/config.json")).unwrap()).unwrap();
        for (key, value) in config.as_object().unwrap() {
            assert_eq!(file.llama_config()[key], *value, "{key}");
        }
        let checkpoint = Checkpoint::from(file);
        assert_eq!(checkpoint.names(), hf.names());
        for name in hf.names() {
            assert_eq!(checkpoint.shape(&name), hf.shape(&name), "{name}");
            let (read, expected) = (checkpoint.read_f32(&name).unwrap(), hf.read_f32(&name).unwrap());
            assert!(read.iter().map(|v| v.to_bits()).eq(expected.iter().map(|v| v.to_bits())), "{name}");
        }
    }
}

#[test]
fn each_tensor_is_where_run_c_finds_it() {
    let first = |file: &Llama2cFile, name: &str| file.read_f32(name).unwrap()[0] as usize;
    let block = |n: usize, name: &str| format!("model.layers.{n}.{name}.weight");
    // Offsets in values, by hand from `memory_map_weights` of run.c.
    let file = open(version_0(false)).unwrap();
    assert_eq!(first(&file, "model.embed_tokens.weight"), 0);
    assert_eq!(first(&file, &block(1, "input_layernorm")), 48);
    assert_eq!(first(&file, &block(1, "self_attn.q_proj")), 56 + 64);
    assert_eq!(first(&file, &block(1, "self_attn.k_proj")), 184 + 32);
    assert_eq!(first(&file, &block(1, "self_attn.v_proj")), 248 + 32);
    assert_eq!(first(&file, &block(1, "self_attn.o_proj")), 312 + 64);
    assert_eq!(first(&file, &block(1, "post_attention_layernorm")), 440 + 8);
    assert_eq!(first(&file, &block(1, "mlp.gate_proj")), 456 + 24);
    assert_eq!(first(&file, &block(1, "mlp.down_proj")), 504 + 24);
    assert_eq!(first(&file, &block(1, "mlp.up_proj")), 552 + 24);
    assert_eq!(first(&file, "model.norm.weight"), 600);
    assert_eq!(first(&file, "lm_head.weight"), 608 + 24);
    assert_eq!(file.llama_config()["tie_word_embeddings"], false);
    assert_eq!(file.tensors()[&block(0, "mlp.down_proj")].shape, [8, 3]);
    assert_eq!(file.tensors().len(), 2 + 2 * 9 + 1);
    // Rows of each head of 4: 0 2 1 3.
    let rows: Vec<usize> =
        file.read_f32(&block(0, "self_attn.q_proj")).unwrap().chunks(8).map(|row| row[0] as usize).collect();
    assert_eq!(rows, [0, 2, 1, 3, 4, 6, 5, 7].map(|row| 56 + 8 * row));
    assert_eq!(open(version_0(true)).unwrap().llama_config()["tie_word_embeddings"], true);
    assert!(matches!(file.read_f32("x"), Err(Error::MissingTensors { .. })));

    // `version1_export` of export.py: the norms first.
    let file = open(version_1(0)).unwrap();
    assert_eq!(file.version(), 1);
    assert_eq!(first(&file, &block(1, "input_layernorm")), 8);
    assert_eq!(first(&file, &block(1, "post_attention_layernorm")), 16 + 8);
    assert_eq!(first(&file, "model.norm.weight"), 32);
    assert_eq!(first(&file, "model.embed_tokens.weight"), 40);
    assert_eq!(first(&file, &block(0, "self_attn.q_proj")), 80);
    assert_eq!(first(&file, &block(0, "mlp.gate_proj")), 464);
    assert_eq!(first(&file, "lm_head.weight"), 608);
    assert!(!open(version_1(1)).unwrap().tensors().contains_key("lm_head.weight"));
}

#[test]
fn version_1_opens_as_a_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.bin");
    std::fs::write(&path, version_1(1)).unwrap();
    let checkpoint = Checkpoint::open(&path).unwrap();
    assert_eq!(checkpoint.read_f32("model.norm.weight").unwrap()[0], 32.0);
    assert!(checkpoint.read_i64("model.norm.weight").unwrap_err().to_string().contains("found F32"));
}

#[test]
fn headers_that_lie_are_told_with_the_byte() {
    let check = |bytes: Vec<u8>, expected: &str| {
        let error = open(bytes).unwrap_err().to_string();
        assert!(error.starts_with(&format!("m.bin: {expected}")), "{error}");
    };
    let with = |at: usize, number: i32| {
        let mut file = version_0(true);
        file[4 * at..4 * at + 4].copy_from_slice(&number.to_le_bytes());
        file
    };
    check(vec![0; 27], "byte 0: expected 28 bytes, found 27 (truncated)");
    check(with(0, 0), "byte 0: expected a positive dim, found 0");
    check(with(2, -1), "byte 8: expected a positive n_layers, found -1");
    check(with(5, 0), "byte 20: expected a positive vocab_size, found 0");
    check(with(5, i32::MIN), "byte 20: expected a positive vocab_size, found -2147483648");
    check(with(3, 3), "byte 12: expected a number of heads that divides dim 8 into even parts, found 3");
    check(with(3, 8), "byte 12: expected a number of heads that divides dim 8 into even parts, found 8");
    check(with(4, 3), "byte 16: expected a number that divides the 2 heads, found 3");
    // 280 values a layer
    check(with(2, i32::MAX), "byte 28: expected 2405181684928 bytes of weights for ");
    check(
        [header([i32::MAX - 1, i32::MAX, i32::MAX, 1, 1, i32::MAX, i32::MAX]), vec![0; 64]].concat(),
        "byte 28: expected ",
    );
    let whole = version_0(true);
    check(whole[..whole.len() - 1].to_vec(), "byte 28: expected 2528 bytes of weights for ");
    check([&whole[..], &[0; 4]].concat(), "byte 28: expected 2528 bytes of weights for ");
    let mut quantised = version_1(1);
    quantised[4] = 2;
    check(quantised, "byte 4: expected llama2.c's version 0 or 1, found version 2, quantised");
    check(version_1(2), "byte 36: expected 0 or 1, whether the classifier is the embedding table, found 2");
    check(version_1(1)[..200].to_vec(), "byte 0: expected 256 bytes, found 200 (truncated)");
}

proptest! {
    #[test]
    fn changed_bytes_never_panic(
        first in any::<bool>(),
        changes in proptest::collection::vec((0usize..60, any::<u8>()), 0..4),
        len in 0usize..3000,
    ) {
        let mut file = if first { version_0(false) } else { version_1(0) };
        for (at, byte) in changes {
            file[at] = byte;
        }
        file.truncate(len);
        if let Ok(file) = open(file) {
            for name in file.tensors().keys() {
                file.read_f32(name).unwrap();
            }
        }
    }

    #[test]
    fn any_numbers_never_panic(numbers in any::<[i32; 7]>(), small in proptest::collection::vec(1i32..5, 7), which in any::<[bool; 7]>()) {
        let numbers = std::array::from_fn(|i| if which[i] { numbers[i] } else { small[i] });
        let _ = open([header(numbers), vec![0; 512]].concat());
    }
}
