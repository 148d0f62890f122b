//! The rows of a data set while it is built: where each comes from, not its letters.

use std::collections::HashMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::dice::{Dice, Stream};
use super::genome::{Atlas, Genome, Place};
use super::options::check_label;
use super::{Split, shuffle};
use crate::error::Result;

/// What a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowKind {
    /// A window of a site.
    Site,
    /// A random window that is like one of a site.
    Matched,
    /// The shuffled letters of a site's window.
    Shuffled,
    /// A window of a variant with the letters of the genome.
    Reference,
    /// A window of a variant with the letters instead.
    Alternate,
}

impl RowKind {
    /// `site`, `matched`, `shuffled`, `reference` or `alternate`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Site => "site",
            Self::Matched => "matched",
            Self::Shuffled => "shuffled",
            Self::Reference => "reference",
            Self::Alternate => "alternate",
        }
    }

    pub(crate) fn is_made(self) -> bool {
        matches!(self, Self::Matched | Self::Shuffled)
    }
}

/// Why something did not become a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DropReason {
    /// A site, signal or variant on a sequence that the genome has not (lenient).
    UnknownSequence,
    /// A site, signal or variant outside of its sequence (lenient).
    OutsideSequence,
    /// A window over the end of a sequence.
    OverEnd,
    /// A site that is shorter than a sliding window.
    ShorterThanWindow,
    /// A window without a base.
    EmptyWindow,
    /// A window with too many N.
    TooManyN,
    /// A window with letters other than ACGTN.
    OtherLetters,
    /// A window over the border of two splits.
    SplitBorder,
    /// A window that overlaps one of another split.
    OverlapsOtherSplit,
    /// The letters of another row.
    ExactDuplicate,
    /// The letters of another row's other strand.
    ReverseComplementDuplicate,
    /// Nearly the letters of another row, on either strand.
    NearDuplicate,
    /// A negative for which no place was found.
    NoMatch,
    /// A window with too few bases that have a signal.
    NoSignal,
    /// A variant whose REF is not what the genome has (lenient).
    ReferenceMismatch,
    /// A variant without another allele (`.`).
    NoAlternate,
    /// A symbolic allele, such as `<DEL>`.
    SymbolicAllele,
    /// The allele `*`: deleted by another variant.
    SpanningDeletion,
    /// A breakend, such as `G]17:198982]`.
    Breakend,
    /// An allele with letters other than ACGTN.
    BrokenAllele,
    /// An allele that is the reference.
    SameAsReference,
    /// An allele that is longer than the window's right half.
    AlleleTooLong,
    /// A window of a variant whose other windows were dropped.
    PartnerDropped,
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownSequence => "on an unknown sequence",
            Self::OutsideSequence => "outside of the sequence",
            Self::OverEnd => "over the end of the sequence",
            Self::ShorterThanWindow => "shorter than a window",
            Self::EmptyWindow => "without a base",
            Self::TooManyN => "too many N",
            Self::OtherLetters => "letters other than ACGTN",
            Self::SplitBorder => "over the border of two splits",
            Self::OverlapsOtherSplit => "overlapping a window of another split",
            Self::ExactDuplicate => "exact duplicate",
            Self::ReverseComplementDuplicate => "reverse-complement duplicate",
            Self::NearDuplicate => "near duplicate",
            Self::NoMatch => "no place for a negative",
            Self::NoSignal => "too little signal",
            Self::ReferenceMismatch => "REF is not in the genome",
            Self::NoAlternate => "no alternate allele",
            Self::SymbolicAllele => "symbolic allele",
            Self::SpanningDeletion => "allele *",
            Self::Breakend => "breakend",
            Self::BrokenAllele => "allele with letters other than ACGTN",
            Self::SameAsReference => "allele is the reference",
            Self::AlleleTooLong => "allele too long for the window",
            Self::PartnerDropped => "the variant's other window was dropped",
        })
    }
}

/// Letters of a variant in a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Edit {
    /// Where in the window the variant starts.
    pub(crate) offset: usize,
    pub(crate) reference: Box<[u8]>,
    pub(crate) alternate: Box<[u8]>,
    /// Letters of the window afterwards.
    pub(crate) width: usize,
}

#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) place: Place,
    pub(crate) split: Split,
    pub(crate) kind: RowKind,
    pub(crate) label: u32,
    /// Site or variant that it comes from; made negatives have none in common with anything.
    pub(crate) group: u64,
    /// For shuffled rows, which shuffle.
    pub(crate) nonce: u64,
    pub(crate) edit: Option<Box<Edit>>,
}

impl Row {
    /// Whether its letters are those of its place, so that it must not overlap another split. A shuffled row has no place.
    pub(crate) fn lies_in_genome(&self) -> bool {
        self.kind != RowKind::Shuffled
    }

    /// The letters as they are written.
    pub(crate) fn letters<G: Genome>(&self, atlas: &Atlas<G>, seed: u64, keep_case: bool) -> Result<Vec<u8>> {
        let mut letters = atlas.letters(self.place)?;
        if let Some(edit) = &self.edit {
            letters.splice(edit.offset..edit.offset + edit.reference.len(), edit.alternate.iter().copied());
            letters.truncate(edit.width);
        }
        if !keep_case {
            letters.make_ascii_uppercase();
        }
        if self.kind == RowKind::Shuffled {
            letters = shuffle::shuffle(&letters, &mut Dice::new(seed, Stream::Shuffle(self.nonce)));
        }
        Ok(letters)
    }
}

/// Labels by number.
#[derive(Debug, Default)]
pub(crate) struct Labels {
    names: Vec<String>,
    index: HashMap<String, u32>,
}

impl Labels {
    pub(crate) fn number(&mut self, name: &str) -> Result<u32> {
        if let Some(&i) = self.index.get(name) {
            return Ok(i);
        }
        check_label(name)?;
        let i = self.names.len() as u32;
        self.names.push(name.to_owned());
        self.index.insert(name.to_owned(), i);
        Ok(i)
    }

    pub(crate) fn name(&self, number: u32) -> &str {
        &self.names[number as usize]
    }
}
