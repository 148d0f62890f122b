//! NCBI's genetic codes: which codon means which amino acid, and where translation may start and stop.

use std::fmt;

use crate::iupac::bases;

/// One table of `gc.prt`.
struct Table {
    id: u8,
    name: &'static str,
    /// `ncbieaa`: the amino acid of each codon, `*` for a codon that is always a stop.
    amino_acids: &'static [u8; 64],
    /// `sncbieaa`: `M` for a codon that may start, `*` for one that may stop.
    starts: &'static [u8; 64],
}

#[rustfmt::skip]
static TABLES: [Table; 27] = [
    Table { id: 1, name: "Standard",
        amino_acids: b"FFLLSSSSYY**CC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG",
        starts: b"---M------**--*----M---------------M----------------------------" },
    Table { id: 2, name: "Vertebrate Mitochondrial",
        amino_acids: b"FFLLSSSSYY**CCWWLLLLPPPPHHQQRRRRIIMMTTTTNNKKSS**VVVVAAAADDEEGGGG",
        starts: b"----------**--------------------MMMM----------**---M------------" },
    Table { id: 3, name: "Yeast Mitochondrial",
        amino_acids: b"FFLLSSSSYY**CCWWTTTTPPPPHHQQRRRRIIMMTTTTNNKKSSRRVVVVAAAADDEEGGGG",
        starts: b"----------**----------------------MM---------------M------------" },
    Table { id: 4, name: "Mold Mitochondrial; Protozoan Mitochondrial; Coelenterate Mitochondrial; Mycoplasma; Spiroplasma",
        amino_acids: b"FFLLSSSSYY**CCWWLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG",
        starts: b"--MM------**-------M------------MMMM---------------M------------" },
    Table { id: 5, name: "Invertebrate Mitochondrial",
        amino_acids: b"FFLLSSSSYY**CCWWLLLLPPPPHHQQRRRRIIMMTTTTNNKKSSSSVVVVAAAADDEEGGGG",
        starts: b"---M------**--------------------MMMM---------------M------------" },
    Table { id: 6, name: "Ciliate Nuclear; Dasycladacean Nuclear; Hexamita Nuclear",
        amino_acids: b"FFLLSSSSYYQQCC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG",
        starts: b"--------------*--------------------M----------------------------" },
    Table { id: 9, name: "Echinoderm Mitochondrial; Flatworm Mitochondrial",
        amino_acids: b"FFLLSSSSYY**CCWWLLLLPPPPHHQQRRRRIIIMTTTTNNNKSSSSVVVVAAAADDEEGGGG",
        starts: b"----------**-----------------------M---------------M------------" },
    Table { id: 10, name: "Euplotid Nuclear",
        amino_acids: b"FFLLSSSSYY**CCCWLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG",
        starts: b"----------**-----------------------M----------------------------" },
    Table { id: 11, name: "Bacterial, Archaeal and Plant Plastid",
        amino_acids: b"FFLLSSSSYY**CC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG",
        starts: b"---M------**--*----M------------MMMM---------------M------------" },
    Table { id: 12, name: "Alternative Yeast Nuclear",
        amino_acids: b"FFLLSSSSYY**CC*WLLLSPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG",
        starts: b"----------**--*----M---------------M----------------------------" },
    Table { id: 13, name: "Ascidian Mitochondrial",
        amino_acids: b"FFLLSSSSYY**CCWWLLLLPPPPHHQQRRRRIIMMTTTTNNKKSSGGVVVVAAAADDEEGGGG",
        starts: b"---M------**----------------------MM---------------M------------" },
    Table { id: 14, name: "Alternative Flatworm Mitochondrial",
        amino_acids: b"FFLLSSSSYYY*CCWWLLLLPPPPHHQQRRRRIIIMTTTTNNNKSSSSVVVVAAAADDEEGGGG",
        starts: b"-----------*-----------------------M----------------------------" },
    Table { id: 15, name: "Blepharisma Macronuclear",
        amino_acids: b"FFLLSSSSYY*QCC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG",
        starts: b"----------*---*--------------------M----------------------------" },
    Table { id: 16, name: "Chlorophycean Mitochondrial",
        amino_acids: b"FFLLSSSSYY*LCC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG",
        starts: b"----------*---*--------------------M----------------------------" },
    Table { id: 21, name: "Trematode Mitochondrial",
        amino_acids: b"FFLLSSSSYY**CCWWLLLLPPPPHHQQRRRRIIMMTTTTNNNKSSSSVVVVAAAADDEEGGGG",
        starts: b"----------**-----------------------M---------------M------------" },
    Table { id: 22, name: "Scenedesmus obliquus Mitochondrial",
        amino_acids: b"FFLLSS*SYY*LCC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG",
        starts: b"------*---*---*--------------------M----------------------------" },
    Table { id: 23, name: "Thraustochytrium Mitochondrial",
        amino_acids: b"FF*LSSSSYY**CC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG",
        starts: b"--*-------**--*-----------------M--M---------------M------------" },
    Table { id: 24, name: "Rhabdopleuridae Mitochondrial",
        amino_acids: b"FFLLSSSSYY**CCWWLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSSKVVVVAAAADDEEGGGG",
        starts: b"---M------**-------M---------------M---------------M------------" },
    Table { id: 25, name: "Candidate Division SR1 and Gracilibacteria",
        amino_acids: b"FFLLSSSSYY**CCGWLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG",
        starts: b"---M------**-----------------------M---------------M------------" },
    Table { id: 26, name: "Pachysolen tannophilus Nuclear",
        amino_acids: b"FFLLSSSSYY**CC*WLLLAPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG",
        starts: b"----------**--*----M---------------M----------------------------" },
    Table { id: 27, name: "Karyorelict Nuclear",
        amino_acids: b"FFLLSSSSYYQQCCWWLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG",
        starts: b"--------------*--------------------M----------------------------" },
    Table { id: 28, name: "Condylostoma Nuclear",
        amino_acids: b"FFLLSSSSYYQQCCWWLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG",
        starts: b"----------**--*--------------------M----------------------------" },
    Table { id: 29, name: "Mesodinium Nuclear",
        amino_acids: b"FFLLSSSSYYYYCC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG",
        starts: b"--------------*--------------------M----------------------------" },
    Table { id: 30, name: "Peritrich Nuclear",
        amino_acids: b"FFLLSSSSYYEECC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG",
        starts: b"--------------*--------------------M----------------------------" },
    Table { id: 31, name: "Blastocrithidia Nuclear",
        amino_acids: b"FFLLSSSSYYEECCWWLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG",
        starts: b"----------**-----------------------M----------------------------" },
    Table { id: 32, name: "Balanophoraceae Plastid",
        amino_acids: b"FFLLSSSSYY*WCC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG",
        starts: b"---M------*---*----M------------MMMM---------------M------------" },
    Table { id: 33, name: "Cephalodiscidae Mitochondrial",
        amino_acids: b"FFLLSSSSYYY*CCWWLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSSKVVVVAAAADDEEGGGG",
        starts: b"---M-------*-------M---------------M---------------M------------" },
];

