//! Rows that are features: a query as one SQL statement. Every value is a bound parameter; places become lists of stretches,
//! passed as JSON.

use rusqlite::params_from_iter;
use rusqlite::types::Value;
use serde_json::json;

use super::items::{Item, Key, What};
use super::names::{Spot, Stretch};
use super::{Outcome, Run};
use crate::answer::SqlText;
use crate::error::Error;
use crate::index::facts::words;
use crate::query::{Compare, Field, Filter, Is, Match, Place, Select, Side};

/// Where the values of a field are.
enum Store {
    /// An expression over a feature.
    Column(String),
    /// Qualifiers of these names.
    Qualifiers(Vec<String>),
    /// Terms that were taken out of qualifiers.
    Terms(&'static str),
    /// Products, names and all qualifiers.
    AnyText,
}

fn store(field: &Field, alias: &str) -> Option<Store> {
    let column = |name: &str| Some(Store::Column(format!("{alias}.{name}")));
    let qualifiers = |names: &[&str]| Some(Store::Qualifiers(names.iter().map(|n| (*n).to_owned()).collect()));
    match field {
        Field::Id => Some(Store::Column(format!("(SELECT name FROM loci WHERE loci.id = {alias}.locus)"))),
        Field::LocusTag => column("locus_tag"),
        Field::Gene => column("gene"),
        Field::ProteinId => column("protein_id"),
        Field::Product => column("product"),
        Field::Kind => column("kind"),
        Field::Biotype => column("biotype"),
        Field::Seqid => Some(Store::Column(format!("(SELECT name FROM sequences WHERE sequences.id = {alias}.seq)"))),
        Field::Genome => Some(Store::Column(format!("(SELECT name FROM genomes WHERE genomes.id = {alias}.genome)"))),
        Field::Start => column("start"),
        Field::End => column("\"end\""),
        Field::Strand => column("strand"),
        Field::Length => column("length"),
        Field::Bases => column("bases"),
        Field::Aa => column("aa"),
        Field::Gc => column("gc"),
        Field::StartCodon => column("start_codon"),
        Field::TranslTable => column("transl_table"),
        Field::MolecularWeight => column("weight"),
        Field::IsoelectricPoint => column("pi"),
        Field::Parts => column("parts"),
        Field::Synonym => Some(Store::Terms("synonym")),
        Field::Go => Some(Store::Terms("go")),
        Field::OldLocusTag => qualifiers(&["old_locus_tag"]),
        Field::Function => qualifiers(&["function"]),
        Field::Note => qualifiers(&["note", "Note", "description"]),
        Field::Ec => qualifiers(&["EC_number", "ec_number", "eC_number"]),
        Field::DbXref => qualifiers(&["db_xref", "Dbxref"]),
        Field::Qualifier(name) => match name.as_str() {
            "gene" | "locus_tag" | "product" | "protein_id" | "translation" | "transl_table" => column(name),
            "codon_start" => Some(Store::Column(format!("({alias}.phase + 1)"))),
            other => qualifiers(&[other]),
        },
        Field::AnyText => Some(Store::AnyText),
        Field::Members | Field::Density | Field::Relevance | Field::Pattern | Field::Location => None,
    }
}

/// Fields that a gene has through its coding sequence or RNA.
fn is_of_locus(field: &Field) -> bool {
    !matches!(
        field,
        Field::Id
            | Field::Kind
            | Field::Seqid
            | Field::Genome
            | Field::Start
            | Field::End
            | Field::Strand
            | Field::Length
            | Field::Bases
            | Field::Gc
            | Field::Members
            | Field::Density
            | Field::Relevance
    )
}

/// Fields of names and references, which may stand on any feature of a locus.
fn is_of_any_feature(field: &Field) -> bool {
    matches!(
        field,
        Field::Synonym | Field::OldLocusTag | Field::DbXref | Field::Biotype | Field::Gene | Field::Go | Field::AnyText
    )
}

/// A gene's number, locus and first base.
type OrderedGene = (i64, Option<i64>, i64);

/// A statement as it grows.
#[derive(Debug, Default)]
struct Sql {
    parameters: Vec<Value>,
}

impl Sql {
    /// The placeholder of a new parameter.
    fn bind(&mut self, value: impl Into<Value>) -> String {
        self.parameters.push(value.into());
        format!("?{}", self.parameters.len())
    }

