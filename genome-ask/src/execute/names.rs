//! Names and places: which sequence, which gene, which stretch.

use rusqlite::{OptionalExtension, params};

use super::items::Item;
use super::{Halt, Outcome, Run};
use crate::answer::{Empty, Status};
use crate::error::Error;
use crate::query::{Place, Region, Select, Side};

/// A sequence.
#[derive(Debug, Clone)]
pub(super) struct SeqInfo {
    pub(super) id: i64,
    pub(super) genome: String,
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) length: Option<i64>,
    pub(super) circular: bool,
    pub(super) has_residues: bool,
    /// A, C, G and T.
    pub(super) counts: [i64; 4],
    pub(super) gc: Option<f64>,
    pub(super) file: String,
    pub(super) line: Option<u64>,
}

/// A place on a sequence: from the first to the last base, over the origin where `end < start`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) seq: i64,
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) strand: char,
    pub(super) wraps: bool,
    pub(super) locus: Option<i64>,
    pub(super) feature: Option<i64>,
}

/// A stretch that does not go over the origin, with the locus it belongs to.
pub(super) type Stretch = (i64, i64, i64, Option<i64>);

impl From<&Item> for Spot {
    fn from(item: &Item) -> Self {
        let (feature, locus) = match item.what {
            super::items::What::Feature { id, locus } => (Some(id), locus),
            _ => (None, None),
        };
        let Item { seq, start, end, strand, wraps, .. } = *item;
        Self { seq, start, end, strand, wraps, locus, feature }
    }
}

