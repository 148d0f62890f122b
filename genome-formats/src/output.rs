//! Where bytes go: a file or standard output, plain or BGZF, whole or not at all.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempPath};

use crate::bgzf::BgzfWriter;
use crate::error::{Error, ErrorKind, Result};
use crate::index::gzi::Gzi;
use crate::input::Compression;

const BUFFER: usize = 128 * 1024;

/// Where bytes go: a file that appears under its name when it is whole, or standard output.
///
/// A file is written beside its place under a temporary name; [`Output::finish`] renames it. An `Output` that is dropped
/// without it leaves nothing behind, and an older file of that name as it was. What is no plain file (a pipe, a device) is
/// written directly.
///
/// The ending of the name chooses the compression: `.gz`, `.bgz`, `.bgzf` give BGZF, which every gzip reader reads, and so do
/// `.bam` and `.bcf`, whose blocks are BGZF's. Everything else is plain; `.zst`, `.bz2`, `.xz` and other compressions are
/// refused, because nothing here writes them.
///
/// ```
/// use std::io::Write;
/// use genome_formats::Output;
///
/// let dir = tempfile::tempdir()?;
/// let path = dir.path().join("genes.bed.gz");
/// let mut out = Output::create(&path)?;
/// out.write_all(b"chr1\t1\t5\n")?;
/// assert!(!path.exists());
/// out.finish()?;
/// assert!(path.exists());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Output {
    name: String,
    /// The temporary file and its place.
    place: Option<(TempPath, PathBuf)>,
    writer: Writer,
    failed: bool,
}

enum Writer {
    Plain(BufWriter<Box<dyn Write + Send>>),
    Bgzf(Box<BgzfWriter<BufWriter<Box<dyn Write + Send>>>>),
}

impl Output {
    /// Creates a file; `-` is standard output, which is plain. The ending of the name chooses the compression.
    ///
    /// # Errors
    ///
    /// The file cannot be created, or its ending asks for a compression that cannot be written.
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        let compression = compression_by_name(path.as_ref())?;
        Self::create_as(path, compression)
    }

    /// Creates a file; `-` is standard output.
    ///
    /// # Errors
    ///
    /// The file cannot be created, or the compression is neither [`Compression::Plain`] nor [`Compression::Bgzf`].
    pub fn create_as(path: impl AsRef<Path>, compression: Compression) -> Result<Self> {
        let path = path.as_ref();
        if path.as_os_str() == "-" {
            return Self::new("<stdout>".to_owned(), Box::new(io::stdout()), compression);
        }
        let name = path.display().to_string();
        let io = |error| Error::from_io(&name, error);
        // Through a link to the file behind it, which is what would be overwritten.
        let place = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let old = fs::metadata(&place).ok();
        if old.as_ref().is_some_and(|old| !old.is_file()) {
            let file = File::options().write(true).open(&place).map_err(io)?;
            return Self::new(name, Box::new(file), compression);
        }
        let temporary = temporary_file(&place, old.map(|old| old.permissions())).map_err(io)?;
        let (file, temporary) = temporary.into_parts();
        let mut output = Self::new(name, Box::new(file), compression)?;
        output.place = Some((temporary, place));
        Ok(output)
    }

    /// Writes to `writer`; `name` stands in errors.
    ///
    /// # Errors
    ///
    /// The compression is neither [`Compression::Plain`] nor [`Compression::Bgzf`].
    pub fn to_writer(
        name: impl Into<String>,
        writer: impl Write + Send + 'static,
        compression: Compression,
    ) -> Result<Self> {
        Self::new(name.into(), Box::new(writer), compression)
    }

    fn new(name: String, writer: Box<dyn Write + Send>, compression: Compression) -> Result<Self> {
        let writer = BufWriter::with_capacity(BUFFER, writer);
        let writer = match compression {
            Compression::Plain => Writer::Plain(writer),
            Compression::Bgzf => Writer::Bgzf(Box::new(BgzfWriter::new(writer))),
            other => return Err(cannot_write(&name, &other.to_string())),
        };
        Ok(Self { name, place: None, writer, failed: false })
    }

    /// The name that errors give: the path, or `<stdout>`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Chooses the level of BGZF, from 0, fast and large, to 9, slow and small; 6 without this. Call it before anything is
    /// written; a plain output has no level.
    ///
    /// # Panics
    ///
    /// When something was written.
    pub fn with_level(mut self, level: u8) -> Self {
        if let Writer::Bgzf(writer) = self.writer {
            assert!(u64::from(writer.virtual_offset()) == 0, "the level is chosen before anything is written");
            let writer = writer.into_inner();
            self.writer = Writer::Bgzf(Box::new(BgzfWriter::with_level(writer, level)));
        }
        self
    }

    /// Keeps where each block of BGZF starts, for [`Output::finish_with_index`]. Call it before anything is written.
    pub fn with_index(mut self) -> Self {
        if let Writer::Bgzf(writer) = self.writer {
            self.writer = Writer::Bgzf(Box::new(writer.with_index()));
        }
        self
    }

    /// Writes what is left and gives the file its name.
    ///
    /// # Errors
    ///
    /// The file cannot be written or renamed, or a write failed before.
    pub fn finish(self) -> Result<()> {
        self.finish_with_index().map(|_| ())
    }

    /// As [`Output::finish`]; gives the index for a `.gzi` file, empty without [`Output::with_index`].
    ///
    /// # Errors
    ///
    /// The file cannot be written or renamed, or a write failed before.
    pub fn finish_with_index(self) -> Result<Gzi> {
        let Self { name, place, writer, failed } = self;
        if failed {
            return Err(Error::new(ErrorKind::Failed, name, "writing failed before, so the file is not whole"));
        }
        let io = |error| Error::from_io(&name, error);
        let index = match writer {
            Writer::Plain(mut writer) => {
                writer.flush().map_err(io)?;
                Gzi::default()
            }
            Writer::Bgzf(writer) => writer.finish_with_index().map_err(io)?.1,
        };
        // The file is closed here, as some systems ask for.
        if let Some((temporary, place)) = place {
            temporary.persist(place).map_err(|e| io(e.error))?;
        }
        Ok(index)
    }

    /// Adds the name to an error of the system, after which the file cannot be finished.
    fn note<T>(&mut self, outcome: io::Result<T>) -> io::Result<T> {
        outcome.map_err(|error| {
            self.failed |= error.kind() != io::ErrorKind::Interrupted;
            Error::from_io(&self.name, error).into()
        })
    }
}

