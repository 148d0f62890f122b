//! What the genomes of an index call things: names, sequences, kinds of features, words of products.

use std::cell::OnceCell;

use rusqlite::OptionalExtension;

use super::lexicon::fold;
use super::spelling::forms;
use crate::error::Result;
use crate::index::Index;
use crate::index::facts::words;

/// Lists that are read from an index when a question needs them, once.
#[derive(Debug, Default)]
pub(crate) struct Vocabulary {
    kinds: OnceCell<Vec<(Vec<String>, String)>>,
    names: OnceCell<Vec<String>>,
    product_words: OnceCell<Vec<String>>,
    genomes: OnceCell<Vec<String>>,
    organisms: OnceCell<Vec<String>>,
}

/// Where a phrase may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Product,
    Function,
    Go,
}

impl Column {
    fn name(self) -> &'static str {
        match self {
            Self::Product => "product",
            Self::Function => "function",
            Self::Go => "go",
        }
    }
}

/// Questions about the words of an index.
#[derive(Debug, Clone, Copy)]
pub(super) struct Genome<'a> {
    pub(super) index: &'a Index,
}

impl<'a> Genome<'a> {
    fn vocabulary(&self) -> &'a Vocabulary {
        &self.index.vocabulary
    }

    /// Whether a feature has this name, and how good a name it is: 1 official, 2 a synonym, 3 a cross reference.
    pub(super) fn name_rank(&self, text: &str) -> Result<Option<i64>> {
        let fold = text.trim().to_lowercase();
        let mut statement = self.index.db.prepare("SELECT min(rank) FROM names WHERE fold = ?1")?;
        Ok(statement.query_row([fold], |row| row.get(0))?)
    }

    /// Whether a sequence has this name.
    pub(super) fn is_sequence(&self, text: &str) -> Result<bool> {
        let fold = text.trim().to_lowercase();
        let mut statement = self.index.db.prepare("SELECT 1 FROM sequence_names WHERE fold = ?1 LIMIT 1")?;
        Ok(statement.query_row([fold], |_| Ok(())).optional()?.is_some())
    }

    /// How many sequences there are.
    pub(super) fn sequences(&self) -> Result<i64> {
        Ok(self.index.db.query_row("SELECT count(*) FROM sequences", [], |row| row.get(0))?)
    }

    /// Kinds of features: their words, singular and plural, and as the file writes them.
    pub(super) fn kinds(&self) -> Result<&'a [(Vec<String>, String)]> {
        read_once(&self.vocabulary().kinds, || {
            let mut statement = self.index.db.prepare("SELECT DISTINCT kind FROM features")?;
            let kinds = statement.query_map([], |row| row.get::<_, String>(0))?;
            let mut out = Vec::new();
            for kind in kinds {
                let kind = kind?;
                let spoken = fold(&kind.replace('_', " "));
                let split = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
                for form in [format!("{spoken}s"), format!("{spoken}es"), spoken] {
                    out.push((split(&form), kind.clone()));
                }
            }
            Ok(out)
        })
    }

    /// Words of the organisms' names.
    pub(super) fn organism_words(&self) -> Result<&'a [String]> {
        read_once(&self.vocabulary().organisms, || {
            let names = self.index.genomes()?.into_iter().filter_map(|genome| genome.organism);
            Ok(names.flat_map(|name| words(&name).split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect())
        })
    }

    /// The names of the genomes, where there are several.
    pub(super) fn several(&self) -> Result<&'a [String]> {
        read_once(&self.vocabulary().genomes, || {
            let names: Vec<String> = self.index.genomes()?.into_iter().map(|genome| genome.name).collect();
            Ok(if names.len() > 1 { names } else { Vec::new() })
        })
    }

    /// Official names and synonyms.
    pub(super) fn names(&self) -> Result<&'a [String]> {
        read_once(&self.vocabulary().names, || {
            let mut statement = self.index.db.prepare("SELECT DISTINCT fold FROM names WHERE rank < 3")?;
            let names = statement.query_map([], |row| row.get(0))?;
            Ok(names.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Words of products, sorted.
    pub(super) fn product_words(&self) -> Result<&'a [String]> {
        read_once(&self.vocabulary().product_words, || {
            let mut statement =
                self.index.db.prepare("SELECT DISTINCT product FROM features WHERE product IS NOT NULL")?;
            let products = statement.query_map([], |row| row.get::<_, String>(0))?;
            let mut out = std::collections::BTreeSet::new();
            for product in products {
                out.extend(words(&product?).split_whitespace().filter(|w| w.len() > 2).map(str::to_owned));
            }
            Ok(out.into_iter().collect())
        })
    }

    pub(super) fn is_product_word(&self, word: &str) -> Result<bool> {
        let known = self.product_words()?;
        Ok(forms(word).iter().any(|form| known.binary_search(form).is_ok()))
    }

    /// In how many features these words stand in this order.
    pub(super) fn phrase(&self, column: Column, phrase: &str) -> Result<i64> {
        let words = words(phrase);
        if words.trim().is_empty() {
            return Ok(0);
        }
        let expression = format!("{} : \"{}\"", column.name(), words.trim());
        let mut statement = self.index.db.prepare("SELECT count(*) FROM words WHERE words MATCH ?1")?;
        Ok(statement.query_row([expression], |row| row.get(0))?)
    }

    /// In how many features all of these words stand, wherever.
    pub(super) fn anywhere(&self, phrase: &str) -> Result<i64> {
        let words = words(phrase);
        let quoted: Vec<String> = words.split_whitespace().map(|word| format!("\"{word}\"")).collect();
        if quoted.is_empty() {
            return Ok(0);
        }
        let mut statement = self.index.db.prepare("SELECT count(*) FROM words WHERE words MATCH ?1")?;
        Ok(statement.query_row([quoted.join(" AND ")], |row| row.get(0))?)
    }
}

fn read_once<T>(cell: &OnceCell<Vec<T>>, read: impl FnOnce() -> Result<Vec<T>>) -> Result<&[T]> {
    if cell.get().is_none() {
        let _ = cell.set(read()?); // Nobody else has set it: an index is used by one thread at a time.
    }
    Ok(cell.get().map(Vec::as_slice).unwrap_or_default())
}
