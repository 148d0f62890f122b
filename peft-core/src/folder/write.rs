//! Writing an adapter folder, whole or not at all.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::tensors::to_safetensors;
use super::{
    CONFIG_FILE, FolderConfig, GENOME_FILE, GenomeAdapter, HostTensor, LEGACY_FILE, PREFIX, TENSORS_FILE, config,
};
use crate::{Adapters, Error, FolderAdapter, Result};

/// What goes into an adapter folder.
#[derive(Clone, Debug)]
pub struct Contents<'a, A, C> {
    /// The method's settings.
    pub config: &'a C,
    /// The adapters.
    pub adapters: &'a Adapters<A>,
    /// The base model's name or path, for PEFT's `base_model_name_or_path`.
    pub base_model: Option<&'a str>,
    /// The tensors of modules that were trained whole, by name in the model: `classifier.weight`; in torch's
    /// layout. Their modules must be among the configuration's `modules_to_save`.
    pub modules: &'a BTreeMap<String, HostTensor>,
    /// Our page.
    pub genome: Option<&'a GenomeAdapter>,
}

/// Writes the folder `dir`, in place of one that may be there.
///
/// The files are written to a directory beside `dir` and synchronised, and only then take its name; until
/// then the folder that was there stays as it was. Other files in it (not directories) are kept. Two renames are
/// needed to replace a folder: if the machine stops between them, the old one is found beside `dir`, in
/// `.<name>.old-<random>/folder`.
///
/// # Errors
/// [`Error::WontReplace`] if `dir` is a directory that is neither empty nor an adapter folder, or has
/// directories in it; [`Error::NotFinite`]; [`Error::Config`]; [`Error::Io`].
pub fn write_folder<A: FolderAdapter, C: FolderConfig>(dir: &Path, contents: &Contents<'_, A, C>) -> Result<()> {
    let tensors = tensors(dir, contents)?;
    write_files(dir, contents.config, contents.base_model, &tensors, contents.genome)
}

/// The files of an adapter folder, from every tensor under its name in the file; see [`write_folder`].
pub(super) fn write_files<C: FolderConfig>(
    dir: &Path,
    settings: &C,
    base_model: Option<&str>,
    tensors: &BTreeMap<String, HostTensor>,
    genome: Option<&GenomeAdapter>,
) -> Result<()> {
    // A link is followed, so that what it points to is replaced and not the link.
    let dir = if dir.exists() { dir.canonicalize().map_err(Error::io(dir))? } else { dir.to_owned() };
    let files = [
        (CONFIG_FILE, Some(config::to_json(settings, base_model, &dir.join(CONFIG_FILE))?)),
        (TENSORS_FILE, Some(to_safetensors(&dir.join(TENSORS_FILE), tensors)?)),
        (GENOME_FILE, genome.map(|genome| json(&dir.join(GENOME_FILE), genome)).transpose()?),
    ];
    let kept = other_files(&dir)?;
    let parent = match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    fs::create_dir_all(&parent).map_err(Error::io(&parent))?;
    let new = sibling(&dir, &parent, "new")?;
    for (name, bytes) in files {
        if let Some(bytes) = bytes {
            write_synced(&new.path().join(name), &bytes)?;
        }
    }
    for file in kept {
        let copy = new.path().join(file.file_name().unwrap_or_default());
        fs::copy(&file, &copy).map_err(Error::io(&file))?;
    }
    sync_directory(new.path())?;
    if !dir.exists() {
        move_to(new, &dir)?;
        return sync_directory(&parent);
    }
    let old = sibling(&dir, &parent, "old")?;
    let aside = old.path().join("folder");
    fs::rename(&dir, &aside).map_err(Error::io(&dir))?;
    if let Err(error) = move_to(new, &dir) {
        if fs::rename(&aside, &dir).is_err() {
            let _ = old.keep(); // the only copy: better in an odd place than gone
        }
        return Err(error);
    }
    sync_directory(&parent) // `old` goes when dropped, after this
}

