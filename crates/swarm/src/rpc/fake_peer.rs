//! A local peer that answers what it is told to.

use super::fixtures::{TIME, address_1, address_2, peer_a, peer_b};
use cluster_core::{
    Cid, PeerId, Pin, PinKey, StatusFilter, TrackerStatus, UnixMillis, UnixSeconds,
    ports::{
        BoxFuture, BoxStream, PeerCalls,
        cluster_api::{LocalPinStatus, PeerInfo, PinStatusOnPeer, RepoGc},
        ipfs_connector::{ContentBlock, IpfsId, RepoStat},
        rpc::CallError,
    },
};
use futures_util::{FutureExt, StreamExt, stream};
use std::{future::pending, sync::Mutex};
use tokio::sync::Notify;

pub(crate) type Logged = (PinKey, Option<Box<Pin>>);

/// How the peer behaves.
#[derive(Clone, PartialEq)]
pub(crate) enum Mood {
    Answers,
    Fails(CallError),
    Hangs,
    /// Streams never end.
    Endless,
    /// Streams bring one page and then nothing.
    HangsAfterOnePage,
    /// Streams bring one page and then an error.
    FailsAfterOnePage,
}

pub(crate) struct FakePeer {
    pub(crate) mood: Mood,
    pub(crate) info: PeerInfo,
    pub(crate) peers: Vec<PeerInfo>,
    pub(crate) statuses: Vec<LocalPinStatus>,
    pub(crate) garbage: RepoGc,
    pub(crate) stat: RepoStat,
    pub(crate) swarm: Vec<PeerId>,
    pub(crate) logged: Mutex<Vec<Logged>>,
    pub(crate) stored: Mutex<Vec<ContentBlock>>,
    pub(crate) asked: Mutex<Vec<String>>,
    pub(crate) started: std::sync::Arc<Notify>,
    pub(crate) abandoned: std::sync::Arc<Notify>,
}

struct OnDrop(std::sync::Arc<Notify>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl FakePeer {
    pub(crate) fn new() -> Self {
        Self {
            mood: Mood::Answers,
            info: info(),
            peers: vec![info(), PeerInfo { id: peer_b(), ..info() }],
            statuses: (0..3).map(status).collect(),
            garbage: RepoGc { peer: peer_a(), peername: "a".to_owned(), keys: vec![], error: String::new() },
            stat: RepoStat { repo_size: 1000, storage_max: 10_000_000_000 },
            swarm: vec![peer_a(), peer_b()],
            logged: Mutex::default(),
            stored: Mutex::default(),
            asked: Mutex::default(),
            started: std::sync::Arc::default(),
            abandoned: std::sync::Arc::default(),
        }
    }

    /// Finds what is known of a CID; of one that is not known, something.
    fn status_of(&self, key: &PinKey) -> LocalPinStatus {
        let known = self.statuses.iter().find(|status| status.pin.key() == *key);
        known.or(self.statuses.first()).cloned().unwrap_or_else(|| status(0))
    }

    fn answer<T: Clone + Send + 'static>(
        &self,
        asked: String,
        value: &T,
    ) -> BoxFuture<'static, Result<T, CallError>> {
        self.asked.lock().unwrap().push(asked);
        self.started.notify_one();
        match &self.mood {
            Mood::Answers | Mood::Endless | Mood::HangsAfterOnePage | Mood::FailsAfterOnePage => {
                let value = value.clone();
                async move { Ok(value) }.boxed()
            }
            Mood::Fails(error) => {
                let error = error.clone();
                async move { Err(error) }.boxed()
            }
            Mood::Hangs => {
                let guard = OnDrop(self.abandoned.clone());
                async move {
                    let _guard = guard;
                    pending().await
                }
                .boxed()
            }
        }
    }

    fn stream<T: Clone + Send + 'static>(
        &self,
        asked: String,
        pages: &[T],
    ) -> BoxStream<'static, Result<T, CallError>> {
        self.asked.lock().unwrap().push(asked);
        self.started.notify_one();
        match &self.mood {
            Mood::Answers => stream::iter(pages.to_vec()).map(Ok).boxed(),
            Mood::Fails(error) => stream::iter([Err(error.clone())]).boxed(),
            Mood::Hangs => {
                let guard = OnDrop(self.abandoned.clone());
                stream::once(async move {
                    let _guard = guard;
                    pending().await
                })
                .boxed()
            }
            Mood::HangsAfterOnePage => stream::iter(pages.to_vec()).map(Ok).chain(stream::pending()).boxed(),
            Mood::FailsAfterOnePage => {
                let error = CallError::Failed { message: "the store failed".to_owned() };
                stream::iter(pages.to_vec()).map(Ok).chain(stream::iter([Err(error)])).boxed()
            }
            Mood::Endless => stream::iter(pages.to_vec()).cycle().map(Ok).boxed(),
        }
    }
}

