//! Running the binary in a folder of its own.

use assert_cmd::Command;
use std::path::Path;
use tempfile::TempDir;

/// `genome` with arguments, in `dir`.
pub(crate) fn genome(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::cargo_bin("genome").expect("cargo builds the binary before its tests");
    command.current_dir(dir).args(args);
    command
}

/// An empty folder that goes when the test ends.
pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().expect("the system has a folder for temporary files")
}
