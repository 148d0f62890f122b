//! The keys whose meaning the specification fixes: tables 1 and 2 of VCFv4.3, sections 1.4.1 and 1.4.2 of VCFv4.1 and 4.2.

use super::header::{FieldType, Number, VcfVersion};

/// Where a key is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Info,
    Format,
}

impl Place {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Format => "FORMAT",
        }
    }
}

/// What values of a reserved key may be, besides their type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Range {
    Any,
    /// 0 or more.
    Natural,
    /// 0 to 1.
    Fraction,
    /// A CIGAR string.
    Cigar,
    /// The confidence interval around a position: from 0 or less to 0 or more.
    Interval,
    /// A 1-based position, not in front of POS.
    End,
}

/// A reserved key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reserved {
    pub(crate) number: Number,
    pub(crate) kind: FieldType,
    pub(crate) range: Range,
    /// Whether Integer and Float are both read: INFO/MQ, whose type the specification leaves open, and FORMAT/GQ, which
    /// GATK and the 1000 Genomes Project wrote as Float.
    pub(crate) any_number_type: bool,
}

const fn key(number: Number, kind: FieldType, range: Range) -> Option<Reserved> {
    Some(Reserved { number, kind, range, any_number_type: false })
}

/// The reserved meaning of `id` in this version.
pub(crate) fn reserved(place: Place, id: &str, version: VcfVersion) -> Option<Reserved> {
    if version < VcfVersion::V4_1 && id != "GT" {
        return None; // VCFv4.0 has neither Number=A nor Number=G
    }
    match place {
        Place::Info => info(id, version),
        Place::Format => format(id, version),
    }
}

fn info(id: &str, version: VcfVersion) -> Option<Reserved> {
    use FieldType::{Flag, Float, Integer, String};
    use Number::{Alleles, Alternates, Count, Unknown};
    use Range::{Any, Cigar, End, Fraction, Interval, Natural};

    let old = version <= VcfVersion::V4_3;
    match id {
        "AA" => key(Count(1), String, Any),
        "AC" => key(Alternates, Integer, Natural),
        "AF" => key(Alternates, Float, Fraction),
        "AN" | "DP" | "MQ0" | "NS" => key(Count(1), Integer, Natural),
        "AD" | "ADF" | "ADR" if version >= VcfVersion::V4_3 => key(Alleles, Integer, Natural),
        "BQ" => key(Count(1), Float, Any),
        "CIGAR" => key(Alternates, String, Cigar),
        "DB" | "H2" | "H3" | "SOMATIC" | "VALIDATED" | "1000G" | "IMPRECISE" => key(Count(0), Flag, Any),
        "END" => key(Count(1), Integer, End),
        "MQ" => Some(Reserved { number: Count(1), kind: Float, range: Any, any_number_type: true }),
        "CIPOS" | "CIEND" if old => key(Count(2), Integer, Interval),
        "SVTYPE" if old => key(Count(1), String, Any),
        // The number of SVLEN is `.` up to 4.3 and `A` behind it; 1 is common.
        "SVLEN" => key(Unknown, Integer, Any),
        _ => None,
    }
}

fn format(id: &str, version: VcfVersion) -> Option<Reserved> {
    use FieldType::{Float, Integer, String};
    use Number::{Alleles, Alternates, Count, Genotypes};
    use Range::{Any, Natural};

    match id {
        "AD" | "ADF" | "ADR" if version >= VcfVersion::V4_3 => key(Alleles, Integer, Natural),
        "DP" => key(Count(1), Integer, Natural),
        "EC" => key(Alternates, Integer, Any),
        "FT" | "GT" => key(Count(1), String, Any),
        "GL" | "GP" => key(Genotypes, Float, Any),
        "GLE" if version <= VcfVersion::V4_2 => key(Genotypes, String, Any),
        "GQ" => Some(Reserved { number: Count(1), kind: Integer, range: Any, any_number_type: true }),
        "MQ" | "PQ" | "PS" => key(Count(1), Integer, Any),
        "HQ" => key(Count(2), Integer, Any),
        "PL" => key(Genotypes, Integer, Any),
        _ => None,
    }
}
