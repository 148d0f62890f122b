//! Coding sequences, proteins and open reading frames of real genomes against their annotation.

mod common;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::io::Read;
use std::path::Path;

use genome_formats::{
    Cds, CdsLine, CdsLines, FastaReader, GenbankReader, GenbankRecord, GeneticCode, Input, KmerCounts, Letters, Motif,
    OrfOptions, Protein, SeqRecord, SequenceIndex, SequenceStats, Span, Strand, Topology, gc_windows, orfs, sequences,
};

const ECOLI: &str = "genomes/ecoli_k12_mg1655/GCF_000005845.2_ASM584v2_";

fn records(path: &Path) -> Vec<GenbankRecord> {
    GenbankReader::from_input(Input::open(path).unwrap()).collect::<Result<_, _>>().unwrap()
}

/// Every coding sequence with its record.
fn coding(records: &[GenbankRecord]) -> Vec<(Cds, &GenbankRecord)> {
    let features = records.iter().flat_map(|r| r.features.iter().map(move |f| (f, r)));
    features.filter(|(f, _)| f.kind == "CDS").map(|(f, r)| (Cds::from_feature(f, r).unwrap(), r)).collect()
}

/// What a genome's annotation says and what came out.
#[derive(Debug, PartialEq)]
struct Outcome {
    /// Coding sequences.
    all: usize,
    /// Pseudogenes without an annotated translation.
    pseudo: usize,
    /// Others without one.
    silent: usize,
    /// Translated otherwise than annotated: name, exception, and each letter here, its number and the annotated one.
    different: Vec<String>,
}

fn compare(records: &[GenbankRecord]) -> Outcome {
    let mut outcome = Outcome { all: 0, pseudo: 0, silent: 0, different: Vec::new() };
    for (cds, record) in coding(records) {
        outcome.all += 1;
        let protein = cds.translate(&record.seq).unwrap();
        match cds.translation.as_deref() {
            None if cds.pseudo => outcome.pseudo += 1,
            None => outcome.silent += 1,
            Some(annotated) if protein.letters == annotated.as_bytes() => {}
            Some(annotated) => {
                let pairs = protein.letters.iter().zip(annotated.bytes()).zip(1..).filter(|((a, b), _)| **a != *b);
                let pairs: Vec<String> = pairs.map(|((&a, b), n)| format!("{}{n}{}", a as char, b as char)).collect();
                outcome.different.push(format!(
                    "{} ({}): {} of {} letters, {}",
                    cds.label(),
                    cds.exception.as_deref().unwrap_or("no exception"),
                    protein.letters.len(),
                    annotated.len(),
                    pairs.join(" ")
                ));
            }
        }
    }
    outcome
}

#[test]
fn proteins_are_those_of_the_annotation() {
    let test = "proteins_are_those_of_the_annotation";
    let Some(data) = common::data_folder(test, "GENOME_DATA", "data") else { return };
    let check = |name: &str, all: usize, pseudo: usize, silent: usize, different: &[&str]| {
        let outcome = compare(&records(&data.join("genomes").join(name)));
        let translated = outcome.all - outcome.pseudo - outcome.silent;
        let equal = translated - outcome.different.len();
        eprintln!(
            "{name}: {all} coding sequences, {translated} with a translation, {equal} equal, {:?}",
            outcome.different
        );
        let different = different.iter().map(|d| (*d).to_owned()).collect();
        assert_eq!(outcome, Outcome { all, pseudo, silent, different }, "{name}");
    };
    check("ecoli_k12_mg1655/GCF_000005845.2_ASM584v2_genomic.gbff.gz", 4315, 17, 0, &[]);
    check("ecoli_k12_mg1655_2016_functions/NC_000913.gbk.gz", 4319, 179, 0, &[]);
    check("mycoplasma_alvi/mycoplasma_alvi.gbk.gz", 686, 7, 0, &[]);
    check("phage_phix174/NC_001422.gbk", 11, 0, 0, &[]);
    check("phage_vt2_sakai/NC_000902.gbk", 83, 0, 0, &[]);
    check("yersinia_plasmid_pPCP1/NC_005816.gb", 10, 0, 0, &[]);
    // ndhD: the start codon ACG becomes AUG by RNA editing, which the bases do not show.
    let edited = "NP_051109.2 (RNA editing): 500 of 500 letters, T1M";
    check("arabidopsis_chloroplast/NC_000932.gb", 85, 0, 0, &[edited]);
    // Annotated proteins are those of the DNA here, also where /exception says that RNA is edited.
    check("arabidopsis_mitochondrion/NC_001284.gbk.gz", 117, 0, 0, &[]);
}

