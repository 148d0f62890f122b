//! Which format a file has, told by its first bytes.

use crate::gguf::{GgufFile, GgufLlama};
use crate::llama2c::Llama2cFile;
use crate::reader::Reader;
use crate::safetensors::SafetensorsFile;
use crate::source::Source;
use crate::torch::{LEGACY_MAGIC, open_legacy, open_zip};
use crate::{Error, Result};

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Safetensors,
    ZipPickle,
    LegacyPickle,
    Gguf,
    /// Of version 1 and later; earlier files begin with nothing that tells them.
    Llama2c,
    Index,
}

impl Kind {
    /// Looks at the beginning of a file.
    pub(crate) fn of(source: &Source) -> Result<Self> {
        let head = source.view(0, source.len().min(64))?;
        // First, because the length of a header may have any low bytes, those of the signatures below too. Its high ones are 0,
        // which none of the signatures continues with.
        let object_after_length = head.get(8) == Some(&b'{');
        if object_after_length && head[4..8] == [0; 4] {
            return Ok(Self::Safetensors);
        }
        if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
            return Ok(Self::ZipPickle);
        }
        if head.starts_with(&LEGACY_MAGIC) {
            return Ok(Self::LegacyPickle);
        }
        if head.starts_with(b"GGUF") {
            return Ok(Self::Gguf);
        }
        if head.starts_with(&crate::llama2c::MAGIC) {
            return Ok(Self::Llama2c);
        }
        if head.trim_ascii_start().starts_with(b"{") {
            return Ok(Self::Index);
        }
        if object_after_length {
            return Ok(Self::Safetensors); // with an absurd length, which its reader names
        }
        let found = match &head[..] {
            [] => "an empty file".into(),
            [0x80, protocol, ..] if *protocol <= 5 => "a pickle, but not one that torch.save wrote".into(),
            head if head.starts_with(b"version https://git-lfs") => {
                "a pointer of Git LFS: the file was not fetched".into()
            }
            head if head.starts_with(b"<") => "a page of HTML or XML".into(),
            head => format!("\"{}\"", head[..head.len().min(16)].escape_ascii()),
        };
        Err(Error::format(source.path(), "a safetensors file, a PyTorch pickle, GGUF or an index of shards", found)
            .at(0))
    }

    /// Opens a file of this kind, which is not an index.
    pub(crate) fn open(self, source: Source) -> Result<Box<dyn Reader>> {
        Ok(match self {
            Self::Safetensors => Box::new(SafetensorsFile::open(source)?),
            Self::ZipPickle => Box::new(open_zip(source)?),
            Self::LegacyPickle => Box::new(open_legacy(source)?),
            Self::Gguf => {
                let file = GgufFile::from_source(source)?;
                // Names as the models have them, where there is a table of them.
                if file.architecture()? == Some("llama") { Box::new(GgufLlama::new(file)?) } else { Box::new(file) }
            }
            Self::Llama2c => Box::new(Llama2cFile::from_source(source)?),
            Self::Index => unreachable!("an index holds no tensors itself"),
        })
    }
}
