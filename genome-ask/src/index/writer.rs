//! Rows into the tables of a new index.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::path::Path;

use genome_formats::{Cds, Forgiven};
use rusqlite::{Connection, Statement, params};

use super::facts::{Facts, Qualifiers, Role, is_unknown_function};
use super::residues::{PIECE, pack};
use crate::biology::protein::{isoelectric_point, molecular_weight};
use crate::error::{Error, Result};

/// A stretch of a feature, 1-based, the last base included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) strand: char,
}

/// A feature on its way into the index.
#[derive(Debug)]
pub(super) struct NewFeature<'a> {
    pub(super) seq: i64,
    pub(super) kind: &'a str,
    /// In the order of reading.
    pub(super) parts: Vec<Part>,
    pub(super) partial: bool,
    pub(super) qualifiers: &'a Qualifiers,
    /// The identifier of its locus, where the format tells more than the feature itself: the gene above it.
    pub(super) locus: Option<&'a str>,
    /// The coding sequence, where the feature is one and can be read.
    pub(super) cds: Option<Cds>,
    pub(super) pseudo: bool,
    pub(super) line: Option<u32>,
    pub(super) ordinal: u64,
}

/// A sequence on its way into the index.
#[derive(Debug, Default)]
pub(super) struct NewSequence<'a> {
    pub(super) name: &'a str,
    pub(super) description: Option<&'a str>,
    pub(super) organism: Option<&'a str>,
    pub(super) length: Option<u64>,
    pub(super) circular: bool,
    pub(super) line: Option<u64>,
    /// Other names, the best first.
    pub(super) names: Vec<String>,
}

pub(super) struct Writer<'c> {
    pub(super) db: &'c Connection,
    genome: i64,
    file: String,
    limit: u64,
    features: i64,
    parts: i64,
    sequences: i64,
    loci: HashMap<String, i64>,
    last_locus: i64,
    named: HashSet<u64>,
    hasher: RandomState,
    insert_feature: Statement<'c>,
    insert_part: Statement<'c>,
    insert_place: Statement<'c>,
    insert_qualifier: Statement<'c>,
    insert_term: Statement<'c>,
    insert_name: Statement<'c>,
    insert_words: Statement<'c>,
    insert_locus: Statement<'c>,
    insert_residues: Statement<'c>,
}

/// Qualifiers that are columns of a feature: their first value stands there.
const COLUMNS: [&str; 7] = ["translation", "locus_tag", "gene", "product", "protein_id", "codon_start", "transl_table"];

impl std::fmt::Debug for Writer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("genome", &self.genome).field("features", &self.features).finish_non_exhaustive()
    }
}

