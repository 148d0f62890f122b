//! What a file is, by its first bytes: the compression around it and the format inside.

use std::fmt;

/// What an [`Input`](crate::Input) holds, recognised by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// `>name` lines and sequence lines.
    Fasta,
    /// Reads with qualities: `@name`, letters, `+`, qualities.
    Fastq,
    /// GenBank flat file, records from `LOCUS` to `//`.
    Genbank,
    /// EMBL flat file, records from `ID` to `//`.
    Embl,
    /// Alignments as text.
    Sam,
    /// Alignments, binary in BGZF.
    Bam,
    /// Alignments, compressed against a reference.
    Cram,
    /// Variants as text.
    Vcf,
    /// Variants, binary in BGZF.
    Bcf,
    /// Features, nine columns, attributes `key=value`.
    Gff3,
    /// Features, nine columns, attributes `gene_id "x"; transcript_id "y"`.
    Gtf,
    /// Features, nine columns, free attributes: what stood before GTF and GFF3.
    Gff2,
    /// Features, three to twelve columns or more.
    Bed,
    /// A signal along the genome as text: `fixedStep` and `variableStep`.
    Wig,
    /// A signal along the genome as text: name, start, end, value.
    BedGraph,
    /// A signal along the genome, binary with an index.
    BigWig,
    /// Features, binary with an index. Recognised, not read.
    BigBed,
    /// Comma-separated table whose header has a column `sequence`.
    Csv,
}

impl Format {
    /// Whether lines of text are behind the compression; the others are BAM, BCF, CRAM, bigWig and bigBed.
    pub fn is_text(self) -> bool {
        !matches!(self, Self::Bam | Self::Bcf | Self::Cram | Self::BigWig | Self::BigBed)
    }

    /// The format that the ending of a file's name tells; `.gz`, `.bgz`, `.bgzf`, `.zst`, `.bz2` and `.xz` are taken off first.
    ///
    /// ```
    /// use genome_formats::Format;
    ///
    /// assert_eq!(Format::from_name("calls.VCF.gz"), Some(Format::Vcf));
    /// assert_eq!(Format::from_name("notes.txt"), None);
    /// ```
    pub fn from_name(name: &str) -> Option<Self> {
        const PACKED: [&str; 6] = [".gz", ".bgz", ".bgzf", ".zst", ".bz2", ".xz"];
        let name = name.to_ascii_lowercase();
        let name = PACKED.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
        let file = name.rsplit(['/', '\\']).next()?;
        let (stem, ending) = file.rsplit_once('.')?;
        if stem.is_empty() {
            return None;
        }
        Some(match ending {
            "fa" | "fasta" | "fna" | "ffn" | "faa" | "frn" | "fas" | "mpfa" | "pro" | "nu" | "pep" => Self::Fasta,
            "fq" | "fastq" => Self::Fastq,
            "gb" | "gbk" | "gbff" | "genbank" | "gp" | "gpff" | "gbwithparts" => Self::Genbank,
            "embl" => Self::Embl,
            "sam" => Self::Sam,
            "bam" => Self::Bam,
            "cram" => Self::Cram,
            "vcf" => Self::Vcf,
            "bcf" => Self::Bcf,
            "gff" | "gff3" => Self::Gff3,
            "gtf" => Self::Gtf,
            "gff2" => Self::Gff2,
            "bed" => Self::Bed,
            "wig" => Self::Wig,
            "bedgraph" | "bdg" | "bg" => Self::BedGraph,
            "bw" | "bigwig" => Self::BigWig,
            "bb" | "bigbed" => Self::BigBed,
            "csv" => Self::Csv,
            _ => return None,
        })
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fasta => "FASTA",
            Self::Fastq => "FASTQ",
            Self::Genbank => "GenBank",
            Self::Embl => "EMBL",
            Self::Sam => "SAM",
            Self::Bam => "BAM",
            Self::Cram => "CRAM",
            Self::Vcf => "VCF",
            Self::Bcf => "BCF",
            Self::Gff3 => "GFF3",
            Self::Gtf => "GTF",
            Self::Gff2 => "GFF2",
            Self::Bed => "BED",
            Self::Wig => "WIG",
            Self::BedGraph => "bedGraph",
            Self::BigWig => "bigWig",
            Self::BigBed => "bigBed",
            Self::Csv => "CSV",
        })
    }
}

