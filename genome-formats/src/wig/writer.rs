//! Writes WIG, with `fixedStep` where positions are regular, and bedGraph.

use std::io::{self, Write};

use super::reader::{Signal, SignalView};
use super::track::TrackLine;
use crate::coord::Span;
use crate::error::{Error, ErrorKind, Result};

const PATH: &str = "<output>";
/// Lines of `variableStep` with equal steps after which a `fixedStep` declaration pays.
const REGULAR: usize = 8;

impl Signal {
    /// The signal as a view.
    pub fn as_view(&self) -> SignalView<'_> {
        SignalView { seq_name: self.seq_name.as_bytes(), span: self.span, value: self.value }
    }
}

/// Refuses what could not be read back, or what does not follow the signal before.
#[derive(Debug, Default)]
struct Check {
    name: Vec<u8>,
    end: u64,
}

impl Check {
    fn see(&mut self, signal: SignalView<'_>) -> Result<()> {
        let SignalView { seq_name: name, span, value } = signal;
        let wrong = |problem: &'static str| {
            Err(Error::new(ErrorKind::Syntax, PATH, problem).in_record(&String::from_utf8_lossy(name)))
        };
        if name.is_empty() || !name.iter().all(|b| b.is_ascii_graphic() || *b >= 0x80) || name[0] == b'#' {
            return wrong("the name is empty, has blanks or opens a comment");
        }
        if matches!(name, b"track" | b"browser" | b"fixedStep" | b"variableStep") {
            return wrong("the name is a word of the format");
        }
        if !value.is_finite() {
            return wrong("the value is not finite");
        }
        if span.is_empty() {
            return wrong("the span has no base");
        }
        if name != self.name {
            self.name.clear();
            self.name.extend_from_slice(name);
        } else if span.start() < self.end {
            let error = Error::new(ErrorKind::Coordinate, PATH, "signals overlap or are out of order");
            let error = error.expecting(format!("a start from {}", self.end)).finding(span.start().to_string());
            return Err(error.in_record(&String::from_utf8_lossy(name)));
        }
        self.end = span.end();
        Ok(())
    }
}

/// Writes WIG. Signals of one sequence come in order and do not overlap; runs with equal steps and spans are written as
/// `fixedStep`, all others as `variableStep`.
///
/// ```
/// use genome_formats::{Signal, Span, WigWriter};
///
/// let mut writer = WigWriter::new(Vec::new());
/// for i in 0..3 {
///     let span = Span::new(100 + 10 * i, 105 + 10 * i).unwrap();
///     writer.write(&Signal { seq_name: "chr1".into(), span, value: i as f64 / 2.0 })?;
/// }
/// let text = writer.finish()?;
/// assert_eq!(text, b"fixedStep chrom=chr1 start=101 step=10 span=5\n0\n0.5\n1\n");
/// # Ok::<(), genome_formats::Error>(())
/// ```
#[derive(Debug)]
pub struct WigWriter<W> {
    out: W,
    check: Check,
    /// Signals of the same sequence and length that wait for a decision, at most [`REGULAR`].
    waiting: Vec<(Span, f64)>,
    name: Vec<u8>,
    /// The declaration that the last written value stands below.
    open: Open,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Open {
    None,
    Fixed { next: Option<u64>, step: u64, length: u64 },
    Variable { length: u64 },
}

impl<W: Write> WigWriter<W> {
    /// Writes to `out`, which should be buffered.
    pub fn new(out: W) -> Self {
        Self { out, check: Check::default(), waiting: Vec::new(), name: Vec::new(), open: Open::None }
    }

    /// Opens a track.
    ///
    /// # Errors
    ///
    /// Writing fails, or the settings cannot be read back.
    pub fn write_track(&mut self, track: &TrackLine) -> Result<()> {
        self.settle(true)?;
        self.open = Open::None;
        self.check = Check::default();
        write_track(&mut self.out, track)
    }

