//! Answers in the formats of other programs: JSON, CSV, TSV, FASTA, GFF3.
//!
//! ```
//! use genome_ask::answer::{Answer, Row};
//! use genome_ask::write;
//!
//! let row = Row { id: "b0001".into(), seqid: "chr1".into(), start: 190, end: 255, strand: "+".into(), ..Row::default() };
//! let answer = Answer { rows: vec![Row { sequence: Some("MKRISTT".into()), ..row }], ..Answer::default() };
//! let mut out = Vec::new();
//! write::fasta(&answer, &mut out)?;
//! assert_eq!(String::from_utf8(out).unwrap(), ">b0001 chr1:190-255(+)\nMKRISTT\n");
//! # Ok::<(), genome_ask::Error>(())
//! ```

use std::io::Write;

use crate::answer::{Answer, Row};
use crate::error::{Error, Result};
use crate::query::Output;

/// Letters of a line of FASTA.
const WIDTH: usize = 70;

/// Writes the rows in this format; [`Output::Table`] as TSV.
///
/// # Errors
///
/// [`Error::Write`], and for FASTA rows without a sequence.
pub fn rows(answer: &Answer, format: Output, out: &mut dyn Write) -> Result<()> {
    match format {
        Output::Json => json(answer, out),
        Output::Csv => table(answer, ',', out),
        Output::Table | Output::Tsv => table(answer, '\t', out),
        Output::Fasta => fasta(answer, out),
        Output::Gff3 => gff3(answer, out),
    }
}

/// Writes the whole answer as one JSON document.
///
/// # Errors
///
/// [`Error::Write`].
pub fn json(answer: &Answer, out: &mut dyn Write) -> Result<()> {
    serde_json::to_writer(&mut *out, answer).map_err(|e| Error::Write(e.into()))?;
    out.write_all(b"\n").map_err(Error::Write)
}

const COLUMNS: [&str; 16] = [
    "id",
    "locus_tag",
    "gene",
    "kind",
    "genome",
    "seqid",
    "start",
    "end",
    "strand",
    "length",
    "aa",
    "gc",
    "product",
    "protein_id",
    "source_file",
    "line",
];

/// Writes a line for each row, with a header; fields of the query, members and the sequence follow where there are any. Values
/// with a separator, a quote or a line end stand in quotes (RFC 4180); TSV has blanks in place of tabs and line ends.
///
/// # Errors
///
/// [`Error::Write`].
pub fn table(answer: &Answer, separator: char, out: &mut dyn Write) -> Result<()> {
    let mut columns: Vec<String> = COLUMNS.iter().map(|c| (*c).to_owned()).collect();
    let shown: Vec<String> = answer.rows.first().map(|row| row.fields.keys().cloned().collect()).unwrap_or_default();
    // A field that is a column already keeps its own name apart.
    columns.extend(
        shown.iter().map(|field| if COLUMNS.contains(&&**field) { format!("all_{field}") } else { field.clone() }),
    );
    let optional: [(&str, Get); 4] = [
        ("similarity", |row| row.similarity.map(|x| format!("{x:.4}"))),
        ("pattern", |row| row.pattern.clone()),
        ("members", |row| (!row.members.is_empty()).then(|| row.members.join(";"))),
        ("sequence", |row| row.sequence.clone()),
    ];
    let optional: Vec<_> =
        optional.into_iter().filter(|(_, get)| answer.rows.iter().any(|row| get(row).is_some())).collect();
    columns.extend(optional.iter().map(|(name, _)| (*name).to_owned()));
    line(&columns, separator, out)?;
    for row in &answer.rows {
        let mut values = fixed(row);
        values.extend(shown.iter().map(|field| row.fields.get(field).map(|v| v.join("; ")).unwrap_or_default()));
        values.extend(optional.iter().map(|(_, get)| get(row).unwrap_or_default()));
        line(&values, separator, out)?;
    }
    Ok(())
}

/// A column that few rows have.
type Get = fn(&Row) -> Option<String>;

fn fixed(row: &Row) -> Vec<String> {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let number = |value: Option<u64>| value.map(|n| n.to_string()).unwrap_or_default();
    vec![
        row.id.clone(),
        text(&row.locus_tag),
        text(&row.gene),
        row.kind.clone(),
        row.genome.clone(),
        row.seqid.clone(),
        row.start.to_string(),
        row.end.to_string(),
        row.strand.clone(),
        row.length.to_string(),
        number(row.aa),
        row.gc.map(|gc| format!("{gc:.2}")).unwrap_or_default(),
        text(&row.product),
        text(&row.protein_id),
        row.source_file.clone(),
        number(row.line),
    ]
}

fn line(values: &[String], separator: char, out: &mut dyn Write) -> Result<()> {
    let mut text = String::new();
    for (i, value) in values.iter().enumerate() {
        if i > 0 {
            text.push(separator);
        }
        if separator == '\t' {
            text.push_str(&plain(value));
        } else if value.contains([separator, '"', '\n', '\r']) {
            text.push('"');
            text.push_str(&value.replace('"', "\"\""));
            text.push('"');
        } else {
            text.push_str(value);
        }
    }
    text.push('\n');
    out.write_all(text.as_bytes()).map_err(Error::Write)
}

