//! Answers as files.

use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::{App, WebConfig, page};
use crate::answer::{Answer, Status};
use crate::error::{Error, Result};
use crate::index::Index;
use crate::query::{Output, Query};
use crate::write;

/// What to download.
#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    /// The text of a query.
    pub(super) q: String,
    pub(super) format: Format,
}

/// In which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    Json,
    Csv,
    Fasta,
    Gff3,
}

impl Format {
    fn output(self) -> Output {
        match self {
            Self::Json => Output::Json,
            Self::Csv => Output::Csv,
            Self::Fasta => Output::Fasta,
            Self::Gff3 => Output::Gff3,
        }
    }

    fn kind_and_ending(self) -> (&'static str, &'static str) {
        match self {
            Self::Json => ("application/json", "json"),
            Self::Csv => ("text/csv; charset=utf-8", "csv"),
            Self::Fasta => ("text/x-fasta; charset=utf-8", "fasta"),
            Self::Gff3 => ("text/x-gff3; charset=utf-8", "gff3"),
        }
    }
}

/// A file, or why there is none.
#[derive(Debug)]
pub(super) enum Made {
    File(Vec<u8>),
    /// There is no answer to write.
    Nothing(String),
}

/// Runs the query once more, with room for all rows: a file is whole or is not made.
pub(super) fn make(index: &Index, config: &WebConfig, wanted: &Wanted) -> Result<Made> {
    let mut query = Query::parse(&wanted.q)?;
    if wanted.format == Format::Fasta {
        query.output = Output::Fasta; // asks for letters
    }
    let answer = index.run_with(&query, config.download)?;
    if answer.truncated {
        return Err(Error::TooMuch { what: "rows", limit: config.download.rows });
    }
    match (&answer.status, wanted.format) {
        (_, Format::Json) | (Status::Ok, _) => {}
        (Status::Empty { text, .. } | Status::Refused { text }, _) => return Ok(Made::Nothing(text.clone())),
        (Status::Ambiguous { name, .. }, _) => return Ok(Made::Nothing(format!("{name} means several things"))),
    }
    let mut out = Vec::new();
    if wanted.format == Format::Csv && answer.rows.is_empty() {
        numbers(&answer, &mut out)?;
    } else {
        write::rows(&answer, wanted.format.output(), &mut out)?;
    }
    Ok(Made::File(out))
}

/// Groups, else values, as CSV: what an answer without rows has.
fn numbers(answer: &Answer, out: &mut Vec<u8>) -> Result<()> {
    let quoted = |text: &str| {
        let special = text.contains([',', '"', '\n', '\r']);
        if special { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
    };
    let number = |number: Option<f64>| number.map(|n| n.to_string()).unwrap_or_default();
    let mut text = String::new();
    if answer.groups.is_empty() {
        text += "name,value,unit\n";
        for value in &answer.values {
            text += &format!("{},{},{}\n", quoted(&value.name), value.value, quoted(&value.unit));
        }
    } else {
        text += "value,label,count,per_thousand,share\n";
        for group in &answer.groups {
            let label = quoted(group.label.as_deref().unwrap_or_default());
            let (per_thousand, share) = (number(group.per_thousand), number(group.share));
            text += &format!("{},{label},{},{per_thousand},{share}\n", quoted(&group.key), group.count);
        }
    }
    out.extend(text.into_bytes());
    Ok(())
}

/// The response for a file.
pub(super) fn response(app: &App, wanted: &Wanted, made: Result<Made>) -> Response {
    let bytes = match made {
        Ok(Made::File(bytes)) => bytes,
        Ok(Made::Nothing(text)) => return page::problem(app, StatusCode::UNPROCESSABLE_ENTITY, &text),
        Err(error) => return page::problem(app, super::status_of(&error), &error.to_string()),
    };
    let (kind, ending) = wanted.format.kind_and_ending();
    let name = match &app.genomes[..] {
        [genome] => file_name(&genome.name),
        _ => "genomes".to_owned(),
    };
    let disposition = format!("attachment; filename=\"{name}-answer.{ending}\"");
    let headers: [(HeaderName, String); 2] = [(CONTENT_TYPE, kind.to_owned()), (CONTENT_DISPOSITION, disposition)];
    (headers, bytes).into_response()
}

/// Letters that every system allows in a file name, and that need no quoting in a header.
fn file_name(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' };
    let name: String = text.chars().take(60).map(plain).collect();
    let name = name.trim_matches(['.', '_']);
    if name.is_empty() { "genome".to_owned() } else { name.to_owned() }
}
