//! The tokens of a question as things with a meaning: words of the lexicon, numbers, names of the genome.

use super::correct::{correct, is_upper, looks_like_gene};
use super::lexicon::{Noun, Sense, american_fold, lexicon};
use super::numbers::{Unit, number_words, unit};
use super::spelling::forms;
use super::tokens::{Kind, Token};
use super::vocabulary::{Column, Genome};
use crate::biology::enzymes;
use crate::dialogue::Correction;
use crate::error::Result;
use crate::query::{Field, Region};

/// What a piece of a question means.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Piece {
    Sense(Sense),
    Number(f64, Option<Unit>),
    /// "second longest"
    Ordinal(f64),
    /// The name of a genome, where there are several.
    Genome(String),
    /// The name of a gene.
    Name(String),
    /// It looks like the name of a gene, but no feature has it.
    NoName(String),
    /// The name of a sequence.
    Sequence(String),
    Quoted(String),
    /// `GO:0006281`, an EC number.
    Accession(Field, String),
    /// Letters to look for, or an enzyme.
    Pattern(String),
    Codon(String),
    Region(Region),
    Sign(char),
    /// A word that nobody knows so far.
    Word,
}

/// A piece of a question with its words.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Item {
    pub(super) piece: Piece,
    /// As it was written.
    pub(super) text: String,
    /// Follows the one before without a blank.
    pub(super) glued: bool,
}

impl Item {
    pub(super) fn sense(&self) -> Option<&Sense> {
        match &self.piece {
            Piece::Sense(sense) => Some(sense),
            _ => None,
        }
    }
}

/// Reads tokens; typing errors are told.
pub(super) fn items(
    question: &str,
    mut tokens: Vec<Token>,
    genome: Genome<'_>,
    corrections: &mut Vec<Correction>,
) -> Result<Vec<Item>> {
    correct(question, &mut tokens, genome, corrections)?;
    let mut reader = Reader { question, tokens: &tokens, genome, at: 0, out: Vec::new() };
    while reader.at < tokens.len() {
        reader.next()?;
    }
    Ok(reader.out)
}

struct Reader<'a> {
    question: &'a str,
    tokens: &'a [Token],
    genome: Genome<'a>,
    at: usize,
    out: Vec<Item>,
}

impl<'a> Reader<'a> {
    fn push(&mut self, piece: Piece, count: usize) {
        let text = self.read(count);
        self.out.push(Item { piece, text, glued: self.tokens[self.at].glued });
        self.at += count;
    }

