//! Durations as callers write them: seconds, fractions allowed.

use std::time::Duration;

/// Seconds in decimal digits, such as `90` or `0.25`. What is finer than a nanosecond is dropped.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let nanos = fraction.bytes().chain(std::iter::repeat(b'0')).take(9);
    let nanos = nanos.fold(0, |nanos, digit| nanos * 10 + u32::from(digit - b'0'));
    Some(Duration::new(whole.parse().ok()?, nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_may_have_fractions() {
        assert_eq!(parse("90"), Some(Duration::from_secs(90)));
        assert_eq!(parse("0.25"), Some(Duration::from_millis(250)));
        assert_eq!(parse("1.0000000019"), Some(Duration::new(1, 1)));
        assert_eq!(parse("18446744073709551615.999999999"), Some(Duration::MAX));
    }

    #[test]
    fn what_is_no_number_of_seconds_is_none() {
        for text in
            ["", ".", "1.", ".5", "-1", "+1", "1e3", "inf", "NaN", "1 ", "1s", "1.2.3", "18446744073709551616", "٣"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
