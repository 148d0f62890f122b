//! Writes bigWig through the crate `bigtools`, whose input is checked here.

use std::collections::HashMap;
use std::path::Path;

use bigtools::bed::bedparser::BedValueError;
use bigtools::beddata::BedParserStreamingIterator;
use bigtools::{BigWigWrite, Value};
use tokio::runtime::Builder;

use crate::error::{Error, ErrorKind, Result};
use crate::wig::Signal;

/// Writes a bigWig file of signals that are sorted by the name of the sequence, as bytes, and by position, without overlap.
/// Values become single precision. Sequences without a value do not come into the file. Memory holds some blocks at a time;
/// zoom levels wait in temporary files.
///
/// The signals come as results, as every reader of this crate gives them: see the example of the module.
///
/// # Errors
///
/// A signal is an error, is out of order, of an unknown sequence or behind its end, or is not finite; there is none at all;
/// or writing fails. There is no file then.
pub fn write_bigwig<N: Into<String>>(
    path: impl AsRef<Path>,
    chromosomes: impl IntoIterator<Item = (N, u64)>,
    signals: impl IntoIterator<Item = Result<Signal>>,
) -> Result<()> {
    let path = path.as_ref();
    let name = path.display().to_string();
    let mut lengths = HashMap::new();
    for (chromosome, length) in chromosomes {
        let chromosome = chromosome.into();
        let wrong = |kind, problem: &'static str| Err(Error::new(kind, &name, problem).in_record(&chromosome));
        let Some(length) = u32::try_from(length).ok().filter(|length| *length > 0) else {
            return wrong(ErrorKind::Unsupported, "the length of a sequence is 0 or does not fit in 32 bits");
        };
        if chromosome.is_empty() || chromosome.contains('\0') || chromosome.len() > 4096 {
            return wrong(ErrorKind::Syntax, "the name of a sequence is empty, has a NUL or more than 4096 bytes");
        }
        if lengths.contains_key(&chromosome) {
            return wrong(ErrorKind::Duplicate, "a sequence stands twice");
        }
        lengths.insert(chromosome, length);
    }

    let mut check = Check { path: &name, lengths: &lengths, seq_name: String::new(), end: 0 };
    let mut signals = signals.into_iter().map(|signal| check.see(signal?)).peekable();
    match signals.peek() {
        Some(Ok(_)) => {}
        Some(Err(_)) => return signals.next().expect("it was seen").map(|_| ()),
        None => return Err(Error::new(ErrorKind::Empty, &name, "a bigWig file needs a value")),
    }
    let mut failure = None;
    let values = signals.map(|signal| {
        signal.map_err(|error| {
            failure = Some(error);
            BedValueError::InvalidInput(String::new())
        })
    });
    let runtime = Builder::new_current_thread().build().map_err(|error| Error::from_io(&name, error))?;
    let out = BigWigWrite::create_file(path, lengths.clone()).map_err(|error| Error::from_io(&name, error))?;
    let outcome = out.write(BedParserStreamingIterator::wrap_iter(values, false), runtime);
    let outcome = match (failure, outcome) {
        (Some(error), _) => Err(error),
        (None, Err(error)) => Err(Error::new(ErrorKind::Io, &name, error.to_string())),
        (None, Ok(())) => Ok(()),
    };
    if outcome.is_err() {
        // The first error is the one to tell.
        let _ = std::fs::remove_file(path);
    }
    outcome
}

/// Order and bounds of the signals.
struct Check<'a> {
    path: &'a str,
    lengths: &'a HashMap<String, u32>,
    seq_name: String,
    end: u64,
}

impl Check<'_> {
    fn see(&mut self, signal: Signal) -> Result<(String, Value)> {
        let Signal { seq_name, span, value } = signal;
        let wrong = |kind, problem: &'static str| Err(Error::new(kind, self.path, problem).in_record(&seq_name));
        let Some(&length) = self.lengths.get(&seq_name) else {
            return wrong(ErrorKind::Coordinate, "a signal of a sequence without a length");
        };
        let (Ok(start), Ok(end)) = (u32::try_from(span.start()), u32::try_from(span.end())) else {
            return wrong(ErrorKind::Coordinate, "a signal behind the end of its sequence");
        };
        if end > length {
            return wrong(ErrorKind::Coordinate, "a signal behind the end of its sequence");
        }
        if start == end {
            return wrong(ErrorKind::Coordinate, "a signal without a base");
        }
        if !(value as f32).is_finite() {
            return wrong(ErrorKind::Syntax, "a value that is not finite in single precision");
        }
        if seq_name < self.seq_name || (seq_name == self.seq_name && span.start() < self.end) {
            return wrong(ErrorKind::Coordinate, "signals overlap or are not sorted by name and position");
        }
        if seq_name != self.seq_name {
            self.seq_name.clone_from(&seq_name);
        }
        self.end = span.end();
        Ok((seq_name, Value { start, end, value: value as f32 }))
    }
}
