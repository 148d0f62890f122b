//! Pickles that ask for more than tensors, and archives that are not as they should be: an error that says where, and nothing
//! called.

mod common;

use common::{Entry, Pickle, SIX, Tensor, error_of, floats, legacy, legacy_head, zip, zip_pickle};
use tensor_files::{Checkpoint, Error};

fn six() -> Vec<u8> {
    floats(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
}

/// The error of a pickle with the storage "0" of six floats, in an archive and in a file before 1.6.
#[track_caller]
fn check(pickle: Pickle, expected: &str) {
    for error in [error_of(&zip_pickle(&pickle.0, &[("0", &six())])), error_of(&legacy(&pickle.0, &[("0", 6, &six())]))]
    {
        // Bytes of the file differ between the two; those of the pickle do not.
        let error = match error.strip_prefix("FILE: byte ").and_then(|e| e.split_once(": ")) {
            Some((at, what)) if at.bytes().all(|b| b.is_ascii_digit()) => what.to_owned(),
            _ => error.strip_prefix("FILE: ").unwrap().to_owned(),
        };
        assert_eq!(error, expected);
    }
}

fn calls(byte: u64, call: &str) -> String {
    format!(
        "byte {byte} of the pickle: expected tensors alone, found that this pickle wants to call {call}; nothing was run"
    )
}

#[test]
fn calls_are_named_and_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let proof = folder.path().join("called");
    let command = format!("touch {}", proof.display());
    let run = |pickle: Pickle| pickle.text(&command).op([0x85]).op("R.");
    check(run(Pickle::new().global("posix", "system")), &calls(2, "posix.system"));
    check(run(Pickle::new().text("os").text("system").op([0x93])), &calls(20, "os.system"));
    check(run(Pickle::new().op("}").text("a").global("builtins", "eval")), &calls(9, "builtins.eval"));
    check(run(Pickle::new().global("torch", "load")), &calls(2, "torch.load"));
    check(run(Pickle::new().global("torch", "EvilStorage")), &calls(2, "torch.EvilStorage"));
    check(
        run(Pickle::new().global("torch._utils", "_rebuild_tensor_v2.__globals__")),
        &calls(2, "torch._utils._rebuild_tensor_v2.__globals__"),
    );
    check(Pickle::new().op("(iposix\nsystem\n."), &calls(3, "posix.system"));
    check(Pickle::new().global("numpy.core.multiarray", "scalar").op(")R."), &calls(2, "numpy.core.multiarray.scalar"));
    check(Pickle::new().global(&"m".repeat(300), "f"), &calls(2, &format!("{}....f", "m".repeat(200))));
    assert!(!proof.exists());
    let error = Checkpoint::open({
        let path = folder.path().join("x.bin");
        std::fs::write(&path, zip_pickle(&run(Pickle::new().global("posix", "system")).0, &[])).unwrap();
        path
    });
    assert!(matches!(error, Err(Error::Call { byte: 2, call, .. }) if call == "posix.system"));
    assert!(!proof.exists());
}

#[test]
fn known_names_used_otherwise() {
    let known = |name: &str| Pickle::new().global("torch", name);
    check(
        known("FloatStorage").op(")R."),
        "expected the arguments that torch.save writes (pickle), found Storage(Elements { dtype: F32, size: 4 }) with 0 of another kind or number",
    );
    check(
        known("Size").op(")R."),
        "expected the arguments that torch.save writes (pickle), found Size with 0 of another kind or number",
    );
    check(
        Pickle::new().global("collections", "OrderedDict").op(")").op([0x81]).op("."),
        "expected tensors, dicts, lists and numbers (pickle), found an object to be made of a function or a class",
    );
    check(Pickle::new().op("]}b."), "expected attributes for a dict (pickle), found a dict for a list");
    check(Pickle::new().text("f").op(")R."), "expected a function's name (pickle), found text");
    check(
        Pickle::new().global("torch._utils", "_rebuild_tensor_v2").op("(NNNNt").op("R."),
        "expected a storage (pickle), found None",
    );
    check(
        Pickle::new().op("(").text("storage").op("tQ."),
        "expected a storage's id ('storage', type, key, location, count) (pickle), found another",
    );
    check(Pickle::new().op([0x82, 1]), "expected an opcode of a pickled state dict (pickle), found 0x82 ('\\x82')");
    check(Pickle::new().op("P1\n."), "expected an opcode of a pickled state dict (pickle), found 0x50 ('P')");
    check(Pickle(vec![0x80, 6, b'N', b'.']), "expected a pickle of protocol 2 to 5 (pickle), found protocol 6");
    let no_dict = |pickle: Pickle, found: &str| {
        let error = error_of(&zip_pickle(&pickle.0, &[("0", &six())]));
        assert_eq!(error, format!("FILE: expected a state dict, tensors by name, found {found}"));
    };
    no_dict(Pickle::new().op("N."), "None");
    no_dict(Pickle::new().op("}").text("loss").op("Ns."), "a dict of 1 other things");
    no_dict(Pickle::new().tensor(&SIX, false).op("0]."), "a list");
    let twice = Pickle::new().op("}").text("a").tensor(&SIX, false).op("s").text("a").tensor(&SIX, false).op("s.");
    check(twice, "expected each name once, found a twice");
}

