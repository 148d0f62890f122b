//! Quality scores: what a byte means in each encoding, and how one encoding becomes another.

use std::ops::RangeInclusive;
use std::sync::LazyLock;

use crate::byte_set::ByteSet;

/// How a FASTQ file writes scores as bytes.
///
/// | encoding | score | written as |
/// |---|---|---|
/// | `Sanger` | Phred, 0 to 93 | 33 + score |
/// | `Solexa` | Solexa, -5 to 62 | 64 + score |
/// | `Illumina13` | Phred, 0 to 62 | 64 + score |
///
/// With the probability `p` that the letter is wrong, a Phred score is `-10 log10(p)` and a Solexa score is
/// `-10 log10(p / (1 - p))` (Cock et al. 2010, equations 1 and 2).
///
/// ```
/// use genome_formats::QualityEncoding::{Illumina13, Sanger, Solexa};
///
/// assert_eq!(Sanger.phred(b'I'), Some(40));
/// assert_eq!(Illumina13.phred(b'h'), Some(40));
/// assert_eq!(Solexa.convert(b';', Sanger), Some(b'"')); // -5 is Phred 1
/// assert_eq!(Sanger.convert(b'~', Illumina13), Some(b'~')); // 93 becomes 62: no more can be written
/// assert_eq!(Sanger.phred(b' '), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum QualityEncoding {
    /// Phred scores from `!`: Sanger, Illumina 1.8 and later, everything today.
    #[default]
    Sanger,
    /// Solexa scores from `;`: Solexa and early Illumina, until 2008.
    Solexa,
    /// Phred scores from `@`: Illumina 1.3 to 1.7.
    Illumina13,
}

/// The last byte that stands for a score, in every encoding.
const LAST: u8 = b'~';

const SANGER: ByteSet = ByteSet::range(b'!', LAST);
const SOLEXA: ByteSet = ByteSet::range(b';', LAST);
const ILLUMINA13: ByteSet = ByteSet::range(b'@', LAST);

/// A table for each pair of encodings; 0 where the byte is no score.
static TABLES: LazyLock<[[[u8; 256]; 3]; 3]> = LazyLock::new(|| {
    QualityEncoding::ALL.map(|from| {
        QualityEncoding::ALL.map(|to| {
            let mut table = [0; 256];
            for byte in from.bytes() {
                table[usize::from(byte)] = from.converted(byte, to);
            }
            table
        })
    })
});

impl QualityEncoding {
    /// All encodings.
    pub const ALL: [Self; 3] = [Self::Sanger, Self::Solexa, Self::Illumina13];

    /// What is added to a score.
    pub const fn offset(self) -> u8 {
        match self {
            Self::Sanger => 33,
            Self::Solexa | Self::Illumina13 => 64,
        }
    }

    /// The bytes that stand for scores.
    pub const fn bytes(self) -> RangeInclusive<u8> {
        match self {
            Self::Sanger => b'!'..=LAST,
            Self::Solexa => b';'..=LAST,
            Self::Illumina13 => b'@'..=LAST,
        }
    }

