//! The stored form of a pin: the protobuf of wire-protocol §4.7, byte for byte.

use super::{Metadata, Pin, PinDepth, PinKey, PinKind, PinOptions, ReplicationFactors};
use crate::time::UnixSeconds;
use cid::Cid;
use libp2p_identity::PeerId;
use multiaddr::Multiaddr;
use prost::Message;
use std::collections::BTreeMap;

#[derive(Clone, PartialEq, Message)]
struct PinMessage {
    #[prost(bytes = "vec", tag = "1")]
    cid: Vec<u8>,
    #[prost(int32, tag = "2")]
    kind: i32,
    #[prost(bytes = "vec", repeated, tag = "3")]
    allocations: Vec<Vec<u8>>,
    #[prost(sint32, tag = "4")]
    max_depth: i32,
    #[prost(bytes = "vec", tag = "5")]
    reference: Vec<u8>,
    #[prost(message, optional, tag = "6")]
    options: Option<OptionsMessage>,
    #[prost(uint64, tag = "7")]
    timestamp: u64,
}

#[derive(Clone, PartialEq, Message)]
struct OptionsMessage {
    #[prost(sint32, tag = "1")]
    replication_min: i32,
    #[prost(sint32, tag = "2")]
    replication_max: i32,
    #[prost(string, tag = "3")]
    name: String,
    #[prost(uint64, tag = "4")]
    shard_size: u64,
    #[prost(btree_map = "string, string", tag = "6")]
    old_metadata: BTreeMap<String, String>,
    #[prost(bytes = "vec", tag = "7")]
    pin_update: Vec<u8>,
    #[prost(uint64, tag = "8")]
    expire_at: u64,
    #[prost(bytes = "vec", repeated, tag = "9")]
    origins: Vec<Vec<u8>>,
    #[prost(message, repeated, tag = "10")]
    metadata: Vec<MetadataMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct MetadataMessage {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

/// A stored value is not a pin.
#[derive(Debug, Clone, thiserror::Error)]
#[error("not the protobuf of a pin")]
pub struct PinDecodeError(#[source] prost::DecodeError);

impl Pin {
    /// Writes the stored form. Equal pins give equal bytes: fields in number order, metadata sorted by key,
    /// options always present, user allocations left out.
    pub fn encode(&self) -> Vec<u8> {
        let options = &self.options;
        PinMessage {
            cid: self.cid.to_bytes(),
            kind: i32::from(self.kind.stored()),
            allocations: self.allocations.iter().map(|p| p.to_bytes()).collect(),
            max_depth: self.depth.0,
            reference: self.reference.map(|c| c.to_bytes()).unwrap_or_default(),
            options: Some(OptionsMessage {
                replication_min: options.replication.min,
                replication_max: options.replication.max,
                name: options.name.clone(),
                shard_size: options.shard_size,
                old_metadata: BTreeMap::new(),
                pin_update: options.pin_update.map(|c| c.to_bytes()).unwrap_or_default(),
                expire_at: options.expire_at.map_or(0, |t| t.0),
                origins: options.origins.iter().map(|a| a.to_vec()).collect(),
                metadata: options
                    .metadata
                    .iter()
                    .map(|(key, value)| MetadataMessage { key: key.clone(), value: value.clone() })
                    .collect(),
            }),
            timestamp: self.timestamp.map_or(0, |t| t.0),
        }
        .encode_to_vec()
    }

    /// Reads a stored value. The CID is the key's, whatever the value says; unreadable references, peers and
    /// addresses inside it are left out, as Go does (api §2.8).
    ///
    /// # Errors
    /// When the bytes are no protobuf of a pin.
    pub fn decode(key: &PinKey, value: &[u8]) -> Result<Self, PinDecodeError> {
        let message = PinMessage::decode(value).map_err(PinDecodeError)?;
        let options = message.options.unwrap_or_default();
        let mut metadata: Metadata = options.old_metadata;
        metadata.extend(options.metadata.into_iter().map(|m| (m.key, m.value)));
        Ok(Self {
            cid: key.cid(),
            kind: PinKind::from_stored(message.kind),
            allocations: message.allocations.iter().filter_map(|b| PeerId::from_bytes(b).ok()).collect(),
            depth: PinDepth(message.max_depth),
            reference: read_cid(&message.reference),
            options: PinOptions {
                replication: ReplicationFactors {
                    min: options.replication_min,
                    max: options.replication_max,
                },
                name: options.name,
                shard_size: options.shard_size,
                user_allocations: Vec::new(),
                expire_at: (options.expire_at != 0).then_some(UnixSeconds(options.expire_at)),
                metadata,
                pin_update: read_cid(&options.pin_update),
                origins: options.origins.into_iter().filter_map(|b| Multiaddr::try_from(b).ok()).collect(),
            },
            timestamp: (message.timestamp != 0).then_some(UnixSeconds(message.timestamp)),
        })
    }

    /// Reads a stored value and makes the best of an unreadable one: a pin of type [`PinKind::Bad`] that no
    /// peer holds. A foreign value must not stop a listing.
    pub fn decode_lossy(key: &PinKey, value: &[u8]) -> Self {
        Self::decode(key, value).unwrap_or_else(|_| Self { kind: PinKind::Bad, ..Self::new(key.cid()) })
    }
}

fn read_cid(bytes: &[u8]) -> Option<Cid> {
    if bytes.is_empty() { None } else { Cid::try_from(bytes).ok() }
}

#[cfg(test)]
mod tests;
