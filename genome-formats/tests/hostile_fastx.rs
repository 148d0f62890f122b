//! FASTA and FASTQ that were made to break a reader: each has a clear outcome, in 64 MiB of memory.

use std::io::{self, Read};
use std::sync::Mutex;

use genome_formats::{Error, ErrorKind, FastaReader, FastqReader, Letters, Limits, SeqRecord};

const MOST_KIB: u64 = 64 * 1024;

/// Runs `work` and asserts that the process never had more than 64 MiB meanwhile. One at a time, since the peak is that
/// of the whole process.
fn in_64_mib<T>(test: &str, work: impl FnOnce() -> T) -> T {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let reset = std::fs::write("/proc/self/clear_refs", "5");
    let result = work();
    match (reset, peak_kib()) {
        (Ok(()), Some(peak)) => {
            eprintln!("{test}: {peak} KiB at the peak");
            assert!(peak < MOST_KIB, "{test}: {peak} KiB");
        }
        _ => eprintln!("skipped: {test}: the peak of memory is not known on this system"),
    }
    result
}

fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

const TEN_GB: u64 = 10_000_000_000;

fn long_line(start: &'static str, letter: u8, length: u64) -> impl Read {
    start.as_bytes().chain(io::repeat(letter).take(length))
}

#[test]
fn a_fasta_line_of_10_gb_streams_through() {
    let length = in_64_mib("a_fasta_line_of_10_gb_streams_through", || {
        let mut reader = FastaReader::new("x.fa", long_line(">a\n", b'A', TEN_GB));
        assert_eq!(reader.next_definition().unwrap().unwrap().name, b"a");
        let mut length = 0;
        while let Some(chunk) = reader.next_chunk().unwrap() {
            length += chunk.len() as u64;
        }
        length
    });
    assert_eq!(length, TEN_GB);
}

#[test]
fn lines_of_10_gb_elsewhere_pass_a_limit() {
    let check = |what: &str, expected: &str, read: &dyn Fn() -> Result<bool, Error>| {
        let error = in_64_mib(what, read).unwrap_err();
        assert_eq!((error.kind(), &*error.to_string()), (ErrorKind::Limit, expected), "{what}");
    };
    let fasta = |text| FastaReader::new("x", text).read_into(&mut SeqRecord::default());
    let fastq = |text| FastqReader::new("x", text).next_view().map(|v| v.is_some());
    let line = |line, byte| format!("x:{line}: byte {byte}: the line is longer than 16777216 bytes");
    check("a FASTA name", &line(1, 0), &|| fasta(Box::new(long_line(">", b'a', TEN_GB)) as Box<dyn Read>));
    check("a FASTQ title", &line(1, 0), &|| fastq(Box::new(long_line("@", b'a', TEN_GB)) as Box<dyn Read>));
    check("a FASTQ sequence", &line(2, 3), &|| fastq(Box::new(long_line("@a\n", b'A', TEN_GB))));
    check("a FASTQ + line", &line(3, 5), &|| fastq(Box::new(long_line("@a\nA\n+", b'A', TEN_GB))));
    check("a FASTQ quality", &line(4, 7), &|| fastq(Box::new(long_line("@a\nA\n+\n", b'A', TEN_GB))));
    check("no FASTQ at all", &line(1, 0), &|| fastq(Box::new(io::repeat(0).take(TEN_GB))));
    check("a FASTA record", "x:2: byte 10000003: the record is larger than 9999999 bytes in record \"a\"", &|| {
        let limits = Limits { max_record: 9_999_999, ..Limits::default() };
        let mut reader = FastaReader::new("x", long_line(">a\n", b'A', TEN_GB)).with_limits(limits);
        reader.read_into(&mut SeqRecord::default())
    });
}

/// Gives a text again and again.
struct Again<'a> {
    text: &'a [u8],
    at: usize,
    times: u64,
}

