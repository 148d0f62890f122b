//! Wordings that were once misread, with numbers that a parser of another kind counted in the raw file.

mod common;

use genome_ask::{Dialogue, Index, Reply, ReplyKind, Source, Store};

const ECOLI: &str = "genomes/ecoli_k12_mg1655/GCF_000005845.2_ASM584v2_genomic.gbff.gz";
const MYCOPLASMA: &str = "genomes/mycoplasma_alvi/mycoplasma_alvi.gbk.gz";
const PHIX: &str = "genomes/phage_phix174/NC_001422.gbk";
const CHLOROPLAST: &str = "genomes/arabidopsis_chloroplast/NC_000932.gb";

fn rows(reply: &Reply) -> u64 {
    match &reply.kind {
        ReplyKind::Answered { answer, .. } => answer.count,
        ReplyKind::Empty { .. } => 0,
        other => panic!("{other:?}"),
    }
}

#[test]
fn misread_wordings_are_read() {
    let Some(data) = common::data_folder("misread_wordings_are_read") else { return };
    let check = |genome: &str, questions: &[(&str, u64)]| {
        let index = Index::open(&[Source::new(data.join(genome))], &Store::Memory).unwrap();
        for (question, count) in questions {
            let reply = Dialogue::new(&index).ask(question).unwrap();
            assert_eq!(rows(&reply), *count, "{question}: {reply:?}");
        }
    };
    check(
        ECOLI,
        &[
            ("list genes beginning with rps", 21),
            ("What genes are in the lac operon?", 4),
            ("Which gene encodes DNA polymerase I?", 1),
            ("Is there a gene for beta-galactosidase?", 1),
            ("Which proteins are beta-lactamases?", 2),
            ("How many kinases and phosphatases are there?", 153),
            ("kinases or phosphatases", 153),
            ("How many proteins are longer than 100 aa and shorter than 105 aa?", 33),
            ("How many genes overlap another gene?", 1458),
            ("Is recX upstream of recA?", 0),
            ("Is recX downstream of recA?", 1),
            ("How many genes are in the first 100 kb?", 95),
            ("How many tRNA and rRNA genes are there?", 108),
            ("transporters near lacZ", 2),
        ],
    );
    check(MYCOPLASMA, &[("GC content per contig", 7)]);
    check(PHIX, &[("how many genes are there?", 11)]);
    check(CHLOROPLAST, &[("which proteins are in photosystem I", 7), ("how many genes have introns?", 23)]);
}

#[test]
fn a_follow_up_keeps_its_place() {
    let Some(data) = common::data_folder("a_follow_up_keeps_its_place") else { return };
    let index = Index::open(&[Source::new(data.join(ECOLI))], &Store::Memory).unwrap();
    let mut dialogue = Dialogue::new(&index);
    assert_eq!(rows(&dialogue.ask("Which kinases are there?").unwrap()), 109);
    assert_eq!(rows(&dialogue.ask("how many of them are within 100 kb of lacZ?").unwrap()), 4);
}

/// What lacks its other half is asked back or declined, never answered without it.
#[test]
fn half_a_relation_is_no_answer() {
    let Some(data) = common::data_folder("half_a_relation_is_no_answer") else { return };
    let index = Index::open(&[Source::new(data.join(ECOLI))], &Store::Memory).unwrap();
    let reply = Dialogue::new(&index).ask("Which genes overlap?").unwrap();
    assert!(matches!(reply.kind, ReplyKind::Declined { .. }), "{reply:?}");
}
