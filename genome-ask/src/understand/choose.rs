//! An answer to a question that was asked back: a number, a name, or the words of a reading.

use super::frame::Frame;
use super::lexicon::fold;
use crate::dialogue::Reading;
use crate::query::Query;

/// The reading that a short answer chooses.
pub(super) fn reading(question: &str, frame: &Frame, readings: &[Reading]) -> Option<Query> {
    if readings.is_empty() {
        return None;
    }
    let said = fold(question.trim_end_matches(['?', '.', '!']));
    let words: Vec<&str> =
        said.split(' ').filter(|word| !["the", "one", "a", "please", "of", "number"].contains(word)).collect();
    if words.is_empty() || words.len() > 4 {
        return None;
    }
    const ORDINALS: [&str; 10] =
        ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"];
    if let [word] = words[..] {
        let number = word.parse().ok().or_else(|| ORDINALS.iter().position(|o| *o == word).map(|at| at + 1));
        if let Some(number) = number.or_else(|| frame.numbers.first().map(|n| *n as usize)) {
            return readings.get(usize::checked_sub(number, 1)?)?.query.clone();
        }
    }
    let hits: Vec<&Reading> = readings.iter().filter(|reading| fits(reading, &words)).collect();
    // "gene" is the gene, not the gene cluster.
    let length = |reading: &Reading| reading.text.split(' ').count();
    let shortest = hits.iter().map(|reading| length(reading)).min()?;
    let mut best = hits.into_iter().filter(|reading| length(reading) == shortest);
    let first = best.next()?;
    if best.next().is_none() { first.query.clone() } else { None }
}

/// All words are in it, in whatever number.
fn fits(reading: &Reading, words: &[&str]) -> bool {
    let text = fold(&reading.text);
    let known: Vec<&str> = text.split(|c: char| !(c.is_alphanumeric() || c == '_')).collect();
    let bare = |word: &str| word.strip_suffix('s').unwrap_or(word).to_owned();
    words.iter().all(|word| known.iter().any(|k| bare(k) == bare(word)))
}
