//! The file below the values: header, trees and blocks, with every offset and size checked before it is used.

use std::collections::HashSet;
use std::io::{Read, Seek, SeekFrom};

use flate2::read::ZlibDecoder;

use crate::error::{Error, ErrorKind, Result, quote};

const MAGIC: u32 = 0x888f_fc26;
const CHROM_TREE_MAGIC: u32 = 0x78ca_8c91;
const INDEX_MAGIC: u32 = 0x2468_ace0;
/// Bytes of a block, compressed or not, above which a file is hostile: sections have at most 65,535 items of 12 bytes.
const MAX_BLOCK: u64 = 16 << 20;
/// Bytes of a sequence name.
const MAX_KEY: u32 = 4096;
/// Bytes of a node of a tree.
const MAX_NODE: u64 = 16 << 20;

/// A file with its length, its byte order and its name.
#[derive(Debug)]
pub(super) struct Source<R> {
    inner: R,
    path: String,
    length: u64,
    big_endian: bool,
    compressed: Vec<u8>,
}

/// Table 5 of the paper, as far as a reader needs it.
#[derive(Debug, Clone)]
pub(super) struct Header {
    pub(super) chrom_tree: u64,
    pub(super) index: u64,
    /// Whether blocks are compressed.
    pub(super) deflated: bool,
    pub(super) zooms: Vec<Zoom>,
}

/// Table 6: a zoom level.
#[derive(Debug, Clone, Copy)]
pub(super) struct Zoom {
    /// Bases that a record of the level stands for, at least.
    pub(super) reduction: u32,
    pub(super) index: u64,
}

/// A stretch of the bases of sequences, counted by sequence number and base.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Query {
    pub(super) chrom: u32,
    pub(super) start: u32,
    pub(super) end: u32,
}

/// The blocks of an index that may have something for a query, in the order of the file.
#[derive(Debug)]
pub(super) struct Blocks {
    query: Query,
    /// Nodes and blocks still to be seen, the next one last.
    stack: Vec<Entry>,
    seen: HashSet<u64>,
    /// Where the last block ends.
    end: u64,
}

#[derive(Debug, Clone, Copy)]
enum Entry {
    Node(u64),
    Block { offset: u64, size: u64 },
}

impl<R: Read + Seek> Source<R> {
    pub(super) fn new(path: String, mut inner: R) -> Result<(Self, Header)> {
        let length = inner.seek(SeekFrom::End(0)).map_err(|error| Error::from_io(&path, error))?;
        let mut source = Self { inner, path, length, big_endian: false, compressed: Vec::new() };
        if length == 0 {
            return Err(Error::new(ErrorKind::Empty, &source.path, "the file is empty").expecting("a bigWig file"));
        }
        let bytes = source.bytes(0, 64, "the header")?;
        let magic: [u8; 4] = bytes[..4].try_into().expect("four bytes");
        source.big_endian = match (u32::from_le_bytes(magic), u32::from_be_bytes(magic)) {
            (MAGIC, _) => false,
            (_, MAGIC) => true,
            _ => {
                let error = source.error(ErrorKind::Syntax, "this is not a bigWig file", 0);
                return Err(error.expecting("its first four bytes").finding(quote(&magic)));
            }
        };
        let zoom_levels = source.u16(&bytes[6..]);
        let zooms = source.bytes(64, 24 * u64::from(zoom_levels), "the zoom headers")?;
        let zoom = |bytes: &[u8]| Zoom { reduction: source.u32(bytes), index: source.u64(&bytes[16..]) };
        let header = Header {
            chrom_tree: source.u64(&bytes[8..]),
            index: source.u64(&bytes[24..]),
            deflated: source.u32(&bytes[52..]) > 0,
            zooms: zooms.chunks_exact(24).map(zoom).filter(|zoom| zoom.reduction > 0).collect(),
        };
        Ok((source, header))
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn error(&self, kind: ErrorKind, problem: &'static str, offset: u64) -> Error {
        Error::new(kind, &self.path, problem).at_byte(offset)
    }

    pub(super) fn u16(&self, bytes: &[u8]) -> u16 {
        let bytes = bytes[..2].try_into().expect("two bytes");
        if self.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }
    }