    /// Writes a signal.
    ///
    /// # Errors
    ///
    /// Writing fails, or the signal overlaps the one before or could not be read back.
    pub fn write(&mut self, signal: &Signal) -> Result<()> {
        self.write_view(signal.as_view())
    }

    /// As [`WigWriter::write`], without an allocation.
    ///
    /// # Errors
    ///
    /// As [`WigWriter::write`].
    pub fn write_view(&mut self, signal: SignalView<'_>) -> Result<()> {
        self.check.see(signal)?;
        let span = signal.span;
        if signal.seq_name != self.name || self.length().is_some_and(|length| length != span.len()) {
            self.settle(true)?;
            self.open = Open::None;
            self.name.clear();
            self.name.extend_from_slice(signal.seq_name);
        }
        self.waiting.push((span, signal.value));
        self.settle(false)
    }

    /// Writes what waits, flushes, and gives the writer below.
    ///
    /// # Errors
    ///
    /// Writing fails.
    pub fn finish(mut self) -> Result<W> {
        self.settle(true)?;
        self.out.flush().map_err(|error| Error::from_io(PATH, error))?;
        Ok(self.out)
    }

    /// Length of the spans of the open run.
    fn length(&self) -> Option<u64> {
        match (self.waiting.first(), self.open) {
            (Some((span, _)), _) => Some(span.len()),
            (None, Open::Fixed { length, .. } | Open::Variable { length }) => Some(length),
            (None, Open::None) => None,
        }
    }

    /// Writes the signals whose layout is decided; all of them at the `last` chance.
    fn settle(&mut self, last: bool) -> Result<()> {
        self.try_settle(last).map_err(|error| Error::from_io(PATH, error))
    }

    fn try_settle(&mut self, last: bool) -> io::Result<()> {
        let mut done = 0;
        while let Some(&(span, value)) = self.waiting.get(done) {
            let (start, length) = (span.start(), span.len());
            if let Open::Fixed { next: Some(next), step, .. } = self.open
                && next == start
            {
                self.open = Open::Fixed { next: next.checked_add(step), step, length };
                writeln!(self.out, "{value}")?;
                done += 1;
                continue;
            }
            // A run that stays regular for a while, or to its end, gets a declaration of its own.
            let regular = regular_front(&self.waiting[done..]);
            if done + regular == self.waiting.len() && regular < REGULAR && !last {
                break;
            }
            let enough = if matches!(self.open, Open::Variable { .. }) { REGULAR } else { 3 };
            if regular >= enough {
                let step = self.waiting[done + 1].0.start() - start;
                self.out.write_all(b"fixedStep chrom=")?;
                self.out.write_all(&self.name)?;
                write!(self.out, " start={} step={step}", start + 1)?;
                self.end_declaration(length)?;
                self.open = Open::Fixed { next: Some(start), step, length };
            } else {
                if self.open != (Open::Variable { length }) {
                    self.out.write_all(b"variableStep chrom=")?;
                    self.out.write_all(&self.name)?;
                    self.end_declaration(length)?;
                    self.open = Open::Variable { length };
                }
                writeln!(self.out, "{} {value}", start + 1)?;
                done += 1;
            }
        }
        self.waiting.drain(..done);
        Ok(())
    }

    fn end_declaration(&mut self, length: u64) -> io::Result<()> {
        if length == 1 { self.out.write_all(b"\n") } else { writeln!(self.out, " span={length}") }
    }
}

/// How many signals at the front lie at equal steps.
fn regular_front(signals: &[(Span, f64)]) -> usize {
    let step = |pair: &[(Span, f64)]| pair[1].0.start() - pair[0].0.start();
    let Some(first) = signals.windows(2).next().map(step) else { return signals.len() };
    1 + signals.windows(2).take_while(|pair| step(pair) == first).count()
}

fn write_track(out: &mut impl Write, track: &TrackLine) -> Result<()> {
    let line = track.to_line().map_err(|problem| Error::new(ErrorKind::Syntax, PATH, problem))?;
    writeln!(out, "{line}").map_err(|error| Error::from_io(PATH, error))
}

/// Writes bedGraph. Signals of one sequence come in order and do not overlap.
///
/// ```
/// use genome_formats::{BedGraphWriter, Signal, Span};
///
/// let mut writer = BedGraphWriter::new(Vec::new());
/// writer.write(&Signal { seq_name: "chr1".into(), span: Span::new(0, 10).unwrap(), value: 0.5 })?;
/// assert_eq!(writer.finish()?, b"chr1\t0\t10\t0.5\n");
/// # Ok::<(), genome_formats::Error>(())
/// ```
#[derive(Debug)]
pub struct BedGraphWriter<W> {
    out: W,
    check: Check,
}

impl<W: Write> BedGraphWriter<W> {
    /// Writes to `out`, which should be buffered.
    pub fn new(out: W) -> Self {
        Self { out, check: Check::default() }
    }

