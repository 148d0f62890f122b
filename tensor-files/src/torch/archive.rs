//! Files of `torch.save` since PyTorch 1.6: a zip archive with one folder of any name, in which `data.pkl` is the object's
//! pickle, `data/KEY` a storage, `byteorder` the order of bytes in a number.
//! <https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT> (sections in the comments).
//!
//! What is easy to get wrong:
//! - sizes in the header before an entry may be 0 (bit 3 of the flags, which torch sets); only the directory's count;
//! - torch pads entries with extra fields to align them, and their lengths differ between the two headers;
//! - archives over 4 GB keep sizes and offsets in ZIP64 fields, each only where the short field is all ones;
//! - entries that share bytes make archive bombs;
//! - `torch.serialization.set_crc32_options(False)` writes 0 for the checksum.

use super::pickle::Pickle;
use super::state_dict::{StateDict, Storage};
use crate::error::shortened;
use crate::source::{Cursor, Source};
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::atomic::AtomicBool;

/// Deflate can make a thousand bytes of one; weights shrink by a tenth. An entry may grow to this many times the archive, or to
/// [`SMALL`].
const MAX_GROWTH: u64 = 8;
const SMALL: u64 = 64 << 20;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// Opens an archive.
pub(crate) fn open_zip(source: Source) -> Result<StateDict> {
    let entries = directory(&source)?;
    let wrong = |expected: &str, found: &str| Error::format(source.path(), expected, found);
    let mut folders = entries.keys().filter_map(|name| name.strip_suffix("/data.pkl")).filter(|f| !f.contains('/'));
    let folder = match (folders.next(), folders.next()) {
        (Some(folder), None) => folder,
        (None, _) => return Err(wrong("an archive of torch.save with data.pkl", "an archive without")),
        (Some(_), Some(_)) => return Err(wrong("one data.pkl", "several")),
    };
    if let Some(entry) = entries.get(&format!("{folder}/byteorder")) {
        let order = entry.locate(&source)?.bytes(&source, 16)?;
        if order.trim_ascii() != b"little" {
            let found = format!("\"{}\"", order.escape_ascii());
            return Err(wrong("byteorder little", &found).at(entry.header));
        }
    }
    let storage = entries[&format!("{folder}/data.pkl")].locate(&source)?;
    let pickle = match storage.deflated {
        false => {
            storage.check(&source)?;
            Pickle::read(&source, &mut Cursor::new(&source, storage.start, storage.start + storage.len))?
        }
        true => {
            let bytes = Source::memory(source.path(), inflate(&source, &storage)?);
            Pickle::read(&bytes, &mut Cursor::new(&bytes, 0, bytes.len()))?
        }
    };
    let (mut storages, mut places, mut known) = (Vec::new(), Vec::new(), BTreeMap::new());
    for storage in &pickle.storages {
        let place = *known.entry(&storage.key).or_insert(storages.len());
        if place == storages.len() {
            let name = format!("{folder}/data/{}", storage.key);
            let entry = entries.get(&name).ok_or_else(|| {
                let expected = format!("the storage {}", shortened(&name));
                wrong(&expected, "an archive without")
            })?;
            storages.push(entry.locate(&source)?);
        }
        let declared = storage.count.checked_mul(storage.elements.map_or(1, |e| e.size));
        if declared.is_none_or(|len| len > storages[place].len) {
            let expected = format!("{} elements in storage {}", storage.count, shortened(&storage.key));
            let found = format!("{} bytes", storages[place].len);
            return Err(wrong(&expected, &found).at(storages[place].start));
        }
        places.push(place);
    }
    StateDict::new(source, pickle, storages, &places)
}

/// What the directory says of an entry.
#[derive(Debug)]
struct Entry {
    name: String,
    method: u16,
    crc: u32,
    packed_len: u64,
    len: u64,
    /// Where the entry's own header begins.
    header: u64,
    /// Where the directory begins, and entries must have ended.
    end: u64,
}

