//! What a GGUF or llama2.c file claims costs no memory: only bytes that are there do.

// A counting allocator is the only way to see what was asked for and never touched.
#![allow(unsafe_code)]

#[path = "gguf/raw.rs"]
mod raw;

use raw::{Raw, entry, sample, tensor};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use tensor_files::gguf::{GgufFile, GgufLlama};
use tensor_files::llama2c::Llama2cFile;

struct Counting;

thread_local! {
    static NOW: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

fn grown(bytes: usize) {
    let now = NOW.get() + bytes;
    NOW.set(now);
    PEAK.set(PEAK.get().max(now));
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
        NOW.set(NOW.get().saturating_sub(layout.size()));
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        grown(size); // as if old and new lived together for a moment
        NOW.set(NOW.get().saturating_sub(layout.size()));
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most memory that `work` had at a time.
fn peak<T>(work: impl FnOnce() -> T) -> usize {
    let before = NOW.get();
    PEAK.set(before);
    let result = work();
    let peak = PEAK.get() - before;
    drop(result);
    peak
}

/// Opens and reads everything, tensor by tensor.
fn use_all(bytes: Vec<u8>) {
    let Ok(file) = GgufFile::from_bytes("t", bytes) else { return };
    for tensor in file.tensors() {
        let _ = file.read_f32(&tensor.name);
    }
    let _ = GgufLlama::new(file);
}

/// The bytes of a file in, at most so many of memory out. A tensor of Q2_K has 12 bytes of `f32` for each of the file's; an
/// empty string in a list 24 for 8, and as much again while the list grows.
fn check(bytes: Vec<u8>) {
    let most = 64 * bytes.len() + (64 << 10);
    let len = bytes.len();
    let peak = peak(|| use_all(bytes));
    assert!(peak <= most, "{peak} bytes of memory for a file of {len}");
}

#[test]
fn memory_is_bounded_by_the_bytes_that_are_there() {
    let huge = [1u64 << 60, u64::MAX, 1 << 32, 1 << 40];
    for count in huge {
        check(Raw { tensor_count: Some(count), ..sample() }.bytes());
        check(Raw { entry_count: Some(count), ..sample() }.bytes());
        for kind in 0..13u32 {
            let array = [&kind.to_le_bytes()[..], &count.to_le_bytes(), &[0; 64]].concat();
            check(Raw::new().entry("k", 9, &array).bytes());
        }
        check(Raw::new().entry("k", 8, &count.to_le_bytes()).bytes());
        for dims in [vec![count], vec![32, count], vec![count, 0], vec![0, count, count]] {
            check(Raw { tensors: vec![tensor("x", &dims, 0, 0)], ..Raw::new() }.bytes());
        }
    }
    // Honest, and as dense as can be.
    let empty_strings = [&8u32.to_le_bytes()[..], &100_000u64.to_le_bytes(), &[0; 800_000]].concat();
    check(Raw::new().entry("k", 9, &empty_strings).bytes());
    let lists = [&[8, 0, 0, 0][..], &[0; 8]].concat().repeat(50_000);
    check(Raw::new().entry("k", 9, &[&9u32.to_le_bytes()[..], &50_000u64.to_le_bytes(), &lists].concat()).bytes());
    check(Raw { entries: (0..20_000).map(|i| entry(&i.to_string(), 0, &[0])).collect(), ..Raw::new() }.bytes());
    check(Raw { tensors: (0..20_000).map(|i| tensor(&i.to_string(), &[], 0, 32 * i)).collect(), ..Raw::new() }.bytes());
    check(Raw { tensors: (0..5_000).map(|i| tensor(&i.to_string(), &[0], 0, 0)).collect(), ..Raw::new() }.bytes());
    // Bytes that many tensors share are refused: each would be read.
    let same = (0..1000).map(|i| tensor(&i.to_string(), &[4096], 10, 0)).collect();
    let shared = Raw { tensors: same, ..Raw::new().data(&[0; 84 * 16]) }.bytes();
    assert!(GgufFile::from_bytes("t", shared).unwrap_err().to_string().contains("expected bytes of its own"));
    check(Raw { tensors: vec![tensor("x", &[256 * 1000], 10, 0)], ..Raw::new().data(&vec![0; 84 * 1000]) }.bytes());
}

#[test]
fn each_byte_may_lie() {
    let whole = sample().bytes();
    for at in 0..whole.len() {
        for byte in [0, 1, 0x7f, 0x80, 0xff] {
            let mut file = whole.clone();
            file[at] = byte;
            check(file);
        }
    }
}

#[test]
fn llama2c_headers() {
    for layers in [1, 1 << 20, i32::MAX] {
        for big in [2, 1 << 16, i32::MAX - 1] {
            let header = [big, 3, layers, 1, 1, big, big];
            let bytes: Vec<u8> = header.iter().flat_map(|n| n.to_le_bytes()).chain([0; 1000]).collect();
            let peak = peak(|| Llama2cFile::from_bytes("t", bytes));
            assert!(peak < 64 << 10, "{peak} bytes of memory for {header:?}");
        }
    }
}