    fn bind_json(&mut self, value: &serde_json::Value) -> String {
        self.bind(value.to_string())
    }
}

impl Run<'_> {
    pub(super) fn features(&mut self, select: &Select, filters: &[Filter], keys: &[Field]) -> Outcome<Vec<Item>> {
        let mut sql = Sql::default();
        let mut columns = String::new();
        let mut from = String::from("features f");
        let full_text = filters.iter().find_map(|f| if let Filter::FullText(text) = f { Some(text) } else { None });
        let relevance = keys.contains(&Field::Relevance) || (full_text.is_some() && keys.is_empty());
        if let Some(text) = full_text.filter(|_| relevance) {
            let words = sql.bind(match_expression(text));
            from = format!(
                "features f JOIN (SELECT x.locus, min(w.score) AS score FROM (SELECT rowid, rank AS score FROM words \
                 WHERE words MATCH {words} LIMIT -1) w JOIN features x ON x.id = w.rowid GROUP BY coalesce(x.locus, -x.id)) t \
                 ON t.locus = f.locus"
            );
        }
        for field in keys {
            let expression = match store(field, "f") {
                Some(Store::Column(column)) if matches!(select, Select::Gene) && is_of_locus(field) => format!(
                    "coalesce({column}, (SELECT max({}) FROM features c WHERE c.locus = f.locus))",
                    column.replacen("f.", "c.", 1)
                ),
                Some(Store::Column(column)) => column,
                Some(Store::Terms(name)) => {
                    format!("(SELECT group_concat(value, '; ') FROM terms WHERE feature = f.id AND field = '{name}')")
                }
                Some(Store::Qualifiers(names)) => {
                    let names = sql.bind_json(&json!(names));
                    format!(
                        "(SELECT group_concat(value, '; ') FROM qualifiers WHERE feature = f.id AND name IN \
                         (SELECT value FROM json_each({names})))"
                    )
                }
                Some(Store::AnyText) => "f.product".to_owned(),
                // The better, the less: told as a positive number.
                None if *field == Field::Relevance && full_text.is_some() => "-t.score".to_owned(),
                None => {
                    return Err(
                        Error::Query { problem: "features have no such field", found: field.to_string() }.into()
                    );
                }
            };
            columns.push_str(", ");
            columns.push_str(&expression);
        }
        let mut wheres = Vec::new();
        match select {
            Select::Gene => wheres.push("f.is_gene".to_owned()),
            Select::Protein => wheres.push("f.role = 'cds' AND f.coding".to_owned()),
            Select::Cds => wheres.push("f.role = 'cds'".to_owned()),
            Select::Kind(kind) => wheres.push(format!("f.kind = {}", sql.bind(kind.clone()))),
            _ => {}
        }
        if let Some(genome) = self.genome {
            wheres.push(format!("f.genome = {}", sql.bind(genome)));
        }
        for filter in filters {
            wheres.push(self.predicate(filter, select, &mut sql)?);
        }
        let condition = if wheres.is_empty() { "1".to_owned() } else { wheres.join(" AND ") };
        let order = if relevance && keys.is_empty() { "t.score, f.id" } else { "f.seq, f.start, f.id" };
        let limit = self.limits.matches.min(i64::MAX as u64); // SQLite's integers
        let text = format!(
            "SELECT f.id, f.locus, f.seq, f.start, f.\"end\", f.strand, f.length, f.wraps{columns} FROM {from} \
             WHERE {condition} ORDER BY {order} LIMIT {limit}"
        );
        self.note_sql(&text, &sql.parameters);
        let mut statement = self.index.db.prepare(&text)?;
        let mut rows = statement.query(params_from_iter(sql.parameters.iter()))?;
        let mut items = Vec::new();
        while let Some(row) = rows.next()? {
            let mut values = Vec::with_capacity(keys.len());
            for i in 0..keys.len() {
                values.push(match row.get::<_, Value>(8 + i)? {
                    Value::Integer(n) => Key::Number(n as f64),
                    Value::Real(x) => Key::Number(x),
                    Value::Text(text) => Key::Text(text),
                    Value::Null | Value::Blob(_) => Key::Nothing,
                });
            }
            if relevance && keys.is_empty() {
                // The order of the statement is the one that is meant.
                values.push(Key::Number(items.len() as f64));
            }
            items.push(Item {
                what: What::Feature { id: row.get(0)?, locus: row.get(1)? },
                seq: row.get(2)?,
                start: row.get(3)?,
                end: row.get(4)?,
                strand: row.get::<_, String>(5)?.chars().next().unwrap_or('.'),
                length: row.get(6)?,
                wraps: row.get(7)?,
                keys: values,
            });
        }
        if items.len() as u64 >= limit {
            return Err(Error::TooMuch { what: "rows that match", limit }.into());
        }
        Ok(items)
    }