/// A genetic code: a small handle that is copied freely.
///
/// The tables are those of NCBI's `gc.prt`, version 4.6 (<https://www.ncbi.nlm.nih.gov/Taxonomy/Utils/wprintgc.cgi>).
/// Numbers 7, 8 and 17 to 20 were deleted there or never given. Codons are ordered as in that file: the bases in the order
/// `T C A G`, the first base slowest.
///
/// Traps:
///
/// - A codon can mean an amino acid *and* end a protein: `TGA` in table 27, all three stop codons in table 28, `TAA` and
///   `TAG` in table 31. [`GeneticCode::translate_codon`] gives the amino acid, [`GeneticCode::is_stop`] says that a
///   protein may end there.
/// - A start codon stands for methionine only where translation starts: `GTG` is M there and V everywhere else.
///
/// ```
/// use genome_formats::GeneticCode;
///
/// let code = GeneticCode::from_id(11).unwrap();
/// assert_eq!(code.name(), "Bacterial, Archaeal and Plant Plastid");
/// assert_eq!(code.translate_codon(*b"GTG"), b'V');
/// assert!(code.is_start(*b"GTG") && code.is_stop(*b"uga"));
/// assert_eq!(code.translate_codon(*b"CTN"), b'L'); // all four are leucine
/// assert_eq!(code.translate(b"ATGAARNNNTARGG"), b"MKX*");
/// assert!(GeneticCode::from_id(7).is_none()); // deleted by NCBI
/// ```
#[derive(Clone, Copy)]
pub struct GeneticCode(&'static Table);

impl GeneticCode {
    /// Table 1.
    pub const STANDARD: Self = Self(&TABLES[0]);
    /// Table 11, of bacteria, archaea and plastids.
    pub const BACTERIAL: Self = Self(&TABLES[8]);

    /// The code with NCBI's number, the `transl_table` of a feature; `None` where NCBI has no such table.
    pub fn from_id(id: u8) -> Option<Self> {
        TABLES.binary_search_by_key(&id, |t| t.id).ok().map(|i| Self(&TABLES[i]))
    }

    /// All codes, by number.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLES.iter().map(Self)
    }

    /// NCBI's number.
    pub fn id(self) -> u8 {
        self.0.id
    }

    /// NCBI's name.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// The amino acid of a codon, `*` for a stop. Either case; `U` is `T`.
    ///
    /// An ambiguous codon has the amino acid that all its readings have. As in NCBI's and Biopython's translation,
    /// readings of D and N give `B`, of E and Q give `Z`, of I and L give `J`; anything else gives `X`, also where some
    /// readings are stops. A codon of three gaps (`---`) is a gap (`-`); any other letter gives `X`.
    pub fn translate_codon(self, codon: [u8; 3]) -> u8 {
        let sets = codon.map(bases);
        if let Some(i) = single(sets) {
            return self.0.amino_acids[i];
        }
        if codon == *b"---" {
            return b'-';
        }
        let mut seen = None;
        for i in readings(sets) {
            let next = self.0.amino_acids[i];
            let joined = match (seen.unwrap_or(next), next) {
                (a, b) if a == b => a,
                (b'B' | b'D' | b'N', b'D' | b'N') => b'B',
                (b'Z' | b'E' | b'Q', b'E' | b'Q') => b'Z',
                (b'J' | b'I' | b'L', b'I' | b'L') => b'J',
                _ => return b'X',
            };
            seen = Some(joined);
        }
        seen.unwrap_or(b'X')
    }

    /// Whether translation can start at the codon: at every reading of it, where it is ambiguous.
    pub fn is_start(self, codon: [u8; 3]) -> bool {
        self.all_readings(codon, |i| self.0.starts[i] == b'M')
    }

    /// Whether a protein can end at the codon: at every reading of it, where it is ambiguous (`TAR` in table 1). In
    /// tables 27, 28 and 31 such a codon has an amino acid too.
    pub fn is_stop(self, codon: [u8; 3]) -> bool {
        self.all_readings(codon, |i| self.0.starts[i] == b'*')
    }

    /// The amino acids of all whole codons, `*` for stops. A start codon is an amino acid like every other here;
    /// [`Cds::translate`](crate::Cds::translate) knows where translation starts.
    pub fn translate(self, bases: &[u8]) -> Vec<u8> {
        bases.as_chunks().0.iter().map(|&codon| self.translate_codon(codon)).collect()
    }

    fn all_readings(self, codon: [u8; 3], mut test: impl FnMut(usize) -> bool) -> bool {
        let sets = codon.map(bases);
        match single(sets) {
            Some(i) => test(i),
            None => !sets.contains(&0) && readings(sets).all(test),
        }
    }
}