#[test]
fn special_coding_sequences_are_among_them() {
    let test = "special_coding_sequences_are_among_them";
    let Some(data) = common::data_folder(test, "GENOME_DATA", "data") else { return };
    let genomes = data.join("genomes");
    let protein = |name: &str, wanted: &dyn Fn(&Cds) -> bool| -> Vec<(Cds, Protein)> {
        let records = records(&genomes.join(name));
        let found = coding(&records).into_iter().filter(|(cds, _)| wanted(cds));
        found.map(|(cds, record)| (cds.clone(), cds.translate(&record.seq).unwrap())).collect()
    };
    // Selenocysteine in three formate dehydrogenases, at /transl_except only.
    let seleno = protein("ecoli_k12_mg1655/GCF_000005845.2_ASM584v2_genomic.gbff.gz", &|c| !c.transl_except.is_empty());
    assert_eq!(seleno.len(), 3);
    for (cds, protein) in &seleno {
        assert_eq!(protein.letters.iter().filter(|&&l| l == b'U').count(), 1, "{}", cds.label());
        assert!(protein.start && protein.stop && protein.internal_stops.is_empty());
    }
    // rps12 in two copies, each from both strands.
    let rps12 = protein("arabidopsis_chloroplast/NC_000932.gb", &|c| c.gene.as_deref() == Some("rps12"));
    assert_eq!(rps12.len(), 2);
    assert!(rps12.iter().any(|(c, _)| c.parts.iter().any(|p| p.strand != c.parts[0].strand)));
    // Three genes of phiX174 run over the origin.
    let over = protein("phage_phix174/NC_001422.gbk", &|c| c.parts.len() == 2 && c.parts[1].span.start() == 0);
    assert_eq!(over.len(), 3);
    assert!(over.iter().all(|(_, p)| p.start && p.stop));
    // TGA is tryptophan in Mycoplasma: with the bacterial code many of its proteins would be cut.
    let records = records(&genomes.join("mycoplasma_alvi/mycoplasma_alvi.gbk.gz"));
    let cut = coding(&records).into_iter().filter(|(cds, record)| {
        assert_eq!(cds.code.id(), 4);
        let other = Cds { code: GeneticCode::BACTERIAL, ..cds.clone() };
        let stops = |cds: &Cds| cds.translate(&record.seq).unwrap().internal_stops.len();
        !cds.pseudo && stops(cds) == 0 && stops(&other) > 0
    });
    let cut = cut.count();
    eprintln!("{cut} proteins of Mycoplasma need table 4");
    assert!(cut > 300, "{cut}");
}

/// The coding sequences of a GFF3 file by `protein_id`: only what this test needs of the format.
fn gff_coding(path: &Path, ring: impl Fn(&str) -> Option<u64>) -> Vec<Cds> {
    let mut text = String::new();
    Input::open(path).unwrap().read_to_string(&mut text).unwrap();
    let decode = |value: &str| value.replace("%2C", ",").replace("%3B", ";").replace("%3D", "=").replace("%25", "%");
    let mut groups: BTreeMap<String, (CdsLines, Vec<(String, String)>)> = BTreeMap::new();
    for (n, line) in text.lines().enumerate() {
        let columns: Vec<&str> = line.split('\t').collect();
        let [sequence, _, "CDS", start, end, _, strand, phase, attributes] = columns[..] else { continue };
        let attributes: Vec<(String, String)> = attributes
            .split(';')
            .filter_map(|a| a.split_once('='))
            .map(|(name, value)| (name.to_owned(), decode(value)))
            .collect();
        let value = |name: &str| attributes.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
        let id = value("ID").unwrap_or_else(|| format!("line {n}"));
        let (lines, kept) = groups.entry(format!("{sequence} {id}")).or_default();
        lines.sequence = sequence.to_owned();
        lines.ring = ring(sequence);
        lines.trans_spliced |= value("exception").is_some_and(|e| e.contains("trans-splicing"));
        lines.cds.push(CdsLine {
            span: Span::from_one_based(start.parse().unwrap(), end.parse().unwrap()).unwrap(),
            strand: if strand == "-" { Strand::Reverse } else { Strand::Forward },
            phase: phase.parse().ok(),
            part: value("part").and_then(|p| p.parse().ok()),
        });
        kept.extend(attributes);
    }
    let build = |(lines, attributes): &(CdsLines, Vec<(String, String)>)| {
        let mut cds = Cds::from_lines(lines).unwrap();
        for (name, value) in attributes {
            cds.annotate(name, Some(value), lines.ring).unwrap();
        }
        cds
    };
    groups.values().map(build).collect()
}

