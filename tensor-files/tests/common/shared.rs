//! Data that lies beside the workspace.

use std::path::{Path, PathBuf};

/// A file or folder of it. `None`, with a line on stderr, where it is absent; in CI nothing may be skipped while the shared
/// folder is there.
pub(crate) fn shared(test: &str, path: &str) -> Option<PathBuf> {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let wanted = shared.join(path);
    if wanted.exists() {
        return Some(wanted);
    }
    let strict = std::env::var("CI").is_ok_and(|ci| ci == "true") && shared.is_dir();
    assert!(!strict, "{test}: {} is absent, and nothing is skipped in CI", wanted.display());
    eprintln!("skipped: {test}: {} is absent", wanted.display());
    None
}
