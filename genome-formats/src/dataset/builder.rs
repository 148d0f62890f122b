//! From a genome and what lies on it to rows with labels.

use std::collections::BTreeMap;

use super::cluster::{self, Homology};
use super::dice::{Dice, Stream};
use super::genome::{Atlas, Genome, Place};
use super::items::Site;
use super::manifest::{FileHash, GenomeSummary, Manifest, SplitCounts};
use super::negatives::{Matcher, made, wanted};
use super::options::{DatasetOptions, Negatives, SplitBy, refuse};
use super::rows::{DropReason, Labels, Row, RowKind};
use super::territory::Territory;
use super::window::Window;
use super::zones::Zones;
use super::{Split, dedupe};
use crate::coord::{Span, Strand};
use crate::error::{Error, ErrorKind, Result};
use crate::labels::whole_number;

/// Builds a data set from a genome and what lies on it.
///
/// The parts of the genome that train, dev and test get are settled before a window is cut; then windows are cut and
/// checked, duplicates removed, negatives made, and duplicates removed again. Items are read once, one by one.
///
/// Memory: about 150 bytes a window; with near duplicates or a split by homology 512 more, and some 12 for each bucket that
/// it shares with others; for signals 50 a window; an allele's letters; the letters of a few windows at a time; and what the
/// genome itself keeps. Windows' letters are fetched when they are needed, three or four times each.
///
/// ```
/// use genome_formats::dataset::{DatasetBuilder, DatasetOptions, Dedupe, MemoryGenome, Negatives, Site, SplitBy, Window};
/// use genome_formats::{DatasetDir, SeqRecord, Span, Strand};
///
/// let letters: Vec<u8> = (0u64..9000).map(|i| b"ACGT"[(i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 62) as usize]).collect();
/// let chromosomes = [("chr1", 0), ("chr2", 3000), ("chr3", 6000)];
/// let records = chromosomes.map(|(name, at)| SeqRecord::new(name, &letters[at..at + 3000]));
/// let genome = MemoryGenome::new("toy.fa", records)?;
/// let sites = chromosomes.into_iter().flat_map(|(name, _)| {
///     [500, 1500].map(|at| {
///         Ok(Site {
///             seq_name: name.to_owned(),
///             span: Span::new(at, at + 300).unwrap(),
///             strand: Some(Strand::Reverse),
///             label: "1".to_owned(),
///         })
///     })
/// });
/// let options = DatasetOptions {
///     seed: 7,
///     window: Window::AroundStart { upstream: 50, downstream: 20 },
///     split: SplitBy::Chromosome { dev: vec!["chr2".into()], test: vec!["chr3".into()] },
///     negatives: Negatives::Shuffled { ratio: 1.0, label: "0".into() },
///     dedupe: Dedupe::OFF,
///     ..DatasetOptions::default()
/// };
/// let dataset = DatasetBuilder::new(genome, options).sites(sites)?;
/// # let dir = tempfile::tempdir().unwrap();
/// # let dir = dir.path();
/// let manifest = dataset.write(dir)?;
/// assert_eq!(manifest.rows(), 12);
/// let set = DatasetDir::open(dir)?;
/// assert_eq!((set.train().rows.len(), set.train().rows[0].sequence.len()), (4, 70));
/// # Ok::<(), genome_formats::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct DatasetBuilder<G> {
    genome: G,
    options: DatasetOptions,
    inputs: Vec<FileHash>,
}

impl<G: Genome> DatasetBuilder<G> {
    /// A builder on a genome.
    pub fn new(genome: G, options: DatasetOptions) -> Self {
        Self { genome, options, inputs: Vec::new() }
    }

    /// Where the letters come from.
    pub fn genome(&self) -> &G {
        &self.genome
    }

    /// Names a file that the genome or the items come from, for the manifest.
    pub fn with_input(mut self, file: FileHash) -> Self {
        self.inputs.push(file);
        self
    }

    /// A set whose rows are windows of sites with the sites' labels, and made negatives where they are asked for.
    ///
    /// # Errors
    ///
    /// An option means nothing; an item or the genome cannot be read; a site is on an unknown sequence or outside of it
    /// (unless lenient); a label cannot be written; a split stays without rows, or has a class that train has not.
    pub fn sites(self, sites: impl IntoIterator<Item = Result<Site>>) -> Result<Dataset<G>> {
        let mut work = self.start(true)?;
        work.plan_sites(sites)?;
        work.finish(true)
    }

