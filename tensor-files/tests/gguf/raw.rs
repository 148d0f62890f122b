//! GGUF files byte by byte, so that they can lie.

/// A file in the making.
#[derive(Debug, Clone)]
pub(crate) struct Raw {
    pub(crate) version: u32,
    pub(crate) tensor_count: Option<u64>,
    pub(crate) entry_count: Option<u64>,
    pub(crate) entries: Vec<Vec<u8>>,
    pub(crate) tensors: Vec<Vec<u8>>,
    pub(crate) alignment: usize,
    pub(crate) data: Vec<u8>,
}

pub(crate) fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
}

/// A key with a value of type `kind`, whose bytes are given.
pub(crate) fn entry(key: &str, kind: u32, value: &[u8]) -> Vec<u8> {
    [&text(key)[..], &kind.to_le_bytes(), value].concat()
}

/// An entry of the table; dimensions as the file has them, the innermost first.
pub(crate) fn tensor(name: &str, dims: &[u64], kind: u32, offset: u64) -> Vec<u8> {
    let dims_bytes: Vec<u8> = dims.iter().flat_map(|dim| dim.to_le_bytes()).collect();
    let count = (dims.len() as u32).to_le_bytes();
    [&text(name)[..], &count, &dims_bytes, &kind.to_le_bytes(), &offset.to_le_bytes()].concat()
}

impl Raw {
    pub(crate) fn new() -> Self {
        let (entries, tensors, data) = (Vec::new(), Vec::new(), Vec::new());
        Self { version: 3, tensor_count: None, entry_count: None, entries, tensors, alignment: 32, data }
    }

    pub(crate) fn entry(mut self, key: &str, kind: u32, value: &[u8]) -> Self {
        self.entries.push(entry(key, kind, value));
        self
    }

    pub(crate) fn str(self, key: &str, value: &str) -> Self {
        self.entry(key, 8, &text(value))
    }

    pub(crate) fn u32(self, key: &str, value: u32) -> Self {
        self.entry(key, 4, &value.to_le_bytes())
    }

    pub(crate) fn tensor(mut self, name: &str, dims: &[u64], kind: u32, offset: u64) -> Self {
        self.tensors.push(tensor(name, dims, kind, offset));
        self
    }

    pub(crate) fn data(mut self, bytes: &[u8]) -> Self {
        self.data.extend_from_slice(bytes);
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = b"GGUF".to_vec();
        out.extend(self.version.to_le_bytes());
        out.extend(self.tensor_count.unwrap_or(self.tensors.len() as u64).to_le_bytes());
        out.extend(self.entry_count.unwrap_or(self.entries.len() as u64).to_le_bytes());
        out.extend(self.entries.concat());
        out.extend(self.tensors.concat());
        out.resize(out.len().next_multiple_of(self.alignment), 0);
        out.extend(&self.data);
        out
    }
}

/// A small LLaMA: every key, a tensor of each type, a tokenizer.
pub(crate) fn sample() -> Raw {
    let strings = |texts: &[&str]| {
        let values: Vec<u8> = texts.iter().flat_map(|t| text(t)).collect();
        [&8u32.to_le_bytes()[..], &(texts.len() as u64).to_le_bytes(), &values].concat()
    };
    let nested = [&9u32.to_le_bytes()[..], &1u64.to_le_bytes(), &strings(&["x"])].concat();
    Raw::new()
        .str("general.architecture", "llama")
        .u32("llama.block_count", 1)
        .u32("llama.context_length", 16)
        .u32("llama.embedding_length", 32)
        .u32("llama.feed_forward_length", 32)
        .u32("llama.attention.head_count", 8)
        .u32("llama.attention.head_count_kv", 4)
        .entry("llama.attention.layer_norm_rms_epsilon", 6, &1e-5f32.to_le_bytes())
        .str("tokenizer.ggml.model", "gpt2")
        .str("tokenizer.ggml.pre", "smollm")
        .entry("tokenizer.ggml.tokens", 9, &strings(&["A", "C", "AC", "<end>"]))
        .entry("tokenizer.ggml.merges", 9, &strings(&["A C"]))
        .entry(
            "tokenizer.ggml.token_type",
            9,
            &[&5u32.to_le_bytes()[..], &4u64.to_le_bytes(), &[1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0]].concat(),
        )
        .u32("tokenizer.ggml.eos_token_id", 3)
        .entry("extra.nested", 9, &nested)
        .entry("extra.bool", 7, &[1])
        .tensor("token_embd.weight", &[32, 4], 8, 0) // Q8_0: 136 bytes
        .tensor("blk.0.attn_q.weight", &[32, 32], 2, 160) // Q4_0: 576
        .tensor("blk.0.attn_k.weight", &[32, 16], 3, 736) // Q4_1: 320
        .tensor("blk.0.attn_norm.weight", &[32], 0, 1056) // 128
        .data(&(0..1184u32).map(|i| if i % 2 == 1 { 0x30 } else { (i * 37 % 251) as u8 }).collect::<Vec<_>>())
}
