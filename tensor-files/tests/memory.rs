//! A model that is loaded tensor by tensor takes little more than its weights.
//!
//! Alone in its file, because what is measured is the most that the process ever had.

#![cfg(target_os = "linux")]

use std::io::Write as _;
use tensor_files::{Access, Checkpoint};

/// The most memory that this process had, file pages included, in bytes.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    1024 * line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap()
}

/// Four tensors of 32 MiB each: as they are, turned, from a mapping, read.
#[test]
fn at_most_a_third_more_than_the_weights() {
    const ROWS: usize = 4096;
    const COLUMNS: usize = 2048;
    const BYTES: usize = 4 * ROWS * COLUMNS;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let info = |i: usize| {
        format!(
            r#""{i}":{{"dtype":"F32","shape":[{ROWS},{COLUMNS}],"data_offsets":[{},{}]}}"#,
            i * BYTES,
            (i + 1) * BYTES
        )
    };
    let header = format!("{{{}}}", (0..4).map(info).collect::<Vec<_>>().join(","));
    file.write_all(&(header.len() as u64).to_le_bytes()).unwrap();
    file.write_all(header.as_bytes()).unwrap();
    for i in 0..4 * ROWS {
        let row: Vec<u8> = (0..COLUMNS).flat_map(|j| ((i * COLUMNS + j) as f32).to_le_bytes()).collect();
        file.write_all(&row).unwrap();
    }

    let before = peak();
    let mut weights = Vec::new();
    for access in [Access::Mapped, Access::Read] {
        let checkpoint = Checkpoint::open_with(file.path(), access).unwrap();
        for name in ["0", "1"] {
            weights.push(checkpoint.read_f32(name).unwrap());
        }
        for name in ["2", "3"] {
            weights.push(checkpoint.read_f32_transposed(name).unwrap());
        }
    }
    let (loaded, used) = (8 * BYTES, peak() - before);
    println!("{} MiB of weights, {} MiB at the most", loaded >> 20, used >> 20);
    assert_eq!(weights[1][5], (ROWS * COLUMNS + 5) as f32);
    assert_eq!(weights[2][5], ((2 * ROWS + 5) * COLUMNS) as f32);
    assert!(used < loaded + loaded * 3 / 10, "{used} bytes for {loaded}");
    assert!(used > loaded / 2, "weights that were not there could not be counted");
}
