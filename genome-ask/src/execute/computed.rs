//! Rows that no table has: intergenic regions, open reading frames, motifs, windows; and filters over them.

use genome_formats::{GeneticCode, Motif, OrfOptions, Strand as FormatStrand, Topology, gc_windows, orfs};
use rusqlite::params;

use super::items::{Item, Key, What};
use super::names::Stretch;
use super::{Outcome, Run};
use crate::biology::enzymes::{ENZYMES, site};
use crate::error::Error;
use crate::index::facts::words;
use crate::query::{Compare, Field, Filter, Is, Match, Select};

/// A filter with its places found.
pub(super) enum Test {
    Is(Is),
    Number(Field, Compare),
    Text(Field, Match, Vec<String>),
    Strand(char),
    Seqs(Vec<i64>),
    Ids(Vec<String>),
    Touches(Vec<Stretch>),
    Inside(Vec<Stretch>),
    Not(Box<Test>),
    Any(Vec<Test>),
    All(Vec<Test>),
}

impl Run<'_> {
    /// The rows of a selection that is computed.
    pub(super) fn computed(&mut self, select: &Select) -> Outcome<Vec<Item>> {
        match select {
            Select::Sequence => Ok(self.sequences()),
            Select::Intergenic => self.intergenic(),
            Select::Region(region) => {
                let spot = self.spot_of_region(region)?;
                let stretches = self.stretches_of(&spot)?;
                let length = stretches.iter().map(|(_, a, b, _)| b - a + 1).sum();
                Ok(vec![Item {
                    what: What::Region,
                    seq: spot.seq,
                    start: spot.start,
                    end: spot.end,
                    strand: '+',
                    length,
                    wraps: spot.wraps,
                    keys: Vec::new(),
                }])
            }
            Select::Window { size_bp, step_bp } => self.windows(*size_bp, *step_bp),
            Select::Orf { min_aa } => self.orfs(*min_aa),
            Select::Motif(patterns) => self.motifs(patterns),
            other => Err(Error::Query { problem: "is not computed", found: other.to_string() }.into()),
        }
    }

    fn sequences(&self) -> Vec<Item> {
        let items = self.seqs.iter().map(|seq| Item {
            what: What::Sequence,
            seq: seq.id,
            start: 1,
            end: seq.length.unwrap_or(0),
            strand: '.',
            length: seq.length.unwrap_or(0),
            wraps: false,
            keys: Vec::new(),
        });
        items.collect()
    }

    /// The complement of all genes; around the origin of a ring, to the ends of a line.
    fn intergenic(&mut self) -> Outcome<Vec<Item>> {
        let text = "SELECT p.start, p.\"end\" FROM features f JOIN parts p ON p.feature = f.id WHERE f.seq = ?1 AND f.is_gene \
                    ORDER BY p.start";
        let mut out = Vec::new();
        for seq in &self.seqs {
            let Some(length) = seq.length else { continue };
            let mut statement = self.index.db.prepare(text)?;
            let mut rows = statement.query([seq.id])?;
            let mut free: Vec<(i64, i64)> = Vec::new();
            let mut covered = 0;
            let mut any = false;
            while let Some(row) = rows.next()? {
                let (start, end): (i64, i64) = (row.get(0)?, row.get(1)?);
                any = true;
                if start > covered + 1 {
                    free.push((covered + 1, start - 1));
                }
                covered = covered.max(end);
            }
            if !any {
                continue;
            }
            if covered < length {
                free.push((covered + 1, length));
            }
            let over_origin = seq.circular
                && free.len() > 1
                && free.first().is_some_and(|f| f.0 == 1)
                && free.last().is_some_and(|l| l.1 == length);
            let mut wrapped = None;
            if over_origin {
                let (last, first) = (free.pop(), free.remove(0));
                wrapped = last.map(|last| (last.0, first.1, length - last.0 + 1 + first.1));
            }
            let plain = free.into_iter().map(|(start, end)| (start, end, end - start + 1, false));
            for (start, end, length, wraps) in plain.chain(wrapped.map(|(a, b, n)| (a, b, n, true))) {
                let what = What::Intergenic;
                out.push(Item { what, seq: seq.id, start, end, strand: '.', length, wraps, keys: Vec::new() });
            }
        }
        self.note_sql(text, &[]);
        self.note_computed("intergenic regions: the complement of all gene features");
        Ok(out)
    }

    pub(super) fn note_computed(&mut self, text: &str) {
        if !self.answer.computed.iter().any(|t| t == text) {
            self.answer.computed.push(text.to_owned());
        }
    }

    fn windows(&mut self, size: u64, step: u64) -> Outcome<Vec<Item>> {
        self.need_letters(&Select::Window { size_bp: size, step_bp: step })?;
        let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        let mut out = Vec::new();
        for seq in self.seqs.iter().filter(|s| s.has_residues) {
            let letters = self.index.letters(seq.id, None)?;
            let Some(windows) = gc_windows(&letters, number(size), number(step)) else {
                return Err(
                    Error::Query { problem: "a window without bases", found: format!("{size}, step {step}") }.into()
                );
            };
            for window in windows {
                self.check_matches(out.len())?;
                out.push(Item {
                    what: What::Window { gc: window.gc.map(|gc| gc * 100.0) },
                    seq: seq.id,
                    start: one(window.span.start()),
                    end: whole(window.span.end()),
                    strand: '.',
                    length: whole(window.span.len()),
                    wraps: false,
                    keys: Vec::new(),
                });
            }
        }
        self.note_computed("GC content of windows along the sequence");
        Ok(out)
    }

    fn check_matches(&self, n: usize) -> Outcome<()> {
        if n.is_multiple_of(4096) {
            self.check_time()?;
        }
        if n as u64 >= self.limits.matches {
            return Err(Error::TooMuch { what: "rows that match", limit: self.limits.matches }.into());
        }
        Ok(())
    }

    /// The genetic code that most coding sequences of a sequence, else of all, have.
    pub(super) fn genetic_code(&mut self, seq: i64) -> Outcome<GeneticCode> {
        let text = "SELECT transl_table FROM features WHERE role = 'cds' AND transl_table IS NOT NULL GROUP BY transl_table \
                    ORDER BY sum(seq = ?1) DESC, count(*) DESC LIMIT 1";
        let mut statement = self.index.db.prepare(text)?;
        let found = statement.query_map([seq], |row| row.get::<_, u8>(0))?.next().transpose()?;
        if found.is_none() {
            self.caveat("no genetic code is annotated: the standard code (table 1) was used");
        }
        Ok(found.and_then(GeneticCode::from_id).unwrap_or(GeneticCode::STANDARD))
    }

    fn orfs(&mut self, min_aa: u64) -> Outcome<Vec<Item>> {
        self.need_letters(&Select::Orf { min_aa })?;
        let mut out = Vec::new();
        for seq in self.seqs.clone().iter().filter(|s| s.has_residues) {
            let code = self.genetic_code(seq.id)?;
            let letters = self.index.letters(seq.id, None)?;
            let topology = if seq.circular { Topology::Circular } else { Topology::Linear };
            let length = whole(letters.len() as u64);
            for orf in
                orfs(&letters, &OrfOptions { code, min_len_aa: min_aa.max(1), topology, ..OrfOptions::default() })
            {
                self.check_matches(out.len())?;
                let (start, mut end) = (one(orf.span.start()), whole(orf.span.end()));
                let wraps = end > length;
                if wraps {
                    end -= length;
                }
                out.push(Item {
                    what: What::Orf { aa: whole(orf.len_aa()), table: code.id() },
                    seq: seq.id,
                    start,
                    end,
                    strand: orf.strand.symbol(),
                    length: whole(orf.span.len()),
                    wraps,
                    keys: Vec::new(),
                });
            }
        }
        self.note_computed("open reading frames from start to stop codon, of both strands");
        Ok(out)
    }

    fn motifs(&mut self, patterns: &[String]) -> Outcome<Vec<Item>> {
        self.need_letters(&Select::Motif(patterns.to_vec()))?;
        let mut motifs = Vec::new();
        for pattern in patterns {
            if pattern == "*" {
                for (name, site) in ENZYMES {
                    motifs.push(((*name).to_owned(), Motif::new(site)?));
                }
            } else if let Some((name, site)) = site(pattern) {
                motifs.push((name.to_owned(), Motif::new(site)?));
            } else {
                let motif = Motif::new(pattern).map_err(|_| Error::Query {
                    problem: "neither a motif of IUPAC letters nor an enzyme of the table",
                    found: pattern.clone(),
                })?;
                motifs.push((pattern.to_ascii_uppercase(), motif));
            }
        }
        let mut out = Vec::new();
        for seq in self.seqs.iter().filter(|s| s.has_residues) {
            let letters = self.index.letters(seq.id, None)?;
            let topology = if seq.circular { Topology::Circular } else { Topology::Linear };
            let length = whole(letters.len() as u64);
            for (name, motif) in &motifs {
                self.check_time()?;
                for hit in motif.find(&letters, topology) {
                    self.check_matches(out.len())?;
                    let (start, mut end) = (one(hit.span.start()), whole(hit.span.end()));
                    let wraps = end > length;
                    if wraps {
                        end -= length;
                    }
                    out.push(Item {
                        what: What::Motif { pattern: name.clone() },
                        seq: seq.id,
                        start,
                        end,
                        // A palindrome is on both strands.
                        strand: match hit.strand {
                            _ if motif.is_palindrome() => '.',
                            FormatStrand::Forward => '+',
                            FormatStrand::Reverse => '-',
                        },
                        length: whole(hit.span.len()),
                        wraps,
                        keys: Vec::new(),
                    });
                }
            }
        }
        self.note_computed("motifs on both strands, overlapping ones counted, a palindrome once a place");
        Ok(out)
    }

    /// A filter for rows that are no features.
    pub(super) fn item_test(&mut self, filter: &Filter) -> Outcome<Test> {
        let all = |run: &mut Self, filters: &[Filter]| -> Outcome<Vec<Test>> {
            filters.iter().map(|filter| run.item_test(filter)).collect()
        };
        Ok(match filter {
            Filter::Is(is @ (Is::Wraps | Is::Circular | Is::Unannotated)) => Test::Is(*is),
            Filter::Number(field, compare) => Test::Number(field.clone(), *compare),
            Filter::Text(field, how, values) => Test::Text(field.clone(), *how, values.clone()),
            Filter::Strand(strand) => Test::Strand(strand.to_string().chars().next().unwrap_or('+')),
            Filter::On(name) => Test::Seqs(self.seqs_named(name)?),
            Filter::Among(ids) => Test::Ids(ids.clone()),
            Filter::Named(names) => {
                let mut seqs = Vec::new();
                for name in names {
                    seqs.extend(self.seqs_named(name)?);
                }
                Test::Seqs(seqs)
            }
            Filter::Near { of, distance_bp, side } => {
                let distance = i64::try_from(*distance_bp).unwrap_or(i64::MAX);
                let mut stretches = Vec::new();
                for spot in self.spots(of)? {
                    stretches.extend(self.stretches_around(&spot, distance, *side)?);
                }
                Test::Touches(stretches)
            }
            Filter::Overlaps(place) | Filter::Inside(place) => {
                let mut stretches = Vec::new();
                for spot in self.spots(place)? {
                    stretches.extend(self.stretches_of(&spot)?);
                }
                if matches!(filter, Filter::Inside(_)) { Test::Inside(stretches) } else { Test::Touches(stretches) }
            }
            Filter::Between(a, b) => {
                let (a, b) = (self.spots(a)?, self.spots(b)?);
                Test::Touches(self.stretches_between(&a, &b)?)
            }
            Filter::Not(filter) => Test::Not(Box::new(self.item_test(filter)?)),
            Filter::Any(filters) => Test::Any(all(self, filters)?),
            Filter::All(filters) => Test::All(all(self, filters)?),
            Filter::Is(_) | Filter::FullText(_) | Filter::NextTo { .. } | Filter::SharedWith { .. } => {
                return Err(Error::Query { problem: "holds of features only", found: filter.to_string() }.into());
            }
        })
    }

    pub(super) fn item_matches_all(&self, item: &Item, tests: &[Test]) -> Outcome<bool> {
        for test in tests {
            if !self.item_matches(item, test)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn item_matches(&self, item: &Item, test: &Test) -> Outcome<bool> {
        let length = self.seq(item.seq)?.length;
        let overlap = |(seq, a, b, _): &Stretch| {
            *seq == item.seq && item.pieces(length).iter().any(|(start, end)| start <= b && end >= a)
        };
        Ok(match test {
            Test::Is(Is::Wraps) => item.wraps,
            Test::Is(Is::Circular) => self.seq(item.seq)?.circular,
            Test::Is(_) => self.is_unannotated(item, length)?,
            Test::Number(field, compare) => {
                let number = self.item_field(item, field)?.number();
                number.is_some_and(|x| match *compare {
                    Compare::Lt(y) => x < y,
                    Compare::Le(y) => x <= y,
                    Compare::Eq(y) => x == y,
                    Compare::Ge(y) => x >= y,
                    Compare::Gt(y) => x > y,
                    Compare::Between(a, b) => (a..=b).contains(&x),
                })
            }
            Test::Text(field, how, values) => {
                let text = self.item_field(item, field)?.text().unwrap_or_default().to_lowercase();
                let is = |value: &String| {
                    let value = value.to_lowercase();
                    match how {
                        Match::Has => !words(&value).trim().is_empty() && words(&text).contains(&words(&value)),
                        Match::Is => text == value,
                        Match::Contains => text.contains(&value),
                        Match::Starts => text.starts_with(&value),
                        Match::Under => text == value || text.starts_with(&format!("{value}.")),
                        Match::Present => true,
                    }
                };
                if *how == Match::Present { !text.is_empty() } else { values.iter().any(is) }
            }
            Test::Strand(strand) => item.strand == *strand,
            Test::Seqs(seqs) => seqs.contains(&item.seq),
            Test::Ids(ids) => {
                let id = self.item_id(item)?;
                ids.iter().any(|other| other.eq_ignore_ascii_case(&id))
            }
            Test::Touches(stretches) => stretches.iter().any(overlap),
            Test::Inside(stretches) => item
                .pieces(length)
                .iter()
                .all(|(start, end)| stretches.iter().any(|(seq, a, b, _)| *seq == item.seq && a <= start && b >= end)),
            Test::Not(test) => !self.item_matches(item, test)?,
            Test::Any(tests) => {
                for test in tests {
                    if self.item_matches(item, test)? {
                        return Ok(true);
                    }
                }
                false
            }
            Test::All(tests) => self.item_matches_all(item, tests)?,
        })
    }

    /// No coding sequence has a base of it, on its strand if it has one.
    fn is_unannotated(&self, item: &Item, length: Option<i64>) -> Outcome<bool> {
        self.check_time()?;
        let statement = self.prepared(
            "SELECT 1 FROM part_index r CROSS JOIN parts q ON q.id = r.id CROSS JOIN features c ON c.id = q.feature WHERE r.seq = ?1 AND \
             r.start <= ?3 AND r.\"end\" >= ?2 AND c.role = 'cds' AND (?4 = '.' OR q.strand = ?4) LIMIT 1",
        )?;
        for (start, end) in item.pieces(length) {
            if statement.borrow_mut().exists(params![item.seq, start, end, item.strand.to_string()])? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// A field of a row that is no feature.
    pub(super) fn item_field(&self, item: &Item, field: &Field) -> Outcome<Key> {
        let seq = self.seq(item.seq)?;
        let number = |n: i64| Key::Number(n as f64);
        let text = |text: &str| Key::Text(text.to_owned());
        Ok(match (field, &item.what) {
            (Field::Id, _) => Key::Text(self.item_id(item)?),
            (Field::Seqid, _) => text(&seq.name),
            (Field::Genome, _) => text(&seq.genome),
            (Field::Kind, what) => text(what.kind()),
            (Field::Start, _) => number(item.start),
            (Field::End, _) => number(item.end),
            (Field::Strand, _) => Key::Text(item.strand.to_string()),
            (Field::Length | Field::Bases, _) => number(item.length),
            (Field::Note | Field::Product | Field::AnyText, What::Sequence) => {
                seq.description.as_deref().map_or(Key::Nothing, text)
            }
            (Field::Gc, What::Sequence) => seq.gc.map_or(Key::Nothing, Key::Number),
            (Field::Gc, What::Window { gc }) => gc.map_or(Key::Nothing, Key::Number),
            (Field::Gc, _) => crate::index::gc_percent(self.counts_of(item)?).map_or(Key::Nothing, Key::Number),
            (Field::Aa, What::Orf { aa, .. }) => number(*aa),
            (Field::TranslTable, What::Orf { table, .. }) => number(i64::from(*table)),
            (Field::Pattern, What::Motif { pattern }) => text(pattern),
            (Field::Members, What::Cluster { count, .. }) => number(*count),
            (Field::Density, What::Cluster { count, genes, .. }) => {
                if *genes > 0 {
                    Key::Number(*count as f64 / *genes as f64)
                } else {
                    Key::Nothing
                }
            }
            (field, what) => {
                let found = format!("{field} of {}", what.kind());
                return Err(Error::Query { problem: "no such field", found }.into());
            }
        })
    }

    /// `kind:seqid:start-end`; a sequence has its name.
    pub(super) fn item_id(&self, item: &Item) -> Outcome<String> {
        let seq = self.seq(item.seq)?;
        Ok(match &item.what {
            What::Sequence => seq.name.clone(),
            what => format!("{}:{}:{}-{}", what.kind(), seq.name, item.start, item.end),
        })
    }
}

fn one(start: u64) -> i64 {
    whole(start).saturating_add(1)
}

fn whole(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
