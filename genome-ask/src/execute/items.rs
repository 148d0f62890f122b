//! Rows before they are told: where they are, and by what they are sorted.

use std::cmp::Ordering;
use std::collections::HashSet;

use super::{Outcome, Run};
use crate::query::{Field, Filter, Select};

/// A value to sort or group by.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Key {
    Nothing,
    Number(f64),
    Text(String),
}

impl Key {
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn text(&self) -> Option<String> {
        match self {
            Self::Nothing => None,
            Self::Number(number) => Some(number.to_string()),
            Self::Text(text) => Some(text.clone()),
        }
    }

    /// Nothing comes last in both directions.
    fn compare(&self, other: &Self, descending: bool) -> Ordering {
        let order = match (self, other) {
            (Self::Nothing, Self::Nothing) => return Ordering::Equal,
            (Self::Nothing, _) => return Ordering::Greater,
            (_, Self::Nothing) => return Ordering::Less,
            (Self::Number(a), Self::Number(b)) => a.total_cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (Self::Number(_), Self::Text(_)) => Ordering::Less,
            (Self::Text(_), Self::Number(_)) => Ordering::Greater,
        };
        if descending { order.reverse() } else { order }
    }
}

/// A row before it is told.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) what: What,
    /// The number of the sequence.
    pub(super) seq: i64,
    /// 1-based, the last base included; `end < start` over the origin.
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) strand: char,
    pub(super) length: i64,
    pub(super) wraps: bool,
    /// The fields of the order, then the one that is told or grouped by.
    pub(super) keys: Vec<Key>,
}

/// What a row is made of.
#[derive(Debug, Clone)]
pub(super) enum What {
    Feature {
        id: i64,
        locus: Option<i64>,
    },
    Sequence,
    Intergenic,
    Region,
    Window {
        gc: Option<f64>,
    },
    Orf {
        aa: i64,
        table: u8,
    },
    Motif {
        pattern: String,
    },
    /// Members are features; of how many genes in the stretch.
    Cluster {
        name: &'static str,
        members: Vec<i64>,
        count: i64,
        genes: i64,
    },
}

impl What {
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Feature { .. } => "feature",
            Self::Sequence => "sequence",
            Self::Intergenic => "intergenic",
            Self::Region => "region",
            Self::Window { .. } => "window",
            Self::Orf { .. } => "ORF",
            Self::Motif { .. } => "motif",
            Self::Cluster { name, .. } => name,
        }
    }
}

impl Item {
    pub(super) fn feature(&self) -> Option<i64> {
        match self.what {
            What::Feature { id, .. } => Some(id),
            _ => None,
        }
    }

    /// One stretch, or two where it goes over the origin.
    pub(super) fn pieces(&self, length: Option<i64>) -> Vec<(i64, i64)> {
        match length {
            Some(length) if self.wraps => vec![(self.start, length), (1, self.end)],
            _ => vec![(self.start, self.end)],
        }
    }
}

/// Rows of a selection.
#[derive(Debug, Default)]
pub(super) struct Items(pub(super) Vec<Item>);

impl Items {
    pub(super) fn retain_matching(&mut self, filters: &[Filter], run: &mut Run<'_>) -> Outcome<()> {
        if filters.is_empty() || run.query.group.is_some() {
            return Ok(()); // With groups, what must hold of a group.
        }
        let tests = filters.iter().map(|filter| run.item_test(filter)).collect::<Outcome<Vec<_>>>()?;
        let mut kept = Vec::new();
        for item in self.0.drain(..) {
            if run.item_matches_all(&item, &tests)? {
                kept.push(item);
            }
        }
        self.0 = kept;
        Ok(())
    }
}

/// A locus counts once: its first row in this order.
pub(super) fn one_for_each_locus(items: &mut Vec<Item>) {
    let mut seen = HashSet::new();
    items.retain(|item| match item.what {
        What::Feature { locus: Some(locus), .. } => seen.insert(locus),
        _ => true,
    });
}

impl Run<'_> {
    /// The rows of a selection with these keys.
    pub(super) fn select(&mut self, select: &Select, filters: &[Filter], keys: &[Field]) -> Outcome<Items> {
        let items = match select {
            Select::Gene | Select::Protein | Select::Cds | Select::Feature | Select::Kind(_) => {
                return self.features(select, filters, keys).map(Items);
            }
            Select::Run { max_gap_bp } => self.runs(*max_gap_bp, filters)?,
            Select::Cluster { of, max_gap_bp, min_members } => self.clusters(of, *max_gap_bp, *min_members, filters)?,
            other => {
                let tests = filters.iter().map(|filter| self.item_test(filter)).collect::<Outcome<Vec<_>>>()?;
                let mut items = Vec::new();
                for item in self.computed(other)? {
                    if self.item_matches_all(&item, &tests)? {
                        items.push(item);
                    }
                }
                items
            }
        };
        let mut items = Items(items);
        for item in &mut items.0 {
            item.keys = keys.iter().map(|field| self.item_field(item, field)).collect::<Outcome<_>>()?;
        }
        Ok(items)
    }

    /// The fields of the order, then the one that is told or grouped by.
    pub(super) fn key_fields(&self) -> Vec<Field> {
        use crate::query::Tell;
        let mut fields: Vec<Field> = self.query.order.iter().map(|order| order.by.clone()).collect();
        match &self.query.tell {
            Tell::Aggregate(_, field) | Tell::Distinct(field) => fields.push(field.clone()),
            _ => fields.extend(self.query.group.clone()),
        }
        fields
    }

    pub(super) fn sort(&mut self, items: &mut [Item]) -> Outcome<()> {
        let order = &self.query.order;
        let ranks: std::collections::HashMap<i64, usize> =
            self.seqs.iter().enumerate().map(|(i, s)| (s.id, i)).collect();
        let place = |item: &Item| (ranks.get(&item.seq).copied(), item.start, item.end, item.feature());
        items.sort_by(|a, b| {
            let keys = order.iter().zip(a.keys.iter().zip(&b.keys));
            let keys = keys.map(|(order, (a, b))| a.compare(b, order.descending));
            keys.fold(Ordering::Equal, Ordering::then).then_with(|| place(a).cmp(&place(b)))
        });
        Ok(self.check_time()?)
    }
}