#[test]
fn proteins_of_gff_lines_are_those_of_the_protein_file() {
    let test = "proteins_of_gff_lines_are_those_of_the_protein_file";
    let Some(data) = common::data_folder(test, "GENOME_DATA", "data") else { return };
    let file = |end: &str| data.join(format!("{ECOLI}{end}"));
    let genome = sequences::open(file("genomic.fna.gz")).unwrap().next().unwrap().unwrap();
    let proteins = FastaReader::from_input(Input::open(file("protein.faa.gz")).unwrap()).with_letters(Letters::Any);
    let expected: BTreeMap<String, Vec<u8>> = proteins.map(|r| r.unwrap()).map(|r| (r.name, r.seq)).collect();

    let length = genome.seq.len() as u64;
    let mut found = BTreeMap::new();
    for cds in gff_coding(&file("genomic.gff.gz"), |name| (name == genome.name).then_some(length)) {
        if cds.pseudo {
            continue;
        }
        // As from an indexed file: a fetch for each part.
        let fetch = |_: &str, span: Span| Ok(Cow::Borrowed(span.slice(&genome.seq).unwrap_or_default()));
        let bases = cds.nucleotides_with(fetch).unwrap();
        assert_eq!(bases, cds.nucleotides(&genome.seq).unwrap());
        found.insert(cds.protein_id.clone().unwrap(), cds.translate_bases(&bases).unwrap().letters);
    }
    eprintln!("{} proteins from GFF3 lines, {} in the protein file", found.len(), expected.len());
    assert_eq!((found.len(), expected.len()), (4298, 4298));
    for (name, protein) in &expected {
        assert_eq!(found.get(name), Some(protein), "{name}");
    }
}

#[test]
fn gff_and_genbank_of_one_genome_have_the_same_proteins() {
    let test = "gff_and_genbank_of_one_genome_have_the_same_proteins";
    let Some(data) = common::data_folder(test, "GENOME_DATA", "data") else { return };
    for (genbank, gff) in [
        ("mycoplasma_alvi/mycoplasma_alvi.gbk.gz", "mycoplasma_alvi/mycoplasma_alvi.gff.gz"),
        ("phage_vt2_sakai/NC_000902.gbk", "phage_vt2_sakai/NC_000902.gff"),
    ] {
        let records = records(&data.join("genomes").join(genbank));
        let by_name = |name: &str| {
            let named = |r: &&GenbankRecord| r.version.as_deref() == Some(name) || r.name == name;
            records.iter().find(named).unwrap_or_else(|| panic!("{name}"))
        };
        let from_genbank = coding(&records).into_iter().filter(|(cds, _)| !cds.pseudo);
        let mut expected: Vec<Vec<u8>> = from_genbank.map(|(c, r)| c.translate(&r.seq).unwrap().letters).collect();
        let from_gff = gff_coding(&data.join("genomes").join(gff), |_| None).into_iter().filter(|cds| !cds.pseudo);
        let mut found: Vec<Vec<u8>> =
            from_gff.map(|c| c.translate(&by_name(&c.sequence).seq).unwrap().letters).collect();
        expected.sort();
        found.sort();
        eprintln!("{gff}: {} proteins", found.len());
        assert!(found == expected, "{gff}: {} for {}", found.len(), expected.len());
    }
}

#[test]
fn annotated_genes_are_open_reading_frames() {
    let test = "annotated_genes_are_open_reading_frames";
    let Some(data) = common::data_folder(test, "GENOME_DATA", "data") else { return };
    let records = records(&data.join(format!("{ECOLI}genomic.gbff.gz")));
    let seq = &records[0].seq;
    let length = seq.len() as u64;
    let options = OrfOptions {
        code: GeneticCode::BACTERIAL,
        topology: Topology::from_flag(records[0].circular),
        ..OrfOptions::default()
    };
    let found: Vec<_> = orfs(seq, &options).collect();
    // Where the stop codon ends, seen along the strand; the frame follows from it.
    let stop = |span: Span, strand| match strand {
        Strand::Forward => (strand, span.end() % length),
        Strand::Reverse => (strand, span.start()),
    };
    let stops: HashSet<_> = found.iter().map(|o| stop(o.span, o.strand)).collect();
    let whole: HashSet<_> = found.iter().map(|o| (o.span, o.strand)).collect();
    assert_eq!(stops.len(), found.len(), "without nesting, one frame a stop");
    let (mut checked, mut same_start, mut missing) = (0, 0, Vec::new());
    for (cds, _) in coding(&records) {
        let complete = !cds.pseudo && !cds.partial_5 && !cds.partial_3 && cds.parts.len() == 1;
        if !complete || !cds.transl_except.is_empty() || cds.len() / 3 - 1 < options.min_len_aa {
            continue;
        }
        checked += 1;
        let part = &cds.parts[0];
        if !stops.contains(&stop(part.span, part.strand)) {
            missing.push(cds.label().into_owned());
        }
        same_start += usize::from(whole.contains(&(part.span, part.strand)));
    }
    eprintln!(
        "{} open reading frames of 30 amino acids or more; {checked} genes checked, {} missing, {same_start} with the \
         same start",
        found.len(),
        missing.len()
    );
    assert!(missing.is_empty(), "{missing:?}");
    assert!(checked > 4100, "{checked}");
}

