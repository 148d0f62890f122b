//! The text form, read: recursive descent without backtracking, with a bounded depth.

use super::text::{FIELDS, MATCHES, OUTPUTS, PROPERTIES, SELECTIONS};
use super::{
    Aggregate, Compare, Extract, Field, Filter, Limit, Order, Output, Place, Query, Region, Select, Side, Strand, Tell,
};
use crate::error::{Error, Result};

/// Filters inside filters.
const MAX_DEPTH: usize = 64;

pub(super) fn query(text: &str) -> Result<Query> {
    let mut p = Parser { text, at: 0, depth: 0 };
    let genome = if p.keyword("from") { Some(p.name("a genome")?) } else { None };
    let tell = p.tell()?;
    p.keyword("of");
    let select = p.select()?;
    let mut query = Query { genome, tell, ..Query::new(select) };
    if p.keyword("where") {
        query.filters = p.conjunction()?;
    }
    if p.keyword("having") {
        query.having = p.conjunction()?;
    }
    if p.keyword("group") {
        p.keyword("by");
        query.group = Some(p.field()?);
    }
    if p.keyword("order") {
        p.keyword("by");
        loop {
            let by = p.field()?;
            let descending = p.keyword("desc");
            if !descending {
                p.keyword("asc");
            }
            query.order.push(Order { by, descending });
            if !p.symbol(",") {
                break;
            }
        }
    }
    if p.keyword("limit") {
        let rows = p.whole("a number of rows")?;
        let ties = p.keyword("with");
        if ties && !p.keyword("ties") {
            return Err(p.expected("ties"));
        }
        query.limit = Some(Limit { rows, ties });
    }
    if p.keyword("show") {
        query.show.push(p.field()?);
        while p.symbol(",") {
            query.show.push(p.field()?);
        }
    }
    if p.keyword("extract") {
        query.extract = Some(p.extract()?);
    }
    if p.keyword("as") {
        query.output = p.output()?;
    }
    if p.rest().trim_start().is_empty() {
        return Ok(query);
    }
    Err(p.expected("and, or a clause: where, having, group by, order by, limit, show, extract, as"))
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip_blanks(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    fn expected(&self, expected: &'static str) -> Error {
        let rest = self.rest().trim_start();
        let found: String = rest.chars().take(24).collect();
        let column = self.text[..self.text.len() - rest.len()].chars().count() + 1;
        Error::Syntax { column, expected, found }
    }

    /// The next word without taking it.
    fn peek_word(&mut self) -> &'a str {
        self.skip_blanks();
        let rest = self.rest();
        let end = rest.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.' | '\''))).unwrap_or(rest.len());
        &rest[..end]
    }

    fn keyword(&mut self, keyword: &str) -> bool {
        let word = self.peek_word();
        let is = word.eq_ignore_ascii_case(keyword);
        if is {
            self.at += word.len();
        }
        is
    }

    fn symbol(&mut self, symbol: &str) -> bool {
        self.skip_blanks();
        let is = self.rest().starts_with(symbol);
        if is {
            self.at += symbol.len();
        }
        is
    }

    fn need(&mut self, symbol: &'static str) -> Result<()> {
        if self.symbol(symbol) { Ok(()) } else { Err(self.expected(symbol)) }
    }

    /// A quoted text or a plain word.
    fn name(&mut self, what: &'static str) -> Result<String> {
        self.skip_blanks();
        if self.rest().starts_with('"') {
            return self.quoted();
        }
        let word = self.peek_word();
        if word.is_empty() {
            return Err(self.expected(what));
        }
        self.at += word.len();
        Ok(word.to_owned())
    }

    fn quoted(&mut self) -> Result<String> {
        let start = self.at;
        let mut out = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((i, c)) = chars.next() {
            match c {
                '"' => {
                    self.at = start + i + 1;
                    return Ok(out);
                }
                '\\' => match chars.next() {
                    Some((_, 'u')) => {
                        let hex: String = chars.by_ref().skip(1).map(|(_, c)| c).take_while(|c| *c != '}').collect();
                        let code = u32::from_str_radix(&hex, 16).ok().and_then(char::from_u32);
                        out.push(code.ok_or_else(|| self.expected("a character as \\u{41}"))?);
                    }
                    Some((_, c @ ('"' | '\\'))) => out.push(c),
                    _ => return Err(self.expected("\\\" or \\\\ in quotes")),
                },
                c => out.push(c),
            }
        }
        Err(self.expected("a closing quote"))
    }

    fn number(&mut self) -> Result<f64> {
        self.skip_blanks();
        let rest = self.rest();
        let digits = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+' | ',');
        let mut end = rest.find(|c| !digits(c)).unwrap_or(rest.len());
        // A comma belongs to the number between digits alone: `1,234`.
        while rest[..end].ends_with([',', '.']) {
            end -= 1;
        }
        let plain: String = rest[..end].chars().filter(|c| *c != ',').collect();
        let number: f64 = plain.parse().map_err(|_| self.expected("a number"))?;
        self.at += end;
        // The unit that the field has anyway; `kb` and `Mb` count.
        let factor = if self.keyword("kb") {
            1e3
        } else if self.keyword("mb") {
            1e6
        } else {
            let _ = self.keyword("bp") || self.keyword("aa") || self.symbol("%");
            1.0
        };
        Ok(number * factor)
    }

    fn whole(&mut self, what: &'static str) -> Result<u64> {
        self.skip_blanks();
        let rest = self.rest();
        let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '_')).unwrap_or(rest.len());
        let number: u64 = rest[..end].replace('_', "").parse().map_err(|_| self.expected(what))?;
        self.at += end;
        if self.keyword("kb") {
            return number.checked_mul(1000).ok_or_else(|| self.expected(what));
        }
        self.keyword("bp");
        Ok(number)
    }

    fn tell(&mut self) -> Result<Tell> {
        let start = self.at;
        let word = self.peek_word();
        self.at += word.len();
        let aggregate = match word {
            "list" => return Ok(Tell::Rows),
            "count" => return Ok(Tell::Count),
            "exists" => return Ok(Tell::Exists),
            "gc" => return Ok(Tell::Gc),
            "n50" => return Ok(Tell::N50),
            "coverage" => return Ok(Tell::Coverage),
            "adjacent" => return Ok(Tell::Adjacent),
            "codon_usage" => return Ok(Tell::CodonUsage),
            "share" => {
                self.need("(")?;
                let filters = self.conjunction()?;
                self.need(")")?;
                return Ok(Tell::Share(filters));
            }
            "distinct" => {
                self.need("(")?;
                let field = self.field()?;
                self.need(")")?;
                return Ok(Tell::Distinct(field));
            }
            "median" => Aggregate::Median,
            "mean" => Aggregate::Mean,
            "min" => Aggregate::Min,
            "max" => Aggregate::Max,
            "sum" => Aggregate::Sum,
            _ => {
                self.at = start;
                return Err(self.expected("list, count, exists, median(..), share(..), gc, n50, coverage, ..."));
            }
        };
        self.need("(")?;
        let field = self.field()?;
        self.need(")")?;
        Ok(Tell::Aggregate(aggregate, field))
    }

    fn select(&mut self) -> Result<Select> {
        self.skip_blanks();
        if self.rest().starts_with('"') {
            return self.quoted().map(Select::Kind);
        }
        let word = self.peek_word();
        if !SELECTIONS.contains(&word) {
            return self.name("what to select: gene, protein, cds, tRNA, sequence, ...").map(Select::Kind);
        }
        self.at += word.len();
        let select = match word {
            "gene" => return Ok(Select::Gene),
            "protein" => return Ok(Select::Protein),
            "cds" => return Ok(Select::Cds),
            "feature" => return Ok(Select::Feature),
            "sequence" => return Ok(Select::Sequence),
            "intergenic" => return Ok(Select::Intergenic),
            other => {
                self.need("(")?;
                match other {
                    "run" => {
                        self.keyword("gap");
                        Select::Run { max_gap_bp: self.whole("a number of bases")? }
                    }
                    "cluster" => {
                        self.deeper()?;
                        let of = Box::new(self.select()?);
                        self.depth -= 1;
                        self.need(",")?;
                        self.keyword("gap");
                        let max_gap_bp = self.whole("a number of bases")?;
                        self.need(",")?;
                        self.keyword("min");
                        Select::Cluster { of, max_gap_bp, min_members: self.whole("a number of members")? }
                    }
                    "orf" => {
                        self.keyword("min");
                        Select::Orf { min_aa: self.whole("a number of amino acids")? }
                    }
                    "motif" => {
                        let mut patterns = Vec::new();
                        if !self.rest().trim_start().starts_with(')') {
                            patterns.push(self.pattern()?);
                            while self.symbol("|") {
                                patterns.push(self.pattern()?);
                            }
                        }
                        Select::Motif(patterns)
                    }
                    "window" => {
                        let size_bp = self.whole("a number of bases")?;
                        let step_bp = if self.symbol(",") {
                            self.keyword("step");
                            self.whole("a number of bases")?
                        } else {
                            size_bp
                        };
                        Select::Window { size_bp, step_bp }
                    }
                    _ => Select::Region(self.region()?),
                }
            }
        };
        self.need(")")?;
        Ok(select)
    }

    fn pattern(&mut self) -> Result<String> {
        if self.symbol("*") { Ok("*".to_owned()) } else { self.name("a motif or an enzyme") }
    }

    fn conjunction(&mut self) -> Result<Vec<Filter>> {
        let mut filters = vec![self.filter()?];
        while self.keyword("and") {
            filters.push(self.filter()?);
        }
        Ok(filters)
    }

    fn deeper(&mut self) -> Result<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err(self.expected("fewer brackets")) } else { Ok(()) }
    }

    fn filter(&mut self) -> Result<Filter> {
        self.deeper()?;
        let filter = self.filter_inside()?;
        self.depth -= 1;
        Ok(filter)
    }

    fn filter_inside(&mut self) -> Result<Filter> {
        if self.symbol("/") {
            let name = self.name("the name of a qualifier")?;
            return self.comparison(Field::Qualifier(name));
        }
        if self.symbol("(") {
            return self.alternatives();
        }
        let start = self.at;
        let word = self.peek_word();
        self.at += word.len();
        let filter = match word {
            "any" | "all" => {
                self.need("(")?;
                let mut filters = Vec::new();
                if !self.symbol(")") {
                    filters.push(self.filter()?);
                    while self.symbol(",") {
                        filters.push(self.filter()?);
                    }
                    self.need(")")?;
                }
                if word == "any" { Filter::Any(filters) } else { Filter::All(filters) }
            }
            "not" => Filter::Not(Box::new(self.filter()?)),
            "strand" if self.symbol("+") => Filter::Strand(Strand::Plus),
            "strand" if self.symbol("-") => Filter::Strand(Strand::Minus),
            "on" => Filter::On(self.name("a sequence")?),
            "named" => Filter::Named(self.values()?),
            "among" => Filter::Among(self.values()?),
            "text" => Filter::FullText(self.name("words")?),
            "near" => {
                let of = self.place()?;
                if !self.keyword("within") {
                    return Err(self.expected("within and a distance"));
                }
                let distance_bp = self.whole("a distance in bases")?;
                Filter::Near { of, distance_bp, side: self.side() }
            }
            "overlaps" => Filter::Overlaps(self.place()?),
            "inside" => Filter::Inside(self.place()?),
            "between" => {
                let first = self.place()?;
                if !self.keyword("and") {
                    return Err(self.expected("and with a second place"));
                }
                Filter::Between(first, self.place()?)
            }
            "next_to" => {
                let of = self.place()?;
                let count = if self.keyword("by") { self.whole("a number of neighbours")? } else { 1 };
                Filter::NextTo { of, count, side: self.side() }
            }
            "shared" => {
                self.keyword("with");
                let genome = self.name("a genome")?;
                if !self.keyword("by") {
                    return Err(self.expected("by with a field"));
                }
                Filter::SharedWith { genome, by: self.field()? }
            }
            word => {
                if let Some((_, is)) = PROPERTIES.iter().find(|(name, _)| *name == word) {
                    return Ok(Filter::Is(*is));
                }
                self.at = start;
                let Ok(field) = self.field() else {
                    return Err(self.expected("a filter, such as aa > 300, strand +, named dnaA, product has \"..\""));
                };
                return self.comparison(field);
            }
        };
        Ok(filter)
    }

    /// What people write for `any` and `all`: `(a or b)`.
    fn alternatives(&mut self) -> Result<Filter> {
        let mut either = vec![self.conjunction()?];
        while self.keyword("or") {
            either.push(self.conjunction()?);
        }
        self.need(")")?;
        let mut either: Vec<Filter> = either
            .into_iter()
            .map(|mut all| if all.len() == 1 { all.swap_remove(0) } else { Filter::All(all) })
            .collect();
        Ok(if either.len() == 1 { either.swap_remove(0) } else { Filter::Any(either) })
    }

    fn comparison(&mut self, field: Field) -> Result<Filter> {
        type Make = fn(f64) -> Compare;
        let symbols: [(&str, Make); 5] =
            [("<=", Compare::Le), (">=", Compare::Ge), ("<", Compare::Lt), (">", Compare::Gt), ("=", Compare::Eq)];
        for (symbol, make) in symbols {
            if self.symbol(symbol) {
                return Ok(Filter::Number(field, make(self.number()?)));
            }
        }
        if self.keyword("between") {
            let low = self.number()?;
            if !self.keyword("and") {
                return Err(self.expected("and with the upper bound"));
            }
            return Ok(Filter::Number(field, Compare::Between(low, self.number()?)));
        }
        let word = self.peek_word();
        let Some((_, how)) = MATCHES.iter().find(|(name, _)| *name == word) else {
            return Err(self.expected("a comparison: < <= = >= > between has is contains starts under present"));
        };
        self.at += word.len();
        let values = self.values()?;
        Ok(Filter::Text(field, *how, values))
    }

    /// `a|"b c"|d`; nothing where no value follows.
    fn values(&mut self) -> Result<Vec<String>> {
        let mut values = Vec::new();
        self.skip_blanks();
        let quoted = self.rest().starts_with('"');
        if !quoted && !starts_value(self.peek_word()) {
            return Ok(values);
        }
        values.push(self.name("a value")?);
        while self.symbol("|") {
            values.push(self.name("a value")?);
        }
        Ok(values)
    }

    fn side(&mut self) -> Side {
        let sides = [
            ("upstream", Side::Upstream),
            ("downstream", Side::Downstream),
            ("left", Side::Left),
            ("right", Side::Right),
        ];
        sides.into_iter().find(|(name, _)| self.keyword(name)).map_or(Side::Both, |(_, side)| side)
    }

    fn place(&mut self) -> Result<Place> {
        if self.peek_word() == "each" {
            self.at += "each".len();
            self.need("(")?;
            self.deeper()?;
            let select = self.select()?;
            let mut filters = Vec::new();
            while self.symbol(",") {
                filters.push(self.filter()?);
            }
            self.depth -= 1;
            self.need(")")?;
            return Ok(Place::Each(Box::new(select), filters));
        }
        let start = self.at;
        self.skip_blanks();
        if self.rest().starts_with(|c: char| c.is_ascii_digit()) {
            return self.region().map(Place::Region);
        }
        let name = self.name("a gene, a range as chr1:100-200, or each(..)")?;
        if self.rest().starts_with(':') {
            self.at = start;
            return self.region().map(Place::Region);
        }
        Ok(Place::Named(name))
    }

    fn region(&mut self) -> Result<Region> {
        self.skip_blanks();
        let seqid = if self.rest().starts_with(|c: char| c.is_ascii_digit()) {
            None
        } else {
            let name = self.name("a sequence")?;
            self.need(":")?;
            Some(name)
        };
        let start = self.whole("the first base")?;
        let end = if self.symbol("-") { self.whole("the last base")? } else { start };
        Ok(Region { seqid, start, end })
    }

    fn field(&mut self) -> Result<Field> {
        if self.symbol("/") {
            return self.name("the name of a qualifier").map(Field::Qualifier);
        }
        let word = self.peek_word();
        let Some((name, field)) = FIELDS.iter().find(|(name, _)| *name == word) else {
            return Err(self.expected("a field, such as aa, length, product, gene, or /qualifier"));
        };
        self.at += name.len();
        Ok(field.clone())
    }

    fn extract(&mut self) -> Result<Extract> {
        const EXPECTED: &str = "dna, spliced, protein, upstream N, downstream N or flanked N";
        let word = self.peek_word();
        let start = self.at;
        self.at += word.len();
        Ok(match word {
            "dna" => Extract::Dna,
            "spliced" => Extract::Spliced,
            "protein" => Extract::Protein,
            "upstream" => Extract::Upstream(self.whole("a number of bases")?),
            "downstream" => Extract::Downstream(self.whole("a number of bases")?),
            "flanked" => Extract::Flanked(self.whole("a number of bases")?),
            _ => {
                self.at = start;
                return Err(self.expected(EXPECTED));
            }
        })
    }

    fn output(&mut self) -> Result<Output> {
        let word = self.peek_word();
        let Some((name, output)) = OUTPUTS.iter().find(|(name, _)| *name == word) else {
            return Err(self.expected("table, json, csv, tsv, fasta or gff3"));
        };
        self.at += name.len();
        Ok(*output)
    }
}

/// Whether a word may be a value: not where the next clause begins.
fn starts_value(word: &str) -> bool {
    const CLAUSES: [&str; 10] = ["and", "or", "where", "having", "group", "order", "limit", "show", "extract", "as"];
    !word.is_empty() && !CLAUSES.iter().any(|clause| clause.eq_ignore_ascii_case(word))
}
