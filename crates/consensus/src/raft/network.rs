//! openraft's side of the network: requests to one other member.

use super::{
    NodeId,
    caller::Caller,
    codec,
    messages::{Answer, Request},
    rows::AppliedRow,
    snapshot::{Chunks, Digest, SnapshotBody},
    type_config::{TypeConfig, Vote, alias},
};
use cluster_core::{
    mutate::{Mutation as Defect, active},
    ports::raft::RaftCallError,
};
use openraft::{
    OptionalSend, RaftNetworkFactory,
    errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable},
    impls::EmptyNode,
    network::{RPCOption, RaftNetworkV2},
    raft::{
        AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderError,
        TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
    },
};
use std::{future::Future, time::Duration};

/// How long one part of a snapshot may take: it is written to the other peer's disk.
const CHUNK_TIMEOUT: Duration = Duration::from_secs(30);

/// How long the other peer may take to make its pinset equal to the snapshot.
const INSTALL_TIMEOUT: Duration = Duration::from_secs(3600);

/// Makes a client for each member.
#[derive(Clone)]
pub(super) struct Network(pub(super) Caller);

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = Client;

    async fn new_client(&mut self, target: NodeId, _: &EmptyNode) -> Client {
        Client { caller: self.0.clone(), target }
    }
}

/// Calls one member.
pub(super) struct Client {
    caller: Caller,
    target: NodeId,
}

type CallError = RPCError<TypeConfig>;

impl Client {
    async fn call(&self, request: Request, limit: Duration) -> Result<Answer, CallError> {
        match self.caller.call(self.target.peer(), &request, limit).await {
            Ok(answer) => Ok(answer),
            Err(error @ (RaftCallError::NotSent { .. } | RaftCallError::Refused(_))) => {
                Err(Unreachable::from_string(error).into())
            }
            Err(error @ RaftCallError::NotAnswered { .. }) => Err(NetworkError::from_string(error).into()),
        }
    }

    /// Sends the parts of a snapshot, each after the one before it was written.
    async fn send_snapshot(
        &self,
        vote: Vote,
        snapshot: Snapshot,
    ) -> Result<Vote, StreamingError<TypeConfig>> {
        let SnapshotBody { clock, cluster, chunks } = snapshot.snapshot;
        let Chunks::View(mut source) = chunks else {
            return Err(NetworkError::from_string("the snapshot is another peer's").into());
        };
        let applied = AppliedRow {
            last: snapshot.meta.last_log_id.as_ref().map(codec::position),
            membership: codec::membership_row(&snapshot.meta.last_membership),
            clock,
            cluster,
        };
        let mut digest = Digest::default();
        let mut number = 0;
        loop {
            let read = cluster_runtime::blocking(move || {
                let chunk = source.next_chunk();
                (source, chunk)
            });
            let chunk;
            (source, chunk) = read.await.map_err(|error| broken(&error))?;
            let Some(chunk) = chunk.map_err(|error| broken(&error))? else { break };
            let bytes = chunk.encode();
            digest.add(&bytes);
            match self.call(Request::Chunk { number, bytes }, CHUNK_TIMEOUT).await? {
                Answer::ChunkTaken => number += 1,
                answer => return Err(refused(answer).into()),
            }
        }
        // The view keeps old rows on the disk.
        drop(source);
        let request = Request::Install { vote, applied, chunks: number, digest: digest.finish() };
        match self.call(request, INSTALL_TIMEOUT).await? {
            Answer::Installed(vote) => Ok(vote),
            answer => Err(refused(answer).into()),
        }
    }
}

type Snapshot = alias::SnapshotOf<TypeConfig, SnapshotBody>;

fn unexpected(what: &str) -> CallError {
    NetworkError::from_string(what).into()
}

fn refused(answer: Answer) -> CallError {
    match answer {
        Answer::Failed(cause) => NetworkError::from_string(cause).into(),
        Answer::Stranger { .. } => unexpected("one of the two belongs to another cluster"),
        Answer::NotMember(_) => unexpected("this peer is no member, says the other one"),
        _ => unexpected("the answer to another question"),
    }
}

fn broken(error: &(dyn std::error::Error + 'static)) -> StreamingError<TypeConfig> {
    NetworkError::from_string(error).into()
}

impl RaftNetworkV2<TypeConfig> for Client {
    type SnapshotData = SnapshotBody;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, CallError> {
        let answer = match self.call(Request::Append(request), option.hard_ttl()).await {
            Err(_) if active(Defect::CountUnanswered) => return Ok(AppendEntriesResponse::Success),
            answer => answer?,
        };
        match answer {
            Answer::Append(answer) => Ok(answer),
            answer => Err(refused(answer)),
        }
    }

    async fn vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, CallError> {
        match self.call(Request::Vote(request), option.hard_ttl()).await? {
            Answer::Vote(answer) => Ok(answer),
            answer => Err(refused(answer)),
        }
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, CallError> {
        match self.call(Request::PreVote(request), option.hard_ttl()).await? {
            Answer::Vote(answer) => Ok(answer),
            answer => Err(refused(answer)),
        }
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        tokio::select! {
            biased;
            closed = cancel => Err(closed.into()),
            sent = self.send_snapshot(vote, snapshot) => Ok(SnapshotResponse::new(sent?)),
        }
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, CallError> {
        let expected = request.last_log_id().copied();
        match self.call(Request::TransferLeader(request), option.hard_ttl()).await? {
            Answer::Transfer(true) => Ok(Ok(())),
            // What stands in its way is not told: the leader only has to know that it goes on.
            Answer::Transfer(false) => Ok(Err(TransferLeaderError::LogNotFlushed { expected, actual: None })),
            answer => Err(refused(answer)),
        }
    }
}