#[test]
fn a_stack_that_does_not_fit() {
    let empty = "expected a value on the stack (pickle), found none";
    check(Pickle::new().op("."), empty);
    check(Pickle::new().op("0"), empty);
    check(Pickle::new().op("2"), empty);
    let error = error_of(&zip_pickle(&Pickle::new().op("N(").0, &[]));
    assert!(error.ends_with("expected 1 bytes of a pickle, found 0 bytes before the end"), "{error}");
    check(Pickle::new().op("N(0"), empty); // below the mark
    check(Pickle::new().op("N(N").op([0x86]), empty);
    check(Pickle::new().op("Nt"), "expected a mark on the stack (pickle), found none");
    check(Pickle::new().op([b'h', 7]), "expected a value in the memo (pickle), found none at 7");
    check(
        Pickle::new().op([b'j', 255, 255, 255, 255]),
        "expected a value in the memo (pickle), found none at 4294967295",
    );
    check(Pickle::new().op("NNs"), empty);
    check(Pickle::new().op("}(Nu"), "expected keys with values (pickle), found a key without");
    check(Pickle::new().op("NNa"), "expected a list to append to (pickle), found None");
}

#[test]
fn views_outside_their_storage() {
    #[track_caller]
    fn inside(tensor: Tensor<'_>, found: &str) {
        let pickle = Pickle::new().op("}").text("a").tensor(&tensor, false).op("s.");
        check(pickle, &format!("tensor a: expected a view inside its storage of 24 bytes, found {found}"));
    }
    inside(Tensor { offset: 1, ..SIX }, "F32 of shape [2, 3], strides [3, 1], from element 1");
    inside(Tensor { strides: &[4, 1], ..SIX }, "F32 of shape [2, 3], strides [4, 1], from element 0");
    inside(
        Tensor { shape: &[1 << 40, 1 << 40], strides: &[0, 0], ..SIX },
        "F32 of shape [1099511627776, 1099511627776], strides [0, 0], from element 0",
    );
    inside(Tensor { offset: i64::MAX, ..SIX }, "F32 of shape [2, 3], strides [3, 1], from element 9223372036854775807");
    inside(
        Tensor { strides: &[i64::MAX, i64::MAX], ..SIX },
        "F32 of shape [2, 3], strides [9223372036854775807, 9223372036854775807], from element 0",
    );
    let error =
        |tensor: Tensor<'_>| error_of(&zip_pickle(&Pickle::state_dict(&[("a", tensor)], false), &[("0", &six())]));
    let ends = |error: String, end: &str| assert!(error.ends_with(end), "{error}");
    ends(error(Tensor { strides: &[-3, 1], ..SIX }), "expected a size (pickle), found -3");
    ends(
        error(Tensor { strides: &[1], ..SIX }),
        "expected a stride for each dimension (pickle), found 1 for 2 dimensions",
    );
    ends(error(Tensor { shape: &[1; 65], ..SIX }), "expected at most 64 dimensions (pickle), found 65");
    ends(error(Tensor { count: 7, ..SIX }), "expected 7 elements in storage 0, found 24 bytes");
    ends(
        error(Tensor { count: i64::MAX, ..SIX }),
        "expected 9223372036854775807 elements in storage 0, found 24 bytes",
    );
    ends(error(Tensor { count: -1, ..SIX }), "expected a size (pickle), found -1");
    ends(error(Tensor { key: "1", ..SIX }), "expected the storage archive/data/1, found an archive without");
    ends(error(Tensor { key: "../0", ..SIX }), "expected the storage archive/data/../0, found an archive without");
    // a stride of 0 that makes terabytes of one element
    ends(
        error(Tensor { shape: &[1 << 40], strides: &[0], ..SIX }),
        "tensor a: expected a tensor no larger than its file, found [1099511627776] with strides [0]",
    );
}

