//! Windows with and without a variant.

use super::Split;
use super::builder::{Dataset, DatasetBuilder, Work, variant_width};
use super::genome::Genome;
use super::items::VariantSite;
use super::rows::{DropReason, Edit, Row, RowKind};
use crate::coord::Span;
use crate::error::{ErrorKind, Result, quote};

impl<G: Genome> DatasetBuilder<G> {
    /// A set of pairs: the window around each variant with the letters of the genome, and with each other allele.
    ///
    /// The window must be [`Window::Centered`](super::Window::Centered): `bp / 2` bases in front of the variant's first
    /// base, then the allele, then as much of the genome as makes `bp` letters in all. So an insertion pushes the right
    /// flank out of the window and a deletion pulls it in; the left flank is the same in both. Windows are forward. Variants
    /// at one position that follow each other share their window with the genome's letters. In `windows.tsv` the rows of a
    /// variant have one group.
    ///
    /// REF is compared with the genome in any case of letters. Symbolic alleles, `*`, breakends and alleles that do not fit
    /// into the right half are counted and left out.
    ///
    /// # Errors
    ///
    /// As [`sites`](Self::sites); and REF is not what the genome has (unless lenient), negatives are to be made, or the
    /// window is no centred one.
    pub fn variants(self, variants: impl IntoIterator<Item = Result<VariantSite>>) -> Result<Dataset<G>> {
        let mut work = self.start(false)?;
        work.near_within = false;
        let width = variant_width(work.options.window)?;
        let labels = [
            work.labels.number(&work.options.variant_labels.reference.clone())?,
            work.labels.number(&work.options.variant_labels.alternate.clone())?,
        ];
        // Sequence and position of the last variant with a reference row, and its group.
        let mut last: Option<(u32, u64, u64)> = None;
        for variant in variants {
            let variant = variant?;
            work.items += 1;
            work.plan_variant(&variant, width, labels, &mut last)?;
        }
        work.finish(true)
    }
}

/// Why an allele gives no window, if it does not.
fn unfit_allele(allele: &[u8], reference: &[u8], room: usize) -> Option<DropReason> {
    let is_letter = |b: &u8| matches!(b.to_ascii_uppercase(), b'A' | b'C' | b'G' | b'T' | b'N');
    match allele {
        b"" | b"." => Some(DropReason::NoAlternate),
        b"*" => Some(DropReason::SpanningDeletion),
        // VCF 4.3, section 5.4: mates in brackets, or a dot at the end of a single breakend.
        a if a.iter().any(|b| matches!(b, b'[' | b']')) || a.starts_with(b".") || a.ends_with(b".") => {
            Some(DropReason::Breakend)
        }
        a if a.starts_with(b"<") => Some(DropReason::SymbolicAllele),
        a if !a.iter().all(is_letter) => Some(DropReason::BrokenAllele),
        a if a.eq_ignore_ascii_case(reference) => Some(DropReason::SameAsReference),
        a if a.len() > room || reference.len() > room => Some(DropReason::AlleleTooLong),
        _ => None,
    }
}

impl<G: Genome> Work<G> {
    fn plan_variant(
        &mut self,
        variant: &VariantSite,
        width: u64,
        [reference_label, alternate_label]: [u32; 2],
        last: &mut Option<(u32, u64, u64)>,
    ) -> Result<()> {
        let VariantSite { seq_name, position, reference, alternates } = variant;
        let position = *position;
        let end = position.saturating_add(reference.len() as u64);
        let span = Span::new(position, end).expect("an end is not in front of its start");
        let Some(chromosome) = self.locate("a variant", seq_name, span)? else { return Ok(()) };
        // A variant is inside of its sequence, so these fit.
        let (start, reference_len) = (position as i64, reference.len() as i64);
        let here = match self.atlas.place(chromosome, start, reference_len, false) {
            Some(place) => self.atlas.forward(place)?,
            None => Vec::new(),
        };
        if reference.is_empty() || !here.eq_ignore_ascii_case(reference) {
            let error = self
                .atlas
                .error(ErrorKind::Mismatch, format!("REF of the variant at {seq_name}:{} differs", position + 1))
                .expecting(format!("{} as in the genome", quote(&here)))
                .finding(quote(reference));
            return self.misfit(DropReason::ReferenceMismatch, error);
        }
        if alternates.is_empty() {
            self.dropped(DropReason::NoAlternate);
            return Ok(());
        }

        let left = width / 2;
        let room = (width - left) as usize;
        let known = last.filter(|(c, p, _)| (*c, *p) == (chromosome, position)).map(|(.., group)| group);
        let group = known.unwrap_or(self.items - 1);
        let mut has_reference = known.is_some();
        for alternate in alternates {
            if let Some(why) = unfit_allele(alternate, reference, room) {
                self.dropped(why);
                continue;
            }
            let window = start - left as i64;
            // The genome's letters that make `width` of them once the allele is in.
            let needed = width as i64 + reference_len - alternate.len() as i64;
            let places = [width as i64, needed].map(|len| self.atlas.place(chromosome, window, len, false));
            let [Some(plain), Some(changed)] = places else {
                self.dropped(DropReason::OverEnd);
                continue;
            };
            let row = |place, kind, label, edit| Row { place, split: Split::Train, kind, label, group, nonce: 0, edit };
            if !has_reference {
                if !self.plan_row(row(plain, RowKind::Reference, reference_label, None))? {
                    // The reference's window is no good for the other alleles either.
                    return Ok(());
                }
                has_reference = true;
                *last = Some((chromosome, position, group));
            }
            let edit = Edit {
                offset: left as usize,
                reference: reference.as_slice().into(),
                alternate: alternate.as_slice().into(),
                width: width as usize,
            };
            self.plan_row(row(changed, RowKind::Alternate, alternate_label, Some(Box::new(edit))))?;
        }
        Ok(())
    }
}
