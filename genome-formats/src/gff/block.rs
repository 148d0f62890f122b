//! Where certain bytes stand in 64 bytes, as bits of a number: what the hot loops look at in place of single bytes.

/// What a block holds; the first byte is the lowest bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Marks {
    pub(super) equals: u64,
    pub(super) semicolons: u64,
    pub(super) percent: bool,
    /// Whether there are control characters or `&`.
    pub(super) other: bool,
}

/// The marks of a block.
#[inline]
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "the hot loop of a strict reader")]
pub(super) fn marks(block: &[u8; 64]) -> Marks {
    // SAFETY: every x86-64 processor has SSE2, which is all that the function asks for.
    unsafe { sse2::marks(block) }
}

/// Bit i: whether byte i of the block is `byte`.
#[inline]
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "as `marks`")]
pub(super) fn positions(block: &[u8; 64], byte: u8) -> u64 {
    // SAFETY: every x86-64 processor has SSE2, which is all that the function asks for.
    unsafe { sse2::positions(block, byte) }
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) use portable::{marks, positions};

#[cfg(target_arch = "x86_64")]
mod sse2 {
    use std::arch::x86_64::{
        __m128i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8,
    };

    use super::Marks;

    #[inline]
    #[target_feature(enable = "sse2")]
    #[expect(unsafe_code, reason = "the standard library has no safe way to load a vector")]
    fn load(block: &[u8; 64], i: usize) -> __m128i {
        let (parts, _) = block.as_chunks::<16>();
        let part: &[u8; 16] = &parts[i];
        // SAFETY: the 16 bytes behind the pointer are those of `part`; the load asks for no alignment.
        unsafe { _mm_loadu_si128(part.as_ptr().cast()) }
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn bits(part: __m128i) -> u64 {
        u64::from(_mm_movemask_epi8(part) as u32)
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn equal(part: __m128i, byte: u8) -> __m128i {
        _mm_cmpeq_epi8(part, _mm_set1_epi8(byte as i8))
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    pub(in super::super) fn positions(block: &[u8; 64], byte: u8) -> u64 {
        let [a, b, c, d] = [load(block, 0), load(block, 1), load(block, 2), load(block, 3)];
        bits(equal(a, byte)) | bits(equal(b, byte)) << 16 | bits(equal(c, byte)) << 32 | bits(equal(d, byte)) << 48
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    fn any(a: __m128i, b: __m128i, c: __m128i, d: __m128i) -> bool {
        _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(a, b), _mm_or_si128(c, d))) != 0
    }

    /// Control characters and `&`.
    #[inline]
    #[target_feature(enable = "sse2")]
    fn other(part: __m128i) -> __m128i {
        let low = _mm_cmpeq_epi8(_mm_min_epu8(part, _mm_set1_epi8(0x1f)), part);
        _mm_or_si128(low, _mm_or_si128(equal(part, 0x7f), equal(part, b'&')))
    }

    #[inline]
    #[target_feature(enable = "sse2")]
    pub(in super::super) fn marks(block: &[u8; 64]) -> Marks {
        let [a, b, c, d] = [load(block, 0), load(block, 1), load(block, 2), load(block, 3)];
        Marks {
            equals: positions(block, b'='),
            semicolons: positions(block, b';'),
            percent: any(equal(a, b'%'), equal(b, b'%'), equal(c, b'%'), equal(d, b'%')),
            other: any(other(a), other(b), other(c), other(d)),
        }
    }
}

/// The same with plain numbers; on x86-64 it is the test's measure.
#[cfg(any(test, not(target_arch = "x86_64")))]
mod portable {
    use super::Marks;

    /// Bit i: whether byte i of the block is `byte`.
    pub(in super::super) fn positions(block: &[u8; 64], byte: u8) -> u64 {
        block.iter().rev().fold(0, |bits, &b| bits << 1 | u64::from(b == byte))
    }

    pub(in super::super) fn marks(block: &[u8; 64]) -> Marks {
        Marks {
            equals: positions(block, b'='),
            semicolons: positions(block, b';'),
            percent: block.contains(&b'%'),
            other: block.iter().any(|b| b.is_ascii_control() || *b == b'&'),
        }
    }
}

/// Calls `see` with each 64 bytes of the text, and how many of them were seen before: the last block overlaps the one in
/// front of it. A short text is filled up with blanks.
#[inline]
pub(super) fn for_each_block(text: &[u8], mut see: impl FnMut(&[u8; 64], usize)) {
    let (blocks, rest) = text.as_chunks::<64>();
    blocks.iter().for_each(|block| see(block, 0));
    if rest.is_empty() {
        return;
    }
    match text.last_chunk::<64>() {
        Some(block) => see(block, 64 - rest.len()),
        None => {
            let mut block = [b' '; 64];
            block[..rest.len()].copy_from_slice(rest);
            see(&block, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn both_ways_give_the_same(text in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b';'), Just(b'='), Just(b'%')], 64)) {
            let block: &[u8; 64] = text.first_chunk().unwrap();
            prop_assert_eq!(marks(block), portable::marks(block));
            prop_assert_eq!(positions(block, b';'), portable::positions(block, b';'));
        }

        #[test]
        fn blocks_are_the_text(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut seen = Vec::new();
            for_each_block(&text, |block, old| seen.extend_from_slice(&block[old..]));
            prop_assert_eq!(&seen[..text.len()], &text);
            prop_assert!(seen[text.len()..].iter().all(|b| *b == b' '));
        }
    }
}
