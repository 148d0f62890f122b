//! The public interface on files on disk: compression, line ends, cut files.

use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use genome_formats::{DatasetDir, ErrorKind, SeqRecord, read_labelled, sequences};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn read(dir: &Path, name: &str, bytes: &[u8]) -> Result<Vec<SeqRecord>, genome_formats::Error> {
    let path = dir.join(name);
    fs::write(&path, bytes).unwrap();
    sequences::open(path)?.collect()
}

#[test]
fn compression_and_format_are_found_by_content() {
    let dir = tempfile::tempdir().unwrap();
    let check = |name: &str, bytes: &[u8]| {
        let records = read(dir.path(), name, bytes).unwrap();
        assert_eq!(records, [SeqRecord::new("a", b"ACgt")], "{name}");
    };
    check("a.fa", b">a\nACgt\n");
    check("a.fa", b"\xef\xbb\xbf>a\r\nAC\r\ngt");
    check("b.fa", &gzip(b">a\nACgt\n")); // gzip without .gz
    check("c.fa.gz", b">a\nACgt\n"); // .gz without gzip
    check("d.txt", &[gzip(b">a\nAC"), gzip(b"gt\n")].concat());
    check("e.fa", b"LOCUS a 4 bp DNA\nORIGIN\n        1 ACgt\n//\n");
    check("f.fa", &gzip(b"id,sequence\na,ACgt\n"));
}

#[test]
fn a_cut_gzip_file_is_truncated() {
    let dir = tempfile::tempdir().unwrap();
    // Long and hard to compress, so that whole records come out before the cut.
    let mut state = 1u32;
    let mut text = b">a\n".to_vec();
    for _ in 0..200_000 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        text.push(b"ACGT"[(state >> 30) as usize]);
    }
    let whole = gzip(&text);
    assert_eq!(read(dir.path(), "a.fa.gz", &whole).unwrap()[0].seq.len(), 200_000);
    for cut in [10, 11, 100, whole.len() / 2, whole.len() - 1] {
        let error = read(dir.path(), "cut.fa.gz", &whole[..cut]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Truncated, "{error}");
        let text = error.to_string();
        assert!(text.contains("cut.fa.gz") && text.contains("truncated gzip file"), "{text}");
    }
}

#[test]
fn labelled_files_may_be_gzip() {
    let dir = tempfile::tempdir().unwrap();
    let text = b"sequence,label\r\nACGT,0\r\nTTTT,1";
    fs::write(dir.path().join("train.csv"), text).unwrap();
    fs::write(dir.path().join("dev.csv.gz"), gzip(text)).unwrap();
    fs::write(dir.path().join("test.csv.gz"), &gzip(text)[..20]).unwrap();
    let set = DatasetDir::open(dir.path()).unwrap();
    assert_eq!(set.train().rows, set.dev().rows);
    let error = set.read_test().unwrap_err();
    assert!(error.is_truncated() && error.path().ends_with("test.csv.gz"), "{error}");
}

#[test]
fn errors_name_the_path_as_given() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("train.csv");
    fs::write(&path, "sequence,label\nACGT,0\nACGJ,1\n").unwrap();
    let error = read_labelled(&path).unwrap_err();
    assert_eq!((error.path(), error.line(), error.column()), (&*path.display().to_string(), Some(3), Some(4)));
    assert_eq!(error.snippet(), Some("ACGJ,1"));
    assert_eq!(sequences::open(dir.path().join("no.fa")).unwrap_err().kind(), ErrorKind::Io);
    assert_eq!(read(dir.path(), "empty.fa", b"").unwrap_err().kind(), ErrorKind::Empty);
    assert_eq!(read(dir.path(), "empty.fa.gz", &gzip(b"")).unwrap_err().kind(), ErrorKind::Empty);
    assert_eq!(read(dir.path(), "nul.fa", b">a\nAC\0GT\n").unwrap_err().kind(), ErrorKind::UnknownLetter);
}