/// The compression around a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Compression {
    /// None.
    Plain,
    /// gzip, one member or several.
    Gzip,
    /// Blocked gzip, as `bgzip` and `samtools` write it; BAM and BCF lie in it.
    Bgzf,
    /// Zstandard, one frame or several.
    Zstd,
    /// bzip2, one stream or several.
    Bzip2,
    /// xz, one stream or several.
    Xz,
}

impl Compression {
    /// The compression of a file that starts with `head`.
    pub(crate) fn detect(head: &[u8]) -> Self {
        if head.starts_with(&[0x1f, 0x8b]) {
            return if crate::bgzf::is_bgzf(head) { Self::Bgzf } else { Self::Gzip };
        }
        // A skippable frame (0x184D2A50 to 0x184D2A5F) may come first.
        let skippable = head.len() >= 4 && head[0] & 0xf0 == 0x50 && head[1..4] == [0x2a, 0x4d, 0x18];
        if head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) || skippable {
            return Self::Zstd;
        }
        if head.starts_with(b"\xfd7zXZ\0") {
            return Self::Xz;
        }
        if is_bzip2(head) {
            return Self::Bzip2;
        }
        Self::Plain
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "plain",
            Self::Gzip => "gzip",
            Self::Bgzf => "BGZF",
            Self::Zstd => "Zstandard",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
        })
    }
}

/// `BZh`, a level, and the magic number of a block or of the end; the latter as far as the file goes.
fn is_bzip2(head: &[u8]) -> bool {
    const BLOCK: [u8; 6] = [0x31, 0x41, 0x59, 0x26, 0x53, 0x59];
    const END: [u8; 6] = [0x17, 0x72, 0x45, 0x38, 0x50, 0x90];
    let Some((level, rest)) = head.strip_prefix(b"BZh").and_then(|rest| rest.split_first()) else {
        return false;
    };
    let magic = &rest[..rest.len().min(6)];
    (b'1'..=b'9').contains(level) && (BLOCK.starts_with(magic) || END.starts_with(magic))
}

/// The name of what stands at the start of (decompressed) bytes, if it is surely something that this crate does not read.
pub(super) fn foreign(head: &[u8]) -> Option<&'static str> {
    const KINDS: [(&[u8], &str); 12] = [
        (b"PK\x03\x04", "a zip archive"),
        (b"\xff\xfe", "UTF-16 text"),
        (b"\xfe\xff", "UTF-16 text"),
        (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
        (b"\x04\x22\x4d\x18", "lz4 data"),
        (b"LZIP\x01", "lzip data"),
        (b"\x1f\x9d", "data of compress (.Z)"),
        (b"\x43\x27\x41\x1a", "a 2bit file"),
        (b"\x1a\x41\x27\x43", "a 2bit file"),
        (b"%PDF-", "a PDF file"),
        (b"SQLite format 3\0", "an SQLite file"),
        (b"\x7fELF", "a program"),
    ];
    KINDS.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, kind)| *kind)
}

/// The format of a file that starts with `head`; `whole` where the file has nothing more. `name` only decides where the
/// content fits two formats.
pub(super) fn format_by_content(head: &[u8], whole: bool, name: &str) -> Option<Format> {
    binary_format(head).or_else(|| text_format(head, whole, Format::from_name(name)))
}

fn binary_format(head: &[u8]) -> Option<Format> {
    const KINDS: [(&[u8], Format); 7] = [
        (b"BAM\x01", Format::Bam),
        (b"BCF\x02", Format::Bcf),
        (b"CRAM", Format::Cram),
        (b"\x26\xfc\x8f\x88", Format::BigWig),
        (b"\x88\x8f\xfc\x26", Format::BigWig),
        (b"\xeb\xf2\x89\x87", Format::BigBed),
        (b"\x87\x89\xf2\xeb", Format::BigBed),
    ];
    let format = KINDS.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, format)| *format)?;
    // Behind CRAM's magic stand its major and minor version; text could begin with these letters.
    (format != Format::Cram || head.get(4).is_none_or(|major| (1..=9).contains(major))).then_some(format)
}

/// What the lines in front of the data told.
#[derive(Default)]
struct Hints {
    gff_version: Option<u8>,
    track: Option<Format>,
    comment: bool,
}

