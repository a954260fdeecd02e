//! The calendar: days to dates and back, in the proleptic Gregorian calendar, without a zone database.

/// Longest text: `9999-12-31T23:59:59.999999999+23:59`.
pub(super) const MAX_TEXT: usize = 35;

/// Last second of the year 9999, past which RFC 3339 has no text.
pub(super) const LAST_SECOND: i64 = 253_402_300_799;

const DAY: i64 = 86_400;

/// A date and a time of day.
pub(super) struct Civil {
    pub(super) year: i64,
    pub(super) month: u8,
    pub(super) day: u8,
    pub(super) hour: u8,
    pub(super) minute: u8,
    pub(super) second: u8,
}

pub(super) struct Parsed {
    pub(super) seconds: i64,
    pub(super) nanos: u32,
    pub(super) offset_minutes: i16,
}

impl Civil {
    /// Splits seconds since the epoch. Years are counted from March, so that the leap day is the last of a year.
    pub(super) fn from_seconds(seconds: i64) -> Self {
        let (days, rest) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * day_of_year + 2) / 153;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        Self {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month: month as u8,
            day: (day_of_year - (153 * from_march + 2) / 5 + 1) as u8,
            hour: (rest / 3600) as u8,
            minute: (rest / 60 % 60) as u8,
            second: (rest % 60) as u8,
        }
    }

    fn seconds(&self) -> i64 {
        let (month, day) = (i64::from(self.month), i64::from(self.day));
        let year = self.year - i64::from(month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let from_march = if month > 2 { month - 3 } else { month + 9 };
        let day_of_year = (153 * from_march + 2) / 5 + day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        (era * 146_097 + day_of_era - 719_468) * DAY
            + i64::from(self.hour) * 3600
            + i64::from(self.minute) * 60
            + i64::from(self.second)
    }
}

/// Writes RFC 3339 and returns the length.
pub(super) fn write(civil: &Civil, nanos: u32, offset_minutes: i16, out: &mut [u8; MAX_TEXT]) -> usize {
    let mut at = 0;
    let mut put = |byte: u8| {
        if let Some(slot) = out.get_mut(at) {
            *slot = byte;
            at += 1;
        }
    };
    let year = civil.year.clamp(0, 9999) as u32;
    for divisor in [1000, 100, 10, 1] {
        put(digit(year / divisor));
    }
    for (before, value) in [
        (b'-', civil.month),
        (b'-', civil.day),
        (b'T', civil.hour),
        (b':', civil.minute),
        (b':', civil.second),
    ] {
        put(before);
        put(digit(u32::from(value) / 10));
        put(digit(u32::from(value)));
    }
    if nanos != 0 {
        put(b'.');
        let (mut rest, mut divisor) = (nanos, 100_000_000);
        while rest != 0 && divisor != 0 {
            put(digit(rest / divisor));
            rest %= divisor;
            divisor /= 10;
        }
    }
    if offset_minutes == 0 {
        put(b'Z');
    } else {
        put(if offset_minutes < 0 { b'-' } else { b'+' });
        let size = u32::from(offset_minutes.unsigned_abs());
        put(digit(size / 600));
        put(digit(size / 60));
        put(b':');
        put(digit(size % 60 / 10));
        put(digit(size % 60));
    }
    at
}

fn digit(value: u32) -> u8 {
    b'0' + (value % 10) as u8
}

/// Reads RFC 3339; `None` when the text has another form or names no date.
pub(super) fn parse(text: &[u8]) -> Option<Parsed> {
    let number = |from: usize, digits: usize| -> Option<i64> {
        text.get(from..from + digits)?
            .iter()
            .try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
    };
    let sign = |at: usize, allowed: &[u8]| text.get(at).is_some_and(|b| allowed.contains(b)).then_some(());
    sign(4, b"-")?;
    sign(7, b"-")?;
    sign(10, b"Tt")?;
    sign(13, b":")?;
    sign(16, b":")?;
    let civil = Civil {
        year: number(0, 4)?,
        month: within(number(5, 2)?, 1, 12)?,
        day: within(number(8, 2)?, 1, 31)?,
        hour: within(number(11, 2)?, 0, 23)?,
        minute: within(number(14, 2)?, 0, 59)?,
        second: within(number(17, 2)?, 0, 59)?,
    };
    let mut at = 19;
    let mut nanos = 0u32;
    if matches!(text.get(at), Some(b'.' | b',')) {
        let digits = text.get(at + 1..)?.iter().take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 {
            return None;
        }
        let mut scale = 100_000_000;
        for byte in text.get(at + 1..at + 1 + digits.min(9))? {
            nanos += u32::from(byte - b'0') * scale;
            scale /= 10;
        }
        at += 1 + digits;
    }
    let offset_minutes = match text.get(at)? {
        b'Z' | b'z' if text.len() == at + 1 => 0,
        plus_or_minus @ (b'+' | b'-') if text.len() == at + 6 => {
            sign(at + 3, b":")?;
            let hours = i16::from(within(number(at + 1, 2)?, 0, 23)?);
            let minutes = i16::from(within(number(at + 4, 2)?, 0, 59)?);
            let size = hours * 60 + minutes;
            if *plus_or_minus == b'-' { -size } else { size }
        }
        _ => return None,
    };
    let seconds = civil.seconds();
    // The 31st of a shorter month would silently become the next month's first.
    if Civil::from_seconds(seconds).day != civil.day {
        return None;
    }
    Some(Parsed { seconds: seconds - i64::from(offset_minutes) * 60, nanos, offset_minutes })
}

fn within(value: i64, low: i64, high: i64) -> Option<u8> {
    u8::try_from(value).ok().filter(|_| (low..=high).contains(&value))
}
