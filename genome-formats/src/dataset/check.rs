//! Leakage: what train, dev and test of an existing data set share.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Split;
use super::dir::find;
use super::minhash::{Near, Sketches, jaccard, kmer_set};
use crate::alphabet::reverse_complement;
use crate::error::Result;
use crate::labelled::{LabelledFile, read_labelled};

/// What [`check_with`] looks for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CheckOptions {
    /// When two sequences are near duplicates; `None` does not look for them.
    pub near: Option<Near>,
    /// Examples that each finding lists at most. Default 5.
    pub examples: usize,
}

impl Default for CheckOptions {
    fn default() -> Self {
        Self { near: Some(Near::default()), examples: 5 }
    }
}

/// What an existing data set gives away from one split to another, and where it contradicts itself.
///
/// All comparisons ignore case. Every count is in distinct sequences, so three copies of a training row in dev are one
/// leak; the `rows` beside it say how many rows of a split are touched. [`Display`](fmt::Display) is for people, serde for
/// programs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LeakReport {
    /// Version of this layout.
    pub report_version: u32,
    /// The folder as it was named.
    pub folder: String,
    /// What a near duplicate is, where they were looked for.
    pub near: Option<Near>,
    /// Train, dev and test by themselves.
    pub splits: Vec<SplitReport>,
    /// train&dev, train&test, dev&test.
    pub pairs: Vec<PairReport>,
    /// Sequences that stand with more than one label, anywhere in the set.
    pub label_conflicts: LabelConflicts,
}

/// One split by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SplitReport {
    /// Which one.
    pub split: Split,
    /// Its file.
    pub file: String,
    /// Rows of the file.
    pub rows: u64,
    /// Distinct sequences.
    pub distinct: u64,
    /// Sequences that stand in more than one row.
    pub exact: Finding,
    /// Pairs of a sequence and its reverse complement.
    pub reverse_complement: Finding,
    /// Sequences (a reverse complement is the same) with a near duplicate in this split.
    pub near: Option<Finding>,
}

/// Two splits against each other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PairReport {
    /// The split that should know nothing of the other.
    pub first: Split,
    /// The other one.
    pub second: Split,
    /// Sequences in both.
    pub exact: Finding,
    /// Sequences in one whose reverse complement is in the other; those that are shared as they are do not count again.
    pub reverse_complement: Finding,
    /// Sequences of `second` with a near duplicate in `first`; exact and reverse-complement duplicates do not count again.
    pub near: Option<Finding>,
}

/// How often something was found, and where.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Distinct sequences.
    pub sequences: u64,
    /// Rows of the first split that have one of them; for near duplicates, 0: only the second split is counted.
    pub first_rows: u64,
    /// Rows of the second split that have one of them (the same split within one split).
    pub second_rows: u64,
    /// The first few, by row.
    pub examples: Vec<Example>,
}

/// Two rows that belong together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Example {
    /// Line in the first file, from 1 (the header).
    pub first_line: u64,
    /// Line in the second file.
    pub second_line: u64,
    /// Jaccard index of the k-mers, for near duplicates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub similarity: Option<f64>,
}

/// Sequences with more than one label. Labels are compared as text.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LabelConflicts {
    /// Distinct sequences with several labels.
    pub same_sequence: u64,
    /// Pairs of a sequence and its reverse complement without a label in common: legal where strands differ in meaning.
    pub reverse_complement: u64,
    /// The first few of the former.
    pub examples: Vec<LabelConflict>,
}

/// Two rows with one sequence and two labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabelConflict {
    /// Each row: split, line, label.
    pub rows: [(Split, u64, String); 2],
}

impl LeakReport {
    /// Whether no split knows a sequence of another one, in any of the ways that were looked for.
    pub fn is_clean(&self) -> bool {
        self.pairs.iter().all(|p| {
            p.exact.sequences + p.reverse_complement.sequences + p.near.as_ref().map_or(0, |n| n.sequences) == 0
        })
    }
}

