//! Lines grouped into features: parts by `ID`, children by `Parent`, and coding sequences.

use std::collections::hash_map::DefaultHasher;
use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::io::Read;

use super::reader::{GffReader, Step};
use super::record::{GffDialect, GffRecord, GffStrand};
use crate::coord::{Span, Strand};
use crate::error::{Error, ErrorKind, Result, quote};

/// A feature: its lines, and its place among the others of a [`FeatureTree`].
#[derive(Debug, Clone, PartialEq)]
pub struct TreeFeature {
    id: Option<String>,
    records: Vec<GffRecord>,
    parents: Vec<usize>,
    children: Vec<usize>,
    implied: bool,
}

impl TreeFeature {
    /// `ID` in GFF3; `gene_id` or `transcript_id` of a gene or transcript in GTF.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The lines of the feature in the order of the file, at least one: several where it is discontinuous.
    pub fn records(&self) -> &[GffRecord] {
        &self.records
    }

    /// The first line.
    pub fn first(&self) -> &GffRecord {
        &self.records[0]
    }

    /// From the first base of all lines to the last.
    pub fn span(&self) -> Span {
        hull(self.records.iter().map(|record| record.span)).unwrap_or(self.records[0].span)
    }

    /// The features that this one is part of, as indices of [`FeatureTree::features`].
    pub fn parents(&self) -> &[usize] {
        &self.parents
    }

    /// The parts of this feature in the order of the file, as indices of [`FeatureTree::features`].
    pub fn children(&self) -> &[usize] {
        &self.children
    }

    /// Whether the file has no line for this feature: genes and transcripts of GTF that only their exons name.
    pub fn is_implied(&self) -> bool {
        self.implied
    }
}

/// A part of a coding sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodingPart {
    /// Where the part lies.
    pub span: Span,
    /// Its strand; the parts of a trans-spliced gene may differ.
    pub strand: Option<Strand>,
    /// How many bases, 0 to 2, to remove from the front of the part to reach a codon.
    pub phase: Option<u8>,
}

/// A coding sequence: the `CDS` lines that make one protein.
#[derive(Debug, Clone, PartialEq)]
pub struct CodingSequence<'a> {
    /// `ID` in GFF3, `transcript_id` in GTF.
    pub id: Option<&'a str>,
    /// The transcripts or genes that it is part of, as indices of [`FeatureTree::features`].
    pub parents: &'a [usize],
    /// Its first line in the file, for the sequence and attributes like `transl_table`.
    pub record: &'a GffRecord,
    /// The parts in the order of translation.
    pub parts: Vec<CodingPart>,
    /// GTF: the stop codon, which is not part of the `CDS` lines there. Empty in GFF3, whose `CDS` lines have it.
    pub stop_codon: Vec<CodingPart>,
}

/// Features with their parts, in the order in which the file names them first. Lines may come in any order.
///
/// ```
/// use genome_formats::{FeatureTree, GffDialect, GffReader, Span};
///
/// let text: &[u8] = b"c\t.\tCDS\t20\t28\t.\t-\t0\tID=p;Parent=t\n\
///     c\t.\tCDS\t5\t10\t.\t-\t0\tID=p;Parent=t\n\
///     c\t.\tmRNA\t1\t30\t.\t-\t.\tID=t\n";
/// let tree = FeatureTree::read(&mut GffReader::new("x.gff3", text, GffDialect::Gff3))?;
/// let transcript = &tree.features()[tree.get("t").unwrap()];
/// assert_eq!(transcript.children().len(), 1); // one CDS of two lines
/// let coding = tree.coding_sequences();
/// assert_eq!(coding[0].parts[0].span, Span::new(19, 28).unwrap()); // the reverse strand is read from its end
/// # Ok::<(), genome_formats::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct FeatureTree {
    features: Vec<TreeFeature>,
    ids: HashMap<Key, usize>,
    dialect: Option<GffDialect>,
}

/// What a feature is found by. The identifiers of GTF are unique within their level only.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Id(String),
    Gene(String, String),
    Transcript(String, String, String),
}

/// A reference to a feature that may come later.
#[derive(Debug)]
struct Link {
    child: usize,
    parent: Key,
    line: u64,
}

