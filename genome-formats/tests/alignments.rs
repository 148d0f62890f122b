//! SAM, BAM and CRAM: the test files of the specification, pairs of the same data in two formats, and laws.

mod common;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use common::data_folder;
use genome_formats::{
    Alignment, BamIndex, BamReader, BamWriter, CigarKind, CigarOp, Error, ErrorKind, Flags, Input, Limits, MakeIndex,
    Mode, SamHeader, SamReader, SamWriter, Span, TagArray, TagValue, Tags,
};
use proptest::prelude::*;

fn files(folder: &Path, end: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.to_string_lossy().ends_with(end));
    files.sort();
    files
}

fn read_sam(path: &Path, mode: Mode) -> Result<(SamHeader, Vec<Alignment>), Error> {
    let mut reader = SamReader::open_with(path, mode, Limits::default())?;
    let records = reader.by_ref().collect::<Result<Vec<_>, _>>()?;
    Ok((reader.header().clone(), records))
}

/// The counts of an independent reader: path in the data folder, and oracle, records, detail.
fn expected_counts(data: &Path) -> HashMap<String, (String, i64, String)> {
    let text = std::fs::read_to_string(data.join("expected_counts.tsv")).unwrap();
    let rows = text.lines().skip(1).map(|line| {
        let fields: Vec<&str> = line.split('\t').collect();
        (fields[0].to_owned(), (fields[1].to_owned(), fields[2].parse().unwrap(), fields[3].to_owned()))
    });
    rows.collect()
}

fn relative(path: &Path, data: &Path) -> String {
    path.strip_prefix(data).unwrap().to_string_lossy().into_owned()
}

/// `bases=100;unmapped=1;refs=2` of a file, as the oracle counts them: htslib marks a read as unmapped when its line has no
/// reference, no position or no CIGAR, or a reference that the header does not have. Here FLAG stays as it is.
fn detail(header: &SamHeader, records: &[Alignment]) -> String {
    let bases: usize = records.iter().map(|r| r.sequence.len()).sum();
    let is_unmapped = |r: &Alignment| {
        let known = r.reference.as_deref().is_some_and(|name| header.reference_id(name).is_some());
        r.flags.is_unmapped() || !known || r.position.is_none() || r.cigar.is_empty()
    };
    let unmapped = records.iter().filter(|r| is_unmapped(r)).count();
    format!("bases={bases};unmapped={unmapped};refs={}", header.references().len())
}

#[test]
fn valid_sam_files_are_read() {
    let Some(data) = data_folder("valid_sam_files_are_read", "GENOME_DATA", "data") else { return };
    let expected = expected_counts(&data);
    let files = files(&data.join("formats/hts-specs/sam/passed"), ".sam");
    assert_eq!(files.len(), 82);
    for path in files {
        let (header, records) = read_sam(&path, Mode::Strict).unwrap_or_else(|error| panic!("{error}"));
        let (oracle, count, counts) = &expected[&relative(&path, &data)];
        assert_eq!(records.len() as i64, *count, "{}", path.display());
        if oracle == "htslib" {
            assert_eq!(&detail(&header, &records), counts, "{}", path.display());
        }
        // strict is a part of lenient
        assert_eq!(read_sam(&path, Mode::Lenient).unwrap(), (header.clone(), records.clone()));
        // written and read again
        let again = read_text(&write_text(&header, &records));
        assert_eq!(again, (header, records));
    }
}

fn write_text(header: &SamHeader, records: &[Alignment]) -> Vec<u8> {
    let mut writer = SamWriter::new("out.sam", Vec::new(), header).unwrap();
    for record in records {
        writer.write(record).unwrap();
    }
    writer.finish().unwrap()
}

fn read_text(text: &[u8]) -> (SamHeader, Vec<Alignment>) {
    let mut reader = SamReader::new("again.sam", text).unwrap();
    let records = reader.by_ref().collect::<Result<Vec<_>, _>>().unwrap();
    (reader.header().clone(), records)
}

