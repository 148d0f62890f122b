//! A folder with `train.csv`, `dev.csv` and `test.csv`.

use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};
use crate::labelled::{LabelledFile, read_labelled};
use crate::labels::LabelSet;

/// A data set for classification: training and development rows at hand, test rows behind a call of their own.
///
/// Each file may also be gzip, as `train.csv.gz`. The test file must be there, but nothing reads it before
/// [`read_test`](Self::read_test): what chooses a model must not see it.
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// # let dir = dir.path();
/// # for name in ["train.csv", "dev.csv", "test.csv"] {
/// #     std::fs::write(dir.join(name), "sequence,label\nTATAAT,1\nCCGCC,0\n").unwrap();
/// # }
/// use genome_formats::DatasetDir;
///
/// let data = DatasetDir::open(dir)?;
/// assert_eq!(data.labels().names(), ["0", "1"]);
/// assert_eq!((data.train().rows.len(), data.dev().rows.len()), (2, 2));
/// let test = data.read_test()?;
/// assert_eq!(data.labels().encode(&test)?, [1, 0]);
/// # Ok::<(), genome_formats::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct DatasetDir {
    dir: PathBuf,
    train: LabelledFile,
    dev: LabelledFile,
    test: PathBuf,
    labels: LabelSet,
}

impl DatasetDir {
    /// Checks that the three files are there, reads train and dev, and checks their labels.
    ///
    /// # Errors
    ///
    /// A file is missing or broken, the training labels have a gap, or dev has a label that train has not.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self> {
        let dir = dir.as_ref();
        let train = find(dir, "train")?;
        let dev = find(dir, "dev")?;
        let test = find(dir, "test")?;
        let train = read_labelled(train)?;
        let labels = LabelSet::from_train(&train)?;
        let dev = read_labelled(dev)?;
        labels.encode(&dev)?;
        Ok(Self { dir: dir.to_owned(), train, dev, test, labels })
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The rows to learn from.
    pub fn train(&self) -> &LabelledFile {
        &self.train
    }

    /// The rows to choose a model by.
    pub fn dev(&self) -> &LabelledFile {
        &self.dev
    }

    /// The classes, as the training rows have them.
    pub fn labels(&self) -> &LabelSet {
        &self.labels
    }

    /// Reads the rows for the final report and checks their labels.
    ///
    /// # Errors
    ///
    /// The file is broken, or has a label that train has not.
    pub fn read_test(&self) -> Result<LabelledFile> {
        let test = read_labelled(&self.test)?;
        self.labels.encode(&test)?;
        Ok(test)
    }
}

/// The file of a split, plain before gzip.
pub(super) fn find(dir: &Path, split: &str) -> Result<PathBuf> {
    let name = |dir: &Path| dir.display().to_string();
    if !dir.is_dir() {
        let problem = if dir.exists() { "this is not a folder" } else { "no such folder" };
        return Err(Error::new(ErrorKind::MissingFile, name(dir), problem)
            .expecting("a folder with train.csv, dev.csv and test.csv"));
    }
    let plain = dir.join(format!("{split}.csv"));
    let gzip = dir.join(format!("{split}.csv.gz"));
    match [plain, gzip].into_iter().find(|p| p.is_file()) {
        Some(path) => Ok(path),
        None => Err(Error::new(ErrorKind::MissingFile, name(dir), format!("{split}.csv is missing"))
            .expecting("train.csv, dev.csv and test.csv, each plain or as .csv.gz")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const ROWS: &str = "sequence,label\nACGT,0\nTTTT,1\n";

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(dir.path().join(name), text).unwrap();
        }
        dir
    }

    #[test]
    fn a_missing_file_is_named() {
        let dir = folder(&[("train.csv", ROWS), ("test.csv", ROWS)]);
        let error = DatasetDir::open(dir.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::MissingFile);
        assert!(error.to_string().contains("dev.csv is missing"), "{error}");
        let error = DatasetDir::open(dir.path().join("train.csv")).unwrap_err();
        assert!(error.to_string().contains("not a folder"), "{error}");
        let error = DatasetDir::open(dir.path().join("none")).unwrap_err();
        assert!(error.to_string().contains("no such folder"), "{error}");
    }

    #[test]
    fn the_test_file_is_read_only_when_asked_for() {
        let dir = folder(&[("train.csv", ROWS), ("dev.csv", ROWS), ("test.csv", "broken")]);
        let data = DatasetDir::open(dir.path()).unwrap();
        assert_eq!(data.read_test().unwrap_err().kind(), ErrorKind::Header);
    }

    #[test]
    fn labels_must_be_known_from_train() {
        let other = "sequence,label\nACGT,0\n\nA,2\n";
        let dir = folder(&[("train.csv", ROWS), ("dev.csv", other), ("test.csv", ROWS)]);
        let error = DatasetDir::open(dir.path()).unwrap_err();
        assert_eq!((error.kind(), error.line()), (ErrorKind::Label, Some(4)));
        assert!(error.path().ends_with("dev.csv"));

        let dir = folder(&[("train.csv", ROWS), ("dev.csv", ROWS), ("test.csv", other)]);
        let error = DatasetDir::open(dir.path()).unwrap().read_test().unwrap_err();
        assert!(error.path().ends_with("test.csv"));
        assert_eq!(error.line(), Some(4));
    }

    #[test]
    fn a_label_gap_is_an_error() {
        let gap = "sequence,label\nACGT,0\nTTTT,2\n";
        let dir = folder(&[("train.csv", gap), ("dev.csv", ROWS), ("test.csv", ROWS)]);
        let error = DatasetDir::open(dir.path()).unwrap_err();
        assert!(error.path().ends_with("train.csv"));
        assert!(error.to_string().contains("no row has the label 1"), "{error}");
    }
}