    pub(crate) fn start(self, may_make_negatives: bool) -> Result<Work<G>> {
        self.options.check()?;
        if !may_make_negatives && self.options.negatives != Negatives::FromLabel {
            return Err(refuse("made negatives for signals or variants", "negatives from labels"));
        }
        let atlas = Atlas::new(self.genome, &self.options.circular)?;
        let territory = Territory::new(&atlas, &self.options)?;
        let zones = Zones::new(atlas.chromosomes.len());
        Ok(Work {
            options: self.options,
            inputs: self.inputs,
            territory,
            zones,
            rows: Vec::new(),
            labels: Labels::default(),
            drops: BTreeMap::new(),
            items: 0,
            signals: 0,
            clusters: None,
            other_label: 0,
            near_within: true,
            atlas,
        })
    }
}

/// A data set in the making.
#[derive(Debug)]
pub(crate) struct Work<G> {
    pub(crate) atlas: Atlas<G>,
    pub(crate) options: DatasetOptions,
    inputs: Vec<FileHash>,
    pub(crate) territory: Territory,
    /// What made negatives must leave free.
    zones: Zones,
    pub(crate) rows: Vec<Row>,
    pub(crate) labels: Labels,
    pub(crate) drops: BTreeMap<DropReason, u64>,
    pub(crate) items: u64,
    pub(crate) signals: u64,
    clusters: Option<u64>,
    other_label: u64,
    /// Whether near duplicates go within a split too.
    pub(crate) near_within: bool,
}

impl<G: Genome> Work<G> {
    pub(crate) fn dropped(&mut self, why: DropReason) {
        *self.drops.entry(why).or_default() += 1;
    }

    /// An item that does not fit the genome: an error, or counted where the builder is lenient.
    pub(crate) fn misfit(&mut self, why: DropReason, error: Error) -> Result<()> {
        if !self.options.lenient {
            return Err(error);
        }
        self.dropped(why);
        Ok(())
    }

    /// The sequence that an item names, if its span is on it.
    pub(crate) fn locate(&mut self, what: &str, seq_name: &str, span: Span) -> Result<Option<u32>> {
        let number = match self.atlas.number(seq_name) {
            Ok(number) => number,
            Err(error) => {
                self.misfit(DropReason::UnknownSequence, error)?;
                return Ok(None);
            }
        };
        let chromosome = self.atlas.chromosome(number);
        let len = chromosome.len;
        let inside = span.end() <= len || (chromosome.circular && span.start() < len && span.len() <= len);
        if inside {
            return Ok(Some(number));
        }
        let error = self
            .atlas
            .error(ErrorKind::Coordinate, format!("{what} outside of its sequence"))
            .in_record(seq_name)
            .expecting(format!("an end up to {len}"))
            .finding(format!("{}..{}", span.start(), span.end()));
        self.misfit(DropReason::OutsideSequence, error)?;
        Ok(None)
    }

    pub(crate) fn plan_sites(&mut self, sites: impl IntoIterator<Item = Result<Site>>) -> Result<()> {
        for site in sites {
            let site = site?;
            let group = self.items;
            self.items += 1;
            let Some(chromosome) = self.locate("a site", &site.seq_name, site.span)? else { continue };
            let label = self.labels.number(&site.label)?;
            let reverse = self.options.strand_aware && site.strand == Some(Strand::Reverse);
            let ends = (site.span.start() as i64, site.span.end() as i64);
            let window = self.options.window;
            let mut windows = 0;
            window.cut(ends, reverse, |start, len| {
                windows += 1;
                self.plan_window(chromosome, (start, len), reverse, label, group)
            })?;
            if windows == 0 {
                self.dropped(DropReason::ShorterThanWindow);
            }
        }
        Ok(())
    }

    fn plan_window(
        &mut self,
        chromosome: u32,
        (start, len): (i64, i64),
        reverse: bool,
        label: u32,
        group: u64,
    ) -> Result<()> {
        if len == 0 {
            self.dropped(DropReason::EmptyWindow);
            return Ok(());
        }
        let Some(place) = self.atlas.place(chromosome, start, len, reverse) else {
            // Whatever of it there is, is no place for a negative.
            self.keep_free(chromosome, start, start + len);
            self.dropped(DropReason::OverEnd);
            return Ok(());
        };
        for (start, end) in self.atlas.pieces(place) {
            self.keep_free(chromosome, start as i64, end as i64);
        }
        self.plan_row(Row { place, split: Split::Train, kind: RowKind::Site, label, group, nonce: 0, edit: None })?;
        Ok(())
    }

