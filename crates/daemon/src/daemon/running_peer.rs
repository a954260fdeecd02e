//! A peer at work: assembled from its parts in [`RunningPeer::start`], taken apart in the reverse order by
//! [`RunningPeer::stop`].

use super::{
    Counts, DaemonError,
    consensus::{OpenedConsensus, RunningConsensus},
    drops::Drops,
    events::{ForeignPeers, SwarmEvents, UntrustedPeers},
    forgotten_file::ForgottenFile,
    joining::{self, Bootstrap},
    listen,
    numbers::PinsetNumbers,
    raft_member::{self, Membership},
    raft_numbers::RaftNumbers,
    settings, shared_settings,
    traces::Traces,
};
use crate::{command::Prepared, config::MetricsConfig, state::OpenedState};
use cluster_api::{MetricsServer, RestMetrics, RestServer};
use cluster_consensus::StoredBlocks;
use cluster_core::{
    PeerId,
    pinset::TrackerSignal,
    ports::{ClusterApi, Datastore, IpfsConnector, Network},
    tracker::InFlight,
    trust::TrustSet,
};
use cluster_ipfs::{Kubo, KuboMetrics};
use cluster_peer::{
    Expiry, Informers, InformersParts, InformersWorker, IpfsSwarms, IpfsWatch, MetricsBoard, MonitorWorker,
    Peer, PeerParts, TrackerParts, TrackerWorker, TrustWatch,
};
use cluster_runtime::{Feed, OnEnd, Tasks, WorkerThread};
use cluster_swarm::{Swarm, SwarmParts, Trusted};
use prometheus::Registry;
#[cfg(target_os = "linux")]
use prometheus::process_collector::ProcessCollector;
use sd_notify::NotifyState;
use std::{sync::Arc, time::Duration};
use tokio::sync::mpsc;

/// How long each part of an orderly stop may take.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// How often the store may put itself in order.
const TIDY_EVERY: Duration = Duration::from_secs(30);

/// Peers of other suites that connect before anybody looks at them.
const FOREIGN_PEERS: usize = 64;

/// A running peer.
pub struct RunningPeer {
    assembly: Assembly,
    /// Everything but the API, which ends first.
    tasks: Tasks,
    serving: Tasks,
    threads: Vec<WorkerThread>,
    traces: Option<Traces>,
}

impl std::fmt::Debug for RunningPeer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunningPeer").field("peer", &self.assembly.peer).finish_non_exhaustive()
    }
}

impl RunningPeer {
    /// Opens the state, takes the ports and starts to work. Needs a tokio runtime with more than one thread.
    ///
    /// # Errors
    /// Whatever keeps the peer from starting; then nothing of it runs.
    pub async fn start(prepared: &Prepared, bootstrap: &Bootstrap) -> Result<Self, DaemonError> {
        let (mut assembly, followers) = Box::pin(Assembly::make(prepared, bootstrap)).await?;
        // Ports are taken before anything starts to work: a second peer on them must not touch the IPFS daemon.
        let (serving, tasks) = (Tasks::new(), Tasks::new());
        let server = match assembly.bind(prepared, &tasks).await {
            Ok(server) => server,
            Err(error) => {
                assembly.swarm.stop().await;
                return Err(error);
            }
        };
        assembly.swarm.serve(Arc::new(assembly.peer.clone()));
        let threads = assembly.start_workers(prepared, followers, &tasks)?;
        let config = &prepared.config;
        let traces = Traces::start(&config.tracing, &config.cluster.peername, &prepared.identity.id());
        assembly.start_tasks(prepared, &tasks);
        if let Some(raft) = &assembly.consensus.raft {
            raft_member::begin(raft, prepared, bootstrap).await?;
            let wait =
                prepared.config.consensus.raft().map_or(Duration::ZERO, |raft| raft.wait_for_leader_timeout);
            let watch = raft_member::watch(raft.clone(), wait);
            tasks.spawn("raft", OnEnd::Stop, until_stopped(&tasks, watch));
            let twins = raft_member::tell_of_twins(raft.clone(), assembly.swarm.network());
            tasks.spawn("raft twins", OnEnd::Nothing, until_stopped(&tasks, twins));
        }
        for address in &bootstrap.addresses {
            let join = joining::join(assembly.peer.clone(), address.clone(), assembly.informers.clone());
            tasks.spawn("join", OnEnd::Nothing, until_stopped(&tasks, join));
        }
        for address in assembly.swarm.network().local_addresses() {
            tracing::info!(target: "cluster", %address, "listening for peers");
        }
        shared_settings::log(&prepared.config);
        let id = prepared.identity.id();
        tracing::info!(target: "cluster", version = env!("CARGO_PKG_VERSION"), peer = %id, "peer started");
        assembly.serve_numbers(&prepared.config.metrics, &serving).await;
        if let Some(server) = server {
            let scheme = if server.is_secure() { "HTTPS" } else { "HTTP" };
            for address in server.listening() {
                tracing::info!(target: "restapi", "REST API ({scheme}): {address}");
            }
            let stop = serving.stopping();
            serving.spawn("rest", OnEnd::Stop, async move { server.serve(stop.cancelled_owned()).await });
        }
        Ok(Self { assembly, tasks, serving, threads, traces })
    }