fn text_format(head: &[u8], whole: bool, named: Option<Format>) -> Option<Format> {
    let mut lines: Vec<&[u8]> =
        head.split(|&b| b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)).collect();
    if !whole && lines.len() > 1 {
        lines.pop(); // it goes on behind what we see
    }
    let mut hints = Hints::default();
    let mut rows = 0;
    let mut found = None;
    for (i, &line) in lines.iter().enumerate() {
        let trimmed = line.trim_ascii_start();
        if trimmed.is_empty() {
            continue;
        }
        if rows > 0 {
            // One row was recognised. A bedGraph shows by a value in each row; nothing else needs a second look.
            if found != Some(Format::BedGraph) || rows > 20 || starts_track(line) {
                break;
            }
            if data_row(trimmed, &hints) == Some(Format::Bed) {
                found = Some(Format::Bed);
            }
            rows += 1;
            continue;
        }
        if trimmed.starts_with(b">") {
            return Some(Format::Fasta);
        }
        if line.starts_with(b"@") {
            return Some(if is_sam_header(line, lines.get(i + 1..).unwrap_or_default()) {
                Format::Sam
            } else {
                Format::Fastq
            });
        }
        if starts_word(line, b"LOCUS") {
            return Some(Format::Genbank);
        }
        if is_embl(line) {
            return Some(Format::Embl);
        }
        if line.starts_with(b"#") {
            hints.comment = true;
            if line.starts_with(b"##fileformat=VCF") || line.starts_with(b"#CHROM\tPOS\t") {
                return Some(Format::Vcf);
            }
            if let Some(rest) = line.strip_prefix(b"##gff-version") {
                hints.gff_version = rest.trim_ascii_start().first().copied();
                if hints.gff_version == Some(b'3') {
                    return Some(Format::Gff3);
                }
            }
            continue;
        }
        if starts_track(line) {
            hints.track = track_format(line).or(hints.track);
            continue;
        }
        if starts_word(line, b"fixedStep") || starts_word(line, b"variableStep") {
            return Some(Format::Wig);
        }
        if !hints.comment && hints.track.is_none() && is_csv_header(trimmed) {
            return Some(Format::Csv);
        }
        found = data_row(trimmed, &hints);
        if found.is_none() {
            // NCBI's release files have some lines of prose in front of the first record.
            let prose = lines[i..].iter().any(|line| starts_word(line, b"LOCUS"));
            return prose.then_some(Format::Genbank).or(gff2_by_version(&hints)).or(hints.track);
        }
        rows = 1;
    }
    match found {
        // Four columns with a number in the fourth: a name in BED may be a number too.
        Some(Format::BedGraph) if hints.track.is_none() && matches!(named, Some(Format::Bed | Format::Wig)) => named,
        Some(found) => Some(found),
        None => gff2_by_version(&hints).or(hints.track),
    }
}

fn gff2_by_version(hints: &Hints) -> Option<Format> {
    match hints.gff_version {
        Some(b'1' | b'2') => Some(Format::Gff2),
        _ => None,
    }
}

fn starts_word(line: &[u8], word: &[u8]) -> bool {
    line.strip_prefix(word).is_some_and(|rest| rest.first().is_none_or(u8::is_ascii_whitespace))
}

fn starts_track(line: &[u8]) -> bool {
    starts_word(line, b"track") || starts_word(line, b"browser")
}

fn track_format(line: &[u8]) -> Option<Format> {
    let has = |word: &[u8]| line.windows(word.len()).any(|w| w.eq_ignore_ascii_case(word));
    if has(b"type=wiggle_0") || has(b"type=\"wiggle_0\"") {
        return Some(Format::Wig);
    }
    if has(b"type=bedGraph") || has(b"type=\"bedGraph\"") {
        return Some(Format::BedGraph);
    }
    starts_word(line, b"track").then_some(Format::Bed)
}

/// A header line of SAM, `@HD`, `@SQ`, ..., and not the name of a read: then the second line behind would start with `+`.
fn is_sam_header(line: &[u8], behind: &[&[u8]]) -> bool {
    let code = |line: &[u8]| match line {
        [b'@', a, b, b'\t', ..] => a.is_ascii_alphabetic() && b.is_ascii_alphanumeric(),
        _ => false,
    };
    const KNOWN: [&[u8]; 5] = [b"@HD", b"@SQ", b"@RG", b"@PG", b"@CO"];
    let known = KNOWN.iter().any(|word| starts_word(line, word));
    let read = behind.get(1).is_some_and(|line| line.starts_with(b"+"));
    (known || code(line)) && !read
}

