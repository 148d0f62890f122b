//! Which tokenizer a folder needs: `genome_tokenizer.json`, or what published models have in its place.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::bpe::BpeTokenizer;
use crate::case::Case;
use crate::error::{Error, Result};
use crate::kmer::KmerTokenizer;
use crate::letter::LetterTokenizer;
use crate::tokenizer::Tokenizer;

/// Name of the file that holds a [`TokenizerSpec`].
pub const SPEC_FILE: &str = "genome_tokenizer.json";
const BPE_FILE: &str = "tokenizer.json";
const VOCAB_FILE: &str = "vocab.txt";

/// A tokenizer by name, as it is saved beside a model or an adapter.
///
/// ```
/// use genome_tokenize::{Case, TokenizerSpec, from_spec};
///
/// let spec: TokenizerSpec = serde_json::from_str(r#"{"kind": "kmer", "k": 6}"#).unwrap();
/// assert_eq!(spec, TokenizerSpec::Kmer { k: 6, case: Case::Upper });
/// assert_eq!(from_spec(&spec, None)?.vocab_size(), 4101);
/// # Ok::<(), genome_tokenize::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
#[non_exhaustive]
pub enum TokenizerSpec {
    /// [`LetterTokenizer`]: `{"kind":"letter"}`.
    Letter,
    /// [`KmerTokenizer`]: `{"kind":"kmer","k":6}`.
    Kmer {
        /// Letters in a k-mer, 1 to 8.
        k: usize,
        /// What is done with lower-case letters; left out of the file when it is the default.
        #[serde(default, skip_serializing_if = "Case::is_default")]
        case: Case,
    },
    /// [`BpeTokenizer`]: `{"kind":"bpe","file":"tokenizer.json"}`.
    Bpe {
        /// A file in the same folder.
        file: String,
        /// What is done with lower-case letters; left out of the file when it is the default.
        #[serde(default, skip_serializing_if = "Case::is_default")]
        case: Case,
    },
}

impl TokenizerSpec {
    /// Finds out which tokenizer a folder needs: `genome_tokenizer.json` first, then a `tokenizer.json` (BPE), then a
    /// `vocab.txt` in DNABERT's layout.
    ///
    /// # Errors
    ///
    /// The folder has none of these, or the one it has is broken.
    pub fn find(dir: impl AsRef<Path>) -> Result<Self> {
        let dir = dir.as_ref();
        let path = dir.join(SPEC_FILE);
        if let Some(bytes) = read_if_there(&path)? {
            let name = path.display().to_string();
            let spec: Self = serde_json::from_slice(&bytes)
                .map_err(|e| Error::broken(&name, Some(e.line().max(1)), e.to_string()))?;
            if let Self::Bpe { file, .. } = &spec
                && !is_plain_name(file)
            {
                return Err(Error::broken(
                    name,
                    None,
                    format!("expected a file name without a folder, found {file:?}"),
                ));
            }
            return Ok(spec);
        }
        if dir.join(BPE_FILE).is_file() {
            return Ok(Self::Bpe { file: BPE_FILE.to_owned(), case: Case::default() });
        }
        let path = dir.join(VOCAB_FILE);
        if let Some(bytes) = read_if_there(&path)? {
            let name = path.display().to_string();
            let text = String::from_utf8(bytes).map_err(|_| Error::broken(&name, None, "expected UTF-8 text"))?;
            let k = KmerTokenizer::from_vocab(&name, &text, Case::default())?.k();
            return Ok(Self::Kmer { k, case: Case::default() });
        }
        Err(Error::NotFound { dir: dir.display().to_string(), looked_for: vec![SPEC_FILE, BPE_FILE, VOCAB_FILE] })
    }

    /// Writes `genome_tokenizer.json` into a folder, under a temporary name first. A BPE file is not copied.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn save(&self, dir: impl AsRef<Path>) -> Result<()> {
        let path = dir.as_ref().join(SPEC_FILE);
        let fail = |source| Error::Io { path: path.display().to_string(), source };
        let json = serde_json::to_string(self).map_err(|e| fail(e.into()))?;
        let temporary = dir.as_ref().join(format!("{SPEC_FILE}.tmp"));
        fs::write(&temporary, json + "\n").map_err(fail)?;
        fs::rename(&temporary, &path).map_err(fail)
    }
}

/// Opens the tokenizer of a folder, as [`TokenizerSpec::find`] finds it.
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// # let dir = dir.path();
/// use genome_tokenize::{TokenizerSpec, load};
///
/// TokenizerSpec::Letter.save(dir)?;
/// assert_eq!(load(dir)?.encode(b"ACGT")?.ids, [2, 5, 6, 7, 8, 3]);
/// # Ok::<(), genome_tokenize::Error>(())
/// ```
///
/// # Errors
///
/// The folder has no tokenizer (the error lists the files that would do), or a broken one.
pub fn load(dir: impl AsRef<Path>) -> Result<Box<dyn Tokenizer>> {
    let dir = dir.as_ref();
    match TokenizerSpec::find(dir)? {
        TokenizerSpec::Bpe { file, case } => Ok(Box::new(BpeTokenizer::from_file(dir.join(file))?.with_case(case))),
        spec => from_spec(&spec, None),
    }
}

