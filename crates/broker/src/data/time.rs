//! Times as people read them.

/// The first millisecond that has no year of four digits.
const YEAR_10000_MS: u64 = 253_402_300_800_000;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// A time as RFC 3339 writes it, in UTC, from milliseconds since 1970. None: it is too far away to be meant.
pub(super) fn rfc3339(ms: u64) -> Option<String> {
    if ms >= YEAR_10000_MS {
        return None;
    }
    let (year, month, day) = date(ms / DAY_MS);
    let in_day = ms % DAY_MS;
    let (hour, minute) = (in_day / 3_600_000, in_day / 60_000 % 60);
    let (second, milli) = (in_day / 1000 % 60, in_day % 1000);
    Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z"))
}

/// Year, month and day of a day since 1970.
fn date(days: u64) -> (u64, u64, u64) {
    // Years that begin in March have their leap day at their end.
    const DAYS_TO_1970: u64 = 719_468;
    const DAYS_IN_400_YEARS: u64 = 146_097;
    let days = days + DAYS_TO_1970;
    let (era, day) = (days / DAYS_IN_400_YEARS, days % DAYS_IN_400_YEARS);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day_of_month = day - (153 * month + 2) / 5 + 1;
    let (month, is_next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + is_next_year, month, day_of_month)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        let times = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_764_293_645_678, "2025-11-28T01:34:05.678Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (YEAR_10000_MS - 1, "9999-12-31T23:59:59.999Z"),
        ];
        for (ms, text) in times {
            assert_eq!(rfc3339(ms).as_deref(), Some(text));
        }
        assert_eq!(rfc3339(YEAR_10000_MS), None);
        assert_eq!(rfc3339(u64::MAX), None);
    }

    #[test]
    fn each_day_follows_the_one_before() {
        let mut last = date(0);
        for day in 1..150_000 {
            let next = date(day);
            let (year, month, _) = last;
            let first_of_month = if month == 12 { (year + 1, 1, 1) } else { (year, month + 1, 1) };
            assert!(next == (year, month, last.2 + 1) || last.2 >= 28 && next == first_of_month, "{last:?} {next:?}");
            last = next;
        }
    }
}
