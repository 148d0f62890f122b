//! Words that mean something by themselves.

use super::*;

impl Rules<'_> {
    /// One item by itself.
    pub(super) fn one(&mut self) {
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

    pub(super) fn sense_alone(&mut self, at: usize, sense: &Sense) {
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
            Sense::Sequence(crate::understand::lexicon::Letters::Any) if frame.asks.count && frame.names.is_empty() => {
                frame.nouns.push((at, Noun::Sequence));
            }
            Sense::Sequence(letters) => {
                // "the protein sequence": the closer word wins over "sequence".
                if frame.letters.is_none_or(|known| known == crate::understand::lexicon::Letters::Any) {
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

    /// "unique to A" names the genome that has it.
    pub(super) fn unique(&self, at: usize) -> bool {
        let text = self.items[self.missing.unwrap_or(at)].text.to_lowercase();
        ["unique", "specific", "only", "exclusive"].iter().any(|word| text.contains(word))
    }

    pub(super) fn group_field(&self, at: usize) -> Option<Field> {
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
pub(super) fn is_unfinished(text: &str) -> bool {
    let text = text.to_lowercase();
    text.ends_with("than") || ["over", "above", "below", "under", "at least", "at most", "between"].contains(&&*text)
}
