//! Reads msgpack as tolerantly as Go peers do (wire-protocol §5.4), and more so where that does no harm.

use super::head::Head;
use cid::Cid;
use cluster_core::{Multiaddr, PeerId, UnixMillis};
use std::{borrow::Cow, collections::BTreeMap};

/// Why a value is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum DecodeError {
    /// Nothing is left.
    #[error("msgpack decode error: the value ends early")]
    Truncated,
    /// A value of another type.
    #[error("msgpack decode error: wanted {wanted}, got a value that starts with {found:#04x}")]
    Unexpected {
        /// What should be there.
        wanted: &'static str,
        /// First byte of what is there.
        found: u8,
    },
    /// The right type with wrong content.
    #[error("msgpack decode error: invalid {what}: {cause}")]
    Invalid {
        /// What it should be.
        what: &'static str,
        /// What is wrong with it.
        cause: String,
    },
    /// A field that cannot be left out.
    #[error("msgpack decode error: no {what}")]
    Missing {
        /// What is not there.
        what: &'static str,
    },
}

/// Walks over one value whose end the scanner found. Nil stands for the zero of everything.
#[derive(Debug)]
pub(super) struct Decoder<'a> {
    rest: &'a [u8],
}

impl<'a> Decoder<'a> {
    /// Starts at the first byte of a value.
    pub(super) fn new(value: &'a [u8]) -> Self {
        Self { rest: value }
    }

    /// Returns what was not read yet.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Steps over one value.
    pub(super) fn skip(&mut self) -> Result<(), DecodeError> {
        let mut left = 1_u64;
        while left > 0 {
            let (head, _) = self.take()?;
            left = (left - 1).saturating_add(head.children);
        }
        Ok(())
    }