impl Run<'_> {
    pub(super) fn choose_genome(&mut self) -> Outcome<()> {
        let genomes = self.index.genomes()?;
        if let Some(name) = &self.query.genome {
            self.genome = Some(self.genome_by_name(name)?);
        }
        for (id, genome) in (1i64..).zip(&genomes) {
            if self.genome.is_none_or(|chosen| chosen == id) {
                for (file, hash) in genome.files.iter().zip(&genome.sha256) {
                    self.answer.sources.push((file.to_string_lossy().into_owned(), hash.clone()));
                }
            }
        }
        Ok(())
    }

    pub(super) fn genome_by_name(&self, name: &str) -> Outcome<i64> {
        let sql = "SELECT id FROM genomes WHERE name = ?1 COLLATE NOCASE";
        let found = self.index.db.query_row(sql, [name], |row| row.get(0)).optional()?;
        found.ok_or_else(|| {
            Error::Query { problem: "no genome of the index has this name", found: name.to_owned() }.into()
        })
    }

    pub(super) fn read_seqs(&self) -> Outcome<Vec<SeqInfo>> {
        let mut statement = self.index.db.prepare(
            "SELECT s.id, g.name, s.name, s.description, s.length, s.circular, s.has_residues, s.a, s.c, s.g, s.t, s.gc, \
             s.file, s.line FROM sequences s JOIN genomes g ON g.id = s.genome WHERE ?1 IS NULL OR s.genome = ?1 ORDER BY s.id",
        )?;
        let rows = statement.query_map([self.genome], |row| {
            Ok(SeqInfo {
                id: row.get(0)?,
                genome: row.get(1)?,
                name: row.get(2)?,
                description: row.get(3)?,
                length: row.get(4)?,
                circular: row.get(5)?,
                has_residues: row.get(6)?,
                counts: [row.get(7)?, row.get(8)?, row.get(9)?, row.get(10)?],
                gc: row.get(11)?,
                file: row.get(12)?,
                line: row.get::<_, Option<i64>>(13)?.and_then(|n| u64::try_from(n).ok()),
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Sequences have rising numbers.
    pub(super) fn seq(&self, id: i64) -> Outcome<&SeqInfo> {
        let at = self.seqs.binary_search_by_key(&id, |s| s.id);
        at.map(|at| &self.seqs[at])
            .map_err(|_| Error::Query { problem: "the index is damaged", found: format!("sequence {id}") }.into())
    }

    /// The sequences of a name: of its best rank, without `chromosome` or `contig` in front if there is none with it.
    pub(super) fn seqs_named(&self, name: &str) -> Outcome<Vec<i64>> {
        let fold = name.trim().to_lowercase();
        let mut tries = vec![fold.clone()];
        for prefix in ["chromosome ", "contig ", "plasmid ", "sequence ", "scaffold ", "chr"] {
            tries.extend(fold.strip_prefix(prefix).map(|bare| bare.trim().to_owned()));
        }
        let mut statement = self.index.db.prepare(
            "SELECT DISTINCT n.seq FROM sequence_names n JOIN sequences s ON s.id = n.seq WHERE n.fold = ?1 \
             AND (?2 IS NULL OR s.genome = ?2) AND n.rank = (SELECT min(m.rank) FROM sequence_names m \
             JOIN sequences t ON t.id = m.seq WHERE m.fold = ?1 AND (?2 IS NULL OR t.genome = ?2)) ORDER BY n.seq",
        )?;
        for name in tries {
            let found = statement.query_map(params![name, self.genome], |row| row.get(0))?;
            let found = found.collect::<rusqlite::Result<Vec<i64>>>()?;
            if !found.is_empty() {
                return Ok(found);
            }
        }
        Err(Halt::Status(Status::Empty {
            reason: Empty::UnknownSequence,
            text: format!("no sequence of the file is called {name:?}"),
        }))
    }

    /// The loci of these names: see [`crate::query::Filter::Named`].
    pub(super) fn loci_named(&mut self, names: &[String]) -> Outcome<Vec<i64>> {
        let mut loci = Vec::new();
        let mut missing = Vec::new();
        for name in names {
            match self.loci_of_name(name)? {
                found if found.is_empty() => missing.push(format!("{name:?}")),
                found => loci.extend(found),
            }
        }
        if !missing.is_empty() {
            let text = format!("not annotated: no feature is called {}", missing.join(" or "));
            if loci.is_empty() || self.query.tell == crate::query::Tell::Adjacent {
                return Err(Halt::Status(Status::Empty { reason: Empty::NotAnnotated, text }));
            }
            self.caveat(text);
        }
        loci.dedup();
        Ok(loci)
    }

    fn loci_of_name(&mut self, name: &str) -> Outcome<Vec<i64>> {
        let fold = name.trim().to_lowercase();
        let mut statement = self.index.db.prepare(
            "SELECT rank, locus, min(feature) FROM names WHERE fold = ?1 AND (?2 IS NULL OR genome = ?2) \
             GROUP BY rank, locus ORDER BY rank, 3",
        )?;
        let found = statement.query_map(params![fold, self.genome], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let found = found.collect::<rusqlite::Result<Vec<(i64, i64)>>>()?;
        let Some((best, _)) = found.first().copied() else { return self.loci_of_product_word(&fold) };
        let loci: Vec<i64> = found.iter().filter(|(rank, _)| *rank == best).map(|(_, locus)| *locus).collect();
        if best == 2 && loci.len() > 1 {
            let candidates = self.rows_of_loci(&loci)?;
            return Err(Halt::Status(Status::Ambiguous { name: name.to_owned(), candidates }));
        }
        if best == 2 {
            self.caveat(format!("{name} is another or an older name of this gene"));
        } else if best == 3 {
            self.caveat(format!("{name} was found as a protein or cross reference"));
        }
        Ok(loci)
    }

    /// A name that no feature has may stand in a product: `Protein LacZ`.
    fn loci_of_product_word(&mut self, fold: &str) -> Outcome<Vec<i64>> {
        let words = crate::index::facts::words(fold);
        if words.trim().len() < 3 {
            return Ok(Vec::new());
        }
        let mut statement = self.index.db.prepare(
            "SELECT DISTINCT locus FROM features WHERE product IS NOT NULL AND locus IS NOT NULL \
             AND (?2 IS NULL OR genome = ?2) AND instr(words(product), ?1) ORDER BY id LIMIT 100",
        )?;
        let found = statement.query_map(params![words, self.genome], |row| row.get(0))?;
        let found = found.collect::<rusqlite::Result<Vec<i64>>>()?;
        if !found.is_empty() {
            self.caveat(format!("no gene is called {fold:?}; the word stands in the product"));
        }
        Ok(found)
    }

    /// The spots of a place.
    pub(super) fn spots(&mut self, place: &Place) -> Outcome<Vec<Spot>> {
        match place {
            Place::Named(name) => {
                let loci = self.loci_named(std::slice::from_ref(name))?;
                self.spots_of_loci(&loci)
            }
            Place::Region(region) => Ok(vec![self.spot_of_region(region)?]),
            Place::Each(select, filters) => {
                let items = self.select(select, filters, &[])?;
                Ok(items.0.iter().map(Spot::from).collect())
            }
        }
    }

    /// The genes of the loci; their first features where there are no genes.
    fn spots_of_loci(&self, loci: &[i64]) -> Outcome<Vec<Spot>> {
        let mut statement = self.index.db.prepare(
            "SELECT seq, start, \"end\", strand, wraps, locus, id FROM features f WHERE locus = ?1 AND (is_gene OR (id = \
             (SELECT min(id) FROM features WHERE locus = ?1) AND NOT EXISTS \
             (SELECT 1 FROM features WHERE locus = ?1 AND is_gene))) ORDER BY id",
        )?;
        let mut spots = Vec::new();
        for locus in loci {
            let found = statement.query_map([locus], |row| {
                Ok(Spot {
                    seq: row.get(0)?,
                    start: row.get(1)?,
                    end: row.get(2)?,
                    strand: row.get::<_, String>(3)?.chars().next().unwrap_or('.'),
                    wraps: row.get(4)?,
                    locus: row.get(5)?,
                    feature: row.get(6)?,
                })
            })?;
            for spot in found {
                spots.push(spot?);
            }
        }
        Ok(spots)
    }

    pub(super) fn spot_of_region(&self, region: &Region) -> Outcome<Spot> {
        let seq = match &region.seqid {
            Some(name) => match self.seqs_named(name)?[..] {
                [seq] => seq,
                _ => {
                    return Err(
                        Error::Query { problem: "several sequences have this name", found: name.clone() }.into()
                    );
                }
            },
            None => match &self.seqs[..] {
                [seq] => seq.id,
                seqs => {
                    let names: Vec<&str> = seqs.iter().take(20).map(|s| &*s.name).collect();
                    let problem = "a position needs the name of its sequence, because there are several";
                    return Err(Error::Query { problem, found: names.join(", ") }.into());
                }
            },
        };
        let info = self.seq(seq)?;
        let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let (start, end) = (number(region.start), number(region.end));
        let outside = |what: String| Error::Query { problem: "a position outside of its sequence", found: what };
        let wraps = end < start;
        let longest = start.max(end);
        if start < 1 || end < 1 || (wraps && !info.circular) || info.length.is_some_and(|length| longest > length) {
            let length = info.length.map_or("of unknown length".to_owned(), |n| format!("1-{n}"));
            return Err(outside(format!("{region} in {} ({length})", info.name)).into());
        }
        Ok(Spot { seq, start, end, strand: '+', wraps, locus: None, feature: None })
    }

    /// The spot as stretches.
    pub(super) fn stretches_of(&self, spot: &Spot) -> Outcome<Vec<Stretch>> {
        self.stretches_around(spot, 0, Side::Both)
    }

    /// The spot and what is at most so far from it on the side; without the spot itself for one side.
    pub(super) fn stretches_around(&self, spot: &Spot, distance: i64, side: Side) -> Outcome<Vec<Stretch>> {
        let info = self.seq(spot.seq)?;
        let length = info.length.unwrap_or(i64::MAX);
        let end = if spot.wraps { spot.end.saturating_add(length) } else { spot.end };
        let left = match (side, spot.strand) {
            (Side::Both, _) => None,
            (Side::Left, _) | (Side::Upstream, '+' | '.') | (Side::Downstream, '-') => Some(true),
            _ => Some(false),
        };
        let (first, last) = match left {
            None => (spot.start.saturating_sub(distance), end.saturating_add(distance)),
            Some(true) => (spot.start.saturating_sub(distance), spot.start - 1),
            Some(false) => (end.saturating_add(1), end.saturating_add(distance)),
        };
        Ok(on_sequence(first, last, length, info.circular)
            .into_iter()
            .map(|(a, b)| (spot.seq, a, b, spot.locus))
            .collect())
    }

    /// What lies between two spots of one sequence.
    pub(super) fn stretches_between(&self, a: &[Spot], b: &[Spot]) -> Outcome<Vec<Stretch>> {
        let mut best: Option<(i64, Vec<Stretch>)> = None;
        for a in a {
            for b in b.iter().filter(|b| b.seq == a.seq) {
                let info = self.seq(a.seq)?;
                let length = info.length.unwrap_or(i64::MAX);
                let end = |spot: &Spot| if spot.wraps { spot.end.saturating_add(length) } else { spot.end };
                let (left, right) = if a.start <= b.start { (a, b) } else { (b, a) };
                let mut ways = vec![(end(left) + 1, right.start - 1)];
                if info.circular && info.length.is_some() {
                    ways.push((end(right) + 1, left.start.saturating_add(length) - 1));
                }
                for (first, last) in ways {
                    let bases = (last - first + 1).max(0);
                    if best.as_ref().is_none_or(|(least, _)| bases < *least) {
                        let pieces =
                            if bases == 0 { Vec::new() } else { on_sequence(first, last, length, info.circular) };
                        best = Some((bases, pieces.into_iter().map(|(x, y)| (a.seq, x, y, None)).collect()));
                    }
                }
            }
        }
        best.map(|(_, stretches)| stretches).ok_or_else(|| {
            Error::Query {
                problem: "two places on different sequences have nothing between them",
                found: String::new(),
            }
            .into()
        })
    }

    /// The names of selections that need letters.
    pub(super) fn need_letters(&self, select: &Select) -> Outcome<()> {
        if self.seqs.iter().any(|s| s.has_residues) {
            return Ok(());
        }
        let text = format!("the file has no sequence, only annotation: {select} cannot be computed from it");
        Err(Halt::Status(Status::Refused { text }))
    }
}

/// `first..=last`, which may lie outside, as stretches of a sequence: cut at the ends of a line, around on a ring.
pub(super) fn on_sequence(first: i64, last: i64, length: i64, circular: bool) -> Vec<(i64, i64)> {
    if last < first || length < 1 {
        return Vec::new();
    }
    if !circular || length == i64::MAX {
        let (first, last) = (first.max(1), last.min(length));
        return if first <= last { vec![(first, last)] } else { Vec::new() };
    }
    if last.saturating_sub(first) >= length - 1 {
        return vec![(1, length)];
    }
    let turn = |position: i64| (position - 1).rem_euclid(length) + 1;
    let (first, last) = (turn(first), turn(last));
    if first <= last { vec![(first, last)] } else { vec![(first, length), (1, last)] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_stay_on_the_sequence() {
        let check = |first, last, circular, expected: &[(i64, i64)]| {
            assert_eq!(on_sequence(first, last, 100, circular), expected, "{first}..{last}");
        };
        check(-9, 20, false, &[(1, 20)]);
        check(-9, 20, true, &[(91, 100), (1, 20)]);
        check(90, 110, true, &[(90, 100), (1, 10)]);
        check(90, 110, false, &[(90, 100)]);
        check(101, 110, true, &[(1, 10)]);
        check(101, 110, false, &[]);
        check(-50, 200, true, &[(1, 100)]);
        check(5, 4, true, &[]);
        check(-i64::MAX, i64::MAX, true, &[(1, 100)]);
        check(-i64::MAX, i64::MAX, false, &[(1, 100)]);
    }
}
