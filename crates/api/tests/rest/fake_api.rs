//! A port that records what it is asked and answers as told.

use cluster_core::{
    Cid, Metric, Multiaddr, PeerId, Pin, PinKey, PinKind, PinKindFilter, StatusFilter, TrackerStatus,
    UnixMillis,
    metric::UnixNanos,
    pinset::{
        Change, ChangeKind, TrackedState,
        search::{FoundPins, PinSearch},
    },
    ports::{
        BoxFuture, BoxStream, BrowseApi, ClusterApi,
        browse_api::{Event, EventPage, EventPosition, EventStart, FoundStatuses, Totals},
        cluster_api::{
            Alert, ApiError, ConnectGraph, GlobalPinStatus, IpfsPath, MembershipApi, PeerInfo,
            PinStatusOnPeer, PinWish, RepoGc, Scope,
        },
        consensus::{CrdtHealth, Etag, Precondition, RaftHealth, RequestId},
        ipfs_connector::IpfsId,
        swarm::Traffic,
    },
};
use futures_util::{StreamExt, stream};
use std::sync::{
    Mutex,
    atomic::{AtomicBool, Ordering::Relaxed},
};

/// A CID that every test may use.
pub(crate) const CID: &str = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
/// The CID that paths resolve to.
pub(crate) const RESOLVED: &str = "bafkqaaa";
/// A CID whose status always fails.
pub(crate) const FAILING: &str = "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn";

type Pages<T> = Mutex<Option<BoxStream<'static, Result<Vec<T>, ApiError>>>>;

/// The port.
#[derive(Default)]
pub(crate) struct FakeApi {
    calls: Mutex<Vec<String>>,
    wishes: Mutex<Vec<PinWish>>,
    failure: Mutex<Option<fn() -> ApiError>>,
    pins: Pages<Pin>,
    statuses: Pages<GlobalPinStatus>,
    garbage: Mutex<Vec<RepoGc>>,
    metrics: Mutex<Vec<Metric>>,
    events_last: AtomicBool,
    raft: Mutex<Option<RaftHealth>>,
    not_ready: AtomicBool,
}

impl FakeApi {
    /// Makes every call fail from now on.
    pub(crate) fn fail_with(&self, failure: fn() -> ApiError) {
        *self.failure.lock().unwrap() = Some(failure);
    }

    /// Sets what the next listing of the pinset streams.
    pub(crate) fn stream_pins(
        &self,
        pages: impl futures_util::Stream<Item = Result<Vec<Pin>, ApiError>> + Send + 'static,
    ) {
        *self.pins.lock().unwrap() = Some(pages.boxed());
    }

    /// Sets what the next listing of statuses streams.
    pub(crate) fn stream_statuses(&self, pages: Vec<Result<Vec<GlobalPinStatus>, ApiError>>) {
        *self.statuses.lock().unwrap() = Some(stream::iter(pages).boxed());
    }

    /// Sets what collecting garbage brings.
    pub(crate) fn set_garbage(&self, outcomes: Vec<RepoGc>) {
        *self.garbage.lock().unwrap() = outcomes;
    }

    /// Sets the metrics there are; each has an alert.
    pub(crate) fn set_metrics(&self, metrics: Vec<Metric>) {
        *self.metrics.lock().unwrap() = metrics;
    }

    /// Makes it the member of a Raft cluster.
    pub(crate) fn set_raft(&self, health: RaftHealth) {
        *self.raft.lock().unwrap() = Some(health);
    }

    /// Lets nobody read the pinset.
    pub(crate) fn unready(&self) {
        self.not_ready.store(true, Relaxed);
    }

    /// Lets the stream of changes go on without an end.
    pub(crate) fn let_events_last(&self) {
        self.events_last.store(true, Relaxed);
    }

    /// Returns what was asked since the last time.
    pub(crate) fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }

    /// Returns the last wish to pin.
    pub(crate) fn wish(&self) -> PinWish {
        self.wishes.lock().unwrap().pop().expect("a pin was asked for")
    }

    fn called(&self, call: String) -> Result<(), ApiError> {
        self.calls.lock().unwrap().push(call);
        self.failure.lock().unwrap().map_or(Ok(()), |failure| Err(failure()))
    }
}

/// A peer ID made of one byte, the same in every run.
pub(crate) fn peer(seed: u8) -> PeerId {
    let hash = multihash::Multihash::wrap(0, &[8, 1, 18, 4, seed, seed, seed, seed]).unwrap();
    PeerId::from_multihash(hash).unwrap()
}

