//! Where bytes come from: every compression gives what its own tools give, every cut and every change is told.

mod common;

use std::fs;
use std::io::{self, BufRead, BufReader, Cursor, Read, Write};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use flate2::{Compression as Level, GzBuilder};
use genome_formats::{BgzfWriter, Compression, Error, ErrorKind, Format, Input, InputOptions, Limits, Mode};
use proptest::prelude::*;

fn gzip(bytes: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Level::new(level));
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn bgzf(bytes: &[u8]) -> Vec<u8> {
    let mut writer = BgzfWriter::new(Vec::new());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut writer = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(6)).unwrap();
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

type Packer = (Compression, fn(&[u8]) -> Vec<u8>);
const PACKERS: [Packer; 5] = [
    (Compression::Gzip, |bytes| gzip(bytes, 6)),
    (Compression::Bgzf, bgzf),
    (Compression::Bzip2, bzip2),
    (Compression::Zstd, zstd),
    (Compression::Xz, xz),
];

fn read(mut input: Input) -> Result<Vec<u8>, Error> {
    let (mut bytes, name) = (Vec::new(), input.name().to_owned());
    // As the line reader does it: through the error of this crate.
    match input.read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        Err(error) => {
            let again = input.read(&mut [0]).expect_err("a failed input stays failed");
            assert_eq!(again.to_string(), error.to_string(), "{name}");
            Err(lines_error(&name, error))
        }
    }
}

/// An I/O error as the readers of the crate tell it.
fn lines_error(name: &str, error: io::Error) -> Error {
    struct Broken(Option<io::Error>);
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(self.0.take().unwrap())
        }
    }
    genome_formats::FastaReader::new(name, Broken(Some(error))).next().unwrap().unwrap_err()
}

fn unpack(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    read(Input::from_bytes("x", bytes.to_vec())?)
}

/// Text that compresses somewhat, longer than what is looked at first.
fn text() -> Vec<u8> {
    let mut state = 7u32;
    let mut text = b">a\n".to_vec();
    while text.len() < 6000 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        text.push(b"ACGT"[(state >> 30) as usize]);
    }
    text
}

#[test]
fn every_compression_is_taken_off() {
    for (compression, pack) in PACKERS {
        for bytes in [&b""[..], b">a\nAC\n", &text(), &b"ACGT".repeat(200_000)] {
            let input = Input::from_bytes("x", pack(bytes)).unwrap();
            assert_eq!(input.compression(), compression);
            assert_eq!(read(input).unwrap(), bytes, "{compression}");
        }
        for step in 1..8 {
            let drip = BufReader::with_capacity(step, Drip(Cursor::new(pack(&text())), step));
            assert_eq!(read(Input::from_reader("x", drip).unwrap()).unwrap(), text(), "{compression} by {step}");
        }
    }
}

#[test]
fn several_members_are_read_to_the_end() {
    for (compression, pack) in PACKERS {
        let parts: [&[u8]; 5] = [b">a\nAC", b"", b"GT\n", &text(), b"\n"];
        let packed: Vec<u8> = parts.iter().flat_map(|part| pack(part)).collect();
        assert_eq!(unpack(&packed).unwrap(), parts.concat(), "{compression}");
    }
    // A Zstandard frame to be skipped, in front, between and behind; padding between xz streams.
    let skip = b"\x51\x2a\x4d\x18\x03\0\0\0abc".to_vec();
    let packed = [skip.clone(), zstd(b"ab"), skip.clone(), zstd(b"cd"), skip.clone()].concat();
    assert_eq!(unpack(&packed).unwrap(), b"abcd");
    assert!(unpack(&packed[..packed.len() - 1]).unwrap_err().is_truncated());
    assert_eq!(unpack(&[xz(b"ab"), vec![0; 8], xz(b"cd")].concat()).unwrap(), b"abcd");
}

#[test]
fn every_cut_is_told() {
    let text = text();
    for (compression, pack) in PACKERS {
        let whole = pack(&text);
        let least = match compression {
            Compression::Xz => 6,
            Compression::Gzip => 2,
            Compression::Bgzf => 18,
            _ => 4,
        };
        for cut in least..whole.len() {
            let error = unpack(&whole[..cut]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Truncated, "{compression} cut at {cut}: {error}");
            let expected = match (compression, whole.len() - cut) {
                (Compression::Bgzf, 28) => "BGZF file without its end marker".to_owned(),
                _ => format!("truncated {compression} file: it ends inside a compressed stream"),
            };
            assert!(error.to_string().contains(&expected), "{compression} cut at {cut}: {error}");
        }
    }
}