    /// Returns what the peer can be asked for.
    pub fn api(&self) -> Arc<dyn ClusterApi> {
        Arc::new(self.assembly.peer.clone())
    }

    /// Returns the connections to other peers.
    pub fn network(&self) -> Arc<dyn Network> {
        self.assembly.swarm.network()
    }

    /// Returns the store; whoever reads it after the peer has stopped gets an error.
    pub fn store(&self) -> Arc<dyn Datastore> {
        self.assembly.opened.store.clone()
    }

    /// Returns what its work is counted by.
    pub(crate) fn counts(&self) -> Counts {
        Counts::new(self.assembly.opened.store.clone(), self.assembly.in_flight.clone())
    }

    /// Starts what runs beside the API and stops with it.
    pub(crate) fn run_beside(&self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        self.serving.spawn(name, OnEnd::Nothing, until_stopped(&self.serving, work));
    }

    /// Waits until something has ended that the peer cannot do without.
    pub async fn failed(&self) {
        tokio::select! {
            () = self.tasks.failed() => {}
            () = self.serving.failed() => {}
        }
    }

    /// Stops in the reverse order of the start; everything accepted is on disk when it returns. Says whether the peer is a
    /// member of its cluster still.
    ///
    /// # Errors
    /// When the store fails, or when something did not end in time.
    pub async fn stop(self) -> Result<Membership, DaemonError> {
        let Self { assembly, tasks, serving, threads, traces } = self;
        let raft = assembly.consensus.raft.clone();
        let mut orderly = serving.stop(STOP_LIMIT).await;
        let membership = match &raft {
            Some(raft) => raft_member::leave(raft, assembly.leaves).await,
            None => Membership::Kept,
        };
        orderly &= tasks.stop(STOP_LIMIT).await;
        if let Some(raft) = raft {
            orderly &= tokio::time::timeout(STOP_LIMIT, raft.stop()).await.is_ok();
        }
        orderly &= tokio::time::timeout(STOP_LIMIT, assembly.swarm.stop()).await.is_ok();
        assembly.drops.log_all();
        let store = assembly.opened.store.clone();
        // The writer's thread ends with its last handle.
        let opened = assembly.take_apart();
        drop((serving, tasks));
        let joined = tokio::task::spawn_blocking(move || {
            threads.into_iter().fold(true, |orderly, thread| thread.join() & orderly)
        });
        orderly &= matches!(tokio::time::timeout(STOP_LIMIT, joined).await, Ok(Ok(true)));
        match tokio::task::spawn_blocking(move || store.close()).await {
            Ok(result) => result?,
            Err(_) => orderly = false,
        }
        drop(opened);
        orderly &= tokio::task::spawn_blocking(|| drop(traces)).await.is_ok();
        if orderly { Ok(membership) } else { Err(DaemonError::Stop { limit: STOP_LIMIT }) }
    }
}

