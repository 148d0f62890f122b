//! What the tests of the binary share.

use std::path::{Path, PathBuf};

mod run;

pub(crate) use run::{folder, genome};

/// A file of the data that ships with the binary.
pub(crate) fn asset(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets").join(name)
}

/// The first rows of the splice-junction set as a data set of its own.
pub(crate) fn small_data(dir: &Path, train_rows: usize) {
    for (name, rows) in [("train", train_rows), ("dev", 32), ("test", 32)] {
        let text = std::fs::read_to_string(asset(&format!("splice_junction/{name}.csv"))).unwrap();
        let head: String = text.lines().take(rows + 1).map(|l| format!("{l}\n")).collect();
        std::fs::write(dir.join(format!("{name}.csv")), head).unwrap();
    }
}

/// Trains a quick adapter in `dir/adapter` on `dir/data`.
pub(crate) fn small_adapter(dir: &Path) {
    let data = dir.join("data");
    std::fs::create_dir(&data).unwrap();
    small_data(&data, 96);
    genome(dir, &["finetune", "--data", "data", "--out", "adapter", "--epochs", "2", "--device", "cpu"])
        .assert()
        .success();
}
