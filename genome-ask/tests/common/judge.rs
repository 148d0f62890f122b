//! Judges answers as `score.py` of the question bank does.

use serde_json::Value;

fn norm(value: &Value) -> String {
    match value {
        Value::String(text) => text.trim().to_lowercase(),
        other => other.to_string().to_lowercase(),
    }
}

/// `None` if right, else why not.
pub(crate) fn judge(expected: &Value, answer: &Value) -> Option<String> {
    let status = answer.get("status").map_or("ok".to_owned(), norm);
    let given = |key: &str| answer.get(key).filter(|v| !v.is_null() && *v != &serde_json::json!([]));
    if let Some(options) = expected.get("clarify").and_then(Value::as_array) {
        if status != "clarify" {
            return Some(format!("should ask back, is {status}"));
        }
        if expected["list_all"] == true {
            let ids: Vec<String> = given("ids").and_then(Value::as_array).into_iter().flatten().map(norm).collect();
            if let Some(missing) = options.iter().map(norm).find(|option| !ids.contains(option)) {
                return Some(format!("the reading {missing} is not listed"));
            }
        }
        return None;
    }
    if expected.get("refuse").is_some() {
        if expected["reason"] == "not_annotated" {
            let right = ["refused", "empty"].contains(&&*status);
            let nothing = given("ids").is_none() && answer.get("count").is_none_or(|c| c == 0);
            let said = answer["text"].as_str().unwrap_or_default().to_lowercase().contains("annotat");
            return (!right || !nothing || !said).then(|| format!("should say: not annotated; {answer}"));
        }
        if status != "refused" {
            return Some(format!("should decline, is {status}"));
        }
        let number = ["count", "value", "interval", "ids"].iter().any(|key| given(key).is_some());
        return number.then(|| "declines and still gives a number".to_owned());
    }
    let nothing = expected["count"] == 0 || expected["ids"] == serde_json::json!([]);
    if status != "ok" && !(status == "empty" && nothing) {
        return Some(format!("status {status}"));
    }
    if let Some(count) = expected.get("count")
        && answer["count"].as_f64() != count.as_f64()
    {
        return Some(format!("count {}, expected {count}", answer["count"]));
    }
    if let Some(ids) = expected.get("ids").and_then(Value::as_array) {
        let mut want: Vec<String> = ids.iter().map(norm).collect();
        let mut have: Vec<String> = Vec::new();
        for id in given("ids").and_then(Value::as_array).into_iter().flatten().map(norm) {
            if !have.contains(&id) {
                have.push(id);
            }
        }
        if expected["ordered"] != true {
            want.sort();
            have.sort();
        }
        if want != have {
            return Some(format!("ids differ: {} expected, {} given", want.len(), have.len()));
        }
    }
    match expected.get("value") {
        Some(Value::String(verdict)) if norm(&answer["value"]) != *verdict => {
            return Some(format!("value {}, expected {verdict}", answer["value"]));
        }
        Some(Value::Number(number)) => {
            let Some(found) = answer["value"].as_f64() else { return Some("no value".to_owned()) };
            let (unit, wanted) =
                (answer["unit"].as_str().unwrap_or_default(), expected["unit"].as_str().unwrap_or_default());
            if unit != wanted {
                return Some(format!("unit {unit:?}, expected {wanted:?}"));
            }
            let tolerance = expected["tolerance"].as_f64().unwrap_or(0.0) + 1e-9;
            if (found - number.as_f64().unwrap()).abs() > tolerance {
                return Some(format!("value {found}, expected {number}"));
            }
        }
        _ => {}
    }
    if let Some(wanted) = expected.get("interval").and_then(Value::as_object) {
        let found = &answer["interval"];
        for key in ["seqid", "strand"] {
            if let Some(value) = wanted.get(key)
                && norm(value) != norm(&found[key])
            {
                return Some(format!("{key} {}, expected {value}", found[key]));
            }
        }
        if let (Some(start), Some(end)) = (wanted.get("start"), wanted.get("end")) {
            let (start, end) = (start.as_f64().unwrap(), end.as_f64().unwrap());
            let (Some(s), Some(e)) = (found["start"].as_f64(), found["end"].as_f64()) else {
                return Some("no interval".to_owned());
            };
            let right = match wanted.get("min_overlap").and_then(Value::as_f64) {
                Some(least) => {
                    let overlap = e.min(end) - s.max(start) + 1.0;
                    overlap >= least * (e - s + 1.0) && overlap >= least * (end - start + 1.0)
                }
                None => (s, e) == (start, end),
            };
            if !right {
                return Some(format!("{s}-{e}, expected {start}-{end}"));
            }
        }
    }
    if let Some(texts) = expected.get("text_contains").and_then(Value::as_array) {
        let text = answer["text"].as_str().unwrap_or_default().to_lowercase();
        let dense: String = text.split_whitespace().collect();
        let digits: String = text.chars().filter(|c| *c != ',').collect();
        for wanted in texts.iter().map(norm) {
            if !text.contains(&wanted) && !dense.contains(&wanted) && !digits.contains(&wanted) {
                return Some(format!("text lacks {wanted:.40}"));
            }
        }
    }
    None
}
