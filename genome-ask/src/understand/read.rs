//! The rules that fill the slots of a [`Frame`], one after the other along the question.

use super::frame::{Extreme, Frame, Relation};
use super::items::{Item, Piece};
use super::lexicon::{Comparator, Noun, Sense};
use super::numbers::Unit;
use super::topic::{Role, amino_acid, topic};
use super::vocabulary::Genome;
use crate::error::Result;
use crate::query::{Compare, Field, Filter, Is, Match, Region, Strand};

pub(super) fn read(items: &[Item], genome: Genome<'_>) -> Result<Frame> {
    let mut rules =
        Rules { items, genome, at: 0, negated: None, role: Role::Product, missing: None, frame: Frame::default() };
    while rules.at < items.len() {
        let done = rules.comparison()
            || rules.size()
            || rules.beside()
            || rules.superlative()
            || rules.field_filter()?
            || rules.topic()?;
        if !done {
            rules.one();
        }
    }
    rules.sized();
    if let Some(at) = rules.negated {
        rules.frame.dangling.push(items[at].text.clone());
    }
    Ok(rules.frame)
}

struct Rules<'a> {
    items: &'a [Item],
    genome: Genome<'a>,
    at: usize,
    /// Where a negation stands that nothing took so far.
    negated: Option<usize>,
    /// Where the next function is looked for.
    role: Role,
    /// Where "but not in" stands.
    missing: Option<usize>,
    frame: Frame,
}

/// Words that may be part of a function's name although they mean something else alone.
const CONTENT: [&str; 26] = [
    "protein",
    "proteins",
    "dna",
    "rna",
    "trna",
    "rrna",
    "mrna",
    "tmrna",
    "gene",
    "genes",
    "translation",
    "transcription",
    "repeat",
    "site",
    "coding",
    "sequence",
    "membrane",
    "small",
    "large",
    "long",
    "short",
    "major",
    "minor",
    "peptide",
    "acting",
    "phage",
];