    /// Reads a text or bytes.
    pub(super) fn raw(&mut self) -> Result<&'a [u8], DecodeError> {
        let (head, body) = self.take()?;
        if head.is_raw() || head.is_nil() { Ok(body) } else { Err(unexpected("bytes", &head)) }
    }

    /// Reads a text; what is not UTF-8 is replaced.
    pub(super) fn text(&mut self) -> Result<Cow<'a, str>, DecodeError> {
        Ok(String::from_utf8_lossy(self.raw()?))
    }

    /// Reads a text of its own.
    pub(super) fn string(&mut self) -> Result<String, DecodeError> {
        Ok(self.text()?.into_owned())
    }

    /// Reads a number of any width; unsigned ones beyond the range wrap, as in Go.
    pub(super) fn int(&mut self) -> Result<i64, DecodeError> {
        let (head, body) = self.take()?;
        let number = body.iter().take(8).fold(0_u64, |n, byte| (n << 8) | u64::from(*byte));
        // The casts keep the bits: what is read is a two's complement of the width that the marker says.
        Ok(match head.marker {
            0x00..=0x7f | 0xe0..=0xff => i64::from(head.marker as i8),
            0xcc..=0xcf | 0xd3 => number as i64,
            0xd0 => i64::from(number as i8),
            0xd1 => i64::from(number as i16),
            0xd2 => i64::from(number as i32),
            0xca => f32::from_bits(number as u32) as i64,
            0xcb => f64::from_bits(number) as i64,
            0xc0 => 0,
            _ => return Err(unexpected("a number", &head)),
        })
    }

    /// Reads a number of any width; signed ones wrap.
    pub(super) fn uint(&mut self) -> Result<u64, DecodeError> {
        Ok(self.int()? as u64)
    }

    /// Reads a signed number, cut to the range.
    pub(super) fn int32(&mut self) -> Result<i32, DecodeError> {
        let number = self.int()?;
        Ok(i32::try_from(number).unwrap_or(if number < 0 { i32::MIN } else { i32::MAX }))
    }

    /// Reads a truth value.
    pub(super) fn flag(&mut self) -> Result<bool, DecodeError> {
        let (head, _) = self.take()?;
        match head.marker {
            0xc3 => Ok(true),
            0xc2 | 0xc0 => Ok(false),
            _ => Err(unexpected("true or false", &head)),
        }
    }

    /// Reads a CID, which must be all of its bytes: with bytes after it, it would be another key than what was meant.
    pub(super) fn cid(&mut self) -> Result<Option<Cid>, DecodeError> {
        let bytes = self.raw()?;
        if bytes.is_empty() {
            return Ok(None);
        }
        let invalid = |cause| DecodeError::Invalid { what: "cid", cause };
        let cid = Cid::try_from(bytes).map_err(|error| invalid(error.to_string()))?;
        if cid.to_bytes() == bytes {
            Ok(Some(cid))
        } else {
            Err(invalid("trailing bytes in data buffer".to_owned()))
        }
    }

    /// Reads a peer ID.
    pub(super) fn peer(&mut self) -> Result<Option<PeerId>, DecodeError> {
        let bytes = self.raw()?;
        if bytes.is_empty() {
            return Ok(None);
        }
        PeerId::from_bytes(bytes)
            .map(Some)
            .map_err(|error| DecodeError::Invalid { what: "peer ID", cause: error.to_string() })
    }

    /// Reads peer IDs.
    pub(super) fn peers(&mut self) -> Result<Vec<PeerId>, DecodeError> {
        let mut peers = Vec::new();
        self.array(|element| {
            peers.extend(element.peer()?);
            Ok(())
        })?;
        Ok(peers)
    }

    /// Reads addresses; those of protocols that are unknown here are left out.
    pub(super) fn addresses(&mut self) -> Result<Vec<Multiaddr>, DecodeError> {
        let mut addresses = Vec::new();
        self.array(|element| {
            let bytes = element.raw()?;
            addresses.extend(Multiaddr::try_from(bytes.to_vec()).ok().filter(|address| !address.is_empty()));
            Ok(())
        })?;
        Ok(addresses)
    }

    /// Reads an instant, cut to milliseconds; 0 when there is none, and for those before the epoch.
    pub(super) fn time(&mut self) -> Result<UnixMillis, DecodeError> {
        let (head, body) = self.take()?;
        let payload = match body {
            [0xff, payload @ ..] if head.is_extension() => payload,
            payload if head.is_raw() => payload,
            _ if head.is_nil() => return Ok(UnixMillis(0)),
            _ => return Err(unexpected("a time", &head)),
        };
        let number = |bytes: &[u8]| bytes.iter().fold(0_u64, |n, byte| (n << 8) | u64::from(*byte));
        let (seconds, nanos) = match payload.len() {
            4 => (number(payload), 0),
            8 => (number(payload) & ((1 << 34) - 1), number(payload) >> 34),
            12 => (number(&payload[4..]), number(&payload[..4])),
            length => {
                return Err(DecodeError::Invalid { what: "time", cause: format!("{length} bytes") });
            }
        };
        // Seconds are signed: a time before the epoch looks like one far ahead.
        if i64::try_from(seconds).is_err() {
            return Ok(UnixMillis(0));
        }
        Ok(UnixMillis(seconds.saturating_mul(1000).saturating_add(nanos / 1_000_000)))
    }

    /// Reads texts by name.
    pub(super) fn texts(&mut self) -> Result<BTreeMap<String, String>, DecodeError> {
        let mut texts = BTreeMap::new();
        let (head, _) = self.take()?;
        if !head.is_map() && !head.is_nil() {
            return Err(unexpected("a map", &head));
        }
        for _ in 0..head.children / 2 {
            texts.insert(self.string()?, self.string()?);
        }
        Ok(texts)
    }

    /// Reads an array; `element` reads exactly one value each time.
    pub(super) fn array(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        let (head, _) = self.take()?;
        if !head.is_array() && !head.is_nil() {
            return Err(unexpected("an array", &head));
        }
        for _ in 0..head.children {
            element(self)?;
        }
        Ok(())
    }

    /// Reads a struct, written as a map or as an array in the order of `names`: `field` gets the place of each known
    /// name and reads exactly one value. Unknown names are skipped.
    pub(super) fn structure(
        &mut self,
        names: &[&str],
        mut field: impl FnMut(usize, &mut Self) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        let (head, _) = self.take()?;
        if head.is_array() {
            for place in 0..usize::try_from(head.children).unwrap_or(usize::MAX) {
                if place < names.len() { field(place, self)? } else { self.skip()? }
            }
            return Ok(());
        }
        if !head.is_map() && !head.is_nil() {
            return Err(unexpected("a map", &head));
        }
        // Names come in their order, with gaps: each is looked for from where the one before it was.
        let mut from = 0;
        for _ in 0..head.children / 2 {
            let key = self.raw()?;
            let is_key = |name: &&str| name.as_bytes() == key;
            let place = names[from..].iter().position(is_key).map(|place| from + place);
            match place.or_else(|| names[..from].iter().position(is_key)) {
                Some(place) => {
                    from = place;
                    field(place, self)?;
                }
                None => self.skip()?,
            }
        }
        Ok(())
    }

    /// Takes a header and what belongs to it, not the values inside.
    fn take(&mut self) -> Result<(Head, &'a [u8]), DecodeError> {
        let head = Head::read(self.rest)
            .map_err(|_| DecodeError::Unexpected { wanted: "a value", found: 0xc1 })?
            .ok_or(DecodeError::Truncated)?;
        let rest = &self.rest[head.size..];
        let (body, rest) = rest.split_at_checked(head.body).ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok((head, body))
    }
}

fn unexpected(wanted: &'static str, head: &Head) -> DecodeError {
    DecodeError::Unexpected { wanted, found: head.marker }
}

#[cfg(test)]
mod tests;