    /// The question's letters of these tokens.
    fn written(&self, count: usize) -> &'a str {
        let tokens = &self.tokens[self.at..self.at + count];
        &self.question[tokens[0].span.start..tokens[count - 1].span.end]
    }

    /// As read, typing errors mended.
    fn read(&self, count: usize) -> String {
        match count {
            1 if self.tokens[self.at].kind == Kind::Word
                && !self.tokens[self.at].text.eq_ignore_ascii_case(self.written(1)) =>
            {
                self.tokens[self.at].text.clone()
            }
            _ => self.written(count).to_owned(),
        }
    }

    fn next(&mut self) -> Result<()> {
        let token = &self.tokens[self.at];
        match &token.kind {
            Kind::Quoted => {
                self.push(Piece::Quoted(token.text.clone()), 1);
                return Ok(());
            }
            // `E. coli`
            Kind::Word if token.text.chars().count() == 1 && self.is_initial()? => {
                self.at += 2;
                return Ok(());
            }
            Kind::Sign('\'') => {
                // `lacZ's`
                let possessive = self.tokens.get(self.at + 1).is_some_and(|t| t.glued && t.text == "s");
                self.at += if possessive { 2 } else { 1 };
                return Ok(());
            }
            _ => {}
        }
        if self.ordinal() || self.compound()? || self.accession() || self.number() || self.phrase() || self.kind()? {
            return Ok(());
        }
        let written = self.written(1);
        let piece = match &token.kind {
            Kind::Sign(sign) => Piece::Sign(*sign),
            Kind::Word => self.single(&self.read(1), written)?,
            _ => Piece::Word,
        };
        self.push(piece, 1);
        Ok(())
    }

    /// `second longest`, `3rd largest`: of as many the last.
    fn ordinal(&mut self) -> bool {
        let word = &*self.tokens[self.at].text;
        let extreme = self.tokens.get(self.at + 1).and_then(|next| lexicon().longest(&[&*next.text]));
        if !matches!(extreme, Some((Sense::Extreme { .. }, _))) {
            return false;
        }
        const WORDS: [&str; 9] = ["second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"];
        let spelt = WORDS.iter().position(|known| *known == word).map(|at| at as f64 + 2.0);
        let ends = ["nd", "rd", "th"];
        let written = ends.iter().find_map(|end| word.strip_suffix(end)).and_then(|number| number.parse().ok());
        let Some(n) = spelt.or(written).filter(|n: &f64| *n >= 2.0 && *n <= 1e6) else { return false };
        self.push(Piece::Ordinal(n), 1);
        true
    }

    /// A chain without blanks that is one name, `VT2-Sap25`, or a region, `IV:1000-2000`.
    fn compound(&mut self) -> Result<bool> {
        let mut longest = 1;
        while self.tokens.get(self.at + longest).is_some_and(|t| t.glued && t.kind != Kind::Quoted) && longest < 12 {
            longest += 1;
        }
        let genomes = self.genome.several()?;
        for count in (1..=longest).rev() {
            let text = self.written(count);
            if let Some(genome) = genomes.iter().find(|name| name.eq_ignore_ascii_case(text)) {
                self.push(Piece::Genome(genome.clone()), count);
                return Ok(true);
            }
            if count > 1
                && let Some(region) = region(text)
                && self.genome.is_sequence(region.seqid.as_deref().unwrap_or_default())?
            {
                self.push(Piece::Region(region), count);
                return Ok(true);
            }
            if count > 1
                && let Some(go) = text.to_uppercase().strip_prefix("GO:")
                && !go.is_empty()
                && go.bytes().all(|b| b.is_ascii_digit())
            {
                self.push(Piece::Accession(Field::Go, format!("GO:{go}")), count);
                return Ok(true);
            }
            let first = &self.tokens[self.at];
            if (count > 1 && first.kind == Kind::Word && !text.ends_with(['-', ':', ',', '?', '.', '!', ';']))
                || (count == 1 && looks_like_gene(text))
            {
                if count == 1 && self.is_in_phrase(text)? {
                    return Ok(false);
                }
                if self.genome.name_rank(text)?.is_some() {
                    self.push(Piece::Name(text.to_owned()), count);
                    return Ok(true);
                }
                if self.genome.is_sequence(text)? && (count > 1 || text.chars().any(|c| c.is_ascii_digit())) {
                    self.push(Piece::Sequence(text.to_owned()), count);
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// `2.7.1.1`, or after `EC` a shorter one.
    fn accession(&mut self) -> bool {
        let token = &self.tokens[self.at];
        let text = &token.text;
        let dotted = text.starts_with(|c: char| c.is_ascii_digit())
            && text
                .split('.')
                .all(|part| part == "-" || (!part.is_empty() && part.bytes().all(|b| b.is_ascii_digit())));
        let after_ec = || {
            let last = self.out.iter().rev().take(4);
            last.filter_map(Item::sense).any(|sense| *sense == Sense::Field(Field::Ec))
                || self.out.iter().rev().take(3).any(|item| item.text.eq_ignore_ascii_case("class"))
        };
        let class = text.bytes().filter(|b| *b == b'.').count();
        if dotted && (class >= 2 || after_ec()) {
            let ec = text.trim_end_matches(".-").to_owned();
            // `in class 2.7`
            if self.out.last().is_some_and(|item| item.piece == Piece::Word && item.text.eq_ignore_ascii_case("class"))
            {
                self.out.pop();
            }
            self.push(Piece::Accession(Field::Ec, ec), 1);
            return true;
        }
        false
    }

    fn number(&mut self) -> bool {
        let token = &self.tokens[self.at];
        let (value, count) = match token.kind {
            Kind::Number(value) => (value, 1),
            Kind::Word => {
                let words: Vec<&str> = self.tokens[self.at..]
                    .iter()
                    .take(8)
                    .take_while(|t| t.kind == Kind::Word)
                    .map(|t| &*t.text)
                    .collect();
                let Some((value, count)) = number_words(&words) else { return false };
                // `two-component` is no number, nor is the `one` of `that one`.
                let hyphen = self.tokens.get(self.at + count).is_some_and(|t| t.glued && t.kind == Kind::Sign('-'));
                let reference =
                    words[0] == "one" && count == 1 && !words.get(1).is_some_and(|w| unit(w).is_some() || *w == "of");
                let next = self.at + count;
                let unknown =
                    self.tokens.get(next).is_some_and(|t| !lexicon().knows(&t.text) && unit(&t.text).is_none());
                if count == 1 && unknown && self.is_in_phrase(&self.tokens[self.at].text).unwrap_or(false) {
                    return false;
                }
                if hyphen || (reference && lexicon().longest(&["one"]).is_some()) {
                    return false;
                }
                (value, count)
            }
            _ => return false,
        };
        // `chromosome 4`, which the file may call `IV` or `chr4`
        if count == 1
            && let Some(name) = self.numbered_sequence(value)
        {
            self.push(Piece::Sequence(name), 1);
            return true;
        }
        let mut count = count;
        let mut of = None;
        let next = |n: usize| self.tokens.get(self.at + n).map(|t| &*t.text);
        let hyphen = usize::from(next(count) == Some("-") && next(count + 1).is_some_and(|w| unit(w).is_some()));
        if let Some(word) = next(count + hyphen) {
            let pair = next(count + hyphen + 1).unwrap_or_default();
            if word.starts_with("amino") && pair.starts_with("acid") {
                (of, count) = (Some(Unit::AminoAcids), count + hyphen + 2);
            } else if word == "base" && pair.starts_with("pair") {
                (of, count) = (Some(Unit::Bases(1)), count + hyphen + 2);
            } else if word == "per" && pair == "cent" {
                (of, count) = (Some(Unit::Percent), count + hyphen + 2);
            } else if word == "thousand" || word == "million" {
                let factor = if word == "thousand" { 1e3 } else { 1e6 };
                let unit_after = unit(pair);
                let taken = count + 1 + usize::from(unit_after.is_some());
                self.push(Piece::Number(value * factor, unit_after), taken);
                return true;
            } else if let Some(unit) = unit(word) {
                (of, count) = (Some(unit), count + hyphen + 1);
            }
        }
        self.push(Piece::Number(value, of), count);
        true
    }

    /// The name of the sequence that a number behind "chromosome" or "contig" means.
    fn numbered_sequence(&self, value: f64) -> Option<String> {
        let is_noun = self.out.last().and_then(Item::sense) == Some(&Sense::Noun(Noun::Sequence));
        if !is_noun || value.fract() != 0.0 || !(1.0..1e6).contains(&value) {
            return None;
        }
        let n = value as usize;
        let names = [n.to_string(), format!("chr{n}"), format!("contig{n}"), format!("contig_{n}"), roman(n)];
        names.into_iter().find(|name| !name.is_empty() && self.genome.is_sequence(name).unwrap_or(false))
    }

    /// Words from here on, folded, with how many tokens each takes with those before.
    fn words(&self) -> (Vec<String>, Vec<usize>) {
        let (mut words, mut ends) = (Vec::new(), Vec::new());
        for (i, token) in self.tokens[self.at..].iter().take(24).enumerate() {
            let next_glued = self.tokens.get(self.at + i + 1).is_some_and(|t| t.glued);
            match token.kind {
                Kind::Sign('-' | '\'') if token.glued && next_glued && !words.is_empty() => continue,
                Kind::Sign(sign @ ('+' | '-' | '%')) => words.push(sign.to_string()),
                Kind::Word | Kind::Number(_) => words.push(american_fold(&token.text)),
                _ => break,
            }
            ends.push(i + 1);
        }
        (words, ends)
    }

    fn phrase(&mut self) -> bool {
        let (words, ends) = self.words();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let Some((sense, count)) = lexicon().longest(&words) else { return self.signs() };
        // `-` is a strand only in a phrase such as `- strand`.
        if count == 1 && matches!(self.tokens[self.at].kind, Kind::Sign('+' | '-')) {
            return false;
        }
        // A hyphen behind joins the word with the next one: `transfer-associated`.
        self.push(Piece::Sense(sense.clone()), ends[count - 1]);
        true
    }

    /// `<`, `>=`, `(+)`.
    fn signs(&mut self) -> bool {
        use super::lexicon::Comparator as C;
        let sign = |n: usize| match self.tokens.get(self.at + n).map(|t| &t.kind) {
            Some(Kind::Sign(sign)) => Some(*sign),
            _ => None,
        };
        let (comparator, count) = match (sign(0), sign(1)) {
            (Some('<'), Some('=')) => (C::Le, 2),
            (Some('>'), Some('=')) => (C::Ge, 2),
            (Some('\u{2264}'), _) => (C::Le, 1),
            (Some('\u{2265}'), _) => (C::Ge, 1),
            (Some('<'), _) => (C::Lt, 1),
            (Some('>'), _) => (C::Gt, 1),
            (Some('='), _) => (C::Eq, 1),
            _ => return false,
        };
        self.push(Piece::Sense(Sense::Compare(comparator)), count);
        true
    }

    fn kind(&mut self) -> Result<bool> {
        let (words, ends) = self.words();
        let kinds = self.genome.kinds()?;
        let fits = |phrase: &[String]| phrase.len() <= words.len() && phrase.iter().zip(&words).all(|(a, b)| a == b);
        let best = kinds.iter().filter(|(phrase, _)| fits(phrase)).max_by_key(|(phrase, _)| phrase.len());
        if let Some((phrase, kind)) = best {
            self.push(Piece::Sense(Sense::Noun(Noun::Kind(kind.clone()))), ends[phrase.len() - 1]);
            return Ok(true);
        }
        Ok(false)
    }

    /// A letter with a point before a word of the organism's name.
    fn is_initial(&self) -> Result<bool> {
        let point = self.tokens.get(self.at + 1).is_some_and(|t| t.glued && t.kind == Kind::Sign('.'));
        let Some(next) = self.tokens.get(self.at + 2).filter(|_| point) else { return Ok(false) };
        Ok(self.genome.organism_words()?.contains(&next.text))
    }

    /// `ABC transporter`, `LysR family`: with the next word it stands in products.
    fn is_in_phrase(&self, text: &str) -> Result<bool> {
        // `beta-galactosidase` too.
        let hyphen = self.tokens.get(self.at + 1).is_some_and(|t| t.glued && t.kind == Kind::Sign('-'));
        let next = self.tokens.get(self.at + 1 + usize::from(hyphen));
        let Some(next) = next.filter(|token| token.kind == Kind::Word && token.glued == hyphen) else {
            return Ok(false);
        };
        for form in forms(&next.text) {
            if self.genome.phrase(Column::Product, &format!("{text} {form}"))? > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn single(&self, text: &str, written: &str) -> Result<Piece> {
        let dna = |c: char| "ACGTURYSWKMBDHVN".contains(c);
        if is_upper(written) && written.chars().all(dna) {
            let plain = written.chars().filter(|c| "ACGT".contains(*c)).count();
            if written.len() == 3 && plain == 3 {
                return Ok(Piece::Codon(written.to_owned()));
            }
            if written.len() >= 4 && plain * 2 >= written.len() {
                return Ok(Piece::Pattern(written.to_owned()));
            }
        }
        if self.genome.organism_words()?.iter().any(|word| *word == text.to_lowercase()) {
            return Ok(Piece::Sense(Sense::Filler));
        }
        if let Some((enzyme, _)) = enzymes::site(written) {
            return Ok(Piece::Pattern(enzyme.to_owned()));
        }
        let plain = text.chars().all(|c| c.is_lowercase());
        if self.is_in_phrase(text)? {
            return Ok(Piece::Word);
        }
        if let Some(rank) = self.genome.name_rank(text)? {
            // A word of products that is the name of a gene too is a word: `porin`.
            let word = plain && (text.len() > 4 || rank > 1) && self.genome.is_product_word(text)?;
            let word = word || (rank == 3 && plain);
            // `RNA polymerase beta`
            let behind = || -> Result<bool> {
                let Some(last) = self.out.last().filter(|last| last.piece == Piece::Word) else { return Ok(false) };
                Ok(self.genome.phrase(Column::Product, &format!("{} {text}", last.text))? > 0)
            };
            let word = word || (plain && behind()?);
            return Ok(if word { Piece::Word } else { Piece::Name(text.to_owned()) });
        }
        let after_chromosome = self.out.last().is_some_and(|item| item.sense() == Some(&Sense::Noun(Noun::Sequence)));
        if (after_chromosome || !plain) && self.genome.is_sequence(text)? {
            return Ok(Piece::Sequence(text.to_owned()));
        }
        Ok(if looks_like_gene(written) { Piece::NoName(text.to_owned()) } else { Piece::Word })
    }
}

/// Chromosomes of yeast and worms are numbered so; nothing above 39.
fn roman(n: usize) -> String {
    if n > 39 {
        return String::new();
    }
    const ONES: [&str; 10] = ["", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX"];
    format!("{}{}", "X".repeat(n / 10), ONES[n % 10])
}

/// `IV:1000-2000`, `chr1:1,000..2,000`.
fn region(text: &str) -> Option<Region> {
    let (seqid, range) = text.rsplit_once(':')?;
    let (start, end) = range.split_once("..").or_else(|| range.split_once('-')).unwrap_or((range, range));
    let number = |text: &str| text.replace([',', '_', '\''], "").parse::<u64>().ok();
    Some(Region { seqid: Some(seqid.to_owned()), start: number(start)?, end: number(end)? })
}
