//! Two genomes of an index, compared by what their genes are called.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::RunLimits;
use crate::error::{Error, Result};
use crate::index::Index;
use crate::query::{Field, Filter, Match, Query, Select, Tell};

/// What two genomes share. Names are compared in lower case; a name that is not annotated may stand for a gene that is there.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Names in both, with how many genes have them in the first and in the second.
    pub shared: BTreeMap<String, (u64, u64)>,
    /// Names in the first alone, with how many genes have them.
    pub only_first: BTreeMap<String, u64>,
    /// Names in the second alone.
    pub only_second: BTreeMap<String, u64>,
    /// Genes without a name, of the first and the second: they are not compared.
    pub unnamed: (u64, u64),
}

impl Index {
    /// Compares two genomes by gene name ([`Field::Gene`]) or product ([`Field::Product`]).
    ///
    /// # Errors
    ///
    /// A genome is not in the index, or the field is another one.
    pub fn compare(&self, first: &str, second: &str, by: &Field) -> Result<Comparison> {
        if !matches!(by, Field::Gene | Field::Product) {
            return Err(Error::Query { problem: "genomes cannot be compared by this", found: by.to_string() });
        }
        let of = |genome: &str| -> Result<(BTreeMap<String, u64>, u64)> {
            let mut query = Query::new(Select::Gene).tell(Tell::Count);
            query.genome = Some(genome.to_owned());
            let limits = RunLimits { rows: 0, ..RunLimits::default() };
            let nameless = Filter::Not(Box::new(Filter::Text(by.clone(), Match::Present, Vec::new())));
            let unnamed = self.run_with(&query.clone().filter(nameless), limits)?.count;
            query = query.filter(Filter::Text(by.clone(), Match::Present, Vec::new()));
            query.group = Some(by.clone());
            let mut names: BTreeMap<String, u64> = BTreeMap::new();
            for group in self.run_with(&query, limits)?.groups {
                *names.entry(group.key.to_lowercase()).or_default() += group.count;
            }
            Ok((names, unnamed))
        };
        let (mut first, unnamed_first) = of(first)?;
        let (mut second, unnamed_second) = of(second)?;
        let mut shared = BTreeMap::new();
        first.retain(|name, count| match second.remove(name) {
            Some(other) => {
                shared.insert(name.clone(), (*count, other));
                false
            }
            None => true,
        });
        Ok(Comparison { shared, only_first: first, only_second: second, unnamed: (unnamed_first, unnamed_second) })
    }
}
