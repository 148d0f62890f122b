//! Reads every file of a folder and tells what was accepted and what was refused, and why.
//!
//! ```text
//! cargo run --release -p genome-formats --example conformance -- DIR [--lenient] [--json]
//! ```
//!
//! A set is a folder with files. A file is held to be broken on purpose where its folder is called `failed` or its name starts
//! with `error_`, and to be valid where its folder is called `passed` or `expected_counts.tsv` (in DIR or above it) gives a count
//! of records for it. Of other files it is only told whether they were read. The format is the one that the ending names, else
//! the one that the content shows; files of no known format are left out.
//!
//! Without `--json`, a report for people: for each set how many valid files were read, how many with the expected count, how many
//! broken ones were refused, and the first reasons. With it, one object a file: `path`, `format`, `accepted`, `records` (how many
//! were read, up to the error if there is one), `error`.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};

use genome_formats::{Format, Input, Mode, ReadOptions, Records};

/// Reasons that the report shows for each set.
const REASONS: usize = 3;

fn main() -> Result<(), Box<dyn Error>> {
    let (mut dir, mut mode, mut json) = (None, Mode::Strict, false);
    for arg in std::env::args().skip(1) {
        match arg.as_str() {
            "--strict" => mode = Mode::Strict,
            "--lenient" => mode = Mode::Lenient,
            "--json" => json = true,
            _ if arg.starts_with("--") || dir.is_some() => return Err(format!("unknown argument {arg}").into()),
            _ => dir = Some(PathBuf::from(arg)),
        }
    }
    let dir = dir.ok_or("usage: conformance DIR [--lenient] [--json]")?;
    let expected = Expected::find(&dir)?;
    let mut files = Vec::new();
    list(&dir, &mut files)?;
    files.sort();

    let mut out = std::io::stdout().lock();
    let mut sets: BTreeMap<PathBuf, Set> = BTreeMap::new();
    for path in files {
        let Some(format) = format_of(&path) else { continue };
        let (records, error) = read(&path, format, mode);
        let shown = path.strip_prefix(&dir).unwrap_or(&path);
        if json {
            let object = serde_json::json!({
                "path": shown.display().to_string(),
                "format": format.to_string(),
                "accepted": error.is_none(),
                "records": records,
                "error": error,
            });
            writeln!(out, "{object}")?;
        } else {
            let verdict = expected.verdict(&path);
            let set = sets.entry(shown.parent().unwrap_or(Path::new("")).to_owned()).or_default();
            set.add(shown, verdict, records, error);
        }
    }
    if !json {
        for (name, set) in &sets {
            set.print(&mut out, name)?;
        }
        let mut total = Set::default();
        sets.into_values().for_each(|set| total.merge(set));
        total.reasons.clear();
        total.print(&mut out, Path::new("all sets"))?;
    }
    Ok(())
}