/// Looks for leakage in a folder with `train.csv`, `dev.csv` and `test.csv`, with the default options.
///
/// Labels are compared as text, so sets for regression and with several labels are read too. The set is kept in memory.
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// # let dir = dir.path();
/// # std::fs::write(dir.join("train.csv"), "sequence,label\nTATAATCCGT,1\nCCGCCATTAC,0\n").unwrap();
/// # std::fs::write(dir.join("dev.csv"), "sequence,label\ntataatccgt,0\nGTAATGGCGG,0\n").unwrap();
/// # std::fs::write(dir.join("test.csv"), "sequence,label\nAAAAAAAAAA,0\n").unwrap();
/// let report = genome_formats::dataset::check(dir)?;
/// let train_dev = &report.pairs[0];
/// assert_eq!((train_dev.exact.sequences, train_dev.reverse_complement.sequences), (1, 1));
/// assert_eq!(report.label_conflicts.same_sequence, 1);
/// # Ok::<(), genome_formats::Error>(())
/// ```
///
/// # Errors
///
/// A file is missing or broken.
pub fn check(dir: impl AsRef<Path>) -> Result<LeakReport> {
    check_with(dir, CheckOptions::default())
}

/// Looks for leakage; see [`check`].
///
/// # Errors
///
/// A file is missing or broken, or the options mean nothing.
pub fn check_with(dir: impl AsRef<Path>, options: CheckOptions) -> Result<LeakReport> {
    let dir = dir.as_ref();
    if let Some(near) = options.near {
        near.check()?;
    }
    let paths = [find(dir, "train")?, find(dir, "dev")?, find(dir, "test")?];
    let [train, dev, test] = paths.map(read_labelled);
    let files = [train?, dev?, test?];
    let mut seen = Seen::new(&files);
    let near = options.near.map(|near| Neighbours::find(&seen, near));
    Ok(seen.report(dir.display().to_string(), options, near.as_ref()))
}

/// The three splits in the order of [`Split::ALL`].
type PerSplit<T> = [T; 3];

const PAIRS: [(usize, usize); 3] = [(0, 1), (0, 2), (1, 2)];

/// A distinct sequence.
#[derive(Debug)]
struct Sequence {
    letters: Vec<u8>,
    rows: PerSplit<u64>,
    /// Line of the first row in each split.
    line: PerSplit<u64>,
    /// Line of the second row in each split.
    again: PerSplit<u64>,
    /// Its labels, each with the row where it came first.
    labels: Vec<(String, usize, u64)>,
    /// The distinct sequence that is its reverse complement, if another one.
    partner: Option<usize>,
}

impl Sequence {
    fn is_in(&self, split: usize) -> bool {
        self.rows[split] > 0
    }
}

/// All distinct sequences in the order of their first rows.
#[derive(Debug)]
struct Seen<'a> {
    files: &'a PerSplit<LabelledFile>,
    sequences: Vec<Sequence>,
}

impl<'a> Seen<'a> {
    fn new(files: &'a PerSplit<LabelledFile>) -> Self {
        let mut index: HashMap<Vec<u8>, usize> = HashMap::new();
        let mut sequences: Vec<Sequence> = Vec::new();
        for (split, file) in files.iter().enumerate() {
            for row in &file.rows {
                let letters = row.sequence.to_ascii_uppercase();
                let at = match index.entry(letters) {
                    Entry::Occupied(entry) => *entry.get(),
                    Entry::Vacant(entry) => {
                        let letters = entry.key().clone();
                        let (rows, line, again) = Default::default();
                        sequences.push(Sequence { letters, rows, line, again, labels: Vec::new(), partner: None });
                        *entry.insert(sequences.len() - 1)
                    }
                };
                let sequence = &mut sequences[at];
                match sequence.rows[split] {
                    0 => sequence.line[split] = row.line,
                    1 => sequence.again[split] = row.line,
                    _ => {}
                }
                sequence.rows[split] += 1;
                if sequence.labels.iter().all(|(label, ..)| *label != row.label) {
                    sequence.labels.push((row.label.clone(), split, row.line));
                }
            }
        }
        for (i, sequence) in sequences.iter_mut().enumerate() {
            sequence.partner = index.get(&reverse_complement(&sequence.letters)).copied().filter(|&p| p != i);
        }
        Self { files, sequences }
    }

