//! The whole life of a peer: open, start, serve, wait, and stop in the reverse order.

mod effects;
mod error;
mod events;
mod forgotten_file;
mod joining;
mod listen;
mod settings;

pub use error::DaemonError;
pub use joining::Bootstrap;

use crate::{command::Prepared, config::ConsensusConfig, state::OpenedState};
use cluster_api::RestServer;
use cluster_consensus::{CrdtConsensus, CrdtInbox, CrdtParts, CrdtWorker, StoredBlocks, crdt::CrdtEngine};
use cluster_core::{
    PeerId,
    ports::{Consensus, Datastore, IpfsConnector},
    tracker::InFlight,
    trust::TrustSet,
};
use cluster_ipfs::Kubo;
use cluster_peer::{
    Expiry, Informers, InformersParts, InformersWorker, IpfsSwarms, IpfsWatch, MetricsBoard, MonitorWorker,
    Peer, PeerParts, TrackerParts, TrackerWorker,
};
use cluster_runtime::{OnEnd, StopSignal, Tasks, WorkerThread, feed, start_pinset};
use cluster_swarm::{Swarm, SwarmParts};
use effects::CommitEffects;
use events::{ForeignPeers, SwarmEvents};
use forgotten_file::ForgottenFile;
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// Requests to the IPFS daemon at once.
const IPFS_CONNECTIONS: usize = 64;

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
pub fn run(prepared: Prepared, bootstrap: &Bootstrap) -> Result<(), DaemonError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .worker_threads(request_threads())
        .max_blocking_threads(BLOCKING_THREADS)
        .build()
        .map_err(DaemonError::Runtime)?;
    let result = runtime.block_on(serve(&prepared, bootstrap));
    runtime.shutdown_timeout(Duration::from_secs(1));
    drop(prepared);
    result
}

