//! Input that means harm.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use genome_ask::answer::{Empty, Status};
use genome_ask::query::{Field, Filter, Match, Place, Select};
use genome_ask::{Error, Index, IndexLimits, Query, RunLimits, Source, Store};

fn file(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn index(text: &str) -> Index {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "x.gff3", text);
    Index::open(&[Source::new(path)], &Store::Memory).unwrap()
}

const SQL: &str = "'; DROP TABLE features; --\" OR 1=1 NEAR(*)";

#[test]
fn texts_are_never_syntax() {
    let text = "##gff-version 3\nchr1\t.\tgene\t5\t40\t.\t+\t.\tID=g1;Name='%3B DROP TABLE features%3B --\" OR 1%3D1 NEAR(*);\
                product=<script>alert(1)</script>%07%0A\nchr1\t.\tgene\t50\t90\t.\t-\t.\tID=g2\n";
    let index = index(text);
    let found = index.run(&Query::new(Select::Gene).filter(Filter::Named(vec![SQL.to_owned()]))).unwrap();
    assert_eq!(found.rows[0].id, "g1");
    assert_eq!(found.rows[0].product.as_deref(), Some("<script>alert(1)</script>\u{7}")); // as the file has it
    let nasty = ["'", "\"", "a\" OR \"b", "*", "NEAR(a b)", "a:b", "^a", "-", "\0", "{", "%", "_", "\u{202e}", SQL];
    for text in nasty {
        for how in [Match::Has, Match::Is, Match::Contains, Match::Starts, Match::Under] {
            for field in [Field::Product, Field::Note, Field::AnyText, Field::Qualifier(text.to_owned()), Field::Go] {
                let filter = Filter::Text(field, how, vec![text.to_owned()]);
                let query = Query::new(Select::Gene).filter(filter);
                let found = index.run(&query).unwrap();
                assert!(found.count <= 1, "{query}");
                assert_eq!(Query::parse(&query.to_string()).unwrap(), query);
                assert!(!query.to_string().contains(|c: char| c.is_control()));
            }
        }
        let of = Place::Named(text.to_owned());
        for filter in [
            Filter::FullText(text.to_owned()),
            Filter::On(text.to_owned()),
            Filter::Among(vec![text.to_owned()]),
            Filter::Near { of: of.clone(), distance_bp: u64::MAX, side: Default::default() },
            Filter::NextTo { of, count: u64::MAX, side: Default::default() },
        ] {
            index.run(&Query::new(Select::Gene).filter(filter)).unwrap();
        }
        let kind = index.run(&Query::new(Select::Kind(text.to_owned()))).unwrap();
        assert!(matches!(kind.status, Status::Empty { reason: Empty::NotAnnotated, .. }));
    }
    assert_eq!(index.run(&Query::parse("count gene").unwrap()).unwrap().count, 2);
}

#[test]
fn an_index_of_questions_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "x.gff3", "##gff-version 3\nchr1\t.\tgene\t5\t40\t.\t+\t.\tID=g1\n");
    let index = Index::open(&[Source::new(&path)], &Store::Beside).unwrap();
    let before = std::fs::read(index.path()).unwrap();
    for text in ["count gene", "list gene where near g1 within 99", "list gene where text \"a\"", "gc sequence"] {
        let _ = index.run(&Query::parse(text).unwrap());
    }
    assert_eq!(std::fs::read(index.path()).unwrap(), before);
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn an_index_follows_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let gene = |n: u32| format!("##gff-version 3\nchr1\t.\tgene\t{n}\t40\t.\t+\t.\tID=g1\n");
    let path = file(folder.path(), "x.gff3", &gene(5));
    let open = || Index::open(&[Source::new(&path)], &Store::Beside).unwrap();
    let start = |index: &Index| index.run(&Query::parse("list gene").unwrap()).unwrap().rows[0].start;
    assert!(open().was_built());
    assert!(!open().was_built());
    file(folder.path(), "x.gff3", &gene(6)); // as long as before
    let index = open();
    assert!(index.was_built());
    assert_eq!(start(&index), 6);
    // What is no index, or a broken one, is made again.
    std::fs::write(index.path(), b"SQLite format 3\0 broken").unwrap();
    drop(index);
    assert_eq!(start(&open()), 6);
    // A broken genome leaves nothing behind.
    let broken = file(folder.path(), "broken.gff3", "##gff-version 3\nchr1\tx\n");
    assert!(matches!(Index::open(&[Source::new(&broken)], &Store::Beside), Err(Error::Formats(_))));
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "{left:?}");
    assert!(matches!(Index::open(&[], &Store::Memory), Err(Error::Query { .. })));
    let vcf = file(folder.path(), "x.vcf", "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n");
    assert!(matches!(Index::open(&[Source::new(vcf)], &Store::Memory), Err(Error::Format { .. })));
}