impl FeatureTree {
    /// Reads the rest of the file.
    ///
    /// # Errors
    ///
    /// Reading fails, a `Parent` names no feature, features are parts of each other, lines with one `ID` are of several
    /// kinds, or the features take more than [`Limits::max_table`](crate::Limits::max_table) bytes. A lenient reader
    /// forgives all but the last.
    pub fn read<R: Read>(reader: &mut GffReader<R>) -> Result<Self> {
        let mut builder = Builder::new(reader.dialect());
        while let Some(step) = reader.step()? {
            builder.take(reader, step)?;
        }
        builder.finish(reader)
    }

    /// Reads up to the next `###`, behind which nothing refers to what is above: memory holds one block of the file at a
    /// time. `None` at the end.
    ///
    /// # Errors
    ///
    /// As [`FeatureTree::read`]; a `Parent` outside of the block is not found.
    pub fn read_block<R: Read>(reader: &mut GffReader<R>) -> Result<Option<Self>> {
        let mut builder = Builder::new(reader.dialect());
        while let Some(step) = reader.step()? {
            let ends = matches!(step, Step::Resolved) && !builder.tree.features.is_empty();
            builder.take(reader, step)?;
            if ends {
                break;
            }
        }
        if builder.tree.features.is_empty() {
            return Ok(None);
        }
        builder.finish(reader).map(Some)
    }

    /// All features.
    pub fn features(&self) -> &[TreeFeature] {
        &self.features
    }

    /// The feature with this `ID`; in GTF the first gene or transcript.
    pub fn get(&self, id: &str) -> Option<usize> {
        if self.dialect == Some(GffDialect::Gff3) {
            return self.ids.get(&Key::Id(id.to_owned())).copied();
        }
        self.features.iter().position(|feature| feature.id() == Some(id))
    }

    /// The features that are part of no other.
    pub fn roots(&self) -> impl Iterator<Item = usize> {
        self.features.iter().enumerate().filter(|(_, feature)| feature.parents.is_empty()).map(|(i, _)| i)
    }

    /// The coding sequences: each `CDS` feature with an `ID` is one, `CDS` lines without an `ID` are one for each parent, and in
    /// GTF there is one for each transcript.
    ///
    /// Parts are in the order of translation: by the attribute `part` where all lines have it (as NCBI writes), as in the
    /// file where strands differ, and along the strand else.
    pub fn coding_sequences(&self) -> Vec<CodingSequence<'_>> {
        let mut out = Vec::new();
        let of_kind = |kind: &'static str| {
            move |i: &&usize| self.features[**i].id.is_none() && self.features[**i].first().kind == kind
        };
        for feature in &self.features {
            if feature.id.is_some() && feature.first().kind == "CDS" {
                out.push(CodingSequence {
                    id: feature.id(),
                    parents: &feature.parents,
                    record: feature.first(),
                    parts: ordered(feature.records.iter().collect()),
                    stop_codon: Vec::new(),
                });
            }
            let lines = |kind| {
                let parts = feature.children.iter().filter(of_kind(kind));
                parts.flat_map(|&i| &self.features[i].records).collect::<Vec<_>>()
            };
            let cds = lines("CDS");
            if let Some(&record) = cds.first() {
                let gtf = self.dialect == Some(GffDialect::Gtf);
                let first = feature.children.iter().position(|i| of_kind("CDS")(&i)).expect("there is one");
                let child = &self.features[feature.children[first]];
                let place = child.parents.iter().position(|&p| std::ptr::eq(&self.features[p], feature));
                let place = place.expect("children know their parents");
                out.push(CodingSequence {
                    id: feature.id().filter(|_| gtf),
                    parents: &child.parents[place..=place],
                    record,
                    parts: ordered(cds),
                    stop_codon: if gtf { ordered(lines("stop_codon")) } else { Vec::new() },
                });
            }
        }
        // Lines that nothing holds together.
        for feature in &self.features {
            if feature.id.is_none() && feature.parents.is_empty() && feature.first().kind == "CDS" {
                out.push(CodingSequence {
                    id: None,
                    parents: &[],
                    record: feature.first(),
                    parts: ordered(feature.records.iter().collect()),
                    stop_codon: Vec::new(),
                });
            }
        }
        out
    }
}