#[test]
fn invalid_sam_files_are_refused() {
    let Some(data) = data_folder("invalid_sam_files_are_refused", "GENOME_DATA", "data") else { return };
    let files = files(&data.join("formats/hts-specs/sam/failed"), ".sam");
    assert_eq!(files.len(), 108);
    let mut accepted = Vec::new();
    for path in &files {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        match read_sam(path, Mode::Strict) {
            Ok(_) => accepted.push(name),
            Err(error) => {
                println!("{name}: {error}");
                assert_ne!(error.kind(), ErrorKind::Io, "{error}");
                assert!(error.line().is_some(), "{error}");
            }
        }
    }
    println!("refused {} of {}; accepted: {accepted:?}", files.len() - accepted.len(), files.len());
    // Byte for byte the same file as passed/hdr.HD6.sam.
    assert_eq!(accepted, ["hdr.HD3.sam"]);
}

#[test]
fn lenient_reads_what_htslib_reads() {
    let Some(data) = data_folder("lenient_reads_what_htslib_reads", "GENOME_DATA", "data") else { return };
    let mut checked = 0;
    for (path, (oracle, count, counts)) in expected_counts(&data) {
        if oracle != "htslib" || count < 0 || !(path.ends_with(".sam") || path.ends_with(".sam.gz")) {
            continue;
        }
        let (header, records) = read_sam(&data.join(&path), Mode::Lenient).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(records.len() as i64, count, "{path}");
        assert_eq!(detail(&header, &records), counts, "{path}");
        checked += 1;
    }
    println!("lenient: {checked} files with the counts of htslib");
    assert!(checked > 60, "{checked}");
}

#[test]
fn an_input_is_read_through_gzip() {
    let Some(data) = data_folder("an_input_is_read_through_gzip", "GENOME_DATA", "data") else { return };
    let input = Input::open(data.join("formats/biopython/sambam/ex1_header.sam.gz")).unwrap();
    let reader = SamReader::from_input(input, Mode::Strict, Limits::default()).unwrap();
    assert_eq!(reader.map(Result::unwrap).count(), 3270);
}

fn read_bam(path: &Path, mode: Mode) -> Result<(SamHeader, Vec<Alignment>), Error> {
    let mut reader = BamReader::open_with(path, mode, Limits::default())?;
    let records = reader.by_ref().collect::<Result<Vec<_>, _>>()?;
    Ok((reader.header().clone(), records))
}

fn bam_bytes(header: &SamHeader, records: &[Alignment]) -> Vec<u8> {
    let mut writer = BamWriter::new("out.bam", Vec::new(), header).unwrap();
    for record in records {
        writer.write(record).unwrap();
    }
    writer.finish().unwrap()
}

fn read_bam_bytes(bytes: &[u8]) -> (SamHeader, Vec<Alignment>) {
    let mut reader = BamReader::new("again.bam", bytes).unwrap();
    let records = reader.by_ref().collect::<Result<Vec<_>, _>>().unwrap();
    (reader.header().clone(), records)
}

#[test]
fn bam_files_are_read() {
    let Some(data) = data_folder("bam_files_are_read", "GENOME_DATA", "data") else { return };
    let expected = expected_counts(&data);
    let mut paths = files(&data.join("formats/hts-specs/bam/passed"), ".bam");
    assert_eq!(paths.len(), 2);
    paths.extend(files(&data.join("formats/biopython/sambam"), ".bam"));
    for path in paths {
        let lenient = read_bam(&path, Mode::Lenient).unwrap_or_else(|error| panic!("{error}"));
        let (_, count, counts) = &expected[&relative(&path, &data)];
        assert_eq!(lenient.1.len() as i64, *count, "{}", path.display());
        let unmapped = lenient.1.iter().filter(|r| r.flags.is_unmapped()).count();
        let bases: usize = lenient.1.iter().map(|r| r.sequence.len()).sum();
        let refs = lenient.0.references().len();
        assert_eq!(&format!("bases={bases};unmapped={unmapped};refs={refs}"), counts, "{}", path.display());
        match read_bam(&path, Mode::Strict) {
            Ok(strict) => assert_eq!(strict, lenient),
            Err(error) => panic!("{error}"),
        }
        let again = read_bam_bytes(&bam_bytes(&lenient.0, &lenient.1));
        assert_eq!(again, lenient);
    }
}

