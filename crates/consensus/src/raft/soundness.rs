//! Requests that no leader and no candidate sends. openraft relies on their not coming: it panics, truncates or becomes leader over
//! them. A member may have a defect, or memory that flips bits, and must not take the others down.

use super::{
    NodeId,
    cluster_id::ClusterId,
    codec::{position, stored_membership},
    position::LogPosition,
    proposal::Proposal,
    rows::AppliedRow,
    type_config::{Entry, ProposalBytes, TypeConfig, Vote},
};
use openraft::{EntryPayload, raft::AppendEntriesRequest};

/// Terms and indexes that no cluster reaches: counting on from there would overflow.
const TOO_LARGE: u64 = u64::MAX / 2;

type Unsound = &'static str;

fn is_in_reach(position: LogPosition) -> bool {
    position.term < TOO_LARGE && position.index < TOO_LARGE
}

/// Checks the vote of a peer that says that it leads.
pub(super) fn of_leader(from: NodeId, vote: &Vote) -> Result<(), Unsound> {
    if !vote.committed {
        return Err("its sender was not elected");
    }
    of_candidate(from, vote)
}

/// Checks the vote of a peer that wants to lead, or does.
pub(super) fn of_candidate(from: NodeId, vote: &Vote) -> Result<(), Unsound> {
    if vote.leader_id.voted_for != from {
        return Err("it speaks for another peer than its sender");
    }
    if vote.leader_id.term >= TOO_LARGE {
        return Err("its term is out of reach");
    }
    Ok(())
}

/// Checks entries, and where they are to go. `committed` is how far this peer's log is committed; for a leader that was deposed
/// it says nothing, and `None` is given.
pub(super) fn of_append(
    from: NodeId,
    request: &AppendEntriesRequest<TypeConfig>,
    committed: Option<LogPosition>,
) -> Result<(), Unsound> {
    of_leader(from, &request.vote)?;
    let term = request.vote.leader_id.term;
    let commit = request.leader_commit.as_ref().map(position);
    if commit.is_some_and(|commit| commit.term > term || !is_in_reach(commit)) {
        return Err("it commits what is of a later term than its leader");
    }
    let mut last = request.prev_log_id.as_ref().map(position);
    if let Some(place) = last {
        of_place(place, term, committed)?;
    }
    for entry in &request.entries {
        let place = position(&entry.log_id);
        let next = last.map_or(0, |last| last.index.saturating_add(1));
        if place.index != next {
            return Err("its entries do not follow each other");
        }
        if last.is_some_and(|last| place.term < last.term) {
            return Err("the terms of its entries run backwards");
        }
        of_place(place, term, committed)?;
        of_entry(entry)?;
        last = Some(place);
    }
    Ok(())
}

fn of_place(place: LogPosition, term: u64, committed: Option<LogPosition>) -> Result<(), Unsound> {
    if place.term > term || !is_in_reach(place) {
        return Err("an entry is of a later term than its leader");
    }
    let contradicts = |committed: LogPosition| match place.index.cmp(&committed.index) {
        std::cmp::Ordering::Less => place.term > committed.term,
        std::cmp::Ordering::Equal => place.term != committed.term,
        std::cmp::Ordering::Greater => place.term < committed.term,
    };
    if committed.is_some_and(contradicts) {
        return Err("an entry contradicts what is committed here");
    }
    Ok(())
}

/// In the log, an entry that cannot be carried out would stop every member that has it.
fn of_entry(entry: &Entry) -> Result<(), Unsound> {
    match &entry.payload {
        EntryPayload::Blank => Ok(()),
        EntryPayload::Normal(ProposalBytes(bytes)) => {
            let is_readable = ClusterId::of_founding(bytes).is_some() || Proposal::decode(bytes).is_ok();
            if is_readable { Ok(()) } else { Err("an entry cannot be carried out by this version") }
        }
        EntryPayload::Membership(members) if members.voter_ids().next().is_none() => {
            Err("an entry leaves the cluster without a voter")
        }
        EntryPayload::Membership(_) => Ok(()),
    }
}

/// Checks what a snapshot says of itself.
pub(super) fn of_snapshot(
    (from, vote): (NodeId, &Vote),
    applied: &AppliedRow,
    (committed, cluster): (Option<LogPosition>, Option<ClusterId>),
) -> Result<(), Unsound> {
    let Some(last) = applied.last else { return Err("it has no place in the log") };
    of_leader(from, vote)?;
    if last.term > vote.leader_id.term || !is_in_reach(last) {
        return Err("it is of a later term than its leader");
    }
    if committed.is_some_and(|committed| last > committed && last.index <= committed.index) {
        return Err("it contradicts what is committed here");
    }
    let members = stored_membership(&applied.membership);
    if members.is_none_or(|members| members.membership().voter_ids().next().is_none()) {
        return Err("it leaves the cluster without a voter");
    }
    if applied.membership.position > Some(last) {
        return Err("its members are of a later place of the log than its pins");
    }
    if let (Some(theirs), Some(ours)) = (applied.cluster, cluster)
        && !theirs.is_of_one_foundation(ours)
    {
        return Err("it is of another cluster");
    }
    Ok(())
}
