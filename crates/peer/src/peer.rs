//! The peer as its API sees it.

use crate::{
    CheckMemory, IpfsWatch, TrackerPort,
    pages::stream,
    status::{bare, of_tracked, on_peer, states_of},
};
use cluster_core::{
    Cid, Multiaddr, PeerId, Pin, PinKey, PinKindFilter, StatusFilter, TrackerStatus,
    pinset::{TrackedState, TrackerInput, TrackerOutcome, TrackerRow, read},
    ports::{
        BoxFuture, BoxStream, ClusterApi, Consensus, Datastore, IpfsConnector,
        cluster_api::{ApiError, GlobalPinStatus, IpfsPath, PeerInfo, PinStatusOnPeer, PinWish, Scope},
        consensus::{Etag, Operation, OperationKind, Precondition, RequestId},
        datastore::{Cursor, Tree},
    },
    tracker::InFlight,
};
use cluster_runtime::now;
use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// Rows of a page that is streamed.
const PAGE: usize = 1024;

/// Rows of the first page: small, so that the first byte comes at once.
const FIRST_PAGE: usize = 32;

/// How long the status of one CID waits for the daemon before the stored row answers.
const CHECK_LIMIT: Duration = Duration::from_secs(1);

/// What a peer says of itself and by which rules it works.
#[derive(Debug, Clone)]
pub struct PeerConfig {
    /// Its peer ID.
    pub id: PeerId,
    /// Its display name.
    pub peername: String,
    /// Its addresses.
    pub addresses: Vec<Multiaddr>,
    /// Version of its software.
    pub version: &'static str,
    /// Takes no writes.
    pub follower: bool,
}

/// What a peer works with.
pub struct PeerParts {
    /// How changes are agreed on.
    pub consensus: Arc<dyn Consensus>,
    /// Where the pinset is.
    pub store: Arc<dyn Datastore>,
    /// The IPFS daemon.
    pub ipfs: Arc<dyn IpfsConnector>,
    /// What is known of it.
    pub watch: IpfsWatch,
    /// The writer, for the tracker's transitions.
    pub tracker: Arc<dyn TrackerPort>,
    /// Requests that run now.
    pub in_flight: InFlight,
}

/// One peer.
pub struct Peer {
    config: PeerConfig,
    parts: PeerParts,
    checks: CheckMemory,
}

impl std::fmt::Debug for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Peer").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Peer {
    /// Makes a peer.
    pub fn new(config: PeerConfig, parts: PeerParts) -> Self {
        Self { config, parts, checks: CheckMemory::default() }
    }

    fn template(&self) -> PinStatusOnPeer {
        let known = self.parts.watch.last();
        let (ipfs_peer_id, ipfs_peer_addresses) = match &*known {
            Some(id) => (Some(id.id), id.addresses.clone()),
            None => (None, Vec::new()),
        };
        PinStatusOnPeer {
            peer: self.config.id,
            peername: self.config.peername.clone(),
            ipfs_peer_id,
            ipfs_peer_addresses,
            status: TrackerStatus::Undefined,
            timestamp: now(),
            error: String::new(),
            attempt_count: 0,
            priority_pin: false,
        }
    }

    async fn submit(
        &self,
        kind: OperationKind,
        precondition: Precondition,
        request_id: Option<RequestId>,
    ) -> Result<(Pin, Etag), ApiError> {
        if self.config.follower {
            return Err(ApiError::FollowerMode);
        }
        let ranked_candidates = self.parts.consensus.members();
        let operation = Operation { kind, precondition, request_id, ranked_candidates };
        let applied = self.parts.consensus.submit(operation).await?;
        Ok((applied.pin, applied.etag))
    }

    /// Runs a read on a thread that may block.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn Datastore) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let store = self.parts.store.clone();
        tokio::task::spawn_blocking(move || read(&*store)).await.unwrap_or(Err(ApiError::Stopping))
    }

    async fn rows_of(&self, key: &PinKey) -> Result<(Option<Pin>, Option<TrackerRow>), ApiError> {
        let key = key.clone();
        self.read(move |store| {
            let snapshot = store.snapshot()?;
            Ok((read::pin(&*snapshot, &key)?.map(|(pin, _)| pin), read::tracker_row(&*snapshot, &key)?))
        })
        .await
    }

    /// Looks on the daemon whether a pinned CID is still there, unless that was done a moment ago.
    async fn verify(&self, key: &PinKey, pin: Option<&Pin>, row: Option<&TrackerRow>) -> bool {
        let (Some(pin), Some(row)) = (pin, row) else { return false };
        if row.state != TrackedState::Pinned || self.checks.is_fresh(key, now()) {
            return false;
        }
        let look = self.parts.ipfs.pin_status(pin.cid, pin.depth);
        let Ok(Ok(status)) = tokio::time::timeout(CHECK_LIMIT, look).await else { return false };
        if status.satisfies(pin.depth) {
            return false;
        }
        let missing = TrackerInput::Missing { key: key.clone(), revision: row.revision, next_attempt: now() };
        self.parts.tracker.transition(missing).await == TrackerOutcome::Applied
    }

    async fn status_of(&self, key: PinKey) -> Result<GlobalPinStatus, ApiError> {
        let (mut pin, mut row) = self.rows_of(&key).await?;
        if self.verify(&key, pin.as_ref(), row.as_ref()).await {
            (pin, row) = self.rows_of(&key).await?;
        }
        let template = self.template();
        let created = pin.as_ref().and_then(|p| p.timestamp).map_or_else(now, |t| t.millis());
        let peer = match &row {
            Some(row) => on_peer(&template, row, self.parts.in_flight.get(&key).as_ref()),
            None => PinStatusOnPeer { status: TrackerStatus::Unpinned, ..template },
        };
        Ok(GlobalPinStatus { pin: pin.unwrap_or_else(|| bare(&key)), created, peers: vec![peer] })
    }
}

