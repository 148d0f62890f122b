//! What the words of questions mean: tables apart from code, in `words/`.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::spelling::american;
use crate::query::{Aggregate, Extract, Field, Is, Output, Query, Side, Strand, Tell};

/// What a word or phrase means.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Sense {
    Count,
    List,
    Where,
    Exists,
    /// "What does it do?"
    Does,
    HowLong,
    YesNo,
    Noun(Noun),
    Field(Field),
    N50,
    CodonUsage,
    Coverage,
    Compare(Comparator),
    /// After its number: "or more".
    After(Comparator),
    Within,
    Near,
    NextTo,
    EitherSide,
    Side(Side),
    Adjacent,
    SameStrand,
    Overlaps,
    Inside,
    Next,
    Previous,
    Strand(Strand),
    On,
    Gap,
    Extreme {
        descending: bool,
        by: Option<Field>,
    },
    First,
    Order,
    OrderLength,
    Direction {
        descending: bool,
    },
    /// "small proteins", without a number.
    Sized {
        large: bool,
    },
    Is(Is),
    Origin,
    Output(Output),
    Sequence(Letters),
    /// Bases in front of a gene, or behind it.
    Flank(Side),
    Aggregate(Aggregate),
    Share,
    Group,
    It,
    These,
    Only,
    About,
    Not,
    With,
    Encode,
    Called,
    Filler,
    Help,
    /// What two genomes have in common.
    Shared,
    /// What only one of them has.
    Missing,
    /// What no annotation tells, with the reason.
    Beyond(&'static str),
}

/// Which letters are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Letters {
    Any,
    Of(Extract),
}

/// How a number is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparator {
    Lt,
    Le,
    Eq,
    Ge,
    Gt,
    Between,
}

/// What rows are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Noun {
    Gene,
    /// A gene with a protein.
    CodingGene,
    Protein,
    Cds,
    Feature,
    /// A kind of feature; for RNAs that count without pseudogenes.
    Kind(String),
    Pseudogene,
    /// RNA genes of any kind.
    Rna,
    Sequence,
    Genome,
    Intergenic,
    Run,
    Cluster,
    Orf,
    Motif,
    Window,
    Region,
    Neighbour,
}

/// Phrases by their first word, the longest first.
#[derive(Debug)]
pub(super) struct Lexicon {
    phrases: HashMap<String, Vec<(Vec<String>, Sense)>>,
    words: Vec<String>,
}

static LEXICON: LazyLock<Lexicon> = LazyLock::new(Lexicon::read);

pub(super) fn lexicon() -> &'static Lexicon {
    &LEXICON
}

impl Lexicon {
    fn read() -> Self {
        let mut lexicon = Self { phrases: HashMap::new(), words: Vec::new() };
        for (key, phrases) in entries(include_str!("words/lexicon.txt")) {
            let sense = sense(key).unwrap_or_else(|| panic!("lexicon.txt: {key:?} is no sense"));
            for phrase in phrases {
                lexicon.add(phrase, &sense);
            }
        }
        for (reason, phrases) in entries(include_str!("words/beyond.txt")) {
            for phrase in phrases {
                lexicon.add(phrase, &Sense::Beyond(reason));
            }
        }
        for list in lexicon.phrases.values_mut() {
            list.sort_by_key(|(words, _)| std::cmp::Reverse(words.len())); // stable: of equals the first one
        }
        lexicon.words.sort_unstable();
        lexicon.words.dedup();
        lexicon
    }

    fn add(&mut self, phrase: &str, sense: &Sense) {
        let mut forms = vec![phrase.to_owned()];
        if let Sense::Noun(_) = sense {
            forms.push(plural(phrase));
        }
        for form in forms {
            let words: Vec<String> = fold(&form).split(' ').map(str::to_owned).collect();
            self.words.extend(words.iter().filter(|w| w.len() > 1).cloned());
            self.phrases.entry(words[0].clone()).or_default().push((words, sense.clone()));
        }
    }

    /// The longest phrase that these words begin with, and how many words it has.
    pub(super) fn longest(&self, words: &[&str]) -> Option<(&Sense, usize)> {
        let candidates = self.phrases.get(*words.first()?)?;
        let fits = |phrase: &[String]| phrase.len() <= words.len() && phrase.iter().zip(words).all(|(a, b)| a == b);
        candidates.iter().find(|(phrase, _)| fits(phrase)).map(|(phrase, sense)| (sense, phrase.len()))
    }

