//! Sentences as vectors by a BERT of the sentence-transformers sort: MiniLM and its like.

use anyhow::{Context, Result, anyhow, bail};
use burn::tensor::Device;
use genome_ask::semantic::Embed;
use model_zoo::{Base, BatchLimit, Buckets, Pooling, Purpose, TokenBatch};
use peft_core::Plain;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::processors::bert::BertProcessing;
use tokenizers::{Tokenizer, TruncationParams};

/// Tokens of a text where the folder does not say: the annotation of a gene is shorter.
const MOST_TOKENS: usize = 256;

/// A folder of sentence-transformers: config.json, weights, tokenizer.json or vocab.txt; `1_Pooling` and
/// `sentence_bert_config.json` are heeded where they are there.
#[derive(Debug)]
pub(crate) struct TextEmbedder {
    base: Base,
    tokenizer: Tokenizer,
    pooling: Pooling,
    device: Device,
    name: String,
    identity: String,
}

impl TextEmbedder {
    pub(crate) fn open(folder: &Path, device: &Device) -> Result<Self> {
        let device = device.clone().inner();
        let (mut tokenizer, tokenizer_hash) = tokenizer(folder)?;
        let loaded = Base::from_pretrained(folder, Purpose::Encode, &device)?;
        let base = loaded.base;
        let (tokens, vocab) = (tokenizer.get_vocab_size(true), base.vocab_size());
        if tokens > vocab {
            bail!("{}: the tokenizer has {tokens} tokens, the model only {vocab}", folder.display());
        }
        let said = json(&folder.join("sentence_bert_config.json"))?
            .and_then(|config| config.get("max_seq_length")?.as_u64())
            .and_then(|n| usize::try_from(n).ok());
        let most = said.unwrap_or(MOST_TOKENS).min(base.max_tokens().unwrap_or(usize::MAX)).max(3);
        let truncation = TruncationParams { max_length: most, ..TruncationParams::default() };
        tokenizer.with_truncation(Some(truncation)).map_err(|e| anyhow!("{}: {e}", folder.display()))?;
        tokenizer.with_padding(None);
        let pooling = pooling(folder)?;
        let identity = format!("{} {tokenizer_hash} {pooling:?} {most}", loaded.sha256);
        let name = folder.display().to_string();
        Ok(Self { base, tokenizer, pooling, device, name, identity })
    }
}

impl Embed for TextEmbedder {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn embed(&mut self, texts: &[&str]) -> Result<Vec<Vec<f32>>, String> {
        let encoded = self.tokenizer.encode_batch(texts.to_vec(), true).map_err(|error| error.to_string())?;
        let rows: Vec<&[u32]> = encoded.iter().map(|encoding| encoding.get_ids()).collect();
        if rows.iter().any(|row| row.is_empty()) {
            return Err("a text has no tokens".to_owned());
        }
        self.base.check(&rows).map_err(|error| error.to_string())?;
        let lengths: Vec<usize> = rows.iter().map(|row| row.len()).collect();
        let buckets = Buckets::by_length(&lengths, BatchLimit::rows(32).tokens(32 * 128));
        let mut vectors = Vec::with_capacity(rows.len());
        for batch in buckets.batches() {
            let batch: Vec<&[u32]> = batch.iter().map(|at| rows[*at]).collect();
            let batch = TokenBatch::from_rows(&batch, 0, &self.device);
            let h = self.base.encode(&batch, &Plain); // [batch, seq, d_model]
            let pooled = self.pooling.pool(h, &batch); // [batch, d_model]
            let width = pooled.dims()[1];
            let values: Vec<f32> =
                pooled.into_data().convert::<f32>().try_into_vec().map_err(|error| format!("{error:?}"))?;
            vectors.extend(values.chunks_exact(width).map(<[f32]>::to_vec));
        }
        Ok(buckets.restore(vectors))
    }
}

/// The tokenizer of a folder, and the hash of its file.
fn tokenizer(folder: &Path) -> Result<(Tokenizer, String)> {
    let (whole, vocab) = (folder.join("tokenizer.json"), folder.join("vocab.txt"));
    let hash = |path: &PathBuf| -> Result<String> {
        let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
        Ok(Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect())
    };
    if whole.is_file() {
        let tokenizer = Tokenizer::from_file(&whole).map_err(|e| anyhow!("{}: {e}", whole.display()))?;
        return Ok((tokenizer, hash(&whole)?));
    }
    if !vocab.is_file() {
        bail!("{}: expected a tokenizer.json or a vocab.txt, found none", folder.display());
    }
    let broken = |e: tokenizers::Error| anyhow!("{}: {e}", vocab.display());
    let model = WordPiece::from_file(&vocab.to_string_lossy()).unk_token("[UNK]".into()).build().map_err(broken)?;
    let mut tokenizer = Tokenizer::new(model);
    let mark = |token: &str| {
        let id = tokenizer.token_to_id(token).with_context(|| format!("{}: expected {token}", vocab.display()))?;
        anyhow::Ok((token.to_owned(), id))
    };
    let (sep, cls) = (mark("[SEP]")?, mark("[CLS]")?);
    let lower = json(&folder.join("tokenizer_config.json"))?.and_then(|config| config.get("do_lower_case")?.as_bool());
    let normalizer = BertNormalizer::new(true, true, None, lower.unwrap_or(true));
    tokenizer.with_normalizer(Some(normalizer)).map_err(broken)?;
    tokenizer.with_pre_tokenizer(Some(BertPreTokenizer));
    tokenizer.with_post_processor(Some(BertProcessing::new(sep, cls)));
    Ok((tokenizer, hash(&vocab)?))
}

/// Mean over the tokens, unless `1_Pooling/config.json` says another way that is known.
fn pooling(folder: &Path) -> Result<Pooling> {
    let file = folder.join("1_Pooling").join("config.json");
    let Some(config) = json(&file)? else { return Ok(Pooling::Mean) };
    let is = |key: &str| config.get(key).and_then(Value::as_bool).unwrap_or(false);
    let known = [
        ("pooling_mode_mean_tokens", Pooling::Mean),
        ("pooling_mode_cls_token", Pooling::Cls),
        ("pooling_mode_max_tokens", Pooling::Max),
        ("pooling_mode_lasttoken", Pooling::Last),
    ];
    let chosen: Vec<Pooling> = known.iter().filter(|(key, _)| is(key)).map(|(_, pooling)| *pooling).collect();
    match chosen[..] {
        [pooling] => Ok(pooling),
        _ => bail!("{}: expected one of mean, cls, max and last token, found {}", file.display(), chosen.len()),
    }
}

/// A file of JSON, if it is there.
fn json(file: &Path) -> Result<Option<Value>> {
    if !file.is_file() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    Ok(Some(serde_json::from_str(&text).with_context(|| file.display().to_string())?))
}
