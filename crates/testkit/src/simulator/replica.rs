//! One replica: what outlives its process, and the process.

use super::{
    client::Request,
    ipfs::Ipfs,
    oracle::{Model, Name},
};
use anyhow::Result;
use cluster_consensus::crdt::{CrdtBackend, CrdtEngine, EngineConfig};
use cluster_core::{
    PeerId, Pin, PinKey, ReplicationFactors, UnixMillis,
    pinset::{Ticket, Writer, WriterConfig, format, mutation::LaneRule},
    ports::consensus::AppliedOn,
    tracker::{Action, Backoff, Tracker, TrackerConfig},
};
use cluster_datastore::{FailMode, MemoryStore};
use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

/// One input of the batch at hand, in the order of staging.
#[derive(Debug)]
pub(super) enum Item {
    Request { ticket: Ticket, request: Request, at: UnixMillis },
    Block(Name),
}

/// A request of the IPFS daemon that is under way.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) action: Action,
    /// What is pinned by it.
    pub(super) pin: Option<Pin>,
    pub(super) cancelled: bool,
}

/// What dies with a power failure.
pub(super) struct Process {
    pub(super) writer: Writer<CrdtBackend>,
    pub(super) engine: CrdtEngine,
    pub(super) tracker: Tracker,
    pub(super) items: Vec<Item>,
    pub(super) jobs: BTreeMap<(PinKey, u64), Job>,
    /// A commit failed and the store has not recovered yet.
    pub(super) broken: bool,
    /// When the last message to the writer arrives there: none overtakes another.
    pub(super) pipe: UnixMillis,
    /// The earliest engine tick that is planned.
    pub(super) tick: Option<UnixMillis>,
}

pub(super) struct Replica {
    pub(super) local: PeerId,
    pub(super) store: Arc<MemoryStore>,
    pub(super) config: EngineConfig,
    pub(super) ipfs: Ipfs,
    pub(super) model: Model,
    /// Counts the processes; what one of them planned is not for the next.
    pub(super) life: u32,
    pub(super) process: Option<Process>,
    /// How the next write of the store will fail.
    pub(super) armed: Option<FailMode>,
    /// A batch whose commit failed although it reached the disk: recovery and power failures show it.
    pub(super) survivor: Option<Vec<Item>>,
}

impl Replica {
    pub(super) fn new(local: PeerId, config: EngineConfig) -> Result<Self> {
        let store = Arc::new(MemoryStore::new());
        format::ensure(&*store, Path::new("simulated"))?;
        Ok(Self {
            local,
            store,
            config,
            ipfs: Ipfs::default(),
            model: Model::default(),
            life: 0,
            process: None,
            armed: None,
            survivor: None,
        })
    }

    /// Starts a process on what is stored.
    pub(super) fn start(&mut self, now: UnixMillis) -> Result<()> {
        let engine = CrdtEngine::new(self.config.clone());
        let config = WriterConfig {
            local: self.local,
            replication: ReplicationFactors::EVERYWHERE,
            lanes: LaneRule { max_age: Duration::from_secs(5), max_retries: 2 },
            applied_on: AppliedOn::Local,
        };
        let writer = Writer::open(self.store.clone(), CrdtBackend::new(engine.packing()), config)?;
        let tracker = Tracker::new(TrackerConfig {
            concurrent_pins: 3,
            concurrent_unpins: 2,
            backoff: Backoff { first: Duration::from_millis(500), max: Duration::from_secs(5) },
            check_pass: Duration::from_secs(60),
            ..TrackerConfig::default()
        });
        self.process = Some(Process {
            writer,
            engine,
            tracker,
            items: Vec::new(),
            jobs: BTreeMap::new(),
            broken: false,
            pipe: now,
            tick: None,
        });
        Ok(())
    }

    /// Returns the process when it works and its store does.
    pub(super) fn working(&mut self) -> Option<&mut Process> {
        self.process.as_mut().filter(|process| !process.broken)
    }
}
