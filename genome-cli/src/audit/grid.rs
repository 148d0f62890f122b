//! The rows of an audit.

use crate::args::MethodName;
use crate::method::initial_rank;
use genome_train::task_prompt::Bases;
use peft_lingo::Sampling;
use std::fmt;

/// What stands around a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PromptKind {
    None,
    Right,
    Wrong,
    Shuffled,
    Learned,
}

/// What is trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trained {
    Lora,
    AdaLora,
    Released,
    Described,
    Annealed,
}

impl Trained {
    pub(super) fn name(self) -> MethodName {
        match self {
            Self::Lora => MethodName::Lora,
            _ => MethodName::Adalora,
        }
    }

    pub(super) fn sampling(self) -> Option<Sampling> {
        match self {
            Self::Lora | Self::AdaLora => None,
            Self::Released => Some(Sampling::RELEASED),
            Self::Described => Some(Sampling::DESCRIBED),
            Self::Annealed => Some(Sampling::ANNEALED),
        }
    }

    /// The rank to ask for, so that all start with as many weights: allocators begin above their target.
    pub(super) fn rank(self, target: usize) -> usize {
        match self {
            Self::Lora => initial_rank(target),
            _ => target,
        }
    }
}

/// One row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) prompt: PromptKind,
    pub(super) bases: Bases,
    pub(super) method: Trained,
}

const PROMPTS: [PromptKind; 5] =
    [PromptKind::None, PromptKind::Right, PromptKind::Wrong, PromptKind::Shuffled, PromptKind::Learned];
const METHODS: [Trained; 5] =
    [Trained::Lora, Trained::AdaLora, Trained::Released, Trained::Described, Trained::Annealed];

/// Every combination; the first is what all others are compared with.
pub(super) fn full() -> Vec<Row> {
    let all = |bases| PROMPTS.into_iter().flat_map(move |prompt| METHODS.map(|method| Row { prompt, bases, method }));
    [Bases::Tokens, Bases::OneHot].into_iter().flat_map(all).collect()
}

/// Each choice alone beside the first row, and LINGO as it is meant, with both kinds of bases.
pub(super) fn quick() -> Vec<Row> {
    let first = Row { prompt: PromptKind::None, bases: Bases::Tokens, method: Trained::Lora };
    let mut rows: Vec<Row> = PROMPTS.into_iter().map(|prompt| Row { prompt, ..first }).collect();
    rows.push(Row { bases: Bases::OneHot, ..first });
    rows.extend(METHODS.into_iter().skip(1).map(|method| Row { method, ..first }));
    let lingo = Row { prompt: PromptKind::Right, method: Trained::Annealed, ..first };
    rows.extend([lingo, Row { bases: Bases::OneHot, ..lingo }]);
    rows
}

impl fmt::Display for Row {
    /// `right/one-hot/annealed`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prompt = match self.prompt {
            PromptKind::None => "none",
            PromptKind::Right => "right",
            PromptKind::Wrong => "wrong",
            PromptKind::Shuffled => "shuffled",
            PromptKind::Learned => "learned",
        };
        let bases = match self.bases {
            Bases::Tokens => "tokens",
            Bases::OneHot => "one-hot",
            Bases::Released => "released",
        };
        let method = match self.method {
            Trained::Lora => "lora",
            Trained::AdaLora => "adalora",
            Trained::Released => "released",
            Trained::Described => "described",
            Trained::Annealed => "annealed",
        };
        write!(f, "{prompt}/{bases}/{method}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_told_apart_and_the_first_is_the_plain_one() {
        for rows in [full(), quick()] {
            let names: std::collections::BTreeSet<String> = rows.iter().map(Row::to_string).collect();
            assert_eq!(names.len(), rows.len());
            assert_eq!(rows[0].to_string(), "none/tokens/lora");
        }
        assert_eq!((full().len(), quick().len()), (50, 12));
        assert!(quick().iter().all(|row| full().contains(row)));
    }
}
