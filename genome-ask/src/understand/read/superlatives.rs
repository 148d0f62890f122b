//! `the ten longest proteins`, `the highest GC content`, `the most exons`.

use super::*;

impl Rules<'_> {
    /// `the ten longest proteins`, `top 10 genes`, `the highest GC content`.
    pub(super) fn superlative(&mut self) -> bool {
        let Some(Sense::Extreme { descending, by }) = self.sense(self.at) else { return false };
        let mut extreme = Extreme { descending: *descending, by: by.clone(), rows: None };
        let mut end = self.at + 1;
        if let Some((n, None)) = self.number(end) {
            extreme.rows = Some(n as u64);
            end += 1;
        }
        let next = self.skip(end);
        match self.sense(next) {
            Some(Sense::Field(field)) if is_number(field) && *field != Field::Parts => {
                extreme.by = Some(field.clone());
                // "the longest gene length" is "the longest gene".
                end = next + 1;
            }
            Some(Sense::Field(Field::Parts)) => {
                extreme.by = Some(Field::Parts);
                end = next + 1;
            }
            Some(Sense::Noun(Noun::Kind(kind))) if matches!(kind.as_str(), "exon" | "intron") && self.says_many() => {
                extreme.by = Some(Field::Parts);
                end = next + 1;
            }
            Some(Sense::Noun(Noun::Gene))
                if self.says_most() && (self.frame.has(&Noun::Cluster) || self.frame.has(&Noun::Run)) =>
            {
                extreme.by = Some(Field::Members);
                end = next + 1;
            }
            Some(Sense::Count) => return self.most_of(next, extreme),
            _ => {}
        }
        if extreme.rows.is_none()
            && let Some(n) = self.frame.numbers.pop()
        {
            extreme.rows = Some(n as u64);
        }
        self.frame.top |= matches!(&*self.items[self.at].text.to_lowercase(), "top" | "bottom");
        // `largest, but the shortest first` has two; the first one is meant.
        self.frame.extreme.get_or_insert(extreme);
        self.at = end;
        true
    }

    /// "The largest intron" is not the gene with most of them.
    fn says_many(&self) -> bool {
        matches!(&*self.items[self.at].text.to_lowercase(), "most" | "fewest" | "least")
    }

    pub(super) fn says_most(&self) -> bool {
        let text = self.items[self.at].text.to_lowercase();
        ["most", "fewest", "least", "highest", "largest", "lowest", "smallest", "greatest", "maximum"].contains(&&*text)
    }

    /// `the largest number of exons`.
    pub(super) fn most_of(&mut self, count: usize, mut extreme: Extreme) -> bool {
        let next = self.skip(count + 1);
        extreme.by = match self.sense(next) {
            Some(Sense::Noun(Noun::Kind(kind))) if matches!(kind.as_str(), "exon" | "intron") => Some(Field::Parts),
            Some(Sense::Noun(Noun::Gene | Noun::Protein)) => Some(Field::Members),
            _ => None,
        };
        self.frame.extreme = Some(extreme);
        self.at = next + 1;
        true
    }
}
