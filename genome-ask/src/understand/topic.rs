//! Words about a function, as a filter: whole words of products first, then what else they may stand for.

use super::lexicon::{instead_of, same_function};
use super::spelling::forms;
use super::vocabulary::{Column, Genome};
use crate::error::Result;
use crate::query::{Field, Filter, Match};

/// Nouns at the end of a phrase that say nothing about the function.
const TAILS: [&str; 26] = [
    "gene",
    "genes",
    "protein",
    "proteins",
    "enzyme",
    "enzymes",
    "regulator",
    "regulators",
    "family",
    "families",
    "system",
    "systems",
    "component",
    "components",
    "subunit",
    "subunits",
    "array",
    "arrays",
    "pathway",
    "factor",
    "factors",
    "activity",
    "function",
    "machinery",
    "related",
    "process",
];

/// The three letters that a tRNA's product has for an amino acid.
pub(super) fn amino_acid(word: &str) -> Option<&'static str> {
    const NAMES: [(&str, &str); 21] = [
        ("alanine", "Ala"),
        ("arginine", "Arg"),
        ("asparagine", "Asn"),
        ("aspartate", "Asp"),
        ("cysteine", "Cys"),
        ("glutamine", "Gln"),
        ("glutamate", "Glu"),
        ("glycine", "Gly"),
        ("histidine", "His"),
        ("isoleucine", "Ile"),
        ("leucine", "Leu"),
        ("lysine", "Lys"),
        ("methionine", "Met"),
        ("phenylalanine", "Phe"),
        ("proline", "Pro"),
        ("serine", "Ser"),
        ("threonine", "Thr"),
        ("tryptophan", "Trp"),
        ("tyrosine", "Tyr"),
        ("valine", "Val"),
        ("selenocysteine", "Sec"),
    ];
    NAMES.iter().find(|(name, _)| *name == word).map(|(_, short)| *short)
}

/// Where a function is looked for first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// "ABC transporters": products.
    Product,
    /// "involved in": functions, then products.
    Process,
}

/// A phrase as a filter, and what should be told about how it was read.
pub(super) struct Topic {
    pub(super) filter: Filter,
    pub(super) note: Option<String>,
    /// Whether the genome has it at all.
    pub(super) known: bool,
}

