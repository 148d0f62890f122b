//! Sets of ASCII bytes, and how far a text stays inside one: 32 bytes at a time where the processor has AVX2.
//!
//! A byte is looked up by its two halves: `low[low half]` holds a bit for each of the eight rows of the ASCII table, and
//! the high half picks the bit. Both look-ups are one shuffle for 32 bytes (Mula and Langdale's classification).

/// A set of ASCII bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ByteSet {
    /// For each low half of a byte, a bit for each high half with which the byte is a member.
    low: [u8; 16],
}

impl ByteSet {
    /// The set of these bytes; all are ASCII.
    pub(crate) const fn new(members: &[u8]) -> Self {
        let mut low = [0; 16];
        let mut i = 0;
        while i < members.len() {
            assert!(members[i] < 0x80, "only ASCII bytes");
            low[(members[i] & 15) as usize] |= 1 << (members[i] >> 4);
            i += 1;
        }
        Self { low }
    }

    /// The set of all bytes from `first` to `last`, both included; all are ASCII.
    pub(crate) const fn range(first: u8, last: u8) -> Self {
        assert!(last < 0x80, "only ASCII bytes");
        let mut low = [0; 16];
        let mut byte = first;
        while byte <= last {
            low[(byte & 15) as usize] |= 1 << (byte >> 4);
            byte += 1;
        }
        Self { low }
    }

    /// This set and those bytes.
    pub(crate) const fn with(mut self, members: &[u8]) -> Self {
        let more = Self::new(members);
        let mut i = 0;
        while i < 16 {
            self.low[i] |= more.low[i];
            i += 1;
        }
        self
    }

    /// This set without those bytes.
    pub(crate) const fn without(mut self, members: &[u8]) -> Self {
        let less = Self::new(members);
        let mut i = 0;
        while i < 16 {
            self.low[i] &= !less.low[i];
            i += 1;
        }
        self
    }

    /// Whether the byte is a member.
    #[inline]
    pub(crate) const fn contains(&self, byte: u8) -> bool {
        byte < 0x80 && self.low[(byte & 15) as usize] >> (byte >> 4) & 1 != 0
    }

    /// How many bytes from the start on are members.
    #[inline]
    pub(crate) fn prefix(&self, bytes: &[u8]) -> usize {
        #[cfg(target_arch = "x86_64")]
        if bytes.len() >= avx2::VECTOR
            && let Some(found) = avx2::prefix::<false>(self, bytes)
        {
            return found.0;
        }
        self.scalar_prefix(bytes).0
    }

    /// How many bytes from the start on are members, and how many of them are line feeds.
    #[inline]
    pub(crate) fn prefix_with_lines(&self, bytes: &[u8]) -> (usize, usize) {
        #[cfg(target_arch = "x86_64")]
        if bytes.len() >= avx2::VECTOR
            && let Some(found) = avx2::prefix::<true>(self, bytes)
        {
            return found;
        }
        self.scalar_prefix(bytes)
    }