impl Entry {
    /// The entry's bytes, behind its own header (4.3.7).
    fn locate(&self, source: &Source) -> Result<Storage> {
        let wrong = |at: u64, expected: &str, found: String| {
            let expected = format!("{expected} ({})", shortened(&self.name));
            Error::format(source.path(), expected, found).at(at)
        };
        let mut input = Cursor::new(source, self.header, self.end);
        if input.remaining() < 30 || input.array("an entry")? != *b"PK\x03\x04" {
            return Err(wrong(self.header, "the header of an entry", "something else".into()));
        }
        input.skip(22)?;
        let name_len = u16::from_le_bytes(input.array("a length")?);
        let extra_len = u16::from_le_bytes(input.array("a length")?);
        let start = input.pos() + u64::from(name_len) + u64::from(extra_len);
        let there = self.end.saturating_sub(start);
        if self.packed_len > there {
            return Err(wrong(
                start,
                &format!("an entry of {} bytes", self.packed_len),
                format!("{there} before the directory"),
            ));
        }
        let deflated = match self.method {
            STORED if self.len != self.packed_len => {
                let found = format!("{} and {}", self.packed_len, self.len);
                return Err(wrong(self.header, "one size for an entry that is not compressed", found));
            }
            STORED => false,
            DEFLATED if self.len > source.len().saturating_mul(MAX_GROWTH).max(SMALL) => {
                let found = format!("{} made of {}", self.len, self.packed_len);
                return Err(wrong(self.header, "a deflated entry of at most 64 MiB or 8 times the archive", found));
            }
            DEFLATED => true,
            other => return Err(wrong(self.header, "an entry that is stored or deflated", format!("method {other}"))),
        };
        let crc = (self.crc != 0).then_some(self.crc);
        let crc_checked = AtomicBool::new(false);
        Ok(Storage { start, packed_len: self.packed_len, len: self.len, deflated, crc, crc_checked })
    }
}

impl Storage {
    /// All bytes of a small entry.
    fn bytes(&self, source: &Source, most: u64) -> Result<Vec<u8>> {
        if self.len > most {
            let expected = format!("an entry of at most {most} bytes");
            return Err(Error::format(source.path(), expected, self.len.to_string()).at(self.start));
        }
        if self.deflated { inflate(source, self) } else { Ok(source.view(self.start, self.len)?.to_vec()) }
    }
}

/// The bytes of a deflated entry: as many as the directory says, or an error.
pub(super) fn inflate(source: &Source, storage: &Storage) -> Result<Vec<u8>> {
    let packed = source.view(storage.start, storage.packed_len)?;
    let mut bytes = Vec::new(); // grows with what is there
    let mut input = flate2::read::DeflateDecoder::new(&packed[..]).take(storage.len.saturating_add(1));
    let result = input.read_to_end(&mut bytes);
    let wrong = |found: String| {
        Error::format(source.path(), format!("{} deflated bytes", storage.len), found).at(storage.start)
    };
    result.map_err(|e| wrong(e.to_string()))?;
    if bytes.len() as u64 != storage.len {
        return Err(wrong(if bytes.len() as u64 > storage.len { "more".into() } else { bytes.len().to_string() }));
    }
    let mut crc = flate2::Crc::new();
    crc.update(&bytes);
    storage.compare(source, &crc)?;
    Ok(bytes)
}

