//! The feature table, which GenBank and EMBL share (INSDC feature table definition 11.3, sections 3 and 4).
//!
//! Lines come one by one, so that each error has its line; values go into the record as they are read.

use std::io::Read;

use memchr::memchr;

use crate::error::{Error, ErrorKind, Result, quote};
use crate::location::{Fault, Location, Rules, found};

use super::record::Feature;
use super::text::{Place, indent, push_text};

/// Column at which locations and qualifiers start.
pub(crate) const INDENT: usize = 21;
/// Deepest column at which a feature key may start; the standard one is 5.
const KEY_INDENT: usize = 15;
/// Bytes of a location, so that a hostile one cannot be turned into much more memory. The longest real ones have some
/// ten thousand.
const MAX_LOCATION: usize = 256 << 10;
const BLANKS: [u8; INDENT] = [b' '; INDENT];

/// Characters of feature keys and qualifier names (feature table definition, section 3.1).
fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'\'' | b'*')
}

/// The molecule that locations are on.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Molecule {
    pub(crate) length: Option<u64>,
    pub(crate) circular: bool,
}

/// Which part of a feature the last line left open.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Open {
    /// No feature yet.
    #[default]
    Nothing,
    /// The location may go on.
    Location,
    /// A value without quotes may go on.
    Bare,
    /// A value waits for its closing quote.
    Quoted,
    /// A quoted value is closed; a quote at the start of the next line opens it again.
    Closed,
    /// A qualifier without a value, or one that was passed over.
    Done,
}

/// The parser's state within a record.
#[derive(Debug, Default)]
pub(crate) struct FeatureTable {
    open: Open,
    /// Features and, in the last one, qualifiers that are read; what lies behind is left from an earlier record.
    features: usize,
    qualifiers: usize,
    /// Whether the last feature is to be left out, and why not its location.
    dropped: bool,
    location: Vec<u8>,
    molecule: Molecule,
    /// The value of the last qualifier as far as it is read, if it has one; it goes into the record as a whole.
    value: Vec<u8>,
    has_value: bool,
    /// Whether lines of the open value are joined without a blank.
    tight: bool,
    /// Line and byte of the key, of the open value, and the latter's first line.
    key_at: (u64, u64),
    value_at: (u64, u64),
    value_line: Vec<u8>,
    /// Memory of qualifiers to use again.
    spare: Vec<(String, Option<String>)>,
}

impl FeatureTable {
    /// Begins a record.
    pub(crate) fn start(&mut self, molecule: Molecule) {
        self.open = Open::Nothing;
        self.features = 0;
        self.qualifiers = 0;
        self.dropped = false;
        self.has_value = false;
        self.molecule = molecule;
    }

    /// Features of the record that was read last.
    pub(crate) fn count(&self) -> usize {
        self.features
    }

    /// Ends a record: nothing stays open, and `features` holds what was read.
    pub(crate) fn finish<R: Read>(&mut self, features: &mut Vec<Feature>, place: &mut Place<'_, R>) -> Result<()> {
        self.close(features, place)?;
        features.truncate(self.features);
        self.spare.truncate(1024);
        Ok(())
    }

    /// Reads a line that is plain ([`super::text::is_plain`]) or cleaned, without blanks at its end. The first two columns
    /// must be blank; EMBL has `FT` there, so they are not looked at.
    #[inline]
    pub(crate) fn line<R: Read>(
        &mut self,
        line: &[u8],
        features: &mut Vec<Feature>,
        place: &mut Place<'_, R>,
    ) -> Result<()> {
        if let Some((head, text)) = line.split_first_chunk::<INDENT>()
            && head[2..] == BLANKS[2..]
            && !text.is_empty()
        {
            return self.text(text, features, place);
        }
        let body = line.get(2..).unwrap_or_default();
        let indent = 2 + indent(body);
        if indent >= line.len() {
            return Ok(()); // a blank line
        }
        if indent <= KEY_INDENT {
            self.key(&line[indent..], features, place)
        } else {
            self.text(&line[indent.min(INDENT)..], features, place)
        }
    }