    /// Words that a typing error may have been meant for.
    pub(super) fn words(&self) -> &[String] {
        &self.words
    }

    pub(super) fn knows(&self, word: &str) -> bool {
        self.words.binary_search_by(|known| known.as_str().cmp(word)).is_ok()
    }
}

/// `key: phrase; phrase` of each line that is no comment.
fn entries(text: &'static str) -> impl Iterator<Item = (&'static str, impl Iterator<Item = &'static str>)> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.split_once(": "))
        .map(|(key, phrases)| (key.trim(), phrases.split(';').map(str::trim).filter(|phrase| !phrase.is_empty())))
}

/// As words are compared: lower case, American, hyphens and other signs as blanks.
pub(super) fn fold(phrase: &str) -> String {
    let lower = phrase.to_lowercase();
    let words = lower.split(['-', ' ', '\'']).filter(|w| !w.is_empty());
    words.map(|word| american(word).into_owned()).collect::<Vec<_>>().join(" ")
}

/// A word as it is compared.
pub(super) fn american_fold(word: &str) -> String {
    american(&word.to_lowercase()).into_owned()
}

fn plural(phrase: &str) -> String {
    match phrase.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{stem}ies"),
        _ if phrase.ends_with('s') => format!("{phrase}es"),
        _ => format!("{phrase}s"),
    }
}

fn sense(key: &str) -> Option<Sense> {
    let (key, argument) = key.split_once(' ').unwrap_or((key, ""));
    let comparator = || {
        Some(match argument {
            "<" => Comparator::Lt,
            "<=" => Comparator::Le,
            "=" => Comparator::Eq,
            ">=" => Comparator::Ge,
            ">" => Comparator::Gt,
            "between" => Comparator::Between,
            _ => return None,
        })
    };
    // The names of fields, aggregates and forms are those of the typed query.
    let query = |text: String| Query::parse(&text).ok();
    Some(match key {
        "count" => Sense::Count,
        "list" => Sense::List,
        "where" => Sense::Where,
        "exists" => Sense::Exists,
        "does" => Sense::Does,
        "how_long" => Sense::HowLong,
        "yes_no" => Sense::YesNo,
        "noun" => Sense::Noun(noun(argument)),
        "field" => Sense::Field(query(format!("list gene show {argument}"))?.show.pop()?),
        "n50" => Sense::N50,
        "codon_usage" => Sense::CodonUsage,
        "coverage" => Sense::Coverage,
        "compare" => Sense::Compare(comparator()?),
        "after" => Sense::After(comparator()?),
        "within" => Sense::Within,
        "near" => Sense::Near,
        "next_to" => Sense::NextTo,
        "either_side" => Sense::EitherSide,
        "side" => Sense::Side(side(argument)?),
        "adjacent" => Sense::Adjacent,
        "same_strand" => Sense::SameStrand,
        "overlaps" => Sense::Overlaps,
        "inside" => Sense::Inside,
        "next" => Sense::Next,
        "previous" => Sense::Previous,
        "strand" => Sense::Strand(if argument == "-" { Strand::Minus } else { Strand::Plus }),
        "on" => Sense::On,
        "gap" => Sense::Gap,
        "extreme" => {
            let (direction, by) = argument.split_once(' ').unwrap_or((argument, ""));
            let by = if by.is_empty() { None } else { query(format!("list gene order by {by}"))?.order.pop() };
            Sense::Extreme { descending: direction == ">", by: by.map(|order| order.by) }
        }
        "first" => Sense::First,
        "order" => Sense::Order,
        "order_length" => Sense::OrderLength,
        "direction" => Sense::Direction { descending: argument == ">" },
        "sized" => Sense::Sized { large: argument == ">" },
        "is" => {
            let mut filters = query(format!("list gene where {argument}"))?.filters;
            match filters.pop()? {
                crate::query::Filter::Is(is) => Sense::Is(is),
                _ => return None,
            }
        }
        "origin" => Sense::Origin,
        "output" => Sense::Output(query(format!("list gene as {argument}"))?.output),
        "sequence" => Sense::Sequence(match argument {
            "any" => Letters::Any,
            other => Letters::Of(query(format!("list gene extract {other}"))?.extract?),
        }),
        "promoter" => Sense::Flank(Side::Upstream),
        "terminator" => Sense::Flank(Side::Downstream),
        "aggregate" => match query(format!("{argument}(aa) protein"))?.tell {
            Tell::Aggregate(how, _) => Sense::Aggregate(how),
            _ => return None,
        },
        "share" => Sense::Share,
        "group" => Sense::Group,
        "it" => Sense::It,
        "these" => Sense::These,
        "only" => Sense::Only,
        "about" => Sense::About,
        "not" => Sense::Not,
        "with" => Sense::With,
        "encode" => Sense::Encode,
        "called" => Sense::Called,
        "filler" => Sense::Filler,
        "shared" => Sense::Shared,
        "missing" => Sense::Missing,
        "help" => Sense::Help,
        _ => return None,
    })
}

