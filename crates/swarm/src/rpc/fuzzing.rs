//! The calls between peers, for the fuzzer.

use super::{
    RpcClient, RpcServer, decode_metric,
    decoder::Decoder,
    encode_metric,
    encoder::Encoder,
    limits::Limits,
    method::Method,
    protocols::{GO_PROTOCOL, OUR_PROTOCOL},
    response::Response,
    scanner::Scanner,
    service_id::ServiceId,
    wire::Wire,
};
use crate::open_streams::{BoxedStream, OpenError, OpenStreams};
use cluster_core::{
    Cid, PeerId, Pin, PinKey, StatusFilter,
    ports::{
        BoxFuture, BoxStream, PeerCalls, Rpc,
        cluster_api::{LocalPinStatus, PeerInfo, RepoGc},
        ipfs_connector::{ContentBlock, RepoStat},
        rpc::CallError,
    },
};
use futures_util::{AsyncRead, AsyncWrite, StreamExt, future::ready, stream};
use libp2p::StreamProtocol;
use std::{
    io,
    pin::Pin as Pinned,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

/// Reads a metric (wire-protocol §3.5).
pub(crate) fn metric(bytes: &[u8]) {
    if let Some(metric) = decode_metric(bytes) {
        let written = encode_metric(&metric);
        // Bytes that are no text become longer ones, which may be too many.
        if written.len() <= Limits::METRIC.bytes {
            assert_eq!(decode_metric(&written), Some(metric));
        }
    }
}

/// Answers a call, on Go's protocol and on ours, by a peer that is trusted. The answer is pairs of values that a Go peer
/// can read.
pub(crate) fn call(bytes: &[u8]) {
    for protocol in [GO_PROTOCOL, OUR_PROTOCOL] {
        let server = RpcServer::new(Arc::new(Fails), Arc::new(|_| true), false);
        let answer = Arc::default();
        let stream = Said { input: bytes.to_vec(), at: 0, output: Arc::clone(&answer) };
        run(server.serve(caller(), protocol, Box::pin(stream)));
        let answer = answer.lock().unwrap_or_else(PoisonError::into_inner);
        let mut from = Decoder::new(&answer);
        while !from.rest().is_empty() {
            let header = Response::read(&mut from);
            assert!(header.is_ok_and(|header| header.is_failure()), "{answer:02x?}");
            assert_eq!(from.rest().first(), Some(&0xc0), "{answer:02x?}");
            let _ = from.skip();
        }
    }
}

/// Reads the answer to a call: the names of the method, then what was answered.
pub(crate) fn reply(bytes: &[u8]) {
    let Ok(Some(length)) = Scanner::default().advance(bytes, Limits::SERVICE_ID) else { return };
    let (names, answer) = bytes.split_at(length);
    let id = ServiceId::read(&mut Decoder::new(names));
    let Some(method) = id.ok().and_then(|id| Method::find(&id, true).ok()) else { return };
    let client = RpcClient::new(Arc::new(Answers(answer.to_vec())), caller());
    let calls = client.peer(called());
    run(async {
        let key = PinKey::from_cid(&Cid::default());
        match method {
            Method::ClusterId | Method::ClusterIdStream => drop(calls.id().await),
            Method::ClusterPeerAdd => drop(calls.add_peer(caller()).await),
            Method::ClusterPeers => calls.peers().for_each(|_| ready(())).await,
            Method::ClusterRecoverAllLocal => calls.recover_all().for_each(|_| ready(())).await,
            Method::TrackerStatusAll => calls.status_all(StatusFilter::ALL).for_each(|_| ready(())).await,
            Method::TrackerStatusAllAfter => {
                calls.statuses_after(StatusFilter::ALL, key).for_each(|_| ready(())).await;
            }
            Method::ClusterRepoGcLocal => drop(calls.collect_garbage().await),
            Method::TrackerStatus => drop(calls.status(key).await),
            Method::TrackerRecover => drop(calls.recover(key).await),
            Method::IpfsBlockStream => drop(calls.put_blocks(stream::empty().boxed()).await),
            Method::IpfsRepoStat => drop(calls.repo_stat().await),
            Method::IpfsSwarmPeers => drop(calls.ipfs_swarm_peers().await),
            Method::ConsensusLogPin => drop(calls.log(key, None).await),
            Method::CrdtExchangeHeads => drop(calls.exchange_heads(caller(), Vec::new()).await),
            _ => {}
        }
    });
}

/// Reads a value as each type there is. Written and read again it stays what it is.
pub(crate) fn values(bytes: &[u8]) {
    let Ok(Some(length)) = Scanner::default().advance(bytes, Limits::VALUE) else { return };
    let value = &bytes[..length];
    same_again::<Pin>(value);
    same_again::<LocalPinStatus>(value);
    same_again::<PeerInfo>(value);
    same_again::<RepoGc>(value);
    same_again::<RepoStat>(value);
    same_again::<ContentBlock>(value);
    same_again::<Vec<PeerId>>(value);
    same_again::<Vec<u8>>(value);
    same_again::<()>(value);
    let _ = Decoder::new(value).int();
    let _ = Decoder::new(value).cid();
    let _ = Decoder::new(value).peer();
}

fn same_again<T: Wire>(value: &[u8]) {
    let Ok(first) = T::read(&mut Decoder::new(value)) else { return };
    let written = written(&first);
    let again = T::read(&mut Decoder::new(&written)).map(|again| self::written(&again));
    assert_eq!(again.ok().as_ref(), Some(&written), "{value:02x?}");
}

fn written(value: &impl Wire) -> Vec<u8> {
    let mut to = Encoder::default();
    value.write(&mut to);
    let bytes = to.into_bytes();
    assert_ne!(bytes, [0xc0], "nil ends a Go daemon");
    bytes
}

/// Two peers that are always the same.
fn caller() -> PeerId {
    peer(1)
}

fn called() -> PeerId {
    peer(2)
}

fn peer(number: u8) -> PeerId {
    let hash = multihash::Multihash::wrap(0x12, &[number; 32]).unwrap_or_default();
    PeerId::from_multihash(hash).unwrap_or_else(|_| PeerId::random())
}

/// Runs what never waits for anything but the fuzzer's bytes.
fn run(work: impl Future<Output = ()>) {
    thread_local! {
        static RUNTIME: Option<tokio::runtime::Runtime> =
            tokio::runtime::Builder::new_current_thread().enable_time().build().ok();
    }
    RUNTIME.with(|runtime| runtime.as_ref().map(|runtime| runtime.block_on(work)));
}

/// A stream that says what the fuzzer chose and closes.
struct Said {
    input: Vec<u8>,
    at: usize,
    output: Arc<Mutex<Vec<u8>>>,
}

impl AsyncRead for Said {
    fn poll_read(
        mut self: Pinned<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let rest = &self.input[self.at..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.at += count;
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for Said {
    fn poll_write(self: Pinned<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.output.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pinned<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pinned<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Opens streams that all answer the same.
struct Answers(Vec<u8>);

impl OpenStreams for Answers {
    fn open(
        &self,
        _: PeerId,
        offered: &'static [StreamProtocol],
    ) -> BoxFuture<'_, Result<(StreamProtocol, BoxedStream), OpenError>> {
        let stream = Said { input: self.0.clone(), at: 0, output: Arc::default() };
        let protocol = offered.first().cloned().unwrap_or(GO_PROTOCOL);
        Box::pin(ready(Ok((protocol, Box::pin(stream) as BoxedStream))))
    }
}

/// A local peer that can do nothing.
struct Fails;

impl Fails {
    fn one<T: Send + 'static>() -> BoxFuture<'static, Result<T, CallError>> {
        Box::pin(ready(Err(CallError::Failed { message: "no".to_owned() })))
    }

    fn many<T: Send + 'static>() -> BoxStream<'static, Result<T, CallError>> {
        stream::once(Self::one()).boxed()
    }
}

impl PeerCalls for Fails {
    fn id(&self) -> BoxFuture<'_, Result<PeerInfo, CallError>> {
        Self::one()
    }

    fn add_peer(&self, _: PeerId) -> BoxFuture<'_, Result<PeerInfo, CallError>> {
        Self::one()
    }

    fn add_member(&self, _: PeerId) -> BoxFuture<'_, Result<(), CallError>> {
        Self::one()
    }

    fn remove_member(&self, _: PeerId) -> BoxFuture<'_, Result<(), CallError>> {
        Self::one()
    }

    fn peers(&self) -> BoxStream<'static, Result<PeerInfo, CallError>> {
        Self::many()
    }

    fn status(&self, _: PinKey) -> BoxFuture<'_, Result<LocalPinStatus, CallError>> {
        Self::one()
    }

    fn status_all(&self, _: StatusFilter) -> BoxStream<'static, Result<Vec<LocalPinStatus>, CallError>> {
        Self::many()
    }

    fn statuses_after(
        &self,
        _: StatusFilter,
        _: PinKey,
    ) -> BoxStream<'static, Result<Vec<LocalPinStatus>, CallError>> {
        Self::many()
    }

    fn recover(&self, _: PinKey) -> BoxFuture<'_, Result<LocalPinStatus, CallError>> {
        Self::one()
    }

    fn recover_all(&self) -> BoxStream<'static, Result<Vec<LocalPinStatus>, CallError>> {
        Self::many()
    }

    fn log(&self, key: PinKey, pin: Option<Box<Pin>>) -> BoxFuture<'_, Result<(), CallError>> {
        // As the use cases do: the pin is stored under its key.
        if let Some(pin) = pin {
            assert_eq!(pin.key(), key);
            let _ = Pin::decode(&key, &pin.encode());
        }
        Self::one()
    }

    fn ipfs_swarm_peers(&self) -> BoxFuture<'_, Result<Vec<PeerId>, CallError>> {
        Self::one()
    }

    fn repo_stat(&self) -> BoxFuture<'_, Result<RepoStat, CallError>> {
        Self::one()
    }

    fn put_blocks(&self, blocks: BoxStream<'static, ContentBlock>) -> BoxFuture<'_, Result<(), CallError>> {
        Box::pin(async move {
            blocks.for_each(|_| ready(())).await;
            Self::one().await
        })
    }

    fn collect_garbage(&self) -> BoxFuture<'_, Result<RepoGc, CallError>> {
        Self::one()
    }

    fn exchange_heads(&self, _: PeerId, _: Vec<u8>) -> BoxFuture<'_, Result<Vec<u8>, CallError>> {
        Self::one()
    }
}