impl Default for GeneticCode {
    /// Table 1, which a feature without `transl_table` means.
    fn default() -> Self {
        Self::STANDARD
    }
}

impl PartialEq for GeneticCode {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl Eq for GeneticCode {}

impl std::hash::Hash for GeneticCode {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.id.hash(state);
    }
}

impl fmt::Debug for GeneticCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GeneticCode({}: {})", self.0.id, self.0.name)
    }
}

/// The number of a codon whose three letters are plain bases.
#[inline]
fn single(sets: [u8; 3]) -> Option<usize> {
    let plain = sets.iter().fold(true, |all, s| all & s.is_power_of_two());
    plain.then(|| sets.iter().fold(0, |i, s| 4 * i + s.trailing_zeros() as usize))
}

/// The numbers of all codons that the sets allow; none where a set is empty.
fn readings(sets: [u8; 3]) -> impl Iterator<Item = usize> {
    let inside = |set: u8, base: usize| set & (1 << base) != 0;
    (0..64).filter(move |i| inside(sets[0], i / 16) && inside(sets[1], i / 4 % 4) && inside(sets[2], i % 4))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alphabet::reverse_complement;
    use proptest::prelude::*;

    const LETTERS: &[u8] = b"TCAG";

    fn codon(i: usize) -> [u8; 3] {
        [LETTERS[i / 16], LETTERS[i / 4 % 4], LETTERS[i % 4]]
    }

    /// `TGA=W` for each codon that differs from table 1.
    fn differences(code: GeneticCode) -> String {
        let codons =
            (0..64).map(codon).filter(|&c| code.translate_codon(c) != GeneticCode::STANDARD.translate_codon(c));
        let shown: Vec<String> =
            codons.map(|c| format!("{}={}", String::from_utf8_lossy(&c), code.translate_codon(c) as char)).collect();
        shown.join(" ")
    }

    fn with(code: GeneticCode, test: impl Fn(GeneticCode, [u8; 3]) -> bool) -> String {
        let codons: Vec<String> =
            (0..64).map(codon).filter(|&c| test(code, c)).map(|c| String::from_utf8_lossy(&c).into_owned()).collect();
        codons.join(" ")
    }

    /// "Differences from the Standard Code", start and stop codons as NCBI's page of the genetic codes documents them.
    #[test]
    fn every_table_differs_as_documented() {
        let check = |id: u8, different: &str, starts: &str, stops: &str| {
            let code = GeneticCode::from_id(id).unwrap();
            assert_eq!(differences(code), different, "{code:?}");
            assert_eq!(with(code, GeneticCode::is_start), starts, "{code:?}");
            assert_eq!(with(code, GeneticCode::is_stop), stops, "{code:?}");
        };
        check(1, "", "TTG CTG ATG", "TAA TAG TGA");
        check(2, "TGA=W ATA=M AGA=* AGG=*", "ATT ATC ATA ATG GTG", "TAA TAG AGA AGG");
        check(3, "TGA=W CTT=T CTC=T CTA=T CTG=T ATA=M", "ATA ATG GTG", "TAA TAG");
        check(4, "TGA=W", "TTA TTG CTG ATT ATC ATA ATG GTG", "TAA TAG");
        check(5, "TGA=W ATA=M AGA=S AGG=S", "TTG ATT ATC ATA ATG GTG", "TAA TAG");
        check(6, "TAA=Q TAG=Q", "ATG", "TGA");
        check(9, "TGA=W AAA=N AGA=S AGG=S", "ATG GTG", "TAA TAG");
        check(10, "TGA=C", "ATG", "TAA TAG");
        check(11, "", "TTG CTG ATT ATC ATA ATG GTG", "TAA TAG TGA");
        check(12, "CTG=S", "CTG ATG", "TAA TAG TGA");
        check(13, "TGA=W ATA=M AGA=G AGG=G", "TTG ATA ATG GTG", "TAA TAG");
        check(14, "TAA=Y TGA=W AAA=N AGA=S AGG=S", "ATG", "TAG");
        check(15, "TAG=Q", "ATG", "TAA TGA");
        check(16, "TAG=L", "ATG", "TAA TGA");
        check(21, "TGA=W ATA=M AAA=N AGA=S AGG=S", "ATG GTG", "TAA TAG");
        check(22, "TCA=* TAG=L", "ATG", "TCA TAA TGA");
        check(23, "TTA=*", "ATT ATG GTG", "TTA TAA TAG TGA");
        check(24, "TGA=W AGA=S AGG=K", "TTG CTG ATG GTG", "TAA TAG");
        check(25, "TGA=G", "TTG ATG GTG", "TAA TAG");
        check(26, "CTG=A", "CTG ATG", "TAA TAG TGA");
        check(27, "TAA=Q TAG=Q TGA=W", "ATG", "TGA"); // TGA: stop or W
        check(28, "TAA=Q TAG=Q TGA=W", "ATG", "TAA TAG TGA"); // stop or Q, stop or W
        check(29, "TAA=Y TAG=Y", "ATG", "TGA");
        check(30, "TAA=E TAG=E", "ATG", "TGA");
        check(31, "TAA=E TAG=E TGA=W", "ATG", "TAA TAG"); // stop or E
        check(32, "TAG=W", "TTG CTG ATT ATC ATA ATG GTG", "TAA TGA");
        check(33, "TAA=Y TGA=W AGA=S AGG=K", "TTG CTG ATG GTG", "TAG");
        assert_eq!(GeneticCode::all().count(), 27);
    }

    #[test]
    fn tables_are_well_formed() {
        let ids: Vec<u8> = GeneticCode::all().map(GeneticCode::id).collect();
        let expected: Vec<u8> = (1..=6).chain(9..=16).chain(21..=33).collect();
        assert_eq!(ids, expected);
        for id in [0, 7, 8, 17, 18, 19, 20, 34, 255] {
            assert_eq!(GeneticCode::from_id(id), None);
        }
        assert_eq!(GeneticCode::BACTERIAL.id(), 11);
        for table in &TABLES {
            let letters: std::collections::BTreeSet<u8> = table.amino_acids.iter().copied().collect();
            assert!(letters.iter().all(|a| b"ACDEFGHIKLMNPQRSTVWY*".contains(a)), "{}", table.id);
            assert!(letters.len() >= 20, "all amino acids are coded for in table {}", table.id);
            // A codon without an amino acid is a stop wherever it stands.
            for i in 0..64 {
                assert!(table.amino_acids[i] != b'*' || table.starts[i] == b'*', "{} {i}", table.id);
                assert!(b"M*-".contains(&table.starts[i]));
            }
        }
    }

    #[test]
    fn ambiguous_codons() {
        let check = |codon: &[u8; 3], expected: u8| {
            let got = GeneticCode::STANDARD.translate_codon(*codon);
            assert_eq!(got as char, expected as char, "{}", String::from_utf8_lossy(codon));
        };
        check(b"CTN", b'L');
        check(b"ytr", b'L'); // TTA TTG CTA CTG
        check(b"MGR", b'R');
        check(b"TAR", b'*');
        check(b"TRA", b'*');
        check(b"RAY", b'B'); // N or D
        check(b"SAR", b'Z'); // Q or E
        check(b"MTT", b'J'); // I or L
        check(b"WTA", b'J'); // TTA L, ATA I
        check(b"NNN", b'X');
        check(b"TAN", b'X'); // Y or stop
        check(b"ATN", b'X'); // I or M
        check(b"AUG", b'M');
        check(b"aug", b'M');
        check(b"---", b'-');
        check(b"A--", b'X');
        check(b"A?G", b'X');
        assert!(GeneticCode::STANDARD.is_stop(*b"TRA") && !GeneticCode::STANDARD.is_stop(*b"TRR"));
        assert!(GeneticCode::STANDARD.is_start(*b"YTG") && !GeneticCode::STANDARD.is_start(*b"NTG"));
        assert!(GeneticCode::BACTERIAL.is_start(*b"NTG"));
        for nothing in [b"---", b"A-G", b"!!!"] {
            assert!(!GeneticCode::STANDARD.is_stop(*nothing) && !GeneticCode::STANDARD.is_start(*nothing));
        }
    }

    #[test]
    fn whole_codons_are_translated() {
        let check = |bases: &[u8], expected: &[u8]| assert_eq!(GeneticCode::STANDARD.translate(bases), expected);
        check(b"", b"");
        check(b"AT", b"");
        check(b"ATGGCCATTGTAATGGGCCGCTGAAAGGGTGCCCGATAG", b"MAIVMGR*KGAR*"); // Biopython's tutorial
        check(b"ATGGCCATTGTAATGGGCCGCTGAAAGGGTGCCCGATAGT", b"MAIVMGR*KGAR*");
    }

    proptest! {
        /// An ambiguous codon against all codons that it stands for.
        #[test]
        fn ambiguity_is_what_all_readings_agree_on(text in "[ACGTURYSWKMBDHVNacgturyswkmbdhvn]{3}", id in 1u8..=33) {
            let Some(code) = GeneticCode::from_id(id) else { return Ok(()) };
            let codon_text: [u8; 3] = text.as_bytes().try_into().unwrap();
            let matches = |i: usize| codon(i).iter().zip(codon_text).all(|(&b, l)| bases(b) & bases(l) != 0);
            let mut amino_acids: Vec<u8> = (0..64).filter(|&i| matches(i)).map(|i| code.translate_codon(codon(i))).collect();
            amino_acids.sort_unstable();
            amino_acids.dedup();
            let expected = match &amino_acids[..] {
                [one] => *one,
                b"DN" => b'B',
                b"EQ" => b'Z',
                b"IL" => b'J',
                _ => b'X',
            };
            prop_assert_eq!(code.translate_codon(codon_text), expected);
            prop_assert_eq!(code.is_start(codon_text), (0..64).filter(|&i| matches(i)).all(|i| code.is_start(codon(i))));
            prop_assert_eq!(code.is_stop(codon_text), (0..64).filter(|&i| matches(i)).all(|i| code.is_stop(codon(i))));
        }

        #[test]
        fn the_other_strand_of_the_other_strand_is_translated_alike(seq in "[ACGTacgtNRY]{0,90}") {
            let back = reverse_complement(&reverse_complement(seq.as_bytes()));
            let code = GeneticCode::STANDARD;
            prop_assert_eq!(code.translate(&back), code.translate(seq.as_bytes()));
        }

        #[test]
        fn any_bytes_are_translated(seq in proptest::collection::vec(any::<u8>(), 0..60)) {
            prop_assert_eq!(GeneticCode::STANDARD.translate(&seq).len(), seq.len() / 3);
        }
    }
}
