//! Answering what other members ask for.

use super::{
    super::{
        clocks::MAX_AHEAD,
        cluster_id::{ClusterId, complaint},
        codec::{log_id, position, stored_membership},
        position::LogPosition,
        proposal::{Proposal, ProposalError},
        rows::{AppliedRow, CLUSTER, WANTS_VOTE, cluster_row},
        runs::Speaker,
        snapshot::{Chunks, HeldSpool, SnapshotBody},
        soundness,
        trailer::Trailer,
        type_config::{TypeConfig, Vote, alias},
    },
    Answer, Instance, NodeId, ProposalBytes, RaftNode, Request,
    reading::confirmed_index,
};
use cluster_core::{
    PeerId, UnixMillis,
    mutate::{Mutation as Defect, active},
    ports::datastore::{Batch, Durability, StoreError, Tree},
};
use openraft::{
    async_runtime::WatchReceiver as _,
    errors::{ClientWriteError, RaftError},
    raft::VoteRequest,
};
use tokio::time::Instant;

type Snapshot = alias::SnapshotOf<TypeConfig, SnapshotBody>;
type SnapshotMeta = alias::SnapshotMetaOf<TypeConfig>;

/// Returns the bytes of another member's proposal, if it can be carried out. One that is dated too far ahead of the leader's
/// time gets that: a single wrong clock would make Raft's clock, which never runs back, forget every request at once.
fn checked(bytes: Vec<u8>, now: UnixMillis) -> Result<Vec<u8>, ProposalError> {
    let proposal = Proposal::decode(&bytes)?;
    if proposal.at <= now.plus(MAX_AHEAD) {
        return Ok(bytes);
    }
    Proposal { at: now, ..proposal }.encode()
}

/// Returns the request of a candidate, of whose log a defect makes a longer one.
fn perhaps_longer(mut request: VoteRequest<TypeConfig>) -> VoteRequest<TypeConfig> {
    if active(Defect::VoteForShorterLog) {
        request.last_log_id = Some(log_id(LogPosition { term: u64::MAX, index: u64::MAX / 2 }));
    }
    request
}

impl RaftNode {
    /// Answers a request of another peer of the swarm. What only members may ask for is refused to others, and everything to
    /// peers of another cluster.
    ///
    /// # Cancel safety
    /// Dropping the future may leave the request carried out, or not.
    pub async fn answer(&self, from: PeerId, request: &[u8]) -> Vec<u8> {
        let mut answer = self.answer_to(from, request).await.encode();
        answer.extend(self.caller.runs.own().to_bytes());
        answer
    }

    async fn answer_to(&self, from: PeerId, request: &[u8]) -> Answer {
        let unreadable = || Answer::Failed("the request cannot be read".to_owned());
        let Some((request, trailer)) = Trailer::split(request) else { return unreadable() };
        match self.caller.runs.hear(from, trailer.run, Instant::now()) {
            Speaker::Peer => {}
            Speaker::Replaced => {
                return Answer::Failed("a later process speaks for the peer that asks".to_owned());
            }
            Speaker::OneOfTwo(one, other) => return Answer::Twins(one, other),
        }
        if let Some(cause) = self.caller.runs.out_of_service() {
            return Answer::Failed(cause);
        }
        if let (Some(asked), Some(asks)) = (self.caller.identity.get(), trailer.cluster)
            && let Some(complaint) = complaint(Some(asked), Some(asks))
        {
            self.caller.strangers.note(from, complaint);
            return Answer::Stranger { asks, asked };
        }
        self.clocks.note(from, trailer.at, cluster_runtime::now());
        let Some(request) = Request::decode(request) else { return unreadable() };
        if let Some(cluster) = trailer.cluster
            && self.caller.identity.get().is_none()
            && let Err(cause) = self.meet(from, cluster, &request).await
        {
            return Answer::Failed(cause);
        }
        self.handle(from, request).await
    }

    /// Takes the cluster of the first leader for this peer's own, before anything that it sends is acknowledged.
    pub(super) async fn adopt(&self, cluster: ClusterId, had_vote: bool) -> Result<(), String> {
        let store = self.store.clone();
        let written = cluster_runtime::blocking(move || {
            let mut batch = Batch::new();
            batch.put(Tree::RaftState, CLUSTER, cluster_row(cluster));
            if had_vote {
                batch.put(Tree::RaftState, WANTS_VOTE, []);
            }
            store.commit(batch, Durability::Flushed)
        });
        let written = written.await.map_err(|error| error.to_string())?;
        if let Err(error) = written {
            // Neither the log nor the pinset may have anything to write: nobody else would notice.
            self.store_failed.notify_one();
            return Err(error.to_string());
        }
        tracing::info!(target: "raft", %cluster, "a leader has this peer as a member");
        self.caller.identity.set_adopted(Some(cluster));
        Ok(())
    }

