//! Rules that span records: order, contiguous sequences, duplicates.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use crate::error::ErrorKind;

use super::allele::Allele;
use super::header::VcfVersion;
use super::problem::{Parsed, Problem, Report};
use super::record::{Variant, trim};

/// Sequences, and variants of one stretch, that are remembered. Behind that many the rule is not checked any more.
const MAX_REMEMBERED: usize = 1 << 18;

/// What was seen so far.
#[derive(Debug, Default)]
pub(super) struct Order {
    hasher: RandomState,
    chrom: String,
    /// The POS column of the last record.
    position: u64,
    started: bool,
    /// Hashes of the sequences that are done.
    done: HashSet<u64>,
    /// Hashes of the trimmed alleles that lie at `position` or behind it.
    variants: HashSet<u64>,
    /// The furthest trimmed position among them.
    furthest: u64,
}

impl Order {
    pub(super) fn check(&mut self, record: &Variant, version: VcfVersion, report: &mut Report) -> Parsed<()> {
        // `<ctg>` lies in an assembly file, not in the reference: such records stand between those of the sequence that they
        // belong to, as in the specification's complexfile_passed_000.vcf.
        if record.chrom.starts_with('<') {
            return Ok(());
        }
        let position = record.start.map_or(0, |s| s + 1);
        if !self.started || self.chrom != record.chrom {
            self.next_chrom(record, report)?;
        } else if position < self.position && version < VcfVersion::V4_5 {
            // "Positions are sorted numerically, in increasing order, within each reference sequence" (1.6.1). The
            // specification's own example of 4.5 (zero_length_LAA.vcf) is not sorted.
            let problem = Problem::new("order of records", "the records are not sorted by POS").at(2);
            report.broken(problem.expecting(format!("{} or more", self.position)).found(position.to_string()))?;
        }
        self.position = position;
        if self.furthest < position {
            self.variants.clear();
        }
        self.check_duplicates(record, report)
    }

    /// "All entries for a specific CHROM should form a contiguous block within the VCF file" (1.6.1).
    fn next_chrom(&mut self, record: &Variant, report: &mut Report) -> Parsed<()> {
        if self.started && self.done.len() < MAX_REMEMBERED {
            self.done.insert(self.hasher.hash_one(&self.chrom));
        }
        if self.done.contains(&self.hasher.hash_one(&record.chrom)) {
            let problem = Problem::new("contiguous sequences", "the records of a sequence are not contiguous").at(1);
            report
                .broken(problem.expecting("all records of a sequence in one block").finding(record.chrom.as_bytes()))?;
        }
        self.started = true;
        self.chrom.clone_from(&record.chrom);
        self.variants.clear();
        self.furthest = 0;
        Ok(())
    }

    /// The same change must not stand twice, be it in another context (`TAT>TGT` and `A>G`) or as one of several alleles.
    /// Symbolic alleles and breakends may: they are not exact.
    fn check_duplicates(&mut self, record: &Variant, report: &mut Report) -> Parsed<()> {
        let Some(start) = record.start else {
            return Ok(());
        };
        for allele in &record.alternates {
            let Allele::Bases(bases) = allele else {
                continue;
            };
            let (skip, reference, bases) = trim(&record.reference, bases);
            let place = start + skip as u64;
            if self.variants.len() >= MAX_REMEMBERED {
                return Ok(());
            }
            let key = (place, reference.to_ascii_uppercase(), bases.to_ascii_uppercase());
            if !self.variants.insert(self.hasher.hash_one(key)) {
                let problem = Problem::new("duplicated variant", "a duplicated variant: the same change stands twice");
                let found = format!("{}:{} {allele}", record.chrom, start + 1);
                report.broken(problem.of_kind(ErrorKind::Duplicate).at(5).finding(found.as_bytes()))?;
            }
            self.furthest = self.furthest.max(place + 1);
        }
        Ok(())
    }
}