/// The parts of a peer, wired.
struct Assembly {
    opened: OpenedState,
    swarm: Swarm,
    ipfs: Arc<dyn IpfsConnector>,
    watch: IpfsWatch,
    in_flight: InFlight,
    board: MetricsBoard,
    informers: Informers,
    drops: Drops,
    trust: Arc<TrustSet>,
    consensus: RunningConsensus,
    peer: Peer,
    /// For Prometheus.
    numbers: Registry,
    /// Whether the peer leaves its cluster at the end.
    leaves: bool,
}

/// What the workers take over from the assembly.
struct Followers {
    writer: WorkerThread,
    tracker_feed: Feed<Vec<TrackerSignal>>,
    /// Peers of other suites that connect.
    came: mpsc::Receiver<PeerId>,
}

impl Assembly {
    async fn make(prepared: &Prepared, bootstrap: &Bootstrap) -> Result<(Self, Followers), DaemonError> {
        let config = &prepared.config;
        let id = prepared.identity.id();
        let (forgotten_file, forgotten) = ForgottenFile::open(&prepared.base)
            .map_err(|cause| DaemonError::Forgotten { path: ForgottenFile::path(&prepared.base), cause })?;
        let trust = settings::trust(&config.consensus, &bootstrap.trusted_peers());
        let trust = Arc::new(TrustSet::new(id, trust, forgotten, Box::new(forgotten_file)));

        let opened = OpenedState::open(prepared, bootstrap.beside_go)?;
        let trusted: Trusted = Arc::new({
            let trust = trust.clone();
            move |peer| trust.is_trusted(peer)
        });
        let board = MetricsBoard::new(id);
        let opened_consensus = OpenedConsensus::open(prepared, &opened.store, &trusted)?;
        let inbox = opened_consensus.inbox();
        let informers = Informers::new(config.ipfshttp.informer_trigger_interval.unwrap_or(0));
        let (foreign_came, came) = mpsc::channel(FOREIGN_PEERS);
        let events = SwarmEvents {
            crdt: inbox.clone(),
            board: board.clone(),
            informers: informers.clone(),
            trust: trust.clone(),
            foreign: ForeignPeers::default(),
            foreign_came,
            untrusted: UntrustedPeers::default(),
        };
        let parts = SwarmParts {
            listener: Arc::new(events),
            blocks: Arc::new(StoredBlocks::new(opened.store.clone())),
            trusted,
            forgotten: trust.forgotten(),
            protected: trust.named(),
        };
        let (watch, in_flight) = (IpfsWatch::default(), InFlight::default());
        let numbers = Registry::new();
        let kubo = Kubo::new(settings::kubo(config))?.with_metrics(KuboMetrics::register(&numbers)?);
        let ipfs: Arc<dyn IpfsConnector> = Arc::new(kubo);
        let (store, requests) = (opened.store.clone(), in_flight.clone());
        PinsetNumbers::register(&numbers, store, requests, board.clone(), id)?;
        #[cfg(target_os = "linux")]
        numbers.register(Box::new(ProcessCollector::for_self()))?;
        let swarm = Swarm::start(settings::swarm(prepared), parts).await?;

        let connected = opened_consensus.connect(&opened.store, &swarm, (&trust, &board)).await;
        let (consensus, writer, tracker_feed) = match connected {
            Ok(connected) => connected,
            Err(error) => {
                swarm.stop().await;
                return Err(error);
            }
        };
        if consensus.raft.is_some() {
            RaftNumbers::register(&numbers, consensus.port.clone())?;
        }
        let parts = PeerParts {
            consensus: consensus.port.clone(),
            members: consensus.members.clone(),
            trust: trust.clone(),
            store: opened.store.clone(),
            ipfs: ipfs.clone(),
            watch: watch.clone(),
            tracker: consensus.tracker.clone(),
            in_flight: in_flight.clone(),
            network: swarm.network(),
            rpc: swarm.rpc(),
            metrics: board.clone(),
            informers: informers.clone(),
            heads: consensus.heads.clone(),
            batches: consensus.batches.clone(),
            ready: consensus.ready.clone(),
        };
        let peer = Peer::new(settings::peer(prepared, opened.path.clone()), parts);
        let drops = Drops { swarm: swarm.clone(), crdt: inbox, board: board.clone() };
        let followers = Followers { writer, tracker_feed, came };
        let assembly = Self {
            opened,
            swarm,
            ipfs,
            watch,
            in_flight,
            board,
            informers,
            drops,
            trust,
            consensus,
            peer,
            numbers,
            leaves: config.cluster.leave_on_shutdown,
        };
        Ok((assembly, followers))
    }

