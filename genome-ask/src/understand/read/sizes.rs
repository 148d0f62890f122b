//! Numbers and what they measure: `shorter than 50 aa`, `between 100 and 200`, `position 12,000`, `with 3 exons`.

use super::*;

impl Rules<'_> {
    /// `shorter than 50 aa`, `between 100 and 200 aa`.
    pub(super) fn comparison(&mut self) -> bool {
        let comparator = match self.sense(self.at) {
            Some(Sense::Compare(comparator)) => *comparator,
            // "with an EC number and over 1000 aa": no number stands before.
            Some(Sense::After(Comparator::Ge)) if self.number(self.at + 1).is_some() => Comparator::Gt,
            Some(Sense::After(Comparator::Le)) if self.number(self.at + 1).is_some() => Comparator::Lt,
            _ => return false,
        };
        let first = self.skip(self.at + 1);
        let Some((a, unit)) = self.number(first) else {
            if comparator == Comparator::Between && matches!(self.piece(first), Some(Piece::Name(_) | Piece::NoName(_)))
            {
                self.frame.relation = Some((self.at, Relation::Between));
                self.at = first;
                return true;
            }
            return false;
        };
        if comparator == Comparator::Between {
            let Some((b, second_unit, end)) = self.upper(first) else { return false };
            self.range(first, (a, unit), (b, second_unit), end);
            return true;
        }
        self.compare(comparator, first, a, unit, first + 1);
        true
    }

    /// The second number of `100 and 200`, `100-200`, `100 to 200`, with the place behind it.
    pub(super) fn upper(&self, first: usize) -> Option<(f64, Option<Unit>, usize)> {
        let joint = match self.piece(first + 1)? {
            Piece::Sign('-' | ',') => true,
            Piece::Sign('.') => true,
            Piece::Sense(Sense::About) => true,
            Piece::Sense(Sense::On) => self.items[first + 1].text == "to",
            Piece::Sense(_) | Piece::Word => {
                ["through", "until", "till", "up to"].contains(&&*self.items[first + 1].text)
            }
            _ => false,
        };
        if !joint {
            return None;
        }
        let mut second = first + 2;
        while matches!(self.piece(second), Some(Piece::Sign('.'))) {
            second += 1;
        }
        self.number(second).map(|(value, unit)| (value, unit, second + 1))
    }

    /// `3000 bp or more`, `20 kb to 25 kb`, `position 1,234,567`, `gaps of 50 bp`.
    pub(super) fn size(&mut self) -> bool {
        let Some((value, unit)) = self.number(self.at) else { return false };
        if let Some(Sense::After(comparator)) = self.sense(self.at + 1) {
            self.compare(*comparator, self.at, value, unit, self.at + 2);
            return true;
        }
        if let Some((b, second_unit, end)) = self.upper(self.at)
            && (!self.is(self.at + 1, &Sense::About)
                || self.is(self.at.wrapping_sub(1), &Sense::Compare(Comparator::Between)))
        {
            self.range(self.at, (value, unit), (b, second_unit), end);
            return true;
        }
        // `genes with 3 exons`
        if unit.is_none()
            && let Some(parts) = self.parts_behind(self.skip(self.at + 1), Compare::Eq(value))
        {
            self.frame.sizes.push((Some(Field::Parts), parts));
            self.at = self.skip(self.at + 1) + 1;
            return true;
        }
        let before = self.back(self.at);
        if self.is_gap_near(self.at) {
            self.frame.gap = Some(bases(value, unit));
            self.at += 1;
            return true;
        }
        // "in the first 100 kb"
        if matches!(before, Some(Sense::First)) && matches!(unit, Some(Unit::Bases(k)) if f64::from(k) * value >= 100.0)
        {
            self.frame.first = None;
            self.frame.region = Some(Region { seqid: None, start: 1, end: bases(value, unit) });
            self.frame.relation.get_or_insert((self.at, Relation::Overlaps));
            self.at += 1;
            return true;
        }
        let point = matches!(before, Some(Sense::Overlaps)) && !matches!(unit, Some(Unit::AminoAcids | Unit::Percent));
        if point {
            let position = bases(value, unit);
            self.frame.region = Some(Region { seqid: None, start: position, end: position });
            self.frame.relation.get_or_insert((self.at, Relation::Overlaps));
            self.at += 1;
            return true;
        }
        if matches!(before, Some(Sense::Within))
            || matches!(self.sense(self.at + 1), Some(Sense::Near)) && unit.is_some()
        {
            self.frame.distance = Some(bases(value, unit));
            self.frame.relation.get_or_insert((self.at, Relation::Near));
            self.at += 1;
            return true;
        }
        false
    }

    /// Whether a gap is spoken of just before or behind: `gaps of at most 50 bp`, `50 bp apart`.
    pub(super) fn is_gap_near(&self, number: usize) -> bool {
        let before = self.items[..number].iter().rev().take(4).any(|item| item.sense() == Some(&Sense::Gap));
        before || (1..=2).any(|i| self.is(number + i, &Sense::Gap))
    }

    pub(super) fn range(&mut self, first: usize, a: (f64, Option<Unit>), b: (f64, Option<Unit>), end: usize) {
        let unit = b.1.or(a.1);
        let long = |at: usize| {
            let text = self.items.get(at).map(|item| item.text.to_lowercase()).unwrap_or_default();
            ["long", "in length", "in size", "length", "wide", "size"].contains(&&*text)
        };
        let sized = long(end) || long(end + 1);
        let field_before = self.items[..first].iter().rev().take(5).find_map(|item| match item.sense() {
            Some(Sense::Field(field)) if is_number(field) => Some(field.clone()),
            _ => None,
        });
        let first_unit = a.1.or(b.1);
        let scaled = |value: f64, unit: Option<Unit>| match unit {
            Some(Unit::Bases(k) | Unit::Dalton(k)) => value * f64::from(k),
            _ => value,
        };
        let (low, high) = (scaled(a.0, first_unit), scaled(b.0, unit));
        let is_place = matches!(unit, None | Some(Unit::Bases(_))) && !sized && field_before.is_none();
        if is_place {
            self.frame.region = Some(Region { seqid: None, start: low as u64, end: high as u64 });
            self.frame.relation.get_or_insert((self.at, Relation::Overlaps));
        } else {
            let field = field_of(unit).or_else(|| self.take_field(field_before));
            self.frame.sizes.push((field, Compare::Between(low, high)));
        }
        self.at = end;
    }

    /// A field before its comparison is no field to show.
    pub(super) fn take_field(&mut self, field: Option<Field>) -> Option<Field> {
        if let Some(field) = &field {
            self.frame.fields.retain(|other| other != field);
        }
        field
    }

    pub(super) fn compare(
        &mut self,
        comparator: Comparator,
        number: usize,
        value: f64,
        unit: Option<Unit>,
        end: usize,
    ) {
        let scaled = match unit {
            Some(Unit::Bases(k) | Unit::Dalton(k)) => value * f64::from(k),
            _ => value,
        };
        let compare = match comparator {
            Comparator::Lt => Compare::Lt(scaled),
            Comparator::Le => Compare::Le(scaled),
            Comparator::Eq | Comparator::Between => Compare::Eq(scaled),
            Comparator::Ge => Compare::Ge(scaled),
            Comparator::Gt => Compare::Gt(scaled),
        };
        let after = self.skip(end);
        self.at = end;
        if self.is_gap_near(number) {
            self.frame.gap = Some(bases(value, unit));
        } else if matches!(self.sense(after), Some(Sense::Near | Sense::Side(_))) && unit.is_some() {
            self.frame.distance = Some(bases(value, unit));
            self.frame.relation.get_or_insert((number, Relation::Near));
        } else if unit.is_none()
            && matches!(self.sense(after), Some(Sense::Noun(Noun::Gene | Noun::Protein)))
            && (self.frame.has(&Noun::Run) || self.frame.has(&Noun::Cluster))
        {
            self.frame.members = Some(compare);
            self.at = after + 1;
        } else if unit.is_none()
            && let Some(parts) = self.parts_behind(after, compare)
        {
            self.frame.sizes.push((Some(Field::Parts), parts));
            self.at = after + 1;
        } else {
            let before = self.items[..number].iter().rev().take(6).find_map(|item| match item.sense() {
                Some(Sense::Field(field)) if is_number(field) => Some(field.clone()),
                _ => None,
            });
            let behind = match self.sense(after) {
                Some(Sense::Field(field)) if is_number(field) => Some(field.clone()),
                _ => None,
            };
            if behind.is_some() {
                self.at = after + 1;
            }
            let by_unit = field_of(unit);
            let field = match (by_unit, self.take_field(before)) {
                // The GC content is the only number in per cent, and amino acids are always those of a protein.
                (Some(field), _) => Some(field),
                (None, before) => before.or(behind),
            };
            self.frame.sizes.push((field, compare));
        }
    }

    /// `more than 3 exons`, `at least one intron`.
    pub(super) fn parts_behind(&self, at: usize, compare: Compare) -> Option<Compare> {
        let more = |by: f64| match compare {
            Compare::Lt(x) => Compare::Lt(x + by),
            Compare::Le(x) => Compare::Le(x + by),
            Compare::Eq(x) => Compare::Eq(x + by),
            Compare::Ge(x) => Compare::Ge(x + by),
            Compare::Gt(x) => Compare::Gt(x + by),
            Compare::Between(x, y) => Compare::Between(x + by, y + by),
        };
        match self.sense(at)? {
            Sense::Noun(Noun::Kind(kind)) if kind == "exon" => Some(compare),
            Sense::Noun(Noun::Kind(kind)) if kind == "intron" => Some(more(1.0)),
            Sense::Is(Is::Spliced) => Some(more(1.0)),
            _ => None,
        }
    }

    /// "Small proteins" without a number: a usual bound, told as assumed.
    pub(super) fn sized(&mut self) {
        let frame = &mut self.frame;
        let Some(large) = frame.large.filter(|_| frame.sizes.is_empty() && frame.extreme.is_none()) else { return };
        let (field, bound, unit) = match (frame.noun(), large) {
            (Some(Noun::Protein), false) => (Field::Aa, Compare::Lt(100.0), "shorter than 100 aa"),
            (Some(Noun::Protein), true) => (Field::Aa, Compare::Gt(1000.0), "longer than 1,000 aa"),
            (Some(Noun::Gene | Noun::CodingGene), false) => (Field::Length, Compare::Lt(300.0), "shorter than 300 bp"),
            (Some(Noun::Gene | Noun::CodingGene), true) => (Field::Length, Compare::Gt(3000.0), "longer than 3,000 bp"),
            _ => return,
        };
        let word = if large { "large" } else { "small" };
        frame.notes.push(format!("no number was said: {word} is taken as {unit}"));
        frame.sizes.push((Some(field), bound));
    }
}

pub(super) fn bases(value: f64, unit: Option<Unit>) -> u64 {
    let factor = if let Some(Unit::Bases(k)) = unit { f64::from(k) } else { 1.0 };
    (value * factor).round().max(0.0) as u64
}

pub(super) fn field_of(unit: Option<Unit>) -> Option<Field> {
    Some(match unit? {
        Unit::Bases(_) => Field::Length,
        Unit::AminoAcids => Field::Aa,
        Unit::Percent => Field::Gc,
        Unit::Dalton(_) => Field::MolecularWeight,
    })
}

/// Whether a field is compared with numbers.
pub(in crate::understand) fn is_number(field: &Field) -> bool {
    matches!(
        field,
        Field::Aa
            | Field::Length
            | Field::Bases
            | Field::Gc
            | Field::MolecularWeight
            | Field::IsoelectricPoint
            | Field::Parts
    )
}
