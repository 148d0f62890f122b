//! What the benches of genome-formats share: ours and a peer timed in turn in one run, and inputs from a seed.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// Whether `cargo test` runs the bench (`cargo bench` passes `--bench`): then inputs should be tiny.
pub fn is_smoke_test() -> bool {
    let has = |flag: &str| std::env::args().any(|arg| arg == flag);
    !has("--bench") || has("--test")
}

/// One contender: its name and what it does with the input. The result is what must agree among contenders.
pub struct Contender<'a, T> {
    /// As the table shows it.
    pub name: &'a str,
    /// Does the work once.
    pub run: Box<dyn FnMut() -> T + 'a>,
}

impl<T> std::fmt::Debug for Contender<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Contender").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A contender.
pub fn contender<'a, T>(name: &'a str, run: impl FnMut() -> T + 'a) -> Contender<'a, T> {
    Contender { name, run: Box::new(run) }
}

/// Times the contenders in turn over `bytes` of input, and prints a row for each: median MB/s and the ratio to the last,
/// the peer that is to be beaten. All must give the same result.
///
/// # Panics
///
/// When two contenders disagree.
pub fn duel<T: PartialEq + std::fmt::Debug>(title: &str, bytes: usize, contenders: &mut [Contender<'_, T>]) {
    let mut expected = None;
    for contender in contenders.iter_mut() {
        let got = (contender.run)();
        match &expected {
            None => expected = Some(got),
            Some(expected) => assert_eq!(&got, expected, "{title}: {} disagrees", contender.name),
        }
    }
    let rounds = if is_smoke_test() { 1 } else { 15 };
    let mut times = vec![Vec::new(); contenders.len()];
    for _ in 0..rounds {
        for (contender, times) in contenders.iter_mut().zip(&mut times) {
            let start = Instant::now();
            black_box((contender.run)());
            times.push(start.elapsed());
        }
    }
    let medians: Vec<Duration> = times
        .iter_mut()
        .map(|t| {
            t.sort_unstable();
            t[t.len() / 2]
        })
        .collect();
    let peer = medians.last().expect("a duel has contenders").as_secs_f64();
    println!("{title} ({:.1} MB)", bytes as f64 / 1e6);
    for (contender, median) in contenders.iter().zip(&medians) {
        let seconds = median.as_secs_f64();
        println!("  {:<40} {:>8.0} MB/s   ratio {:.2}", contender.name, bytes as f64 / 1e6 / seconds, peer / seconds);
    }
}

/// A small generator of reproducible inputs (splitmix64).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// Starts from a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.bits() % end
    }

    /// DNA letters, `ACGT`.
    pub fn dna(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| b"ACGT"[(self.bits() >> 62) as usize]).collect()
    }
}