/// The parts in the order of translation.
fn ordered(mut records: Vec<&GffRecord>) -> Vec<CodingPart> {
    let number = |record: &GffRecord| record.attributes.get("part")?.split('/').next()?.parse::<u64>().ok();
    if records.iter().all(|record| number(record).is_some()) {
        records.sort_by_key(|record| number(record));
    } else if records.iter().all(|record| record.strand == GffStrand::Reverse) {
        records.sort_by_key(|record| std::cmp::Reverse(record.span.end()));
    } else if records.iter().all(|record| record.strand != GffStrand::Reverse) {
        records.sort_by_key(|record| record.span.start());
    }
    let part = |r: &&GffRecord| CodingPart { span: r.span, strand: r.strand.known(), phase: r.phase };
    records.iter().map(part).collect()
}

fn hull(spans: impl Iterator<Item = Span>) -> Option<Span> {
    spans.reduce(|a, b| {
        Span::new(a.start().min(b.start()), a.end().max(b.end()))
            .expect("the smaller start is not behind the larger end")
    })
}

struct Builder {
    tree: FeatureTree,
    dialect: GffDialect,
    links: Vec<Link>,
    /// Bytes in memory, roughly.
    kept: u64,
}

impl Builder {
    fn new(dialect: GffDialect) -> Self {
        let tree = FeatureTree { dialect: Some(dialect), ..FeatureTree::default() };
        Self { tree, dialect, links: Vec::new(), kept: 0 }
    }

    fn take<R: Read>(&mut self, reader: &mut GffReader<R>, step: Step) -> Result<()> {
        if step == Step::Resolved {
            return Ok(());
        }
        let line = reader.lines.line();
        self.kept += 4 * line.len() as u64 + 400;
        if self.kept > reader.guard.limits.max_table {
            let problem = format!("the features take more than {} bytes", reader.guard.limits.max_table);
            let error = reader.lines.error(ErrorKind::Limit, problem);
            return reader.fail(error);
        }
        let record = reader.view().to_record();
        let number = reader.lines.number();
        match self.dialect {
            GffDialect::Gff3 => self.take_gff3(reader, record, number),
            GffDialect::Gtf => {
                self.take_gtf(record, number);
                Ok(())
            }
            GffDialect::Gff2 => {
                self.add(None, None, record);
                Ok(())
            }
        }
    }

    fn take_gff3<R: Read>(&mut self, reader: &mut GffReader<R>, record: GffRecord, line: u64) -> Result<()> {
        let id = record.attributes.get("ID").map(str::to_owned);
        let parents: Vec<String> = record.attributes.get_all("Parent").to_vec();
        let known = id.as_ref().and_then(|id| self.tree.ids.get(&Key::Id(id.clone())).copied());
        let child = match known {
            // GFF3 1.26, "ID": lines with one ID are parts of one discontinuous feature.
            Some(index) => {
                let kind = &self.tree.features[index].first().kind;
                if *kind != record.kind {
                    let error = reader.lines.error(ErrorKind::Duplicate, "lines with one ID are of several kinds");
                    let error = error.expecting(quote(kind.as_bytes())).finding(quote(record.kind.as_bytes()));
                    let error = error.in_record(id.as_deref().unwrap_or_default());
                    reader.forgive("id-kind", error)?;
                }
                self.tree.features[index].records.push(record);
                index
            }
            None => self.add(id.clone().map(Key::Id), id, record),
        };
        for parent in parents {
            self.links.push(Link { child, parent: Key::Id(parent), line });
        }
        Ok(())
    }

    fn take_gtf(&mut self, record: GffRecord, line: u64) {
        let text = |key: &str| record.attributes.get(key).unwrap_or_default().to_owned();
        let (seq, gene, transcript) = (record.seq_name.clone(), text("gene_id"), text("transcript_id"));
        let has_transcript = !transcript.is_empty() && record.kind != "gene";
        let gene_key = Key::Gene(seq.clone(), gene.clone());
        let transcript_key = Key::Transcript(seq, gene.clone(), transcript.clone());
        let (key, id, parent) = match &*record.kind {
            "gene" => (Some(gene_key), Some(gene), None),
            "transcript" if has_transcript => (Some(transcript_key), Some(transcript), Some(gene_key)),
            _ if has_transcript => (None, None, Some(transcript_key)),
            _ => (None, None, Some(gene_key)),
        };
        let known = key.as_ref().and_then(|key| self.tree.ids.get(key).copied());
        let child = match known {
            Some(index) => {
                self.tree.features[index].records.push(record);
                index
            }
            None => self.add(key, id, record),
        };
        if let Some(parent) = parent {
            self.links.push(Link { child, parent, line });
        }
    }

