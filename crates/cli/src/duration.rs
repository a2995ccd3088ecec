//! Durations as people write and read them: a number with a unit.

use std::time::Duration;

/// Reads `500ms`, `20s`, `5m` or `2h`; a fraction such as `1.5s` too.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let expected = || format!("{text:?} is no duration: expected a number with a unit, such as 500ms, 20s, 5m or 2h");
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(expected)?;
    let (number, unit) = text.split_at(digits);
    let seconds = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(expected()),
    };
    let plain = number.starts_with(|c: char| c.is_ascii_digit()) && number.ends_with(|c: char| c.is_ascii_digit());
    let number: f64 = number.parse().ok().filter(|_| plain).ok_or_else(expected)?;
    // Rounded to a nanosecond-free figure, so that 0.1 s is 100 ms and not a hair less.
    Duration::try_from_secs_f64((number * seconds * 1e6).round() / 1e6).map_err(|_| expected())
}

/// A duration as [`parse`] reads it, to the microsecond: in the largest unit of which it is a whole number.
pub(crate) fn exactly(duration: Duration) -> String {
    let micros = duration.as_micros();
    let units = [("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000)];
    match units.iter().find(|(_, length)| micros > 0 && micros.is_multiple_of(*length)) {
        Some((unit, length)) => format!("{}{unit}", micros / length),
        None if micros == 0 => "0s".to_owned(),
        None => format!("{}ms", micros as f64 / 1_000.0),
    }
}

/// A duration as people say it: one figure, in the unit that suits it.
pub(crate) fn roughly(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    match seconds {
        ..1.0 => format!("{} ms", duration.as_millis()),
        ..60.0 => format!("{seconds:.1} s"),
        ..3_600.0 => format!("{:.1} m", seconds / 60.0),
        ..86_400.0 => format!("{:.1} h", seconds / 3_600.0),
        _ => format!("{:.1} d", seconds / 86_400.0),
    }
}

/// Seconds with one decimal: `12.8 s`.
pub(crate) fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_with_a_unit_is_a_duration() {
        for (text, milliseconds) in [
            ("500ms", 500),
            ("20s", 20_000),
            ("5m", 300_000),
            ("2h", 7_200_000),
            ("0s", 0),
            ("1.5s", 1_500),
            ("0.1s", 100),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_what_is_expected() {
        for text in ["", "5", "s", "-5s", "5 s", "5d", ".5s", "5.s", "1.2.3s", "1e3s", "infs", "99999999999999999999h"]
        {
            let error = parse(text).unwrap_err();
            assert!(error.contains("500ms, 20s, 5m or 2h"), "{text}: {error}");
        }
    }

    #[test]
    fn a_duration_is_written_as_it_is_read() {
        for text in ["0s", "500ms", "30s", "5m", "24h", "90m", "1001ms", "0.001ms", "87599999.5ms"] {
            assert_eq!(exactly(parse(text).unwrap()), text);
        }
        assert_eq!(exactly(Duration::from_secs(7 * 24 * 3600)), "168h");
    }

    #[test]
    fn a_rough_duration_is_one_figure_in_the_unit_that_suits_it() {
        let said = [400, 12_840, 90_500, 5_400_000, 172_800_000].map(|millis| roughly(Duration::from_millis(millis)));
        assert_eq!(said, ["400 ms", "12.8 s", "1.5 m", "1.5 h", "2.0 d"]);
    }

    #[test]
    fn seconds_have_one_decimal() {
        assert_eq!(seconds(Duration::from_millis(12_840)), "12.8 s");
    }
}