#[test]
fn both_compression_levels_hold_the_same() {
    let Some(data) = data_folder("both_compression_levels_hold_the_same", "GENOME_DATA", "data") else { return };
    let bam = |name: &str| read_bam(&data.join("formats/hts-specs/bam/passed").join(name), Mode::Strict).unwrap();
    // They differ in the @PG lines.
    assert_eq!(bam("level-1.bam").1, bam("level-9.bam").1);
}

#[test]
fn sam_and_bam_of_the_same_data_are_equal() {
    let Some(data) = data_folder("sam_and_bam_of_the_same_data_are_equal", "GENOME_DATA", "data") else { return };
    let folder = data.join("formats/biopython/sambam");
    for (sam, bam) in [
        ("sam1.sam", "bam1.bam"),
        ("sam2.sam", "bam2.bam"),
        ("ex1_header.sam.gz", "ex1_header.bam"),
        ("ex1_header.sam.gz", "ex1.bam"),
    ] {
        let (sam_header, sam_records) = read_sam(&folder.join(sam), Mode::Strict).unwrap();
        let (bam_header, bam_records) = read_bam(&folder.join(bam), Mode::Strict).unwrap();
        assert_eq!(sam_header.references(), bam_header.references(), "{sam}");
        // bam1 and bam2 have the reads in another order
        let sorted = |mut records: Vec<Alignment>| {
            records.sort_by_key(|r| (r.name.clone(), r.flags, r.sequence.clone()));
            records
        };
        assert_eq!(sam_records.len(), bam_records.len());
        for (sam, bam) in sorted(sam_records).iter().zip(&sorted(bam_records)) {
            assert_eq!(sam, bam);
        }
    }
}

#[test]
fn sam_to_bam_to_sam_gives_the_same_text() {
    let Some(data) = data_folder("sam_to_bam_to_sam_gives_the_same_text", "GENOME_DATA", "data") else { return };
    let (mut changed, mut refused) = (Vec::new(), Vec::new());
    for path in files(&data.join("formats/hts-specs/sam/passed"), ".sam") {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let (header, records) = read_sam(&path, Mode::Strict).unwrap();
        let text = write_text(&header, &records);
        if text != std::fs::read(&path).unwrap() {
            changed.push(name.clone());
        }
        let mut writer = BamWriter::new("out.bam", Vec::new(), &header).unwrap();
        if let Err(error) = records.iter().try_for_each(|record| writer.write(record)) {
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{name}: {error}");
            refused.push(name);
            continue;
        }
        let (again_header, again) = read_bam_bytes(&writer.finish().unwrap());
        assert_eq!(String::from_utf8(write_text(&again_header, &again)), String::from_utf8(text), "{name}");
    }
    // Letters that BAM does not have.
    assert_eq!(refused, ["seq.warn.sam"]);
    // Numbers in a form that is read and not written: +200, 00, 9.9E+19; a mate's reference that stands in place of =.
    println!("{changed:?}");
    assert_eq!(changed, ["aux.pass-B.sam", "aux.pass-f.sam", "aux.pass-i.sam", "rnext.warn.sam", "tlen.warn.sam"]);
}

#[test]
fn letters_that_bam_does_not_have() {
    let header = SamHeader::default();
    let record = Alignment { flags: Flags::from_bits(4), sequence: b"ACgu.N".to_vec(), ..Alignment::default() };
    let error = BamWriter::new("x.bam", Vec::new(), &header).unwrap().write(&record).unwrap_err();
    let expected = "x.bam: record 1 cannot be written: a letter that BAM does not have in record \"*\": expected one of =ACMGRSVTWYHKDBN, found 'g'";
    assert_eq!(error.to_string(), expected);
    let mut writer = BamWriter::new("x.bam", Vec::new(), &header).unwrap().with_mode(Mode::Lenient);
    writer.write(&record).unwrap();
    assert_eq!(writer.forgiven().total(), 1);
    assert_eq!(read_bam_bytes(&writer.finish().unwrap()).1[0].sequence, b"ACGNNN");
}