    async fn bind(&self, prepared: &Prepared, tasks: &Tasks) -> Result<Option<RestServer>, DaemonError> {
        let Some((rest, limits)) = listen::rest_config(&prepared.config, &prepared.base)? else {
            return Ok(None);
        };
        let server = RestServer::bind(rest, Arc::new(self.peer.clone())).await?;
        let metrics = RestMetrics::register(&self.numbers)?;
        let server = server.with_limits(limits).with_metrics(metrics);
        match &prepared.config.restapi {
            Some(rest) => Box::pin(listen::with_libp2p(server, rest, tasks)).await.map(Some),
            None => Ok(Some(server)),
        }
    }

    /// Serves the numbers, if they are wanted. A port that cannot be taken is a warning: the peer is worth more than they.
    async fn serve_numbers(&self, config: &MetricsConfig, tasks: &Tasks) {
        if !config.enable_stats {
            return;
        }
        let address = &config.prometheus_endpoint;
        match MetricsServer::bind(address, self.numbers.clone()).await {
            Ok(server) => {
                tracing::info!(target: "cluster", "metrics for Prometheus: {address}, /metrics");
                let stop = tasks.stopping();
                tasks.spawn(
                    "metrics",
                    OnEnd::Nothing,
                    async move { server.serve(stop.cancelled_owned()).await },
                );
            }
            Err(error) => {
                tracing::warn!(
                    target: "cluster", %error,
                    "no metrics for Prometheus: choose another observations.metrics.prometheus_endpoint"
                );
            }
        }
    }

    /// Starts the threads that follow the writer.
    fn start_workers(
        &mut self,
        prepared: &Prepared,
        followers: Followers,
        tasks: &Tasks,
    ) -> Result<Vec<WorkerThread>, DaemonError> {
        let Followers { writer, tracker_feed, came } = followers;
        if let Some(crdt) = prepared.config.consensus.crdt()
            && !prepared.config.cluster.follower_mode
        {
            let mending = self.peer.clone().mend(came, crdt.rebroadcast_interval);
            tasks.spawn("mending", OnEnd::Stop, until_stopped(tasks, mending));
            let contested = self.peer.clone().watch_contested(crdt.rebroadcast_interval);
            tasks.spawn("contested", OnEnd::Stop, until_stopped(tasks, contested));
        }
        let parts = TrackerParts {
            store: self.opened.store.clone(),
            ipfs: self.ipfs.clone(),
            port: self.consensus.tracker.clone(),
            in_flight: self.in_flight.clone(),
            informers: self.informers.clone(),
        };
        let tracker = settings::tracker(&prepared.config);
        let tracker = TrackerWorker::start(tracker, parts, tracker_feed, tasks.stopping())
            .map_err(DaemonError::Runtime)?;
        let (store, stop) = (&self.opened.store, tasks.stopping());
        let worker = self.consensus.start_worker(prepared, store, &self.swarm, stop)?;
        let workers = [("tracker", Some(tracker)), ("consensus", worker), ("pinset", Some(writer))];
        let workers = workers.into_iter().filter_map(|(name, worker)| Some((name, worker?)));
        let started = workers.map(|(name, worker)| {
            let ended = worker.ended();
            tasks.spawn(name, OnEnd::Stop, until_stopped(tasks, async move { ended.cancelled().await }));
            worker
        });
        Ok(started.collect())
    }