async fn serve(prepared: &Prepared, bootstrap: &Bootstrap) -> Result<(), DaemonError> {
    let mut signals = StopSignal::listen().map_err(DaemonError::Runtime)?;
    let config = &prepared.config;
    let peer_id = prepared.identity.id();
    let (forgotten_file, forgotten) = ForgottenFile::open(&prepared.base)
        .map_err(|cause| DaemonError::Forgotten { path: ForgottenFile::path(&prepared.base), cause })?;
    let opened = OpenedState::open(prepared)?;
    let ConsensusConfig::Crdt(crdt) = &config.consensus;
    let engine = CrdtEngine::new(settings::engine(crdt));
    let writer = crate::state::writer(opened.store.clone(), config, peer_id, engine.packing())?;

    let (tracker_sender, tracker_feed) = feed();
    let (crdt_sender, crdt_feed) = feed();
    let effects = CommitEffects { tracker: tracker_sender, crdt: crdt_sender };
    let (pinset, pinset_thread) = start_pinset(writer, Arc::new(effects)).map_err(DaemonError::Runtime)?;

    let trust = settings::trust(crdt, &bootstrap.trusted_peers());
    let trust = Arc::new(TrustSet::new(peer_id, trust, forgotten, Box::new(forgotten_file)));
    let trusted: Arc<dyn Fn(&PeerId) -> bool + Send + Sync> = {
        let trust = trust.clone();
        Arc::new(move |peer| trust.is_trusted(peer))
    };
    let board = MetricsBoard::new(peer_id);
    let (inbox, messages) = CrdtInbox::new(opened.store.clone(), trusted.clone());
    let informers = Informers::new(config.ipfshttp.informer_trigger_interval.unwrap_or(0));
    let foreign = ForeignPeers::default();
    let events = SwarmEvents {
        crdt: inbox.clone(),
        board: board.clone(),
        informers: informers.clone(),
        trust: trust.clone(),
        foreign: foreign.clone(),
    };
    let swarm = Swarm::start(
        settings::swarm(prepared, crdt),
        SwarmParts {
            listener: Arc::new(events),
            blocks: Arc::new(StoredBlocks::new(opened.store.clone())),
            trusted,
            forgotten: trust.forgotten(),
            protected: trust.named(),
        },
    )
    .await?;

    let consensus: Arc<dyn Consensus> =
        Arc::new(CrdtConsensus::new(trust.clone(), Arc::new(board.clone()), pinset.clone()));
    let ipfs: Arc<dyn IpfsConnector> = Arc::new(Kubo::new(settings::kubo(config))?);
    let watch = IpfsWatch::default();
    let in_flight = InFlight::default();
    let port = Arc::new(pinset.clone());
    let peer = Peer::new(
        settings::peer(prepared, opened.path.clone()),
        PeerParts {
            consensus: consensus.clone(),
            trust,
            store: opened.store.clone(),
            ipfs: ipfs.clone(),
            watch: watch.clone(),
            tracker: port.clone(),
            in_flight: in_flight.clone(),
            network: swarm.network(),
            rpc: swarm.rpc(),
            metrics: board.clone(),
            heads: Arc::new(inbox),
        },
    );
    // Ports are taken before anything starts to work: a second peer on them must not touch the IPFS daemon.
    let server = match listen::rest_config(config)? {
        Some((rest, limits)) => {
            Some(RestServer::bind(rest, Arc::new(peer.clone())).await?.with_limits(limits))
        }
        None => None,
    };
    swarm.serve(Arc::new(peer.clone()));

    let tasks = Tasks::new();
    let parts =
        TrackerParts { store: opened.store.clone(), ipfs: ipfs.clone(), port, in_flight: in_flight.clone() };
    let tracker = TrackerWorker::start(settings::tracker(config), parts, tracker_feed, tasks.stopping())
        .map_err(DaemonError::Runtime)?;
    let parts = CrdtParts {
        pinset: pinset.clone(),
        store: opened.store.clone(),
        blocks: swarm.blocks(),
        gossip: (!config.cluster.follower_mode).then(|| swarm.gossip()),
        rpc: swarm.rpc(),
        local: peer_id,
    };
    let crdt = CrdtWorker::start(engine, parts, crdt_feed, messages, tasks.stopping())
        .map_err(DaemonError::Runtime)?;
    for (name, worker) in [("pinset", &pinset_thread), ("tracker", &tracker), ("crdt", &crdt)] {
        tasks.spawn(name, OnEnd::Stop, ended(worker, &tasks));
    }
    tasks.spawn("swarm", OnEnd::Stop, swarm.ended(tasks.stopping()));
    tasks.spawn("ipfs watch", OnEnd::Stop, {
        let (swarm, informers) = (swarm.clone(), informers.clone());
        watch.clone().run(ipfs.clone(), tasks.stopping(), move |id| {
            swarm.set_ready();
            informers.publish_all_now();
            tracing::info!(target: "cluster", ipfs = %id.id, "** IPFS Cluster is READY **");
        })
    });
    let parts = InformersParts {
        board: board.clone(),
        broadcast: swarm.gossip(),
        ipfs: ipfs.clone(),
        watch,
        store: opened.store.clone(),
        in_flight,
        allocatable: Arc::new(move || foreign.is_empty()),
    };
    let worker = InformersWorker::new(settings::informers(config), parts, informers.clone());
    tasks.spawn("informers", OnEnd::Stop, worker.run(tasks.stopping()));
    let (monitor, _alerts) = MonitorWorker::new(board.clone(), config.monitor.check_interval);
    tasks.spawn("monitor", OnEnd::Stop, monitor.run(tasks.stopping()));
    if let Some(delay) = config.ipfshttp.connect_swarms_delay {
        let swarms = IpfsSwarms {
            local: peer_id,
            ipfs,
            metrics: board,
            rpc: swarm.rpc(),
            delay,
            interval: config.cluster.peer_watch_interval,
        };
        tasks.spawn("ipfs swarms", OnEnd::Stop, swarms.run(tasks.stopping()));
    }
    if !config.cluster.follower_mode {
        let interval = config.cluster.state_sync_interval;
        let expiry =
            Expiry { store: opened.store.clone(), consensus: consensus.clone(), local: peer_id, interval };
        tasks.spawn("expiry", OnEnd::Stop, expiry.run(tasks.stopping()));
    }
    tasks.spawn("tidying", OnEnd::Stop, tidy(opened.store.clone(), tasks.stopping()));
    for address in &bootstrap.addresses {
        let join = joining::join(peer.clone(), address.clone(), informers.clone());
        let stop = tasks.stopping();
        tasks.spawn("join", OnEnd::Nothing, async move {
            stop.run_until_cancelled(join).await;
        });
    }
    for address in swarm.network().local_addresses() {
        tracing::info!(target: "cluster", %address, "listening for peers");
    }
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
    orderly &= tokio::time::timeout(STOP_LIMIT, swarm.stop()).await.is_ok();
    drop((tasks, consensus, pinset, peer, swarm));
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
