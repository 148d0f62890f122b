//! Similarity with an embedder that counts letters and words: what is kept, ordered, marked, refused.

#![cfg(feature = "semantic")]

use std::path::Path;

use genome_ask::dialogue::Method;
use genome_ask::semantic::{Embed, Of, Similar, To, Vectors, Wanted, wanted};
use genome_ask::{Dialogue, Index, Reply, ReplyKind, Source, Store};

const GENES: [(&str, &str, &str); 5] = [
    ("dnaK", "chaperone protein DnaK", "+"),
    ("groL", "chaperonin GroEL", "+"),
    ("lacZ", "beta-galactosidase", "-"),
    ("galB", "beta-galactosidase", "+"),
    ("yaaA", "hypothetical protein", "-"),
];

fn index(folder: &Path) -> Index {
    let mut text = "##gff-version 3\n##sequence-region chr1 1 600\n".to_owned();
    for (i, (gene, product, strand)) in GENES.iter().enumerate() {
        let (start, end) = (i * 100 + 1, i * 100 + 60);
        text += &format!("chr1\t.\tgene\t{start}\t{end}\t.\t{strand}\t.\tID=g{i};Name={gene};locus_tag=T_{i}\n");
        text +=
            &format!("chr1\t.\tCDS\t{start}\t{end}\t.\t{strand}\t0\tParent=g{i};locus_tag=T_{i};product={product}\n");
    }
    text += "##FASTA\n>chr1\n";
    // The first two genes have nearly the same bases.
    let gene = [
        "ATGAAACCCGGGTTTAAACC",
        "ATGAAACCCGGGTTTAAACG",
        "CCCCCCCCCCCCCCCCCCCC",
        "TTTTTTTTTTCCCCCCCCCC",
        "GATTACAGATTACAGATTAC",
    ];
    for (i, bases) in gene.iter().enumerate() {
        // Genes on the minus strand are turned round when they are read.
        let bases: String =
            if GENES[i].2 == "-" { bases.chars().rev().map(complement).collect() } else { (*bases).to_owned() };
        text += &format!("{}{}\n", bases.repeat(3), "N".repeat(40));
    }
    text += &format!("{}\n", "N".repeat(100));
    let file = folder.join("demo.gff3");
    std::fs::write(&file, text).unwrap();
    Index::open(&[Source::new(&file)], &Store::Memory).unwrap()
}

fn complement(base: char) -> char {
    match base {
        'A' => 'T',
        'C' => 'G',
        'G' => 'C',
        _ => 'A',
    }
}

/// How often each pair of letters stands in a text.
#[derive(Debug)]
struct Pairs {
    version: &'static str,
    embedded: usize,
}

impl Pairs {
    fn new() -> Self {
        Self { version: "pairs-1", embedded: 0 }
    }
}

impl Embed for Pairs {
    fn name(&self) -> String {
        "letter pairs".into()
    }

    fn identity(&self) -> String {
        self.version.into()
    }

    fn embed(&mut self, texts: &[&str]) -> Result<Vec<Vec<f32>>, String> {
        self.embedded += texts.len();
        let of = |text: &&str| {
            let letters: Vec<usize> = text
                .to_lowercase()
                .bytes()
                .map(|b| if b.is_ascii_lowercase() { usize::from(b - b'a') } else { 26 })
                .collect();
            let mut vector = vec![0f32; 27 * 27];
            letters.windows(2).for_each(|pair| vector[pair[0] * 27 + pair[1]] += 1.0);
            vector
        };
        Ok(texts.iter().map(of).collect())
    }
}

fn vectors(index: &Index, of: Of) -> Vectors {
    Vectors::open(index, of, &mut Pairs::new(), None, &mut |_, _| {}).unwrap()
}

fn find(index: &Index, of: Of, to: To, rows: u64) -> Reply {
    let wanted = Similar { to, of, rows };
    Dialogue::new(index).similar("a question", &wanted, &vectors(index, of), &mut Pairs::new()).unwrap()
}

fn genes(reply: &Reply) -> Vec<&str> {
    reply.answer().unwrap().rows.iter().filter_map(|row| row.gene.as_deref()).collect()
}

