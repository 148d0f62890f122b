//! The shared folder beside the repository, and a small real LLaMA in it.

use crate::run::genome;
use std::path::{Path, PathBuf};

/// `name` in the shared folder, or a message that says why the test is skipped.
pub(crate) fn shared(test: &str, name: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let found = folder.join(name);
    if found.exists() {
        return Some(found);
    }
    let strict = std::env::var_os("CI").is_some_and(|ci| ci == "true") && folder.exists();
    assert!(!strict, "{test}: {} is absent, and nothing is skipped in CI", found.display());
    eprintln!("skipped: {test}: {} is absent", found.display());
    None
}

/// Writes stories260K as a model folder `stories` in `dir`, unless the test is skipped.
pub(crate) fn stories(test: &str, dir: &Path) -> Option<()> {
    let stories = shared(test, "data/weights/stories260K")?;
    genome(dir, &["convert-checkpoint", "--tokenizer"])
        .arg(stories.join("tok512.bin"))
        .arg(stories.join("stories260K.bin"))
        .arg("stories")
        .assert()
        .success();
    Some(())
}
