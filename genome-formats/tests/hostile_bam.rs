//! BAM files that lie, are cut, or are damaged: a clear outcome within little memory.

use std::io::Read;

use genome_formats::{
    Alignment, BamIndex, BamReader, BamWriter, CigarKind, CigarOp, Error, ErrorKind, Flags, Limits, Mode, SamHeader,
    Span, TagArray, TagValue,
};
use proptest::prelude::*;

/// The most memory that this process had at a time, in bytes.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_ascii_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
}

fn check_memory() {
    if let Some(peak) = peak_memory() {
        println!("peak {:.1} MiB", peak as f64 / f64::from(1 << 20));
        assert!(peak < 64 << 20, "{peak} bytes");
    }
}

fn read(bytes: &[u8], mode: Mode) -> Result<Vec<Alignment>, Error> {
    BamReader::new_with("x.bam", bytes, mode, Limits::default())?.collect()
}

fn error(bytes: &[u8]) -> Error {
    read(bytes, Mode::Strict).unwrap_err()
}

/// A block of BGZF around bytes, without the end marker.
fn block(bytes: &[u8]) -> Vec<u8> {
    let mut deflate = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut deflate, bytes).unwrap();
    let data = deflate.finish().unwrap();
    let mut out = vec![0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 6, 0, b'B', b'C', 2, 0];
    out.extend_from_slice(&(data.len() as u16 + 25).to_le_bytes());
    out.extend_from_slice(&data);
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    out.extend_from_slice(&crc.sum().to_le_bytes());
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out
}

/// Magic, text and number of references.
fn head(text: u32, references: u32) -> Vec<u8> {
    [&b"BAM\x01"[..], &text.to_le_bytes(), &references.to_le_bytes()].concat()
}

/// A file with two reads, compressed.
fn small_file() -> Vec<u8> {
    let header = SamHeader::parse("@HD\tVN:1.6\tSO:unknown\n@SQ\tSN:chr1\tLN:1000\n@RG\tID:g\n").unwrap();
    let mut writer = BamWriter::new("x.bam", Vec::new(), &header).unwrap();
    let tags = [
        (*b"NM", TagValue::Int(300)),
        (*b"RG", TagValue::Text("g".into())),
        (*b"XH", TagValue::Hex(vec![1, 2])),
        (*b"ML", TagValue::Array(TagArray::U8(vec![200, 3]))),
        (*b"XZ", TagValue::Text("text".into())),
        (*b"XF", TagValue::Float(0.1)),
    ];
    let read = Alignment {
        name: Some("read1".into()),
        flags: Flags::from_bits(99),
        reference: Some("chr1".into()),
        position: Some(10),
        mapping_quality: Some(60),
        cigar: vec![CigarOp { kind: CigarKind::SoftClip, length: 1 }, CigarOp { kind: CigarKind::Match, length: 4 }],
        mate_reference: Some("chr1".into()),
        mate_position: Some(100),
        template_length: 95,
        sequence: b"ACGTN".to_vec(),
        qualities: Some(vec![1, 2, 3, 4, 5]),
        tags: tags.into_iter().collect(),
    };
    writer.write(&read).unwrap();
    writer.write(&Alignment { flags: Flags::from_bits(4), ..Alignment::default() }).unwrap();
    writer.finish().unwrap()
}

fn inflate(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut out).unwrap();
    out
}

#[test]
fn a_block_of_four_gigabytes_in_a_tiny_file() {
    let bytes = [head(0, 0), 0xffff_fff0u32.to_le_bytes().to_vec()].concat();
    let check = |error: Error, at: &str| {
        assert_eq!(error.kind(), ErrorKind::Truncated);
        let expected = format!(
            "x.bam: byte 16 (compressed byte {at}): the file ends inside of record 1: expected 4294967280 bytes, found 0 bytes"
        );
        assert_eq!(error.to_string(), expected);
    };
    check(error(&bytes), "16"); // as it is
    let file = block(&bytes);
    println!("{} bytes", file.len());
    assert!(file.len() <= 54);
    let size = file.len().to_string();
    check(error(&file), &size);
    check(read(&file, Mode::Lenient).unwrap_err(), &size);
    check_memory();
}

