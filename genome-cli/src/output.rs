//! Where results go.

use anyhow::{Context, Result, bail};
use genome_formats::{Forgiven, Output};
use std::io::{BufWriter, ErrorKind, Write};
use std::path::Path;

/// Buffered stdout.
pub(crate) fn stdout() -> BufWriter<std::io::StdoutLock<'static>> {
    BufWriter::with_capacity(1 << 16, std::io::stdout().lock())
}

/// True if the reader of our output went away, which is no error (`genome predict ... | head`).
pub(crate) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|e| e.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == ErrorKind::BrokenPipe))
}

/// Where a command writes: a file, compressed if its name ends in `.gz`, or stdout. It has to be finished.
pub(crate) fn out_file(path: Option<&Path>) -> Result<Output> {
    Ok(Output::create(path.unwrap_or(Path::new("-")))?)
}

/// What a lenient reader let pass, on stderr.
pub(crate) fn say_forgiven(forgiven: &Forgiven) {
    for (rule, n, first) in forgiven.iter() {
        eprintln!("note: forgiven {n} times: {rule}; the first: {first}");
    }
}

/// Refuses an out folder that holds something, unless `force`.
pub(crate) fn check_out(out: &Path, force: bool) -> Result<()> {
    let taken = match std::fs::read_dir(out) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) if error.kind() == ErrorKind::NotFound => false,
        Err(error) => return Err(error).with_context(|| out.display().to_string()),
    };
    if taken && !force {
        bail!("{}: the folder is not empty; --force replaces what is in it", out.display());
    }
    Ok(())
}

/// Writes a file to a temporary name and renames it.
pub(crate) fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    Ok(model_zoo::checkpoint::write_atomically(path, bytes)?)
}

/// Writes JSON for people and programs.
pub(crate) fn write_json(path: &Path, value: &impl serde::Serialize) -> Result<()> {
    let mut bytes = serde_json::to_vec_pretty(value)?;
    bytes.write_all(b"\n")?;
    write_file(path, &bytes)
}