/// Reads the directory at the end of an archive (4.3.12 to 4.3.16).
fn directory(source: &Source) -> Result<BTreeMap<String, Entry>> {
    let wrong = |at: u64, expected: &str, found: String| Error::format(source.path(), expected, found).at(at);
    let tail_len = source.len().min(22 + 65_535); // the end record and the longest comment
    let tail_start = source.len() - tail_len;
    let tail = source.view(tail_start, tail_len)?;
    let is_end = |at: &usize| {
        let record = &tail[*at..];
        record.len() >= 22
            && record.starts_with(b"PK\x05\x06")
            && usize::from(u16::from_le_bytes([record[20], record[21]])) == record.len() - 22
    };
    let Some(end) = (0..tail.len().saturating_sub(21)).rev().find(is_end) else {
        let found = "a file that ends without it (truncated)".to_owned();
        return Err(wrong(source.len(), "the end record of a zip archive", found));
    };
    drop(tail);
    let end = tail_start + end as u64;
    let mut input = Cursor::new(source, end + 10, source.len());
    let mut count = u64::from(u16::from_le_bytes(input.array("a count")?));
    let mut len = u64::from(u32::from_le_bytes(input.array("a length")?));
    let mut start = u64::from(u32::from_le_bytes(input.array("an offset")?));
    let mut limit = end;
    if count == 0xffff || len == 0xffff_ffff || start == 0xffff_ffff {
        // ZIP64: a locator right before the end record points at a longer end record.
        let mut input = Cursor::new(source, end.saturating_sub(20), end);
        if input.array("a ZIP64 locator")? == *b"PK\x06\x07" {
            input.skip(4)?;
            let at = u64::from_le_bytes(input.array("an offset")?);
            let mut input = Cursor::new(source, at, end);
            if input.array("a ZIP64 end record")? != *b"PK\x06\x06" {
                return Err(wrong(at, "a ZIP64 end record", "something else".into()));
            }
            input.skip(28)?;
            count = u64::from_le_bytes(input.array("a count")?);
            len = u64::from_le_bytes(input.array("a length")?);
            start = u64::from_le_bytes(input.array("an offset")?);
            limit = at;
        }
    }
    if start.checked_add(len).is_none_or(|end| end > limit) {
        return Err(wrong(end, "a directory inside the archive", format!("{len} bytes at {start}")));
    }
    let mut entries = BTreeMap::new();
    let mut input = Cursor::new(source, start, start + len);
    for _ in 0..count {
        let at = input.pos();
        if input.array("an entry of the directory")? != *b"PK\x01\x02" {
            return Err(wrong(at, "an entry of the directory", "something else".into()));
        }
        let head: [u8; 42] = input.array("an entry of the directory")?;
        let u16_at = |i: usize| u16::from_le_bytes([head[i], head[i + 1]]);
        let u32_at = |i: usize| u32::from_le_bytes([head[i], head[i + 1], head[i + 2], head[i + 3]]);
        let (name_len, extra_len, comment_len) = (u16_at(24), u16_at(26), u16_at(28));
        let name = input.take(name_len.into(), "a name")?;
        let name = str::from_utf8(name).map_err(|_| wrong(at, "a name in UTF-8", "other bytes".into()))?.to_owned();
        let extra = input.take(extra_len.into(), "extra fields")?;
        let short = [u32_at(20), u32_at(16), u32_at(38)]; // in the order of the ZIP64 field (4.5.3)
        let long = zip64(short, extra)
            .ok_or_else(|| wrong(at, "a ZIP64 field", format!("none or a short one for {}", shortened(&name))))?;
        let [entry_len, packed_len, header] = long;
        input.skip(comment_len.into())?;
        if u16_at(4) & 1 != 0 {
            return Err(wrong(at, "an archive without encryption", format!("{} encrypted", shortened(&name))));
        }
        let (method, crc) = (u16_at(6), u32_at(12));
        let entry = Entry { name: name.clone(), method, crc, packed_len, len: entry_len, header, end: start };
        if let Some(twice) = entries.insert(name, entry) {
            return Err(Error::Duplicate { path: source.path().into(), name: shortened(&twice.name), also_in: None });
        }
    }
    // Entries that share bytes could make a small archive a long one to read.
    let mut ranges: Vec<_> = entries.values().map(|e: &Entry| (e.header, e.packed_len, &e.name)).collect();
    ranges.sort_unstable();
    for pair in ranges.windows(2) {
        let [(first, len, _), (second, _, name)] = pair else { continue };
        if first.saturating_add(30).saturating_add(*len) > *second {
            return Err(wrong(*second, "entries one after the other", format!("{} within another", shortened(name))));
        }
    }
    Ok(entries)
}

/// Replaces each number that is all ones by the next of the ZIP64 field.
fn zip64(short: [u32; 3], mut extra: &[u8]) -> Option<[u64; 3]> {
    let mut long: &[u8] = &[];
    while let [a, b, c, d, rest @ ..] = extra {
        let (id, len) = (u16::from_le_bytes([*a, *b]), usize::from(u16::from_le_bytes([*c, *d])));
        let Some(field) = rest.get(..len) else { break }; // padding need not be fields
        if id == 1 {
            long = field;
            break;
        }
        extra = &rest[len..];
    }
    let mut numbers = short.map(u64::from);
    for number in numbers.iter_mut().filter(|n| **n == 0xffff_ffff) {
        let (value, rest) = long.split_first_chunk::<8>()?;
        *number = u64::from_le_bytes(*value);
        long = rest;
    }
    Some(numbers)
}
