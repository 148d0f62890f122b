//! Safetensors files that are not as they should be: an error that says where, and no more memory than the file has bytes.

mod common;

use common::{error_of, floats, safetensors};
use tensor_files::{Checkpoint, Dtype, Error};

const TWO: &str =
    r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}"#;

#[test]
fn headers() {
    #[track_caller]
    fn check(header: &str, data: usize, expected: &str) {
        let error = error_of(&safetensors(header, &vec![0; data]));
        assert_eq!(error, format!("FILE: {expected}"));
    }
    let one = |dtype: &str, shape: &str, offsets: &str| {
        format!(r#"{{"a":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}}}"#)
    };
    check(
        &TWO[..TWO.len() - 1],
        12,
        "byte 114: expected a header in JSON with dtype, shape and data_offsets, found EOF while parsing an object at line 1 column 107",
    );
    check(
        &format!("{TWO}x"),
        12,
        "byte 116: expected a header in JSON with dtype, shape and data_offsets, found trailing characters at line 1 column 109",
    );
    check(
        r#"{"a":{"dtype":"F32","shape":[2]}}"#,
        8,
        "byte 39: tensor a: expected a header in JSON with dtype, shape and data_offsets, found missing field `data_offsets` at line 1 column 32",
    );
    check(
        &one("F32", "[-1]", "[0,4]"),
        4,
        "byte 38: tensor a: expected a header in JSON with dtype, shape and data_offsets, found invalid value: integer `-1`, expected u64 at line 1 column 31",
    );
    check(&one("F99", "[1]", "[0,4]"), 4, "byte 62: tensor a: expected a dtype of safetensors, found F99");
    check(TWO, 11, "byte 124: tensor b: expected data_offsets inside the file, found bytes 8 to 12 of 11");
    check(TWO, 13, "byte 128: expected 12 bytes of tensors, as the header says, found 13");
    check(
        &one("F32", "[1]", "[0,1152921504606846976]"),
        4,
        "byte 80: tensor a: expected data_offsets inside the file, found bytes 0 to 1152921504606846976 of 4",
    );
    check(
        &one("F32", "[1]", "[4,0]"),
        4,
        "byte 66: tensor a: expected data_offsets inside the file, found bytes 4 to 0 of 4",
    );
    check(&one("F32", "[2]", "[0,4]"), 4, "byte 62: tensor a: expected 8 bytes for F32 [2], found data_offsets for 4");
    check(
        &one("F32", "[4294967296,4294967296]", "[0,4]"),
        4,
        "byte 82: tensor a: expected an impossible number of bytes for F32 [4294967296, 4294967296], found data_offsets for 4",
    );
    check(
        &one("F4", "[1]", "[0,1]"),
        1,
        "byte 61: tensor a: expected an impossible number of bytes for F4 [1], found data_offsets for 1",
    );
    // twice, overlapping, with a hole
    let b = TWO.replace(r#""b""#, r#""a""#);
    check(&b, 12, "expected each name once, found a twice");
    check(
        &TWO.replace("[8,12]", "[4,8]"),
        12,
        "byte 119: tensor b: expected data_offsets that go on at byte 8, without hole or overlap, found byte 4",
    );
    check(
        &TWO.replace("[8,12]", "[12,16]"),
        16,
        "byte 129: tensor b: expected data_offsets that go on at byte 8, without hole or overlap, found byte 12",
    );
    check(
        r#"{"__metadata__":{"a":1}}"#,
        0,
        "byte 29: tensor __metadata__: expected a header in JSON with dtype, shape and data_offsets, found invalid type: integer `1`, expected a string at line 1 column 22",
    );
    check(
        r#"{"a":[[[[[[[[[]]]]]]]]]}"#,
        0,
        "byte 13: tensor a: expected a header in JSON with dtype, shape and data_offsets, found invalid type: sequence, expected a string at line 1 column 6",
    );
}

#[test]
fn lengths_of_the_header() {
    #[track_caller]
    fn check(len: u64, expected: &str) {
        let mut bytes = safetensors(TWO, &[0; 12]);
        bytes[..8].copy_from_slice(&len.to_le_bytes());
        assert_eq!(error_of(&bytes), format!("FILE: byte {expected}"));
    }
    check(
        u64::MAX,
        "0: expected a header that fits into the file and 100 MB, found a header of 18446744073709551615 bytes in a file of 128",
    );
    check(
        1 << 60,
        "0: expected a header that fits into the file and 100 MB, found a header of 1152921504606846976 bytes in a file of 128",
    );
    check(121, "0: expected a header that fits into the file and 100 MB, found a header of 121 bytes in a file of 128");
    check(
        0,
        "8: expected a header in JSON with dtype, shape and data_offsets, found EOF while parsing a value at line 1 column 0",
    );
    check(
        0x80,
        "0: expected a header that fits into the file and 100 MB, found a header of 128 bytes in a file of 128",
    );
}

#[test]
fn truncated_anywhere() {
    let whole = safetensors(TWO, &floats(&[1.0, 2.0, 3.0]));
    for len in 0..whole.len() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, &whole[..len]).unwrap();
        assert!(matches!(Checkpoint::open(&path), Err(Error::Format { byte: Some(_), .. })), "{len}");
        assert!(matches!(Checkpoint::from_bytes("x", whole[..len].to_vec()), Err(Error::Format { .. })), "{len}");
    }
    assert_eq!(common::open(&whole).unwrap().read_f32("a").unwrap(), [1.0, 2.0]);
}

