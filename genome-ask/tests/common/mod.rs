//! Where real data lies, and what to do where it does not.

use std::path::PathBuf;

/// The shared data folder. `None`, with a line on stderr, where it is absent; in CI nothing may be skipped while the shared
/// folder is there.
pub(crate) fn data_folder(test: &str) -> Option<PathBuf> {
    let shared = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared"));
    let folder = shared.join("data");
    if folder.join("ask/questions.jsonl").is_file() {
        return Some(folder);
    }
    let strict = std::env::var("CI").is_ok_and(|ci| ci == "true") && shared.is_dir();
    assert!(!strict, "{test}: {} is absent, and nothing is skipped in CI", folder.display());
    eprintln!("skipped: {test}: {} is absent", folder.display());
    None
}
