//! Answers for people: what was understood, the answer in words, a table, and what to know about it.

use anyhow::Result;
use genome_ask::answer::{Answer, Row};
use genome_ask::dialogue::Method;
use genome_ask::query::Tell;
use genome_ask::{Reply, ReplyKind, write};
use std::io::{IsTerminal, Write};

/// How answers are shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    /// Rows of a table.
    pub(crate) rows: usize,
    /// Query, SQL and lines too.
    pub(crate) explain: bool,
    /// Columns of the terminal; none where lines are not cut.
    pub(crate) width: Option<usize>,
}

impl Style {
    pub(crate) fn new(rows: usize, explain: bool) -> Self {
        let width = std::io::stdout().is_terminal().then(terminal_size::terminal_size).flatten();
        Self {
            rows: if rows == 0 { usize::MAX } else { rows },
            explain,
            width: width.map(|(width, _)| usize::from(width.0)),
        }
    }
}

pub(crate) fn reply(reply: &Reply, style: Style, out: &mut dyn Write) -> Result<()> {
    understood(reply, out)?;
    match &reply.kind {
        ReplyKind::Ambiguous { ask, readings } => {
            writeln!(out, "{}", plain(ask))?;
            for (i, reading) in readings.iter().enumerate() {
                writeln!(out, "  {}. {}", i + 1, plain(&reading.text))?;
            }
        }
        ReplyKind::Declined { reason, suggestions, .. } => {
            writeln!(out, "{}", plain(reason))?;
            if !suggestions.is_empty() {
                writeln!(out, "Questions that can be asked:")?;
                for suggestion in suggestions {
                    writeln!(out, "  {}", plain(suggestion))?;
                }
            }
        }
        ReplyKind::Answered { query, answer } | ReplyKind::Empty { query, answer } => {
            writeln!(out, "{}", plain(&reply.headline()))?;
            let counted =
                matches!(query.tell, Tell::Count | Tell::Aggregate(..) | Tell::Gc | Tell::N50 | Tell::Coverage);
            if !counted && answer.rows.len() > 1 {
                table(answer, style, out)?;
            }
            if !answer.groups.is_empty() && answer.groups.len() > 1 {
                groups(answer, style, out)?;
            }
            if answer.rows.iter().any(|row| row.sequence.is_some()) {
                write::fasta(answer, out)?;
            }
            for caveat in &answer.caveats {
                writeln!(out, "note: {}", plain(caveat))?;
            }
            if style.explain {
                explain(&query.to_string(), answer, style, out)?;
            }
        }
    }
    Ok(())
}

/// How the question was understood, and by what. A query that a language model chose is always shown.
pub(crate) fn understood(reply: &Reply, out: &mut dyn Write) -> Result<()> {
    for correction in &reply.corrections {
        writeln!(out, "{} was read as {}", plain(&correction.written), plain(&correction.read))?;
    }
    let help = reply.help.as_ref();
    let by_model = help.filter(|_| reply.method == Method::LanguageModel);
    match by_model {
        Some(help) => {
            let name = plain(&help.model);
            writeln!(out, "Understood, with the help of a language model ({name}), as: {}", plain(&reply.understood))?;
            if let Some(query) = reply.query() {
                writeln!(out, "query: {}", plain(&query.to_string()))?;
            }
        }
        None if !reply.understood.is_empty() => writeln!(out, "I read this as: {}", plain(&reply.understood))?,
        None => {}
    }
    if let Some(refused) = help.and_then(|help| help.refused.as_ref()) {
        let name = help.map(|help| plain(&help.model)).unwrap_or_default();
        // An error of a model names it already.
        let refused = plain(refused);
        let told = refused.strip_prefix(&format!("{name}: ")).unwrap_or(&refused);
        writeln!(out, "note: the language model {name} was asked too: {told}")?;
    }
    if let Some(help) = help
        && let Some(prose) = &help.prose
    {
        writeln!(
            out,
            "In the words of {} (every number and name is in the answer): {}",
            plain(&help.model),
            plain(prose)
        )?;
    }
    Ok(())
}

/// Names and products come from the file: nothing in them may steer the terminal.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c) || ('\u{2066}'..='\u{2069}').contains(&c) {
                ' '
            } else {
                c
            }
        })
        .collect()
}

