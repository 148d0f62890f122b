//! The text form, written.

use std::fmt::{self, Display, Formatter};

use super::{
    Aggregate, Compare, Extract, Field, Filter, Is, Match, Order, Output, Place, Query, Region, Select, Side, Strand,
    Tell,
};

impl Display for Query {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(genome) = &self.genome {
            write!(f, "from {} ", Word(genome))?;
        }
        write!(f, "{} {}", self.tell, self.select)?;
        for (keyword, filters) in [("where", &self.filters), ("having", &self.having)] {
            if !filters.is_empty() {
                write!(f, " {keyword} {}", Listed(filters, " and "))?;
            }
        }
        if let Some(group) = &self.group {
            write!(f, " group by {group}")?;
        }
        if !self.order.is_empty() {
            write!(f, " order by {}", Listed(&self.order, ", "))?;
        }
        if let Some(limit) = self.limit {
            write!(f, " limit {}{}", limit.rows, if limit.ties { " with ties" } else { "" })?;
        }
        if !self.show.is_empty() {
            write!(f, " show {}", Listed(&self.show, ", "))?;
        }
        if let Some(extract) = self.extract {
            write!(f, " extract {extract}")?;
        }
        match self.output {
            Output::Table => Ok(()),
            output => write!(f, " as {output}"),
        }
    }
}

/// Values between separators.
struct Listed<'a, T>(&'a [T], &'static str);

impl<T: Display> Display for Listed<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (i, value) in self.0.iter().enumerate() {
            f.write_str(if i == 0 { "" } else { self.1 })?;
            value.fmt(f)?;
        }
        Ok(())
    }
}

/// A name, in quotes unless it is one plain word that means nothing else.
pub(super) struct Word<'a>(pub(super) &'a str);

impl Display for Word<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if is_plain(self.0) { f.write_str(self.0) } else { Quoted(self.0).fmt(f) }
    }
}

/// Words of the language, which stand in quotes where they are names.
const KEYWORDS: [&str; 24] = [
    "from",
    "where",
    "having",
    "group",
    "order",
    "limit",
    "show",
    "extract",
    "as",
    "and",
    "or",
    "not",
    "any",
    "all",
    "each",
    "by",
    "with",
    "within",
    "desc",
    "asc",
    "upstream",
    "downstream",
    "left",
    "right",
];

pub(super) fn is_plain(text: &str) -> bool {
    let mut letters = text.bytes();
    letters.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && letters.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'\''))
        && !KEYWORDS.iter().any(|k| k.eq_ignore_ascii_case(text))
}

/// A text in double quotes, `\` before quotes and backslashes, control characters as `\u{..}`: always one line.
struct Quoted<'a>(&'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => write!(f, "\\u{{{:x}}}", u32::from(c))?,
                c => write!(f, "{c}")?,
            }
        }
        f.write_str("\"")
    }
}

struct Alternatives<'a>(&'a [String], bool);

impl Display for Alternatives<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (i, value) in self.0.iter().enumerate() {
            f.write_str(if i == 0 { " " } else { "|" })?;
            if self.1 { Quoted(value).fmt(f)? } else { Word(value).fmt(f)? }
        }
        Ok(())
    }
}

impl Display for Tell {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rows => f.write_str("list"),
            Self::Count => f.write_str("count"),
            Self::Exists => f.write_str("exists"),
            Self::Aggregate(how, field) => write!(f, "{how}({field})"),
            Self::Distinct(field) => write!(f, "distinct({field})"),
            Self::Share(filters) => write!(f, "share({})", Listed(filters, " and ")),
            Self::Gc => f.write_str("gc"),
            Self::N50 => f.write_str("n50"),
            Self::Coverage => f.write_str("coverage"),
            Self::Adjacent => f.write_str("adjacent"),
            Self::CodonUsage => f.write_str("codon_usage"),
        }
    }
}

impl Display for Aggregate {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Median => "median",
            Self::Mean => "mean",
            Self::Min => "min",
            Self::Max => "max",
            Self::Sum => "sum",
        })
    }
}