#[test]
fn corrupt_checksums_are_told() {
    let text = text();
    let check = |compression: Compression, at: usize, packed: Vec<u8>| {
        let mut packed = packed;
        let at = packed.len() - at;
        packed[at] ^= 0x40;
        let error = unpack(&packed).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Syntax, "{error}");
        assert!(error.to_string().contains(&format!("corrupt {compression} data (")), "{error}");
    };
    check(Compression::Gzip, 6, gzip(&text, 6));
    check(Compression::Gzip, 2, gzip(&text, 6));
    check(Compression::Bgzf, 28 + 6, bgzf(&text));
    check(Compression::Bzip2, 2, bzip2(&text));
    check(Compression::Zstd, 2, zstd(&text));
    check(Compression::Xz, 40, xz(&text));
}

#[test]
fn errors_say_how_far_the_file_was_read() {
    let whole = gzip(&text(), 6);
    let input = Input::from_bytes("x.fa.gz", whole[..whole.len() - 9].to_vec()).unwrap();
    let error = genome_formats::FastaReader::from_input(input).next().unwrap().unwrap_err();
    assert_eq!(error.file_byte(), Some(whole.len() as u64 - 9), "{error}");
    assert!(error.byte() > Some(5900), "{error}");
    let error = Input::from_bytes("x.fa.gz", whole[..12].to_vec()).unwrap_err();
    assert_eq!((error.byte(), error.file_byte()), (Some(0), Some(12)), "{error}");
}

#[test]
fn a_bgzf_file_without_its_end_marker_is_forgiven_on_request() {
    let text = text();
    let whole = bgzf(&text);
    let cut = whole[..whole.len() - 28].to_vec();
    let mut input = Input::from_bytes("x", cut.clone()).unwrap();
    let mut bytes = vec![0; text.len()];
    input.read_exact(&mut bytes).unwrap();
    assert_eq!(bytes, text, "the error comes behind the data");
    let error = lines_error("x", input.read(&mut [0]).unwrap_err());
    assert_eq!(
        error.to_string(),
        "x:1: byte 0: BGZF file without its end marker: it may have been cut at a block boundary"
    );
    assert_eq!(error.kind(), ErrorKind::Truncated);

    let lenient = InputOptions { mode: Mode::Lenient, ..InputOptions::default() };
    let mut input = Input::from_reader_with("x", Cursor::new(cut.clone()), lenient).unwrap();
    assert!(!input.forgave_missing_end());
    bytes.clear();
    input.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, text);
    assert!(input.forgave_missing_end());
    let short = bgzf(b">a\nAC\n");
    let input = Input::from_bytes("x", short[..short.len() - 28].to_vec()).unwrap().with_mode(Mode::Lenient);
    assert_eq!(read(input).unwrap(), b">a\nAC\n");
    // Cut inside a block, it stays an error.
    let error = Input::from_reader_with("x", Cursor::new(cut[..cut.len() - 1].to_vec()), lenient).unwrap_err();
    assert!(error.is_truncated());
}

#[test]
fn binary_formats_are_opened_and_foreign_ones_refused() {
    let format = |bytes: Vec<u8>| Input::from_bytes("x", bytes).unwrap().format().unwrap();
    assert_eq!(format(bgzf(b"BAM\x01\0\0\0\0\0\0\0\0")), Format::Bam);
    assert_eq!(format(bgzf(b"BCF\x02\x02\0\0\0\0")), Format::Bcf);
    assert_eq!(format(b"CRAM\x03\0rest".to_vec()), Format::Cram);
    assert_eq!(format(b"\x26\xfc\x8f\x88\x04\0".to_vec()), Format::BigWig);
    let refused = |bytes: &[u8]| {
        let error = Input::from_bytes("x", bytes.to_vec()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        error.found().unwrap().to_owned()
    };
    assert_eq!(refused(b"PK\x03\x04"), "a zip archive");
    assert_eq!(refused(b"\xff\xfe>\0a\0"), "UTF-16 text");
    assert_eq!(refused(&gzip(b"\xfe\xff", 6)), "UTF-16 text");
    assert_eq!(refused(&gzip(&gzip(b">a", 6), 6)), "gzip data inside gzip data");
    assert_eq!(refused(&bgzf(&xz(b">a"))), "xz data inside BGZF data");
    assert_eq!(refused(&zstd(&bzip2(b">a"))), "bzip2 data inside Zstandard data");
}

#[test]
fn windows_and_dictionaries_are_limited() {
    let packed = xz(&text()); // preset 6: 8 MiB
    let limits = Limits { max_window: 1 << 20, ..Limits::default() };
    let options = InputOptions { limits, ..InputOptions::default() };
    let error = Input::from_reader_with("x", Cursor::new(packed.clone()), options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert!(error.to_string().contains("Limits::max_window"), "{error}");
    let mut large = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(9)).unwrap();
    large.write_all(&text()).unwrap();
    let large = large.finish().unwrap();
    assert_eq!(unpack(&large).unwrap_err().kind(), ErrorKind::Limit);
    let limits = Limits { max_window: 64 << 20, ..Limits::default() };
    let options = InputOptions { limits, ..InputOptions::default() };
    assert_eq!(read(Input::from_reader_with("x", Cursor::new(large), options).unwrap()).unwrap(), text());
}

/// What flate2 makes of the same bytes.
fn flate2_reads(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    MultiGzDecoder::new(bytes).read_to_end(&mut out)?;
    Ok(out)
}

/// Gives a few bytes at a time.
struct Drip(Cursor<Vec<u8>>, usize);

impl Read for Drip {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = buf.len().min(self.1);
        self.0.read(&mut buf[..n])
    }
}