    pub(super) fn note_sql(&mut self, text: &str, parameters: &[Value]) {
        let parameters = parameters.iter().map(|value| match value {
            Value::Null => "null".to_owned(),
            Value::Integer(n) => n.to_string(),
            Value::Real(x) => x.to_string(),
            Value::Text(text) => text.clone(),
            Value::Blob(bytes) => format!("{} bytes", bytes.len()),
        });
        let sql = SqlText { text: text.to_owned(), parameters: parameters.collect() };
        if !self.answer.sql.contains(&sql) {
            self.answer.sql.push(sql);
        }
    }

    fn predicate(&mut self, filter: &Filter, select: &Select, sql: &mut Sql) -> Outcome<String> {
        Ok(match filter {
            Filter::Is(is) => property(*is, select),
            Filter::Number(field, compare) => self.of_field(field, select, sql, &mut |expression, sql| {
                let mut bind = |x: f64| sql.bind(x);
                match compare {
                    Compare::Lt(x) => format!("{expression} < {}", bind(*x)),
                    Compare::Le(x) => format!("{expression} <= {}", bind(*x)),
                    Compare::Eq(x) => format!("{expression} = {}", bind(*x)),
                    Compare::Ge(x) => format!("{expression} >= {}", bind(*x)),
                    Compare::Gt(x) => format!("{expression} > {}", bind(*x)),
                    Compare::Between(a, b) => {
                        let (a, b) = (bind(*a), bind(*b));
                        format!("{expression} BETWEEN {a} AND {b}")
                    }
                }
            })?,
            Filter::Text(field, how, values) => {
                self.of_field(field, select, sql, &mut |expression, sql| text_condition(expression, *how, values, sql))?
            }
            Filter::Strand(strand) => format!("f.strand = {}", sql.bind(strand.to_string())),
            Filter::On(name) => {
                let seqs = self.seqs_named(name)?;
                format!("f.seq IN (SELECT value FROM json_each({}))", sql.bind_json(&json!(seqs)))
            }
            Filter::Named(names) => {
                let loci = self.loci_named(names)?;
                format!("f.locus IN (SELECT value FROM json_each({}))", sql.bind_json(&json!(loci)))
            }
            Filter::Among(ids) => {
                let ids = sql.bind_json(&json!(ids));
                format!(
                    "(f.locus IN (SELECT id FROM loci WHERE name IN (SELECT value FROM json_each({ids}))) OR (f.locus IS NULL \
                     AND f.kind || ':' || (SELECT name FROM sequences WHERE sequences.id = f.seq) || ':' || f.start || '-' || \
                     f.\"end\" IN (SELECT value FROM json_each({ids}))))"
                )
            }
            Filter::FullText(text) => {
                let words = sql.bind(match_expression(text));
                let found = format!("(SELECT rowid FROM words WHERE words MATCH {words})");
                if matches!(select, Select::Gene | Select::Protein) {
                    format!("f.locus IN (SELECT locus FROM features WHERE id IN {found})")
                } else {
                    format!("f.id IN {found}")
                }
            }
            Filter::Near { of, distance_bp, side } => {
                let spots = self.spots(of)?;
                let distance = i64::try_from(*distance_bp).unwrap_or(i64::MAX);
                let mut stretches = Vec::new();
                for spot in &spots {
                    stretches.extend(self.stretches_around(spot, distance, *side)?);
                }
                touches(&stretches, sql) + &without(of, &spots, sql)
            }
            Filter::Overlaps(place) => {
                let spots = self.spots(place)?;
                let stretches = self.stretches_of_all(&spots)?;
                touches(&stretches, sql) + &without(place, &spots, sql)
            }
            Filter::Inside(place) => {
                let spots = self.spots(place)?;
                let stretches = self.stretches_of_all(&spots)?;
                let list = sql.bind_json(&json!(stretches));
                touches(&stretches, sql)
                    + &without(place, &spots, sql)
                    + &format!(
                        " AND NOT EXISTS (SELECT 1 FROM parts p WHERE p.feature = f.id AND NOT EXISTS (SELECT 1 FROM \
                         json_each({list}) a WHERE a.value ->> 0 = f.seq AND a.value ->> 1 <= p.start AND a.value ->> 2 >= \
                         p.\"end\"))"
                    )
            }
            Filter::Between(a, b) => {
                let (first, second) = (self.spots(a)?, self.spots(b)?);
                let stretches = self.stretches_between(&first, &second)?;
                touches(&stretches, sql) + &without(a, &first, sql) + &without(b, &second, sql)
            }
            Filter::NextTo { of, count, side } => {
                let spots = self.spots(of)?;
                let (ids, loci) = self.neighbours(&spots, *count, *side)?;
                let ids = sql.bind_json(&json!(ids));
                if matches!(select, Select::Gene) {
                    format!("f.id IN (SELECT value FROM json_each({ids}))")
                } else {
                    let loci = sql.bind_json(&json!(loci));
                    format!(
                        "(f.id IN (SELECT value FROM json_each({ids})) OR f.locus IN (SELECT value FROM json_each({loci})))"
                    )
                }
            }
            Filter::SharedWith { genome, by } => {
                let genome = self.genome_by_name(genome)?;
                let Some(Store::Column(there)) = store(by, "o") else {
                    return Err(
                        Error::Query { problem: "genomes cannot be compared by this", found: by.to_string() }.into()
                    );
                };
                let genome = sql.bind(genome);
                let condition = format!(
                    "(SELECT lower({there}) FROM features o WHERE o.genome = {genome} AND {there} IS NOT NULL)"
                );
                self.of_field(by, select, sql, &mut |expression, _| format!("lower({expression}) IN {condition}"))?
            }
            Filter::Not(filter) => format!("NOT coalesce(({}), 0)", self.predicate(filter, select, sql)?),
            Filter::Any(filters) => self.joined(filters, " OR ", "0", select, sql)?,
            Filter::All(filters) => self.joined(filters, " AND ", "1", select, sql)?,
        })
    }

