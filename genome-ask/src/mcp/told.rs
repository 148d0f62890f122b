//! What the tools tell: text that a model reads, and the same as JSON.

use rmcp::model::{CallToolResult, ContentBlock};
use serde::Serialize;
use serde_json::{Value, json};

use crate::answer::{Answer, Status};
use crate::compare::Comparison;
use crate::dialogue::{Dialogue, Reply, ReplyKind};
use crate::error::{Error, Result};
use crate::index::Index;
use crate::query::{Field, Query, Select, Tell};
use crate::write;

/// Names of a list of a comparison.
const MOST_NAMES: usize = 500;

fn result(text: String, value: &impl Serialize) -> Result<CallToolResult> {
    let value = serde_json::to_value(value).map_err(|e| Error::Write(e.into()))?;
    let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
    result.structured_content = Some(value);
    Ok(result)
}

/// What went wrong; the one who asked can ask otherwise.
pub(super) fn problem(text: &str) -> CallToolResult {
    CallToolResult::error(vec![ContentBlock::text(text)])
}

pub(super) fn reply(reply: &Reply) -> Result<CallToolResult> {
    let mut text = String::new();
    if !reply.understood.is_empty() {
        text += &format!("Understood as: {}\n", reply.understood);
    }
    for correction in &reply.corrections {
        text += &format!("Read {:?} as {:?}\n", correction.written, correction.read);
    }
    text += &reply.text;
    text.push('\n');
    match &reply.kind {
        ReplyKind::Answered { answer, .. } => text += &body(answer)?,
        ReplyKind::Empty { answer, .. } => text += &caveats(answer),
        ReplyKind::Ambiguous { ask, readings } => {
            if !reply.text.contains(ask) {
                text += &format!("{ask}\n");
            }
            for reading in readings {
                text += &format!("- {}\n", reading.text);
                if let Some(query) = &reading.query {
                    text += &format!("  as a typed query: {query}\n");
                }
            }
        }
        ReplyKind::Declined { reason, suggestions, .. } => {
            if !reply.text.contains(reason) {
                text += &format!("{reason}\n");
            }
            for suggestion in suggestions {
                text += &format!("- {suggestion}\n");
            }
        }
    }
    result(text, reply)
}

pub(super) fn answer(answer: &Answer) -> Result<CallToolResult> {
    let text = match &answer.status {
        Status::Ok => body(answer)?,
        Status::Empty { text, .. } | Status::Refused { text } => format!("{text}\n{}", caveats(answer)),
        Status::Ambiguous { name, candidates } => {
            let mut text = format!("{name} may mean several things; ask again with a locus tag:\n");
            for row in candidates {
                let what = row.product.as_deref().unwrap_or(&row.kind);
                text += &format!("- {} ({}:{}-{} {}), {what}\n", row.id, row.seqid, row.start, row.end, row.strand);
            }
            text
        }
    };
    result(text, answer)
}

/// Numbers, groups and rows.
fn body(answer: &Answer) -> Result<String> {
    let mut text = format!("Query: {}\nCount: {}\n", answer.query, answer.count);
    if let Some(verdict) = answer.verdict {
        text += if verdict { "Verdict: yes\n" } else { "Verdict: no\n" };
    }
    for value in &answer.values {
        text += &format!("{}: {} {}\n", value.name, value.value, value.unit);
    }
    for group in &answer.groups {
        let label = group.label.as_deref().map(|label| format!(" ({label})")).unwrap_or_default();
        text += &format!("{}{label}\t{}\n", group.key, group.count);
    }
    text += &caveats(answer);
    if !answer.rows.is_empty() {
        let mut rows = Vec::new();
        write::table(answer, '\t', &mut rows)?;
        text += &String::from_utf8_lossy(&rows);
    }
    Ok(text)
}

fn caveats(answer: &Answer) -> String {
    answer.caveats.iter().map(|caveat| format!("Note: {caveat}\n")).collect()
}

/// The letters as FASTA.
pub(super) fn fasta(found: &Answer) -> Result<CallToolResult> {
    if !found.status.is_ok() {
        return answer(found);
    }
    let mut letters = Vec::new();
    write::fasta(found, &mut letters)?;
    result(caveats(found) + &String::from_utf8_lossy(&letters), found)
}

pub(super) fn info(index: &Index) -> Result<CallToolResult> {
    let genomes = index.genomes()?;
    let mut text = String::new();
    let mut all = Vec::new();
    for genome in &genomes {
        let mut query = Query::new(Select::Feature).tell(Tell::Count);
        query.genome = Some(genome.name.clone());
        query.group = Some(Field::Kind);
        let kinds: Vec<(String, Value)> = index
            .run_with(&query, super::limits(Some(0)))?
            .groups
            .into_iter()
            .map(|g| (g.key, g.count.into()))
            .collect();
        let organism = genome.organism.as_deref().unwrap_or("organism not told");
        text += &format!(
            "{}: {organism}; {}, {} sequences, {} bp, {} features{}\n",
            genome.name,
            genome.format,
            genome.sequences,
            genome.bases,
            genome.features,
            if genome.has_residues { "" } else { "; no sequence letters" }
        );
        for (kind, count) in &kinds {
            text += &format!("  {kind}\t{count}\n");
        }
        all.push(json!({ "genome": genome, "features_by_kind": kinds.into_iter().collect::<serde_json::Map<String, Value>>() }));
    }
    let examples = Dialogue::new(index).examples();
    text += "Questions that are understood:\n";
    for sort in &examples {
        text += &format!("{}: {}\n", sort.category, sort.questions.join(" | "));
    }
    result(text, &json!({ "genomes": all, "examples": examples }))
}

pub(super) fn comparison(first: &str, second: &str, found: &Comparison) -> Result<CallToolResult> {
    let mut text = format!(
        "{first} and {second}: {} names in both, {} in {first} alone, {} in {second} alone; genes without a name: {} and {}\n",
        found.shared.len(),
        found.only_first.len(),
        found.only_second.len(),
        found.unnamed.0,
        found.unnamed.1
    );
    let list = |names: Vec<&String>| -> (Vec<String>, bool) {
        (names.iter().take(MOST_NAMES).map(|name| (*name).clone()).collect(), names.len() > MOST_NAMES)
    };
    let mut lists = serde_json::Map::new();
    for (what, names) in [
        ("shared", found.shared.keys().collect::<Vec<_>>()),
        ("only_first", found.only_first.keys().collect()),
        ("only_second", found.only_second.keys().collect()),
    ] {
        let count = names.len();
        let (names, cut) = list(names);
        text += &format!("{what}{}: {}\n", if cut { " (the first ones)" } else { "" }, names.join(", "));
        lists.insert(what.to_owned(), json!({ "count": count, "names": names, "truncated": cut }));
    }
    let unnamed = json!([found.unnamed.0, found.unnamed.1]);
    result(text, &json!({ "first": first, "second": second, "names": lists, "unnamed": unnamed }))
}
