//! Sentences of a model about an answer: shown only if every number and name in them is in the answer.

use std::collections::HashSet;

use crate::answer::Row;
use crate::dialogue::Reply;
use crate::index::Index;
use crate::say;
use crate::understand;

/// Letters of sentences.
const LONGEST: usize = 1500;

/// Names that any sentence about genes may use.
const TERMS: &[&str] =
    &["dna", "rna", "trna", "rrna", "mrna", "cds", "orf", "gc", "bp", "aa", "kb", "mb", "da", "kda", "i"];

/// Words with a capital at the beginning of a sentence that are no names.
const BEGINNINGS: &[&str] = &[
    "a", "all", "among", "an", "and", "as", "at", "both", "by", "each", "every", "five", "for", "found", "four",
    "from", "gene", "genes", "here", "however", "in", "it", "its", "list", "many", "most", "of", "on", "other",
    "others", "overall", "protein", "proteins", "result", "results", "several", "she", "some", "that", "the", "their",
    "there", "these", "they", "this", "those", "three", "together", "two", "we", "while", "with", "yes", "you",
];

/// Words that say how many without a digit, or that something is not there: which no answer says.
const NUMBER_WORDS: &[(&str, f64)] = &[
    ("once", 1.0),
    ("single", 1.0),
    ("twice", 2.0),
    ("double", 2.0),
    ("pair", 2.0),
    ("couple", 2.0),
    ("dozen", 12.0),
    ("dozens", 12.0),
    ("hundreds", 100.0),
    ("thousands", 1000.0),
    ("millions", 1e6),
];
const FORBIDDEN: &[&str] = &[
    "half", "halves", "quarter", "quarters", "third", "thirds", "percent", "none", "nothing", "no", "absent",
    "absence", "lack", "lacks", "lacking", "missing", "zero", "not", "cannot", "never", "neither", "without",
    "billion", "billions",
];

