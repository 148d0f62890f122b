//! The `track` line of the UCSC browser, which opens a track in WIG, bedGraph and BED files.

/// The settings of a `track` line, in the order of the file.
///
/// ```
/// use genome_formats::WigReader;
///
/// let text: &[u8] = b"track type=wiggle_0 name=\"my reads\" color=0,0,255\nfixedStep chrom=c start=1\n7\n";
/// let mut reader = WigReader::new("x.wig", text);
/// reader.next_view()?;
/// let track = reader.track().unwrap();
/// assert_eq!((track.get("name"), track.get("visibility")), (Some("my reads"), None));
/// # Ok::<(), genome_formats::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrackLine {
    settings: Vec<(String, String)>,
}

impl TrackLine {
    /// A line without settings.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a setting behind the others.
    pub fn with(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((key.into(), value.into()));
        self
    }

    /// The value of the first setting with this key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter().find(|(k, _)| *k == key).map(|(_, v)| v)
    }

    /// Keys and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.settings.iter().map(|(k, v)| (&**k, &**v))
    }

    /// Parses what stands behind the word `track`. On a problem gives its name, and what could be read.
    pub(crate) fn parse(text: &[u8]) -> (Self, Option<&'static str>) {
        let text = String::from_utf8_lossy(text);
        let mut rest = text.trim_ascii();
        let mut track = Self::new();
        let mut problem = None;
        while !rest.is_empty() {
            let end = rest.find(|c: char| c == '=' || c.is_ascii_whitespace()).unwrap_or(rest.len());
            let (key, behind) = rest.split_at(end);
            let Some(value) = behind.strip_prefix('=') else {
                problem = Some("a setting without =");
                rest = behind.trim_ascii_start();
                continue;
            };
            if key.is_empty() {
                problem = Some("a setting without a name");
            }
            let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
            let (value, behind) = match quote {
                Some(quote) => value[1..].split_once(quote).unwrap_or_else(|| {
                    problem = Some("a quoted value without an end");
                    (&value[1..], "")
                }),
                None => value.split_at(value.find(|c: char| c.is_ascii_whitespace()).unwrap_or(value.len())),
            };
            track.settings.push((key.to_owned(), value.to_owned()));
            rest = behind.trim_ascii_start();
        }
        (track, problem)
    }

    /// The line as text, or why it cannot be written so that it is read back.
    pub(crate) fn to_line(&self) -> Result<String, &'static str> {
        let mut line = "track".to_owned();
        for (key, value) in self.iter() {
            if key.is_empty() || key.contains(|c: char| c == '=' || c.is_whitespace() || c.is_control()) {
                return Err("the name of a track setting is empty or has blanks");
            }
            let plain =
                !value.is_empty() && !value.contains(|c: char| c.is_ascii_whitespace() || matches!(c, '"' | '\''));
            let quote = match (plain, value.contains('"'), value.contains('\'')) {
                (true, ..) => "",
                (false, false, _) => "\"",
                (false, true, false) => "'",
                (false, true, true) => return Err("the value of a track setting has quotes of both kinds"),
            };
            if value.contains(char::is_control) {
                return Err("the value of a track setting has control characters");
            }
            line.push_str(&format!(" {key}={quote}{value}{quote}"));
        }
        Ok(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn settings_in_order() {
        let check = |text: &str, expected: &[(&str, &str)], problem: Option<&str>| {
            let (track, found) = TrackLine::parse(text.as_bytes());
            assert_eq!((track.iter().collect::<Vec<_>>(), found), (expected.to_vec(), problem), "{text}");
        };
        check("", &[], None);
        check(" type=wiggle_0  name=a ", &[("type", "wiggle_0"), ("name", "a")], None);
        check("name=\"a b\" n='c\"d'\te=", &[("name", "a b"), ("n", "c\"d"), ("e", "")], None);
        check("db", &[], Some("a setting without ="));
        check("db a=1", &[("a", "1")], Some("a setting without ="));
        check("=x", &[("", "x")], Some("a setting without a name"));
        check("a=\"x y", &[("a", "x y")], Some("a quoted value without an end"));
    }

    proptest! {
        #[test]
        fn a_written_line_is_read_back(settings in proptest::collection::vec(("[a-zA-Z]{1,8}", "[ -~é]{0,10}"), 0..5)) {
            let track = TrackLine { settings };
            if let Ok(line) = track.to_line() {
                prop_assert_eq!(TrackLine::parse(&line.as_bytes()[5..]), (track, None));
            }
        }

        #[test]
        fn any_text_is_taken(text in "\\PC{0,40}") {
            let _ = TrackLine::parse(text.as_bytes());
        }
    }
}
