//! Questions that mean harm.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use genome_ask::{Dialogue, Error, Index, ReplyKind, RunLimits, Source, Store};

fn genome(folder: &std::path::Path) -> Index {
    let path = folder.join("x.gff3");
    let text = "##gff-version 3\nchr1\t.\tgene\t5\t40\t.\t+\t.\tID=g1;Name=dnaA;locus_tag=T_1\n\
                chr1\t.\tCDS\t5\t40\t.\t+\t0\tID=c1;Parent=g1;locus_tag=T_1;product=<b onload%3D\"x\">DROP TABLE</b> %1b[31mred\n\
                chr1\t.\tgene\t50\t90\t.\t-\t.\tID=g2;Name=dnaB;locus_tag=T_2\n";
    std::fs::write(&path, text).unwrap();
    Index::open(&[Source::new(&path)], &Store::Beside).unwrap()
}

#[test]
fn nothing_in_a_question_is_syntax() {
    let folder = tempfile::tempdir().unwrap();
    let index = genome(folder.path());
    let before = std::fs::read(index.path()).unwrap();
    let nasty = [
        "'; DROP TABLE features; --",
        "\" OR 1=1; DELETE FROM names; --",
        "where is dnaA'; DELETE FROM names; --",
        "how many genes\u{0} are\u{7} there\u{1b}[31m?",
        "list genes where NEAR(a b) AND {col} : ^x*",
        "product \"*\" OR \"",
        "\u{202e}how many genes\u{202c}",
        "%s%s%n {0} ${HOME} $(rm -rf /) `id`",
        "../../etc/passwd",
        "<script>alert(1)</script>",
        "((((((((((((((((((((",
        "\"\"\"\"\"\"\"\"\"",
        "between between between and and and",
        "genes within 99999999999999999999999 kb of dnaA",
        "genes longer than 1e308 Mb",
        "proteins shorter than -5 aa",
        "genes between 5 and 1",
        "the 18446744073709551616 longest genes",
        "500000000000 bp upstream of dnaA",
        "gene at position 0",
        "EC 1.2.3.4.5.6.7.8.9",
        "GO:",
        "-",
        "",
        " ",
        "?",
        "of these of these of these",
        "and and and",
        "not not not not",
        "\u{1f9ec} how many \u{1f9ec}?",
        "i\u{307}\u{130}\u{df}\u{fb01}",
    ];
    let mut dialogue = Dialogue::new(&index);
    for question in nasty {
        for _ in 0..2 {
            let reply = dialogue.ask(question).unwrap_or_else(|e| panic!("{question:?}: {e}"));
            assert!(!reply.question.contains(|c: char| c.is_control()), "{question:?}");
            assert!(!reply.text.is_empty(), "{question:?}");
            serde_json::to_string(&reply.document()).unwrap();
        }
    }
    drop(dialogue);
    assert_eq!(std::fs::read(index.path()).unwrap(), before);
    let left = Dialogue::new(&index).ask("how many genes are there?").unwrap();
    assert_eq!(left.facts().count, Some(2));
}

#[test]
fn a_question_of_a_megabyte() {
    let folder = tempfile::tempdir().unwrap();
    let index = genome(folder.path());
    for piece in
        ["how many genes ", "a", "\"", "dnaA ", "between 1 and 2 ", "x1-", "lipopolysacharide ", "\u{e9}\u{301} "]
    {
        let start = Instant::now();
        let question = piece.repeat((1 << 20) / piece.len());
        let reply = Dialogue::new(&index).ask(&question).unwrap();
        assert!(start.elapsed() < Duration::from_secs(10), "{piece}: {:?}", start.elapsed());
        // What a reply quotes is bounded too.
        assert!(serde_json::to_string(&reply.document()).unwrap().len() < 100_000, "{piece}");
    }
}

#[test]
fn limits_hold_for_questions() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = String::from("##gff-version 3\n");
    for i in 0..50_000 {
        writeln!(text, "chr1\t.\tgene\t{}\t{}\t.\t+\t.\tID=g{i}", i * 10 + 1, i * 10 + 30).unwrap();
    }
    let path = folder.path().join("many.gff3");
    std::fs::write(&path, text).unwrap();
    let index = Index::open(&[Source::new(&path)], &Store::Memory).unwrap();
    let few = RunLimits { rows: 7, ..RunLimits::default() };
    let reply = Dialogue::new(&index).with_limits(few).ask("list all genes").unwrap();
    let answer = reply.answer().unwrap();
    assert_eq!((answer.count, answer.rows.len(), answer.truncated), (50_000, 7, true));
    let hurry = RunLimits { time: Duration::from_millis(1), ..RunLimits::default() };
    let slow = Dialogue::new(&index).with_limits(hurry).ask("genes within 1 kb of a gene");
    assert!(matches!(slow, Err(Error::Time { .. })), "{slow:?}");
}

#[test]
fn a_million_nested_parents() {
    let folder = tempfile::tempdir().unwrap();
    let n = 1_000_000;
    let mut text = String::from("##gff-version 3\nc\t.\tgene\t1\t9\t.\t+\t.\tID=f0;locus_tag=top\n");
    for i in 1..n {
        writeln!(text, "c\t.\tmRNA\t1\t9\t.\t+\t.\tID=f{i};Parent=f{}", i - 1).unwrap();
    }
    writeln!(text, "c\t.\tCDS\t1\t9\t.\t+\t0\tID=c;Parent=f{}", n - 1).unwrap();
    let path = folder.path().join("deep.gff3");
    std::fs::write(&path, text).unwrap();
    let start = Instant::now();
    let index = Index::open(&[Source::new(&path)], &Store::Memory).unwrap();
    assert!(start.elapsed() < Duration::from_secs(120), "{:?}", start.elapsed());
    println!("a million nested parents: {:?}", start.elapsed());
    let reply = Dialogue::new(&index).ask("list the proteins").unwrap();
    assert!(matches!(&reply.kind, ReplyKind::Answered { answer, .. } if answer.rows[0].id == "top"), "{reply:?}");
}