fn list(dir: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            list(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// The format by the ending, else by the content; `None` for licences, tables and the like. `.gff` may be any of three, which
/// the content tells.
fn format_of(path: &Path) -> Option<Format> {
    let content = || Input::open(path).and_then(|input| input.format()).ok();
    let dialects = [Format::Gff3, Format::Gtf, Format::Gff2];
    match Format::from_name(&path.to_string_lossy()) {
        Some(format) if dialects.contains(&format) => content().filter(|f| dialects.contains(f)).or(Some(format)),
        Some(format) => Some(format),
        None => content(),
    }
}

/// How many records were read, and the error that ended it.
fn read(path: &Path, format: Format, mode: Mode) -> (u64, Option<String>) {
    let options = ReadOptions { mode, format: Some(format), ..ReadOptions::default() };
    let mut records = match Records::open_with(path, &options) {
        Ok(records) => records,
        Err(error) => return (0, Some(error.to_string())),
    };
    let mut count = 0;
    for record in &mut records {
        match record {
            Ok(_) => count += 1,
            Err(error) => return (count, Some(error.to_string())),
        }
    }
    (count, None)
}

/// What is known of a file.
#[derive(Clone, Copy)]
enum Verdict {
    /// With the number of records, where it is known.
    Valid(Option<u64>),
    Invalid,
    Unknown,
}

/// `expected_counts.tsv`: path, oracle, records (-1: the oracle failed), details.
struct Expected {
    root: PathBuf,
    counts: BTreeMap<PathBuf, i64>,
}

impl Expected {
    /// Looks in the folder and above it.
    fn find(dir: &Path) -> Result<Self, Box<dyn Error>> {
        for root in dir.canonicalize()?.ancestors() {
            let Ok(table) = std::fs::read_to_string(root.join("expected_counts.tsv")) else { continue };
            let row = |line: &str| {
                let mut fields = line.split('\t');
                Some((PathBuf::from(fields.next()?), fields.nth(1)?.parse().ok()?))
            };
            return Ok(Self { root: root.to_owned(), counts: table.lines().filter_map(row).collect() });
        }
        Ok(Self { root: PathBuf::new(), counts: BTreeMap::new() })
    }

    fn verdict(&self, path: &Path) -> Verdict {
        let inside = path.canonicalize().ok().and_then(|p| p.strip_prefix(&self.root).map(Path::to_owned).ok());
        let count = inside.and_then(|p| self.counts.get(&p).copied());
        let named = |name: &str| path.parent().is_some_and(|p| p.components().any(|c| c.as_os_str() == name));
        let broken = path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("error_"));
        match count {
            _ if named("failed") || broken => Verdict::Invalid,
            Some(-1) => Verdict::Unknown,
            Some(n) => Verdict::Valid(u64::try_from(n).ok()),
            None if named("passed") => Verdict::Valid(None),
            None => Verdict::Unknown,
        }
    }
}

#[derive(Default)]
struct Set {
    valid: u64,
    read: u64,
    counted: u64,
    counted_right: u64,
    invalid: u64,
    refused: u64,
    other: u64,
    other_read: u64,
    /// Valid files that were refused or counted otherwise, and broken ones that were accepted.
    surprises: Vec<String>,
    reasons: Vec<String>,
}

impl Set {
    fn add(&mut self, path: &Path, verdict: Verdict, records: u64, error: Option<String>) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        match verdict {
            Verdict::Valid(count) => {
                self.valid += 1;
                self.read += u64::from(error.is_none());
                self.counted += u64::from(count.is_some());
                self.counted_right += u64::from(error.is_none() && count == Some(records));
                match (&error, count) {
                    (Some(error), _) => self.surprises.push(format!("valid but refused: {error}")),
                    (None, Some(n)) if n != records => {
                        self.surprises.push(format!("{name}: {records} records, expected {n}"));
                    }
                    _ => {}
                }
            }
            Verdict::Invalid => {
                self.invalid += 1;
                self.refused += u64::from(error.is_some());
                match error {
                    Some(error) => self.reasons.push(error),
                    None => self.surprises.push(format!("{name}: broken but accepted")),
                }
            }
            Verdict::Unknown => {
                self.other += 1;
                self.other_read += u64::from(error.is_none());
                self.reasons.extend(error);
            }
        }
    }

    fn merge(&mut self, other: Self) {
        self.valid += other.valid;
        self.read += other.read;
        self.counted += other.counted;
        self.counted_right += other.counted_right;
        self.invalid += other.invalid;
        self.refused += other.refused;
        self.other += other.other;
        self.other_read += other.other_read;
    }

    fn print(&self, out: &mut impl Write, name: &Path) -> std::io::Result<()> {
        write!(out, "{}:", name.display())?;
        let mut parts = Vec::new();
        if self.valid > 0 {
            parts.push(format!("{} of {} valid files read", self.read, self.valid));
        }
        if self.counted > 0 {
            parts.push(format!("{} of {} counted right", self.counted_right, self.counted));
        }
        if self.invalid > 0 {
            parts.push(format!("{} of {} invalid files refused", self.refused, self.invalid));
        }
        if self.other > 0 {
            parts.push(format!("{} of {} other files read", self.other_read, self.other));
        }
        writeln!(out, " {}", parts.join(", "))?;
        for surprise in &self.surprises {
            writeln!(out, "    ! {surprise}")?;
        }
        for reason in self.reasons.iter().take(REASONS) {
            writeln!(out, "    - {reason}")?;
        }
        if self.reasons.len() > REASONS {
            writeln!(out, "    - and {} more", self.reasons.len() - REASONS)?;
        }
        Ok(())
    }
}
