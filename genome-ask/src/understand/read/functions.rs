//! What genes do: words of products, numbers of enzymes, terms, names.

use super::*;

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

impl Rules<'_> {
    /// `with an EC number`, `GO:0006281`, `start with GTG`, `function "cell lysis"`, `name starting with rps`.
    pub(super) fn field_filter(&mut self) -> Result<bool> {
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
    pub(super) fn quoted(&mut self, text: &str) -> Result<()> {
        let found = topic(text, Role::Product, self.genome)?;
        self.frame.notes.extend(found.note);
        self.filter(found.filter);
        Ok(())
    }

    pub(super) fn starts(&self) -> bool {
        self.items[..self.at].iter().rev().take(4).any(|item| item.sense() == Some(&Sense::Field(Field::StartCodon)))
    }

    /// What stands in brackets behind a number explains it.
    pub(super) fn skip_brackets(&mut self) {
        if matches!(self.piece(self.at), Some(Piece::Sign('('))) {
            let end = (self.at..self.items.len()).find(|at| matches!(self.piece(*at), Some(Piece::Sign(')'))));
            self.at = end.map_or(self.items.len(), |end| end + 1);
        }
    }

    /// Words that nobody knows, with words between them that can belong to them: a function.
    pub(super) fn topic(&mut self) -> Result<bool> {
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
        // "photosystem I": the numeral, where products have it.
        if self.items.get(end).is_some_and(|item| item.text == "I")
            && self.genome.phrase(Column::Product, &self.phrase(self.at..end + 1))? > 0
        {
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
        if self.beginning_of_names(&phrase, end)? {
            return Ok(true);
        }
        let found = topic(&phrase, self.role, self.genome)?;
        if found.known {
            self.frame.notes.extend(found.note);
            match self.or_else(end) {
                Some(first) => self.either(found.filter, first)?,
                None => self.filter(found.filter),
            }
            end = end.max(self.at);
        } else {
            self.frame.unknown.push(phrase);
            self.frame.filters.push((usize::MAX, found.filter));
        }
        self.at = end;
        self.role = Role::Product;
        Ok(true)
    }

    /// "the lac operon", "cas genes": genes whose names begin so; nothing else in a file says what belongs together.
    fn beginning_of_names(&mut self, phrase: &str, end: usize) -> Result<bool> {
        let what = match self.sense(end) {
            Some(Sense::Noun(Noun::Run)) => "an operon is not annotated: ",
            Some(Sense::Noun(Noun::Gene | Noun::Cluster)) => "",
            _ => return Ok(false),
        };
        if !begins_names(self.genome, phrase)? {
            return Ok(false);
        }
        self.frame.notes.push(format!("{what}{phrase} is taken as all genes whose names begin with {phrase}"));
        self.filter(Filter::Text(Field::Gene, Match::Starts, vec![phrase.to_owned()]));
        if !matches!(self.sense(end), Some(Sense::Noun(Noun::Gene))) {
            self.frame.nouns.push((end, Noun::Gene));
        }
        self.at = end + 1;
        if matches!(self.sense(end), Some(Sense::Noun(Noun::Gene))) {
            self.at = end;
        }
        Ok(true)
    }

    /// Where the function behind "or" begins, or that of a list of plurals behind "and": "kinases and phosphatases".
    fn or_else(&self, end: usize) -> Option<usize> {
        let joint = &self.items.get(end)?.text;
        let plural = |at: usize| self.items.get(at).is_some_and(|item| item.text.ends_with('s'));
        let other = matches!(self.piece(end + 1), Some(Piece::Word));
        let last = (end + 1..self.items.len()).take_while(|at| self.piece(*at) == Some(&Piece::Word)).last();
        match &**joint {
            "or" if other => Some(end + 1),
            "and" if other && plural(end - 1) && last.is_some_and(plural) => Some(end + 1),
            _ => None,
        }
    }

    /// One of several functions.
    fn either(&mut self, one: Filter, mut at: usize) -> Result<()> {
        let mut any = vec![one];
        loop {
            let mut end = at;
            while self.piece(end) == Some(&Piece::Word) || (end > at && self.is_joint(end)) {
                end += 1;
            }
            let found = topic(&self.phrase(at..end), self.role, self.genome)?;
            if !found.known {
                self.frame.unknown.push(self.phrase(at..end));
            }
            self.frame.notes.extend(found.note);
            any.push(found.filter);
            self.at = end;
            match self.or_else(end) {
                Some(next) => at = next,
                None => break,
            }
        }
        self.filter(Filter::Any(any));
        Ok(())
    }

    /// A sign inside of a name: `NADH-quinone`, `1,5-bisphosphate`, `homocysteine S-methyltransferase`.
    pub(super) fn is_joint(&self, at: usize) -> bool {
        let sign = matches!(self.piece(at), Some(Piece::Sign('-' | '/' | ',' | ':' | '\'' | '(' | ')')));
        sign && self.items[at].glued
            && self.items.get(at + 1).is_some_and(|next| {
                next.glued && matches!(next.piece, Piece::Word | Piece::Number(..) | Piece::Sense(_))
            })
    }

    pub(super) fn phrase(&self, range: std::ops::Range<usize>) -> String {
        let mut out = String::new();
        for item in &self.items[range] {
            if !item.glued && !out.is_empty() {
                out.push(' ');
            }
            out.push_str(&item.text);
        }
        out
    }
}