/// Without control characters.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Writes a record for each row that has a sequence: what the query extracted.
///
/// # Errors
///
/// [`Error::Query`] where no row has one; [`Error::Write`].
pub fn fasta(answer: &Answer, out: &mut dyn Write) -> Result<()> {
    if !answer.rows.is_empty() && answer.rows.iter().all(|row| row.sequence.is_none()) {
        return Err(Error::Query { problem: "no sequence was extracted", found: plain(&answer.query) });
    }
    for row in &answer.rows {
        let Some(sequence) = &row.sequence else { continue };
        let mut header = plain(&row.id).replace(' ', "_");
        for text in [&row.gene, &row.product].into_iter().flatten() {
            header.push(' ');
            header.push_str(&plain(text));
        }
        // Bases beside a gene are not those of its coordinates.
        if let Some(what) =
            row.sequence_is.as_deref().filter(|what| what.contains("stream ") || what.contains("flanked"))
        {
            header.push_str(&format!(" {} of", plain(what)));
        }
        let text = format!(">{header} {}:{}-{}({})\n", plain(&row.seqid), row.start, row.end, row.strand);
        out.write_all(text.as_bytes()).map_err(Error::Write)?;
        for piece in sequence.as_bytes().chunks(WIDTH) {
            out.write_all(piece).and_then(|()| out.write_all(b"\n")).map_err(Error::Write)?;
        }
    }
    Ok(())
}

/// Writes a line of GFF3 for each row, one for each part where there are several (with one `ID`). What goes over the origin ends
/// behind the length of its sequence, as the format wants it.
///
/// # Errors
///
/// [`Error::Write`].
pub fn gff3(answer: &Answer, out: &mut dyn Write) -> Result<()> {
    out.write_all(b"##gff-version 3\n").map_err(Error::Write)?;
    for (number, row) in answer.rows.iter().enumerate() {
        let kind = match row.kind.as_str() {
            "intergenic" => "intergenic_region",
            "motif" => "nucleotide_motif",
            "run" | "cluster" => "gene_group",
            "window" | "region" | "sequence" => "region",
            kind => kind,
        };
        let mut attributes = format!("ID={}", encode(&format!("{}-{}", row.id, number + 1), true));
        let name = row.gene.as_deref().or(row.pattern.as_deref()).unwrap_or(&row.id);
        attributes += &format!(";Name={}", encode(name, true));
        let more = [
            ("locus_tag", &row.locus_tag),
            ("gene", &row.gene),
            ("product", &row.product),
            ("protein_id", &row.protein_id),
        ];
        for (key, value) in more {
            if let Some(value) = value {
                attributes += &format!(";{key}={}", encode(value, true));
            }
        }
        if !row.members.is_empty() {
            let members: Vec<String> = row.members.iter().map(|member| encode(member, true)).collect();
            attributes += &format!(";members={}", members.join(","));
        }
        let whole =
            if row.wraps { (row.start, row.start + row.length.saturating_sub(1)) } else { (row.start, row.end) };
        let parts = if row.parts.len() > 1 && !row.wraps { row.parts.clone() } else { vec![whole] };
        let strand = if matches!(row.strand.as_str(), "+" | "-") { row.strand.as_str() } else { "." };
        // The phase of a CDS is told by its file; here the first part begins with a codon.
        let mut phase = 0;
        for (start, end) in parts {
            let column = if kind.eq_ignore_ascii_case("CDS") { phase.to_string() } else { ".".to_owned() };
            let seqid = encode(&row.seqid, false);
            let text = format!(
                "{seqid}\tgenome-ask\t{}\t{start}\t{end}\t.\t{strand}\t{column}\t{attributes}\n",
                encode(kind, false)
            );
            out.write_all(text.as_bytes()).map_err(Error::Write)?;
            phase = (3 - (end + 1).saturating_sub(start).wrapping_sub(phase) % 3) % 3;
        }
    }
    Ok(())
}

/// Percent-encodes what GFF3 reserves.
fn encode(text: &str, attribute: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let reserved =
            c.is_ascii_control() || c == '%' || if attribute { ";=&,".contains(c) } else { " >".contains(c) };
        if reserved { out += &format!("%{:02X}", u32::from(c)) } else { out.push(c) }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> Answer {
        let row = Row {
            id: "a b\n>c".into(),
            gene: Some("g\"1".into()),
            kind: "CDS".into(),
            product: Some("<script>;=,%\t\u{7}".into()),
            seqid: "chr 1".into(),
            start: 5,
            end: 60,
            strand: "+".into(),
            length: 56,
            parts: vec![(5, 9), (50, 60)],
            sequence: Some("A".repeat(75)),
            ..Row::default()
        };
        Answer { rows: vec![row], ..Answer::default() }
    }

    fn text(format: Output) -> String {
        let mut out = Vec::new();
        rows(&answer(), format, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn hostile_texts_stay_in_their_place() {
        let fasta = text(Output::Fasta);
        assert_eq!(fasta.lines().count(), 3);
        assert!(fasta.starts_with(">a_b_>c g\"1 <script>;=,%   chr 1:5-60(+)\n"), "{fasta}");
        let gff = text(Output::Gff3);
        let lines: Vec<&str> = gff.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[1].starts_with("chr%201\tgenome-ask\tCDS\t5\t9\t.\t+\t0\tID=a b%0A>c-1;"), "{gff}");
        assert!(lines[2].contains("\t50\t60\t.\t+\t1\t"), "{gff}"); // two bases of five are left: one is missing
        assert!(lines[1].contains("product=<script>%3B%3D%2C%25%09%07"), "{gff}");
        assert_eq!(text(Output::Tsv).lines().count(), 2);
        let csv = text(Output::Csv);
        assert!(csv.contains("\"a b\n>c\",,\"g\"\"1\",CDS"), "{csv}");
        let json: Answer = serde_json::from_str(&text(Output::Json)).unwrap();
        assert_eq!(json, answer());
    }

    #[test]
    fn fasta_needs_sequences() {
        let mut answer = answer();
        answer.rows[0].sequence = None;
        assert!(fasta(&answer, &mut Vec::new()).is_err());
    }
}