    fn joined(&mut self, filters: &[Filter], by: &str, empty: &str, select: &Select, sql: &mut Sql) -> Outcome<String> {
        let mut parts = Vec::new();
        for filter in filters {
            parts.push(format!("coalesce(({}), 0)", self.predicate(filter, select, sql)?));
        }
        Ok(if parts.is_empty() { empty.to_owned() } else { format!("({})", parts.join(by)) })
    }

    fn stretches_of_all(&self, spots: &[Spot]) -> Outcome<Vec<Stretch>> {
        let mut stretches = Vec::new();
        for spot in spots {
            stretches.extend(self.stretches_of(spot)?);
        }
        Ok(stretches)
    }

    /// A condition on a field of a row; of a gene on what belongs to its locus.
    fn of_field(
        &mut self,
        field: &Field,
        select: &Select,
        sql: &mut Sql,
        condition: &mut dyn FnMut(&str, &mut Sql) -> String,
    ) -> Outcome<String> {
        let mut of = |alias: &str, sql: &mut Sql| -> Outcome<String> {
            Ok(match store(field, alias) {
                Some(Store::Column(column)) => condition(&column, sql),
                Some(Store::Terms(name)) => {
                    let inside = condition("v.value", sql);
                    format!(
                        "EXISTS (SELECT 1 FROM terms v WHERE v.feature = {alias}.id AND v.field = '{name}' AND ({inside}))"
                    )
                }
                Some(Store::Qualifiers(names)) => {
                    let names = sql.bind_json(&json!(names));
                    let inside = condition("v.value", sql);
                    format!(
                        "EXISTS (SELECT 1 FROM qualifiers v WHERE v.feature = {alias}.id AND v.name IN \
                         (SELECT value FROM json_each({names})) AND ({inside}))"
                    )
                }
                Some(Store::AnyText) => {
                    let columns = ["product", "gene", "locus_tag", "name"]
                        .map(|c| format!("coalesce({}, 0)", condition(&format!("{alias}.{c}"), sql)));
                    let inside = condition("v.value", sql);
                    format!(
                        "({} OR EXISTS (SELECT 1 FROM qualifiers v WHERE v.feature = {alias}.id AND ({inside})))",
                        columns.join(" OR ")
                    )
                }
                None => {
                    return Err(
                        Error::Query { problem: "features have no such field", found: field.to_string() }.into()
                    );
                }
            })
        };
        let own = of("f", sql)?;
        let through_locus = match select {
            Select::Gene => is_of_locus(field),
            Select::Protein => is_of_any_feature(field),
            _ => false,
        };
        if !through_locus {
            return Ok(format!("({own})"));
        }
        let others = of("c", sql)?;
        let role = if is_of_any_feature(field) { "" } else { "c.role IN ('cds', 'rna', 'gene', 'transcript') AND " };
        Ok(format!(
            "(coalesce(({own}), 0) OR EXISTS (SELECT 1 FROM features c WHERE c.locus = f.locus AND {role}({others})))"
        ))
    }