    /// The same without vectors: what every other processor runs, and what the tests compare with.
    fn scalar_prefix(&self, bytes: &[u8]) -> (usize, usize) {
        const BLOCK: usize = 64;
        let (mut start, mut lines) = (0, 0);
        for block in bytes.chunks(BLOCK) {
            // Without a branch for each byte.
            let (mut all, mut feeds) = (true, 0);
            for &byte in block {
                all &= self.contains(byte);
                feeds += usize::from(byte == b'\n');
            }
            if !all {
                let at = block.iter().position(|&b| !self.contains(b)).unwrap_or(block.len());
                lines += block[..at].iter().filter(|&&b| b == b'\n').count();
                return (start + at, lines);
            }
            start += block.len();
            lines += feeds;
        }
        (start, lines)
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::{
        __m256i, _mm256_and_si256, _mm256_cmpeq_epi8, _mm256_movemask_epi8, _mm256_set1_epi8, _mm256_set_epi64x,
        _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_srli_epi16,
    };

    use super::ByteSet;

    pub(super) const VECTOR: usize = 32;

    /// `None` where the processor has no AVX2.
    #[inline]
    pub(super) fn prefix<const LINES: bool>(set: &ByteSet, bytes: &[u8]) -> Option<(usize, usize)> {
        if !is_x86_feature_detected!("avx2") || !is_x86_feature_detected!("popcnt") {
            return None;
        }
        // SAFETY: the processor has the features that the function is compiled for, as asked in the line above.
        #[expect(unsafe_code, reason = "calls a safe function that is compiled for AVX2, behind the check that there is AVX2")]
        Some(unsafe { prefix_avx2::<LINES>(set, bytes) })
    }

    /// `bytes` has at least one vector.
    #[target_feature(enable = "avx2,popcnt")]
    fn prefix_avx2<const LINES: bool>(set: &ByteSet, bytes: &[u8]) -> (usize, usize) {
        let low = _mm256_set_epi64x(half(&set.low, 8), half(&set.low, 0), half(&set.low, 8), half(&set.low, 0));
        let (mut start, mut lines) = (0, 0);
        let (pairs, _) = bytes.as_chunks::<{ 2 * VECTOR }>();
        for pair in pairs {
            let (first, _) = pair.split_first_chunk::<VECTOR>().expect("a pair has two vectors");
            let (_, second) = pair.split_last_chunk::<VECTOR>().expect("a pair has two vectors");
            let (first, second) = (load(first), load(second));
            let outside = u64::from(outside(low, first)) | u64::from(outside(low, second)) << VECTOR;
            let feeds = if LINES { u64::from(feeds(first)) | u64::from(feeds(second)) << VECTOR } else { 0 };
            if outside != 0 {
                let at = outside.trailing_zeros();
                let before = feeds & ((1 << at) - 1);
                return (start + at as usize, lines + before.count_ones() as usize);
            }
            lines += feeds.count_ones() as usize;
            start += 2 * VECTOR;
        }
        // At most two more vectors; the last one ends with the text and may overlap what was seen.
        while start < bytes.len() {
            let from = start.min(bytes.len() - VECTOR);
            let vector = load(bytes[from..].first_chunk().expect("a vector fits"));
            let seen = start - from;
            let outside = outside(low, vector);
            let feeds = if LINES { feeds(vector) >> seen << seen } else { 0 };
            if outside != 0 {
                let at = outside.trailing_zeros();
                let before = feeds & ((1 << at) - 1);
                return (from + at as usize, lines + before.count_ones() as usize);
            }
            lines += feeds.count_ones() as usize;
            start = from + VECTOR;
        }
        (start, lines)
    }

    /// A bit for each byte that is no member.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn outside(low: __m256i, bytes: __m256i) -> u32 {
        // The bit of each row 0 to 7; bytes from 0x80 on are in none. A shuffle gives 0 for them too.
        const ROWS: i64 = i64::from_le_bytes([1, 2, 4, 8, 16, 32, 64, 128]);
        let rows = _mm256_set_epi64x(0, ROWS, 0, ROWS);
        let high_half = _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), _mm256_set1_epi8(15));
        let member = _mm256_and_si256(_mm256_shuffle_epi8(low, bytes), _mm256_shuffle_epi8(rows, high_half));
        _mm256_movemask_epi8(_mm256_cmpeq_epi8(member, _mm256_setzero_si256())).cast_unsigned()
    }

    /// A bit for each line feed.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn feeds(bytes: __m256i) -> u32 {
        _mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(b'\n'.cast_signed()))).cast_unsigned()
    }

    /// Compiles to one load.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn load(bytes: &[u8; VECTOR]) -> __m256i {
        _mm256_set_epi64x(half(bytes, 24), half(bytes, 16), half(bytes, 8), half(bytes, 0))
    }

    #[inline(always)]
    fn half<const N: usize>(bytes: &[u8; N], at: usize) -> i64 {
        i64::from_le_bytes(*bytes[at..].first_chunk().expect("eight bytes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LETTERS: ByteSet = ByteSet::new(b"ACGTNacgtn\n");

    #[test]
    fn members() {
        let set: Vec<u8> = (0..=255).filter(|&b| LETTERS.contains(b)).collect();
        assert_eq!(set, b"\nACGNTacgnt");
        let set = ByteSet::range(b'!', b'~').without(b">").with(b"\n");
        for byte in 0..=255u8 {
            assert_eq!(set.contains(byte), byte == b'\n' || byte.is_ascii_graphic() && byte != b'>', "{byte}");
        }
    }

    #[test]
    fn every_byte_at_every_place() {
        for byte in 0..=255 {
            for length in [1, 31, 32, 33, 63, 64, 65, 100, 130] {
                for at in [0, 1, 30, 31, 32, 33, 62, 63, 64, 65, 99, 129] {
                    let mut text = vec![b'A'; length];
                    let Some(place) = text.get_mut(at) else { continue };
                    *place = byte;
                    let lines = usize::from(byte == b'\n');
                    let end = if LETTERS.contains(byte) { length } else { at };
                    assert_eq!(LETTERS.prefix_with_lines(&text), (end, lines), "{byte} at {at} of {length}");
                    assert_eq!(LETTERS.prefix(&text), end);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn vectors_agree_with_the_scalar_twin(
            text in proptest::collection::vec(prop_oneof![40 => Just(b'A'), 4 => Just(b'\n'), 1 => any::<u8>()], 0..300),
            members in proptest::collection::vec(0u8..0x80, 0..40),
        ) {
            for set in [LETTERS, ByteSet::new(&members).with(b"A\n")] {
                let plain = text.iter().position(|&b| !set.contains(b)).unwrap_or(text.len());
                let lines = text[..plain].iter().filter(|&&b| b == b'\n').count();
                prop_assert_eq!(set.scalar_prefix(&text), (plain, lines));
                prop_assert_eq!(set.prefix_with_lines(&text), (plain, lines));
                prop_assert_eq!(set.prefix(&text), plain);
            }
        }
    }
}
