//! Intervals on sequences: what overlaps a place, what is nearest to it, and which bases are covered at all.

use std::collections::BTreeMap;

use crate::coord::Span;

/// An interval with what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interval<T> {
    /// The bases.
    pub span: Span,
    /// What the caller keeps with them.
    pub value: T,
}

/// Intervals by sequence, made once and asked often.
///
/// Two spans overlap where they share a base; an empty span (a place between two bases) overlaps those that it lies within.
/// An overlap query takes logarithmic time and a little for each hit, also where single intervals span everything: the
/// intervals are sorted by start, and a binary tree over them holds the last end of each half.
///
/// ```
/// use genome_formats::{IntervalIndex, Span};
///
/// let span = |a, b| Span::new(a, b).unwrap();
/// let genes: IntervalIndex<&str> =
///     [("chr1", span(0, 10), "a"), ("chr1", span(5, 8), "b"), ("chr1", span(20, 30), "c")].into_iter().collect();
/// let names: Vec<_> = genes.overlapping("chr1", span(7, 21)).map(|i| i.value).collect();
/// assert_eq!(names, ["a", "b", "c"]);
/// let (nearest, distance) = genes.nearest("chr1", span(17, 18)).unwrap();
/// assert_eq!((nearest.value, distance), ("c", 2)); // bases 18 and 19 lie between
/// assert_eq!(genes.merged("chr1"), [span(0, 10), span(20, 30)]);
/// ```
#[derive(Debug, Clone)]
pub struct IntervalIndex<T> {
    sequences: BTreeMap<String, Tree<T>>,
}

#[derive(Debug, Clone)]
struct Tree<T> {
    /// By start, then end, then the order in which they came.
    intervals: Vec<Interval<T>>,
    /// The last end below each node: node 1 is the root, node `n` has the children `2n` and `2n + 1`, and node
    /// `leaves + i` is interval `i`.
    ends: Vec<u64>,
    leaves: usize,
    /// For each interval, the one that ends last of it and all in front of it.
    last: Vec<usize>,
}

impl<T> Default for IntervalIndex<T> {
    fn default() -> Self {
        Self { sequences: BTreeMap::new() }
    }
}

impl<T, S: Into<String> + AsRef<str>> FromIterator<(S, Span, T)> for IntervalIndex<T> {
    /// An index of intervals in any order.
    fn from_iter<I: IntoIterator<Item = (S, Span, T)>>(intervals: I) -> Self {
        let mut groups: BTreeMap<String, Vec<Interval<T>>> = BTreeMap::new();
        for (name, span, value) in intervals {
            match groups.get_mut(name.as_ref()) {
                Some(group) => group.push(Interval { span, value }),
                None => {
                    groups.insert(name.into(), vec![Interval { span, value }]);
                }
            }
        }
        Self { sequences: groups.into_iter().map(|(name, group)| (name, Tree::new(group))).collect() }
    }
}

impl<T> IntervalIndex<T> {
    /// How many intervals there are.
    pub fn len(&self) -> usize {
        self.sequences.values().map(|t| t.intervals.len()).sum()
    }

    /// Whether there are no intervals.
    pub fn is_empty(&self) -> bool {
        self.sequences.is_empty()
    }

