//! Writes the seed corpus: `cargo run --bin seeds -- corpus` makes `corpus/fasta/0`, ...

use std::path::PathBuf;

use genome_formats_fuzz::{FORMATS, seeds};

fn main() -> std::io::Result<()> {
    let root = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| "corpus".to_owned()));
    for (name, format) in FORMATS {
        let folder = root.join(name);
        std::fs::create_dir_all(&folder)?;
        for (i, seed) in seeds(format).into_iter().enumerate() {
            std::fs::write(folder.join(i.to_string()), seed)?;
        }
    }
    Ok(())
}
