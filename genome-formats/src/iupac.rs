//! IUPAC letters as sets of bases: four bits, in the order `T C A G` of the genetic codes.

pub(crate) const T: u8 = 1;
pub(crate) const C: u8 = 2;
pub(crate) const A: u8 = 4;
pub(crate) const G: u8 = 8;

/// The set of bases of each letter in either case, `U` as `T`; 0 where the byte is no nucleotide.
pub(crate) const BASES: [u8; 256] = {
    const CODES: [(u8, u8); 16] = [
        (b'T', T),
        (b'U', T),
        (b'C', C),
        (b'A', A),
        (b'G', G),
        (b'R', A | G),
        (b'Y', C | T),
        (b'S', C | G),
        (b'W', A | T),
        (b'K', G | T),
        (b'M', A | C),
        (b'B', C | G | T),
        (b'V', A | C | G),
        (b'D', A | G | T),
        (b'H', A | C | T),
        (b'N', A | C | G | T),
    ];
    let mut table = [0; 256];
    let mut i = 0;
    while i < CODES.len() {
        let (letter, set) = CODES[i];
        table[letter as usize] = set;
        table[letter.to_ascii_lowercase() as usize] = set;
        i += 1;
    }
    table
};

/// The bases that a letter stands for; 0 where the byte is no nucleotide.
#[inline]
pub(crate) fn bases(letter: u8) -> u8 {
    BASES[usize::from(letter)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alphabet;

    #[test]
    fn sets_agree_with_the_alphabet() {
        for letter in 0..=255 {
            let set = bases(letter);
            assert_eq!(set != 0, alphabet::is_nucleotide(letter));
            assert_eq!(set.count_ones() > 1, alphabet::is_ambiguous(letter));
            if let Some(complement) = alphabet::complement(letter) {
                // T <-> A and C <-> G: bits 0 and 2, 1 and 3.
                assert_eq!(bases(complement), (set >> 2) | ((set << 2) & 0xf), "{}", letter as char);
            }
        }
    }
}
