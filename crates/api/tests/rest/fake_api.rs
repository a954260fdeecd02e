//! A port that records what it is asked and answers as told.

use cluster_core::{
    Cid, PeerId, Pin, PinKey, PinKindFilter, StatusFilter, TrackerStatus, UnixMillis,
    ports::{
        BoxFuture, BoxStream, ClusterApi,
        cluster_api::{ApiError, GlobalPinStatus, IpfsPath, PeerInfo, PinStatusOnPeer, PinWish, Scope},
        consensus::{Etag, Precondition, RequestId},
        ipfs_connector::IpfsId,
    },
};
use futures_util::{StreamExt, stream};
use std::sync::Mutex;

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

pub(crate) fn etag() -> Etag {
    Etag::of(b"value")
}

impl ClusterApi for FakeApi {
    fn id(&self) -> BoxFuture<'_, PeerInfo> {
        self.called("id".to_owned()).ok();
        Box::pin(async { peer_info(1) })
    }

    fn peers(&self) -> BoxStream<'_, Result<PeerInfo, ApiError>> {
        match self.called("peers".to_owned()) {
            Ok(()) => stream::iter([Ok(peer_info(1)), Ok(peer_info(2))]).boxed(),
            Err(error) => stream::iter([Err(error)]).boxed(),
        }
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