impl<'c> Writer<'c> {
    pub(super) fn new(db: &'c Connection, genome: i64, limit: u64) -> Result<Self> {
        let prepare = |sql: &str| db.prepare(sql);
        let last = |table: &str| -> Result<i64> {
            db.query_row(&format!("SELECT coalesce(max(id), 0) FROM {table}"), [], |row| row.get(0))
                .map_err(Error::from)
        };
        Ok(Self {
            db,
            genome,
            file: String::new(),
            limit,
            features: last("features")?,
            parts: last("parts")?,
            sequences: last("sequences")?,
            loci: HashMap::new(),
            last_locus: last("loci")?,
            named: HashSet::new(),
            hasher: RandomState::new(),
            insert_feature: prepare(
                "INSERT INTO features VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, \
                 ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33, ?34, ?35, ?36)",
            )?,
            insert_part: prepare("INSERT INTO parts VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?,
            insert_place: prepare("INSERT INTO part_index VALUES (?1, ?2, ?2, ?3, ?4)")?,
            insert_qualifier: prepare("INSERT INTO qualifiers VALUES (?1, ?2, ?3)")?,
            insert_term: prepare("INSERT INTO terms VALUES (?1, ?2, ?3)")?,
            insert_name: prepare("INSERT INTO names VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?,
            insert_words: prepare(
                "INSERT INTO words (rowid, names, product, function, note, go, ec) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?,
            insert_locus: prepare("INSERT INTO loci VALUES (?1, ?2, ?3)")?,
            insert_residues: prepare("INSERT INTO residues VALUES (?1, ?2, ?3, ?4)")?,
        })
    }

    /// The file that the following rows come from.
    pub(super) fn set_file(&mut self, file: &Path) {
        self.file = file.file_name().unwrap_or(file.as_os_str()).to_string_lossy().into_owned();
    }

    /// What is wrong with the genome's file, which was read in spite of that.
    pub(super) fn forgiven(&mut self, what: &Forgiven) -> Result<()> {
        if what.total() > 0 {
            let text = what.to_string();
            self.db.execute("UPDATE genomes SET forgiven = ?2 WHERE id = ?1", params![self.genome, text])?;
        }
        Ok(())
    }

    pub(super) fn sequence(&mut self, new: &NewSequence<'_>) -> Result<i64> {
        self.sequences += 1;
        let id = self.sequences;
        let length = new.length.map(|n| i64::try_from(n).unwrap_or(i64::MAX));
        let line = new.line.map(|n| i64::try_from(n).unwrap_or(i64::MAX));
        self.db.execute(
            "INSERT INTO sequences (id, genome, name, description, organism, length, circular, line, file) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            params![id, self.genome, new.name, new.description, new.organism, length, new.circular, line, self.file],
        )?;
        self.name_sequence(id, new.name, 0)?;
        for (rank, name) in (1..).zip(&new.names) {
            self.name_sequence(id, name, rank)?;
        }
        Ok(id)
    }

    /// Adds a name of a sequence; without its version and `chr` too.
    pub(super) fn name_sequence(&self, id: i64, name: &str, rank: i64) -> Result<()> {
        let fold = name.trim().to_lowercase();
        let mut names = vec![fold.clone()];
        if let Some((bare, version)) = fold.rsplit_once('.')
            && version.bytes().all(|b| b.is_ascii_digit())
            && !bare.is_empty()
        {
            names.push(bare.to_owned());
        }
        if let Some(bare) =
            fold.strip_prefix("chromosome ").or(fold.strip_prefix("chr")).filter(|bare| !bare.is_empty())
        {
            names.push(bare.to_owned());
        }
        for name in names {
            self.db.execute("INSERT INTO sequence_names VALUES (?1, ?2, ?3)", params![name, id, rank])?;
        }
        Ok(())
    }

    /// The letters of a sequence, their length and composition.
    fn residues(&mut self, seq: i64, letters: &[u8]) -> Result<()> {
        for (piece, letters) in (0i64..).zip(letters.chunks(PIECE)) {
            let (encoding, bytes) = pack(letters);
            self.insert_residues.execute(params![seq, piece, encoding, bytes])?;
        }
        let counts = composition(letters);
        let length = i64::try_from(letters.len()).unwrap_or(i64::MAX);
        self.db
            .execute(
                "UPDATE sequences SET length = ?2, has_residues = ?3, a = ?4, c = ?5, g = ?6, t = ?7, gc = ?8 WHERE id = ?1",
                params![seq, length, length > 0, counts[0], counts[1], counts[2], counts[3], gc_percent(counts)],
            )
            ?;
        Ok(())
    }

    /// The letters of a sequence, where there are any.
    pub(super) fn residues_or_length(&mut self, seq: i64, letters: &[u8]) -> Result<()> {
        if letters.is_empty() { Ok(()) } else { self.residues(seq, letters) }
    }

    /// The letters of a sequence that is in the index.
    pub(super) fn letters(&self, seq: i64) -> Result<Vec<u8>> {
        super::read_letters(self.db, seq, None)
    }

    /// What is known of a sequence after its letters.
    pub(super) fn describe_sequence(&self, seq: i64, circular: bool, organism: Option<&str>) -> Result<()> {
        self.db.execute(
            "UPDATE sequences SET circular = ?2, organism = coalesce(?3, organism) WHERE id = ?1",
            params![seq, circular, organism],
        )?;
        Ok(())
    }

    fn locus(&mut self, name: &str) -> Result<i64> {
        if let Some(id) = self.loci.get(name) {
            return Ok(*id);
        }
        self.last_locus += 1;
        let id = self.last_locus;
        self.insert_locus.execute(params![id, self.genome, name])?;
        self.loci.insert(name.to_owned(), id);
        Ok(id)
    }

    /// A feature of a sequence with these letters (none where they are not known) and this length.
    pub(super) fn feature(
        &mut self,
        new: &NewFeature<'_>,
        letters: &[u8],
        length: Option<u64>,
        circular: bool,
    ) -> Result<()> {
        if new.parts.is_empty() {
            return Ok(()); // All of it lies in other records.
        }
        if self.features as u64 >= self.limit {
            return Err(Error::TooMuch { what: "features of a genome", limit: self.limit });
        }
        let role = Role::of(new.kind);
        let facts = Facts::of(role, new.kind, new.qualifiers);
        let own = facts.locus_tag.or(new.locus).or(facts.gene).or(facts.protein_id).or(facts.id);
        let locus_name = if role == Role::Source { None } else { own.or(facts.name) };
        let locus = locus_name.map(|name| self.locus(name)).transpose()?;
        self.features += 1;
        let id = self.features;
        let place = Extent::of(&new.parts, length, circular, new.qualifiers.iter().any(|(n, _)| n == "trans_splicing"));
        let pseudo = new.pseudo || facts.pseudo;
        let spliced = letters_of(&new.parts, letters);
        let coding = new.cds.as_ref().map(|cds| Coding::of(cds, &facts, pseudo, &spliced, &new.parts));
        let coding = coding.unwrap_or_default();
        let protein = coding.protein.as_deref();
        let weight = protein.and_then(|p| molecular_weight(p.as_bytes()));
        let pi = protein.and_then(|p| isoelectric_point(p.as_bytes()));
        let gc = gc_percent(composition(&spliced));
        let bases: i64 = new.parts.iter().map(|p| p.end - p.start + 1).sum();
        let is_cds = role == Role::Cds;
        self.insert_feature.execute(params![
            id,
            self.genome,
            new.seq,
            locus,
            new.kind,
            role.name(),
            role == Role::Gene,
            place.start,
            place.end,
            place.strand.to_string(),
            place.wraps,
            i64::try_from(new.parts.len()).unwrap_or(i64::MAX),
            place.length,
            bases,
            facts.gene,
            facts.locus_tag,
            facts.protein_id,
            facts.name,
            facts.product,
            facts.biotype,
            pseudo,
            is_cds && !pseudo, // Refined when all features are there.
            is_cds && is_unknown_function(facts.product),
            new.partial,
            facts.translation.is_some(),
            coding.aa,
            coding.start_codon,
            coding.transl_table,
            coding.phase,
            weight,
            pi,
            gc,
            facts.translation,
            self.file,
            new.line,
            i64::try_from(new.ordinal).unwrap_or(i64::MAX),
        ])?;
        for (number, part) in (1i64..).zip(&new.parts) {
            self.parts += 1;
            let strand = part.strand.to_string();
            self.insert_part.execute(params![self.parts, id, number, part.start, part.end, strand])?;
            // Coordinates of the R-tree have 32 bits; beyond them the parts decide.
            let clamped = |n: i64| n.clamp(0, i64::from(i32::MAX));
            self.insert_place.execute(params![self.parts, new.seq, clamped(part.start), clamped(part.end)])?;
        }
        for (name, value) in new.qualifiers {
            let column = COLUMNS.contains(&name.as_str());
            let stands_there = match name.as_str() {
                "gene" => facts.gene == value.as_deref(),
                "product" => facts.product == value.as_deref(),
                "locus_tag" => facts.locus_tag == value.as_deref(),
                "protein_id" => facts.protein_id == value.as_deref(),
                _ => true,
            };
            if !(column && stands_there) {
                self.insert_qualifier.execute(params![id, name, value])?;
            }
        }
        for synonym in &facts.synonyms {
            self.insert_term.execute(params![id, "synonym", synonym])?;
        }
        for go in &facts.go {
            self.insert_term.execute(params![id, "go", go])?;
        }
        self.names(id, locus, locus_name, role, &facts)?;
        self.words(id, role, &facts, new.qualifiers)
    }

    fn names(
        &mut self,
        feature: i64,
        locus: Option<i64>,
        locus_name: Option<&str>,
        role: Role,
        facts: &Facts<'_>,
    ) -> Result<()> {
        let Some(locus) = locus else { return Ok(()) };
        let gene = role == Role::Gene;
        let mut names: Vec<(&str, i64, &str)> = Vec::new();
        names.extend(locus_name.map(|name| (name, 1, "id")));
        if role != Role::Part {
            names.extend(facts.gene.map(|name| (name, 1, "gene")));
            names.extend(facts.id.map(|name| (name, if gene { 1 } else { 3 }, "ID")));
            names.extend(facts.name.map(|name| (name, if gene { 1 } else { 3 }, "name")));
            names.extend(facts.synonyms.iter().map(|name| (*name, 2, "synonym")));
            names.extend(facts.protein_id.map(|name| (name, 3, "protein_id")));
            for reference in &facts.references {
                names.push((reference, 3, "db_xref"));
                names.extend(reference.split_once(':').map(|(_, accession)| (accession, 3, "db_xref")));
            }
        }
        for (name, rank, field) in names {
            let fold = name.to_lowercase();
            if self.named.insert(self.hasher.hash_one((&fold, locus, rank))) {
                self.insert_name.execute(params![fold, self.genome, locus, feature, rank, field])?;
            }
        }
        Ok(())
    }

    fn words(&mut self, feature: i64, role: Role, facts: &Facts<'_>, qualifiers: &Qualifiers) -> Result<()> {
        if matches!(role, Role::Part | Role::Source) {
            return Ok(());
        }
        let all = |names: &[&str]| -> String {
            let values = qualifiers.iter().filter(|(n, _)| names.iter().any(|name| name.eq_ignore_ascii_case(n)));
            values.filter_map(|(_, value)| value.as_deref()).collect::<Vec<_>>().join("; ")
        };
        let mut names: Vec<&str> = [facts.gene, facts.locus_tag, facts.name].into_iter().flatten().collect();
        names.extend(&facts.synonyms);
        let go = all(&["GO_process", "GO_function", "GO_component", "Ontology_term"]);
        self.insert_words.execute(params![
            feature,
            names.join(" "),
            facts.product.unwrap_or_default(),
            all(&["function"]),
            all(&["note", "description"]),
            go,
            all(&["EC_number"]),
        ])?;
        Ok(())
    }

    /// What can be told only when all features of a genome are there.
    pub(super) fn finish(&mut self) -> Result<()> {
        let genome = self.genome;
        let run = |sql: &str| self.db.execute(sql, [genome]);
        // Where a file has translations, a coding sequence without one is none.
        run("UPDATE features SET coding = translated AND NOT pseudo WHERE genome = ?1 AND role = 'cds' AND \
             EXISTS (SELECT 1 FROM features WHERE genome = ?1 AND role = 'cds' AND translated)")?;
        // A file without gene features: one for each locus stands in.
        run("UPDATE genomes SET genes_implied = 1 WHERE id = ?1 AND NOT EXISTS \
             (SELECT 1 FROM features WHERE genome = ?1 AND is_gene) AND EXISTS \
             (SELECT 1 FROM features WHERE genome = ?1 AND role IN ('cds', 'rna', 'transcript'))")?;
        run(
            "UPDATE features SET is_gene = 1 WHERE genome = ?1 AND (SELECT genes_implied FROM genomes WHERE id = ?1) AND id IN \
             (SELECT min(id) FROM features WHERE genome = ?1 AND (role IN ('cds', 'rna') OR (role = 'transcript' AND \
               (locus IS NOT NULL OR NOT EXISTS (SELECT 1 FROM features c WHERE c.genome = ?1 AND c.role = 'cds')))) \
              GROUP BY coalesce(locus, -id))",
        )?;
        run(
            "UPDATE features AS g SET coding = 1 WHERE genome = ?1 AND is_gene AND NOT pseudo AND (biotype = 'protein_coding' \
             OR EXISTS (SELECT 1 FROM features c WHERE c.locus = g.locus AND c.role = 'cds' AND c.coding))",
        )?;
        // Exons are told of a coding sequence or an RNA; a gene has those of its own.
        run(
            "UPDATE features AS g SET parts = max(parts, (SELECT max(c.parts) FROM features c WHERE c.locus = g.locus AND \
             c.role IN ('cds', 'rna'))) WHERE genome = ?1 AND is_gene AND EXISTS (SELECT 1 FROM features c WHERE \
             c.locus = g.locus AND c.role IN ('cds', 'rna'))",
        )?;
        run(
            "UPDATE features AS g SET product = (SELECT c.product FROM features c WHERE c.locus = g.locus AND c.product IS NOT NULL \
             ORDER BY c.id LIMIT 1) WHERE genome = ?1 AND is_gene AND product IS NULL AND locus IS NOT NULL",
        )?;
        run("UPDATE genomes SET has_annotation = EXISTS (SELECT 1 FROM features WHERE genome = ?1), \
             has_residues = EXISTS (SELECT 1 FROM sequences WHERE genome = ?1 AND has_residues), \
             organism = (SELECT organism FROM sequences WHERE genome = ?1 AND organism IS NOT NULL ORDER BY id LIMIT 1) \
             WHERE id = ?1")?;
        Ok(())
    }
}

/// A, C, G and T.
pub(crate) fn composition(letters: &[u8]) -> [i64; 4] {
    let mut counts = [0i64; 256];
    for letter in letters {
        counts[usize::from(*letter)] += 1;
    }
    let count = |letter: u8| counts[usize::from(letter)] + counts[usize::from(letter.to_ascii_lowercase())];
    [count(b'A'), count(b'C'), count(b'G'), count(b'T') + count(b'U')]
}

/// 100 (G+C)/(A+C+G+T).
pub(crate) fn gc_percent([a, c, g, t]: [i64; 4]) -> Option<f64> {
    let all = a + c + g + t;
    (all > 0).then(|| 100.0 * (g + c) as f64 / all as f64)
}

/// The letters of the parts in the order of reading; nothing where they are not known.
fn letters_of(parts: &[Part], letters: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let longest = 2 * letters.len() + 64; // slippage repeats a base or two, no more
    for part in parts {
        let span = usize::try_from(part.start - 1).ok().zip(usize::try_from(part.end).ok());
        let Some(piece) = span.and_then(|(start, end)| letters.get(start..end)) else { return Vec::new() };
        if out.len() + piece.len() > longest {
            return Vec::new();
        }
        if part.strand == '-' {
            out.extend(genome_formats::alphabet::reverse_complement(piece));
        } else {
            out.extend_from_slice(piece);
        }
    }
    out
}

/// What a coding sequence says beside its qualifiers.
#[derive(Debug, Default)]
struct Coding {
    aa: Option<i64>,
    start_codon: Option<String>,
    transl_table: Option<i64>,
    phase: Option<i64>,
    protein: Option<String>,
}

impl Coding {
    fn of(cds: &Cds, facts: &Facts<'_>, pseudo: bool, spliced: &[u8], parts: &[Part]) -> Self {
        let phase = usize::from(cds.phase);
        let start_codon =
            spliced.get(phase..phase + 3).map(|codon| String::from_utf8_lossy(codon).to_ascii_uppercase());
        let mut protein = facts.translation.map(str::to_owned);
        if protein.is_none() && !pseudo && !spliced.is_empty() {
            let translated = cds.translate_bases(spliced).ok();
            protein = translated.map(|p| String::from_utf8_lossy(&p.letters).into_owned());
        }
        let aa = match &protein {
            Some(protein) => i64::try_from(protein.len()).ok(),
            None if pseudo => None,
            // Without letters: whole codons, without the stop.
            None => {
                let bases: i64 = parts.iter().map(|p| p.end - p.start + 1).sum();
                let codons = (bases - i64::from(cds.phase)) / 3;
                Some((codons - i64::from(!cds.partial_3)).max(0))
            }
        };
        Self {
            aa,
            start_codon,
            transl_table: Some(i64::from(cds.code.id())),
            phase: Some(i64::from(cds.phase)),
            protein,
        }
    }
}

/// From the first to the last base; over the origin of a ring the end comes first.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) length: i64,
    pub(super) strand: char,
    pub(super) wraps: bool,
}

impl Extent {
    pub(super) fn of(parts: &[Part], length: Option<u64>, circular: bool, trans_spliced: bool) -> Self {
        let first = parts[0];
        let strand = if parts.iter().all(|p| p.strand == first.strand) { first.strand } else { '.' };
        let start = parts.iter().map(|p| p.start).min().unwrap_or(1);
        let end = parts.iter().map(|p| p.end).max().unwrap_or(0);
        let length =
            length.and_then(|n| i64::try_from(n).ok()).filter(|_| circular && strand != '.' && parts.len() > 1);
        if let Some(length) = length {
            // Along the sequence, whatever the strand.
            let mut along: Vec<Part> = parts.to_vec();
            if strand == '-' {
                along.reverse();
            }
            let descents: Vec<usize> = (1..along.len()).filter(|i| along[*i].start < along[i - 1].start).collect();
            if let [at] = descents[..] {
                let touches = along[at - 1].end == length && along[at].start == 1;
                if touches || !trans_spliced {
                    let (start, end) = (along[0].start, along[along.len() - 1].end);
                    return Self { start, end, length: length - start + 1 + end, strand, wraps: true };
                }
            }
        }
        Self { start, end, length: end - start + 1, strand, wraps: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extents_go_over_the_origin() {
        let part = |start, end, strand| Part { start, end, strand };
        let check = |parts: &[Part], circular, trans, expected: (i64, i64, i64, bool)| {
            let extent = Extent::of(parts, Some(100), circular, trans);
            assert_eq!((extent.start, extent.end, extent.length, extent.wraps), expected, "{parts:?}");
        };
        check(&[part(90, 100, '+'), part(1, 10, '+')], true, false, (90, 10, 21, true));
        check(&[part(1, 10, '-'), part(90, 100, '-')], true, false, (90, 10, 21, true));
        check(&[part(90, 100, '+'), part(1, 10, '+')], false, false, (1, 100, 100, false));
        check(&[part(80, 90, '-'), part(20, 30, '-')], true, false, (20, 90, 71, false));
        check(&[part(20, 30, '-'), part(80, 90, '-')], true, true, (20, 90, 71, false)); // rps12
        check(&[part(90, 100, '+'), part(1, 10, '-')], true, false, (1, 100, 100, false));
    }
}
