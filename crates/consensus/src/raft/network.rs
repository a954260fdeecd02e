//! openraft's side of the network: requests to one other member.

use super::{
    NodeId, codec,
    messages::{Answer, Request},
    rows::AppliedRow,
    snapshot::{Chunks, Digest, SnapshotBody},
    type_config::{TypeConfig, Vote, alias},
};
use cluster_core::ports::{RaftCalls, raft::RaftCallError};
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
use std::{future::Future, sync::Arc, time::Duration};

/// How long one part of a snapshot may take: it is written to the other peer's disk.
const CHUNK_TIMEOUT: Duration = Duration::from_secs(30);

/// How long the other peer may take to make its pinset equal to the snapshot.
const INSTALL_TIMEOUT: Duration = Duration::from_secs(3600);

/// Makes a client for each member.
#[derive(Clone)]
pub(super) struct Network(pub(super) Arc<dyn RaftCalls>);

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = Client;

    async fn new_client(&mut self, target: NodeId, _: &EmptyNode) -> Client {
        Client { calls: self.0.clone(), target }
    }
}

/// Calls one member.
pub(super) struct Client {
    calls: Arc<dyn RaftCalls>,
    target: NodeId,
}

type CallError = RPCError<TypeConfig>;

impl Client {
    async fn call(&self, request: Request, limit: Duration) -> Result<Answer, CallError> {
        let call = self.calls.call(self.target.peer(), request.lane(), request.encode());
        let answer = match tokio::time::timeout(limit, call).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error @ (RaftCallError::NotSent { .. } | RaftCallError::Refused(_)))) => {
                return Err(Unreachable::from_string(error).into());
            }
            Ok(Err(error @ RaftCallError::NotAnswered { .. })) => {
                return Err(NetworkError::from_string(error).into());
            }
            Err(_) => return Err(NetworkError::from_string("no answer in time").into()),
        };
        Answer::decode(&answer).ok_or_else(|| unexpected("an answer that cannot be read"))
    }

    /// Sends the parts of a snapshot, each after the one before it was written.
    async fn send_snapshot(
        &self,
        vote: Vote,
        snapshot: Snapshot,
    ) -> Result<Vote, StreamingError<TypeConfig>> {
        let SnapshotBody { clock, chunks } = snapshot.snapshot;
        let Chunks::View(mut source) = chunks else {
            return Err(NetworkError::from_string("the snapshot is another peer's").into());
        };
        let applied = AppliedRow {
            last: snapshot.meta.last_log_id.as_ref().map(codec::position),
            membership: codec::membership_row(&snapshot.meta.last_membership),
            clock,
        };
        let mut digest = Digest::default();
        let mut number = 0;
        loop {
            let read = tokio::task::spawn_blocking(move || {
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
        match self.call(Request::Append(request), option.hard_ttl()).await? {
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
