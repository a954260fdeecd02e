//! The whole life of a peer: open, start, serve, wait, and stop in the reverse order.

mod effects;
mod error;
mod listen;

pub use error::DaemonError;

use crate::{
    command::Prepared,
    config::{Config, ConsensusConfig, CrdtConfig, TrustedPeers},
    state::OpenedState,
};
use cluster_api::RestServer;
use cluster_consensus::{
    CrdtConsensus, CrdtWorker, Trust,
    crdt::{Batching, CrdtEngine, EngineConfig},
};
use cluster_core::{
    Multiaddr,
    ports::{Consensus, Datastore, IpfsConnector},
    tracker::{Backoff, InFlight, TrackerConfig},
};
use cluster_ipfs::{Kubo, KuboConfig};
use cluster_peer::{Expiry, IpfsWatch, Peer, PeerConfig, PeerParts, TrackerParts, TrackerWorker};
use cluster_runtime::{OnEnd, StopSignal, Tasks, WorkerThread, feed, start_pinset};
use effects::CommitEffects;
use multiaddr::Protocol;
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// Requests to the IPFS daemon at once.
const IPFS_CONNECTIONS: usize = 64;

/// First wait after a failed request to the IPFS daemon.
const FIRST_RETRY: Duration = Duration::from_secs(5);

/// How long an orderly stop may take.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// How often the store may put itself in order.
const TIDY_EVERY: Duration = Duration::from_secs(30);

/// Threads for reads of the store.
const BLOCKING_THREADS: usize = 16;

/// Returns how many threads serve requests: half of the processors, since the writer, the tracker and the engine have
/// threads of their own, and a second thread that finds nothing to do costs every request a wake-up.
fn request_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get().div_ceil(2))
}

/// Runs a peer until a signal stops it.
///
/// # Errors
/// Whatever kept it from starting, or from stopping orderly.
pub fn run(prepared: Prepared) -> Result<(), DaemonError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .worker_threads(request_threads())
        .max_blocking_threads(BLOCKING_THREADS)
        .build()
        .map_err(DaemonError::Runtime)?;
    let result = runtime.block_on(serve(&prepared));
    runtime.shutdown_timeout(Duration::from_secs(1));
    drop(prepared);
    result
}

async fn serve(prepared: &Prepared) -> Result<(), DaemonError> {
    let mut signals = StopSignal::listen().map_err(DaemonError::Runtime)?;
    let config = &prepared.config;
    let peer_id = prepared.identity.id();
    let opened = OpenedState::open(prepared)?;
    let ConsensusConfig::Crdt(crdt) = &config.consensus;
    let engine = CrdtEngine::new(engine_config(crdt));
    let writer = crate::state::writer(opened.store.clone(), config, peer_id, engine.packing())?;

    let (tracker_sender, tracker_feed) = feed();
    let (crdt_sender, crdt_feed) = feed();
    let effects = CommitEffects { tracker: tracker_sender, crdt: crdt_sender };
    let (pinset, pinset_thread) = start_pinset(writer, Arc::new(effects)).map_err(DaemonError::Runtime)?;
    let trust = match &crdt.trusted_peers {
        TrustedPeers::Everyone => Trust::Everyone,
        TrustedPeers::Only(peers) => Trust::Only(peers.iter().copied().collect()),
    };
    let consensus: Arc<dyn Consensus> = Arc::new(CrdtConsensus::new(peer_id, trust, pinset.clone()));
    let ipfs: Arc<dyn IpfsConnector> = Arc::new(Kubo::new(kubo_config(config))?);
    let watch = IpfsWatch::default();
    let in_flight = InFlight::default();
    let port = Arc::new(pinset.clone());
    let peer = Arc::new(Peer::new(
        PeerConfig {
            id: peer_id,
            peername: config.cluster.peername.clone(),
            addresses: own_addresses(config, peer_id),
            version: env!("CARGO_PKG_VERSION"),
            follower: config.cluster.follower_mode,
        },
        PeerParts {
            consensus: consensus.clone(),
            store: opened.store.clone(),
            ipfs: ipfs.clone(),
            watch: watch.clone(),
            tracker: port.clone(),
            in_flight: in_flight.clone(),
        },
    ));
    // Ports are taken before anything starts to work: a second peer on them must not touch the IPFS daemon.
    let server = match listen::rest_config(config)? {
        Some((rest, limits)) => Some(RestServer::bind(rest, peer).await?.with_limits(limits)),
        None => None,
    };

    let tasks = Tasks::new();
    let parts = TrackerParts { store: opened.store.clone(), ipfs: ipfs.clone(), port, in_flight };
    let tracker = TrackerWorker::start(tracker_config(config), parts, tracker_feed, tasks.stopping())
        .map_err(DaemonError::Runtime)?;
    let crdt = CrdtWorker::start(engine, pinset.clone(), opened.store.clone(), crdt_feed, tasks.stopping())
        .map_err(DaemonError::Runtime)?;
    for (name, worker) in [("pinset", &pinset_thread), ("tracker", &tracker), ("crdt", &crdt)] {
        tasks.spawn(name, OnEnd::Stop, ended(worker, &tasks));
    }
    tasks.spawn(
        "ipfs watch",
        OnEnd::Stop,
        watch.run(ipfs, tasks.stopping(), |id| {
            tracing::info!(target: "cluster", ipfs = %id.id, "** IPFS Cluster is READY **");
        }),
    );
    if !config.cluster.follower_mode {
        let interval = config.cluster.state_sync_interval;
        let expiry = Expiry { store: opened.store.clone(), consensus: consensus.clone(), interval };
        tasks.spawn("expiry", OnEnd::Stop, expiry.run(tasks.stopping()));
    }
    tasks.spawn("tidying", OnEnd::Stop, tidy(opened.store.clone(), tasks.stopping()));
    tracing::info!(target: "cluster", version = env!("CARGO_PKG_VERSION"), peer = %peer_id, "peer started");

    let serving = Tasks::new();
    if let Some(server) = server {
        for address in server.local_addrs() {
            tracing::info!(target: "restapi", "REST API (HTTP): {address}");
        }
        let stop = serving.stopping();
        serving.spawn("rest", OnEnd::Stop, async move { server.serve(stop.cancelled_owned()).await });
    }
    tokio::select! {
        name = signals.next() => tracing::info!(target: "service", signal = name, "stopping"),
        () = tasks.failed() => {}
        () = serving.failed() => {}
    }
    tokio::spawn(async move {
        signals.next().await;
        tracing::warn!(target: "service", "still stopping; once more ends the process at once");
        signals.next().await;
        crate::logging::flush();
        std::process::exit(1);
    });
    let mut orderly = serving.stop(STOP_LIMIT).await;
    drop(serving);
    orderly &= tasks.stop(STOP_LIMIT).await;
    drop((tasks, consensus, pinset));
    let store = opened.store.clone();
    let threads = tokio::task::spawn_blocking(move || tracker.join() & crdt.join() & pinset_thread.join());
    orderly &= matches!(tokio::time::timeout(STOP_LIMIT, threads).await, Ok(Ok(true)));
    close(store).await?;
    if orderly { Ok(()) } else { Err(DaemonError::Stop { limit: STOP_LIMIT }) }
}

