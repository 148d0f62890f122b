//! What an attacker or a broken disk sends: a clear error each, within 64 MiB of memory.

// A counting allocator is the only way to see what was asked for and never touched.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs;
use std::io::{self, BufReader, Cursor, Read, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use flate2::write::GzEncoder;
use flate2::{Compression as Level, Crc};
use genome_formats::{
    BgzfWriter, Compression, Error, ErrorKind, Fai, Gzi, IndexedFasta, IndexedText, Input, MakeIndex, Preset,
};

const MOST: usize = 64 << 20;

struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn grown(bytes: usize) {
    let now = NOW.fetch_add(bytes, Ordering::Relaxed) + bytes;
    PEAK.fetch_max(now, Ordering::Relaxed);
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
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        grown(size); // as if old and new lived together for a moment
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Runs alone, and checks how much memory was in use at the most.
fn within_memory<T>(what: &str, run: impl FnOnce() -> T) -> T {
    static ALONE: Mutex<()> = Mutex::new(());
    let alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let before = NOW.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let outcome = run();
    let most = PEAK.load(Ordering::Relaxed).saturating_sub(before);
    drop(alone);
    println!("{what}: {:.1} MiB", most as f64 / (1 << 20) as f64);
    assert!(most < MOST, "{what}: {most} bytes of memory");
    outcome
}

/// The same bytes again and again.
struct Again {
    bytes: Vec<u8>,
    at: usize,
    left: usize,
}

impl Read for Again {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.at == self.bytes.len() && self.left > 0 {
            (self.at, self.left) = (0, self.left - 1);
        }
        let n = (&self.bytes[self.at..]).read(buf)?;
        self.at += n;
        Ok(n)
    }
}

fn again(bytes: Vec<u8>, times: usize) -> BufReader<Again> {
    BufReader::with_capacity(128 * 1024, Again { bytes, at: 0, left: times - 1 })
}

const PIECE: u64 = 100_000_000;

fn pack(compression: Compression, mut bytes: impl Read) -> Vec<u8> {
    match compression {
        Compression::Gzip => {
            let mut out = GzEncoder::new(Vec::new(), Level::new(9));
            io::copy(&mut bytes, &mut out).unwrap();
            out.finish().unwrap()
        }
        Compression::Bgzf => {
            let mut out = BgzfWriter::with_level(Vec::new(), 9);
            io::copy(&mut bytes, &mut out).unwrap();
            out.finish().unwrap()
        }
        Compression::Bzip2 => {
            let mut out = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
            io::copy(&mut bytes, &mut out).unwrap();
            out.finish().unwrap()
        }
        Compression::Zstd => ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest),
        Compression::Xz => {
            let mut out = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(0)).unwrap();
            io::copy(&mut bytes, &mut out).unwrap();
            out.finish().unwrap()
        }
        other => panic!("{other} packs nothing"),
    }
}

const ALL: [Compression; 5] =
    [Compression::Gzip, Compression::Bgzf, Compression::Bzip2, Compression::Zstd, Compression::Xz];

/// Reads to the end, keeping nothing.
fn drain(input: Result<Input, Error>) -> Result<u64, Error> {
    let mut input = input?;
    let name = input.name().to_owned();
    let mut buffer = vec![0; 256 * 1024];
    let mut bytes = 0;
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return Ok(bytes),
            Ok(n) => bytes += n as u64,
            // As the readers of the formats tell it.
            Err(error) => {
                struct Broken(Option<io::Error>);
                impl Read for Broken {
                    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                        Err(self.0.take().expect("read once"))
                    }
                }
                return Err(genome_formats::FastaReader::new(name, Broken(Some(error))).next().unwrap().unwrap_err());
            }
        }
    }
}

fn open(bytes: &[u8]) -> Result<Input, Error> {
    Input::from_bytes("x", bytes.to_vec())
}

#[test]
fn bombs_are_limited() {
    for compression in ALL {
        let member = pack(compression, io::repeat(0).take(PIECE));
        let error = within_memory(&format!("10 GB of zeros in {compression}"), || {
            drain(Input::from_reader("x", again(member, 100))).unwrap_err()
        });
        assert_eq!(error.kind(), ErrorKind::Limit, "{compression}: {error}");
        assert!(error.to_string().contains("Limits::max_inflate_ratio"), "{error}");
    }
}

#[test]
fn a_bomb_in_a_bomb_is_refused_by_name() {
    let inner = again(pack(Compression::Gzip, io::repeat(0).take(PIECE)), 100);
    let outer = pack(Compression::Gzip, inner);
    let error = within_memory("gzip in gzip", || drain(open(&outer)).unwrap_err());
    assert_eq!(
        error.to_string(),
        "x: unsupported encoding: expected a genome format, plain or in gzip, BGZF, Zstandard, bzip2 or xz, found gzip data inside gzip data"
    );
}

