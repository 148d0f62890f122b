//! Questions and the queries they become, on the chloroplast that ships with the binary: each list is one dialogue.

use std::path::{Path, PathBuf};

use genome_ask::{Dialogue, Index, Reply, ReplyKind, Source, Store};

fn chloroplast() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../genome-cli/assets/NC_000932.gb")
}

fn index() -> Index {
    Index::open(&[Source::new(chloroplast())], &Store::Memory).unwrap()
}

fn told(reply: &Reply) -> String {
    match &reply.kind {
        ReplyKind::Answered { query, .. } | ReplyKind::Empty { query, .. } => query.to_string(),
        ReplyKind::Ambiguous { ask, .. } => format!("? {ask}"),
        ReplyKind::Declined { reason, .. } => format!("! {reason}"),
    }
}

fn check(index: &Index, turns: &[(&str, &str)]) {
    let mut dialogue = Dialogue::new(index);
    for (question, expected) in turns {
        let reply = dialogue.ask(question).unwrap();
        let told = told(&reply);
        let same = if expected.starts_with(['?', '!']) { told.starts_with(expected) } else { told == *expected };
        assert!(same, "{question}\n  {told}\n  {expected} expected");
    }
}

#[test]
fn one_question() {
    let index = index();
    for turn in [
        ("How many tRNA genes are annotated?", "count tRNA where not pseudo"),
        ("count genes", "count gene"),
        ("Where is rbcL?", "list gene where named rbcL"),
        ("Which genes lie within 2 kb of rbcL?", "list gene where near rbcL within 2000"),
        ("everything within half a dozen kb of nowhere", "! I did not understand"),
        ("genes within 500 bp upstream of psbA", "list gene where near psbA within 500 upstream"),
        ("500 bp upstream of psbA", "list gene where named psbA extract upstream 500"),
        ("the three genes upstream of psbA", "list gene where next_to psbA by 3 upstream"),
        ("proteins within 1 kb of a tRNA", "list protein where near each(tRNA, not pseudo) within 1000"),
        ("genes near rRNA genes", "list gene where near each(rRNA, not pseudo) within 10000"),
        ("Which genes are longer than 2 kb and on the minus strand?", "list gene where strand - and length > 2000"),
        ("proteins of 100 to 120 aa", "list protein where aa between 100 and 120"),
        (
            "proteins between one hundred and one hundred and twenty residues",
            "list protein where aa between 100 and 120",
        ),
        ("genes with a GC content over 45%", "list gene where gc > 45"),
        ("gene with the highest GC content", "list gene order by gc desc limit 1 with ties"),
        ("the second longest protein", "list protein order by aa desc limit 2"),
        ("small proteins", "list protein where aa < 100"),
        ("proteins heavier than 100 kDa", "list protein where weight > 100000"),
        ("genes without introns", "list gene where not spliced"),
        ("proteins that are not hypothetical", "list protein where not unknown_function"),
        ("how many genes per strand", "count gene group by strand"),
        ("Give me the protein sequence of rbcL as FASTA", "list protein where named rbcL extract protein as fasta"),
        ("genes longer than rbcL", "! I did not understand"),
        ("is rbcL next to accD?", "adjacent gene where named rbcL|accD"),
        ("do psbA and matK overlap?", "exists gene where named psbA and overlaps matK"),
        ("is rbcL on the plus strand?", "exists gene where named rbcL and strand +"),
        ("count genes by strand", "count gene group by strand"),
        ("which start codons are used?", "distinct(start_codon) cds where translated"),
        ("the median gene length", "median(length) gene"),
        ("average intergenic distance", "mean(length) intergenic"),
        ("heaviest protein", "list protein order by weight desc limit 1 with ties"),
        ("which tRNAs carry leucine?", "list tRNA where not pseudo and product has \"Leu\""),
        ("genes without a gene name", "list gene where not gene present"),
        ("total length of the rRNA genes", "sum(length) rRNA where not pseudo"),
        ("how many restriction sites are there?", "? Sites of what?"),
        ("where are the NotI sites?", "list motif(NotI)"),
        ("distance between psbA and matK", "! Distances"),
        ("proteins containing the word kinase", "list protein where product has \"kinase\""),
        ("how mny tRNA geens are there", "count tRNA where not pseudo"),
        ("genes with 3 exons", "list gene where parts = 3"),
        ("list 5 tRNAs", "list tRNA where not pseudo limit 5"),
        ("how many genes 7", "! I did not understand what 7"),
        ("what share of genes?", "! I did not understand"),
        ("help", "! Questions of these sorts"),
        ("which genes are shared with tobacco", "! Two genomes are needed"),
        ("list gene where spliced and strand -", "list gene where spliced and strand -"),
        ("Which genes are expressed in roots?", "! The data cannot tell this"),
        ("what is the AT content?", "! I did not understand"),
        ("colour of the flowers", "! "),
    ] {
        check(&index, &[turn]);
    }
}