pub(crate) fn status_of(cid: Cid) -> GlobalPinStatus {
    GlobalPinStatus {
        pin: Pin::new(cid),
        created: UnixMillis(1_769_854_830_000),
        peers: vec![PinStatusOnPeer {
            peer: peer(1),
            peername: "alpha".to_owned(),
            ipfs_peer_id: None,
            ipfs_peer_addresses: Vec::new(),
            status: TrackerStatus::Pinned,
            timestamp: UnixMillis(1_769_854_830_000),
            error: String::new(),
            attempt_count: 0,
            priority_pin: false,
        }],
    }
}

pub(crate) fn metric(name: &str, seed: u8) -> Metric {
    Metric {
        name: name.to_owned(),
        peer: peer(seed),
        value: "7".to_owned(),
        expires: UnixNanos(30_000_000_001),
        valid: true,
        weight: 7,
        partitionable: true,
        received_at: UnixNanos(5),
    }
}

pub(crate) fn peer_info(seed: u8) -> PeerInfo {
    PeerInfo {
        id: peer(seed),
        addresses: Vec::new(),
        cluster_peers: vec![peer(seed)],
        cluster_peers_addresses: Vec::new(),
        version: "9.9.9".to_owned(),
        rpc_protocol_version: "/ipfscluster/1.0/rpc".to_owned(),
        peername: "alpha".to_owned(),
        ipfs: Ok(IpfsId { id: peer(seed), addresses: Vec::new() }),
        error: None,
    }
}

pub(crate) fn head() -> Cid {
    "bafyreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy".parse().unwrap()
}

pub(crate) fn etag() -> Etag {
    Etag::of(b"value")
}

impl MembershipApi for FakeApi {
    fn id(&self) -> BoxFuture<'_, PeerInfo> {
        self.called("id".to_owned()).ok();
        Box::pin(async { peer_info(1) })
    }

    fn peers(&self) -> BoxStream<'static, Result<PeerInfo, ApiError>> {
        match self.called("peers".to_owned()) {
            Ok(()) => stream::iter([Ok(peer_info(1)), Ok(peer_info(2))]).boxed(),
            Err(error) => stream::iter([Err(error)]).boxed(),
        }
    }

    fn add_peer(&self, peer: PeerId, addresses: Vec<Multiaddr>) -> BoxFuture<'_, Result<PeerInfo, ApiError>> {
        let answer = self.called(format!("add_peer {peer} {addresses:?}"));
        Box::pin(async { answer.map(|()| peer_info(2)) })
    }

    fn remove_peer(&self, peer: PeerId, forget: bool) -> BoxFuture<'_, Result<(), ApiError>> {
        let answer = self.called(format!("remove_peer {peer} {forget}"));
        Box::pin(async { answer })
    }

    fn connect_graph(&self) -> BoxFuture<'_, Result<ConnectGraph, ApiError>> {
        let answer = self.called("connect_graph".to_owned()).map(|()| ConnectGraph {
            cluster_id: peer(1),
            peernames: [(peer(1), "alpha".to_owned())].into(),
            ipfs_links: [(peer(3), vec![peer(4)])].into(),
            cluster_links: [(peer(1), vec![])].into(),
            trust_links: [(peer(1), true)].into(),
            cluster_to_ipfs: [(peer(1), peer(3))].into(),
        });
        Box::pin(async { answer })
    }

    fn crdt_health(&self) -> BoxFuture<'_, Result<CrdtHealth, ApiError>> {
        let answer = self.called("crdt_health".to_owned()).map(|()| CrdtHealth {
            heads: vec![head()],
            height: 7,
            merged: 9,
            missing: 2,
            walks: 1,
            elements: 5,
            tombstones: 3,
            pending: 4,
            fingerprint: [0xab; 16],
        });
        Box::pin(async { answer })
    }

    fn raft_health(&self) -> Result<RaftHealth, ApiError> {
        self.raft.lock().unwrap().clone().ok_or(ApiError::Unsupported { what: "Raft" })
    }

    fn set_voter(&self, peer: PeerId, votes: bool) -> BoxFuture<'_, Result<(), ApiError>> {
        let answer = self.called(format!("set_voter {peer} {votes}"));
        Box::pin(async { answer })
    }

    fn alerts(&self) -> Vec<Alert> {
        self.called("alerts".to_owned()).ok();
        let alert = |metric: &Metric| Alert { metric: metric.clone(), triggered_at: UnixMillis(31_500) };
        self.metrics.lock().unwrap().iter().map(alert).collect()
    }

    fn traffic(&self) -> Vec<(String, Traffic)> {
        self.called("traffic".to_owned()).ok();
        vec![("/a/1.0".to_owned(), Traffic { received: 1, sent: 2, rate_received: 0.5, rate_sent: 0.0 })]
    }

    fn metric_names(&self) -> Vec<String> {
        self.called("metric_names".to_owned()).ok();
        self.metrics.lock().unwrap().iter().map(|metric| metric.name.clone()).collect()
    }

    fn metrics(&self, name: &str) -> Vec<Metric> {
        self.called(format!("metrics {name}")).ok();
        self.metrics.lock().unwrap().iter().filter(|metric| metric.name == name).cloned().collect()
    }

    fn collect_garbage(&self, scope: Scope) -> BoxFuture<'_, Result<Vec<RepoGc>, ApiError>> {
        let answer = self.called(format!("collect_garbage {scope:?}"));
        let outcomes = self.garbage.lock().unwrap().clone();
        Box::pin(async { answer.map(|()| outcomes) })
    }
}

