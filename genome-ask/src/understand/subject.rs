//! Nouns as rows.

use super::lexicon::Noun;
use crate::query::{Field, Filter, Is, Match, Select};

/// What rows are, and what holds for all of them.
pub(super) struct Subject {
    pub(super) select: Select,
    pub(super) filters: Vec<Filter>,
}

pub(super) fn subject(noun: &Noun) -> Subject {
    let plain = |select| Subject { select, filters: Vec::new() };
    match noun {
        Noun::Gene | Noun::Neighbour => plain(Select::Gene),
        Noun::CodingGene | Noun::Protein => plain(Select::Protein),
        Noun::Cds => plain(Select::Cds),
        Noun::Feature => plain(Select::Feature),
        // Genes of an RNA that is no longer made do not count.
        Noun::Kind(kind) if kind.to_ascii_lowercase().ends_with("rna") => {
            Subject { select: Select::Kind(kind.clone()), filters: vec![Filter::Not(Box::new(Filter::Is(Is::Pseudo)))] }
        }
        Noun::Kind(kind) => plain(Select::Kind(kind.clone())),
        Noun::Pseudogene => Subject { select: Select::Gene, filters: vec![Filter::Is(Is::Pseudo)] },
        Noun::Rna => Subject { select: Select::Feature, filters: vec![rna()] },
        Noun::Sequence | Noun::Genome | Noun::Region => plain(Select::Sequence),
        Noun::Intergenic => plain(Select::Intergenic),
        Noun::Run => plain(Select::Run { max_gap_bp: 50 }),
        Noun::Cluster => plain(Select::Cluster { of: Box::new(Select::Gene), max_gap_bp: 3000, min_members: 3 }),
        Noun::Orf => plain(Select::Orf { min_aa: 100 }),
        Noun::Motif => plain(Select::Motif(Vec::new())),
        Noun::Window => plain(Select::Window { size_bp: 1000, step_bp: 1000 }),
    }
}

/// RNAs that are the product of a gene.
fn rna() -> Filter {
    let kinds =
        ["tRNA", "rRNA", "ncRNA", "tmRNA", "snRNA", "snoRNA", "miRNA", "misc_RNA", "lncRNA", "SRP_RNA", "RNase_P_RNA"];
    Filter::All(vec![
        Filter::Text(Field::Kind, Match::Is, kinds.iter().map(|kind| (*kind).to_owned()).collect()),
        Filter::Not(Box::new(Filter::Is(Is::Pseudo))),
    ])
}