/// The sentences as one line.
pub(super) fn check(sentences: &str, reply: &Reply, index: &Index) -> Result<String, String> {
    let text = sentences.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.is_empty() {
        return Err("there are none".to_owned());
    }
    if text.chars().count() > LONGEST {
        return Err(format!("they have more than {LONGEST} letters"));
    }
    let strange = |c: char| {
        c.is_control()
            || "<>[]{}`|*#\\".contains(c)
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    if let Some(sign) = text.chars().find(|c| strange(*c)) {
        return Err(format!("they have the sign {:?}", sign));
    }
    let lower = text.to_lowercase();
    if lower.contains("://") || lower.contains("www.") {
        return Err("they have an address".to_owned());
    }
    let told = Told::of(reply);
    let mut begins = true;
    for piece in text.split(' ') {
        let word = piece.trim_matches(|c: char| !(c.is_alphanumeric() || c == '%'));
        if !word.is_empty() {
            told.word(word, begins, index)?;
        }
        begins = piece.ends_with(['.', '!', '?', ':']) || (begins && word.is_empty());
    }
    Ok(text)
}

/// What the answer has.
struct Told {
    /// In lower case: whole words, and their parts between signs.
    words: HashSet<String>,
    numbers: Vec<f64>,
}

impl Told {
    fn of(reply: &Reply) -> Self {
        let mut told = Self { words: HashSet::new(), numbers: Vec::new() };
        told.text(&reply.text);
        told.text(&reply.understood);
        let Some(answer) = reply.answer() else { return told };
        told.text(&answer.query);
        told.number(answer.count as f64);
        for row in &answer.rows {
            told.row(row);
        }
        for value in &answer.values {
            told.number(value.value);
            told.text(&value.name);
            told.text(&value.unit);
        }
        for group in &answer.groups {
            told.text(&group.key);
            told.text(group.label.as_deref().unwrap_or_default());
            told.number(group.count as f64);
            for number in group.per_thousand.iter().chain(&group.share) {
                told.number(*number);
            }
        }
        if let Some(interval) = &answer.interval {
            told.text(&interval.seqid);
            told.number(interval.start as f64);
            told.number(interval.end as f64);
        }
        told
    }

    fn row(&mut self, row: &Row) {
        let texts = [&row.locus_tag, &row.gene, &row.product, &row.protein_id, &row.pattern];
        for text in texts.into_iter().flatten().chain([&row.id, &row.kind, &row.genome, &row.seqid]) {
            self.text(text);
        }
        for text in row.fields.values().flatten().chain(&row.members) {
            self.text(text);
        }
        for number in [row.start, row.end, row.length].into_iter().chain(row.aa) {
            self.number(number as f64);
        }
        for number in row.gc.into_iter().chain(row.density) {
            self.number(number);
        }
        for (start, end) in &row.parts {
            self.number(*start as f64);
            self.number(*end as f64);
        }
    }

    /// A number, and as it is written for people.
    fn number(&mut self, number: f64) {
        self.numbers.push(number);
        self.text(&say::number(number));
    }

    fn text(&mut self, text: &str) {
        for piece in text.split_whitespace() {
            let piece = piece.trim_matches(|c: char| !(c.is_alphanumeric() || c == '%'));
            for part in std::iter::once(piece).chain(parts(piece)).filter(|part| !part.is_empty()) {
                if let Some(number) = plain_number(part) {
                    self.numbers.push(number);
                }
                self.words.insert(part.to_lowercase());
            }
        }
    }

    /// Whether a word of a sentence may stand there.
    fn word(&self, word: &str, begins: bool, index: &Index) -> Result<(), String> {
        if let Some(sign) = word.chars().find(|c| c.is_numeric() && !c.is_ascii_digit()) {
            return Err(format!("they have the number {sign:?}"));
        }
        let lower = word.to_lowercase();
        let has_number = |number: f64| self.numbers.contains(&number);
        if let Some(number) = plain_number(word) {
            return if has_number(number) { Ok(()) } else { Err(format!("the answer has no number {word}")) };
        }
        if self.words.contains(&lower) || TERMS.contains(&&*lower) {
            return Ok(());
        }
        // `b0014-b0016`, `lacZ/lacY`, `120-240`.
        let pieces: Vec<&str> = parts(word).collect();
        if pieces.len() > 1 {
            return pieces.into_iter().try_for_each(|piece| self.word(piece, begins, index));
        }
        if word.bytes().any(|b| b.is_ascii_digit()) {
            return Err(format!("the answer has no {word}"));
        }
        if FORBIDDEN.contains(&&*lower) {
            return Err(format!("{word:?} is no word of an answer"));
        }
        let many = NUMBER_WORDS.iter().find(|(name, _)| *name == lower).map(|(_, number)| *number);
        if let Some(number) = many.or_else(|| understand::number_word(&lower)) {
            return if has_number(number) { Ok(()) } else { Err(format!("the answer has no number {word}")) };
        }
        let capitals = word.chars().any(char::is_uppercase);
        let first_alone = word.chars().skip(1).all(|c| !c.is_uppercase());
        if (capitals && !(begins && first_alone && BEGINNINGS.contains(&&*lower))) || word.contains('_') {
            return Err(format!("the answer has no {word}"));
        }
        // A name in lower case, such as `dnak`: no word of questions, but one of the genome.
        if !BEGINNINGS.contains(&&*lower) && !understand::is_question_word(&lower) {
            match understand::is_name(&lower, index) {
                Ok(false) => {}
                Ok(true) => return Err(format!("the answer has no {word}")),
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(())
    }
}

/// What stands between the signs of a word.
fn parts(word: &str) -> impl Iterator<Item = &str> {
    word.split(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.' | ',' | '%' | '\'')))
        .flat_map(|part| part.split(".."))
        .map(|part| part.trim_matches(['.', ',', '\'']))
        .filter(|part| !part.is_empty())
}

/// `1,234`, `50.8`, `12%` as numbers.
fn plain_number(word: &str) -> Option<f64> {
    let digits = word.strip_suffix('%').unwrap_or(word).replace(',', "");
    let is_number =
        digits.bytes().all(|b| b.is_ascii_digit() || b == b'.') && digits.bytes().any(|b| b.is_ascii_digit());
    if is_number { digits.parse().ok() } else { None }
}
