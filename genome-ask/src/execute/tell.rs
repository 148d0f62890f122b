//! What is told about the rows of a query.

use std::collections::{BTreeMap, HashSet};

use genome_formats::GeneticCode;

use super::items::{Item, Key, What, one_for_each_locus};
use super::{Halt, Outcome, Run};
use crate::answer::{Empty, Group, Interval, Status, Value};
use crate::error::Error;
use crate::query::{Aggregate, Compare, Field, Filter, Select, Tell};

/// The unit of a field.
fn unit(field: &Field) -> &'static str {
    match field {
        Field::Length | Field::Bases | Field::Start | Field::End => "bp",
        Field::Aa => "aa",
        Field::Gc => "%",
        Field::MolecularWeight => "Da",
        _ => "",
    }
}

fn value(name: impl Into<String>, value: f64, unit: &str) -> Value {
    Value { name: name.into(), value, unit: unit.to_owned() }
}

impl Run<'_> {
    pub(super) fn tell(&mut self, items: &[Item]) -> Outcome<()> {
        let query = self.query;
        self.answer.count = items.len() as u64;
        self.general_caveats();
        if let Some(field) = &query.group {
            return self.tell_groups(items, field);
        }
        match &query.tell {
            Tell::Rows => {
                self.tell_rows(items)?;
                self.tell_extreme(items);
                self.tell_interval(items)
            }
            Tell::Count => self.tell_rows(items),
            Tell::Exists => {
                self.answer.verdict = Some(true);
                self.tell_rows(items)
            }
            Tell::Aggregate(how, field) => self.tell_aggregate(items, *how, field),
            Tell::Distinct(field) => self.tell_distinct(items, field),
            Tell::Share(filters) => self.tell_share(items, filters),
            Tell::Gc => self.tell_gc(items),
            Tell::N50 => self.tell_n50(items),
            Tell::Coverage => self.tell_coverage(items),
            Tell::Adjacent => self.tell_adjacent(items),
            Tell::CodonUsage => self.tell_codons(items),
        }
    }

    fn general_caveats(&mut self) {
        let genomes = self.index.genomes().unwrap_or_default();
        for genome in &genomes {
            if let Some(forgiven) = &genome.forgiven {
                self.caveat(format!(
                    "{} breaks rules of its format and was read all the same: {forgiven}",
                    genome.name
                ));
            }
        }
        let uses_genes = matches!(self.query.select, Select::Gene | Select::Run { .. } | Select::Intergenic);
        if uses_genes && genomes.iter().any(|g| g.genes_implied) {
            self.caveat("the file has no gene features; coding sequences and RNAs stand in, one for each locus");
        }
    }

    /// The value by which the rows are first or last, where one place was asked for.
    fn tell_extreme(&mut self, items: &[Item]) {
        let Some(order) = self.query.order.first() else { return };
        if self.query.limit.is_some_and(|limit| limit.rows == 1)
            && let Some(number) = items.first().and_then(|item| item.keys.first()).and_then(Key::number)
        {
            self.answer.values.push(value(order.by.to_string(), number, unit(&order.by)));
        }
    }

    fn tell_interval(&mut self, items: &[Item]) -> Outcome<()> {
        if let [item] = items {
            self.answer.interval = Some(Interval {
                seqid: self.seq(item.seq)?.name.clone(),
                start: u64::try_from(item.start).unwrap_or(0),
                end: u64::try_from(item.end).unwrap_or(0),
                strand: item.strand.to_string(),
            });
        }
        Ok(())
    }

    fn last_keys<'i>(&self, items: &'i [Item]) -> impl Iterator<Item = &'i Key> {
        items.iter().filter_map(|item| item.keys.last())
    }

    fn tell_groups(&mut self, items: &[Item], field: &Field) -> Outcome<()> {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for key in self.last_keys(items) {
            *counts.entry(key.text().unwrap_or_else(|| "(none)".to_owned())).or_default() += 1;
        }
        let mut groups: Vec<Group> = counts
            .into_iter()
            .map(|(key, count)| Group { key, label: None, count, per_thousand: None, share: None })
            .collect();
        for filter in &self.query.having {
            let Filter::Number(Field::Members, compare) = filter else {
                return Err(Error::Query { problem: "a group has members alone", found: filter.to_string() }.into());
            };
            groups.retain(|group| {
                let n = group.count as f64;
                match *compare {
                    Compare::Lt(x) => n < x,
                    Compare::Le(x) => n <= x,
                    Compare::Eq(x) => n == x,
                    Compare::Ge(x) => n >= x,
                    Compare::Gt(x) => n > x,
                    Compare::Between(a, b) => (a..=b).contains(&n),
                }
            });
        }
        groups.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.key.cmp(&b.key)));
        self.note_computed(&format!("groups by {field}"));
        self.answer.groups = groups;
        Ok(())
    }

    fn tell_aggregate(&mut self, items: &[Item], how: Aggregate, field: &Field) -> Outcome<()> {
        let mut numbers: Vec<f64> = self.last_keys(items).filter_map(Key::number).collect();
        let missing = items.len() - numbers.len();
        if numbers.is_empty() {
            let text = format!("not annotated: none of {} rows has a number for {field}", items.len());
            return Err(Halt::Status(Status::Empty { reason: Empty::NotAnnotated, text }));
        }
        if missing > 0 {
            self.caveat(format!("{missing} of {} rows have no {field} and were left out", items.len()));
        }
        numbers.sort_by(f64::total_cmp);
        let n = numbers.len();
        let sum: f64 = numbers.iter().sum();
        let result = match how {
            Aggregate::Median => (numbers[(n - 1) / 2] + numbers[n / 2]) / 2.0,
            Aggregate::Mean => sum / n as f64,
            Aggregate::Min => numbers[0],
            Aggregate::Max => numbers[n - 1],
            Aggregate::Sum => sum,
        };
        self.answer.values.push(value(format!("{how} {field}"), result, unit(field)));
        if items.len() == 1 {
            self.tell_rows(items)?;
        }
        self.note_computed(&format!("{how} of {n} numbers"));
        Ok(())
    }

    fn tell_distinct(&mut self, items: &[Item], field: &Field) -> Outcome<()> {
        self.tell_groups(items, field)?;
        self.answer.groups.retain(|group| group.key != "(none)");
        if let [group] = &self.answer.groups[..]
            && let Ok(number) = group.key.parse()
        {
            self.answer.values.push(value(field.to_string(), number, unit(field)));
        }
        if self.answer.groups.is_empty() {
            let text = format!("not annotated: no row has {field}");
            return Err(Halt::Status(Status::Empty { reason: Empty::NotAnnotated, text }));
        }
        Ok(())
    }

    fn tell_share(&mut self, items: &[Item], filters: &[Filter]) -> Outcome<()> {
        if items.is_empty() {
            return Err(Halt::Status(self.why_empty(&self.query.select, &self.query.filters)?));
        }
        let query = self.query;
        let all: Vec<Filter> = query.filters.iter().chain(filters).cloned().collect();
        let mut part = self.select(&query.select, &all, &[])?.0;
        if query.select == Select::Protein {
            one_for_each_locus(&mut part);
        }
        // Of the rows that the order and limit left.
        let key = |item: &Item| match item.what {
            What::Feature { id, locus } if query.select == Select::Protein => (locus.unwrap_or(-id), 0, 0),
            What::Feature { id, .. } => (id, 0, 0),
            _ => (item.seq, item.start, item.end),
        };
        let rows: HashSet<(i64, i64, i64)> = items.iter().map(key).collect();
        let hits = part.iter().filter(|item| rows.contains(&key(item))).count();
        self.answer.values.push(value("share", 100.0 * hits as f64 / items.len() as f64, "%"));
        self.answer.values.push(value("rows that fulfil it", hits as f64, ""));
        self.answer.values.push(value("rows", items.len() as f64, ""));
        Ok(())
    }

    fn need_letters_of(&self, items: &[Item]) -> Outcome<()> {
        for item in items {
            let seq = self.seq(item.seq)?;
            if !seq.has_residues {
                let text =
                    format!("the file has no sequence of {}, only annotation: this cannot be computed", seq.name);
                return Err(Halt::Status(Status::Refused { text }));
            }
        }
        Ok(())
    }

    fn tell_gc(&mut self, items: &[Item]) -> Outcome<()> {
        self.need_letters_of(items)?;
        let mut sum = [0i64; 4];
        for item in items {
            self.check_time()?;
            for (sum, count) in sum.iter_mut().zip(self.counts_of(item)?) {
                *sum += count;
            }
        }
        let Some(gc) = crate::index::gc_percent(sum) else {
            return Err(Halt::Status(Status::Refused { text: "there are no bases A, C, G or T".to_owned() }));
        };
        self.answer.values.push(value("GC content", gc, "%"));
        self.answer.values.push(value("bases counted", sum.iter().sum::<i64>() as f64, "bp"));
        self.note_computed("GC content: 100 (G+C)/(A+C+G+T)");
        if items.len() == 1 {
            self.tell_rows(items)?;
        }
        Ok(())
    }

    fn tell_n50(&mut self, items: &[Item]) -> Outcome<()> {
        let mut lengths: Vec<i64> = items.iter().map(|item| item.length).collect();
        lengths.sort_unstable_by(|a, b| b.cmp(a));
        let total: i64 = lengths.iter().sum();
        let mut so_far = 0;
        let n50 = lengths.iter().find(|length| {
            so_far += **length;
            so_far * 2 >= total
        });
        self.answer.values.push(value("N50", n50.copied().unwrap_or(0) as f64, "bp"));
        self.answer.values.push(value("total length", total as f64, "bp"));
        self.answer.values.push(value("rows", lengths.len() as f64, ""));
        self.note_computed("N50: the length of the shortest of the longest rows that have half of all bases together");
        self.tell_rows(items)
    }

    /// Bases that at least one part of a row covers, of all bases of the sequences.
    fn tell_coverage(&mut self, items: &[Item]) -> Outcome<()> {
        let mut stretches: Vec<(i64, i64, i64)> = Vec::new();
        for item in items {
            self.check_time()?;
            stretches.extend(self.item_parts(item)?.into_iter().map(|(start, end, _)| (item.seq, start, end)));
        }
        stretches.sort_unstable();
        let (mut covered, mut last) = (0i64, (0i64, 0i64));
        for (seq, start, end) in stretches {
            let from = if seq == last.0 { start.max(last.1 + 1) } else { start };
            covered += (end - from + 1).max(0);
            last = if seq == last.0 { (seq, last.1.max(end)) } else { (seq, end) };
        }
        let mut chosen: Option<Vec<i64>> = None;
        for filter in &self.query.filters {
            if let Filter::On(name) = filter {
                chosen = Some(self.seqs_named(name)?);
            }
        }
        let seqs = self.seqs.iter().filter(|s| chosen.as_ref().is_none_or(|c| c.contains(&s.id)));
        let Some(total) = seqs.map(|s| s.length).sum::<Option<i64>>().filter(|n| *n > 0) else {
            let text = "the length of a sequence is not told in the file: a share cannot be computed".to_owned();
            return Err(Halt::Status(Status::Refused { text }));
        };
        self.answer.values.push(value("covered", 100.0 * covered as f64 / total as f64, "%"));
        self.answer.values.push(value("bases covered", covered as f64, "bp"));
        self.answer.values.push(value("bases", total as f64, "bp"));
        self.note_computed("coverage: the union of all parts, introns left out");
        Ok(())
    }

    /// Whether no other gene begins between the first and the last row, and all are on one strand.
    fn tell_adjacent(&mut self, items: &[Item]) -> Outcome<()> {
        let first = &items[0];
        let last = &items[items.len() - 1];
        let wanted =
            match self.query.filters.iter().find_map(|f| if let Filter::Named(n) = f { Some(n.len()) } else { None }) {
                Some(names) => names,
                None => items.len(),
            };
        let same_seq = items.iter().all(|item| item.seq == first.seq);
        let same_strand = items.iter().all(|item| item.strand == first.strand);
        let mut alone = false;
        if same_seq {
            let sql = "SELECT id, locus FROM features WHERE seq = ?1 AND is_gene ORDER BY start, id";
            self.note_sql(sql, &[rusqlite::types::Value::Integer(first.seq)]);
            let mut statement = self.index.db.prepare(sql)?;
            let genes = statement.query_map([first.seq], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let genes = genes.collect::<rusqlite::Result<Vec<(i64, Option<i64>)>>>()?;
            let is_row = |gene: &(i64, Option<i64>)| {
                items.iter().any(|item| match item.what {
                    What::Feature { id, locus } => id == gene.0 || (locus.is_some() && locus == gene.1),
                    _ => false,
                })
            };
            let marks: Vec<bool> = genes.iter().map(is_row).collect();
            let changes = marks.windows(2).filter(|pair| pair[0] != pair[1]).count();
            let ring = self.seq(first.seq)?.circular;
            let ends = usize::from(marks.first() == Some(&true)) + usize::from(marks.last() == Some(&true));
            // One stretch of rows: on a ring it may lie around the origin.
            alone = changes + ends <= 2 || (ring && changes <= 2);
        }
        let verdict = items.len() >= wanted && items.len() > 1 && same_seq && same_strand && alone;
        self.answer.verdict = Some(verdict);
        if same_seq {
            let end = items.iter().map(|item| item.end).max().unwrap_or(last.end);
            self.answer.interval = Some(Interval {
                seqid: self.seq(first.seq)?.name.clone(),
                start: u64::try_from(first.start).unwrap_or(0),
                end: u64::try_from(end).unwrap_or(0),
                strand: if same_strand { first.strand.to_string() } else { ".".to_owned() },
            });
        }
        self.tell_rows(items)
    }

    fn tell_codons(&mut self, items: &[Item]) -> Outcome<()> {
        self.need_letters_of(items)?;
        let mut counts: BTreeMap<[u8; 3], u64> = BTreeMap::new();
        let mut code = None;
        let mut left_out = 0;
        for item in items {
            self.check_time()?;
            let Some((bases, table)) = self.codons(item)? else {
                left_out += 1;
                continue;
            };
            if *code.get_or_insert(table) != table {
                self.caveat("the rows have several genetic codes; amino acids are those of the first");
            }
            for codon in bases.as_chunks::<3>().0 {
                if codon.iter().all(|b| b"ACGT".contains(b)) {
                    *counts.entry(*codon).or_default() += 1;
                }
            }
        }
        if left_out > 0 {
            self.caveat(format!("{left_out} of {} rows have no coding sequence and were left out", items.len()));
        }
        let code = code.and_then(GeneticCode::from_id).unwrap_or(GeneticCode::STANDARD);
        let total: u64 = counts.values().sum();
        let mut of_letter: BTreeMap<u8, u64> = BTreeMap::new();
        for (codon, count) in &counts {
            *of_letter.entry(code.translate_codon(*codon)).or_default() += count;
        }
        self.answer.groups = counts
            .into_iter()
            .map(|(codon, count)| {
                let letter = code.translate_codon(codon);
                Group {
                    key: String::from_utf8_lossy(&codon).into_owned(),
                    label: Some(char::from(letter).to_string()),
                    count,
                    per_thousand: Some(1000.0 * count as f64 / total as f64),
                    share: Some(count as f64 / of_letter[&letter] as f64),
                }
            })
            .collect();
        self.answer.values.push(value("codons", total as f64, ""));
        self.note_computed(&format!(
            "codons of {} coding sequences, genetic code {}",
            items.len() - left_out,
            code.id()
        ));
        Ok(())
    }
}