#[test]
fn dialogues() {
    let index = index();
    check(
        &index,
        &[
            ("How many proteins are longer than 500 aa?", "count protein where aa > 500"),
            ("list them", "list protein where aa > 500"),
            ("only those on the minus strand", "list protein where aa > 500 and strand -"),
            ("and on the plus strand?", "list protein where aa > 500 and strand +"),
            ("the longest two", "list protein where aa > 500 and strand + order by aa desc limit 2"),
            ("as fasta", "list protein where aa > 500 and strand + order by aa desc limit 2 as fasta"),
        ],
    );
    check(
        &index,
        &[
            ("Where is rbcL?", "list gene where named rbcL"),
            ("what does it do?", "list gene where named ArthCp030 show product, function"),
            ("And psbA?", "list gene where named psbA show product, function"),
            ("Its neighbours?", "list gene where next_to ArthCp002 by 1"),
        ],
    );
    check(
        &index,
        &[
            ("show me the largest", "? The largest what?"),
            ("the protein", "list protein order by aa desc limit 1 with ties"),
            ("which of them is on the plus strand?", "list protein where among ArthCp066|ArthCp083 and strand +"),
        ],
    );
    check(
        &index,
        &[
            ("How many are there?", "? How many of what?"),
            ("2", "count protein"),
            ("what is near it?", "? "),
            ("how many rRNA genes are there?", "count rRNA where not pseudo"),
            ("and tRNAs?", "count tRNA where not pseudo"),
        ],
    );
    check(
        &index,
        &[
            ("Where is nifH?", "list gene where named nifH"),
            ("Show me the largest", "? The largest what?"),
            ("gene", "list gene order by length desc limit 1 with ties"),
        ],
    );
    check(&index, &[("Where is rbcL?", "list gene where named rbcL"), ("Show me the largest", "? The largest what?")]);
    check(&index, &[("What is near it?", "? Near what?"), ("how long is it?", "? Of which gene?")]);
}

#[test]
fn typing_errors_are_told() {
    let index = index();
    let mut dialogue = Dialogue::new(&index);
    let reply = dialogue.ask("how many ribosmal protiens are there").unwrap();
    assert_eq!(told(&reply), "count protein where product has \"ribosomal protein\"");
    let read: Vec<(&str, &str)> = reply.corrections.iter().map(|c| (&*c.written, &*c.read)).collect();
    assert_eq!(read, [("ribosmal", "ribosomal"), ("protiens", "proteins")]);
    // Another gene is no typing error.
    let reply = dialogue.ask("where is psbQ?").unwrap();
    assert_eq!(reply.facts().status, "empty", "{reply:?}");
    assert!(reply.text.contains("ot annotated"), "{}", reply.text);
    let reply = dialogue.ask("where is rcbL?").unwrap();
    assert_eq!(reply.facts().ids, ["ArthCp030"]);
}

#[test]
fn every_example_is_understood() {
    let index = index();
    let mut dialogue = Dialogue::new(&index);
    for examples in dialogue.examples() {
        for question in examples.questions {
            let reply = dialogue.ask(&question).unwrap();
            assert!(
                matches!(reply.kind, ReplyKind::Answered { .. } | ReplyKind::Empty { .. }),
                "{question}: {reply:?}"
            );
            assert!(!reply.understood.is_empty() && !reply.text.is_empty());
        }
    }
}

#[test]
fn two_genomes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.gff3");
    let text = "##gff-version 3\nc\t.\tgene\t1\t90\t.\t+\t.\tID=g1;Name=rbcL\nc\t.\tgene\t200\t290\t.\t+\t.\tID=g2;Name=nifH\n";
    std::fs::write(&path, text).unwrap();
    let sources = [Source::new(chloroplast()).named("thale"), Source::new(path).named("small")];
    let index = Index::open(&sources, &Store::Memory).unwrap();
    check(
        &index,
        &[
            ("how many genes does small have?", "from small count gene"),
            (
                "which genes does small share with thale?",
                "from small list gene where gene present and shared with thale by gene",
            ),
            ("genes of small and thale", "! I did not understand"),
            (
                "which genes are shared between small and thale?",
                "from small list gene where gene present and shared with thale by gene",
            ),
            (
                "which genes are in small but not in thale?",
                "from small list gene where gene present and not shared with thale by gene",
            ),
            (
                "which genes are unique to small?",
                "from small list gene where gene present and not shared with thale by gene",
            ),
        ],
    );
}

#[test]
fn a_memory_can_be_kept() {
    let index = index();
    let mut dialogue = Dialogue::new(&index);
    dialogue.ask("proteins shorter than 40 aa").unwrap();
    let kept = serde_json::to_string(dialogue.memory()).unwrap();
    let mut dialogue = Dialogue::resume(&index, serde_json::from_str(&kept).unwrap());
    let reply = dialogue.ask("how many of those are on the minus strand?").unwrap();
    assert_eq!(told(&reply), "count protein where aa < 40 and strand -");
    // A reply goes through JSON and back.
    let json = serde_json::to_string(&reply).unwrap();
    let read: Reply = serde_json::from_str(&json).unwrap();
    assert_eq!((read.query(), &read.text, read.facts()), (reply.query(), &reply.text, reply.facts()));
}