/// Builds a tokenizer without a folder; `bpe` is the text of the file that a [`TokenizerSpec::Bpe`] names.
///
/// # Errors
///
/// The k-mer length is not supported, or `bpe` is missing or broken.
pub fn from_spec(spec: &TokenizerSpec, bpe: Option<&[u8]>) -> Result<Box<dyn Tokenizer>> {
    Ok(match spec {
        TokenizerSpec::Letter => Box::new(LetterTokenizer::new()),
        TokenizerSpec::Kmer { k, case } => Box::new(KmerTokenizer::with_case(*k, *case)?),
        TokenizerSpec::Bpe { file, case } => {
            let bytes =
                bpe.ok_or_else(|| Error::broken(file, None, "expected the text of this file, found nothing"))?;
            Box::new(BpeTokenizer::from_bytes(file, bytes)?.with_case(*case))
        }
    })
}

/// The bytes of a file, or `None` if there is no such file.
fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::Io { path: path.display().to_string(), source }),
    }
}

/// A spec may not lead out of its folder.
fn is_plain_name(file: &str) -> bool {
    !file.is_empty() && !matches!(file, "." | "..") && !file.contains(['/', '\\', ':', '\0'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bpe::tests::sample::JSON;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(dir.path().join(name), text).unwrap();
        }
        dir
    }

    #[test]
    fn specs_are_short_json() {
        let check = |spec: TokenizerSpec, json: &str| {
            assert_eq!(serde_json::to_string(&spec).unwrap(), json);
            assert_eq!(serde_json::from_str::<TokenizerSpec>(json).unwrap(), spec);
        };
        check(TokenizerSpec::Letter, r#"{"kind":"letter"}"#);
        check(TokenizerSpec::Kmer { k: 6, case: Case::Upper }, r#"{"kind":"kmer","k":6}"#);
        check(TokenizerSpec::Kmer { k: 3, case: Case::Original }, r#"{"kind":"kmer","k":3,"case":"original"}"#);
        let file = "tokenizer.json".to_owned();
        check(TokenizerSpec::Bpe { file, case: Case::Upper }, r#"{"kind":"bpe","file":"tokenizer.json"}"#);
    }

    #[test]
    fn folders_are_searched_in_order() {
        let vocab: Vec<String> = {
            let t = KmerTokenizer::new(2).unwrap();
            (0..t.vocab_size() as u32).map(|id| t.token(id).unwrap().to_owned()).collect()
        };
        let vocab = vocab.join("\n");
        let spec = r#"{"kind":"letter"}"#;
        let size = |files: &[(&str, &str)]| load(folder(files).path()).unwrap().vocab_size();
        assert_eq!(size(&[(VOCAB_FILE, &vocab)]), 21);
        assert_eq!(size(&[(VOCAB_FILE, &vocab), (BPE_FILE, JSON)]), 12);
        assert_eq!(size(&[(VOCAB_FILE, &vocab), (BPE_FILE, JSON), (SPEC_FILE, spec)]), 10);
        assert_eq!(size(&[("b.json", JSON), (SPEC_FILE, r#"{"kind":"bpe","file":"b.json"}"#)]), 12);
    }

    #[test]
    fn what_is_wrong_is_told_in_one_line() {
        let check = |files: &[(&str, &str)], part: &str| {
            let error = load(folder(files).path()).unwrap_err().to_string();
            assert!(error.contains(part) && !error.contains('\n'), "{error}");
        };
        check(&[], "no tokenizer: expected one of genome_tokenizer.json, tokenizer.json, vocab.txt");
        check(&[(SPEC_FILE, "{")], "genome_tokenizer.json:1: EOF");
        check(&[(SPEC_FILE, r#"{"kind":"word"}"#)], "unknown variant `word`");
        check(&[(SPEC_FILE, r#"{"kind":"kmer","k":6,"x":1}"#)], "unknown field `x`");
        check(&[(SPEC_FILE, r#"{"kind":"kmer","k":60}"#)], "k-mers of length 60 are not supported");
        check(&[(SPEC_FILE, r#"{"kind":"bpe","file":"../t.json"}"#)], "expected a file name without a folder");
        check(&[(SPEC_FILE, r#"{"kind":"bpe","file":"t.json"}"#)], "t.json: ");
        check(&[(BPE_FILE, "[]")], "tokenizer.json: this is no tokenizer.json");
        check(&[(VOCAB_FILE, "hello\nworld\n")], "vocab.txt: this is no DNABERT vocabulary");
    }

    #[test]
    fn specs_are_saved_whole() {
        let dir = folder(&[]);
        let spec = TokenizerSpec::Kmer { k: 4, case: Case::Upper };
        spec.save(dir.path()).unwrap();
        assert_eq!(TokenizerSpec::find(dir.path()).unwrap(), spec);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(spec.save(dir.path().join("none")).is_err());
    }

    #[test]
    fn embedded_tokenizers_need_no_folder() {
        let spec = TokenizerSpec::Bpe { file: "t.json".into(), case: Case::Upper };
        assert_eq!(from_spec(&spec, Some(JSON.as_bytes())).unwrap().vocab_size(), 12);
        let error = from_spec(&spec, None).unwrap_err();
        assert_eq!(error.to_string(), "t.json: expected the text of this file, found nothing");
        assert_eq!(from_spec(&TokenizerSpec::Letter, None).unwrap().vocab_size(), 10);
    }
}
