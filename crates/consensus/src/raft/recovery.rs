//! Going on after a majority of the voters is lost for good: one peer that is left becomes the only voter of its cluster.

use super::{
    NodeId,
    backend::read_row,
    cluster_id::ClusterId,
    codec::{self, log_id},
    entry_row,
    log_check::check_log,
    position::LogPosition,
    rows::{
        APPLIED, AppliedRow, CLUSTER, END, INSTALLING, VOTE, cluster_row, damaged, end_row, entry_key,
        read_cluster,
    },
    type_config::{Entry, TypeConfig, Vote, alias},
};
use cluster_core::{
    PeerId,
    ports::datastore::{Batch, Datastore, Durability, Snapshot, StoreError, Tree},
};
use openraft::{EntryPayload, Membership};
use std::collections::BTreeSet;

/// Why a peer cannot become the only voter.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The store fails, or its rows cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The rows are of no cluster.
    #[error("this peer was never a member of a cluster: there is nothing to recover")]
    NoCluster,
    /// A snapshot is half installed: the pinset is neither the old nor the new one.
    #[error(
        "this peer was receiving a snapshot when it stopped: start it once so that it finishes, stop it, and try again"
    )]
    Installing,
}

/// What a recovery made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// The id of the cluster from now on: peers with the old one are refused.
    pub cluster: ClusterId,
    /// The members that are left out: their data folders have to be emptied before they are added again.
    pub left_out: Vec<PeerId>,
    /// The last entry that this peer had. A peer that is left and has a later one would lose less.
    pub last: Option<LogPosition>,
}

/// What a stopped peer's rows say about its cluster.
struct Found {
    cluster: Option<ClusterId>,
    last: Option<LogPosition>,
    vote: Option<Vote>,
    members: BTreeSet<PeerId>,
}

/// Makes this peer the only voter of its cluster, for when a majority is lost for good. The peer must be stopped; when it
/// starts, it elects itself. Blocks on the disk.
///
/// All entries of this peer's log are kept: whatever was acknowledged and reached this disk is among them, and so may be what
/// nobody was told about. What was acknowledged by others alone is lost; of several peers that are left, the one whose log
/// ends last ([`Recovered::last`]) has most. The others cannot become voters with what they have, since their logs may
/// contradict this one: they are emptied and added again. The cluster gets a new id, so that a lost peer that returns with the old
/// one can neither vote nor lead here. Should the lost majority live on elsewhere, there are two clusters from now on.
///
/// # Errors
/// As [`RecoverError`] says; nothing was changed.
pub fn recover_from_lost_majority(store: &dyn Datastore, local: PeerId) -> Result<Recovered, RecoverError> {
    let Found { cluster, last, vote, members } = look(&*store.snapshot()?)?;
    if members.is_empty() {
        return Err(RecoverError::NoCluster);
    }
    let voted = vote.map_or(0, |vote| vote.leader_id.term);
    let term = voted.max(last.map_or(0, |last| last.term)) + 1;
    let node = NodeId::from(local);
    // A majority of one: this peer stands for election with the next term.
    let voter = Membership::new_with_defaults(vec![BTreeSet::from([node])], []);
    let at = LogPosition { term, index: last.map_or(0, |last| last.index + 1) };
    let entry = Entry { log_id: log_id(at), payload: EntryPayload::Membership(voter) };
    let leader_id = alias::LeaderIdOf::<TypeConfig> { term, voted_for: node };
    let cluster = cluster.unwrap_or_else(ClusterId::random).recovered();
    let mut batch = Batch::new();
    batch.put(Tree::RaftLog, entry_key(at.index), entry_row::write_row(&entry));
    batch.put(Tree::RaftState, END, end_row(at.index + 1));
    batch.put(Tree::RaftState, VOTE, codec::write_vote(&Vote { leader_id, committed: false }));
    batch.put(Tree::RaftState, CLUSTER, cluster_row(cluster));
    store.commit(batch, Durability::Flushed)?;
    let left_out = members.into_iter().filter(|peer| *peer != local).collect();
    Ok(Recovered { cluster, left_out, last })
}

fn look(view: &dyn Snapshot) -> Result<Found, RecoverError> {
    let row = |key| view.get(Tree::RaftState, key);
    if row(INSTALLING)?.is_some() {
        return Err(RecoverError::Installing);
    }
    let applied = read_row(row(APPLIED)?, "applied", AppliedRow::decode)?.unwrap_or_default();
    let adopted = read_row(row(CLUSTER)?, "cluster", read_cluster)?;
    let stored = codec::stored_membership(&applied.membership).ok_or_else(|| damaged("applied"))?;
    let mut members: BTreeSet<PeerId> = stored.membership().nodes().map(|(node, _)| node.peer()).collect();
    let log = check_log(view, |entry| {
        if let EntryPayload::Membership(changed) = &entry.payload {
            members.extend(changed.nodes().map(|(node, _)| node.peer()));
        }
    })?;
    let last = log.purged.max(applied.last).max(log.entries.map(|(_, last)| last));
    let vote = log.vote;
    Ok(Found { cluster: adopted.or(applied.cluster), last, vote, members })
}