fn agrees_with_flate2(bytes: &[u8], step: usize) -> Result<(), TestCaseError> {
    let expected = flate2_reads(bytes);
    let drip = BufReader::with_capacity(step, Drip(Cursor::new(bytes.to_vec()), step));
    for got in [unpack(bytes), Input::from_reader("x", drip).and_then(read)] {
        match (&expected, got) {
            (Ok(expected), Ok(got)) => prop_assert!(*expected == got, "other bytes"),
            (Err(_), Err(error)) => {
                prop_assert!(matches!(error.kind(), ErrorKind::Truncated | ErrorKind::Syntax), "{}", error);
            }
            (expected, got) => prop_assert!(false, "flate2 {:?}, ours {:?}", expected.as_ref().err(), got.err()),
        }
    }
    Ok(())
}

prop_compose! {
    /// A gzip file of some members: several levels, header fields, empty members, letters, runs and noise.
    fn gzip_file()(members in proptest::collection::vec((0usize..4000, 0u32..10, 0u8..5, any::<u32>()), 1..4)) -> Vec<u8> {
        let mut file = Vec::new();
        for (length, level, kind, seed) in members {
            let mut state = seed | 1;
            let bytes: Vec<u8> = (0..length).map(|i| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                match kind {
                    0 => b"ACGT"[(state >> 30) as usize],
                    1 => b'N',
                    2 => (state >> 24) as u8,
                    3 => b"ACGT\n"[i % 5],
                    _ => 0,
                }
            }).collect();
            let length = if kind == 4 { 0 } else { length };
            let mut builder = GzBuilder::new();
            if seed & 2 > 0 {
                builder = builder.filename("x.fa").comment("letters");
            }
            if seed & 4 > 0 {
                builder = builder.extra(vec![1, 2, 3, 4, 5]);
            }
            let mut encoder = builder.write(Vec::new(), Level::new(level));
            encoder.write_all(&bytes[..length / 2]).unwrap();
            if seed & 8 > 0 {
                encoder.flush().unwrap();
            }
            encoder.write_all(&bytes[length / 2..length]).unwrap();
            file.extend(encoder.finish().unwrap());
        }
        file
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn gzip_is_read_as_flate2_reads_it(file in gzip_file(), step in 1usize..600) {
        prop_assert!(flate2_reads(&file).is_ok());
        agrees_with_flate2(&file, step)?;
    }

    #[test]
    fn changed_gzip_is_judged_as_flate2_judges_it(
        file in gzip_file(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..3),
        step in 1usize..600,
    ) {
        let mut file = file;
        for (place, byte) in changes {
            let place = place.index(file.len());
            file[place] = byte;
        }
        if file.starts_with(b"\x1f\x8b") {
            agrees_with_flate2(&file, step)?;
        }
    }

    #[test]
    fn what_follows_the_last_member_is_judged_as_flate2_judges_it(
        file in gzip_file(),
        tail in prop_oneof![
            proptest::collection::vec(any::<u8>(), 1..40),
            (1usize..600).prop_map(|n| vec![0; n]),
            Just(b"\x1f".to_vec()),
            Just(b"\x1f\x8b\x08".to_vec()),
        ],
    ) {
        agrees_with_flate2(&[file, tail].concat(), 100)?;
    }

    #[test]
    fn any_change_of_any_compression_is_an_error_or_harmless(
        packer in 0usize..5,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let (_, pack) = PACKERS[packer];
        let mut packed = pack(&text());
        for (place, byte) in changes {
            let place = place.index(packed.len());
            packed[place] = byte;
        }
        if let Some(cut) = cut {
            packed.truncate(cut.index(packed.len()) + 1);
        }
        if let Ok(input) = Input::from_bytes("x", packed) && input.compression() != Compression::Plain {
            let _ = input.format();
            if let Ok(bytes) = read(input) {
                prop_assert!(bytes.is_empty() || bytes == text(), "{} other bytes", bytes.len());
            }
        }
    }
}

