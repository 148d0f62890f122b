//! The one error of this crate.

use std::io;

/// Short for a result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Why letters could not be encoded, ids not decoded, or a tokenizer not be built. Each message is one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The sequence holds a byte that is no IUPAC nucleotide.
    #[error("letter {}: expected an IUPAC nucleotide, found {}", .position + 1, show(*.found))]
    UnknownLetter {
        /// Index in the sequence, from 0. (The message counts from 1.)
        position: usize,
        /// The byte there.
        found: u8,
    },
    /// [`Case::Original`](crate::Case::Original) was asked to encode bytes that are no text.
    #[error("letter {}: expected UTF-8 text", .position + 1)]
    NotText {
        /// Index in the sequence of the first byte that is no text.
        position: usize,
    },
    /// [`Ambiguity::Error`](crate::Ambiguity::Error) was asked for, and a letter is no single base.
    #[error("letter {}: expected A, C, G, T or U, found {}", .position + 1, show(*.found))]
    Ambiguous {
        /// Index in the sequence, from 0.
        position: usize,
        /// The letter there.
        found: u8,
    },
    /// An id to decode is not in the vocabulary.
    #[error("token {}: expected an id below {vocab_size}, found {id}", .position + 1)]
    UnknownId {
        /// Index in the ids, from 0.
        position: usize,
        /// The id there.
        id: u32,
        /// How many ids there are.
        vocab_size: usize,
    },
    /// A k-mer to decode does not continue the one in front of it.
    #[error("token {}: expected a k-mer that overlaps the one in front of it, found {token}", .position + 1)]
    NoOverlap {
        /// Index in the ids, from 0.
        position: usize,
        /// The k-mer there.
        token: String,
    },
    /// There is no room for the tokens that may not be cut: special ones, and those of a protected prompt.
    #[error("a limit of {max_tokens} tokens leaves no room: expected at least {least}")]
    LimitTooSmall {
        /// The limit that was asked for.
        max_tokens: usize,
        /// How many tokens must stay.
        least: usize,
    },
    /// A sequence has more tokens than the model has positions.
    #[error("letter {}: the model reads {max_tokens} tokens, but the sequence has {tokens}", .position + 1)]
    TooLong {
        /// Index in the sequence of the first letter that does not fit.
        position: usize,
        /// How many tokens the sequence has, special ones included.
        tokens: usize,
        /// How many the model can read.
        max_tokens: usize,
    },
    /// A row of a batch is longer than the fixed length that all should have.
    #[error("row {}: expected at most {length} tokens, found {tokens}", .row + 1)]
    RowTooLong {
        /// Index in the batch, from 0.
        row: usize,
        /// Tokens of that row.
        tokens: usize,
        /// The length that was asked for.
        length: usize,
    },
    /// One sequence of a batch could not be encoded.
    #[error("sequence {}: {source}", .index + 1)]
    InBatch {
        /// Index in the batch, from 0.
        index: usize,
        /// What is wrong with it.
        source: Box<Error>,
    },
    /// The tokenizer has no template for two sequences.
    #[error("two sequences cannot be encoded together: {why}")]
    NoPairs {
        /// The reason.
        why: &'static str,
    },
    /// Ids do not fit the type that was asked for.
    #[error("{vocab_size} ids do not fit into 16 bits")]
    WideIds {
        /// How many ids there are.
        vocab_size: usize,
    },
    /// A list has not the length that the other lists call for.
    #[error("expected {expected} {what}, found {found}")]
    WrongLength {
        /// What is counted.
        what: &'static str,
        /// How many there should be.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// One-hot rows of whole numbers cannot hold shares of a base.
    #[error("u8 holds no shares of a base: expected f32 or f16, or a policy of zeros")]
    NoShares,
    /// A name is no tokenizer that we know, and no file or folder.
    #[error("{name}: no such tokenizer: expected {expected}, or a folder or file that is there{}", .suggestion.map_or(String::new(), |s| format!("; did you mean {s}?")))]
    UnknownName {
        /// The name that was asked for.
        name: String,
        /// The names that are known.
        expected: String,
        /// The nearest of them, if one is near.
        suggestion: Option<&'static str>,
    },
    /// A setting of the training is too small.
    #[error("{setting} is {found}: expected at least {least}")]
    Setting {
        /// Its name.
        setting: &'static str,
        /// Its value.
        found: usize,
        /// The smallest value that would do.
        least: usize,
    },
    /// A k-mer length that is not supported.
    #[error("k-mers of length {k} are not supported: expected 1 to 8")]
    UnsupportedK {
        /// The length that was asked for.
        k: usize,
    },
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A file was read but is not what it should be.
    #[error("{}: {problem}", place(.path, *.line))]
    Broken {
        /// The file.
        path: String,
        /// Line of the file, from 1, where it is known.
        line: Option<usize>,
        /// What is wrong: expected and found.
        problem: String,
    },
    /// A folder has no tokenizer.
    #[error("{dir}: no tokenizer: expected one of {}", .looked_for.join(", "))]
    NotFound {
        /// The folder.
        dir: String,
        /// The files that would do.
        looked_for: Vec<&'static str>,
    },
}

impl Error {
    /// Index, from 0, in the sequence or the ids that were given.
    pub fn position(&self) -> Option<usize> {
        match self {
            Self::UnknownLetter { position, .. }
            | Self::Ambiguous { position, .. }
            | Self::TooLong { position, .. }
            | Self::NotText { position }
            | Self::UnknownId { position, .. }
            | Self::NoOverlap { position, .. } => Some(*position),
            Self::InBatch { source, .. } => source.position(),
            _ => None,
        }
    }

    /// The file or folder that is at fault.
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::Io { path, .. } | Self::Broken { path, .. } => Some(path),
            Self::NotFound { dir, .. } => Some(dir),
            _ => None,
        }
    }

    pub(crate) fn broken(path: impl Into<String>, line: Option<usize>, problem: impl AsRef<str>) -> Self {
        Self::Broken { path: path.into(), line, problem: problem.as_ref().replace(char::is_control, " ") }
    }
}

fn show(byte: u8) -> String {
    if byte.is_ascii_graphic() || byte == b' ' { format!("'{}'", byte as char) } else { format!("byte 0x{byte:02x}") }
}

fn place(path: &str, line: Option<usize>) -> String {
    match line {
        Some(line) => format!("{path}:{line}"),
        None => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_one_line_with_a_place() {
        let check = |error: Error, expected: &str| assert_eq!(error.to_string(), expected);
        check(Error::UnknownLetter { position: 4, found: b'J' }, "letter 5: expected an IUPAC nucleotide, found 'J'");
        check(
            Error::UnknownLetter { position: 0, found: b'\n' },
            "letter 1: expected an IUPAC nucleotide, found byte 0x0a",
        );
        check(Error::broken("v.txt", Some(7), "a\nb"), "v.txt:7: a b");
        check(Error::NotFound { dir: "d".into(), looked_for: vec!["a", "b"] }, "d: no tokenizer: expected one of a, b");
    }
}