    pub(crate) const fn set(self) -> &'static ByteSet {
        match self {
            Self::Sanger => const { &SANGER },
            Self::Solexa => const { &SOLEXA },
            Self::Illumina13 => const { &ILLUMINA13 },
        }
    }

    pub(crate) const fn expected(self) -> &'static str {
        match self {
            Self::Sanger => "a Phred score from ! to ~ (0 to 93)",
            Self::Solexa => "a Solexa score from ; to ~ (-5 to 62)",
            Self::Illumina13 => "a Phred score from @ to ~ (0 to 62)",
        }
    }

    /// The score that a byte stands for, on the scale of this encoding.
    pub fn score(self, byte: u8) -> Option<i8> {
        // From 33 to 126, less at most 64: it fits.
        self.bytes().contains(&byte).then(|| byte.wrapping_sub(self.offset()).cast_signed())
    }

    /// The Phred score that a byte stands for; Solexa scores are converted and rounded.
    pub fn phred(self, byte: u8) -> Option<u8> {
        self.convert(byte, Self::Sanger).map(|byte| byte - Self::Sanger.offset())
    }

    /// The byte for a Phred score. A score above the highest that can be written becomes that; for Solexa it is converted
    /// and rounded, and 0 becomes -5.
    pub fn byte(self, phred: u8) -> u8 {
        let phred = phred.min(LAST - Self::Sanger.offset());
        self.tables(Self::Sanger)[usize::from(phred + Self::Sanger.offset())]
    }

    /// A score of this encoding as byte of another one, rounded as Biopython does; scores above the highest that can be
    /// written become that. `None` where the byte is no score.
    pub fn convert(self, byte: u8, to: Self) -> Option<u8> {
        match to.tables(self)[usize::from(byte)] {
            0 => None,
            byte => Some(byte),
        }
    }

    /// From `from` to this encoding.
    fn tables(self, from: Self) -> &'static [u8; 256] {
        &TABLES[from as usize][self as usize]
    }

    /// Appends converted scores; gives the index of the first byte that is none.
    pub(crate) fn convert_all(self, quality: &[u8], to: Self, out: &mut Vec<u8>) -> Result<(), usize> {
        let known = self.set().prefix(quality);
        if known < quality.len() {
            return Err(known);
        }
        if self == to {
            out.extend_from_slice(quality);
        } else {
            let table = to.tables(self);
            out.extend(quality.iter().map(|&byte| table[usize::from(byte)]));
        }
        Ok(())
    }

    /// The formula behind the tables. `byte` is a score of this encoding.
    fn converted(self, byte: u8, to: Self) -> u8 {
        let score = f64::from(byte) - f64::from(self.offset());
        let score = match (self, to) {
            (Self::Solexa, Self::Sanger | Self::Illumina13) => phred_from_solexa(score),
            (Self::Sanger | Self::Illumina13, Self::Solexa) => solexa_from_phred(score),
            _ => score,
        };
        // The result lies in the range of bytes: at least -5 + 64 or 0 + 33.
        (score.round() + f64::from(to.offset())).min(f64::from(LAST)) as u8
    }
}

/// The Phred score with the error probability of a Solexa score: `10 log10(10^(solexa / 10) + 1)`.
pub fn phred_from_solexa(solexa: f64) -> f64 {
    10.0 * (10f64.powf(solexa / 10.0) + 1.0).log10()
}

/// The Solexa score with the error probability of a Phred score: `10 log10(10^(phred / 10) - 1)`, at least -5. Phred 0 (a
/// letter that is surely wrong) would be minus infinity.
pub fn solexa_from_phred(phred: f64) -> f64 {
    (10.0 * (10f64.powf(phred / 10.0) - 1.0).log10()).max(-5.0)
}

/// The lowest and the highest quality byte that were seen, and the encodings that they leave possible.
///
/// ```
/// use genome_formats::QualityEncoding::{Illumina13, Sanger, Solexa};
/// use genome_formats::fastq::QualityRange;
///
/// let guess = |quality: &[u8]| {
///     let mut range = QualityRange::default();
///     range.add(quality);
///     range.candidates()
/// };
/// assert_eq!(guess(b"!''*5CF"), [Sanger]); // certain
/// assert_eq!(guess(b"hhhhh;hh"), [Solexa, Sanger]); // the likeliest first
/// assert_eq!(guess(b"hhhhgfBB"), [Illumina13, Solexa, Sanger]);
/// assert_eq!(guess(b"IIIIIIII"), [Sanger, Illumina13, Solexa]); // nothing above J: few reads are that bad throughout
/// assert!(guess(b"\tII").is_empty());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QualityRange {
    seen: Option<(u8, u8)>,
}

impl QualityRange {
    /// Takes the quality of a read into account.
    pub fn add(&mut self, quality: &[u8]) {
        let (mut low, mut high) = self.seen.unwrap_or((u8::MAX, 0));
        for &byte in quality {
            (low, high) = (low.min(byte), high.max(byte));
        }
        if low <= high {
            self.seen = Some((low, high));
        }
    }

    /// The lowest and the highest byte; `None` as long as there was none.
    pub fn bytes(&self) -> Option<RangeInclusive<u8>> {
        self.seen.map(|(low, high)| low..=high)
    }

