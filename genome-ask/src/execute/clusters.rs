//! Runs of genes on one strand, and clusters of whatever lies close together.

use rusqlite::params;

use super::items::{Item, What, one_for_each_locus};
use super::{Outcome, Run};
use crate::query::{Filter, Select};

impl Run<'_> {
    /// Genes in the order of their start; the next one joins while it has the same strand and begins at most so far behind the
    /// end of the one before. Not over the origin. Runs of one gene are none.
    pub(super) fn runs(&mut self, max_gap_bp: u64, filters: &[Filter]) -> Outcome<Vec<Item>> {
        let max_gap = i64::try_from(max_gap_bp).unwrap_or(i64::MAX);
        let genes = self.features(&Select::Gene, filters, &[])?;
        let mut runs = Vec::new();
        let mut members: Vec<&Item> = Vec::new();
        for gene in &genes {
            let joins = members.last().is_some_and(|last| {
                last.seq == gene.seq && last.strand == gene.strand && gene.start - self.end_on_line(last) - 1 <= max_gap
            });
            if !joins {
                runs.extend(self.run_of("run", &members)?);
                members.clear();
            }
            members.push(gene);
        }
        runs.extend(self.run_of("run", &members)?);
        self.note_computed("runs: genes by start, joined while the strand is the same and the gap small enough");
        Ok(runs)
    }

    /// The last base, counted on behind the end of the sequence.
    fn end_on_line(&self, item: &Item) -> i64 {
        item.start + item.length - 1
    }

    fn run_of(&self, name: &'static str, members: &[&Item]) -> Outcome<Option<Item>> {
        let [first, .., _] = members else { return Ok(None) };
        let mut item = self.around(name, members)?;
        item.strand = first.strand;
        Ok(Some(item))
    }

    /// From the first base to the last one of members in order.
    fn around(&self, name: &'static str, members: &[&Item]) -> Outcome<Item> {
        let first = members[0];
        let last = members.iter().map(|m| self.end_on_line(m)).max().unwrap_or(first.end);
        let strand = if members.iter().all(|m| m.strand == first.strand) { first.strand } else { '.' };
        let seq = self.seq(first.seq)?;
        let beyond = seq.length.filter(|length| seq.circular && last > *length);
        let ids = members.iter().filter_map(|m| m.feature()).collect();
        let count = i64::try_from(members.len()).unwrap_or(i64::MAX);
        let mut item = Item {
            what: What::Cluster { name, members: ids, count, genes: 0 },
            seq: first.seq,
            start: first.start,
            end: beyond.map_or(last, |length| last - length),
            strand,
            length: last - first.start + 1,
            wraps: beyond.is_some(),
            keys: Vec::new(),
        };
        let within = self.genes_within(&item)?;
        if let What::Cluster { genes, .. } = &mut item.what {
            *genes = within;
        }
        Ok(item)
    }

    fn genes_within(&self, item: &Item) -> Outcome<i64> {
        let length = self.seq(item.seq)?.length;
        let statement = self.prepared(
            "SELECT count(*) FROM features WHERE seq = ?1 AND is_gene AND NOT wraps AND start BETWEEN ?2 AND ?3 AND \"end\" <= ?3",
        )?;
        let mut genes = 0;
        for (start, end) in item.pieces(length) {
            genes += statement.borrow_mut().query_row(params![item.seq, start, end], |row| row.get::<_, i64>(0))?;
        }
        Ok(genes)
    }

    /// Members in the order of their start, chained while the gap to all before is small enough; around the origin of a ring.
    pub(super) fn clusters(
        &mut self,
        of: &Select,
        max_gap_bp: u64,
        min_members: u64,
        filters: &[Filter],
    ) -> Outcome<Vec<Item>> {
        let max_gap = i64::try_from(max_gap_bp).unwrap_or(i64::MAX);
        let mut items = self.select(of, filters, &[])?.0;
        items.sort_by_key(|item| (item.seq, item.start, item.end));
        if *of == Select::Protein {
            one_for_each_locus(&mut items);
        }
        let mut chains: Vec<(i64, Vec<&Item>)> = Vec::new(); // with the last base so far
        for item in &items {
            let end = self.end_on_line(item);
            match chains.last_mut() {
                Some((last, members)) if members[0].seq == item.seq && item.start - *last - 1 <= max_gap => {
                    *last = (*last).max(end);
                    members.push(item);
                }
                _ => chains.push((end, vec![item])),
            }
        }
        // The last chain of a ring may go on in the first one.
        let mut at = 0;
        while at < chains.len() {
            let seq = chains[at].1[0].seq;
            let end = at + chains[at..].iter().take_while(|(_, members)| members[0].seq == seq).count();
            let info = self.seq(seq)?;
            if let Some(length) = info.length.filter(|_| info.circular && end - at > 1) {
                let gap = chains[at].1[0].start + length - chains[end - 1].0 - 1;
                if gap <= max_gap {
                    let (_, first) = chains.remove(at);
                    let last = &mut chains[end - 2];
                    last.1.extend(first);
                    at = end - 1;
                    continue;
                }
            }
            at = end;
        }
        let mut out = Vec::new();
        for (_, members) in &chains {
            if (members.len() as u64) < min_members.max(1) {
                continue;
            }
            out.push(self.cluster(members)?);
        }
        self.note_computed("clusters: chained while the gap is small enough");
        Ok(out)
    }

    /// As [`Run::around`], with members behind the origin counted on.
    fn cluster(&self, members: &[&Item]) -> Outcome<Item> {
        let info = self.seq(members[0].seq)?;
        let Some(length) = info.length.filter(|_| info.circular) else { return self.around("cluster", members) };
        let first = members[0].start;
        let behind: Vec<Item> = members
            .iter()
            .map(|m| Item { start: if m.start < first { m.start + length } else { m.start }, ..(*m).clone() })
            .collect();
        self.around("cluster", &behind.iter().collect::<Vec<_>>())
    }
}