impl Write for Output {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let outcome = match &mut self.writer {
            Writer::Plain(writer) => writer.write(buf),
            Writer::Bgzf(writer) => writer.write(buf),
        };
        self.note(outcome)
    }

    fn flush(&mut self) -> io::Result<()> {
        let outcome = match &mut self.writer {
            Writer::Plain(writer) => writer.flush(),
            // A block is closed when it is full: closing it here would make the file large.
            Writer::Bgzf(writer) => writer.get_mut().flush(),
        };
        self.note(outcome)
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").field("name", &self.name).finish_non_exhaustive()
    }
}

fn compression_by_name(path: &Path) -> Result<Compression> {
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    match &*ending {
        "gz" | "bgz" | "bgzf" | "bam" | "bcf" => Ok(Compression::Bgzf),
        "zst" | "zstd" | "bz2" | "xz" | "lzma" | "lz4" | "lz" | "z" | "zip" | "7z" | "br" => {
            Err(cannot_write(&path.display().to_string(), &format!(".{ending}")))
        }
        _ => Ok(Compression::Plain),
    }
}

fn cannot_write(name: &str, found: &str) -> Error {
    Error::new(ErrorKind::Unsupported, name, "this compression cannot be written")
        .expecting("a plain name, or one that ends in .gz or .bgz")
        .finding(found.to_owned())
}

/// A file beside `place`, with the permissions that the old file has or a new one would get.
fn temporary_file(place: &Path, old: Option<fs::Permissions>) -> io::Result<NamedTempFile> {
    let folder = match place.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut prefix = std::ffi::OsString::from(".");
    prefix.push(place.file_name().unwrap_or_default());
    prefix.push(".");
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(".tmp");
    // Otherwise the file would be readable by its owner alone.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let file = builder.tempfile_in(folder)?;
    if let Some(old) = old {
        file.as_file().set_permissions(old)?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::Input;
    use std::io::Read;

    fn read(path: &Path) -> (Compression, Vec<u8>) {
        let mut input = Input::open(path).unwrap();
        let mut bytes = Vec::new();
        input.read_to_end(&mut bytes).unwrap();
        (input.compression(), bytes)
    }

    #[test]
    fn the_ending_chooses_the_compression() {
        let dir = tempfile::tempdir().unwrap();
        let check = |name: &str, expected: Compression| {
            let path = dir.path().join(name);
            let mut output = Output::create(&path).unwrap();
            output.write_all(b">a\nACGT\n").unwrap();
            output.finish().unwrap();
            assert_eq!(read(&path), (expected, b">a\nACGT\n".to_vec()), "{name}");
        };
        check("a.fa", Compression::Plain);
        check("a", Compression::Plain);
        check("a.fa.GZ", Compression::Bgzf);
        check("a.fa.bgz", Compression::Bgzf);
        check("a.bam", Compression::Bgzf);
        for name in ["a.fa.zst", "a.bz2", "a.XZ"] {
            let error = Output::create(dir.path().join(name)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 5, "nothing else is left behind");
    }

    #[test]
    fn an_unfinished_output_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.fa");
        fs::write(&path, "old").unwrap();
        let mut output = Output::create(&path).unwrap();
        output.write_all(&[b'A'; 1 << 20]).unwrap();
        drop(output);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        let mut output = Output::create(&path).unwrap();
        output.write_all(b"new").unwrap();
        output.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[cfg(unix)]
    #[test]
    fn permissions_and_links_stay() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let dir = tempfile::tempdir().unwrap();
        let (path, link) = (dir.path().join("a.fa"), dir.path().join("link.fa"));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        Output::create(&path).unwrap().finish().unwrap();
        fs::write(dir.path().join("other"), "").unwrap();
        assert_eq!(mode(&path), mode(&dir.path().join("other")), "as any new file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        symlink(&path, &link).unwrap();
        let mut output = Output::create(&link).unwrap();
        output.write_all(b"new").unwrap();
        output.finish().unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!((fs::read(&path).unwrap(), mode(&path)), (b"new".to_vec(), 0o640));
    }

    #[cfg(unix)]
    #[test]
    fn devices_are_written_directly() {
        let mut output = Output::create("/dev/null").unwrap();
        output.write_all(b"x").unwrap();
        output.finish().unwrap();
    }

    #[test]
    fn errors_carry_the_path() {
        let error = Output::create("no/such/folder/a.fa").unwrap_err();
        assert_eq!((error.kind(), error.path()), (ErrorKind::Io, "no/such/folder/a.fa"));

        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        for compression in [Compression::Plain, Compression::Bgzf] {
            let mut output = Output::to_writer("disk", Full, compression).unwrap().with_level(0);
            let noise: Vec<u8> = (0..1u32 << 20).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
            let error = output.write_all(&noise).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::StorageFull);
            assert!(error.to_string().starts_with("disk: "), "{error}");
            assert!(output.finish().is_err());
        }
    }
}
