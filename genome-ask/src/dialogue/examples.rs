//! Questions to begin with.

use serde::Serialize;

use crate::index::Index;

/// Questions of one sort.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Examples {
    /// The sort.
    pub category: &'static str,
    /// Questions that are understood.
    pub questions: Vec<String>,
}

/// Sorts of question with examples; `{gene}` stands for the name of a gene.
const EXAMPLES: &[(&str, &[&str])] = &[
    (
        "Counts",
        &["How many tRNA genes are annotated?", "How many protein-coding genes are there?", "How many pseudogenes?"],
    ),
    (
        "One gene",
        &["Where is {gene}?", "What does {gene} do?", "Which gene is at position 12,000?", "What is next to {gene}?"],
    ),
    (
        "Sizes",
        &[
            "List the proteins shorter than 50 aa",
            "What is the longest gene?",
            "List the ten largest proteins, largest first",
            "What is the median protein length?",
        ],
    ),
    (
        "Functions",
        &[
            "Which genes encode ribosomal proteins?",
            "How many ABC transporters are there?",
            "What share of the protein-coding genes has no known function?",
            "How many genes have an EC number in class 2.7?",
        ],
    ),
    (
        "Neighbours and clusters",
        &[
            "Which genes lie within 10 kb of {gene}?",
            "List the genes between 10,000 and 20,000",
            "What is the longest run of genes on one strand with gaps of at most 50 bp?",
            "Where is the gene cluster for ribosomal proteins?",
        ],
    ),
    (
        "Sequences",
        &[
            "What is the GC content of the genome?",
            "Show the protein sequence of {gene}",
            "Give me 500 bp upstream of {gene} as FASTA",
            "How often does GAATTC occur?",
            "Find open reading frames over 200 aa that are not annotated",
        ],
    ),
    (
        "Going on",
        &[
            "Of these, only those over 300 aa",
            "And on the minus strand?",
            "How many are those?",
            "List them",
            "As FASTA",
        ],
    ),
];

/// Questions to begin with, by sort, with gene names of *Escherichia coli*. [`crate::Dialogue::examples`] has those of a genome.
pub fn examples() -> Vec<Examples> {
    with_gene("lacZ")
}

/// Questions to begin with, by sort, with the name of a gene of the genome.
pub(crate) fn examples_of(index: &Index) -> Vec<Examples> {
    // A gene with a name and a protein, from the middle, where names are usual ones.
    let sql = "SELECT gene FROM features WHERE role = 'cds' AND coding AND gene IS NOT NULL AND length(gene) BETWEEN 3 AND 12 \
               ORDER BY id LIMIT 1 OFFSET (SELECT count(*) / 2 FROM features WHERE role = 'cds' AND coding AND gene IS NOT NULL \
               AND length(gene) BETWEEN 3 AND 12)";
    let known = ["lacZ", "rbcL", "dnaA", "recA"].into_iter().find(|gene| {
        let sql = "SELECT EXISTS (SELECT 1 FROM names WHERE fold = lower(?1) AND rank = 1)";
        index.db.query_row(sql, [gene], |row| row.get(0)).unwrap_or(false)
    });
    let gene = known.map(str::to_owned).or_else(|| index.db.query_row(sql, [], |row| row.get(0)).ok());
    with_gene(gene.as_deref().unwrap_or("dnaA"))
}

fn with_gene(gene: &str) -> Vec<Examples> {
    let fill = |questions: &[&str]| questions.iter().map(|q| q.replace("{gene}", gene)).collect();
    EXAMPLES.iter().map(|(category, questions)| Examples { category, questions: fill(questions) }).collect()
}
