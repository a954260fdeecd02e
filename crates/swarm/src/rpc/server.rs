//! Answers calls of other peers (wire-protocol §5.1–§5.6).

mod blocks;
mod request;
mod slots;
mod unary_call;

use super::{
    call_stream::CallStream,
    encoder::Encoder,
    method::{Method, Policy},
    protocols::OUR_PROTOCOL,
    response::{ErrorType, write_failure, write_success},
    service_id::ServiceId,
    wire::Wire,
};
use crate::open_streams::BoxedStream;
use cluster_core::{
    PeerId,
    ports::{BoxStream, PeerCalls, rpc::CallError},
};
use futures_util::{
    FutureExt, StreamExt,
    future::{Either, select},
    stream,
};
use libp2p::StreamProtocol;
use request::{Refusal, Request};
use slots::Slots;
use std::{
    io,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::timeout;
use unary_call::UnaryCall;

/// How long a caller may take to say what it wants.
const REQUEST_LIMIT: Duration = Duration::from_secs(10);

/// Items of a stream are handed over in pieces of about this size, in bytes.
const SEND_SIZE: usize = 64 << 10;

/// Answers the calls of other peers with those of the local one.
pub(crate) struct RpcServer {
    calls: Arc<dyn PeerCalls>,
    trusted: Arc<dyn Fn(&PeerId) -> bool + Send + Sync>,
    follower: bool,
    slots: Slots,
    dropped: AtomicU64,
}

impl RpcServer {
    /// Makes a server that asks `calls` for its answers. `trusted` says whom the consensus trusts; a `follower` lets
    /// nobody collect its garbage.
    pub(crate) fn new(
        calls: Arc<dyn PeerCalls>,
        trusted: Arc<dyn Fn(&PeerId) -> bool + Send + Sync>,
        follower: bool,
    ) -> Self {
        Self { calls, trusted, follower, slots: Slots::default(), dropped: AtomicU64::new(0) }
    }

    /// Returns how many calls were dropped because too many ran.
    pub(crate) fn dropped_calls(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Answers the one call of a stream; returns when it is over. `protocol` is the one agreed on. A call beyond
    /// the bounds is dropped at once.
    ///
    /// # Cancel safety
    /// Dropping the future resets the stream and drops what the local peer is doing for it.
    pub(crate) async fn serve(&self, peer: PeerId, protocol: StreamProtocol, stream: BoxedStream) {
        let Some(_slot) = self.slots.take(peer) else {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(%peer, "dropped a call: too many run");
            return;
        };
        let mut stream = CallStream::new(stream);
        match self.answer(&peer, protocol == OUR_PROTOCOL, &mut stream).await {
            Ok(()) => stream.finish().await,
            Err(error) => tracing::debug!(%peer, %error, "a call broke off"),
        }
    }

    async fn answer(&self, peer: &PeerId, ours: bool, stream: &mut CallStream) -> io::Result<()> {
        let request = match timeout(REQUEST_LIMIT, self.read_request(peer, ours, stream)).await {
            Ok(Ok(request)) => request,
            Ok(Err(Refusal::Answer(bytes))) => return stream.send(&bytes).await,
            Ok(Err(Refusal::Broken(error))) => return Err(error),
            Err(_) => return Err(io::ErrorKind::TimedOut.into()),
        };
        match request {
            Request::Unary(method, call) => self.answer_unary(*peer, method, call, stream).await,
            Request::Id => {
                let calls = Arc::clone(&self.calls);
                let id = stream::once(async move { calls.id().await.map(|id| vec![id]) });
                send_items(Method::ClusterIdStream, id.boxed(), stream).await
            }
            Request::Peers => {
                let peers = self.calls.peers().map(|peer| peer.map(|peer| vec![peer]));
                send_items(Method::ClusterPeers, peers.boxed(), stream).await
            }
            Request::RecoverAll => {
                send_items(Method::ClusterRecoverAllLocal, self.calls.recover_all(), stream).await
            }
            Request::Blocks => self.take_blocks(stream).await,
            Request::StatusAll(Some(filter)) => {
                send_items(Method::TrackerStatusAll, self.calls.status_all(filter), stream).await
            }
            Request::StatusAll(None) => Ok(()),
            Request::StatusAllAfter(filter, after) => {
                let statuses = self.calls.statuses_after(filter, after);
                send_items(Method::TrackerStatusAllAfter, statuses, stream).await
            }
        }
    }

    /// Says whether `peer` may call `method`.
    fn allows(&self, peer: &PeerId, method: Method) -> bool {
        match method.policy(self.follower) {
            Policy::Open => true,
            Policy::Trusted => (self.trusted)(peer),
            Policy::Closed => false,
        }
    }

    /// Runs a method, unless the caller loses interest: it keeps its side open as long as it waits.
    async fn answer_unary(
        &self,
        peer: PeerId,
        method: Method,
        call: UnaryCall,
        stream: &mut CallStream,
    ) -> io::Result<()> {
        let run = Box::pin(in_time(method, call.run(peer, &*self.calls)));
        let outcome = match select(run, pin!(stream.input_end())).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right((ended, _)) => {
                ended?;
                Err(CallError::Failed { message: "context canceled".to_owned() })
            }
        };
        let mut answer = Encoder::default();
        match outcome {
            Ok(reply) => {
                write_success(&mut answer, &method.service_id());
                answer.encoded(&reply);
            }
            Err(error) => write_call_error(&mut answer, method, &error),
        }
        stream.send(answer.bytes()).await
    }
}

/// Lets the local peer work on a call as long as the method may take.
async fn in_time<T>(
    method: Method,
    work: impl Future<Output = Result<T, CallError>>,
) -> Result<T, CallError> {
    let limit = method.time_limit();
    let late = |_| Err(CallError::Timeout { method: method.full_name(), after: limit });
    timeout(limit, work).await.unwrap_or_else(late)
}

/// Streams items as fast as the caller takes them.
async fn send_items<T: Wire>(
    method: Method,
    mut pages: BoxStream<'static, Result<Vec<T>, CallError>>,
    stream: &mut CallStream,
) -> io::Result<()> {
    let mut header = Encoder::default();
    write_success(&mut header, &method.service_id());
    let mut out = Encoder::default();
    let mut input_open = true;
    loop {
        // A caller of Go waits for ever for a stream that says nothing, and whoever asked it waits as well.
        let mut next = pin!(in_time(method, pages.next().map(Option::transpose)));
        let page = if input_open {
            match select(next.as_mut(), pin!(stream.input_end())).await {
                Either::Left((page, _)) => page,
                Either::Right((ended, _)) => {
                    ended?;
                    input_open = false;
                    next.await
                }
            }
        } else {
            next.await
        };
        match page {
            Ok(Some(items)) => {
                for item in items {
                    out.encoded(header.bytes());
                    item.write(&mut out);
                    if out.bytes().len() >= SEND_SIZE {
                        stream.send(out.bytes()).await?;
                        out.clear();
                    }
                }
                stream.send(out.bytes()).await?;
                out.clear();
            }
            Err(error) => {
                write_call_error(&mut out, method, &error);
                return stream.send(out.bytes()).await;
            }
            Ok(None) => return Ok(()),
        }
    }
}

fn write_call_error(to: &mut Encoder, method: Method, error: &CallError) {
    let id = method.service_id();
    match error {
        CallError::Refused { .. } => {
            write_failure(to, Some(&id), &not_allowed(&id), ErrorType::Authorization)
        }
        error => write_failure(to, Some(&id), &error.to_string(), ErrorType::Method),
    }
}

/// Says that the caller may not, in Go's words.
fn not_allowed(id: &ServiceId<'_>) -> String {
    format!("client does not have permissions to call {}.{}", id.name, id.method)
}

#[cfg(test)]
mod tests;