    pub(super) fn u32(&self, bytes: &[u8]) -> u32 {
        let bytes = bytes[..4].try_into().expect("four bytes");
        if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }

    pub(super) fn u64(&self, bytes: &[u8]) -> u64 {
        let bytes = bytes[..8].try_into().expect("eight bytes");
        if self.big_endian { u64::from_be_bytes(bytes) } else { u64::from_le_bytes(bytes) }
    }

    pub(super) fn f32(&self, bytes: &[u8]) -> f32 {
        f32::from_bits(self.u32(bytes))
    }

    fn bytes(&mut self, offset: u64, size: u64, what: &'static str) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.read(offset, size, what, &mut bytes)?;
        Ok(bytes)
    }

    /// Reads `size` bytes, which the file must have.
    fn read(&mut self, offset: u64, size: u64, what: &'static str, bytes: &mut Vec<u8>) -> Result<()> {
        if offset.checked_add(size).is_none_or(|end| end > self.length) {
            let error = self.error(ErrorKind::Truncated, "a part lies behind the end of the file", offset);
            return Err(error.expecting(format!("{size} bytes of {what}")));
        }
        bytes.clear();
        self.inner
            .seek(SeekFrom::Start(offset))
            .and_then(|_| (&mut self.inner).take(size).read_to_end(bytes))
            .map_err(|error| Error::from_io(&self.path, error).at_byte(offset))?;
        if (bytes.len() as u64) < size {
            let error = self.error(ErrorKind::Truncated, "the file became shorter", offset);
            return Err(error.expecting(format!("{size} bytes of {what}")));
        }
        Ok(())
    }

    /// The names, numbers and lengths of the sequences, in the order of the tree (Tables 8 to 11).
    pub(super) fn chromosomes(&mut self, header: &Header, max_bytes: u64) -> Result<Vec<(String, u32, u32)>> {
        let offset = header.chrom_tree;
        let head = self.bytes(offset, 32, "the sequence tree")?;
        let (key_size, value_size) = (self.u32(&head[8..]), self.u32(&head[12..]));
        if self.u32(&head) != CHROM_TREE_MAGIC || value_size != 8 || !(1..=MAX_KEY).contains(&key_size) {
            return Err(self.error(ErrorKind::Syntax, "the sequence tree is broken", offset));
        }
        let items = self.u64(&head[16..]);
        let key_size = key_size as usize;
        let mut found = Vec::new();
        let mut bytes = 0u64;
        let mut seen = HashSet::new();
        let mut stack = vec![offset.saturating_add(32)];
        while let Some(node) = stack.pop() {
            if !seen.insert(node) {
                return Err(self.error(ErrorKind::Syntax, "the sequence tree refers to itself", node));
            }
            let (leaf, entries) = self.node(node, key_size as u64 + 8, key_size as u64 + 8)?;
            if leaf {
                for entry in entries.chunks_exact(key_size + 8) {
                    let name = entry[..key_size].split(|b| *b == 0).next().unwrap_or_default();
                    bytes += name.len() as u64 + 64;
                    if bytes > max_bytes {
                        let problem = format!("the names of sequences take more than {max_bytes} bytes");
                        return Err(Error::new(ErrorKind::Limit, &self.path, problem));
                    }
                    let (id, length) = (self.u32(&entry[key_size..]), self.u32(&entry[key_size + 4..]));
                    found.push((String::from_utf8_lossy(name).into_owned(), id, length));
                }
            } else {
                let children = entries.chunks_exact(key_size + 8).rev().map(|entry| self.u64(&entry[key_size..]));
                stack.extend(children);
            }
        }
        if found.len() as u64 != items {
            let error = self.error(ErrorKind::Syntax, "the sequence tree is broken", offset);
            return Err(error.expecting(format!("{items} sequences")).finding(found.len().to_string()));
        }
        Ok(found)
    }

