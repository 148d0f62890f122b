//! Cutting an encoding down to what a model can read.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::tokenizer::Encoding;

/// An end of a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Side {
    /// The start of the sequence.
    Left,
    /// The end of the sequence.
    #[default]
    Right,
}

/// How an over-long sequence is cut. Special tokens always stay.
///
/// ```
/// use genome_tokenize::{LetterTokenizer, Side, Tokenizer, Truncation};
///
/// let tokenizer = LetterTokenizer::new();
/// let left = Truncation { side: Side::Left, ..Truncation::right(6) };
/// let cut = tokenizer.encode_cut(b"AAAACCGT", &left)?;
/// assert_eq!(tokenizer.decode(&cut.encoding.ids)?, b"CCGT");
///
/// // A prompt: AC in front of the sequence and GT behind it stay.
/// let inside = Truncation { within: Some(2..8), ..Truncation::right(8) };
/// let cut = tokenizer.encode_cut(b"ACTTTTTAGT", &inside)?;
/// assert_eq!(tokenizer.decode(&cut.encoding.ids)?, b"ACTTGT");
/// assert_eq!((cut.covered, cut.removed), (6, 4));
/// # Ok::<(), genome_tokenize::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Truncation {
    /// How many tokens may stay, special ones included.
    pub max_tokens: usize,
    /// The end at which tokens go.
    pub side: Side,
    /// The bytes of the input that may be cut: a token goes only if it lies in them altogether. `None`: all.
    /// A prompt protects its text around a sequence by naming the sequence here.
    pub within: Option<Range<usize>>,
}

impl Truncation {
    /// Cuts at the right end.
    pub fn right(max_tokens: usize) -> Self {
        Self { max_tokens, side: Side::Right, within: None }
    }

    /// Cuts at the left end.
    pub fn left(max_tokens: usize) -> Self {
        Self { side: Side::Left, ..Self::right(max_tokens) }
    }
}

/// An [`Encoding`] that fits a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Truncated {
    /// The tokens that are left.
    pub encoding: Encoding,
    /// How many bases of the input are left. With [`Side::Right`] they are the first ones.
    pub covered: usize,
    /// How many tokens went.
    pub removed: usize,
}

impl Encoding {
    /// Cuts tokens from the right until `max_tokens` are left; special tokens stay.
    ///
    /// # Errors
    ///
    /// `max_tokens` has no room for the special tokens.
    pub fn truncate(self, max_tokens: usize) -> Result<Truncated> {
        self.cut(&Truncation::right(max_tokens))
    }

    /// Cuts tokens as `truncation` says; padding goes first. Of a pair the longer sequence is cut until both are equally
    /// long, then both, as Hugging Face's `longest_first`.
    ///
    /// # Errors
    ///
    /// `max_tokens` has no room for the tokens that may not be cut.
    pub fn cut(mut self, truncation: &Truncation) -> Result<Truncated> {
        let Truncation { max_tokens, side, within } = truncation;
        while let Some(at) = self.attention.iter().rposition(|&a| !a) {
            let start = self.attention[..at].iter().rposition(|&a| a).map_or(0, |a| a + 1);
            self.remove(start..at + 1);
        }
        let before = self.bases();
        let surplus = self.len().saturating_sub(*max_tokens);
        if surplus == 0 {
            return Ok(Truncated { encoding: self, covered: before, removed: 0 });
        }
        let runs = self.runs(within.as_ref());
        let removable: usize = runs.iter().map(Range::len).sum();
        if removable < surplus {
            return Err(Error::LimitTooSmall { max_tokens: *max_tokens, least: self.len() - removable });
        }
        let kept = share(&runs.iter().map(Range::len).collect::<Vec<_>>(), removable - surplus);
        let mut lost = 0;
        for (run, kept) in runs.iter().zip(kept).rev() {
            lost += match side {
                Side::Right => self.cut_right(run, kept),
                Side::Left => self.cut_left(run, kept),
            };
        }
        Ok(Truncated { encoding: self, covered: before.saturating_sub(lost), removed: surplus })
    }

