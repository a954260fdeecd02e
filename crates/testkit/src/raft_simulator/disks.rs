//! What has to be on the disks, whatever becomes of the power: Raft rests on it.

use super::{
    shown::{APPLIED, CLUSTER},
    world::World,
};
use anyhow::{Context, Result, ensure};
use cluster_consensus::raft::{AppliedRow, LogPosition, OnDisk};
use cluster_core::ports::{
    Datastore,
    consensus::{RaftHealth, RaftRole},
    datastore::Tree,
};
use cluster_datastore::MemoryStore;

/// Checks what a power failure left of a peer's disk. `has_snapshots` says whether a snapshot may have taken the place of entries.
///
/// # Errors
/// What no order of flushed writes leads to.
fn check(store: &MemoryStore, has_snapshots: bool) -> Result<()> {
    let OnDisk { purged, entries, applied, is_installing, .. } = OnDisk::read(&*store.snapshot()?)?;
    for pair in entries.windows(2) {
        let (one, next) = (pair[0], pair[1]);
        ensure!(next.index == one.index + 1, "the log has a hole between {one:?} and {next:?}");
        ensure!(next.term >= one.term, "the log has an old entry {next:?} behind {one:?}");
    }
    let Some(applied) = applied.filter(|_| !is_installing) else { return Ok(()) };
    let end = entries.last().copied().or(purged);
    ensure!(
        has_snapshots || end >= Some(applied),
        "the pinset is at {applied:?}, and the log ends at {end:?}"
    );
    let same = |entry: &LogPosition| entry.index == applied.index;
    let entry = entries.iter().find(|entry| same(entry)).copied();
    ensure!(
        entry.is_none_or(|entry| entry == applied),
        "the pinset carried out {applied:?}, the log has {entry:?}"
    );
    Ok(())
}

/// Says whether a store knows which cluster it is of: a leader said it, or the log.
fn belongs_to_cluster(store: &MemoryStore) -> Result<bool> {
    let view = store.snapshot()?;
    let applied = view.get(Tree::RaftState, APPLIED)?.and_then(|row| AppliedRow::decode(&row));
    Ok(applied.is_some_and(|row| row.cluster.is_some()) || view.get(Tree::RaftState, CLUSTER)?.is_some())
}

impl World {
    /// Says whether all members know that a peer votes, and it belongs to their cluster.
    pub(super) fn has_vote(&self, number: usize) -> bool {
        let id = self.peers[number].id;
        let is_known = self.peers.iter().all(|peer| {
            peer.serving().is_some_and(|(_, _, serving)| {
                serving.node.is_settled() && serving.node.roles().contains(&(id, RaftRole::Voter))
            })
        });
        // One that came with nothing belongs to it once its vote is taken; before, the others do not know that.
        is_known && belongs_to_cluster(&self.peers[number].left()).unwrap_or_default()
    }

    /// Says whether a peer lost its disk and has no vote again since: it holds nothing that anybody may count on.
    fn is_emptied(&self, number: usize) -> bool {
        let mut emptied = self.emptied();
        if emptied.contains(&number) && self.has_vote(number) {
            emptied.remove(&number);
        }
        emptied.contains(&number)
    }

    /// Checks what a power failure leaves, or would leave now, of a peer's disk.
    ///
    /// # Errors
    /// What no order of flushed writes leads to.
    pub(super) fn check_disk(&self, number: usize, left: &MemoryStore) -> Result<()> {
        check(left, self.faults.has_snapshots()).with_context(|| format!("disk of peer {number}"))
    }

    /// Checks that what members told a leader to have is on their disks.
    ///
    /// # Errors
    /// When it would be lost by a power failure.
    pub(super) fn check_acknowledged(&self, leader: &RaftHealth) -> Result<()> {
        for member in &leader.members {
            let (Some(number), Some(lag), Some(last)) =
                (self.number_of(&member.peer), member.lag, leader.last)
            else {
                continue;
            };
            if self.is_emptied(number) {
                continue;
            }
            let left = self.peers[number].left();
            let disk = OnDisk::read(&*left.snapshot()?).context("a disk that cannot be read")?;
            // Whoever follows another leader, or installs what replaces its log, may have given entries up since.
            if disk.term > leader.term || disk.is_installing {
                continue;
            }
            let applied = disk.applied.map(|applied| applied.index);
            let entries = disk.entries.last().copied().or(disk.purged).map(|entry| entry.index);
            let end = applied.max(entries).map_or(0, |index| index + 1);
            ensure!(
                end + lag > last,
                "peer {number} has told the leader of term {} that it lacks {lag} entries up to {last}; after a power failure it \
                 would have {end}",
                leader.term
            );
        }
        Ok(())
    }

    /// Checks that whoever leads is the only one in its term, and that most voters would know of the term after a power failure.
    ///
    /// # Errors
    /// When it is not so.
    pub(super) fn check_leader(&self, number: usize, term: u64) -> Result<()> {
        let other = *self.leaders().entry(term).or_insert(number);
        ensure!(other == number, "peers {other} and {number} both lead in term {term}");
        let Some((_, _, serving)) = self.peers[number].serving() else { return Ok(()) };
        let roles = serving.node.roles();
        let voters: Vec<usize> = roles
            .iter()
            .filter(|(_, role)| *role == RaftRole::Voter)
            .filter_map(|(peer, _)| self.number_of(peer))
            .collect();
        let mut know = 0;
        for voter in &voters {
            if self.is_emptied(*voter) {
                know += 1;
                continue;
            }
            let left = self.peers[*voter].left();
            let disk = OnDisk::read(&*left.snapshot()?).context("a disk that cannot be read")?;
            know += usize::from(disk.term >= term);
        }
        // A voter may have come just now.
        ensure!(
            know * 2 + 1 > voters.len(),
            "peer {number} leads in term {term}, of which only {know} of {} voters would know after a power failure",
            voters.len()
        );
        Ok(())
    }
}