/// EMBL's `ID` line: `ID   X56734; SV 1; linear; ...` or, older, `ID   X56734 standard; RNA; ...`. UniProt's, which has an
/// `ID` line too, names its status.
fn is_embl(line: &[u8]) -> bool {
    let Some(rest) = line.strip_prefix(b"ID   ") else { return false };
    let has = |word: &[u8]| rest.windows(word.len()).any(|w| w == word);
    !has(b"Reviewed;") && !has(b"Unreviewed;") && !has(b"reviewed;")
}

fn is_csv_header(line: &[u8]) -> bool {
    line.split(|&b| b == b',').any(|column| {
        let column = column.trim_ascii();
        column.strip_prefix(b"\"").and_then(|c| c.strip_suffix(b"\"")).unwrap_or(column) == b"sequence"
    })
}

/// The format of a table by one of its rows.
fn data_row(line: &[u8], hints: &Hints) -> Option<Format> {
    let tabs: Vec<&[u8]> = line.split(|&b| b == b'\t').collect();
    if is_sam_row(&tabs) {
        return Some(Format::Sam);
    }
    if let Some(format) = gff_row(&tabs, hints) {
        return Some(format);
    }
    if is_vcf_row(&tabs) {
        return Some(Format::Vcf);
    }
    let words: Vec<&[u8]> =
        if tabs.len() >= 3 { tabs } else { line.split(u8::is_ascii_whitespace).filter(|w| !w.is_empty()).collect() };
    let [_, start, end, rest @ ..] = &words[..] else { return None };
    let (start, end) = (number(start)?, number(end)?);
    if start > end {
        return None;
    }
    let value = matches!(rest, [value] if is_float(value));
    match hints.track {
        // A track of type wiggle_0 may hold lines of four columns, and another track may follow it.
        Some(Format::Wig) if value => Some(Format::Wig),
        Some(Format::BedGraph) if value => Some(Format::BedGraph),
        Some(Format::Bed) => Some(Format::Bed),
        _ => Some(if value { Format::BedGraph } else { Format::Bed }),
    }
}

fn number(text: &[u8]) -> Option<u64> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    digits.then(|| std::str::from_utf8(text).ok()?.parse().ok()).flatten()
}

fn is_float(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| text.parse::<f64>().is_ok())
}

/// Eleven columns: name, FLAG, RNAME, POS, MAPQ, CIGAR, RNEXT, PNEXT, TLEN, SEQ, QUAL. One of the numbers may be wrong.
fn is_sam_row(columns: &[&[u8]]) -> bool {
    if columns.len() < 11 {
        return false;
    }
    let signed = |text: &[u8]| number(text.strip_prefix(b"-").unwrap_or(text)).is_some();
    let cigar = |text: &[u8]| text == b"*" || text.iter().all(|b| b.is_ascii_digit() || b"MIDNSHP=X".contains(b));
    let right = [
        signed(columns[1]),
        signed(columns[3]),
        signed(columns[4]),
        cigar(columns[5]),
        signed(columns[7]),
        signed(columns[8]),
    ];
    right.iter().filter(|&&r| r).count() >= 5
}

/// Eight columns and usually a ninth: name, source, type, start, end, score, strand, phase, attributes. The sixth to the
/// eighth may hold one mistake.
fn gff_row(columns: &[&[u8]], hints: &Hints) -> Option<Format> {
    if !(8..=10).contains(&columns.len()) {
        return None;
    }
    number(columns[3])?;
    number(columns[4])?;
    let right = [
        columns[5] == b"." || is_float(columns[5]),
        matches!(columns[6], b"+" | b"-" | b"." | b"?"),
        matches!(columns[7], b"0" | b"1" | b"2" | b"."),
    ];
    if right.iter().filter(|&&r| r).count() < 2 {
        return None;
    }
    let attributes = columns.get(8).copied().unwrap_or_default().trim_ascii();
    let first = attributes.split(|&b| b == b';').next().unwrap_or_default();
    let has = |word: &[u8]| attributes.windows(word.len()).any(|w| w == word);
    if has(b"gene_id \"") || has(b"transcript_id \"") {
        return Some(Format::Gtf);
    }
    if hints.gff_version.is_some() {
        return Some(Format::Gff2); // 3 was returned before
    }
    // `key=value` with a key of one word
    let key = first.split(|&b| b == b'=').next().unwrap_or_default();
    let pair = key.len() < first.len() && !key.is_empty() && !key.trim_ascii().contains(&b' ') && !key.contains(&b'"');
    Some(if pair || attributes.is_empty() || attributes == b"." { Format::Gff3 } else { Format::Gff2 })
}