#[test]
fn absurd_lengths_in_the_header() {
    let check = |bytes: &[u8], kind: ErrorKind, expected: &str| {
        for bytes in [bytes.to_vec(), block(bytes)] {
            let error = error(&bytes);
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().contains(expected), "{error}");
        }
    };
    check(&head(u32::MAX, 0), ErrorKind::Limit, "the header is larger than 33554432 bytes");
    check(
        &head(30 << 20, 0),
        ErrorKind::Truncated,
        "ends inside of the header's text: expected 31457280 bytes, found 4 bytes",
    );
    check(&head(0, u32::MAX), ErrorKind::Truncated, "ends inside of reference 1 of 4294967295");
    let name = |length: u32, rest: &[u8]| [&head(0, 1)[..], &length.to_le_bytes(), rest].concat();
    check(&name(u32::MAX, b"a\0"), ErrorKind::Limit, "the header is larger");
    check(&name(1000, b"a\0"), ErrorKind::Truncated, "reference 1 of 1");
    check(&name(0, b""), ErrorKind::Syntax, "without a zero byte");
    check(&name(2, b"ab\x01\0\0\0"), ErrorKind::Syntax, "without a zero byte");
    check(&name(3, b"a\t\0\x01\0\0\0"), ErrorKind::Syntax, "bad reference name");
    check(&name(2, b"a\0\0\0\0\0"), ErrorKind::Syntax, "bad length");
    check(b"BAM", ErrorKind::Syntax, "not B");
    check(b"BAM\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", ErrorKind::Syntax, "not B");
    assert_eq!(error(b"").to_string(), "x.bam: the file is empty: expected a BAM file");
    assert_eq!(error(b"@HD\tVN:1.6\n").kind(), ErrorKind::Syntax);
    // references without end: refused by what they cost, not by memory
    let mut many = head(0, u32::MAX);
    for i in 0..600_000u32 {
        many.extend_from_slice(&[2, 0, 0, 0, b'a' + (i % 26) as u8, 0, 1, 0, 0, 0]);
    }
    drop(std::mem::take(&mut many)); // 6 MB of this process: what follows streams
    let endless = head(0, u32::MAX).into_iter().chain([2, 0, 0, 0, b'a', 0, 1, 0, 0, 0].into_iter().cycle());
    let error = BamReader::new("x.bam", Bytes(endless)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit, "{error}");
    check_memory();
}

/// Bytes of an iterator as a reader.
struct Bytes<I>(I);

impl<I: Iterator<Item = u8>> Read for Bytes<I> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let mut n = 0;
        for (to, from) in buf.iter_mut().zip(&mut self.0) {
            *to = from;
            n += 1;
        }
        Ok(n)
    }
}