impl ClusterApi for Peer {
    fn id(&self) -> BoxFuture<'_, PeerInfo> {
        Box::pin(async move {
            let ipfs = self.parts.ipfs.id().await;
            if let Ok(id) = &ipfs {
                self.parts.watch.note(id.clone());
            }
            PeerInfo {
                id: self.config.id,
                addresses: self.config.addresses.clone(),
                cluster_peers: self.parts.consensus.members(),
                cluster_peers_addresses: Vec::new(),
                version: self.config.version.to_owned(),
                rpc_protocol_version: "/ipfscluster/1.0/rpc".to_owned(),
                peername: self.config.peername.clone(),
                ipfs: ipfs.map_err(|error| error.to_string()),
                error: None,
            }
        })
    }

    fn peers(&self) -> BoxStream<'_, Result<PeerInfo, ApiError>> {
        Box::pin(OnceStream(Some(self.id())))
    }

    fn pin(&self, wish: PinWish) -> BoxFuture<'_, Result<(Pin, Etag), ApiError>> {
        let kind = match wish.pin.options.pin_update {
            Some(from) if from != wish.pin.cid => OperationKind::PinUpdate { pin: Box::new(wish.pin), from },
            _ => OperationKind::Pin(Box::new(wish.pin)),
        };
        Box::pin(self.submit(kind, wish.precondition, wish.request_id))
    }

    fn unpin(
        &self,
        key: PinKey,
        precondition: Precondition,
        request_id: Option<RequestId>,
    ) -> BoxFuture<'_, Result<Pin, ApiError>> {
        Box::pin(async move { Ok(self.submit(OperationKind::Unpin(key), precondition, request_id).await?.0) })
    }

    fn resolve(&self, path: IpfsPath) -> BoxFuture<'_, Result<Cid, ApiError>> {
        Box::pin(async move {
            match path.as_cid() {
                Some(cid) => Ok(cid),
                None => Ok(self.parts.ipfs.resolve(path.as_str().to_owned()).await?),
            }
        })
    }

    fn allocation(&self, key: PinKey) -> BoxFuture<'_, Result<(Pin, Etag), ApiError>> {
        Box::pin(self.read(move |store| read::pin(&*store.snapshot()?, &key)?.ok_or(ApiError::NotPinned)))
    }

    fn allocations(&self, filter: PinKindFilter) -> BoxStream<'static, Result<Vec<Pin>, ApiError>> {
        let store = self.parts.store.clone();
        let mut cursor = Cursor::all(Tree::Pins);
        let mut limit = FIRST_PAGE;
        stream(move || {
            if cursor.is_done() {
                return Ok(None);
            }
            let rows = cursor.next_page(&*store, std::mem::replace(&mut limit, PAGE))?;
            Ok(Some(read::decode_pins(rows).into_iter().filter(|pin| filter.matches(pin.kind)).collect()))
        })
    }

    fn status(&self, key: PinKey, _: Scope) -> BoxFuture<'_, Result<GlobalPinStatus, ApiError>> {
        Box::pin(self.status_of(key))
    }

    fn status_all(
        &self,
        filter: StatusFilter,
        _: Scope,
    ) -> BoxStream<'static, Result<Vec<GlobalPinStatus>, ApiError>> {
        let (store, template, in_flight) =
            (self.parts.store.clone(), self.template(), self.parts.in_flight.clone());
        let mut limit = FIRST_PAGE;
        let mut cursor = if filter.is_all() {
            read::TrackedCursor::all()
        } else {
            let running: BTreeSet<PinKey> = in_flight.all().into_keys().collect();
            read::TrackedCursor::of(&states_of(filter), running)
        };
        stream(move || {
            let page = cursor.next_page(&*store, std::mem::replace(&mut limit, PAGE))?;
            if page.is_empty() {
                return Ok(None);
            }
            let running = in_flight.all();
            let statuses = page.into_iter().map(|tracked| of_tracked(&template, tracked, &running));
            Ok(Some(statuses.filter(|s| s.peers.iter().any(|p| filter.matches(p.status))).collect()))
        })
    }

    fn recover(&self, key: PinKey, scope: Scope) -> BoxFuture<'_, Result<GlobalPinStatus, ApiError>> {
        Box::pin(async move {
            let (pin, row) = self.rows_of(&key).await?;
            if pin.is_none() && row.is_none() && scope == Scope::Local {
                return Err(ApiError::NotPinned);
            }
            self.verify(&key, pin.as_ref(), row.as_ref()).await;
            self.parts.tracker.transition(TrackerInput::Recover { key: key.clone() }).await;
            self.status_of(key).await
        })
    }

    fn recover_all(&self, _: Scope) -> BoxStream<'static, Result<Vec<GlobalPinStatus>, ApiError>> {
        let waiting: Vec<TrackedState> = TrackedState::ALL.into_iter().filter(|s| s.is_waiting()).collect();
        let mut cursor = read::TrackedCursor::of(&waiting, BTreeSet::new());
        let (store, template, in_flight) =
            (self.parts.store.clone(), self.template(), self.parts.in_flight.clone());
        let (tracker, runtime) = (self.parts.tracker.clone(), tokio::runtime::Handle::current());
        stream(move || {
            let page = cursor.next_page(&*store, PAGE)?;
            if page.is_empty() {
                return Ok(None);
            }
            let keys: Vec<PinKey> = page.into_iter().map(|tracked| tracked.key).collect();
            // All at once, so that they share commits.
            let transitions: Vec<_> = keys
                .iter()
                .map(|key| runtime.spawn(tracker.transition(TrackerInput::Recover { key: key.clone() })))
                .collect();
            let running = in_flight.all();
            let mut recovered = Vec::new();
            for (key, transition) in keys.into_iter().zip(transitions) {
                if runtime.block_on(transition).ok() != Some(TrackerOutcome::Applied) {
                    continue;
                }
                let snapshot = store.snapshot()?;
                if let Some(row) = read::tracker_row(&*snapshot, &key)? {
                    let pin = read::pin(&*snapshot, &key)?.map(|(pin, _)| pin);
                    recovered.push(of_tracked(&template, read::Tracked { key, pin, row }, &running));
                }
            }
            Ok(Some(recovered))
        })
    }
}

/// A stream of one future.
struct OnceStream<'a>(Option<BoxFuture<'a, PeerInfo>>);

impl futures_core::Stream for OnceStream<'_> {
    type Item = Result<PeerInfo, ApiError>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        let Some(future) = &mut self.0 else { return std::task::Poll::Ready(None) };
        let info = std::task::ready!(future.as_mut().poll(context));
        self.0 = None;
        std::task::Poll::Ready(Some(Ok(info)))
    }
}