#[test]
fn long_cigars_hide_in_a_tag() {
    let header = SamHeader::with_references([("chr1", 1 << 30)]).unwrap();
    let op = |kind, length| CigarOp { kind, length };
    for n in [32_767u32, 32_768, 50_000] {
        let mut cigar: Vec<CigarOp> =
            (0..n).flat_map(|_| [op(CigarKind::Match, 1), op(CigarKind::Deletion, 2)]).collect();
        cigar.push(op(CigarKind::Match, 1));
        let record = Alignment {
            name: Some("long".into()),
            reference: Some("chr1".into()),
            position: Some(100),
            cigar,
            sequence: vec![b'A'; n as usize + 1],
            tags: [(*b"NM", TagValue::Int(7))].into_iter().collect(),
            ..Alignment::default()
        };
        let bytes = bam_bytes(&header, std::slice::from_ref(&record));
        let mut reader = BamReader::new("long.bam", &bytes[..]).unwrap();
        let view = reader.next_view().unwrap().unwrap();
        assert_eq!((view.cigar().len(), view.tags().count()), (2 * n as usize + 1, 1));
        assert_eq!(view.span(), Span::new(100, 101 + 3 * u64::from(n)));
        assert_eq!(view.to_alignment(), record);
        assert_eq!(read_text(&write_text(&header, std::slice::from_ref(&record))).1, [record]);
    }
}

/// The whole file, and the reads of a region by hand.
fn check_regions(path: &Path, index: &BamIndex, regions: impl IntoIterator<Item = (String, Span)>) -> usize {
    let (_, all) = read_bam(path, Mode::Strict).unwrap();
    let mut reader = BamReader::open(path).unwrap();
    let mut found = 0;
    for (name, span) in regions {
        let expected: Vec<&Alignment> = all.iter().filter(|record| record.overlaps(&name, span)).collect();
        let got: Vec<Alignment> = reader.query(index, &name, span).unwrap().map(Result::unwrap).collect();
        assert_eq!(got.iter().collect::<Vec<_>>(), expected, "{name} {span:?}");
        found += got.len();
    }
    found
}

#[test]
fn regions_of_a_file_through_each_index() {
    let Some(data) = data_folder("regions_of_a_file_through_each_index", "GENOME_DATA", "data") else { return };
    let folder = tempfile::tempdir().unwrap();
    for name in ["hts-specs/bam/passed/level-1.bam", "biopython/sambam/ex1_header.bam"] {
        let path = folder.path().join("reads.bam");
        std::fs::copy(data.join("formats").join(name), &path).unwrap();
        let mut reader = BamReader::open(&path).unwrap();
        assert_eq!(reader.index(MakeIndex::Never).unwrap_err().kind(), ErrorKind::Index);
        let made = match reader.index(MakeIndex::IfMissing) {
            Ok(made) => made,
            Err(error) => {
                // Not every file of the corpus is sorted.
                assert!(error.to_string().contains("not sorted by coordinate"), "{error}");
                println!("{name}: {error}");
                continue;
            }
        };
        let bai = path.with_extension("bam.bai");
        assert_eq!(BamIndex::open(&bai, Limits::default()).unwrap().counts(0), made.counts(0));
        let csi = BamIndex::read("x.csi", &made.to_csi_bytes().unwrap()[..], Limits::default()).unwrap();
        let references: Vec<(String, u64)> =
            reader.header().references().iter().map(|r| (r.name.to_string(), r.length)).collect();
        let regions = references.into_iter().take(4).flat_map(|(name, length)| {
            let step = (length / 5).max(1);
            let spans = (0..length).step_by(step as usize).flat_map(move |s| [(s, s + 1), (s, s + step), (s, length)]);
            spans.map(move |(start, end)| (name.clone(), Span::new(start, end).unwrap()))
        });
        let regions: Vec<_> = regions.collect();
        let found = check_regions(&path, &made, regions.clone());
        assert_eq!(check_regions(&path, &csi, regions.clone()), found);
        assert!(found > 1000, "{found}");

        // A file that is younger than its index.
        let old = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
        std::fs::File::options().append(true).open(&bai).unwrap().set_modified(old).unwrap();
        let error = BamReader::open(&path).unwrap().index(MakeIndex::Never).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Index);
        assert!(error.to_string().contains("the index is older than its file"), "{error}");
        let mut lenient = BamReader::open_with(&path, Mode::Lenient, Limits::default()).unwrap();
        lenient.index(MakeIndex::Never).unwrap();
        assert_eq!(lenient.forgiven().total(), 1);
        std::fs::remove_file(&bai).unwrap();
    }
}