    /// Tells the log of a request that no sound member sends.
    fn complain(&self, from: PeerId, cause: &str) {
        tracing::error!(target: "raft", peer = %from, "a member sends what cannot be, and is refused: {cause}");
    }

    async fn handle(&self, from: PeerId, request: Request) -> Answer {
        if let Request::Twins(one, other) = request {
            self.caller.runs.told(one, other);
            return Answer::Done;
        }
        let failed = |error: &dyn std::fmt::Display| Answer::Failed(error.to_string());
        let Some(instance) = self.instance() else {
            return match request {
                // Certain: nothing runs that could have put it into a log.
                Request::Propose(_)
                | Request::Change(_)
                | Request::Lag(_)
                | Request::HandOver(_)
                | Request::Newcomer => Answer::NotLeader(None),
                _ => Answer::Failed(self.no_leader()),
            };
        };
        if let Some(refusal) = instance.refusal(from, &request) {
            return refusal;
        }
        if let Err(cause) = instance.check(from, &request) {
            self.complain(from, cause);
            return Answer::Failed(format!("the request is refused: {cause}"));
        }
        match request {
            Request::Append(request) => match instance.raft.append_entries(request).await {
                Ok(answer) => Answer::Append(answer),
                Err(error) => failed(&error),
            },
            Request::Vote(request) => match instance.raft.vote(perhaps_longer(request)).await {
                Ok(answer) => Answer::Vote(answer),
                Err(error) => failed(&error),
            },
            Request::PreVote(request) => match instance.raft.pre_vote(perhaps_longer(request)).await {
                Ok(answer) => Answer::Vote(answer),
                Err(error) => failed(&error),
            },
            Request::TransferLeader(request) => match instance.raft.handle_transfer_leader(request).await {
                Ok(answer) => Answer::Transfer(answer.is_ok()),
                Err(error) => failed(&error),
            },
            Request::Offer { last, parts } => {
                let missing = instance.with_spool(move |spool| spool.missing(last, &parts)).await;
                missing.map_or_else(Answer::Failed, Answer::Missing)
            }
            Request::Chunk(bytes) => match instance.with_spool(move |spool| spool.add_foreign(bytes)).await {
                Ok(Ok(())) => Answer::ChunkTaken,
                Ok(Err(error)) => failed(&error),
                Err(cause) => Answer::Failed(cause),
            },
            Request::Install { vote, applied, chunks, digest } => {
                let cluster = self.caller.identity.get();
                if let Err(cause) = instance.check_snapshot((from, &vote), &applied, cluster) {
                    self.complain(from, cause);
                    return Answer::Failed(format!("the snapshot is refused: {cause}"));
                }
                instance.install(vote, applied, chunks, digest).await
            }
            Request::Propose(bytes) => match checked(bytes, self.fair_now(&instance)) {
                Ok(bytes) => instance.propose(ProposalBytes(bytes.into())).await,
                // In the log it would stop every member that cannot read it.
                Err(error) => failed(&error),
            },
            Request::ReadIndex => confirmed_index(&instance).await,
            request @ (Request::Change(_) | Request::Lag(_) | Request::HandOver(_)) => {
                self.lead(&request).await
            }
            Request::Newcomer => self.welcome(from).await,
            Request::Greet => Answer::Greeting(self.caller.identity.get()),
            // Whoever is told looks at it first, also while nothing runs.
            Request::Twins(..) => Answer::Done,
            Request::Removed(since) => {
                self.caller.removed.note(since);
                Answer::Done
            }
        }
    }
}