pub(super) fn topic(phrase: &str, role: Role, genome: Genome<'_>) -> Result<Topic> {
    let has = |words: Vec<String>| Filter::Text(Field::Product, Match::Has, words);
    let known = |filter: Filter, note: Option<String>| Ok(Topic { filter, note, known: true });
    if role == Role::Process {
        for (column, field) in [(Column::Function, Field::Function), (Column::Go, Field::Go)] {
            if genome.phrase(column, phrase)? > 0 && field == Field::Function {
                return known(Filter::Text(field, Match::Contains, vec![phrase.to_owned()]), None);
            }
        }
    }
    let same = every_form(phrase).iter().find_map(|form| same_function(form));
    if let Some(same) = same.or_else(|| same_function(without_tail(phrase)?)) {
        let mut there = Vec::new();
        for other in same {
            if genome.phrase(Column::Product, other)? > 0 {
                there.push(other.clone());
            }
        }
        if !there.is_empty() {
            return known(has(there), None);
        }
    }
    // "Involved in motility" is more than the word.
    if role == Role::Process
        && let Some(instead) = instead_of(phrase).or_else(|| instead_of(without_tail(phrase)?))
    {
        let mut there: Vec<String> = in_products(phrase, genome)?.into_iter().collect();
        for other in instead {
            if genome.phrase(Column::Product, other)? > 0
                && !there.iter().any(|known| known.eq_ignore_ascii_case(other))
            {
                there.push(other.clone());
            }
        }
        if !there.is_empty() {
            let note = format!("{phrase} is taken as these words of products: {}", there.join(", "));
            return known(has(there), Some(note));
        }
    }
    if let Some(found) = in_products(phrase, genome)? {
        // "Flagellar proteins" are more than those with just these two words; "ribosomal" alone is much else.
        if let Some(head) = without_tail(phrase)
            && let Some(wider) = in_products(head, genome)?
            && (!is_adjective(head)
                || genome.phrase(Column::Product, &wider)? > 2 * genome.phrase(Column::Product, &found)?)
        {
            return known(has(vec![wider]), None);
        }
        return known(has(vec![found]), None);
    }
    let mut head = phrase;
    while let Some(shorter) = without_tail(head) {
        head = shorter;
        if let Some(found) = in_products(head, genome)? {
            return known(has(vec![found]), None);
        }
    }
    for phrase in [phrase, head] {
        if let Some(instead) = instead_of(phrase) {
            let mut there = Vec::new();
            for other in instead {
                if genome.phrase(Column::Product, other)? > 0 {
                    there.push(other.clone());
                }
            }
            if !there.is_empty() {
                let note = format!("no product has the words {phrase:?}; these stand for them: {}", there.join(", "));
                return known(has(there), Some(note));
            }
        }
    }
    let mut words = Vec::new();
    for word in head.split([' ', '-']).filter(|word| !word.is_empty()) {
        words.push(in_products(word, genome)?);
    }
    if words.len() > 1 && words.iter().all(Option::is_some) {
        let all: Vec<Filter> = words.into_iter().flatten().map(|word| has(vec![word])).collect();
        return known(Filter::All(all), Some(format!("all words of {head:?}, in any order")));
    }
    for phrase in [phrase, head] {
        if genome.phrase(Column::Function, phrase)? > 0 {
            return known(Filter::Text(Field::Function, Match::Contains, vec![phrase.to_owned()]), None);
        }
    }
    for phrase in [phrase, head] {
        for form in every_form(phrase) {
            if genome.anywhere(&form)? > 0 {
                let note = format!("no product has the words {form:?}; they stand in names, notes or other texts");
                return known(Filter::FullText(form), Some(note));
            }
        }
    }
    Ok(Topic { filter: has(vec![head.to_owned()]), note: None, known: false })
}

/// The form of a phrase that most products have: "transporters" is what one product may say, "transporter" what they are.
fn in_products(phrase: &str, genome: Genome<'_>) -> Result<Option<String>> {
    let mut best: Option<(i64, String)> = None;
    for form in every_form(phrase) {
        let found = genome.phrase(Column::Product, &form)?;
        if found > best.as_ref().map_or(0, |(most, _)| *most) {
            best = Some((found, form));
        }
    }
    Ok(best.map(|(_, form)| form))
}

/// A phrase with its last word, and its words in American and British spelling.
fn every_form(phrase: &str) -> Vec<String> {
    let (head, last) = phrase.rsplit_once(' ').map_or((None, phrase), |(head, last)| (Some(head), last));
    let join = |head: Option<&str>, last: &str| head.map_or(last.to_owned(), |head| format!("{head} {last}"));
    // The last word keeps its case where it is taken as it is.
    let mut all: Vec<String> = vec![phrase.to_owned()];
    all.extend(forms(&last.to_lowercase()).iter().map(|form| join(head, form)));
    if let Some(head) = head {
        let american: Vec<_> = head.split(' ').map(|w| super::spelling::american(w).into_owned()).collect();
        let american = american.join(" ");
        if american != head {
            all.extend(forms(&last.to_lowercase()).iter().map(|form| join(Some(&american), form)));
        }
    }
    all
}

/// `ribosomal`, `flagellar`: with its noun it is a name of its own. `photosystem II` is one without.
fn is_adjective(phrase: &str) -> bool {
    ["al", "ar", "ic", "ous", "ary", "ive"].iter().any(|end| phrase.to_lowercase().ends_with(end))
}

fn without_tail(phrase: &str) -> Option<&str> {
    let (head, last) = phrase.rsplit_once(' ')?;
    TAILS.contains(&last.to_lowercase().as_str()).then(|| head.trim_end())
}
