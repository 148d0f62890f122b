//! What every reader carries: strict or lenient, the limits, what was forgiven, and whether it failed.

use std::collections::BTreeMap;
use std::fmt;

use crate::error::{Error, ErrorKind, Result};
use crate::input::Limits;

/// How a reader treats text that breaks the rules of its format but can be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Mode {
    /// Every broken rule is an error.
    #[default]
    Strict,
    /// A broken rule whose meaning is clear is counted in [`Forgiven`] and read; what cannot be understood stays an error.
    Lenient,
}

/// What a lenient reader let pass: each rule with how often it was broken, and where first.
///
/// ```
/// use genome_formats::Forgiven;
///
/// let none = Forgiven::default();
/// assert_eq!((none.total(), none.to_string()), (0, "nothing was forgiven".to_owned()));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forgiven {
    rules: BTreeMap<&'static str, (u64, String)>,
}

impl Forgiven {
    /// How many times a rule was broken.
    pub fn total(&self) -> u64 {
        self.rules.values().map(|(n, _)| n).sum()
    }

    /// One more break of a rule; `first` is the error that a strict reader would have given.
    pub(crate) fn add(&mut self, rule: &'static str, first: impl FnOnce() -> String) {
        self.rules.entry(rule).or_insert_with(|| (0, first())).0 += 1;
    }

    /// Each broken rule: its name, how often, and the error that a strict reader would have given first.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64, &str)> {
        self.rules.iter().map(|(rule, (n, first))| (*rule, *n, first.as_str()))
    }
}

impl fmt::Display for Forgiven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rules.is_empty() {
            return f.write_str("nothing was forgiven");
        }
        for (i, (rule, n, first)) in self.iter().enumerate() {
            let comma = if i == 0 { "" } else { "; " };
            write!(f, "{comma}{rule}: {n} times, first {first}")?;
        }
        Ok(())
    }
}

/// The part of a reader's state that is the same in all of them.
#[derive(Debug, Default)]
pub(crate) struct Guard {
    pub(crate) mode: Mode,
    pub(crate) limits: Limits,
    pub(crate) forgiven: Forgiven,
    /// Records given so far.
    pub(crate) records: u64,
    failed: bool,
}

impl Guard {
    pub(crate) fn is_lenient(&self) -> bool {
        self.mode == Mode::Lenient
    }

    /// A broken rule that can be understood: the error in strict mode; counted under `rule` in lenient mode.
    #[cold]
    pub(crate) fn forgive(&mut self, rule: &'static str, error: Error) -> Result<()> {
        match self.mode {
            Mode::Strict => Err(error),
            Mode::Lenient => {
                self.forgiven.add(rule, || error.to_string());
                Ok(())
            }
        }
    }

    /// Refuses to go on after a failure. Call first in every `read`.
    #[inline]
    pub(crate) fn check_failed(&self, name: &str) -> Result<()> {
        if self.failed {
            return Err(Error::new(ErrorKind::Failed, name, "the reader failed before and gives nothing more"));
        }
        Ok(())
    }

    /// Notes the outcome of a `read`: counts a record against the limit, remembers a failure.
    #[inline]
    pub(crate) fn note<T>(&mut self, name: &str, outcome: Result<Option<T>>) -> Result<Option<T>> {
        match outcome {
            Ok(Some(record)) => {
                self.records += 1;
                if self.records > self.limits.max_records {
                    self.failed = true;
                    let problem = format!("the file has more than {} records", self.limits.max_records);
                    return Err(Error::new(ErrorKind::Limit, name, problem));
                }
                Ok(Some(record))
            }
            Ok(None) => Ok(None),
            Err(error) => {
                self.failed = true;
                Err(error)
            }
        }
    }

    /// The outcome of a `read` as an iterator gives it: an error once, then nothing.
    pub(crate) fn item<T>(&self, outcome: Result<Option<T>>) -> Option<Result<T>> {
        match outcome {
            Err(error) if error.kind() == ErrorKind::Failed => None,
            outcome => outcome.transpose(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken() -> Error {
        Error::new(ErrorKind::Syntax, "x", "bad")
    }

    #[test]
    fn lenient_counts_what_strict_refuses() {
        let mut guard = Guard::default();
        assert!(guard.forgive("rule", broken()).is_err());
        guard.mode = Mode::Lenient;
        guard.forgive("rule", broken()).unwrap();
        guard.forgive("rule", broken()).unwrap();
        assert_eq!(guard.forgiven.iter().collect::<Vec<_>>(), [("rule", 2, "x: bad")]);
        assert_eq!(guard.forgiven.to_string(), "rule: 2 times, first x: bad");
    }

    #[test]
    fn a_failed_reader_stays_failed() {
        let mut guard = Guard::default();
        assert!(guard.check_failed("x").is_ok());
        assert!(guard.note::<()>("x", Err(broken())).is_err());
        let again = guard.check_failed("x").map(|()| None::<()>);
        assert_eq!(again.as_ref().unwrap_err().kind(), ErrorKind::Failed);
        assert!(guard.item(again).is_none());
    }

    #[test]
    fn records_are_limited() {
        let mut guard = Guard { limits: Limits { max_records: 1, ..Limits::default() }, ..Guard::default() };
        assert!(guard.note("x", Ok(Some(1))).is_ok());
        assert_eq!(guard.note("x", Ok(Some(2))).unwrap_err().kind(), ErrorKind::Limit);
    }
}