    /// Where the last ordinary token ends.
    fn bases(&self) -> usize {
        let ends = self.offsets.iter().zip(&self.special).filter(|(_, special)| !**special);
        ends.map(|(&(_, end), _)| end).max().unwrap_or(0)
    }

    /// The stretches of tokens that may be cut: one for each sequence of a pair.
    fn runs(&self, within: Option<&Range<usize>>) -> Vec<Range<usize>> {
        let mut runs: Vec<Range<usize>> = Vec::new();
        for (i, &(start, end)) in self.offsets.iter().enumerate() {
            if self.special[i] || within.is_some_and(|w| start < w.start || end > w.end) {
                continue;
            }
            match runs.last_mut() {
                Some(run) if run.end == i => run.end += 1,
                _ => runs.push(i..i + 1),
            }
        }
        runs
    }

    /// Leaves the first `kept` tokens of a run; returns how many bases went with the others. The special tokens behind move
    /// to the new end.
    fn cut_right(&mut self, run: &Range<usize>, kept: usize) -> usize {
        if kept == run.len() {
            return 0;
        }
        let old = self.end_of(run);
        let new = if kept == 0 { self.offsets[run.start].0 } else { self.end_of(&(run.start..run.start + kept)) };
        for at in run.end..self.len() {
            if !self.special[at] {
                break;
            }
            self.offsets[at] = (new, new);
        }
        self.remove(run.start + kept..run.end);
        old.saturating_sub(new)
    }

    /// Leaves the last `kept` tokens of a run. The special tokens in front of it move to the new start.
    fn cut_left(&mut self, run: &Range<usize>, kept: usize) -> usize {
        if kept == run.len() {
            return 0;
        }
        let old = self.offsets[run.start].0;
        let new = if kept == 0 { self.end_of(run) } else { self.offsets[run.end - kept].0 };
        for at in (0..run.start).rev() {
            if !self.special[at] {
                break;
            }
            self.offsets[at] = (new, new);
        }
        self.remove(run.start..run.end - kept);
        new.saturating_sub(old)
    }

    fn end_of(&self, tokens: &Range<usize>) -> usize {
        self.offsets[tokens.clone()].iter().map(|&(_, end)| end).max().unwrap_or(0)
    }
}