impl<'a> Rules<'a> {
    fn piece(&self, at: usize) -> Option<&'a Piece> {
        self.items.get(at).map(|item| &item.piece)
    }

    fn sense(&self, at: usize) -> Option<&'a Sense> {
        self.items.get(at).and_then(Item::sense)
    }

    fn is(&self, at: usize, sense: &Sense) -> bool {
        self.sense(at) == Some(sense)
    }

    /// The first place from here on that is no filling word.
    fn skip(&self, mut at: usize) -> usize {
        while matches!(self.sense(at), Some(Sense::Filler | Sense::YesNo | Sense::On)) {
            at += 1;
        }
        at
    }

    fn number(&self, at: usize) -> Option<(f64, Option<Unit>)> {
        match self.piece(at) {
            Some(Piece::Number(value, unit)) => Some((*value, *unit)),
            _ => None,
        }
    }

    fn filter(&mut self, filter: Filter) {
        let filter = match self.negated.take() {
            Some(_) => Filter::Not(Box::new(filter)),
            None => filter,
        };
        if !self.frame.filters.iter().any(|(_, known)| *known == filter) {
            self.frame.filters.push((self.at, filter));
        }
    }

    /// `shorter than 50 aa`, `between 100 and 200 aa`.
    fn comparison(&mut self) -> bool {
        let Some(Sense::Compare(comparator)) = self.sense(self.at) else { return false };
        let first = self.skip(self.at + 1);
        let Some((a, unit)) = self.number(first) else {
            if *comparator == Comparator::Between
                && matches!(self.piece(first), Some(Piece::Name(_) | Piece::NoName(_)))
            {
                self.frame.relation = Some((self.at, Relation::Between));
                self.at = first;
                return true;
            }
            return false;
        };
        if *comparator == Comparator::Between {
            let Some((b, second_unit, end)) = self.upper(first) else { return false };
            self.range(first, (a, unit), (b, second_unit), end);
            return true;
        }
        self.compare(*comparator, first, a, unit, first + 1);
        true
    }

    /// The second number of `100 and 200`, `100-200`, `100 to 200`, with the place behind it.
    fn upper(&self, first: usize) -> Option<(f64, Option<Unit>, usize)> {
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
    fn size(&mut self) -> bool {
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

    /// The last meaning before a place, filling words left out.
    fn back(&self, at: usize) -> Option<&'a Sense> {
        let before = self.items[..at].iter().rev().map(Item::sense);
        before.take(4).find(|sense| !matches!(sense, Some(Sense::Filler | Sense::YesNo))).flatten()
    }

    /// Whether a gap is spoken of just before or behind: `gaps of at most 50 bp`, `50 bp apart`.
    fn is_gap_near(&self, number: usize) -> bool {
        let before = self.items[..number].iter().rev().take(4).any(|item| item.sense() == Some(&Sense::Gap));
        before || (1..=2).any(|i| self.is(number + i, &Sense::Gap))
    }

    fn range(&mut self, first: usize, a: (f64, Option<Unit>), b: (f64, Option<Unit>), end: usize) {
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
    fn take_field(&mut self, field: Option<Field>) -> Option<Field> {
        if let Some(field) = &field {
            self.frame.fields.retain(|other| other != field);
        }
        field
    }

    fn compare(&mut self, comparator: Comparator, number: usize, value: f64, unit: Option<Unit>, end: usize) {
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
    fn parts_behind(&self, at: usize, compare: Compare) -> Option<Compare> {
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

    /// `500 bp upstream of araB`: bases; `three genes upstream of lacI`: genes; `within 3 kb upstream`: a side.
    fn beside(&mut self) -> bool {
        let side = match self.sense(self.at) {
            Some(Sense::Side(side)) => *side,
            Some(Sense::Flank(side)) => {
                self.frame.flank.get_or_insert((*side, None));
                // `(300 bp upstream)` says it again, `of 300 bp` how much.
                let next = self.skip(self.at + 1);
                let next = if matches!(self.piece(next), Some(Piece::Sign('('))) { next + 1 } else { next };
                if let Some((value, unit @ Some(Unit::Bases(_)))) = self.number(next) {
                    self.frame.flank = Some((*side, Some(bases(value, unit))));
                    self.at = next;
                    if matches!(self.sense(next + 1), Some(Sense::Side(_))) {
                        self.at += 1;
                    }
                }
                self.at += 1;
                return true;
            }
            _ => return self.bases_beside(),
        };
        self.frame.side = Some(side);
        self.frame.relation.get_or_insert((self.at, Relation::NextTo));
        self.at += 1;
        true
    }

    fn bases_beside(&mut self) -> bool {
        let Some((value, unit @ Some(Unit::Bases(_)))) = self.number(self.at) else { return false };
        let next = self.skip(self.at + 1);
        let (side, end) = match (self.sense(self.at + 1), self.sense(next)) {
            (Some(Sense::Side(side)) | Some(Sense::Flank(side)), _) => (*side, self.at + 2),
            (_, Some(Sense::Flank(side) | Sense::Side(side))) => (*side, next + 1),
            _ => return false,
        };
        if matches!(self.back(self.at), Some(Sense::Within)) {
            return false;
        }
        // Of genes it is a distance, else a piece of sequence.
        if self
            .frame
            .nouns
            .iter()
            .any(|(_, noun)| matches!(noun, Noun::Gene | Noun::Protein | Noun::Kind(_) | Noun::Feature))
            && self.frame.letters.is_none()
        {
            self.frame.distance = Some(bases(value, unit));
            self.frame.side = Some(side);
            self.frame.relation.get_or_insert((self.at, Relation::Near));
        } else {
            self.frame.flank = Some((side, Some(bases(value, unit))));
        }
        self.at = end;
        true
    }

    /// `the ten longest proteins`, `top 10 genes`, `the highest GC content`.
    fn superlative(&mut self) -> bool {
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
            Some(Sense::Noun(Noun::Kind(kind))) if matches!(kind.as_str(), "exon" | "intron") && self.says_most() => {
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

    /// "unique to A" names the genome that has it.
    fn unique(&self, at: usize) -> bool {
        let text = self.items[self.missing.unwrap_or(at)].text.to_lowercase();
        ["unique", "specific", "only", "exclusive"].iter().any(|word| text.contains(word))
    }

    fn says_most(&self) -> bool {
        let text = self.items[self.at].text.to_lowercase();
        ["most", "fewest", "least", "highest", "largest", "lowest", "smallest", "greatest", "maximum"].contains(&&*text)
    }

    /// `the largest number of exons`.
    fn most_of(&mut self, count: usize, mut extreme: Extreme) -> bool {
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

    /// `with an EC number`, `GO:0006281`, `start with GTG`, `function "cell lysis"`, `name starting with rps`.
    fn field_filter(&mut self) -> Result<bool> {
        match self.piece(self.at) {
            Some(Piece::Accession(field, value)) => {
                let how = if *field == Field::Ec { Match::Under } else { Match::Is };
                self.frame.fields.retain(|other| other != field);
                self.filter(Filter::Text(field.clone(), how, vec![value.clone()]));
                self.at += 1;
                self.skip_brackets();
                Ok(true)
            }
            Some(Piece::Codon(codon)) if self.starts() => {
                self.frame.fields.retain(|field| *field != Field::StartCodon);
                self.filter(Filter::Text(Field::StartCodon, Match::Is, vec![codon.clone()]));
                self.at += 1;
                Ok(true)
            }
            Some(Piece::Quoted(text)) => {
                let beside = |field: &Field| matches!(field, Field::Function | Field::Note | Field::Product);
                let behind = (1..=3).find_map(|i| match self.sense(self.at + i) {
                    Some(Sense::Field(field)) if beside(field) => Some(field.clone()),
                    _ => None,
                });
                let before = self.frame.fields.iter().find(|field| beside(field)).cloned();
                self.frame.fields.retain(|field| !beside(field));
                match before.or(behind) {
                    Some(Field::Product) | None => self.quoted(text)?,
                    Some(field) => self.filter(Filter::Text(field, Match::Contains, vec![text.clone()])),
                }
                self.at += 1;
                // What the quotes belong to was read.
                let mut end = self.at;
                while matches!(self.sense(end), Some(Sense::Filler | Sense::On | Sense::With)) {
                    end += 1;
                }
                if matches!(self.sense(end), Some(Sense::Field(field)) if beside(field)) {
                    self.at = end + 1;
                }
                Ok(true)
            }
            Some(Piece::Sense(Sense::Field(
                field @ (Field::Ec
                | Field::Go
                | Field::Synonym
                | Field::Note
                | Field::DbXref
                | Field::OldLocusTag
                | Field::Gene
                | Field::Product
                | Field::ProteinId),
            ))) => {
                let with = matches!(self.back(self.at), Some(Sense::With | Sense::Not));
                let accession = (1..=3).any(|i| matches!(self.piece(self.at + i), Some(Piece::Accession(..))));
                let asked =
                    self.items[..self.at].iter().any(|item| matches!(item.piece, Piece::Name(_) | Piece::NoName(_)));
                if with && !accession && !asked {
                    self.filter(Filter::Text(field.clone(), Match::Present, Vec::new()));
                    self.at += 1;
                    return Ok(true);
                }
                Ok(false)
            }
            Some(Piece::Word | Piece::Name(_) | Piece::NoName(_))
                if self.frame.fields.last() == Some(&Field::StartCodon) && self.starts() =>
            {
                let prefix = self.items[self.at].text.clone();
                self.frame.fields.retain(|field| !matches!(field, Field::StartCodon | Field::Gene));
                self.filter(Filter::Text(Field::Gene, Match::Starts, vec![prefix]));
                self.at += 1;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// A quoted text is taken as it stands.
    fn quoted(&mut self, text: &str) -> Result<()> {
        let found = topic(text, Role::Product, self.genome)?;
        self.frame.notes.extend(found.note);
        self.filter(found.filter);
        Ok(())
    }

    fn starts(&self) -> bool {
        self.items[..self.at].iter().rev().take(4).any(|item| item.sense() == Some(&Sense::Field(Field::StartCodon)))
    }

    /// What stands in brackets behind a number explains it.
    fn skip_brackets(&mut self) {
        if matches!(self.piece(self.at), Some(Piece::Sign('('))) {
            let end = (self.at..self.items.len()).find(|at| matches!(self.piece(*at), Some(Piece::Sign(')'))));
            self.at = end.map_or(self.items.len(), |end| end + 1);
        }
    }

    /// Words that nobody knows, with words between them that can belong to them: a function.
    fn topic(&mut self) -> Result<bool> {
        let content = |at: usize| {
            self.items.get(at).is_some_and(|item| {
                let known = item.sense().is_some() && CONTENT.contains(&&*item.text.to_lowercase());
                known || item.piece == Piece::Word || matches!(item.piece, Piece::Number(_, None)) && at > self.at
            })
        };
        let lead = match self.piece(self.at) {
            Some(Piece::Word) => true,
            // A plural is a noun of the question, not the beginning of a name: `proteins ...`.
            Some(Piece::Sense(_)) => content(self.at) && !self.items[self.at].text.ends_with('s'),
            _ => false,
        };
        if !lead {
            return Ok(false);
        }
        let mut end = self.at;
        while content(end) || (end > self.at && self.is_joint(end)) {
            end += 1;
        }
        let words = self.at..end;
        if !words.clone().any(|at| self.items[at].piece == Piece::Word) {
            return Ok(false);
        }
        // `DNA of the ...`: what comes before the first unknown word belongs to it only without a break.
        let phrase = self.phrase(words.clone());
        if let Some(short) = amino_acid(&phrase.to_lowercase())
            && self.frame.has(&Noun::Kind("tRNA".to_owned()))
        {
            self.filter(Filter::Text(Field::Product, Match::Has, vec![short.to_owned()]));
            self.at = end;
            return Ok(true);
        }
        let found = topic(&phrase, self.role, self.genome)?;
        if found.known {
            self.frame.notes.extend(found.note);
            self.filter(found.filter);
        } else {
            self.frame.unknown.push(phrase);
            self.frame.filters.push((usize::MAX, found.filter));
        }
        self.at = end;
        self.role = Role::Product;
        Ok(true)
    }

    /// A sign inside of a name: `NADH-quinone`, `1,5-bisphosphate`, `homocysteine S-methyltransferase`.
    fn is_joint(&self, at: usize) -> bool {
        let sign = matches!(self.piece(at), Some(Piece::Sign('-' | '/' | ',' | ':' | '\'' | '(' | ')')));
        sign && self.items[at].glued
            && self.items.get(at + 1).is_some_and(|next| {
                next.glued && matches!(next.piece, Piece::Word | Piece::Number(..) | Piece::Sense(_))
            })
    }

    fn phrase(&self, range: std::ops::Range<usize>) -> String {
        let mut out = String::new();
        for item in &self.items[range] {
            if !item.glued && !out.is_empty() {
                out.push(' ');
            }
            out.push_str(&item.text);
        }
        out
    }

    /// "Small proteins" without a number: a usual bound, told as assumed.
    fn sized(&mut self) {
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

    /// One item by itself.
    fn one(&mut self) {
        let at = self.at;
        self.at += 1;
        let item = &self.items[at];
        match &item.piece {
            Piece::Sense(sense) => self.sense_alone(at, sense),
            Piece::Number(value, None) => self.frame.numbers.push(*value),
            Piece::Number(value, unit) => {
                self.frame.distance.get_or_insert(bases(*value, *unit));
            }
            Piece::Name(name) | Piece::NoName(name) if self.negated.is_some() => {
                self.filter(Filter::Named(vec![name.clone()]));
            }
            Piece::Sequence(name) if self.negated.is_some() => self.filter(Filter::On(name.clone())),
            Piece::Name(name) | Piece::NoName(name) => self.frame.names.push((at, name.clone())),
            Piece::Genome(name) => {
                // "in A but not in B": the one that lacks it comes last.
                let name = name.clone();
                if self.missing.is_some_and(|missing| missing < at) && self.unique(at) {
                    self.frame.genomes.insert(0, name);
                } else {
                    self.frame.genomes.push(name);
                }
            }
            Piece::Ordinal(n) => {
                self.frame.numbers.push(*n);
                self.frame.notes.push(format!("of the {n} rows the last is the one that is asked for"));
            }
            Piece::Sequence(name) => self.frame.on.push(name.clone()),
            Piece::Pattern(pattern) => self.frame.patterns.push(pattern.clone()),
            Piece::Codon(codon) => self.frame.patterns.push(codon.clone()),
            Piece::Region(region) => {
                self.frame.region = Some(region.clone());
                self.frame.relation.get_or_insert((at, Relation::Overlaps));
            }
            Piece::Quoted(_) | Piece::Accession(..) | Piece::Sign(_) => {}
            Piece::Word => self.frame.unknown.push(item.text.clone()),
        }
    }

    fn sense_alone(&mut self, at: usize, sense: &Sense) {
        let with = matches!(self.back(at), Some(Sense::With));
        let frame = &mut self.frame;
        let mut relate = |relation| {
            frame.relation = match frame.relation {
                Some((before, Relation::NextTo | Relation::Near)) if relation == Relation::EitherSide => {
                    Some((before, relation))
                }
                Some(known) => Some(known),
                None => Some((at, relation)),
            };
        };
        match sense {
            Sense::Count => frame.asks.count = true,
            Sense::List => frame.asks.list = true,
            Sense::Where => frame.asks.place = true,
            Sense::Exists => frame.asks.exists = true,
            Sense::Does => frame.asks.does = true,
            Sense::HowLong => frame.asks.how_long = true,
            Sense::YesNo => frame.asks.yes_no = true,
            Sense::Called => frame.asks.called = true,
            Sense::Noun(Noun::Pseudogene) if self.negated.take().is_some() => {
                frame.filters.push((at, Filter::Not(Box::new(Filter::Is(Is::Pseudo)))));
            }
            Sense::Noun(Noun::Neighbour) => {
                frame.nouns.push((at, Noun::Neighbour));
                relate(Relation::NextTo);
            }
            // "without introns"
            Sense::Noun(Noun::Kind(kind)) if kind == "intron" && (self.negated.is_some() || with) => {
                self.filter(Filter::Is(Is::Spliced));
            }
            Sense::Noun(noun) => {
                frame.plural |= matches!(noun, Noun::Gene | Noun::Protein) && self.items[at].text.ends_with('s');
                frame.nouns.push((at, noun.clone()));
            }
            Sense::Field(field) => frame.fields.push(field.clone()),
            Sense::N50 => frame.n50 = true,
            Sense::CodonUsage => frame.codon_usage = true,
            Sense::Coverage => frame.coverage = true,
            Sense::Within | Sense::Near => relate(Relation::Near),
            Sense::NextTo => relate(Relation::NextTo),
            Sense::EitherSide => relate(Relation::EitherSide),
            Sense::Adjacent => frame.relation = Some((at, Relation::Adjacent)),
            Sense::SameStrand => frame.same_strand = true,
            Sense::Overlaps => relate(Relation::Overlaps),
            Sense::Inside => relate(Relation::Inside),
            Sense::Next => relate(Relation::Next),
            Sense::Previous => relate(Relation::Previous),
            Sense::Strand(strand) => {
                let strand = match (self.negated.take(), strand) {
                    (None, strand) => *strand,
                    (Some(_), Strand::Plus) => Strand::Minus,
                    (Some(_), Strand::Minus) => Strand::Plus,
                };
                frame.filters.push((at, Filter::Strand(strand)));
            }
            Sense::First => frame.first = Some(frame.first.unwrap_or(1)),
            Sense::Order => frame.order = true,
            Sense::OrderLength => {
                frame.order = true;
                frame.fields.push(Field::Length);
            }
            Sense::Direction { descending } => frame.direction = Some(*descending),
            Sense::Sized { large } => {
                let next = self.items.get(at + 1).and_then(Item::sense);
                if matches!(next, Some(Sense::Noun(Noun::Gene | Noun::Protein | Noun::CodingGene))) {
                    frame.large = Some(*large);
                }
            }
            Sense::Is(is) => self.filter(Filter::Is(*is)),
            Sense::Output(output) => frame.output = Some(*output),
            // "how many sequences"
            Sense::Sequence(super::lexicon::Letters::Any) if frame.asks.count && frame.names.is_empty() => {
                frame.nouns.push((at, Noun::Sequence));
            }
            Sense::Sequence(letters) => {
                // "the protein sequence": the closer word wins over "sequence".
                if frame.letters.is_none_or(|known| known == super::lexicon::Letters::Any) {
                    frame.letters = Some(*letters);
                }
            }
            Sense::Aggregate(how) => frame.aggregate = Some(*how),
            Sense::Share => frame.share = true,
            Sense::Group => {
                if let Some(field) = self.group_field(at + 1) {
                    self.frame.group = Some(field);
                    self.at = self.skip(at + 1) + 1;
                }
            }
            Sense::It => frame.refers.it = true,
            Sense::These => frame.refers.these = true,
            Sense::Only => frame.refers.only = true,
            Sense::About => frame.refers.about |= at == 0,
            Sense::Not => {
                // `pseudogenes left out`
                let behind = self.items[at].text.ends_with("out") || self.items[at].text.ends_with("ed");
                if behind && frame.nouns.last().is_some_and(|(_, noun)| *noun == Noun::Pseudogene) {
                    frame.nouns.pop();
                    frame.filters.push((at, Filter::Not(Box::new(Filter::Is(Is::Pseudo)))));
                } else {
                    self.negated = Some(at);
                }
            }
            Sense::Encode => {
                let text = self.items[at].text.to_lowercase();
                if text.starts_with("involved")
                    || text.contains("role")
                    || text.contains("part in")
                    || text.starts_with("particip")
                {
                    self.role = Role::Process;
                }
            }
            Sense::Beyond(reason) => frame.beyond = Some(reason),
            Sense::Gap => frame.says_gap = true,
            Sense::Origin | Sense::On | Sense::With | Sense::Filler | Sense::Flank(_) => {}
            Sense::Compare(_) if is_unfinished(&self.items[at].text) => {
                frame.dangling.push(self.items[at].text.clone())
            }
            Sense::Shared => frame.shared = Some(true),
            Sense::Missing => {
                frame.shared = Some(false);
                self.missing = Some(at);
            }
            Sense::Help => frame.asks.help = true,
            Sense::Compare(_) | Sense::After(_) | Sense::Side(_) | Sense::Extreme { .. } => {}
        }
    }

    fn group_field(&self, at: usize) -> Option<Field> {
        match self.sense(self.skip(at))? {
            Sense::Noun(Noun::Sequence) => Some(Field::Seqid),
            Sense::Noun(Noun::Genome) => Some(Field::Genome),
            Sense::Noun(Noun::Feature) => Some(Field::Kind),
            Sense::Field(field)
                if matches!(
                    field,
                    Field::Strand | Field::Product | Field::StartCodon | Field::Kind | Field::Function
                ) =>
            {
                Some(field.clone())
            }
            _ => None,
        }
    }
}

/// "longer than the gene next to it" has no number to compare with.
fn is_unfinished(text: &str) -> bool {
    let text = text.to_lowercase();
    text.ends_with("than") || ["over", "above", "below", "under", "at least", "at most", "between"].contains(&&*text)
}

fn bases(value: f64, unit: Option<Unit>) -> u64 {
    let factor = if let Some(Unit::Bases(k)) = unit { f64::from(k) } else { 1.0 };
    (value * factor).round().max(0.0) as u64
}

fn field_of(unit: Option<Unit>) -> Option<Field> {
    Some(match unit? {
        Unit::Bases(_) => Field::Length,
        Unit::AminoAcids => Field::Aa,
        Unit::Percent => Field::Gc,
        Unit::Dalton(_) => Field::MolecularWeight,
    })
}

/// Whether a field is compared with numbers.
pub(super) fn is_number(field: &Field) -> bool {
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
