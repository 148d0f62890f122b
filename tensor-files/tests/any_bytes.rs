//! Laws of any bytes: no panic, and memory that follows the length of the file. Bombs are counted, not believed.

// A counting allocator is the only way to see what was asked for and never touched.
#![allow(unsafe_code)]

mod common;

use common::{Entry, Pickle, SIX, Tensor, floats, legacy, safetensors, zip, zip_pickle};
use proptest::prelude::*;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use tensor_files::{Access, Checkpoint, Result};

struct Counting;

thread_local! {
    // Of this thread alone, since tests run side by side; the library starts none.
    static NOW: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn grown(bytes: usize) {
    NOW.set(NOW.get() + bytes as isize);
    PEAK.set(PEAK.get().max(NOW.get()));
}

fn shrunk(bytes: usize) {
    NOW.set(NOW.get() - bytes as isize);
}

// SAFETY: every call goes to the system's allocator unchanged; only numbers are kept besides.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        shrunk(layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        grown(size); // as if old and new lived together for a moment
        shrunk(layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes of memory for each byte of a file at the most, beside 1 MiB: an opcode of one byte makes a value of 32, a place on the
/// stack and, as vectors grow, their older halves.
const PER_BYTE: usize = 128;

/// Opens bytes as a file and reads every tensor in every way, and checks how much memory was in use at the most.
fn read_all(bytes: &[u8], access: Access) -> Result<usize> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let before = NOW.get();
    PEAK.set(before);
    let result = Checkpoint::open_with(file.path(), access).map(|checkpoint| {
        let names = checkpoint.names();
        for name in &names {
            // Errors are as good as values here.
            let _ = checkpoint.read_f32(name);
            let _ = checkpoint.read_f32_transposed(name);
            let _ = checkpoint.read_i64(name);
            assert!(checkpoint.shares_storage(name, name));
        }
        names.len()
    });
    let most = (PEAK.get() - before) as usize;
    let allowed = PER_BYTE * bytes.len() + (1 << 20);
    assert!(most <= allowed, "{most} bytes of memory for a file of {}", bytes.len());
    result
}

/// A bomb of about a megabyte; returns what is said of it.
#[track_caller]
fn bomb(pickle: Pickle) -> String {
    let started = std::time::Instant::now();
    let error = read_all(&zip_pickle(&pickle.0, &[("0", &[0; 24])]), Access::Mapped).map(|n| format!("{n} tensors"));
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
    match error {
        Ok(found) => found,
        Err(error) => error.to_string().rsplit_once("expected ").unwrap().1.to_owned(),
    }
}

const MEGA: usize = 1 << 20;

#[test]
fn bombs_go_off_nowhere() {
    let too_much = "a pickle of tensors (pickle), found one that builds more than its file could hold";
    let no_dict = "a state dict, tensors by name, found";
    // tuples of pairs of the one before: 2^300,000 leaves, and as deep
    let doubling = Pickle::new().op("N").op(b"2\x86".repeat(300_000)).op(".");
    assert_eq!(bomb(doubling), format!("{no_dict} a tuple"));
    let by_memo = Pickle::new().op("]").op(b"q\0h\0h\0\x86".repeat(100_000)).op(".");
    assert_eq!(bomb(by_memo), format!("{no_dict} a tuple"));
    // lists in lists
    assert_eq!(
        bomb(Pickle::new().op("]".repeat(MEGA / 2)).op("a".repeat(MEGA / 2 - 1)).op(".")),
        format!("{no_dict} a list")
    );
    // marks, values and dicts without end
    for opcode in ["(", ")", "]", "}", "N", "K\0", "]2", "(d"] {
        bomb(Pickle::new().op(opcode.repeat(MEGA / opcode.len())));
    }
    bomb(
        Pickle::new().op("N").op((0..MEGA as u32 / 5)
            .flat_map(|i| [&b"r"[..], &i.wrapping_mul(2_654_435_761).to_le_bytes()].concat())
            .collect::<Vec<_>>()),
    );
    bomb(Pickle::new().op("N").op([0x94].repeat(MEGA)));
    // declared lengths
    let text = |opcode: u8, len: &[u8]| bomb(Pickle::new().op([opcode]).op(len));
    assert_eq!(text(b'X', &[0xff; 4]), "4294967295 bytes of text, found 0 bytes before the end");
    assert_eq!(text(b'B', &[0xff; 4]), "4294967295 bytes of text, found 0 bytes before the end");
    assert_eq!(text(0x8d, &[0xff; 8]), "18446744073709551615 bytes of text, found 0 bytes before the end");
    assert_eq!(text(0x8b, &[0xff; 4]), "4294967295 bytes of an integer, found 0 bytes before the end");
    assert!(
        text(0x95, &[0xff; 8]).starts_with("a frame inside the file (pickle), found one of 18446744073709551615 bytes")
    );
    // an integer of eight million bits, a name of a million letters
    assert_eq!(
        bomb(Pickle::new().op([0x8b]).op((MEGA as u32).to_le_bytes()).op(vec![1; MEGA]).op(".")),
        format!("{no_dict} a number, bytes or a set")
    );
    assert_eq!(bomb(Pickle::new().op("c").op("m".repeat(MEGA))), "a name of a line (pickle), found a longer one");
    // a long list that is copied into a dict again and again
    let list = Pickle::new()
        .op("](")
        .op("(NNl".repeat(50_000))
        .op("eq\x010")
        .global("collections", "OrderedDict")
        .op("q\x020");
    assert_eq!(bomb(list.op(b"h\x02h\x01\x85R0".repeat(50_000)).op(".")), too_much);
    // a shape of many dimensions that is used again and again
    let long = Tensor { shape: &[1; 64], strides: &[1; 64], ..SIX };
    let arguments = Pickle::new().tensor(&long, false);
    let arguments = Pickle(arguments.0[..arguments.0.len() - 1].to_vec()); // without the call
    let again = arguments.op("q\x010q\x020").op(b"h\x02h\x01R0".repeat(100_000)).op(".");
    assert_eq!(bomb(again), too_much);
}

/// A megabyte of zeros in a kilobyte: no more of it is unpacked than the directory says, and the directory may not say anything.
#[test]
fn deflated_bombs_go_off_nowhere() {
    let bomb = Entry::deflated("x/data/0", &vec![0; MEGA]);
    assert!(bomb.bytes.len() < 2048);
    let small = Entry { len: 24, ..bomb.clone() };
    let bytes = zip(&[Entry::stored("x/data.pkl", &Pickle::state_dict(&[("a", SIX)], false)), small], false);
    assert_eq!(read_all(&bytes, Access::Mapped).unwrap(), 1);
    assert!(common::error_of(&bytes).ends_with("tensor a: expected 24 deflated bytes, found more"));
    let large = Tensor { count: 1 << 30, shape: &[1 << 30], strides: &[1], ..SIX };
    let pickle = Pickle::state_dict(&[("a", large)], false);
    let large = Entry { len: 4 << 30, ..bomb };
    let error = read_all(&zip(&[Entry::stored("x/data.pkl", &pickle), large], false), Access::Mapped).unwrap_err();
    assert!(error.to_string().contains("expected a deflated entry of at most 64 MiB"), "{error}");
}

/// Small files of every kind, valid.
fn valid() -> Vec<Vec<u8>> {
    let data = floats(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    let column_major = Tensor { strides: &[1, 2], ..SIX };
    let strided = Tensor { shape: &[2, 2], strides: &[3, 2], ..SIX };
    let whole = Tensor { class: "LongStorage", key: "1", count: 3, offset: 0, shape: &[3], strides: &[1] };
    let object = |legacy| {
        let tensors = [("a", SIX), ("b", column_major), ("c", strided), ("d", whole)];
        Pickle::state_dict(&tensors, legacy)
    };
    let header = r#"{"__metadata__":{"format":"pt"},"a":{"dtype":"F16","shape":[2,3],"data_offsets":[0,12]},"b":{"dtype":"I32","shape":[3],"data_offsets":[12,24]}}"#;
    let entries = [
        Entry::deflated("x/data.pkl", &object(false)),
        Entry::stored("x/data/0", &data),
        Entry::deflated("x/data/1", &data),
        Entry::stored("x/byteorder", b"little"),
    ];
    vec![
        safetensors(header, &data),
        zip_pickle(&object(false), &[("0", &data), ("1", &data)]),
        zip(&entries, true),
        legacy(&object(true), &[("0", 6, &data), ("1", 3, &data)]),
        br#"{"metadata":{"total_size":8},"weight_map":{"a":"none.bin","b":"none.bin"}}"#.to_vec(),
    ]
}

#[test]
fn valid_files_are_valid() {
    for (file, expected) in valid().iter().zip([2, 4, 4, 4]) {
        for access in [Access::Mapped, Access::Read] {
            assert_eq!(read_all(file, access).unwrap(), expected);
        }
    }
}

/// A change of some bytes.
#[derive(Debug, Clone)]
enum Edit {
    Set(prop::sample::Index, u8),
    Remove(prop::sample::Index, usize),
    Insert(prop::sample::Index, Vec<u8>),
    Copy(prop::sample::Index, prop::sample::Index, usize),
    Number(prop::sample::Index, u64),
}

fn edit() -> impl Strategy<Value = Edit> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        3 => (at(), any::<u8>()).prop_map(|(at, byte)| Edit::Set(at, byte)),
        1 => (at(), 0_usize..40).prop_map(|(at, n)| Edit::Remove(at, n)),
        1 => (at(), prop::collection::vec(any::<u8>(), 0..12)).prop_map(|(at, bytes)| Edit::Insert(at, bytes)),
        1 => (at(), at(), 1_usize..40).prop_map(|(from, to, n)| Edit::Copy(from, to, n)),
        1 => (at(), prop_oneof![Just(u64::MAX), Just(1 << 60), Just(i64::MAX as u64), 0_u64..300]).prop_map(|(at, n)| Edit::Number(at, n)),
    ]
}