#[test]
fn nearest_functions_come_first_and_are_marked() {
    let folder = tempfile::tempdir().unwrap();
    let index = index(folder.path());
    let reply = find(&index, Of::Function, To::Text("a chaperonin".into()), 2);
    assert_eq!(genes(&reply), ["groL", "dnaK"]);
    let answer = reply.answer().unwrap();
    let scores: Vec<f64> = answer.rows.iter().map(|row| row.similarity.unwrap()).collect();
    assert!(scores[0] > scores[1] && scores[0] <= 1.0, "{scores:?}");
    assert!(answer.caveats[0].contains("similarity, not fact"), "{:?}", answer.caveats);
    assert_eq!(reply.method, Method::Similarity);
    assert_eq!(reply.document().method, "similarity");
    assert!(reply.text.starts_with("The 2 most similar of 4 genes: groL T_1 "), "{}", reply.text);
    assert!(
        reply.understood.contains("similar to \u{201c}a chaperonin\u{201d} by the meaning"),
        "{}",
        reply.understood
    );
    // Where it stands is told as of every answer.
    assert_eq!((answer.rows[0].start, answer.rows[0].line), (101, Some(5)));
    let mut csv = Vec::new();
    genome_ask::write::table(answer, ',', &mut csv).unwrap();
    assert!(String::from_utf8(csv).unwrap().lines().next().unwrap().ends_with(",similarity"));
}

#[test]
fn a_gene_is_compared_to_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let index = index(folder.path());
    let reply = find(&index, Of::Function, To::Gene("lacZ".into()), 1);
    assert_eq!(genes(&reply), ["galB"]); // of the same product
    assert!((reply.answer().unwrap().rows[0].similarity.unwrap() - 1.0).abs() < 1e-6);
    // By locus tag, and by bases: those of the minus strand as it reads.
    assert_eq!(genes(&find(&index, Of::Sequence, To::Gene("T_0".into()), 1)), ["groL"]);
    assert_eq!(genes(&find(&index, Of::Sequence, To::Text("GATTACAGATTACA".into()), 1)), ["yaaA"]);
    let unknown = find(&index, Of::Function, To::Gene("yaaA".into()), 1);
    let ReplyKind::Declined { reason, .. } = &unknown.kind else { panic!("{unknown:?}") };
    assert!(reason.contains("nothing to compare"), "{reason}");
    let absent = find(&index, Of::Function, To::Gene("nifH".into()), 1);
    assert!(absent.text.contains("ot annotated"), "{}", absent.text);
}

#[test]
fn the_next_question_refines_it() {
    let folder = tempfile::tempdir().unwrap();
    let index = index(folder.path());
    let mut dialogue = Dialogue::new(&index);
    let wanted = Similar { to: To::Text("galactosidase".into()), of: Of::Function, rows: 2 };
    let reply = dialogue.similar("q", &wanted, &vectors(&index, Of::Function), &mut Pairs::new()).unwrap();
    assert_eq!(genes(&reply), ["lacZ", "galB"]);
    let reply = dialogue.ask("of these, only those on the minus strand").unwrap();
    assert_eq!(genes(&reply), ["lacZ"]);
}

