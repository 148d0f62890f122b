//! CRAM files are made here, by noodles from SAM text, since there are none in the shared data. (Its writer cannot write a
//! mapped read without qualities so that its reader reads it.)

use std::collections::BTreeMap;

use noodles_sam::alignment::io::Write as _;
use proptest::prelude::*;

use super::*;
use crate::sam::reader::SamReader;

const SAM: &str = "@HD\tVN:1.6\tSO:coordinate\n@SQ\tSN:chr1\tLN:60\n@SQ\tSN:chr2\tLN:40\n@RG\tID:g\tSM:s\n@CO\tcomment\n\
    r1\t99\tchr1\t3\t60\t8M\t=\t21\t26\tACGTACGT\tIIIIHHHH\tRG:Z:g\tNM:i:0\n\
    r2\t0\tchr1\t5\t30\t2S4M1I2M2D3M\t*\t0\t0\tTTGTACGGTTAC\tABCDEFGHIJKL\tXA:A:x\tXF:f:0.5\tXH:H:01FF\n\
    r1\t147\tchr1\t21\t60\t8M2H\t=\t3\t-26\tACGTTCGT\tIIIIIIII\tRG:Z:g\tXB:B:s,-5,300\tXZ:Z:some text\n\
    r3\t16\tchr2\t1\t7\t4M10N4M\t*\t0\t0\tGGGGGGGC\t(((((((\"\n\
    r4\t4\t*\t0\t0\t*\t*\t0\t0\tACGTN\t!!!!~\n\
    r5\t4\t*\t0\t0\t*\t*\t0\t0\tNNNNNNNNNN\tJJJJJJJJJJ\tMM:Z:C+m,0;\tML:B:C,200\n";

fn sequences() -> Vec<SeqRecord> {
    vec![SeqRecord::new("chr1", b"ACGT".repeat(15)), SeqRecord::new("chr2", b"G".repeat(40))]
}

fn sam() -> (SamHeader, Vec<Alignment>) {
    let mut reader = SamReader::new("x.sam", SAM.as_bytes()).unwrap();
    let records = reader.by_ref().collect::<Result<Vec<_>>>().unwrap();
    (reader.header().clone(), records)
}

fn cram() -> Vec<u8> {
    let records: Vec<noodles_fa::Record> = sequences()
        .into_iter()
        .map(|r| noodles_fa::Record::new(noodles_fa::record::Definition::new(r.name, None), r.seq.into()))
        .collect();
    let mut reader = noodles_sam::io::Reader::new(SAM.as_bytes());
    let header = reader.read_header().unwrap();
    let builder = noodles_cram::io::writer::Builder::default();
    let mut out = Vec::new();
    let mut writer =
        builder.set_reference_sequence_repository(noodles_fa::Repository::new(records)).build_from_writer(&mut out);
    writer.write_alignment_header(&header).unwrap();
    for record in reader.records() {
        writer.write_alignment_record(&header, &record.unwrap()).unwrap();
    }
    writer.try_finish(&header).unwrap();
    drop(writer);
    out
}

fn read(bytes: &[u8]) -> Result<Vec<Alignment>> {
    CramReader::new("x.cram", bytes, &CramReference::from_records(sequences()))?.collect()
}

/// Tags by name: CRAM keeps RG apart from the others, and gives it last.
fn unordered(records: &[Alignment]) -> Vec<(Alignment, BTreeMap<[u8; 2], String>)> {
    let split = |record: &Alignment| {
        let tags = record.tags.iter().map(|(tag, value)| (*tag, format!("{value:?}"))).collect();
        (Alignment { tags: Default::default(), ..record.clone() }, tags)
    };
    records.iter().map(split).collect()
}

#[test]
fn what_noodles_wrote_from_sam_is_read_as_the_sam_is() {
    let (header, expected) = sam();
    let file = cram();
    let reader = CramReader::new("x.cram", &file[..], &CramReference::from_records(sequences())).unwrap();
    // The writer adds M5 to the @SQ lines.
    assert_eq!(reader.header().references(), header.references());
    assert_eq!(reader.header().comments().collect::<Vec<_>>(), ["comment"]);
    let got = reader.collect::<Result<Vec<_>>>().unwrap();
    for (got, expected) in unordered(&got).iter().zip(&unordered(&expected)) {
        assert_eq!(got, expected);
    }
    assert_eq!(got.len(), expected.len());
}