    fn keep_free(&mut self, chromosome: u32, start: i64, end: i64) {
        if let Negatives::Matched { margin_bp, .. } = &self.options.negatives {
            let margin = i64::try_from(*margin_bp).unwrap_or(i64::MAX);
            let len = self.atlas.chromosome(chromosome).len as i64;
            let clip = |x: i64| x.clamp(0, len) as u64;
            self.zones.take(chromosome, clip(start.saturating_sub(margin)), clip(end.saturating_add(margin)));
        }
    }

    /// Adds a row where its place has one split and its letters are in order; tells whether it was added.
    pub(crate) fn plan_row(&mut self, mut row: Row) -> Result<bool> {
        let Some(split) = self.territory.split_of(&self.atlas, row.place) else {
            self.dropped(DropReason::SplitBorder);
            return Ok(false);
        };
        row.split = split;
        if let Some(why) = self.unfit_letters(&self.letters(&row)?) {
            self.dropped(why);
            return Ok(false);
        }
        self.rows.push(row);
        Ok(true)
    }

    fn letters(&self, row: &Row) -> Result<Vec<u8>> {
        row.letters(&self.atlas, self.options.seed, false)
    }

    fn unfit_letters(&self, letters: &[u8]) -> Option<DropReason> {
        unfit_letters(letters, self.options.max_n_share)
    }

    /// Splits by clusters, removes duplicates, makes negatives, counts. `classes`: labels are classes, not values.
    pub(crate) fn finish(mut self, classes: bool) -> Result<Dataset<G>> {
        if let SplitBy::Homology { dev, test, near, groups } = self.options.split.clone() {
            let options = Homology { dev, test, near, groups: &groups, seed: self.options.seed };
            let mut rows = std::mem::take(&mut self.rows);
            self.clusters = Some(cluster::assign(&mut rows, &self.atlas, &options, |row| self.letters(row))?);
            self.rows = rows;
        }
        self.remove_overlaps();
        self.remove_duplicates()?;
        if self.options.negatives != Negatives::FromLabel {
            self.make_negatives()?;
            self.remove_overlaps();
            self.remove_duplicates()?;
        }
        self.remove_half_variants();
        let manifest = self.summary(classes);
        self.check_splits(classes, &manifest)?;
        Ok(self.into_dataset(manifest))
    }

    /// Rows that overlap a row of another split. The territories and clusters leave none; this is the proof.
    fn remove_overlaps(&mut self) {
        let mut pieces: Vec<(u32, u64, u64, usize)> = Vec::new();
        for (i, row) in self.rows.iter().enumerate().filter(|(_, r)| r.lies_in_genome()) {
            pieces.extend(self.atlas.pieces(row.place).map(|(s, e)| (row.place.chromosome, s, e, i)));
        }
        pieces.sort_unstable();
        let mut doomed = vec![false; self.rows.len()];
        // For each split, the piece that reaches furthest on this sequence.
        let mut furthest: [Option<(u32, u64, usize)>; 3] = [None; 3];
        for (chromosome, start, end, i) in pieces {
            let mine = self.rows[i].split as usize;
            for (split, last) in furthest.iter().enumerate().filter(|(split, _)| *split != mine) {
                if let Some((c, reach, j)) = *last
                    && c == chromosome
                    && start < reach
                {
                    doomed[if split > mine { i } else { j }] = true;
                }
            }
            match &mut furthest[mine] {
                Some((c, reach, _)) if *c == chromosome && *reach >= end => {}
                slot => *slot = Some((chromosome, end, i)),
            }
        }
        let why = doomed.into_iter().map(|d| d.then_some(DropReason::OverlapsOtherSplit)).collect();
        self.remove(why);
    }

    fn remove_duplicates(&mut self) -> Result<()> {
        let removed = dedupe::find(&self.rows, self.options.dedupe, self.near_within, |row| self.letters(row))?;
        self.other_label += removed.other_label;
        self.remove(removed.why);
        Ok(())
    }

