//! BCF files that declare what they do not have, and VCF files without an end: a clear error within 64 MiB of memory. A
//! process of its own, so that its peak is that of these files.

use std::io::{self, Read};

use genome_formats::bcf::BcfReader;
use genome_formats::vcf::VcfReader;
use genome_formats::{ErrorKind, Result};

const LIMIT_KIB: u64 = 64 * 1024;

/// The most memory that this process ever held, in KiB.
#[cfg(target_os = "linux")]
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn header(samples: &str, text: &str) -> Vec<u8> {
    let format = if samples.is_empty() { String::new() } else { format!("\tFORMAT\t{samples}") };
    let text = format!(
        "##fileformat=VCFv4.3\n##contig=<ID=1>\n##INFO=<ID=A,Number=.,Type=Integer,Description=\"\">\n\
         ##FORMAT=<ID=B,Number=.,Type=Integer,Description=\"\">\n{text}\
         #CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO{format}\n\0"
    );
    [b"BCF\x02\x02", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()
}

/// The fixed part of a record.
fn site(infos: u16, alleles: u16, formats: u8, samples: u32) -> Vec<u8> {
    let counts = u32::from(alleles) << 16 | u32::from(infos);
    let samples = u32::from(formats) << 24 | samples;
    let numbers = [0u32, 99, 1, 0x7f80_0001, counts, samples];
    numbers.iter().flat_map(|n| n.to_le_bytes()).collect()
}

fn framed(shared: &[u8], individual: &[u8]) -> Vec<u8> {
    let sizes = [shared.len() as u32, individual.len() as u32];
    [&sizes[0].to_le_bytes()[..], &sizes[1].to_le_bytes()[..], shared, individual].concat()
}

fn read(input: impl Read) -> Result<usize> {
    let mut count = 0;
    for record in BcfReader::new("hostile.bcf", input)? {
        record?;
        count += 1;
    }
    Ok(count)
}

/// The same text again and again, its last `#` replaced by a number.
struct Endless {
    line: Vec<u8>,
    number: u64,
    at: usize,
    left: Vec<u8>,
}

impl Read for Endless {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.at == self.left.len() {
            self.left.clear();
            self.at = 0;
            let text = String::from_utf8_lossy(&self.line);
            for _ in 0..1000 {
                let line = match text.rsplit_once('#') {
                    Some((head, tail)) => format!("{head}{}{tail}", self.number),
                    None => text.to_string(),
                };
                self.left.extend(line.bytes());
                self.number += 1;
            }
        }
        let n = out.len().min(self.left.len() - self.at);
        out[..n].copy_from_slice(&self.left[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

#[test]
fn absurd_sizes_cost_no_memory() {
    let check = |what: &str, bytes: &[u8], kind: ErrorKind, text: &str| {
        let error = read(bytes).expect_err(what);
        assert_eq!(error.kind(), kind, "{what}: {error}");
        assert!(error.to_string().contains(text), "{what}: {error}");
    };
    let good = [&[0x07, 0x17, b'A', 0x17, b'C'][..], &[0x00]].concat();

    let mut sound = header("", "");
    sound.extend(framed(&[site(0, 2, 0, 0), good.clone()].concat(), &[]));
    assert_eq!(read(&sound[..]).unwrap(), 1);

    let huge_header = [b"BCF\x02\x02", &u32::MAX.to_le_bytes()[..], b"##fileformat=VCFv4.3\n"].concat();
    check("a header of 4 GB", &huge_header, ErrorKind::Truncated, "the file ends inside its header");

    let mut huge_record = header("", "");
    huge_record.extend(0xffff_fff0u32.to_le_bytes());
    huge_record.extend(0xffff_fff0u32.to_le_bytes());
    huge_record.extend([0; 16]);
    check("a record of 8 GB", &huge_record, ErrorKind::Truncated, "the file ends inside a record");

    let with = |samples: &str, shared: &[u8], individual: &[u8]| {
        let mut bytes = header(samples, "");
        bytes.extend(framed(shared, individual));
        bytes
    };
    // A text whose length is 2^31 - 1.
    let text = [site(0, 1, 0, 0), vec![0xf7, 0x13, 0xff, 0xff, 0xff, 0x7f, b'A']].concat();
    check("a text of 2 GB", &with("", &text, &[]), ErrorKind::Truncated, "reaches over the end of its record");
    let negative = [site(0, 1, 0, 0), vec![0xf7, 0x13, 0xff, 0xff, 0xff, 0xff, b'A']].concat();
    check("a negative length", &with("", &negative, &[]), ErrorKind::Syntax, "a value has a negative size");
    let alleles = [site(0, u16::MAX, 0, 0), good.clone()].concat();
    check("65,535 alleles", &with("", &alleles, &[]), ErrorKind::Syntax, "an ALT allele is empty");
    let infos = [site(u16::MAX, 2, 0, 0), good.clone()].concat();
    check("65,535 INFO values", &with("", &infos, &[]), ErrorKind::Truncated, "reaches over the end of its record");
    let samples = [site(0, 2, 255, 0x00ff_ffff), good.clone()].concat();
    check("16,777,215 samples", &with("S", &samples, &[]), ErrorKind::Syntax, "another number of samples");
    let list = [0x11, 2, 0xf3, 0x13, 0xff, 0xff, 0xff, 0x7f];
    let values = [site(0, 2, 1, 1), good.clone()].concat();
    check("a list of 2^31 numbers", &with("S", &values, &list), ErrorKind::Truncated, "reaches over the end");

    // 255 keys without a value for each of 100,000 samples: 1 KB in the file, 25 million values in memory.
    let names: Vec<String> = (0..100_000).map(|i| i.to_string()).collect();
    let empty: Vec<u8> = [0x11, 2, 0x00].repeat(255);
    let shared = [site(0, 2, 255, 100_000), good].concat();
    check("values of no size", &with(&names.join("\t"), &shared, &empty), ErrorKind::Limit, "more values than is sane");

    // An explicit number far away does not make a table that long.
    let far = "##INFO=<ID=F,Number=1,Type=Integer,Description=\"\",IDX=2147483647>\n";
    assert_eq!(read(&header("", far)[..]).unwrap(), 0);

    // A record without an end, generated on the fly.
    let endless = [header("", ""), u32::MAX.to_le_bytes().to_vec(), 0u32.to_le_bytes().to_vec()].concat();
    let error = read(endless.chain(io::repeat(0))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit, "{error}");

    // VCF: lines and headers without an end, generated on the fly.
    let endless = |head: &str, tail: &str| {
        let mut lines = Endless { line: tail.as_bytes().to_vec(), number: 0, at: 0, left: Vec::new() };
        lines.left = head.as_bytes().to_vec();
        VcfReader::new("endless.vcf", lines).and_then(|mut reader| reader.next_view().map(|_| ())).unwrap_err()
    };
    let version = "##fileformat=VCFv4.3\n";
    let columns = format!("{version}#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO");
    let check = |head: &str, tail: &str, text: &str| {
        let error = endless(head, tail);
        assert_eq!(error.kind(), ErrorKind::Limit, "{error}");
        assert!(error.to_string().contains(text), "{error}");
    };
    check(&format!("{version}##a="), "A", "the line is longer than 16777216 bytes");
    check(&format!("{columns}\n"), "A", "the line is longer than 16777216 bytes");
    check(&format!("{columns}\tFORMAT"), "\t#", "the line is longer than 16777216 bytes");
    check(version, "##contig=<ID=#>\n", "the header and its tables are larger than 33554432 bytes");

    #[cfg(target_os = "linux")]
    assert!(peak_kib() < LIMIT_KIB, "{} KiB", peak_kib());
}
