//! The operations of the question bank, written as queries: the answers must be those that were computed by another program.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use genome_ask::answer::{Answer, Status};
use genome_ask::{Index, Query, Source, Store};
use serde_json::Value;

/// What `count` of an expected answer means.
#[derive(Clone, Copy, PartialEq)]
enum Count {
    /// Rows.
    Rows,
    /// The number that is told.
    Value,
    /// Members of the one row.
    Members,
}

const QUERIES: &[(&str, &str)] = &[
    ("P001", "count tRNA where not pseudo"),
    ("P002", "count rRNA where not pseudo"),
    ("P003", "count protein"),
    ("P004", "count gene where pseudo"),
    ("P005", "count ncRNA where not pseudo"),
    ("P006", "count tRNA where not pseudo"),
    ("P007", "count gene where on NZ_KL370824.1"),
    ("P008", "count rRNA where not pseudo"),
    ("P009", "count tRNA where on IV"),
    ("P010", "count tRNA where not pseudo"),
    ("P011", "list gene where named dnaA"),
    ("P012", "list gene where named b0002 show product, function"),
    ("P013", "list gene where named lacZ show strand"),
    ("P014", "list gene where named rpoB show locus_tag"),
    ("P015", "list gene where named rfaK"),
    ("P016", "list gene where named gpp"),
    ("P017", "list gene where overlaps 1234567"),
    ("P018", "list gene where next_to lacZ by 1"),
    ("P019", "list gene where named thrA show ec"),
    ("P020", "list gene where named rpoB show db_xref"),
    ("P021", "list gene where named pdhA"),
    ("P022", "list gene where named rpl2"),
    ("P023", "sum(parts) cds where named ycf3"),
    ("P024", "list gene where named pst show product"),
    ("P025", "list gene where named ADE2"),
    ("P026", "list gene where named GAL4"),
    ("P027", "list gene where named CG2671"),
    ("P028", "count protein where aa < 50"),
    ("P029", "list protein where aa < 11"),
    ("P030", "count protein where strand - and aa between 100 and 200"),
    ("P031", "list protein order by aa desc limit 1 with ties"),
    ("P032", "list gene order by length desc limit 10"),
    ("P033", "list protein where aa < 50"),
    ("P034", "list protein order by aa limit 3"),
    ("P035", "list protein order by aa desc limit 1 with ties"),
    ("P036", "list gene where coding order by length desc limit 1 with ties"),
    ("P037", "median(aa) cds where translated"),
    ("P038", "count protein where product has \"LysR family\""),
    ("P039", "count protein where product has \"ABC transporter\""),
    ("P040", "count protein where ec under 2.7"),
    ("P041", "count protein where go is \"GO:0006281\""),
    ("P042", "list protein where function contains \"Amino acid biosynthesis: Threonine\""),
    ("P043", "share(unknown_function) protein"),
    ("P044", "count protein where unknown_function"),
    ("P045", "count protein where go is \"GO:0005524\""),
    ("P046", "count protein where product has transposase"),
    ("P047", "list cds where function contains \"cell lysis\""),
    ("P048", "list gene where near dnaA within 10 kb"),
    ("P049", "list gene where near trnH within 5 kb"),
    ("P050", "adjacent gene where named lacZ|lacY|lacA"),
    ("P051", "list run(gap 50) order by members desc limit 1"),
    ("P052", "list run(gap 50) order by members desc limit 1"),
    (
        "P053",
        "list cluster(protein, gap 3000, min 2) where product has lipopolysaccharide|LPS order by members desc limit 1",
    ),
    ("P054", "list gene where overlaps 1000000-1010000"),
    ("P055", "gc sequence"),
    ("P056", "n50 sequence"),
    ("P057", "list intergenic order by length desc limit 1"),
    ("P058", "list protein where named recA extract protein"),
    ("P059", "share(start_codon is GTG) cds where translated"),
    ("P060", "list gene where named araB extract upstream 500 as fasta"),
    ("P061", "count motif(GAATTC)"),
    ("P062", "count motif(PstI)"),
    ("P063", "list cds where wraps"),
    ("P064", "distinct(transl_table) cds"),
    ("P065", "coverage cds"),
    ("P066", "gc sequence where on Chr1"),
    ("P067", "list gene where named phoT"),
    ("P074", "gc sequence"),
    ("P075", "list gene where named nifH"),
    ("P076", "exists gene where named lacZ"),
    ("P077", "count protein where product has \"ABC transporter\" and aa > 300"),
    ("P078", "count protein where product has \"ABC transporter\" and aa > 300 and strand +"),
    ("P079", "list gene where next_to dnaA by 1 downstream"),
    ("P080", "list protein where aa < 50 order by aa limit 1 extract protein as fasta"),
    ("P081", "list gene where near dnaA within 10 kb and unknown_function"),
    ("P082", "count protein where strand - and aa between 100 and 200 and ec present"),
    ("P083", "gc sequence order by length desc limit 1"),
    ("P084", "list protein where product has \"LysR family\""),
];

/// Questions without an operation on the data: they ask back or are declined before a query is made.
const WITHOUT_QUERY: [&str; 6] = ["P068", "P069", "P070", "P071", "P072", "P073"];