    fn add(&mut self, key: Option<Key>, id: Option<String>, record: GffRecord) -> usize {
        let index = self.tree.features.len();
        let (parents, children) = (Vec::new(), Vec::new());
        self.tree.features.push(TreeFeature { id, records: vec![record], parents, children, implied: false });
        if let Some(key) = key {
            self.tree.ids.insert(key, index);
        }
        index
    }

    fn finish<R: Read>(mut self, reader: &mut GffReader<R>) -> Result<FeatureTree> {
        if self.dialect == GffDialect::Gtf {
            self.imply();
        }
        let mut linked = HashSet::new();
        for Link { child, parent, line } in std::mem::take(&mut self.links) {
            let Some(&index) = self.tree.ids.get(&parent) else {
                let Key::Id(parent) = &parent else { unreachable!("genes and transcripts of GTF are implied") };
                let error = unknown_parent(reader.lines.name(), line).finding(quote(parent.as_bytes()));
                reader.forgive("unknown-parent", error)?;
                continue;
            };
            if linked.insert((child, index)) {
                self.tree.features[child].parents.push(index);
                self.tree.features[index].children.push(child);
            }
        }
        self.cut_cycles(reader)?;
        Ok(self.tree)
    }

    /// Adds the genes and transcripts that only their parts name.
    fn imply(&mut self) {
        for level in 0..2 {
            let mut added: HashMap<Key, usize> = HashMap::new();
            let mut seen = HashSet::new();
            for at in 0..self.links.len() {
                let Link { child, ref parent, line } = self.links[at];
                let parent = parent.clone();
                let (kind, gene) = match &parent {
                    Key::Transcript(seq, gene, _) if level == 0 => {
                        ("transcript", Some(Key::Gene(seq.clone(), gene.clone())))
                    }
                    Key::Gene(..) if level == 1 => ("gene", None),
                    _ => continue,
                };
                if !seen.insert(child) {
                    continue; // another line of a feature that was looked at as a whole
                }
                let span = self.tree.features[child].span();
                match added.get(&parent) {
                    Some(&index) => {
                        let record = &mut self.tree.features[index].records[0];
                        record.span = hull([record.span, span].into_iter()).unwrap_or(span);
                    }
                    None if self.tree.ids.contains_key(&parent) => {}
                    None => {
                        let (Key::Gene(_, id) | Key::Transcript(_, _, id) | Key::Id(id)) = &parent;
                        let id = id.clone();
                        let model = self.tree.features[child].first();
                        let names = ["gene_id", "transcript_id"];
                        let names =
                            names.iter().take(2 - level).filter_map(|key| Some((*key, model.attributes.get(key)?)));
                        let record = GffRecord {
                            kind: kind.to_owned(),
                            span,
                            score: None,
                            phase: None,
                            attributes: names.collect(),
                            ..model.clone()
                        };
                        let index = self.add(Some(parent.clone()), Some(id), record);
                        self.tree.features[index].implied = true;
                        added.insert(parent, index);
                        if let Some(gene) = gene {
                            self.links.push(Link { child: index, parent: gene, line });
                        }
                    }
                }
            }
        }
    }

    /// Features that are, through others, part of themselves lose their parents, unless that is an error.
    fn cut_cycles<R: Read>(&mut self, reader: &mut GffReader<R>) -> Result<()> {
        let features = &mut self.tree.features;
        let mut open: Vec<usize> = features.iter().map(|feature| feature.parents.len()).collect();
        let mut ready: Vec<usize> = (0..open.len()).filter(|&i| open[i] == 0).collect();
        while let Some(index) = ready.pop() {
            for &child in &features[index].children {
                open[child] -= 1;
                if open[child] == 0 {
                    ready.push(child);
                }
            }
        }
        let Some(first) = open.iter().position(|&n| n > 0) else { return Ok(()) };
        let error = Error::new(ErrorKind::Syntax, reader.lines.name(), "features are parts of each other");
        reader.forgive("parent-cycle", error.in_record(features[first].id().unwrap_or_default()))?;
        for index in 0..features.len() {
            if open[index] > 0 {
                features[index].parents.clear();
            }
            features[index].children.retain(|&child| open[child] == 0);
        }
        Ok(())
    }
}

