//! Which tokenizer a folder needs: `genome_tokenizer.json`, or what published models have in its place.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::case::Case;
use crate::error::{Error, Result};
use crate::family::{bpe_family, bpe_family_from_bytes};
use crate::kmer::KmerTokenizer;
use crate::letter::LetterTokenizer;
use crate::nucleotide_transformer::{NtVersion, NucleotideTransformerTokenizer};
use crate::one_hot::OneHot;
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
    /// [`NucleotideTransformerTokenizer`]: `{"kind":"nt","version":"v2"}`.
    Nt {
        /// Which models.
        version: NtVersion,
        /// What is done with lower-case letters; left out of the file when it is the default.
        #[serde(default, skip_serializing_if = "Case::is_default")]
        case: Case,
    },
    /// Any BPE of a single file, as [`bpe_family`] tells it: `{"kind":"bpe","file":"tokenizer.json"}`.
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
    /// `vocab.txt` of DNABERT or the Nucleotide Transformer.
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
            return Self::of_vocabulary(&path.display().to_string(), &bytes);
        }
        Err(Error::NotFound { dir: dir.display().to_string(), looked_for: vec![SPEC_FILE, BPE_FILE, VOCAB_FILE] })
    }

    /// Which tokenizer a `vocab.txt` is for: that of DNABERT starts with `[PAD]`, that of the Nucleotide Transformer with
    /// `<unk>`. Both follow a rule, so that the file is checked and not needed afterwards.
    fn of_vocabulary(name: &str, bytes: &[u8]) -> Result<Self> {
        let case = Case::default();
        let text = std::str::from_utf8(bytes).map_err(|_| Error::broken(name, None, "expected UTF-8 text"))?;
        match text.lines().next().map(str::trim_end) {
            Some("[PAD]") => Ok(Self::Kmer { k: KmerTokenizer::from_vocab(name, text, case)?.k(), case }),
            Some("<unk>") => {
                let version = NucleotideTransformerTokenizer::from_vocab(name, text, case)?.version();
                Ok(Self::Nt { version, case })
            }
            _ => Err(Error::broken(
                name,
                None,
                "this is no vocabulary of DNABERT or the Nucleotide Transformer: expected a first line [PAD] or <unk>",
            )),
        }
    }

    /// The same tokenizer with another choice for lower-case letters.
    fn with_case(self, choice: Case) -> Self {
        let mut spec = self;
        match &mut spec {
            Self::Letter => {}
            Self::Kmer { case, .. } | Self::Nt { case, .. } | Self::Bpe { case, .. } => *case = choice,
        }
        spec
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
    open(dir, TokenizerSpec::find(dir)?)
}

/// Builds what a spec says, with the files of a folder.
fn open(dir: &Path, spec: TokenizerSpec) -> Result<Box<dyn Tokenizer>> {
    match spec {
        TokenizerSpec::Bpe { file, case } => bpe_family(dir.join(file), case),
        spec => from_spec(&spec, None),
    }
}

/// The names that [`by_name`] knows.
pub const NAMES: [&str; 8] =
    ["dnabert:3", "dnabert:4", "dnabert:5", "dnabert:6", "nt:v1", "nt:v2", "letters", "onehot"];

/// What a name stands for.
#[derive(Debug)]
#[non_exhaustive]
pub enum Named {
    /// A tokenizer, which gives ids.
    Tokenizer(Box<dyn Tokenizer>),
    /// One-hot rows, which are no ids.
    OneHot(OneHot),
}

/// Opens a tokenizer by one of [`NAMES`], or by the path of a folder (as [`load`]) or of a file: a `tokenizer.json`, a
/// `genome_tokenizer.json`, a `vocab.txt` of DNABERT or the Nucleotide Transformer, or what [`bpe_family`] opens. `case` overrules what the folder says.
/// Names come first: a folder called `letters` is `./letters`. `letters` knows no [`Case::Original`]: it is its own original.
///
/// ```
/// use genome_tokenize::{Case, Named, by_name};
///
/// let Named::Tokenizer(tokenizer) = by_name("dnabert:6", Some(Case::Original))? else { panic!("ids are expected") };
/// assert_eq!(tokenizer.encode(b"ACGTACg")?.ids, [2, 727, 1, 3]);
/// assert_eq!(
///     by_name("dnabert6", None).unwrap_err().to_string(),
///     "dnabert6: no such tokenizer: expected dnabert:3, dnabert:4, dnabert:5, dnabert:6, nt:v1, nt:v2, letters, onehot, \
///      or a folder or file that is there; did you mean dnabert:6?",
/// );
/// # Ok::<(), genome_tokenize::Error>(())
/// ```
///
/// # Errors
///
/// The name is none of these (the error lists them, with the nearest), or the folder or file is broken.
pub fn by_name(name: &str, case: Option<Case>) -> Result<Named> {
    let kmer = |k| TokenizerSpec::Kmer { k, case: Case::default() };
    let nt = |version| TokenizerSpec::Nt { version, case: Case::default() };
    let path = Path::new(name);
    let (dir, spec) = match name {
        "dnabert:3" => (path, kmer(3)),
        "dnabert:4" => (path, kmer(4)),
        "dnabert:5" => (path, kmer(5)),
        "dnabert:6" => (path, kmer(6)),
        "nt:v1" => (path, nt(NtVersion::V1)),
        "nt:v2" => (path, nt(NtVersion::V2)),
        "letters" => (path, TokenizerSpec::Letter),
        "onehot" => return Ok(Named::OneHot(OneHot { case: case.unwrap_or_default(), ..OneHot::default() })),
        _ if path.is_dir() => match TokenizerSpec::find(path) {
            Ok(spec) => (path, spec),
            Err(Error::NotFound { looked_for, .. }) => return of_bpe_folder(path, case, looked_for),
            Err(error) => return Err(error),
        },
        _ if path.exists() => match of_file(path)? {
            Some(spec) => (path.parent().unwrap_or(path), spec),
            None => return Ok(Named::Tokenizer(bpe_family(path, case.unwrap_or_default())?)),
        },
        _ => return Err(unknown(name)),
    };
    let spec = match case {
        Some(case) => spec.with_case(case),
        None => spec,
    };
    Ok(Named::Tokenizer(open(dir, spec)?))
}

