//! Questions of similarity: `genes similar in function to heat shock chaperone`, `what resembles dnaK?`.

use super::{Of, To};
use crate::error::Result;
use crate::index::Index;
use crate::understand;

/// What a question of similarity asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// To what.
    pub to: To,
    /// By what, where the question says it.
    pub of: Option<Of>,
    /// How many, where the question says it.
    pub rows: Option<u64>,
}

/// Words that ask for similarity, the longest first, and by what.
const RELATIONS: &[(&str, Option<Of>)] = &[
    ("similar in function to", Some(Of::Function)),
    ("similar in meaning to", Some(Of::Function)),
    ("similar in product to", Some(Of::Function)),
    ("related in function to", Some(Of::Function)),
    ("functionally similar to", Some(Of::Function)),
    ("functionally related to", Some(Of::Function)),
    ("with functions similar to", Some(Of::Function)),
    ("with a function similar to", Some(Of::Function)),
    ("with similar function to", Some(Of::Function)),
    ("with similar functions to", Some(Of::Function)),
    ("with the same sort of function as", Some(Of::Function)),
    ("with functions like", Some(Of::Function)),
    ("with a function like", Some(Of::Function)),
    ("similar in sequence to", Some(Of::Sequence)),
    ("with a sequence similar to", Some(Of::Sequence)),
    ("with sequences similar to", Some(Of::Sequence)),
    ("with a sequence like", Some(Of::Sequence)),
    ("whose sequence resembles", Some(Of::Sequence)),
    ("whose function resembles", Some(Of::Function)),
    ("most similar to", None),
    ("similar to", None),
    ("resembling", None),
    ("resembles", None),
    ("resemble", None),
];

/// Words that may stand in front.
const BEFORE: &[&str] = &[
    "a",
    "all",
    "any",
    "are",
    "do",
    "does",
    "find",
    "for",
    "gene",
    "genes",
    "give",
    "list",
    "me",
    "more",
    "most",
    "of",
    "ones",
    "other",
    "please",
    "protein",
    "proteins",
    "search",
    "show",
    "that",
    "the",
    "there",
    "what",
    "which",
    "anything",
    "something",
    "top",
    "is",
    "code",
    "encode",
    "coding",
    "to",
    "closest",
    "nearest",
];

/// What a question asks for if it is one of similarity. A name of the genome is a gene; all else is a text.
///
/// # Errors
///
/// The index is damaged.
pub fn wanted(question: &str, index: &Index) -> Result<Option<Wanted>> {
    let question = understand::clean(question);
    let lower = question.to_ascii_lowercase(); // keeps the places of letters
    let mut found = None;
    for (words, of) in RELATIONS {
        let Some(at) = lower.find(words) else { continue };
        let ends = lower.as_bytes().get(at + words.len()).is_none_or(|b| *b == b' ');
        let begins = at == 0 || lower.as_bytes()[at - 1] == b' ';
        if begins && ends {
            found = Some((at, at + words.len(), *of));
            break;
        }
    }
    let Some((start, end, of)) = found else { return Ok(None) };
    let mut rows = None;
    for word in lower[..start].split([' ', ',']).filter(|word| !word.is_empty()) {
        if let Some(number) = number(word) {
            rows = Some(number);
        } else if !BEFORE.contains(&word) {
            return Ok(None);
        }
    }
    let mut to = question[end..].trim().trim_end_matches(['?', '.', '!']).trim();
    for article in [
        "the gene ",
        "gene ",
        "the protein ",
        "protein ",
        "the product of ",
        "the function of ",
        "that of ",
        "those of ",
        "the ",
        "a ",
        "an ",
    ] {
        if to.get(..article.len()).is_some_and(|head| head.eq_ignore_ascii_case(article)) {
            to = to[article.len()..].trim();
            break;
        }
    }
    let to = to.trim_matches('"').trim();
    if to.is_empty() {
        return Ok(None);
    }
    let is_gene = !to.contains(' ') && understand::is_name(to, index)?;
    let to = if is_gene { To::Gene(to.to_owned()) } else { To::Text(to.to_owned()) };
    Ok(Some(Wanted { to, of, rows }))
}

/// How many: digits, or a word up to twenty.
fn number(word: &str) -> Option<u64> {
    const WORDS: [&str; 11] =
        ["three", "four", "five", "six", "seven", "eight", "nine", "ten", "twelve", "fifteen", "twenty"];
    const VALUES: [u64; 11] = [3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20];
    let in_words = WORDS.iter().position(|known| *known == word).map(|at| VALUES[at]);
    in_words.or_else(|| word.parse().ok()).filter(|n| (1..=100_000).contains(n))
}