/// Finds three pins with the position of each, two of them on the first page.
const FOUND: [(&str, u8); 3] = [(CID, 0), (RESOLVED, 1), (FAILING, 2)];

/// Takes what lies behind a position, one byte of it.
fn found(after: Option<Vec<u8>>, limit: usize) -> (Vec<Cid>, Option<Vec<u8>>) {
    let start = after.map_or(0, |after| usize::from(after[0]) + 1);
    let page: Vec<_> = FOUND.iter().skip(start).take(limit.min(2)).collect();
    let last = page.last().map_or(2, |(_, position)| *position);
    (page.into_iter().map(|(cid, _)| cid.parse().unwrap()).collect(), (last < 2).then(|| vec![last]))
}

impl BrowseApi for FakeApi {
    fn search_pins(
        &self,
        search: PinSearch,
        after: Option<Vec<u8>>,
        limit: usize,
    ) -> BoxFuture<'_, Result<FoundPins, ApiError>> {
        let named = search.name.clone().unwrap_or_default();
        let answer = self.called(format!("search_pins {named:?} {after:?} {limit}")).map(|()| {
            let (cids, next) = found(after, limit);
            FoundPins { pins: cids.into_iter().map(Pin::new).collect(), next }
        });
        Box::pin(async { answer })
    }

    fn search_statuses(
        &self,
        search: PinSearch,
        statuses: StatusFilter,
        scope: Scope,
        after: Option<Vec<u8>>,
        limit: usize,
    ) -> BoxFuture<'_, Result<FoundStatuses, ApiError>> {
        let (named, bits) = (search.name.clone().unwrap_or_default(), statuses.bits());
        let call = format!("search_statuses {named:?} {bits} {scope:?} {after:?} {limit}");
        let answer = self.called(call).map(|()| {
            let (cids, next) = found(after, limit);
            FoundStatuses { statuses: cids.into_iter().map(status_of).collect(), next }
        });
        Box::pin(async { answer })
    }

    fn pinset_at_once(&self, kinds: PinKindFilter) -> BoxStream<'static, Result<Vec<Pin>, ApiError>> {
        self.called(format!("pinset_at_once {kinds:?}")).ok();
        self.pins.lock().unwrap().take().unwrap_or_else(|| stream::empty().boxed())
    }

    fn totals(&self) -> BoxFuture<'_, Result<Totals, ApiError>> {
        let answer = self.called("totals".to_owned()).map(|()| Totals {
            kinds: vec![(PinKind::Data, 5), (PinKind::Meta, 2)],
            statuses: vec![(TrackerStatus::Pinned, 6), (TrackerStatus::PinError, 1)],
            peers: vec![(peer(1), 3)],
        });
        Box::pin(async { answer })
    }

    fn events(
        &self,
        start: EventStart,
        follow: bool,
    ) -> BoxFuture<'_, Result<BoxStream<'static, Result<EventPage, ApiError>>, ApiError>> {
        let answer = self.called(format!("events {start:?} {follow}")).map(|()| {
            let key = PinKey::from_cid(&CID.parse().unwrap());
            let kinds =
                [ChangeKind::Pinned(etag()), ChangeKind::Status(TrackedState::Pinned), ChangeKind::Unpinned];
            let changes = (1..).zip(kinds).map(|(index, kind)| Event {
                position: EventPosition { history: 0x0a0b_0c0d, batch: 7, index },
                time: UnixMillis(1_769_854_830_000),
                change: Change { key: key.clone(), kind },
            });
            let pages = vec![
                Ok(EventPage::Changes(changes.collect())),
                Ok(EventPage::Quiet(EventPosition::end_of(0x0a0b_0c0d, 9))),
                Err(ApiError::Stopping),
            ];
            match self.events_last.load(Relaxed) {
                true => stream::iter(pages).take(2).chain(stream::pending()).boxed(),
                false => stream::iter(pages).boxed(),
            }
        });
        Box::pin(async { answer })
    }
}