#[test]
fn absurd_lengths_in_a_record() {
    let plain = inflate(&small_file());
    let start = plain.windows(6).position(|w| w == b"read1\0").unwrap() - 36;
    let check = |at: usize, bytes: &[u8], expected: &str| {
        let mut file = plain.clone();
        file[start + 4 + at..start + 4 + at + bytes.len()].copy_from_slice(bytes);
        let error = error(&file);
        assert_eq!(error.kind(), ErrorKind::Syntax, "{error}");
        assert!(error.to_string().contains(expected) && error.to_string().contains("record 1: "), "{error}");
        assert_eq!(read(&file, Mode::Lenient).unwrap_err().to_string(), error.to_string());
    };
    check(0, &5i32.to_le_bytes(), "refID is no reference of the header");
    check(0, &(-2i32).to_le_bytes(), "refID is no reference");
    check(20, &1i32.to_le_bytes(), "next_refID is no reference");
    check(4, &(-2i32).to_le_bytes(), "pos is no position");
    check(24, &i32::MAX.to_le_bytes(), "next_pos is no position");
    check(8, &[0], "without the zero byte");
    check(8, &[5], "without the zero byte");
    check(8, &[255], "longer than its block");
    check(12, &[255, 255], "longer than its block");
    check(16, &(-1i32).to_le_bytes(), "l_seq is no length");
    check(16, &i32::MAX.to_le_bytes(), "longer than its block");
    check(38, &[0x1f, 0, 0, 0], "unknown CIGAR operation");
    let at = |tag: &[u8]| plain[start..].windows(tag.len()).position(|w| w == tag).unwrap() - 4;
    check(at(b"MLBC") + 4, &u32::MAX.to_le_bytes(), "a B field longer than its record");
    check(at(b"MLBC") + 3, b"x", "a B field without a type");
    check(at(b"NMS") + 2, b"x", "an unknown type of an optional field");
    check(at(b"XFf") + 2, b"Z", "an optional field that is cut");
    // a block that is shorter than its fixed fields
    let short = [&plain[..start], &[5, 0, 0, 0, 1, 2, 3, 4, 5]].concat();
    assert!(error(&short).to_string().contains("record 1: a record shorter than its fixed fields"));
}

#[test]
fn rules_that_can_be_let_pass() {
    let plain = inflate(&small_file());
    let start = plain.windows(6).position(|w| w == b"read1\0").unwrap() - 36;
    let at = |text: &[u8]| plain[start..].windows(text.len()).position(|w| w == text).unwrap() - 4;
    let check = |at: usize, bytes: &[u8], rule: &str| {
        let mut file = plain.clone();
        file[start + 4 + at..start + 4 + at + bytes.len()].copy_from_slice(bytes);
        let strict = error(&file).to_string();
        let mut reader = BamReader::new_with("x.bam", &file[..], Mode::Lenient, Limits::default()).unwrap();
        assert_eq!(reader.by_ref().map(Result::unwrap).count(), 2, "{rule}");
        let forgiven: Vec<_> = reader.forgiven().iter().collect();
        assert_eq!(forgiven, [(rule, 1, &*strict)]);
    };
    check(14, &[99, 0x10], "reserved flags");
    check(32, b"re@d1", "read name");
    check(at(b"RGZg") + 3, b"h", "group in header");
    check(at(b"NMS"), b"XF", "duplicate tag");
    check(at(b"NMS"), b"9M", "tag name");
    check(at(b"XZZ") + 3, b"\x7f", "tag text");
    check(at(&[1, 2, 3, 4, 5]), &[200], "quality range");
}

#[test]
fn every_cut_is_told() {
    let file = small_file();
    for cut in 1..file.len() {
        let error = error(&file[..cut]);
        let kind = if cut < 2 { ErrorKind::Truncated } else { error.kind() };
        assert_eq!(kind, ErrorKind::Truncated, "cut at {cut}: {error}");
    }
    // the last cut, at the border of a block, is only told by the end marker
    let cut = &file[..file.len() - 28];
    assert!(error(cut).to_string().contains("no BGZF end marker"));
    let mut lenient = BamReader::new_with("x.bam", cut, Mode::Lenient, Limits::default()).unwrap();
    assert_eq!(lenient.by_ref().map(Result::unwrap).count(), 2);
    assert_eq!(lenient.forgiven().total(), 1);

    let plain = inflate(&file);
    let records = plain.windows(6).position(|w| w == b"read1\0").unwrap() - 36;
    let second = plain.len() - (4 + 32 + 2);
    for cut in 1..plain.len() {
        match read(&plain[..cut], Mode::Strict) {
            // Nothing tells where a plain file should end.
            Ok(found) => assert_eq!(found.len(), usize::from(cut == second), "cut at {cut}"),
            Err(error) if cut < 4 => assert_eq!(error.kind(), ErrorKind::Syntax, "cut at {cut}: {error}"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Truncated, "cut at {cut}: {error}"),
        }
        assert!(cut == records || cut == second || read(&plain[..cut], Mode::Lenient).is_err(), "cut at {cut}");
    }
}

