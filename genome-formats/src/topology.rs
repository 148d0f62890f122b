//! Whether a molecule has ends.

/// Whether a sequence is a line or a ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Topology {
    /// The sequence ends on both sides.
    #[default]
    Linear,
    /// The last base is followed by the first.
    Circular,
}

impl Topology {
    /// `Circular` where the flag of a record, such as [`GenbankRecord::circular`](crate::GenbankRecord::circular), says so.
    pub fn from_flag(circular: bool) -> Self {
        if circular { Self::Circular } else { Self::Linear }
    }

    /// Whether this is a ring.
    pub fn is_circular(self) -> bool {
        self == Self::Circular
    }
}
