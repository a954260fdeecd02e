//! Idempotency: what became of a request that carried a key of its caller.

use super::{
    row_codec::{RowReader, RowWriter, read_be},
    staged::Staged,
};
use crate::{
    PinKey, UnixMillis,
    ports::{
        consensus::{Operation, OperationKind, Precondition, RequestId},
        datastore::{StoreError, Tree},
    },
};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// Requests kept at most.
pub const MAX_REQUESTS: u64 = 1_000_000;

/// How long a request is kept.
pub const MAX_AGE: Duration = Duration::from_secs(24 * 3600);

/// Rows that one commit trims at most.
const TRIM_ROWS: usize = 64;

const VERSION: u8 = 1;

/// The outcome of an accepted request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRow {
    /// Hash of what was asked.
    pub hash: [u8; 32],
    /// The key of the pin it was about.
    pub key: PinKey,
    /// The value that was answered with.
    pub value: Vec<u8>,
}

impl RequestRow {
    fn encode(&self) -> Vec<u8> {
        RowWriter::new(VERSION).raw(&self.hash).bytes(self.key.as_bytes()).raw(&self.value).finish()
    }

    fn decode(row: &[u8]) -> Option<Self> {
        let mut reader = RowReader::new(row, VERSION)?;
        let hash = reader.fixed(32)?.try_into().ok()?;
        let key = PinKey::from_bytes(reader.bytes()?).ok()?;
        Some(Self { hash, key, value: reader.rest().to_vec() })
    }
}

/// Hashes what was asked: the change and its precondition, not the candidates, which vary between attempts,
/// nor the time stamp and the end of a lifetime, which a server computes.
pub fn hash(operation: &Operation) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    let mut pin = |pin: &crate::Pin| {
        let mut asked = pin.clone();
        asked.timestamp = None;
        if let Some(lifetime) = operation.expires_in {
            asked.options.expire_at = None;
            part(&lifetime.as_nanos().to_be_bytes());
        }
        part(&asked.encode());
        for peer in &asked.options.user_allocations {
            part(&peer.to_bytes());
        }
    };
    match &operation.kind {
        OperationKind::Pin(p) => pin(p),
        OperationKind::PinUpdate { pin: p, from } => {
            pin(p);
            part(&from.to_bytes());
        }
        OperationKind::Unpin(key) => part(key.as_bytes()),
    }
    match &operation.precondition {
        Precondition::None => part(b""),
        Precondition::IfMatch(etag) => part(&etag.0),
        Precondition::IfAbsent => part(b"absent"),
    }
    let tag = match &operation.kind {
        OperationKind::Pin(_) => 1u8,
        OperationKind::PinUpdate { .. } => 2,
        OperationKind::Unpin(_) => 3,
    };
    hash.update([tag]);
    hash.finalize().into()
}

fn row_key(id: &RequestId) -> Vec<u8> {
    [b"r".as_slice(), id.as_str().as_bytes()].concat()
}

/// Reads what became of a request.
///
/// # Errors
/// When the store fails.
pub fn get(staged: &Staged, id: &RequestId) -> Result<Option<RequestRow>, StoreError> {
    Ok(staged.get(Tree::Requests, &row_key(id))?.as_deref().and_then(RequestRow::decode))
}

/// Says whether a row holds the outcome of a request.
pub(super) fn is_readable(row: &[u8]) -> bool {
    RequestRow::decode(row).is_some()
}

/// Stages the outcome of a request and its place in the order of time.
pub fn put(staged: &mut Staged, id: &RequestId, row: &RequestRow, now: UnixMillis) {
    staged.put(Tree::Requests, row_key(id), row.encode());
    let order = [b"t".as_slice(), &now.0.to_be_bytes(), id.as_str().as_bytes()].concat();
    staged.put(Tree::Requests, order, Vec::new());
}

/// Deletes requests that are too old or too many; returns how many went.
///
/// # Errors
/// When the store fails.
pub fn trim(staged: &mut Staged, total: u64, now: UnixMillis) -> Result<u64, StoreError> {
    let mut gone = 0;
    for (order, _) in staged.range(Tree::Requests, b"t", TRIM_ROWS)? {
        let time = UnixMillis(read_be(&order[1..]).unwrap_or(0));
        if total - gone <= MAX_REQUESTS && now.since(time) <= MAX_AGE {
            break;
        }
        let id = order.get(9..).unwrap_or_default();
        staged.delete(Tree::Requests, [b"r".as_slice(), id].concat());
        staged.delete(Tree::Requests, order);
        gone += 1;
    }
    Ok(gone)
}