#[test]
fn an_index_of_another_file_is_named() {
    let make = |references: &[(&str, u64)], reads: usize| {
        let header = SamHeader::with_references(references.iter().copied()).unwrap();
        let mut writer = BamWriter::new("x.bam", Vec::new(), &header).unwrap().with_index();
        for i in 0..reads {
            let read = Alignment {
                reference: Some("a".into()),
                position: Some(i as u64),
                sequence: random_letters(500, i as u64),
                ..Alignment::default()
            };
            writer.write(&read).unwrap();
        }
        writer.finish_with_index().unwrap()
    };
    let (small, _) = make(&[("a", 10_000)], 10);
    let (_, long) = make(&[("a", 10_000)], 5000);
    let (_, more) = make(&[("a", 10_000), ("b", 10_000)], 10);
    let mut reader = BamReader::new("small.bam", std::io::Cursor::new(small)).unwrap();
    let span = Span::new(0, 10_000).unwrap();
    let error = reader.query(&more, "a", span).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Index);
    assert!(error.to_string().contains("more references than the file"), "{error}");
    let error = reader.query(&long, "a", span).unwrap_err();
    assert_eq!(error.to_string(), "small.bam: the index is not of this file: it points behind the end of the file");
    assert_eq!(reader.query(&long, "c", span).unwrap_err().kind(), ErrorKind::Coordinate);
}

fn random_letters(length: usize, seed: u64) -> Vec<u8> {
    let mut n = seed.wrapping_mul(2).wrapping_add(1);
    let mut next = || {
        n = n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        b"ACGT"[(n >> 62) as usize]
    };
    (0..length).map(|_| next()).collect()
}

fn tag_value() -> impl Strategy<Value = TagValue> {
    let finite = || any::<f32>().prop_filter("NaN is not equal to itself", |x| x.is_finite());
    let array = prop_oneof![
        proptest::collection::vec(any::<i8>(), 0..4).prop_map(TagArray::I8),
        proptest::collection::vec(any::<u8>(), 0..4).prop_map(TagArray::U8),
        proptest::collection::vec(any::<i16>(), 0..4).prop_map(TagArray::I16),
        proptest::collection::vec(any::<u16>(), 0..4).prop_map(TagArray::U16),
        proptest::collection::vec(any::<i32>(), 0..4).prop_map(TagArray::I32),
        proptest::collection::vec(any::<u32>(), 0..4).prop_map(TagArray::U32),
        proptest::collection::vec(finite(), 0..4).prop_map(TagArray::F32),
    ];
    prop_oneof![
        (b'!'..=b'~').prop_map(TagValue::Char),
        (i64::from(i32::MIN)..=i64::from(u32::MAX)).prop_map(TagValue::Int),
        finite().prop_map(TagValue::Float),
        "[ -~]{0,10}".prop_map(TagValue::Text),
        proptest::collection::vec(any::<u8>(), 0..5).prop_map(TagValue::Hex),
        array.prop_map(TagValue::Array),
    ]
}