    /// Opens a track; its type must be `bedGraph`.
    ///
    /// # Errors
    ///
    /// Writing fails, or the settings cannot be read back.
    pub fn write_track(&mut self, track: &TrackLine) -> Result<()> {
        if track.get("type") != Some("bedGraph") {
            return Err(Error::new(ErrorKind::Syntax, PATH, "a track of another type").expecting("type=bedGraph"));
        }
        self.check = Check::default();
        write_track(&mut self.out, track)
    }

    /// Writes a signal.
    ///
    /// # Errors
    ///
    /// Writing fails, or the signal overlaps the one before or could not be read back.
    pub fn write(&mut self, signal: &Signal) -> Result<()> {
        self.write_view(signal.as_view())
    }

    /// As [`BedGraphWriter::write`], without an allocation.
    ///
    /// # Errors
    ///
    /// As [`BedGraphWriter::write`].
    pub fn write_view(&mut self, signal: SignalView<'_>) -> Result<()> {
        self.check.see(signal)?;
        let (span, value) = (signal.span, signal.value);
        self.out
            .write_all(signal.seq_name)
            .and_then(|()| writeln!(self.out, "\t{}\t{}\t{value}", span.start(), span.end()))
            .map_err(|error| Error::from_io(PATH, error))
    }

    /// Flushes, and gives the writer below.
    ///
    /// # Errors
    ///
    /// Writing fails.
    pub fn finish(mut self) -> Result<W> {
        self.out.flush().map_err(|error| Error::from_io(PATH, error))?;
        Ok(self.out)
    }
}

#[cfg(test)]
mod tests {
    use super::super::reader::{BedGraphReader, WigReader};
    use super::*;
    use proptest::prelude::*;

    fn signal(name: &str, start: u64, end: u64, value: f64) -> Signal {
        Signal { seq_name: name.into(), span: Span::new(start, end).unwrap(), value }
    }

    fn wig(signals: &[Signal]) -> Result<String> {
        let mut writer = WigWriter::new(Vec::new());
        signals.iter().try_for_each(|signal| writer.write(signal))?;
        Ok(String::from_utf8(writer.finish()?).unwrap())
    }

    #[test]
    fn regular_runs_become_fixed_steps() {
        let check = |starts: &[u64], expected: &str| {
            let signals: Vec<_> = starts.iter().map(|&s| signal("c", s, s + 2, 1.0)).collect();
            assert_eq!(wig(&signals).unwrap(), expected);
        };
        check(&[], "");
        check(&[4], "variableStep chrom=c span=2\n5 1\n");
        check(&[0, 5, 10], "fixedStep chrom=c start=1 step=5 span=2\n1\n1\n1\n");
        check(&[0, 5, 12], "variableStep chrom=c span=2\n1 1\n6 1\n13 1\n");
        check(
            &[0, 2, 4, 6, 8, 10, 12, 14, 16, 20, 21 + 2],
            "fixedStep chrom=c start=1 step=2 span=2\n1\n1\n1\n1\n1\n1\n1\n1\n1\nvariableStep chrom=c span=2\n21 1\n24 1\n",
        );
        check(
            &[0, 3, 10, 12, 14, 16, 18, 20, 22, 24],
            "variableStep chrom=c span=2\n1 1\n4 1\nfixedStep chrom=c start=11 step=2 span=2\n1\n1\n1\n1\n1\n1\n1\n1\n",
        );
    }

