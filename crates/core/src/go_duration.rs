//! Durations as people and scripts write them, in configurations, queries and flags: `5m0s`, `1h30m`, `200ms` (api,
//! notation).

use std::time::Duration;

/// Says why a text is not a duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// It is not a sequence of numbers with units.
    #[error("not numbers with units (ns, us, ms, s, m, h)")]
    Form,
    /// It lies below zero.
    #[error("below zero")]
    Negative,
    /// It does not fit.
    #[error("too long")]
    TooLong,
}

/// The longest duration the notation can carry: the nanoseconds fit a signed 64-bit number.
const LONGEST_NANOS: u128 = i64::MAX as u128;

/// Reads a duration: signed decimal numbers, each with a unit, one after the other. A lone `0` needs no unit.
///
/// # Errors
/// Says what is wrong with the text. Durations below zero are an error of their own: no setting has a use for one.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(DurationError::Form);
    }
    let mut nanos: u128 = 0;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or(DurationError::Form)?;
        let (number, tail) = rest.split_at(number_end);
        let unit_end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        nanos = nanos.checked_add(part_nanos(number, unit)?).ok_or(DurationError::TooLong)?;
        rest = tail;
    }
    if nanos > LONGEST_NANOS {
        return Err(DurationError::TooLong);
    }
    if negative && nanos > 0 {
        return Err(DurationError::Negative);
    }
    u64::try_from(nanos).map(Duration::from_nanos).map_err(|_| DurationError::TooLong)
}

/// Nanoseconds of one number with its unit; digits below a nanosecond are cut.
fn part_nanos(number: &str, unit: &str) -> Result<u128, DurationError> {
    let scale: u128 = match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return Err(DurationError::Form),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return Err(DurationError::Form);
    }
    let whole: u128 = match whole {
        "" => 0,
        digits => digits.parse().map_err(|_| DurationError::TooLong)?,
    };
    let mut nanos = whole.checked_mul(scale).ok_or(DurationError::TooLong)?;
    // The units are at most 3.6e12 ns: past 18 digits nothing can add a nanosecond.
    let digits = &fraction[..fraction.len().min(18)];
    if !digits.is_empty() {
        let value: u128 = digits.parse().map_err(|_| DurationError::Form)?;
        nanos += value * scale / 10u128.pow(u32::try_from(digits.len()).unwrap_or(18));
    }
    Ok(nanos)
}

/// Prints a duration in canonical form: from the largest unit down, all lower units included (`24h0m0s`, `200ms`).
pub fn print(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    if nanos == 0 {
        return "0s".to_owned();
    }
    if nanos < 1_000_000_000 {
        let (unit, scale) = match nanos {
            0..1_000 => ("ns", 1),
            1_000..1_000_000 => ("µs", 1_000),
            _ => ("ms", 1_000_000),
        };
        return format!("{}{unit}", decimal(nanos, scale));
    }
    let minute = 60_000_000_000;
    let (minutes, seconds) = (nanos / minute, decimal(nanos % minute, 1_000_000_000));
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{seconds}s"),
        (0, m) => format!("{m}m{seconds}s"),
        (h, m) => format!("{h}h{m}m{seconds}s"),
    }
}

/// Prints `nanos / scale` without trailing zeroes in the fraction.
fn decimal(nanos: u128, scale: u128) -> String {
    let (whole, fraction) = (nanos / scale, nanos % scale);
    if fraction == 0 {
        return whole.to_string();
    }
    let width = scale.to_string().len() - 1;
    let digits = format!("{fraction:0width$}");
    format!("{whole}.{}", digits.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_and_printed_canonically() {
        for (text, canonical) in [
            ("5m0s", "5m0s"),
            ("5m", "5m0s"),
            ("1h30m", "1h30m0s"),
            ("24h", "24h0m0s"),
            ("86400s", "24h0m0s"),
            ("0", "0s"),
            ("+0", "0s"),
            ("-0s", "0s"),
            ("0s", "0s"),
            ("200ms", "200ms"),
            ("1.5s", "1.5s"),
            (".5m", "30s"),
            ("1.s", "1s"),
            ("1500us", "1.5ms"),
            ("10µs", "10µs"),
            ("10μs", "10µs"),
            ("999ns", "999ns"),
            ("1m1.050s", "1m1.05s"),
            ("+3s", "3s"),
            ("2562047h47m16.854775807s", "2562047h47m16.854775807s"),
        ] {
            let parsed = parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(print(parsed), canonical, "{text}");
            assert_eq!(parse(canonical), Ok(parsed));
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        use DurationError::{Form, Negative, TooLong};
        for (text, error) in [
            ("", Form),
            ("-", Form),
            ("5", Form),
            ("s", Form),
            (".s", Form),
            ("1.2.3s", Form),
            ("5 m", Form),
            ("5d", Form),
            ("5m 3s", Form),
            ("5S", Form),
            ("--5s", Form),
            ("-5s", Negative),
            ("2562048h", TooLong),
            ("99999999999999999999999999999999999999999h", TooLong),
        ] {
            assert_eq!(parse(text), Err(error), "{text}");
        }
    }
}