#[test]
fn a_reference_file_with_and_without_an_index() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("genome.fa");
    let mut out = Vec::new();
    crate::fasta::write_fasta(&mut out, &sequences(), std::num::NonZeroUsize::new(20).unwrap()).unwrap();
    std::fs::write(&path, out).unwrap();
    let file = cram();
    let read = || {
        CramReader::new("x.cram", &file[..], &CramReference::open(&path).unwrap()).unwrap().collect::<Result<Vec<_>>>()
    };
    let whole = read().unwrap();
    std::fs::write(folder.path().join("genome.fa.fai"), "chr1\t60\t6\t20\t21\nchr2\t40\t75\t20\t21\n").unwrap();
    assert_eq!(format!("{:?}", CramReference::open(&path).unwrap()), "CramReference(an indexed file)");
    assert_eq!(read().unwrap(), whole);
}

#[test]
fn a_missing_or_wrong_reference_is_told() {
    let file = cram();
    let check = |records: &[SeqRecord], expected: &str| {
        let mut reader = CramReader::new("x.cram", &file[..], &CramReference::from_records(records.to_vec())).unwrap();
        let error = reader.next().unwrap().unwrap_err();
        let start = format!("x.cram: byte {}: the container of record 1 cannot be decoded: ", file.len() - 38);
        assert_eq!(error.to_string(), start + expected);
        assert!(reader.next().is_none());
    };
    check(&[], "the reference has no sequence with the name \"chr1\"");
    let mut wrong = sequences();
    wrong[0].seq[55] = b'G';
    check(&wrong, "the reference sequence \"chr1\" is another one than M5 of its @SQ line says");
    wrong[0].seq.pop();
    check(&wrong, "the reference sequence \"chr1\" has 59 bases, its @SQ line says 60");
    // repeats in lower case are the same sequence
    let mut masked = sequences();
    masked[0].seq.make_ascii_lowercase();
    let got: Vec<Alignment> = CramReader::new("x.cram", &file[..], &CramReference::from_records(masked))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(got, read(&file).unwrap());
}

#[test]
fn cuts_are_told() {
    let file = cram();
    for cut in 1..file.len() {
        let error = read(&file[..cut]).unwrap_err();
        let kind = if cut < 4 { ErrorKind::Syntax } else { ErrorKind::Truncated };
        assert_eq!(error.kind(), kind, "cut at {cut}: {error}");
    }
    assert_eq!(read(b"").unwrap_err().kind(), ErrorKind::Empty);
    assert!(read(b"BAM\x01").unwrap_err().to_string().contains("this is not CRAM"));
    let mut old = file.clone();
    old[4] = 2;
    assert_eq!(read(&old).unwrap_err().kind(), ErrorKind::Unsupported);
    // the end marker is a container of 38 bytes
    let cut = &file[..file.len() - 38];
    assert!(read(cut).unwrap_err().to_string().contains("no end marker"));
    let none = CramReference::from_records(sequences());
    let mut lenient = CramReader::new_with("x.cram", cut, &none, Mode::Lenient, Limits::default()).unwrap();
    assert_eq!(lenient.by_ref().map(Result::unwrap).count(), 6);
    assert_eq!(lenient.forgiven().total(), 1);
}

#[test]
fn declared_sizes_are_not_believed() {
    let definition = &cram()[..26];
    let container = |length: i32| [definition, &length.to_le_bytes(), &[0; 8], &[0; 4]].concat();
    let check = |bytes: &[u8], kind: ErrorKind, expected: &str| {
        let error = read(bytes).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    };
    check(&container(i32::MAX), ErrorKind::Truncated, "expected 2147483647 bytes, found 0 bytes");
    check(&container(-1), ErrorKind::Limit, "impossible size");
    // rANS 4x8 with a size of its own, tokenised names without end
    let block = |method: u8, data: &[u8], raw: u8| {
        Block { method, content: 4, raw_size: raw.into(), data: data.to_vec().leak() }.check()
    };
    assert!(block(4, &[0, 0, 0, 0, 0, 9, 0, 0, 0], 9).is_ok());
    assert!(block(4, &[0, 0, 0, 0, 0, 255, 255, 255, 255], 9).is_err());
    assert!(block(5, &[0, 9], 9).is_ok() && block(5, &[0, 8], 9).is_err() && block(5, &[0x10], 9).is_ok());
    assert!(block(7, &[0x88, 0x80, 0x80, 0x80, 0], 9).is_err());
    assert!(block(8, &[9, 0, 0, 0, 1, 0, 0, 0], 9).is_ok() && block(8, &[9, 0, 0, 0, 255, 255, 255, 255], 9).is_err());
    assert!(block(0, &[1, 2], 9).is_err() && block(0, &[], 0).is_ok());
}

proptest! {
    #[test]
    fn damaged_files_never_panic(edits in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4)) {
        let mut file = cram();
        for (at, byte) in edits {
            let at = at.index(file.len());
            file[at] = byte;
        }
        let _ = read(&file);
    }
}