    #[test]
    fn names_and_lengths_open_new_declarations() {
        let signals = [signal("a", 0, 1, 1.0), signal("a", 1, 3, 2.0), signal("b", 0, 2, -0.5)];
        let expected =
            "variableStep chrom=a\n1 1\nvariableStep chrom=a span=2\n2 2\nvariableStep chrom=b span=2\n1 -0.5\n";
        assert_eq!(wig(&signals).unwrap(), expected);
    }

    #[test]
    fn what_cannot_be_read_back_is_refused() {
        let check = |signals: &[Signal], expected: &str| assert_eq!(wig(signals).unwrap_err().to_string(), expected);
        check(
            &[signal("a b", 0, 1, 1.0)],
            "<output>: the name is empty, has blanks or opens a comment in record \"a b\"",
        );
        check(&[signal("track", 0, 1, 1.0)], "<output>: the name is a word of the format in record \"track\"");
        check(&[signal("a", 0, 1, f64::NAN)], "<output>: the value is not finite in record \"a\"");
        check(&[signal("a", 1, 1, 1.0)], "<output>: the span has no base in record \"a\"");
        check(
            &[signal("a", 5, 9, 1.0), signal("a", 8, 9, 1.0)],
            "<output>: signals overlap or are out of order in record \"a\": expected a start from 9, found 8",
        );
    }

    #[test]
    fn tracks_are_written() {
        let mut writer = WigWriter::new(Vec::new());
        writer.write(&signal("a", 3, 4, 1.0)).unwrap();
        writer.write_track(&TrackLine::new().with("type", "wiggle_0").with("name", "my reads")).unwrap();
        writer.write(&signal("a", 0, 1, 1.0)).unwrap();
        let text = String::from_utf8(writer.finish().unwrap()).unwrap();
        let expected = "variableStep chrom=a\n4 1\ntrack type=wiggle_0 name=\"my reads\"\nvariableStep chrom=a\n1 1\n";
        assert_eq!(text, expected);
        let error = BedGraphWriter::new(Vec::new()).write_track(&TrackLine::new()).unwrap_err();
        assert_eq!(error.to_string(), "<output>: a track of another type: expected type=bedGraph");
    }

    fn signals() -> impl Strategy<Value = Vec<Signal>> {
        // Small numbers, so that regular runs and neighbours come up.
        let step = (0u64..4, 1u64..4, 0u8..3, -4i32..4, any::<f64>());
        proptest::collection::vec(step, 0..60).prop_map(|steps| {
            let (mut end, mut last) = (0, 0);
            let mut out = Vec::new();
            for (gap, length, name, small, any) in steps {
                if name < last || (name > last && gap == 0) {
                    (end, last) = (0, (last + 1) % 200);
                }
                let value = if small > 2 && any.is_finite() { any } else { f64::from(small) / 4.0 };
                out.push(signal(&format!("c{last}"), end + gap, end + gap + length, value));
                end += gap + length;
            }
            out
        })
    }

    proptest! {
        #[test]
        fn wig_is_read_back(signals in signals()) {
            let text = wig(&signals).unwrap();
            let read = WigReader::new("x", text.as_bytes()).collect::<Result<Vec<_>>>().unwrap();
            prop_assert_eq!(read, signals, "{}", text);
        }

        #[test]
        fn bedgraph_is_read_back(signals in signals()) {
            let mut writer = BedGraphWriter::new(Vec::new());
            signals.iter().try_for_each(|signal| writer.write(signal)).unwrap();
            let text = writer.finish().unwrap();
            let read = BedGraphReader::new("x", &text[..]).collect::<Result<Vec<_>>>().unwrap();
            prop_assert_eq!(&read, &signals);
            let read = WigReader::new("x", &text[..]).collect::<Result<Vec<_>>>().unwrap();
            prop_assert_eq!(&read, &signals);
        }
    }
}
