//! What an entry of the log asks for: a change with everything that its outcome depends on.

use cluster_core::{
    Cid, PeerId, Pin, PinKey, ReplicationFactors, UnixMillis, UnixSeconds,
    pinset::{Ordered, RowReader, RowWriter},
    ports::consensus::{Etag, Operation, OperationKind, Precondition, RequestId},
};
use std::time::Duration;

/// Version of the bytes and of the rules that they are carried out by. A rule that makes something else of the same bytes
/// needs a new version, and the old one keeps the old rule: peers of two versions carry out one log.
const VERSION: u8 = 1;

/// Bytes of a proposal at most: a pin as large as `plan` takes, and candidates.
pub const MAX_PROPOSAL: usize = 1024 * 1024;

/// Candidates of a proposal at most; more than any cluster has peers.
const MAX_CANDIDATES: usize = 10_000;

/// Peers that a user named for a pin at most.
const MAX_NAMED: usize = 10_000;

const PIN: u8 = 1;
const PIN_UPDATE: u8 = 2;
const UNPIN: u8 = 3;

const NO_CONDITION: u8 = 0;
const IF_MATCH: u8 = 1;
const IF_ABSENT: u8 = 2;

/// The stored form of a pin has no expiry at second zero; the rule that refuses it has to see it all the same.
const EXPIRES_AT_ZERO: u8 = 1;

/// Bytes are no proposal, or one that cannot be carried out here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProposalError {
    /// They were written by a later version.
    #[error(
        "the entry has version {found}, this peer carries out up to {VERSION}: install the newer version"
    )]
    Newer {
        /// Version found.
        found: u8,
    },
    /// They are something else.
    #[error("the entry cannot be read")]
    Unreadable,
    /// They are too many.
    #[error("the change takes {size} bytes in the log, but at most {MAX_PROPOSAL} are possible")]
    TooLarge {
        /// Bytes needed.
        size: usize,
    },
}

/// A change as it was proposed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The change, and the default factors of whoever proposed it.
    pub ordered: Ordered,
    /// The time at which it was proposed, by the clock of whoever did.
    pub at: UnixMillis,
    /// A random number, by which whoever proposed it knows the entry again when its own store carries it out.
    pub nonce: u64,
}

impl Proposal {
    /// Writes the bytes that the log carries.
    ///
    /// # Errors
    /// [`ProposalError::TooLarge`].
    pub fn encode(&self) -> Result<Vec<u8>, ProposalError> {
        let Ordered { operation, replication } = &self.ordered;
        let mut row = RowWriter::new(VERSION)
            .raw(&self.nonce.to_be_bytes())
            .int(self.at.0)
            .int(zigzag(replication.min))
            .int(zigzag(replication.max));
        row = match &operation.precondition {
            Precondition::None => row.byte(NO_CONDITION),
            Precondition::IfMatch(etag) => row.byte(IF_MATCH).raw(&etag.0),
            Precondition::IfAbsent => row.byte(IF_ABSENT),
        };
        row = row.bytes(operation.request_id.as_ref().map_or(b"", |id| id.as_str().as_bytes()));
        row = match operation.expires_in {
            None => row.byte(0),
            Some(lifetime) => row.byte(1).int(lifetime.as_secs()).int(u64::from(lifetime.subsec_nanos())),
        };
        row = write_peers(row, &operation.ranked_candidates);
        row = match &operation.kind {
            OperationKind::Pin(pin) => write_pin(row.byte(PIN), pin),
            OperationKind::PinUpdate { pin, from } => {
                write_pin(row.byte(PIN_UPDATE).bytes(&from.to_bytes()), pin)
            }
            OperationKind::Unpin(key) => row.byte(UNPIN).bytes(key.as_bytes()),
        };
        let bytes = row.finish();
        if bytes.len() > MAX_PROPOSAL {
            return Err(ProposalError::TooLarge { size: bytes.len() });
        }
        Ok(bytes)
    }

