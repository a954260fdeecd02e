//! Times told by their distance (api §4.5).

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const WEEK: i64 = 7 * DAY;
const MONTH: i64 = 30 * DAY;
const YEAR: i64 = 12 * MONTH;
const LONG: i64 = 37 * YEAR;

/// Tells `then` as seen at `now`, both in seconds.
pub(crate) fn relative(then: i64, now: i64) -> String {
    let suffix = if then <= now { "ago" } else { "from now" };
    let distance = then.abs_diff(now).try_into().unwrap_or(i64::MAX);
    let one = |text: &str| format!("{text} {suffix}");
    let many = |unit: i64, name: &str| format!("{} {name} {suffix}", distance / unit);
    match distance {
        ..1 => "now".to_owned(),
        1 => one("1 second"),
        2..MINUTE => many(1, "seconds"),
        MINUTE..120 => one("1 minute"),
        120..HOUR => many(MINUTE, "minutes"),
        HOUR..7200 => one("1 hour"),
        7200..DAY => many(HOUR, "hours"),
        DAY..172_800 => one("1 day"),
        172_800..WEEK => many(DAY, "days"),
        WEEK..1_209_600 => one("1 week"),
        1_209_600..MONTH => many(WEEK, "weeks"),
        MONTH..5_184_000 => one("1 month"),
        5_184_000..YEAR => many(MONTH, "months"),
        YEAR..46_656_000 => one("1 year"),
        46_656_000..93_312_000 => one("2 years"),
        93_312_000..LONG => many(YEAR, "years"),
        _ => one("a long while"),
    }
}

#[cfg(test)]
mod tests {
    use super::{DAY, HOUR, YEAR, relative};

    #[test]
    fn each_step() {
        for (distance, text) in [
            (0, "now"),
            (1, "1 second from now"),
            (59, "59 seconds from now"),
            (60, "1 minute from now"),
            (150, "2 minutes from now"),
            (HOUR, "1 hour from now"),
            (5 * HOUR, "5 hours from now"),
            (DAY, "1 day from now"),
            (6 * DAY, "6 days from now"),
            (8 * DAY, "1 week from now"),
            (29 * DAY, "4 weeks from now"),
            (31 * DAY, "1 month from now"),
            (300 * DAY, "10 months from now"),
            (YEAR, "1 year from now"),
            (2 * YEAR, "2 years from now"),
            (5 * YEAR, "5 years from now"),
            (50 * YEAR, "a long while from now"),
        ] {
            assert_eq!(relative(1_000 + distance, 1_000), text);
        }
        assert_eq!(relative(0, 90), "1 minute ago");
    }
}
