//! Times as the API writes them: RFC 3339 with as many digits of a fraction as needed.

mod civil;

use cluster_core::{UnixMillis, UnixSeconds};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, str::FromStr};

/// Seconds from year 1 to the Unix epoch, negative: where Go's zero time lies.
const ZERO_SECONDS: i64 = -62_135_596_800;

/// A point in time and the zone in which its sender saw it. The default is Go's zero time,
/// `0001-01-01T00:00:00Z`, which means "none".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Timestamp {
    seconds: i64,
    nanos: u32,
    offset_minutes: i16,
}

/// Says that a text is no RFC 3339 time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not an RFC 3339 time such as 2026-01-31T10:20:30Z")]
pub struct TimestampError(String);

impl Timestamp {
    /// Go's zero time.
    pub const ZERO: Self = Self { seconds: ZERO_SECONDS, nanos: 0, offset_minutes: 0 };

    /// Makes a UTC time from seconds since the Unix epoch and nanoseconds below 1,000,000,000.
    pub fn from_unix(seconds: i64, nanos: u32) -> Self {
        Self { seconds, nanos: nanos.min(999_999_999), offset_minutes: 0 }
    }

    /// Says whether it is the zero time.
    pub fn is_zero(self) -> bool {
        self.seconds == ZERO_SECONDS && self.nanos == 0
    }

    /// Returns the seconds since the Unix epoch, negative before it.
    pub fn unix_seconds(self) -> i64 {
        self.seconds
    }

    /// Returns the nanoseconds past the second.
    pub fn subsec_nanos(self) -> u32 {
        self.nanos
    }

    /// Returns the whole seconds as a stored pin carries them: `None` for the zero time and the epoch (api §2.8),
    /// and for anything before the epoch, which a stored pin cannot express.
    pub fn stored(self) -> Option<UnixSeconds> {
        u64::try_from(self.seconds).ok().filter(|s| *s != 0).map(UnixSeconds)
    }

    /// Writes `YYYY-MM-DD HH:MM:SS` in the sender's zone (api §4.5).
    pub fn date_and_time(self) -> String {
        let c = self.civil();
        format!("{:04}-{:02}-{:02} {:02}:{:02}:{:02}", c.year, c.month, c.day, c.hour, c.minute, c.second)
    }

    fn civil(self) -> civil::Civil {
        civil::Civil::from_seconds(self.seconds + i64::from(self.offset_minutes) * 60)
    }
}

impl Default for Timestamp {
    fn default() -> Self {
        Self::ZERO
    }
}

impl From<UnixSeconds> for Timestamp {
    fn from(time: UnixSeconds) -> Self {
        Self::from_unix(i64::try_from(time.0).unwrap_or(i64::MAX / 2).min(civil::LAST_SECOND), 0)
    }
}

impl From<Option<UnixSeconds>> for Timestamp {
    fn from(time: Option<UnixSeconds>) -> Self {
        time.map_or(Self::ZERO, Self::from)
    }
}

impl From<UnixMillis> for Timestamp {
    fn from(time: UnixMillis) -> Self {
        Self { nanos: (time.0 % 1000) as u32 * 1_000_000, ..Self::from(time.seconds()) }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0u8; civil::MAX_TEXT];
        let length = civil::write(&self.civil(), self.nanos, self.offset_minutes, &mut text);
        f.write_str(str::from_utf8(text.get(..length).unwrap_or_default()).unwrap_or_default())
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let parsed = civil::parse(text.as_bytes()).ok_or_else(|| TimestampError(text.to_owned()))?;
        Ok(Self { seconds: parsed.seconds, nanos: parsed.nanos, offset_minutes: parsed.offset_minutes })
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = [0u8; civil::MAX_TEXT];
        let length = civil::write(&self.civil(), self.nanos, self.offset_minutes, &mut text);
        serializer.serialize_str(str::from_utf8(text.get(..length).unwrap_or_default()).unwrap_or_default())
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        let Some(text) = Option::<std::borrow::Cow<'de, str>>::deserialize(deserializer)? else {
            return Ok(Self::ZERO);
        };
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests;