fn side(name: &str) -> Option<Side> {
    Some(match name {
        "upstream" => Side::Upstream,
        "downstream" => Side::Downstream,
        "left" => Side::Left,
        "right" => Side::Right,
        _ => return None,
    })
}

fn noun(name: &str) -> Noun {
    match name {
        "gene" => Noun::Gene,
        "protein" => Noun::Protein,
        "coding_gene" => Noun::CodingGene,
        "cds" => Noun::Cds,
        "feature" => Noun::Feature,
        "pseudogene" => Noun::Pseudogene,
        "rna" => Noun::Rna,
        "sequence" => Noun::Sequence,
        "genome" => Noun::Genome,
        "intergenic" => Noun::Intergenic,
        "run" => Noun::Run,
        "cluster" => Noun::Cluster,
        "orf" => Noun::Orf,
        "motif" => Noun::Motif,
        "window" => Noun::Window,
        "region" => Noun::Region,
        "neighbour" => Noun::Neighbour,
        kind => Noun::Kind(kind.to_owned()),
    }
}

/// Functions by other names.
#[derive(Debug)]
pub(super) struct Functions {
    /// The same thing under several names.
    same: Vec<Vec<String>>,
    /// What stands for a word that no product has.
    instead: HashMap<String, Vec<String>>,
}

static FUNCTIONS: LazyLock<Functions> = LazyLock::new(|| {
    let mut functions = Functions { same: Vec::new(), instead: HashMap::new() };
    for line in include_str!("words/functions.txt").lines().filter(|line| !line.starts_with('#')) {
        let list = |text: &str| text.split(';').map(|word| word.trim().to_owned()).filter(|w| !w.is_empty()).collect();
        if let Some(same) = line.strip_prefix("= ") {
            functions.same.push(list(same));
        } else if let Some((word, instead)) = line.split_once(" > ") {
            functions.instead.insert(fold(word), list(instead));
        }
    }
    functions
});

/// Other names of the same function.
pub(super) fn same_function(phrase: &str) -> Option<&'static [String]> {
    let phrase = fold(phrase);
    FUNCTIONS.same.iter().find(|same| same.iter().any(|word| fold(word) == phrase)).map(Vec::as_slice)
}

/// What to look for instead of a word that no product has.
pub(super) fn instead_of(phrase: &str) -> Option<&'static [String]> {
    FUNCTIONS.instead.get(&fold(phrase)).map(Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases_are_found() {
        let check = |text: &str, expected: Sense, length: usize| {
            let folded = fold(text);
            let words: Vec<&str> = folded.split(' ').collect();
            assert_eq!(lexicon().longest(&words), Some((&expected, length)), "{text}");
        };
        check("how many genes", Sense::Count, 2);
        check("Protein-coding genes", Sense::Noun(Noun::CodingGene), 3);
        check("no longer than 5", Sense::Compare(Comparator::Le), 3);
        check("uncharacterised proteins", Sense::Is(Is::UnknownFunction), 1);
        check("neighbouring genes", Sense::Noun(Noun::Neighbour), 2);
        check("longest run", Sense::Extreme { descending: true, by: None }, 1);
        check("as FASTA please", Sense::Output(Output::Fasta), 2);
    }

    #[test]
    fn other_names_of_functions() {
        assert!(same_function("LPS").unwrap().contains(&"lipopolysaccharide".to_owned()));
        assert!(instead_of("motility").unwrap().contains(&"flagellar".to_owned()));
        assert_eq!(same_function("chair"), None);
    }
}
