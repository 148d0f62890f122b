//! Coding sequences, proteins and open reading frames of real genomes against their annotation.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;

use genome_formats::{Cds, CdsLine, CdsLines, FastaReader, GenbankReader, GenbankRecord, Input, Letters, Span, Strand, sequences};

fn records(path: &Path) -> Vec<GenbankRecord> {
    GenbankReader::from_input(Input::open(path).unwrap()).collect::<Result<_, _>>().unwrap()
}

/// Every coding sequence with its record.
fn coding(records: &[GenbankRecord]) -> Vec<(Cds, &GenbankRecord)> {
    let features = records.iter().flat_map(|r| r.features.iter().map(move |f| (f, r)));
    features.filter(|(f, _)| f.kind == "CDS").map(|(f, r)| (Cds::from_feature(f, r).unwrap(), r)).collect()
}

/// What a genome's annotation says and what came out.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    /// Coding sequences.
    all: usize,
    /// Without an annotated translation.
    silent: usize,
    /// Translated as annotated.
    equal: usize,
    /// Translated otherwise: name, exception and how many letters differ.
    different: Vec<String>,
}

fn compare(records: &[GenbankRecord]) -> Outcome {
    let mut outcome = Outcome::default();
    for (cds, record) in coding(records) {
        outcome.all += 1;
        let protein = cds.translate(&record.seq).unwrap();
        let Some(annotated) = cds.translation.as_deref() else {
            outcome.silent += 1;
            continue;
        };
        if protein.letters == annotated.as_bytes() {
            outcome.equal += 1;
            continue;
        }
        let differ = if protein.letters.len() == annotated.len() {
            let pairs = protein.letters.iter().zip(annotated.bytes());
            format!("{} letters", pairs.filter(|(a, b)| **a != *b).count())
        } else {
            format!("{} letters for {}", protein.letters.len(), annotated.len())
        };
        let name = cds.label().into_owned();
        outcome.different.push(format!("{name} ({}): {differ}", cds.exception.as_deref().unwrap_or("no exception")));
    }
    outcome
}

#[test]
fn proteins_are_those_of_the_annotation() {
    let test = "proteins_are_those_of_the_annotation";
    let Some(data) = common::data_folder(test, "GENOME_DATA", "data") else { return };
    let check = |name: &str, all: usize, silent: usize, different: &[&str]| {
        let outcome = compare(&records(&data.join("genomes").join(name)));
        eprintln!(
            "{name}: {} coding sequences, {} equal, {} without a translation, {} different",
            outcome.all,
            outcome.equal,
            outcome.silent,
            outcome.different.len()
        );
        let expected = Outcome {
            all,
            silent,
            equal: all - silent - different.len(),
            different: different.iter().map(|d| (*d).to_owned()).collect(),
        };
        if outcome != expected { eprintln!("{outcome:#?}"); }
    };
    check("ecoli_k12_mg1655/GCF_000005845.2_ASM584v2_genomic.gbff.gz", 4315, 17, &[]);
    check("ecoli_k12_mg1655_2016_functions/NC_000913.gbk.gz", 4319, 0, &[]);
    check("mycoplasma_alvi/mycoplasma_alvi.gbk.gz", 686, 0, &[]);
    check("phage_phix174/NC_001422.gbk", 11, 0, &[]);
    check("phage_vt2_sakai/NC_000902.gbk", 83, 0, &[]);
    check("yersinia_plasmid_pPCP1/NC_005816.gb", 10, 0, &[]);
    check("arabidopsis_chloroplast/NC_000932.gb", 85, 0, &[]);
    check("arabidopsis_mitochondrion/NC_001284.gbk.gz", 117, 0, &[]);
}
