//! The payload of the heads topic (wire-protocol §4.3).

use super::BlockId;
use prost::Message;

#[derive(Clone, PartialEq, Message)]
struct HeadMessage {
    #[prost(bytes = "vec", tag = "1")]
    cid: Vec<u8>,
    #[prost(string, tag = "2")]
    dag_name: String,
}

#[derive(Clone, PartialEq, Message)]
struct BroadcastMessage {
    #[prost(message, repeated, tag = "1")]
    heads: Vec<HeadMessage>,
}

/// A list of heads that a peer announces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broadcast {
    /// The heads of the unnamed DAG.
    pub heads: Vec<BlockId>,
}

/// Says why a payload is no broadcast.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BroadcastError {
    /// The bytes are no protobuf of heads.
    #[error("not a list of heads")]
    Protobuf(#[from] prost::DecodeError),
    /// A head does not name a block of the DAG; the whole list is refused, as Go does.
    #[error("a head does not name a block of this DAG")]
    Head,
}

impl Broadcast {
    /// Writes the payload.
    pub fn encode(&self) -> Vec<u8> {
        let heads = self.heads.iter();
        let heads =
            heads.map(|h| HeadMessage { cid: h.cid_bytes().to_vec(), dag_name: String::new() }).collect();
        BroadcastMessage { heads }.encode_to_vec()
    }

    /// Reads a payload. Heads of a named DAG are left out: it is another set.
    ///
    /// # Errors
    /// When the bytes are no list of heads or any head is malformed.
    pub fn decode(bytes: &[u8]) -> Result<Self, BroadcastError> {
        let message = BroadcastMessage::decode(bytes)?;
        let heads = message.heads.iter().filter(|h| h.dag_name.is_empty());
        let heads: Result<_, _> = heads.map(|h| BlockId::from_cid_bytes(&h.cid)).collect();
        Ok(Self { heads: heads.map_err(|_| BroadcastError::Head)? })
    }
}
