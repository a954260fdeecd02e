//! The calls to one other peer.

use super::answers::{Answers, bad_answer};
use crate::{
    open_streams::OpenStreams,
    rpc::{
        call_stream::CallStream,
        encoder::Encoder,
        method::{Method, MethodKind},
        protocols::{GO_ONLY, OURS_ONLY, PROTOCOLS},
        statuses_after::StatusesAfter,
        wire::Wire,
    },
};
use cluster_core::{
    PeerId, Pin, PinKey, StatusFilter,
    ports::{
        BoxFuture, BoxStream, PeerCalls,
        cluster_api::{LocalPinStatus, PeerInfo, RepoGc},
        ipfs_connector::{ContentBlock, RepoStat},
        rpc::CallError,
    },
};
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use libp2p::StreamProtocol;
use opentelemetry::{
    Context, global,
    trace::{SpanKind, TraceContextExt, Tracer},
};
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;

/// Limit of a single answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(15);

/// Limit of collecting garbage, which takes as long as the daemon needs.
const GARBAGE_LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

/// How long the last blocks of a stream may take to be stored.
const STORED_LIMIT: Duration = Duration::from_secs(10 * 60);

/// How long a stream may bring nothing.
const ITEM_LIMIT: Duration = Duration::from_secs(30);

/// How long a stream is seen off after its answer; beyond it is reset, which then harms nobody.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);

/// Most items of a page.
const PAGE_ITEMS: usize = 1024;

/// A page of items that are large together ends early, in bytes.
const PAGE_BYTES: usize = 1 << 20;

/// Calls one peer; every call has a stream of its own.
#[derive(Clone)]
pub(super) struct RemotePeer {
    opener: Arc<dyn OpenStreams>,
    peer: PeerId,
    /// Whether it is this peer, to which no stream leads.
    is_local: bool,
}

/// A call as it is sent.
struct Call {
    method: Method,
    protocols: &'static [StreamProtocol],
    /// Names and argument.
    bytes: Vec<u8>,
    /// The call in a trace (api §11.2); nothing where nobody collects traces.
    span: Context,
}

fn unreachable(cause: impl std::fmt::Display) -> CallError {
    CallError::Unreachable { cause: cause.to_string() }
}

/// Where a stream of pages is.
enum Pages {
    Unsent(Call),
    Open(Answers),
    Failed(CallError),
    Ended,
}

impl Call {
    fn new(method: Method, argument: impl FnOnce(&mut Encoder)) -> Self {
        let mut to = Encoder::default();
        method.service_id().write(&mut to);
        argument(&mut to);
        let protocols: &[StreamProtocol] = match method {
            own if own.is_own() => &OURS_ONLY,
            Method::TrackerStatusAll | Method::ClusterRecoverAllLocal => &PROTOCOLS,
            _ => &GO_ONLY,
        };
        let tracer = global::tracer("p2p-gorpc");
        let span = tracer.span_builder(method.full_name()).with_kind(SpanKind::Client).start(&tracer);
        Self { method, protocols, bytes: to.into_bytes(), span: Context::current_with_span(span) }
    }

    /// Makes a call whose argument is the empty struct.
    fn bare(method: Method) -> Self {
        Self::new(method, |to| ().write(to))
    }

    /// Makes a call that streams and has no argument.
    fn silent(method: Method) -> Self {
        Self::new(method, |_| ())
    }
}

impl RemotePeer {
    /// Makes the calls to `peer`.
    pub(super) fn new(opener: Arc<dyn OpenStreams>, peer: PeerId, is_local: bool) -> Self {
        Self { opener, peer, is_local }
    }

    /// Opens a stream and sends a call.
    async fn send(&self, call: Call) -> Result<Answers, CallError> {
        let mut stream = self.begin(&call).await?;
        if call.method.kind() == MethodKind::Streaming {
            // The method over there waits for more arguments until then.
            stream.close().await.map_err(unreachable)?;
        }
        Ok(Answers::new(stream, call.method, call.span))
    }

    /// Opens a stream and sends a call; further arguments may follow.
    async fn begin(&self, call: &Call) -> Result<CallStream, CallError> {
        if self.is_local {
            return Err(unreachable("it is this peer itself"));
        }
        let opened = self.opener.open(self.peer, call.protocols).await;
        let (_, stream) = opened.map_err(unreachable)?;
        let mut stream = CallStream::new(stream);
        stream.send(&call.bytes).await.map_err(unreachable)?;
        Ok(stream)
    }