    pub(crate) fn remove(&mut self, why: Vec<Option<DropReason>>) {
        let mut reasons = why.into_iter();
        let drops = &mut self.drops;
        self.rows.retain(|_| match reasons.next().flatten() {
            Some(why) => {
                *drops.entry(why).or_default() += 1;
                false
            }
            None => true,
        });
    }

    /// A variant needs its reference and at least one alternate.
    fn remove_half_variants(&mut self) {
        let mut kinds: BTreeMap<u64, [bool; 2]> = BTreeMap::new();
        for row in &self.rows {
            match row.kind {
                RowKind::Reference => kinds.entry(row.group).or_default()[0] = true,
                RowKind::Alternate => kinds.entry(row.group).or_default()[1] = true,
                _ => {}
            }
        }
        let half = |row: &Row| kinds.get(&row.group).is_some_and(|has| *has != [true, true]);
        let why = self.rows.iter().map(|row| half(row).then_some(DropReason::PartnerDropped)).collect();
        self.remove(why);
    }

    fn make_negatives(&mut self) -> Result<()> {
        let (ratio, label) = match &self.options.negatives {
            Negatives::FromLabel => return Ok(()),
            Negatives::Matched { ratio, label, .. } | Negatives::Shuffled { ratio, label } => (*ratio, label.clone()),
        };
        let label = self.labels.number(&label)?;
        let mut made_rows = Vec::new();
        let mut number = 0;
        for split in Split::ALL {
            let positives: Vec<&Row> = self.rows.iter().filter(|r| r.split == split).collect();
            let wanted = wanted(positives.len(), ratio);
            let mut matcher = match self.options.negatives {
                Negatives::Matched { gc_tolerance, .. } => {
                    Some(Matcher::new(&self.atlas, &self.options, gc_tolerance, &self.territory, split))
                }
                _ => None,
            };
            for positive in positives.into_iter().cycle().take(wanted) {
                let row = match &mut matcher {
                    None => Some(made(positive, RowKind::Shuffled, label, number)),
                    Some(matcher) => {
                        let most_n = self.options.max_n_share;
                        let fits = |letters: &[u8]| unfit_letters(letters, most_n).is_none();
                        let place = matcher.draw(positive, &mut self.zones, fits)?;
                        place.map(|place| Row { place, ..made(positive, RowKind::Matched, label, number) })
                    }
                };
                number += 1;
                match row {
                    Some(row) => made_rows.push(row),
                    None => *self.drops.entry(DropReason::NoMatch).or_default() += 1,
                }
            }
        }
        self.rows.extend(made_rows);
        Ok(())
    }

    fn summary(&self, classes: bool) -> Manifest {
        let mut splits: BTreeMap<Split, SplitCounts> = Split::ALL.map(|s| (s, SplitCounts::default())).into();
        for row in &self.rows {
            let counts = splits.entry(row.split).or_default();
            counts.rows += 1;
            *counts.kinds.entry(row.kind).or_default() += 1;
            if classes {
                *counts.labels.entry(self.labels.name(row.label).to_owned()).or_default() += 1;
            }
        }
        Manifest {
            manifest_version: 1,
            crate_version: env!("CARGO_PKG_VERSION").to_owned(),
            options: self.options.clone(),
            genome: GenomeSummary {
                name: self.atlas.name().to_owned(),
                sequences: self.atlas.chromosomes.len() as u64,
                letters: self.atlas.chromosomes.iter().map(|c| c.len).sum(),
            },
            inputs: self.inputs.clone(),
            items: self.items,
            signals: self.signals,
            clusters: self.clusters,
            splits,
            drops: self.drops.clone(),
            duplicates_with_other_label: self.other_label,
            outputs: Vec::new(),
        }
    }