impl Instance {
    /// Refuses what only members may ask for, and the vote for a peer that cannot know that it is none any more.
    fn refusal(&self, from: PeerId, request: &Request) -> Option<Answer> {
        let metrics = self.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        let node = NodeId::from(from);
        let settled = &metrics.committed_membership_config;
        let is_known = metrics.membership_config.membership().get_node(&node).is_some()
            || settled.membership().get_node(&node).is_some();
        if is_known {
            return None;
        }
        let since = settled.log_id().as_ref().map(position);
        let is_new = metrics.membership_config.membership().nodes().next().is_none();
        match request {
            // This peer may be behind: the one that asks may have become a member since.
            Request::Append(_)
            | Request::Offer { .. }
            | Request::Chunk(_)
            | Request::Install { .. }
            | Request::TransferLeader(_)
            | Request::Greet
            | Request::Twins(..) => None,
            // It may be a voter that lost its disk, and with it what it voted and acknowledged.
            Request::Vote(_) | Request::PreVote(_) if is_new => {
                Some(Answer::Failed("this peer has no vote: it is no member of a cluster yet".to_owned()))
            }
            Request::Vote(vote) | Request::PreVote(vote) => {
                let last = vote.last_log_id.as_ref().map(position);
                (last < since).then_some(Answer::NotMember(since))
            }
            Request::Propose(_)
            | Request::ReadIndex
            | Request::Change(_)
            | Request::Lag(_)
            | Request::HandOver(_)
            | Request::Newcomer
            | Request::Removed(_) => Some(Answer::NotMember(since)),
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

    /// Works on what arrived of a snapshot.
    async fn with_spool<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut HeldSpool) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, String> {
        let mut spool = self.spool.hold().ok_or("another snapshot is being installed")?;
        let done = cluster_runtime::blocking(move || work(&mut spool)).await;
        done.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
    }

    async fn install(&self, vote: Vote, applied: AppliedRow, chunks: u64, digest: [u8; 32]) -> Answer {
        let Some(last_membership) = stored_membership(&applied.membership) else {
            return Answer::Failed("the members of the snapshot cannot be read".to_owned());
        };
        let Some(spool) = self.spool.hold() else {
            return Answer::Failed("another snapshot is being installed".to_owned());
        };
        let checked = move || spool.is_whole(chunks, digest).map(|is_whole| is_whole.then_some(spool));
        let spool = match cluster_runtime::blocking(checked).await {
            Ok(Ok(Some(spool))) => spool,
            Ok(Ok(None)) => return Answer::Failed("the snapshot is not whole".to_owned()),
            Ok(Err(error)) => {
                tracing::error!(target: "raft", %error, "a snapshot that arrived is not taken");
                return Answer::Failed(error.to_string());
            }
            Err(error) => return Answer::Failed(error.to_string()),
        };
        let meta = SnapshotMeta { last_log_id: applied.last.map(log_id), last_membership };
        let chunks = Chunks::Spooled(spool);
        let body = SnapshotBody { clock: applied.clock, cluster: applied.cluster, chunks };
        match self.raft.install_full_snapshot(vote, Snapshot { meta, snapshot: body }).await {
            Ok(answer) => Answer::Installed(answer.vote),
            Err(error) => Answer::Failed(error.to_string()),
        }
    }

    /// Refuses what openraft would panic over, or take for what it is not.
    fn check(&self, from: PeerId, request: &Request) -> Result<(), &'static str> {
        let from = NodeId::from(from);
        match request {
            Request::Append(request) => {
                let committed = self.committed();
                // One that was deposed is told so by openraft, whatever it has.
                let is_current = request.vote >= self.raft.server_metrics().borrow_watched().vote;
                soundness::of_append(from, request, committed.filter(|_| is_current))
            }
            Request::Vote(request) | Request::PreVote(request) => {
                soundness::of_candidate(from, &request.vote)
            }
            Request::TransferLeader(request) => soundness::of_leader(from, request.from_leader()),
            _ => Ok(()),
        }
    }

    fn check_snapshot(
        &self,
        leader: (PeerId, &Vote),
        applied: &AppliedRow,
        cluster: Option<ClusterId>,
    ) -> Result<(), &'static str> {
        let leader = (NodeId::from(leader.0), leader.1);
        soundness::of_snapshot(leader, applied, (self.committed(), cluster))
    }

    fn committed(&self) -> Option<LogPosition> {
        self.raft.data_metrics().borrow_watched().local_committed.as_ref().map(position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cluster_core::{
        PinKey, ReplicationFactors,
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
        let cut = Proposal::decode(&checked(ahead, now).unwrap()).unwrap().at;
        assert!(cut >= now && cut < now.plus(MAX_AHEAD * 5));
        for kept in [now, UnixMillis(0), now.plus(MAX_AHEAD / 2)] {
            assert_eq!(checked(at(kept), now).unwrap(), at(kept));
        }
        assert!(checked(vec![1, 2, 3], now).is_err());
    }
}