    /// `CDS             1..9`
    fn key<R: Read>(&mut self, line: &[u8], features: &mut Vec<Feature>, place: &mut Place<'_, R>) -> Result<()> {
        self.close(features, place)?;
        let name = line.iter().position(|&b| b == b' ').unwrap_or(line.len());
        let (kind, location) = line.split_at(name);
        let location = location.trim_ascii_start();
        self.open_feature(kind, features);
        self.key_at = (place.lines.number(), place.lines.start());
        if location.is_empty() || !kind.iter().all(|&b| is_name_byte(b)) {
            let error = place.error("a broken feature").expecting("a key and a location");
            place.forgive("feature without a location", error.finding(quote(place.lines.line())))?;
            self.dropped = true;
            self.open = Open::Location;
            return Ok(());
        }
        self.open = Open::Location;
        self.push_location(location, place)
    }

    /// What stands behind the column of the qualifiers; not empty.
    fn text<R: Read>(&mut self, text: &[u8], features: &mut [Feature], place: &mut Place<'_, R>) -> Result<()> {
        if self.open == Open::Quoted {
            if !self.tight {
                self.value.push(b' ');
            }
            return self.quoted(text, features, place);
        }
        let text = text.trim_ascii_start();
        if text.first() == Some(&b'/') {
            if self.open == Open::Location {
                self.close_location(features, place)?;
            }
            if self.open != Open::Nothing {
                return self.qualifier(text, features, place);
            }
        }
        match self.open {
            Open::Location => self.push_location(text, place),
            Open::Bare => {
                if !self.tight && !self.value.is_empty() {
                    self.value.push(b' ');
                }
                self.value.extend_from_slice(text);
                Ok(())
            }
            // A doubled quote that is broken over two lines.
            Open::Closed if text[0] == b'"' => {
                self.value.push(b'"');
                self.open = Open::Quoted;
                self.quoted(&text[1..], features, place)
            }
            Open::Nothing => {
                let error = place.error("a broken feature").expecting("a feature key");
                place.forgive("text in front of a feature", error.finding(quote(place.lines.line())))
            }
            _ => {
                let at = (place.lines.number(), place.lines.start());
                let error = self.broken_qualifier(features, place, at, text);
                place.forgive("text behind a qualifier", error)
            }
        }
    }

    /// `/pseudo`, `/codon_start=1` or `/gene="x"`.
    fn qualifier<R: Read>(&mut self, line: &[u8], features: &mut [Feature], place: &mut Place<'_, R>) -> Result<()> {
        let text = &line[1..];
        let end = text.iter().position(|&b| !is_name_byte(b)).unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        self.settle(features);
        self.open = Open::Done;
        self.value_at = (place.lines.number(), place.lines.start());
        let value = match rest {
            [] if !name.is_empty() => None,
            [b'=', value @ ..] if !name.is_empty() => Some(value.trim_ascii_start()),
            _ => {
                let error = self.broken_qualifier(features, place, self.value_at, line);
                return place.forgive("broken qualifier", error);
            }
        };
        self.open_qualifier(name, value.is_some(), features);
        let Some(value) = value else { return Ok(()) };
        if let Some(quoted) = value.strip_prefix(b"\"") {
            self.tight = name == b"translation";
            self.quoted(quoted, features, place)?;
            if self.open == Open::Quoted {
                self.value_line.clear();
                self.value_line.extend_from_slice(line);
            }
        } else {
            self.tight = value.first() == Some(&b'(');
            self.open = Open::Bare;
            self.value.extend_from_slice(value);
        }
        Ok(())
    }

    /// Text inside quotes, up to the closing one if it is there.
    fn quoted<R: Read>(&mut self, mut text: &[u8], features: &mut [Feature], place: &mut Place<'_, R>) -> Result<()> {
        self.open = Open::Quoted;
        while let Some(at) = memchr(b'"', text) {
            let (before, behind) = (&text[..at], &text[at + 1..]);
            self.value.extend_from_slice(before);
            match behind.first() {
                None => {
                    self.open = Open::Closed;
                    return Ok(());
                }
                Some(b'"') => text = &behind[1..],
                Some(_) => {
                    let first = place.lines.number() == self.value_at.0;
                    let shown = if first { place.lines.line().trim_ascii() } else { &self.value_line };
                    let error = self.broken_qualifier(features, place, self.value_at, shown);
                    place.forgive("quote inside a value that is not doubled", error)?;
                    text = behind;
                }
            }
            self.value.push(b'"');
        }
        self.value.extend_from_slice(text);
        Ok(())
    }

