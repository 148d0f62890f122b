//! A key that nobody sees.

use std::collections::HashSet;
use std::fmt::{self, Debug, Formatter};

/// A run of so many letters of a key gives it away.
const TELLING: usize = 8;

/// A key. It prints as `Secret(..)`, and [`Secret::redact`] takes it out of texts of others.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// A key as it may stand in a header: printable ASCII without blanks, at most 4,096 letters.
    pub fn new(key: &str) -> Option<Self> {
        let key = key.trim();
        let fits = (1..=4096).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
        fits.then(|| Self(key.to_owned()))
    }

    /// The key, for the one place where it is sent.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The text with `[key]` for the key and for every part of it of eight letters or more, whatever the case.
    ///
    /// ```
    /// let key = genome_ask::llm::Secret::new("sk-0123456789").unwrap();
    /// assert_eq!(key.redact("Incorrect key: sk-0123456..."), "Incorrect key: [key]...");
    /// assert_eq!(format!("{key:?}"), "Secret(..)");
    /// ```
    pub fn redact(&self, text: &str) -> String {
        let key = self.0.to_ascii_lowercase();
        let width = key.len().min(TELLING);
        let parts: HashSet<&[u8]> = key.as_bytes().windows(width).collect();
        let lower = text.to_ascii_lowercase();
        let mut out = String::with_capacity(text.len());
        // Bytes up to here are taken out.
        let mut hidden_to = 0;
        for (at, letter) in text.char_indices() {
            if lower.as_bytes().get(at..at + width).is_some_and(|part| parts.contains(part)) {
                if at >= hidden_to {
                    out.push_str("[key]");
                }
                hidden_to = at + width;
            }
            if at >= hidden_to {
                out.push(letter);
            }
        }
        out
    }
}

impl Debug for Secret {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_taken_out() {
        let key = Secret::new(" sk-Abcdefgh12345 \n").unwrap();
        let check = |text: &str, expected: &str| assert_eq!(key.redact(text), expected);
        check("nothing here", "nothing here");
        check("sk-Abcdefgh12345", "[key]");
        check("é sk-Abcdefgh12345 ü SK-ABCDEFGH12345!", "é [key] ü [key]!");
        check("sk-Abc...2345", "sk-Abc...2345"); // too little to tell
        check("Abcdefgh1 and 12345", "[key] and 12345");
        check("sk-Abcdefgh12345sk-Abcdefgh12345", "[key][key]");
        assert_eq!(Secret::new("abc").unwrap().redact("xabcx"), "x[key]x");
        for bad in ["", "  ", "a b", "a\nb", "ä"] {
            assert!(Secret::new(bad).is_none(), "{bad:?}");
        }
    }
}
