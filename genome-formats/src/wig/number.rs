//! Numbers at the front of a byte slice: whole ones, and decimals exactly as the standard library reads them.

/// Powers of ten that a double holds exactly.
const POW10: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// The digits at the front as a number, and how many there are; `None` without digits or with more than 19.
#[inline]
pub(crate) fn scan_u64(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0u64;
    let mut at = 0;
    while let Some(digit) = digit(bytes, at) {
        value = value.wrapping_mul(10).wrapping_add(digit);
        at += 1;
    }
    (1..20).contains(&at).then_some((value, at)) // 19 digits fit
}

/// The plain decimal at the front and its length, where one multiplication gives the same double as an exact conversion;
/// `None` where it may not, or where there is none. An exponent is not looked at.
#[inline]
pub(crate) fn scan_f64(bytes: &[u8]) -> Option<(f64, usize)> {
    let negative = bytes.first() == Some(&b'-');
    let mut at = usize::from(negative);
    let start = at;
    let mut mantissa = 0u64;
    while let Some(digit) = digit(bytes, at) {
        mantissa = mantissa.wrapping_mul(10).wrapping_add(digit);
        at += 1;
    }
    let mut digits = at - start;
    let mut fraction = 0;
    if bytes.get(at) == Some(&b'.') {
        at += 1;
        let dot = at;
        while let Some(digit) = digit(bytes, at) {
            mantissa = mantissa.wrapping_mul(10).wrapping_add(digit);
            at += 1;
        }
        fraction = at - dot;
        digits += fraction;
    }
    // Clinger's case: mantissa and power are exact doubles, so the one rounding of the quotient is the right one. At most
    // 19 digits: the mantissa did not wrap, and `fraction` has a power.
    if digits == 0 || digits > 19 || mantissa > 1 << 53 {
        return None;
    }
    let value = mantissa as f64 / POW10[fraction];
    Some((if negative { -value } else { value }, at))
}

/// The whole text as a number, with the grammar and the rounding of `str::parse`.
#[inline]
pub(crate) fn parse_f64(text: &[u8]) -> Option<f64> {
    match scan_f64(text) {
        Some((value, length)) if length == text.len() => Some(value),
        _ => std::str::from_utf8(text).ok()?.parse().ok(),
    }
}

/// The whole text as a number of digits only.
#[inline]
pub(crate) fn parse_u64(text: &[u8]) -> Option<u64> {
    match scan_u64(text) {
        Some((value, length)) if length == text.len() => Some(value),
        _ if text.iter().all(u8::is_ascii_digit) => std::str::from_utf8(text).ok()?.parse().ok(),
        _ => None,
    }
}

#[inline]
fn digit(bytes: &[u8], at: usize) -> Option<u64> {
    let digit = bytes.get(at)?.wrapping_sub(b'0');
    (digit < 10).then_some(u64::from(digit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str) {
        let ours = parse_f64(text.as_bytes()).map(f64::to_bits);
        assert_eq!(ours, text.parse::<f64>().ok().map(f64::to_bits), "{text:?}");
    }

    #[test]
    fn decimals_as_std_reads_them() {
        for text in [
            "",
            ".",
            "-",
            "-.",
            "+",
            "0",
            "-0",
            "-0.00",
            "1",
            "+1",
            "5.",
            ".5",
            "-.5",
            "1.5e3",
            "1e400",
            "-1e400",
            "1e",
            "nan",
            "NaN",
            "inf",
            "-infinity",
            "1 ",
            " 1",
            "1.2.3",
            "9007199254740993",
            "9007199254740992",
            "0.1",
            "0.0508425",
            "1234567890123456789",
            "12345678901234567890",
            "0.00000000000000000000001",
            "0.1234567890123456789",
            "1_0",
            "0x1",
            "1,5",
            "--1",
            "1e-5",
            "179769313486231580793728971405303415079934132710037826936173778980444968292764750946649017977587207096330286416692887910946555547851940402630657488671505820681908902000708383676273854845817711531764475730270069855571366959622842914819860834936475292719074168444365510704342711559699508093042880",
        ] {
            check(text);
        }
    }

    #[test]
    fn whole_numbers() {
        assert_eq!(scan_u64(b"12a"), Some((12, 2)));
        assert_eq!(scan_u64(b"a"), None);
        assert_eq!(parse_u64(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(parse_u64(b"18446744073709551616"), None);
        assert_eq!(parse_u64(b"00000000000000000000000007"), Some(7));
        assert_eq!((parse_u64(b""), parse_u64(b"+1"), parse_u64(b"1 ")), (None, None, None));
    }

    proptest! {
        #[test]
        fn any_decimal_as_std_reads_it(text in "[-+]?[0-9]{0,22}(\\.[0-9]{0,24})?(e-?[0-9]{1,3})?") {
            check(&text);
        }

        #[test]
        fn what_std_prints_is_read_back(value in any::<f64>()) {
            check(&format!("{value}"));
            check(&format!("{value:e}"));
            check(&format!("{value:.6}"));
        }

        #[test]
        fn any_text_as_std_reads_it(text in "\\PC{0,12}") {
            check(&text);
        }
    }
}
