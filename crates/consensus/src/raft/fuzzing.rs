//! What other members send, and rows that a snapshot or an older version wrote, for the fuzzer.

use super::{
    codec::{membership_row, read_entry, read_vote, stored_membership, write_entry, write_vote},
    messages::{Answer, Request},
    proposal::Proposal,
    rows::{AppliedRow, MembershipRow, position_row, read_position},
    snapshot::{Chunk, sealed},
};

/// Index of the entries that are read; rows do not hold it.
const INDEX: u64 = 7;

/// Reads a request of another member.
pub(crate) fn request(bytes: &[u8]) {
    if let Some(request) = Request::decode(bytes) {
        let again = Request::decode(&request.encode());
        assert_eq!(again.map(|again| format!("{again:?}")), Some(format!("{request:?}")));
        if let Request::Propose(bytes) = request {
            proposal(&bytes);
        }
    }
}

/// Reads an answer of another member.
pub(crate) fn answer(bytes: &[u8]) {
    if let Some(answer) = Answer::decode(bytes) {
        assert_eq!(Answer::decode(&answer.encode()), Some(answer));
    }
}

/// Reads a proposal, as an entry of the log carries it.
pub(crate) fn proposal(bytes: &[u8]) {
    if let Ok(proposal) = Proposal::decode(bytes) {
        let again = proposal.encode().map(|bytes| Proposal::decode(&bytes));
        assert_eq!(again, Ok(Ok(proposal)));
    }
}

/// Reads a part of a snapshot as it is, and with the right sum behind it.
pub(crate) fn chunk(bytes: &[u8]) {
    for bytes in [bytes.to_vec(), sealed(bytes)] {
        if let Ok(chunk) = Chunk::decode(&bytes) {
            assert_eq!(Chunk::decode(&chunk.encode()), Ok(chunk));
        }
    }
}

/// Reads rows of the log and of the state.
pub(crate) fn rows(bytes: &[u8]) {
    if let Some(row) = AppliedRow::decode(bytes) {
        if let Some(members) = stored_membership(&row.membership) {
            assert_eq!(stored_membership(&membership_row(&members)), Some(members));
        }
        assert_eq!(AppliedRow::decode(&row.encode()), Some(row));
    }
    if let Some(position) = read_position(bytes) {
        assert_eq!(read_position(&position_row(position)), Some(position));
    }
    if let Some(entry) = read_entry(INDEX, bytes) {
        assert_eq!(read_entry(INDEX, &write_entry(&entry)), Some(entry));
    }
    if let Some(vote) = read_vote(bytes) {
        assert_eq!(read_vote(&write_vote(&vote)), Some(vote));
    }
    let members = MembershipRow { position: None, members: bytes.to_vec() };
    if let Some(members) = stored_membership(&members) {
        assert_eq!(stored_membership(&membership_row(&members)), Some(members));
    }
}

#[cfg(test)]
mod seeds;