#[test]
fn storages_before_1_6() {
    let object = Pickle::state_dict(&[("a", SIX)], true);
    let ends = |bytes: &[u8], end: &str| {
        let error = error_of(bytes);
        assert!(error.starts_with("FILE: byte ") && error.ends_with(end), "{error}");
    };
    ends(&legacy(&object, &[]), "expected the bytes of every storage, found none for 0");
    ends(
        &legacy(&object, &[("0", 6, &six()), ("1", 0, &[])]),
        "expected storages of the tensors, found a storage 1 that no tensor uses",
    );
    ends(
        &legacy(&object, &[("0", 1 << 60, &six())]),
        "expected 1152921504606846976 elements of 4 bytes for storage 0, found 24 bytes before the end",
    );
    ends(
        &legacy(&object, &[("0", u64::MAX, &six())]),
        "expected 18446744073709551615 elements of 4 bytes for storage 0, found 24 bytes before the end",
    );
    ends(
        &legacy(&object, &[("0", 5, &six())]),
        "tensor a: expected a view inside its storage of 20 bytes, found F32 of shape [2, 3], strides [3, 1], from element 0",
    );
    assert_eq!(
        error_of(&legacy(&object, &[("0", 6, &six()), ("0", 6, &six())])),
        "FILE: expected each name once, found 0 twice"
    );
    let big = [&legacy_head(false)[..], &object].concat();
    ends(&big, "expected numbers that are little-endian, found a file that does not say so");
    let mut version = legacy(&object, &[("0", 6, &six())]);
    version[18] ^= 1;
    ends(&version, "expected version 1001 of torch.save, found 1000");
}

#[test]
fn a_view_of_a_storage_before_1_6() {
    // ('storage', FloatStorage, 'root', 'cpu', 6, ('view', 2, 3)): elements 2 to 4 of the root
    let object = Pickle::new()
        .op("}")
        .text("a")
        .global("torch._utils", "_rebuild_tensor")
        .op("((")
        .text("storage")
        .global("torch", "FloatStorage")
        .text("root")
        .text("cpu")
        .int(6)
        .op("(")
        .text("view")
        .int(2)
        .int(3)
        .op("ttQ")
        .int(1)
        .op("(K\x02t(K\x01ttRs.");
    let file = common::open(&legacy(&object.0, &[("root", 6, &six())])).unwrap();
    assert_eq!(file.read_f32("a").unwrap(), [3.0, 4.0]);
}