fn alignment() -> impl Strategy<Value = Alignment> {
    let reference = || proptest::option::of(prop_oneof![Just("a".into()), Just("b".into())]);
    let position = || proptest::option::of(prop_oneof![0u64..5000, 0u64..2_147_483_646]);
    let place = (reference(), position(), reference(), position(), any::<i32>().prop_filter("", |n| *n != i32::MIN));
    let read = proptest::collection::vec((proptest::sample::select(&b"=ACMGRSVTWYHKDBN"[..]), 0u8..=93), 0..30);
    let tags = proptest::collection::btree_map("[A-Za-z][A-Za-z0-9]", tag_value(), 0..6);
    let rest =
        (proptest::option::of("[!-)+-?A-~]{1,20}"), 0u16..4096, proptest::option::of(0u8..255), any::<bool>(), 0u32..4);
    (place, read, tags, rest).prop_map(|(place, read, tags, (name, flags, mapping_quality, has_qualities, shape))| {
        let (sequence, qualities): (Vec<u8>, Vec<u8>) = read.into_iter().unzip();
        let length = sequence.len() as u32;
        let op = |kind, length| CigarOp { kind, length };
        let cigar = match shape {
            0 => vec![],
            1 => vec![op(CigarKind::Match, length)],
            2 => vec![op(CigarKind::HardClip, 3), op(CigarKind::Insertion, length), op(CigarKind::Skip, 1000)],
            _ => vec![
                op(CigarKind::SoftClip, length / 2),
                op(CigarKind::Deletion, 7),
                op(CigarKind::Equal, length - length / 2),
            ],
        };
        let has_qualities = has_qualities && !sequence.is_empty() && qualities != [9];
        Alignment {
            name,
            flags: Flags::from_bits(flags),
            reference: place.0,
            position: place.1,
            mapping_quality,
            cigar,
            mate_reference: place.2,
            mate_position: place.3,
            template_length: place.4,
            qualities: has_qualities.then_some(qualities),
            sequence,
            tags: tags
                .into_iter()
                .map(|(tag, value)| ([tag.as_bytes()[0], tag.as_bytes()[1]], value))
                .collect::<Tags>(),
        }
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(records in proptest::collection::vec(alignment(), 0..8)) {
        let header = SamHeader::parse("@HD\tVN:1.6\n@SQ\tSN:a\tLN:5000\n@CO\tü\n@SQ\tSN:b\tLN:7\n").unwrap();
        let text = write_text(&header, &records);
        let (sam_header, sam) = read_text(&text);
        prop_assert_eq!(&sam_header, &header);
        prop_assert_eq!(&sam, &records);
        let (bam_header, bam) = read_bam_bytes(&bam_bytes(&header, &records));
        prop_assert_eq!(bam_header, header);
        prop_assert_eq!(bam, records);
        // the fast path tells the same
        let mut reader = SamReader::new("x.sam", &text[..]).unwrap();
        for record in sam {
            let view = reader.next_view().unwrap().unwrap();
            prop_assert_eq!(view.span(), record.span());
            prop_assert_eq!(view.name().map(<[u8]>::to_vec), record.name.clone().map(String::into_bytes));
            prop_assert_eq!(view.reference().map(<[u8]>::to_vec), record.reference.as_deref().map(|r| r.as_bytes().to_vec()));
            prop_assert_eq!(view.mate_reference().map(<[u8]>::to_vec), record.mate_reference.as_deref().map(|r| r.as_bytes().to_vec()));
            prop_assert_eq!(view.to_alignment(), record);
        }
        prop_assert!(reader.next_view().unwrap().is_none());
    }

    #[test]
    fn damaged_sam_never_panics_and_strict_is_a_part_of_lenient(
        records in proptest::collection::vec(alignment(), 1..4),
        edits in proptest::collection::vec((any::<proptest::sample::Index>(), prop_oneof![any::<u8>(), proptest::sample::select(&b"\t\n@*=0:,"[..])]), 0..6),
    ) {
        let header = SamHeader::parse("@HD\tVN:1.6\tSO:unsorted\n@SQ\tSN:a\tLN:5000\tAN:c\n@SQ\tSN:b\tLN:7\n@RG\tID:x\tPL:ONT\n@PG\tID:p\n").unwrap();
        let records: Vec<Alignment> = records.into_iter().map(|mut r| { r.tags.remove(b"RG"); r.tags.remove(b"PG"); r }).collect();
        let mut text = write_text(&header, &records);
        for (at, byte) in edits {
            let at = at.index(text.len());
            text[at] = byte;
        }
        let read = |mode| -> Result<(SamHeader, Vec<Alignment>), Error> {
            let mut reader = SamReader::new_with("x.sam", &text[..], mode, Limits::default())?;
            let records = reader.by_ref().collect::<Result<Vec<_>, _>>()?;
            Ok((reader.header().clone(), records))
        };
        let (strict, lenient) = (read(Mode::Strict), read(Mode::Lenient));
        match (&strict, lenient) {
            (Ok(strict), Ok(lenient)) => prop_assert_eq!(format!("{strict:?}"), format!("{lenient:?}")),
            (Ok(_), Err(error)) => prop_assert!(false, "only lenient fails: {}", error),
            (Err(error), _) => prop_assert!(!error.to_string().contains(char::is_control)),
        }
        if let Ok((header, records)) = strict {
            // what strict reads can be written, but for what SAM shows as something else
            let mut writer = SamWriter::new("y.sam", Vec::new(), &header).unwrap();
            for record in &records {
                writer.write(record).unwrap();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_query_gives_what_a_filter_of_all_gives(
        seed in any::<u64>(),
        reads in 1usize..600,
        far in any::<bool>(),
        regions in proptest::collection::vec((0usize..3, 0u64..400_000, 0u64..60_000), 1..12),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reads.bam");
        // `far` needs a .csi
        let length = if far { 1 << 30 } else { 1 << 20 };
        let shift = if far { 600_000_000 } else { 0 };
        let header = SamHeader::with_references([("a", length), ("b", length), ("c", length)]).unwrap();
        let mut n = seed;
        let mut random = |below: u64| {
            n = n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (n >> 33) % below
        };
        let mut records: Vec<Alignment> = (0..reads).map(|i| {
            let bases = random(400) as u32 + 1;
            let skip = if random(10) == 0 { random(200_000) as u32 } else { 0 };
            let placed = random(20) > 0;
            let range = if random(2) == 0 { 20_000 } else { 400_000 };
            let reference = placed.then(|| ["a", "c"][random(2) as usize].into());
            Alignment {
                name: Some(format!("r{i}")),
                flags: Flags::from_bits(if random(8) == 0 || !placed { 4 } else { 0 }),
                position: placed.then(|| shift + random(range)),
                reference,
                cigar: vec![
                    CigarOp { kind: CigarKind::Match, length: bases },
                    CigarOp { kind: CigarKind::Skip, length: skip },
                    CigarOp { kind: CigarKind::Insertion, length: 100 },
                ],
                sequence: random_letters(bases as usize + 100, i as u64),
                ..Alignment::default()
            }
        }).collect();
        records.sort_by_key(|r| (r.reference.clone().unwrap_or("z".into()), r.position));
        let mut writer = BamWriter::new("reads.bam", std::fs::File::create(&path).unwrap(), &header).unwrap().with_index();
        for record in &records {
            writer.write(record).unwrap();
        }
        let (_, made) = writer.finish_with_index().unwrap();
        let mut reader = BamReader::open(&path).unwrap();
        let found = reader.index(MakeIndex::IfMissing).unwrap();
        for id in 0..3 {
            prop_assert_eq!(found.counts(id), made.counts(id));
        }
        prop_assert_eq!(found.unplaced(), made.unplaced());
        prop_assert_eq!(path.with_extension(if far { "bam.csi" } else { "bam.bai" }).is_file(), true);
        let csi = BamIndex::read("x.csi", &made.to_csi_bytes().unwrap()[..], Limits::default()).unwrap();
        let regions: Vec<_> = regions.into_iter().map(|(r, start, length)| {
            (["a", "b", "c"][r].to_owned(), Span::new(shift + start, shift + start + length).unwrap())
        }).collect();
        check_regions(&path, &made, regions.clone());
        check_regions(&path, &csi, regions.clone());
        check_regions(&path, &reader.index(MakeIndex::Never).unwrap(), regions);
    }
}
