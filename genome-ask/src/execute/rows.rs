//! Rows as they are shown.

use rusqlite::{OptionalExtension, params};

use super::items::{Item, What};
use super::{Outcome, Run};
use crate::answer::{Empty, Row, Status};
use crate::error::Error;
use crate::query::{Extract, Field, Filter, Output, Select, Tell};

fn count(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

const FEATURE: &str = "SELECT coalesce(l.name, f.kind || ':' || s.name || ':' || f.start || '-' || f.\"end\"), f.kind, f.locus_tag, \
     f.gene, f.product, f.protein_id, g.name, s.name, f.start, f.\"end\", f.strand, f.length, f.wraps, f.aa, f.gc, f.file, f.line, \
     f.parts FROM features f JOIN sequences s ON s.id = f.seq JOIN genomes g ON g.id = f.genome LEFT JOIN loci l ON l.id = f.locus \
     WHERE f.id = ?1";

impl Run<'_> {
    pub(super) fn row_of_feature(&self, id: i64) -> Outcome<Row> {
        let statement = self.prepared(FEATURE)?;
        let (mut row, parts) = statement.borrow_mut().query_row([id], |row| {
            Ok((
                Row {
                    id: row.get(0)?,
                    kind: row.get(1)?,
                    locus_tag: row.get(2)?,
                    gene: row.get(3)?,
                    product: row.get(4)?,
                    protein_id: row.get(5)?,
                    genome: row.get(6)?,
                    seqid: row.get(7)?,
                    start: count(row.get(8)?),
                    end: count(row.get(9)?),
                    strand: row.get(10)?,
                    length: count(row.get(11)?),
                    wraps: row.get(12)?,
                    aa: row.get::<_, Option<i64>>(13)?.map(count),
                    gc: row.get(14)?,
                    source_file: row.get(15)?,
                    line: row.get::<_, Option<i64>>(16)?.map(count),
                    ..Row::default()
                },
                row.get::<_, i64>(17)?,
            ))
        })?;
        if parts > 1 {
            row.parts = self.parts_of(id)?.into_iter().map(|(start, end, _)| (count(start), count(end))).collect();
        }
        Ok(row)
    }

    /// A gene of each locus, else its first feature.
    pub(super) fn rows_of_loci(&self, loci: &[i64]) -> Outcome<Vec<Row>> {
        let mut rows = Vec::new();
        for locus in loci.iter().take(100) {
            let sql = "SELECT id FROM features WHERE locus = ?1 ORDER BY is_gene DESC, id LIMIT 1";
            let id: Option<i64> = self.index.db.query_row(sql, [locus], |row| row.get(0)).optional()?;
            if let Some(id) = id {
                rows.push(self.row_of_feature(id)?);
            }
        }
        Ok(rows)
    }

    /// The row with what the query shows of it.
    pub(super) fn row(&mut self, item: &Item, extract: Option<Extract>) -> Outcome<Row> {
        let mut row = match &item.what {
            What::Feature { id, .. } => self.row_of_feature(*id)?,
            what => {
                let seq = self.seq(item.seq)?;
                let mut row = Row {
                    id: self.item_id(item)?,
                    kind: what.kind().to_owned(),
                    genome: seq.genome.clone(),
                    seqid: seq.name.clone(),
                    start: count(item.start),
                    end: count(item.end),
                    strand: item.strand.to_string(),
                    length: count(item.length),
                    wraps: item.wraps,
                    source_file: seq.file.clone(),
                    ..Row::default()
                };
                match what {
                    What::Sequence => {
                        row.product = seq.description.clone();
                        row.gc = seq.gc;
                        row.line = seq.line;
                    }
                    What::Window { gc } => row.gc = *gc,
                    What::Orf { aa, .. } => row.aa = Some(count(*aa)),
                    What::Motif { pattern } => row.pattern = Some(pattern.clone()),
                    What::Cluster { members, count: n, genes, .. } => {
                        row.density = (*genes > 0).then(|| *n as f64 / *genes as f64);
                        for member in members {
                            row.members.push(self.row_of_feature(*member)?.id);
                        }
                    }
                    _ => {}
                }
                row
            }
        };
        for field in &self.query.show {
            let values = self.values(item, field)?;
            row.fields.insert(field.to_string(), values);
        }
        if let Some(extract) = extract {
            let (letters, what) = self.extract(item, extract)?;
            row.sequence = Some(letters);
            row.sequence_is = Some(what);
        }
        Ok(row)
    }

    /// What a query with FASTA output and nothing else said extracts.
    pub(super) fn chosen_extract(&self) -> Option<Extract> {
        self.query.extract.or(match (self.query.output, &self.query.select) {
            (Output::Fasta, Select::Protein) => Some(Extract::Protein),
            (Output::Fasta, Select::Cds) => Some(Extract::Spliced),
            (Output::Fasta, _) => Some(Extract::Dna),
            _ => None,
        })
    }

    /// The values of a field; of a gene or protein those of its whole locus.
    pub(super) fn values(&self, item: &Item, field: &Field) -> Outcome<Vec<String>> {
        let What::Feature { id, locus } = item.what else {
            if *field == Field::Location {
                return Ok(vec![format!("{}:{}-{}({})", self.seq(item.seq)?.name, item.start, item.end, item.strand)]);
            }
            return Ok(self.item_field(item, field)?.text().into_iter().collect());
        };
        let column = |name: &str| -> Outcome<Vec<String>> {
            let sql = format!(
                "SELECT DISTINCT CAST({name} AS TEXT) FROM features WHERE (id = ?1 OR locus = ?2) AND {name} IS NOT NULL \
                 AND (id = ?1 OR role IN ('cds', 'rna', 'gene')) ORDER BY id = ?1 DESC, id"
            );
            let mut statement = self.index.db.prepare(&sql)?;
            let values = statement.query_map(params![id, locus], |row| row.get(0))?;
            Ok(values.collect::<rusqlite::Result<_>>()?)
        };
        let own = |name: &str| -> Outcome<Vec<String>> {
            let sql = format!("SELECT CAST({name} AS TEXT) FROM features WHERE id = ?1 AND {name} IS NOT NULL");
            let mut statement = self.index.db.prepare(&sql)?;
            let values = statement.query_map(params![id], |row| row.get(0))?;
            Ok(values.collect::<rusqlite::Result<_>>()?)
        };
        let qualifiers = |names: &[&str]| -> Outcome<Vec<String>> {
            let sql = "SELECT DISTINCT coalesce(q.value, 'yes') FROM features f JOIN qualifiers q ON q.feature = f.id \
                       WHERE (f.id = ?1 OR f.locus = ?2) AND q.name IN (SELECT value FROM json_each(?3)) \
                       ORDER BY f.id = ?1 DESC, f.id, q.rowid";
            let mut statement = self.index.db.prepare(sql)?;
            let values =
                statement.query_map(params![id, locus, serde_json::json!(names).to_string()], |row| row.get(0))?;
            Ok(values.collect::<rusqlite::Result<_>>()?)
        };
        let terms = |name: &str| -> Outcome<Vec<String>> {
            let sql = "SELECT DISTINCT t.value FROM features f JOIN terms t ON t.feature = f.id \
                       WHERE (f.id = ?1 OR f.locus = ?2) AND t.field = ?3 ORDER BY f.id = ?1 DESC, f.id, t.rowid";
            let mut statement = self.index.db.prepare(sql)?;
            let values = statement.query_map(params![id, locus, name], |row| row.get(0))?;
            Ok(values.collect::<rusqlite::Result<_>>()?)
        };
        match field {
            Field::Id => Ok(vec![self.row_of_feature(id)?.id]),
            Field::Seqid => Ok(vec![self.seq(item.seq)?.name.clone()]),
            Field::Genome => Ok(vec![self.seq(item.seq)?.genome.clone()]),
            Field::Location => {
                let seq = &self.seq(item.seq)?.name;
                Ok(vec![format!("{seq}:{}-{}({})", item.start, item.end, item.strand)])
            }
            Field::Kind => own("kind"),
            Field::Start => own("start"),
            Field::End => own("\"end\""),
            Field::Strand => own("strand"),
            Field::Length => own("length"),
            Field::Bases => own("bases"),
            Field::Gc => own("gc"),
            Field::Gene => column("gene"),
            Field::LocusTag => column("locus_tag"),
            Field::ProteinId => column("protein_id"),
            Field::Product => column("product"),
            Field::Biotype => column("biotype"),
            Field::Aa => column("aa"),
            Field::StartCodon => column("start_codon"),
            Field::TranslTable => column("transl_table"),
            Field::MolecularWeight => column("weight"),
            Field::IsoelectricPoint => column("pi"),
            Field::Parts => own("parts"),
            Field::Synonym => terms("synonym"),
            Field::Go => terms("go"),
            Field::OldLocusTag => qualifiers(&["old_locus_tag"]),
            Field::Function => qualifiers(&["function"]),
            Field::Note => qualifiers(&["note", "Note", "description"]),
            Field::Ec => qualifiers(&["EC_number", "ec_number", "eC_number"]),
            Field::DbXref => qualifiers(&["db_xref", "Dbxref"]),
            Field::Qualifier(name) => match name.as_str() {
                "gene" | "locus_tag" | "product" | "protein_id" | "translation" | "transl_table" => column(name),
                "codon_start" => column("phase + 1"),
                name => qualifiers(&[name]),
            },
            Field::AnyText => {
                let mut all = column("product")?;
                all.extend(qualifiers(&["function", "note", "Note", "description"])?);
                Ok(all)
            }
            Field::Relevance | Field::Members | Field::Density | Field::Pattern => Ok(Vec::new()),
        }
    }

    /// Why a selection is empty: nothing of the kind is annotated, or nothing fulfils the filters.
    pub(super) fn why_empty(&mut self, select: &Select, filters: &[Filter]) -> Outcome<Status> {
        let annotated: bool = self.index.db.query_row(
            "SELECT EXISTS (SELECT 1 FROM features WHERE ?1 IS NULL OR genome = ?1)",
            [self.genome],
            |row| row.get(0),
        )?;
        let needs_annotation = !matches!(
            select,
            Select::Sequence | Select::Orf { .. } | Select::Motif(_) | Select::Window { .. } | Select::Region(_)
        );
        if needs_annotation && !annotated {
            let text = "not annotated: the file has sequences alone; what they encode is not told".to_owned();
            return Ok(Status::Empty { reason: Empty::NoAnnotation, text });
        }
        let there = match select {
            Select::Gene => Some(("genes".to_owned(), self.any("is_gene", &[])?)),
            Select::Protein => Some(("protein-coding genes".to_owned(), self.any("role = 'cds' AND coding", &[])?)),
            Select::Cds => Some(("coding sequences".to_owned(), self.any("role = 'cds'", &[])?)),
            Select::Kind(kind) => Some((
                format!("features of the kind {kind}"),
                self.any("kind = ?2", &[rusqlite::types::Value::Text(kind.clone())])?,
            )),
            _ => None,
        };
        Ok(match there {
            Some((what, 0)) => Status::Empty {
                reason: Empty::NotAnnotated,
                text: format!("not annotated: the file has no {what}; that is not to say that the genome has none"),
            },
            Some((what, n)) if !filters.is_empty() => Status::Empty {
                reason: Empty::NoMatch,
                text: format!("of {n} annotated {what} none fulfils this; what is not annotated cannot be found"),
            },
            _ => Status::Empty { reason: Empty::NoMatch, text: format!("no {select} was found") },
        })
    }

    fn any(&self, condition: &str, values: &[rusqlite::types::Value]) -> Outcome<i64> {
        let sql = format!("SELECT count(*) FROM features WHERE (?1 IS NULL OR genome = ?1) AND {condition}");
        let mut all = vec![self.genome.map_or(rusqlite::types::Value::Null, rusqlite::types::Value::Integer)];
        all.extend(values.iter().cloned());
        Ok(self.index.db.query_row(&sql, rusqlite::params_from_iter(all), |row| row.get(0))?)
    }

    /// The rows of the answer, up to the limit.
    pub(super) fn tell_rows(&mut self, items: &[Item]) -> Outcome<()> {
        let most = usize::try_from(self.limits.rows).unwrap_or(usize::MAX);
        let extract = self.chosen_extract();
        let mut letters = 0u64;
        for item in items.iter().take(most) {
            self.check_time()?;
            let row = self.row(item, extract)?;
            letters += row.sequence.as_ref().map_or(0, |s| s.len() as u64);
            if letters > self.limits.letters {
                return Err(Error::TooMuch { what: "letters of sequences", limit: self.limits.letters }.into());
            }
            self.answer.rows.push(row);
        }
        self.answer.truncated = items.len() > most;
        if self.answer.truncated && matches!(self.query.tell, Tell::Rows) {
            self.caveat(format!("{} of {} rows are shown", most, items.len()));
        }
        Ok(())
    }
}
