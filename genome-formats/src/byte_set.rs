//! Sets of ASCII bytes, and how far a text stays inside one: 32 bytes at a time where the processor has AVX2.
//!
//! A byte is looked up by its two halves: `low[low half]` holds a bit for each of the eight rows of the ASCII table, and
//! the high half picks the bit. Both look-ups are one shuffle for 32 bytes (Mula and Langdale's classification).

/// A set of ASCII bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ByteSet {
    /// For each low half of a byte, a bit for each high half with which the byte is a member. Twice, as a vector has it.
    low: [u8; 32],
}

impl ByteSet {
    /// The set of these bytes; all are ASCII.
    pub(crate) const fn new(members: &[u8]) -> Self {
        let mut set = Self { low: [0; 32] };
        let mut i = 0;
        while i < members.len() {
            set.insert(members[i]);
            i += 1;
        }
        set
    }

    /// The set of all bytes from `first` to `last`, both included; all are ASCII.
    pub(crate) const fn range(first: u8, last: u8) -> Self {
        let mut set = Self { low: [0; 32] };
        let mut byte = first;
        while byte <= last {
            set.insert(byte);
            byte += 1;
        }
        set
    }

    const fn insert(&mut self, byte: u8) {
        assert!(byte < 0x80, "only ASCII bytes");
        let (half, row) = ((byte & 15) as usize, byte >> 4);
        self.low[half] |= 1 << row;
        self.low[half + 16] |= 1 << row;
    }

    /// This set and those bytes.
    pub(crate) const fn with(mut self, members: &[u8]) -> Self {
        let more = Self::new(members);
        let mut i = 0;
        while i < 32 {
            self.low[i] |= more.low[i];
            i += 1;
        }
        self
    }

    /// This set without those bytes.
    pub(crate) const fn without(mut self, members: &[u8]) -> Self {
        let less = Self::new(members);
        let mut i = 0;
        while i < 32 {
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
        __m256i, _mm256_add_epi8, _mm256_add_epi64, _mm256_and_si256, _mm256_cmpeq_epi8, _mm256_extract_epi64,
        _mm256_loadu_si256, _mm256_min_epu8, _mm256_movemask_epi8, _mm256_sad_epu8, _mm256_set_epi64x,
        _mm256_set1_epi8, _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_srli_epi16, _mm256_sub_epi8,
    };

    use super::ByteSet;

    pub(super) const VECTOR: usize = 32;

    /// `None` where the processor has no AVX2.
    #[inline]
    pub(super) fn prefix<const LINES: bool>(set: &ByteSet, bytes: &[u8]) -> Option<(usize, usize)> {
        if !is_x86_feature_detected!("avx2") {
            return None;
        }
        // SAFETY: the processor has the feature that the function is compiled for, as asked in the line above.
        #[expect(
            unsafe_code,
            reason = "calls a safe function that is compiled for AVX2, behind the check that there is AVX2"
        )]
        Some(unsafe { prefix_avx2::<LINES>(set, bytes) })
    }

    /// `bytes` has at least one vector.
    #[target_feature(enable = "avx2")]
    fn prefix_avx2<const LINES: bool>(set: &ByteSet, bytes: &[u8]) -> (usize, usize) {
        let low = load(&set.low);
        let zero = _mm256_setzero_si256();
        let (mut start, mut feeds) = (0, zero);
        // Two vectors with one test, as long as all are members.
        let (pairs, _) = bytes.as_chunks::<{ 2 * VECTOR }>();
        for pair in pairs {
            let [a, b] = pair.as_chunks::<VECTOR>().0 else { unreachable!("a pair has two vectors") };
            let (a, b) = (load(a), load(b));
            let (in_a, in_b) = (members(low, a), members(low, b));
            if zeros(_mm256_min_epu8(in_a, in_b)) != 0 {
                let outside = u64::from(zeros(in_a)) | u64::from(zeros(in_b)) << VECTOR;
                let at = outside.trailing_zeros();
                if !LINES {
                    return (start + at as usize, 0);
                }
                let line_feeds = u64::from(bits(line_feeds(a))) | u64::from(bits(line_feeds(b))) << VECTOR;
                let before = line_feeds & ((1 << at) - 1);
                return (start + at as usize, sum(feeds) + before.count_ones() as usize);
            }
            if LINES {
                let found = _mm256_sub_epi8(zero, _mm256_add_epi8(line_feeds(a), line_feeds(b)));
                feeds = _mm256_add_epi64(feeds, _mm256_sad_epu8(found, zero));
            }
            start += 2 * VECTOR;
        }
        let mut lines = if LINES { sum(feeds) } else { 0 };
        // One by one: the last vector ends with the text and may overlap what was seen.
        while start < bytes.len() {
            let from = start.min(bytes.len() - VECTOR);
            let vector = load(bytes[from..].first_chunk().expect("a vector fits"));
            let outside = zeros(members(low, vector));
            let feeds = if LINES { bits(line_feeds(vector)) } else { 0 };
            let new = feeds >> (start - from) << (start - from);
            if outside != 0 {
                let at = outside.trailing_zeros();
                let before = new & ((1 << at) - 1);
                return (from + at as usize, lines + before.count_ones() as usize);
            }
            lines += new.count_ones() as usize;
            start = from + VECTOR;
        }
        (start, lines)
    }

    /// Not 0 for each byte that is a member.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn members(low: __m256i, bytes: __m256i) -> __m256i {
        // The bit of each row 0 to 7; bytes from 0x80 on are in none. A shuffle gives 0 for them too.
        const ROWS: i64 = i64::from_le_bytes([1, 2, 4, 8, 16, 32, 64, 128]);
        let rows = _mm256_set_epi64x(0, ROWS, 0, ROWS);
        let high_half = _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), _mm256_set1_epi8(15));
        _mm256_and_si256(_mm256_shuffle_epi8(low, bytes), _mm256_shuffle_epi8(rows, high_half))
    }

    /// A bit for each byte that is 0.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn zeros(bytes: __m256i) -> u32 {
        bits(_mm256_cmpeq_epi8(bytes, _mm256_setzero_si256()))
    }

    /// The highest bit of each byte.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn bits(bytes: __m256i) -> u32 {
        _mm256_movemask_epi8(bytes).cast_unsigned()
    }

    /// -1 for each line feed.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn line_feeds(bytes: __m256i) -> __m256i {
        _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(b'\n'.cast_signed()))
    }

    /// The sum of four numbers.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn sum(numbers: __m256i) -> usize {
        let numbers = [
            _mm256_extract_epi64::<0>(numbers),
            _mm256_extract_epi64::<1>(numbers),
            _mm256_extract_epi64::<2>(numbers),
            _mm256_extract_epi64::<3>(numbers),
        ];
        numbers.into_iter().sum::<i64>() as usize // a few thousand
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn load(bytes: &[u8; VECTOR]) -> __m256i {
        // SAFETY: 32 bytes are read through a reference to 32 bytes, and this load asks for no alignment.
        #[expect(unsafe_code, reason = "put together from safe parts, a vector costs four instructions more")]
        unsafe {
            _mm256_loadu_si256(bytes.as_ptr().cast())
        }
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