impl<R: Read> GffReader<R> {
    /// Reads the rest of the file and checks that each `Parent` is the `ID` of a line, whatever their order; gives the number
    /// of lines. Only a hash of each identifier is kept, some 30 bytes, so that this fits where a [`FeatureTree`] does not.
    ///
    /// # Errors
    ///
    /// Reading fails, a `Parent` leads nowhere (a lenient reader forgives that), or the hashes take more than
    /// [`Limits::max_table`](crate::Limits::max_table) bytes.
    pub fn check_parents(&mut self) -> Result<u64> {
        const BYTES: u64 = 32;
        let most = self.guard.limits.max_table / BYTES;
        let mut lines = 0;
        let mut ids = HashSet::new();
        // By the hash of a name that was not seen yet: the first line that refers to it.
        let mut wanted = HashMap::new();
        let hash = |text: &[u8]| {
            let mut hasher = DefaultHasher::new();
            text.hash(&mut hasher);
            hasher.finish()
        };
        while let Some(step) = self.step()? {
            if step == Step::Resolved {
                continue;
            }
            lines += 1;
            if self.dialect() != GffDialect::Gff3 {
                continue;
            }
            let view = self.view();
            if let Some(id) = view.attribute(b"ID") {
                let id = hash(&id);
                ids.insert(id);
                wanted.remove(&id);
            }
            for parent in view.attribute_values(b"Parent") {
                let parent = hash(&parent);
                if !ids.contains(&parent) {
                    wanted.entry(parent).or_insert(self.lines.number());
                }
            }
            if (ids.len() + wanted.len()) as u64 > most {
                let problem = format!("the identifiers take more than {} bytes", self.guard.limits.max_table);
                let error = self.lines.error(ErrorKind::Limit, problem);
                self.fail(error)?;
            }
        }
        let mut wanted: Vec<u64> = wanted.into_values().collect();
        wanted.sort_unstable();
        for line in wanted {
            let error = unknown_parent(self.lines.name(), line);
            self.forgive("unknown-parent", error)?;
        }
        Ok(lines)
    }

    /// As the guard, for rules that are broken between lines.
    fn forgive(&mut self, rule: &'static str, error: Error) -> Result<()> {
        match self.guard.forgive(rule, error) {
            Ok(()) => Ok(()),
            Err(error) => self.fail(error),
        }
    }

    /// Remembers a failure.
    fn fail(&mut self, error: Error) -> Result<()> {
        self.guard.note::<()>(self.lines.name(), Err(error)).map(|_| ())
    }
}

