//! A reply in few fields.

use serde_json::json;

use crate::answer::{Answer, Row, Status};
use crate::dialogue::{Facts, Method, Reply, ReplyKind};
use crate::query::{Field, Query, Select, Tell};

impl Reply {
    /// The answer in words without the rows, for where a table follows.
    pub fn headline(&self) -> String {
        match &self.kind {
            ReplyKind::Answered { query, answer }
                if query.tell == Tell::Rows && answer.rows.len() > 1 && self.method != Method::Similarity =>
            {
                format!("{}.", super::headline(query, answer))
            }
            _ => self.text.clone(),
        }
    }

    /// The reply in few fields, as programs want it.
    pub fn facts(&self) -> Facts {
        let text = self.text.clone();
        match &self.kind {
            ReplyKind::Answered { query, answer } => of_answer(query, answer, text),
            ReplyKind::Empty { query, .. } => {
                let counts = matches!(query.tell, Tell::Count);
                Facts { status: "empty".into(), count: counts.then_some(0), text, ..Facts::default() }
            }
            ReplyKind::Ambiguous { readings, .. } => {
                let ids = readings.iter().map(|reading| {
                    // A reading that is one gene is told by its name.
                    match reading.query.as_ref().and_then(|query| query.filters.first()) {
                        Some(crate::query::Filter::Among(ids)) if ids.len() == 1 => ids[0].clone(),
                        _ => reading.text.clone(),
                    }
                });
                Facts { status: "clarify".into(), ids: ids.collect(), text, ..Facts::default() }
            }
            ReplyKind::Declined { .. } => Facts { status: "refused".into(), text, ..Facts::default() },
        }
    }
}

fn of_answer(query: &Query, answer: &Answer, mut text: String) -> Facts {
    debug_assert_eq!(answer.status, Status::Ok);
    let rows = &answer.rows;
    for row in rows.iter().filter(|row| row.sequence.is_some()) {
        text += &format!("\n>{}\n{}", row.id, row.sequence.as_deref().unwrap_or_default());
    }
    let (value, unit) = match (answer.verdict, answer.values.first(), shown_number(query, rows)) {
        (Some(verdict), ..) => (Some(json!(if verdict { "yes" } else { "no" })), None),
        (None, Some(value), _) => (Some(json!(value.value)), Some(value.unit.clone())),
        (None, None, Some((value, unit))) => (Some(json!(value)), Some(unit.to_owned())),
        _ => (None, None),
    };
    // A run or cluster is counted by its members, exons by their sum.
    let members = match (&query.select, &rows[..]) {
        (Select::Run { .. } | Select::Cluster { .. }, [row]) if query.limit.is_some() => Some(row.members.len() as u64),
        _ => None,
    };
    let of_parts = match &query.tell {
        Tell::Aggregate(_, Field::Parts) => answer.values.first().map(|value| value.value as u64),
        _ => None,
    };
    Facts {
        status: "ok".into(),
        count: Some(members.or(of_parts).unwrap_or(answer.count)),
        ids: rows.iter().map(|row| row.id.clone()).collect(),
        value,
        unit: unit.filter(|unit| !unit.is_empty()),
        interval: answer.interval.clone(),
        text,
    }
}

/// The number that was asked of one row.
fn shown_number(query: &Query, rows: &[Row]) -> Option<(f64, &'static str)> {
    let ([field], [row]) = (&query.show[..], rows) else { return None };
    let unit = match field {
        Field::Length | Field::Bases => "bp",
        Field::Aa => "aa",
        Field::Gc => "%",
        Field::MolecularWeight => "Da",
        Field::IsoelectricPoint | Field::Parts => "",
        _ => return None,
    };
    let value = row.fields.get(&field.to_string())?.first()?.parse().ok()?;
    Some((value, unit))
}