#[test]
fn vectors_are_kept_and_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let index = index(folder.path());
    let kept = folder.path().join("vectors");
    let open =
        |embedder: &mut Pairs| Vectors::open(&index, Of::Function, embedder, Some(&kept), &mut |_, _| {}).unwrap();
    let files = || std::fs::read_dir(&kept).unwrap().map(|f| f.unwrap().path()).collect::<Vec<_>>();
    let mut first = Pairs::new();
    assert!(open(&mut first).was_built());
    // Two genes have one text; one has none.
    assert_eq!((first.embedded, files().len()), (3, 1));
    let mut second = Pairs::new();
    let again = open(&mut second);
    assert_eq!((again.was_built(), second.embedded, again.len()), (false, 0, 4));
    // Another model, another file.
    let mut other = Pairs { version: "pairs-2", ..Pairs::new() };
    assert!(open(&mut other).was_built());
    assert_eq!(files().len(), 2);
    // Broken files are made again: cut, with a huge width, with the genes of another, of no number.
    let file = files().remove(0);
    let whole = std::fs::read(&file).unwrap();
    let json_end = 22 + whole[22..].iter().position(|b| *b == b'\n').unwrap();
    let header = String::from_utf8(whole[..json_end].to_vec()).unwrap();
    let with = |from: &str, to: &str| [header.replace(from, to).into_bytes(), whole[json_end..].to_vec()].concat();
    let mut nan = whole.clone();
    nan.truncate(whole.len() - 4);
    nan.extend(f32::NAN.to_le_bytes());
    for broken in [
        whole[..whole.len() - 1].to_vec(),
        whole[..10].to_vec(),
        Vec::new(),
        with("\"width\":729", "\"width\":1000000000000"),
        with("\"vectors\":3", "\"vectors\":2"),
        with("\"key\":\"", "\"key\":\"0"),
        with("vectors 1", "vectors 2"),
        nan,
    ] {
        std::fs::write(&file, &broken).unwrap();
        let mut first = Pairs::new();
        let mut second = Pairs { version: "pairs-2", ..Pairs::new() };
        let built = [open(&mut first).was_built(), open(&mut second).was_built()];
        assert!(built.contains(&true), "{} bytes were taken", broken.len());
        assert_eq!(std::fs::read(&file).unwrap(), whole);
    }
}

#[test]
fn an_embedder_that_breaks_is_told() {
    #[derive(Debug)]
    struct Bad(fn(usize) -> Result<Vec<Vec<f32>>, String>);
    impl Embed for Bad {
        fn name(&self) -> String {
            "bad".into()
        }
        fn identity(&self) -> String {
            "bad".into()
        }
        fn embed(&mut self, texts: &[&str]) -> Result<Vec<Vec<f32>>, String> {
            (self.0)(texts.len())
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let index = index(folder.path());
    for (answer, reason) in [
        ((|_| Err("no memory".into())) as fn(usize) -> _, "bad: no memory"),
        (|n| Ok(vec![vec![1.0]; n + 1]), "expected 3 vectors, found 4"),
        (|n| Ok(vec![Vec::new(); n]), "vector of 0 values"),
        (|n| Ok((0..n).map(|i| vec![1.0; i + 1]).collect()), "expected a vector of 1 values, found one of 2"),
        (|n| Ok(vec![vec![f32::INFINITY]; n]), "no number"),
    ] {
        let error =
            Vectors::open(&index, Of::Function, &mut Bad(answer), None, &mut |_, _| {}).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn questions_of_similarity_are_told_from_others() {
    let folder = tempfile::tempdir().unwrap();
    let index = index(folder.path());
    let check = |question: &str, expected: Option<(To, Option<Of>, Option<u64>)>| {
        let expected = expected.map(|(to, of, rows)| Wanted { to, of, rows });
        assert_eq!(wanted(question, &index).unwrap(), expected, "{question}");
    };
    let text = |text: &str| To::Text(text.into());
    let gene = |name: &str| To::Gene(name.into());
    check(
        "genes similar in function to heat shock chaperone",
        Some((text("heat shock chaperone"), Some(Of::Function), None)),
    );
    check("Which proteins are similar in function to DnaK?", Some((gene("DnaK"), Some(Of::Function), None)));
    check("show me ten genes similar to the gene lacZ", Some((gene("lacZ"), None, Some(10))));
    check("What resembles T_0?", Some((gene("T_0"), None, None)));
    check("5 genes with functions like \"iron uptake\"", Some((text("iron uptake"), Some(Of::Function), Some(5))));
    check("genes with a sequence similar to galB", Some((gene("galB"), Some(Of::Sequence), None)));
    for other in [
        "how many genes are there?",
        "which genes encode chaperones?",
        "genes near lacZ similar to dnaK", // more than one relation: not guessed
        "genes similar to",
        "similar to?",
        "dissimilar to dnaK",
        "",
    ] {
        check(other, None);
    }
}