#[test]
fn what_is_unusual_and_right() {
    // tensors in another order than their data, spaces behind the header, unknown members, a scalar, nothing at all
    let header = r#"{"b":{"dtype":"F32","shape":[],"data_offsets":[8,12],"new":[{}]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"none":{"dtype":"I64","shape":[0,7],"data_offsets":[8,8]}}    "#;
    let file = common::open(&safetensors(header, &floats(&[1.0, 2.0, 3.0]))).unwrap();
    assert_eq!(file.names(), ["a", "b", "none"]);
    assert_eq!((file.read_f32("b").unwrap(), file.shape("b")), (vec![3.0], Some(&[][..])));
    assert!(file.read_i64("none").unwrap().is_empty());
    assert!(common::open(&safetensors("{}", &[])).unwrap().names().is_empty());
    // a header of 0x80 bytes begins as a pickle does, one of 0x7b as JSON
    for len in [0x80, 0x7b] {
        let file = common::open(&safetensors(&format!("{TWO:len$}"), &[0; 12])).unwrap();
        assert_eq!(file.names(), ["a", "b"]);
    }
}

#[test]
fn types() {
    let header = r#"{"f8":{"dtype":"F8_E4M3","shape":[4],"data_offsets":[0,4]},"u8":{"dtype":"U8","shape":[1],"data_offsets":[4,5]},"f64":{"dtype":"F64","shape":[1],"data_offsets":[5,13]}}"#;
    let mut data = vec![0, 0, 0, 0, 200];
    data.extend(0.1_f64.to_le_bytes());
    let file = common::open(&safetensors(header, &data)).unwrap();
    assert_eq!(file.info("f8").unwrap().dtype, Dtype::Other("F8_E4M3"));
    assert_eq!(file.read_i64("u8").unwrap(), [200]);
    assert_eq!(file.read_f32("f64").unwrap(), [0.1]); // unaligned
    let error = |result: Result<(), Error>| result.unwrap_err().to_string().split_once(": ").unwrap().1.to_owned();
    assert_eq!(error(file.read_f32("f8").map(drop)), "f8: expected floating-point numbers, found F8_E4M3");
    assert_eq!(error(file.read_f32("u8").map(drop)), "u8: expected floating-point numbers, found U8");
    assert_eq!(error(file.read_i64("f64").map(drop)), "f64: expected integers, found F64");
    assert_eq!(error(file.read_f32_transposed("f64").map(drop)), "f64: expected a matrix, found shape [1]");
    assert_eq!(error(file.read_f32("g").map(drop)), "expected tensors that the file lacks: g");
}

#[test]
fn other_files() {
    #[track_caller]
    fn check(bytes: &[u8], found: &str) {
        let expected = "a safetensors file, a PyTorch pickle, GGUF or an index of shards";
        assert_eq!(error_of(bytes), format!("FILE: byte 0: expected {expected}, found {found}"));
    }
    check(b"", "an empty file");
    check(b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS: the file was not fetched");
    check(b"<!DOCTYPE html>", "a page of HTML or XML");
    check(b"\x80\x04\x95\x05\0\0\0\0\0\0\0\x8c\x01a\x94.", "a pickle, but not one that torch.save wrote");
    check(b"\x93NUMPY\x01\0v", "\"\\x93NUMPY\\x01\\x00v\"");
    let folder = tempfile::tempdir().unwrap();
    let error = |path: &std::path::Path| Checkpoint::open(path).unwrap_err().to_string();
    assert_eq!(error(folder.path()), format!("{}: expected a file, found a folder", folder.path().display()));
    assert!(matches!(Checkpoint::open(folder.path().join("none")), Err(Error::Io { .. })));
    #[cfg(unix)]
    assert_eq!(error("/dev/zero".as_ref()), "/dev/zero: expected a file, found a device or a pipe");
}

/// A file that shrinks after it was opened is an error, whichever way its bytes are reached.
#[test]
fn a_file_that_shrinks() {
    for access in [tensor_files::Access::Mapped, tensor_files::Access::Read] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let whole = safetensors(TWO, &floats(&[1.0, 2.0, 3.0]));
        std::fs::write(&path, &whole).unwrap();
        let file = Checkpoint::open_with(&path, access).unwrap();
        assert_eq!(file.read_f32("b").unwrap(), [3.0]);
        std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(whole.len() as u64 - 1).unwrap();
        assert!(file.read_f32("b").is_err(), "{access:?}");
    }
}