/// A chain of parents, and a circle of them.
#[test]
fn parents_without_end() {
    let n = 100_000;
    let mut text = String::from("##gff-version 3\nchr1\t.\tgene\t1\t9\t.\t+\t.\tID=f0;locus_tag=top\n");
    for i in 1..n {
        let parent = i - 1;
        writeln!(text, "chr1\t.\tmRNA\t1\t9\t.\t+\t.\tID=f{i};Parent=f{parent}").unwrap();
    }
    text += "chr1\t.\tCDS\t1\t9\t.\t+\t0\tID=c;Parent=f99999\n";
    text += "chr2\t.\texon\t1\t9\t.\t+\t.\tID=x;Parent=y\nchr2\t.\texon\t1\t9\t.\t+\t.\tID=y;Parent=x\n";
    text += "chr2\t.\texon\t1\t9\t.\t+\t.\tID=z;Parent=z\n";
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "deep.gff3", &text);
    let start = Instant::now();
    let index = Index::open(&[Source::new(&path)], &Store::Memory).unwrap();
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
    let protein = index.run(&Query::parse("list protein").unwrap()).unwrap();
    assert_eq!(protein.rows[0].id, "top");
    let exons = index.run(&Query::parse("count exon").unwrap()).unwrap();
    assert_eq!(exons.count, 3);

    let limits = IndexLimits { features: 1000 };
    let few = Index::open_with(&[Source::new(&path)], &Store::Memory, limits);
    assert!(matches!(few, Err(Error::TooMuch { limit: 1000, .. })));

    // Rows and time are bounded.
    let limits = RunLimits { rows: 10, ..RunLimits::default() };
    let many = index.run_with(&Query::parse("list mRNA").unwrap(), limits).unwrap();
    assert_eq!((many.count, many.rows.len(), many.truncated), (n - 1, 10, true));
    let hurry = RunLimits { time: Duration::from_millis(1), ..RunLimits::default() };
    let slow = Query::parse("count mRNA where near each(mRNA) within 5 kb").unwrap();
    assert!(matches!(index.run_with(&slow, hurry), Err(Error::Time { limit_ms: 1 })));
    let limits = RunLimits { matches: 100, ..RunLimits::default() };
    assert!(matches!(index.run_with(&Query::parse("count mRNA").unwrap(), limits), Err(Error::TooMuch { .. })));
}

#[test]
fn queries_that_make_no_sense() {
    let index = index("##gff-version 3\nchr1\t.\tgene\t5\t40\t.\t+\t.\tID=g1\nchr2\t.\tgene\t5\t40\t.\t+\t.\tID=g2\n");
    let check = |text: &str, expected: &str| {
        let error = index.run(&Query::parse(text).unwrap()).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    };
    check("list gene where overlaps 5-9", "chr1, chr2");
    check("list gene where overlaps chr1:9-5", "outside");
    check("list gene where overlaps chr1:0-5", "outside");
    check("list gene where members > 5", "no such field");
    check("list intergenic where text \"x\"", "features only");
    check("from other list gene", "no genome of the index");
    check("list gene where shared with other by gene", "no genome of the index");
    let syntax = |text: &str, column: usize| match Query::parse(text).unwrap_err() {
        Error::Syntax { column: found, .. } => assert_eq!(found, column, "{text}"),
        other => panic!("{text}: {other}"),
    };
    syntax("", 1);
    syntax("show me everything", 1);
    syntax("list gene where", 16);
    syntax("list gene where aa >", 21);
    syntax("list gene where product has \"open", 29);
    syntax("list gene limit x", 17);
    syntax("list gene where near dnaA", 26);
    syntax(&format!("list gene where {}pseudo", "not ".repeat(10_000)), 17 + 64 * 4);
    // A refusal and a caveat, not a number.
    let status = |text: &str| index.run(&Query::parse(text).unwrap()).unwrap().status;
    assert!(matches!(status("gc sequence"), Status::Refused { .. }));
    assert!(matches!(status("count motif(EcoRI)"), Status::Refused { .. }));
    assert!(matches!(status("list gene extract dna"), Status::Refused { .. }));
    assert!(matches!(status("count CRISPR"), Status::Empty { reason: Empty::NotAnnotated, .. }));
    assert!(matches!(status("list gene where length > 900"), Status::Empty { reason: Empty::NoMatch, .. }));
    assert!(matches!(status("list gene where on chr9"), Status::Empty { reason: Empty::UnknownSequence, .. }));
}

#[test]
fn a_sequence_alone_tells_no_genes() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "x.fa", ">c1 a plasmid\nGGAATTCCATGAAACCCTAG\n>c2\nNNNN\n");
    let index = Index::open(&[Source::new(path)], &Store::Memory).unwrap();
    let run = |text: &str| index.run(&Query::parse(text).unwrap()).unwrap();
    assert!(matches!(run("count gene").status, Status::Empty { reason: Empty::NoAnnotation, .. }));
    assert!(matches!(run("count tRNA").status, Status::Empty { reason: Empty::NoAnnotation, .. }));
    let site = run("list motif(EcoRI)");
    assert_eq!((site.rows[0].start, site.rows[0].end, &*site.rows[0].strand), (2, 7, "."));
    let orf = run("list orf(min 2) extract protein");
    assert_eq!((orf.rows[0].start, orf.rows[0].end, orf.rows[0].sequence.as_deref()), (9, 20, Some("MKP")));
    assert!(orf.caveats.iter().any(|c| c.contains("standard code")));
    assert_eq!(run("list sequence").rows[1].line, Some(3));
    assert_eq!(run("list region(c1:2-7) extract dna").rows[0].sequence.as_deref(), Some("GAATTC"));
}

/// What is meant is clear: the file is read, and every answer says what is wrong with it. What is not clear is an error.
#[test]
fn broken_attributes_are_told_with_every_answer() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("broken.gff3");
    let gene =
        |range: &str, more: &str| format!("##gff-version 3\nchr1\t.\tgene\t{range}\t.\t+\t.\tID=g1;Name=abcD{more}\n");
    std::fs::write(&file, gene("10\t99", ";note=a=b c")).unwrap();
    let index = Index::open(&[Source::new(&file)], &Store::Memory).unwrap();
    let answer = index.run(&Query::parse("count gene").unwrap()).unwrap();
    assert_eq!(answer.count, 1);
    assert!(answer.caveats.iter().any(|note| note.contains("reserved-letter") && note.contains("%3D")), "{answer:?}");
    std::fs::write(&file, gene("99\tten", "")).unwrap();
    let error = Index::open(&[Source::new(&file)], &Store::Memory).unwrap_err().to_string();
    assert!(error.contains("broken.gff3") && error.contains('2'), "{error}");
}
