//! openraft's side of the network: requests to one other member.

use super::{
    NodeId,
    caller::Caller,
    codec,
    messages::{Answer, MAX_OFFERED, Request},
    pipeline::{Appended, Pipeline},
    position::LogPosition,
    rows::AppliedRow,
    snapshot::{Chunk, ChunkName, ChunkSource, Chunks, Digest, SnapshotBody, sum_of},
    type_config::{TypeConfig, Vote, alias},
};
use cluster_core::{
    mutate::{Mutation as Defect, active},
    ports::{
        datastore::StoreError,
        raft::{RaftCallError, RaftLane},
    },
};
use futures_util::{Stream, stream};
use openraft::{
    OptionalSend, RaftNetworkFactory,
    base::{BoxFuture, BoxStream},
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
        self.caller.call(self.target.peer(), &request, limit).await.map_err(call_error)
    }

    /// Sends entries, or how far they are committed.
    pub(super) async fn append(
        &self,
        request: AppendEntriesRequest<TypeConfig>,
        lane: RaftLane,
        limit: Duration,
    ) -> Result<AppendEntriesResponse<TypeConfig>, CallError> {
        let request = Request::Append(request);
        let answer = match self.caller.call_on(self.target.peer(), lane, &request, limit).await {
            Err(_) if active(Defect::CountUnanswered) => return Ok(AppendEntriesResponse::Success),
            answer => answer.map_err(call_error)?,
        };
        match answer {
            Answer::Append(answer) => Ok(answer),
            answer => Err(refused(answer)),
        }
    }

    /// Sends those of some parts of a snapshot that the other peer lacks, and says how many.
    async fn send_missing(
        &self,
        last: Option<LogPosition>,
        group: Vec<(ChunkName, Vec<u8>)>,
    ) -> Result<u64, CallError> {
        let last = last.ok_or_else(|| unexpected("the snapshot is of no place in the log"))?;
        let (parts, written): (Vec<ChunkName>, Vec<Vec<u8>>) = group.into_iter().unzip();
        let missing = match self.call(Request::Offer { last, parts }, CHUNK_TIMEOUT).await? {
            Answer::Missing(missing) if missing.len() == written.len() => missing,
            answer => return Err(refused(answer)),
        };
        let mut sent = 0;
        for (_, bytes) in missing.into_iter().zip(written).filter(|(is_missing, _)| *is_missing) {
            match self.call(Request::Chunk(bytes), CHUNK_TIMEOUT).await? {
                Answer::ChunkTaken => sent += 1,
                answer => return Err(refused(answer)),
            }
        }
        Ok(sent)
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
        let (mut chunks, mut sent) = (0, 0);
        loop {
            let read = cluster_runtime::blocking(move || {
                let group = next_group(&mut source);
                (source, group)
            });
            let group;
            (source, group) = read.await.map_err(|error| broken(&error))?;
            let group = group.map_err(|error| broken(&error))?;
            if group.is_empty() {
                break;
            }
            chunks += group.len() as u64;
            group.iter().for_each(|(name, _)| digest.add(name.sum));
            sent += self.send_missing(applied.last, group).await?;
        }
        // The view keeps old rows on the disk.
        drop(source);
        let to = self.target.peer();
        tracing::info!(target: "raft", %to, chunks, sent, "a snapshot was sent; what was not sent was there already");
        let request = Request::Install { vote, applied, chunks, digest: digest.finish() };
        match self.call(request, INSTALL_TIMEOUT).await? {
            Answer::Installed(vote) => Ok(vote),
            answer => Err(refused(answer).into()),
        }
    }
}

fn call_error(error: RaftCallError) -> CallError {
    match error {
        RaftCallError::NotSent { .. } | RaftCallError::Refused(_) => Unreachable::from_string(error).into(),
        RaftCallError::NotAnswered { .. } => NetworkError::from_string(error).into(),
    }
}

type Snapshot = alias::SnapshotOf<TypeConfig, SnapshotBody>;

/// Bytes of chunks that are read and offered at once, or one chunk.
const GROUP_BYTES: usize = 1024 * 1024;

/// Reads the next chunks, as written; none at the end. Blocks on the disk.
fn next_group(source: &mut ChunkSource) -> Result<Vec<(ChunkName, Vec<u8>)>, StoreError> {
    let mut group = Vec::new();
    let mut bytes = 0;
    while bytes < GROUP_BYTES
        && group.len() < MAX_OFFERED
        && let Some(chunk) = source.next_chunk()?
    {
        let written = chunk.encode();
        bytes += written.len();
        let Chunk { place, upto, .. } = chunk;
        group.push((ChunkName { place, upto, sum: sum_of(&written) }, written));
    }
    Ok(group)
}

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
        self.append(request, RaftLane::Log, option.hard_ttl()).await
    }

    fn stream_append<'s, S>(
        &'s mut self,
        input: S,
        option: RPCOption,
    ) -> BoxFuture<'s, Result<BoxStream<'s, Appended>, CallError>>
    where
        S: Stream<Item = AppendEntriesRequest<TypeConfig>> + OptionalSend + Unpin + 'static,
    {
        let pipeline = Pipeline::new(self, input, option.hard_ttl());
        let answers = stream::unfold(Some(pipeline), |pipeline| async {
            let mut pipeline = pipeline?;
            let (answer, goes_on) = pipeline.next().await?;
            Some((answer, goes_on.then_some(pipeline)))
        });
        Box::pin(async { Ok(Box::pin(answers) as BoxStream<'s, Appended>) })
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
