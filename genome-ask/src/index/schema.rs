//! The tables of an index. Coordinates in it are 1-based and include the last base, so that the SQL that is shown reads as the
//! answers do.

/// Rises with every change of the tables: an index of another version is built again.
pub(super) const SCHEMA_VERSION: i64 = 3;

pub(super) const TABLES: &str = "
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE genomes (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, format TEXT NOT NULL,
    has_annotation INTEGER NOT NULL DEFAULT 0, has_residues INTEGER NOT NULL DEFAULT 0,
    genes_implied INTEGER NOT NULL DEFAULT 0, unnamed INTEGER NOT NULL DEFAULT 0, organism TEXT,
    forgiven TEXT);
CREATE TABLE files (genome INTEGER NOT NULL, path TEXT NOT NULL, sha256 TEXT NOT NULL, bytes INTEGER NOT NULL, modified INTEGER NOT NULL);
CREATE TABLE sequences (
    id INTEGER PRIMARY KEY, genome INTEGER NOT NULL, name TEXT NOT NULL, description TEXT, organism TEXT,
    length INTEGER, circular INTEGER NOT NULL DEFAULT 0, has_residues INTEGER NOT NULL DEFAULT 0,
    a INTEGER NOT NULL DEFAULT 0, c INTEGER NOT NULL DEFAULT 0, g INTEGER NOT NULL DEFAULT 0, t INTEGER NOT NULL DEFAULT 0,
    gc REAL, line INTEGER, file TEXT NOT NULL);
CREATE TABLE sequence_names (fold TEXT NOT NULL, seq INTEGER NOT NULL, rank INTEGER NOT NULL);
CREATE TABLE residues (seq INTEGER NOT NULL, piece INTEGER NOT NULL, encoding INTEGER NOT NULL, letters BLOB NOT NULL,
    PRIMARY KEY (seq, piece)) WITHOUT ROWID;
CREATE TABLE loci (id INTEGER PRIMARY KEY, genome INTEGER NOT NULL, name TEXT NOT NULL);
CREATE TABLE features (
    id INTEGER PRIMARY KEY, genome INTEGER NOT NULL, seq INTEGER NOT NULL, locus INTEGER,
    kind TEXT NOT NULL COLLATE NOCASE, role TEXT NOT NULL, is_gene INTEGER NOT NULL DEFAULT 0,
    start INTEGER NOT NULL, \"end\" INTEGER NOT NULL, strand TEXT NOT NULL, wraps INTEGER NOT NULL,
    parts INTEGER NOT NULL, length INTEGER NOT NULL, bases INTEGER NOT NULL,
    gene TEXT, locus_tag TEXT, protein_id TEXT, name TEXT, product TEXT, biotype TEXT,
    pseudo INTEGER NOT NULL, coding INTEGER NOT NULL, unknown_function INTEGER NOT NULL, partial INTEGER NOT NULL,
    translated INTEGER NOT NULL, aa INTEGER, start_codon TEXT, transl_table INTEGER, phase INTEGER,
    weight REAL, pi REAL, gc REAL, translation TEXT, file TEXT NOT NULL, line INTEGER, ordinal INTEGER NOT NULL);
CREATE TABLE parts (id INTEGER PRIMARY KEY, feature INTEGER NOT NULL, number INTEGER NOT NULL,
    start INTEGER NOT NULL, \"end\" INTEGER NOT NULL, strand TEXT NOT NULL);
CREATE VIRTUAL TABLE part_index USING rtree_i32(id, seq, seq_max, start, \"end\");
CREATE TABLE qualifiers (feature INTEGER NOT NULL, name TEXT NOT NULL, value TEXT);
CREATE TABLE terms (feature INTEGER NOT NULL, field TEXT NOT NULL, value TEXT NOT NULL);
CREATE TABLE names (fold TEXT NOT NULL, genome INTEGER NOT NULL, locus INTEGER NOT NULL, feature INTEGER NOT NULL,
    rank INTEGER NOT NULL, field TEXT NOT NULL);
CREATE VIRTUAL TABLE words USING fts5(names, product, function, note, go, ec, content='', tokenize=\"unicode61 tokenchars '_'\");
CREATE INDEX features_by_locus ON features (locus);
CREATE INDEX features_by_role ON features (genome, role);
";

/// Made when all rows are there.
pub(super) const INDEXES: &str = "
CREATE INDEX sequence_by_name ON sequence_names (fold);
CREATE INDEX features_by_kind ON features (kind, genome);
CREATE INDEX features_by_place ON features (seq, start);
CREATE INDEX genes_by_place ON features (seq, start) WHERE is_gene;
CREATE INDEX parts_by_feature ON parts (feature);
CREATE INDEX qualifiers_by_feature ON qualifiers (feature);
CREATE INDEX terms_by_feature ON terms (feature, field);
CREATE INDEX terms_by_value ON terms (field, value);
CREATE INDEX names_by_fold ON names (fold, genome);
CREATE INDEX loci_by_name ON loci (name);
";