    /// Streams blocks. A peer that fails says so and takes the rest all the same, so the answer is read at the end.
    async fn stream_blocks(&self, mut blocks: BoxStream<'static, ContentBlock>) -> Result<(), CallError> {
        let call = Call::silent(Method::IpfsBlockStream);
        let mut stream = timeout(ANSWER_LIMIT, self.begin(&call))
            .await
            .map_err(|_| CallError::Timeout { method: call.method.full_name(), after: ANSWER_LIMIT })??;
        let mut argument = Encoder::default();
        let mut sent = Ok(());
        while sent.is_ok()
            && let Some(block) = blocks.next().await
        {
            argument.clear();
            block.write(&mut argument);
            sent = stream.send(argument.bytes()).await;
        }
        if sent.is_ok() {
            sent = stream.close().await;
        }
        // Who broke the stream may have said why.
        let mut answers = Answers::new(stream, call.method, call.span);
        match timeout(STORED_LIMIT, answers.next::<()>()).await {
            Ok(Ok(None)) => sent.map_err(unreachable),
            Ok(Ok(Some(()))) => Err(bad_answer(call.method, "it is none that this call has")),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(CallError::Timeout { method: call.method.full_name(), after: STORED_LIMIT }),
        }
    }

    /// Makes a call that has one answer.
    async fn ask<T: Wire>(&self, call: Call, limit: Duration) -> Result<T, CallError> {
        let method = call.method;
        let exchange = async {
            let mut answers = self.send(call).await?;
            let answer = answers.next().await?.ok_or_else(|| bad_answer(method, "EOF"))?;
            Ok((answers.stream, answer))
        };
        let (stream, answer) = timeout(limit, exchange)
            .await
            .map_err(|_| CallError::Timeout { method: method.full_name(), after: limit })??;
        // The answer is here; that the stream ends in order on both sides is a courtesy with a limit.
        let _ = timeout(CLOSE_LIMIT, stream.finish()).await;
        Ok(answer)
    }

    /// Makes a call whose answer must be about the peer that was asked.
    async fn ask_about_itself<T: Wire>(
        &self,
        call: Call,
        limit: Duration,
        subject: fn(&T) -> &PeerId,
    ) -> Result<T, CallError> {
        let method = call.method;
        let answer = self.ask(call, limit).await?;
        self.check(method, subject(&answer))?;
        Ok(answer)
    }

    fn check(&self, method: Method, subject: &PeerId) -> Result<(), CallError> {
        if *subject == self.peer {
            Ok(())
        } else {
            Err(bad_answer(method, format_args!("it is about another peer, {subject}")))
        }
    }

    /// Makes a call that streams its answers, in pages of what has arrived.
    fn pages<T: Wire + Send + 'static>(&self, call: Call) -> BoxStream<'static, Result<Vec<T>, CallError>> {
        let peer = self.clone();
        let method = call.method;
        stream::try_unfold(Pages::Unsent(call), move |pages| {
            let peer = peer.clone();
            async move { peer.next_page(method, pages).await }
        })
        .boxed()
    }

    async fn next_page<T: Wire>(
        &self,
        method: Method,
        pages: Pages,
    ) -> Result<Option<(Vec<T>, Pages)>, CallError> {
        let first = async {
            let mut answers = match pages {
                Pages::Unsent(call) => self.send(call).await?,
                Pages::Open(answers) => answers,
                Pages::Failed(error) => return Err(error),
                Pages::Ended => return Ok(None),
            };
            let first = answers.next::<T>().await?;
            Ok(first.map(|first| (answers, first)))
        };
        let Some((mut answers, first)) = timeout(ITEM_LIMIT, first)
            .await
            .map_err(|_| CallError::Timeout { method: method.full_name(), after: ITEM_LIMIT })??
        else {
            return Ok(None);
        };
        let mut page = vec![first];
        let end = answers.bytes_read + PAGE_BYTES;
        while page.len() < PAGE_ITEMS && answers.bytes_read < end {
            match answers.next().now_or_never() {
                None => break,
                Some(Ok(Some(item))) => page.push(item),
                Some(Ok(None)) => return Ok(Some((page, Pages::Ended))),
                // What came before it counts.
                Some(Err(error)) => return Ok(Some((page, Pages::Failed(error)))),
            }
        }
        Ok(Some((page, Pages::Open(answers))))
    }

    /// Makes a call that streams statuses of this peer.
    fn statuses(&self, call: Call) -> BoxStream<'static, Result<Vec<LocalPinStatus>, CallError>> {
        let method = call.method;
        let peer = self.clone();
        self.pages::<LocalPinStatus>(call)
            .map(move |page| {
                let page = page?;
                page.iter().try_for_each(|status| peer.check(method, &status.on_peer.peer))?;
                Ok(page)
            })
            .boxed()
    }
}