/// Lets the store put itself in order while nobody writes, until the peer stops.
async fn tidy(store: Arc<dyn Datastore>, stop: CancellationToken) {
    let tidying = async {
        loop {
            tokio::time::sleep(TIDY_EVERY).await;
            let store = store.clone();
            if let Ok(Err(error)) = tokio::task::spawn_blocking(move || store.tidy()).await {
                tracing::debug!(target: "service", %error, "the store was not tidied");
            }
        }
    };
    stop.run_until_cancelled(tidying).await;
}

/// Ends when a worker's thread does, or when the peer stops.
fn ended(worker: &WorkerThread, tasks: &Tasks) -> impl Future<Output = ()> + Send + 'static {
    let (ended, stop) = (worker.ended(), tasks.stopping());
    async move {
        tokio::select! {
            () = ended.cancelled() => {}
            () = stop.cancelled() => {}
        }
    }
}

async fn close(store: Arc<dyn Datastore>) -> Result<(), DaemonError> {
    match tokio::task::spawn_blocking(move || store.close()).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(DaemonError::Stop { limit: STOP_LIMIT }),
    }
}

fn kubo_config(config: &Config) -> KuboConfig {
    let ipfs = &config.ipfshttp;
    KuboConfig {
        node: ipfs.node_multiaddress.clone(),
        ipfs_request_timeout: ipfs.ipfs_request_timeout,
        pin_timeout: ipfs.pin_timeout,
        unpin_timeout: ipfs.unpin_timeout,
        unpin_disable: ipfs.unpin_disable,
        max_connections: IPFS_CONNECTIONS,
    }
}

fn engine_config(crdt: &CrdtConfig) -> EngineConfig {
    EngineConfig {
        rebroadcast_interval: crdt.rebroadcast_interval,
        batching: Batching::new(crdt.batching.max_batch_size, crdt.batching.max_batch_age),
        ..EngineConfig::default()
    }
}

fn tracker_config(config: &Config) -> TrackerConfig {
    let max = config.cluster.pin_recover_interval;
    TrackerConfig {
        concurrent_pins: config.tracker.concurrent_pins,
        backoff: Backoff { first: FIRST_RETRY.min(max), max },
        ..TrackerConfig::default()
    }
}

/// The addresses this peer tells: those announced by configuration, else those it listens on.
fn own_addresses(config: &Config, peer: cluster_core::PeerId) -> Vec<Multiaddr> {
    let cluster = &config.cluster;
    let told = if cluster.announce_multiaddress.is_empty() {
        &cluster.listen_multiaddress
    } else {
        &cluster.announce_multiaddress
    };
    let is_quic = |a: &Multiaddr| a.iter().any(|p| matches!(p, Protocol::Quic | Protocol::QuicV1));
    told.iter().filter(|a| !is_quic(a)).map(|a| a.clone().with(Protocol::P2p(peer))).collect()
}
