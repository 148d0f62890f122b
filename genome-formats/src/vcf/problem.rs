//! A broken rule before it is known where in which file.

use std::borrow::Cow;

use crate::error::{Error, ErrorKind, quote};
use crate::guard::Mode;

/// What a parser returns that knows a line, but no file.
pub(crate) type Parsed<T> = std::result::Result<T, Box<Problem>>;

/// A broken rule: its short name, and what an [`Error`] says of it.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    pub(crate) rule: &'static str,
    pub(crate) kind: ErrorKind,
    column: Option<u64>,
    problem: Cow<'static, str>,
    expected: Option<Cow<'static, str>>,
    found: Option<String>,
}

impl Problem {
    pub(crate) fn new(rule: &'static str, problem: impl Into<Cow<'static, str>>) -> Box<Self> {
        let problem = problem.into();
        Box::new(Self { rule, kind: ErrorKind::Syntax, column: None, problem, expected: None, found: None })
    }

    pub(crate) fn of_kind(mut self: Box<Self>, kind: ErrorKind) -> Box<Self> {
        self.kind = kind;
        self
    }

    /// The column of the table, from 1.
    pub(crate) fn at(mut self: Box<Self>, column: u64) -> Box<Self> {
        self.column = Some(column);
        self
    }

    pub(crate) fn expecting(mut self: Box<Self>, expected: impl Into<Cow<'static, str>>) -> Box<Self> {
        self.expected = Some(expected.into());
        self
    }

    /// Quotes foreign text.
    pub(crate) fn finding(mut self: Box<Self>, found: &[u8]) -> Box<Self> {
        self.found = Some(quote(found));
        self
    }

    /// Says what was found in our own words.
    pub(crate) fn found(mut self: Box<Self>, found: impl Into<String>) -> Box<Self> {
        self.found = Some(found.into());
        self
    }

    /// Adds the facts to `base`, which makes an error of a kind and a text at its place.
    pub(crate) fn into_error(self, base: impl FnOnce(ErrorKind, Cow<'static, str>) -> Error) -> Error {
        let mut error = base(self.kind, self.problem);
        if let Some(column) = self.column {
            error = error.at_column(column);
        }
        if let Some(expected) = self.expected {
            error = error.expecting(expected);
        }
        if let Some(found) = self.found {
            error = error.finding(found);
        }
        error
    }
}

/// Where parsers report broken rules: the first one ends a strict reading, a lenient one goes on.
#[derive(Debug)]
pub(crate) struct Report {
    mode: Mode,
    /// The first problem of each rule on this line, in lenient mode.
    pub(crate) forgiven: Vec<Problem>,
}

impl Report {
    pub(crate) fn new(mode: Mode) -> Self {
        Self { mode, forgiven: Vec::new() }
    }

    pub(crate) fn broken(&mut self, problem: Box<Problem>) -> Parsed<()> {
        match self.mode {
            Mode::Strict => Err(problem),
            Mode::Lenient => {
                if !self.forgiven.iter().any(|p| p.rule == problem.rule) {
                    self.forgiven.push(*problem);
                }
                Ok(())
            }
        }
    }
}
