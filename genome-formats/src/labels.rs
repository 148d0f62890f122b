//! Class names of a data set, and their numbers.

use std::collections::{BTreeSet, HashMap};

use crate::error::{Error, ErrorKind, Result, quote};
use crate::labelled::{Labelled, LabelledFile};

/// Class names an error lists before it only counts them.
const LISTED: usize = 8;

/// The classes of a data set: names to numbers `0..len` and back.
///
/// Labels that are all whole numbers must be `0..n` without a gap and keep their numbers; any other labels are numbered
/// in the order of their names.
///
/// ```
/// use genome_formats::{Input, LabelSet, Limits, read_labelled_input};
///
/// let read = |name: &str, text: &'static str| read_labelled_input(Input::from_bytes(name, text)?, Limits::default());
/// let train = read("train.csv", "sequence,label\nA,1\nC,0\n")?;
/// let labels = LabelSet::from_train(&train)?;
/// assert_eq!(labels.names(), ["0", "1"]);
/// assert_eq!(labels.encode(&train)?, [1, 0]);
///
/// let dev = read("dev.csv", "sequence,label\nA,7\n")?;
/// assert_eq!(
///     labels.encode(&dev).unwrap_err().to_string(),
///     r#"dev.csv:2: unknown label: expected one of "0", "1" as in train.csv, found "7""#,
/// );
/// # Ok::<(), genome_formats::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelSet {
    /// The training file, for errors.
    source: String,
    names: Vec<String>,
    index: HashMap<String, usize>,
}

impl LabelSet {
    /// Takes the classes from the training rows.
    ///
    /// # Errors
    ///
    /// The labels are whole numbers with a gap: `{0, 2}` without 1, or without 0.
    pub fn from_train(train: &LabelledFile) -> Result<Self> {
        let distinct: BTreeSet<&str> = train.rows.iter().map(|r| r.label.as_str()).collect();
        let numbers: Option<BTreeSet<u64>> = distinct.iter().map(|l| whole_number(l)).collect();
        let names: Vec<String> = match numbers {
            Some(numbers) => {
                check_gaps(train, &numbers)?;
                numbers.iter().map(u64::to_string).collect()
            }
            None => distinct.into_iter().map(str::to_owned).collect(),
        };
        Ok(Self::from_names(&train.name, names))
    }

    /// Classes in a fixed order, for example from a saved model; `source` is the file that errors blame.
    pub fn from_names(source: impl Into<String>, names: Vec<String>) -> Self {
        let index = names.iter().enumerate().map(|(i, n)| (n.clone(), i)).collect();
        Self { source: source.into(), names, index }
    }

    /// How many classes there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are no classes.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The names, by number.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The name of a class.
    pub fn name(&self, index: usize) -> Option<&str> {
        self.names.get(index).map(String::as_str)
    }

    /// The number of a class.
    pub fn index(&self, name: &str) -> Option<usize> {
        self.index.get(name).copied()
    }

    /// The class numbers of all rows of a file.
    ///
    /// # Errors
    ///
    /// A row has a label that the training rows do not have; the error gives its file and line.
    pub fn encode(&self, file: &LabelledFile) -> Result<Vec<usize>> {
        file.rows.iter().map(|row| self.encode_row(&file.name, row)).collect()
    }

    fn encode_row(&self, file: &str, row: &Labelled) -> Result<usize> {
        self.index(&row.label).ok_or_else(|| {
            let mut known: Vec<String> = self.names.iter().take(LISTED).map(|n| quote(n.as_bytes())).collect();
            if self.names.len() > LISTED {
                known.push(format!("... ({} in all)", self.names.len()));
            }
            Error::new(ErrorKind::Label, file, "unknown label")
                .at_line(row.line)
                .expecting(format!("one of {} as in {}", known.join(", "), self.source))
                .finding(quote(row.label.as_bytes()))
        })
    }
}

/// The number that a label writes in the usual way: no sign, no leading zero.
pub(crate) fn whole_number(label: &str) -> Option<u64> {
    let number: u64 = label.parse().ok()?;
    (number.to_string() == label).then_some(number)
}

fn check_gaps(train: &LabelledFile, numbers: &BTreeSet<u64>) -> Result<()> {
    let Some((missing, above)) = (0..).zip(numbers).find(|(i, n)| i != *n) else {
        return Ok(());
    };
    let line = train.rows.iter().find(|r| whole_number(&r.label) == Some(*above)).map_or(1, |r| r.line);
    Err(Error::new(ErrorKind::Label, &train.name, format!("label gap: no row has the label {missing}"))
        .at_line(line)
        .expecting("labels 0, 1, 2, ... without a gap")
        .finding(format!("label {above}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn train(labels: &[&str]) -> LabelledFile {
        let row = |(i, label): (usize, &&str)| Labelled {
            sequence: b"A".to_vec(),
            label: (*label).into(),
            line: i as u64 + 2,
        };
        LabelledFile { name: "train.csv".into(), rows: labels.iter().enumerate().map(row).collect() }
    }

    #[test]
    fn numbers_keep_their_order() {
        let labels: Vec<String> = (0..12).rev().map(|i| i.to_string()).collect();
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        let set = LabelSet::from_train(&train(&labels)).unwrap();
        assert_eq!((set.index("2"), set.index("10"), set.len()), (Some(2), Some(10), 12));
        assert_eq!((set.name(11), set.name(12)), (Some("11"), None));
    }

    #[test]
    fn other_labels_are_sorted_by_name() {
        let check = |labels: &[&str], names: &[&str]| {
            assert_eq!(LabelSet::from_train(&train(labels)).unwrap().names(), names);
        };
        check(&["pos", "neg", "pos"], &["neg", "pos"]);
        check(&["2", "0", "x"], &["0", "2", "x"]);
        check(&["01", "1"], &["01", "1"]);
        check(&["-1", "1"], &["-1", "1"]);
    }

    #[test]
    fn a_gap_names_the_missing_label() {
        let check = |labels: &[&str], expected: &str| {
            let error = LabelSet::from_train(&train(labels)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Label);
            assert_eq!(error.to_string(), expected);
        };
        let rule = "expected labels 0, 1, 2, ... without a gap";
        check(&["0", "2"], &format!("train.csv:3: label gap: no row has the label 1: {rule}, found label 2"));
        check(&["2", "1"], &format!("train.csv:3: label gap: no row has the label 0: {rule}, found label 1"));
        check(
            &["0", "18446744073709551615"],
            &format!("train.csv:3: label gap: no row has the label 1: {rule}, found label 18446744073709551615"),
        );
    }

    #[test]
    fn long_lists_of_classes_are_cut() {
        let names: Vec<String> = (0..40).map(|i| format!("c{i}")).collect();
        let set = LabelSet::from_names("labels.txt", names);
        let error = set.encode(&train(&["c1", "other"])).unwrap_err().to_string();
        assert!(error.contains("... (40 in all) as in labels.txt, found \"other\""), "{error}");
    }
}