    /// A sequence or its reverse complement, whichever came first, and the other one.
    fn classes(&self) -> impl Iterator<Item = (usize, &Sequence, Option<&Sequence>)> {
        self.sequences.iter().enumerate().filter_map(|(i, s)| match s.partner {
            Some(p) if p < i => None,
            partner => Some((i, s, partner.map(|p| &self.sequences[p]))),
        })
    }

    fn report(&mut self, folder: String, options: CheckOptions, near: Option<&Neighbours>) -> LeakReport {
        let most = options.examples;
        LeakReport {
            report_version: 1,
            folder,
            near: options.near,
            splits: (0..3).map(|split| self.within(split, most, near)).collect(),
            pairs: PAIRS.iter().map(|&(a, b)| self.between(a, b, most, near)).collect(),
            label_conflicts: self.label_conflicts(most),
        }
    }

    fn within(&self, split: usize, most: usize, near: Option<&Neighbours>) -> SplitReport {
        let mut exact = Finding::default();
        for s in self.sequences.iter().filter(|s| s.rows[split] > 1) {
            exact.note((s.rows[split], s.rows[split]), (s.line[split], s.again[split]), None);
        }
        let mut reverse_complement = Finding::default();
        for (_, s, partner) in self.classes() {
            if let Some(p) = partner
                && s.is_in(split)
                && p.is_in(split)
            {
                let rows = s.rows[split] + p.rows[split];
                reverse_complement.note((rows, rows), (s.line[split], p.line[split]), None);
            }
        }
        let near = near.map(|near| {
            let mut finding = Finding::default();
            for (i, s, partner) in self.classes() {
                let Some((other, similarity)) = near.get(i, split) else { continue };
                let (rows, line) = rows_and_line(s, partner, split);
                if rows > 0 {
                    finding.note((rows, rows), (line, self.class_line(other, split)), Some(similarity));
                }
            }
            finding.cut(most)
        });
        SplitReport {
            split: Split::ALL[split],
            file: self.files[split].name.clone(),
            rows: self.files[split].rows.len() as u64,
            distinct: self.sequences.iter().filter(|s| s.is_in(split)).count() as u64,
            exact: exact.cut(most),
            reverse_complement: reverse_complement.cut(most),
            near,
        }
    }

    fn between(&self, a: usize, b: usize, most: usize, near: Option<&Neighbours>) -> PairReport {
        let mut exact = Finding::default();
        for s in self.sequences.iter().filter(|s| s.is_in(a) && s.is_in(b)) {
            exact.note((s.rows[a], s.rows[b]), (s.line[a], s.line[b]), None);
        }
        let mut reverse_complement = Finding::default();
        let mut nearly = near.map(|_| Finding::default());
        for (i, s, partner) in self.classes() {
            let shared = |s: &Sequence| s.is_in(a) && s.is_in(b);
            let (first_rows, first_line) = rows_and_line(s, partner, a);
            let (second_rows, second_line) = rows_and_line(s, partner, b);
            if first_rows > 0 && second_rows > 0 {
                if !shared(s) && !partner.is_some_and(shared) {
                    reverse_complement.note((first_rows, second_rows), (first_line, second_line), None);
                }
            } else if second_rows > 0
                && let (Some(finding), Some((other, similarity))) = (&mut nearly, near.and_then(|n| n.get(i, a)))
            {
                finding.note((0, second_rows), (self.class_line(other, a), second_line), Some(similarity));
            }
        }
        PairReport {
            first: Split::ALL[a],
            second: Split::ALL[b],
            exact: exact.cut(most),
            reverse_complement: reverse_complement.cut(most),
            near: nearly.map(|n| n.cut(most)),
        }
    }

    fn class_line(&self, i: usize, split: usize) -> u64 {
        let s = &self.sequences[i];
        rows_and_line(s, s.partner.map(|p| &self.sequences[p]), split).1
    }