fn unknown_parent(path: &str, line: u64) -> Error {
    Error::new(ErrorKind::Syntax, path, "a Parent that no line has as its ID").at_line(line).at_column(9)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::Mode;
    use proptest::prelude::*;

    fn tree(text: &str, dialect: GffDialect, mode: Mode) -> Result<FeatureTree> {
        FeatureTree::read(&mut GffReader::new("x.gff", text.as_bytes(), dialect).with_mode(mode))
    }

    fn gff3(lines: &[(&str, u64, u64, char, &str)]) -> String {
        let line = |(kind, start, end, strand, attributes): &(&str, u64, u64, char, &str)| {
            let phase = if *kind == "CDS" { "0" } else { "." };
            format!("c\t.\t{kind}\t{start}\t{end}\t.\t{strand}\t{phase}\t{attributes}\n")
        };
        lines.iter().map(line).collect()
    }

    /// Kind, id, and children of each feature.
    fn show(tree: &FeatureTree) -> Vec<String> {
        let feature = |f: &TreeFeature| {
            let implied = if f.implied { "*" } else { "" };
            format!("{}{implied} {} x{} {:?}", f.first().kind, f.id().unwrap_or("-"), f.records.len(), f.children)
        };
        tree.features.iter().map(feature).collect()
    }

    fn parts(coding: &CodingSequence<'_>) -> Vec<(u64, u64)> {
        coding.parts.iter().map(|part| (part.span.start() + 1, part.span.end())).collect()
    }

    #[test]
    fn parents_may_come_late_and_be_many() {
        let text = gff3(&[
            ("exon", 1, 5, '+', "Parent=t1,t2"),
            ("CDS", 2, 4, '+', "ID=p;Parent=t1"),
            ("mRNA", 1, 30, '+', "ID=t1;Parent=g"),
            ("gene", 1, 30, '+', "ID=g"),
            ("CDS", 10, 12, '+', "ID=p;Parent=t1"),
            ("mRNA", 1, 30, '+', "ID=t2;Parent=g"),
        ]);
        let tree = tree(&text, GffDialect::Gff3, Mode::Strict).unwrap();
        let expected = ["exon - x1 []", "CDS p x2 []", "mRNA t1 x1 [0, 1]", "gene g x1 [2, 4]", "mRNA t2 x1 [0]"];
        assert_eq!(show(&tree), expected);
        assert_eq!(tree.features[0].parents(), [2, 4]);
        assert_eq!(tree.roots().collect::<Vec<_>>(), [3]);
        assert_eq!((tree.get("p"), tree.get("x")), (Some(1), None));
        assert_eq!(tree.features[1].span(), Span::new(1, 12).unwrap());
    }

    #[test]
    fn coding_sequences_are_in_the_order_of_translation() {
        let check = |lines: &[(&str, u64, u64, char, &str)], expected: &[&[(u64, u64)]]| {
            let tree = tree(&gff3(lines), GffDialect::Gff3, Mode::Lenient).unwrap();
            assert_eq!(tree.coding_sequences().iter().map(parts).collect::<Vec<_>>(), expected);
        };
        let p = "ID=p";
        check(&[("CDS", 7, 9, '+', p), ("CDS", 1, 3, '+', p)], &[&[(1, 3), (7, 9)]]);
        check(&[("CDS", 1, 3, '-', p), ("CDS", 7, 9, '-', p)], &[&[(7, 9), (1, 3)]]);
        // trans-splicing, and the origin of a circle
        check(&[("CDS", 7, 9, '-', p), ("CDS", 1, 3, '+', p), ("CDS", 20, 22, '-', p)], &[&[(7, 9), (1, 3), (20, 22)]]);
        check(&[("CDS", 1, 3, '+', "ID=p;part=2/2"), ("CDS", 7, 9, '+', "ID=p;part=1/2")], &[&[(7, 9), (1, 3)]]);
        // without an ID, one for each parent
        let lines = [
            ("mRNA", 1, 9, '+', "ID=a"),
            ("mRNA", 1, 9, '+', "ID=b"),
            ("CDS", 7, 9, '+', "Parent=b"),
            ("CDS", 1, 3, '+', "Parent=a,b"),
        ];
        check(&lines, &[&[(1, 3)], &[(1, 3), (7, 9)]]);
        check(&[("CDS", 7, 9, '+', "."), ("CDS", 1, 3, '+', ".")], &[&[(7, 9)], &[(1, 3)]]);
    }

    #[test]
    fn broken_links() {
        let check = |lines: &[(&str, u64, u64, char, &str)], expected: &str, rule: &str| {
            let text = gff3(lines);
            let error = tree(&text, GffDialect::Gff3, Mode::Strict).unwrap_err();
            assert_eq!(error.to_string(), expected);
            let mut reader = GffReader::new("x.gff", text.as_bytes(), GffDialect::Gff3).with_mode(Mode::Lenient);
            FeatureTree::read(&mut reader).unwrap();
            assert_eq!(reader.forgiven().iter().map(|(rule, ..)| rule).collect::<Vec<_>>(), [rule]);
        };
        check(
            &[("gene", 1, 3, '+', "ID=g"), ("exon", 1, 3, '+', "Parent=x")],
            "x.gff:2: column 9: a Parent that no line has as its ID: found \"x\"",
            "unknown-parent",
        );
        check(
            &[("gene", 1, 3, '+', "ID=g"), ("mRNA", 1, 3, '+', "ID=g")],
            "x.gff:2: byte 24: lines with one ID are of several kinds in record \"g\": expected \"gene\", found \"mRNA\"",
            "id-kind",
        );
        check(
            &[("a", 1, 3, '+', "ID=a;Parent=b"), ("b", 1, 3, '+', "ID=b;Parent=a"), ("c", 1, 2, '+', "Parent=b")],
            "x.gff: features are parts of each other in record \"a\"",
            "parent-cycle",
        );
        check(
            &[("a", 1, 3, '+', "ID=a;Parent=a")],
            "x.gff: features are parts of each other in record \"a\"",
            "parent-cycle",
        );
    }

    #[test]
    fn parents_are_checked_without_a_tree() {
        let check = |text: &str, expected: std::result::Result<u64, &str>| {
            let mut reader = GffReader::new("x.gff", text.as_bytes(), GffDialect::Gff3);
            let outcome = reader.check_parents().map_err(|error| error.to_string());
            assert_eq!(outcome.as_ref().copied().map_err(|error| &**error), expected);
        };
        let good =
            gff3(&[("exon", 1, 3, '+', "Parent=g%2C,h"), ("gene", 1, 3, '+', "ID=h"), ("gene", 1, 3, '+', "ID=g%2c")]);
        check(&good, Ok(3));
        check(&gff3(&[("exon", 1, 3, '+', "Parent=g")]), Err("x.gff:1: column 9: a Parent that no line has as its ID"));
    }

    #[test]
    fn blocks_end_at_resolved_marks() {
        let gene = gff3(&[("gene", 1, 3, '+', "ID=g"), ("exon", 1, 3, '+', "Parent=g")]);
        let text = format!("###\n{gene}###\n###\n{gene}");
        let mut reader = GffReader::new("x.gff", text.as_bytes(), GffDialect::Gff3);
        for _ in 0..2 {
            assert_eq!(FeatureTree::read_block(&mut reader).unwrap().unwrap().features().len(), 2);
        }
        assert_eq!(FeatureTree::read_block(&mut reader).unwrap(), None);
    }

    #[test]
    fn gtf_implies_genes_and_transcripts() {
        let ids = "gene_id \"g\"; transcript_id \"t\";";
        let text = format!(
            "c\ts\tCDS\t11\t20\t.\t-\t0\t{ids}\nc\ts\tstop_codon\t8\t10\t.\t-\t0\t{ids}\nc\ts\tCDS\t31\t40\t.\t-\t0\t{ids}\n\
             c\ts\tgene\t1\t50\t.\t-\t.\tgene_id \"h\";\n"
        );
        let tree = tree(&text, GffDialect::Gtf, Mode::Strict).unwrap();
        let expected = [
            "CDS - x1 []",
            "stop_codon - x1 []",
            "CDS - x1 []",
            "gene h x1 []",
            "transcript* t x1 [0, 1, 2]",
            "gene* g x1 [4]",
        ];
        assert_eq!(show(&tree), expected);
        assert_eq!(tree.features[5].span(), Span::new(7, 40).unwrap());
        assert_eq!(tree.features[5].first().attributes.iter().count(), 1);
        let coding = &tree.coding_sequences()[0];
        assert_eq!((coding.id, parts(coding), coding.stop_codon.len()), (Some("t"), vec![(31, 40), (11, 20)], 1));
        assert_eq!(coding.parents, [4]);
    }

    proptest! {
        #[test]
        fn links_agree_and_nothing_panics(lines in proptest::collection::vec(("[a-d]", "[a-e]?", "[a-e]?"), 0..12)) {
            let text: String = lines.iter().map(|(kind, id, parent)| {
                let kind = if kind == "d" { "CDS" } else { kind };
                let id = if id.is_empty() { String::new() } else { format!("ID={id};") };
                let parent = if parent.is_empty() { String::new() } else { format!("Parent={parent}") };
                format!("c\t.\t{kind}\t1\t3\t.\t+\t0\t{id}{parent}\n")
            }).collect();
            let tree = tree(&text, GffDialect::Gff3, Mode::Lenient).unwrap();
            for (i, feature) in tree.features().iter().enumerate() {
                prop_assert!(feature.parents().iter().all(|&p| tree.features()[p].children().contains(&i)));
                prop_assert!(feature.children().iter().all(|&c| tree.features()[c].parents().contains(&i)));
            }
            let lines_in_tree: usize = tree.features().iter().map(|feature| feature.records().len()).sum();
            prop_assert_eq!(lines_in_tree, lines.len());
            let _ = tree.coding_sequences();
        }
    }
}