/// Selections with a name of their own; another word is a kind of feature.
pub(super) const SELECTIONS: [&str; 12] = [
    "gene",
    "protein",
    "cds",
    "feature",
    "sequence",
    "intergenic",
    "run",
    "cluster",
    "orf",
    "motif",
    "window",
    "region",
];

impl Display for Select {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gene => f.write_str("gene"),
            Self::Protein => f.write_str("protein"),
            Self::Cds => f.write_str("cds"),
            Self::Feature => f.write_str("feature"),
            // `CDS` is the kind, `cds` the selection.
            Self::Kind(kind) if is_plain(kind) && !SELECTIONS.contains(&&**kind) => f.write_str(kind),
            Self::Kind(kind) => Quoted(kind).fmt(f),
            Self::Sequence => f.write_str("sequence"),
            Self::Intergenic => f.write_str("intergenic"),
            Self::Run { max_gap_bp } => write!(f, "run(gap {max_gap_bp})"),
            Self::Cluster { of, max_gap_bp, min_members } => {
                write!(f, "cluster({of}, gap {max_gap_bp}, min {min_members})")
            }
            Self::Orf { min_aa } => write!(f, "orf(min {min_aa})"),
            Self::Motif(patterns) => {
                f.write_str("motif(")?;
                for (i, pattern) in patterns.iter().enumerate() {
                    write!(f, "{}{}", if i == 0 { "" } else { "|" }, Word(pattern))?;
                }
                f.write_str(")")
            }
            Self::Window { size_bp, step_bp } => write!(f, "window({size_bp}, step {step_bp})"),
            Self::Region(region) => write!(f, "region({region})"),
        }
    }
}

impl Display for Region {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(seqid) = &self.seqid {
            write!(f, "{}:", Word(seqid))?;
        }
        write!(f, "{}-{}", self.start, self.end)
    }
}

impl Display for Place {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => Word(name).fmt(f),
            Self::Region(region) => region.fmt(f),
            Self::Each(select, filters) => {
                write!(f, "each({select}")?;
                for filter in filters {
                    write!(f, ", {filter}")?;
                }
                f.write_str(")")
            }
        }
    }
}

impl Display for Filter {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(is) => is.fmt(f),
            Self::Number(field, compare) => write!(f, "{field} {compare}"),
            Self::Text(field, how, values) => write!(f, "{field} {how}{}", Alternatives(values, true)),
            Self::Strand(strand) => write!(f, "strand {strand}"),
            Self::On(seqid) => write!(f, "on {}", Word(seqid)),
            Self::Named(names) => write!(f, "named{}", Alternatives(names, false)),
            Self::Among(ids) => write!(f, "among{}", Alternatives(ids, false)),
            Self::FullText(words) => write!(f, "text {}", Quoted(words)),
            Self::Near { of, distance_bp, side } => write!(f, "near {of} within {distance_bp}{side}"),
            Self::Overlaps(place) => write!(f, "overlaps {place}"),
            Self::Inside(place) => write!(f, "inside {place}"),
            Self::Between(a, b) => write!(f, "between {a} and {b}"),
            Self::NextTo { of, count, side } => write!(f, "next_to {of} by {count}{side}"),
            Self::SharedWith { genome, by } => write!(f, "shared with {} by {by}", Word(genome)),
            Self::Not(filter) => write!(f, "not {filter}"),
            Self::Any(filters) => write!(f, "any({})", Listed(filters, ", ")),
            Self::All(filters) => write!(f, "all({})", Listed(filters, ", ")),
        }
    }
}

pub(super) const PROPERTIES: [(&str, Is); 9] = [
    ("pseudo", Is::Pseudo),
    ("coding", Is::Coding),
    ("unknown_function", Is::UnknownFunction),
    ("wraps", Is::Wraps),
    ("partial", Is::Partial),
    ("spliced", Is::Spliced),
    ("translated", Is::Translated),
    ("unannotated", Is::Unannotated),
    ("circular", Is::Circular),
];

