//! A query on an index: rows by SQL where tables know them, by code where they are computed, and what is told about them.

mod clusters;
mod computed;
mod extract;
mod items;
mod names;
mod rows;
mod sql;
mod tell;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, Statement};

use crate::answer::{ANSWER_VERSION, Answer, SqlText, Status};
use crate::error::{Error, Result};
use crate::index::Index;
use crate::query::{Query, Tell};
use items::Item;
use names::SeqInfo;

/// What an answer takes at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunLimits {
    /// Rows that are given in full; others are counted. 1,000 by default.
    pub rows: u64,
    /// Rows that are looked at; 10 million by default.
    pub matches: u64,
    /// Letters of all sequences that are extracted; 64 Mi by default.
    pub letters: u64,
    /// Time; ten seconds by default.
    pub time: Duration,
}

impl Default for RunLimits {
    fn default() -> Self {
        Self { rows: 1000, matches: 10_000_000, letters: 64 << 20, time: Duration::from_secs(10) }
    }
}

/// When a statement has to end: nanoseconds since `start`; nothing is 0.
#[derive(Debug, Clone)]
pub(crate) struct Deadline {
    start: Instant,
    at: Arc<AtomicU64>,
}

impl Deadline {
    fn set(&self, time: Duration) {
        let at = self.start.elapsed().saturating_add(time);
        self.at.store(u64::try_from(at.as_nanos()).unwrap_or(u64::MAX).max(1), Ordering::Relaxed);
    }

    fn clear(&self) {
        self.at.store(0, Ordering::Relaxed);
    }

    fn is_over(&self) -> bool {
        let at = self.at.load(Ordering::Relaxed);
        at != 0 && self.start.elapsed().as_nanos() > u128::from(at)
    }
}

/// Functions that statements call, and the clock that ends them.
pub(crate) fn prepare(db: &mut Connection) -> Result<Deadline> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    db.create_scalar_function("words", 1, flags, |context| {
        let text = context.get_raw(0).as_str_or_null().map_err(|e| rusqlite::Error::UserFunctionError(e.into()))?;
        Ok(text.map(crate::index::facts::words))
    })?;
    let deadline = Deadline { start: Instant::now(), at: Arc::new(AtomicU64::new(0)) };
    let clock = deadline.clone();
    db.progress_handler(5_000, Some(move || clock.is_over()))?;
    Ok(deadline)
}

/// Why there is no result.
#[derive(Debug)]
enum Halt {
    Error(Error),
    Status(Status),
}

impl<E: Into<Error>> From<E> for Halt {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

type Outcome<T> = std::result::Result<T, Halt>;

/// A query while it runs.
struct Run<'a> {
    index: &'a Index,
    query: &'a Query,
    limits: RunLimits,
    genome: Option<i64>,
    seqs: Vec<SeqInfo>,
    answer: Answer,
    /// Statements that run once for each row.
    statements: RefCell<HashMap<&'static str, Shared<'a>>>,
}

/// A statement that is kept.
type Shared<'a> = Rc<RefCell<Statement<'a>>>;

impl Index {
    /// Answers a query.
    ///
    /// # Errors
    ///
    /// The query makes no sense, took too long, or the index is damaged. Nothing found is no error: see [`Answer::status`].
    pub fn run(&self, query: &Query) -> Result<Answer> {
        self.run_with(query, RunLimits::default())
    }

    /// Answers a query within limits.
    ///
    /// # Errors
    ///
    /// As [`Index::run`].
    pub fn run_with(&self, query: &Query, limits: RunLimits) -> Result<Answer> {
        self.deadline.set(limits.time);
        let outcome = self.run_inside(query, limits);
        self.deadline.clear();
        outcome.map_err(|error| match error {
            Error::Sqlite { source: rusqlite::Error::SqliteFailure(failure, _), .. }
                if failure.code == rusqlite::ErrorCode::OperationInterrupted =>
            {
                Error::Time { limit_ms: u64::try_from(limits.time.as_millis()).unwrap_or(u64::MAX) }
            }
            error => error.in_index(self.path()),
        })
    }

    /// The SQL of a query with its parameters, and what is computed without SQL: what [`Answer::sql`] and [`Answer::computed`]
    /// have. Names and places are looked up on the way, so that the statements are those that run.
    ///
    /// # Errors
    ///
    /// As [`Index::run`].
    pub fn to_sql(&self, query: &Query) -> Result<(Vec<SqlText>, Vec<String>)> {
        let answer = self.run_with(query, RunLimits { rows: 0, ..RunLimits::default() })?;
        Ok((answer.sql, answer.computed))
    }

    fn run_inside(&self, query: &Query, limits: RunLimits) -> Result<Answer> {
        if query.version > crate::query::QUERY_VERSION {
            let found = format!("version {}", query.version);
            return Err(Error::Query { problem: "of a newer program", found });
        }
        let answer = Answer { version: ANSWER_VERSION, query: query.to_string(), ..Answer::default() };
        let mut run =
            Run { index: self, query, limits, genome: None, seqs: Vec::new(), answer, statements: RefCell::default() };
        match run.all() {
            Ok(()) => {}
            Err(Halt::Error(error)) => return Err(error),
            Err(Halt::Status(status)) => {
                run.answer.status = status;
                run.answer.count = 0;
                run.answer.values.clear();
            }
        }
        Ok(run.answer)
    }
}

impl<'a> Run<'a> {
    /// A statement that runs once for each row: prepared once.
    fn prepared(&self, sql: &'static str) -> Outcome<Shared<'a>> {
        if let Some(statement) = self.statements.borrow().get(sql) {
            return Ok(Rc::clone(statement));
        }
        let statement = Rc::new(RefCell::new(self.index.db.prepare(sql)?));
        self.statements.borrow_mut().insert(sql, Rc::clone(&statement));
        Ok(statement)
    }
}

impl Run<'_> {
    fn all(&mut self) -> Outcome<()> {
        self.choose_genome()?;
        self.seqs = self.read_seqs()?;
        let query = self.query;
        let mut items = self.select(&query.select, &query.filters, &self.key_fields())?;
        items.retain_matching(&query.having, self)?;
        let mut items = items.0;
        self.sort(&mut items)?;
        if matches!(query.select, crate::query::Select::Protein) {
            items::one_for_each_locus(&mut items);
        }
        self.limit(&mut items);
        if items.is_empty() && !matches!(query.tell, Tell::Share(_)) {
            return Err(Halt::Status(self.why_empty(&query.select, &query.filters)?));
        }
        self.tell(&items)
    }

    fn check_time(&self) -> Result<()> {
        if self.index.deadline.is_over() {
            let limit_ms = u64::try_from(self.limits.time.as_millis()).unwrap_or(u64::MAX);
            return Err(Error::Time { limit_ms });
        }
        Ok(())
    }

    fn caveat(&mut self, text: impl Into<String>) {
        let text = text.into();
        if !self.answer.caveats.contains(&text) {
            self.answer.caveats.push(text);
        }
    }

    fn limit(&self, items: &mut Vec<Item>) {
        let Some(limit) = self.query.limit else { return };
        let mut keep = usize::try_from(limit.rows).unwrap_or(usize::MAX).min(items.len());
        if limit.ties
            && keep > 0
            && let Some(last) = items[keep - 1].keys.first().cloned()
        {
            keep += items[keep..].iter().take_while(|item| item.keys.first() == Some(&last)).count();
        }
        items.truncate(keep);
    }
}
