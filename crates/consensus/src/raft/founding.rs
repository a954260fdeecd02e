//! A cluster of one peer around a pinset that came from elsewhere.

use super::{
    NodeId,
    cluster_id::ClusterId,
    codec::{self, StoredMembership, log_id},
    position::LogPosition,
    rows::{APPLIED, AppliedRow, PURGED, VOTE, position_row},
    type_config::{TypeConfig, Vote, alias},
};
use cluster_core::{
    PeerId,
    ports::datastore::{Batch, Datastore, Durability, StoreError, Tree},
};
use openraft::Membership;
use std::collections::BTreeSet;

/// Where the log of such a cluster begins: behind an entry that stands for the whole pinset. Whoever joins lacks it, and so is
/// given the pinset.
const BEGIN: LogPosition = LogPosition { term: 1, index: 1 };

/// Makes a peer the only voter of a new cluster that begins with the pins in its store. There must be no log, and the peer
/// must be stopped; when it starts, it elects itself. Blocks on the disk.
///
/// # Errors
/// When the store fails; then nothing was changed.
pub fn found(store: &dyn Datastore, local: PeerId) -> Result<ClusterId, StoreError> {
    let node = NodeId::from(local);
    let voter = Membership::new_with_defaults(vec![BTreeSet::from([node])], []);
    let membership = StoredMembership::new(Some(log_id(BEGIN)), voter);
    let cluster = ClusterId::random();
    let applied = AppliedRow {
        last: Some(BEGIN),
        membership: codec::membership_row(&membership),
        cluster: Some(cluster),
        ..AppliedRow::default()
    };
    let leader_id = alias::LeaderIdOf::<TypeConfig> { term: BEGIN.term, voted_for: node };
    let mut batch = Batch::new();
    batch.put(Tree::RaftState, VOTE, codec::write_vote(&Vote { leader_id, committed: false }));
    batch.put(Tree::RaftState, PURGED, position_row(BEGIN));
    batch.put(Tree::RaftState, APPLIED, applied.encode());
    store.commit(batch, Durability::Flushed)?;
    Ok(cluster)
}
