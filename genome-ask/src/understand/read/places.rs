//! What lies beside something: `500 bp upstream of araB`, `three genes downstream`.

use super::*;

impl Rules<'_> {
    /// `500 bp upstream of araB`: bases; `three genes upstream of lacI`: genes; `within 3 kb upstream`: a side.
    pub(super) fn beside(&mut self) -> bool {
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

    pub(super) fn bases_beside(&mut self) -> bool {
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
}