    /// Reads the bytes of an entry.
    ///
    /// # Errors
    /// When they are no proposal of a version that this peer knows.
    pub fn decode(bytes: &[u8]) -> Result<Self, ProposalError> {
        match bytes.first() {
            Some(&found) if found > VERSION => return Err(ProposalError::Newer { found }),
            _ if bytes.len() > MAX_PROPOSAL => return Err(ProposalError::TooLarge { size: bytes.len() }),
            _ => {}
        }
        RowReader::new(bytes, VERSION).and_then(read).ok_or(ProposalError::Unreadable)
    }
}

fn read(mut row: RowReader<'_>) -> Option<Proposal> {
    let nonce = u64::from_be_bytes(row.fixed(8)?.try_into().ok()?);
    let at = UnixMillis(row.int()?);
    let replication = ReplicationFactors { min: unzigzag(row.int()?)?, max: unzigzag(row.int()?)? };
    let precondition = match row.byte()? {
        NO_CONDITION => Precondition::None,
        IF_MATCH => Precondition::IfMatch(Etag(row.fixed(16)?.try_into().ok()?)),
        IF_ABSENT => Precondition::IfAbsent,
        _ => return None,
    };
    let request_id = match row.bytes()? {
        [] => None,
        id => Some(RequestId::new(std::str::from_utf8(id).ok()?)?),
    };
    let expires_in = match row.byte()? {
        0 => None,
        1 => {
            let seconds = row.int()?;
            let nanos = u32::try_from(row.int()?).ok().filter(|nanos| *nanos < 1_000_000_000)?;
            Some(Duration::new(seconds, nanos))
        }
        _ => return None,
    };
    let ranked_candidates = read_peers(&mut row, MAX_CANDIDATES)?;
    let kind = match row.byte()? {
        PIN => OperationKind::Pin(Box::new(read_pin(&mut row)?)),
        PIN_UPDATE => {
            let from = row.bytes().and_then(read_cid)?;
            OperationKind::PinUpdate { pin: Box::new(read_pin(&mut row)?), from }
        }
        UNPIN => OperationKind::Unpin(PinKey::from_bytes(row.bytes()?).ok()?),
        _ => return None,
    };
    let operation = Operation { kind, precondition, request_id, expires_in, ranked_candidates };
    row.is_empty().then_some(Proposal { ordered: Ordered { operation, replication }, at, nonce })
}

fn write_pin(row: RowWriter, pin: &Pin) -> RowWriter {
    let flags = if pin.options.expire_at == Some(UnixSeconds(0)) { EXPIRES_AT_ZERO } else { 0 };
    let row = row.bytes(pin.key().as_bytes()).bytes(&pin.encode()).byte(flags);
    write_peers(row, &pin.options.user_allocations)
}

fn read_pin(row: &mut RowReader<'_>) -> Option<Pin> {
    let key = PinKey::from_bytes(row.bytes()?).ok()?;
    let mut pin = Pin::decode(&key, row.bytes()?).ok()?;
    match row.byte()? {
        0 => {}
        EXPIRES_AT_ZERO if pin.options.expire_at.is_none() => {
            pin.options.expire_at = Some(UnixSeconds(0));
        }
        _ => return None,
    }
    pin.options.user_allocations = read_peers(row, MAX_NAMED)?;
    Some(pin)
}

fn write_peers(row: RowWriter, peers: &[PeerId]) -> RowWriter {
    peers.iter().fold(row.int(peers.len() as u64), |row, peer| row.bytes(&peer.to_bytes()))
}

fn read_peers(row: &mut RowReader<'_>, limit: usize) -> Option<Vec<PeerId>> {
    let count = usize::try_from(row.int()?).ok().filter(|count| *count <= limit)?;
    // Grows as peers are found: the number alone, which is somebody else's, reserves nothing.
    let mut peers = Vec::new();
    for _ in 0..count {
        peers.push(PeerId::from_bytes(row.bytes()?).ok()?);
    }
    Some(peers)
}

fn read_cid(bytes: &[u8]) -> Option<Cid> {
    PinKey::from_bytes(bytes).ok().map(|key| key.cid())
}

fn zigzag(value: i32) -> u64 {
    u64::from(((value << 1) ^ (value >> 31)).cast_unsigned())
}

fn unzigzag(value: u64) -> Option<i32> {
    let value = u32::try_from(value).ok()?;
    Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
}

#[cfg(test)]
mod tests;