impl PeerCalls for RemotePeer {
    fn id(&self) -> BoxFuture<'_, Result<PeerInfo, CallError>> {
        let call = Call::silent(Method::ClusterIdStream);
        self.ask_about_itself(call, ANSWER_LIMIT, |info: &PeerInfo| &info.id).boxed()
    }

    fn add_peer(&self, joiner: PeerId) -> BoxFuture<'_, Result<PeerInfo, CallError>> {
        let call = Call::new(Method::ClusterPeerAdd, |to| to.raw(&joiner.to_bytes()));
        self.ask(call, ANSWER_LIMIT).boxed()
    }

    fn add_member(&self, peer: PeerId) -> BoxFuture<'_, Result<(), CallError>> {
        let call = Call::new(Method::ConsensusAddPeer, |to| to.raw(&peer.to_bytes()));
        self.ask(call, ANSWER_LIMIT).boxed()
    }

    fn remove_member(&self, peer: PeerId) -> BoxFuture<'_, Result<(), CallError>> {
        let call = Call::new(Method::ConsensusRmPeer, |to| to.raw(&peer.to_bytes()));
        self.ask(call, ANSWER_LIMIT).boxed()
    }

    fn peers(&self) -> BoxStream<'static, Result<PeerInfo, CallError>> {
        let pages = self.pages::<PeerInfo>(Call::silent(Method::ClusterPeers));
        pages.map_ok(|page| stream::iter(page.into_iter().map(Ok))).try_flatten().boxed()
    }

    fn status(&self, key: PinKey) -> BoxFuture<'_, Result<LocalPinStatus, CallError>> {
        let call = Call::new(Method::TrackerStatus, |to| to.raw(key.as_bytes()));
        self.ask_about_itself(call, ANSWER_LIMIT, |status: &LocalPinStatus| &status.on_peer.peer).boxed()
    }

    fn status_all(&self, filter: StatusFilter) -> BoxStream<'static, Result<Vec<LocalPinStatus>, CallError>> {
        self.statuses(Call::new(Method::TrackerStatusAll, |to| to.int(i64::from(filter.bits()))))
    }

    fn statuses_after(
        &self,
        filter: StatusFilter,
        after: PinKey,
    ) -> BoxStream<'static, Result<Vec<LocalPinStatus>, CallError>> {
        let argument = StatusesAfter { filter: i64::from(filter.bits()), after: after.cid() };
        self.statuses(Call::new(Method::TrackerStatusAllAfter, |to| argument.write(to)))
    }

    fn recover(&self, key: PinKey) -> BoxFuture<'_, Result<LocalPinStatus, CallError>> {
        let call = Call::new(Method::TrackerRecover, |to| to.raw(key.as_bytes()));
        self.ask_about_itself(call, ANSWER_LIMIT, |status: &LocalPinStatus| &status.on_peer.peer).boxed()
    }

    fn recover_all(&self) -> BoxStream<'static, Result<Vec<LocalPinStatus>, CallError>> {
        self.statuses(Call::silent(Method::ClusterRecoverAllLocal))
    }

    fn log(&self, key: PinKey, pin: Option<Box<Pin>>) -> BoxFuture<'_, Result<(), CallError>> {
        let call = match pin {
            Some(pin) => Call::new(Method::ConsensusLogPin, |to| pin.write(to)),
            None => Call::new(Method::ConsensusLogUnpin, |to| Pin::new(key.cid()).write(to)),
        };
        self.ask(call, ANSWER_LIMIT).boxed()
    }

    fn ipfs_swarm_peers(&self) -> BoxFuture<'_, Result<Vec<PeerId>, CallError>> {
        self.ask(Call::bare(Method::IpfsSwarmPeers), ANSWER_LIMIT).boxed()
    }

    fn repo_stat(&self) -> BoxFuture<'_, Result<RepoStat, CallError>> {
        self.ask(Call::bare(Method::IpfsRepoStat), ANSWER_LIMIT).boxed()
    }

    fn put_blocks(&self, blocks: BoxStream<'static, ContentBlock>) -> BoxFuture<'_, Result<(), CallError>> {
        self.stream_blocks(blocks).boxed()
    }

    fn collect_garbage(&self) -> BoxFuture<'_, Result<RepoGc, CallError>> {
        let call = Call::bare(Method::ClusterRepoGcLocal);
        self.ask_about_itself(call, GARBAGE_LIMIT, |garbage: &RepoGc| &garbage.peer).boxed()
    }

    fn exchange_heads(&self, _: PeerId, payload: Vec<u8>) -> BoxFuture<'_, Result<Vec<u8>, CallError>> {
        self.ask(Call::new(Method::CrdtExchangeHeads, |to| payload.write(to)), ANSWER_LIMIT).boxed()
    }
}
