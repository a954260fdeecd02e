//! How the peers of a cluster agree: what a peer wants of any consensus, made of the one that is configured.

use super::{DaemonError, effects::CommitEffects, settings};
use crate::{command::Prepared, config::ConsensusConfig, state::writer};
use cluster_consensus::{
    CrdtConsensus, CrdtInbox, CrdtMessages, CrdtParts, CrdtWorker, RaftConsensus,
    crdt::{CrdtBackend, CrdtEngine, CrdtInput, CrdtOutput},
    raft::{RaftBackend, RaftConfig, RaftInput, RaftNode, RaftParts},
};
use cluster_core::{
    PeerId,
    pinset::TrackerSignal,
    ports::{BoxFuture, Consensus, Datastore, HeadsExchange, Members},
    trust::TrustSet,
};
use cluster_peer::{MetricsBoard, TrackerPort};
use cluster_runtime::{Feed, Pinset, WorkerThread, feed, start_pinset};
use cluster_swarm::{Swarm, Trusted};
use std::sync::Arc;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// A consensus whose writer works, before there are connections to other peers.
pub(super) struct OpenedConsensus {
    kind: Opened,
    /// Threads and feeds that others take over.
    pub(super) writer: WorkerThread,
    pub(super) tracker_feed: Feed<Vec<TrackerSignal>>,
}

enum Opened {
    Crdt { pinset: Pinset<CrdtInput>, inbox: CrdtInbox, work: Box<CrdtWork> },
    Raft { pinset: Pinset<RaftInput>, settings: Box<RaftConfig> },
}

/// What the worker of the Merkle-CRDT takes over.
struct CrdtWork {
    engine: CrdtEngine,
    feed: Feed<Vec<CrdtOutput>>,
    messages: CrdtMessages,
}

/// A consensus with its connections.
pub(super) struct RunningConsensus {
    pub(super) port: Arc<dyn Consensus>,
    pub(super) tracker: Arc<dyn TrackerPort>,
    pub(super) heads: Arc<dyn HeadsExchange>,
    pub(super) batches: watch::Receiver<u64>,
    /// The list of members, where there is one.
    pub(super) members: Option<Arc<dyn Members>>,
    /// Whether the pinset of this peer is fit to be read.
    pub(super) ready: watch::Receiver<bool>,
    /// The member, with Raft.
    pub(super) raft: Option<Arc<RaftNode>>,
    work: Option<(Pinset<CrdtInput>, Box<CrdtWork>)>,
}

impl OpenedConsensus {
    /// Opens the writer on a store.
    pub(super) fn open(
        prepared: &Prepared,
        store: &Arc<dyn Datastore>,
        trusted: &Trusted,
    ) -> Result<Self, DaemonError> {
        let (config, id) = (&prepared.config, prepared.identity.id());
        let (tracker, tracker_feed) = feed();
        match &config.consensus {
            ConsensusConfig::Crdt(crdt) => {
                let engine = CrdtEngine::new(settings::engine(crdt));
                let writer = writer(store.clone(), config, id, CrdtBackend::new(engine.packing()))?;
                let (commits, feed) = feed();
                let effects = CommitEffects { tracker, worker: Some(commits) };
                let (pinset, writer) =
                    start_pinset(writer, Arc::new(effects)).map_err(DaemonError::Runtime)?;
                let name = crdt.cluster_name.as_str().into();
                let (inbox, messages) = CrdtInbox::new(store.clone(), trusted.clone(), name);
                let work = Box::new(CrdtWork { engine, feed, messages });
                Ok(Self { kind: Opened::Crdt { pinset, inbox, work }, writer, tracker_feed })
            }
            ConsensusConfig::Raft(raft) => {
                let writer = writer(store.clone(), config, id, RaftBackend::default())?;
                let effects = CommitEffects { tracker, worker: None };
                let (pinset, writer) =
                    start_pinset(writer, Arc::new(effects)).map_err(DaemonError::Runtime)?;
                let settings = Box::new(settings::raft(prepared, raft));
                Ok(Self { kind: Opened::Raft { pinset, settings }, writer, tracker_feed })
            }
        }
    }

    /// Returns what takes the heads of a Merkle-CRDT.
    pub(super) fn inbox(&self) -> Option<CrdtInbox> {
        match &self.kind {
            Opened::Crdt { inbox, .. } => Some(inbox.clone()),
            Opened::Raft { .. } => None,
        }
    }

    /// Connects it with other peers. Returns with it what was opened for others.
    pub(super) async fn connect(
        self,
        store: &Arc<dyn Datastore>,
        swarm: &Swarm,
        (trust, board): (&Arc<TrustSet>, &MetricsBoard),
    ) -> Result<(RunningConsensus, WorkerThread, Feed<Vec<TrackerSignal>>), DaemonError> {
        let Self { kind, writer, tracker_feed } = self;
        let running = match kind {
            Opened::Crdt { pinset, inbox, work } => {
                let board = Arc::new(board.clone());
                let port = CrdtConsensus::new(trust.clone(), board, pinset.clone(), store.clone());
                RunningConsensus {
                    port: Arc::new(port),
                    tracker: Arc::new(pinset.clone()),
                    heads: Arc::new(inbox),
                    batches: pinset.batches(),
                    members: None,
                    ready: watch::channel(true).1,
                    raft: None,
                    work: Some((pinset, work)),
                }
            }
            Opened::Raft { pinset, settings } => {
                let parts =
                    RaftParts { store: store.clone(), pinset: pinset.clone(), calls: swarm.raft_calls() };
                let node = RaftNode::start(*settings, parts).await?;
                swarm.serve_raft(node.clone());
                let port = RaftConsensus::new(node.clone());
                RunningConsensus {
                    port: Arc::new(port.clone()),
                    members: Some(Arc::new(port)),
                    tracker: Arc::new(pinset.clone()),
                    heads: Arc::new(NoHeads),
                    batches: pinset.batches(),
                    ready: node.ready(),
                    raft: Some(node),
                    work: None,
                }
            }
        };
        Ok((running, writer, tracker_feed))
    }
}

impl RunningConsensus {
    /// Starts the worker that talks to other peers, where the consensus has one.
    pub(super) fn start_worker(
        &mut self,
        prepared: &Prepared,
        store: &Arc<dyn Datastore>,
        swarm: &Swarm,
        stop: CancellationToken,
    ) -> Result<Option<WorkerThread>, DaemonError> {
        let Some((pinset, work)) = self.work.take() else { return Ok(None) };
        let CrdtWork { engine, feed, messages } = *work;
        let parts = CrdtParts {
            pinset,
            store: store.clone(),
            blocks: swarm.blocks(),
            gossip: (!prepared.config.cluster.follower_mode).then(|| swarm.gossip()),
            rpc: swarm.rpc(),
            local: prepared.identity.id(),
        };
        let worker = CrdtWorker::start(engine, parts, feed, messages, stop).map_err(DaemonError::Runtime)?;
        Ok(Some(worker))
    }
}

/// For a consensus without heads.
struct NoHeads;

impl HeadsExchange for NoHeads {
    fn exchange_heads(&self, _: PeerId, _: Vec<u8>) -> BoxFuture<'_, Vec<u8>> {
        Box::pin(std::future::ready(Vec::new()))
    }
}