    /// The names of the sequences that have intervals, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.sequences.keys().map(String::as_str)
    }

    /// All intervals of a sequence by start, then end.
    pub fn on(&self, name: &str) -> &[Interval<T>] {
        self.sequences.get(name).map_or(&[], |t| &t.intervals)
    }

    /// The intervals that share a base with `span`, by start, then end.
    pub fn overlapping(&self, name: &str, span: Span) -> Overlaps<'_, T> {
        let tree = self.sequences.get(name);
        // From the last start that can overlap on, none does.
        let limit = tree.map_or(0, |t| t.intervals.partition_point(|i| i.span.start() < span.end()));
        Overlaps { tree, span, limit, stack: Vec::from_iter(tree.map(|t| (1, 0, t.leaves))) }
    }

    /// Whether any interval shares a base with `span`.
    pub fn overlaps(&self, name: &str, span: Span) -> bool {
        self.overlapping(name, span).next().is_some()
    }

    /// The interval nearest to `span` and how many bases lie between: 0 where they overlap or touch. Of several, the one
    /// that overlaps, else the left one, else the first. `None` where the sequence has no intervals.
    pub fn nearest(&self, name: &str, span: Span) -> Option<(&Interval<T>, u64)> {
        if let Some(first) = self.overlapping(name, span).next() {
            return Some((first, 0));
        }
        let tree = self.sequences.get(name)?;
        // None overlaps: each one ends in front of the span, or starts behind it.
        let behind = tree.intervals.partition_point(|i| i.span.start() < span.end());
        let left = behind.checked_sub(1).map(|i| &tree.intervals[tree.last[i]]);
        let left = left.map(|i| (i, span.start() - i.span.end()));
        let right = tree.intervals.get(behind).map(|i| (i, i.span.start() - span.end()));
        match (left, right) {
            (Some(left), Some(right)) => Some(if right.1 < left.1 { right } else { left }),
            (left, right) => left.or(right),
        }
    }

    /// The bases of a sequence that any interval covers, as spans in order that neither overlap nor touch.
    pub fn merged(&self, name: &str) -> Vec<Span> {
        merge_spans(self.on(name).iter().map(|i| i.span), 0)
    }
}

impl<T> Tree<T> {
    fn new(mut intervals: Vec<Interval<T>>) -> Self {
        intervals.sort_by_key(|i| i.span);
        let leaves = intervals.len().next_power_of_two();
        let mut ends = vec![0; 2 * leaves];
        let mut last: Vec<usize> = Vec::with_capacity(intervals.len());
        for (i, interval) in intervals.iter().enumerate() {
            ends[leaves + i] = interval.span.end();
            let before = last.last().copied().unwrap_or(i);
            last.push(if intervals[before].span.end() >= interval.span.end() { before } else { i });
        }
        for node in (1..leaves).rev() {
            ends[node] = ends[2 * node].max(ends[2 * node + 1]);
        }
        Self { intervals, ends, leaves, last }
    }
}

/// Iterator over the intervals that overlap a span: see [`IntervalIndex::overlapping`].
#[derive(Debug, Clone)]
pub struct Overlaps<'a, T> {
    tree: Option<&'a Tree<T>>,
    span: Span,
    /// The first interval that starts behind the span.
    limit: usize,
    /// Nodes to look at, the left ones on top: node, its first interval, and how many it has.
    stack: Vec<(usize, usize, usize)>,
}

impl<'a, T> Iterator for Overlaps<'a, T> {
    type Item = &'a Interval<T>;

    fn next(&mut self) -> Option<Self::Item> {
        let tree = self.tree?;
        while let Some((node, first, count)) = self.stack.pop() {
            if first >= self.limit || tree.ends[node] <= self.span.start() {
                continue;
            }
            if count == 1 {
                return tree.intervals.get(first);
            }
            let half = count / 2;
            self.stack.push((2 * node + 1, first + half, half));
            self.stack.push((2 * node, first, half));
        }
        None
    }
}

