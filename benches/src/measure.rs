//! Time and memory.

use std::process::Command;
use std::time::Instant;

/// True unless `cargo bench` runs the program: criterion's own rule, by which `cargo test` runs everything once.
pub fn is_smoke_test() -> bool {
    let has = |flag: &str| std::env::args().any(|arg| arg == flag);
    !has("--bench") || has("--test")
}

/// Seconds that each of `jobs` took in each of `rounds`. The jobs take turns, so that whatever else the machine is
/// doing meets all of them alike.
pub fn seconds_in_turn(rounds: usize, jobs: &mut [&mut dyn FnMut()]) -> Vec<Vec<f64>> {
    let mut seconds = vec![Vec::with_capacity(rounds); jobs.len()];
    for _ in 0..rounds {
        for (job, seconds) in jobs.iter_mut().zip(&mut seconds) {
            let start = Instant::now();
            job();
            seconds.push(start.elapsed().as_secs_f64());
        }
    }
    seconds
}

/// The middle of some numbers.
///
/// # Panics
/// If there are none.
pub fn median(numbers: &[f64]) -> f64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let mid = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[mid] } else { (sorted[mid - 1] + sorted[mid]) / 2.0 }
}

/// The most memory that this process has held so far, in MiB; `None` where the system does not tell.
pub fn own_peak_mib() -> Option<u64> {
    own_mib("VmHWM:")
}

/// The memory that this process holds now, in MiB; `None` where the system does not tell.
pub fn own_resident_mib() -> Option<u64> {
    own_mib("VmRSS:")
}

fn own_mib(key: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?; // Linux
    let kib = status.lines().find_map(|line| line.strip_prefix(key))?.trim().strip_suffix("kB")?;
    Some(kib.trim().parse::<u64>().ok()? / 1024)
}

/// The number that this very program prints when it is started with `args`, such as its [`own_peak_mib`]: a peak is never
/// forgotten, so each measurement needs a process of its own.
pub fn printed_by(args: &[&str]) -> Option<u64> {
    let program = std::env::current_exe().ok()?;
    let output = Command::new(program).args(args).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}
