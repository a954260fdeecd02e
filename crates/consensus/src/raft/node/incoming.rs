//! Answering what other members ask for.

use super::{
    super::{
        codec::{log_id, stored_membership},
        proposal::{Proposal, ProposalError},
        rows::AppliedRow,
        snapshot::{Chunks, SnapshotBody},
        type_config::{TypeConfig, Vote, alias},
    },
    Answer, ClientWriteError, NodeId, ProposalBytes, RaftError, RaftNode, Request, Spool,
};
use cluster_core::PeerId;
use std::{sync::PoisonError, time::Duration};

type Snapshot = alias::SnapshotOf<TypeConfig, SnapshotBody>;
type SnapshotMeta = alias::SnapshotMetaOf<TypeConfig>;

/// How far ahead of the leader's clock a proposal may be. One from further ahead is given the leader's time: a single wrong
/// clock would make Raft's clock, which never runs back, forget every request at once.
const MAX_AHEAD: Duration = Duration::from_secs(60);

/// Returns the bytes of another member's proposal, if it can be carried out.
fn checked(bytes: Vec<u8>) -> Result<Vec<u8>, ProposalError> {
    let now = cluster_runtime::now();
    let proposal = Proposal::decode(&bytes)?;
    if proposal.at <= now.plus(MAX_AHEAD) {
        return Ok(bytes);
    }
    Proposal { at: now, ..proposal }.encode()
}

impl RaftNode {
    /// Answers a request of another member. Whoever calls has made sure that it is one.
    ///
    /// # Cancel safety
    /// Dropping the future may leave the request carried out, or not.
    pub async fn answer(&self, from: PeerId, request: &[u8]) -> Vec<u8> {
        let answer = match Request::decode(request) {
            Some(request) => self.handle(from, request).await,
            None => Answer::Failed("the request cannot be read".to_owned()),
        };
        answer.encode()
    }

    async fn handle(&self, from: PeerId, request: Request) -> Answer {
        let failed = |error: &dyn std::fmt::Display| Answer::Failed(error.to_string());
        match request {
            Request::Append(request) => match self.raft.append_entries(request).await {
                Ok(answer) => Answer::Append(answer),
                Err(error) => failed(&error),
            },
            Request::Vote(request) => match self.raft.vote(request).await {
                Ok(answer) => Answer::Vote(answer),
                Err(error) => failed(&error),
            },
            Request::PreVote(request) => match self.raft.pre_vote(request).await {
                Ok(answer) => Answer::Vote(answer),
                Err(error) => failed(&error),
            },
            Request::TransferLeader(request) => match self.raft.handle_transfer_leader(request).await {
                Ok(answer) => Answer::Transfer(answer.is_ok()),
                Err(error) => failed(&error),
            },
            Request::Chunk { number, bytes } => self.take_chunk(from, number, bytes).await,
            Request::Install { vote, applied, chunks, digest } => {
                self.install(from, vote, applied, chunks, digest).await
            }
            Request::Propose(bytes) => match checked(bytes) {
                Ok(bytes) => self.propose(ProposalBytes(bytes.into())).await,
                // In the log it would stop every member that cannot read it.
                Err(error) => failed(&error),
            },
        }
    }

    /// Puts a proposal into the log, if this peer leads. Handed over with the first poll.
    pub(super) async fn propose(&self, bytes: ProposalBytes) -> Answer {
        match self.raft.client_write(bytes).await {
            Ok(_) => Answer::Committed,
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(to))) => {
                Answer::NotLeader(to.leader_id.map(|node: NodeId| node.peer()))
            }
            Err(error) => Answer::Failed(error.to_string()),
        }
    }

    fn take_incoming(&self) -> Option<(PeerId, Spool)> {
        self.incoming.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Writes the next part of a snapshot. Part 0 begins one anew, whoever sent the one before: openraft never sends two.
    async fn take_chunk(&self, from: PeerId, number: u64, bytes: Vec<u8>) -> Answer {
        let current = self.take_incoming();
        let store = self.store.clone();
        let place = self.place.clone();
        let written = tokio::task::spawn_blocking(move || {
            let mut spool = match current {
                Some((sender, spool)) if number > 0 && sender == from && spool.chunks() == number => spool,
                other if number == 0 => {
                    // Gives its place back.
                    drop(other);
                    let place = place.take().ok_or("another snapshot is being installed")?;
                    Spool::begin(store, place).map_err(|error| error.to_string())?
                }
                _ => return Err("it is not the next part".to_owned()),
            };
            let added = spool.add_foreign(bytes).map_err(|error| error.to_string())?;
            added.map(|()| spool).map_err(|error| error.to_string())
        });
        match written.await {
            Ok(Ok(spool)) => {
                *self.incoming.lock().unwrap_or_else(PoisonError::into_inner) = Some((from, spool));
                Answer::ChunkTaken
            }
            Ok(Err(cause)) => Answer::Failed(cause),
            Err(error) => Answer::Failed(error.to_string()),
        }
    }

    async fn install(
        &self,
        from: PeerId,
        vote: Vote,
        applied: AppliedRow,
        chunks: u64,
        digest: [u8; 32],
    ) -> Answer {
        let spool = self.take_incoming().map(|(sender, spool)| (sender == from, spool));
        let whole = spool
            .filter(|(is_theirs, spool)| *is_theirs && spool.chunks() == chunks && spool.digest() == digest);
        let (Some((_, spool)), Some(last_membership)) = (whole, stored_membership(&applied.membership))
        else {
            return Answer::Failed("the snapshot is not whole".to_owned());
        };
        let (chunks, place) = spool.into_parts();
        let meta = SnapshotMeta { last_log_id: applied.last.map(log_id), last_membership };
        let body = SnapshotBody { clock: applied.clock, chunks: Chunks::Spooled { chunks, place } };
        match self.raft.install_full_snapshot(vote, Snapshot { meta, snapshot: body }).await {
            Ok(answer) => Answer::Installed(answer.vote),
            Err(error) => Answer::Failed(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cluster_core::{
        PinKey, ReplicationFactors, UnixMillis,
        pinset::Ordered,
        ports::consensus::{Operation, OperationKind},
    };

    #[test]
    fn a_clock_that_is_far_ahead_counts_for_nothing() {
        let key = PinKey::from_bytes(&[1, 0x55, 0, 1, 7]).unwrap();
        let ordered = Ordered {
            operation: Operation::new(OperationKind::Unpin(key)),
            replication: ReplicationFactors::EVERYWHERE,
        };
        let at = |at: UnixMillis| Proposal { ordered: ordered.clone(), at, nonce: 1 }.encode().unwrap();
        let now = cluster_runtime::now();
        let ahead = at(now.plus(MAX_AHEAD * 10));
        let cut = Proposal::decode(&checked(ahead).unwrap()).unwrap().at;
        assert!(cut >= now && cut < now.plus(MAX_AHEAD * 5));
        for kept in [now, UnixMillis(0), now.plus(MAX_AHEAD / 2)] {
            assert_eq!(checked(at(kept)).unwrap(), at(kept));
        }
        assert!(checked(vec![1, 2, 3]).is_err());
    }
}