fn json(file: &Path, value: &impl Serialize) -> Result<Vec<u8>> {
    let mut text = serde_json::to_vec_pretty(value).map_err(|source| Error::Json { file: file.to_owned(), source })?;
    text.push(b'\n');
    Ok(text)
}

/// The tensors that a folder with `adapters` has, but for the modules of the caller, in torch's layout and under the
/// names in the file without `base_model.model.`: `encoder.0.query.lora_A.weight`.
pub fn adapter_tensors<A: FolderAdapter>(adapters: &Adapters<A>) -> Vec<(String, HostTensor)> {
    let of_adapters = adapters.iter().flat_map(|(path, adapter)| {
        adapter.tensors().into_iter().map(move |(suffix, tensor)| (format!("{path}.{suffix}"), tensor))
    });
    let of_copies = adapters.copies.iter().map(|c| (c.file_name.clone(), c.to_host()));
    of_adapters.chain(of_copies).collect()
}

/// Every tensor under its name in the file.
fn tensors<A: FolderAdapter, C>(dir: &Path, contents: &Contents<'_, A, C>) -> Result<BTreeMap<String, HostTensor>> {
    let mut tensors = BTreeMap::new();
    let of_modules = contents.modules.iter().map(|(name, tensor)| (name.clone(), tensor.clone()));
    for (name, tensor) in adapter_tensors(contents.adapters).into_iter().chain(of_modules) {
        if tensors.insert(format!("{PREFIX}{name}"), tensor).is_some() {
            let reason = format!("two tensors are called {name}");
            return Err(Error::Tensors { file: dir.join(TENSORS_FILE), reason });
        }
    }
    Ok(tensors)
}

/// The files in `dir` that are not ours, unless it is something that must not be replaced.
fn other_files(dir: &Path) -> Result<Vec<PathBuf>> {
    let wont = |reason: String| Error::WontReplace { path: dir.to_owned(), reason };
    if !dir.exists() {
        return Ok(Vec::new());
    }
    if !dir.is_dir() {
        return Err(wont("it is a file".into()));
    }
    let mut others = Vec::new();
    let mut ours = false;
    for entry in fs::read_dir(dir).map_err(Error::io(dir))? {
        let path = entry.map_err(Error::io(dir))?.path();
        let name = path.file_name().unwrap_or_default();
        if [CONFIG_FILE, TENSORS_FILE, GENOME_FILE, LEGACY_FILE].iter().any(|ours| name == *ours) {
            ours = true; // also the legacy file, which the new tensors replace
        } else if path.is_file() {
            others.push(path);
        } else {
            return Err(wont(format!("it has {} in it, which is no file", name.display())));
        }
    }
    if !ours && !others.is_empty() {
        return Err(wont(format!("it is not empty and has no {CONFIG_FILE}")));
    }
    Ok(others)
}

/// A new directory beside `dir`, gone when dropped: `.<name>.<kind>-<random>`.
fn sibling(dir: &Path, parent: &Path, kind: &str) -> Result<tempfile::TempDir> {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    let prefix = format!(".{name}.{kind}-");
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777)); // less the umask, as mkdir
    builder.tempdir_in(parent).map_err(Error::io(parent))
}

fn write_synced(file: &Path, bytes: &[u8]) -> Result<()> {
    let mut open = File::create(file).map_err(Error::io(file))?;
    open.write_all(bytes).and_then(|()| open.sync_all()).map_err(Error::io(file))
}

/// Makes the names in `dir` survive a power cut, where the system can (a directory cannot be opened on Windows).
fn sync_directory(dir: &Path) -> Result<()> {
    if cfg!(unix) {
        File::open(dir).and_then(|open| open.sync_all()).map_err(Error::io(dir))?;
    }
    Ok(())
}

fn move_to(new: tempfile::TempDir, dir: &Path) -> Result<()> {
    fs::rename(new.path(), dir).map_err(Error::io(dir))?;
    let _ = new.keep(); // it has another name now; nothing is left to remove
    Ok(())
}