/// How many tokens each run keeps when `budget` are left for all: the shortest keep theirs, the others share equally, and
/// what is left over goes to the longest, of equals to the last.
fn share(lengths: &[usize], budget: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|&i| lengths[i]); // stable: of equals the last comes last
    let mut kept = vec![0; lengths.len()];
    let mut left = budget;
    for (done, &i) in order.iter().enumerate() {
        kept[i] = lengths[i].min(left / (lengths.len() - done));
        left -= kept[i];
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Encoding {
        Encoding::framed([(10, (0, 3)), (11, (3, 4)), (12, (4, 9))].into_iter(), 1, 2, 9)
    }

    fn pair(a: usize, b: usize) -> Encoding {
        let one = |n: usize| Encoding::framed((0..n).map(|i| (10 + i as u32, (i, i + 1))), 1, 2, n);
        one(a).bert_pair(one(b), a)
    }

    #[test]
    fn truncation_keeps_the_special_tokens() {
        let check = |max, ids: &[u32], covered| {
            let cut = sample().truncate(max).unwrap();
            assert_eq!((&cut.encoding.ids[..], cut.covered), (ids, covered));
            assert_eq!(cut.encoding.offsets.last(), Some(&(covered, covered)));
            assert_eq!(cut.encoding.special.len(), ids.len());
            assert!(cut.encoding.special[0] && cut.encoding.special[ids.len() - 1]);
        };
        check(9, &[1, 10, 11, 12, 2], 9);
        check(5, &[1, 10, 11, 12, 2], 9);
        check(4, &[1, 10, 11, 2], 4);
        check(3, &[1, 10, 2], 3);
        check(2, &[1, 2], 0);
        let error = sample().truncate(1).unwrap_err();
        assert_eq!(error.to_string(), "a limit of 1 tokens leaves no room: expected at least 2");
    }

    #[test]
    fn the_left_end_can_go_too() {
        let check = |max, ids: &[u32], covered| {
            let cut = sample().cut(&Truncation::left(max)).unwrap();
            assert_eq!((&cut.encoding.ids[..], cut.covered), (ids, covered));
            assert_eq!(cut.encoding.offsets[0], (9 - covered, 9 - covered));
            assert_eq!(cut.encoding.offsets.last(), Some(&(9, 9)));
        };
        check(5, &[1, 10, 11, 12, 2], 9);
        check(4, &[1, 11, 12, 2], 6);
        check(3, &[1, 12, 2], 5);
        check(2, &[1, 2], 0);
    }

    #[test]
    fn protected_tokens_stay() {
        // The token 3..4 alone lies within; the others reach over.
        let cut = |max, side| sample().cut(&Truncation { max_tokens: max, side, within: Some(2..5) });
        for side in [Side::Left, Side::Right] {
            let four = cut(4, side).unwrap();
            assert_eq!((&four.encoding.ids[..], four.covered, four.removed), (&[1, 10, 12, 2][..], 8, 1));
            assert_eq!(four.encoding.offsets, [(0, 0), (0, 3), (4, 9), (9, 9)]);
            assert!(matches!(cut(3, side), Err(Error::LimitTooSmall { max_tokens: 3, least: 4 })));
        }
    }

    #[test]
    fn pairs_are_cut_at_the_longer() {
        let check = |a, b, budget: usize, expected: [usize; 2]| {
            let cut = pair(a, b).cut(&Truncation::right(budget + 3)).unwrap().encoding;
            let count = |of| (0..cut.len()).filter(|&i| !cut.special[i] && cut.type_ids[i] == of).count();
            assert_eq!([count(0), count(1)], expected, "{a} {b} {budget}");
            assert_eq!(cut.special.iter().filter(|&&s| s).count(), 3);
        };
        check(10, 10, 5, [2, 3]);
        check(10, 8, 5, [3, 2]);
        check(3, 10, 9, [3, 6]);
        check(10, 3, 9, [6, 3]);
        check(10, 0, 4, [4, 0]);
        check(10, 10, 0, [0, 0]);
        let cut = pair(4, 6).cut(&Truncation::right(9)).unwrap();
        assert_eq!(cut.encoding.offsets, [(0, 0), (0, 1), (1, 2), (2, 3), (3, 3), (4, 5), (5, 6), (6, 7), (7, 7)]);
        assert_eq!(cut.covered, 6);
    }

    proptest! {
        #[test]
        fn what_is_left_fits_and_is_a_part(
            a in 0usize..20, b in 0usize..20, max in 0usize..45, left: bool, from in 0usize..20, length in 0usize..20,
            all: bool,
        ) {
            let whole = pair(a, b);
            let side = if left { Side::Left } else { Side::Right };
            let within = (!all).then_some(from..from + length);
            match whole.clone().cut(&Truncation { max_tokens: max, side, within: within.clone() }) {
                Ok(cut) => {
                    prop_assert_eq!(cut.encoding.len(), whole.len().min(max));
                    prop_assert_eq!(cut.encoding.len() + cut.removed, whole.len());
                    prop_assert_eq!(cut.covered, a + b - cut.removed);
                    prop_assert_eq!(cut.encoding.special.iter().filter(|&&s| s).count(), 3);
                    let bases = |e: &Encoding| -> Vec<(usize, usize)> {
                        e.offsets.iter().copied().filter(|(s, e)| s < e).collect()
                    };
                    let kept = bases(&cut.encoding);
                    for span in bases(&whole) {
                        let may_go = within.as_ref().is_none_or(|w| w.start <= span.0 && span.1 <= w.end);
                        prop_assert!(may_go || kept.contains(&span));
                    }
                    prop_assert!(cut.encoding.offsets.is_sorted_by_key(|o| o.0));
                }
                Err(Error::LimitTooSmall { least, .. }) => prop_assert!(least > max && least <= whole.len()),
                Err(other) => prop_assert!(false, "{other}"),
            }
        }
    }
}