/// What the peer A of the reference says of itself.
pub(crate) fn info() -> PeerInfo {
    PeerInfo {
        id: peer_a(),
        addresses: vec![address_1()],
        cluster_peers: vec![peer_a(), peer_b()],
        cluster_peers_addresses: vec![],
        version: "1.1.6".to_owned(),
        rpc_protocol_version: "/ipfscluster/1.0/rpc".to_owned(),
        peername: "peer-a".to_owned(),
        ipfs: Ok(IpfsId { id: peer_b(), addresses: vec![address_2()] }),
        error: None,
    }
}

/// A full status of a CID that follows from a number.
pub(crate) fn status(number: u32) -> LocalPinStatus {
    let mut digest = [0; 32];
    digest[..4].copy_from_slice(&number.to_be_bytes());
    let mut pin = Pin::new(Cid::new_v1(0x55, multihash::Multihash::wrap(0x12, &digest).unwrap()));
    pin.options.name = format!("pin {number}");
    pin.options.metadata.insert("k".to_owned(), "v".to_owned());
    pin.allocations = vec![peer_a(), peer_b()];
    pin.timestamp = Some(UnixSeconds(TIME));
    LocalPinStatus {
        pin,
        created: UnixMillis(TIME * 1000),
        on_peer: PinStatusOnPeer {
            peer: peer_a(),
            peername: "peer-a".to_owned(),
            ipfs_peer_id: Some(peer_b()),
            ipfs_peer_addresses: vec![address_2()],
            status: TrackerStatus::Pinned,
            timestamp: UnixMillis(TIME * 1000 + 500),
            error: String::new(),
            attempt_count: number,
            priority_pin: number % 2 == 1,
        },
    }
}

impl PeerCalls for FakePeer {
    fn id(&self) -> BoxFuture<'_, Result<PeerInfo, CallError>> {
        self.answer("id".to_owned(), &self.info)
    }

    fn add_peer(&self, joiner: PeerId) -> BoxFuture<'_, Result<PeerInfo, CallError>> {
        self.answer(format!("add {joiner}"), &self.info)
    }

    fn add_member(&self, peer: PeerId) -> BoxFuture<'_, Result<(), CallError>> {
        self.answer(format!("add member {peer}"), &())
    }

    fn remove_member(&self, peer: PeerId) -> BoxFuture<'_, Result<(), CallError>> {
        self.answer(format!("remove member {peer}"), &())
    }

    fn peers(&self) -> BoxStream<'static, Result<PeerInfo, CallError>> {
        self.stream("peers".to_owned(), &self.peers)
    }

    fn status(&self, key: PinKey) -> BoxFuture<'_, Result<LocalPinStatus, CallError>> {
        self.answer(format!("status {key}"), &self.status_of(&key))
    }

    fn statuses_after(
        &self,
        filter: StatusFilter,
        after: PinKey,
    ) -> BoxStream<'static, Result<Vec<LocalPinStatus>, CallError>> {
        let asked = format!("statuses_after {} {}", filter.bits(), after.cid());
        self.stream(asked, std::slice::from_ref(&self.statuses))
    }

    fn status_all(&self, filter: StatusFilter) -> BoxStream<'static, Result<Vec<LocalPinStatus>, CallError>> {
        self.stream(format!("status_all {}", filter.bits()), std::slice::from_ref(&self.statuses))
    }

    fn recover(&self, key: PinKey) -> BoxFuture<'_, Result<LocalPinStatus, CallError>> {
        self.answer(format!("recover {key}"), &self.status_of(&key))
    }

    fn recover_all(&self) -> BoxStream<'static, Result<Vec<LocalPinStatus>, CallError>> {
        self.stream("recover_all".to_owned(), std::slice::from_ref(&self.statuses))
    }

    fn log(&self, key: PinKey, pin: Option<Box<Pin>>) -> BoxFuture<'_, Result<(), CallError>> {
        self.logged.lock().unwrap().push((key, pin));
        self.answer("log".to_owned(), &())
    }

    fn ipfs_swarm_peers(&self) -> BoxFuture<'_, Result<Vec<PeerId>, CallError>> {
        self.answer("swarm".to_owned(), &self.swarm)
    }

    fn repo_stat(&self) -> BoxFuture<'_, Result<RepoStat, CallError>> {
        self.answer("stat".to_owned(), &self.stat)
    }

    /// Takes all blocks when it answers, one when it does not.
    fn put_blocks(
        &self,
        mut blocks: BoxStream<'static, ContentBlock>,
    ) -> BoxFuture<'_, Result<(), CallError>> {
        let answer = self.answer("blocks".to_owned(), &());
        async move {
            while let Some(block) = blocks.next().await {
                self.stored.lock().unwrap().push(block);
                if self.mood != Mood::Answers {
                    break;
                }
            }
            answer.await
        }
        .boxed()
    }

    fn collect_garbage(&self) -> BoxFuture<'_, Result<RepoGc, CallError>> {
        self.answer("gc".to_owned(), &self.garbage)
    }

    fn exchange_heads(&self, _: PeerId, mut payload: Vec<u8>) -> BoxFuture<'_, Result<Vec<u8>, CallError>> {
        payload.reverse();
        self.answer("heads".to_owned(), &payload)
    }
}