    /// Starts what runs beside.
    fn start_tasks(&self, prepared: &Prepared, tasks: &Tasks) {
        let config = &prepared.config;
        let id = prepared.identity.id();
        tasks.spawn("swarm", OnEnd::Stop, self.swarm.ended(tasks.stopping()));
        let (swarm, informers) = (self.swarm.clone(), self.informers.clone());
        let watch = self.watch.clone().run(self.ipfs.clone(), tasks.stopping(), move |id| {
            swarm.set_ready();
            informers.publish_all_now();
            tracing::info!(target: "cluster", ipfs = %id.id, "** IPFS Cluster is READY **");
            super::tell_service_manager(NotifyState::Ready);
        });
        tasks.spawn("ipfs watch", OnEnd::Stop, watch);
        let parts = InformersParts {
            board: self.board.clone(),
            broadcast: self.swarm.gossip(),
            ipfs: self.ipfs.clone(),
            watch: self.watch.clone(),
            store: self.opened.store.clone(),
            in_flight: self.in_flight.clone(),
        };
        let informers = InformersWorker::new(settings::informers(config), parts, self.informers.clone());
        tasks.spawn("informers", OnEnd::Stop, informers.run(tasks.stopping()));
        let check_interval = config.monitor.check_interval;
        let (monitor, silent) = MonitorWorker::new(self.board.clone(), check_interval);
        tasks.spawn("monitor", OnEnd::Stop, monitor.run(tasks.stopping()));
        if let Some(delay) = config.ipfshttp.connect_swarms_delay {
            let swarms = IpfsSwarms {
                local: id,
                ipfs: self.ipfs.clone(),
                metrics: self.board.clone(),
                rpc: self.swarm.rpc(),
                delay,
                interval: config.cluster.peer_watch_interval,
            };
            tasks.spawn("ipfs swarms", OnEnd::Stop, swarms.run(tasks.stopping()));
        }
        if !config.cluster.follower_mode {
            // A follower is not trusted, and need not be.
            let watch = TrustWatch {
                local: id,
                trust: self.trust.clone(),
                metrics: self.board.clone(),
                rpc: self.swarm.rpc(),
                interval: config.cluster.peer_watch_interval,
            };
            tasks.spawn("trust watch", OnEnd::Stop, watch.run(tasks.stopping()));
            let expiry = Expiry {
                store: self.opened.store.clone(),
                consensus: self.consensus.port.clone(),
                network: self.swarm.network(),
                local: id,
                interval: config.cluster.state_sync_interval,
            };
            tasks.spawn("expiry", OnEnd::Stop, expiry.run(tasks.stopping()));
            if !config.cluster.disable_repinning {
                let healing = self.peer.clone().heal(silent, check_interval);
                tasks.spawn("healing", OnEnd::Stop, until_stopped(tasks, healing));
            }
            let forgetting = self.peer.clone().finish_forgetting();
            tasks.spawn("forgetting", OnEnd::Nothing, until_stopped(tasks, forgetting));
        }
        tasks.spawn("drops", OnEnd::Stop, until_stopped(tasks, self.drops.clone().watch()));
        tasks.spawn("tidying", OnEnd::Stop, until_stopped(tasks, tidy(self.opened.store.clone())));
    }

    /// Lets go of everything but the store.
    fn take_apart(self) -> OpenedState {
        self.opened
    }
}

/// Runs a future until it ends or the tasks are told to stop.
fn until_stopped(
    tasks: &Tasks,
    work: impl Future<Output = ()> + Send + 'static,
) -> impl Future<Output = ()> + Send + 'static {
    let stop = tasks.stopping();
    async move {
        stop.run_until_cancelled(work).await;
    }
}

/// Lets the store put itself in order while nobody writes.
async fn tidy(store: Arc<dyn Datastore>) {
    loop {
        tokio::time::sleep(TIDY_EVERY).await;
        let store = store.clone();
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || store.tidy()).await {
            tracing::debug!(target: "service", %error, "the store was not tidied");
        }
    }
}