/// Joins spans, in any order, that overlap or lie at most `gap` bases apart. Empty spans are left out.
///
/// ```
/// use genome_formats::{Span, merge_spans};
///
/// let span = |a, b| Span::new(a, b).unwrap();
/// let spans = [span(8, 9), span(0, 4), span(2, 6)];
/// assert_eq!(merge_spans(spans, 0), [span(0, 6), span(8, 9)]);
/// assert_eq!(merge_spans(spans, 2), [span(0, 9)]);
/// ```
pub fn merge_spans(spans: impl IntoIterator<Item = Span>, gap: u64) -> Vec<Span> {
    let mut spans: Vec<Span> = spans.into_iter().filter(|s| !s.is_empty()).collect();
    spans.sort_unstable();
    let mut merged: Vec<Span> = Vec::new();
    for span in spans {
        match merged.last_mut() {
            Some(last) if span.start() <= last.end().saturating_add(gap) => {
                if let Some(joined) = Span::new(last.start(), last.end().max(span.end())) {
                    *last = joined;
                }
            }
            _ => merged.push(span),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn span(a: u64, b: u64) -> Span {
        Span::new(a, b).unwrap()
    }

    fn overlap(a: Span, b: Span) -> bool {
        a.start() < b.end() && b.start() < a.end()
    }

    #[test]
    fn empty_indexes_and_unknown_names() {
        let none = IntervalIndex::<u8>::default();
        assert!(none.is_empty() && none.nearest("x", span(0, 1)).is_none() && !none.overlaps("x", span(0, 9)));
        let one: IntervalIndex<u8> = [("b".to_owned(), span(2, 4), 7)].into_iter().collect();
        assert_eq!((one.len(), one.names().collect::<Vec<_>>(), one.on("a").len()), (1, vec!["b"], 0));
        assert_eq!(one.overlapping("a", span(0, 9)).count(), 0);
        assert_eq!(one.merged("a"), []);
    }

    #[test]
    fn touching_is_not_overlapping() {
        let index: IntervalIndex<u8> = [("a", span(2, 4), 0), ("a", span(6, 6), 1)].into_iter().collect();
        assert!(!index.overlaps("a", span(4, 6)) && !index.overlaps("a", span(0, 2)));
        assert!(index.overlaps("a", span(3, 4)) && index.overlaps("a", span(3, 3)) && !index.overlaps("a", span(2, 2)));
        assert!(index.overlaps("a", span(5, 7)) && !index.overlaps("a", span(6, 9)));
        assert_eq!(index.nearest("a", span(4, 5)).map(|(i, d)| (i.value, d)), Some((0, 0)));
        assert_eq!(index.nearest("a", span(0, u64::MAX)).map(|(i, d)| (i.value, d)), Some((0, 0)));
        assert_eq!(index.nearest("a", span(u64::MAX, u64::MAX)).map(|(i, _)| i.value), Some(1));
    }

    fn spans() -> impl Strategy<Value = Vec<Span>> {
        proptest::collection::vec((0u64..60, 0u64..60), 0..30)
            .prop_map(|pairs| pairs.into_iter().map(|(a, b)| span(a.min(b), a.max(b))).collect())
    }

    proptest! {
        #[test]
        fn queries_agree_with_a_plain_search(spans in spans(), a in 0u64..60, b in 0u64..60) {
            let query = span(a.min(b), a.max(b));
            let index: IntervalIndex<usize> = spans.iter().enumerate().map(|(i, s)| ("x", *s, i)).collect();
            let mut sorted: Vec<(Span, usize)> = spans.iter().copied().zip(0..).collect();
            sorted.sort();
            let expected: Vec<usize> = sorted.iter().filter(|(s, _)| overlap(*s, query)).map(|(_, i)| *i).collect();
            let found: Vec<usize> = index.overlapping("x", query).map(|i| i.value).collect();
            prop_assert_eq!(&found, &expected);
            prop_assert_eq!(index.overlaps("x", query), !expected.is_empty());

            let distance = |s: Span| {
                if overlap(s, query) { 0 } else { s.start().saturating_sub(query.end()).max(query.start().saturating_sub(s.end())) }
            };
            let nearest = index.nearest("x", query);
            prop_assert_eq!(nearest.map(|(_, d)| d), spans.iter().map(|s| distance(*s)).min());
            if let Some((interval, d)) = nearest {
                prop_assert_eq!(distance(interval.span), d);
                prop_assert!(expected.is_empty() || overlap(interval.span, query));
            }
        }

        #[test]
        fn merging_agrees_with_marking_bases(spans in spans(), gap in 0u64..4) {
            let covered = |p: u64| spans.iter().any(|s| s.contains(p));
            let merged = merge_spans(spans.iter().copied(), 0);
            for p in 0..60 {
                prop_assert_eq!(merged.iter().filter(|m| m.contains(p)).count(), usize::from(covered(p)));
            }
            prop_assert!(merged.windows(2).all(|w| w[0].end() < w[1].start()));
            let wider = merge_spans(spans.iter().copied(), gap);
            prop_assert!(wider.windows(2).all(|w| w[1].start() - w[0].end() > gap));
            prop_assert_eq!(merge_spans(merged, gap), wider);
            let index: IntervalIndex<()> = spans.iter().map(|s| ("x", *s, ())).collect();
            prop_assert_eq!(index.merged("x"), merge_spans(spans.iter().copied(), 0));
        }
    }
}