    /// Refuses what could not be read back as a data set.
    fn check_splits(&self, classes: bool, manifest: &Manifest) -> Result<()> {
        for (split, counts) in &manifest.splits {
            if counts.rows == 0 {
                let drops: Vec<String> = manifest.drops.iter().map(|(why, n)| format!("{n} {why}")).collect();
                let drops = if drops.is_empty() { "nothing dropped".to_owned() } else { drops.join(", ") };
                return Err(self
                    .atlas
                    .error(ErrorKind::Empty, format!("no rows for {}", split.name()))
                    .expecting("rows in each split")
                    .finding(format!("{} rows in all; dropped: {drops}", manifest.rows())));
            }
        }
        if !classes {
            return Ok(());
        }
        let train = &manifest.splits[&Split::Train].labels;
        for split in [Split::Dev, Split::Test] {
            if let Some(label) = manifest.splits[&split].labels.keys().find(|l| !train.contains_key(*l)) {
                return Err(self
                    .atlas
                    .error(ErrorKind::Label, format!("{} has a class that train has not", split.name()))
                    .finding(format!("{label:?}")));
            }
        }
        let numbers: Option<Vec<u64>> = train.keys().map(|l| whole_number(l)).collect();
        if let Some(mut numbers) = numbers {
            numbers.sort_unstable();
            if numbers.iter().zip(0..).any(|(n, i)| *n != i) {
                return Err(self
                    .atlas
                    .error(ErrorKind::Label, "a gap in the numbers of the classes")
                    .expecting("labels 0, 1, 2, ... without a gap in train")
                    .finding(format!("{numbers:?}")));
            }
        }
        Ok(())
    }

    fn into_dataset(self, manifest: Manifest) -> Dataset<G> {
        let order = Split::ALL.map(|split| {
            let mut rows: Vec<usize> = (0..self.rows.len()).filter(|&i| self.rows[i].split == split).collect();
            if self.options.shuffle_rows {
                Dice::new(self.options.seed, Stream::Order(split)).shuffle(&mut rows);
            }
            rows
        });
        Dataset { atlas: self.atlas, rows: self.rows, order, labels: self.labels, manifest }
    }
}

fn unfit_letters(letters: &[u8], max_n_share: f64) -> Option<DropReason> {
    let mut n = 0;
    for letter in letters {
        match letter.to_ascii_uppercase() {
            b'A' | b'C' | b'G' | b'T' => {}
            b'N' => n += 1,
            _ => return Some(DropReason::OtherLetters),
        }
    }
    (f64::from(n) > max_n_share * letters.len() as f64).then_some(DropReason::TooManyN)
}

/// A data set: which windows, with which labels, in which split. Letters are fetched as they are asked for.
#[derive(Debug)]
pub struct Dataset<G> {
    atlas: Atlas<G>,
    rows: Vec<Row>,
    order: [Vec<usize>; 3],
    labels: Labels,
    manifest: Manifest,
}

/// A row of a data set, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetRow {
    /// The letters.
    pub sequence: Vec<u8>,
    /// The label.
    pub label: String,
    /// What it is.
    pub kind: RowKind,
    /// The sequence of the genome; of a shuffled row, that of the window that was shuffled, as the next two.
    pub seq_name: String,
    /// Where. On a circular sequence the end may be behind the sequence's end.
    pub span: Span,
    /// The strand that was read.
    pub strand: Strand,
}

impl<G: Genome> Dataset<G> {
    /// Counts and options; its `outputs` are empty.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The rows of a split in the order of its file.
    pub fn rows(&self, split: Split) -> impl Iterator<Item = Result<DatasetRow>> {
        self.planned(split).map(|row| {
            let Place { start, len, reverse, .. } = row.place;
            Ok(DatasetRow {
                sequence: self.letters(row)?,
                label: self.label(row).to_owned(),
                kind: row.kind,
                seq_name: self.chromosome_name(row).to_owned(),
                span: Span::new(start, start + len).expect("a place starts before it ends"),
                strand: if reverse { Strand::Reverse } else { Strand::Forward },
            })
        })
    }

    pub(crate) fn planned(&self, split: Split) -> impl Iterator<Item = &Row> {
        self.order[split as usize].iter().map(|&i| &self.rows[i])
    }

    pub(crate) fn letters(&self, row: &Row) -> Result<Vec<u8>> {
        row.letters(&self.atlas, self.manifest.options.seed, self.manifest.options.keep_case)
    }

    pub(crate) fn label(&self, row: &Row) -> &str {
        self.labels.name(row.label)
    }

    pub(crate) fn chromosome_name(&self, row: &Row) -> &str {
        &self.atlas.chromosome(row.place.chromosome).name
    }
}

/// The width of the windows of variants.
pub(crate) fn variant_width(window: Window) -> Result<u64> {
    match window {
        Window::Centered(bp) => Ok(bp),
        other => Err(refuse(format!("the window {other:?} for variants"), "a centred window")),
    }
}
