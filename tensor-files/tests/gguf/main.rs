//! GGUF files through the public API: what llama.cpp makes of them, the way there and back, and files that lie.

#[path = "../common/mod.rs"]
mod common;
mod export;
mod hostile;
mod raw;
#[path = "../common/shared.rs"]
mod shared;
mod tokenizer;
mod vectors;

use raw::{Raw, entry, sample, text};
use tensor_files::gguf::{GgmlType, GgufArray, GgufFile, GgufKind, GgufLlama, GgufMetadata, GgufValue, write_gguf};
use tensor_files::{Access, Checkpoint, Dtype, Error};

/// The number of a type in files.
fn id(kind: GgmlType) -> u32 {
    match kind {
        GgmlType::F32 => 0,
        GgmlType::F16 => 1,
        GgmlType::Q4_0 => 2,
        GgmlType::Q4_1 => 3,
        GgmlType::Q5_0 => 6,
        GgmlType::Q5_1 => 7,
        GgmlType::Q8_0 => 8,
        GgmlType::Q2_K => 10,
        GgmlType::Q3_K => 11,
        GgmlType::Q4_K => 12,
        GgmlType::Q5_K => 13,
        GgmlType::Q6_K => 14,
        GgmlType::BF16 => 30,
        other => unreachable!("{other}"),
    }
}

fn unhex(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect()
}

fn floats(hex: &str) -> Vec<f32> {
    unhex(hex).as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

fn open(raw: &Raw) -> tensor_files::Result<GgufFile> {
    GgufFile::from_bytes("t.gguf", raw.bytes())
}

#[test]
fn values_are_those_of_llama_cpp_to_the_bit() {
    for (kind, blocks, expected) in vectors::DEQUANTISED {
        let (blocks, expected) = (unhex(blocks), floats(expected));
        let file = open(&Raw::new().tensor("x", &[expected.len() as u64], id(kind), 0).data(&blocks)).unwrap();
        assert_eq!(file.tensors()[0].kind, kind);
        let values = file.read_f32("x").unwrap();
        assert_eq!(values.len(), expected.len());
        for (i, (value, expected)) in values.iter().zip(&expected).enumerate() {
            assert_eq!(value.to_bits(), expected.to_bits(), "{kind} value {i}: {value} is not {expected}");
        }
    }
}

#[test]
fn blocks_are_those_of_llama_cpp_to_the_bit() {
    let values = floats(vectors::VALUES);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.gguf");
    for (kind, expected) in vectors::QUANTISED {
        let expected = unhex(expected);
        let tensors = [("x".to_owned(), vec![2, 64])];
        write_gguf(&path, &GgufMetadata::new(), &tensors, kind, |_| Ok::<_, Error>(values.clone())).unwrap();
        let tensor = GgufFile::open(&path).unwrap().tensors()[0].clone();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes[tensor.start as usize..][..tensor.bytes as usize], expected, "{kind:?}");
    }
}

#[test]
fn metadata_of_every_type_comes_back() {
    let nested = GgufArray::Array(vec![GgufArray::I8(vec![-1, 2]), GgufArray::String(vec!["é".into()])]);
    let values = [
        GgufValue::U8(1),
        GgufValue::I8(-1),
        GgufValue::U16(2),
        GgufValue::I16(-2),
        GgufValue::U32(3),
        GgufValue::I32(-3),
        GgufValue::F32(0.1),
        GgufValue::Bool(true),
        GgufValue::String("Ġtext\n".into()),
        GgufValue::U64(u64::MAX),
        GgufValue::I64(i64::MIN),
        GgufValue::F64(0.1),
        GgufValue::Array(nested),
        GgufValue::Array(GgufArray::U8(vec![1])),
        GgufValue::Array(GgufArray::U16(vec![1, 2])),
        GgufValue::Array(GgufArray::I16(vec![-1])),
        GgufValue::Array(GgufArray::U32(vec![1])),
        GgufValue::Array(GgufArray::I32(vec![-1])),
        GgufValue::Array(GgufArray::F32(vec![0.5])),
        GgufValue::Array(GgufArray::Bool(vec![true, false])),
        GgufValue::Array(GgufArray::U64(vec![])),
        GgufValue::Array(GgufArray::I64(vec![1])),
        GgufValue::Array(GgufArray::F64(vec![0.1])),
    ];
    let mut metadata = GgufMetadata::new();
    for (i, value) in values.iter().enumerate() {
        metadata.insert(format!("key.{i}"), value.clone()).unwrap();
    }
    metadata.insert("general.alignment", GgufValue::U32(64)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.gguf");
    let tensors = [("a".to_owned(), vec![3]), ("b".to_owned(), vec![2, 1, 3]), ("none".to_owned(), vec![0, 5])];
    let read =
        |name: &str| Ok::<_, Error>(vec![1.5; [3, 6, 0][["a", "b", "none"].iter().position(|n| *n == name).unwrap()]]);
    write_gguf(&path, &metadata, &tensors, GgufKind::F32, read).unwrap();
    for access in [Access::Mapped, Access::Read] {
        let file = GgufFile::open_with(&path, access).unwrap();
        assert_eq!(file.version(), 3);
        for (i, value) in values.iter().enumerate() {
            assert_eq!(file.metadata().get(&format!("key.{i}")), Some(value));
        }
        for (tensor, (name, shape)) in file.tensors().iter().zip(&tensors) {
            assert_eq!((&tensor.name, &tensor.shape), (name, shape));
            assert_eq!(tensor.start % 64, 0);
            assert_eq!(file.read_f32(name).unwrap(), vec![1.5; shape.iter().product()]);
        }
    }
}

#[test]
fn a_llama_opens_as_a_checkpoint_under_its_own_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    std::fs::write(&path, sample().bytes()).unwrap();
    let checkpoint = Checkpoint::open_dir(folder.path()).unwrap();
    let names = [
        "model.embed_tokens.weight",
        "model.layers.0.input_layernorm.weight",
        "model.layers.0.self_attn.k_proj.weight",
        "model.layers.0.self_attn.q_proj.weight",
    ];
    assert_eq!(checkpoint.names(), names);
    assert_eq!(checkpoint.shape(names[2]), Some(&[16, 32][..]));
    assert_eq!(checkpoint.info(names[3]).unwrap().dtype, Dtype::Quantised("Q4_0"));
    let file = GgufFile::open(&path).unwrap();
    let stored = file.read_f32("blk.0.attn_q.weight").unwrap();
    let rows = |values: &[f32]| values.chunks(32).map(<[f32]>::to_vec).collect::<Vec<_>>();
    // Heads of 4 rows: rows 0 1 2 3 of a file are 0 2 1 3 of transformers.
    let (stored, read) = (rows(&stored), rows(&checkpoint.read_f32(names[3]).unwrap()));
    for head in 0..8 {
        let expected = [0, 2, 1, 3].map(|row| &stored[4 * head + row]);
        assert_eq!([0, 1, 2, 3].map(|row| &read[4 * head + row]), expected);
    }
    let transposed = checkpoint.read_f32_transposed(names[3]).unwrap();
    assert_eq!(transposed[3 * 32 + 5], read[5][3]);
    assert!(checkpoint.read_i64(names[3]).unwrap_err().to_string().contains("found Q4_0"));
    let error = GgufLlama::new(file).unwrap().read_f32("lm_head.weight").unwrap_err();
    assert!(error.to_string().contains("lm_head.weight"), "{error}");
}