#[test]
fn upstream_of_a_gene_is_found_in_the_genome() {
    let test = "upstream_of_a_gene_is_found_in_the_genome";
    let Some(data) = common::data_folder(test, "GENOME_DATA", "data") else { return };
    let records = records(&data.join("genomes/phage_phix174/NC_001422.gbk"));
    let seq = &records[0].seq;
    let length = seq.len() as u64;
    let all = coding(&records);
    // The flank and the first codons stand side by side in the ring.
    let ring = seq.repeat(2).to_ascii_uppercase();
    for (cds, _) in &all {
        let flank = cds.upstream(6000, length, Topology::Circular).unwrap();
        assert_eq!(flank.len(), length - cds.parts[0].span.len());
        let mut joined = cds.upstream(30, length, Topology::Circular).unwrap().bases(seq).unwrap();
        assert_eq!(joined.len(), 30);
        joined.extend(&cds.nucleotides(seq).unwrap()[..9]);
        let joined = String::from_utf8(joined).unwrap().to_ascii_uppercase();
        assert!(String::from_utf8_lossy(&ring).contains(&joined), "{}", cds.label());
    }
}

#[test]
fn numbers_of_a_genome() {
    let test = "numbers_of_a_genome";
    let Some(data) = common::data_folder(test, "GENOME_DATA", "data") else { return };
    let genome = sequences::open(data.join(format!("{ECOLI}genomic.fna.gz"))).unwrap().next().unwrap().unwrap();
    let mut stats = SequenceStats::default();
    genome.seq.chunks(1000).for_each(|piece| stats.push(piece));
    stats.end_sequence();
    // 4,641,652 letters, GC 50.79 %: what the data's description says.
    assert_eq!((stats.letters(), stats.sequences()), (4_641_652, 1));
    assert_eq!(format!("{:.4}", stats.gc().unwrap()), "0.5079");
    // The skew turns at origin and terminus of replication: its sum is smallest near oriC (3.92 Mb) and largest near dif
    // (1.59 Mb; both Blattner et al., Science 277, 1997).
    let mut sum = 0.0;
    let sums: Vec<(f64, u64)> = gc_windows(&genome.seq, 1000, 1000)
        .unwrap()
        .map(|w| {
            sum += w.skew.unwrap();
            (sum, w.span.start())
        })
        .collect();
    let lowest = sums.iter().min_by(|a, b| a.0.total_cmp(&b.0)).unwrap().1;
    let highest = sums.iter().max_by(|a, b| a.0.total_cmp(&b.0)).unwrap().1;
    eprintln!("skew turns at {lowest} and {highest}");
    assert!(lowest.abs_diff(3_923_000) < 50_000 && highest.abs_diff(1_588_000) < 50_000);

    // The same count by three tools: GATC, the site of Dam methylation, is its own reverse complement.
    let mut kmers = KmerCounts::canonical(4).unwrap();
    kmers.push(&genome.seq);
    let motif = Motif::new("GATC").unwrap();
    let hits = motif.find(&genome.seq, Topology::Linear).count();
    // Chi, one word of the recombination machinery, on both strands.
    let chi = Motif::new("GCTGGTGG").unwrap();
    let chi_hits: Vec<_> = chi.find(&genome.seq, Topology::Linear).map(|h| (h.span, h.strand)).collect();
    let index = SequenceIndex::new(&[SeqRecord::new("ecoli", genome.seq.clone())]);
    let indexed: Vec<_> = index.find_all(b"GCTGGTGG").iter().map(|h| (h.span, h.strand)).collect();
    eprintln!("{hits} GATC, {} Chi", chi_hits.len());
    assert_eq!((kmers.count(b"GATC"), index.count(b"GATC")), (hits as u64, hits));
    assert_eq!(chi_hits, indexed);
    let mut words = KmerCounts::canonical(8).unwrap();
    words.push(&genome.seq);
    assert_eq!(words.count(b"GCTGGTGG"), chi_hits.len() as u64);
    // 1,008 Chi sites, as the literature counts them.
    assert_eq!(chi_hits.len(), 1008);
}