impl ClusterApi for FakeApi {
    fn is_readable(&self) -> bool {
        !self.not_ready.load(Relaxed)
    }

    fn read_barrier(&self) -> BoxFuture<'_, Result<(), ApiError>> {
        let answer = self.called("read_barrier".to_owned());
        Box::pin(async { answer })
    }

    fn pin(&self, wish: PinWish) -> BoxFuture<'_, Result<(Pin, Etag), ApiError>> {
        let answer = self.called(format!("pin {}", wish.pin.cid)).map(|()| (wish.pin.clone(), etag()));
        self.wishes.lock().unwrap().push(wish);
        Box::pin(async { answer })
    }

    fn unpin(
        &self,
        key: PinKey,
        precondition: Precondition,
        request_id: Option<RequestId>,
    ) -> BoxFuture<'_, Result<Pin, ApiError>> {
        let id = request_id.as_ref().map(RequestId::as_str);
        let answer =
            self.called(format!("unpin {key} {precondition:?} {id:?}")).map(|()| Pin::new(key.cid()));
        Box::pin(async { answer })
    }

    fn resolve(&self, path: IpfsPath) -> BoxFuture<'_, Result<Cid, ApiError>> {
        let answer = self.called(format!("resolve {}", path.as_str()));
        Box::pin(async { answer.map(|()| RESOLVED.parse().unwrap()) })
    }

    fn allocation(&self, key: PinKey) -> BoxFuture<'_, Result<(Pin, Etag), ApiError>> {
        let answer = self.called(format!("allocation {key}")).map(|()| (Pin::new(key.cid()), etag()));
        Box::pin(async { answer })
    }

    fn allocations(&self, filter: PinKindFilter) -> BoxStream<'static, Result<Vec<Pin>, ApiError>> {
        match self.called(format!("allocations {filter:?}")) {
            Ok(()) => self.pins.lock().unwrap().take().unwrap_or_else(|| stream::empty().boxed()),
            Err(error) => stream::iter([Err(error)]).boxed(),
        }
    }

    fn status(&self, key: PinKey, scope: Scope) -> BoxFuture<'_, Result<GlobalPinStatus, ApiError>> {
        let mut answer = self.called(format!("status {key} {scope:?}")).map(|()| status_of(key.cid()));
        if key.to_string() == FAILING {
            answer = Err(ApiError::Stopping);
        }
        Box::pin(async { answer })
    }

    fn status_all(
        &self,
        filter: StatusFilter,
        scope: Scope,
    ) -> BoxStream<'static, Result<Vec<GlobalPinStatus>, ApiError>> {
        match self.called(format!("status_all {} {scope:?}", filter.bits())) {
            Ok(()) => self.statuses.lock().unwrap().take().unwrap_or_else(|| stream::empty().boxed()),
            Err(error) => stream::iter([Err(error)]).boxed(),
        }
    }

    fn recover(&self, key: PinKey, scope: Scope) -> BoxFuture<'_, Result<GlobalPinStatus, ApiError>> {
        let answer = self.called(format!("recover {key} {scope:?}")).map(|()| status_of(key.cid()));
        Box::pin(async { answer })
    }

    fn recover_all(&self, scope: Scope) -> BoxStream<'static, Result<Vec<GlobalPinStatus>, ApiError>> {
        match self.called(format!("recover_all {scope:?}")) {
            Ok(()) => self.statuses.lock().unwrap().take().unwrap_or_else(|| stream::empty().boxed()),
            Err(error) => stream::iter([Err(error)]).boxed(),
        }
    }
}
