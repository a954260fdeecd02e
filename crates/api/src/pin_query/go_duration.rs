//! Durations as Go writes them: `1h30m`, `1.5s`, `250ms`.

use std::time::Duration;

/// Nanoseconds of Go's longest duration.
const MAX_NANOS: u128 = i64::MAX as u128;

/// Parses a duration; negative ones count as zero, since none is any use here. `None` is another form, or more
/// than Go's duration can hold.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(end);
        let unit_end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        total = total.checked_add(nanos(number, unit)?)?;
        rest = after;
    }
    let nanos = u64::try_from(total).ok().filter(|_| total <= MAX_NANOS)?;
    Some(if negative { Duration::ZERO } else { Duration::from_nanos(nanos) })
}

fn nanos(number: &str, unit: &str) -> Option<u128> {
    let unit: u128 = match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().ok().filter(|w| *w <= MAX_NANOS)? };
    // Digits past the eighteenth are below a nanosecond for every unit.
    let fraction =
        fraction.get(..fraction.len().min(18)).filter(|f| f.bytes().all(|b| b.is_ascii_digit()))?;
    let part: u128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let scale = 10u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    Some(whole * unit + part * unit / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, millis) in [
            ("0", 0),
            ("1h30m", 5_400_000),
            ("1.5s", 1_500),
            (".5s", 500),
            ("2.s", 2_000),
            ("+250ms", 250),
            ("-3h", 0),
            ("1000000µs", 1_000),
            ("0.3333333333333333333h", 1_199_999),
        ] {
            assert_eq!(parse(text).map(|d| d.as_millis()), Some(millis), "{text}");
        }
        for text in [
            "",
            "-",
            "1",
            "s",
            ".s",
            "1x",
            "1s2",
            "1.2.3s",
            "1 s",
            "9999999999h",
            "99999999999999999999999999999999999999999s",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