    fn label_conflicts(&self, most: usize) -> LabelConflicts {
        let mut conflicts = LabelConflicts::default();
        for s in self.sequences.iter().filter(|s| s.labels.len() > 1) {
            conflicts.same_sequence += 1;
            if conflicts.examples.len() < most {
                let row = |(label, split, line): &(String, usize, u64)| (Split::ALL[*split], *line, label.clone());
                conflicts.examples.push(LabelConflict { rows: [row(&s.labels[0]), row(&s.labels[1])] });
            }
        }
        for (_, s, partner) in self.classes() {
            let labels = |s: &Sequence| s.labels.iter().map(|(label, ..)| label.clone()).collect::<BTreeSet<_>>();
            if partner.is_some_and(|p| labels(s).is_disjoint(&labels(p))) {
                conflicts.reverse_complement += 1;
            }
        }
        conflicts
    }
}

/// Rows of a class in a split, and the line of the first one.
fn rows_and_line(s: &Sequence, partner: Option<&Sequence>, split: usize) -> (u64, u64) {
    let both = [Some(s), partner].into_iter().flatten().filter(|s| s.is_in(split));
    both.fold((0, 0), |(rows, line), s| {
        let first = if rows == 0 { s.line[split] } else { line.min(s.line[split]) };
        (rows + s.rows[split], first)
    })
}

impl Finding {
    fn note(&mut self, rows: (u64, u64), lines: (u64, u64), similarity: Option<f64>) {
        self.sequences += 1;
        self.first_rows += rows.0;
        self.second_rows += rows.1;
        self.examples.push(Example { first_line: lines.0, second_line: lines.1, similarity });
    }

    fn cut(mut self, most: usize) -> Self {
        self.examples.sort_by_key(|e| (e.second_line, e.first_line));
        self.examples.truncate(most);
        self
    }
}

/// For each class, by the number of its sequence, and each split: another class in that split that is near.
#[derive(Debug)]
struct Neighbours(HashMap<usize, PerSplit<Option<(usize, f64)>>>);

impl Neighbours {
    fn get(&self, class: usize, split: usize) -> Option<(usize, f64)> {
        self.0.get(&class)?[split]
    }

    fn find(seen: &Seen<'_>, near: Near) -> Self {
        let mut sketches = Sketches::new(near);
        let mut classes = Vec::new();
        for (i, s, partner) in seen.classes() {
            sketches.push(&s.letters);
            classes.push((i, std::array::from_fn::<bool, 3, _>(|split| rows_and_line(s, partner, split).0 > 0)));
        }
        let mut found: HashMap<usize, PerSplit<Option<(usize, f64)>>> = HashMap::new();
        let (mut set_a, mut set_b) = (Vec::new(), Vec::new());
        for bucket in sketches.buckets().iter() {
            for (n, &a) in bucket.iter().enumerate() {
                let (class_a, in_a) = classes[a as usize];
                set_a.clear();
                for &b in &bucket[n + 1..] {
                    let (class_b, in_b) = classes[b as usize];
                    // Worth a comparison while one of the two has no neighbour yet in a split of the other.
                    let lacks = |class: usize, other: PerSplit<bool>| match found.get(&class) {
                        None => true,
                        Some(known) => (0..3).any(|split| other[split] && known[split].is_none()),
                    };
                    if !(lacks(class_a, in_b) || lacks(class_b, in_a)) || !sketches.is_likely(a as usize, b as usize) {
                        continue;
                    }
                    if set_a.is_empty() {
                        kmer_set(&seen.sequences[class_a].letters, near.k, &mut set_a);
                    }
                    kmer_set(&seen.sequences[class_b].letters, near.k, &mut set_b);
                    let similarity = jaccard(&set_a, &set_b);
                    if similarity < near.threshold {
                        continue;
                    }
                    for (class, other, splits) in [(class_a, class_b, in_b), (class_b, class_a, in_a)] {
                        let known = found.entry(class).or_default();
                        for split in (0..3).filter(|&split| splits[split]) {
                            known[split].get_or_insert((other, similarity));
                        }
                    }
                }
            }
        }
        Self(found)
    }
}