fn table(answer: &Answer, style: Style, out: &mut dyn Write) -> Result<()> {
    let rows = &answer.rows[..answer.rows.len().min(style.rows)];
    type Column = (&'static str, bool, fn(&Row) -> String);
    let text = |value: &Option<String>| value.is_some();
    let mut columns: Vec<Column> = vec![("id", false, |row| row.id.clone())];
    if rows.iter().any(|row| row.gene.as_ref().is_some_and(|gene| *gene != row.id)) {
        columns.push(("gene", false, |row| row.gene.clone().unwrap_or_default()));
    }
    columns.push(("where", false, |row| format!("{}:{}-{}", row.seqid, row.start, row.end)));
    columns.push(("strand", false, |row| row.strand.clone()));
    columns.push(("bp", true, |row| row.length.to_string()));
    if rows.iter().any(|row| row.aa.is_some()) {
        columns.push(("aa", true, |row| row.aa.map(|aa| aa.to_string()).unwrap_or_default()));
    }
    if rows.iter().any(|row| row.kind == "window" || row.kind == "sequence") {
        columns.push(("gc", true, |row| row.gc.map(|gc| format!("{gc:.2}")).unwrap_or_default()));
    }
    if rows.iter().any(|row| !row.members.is_empty()) {
        columns.push(("genes", true, |row| row.members.len().to_string()));
        columns.push(("members", false, |row| row.members.join(" ")));
    }
    if rows.iter().any(|row| row.similarity.is_some()) {
        columns.push(("similarity", true, |row| row.similarity.map(|x| format!("{x:.3}")).unwrap_or_default()));
    }
    if rows.iter().any(|row| text(&row.pattern)) {
        columns.push(("pattern", false, |row| row.pattern.clone().unwrap_or_default()));
    }
    let shown: Vec<String> = rows.first().map(|row| row.fields.keys().cloned().collect()).unwrap_or_default();
    let product = rows.iter().any(|row| text(&row.product));
    let mut header: Vec<String> = columns.iter().map(|(name, ..)| (*name).to_owned()).collect();
    let mut right: Vec<bool> = columns.iter().map(|(_, right, _)| *right).collect();
    let extra: Vec<&String> = shown.iter().filter(|name| !header.contains(name) && *name != "product").collect();
    header.extend(extra.iter().map(|name| (*name).clone()));
    right.resize(header.len(), false);
    let product = product || shown.iter().any(|name| name == "product");
    if product {
        header.push("product".to_owned());
        right.push(false);
    }
    let mut lines = vec![header];
    for row in rows {
        let mut line: Vec<String> = columns.iter().map(|(_, _, get)| plain(&get(row))).collect();
        line.extend(extra.iter().map(|name| plain(&row.fields.get(*name).map(|v| v.join("; ")).unwrap_or_default())));
        if product {
            let own = row.product.clone().or_else(|| row.fields.get("product").map(|v| v.join("; ")));
            line.push(plain(&own.unwrap_or_default()));
        }
        lines.push(line);
    }
    grid(&lines, &right, style.width, out)?;
    if answer.rows.len() > rows.len() || answer.truncated {
        let more = answer.count.saturating_sub(rows.len() as u64);
        writeln!(out, "  and {more} more: --rows 0 shows all, --csv writes them")?;
    }
    Ok(())
}

fn groups(answer: &Answer, style: Style, out: &mut dyn Write) -> Result<()> {
    let codons = answer.groups.iter().any(|group| group.label.is_some());
    let mut lines = vec![if codons {
        vec!["codon".to_owned(), "aa".to_owned(), "count".to_owned(), "per 1000".to_owned(), "share".to_owned()]
    } else {
        vec!["value".to_owned(), "count".to_owned()]
    }];
    let shown = if codons { 64 } else { style.rows };
    for group in answer.groups.iter().take(shown) {
        let number = |x: Option<f64>| x.map(|x| format!("{x:.2}")).unwrap_or_default();
        lines.push(if codons {
            let label = group.label.clone().unwrap_or_default();
            vec![group.key.clone(), label, group.count.to_string(), number(group.per_thousand), number(group.share)]
        } else {
            vec![plain(&group.key), group.count.to_string()]
        });
    }
    let right: &[bool] = if codons { &[false, false, true, true, true] } else { &[false, true] };
    grid(&lines, right, style.width, out)
}

/// Columns under each other; the last one is cut where the terminal ends.
fn grid(lines: &[Vec<String>], right: &[bool], width: Option<usize>, out: &mut dyn Write) -> Result<()> {
    let columns = lines.first().map_or(0, Vec::len);
    let widest = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(widest).collect();
    for line in lines {
        let mut text = String::from(" ");
        for (i, value) in line.iter().enumerate() {
            let pad = widths[i] - value.chars().count();
            let blanks = " ".repeat(pad);
            text.push(' ');
            match right.get(i) {
                Some(true) => text += &format!("{blanks}{value} "),
                _ => text += &format!("{value}{blanks} "),
            }
        }
        let text = text.trim_end();
        match width {
            Some(width) if text.chars().count() > width => {
                let cut: String = text.chars().take(width.saturating_sub(1)).collect();
                writeln!(out, "{cut}\u{2026}")?;
            }
            _ => writeln!(out, "{text}")?,
        }
    }
    Ok(())
}

/// How the answer came about: the query, the statements, the lines of the file.
pub(crate) fn explain(query: &str, answer: &Answer, style: Style, out: &mut dyn Write) -> Result<()> {
    writeln!(out, "query: {}", plain(query))?;
    for sql in &answer.sql {
        writeln!(out, "sql: {}", plain(&sql.text))?;
        for (i, parameter) in sql.parameters.iter().enumerate() {
            let mut text: String = plain(parameter).chars().take(200).collect();
            if parameter.chars().count() > 200 {
                text.push('\u{2026}');
            }
            writeln!(out, "  ?{} = {text}", i + 1)?;
        }
    }
    for computed in &answer.computed {
        writeln!(out, "computed: {}", plain(computed))?;
    }
    for row in answer.rows.iter().take(style.rows) {
        let line = row.line.map(|line| format!(":{line}")).unwrap_or_default();
        writeln!(out, "source: {} {}{line}", plain(&row.id), plain(&row.source_file))?;
    }
    for (file, hash) in &answer.sources {
        writeln!(out, "file: {} sha256 {hash}", plain(file))?;
    }
    Ok(())
}
