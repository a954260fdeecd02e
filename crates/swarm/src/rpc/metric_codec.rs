//! Metrics as the gossip carries them (wire-protocol §3.5).

use super::{decoder::Decoder, encoder::Encoder, limits::Limits, scanner::Scanner};
use cluster_core::{Metric, metric::UnixNanos};

/// Longest name of a metric, in bytes.
const MAX_NAME: usize = 256;

/// What peers before 0.13.4 put in front.
const LEGACY_PREFIX: &[u8] = b"\x09/msgpack\n";

/// Writes a metric as a message of the gossip, without the time it was received.
pub(crate) fn encode_metric(metric: &Metric) -> Vec<u8> {
    let mut to = Encoder::default();
    to.structure(|fields| {
        fields.text("n", &metric.name);
        fields.peer("p", Some(&metric.peer));
        fields.text("v", &metric.value);
        fields.int("e", metric.expires.0);
        fields.flag("d", metric.valid);
        fields.int("w", metric.weight);
        fields.flag("o", metric.partitionable);
    });
    to.into_bytes()
}

/// Reads a message of the gossip of at most 64 KiB; `None` when it is no metric of a named peer. The time it was
/// received is 0: whoever receives it knows it.
pub(crate) fn decode_metric(payload: &[u8]) -> Option<Metric> {
    let payload = payload.strip_prefix(LEGACY_PREFIX).unwrap_or(payload);
    let length = Scanner::default().advance(payload, Limits::METRIC).ok()??;
    let mut peer = None;
    let mut name = String::new();
    let mut value = String::new();
    let mut expires = UnixNanos(0);
    let mut valid = false;
    let mut weight = 0;
    let mut partitionable = false;
    Decoder::new(payload.get(..length)?)
        .structure(&["n", "p", "v", "e", "d", "w", "o", "t"], |place, from| {
            match place {
                0 => name = from.string()?,
                1 => peer = from.peer()?,
                2 => value = from.string()?,
                3 => expires = UnixNanos(from.int()?),
                4 => valid = from.flag()?,
                5 => weight = from.int()?,
                6 => partitionable = from.flag()?,
                _ => from.skip()?,
            }
            Ok(())
        })
        .ok()?;
    let received_at = UnixNanos(0);
    let peer = peer?;
    (name.len() <= MAX_NAME).then_some(Metric {
        name,
        peer,
        value,
        expires,
        valid,
        weight,
        partitionable,
        received_at,
    })
}

#[cfg(test)]
mod tests;