#[test]
fn every_cut_of_several_members_is_judged_as_flate2_judges_it() {
    let file = [gzip(b">a\nACGT", 6), gzip(b"", 6), gzip(&text()[..300], 1), gzip(&[b'N'; 500], 9)].concat();
    for cut in 2..=file.len() {
        agrees_with_flate2(&file[..cut], 7).unwrap();
    }
}

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files_below(&path, found) } else { found.push(path) }
    }
    found.sort();
}

#[test]
fn real_compressed_files_give_the_same_bytes_as_gzip() {
    let Some(data) = common::data_folder("real_compressed_files", "GENOME_DATA", "data") else { return };
    let mut files = Vec::new();
    files_below(&data, &mut files);
    files.retain(|path| {
        let end = path.extension().unwrap_or_default();
        ["gz", "bgz", "bam"].iter().any(|e| end == *e)
    });
    assert!(files.len() >= 30, "{} files", files.len());
    for path in files {
        let file = BufReader::new(fs::File::open(&path).unwrap());
        let mut expected = BufReader::with_capacity(1 << 16, MultiGzDecoder::new(file));
        let mut got = Input::open(&path).unwrap();
        loop {
            let (a, b) = (expected.fill_buf().unwrap(), got.fill_buf().unwrap());
            let n = a.len().min(b.len());
            assert!(a[..n] == b[..n], "{}", path.display());
            if n == 0 {
                assert_eq!((a.len(), b.len()), (0, 0), "{}", path.display());
                break;
            }
            expected.consume(n);
            got.consume(n);
        }
    }
}

/// The format that a file of the shared corpora has, by its ending or its folder.
fn expected_format(path: &Path) -> Option<Format> {
    let name = path.file_name()?.to_str()?;
    let folder = path.parent()?.file_name()?.to_str()?;
    match name.rsplit('.').next()? {
        "gff" | "gff3" | "gtf" => None, // three formats with endings that do not tell
        "gb" | "gbk" | "gp" | "genbank" | "gbwithparts" => Some(Format::Genbank),
        _ if name.ends_with(".expected") || name.ends_with(".txt") || name.ends_with(".md") => None,
        _ => Format::from_name(name).or(match folder {
            "fasta" => Some(Format::Fasta),
            _ => None,
        }),
    }
}

#[test]
fn real_files_are_recognised() {
    let Some(data) = common::data_folder("real_files_are_recognised", "GENOME_DATA", "data") else { return };
    let mut files = Vec::new();
    files_below(&data.join("formats"), &mut files);
    files_below(&data.join("genomes"), &mut files);
    let (mut right, mut wrong) = (std::collections::BTreeMap::<String, u64>::new(), Vec::new());
    for path in &files {
        let below = path.strip_prefix(&data).unwrap();
        let corpus = below.iter().take(2).map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/");
        let is_gff = below.to_string_lossy().contains(".gff") || below.extension().is_some_and(|e| e == "gtf");
        let got = Input::open(path).and_then(|input| input.format());
        let fits = match (expected_format(path), &got) {
            (_, Ok(Format::Gff3 | Format::Gff2 | Format::Gtf)) if is_gff => true,
            (Some(expected), Ok(got)) => expected == *got,
            (Some(_), Err(_)) => false,
            (None, _) if is_gff => false,
            (None, _) => continue,
        };
        if fits {
            *right.entry(format!("{corpus} as {}", got.unwrap())).or_default() += 1;
        } else {
            wrong.push(format!("{}: {}", below.display(), got.map_or_else(|e| e.to_string(), |f| f.to_string())));
        }
    }
    for (what, n) in &right {
        println!("{what}: {n}");
    }
    println!("other: {wrong:#?}");
    // Two empty files are rightly nothing.
    assert!(
        wrong.iter().all(|line| line.contains("failed_empty") && line.ends_with("the file is empty")),
        "{wrong:#?}"
    );
    assert!(right.values().sum::<u64>() > 1100);
}