    /// Whether a node is a leaf, and its entries.
    fn node(&mut self, offset: u64, leaf_size: u64, inner_size: u64) -> Result<(bool, Vec<u8>)> {
        let head = self.bytes(offset, 4, "a node of a tree")?;
        let leaf = match head[0] {
            0 => false,
            1 => true,
            _ => return Err(self.error(ErrorKind::Syntax, "a node of a tree is neither leaf nor inner", offset)),
        };
        let size = u64::from(self.u16(&head[2..])) * if leaf { leaf_size } else { inner_size };
        if size > MAX_NODE {
            return Err(self.error(ErrorKind::Limit, "a node of a tree is too large", offset));
        }
        // The four bytes in front were there, so this does not overflow.
        Ok((leaf, self.bytes(offset + 4, size, "a node of a tree")?))
    }

    /// The blocks for a query in the index at `offset` (Table 14).
    pub(super) fn blocks(&mut self, offset: u64, query: Query) -> Result<Blocks> {
        let head = self.bytes(offset, 48, "an index")?;
        if self.u32(&head) != INDEX_MAGIC {
            return Err(self.error(ErrorKind::Syntax, "an index is broken", offset));
        }
        Ok(Blocks { query, stack: vec![Entry::Node(offset + 48)], seen: HashSet::new(), end: 0 })
    }

    /// Reads the next block into `data`, decompressed; gives its offset, `None` behind the last.
    pub(super) fn next_block(
        &mut self,
        blocks: &mut Blocks,
        deflated: bool,
        data: &mut Vec<u8>,
    ) -> Result<Option<u64>> {
        while let Some(entry) = blocks.stack.pop() {
            match entry {
                Entry::Node(offset) => {
                    if !blocks.seen.insert(offset) {
                        return Err(self.error(ErrorKind::Syntax, "an index refers to itself", offset));
                    }
                    self.open_node(blocks, offset)?;
                }
                Entry::Block { offset, size } => {
                    // So that no file makes a reader decompress a block over and over.
                    if offset < blocks.end {
                        return Err(self.error(ErrorKind::Syntax, "blocks overlap or are out of order", offset));
                    }
                    blocks.end = offset.saturating_add(size);
                    self.block(offset, size, deflated, data)?;
                    return Ok(Some(offset));
                }
            }
        }
        Ok(None)
    }

    /// Puts the entries of a node that overlap the query on the stack (Tables 15 to 17).
    fn open_node(&mut self, blocks: &mut Blocks, offset: u64) -> Result<()> {
        let (leaf, entries) = self.node(offset, 32, 24)?;
        let query = blocks.query;
        for entry in entries.chunks_exact(if leaf { 32 } else { 24 }).rev() {
            let start = (self.u32(entry), self.u32(&entry[4..]));
            let end = (self.u32(&entry[8..]), self.u32(&entry[12..]));
            if start >= (query.chrom, query.end) || end <= (query.chrom, query.start) {
                continue;
            }
            let offset = self.u64(&entry[16..]);
            blocks.stack.push(if leaf {
                Entry::Block { offset, size: self.u64(&entry[24..]) }
            } else {
                Entry::Node(offset)
            });
        }
        Ok(())
    }

    fn block(&mut self, offset: u64, size: u64, deflated: bool, data: &mut Vec<u8>) -> Result<()> {
        if size > MAX_BLOCK {
            return Err(self.error(ErrorKind::Limit, "a block is too large", offset));
        }
        if !deflated {
            return self.read(offset, size, "a block", data);
        }
        let mut compressed = std::mem::take(&mut self.compressed);
        let outcome = self.read(offset, size, "a block", &mut compressed);
        data.clear();
        // Memory follows the bytes that come out, not the size that the header declares.
        let outcome = outcome.and_then(|()| {
            ZlibDecoder::new(&compressed[..]).take(MAX_BLOCK + 1).read_to_end(data).map_err(|error| {
                self.error(ErrorKind::Syntax, "a block cannot be decompressed", offset).finding(error.to_string())
            })
        });
        self.compressed = compressed;
        outcome?;
        if data.len() as u64 > MAX_BLOCK {
            return Err(self.error(ErrorKind::Limit, "a block is too large", offset));
        }
        Ok(())
    }
}