impl fmt::Display for LeakReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.folder)?;
        write!(f, "{:<32}", "within a split")?;
        self.splits.iter().try_for_each(|s| write!(f, "{:>12}", s.split.name()))?;
        let row = |f: &mut fmt::Formatter<'_>, name: &str, value: &dyn Fn(&SplitReport) -> u64| {
            write!(f, "\n  {name:<30}")?;
            self.splits.iter().try_for_each(|s| write!(f, "{:>12}", value(s)))
        };
        row(f, "rows", &|s| s.rows)?;
        row(f, "distinct sequences", &|s| s.distinct)?;
        row(f, "in several rows", &|s| s.exact.sequences)?;
        row(f, "with reverse complement", &|s| s.reverse_complement.sequences)?;
        let near_name = self.near.map(|n| format!("near duplicates ({}-mers, {})", n.k, n.threshold));
        if let Some(name) = &near_name {
            row(f, name, &|s| s.near.as_ref().map_or(0, |n| n.sequences))?;
        }

        write!(f, "\n{:<32}", "across splits")?;
        self.pairs.iter().try_for_each(|p| write!(f, "{:>12}", format!("{}&{}", p.first.name(), p.second.name())))?;
        let row = |f: &mut fmt::Formatter<'_>, name: &str, value: &dyn Fn(&PairReport) -> u64| {
            write!(f, "\n  {name:<30}")?;
            self.pairs.iter().try_for_each(|p| write!(f, "{:>12}", value(p)))
        };
        row(f, "exact duplicates", &|p| p.exact.sequences)?;
        row(f, "reverse complements", &|p| p.reverse_complement.sequences)?;
        if let Some(name) = &near_name {
            row(f, name, &|p| p.near.as_ref().map_or(0, |n| n.sequences))?;
        }
        writeln!(f)?;
        for pair in &self.pairs {
            let kinds = [("exact", Some(&pair.exact)), ("reverse complement", Some(&pair.reverse_complement))];
            for (kind, finding) in kinds.into_iter().chain([("near", pair.near.as_ref())]) {
                for e in finding.map_or(&[][..], |finding| &finding.examples) {
                    let (first, second) = (pair.first.name(), pair.second.name());
                    write!(f, "  {kind}: {second} line {}, {first} line {}", e.second_line, e.first_line)?;
                    match e.similarity {
                        Some(similarity) => writeln!(f, " ({similarity:.2})")?,
                        None => writeln!(f)?,
                    }
                }
            }
        }
        let c = &self.label_conflicts;
        writeln!(f, "one sequence, several labels: {}", c.same_sequence)?;
        for LabelConflict { rows: [a, b] } in &c.examples {
            let name = |row: &(Split, u64, String)| format!("{} line {} {:?}", row.0.name(), row.1, row.2);
            writeln!(f, "  {}, {}", name(a), name(b))?;
        }
        write!(f, "reverse complements without a common label: {}", c.reverse_complement)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn report(train: &str, dev: &str, test: &str) -> LeakReport {
        let dir = tempfile::tempdir().unwrap();
        for (name, rows) in [("train", train), ("dev", dev), ("test", test)] {
            let rows: String = rows.split(' ').map(|r| format!("{}\n", r.replace('=', ","))).collect();
            fs::write(dir.path().join(format!("{name}.csv")), format!("sequence,label\n{rows}")).unwrap();
        }
        let mut report = check(dir.path()).unwrap();
        report.folder = "set".into();
        for split in &mut report.splits {
            split.file = format!("{}.csv", split.split.name());
        }
        report
    }

    const LONG: &str = "ACGTTGCATGTCAGGATCCATTTAGCGCGATATTCCGAGATTACAGGCACGTAACCTTGAGG";

    #[test]
    fn duplicates_count_once_for_each_sequence() {
        // AACC's reverse complement is GGTT. dev has AACC twice, in two cases.
        let r = report("AACC=1 AACC=1 GGTT=0 TTTT=0", "AACC=1 aacc=0 AAAA=0", "GGTT=0 CCCC=1");
        let counts = |f: &Finding| (f.sequences, f.first_rows, f.second_rows);
        let [td, tt, dt] = &r.pairs[..] else { panic!() };
        assert_eq!(counts(&td.exact), (1, 2, 2));
        assert_eq!(td.exact.examples, [Example { first_line: 2, second_line: 2, similarity: None }]);
        // TTTT and AAAA; AACC and GGTT are shared as they are.
        assert_eq!(counts(&td.reverse_complement), (1, 1, 1));
        assert_eq!(td.reverse_complement.examples[0].first_line, 5);
        assert_eq!((counts(&tt.exact), counts(&tt.reverse_complement)), ((1, 1, 1), (0, 0, 0)));
        assert_eq!((counts(&dt.exact), counts(&dt.reverse_complement)), ((0, 0, 0), (1, 2, 1)));
        let [train, dev, _] = &r.splits[..] else { panic!() };
        assert_eq!((train.rows, train.distinct), (4, 3));
        assert_eq!((counts(&train.exact), counts(&dev.exact)), ((1, 2, 2), (1, 2, 2)));
        assert_eq!(train.exact.examples, [Example { first_line: 2, second_line: 3, similarity: None }]);
        assert_eq!(counts(&train.reverse_complement), (1, 3, 3));
        // aacc has 1 and 0; the pairs AACC GGTT (1 0, 0) and TTTT AAAA (0, 0) agree.
        assert_eq!((r.label_conflicts.same_sequence, r.label_conflicts.reverse_complement), (1, 0));
        assert_eq!(r.label_conflicts.examples[0].rows[1], (Split::Dev, 3, "0".into()));
        assert!(!r.is_clean());
    }

    #[test]
    fn near_duplicates_are_those_of_either_strand() {
        let mut changed = reverse_complement(LONG.as_bytes());
        changed[30] = if changed[30] == b'A' { b'C' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        let r = report(&format!("{LONG}=1 TTTT=0"), &format!("{changed}=1"), &format!("{}=1", &LONG[1..]));
        let near: Vec<u64> = r.pairs.iter().map(|p| p.near.as_ref().unwrap().sequences).collect();
        assert_eq!(near, [1, 1, 1]);
        let example = &r.pairs[0].near.as_ref().unwrap().examples[0];
        assert_eq!((example.first_line, example.second_line), (2, 2));
        // 39 of 61 k-mers.
        assert!((0.5..0.8).contains(&example.similarity.unwrap()), "{example:?}");
        assert_eq!(r.splits[0].near.as_ref().unwrap().sequences, 0);
    }

    #[test]
    fn the_report_reads_well_and_survives_json() {
        let r = report("AACC=1 TTTT=0.5", "AACC=0;1", "GGTT=x");
        assert_eq!(
            r.to_string(),
            "\
set
within a split                         train         dev        test
  rows                                     2           1           1
  distinct sequences                       2           1           1
  in several rows                          0           0           0
  with reverse complement                  0           0           0
  near duplicates (11-mers, 0.5)           0           0           0
across splits                      train&dev  train&test    dev&test
  exact duplicates                         1           0           0
  reverse complements                      0           1           1
  near duplicates (11-mers, 0.5)           0           0           0
  exact: dev line 2, train line 2
  reverse complement: test line 2, train line 2
  reverse complement: test line 2, dev line 2
one sequence, several labels: 1
  train line 2 \"1\", dev line 2 \"0;1\"
reverse complements without a common label: 1"
        );
        let json = serde_json::to_string(&r).unwrap();
        assert_eq!(serde_json::from_str::<LeakReport>(&json).unwrap(), r);
    }

    #[test]
    fn near_duplicates_and_examples_are_optional() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["train.csv", "dev.csv", "test.csv"] {
            fs::write(dir.path().join(name), "sequence,label\nACGT,0\n").unwrap();
        }
        let r = check_with(dir.path(), CheckOptions { near: None, examples: 0 }).unwrap();
        assert!(r.pairs.iter().all(|p| p.near.is_none() && p.exact.sequences == 1 && p.exact.examples.is_empty()));
        assert!(!r.to_string().contains("near"));
        let near = Some(Near { k: 40, threshold: 0.5 });
        let error = check_with(dir.path(), CheckOptions { near, examples: 0 }).unwrap_err();
        assert!(error.to_string().contains("near duplicates by 40-mers"), "{error}");
    }

    #[test]
    fn a_clean_set_is_clean() {
        assert!(report(&format!("{LONG}=1"), "AAAACC=0", "CCCCAG=1").is_clean());
    }
}