/// Eight columns and more: CHROM, POS, ID, REF, ALT, QUAL, FILTER, INFO.
fn is_vcf_row(columns: &[&[u8]]) -> bool {
    let [_, position, _, reference, alternate, quality, ..] = columns else { return false };
    let bases = |text: &[u8]| !text.is_empty() && text.iter().all(|b| b"ACGTNacgtn*".contains(b));
    columns.len() >= 8
        && number(position).is_some()
        && bases(reference)
        && (*alternate == b"."
            || alternate.starts_with(b"<")
            || bases(alternate.split(|&b| b == b',').next().unwrap_or_default()))
        && (*quality == b"." || is_float(quality))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(text: &str) -> Option<Format> {
        format_by_content(text.as_bytes(), true, "x")
    }

    #[test]
    fn text_formats() {
        let check = |text: &str, expected: Option<Format>| assert_eq!(content(text), expected, "{text:?}");
        check("", None);
        check("hello\n", None);
        check("LOCUSTS are insects\n", None);
        check("\n\n >a\nAC\n", Some(Format::Fasta));
        check("@r1\nAC\n+\nII\n", Some(Format::Fastq));
        check("@SQ\tx\nAC\n+\nII\n", Some(Format::Fastq));
        check("@SQ\tSN:1\tLN:10\n", Some(Format::Sam));
        check("@HD\tVN:1.6\n@SQ\tSN:+\tLN:10\n", Some(Format::Sam));
        check("@XX\tfoo\n", Some(Format::Sam));
        check("r1\t0\tchr1\t7\t60\t4M\t*\t0\t0\tACGT\tIIII\n", Some(Format::Sam));
        check("r1\tx\tchr1\t7\t60\t4M\t*\t0\t0\tACGT\tIIII\n", Some(Format::Sam));
        check("LOCUS       X 4 bp\n", Some(Format::Genbank));
        check("prose\nmore\nLOCUS       X 4 bp", Some(Format::Genbank));
        check("ID   X56734; SV 1; linear; mRNA; STD; PLN; 1859 BP.\n", Some(Format::Embl));
        check("ID   001R_FRG3G              Reviewed;         256 AA.\n", None);
        check("##fileformat=VCFv4.3\n", Some(Format::Vcf));
        check("##foo=bar\n#CHROM\tPOS\tID\n", Some(Format::Vcf));
        check("1\t7\t.\tA\tC\t.\tPASS\tDP=3\n", Some(Format::Vcf));
        check("1\t7\t.\tA\tC\n", None);
        check("##gff-version 3\n", Some(Format::Gff3));
        check("##gff-version   3.1.26\n", Some(Format::Gff3));
        check("##gff-version 2\n#x\nc\ts\tt\t1\t2\t.\t+\t.\tGene foo\n", Some(Format::Gff2));
        check("##gff-version 2\nc\ts\tt\t1\t2\t.\t+\t.\tgene_id \"a\"; transcript_id \"b\";\n", Some(Format::Gtf));
        check("##gff-version 2\n", Some(Format::Gff2));
        check("#!genome-build x\nc\ts\tt\t1\t2\t.\t+\t0\tgene_id \"a\"\n", Some(Format::Gtf));
        check("c\ts\tt\t1\t2\t.\t+\t0\tID=a;Note=gene\n", Some(Format::Gff3));
        check("c\ts\tt\t1\t2\t1e-3\t+\t0\tSequence \"X=1\"; Note 3\n", Some(Format::Gff2));
        check("c\ts\tt\t1\t2\t.\tx\t0\tID=a\n", Some(Format::Gff3));
        check("c\ts\tt\t1\t2\t.\t+\t.\n", Some(Format::Gff3));
        check("chr1\t1\t5\n", Some(Format::Bed));
        check("chr1 1 5 name\n", Some(Format::Bed));
        check("chr1\t5\t1\n", None);
        check("chr1\t1\t5\tname\t0\t+\t1\t5\t0\t1\t4,\t0,\n", Some(Format::Bed));
        check("track name=x\nchr1\t1\t5\t0.5\n", Some(Format::Bed));
        check("chr1\t1\t5\t0.5\nchr1\t5\t6\t1\n", Some(Format::BedGraph));
        check("chr1\t1\t5\t0.5\nchr1\t5\t6\tx\n", Some(Format::Bed));
        check("track type=bedGraph\nchr1\t1\t5\t0.5\n", Some(Format::BedGraph));
        check("browser position x\ntrack type=wiggle_0\nfixedStep chrom=1 start=1\n", Some(Format::Wig));
        check("track type=wiggle_0\nchr1 1 5 0.5\n", Some(Format::Wig));
        check("track type=wiggle_0\n", Some(Format::Wig));
        check("variableStep chrom=1\n1 2\n", Some(Format::Wig));
        check("id,\"sequence\"\r\na,ACGT", Some(Format::Csv));
        check("seq,label\n", None);
    }

    #[test]
    fn the_name_decides_between_bed_and_bedgraph() {
        let row = b"chr1\t1\t5\t7\n";
        assert_eq!(format_by_content(row, true, "x.bed.gz"), Some(Format::Bed));
        assert_eq!(format_by_content(row, true, "x.bdg"), Some(Format::BedGraph));
        assert_eq!(format_by_content(row, true, "x.wig"), Some(Format::Wig));
    }

    #[test]
    fn a_row_that_goes_on_behind_the_head_is_not_judged() {
        assert_eq!(format_by_content(b"#x\nchr1\t1\t5\t0.5", false, "x"), None);
        assert_eq!(format_by_content(b"#x\nchr1\t1\t5\t0.5", true, "x"), Some(Format::BedGraph));
        assert_eq!(format_by_content(b">x", false, "x"), Some(Format::Fasta));
    }

    #[test]
    fn binary_formats() {
        let check = |head: &[u8], expected: Option<Format>| assert_eq!(format_by_content(head, true, "x"), expected);
        check(b"BAM\x01\0\0", Some(Format::Bam));
        check(b"BCF\x02\x02", Some(Format::Bcf));
        check(b"CRAM\x03\x00", Some(Format::Cram));
        check(b"CRAM is text", None);
        check(b"\x26\xfc\x8f\x88\x04\0", Some(Format::BigWig));
        check(b"\xeb\xf2\x89\x87\x04\0", Some(Format::BigBed));
    }

    #[test]
    fn compressions() {
        let check = |head: &[u8], expected: Compression| assert_eq!(Compression::detect(head), expected, "{head:?}");
        check(b"", Compression::Plain);
        check(b">a", Compression::Plain);
        check(b"\x1f\x8b", Compression::Gzip);
        check(b"\x1f\x8b\x08\x04\0\0\0\0\0\xff\x06\0BC\x02\0\x1b\0\x03\0", Compression::Bgzf);
        check(b"\x28\xb5\x2f\xfd\x20", Compression::Zstd);
        check(b"\x5a\x2a\x4d\x18\0\0\0\0", Compression::Zstd);
        check(b"BZh9\x31\x41\x59\x26\x53\x59", Compression::Bzip2);
        check(b"BZh9", Compression::Bzip2);
        check(b"BZh99 bottles", Compression::Plain);
        check(b"\xfd7zXZ\0\0\x04", Compression::Xz);
    }

    #[test]
    fn endings() {
        let check = |name: &str, expected: Option<Format>| assert_eq!(Format::from_name(name), expected, "{name}");
        check("dir.fa/x.GBK.gz", Some(Format::Genbank));
        check("a.fastq.bz2", Some(Format::Fastq));
        check("a.bed.xz", Some(Format::Bed));
        check("a.bw", Some(Format::BigWig));
        check("fa", None);
        check(".fa", None);
        check("dir.fa/x", None);
        check("a.gz", None);
    }
}