fn apply(bytes: &mut Vec<u8>, edit: &Edit) {
    if bytes.is_empty() {
        return;
    }
    let end = |at: usize, n: usize| (at + n).min(bytes.len());
    match edit {
        Edit::Set(at, byte) => *at.get_mut(bytes) = *byte,
        Edit::Remove(at, n) => {
            let at = at.index(bytes.len());
            bytes.drain(at..end(at, *n));
        }
        Edit::Insert(at, new) => {
            let at = at.index(bytes.len());
            bytes.splice(at..at, new.iter().copied());
        }
        Edit::Copy(from, to, n) => {
            let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
            let part = bytes[from..end(from, *n)].to_vec();
            bytes.splice(to..to, part);
        }
        Edit::Number(at, n) => {
            let at = at.index(bytes.len());
            let end = end(at, 8);
            let n = &n.to_le_bytes()[..end - at];
            bytes[at..end].copy_from_slice(n);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn changed_files(which in 0_usize..5, edits in prop::collection::vec(edit(), 1..6), mapped: bool) {
        let mut bytes = valid().swap_remove(which);
        edits.iter().for_each(|edit| apply(&mut bytes, edit));
        let _ = read_all(&bytes, if mapped { Access::Mapped } else { Access::Read });
    }

    /// The pickle alone is changed, so that neither checksums nor the archive stand before it.
    #[test]
    fn changed_pickles(edits in prop::collection::vec(edit(), 1..6), is_legacy: bool) {
        let column_major = Tensor { strides: &[1, 2], ..SIX };
        let mut pickle = Pickle::state_dict(&[("a", SIX), ("b", column_major)], is_legacy);
        edits.iter().for_each(|edit| apply(&mut pickle, edit));
        let data = floats(&[0.0; 6]);
        let bytes = match is_legacy {
            true => legacy(&pickle, &[("0", 6, &data)]),
            false => zip_pickle(&pickle, &[("0", &data)]),
        };
        let _ = read_all(&bytes, Access::Mapped);
    }

    /// Headers of safetensors with other numbers in them.
    #[test]
    fn changed_headers(shape in prop::collection::vec(0_u64..4, 0..3), from in 0_u64..30, to in 0_u64..30, n in 0_usize..30) {
        let header = format!(r#"{{"a":{{"dtype":"F32","shape":{shape:?},"data_offsets":[{from},{to}]}}}}"#);
        let valid = from == 0 && to == n as u64 && to == 4 * shape.iter().product::<u64>();
        prop_assert_eq!(read_all(&safetensors(&header, &vec![0; n]), Access::Mapped).is_ok(), valid);
    }

    #[test]
    fn any_opcodes(opcodes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read_all(&zip_pickle(&Pickle::new().op(opcodes).0, &[]), Access::Mapped);
    }
}