#[test]
fn a_bomb_is_refused() {
    // 64 KiB of zeros in some 90 bytes, again and again, as one record of 4 GB
    let first = block(&[head(0, 0), 0xffff_fff0u32.to_le_bytes().to_vec()].concat());
    let zeros = block(&vec![0; 65_280]);
    let bomb = first.into_iter().chain(zeros.into_iter().cycle());
    let error = BamReader::new("x.bam", Bytes(bomb)).unwrap().next().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit, "{error}");
    assert!(error.to_string().contains("grows more than 500 times"), "{error}");
    check_memory();
}

#[test]
fn a_reader_that_failed_stays_failed() {
    let plain = inflate(&small_file());
    let mut reader = BamReader::new("x.bam", &plain[..plain.len() - 1]).unwrap();
    assert!(reader.next().unwrap().is_ok());
    assert!(reader.next().unwrap().is_err());
    assert!(reader.next().is_none());
    assert_eq!(reader.next_view().unwrap_err().kind(), ErrorKind::Failed);
}

proptest! {
    #[test]
    fn damaged_records_never_panic(
        edits in proptest::collection::vec((any::<proptest::sample::Index>(), prop_oneof![any::<u8>(), Just(0), Just(255), 0u8..5]), 1..8),
        cut in proptest::option::of(any::<proptest::sample::Index>()),
    ) {
        let mut plain = inflate(&small_file());
        for (at, byte) in edits {
            let at = at.index(plain.len());
            plain[at] = byte;
        }
        if let Some(cut) = cut {
            plain.truncate(cut.index(plain.len()));
        }
        let (strict, lenient) = (read(&plain, Mode::Strict), read(&plain, Mode::Lenient));
        match (strict, lenient) {
            (Ok(strict), Ok(lenient)) => prop_assert_eq!(format!("{strict:?}"), format!("{lenient:?}")),
            (Ok(_), Err(error)) => prop_assert!(false, "only lenient fails: {}", error),
            (Err(error), _) => prop_assert!(!error.to_string().contains(char::is_control)),
        }
    }

    #[test]
    fn damaged_files_never_panic(
        edits in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut file = small_file();
        for (at, byte) in edits {
            let at = at.index(file.len());
            file[at] = byte;
        }
        for mode in [Mode::Strict, Mode::Lenient] {
            let _ = read(&file, mode);
        }
    }

    #[test]
    fn damaged_indexes_never_panic(
        edits in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..6),
        csi in any::<bool>(),
    ) {
        let header = SamHeader::with_references([("a", 100_000), ("b", 100_000)]).unwrap();
        let mut writer = BamWriter::new("x.bam", Vec::new(), &header).unwrap().with_index();
        for i in 0..20 {
            let read = Alignment { reference: Some("a".into()), position: Some(4000 * i), ..Alignment::default() };
            writer.write(&read).unwrap();
        }
        let (file, index) = writer.finish_with_index().unwrap();
        // damage below the compression
        let mut bytes = if csi { inflate(&index.to_csi_bytes().unwrap()) } else { index.to_bytes().unwrap() };
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(index) = BamIndex::read("x.bai", &bytes[..], Limits::default()) {
            let mut reader = BamReader::new("x.bam", std::io::Cursor::new(file)).unwrap();
            for (start, end) in [(0, 100), (0, 100_000), (50_000, u64::MAX), (u64::MAX, u64::MAX)] {
                if let Ok(query) = reader.query(&index, "a", Span::new(start, end).unwrap()) {
                    let _ = query.take(1000).collect::<Vec<_>>();
                }
            }
        }
    }
}