    /// The next genes by start, and their loci.
    fn neighbours(&mut self, spots: &[Spot], count: u64, side: Side) -> Outcome<(Vec<i64>, Vec<i64>)> {
        let text = "SELECT id, locus, start FROM features WHERE seq = ?1 AND is_gene ORDER BY start, id";
        let (mut ids, mut loci) = (Vec::new(), Vec::new());
        let mut cached: Option<(i64, Vec<OrderedGene>)> = None;
        for spot in spots {
            self.check_time()?;
            if cached.as_ref().is_none_or(|(seq, _)| *seq != spot.seq) {
                self.note_sql(text, &[Value::Integer(spot.seq)]);
                let mut statement = self.index.db.prepare(text)?;
                let rows = statement.query_map([spot.seq], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
                cached = Some((spot.seq, rows.collect::<rusqlite::Result<_>>()?));
            }
            let genes = cached.as_ref().map(|(_, genes)| &genes[..]).unwrap_or_default();
            let circular = self.seq(spot.seq)?.circular;
            let own = genes.iter().position(|(id, ..)| Some(*id) == spot.feature);
            // The place itself is left out, all features of its locus too.
            let is_own =
                |at: usize| Some(genes[at].0) == spot.feature || (spot.locus.is_some() && genes[at].1 == spot.locus);
            let behind = own.unwrap_or_else(|| genes.partition_point(|(.., start)| *start < spot.start));
            let left = matches!(
                (side, spot.strand),
                (Side::Both | Side::Left, _) | (Side::Upstream, '+' | '.') | (Side::Downstream, '-')
            );
            let right = matches!(
                (side, spot.strand),
                (Side::Both | Side::Right, _) | (Side::Downstream, '+' | '.') | (Side::Upstream, '-')
            );
            let mut take = |order: &mut dyn Iterator<Item = usize>| {
                for at in order.filter(|at| !is_own(*at)).take(usize::try_from(count).unwrap_or(usize::MAX)) {
                    ids.push(genes[at].0);
                    loci.extend(genes[at].1);
                }
            };
            let n = genes.len();
            if left {
                let around = if circular { behind..n } else { 0..0 };
                take(&mut (0..behind).rev().chain(around.rev()));
            }
            if right {
                let around = if circular { 0..behind } else { 0..0 };
                take(&mut (behind..n).chain(around));
            }
        }
        Ok((ids, loci))
    }
}

fn property(is: Is, select: &Select) -> String {
    let through_cds = |condition: &str| {
        if matches!(select, Select::Gene) {
            format!(
                "((f.role = 'cds' AND f.{condition}) OR EXISTS (SELECT 1 FROM features c WHERE c.locus = f.locus AND \
                 c.role = 'cds' AND c.{condition}))"
            )
        } else {
            format!("f.{condition}")
        }
    };
    match is {
        Is::Pseudo => "f.pseudo".to_owned(),
        Is::Coding => "f.coding".to_owned(),
        Is::UnknownFunction if matches!(select, Select::Gene) => "((f.role = 'cds' AND f.coding AND f.unknown_function) OR EXISTS \
             (SELECT 1 FROM features c WHERE c.locus = f.locus AND c.role = 'cds' AND c.coding AND c.unknown_function))"
            .to_owned(),
        Is::UnknownFunction => "(f.coding AND f.unknown_function)".to_owned(),
        Is::Wraps => "f.wraps".to_owned(),
        Is::Partial => "f.partial".to_owned(),
        Is::Spliced => "f.parts > 1".to_owned(),
        Is::Translated => through_cds("translated"),
        Is::Circular => "(SELECT circular FROM sequences WHERE sequences.id = f.seq)".to_owned(),
        Is::Unannotated => "NOT EXISTS (SELECT 1 FROM parts p JOIN part_index r ON r.seq = f.seq AND r.start <= p.\"end\" AND \
             r.\"end\" >= p.start JOIN parts q ON q.id = r.id AND q.strand = p.strand JOIN features c ON c.id = q.feature \
             WHERE p.feature = f.id AND c.role = 'cds' AND c.id <> f.id)"
            .to_owned(),
    }
}

fn text_condition(expression: &str, how: Match, values: &[String], sql: &mut Sql) -> String {
    if how == Match::Present {
        return format!("({expression} IS NOT NULL AND {expression} <> '')");
    }
    let mut either = Vec::new();
    for value in values {
        let lower = value.to_ascii_lowercase();
        either.push(match how {
            Match::Has => {
                let words = words(value);
                if words.trim().is_empty() {
                    continue;
                }
                format!("instr(words({expression}), {})", sql.bind(words))
            }
            Match::Is => format!("lower({expression}) = {}", sql.bind(lower)),
            Match::Contains => format!("instr(lower({expression}), {})", sql.bind(lower)),
            Match::Starts => {
                let value = sql.bind(lower);
                format!("substr(lower({expression}), 1, length({value})) = {value}")
            }
            Match::Under => {
                let lower = lower.trim_end_matches(".-").trim_end_matches('.').to_owned();
                let exact = sql.bind(lower.clone());
                let class = sql.bind(format!("{lower}."));
                format!("(lower({expression}) = {exact} OR substr(lower({expression}), 1, length({class})) = {class})")
            }
            Match::Present => continue,
        });
    }
    if either.is_empty() { "0".to_owned() } else { format!("({})", either.join(" OR ")) }
}

/// All words of a text, for FTS5: each in quotes, so that nothing in them is syntax.
fn match_expression(text: &str) -> String {
    let words = words(text);
    let quoted: Vec<String> = words.split_whitespace().map(|word| format!("\"{word}\"")).collect();
    if quoted.is_empty() { "\"\"".to_owned() } else { quoted.join(" AND ") }
}

/// Features with a base in one of the stretches, through the R-tree; without those of the stretch's own locus.
fn touches(stretches: &[Stretch], sql: &mut Sql) -> String {
    let list = sql.bind_json(&json!(stretches));
    format!(
        "f.id IN (SELECT q.feature FROM json_each({list}) a CROSS JOIN part_index r ON r.seq = (a.value ->> 0) AND r.start <= \
         min(a.value ->> 2, 2147483647) AND r.\"end\" >= min(a.value ->> 1, 2147483647) CROSS JOIN parts q ON q.id = r.id AND \
         q.start <= (a.value ->> 2) AND q.\"end\" >= (a.value ->> 1) CROSS JOIN features x ON x.id = q.feature \
         WHERE a.value ->> 3 IS NULL OR x.locus IS NOT (a.value ->> 3))"
    )
}

/// A named place is left out itself, all of its copies.
fn without(place: &Place, spots: &[Spot], sql: &mut Sql) -> String {
    if !matches!(place, Place::Named(_)) {
        return String::new();
    }
    let loci: Vec<i64> = spots.iter().filter_map(|s| s.locus).collect();
    format!(" AND (f.locus IS NULL OR f.locus NOT IN (SELECT value FROM json_each({})))", sql.bind_json(&json!(loci)))
}
