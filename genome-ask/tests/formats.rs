//! One small genome in every format: the answers are the same.

use std::path::Path;

use genome_ask::{Index, Query, Source, Store};

const SEQ: &str = "ccatgaaacccggttaactttcatggctaacctttgaattcaaaccccgggggtttttac"; // 60 bases

fn open(folder: &Path, name: &str, text: &str) -> Index {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    Index::open(&[Source::discover(path)], &Store::Memory).unwrap()
}

fn features(prefix: &str) -> String {
    let lines = [
        ("gene", "3..17", vec!["/gene=\"demA\"", "/locus_tag=\"D_1\"", "/gene_synonym=\"oldA; olderA\""]),
        (
            "CDS",
            "join(3..8,12..17)",
            vec![
                "/gene=\"demA\"",
                "/locus_tag=\"D_1\"",
                "/codon_start=1",
                "/product=\"demo kinase\"",
                "/protein_id=\"P_1\"",
            ],
        ),
        ("gene", "complement(30..38)", vec!["/locus_tag=\"D_2\""]),
    ];
    let mut out = String::new();
    for (kind, place, qualifiers) in lines {
        out += &format!("{prefix}   {kind:<16}{place}\n");
        for qualifier in qualifiers {
            out += &format!("{prefix}                   {qualifier}\n");
        }
    }
    out
}

#[test]
fn every_format_answers_alike() {
    let folder = tempfile::tempdir().unwrap();
    let groups: Vec<String> = SEQ.as_bytes().chunks(10).map(|g| String::from_utf8(g.to_vec()).unwrap()).collect();
    let groups = groups.join(" ");
    let genbank = format!(
        "LOCUS       chr1 60 bp DNA linear SYN 01-JAN-2026\nFEATURES             Location/Qualifiers\n{}ORIGIN\n        1 {groups}\n//\n",
        features("  ")
    );
    let embl = format!(
        "ID   chr1; SV 1; linear; genomic DNA; STD; SYN; 60 BP.\nXX\nAC   chr1;\nXX\nFH   Key             Location/Qualifiers\nFH\n{}\
         XX\nSQ   Sequence 60 BP; 15 A; 15 C; 14 G; 16 T; 0 other;\n     {groups}        60\n//\n",
        features("FT")
    );
    let gff_lines = "chr1\t.\tgene\t3\t17\t.\t+\t.\tID=g1;Name=demA;locus_tag=D_1;gene_synonym=oldA,olderA\n\
         chr1\t.\tmRNA\t3\t17\t.\t+\t.\tID=t1;Parent=g1\n\
         chr1\t.\tCDS\t12\t17\t.\t+\t0\tID=c1;Parent=t1;product=demo kinase;protein_id=P_1\n\
         chr1\t.\tCDS\t3\t8\t.\t+\t0\tID=c1;Parent=t1;product=demo kinase;protein_id=P_1\n\
         chr1\t.\tgene\t30\t38\t.\t-\t.\tID=g2;locus_tag=D_2\n";
    let embedded = format!("##gff-version 3\n{gff_lines}##FASTA\n>chr1\n{SEQ}\n");
    std::fs::write(folder.path().join("beside.fa"), format!(">chr1 demo\n{SEQ}\n")).unwrap();
    let gtf = "chr1\tx\tgene\t3\t17\t.\t+\t.\tgene_id \"g1\"; gene_name \"demA\"; locus_tag \"D_1\"; gene_synonym \"oldA; olderA\";\n\
         chr1\tx\ttranscript\t3\t17\t.\t+\t.\tgene_id \"g1\"; transcript_id \"t1\";\n\
         chr1\tx\tCDS\t3\t8\t.\t+\t0\tgene_id \"g1\"; transcript_id \"t1\"; product \"demo kinase\"; protein_id \"P_1\";\n\
         chr1\tx\tCDS\t12\t14\t.\t+\t0\tgene_id \"g1\"; transcript_id \"t1\"; product \"demo kinase\"; protein_id \"P_1\";\n\
         chr1\tx\tstop_codon\t15\t17\t.\t+\t0\tgene_id \"g1\"; transcript_id \"t1\";\n\
         chr1\tx\tgene\t30\t38\t.\t-\t.\tgene_id \"g2\"; locus_tag \"D_2\";\n";
    std::fs::write(folder.path().join("table.fa"), format!(">chr1\n{SEQ}\n")).unwrap();
    let indexes = [
        open(folder.path(), "x.gb", &genbank),
        open(folder.path(), "x.embl", &embl),
        open(folder.path(), "embedded.gff3", &embedded),
        open(folder.path(), "beside.gff3", &format!("##gff-version 3\n{gff_lines}")),
        open(folder.path(), "table.gtf", gtf),
    ];
    for index in &indexes {
        let name = index.genomes().unwrap()[0].format.clone();
        let run =
            |text: &str| index.run(&Query::parse(text).unwrap()).unwrap_or_else(|e| panic!("{name}: {text}: {e}"));
        let protein = run("list protein show parts extract protein");
        assert_eq!(protein.count, 1, "{name}");
        let row = &protein.rows[0];
        assert_eq!((&*row.id, row.start, row.end, row.aa), ("D_1", 3, 17, Some(3)), "{name}");
        assert_eq!(
            row.parts,
            if name == "GTF" { vec![(3, 8), (12, 14), (15, 17)] } else { vec![(3, 8), (12, 17)] },
            "{name}"
        );
        assert_eq!(row.sequence.as_deref(), Some("MKG"), "{name}");
        assert!(row.line.is_some(), "{name}");
        assert_eq!(run("list gene where named olderA").rows[0].gene.as_deref(), Some("demA"), "{name}");
        assert_eq!(run("list gene where product has kinase").rows[0].id, "D_1", "{name}");
        assert_eq!(run("list gene where next_to D_2").rows[0].id, "D_1", "{name}");
        let bases = run("list gene where named D_2 extract dna").rows[0].sequence.clone();
        assert_eq!(bases.as_deref(), Some("TTCAAAGGT"), "{name}");
        assert_eq!(run("count motif(EcoRI)").count, 1, "{name}");
        assert_eq!(run("list gene where strand -").rows[0].id, "D_2", "{name}");
        assert_eq!(run("count gene where spliced").count, 1, "{name}");
    }
}