#[test]
fn large_files_that_are_no_bombs_pass() {
    // Letters that shrink to a fourth or so, 300 MB of them.
    let mut state = 1u64;
    let letters: Vec<u8> = (0..3_000_000)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            b"ACGT"[(state >> 62) as usize]
        })
        .collect();
    for compression in [Compression::Gzip, Compression::Bgzf, Compression::Zstd] {
        let member = pack(compression, &letters[..]);
        let bytes = within_memory(&format!("300 MB in {compression}"), || {
            drain(Input::from_reader("x", again(member, 100))).unwrap()
        });
        assert_eq!(bytes, 300_000_000);
    }
}

#[test]
fn bgzf_blocks_that_lie() {
    let file = pack(Compression::Bgzf, &b">a\nACGTACGTACGT\n"[..]);
    let check = |what: &str, change: &dyn Fn(&mut Vec<u8>), kind: ErrorKind, expected: &str| {
        let mut file = file.clone();
        change(&mut file);
        let error = within_memory(what, || drain(open(&file)).unwrap_err());
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    };
    let end = file.len() - 28;
    check("cut at a block boundary", &|f| f.truncate(end), ErrorKind::Truncated, "without its end marker");
    check("BSIZE 65535", &|f| f[16..18].fill(0xff), ErrorKind::Truncated, "truncated BGZF file");
    check("BSIZE 0", &|f| f[16..18].fill(0), ErrorKind::Syntax, "a block that is shorter than its header");
    check("BSIZE 25", &|f| f[16..18].copy_from_slice(&[25, 0]), ErrorKind::Syntax, "shorter than its header");
    check("ISIZE 4 GiB", &|f| f[end - 4..end].fill(0xff), ErrorKind::Syntax, "declares more than 64 KiB");
    check("ISIZE 64 KiB", &|f| f[end - 4..end].copy_from_slice(&[0, 0, 1, 0]), ErrorKind::Syntax, "does not match");
    // A member that inflates to more than 64 KiB, dressed as a block.
    let bomb = pack(Compression::Gzip, io::repeat(0).take(1 << 20));
    let mut block = bomb[..10].to_vec();
    block[3] = 4;
    let size = (bomb.len() + 8 - 1) as u16;
    block.extend([6, 0, b'B', b'C', 2, 0]);
    block.extend(size.to_le_bytes());
    block.extend(&bomb[10..]);
    let last = block.len() - 4;
    block[last..].copy_from_slice(&[0, 0, 1, 0]);
    let error = within_memory("a block of 1 MiB", || drain(open(&block)).unwrap_err());
    assert!(error.to_string().contains("a block of more than 64 KiB"), "{error}");
}

#[test]
fn dictionaries_and_windows_that_lie() {
    // Zstandard: a window of 3.75 TiB; a frame that declares 2^62 bytes in one segment; a skippable frame of 4 GiB.
    let check = |what: &str, bytes: &[u8], kind: ErrorKind, expected: &str| {
        let error = within_memory(what, || drain(open(bytes)).unwrap_err());
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    };
    let magic = b"\x28\xb5\x2f\xfd".to_vec();
    check("zstd window", &[magic.clone(), vec![0x00, 0xf6, 1, 0, 0]].concat(), ErrorKind::Limit, "Limits::max_window");
    let mut single = [magic, vec![0xe0]].concat();
    single.extend((1u64 << 62).to_le_bytes());
    single.extend([1, 0, 0]);
    check("zstd segment", &single, ErrorKind::Limit, "Limits::max_window");
    let skip = b"\x50\x2a\x4d\x18\xff\xff\xff\xffabc";
    check("zstd skippable frame", skip, ErrorKind::Truncated, "truncated Zstandard file");

    // xz: the dictionary of the block header becomes 4 GiB.
    let mut xz = pack(Compression::Xz, &b">a\nACGT\n"[..]);
    let header = (usize::from(xz[12]) + 1) * 4;
    let filter = (12..12 + header).find(|&at| xz[at..at + 2] == [0x21, 1]).unwrap();
    xz[filter + 2] = 40;
    let mut crc = Crc::new();
    crc.update(&xz[12..12 + header - 4]);
    xz[12 + header - 4..12 + header].copy_from_slice(&crc.sum().to_le_bytes());
    check("xz dictionary", &xz, ErrorKind::Limit, "Limits::max_window");
}

#[test]
fn gzip_headers_without_end() {
    let mut header = b"\x1f\x8b\x08\x18\0\0\0\0\0\x03".to_vec(); // a name and a comment follow
    header.extend(vec![b'A'; 1 << 20]);
    let file = again(header, 1);
    let rest = again(vec![b'A'; 1 << 20], 300);
    let error = within_memory("a name of 300 MB", || {
        let error = drain(Input::from_reader("x", BufReader::with_capacity(1 << 16, file.chain(rest))));
        error.unwrap_err()
    });
    assert!(error.is_truncated(), "{error}");
}