    /// The encodings that have all these bytes, the likeliest first; none when a byte is a score in no encoding. Before
    /// anything was seen, all of them. A choice among several is a guess: the more reads were seen, the better.
    pub fn candidates(&self) -> &'static [QualityEncoding] {
        use QualityEncoding::{Illumina13, Sanger, Solexa};
        match self.seen {
            None => &[Sanger, Illumina13, Solexa],
            Some((low, high)) if low < b'!' || high > LAST => &[],
            Some((low, _)) if low < b';' => &[Sanger],
            // Sanger files seldom go above J (41); files with the other offset always do.
            Some((low, high)) if high <= b'J' && low < b'@' => &[Sanger, Solexa],
            Some((_, high)) if high <= b'J' => &[Sanger, Illumina13, Solexa],
            // Long reads have Sanger scores up to ~, all high; h (40) is the highest that Illumina's programs gave.
            Some((low, high)) if high > b'i' && low < b'@' => &[Sanger, Solexa],
            Some((_, high)) if high > b'i' => &[Sanger, Illumina13, Solexa],
            Some((low, _)) if low < b'@' => &[Solexa, Sanger],
            Some(_) => &[Illumina13, Solexa, Sanger],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use QualityEncoding::{Illumina13, Sanger, Solexa};

    #[test]
    fn ranges() {
        let check = |encoding: QualityEncoding, lowest: i8, highest: i8| {
            let scores: Vec<i8> = (0..=255).filter_map(|b| encoding.score(b)).collect();
            assert_eq!(scores, (lowest..=highest).collect::<Vec<_>>());
            let set: Vec<u8> = (0..=255).filter(|&b| encoding.set().contains(b)).collect();
            assert_eq!(set, encoding.bytes().collect::<Vec<_>>());
        };
        check(Sanger, 0, 93);
        check(Solexa, -5, 62);
        check(Illumina13, 0, 62);
    }

    /// Table 2 of Cock et al. 2010.
    #[test]
    fn solexa_and_phred_scores() {
        let phred: Vec<u8> = (-5..=12).map(|s: i8| Solexa.phred(64u8.wrapping_add_signed(s)).unwrap()).collect();
        assert_eq!(phred, [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 7, 8, 9, 10, 10, 11, 12]);
        let solexa: Vec<i8> = (0..=12).map(|p| Solexa.score(Solexa.byte(p)).unwrap()).collect();
        assert_eq!(solexa, [-5, -5, -2, 0, 2, 3, 5, 6, 7, 8, 10, 11, 12]);
        // From 10 on both are the same, once rounded.
        for score in 10..=62 {
            assert_eq!(Solexa.score(Solexa.byte(score)), Some(score.cast_signed()));
            assert_eq!(Solexa.phred(64 + score), Some(score));
        }
    }

    #[test]
    fn high_scores_are_capped() {
        assert_eq!([Illumina13.byte(62), Illumina13.byte(63), Illumina13.byte(255)], *b"~~~");
        assert_eq!([Solexa.byte(93), Sanger.byte(93), Sanger.byte(94)], *b"~~~");
        assert_eq!(Sanger.convert(b'_', Illumina13), Some(b'~'));
        assert_eq!(Sanger.convert(b'^', Illumina13), Some(b'}'));
    }

    #[test]
    fn every_score_stays_a_score() {
        for from in QualityEncoding::ALL {
            for to in QualityEncoding::ALL {
                for byte in 0..=255 {
                    let converted = from.convert(byte, to);
                    assert_eq!(converted.is_some(), from.bytes().contains(&byte));
                    assert!(converted.is_none_or(|b| to.bytes().contains(&b)));
                    if from == to && converted.is_some() {
                        assert_eq!(converted, Some(byte));
                    }
                }
            }
        }
    }

    #[test]
    fn candidates_have_the_bytes_that_were_seen() {
        for low in 0..=255u8 {
            for high in low..=255 {
                let mut range = QualityRange::default();
                range.add(&[low, high]);
                let fits = |e: &QualityEncoding| e.bytes().contains(&low) && e.bytes().contains(&high);
                let mut candidates = range.candidates().to_vec();
                candidates.sort_by_key(|&e| e as usize);
                let expected: Vec<_> = QualityEncoding::ALL.into_iter().filter(fits).collect();
                assert_eq!(candidates, expected, "{low} to {high}");
            }
        }
        let mut range = QualityRange::default();
        range.add(b"");
        assert_eq!((range.bytes(), range.candidates().len()), (None, 3));
    }
}
