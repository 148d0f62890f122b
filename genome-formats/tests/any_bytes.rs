//! What the fuzz targets hold, held for damaged copies of their seeds too.

#[path = "../fuzz/src/checks.rs"]
mod checks;

use checks::{FORMATS, check, seeds};
use genome_formats::{Mode, ReadOptions, Records};
use proptest::prelude::*;

#[test]
fn seeds_are_sound() {
    for (name, format) in FORMATS {
        for seed in seeds(format) {
            check(format, &seed);
            if name == "cram" {
                continue; // the start of a file
            }
            for mode in [Mode::Strict, Mode::Lenient] {
                let options = ReadOptions { mode, format: Some(format), ..ReadOptions::default() };
                let records = Records::from_bytes("seed", seed.clone(), &options)
                    .and_then(Iterator::collect::<Result<Vec<_>, _>>);
                assert!(!records.unwrap_or_else(|e| panic!("{name}: {e}")).is_empty(), "{name}");
            }
        }
    }
}

/// Damage to a file: bytes set, a stretch cut out, another put in twice.
#[derive(Debug, Clone)]
enum Damage {
    Set(usize, u8),
    Cut(usize, usize),
    Twice(usize, usize),
    Insert(usize, Vec<u8>),
}

impl Damage {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let length = bytes.len().max(1);
        let stretch = |at: usize, n: usize| (at % length).min(bytes.len())..(at % length + n).min(bytes.len());
        match self {
            Self::Set(at, byte) => {
                if let Some(slot) = bytes.get_mut(at % length) {
                    *slot = *byte;
                }
            }
            Self::Cut(at, n) => drop(bytes.drain(stretch(*at, *n))),
            Self::Twice(at, n) => {
                let piece = bytes[stretch(*at, *n)].to_vec();
                let at = (at % length).min(bytes.len());
                bytes.splice(at..at, piece);
            }
            Self::Insert(at, piece) => {
                let at = (at % length).min(bytes.len());
                bytes.splice(at..at, piece.iter().copied());
            }
        }
    }
}

fn damage() -> impl Strategy<Value = Damage> {
    let byte = prop_oneof![any::<u8>(), proptest::sample::select(b"\t\n\r >@+#;=,:*./0-9ACGT\"\0\xff".to_vec())];
    prop_oneof![
        4 => (any::<usize>(), byte).prop_map(|(at, byte)| Damage::Set(at, byte)),
        1 => (any::<usize>(), 1usize..40).prop_map(|(at, n)| Damage::Cut(at, n)),
        1 => (any::<usize>(), 1usize..40).prop_map(|(at, n)| Damage::Twice(at, n)),
        1 => (any::<usize>(), proptest::collection::vec(any::<u8>(), 1..8)).prop_map(|(at, piece)| Damage::Insert(at, piece)),
    ]
}

proptest! {
    #[test]
    fn damaged_files_of_any_format(format in 0..FORMATS.len(), seed in any::<proptest::sample::Index>(), damages in proptest::collection::vec(damage(), 0..6)) {
        let format = FORMATS[format].1;
        let seeds = seeds(format);
        let mut bytes = seeds[seed.index(seeds.len())].clone();
        damages.iter().for_each(|d| d.apply(&mut bytes));
        check(format, &bytes);
    }

    #[test]
    fn any_bytes_in_any_format(format in 0..FORMATS.len(), bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        check(FORMATS[format].1, &bytes);
    }
}