#[test]
fn the_question_bank() {
    let Some(data) = common::data_folder("the_question_bank") else { return };
    let questions = std::fs::read_to_string(data.join("ask/questions.jsonl")).unwrap();
    let mut indexes: BTreeMap<String, Index> = BTreeMap::new();
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for question in questions.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        let id = question["id"].as_str().unwrap();
        seen.insert(id.to_owned());
        let Some((_, text)) = QUERIES.iter().find(|(other, _)| *other == id) else {
            assert!(WITHOUT_QUERY.contains(&id), "{id} has no query");
            continue;
        };
        let genome = question["genome"].as_str().unwrap().to_owned();
        let index = indexes.entry(genome.clone()).or_insert_with(|| open(&data.join(&genome)));
        let query = Query::parse(text).unwrap_or_else(|e| panic!("{id}: {e}"));
        assert_eq!(Query::parse(&query.to_string()).unwrap(), query, "{id}");
        let count = match id {
            "P023" => Count::Value,
            "P051" | "P052" => Count::Members,
            _ => Count::Rows,
        };
        match index.run(&query) {
            Ok(answer) => {
                if let Err(why) = judge(&question["expected"], &answer, count) {
                    wrong.push(format!("{id} {text}: {why}"));
                }
            }
            Err(error) => wrong.push(format!("{id} {text}: {error}")),
        }
    }
    assert_eq!(seen.len(), QUERIES.len() + WITHOUT_QUERY.len());
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

fn open(path: &Path) -> Index {
    Index::open(&[Source::new(path)], &Store::Memory).unwrap()
}

/// As `score.py` judges.
fn judge(expected: &Value, answer: &Answer, count: Count) -> Result<(), String> {
    let same = |what: &str, ok: bool, found: String| if ok { Ok(()) } else { Err(format!("{what}: found {found}")) };
    if let Some(clarify) = expected["clarify"].as_array() {
        let Status::Ambiguous { candidates, .. } = &answer.status else { return Err(format!("{:?}", answer.status)) };
        let found: BTreeSet<&str> = candidates.iter().map(|row| &*row.id).collect();
        return same("candidates", clarify.iter().all(|id| found.contains(id.as_str().unwrap())), format!("{found:?}"));
    }
    if expected["refuse"] == true {
        let right = match (&answer.status, expected["reason"].as_str()) {
            (Status::Empty { text, .. }, Some("not_annotated")) => text.contains("not annotated"),
            (Status::Refused { .. }, Some("no_sequence")) => true,
            _ => false,
        };
        return same("status", right && answer.values.is_empty() && answer.count == 0, format!("{:?}", answer.status));
    }
    let nothing = expected["count"] == 0;
    let right = answer.status.is_ok() || (nothing && matches!(answer.status, Status::Empty { .. }));
    same("status", right, format!("{:?}", answer.status))?;
    if let Some(expected) = expected["count"].as_u64() {
        let found = match count {
            Count::Rows => answer.count,
            Count::Value => answer.values[0].value as u64,
            Count::Members => answer.rows[0].members.len() as u64,
        };
        same("count", found == expected, format!("{found}, expected {expected}"))?;
    }
    if let Some(ids) = expected["ids"].as_array() {
        let want: Vec<&str> = ids.iter().map(|id| id.as_str().unwrap()).collect();
        let have: Vec<&str> = answer.rows.iter().map(|row| &*row.id).collect();
        let right = if expected["ordered"] == true {
            want == have
        } else {
            want.iter().collect::<BTreeSet<_>>() == have.iter().collect()
        };
        same("ids", right, format!("{have:?}, expected {want:?}"))?;
    }
    match &expected["value"] {
        Value::String(text) => same("verdict", answer.verdict == Some(text == "yes"), format!("{:?}", answer.verdict))?,
        Value::Number(number) => {
            let found = answer.values.first().ok_or("no value")?;
            let tolerance = expected["tolerance"].as_f64().unwrap_or(0.0) + 1e-9;
            let right = (found.value - number.as_f64().unwrap()).abs() <= tolerance;
            same("value", right, format!("{found:?}, expected {number}"))?;
            let unit = expected["unit"].as_str().unwrap_or_default();
            same("unit", found.unit == unit, format!("{found:?}, expected {unit}"))?;
        }
        _ => {}
    }
    if let Some(expected) = expected["interval"].as_object() {
        let found = answer.interval.as_ref().ok_or("no interval")?;
        let number = |key: &str| expected.get(key).and_then(Value::as_u64);
        if let Some(seqid) = expected.get("seqid") {
            same("seqid", found.seqid == seqid.as_str().unwrap(), found.seqid.clone())?;
        }
        if let Some(strand) = expected.get("strand") {
            same("strand", found.strand == strand.as_str().unwrap(), found.strand.clone())?;
        }
        if let (Some(start), Some(end)) = (number("start"), number("end")) {
            let right = match expected.get("min_overlap").and_then(Value::as_f64) {
                Some(least) => {
                    let overlap = (found.end.min(end) + 1).saturating_sub(found.start.max(start)) as f64;
                    let length = |start: u64, end: u64| (end - start + 1) as f64;
                    overlap >= least * length(start, end) && overlap >= least * length(found.start, found.end)
                }
                None => (found.start, found.end) == (start, end),
            };
            same("coordinates", right, format!("{}-{}, expected {start}-{end}", found.start, found.end))?;
        }
    }
    if let Some(texts) = expected["text_contains"].as_array() {
        let mut all = serde_json::to_string(&answer.rows).unwrap().to_lowercase();
        all += &answer.values.iter().map(|v| format!(" {} ", v.value)).collect::<String>();
        for text in texts.iter().map(|t| t.as_str().unwrap().to_lowercase()).filter(|t| t != ">") {
            same("text", all.contains(&text), format!("nothing with {text:.40}"))?;
        }
    }
    Ok(())
}
