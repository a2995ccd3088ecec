//! Times as FHIR writes them: read to compare, and written for the document's own date.
//!
//! No calendar crate: two conversions are all that is needed, and they are exact (proleptic Gregorian, as ISO 8601 says).

use std::time::{Duration, SystemTime};

/// A point in time to compare by. A partial date stands for its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment {
    seconds: i64,
    nanoseconds: u32,
}

impl Moment {
    /// Reads a FHIR `date`, `dateTime` or `instant`: `2024`, `2024-05`, `2024-05-17`, `2024-05-17T10:11:12.345+02:00`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (date, time) = text.split_once('T').map_or((text, None), |(date, time)| (date, Some(time)));
        let mut parts = date.split('-');
        let year = number(parts.next()?, 4)?;
        let month = parts.next().map_or(Some(1), |part| number(part, 2))?;
        let day = parts.next().map_or(Some(1), |part| number(part, 2))?;
        if parts.next().is_some() || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return None;
        }
        let midnight = days_before(year, month, day) * 86_400;
        let Some(time) = time else {
            return Some(Self { seconds: midnight, nanoseconds: 0 });
        };

        let zone_at = time.find(['Z', '+', '-'])?;
        let (clock, zone) = time.split_at(zone_at);
        let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
        let mut parts = clock.split(':');
        let (hour, minute, second) = (number(parts.next()?, 2)?, number(parts.next()?, 2)?, number(parts.next()?, 2)?);
        if parts.next().is_some() || hour > 24 || minute > 59 || second > 60 {
            return None;
        }
        let seconds = midnight + hour * 3600 + minute * 60 + second - offset(zone)?;
        Some(Self { seconds, nanoseconds: nanoseconds(fraction)? })
    }
}

/// Writes a time as a FHIR `instant`, to the second, in UTC: `2026-11-24T10:11:12Z`.
pub(crate) fn instant(time: SystemTime) -> String {
    let seconds = match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(ceiling(before.duration())).unwrap_or(i64::MAX),
    };
    let (days, clock) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = date(days);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", clock / 3600, clock / 60 % 60, clock % 60)
}

fn ceiling(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

fn number(digits: &str, length: usize) -> Option<i64> {
    (digits.len() == length && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
}

fn nanoseconds(fraction: &str) -> Option<u32> {
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut nine: String = fraction.chars().take(9).collect();
    while nine.len() < 9 {
        nine.push('0');
    }
    nine.parse().ok()
}

fn offset(zone: &str) -> Option<i64> {
    if zone == "Z" {
        return Some(0);
    }
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let seconds = number(hours, 2)? * 3600 + number(minutes, 2)? * 60;
    Some(if zone.starts_with('-') { -seconds } else { seconds })
}

/// Days from 1970-01-01 to this date, counted in years that begin in March, so that the leap day is the last of its year.
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The date this many days after 1970-01-01: the inverse of [`days_before`].
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * from_march + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Moment {
        Moment::parse(text).unwrap()
    }

    #[test]
    fn times_of_different_zones_and_precisions_compare_as_points_in_time() {
        assert_eq!(at("2024-05-17T12:00:00+02:00"), at("2024-05-17T10:00:00Z"));
        assert!(at("2024-05-17T23:30:00-05:00") > at("2024-05-18T04:00:00Z"));
        assert!(at("2024-05-17T10:00:00.2Z") > at("2024-05-17T10:00:00.1999Z"));
        assert_eq!(at("2024"), at("2024-01-01T00:00:00Z"));
        assert_eq!(at("2024-03"), at("2024-03-01"));
    }

    #[test]
    fn what_is_no_time_is_not_guessed_at() {
        for text in [
            "",
            "yesterday",
            "24-05-17",
            "2024-13",
            "2024-05-17T10:00Z",
            "2024-05-17T10:00:00",
            "2024-05-17T10:00:00+2",
        ] {
            assert_eq!(Moment::parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_instant_is_written_in_utc_to_the_second() {
        let second = |seconds| instant(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(second(0), "1970-01-01T00:00:00Z");
        assert_eq!(second(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(second(1_795_601_472), "2026-11-25T10:11:12Z");
        assert_eq!(instant(SystemTime::UNIX_EPOCH - Duration::from_millis(1)), "1969-12-31T23:59:59Z");
    }

    #[test]
    fn every_day_of_eight_centuries_survives_the_way_there_and_back() {
        for days in -150_000..150_000 {
            let (year, month, day) = date(days);
            assert_eq!(days_before(year, month, day), days);
        }
    }
}