impl Read for Again<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.at == self.text.len() && self.times > 1 {
            self.at = 0;
            self.times -= 1;
        }
        let n = buf.len().min(self.text.len() - self.at);
        buf[..n].copy_from_slice(&self.text[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

#[test]
fn a_gigabyte_of_records_streams_through_one_buffer() {
    // 43 records of 25 Mb, each line from the same piece of text, so that the input takes no memory.
    const THOUSANDS_OF_LINES: u64 = 25_000 / 60;
    let line = b"ACGTNacgtnACGTNacgtnACGTNacgtnACGTNacgtnACGTNacgtnACGTNacgtn\n";
    let lines = line.repeat(1000);
    assert_eq!(line.len(), 61);
    let (records, letters) = in_64_mib("a_gigabyte_of_records_streams_through_one_buffer", || {
        let mut text: Box<dyn Read> = Box::new(io::empty());
        for _ in 0..43 {
            let record = Again { text: &lines, at: 0, times: THOUSANDS_OF_LINES };
            text = Box::new(text.chain(&b">chr of 25 Mb\n"[..]).chain(record));
        }
        let mut reader = FastaReader::new("x.fa", text);
        let (mut record, mut records, mut letters) = (SeqRecord::default(), 0, 0);
        while reader.read_into(&mut record).unwrap() {
            records += 1;
            letters += record.seq.len() as u64;
        }
        (records, letters)
    });
    assert_eq!((records, letters), (43, 43 * THOUSANDS_OF_LINES * 60_000));
    assert!(letters * 61 / 60 > 1 << 30);
}

#[test]
fn odd_bytes_have_a_clear_outcome() {
    let fasta = |text: &[u8]| {
        let result: Result<Vec<_>, _> = FastaReader::new("x", text).with_letters(Letters::Any).collect();
        result.map(|r| r.len()).map_err(|e| e.to_string())
    };
    let fastq = |text: &[u8]| {
        let result: Result<Vec<_>, _> = FastqReader::new("x", text).with_letters(Letters::Any).collect();
        result.map(|r| r.len()).map_err(|e| e.to_string())
    };
    let refused = |text: &str| Err(text.to_owned());
    assert_eq!(fasta(b""), refused("x: the file is empty: expected FASTA records"));
    assert_eq!(fastq(b""), refused("x: the file is empty: expected FASTQ records"));
    assert_eq!(fasta(b"\xef\xbb\xbf"), refused("x: the file is empty: expected FASTA records"));
    assert_eq!(fastq(b"\xef\xbb\xbf"), refused("x: the file is empty: expected FASTQ records"));
    assert_eq!(
        fasta(b">"),
        refused("x:1: byte 0: a record without a name: expected a name right behind >, found \">\"")
    );
    assert_eq!(fastq(b"@\n\n+\n\n"), refused("x:1: byte 0: a record without a name: expected a name right behind @"));
    assert_eq!(fasta(b"\xef\xbb\xbf>a\r\nA\r\n"), Ok(1));
    assert_eq!(fastq(b"\xef\xbb\xbf@a\r\nA\r\n+\r\nI\r\n"), Ok(1));
    let zero = "expected a visible ASCII letter, found byte 0x00";
    assert_eq!(fasta(b">a\nA\0\n"), refused(&format!("x:2: byte 4: unknown letter in sequence \"a\": {zero}")));
    assert_eq!(fastq(b"@a\nA\0\n+\nII\n"), refused(&format!("x:2: byte 4: unknown letter in sequence \"a\": {zero}")));
    in_64_mib("odd_bytes_have_a_clear_outcome", || {
        let zeros = vec![0; 1 << 20];
        assert!(fasta(&zeros).unwrap_err().starts_with("x:1: byte 0: this is not FASTA"));
        assert!(fastq(&zeros).unwrap_err().starts_with("x:1: byte 0: this is not FASTQ"));
    });
}

#[test]
fn many_small_reads_are_not_quadratic() {
    struct OneByOne<R>(R);
    impl<R: Read> Read for OneByOne<R> {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            let n = buf.len().min(1);
            self.0.read(&mut buf[..n])
        }
    }
    let read = 2_000_000;
    in_64_mib("many_small_reads_are_not_quadratic", || {
        let text = [b"@a\n", &b"A".repeat(read)[..], b"\n+\n", &b"I".repeat(read), b"\n"].concat();
        let mut reader = FastqReader::new("x", OneByOne(&text[..]));
        assert_eq!(reader.next_view().unwrap().unwrap().quality.len(), read);
        assert!(reader.next_view().unwrap().is_none());
    });
}