#[test]
fn pickles_that_other_versions_wrote() {
    let read = |pickle: Pickle| {
        let file = common::open(&zip_pickle(&pickle.0, &[("0", &six())])).unwrap();
        (file.names(), file.read_f32("a").unwrap())
    };
    let expected = (vec!["a".to_owned()], vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    // attributes of the dict, as model.state_dict() has them
    let dict = || Pickle::new().global("collections", "OrderedDict").op(")R").text("a").tensor(&SIX, false).op("s");
    assert_eq!(read(dict().op("}").text("_metadata").op("}sb.")), expected);
    // Python 2: OrderedDict([['a', tensor]])
    let pairs =
        Pickle::new().global("collections", "OrderedDict").op("(](](").text("a").tensor(&SIX, false).op("eetR.");
    assert_eq!(read(pairs), expected);
    // nested beside an optimizer's state and a loss
    for nest in ["state_dict", "model", "model_state_dict"] {
        let outer = Pickle::new().op("}").text("loss").op("G\0\0\0\0\0\0\0\0s").text("optimizer").op("}s").text(nest);
        let inner = outer.op("}").text("a").tensor(&SIX, false).op("ss").text("best").tensor(&SIX, false).op("s.");
        assert_eq!(read(inner), expected, "{nest}");
    }
    // a parameter
    let parameter = Pickle::new().op("}").text("a").global("torch._utils", "_rebuild_parameter").op("(");
    assert_eq!(read(parameter.tensor(&SIX, false).op([0x88]).op("}tRs.")), expected);
    // protocol 4: frames, short names, memoize
    let frame = Pickle(vec![0x80, 4, 0x95, 1, 0, 0, 0, 0, 0, 0, 0]).op("}").op([0x94, 0x8c, 1, b'a', 0x94]);
    assert_eq!(read(frame.tensor(&SIX, false).op([0x94]).op("s.")), expected);
    // a dict within itself
    let loops = Pickle::new().op("}q\0").text("model").op("h\0s").text("a").tensor(&SIX, false).op("s.");
    assert_eq!(read(loops), expected);
}

#[test]
fn archives() {
    let pickle = Pickle::state_dict(&[("a", SIX)], false);
    let storage = six();
    let entries = || vec![Entry::stored("x/data.pkl", &pickle), Entry::stored("x/data/0", &storage)];
    let values = |entries: &[Entry], zip64| common::open(&zip(entries, zip64)).unwrap().read_f32("a").unwrap();
    // any folder, ZIP64, deflated, no checksum, a comment
    assert_eq!(values(&entries(), false), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    assert_eq!(values(&entries(), true), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    let deflated = [Entry::deflated("x/data.pkl", &pickle), Entry::deflated("x/data/0", &storage)];
    assert_eq!(values(&deflated, false), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    let no_crc: Vec<_> = entries().into_iter().map(|e| Entry { crc: 0, ..e }).collect();
    assert_eq!(values(&no_crc, false), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    let mut comment = zip(&entries(), false);
    let len = comment.len();
    comment[len - 2] = 4;
    comment.extend(b"PK\x05\x06");
    assert!(common::open(&comment).is_ok());

    let change = |i: usize, change: fn(&mut Entry)| {
        let mut entries = entries();
        change(&mut entries[i]);
        error_of(&zip(&entries, false))
    };
    let ends = |error: String, end: &str| assert!(error.starts_with("FILE: ") && error.ends_with(end), "{error}");
    ends(
        change(1, |e| e.crc ^= 1),
        &format!(
            "tensor a: expected bytes with the CRC-32 {:08x}, found {:08x}",
            entries()[1].crc ^ 1,
            entries()[1].crc
        ),
    );
    ends(change(0, |e| e.crc ^= 1), &format!("found {:08x}", entries()[0].crc));
    ends(
        change(1, |e| (e.packed_len, e.len) = (1 << 60, 1 << 60)),
        "expected an entry of 1152921504606846976 bytes (x/data/0), found 24 before the directory",
    );
    ends(
        change(1, |e| e.len = 1 << 60),
        "expected one size for an entry that is not compressed (x/data/0), found 24 and 1152921504606846976",
    );
    ends(
        change(1, |e| (e.method, e.len) = (8, 1 << 60)),
        "expected a deflated entry of at most 64 MiB or 8 times the archive (x/data/0), found 1152921504606846976 made of 24",
    );
    ends(change(1, |e| e.method = 93), "expected an entry that is stored or deflated (x/data/0), found method 93");
    ends(change(1, |e| e.name = "y/data/0".into()), "expected the storage x/data/0, found an archive without");
    ends(change(1, |e| e.name = "x/data.pkl".into()), "expected each name once, found x/data.pkl twice");
    ends(change(1, |e| e.name = "y/data.pkl".into()), "expected one data.pkl, found several");
    ends(
        change(0, |e| e.name = "y/x/data.pkl".into()),
        "expected an archive of torch.save with data.pkl, found an archive without",
    );
    ends(
        change(1, |e| e.header = Some(0)),
        "byte 0: expected entries one after the other, found x/data.pkl within another",
    );
    ends(
        change(1, |e| e.header = Some(50)),
        "byte 50: expected entries one after the other, found x/data/0 within another",
    );
    let past = change(1, |e| e.header = Some(1 << 60));
    ends(past, "byte 1152921504606846976: expected the header of an entry (x/data/0), found something else");
    let mut big = entries();
    big.push(Entry::stored("x/byteorder", b"big"));
    ends(error_of(&zip(&big, false)), "expected byteorder little, found \"big\"");
    // more than the directory says comes out of a deflated entry, or less
    let (short, long) = (
        Entry { len: 23, ..Entry::deflated("x/data/0", &storage) },
        Entry { len: 25, ..Entry::deflated("x/data/0", &storage) },
    );
    for (entry, found) in
        [(short, "expected 6 elements in storage 0, found 23 bytes"), (long, "expected 25 deflated bytes, found 24")]
    {
        ends(error_of(&zip(&[entries().remove(0), entry], false)), found);
    }
    let broken = Entry { bytes: vec![0xff; 24], ..Entry { method: 8, ..Entry::stored("x/data/0", &storage) } };
    let error = error_of(&zip(&[entries().remove(0), broken], false));
    assert!(error.contains("tensor a: expected 24 deflated bytes"), "{error}");
}

#[test]
fn truncated_anywhere() {
    let pickle = Pickle::state_dict(&[("a", SIX)], false);
    let files = [
        zip_pickle(&pickle, &[("0", &six())]),
        zip(&[Entry::stored("x/data.pkl", &pickle), Entry::stored("x/data/0", &six())], true),
        legacy(&Pickle::state_dict(&[("a", SIX)], true), &[("0", 6, &six())]),
    ];
    for file in files {
        assert!(common::open(&file).unwrap().read_f32("a").is_ok());
        for len in 0..file.len() {
            assert!(common::open(&file[..len]).is_err(), "{len} of {}", file.len());
        }
    }
}
