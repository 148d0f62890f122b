//! Numbers at the front of a byte slice: whole ones, and decimals exactly as the standard library reads them.

/// Powers of ten that a double holds exactly.
const POW10: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
    1e21, 1e22,
];

/// The digits at the front as a number, and how many there are; `None` without digits or with more than 19.
#[inline]
pub(crate) fn scan_u64(bytes: &[u8]) -> Option<(u64, usize)> {
    match scan_few_digits(bytes) {
        Some((value, length)) => Some((value, length)),
        None => scan_u64_slowly(bytes),
    }
}

/// The digits at the front, where there are 1 to 7 and the bytes go on for 8: all at once, without a branch for each digit,
/// whose number the processor cannot predict.
#[inline(always)]
fn scan_few_digits(bytes: &[u8]) -> Option<(u64, usize)> {
    let block = u64::from_le_bytes(*bytes.first_chunk::<8>()?);
    let bits = non_digits(block).trailing_zeros() & !7;
    if bits.wrapping_sub(8) >= 56 {
        return None; // 0 or 64
    }
    Some((join_digits((block ^ ZEROS) << (64 - bits)), (bits / 8) as usize))
}

fn scan_u64_slowly(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0u64;
    let mut at = 0;
    if let Some(block) = bytes.first_chunk::<8>() {
        let block = u64::from_le_bytes(*block);
        if non_digits(block) == 0 {
            value = join_digits(block ^ ZEROS);
            at = 8;
        }
    }
    while let Some(digit) = digit(bytes, at) {
        value = value.wrapping_mul(10).wrapping_add(digit);
        at += 1;
    }
    (1..20).contains(&at).then_some((value, at)) // 19 digits fit
}

/// The plain decimal at the front and its length, where one division gives the same double as an exact conversion; `None`
/// where it may not, or where there is none. An exponent is not looked at.
#[inline]
pub(crate) fn scan_f64(bytes: &[u8]) -> Option<(f64, usize)> {
    match scan_short_f64(bytes) {
        Some(found) => Some(found),
        None => scan_f64_slowly(bytes),
    }
}

/// As [`scan_f64`], for up to seven digits on each side of the dot.
#[inline(always)]
fn scan_short_f64(bytes: &[u8]) -> Option<(f64, usize)> {
    let negative = usize::from(*bytes.first()? == b'-');
    let (whole, length) = scan_few_digits(&bytes[negative..])?;
    let sign = (negative as u64) << 63;
    let signed = |value: f64| f64::from_bits(value.to_bits() | sign);
    let end = negative + length;
    if bytes.get(end) != Some(&b'.') {
        return Some((signed(whole as f64), end));
    }
    let (fraction, length) = scan_few_digits(&bytes[end + 1..])?;
    // At most 14 digits: an exact double, see `scan_f64_slowly`.
    let mantissa = whole * TENS[length] + fraction;
    Some((signed(mantissa as f64 / POW10[length]), end + 1 + length))
}

const TENS: [u64; 8] = [1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000];

fn scan_f64_slowly(bytes: &[u8]) -> Option<(f64, usize)> {
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

const ZEROS: u64 = 0x3030_3030_3030_3030;

/// 0x80 in each byte that is no digit.
#[inline]
fn non_digits(block: u64) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let block = block ^ ZEROS; // digits are 0 to 9 now, and 9 + 0x76 has no high bit
    (((block & LOW) + 0x7676_7676_7676_7676) | block) & !LOW
}

/// The number of eight digits as values 0 to 9, the first in the lowest byte: pairs, then fours, then all.
#[inline]
fn join_digits(block: u64) -> u64 {
    const MASK: u64 = 0x0000_00ff_0000_00ff;
    let pairs = block.wrapping_mul(10).wrapping_add(block >> 8);
    let front = (pairs & MASK).wrapping_mul(0x000f_4240_0000_0064); // 1,000,000 and 100
    let back = ((pairs >> 16) & MASK).wrapping_mul(0x0000_2710_0000_0001); // 10,000 and 1
    front.wrapping_add(back) >> 32
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

    fn single_digits(bytes: &[u8]) -> Option<(u64, usize)> {
        let length = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
        if length > 19 {
            return None;
        }
        Some((std::str::from_utf8(&bytes[..length]).unwrap().parse().ok()?, length))
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
        fn blocks_are_read_as_single_digits(text in "-{0,2}[0-9]{0,17}\\.?[0-9]{0,17}(\r?\n|[.e ])?", rest in "[\\x00-\\x7f]{0,20}") {
            let text = text + &rest;
            let bits = |found: Option<(f64, usize)>| found.map(|(value, length)| (value.to_bits(), length));
            prop_assert_eq!(scan_u64(text.as_bytes()), single_digits(text.as_bytes()));
            prop_assert_eq!(bits(scan_f64(text.as_bytes())), bits(scan_f64_slowly(text.as_bytes())));
        }

        #[test]
        fn any_text_as_std_reads_it(text in "\\PC{0,12}") {
            check(&text);
        }
    }
}