#[test]
fn a_config_is_made_of_the_keys() {
    let llama = GgufLlama::new(open(&sample()).unwrap()).unwrap();
    let expected = serde_json::json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 32, "intermediate_size": 32,
        "num_hidden_layers": 1, "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 4, "vocab_size": 4,
        "max_position_embeddings": 16, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "hidden_act": "silu",
        "attention_bias": false, "mlp_bias": false, "tie_word_embeddings": true, "eos_token_id": 3,
        "torch_dtype": "float32",
    });
    assert_eq!(llama.config(), &expected);
    let linear =
        sample().str("llama.rope.scaling.type", "linear").entry("llama.rope.scaling.factor", 6, &2f32.to_le_bytes());
    let config = open(&linear).unwrap().llama_config().unwrap();
    assert_eq!(config["rope_scaling"], serde_json::json!({"rope_type": "linear", "factor": 2.0}));
}

#[test]
fn what_is_no_llama_is_refused_by_name() {
    let check = |raw: &Raw, expected: &str| {
        let error = open(raw).and_then(GgufLlama::new).unwrap_err().to_string();
        assert!(error.starts_with("t.gguf: ") && error.contains(expected), "{error}");
    };
    let without = |key: &str| {
        let mut raw = sample();
        let before = raw.entries.len();
        raw.entries.retain(|entry| !entry.starts_with(&text(key)));
        assert_eq!(raw.entries.len(), before - 1);
        raw
    };
    let replaced = |key: &str, kind, value: &[u8]| {
        let mut raw = without(key);
        raw.entries.push(entry(key, kind, value));
        raw
    };
    check(
        &replaced("general.architecture", 8, &text("qwen2")),
        "expected the architecture llama under the key general.architecture, found \"qwen2\"",
    );
    check(&without("llama.block_count"), "expected a value under the key llama.block_count, found none");
    check(&replaced("llama.block_count", 8, &text("1")), "found the string \"1\"");
    check(&sample().u32("split.count", 3), "expected a whole model under the key split.count, found one of 3 parts");
    check(&sample().u32("llama.expert_count", 8), "found a mixture of experts");
    check(&replaced("llama.attention.head_count", 4, &0u32.to_le_bytes()), "found 0 heads, 4 of keys and values");
    check(&replaced("llama.attention.head_count", 4, &12u32.to_le_bytes()), "found 32 for 12 heads");
    check(&sample().u32("llama.rope.dimension_count", 2), "expected 4, the size of a head");
    check(&sample().u32("llama.attention.key_length", 3), "expected heads of an even size");
    check(&sample().u32("llama.attention.key_length", 64), "expected rows of whole heads of 64, found shape [32, 32]");
    check(&sample().str("llama.rope.scaling.type", "longrope"), "expected none, linear or yarn");
    let mut moe = sample();
    moe.tensors[3] = raw::tensor("blk.0.ffn_gate_inp.weight", &[32], 0, 1056);
    check(&moe, "tensor blk.0.ffn_gate_inp.weight: expected a tensor of a LLaMA");
    let mut freqs = sample();
    freqs.tensors[3] = raw::tensor("rope_freqs.weight", &[32], 0, 1056);
    check(&freqs, "tensor rope_freqs.weight: expected 2 values, one a frequency, found shape [32]");
    // One row a value: blocks do not end with heads.
    let mut bias = sample();
    bias.tensors[1] = raw::tensor("blk.0.attn_q.bias", &[32], 2, 160);
    check(&bias, "blk.0.attn_q.bias: expected rows of whole heads of 4");
}

#[test]
fn a_type_that_is_not_read_is_listed() {
    let file = open(&Raw::new().tensor("x", &[32], 20, 0).data(&[0; 18])).unwrap();
    assert_eq!(file.tensors()[0].kind.to_string(), "IQ4_NL");
    let error = file.read_f32("x").unwrap_err();
    assert!(matches!(&error, Error::Dtype { name, found: Dtype::Quantised("IQ4_NL"), .. } if name == "x"), "{error}");
}
