//! Files that lie: an error with byte and tensor or key, and no panic.

use super::raw::{Raw, entry, sample, tensor, text};
use proptest::prelude::*;
use tensor_files::gguf::{GgufFile, GgufKind, GgufLlama, GgufMetadata, write_gguf};
use tensor_files::{Checkpoint, Error};

fn check_bytes(bytes: Vec<u8>, expected: &str) {
    assert_eq!(GgufFile::from_bytes("t.gguf", bytes).unwrap_err().to_string(), format!("t.gguf: {expected}"));
}

fn check(raw: &Raw, expected: &str) {
    check_bytes(raw.bytes(), expected);
}

#[test]
fn headers() {
    check_bytes(vec![], "byte 0: expected 4 bytes of GGUF's mark, found 0 bytes before the end");
    check_bytes(b"GGML....".to_vec(), "byte 0: expected the mark GGUF, found \"GGML\"");
    let expected = "byte 4: expected GGUF of version 2 or 3, little endian, found";
    let version = |version| Raw { version, ..Raw::new() };
    check(&version(1), &format!("{expected} version 1, whose counts are half as wide"));
    check(&version(4), &format!("{expected} version 4"));
    check(&version(3u32.swap_bytes()), &format!("{expected} big endian (version 3)"));
    assert_eq!(GgufFile::from_bytes("t", version(2).bytes()).unwrap().version(), 2);
    check(
        &Raw { tensor_count: Some(1 << 60), ..sample() },
        "byte 8: expected at most 91 tensors, for which there are bytes, found 1152921504606846976",
    );
    check(
        &Raw { entry_count: Some(1 << 60), ..Raw::new() },
        "byte 16: expected at most 0 metadata keys, for which there are bytes, found 1152921504606846976",
    );
}

#[test]
fn keys_and_values() {
    let one = |key: &str, kind, value: &[u8]| Raw::new().entry(key, kind, value);
    let len = u64::MAX.to_le_bytes();
    check(
        &Raw { entries: vec![[&len[..], &[0; 40]].concat()], ..Raw::new() },
        "byte 24: expected at most 64 bytes of a metadata key, for which there are bytes, found 18446744073709551615",
    );
    check(&one("k", 13, &[0; 8]), "byte 33: expected a type of metadata, 0 to 12 under the key k, found 13");
    check(&one("k", 7, &[2]), "byte 37: expected a bool, 0 or 1 under the key k, found 2");
    check(
        &one("k", 8, &[1, 0, 0, 0, 0, 0, 0, 0, 0xff]),
        "byte 45: expected a string in UTF-8 under the key k, found other bytes",
    );
    let array = |kind: u32, len: u64| [&kind.to_le_bytes()[..], &len.to_le_bytes()].concat();
    check(
        &one("k", 9, &array(4, 1 << 62)),
        "byte 41: expected at most 3 values of an array, for which there are bytes under the key k, found 4611686018427387904",
    );
    check(
        &one("k", 9, &array(8, 4)),
        "byte 41: expected at most 1 values of an array, for which there are bytes under the key k, found 4",
    );
    check(&one("k", 9, &array(99, 1)), "byte 37: expected a type of metadata, 0 to 12 under the key k, found 99");
    check(
        &one("k", 9, &array(9, 1).repeat(9)),
        "byte 73: expected arrays no deeper than 4 under the key k, found a deeper one",
    );
    check(&one("k", 4, &[0; 4]).entry("k", 4, &[0; 4]), "expected each name once, found the key k twice");
    check(
        &Raw { entry_count: Some(1), alignment: 1, ..one("k", 4, &[0; 3]) },
        "byte 37: expected 4 bytes of a value under the key k, found 3 bytes before the end",
    );
    for alignment in [0u32, 24, 1 << 31] {
        check(
            &Raw::new().u32("general.alignment", alignment),
            &format!("byte 49: expected a power of two up to 2^30 under the key general.alignment, found {alignment}"),
        );
    }
}

#[test]
fn tensors() {
    let one = |dims: &[u64], kind, offset| Raw::new().tensor("x", dims, kind, offset).data(&[0; 64]);
    check(&one(&[1, 1, 1, 1, 1], 0, 0), "byte 33: tensor x: expected at most 4 dimensions, found 5");
    check(&one(&[4], 4, 0), "byte 45: tensor x: expected a type that ggml has, found type 4");
    check(&one(&[33], 8, 0), "byte 33: tensor x: expected rows of a multiple of 32 values, as Q8_0 has them, found 33");
    check(
        &one(&[1 << 40, 1 << 40], 0, 0),
        "byte 33: tensor x: expected dimensions that a file can hold, found [1099511627776, 1099511627776]",
    );
    check(&one(&[4], 0, 3), "byte 49: tensor x: expected an offset that is a multiple of 32, found 3");
    let truncated = "a file of 128 bytes (truncated?)";
    check(
        &one(&[17], 0, 0),
        &format!("byte 49: tensor x: expected 68 bytes of data at 0 behind byte 64, found {truncated}"),
    );
    check(
        &one(&[1], 0, 64),
        &format!("byte 49: tensor x: expected 4 bytes of data at 64 behind byte 64, found {truncated}"),
    );
    check(
        &one(&[1], 0, u64::MAX - 31),
        &format!(
            "byte 49: tensor x: expected 4 bytes of data at 18446744073709551584 behind byte 64, found {truncated}"
        ),
    );
    check(&one(&[1], 0, 0).tensor("x", &[1], 0, 32), "expected each name once, found x twice");
    check(
        &one(&[16], 0, 0).tensor("y", &[1], 0, 32),
        "byte 82: tensor y: expected bytes of its own, behind those of x, found offset 32",
    );
    let mut nameless = Raw::new();
    nameless.tensors.push([&1000u64.to_le_bytes()[..], &[0; 60]].concat());
    check(&nameless, "byte 24: expected at most 64 bytes of a tensor's name, for which there are bytes, found 1000");
    // In any order, and with gaps.
    let file = GgufFile::from_bytes("t", one(&[4], 0, 32).tensor("y", &[1], 0, 0).bytes()).unwrap();
    assert_eq!(file.read_f32("x").unwrap(), [0.0; 4]);
    assert!(matches!(file.read_f32("z"), Err(Error::MissingTensors { names, .. }) if names == ["z"]));
}

