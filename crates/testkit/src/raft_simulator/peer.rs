//! One peer: its disk, and what runs on it at the moment.

use super::{
    disk::Disk,
    network::{self, Arrived, Calls},
    world::World,
};
use crate::simulator::Chance;
use anyhow::{Context, Result};
use cluster_consensus::{
    RaftConsensus,
    raft::{RaftBackend, RaftConfig, RaftNode, RaftParts},
};
use cluster_core::{
    PeerId, ReplicationFactors,
    pinset::{TrackerSignal, Writer, WriterConfig, mutation::LaneRule},
    ports::{Consensus, Datastore, consensus::AppliedOn},
};
use cluster_datastore::MemoryStore;
use cluster_runtime::{
    Effects, WorkerThread,
    simulation::{self, Host, HostClock, spawn_on},
    start_pinset,
};
use std::{
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::mpsc;

/// Requests that may lie at a peer that stands still; later ones are lost.
const INBOX: usize = 4096;

/// How long a read that has to be up to date waits.
const BARRIER_WAIT: Duration = Duration::from_secs(3);

/// How long a change waits for its outcome.
const SUBMIT_WAIT: Duration = Duration::from_secs(3);

pub(super) struct Peer {
    pub(super) id: PeerId,
    pub(super) is_founder: bool,
    state: Mutex<State>,
}

struct State {
    store: MemoryStore,
    clock: HostClock,
    life: Option<Life>,
}

/// What runs until the power fails.
#[derive(Clone)]
pub(super) struct Life {
    pub(super) host: Host,
    pub(super) disk: Arc<Disk>,
    pub(super) serving: Option<Serving>,
}

/// A peer that answers.
#[derive(Clone)]
pub(super) struct Serving {
    pub(super) node: Arc<RaftNode>,
    pub(super) consensus: Arc<dyn Consensus>,
    pub(super) inbox: mpsc::Sender<Arrived>,
    writer: Arc<Mutex<Option<WorkerThread>>>,
}

struct NoEffects;

impl Effects<Infallible> for NoEffects {
    fn committed(&self, _: Vec<Infallible>) {}
    fn tracked(&self, _: Vec<TrackerSignal>) {}
    fn recovered(&self) {}
}

impl Peer {
    pub(super) fn new(id: PeerId, is_founder: bool) -> Self {
        let state = State { store: MemoryStore::new(), clock: HostClock::default(), life: None };
        Self { id, is_founder, state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn life(&self) -> Option<Life> {
        self.lock().life.clone()
    }

    /// Returns what answers, and where.
    pub(super) fn serving(&self) -> Option<(Host, Arc<Disk>, Serving)> {
        let Life { host, disk, serving } = self.life()?;
        Some((host, disk, serving?))
    }

    /// Returns what is on the disk, with what would be lost.
    pub(super) fn store(&self) -> MemoryStore {
        let state = self.lock();
        state.life.as_ref().map_or_else(|| state.store.clone(), |life| life.disk.store().clone())
    }

    /// Returns what a power failure now would leave.
    pub(super) fn left(&self) -> MemoryStore {
        let state = self.lock();
        state.life.as_ref().map_or_else(|| state.store.clone(), |life| life.disk.would_be_left())
    }

    pub(super) fn set_clock(&self, clock: HostClock) {
        let mut state = self.lock();
        state.clock = clock;
        if let Some(life) = &state.life {
            simulation::set_clock(life.host, clock);
        }
    }
}

/// Starts a peer that does not run.
pub(super) fn start(world: &Arc<World>, number: usize) {
    let peer = &world.peers[number];
    let chance = Chance::new(world.chance().any());
    let mut state = peer.lock();
    if state.life.is_some() {
        return;
    }
    let host = simulation::host(state.clock, world.faults.disk);
    let watching = Arc::downgrade(world);
    let watch = move |left: &MemoryStore| {
        if let Some(world) = watching.upgrade() {
            world.require(world.check_disk(number, left));
        }
    };
    let disk = Arc::new(Disk::new(state.store.clone(), chance, watch));
    state.life = Some(Life { host, disk: disk.clone(), serving: None });
    drop(state);
    world.say(|| format!("peer {number} starts"));
    let dead = disk.dead();
    let watching = world.clone();
    world.spawn(async move {
        dead.cancelled().await;
        crash(&watching, number, host);
    });
    let booted = spawn_on(host, boot(world.clone(), number, host, disk));
    let booting = world.clone();
    world.spawn(async move {
        // Otherwise it answers, or is gone already.
        if let Ok(Err(error)) = booted.await {
            booting.say(|| format!("peer {number} does not start: {error:#}"));
            crash(&booting, number, host);
        }
    });
}

/// What the daemon does when it starts.
async fn boot(world: Arc<World>, number: usize, host: Host, disk: Arc<Disk>) -> Result<()> {
    let peer = &world.peers[number];
    let config = WriterConfig {
        local: peer.id,
        replication: ReplicationFactors::EVERYWHERE,
        lanes: LaneRule { max_age: Duration::from_secs(86_400), max_retries: 5 },
        applied_on: AppliedOn::Quorum,
    };
    let store: Arc<dyn Datastore> = disk;
    let writer = Writer::open(store.clone(), RaftBackend::default(), config)?;
    let (pinset, writer) = start_pinset(writer, Arc::new(NoEffects))?;
    let (snapshot_threshold, trailing_logs) = world.faults.snapshot;
    let config = RaftConfig {
        local: peer.id,
        replication: ReplicationFactors::EVERYWHERE,
        heartbeat: Duration::from_millis(150),
        election: Duration::from_millis(500),
        election_max: Duration::from_millis(1_000),
        max_append_entries: 64,
        leader_wait: Duration::from_secs(1),
        submit_wait: SUBMIT_WAIT,
        barrier_wait: BARRIER_WAIT,
        snapshot_threshold,
        trailing_logs,
    };
    let calls = Arc::new(Calls::new(world.clone(), number));
    let parts = RaftParts { store, pinset, calls };
    let node = RaftNode::start(config, parts).await?;
    let (inbox, arriving) = mpsc::channel(INBOX);
    let serving = Serving {
        node: node.clone(),
        consensus: Arc::new(RaftConsensus::new(node.clone())),
        inbox,
        writer: Arc::new(Mutex::new(Some(writer))),
    };
    if let Some(life) = peer.lock().life.as_mut().filter(|life| life.host == host) {
        life.serving = Some(serving);
    }
    drop(cluster_runtime::spawn(network::accept(world.clone(), number, node.clone(), arriving)));
    if peer.is_founder {
        let initialized = node.initialize(&world.founders()).await;
        initialized.context("the first members")?;
    }
    Ok(())
}

/// Cuts a peer's power, if it is still that life, and starts it again later.
pub(super) fn crash(world: &Arc<World>, number: usize, host: Host) {
    let peer = &world.peers[number];
    let mut state = peer.lock();
    let Some(life) = state.life.take_if(|life| life.host == host) else { return };
    state.store = life.disk.left();
    world.require(world.check_disk(number, &state.store));
    drop(state);
    world.summary().crashes += 1;
    world.say(|| format!("peer {number} loses power"));
    drop(life);
    simulation::kill(host);
    start_later(world, number);
}

/// Takes a peer's disk away; it starts again later, with an empty one.
pub(super) fn lose_disk(world: &Arc<World>, number: usize) {
    let peer = &world.peers[number];
    let mut state = peer.lock();
    let Some(life) = state.life.take() else { return };
    state.store = MemoryStore::new();
    drop(state);
    let host = life.host;
    drop(life);
    simulation::kill(host);
    world.summary().lost_disks += 1;
    world.say(|| format!("peer {number} loses its disk"));
    world.shown.forget(number);
    world.emptied().insert(number);
    start_later(world, number);
}

fn start_later(world: &Arc<World>, number: usize) {
    let wait = world.millis(20..2_000);
    let again = world.clone();
    world.spawn(async move {
        again.sleep_until_healed(wait).await;
        // A moment, also when all has healed: a peer that cannot start would be started for ever at once.
        tokio::time::sleep(Duration::from_millis(20)).await;
        start(&again, number);
    });
}

/// Stops a peer in order, as an operator does; with `is_emptied` its disk is emptied before it starts again.
pub(super) async fn stop(world: &Arc<World>, number: usize, is_emptied: bool) {
    let peer = &world.peers[number];
    let Some((host, disk, serving)) = peer.serving() else { return };
    world.say(|| format!("peer {number} stops"));
    let stopped = spawn_on(host, async move {
        let Serving { node, consensus, inbox, writer } = serving;
        node.stop().await;
        drop((node, consensus, inbox));
        writer.lock().unwrap_or_else(PoisonError::into_inner).take()
    });
    let writer = match stopped.await {
        Ok(writer) => writer,
        // It lost its power meanwhile.
        Err(_) => return,
    };
    {
        let mut state = peer.lock();
        let Some(life) = state.life.as_mut().filter(|life| life.host == host) else { return };
        // Nobody answers any more.
        life.serving = None;
    }
    if let Some(writer) = writer {
        let ended = spawn_on(host, writer.wait());
        if ended.await.is_err() {
            return;
        }
    }
    let closed = disk.close();
    let mut state = peer.lock();
    if state.life.take_if(|life| life.host == host).is_none() {
        return;
    }
    state.store = if is_emptied { MemoryStore::new() } else { disk.left() };
    drop(state);
    simulation::kill(host);
    world.summary().restarts += 1;
    world.say(|| format!("peer {number} stopped: {closed:?}, emptied: {is_emptied}"));
    if is_emptied {
        world.shown.forget(number);
    }
    start_later(world, number);
}