/// A folder without a file that a spec could name: `vocab.json` and `merges.txt`, or a `tokenizer.bin`.
fn of_bpe_folder(dir: &Path, case: Option<Case>, mut looked_for: Vec<&'static str>) -> Result<Named> {
    match bpe_family(dir, case.unwrap_or_default()) {
        Ok(tokenizer) => Ok(Named::Tokenizer(tokenizer)),
        Err(Error::NotFound { dir, looked_for: others }) => {
            looked_for.extend(others.into_iter().filter(|name| *name != BPE_FILE));
            Err(Error::NotFound { dir, looked_for })
        }
        Err(error) => Err(error),
    }
}

/// Which tokenizer a single file is for; `None` for a BPE, of which there are many kinds.
fn of_file(path: &Path) -> Result<Option<TokenizerSpec>> {
    let display = path.display().to_string();
    let file = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    if file == SPEC_FILE {
        return TokenizerSpec::find(path.parent().unwrap_or(path)).map(Some);
    }
    let bytes = fs::read(path).map_err(|source| Error::Io { path: display.clone(), source })?;
    if [&b"[PAD]"[..], b"<unk>"].iter().any(|first| bytes.starts_with(first)) {
        return TokenizerSpec::of_vocabulary(&display, &bytes).map(Some);
    }
    Ok(None)
}

fn unknown(name: &str) -> Error {
    let distance = |known: &str| strsim::damerau_levenshtein(&name.to_lowercase(), known);
    let nearest = NAMES.into_iter().rev().min_by_key(|known| distance(known));
    let suggestion = nearest.filter(|known| distance(known) <= 3 && name.len() <= 2 * known.len());
    Error::UnknownName { name: name.replace(char::is_control, " "), expected: NAMES.join(", "), suggestion }
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
        TokenizerSpec::Nt { version, case } => Box::new(NucleotideTransformerTokenizer::with_case(*version, *case)),
        TokenizerSpec::Bpe { file, case } => {
            let bytes =
                bpe.ok_or_else(|| Error::broken(file, None, "expected the text of this file, found nothing"))?;
            bpe_family_from_bytes(file, bytes, *case)?
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
        check(TokenizerSpec::Nt { version: NtVersion::V1, case: Case::Upper }, r#"{"kind":"nt","version":"v1"}"#);
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
        check(&[(VOCAB_FILE, "hello\nworld\n")], "vocab.txt: this is no vocabulary of DNABERT or the Nucleotide");
        check(&[(VOCAB_FILE, "[PAD]\n[UNK]\n")], "vocab.txt: this is no DNABERT vocabulary");
        check(&[(VOCAB_FILE, "<unk>\n<pad>\nx\n")], "vocab.txt:3: expected \"<mask>\"");
    }

    #[test]
    fn names_and_paths() {
        let ids = |name: &str, case| match by_name(name, case).unwrap() {
            Named::Tokenizer(t) => t.encode(b"ACGTACg").unwrap().ids,
            Named::OneHot(_) => panic!("{name}: ids are expected"),
        };
        assert_eq!(ids("dnabert:6", None), [2, 727, 2896, 3]);
        assert_eq!(ids("nt:v1", None), [3, 726, 4103]);
        assert_eq!(ids("nt:v2", Some(Case::Original)), [3, 728, 0]);
        assert_eq!(ids("letters", None).len(), 9);
        for k in 3..=6 {
            assert_eq!(ids(&format!("dnabert:{k}"), None).len(), 10 - k);
        }
        assert!(matches!(by_name("onehot", None).unwrap(), Named::OneHot(_)));
        assert!(NAMES.iter().all(|name| by_name(name, None).is_ok()));

        let nt = NucleotideTransformerTokenizer::new(NtVersion::V2).vocabulary().collect::<Vec<_>>().join("\n");
        let spec = r#"{"kind":"kmer","k":6,"case":"original"}"#;
        let dir = folder(&[("t.json", JSON), ("nt.txt", &nt), (SPEC_FILE, spec)]);
        let path = |file: &str| dir.path().join(file).display().to_string();
        assert_eq!(ids(&path(""), None), [2, 727, 1, 3]);
        assert_eq!(ids(&path(SPEC_FILE), Some(Case::Upper)), [2, 727, 2896, 3]);
        assert_eq!(ids(&path("nt.txt"), None), [3, 728, 4105]);
        assert_eq!(ids(&path("t.json"), None), [1, 5, 11, 10, 2]);
        assert_eq!(ids(&path("t.json"), Some(Case::Original)), [1, 5, 11, 6, 0, 2]);

        let check = |name: &str, end: &str| {
            let error = by_name(name, None).unwrap_err().to_string();
            assert!(error.ends_with(end) && !error.contains('\n'), "{error}");
        };
        check("NT:v2", "did you mean nt:v2?");
        check("one-hot", "did you mean onehot?");
        check("dnabert:7", "did you mean dnabert:6?");
        check("letter", "did you mean letters?");
        check("no/such/folder", "or a folder or file that is there");
        check("", "or a folder or file that is there");
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