#[test]
fn every_truncation_is_an_error() {
    let whole = sample().bytes();
    GgufFile::from_bytes("t", whole.clone()).unwrap();
    for len in 0..whole.len() {
        assert!(GgufFile::from_bytes("t", whole[..len].to_vec()).is_err(), "{len} of {} bytes", whole.len());
    }
}

#[test]
fn a_file_that_was_shortened_since_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.gguf");
    std::fs::write(&path, sample().bytes()).unwrap();
    let file = GgufFile::open(&path).unwrap();
    std::fs::write(&path, &sample().bytes()[..1500]).unwrap();
    assert!(file.read_f32("blk.0.attn_norm.weight").is_err());
}

#[test]
fn the_writer_refuses_what_no_file_can_hold() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.gguf");
    let check = |tensors: &[(&str, &[usize])], kind, values: &[f32], expected: &str| {
        let tensors: Vec<_> = tensors.iter().map(|(name, shape)| (name.to_string(), shape.to_vec())).collect();
        let write = write_gguf(&path, &GgufMetadata::new(), &tensors, kind, |_| Ok::<_, Error>(values.to_vec()));
        let error = write.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
    };
    check(&[("x", &[2]), ("x", &[2])], GgufKind::F32, &[0.0; 2], "found x twice");
    check(&[("x", &[3])], GgufKind::F32, &[0.0; 2], "x: expected 2 values, found shape [3]");
    check(&[("x", &[1; 5])], GgufKind::F32, &[0.0], "x: expected at most 4 dimensions");
    check(
        &[("x", &[1, 2])],
        GgufKind::F16,
        &[0.0, 65520.0],
        "tensor x: expected values that F16 can hold, found 65520",
    );
    let mut values = [0.0; 32];
    values[7] = f32::NAN;
    check(
        &[("x", &[1, 32])],
        GgufKind::Q8_0,
        &values,
        "tensor x: expected values that Q8_0 can hold, found NaN as value 7",
    );
}

/// Does everything that can be done with a file.
fn use_all(bytes: Vec<u8>) {
    let Ok(file) = GgufFile::from_bytes("t", bytes) else { return };
    for tensor in file.tensors() {
        let _ = file.read_f32(&tensor.name);
    }
    if let Ok(Some(tokenizer)) = file.tokenizer() {
        let _ = tokenizer.to_tokenizer_json();
    }
    let Ok(llama) = GgufLlama::new(file) else { return };
    for name in llama.tensors().keys() {
        let _ = llama.read_f32(name);
    }
    let checkpoint = Checkpoint::from(llama);
    for name in checkpoint.names() {
        let _ = checkpoint.read_f32_transposed(&name);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn changed_bytes_never_panic(changes in proptest::collection::vec((0usize..4000, any::<u8>()), 1..4), words in
        proptest::collection::vec((0usize..4000, prop_oneof![Just(u64::MAX), Just(1 << 60), 0u64..300, any::<u64>()]), 0..2))
    {
        let mut bytes = sample().bytes();
        for (at, byte) in changes {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        for (at, word) in words {
            let at = at % (bytes.len() - 8);
            bytes[at..at + 8].copy_from_slice(&word.to_le_bytes());
        }
        use_all(bytes);
    }

    #[test]
    fn any_bytes_never_panic(tail in proptest::collection::vec(any::<u8>(), 0..300), tensors in 0u64..4, keys in 0u64..4) {
        let counts = [&tensors.to_le_bytes()[..], &keys.to_le_bytes()].concat();
        use_all([b"GGUF\x03\0\0\0", &counts[..], &tail].concat());
    }

    #[test]
    fn any_keys_never_panic(
        keys in proptest::collection::vec(("[a-z.]{0,8}", 0u32..14, proptest::collection::vec(any::<u8>(), 0..24)), 0..5),
        dims in proptest::collection::vec(prop_oneof![0u64..70, any::<u64>()], 0..6),
        kind in 0u32..45,
        offset in prop_oneof![Just(0u64), Just(32), any::<u64>()],
    ) {
        let mut raw = Raw::new().data(&[7; 200]);
        raw.entries = keys.iter().map(|(key, kind, value)| entry(key, *kind, value)).collect();
        raw.tensors.push(tensor("x", &dims, kind, offset));
        raw.entries.push(entry("last", 8, &text("x")));
        use_all(raw.bytes());
    }
}