#[test]
fn nothing_and_nuls() {
    let kind =
        |bytes: &[u8]| within_memory("nothing", || open(bytes).and_then(|input| input.format()).unwrap_err().kind());
    assert_eq!(kind(b""), ErrorKind::Empty);
    assert_eq!(kind(b"\xef\xbb\xbf"), ErrorKind::Empty);
    assert_eq!(kind(b"\r\n \r\n"), ErrorKind::Empty);
    assert_eq!(kind(&vec![0; 10_000]), ErrorKind::Syntax);
    for compression in ALL {
        assert_eq!(kind(&pack(compression, io::empty())), ErrorKind::Empty, "{compression}");
        assert_eq!(kind(&pack(compression, io::repeat(0).take(10_000))), ErrorKind::Syntax, "{compression}");
    }
    assert_eq!(drain(open(&vec![0; 10_000])).unwrap(), 10_000);
}

#[test]
fn every_cut_of_every_compression() {
    let mut state = 1u32;
    let text: Vec<u8> = (0..5000)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            b"ACGTN\n>"[(state >> 29) as usize % 7]
        })
        .collect();
    for compression in ALL {
        let whole = pack(compression, &text[..]);
        within_memory(&format!("cuts of {compression}"), || {
            for cut in 0..whole.len() {
                let input = open(&whole[..cut]);
                if input.as_ref().is_ok_and(|input| input.compression() == Compression::Plain) {
                    assert!(cut < 6 && input.unwrap().format().is_err(), "{compression} cut at {cut}");
                    continue;
                }
                let error = drain(input).unwrap_err();
                assert!(error.is_truncated(), "{compression} cut at {cut}: {error}");
            }
        });
    }
}

#[test]
fn indexes_that_lie() {
    let dir = tempfile::tempdir().unwrap();
    let fasta = dir.path().join("x.fa");
    fs::write(&fasta, ">a\nACGT\n").unwrap();
    let check = |index: &str| {
        fs::write(dir.path().join("x.fa.fai"), index).unwrap();
        let error = within_memory("a .fai", || {
            IndexedFasta::open(&fasta, MakeIndex::Never).and_then(|mut f| f.fetch(&"a".parse()?)).unwrap_err()
        });
        assert_eq!(error.kind(), ErrorKind::Index, "{error}");
    };
    check("a\t4000000000\t3\t4000000000\t4000000001\n");
    check("a\t4\t9000000000000000000\t4\t5\n");
    check("a\t18446744073709551615\t3\t60\t61\n");
    check("a\t9000000000000000\t3\t1\t3\n");

    check(&(0..100_000).fold(String::new(), |text, i| text + &format!("a{i}\t4\t3\t4\t5\n")));

    let mut gzi = (1u64 << 59).to_le_bytes().to_vec();
    gzi.extend([1; 160]);
    assert!(within_memory("a .gzi", || Gzi::read(&gzi[..])).is_err());
    assert!(within_memory("an endless .fai", || Fai::read("x.fai", io::repeat(b'1'))).is_err());

    let bed = dir.path().join("x.bed.gz");
    fs::write(&bed, pack(Compression::Bgzf, &b"a\t1\t5\n"[..])).unwrap();
    let tbi = dir.path().join("x.bed.gz.tbi");
    let mut header = b"TBI\x01".to_vec();
    for n in [0xffff_fff0u32, 0x1_0000, 1, 2, 3, 35, 0] {
        header.extend(n.to_le_bytes());
    }
    let with = |length: u32, rest: &mut dyn Read| {
        let head = [&header[..], &length.to_le_bytes()].concat();
        fs::write(&tbi, pack(Compression::Bgzf, Cursor::new(head).chain(rest))).unwrap();
        let error = within_memory("a .tbi", || IndexedText::open(&bed, Preset::Bed, MakeIndex::Never).unwrap_err());
        assert!(matches!(error.kind(), ErrorKind::Index | ErrorKind::Limit), "{error}");
        error.to_string()
    };
    assert!(with(0, &mut io::empty()).contains("it ends too early"));
    assert!(with(u32::MAX, &mut io::repeat(b'A').take(300_000_000)).contains("max_header"));
    assert!(with(0, &mut io::repeat(0).take(300_000_000)).contains("max_header"));
    // Bins without end: number 0x10, one chunk, 0 to 0.
    let mut bin = 0x10u32.to_le_bytes().to_vec();
    bin.extend(1u32.to_le_bytes());
    bin.extend([0; 16]);
    let many = again(bin, 2_000_000);
    with(2, &mut Cursor::new(b"a\0\xff\xff\xff\xff".to_vec()).chain(many));
    with(16_000_000, &mut again(b"a\0".to_vec(), 20_000_000));
    with(4_000_000, &mut again(b"a\0".to_vec(), 2_000_000).chain(io::repeat(0)).take(40_000_000));
}

#[test]
fn an_output_that_cannot_be_written_says_so() {
    struct Full(usize);
    impl Write for Full {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(buf.len()).ok_or(io::ErrorKind::StorageFull)?;
            Ok(buf.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut out = genome_formats::Output::to_writer("disk", Full(1 << 20), Compression::Bgzf).unwrap().with_level(0);
    let error = within_memory("a full disk", || io::copy(&mut io::repeat(7).take(PIECE), &mut out).unwrap_err());
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert_eq!(out.finish().unwrap_err().kind(), ErrorKind::Failed);
}
