//! Numbers, places and addresses as the page has them.

use crate::answer::{Row, Value};

/// 1234567 as 1,234,567.
pub(super) fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number with its unit.
pub(super) fn measured(value: &Value) -> String {
    let number = value.value;
    let text = if number.fract() == 0.0 && (0.0..9e15).contains(&number) {
        thousands(number as u64)
    } else {
        let text = format!("{number:.2}");
        match text.split_once('.').and_then(|(whole, rest)| Some((whole.parse().ok()?, rest))) {
            Some((whole, rest)) => format!("{}.{rest}", thousands(whole)),
            None => text,
        }
    };
    match value.unit.as_str() {
        "" => text,
        "%" => format!("{text} %"),
        unit => format!("{text} {unit}"),
    }
}

/// `chr1:1,234-5,678`, as genome browsers write it.
pub(super) fn place(seqid: &str, start: u64, end: u64) -> String {
    format!("{seqid}:{}-{}", thousands(start), thousands(end))
}

/// What a row is called: its gene, else its identifier.
pub(super) fn label(row: &Row) -> &str {
    row.gene.as_deref().unwrap_or(&row.id)
}

/// `path?key=value&...`, percent-encoded.
pub(super) fn address(path: &str, pairs: &[(&str, &str)]) -> String {
    let mut out = path.to_owned();
    for (i, (key, value)) in pairs.iter().enumerate() {
        out.push(if i == 0 { '?' } else { '&' });
        out.push_str(key);
        out.push('=');
        for byte in value.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
                b' ' => out.push('+'),
                byte => out.push_str(&format!("%{byte:02X}")),
            }
        }
    }
    out
}

/// The page of the place where a row stands.
pub(super) fn place_of(row: &Row) -> String {
    let (start, end) = (row.start.to_string(), row.end.to_string());
    address("/at", &[("genome", &row.genome), ("seq", &row.seqid), ("start", &start), ("end", &end), ("id", &row.id)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        let text = |value, unit: &str| measured(&Value { name: String::new(), value, unit: unit.to_owned() });
        assert_eq!(text(4_641_652.0, "bp"), "4,641,652 bp");
        assert_eq!(text(50.7906, "%"), "50.79 %");
        assert_eq!(text(35_277.456, "Da"), "35,277.46 Da");
        assert_eq!(text(0.0, ""), "0");
        assert_eq!(text(-1.5, ""), "-1.50");
        assert_eq!(text(f64::NAN, ""), "NaN");
    }

    #[test]
    fn addresses() {
        assert_eq!(address("/at", &[("id", "a b&c=\"é<"), ("n", "1")]), "/at?id=a+b%26c%3D%22%C3%A9%3C&n=1");
    }
}