    /// Closes what is open, at the end of a feature or of the table.
    pub(crate) fn close<R: Read>(&mut self, features: &mut [Feature], place: &mut Place<'_, R>) -> Result<()> {
        match self.open {
            Open::Nothing => return Ok(()),
            Open::Location => self.close_location(features, place)?,
            Open::Quoted => {
                let error = self.broken_qualifier(features, place, self.value_at, &self.value_line);
                place.forgive("value without a closing quote", error)?;
            }
            Open::Bare | Open::Closed | Open::Done => {}
        }
        self.settle(features);
        let qualifiers = &mut features[self.features - 1].qualifiers;
        if qualifiers.len() > self.qualifiers {
            self.spare.extend(qualifiers.drain(self.qualifiers..));
        }
        if self.dropped {
            self.features -= 1;
            self.dropped = false;
        }
        self.open = Open::Nothing;
        Ok(())
    }

    fn push_location<R: Read>(&mut self, text: &[u8], place: &Place<'_, R>) -> Result<()> {
        self.location.extend(text.iter().filter(|b| !b.is_ascii_whitespace()));
        if self.location.len() > MAX_LOCATION {
            let problem = format!("the location of a feature is longer than {MAX_LOCATION} bytes");
            return Err(place.lines.error(ErrorKind::Limit, problem).in_record(place.record));
        }
        Ok(())
    }

    fn close_location<R: Read>(&mut self, features: &mut [Feature], place: &mut Place<'_, R>) -> Result<()> {
        self.open = Open::Done;
        if self.dropped {
            return Ok(());
        }
        let feature = &mut features[self.features - 1];
        let Molecule { length, circular } = self.molecule;
        let strict = Rules { length, ring: circular, lenient: false };
        let Err(Fault { at, expected }) = feature.location.read(&self.location, &strict) else { return Ok(()) };
        let error = place
            .error(format!("a broken location of the feature {}", quote(feature.kind.as_bytes())))
            .at_line(self.key_at.0)
            .at_byte(self.key_at.1)
            .expecting(expected)
            .finding(found(&self.location, at))
            .with_snippet(&self.location);
        let lenient = Rules { length, ring: true, lenient: true };
        self.dropped = feature.location.read(&self.location, &lenient).is_err();
        place.forgive(if self.dropped { "feature without a location" } else { "location" }, error)
    }

    #[cold]
    fn broken_qualifier<R: Read>(
        &self,
        features: &[Feature],
        place: &Place<'_, R>,
        at: (u64, u64),
        shown: &[u8],
    ) -> Error {
        let kind = features[self.features - 1].kind.as_bytes();
        place
            .error(format!("a broken qualifier of the feature {}", quote(kind)))
            .at_line(at.0)
            .at_byte(at.1)
            .expecting("/name, /name=value or /name=\"value\"")
            .finding(quote(shown))
            .with_snippet(shown)
    }

    fn open_feature(&mut self, kind: &[u8], features: &mut Vec<Feature>) {
        if self.features == features.len() {
            features.push(Feature { kind: String::new(), location: Location::unread(), qualifiers: Vec::new() });
        }
        let feature = &mut features[self.features];
        feature.kind.clear();
        push_text(&mut feature.kind, kind);
        self.location.clear();
        self.features += 1;
        self.qualifiers = 0;
    }

    fn open_qualifier(&mut self, name: &[u8], has_value: bool, features: &mut [Feature]) {
        let qualifiers = &mut features[self.features - 1].qualifiers;
        if self.qualifiers == qualifiers.len() {
            qualifiers.push(self.spare.pop().unwrap_or_default());
        }
        let (to, value) = &mut qualifiers[self.qualifiers];
        to.clear();
        push_text(to, name);
        if !has_value {
            *value = None;
        }
        self.value.clear();
        self.has_value = has_value;
        self.qualifiers += 1;
    }

    /// Puts the value that was read into the last qualifier.
    fn settle(&mut self, features: &mut [Feature]) {
        if !self.has_value {
            return;
        }
        self.has_value = false;
        let (_, value) = &mut features[self.features - 1].qualifiers[self.qualifiers - 1];
        let value = value.get_or_insert_default();
        value.clear();
        push_text(value, &self.value);
    }
}