impl Display for Is {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let name = PROPERTIES.iter().find(|(_, is)| is == self).map(|(name, _)| *name);
        f.write_str(name.expect("every property has a name"))
    }
}

impl Display for Compare {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lt(x) => write!(f, "< {x}"),
            Self::Le(x) => write!(f, "<= {x}"),
            Self::Eq(x) => write!(f, "= {x}"),
            Self::Ge(x) => write!(f, ">= {x}"),
            Self::Gt(x) => write!(f, "> {x}"),
            Self::Between(low, high) => write!(f, "between {low} and {high}"),
        }
    }
}

pub(super) const MATCHES: [(&str, Match); 6] = [
    ("has", Match::Has),
    ("is", Match::Is),
    ("contains", Match::Contains),
    ("starts", Match::Starts),
    ("under", Match::Under),
    ("present", Match::Present),
];

impl Display for Match {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let name = MATCHES.iter().find(|(_, how)| how == self).map(|(name, _)| *name);
        f.write_str(name.expect("every comparison has a name"))
    }
}

impl Display for Strand {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plus => "+",
            Self::Minus => "-",
        })
    }
}

/// With a blank in front, unless it is both.
impl Display for Side {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Both => "",
            Self::Upstream => " upstream",
            Self::Downstream => " downstream",
            Self::Left => " left",
            Self::Right => " right",
        })
    }
}

pub(super) const FIELDS: [(&str, Field); 34] = [
    ("id", Field::Id),
    ("locus_tag", Field::LocusTag),
    ("gene", Field::Gene),
    ("synonym", Field::Synonym),
    ("old_locus_tag", Field::OldLocusTag),
    ("protein_id", Field::ProteinId),
    ("product", Field::Product),
    ("function", Field::Function),
    ("note", Field::Note),
    ("ec", Field::Ec),
    ("go", Field::Go),
    ("db_xref", Field::DbXref),
    ("any_text", Field::AnyText),
    ("kind", Field::Kind),
    ("biotype", Field::Biotype),
    ("seqid", Field::Seqid),
    ("start", Field::Start),
    ("end", Field::End),
    ("strand", Field::Strand),
    ("length", Field::Length),
    ("bases", Field::Bases),
    ("aa", Field::Aa),
    ("gc", Field::Gc),
    ("start_codon", Field::StartCodon),
    ("transl_table", Field::TranslTable),
    ("weight", Field::MolecularWeight),
    ("pi", Field::IsoelectricPoint),
    ("parts", Field::Parts),
    ("members", Field::Members),
    ("density", Field::Density),
    ("relevance", Field::Relevance),
    ("pattern", Field::Pattern),
    ("genome", Field::Genome),
    ("location", Field::Location),
];

impl Display for Field {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Self::Qualifier(name) = self {
            return write!(f, "/{}", Word(name));
        }
        let name = FIELDS.iter().find(|(_, field)| field == self).map(|(name, _)| *name);
        f.write_str(name.expect("every field has a name"))
    }
}

impl Display for Order {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.by, if self.descending { " desc" } else { "" })
    }
}

impl Display for Extract {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dna => f.write_str("dna"),
            Self::Spliced => f.write_str("spliced"),
            Self::Protein => f.write_str("protein"),
            Self::Upstream(n) => write!(f, "upstream {n}"),
            Self::Downstream(n) => write!(f, "downstream {n}"),
            Self::Flanked(n) => write!(f, "flanked {n}"),
        }
    }
}

pub(super) const OUTPUTS: [(&str, Output); 6] = [
    ("table", Output::Table),
    ("json", Output::Json),
    ("csv", Output::Csv),
    ("tsv", Output::Tsv),
    ("fasta", Output::Fasta),
    ("gff3", Output::Gff3),
];

impl Display for Output {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let name = OUTPUTS.iter().find(|(_, output)| output == self).map(|(name, _)| *name);
        f.write_str(name.expect("every form has a name"))
    }
}
